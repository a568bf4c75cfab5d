#!/usr/bin/env bash
# The figures of benchmarks/results.md that concern starting up, memory and small files, ours beside Apache 3.5.0 in one run. Data on tmpfs.
#
#   benchmarks/figures.sh [ROUNDS]      default 5; prints a Markdown table of medians with minimum and maximum
. "$(dirname "$0")/../tests/lib/scenario.sh"
. "$ROOT/tests/interop/peer.sh"
rounds=${1:-5}
rm -rf "$WORK"; WORK=$(mktemp -d /dev/shm/tusk-figures.XXXXXX); CLUSTER=$WORK/cluster
peer_ready || exit 1
javac -nowarn -d "$PEER_CLASSES" -cp "$(<"$PEER_CP_FILE")" "$ROOT/benchmarks/java/SmallFiles.java" || exit 1

now_ms() { date +%s%3N; }
summary() { sort -n | awk '{v[NR] = $1} END {printf "%s (%s–%s)", v[int((NR + 1) / 2)], v[1], v[NR]}'; }
rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
timed() { # wall seconds and peak KiB of a command
    /usr/bin/time -f '%e %M' -o "$WORK/time" "$@" > /dev/null 2>&1; cat "$WORK/time"
}
wall_ms() { local s; s=$(date +%s%N); "$@" > /dev/null 2>&1; echo "$((($(date +%s%N) - s) / 1000))" | awk '{printf "%.1f\n", $1 / 1000}'; }

echo "| | Apache 3.5.0 | Tusk |"; echo "| --- | --- | --- |"

# --- a cluster of ours
for ((i = 0; i < rounds; i++)); do
    rm -rf "$CLUSTER" "$WORK/mini.out"; start=$(now_ms)
    hdfs mini --dir "$CLUSTER" --datanodes 3 > "$WORK/mini.out" 2> "$WORK/mini.err" & MINI_PID=$!
    until [[ -s $WORK/mini.out ]]; do kill -0 "$MINI_PID" || exit 1; sleep 0.005; done
    echo $(($(now_ms) - start)) >> "$WORK/mini_ready"
    sum=0; for pid_file in "$CLUSTER"/*/pid; do sum=$((sum + $(rss_kib "$(<"$pid_file")"))); done
    echo "$sum" | awk '{printf "%.1f\n", $1 / 1024}' >> "$WORK/mini_rss"
    rss_kib "$(<"$CLUSTER/namenode/pid")" | awk '{printf "%.1f\n", $1 / 1024}' >> "$WORK/nn_rss"
    if ((i < rounds - 1)); then kill "$MINI_PID"; wait "$MINI_PID"; MINI_PID=; fi
done
export HADOOP_CONF_DIR=$CLUSTER/conf
for ((i = 0; i < rounds * 4; i++)); do wall_ms dfs -ls / >> "$WORK/ls_ms"; timed dfs -ls / | awk '{printf "%.1f\n", $2 / 1024}' >> "$WORK/ls_mib"; done
for ((i = 0; i < rounds; i++)); do apache SmallFiles "$(cat "$WORK/mini.out")" 200 4096 | awk '{print $2}' >> "$WORK/small_ours"; done
cluster_stop
unset HADOOP_CONF_DIR
for ((i = 0; i < rounds; i++)); do # a namenode alone, on an empty namespace
    dir=$WORK/nn$i; read -r -a ports <<< "$(free_ports 2)"
    options=(-D "fs.defaultFS=hdfs://127.0.0.1:${ports[0]}" -D "dfs.namenode.name.dir=file://$dir" -D "dfs.namenode.http-address=127.0.0.1:${ports[1]}")
    hdfs namenode "${options[@]}" -format -nonInteractive > /dev/null 2>&1
    start=$(now_ms); hdfs namenode "${options[@]}" > "$WORK/nn.log" 2>&1 & pid=$!
    until (exec 3<> "/dev/tcp/127.0.0.1/${ports[0]}") 2>/dev/null; do kill -0 "$pid" || exit 1; sleep 0.002; done
    echo $(($(now_ms) - start)) >> "$WORK/nn_ready"; kill "$pid"; wait "$pid"
done

# --- a cluster of Apache's
start=$(now_ms); apache_cluster_start "$WORK/apache" 3 || exit 1; echo $(($(now_ms) - start)) >> "$WORK/apache_ready"
sum=0; for pid in "${APACHE_PIDS[@]}"; do sum=$((sum + $(rss_kib "$pid"))); done
echo "$sum" | awk '{printf "%.0f\n", $1 / 1024}' >> "$WORK/apache_rss"
rss_kib "${APACHE_PIDS[0]}" | awk '{printf "%.0f\n", $1 / 1024}' >> "$WORK/apache_nn_rss"
export HADOOP_CONF_DIR=$WORK/apache/nn
for ((i = 0; i < rounds; i++)); do
    apache() { (peer_java "$@"); }
    wall_ms apache org.apache.hadoop.fs.FsShell -ls / >> "$WORK/apache_ls_ms"
    CLASSPATH=$HADOOP_CONF_DIR:$(<"$PEER_CP_FILE") timed java org.apache.hadoop.fs.FsShell -ls / | awk '{printf "%.0f\n", $2 / 1024}' >> "$WORK/apache_ls_mib"
    apache SmallFiles "$APACHE_URI" 200 4096 | awk '{print $2}' >> "$WORK/small_apache"
done
apache_cluster_stop

row() { printf '| %s | %s | %s |\n' "$1" "$2" "$3"; }
row '`dfs -ls /`, wall, ms' "$(summary < "$WORK/apache_ls_ms")" "$(summary < "$WORK/ls_ms")"
row '`dfs -ls /`, peak memory, MiB' "$(summary < "$WORK/apache_ls_mib")" "$(summary < "$WORK/ls_mib")"
row 'namenode on an empty namespace accepts connections, ms' '' "$(summary < "$WORK/nn_ready")"
row 'namenode with three datanodes, resident, MiB' "$(summary < "$WORK/apache_nn_rss")" "$(summary < "$WORK/nn_rss")"
row 'cluster of three datanodes ready (Apache: all processes started at once), ms' "$(summary < "$WORK/apache_ready")" "$(summary < "$WORK/mini_ready")"
row 'the four daemons, resident in sum, MiB' "$(summary < "$WORK/apache_rss")" "$(summary < "$WORK/mini_rss")"
row '4 KiB file created, written, closed by the Java client, one thread, p50 ms' "$(summary < "$WORK/small_apache")" "$(summary < "$WORK/small_ours")"
