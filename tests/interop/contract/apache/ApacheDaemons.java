import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.security.Groups;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ExitUtil;

/**
 * Apache's daemons, many in one warm process that is not the tests' own. Standard input, a line each: "start N namenode|datanode DIR ARGS..." with the
 * configuration in DIR, "stop N", "quit"; the answer is "ok" or "error TEXT".
 */
public class ApacheDaemons {
    private static final Map<String, AutoCloseable> running = new HashMap<>();

    static HdfsConfiguration configuration(File dir) {
        HdfsConfiguration conf = new HdfsConfiguration();
        conf.addResource(new Path(new File(dir, "core-site.xml").toURI()));
        conf.addResource(new Path(new File(dir, "hdfs-site.xml").toURI()));
        return conf;
    }

    static AutoCloseable start(String kind, File dir, String[] args) throws Exception {
        HdfsConfiguration conf = configuration(dir);
        if (kind.equals("namenode")) {
            UserGroupInformation.reset(); // or the users of the cluster before would be known
            Groups.getUserToGroupsMappingServiceWithLoadedConfiguration(conf);
            NameNode node = NameNode.createNameNode(args, conf);
            return () -> {
                node.stop();
                node.join();
            };
        }
        DataNode node = DataNode.createDataNode(args, conf);
        return node::shutdown;
    }

    static void run(String[] words) throws Exception {
        if (words[0].equals("start")) {
            running.put(words[1], start(words[2], new File(words[3]), Arrays.copyOfRange(words, 4, words.length)));
        } else {
            AutoCloseable daemon = running.remove(words[1]);
            if (daemon != null) daemon.close(); // null: it has formatted
        }
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        ExitUtil.disableSystemExit();
        DefaultMetricsSystem.setMiniClusterMode(true);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
            try {
                run(line.split(" "));
                answers.println("ok");
            } catch (ExitUtil.ExitException e) {
                ExitUtil.resetFirstExitException();
                answers.println(e.status == 0 ? "ok" : "error " + e.toString().replace('\n', ' '));
            } catch (Throwable e) {
                e.printStackTrace();
                answers.println("error " + e.toString().replace('\n', ' '));
            }
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }
}
