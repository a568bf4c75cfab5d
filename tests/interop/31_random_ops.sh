#!/usr/bin/env bash
# The same random changes through one Apache client to our namenode and to Apache's: each must end alike, and so must the images.
# SEED and OPS choose another run; WITHOUT leaves kinds of changes out (tests/interop/java/RandomOps.java has them): those of snapshots, unless it is set:
# Apache keeps more copies of what did not change than ours does.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
SEED=${SEED:-31476675} OPS=${OPS:-400} WITHOUT=${WITHOUT-allow,disallow,snapshot,rensnapshot,rmsnapshot}
echo "# SEED=$SEED OPS=$OPS WITHOUT=$WITHOUT"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish

# saved URI: has the namespace saved
saved() { hdfs dfsadmin -fs "$1" -safemode enter && hdfs dfsadmin -fs "$1" -saveNamespace; }
# xml_of DIR OUT: shows the newest image
xml_of() {
    apache org.apache.hadoop.hdfs.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$(find "$1" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)" -o "$2"
}

SINCE=$(($(date +%s) * 1000 - 1000))
check "our cluster starts" cluster_start --datanodes 1 -D dfs.namenode.fs-limits.min-block-size=0 -D dfs.heartbeat.interval=1 -D "dfs.permissions.superusergroup=$(id -gn)"
check "Apache's cluster starts" apache_cluster_start "$WORK/apache" 1
((failures == 0)) || finish
(apache RandomOps "$APACHE_URI" "$SEED" "$OPS" "$WORK/theirs.log" "${WITHOUT:-none}" > "$WORK/theirs.out" 2>&1) & theirs=$!
check "the changes run on ours" apache RandomOps "$URI" "$SEED" "$OPS" "$WORK/ours.log" "${WITHOUT:-none}"
check "the changes run on Apache's" wait "$theirs"
check_equal "all of them" "$OPS $OPS" "$(wc -l < "$WORK/ours.log") $(wc -l < "$WORK/theirs.log")"
check "each ends alike" diff "$WORK/ours.log" "$WORK/theirs.log"
grep -c -- '-> \(null\|true\|[0-9]\|/\)' "$WORK/theirs.log" | sed 's/^/# changes that took effect: /'
check "our namespace is saved" saved "$URI"
check "Apache's namespace is saved" saved "$APACHE_URI"
mkdir "$WORK/fetched"
check "our image is fetched" hdfs dfsadmin -fetchImage "$WORK/fetched"
check "our image" xml_of "$WORK/fetched" "$WORK/ours.xml"
check "Apache's image" xml_of "$WORK/apache/nn/name/current" "$WORK/theirs.xml"
check "the images are equal" "$PEER/image_compare.py" "$WORK/ours.xml" "$WORK/theirs.xml" --since "$SINCE"
[[ -z ${KEEP:-} ]] || cp "$WORK"/ours.* "$WORK"/theirs.* "$KEEP"/ 2>/dev/null
finish
