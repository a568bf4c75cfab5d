package org.apache.hadoop.hdfs;

import java.io.File;
import java.io.FileWriter;
import java.io.IOException;
import java.io.Writer;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.common.HdfsServerConstants.StartupOption;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.FSNamesystem;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.hdfs.server.protocol.NamenodeProtocols;
import org.apache.hadoop.ipc.RemoteException;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.security.authorize.ProxyUsers;
import org.apache.hadoop.test.GenericTestUtils;

/**
 * Stands in for Hadoop's class of this name on the class path of Hadoop's tests: a cluster whose daemons are other processes, started with the
 * configuration that the test gives. What only daemons inside the test's process could do is not here: a test that asks for it ends with
 * NoSuchMethodError, whichever daemons are tested.
 */
public class MiniDFSCluster implements AutoCloseable {
    public static final String PROP_TEST_BUILD_DATA = GenericTestUtils.SYSPROP_TEST_DATA_DIR;
    public static final String HDFS_MINIDFS_BASEDIR = "hdfs.minidfs.basedir";
    public static final String DFS_NAMENODE_SAFEMODE_EXTENSION_TESTING_KEY = "dfs.namenode.safemode.extension.testing";
    public static final String DFS_NAMENODE_DECOMMISSION_INTERVAL_TESTING_KEY = "dfs.namenode.decommission.interval.testing";
    private static final int START_SECONDS = 60;

    public static class Builder {
        private final Configuration conf;
        private int nameNodePort, nameNodeHttpPort, numDataNodes = 1, storagesPerDatanode = 2;
        private boolean format = true, manageNameDfsDirs = true, manageDataDfsDirs = true, waitSafeMode = true, checkDataNodeHostConfig;
        private String clusterId;
        private String[] hosts;
        private StartupOption option;
        private StorageType[][] storageTypes;
        private Configuration[] overlays;

        public Builder(Configuration conf) {
            this.conf = conf;
            if (conf.get(HDFS_MINIDFS_BASEDIR) == null) {
                conf.set(HDFS_MINIDFS_BASEDIR, new File(getBaseDirectory()).getAbsolutePath());
            }
        }

        public Builder(Configuration conf, File folder) {
            this.conf = conf;
            conf.set(HDFS_MINIDFS_BASEDIR, folder.getAbsolutePath());
        }

        public Builder nameNodePort(int port) { nameNodePort = port; return this; }
        public Builder nameNodeHttpPort(int port) { nameNodeHttpPort = port; return this; }
        public Builder numDataNodes(int count) { numDataNodes = count; return this; }
        public Builder storagesPerDatanode(int count) { storagesPerDatanode = count; return this; }
        public Builder storageTypes(StorageType[] types) {
            storageTypes = new StorageType[][] {types};
            return this;
        }
        public Builder storageTypes(StorageType[][] types) { storageTypes = types; return this; }
        public Builder format(boolean value) { format = value; return this; }
        public Builder manageNameDfsDirs(boolean value) { manageNameDfsDirs = value; return this; }
        public Builder manageDataDfsDirs(boolean value) { manageDataDfsDirs = value; return this; }
        public Builder enableManagedDfsDirsRedundancy(boolean ignored) { return this; }
        public Builder startupOption(StartupOption value) { option = value; return this; }
        public Builder hosts(String[] names) { hosts = names; return this; }
        public Builder racks(String[] ignored) { return this; } // all of them come from one address
        public Builder waitSafeMode(boolean value) { waitSafeMode = value; return this; }
        public Builder checkExitOnShutdown(boolean ignored) { return this; }
        public Builder checkDataNodeAddrConfig(boolean ignored) { return this; }
        public Builder checkDataNodeHostConfig(boolean value) { checkDataNodeHostConfig = value; return this; }
        public Builder clusterId(String id) { clusterId = id; return this; }
        public Builder dataNodeConfOverlays(Configuration[] confs) { overlays = confs; return this; }
        public Builder skipFsyncForTesting(boolean ignored) { return this; }
        public Builder useConfiguredTopologyMappingClass(boolean ignored) { return this; }

        public MiniDFSCluster build() throws IOException { return new MiniDFSCluster(this); }
    }

    /** A datanode, and what starts it again. */
    public static class DataNodeProperties {
        final Configuration conf;
        private final File dir;
        private final int port;
        private ClusterDaemon daemon;

        DataNodeProperties(Configuration conf, File dir, int port) {
            this.conf = conf;
            this.dir = dir;
            this.port = port;
        }

