#!/usr/bin/env bash
# A namespace is upgraded, rolled back, upgraded again and finalized, and so with a rolling upgrade, with a datanode of each kind in the cluster, whose folders the other kind takes over in
# between; datanodes of Hadoop 2.5 and 2.6 come with their namespace; blocks that a kill left between two folders.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
check "Apache Hadoop is at hand" peer_ready
mkdir "$WORK/jar"
for tar in hadoop-252-dfs-dir.tgz testUpgradeFrom26PreservesStorageIDs.tgz; do check "$tar is at hand" hadoop_test_file "$tar" "$WORK/jar"; done
((failures == 0)) || finish
MIXED_EXTRA=(dfs.replication=2 dfs.blockreport.initialDelay=0)
nodes_make 2
head -c 2500000 /dev/urandom > "$WORK/file"; head -c 700001 /dev/urandom > "$WORK/tail"
cat "$WORK/file" "$WORK/tail" > "$WORK/longer"

safe_mode_off() { [[ $(hdfs dfsadmin -safemode get 2> /dev/null) == "Safe mode is OFF" ]]; }
start() { # NAMENODE DATANODE0 DATANODE1 OPTION OF-DATANODES
    run_node "$1" namenode ${4:+"$4"}
    run_node "$2" datanode0 ${5:+"$5"}
    run_node "$3" datanode1 ${5:+"$5"}
    wait_until 60 live_are 2 && wait_until 60 safe_mode_off
}
stop() { local i; for i in datanode0 datanode1 namenode; do end_node $i; done; }
rollback() { # KIND: of the namenode's folder
    if [[ $1 == ours ]]; then echo Y | hdfs namenode --config "$NN_CONF" -rollback
    else echo Y | APACHE_CONF_DIR=$NN_CONF peer_java_here org.apache.hadoop.hdfs.server.namenode.NameNode -rollback; fi > "$WORK/rollback" 2>&1 ||
        { tail -n 5 "$WORK/rollback"; return 1; }
}
peer_java_here() { (PEER_TIER=1 peer_java "$@"); }
content() { dfs -cat "$1" | cmp - "$2"; }
pools() { ls -d "$WORK"/mixed/datanode?/data/current/BP-*/"$1" 2> /dev/null | wc -l; }
pools_are() { [[ $(pools "$1") == "$2" ]]; }
ctimes() { cat "$WORK"/mixed/datanode?/data/current/BP-*/current/VERSION "$NN_CONF/name/current/VERSION" | grep '^cTime' | sort | uniq -c | awk '{print $1}' | xargs; }

check "our namenode is formatted" hdfs namenode --config "$NN_CONF" -format -nonInteractive
check "a cluster" start ours ours apache
check "gets files" eval 'dfs -put "$WORK/file" /kept && dfs -put "$WORK/file" /grown && dfs -put "$WORK/file" /deleted'
first=ours second=apache
for namenode in ours apache; do
    stop
    check "$namenode's namenode -upgrade: both datanodes follow" start $namenode $first $second -upgrade
    check_equal "all have the same creation time" 3 "$(ctimes)"
    check_equal "both keep what there was" 2 "$(pools previous)"
    check "files are there" eval 'content /kept "$WORK/file" && content /grown "$WORK/file"'
    check "one grows, one goes, one comes" eval 'dfs -appendToFile "$WORK/tail" /grown && dfs -rm -skipTrash /deleted && dfs -put "$WORK/tail" /new && content /grown "$WORK/longer"'
    stop
    check "$namenode's namenode rolls back" rollback $namenode
    check "the datanodes do so each under the other kind" start $namenode $second $first "" -rollback
    check_equal "no upgrade is left" 0 "$(pools previous)"
    check "all is as it was" eval 'content /kept "$WORK/file" && content /grown "$WORK/file" && content /deleted "$WORK/file"'
    check_fails "and only that" dfs -test -e /new
    check "fsck is healthy" eval 'hdfs fsck / | grep -q "is HEALTHY"'
    [[ $first == ours ]] && first=apache second=ours
done
stop
check "a third upgrade" start ours $first $second -upgrade
check "is finalized" hdfs dfsadmin -finalizeUpgrade
for i in 0 1; do hdfs dfsadmin -triggerBlockReport "127.0.0.1:$(node_port datanode$i dfs.datanode.ipc.address)" > /dev/null; done
check "and both datanodes drop what there was" wait_until 30 pools_are previous 0
check "files are there" eval 'content /kept "$WORK/file" && content /deleted "$WORK/file"'
stop

