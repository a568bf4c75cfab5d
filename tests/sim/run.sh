#!/usr/bin/env bash
# The simulation as a test: the seeds that found something (tests/sim/seeds), that a seed repeats itself, and others from SEED on, COUNT of
# them or for SECONDS_MAX seconds.
set -u
here=$(dirname "$0")
sim=${BUILD:-build}/tests/sim/sim
deadline=$((SECONDS + ${SECONDS_MAX:-60}))
number=0

ok() { echo "ok $((++number)) - $1"; }
not_ok() {
    echo "not ok $((++number)) - $1"
    echo "# $2"
    failed=1
}
one() { # seed minutes text
    if said=$("$sim" "$1" "$2" 2>&1); then
        ok "seed $1, $2 minutes: $3"
    else
        not_ok "seed $1, $2 minutes: $3" "${said: -600}"
    fi
}

failed=0
while read -r seed minutes text; do
    [[ $seed == \#* ]] || one "$seed" "$minutes" "$text"
done < "$here/seeds"

hash_of() { "$sim" 7 60 | sed -n 's/.*hash \([0-9a-f]*\):.*/\1/p'; }
first=$(hash_of)
[[ -n $first && $first == "$(hash_of)" ]] && ok "the same seed makes the same run" || not_ok "the same seed makes the same run" "$first"

seed=${SEED:-200}
from=$seed
while ((SECONDS < deadline && seed - from < ${COUNT:-40})); do
    said=$("$sim" "$seed" 120 2>&1) || {
        not_ok "seed $seed: make sim SEED=$seed" "${said: -600}"
        break
    }
    seed=$((seed + 1))
done
((failed)) || ok "$((seed - from)) seeds from $from on"
echo "1..$number"
exit $failed
