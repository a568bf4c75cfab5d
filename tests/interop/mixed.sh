# shellcheck shell=bash disable=SC2034
# A cluster whose daemons are Apache's or ours, each on a directory of its own that either can take; source it after peer.sh.
#
#   nodes_make COUNT       conf directories of a namenode and COUNT datanodes below $WORK/mixed, with ports; sets URI, NN_CONF
#   run_node KIND NAME     starts namenode, datanode0, …; KIND is ours or apache. NODE_PID[NAME], NODE_KIND[NAME]
#   end_node NAME [SIGNAL] ends it (default TERM) and waits
#   node_port NAME KEY     a port of its configuration
#   kind_at PORT           which kind has this data port: A (Apache) or O (ours)
#   driver_start KIND      a FileDriver process (tests/live/file_driver.c says what it understands)
#   ask KIND WORDS...      one line to it; prints its answer, fails on "error"
#   says KIND WORDS...     the same, quietly
declare -A NODE_PID NODE_KIND DRIVER_IN DRIVER_OUT DRIVER_PID
MIXED_EXTRA=() # NAME=VALUE for every configuration

nodes_make() {
    local ports i dir=$WORK/mixed
    NODE_COUNT=$1
    read -r -a ports <<< "$(free_ports $((2 + 3 * NODE_COUNT)))"
    NN_CONF=$dir/namenode; URI=hdfs://127.0.0.1:${ports[0]}; NN_HTTP=${ports[1]}
    mkdir -p "$dir"
    APACHE_NAME_DIR=$dir/namenode/name apache_conf "$NN_CONF" "${ports[0]}" "${ports[1]}"
    for ((i = 0; i < NODE_COUNT; i++)); do
        apache_conf "$dir/datanode$i" "${ports[0]}" "${ports[1]}" "${ports[2 + 3 * i]}" "${ports[3 + 3 * i]}" "${ports[4 + 3 * i]}" "$dir/datanode$i/data"
    done
    for i in "$dir"/*/hdfs-site.xml; do
        sed -i '/<\/configuration>/d' "$i"
        { apache_property dfs.heartbeat.interval 1
          apache_property dfs.namenode.heartbeat.recheck-interval 1000
          apache_property dfs.namenode.redundancy.interval.seconds 1
          apache_property dfs.client.block.write.replace-datanode-on-failure.min-replication 1
          apache_property dfs.namenode.decommission.interval 1
          apache_property dfs.namenode.avoid.write.stale.datanode true
          apache_property dfs.namenode.stale.datanode.interval 5000
          local pair
          for pair in "${MIXED_EXTRA[@]}"; do apache_property "${pair%%=*}" "${pair#*=}"; done
          echo '</configuration>'; } >> "$i"
    done
    for i in "$dir"/*/; do
        { cat "$PEER/hadoop/log4j.properties"
          for ports in DataNode BlockRecoveryWorker BPServiceActor BPOfferService; do echo "log4j.logger.org.apache.hadoop.hdfs.server.datanode.$ports=INFO"; done
        } > "$i/log4j.properties"
    done
    export URI HADOOP_CONF_DIR=$NN_CONF
}

node_port() { HADOOP_CONF_DIR=$WORK/mixed/$1 hdfs getconf -confKey "$2" | sed 's/.*://'; }

run_node() {
    local kind=$1 name=$2 dir=$WORK/mixed/$2 class=org.apache.hadoop.hdfs.server.datanode.DataNode program=datanode
    shift 2
    [[ $name == namenode ]] && { class=org.apache.hadoop.hdfs.server.namenode.NameNode; program=namenode; }
    if [[ $kind == ours ]]; then
        (HADOOP_CONF_DIR=$dir exec "$BUILD/bin/hdfs" "$program" --config "$dir" "$@") >> "$dir/log" 2>&1 < /dev/null &
    else
        (APACHE_CONF_DIR=$dir PEER_TIER=1 PEER_OPTS="${PEER_OPTS:-} -Xmx300m" peer_java "$class" "$@") >> "$dir/log" 2>&1 < /dev/null &
    fi
    NODE_PID[$name]=$!; NODE_KIND[$name]=$kind
    APACHE_PIDS+=($!)
}

