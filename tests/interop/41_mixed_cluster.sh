#!/usr/bin/env bash
# Two Apache DataNodes and two of ours in one cluster, under our namenode and then under Apache's: pipelines in each order, written by Apache's client
# and by ours, losing a datanode of either kind in the middle; append, truncate, lease recovery, re-replication, deletion, decommissioning.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
exclude=$WORK/exclude; : > "$exclude"
MIXED_EXTRA=("dfs.hosts.exclude=$exclude" dfs.client.socket-timeout=20000 dfs.namenode.reconstruction.pending.timeout-sec=5)
nodes_make 4
kind_of() { case $1 in 0 | 1) echo apache ;; *) echo ours ;; esac; }

# A file is created again until its pipeline has the kinds in this order.
create_in_order() { # WRITER PATH ORDER
    local i ports
    for ((i = 0; i < 60; i++)); do
        ask "$1" create "$2" "${#3}" 1048576 && ask "$1" write "$2" 300000 && ask "$1" hflush "$2" || return 1
        read -r -a PIPELINE <<< "$(ask "$1" pipeline "$2")"
        [[ $(kinds_at "${PIPELINE[@]}") == "$3" ]] && return 0
        ask "$1" close "$2" || return 1
    done
    echo "no pipeline $3 in $i files"; return 1
}
go_on() { ask "$1" write "$2" 900001 && ask "$1" hflush "$2" && ask "$1" write "$2" 77 && ask "$1" close "$2"; }
both_verify() { ask ours verify "$1" "$2" && ask apache verify "$1" "$2"; }
settle() { ask apache closed /none; :; } # the first call after a restart finds a dead connection
back() { local n; n=$(registrations "$1"); run_node "${NODE_KIND[$1]}" "$1";  wait_until 60 has_registered "$1" "$n" && sleep 1 && wait_until 60 live_are 4; }
reopen() { ask "$1" append "$2" && ask "$1" write "$2" 200000 && ask "$1" hflush "$2" && ask "$1" close "$2"; }
truncated() { # CLIENT PATH LENGTH
    ask "$1" truncate "$2" "$3" && wait_until 40 is_closed "$2" && both_verify "$2" "$3"
}
is_closed() { [[ $(ask ours closed "$1") == true ]]; }
primaries() { local i; for ((i = 0; i < 4; i++)); do grep -qE "BlockRecoveryWorker: (blk|block=|.* calls recoverBlock)" "$WORK/mixed/datanode$i/log" && kind_of $i; done | sort -u | tr '\n' ' '; }

