#!/usr/bin/env bash
# Racks: where replicas go, a rack that is lost, blocks that are on too few racks, and another policy after a restart.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 6 --racks 3 -D dfs.heartbeat.interval=1 -D dfs.namenode.heartbeat.recheck-interval=500 \
    -D dfs.namenode.redundancy.interval.seconds=1s -D dfs.namenode.reconstruction.pending.timeout-sec=5 || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
racks_are() { [[ $(hdfs dfsadmin -printTopology | grep -c '^Rack: /rack[1-3]') == "$1" ]]; }
check "six datanodes on three racks" wait_until 30 racks_are 3
rack_of() { hdfs dfsadmin -printTopology | awk -v want="$(daemon_conf "$1" dfs.datanode.address)" '/^Rack:/ {rack = $2} index($1, want) == 1 {print rack}'; }
lost=()
for i in 1 2 3 4 5 6; do [[ $(rack_of "datanode$i") == /rack2 ]] && lost+=("datanode$i"); done
check_equal "two of them on rack 2" 2 "${#lost[@]}"

head -c 20000 /dev/urandom > "$WORK/data"
dfs -mkdir /r
for i in 1 2 3 4 5 6 7 8; do dfs -put "$WORK/data" "/r/$i"; done
blocks() { hdfs fsck /r -files -blocks -racks | grep -E '^[0-9]+\. .*blk_'; }
# Each block on how many racks, as a sorted list without doubles.
spread() { blocks | while read -r line; do grep -o '/rack[0-9]' <<< "$line" | sort -u | wc -l; done | sort -u | tr '\n' ' '; }
replicas() { [[ $(blocks | grep -c "Live_repl=$1 ") == 8 ]]; }
spread_is() { [[ $(spread) == "$1" ]]; }
whole() { local i; for i in 1 2 3 4 5 6 7 8; do dfs -cat "/r/$i" | cmp - "$WORK/data" || return 1; done; }
check "every block has three replicas" wait_until 20 replicas 3
check_equal "on two racks each" "2 " "$(spread)"

for node in "${lost[@]}"; do daemon_kill "$node"; done
check "a rack is lost: nothing is unreadable" whole
check "its replicas are made anew" wait_until 60 replicas 3
check "on both racks that are left" wait_until 20 spread_is "2 "
check "whole" whole
for node in "${lost[@]}"; do daemon_run "$node"; done
check "the rack comes back" wait_until 30 racks_are 3
check "what is too many goes" wait_until 60 replicas 3
check_equal "and never a rack with it" "2 " "$(spread)"

# ---- one rack, then two: what was well placed is so no longer ----
daemon_kill namenode
daemon_run namenode -D dfs.block.replicator.classname=org.apache.hadoop.hdfs.server.blockmanagement.BlockPlacementPolicyRackFaultTolerant
check "a namenode that wants each replica on a rack of its own" wait_until 30 cluster_is_up 6
check "mends what is on two racks" wait_until 90 spread_is "3 "
check "three replicas of each are left" wait_until 60 replicas 3
check_equal "on three racks" "3 " "$(spread)"
check "whole" whole
fsck_ok() { hdfs fsck / | grep -q "Mis-replicated blocks:.*0 (0.0"; }
check "fsck knows of no misplaced block" wait_until 10 fsck_ok
daemon_kill namenode
refused() { daemon_refused namenode -D dfs.block.replicator.classname=com.example.Mine | grep -q 'dfs.block.replicator.classname is com.example.Mine'; }
check "a policy that nobody knows stops the start" refused

check "the cluster stops in order" cluster_stop
finish
