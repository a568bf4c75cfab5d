#!/usr/bin/env bash
# Bytes rot where nobody reads them, files vanish: the scanners find it, and the cluster makes a good copy.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
cluster_start --datanodes 3 -D dfs.heartbeat.interval=1 -D dfs.namenode.redundancy.interval.seconds=1s -D dfs.replication=2 \
    -D dfs.block.scanner.volume.bytes.per.second=64m -D dfs.datanode.directoryscan.interval=2s || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }

head -c 700000 /dev/urandom > "$WORK/good"
check "a file" dfs -put "$WORK/good" /rotten
id=$(hdfs fsck /rotten -files -blocks | grep -o 'blk_[0-9]*' | head -n 1)
replica=$(find "$CLUSTER" -path "*/datanode*/data/current/*" -name "$id" | head -n 1)
owner=${replica#"$CLUSTER"/}; owner=${owner%%/*}

meta=$(echo "$replica"_*.meta)
check_equal "verifyMeta: a good replica" "Checksum type: DataChecksum(type=CRC32C, chunkSize=512)
Checksum verification succeeded on block file $replica" "$(hdfs debug verifyMeta -meta "$meta" -block "$replica")"
check "computeMeta" hdfs debug computeMeta -block "$replica" -out "$WORK/meta"
check "gives what the datanode wrote" cmp "$meta" "$WORK/meta"
check_fails "and writes over nothing" hdfs debug computeMeta -block "$replica" -out "$WORK/meta"
daemon_kill "$owner"
printf 'rot' | dd of="$replica" bs=1 seek=333333 conv=notrunc 2> /dev/null
check_equal "verifyMeta: a rotten one, and where" "verifyChunkedSums error: org.apache.hadoop.fs.ChecksumException: Checksum error: $replica at 333312" \
    "$(hdfs debug verifyMeta -meta "$meta" -block "$replica" | sed -n 's/ exp: .*//; 2p')"
head -c 6 "$meta" > "$WORK/short"
check_fails "verifyMeta: no header" hdfs debug verifyMeta -meta "$WORK/short"
head -c 100 "$meta" > "$WORK/short"
check_fails "verifyMeta: checksums that are missing" hdfs debug verifyMeta -meta "$WORK/short" -block "$replica"
find "$CLUSTER/$owner/data" -name scanner.cursor -delete # as after three weeks
daemon_run "$owner"
check "the datanode is back" wait_until 20 live_datanodes 3

reported() { log_says "$owner" "$id.*reported as bad"; }
check "the scanner finds the rot and reports it" wait_until 20 reported
rotten() { cmp -s "$replica" "$WORK/good" && return 1; [[ -e $replica ]]; }
gone() { ! rotten; }
check "the bad replica is deleted from the disk" wait_until 40 gone
two_good() { [[ $(find "$CLUSTER" -path "*/datanode*/data/current/*" -name "$id" -exec cmp -s {} "$WORK/good" \; -print | wc -l) == 2 ]]; }
check "two good ones are there" wait_until 40 two_good
healthy() { hdfs fsck /rotten | grep -q 'is HEALTHY'; }
check "fsck says healthy" wait_until 20 healthy
page() { curl -sf "http://$(daemon_conf "$owner" dfs.datanode.http.address)/blockScannerReport"; }
seen() { page | grep -q 'Block scan errors since restart *: *[1-9]'; }
check "the page of the scanner counts it" wait_until 10 seen

replica=$(find "$CLUSTER" -path "*/datanode*/data/current/*" -name "$id" | head -n 1)
owner=${replica#"$CLUSTER"/}; owner=${owner%%/*}
rm "$replica"
missed() { log_says "$owner" "$id.*removed from the map"; }
check "a file that vanished is missed" wait_until 20 missed
check "two good ones are there again" wait_until 40 two_good
check "fsck says healthy" wait_until 20 healthy
finish
