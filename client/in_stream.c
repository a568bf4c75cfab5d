/*
 * Answers to DFSInputStream. Two ways to read: the functions with a position stream a whole block
 * through one block_reader; in_stream_pread() opens a short range for itself. Both share the
 * locations, fetched in pages of ten blocks, and the memory of which datanodes failed.
 */
#include "client/in_stream.h"

#include <pthread.h>
#include <limits.h>
#include <stdio.h>

#include "client/block_reader.h"
#include "client/fs_state.h"
#include "client/hedge.h"
#include "client/located.h"
#include "common/clock.h"
#include "common/log.h"

enum {
    PAGES_MAX = 64, /* of locations kept */
    DEAD_MAX = 64,  /* datanodes remembered as failing */
    UUID_MAX = 64,  /* longer ones are compared by their beginning */
    SKIP_MAX =
        128 * 1024, /* a seek forward of at most that reads on (DFSInputStream: TCP_WINDOW_SIZE) */
    PREFETCH_BLOCKS = 10,
};

struct in_stream {
    struct fs *fs;
    char *path;
    bool verify;
    uint64_t length;
    uint64_t first_id; /* of the file's blocks when it was opened, by which it is known again */
    _Atomic uint64_t last_id;

    pthread_mutex_t lock;             /* guards what follows up to the next lock; held for short */
    struct located *pages[PAGES_MAX]; /* newest last */
    unsigned page_count;
    char dead[DEAD_MAX][UUID_MAX];
    unsigned dead_count;
    struct in_stream_stats stats;

    pthread_mutex_t position_lock; /* guards the rest; held while reading; taken before `lock` */
    uint64_t position;
    struct block_reader *reader; /* NULL when none is open */
    struct located *reader_page; /* keeps the reader's block */
    const Pb__LocatedBlock *reader_block;
    size_t reader_replica;
};

/* ---- locations ---- */

/* Takes over the caller's reference. */
static void add_page(struct in_stream *stream, struct located *page)
{
    pthread_mutex_lock(&stream->lock);
    if (stream->page_count == PAGES_MAX) {
        located_put(stream->pages[0]);
        memmove(stream->pages, stream->pages + 1, (PAGES_MAX - 1) * sizeof *stream->pages);
        stream->page_count--;
    }
    stream->pages[stream->page_count++] = page;
    pthread_mutex_unlock(&stream->lock);
}

static void drop_pages(struct in_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->page_count) located_put(stream->pages[--stream->page_count]);
    pthread_mutex_unlock(&stream->lock);
}

static const Pb__LocatedBlock *find_in_pages(struct in_stream *stream, uint64_t offset,
                                             struct located **page)
{
    const Pb__LocatedBlock *block = NULL;

    pthread_mutex_lock(&stream->lock);
    for (unsigned i = stream->page_count; i-- > 0 && !block;) {
        block = located_find(stream->pages[i], offset);
        if (block) located_get(*page = stream->pages[i]);
    }
    pthread_mutex_unlock(&stream->lock);
    return block;
}

static uint64_t prefetch_size(const struct fs *fs)
{
    return fs->settings.prefetch_size ? fs->settings.prefetch_size
                                      : PREFETCH_BLOCKS * fs->settings.block_size;
}

static uint64_t last_block_id(const struct located *page)
{
    return page->blocks->lastblock ? page->blocks->lastblock->b->blockid : 0;
}

/* Is what lies at our path the file that was opened? Its blocks tell: the last one, or, as that of a
 * file that grows is another one in time, the first. */
static int check_same_file(struct in_stream *stream, struct located *page, struct err *err)
{
    struct located *start = page;

    if (last_block_id(page) == stream->last_id) return 0;
    if (!located_find(page, 0)) {
        int rc = located_fetch(stream->fs, stream->path, 0, 1, &start, err);
        if (rc) return rc;
    }
    const Pb__LocatedBlock *first = located_find(start, 0);
    bool same = first && first->b->blockid == stream->first_id;
    if (start != page) located_put(start);
    if (!same) return err_set(err, ERR_IO, "Blocklist for %s has changed!", stream->path);
    stream->last_id = last_block_id(page);
    return 0;
}

