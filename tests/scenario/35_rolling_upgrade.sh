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
wait_until 20 test -n "$(find "$WORK" -name RollingUpgradeInProgress)" || sleep 4
check "a file is deleted" dfs -rm -skipTrash /before
check "one comes" dfs -put /etc/hosts /after
check "images are written" saved
sleep 4
mini_conf=$WORK
cluster_stop
check "-rollingUpgrade takes a word" bash -c "! hdfs namenode -rollingUpgrade 2> '$WORK/said'; grep -q 'Must specify a rolling' '$WORK/said'"
finish
