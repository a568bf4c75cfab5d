#!/usr/bin/env bash
# Clients of Hadoop 2.10, 3.3 and 3.5 on our cluster: a Java program and the shell. All three get the same checksums.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
cluster_start --datanodes 3 -D dfs.namenode.fs-limits.min-block-size=0 -D dfs.replication=2 -D dfs.heartbeat.interval=1 || finish

head -c 2500001 /dev/urandom > "$WORK/bytes"
head -c 700 /dev/urandom > "$WORK/small"
mkdir -p "$WORK/tree/a/b"; cp "$WORK/small" "$WORK/tree/a/b/s"; cp "$WORK/bytes" "$WORK/tree/t"; : > "$WORK/tree/empty"
dfs -D dfs.blocksize=1048576 -put "$WORK/bytes" /ours
sum=$(dfs -checksum /ours | cut -f 2,3)
cat "$WORK/bytes" "$WORK/small" > "$WORK/both"

for version in 2.10.2 3.3.6 3.5.0; do
    if [[ $version == 3.5.0 ]]; then fetch=(peer_ready); else fetch=(peer_other "$version" ToolServer.java ClientSteps.java); fi
    check "Apache Hadoop $version is at hand" "${fetch[@]}" || continue
    tools_start
    at=/v$version
    check "$version: a Java program" tool ClientSteps "$at"
    while read -r result step; do
        case $result in
            ok | failed) check_equal "$version: $step" ok "$result" ;;
            checksum) echo "$step" >> "$WORK/sums" ;;
        esac
    done < "$WORK/tools/out"
    shell() { local text=$1; shift; check "$version: dfs $text" tool FsShell "$@"; }
    shell "-mkdir" -mkdir -p "$at/s/dir"
    shell "-put" -Ddfs.blocksize=1048576 -put "$WORK/bytes" "$at/s/bytes"
    shell "-put of a tree" -put "$WORK/tree" "$at/s/tree"
    shell "-checksum" -checksum "$at/s/bytes"
    check_equal "$version: the checksum is equal" "$sum" "$(cut -f 2,3 "$WORK/tools/out" | sed 's/[[:space:]]*$//')"
    shell "-ls -R" -ls -R "$at/s"
    check_equal "$version: the listing is ours" "$(dfs -ls -R "$at/s")" "$(< "$WORK/tools/out")"
    shell "-appendToFile" -appendToFile "$WORK/small" "$at/s/bytes"
    shell "-get" -get "$at/s/bytes" "$WORK/back-$version"
    check "$version: the bytes are equal" cmp "$WORK/both" "$WORK/back-$version"
    shell "-get of the tree" -get "$at/s/tree" "$WORK/tree-$version"
    check "$version: the tree is equal" diff -r "$WORK/tree" "$WORK/tree-$version"
    shell "-cat" -cat "$at/s/tree/a/b/s"
    shell "-mv" -mv "$at/s/tree/t" "$at/s/dir/moved"
    shell "-cp -p" -cp -p "$at/s/dir/moved" "$at/s/copy"
    shell "-chmod -R" -chmod -R o-r "$at/s/dir"
    shell "-truncate -w" -truncate -w 1000 "$at/s/copy"
    shell "-stat" -stat '%n %b %r' "$at/s/copy"
    check_equal "$version: what -stat says" "copy 1000 2" "$(< "$WORK/tools/out")"
    shell "-du -s" -du -s "$at/s"
    shell "-count -q" -count -q "$at/s"
    shell "-df" -df /
    shell "-rm -r" -rm -r -skipTrash "$at/s/tree"
    check "$version: to the trash" tool FsShell -Dfs.trash.interval=10 -rm "$at/s/copy"
    check "$version: which has it" bash -c "dfs -ls -R '/user/$(id -un)/.Trash' | grep -q '$at/s/copy'"
    check_fails "$version: what is gone is gone" tool FsShell -test -e "$at/s/tree"
    check "$version: our shell sees its bytes" bash -c "dfs -cat '$at/s/bytes' | cmp - '$WORK/both'"
done
check_equal "checksums by all versions are equal" 1 "$(sort -u "$WORK/sums" | wc -l)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
