/*
 * Three things move: records into the batch at the tail (core thread), batches to disk (journal
 * thread), synced_txid (published after the sync). A batch that ends a segment makes the journal
 * thread finalize it and open the next before it goes on.
 */
#include "namenode/edit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "namenode/edit_codec.h"

enum { PREALLOCATE = 1024 * 1024, BATCH_KEEP = 4 * 1024 * 1024 };
#define UNSYNCED_MAX_DEFAULT (64 * MIB)

struct batch {
    struct buf bytes;
    uint64_t last_txid;
    bool ends_segment;
    uint64_t next_first; /* of the segment to open afterwards; 0: none, the log stops */
    TAILQ_ENTRY(batch) next;
};
TAILQ_HEAD(batches, batch);

/* The open segment in one directory. Journal thread only. */
struct stream {
    struct nn_dir *dir;
    char *path;
    int fd; /* -1: closed, or failed */
    int64_t offset, allocated;
};

struct edit_log {
    struct nn_storage *storage;
    struct edit_log_options options;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows, up to the next blank line */
    pthread_cond_t arrived, synced;
    struct batches pending;
    struct batch *spare; /* its buffer is reused */
    uint64_t unsynced;   /* bytes appended and not yet synced */
    bool unpushed;       /* appended since the journal thread was last woken */
    bool stopping;
    struct err failure;
    struct edit_log_stats stats;

    atomic_uint_fast64_t last_txid, synced_txid, segment_first;
    atomic_bool failed;

    /* Journal thread. */
    struct stream *streams;
    size_t stream_count;
    uint64_t open_first;   /* of the segment on disk */
    uint64_t seen_unsaved; /* goes to seen_txid with the next sync; 0: nothing */
};

/* ---- files: journal thread ---- */

static void stream_fail(struct stream *stream, const struct err *why)
{
    if (stream->fd >= 0) close(stream->fd);
    stream->fd = -1;
    nn_dir_fail(stream->dir, why);
}

/* Enough directories left? Otherwise the log has failed. */
static int check_streams(const struct edit_log *log, const struct err *why, struct err *err)
{
    uint32_t live = 0;

    for (size_t i = 0; i < log->stream_count; i++) {
        const struct stream *stream = &log->streams[i];
        if (stream->fd >= 0)
            live++;
        else if (stream->dir->required)
            return err_set(err, ERR_IO, "required journal in %s failed: %s", stream->dir->root,
                           why->text);
    }
    if (live >= log->storage->edits_dirs_minimum) return 0;
    return err_set(err, ERR_IO, "%u of %zu edits directories are left, %u are needed: %s", live,
                   log->stream_count, log->storage->edits_dirs_minimum, why->text);
}

typedef int stream_fn(struct stream *stream, const void *arg, struct err *err);

/* Does something in every directory; those where it fails are dropped. */
static int on_streams(struct edit_log *log, stream_fn *fn, const void *arg, struct err *err)
{
    struct err why = ERR_INIT;

    for (size_t i = 0; i < log->stream_count; i++) {
        struct stream *stream = &log->streams[i];
        if (stream->fd < 0) continue;
        if (!nn_dir_live(stream->dir, NN_DIR_EDITS) || fn(stream, arg, &why))
            stream_fail(stream, &why);
    }
    return check_streams(log, &why, err);
}

static int stream_preallocate(struct stream *stream, size_t size, struct err *err)
{
    static uint8_t fill[PREALLOCATE]; /* journal thread */

    if (fill[0] != EDIT_PADDING) memset(fill, EDIT_PADDING, sizeof fill);
    while (stream->allocated < stream->offset + (int64_t)size) {
        int rc = file_pwrite_full(stream->fd, fill, sizeof fill, stream->allocated, err);
        if (rc) return err_wrap(err, rc, "preallocate %s", stream->path);
        stream->allocated += PREALLOCATE;
    }
    return 0;
}

static int stream_write(struct stream *stream, const void *arg, struct err *err)
{
    const struct buf *bytes = arg;
    int rc = stream_preallocate(stream, bytes->length, err);

    if (!rc) rc = file_pwrite_full(stream->fd, bytes->data, bytes->length, stream->offset, err);
    if (rc) return err_wrap(err, rc, "write %s", stream->path);
    stream->offset += (int64_t)bytes->length;
    return 0;
}

static int stream_sync(struct stream *stream, const void *arg, struct err *err)
{
    (void)arg;
    return file_sync(stream->fd, stream->path, err);
}

