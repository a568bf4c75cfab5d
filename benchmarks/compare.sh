#!/usr/bin/env bash
# Ours and Apache Hadoop 3.5.0 side by side on this machine: the same configuration, the same load, data on tmpfs, in turns. Writes a Markdown table to
# $BUILD/compare.md and prints it. Wants a machine that does nothing else; `make bench` runs it.
#
#   ROUNDS=3      turns; the table has their median, least and greatest value
#   QUICK=1       one turn of a tenth of the load: whether everything runs, not for figures
#   PARTS="..."   only some of: limits names files jobs image
export TMPDIR=/dev/shm
. "$(dirname "$0")/../tests/lib/scenario.sh"
. "$ROOT/tests/interop/peer.sh"
PARTS=${PARTS:-limits names files jobs image}
BENCH=$BUILD/benchmarks
VALUES=$WORK/values
OUT=$BUILD/compare.md
if [[ -n ${QUICK:-} ]]; then
    ROUNDS=${ROUNDS:-1} files=10000 put_mib=128 job_mib=32 warm_files=5000 image_files=100000
else
    ROUNDS=${ROUNDS:-3} files=100000 put_mib=1024 job_mib=256 warm_files=100000 image_files=1000000
fi
PIDS=()                  # of all that must end with this script
declare -A NN ALL FS DIR # by side (apache, tusk): the namenode's pid, the cluster's pids with commas between, its address, its folder

say() { echo "# $(date -u +%T) $*" >&2; }
fail() { say "$*"; exit 1; }
scenario_end() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null; done
}
stop_pid() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
rss_mb() { awk '/^VmRSS/ {printf "%.1f\n", $2 * 1.024 / 1000}' "/proc/$1/status"; }
part() { [[ " $PARTS " == *" $1 "* ]]; }

put() { printf '%s\n' "$3" >> "$VALUES/$1.$2"; } # ROW SIDE VALUE

# --- both systems by the same words

# The JVM's own choice of collector and heap; Hadoop's scripts choose nothing either.
java_run() { # CONF CLASS ARGS...
    local opens=() module conf=$1; shift
    for module in java.lang java.io java.util java.net sun.nio.ch; do opens+=("--add-opens=java.base/$module=ALL-UNNAMED"); done
    CLASSPATH=$conf:$PEER/hadoop:$PEER_CLASSES:$(<"$PEER_CP_FILE") exec java "${opens[@]}" "$@"
}
daemon() { # SIDE namenode|datanode CONF [FORMAT OPTION...]
    local class=org.apache.hadoop.hdfs.server.namenode.NameNode
    [[ $2 == datanode ]] && class=org.apache.hadoop.hdfs.server.datanode.DataNode
    if [[ $1 == apache ]]; then (java_run "$3" "$class" "${@:4}"); else HADOOP_CONF_DIR=$3 hdfs "$2" "${@:4}"; fi
}
daemon_start() { # SIDE KIND CONF; its pid in STARTED
    local class=org.apache.hadoop.hdfs.server.namenode.NameNode
    [[ $2 == datanode ]] && class=org.apache.hadoop.hdfs.server.datanode.DataNode
    if [[ $1 == apache ]]; then java_run "$3" "$class" > "$3/log" 2>&1 & else HADOOP_CONF_DIR=$3 exec "$BUILD/bin/hdfs" "$2" > "$3/log" 2>&1 & fi
    STARTED=$!; PIDS+=("$STARTED")
}
answers() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null && timeout 5 "$BUILD/bin/dfs" -fs "hdfs://127.0.0.1:$1" -test -e / 2>/dev/null; }
live() { [[ $(hdfs dfsadmin -fs "$1" -report -live 2>/dev/null | grep -c '^Name: ') == 3 ]]; }

