#!/usr/bin/env bash
# A MapReduce job over Hadoop's local job runner, on real text in our cluster: input splits, commit protocol, output.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.namenode.fs-limits.min-block-size=0 || finish

cat /usr/share/common-licenses/* "$ROOT"/README.md > "$WORK/text"
check "text goes in, in several blocks" dfs -D dfs.blocksize=65536 -put "$WORK/text" /text
# LC_ALL=C sorts bytes, as Text does; StringTokenizer splits at blanks, tabs, line and form feeds and returns.
tr -s ' \t\n\r\f' '\n' < "$WORK/text" | grep -v '^$' | LC_ALL=C sort | LC_ALL=C uniq -c | awk '{print $2 "\t" $1}' > "$WORK/want"
for version in 1 2; do
    check "WordCount runs with committer $version" apache WordCount -Dmapreduce.fileoutputcommitter.algorithm.version=$version /text /counted$version
    check "the job left its mark" dfs -test -e /counted$version/_SUCCESS
    dfs -cat "/counted$version/part-r-*" > "$WORK/got"
    check "the counts are right" cmp "$WORK/want" "$WORK/got"
done
finish
