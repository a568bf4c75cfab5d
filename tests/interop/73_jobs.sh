#!/usr/bin/env bash
# MapReduce over Hadoop's local job runner: TestDFSIO in all its ways, TeraGen, TeraSort and TeraValidate with both committers. SIZE=MB of a TestDFSIO file,
# ROWS=n of 100 bytes to sort.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.namenode.fs-limits.min-block-size=0 -D dfs.replication=2 -D dfs.heartbeat.interval=1 || finish
PEER_OPTS=-Dtool.limit.ms=300000 tools_start

size=${SIZE:-4}; files=3
job() { local class=$1; shift; tool "$class" -Dhadoop.tmp.dir="$WORK/tmp" "$@"; }
dfsio() {
    : > "$WORK/results"
    job TestDFSIO -Dtest.build.data=/io "$@" -nrFiles $files -resFile "$WORK/results" || return 1
    # what the results say that each of them did: all bytes
    grep -qE "Total MBytes processed: +$((size * files))\$" "$WORK/results" || { cat "$WORK/results"; return 1; }
}
rate() { sed -n 's/.*Throughput mb\/sec: */# MB a second: /p' "$WORK/results"; }
check "TestDFSIO -write" dfsio -write -size ${size}MB; rate
check "TestDFSIO -read" dfsio -read -size ${size}MB; rate
for way in -random -backward "-skip -skipSize 100000"; do # how much they read is up to them
    # shellcheck disable=SC2086
    check "TestDFSIO -read $way" job TestDFSIO -Dtest.build.data=/io -read $way -nrFiles $files -size ${size}MB -resFile "$WORK/results"
done
check "TestDFSIO -append" dfsio -append -size ${size}MB
check_equal "files are twice as long" "$((2 * size * 1048576))" "$(dfs -stat %b /io/io_data/test_io_0)"
check "TestDFSIO -truncate" dfsio -truncate -size ${size}MB
check_equal "and as they were" "$((size * 1048576))" "$(dfs -stat %b /io/io_data/test_io_0)"
check "TestDFSIO -write with small blocks, one replica" dfsio -Ddfs.blocksize=1m -Ddfs.replication=1 -write -size ${size}MB
check "TestDFSIO -read of them" dfsio -read -size ${size}MB
check "TestDFSIO -write -compression" job TestDFSIO -Dtest.build.data=/io -write -compression org.apache.hadoop.io.compress.DefaultCodec -nrFiles 1 -size ${size}MB -resFile "$WORK/results"
check "TestDFSIO -clean" job TestDFSIO -Dtest.build.data=/io -clean
check_fails "has cleaned up" dfs -test -e /io/io_data

rows=${ROWS:-30000}
check "TeraGen" job TeraGen -Dmapreduce.job.maps=3 "$rows" /tera/in
check_equal "all rows" "$((rows * 100))" "$(dfs -cat '/tera/in/part-*' | wc -c)"
for version in 1 2; do
    check "TeraSort, committer $version" job TeraSort -Dmapreduce.fileoutputcommitter.algorithm.version=$version -Dmapreduce.job.reduces=2 -Ddfs.blocksize=1m /tera/in /tera/out$version
    check "_SUCCESS" dfs -test -e /tera/out$version/_SUCCESS
    check_fails "nothing temporary is left" dfs -test -e /tera/out$version/_temporary
    check "TeraValidate" job TeraValidate -Dmapreduce.fileoutputcommitter.algorithm.version=$version /tera/out$version /tera/report$version
    check_equal "it finds the checksum and nothing else" "checksum" "$(dfs -cat "/tera/report$version/part-r-*" | cut -f 1)"
done
check_equal "both sorted the same" "$(dfs -cat '/tera/out1/part-r-*' | sha256sum)" "$(dfs -cat '/tera/out2/part-r-*' | sha256sum)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
