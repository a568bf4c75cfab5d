#!/usr/bin/env bash
# Daemons are killed (SIGKILL) at random moments under load; nothing that was acknowledged may be lost.
#
#   ROUNDS=6   SEED=n repeats the choice of victims and pauses, and the load's choices
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
ROUNDS=${ROUNDS:-6}
SEED=${SEED:-$(date +%s)}
RANDOM=$((SEED % 32768))
load=$BUILD/tests/live/kill_load
echo "# SEED=$SEED"
# Checkpoints and rolls in the middle of it, too.
cluster_start --datanodes 3 -D dfs.heartbeat.interval=1 -D dfs.namenode.checkpoint.txns=500 -D dfs.namenode.checkpoint.check.period=1 || finish

pause() { sleep "$(printf '0.%03d' $((RANDOM % $1)))"; }

victims() { # of a round: each kind comes in turn, the first six rounds have all
    local one=datanode$((RANDOM % 3 + 1))
    case $(($1 % 6)) in
        1) echo namenode ;;
        2) echo "$one" ;;
        3) echo "namenode $one" ;;
        4) echo datanode1 datanode2 datanode3 ;;
        5) echo namenode ;;
        0) echo namenode datanode1 datanode2 datanode3 ;;
    esac
}

give_up() { # with what is needed to look into it
    echo "# $1; seed $SEED, round $round"
    [[ -n ${KEEP:-} ]] && cp -r "$WORK" "$KEEP" && echo "# all is kept in $KEEP"
}

one_round() {
    local round=$1 killed pid rc name
    read -ra killed <<< "$(victims "$round")"
    "$load" load "/round$round" $((SEED + round)) 4 "$WORK/ledger$round" > "$WORK/load.out" 2> "$WORK/load.err" &
    pid=$!
    sleep 0.2; pause 700
    for name in "${killed[@]}"; do kill -9 "$(daemon_pid "$name")"; done
    for name in "${killed[@]}"; do daemon_kill "$name"; done
    pause 150
    for name in "${killed[@]}"; do daemon_run "$name"; done
    sleep 0.3; pause 500
    kill "$pid"
    ( sleep 90; kill -9 "$pid" ) 2>/dev/null & local watch=$!
    wait "$pid"; rc=$?
    kill "$watch" 2>/dev/null; wait "$watch" 2>/dev/null
    grep -v ' tusk: ' "$WORK/load.err" | sed 's/^/# load: /' | cut -c 1-200
    echo "# round $round: $(cat "$WORK/load.out"); killed: ${killed[*]}"
    ((rc == 0)) || { echo "the load ended with status $rc"; return 1; }
    wait_quick 30 safe_mode_off || { echo "safe mode goes on"; hdfs dfsadmin -safemode get; return 1; }
    timeout 120 "$load" verify "$WORK/ledger$round" || return 1
    # What an earlier round left must have outlived this one, too.
    [[ -f $WORK/ledger$((round - 1)) ]] || return 0
    timeout 120 "$load" verify "$WORK/ledger$((round - 1))" || return 1
    rm "$WORK/ledger$((round - 1))"
    dfs -rm -r -skipTrash "/round$((round - 1))"
}

for ((round = 1; round <= ROUNDS; round++)); do
    before=$failures
    check "round $round: what was acknowledged is there" one_round "$round"
    grep '^# round' "$WORK/check.out"
    ((failures == before)) || { give_up "lost something"; break; }
done
# The checker itself: a ledger that promises something else is not held.
last=$WORK/ledger$((round > ROUNDS ? ROUNDS : round))
false_ledger() { sed "$1" "$last" > "$WORK/false"; ! cmp -s "$last" "$WORK/false" && "$load" verify "$WORK/false" 1; }
check_fails "a ledger that says deleted of what is there" false_ledger '0,/^=/s/^=/-/'
check_fails "a ledger with a file that never was" false_ledger '0,/^-/s/^-/=/'
finish
