#!/usr/bin/env bash
# What changed between snapshots: the report, whole and in pages of two entries, forwards and backwards, of the directory and of one below it.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 1 -D dfs.namenode.snapshotdiff.listing.limit=2 || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
says() { local text=$1; shift; "$@" > "$WORK/says" 2>&1; (($? == 1)) && grep -qF -- "$text" "$WORK/says" || { cat "$WORK/says"; return 1; }; } # fails with 1, and says that
title() { echo "Difference between $1 and $2 under directory $3:"; }

check_equal "nothing to list" "" "$(hdfs lsSnapshottableDir)"
head -c 3000 /dev/urandom > "$WORK/bytes"
check "a tree" dfs -mkdir -p /s/a/deep /s/b /s/c /out
for file in a/one a/deep/two b/grows b/goes b/leaves b/mode; do check "put $file" dfs -put "$WORK/bytes" "/s/$file"; done
check "allowed" hdfs dfsadmin -allowSnapshot /s
check "s1" dfs -createSnapshot /s s1
check "renamed within" dfs -mv /s/a/one /s/c/eins
check "a directory renamed within" dfs -mv /s/a/deep /s/new
check "changed where it is now" dfs -touchz /s/new/three
check "grown" dfs -appendToFile "$WORK/bytes" /s/b/grows
check "deleted" dfs -rm -skipTrash /s/b/goes
check "moved out" dfs -mv /s/b/leaves /out/
check "another mode" dfs -chmod 600 /s/b/mode
check "made" dfs -mkdir -p /s/d/e
check "made and gone" bash -c 'dfs -touchz /s/a/short && dfs -rm -skipTrash /s/a/short'
check "s2" dfs -createSnapshot /s s2
check "gone, another one in its place" bash -c 'dfs -rm -skipTrash /s/c/eins && dfs -touchz /s/c/eins'
check "s3" dfs -createSnapshot /s s3

forth=$'M\t.\n+\t./d\nM\t./a\nR\t./a/deep -> ./new\nR\t./a/one -> ./c/eins\nM\t./a/deep\n+\t./a/deep/three\nM\t./b\n-\t./b/goes\n-\t./b/leaves\nM\t./b/grows\nM\t./b/mode\nM\t./c'
back=$'M\t.\n-\t./d\nM\t./a\nR\t./new -> ./a/deep\nR\t./c/eins -> ./a/one\nM\t./a/deep\n-\t./a/deep/three\nM\t./b\n+\t./b/goes\n+\t./b/leaves\nM\t./b/grows\nM\t./b/mode\nM\t./c'
check_equal "in pages" "$(title 'snapshot s1' 'snapshot s2' /s)
$forth" "$(hdfs snapshotDiff /s s1 s2)"
check_equal "backwards" "$(title 'snapshot s2' 'snapshot s1' /s)
$back" "$(hdfs snapshotDiff /s .snapshot/s2 /.snapshot/s1)"
check_equal "another one of that name" "$(title 'snapshot s2' 'snapshot s3' /s)
M	./c
+	./c/eins
-	./c/eins" "$(hdfs snapshotDiff /s s2 s3)"
check_equal "of a directory below: what left it is deleted" "$(title 'snapshot s1' 'snapshot s2' /s/a)
M	.
-	./deep
-	./one" "$(hdfs snapshotDiff /s/a s1 s2)"
check_equal "a snapshot and itself" "$(title 'snapshot s1' 'snapshot s1' /s)" "$(hdfs snapshotDiff /s s1 s1)"
check "today" bash -c 'dfs -deleteSnapshot /s s3 && dfs -rm -skipTrash /s/c/eins && dfs -mv /s/new/two /s/c/zwei'
check_equal "a snapshot and today" "$(title 'snapshot s2' 'current directory' /s)
M	./c
-	./c/eins
M	./new
R	./new/two -> ./c/zwei" "$(hdfs snapshotDiff /s s2 .)"
check_equal "today and a snapshot" "$(title 'current directory' 'snapshot s2' /s)
M	./c
+	./c/eins
M	./new
R	./c/zwei -> ./new/two" "$(hdfs snapshotDiff /s . s2)"
check "no such snapshot" says "Cannot find the snapshot of directory /s with name nix" hdfs snapshotDiff /s s1 nix
check "not snapshottable" says "The path /out is neither snapshottable nor under a snapshot root!" hdfs snapshotDiff /out s1 s2
check "no directory" says "Directory does not exist: /nix" hdfs snapshotDiff /nix s1 s2
check "too few arguments" says "hdfs snapshotDiff <snapshotDir> <from> <to>:" hdfs snapshotDiff /s s1
check "directories with snapshots" bash -c 'hdfs lsSnapshottableDir | grep -qE "^drwxr-xr-x 0 .* 0 [0-9-]+ [0-9:]+ 2 65536 /s$"'
check "no arguments are taken" says "hdfs lsSnapshottableDir:" hdfs lsSnapshottableDir x
finish
