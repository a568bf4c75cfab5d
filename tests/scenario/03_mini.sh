#!/usr/bin/env bash
# `hdfs mini`: same ports again, a daemon killed and started by hand, racks, formatting, and nothing left behind.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 4 --racks 2 -D dfs.blocksize=1m || finish
first=$URI

live() { hdfs dfsadmin -report -live | grep -c '^Name:'; }
live_is() { [[ $(live) == "$1" ]]; }
answers() { hdfs dfs -test -d /; }
registered_twice() { (($(grep -c 'successfully registered' "$CLUSTER/datanode2/log") > 1)); }
ours() { # processes of this cluster
    local count=0 pid
    for pid in "$CLUSTER"/*/pid; do kill -0 "$(<"$pid")" 2>/dev/null && count=$((count + 1)); done
    echo $count
}

check_equal "four datanodes" 4 "$(live)"
check_equal "on two racks" "Rack: /rack1 Rack: /rack2" "$(hdfs dfsadmin -printTopology | grep Rack: | paste -sd ' ')"
check_equal "-D is in the configuration" 1m "$(hdfs getconf -confKey dfs.blocksize)"
check "a file" bash -c "echo hello | dfs -put - /f"
check_fails "a second mini refuses the folder" hdfs mini --dir "$CLUSTER"
check_equal "and does no harm" hello "$(dfs -cat /f)"

kill -9 "$(daemon_pid datanode2)"
check "the death of a datanode is told" wait_until 5 grep -q 'datanode2 (pid .* was ended by signal 9; its log is .*/datanode2/log' "$WORK/mini.err"
check "the others go on" bash -c "echo more | dfs -put - /g"
hdfs --config "$CLUSTER/datanode2/conf" datanode >> "$CLUSTER/datanode2/log" 2>&1 &
echo $! > "$CLUSTER/datanode2/pid"
check "one started by hand takes its place" wait_until 20 registered_twice
kill -9 "$(daemon_pid namenode)"
check "the death of the namenode is told" wait_until 5 grep -q 'the namenode (pid' "$WORK/mini.err"
hdfs --config "$CLUSTER/conf" namenode >> "$CLUSTER/namenode/log" 2>&1 &
echo $! > "$CLUSTER/namenode/pid"
check "a namenode started by hand serves" wait_until 20 answers
check_equal "with what it had" hello "$(dfs -cat /f)"

check "mini ends in order" cluster_stop
wait # for the two started here
check_equal "and takes all daemons along" 0 "$(ours)"

cluster_start || finish
check_equal "the same address again" "$first" "$URI"
check "the same number of datanodes" wait_until 5 live_is 4
check_equal "-D is remembered" 1m "$(hdfs getconf -confKey dfs.blocksize)"
check_equal "the data is there" "hello more" "$(dfs -cat /f /g | paste -sd ' ')"
kill -9 "$MINI_PID"; wait "$MINI_PID" 2>/dev/null
# shellcheck disable=SC2016
check "no daemon outlives a mini that was killed" wait_until 20 bash -c '! kill -0 $(cat "$0"/*/pid) 2>/dev/null' "$CLUSTER"

cluster_start --format --datanodes 1 || finish
check_fails "after --format the old files are gone" dfs -test -e /f
check "a new file" bash -c "echo new | dfs -put - /new"
check_equal "one datanode" 1 "$(live)"
check "mini ends in order again" cluster_stop
cluster_start || finish
check_equal "and no other comes back" 1 "$(live)"

mkfifo "$WORK/fifo"
dfs -put - /interrupted < "$WORK/fifo" 2> "$WORK/interrupted" &
copy=$!
exec 7> "$WORK/fifo"
echo some >&7
check "a copy from a pipe has begun" wait_until 5 dfs -test -e /interrupted._COPYING_
kill "$copy"; wait "$copy"
check_equal "interrupted, it says so by its status" 130 $?
exec 7>&-
check_equal "and leaves nothing" /new "$(dfs -ls -C /)"
seq 1 200000 | dfs -put - /seq
dfs -cat /seq 2> "$WORK/cat" | head -n 1 > /dev/null
check_equal "a reader that goes away is told" "cat: Unable to write to output stream." "$(cat "$WORK/cat")"
check "mini ends" cluster_stop
check_fails "an unknown option" hdfs mini --nosuch 1
check_fails "no datanodes" hdfs mini --dir "$WORK/none" --datanodes 0
finish
