#!/usr/bin/env bash
# make lint: formatting, layers, forbidden calls, clang-tidy, cppcheck, shellcheck. Prints what is wrong; the status says whether anything was.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0
say() { echo "lint: $*"; bad=1; }
mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t scripts < <(git ls-files '*.sh' tests/run .ci/run)

clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -m 20 'error:' && say "formatting: run make format"

# Layers: proto -> common -> namenode | datanode | client; the daemons meet only on the wire.
layer() { git ls-files "$1/*.[ch]" "$1/**/*.[ch]" | xargs -r grep -nE "#include \"($2)/" && say "$1 must not include $2"; }
layer common 'namenode|datanode|client|fuse'
layer namenode 'datanode|client|fuse'
layer datanode 'namenode|client|fuse'
layer client 'namenode|datanode|fuse'

git ls-files '*.c' '*.h' | xargs grep -nE '\b(gets|strtok|sprintf|vsprintf|strcpy|strcat|system|popen)\(' && say "unbounded or shell-running calls"
git ls-files 'common/*.[ch]' 'namenode/*.[ch]' 'datanode/*.[ch]' 'client/*.[ch]' | grep -vE 'common/(loop|conn|http)\.c$' |
    xargs grep -nE '#include <event2?/' && say "libevent appears only in loop.c, conn.c and http.c"

flags=(-std=gnu11 -D_GNU_SOURCE -DTUSK_VERSION='"0"' -I. -Ibuild)
git ls-files 'common/*.c' 'namenode/*.c' 'datanode/*.c' 'client/*.c' 'client/shell/*.c' |
    xargs -P 2 -n 8 sh -c 'clang-tidy --quiet "$@" -- '"${flags[*]@Q}"' 2>/dev/null' _ | grep -E 'warning:|error:' && say "clang-tidy"
cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem \
    --std=c11 -D_GNU_SOURCE -I. --suppressions-list=.cppcheck -j 2 common namenode datanode client || say "cppcheck"
shellcheck -x -S warning "${scripts[@]}" || say "shellcheck"
((bad == 0)) && echo "lint: clean"
exit $bad