registrations() { grep -c 'successfully registered with NN' "$WORK/mixed/$1/log"; }
has_registered() { (($(registrations "$1") > $2)); } # NAME COUNT_BEFORE

end_node() {
    local pid=${NODE_PID[$1]:-} other left=()
    [[ -n $pid ]] || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    for other in "${APACHE_PIDS[@]}"; do [[ $other == "$pid" ]] || left+=("$other"); done
    APACHE_PIDS=("${left[@]}"); unset "NODE_PID[$1]"
}

kind_at() {
    local i
    for ((i = 0; i < NODE_COUNT; i++)); do
        [[ ${NODE_PORT[$i]:=$(node_port "datanode$i" dfs.datanode.address)} == "$1" ]] || continue
        [[ ${NODE_KIND[datanode$i]} == ours ]] && echo O || echo A
    done
}
name_at() { local i; for ((i = 0; i < NODE_COUNT; i++)); do [[ ${NODE_PORT[$i]:=$(node_port "datanode$i" dfs.datanode.address)} == "$1" ]] && echo "datanode$i"; done; }
kinds_at() { local port text=; for port; do text+=$(kind_at "$port"); done; echo "$text"; }
NODE_PORT=()

driver_start() {
    local in out pipe=$WORK/driver-$1
    rm -f "$pipe.in" "$pipe.out"; mkfifo "$pipe.in" "$pipe.out"
    if [[ $1 == ours ]]; then
        (HADOOP_CONF_DIR=$NN_CONF exec "$BUILD/tests/live/file_driver" "$URI") < "$pipe.in" > "$pipe.out" 2> "$pipe.err" &
    else
        (APACHE_CONF_DIR=$NN_CONF PEER_TIER=1 peer_java FileDriver "$URI") < "$pipe.in" > "$pipe.out" 2> "$pipe.err" &
    fi
    DRIVER_PID[$1]=$!; APACHE_PIDS+=($!)
    exec {in}> "$pipe.in" {out}< "$pipe.out"
    DRIVER_IN[$1]=$in; DRIVER_OUT[$1]=$out
}

# It ends without closing files.
driver_end() {
    local in=${DRIVER_IN[$1]} out=${DRIVER_OUT[$1]}
    exec {in}>&- {out}<&-
    kill -9 "${DRIVER_PID[$1]}" # daemons that were started in between hold its pipe, too
    wait "${DRIVER_PID[$1]}" 2>/dev/null
}

ask() {
    local kind=$1 answer; shift
    printf '%s\n' "$*" >&"${DRIVER_IN[$kind]}"
    read -r -t 90 answer <&"${DRIVER_OUT[$kind]}" || answer="error the driver is silent: $(tail -n 3 "$WORK/driver-$kind.err")"
    [[ $answer == ok* ]] || { echo "$kind: $*: $answer"; return 1; }
    answer=${answer#ok}; echo "${answer# }"
}
says() { ask "$@" > "$WORK/said" || { cat "$WORK/said"; return 1; }; }

nn_jmx() { curl -sf "http://127.0.0.1:$NN_HTTP/jmx?qry=Hadoop:service=NameNode,name=$1"; }
live_are() { [[ $(nn_jmx FSNamesystemState | grep -oE '"NumLiveDataNodes" ?: ?[0-9]+' | grep -oE '[0-9]+$') == "$1" ]]; }
replicas_are() { hdfs fsck "$1" -files -blocks 2>/dev/null | grep -q "Live_repl=$2\b"; }
all_replicas() { local n; n=$(hdfs fsck / 2>/dev/null | sed -n 's/.*Under-replicated blocks:[^0-9]*\([0-9]*\).*/\1/p'); [[ $n == 0 ]]; }
