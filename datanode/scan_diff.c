#include "datanode/scan_diff.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rand.h"
#include "datanode/block_list.h"
#include "datanode/dataset_internal.h"
#include "datanode/nn_link.h"
#include "datanode/nn_report.h"

enum { STACK_SIZE = 256 * 1024, DEPTH_MAX = 4, SECOND = 1000 };

struct scan_diff {
    struct dataset *dataset;
    int64_t interval_ms;
    int64_t work_ms; /* of each second */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    bool started;
};

/* One comparison that is under way. */
struct compare {
    struct scan_diff *scan; /* NULL: without rests */
    struct block_pool *pool;
    uint16_t volume;
    int64_t work_since_ms;
    struct scan_diff_result *result;
};

static bool stopped(const struct compare *c)
{
    return c->scan && c->scan->stop;
}

/* After the share of a second that belongs to the comparison, the rest of it belongs to the users. */
static void breathe(struct compare *c)
{
    if (!c->scan || c->scan->work_ms >= SECOND) return;
    if (clock_mono_ms() - c->work_since_ms < c->scan->work_ms) return;
    clock_sleep_ms(SECOND - c->scan->work_ms);
    c->work_since_ms = clock_mono_ms();
}

static bool same_now(const struct compare *c, const struct replica *was)
{
    struct replica_view view;

    return dataset_view(c->pool, was->id, &view) && view.state == REPLICA_FINALIZED &&
           view.gs == was->gs && view.volume == was->volume && view.length == was->length;
}

/* ---- from the map to the disk ---- */

static void report_bad(struct compare *c, const struct replica *replica, const char *why)
{
    char text[BLOCK_TEXT_MAX];

    if (!same_now(c, replica)) return;
    c->result->bad++;
    log_error("%s on %s: %s; reported as bad", block_text(c->pool, replica->id, replica->gs, text),
              c->pool->dirs[c->volume], why);
    nn_report_bad_block(c->pool, c->volume, replica->id, replica->gs);
}

static void check_replica(struct compare *c, const struct replica *replica)
{
    struct pair_paths paths;
    struct stat st;

    c->result->looked_at++;
    pair_paths(&paths, c->pool, c->volume, BLOCK_FINALIZED, replica->id, replica->gs);
    if (stat(paths.data, &st)) {
        if (errno == ENOENT && dataset_forget_missing(c->pool, replica)) c->result->missing++;
    } else if (st.st_size != replica->length) {
        report_bad(c, replica, "its file is not as long as it was when it was closed");
    } else if (!file_exists(paths.meta)) {
        report_bad(c, replica, "its file of checksums is gone");
    }
}

static void check_map(struct compare *c)
{
    struct replica_list list = {0};

    for (unsigned cursor = 0; !stopped(c) && replica_map_next(c->pool->map, &cursor, &list);) {
        for (size_t i = 0; i < list.count && !stopped(c); i++) {
            const struct replica *replica = &list.items[i];
            if (replica->volume != c->volume || replica->state != REPLICA_FINALIZED) continue;
            check_replica(c, replica);
            breathe(c);
        }
        replica_list_clear(&list);
    }
    replica_list_release(&list);
}

/* ---- from the disk to the map ---- */

/* Its place is where its id says, and both of its files are there: it is somebody's replica that came back, or was put
 * there by hand. */
static void add_unknown(struct compare *c, const char *dir, const struct block_list *list,
                        int64_t id)
{
    struct replica replica = {.id = id, .volume = c->volume, .state = REPLICA_FINALIZED};
    struct pair_paths paths;
    struct replica_view view;
    char place[PATH_MAX];
    struct stat st;

    if (dataset_view(c->pool, id, &view) || !block_list_gs(list, id, &replica.gs)) return;
    block_dir_path(place, c->pool->dirs[c->volume], BLOCK_FINALIZED, id);
    pair_paths(&paths, c->pool, c->volume, BLOCK_FINALIZED, id, replica.gs);
    if (!str_eq(place, dir) || !file_exists(paths.meta) || stat(paths.data, &st) ||
        !S_ISREG(st.st_mode))
        return;
    replica.length = st.st_size;
    if (!replica_map_add(c->pool->map, &replica)) return;
    c->result->unknown++;
    account_used(c->pool, c->volume, disk_use(replica.length));
    account_block(c->pool, c->volume, 1);
    log_warn("%s was not known; added", paths.data);
    nn_report_received(c->pool->report, c->pool->dataset->volumes[c->volume], id, replica.gs,
                       replica.length, NULL, 0);
}

