#!/usr/bin/env bash
# Bad bytes on the ports, bad states on the disks: a clear error each time, nothing lost, no crash, no hang.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
lib=$(dirname "${BASH_SOURCE[0]}")/../lib
mounts=()
scenario_end() { for mount in "${mounts[@]}"; do umount -l "$mount" 2>/dev/null; done; }
cluster_start --datanodes 2 -D dfs.heartbeat.interval=1 -D dfs.namenode.num.checkpoints.retained=3 \
    -D dfs.namenode.replication.considerLoad=false || finish
hdfs() { timeout 60 "$BUILD/bin/hdfs" "$@"; }
dfs() { timeout 60 "$BUILD/bin/dfs" "$@"; }
export -f hdfs dfs; export BUILD
echo kept > "$WORK/kept"
check "a file that must outlive all of this" dfs -put "$WORK/kept" /kept
kept_is_there() { [[ $(dfs -cat /kept) == kept ]]; }
port_of() { local address; address=$(daemon_conf "$1" "$2"); echo "${address##*:}"; }
says() { grep -qE -- "$1" "$WORK/out" || { cat "$WORK/out"; return 1; }; }
fails_saying() { # PATTERN COMMAND...
    local pattern=$1; shift
    if "$@" > "$WORK/out" 2>&1; then echo "it succeeded"; cat "$WORK/out"; return 1; fi
    says "$pattern"
}

# ---- bytes on ports ----
rpc=$(port_of namenode dfs.namenode.rpc-address)
before="$(daemon_pid namenode) $(daemon_pid datanode1)"
if command -v python3 > /dev/null; then
    check "bad frames on the namenode's port" timeout 60 python3 "$lib/bad_frames.py" rpc 127.0.0.1 "$rpc"
    check "bad frames on a datanode's IPC port" timeout 60 python3 "$lib/bad_frames.py" ipc 127.0.0.1 "$(port_of datanode1 dfs.datanode.ipc.address)"
    check "bad frames on a datanode's data port" timeout 60 python3 "$lib/bad_frames.py" data 127.0.0.1 "$(port_of datanode1 dfs.datanode.address)"
else
    skip "bad frames" "no python3"