/* The block that holds `offset`; *page keeps it alive, the caller puts it. */
static int find_block(struct in_stream *stream, uint64_t offset, struct located **page,
                      const Pb__LocatedBlock **block, struct err *err)
{
    *block = find_in_pages(stream, offset, page);
    if (*block) return 0;
    int rc = located_fetch(stream->fs, stream->path, offset, prefetch_size(stream->fs), page, err);
    if (rc) return rc;
    rc = check_same_file(stream, *page, err);
    if (rc) {
        located_put(*page);
        return rc;
    }
    located_get(*page);
    add_page(stream, *page);
    *block = located_find(*page, offset);
    if (*block) return 0;
    located_put(*page);
    return err_set(err, ERR_IO,
                   "Could not find target position %" PRIu64 " in %s: the file has changed", offset,
                   stream->path);
}

/* ---- datanodes that failed ---- */

static bool is_dead(struct in_stream *stream, const char *uuid)
{
    bool found = false;

    pthread_mutex_lock(&stream->lock);
    for (unsigned i = 0; i < stream->dead_count && !found; i++)
        found = strncmp(stream->dead[i], uuid, UUID_MAX - 1) == 0;
    pthread_mutex_unlock(&stream->lock);
    return found;
}

static void mark_dead(struct in_stream *stream, const char *uuid)
{
    if (is_dead(stream, uuid)) return;
    pthread_mutex_lock(&stream->lock);
    if (stream->dead_count == DEAD_MAX) /* forget the oldest */
        memmove(stream->dead, stream->dead + 1, --stream->dead_count * sizeof *stream->dead);
    snprintf(stream->dead[stream->dead_count++], UUID_MAX, "%s", uuid);
    pthread_mutex_unlock(&stream->lock);
}

static void forgive(struct in_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->dead_count = 0;
    pthread_mutex_unlock(&stream->lock);
}

/* The nearest replica on a datanode not known as failing, or -1. */
static ssize_t choose(struct in_stream *stream, const Pb__LocatedBlock *block)
{
    for (size_t i = 0; i < block->n_locs; i++)
        if (!is_dead(stream, block->locs[i]->id->datanodeuuid)) return (ssize_t)i;
    return -1;
}

/* ---- trouble ---- */

/* Tells the namenode which replica is corrupt; it checks and replaces it. */
static void report_bad(struct in_stream *stream, const Pb__LocatedBlock *block, size_t replica)
{
    Pb__ReportBadBlocksRequest request = PB__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Pb__LocatedBlock bad = PB__LOCATED_BLOCK__INIT, *list = &bad;
    char name[LOCATED_NAME_MAX];
    struct err err = ERR_INIT;

    bad.b = block->b;
    bad.blocktoken = block->blocktoken;
    bad.n_locs = 1;
    bad.locs = &block->locs[replica];
    bad.corrupt = true;
    if (replica < block->n_storagetypes) {
        bad.n_storagetypes = 1;
        bad.storagetypes = &block->storagetypes[replica];
    }
    if (replica < block->n_storageids) {
        bad.n_storageids = 1;
        bad.storageids = &block->storageids[replica];
    }
    request.n_blocks = 1;
    request.blocks = &list;
    log_warn("Found Checksum error for %s from %s", located_block_name(block->b, name, sizeof name),
             block->locs[replica]->id->hostname);
    if (fs_do(stream->fs, "reportBadBlocks", &request, &pb__report_bad_blocks_response__descriptor,
              &err))
        log_info("reporting the corrupt block of %s failed: %s", stream->path, err.text);
}

/* What one read has been through. */
struct tries {
    int acquire_failures; /* times that no datanode was left */
    bool token_refetched;
};

