#!/usr/bin/env bash
# One cluster's directories under Apache's daemons and ours in turn: a load writes, appends, renames and deletes in each phase, at whose end daemons are
# killed; every acknowledged byte is checked in the next two phases, and at the end. ROUNDS=1 (there and back), SECONDS_EACH=6, SEED=n; make
# back-and-forth-soak runs 10.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
ROUNDS=${ROUNDS:-1}; SECONDS_EACH=${SECONDS_EACH:-6}; SEED=${SEED:-$(date +%s)}
RANDOM=$((SEED % 32768))
load=$BUILD/tests/live/kill_load
echo "# SEED=$SEED ROUNDS=$ROUNDS"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
MIXED_EXTRA=(dfs.replication=2 dfs.namenode.reconstruction.pending.timeout-sec=5 dfs.namenode.checkpoint.txns=700 dfs.namenode.checkpoint.check.period=2
    dfs.namenode.replication.considerLoad=false)
nodes_make 3
size=0

out_of_safe_mode() { [[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]; }
start_all() { # KIND
    local i
    run_node "$1" namenode
    for i in 0 1 2; do run_node "$1" datanode$i; done
    wait_until 90 live_are 3 && wait_until 60 out_of_safe_mode
}
stop_all() { # SIGNAL...: of namenode and the datanodes
    local i
    for i in namenode datanode0 datanode1 datanode2; do kill "-$1" "${NODE_PID[$i]}"; shift; done
    for i in namenode datanode0 datanode1 datanode2; do end_node $i CONT; done
}
# Each driver appends to a file of known bytes, and reads what both have written.
both_append() {
    local who
    for who in ours apache; do
        if ((size == 0)); then ask $who create /anchor 2 1048576; else ask $who append /anchor; fi || return 1
        ask $who write /anchor 300007 && ask $who hflush /anchor && ask $who close /anchor || return 1
        size=$((size + 300007))
        ask ours verify /anchor $size && ask apache verify /anchor $size || return 1
    done
}
ledgers() { # FROM TO
    local i
    for ((i = $1 < 1 ? 1 : $1; i <= $2; i++)); do "$load" verify "$WORK/ledger.$i" 60 || { echo "ledger $i"; return 1; }; done
}
promises() { cat "$WORK"/ledger.* 2> /dev/null | wc -l; }

phase() { # NUMBER KIND
    local pid signals
    check "phase $1: $2's daemons start on the directories" start_all "$2"
    driver_start ours; driver_start apache
    if ((size)); then check "phase $1: Apache's client and ours read /anchor" eval "ask ours verify /anchor $size && ask apache verify /anchor $size"; fi
    check "phase $1: all that was acknowledged in the last two is there" ledgers $(($1 - 2)) $(($1 - 1))
    echo "# checked at $SECONDS s"
    check "phase $1: both clients append" both_append
    "$load" load "/phase$1" $((SEED + $1)) 3 "$WORK/ledger.$1" > "$WORK/load.log" 2>&1 & pid=$!
    APACHE_PIDS+=("$pid")
    sleep "$SECONDS_EACH"
    case $((RANDOM % 3)) in
        0) signals="KILL KILL KILL KILL" ;;
        1) signals="KILL TERM TERM KILL" ;;
        2) signals="TERM KILL TERM TERM" ;;
    esac
    if (($1 % 2)); then signals="KILL KILL KILL KILL"; fi
    driver_end ours; driver_end apache
    kill $pid
    # shellcheck disable=SC2086
    stop_all $signals
    wait $pid
    echo "# load ended at $SECONDS s"
    check "phase $1: the load did something before the end ($signals)" eval 'tail -n 3 "$WORK/load.log"; [[ $(wc -l < "$WORK/ledger.'"$1"'") -gt 20 ]]'
    echo "# phase $1 ($2): $(wc -l < "$WORK/ledger.$1") files of this phase, $(promises) in all, $SECONDS s"
}

check "our namenode formats" hdfs namenode --config "$NN_CONF" -format -nonInteractive
number=0
for ((round = 0; round < ROUNDS && failures == 0; round++)); do
    number=$((number + 1)); phase $number ours
    number=$((number + 1)); phase $number apache
done
check "the last time ours" start_all ours
check "all is there ($(promises) files)" ledgers 1 $number
driver_start ours
check "/anchor too" ask ours verify /anchor $size
check "fsck is healthy" wait_until 60 eval 'hdfs fsck / | grep -q "is HEALTHY"'
((failures == 0)) || for log in "$WORK"/mixed/*/log; do echo "# $log"; grep -E 'ERROR|FATAL|Exception' "$log" | tail -n 8 | cut -c 1-300 | sed 's/^/#   /'; done
((failures)) && [[ -n ${KEEP:-} ]] && { rm -rf "$KEEP"; cp -r "$WORK" "$KEEP"; }
finish
