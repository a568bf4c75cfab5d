/*
 * How long others take, by name, as rolling averages; and which of them stand out: Hadoop's MutableRollingAverages and OutlierDetector.
 * One table is for the datanodes that packets are sent to, one for the own disks.
 *
 * Any thread.
 */
#ifndef DATANODE_LATENCY_H
#define DATANODE_LATENCY_H

#include <stddef.h>
#include <stdint.h>

enum { LATENCY_WINDOWS = 36, LATENCY_WINDOW_MS = 5 * 60 * 1000, LATENCY_NAMES_MAX = 4096 };

struct latencies;

struct latencies *latencies_new(void);
void latencies_free(struct latencies *latencies); /* NULL is fine */

/* One more that took so long. With LATENCY_NAMES_MAX names further ones are left out; NULL `latencies`: nothing happens. */
void latencies_add(struct latencies *latencies, const char *name, double ms, int64_t now_ms);

struct outlier {
    char name[256];
    double latency, median, mad, limit; /* milliseconds */
};
struct outlier_rule {
    uint64_t samples_min; /* who has fewer is not judged */
    size_t names_min;     /* with fewer nobody is */
    double low_ms;        /* nobody below is one */
};
/* Those of the last three hours that are far above the others; answers how many of up to `max` there are in `out`. */
size_t latencies_outliers(struct latencies *latencies, const struct outlier_rule *rule,
                          int64_t now_ms, struct outlier *out, size_t max);

#endif
