#!/usr/bin/env bash
# Readers whose blocks move to other datanodes, are rewritten, or are deleted while they read.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 3 -D dfs.heartbeat.interval=1 -D dfs.namenode.redundancy.interval.seconds=1s -D dfs.replication=1 -D dfs.blocksize=1m \
    -D dfs.client.retry.window.base=100ms || finish
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
head -c 12000000 /dev/urandom > "$WORK/data"

# A reader that has fetched its first bytes, and the locations of the first ten blocks, waits for `go`.
reader_start() {
    rm -f "$WORK/go" "$WORK/begun"
    (dfs -cat "$1" 2> "$WORK/read.err" | { head -c 1000; touch "$WORK/begun"; until [[ -e $WORK/go ]]; do sleep 0.05; done; cat; } > "$WORK/read"; exit "${PIPESTATUS[0]}") & reader=$!
    wait_until 10 test -e "$WORK/begun"
}
reader_end() { touch "$WORK/go"; wait "$reader"; }

dfs -put "$WORK/data" /moved
reader_start /moved
dfs -setrep -w 3 /moved > /dev/null
holders() { hdfs fsck /moved -files -blocks -locations | grep -o '127.0.0.1:[0-9]*' | sort | uniq -c; }
check "the reader's blocks are copied elsewhere" test "$(holders | wc -l)" -eq 3
for node in 1 2; do daemon_kill "datanode$node"; done
check "its datanodes go: it finds the others" reader_end
check "and has read what was written" cmp "$WORK/read" "$WORK/data"
for node in 1 2; do daemon_run "datanode$node"; done
check "the datanodes are back" wait_until 20 live_datanodes 3

dfs -put "$WORK/data" /deleted
reader_start /deleted
dfs -rm -skipTrash /deleted > /dev/null
sleep 3
check_fails "a file that was deleted: the reader fails" reader_end
check "and says why" grep -q 'File does not exist: /deleted' "$WORK/read.err"
check "what it read before was right" cmp "$WORK/read" <(head -c "$(stat -c %s "$WORK/read")" "$WORK/data")

dfs -put "$WORK/data" /replaced
reader_start /replaced
head -c 12000000 /dev/zero > "$WORK/other"
dfs -put -f "$WORK/other" /replaced
sleep 3
check_fails "a file that was replaced: the reader fails" reader_end
check "all that it got is the old one's" cmp "$WORK/read" <(head -c "$(stat -c %s "$WORK/read")" "$WORK/data")
check "and it is told" grep -q 'Blocklist for /replaced has changed!' "$WORK/read.err"

dfs -put "$WORK/data" /renamed
reader_start /renamed
dfs -mv /renamed /elsewhere
check_fails "a file that was renamed is lost to its readers beyond the blocks that they know" reader_end
check "and they are told" grep -q 'File does not exist: /renamed' "$WORK/read.err"
check "what was read before was right" cmp "$WORK/read" <(head -c 10485760 "$WORK/data")

dfs -put "$WORK/data" /grown
reader_start /grown
dfs -appendToFile "$WORK/other" /grown
check "a file that has grown by blocks is read to its old end" reader_end
check "whole" cmp "$WORK/read" "$WORK/data"
check "the cluster stops in order" cluster_stop
finish