cluster() { # SIDE: a namenode and three datanodes
    local side=$1 ports i
    read -r -a ports <<< "$(free_ports 11)"
    DIR[$side]=$WORK/$side FS[$side]=hdfs://127.0.0.1:${ports[0]}
    apache_conf "${DIR[$side]}/nn" "${ports[0]}" "${ports[1]}"
    daemon "$side" namenode "${DIR[$side]}/nn" -format -nonInteractive > "${DIR[$side]}/format.log" 2>&1 || fail "$side: format: $(tail -n 3 "${DIR[$side]}/format.log")"
    daemon_start "$side" namenode "${DIR[$side]}/nn"; NN[$side]=$STARTED ALL[$side]=$STARTED
    for i in 0 1 2; do
        apache_conf "${DIR[$side]}/dn$i" "${ports[0]}" "${ports[1]}" "${ports[2 + 3 * i]}" "${ports[3 + 3 * i]}" "${ports[4 + 3 * i]}" "${DIR[$side]}/dn$i/data"
        daemon_start "$side" datanode "${DIR[$side]}/dn$i"; ALL[$side]+=,$STARTED
    done
    wait_until 120 live "${FS[$side]}" || fail "$side: the cluster did not start: $(tail -n 3 "${DIR[$side]}"/*/log)"
}

# --- the namenode

ALL_OPS=(create stat open list chmod mkdir rename delete)
nn_ops() { "$BENCH/nn_ops" --plain --fs "${FS[$1]}" --pid "${NN[$1]}" --files "$files" --ops "$files" "${@:2}" || fail "$1: nn_ops failed"; }
names_warm() { # Apache's just-in-time compiler needs a while
    say "$1: warming up: twice each operation on $warm_files names"
    files=$warm_files nn_ops "$1" "${ALL_OPS[@]}" "${ALL_OPS[@]}" > "$WORK/warm.$1"
}
names_round() { # SIDE
    local op conns flight rate p99 cpu own row
    { nn_ops "$1" "${ALL_OPS[@]}"; nn_ops "$1" --in-flight 1 create stat; } > "$WORK/names"
    while read -r op conns flight _ _ rate _ p99 _ cpu own; do
        row=$op.${conns}x$flight; put "$row.rate" "$1" "$rate"; put "$row.cpu" "$1" "$cpu"; put "$row.p99" "$1" "$p99"; put "$row.own" "$1" "$own"
    done < "$WORK/names"
}

# --- files

spend() { # ROW SIDE COMMAND...: wall time and CPU time of all processes
    local row=$1 side=$2 numbers
    numbers=$("$BENCH/spend" "${ALL[$side]}" -- "${@:3}" 2> "$WORK/spend.err") || fail "$row, $side: $(tail -n 3 "$WORK/spend.err")"
    put "$row.wall" "$side" "${numbers%% *}"
    put "$row.cpu" "$side" "$(awk '{print $2 + $3}' <<< "$numbers")"
    sleep 0.3
}
java_client() { (java_run "${DIR[$1]}/nn" "${@:2}"); }
export -f java_run
java_spent() { # ROW SIDE CLASS ARGS...
    local conf=${DIR[$2]}/nn; export PEER PEER_CLASSES PEER_CP_FILE
    spend "$1" "$2" bash -c 'java_run "$@"' _ "$conf" "${@:3}"
}
our_dfs() { echo "$BUILD/bin/dfs -fs ${FS[$1]}"; }
same() { cmp -s "$WORK/data" "$WORK/got" || fail "$1: what came back is not what was put"; rm -f "$WORK/got"; }
files_round() { # SIDE
    local ours; read -r -a ours <<< "$(our_dfs "$1")"
    java_spent put.java "$1" org.apache.hadoop.fs.FsShell -put "$WORK/data" /java
    java_spent get.java "$1" org.apache.hadoop.fs.FsShell -get /java "$WORK/got"; same "$1, Java"
    "${ours[@]}" -rm -skipTrash /java > /dev/null || fail "$1: rm"
    spend put.c "$1" "${ours[@]}" -put "$WORK/data" /c
    spend get.c "$1" "${ours[@]}" -get /c "$WORK/got"; same "$1, C"
    "${ours[@]}" -rm -skipTrash /c > /dev/null || fail "$1: rm"
    sleep 2 # the datanodes delete
}

