import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.conf.Configured;
import org.apache.hadoop.fs.BlockLocation;
import org.apache.hadoop.fs.ContentSummary;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.permission.FsAction;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream.SyncFlag;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.ipc.RemoteException;
import org.apache.hadoop.util.Tool;

/** What a Java program does with a file system, in calls that Hadoop has had since 2.7. Argument: a folder of ours. Prints a line for each step: its result and its name. */
public class ClientSteps extends Configured implements Tool {
    private interface Step {
        void run() throws Exception;
    }

    private static final int BLOCK = 1 << 20;
    private DistributedFileSystem fs;
    private Path home;
    private boolean failed;

    private void step(String name, Step step) {
        try {
            step.run();
            System.out.println("ok " + name);
        } catch (Throwable t) {
            failed = true;
            System.out.println("failed " + name);
            t.printStackTrace();
        }
    }

    private static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static void expectThrown(Class<? extends Throwable> type, Step step) throws Exception {
        try {
            step.run();
        } catch (Exception e) {
            Throwable t = e instanceof RemoteException ? ((RemoteException) e).unwrapRemoteException() : e;
            if (type.isInstance(t)) return;
            throw e;
        }
        throw new AssertionError("nothing thrown");
    }

    private static byte[] bytes(int seed, int length) {
        byte[] b = new byte[length];
        new Random(seed).nextBytes(b);
        return b;
    }

    private Path path(String name) {
        return new Path(home, name);
    }

    private void write(String name, byte[] data) throws IOException {
        try (FSDataOutputStream out = fs.create(path(name), true, 4096, (short) 2, BLOCK)) {
            out.write(data);
        }
    }

