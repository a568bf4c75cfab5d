#!/usr/bin/env bash
# Apache's client writing over our datanodes, and ours over Apache's, while one of the pipeline is killed; hsync with its flags; both clients read along.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
. "$(dirname "$0")/mixed.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
MIXED_EXTRA=(dfs.client.socket-timeout=20000)
nodes_make 4
both_verify() { ask ours verify "$1" "$2" && ask apache verify "$1" "$2"; }
blocks_are() { [[ $(hdfs fsck "$1" -files -blocks -openforwrite 2> /dev/null | grep -cE '^[0-9]+\. ') == "$2" ]]; }

begin() { ask "$1" create "$2" 3 1048576 && ask "$1" write "$2" 300000 && ask "$1" hflush "$2"; }
go_on() { ask "$1" write "$2" 1500001 && ask "$1" hflush "$2"; }
back() { local n; n=$(registrations "$2"); run_node "$1" "$2"; wait_until 60 has_registered "$2" "$n" && wait_until 60 live_are 4; }
dies_under() { # WRITER KIND PLACE
    local file=/$1-$2-$3 ports victim
    check "$1 writes over $2's datanodes" begin "$1" "$file"
    read -r -a ports <<< "$(ask "$1" pipeline "$file")"
    check "$1, $2: what is flushed is seen by both" both_verify "$file" 300000
    victim=$(name_at "${ports[$3]}")
    end_node "$victim" KILL
    check "$1, $2: datanode $3 of its pipeline is killed, it goes on" go_on "$1" "$file"
    check "$1, $2: all that was flushed is seen by both" both_verify "$file" 1800001
    check "$1, $2: it closes" ask "$1" close "$file"
    check "$1, $2: the bytes are whole" both_verify "$file" 1800001
    check "$1, $2: it comes back" back "$2" "$victim"
    check "$1, $2: it appends" eval "ask $1 append $file && ask $1 write $file 100000 && ask $1 hflush $file"
    check "$1, $2: seen before the end" both_verify "$file" 1900001
    check "$1, $2: and after it" eval "ask $1 close $file && both_verify $file 1900001"
}
sync_flags() { # WRITER KIND
    local file=/sync-$1-$2
    check "$1, $2: hsync with UPDATE_LENGTH" eval "ask $1 create $file 3 1048576 && ask $1 write $file 1001 && ask $1 hsync $file 1"
    check_equal "$1, $2: the namenode knows the length" 1001 "$(dfs -stat %b "$file")"
    check "$1, $2: hsync without" eval "ask $1 write $file 99 && ask $1 hsync $file"
    check_equal "$1, $2: it does not, but readers do" 1001 "$(dfs -stat %b "$file")"
    check "$1, $2: they do" both_verify "$file" 1100
    check "$1, $2: END_BLOCK" eval "ask $1 write $file 900 && ask $1 hsync $file 2"
    check "$1, $2: END_BLOCK with nothing new" ask "$1" hsync "$file" 2
    check "$1, $2: what follows is another block" eval "ask $1 write $file 500 && ask $1 hsync $file 3"
    check_equal "$1, $2: all of it is known" 2500 "$(dfs -stat %b "$file")"
    check "$1, $2: and closes" eval "ask $1 write $file 1 && ask $1 close $file && both_verify $file 2501"
    check "$1, $2: three blocks" blocks_are "$file" 3
}

check "our namenode is formatted" hdfs namenode --config "$NN_CONF" -format -nonInteractive
run_node ours namenode
for i in 0 1 2 3; do run_node ours datanode$i; done
driver_start apache; driver_start ours
check "our datanodes register" wait_until 60 live_are 4
sync_flags ours ours
sync_flags apache ours
dies_under apache ours 0
dies_under apache ours 1
for i in 0 1 2 3; do end_node datanode$i; done
for i in 0 1 2 3; do before[i]=$(registrations datanode$i); run_node apache datanode$i; done
registered() { local i; for i in 0 1 2 3; do has_registered datanode$i "${before[i]}" || return 1; done; }
check "Apache's DataNodes take over their disks" wait_until 60 registered
check "all four" wait_until 60 live_are 4
sync_flags apache apache
sync_flags ours apache
dies_under ours apache 0
dies_under ours apache 1
finish
