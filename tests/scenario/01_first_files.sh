#!/usr/bin/env bash
# The first quarter of an hour of a new user: files in, listed, read back, the cluster stopped and started again.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 3 || finish

head -c 5000000 /dev/urandom > "$WORK/five"
printf 'hello\n' > "$WORK/hello"
: > "$WORK/empty"

check "mkdir -p" dfs -mkdir -p /a/b/c
check "put of a few megabytes" dfs -put "$WORK/five" /a/five
check "put of a line" dfs -put "$WORK/hello" /a/b/hello
check "put of an empty file" dfs -put "$WORK/empty" /a/empty
check_fails "put does not overwrite" dfs -put "$WORK/hello" /a/five
check "put -f overwrites" dfs -put -f "$WORK/hello" /a/b/hello
check_equal "cat" hello "$(dfs -cat /a/b/hello)"
check "get" dfs -get /a/five "$WORK/five.back"
check "the bytes are equal" cmp "$WORK/five" "$WORK/five.back"
check_equal "ls shows the sizes" "5000000 /a/five" "$(dfs -ls /a | awk '$8 == "/a/five" {print $5, $8}')"
check "append" bash -c "printf 'again\n' | dfs -appendToFile - /a/b/hello"
check_equal "appended bytes are there" "hello again" "$(dfs -cat /a/b/hello | tr '\n' ' ' | sed 's/ $//')"
check "mv" dfs -mv /a/five /a/b/c/moved
check_fails "the old name is gone" dfs -test -e /a/five
check "the new name is there" dfs -test -f /a/b/c/moved
check "rm -r" dfs -rm -r -skipTrash /a/empty
check "truncate inside a block" dfs -truncate -w 3 /a/b/hello
check_equal "truncated bytes" hel "$(dfs -cat /a/b/hello)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'

check "the cluster stops in order" cluster_stop
cluster_start || finish
check "after a restart the bytes are equal" bash -c "dfs -cat /a/b/c/moved | cmp - '$WORK/five'"
check_equal "after a restart the small file is there" hel "$(dfs -cat /a/b/hello)"
finish