/* No datanode is left: forget which failed, wait, and ask the namenode anew (chooseDataNode). */
static int refetch(struct in_stream *stream, const Pb__LocatedBlock *block, struct tries *tries,
                   struct err *err)
{
    const struct fs_settings *settings = &stream->fs->settings;
    char name[LOCATED_NAME_MAX];

    if (tries->acquire_failures >= settings->block_acquire_failures_max) {
        struct err last = *err;
        err_set(err, ERR_IO, "Could not obtain block: %s file=%s%s%s",
                located_block_name(block->b, name, sizeof name), stream->path,
                last.code ? "; last: " : " No live nodes contain current block",
                last.code ? last.text : "");
        return fs_set_java_class(err, "org.apache.hadoop.hdfs.BlockMissingException");
    }
    /* Grace period for the n-th failure, and a random spread so that readers do not come back all
     * at once. */
    int64_t pause = settings->retry_window_ms * tries->acquire_failures +
                    (int64_t)((double)settings->retry_window_ms * (tries->acquire_failures + 1) *
                              ((double)(clock_mono_ns() % 1000) / 1000));
    tries->acquire_failures++;
    forgive(stream);
    drop_pages(stream);
    clock_sleep_ms(pause);
    return 0;
}

/* Draws the consequences of an error with one replica. 0: try again. */
static int blame(struct in_stream *stream, const Pb__LocatedBlock *block, size_t replica, int rc,
                 struct tries *tries, struct err *err)
{
    if (rc == ERR_BLOCK_TOKEN &&
        !tries->token_refetched) { /* expired: the next locations bring a new one */
        tries->token_refetched = true;
        drop_pages(stream);
        return 0;
    }
    log_warn("Failed to read from %s: %s", block->locs[replica]->id->hostname, err->text);
    if (rc == ERR_CHECKSUM) report_bad(stream, block, replica);
    mark_dead(stream, block->locs[replica]->id->datanodeuuid);
    return 0;
}

static void count_bytes(struct in_stream *stream, const struct block_reader *reader, size_t n)
{
    pthread_mutex_lock(&stream->lock);
    stream->stats.bytes += n;
    if (block_reader_local(reader)) stream->stats.bytes_local += n;
    pthread_mutex_unlock(&stream->lock);
}

/* ---- positional reads ---- */

/* From one replica, at most to the end of the block. Bytes or ERR_*. */
static ssize_t pread_replica(struct in_stream *stream, const Pb__LocatedBlock *block,
                             size_t replica, uint64_t offset, uint8_t *data, size_t size,
                             struct err *err)
{
    struct block_reader *reader;
    struct block_range range = {
        .path = stream->path,
        .block = block,
        .replica = replica,
        .offset = offset - block->offset,
        .length = MIN((uint64_t)size, block->offset + block->b->numbytes - offset),
        .verify = stream->verify,
    };

    int rc = block_reader_open(stream->fs, &range, &reader, err);
    if (rc) return rc;
    ssize_t n = block_reader_read(reader, data, (size_t)range.length, err);
    if (n > 0) count_bytes(stream, reader, (size_t)n);
    block_reader_close(reader);
    return n;
}

/* ---- hedged reads ---- */

/* What attempts share. It lives on when the stream is closed before they have ended. */
struct hedge_source {
    struct fs *fs;
    char *path;
    struct located *page;
    const Pb__LocatedBlock *block;
    uint64_t offset; /* in the block */
    bool verify;
};

static ssize_t hedge_read(void *arg, size_t replica, uint8_t *data, size_t size, struct err *err)
{
    const struct hedge_source *source = arg;
    struct block_reader *reader;
    struct block_range range = {
        .path = source->path,
        .block = source->block,
        .replica = replica,
        .offset = source->offset,
        .length = size,
        .verify = source->verify,
    };

    int rc = block_reader_open(source->fs, &range, &reader, err);
    if (rc) return rc;
    ssize_t n = block_reader_read(reader, data, size, err);
    block_reader_close(reader);
    return n;
}

static void hedge_release(void *arg)
{
    struct hedge_source *source = arg;

    located_put(source->page);
    mem_free(source->path);
    mem_free(source);
}

