#!/usr/bin/env bash
# Blocks find their way back to the number of replicas they shall have; safe mode, checkpoints and rolls on demand and by themselves.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
exclude=$WORK/exclude
: > "$exclude"
cluster_start --datanodes 4 -D dfs.heartbeat.interval=1 -D dfs.namenode.heartbeat.recheck-interval=500 \
    -D dfs.namenode.redundancy.interval.seconds=1s -D dfs.namenode.decommission.interval=1 -D "dfs.hosts.exclude=$exclude" \
    -D dfs.namenode.reconstruction.pending.timeout-sec=5 \
    -D dfs.namenode.checkpoint.txns=40 -D dfs.namenode.checkpoint.check.period=1 || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
export -f hdfs dfs; export BUILD

for i in 1 2 3 4 5 6; do head -c $((i * 300000)) /dev/urandom > "$WORK/f$i"; done
dfs -mkdir /r
check "files of one to two blocks" dfs -D dfs.blocksize=1048576 -put "$WORK"/f? /r
address_of() { daemon_conf "$1" dfs.datanode.address; }
fsck() { hdfs fsck /r -files -blocks -locations; }
replicas() { [[ $(fsck | grep -c "Live_repl=$1 ") == "$(fsck | grep -c 'blk_')" ]]; } # every block has that many
located() { [[ $(fsck | grep -o 'DatanodeInfoWithStorage' | wc -l) == $((blocks * $1)) ]]; }
holds() { fsck | grep -q "$(address_of "$1")"; }
holds_none() { ! holds "$1"; }
stored_on() { find "$CLUSTER/$1/data/current" -name 'blk_*' ! -name '*.meta' | wc -l; }
whole() { for i in 1 2 3 4 5 6; do dfs -cat "/r/f$i" | cmp - "$WORK/f$i" || return 1; done; }
total_is() { local n=0 i; for i in 1 2 3 4; do n=$((n + $(stored_on "datanode$i"))); done; [[ $n == "$1" ]]; }
blocks=$(fsck | grep -c 'blk_')

check "every block has three replicas" wait_until 10 replicas 3
daemon_kill datanode1
check "a datanode dies: it is found dead" wait_until 30 live_datanodes 3
check "its blocks are replicated to the others" wait_until 40 replicas 3
check "none is said to be on it" holds_none datanode1
check "the bytes are right" whole
daemon_run datanode1
check "it comes back" wait_until 20 live_datanodes 4
check "what is too many is deleted from the disks" wait_until 40 total_is $((blocks * 3))
check "three are left of each" wait_until 10 replicas 3

check "setrep 4" dfs -setrep 4 /r
check "a fourth replica of each" wait_until 40 replicas 4
check "setrep 2" dfs -setrep 2 /r
check "two of each are left" wait_until 40 replicas 2
check "and on the disks" wait_until 40 total_is $((blocks * 2))
check "and to the namenode" wait_until 20 located 2 # setrep -w goes by locations, doomed ones too
check "setrep -w waits" timeout 60 "$BUILD/bin/dfs" -setrep -w 3 /r
check "until it is so" replicas 3

address_of datanode2 > "$exclude"
check "an excluded datanode, refreshNodes" hdfs dfsadmin -refreshNodes
state_of() { hdfs dfsadmin -report | awk -v want="Name: $(address_of "$1")" 'index($0, want) == 1 {on = 1} on && /^Decommission Status/ {print $4; exit}'; }
is_state() { [[ $(state_of "$1") == "$2" ]]; }
check "it is decommissioned" wait_until 60 is_state datanode2 Decommissioned
check "the others have three replicas" wait_until 20 replicas 3
check "the bytes are right" whole
: > "$exclude"
check "taken back" hdfs dfsadmin -refreshNodes
check "it is in service" wait_until 20 is_state datanode2 Normal
check "too many are deleted" wait_until 40 total_is $((blocks * 3))

