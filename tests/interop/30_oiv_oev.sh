#!/usr/bin/env bash
# Apache's own tools and namenode on the directory that ours wrote, and ours on what Apache's wrote.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
H=org.apache.hadoop.hdfs

# Listings without the columns that only running datanodes know.
listing() { dfs -ls -R / 2>/dev/null | awk '{print $1, $2, $3, $4, $5, $6, $7, $8}' | sort -k 8; }
apache_listing() {
    printf -- '-ls\t-R\t/\n' | APACHE_CONF_DIR=$WORK/apache/nn apache_shell >/dev/null 2>&1
    awk '{print $1, $2, $3, $4, $5, $6, $7, $8}' "$WORK/shell/1.out" | sort -k 8
}

attributes() { dfs -getfacl -R /; dfs -getfattr -R -d /; dfs -getfattr -R -d /.reserved/raw/d; }
apache_attributes() {
    printf -- '-getfacl\t-R\t/\n-getfattr\t-R\t-d\t/\n-getfattr\t-R\t-d\t/.reserved/raw/d\n' | APACHE_CONF_DIR=$WORK/apache/nn apache_shell >/dev/null 2>&1
    cat "$WORK"/shell/{1,2,3}.out
}

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
check "ACL" dfs -setfacl -m user:bruce:rwx,group:é:r-x /d/x
check "default ACL" dfs -setfacl -m default:user:bruce:rwx,default:group:staff:--- /d
check "attributes" dfs -setfattr -n user.été -v blue /d/x/file
check "of a directory with a policy" dfs -setfattr -n trusted.binary -v 0x00ff80 /d
check "raw" dfs -setfattr -n raw.something -v 1 /.reserved/raw/d/x
check "without value" dfs -setfattr -n security.hdfs.unreadable.by.superuser /d/Z
check "safe mode" hdfs dfsadmin -safemode enter
check "an image" hdfs dfsadmin -saveNamespace
check "safe mode ends" hdfs dfsadmin -safemode leave
check "mkdir after the image" dfs -mkdir /after
check "mkdir below a default ACL" dfs -mkdir -p /d/heir/of
check "a file there" dfs -touchz /d/heir/of/file
check "less of an ACL" dfs -setfacl -x group:é /d/x
check "none" dfs -setfacl -b /d/heir/of
check "more attributes" dfs -setfattr -n user.color -v red /d/x/file
check "fewer" dfs -setfattr -x user.été /d/x/file
check "truncate" dfs -truncate -w 1000 /d/Z
check "roll" hdfs dfsadmin -rollEdits
check "more" dfs -touchz /after/empty
listing > "$WORK/ours"
attributes > "$WORK/our-attributes"
check "ACLs and attributes are there" grep -q 'default:user:bruce:rwx' "$WORK/our-attributes"
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
    if grep -q OP_TRUNCATE "$WORK/$name.xml"; then # OP_TRUNCATE within a block: Apache writes XML that Apache does not read
        skip "oev writes the same bytes" "Apache's oev cannot take its own XML of OP_TRUNCATE"
        continue
    fi
    check "oev takes its XML of $name" apache $H.tools.offlineEditsViewer.OfflineEditsViewer -p binary -i "$WORK/$name.xml" -o "$WORK/$name.bin"
    head -c "$(stat -c %s "$edits")" "$WORK/$name.bin" > "$WORK/$name.cut" # without padding
    check "and writes the same bytes" cmp "$WORK/$name.cut" "$edits"
done

export APACHE_NAME_DIR=$WORK/name
cp -r "$NAME" "$APACHE_NAME_DIR"
mkdir -p "$WORK/apache/nn/name" # nothing to be formatted
check "an Apache namenode starts on our directory" apache_cluster_start "$WORK/apache" 0
namenode_answers() { kill -0 "${APACHE_PIDS[0]}" && curl -sf "http://127.0.0.1:$APACHE_HTTP/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" | grep -q '"FilesTotal" : [1-9]'; }
check "it has loaded" wait_until 60 namenode_answers
namenode_answers || grep -m 5 'ERROR\|Exception' "$WORK/apache/nn/log" | sed 's/^/# /'
apache_listing > "$WORK/theirs"
check "and shows the same" diff "$WORK/ours" "$WORK/theirs"
apache_attributes > "$WORK/their-attributes"
check "and the same ACLs and attributes" diff -a "$WORK/our-attributes" "$WORK/their-attributes"
apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode leave >/dev/null 2>&1 # it has no datanodes
printf -- '-mkdir\t-p\t/from/apache\n-touchz\t/from/apache/é\n-chmod\t750\t/from\n-mv\t/after\t/later\n-setfacl\t-m\tuser:diana:r--\t/d/Z\n-touchz\t/d/heir/new\n-setfattr\t-n\tuser.of\t-v\tapache\t/d/heir/new\n' > "$WORK/commands"
APACHE_CONF_DIR=$WORK/apache/nn apache_shell < "$WORK/commands" >/dev/null 2>&1
check_equal "it goes on" "0 0 0 0 0 0 0" "$(cat "$WORK"/shell/?.rc | paste -s -d ' ')"
apache_listing > "$WORK/theirs"
apache_attributes > "$WORK/their-attributes"
check "an image of its own" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode enter
check "is saved" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -saveNamespace
check "and it goes on" apache $H.tools.DFSAdmin -fs "$APACHE_URI" -safemode leave
kill -9 "${APACHE_PIDS[0]}"; wait "${APACHE_PIDS[0]}" 2>/dev/null; APACHE_PIDS=()
rm -rf "$NAME" && cp -r "$APACHE_NAME_DIR" "$NAME"
check "ours starts on what the Apache namenode left when it was killed" cluster_start
listing > "$WORK/back"
check "and shows the same again" diff "$WORK/theirs" "$WORK/back"
attributes > "$WORK/our-attributes"
check "and the same ACLs and attributes again" diff -a "$WORK/their-attributes" "$WORK/our-attributes"
check "the bytes are there" bash -c "dfs -cat /moved/b | cmp - '$WORK/bytes'"
finish
