#!/usr/bin/env bash
# Hadoop's own tests of file systems and shells, unchanged, on our cluster: what passes on Apache's daemons passes here.
#
#   72_contract.sh              contract/classes and contract/shells, compared with contract/reference
#   72_contract.sh CLASS...     only these (of contract/classes, or any other), results on standard output
#   DAEMONS=apache 72_contract.sh [CLASS...]    on Apache's daemons; without CLASS it writes contract/reference anew
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
HERE=$PEER/contract
DAEMONS=${DAEMONS:-ours}

contract_ready() {
    local sum sources
    sum=$(sha256sum "$HERE/pom.xml" | cut -c 1-12)
    CONTRACT_CP_FILE=$PEER_CACHE/contract-classpath-$sum
    if [[ ! -s $CONTRACT_CP_FILE ]] || ! first_jar_exists "$CONTRACT_CP_FILE"; then
        mkdir -p "$PEER_CACHE"
        mvn -q -B -f "$HERE/pom.xml" dependency:build-classpath -Dmdep.outputFile="$CONTRACT_CP_FILE.tmp" >&2 || return 1
        mv "$CONTRACT_CP_FILE.tmp" "$CONTRACT_CP_FILE"
    fi
    sources=$(find "$HERE" -name '*.java' -not -path "$HERE/apache/*")
    # shellcheck disable=SC2086 # a list of paths of the tree
    javac -nowarn -d "$WORK/classes" -cp "$(<"$CONTRACT_CP_FILE")" $sources >&2 &&
        javac -nowarn -d "$WORK/apache" -cp "$(<"$CONTRACT_CP_FILE")" "$HERE"/apache/*.java >&2
}

# contract_java NAME MAIN ARGS...: in a folder of its own; the log is $WORK/NAME.log
contract_java() {
    local name=$1 module opens=() daemons; shift
    for module in java.lang java.lang.reflect java.io java.util java.util.concurrent java.net sun.nio.ch; do
        opens+=("--add-opens=java.base/$module=ALL-UNNAMED")
    done
    daemons=(-Dcluster.hdfs="$BUILD/bin/hdfs")
    [[ $DAEMONS == apache ]] && daemons=("-Dcluster.apache=java ${opens[*]} -Xmx900m -XX:+UseSerialGC -cp $PEER/hadoop:$WORK/apache:$(<"$CONTRACT_CP_FILE") ApacheDaemons")
    mkdir -p "$WORK/$name"
    # shellcheck disable=SC2086 # options, or none
    (cd "$WORK/$name" && exec java "${opens[@]}" -Xmx900m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dtest.build.data=$WORK/$name" \
        "-Dtest.cache.data=$WORK/$name/cache" ${CONTRACT_OPTS:-} "${daemons[@]}" -cp "$PEER/hadoop:$WORK/classes:$(<"$CONTRACT_CP_FILE")" "$@") \
        > "$WORK/$name.log" 2>&1
}

run_classes() { contract_java "$1" RunCases "$WORK/$1.results" "$2"; } # NAME FILE
run_shells() { # NAME [PROGRAM]
    local shells
    mapfile -t shells < <(grep -v '^#' "$HERE/shells")
    CONTRACT_OPTS=${2:+-Dcluster.shell=$2} contract_java "$1" org.apache.hadoop.cli.ShellCases "$WORK/$1.results" "${shells[@]}"
}

for tool in java javac mvn; do command -v "$tool" >/dev/null || { echo "not ok 1 - $tool is needed"; exit 1; }; done
check "Hadoop's tests are at hand" contract_ready
((failures == 0)) || { cat "$WORK/check.out"; finish; }
if (($#)); then
    printf '%s\n' "$@" > "$WORK/list"
    run_classes given "$WORK/list"
    cat "$WORK/given.results"
    cp "$WORK/given.log" "${TMPDIR:-/tmp}/contract.log"
    exit
fi
rm -f /tmp/file1 # some of the shells' cases write there and expect to be the first
grep -v '^#' "$HERE/classes" > "$WORK/list"
if [[ $DAEMONS == apache ]]; then
    run_classes classes "$WORK/list"
    run_shells shells
    python3 "$HERE/compare.py" --reference "$WORK"/*.results > "$WORK/reference" && cp "$WORK/reference" "$HERE/reference"
    exit
fi
awk -v out="$WORK/list" 'NF { print > (out NR % 2) }' "$WORK/list" # one for each core
run_classes half0 "$WORK/list0" &
second=$!
run_shells shells
run_shells program "$BUILD/bin/hdfs"
run_classes half1 "$WORK/list1"
wait "$second"
python3 "$HERE/compare.py" "$HERE/reference" "$HERE/lacking" "$WORK"/*.results
