# shellcheck shell=bash
# For scenarios that hurt daemons of the cluster that cluster_start began. Source after scenario.sh.
#
#   daemon_kill NAME [SIGNAL]      default KILL; waits until the process is gone
#   daemon_run NAME [OPTION...]    starts it again, as `hdfs mini` did; the cluster's end ends it, too
#   daemon_ready NAME              whether its port accepts
#   daemon_conf NAME KEY           a value of its configuration
#   daemon_log NAME                what it logged since the last daemon_run
#   log_says NAME PATTERN          whether that holds it (grep -E)
#   live_datanodes, safe_mode_off  for wait_until
#
# NAME is namenode, datanode1, …
daemon_folder() { if [[ $1 == namenode ]]; then echo "$CLUSTER/conf"; else echo "$CLUSTER/$1/conf"; fi; }

daemon_alive() { kill -0 "$1" 2>/dev/null && [[ $(ps -o state= -p "$1") != Z* ]]; }

daemon_gone() { ! daemon_alive "$1"; }

daemon_kill() {
    local pid
    pid=$(daemon_pid "$1")
    kill "-${2:-KILL}" "$pid" 2>/dev/null
    wait_quick 30 daemon_gone "$pid"
}

daemon_run() {
    local name=$1; shift
    stat -c %s "$CLUSTER/$name/log" > "$CLUSTER/$name/log.start"
    HADOOP_CONF_DIR=$(daemon_folder "$name") "$BUILD/bin/hdfs" "${name%%[0-9]*}" --config "$(daemon_folder "$name")" "$@" \
        >> "$CLUSTER/$name/log" 2>&1 < /dev/null &
    echo $! > "$CLUSTER/$name/pid"
    disown
}

daemon_conf() { HADOOP_CONF_DIR=$(daemon_folder "$1") hdfs getconf -confKey "$2"; }

daemon_ready() {
    local key=dfs.datanode.address address
    [[ $1 == namenode ]] && key=dfs.namenode.rpc-address
    address=$(daemon_conf "$1" "$key")
    (exec 3<> "/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null
}

daemon_log() { tail -c "+$(($(cat "$CLUSTER/$1/log.start" 2>/dev/null || echo 0) + 1))" "$CLUSTER/$1/log"; }
log_says() { daemon_log "$1" | grep -qE -- "$2"; }

# Runs it to its end, which must come within 20 s: for starts that are refused. Its words, and its status.
daemon_refused() {
    local name=$1 rc; shift
    HADOOP_CONF_DIR=$(daemon_folder "$name") timeout -s KILL 20 "$BUILD/bin/hdfs" "${name%%[0-9]*}" --config "$(daemon_folder "$name")" "$@" 2>&1
    rc=$?
    ((rc != 137)) || { echo "$name runs"; return 0; }
    return $rc
}

live_datanodes() { [[ $(hdfs dfsadmin -report -live | grep -c '^Name: ') == "$1" ]]; }
safe_mode_off() { [[ $(hdfs dfsadmin -safemode get) == "Safe mode is OFF" ]]; }
cluster_is_up() { safe_mode_off && live_datanodes "$1"; }

wait_quick() { # as wait_until, looking more often
    local end=$((SECONDS + $(patience "$1"))); shift
    until "$@" > /dev/null 2>&1; do
        ((SECONDS >= end)) && return 1
        sleep 0.02
    done
}
