#!/usr/bin/env bash
# Apache's Balancer on our cluster: what lies on one datanode is spread over both; replicas stay as many and as right as they were. Its Mover finds nothing to do.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
mb=$((1024 * 1024))
total=$(df --output=size -B 1 "$WORK" | tail -n 1) # a datanode of 200 MB, so that a little data is a lot
cluster_start --datanodes 2 -D dfs.replication=1 -D dfs.blocksize=$mb -D dfs.datanode.du.reserved=$((total - 200 * mb)) -D dfs.heartbeat.interval=1 \
    -D dfs.namenode.heartbeat.recheck-interval=500 -D dfs.namenode.redundancy.interval.seconds=1 || finish
PEER_OPTS=-Dtool.limit.ms=150000 tools_start

daemon_kill datanode2
check "one datanode is dead" wait_until 60 live_datanodes 1
head -c $((60 * mb)) /dev/urandom > "$WORK/bytes"
check "a file on the other" dfs -put "$WORK/bytes" /bytes
daemon_run datanode2
check "it comes back, empty" wait_until 30 live_datanodes 2

# MB that a datanode holds
used() { du -sm "$CLUSTER/$1"/data* | awk '{sum += $1} END {print sum}'; }
used_is() { test "$(used "$1")" "$2" "$3"; }
balance() { tool Balancer -Ddfs.balancer.getBlocks.min-block-size=1 -Ddfs.balancer.max-no-move-interval=3000 "$@"; }
whole() { dfs -cat /bytes | cmp - "$WORK/bytes" && hdfs fsck / | grep -q "is HEALTHY"; }
one_each() { hdfs fsck / | grep -E 'Total blocks|verage block replication|Over-replicated' > "$WORK/blocks"; grep -qE 'Average block replication:[[:space:]]*1.0' "$WORK/blocks"; }

check "an unbalanced cluster" test "$(used datanode1)" -gt 55 -a "$(used datanode2)" -lt 5
check "the bandwidth is set" tool DFSAdmin -setBalancerBandwidth $((100 * mb))
dfs -mkdir -p /system
mkfifo "$WORK/hold"; dfs -put -d - /system/balancer.id < "$WORK/hold" & holder=$!
exec 7> "$WORK/hold"
check "another Balancer seems to run" wait_until 10 bash -c "dfs -ls /system | grep -q balancer.id"
check_fails "so this one does not" balance -threshold 5
check "and says why" grep -q "Another Balancer is running" "$WORK/tools/out" "$WORK/tools/err"
exec 7>&-; wait $holder; dfs -rm -f -skipTrash /system/balancer.id > /dev/null
check "an excluded datanode gives nothing" balance -threshold 5 -exclude "$(daemon_conf datanode1 dfs.datanode.address)"
check "nothing has moved" used_is datanode2 -lt 5
check "Apache's Balancer balances" balance -threshold 5
check "by its own words" grep -q "The cluster is balanced" "$WORK/tools/out"
check_fails "its mark is gone" dfs -test -e /system/balancer.id
check "the second has its share" used_is datanode2 -gt 15
check "the first gave that" wait_until 30 used_is datanode1 -lt 45
check "one replica of each block" wait_until 20 one_each
check "the bytes are right" whole
check "a second time there is nothing to do" balance -threshold 5 -policy blockpool

# The second datanode's disk becomes an archive, where the file is to be.
daemon_kill datanode2 TERM
sed -i -E '/<name>dfs.datanode.data.dir</ { s#<value>#<value>[ARCHIVE]#; t; n; s#<value>#<value>[ARCHIVE]# }' "$CLUSTER/datanode2/conf/hdfs-site.xml"
daemon_run datanode2
check "an archive" wait_until 30 bash -c "hdfs fsck /bytes -files -blocks -locations | grep -q 'ARCHIVE'"
check "storagepolicies -setStoragePolicy" tool StoragePolicyAdmin -setStoragePolicy -path /bytes -policy COLD
check "Apache's Mover moves" tool Mover -p /bytes
check "the first is empty" wait_until 30 used_is datanode1 -lt 5
check "the bytes are right" whole
check "a second time there is nothing to do" tool Mover -p /bytes
finish
