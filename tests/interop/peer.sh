# shellcheck shell=bash disable=SC2034
# An unmodified Apache Hadoop for test scripts; source it after tests/lib/scenario.sh.
#
#   peer_ready                      fetches what is missing (JDK, Maven, jars); a test that cannot is failed, not skipped
#   peer_other VERSION SOURCE...    after it, all of the following is done by the clients of that Hadoop; SOURCE are the classes of java/ to compile with it
#   apache CLASS ARGS...            runs a class with HADOOP_CONF_DIR, or APACHE_FS=hdfs://… as default file system
#   apache_shell                    reads commands from stdin, one a line (fields separated by tabs), runs them in one JVM through FsShell; for each it
#                                   leaves $WORK/shell/N.out, N.err and N.rc (N from 1)
#   tools_start [CONF_DIR]          a JVM that waits for tools to run; the script's end ends it
#   tool CLASS ARGS...              runs a class with a Tool in it there (short names: tool_class below): its output, its status. `tool @user CLASS …` as that user
#   apache_cluster_start DIR N      a NameNode and N DataNodes on free ports; sets APACHE_URI; APACHE_NAMENODE is another class
#   apache_cluster_stop DIR
PEER=${ROOT:?source tests/lib/scenario.sh first}/tests/interop
PEER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tusk-tests
APACHE_PIDS=()

