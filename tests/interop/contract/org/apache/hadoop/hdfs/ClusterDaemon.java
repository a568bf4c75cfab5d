package org.apache.hadoop.hdfs;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * A daemon of the cluster under test. The property cluster.hdfs names the program that is started as a process of its own; without it, the words of
 * cluster.apache are the command of an ApacheDaemons, which holds all daemons.
 */
abstract class ClusterDaemon {
    private static final String PROGRAM = System.getProperty("cluster.hdfs");
    private static final int STARTS_MAX = 60; // Apache's daemons leave memory behind
    private static final Set<Process> processes = ConcurrentHashMap.newKeySet();
    private static int count;

    abstract void stop() throws IOException;

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(ClusterDaemon::endAll));
    }

    /** Starts `namenode` or `datanode` with the configuration in dir. */
    static ClusterDaemon start(String kind, File dir, String... args) throws IOException {
        return PROGRAM != null ? new Child(kind, dir, args) : new Peer(kind, dir, args);
    }

    /** Formats; returns when that is done. */
    static void format(File dir, String... args) throws IOException {
        List<String> words = new ArrayList<>(Arrays.asList("-format", "-force", "-nonInteractive"));
        words.addAll(Arrays.asList(args));
        ClusterDaemon daemon = start("namenode", dir, words.toArray(new String[0]));
        if (daemon instanceof Child) ((Child) daemon).join("format");
        else daemon.stop();
    }

    /** Kills what a test has left running. */
    static void endAll() { processes.forEach(Process::destroyForcibly); }

    /** Says why the daemon is gone, or null. */
    String end() { return null; }

    private static final class Child extends ClusterDaemon {
        private final Process process;
        private final File log;

        Child(String kind, File dir, String... args) throws IOException {
            List<String> command = new ArrayList<>(Arrays.asList(PROGRAM, kind));
            command.addAll(Arrays.asList(args));
            log = new File(dir, "log");
            ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(log));
            builder.environment().put("HADOOP_CONF_DIR", dir.toString());
            process = builder.start();
            processes.add(process);
            process.onExit().thenAccept(processes::remove);
        }

        void join(String what) throws IOException {
            try {
                if (process.waitFor() != 0) throw new IOException(what + " failed, see " + log);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }

        @Override
        String end() { return process.isAlive() ? null : "status " + process.exitValue() + ", see " + log; }

        @Override
        void stop() throws IOException {
            process.destroy();
            try {
                if (!process.waitFor(20, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                    throw new IOException("did not stop, see " + log);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                process.destroyForcibly();
            }
        }
    }

    private static final class Peer extends ClusterDaemon {
        private static Process peer;
        private static PrintStream orders;
        private static BufferedReader answers;
        private static int started, live;
        private final int number;
        private boolean running = true;

        Peer(String kind, File dir, String... args) throws IOException {
            number = ++count;
            if (live == 0 && started > STARTS_MAX) {
                order("quit");
                peer = null;
                started = 0;
            }
            live++;
            started++;
            order("start " + number + " " + kind + " " + dir + (args.length == 0 ? "" : " " + String.join(" ", args)));
        }

        private static synchronized void order(String line) throws IOException {
            if (peer == null) {
                peer = new ProcessBuilder(System.getProperty("cluster.apache").split(" ")).redirectError(ProcessBuilder.Redirect.appendTo(
                    new File(System.getProperty("test.build.data"), "apache.log"))).start();
                processes.add(peer);
                orders = new PrintStream(peer.getOutputStream(), true);
                answers = new BufferedReader(new InputStreamReader(peer.getInputStream()));
            }
            orders.println(line);
            String answer = answers.readLine();
            if (answer == null && line.equals("quit")) return;
            if (!"ok".equals(answer)) throw new IOException(line + ": " + answer);
        }

        @Override
        void stop() throws IOException {
            if (!running) return;
            running = false;
            live--;
            order("stop " + number);
        }
    }
}
