import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.tools.DFSAdmin;
import org.apache.hadoop.hdfs.tools.DFSck;
import org.apache.hadoop.util.Tool;
import org.apache.hadoop.util.ToolRunner;

/**
 * Apache's shell, many commands in one JVM. Standard input: a command a line, words separated by tabs, the first being
 * dfs, dfsadmin, fsck or sh (which runs the second word with bash). Standard output: for each a line "CODE OUT ERR"
 * with the exit code and the lengths of what follows, then the bytes of both outputs.
 */
public class ShellBatch {
  static final byte[] INPUT = "from standard input\n".getBytes(StandardCharsets.UTF_8);

  static Tool tool(String name, Configuration conf) throws Exception {
    switch (name) {
      case "dfs": return new FsShell(conf);
      case "dfsadmin": return new DFSAdmin(conf);
      case "fsck": return new DFSck(conf);
      default: throw new IllegalArgumentException(name);
    }
  }

  static int run(String[] words) throws Exception {
    String[] args = Arrays.copyOfRange(words, 1, words.length);
    if (!words[0].equals("sh")) return ToolRunner.run(tool(words[0], new HdfsConfiguration()), args) & 255;
    Process process = new ProcessBuilder("bash", "-c", args[0]).redirectErrorStream(true).start();
    process.getOutputStream().close();
    try (InputStream in = process.getInputStream()) {
      in.transferTo(System.out);
    }
    return process.waitFor();
  }

  public static void main(String[] none) throws Exception {
    PrintStream real = new PrintStream(new FileOutputStream(FileDescriptor.out), false);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    String line;
    while ((line = in.readLine()) != null) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      System.setOut(new PrintStream(out, true, "UTF-8"));
      System.setErr(new PrintStream(err, true, "UTF-8"));
      System.setIn(new ByteArrayInputStream(INPUT));
      int code = 255;
      try {
        code = run(line.split("\t", -1));
      } catch (Throwable t) {
        t.printStackTrace(System.err);
      }
      System.out.flush();
      System.err.flush();
      real.print(code + " " + out.size() + " " + err.size() + "\n");
      real.write(out.toByteArray());
      real.write(err.toByteArray());
      real.flush();
    }
  }
}
