# shellcheck shell=bash
# What sanitized programs are told (make check SAN=address,undefined | thread). Source it; it does nothing for others.
#
#   sanitizer_log PREFIX    from here on reports go to PREFIX.PID instead of stderr
#
# Any finding ends with a status of its own, which nothing else gives: 77.
# die_after_fork=0: the namenode's checkpoint is written by a child that is forked while other threads run, and starts none.
sanitizer_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

sanitizer_options() {
    local all="exitcode=77${1:+:log_path=$1}"
    export ASAN_OPTIONS="$all:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
    export LSAN_OPTIONS="$all:suppressions=$sanitizer_here/leak.supp:print_suppressions=0"
    export UBSAN_OPTIONS="$all:print_stacktrace=1"
    export TSAN_OPTIONS="$all:suppressions=$sanitizer_here/thread.supp:print_suppressions=0:die_after_fork=0:history_size=4"
}

sanitizer_log() { sanitizer_options "$1"; }
sanitizer_options ""