fi
http_answer() { exec 3<> "/dev/tcp/127.0.0.1/$rpc"; printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' >&3; timeout 5 cat <&3 > "$WORK/out"; exec 3>&-; }
http_answer
check "HTTP on the RPC port is told so, as by Hadoop" says '^HTTP/1.1 404 Not Found'
check "with its sentence" says 'It looks like you are making an HTTP request to a Hadoop IPC port'
alive() { for pid in $before; do daemon_alive "$pid" || return 1; done; }
check "the daemons are still the same" alive
check "and serve" kept_is_there

# ---- starts that are refused ----
namenode_with() { timeout 20 hdfs namenode --config "$CLUSTER/conf" "$@"; }
name=$CLUSTER/namenode/name
free="-D dfs.namenode.rpc-address=127.0.0.1:0 -D dfs.namenode.http-address=127.0.0.1:0"
# shellcheck disable=SC2086
check "a name directory in use" fails_saying 'Cannot lock storage.*already locked' namenode_with $free
check "a name directory that was never formatted" fails_saying 'NameNode is not formatted' \
    bash -c "mkdir -p '$WORK/empty' && timeout 20 hdfs namenode --config '$CLUSTER/conf' $free -D dfs.namenode.name.dir=file://$WORK/empty"
check "a name directory that is not there" fails_saying "$WORK/nowhere.*does not exist" \
    bash -c "timeout 20 hdfs namenode --config '$CLUSTER/conf' $free -D dfs.namenode.name.dir=file://$WORK/nowhere"
check "formatting what is in use is refused" fails_saying 'already locked|in use' namenode_with -format -force
daemon_kill namenode
cp -r "$name" "$WORK/name.good"
check "a port in use" fails_saying "Address already in use|in use" bash -c "
    exec timeout 20 hdfs namenode --config '$CLUSTER/conf' -D dfs.namenode.rpc-address=127.0.0.1:$(port_of datanode1 dfs.datanode.address)"
sed -i 's/^layoutVersion=.*/layoutVersion=-99/' "$name/current/VERSION"
check "a newer layout" fails_saying 'Unexpected version of storage directory .*Reported: -99. Expecting = -' daemon_refused namenode
cp "$WORK/name.good/current/VERSION" "$name/current/VERSION"
truncate -s 0 "$name/current/VERSION"
check "an empty VERSION" fails_saying 'VERSION' daemon_refused namenode
cp "$WORK/name.good/current/VERSION" "$name/current/VERSION"

# ---- damaged edits and images ----
restore() { daemon_kill namenode; rm -rf "$name"; cp -r "$WORK/name.good" "$name"; rm -f "$name/in_use.lock"; }
up() { daemon_run namenode; wait_quick 20 daemon_ready namenode && wait_quick 30 safe_mode_off && "$@"; }
restore
check "starts after kill -9" up kept_is_there
for i in 1 2 3; do dfs -mkdir "/dir$i"; done
daemon_kill namenode
rm -rf "$WORK/name.good"; cp -r "$name" "$WORK/name.good"
segment() { find "$name/current" -name 'edits_inprogress_*'; }
file=$(segment)
end=$(($(grep -obUaP '/dir3' "$file" | tail -n 1 | cut -d : -f 1) + 5)) # within the record of /dir3
dirs() { dfs -ls / | awk '$8 ~ /^\/dir/ {print substr($8, 5)}' | tr -d '\n'; }
check_dirs() { local got; got=$(dirs); echo "$got"; [[ $got == "$1" ]]; }
torn() { # CUT APPENDED WANT
    restore
    if [[ $1 != - ]]; then truncate -s "$1" "$(segment)"; fi
    printf '%b' "$2" >> "$(segment)"
    up kept_is_there && check_dirs "$3"
}
check "a tail cut inside a record: what was before it is there" torn "$end" '' 12
check "a tail cut inside a record's head" torn $((end - 26)) '' 12
check "a tail with half a record after the last" torn - '\x09\x00\x00\x00\x50\x00' 123
check "a tail of zeros" torn - '\x00\x00\x00\x00\x00\x00\x00\x00' 123
check "a tail of padding" torn - '\xff\xff\xff\xff\xff\xff' 123
check "edits are rolled" bash -c 'hdfs dfsadmin -rollEdits && dfs -mkdir /dir4'
daemon_kill namenode
cp -r "$name" "$WORK/name.rolled"
fresh() { # SIZE of the new segment
    restore; rm -rf "$name"; cp -r "$WORK/name.rolled" "$name"; rm -f "$name/in_use.lock"
    truncate -s "$1" "$(segment)"
    echo 1 > "$name/current/seen_txid" # it is written after the segment's first record is on the disk
    up kept_is_there && check_dirs 123
}
check "a fresh segment without a byte" fresh 0
check "a fresh segment with half its head" fresh 3
check "a fresh segment with a head only" fresh 8

restore
first=$(grep -obUaP '/dir1' "$(segment)" | head -n 1 | cut -d : -f 1)
printf '\x55' | dd of="$(segment)" bs=1 seek=$((first + 1)) conv=notrunc 2> /dev/null
check "a byte that is wrong in the middle: refused" fails_saying "edits_inprogress_0*[0-9]+" daemon_refused namenode
check "with the offset" says 'offset|position|at byte'
check "and what to do" says 'recover|restore|copy|backup'
restore
check "the undamaged copy starts" up kept_is_there

check "saveNamespace" bash -c 'hdfs dfsadmin -safemode enter && hdfs dfsadmin -saveNamespace && hdfs dfsadmin -safemode leave'
dfs -mkdir /dir4
check "saveNamespace again" bash -c 'hdfs dfsadmin -safemode enter && hdfs dfsadmin -saveNamespace && hdfs dfsadmin -safemode leave'
dfs -mkdir /dir5
daemon_kill namenode
image=$(find "$name/current" -name 'fsimage_*' ! -name '*.md5' | sort | tail -n 1)
printf '\x00\x01\x02' | dd of="$image" bs=1 seek=$(($(stat -c %s "$image") / 2)) conv=notrunc 2> /dev/null
check "a damaged image: the one before it and the edits" up kept_is_there
check_equal "nothing is missing" 12345 "$(dirs)"
check "and the log names it" log_says namenode "$(basename "$image")"

# ---- datanodes ----
daemon_kill datanode2
sed -i 's/^clusterID=.*/clusterID=CID-of-another/' "$CLUSTER/datanode2/data/current/VERSION"
check "a datanode of another cluster" fails_saying 'Incompatible clusterIDs' daemon_refused datanode2
sed -i "s/^clusterID=.*/$(grep clusterID "$name/current/VERSION")/" "$CLUSTER/datanode2/data/current/VERSION"
printf 'more\n' > "$WORK/more"
daemon_run datanode2
check "it is back with its right id" wait_until 20 live_datanodes 2
daemon_kill datanode2
daemon_kill datanode1
dfs -mkdir /none
write_none() { dfs -D dfs.client.block.write.locateFollowingBlock.retries=0 -put -f "$WORK/more" /none/more; }
check "datanodes that are gone: a clear error" fails_saying 'could only be written to 0 of the 1 minReplication nodes|All datanodes|Unable to create new block' write_none
daemon_kill namenode; daemon_run namenode; wait_quick 20 daemon_ready namenode
hdfs dfsadmin -safemode forceExit > /dev/null 2>&1
check "no datanode: Apache's words" fails_saying 'could only be written to 0 of the 1 minReplication nodes. There are 0 datanode\(s\) running and 0 node\(s\) are excluded' write_none
daemon_run datanode1; daemon_run datanode2
check "all come back" wait_until 30 live_datanodes 2
check "and the file is there" wait_until 20 kept_is_there

# ---- disks ----
restart() { # NAME OPTION...
    daemon_kill "$1"; daemon_run "$@"
    if [[ $1 != namenode ]] || wait_quick 20 daemon_ready namenode; then
        wait_until 30 cluster_is_up "${LIVE:-2}" && return
    fi
    echo "$* does not come up; its log:"; daemon_log "$1" | tail -n 15
    [[ $1 == namenode ]] || { echo "the namenode's:"; daemon_log namenode | tail -n 5; }
    return 1
}
for i in 1 2; do port_of "datanode$i" dfs.datanode.address; done | sed 's/^/127.0.0.1:/' > "$WORK/exclude"
check "all datanodes are excluded" restart namenode -D "dfs.hosts.exclude=$WORK/exclude"
check "then a write says so" fails_saying 'could only be written to 0 of the 1 minReplication nodes. There are [0-9]+ datanode\(s\) running and' write_none
check "reading goes on" kept_is_there

second=$WORK/name2; mkdir "$second"
two="-D dfs.namenode.name.dir=file://$name,file://$second"
# shellcheck disable=SC2086
check "a second name directory is taken up" restart namenode $two
check "and filled" bash -c 'hdfs dfsadmin -safemode enter && hdfs dfsadmin -saveNamespace && hdfs dfsadmin -safemode leave && dfs -mkdir /second'
check "it holds the image" bash -c "compgen -G '$second/current/fsimage_*.md5'"
rm -rf "$second"
check "it vanishes: edits go on in the other" bash -c 'hdfs dfsadmin -rollEdits; dfs -mkdir /third && dfs -test -d /third'
check "and the log says which failed" wait_until 10 log_says namenode "$second"
# shellcheck disable=SC2086
check "a start without it is refused" fails_saying "$second.*does not exist" bash -c "timeout 20 hdfs namenode --config '$CLUSTER/conf' $free -D dfs.namenode.name.dir=file://$second"
check "with the other alone nothing is lost" restart namenode
check "the last edit is there" dfs -test -d /third

mkdir "$WORK/small"
if mount -t tmpfs -o size=6m tmpfs "$WORK/small" 2> /dev/null; then
    mounts+=("$WORK/small")
    fill() { dd if=/dev/zero of="$WORK/small/fill" bs=64k > /dev/null 2>&1; :; }
    head -c 12000000 /dev/urandom > "$WORK/big"
    mkdir "$WORK/small/data"
    daemon_kill datanode1
    daemon_kill datanode2; daemon_run datanode2 -D "dfs.datanode.data.dir=file://$WORK/small/data"
    LIVE=1
    restart_quiet() { daemon_kill namenode; daemon_run namenode; wait_quick 20 daemon_ready namenode; hdfs dfsadmin -safemode forceExit; wait_until 20 live_datanodes 1; }
    check "only a datanode with a small disk" restart_quiet
    put_small() { dfs -D dfs.blocksize=1048576 -D dfs.replication=1 -D dfs.client.block.write.locateFollowingBlock.retries=1 -put -f "$1" "$2"; }
    head -c 500000 "$WORK/big" > "$WORK/half"
    check "what fits is written" put_small "$WORK/half" /none/half
    check "what does not fit is refused" fails_saying 'could only be written to 0 of the 1 minReplication nodes|No space left on device|Out of space|out of space|All datanodes' put_small "$WORK/big" /none/big
    check "what was there before is whole" bash -c "dfs -cat /none/half | cmp - '$WORK/half'"
    check "the datanode still serves" daemon_alive "$(daemon_pid datanode2)"
    daemon_kill datanode2; daemon_run datanode1; daemon_run datanode2
    LIVE=2
    check "with its own disk again" restart namenode
    rm -rf "$WORK/small/data"
    cp -r "$name" "$WORK/small/name"
    check "a namenode on the small disk" restart namenode -D "dfs.namenode.name.dir=file://$WORK/small/name" -D dfs.namenode.resource.du.reserved=0
    check "writes there" dfs -mkdir /full
    fill
    : > "$WORK/acknowledged"
    many_mkdirs() {
        local i
        for i in $(seq 100); do
            dfs -mkdir -p "/full/$i-$(printf 'x%.0s' {1..200})/"{1..60}"$(printf 'y%.0s' {1..200})" > "$WORK/out" 2>&1 || return 1
            echo "/full/$i-$(printf 'x%.0s' {1..200})" >> "$WORK/acknowledged"
        done
    }
    check_fails "its disk is full: in the end edits are refused" many_mkdirs
    check "with a reason" says 'safe mode|Safe mode|No space left|journal|Connection refused|EOFException|closed the connection'
    check "the log names the folder" log_says namenode "$WORK/small/name.*(No space left|space)"
    rm "$WORK/small/fill"
    daemon_kill namenode
    check "with space again it starts" restart namenode -D "dfs.namenode.name.dir=file://$WORK/small/name" -D dfs.namenode.resource.du.reserved=0
    all_acknowledged() { local i; dfs -ls /full | awk '{print $8}' > "$WORK/listed"; while read -r i; do grep -qxF "$i" "$WORK/listed" || return 1; done < "$WORK/acknowledged"; }
    check "and has all it acknowledged" all_acknowledged
    echo "# $(wc -l < "$WORK/acknowledged") calls acknowledged"
    check "back to the old disk" restart namenode
else
    skip "full disks" "no tmpfs can be mounted here"
fi

data=$CLUSTER/datanode2/data
two="-D dfs.datanode.data.dir=file://$data,file://$CLUSTER/datanode2/data2"
# shellcheck disable=SC2086
check "a datanode with two folders" restart datanode2 $two
for i in 1 2 3 4; do dfs -put "$WORK/more" "/none/n$i"; done
daemon_kill datanode2
printf 'garbage\n' > "$CLUSTER/datanode2/data2/current/VERSION"
# shellcheck disable=SC2086
check "one is damaged: refused, as no failure is tolerated" fails_saying "data2|Too many failed volumes" daemon_refused datanode2 $two -D dfs.datanode.failed.volumes.tolerated=0
# shellcheck disable=SC2086
check "with one tolerated it serves the other" restart datanode2 $two -D dfs.datanode.failed.volumes.tolerated=1
check "and says which is out" log_says datanode2 'data2'
read_all() { local i; for i in 1 2 3 4; do [[ $(dfs -cat "/none/n$i") == more ]] || return 1; done; kept_is_there; }
check "all files are whole" read_all
check "the cluster stops in order" cluster_stop
finish
