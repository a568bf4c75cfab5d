#!/usr/bin/env bash
# A datanode that lies, directories of another cluster, of another time or half moved, edits and images that nobody can read: each refused with
# its reason, and what is on the disks is as it was.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 2 -D dfs.replication=2 -D dfs.heartbeat.interval=1 -D dfs.namenode.heartbeat.recheck-interval=500 \
    -D dfs.namenode.reconstruction.pending.timeout-sec=5 -D dfs.namenode.edits.dir.minimum=1 || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
export -f hdfs dfs; export BUILD
head -c 3000001 /dev/urandom > "$WORK/file"
check "a file on two datanodes" dfs -D dfs.blocksize=1048576 -put "$WORK/file" /file
whole() { dfs -cat /file | cmp - "$WORK/file"; }
says() { grep -qE -- "$1" "$WORK/out" || { tail -n 5 "$WORK/out"; return 1; }; }
refused() { # PATTERN COMMAND...
    local pattern=$1; shift
    if "$@" > "$WORK/out" 2>&1; then echo "it succeeded"; tail -n 5 "$WORK/out"; return 1; fi
    says "$pattern"
}
tree_of() { (cd "$1" && find . -type f ! -name in_use.lock -exec sha256sum {} + | sort -k 2); }

# ---- a datanode that lies ----
lie() { timeout 120 "$BUILD/tests/live/hostile_datanode" "$URI" "$1" /file > "$WORK/out" 2>&1 || { tail -n 3 "$WORK/out"; return 1; }; }
replicas() { find "$CLUSTER"/datanode?/data -name 'blk_*' ! -name '*.meta' -path '*finalized*' -exec sha256sum {} + | sort -k 2; }
replicas > "$WORK/replicas"
nothing_lost() { whole && replicas | diff "$WORK/replicas" - && daemon_alive "$(daemon_pid namenode)"; }
two_each() { hdfs fsck /file -files -blocks | grep -c 'Live_repl=2' | grep -qx 3; }
for what in identity blocks others uuid damage endless; do
    memory=$(awk '/VmRSS/ {print $2}' "/proc/$(daemon_pid namenode)/status")
    check "lies: $what" lie "$what"
    check "the file is whole, no good replica went" nothing_lost
    check "and each block has two live replicas, no third" wait_until 20 two_each
done
after=$(awk '/VmRSS/ {print $2}' "/proc/$(daemon_pid namenode)/status")
check "the namenode did not grow with endless reports ($memory KiB, then $after)" test $((after - memory)) -lt $((${SAN:+400000} + 60000))
check "the liar is forgotten: two datanodes live" wait_until 40 live_datanodes 2
check "fsck is healthy" wait_until 20 eval 'hdfs fsck / | grep -q "is HEALTHY"'
nothing_lost > /dev/null || replicas > "$WORK/replicas"

# ---- data directories ----
daemon_kill datanode2
data=$CLUSTER/datanode2/data
cp -r "$data" "$WORK/data.good"
refuse_data() { # TEXT PATTERN FILE SED [OPTION...]: with that file changed the datanode does not serve this directory, and changes nothing
    local text=$1 pattern=$2 file=$3 edit=$4; shift 4
    sed -i "$edit" "$file"
    tree_of "$data" > "$WORK/before"
    check "$text" refused "$pattern" daemon_refused datanode2 "$@"
    check "nothing changed" eval "tree_of '$data' | diff '$WORK/before' -"
    rm -rf "$data"; cp -r "$WORK/data.good" "$data"; rm -f "$data/in_use.lock"
}
pool=$(cd "$data/current" && echo BP-*)
refuse_data "a data directory of another cluster" 'Incompatible clusterIDs' "$data/current/VERSION" 's/^clusterID=.*/clusterID=CID-other/'
refuse_data "of a later layout" 'version of storage directory|layout' "$data/current/VERSION" 's/^layoutVersion=.*/layoutVersion=-99/'
refuse_data "its block pool of another namespace" 'Incompatible namespaceIDs' "$data/current/$pool/current/VERSION" 's/^namespaceID=.*/namespaceID=4711/'
refuse_data "its block pool under another's name" 'Incompatible blockpoolIDs' "$data/current/$pool/current/VERSION" 's/^blockpoolID=.*/blockpoolID=BP-1-1.2.3.4-5/'
refuse_data "a directory of a namenode" 'DATA_NODE|storage type|storageType' "$data/current/VERSION" 's/^storageType=.*/storageType=NAME_NODE/'
# Two directories of two datanodes in one.
cp -r "$data" "$WORK/data.other"; rm -f "$WORK/data.other/in_use.lock"
sed -i 's/^datanodeUuid=.*/datanodeUuid=00000000-0000-0000-0000-000000000000/; s/^storageID=.*/storageID=DS-other/' "$WORK/data.other/current/VERSION"
tree_of "$WORK/data.other" > "$WORK/before"
check "two directories of different datanodes" refused 'mismatched DatanodeUUID|datanodeUuid|DatanodeUuid|Too many failed volumes' daemon_refused datanode2 -D "dfs.datanode.data.dir=file://$data,file://$WORK/data.other"
check "nothing changed" eval "tree_of '$WORK/data.other' | diff '$WORK/before' -"
# A lock that a crash, or a copy of the disk, left behind holds nobody up; one that is held does.
echo "99999@elsewhere" > "$data/in_use.lock"
daemon_run datanode2
check "an old in_use.lock does not matter" wait_until 20 live_datanodes 2
check "the same directory cannot serve two" refused 'lock' env HADOOP_CONF_DIR="$CLUSTER/datanode2/conf" timeout 20 "$BUILD/bin/hdfs" datanode --config "$CLUSTER/datanode2/conf" \
    -D dfs.datanode.address=127.0.0.1:0 -D dfs.datanode.ipc.address=127.0.0.1:0 -D dfs.datanode.http.address=127.0.0.1:0
