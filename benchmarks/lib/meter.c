#include "benchmarks/lib/meter.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"

/* Below HISTOGRAM_STEPS one counter for each value; above, HISTOGRAM_STEPS counters a power of 2. */
static size_t slot_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) return (size_t)value;
    int power = 63 - __builtin_clzll(value) - 6;
    size_t slot =
        (size_t)(power + 1) * HISTOGRAM_STEPS + ((value >> power) & (HISTOGRAM_STEPS - 1));
    return MIN(slot, (size_t)HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1);
}

static int64_t value_of(size_t slot)
{
    if (slot < HISTOGRAM_STEPS) return (int64_t)slot;
    size_t power = slot / HISTOGRAM_STEPS - 1;
    return (int64_t)((HISTOGRAM_STEPS + slot % HISTOGRAM_STEPS) << power);
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    histogram->counts[slot_of((uint64_t)MAX(ns, 0))]++;
    histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < ARRAY_LEN(into->counts); i++) into->counts[i] += from->counts[i];
    into->total += from->total;
}

int64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * share), seen = 0;

    for (size_t i = 0; i < ARRAY_LEN(histogram->counts); i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen && seen == histogram->total)) return value_of(i);
    }
    return 0;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time)) return 0;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

int64_t own_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* The socket's inode from /proc/net/tcp: "sl local:port remote:port state … inode", state 0A. */
static uint64_t listening_inode(const char *table, uint16_t port)
{
    char line[512];
    uint64_t inode = 0;
    FILE *file = fopen(table, "r");

    while (file && !inode && fgets(line, sizeof line, file)) {
        char local[64], state[8];
        unsigned long long found;
        if (sscanf(line, " %*s %63s %*s %7s %*s %*s %*s %*s %*s %llu", local, state, &found) != 3)
            continue;
        const char *hex = strrchr(local, ':');
        if (hex && str_eq(state, "0A") && strtoul(hex + 1, NULL, 16) == port) inode = found;
    }
    if (file) fclose(file);
    return inode;
}

static bool has_socket(const char *pid, const char *socket)
{
    char folder[64], link[320], target[64];
    struct dirent *entry;
    bool found = false;

    snprintf(folder, sizeof folder, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(folder);
    while (dir && !found && (entry = readdir(dir))) {
        snprintf(link, sizeof link, "%s/%.200s", folder, entry->d_name);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[MAX(length, 0)] = 0;
        found = str_eq(target, socket);
    }
    if (dir) closedir(dir);
    return found;
}

pid_t process_of_port(uint16_t port)
{
    uint64_t inode = listening_inode("/proc/net/tcp", port);
    char socket[64];
    struct dirent *entry;
    pid_t pid = 0;

    if (!inode) inode = listening_inode("/proc/net/tcp6", port);
    if (!inode) return 0;
    snprintf(socket, sizeof socket, "socket:[%" PRIu64 "]", inode);
    DIR *dir = opendir("/proc");
    while (dir && !pid && (entry = readdir(dir)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_socket(entry->d_name, socket))
            pid = atoi(entry->d_name);
    if (dir) closedir(dir);
    return pid;
}

uint64_t process_rss_kib(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && !kib && fgets(line, sizeof line, file)) (void)sscanf(line, "VmRSS: %llu", &kib);
    if (file) fclose(file);
    return kib;
}

void die(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

uint64_t option_number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    struct err err = ERR_INIT;
    int64_t value;

    if (conf_parse_size(text, &value, &err) || value < 0 || (uint64_t)value < min ||
        (uint64_t)value > max)
        die("--%s: %s is no number from %" PRIu64 " to %" PRIu64, name, text, min, max);
    return (uint64_t)value;
}
