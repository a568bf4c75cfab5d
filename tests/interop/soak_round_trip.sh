#!/usr/bin/env bash
# A 1 GiB random file and a real tree of more than 20 000 small files go in by one shell and come out by the other, in every combination of
# ours and Apache's. Run by make round-trip-soak; SOAK_DIR (default /dev/shm) needs about 16 GiB.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
rm -rf "$WORK"; WORK=$(mktemp -d "${SOAK_DIR:-/dev/shm}/tusk-soak.XXXXXX"); CLUSTER=$WORK/cluster
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.replication=2 || finish

head -c $((1 << 30)) /dev/urandom > "$WORK/gib"
mkdir "$WORK/in"
(cd /usr && find share lib include -type f -size -100k ! -name '*:*' > "$WORK/list")
head -n 22000 "$WORK/list" | tar -c --hard-dereference -C /usr -T - | tar -x -C "$WORK/in"
echo "# $(find "$WORK/in" -type f | wc -l) files, $(du -sh --apparent-size "$WORK/in" | cut -f 1)"

ours() { dfs "$@"; }
apaches() { apache org.apache.hadoop.fs.FsShell "$@"; }
for put in ours apaches; do
    check "1 GiB put by $put" "$put" -put "$WORK/gib" "/gib-$put"
    check "the tree put by $put" "$put" -put -t 4 "$WORK/in" "/tree-$put"
    for get in ours apaches; do
        check "1 GiB put by $put, got by $get" "$get" -get "/gib-$put" "$WORK/gib-back"
        check "the bytes are equal" cmp "$WORK/gib" "$WORK/gib-back"
        rm -f "$WORK/gib-back"
        check "the tree put by $put, got by $get" "$get" -get -t 4 "/tree-$put" "$WORK/out"
        check "the trees are equal" diff -r "$WORK/in" "$WORK/out"
        rm -rf "$WORK/out"
    done
done
check_equal "checksums are equal" "$(dfs -checksum /gib-ours | cut -f 2,3)" "$(dfs -checksum /gib-apaches | cut -f 2,3)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
