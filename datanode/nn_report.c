#include "datanode/nn_report.h"

#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>

#include <uthash.h>

#include "common/clock.h"
#include "datanode/volume.h"

struct change {
    TAILQ_ENTRY(change) link;
    UT_hash_handle hh;
    int64_t id;
    uint64_t gs;
    int64_t length;
    Pb__ReceivedDeletedBlockInfo__BlockStatus status;
    const struct volume *volume; /* outlives us */
    char *delete_hint;
    bool writer_gone;
    uint64_t number; /* of the RECEIVED within its queue; 0 for others */
    int64_t since_ms;
};
TAILQ_HEAD(change_list, change);

struct report_queue {
    LIST_ENTRY(report_queue) link;
    struct nn_report *report;
    bool active, hurry, woken;
    struct change_list waiting, taken; /* taken: under way to the namenode */
    struct change *by_id;              /* the waiting ones */
    size_t received_waiting;
    uint64_t number_last; /* given out */
    uint64_t number_done; /* all up to here have arrived or were dropped */
};

struct nn_report {
    pthread_mutex_t lock;
    pthread_cond_t due;  /* for the links */
    pthread_cond_t done; /* for writers that wait */
    LIST_HEAD(, report_queue) queues;
};

/* ---- life ---- */

struct nn_report *nn_report_new(void)
{
    struct nn_report *report = NEW(struct nn_report);
    pthread_condattr_t clock;

    pthread_mutex_init(&report->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&report->due, &clock);
    pthread_cond_init(&report->done, &clock);
    pthread_condattr_destroy(&clock);
    LIST_INIT(&report->queues);
    return report;
}

void nn_report_free(struct nn_report *report)
{
    if (!report) return;
    assert(LIST_EMPTY(&report->queues));
    pthread_mutex_destroy(&report->lock);
    pthread_cond_destroy(&report->due);
    pthread_cond_destroy(&report->done);
    mem_free(report);
}

static void change_free(struct change *change)
{
    mem_free(change->delete_hint);
    mem_free(change);
}

static bool is_received(const struct change *change)
{
    return change->status == PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED;
}

static void unlink_waiting(struct report_queue *queue, struct change *change)
{
    HASH_DEL(queue->by_id, change);
    TAILQ_REMOVE(&queue->waiting, change, link);
    queue->received_waiting -= is_received(change);
}

static void drop_all(struct report_queue *queue)
{
    struct change *change;

    while ((change = TAILQ_FIRST(&queue->waiting))) {
        unlink_waiting(queue, change);
        change_free(change);
    }
    while ((change = TAILQ_FIRST(&queue->taken))) {
        TAILQ_REMOVE(&queue->taken, change, link);
        change_free(change);
    }
    queue->number_done = queue->number_last;
    pthread_cond_broadcast(&queue->report->done);
}

struct report_queue *report_queue_new(struct nn_report *report)
{
    struct report_queue *queue = NEW(struct report_queue);

    queue->report = report;
    TAILQ_INIT(&queue->waiting);
    TAILQ_INIT(&queue->taken);
    pthread_mutex_lock(&report->lock);
    LIST_INSERT_HEAD(&report->queues, queue, link);
    pthread_mutex_unlock(&report->lock);
    return queue;
}

void report_queue_free(struct report_queue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->report->lock);
    LIST_REMOVE(queue, link);
    drop_all(queue);
    pthread_mutex_unlock(&queue->report->lock);
    mem_free(queue);
}

/* ---- adding ---- */

/* A newer change of a block replaces one that waits: the namenode wants to know how things are. */
static uint64_t add(struct report_queue *queue, const struct change *model, const char *delete_hint)
{
    struct change *old, *change;

    HASH_FIND(hh, queue->by_id, &model->id, sizeof model->id, old);
    if (old) {
        unlink_waiting(queue, old);
        change_free(old);
    }
    change = NEW(struct change);
    *change = *model;
    if (delete_hint) change->delete_hint = mem_strdup(delete_hint);
    change->since_ms = clock_mono_ms();
    if (is_received(change)) {
        change->number = ++queue->number_last;
        queue->received_waiting++;
    }
    HASH_ADD(hh, queue->by_id, id, sizeof change->id, change);
    TAILQ_INSERT_TAIL(&queue->waiting, change, link);
    return change->number;
}

