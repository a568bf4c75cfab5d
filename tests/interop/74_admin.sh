#!/usr/bin/env bash
# Apache's administration tools on our cluster: dfsadmin, fsck, storagepolicies, groups, debug.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
export HADOOP_LOG_DIR=$WORK/logs
mkdir "$HADOOP_LOG_DIR" "$WORK/images"
cluster_start --datanodes 3 --racks 2 -D dfs.replication=2 -D dfs.namenode.fs-limits.min-block-size=0 -D dfs.heartbeat.interval=1 \
    -D dfs.namenode.heartbeat.recheck-interval=500 || finish
tools_start
dn=$(daemon_conf datanode1 dfs.datanode.ipc.address)

admin() { tool DFSAdmin "$@"; }
said() { cat "$WORK/tools/out" "$WORK/tools/err" | grep -qE -- "$1"; } # the tool before
# says "text" PATTERN command...: a check that succeeds, and what it says
says() { local text=$1 pattern=$2; shift 2; check "$text" "$@"; check "  says what it should" said "$pattern"; }
refuses() { local text=$1 pattern=$2; shift 2; check_fails "$text" "$@"; check "  and says why" said "$pattern"; }

head -c 300000 /dev/urandom > "$WORK/bytes"
dfs -mkdir /d
dfs -D dfs.blocksize=102400 -put "$WORK/bytes" /d/file

