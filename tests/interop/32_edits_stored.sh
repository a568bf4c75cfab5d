#!/usr/bin/env bash
# editsStored, the journal with one of everything that Hadoop's own tests keep: ours replays it, and saves the image that Apache saves.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
H=org.apache.hadoop.hdfs
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish

check "editsStored is at hand" hadoop_test_file editsStored "$WORK"
((failures == 0)) || finish
check "oev reads it" apache $H.tools.offlineEditsViewer.OfflineEditsViewer -i "$WORK/editsStored" -o "$WORK/edits.xml"
last=$(grep -o '<TXID>[0-9]*' "$WORK/edits.xml" | tail -n 1 | grep -o '[0-9]*$')
echo "# $(grep -c '<RECORD>' "$WORK/edits.xml") records, $(grep -o '<OPCODE>[A-Z_0-9]*' "$WORK/edits.xml" | sort -u | wc -l) kinds, up to txid $last"

# A fresh name folder of Apache's, with that journal behind its empty image; and a copy of it for ours.
export APACHE_NAME_DIR=$WORK/apache/nn/name APACHE_NAMENODE=NameNodeWithSymlinks
apache_conf "$WORK/apache/nn" 1 2
format() { APACHE_CONF_DIR=$WORK/apache/nn apache $H.server.namenode.NameNode -format -nonInteractive; }
check "formatted" format
cp "$WORK/editsStored" "$APACHE_NAME_DIR/current/$(printf 'edits_%019d-%019d' 1 "$last")"
check "our cluster is there" cluster_start
check "and stops" cluster_stop
rm -rf "$CLUSTER"/namenode/name "$CLUSTER"/datanode*/data && cp -r "$APACHE_NAME_DIR" "$CLUSTER/namenode/name"

saved() { hdfs dfsadmin -fs "$1" -safemode enter && hdfs dfsadmin -fs "$1" -saveNamespace; }
xml_of() { apache $H.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$(find "$1" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)" -o "$2"; }
check "ours starts with it" cluster_start -D dfs.namenode.safemode.threshold-pct=0
check "and saves the namespace" saved "$URI"
check "Apache's starts with it" apache_cluster_start "$WORK/apache" 0
serves() { hdfs dfsadmin -fs "$APACHE_URI" -safemode get; }
check "and serves" wait_until 60 serves
check "and saves the namespace" saved "$APACHE_URI"
check "our image" xml_of "$CLUSTER/namenode/name/current" "$WORK/ours.xml"
check "Apache's image" xml_of "$APACHE_NAME_DIR/current" "$WORK/theirs.xml"
check "the images are equal" "$PEER/image_compare.py" "$WORK/ours.xml" "$WORK/theirs.xml"
[[ -z ${KEEP:-} ]] || cp "$WORK"/{ours,theirs,edits}.xml "$KEEP"/
check "ours stops" cluster_stop
apache_cluster_stop

# Apache's namenode goes on with what ours saved, and ours with what Apache's saved.
mv "$CLUSTER/namenode/name" "$WORK/ours" && cp -r "$APACHE_NAME_DIR" "$CLUSTER/namenode/name"
check "ours starts on Apache's image" cluster_start -D dfs.namenode.safemode.threshold-pct=0
rm -rf "$APACHE_NAME_DIR" && cp -r "$WORK/ours" "$APACHE_NAME_DIR"
check "Apache's starts on our image" apache_cluster_start "$WORK/apache" 0
check "and serves" wait_until 60 serves
finish
