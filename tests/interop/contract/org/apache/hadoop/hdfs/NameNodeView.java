package org.apache.hadoop.hdfs;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.SafeModeAction;
import org.apache.hadoop.fs.permission.AclEntry;
import org.apache.hadoop.hdfs.protocol.HdfsFileStatus;
import org.apache.hadoop.hdfs.server.namenode.AclEntryStatusFormat;
import org.apache.hadoop.hdfs.server.namenode.AclFeature;
import org.apache.hadoop.hdfs.server.namenode.FSDirectory;
import org.apache.hadoop.hdfs.server.namenode.FSNamesystem;
import org.apache.hadoop.hdfs.server.namenode.INode;
import org.apache.hadoop.hdfs.server.namenode.INodeDirectory;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.net.NetUtils;
import org.mockito.Mockito;
import org.mockito.invocation.InvocationOnMock;
import org.mockito.stubbing.Answer;

/** The little of a NameNode's objects that tests look at and a client can tell; all else is a NoSuchMethodError. */
final class NameNodeView {
    private final MiniDFSCluster cluster;

    NameNodeView(MiniDFSCluster cluster) { this.cluster = cluster; }

    private interface View {
        Object answer(InvocationOnMock call) throws IOException;
    }

    private static <T> T mock(Class<T> type, View view) {
        Answer<Object> answer = call -> {
            Object value = view.answer(call);
            if (value == call) throw new NoSuchMethodError("a client cannot tell: " + call.getMethod());
            return value;
        };
        return Mockito.mock(type, Mockito.withSettings().stubOnly().defaultAnswer(answer));
    }

    NameNode nameNode() {
        FSNamesystem namesystem = namesystem();
        InetSocketAddress address = NetUtils.createSocketAddr("127.0.0.1", cluster.getNameNodePort());
        return mock(NameNode.class, call -> {
            switch (call.getMethod().getName()) {
                case "getNamesystem": return namesystem;
                case "getRpcServer": return cluster.getNameNodeRpc();
                case "getNameNodeAddress": return address;
                case "getHttpAddress": return NetUtils.createSocketAddr(cluster.getConfiguration(0).get("dfs.namenode.http-address"));
                case "isInSafeMode": return cluster.getFileSystem().isInSafeMode();
                case "toString": return "NameNode " + address;
                default: return call;
            }
        });
    }

    FSNamesystem namesystem() {
        FSDirectory directory = mock(FSDirectory.class, call -> call.getMethod().getName().equals("getINode") ? inode(String.valueOf((Object) call.getArgument(0))) : call);
        return mock(FSNamesystem.class, call -> {
            DistributedFileSystem fs = cluster.getFileSystem();
            switch (call.getMethod().getName()) {
                case "getFSDirectory": return directory;
                case "isInSafeMode": return fs.isInSafeMode();
                case "enterSafeMode": return fs.setSafeMode(SafeModeAction.ENTER) ? null : null;
                case "leaveSafeMode": return fs.setSafeMode(SafeModeAction.LEAVE) ? null : null;
                case "saveNamespace": return fs.saveNamespace(0, 0);
                case "getFilesTotal": return fs.getContentSummary(new Path("/")).getFileAndDirectoryCount();
                default: return call;
            }
        });
    }

    private INode inode(String path) throws IOException {
        HdfsFileStatus found = cluster.getFileSystem().getClient().getFileLinkInfo(path);
        if (found == null) return null;
        FileStatus status = cluster.getFileSystem().getFileStatus(new Path(path));
        return mock(INodeDirectory.class, call -> {
            switch (call.getMethod().getName()) {
                case "getAclFeature": return acl(path, status);
                case "getFsPermission": return status.getPermission();
                case "getId": return found.getFileId();
                case "isFile": return status.isFile();
                case "isDirectory": return status.isDirectory();
                case "toString": return path;
                default: return call;
            }
        });
    }

    private AclFeature acl(String path, FileStatus status) throws IOException {
        if (!status.hasAcl()) return null;
        List<AclEntry> entries = cluster.getFileSystem().getAclStatus(new Path(path)).getEntries();
        if (entries.isEmpty()) throw new FileNotFoundException("the entries of " + path);
        return new AclFeature(AclEntryStatusFormat.toInt(entries));
    }
}