static struct hedge *hedge_for(struct in_stream *stream, struct located *page,
                               const Pb__LocatedBlock *block, uint64_t offset, size_t size)
{
    struct hedge_source *source = NEW(struct hedge_source);

    located_get(page);
    *source = (struct hedge_source){
        .fs = stream->fs,
        .path = mem_strdup(stream->path),
        .page = page,
        .block = block,
        .offset = offset - block->offset,
        .verify = stream->verify,
    };
    return hedge_new(stream->fs->hedges,
                     (size_t)MIN((uint64_t)size, block->offset + block->b->numbytes - offset),
                     hedge_read, hedge_release, source);
}

static ssize_t choose_untried(struct in_stream *stream, const Pb__LocatedBlock *block,
                              struct hedge *hedge)
{
    for (size_t i = 0; i < block->n_locs; i++)
        if (!hedge_tried(hedge, i) && !is_dead(stream, block->locs[i]->id->datanodeuuid))
            return (ssize_t)i;
    return -1;
}

/* One attempt has won: the datanodes that kept it waiting are left alone until none else is there. */
static void take_winner(struct in_stream *stream, const Pb__LocatedBlock *block,
                        struct hedge *hedge, size_t first, const struct hedge_result *won,
                        uint8_t *data)
{
    memcpy(data, won->data, (size_t)won->n);
    pthread_mutex_lock(&stream->lock);
    stream->stats.bytes += (size_t)won->n;
    pthread_mutex_unlock(&stream->lock);
    if (won->choice == first) return;
    stream->fs->hedged_wins++;
    for (size_t i = 0; i < block->n_locs; i++)
        if (i != won->choice && hedge_tried(hedge, i))
            mark_dead(stream, block->locs[i]->id->datanodeuuid);
}

/* From the first replica that answers; another one is asked each time that all were silent for the
 * threshold, or one failed. 0: none is left. */
static ssize_t pread_hedged(struct in_stream *stream, const Pb__LocatedBlock *block,
                            struct hedge *hedge, size_t first, uint8_t *data, struct tries *tries,
                            struct err *err)
{
    struct hedge_result result;
    bool more = true;

    for (;;) {
        bool slow = !hedge_wait(hedge, more ? stream->fs->settings.hedge_after_ms : -1, &result);
        if (!slow && result.n > 0) {
            take_winner(stream, block, hedge, first, &result, data);
            return result.n;
        }
        if (!slow) {
            *err = result.err;
            if (!result.n)
                return err_set(err, ERR_BAD_MESSAGE, "an empty answer for %s", stream->path);
            int rc = blame(stream, block, result.choice, (int)result.n, tries, err);
            if (rc) return rc;
        }
        ssize_t next = choose_untried(stream, block, hedge);
        more = next >= 0 && hedge_start(hedge, (size_t)next);
        if (more && slow) stream->fs->hedged_reads++;
        if (!more && !hedge_running(hedge)) return 0;
    }
}

/* One round of reading from `replica`, or from another one if it is slow and reads are hedged. */
static ssize_t pread_round(struct in_stream *stream, struct located *page,
                           const Pb__LocatedBlock *block, size_t replica, uint64_t offset,
                           uint8_t *data, size_t size, struct tries *tries, struct err *err)
{
    if (stream->fs->hedges) {
        struct hedge *hedge = hedge_for(stream, page, block, offset, size);
        bool started = hedge_start(hedge, replica);
        ssize_t n = started ? pread_hedged(stream, block, hedge, replica, data, tries, err) : 0;
        hedge_drop(hedge);
        if (started) return n;
        stream->fs->hedged_here++;
    }
    ssize_t n = pread_replica(stream, block, replica, offset, data, size, err);
    return n < 0 ? blame(stream, block, replica, (int)n, tries, err) : n;
}