# A file that is being written holds its datanode up.
(head -c 200000 /dev/zero; while [[ ! -e $WORK/enough ]]; do sleep 0.2; done) | dfs -D dfs.replication=1 -put - /open &
writing=$!
open_on() { hdfs fsck /open._COPYING_ -openforwrite -files -blocks -locations | grep -o "DatanodeInfoWithStorage\[[0-9.:]*" | sed 's/.*\[//' | head -n 1; }
has_block() { [[ -n $(open_on) ]]; }
check "a file is being written" wait_until 10 has_block
open_on > "$exclude"
hdfs dfsadmin -refreshNodes
held_up() { hdfs dfsadmin -report -decommissioning | grep -q 'Blocks to replicate elsewhere: 1 (1 in open files)'; }
check "its datanode is not decommissioned meanwhile, and the report says why" wait_until 20 held_up
check "so does JMX" bash -c "curl -s 'http://$(daemon_conf namenode dfs.namenode.http-address)/jmx' | grep -q 'DecomNodes.*underReplicateInOpenFiles[^0-9]*1,'"
touch "$WORK/enough"
check "the file is closed" wait "$writing"
leaving() { hdfs dfsadmin -report -decommissioning | grep -q '^Name'; }
left() { ! leaving; }
check "then the datanode goes" wait_until 60 left
check_equal "the file is there" 200000 "$(dfs -cat /open | wc -c)"
: > "$exclude"
hdfs dfsadmin -refreshNodes
check "all are back" wait_until 20 live_datanodes 4
dfs -rm -skipTrash /open

# A replica gets a wrong byte behind the datanode's back.
# (One datanode must be free of the block: a bad replica is dropped only once there are enough good ones.)
dfs -put "$WORK/f2" /rotten
id=$(hdfs fsck /rotten -files -blocks | grep -o 'blk_[0-9]*' | head -n 1)
copies() { find "$CLUSTER"/datanode?/data -name "$id"; }
printf 'XY' | dd of="$(copies | head -n 1)" bs=1 seek=100000 conv=notrunc 2> /dev/null
good() { [[ -n $(copies) ]] && for file in $(copies); do cmp -s "$file" "$WORK/f2" || return 1; done; [[ $(copies | wc -l) == 3 ]]; }
read_many() { for _ in $(seq 12); do dfs -cat /rotten | cmp - "$WORK/f2" || return 1; done; }
check "readers get right bytes while one replica is damaged" read_many
healed() { dfs -cat /rotten > /dev/null; good; }
check "the damaged one is replaced" wait_until 60 healed
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'

# ---- safe mode, images, rolls ----
check_equal "safemode get" "Safe mode is OFF" "$(hdfs dfsadmin -safemode get)"
check_equal "safemode enter" "Safe mode is ON" "$(hdfs dfsadmin -safemode enter)"
check_equal "safemode get" "Safe mode is ON" "$(hdfs dfsadmin -safemode get)"
check_equal "a write is refused with the reason" \
    "mkdir: Cannot create directory /no. Name node is in safe mode." \
    "$(dfs -mkdir /no 2>&1 | head -n 1)"
check "reading goes on" whole
check_equal "saveNamespace" "Save namespace successful" "$(hdfs dfsadmin -saveNamespace)"
check_equal "safemode leave" "Safe mode is OFF" "$(hdfs dfsadmin -safemode leave)"
check "saveNamespace out of safe mode is refused" bash -c "hdfs dfsadmin -saveNamespace 2>&1 | grep -q 'Safe mode should be turned ON in order to create namespace image.'"
check "rollEdits" bash -c "hdfs dfsadmin -rollEdits | grep -q 'New segment starts at txid'"

current=$CLUSTER/namenode/name/current
newest() { find "$current" -name 'fsimage_*' ! -name '*.*' | sort | tail -n 1; }
before=$(newest)
newer() { [[ $(newest) != "$before" ]]; }
for i in 1 2 3 4; do dfs -mkdir -p /many/"$i"-{1..15}; done
check "a checkpoint comes by itself after that many edits" wait_until 20 newer
check "its checksum is right" bash -c "cd '$current' && md5sum -c --quiet '$(newest).md5'"
dfs -mkdir /after
daemon_kill namenode; daemon_run namenode
check "the namenode starts from it" wait_until 30 cluster_is_up 4
check "the log says so" log_says namenode "Loaded image for txid [1-9]"
check_equal "all is there" "60 /after" "$(dfs -ls /many | grep -c '^d') $(dfs -ls -d /after | awk '{print $8}')"
check "the bytes are right" whole
check "the cluster stops in order" cluster_stop
finish