peer_ready() {
    peer_fetch "$PEER/hadoop/pom.xml" "" "$PEER"/java/*.java
}

peer_other() {
    local version=$1; shift
    peer_fetch "$PEER/hadoop/client.xml" "$version" "${@/#/$PEER/java/}"
}

peer_fetch() { # pom, version or nothing, sources
    local sum source pom=$1 version=$2; shift 2
    sum=$version${version:+-}$(sha256sum "$pom" | cut -c 1-12)
    PEER_CP_FILE=$PEER_CACHE/classpath-$sum
    PEER_CLASSES=$PEER_CACHE/classes-$sum
    mkdir -p "$PEER_CLASSES"
    if [[ ! -s $PEER_CP_FILE ]] || ! first_jar_exists "$PEER_CP_FILE"; then
        mvn -q -B -f "$pom" ${version:+-Dhadoop.version="$version"} dependency:build-classpath -Dmdep.outputFile="$PEER_CP_FILE.tmp" >&2 || return 1
        mv "$PEER_CP_FILE.tmp" "$PEER_CP_FILE"
    fi
    for source in "$@"; do
        if [[ ! $PEER_CLASSES/$(basename "$source" .java).class -nt $source ]]; then
            javac -nowarn -d "$PEER_CLASSES" -cp "$(<"$PEER_CP_FILE")" "$source" >&2 || return 1
        fi
    done
}

# hadoop_test_file NAME DIR: a file of the resources of Hadoop's own tests, out of its jar of test sources
hadoop_test_file() {
    local jar=$PEER_CACHE/hadoop-hdfs-3.5.0-test-sources.jar
    [[ -s $jar ]] || mvn -q -B dependency:copy -Dartifact=org.apache.hadoop:hadoop-hdfs:3.5.0:jar:test-sources -DoutputDirectory="$PEER_CACHE" >&2 || return 1
    unzip -o -q "$jar" "$1" -d "$2"
}

first_jar_exists() { [[ -f $(cut -d : -f 1 "$1") ]]; }

peer_java() {
    local opens=() module
    for module in java.lang java.io java.util java.net sun.nio.ch; do opens+=("--add-opens=java.base/$module=ALL-UNNAMED"); done
    CLASSPATH=${APACHE_CONF_DIR:-${HADOOP_CONF_DIR:-}}:$PEER/hadoop:$PEER_CLASSES:$(<"$PEER_CP_FILE") \
        exec java "${opens[@]}" -XX:+UseSerialGC -XX:TieredStopAtLevel=${PEER_TIER:-4} ${PEER_OPTS:-} "$@"
}

apache() { (peer_java "$@"); }
apache_shell() { mkdir -p "$WORK/shell"; rm -f "$WORK"/shell/*; (PEER_TIER=1 peer_java ShellBatch "$WORK/shell" "$@"); }

tools_start() {
    tools_stop
    mkdir -p "$WORK/tools"; rm -f "$WORK"/tools/*; mkfifo "$WORK/tools/request" "$WORK/tools/answer"
    (APACHE_CONF_DIR=${1:-$HADOOP_CONF_DIR} peer_java ToolServer "$WORK/tools") < /dev/null > "$WORK/tools.log" 2>&1 & TOOLS_PID=$!
    exec 8<> "$WORK/tools/request" 9<> "$WORK/tools/answer"
}

tools_stop() { [[ -z ${TOOLS_PID:-} ]] || { kill "$TOOLS_PID" 2>/dev/null; wait "$TOOLS_PID" 2>/dev/null; }; TOOLS_PID=; }

tool_class() {
    case $1 in
        *.*) echo "$1" ;;
        FsShell) echo org.apache.hadoop.fs.FsShell ;;
        DFSAdmin | DebugAdmin | DFSck | GetGroups | StoragePolicyAdmin | GetConf | ECAdmin | CacheAdmin | CryptoAdmin) echo "org.apache.hadoop.hdfs.tools.$1" ;;
        Balancer) echo 'org.apache.hadoop.hdfs.server.balancer.Balancer$Cli' ;;
        Mover) echo 'org.apache.hadoop.hdfs.server.mover.Mover$Cli' ;;
        DistCp) echo org.apache.hadoop.tools.DistCp ;;
        NNThroughputBenchmark) echo org.apache.hadoop.hdfs.server.namenode.NNThroughputBenchmark ;;
        TestDFSIO) echo org.apache.hadoop.fs.TestDFSIO ;;
        TeraGen | TeraSort | TeraValidate) echo "org.apache.hadoop.examples.terasort.$1" ;;
        *) echo "$1" ;;
    esac
}

tool() {
    local words=() rc
    if [[ $1 == @* ]]; then words=("$1"); shift; fi
    words+=("$(tool_class "$1")"); shift; words+=("$@")
    (IFS=$'\t'; printf '%s\n' "${words[*]}") >&8
    while ! read -r -t 5 rc <&9; do
        kill -0 "$TOOLS_PID" 2>/dev/null || { cat "$WORK/tools.log" >&2; return 125; }
    done
    cat "$WORK/tools/out"; cat "$WORK/tools/err" >&2
    return "$((rc & 255))"
}

free_ports() { # N distinct free ports on 127.0.0.1
    python3 - "$1" <<'PY'
import random, socket, sys
try:
    limit = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
except OSError:
    limit = 32768
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try: # below the ports of outgoing connections, which could take one while its daemon is down
        s.bind(("127.0.0.1", random.randrange(10240, limit) if limit > 12000 else 0))
    except OSError:
        continue
    held.append(s)
print(*[s.getsockname()[1] for s in held])
PY
}

apache_property() { printf '<property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }

# apache_conf DIR NN_PORT NN_HTTP_PORT [DN_PORT DN_IPC DN_HTTP DATA]: writes core-site.xml and hdfs-site.xml into DIR
apache_conf() {
    mkdir -p "$1"
    { echo '<configuration>'; apache_property fs.defaultFS "hdfs://127.0.0.1:$2"; apache_property hadoop.tmp.dir "$1/tmp"; echo '</configuration>'; } > "$1/core-site.xml"
    { echo '<configuration>'
      apache_property dfs.namenode.name.dir "file://${APACHE_NAME_DIR:-$1/name}"
      apache_property dfs.namenode.http-address "127.0.0.1:$3"
      apache_property dfs.namenode.datanode.registration.ip-hostname-check false
      apache_property dfs.namenode.fs-limits.min-block-size 0
      apache_property dfs.permissions.superusergroup "$(id -gn)"
      apache_property dfs.namenode.safemode.extension 0
      if [[ -n ${4:-} ]]; then
          apache_property dfs.datanode.address "127.0.0.1:$4"
          apache_property dfs.datanode.ipc.address "127.0.0.1:$5"
          apache_property dfs.datanode.http.address "127.0.0.1:$6"
          apache_property dfs.datanode.data.dir "file://$7"
      fi
      echo '</configuration>'; } > "$1/hdfs-site.xml"
}

# apache_daemon NAME CONF CLASS: starts a daemon, its pid in APACHE_PIDS and $CONF/pid, its log in $CONF/log
apache_daemon() {
    (APACHE_CONF_DIR=$1 PEER_OPTS="${PEER_OPTS:-} -Xmx512m" peer_java "$2") > "$1/log" 2>&1 &
    echo $! > "$1/pid"; APACHE_PIDS+=($!)
}

apache_live_datanodes() {
    local live
    live=$(curl -sf "http://127.0.0.1:$1/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" | grep -o '"NumLiveDataNodes" : [0-9]*' | grep -o '[0-9]*$')
    [[ ${live:-0} -ge $2 ]]
}

apache_cluster_start() {
    local dir=$1 datanodes=$2 i ports
    read -r -a ports <<< "$(free_ports $((2 + 3 * datanodes)))"
    APACHE_URI=hdfs://127.0.0.1:${ports[0]}; APACHE_HTTP=${ports[1]}
    apache_conf "$dir/nn" "${ports[0]}" "${ports[1]}"
    [[ -d $dir/nn/name ]] || APACHE_CONF_DIR=$dir/nn apache org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive > "$dir/format.log" 2>&1 || return 1
    apache_daemon "$dir/nn" "${APACHE_NAMENODE:-org.apache.hadoop.hdfs.server.namenode.NameNode}"
    for ((i = 0; i < datanodes; i++)); do
        mkdir -p "$dir/dn$i"
        apache_conf "$dir/dn$i" "${ports[0]}" "${ports[1]}" "${ports[2 + 3 * i]}" "${ports[3 + 3 * i]}" "${ports[4 + 3 * i]}" "$dir/dn$i/data"
        apache_daemon "$dir/dn$i" org.apache.hadoop.hdfs.server.datanode.DataNode
    done
    wait_until 60 apache_live_datanodes "$APACHE_HTTP" "$datanodes" || { tail -n 20 "$dir"/*/log | sed 's/^/# /'; return 1; }
}

apache_cluster_stop() {
    local pid
    for pid in "${APACHE_PIDS[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${APACHE_PIDS[@]}"; do wait "$pid" 2>/dev/null; done
    APACHE_PIDS=()
}

scenario_end() { tools_stop; ((${#APACHE_PIDS[@]} == 0)) || apache_cluster_stop; }
