#!/usr/bin/env bash
# Spark from PyPI in local mode on our cluster: Parquet, CSV, JSON, ORC, text, sequence files, partitions, with both output committers.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
spark=$PEER_CACHE/pyspark-3.5.6
# A virtual environment of its own, made once.
spark_ready() {
    [[ -x $spark/bin/spark-submit ]] && return 0
    rm -rf "$spark"
    python3 -m venv "$spark.new" && "$spark.new/bin/pip" install -q --disable-pip-version-check pyspark==3.5.6 py4j || return 1
    mv "$spark.new" "$spark"
}
check "Spark is at hand" spark_ready
((failures == 0)) || finish
cluster_start --datanodes 3 -D dfs.replication=2 || finish

# PYSPARK_PYTHON: scripts of an environment that was moved name its old place
check "Spark runs" env PYSPARK_PYTHON="$spark/bin/python3" SPARK_LOCAL_DIRS="$WORK/spark" SPARK_LOCAL_IP=127.0.0.1 \
    bash -c "'$spark/bin/python3' '$PEER/spark/tables.py' '$URI/spark' > '$WORK/spark.out'"
while read -r result step; do check_equal "$step" ok "$result"; done < <(grep -E '^(ok|failed) ' "$WORK/spark.out")
check_equal "our shell sees the lines" 20000 "$(dfs -cat '/spark2/text/part-*' | wc -l)"
check_equal "our shell unpacks them" 20000 "$(dfs -text '/spark1/gzip/part-*.gz' | wc -l)"
check "fsck is healthy" bash -c 'hdfs fsck / | tail -n 1 | grep -q "is HEALTHY"'
finish
