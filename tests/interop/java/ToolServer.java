import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.Arrays;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.conf.Configured;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ExitUtil;
import org.apache.hadoop.util.Tool;
import org.apache.hadoop.util.ToolRunner;

/**
 * Hadoop's tools, one after the other, in one JVM. Arguments: a folder with two pipes. From "request" come lines of a class and its arguments, separated by tabs,
 * before them "@user" to be somebody else; to "answer" goes the status of each, its output to the files "out" and "err".
 */
public class ToolServer {
    private static final long LIMIT_MS = Long.getLong("tool.limit.ms", 120000);

    /** As the class's own main() makes it. */
    private static Tool make(String name, Configuration conf) throws Exception {
        Class<?> type = Class.forName(name);
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            Class<?>[] wants = constructor.getParameterTypes();
            if (wants.length > 1 || (wants.length == 1 && wants[0] != Configuration.class)) continue;
            constructor.setAccessible(true);
            Object tool = wants.length == 0 ? constructor.newInstance() : constructor.newInstance(conf);
            if (tool instanceof Configured) ((Configured) tool).setConf(conf);
            return (Tool) tool;
        }
        throw new IllegalArgumentException(name + " has no constructor to call");
    }

    private static int run(String[] words) throws Exception {
        final Configuration conf = new Configuration();
        String user = words[0].startsWith("@") ? words[0].substring(1) : null;
        final String[] rest = user == null ? words : Arrays.copyOfRange(words, 1, words.length);
        if (rest[0].endsWith(".DistCp")) conf.addResource("distcp-default.xml");
        PrivilegedExceptionAction<Integer> action = () -> {
            try {
                return ToolRunner.run(conf, make(rest[0], conf), Arrays.copyOfRange(rest, 1, rest.length));
            } catch (ExitUtil.ExitException e) {
                return e.status;
            } catch (Throwable t) {
                t.printStackTrace();
                return 255;
            } finally {
                FileSystem.closeAll(); // so that the next one's -D counts
            }
        };
        return user == null ? action.run() : UserGroupInformation.createRemoteUser(user).doAs(action);
    }

    public static void main(String[] args) throws Exception {
        File folder = new File(args[0]);
        ExitUtil.disableSystemExit();
        DefaultMetricsSystem.setMiniClusterMode(true); // a tool may run twice
        try (BufferedReader in = new BufferedReader(new InputStreamReader(new FileInputStream(new File(folder, "request")), StandardCharsets.UTF_8));
             PrintStream answer = new PrintStream(new FileOutputStream(new File(folder, "answer")), true)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                final String[] words = line.split("\t", -1);
                final int[] status = {255};
                PrintStream out = new PrintStream(new FileOutputStream(new File(folder, "out")), true, "UTF-8");
                PrintStream err = new PrintStream(new FileOutputStream(new File(folder, "err")), true, "UTF-8");
                System.setOut(out);
                System.setErr(err);
                Thread thread = new Thread(() -> {
                    try {
                        status[0] = run(words);
                    } catch (Throwable t) {
                        t.printStackTrace();
                    }
                });
                thread.setDaemon(true);
                thread.start();
                thread.join(LIMIT_MS);
                if (thread.isAlive()) {
                    err.println("no end after " + LIMIT_MS + " ms:");
                    for (Map.Entry<Thread, StackTraceElement[]> e : Thread.getAllStackTraces().entrySet()) {
                        err.println(e.getKey());
                        for (StackTraceElement at : e.getValue()) err.println("    " + at);
                    }
                    answer.println(124);
                    Runtime.getRuntime().halt(124);
                }
                out.flush();
                err.flush();
                answer.println(status[0]);
            }
        }
        Runtime.getRuntime().halt(0); // no shutdown hooks: what tools left running ends here
    }
}
