#!/usr/bin/env bash
# make lint: formatting, layers, forbidden calls, generated pages, manual pages, clang-tidy, cppcheck, shellcheck. Prints what is wrong; the
# status says whether anything was. Arguments: only these C files, and only clang-tidy.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0
say() { echo "lint: $*"; bad=1; }

# The analyzer does not know that what HASH_DEL takes out of a table is in it, and so believes that the table may be empty: findings
# inside of uthash's deletion macros are dropped.
tidy() {
    # Five calls deep, its default, is not deep enough to see that a helper of a helper fails.
    local deep="--extra-arg=-Xclang --extra-arg=-analyzer-inline-max-stack-depth=8"
    local flags="-std=gnu11 -D_GNU_SOURCE -DTUSK_VERSION='\"0\"' -I. -Ibuild"
    printf '%s\n' "$@" | xargs -P 2 -n 4 sh -c "clang-tidy --quiet $deep \"\$@\" -- $flags 2>/dev/null" _ | awk '
        function flush() { if (held != "" && !uthash) print held; held = ""; uthash = 0 }
        / (warning|error): / { flush(); held = $0; first = 1; next }
        / note: / && first   { uthash = /uthash\.h.*expanded from macro .HASH_DEL/; first = 0 }
        END { flush() }' | sort -u | grep . && say "clang-tidy"
}

if (($#)); then
    tidy "$@"
    exit $bad
fi

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t checked < <(git ls-files 'common/*.c' 'namenode/*.c' 'datanode/*.c' 'client/*.c')
mapfile -t scripts < <(git ls-files '*.sh' tests/run .ci/run)

clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -m 20 'error:' && say "formatting: run make format"

# Layers: proto -> common -> namenode | datanode | client; the daemons meet only on the wire.
layer() { git ls-files "$1/*.[ch]" | xargs grep -nE "#include \"($2)/" /dev/null && say "$1 must not include $2"; }
layer common 'namenode|datanode|client|fuse'
layer namenode 'datanode|client|fuse'
layer datanode 'namenode|client|fuse'
layer client 'namenode|datanode|fuse'

grep -nE '\b(gets|strtok|sprintf|vsprintf|strcpy|strcat|system|popen)\(' "${checked[@]}" && say "unbounded or shell-running calls"
printf '%s\n' "${sources[@]}" | grep -E '^(common|namenode|datanode|client)/' | grep -vE 'common/(loop|http)\.c$' |
    xargs grep -nE '#include <event2?/' && say "libevent appears only in loop.c and http.c"

docs/config.sh | cmp -s - docs/config.md || say "docs/config.md is not what common/conf.def says: run make docs"
for page in docs/man/*.[1-9]; do
    mandoc -T lint -W warning "$page" || say "$page"
done

analyze() {
    tidy "${checked[@]}"
    # cppcheck skips system headers: the macros that look like no C are given to it. Its uninitvar does not follow `if (!rc) rc = f(&x); if (!rc) use(x);`,
    # which clang's analyzer does.
    queue=$(echo '#include <sys/queue.h>' | ${CC:-cc} -E -H -x c - 2>&1 >/dev/null | sed -n 's/^\. //p')
    cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem --suppress=uninitvar --include="$queue" \
        -D "HASH_ITER(hh,head,el,tmp)=while (((el) = (tmp) = (head)))" --std=c11 -D_GNU_SOURCE -I. --suppressions-list=.cppcheck -j 2 common namenode datanode client || say "cppcheck"
}
[[ ${LINT:-} == quick ]] || analyze # the analyzers take minutes
shellcheck -x -P SCRIPTDIR -S warning "${scripts[@]}" || say "shellcheck"
((bad == 0)) && echo "lint: clean"
exit $bad
