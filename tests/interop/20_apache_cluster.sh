#!/usr/bin/env bash
# Our shell and library on an unmodified Apache cluster.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
check "an Apache cluster starts" apache_cluster_start "$WORK/apache" 3
((failures == 0)) || finish
export HADOOP_CONF_DIR=$WORK/apache/nn

head -c 5000003 /dev/urandom > "$WORK/five"
head -c 1000 /dev/urandom > "$WORK/small"
check "mkdir" dfs -mkdir -p /c/d
check "put" dfs -put "$WORK/five" /c/five
check "put with small blocks" dfs -D dfs.blocksize=1048576 -put "$WORK/five" /c/blocks
check "get" dfs -get /c/five "$WORK/back"
check "the bytes are equal" cmp "$WORK/five" "$WORK/back"
check "get of several blocks" bash -c "dfs -cat /c/blocks | cmp - '$WORK/five'"
check "append" dfs -appendToFile "$WORK/small" /c/five
check "appended bytes" bash -c "dfs -cat /c/five | cmp - <(cat '$WORK/five' '$WORK/small')"
check "mv" dfs -mv /c/five /c/d/five
check "ls" dfs -ls -R /c
check "truncate" dfs -truncate -w 2500000 /c/blocks
check "truncated bytes" bash -c "dfs -cat /c/blocks | cmp - <(head -c 2500000 '$WORK/five')"
check "checksum" dfs -checksum /c/blocks
check "setrep -w" dfs -setrep -w 2 /c/blocks
check "rm" dfs -rm -r -skipTrash /c/d
check "dfsadmin -report" hdfs dfsadmin -report
check "fsck" hdfs fsck /
finish
