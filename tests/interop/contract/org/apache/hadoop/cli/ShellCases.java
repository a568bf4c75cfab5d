package org.apache.hadoop.cli;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileWriter;
import java.io.InputStream;
import java.io.PrintWriter;
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.cli.util.CLICommand;
import org.apache.hadoop.cli.util.CLICommandDFSAdmin;
import org.apache.hadoop.cli.util.CLICommandTypes;
import org.apache.hadoop.cli.util.CLITestData;
import org.apache.hadoop.cli.util.CommandExecutor;
import org.apache.hadoop.cli.util.ComparatorData;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/**
 * Runs the shell cases of Hadoop's test classes (TestHDFSCLI and its kin, of this package) one by one. Arguments: file for the results, then the
 * classes' names. With the property cluster.shell the commands go to that program, a process for each, instead of Apache's shell. Lines are those of
 * RunCases.
 */
public class ShellCases {
    private static final String[] DATA = {"testHDFSConf.xml", "testAclCLI.xml", "testAclCLIWithPosixAclInheritance.xml", "testXAttrConf.xml",
        "testDeleteConf.xml", "data15bytes", "data30bytes", "data60bytes", "data120bytes", "data1k", "testConf.xml"};
    private static final String SHELL = System.getProperty("cluster.shell");
    private static Configuration conf; // of the class that runs

    /** A command as a process; what it prints counts with what it says about errors, in the order in which it was said. */
    private static final class Program extends CommandExecutor {
        private final String name;
        private final Path site;

        Program(String name, Path site) {
            this.name = name;
            this.site = site;
        }

        @Override
        protected int execute(String cmd) throws Exception {
            List<String> words = new ArrayList<>(List.of(SHELL, name));
            words.addAll(List.of(getCommandAsArgs(cmd, "NAMENODE", FileSystem.getDefaultUri(conf).toString())));
            ProcessBuilder builder = new ProcessBuilder(words).redirectErrorStream(true);
            builder.environment().put("HADOOP_CONF_DIR", site.toString());
            Process process = builder.start();
            process.getOutputStream().close();
            try (InputStream in = process.getInputStream()) {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                in.transferTo(bytes);
                System.out.print(bytes.toString());
            }
            return process.waitFor();
        }
    }

    /** The client's configuration for processes: what the test set. */
    private static Path site() throws Exception {
        Path dir = Files.createTempDirectory(new File(System.getProperty("test.build.data")).toPath(), "client");
        Configuration out = new Configuration(false);
        for (String name : new String[] {"fs.defaultFS", "dfs.replication", "dfs.namenode.http-address", "fs.trash.interval", "dfs.blocksize",
            "fs.client.resolve.remote.symlinks", "hadoop.shell.safely.delete.limit.num.files", "dfs.client.read.shortcircuit"}) {
            if (conf.get(name) != null) out.set(name, conf.get(name));
        }
        try (PrintWriter writer = new PrintWriter(new FileWriter(dir.resolve("core-site.xml").toFile()))) {
            out.writeXml(writer);
        }
        return dir;
    }

    /** The command as our program's, of the type that the parser has found. */
    private static CLICommand command(CLICommand command) {
        return new CLICommand() {
            @Override
            public CommandExecutor getExecutor(String tag, Configuration configuration) {
                try {
                    conf = configuration;
                    return new Program(command.getType() instanceof CLICommandDFSAdmin ? "dfsadmin" : "dfs", site());
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }

            @Override
            public CLICommandTypes getType() { return command.getType(); }

            @Override
            public String getCmd() { return command.getCmd(); }
        };
    }

    private static void replace(List<CLICommand> commands) {
        if (SHELL != null) commands.replaceAll(ShellCases::command);
    }

    private static String why(CLITestData test) {
        for (ComparatorData wanted : test.getComparatorData()) {
            if (!wanted.getTestResult()) {
                return ("wanted " + wanted.getExpectedOutput() + " got " + wanted.getActualOutput()).replaceAll("\\s+", " ");
            }
        }
        return "exit code";
    }

    private static void run(PrintWriter out, String name) throws Exception {
        Constructor<?> constructor = Class.forName("org.apache.hadoop.cli." + name).getDeclaredConstructor();
        constructor.setAccessible(true);
        CLITestHelper helper = (CLITestHelper) constructor.newInstance();
        helper.readTestConfigFile();
        for (CLITestData test : helper.testsFromConfigFile) {
            replace(test.getTestCommands());
            replace(test.getCleanupCommands());
        }
        String label = name + (SHELL == null ? "" : ".shell");
        try {
            helper.setUp();
            helper.testAll();
            for (int i = 0; i < helper.testsFromConfigFile.size(); i++) {
                CLITestData test = helper.testsFromConfigFile.get(i);
                String text = test.getTestDesc().trim().replaceAll("\\s+", " ");
                out.println((test.getTestResult() ? "pass" : "fail") + "\t" + label + "#" + (i + 1) + " " + text + "\t0\t"
                    + (test.getTestResult() ? "" : why(test)));
            }
        } catch (Throwable e) {
            e.printStackTrace();
            out.println("fail\t" + label + "#*\t0\t" + e.toString().replaceAll("\\s+", " "));
        } finally {
            try {
                helper.tearDown();
            } catch (AssertionError e) { // its way to tell of cases that failed
                System.err.println(e.getMessage());
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Path data = new File(System.getProperty("test.cache.data")).toPath();
        Files.createDirectories(data);
        for (String name : DATA) {
            try (InputStream in = ClassLoader.getSystemResourceAsStream(name)) {
                if (in != null) Files.copy(in, data.resolve(name), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        try (PrintWriter out = new PrintWriter(new FileWriter(args[0], true), true)) {
            for (int i = 1; i < args.length; i++) run(out, args[i]);
        }
        MiniDFSCluster.endAll();
        Runtime.getRuntime().halt(0);
    }
}