static void check_folder(struct compare *c, const char *dir, int depth)
{
    struct block_list list;
    char below[PATH_MAX];
    struct err err = ERR_INIT;

    if (block_list_read(dir, &list, &err)) {
        log_warn("comparing disk and memory: %s", err.text);
        dataset_note_error(c->pool->dataset, c->volume, &err);
    }
    for (size_t i = 0; i < list.data_count && !stopped(c); i++)
        add_unknown(c, dir, &list, list.datas[i]);
    breathe(c);
    for (size_t i = 0; i < list.dir_count && depth < DEPTH_MAX && !stopped(c); i++)
        if (snprintf(below, sizeof below, "%s/%s", dir, list.dirs[i]) < (int)sizeof below)
            check_folder(c, below, depth + 1);
    block_list_release(&list);
}

/* A disk that went away takes its folders along: that is its failure, not that of its replicas. */
static bool pool_is_there(const struct compare *c)
{
    struct err err = ERR_INIT;
    struct stat st;

    if (!stat(c->pool->dirs[c->volume], &st)) return true;
    err_set_errno(&err, EIO, "the folder %s is gone", c->pool->dirs[c->volume]);
    dataset_note_error(c->pool->dataset, c->volume, &err);
    return false;
}

static void compare(struct compare *c)
{
    char dir[PATH_MAX];

    if (!pool_is_there(c)) return;
    c->work_since_ms = clock_mono_ms();
    check_map(c);
    if (snprintf(dir, sizeof dir, "%s/current/finalized", c->pool->dirs[c->volume]) <
        (int)sizeof dir)
        check_folder(c, dir, 0);
}

void scan_diff_run(struct block_pool *pool, uint16_t volume, struct scan_diff_result *result)
{
    struct compare c = {.pool = pool, .volume = volume, .result = result};

    *result = (struct scan_diff_result){0};
    compare(&c);
}

/* ---- by itself ---- */

static void compare_all(struct scan_diff *scan)
{
    struct dataset *dataset = scan->dataset;

    for (size_t p = 0; p < atomic_load(&dataset->pool_count); p++)
        for (size_t v = 0; v < dataset->volume_count && !scan->stop; v++) {
            struct scan_diff_result result = {0};
            struct compare c = {
                .scan = scan, .pool = dataset->pools[p], .volume = (uint16_t)v, .result = &result};
            if (dataset->volumes[v]->failed) continue;
            compare(&c);
            if (result.missing || result.bad || result.unknown)
                log_warn("%s compared with memory: %" PRIu64 " replicas, %" PRIu64
                         " missing, %" PRIu64 " bad, %" PRIu64 " unknown",
                         c.pool->dirs[v], result.looked_at, result.missing, result.bad,
                         result.unknown);
        }
}

/* False at the end. */
static bool rest(struct scan_diff *scan, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

    pthread_mutex_lock(&scan->lock);
    while (!scan->stop && clock_mono_ms() < until)
        pthread_cond_timedwait(&scan->changed, &scan->lock, &at);
    pthread_mutex_unlock(&scan->lock);
    return !scan->stop;
}

/* The first comparison comes at any time of the interval, so that a cluster's datanodes do not all do it at once. */
static void *diff_run(void *arg)
{
    struct scan_diff *scan = arg;
    struct rand rand;

    rand_seed_system(&rand);
    int64_t wait = (int64_t)rand_below(&rand, (uint64_t)scan->interval_ms);
    while (rest(scan, wait)) {
        compare_all(scan);
        wait = scan->interval_ms;
    }
    return NULL;
}

struct scan_diff *scan_diff_new(struct dataset *dataset, const struct conf *conf)
{
    int64_t interval = conf_ms(conf, CONF_dfs_datanode_directoryscan_interval);
    int64_t share = conf_int(conf, CONF_dfs_datanode_directoryscan_throttle_limit_ms_per_sec);
    pthread_condattr_t clock;
    pthread_attr_t attr;

    if (interval <= 0) return NULL;
    struct scan_diff *scan = NEW(struct scan_diff);
    scan->dataset = dataset;
    scan->interval_ms = interval;
    scan->work_ms = share > 0 && share < SECOND ? share : SECOND;
    pthread_mutex_init(&scan->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&scan->changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    scan->started = !pthread_create(&scan->thread, &attr, diff_run, scan);
    pthread_attr_destroy(&attr);
    if (!scan->started) log_error("no thread to compare the disks with the memory");
    return scan;
}

void scan_diff_free(struct scan_diff *scan)
{
    if (!scan) return;
    pthread_mutex_lock(&scan->lock);
    atomic_store(&scan->stop, true);
    pthread_cond_broadcast(&scan->changed);
    pthread_mutex_unlock(&scan->lock);
    if (scan->started) pthread_join(scan->thread, NULL);
    pthread_cond_destroy(&scan->changed);
    pthread_mutex_destroy(&scan->lock);
    mem_free(scan);
}