static void add_lazy(struct nn_report *report, const struct change *model)
{
    struct report_queue *queue;

    if (!report) return;
    pthread_mutex_lock(&report->lock);
    LIST_FOREACH (queue, &report->queues, link) {
        if (!queue->active) continue;
        bool first = TAILQ_EMPTY(&queue->waiting);
        add(queue, model, NULL);
        if (first) pthread_cond_broadcast(&report->due);
    }
    pthread_mutex_unlock(&report->lock);
}

void nn_report_receiving(struct nn_report *report, const struct volume *volume, int64_t id,
                         uint64_t gs)
{
    struct change change = {.id = id,
                            .gs = gs,
                            .volume = volume,
                            .status = PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING};
    add_lazy(report, &change);
}

void nn_report_writer_gone(struct nn_report *report, const struct volume *volume, int64_t id,
                           uint64_t gs)
{
    struct change change = {.id = id,
                            .gs = gs,
                            .volume = volume,
                            .writer_gone = true,
                            .status = PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING};
    add_lazy(report, &change);
}

void nn_report_deleted(struct nn_report *report, const struct volume *volume, int64_t id,
                       uint64_t gs)
{
    struct change change = {.id = id,
                            .gs = gs,
                            .volume = volume,
                            .status = PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED};
    add_lazy(report, &change);
}

/* Queues come and go only with their links, which end after the writers; the loop may look at them
 * after a wait. */
static void wait_all(struct nn_report *report, int wait_ms)
{
    int64_t deadline = clock_mono_ms() + wait_ms;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    struct report_queue *queue;
    uint64_t wanted[8];
    size_t count = 0;

    LIST_FOREACH (queue, &report->queues, link)
        if (count < ARRAY_LEN(wanted)) wanted[count++] = queue->active ? queue->number_last : 0;
    for (;;) {
        size_t i = 0;
        bool done = true;
        LIST_FOREACH (queue, &report->queues, link) {
            if (i < count && queue->active && queue->number_done < wanted[i]) done = false;
            i++;
        }
        if (done || pthread_cond_timedwait(&report->done, &report->lock, &until) == ETIMEDOUT)
            return;
    }
}

void nn_report_received(struct nn_report *report, const struct volume *volume, int64_t id,
                        uint64_t gs, int64_t length, const char *delete_hint, int wait_ms)
{
    struct change change = {.id = id,
                            .gs = gs,
                            .length = length,
                            .volume = volume,
                            .status = PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED};
    struct report_queue *queue;

    if (!report) return;
    pthread_mutex_lock(&report->lock);
    LIST_FOREACH (queue, &report->queues, link)
        if (queue->active) add(queue, &change, delete_hint);
    pthread_cond_broadcast(&report->due);
    if (wait_ms > 0) wait_all(report, wait_ms);
    pthread_mutex_unlock(&report->lock);
}

/* ---- the link's side ---- */

void report_queue_set_active(struct report_queue *queue, bool active)
{
    pthread_mutex_lock(&queue->report->lock);
    queue->active = active;
    if (!active) drop_all(queue);
    pthread_mutex_unlock(&queue->report->lock);
}

void report_queue_hurry(struct report_queue *queue)
{
    pthread_mutex_lock(&queue->report->lock);
    queue->hurry = true;
    pthread_cond_broadcast(&queue->report->due);
    pthread_mutex_unlock(&queue->report->lock);
}

void report_queue_wake(struct report_queue *queue)
{
    pthread_mutex_lock(&queue->report->lock);
    queue->woken = true;
    pthread_cond_broadcast(&queue->report->due);
    pthread_mutex_unlock(&queue->report->lock);
}

/* When the oldest change has to go; INT64_MAX when nothing waits. */
static int64_t due_at(const struct report_queue *queue)
{
    const struct change *first = TAILQ_FIRST(&queue->waiting);

    if (!first) return INT64_MAX;
    return queue->received_waiting || queue->hurry ? 0 : first->since_ms + REPORT_LAZY_MS;
}

static void wait_due(struct report_queue *queue, int timeout_ms)
{
    int64_t limit = clock_mono_ms() + timeout_ms;

    for (;;) {
        int64_t until = MIN(due_at(queue), limit);
        if (queue->woken || until <= clock_mono_ms()) break;
        struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
        pthread_cond_timedwait(&queue->report->due, &queue->report->lock, &at);
    }
    queue->woken = false;
}