        void start() throws IOException {
            writeConf(conf, dir);
            daemon = ClusterDaemon.start("datanode", dir);
        }
    }

    private final Configuration conf;
    private final File base;
    private final boolean waitSafeMode;
    protected final List<DataNodeProperties> dataNodes = new ArrayList<>();
    private final Set<FileSystem> fileSystems = new HashSet<>();
    private final int storagesPerDatanode;
    private final boolean namedHosts;
    private ClusterDaemon nameNode;
    private static int lastPort = 12000 + (int) (ProcessHandle.current().pid() * 37 % 20000); // where other runs are not
    private int started;

    protected MiniDFSCluster(Builder builder) throws IOException {
        conf = builder.conf;
        base = new File(conf.get(HDFS_MINIDFS_BASEDIR));
        waitSafeMode = builder.waitSafeMode;
        storagesPerDatanode = builder.storagesPerDatanode;
        namedHosts = builder.checkDataNodeHostConfig;
        HdfsConfiguration.init(); // so that the site files count, whatever the test made its configuration with
        FileSystem.enableSymlinks();
        boolean done = false;
        try {
            configure(builder);
            if (builder.format) format(builder.clusterId);
            startNameNode(builder.option == null ? new String[0] : new String[] {builder.option.getName()});
            startDataNodes(builder.numDataNodes, builder.storageTypes, builder.manageDataDfsDirs, builder.hosts, builder.overlays);
            waitClusterUp();
            ProxyUsers.refreshSuperUserGroupsConfiguration(conf);
            done = true;
        } finally {
            if (!done) shutdown();
        }
    }

    /** What Hadoop's own class makes of the test's configuration. */
    private void configure(Builder builder) throws IOException {
        conf.setInt("dfs.replication", Math.max(1, Math.min(conf.getInt("dfs.replication", 3), builder.numDataNodes)));
        conf.setInt("dfs.namenode.safemode.extension", conf.getInt(DFS_NAMENODE_SAFEMODE_EXTENSION_TESTING_KEY, 0));
        conf.set("dfs.namenode.decommission.interval", conf.get(DFS_NAMENODE_DECOMMISSION_INTERVAL_TESTING_KEY, "3s"));
        conf.set("dfs.namenode.http-address", "127.0.0.1:" + port(builder.nameNodeHttpPort));
        FileSystem.setDefaultUri(conf, "hdfs://127.0.0.1:" + port(builder.nameNodePort));
        if (conf.get("dfs.blockreport.initialDelay") == null) conf.set("dfs.blockreport.initialDelay", "0");
        conf.set("hadoop.user.group.static.mapping.overrides", conf.get("hadoop.user.group.static.mapping.overrides", "dr.who=") + testUsers());
        if (builder.manageNameDfsDirs) conf.set("dfs.namenode.name.dir", new File(base, "name-0-1").toURI() + "," + new File(base, "name-0-2").toURI());
    }

