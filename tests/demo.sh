#!/usr/bin/env bash
# make demo: a cluster of one namenode and three datanodes on this machine; a real tree of files goes in, is listed, read back and compared;
# the cluster is stopped and started again, and everything is still there.
set -euo pipefail
build=${BUILD:-build}
work=$(mktemp -d "${TMPDIR:-/tmp}/tusk-demo.XXXXXX")
mini=
cleanup() { [[ -n $mini ]] && kill "$mini" 2>/dev/null && wait "$mini" 2>/dev/null; rm -rf "$work"; return 0; }
trap cleanup EXIT
export PATH=$PWD/$build/bin:$PATH

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
start() {
    printf '$ hdfs mini --dir %s --datanodes 3\n' "$work/cluster"
    hdfs mini --dir "$work/cluster" --datanodes 3 > "$work/uri" 2> "$work/mini.err" & mini=$!
    until [[ -s $work/uri ]]; do
        kill -0 "$mini" 2>/dev/null || { cat "$work/mini.err"; exit 1; }
        sleep 0.02
    done
    cat "$work/uri"
    export HADOOP_CONF_DIR=$work/cluster/conf
}

say "A cluster: one namenode, three datanodes"
start
say "A real tree goes in"
mkdir "$work/in"
(cd /usr/share && find . -type f -size -500k ! -name '*:*' > "$work/list")
head -n 3000 "$work/list" | tar -c --hard-dereference -C /usr/share -T - | tar -x -C "$work/in"
head -c 67108864 /dev/urandom > "$work/in/random-64MiB"
show dfs -put -t 4 "$work/in" /demo
show dfs -ls /demo
show dfs -count -h /demo
say "It comes back, and is the same"
show dfs -get -t 4 /demo "$work/out"
show diff -r "$work/in" "$work/out"
echo "equal: $(find "$work/out" -type f | wc -l) files, $(du -sh "$work/out" | cut -f 1)"
show dfs -checksum /demo/random-64MiB
hdfs fsck /demo | tail -n 1
say "Stopped, started: everything is there"
kill "$mini"; wait "$mini" || true; mini=
start
show dfs -count -h /demo
dfs -cat /demo/random-64MiB | cmp - "$work/in/random-64MiB" && echo "random-64MiB is equal"
printf '$ hdfs dfsadmin -report -live | head -n 14\n'
hdfs dfsadmin -report -live > "$work/report"
head -n 14 "$work/report"
say "Done. Try it yourself: build/bin/hdfs mini --dir /tmp/my-cluster"