static int stream_open(struct stream *stream, uint64_t first, struct err *err)
{
    uint8_t header[EDIT_HEADER_SIZE] = {0};
    struct buf bytes = {.data = header, .length = sizeof header};

    mem_free(stream->path);
    stream->path = mem_printf("%s/edits_inprogress_%019" PRIu64, stream->dir->current, first);
    stream->offset = stream->allocated = 0;
    /* Never an old file: two runs must not share a segment (HADOOP-1978). */
    stream->fd = open(stream->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (stream->fd < 0) return err_set_errno(err, errno, "create %s", stream->path);
    set_be32(header, (uint32_t)LAYOUT_NAMENODE);
    int rc = stream_write(stream, &bytes, err);
    if (!rc) rc = file_sync_parent(stream->path, err);
    return rc;
}

static int open_segment(struct edit_log *log, uint64_t first, struct err *err)
{
    struct err why = ERR_INIT;

    for (size_t i = 0; i < log->stream_count; i++) {
        struct stream *stream = &log->streams[i];
        if (nn_dir_live(stream->dir, NN_DIR_EDITS) && stream_open(stream, first, &why))
            stream_fail(stream, &why);
    }
    log->open_first = first;
    log->seen_unsaved = first;
    return check_streams(log, &why, err);
}

struct segment_span {
    uint64_t first, last;
};

/* Cuts the padding, then gives the segment its final name. */
static int stream_finalize(struct stream *stream, const void *arg, struct err *err)
{
    const struct segment_span *span = arg;
    char *final = mem_printf("%s/edits_%019" PRIu64 "-%019" PRIu64, stream->dir->current,
                             span->first, span->last);
    int rc = 0;

    if (ftruncate(stream->fd, stream->offset) || fsync(stream->fd))
        rc = err_set_errno(err, errno, "cut %s to its records", stream->path);
    if (!rc) rc = file_rename(stream->path, final, err);
    if (!rc) {
        close(stream->fd);
        stream->fd = -1;
        mem_free(stream->path);
        stream->path = final;
        return 0;
    }
    mem_free(final);
    return rc;
}

/* Closed streams count as lost in check_streams(), so finalizing counts its own. */
static int finalize_segment(struct edit_log *log, uint64_t last, struct err *err)
{
    struct segment_span span = {.first = log->open_first, .last = last};
    struct err why = ERR_INIT;
    uint32_t done = 0;

    for (size_t i = 0; i < log->stream_count; i++) {
        struct stream *stream = &log->streams[i];
        if (stream->fd < 0) continue;
        if (stream_finalize(stream, &span, &why))
            stream_fail(stream, &why);
        else
            done++;
    }
    if (done) return 0;
    return err_set(err, ERR_IO, "no edits directory could finalize the segment: %s", why.text);
}

/* A record of this segment is durable: from now on a start must find it. */
static int save_seen_txid(struct edit_log *log, struct err *err)
{
    if (!log->seen_unsaved) return 0;
    int rc = nn_storage_write_seen_txid(log->storage, log->seen_unsaved, err);
    log->seen_unsaved = 0;
    return rc;
}

/* ---- the journal thread ---- */

static int sync_streams(struct edit_log *log, struct err *err)
{
    int64_t start = clock_mono_ns();
    int rc = on_streams(log, stream_sync, NULL, err);

    if (!rc) rc = save_seen_txid(log, err);
    uint64_t took = (uint64_t)(clock_mono_ns() - start);
    pthread_mutex_lock(&log->lock);
    log->stats.syncs++;
    log->stats.sync_ns_total += took;
    log->stats.sync_ns_max = MAX(log->stats.sync_ns_max, took);
    pthread_mutex_unlock(&log->lock);
    return rc;
}

static int write_batch(struct edit_log *log, const struct batch *batch, struct err *err)
{
    int rc = batch->bytes.length ? on_streams(log, stream_write, &batch->bytes, err) : 0;

    if (rc || !batch->ends_segment) return rc;
    rc = sync_streams(log, err);
    if (!rc) rc = finalize_segment(log, batch->last_txid, err);
    if (!rc && batch->next_first) rc = open_segment(log, batch->next_first, err);
    return rc;
}

static void publish(struct edit_log *log, uint64_t txid)
{
    pthread_mutex_lock(&log->lock);
    atomic_store(&log->synced_txid, txid);
    pthread_cond_broadcast(&log->synced);
    pthread_mutex_unlock(&log->lock);
    if (log->options.on_synced) log->options.on_synced(log->options.context, txid);
}

static void fail(struct edit_log *log, const struct err *why)
{
    log_error("The journal failed; nothing is acknowledged any more: %s", why->text);
    pthread_mutex_lock(&log->lock);
    log->failure = *why;
    atomic_store(&log->failed, true);
    pthread_cond_broadcast(&log->synced);
    pthread_mutex_unlock(&log->lock);
    if (log->options.on_failed) log->options.on_failed(log->options.context, why);
}

/* Writes what was taken; answers false once the log has failed or stopped. */
static bool commit(struct edit_log *log, struct batches *taken, struct err *err)
{
    struct batch *batch, *last = NULL;
    int rc = 0;

    TAILQ_FOREACH (batch, taken, next) {
        rc = write_batch(log, batch, err);
        if (rc) break;
        last = batch;
    }
    bool stopped = last && last->ends_segment && !last->next_first;
    if (!rc && !stopped) rc = sync_streams(log, err);
    if (rc) {
        fail(log, err);
        return false;
    }
    publish(log, last->last_txid);
    return !stopped;
}

static void batch_free(struct batch *batch)
{
    buf_release(&batch->bytes);
    mem_free(batch);
}

/* With the lock held: gives the memory back and lets appenders go on. */
static void retire(struct edit_log *log, struct batches *taken)
{
    while (!TAILQ_EMPTY(taken)) {
        struct batch *batch = TAILQ_FIRST(taken);
        TAILQ_REMOVE(taken, batch, next);
        log->unsynced -= batch->bytes.length;
        log->stats.bytes += batch->bytes.length;
        if (log->spare || batch->bytes.capacity > BATCH_KEEP) {
            batch_free(batch);
            continue;
        }
        buf_clear(&batch->bytes);
        log->spare = batch;
    }
    pthread_cond_broadcast(&log->synced);
}

static void *journal_main(void *arg)
{
    struct edit_log *log = arg;
    struct err err = ERR_INIT;
    bool go_on = true;

    pthread_mutex_lock(&log->lock);
    while (go_on) {
        struct batches taken = TAILQ_HEAD_INITIALIZER(taken);
        while (TAILQ_EMPTY(&log->pending)) pthread_cond_wait(&log->arrived, &log->lock);
        TAILQ_CONCAT(&taken, &log->pending, next);
        log->unpushed = false;
        pthread_mutex_unlock(&log->lock);
        go_on = commit(log, &taken, &err);
        pthread_mutex_lock(&log->lock);
        retire(log, &taken);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* ---- appending: core thread ---- */

/* With the lock held. */
static struct batch *tail(struct edit_log *log)
{
    struct batch *batch = TAILQ_LAST(&log->pending, batches);

    if (batch && !batch->ends_segment) return batch;
    struct buf bytes = {0};
    batch = log->spare ? log->spare : NEW(struct batch);
    log->spare = NULL;
    bytes = batch->bytes;
    *batch = (struct batch){.bytes = bytes};
    TAILQ_INSERT_TAIL(&log->pending, batch, next);
    return batch;
}

/* With the lock held. */
static uint64_t append(struct edit_log *log, struct edit *edit)
{
    edit->txid = atomic_load(&log->last_txid) + 1;
    atomic_store(&log->last_txid, edit->txid);
    if (atomic_load(&log->failed)) return edit->txid;
    struct batch *batch = tail(log);
    size_t before = batch->bytes.length;
    edit_encode(edit, &batch->bytes);
    batch->last_txid = edit->txid;
    log->unsynced += batch->bytes.length - before;
    log->stats.transactions++;
    log->unpushed = true;
    return edit->txid;
}

/* With the lock held. */
static void push(struct edit_log *log)
{
    if (log->unpushed) pthread_cond_signal(&log->arrived);
    log->unpushed = false;
}

void edit_log_push(struct edit_log *log)
{
    pthread_mutex_lock(&log->lock);
    push(log);
    pthread_mutex_unlock(&log->lock);
}

uint64_t edit_log_append(void *context, struct edit *edit)
{
    struct edit_log *log = context;

    pthread_mutex_lock(&log->lock);
    while (log->unsynced > log->options.unsynced_max && !atomic_load(&log->failed)) {
        push(log);
        pthread_cond_wait(&log->synced, &log->lock);
    }
    uint64_t txid = append(log, edit);
    pthread_mutex_unlock(&log->lock);
    return txid;
}

/* With the lock held. */
static void end_segment(struct edit_log *log, bool goes_on)
{
    struct edit end = {.op = EDIT_END_LOG_SEGMENT};
    uint64_t txid = append(log, &end);

    if (atomic_load(&log->failed)) return;
    struct batch *batch = TAILQ_LAST(&log->pending, batches);
    batch->ends_segment = true;
    batch->next_first = goes_on ? txid + 1 : 0;
}

uint64_t edit_log_roll(struct edit_log *log)
{
    struct edit start = {.op = EDIT_START_LOG_SEGMENT};

    pthread_mutex_lock(&log->lock);
    end_segment(log, true);
    uint64_t txid = append(log, &start);
    atomic_store(&log->segment_first, txid);
    push(log);
    pthread_mutex_unlock(&log->lock);
    return txid;
}

/* ---- life ---- */

static void log_free(struct edit_log *log)
{
    for (size_t i = 0; i < log->stream_count; i++) {
        if (log->streams[i].fd >= 0) close(log->streams[i].fd);
        mem_free(log->streams[i].path);
    }
    mem_free(log->streams);
    while (!TAILQ_EMPTY(&log->pending)) {
        struct batch *batch = TAILQ_FIRST(&log->pending);
        TAILQ_REMOVE(&log->pending, batch, next);
        batch_free(batch);
    }
    if (log->spare) batch_free(log->spare);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->arrived);
    pthread_cond_destroy(&log->synced);
    mem_free(log);
}

static struct edit_log *log_new(struct nn_storage *storage, uint64_t last_txid,
                                const struct edit_log_options *options)
{
    struct edit_log *log = NEW(struct edit_log);

    log->storage = storage;
    if (options) log->options = *options;
    if (!log->options.unsynced_max) log->options.unsynced_max = UNSYNCED_MAX_DEFAULT;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->arrived, NULL);
    pthread_cond_init(&log->synced, NULL);
    TAILQ_INIT(&log->pending);
    atomic_store(&log->last_txid, last_txid);
    atomic_store(&log->synced_txid, last_txid);
    atomic_store(&log->segment_first, last_txid + 1);
    log->streams = NEW_ARRAY(struct stream, storage->count);
    for (size_t i = 0; i < storage->count; i++)
        if (storage->dirs[i].use & NN_DIR_EDITS)
            log->streams[log->stream_count++] = (struct stream){.dir = &storage->dirs[i], .fd = -1};
    return log;
}

/* Signals are the main thread's business. */
static int start_thread(struct edit_log *log, struct err *err)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errno_value = pthread_create(&log->thread, NULL, journal_main, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno_value) return err_set_errno(err, errno_value, "start the journal thread");
    pthread_setname_np(log->thread, "journal");
    return 0;
}

