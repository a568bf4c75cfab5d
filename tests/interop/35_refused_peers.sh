#!/usr/bin/env bash
# Datanodes of both kinds with the disk of another cluster, namespace, block pool, layout or kind of daemon, at both namenodes: each is refused with its reason, and
# the disk stays as it was.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
MIXED_EXTRA=(dfs.replication=2)
nodes_make 2
head -c 2500000 /dev/urandom > "$WORK/file"
safe_mode_off() { [[ $(hdfs dfsadmin -safemode get 2> /dev/null) == "Safe mode is OFF" ]]; }
whole() { dfs -cat /file | cmp - "$WORK/file"; }
sums() { # of all files; of VERSION what it says, as Apache's datanode writes it anew, with the date, before it looks at the block pool
    local i
    for i in 0 1; do
        (cd "$WORK/mixed/datanode$i/data" && find . -type f ! -name in_use.lock ! -name VERSION -exec sha256sum {} + | sort -k 2
         find . -name VERSION | sort | while read -r file; do echo "$file"; grep -v '^#' "$file" | sort; done)
    done
}
gone() { ! kill -0 "$1" 2> /dev/null; }
both_refused() { # TEXT PATTERN FILE SED: FILE below data/current of both datanodes
    local i text=$1 pattern=$2 file=$3 edit=$4 kind
    for i in 0 1; do
        rm -rf "$WORK/mixed/datanode$i/data"; cp -a "$WORK/good$i" "$WORK/mixed/datanode$i/data"
        # shellcheck disable=SC2086
        sed -i "$edit" "$WORK/mixed/datanode$i/data/current/"$file
        : > "$WORK/mixed/datanode$i/log"
    done
    sums > "$WORK/before"
    run_node ours datanode0; run_node apache datanode1
    for i in 0 1; do
        kind=${NODE_KIND[datanode$i]}
        check "$namenode's namenode, $kind datanode: $text" wait_until 30 gone "${NODE_PID[datanode$i]}"
        check "it says why" grep -qE "$pattern" "$WORK/mixed/datanode$i/log"
        end_node datanode$i
    done
    check "nothing changed on the disks" eval 'sums | diff "$WORK/before" -'
}

check "our namenode is formatted" hdfs namenode --config "$NN_CONF" -format -nonInteractive
run_node ours namenode; run_node ours datanode0; run_node apache datanode1
check "a datanode of each kind" wait_until 60 live_are 2
check "a file" dfs -put "$WORK/file" /file
for i in 0 1; do end_node datanode$i; cp -a "$WORK/mixed/datanode$i/data" "$WORK/good$i"; done
for namenode in ours apache; do
    [[ $namenode == ours ]] || { end_node namenode; run_node apache namenode; wait_until 60 hdfs dfsadmin -safemode get > /dev/null; }
    both_refused "a disk of another cluster" 'Incompatible clusterIDs in .*: namenode clusterID = CID-.*; datanode clusterID = CID-other' VERSION 's/^clusterID=.*/clusterID=CID-other/'
    both_refused "of another namespace" 'Incompatible namespaceIDs in .*: namenode namespaceID = .*; datanode namespaceID = 4711|namespaceID is incompatible with others' 'BP-*/current/VERSION' 's/^namespaceID=.*/namespaceID=4711/'
    both_refused "of another block pool" 'Incompatible blockpoolIDs in|Unexpected blockpoolID BP-1-1.2.3.4-5' 'BP-*/current/VERSION' 's/^blockpoolID=.*/blockpoolID=BP-1-1.2.3.4-5/'
    both_refused "of a later layout" 'Unexpected version of storage directory .* Reported: -99' VERSION 's/^layoutVersion=.*/layoutVersion=-99/'
    both_refused "of a later layout in its block pool" 'Unexpected version of storage directory .* Reported: -99' 'BP-*/current/VERSION' 's/^layoutVersion=.*/layoutVersion=-99/'
    both_refused "of a namenode" 'Incompatible node types|storage type|storageType' VERSION 's/^storageType=.*/storageType=NAME_NODE/'
    both_refused "of a later time" 'is newer than the namespace state' 'BP-*/current/VERSION' 's/^cTime=.*/cTime=99999999999999/'
    for i in 0 1; do rm -rf "$WORK/mixed/datanode$i/data"; cp -a "$WORK/good$i" "$WORK/mixed/datanode$i/data"; done
    run_node ours datanode0; run_node apache datanode1
    check "$namenode's namenode: the good disks are taken" wait_until 60 live_are 2
    check "out of safe mode" wait_until 60 safe_mode_off
    check "the file is whole" whole
    for i in 0 1; do end_node datanode$i; done
done
end_node namenode
finish
