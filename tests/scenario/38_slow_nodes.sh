#!/usr/bin/env bash
# A datanode that takes its time: its peers say so, the namenode shows it and gives it nothing more.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 4 -D dfs.heartbeat.interval=1 -D dfs.datanode.outliers.report.interval=2s \
    -D dfs.namenode.slowpeer.collect.interval=1s \
    -D dfs.datanode.min.outlier.detection.nodes=2 -D dfs.datanode.peer.metrics.min.outlier.detection.samples=20 \
    -D dfs.datanode.slowpeer.low.threshold.ms=1 -D dfs.pipeline.slownode=true -D dfs.blocksize=64m || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }

check_equal "nobody is slow at first" "Slow datanodes (0):" "$(hdfs dfsadmin -report -slownodes | grep '^Slow')"
daemon_kill datanode4
daemon_run datanode4 -D dfs.datanode.data.write.bandwidthPerSec=12m
check "one datanode writes slowly" wait_until 20 live_datanodes 4
slow=$(daemon_conf datanode4 dfs.datanode.address)

head -c 24000000 /dev/zero > "$WORK/data"
named() { hdfs dfsadmin -report -slownodes | grep -q "^Name: $slow"; }
write_until_named() { local i; for ((i = 0; i < 40; i++)); do dfs -D dfs.replication=2 -put "$WORK/data" "/f$i" || return 1; named && return 0; done; return 1; }
check "its peers call it slow" write_until_named
check_equal "nobody else is called slow" 1 "$(hdfs dfsadmin -report -slownodes | grep -c '^Name: ')"
beans() { curl -s "http://$(daemon_conf namenode dfs.namenode.http-address)/jmx?qry=Hadoop:service=NameNode,name=NameNodeStatus"; }
told() { beans | grep -q 'SlowPeersReport.*UpperLimitLatency'; }
check "JMX tells by how much" told
marked() { log_says namenode "Slow node: $slow"; }
check "the namenode has marked it" wait_until 10 marked
head -c 1000 /dev/zero > "$WORK/small"
for i in 1 2 3 4 5 6 7 8 9 10; do dfs -D dfs.replication=3 -put "$WORK/small" "/new$i"; done
check_equal "it is given no new replicas" 0 "$(hdfs fsck / -files -blocks -locations | grep -A1 '^/new' | grep -c "$slow")"
dfs -D dfs.replication=4 -put "$WORK/small" /all
check_equal "unless there is nobody else" 1 "$(hdfs fsck /all -files -blocks -locations | grep -c "$slow")"

# Writers who have it in their pipeline are told so in its acknowledgements.
marking() { dfs --loglevel INFO -D dfs.client.mark.slownode.as.badnode.threshold=5 -D dfs.replication=4 -put -f "$WORK/data" /marked >"$WORK/marking" 2>&1; grep -q "slowNode $slow" "$WORK/marking"; }
check "a writer goes on without it" wait_until 10 marking
check "and the file is whole" bash -c "'$BUILD/bin/dfs' -cat /marked | cmp -s - '$WORK/data'"
daemon_kill datanode1
daemon_run datanode1 -D dfs.pipeline.ecn=true -D dfs.pipeline.congestion.ratio=0.000001
check "another one is congested" wait_until 20 live_datanodes 4
congested() { dfs --loglevel INFO -D dfs.client.congestion.backoff.mean.time=20ms -D dfs.client.congestion.backoff.max.time=50ms -D dfs.replication=4 -put -f "$WORK/data" /congested 2>&1 |
    tee "$WORK/pauses" | grep -q 'are congested. Backing off for'; }
check "a writer holds back" wait_until 10 congested
check "and the file is whole" bash -c "'$BUILD/bin/dfs' -cat /congested | cmp -s - '$WORK/data'"
check "the cluster stops in order" cluster_stop
finish
