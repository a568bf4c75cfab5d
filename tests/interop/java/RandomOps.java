import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CacheFlag;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.XAttrSetFlag;
import org.apache.hadoop.fs.permission.AclEntry;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.protocol.CacheDirectiveInfo;
import org.apache.hadoop.hdfs.protocol.CachePoolInfo;
import org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.io.erasurecode.ECSchema;

/**
 * The same changes to any namenode: what is done next depends on the seed alone, never on an answer. Arguments: URI, seed, number of changes, a file for the
 * log (each change and how it ended), and kinds to leave out, separated by commas. With -Dsnapshot.rename=false nothing is renamed in or out of what may have snapshots.
 */
public class RandomOps {
    private static final int BLOCK = 1024;
    private final DistributedFileSystem fs;
    private final Random random;
    private final PrintStream log;

    private interface Change {
        Object run() throws Exception;
    }

    private RandomOps(DistributedFileSystem fs, long seed, PrintStream log) {
        this.fs = fs;
        this.random = new Random(seed);
        this.log = log;
    }

    private int pick(int n) {
        return random.nextInt(n);
    }

    @SafeVarargs
    private final <T> T of(T... choices) {
        return choices[pick(choices.length)];
    }

    private Path dir() {
        String text = "/" + of("a", "b", "c");
        if (pick(3) > 0) text += "/" + of("d", "e");
        if (pick(4) == 0) text += "/" + of("d", "g");
        return new Path(text);
    }

    private Path file() {
        return new Path(dir(), of("f1", "f2", "f3", "f4", "ü"));
    }

    private Path any() {
        return pick(3) == 0 ? dir() : file();
    }

    private byte[] bytes(int size) {
        byte[] bytes = new byte[size];
        Arrays.fill(bytes, (byte) 'x');
        return bytes;
    }

    /** Waits until recovery has closed the file: what comes next meets the same state everywhere. */
    private void settle(Path path) throws Exception {
        for (int i = 0; i < 300 && !fs.isFileClosed(path); i++) Thread.sleep(100);
    }

    private void create(Path path, int size, boolean overwrite, short replication) throws IOException {
        EnumSet<CreateFlag> flags = EnumSet.of(CreateFlag.CREATE, CreateFlag.SHOULD_REPLICATE);
        if (overwrite) flags.add(CreateFlag.OVERWRITE);
        try (FSDataOutputStream out = fs.create(path, FsPermission.createImmutable((short) (size % 2 == 0 ? 0644 : 0640)), flags, 4096, replication, BLOCK, null)) {
            out.write(bytes(size));
        }
    }

    private AclEntry entry() {
        return AclEntry.parseAclEntry(of("", "", "default:") + of("user:alice:r-x", "user:bob:rw-", "group:staff:r--", "group::r-x", "user::rwx", "other::--x", "mask::rwx"), true);
    }

    private List<AclEntry> entries(boolean complete) {
        List<AclEntry> list = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (int i = pick(4); i >= 0; i--) {
            AclEntry e = entry();
            if (seen.add(e.getScope() + "/" + e.getType() + "/" + e.getName())) list.add(e);
        }
        if (complete) for (String text : new String[] {"user::rwx", "group::r-x", "other::r--"}) {
            AclEntry e = AclEntry.parseAclEntry(text, true);
            if (seen.add(e.getScope() + "/" + e.getType() + "/" + e.getName())) list.add(e);
        }
        return list;
    }

    private List<AclEntry> names() {
        List<AclEntry> list = new ArrayList<>();
        list.add(AclEntry.parseAclEntry(of("user:alice", "user:bob", "group:staff", "default:user:alice", "mask"), false));
        return list;
    }

    private String attribute() {
        return of("user.one", "user.two", "trusted.three", "user.ü");
    }

