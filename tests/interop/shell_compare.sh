#!/usr/bin/env bash
# Runs the commands of shell/commands.list with Apache's shell and with ours on the same cluster and compares standard
# output, standard error's first line (all of it for usage errors) and exit codes.
#
#   shell_compare.sh [PATTERN]      only the commands that match it, and those that make what they need
#
# HADOOP_CONF_DIR   a cluster's configuration
# APACHE_CLASSPATH  Apache Hadoop's jars (what `hadoop classpath` prints)
# HDFS              our program (default: build/bin/hdfs)
# KEEP=1            leave the folders and outputs
#
# Apache's commands run in one JVM. Times, the two folders' names and what depends on the moment are made equal first.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HDFS=${HDFS:-$here/../../build/bin/hdfs}
: "${HADOOP_CONF_DIR:?the configuration of a cluster is needed}" "${APACHE_CLASSPATH:?the jars of Apache Hadoop are needed}"
work=$(mktemp -d "${TMPDIR:-/tmp}/shell-compare.XXXXXX")
# shellcheck disable=SC2034 # the list names it
AUTHORITY=$("$HDFS" getconf -confKey fs.defaultFS | sed 's#^hdfs://##; s#/.*##')
root=/shell-compare-$$
cleanup() {
    "$HDFS" dfs -rm -r -f -skipTrash "$root" >/dev/null 2>&1
    if [[ -n ${KEEP:-} ]]; then echo "# outputs are in $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT

# Fills `words` with a line's, for side a (Apache's) or b (ours).
expand() {
    B=$root/$2 L=$work/$2
    eval "words=($1)"
}
mapfile -t lines < <(grep -v '^#' "$here/shell/commands.list" | grep -v '^$')
for side in a b; do
    mkdir -p "$work/$side"
    "$HDFS" dfs -mkdir -p "$root/$side" || exit 1
done
javac -cp "$APACHE_CLASSPATH" -d "$work" "$here/shell/ShellBatch.java" || exit 1

for line in "${lines[@]}"; do
    expand "$line" a
    [[ ${words[0]} == sh ]] && words[1]="L=$L; B=$B; ${words[1]}"
    (IFS=$'\t'; printf '%s\n' "${words[*]}")
done > "$work/apache.in"
java -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true -Dhadoop.root.logger=ERROR,console \
    -cp "$HADOOP_CONF_DIR:$work:$APACHE_CLASSPATH" ShellBatch < "$work/apache.in" > "$work/apache.out" 2> "$work/apache.err"

n=0
for line in "${lines[@]}"; do
    expand "$line" b
    if [[ ${words[0]} == sh ]]; then
        bash -c "L=$L; B=$B; ${words[1]}" > "$work/out.$n" 2>&1 < /dev/null
        code=$?
        : > "$work/err.$n"
    else
        printf 'from standard input\n' | "$HDFS" "${words[@]}" > "$work/out.$n" 2> "$work/err.$n"
        code=$?
    fi
    echo "$code" > "$work/code.$n"
    n=$((n + 1))
done
printf '%s\n' "${lines[@]}" > "$work/lines"
python3 "$here/shell/compare.py" "$work" "$root" "${1:-}"
