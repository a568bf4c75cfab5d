#include "datanode/latency.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "common/base.h"
#include "common/mem.h"

#define MEDIAN_FACTOR    3.0
#define DEVIATION_FACTOR 3.0
#define MAD_FACTOR       1.4826 /* what makes a median deviation comparable to a standard one */

struct window {
    int64_t number; /* time / LATENCY_WINDOW_MS */
    uint64_t count;
    double sum;
};

struct entry {
    char name[256];
    struct window windows[LATENCY_WINDOWS];
    UT_hash_handle hh;
};

struct latencies {
    pthread_mutex_t lock;
    struct entry *entries; /* guarded by lock */
};

struct latencies *latencies_new(void)
{
    struct latencies *l = NEW(struct latencies);

    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void latencies_free(struct latencies *l)
{
    struct entry *entry, *next;

    if (!l) return;
    HASH_ITER (hh, l->entries, entry, next) {
        HASH_DEL(l->entries, entry);
        mem_free(entry);
    }
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static struct entry *entry_of(struct latencies *l, const char *name)
{
    struct entry *entry;

    HASH_FIND_STR(l->entries, name, entry);
    if (entry || HASH_COUNT(l->entries) >= LATENCY_NAMES_MAX || strlen(name) >= sizeof entry->name)
        return entry;
    entry = NEW(struct entry);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    HASH_ADD_STR(l->entries, name, entry);
    return entry;
}

void latencies_add(struct latencies *l, const char *name, double ms, int64_t now_ms)
{
    int64_t number = now_ms / LATENCY_WINDOW_MS;

    if (!l) return;
    pthread_mutex_lock(&l->lock);
    struct entry *entry = entry_of(l, name);
    if (entry) {
        struct window *w = &entry->windows[number % LATENCY_WINDOWS];
        if (w->number != number) *w = (struct window){.number = number};
        w->count++;
        w->sum += ms;
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- outliers ---- */

struct average {
    const char *name;
    double ms;
};

static int by_ms(const void *a, const void *b)
{
    double x = ((const struct average *)a)->ms, y = ((const struct average *)b)->ms;

    return (x > y) - (x < y);
}

static double median_of(const struct average *sorted, size_t count)
{
    double middle = sorted[count / 2].ms;

    return count % 2 ? middle : (middle + sorted[count / 2 - 1].ms) / 2;
}

/* False: too few to tell. */
static bool average_of(const struct entry *entry, int64_t now_ms, uint64_t samples_min, double *ms)
{
    int64_t oldest = now_ms / LATENCY_WINDOW_MS - LATENCY_WINDOWS;
    uint64_t count = 0;
    double sum = 0;

    for (int i = 0; i < LATENCY_WINDOWS; i++) {
        if (entry->windows[i].number <= oldest) continue;
        count += entry->windows[i].count;
        sum += entry->windows[i].sum;
    }
    if (!count || count < samples_min) return false;
    *ms = sum / (double)count;
    return true;
}

static size_t far_above(const struct average *sorted, size_t count, const struct outlier_rule *rule,
                        struct outlier *out, size_t max)
{
    struct average *apart = NEW_ARRAY(struct average, count);
    double median = median_of(sorted, count);
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        apart[i].ms = sorted[i].ms < median ? median - sorted[i].ms : sorted[i].ms - median;
    qsort(apart, count, sizeof *apart, by_ms);
    double mad = median_of(apart, count) * MAD_FACTOR;
    mem_free(apart);
    double limit = MAX(rule->low_ms, median * MEDIAN_FACTOR);
    limit = MAX(limit, median + DEVIATION_FACTOR * mad);
    for (size_t i = count; i-- > 0 && sorted[i].ms > limit && found < max;) {
        struct outlier *o = &out[found++];
        *o =
            (struct outlier){.latency = sorted[i].ms, .median = median, .mad = mad, .limit = limit};
        snprintf(o->name, sizeof o->name, "%s", sorted[i].name);
    }
    return found;
}

size_t latencies_outliers(struct latencies *l, const struct outlier_rule *rule, int64_t now_ms,
                          struct outlier *out, size_t max)
{
    size_t count = 0, found = 0;

    if (!l) return 0;
    pthread_mutex_lock(&l->lock);
    struct average *averages = NEW_ARRAY(struct average, HASH_COUNT(l->entries) + 1);
    for (const struct entry *e = l->entries; e; e = e->hh.next)
        if (average_of(e, now_ms, rule->samples_min, &averages[count].ms))
            averages[count++].name = e->name;
    if (count && count >= rule->names_min) {
        qsort(averages, count, sizeof *averages, by_ms);
        found = far_above(averages, count, rule, out, max);
    }
    mem_free(averages);
    pthread_mutex_unlock(&l->lock);
    return found;
}
