#!/usr/bin/env bash
# How long a writer and a reader stop when a datanode under them is killed: Apache's client over Apache's daemons, and ours over ours, on the
# same machine one after the other. Prints a table: median and spread (smallest to largest) of ROUNDS (default 5), in milliseconds.
#
#   write N    the N-th datanode of a pipeline is killed after a flush; until the next 64 KiB are flushed
#   read       the first datanode of a closed file of 300 kB is killed; until the file is read again
. "$(dirname "$0")/../tests/lib/scenario.sh"
. "$ROOT/tests/interop/peer.sh"
. "$ROOT/tests/interop/mixed.sh"
ROUNDS=${ROUNDS:-5}
peer_ready || exit 1
nodes_make 4
back() { local n; n=$(registrations "$2"); run_node "$1" "$2"; wait_until 60 has_registered "$2" "$n" && wait_until 60 live_are 4; }
now_us() { echo "${EPOCHREALTIME/./}"; }
fail() { echo "$*" >&2; exit 1; }
timed() { local from; from=$(now_us); "$@" > /dev/null || fail "$*"; echo $((($(now_us) - from) / 1000)); }
flush_more() { ask "$1" write "$2" 65536 && ask "$1" hflush "$2"; }

writer_pause() { # KIND PLACE
    local ports victim
    { ask "$1" create /pause 3 134217728 && flush_more "$1" /pause && flush_more "$1" /pause; } > /dev/null || fail "cannot write"
    read -r -a ports <<< "$(ask "$1" pipeline /pause)"
    victim=$(name_at "${ports[$2]}")
    end_node "$victim" KILL
    timed flush_more "$1" /pause
    ask "$1" close /pause > /dev/null || fail "cannot close"
    back "$1" "$victim" || fail "$victim does not come back"
}
reader_pause() { # KIND
    local ports victim
    { ask "$1" create /read 3 134217728 && ask "$1" write /read 300000 && ask "$1" close /read && ask "$1" verify /read 300000; } > /dev/null || fail "cannot write"
    read -r -a ports <<< "$(ask "$1" where /read)"
    victim=$(name_at "${ports[0]}")
    end_node "$victim" KILL
    timed ask "$1" verify /read 300000
    back "$1" "$victim" || fail "$victim does not come back"
}
summary() { sort -n "$1" | awk '{v[NR] = $1} END {printf "%d (%d to %d)", v[int((NR + 1) / 2)], v[1], v[NR]}'; }

measure() { # KIND
    local i place
    run_node "$1" namenode
    for i in 0 1 2 3; do run_node "$1" datanode$i; done
    wait_until 60 live_are 4 || fail "the datanodes do not register"
    wait_until 60 eval '[[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]' || fail "safe mode"
    driver_start "$1"
    writer_pause "$1" 0 > /dev/null; reader_pause "$1" > /dev/null # the first time is start-up
    for ((i = 0; i < ROUNDS; i++)); do
        for place in 0 1 2; do writer_pause "$1" $place >> "$WORK/$1.$place"; done
        reader_pause "$1" >> "$WORK/$1.read"
    done
    driver_end "$1"
    for i in 0 1 2 3; do end_node datanode$i; done
    end_node namenode
}
hdfs namenode --config "$NN_CONF" -format -nonInteractive > /dev/null 2>&1 || exit 1
measure apache; measure ours
echo "| killed under | Apache's, ms | ours, ms |"; echo "| --- | --- | --- |"
for place in 0 1 2; do echo "| write $((place + 1)) | $(summary "$WORK/apache.$place") | $(summary "$WORK/ours.$place") |"; done
echo "| read | $(summary "$WORK/apache.read") | $(summary "$WORK/ours.read") |"
