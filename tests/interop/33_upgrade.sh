#!/usr/bin/env bash
# Name folders of older Hadoops that its own tests keep: ours upgrades what Apache's upgrades to the same image, goes back, and finalizes; what ours does not read
# it refuses with the layout's number.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
H=org.apache.hadoop.hdfs
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
mkdir "$WORK/jar" "$WORK/ours" "$WORK/theirs"
for tar in hadoop-252-dfs-dir.tgz testUpgradeFrom26PreservesStorageIDs.tgz image-with-zero-block-size.tar.gz \
    hadoop-22-dfs-dir.tgz hadoop-1-reserved.tgz hadoop-2-reserved.tgz hadoop-0.23-reserved.tgz; do
    check "$tar is at hand" hadoop_test_file "$tar" "$WORK/jar"
done
((failures == 0)) || finish

read -r -a ports <<< "$(free_ports 2)"
conf() { # conf DIR NAME_DIR: settings of a namenode by itself
    APACHE_NAME_DIR=$2 apache_conf "$1" "${ports[0]}" "${ports[1]}"
}
namenode_pid=
answers_or_ended() { ! kill -0 "$namenode_pid" 2>/dev/null || hdfs dfsadmin -fs "hdfs://127.0.0.1:${ports[0]}" -safemode get; }
start_ours() { # start_ours CONF ARGS...
    local dir=$1; shift
    HADOOP_CONF_DIR=$dir hdfs namenode "$@" > "$dir/log" 2>&1 & namenode_pid=$!
    wait_until 60 answers_or_ended && kill -0 "$namenode_pid" 2>/dev/null && return
    tail -n 5 "$dir/log" | sed 's/^/# /'; stop_ours; return 1
}
stop_ours() { [[ -z $namenode_pid ]] || { kill "$namenode_pid" 2>/dev/null; wait "$namenode_pid" 2>/dev/null; }; namenode_pid=; }
upgrade_end() { stop_ours; tools_stop; }
scenario_end() { upgrade_end; }
start_apaches() {
    (APACHE_CONF_DIR=$1 PEER_OPTS=-Xmx512m peer_java $H.server.namenode.NameNode -upgrade) > "$1/log" 2>&1 & namenode_pid=$!
    wait_until 60 answers_or_ended && kill -0 "$namenode_pid"
}
xml_of() { apache $H.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$(find "$1" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)" -o "$2"; }
layout() { grep -o 'layoutVersion=.*' "$1/VERSION"; }

# upgraded NAME TAR PATH: the folder PATH of a tar, by both namenodes
upgraded() {
    local name=$1 side
    for side in ours theirs; do
        mkdir -p "$WORK/$side/$name/x" && tar -xzf "$WORK/jar/$2" -C "$WORK/$side/$name/x" 2>/dev/null
        mv "$WORK/$side/$name/x/$3" "$WORK/$side/$name/name"
        chmod -R u+rwX "$WORK/$side/$name/name"; rm -f "$WORK/$side/$name/name/in_use.lock"
        conf "$WORK/$side/$name/conf" "$WORK/$side/$name/name"
    done
    local ours=$WORK/ours/$name theirs=$WORK/theirs/$name before
    before=$(layout "$ours/name/current")
    check_fails "$name ($before): not without -upgrade" start_ours "$ours/conf"
    check "it is told" grep -q 'An upgrade to version -67 is required' "$ours/conf/log"
    check "$name: ours upgrades it" start_ours "$ours/conf" -upgrade
    check_equal "the folder has the new layout" layoutVersion=-67 "$(layout "$ours/name/current")"
    check_equal "and what there was before" "$before" "$(layout "$ours/name/previous")"
    check "it is listed" hdfs dfs -fs "hdfs://127.0.0.1:${ports[0]}" -ls -R /
    stop_ours
    check "the image" xml_of "$ours/name/current" "$WORK/$name.ours.xml"
    check "$name: Apache's upgrades it" start_apaches "$theirs/conf"
    stop_ours
    check "its image" xml_of "$theirs/name/current" "$WORK/$name.theirs.xml"
    check "the images are equal" "$PEER/image_compare.py" "$WORK/$name.ours.xml" "$WORK/$name.theirs.xml"
    [[ -z ${KEEP:-} ]] || cp "$WORK/$name".*.xml "$KEEP"/
    check_fails "a second upgrade is refused" start_ours "$ours/conf" -upgrade
    check "in Apache's words" grep -q 'previous fs state should not exist during upgrade. Finalize or rollback first.' "$ours/conf/log"
    check_fails "no way back to an older layout" bash -c "echo Y | HADOOP_CONF_DIR='$ours/conf' hdfs namenode -rollback 2> '$ours/rollback'"
    check "in Apache's words" grep -q "Cannot rollback to storage version ${before#*=} using this version of the NameNode, which uses storage version -67" "$ours/rollback"
    check "ours goes on" start_ours "$ours/conf"
    check "and finalizes" hdfs dfsadmin -fs "hdfs://127.0.0.1:${ports[0]}" -finalizeUpgrade
    check_fails "what there was before is gone" test -e "$ours/name/previous"
    stop_ours
}
upgraded hadoop-2.5 hadoop-252-dfs-dir.tgz dfs/name1
upgraded hadoop-2.6 testUpgradeFrom26PreservesStorageIDs.tgz testUpgradeFrom26PreservesStorageIDs/dfs/name
upgraded zero-blocks image-with-zero-block-size.tar.gz image-with-zero-block-size/name

# Of this layout: there and back again.
mkdir -p "$WORK/same"; conf "$WORK/same/conf" "$WORK/same/name"
check "a new folder" env HADOOP_CONF_DIR="$WORK/same/conf" hdfs namenode -format -nonInteractive
check "starts" start_ours "$WORK/same/conf"
fs=hdfs://127.0.0.1:${ports[0]}
wait_until 10 bash -c "hdfs dfsadmin -fs $fs -safemode get | grep -q OFF"
check "gets a directory" dfs -fs "$fs" -mkdir /before
stop_ours
check "is upgraded" start_ours "$WORK/same/conf" -upgrade
check "gets another" dfs -fs "$fs" -mkdir /after
stop_ours
check_fails "a no changes nothing" bash -c "echo N | HADOOP_CONF_DIR='$WORK/same/conf' hdfs namenode -rollback"
check "and goes back" bash -c "echo Y | HADOOP_CONF_DIR='$WORK/same/conf' hdfs namenode -rollback"
check "to what it was" start_ours "$WORK/same/conf"
check "the first is there" dfs -fs "$fs" -test -d /before
check_fails "the second is not" dfs -fs "$fs" -test -d /after
stop_ours

# Images of before Hadoop 2.4.
for old in hadoop-22-dfs-dir:dfs/name-0-1 hadoop-1-reserved:dfs/name-0-1 hadoop-2-reserved:dfs/name-0-1 hadoop-0.23-reserved:dfs/name-0-1; do
    tar=${old%%:*}
    mkdir -p "$WORK/old/$tar" && tar -xzf "$WORK/jar/$tar.tgz" -C "$WORK/old/$tar" 2>/dev/null
    conf "$WORK/old/$tar/conf" "$WORK/old/$tar/${old#*:}"
    check_fails "$tar ($(layout "$WORK/old/$tar/${old#*:}/current")) is refused" bash -c "HADOOP_CONF_DIR='$WORK/old/$tar/conf' hdfs namenode -upgrade > '$WORK/old/$tar/log' 2>&1"
    check "by its layout" grep -q 'contains an old layout version -[0-9]*. This version upgrades from -51' "$WORK/old/$tar/log"
done
finish