says "dfsadmin -report" 'Live datanodes \(3\):' admin -report
says "dfsadmin -report -live -dead" 'Decommission Status : Normal' admin -report -live -dead -decommissioning -enteringmaintenance -inmaintenance
says "dfsadmin -report -slownodes" 'Slow datanodes \(0\)' admin -report -slownodes
says "dfsadmin -safemode get" 'Safe mode is OFF' admin -safemode get
says "dfsadmin -safemode enter" 'Safe mode is ON' admin -safemode enter
says "dfsadmin -saveNamespace" 'Save namespace successful' admin -saveNamespace
says "dfsadmin -saveNamespace -beforeShutdown" 'Save namespace successful|No extra checkpoint|skipped' admin -saveNamespace -beforeShutdown
says "dfsadmin -safemode leave" 'Safe mode is OFF' admin -safemode leave
says "dfsadmin -safemode wait" 'Safe mode is OFF' admin -safemode wait
says "dfsadmin -safemode forceExit" 'Safe mode is OFF' admin -safemode forceExit
refuses "dfsadmin -saveNamespace outside of it" 'Safe mode should be turned ON' admin -saveNamespace
says "dfsadmin -rollEdits" 'New segment starts at txid' admin -rollEdits
says "dfsadmin -restoreFailedStorage check" 'restoreFailedStorage is set to' admin -restoreFailedStorage check
says "dfsadmin -refreshNodes" 'Refresh nodes successful' admin -refreshNodes
check "dfsadmin -setQuota" admin -setQuota 10 /d
check "dfsadmin -setSpaceQuota" admin -setSpaceQuota 1g /d
check "dfsadmin -setSpaceQuota of a type" admin -setSpaceQuota 1g -storageType DISK /d
check_equal "they are set" "10 1073741824" "$(dfs -count -q /d | awk '{print $1, $3}')"
check "dfsadmin -clrQuota" admin -clrQuota /d
check "dfsadmin -clrSpaceQuota" admin -clrSpaceQuota /d
check "dfsadmin -clrSpaceQuota of a type" admin -clrSpaceQuota -storageType DISK /d
check_equal "they are gone" "none none" "$(dfs -count -q /d | awk '{print $1, $3}')"
says "dfsadmin -finalizeUpgrade" 'Finalize upgrade successful' admin -finalizeUpgrade
says "dfsadmin -upgrade query" 'Upgrade finalized' admin -upgrade query
says "dfsadmin -rollingUpgrade query" 'There is no rolling upgrade' admin -rollingUpgrade query
refuses "dfsadmin -refreshServiceAcl without authorization" "Service Level Authorization not enabled" admin -refreshServiceAcl
says "dfsadmin -refreshUserToGroupsMappings" 'Refresh user to groups mapping successful' admin -refreshUserToGroupsMappings
says "dfsadmin -refreshSuperUserGroupsConfiguration" 'Refresh super user groups configuration successful' admin -refreshSuperUserGroupsConfiguration
says "dfsadmin -refreshCallQueue" 'Refresh call queue successful' admin -refreshCallQueue
refuses "dfsadmin -refresh of what nobody registered" 'Failed to get response|No registered handlers|not (found|registered)' admin -refresh "${URI#hdfs://}" nobody
nn=${URI#hdfs://}
says "dfsadmin -reconfig namenode properties" 'dfs.namenode.replication.max-streams' admin -reconfig namenode "$nn" properties
says "dfsadmin -reconfig namenode status, before" 'no task was found' admin -reconfig namenode "$nn" status
says "dfsadmin -reconfig datanode properties" 'dfs.datanode.balance.bandwidthPerSec' admin -reconfig datanode "$dn" properties
for file in "$CLUSTER/conf/hdfs-site.xml" "$CLUSTER/datanode1/conf/hdfs-site.xml"; do
    sed -i 's#</configuration>#<property><name>dfs.heartbeat.interval</name><value>2s</value></property>&#' "$file"
done
says "dfsadmin -reconfig namenode start" 'Started reconfiguration task' admin -reconfig namenode "$nn" start
says "dfsadmin -reconfig namenode status" 'started at .* and finished at' admin -reconfig namenode "$nn" status
check "  what has changed" said 'SUCCESS: Changed property dfs.heartbeat.interval'
says "dfsadmin -reconfig datanode start" 'Started reconfiguration task' admin -reconfig datanode "$dn" start
says "dfsadmin -reconfig datanode status" 'SUCCESS: Changed property dfs.heartbeat.interval' admin -reconfig datanode "$dn" status
says "dfsadmin -reconfig datanode livenodes start" 'Starting of reconfiguration task successful on 3 nodes' admin -reconfig datanode livenodes start
says "dfsadmin -reconfig datanode livenodes status" 'successful on 3 nodes, failed on 0' admin -reconfig datanode livenodes status
refuses "dfsadmin -reconfig by somebody else" 'alice' tool @alice DFSAdmin -reconfig namenode "$nn" start
says "dfsadmin -printTopology" 'Rack: /rack2' admin -printTopology
check "dfsadmin -refreshNamenodes" admin -refreshNamenodes "$dn"
says "dfsadmin -getVolumeReport" 'Directory|Storage' admin -getVolumeReport "$dn"
refuses "dfsadmin -deleteBlockPool of the pool in use" 'still running|is in use|not empty|running' admin -deleteBlockPool "$dn" "$(find "$CLUSTER/datanode1" -name 'BP-*' -printf '%f\n' | head -n 1)"
says "dfsadmin -setBalancerBandwidth" 'Balancer bandwidth is set to 12345678' admin -setBalancerBandwidth 12345678
bandwidth_is() { admin -getBalancerBandwidth "$dn" | grep -q "$1"; }
check "dfsadmin -getBalancerBandwidth" wait_until 10 bandwidth_is 12345678
check "dfsadmin -fetchImage" admin -fetchImage "$WORK/images"
check "it is the namenode's" bash -c "cmp '$WORK'/images/fsimage_* \"\$(ls '$CLUSTER'/namenode/name/current/fsimage_* | grep -v md5 | tail -n 1)\""
says "dfsadmin -getDatanodeInfo" 'Uptime: [0-9]+, Software version' admin -getDatanodeInfo "$dn"
says "dfsadmin -triggerBlockReport" 'Triggering a full block report' admin -triggerBlockReport "$dn"
says "dfsadmin -triggerBlockReport -incremental" 'Triggering an incremental block report' admin -triggerBlockReport -incremental "$dn"
says "dfsadmin -triggerBlockReport -namenode" 'to namenode' admin -triggerBlockReport "$dn" -namenode "${URI#hdfs://}"
says "dfsadmin -metasave" 'Created metasave file' admin -metasave saved
check "the file is there" grep -q 'Live Datanodes: 3' "$HADOOP_LOG_DIR/saved"
for help in report safemode reconfig fetchImage; do says "dfsadmin -help $help" "-$help" admin -help $help; done
refuses "dfsadmin by somebody else" 'Superuser privilege is required|Access denied for user alice' tool @alice DFSAdmin -saveNamespace
refuses "dfsadmin -shutdownDatanode by somebody else" 'alice|denied' tool @alice DFSAdmin -shutdownDatanode "$dn"

mkfifo "$WORK/hold"; dfs -put -d - /d/open < "$WORK/hold" & holder=$!
exec 7> "$WORK/hold"; head -c 200000 "$WORK/bytes" >&7
open_is_there() { dfs -test -e /d/open && [[ $(hdfs fsck /d/open -openforwrite -files -blocks | grep -c 'blk_') -ge 1 ]]; }
check "a file is open" wait_until 10 open_is_there
says "dfsadmin -listOpenFiles" '/d/open$' admin -listOpenFiles
says "dfsadmin -listOpenFiles -path" '/d/open$' admin -listOpenFiles -path /d
check "dfsadmin -listOpenFiles -blockingDecommission" admin -listOpenFiles -blockingDecommission

fsck() { tool DFSck "$@"; }
says "fsck" "The filesystem under path '/' is HEALTHY" fsck /
says "fsck -files" '/d/file 300000 bytes, replicated: replication=2, 3 block\(s\):  OK' fsck / -files
says "fsck -files -blocks -locations" 'Live_repl=2  \[DatanodeInfoWithStorage' fsck /d/file -files -blocks -locations
says "fsck -racks" '\[/rack' fsck /d/file -files -blocks -racks
says "fsck -replicaDetails" '\(LIVE\)' fsck /d/file -files -blocks -replicaDetails
says "fsck -openforwrite" 'OPENFORWRITE' fsck / -openforwrite -files
says "fsck -list-corruptfileblocks" 'has 0 CORRUPT (files|blocks)' fsck / -list-corruptfileblocks
says "fsck -storagepolicies" 'Storage Policy' fsck / -storagepolicies
says "fsck -includeSnapshots" 'HEALTHY' fsck / -includeSnapshots
says "fsck -maintenance" 'HEALTHY' fsck / -maintenance
says "fsck -upgradedomains" 'HEALTHY' fsck / -files -blocks -upgradedomains
says "fsck -blockId" 'Block belongs to: /d/file' fsck -blockId "$(hdfs fsck /d/file -files -blocks | grep -oE 'blk_[0-9]+' | head -n 1)"
says "fsck of what is not there, which is no error to it" "FileNotFoundException|No such file|does not exist" fsck /nosuch
says "fsck of nobody's" "alice|HEALTHY" tool @alice DFSck /d

# debug
says "debug recoverLease" 'recoverLease SUCCEEDED on /d/open' tool DebugAdmin recoverLease -path /d/open -retries 20
exec 7>&-; wait $holder
block=$(find "$CLUSTER"/datanode? -name 'blk_*' ! -name '*.meta' -path '*finalized*' | head -n 1)
meta=$(echo "$block"_*.meta)
says "debug verifyMeta" 'Checksum verification succeeded' tool DebugAdmin verifyMeta -meta "$meta" -block "$block"
says "debug computeMeta" 'succeeded|Created|saved' tool DebugAdmin computeMeta -block "$block" -out "$WORK/computed.meta"
check "it is what our datanode wrote, and some zeros that Apache adds" cmp -n "$(stat -c %s "$meta")" "$meta" "$WORK/computed.meta"

says "storagepolicies -listPolicies" 'BlockStoragePolicy\{COLD:2' tool StoragePolicyAdmin -listPolicies
says "storagepolicies -getStoragePolicy of none" 'storage policy of /d is unspecified' tool StoragePolicyAdmin -getStoragePolicy -path /d
says "storagepolicies -setStoragePolicy" 'Set storage policy WARM on /d' tool StoragePolicyAdmin -setStoragePolicy -path /d -policy WARM
says "storagepolicies -getStoragePolicy" 'BlockStoragePolicy\{WARM:5' tool StoragePolicyAdmin -getStoragePolicy -path /d
says "storagepolicies -unsetStoragePolicy" 'Unset storage policy from /d' tool StoragePolicyAdmin -unsetStoragePolicy -path /d
refuses "storagepolicies of no such policy" 'Cannot find a block policy with the name' tool StoragePolicyAdmin -setStoragePolicy -path /d -policy NONE
refuses "storagepolicies -satisfyStoragePolicy without a satisfier" 'disabled' tool StoragePolicyAdmin -satisfyStoragePolicy -path /d
says "groups" "^$(id -un) : $(id -gn)" tool GetGroups
says "groups of somebody" "^daemon : daemon" tool GetGroups daemon
says "getconf -confKey" '^2$' tool GetConf -confKey dfs.replication

dfs -D dfs.replication=3 -put -d - /d/evicted < "$WORK/hold" & holder=$!
exec 7> "$WORK/hold"; head -c 100000 "$WORK/bytes" >&7
evicted_is_open() { hdfs fsck /d/evicted -openforwrite -files -blocks | grep -q blk_; }
check "another file is open" wait_until 10 evicted_is_open
says "dfsadmin -evictWriters" 'Requested writer eviction' admin -evictWriters "$dn"
check "one was" wait_until 5 grep -qE 'Evicting all writers: 1' "$CLUSTER/datanode1/log"
tail -c +100001 "$WORK/bytes" >&7; exec 7>&-
check "it writes on elsewhere" wait $holder
check "all of it" bash -c "dfs -cat /d/evicted | cmp - '$WORK/bytes'"
# What only the first datanode has is missing once it is gone.
only=$(grep -c . <<< "$(find "$CLUSTER/datanode1" -name 'blk_*.meta')")
for i in $(seq 20); do dfs -D dfs.replication=1 -put "$WORK/bytes" "/d/once$i"; done
only=$(($(find "$CLUSTER/datanode1" -name 'blk_*.meta' | wc -l) - only))
says "dfsadmin -shutdownDatanode" 'Submitted a shutdown request' admin -shutdownDatanode "$dn" upgrade
check "it ends" wait_until 20 bash -c "! kill -0 $(daemon_pid datanode1) || [[ \$(ps -o state= -p $(daemon_pid datanode1)) == Z* ]]"
refuses "dfsadmin -getDatanodeInfo of what has ended" 'Datanode unreachable' admin -getDatanodeInfo "$dn"
check "it is dead" wait_until 60 live_datanodes 2
says "dfsadmin -report -dead" 'Dead datanodes \(1\)' admin -report -dead
refuses "fsck of missing blocks" "The filesystem under path '/' is CORRUPT" fsck / -files -blocks
check_equal "it counts them" "$only" "$(sed -n 's/^ *Missing blocks:[[:space:]]*//p' "$WORK/tools/out")"
refuses "fsck -list-corruptfileblocks of them" "has $only CORRUPT (files|blocks)" fsck / -list-corruptfileblocks
check_fails "fsck -delete, which finds them once more" fsck / -delete
says "fsck after that" "HEALTHY" fsck /
finish
