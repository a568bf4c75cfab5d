#!/usr/bin/env bash
# The Go client github.com/colinmarc/hdfs/v2, unmodified: writes, reads, appends, lists.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 3 || finish

mkdir "$WORK/go"; cp "${ROOT:?}"/tests/interop/go/* "$WORK/go"
check "the Go client builds" bash -c "cd '$WORK/go' && GOFLAGS=-mod=mod go build -o goclient ."
check "the Go client writes, reads, appends, lists" "$WORK/go/goclient" "${URI#hdfs://}"
check_equal "our shell reads what it wrote" "$(seq 1 200000 | sha256sum)" "$(dfs -cat /go/numbers | sha256sum)"
finish