/* From whatever replica, at least one byte. */
static ssize_t pread_some(struct in_stream *stream, uint64_t offset, uint8_t *data, size_t size,
                          struct tries *tries, struct err *err)
{
    for (;;) {
        const Pb__LocatedBlock *block;
        struct located *page;
        ssize_t n = find_block(stream, offset, &page, &block, err);
        if (n) return n;
        ssize_t replica = choose(stream, block);
        if (replica < 0)
            n = refetch(stream, block, tries, err);
        else
            n = pread_round(stream, page, block, (size_t)replica, offset, data, size, tries, err);
        located_put(page);
        if (n) return n;
    }
}

ssize_t in_stream_pread(struct in_stream *stream, uint64_t offset, void *data, size_t size,
                        struct err *err)
{
    struct tries tries = {0};
    size_t done = 0;

    err_clear(err);
    if (offset >= stream->length) return 0;
    size = (size_t)MIN(MIN((uint64_t)size, stream->length - offset), (uint64_t)SSIZE_MAX);
    while (done < size) {
        ssize_t n =
            pread_some(stream, offset + done, (uint8_t *)data + done, size - done, &tries, err);
        if (n < 0) return n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* ---- reads at the position ---- */

static void close_reader(struct in_stream *stream)
{
    block_reader_close(stream->reader);
    located_put(stream->reader_page);
    stream->reader = NULL;
    stream->reader_page = NULL;
}

/* Opens a reader from the position to the end of its block. 0 also when it has to be tried again
 * (reader NULL). */
static int open_reader(struct in_stream *stream, struct tries *tries, struct err *err)
{
    const Pb__LocatedBlock *block;
    struct located *page;

    int rc = find_block(stream, stream->position, &page, &block, err);
    if (rc) return rc;
    ssize_t replica = choose(stream, block);
    if (replica < 0) {
        rc = refetch(stream, block, tries, err);
        located_put(page);
        return rc;
    }
    struct block_range range = {
        .path = stream->path,
        .block = block,
        .replica = (size_t)replica,
        .offset = stream->position - block->offset,
        .length = block->offset + block->b->numbytes - stream->position,
        .verify = stream->verify,
    };
    rc = block_reader_open(stream->fs, &range, &stream->reader, err);
    if (rc) {
        stream->reader = NULL;
        rc = blame(stream, block, (size_t)replica, rc, tries, err);
        located_put(page);
        return rc;
    }
    stream->reader_page = page;
    stream->reader_block = block;
    stream->reader_replica = (size_t)replica;
    return 0;
}

/* At least one byte, or an error. The caller saw to it that the position is before the end. */
static ssize_t read_some(struct in_stream *stream, uint8_t *data, size_t size, struct tries *tries,
                         struct err *err)
{
    for (;;) {
        while (!stream->reader) {
            int rc = open_reader(stream, tries, err);
            if (rc) return rc;
        }
        ssize_t n = block_reader_read(stream->reader, data, size, err);
        if (n > 0) {
            count_bytes(stream, stream->reader, (size_t)n);
            stream->position += (uint64_t)n;
            if (block_reader_position(stream->reader) == block_reader_end(stream->reader))
                close_reader(stream);
            return n;
        }
        assert(n < 0); /* a reader at its end is closed */
        blame(stream, stream->reader_block, stream->reader_replica, (int)n, tries, err);
        close_reader(stream);
    }
}

ssize_t in_stream_read(struct in_stream *stream, void *data, size_t size, struct err *err)
{
    struct tries tries = {0};
    size_t done = 0;
    ssize_t n = 0;

    err_clear(err);
    size = MIN(size, (size_t)SSIZE_MAX);
    pthread_mutex_lock(&stream->position_lock);
    while (done < size && stream->position < stream->length) {
        size_t wanted = (size_t)MIN((uint64_t)(size - done), stream->length - stream->position);
        n = read_some(stream, (uint8_t *)data + done, wanted, &tries, err);
        if (n < 0) break;
        done += (size_t)n;
    }
    pthread_mutex_unlock(&stream->position_lock);
    return done ? (ssize_t)done : MIN(n, (ssize_t)0);
}

/* ---- position ---- */

/* A short way forward inside of the open block is read over instead of opening anew. */
static void skip_forward(struct in_stream *stream, uint64_t distance)
{
    uint8_t waste[4096];
    struct err err = ERR_INIT;

    while (distance) {
        ssize_t n = block_reader_read(stream->reader, waste,
                                      (size_t)MIN(distance, (uint64_t)sizeof waste), &err);
        if (n <= 0) {
            close_reader(stream);
            return;
        }
        distance -= (uint64_t)n;
    }
}

int in_stream_seek(struct in_stream *stream, uint64_t position, struct err *err)
{
    if (position > stream->length)
        return err_set(err, ERR_EOF,
                       "Cannot seek after EOF: %" PRIu64 " in %s of %" PRIu64 " bytes", position,
                       stream->path, stream->length);
    pthread_mutex_lock(&stream->position_lock);
    if (stream->reader && position != stream->position) {
        const struct block_reader *reader = stream->reader;
        uint64_t left = block_reader_end(reader) - block_reader_position(reader);
        uint64_t distance = position - stream->position; /* huge when it goes back */
        if (distance < left && distance <= SKIP_MAX)
            skip_forward(stream, distance);
        else
            close_reader(stream);
    }
    stream->position = position;
    pthread_mutex_unlock(&stream->position_lock);
    return 0;
}

uint64_t in_stream_tell(struct in_stream *stream)
{
    pthread_mutex_lock(&stream->position_lock);
    uint64_t position = stream->position;
    pthread_mutex_unlock(&stream->position_lock);
    return position;
}

uint64_t in_stream_length(struct in_stream *stream)
{
    return stream->length;
}

uint64_t in_stream_available(struct in_stream *stream)
{
    return stream->length - in_stream_tell(stream);
}

void in_stream_unbuffer(struct in_stream *stream)
{
    pthread_mutex_lock(&stream->position_lock);
    close_reader(stream);
    pthread_mutex_unlock(&stream->position_lock);
}

void in_stream_stats(struct in_stream *stream, struct in_stream_stats *stats)
{
    pthread_mutex_lock(&stream->lock);
    *stats = stream->stats;
    pthread_mutex_unlock(&stream->lock);
}

void in_stream_clear_stats(struct in_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->stats = (struct in_stream_stats){0};
    pthread_mutex_unlock(&stream->lock);
}

/* ---- life ---- */

static int check_readable(const struct located *page, const char *path, struct err *err)
{
    if (page->blocks->ecpolicy)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is erasure coded (%s): reading such files is not supported", path,
                       fs_ec_policy_name(page->blocks->ecpolicy));
    if (page->blocks->fileencryptioninfo)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is encrypted: reading files of an encryption zone is not supported",
                       path);
    return 0;
}

int fs_open(struct fs *fs, const char *path, const struct fs_open_options *options,
            struct in_stream **result, struct err *err)
{
    struct located *page;

    int rc = fs_check_path(path, err);
    if (!rc) rc = located_fetch(fs, path, 0, prefetch_size(fs), &page, err);
    if (rc) return rc;
    rc = check_readable(page, path, err);
    if (rc) {
        located_put(page);
        return rc;
    }
    struct in_stream *stream = NEW(struct in_stream);
    pthread_mutex_init(&stream->lock, NULL);
    pthread_mutex_init(&stream->position_lock, NULL);
    stream->fs = fs;
    stream->path = mem_strdup(path);
    stream->verify = !options || !options->skip_checksum;
    stream->length = page->length;
    const Pb__LocatedBlock *first = located_find(page, 0);
    stream->first_id = first ? first->b->blockid : 0;
    stream->last_id = last_block_id(page);
    add_page(stream, page);
    *result = stream;
    return 0;
}

void in_stream_close(struct in_stream *stream)
{
    if (!stream) return;
    close_reader(stream);
    drop_pages(stream);
    pthread_mutex_destroy(&stream->lock);
    pthread_mutex_destroy(&stream->position_lock);
    mem_free(stream->path);
    mem_free(stream);
}
