#!/usr/bin/env bash
# An unmodified Apache DataNode serves our namenode, in one pipeline with ours; it starts on a data directory that ours wrote, and ours starts on it again.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 2 -D dfs.replication=3 -D dfs.heartbeat.interval=1 -D dfs.namenode.heartbeat.recheck-interval=500 || finish

live() { hdfs dfsadmin -report -live | grep -c '^Name:'; }
live_is() { [[ $(live) == "$1" ]]; }
replicas_are() { hdfs fsck "$1" -files -blocks | grep -q "Live_repl=$2"; }
# apache_datanode DIR DATA: an Apache DataNode on free ports with this data directory
apache_datanode() {
    local ports
    read -r -a ports <<< "$(free_ports 4)"
    apache_conf "$1" "${URI##*:}" "${ports[3]}" "${ports[0]}" "${ports[1]}" "${ports[2]}" "$2"
    apache_daemon "$1" org.apache.hadoop.hdfs.server.datanode.DataNode
}

head -c 3000001 /dev/urandom > "$WORK/three"
check "a file on our two datanodes" dfs -put "$WORK/three" /before
apache_datanode "$WORK/adn" "$WORK/adn/data"
check "the Apache DataNode registers" wait_until 60 live_is 3
check "a file through a pipeline of all three" dfs -put "$WORK/three" /mixed
check "it has three replicas" wait_until 20 replicas_are /mixed 3
check "the older file gets its third replica from ours" wait_until 30 replicas_are /before 3
check "append through the mixed pipeline" dfs -appendToFile "$WORK/three" /mixed
cat "$WORK/three" "$WORK/three" > "$WORK/six"
for ((i = 0; i < 3; i++)); do check "read $((i + 1)) is right" bash -c "dfs -cat /mixed | cmp - '$WORK/six'"; done

# Our first datanode's disk goes to an Apache DataNode, and comes back.
kill "$(daemon_pid datanode1)"; sleep 1
apache_datanode "$WORK/adn1" "$CLUSTER/datanode1/data"
check "an Apache DataNode starts on our disk" wait_until 60 live_is 3
check "with the second datanode gone the bytes come from Apache's DataNodes" bash -c "kill $(daemon_pid datanode2); sleep 4; dfs -cat /before | cmp - '$WORK/three' && dfs -cat /mixed | cmp - '$WORK/six'"
apache_cluster_stop
hdfs datanode --config "$CLUSTER/datanode1/conf" > "$WORK/dn1.log" 2>&1 & back=$!
check "our datanode starts again on its disk" wait_until 30 bash -c "dfs -cat /before | cmp -s - '$WORK/three'"
check "all bytes are there" bash -c "dfs -cat /mixed | cmp - '$WORK/six'"
kill $back; wait $back
finish