    private Change change(String kind) {
        final Path path = any(), file = file(), dir = dir(), other = any();
        final int number = pick(6);
        final boolean yes = pick(2) == 0;
        switch (kind) {
            case "mkdir": return () -> fs.mkdirs(dir, FsPermission.createImmutable((short) (yes ? 0755 : 01750)));
            case "create": {
                final int size = of(0, 1, 700, 1024, 1500, 2048, 2500);
                return () -> { create(file, size, yes, (short) (1 + number % 3)); return null; };
            }
            case "stripe": return () -> {
                try (FSDataOutputStream out = fs.create(file, FsPermission.getFileDefault(), EnumSet.of(CreateFlag.CREATE), 4096, (short) 1, 4 << 20, null)) { }
                return null;
            };
            case "append": {
                final EnumSet<CreateFlag> flags = yes ? EnumSet.of(CreateFlag.APPEND, CreateFlag.NEW_BLOCK) : EnumSet.of(CreateFlag.APPEND);
                return () -> { try (FSDataOutputStream out = fs.append(file, flags, 4096, null)) { out.write(bytes(100 * number)); } return null; };
            }
            case "truncate": return () -> {
                boolean done = fs.truncate(file, 512L * number);
                if (!done) settle(file);
                return done;
            };
            case "concat": {
                final Path[] sources = yes ? new Path[] {new Path(file.getParent(), "f2")} : new Path[] {new Path(file.getParent(), "f3"), new Path(file.getParent(), "f4")};
                return () -> { fs.concat(file, sources); return null; };
            }
            case "rename": return () -> fs.rename(path, other);
            case "rename2": return () -> { fs.rename(path, other, yes ? Options.Rename.OVERWRITE : Options.Rename.NONE); return null; };
            case "delete": return () -> fs.delete(path, yes);
            case "chmod": return () -> { fs.setPermission(path, FsPermission.createImmutable((short) (0600 + number * 9))); return null; };
            case "chown": return () -> { fs.setOwner(path, yes ? "user" + number : null, "group" + number); return null; };
            case "times": return () -> { fs.setTimes(path, 1000000000000L + number, yes ? -1 : 1100000000000L + number); return null; };
            case "setrep": return () -> fs.setReplication(path, (short) (1 + number % 3));
            case "quota": return () -> { fs.setQuota(dir, of2(number, 40L), of2(5 - number, 1L << 20)); return null; };
            case "typequota": return () -> { fs.setQuotaByStorageType(dir, yes ? StorageType.SSD : StorageType.DISK, number == 0 ? HdfsConstants.QUOTA_RESET : 1L << 20); return null; };
            case "policy": {
                final String name = of("HOT", "COLD", "WARM", "ALL_SSD", "ONE_SSD");
                return () -> { fs.setStoragePolicy(path, name); return null; };
            }
            case "unpolicy": return () -> { fs.unsetStoragePolicy(path); return null; };
            case "setacl": {
                final List<AclEntry> list = entries(true);
                return () -> { fs.setAcl(path, list); return null; };
            }
            case "modacl": {
                final List<AclEntry> list = entries(false);
                return () -> { fs.modifyAclEntries(path, list); return null; };
            }
            case "rmaclentry": {
                final List<AclEntry> list = names();
                return () -> { fs.removeAclEntries(path, list); return null; };
            }
            case "rmdefacl": return () -> { fs.removeDefaultAcl(path); return null; };
            case "rmacl": return () -> { fs.removeAcl(path); return null; };
            case "setxattr": {
                final String name = attribute();
                final EnumSet<XAttrSetFlag> flags = of(EnumSet.of(XAttrSetFlag.CREATE), EnumSet.of(XAttrSetFlag.REPLACE), EnumSet.of(XAttrSetFlag.CREATE, XAttrSetFlag.REPLACE));
                return () -> { fs.setXAttr(path, name, bytes(number), flags); return null; };
            }
            case "rmxattr": {
                final String name = attribute();
                return () -> { fs.removeXAttr(path, name); return null; };
            }
            case "allow": return () -> { fs.allowSnapshot(dir); return null; };
            case "disallow": return () -> { fs.disallowSnapshot(dir); return null; };
            case "snapshot": return () -> fs.createSnapshot(dir, "s" + number).toUri().getPath();
            case "rensnapshot": {
                final int to = pick(6);
                return () -> { fs.renameSnapshot(dir, "s" + number, "s" + to); return null; };
            }
            case "rmsnapshot": return () -> { fs.deleteSnapshot(dir, "s" + number); return null; };
            case "econ": {
                final String name = of("XOR-2-1-1024k", "RS-3-2-1024k", "RS-6-3-1024k", "XOR-3-1-64k");
                return () -> { if (yes || number > 1) fs.enableErasureCodingPolicy(name); else fs.disableErasureCodingPolicy(name); return null; };
            }
            case "ecadd": {
                final ErasureCodingPolicy policy = new ErasureCodingPolicy(new ECSchema(of("xor", "rs", "no"), 2 + number, 1 + number % 2), 64 * 1024);
                return () -> fs.addErasureCodingPolicies(new ErasureCodingPolicy[] {policy})[0].toString();
            }
            case "ecrm": return () -> { fs.removeErasureCodingPolicy(yes ? "XOR-3-1-64k" : "RS-3-2-64k"); return null; };
            case "ecset": {
                final String name = of("XOR-2-1-1024k", "RS-6-3-1024k", "replication", "RS-10-4-1024k");
                return () -> { fs.setErasureCodingPolicy(path, name); return null; };
            }
            case "ecunset": return () -> { fs.unsetErasureCodingPolicy(path); return null; };
            case "pool": {
                final CachePoolInfo info = new CachePoolInfo("pool" + number % 3).setMode(new FsPermission((short) (0700 + number)));
                if (yes) info.setLimit(100000L + number);
                if (number > 3) info.setMaxRelativeExpiryMs(3600000L * number);
                return () -> { if (number % 2 == 0) fs.addCachePool(info); else fs.modifyCachePool(info); return null; };
            }
            case "rmpool": return () -> { fs.removeCachePool("pool" + number % 3); return null; };
            case "cache": {
                final CacheDirectiveInfo.Builder info = new CacheDirectiveInfo.Builder().setPath(path).setPool("pool" + number % 3);
                if (yes) info.setReplication((short) (1 + number % 3));
                final EnumSet<CacheFlag> flags = number > 2 ? EnumSet.of(CacheFlag.FORCE) : EnumSet.noneOf(CacheFlag.class);
                return () -> fs.addCacheDirective(info.build(), flags);
            }
            case "recache": {
                final CacheDirectiveInfo.Builder info = new CacheDirectiveInfo.Builder().setId(1L + pick(20)).setPath(path);
                if (yes) info.setPool("pool" + number % 3);
                return () -> { fs.modifyCacheDirective(info.build(), EnumSet.of(CacheFlag.FORCE)); return null; };
            }
            case "uncache": {
                final long id = 1 + pick(20);
                return () -> { fs.removeCacheDirective(id); return null; };
            }
            default: throw new IllegalArgumentException(kind);
        }
    }