# ---- a rolling upgrade of Apache's namenode: back, and then finalized under ours ----
trashed() { [[ $(find "$WORK"/mixed/datanode?/data/current/BP-*/trash -name 'blk_*' ! -name '*.meta' 2> /dev/null | wc -l) == "$1" ]]; }
prepare() {
    hdfs dfsadmin -safemode enter && hdfs dfsadmin -rollingUpgrade prepare && hdfs dfsadmin -safemode leave || return 1
    wait_until 20 pools_are RollingUpgradeInProgress 2
}
check "Apache's namenode again" start apache $first $second
blocks=$(hdfs fsck /kept -files -blocks | grep -c 'Live_repl=2')
check "a rolling upgrade: both datanodes mark it" prepare
((failures == 0)) || finish
check "a file is deleted" dfs -rm -skipTrash /kept
check "its replicas go to the trash of both" wait_until 30 trashed $((blocks * 2))
stop
run_node apache namenode -rollingUpgrade rollback; run_node $second datanode0 -rollback; run_node $first datanode1 -rollback
check "rolled back, the datanodes each under the other kind" eval 'wait_until 60 live_are 2 && wait_until 60 safe_mode_off'
check "the file is back" content /kept "$WORK/file"
check "with all its replicas" wait_until 30 eval 'hdfs fsck /kept | grep -q "is HEALTHY" && ! hdfs fsck /kept -files -blocks | grep -q "Live_repl=1"'
check "the trash is empty" trashed 0
check "another rolling upgrade" prepare
check "a file is deleted for good" eval 'dfs -put "$WORK/file" /once && dfs -rm -skipTrash /once'
check "its replicas go to the trash of both" wait_until 30 trashed $((blocks * 2))
end_node namenode
run_node ours namenode
check "our namenode takes over" eval 'wait_until 60 safe_mode_off'
check "and finalizes" hdfs dfsadmin -rollingUpgrade finalize
check "both empty the trash" wait_until 30 trashed 0
check "and forget the upgrade" wait_until 30 pools_are RollingUpgradeInProgress 0
check "the kept file is whole" content /kept "$WORK/file"
end_node namenode
run_node ours namenode -upgrade
ours=0; [[ ${NODE_KIND[datanode0]} == ours ]] || ours=1
has_ended() { ! kill -0 "${NODE_PID[$1]}" 2> /dev/null; }
check "a datanode of ours that runs during an upgrade ends" wait_until 30 has_ended datanode$ours
check "and says why" grep -q 'was upgraded or rolled back (CTime .*start the datanode again' "$WORK/mixed/datanode$ours/log"
stop
refused_start() { run_node ours datanode0 -rollback; wait "${NODE_PID[datanode0]}"; }
sed -i 's/^cTime=.*/cTime=99999999999999/' "$WORK"/mixed/datanode0/data/current/BP-*/current/VERSION
sum() { (cd "$WORK/mixed/datanode0/data" && find . -type f ! -name in_use.lock -exec sha256sum {} + | sort -k 2); }
sum > "$WORK/before"
run_node ours namenode
check_fails "a datanode from the future is refused" refused_start
check "in Apache's words" grep -q 'Datanode state: LV = -57 CTime = 99999999999999 .*is newer than the namespace state' "$WORK/mixed/datanode0/log"
check "nothing changed" eval 'sum | diff "$WORK/before" -'
end_node namenode

# ---- whole clusters of older Hadoops ----
old() { # TAR NAME_DIR DATA_DIR KIND
    stop; rm -rf "$WORK"/mixed/*/name "$WORK"/mixed/*/data "$WORK/old"; mkdir "$WORK/old"
    tar -xzf "$WORK/jar/$1" -C "$WORK/old" 2> /dev/null
    chmod -R u+rwX "$WORK/old"
    mv "$WORK/old/$2" "$NN_CONF/name"; mv "$WORK/old/$3" "$WORK/mixed/datanode0/data"
    rm -f "$NN_CONF/name/in_use.lock" "$WORK/mixed/datanode0/data/in_use.lock"
    run_node ours namenode -upgrade; run_node "$4" datanode0
    wait_until 60 live_are 1 && wait_until 60 safe_mode_off
}
sums() { dfs -ls -R / | awk '$1 ~ /^-/ {print $NF}' | sort | while read -r path; do echo "$path $(dfs -cat "$path" | sha256sum)"; done; }
for of in "2.5 hadoop-252-dfs-dir.tgz dfs/name1 dfs/data" "2.6 testUpgradeFrom26PreservesStorageIDs.tgz testUpgradeFrom26PreservesStorageIDs/dfs/name testUpgradeFrom26PreservesStorageIDs/dfs/data"; do
    read -r version tar name data <<< "$of"
    for kind in apache ours; do
        check "Hadoop $version's cluster starts, its datanode under $kind" old "$tar" "$name" "$data" $kind
        check "its files are healthy" eval 'hdfs fsck / | grep -q "is HEALTHY"'
        sums > "$WORK/sums.$kind"
        check_equal "what there was is kept" 1 "$(pools previous)"
    done
    check "the files are the same" eval 'test -s "$WORK/sums.ours" && cmp "$WORK/sums.apache" "$WORK/sums.ours"'
    end_node datanode0
    check "Apache's datanode goes on with ours" eval 'run_node apache datanode0; wait_until 60 has_registered datanode0 1 && wait_until 30 eval "sums 2> /dev/null | cmp - \"$WORK/sums.ours\""'
done
stop

# ---- between rbw and finalized ----
rm -rf "$WORK"/mixed/*/name "$WORK"/mixed/*/data
check "a fresh namenode" hdfs namenode --config "$NN_CONF" -format -nonInteractive
check "a cluster" start ours ours ours
check "gets files" eval 'for i in 1 2; do dfs -D dfs.replication=1 -put "$WORK/tail" /f$i || exit 1; done'
block_of() { hdfs fsck "$1" -files -blocks | grep -o 'blk_[0-9]*' | head -n 1; }
blocks=("$(block_of /f1)" "$(block_of /f2)")
stop
place() { find "$WORK"/mixed/datanode?/data -name "$1"; }
data=$(place "${blocks[0]}"); ln "$data" "${data%/finalized/*}/rbw/"
check "data in both, checksums in finalized: Apache's datanodes serve the block" start ours apache apache
check "the file is whole" content /f1 "$WORK/tail"
check "the other too" content /f2 "$WORK/tail"
stop
data=$(place "${blocks[1]}"); rbw=${data%/finalized/*}/rbw/
ln "$data" "$rbw"; mv "$data"_*.meta "$rbw"
run_node ours namenode; run_node apache datanode0; run_node apache datanode1
one_place() { [[ $(place "${blocks[1]}") == "$rbw${blocks[1]}" ]]; }
check "data in both, checksums in rbw: Apache's datanode keeps that one" wait_until 60 one_place
check "with its checksums" eval 'ls "$rbw${blocks[1]}"_*.meta'
stop
finish
