import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.BlockLocation;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DFSOutputStream;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream.SyncFlag;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;

/** Does what lines on standard input say, through Apache's client; tests/live/file_driver.c describes them. Argument: hdfs://host:port. */
public class FileDriver {
    private static final Map<String, FSDataOutputStream> open = new HashMap<>();
    private static DistributedFileSystem fs;

    private static byte byteAt(long i) {
        return (byte) (((i * 2654435761L) >>> 13) ^ (i >>> 20) ^ i);
    }

    private static void write(String path, int size) throws Exception {
        FSDataOutputStream out = open.get(path);
        byte[] data = new byte[size];
        long from = out.getPos();
        for (int i = 0; i < size; i++) data[i] = byteAt(from + i);
        out.write(data, 0, size);
    }

    private static void hsync(String path, int bits) throws Exception {
        EnumSet<SyncFlag> flags = EnumSet.noneOf(SyncFlag.class);
        if ((bits & 1) != 0) flags.add(SyncFlag.UPDATE_LENGTH);
        if ((bits & 2) != 0) flags.add(SyncFlag.END_BLOCK);
        ((HdfsDataOutputStream) open.get(path)).hsync(flags);
    }

    private static void verify(Path path, long size) throws Exception {
        byte[] data = new byte[65536];
        long at = 0;
        try (FSDataInputStream in = fs.open(path)) {
            for (int n = in.read(data); n > 0; n = in.read(data)) {
                for (int i = 0; i < n; i++)
                    if (data[i] != byteAt(at + i)) throw new Exception("wrong byte at " + (at + i));
                at += n;
            }
        }
        if (at != size) throw new Exception("there are " + at + " bytes");
    }

    private static String run(String[] word) throws Exception {
        Path path = word.length > 1 ? new Path(word[1]) : null;
        switch (word[0]) {
            case "create":
                open.put(word[1], fs.create(path, true, 4096, Short.parseShort(word[2]), Long.parseLong(word[3])));
                return "";
            case "append": open.put(word[1], fs.append(path)); return "";
            case "write": write(word[1], Integer.parseInt(word[2])); return "";
            case "hflush": open.get(word[1]).hflush(); return "";
            case "hsync": hsync(word[1], word.length > 2 ? Integer.parseInt(word[2]) : 0); return "";
            case "close": open.remove(word[1]).close(); return "";
            case "verify": verify(path, Long.parseLong(word[2])); return "";
            case "truncate": return " " + fs.truncate(path, Long.parseLong(word[2]));
            case "recover": return " " + fs.recoverLease(path);
            case "closed": return " " + fs.isFileClosed(path);
            case "setrep": return " " + fs.setReplication(path, Short.parseShort(word[2]));
            case "where": {
                BlockLocation[] blocks = fs.getFileBlockLocations(path, 0, Long.MAX_VALUE);
                StringBuilder text = new StringBuilder();
                if (blocks.length > 0)
                    for (String name : blocks[blocks.length - 1].getNames()) text.append(' ').append(name.substring(name.indexOf(':') + 1));
                return text.toString();
            }
            case "pipeline": {
                StringBuilder text = new StringBuilder();
                for (DatanodeInfo node : ((DFSOutputStream) open.get(word[1]).getWrappedStream()).getPipeline()) text.append(' ').append(node.getXferPort());
                return text.toString();
            }
            default: throw new Exception("unknown word");
        }
    }

    public static void main(String[] args) throws Exception {
        fs = new DistributedFileSystem();
        fs.initialize(URI.create(args[0]), new Configuration());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok" + run(line.trim().split(" +"));
            } catch (Throwable t) {
                answer = "error " + String.valueOf(t).replace('\n', ' ');
            }
            System.out.println(answer);
            System.out.flush();
        }
        Runtime.getRuntime().halt(0); // what is open stays so, as after a crash
    }
}
