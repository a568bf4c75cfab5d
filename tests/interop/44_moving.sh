#!/usr/bin/env bash
# docs/moving.md as written: an Apache cluster moves here daemon by daemon while a client works, and back.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
MIXED_EXTRA=(dfs.replication=2)
nodes_make 2
name=$NN_CONF/name
APACHE_CONF_DIR=$NN_CONF apache org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive > "$WORK/format.log" 2>&1
run_node apache namenode; run_node apache datanode0; run_node apache datanode1
check "an Apache cluster" wait_until 60 live_are 2
driver_start apache
put() { ask apache create "$1" 2 1048576 && ask apache write "$1" 1500000 && ask apache close "$1"; }
check "a file" put /one
check "saveNamespace" eval 'hdfs dfsadmin -safemode enter && hdfs dfsadmin -saveNamespace'
end_node namenode
cp -a "$name" "$WORK/name.before-the-move"
run_node ours namenode
check "our namenode has both datanodes" wait_until 60 live_are 2
out() { [[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]; }
check "out of safe mode" wait_until 30 out
ask apache closed /one > /dev/null
check "the file is there" ask apache verify /one 1500000
check "fsck is healthy" eval 'hdfs fsck / | grep -q "is HEALTHY"'
move() { # NAME KIND
    local n
    n=$(registrations "$1")
    end_node "$1"
    run_node "$2" "$1"
    wait_until 60 has_registered "$1" "$n"
}
for i in 0 1; do
    check "datanode$i becomes ours" move datanode$i ours
    check "a file more" put "/two$i"
    check "nothing is copied, nothing lacks" wait_until 30 all_replicas
done
check "all is there" eval 'ask apache verify /one 1500000 && ask apache verify /two0 1500000 && ask apache verify /two1 1500000'
for i in 0 1; do check "datanode$i goes back" move datanode$i apache; done
end_node namenode
run_node apache namenode
check "the namenode goes back" wait_until 60 live_are 2
check "out of safe mode" wait_until 60 out
ask apache closed /one > /dev/null
check "all is there" eval 'ask apache verify /one 1500000 && ask apache verify /two0 1500000 && ask apache verify /two1 1500000'
check "fsck is healthy" eval 'apache org.apache.hadoop.hdfs.tools.DFSck / | grep -q "is HEALTHY"'
finish