# --- a job of Apache's own benchmark, its client on both

jobs_round() { # SIDE
    local what rate
    for what in write read; do
        rm -f "$WORK/dfsio"
        java_spent "dfsio.$what" "$1" org.apache.hadoop.fs.TestDFSIO "-$what" -nrFiles 4 -size "${job_mib}MB" -resFile "$WORK/dfsio"
        rate=$(awk '/Throughput mb\/sec/ {print $NF}' "$WORK/dfsio"); [[ -n $rate ]] || fail "$1: TestDFSIO said no throughput"
        put "dfsio.$what.rate" "$1" "$rate"
    done
    "$BUILD/bin/dfs" -fs "${FS[$1]}" -rm -r -skipTrash /benchmarks > /dev/null; sleep 2
}

# --- many empty files: memory, and the time to load their image

image_make() { # by our namenode; Apache's loads a copy
    local ports; read -r -a ports <<< "$(free_ports 2)"
    local fs=hdfs://127.0.0.1:${ports[0]} dir=$WORK/image pid
    apache_conf "$dir" "${ports[0]}" "${ports[1]}"
    daemon tusk namenode "$dir" -format -nonInteractive > "$dir/format.log" 2>&1 || fail "image: format"
    daemon_start tusk namenode "$dir"; pid=$STARTED
    wait_quick_answer "${ports[0]}"
    "$BENCH/nn_ops" --fs "$fs" --files "$image_files" --base /many --keep create > /dev/null || fail "image: create"
    put image.rss_made tusk "$(rss_mb "$pid")"
    { hdfs dfsadmin -fs "$fs" -safemode enter && hdfs dfsadmin -fs "$fs" -saveNamespace; } > /dev/null || fail "image: saveNamespace"
    stop_pid "$pid"
}
wait_quick_answer() { local end=$((SECONDS + 120)); until answers "$1"; do ((SECONDS < end)) || fail "no namenode at port $1"; sleep 0.02; done; }
image_round() { # SIDE
    local ports start pid dir=$WORK/image.$1 heap; read -r -a ports <<< "$(free_ports 2)"
    rm -rf "$dir"; mkdir -p "$dir"; cp -r "$WORK/image/name" "$dir/name"
    apache_conf "$dir" "${ports[0]}" "${ports[1]}"
    start=$(date +%s%N); daemon_start "$1" namenode "$dir"; pid=$STARTED
    wait_quick_answer "${ports[0]}"
    put image.ready "$1" "$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN {printf "%.2f\n", ns / 1e9}')"
    if [[ $1 == apache ]]; then
        # not /jmx, whose values are up to ten seconds old
        curl -sf "http://127.0.0.1:${ports[1]}/startupProgress" |
            python3 -c 'import json, sys; print(*["%.2f" % (p["elapsedTime"] / 1000) for p in json.load(sys.stdin)["phases"] if p["name"] == "LoadingFsImage"])' > "$WORK/load"
        put image.rss apache "$(rss_mb "$pid")"
        jcmd "$pid" GC.run > /dev/null; sleep 1
        heap=$(jcmd "$pid" GC.heap_info | awk 'match($0, /used [0-9]+K/) {print substr($0, RSTART + 5, RLENGTH - 6) * 1.024 / 1000; exit}')
        put image.memory apache "$heap"
    else
        sed -n 's/.*Loaded image for .* in \([0-9]*\) ms.*/\1/p' "$dir/log" | awk '{printf "%.2f\n", $1 / 1000}' > "$WORK/load"
        put image.rss tusk "$(rss_mb "$pid")"; put image.memory tusk "$(rss_mb "$pid")"
    fi
    [[ -s $WORK/load ]] || fail "$1: no time of loading"
    put image.load "$1" "$(<"$WORK/load")"
    stop_pid "$pid"; rm -rf "$dir"
}

