/*
 * What all benchmarks measure with: latencies, CPU time and memory of processes. A histogram belongs
 * to one thread at a time; the rest from any thread.
 */
#ifndef BENCHMARKS_LIB_METER_H
#define BENCHMARKS_LIB_METER_H

#include "common/base.h"

/* Counts by size, in steps of at most 1.6 %, from 1 ns to 64 s. Zeroed is empty. */
enum { HISTOGRAM_STEPS = 64, HISTOGRAM_POWERS = 31 };
struct histogram {
    uint64_t counts[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
    uint64_t total;
};
void histogram_add(struct histogram *histogram, int64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value in ns that `share` (0 to 1) of all do not exceed; 0 when empty. */
int64_t histogram_at(const struct histogram *histogram, double share);

/* User and system time of all threads of a process, the ended ones too; 0 when it is gone. */
int64_t process_cpu_ns(pid_t pid);
int64_t own_cpu_ns(void);
/* Who listens on this TCP port of this host; 0 when nobody does or nobody whom we may look at. */
pid_t process_of_port(uint16_t port);
uint64_t process_rss_kib(pid_t pid);

/* Prints the message and ends the program. */
NORETURN void die(const char *format, ...) PRINTF_LIKE(1, 2);

/* A number of an option, k, m, g at its end as powers of 1024; ends the program when it is none or
 * out of range. */
uint64_t option_number(const char *name, const char *text, uint64_t min, uint64_t max);

#endif
