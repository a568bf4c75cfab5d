#!/usr/bin/env bash
# Apache's NNThroughputBenchmark on our namenode: every operation that it has for a namenode of another process. OPS=n for more than a look.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 1 -D dfs.namenode.fs-limits.min-block-size=16 -D dfs.namenode.replication.min=1 || finish
PEER_OPTS=-Dtool.limit.ms=$((30000 + ${OPS:-100} * 10)) tools_start

ops=${OPS:-100}; rate=
# bench OPERATION ARGS...: all of its operations are done, none has failed
bench() {
    tool NNThroughputBenchmark -fs "$URI" -op "$@" > "$WORK/bench.out" 2>&1 || { cat "$WORK/bench.out"; return 1; }
    grep -E ' ERROR |Exception' "$WORK/bench.out" && return 1
    grep -E "# operations: $done_ops\$" "$WORK/bench.out" > /dev/null || { cat "$WORK/bench.out"; return 1; }
    rate=$(sed -n 's/.*Ops per sec: //p' "$WORK/bench.out")
}
count() { dfs -count "$1" | awk '{print $1, $2}'; }

done_ops=$ops
check "create" bench create -threads 4 -files "$ops" -keepResults; echo "# $rate a second"
check_equal "the files are there" "$ops" "$(count /nnThroughputBenchmark/create | cut -d ' ' -f 2)"
check "create and close, in another folder" bench create -threads 4 -files "$ops" -close -baseDirName /other -filesPerDir 10
check_equal "which is cleaned up" "0" "$(count /other | cut -d ' ' -f 2)"
check "mkdirs" bench mkdirs -threads 4 -dirs "$ops"; echo "# $rate a second"
check "open" bench open -threads 4 -files "$ops" -keepResults; echo "# $rate a second"
check "open of those that are there" bench open -threads 4 -files "$ops" -useExisting
check "delete" bench delete -threads 4 -files "$ops"; echo "# $rate a second"
check "append" bench append -threads 4 -files "$ops"
check "append in a new block" bench append -threads 4 -files "$ops" -appendNewBlk
check "fileStatus" bench fileStatus -threads 4 -files "$ops"; echo "# $rate a second"
check "rename" bench rename -threads 4 -files "$ops" -keepResults
check "another block size" bench create -threads 4 -files "$ops" -blockSize 1m
check "the users' groups are asked anew" bench create -threads 4 -files "$ops" -UGCacheRefreshCount 10
dfs -mkdir /alice; dfs -chown alice /alice
check "nobody special" tool @alice NNThroughputBenchmark -fs "$URI" -op fileStatus -files 10 -baseDirName /alice -nonSuperUser
done_ops=30
check "blockReport" bench blockReport -datanodes 10 -reports 30 -blocksPerReport "$ops" -blocksPerFile 10 -blockSize 16; echo "# $rate a second"
check "all at once, where replication is left out for a namenode elsewhere" tool NNThroughputBenchmark -fs "$URI" -op all -files 10 -dirs 10 -reports 3 -datanodes 3 -blocksPerReport 10 -blockSize 16
done_ops=1
check "clean" bench clean
check_fails "nothing is left" dfs -test -e /nnThroughputBenchmark
check "the namenode is well" hdfs dfsadmin -safemode get
finish
