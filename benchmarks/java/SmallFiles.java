import java.net.URI;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** One thread of the unmodified Java client creates, writes and closes small files. Arguments: URI, number of files, bytes each. Prints milliseconds per file: p10 p50 p90 mean. */
public class SmallFiles {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[1]), warmup = Math.max(50, count / 2);
        byte[] data = new byte[Integer.parseInt(args[2])];
        try (FileSystem fs = FileSystem.newInstance(URI.create(args[0]), new Configuration())) {
            Path dir = new Path("/small-files-" + System.nanoTime());
            double[] ms = new double[count];
            for (int i = -warmup; i < count; i++) {
                long start = System.nanoTime();
                try (FSDataOutputStream out = fs.create(new Path(dir, "f" + i))) {
                    out.write(data);
                }
                if (i >= 0) ms[i] = (System.nanoTime() - start) / 1e6;
            }
            fs.delete(dir, true);
            double mean = Arrays.stream(ms).average().getAsDouble();
            Arrays.sort(ms);
            System.out.printf("%.2f %.2f %.2f %.2f%n", ms[count / 10], ms[count / 2], ms[count * 9 / 10], mean);
        }
    }
}
