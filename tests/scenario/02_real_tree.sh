#!/usr/bin/env bash
# A real tree of many small files makes the round trip, and survives a restart.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 3 || finish

tree=${TREE:-/usr/share/doc}
mkdir "$WORK/in"
(cd "$tree" && find . -type f -size -200k ! -name '*:*' > "$WORK/list")
head -n "${TREE_FILES:-2000}" "$WORK/list" | tar -c --hard-dereference -C "$tree" -T - | tar -x -C "$WORK/in"
files=$(find "$WORK/in" -type f | wc -l)
echo "# $files files, $(du -sh "$WORK/in" | cut -f 1)"

check "put -t 8 of the tree" dfs -put -t 8 "$WORK/in" /tree
check_equal "all files arrived" "$files" "$(dfs -count /tree | awk '{print $2}')"
check "get -t 8 of the tree" dfs -get -t 8 /tree "$WORK/out"
check "the trees are equal" diff -r "$WORK/in" "$WORK/out"
check "the cluster stops in order" cluster_stop
cluster_start || finish
rm -rf "$WORK/out"
check "get after a restart" dfs -get -t 8 /tree "$WORK/out"
check "the trees are still equal" diff -r "$WORK/in" "$WORK/out"
finish
