#!/usr/bin/env bash
# Rolling upgrades: prepared, gone on with through restarts and checkpoints, finalized; and gone back from, with the blocks that were deleted meanwhile.
. "$(dirname "$0")/../lib/scenario.sh"

cluster_start --datanodes 1 || finish
name_dir() { find "$WORK" -path '*current/seen_txid' -printf '%h\n' -quit; }
images() { (cd "$(name_dir)" && for image in fsimage_*; do [[ $image == *.md5 ]] || echo "${image%_*}"; done | sort | uniq -c | tr -s ' \n' ' '); }
sums() { (cd "$(name_dir)" && md5sum --quiet -c fsimage_*.md5); }
rolling() { hdfs dfsadmin -rollingUpgrade "$@" | sed 's/Time: .*(=.*/Time: T/; s/ID: .*/ID: P/'; }
saved() { hdfs dfsadmin -safemode enter && hdfs dfsadmin -saveNamespace && hdfs dfsadmin -safemode leave; }
under_way() { rolling query | grep -q Proceed; }
prepare() { hdfs dfsadmin -safemode enter > "$WORK/enter" && rolling prepare; }

check "a file before" dfs -put /etc/hosts /before
check_equal "nothing is under way" "QUERY rolling upgrade ...
There is no rolling upgrade in progress or rolling upgrade has already been finalized." "$(rolling query)"
check_fails "preparing takes safe mode" hdfs dfsadmin -rollingUpgrade prepare
check_equal "prepared" "PREPARE rolling upgrade ...
Proceed with rolling upgrade:
  Block Pool ID: P
     Start Time: T
  Finalize Time: <NOT FINALIZED>" "$(prepare)"
check_equal "safe mode has ended" "Safe mode is OFF" "$(hdfs dfsadmin -safemode get)"
check_equal "a rollback image" " 1 fsimage 1 fsimage_rollback " "$(images)"
check "a second preparation is told of the first" under_way
check "a file during the upgrade" dfs -put /etc/hosts /during
check "images are written" saved
cluster_stop; cluster_start || finish
check "the upgrade goes on after a restart" under_way
check_equal "the rollback image stays" " 2 fsimage 1 fsimage_rollback " "$(images)"
check "checksums fit their images" sums
check_equal "finalized" "Rolling upgrade is finalized." "$(rolling finalize | sed -n 2p)"
check_equal "no rollback image is left" " 3 fsimage " "$(images)"
check "checksums fit their images" sums
cluster_stop; cluster_start || finish
check_fails "nothing is under way after a restart" under_way
check "both files are there" dfs -test -e /before
check "both files are there" dfs -test -e /during

prepare > "$WORK/prepared"
check "another one" under_way
trash_begun() { [[ -n $(find "$CLUSTER" -name RollingUpgradeInProgress) ]]; }
trash_holds() { [[ -n $(find "$CLUSTER" -path '*/trash/*' -name 'blk_*') ]]; }
check "the datanode hears of it" wait_until 20 trash_begun
check "a file is deleted" dfs -rm -skipTrash /before
check "its block goes to the trash" wait_until 20 trash_holds
check "a file comes" dfs -put /etc/hosts /after
check "images are written" saved
# Rolled back by hand; a start as ever follows.
blocks_are() { [[ $(find "$CLUSTER" -path "*/finalized/*" -name "blk_*" ! -name "*.meta" | wc -l) == "$1" ]]; }
safe_mode_ended() { timeout 5 hdfs dfsadmin -fs "$uri" -safemode get | grep -q OFF; }
go_back() {
    local namenode datanode rc=0
    HADOOP_CONF_DIR=$CLUSTER/conf hdfs namenode -rollingUpgrade rollback >> "$CLUSTER/namenode/log" 2>&1 & namenode=$!
    HADOOP_CONF_DIR=$CLUSTER/datanode1/conf hdfs datanode -rollback >> "$CLUSTER/datanode1/log" 2>&1 & datanode=$!
    wait_until 30 safe_mode_ended || rc=1
    HADOOP_CONF_DIR=$CLUSTER/conf timeout 20 dfs -cat "$uri/before" > "$WORK/before" || rc=1
    wait_until 20 blocks_are 2 || rc=1 # the block of the file that is no more goes, too
    [[ $rc == 0 ]] || tail -n 5 "$CLUSTER/namenode/log" "$CLUSTER/datanode1/log"
    kill $datanode; kill $namenode; wait $datanode $namenode
    return $rc
}
uri=$URI
cluster_stop
check "goes back" go_back
check "the deleted file is as it was" cmp /etc/hosts "$WORK/before"
cluster_start || finish
check_equal "and stays after a start as ever" $'/before\n/during' "$(dfs -ls -C / | grep -v after; dfs -test -e /after && echo after)"
check_fails "nothing is under way" under_way
check_equal "images of then" " 2 fsimage " "$(images)"
check "checksums fit their images" sums
cluster_stop

check "-rollingUpgrade takes a word" bash -c "! hdfs namenode -rollingUpgrade 2> '$WORK/said' && grep -q 'Must specify a rolling' '$WORK/said'"
check "a second rollback has nothing to go back to" bash -c "! HADOOP_CONF_DIR='$CLUSTER/conf' timeout 20 hdfs namenode -rollingUpgrade rollback > '$WORK/said' 2>&1 &&
    grep -q 'No valid image files found' '$WORK/said'"
finish
