#!/usr/bin/env bash
# Writers whose datanodes restart, or who vanish themselves: datanodes that announce their restart are waited for and go on with their replica
# (OOB_RESTART), others are done without; the lease of a writer that is gone is recovered (`hdfs debug recoverLease`). Every byte is compared.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 3 || finish

# A writer that vanishes first of all: the end of this script looks after its file.
orphan_left() {
    local pid; mkfifo "$WORK/orphan.in"
    "$BUILD/tests/live/file_driver" "$URI" < "$WORK/orphan.in" > "$WORK/orphan.out" 2>&1 & pid=$!
    exec 7> "$WORK/orphan.in"
    printf '%s\n' "create /orphan 3 4194304" "write /orphan 300001" "hflush /orphan" >&7
    wait_until 10 eval '[[ $(grep -c ^ok "$WORK/orphan.out") -ge 3 ]]' || return 1
    kill -9 $pid; wait $pid 2>/dev/null; exec 7>&-; orphaned=$SECONDS
}
orphan_closed() { ! hdfs fsck /orphan -openforwrite 2>/dev/null | grep -q OPENFORWRITE; }
check "a writer vanishes in the middle of a block" orphan_left

coproc DRIVER { exec "$BUILD/tests/live/file_driver" "$URI" 2> "$WORK/driver.err"; }
driver_pid=$DRIVER_PID
ask() {
    local answer
    echo "$*" >&"${DRIVER[1]}"
    read -r -t "$(patience 40)" answer <&"${DRIVER[0]}" || answer="silence: $(tail -n 3 "$WORK/driver.err")"
    [[ $answer == ok* ]] || { echo "$*: $answer"; return 1; }
    answer=${answer#ok}; echo "${answer# }"
}
conf_port() { sed -n "s|.*<name>$2</name><value>[^<]*:\([0-9]*\)</value>.*|\1|p" "$CLUSTER/datanode$1/conf/hdfs-site.xml"; }
node_at() { local i; for i in 1 2 3; do [[ $(conf_port $i dfs.datanode.address) == "$1" ]] && echo $i; done; }
started=()
start_node() {
    HADOOP_CONF_DIR=$CLUSTER/datanode$1/conf "$BUILD/bin/hdfs" datanode --config "$CLUSTER/datanode$1/conf" >> "$CLUSTER/datanode$1/log" 2>&1 &
    started+=($!); echo $! > "$CLUSTER/datanode$1/pid"
}
end_started() { ((${#started[@]})) && kill "${started[@]}" 2>/dev/null; wait "${started[@]}" 2>/dev/null; }
trap 'end_started; scenario_cleanup' EXIT
gone() { ! kill -0 "$1" 2>/dev/null || [[ $(ps -o stat= -p "$1") == Z* ]]; }
begin() { ask create "$1" "$2" 4194304 && ask write "$1" 300001 && ask hflush "$1"; }
go_on() { ask write "$1" 700000 && ask hflush "$1"; }

# PLACE in the pipeline of PATH, which has COUNT replicas
restart_under() {
    local ports node pid
    read -r -a ports <<< "$(ask pipeline "$1")"
    node=$(node_at "${ports[$2]}"); pid=$(daemon_pid "datanode$node")
    check "$1: datanode $2 of its pipeline is stopped to be back soon" hdfs dfsadmin -shutdownDatanode "127.0.0.1:$(conf_port "$node" dfs.datanode.ipc.address)" upgrade
    check "$1: it ends" wait_until 10 gone "$pid"
    start_node "$node"
    check "$1: the writer goes on" go_on "$1"
    check_equal "$1: through the same datanodes" "${ports[*]}" "$(ask pipeline "$1")"
    check "$1: the replica waited for it" grep -q 'waits for its writer' "$CLUSTER/datanode$node/log"
    check "$1: closes" ask close "$1"
    check "$1: and has its bytes" ask verify "$1" 1000001
    : > "$CLUSTER/datanode$node/log"
    check_equal "$1: no note of the restart is left" "" "$(find "$CLUSTER" -name '*.restart')"
}
for place in 0 1 2; do
    check "a writer flushes" begin "/restart$place" 3
    restart_under "/restart$place" $place
done
check "a writer of one replica flushes" begin /lone 1
restart_under /lone 0

check "a file of a writer that will vanish" begin /left 3
check "what was flushed can be read" ask verify /left 300001
kill -9 "$driver_pid"; wait "$driver_pid" 2>/dev/null
check_fails "no path, no recovery" hdfs debug recoverLease
check_fails "no such file" hdfs debug recoverLease -path /none -retries 3
check "the lease of a writer that vanished is recovered" eval 'hdfs debug recoverLease -path /left -retries 4 > "$WORK/said" 2>&1 || { cat "$WORK/said"; false; }'
check_equal "and that is said" "recoverLease SUCCEEDED on /left" "$(tail -n 1 "$WORK/said")"
check_equal "all of its bytes are there" 300001 "$(dfs -stat %b /left)"
check "and can be appended to" dfs -appendToFile /etc/hosts /left

# Nobody asked for the first writer's file: it is closed soon after the soft limit of 60 s, since the writer's connection is gone.
if ((SECONDS - orphaned < 50)); then check_fails "its file is not closed before the soft limit" orphan_closed; fi
check "it is closed after it" wait_until 80 orphan_closed
check_equal "with its bytes" 300001 "$(dfs -stat %b /orphan)"
finish