# --- the table

summary() { # ROW SIDE: median (least–greatest)
    [[ -s $VALUES/$1.$2 ]] || { echo –; return; }
    sort -g "$VALUES/$1.$2" | awk '
        function short(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
        {v[NR] = $1} END {m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf((NR > 1 ? "%s (%s–%s)" : "%s"), short(m), short(v[1]), short(v[NR]))}'
}
median() { sort -g "$VALUES/$1.$2" | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
# line TEXT ROW more|less [TARGET]: more: greater is better. TARGET "5" is the factor by which ours must be better, "<=150" a limit for ours.
line() {
    local text=$1 row=$2 apache tusk factor verdict=
    [[ -s $VALUES/$row.tusk ]] || return
    tusk=$(median "$row" tusk); factor=–
    if [[ -s $VALUES/$row.apache ]]; then
        apache=$(median "$row" apache)
        factor=$(awk -v a="$apache" -v t="$tusk" -v more="$3" 'BEGIN {f = more == "more" ? t / (a ? a : 1e-9) : a / (t ? t : 1e-9); printf((f >= 10 ? "%.0f" : "%.2f"), f)}')
    fi
    case ${4:-} in
        '') ;;
        '<='*) verdict=$(awk -v t="$tusk" -v w="${4#<=}" 'BEGIN {print(t <= w ? "reached" : "**missed**")}') ;;
        *) verdict=$(awk -v f="$factor" -v w="$4" 'BEGIN {print(f + 0 >= w ? "reached" : "**missed**")}') ;;
    esac
    local target=${4:-}; case $target in '<='*) target="≤ ${target#<=}" ;; ?*) target="≥ $target ×" ;; esac
    printf '| %s | %s | %s | %s | %s | %s |\n' "$text" "$(summary "$row" apache)" "$(summary "$row" tusk)" "$factor" "$target" "$verdict"
}
heading() { compgen -G "$VALUES/$1*" > /dev/null && printf '| **%s** | | | | | |\n' "$2"; } # ROWS' BEGINNING, TEXT