    private byte[] read(String name) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] piece = new byte[70001];
        try (InputStream in = fs.open(path(name))) {
            for (int n = in.read(piece); n > 0; n = in.read(piece)) all.write(piece, 0, n);
        }
        return all.toByteArray();
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    /** One writes and flushes, the other opens the file over and over: what was flushed before it opened is there, and it is right. */
    private void flushAndRead(final boolean sync) throws Exception {
        final byte[] data = bytes(7, 3 * BLOCK + 12345);
        final AtomicLong flushed = new AtomicLong();
        final AtomicReference<Throwable> wrong = new AtomicReference<>();
        final String name = sync ? "synced" : "flushed";
        final FSDataOutputStream out = fs.create(path(name), true, 4096, (short) 2, BLOCK);
        out.hflush();
        Thread reader = new Thread(() -> {
            try {
                long least;
                do {
                    least = flushed.get();
                    byte[] seen = read(name);
                    expect(seen.length >= least, "saw " + seen.length + " of " + least);
                    expect(Arrays.equals(seen, Arrays.copyOf(data, seen.length)), "wrong bytes");
                } while (least < data.length);
            } catch (Throwable t) {
                wrong.set(t);
            }
        });
        reader.start();
        for (int at = 0, n = 1; at < data.length && wrong.get() == null; at += n, n = Math.min(n * 2 + 1, 100000)) {
            n = Math.min(n, data.length - at);
            out.write(data, at, n);
            if (sync) {
                ((HdfsDataOutputStream) out).hsync(EnumSet.of(SyncFlag.UPDATE_LENGTH));
                expect(fs.getFileStatus(path(name)).getLen() == at + n, "length");
            } else {
                out.hflush();
            }
            flushed.set(at + n);
        }
        reader.join(60000);
        expect(!reader.isAlive(), "the reader does not end");
        out.close();
        if (wrong.get() != null) throw new AssertionError(wrong.get());
        expect(Arrays.equals(read(name), data), "wrong bytes after close");
    }

    @Override
    public int run(String[] args) throws Exception {
        fs = (DistributedFileSystem) FileSystem.get(getConf());
        home = new Path(args[0]);
        final byte[] one = bytes(1, 2 * BLOCK + 77), two = bytes(2, 5000);

        step("mkdirs", () -> expect(fs.mkdirs(path("d/e"), new FsPermission((short) 0750)) && fs.getFileStatus(path("d/e")).getPermission().toShort() == 0750, "mode"));
        step("create", () -> write("d/one", one));
        step("create of what is there is refused", () -> expectThrown(FileAlreadyExistsException.class, () -> fs.create(path("d/one"), false).close()));
        step("createNonRecursive without a parent is refused",
            () -> expectThrown(FileNotFoundException.class, () -> fs.createNonRecursive(path("no/such"), true, 4096, (short) 1, BLOCK, null).close()));
        step("read", () -> expect(Arrays.equals(read("d/one"), one), "bytes"));
        step("positioned read, seek, skip", () -> {
            try (FSDataInputStream in = fs.open(path("d/one"))) {
                byte[] b = new byte[3000];
                for (int at : new int[] {BLOCK - 1500, 0, one.length - 3000, 511, 2 * BLOCK}) {
                    int n = Math.min(3000, one.length - at);
                    in.readFully(at, b, 0, n);
                    expect(Arrays.equals(Arrays.copyOf(b, n), Arrays.copyOfRange(one, at, at + n)), "pread at " + at);
                    in.seek(at);
                    in.readFully(b, 0, n);
                    expect(Arrays.equals(Arrays.copyOf(b, n), Arrays.copyOfRange(one, at, at + n)), "read at " + at);
                }
                in.seek(10);
                expect(in.skip(BLOCK) == BLOCK && in.read() == (one[BLOCK + 10] & 255) && in.getPos() == BLOCK + 11, "skip");
                in.seek(one.length);
                expect(in.read() == -1, "end");
            }
        });
        step("append", () -> {
            try (FSDataOutputStream out = fs.append(path("d/one"))) {
                out.write(two);
            }
            expect(Arrays.equals(read("d/one"), join(one, two)), "bytes");
        });
        step("hflush while another reads", () -> flushAndRead(false));
        step("hsync with its length while another reads", () -> flushAndRead(true));
        step("block locations", () -> {
            BlockLocation[] at = fs.getFileBlockLocations(path("d/one"), 0, Long.MAX_VALUE);
            expect(at.length == 3 && at[0].getHosts().length == 2 && at[2].getOffset() == 2 * BLOCK && at[2].getLength() == 5077, "blocks");
        });
        step("checksum", () -> {
            write("same", join(one, two));
            expect(fs.getFileChecksum(path("same")).equals(fs.getFileChecksum(path("d/one"))), "unequal");
            System.out.println("checksum " + fs.getFileChecksum(path("same")));
        });
        step("checksum of the first bytes", () -> {
            write("first", Arrays.copyOf(one, BLOCK + 1000));
            expect(fs.getFileChecksum(path("first"), BLOCK + 1000).equals(fs.getFileChecksum(path("d/one"), BLOCK + 1000)), "unequal");
        });
        step("truncate", () -> {
            write("cut", one);
            expect(fs.truncate(path("cut"), BLOCK), "at a block's end it is done at once");
            expect(!fs.truncate(path("cut"), BLOCK - 1000), "within a block it takes a while");
            for (int i = 0; i < 100 && !fs.isFileClosed(path("cut")); i++) Thread.sleep(100);
            expect(Arrays.equals(read("cut"), Arrays.copyOf(one, BLOCK - 1000)), "bytes");
        });
        step("concat", () -> {
            write("c1", Arrays.copyOf(one, BLOCK));
            write("c2", two);
            fs.concat(path("c1"), new Path[] {path("c2")});
            expect(!fs.exists(path("c2")) && Arrays.equals(read("c1"), join(Arrays.copyOf(one, BLOCK), two)), "bytes");
        });
        step("list, iterate, glob", () -> {
            for (int i = 0; i < 25; i++) fs.create(path("many/" + i)).close();
            FileStatus[] all = fs.listStatus(path("many"));
            TreeSet<String> names = new TreeSet<>();
            for (RemoteIterator<FileStatus> it = fs.listStatusIterator(path("many")); it.hasNext();) names.add(it.next().getPath().getName());
            for (RemoteIterator<LocatedFileStatus> it = fs.listFiles(path("many"), true); it.hasNext();) expect(names.contains(it.next().getPath().getName()), "name");
            expect(all.length == 25 && names.size() == 25 && fs.globStatus(path("many/1?")).length == 10 && fs.globStatus(path("m{a,b}ny/[2-3]")).length == 2, "names");
        });
        step("rename", () -> expect(fs.rename(path("d/one"), path("d/e/uno")) && !fs.exists(path("d/one")) && fs.exists(path("d/e/uno")), "moved"));
        step("rename onto what is there", () -> expect(!fs.rename(path("same"), path("first")), "done"));
        step("rename with overwriting", () -> {
            FileContext.getFileContext(fs.getUri(), getConf()).rename(path("same"), path("first"), Options.Rename.OVERWRITE);
            expect(fs.getFileStatus(path("first")).getLen() == one.length + two.length, "length");
        });
        step("attributes", () -> {
            fs.setPermission(path("first"), new FsPermission((short) 0640));
            fs.setOwner(path("first"), "bob", "staff");
            fs.setTimes(path("first"), 1234567890123L, 1234567891000L);
            expect(fs.setReplication(path("first"), (short) 1), "replication");
            FileStatus s = fs.getFileStatus(path("first"));
            expect(s.getPermission().toShort() == 0640 && s.getOwner().equals("bob") && s.getGroup().equals("staff"), "owner and mode");
            expect(s.getModificationTime() == 1234567890123L && s.getAccessTime() == 1234567891000L && s.getReplication() == 1 && s.getBlockSize() == BLOCK, "the rest");
            fs.access(path("first"), FsAction.READ_WRITE);
        });
        step("quota and summary", () -> {
            fs.setQuota(path("many"), 30, HdfsConstants.QUOTA_DONT_SET);
            ContentSummary sum = fs.getContentSummary(path("many"));
            expect(sum.getFileCount() == 25 && sum.getDirectoryCount() == 1 && sum.getQuota() == 30, "counts");
            expectThrown(IOException.class, () -> { for (int i = 0; i < 10; i++) fs.create(path("many/more" + i)).close(); });
            fs.setQuota(path("many"), HdfsConstants.QUOTA_RESET, HdfsConstants.QUOTA_RESET);
        });
        step("an open file is taken over", () -> {
            FSDataOutputStream left = fs.create(path("left"), true, 4096, (short) 2, BLOCK);
            left.write(two);
            left.hflush();
            boolean closed = fs.recoverLease(path("left"));
            for (int i = 0; i < 100 && !closed; i++) {
                Thread.sleep(100);
                closed = fs.isFileClosed(path("left"));
            }
            expect(closed && Arrays.equals(read("left"), two), "bytes");
            try {
                left.close();
            } catch (IOException expected) {
                return;
            }
        });
        step("storage policy", () -> {
            fs.setStoragePolicy(path("d"), "COLD");
            expect(fs.getStoragePolicy(path("d/e")).getName().equals("COLD"), "policy");
            fs.setStoragePolicy(path("d"), "HOT");
        });
        step("state of the cluster", () -> {
            expect(fs.getStatus().getCapacity() > 0 && fs.getDataNodeStats().length == 3 && fs.getServerDefaults(home).getBytesPerChecksum() == 512, "state");
            expect(fs.getMissingBlocksCount() == 0 && fs.getCorruptBlocksCount() == 0, "blocks");
        });
        step("deleteOnExit and delete", () -> {
            expectThrown(IOException.class, () -> fs.delete(path("d"), false));
            expect(fs.delete(path("d"), true) && !fs.exists(path("d/e/uno")) && !fs.delete(path("d"), true), "deleted");
            expectThrown(FileNotFoundException.class, () -> fs.open(path("d/e/uno")).close());
        });
        return failed ? 1 : 0;
    }
}
