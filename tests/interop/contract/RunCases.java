import java.io.File;
import java.io.FileWriter;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.security.UserGroupInformation;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs test classes one after the other. Arguments: file for the results, file with a class a line (or Class#method). For each case a line
 * "pass|fail|skip CLASS#CASE MILLISECONDS [why]", fields separated by tabs.
 */
public class RunCases implements TestExecutionListener {
    private final PrintWriter out;
    private final String type;
    private long begin;

    RunCases(PrintWriter out, String type) {
        this.out = out;
        this.type = type;
    }

    private String name(TestIdentifier test) {
        String method = test.getSource().filter(MethodSource.class::isInstance).map(s -> ((MethodSource) s).getMethodName()).orElse("*");
        String plain = test.getDisplayName().replace("()", "");
        return type + "#" + (method.equals("*") || plain.equals(method) || plain.startsWith(method + "(") ? method : method + plain.replaceAll("\\s+", " "));
    }

    private static String why(Throwable e) {
        if (e == null) return "";
        StringBuilder text = new StringBuilder(String.valueOf(e));
        for (Throwable cause = e.getCause(); cause != null && cause != e; cause = cause.getCause()) text.append(" <- ").append(cause);
        return text.toString().replaceAll("\\s+", " ");
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        if (test.isTest()) {
            begin = System.currentTimeMillis();
            System.err.println("==== " + name(test));
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) { out.println("skip\t" + name(test) + "\t0\t" + reason.replaceAll("\\s+", " ")); }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        Throwable e = result.getThrowable().orElse(null);
        if (!test.isTest() && e == null) return;
        String word = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL ? "pass"
            : result.getStatus() == TestExecutionResult.Status.ABORTED ? "skip" : "fail";
        if (!test.isTest() && !test.getSource().filter(ClassSource.class::isInstance).isPresent()) return;
        out.println(word + "\t" + name(test) + "\t" + (test.isTest() ? System.currentTimeMillis() - begin : 0) + "\t" + why(e));
        if (e != null) e.printStackTrace();
    }

    public static void main(String[] args) throws Exception {
        List<String> types = Files.readAllLines(new File(args[1]).toPath());
        try (PrintWriter out = new PrintWriter(new FileWriter(args[0], true), true)) {
            for (String type : types) {
                if (type.isBlank() || type.startsWith("#")) continue;
                LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                    .configurationParameter("junit.jupiter.execution.timeout.testable.method.default", "60 s")
                    .selectors(type.contains("#") ? DiscoverySelectors.selectMethod(type) : DiscoverySelectors.selectClass(type)).build();
                Launcher launcher = LauncherFactory.create();
                FileSystem.closeAll();
                UserGroupInformation.reset(); // some tests leave another user behind
                long begin = System.currentTimeMillis();
                RunCases listener = new RunCases(out, type.replaceAll("#.*", "").replaceAll(".*\\.", ""));
                Thread thread = new Thread(() -> launcher.execute(request, listener)); // with its own call ids of Hadoop's RPC
                thread.start();
                thread.join();
                System.err.println("==== " + type + " took " + (System.currentTimeMillis() - begin) + " ms");
            }
        }
        MiniDFSCluster.endAll();
        Runtime.getRuntime().halt(0); // whatever threads a test has left
    }
}
