#!/usr/bin/env bash
# Apache's own tools and namenode on the directory that ours wrote, and ours on what Apache's wrote.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
H=org.apache.hadoop.hdfs

# Listings without the columns that only running datanodes know.
listing() { dfs -ls -R / 2>/dev/null | awk '{print $1, $2, $3, $4, $5, $6, $7, $8}' | sort -k 8; }
apache_listing() { printf -- '-ls\t-R\t/\n' | APACHE_FS=$APACHE_URI apache_shell -D fs.defaultFS="$APACHE_URI" >/dev/null 2>&1; awk '{print $1, $2, $3, $4, $5, $6, $7, $8}' "$WORK/shell/1.out" | sort -k 8; }

check "our cluster starts" cluster_start --datanodes 1
NAME=$CLUSTER/namenode/name
head -c 300000 /dev/urandom > "$WORK/bytes"
check "mkdir" dfs -mkdir -p /d/é /d/x /gone /moved
check "put" dfs -D dfs.blocksize=1048576 -put "$WORK/bytes" /d/x/file
for name in Z a ü 中文 😀; do check "put $name" dfs -put "$WORK/bytes" "/d/$name"; done
check "append" dfs -appendToFile "$WORK/bytes" /d/x/file
check "rename" dfs -mv /d/a /moved/b
check "delete" dfs -rm -r -skipTrash /gone
check "chmod" dfs -chmod 1770 /d/x
check "chown" dfs -chown alice:staff /d/x/file
check "setrep" dfs -setrep 2 /d/Z
check "touch" dfs -touch -t 20200101:000000 /d/ü
check "quota" hdfs dfsadmin -setQuota 1000 /d
check "space quota" hdfs dfsadmin -setSpaceQuota 10g /moved
check "safe mode" hdfs dfsadmin -safemode enter
check "an image" hdfs dfsadmin -saveNamespace
check "safe mode ends" hdfs dfsadmin -safemode leave
check "mkdir after the image" dfs -mkdir /after
check "truncate" dfs -truncate -w 1000 /d/Z
check "roll" hdfs dfsadmin -rollEdits
check "more" dfs -touchz /after/empty
listing > "$WORK/ours"
check "it ends in order" cluster_stop

image=$(find "$NAME/current" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)
check "oiv reads the image" apache $H.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$image" -o "$WORK/image.xml"
check "all inodes are in it" python3 - "$WORK/image.xml" <<'PY'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
inodes = root.find("INodeSection")
assert int(inodes.findtext("numInodes")) == len(inodes.findall("inode"))
names = {i.findtext("name") for i in inodes.findall("inode")}
assert {"é", "ü", "中文", "😀", "Z", "b", "file"} <= names, names
PY
for edits in "$NAME"/current/edits_0*; do
    name=$(basename "$edits")
    check "oev reads $name" apache $H.tools.offlineEditsViewer.OfflineEditsViewer -i "$edits" -o "$WORK/$name.xml"
    check "oev writes the same bytes" bash -c "$(declare -f apache peer_java); PEER=$PEER PEER_CLASSES=$PEER_CLASSES PEER_CP_FILE=$PEER_CP_FILE
        apache $H.tools.offlineEditsViewer.OfflineEditsViewer -p binary -i '$WORK/$name.xml' -o '$WORK/$name.bin' &&
        cmp <(head -c \$(stat -c %s '$edits') '$WORK/$name.bin') '$edits'"
done

export APACHE_NAME_DIR=$WORK/name
cp -r "$NAME" "$APACHE_NAME_DIR"
check "an Apache namenode starts on our directory" apache_cluster_start "$WORK/apache" 0
apache_listing > "$WORK/theirs"
check "and shows the same" diff "$WORK/ours" "$WORK/theirs"
printf -- '-mkdir\t-p\t/from/apache\n-touchz\t/from/apache/é\n-chmod\t750\t/from\n-mv\t/after\t/later\n' > "$WORK/commands"
check "it goes on" apache_shell -D fs.defaultFS="$APACHE_URI" < "$WORK/commands"
apache_listing > "$WORK/theirs"
check "an image of its own" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode enter
check "is saved" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -saveNamespace
check "and it goes on" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode leave
kill -9 "${APACHE_PIDS[0]}"; wait "${APACHE_PIDS[0]}" 2>/dev/null; APACHE_PIDS=()
rm -rf "$NAME" && cp -r "$APACHE_NAME_DIR" "$NAME"
check "ours starts on what the Apache namenode left when it was killed" cluster_start
listing > "$WORK/back"
check "and shows the same again" diff "$WORK/theirs" "$WORK/back"
check "the bytes are there" bash -c "dfs -cat /moved/b | cmp - '$WORK/bytes'"
finish