table() {
    echo "Measured by \`benchmarks/compare.sh\` on $(date -u +%F) at $(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null): $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)),"
    echo "$(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo) GiB, Linux $(uname -r), $(java -version 2>&1 | head -n 1), load average before it $LOAD_BEFORE. $ROUNDS turns${QUICK:+ (quick: figures mean nothing)}; median (least–greatest)."
    echo "\"Factor\" is how many times better ours is; \"reached\" compares it with what we set ourselves."
    echo
    echo "| | Apache 3.5.0 | Tusk | factor | to reach | |"; echo "| --- | --- | --- | --- | --- | --- |"
    heading create. "Namenode, 16 connections × 16 calls in flight; operations/s, and µs of the namenode's CPU time for one"
    line "create + complete, ops/s" create.16x16.rate more 5; line "… CPU µs" create.16x16.cpu less 6
    line "stat, ops/s" stat.16x16.rate more 5; line "… CPU µs" stat.16x16.cpu less 6
    local op
    for op in open list mkdir chmod rename delete; do
        line "$op$([[ $op == list ]] && echo ' of 1000 entries'), ops/s" "$op.16x16.rate" more; line "… CPU µs" "$op.16x16.cpu" less
    done
    heading create. "Namenode, 16 connections × 1 call in flight"
    line "create + complete, ops/s" create.16x1.rate more 2; line "… CPU µs" create.16x1.cpu less 4
    line "stat, ops/s" stat.16x1.rate more 1.25; line "… CPU µs" stat.16x1.cpu less 4
    heading put. "Files of $put_mib MiB, three replicas; wall seconds, and CPU seconds of client, namenode and datanodes"
    line "put, each system's own shell, wall" put.own.wall less 4; line "… CPU" put.own.cpu less 4
    line "get, each system's own shell, wall" get.own.wall less 3; line "… CPU" get.own.cpu less 4
    line "put, Apache's shell on both, wall" put.java.wall less; line "… CPU" put.java.cpu less
    line "get, Apache's shell on both, wall" get.java.wall less; line "… CPU" get.java.cpu less
    line "put, our shell on both, wall" put.c.wall less; line "… CPU" put.c.cpu less
    line "get, our shell on both, wall" get.c.wall less; line "… CPU" get.c.cpu less
    heading dfsio. "TestDFSIO, 4 files of $job_mib MB, Apache's client on both"
    line "write, MB/s" dfsio.write.rate more 2.5; line "… CPU s" dfsio.write.cpu less
    line "read, MB/s" dfsio.read.rate more 1.3; line "… CPU s" dfsio.read.cpu less
    heading image. "$image_files empty files; the same image"
    line "memory, MB (Apache: live heap after a collection; ours: resident)" image.memory less '<=150'
    line "resident after loading, MB" image.rss less
    line "resident after making them, MB" image.rss_made less
    line "image loaded, s" image.load less '<=1'
    line "from exec to the first answer, s" image.ready less
    if [[ -s $WORK/limits ]]; then
        printf '\nWhat the machine does without any file system (`benchmarks/limits.c`), and what the load itself took:\n\n```\n'; cat "$WORK/limits"
        [[ -s $VALUES/stat.16x16.own.tusk ]] && echo "nn_ops, CPU us for one stat at 16x16 / 16x1     $(median stat.16x16.own tusk) / $(median stat.16x1.own tusk)"
        printf '```\n'
    fi
}
own_rows() { # each system's own shell: put.java of Apache's beside put.c of ours
    local what kind
    for what in put get; do for kind in wall cpu; do
        cp "$VALUES/$what.java.$kind.apache" "$VALUES/$what.own.$kind.apache"; cp "$VALUES/$what.c.$kind.tusk" "$VALUES/$what.own.$kind.tusk"
    done; done
}

# --- the run

LOAD_BEFORE=$(cut -d ' ' -f 1 /proc/loadavg)
mkdir -p "$VALUES"
peer_ready || fail "Apache Hadoop could not be fetched"
awk -v l="$LOAD_BEFORE" 'BEGIN {exit !(l > 0.5)}' && say "this machine is not quiet: load average $LOAD_BEFORE"
# Two clusters with three replicas of everything, and Apache's daemons.
awk -v need=$((put_mib * 9 + 2048)) '/^MemAvailable/ {exit !($2 / 1024 < need)}' /proc/meminfo && fail "not enough memory: $((put_mib * 9 + 2048)) MiB are needed"
part limits && { say "limits"; "$BENCH/limits" "$WORK" | tee "$WORK/limits" >&2; }
if part names || part files || part jobs; then
    say "starting both clusters"; cluster tusk; cluster apache
fi
if part names; then
    names_warm apache; names_warm tusk
    for ((round = 1; round <= ROUNDS; round++)); do for side in apache tusk; do say "names $round: $side"; names_round "$side"; done; done
fi
if part files; then
    head -c "$((put_mib << 20))" /dev/urandom > "$WORK/data"
    say "apache: warming up: one put and get"; files_round apache; rm -f "$VALUES"/{put,get}.*
    for ((round = 1; round <= ROUNDS; round++)); do for side in apache tusk; do say "files $round: $side"; files_round "$side"; done; done
    own_rows; rm -f "$WORK/data"
fi
if part jobs; then
    for ((round = 1; round <= ROUNDS; round++)); do for side in apache tusk; do say "jobs $round: $side"; jobs_round "$side"; done; done
fi
scenario_end; PIDS=()
if part image; then
    say "image of $image_files files"; image_make
    for ((round = 1; round <= ROUNDS; round++)); do for side in apache tusk; do say "image $round: $side"; image_round "$side"; done; done
fi
table | tee "$OUT"
say "the table is in $OUT"
