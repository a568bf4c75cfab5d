#!/usr/bin/env bash
# A datanode of a pipeline hangs (SIGSTOP): the one behind which it is, or the writer, names it after its time, and the writer goes on with the others.
. "$(dirname "$0")/../lib/scenario.sh"
if [[ -n ${PLACE:-} ]]; then # one place, on a cluster of its own
    cluster_start --datanodes 4 -D dfs.client.socket-timeout=1500 || exit 1
    for i in 1 2 3 4; do
        port=$(sed -n 's|.*<name>dfs.datanode.address</name><value>[^<]*:\([0-9]*\)</value>.*|\1|p' "$CLUSTER/datanode$i/conf/hdfs-site.xml")
        nodes+=("$port=$(daemon_pid "datanode$i")")
    done
    env VICTIM="$PLACE" SIGNAL=19 SET=dfs.client.socket-timeout=1500 timeout "$(patience 60)" "$BUILD/tests/live/client_fault" "$URI" "$1" "${nodes[@]}"
    rc=$?
    ((rc == 0)) || grep -E 'WARN|ERROR' "$CLUSTER"/datanode*/log | tail -n 20 | cut -c 1-300
    for i in "${nodes[@]}"; do kill -CONT "${i#*=}" 2>/dev/null; done
    cluster_stop > /dev/null 2>&1
    exit $rc
fi
for place in 0 1 2; do
    for what in stream flushed; do
        PLACE=$place bash "$0" $what > "$WORK/$what.$place" 2>&1 & pids[place]="${pids[place]:-} $!"
    done
done
ended() { # PLACE
    local pid these
    read -r -a these <<< "${pids[$1]}"
    for pid in "${these[@]}"; do wait "$pid" || { tail -n 20 "$WORK"/*."$1"; return 1; }; done
}
took() { sed -n 's/.*: ok, \([0-9]*\) ms$/\1/p' "$1"; }
for place in 0 1 2; do
    check "replica $place hangs under a stream and between flushes" ended $place
    # 1.5 s, and 5 s for each datanode from the one that waits on
    for what in stream flushed; do
        check "replica $place, $what: in $(took "$WORK/$what.$place") ms" eval '(($(took "$WORK/$what.$place") < $(patience $((1500 + 5000 * (3 - place) + 6000)))))'
    done
done
finish
