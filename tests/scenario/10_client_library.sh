#!/usr/bin/env bash
# The client library's own checks (tests/live/client_live.c) against a cluster of three datanodes.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 3 || finish

for test in names listing sizes positions flush append errors truncate reports threads; do
    check "client library: $test" timeout 120 "$BUILD/tests/live/client_live" "$URI" /client-live "$test"
done
finish