check "all is whole" whole

# ---- name directories ----
name=$CLUSTER/namenode/name
second=$WORK/name2
fresh_copy() { rm -rf "$second"; cp -r "$1" "$second"; rm -f "$second/in_use.lock"; }
two=(-D "dfs.namenode.name.dir=file://$name,file://$second")
dfs -mkdir /old
daemon_kill namenode
cp -r "$name" "$WORK/name.old"
daemon_run namenode; wait_quick 20 daemon_ready namenode; wait_until 30 safe_mode_off
dfs -mkdir /new
daemon_kill namenode
fresh_copy "$name"
sed -i 's/^clusterID=.*/clusterID=CID-other/' "$second/current/VERSION"
both_trees() { { tree_of "$name"; [[ ! -d $second ]] || tree_of "$second"; } | grep -v "${ASIDE:-nothing}"; }
refuse_name() { # TEXT PATTERN OPTIONS...
    local text=$1 pattern=$2; shift 2
    both_trees > "$WORK/before"
    check "$text" refused "$pattern" daemon_refused namenode "$@"
    check "nothing changed" eval 'both_trees | diff "$WORK/before" -'
}
refuse_name "two name directories of two clusters" 'cluster Id is incompatible with others' "${two[@]}"
fresh_copy "$name"; sed -i 's/^namespaceID=.*/namespaceID=4711/' "$second/current/VERSION"
refuse_name "of two namespaces" 'namespaceID is incompatible with others' "${two[@]}"
fresh_copy "$name"; sed -i 's/^blockpoolID=.*/blockpoolID=BP-1-1.2.3.4-5/' "$second/current/VERSION"
refuse_name "of two block pools" 'blockpoolID is incompatible with others' "${two[@]}"
fresh_copy "$name"; rm "$second/current/VERSION"
refuse_name "one without VERSION" 'version file in current directory is missing' "${two[@]}"
fresh_copy "$name"; sed -i 's/^storageType=.*/storageType=DATA_NODE/' "$second/current/VERSION"
refuse_name "one of a datanode" 'not that of a namenode' "${two[@]}"
fresh_copy "$name"; sed -i 's/^layoutVersion=.*/layoutVersion=-99/' "$second/current/VERSION"
refuse_name "one of a later layout" 'Unexpected version of storage directory' "${two[@]}"
# One is older: a copy that was made before the last edits.
fresh_copy "$WORK/name.old"
start_with() { daemon_run namenode "$@"; wait_quick 20 daemon_ready namenode && wait_until 30 safe_mode_off; }
check "one of two is older: the newer counts" start_with "${two[@]}"
check "nothing is lost" dfs -test -d /new
check "edits go on" dfs -mkdir /newer
daemon_kill namenode
check "the one that was newer alone" start_with
check "has it all" eval 'dfs -test -d /newer && dfs -test -d /new && whole'
dfs -mkdir /last
daemon_kill namenode

# ---- edits and images that nobody can read ----
ASIDE=edits_ # edits that were not closed are closed before they are replayed and images are looked at, here as by Apache
restore() { rm -rf "$name"; cp -r "$WORK/name.good" "$name"; rm -f "$name/in_use.lock"; rm -rf "$second"; }
rm -rf "$second" "$WORK/name.good"; cp -r "$name" "$WORK/name.good"
if command -v python3 > /dev/null; then
    python3 - "$name/current" <<'PY'
import glob, struct, sys, zlib
path = glob.glob(sys.argv[1] + "/edits_inprogress_*")[0]
data = open(path, "rb").read().rstrip(b"\xff")
at, txid = 8, 0
while at + 17 <= len(data) and data[at] not in (0xff,):
    length = struct.unpack(">i", data[at + 1:at + 5])[0]
    txid = struct.unpack(">q", data[at + 5:at + 13])[0]
    at += 1 + length + 4
body = bytes([120]) + struct.pack(">i", 4 + 8 + 4) + struct.pack(">q", txid + 1) + b"huh?"
open(path, "wb").write(data[:at] + body + struct.pack(">I", zlib.crc32(body)))
PY
    refuse_name "an edit of an unknown kind, with a right checksum" '[Uu]nknown|opcode|op code|is not known'
    restore
fi
file=$(find "$name/current" -name 'edits_inprogress_*')
printf '\xff\xff\xff\x9d' | dd of="$file" bs=1 conv=notrunc 2> /dev/null
refuse_name "edits of a later layout" 'layout|version'
restore
image=$(find "$name/current" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)
only() { find "$name/current" -name 'fsimage_*' ! -name "$(basename "$image")*" -delete; }
resum() { (cd "$name/current" && md5sum "$(basename "$image")" | sed 's/  / */' > "$image.md5"); }
printf '\377' | dd of="$image" bs=1 seek=$(($(stat -c %s "$image") / 2)) conv=notrunc 2> /dev/null
only
refuse_name "a bit-flipped image, the only one: MD5" 'corrupt with MD5 checksum|MD5'
restore
truncate -s -7 "$image"; only; resum
refuse_name "an image cut short, with a right MD5" 'fsimage'
restore
sed -i 's/INODE_DIR/INODE_DIX/' "$image"; only; resum
refuse_name "an image with an unknown section" 'INODE_DIX'
restore
check "the undamaged directory still starts" start_with
check "and has it all" eval 'dfs -test -d /newer && whole'
check "the cluster stops in order" cluster_stop
finish
