#!/usr/bin/env bash
# Apache Hadoop's own shell on our cluster: puts, gets, lists, appends, moves, removes; bytes and checksums equal to what our shell sees.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.namenode.fs-limits.min-block-size=0 || finish

head -c 3000001 /dev/urandom > "$WORK/three"
head -c 700 /dev/urandom > "$WORK/small"
mkdir -p "$WORK/tree/a/b"; cp "$WORK/small" "$WORK/tree/a/b/s"; cp "$WORK/three" "$WORK/tree/t"; : > "$WORK/tree/empty"

run() { # text, then the command's words
    local text=$1; shift
    steps+=("$text"); (IFS=$'\t'; printf '%s\n' "$*") >> "$WORK/commands"
}
steps=()
run "mkdir -p" -mkdir -p /j/dir
run "put" -put "$WORK/three" /j/three
run "put with small blocks" -Ddfs.blocksize=1048576 -put "$WORK/three" /j/blocks
run "put of a tree" -put "$WORK/tree" /j/tree
run "ls -R" -ls -R /j
run "append" -appendToFile "$WORK/small" /j/three
run "append again" -appendToFile "$WORK/small" /j/three
run "get" -get /j/three "$WORK/three.java"
run "get of the tree" -get /j/tree "$WORK/tree.java"
run "cat" -cat /j/tree/a/b/s
run "tail" -tail /j/three
run "mv" -mv /j/three /j/dir/moved
run "checksum" -checksum /j/blocks
run "composite checksum" -Ddfs.checksum.combine.mode=COMPOSITE_CRC -checksum /j/blocks
run "setrep -w" -setrep -w 2 /j/blocks
run "chmod" -chmod 600 /j/blocks
run "stat" -stat '%F %a %o %r %b' /j/blocks
run "touchz" -touchz /j/zero
run "du" -du -s /j
run "count" -count /j
run "df" -df /
run "truncate" -truncate -w 1500000 /j/blocks
run "cp" -cp /j/blocks /j/copy
run "rm -r" -rm -r -skipTrash /j/tree
run "test -e of what is gone" -test -e /j/tree
run "expunge" -expunge
check "Apache's shell runs" apache_shell < "$WORK/commands"
for i in "${!steps[@]}"; do
    want=0; [[ ${steps[i]} == *"is gone" ]] && want=1
    check_equal "Apache's shell: ${steps[i]}" "$want" "$(cat "$WORK/shell/$((i + 1)).rc" 2>/dev/null || echo none)"
    [[ -s $WORK/shell/$((i + 1)).err ]] && sed 's/^/# /' "$WORK/shell/$((i + 1)).err" | head -n 5
done
out() { local i; for i in "${!steps[@]}"; do [[ ${steps[i]} == "$1" ]] && cat "$WORK/shell/$((i + 1)).out"; done; }

cat "$WORK/three" "$WORK/small" "$WORK/small" > "$WORK/appended"
check "what Apache got is what it put and appended" cmp "$WORK/appended" "$WORK/three.java"
check "the tree is equal" diff -r "$WORK/tree" "$WORK/tree.java"
check "our shell reads the same bytes" bash -c "dfs -cat /j/dir/moved | cmp - '$WORK/appended'"
head -c 1500000 "$WORK/three" > "$WORK/cut"
check "a truncated file, read by ours" bash -c "dfs -cat /j/blocks | cmp - '$WORK/cut'"
check "its copy by Apache" bash -c "dfs -cat /j/copy | cmp - '$WORK/cut'"
dfs -D dfs.blocksize=1048576 -put "$WORK/three" /j/ours
check_equal "checksums are equal" "$(out checksum | cut -f 2,3)" "$(dfs -checksum /j/ours | cut -f 2,3)"
check_equal "composite checksums are equal" "$(out 'composite checksum' | cut -f 2,3)" "$(dfs -D dfs.checksum.combine.mode=COMPOSITE_CRC -checksum /j/ours | cut -f 2,3)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
