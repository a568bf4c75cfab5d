import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.server.namenode.NameNode;

/** A NameNode that takes symbolic links, which only a call can allow: Hadoop's own tests make it. */
public final class NameNodeWithSymlinks {
    public static void main(String[] args) throws Exception {
        FileSystem.enableSymlinks();
        NameNode.main(args);
    }
}
