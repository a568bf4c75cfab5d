#!/usr/bin/env bash
# Apache's DistCp between our cluster and an unmodified Apache cluster, there and back: trees, empty files, files of several blocks, checksums compared by DistCp
# itself and by us; -update, -append, -delete, -p.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.namenode.fs-limits.min-block-size=0 -D dfs.replication=2 || finish
check "an Apache cluster starts" apache_cluster_start "$WORK/apache" 2
((failures == 0)) || finish
PEER_OPTS=-Dtool.limit.ms=120000 tools_start

copy() { tool DistCp -Dhadoop.tmp.dir="$WORK/tmp" "$@"; }
theirs() { dfs -fs "$APACHE_URI" "$@"; }
# sums CLUSTER FOLDER: each file's checksum, with the two kinds
sums() {
    local file mode
    dfs -fs "$1" -ls -R "$2" | grep -v '^d' | sed -E 's/^([^ ]+ +){7}//' | sort | while read -r file; do
        for mode in MD5MD5CRC COMPOSITE_CRC; do dfs -fs "$1" -D dfs.checksum.combine.mode=$mode -checksum "$file" | cut -f 2,3; done
    done
}
# listing CLUSTER FOLDER COLUMNS: names below the folder with those columns of -ls
listing() { dfs -fs "$1" -ls -R "$2" | awk -v columns="$3" -v skip=${#2} '{n = split(columns, c, ","); for (i = 1; i <= n; i++) printf "%s ", $c[i]; print substr($8, skip + 1)}' | sort; }

tree=$WORK/tree
deep=$tree; for i in $(seq 30); do deep=$deep/d$i; done
mkdir -p "$deep" "$tree/many" "$tree/nothing/in/here"
: > "$tree/empty"
head -c 2500001 /dev/urandom > "$tree/blocks"
head -c 1048576 /dev/urandom > "$tree/exact"
head -c 1000 /dev/urandom > "$deep/leaf"
for i in $(seq "${FILES:-8}"); do head -c $((i * 1000)) /dev/urandom > "$tree/many/$i"; done
printf 'a' > "$tree/with space ü"
dfs -D dfs.blocksize=1048576 -put "$tree" /src
dfs -chmod -R o-rwx /src/many; dfs -chown bob:users /src/exact; dfs -touch -m -t 20200102:030405 /src/blocks /src/many; dfs -chmod 1777 /src/nothing

check "ours to Apache's, block sizes and all else preserved" copy -pbrugpct "$URI/src" "$APACHE_URI/copy"
check_equal "names, modes, owners, times, sizes" "$(listing "$URI" /src 1,2,3,4,5,6,7)" "$(listing "$APACHE_URI" /copy 1,2,3,4,5,6,7)"
check "checksums of both kinds are equal" diff <(sums "$URI" /src) <(sums "$APACHE_URI" /copy)
check "Apache's to ours" copy -pbrugpct "$APACHE_URI/copy" "$URI/back"
check_equal "everything is as it was" "$(listing "$URI" /src 1,2,3,4,5,6,7)" "$(listing "$URI" /back 1,2,3,4,5,6,7)"
check "checksums are equal" diff <(sums "$URI" /src) <(sums "$URI" /back)
dfs -get /back "$WORK/back"; check "the bytes are equal" diff -r "$tree" "$WORK/back"
check "within ours" copy -pb "$URI/src/many" "$URI/inside"
check_equal "all files" "$(listing "$URI" /src/many 5)" "$(listing "$URI" /inside 5)"

for way in "$URI/src $APACHE_URI/copy" "$APACHE_URI/copy $URI/back"; do
    read -r from to <<< "$way"
    check "-update of what is equal" copy -update -pb "$from" "$to"
    # a change of the same length is seen by its checksum
    head -c 8000 /dev/urandom > "$WORK/changed"
    file=/${to##*/}/many/8
    dfs -fs "${to%/*}" -put -f "$WORK/changed" "$file"
    check "-update of what differs in its bytes" copy -update -pb "$from" "$to"
    check "is copied" diff <(sums "${from%/*}" "/${from##*/}") <(sums "${to%/*}" "/${to##*/}")
    dfs -fs "${to%/*}" -put "$WORK/changed" "/${to##*/}/surplus"
    check "-update -delete" copy -update -delete -pb "$from" "$to"
    check_fails "removes what is surplus" dfs -fs "${to%/*}" -test -e "/${to##*/}/surplus"
done

dfs -appendToFile "$WORK/changed" /src/blocks; dfs -appendToFile "$WORK/changed" /src/empty
check "-update -append to Apache's" copy -update -append "$URI/src" "$APACHE_URI/copy"
check_equal "the bytes" "$(dfs -cat /src/blocks /src/empty | sha256sum)" "$(theirs -cat /copy/blocks /copy/empty | sha256sum)"
check "-update -append to ours" copy -update -append "$APACHE_URI/copy" "$URI/back"
check_equal "the bytes" "$(dfs -cat /src/blocks /src/empty | sha256sum)" "$(dfs -cat /back/blocks /back/empty | sha256sum)"
check "-overwrite with composite checksums, another block size" copy -Ddfs.checksum.combine.mode=COMPOSITE_CRC -Ddfs.blocksize=1048576 -overwrite "$URI/src" "$APACHE_URI/copy"
check "and back" copy -Ddfs.checksum.combine.mode=COMPOSITE_CRC -Ddfs.blocksize=2097152 -overwrite "$APACHE_URI/copy" "$URI/back"
check_equal "the bytes" "$(dfs -cat /src/blocks /src/exact | sha256sum)" "$(dfs -cat /back/blocks /back/exact | sha256sum)"
check "in chunks of blocks, put together by concat" copy -blocksperchunk 1 -pb "$APACHE_URI/copy" "$URI/chunks"
check_equal "the bytes" "$(dfs -cat /src/blocks | sha256sum)" "$(dfs -cat /chunks/blocks | sha256sum)"
check "with the dynamic strategy, atomically" copy -strategy dynamic -atomic -tmp "$URI/copying" -m 4 -pb "$APACHE_URI/copy" "$URI/at-once"
check_equal "all of it" "$(listing "$URI" /src 5)" "$(listing "$URI" /at-once 5)"
printf '%s\n' "$URI/src/many" "$URI/src/blocks" > "$WORK/list"; dfs -put "$WORK/list" /list
check "of a list" copy -pb -f "$URI/list" "$APACHE_URI/listed"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
