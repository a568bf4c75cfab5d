#!/usr/bin/env bash
# The kernel says once that bytes did not reach the disk, and then that all is well: who was told they are safe must not have been told wrong.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
[[ -z ${SAN:-} ]] || { echo "ok 1 - failing syncs # SKIP the sanitizer's library must be loaded first"; echo "1..1"; exit 0; }
export DISK_FAULT=$WORK/fault
LD_PRELOAD=$BUILD/tests/preload/disk_fault.so cluster_start --datanodes 4 -D dfs.heartbeat.interval=1 \
    -D dfs.namenode.redundancy.interval.seconds=1s || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
sync_fails_at() { echo "$1" > "$DISK_FAULT.new"; mv "$DISK_FAULT.new" "$DISK_FAULT"; }
failed() { [[ ! -e $DISK_FAULT ]]; }
coproc DRIVER { exec "$BUILD/tests/live/file_driver" "$URI" 2> "$WORK/driver.err"; }
driver_pid=$DRIVER_PID
say() {
    echo "$*" >&"${DRIVER[1]}"
    read -r -t "$(patience 40)" answer <&"${DRIVER[0]}" || answer="silence: $(tail -n 3 "$WORK/driver.err")"
    echo "$answer"
}
says_ok() { [[ $(say "$@") == ok* ]]; }
folder_at() { local i; for i in 1 2 3 4; do [[ $(daemon_conf "datanode$i" dfs.datanode.address) == *":$1" ]] && echo "$CLUSTER/datanode$i/"; done; }

# ---- a writer's sync ----
say create /three 3 1048576 > /dev/null; says_ok write /three 100000
check "synced" says_ok hsync /three
read -r _ first _ <<< "$(say pipeline /three)"
sync_fails_at "$(folder_at "${first##*:}")"
says_ok write /three 1000
check "a sync that fails at one of three" says_ok hsync /three
check "had its disk fail" failed
check_fails "goes on without it" grep -qw "${first##*:}" <<< "$(say pipeline /three)"
check "the file closes" says_ok close /three
check "and is whole" says_ok verify /three 101000

say create /one 1 1048576 > /dev/null; says_ok write /one 5000; says_ok hsync /one
read -r _ first _ <<< "$(say pipeline /one)"
sync_fails_at "$(folder_at "${first##*:}")"
says_ok write /one 1000
check_fails "a sync that fails at the only one fails" says_ok hsync /one
check_fails "and is not made good by another" says_ok hsync /one
check_fails "nor by the close" says_ok close /one

# ---- a closed file ----
head -c 300000 /dev/urandom > "$WORK/data"
dfs -D dfs.replication=3 -put "$WORK/data" /closed
id=$(hdfs fsck /closed -files -blocks | grep -o 'blk_[0-9]*' | head -n 1)
sync_fails_at "$id"
check "a closed block is synced within seconds" wait_until 10 failed
told() { log_says datanode1 "$id.*reported as bad" || log_says datanode2 "$id.*reported as bad" || log_says datanode3 "$id.*reported as bad" || log_says datanode4 "$id.*reported as bad"; }
check "a replica that could not be written is bad" wait_until 10 told
good_again() { [[ $(hdfs fsck /closed -files -blocks) == *"Live_repl=3"* ]] && ! hdfs fsck /closed | grep -q 'CORRUPT'; }
check "and made again elsewhere" wait_until 20 good_again
check "with the right bytes" bash -c "'$BUILD/bin/dfs' -cat /closed | cmp -s - '$WORK/data'"

# ---- the journal ----
name=$(daemon_conf namenode dfs.namenode.name.dir); name=${name#file://}
daemon_kill namenode
mkdir "$WORK/second"
LD_PRELOAD=$BUILD/tests/preload/disk_fault.so daemon_run namenode -D "dfs.namenode.name.dir=file://$name,file://$WORK/second"
check "a namenode with two folders" wait_until 30 safe_mode_off
check "an edit" dfs -mkdir /before
sync_fails_at "$name/current/edits"
check "one of two name folders fails: edits go on" dfs -mkdir /between
check "with the other one only" failed
check "and are written there" dfs -mkdir /after
check "the namenode says so" log_says namenode "$name.*(sync|fail)"
sync_fails_at "$WORK/second/current/edits"
dfs -D ipc.client.connect.max.retries=1 -D dfs.client.retry.max.attempts=1 -mkdir /unsure > /dev/null 2>&1
ended() { ! daemon_alive "$(daemon_pid namenode)"; }
check "without a folder the namenode ends, rather than promise" wait_until 20 ended
daemon_run namenode -D "dfs.namenode.name.dir=file://$name,file://$WORK/second"
check "it starts again" wait_until 30 safe_mode_off
for dir in /before /between /after /closed /three; do check "$dir is there" dfs -test -e "$dir"; done
kill -9 "$driver_pid"; wait "$driver_pid" 2> /dev/null
check "the cluster stops in order" cluster_stop
finish
