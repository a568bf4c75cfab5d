import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.util.ToolRunner;

/** Runs many `hdfs dfs` commands in one JVM. Arguments: folder for the results. Standard input: a command a line, fields separated by tabs. */
public class ShellBatch {
    public static void main(String[] args) throws Exception {
        File folder = new File(args[0]);
        PrintStream out = System.out, err = System.err;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            number++;
            int status;
            try (PrintStream o = new PrintStream(new FileOutputStream(new File(folder, number + ".out")));
                 PrintStream e = new PrintStream(new FileOutputStream(new File(folder, number + ".err")))) {
                System.setOut(o);
                System.setErr(e);
                FsShell shell = new FsShell(new Configuration());
                try {
                    status = ToolRunner.run(shell, line.split("\t", -1));
                } finally {
                    shell.close();
                    FileSystem.closeAll(); // so that the next command's -D counts
                }
                System.setOut(out);
                System.setErr(err);
            }
            Files.write(new File(folder, number + ".rc").toPath(), (status + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }
}