int edit_log_start(struct edit_log **out, struct nn_storage *storage, uint64_t last_txid,
                   const struct edit_log_options *options, struct err *err)
{
    struct edit_log *log = log_new(storage, last_txid, options);
    struct edit start = {.op = EDIT_START_LOG_SEGMENT};
    int rc = open_segment(log, last_txid + 1, err);

    if (!rc) rc = start_thread(log, err);
    if (rc) {
        log_free(log);
        return err_wrap(err, rc, "begin the edit log at txid %" PRIu64, last_txid + 1);
    }
    uint64_t txid = edit_log_append(log, &start);
    rc = edit_log_wait(log, txid, err);
    if (rc) {
        pthread_join(log->thread, NULL);
        log_free(log);
        return rc;
    }
    log_info("Starting log segment at %" PRIu64, txid);
    *out = log;
    return 0;
}

int edit_log_stop(struct edit_log *log, struct err *err)
{
    pthread_mutex_lock(&log->lock);
    end_segment(log, false);
    push(log);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    bool failed = edit_log_failed(log, err);
    int rc = failed ? log->failure.code : 0;
    log_free(log);
    return rc;
}

/* ---- looking ---- */

uint64_t edit_log_last_txid(const struct edit_log *log)
{
    return atomic_load(&log->last_txid);
}
uint64_t edit_log_synced_txid(const struct edit_log *log)
{
    return atomic_load(&log->synced_txid);
}
uint64_t edit_log_segment_first(const struct edit_log *log)
{
    return atomic_load(&log->segment_first);
}

bool edit_log_failed(const struct edit_log *log, struct err *why)
{
    bool failed =
        atomic_load(&log->failed); /* published after `failure`, which never changes again */

    if (failed && why) *why = log->failure;
    return failed;
}

int edit_log_wait(struct edit_log *log, uint64_t txid, struct err *err)
{
    pthread_mutex_lock(&log->lock);
    push(log);
    while (atomic_load(&log->synced_txid) < txid && !atomic_load(&log->failed))
        pthread_cond_wait(&log->synced, &log->lock);
    pthread_mutex_unlock(&log->lock);
    if (atomic_load(&log->synced_txid) >= txid) return 0;
    edit_log_failed(log, err);
    return log->failure.code;
}

void edit_log_get_stats(const struct edit_log *log, struct edit_log_stats *out)
{
    struct edit_log *l = (struct edit_log *)(uintptr_t)log;

    pthread_mutex_lock(&l->lock);
    *out = log->stats;
    pthread_mutex_unlock(&l->lock);
}
