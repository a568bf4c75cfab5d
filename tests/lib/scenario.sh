# shellcheck shell=bash disable=SC2034
# For test scripts: a cluster of their own, TAP lines, and nothing left behind. Source it first.
#
#   BUILD            folder of the build (default: build)
#   hdfs, dfs        functions: our programs on this script's cluster
#   cluster_start    starts `hdfs mini`; further arguments go to it. Sets URI, CLUSTER (its folder), MINI_PID
#   cluster_stop     ends it in order; the data stays
#   check "text" command...    one test: passes when the command succeeds
#   check_fails "text" command...
#   check_equal "text" WANT GOT
#   wait_until SECONDS command...
#   finish           the plan line; the script's status
#
# With SAN (make check SAN=...) the programs are sanitized ones: what they report fails the script, wherever it was said.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
export PATH=$BUILD/bin:$PATH
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tusk-scenario.XXXXXX")
CLUSTER=$WORK/cluster
MINI_PID=
PATIENCE=${SAN:+3} # sanitized programs take several times as long
PATIENCE=${PATIENCE:-1}
tests=0
failures=0
if [[ -n ${SAN:-} ]]; then
    . "$ROOT/tests/sanitizers/options.sh"
    sanitizer_log "$WORK/sanitizer"
fi
unset HADOOP_CONF_DIR HADOOP_USER_NAME

scenario_cleanup() {
    local rc=$?
    [[ -n $MINI_PID ]] && kill "$MINI_PID" 2>/dev/null && wait "$MINI_PID" 2>/dev/null
    for pid_file in "$CLUSTER"/*/pid; do # a daemon that outlived its parent
        [[ -f $pid_file ]] && kill -9 "$(<"$pid_file")" 2>/dev/null
    done
    type -t scenario_end >/dev/null && scenario_end
    rm -rf "$WORK"
    exit "$rc"
}
trap scenario_cleanup EXIT
trap 'exit 143' TERM INT

cluster_start() {
    mkdir -p "$CLUSTER"
    : > "$WORK/mini.out"
    hdfs mini --dir "$CLUSTER" "$@" > "$WORK/mini.out" 2> "$WORK/mini.err" &
    MINI_PID=$!
    for _ in $(seq 1200); do
        URI=$(grep -m 1 '^hdfs://' "$WORK/mini.out") && break
        if ! kill -0 "$MINI_PID" 2>/dev/null; then break; fi
        sleep 0.05
    done
    if [[ -z ${URI:-} ]]; then
        echo "# the cluster did not start:"; sed 's/^/# /' "$WORK/mini.err"; tail -n 20 "$CLUSTER"/*/log 2>/dev/null | sed 's/^/# /'
        return 1
    fi
    export HADOOP_CONF_DIR=$CLUSTER/conf URI
}

cluster_stop() {
    kill "$MINI_PID" && wait "$MINI_PID"
    local rc=$?
    MINI_PID=
    unset URI
    return $rc
}

daemon_pid() { cat "$CLUSTER/$1/pid"; }

check() {
    local text=$1; shift
    tests=$((tests + 1))
    if "$@" > "$WORK/check.out" 2>&1; then
        echo "ok $tests - $text"
    else
        echo "not ok $tests - $text (status $?: $*)"; sed 's/^/#   /' "$WORK/check.out" | tail -n 20; failures=$((failures + 1))
    fi
}

check_fails() {
    local text=$1; shift
    tests=$((tests + 1))
    if "$@" > "$WORK/check.out" 2>&1; then
        echo "not ok $tests - $text (it succeeded: $*)"; sed 's/^/#   /' "$WORK/check.out" | tail -n 20; failures=$((failures + 1))
    else
        echo "ok $tests - $text"
    fi
}

check_equal() {
    tests=$((tests + 1))
    if [[ $2 == "$3" ]]; then
        echo "ok $tests - $1"
    else
        echo "not ok $tests - $1"; printf '#   wanted: %s\n#   got:    %s\n' "$2" "$3"; failures=$((failures + 1))
    fi
}

skip() { tests=$((tests + 1)); echo "ok $tests - $1 # SKIP $2"; }

patience() { echo $(($1 * PATIENCE)); } # seconds of a run without sanitizers

wait_until() {
    local end=$((SECONDS + $(patience "$1"))); shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS >= end)) && return 1
        sleep 0.2
    done
}

# Nothing in the sanitizers' own files, the daemons' logs (those that were started without our options) and what mini said.
no_report() {
    local found
    found=$(find "$WORK" -type f \( -name log -o -name 'mini.err' -o -name 'sanitizer.*' \) -exec \
        grep -lE 'ERROR: (Address|Leak)Sanitizer|LeakSanitizer|runtime error:|WARNING: ThreadSanitizer|ThreadSanitizer:' {} +)
    [[ -z $found ]] && return 0
    while read -r file; do
        echo "---- $file"; grep -m 1 -A 40 -E 'Sanitizer|runtime error:' "$file"
    done <<< "$found"
    return 1
}

check_no_report() {
    tests=$((tests + 1))
    [[ -n $MINI_PID ]] && cluster_stop # leaks are looked for at the end
    if no_report > "$WORK/reports"; then
        echo "ok $tests - no sanitizer reports anything"
    else
        echo "not ok $tests - no sanitizer reports anything"; sed 's/^/#   /' "$WORK/reports"; failures=$((failures + 1))
    fi
}

finish() {
    [[ -n ${SAN:-} ]] && check_no_report
    echo "1..$tests"
    ((failures == 0)); exit $?
}
