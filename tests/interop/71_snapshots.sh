#!/usr/bin/env bash
# Snapshots and Apache: its shell on ours, its namenode and oiv on our name folder, ours on what its namenode left.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
H=org.apache.hadoop.hdfs

columns() { awk '$1 ~ /^[-d]/ {print $1, $2, $3, $4, $5, $6, $7, $8}' | sort -k 8; }
listing() { { dfs -ls -R /; dfs -ls -R /s/.snapshot; } 2>/dev/null | columns; }
apache_commands() { # CONF, commands on standard input
    APACHE_CONF_DIR=$1 apache_shell >/dev/null 2>&1
    check_equal "all of them succeed" 0 "$(cat "$WORK"/shell/*.rc | sort -u)"
}
apache_listing() {
    printf -- '-ls\t-R\t/\n-ls\t-R\t/s/.snapshot\n' | APACHE_CONF_DIR=$WORK/apache/nn apache_shell >/dev/null 2>&1
    cat "$WORK"/shell/*.out | columns
}

# Differences in both directions, between snapshots (asked for in pages) and with today, of a directory below too.
reports() { # URI
    local pair
    for pair in 's1 s3' 's3 s1' 's1 vier' 's3 .' '. s1' 'vier .'; do hdfs snapshotDiff "$1/s" $pair; done
    hdfs snapshotDiff "$1/s/new" s1 vier
}

check "our cluster starts" cluster_start --datanodes 1
NAME=$CLUSTER/namenode/name
head -c 1500000 /dev/urandom > "$WORK/bytes"
head -c 1048576 "$WORK/bytes" > "$WORK/block"
check "directories" dfs -mkdir -p /s/a/deep /s/b /out
for file in a/one a/deep/two b/three b/gone b/cut; do
    check "put $file" dfs -D dfs.blocksize=1048576 -put "$WORK/bytes" "/s/$file"
done
check "allowed" hdfs dfsadmin -allowSnapshot /s
check "a snapshot" dfs -createSnapshot /s s1
check "a file leaves the tree" dfs -mv /s/a/one /out/one
check "a directory leaves the tree" dfs -mv /s/a/deep /out/shallow
check "something changes out there" dfs -chmod 700 /out/shallow
check "a file is deleted" dfs -rm -skipTrash /s/b/gone
check "a file grows" dfs -appendToFile "$WORK/bytes" /s/b/three
check "a file is cut" dfs -truncate -w 1048576 /s/b/cut
check "another snapshot" dfs -createSnapshot /s s2
check "a name is taken again" dfs -put "$WORK/block" /s/b/gone
check "renamed in place" dfs -mv /s/b/three /s/b/drei
check "a third" dfs -createSnapshot /s s3
check "a directory goes" dfs -rm -r -skipTrash /s/b
check "the second is deleted" dfs -deleteSnapshot /s s2
check "the bytes of the first are there" bash -c "dfs -cat /s/.snapshot/s1/b/cut | cmp - '$WORK/bytes'"

check "safe mode" hdfs dfsadmin -safemode enter
check "an image" hdfs dfsadmin -saveNamespace
check "safe mode ends" hdfs dfsadmin -safemode leave
check "a snapshot behind the image" dfs -createSnapshot /s s4
check "renamed" dfs -renameSnapshot /s s4 vier
check "mkdir" dfs -mkdir /s/new
dfs -chmod 711 /s/a; dfs -mv /s/a /s/new/a
listing > "$WORK/ours"
reports "$URI" > "$WORK/reports"
check "Apache's program prints the same differences" diff <(for to in s3 vier .; do apache $H.tools.snapshot.SnapshotDiff -fs "$URI" /s s1 $to; done) <(for to in s3 vier .; do hdfs snapshotDiff /s s1 $to; done)
check "and the same directories" diff <(apache $H.tools.snapshot.LsSnapshottableDir -fs "$URI") <(hdfs lsSnapshottableDir)
check "snapshots are listed" grep -q /s/.snapshot/s1/a/deep/two "$WORK/ours"
check "it ends in order" cluster_stop

image=$(find "$NAME/current" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)
check "oiv reads the image" apache $H.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$image" -o "$WORK/image.xml"
check "the snapshots are in it" python3 - "$WORK/image.xml" <<'PY'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
section = root.find("SnapshotSection")
assert int(section.findtext("numSnapshots")) == 2
assert {s.find("root").findtext("name") for s in section.findall("snapshot")} == {"s1", "s3"}
assert len(root.find("INodeReferenceSection").findall("ref")) >= 4
assert root.find("SnapshotDiffSection").findall("dirDiffEntry")
PY

export APACHE_NAME_DIR=$WORK/name
cp -r "$NAME" "$APACHE_NAME_DIR"
mkdir -p "$WORK/apache/nn/name" # nothing to be formatted
check "an Apache namenode starts on our directory" apache_cluster_start "$WORK/apache" 0
namenode_answers() { kill -0 "${APACHE_PIDS[0]}" && curl -sf "http://127.0.0.1:$APACHE_HTTP/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" | grep -q '"FilesTotal" : [1-9]'; }
check "it has loaded" wait_until 60 namenode_answers
namenode_answers || grep -m 5 'ERROR\|Exception' "$WORK/apache/nn/log" | sed 's/^/# /'
reports "$APACHE_URI" > "$WORK/their_reports"
check "and the same differences" diff "$WORK/reports" "$WORK/their_reports"
apache_listing > "$WORK/theirs"
check "and shows the same" diff "$WORK/ours" "$WORK/theirs"
apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode leave >/dev/null 2>&1 # it has no datanodes
printf -- '-createSnapshot\t/s\ts5\n-mv\t/s/new\t/out/neu\n-mv\t/out/shallow\t/s/back\n-chmod\t750\t/out/one\n-deleteSnapshot\t/s\ts1\n-mkdir\t/s/b\n-rm\t-r\t-skipTrash\t/s/back\n' |
    apache_commands "$WORK/apache/nn"
apache_listing > "$WORK/theirs"
check "an image of its own" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode enter
check "is saved" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -saveNamespace
check "and it goes on" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode leave
kill -9 "${APACHE_PIDS[0]}"; wait "${APACHE_PIDS[0]}" 2>/dev/null; APACHE_PIDS=()
rm -rf "$NAME" && cp -r "$APACHE_NAME_DIR" "$NAME"
check "ours starts on what the Apache namenode left when it was killed" cluster_start
listing > "$WORK/back"
check "and shows the same again" diff "$WORK/theirs" "$WORK/back"
check "the bytes are there" bash -c "dfs -cat /s/.snapshot/s3/b/gone | cmp - '$WORK/block'"
for name in s3 vier s5; do check "delete $name" dfs -deleteSnapshot /s $name; done
check "no longer snapshottable" hdfs dfsadmin -disallowSnapshot /s
finish
