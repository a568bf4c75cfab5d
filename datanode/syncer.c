#include "datanode/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/dataset_internal.h"
#include "datanode/nn_link.h"

enum { BATCH_MAX = 512, STACK_SIZE = 128 * 1024 };

struct sync_item {
    STAILQ_ENTRY(sync_item) link;
    struct block_pool *pool;
    int64_t id;
    uint64_t gs;
    int64_t since_ms;
    uint16_t volume;
};

struct syncer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    STAILQ_HEAD(, sync_item) queue;
    size_t waiting;
    bool stop;
};

static void lock(struct syncer *syncer)
{
    pthread_mutex_lock(&syncer->lock);
}
static void unlock(struct syncer *syncer)
{
    pthread_mutex_unlock(&syncer->lock);
}

/* Takes what is due; with the lock. Waits until something is, or the end. */
static size_t take(struct syncer *syncer, struct sync_item *batch[BATCH_MAX])
{
    size_t count = 0;

    for (;;) {
        struct sync_item *first = STAILQ_FIRST(&syncer->queue);
        int64_t due = first ? first->since_ms + SYNCER_DELAY_MS : INT64_MAX;
        bool crowded = syncer->waiting > SYNCER_QUEUE_MAX / 2;
        if (syncer->stop || crowded || (first && due <= clock_mono_ms())) break;
        if (!first) {
            pthread_cond_wait(&syncer->changed, &syncer->lock);
            continue;
        }
        struct timespec until = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
        pthread_cond_timedwait(&syncer->changed, &syncer->lock, &until);
    }
    while (count < BATCH_MAX && !STAILQ_EMPTY(&syncer->queue)) {
        batch[count++] = STAILQ_FIRST(&syncer->queue);
        STAILQ_REMOVE_HEAD(&syncer->queue, link);
    }
    return count;
}

/* Queues the dirty pages of a file for the disk without waiting for them. Files that moved on are
 * somebody else's. */
static int start_one(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return fd;
}

static bool finish_one(int fd)
{
    if (fd < 0) return true;
    bool good = !fdatasync(fd);
    close(fd);
    return good;
}

static void report_lost(const struct sync_item *item)
{
    char text[BLOCK_TEXT_MAX];
    struct err err = ERR_INIT;

    err_set_errno(&err, EIO, "%s could not be written back to %s",
                  block_text(item->pool, item->id, item->gs, text), item->pool->dirs[item->volume]);
    log_error("%s; reported as bad", err.text);
    nn_report_bad_block(item->pool, item->volume, item->id, item->gs);
    dataset_note_error(item->pool->dataset, item->volume, &err);
}

static int by_folder(const void *a, const void *b)
{
    const struct sync_item *x = *(struct sync_item *const *)a, *y = *(struct sync_item *const *)b;

    if (x->volume != y->volume) return x->volume < y->volume ? -1 : 1;
    if (x->pool != y->pool) return x->pool < y->pool ? -1 : 1;
    return (int)(x->id >> 8 & 0x1fff) - (int)(y->id >> 8 & 0x1fff);
}

/* The first sync commits the file system's journal for all of the batch; the others find little to
 * do. */
static void sync_batch(struct sync_item **batch, size_t count)
{
    int(*fds)[2] = mem_alloc(count * sizeof *fds);
    struct pair_paths paths;

    qsort(batch, count, sizeof *batch, by_folder);
    for (size_t i = 0; i < count; i++) {
        const struct sync_item *item = batch[i];
        pair_paths(&paths, item->pool, item->volume, BLOCK_FINALIZED, item->id, item->gs);
        fds[i][0] = start_one(paths.data);
        fds[i][1] = start_one(paths.meta);
    }
    for (size_t i = 0; i < count; i++) {
        const struct sync_item *item = batch[i];
        bool data = finish_one(fds[i][0]), meta = finish_one(fds[i][1]);
        if (!data || !meta) report_lost(item);
        if (i + 1 < count && by_folder(&batch[i], &batch[i + 1]) == 0) continue;
        pair_paths(&paths, item->pool, item->volume, BLOCK_FINALIZED, item->id, item->gs);
        struct err err = ERR_INIT;
        if (file_sync_parent(paths.data, &err) && err.code != ERR_NOT_FOUND) {
            log_error("%s", err.text);
            dataset_note_error(item->pool->dataset, item->volume, &err);
        }
    }
    mem_free(fds);
}

static void *run(void *arg)
{
    struct syncer *syncer = arg;
    struct sync_item *batch[BATCH_MAX];

    for (;;) {
        lock(syncer);
        size_t count = take(syncer, batch);
        unlock(syncer);
        if (!count) return NULL; /* stopped and empty */
        sync_batch(batch, count);
        for (size_t i = 0; i < count; i++) mem_free(batch[i]);
        lock(syncer);
        syncer->waiting -= count;
        pthread_cond_broadcast(&syncer->changed);
        unlock(syncer);
    }
}

struct syncer *syncer_new(void)
{
    struct syncer *syncer = NEW(struct syncer);
    pthread_condattr_t clock;
    pthread_attr_t attr;

    STAILQ_INIT(&syncer->queue);
    pthread_mutex_init(&syncer->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&syncer->changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int failed = pthread_create(&syncer->thread, &attr, run, syncer);
    assert(!failed);
    pthread_attr_destroy(&attr);
    pthread_setname_np(syncer->thread, "syncer");
    return syncer;
}

void syncer_free(struct syncer *syncer)
{
    if (!syncer) return;
    lock(syncer);
    syncer->stop = true;
    pthread_cond_broadcast(&syncer->changed);
    unlock(syncer);
    pthread_join(syncer->thread, NULL);
    pthread_mutex_destroy(&syncer->lock);
    pthread_cond_destroy(&syncer->changed);
    mem_free(syncer);
}

void syncer_add(struct syncer *syncer, struct block_pool *pool, uint16_t volume, int64_t id,
                uint64_t gs)
{
    struct sync_item *item = NEW(struct sync_item);

    *item = (struct sync_item){
        .pool = pool, .volume = volume, .id = id, .gs = gs, .since_ms = clock_mono_ms()};
    lock(syncer);
    while (syncer->waiting >= SYNCER_QUEUE_MAX && !syncer->stop)
        pthread_cond_wait(&syncer->changed, &syncer->lock);
    STAILQ_INSERT_TAIL(&syncer->queue, item, link);
    if (syncer->waiting++ == 0 || syncer->waiting == SYNCER_QUEUE_MAX / 2 + 1)
        pthread_cond_broadcast(&syncer->changed);
    unlock(syncer);
}

size_t syncer_waiting(struct syncer *syncer)
{
    lock(syncer);
    size_t waiting = syncer->waiting;
    unlock(syncer);
    return waiting;
}
