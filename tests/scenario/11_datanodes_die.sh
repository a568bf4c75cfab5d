#!/usr/bin/env bash
# Datanodes are killed under a writer and a reader (tests/live/client_fault.c): no acknowledged byte is lost, whichever
# place in the pipeline the victim had. After each test the cluster starts again with all of its datanodes.
. "$(dirname "$0")/../lib/scenario.sh"

ports_and_pids() {
    local i port
    for ((i = 1; i <= ${DATANODES:-4}; i++)); do
        port=$(sed -n 's|.*<name>dfs.datanode.address</name><value>[^<]*:\([0-9]*\)</value>.*|\1|p' "$CLUSTER/datanode$i/conf/hdfs-site.xml")
        echo "$port=$(daemon_pid "datanode$i")"
    done
}

die_during() { # TEST VICTIM TEXT
    cluster_start --datanodes "${DATANODES:-4}" || finish
    local nodes
    mapfile -t nodes < <(ports_and_pids)
    ${CHECK:-check} "$3" env VICTIM="$2" timeout 100 "$BUILD/tests/live/client_fault" "$URI" "$1" "${nodes[@]}"
    cluster_stop > /dev/null 2>&1
}

for place in 0 1 2; do
    die_during stream $place "replica $place dies in the middle of a stream"
    die_during flushed $place "replica $place dies between flushes; a fourth datanode takes its place"
    die_during close $place "replica $place dies before close"
done
die_during idle 1 "a datanode dies while nobody writes"
die_during setup 0 "new blocks avoid a datanode that the namenode still counts on"
SET=dfs.client.hedged.read.threadpool.size=8 die_during hedge 0 "a datanode hangs under positional reads, which are hedged"
die_during read 0 "a datanode dies under a reader"

# Three datanodes, and one dies after a flush: by default the writer fails, as Hadoop's does; best effort or a minimum let it go on with two.
policy=dfs.client.block.write.replace-datanode-on-failure
CHECK=check_fails DATANODES=3 die_during lone 1 "of three datanodes one dies: a flushed writer does not go on with fewer"
cp "$WORK/check.out" "$WORK/why"
check "and is told why" grep -q 'Failed to replace a bad datanode on the existing pipeline due to no more good datanodes being available to try' "$WORK/why"
SET=$policy.best-effort=true DATANODES=3 die_during lone 0 "unless by best effort"
SET=$policy.min-replication=2 DATANODES=3 die_during lone 2 "or with a minimum of two"
CHECK=check_fails SET=$policy.min-replication=3 DATANODES=3 die_during lone 1 "but not of three"
SET=$policy.policy=NEVER DATANODES=3 die_during lone 1 "or with no replacement wanted"
finish