    /** The users that the test has made up, whom daemons in other processes would not know: ";user=group,group…". */
    @SuppressWarnings("unchecked")
    private static String testUsers() {
        StringBuilder text = new StringBuilder();
        try {
            Field field = UserGroupInformation.class.getDeclaredField("groups");
            field.setAccessible(true);
            Object groups = field.get(null);
            if (groups == null || !groups.getClass().getSimpleName().equals("TestingGroups")) return "";
            field = groups.getClass().getDeclaredField("userToGroupsMapping");
            field.setAccessible(true);
            for (Map.Entry<String, Set<String>> user : ((Map<String, Set<String>>) field.get(groups)).entrySet()) {
                text.append(";").append(user.getKey()).append("=").append(String.join(",", user.getValue()));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
        return text.toString();
    }

    /** A free port below those that the system gives to outgoing connections: it must still be free when the daemon starts. */
    private static synchronized int port(int wanted) throws IOException {
        while (wanted == 0) {
            lastPort = lastPort >= 32000 ? 12000 : lastPort + 1;
            try (ServerSocket socket = new ServerSocket(lastPort, 1, InetAddress.getByName("127.0.0.1"))) {
                wanted = socket.getLocalPort();
            } catch (BindException e) {
                continue;
            }
        }
        return wanted;
    }

    private void format(String clusterId) throws IOException {
        for (URI name : getNameDirs(0)) FileUtil.fullyDelete(new File(name));
        FileUtil.fullyDelete(new File(base, "data"));
        writeConf(conf, nameNodeDir());
        ClusterDaemon.format(nameNodeDir(), clusterId == null ? new String[0] : new String[] {"-clusterid", clusterId});
    }

    private File nameNodeDir() { return new File(base, "namenode"); }

    private void startNameNode(String... args) throws IOException {
        writeConf(conf, nameNodeDir());
        nameNode = ClusterDaemon.start("namenode", nameNodeDir(), args);
    }

    /** The site files of a daemon: all that the test or its site files set. */
    private static void writeConf(Configuration conf, File dir) throws IOException {
        Configuration out = new Configuration(false);
        for (Map.Entry<String, String> entry : conf) {
            String[] sources = conf.getPropertySources(entry.getKey());
            if (sources == null || !sources[sources.length - 1].endsWith("-default.xml")) out.set(entry.getKey(), conf.getRaw(entry.getKey()));
        }
        dir.mkdirs();
        for (String name : new String[] {"core-site.xml", "hdfs-site.xml"}) {
            try (Writer writer = new FileWriter(new File(dir, name))) {
                out.writeXml(writer);
            }
        }
    }

    private void startDataNodes(int count, StorageType[][] types, boolean manage, String[] hosts, Configuration[] overlays) throws IOException {
        for (int i = 0; i < count; i++) {
            Configuration own = new HdfsConfiguration(conf);
            if (overlays != null) own.addResource(overlays[i]);
            int port = port(0);
            own.set("dfs.datanode.address", "127.0.0.1:" + port);
            own.set("dfs.datanode.ipc.address", "127.0.0.1:" + port(0));
            own.set("dfs.datanode.http.address", "127.0.0.1:" + port(0));
            if (hosts != null) own.set("dfs.datanode.hostname", hosts[i]);
            else if (!namedHosts || own.get("dfs.datanode.hostname") == null) own.set("dfs.datanode.hostname", "127.0.0.1");
            if (manage) own.set("dfs.datanode.data.dir", dataDirs(started, types == null ? null : types[Math.min(i, types.length - 1)]));
            DataNodeProperties node = new DataNodeProperties(own, new File(base, "datanode-" + started++), port);
            node.start();
            dataNodes.add(node);
        }
    }

    private String dataDirs(int number, StorageType[] types) {
        StringBuilder dirs = new StringBuilder();
        for (int j = 0; j < storagesPerDatanode; j++) {
            if (types != null && types[j] == null) break;
            File dir = getInstanceStorageDir(number, j);
            dir.mkdirs();
            dirs.append(j == 0 ? "" : ",").append(types == null ? "[DISK]" : "[" + types[j] + "]").append(dir.toURI());
        }
        return dirs.toString();
    }

    public synchronized void startDataNodes(Configuration ignored, int count, boolean manage, StartupOption option, String[] racks) throws IOException {
        startDataNodes(ignored, count, manage, option, racks, null, null);
    }

    public synchronized void startDataNodes(Configuration ignored, int count, boolean manage, StartupOption option, String[] racks, long[] capacities)
        throws IOException {
        startDataNodes(ignored, count, manage, option, racks, null, capacities);
    }

    public synchronized void startDataNodes(Configuration ignored, int count, boolean manage, StartupOption option, String[] racks, String[] hosts,
        long[] capacities) throws IOException {
        startDataNodes(count, null, manage, hosts, null);
        waitActive();
    }

    public URI getURI() { return FileSystem.getDefaultUri(conf); }
    public URI getURI(int index) { return getURI(); }
    public int getNameNodePort() { return getURI().getPort(); }
    public int getNameNodePort(int index) { return getNameNodePort(); }
    public String getHttpUri(int index) { return "http://" + conf.get("dfs.namenode.http-address"); }
    public Configuration getConfiguration(int index) { return conf; }
    public int getNumNameNodes() { return 1; }
    public Collection<URI> getNameDirs(int index) {
        List<URI> dirs = new ArrayList<>();
        for (String dir : conf.getTrimmedStringCollection("dfs.namenode.name.dir")) dirs.add(dir.startsWith("/") ? new File(dir).toURI() : URI.create(dir));
        return dirs;
    }

    public DistributedFileSystem getFileSystem() throws IOException {
        FileSystem fs = FileSystem.get(getURI(), conf);
        fileSystems.add(fs);
        return (DistributedFileSystem) fs;
    }

    public DistributedFileSystem getFileSystem(int index) throws IOException { return getFileSystem(); }

    public FileSystem getNewFileSystemInstance(int index) throws IOException {
        FileSystem fs = FileSystem.newInstance(getURI(), conf);
        fileSystems.add(fs);
        return fs;
    }

    /** The client's calls only, over a connection; errors as the server threw them. */
    public NamenodeProtocols getNameNodeRpc() {
        return (NamenodeProtocols) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {NamenodeProtocols.class}, (self, method, args) -> {
            if (!method.getDeclaringClass().isAssignableFrom(ClientProtocol.class)) throw new NoSuchMethodError("not a client's call: " + method);
            try {
                return method.invoke(getFileSystem().getClient().getNamenode(), args);
            } catch (InvocationTargetException e) {
                throw e.getCause() instanceof RemoteException ? ((RemoteException) e.getCause()).unwrapRemoteException() : e.getCause();
            }
        });
    }

    public NamenodeProtocols getNameNodeRpc(int index) { return getNameNodeRpc(); }

    public NameNode getNameNode() { return new NameNodeView(this).nameNode(); }
    public NameNode getNameNode(int index) { return getNameNode(); }
    public FSNamesystem getNamesystem() { return new NameNodeView(this).namesystem(); }
    public FSNamesystem getNamesystem(int index) { return getNamesystem(); }

    private interface Condition {
        boolean holds() throws IOException;
    }

    private static void await(String what, int seconds, Condition condition) throws IOException {
        IOException last = null;
        for (long end = System.nanoTime() + seconds * 1_000_000_000L; System.nanoTime() < end;) {
            try {
                if (condition.holds()) return;
            } catch (IOException e) {
                last = e;
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
        throw new IOException("timed out waiting for " + what, last);
    }

    private void checkRunning() throws IOException {
        String end = nameNode == null ? "stopped" : nameNode.end();
        for (DataNodeProperties node : dataNodes) if (end == null && node.daemon != null) end = node.daemon.end();
        if (end != null) throw new IllegalStateException("a daemon ended: " + end);
    }

    private <T> T ask(AskedBy<T> question) throws IOException {
        checkRunning();
        Configuration once = new Configuration(conf); // one that waits for nobody
        once.setInt("ipc.client.connect.max.retries", 0);
        once.setInt("dfs.client.retry.max.attempts", 0);
        once.setBoolean("dfs.client.retry.policy.enabled", false);
        try (DistributedFileSystem fs = (DistributedFileSystem) FileSystem.newInstance(getURI(), once)) {
            return question.answer(fs);
        }
    }

    private interface AskedBy<T> {
        T answer(DistributedFileSystem fs) throws IOException;
    }

    private boolean active(DistributedFileSystem fs) throws IOException {
        if (waitSafeMode && fs.setSafeMode(org.apache.hadoop.fs.SafeModeAction.GET)) return false;
        Set<Integer> live = new HashSet<>();
        for (DatanodeInfo node : fs.getDataNodeStats(HdfsConstants.DatanodeReportType.LIVE)) {
            if (node.getCapacity() > 0) live.add(node.getXferPort());
        }
        for (DataNodeProperties node : dataNodes) if (!live.contains(node.port)) return false;
        return true;
    }

    public boolean isClusterUp() {
        try {
            return ask(fs -> !fs.setSafeMode(org.apache.hadoop.fs.SafeModeAction.GET));
        } catch (IOException | IllegalStateException e) {
            return false;
        }
    }

    public boolean isNameNodeUp(int index) { return isClusterUp(); }
    public boolean isDataNodeUp() { return !dataNodes.isEmpty(); }
    public void waitClusterUp() throws IOException { waitActive(); }
    public void waitNameNodeUp(int index) { }
    public void waitActive(int index) throws IOException { waitActive(); }
    public void waitActive() throws IOException {
        if (nameNode != null) await("the cluster", START_SECONDS, () -> ask(this::active));
    }
    public void setWaitSafeMode(boolean ignored) { }
    public void transitionToActive(int index) { }

    public void triggerBlockReports() throws IOException { pause(); }
    public void triggerHeartbeats() throws IOException { pause(); }
    public void triggerDeletionReports() throws IOException { pause(); }

    /** Two heartbeats: what a datanode has to tell arrives by itself. */
    private void pause() throws IOException {
        try {
            Thread.sleep(2 * conf.getTimeDuration("dfs.heartbeat.interval", 3, java.util.concurrent.TimeUnit.SECONDS, java.util.concurrent.TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    public synchronized void shutdownNameNode(int index) {
        stop(nameNode);
        nameNode = null;
    }

    public synchronized void shutdownNameNodes() { shutdownNameNode(0); }
    public synchronized void restartNameNodes() throws IOException { restartNameNode(); }
    public synchronized void restartNameNode(int index) throws IOException { restartNameNode(); }
    public synchronized void restartNameNode(boolean wait) throws IOException { restartNameNode(0, wait); }
    public synchronized void restartNameNode(String... args) throws IOException { restartNameNode(0, true, args); }
    public synchronized void restartNameNode(int index, boolean wait, String... args) throws IOException {
        shutdownNameNode(0);
        startNameNode(args);
        if (wait) waitActive();
    }

    public ArrayList<DataNode> getDataNodes() { return new ArrayList<>(Collections.nCopies(dataNodes.size(), null)); }

    public synchronized DataNodeProperties stopDataNode(int index) {
        if (index < 0 || index >= dataNodes.size()) return null;
        DataNodeProperties node = dataNodes.remove(index);
        stop(node.daemon);
        return node;
    }

    public synchronized DataNodeProperties stopDataNode(String name) {
        for (int i = 0; i < dataNodes.size(); i++) if (name.endsWith(":" + dataNodes.get(i).port)) return stopDataNode(i);
        return null;
    }

    public synchronized void shutdownDataNode(int index) { stopDataNode(index); }
    public synchronized void shutdownDataNodes() {
        while (!dataNodes.isEmpty()) stopDataNode(dataNodes.size() - 1);
    }

    public boolean restartDataNode(DataNodeProperties node) throws IOException { return restartDataNode(node, false); }
    public synchronized boolean restartDataNode(DataNodeProperties node, boolean keepPort) throws IOException {
        DataNodeProperties again = node;
        if (!keepPort) {
            again = new DataNodeProperties(node.conf, node.dir, port(0));
            again.conf.set("dfs.datanode.address", "127.0.0.1:" + again.port);
        }
        again.start();
        dataNodes.add(again);
        return true;
    }
    public boolean restartDataNode(int index) throws IOException { return restartDataNode(index, false); }
    public synchronized boolean restartDataNode(int index, boolean keepPort) throws IOException {
        DataNodeProperties node = stopDataNode(index);
        return node != null && restartDataNode(node, keepPort);
    }
    public boolean restartDataNodes() throws IOException { return restartDataNodes(false); }
    public synchronized boolean restartDataNodes(boolean keepPort) throws IOException {
        for (int i = dataNodes.size() - 1; i >= 0; i--) if (!restartDataNode(i, keepPort)) return false;
        return true;
    }

    private static void stop(ClusterDaemon daemon) {
        try {
            if (daemon != null) daemon.stop();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Of all clusters, before the process halts. */
    public static void endAll() { ClusterDaemon.endAll(); }

    public void shutdown() { shutdown(false); }
    public void shutdown(boolean delete) { shutdown(delete, true); }
    public void shutdown(boolean delete, boolean closeFileSystems) {
        for (FileSystem fs : closeFileSystems ? fileSystems : Collections.<FileSystem>emptySet()) {
            try {
                fs.close();
            } catch (IOException e) {
                System.err.println("closing " + fs + ": " + e);
            }
        }
        fileSystems.clear();
        shutdownDataNodes();
        shutdownNameNodes();
        if (delete) FileUtil.fullyDelete(base);
    }

    @Override
    public void close() { shutdown(); }
    public static void shutdownCluster(MiniDFSCluster cluster) {
        if (cluster != null) cluster.shutdown();
    }

    public static String getBaseDirectory() { return GenericTestUtils.getTestDir("dfs").getAbsolutePath() + File.separator; }
    public String getDataDirectory() { return new File(base, "data").getAbsolutePath(); }
    public File getInstanceStorageDir(int datanode, int dir) { return new File(new File(base, "data"), "data" + (storagesPerDatanode * datanode + 1 + dir)); }
    public File getStorageDir(int datanode, int dir) { return getInstanceStorageDir(datanode, dir); }
    public static String getDNCurrentDir(File storage) { return storage + "/current/"; }
    public static String getBPDir(File storage, String pool) { return getDNCurrentDir(storage) + pool + "/"; }
    public static File getRbwDir(File storage, String pool) { return new File(getBPDir(storage, pool), "current/rbw"); }
    public static File getFinalizedDir(File storage, String pool) { return new File(getBPDir(storage, pool), "current/finalized"); }
}
