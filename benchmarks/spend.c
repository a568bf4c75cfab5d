/*
 * What a command costs: wall time, CPU time of itself and its children, and what the processes named
 * used meanwhile (the servers it talked to).
 *
 *   spend [PID,PID,...] -- COMMAND [ARGUMENT...]
 *
 * Prints three numbers of seconds; what the command prints goes to standard error. The status is the
 * command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmarks/lib/meter.h"
#include "common/clock.h"

static int64_t cpu_of_all(const char *pids)
{
    int64_t total = 0;
    char *end;

    for (long pid; (pid = strtol(pids, &end, 10)) > 0; pids = end + (*end == ',')) {
        int64_t cpu = process_cpu_ns((pid_t)pid);
        if (!cpu) die("process %ld is gone", pid);
        total += cpu;
    }
    return total;
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    const char *pids = argc > 1 && !str_eq(argv[1], "--") ? argv[1] : "";
    int first = *pids ? 3 : 2, status;
    struct rusage usage;

    if (argc <= first || !str_eq(argv[first - 1], "--"))
        die("usage: spend [PID,PID,...] -- COMMAND [ARGUMENT...]");
    int64_t before = cpu_of_all(pids), start = clock_mono_ns();
    pid_t child = fork();
    if (child < 0) die("no process to be had");
    if (!child) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[first], argv + first);
        _exit(127);
    }
    if (wait4(child, &status, 0, &usage) < 0) die("the command is lost");
    printf("%.3f %.3f %.3f\n", (double)(clock_mono_ns() - start) / 1e9,
           seconds(&usage.ru_utime) + seconds(&usage.ru_stime),
           (double)(cpu_of_all(pids) - before) / 1e9);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
