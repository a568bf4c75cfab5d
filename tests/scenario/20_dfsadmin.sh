#!/usr/bin/env bash
# What an administrator asks for: reports, safe mode, images, quotas, and what is refused.
. "$(dirname "$0")/../lib/scenario.sh"
export HADOOP_LOG_DIR=$WORK/logs HDFS_AUDIT_LOGGER=INFO,RFAAUDIT
mkdir "$HADOOP_LOG_DIR" "$WORK/images"
hosts=$WORK/hosts.json; echo '[]' > "$hosts"
cluster_start --datanodes 2 --racks 2 -D "dfs.hosts=$hosts" -D dfs.namenode.decommission.interval=1 \
    -D dfs.namenode.hosts.provider.classname=org.apache.hadoop.hdfs.server.blockmanagement.CombinedHostFileManager || finish
admin() { hdfs dfsadmin "$@" 2>&1; }

dfs -mkdir /dir
dfs -put - /dir/file <<< hello

check_equal "the report counts datanodes" "Live datanodes (2):" "$(admin -report -live | grep '^Live')"
check_equal "the topology has both racks" "/rack1 /rack2" "$(admin -printTopology | awk '$1 == "Rack:" {print $2}' | sort | xargs)"
check_equal "safe mode is off" "Safe mode is OFF" "$(admin -safemode get)"
check_fails "an image needs safe mode" admin -saveNamespace
check_equal "safe mode on" "Safe mode is ON" "$(admin -safemode enter)"
check_fails "nothing changes in safe mode" dfs -mkdir /other
check "an image" admin -saveNamespace
check_equal "safe mode off" "Safe mode is OFF" "$(admin -safemode leave)"
check "the image is fetched" admin -fetchImage "$WORK/images"
check "it is the namenode's" bash -c "cmp '$WORK'/images/fsimage_* \"\$(ls '$CLUSTER'/namenode/name/current/fsimage_* | grep -v md5 | tail -n 1)\""
check "the edit log rolls" bash -c 'hdfs dfsadmin -rollEdits | grep -q "New segment starts at txid"'

check "a quota" admin -setQuota 3 /dir
check "up to it" dfs -touchz /dir/second
check_fails "not beyond it" dfs -touchz /dir/third
check "no quota" admin -clrQuota /dir
check "beyond it now" dfs -touchz /dir/third

check "metasave" admin -metasave queues
check "it is in the log folder" grep -q '^Live Datanodes: 2' "$HADOOP_LOG_DIR/queues"
check_fails "and only there" admin -metasave ../queues
check "the audit log has what was done" grep -q 'allowed=true.*cmd=mkdirs.*src=/dir' "$HADOOP_LOG_DIR/hdfs-audit.log"

check_equal "no trash where snapshots are not allowed" "provisionSnapshotTrash: /dir is not a snapshottable directory." \
    "$(admin -provisionSnapshotTrash /dir | head -n 1)"
check_fails "and none was made" dfs -test -e /dir/.Trash
check_fails "an unknown command" admin -nothing
check_fails "others may not" env HADOOP_USER_NAME=somebody hdfs dfsadmin -safemode enter
check_equal "safe mode stayed off" "Safe mode is OFF" "$(admin -safemode get)"

# ---- the hosts file in JSON ----
states() { admin -report | awk '/^Name:/ {name = $2} /^Decommission Status/ {sub(/^[^:]*: */, ""); print name, $0}' | sort -u | paste -sd '|'; }
is_state() { [[ $(states) == "$1" ]]; }
ports=$(states | grep -o ':[0-9]*' | tr -d : | xargs)
first=${ports% *} second=${ports#* }
echo "[{\"hostName\": \"127.0.0.1\", \"port\": $first, \"adminState\": \"IN_MAINTENANCE\"}, {\"hostName\": \"127.0.0.1\", \"port\": $second}]" > "$hosts"
check "a datanode into maintenance by the hosts file" admin -refreshNodes
check "it is there, the other is not" wait_until 20 is_state "127.0.0.1:$first In maintenance|127.0.0.1:$second Normal"
echo '[{"hostName": "127.0.0.1"},' > "$hosts"
check_fails "half a file is refused" admin -refreshNodes
check_equal "and nobody's state changes" "127.0.0.1:$first In maintenance|127.0.0.1:$second Normal" "$(states)"
echo '[{"hostName": "127.0.0.1"}]' > "$hosts"
check "back into service" admin -refreshNodes
check_equal "both are" "127.0.0.1:$first Normal|127.0.0.1:$second Normal" "$(states)"
finish