suite() { # NAMENODE
    local writer order victim i name which writers="apache ours"
    [[ $1 == apache && -z ${LONG:-} ]] && writers=ours # the pipelines are the same ones
    for writer in $writers; do
        for order in AOA OAO; do
            name=/$writer-$order
            check "$1's namenode: $writer writes through $order" create_in_order $writer $name $order
            check "$1: all that was flushed is seen" both_verify $name 300000
            victim=$(name_at "${PIPELINE[1]}")
            end_node "$victim" KILL
            check "$1: the middle of $order dies, $writer goes on" go_on $writer $name
            check "$1: the bytes are whole" both_verify $name 1200078
            check "$1: $victim comes back" back "$victim"
            check "$1: $writer appends" reopen $writer $name
            check "$1: appended bytes" both_verify $name 1400078
        done
    done
    check "$1: hflush and a writer that vanishes" eval "create_in_order ours /left AOA && create_in_order ours /left2 OAO"
    driver_end ours; driver_start ours
    check "$1: lease recovery" eval 'for f in /left /left2; do ask apache recover $f; done; wait_until 40 is_closed /left && wait_until 40 is_closed /left2'
    check "$1: what was flushed is there" eval 'both_verify /left 300000 && both_verify /left2 300000'
    for i in 1 2 3 4; do
        check "$1: truncate by $((i % 2))" truncated "$([[ $((i % 2)) == 1 ]] && echo ours || echo apache)" /ours-AOA $((1400078 - i * 77777))
    done
    # One replica, copied by the datanode that has it; then all but one go.
    for which in A O; do
        check "$1: a file on one $which" eval "create_in_order ours /one-$which $which && ask ours close /one-$which"
        check "$1: setrep 4" ask ours setrep /one-$which 4
        check "$1: copied to all kinds" wait_until 40 replicas_are /one-$which 4
        check "$1: bytes" both_verify /one-$which 300000
    done
    check "$1: setrep 1" eval 'ask ours setrep /one-A 1; ask ours setrep /one-O 1'
    check "$1: surplus replicas are deleted" eval 'wait_until 40 replicas_are /one-A 1 && wait_until 20 replicas_are /one-O 1'
    check "$1: and their bytes are right" eval 'both_verify /one-A 300000 && both_verify /one-O 300000'
    check "$1: balancer's bandwidth" hdfs dfsadmin -setBalancerBandwidth 7654320
    for i in 0 2; do
        check "$1: reaches datanode$i" wait_until 20 eval "hdfs dfsadmin -getBalancerBandwidth 127.0.0.1:$(node_port datanode$i dfs.datanode.ipc.address) 2>&1 | grep -q 7654320"
    done
    check "$1: a full report on demand, Apache's" hdfs dfsadmin -triggerBlockReport "127.0.0.1:$(node_port datanode0 dfs.datanode.ipc.address)"
    check "$1: a full report on demand, ours" hdfs dfsadmin -triggerBlockReport "127.0.0.1:$(node_port datanode2 dfs.datanode.ipc.address)"

    # The namenode dies and comes back: everybody registers again.
    end_node namenode KILL
    run_node "$1" namenode
    check "$1's namenode restarts: all register again" wait_until 60 live_are 4
    settle > /dev/null
    check "$1: out of safe mode" wait_until 60 eval '[[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]'
    check "$1: files are there" eval 'both_verify /apache-OAO 1400078 && both_verify /ours-OAO 1400078'

    # One kind leaves, the other takes its blocks.
    for which in apache ours; do
        local leaving=()
        for i in 0 1 2 3; do [[ $(kind_of $i) == "$which" ]] && leaving+=("$i"); done
        check "$1: two replicas of each" dfs -setrep -R 2 /
        for i in "${leaving[@]}"; do echo "127.0.0.1:$(node_port datanode$i dfs.datanode.address)"; done > "$exclude"
        check "$1: $which's datanodes are to leave" hdfs dfsadmin -refreshNodes
        check "$1: they are decommissioned" wait_until 60 eval '[[ $(hdfs dfsadmin -report | grep -c "Decommission Status : Decommissioned") == 2 ]]'
        for i in "${leaving[@]}"; do end_node datanode$i KILL; done
        check "$1: the others have it all" eval 'both_verify /apache-OAO 1400078 && both_verify /ours-OAO 1400078 && both_verify /one-A 300000 && both_verify /one-O 300000'
        : > "$exclude"
        check "$1: they may come back" hdfs dfsadmin -refreshNodes
        check "$1: they are back" eval 'for i in "${leaving[@]}"; do back datanode$i || break; done'
        check "$1: and in service" wait_until 20 eval '! hdfs dfsadmin -report | grep -q "Decommission Status : Decommission"'
    done
    check "$1: every block has its replicas" wait_until 60 all_replicas
}

check "our namenode is formatted" hdfs namenode --config "$NN_CONF" -format -nonInteractive
run_node ours namenode
for i in 0 1 2 3; do run_node "$(kind_of $i)" datanode$i; done
driver_start apache; driver_start ours
check "all four register with our namenode" wait_until 60 live_are 4
((failures == 0)) && suite ours
# The one datanode that has the block leads its recovery.
both_led() {
    local kind
    for kind in A O; do create_in_order ours /led-$kind $kind || return 1; done
    driver_end ours; driver_start ours
    for kind in A O; do ask apache recover /led-$kind > /dev/null; done
    for kind in A O; do wait_until 40 is_closed /led-$kind && both_verify /led-$kind 300000 || return 1; done
    [[ $(primaries) == "apache ours " ]] || { echo "only $(primaries)"; return 1; }
}
check "block recovery had primaries of both kinds" both_led

# The same directories under Apache's namenode.
end_node namenode
run_node apache namenode
check "Apache's NameNode takes over: all register" wait_until 60 live_are 4
check "it leaves safe mode" wait_until 60 eval '[[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]'
settle > /dev/null
check "the files are there" eval 'both_verify /apache-OAO 1400078 && both_verify /ours-OAO 1400078'
((failures == 0)) && suite apache
((failures == 0)) || for log in "$WORK"/mixed/*/log; do echo "# $log"; grep -vE ' (INFO|DEBUG) ' "$log" | tail -n 12 | cut -c 1-300 | sed 's/^/#   /'; done
[[ -n ${KEEP:-} ]] && { rm -rf "$KEEP"; cp -r "$WORK/mixed" "$KEEP"; }
finish