static Pb__StorageReceivedDeletedBlocks *storage_of(Pb__BlockReceivedAndDeletedRequest *request,
                                                    const struct volume *volume, size_t room,
                                                    struct arena *arena)
{
    for (size_t i = 0; i < request->n_blocks; i++)
        if (str_eq(request->blocks[i]->storageuuid, volume->uuid)) return request->blocks[i];
    Pb__StorageReceivedDeletedBlocks *list = ARENA_NEW(arena, Pb__StorageReceivedDeletedBlocks);
    Pb__DatanodeStorage *storage = ARENA_NEW(arena, Pb__DatanodeStorage);
    pb__storage_received_deleted_blocks__init(list);
    pb__datanode_storage__init(storage);
    storage->storageuuid = arena_strdup(arena, volume->uuid);
    storage->has_state = storage->has_storagetype = 1;
    storage->storagetype = volume->type;
    list->storageuuid = storage->storageuuid;
    list->storage = storage;
    list->blocks = arena_alloc(arena, room * sizeof *list->blocks);
    request->blocks[request->n_blocks++] = list;
    return list;
}

static Pb__ReceivedDeletedBlockInfo *info_of(const struct change *change, struct arena *arena)
{
    Pb__ReceivedDeletedBlockInfo *info = ARENA_NEW(arena, Pb__ReceivedDeletedBlockInfo);
    Pb__Block *block = ARENA_NEW(arena, Pb__Block);

    pb__received_deleted_block_info__init(info);
    pb__block__init(block);
    block->blockid = (uint64_t)change->id;
    block->genstamp = change->gs;
    block->has_numbytes = 1;
    block->numbytes = (uint64_t)change->length;
    info->block = block;
    info->status = change->status;
    info->has_writergone = change->writer_gone;
    info->writergone = change->writer_gone;
    if (change->delete_hint) info->deletehint = arena_strdup(arena, change->delete_hint);
    return info;
}

Pb__BlockReceivedAndDeletedRequest *report_queue_take(struct report_queue *queue, int timeout_ms,
                                                      struct arena *arena)
{
    Pb__BlockReceivedAndDeletedRequest *request = NULL;
    size_t count = 0;

    pthread_mutex_lock(&queue->report->lock);
    wait_due(queue, timeout_ms);
    assert(TAILQ_EMPTY(&queue->taken));
    if (queue->active && due_at(queue) <= clock_mono_ms()) {
        size_t room = MIN((size_t)HASH_COUNT(queue->by_id), (size_t)REPORT_BATCH_MAX);
        request = ARENA_NEW(arena, Pb__BlockReceivedAndDeletedRequest);
        pb__block_received_and_deleted_request__init(request);
        request->blocks = arena_alloc(arena, room * sizeof *request->blocks);
        while (count++ < room) {
            struct change *change = TAILQ_FIRST(&queue->waiting);
            unlink_waiting(queue, change);
            TAILQ_INSERT_TAIL(&queue->taken, change, link);
            Pb__StorageReceivedDeletedBlocks *list =
                storage_of(request, change->volume, room, arena);
            list->blocks[list->n_blocks++] = info_of(change, arena);
        }
        if (TAILQ_EMPTY(&queue->waiting)) queue->hurry = false;
    }
    pthread_mutex_unlock(&queue->report->lock);
    return request;
}

void report_queue_done(struct report_queue *queue, bool arrived)
{
    struct change *change, *newer;

    pthread_mutex_lock(&queue->report->lock);
    while ((change = TAILQ_LAST(&queue->taken, change_list))) {
        TAILQ_REMOVE(&queue->taken, change, link);
        HASH_FIND(hh, queue->by_id, &change->id, sizeof change->id, newer);
        if (arrived || newer) {
            change_free(change);
            continue;
        }
        HASH_ADD(hh, queue->by_id, id, sizeof change->id, change);
        TAILQ_INSERT_HEAD(&queue->waiting, change, link);
        queue->received_waiting += is_received(change);
    }
    /* Numbers grow along the queue, so what still waits bounds what has arrived. */
    uint64_t done = queue->number_last;
    TAILQ_FOREACH (change, &queue->waiting, link) {
        if (!change->number) continue;
        done = change->number - 1;
        break;
    }
    queue->number_done = MAX(queue->number_done, done);
    pthread_cond_broadcast(&queue->report->done);
    pthread_mutex_unlock(&queue->report->lock);
}