    private static long of2(int number, long value) {
        return number == 0 ? HdfsConstants.QUOTA_RESET : number < 3 ? HdfsConstants.QUOTA_DONT_SET : value * number;
    }

    /* How often each. */
    private static final String KINDS = "mkdir*8 create*16 stripe*2 append*6 truncate*2 concat*3 rename*6 rename2*8 delete*5 chmod*3 chown*3 times*3 setrep*3 quota*2 typequota*1"
        + " policy*2 unpolicy*1 setacl*3 modacl*4 rmaclentry*2 rmdefacl*1 rmacl*1 setxattr*5 rmxattr*2 allow*3 disallow*1 snapshot*6 rensnapshot*2 rmsnapshot*4"
        + " econ*2 ecadd*1 ecrm*1 ecset*2 ecunset*1 pool*2 rmpool*1 cache*3 recache*2 uncache*1";

    /** One line; without what is another each time (addresses, from where it was thrown), and what ours says more. */
    private static String outcome(Throwable t) {
        String text = String.valueOf(t.getMessage());
        int end = text.indexOf('\n');
        if (end >= 0) text = text.substring(0, end);
        return t.getClass().getSimpleName() + ": " + text.replaceAll("DFSClient_NONMAPREDUCE_-?[0-9]+_[0-9]+", "CLIENT").replaceAll("[0-9.]+:[0-9]+", "ADDRESS").replaceAll(" Refused: .*", "")
            .replaceAll("(is non empty': Directory is not empty|': Is not a directory).*", "$1"); // the client takes the server's trace for a part of the path
    }

    public static void main(String[] args) throws Exception {
        Configuration conf = new Configuration();
        conf.setInt("dfs.client.retry.max.attempts", 2);
        conf.setInt("dfs.bytes-per-checksum", 512);
        conf.set("dfs.client.block.write.replace-datanode-on-failure.policy", "NEVER"); // there is one datanode
        Set<String> without = new HashSet<>(args.length > 4 ? Arrays.asList(args[4].split(",")) : new ArrayList<>());
        List<String> kinds = new ArrayList<>();
        for (String word : KINDS.split(" ")) {
            String[] parts = word.split("\\*");
            for (int i = Integer.parseInt(parts[1]); i > 0 && !without.contains(parts[0]); i--) kinds.add(parts[0]);
        }
        try (PrintStream log = new PrintStream(new FileOutputStream(args[3]), true, "UTF-8")) {
            DistributedFileSystem fs = (DistributedFileSystem) org.apache.hadoop.fs.FileSystem.get(URI.create(args[0]), conf);
            RandomOps ops = new RandomOps(fs, Long.parseLong(args[1]), log);
            for (int i = 0; i < Integer.parseInt(args[2]); i++) {
                String kind = kinds.get(ops.pick(kinds.size()));
                long chosen = ops.random.nextLong();
                ops.random.setSeed(chosen);
                Change change = ops.change(kind);
                String result;
                try {
                    result = String.valueOf(change.run());
                } catch (Exception e) {
                    result = outcome(e);
                }
                log.println(i + " " + kind + " " + describe(ops, kind, chosen) + " -> " + result);
                ops.random.setSeed(chosen ^ 0x5deece66dL);
            }
            fs.close();
        }
    }

    /** The paths that the change was about: drawn again. */
    private static String describe(RandomOps ops, String kind, long chosen) {
        ops.random.setSeed(chosen);
        Path path = ops.any(), file = ops.file(), dir = ops.dir(), other = ops.any();
        int number = ops.pick(6);
        return "any=" + path.toUri().getPath() + " file=" + file.toUri().getPath() + " dir=" + dir.toUri().getPath() + " other=" + other.toUri().getPath() + " n=" + number
            + " " + (ops.pick(2) == 0);
    }
}
