#!/usr/bin/env bash
# Disks of a datanode come, go and fail while it runs: reconfiguration of dfs.datanode.data.dir, failed volumes, choosing by space.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 3 -D dfs.heartbeat.interval=1 -D dfs.namenode.redundancy.interval.seconds=1s \
    -D dfs.datanode.disk.check.min.gap=0 || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }

one=$CLUSTER/datanode1
site=$one/conf/hdfs-site.xml
folders() { # writes dfs.datanode.data.dir of datanode1
    python3 - "$site" "$1" << 'EOF'
import re, sys
path, value = sys.argv[1:]
text = open(path).read()
text, count = re.subn(r'(<name>dfs.datanode.data.dir</name>\s*<value>)[^<]*', lambda m: m.group(1) + value, text)
assert count == 1
open(path, 'w').write(text)
EOF
}
ipc=$(daemon_conf datanode1 dfs.datanode.ipc.address)
reconfig() { hdfs dfsadmin -reconfig datanode "$ipc" "$1"; }
stored_in() { find "$1" -name 'blk_*' ! -name '*.meta' | wc -l; }
holds_some() { [[ $(stored_in "$1") -gt 0 ]]; }
all_in() { [[ $(stored_in "$1") == "$2" ]]; }
whole() { local i; for i in "$@"; do dfs -cat "/d/$i" | cmp - "$WORK/data" || return 1; done; }
all_have() { [[ $(hdfs fsck /d -files -blocks | grep -c "Live_repl=$1$") == $(hdfs fsck /d -files -blocks | grep -c 'blk_') ]]; }
jmx() { curl -s "http://$(daemon_conf namenode dfs.namenode.http-address)/jmx"; }

head -c 700000 /dev/urandom > "$WORK/data"
dfs -mkdir /d
for i in 1 2 3; do dfs -put "$WORK/data" "/d/$i"; done

check "data folders can be changed" bash -c "'$BUILD/bin/hdfs' dfsadmin -reconfig datanode $ipc properties | grep -q dfs.datanode.data.dir"
folders "file://$one/data,file://$one/second"
check "a second disk comes" reconfig start
check "the status says so" bash -c "'$BUILD/bin/hdfs' dfsadmin -reconfig datanode $ipc status | grep -q 'SUCCESS: Changed property dfs.datanode.data.dir'"
for i in 4 5 6 7; do dfs -put "$WORK/data" "/d/$i"; done
check "it gets blocks" wait_until 10 holds_some "$one/second"
check "files are whole" whole 1 2 3 4 5 6 7

folders "file://$one/second,file:///proc/nowhere"
check "one goes, another cannot come" reconfig start
check "the status tells of it" bash -c "'$BUILD/bin/hdfs' dfsadmin -reconfig datanode $ipc status | grep -q 'FAILED TO ADD: /proc/nowhere'"
check "what was on the disk is copied to the other" wait_until 40 all_in "$one/second" 7
check "three replicas of each" wait_until 20 all_have 3
check "files are whole" whole 1 2 3 4 5 6 7
check "the files of the disk that went stay" holds_some "$one/data"
check "and it is free for another" flock -n "$one/data/in_use.lock" true

folders "[SSD]file://$one/second"
reconfig start
check "a disk keeps its medium" bash -c "'$BUILD/bin/hdfs' dfsadmin -reconfig datanode $ipc status | grep -q 'Changing storage type is not allowed'"

folders "file://$one/data,file://$one/second"
reconfig start
check "the old disk comes back with its blocks" wait_until 20 log_says datanode1 'Added new volume: .*datanode1/data$'
for i in 8 9 10 11; do dfs -put "$WORK/data" "/d/$i"; done
check "files are whole" whole 1 2 3 4 5 6 7 8 9 10 11
check "no block is lost or too many" wait_until 20 all_have 3

# Copies that were ordered in between find the block there; the disk's end is told before its return.
folders "file://$one/second"; reconfig start
folders "file://$one/data,file://$one/second"; reconfig start
known() { [[ $(hdfs fsck /d -files -blocks -locations | grep -o "DatanodeInfoWithStorage\[$(daemon_conf datanode1 dfs.datanode.address)" | wc -l) == 11 ]]; }
check "one goes and comes at once: all of it is known again" wait_until 20 known

# ---- a disk fails ----
writer() { for ((n = 0; n < 40; n++)); do dfs -put "$WORK/data" "/d/w$n" || return 1; done; }
writer > "$WORK/writer" 2>&1 &
writing=$!
sleep 0.5
rm -rf "$one/second"
check "a disk dies under a writer, who goes on" wait "$writing"
check "the datanode says so" wait_until 60 log_says datanode1 'volume .*second has failed'
failed() { jmx | grep -q 'second'; }
check "the namenode tells which" wait_until 20 failed
check "the datanode lives" live_datanodes 3
check "what was on it is copied" wait_until 60 all_have 3
check "files are whole" whole 1 5 11 w1 w20 w39
folders "file://$one/data"
check "the dead one is taken out" reconfig start
no_failed() { ! failed; }
check "and is no failure any more" wait_until 20 no_failed

daemon_kill datanode1
printf garbage > "$one/second"
check "one of two cannot be opened: it serves the other" daemon_run datanode1 -D "dfs.datanode.data.dir=file://$one/data,file://$one/second"
check "it is up" wait_until 20 daemon_ready datanode1
check "the namenode tells which failed" wait_until 20 failed
daemon_kill datanode1
refused() { daemon_refused datanode1 -D "dfs.datanode.data.dir=file://$one/data,file://$one/second" -D dfs.datanode.failed.volumes.tolerated=0 > "$WORK/out"; [[ $? != 0 ]] && grep -q second "$WORK/out"; }
check "none is tolerated where that was decided" refused
check "the cluster stops in order" cluster_stop
finish
