#include "datanode/scan_block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/nn_link.h"
#include "datanode/throttle.h"

enum {
    PIECE = 256 << 10,
    STACK_SIZE = 256 * 1024,
    POOLS_POLL_MS = 5000, /* a pool may come, or a round become due */
    CURSOR_FILE_MAX = 64 << 10,
    SUBDIRS = 32, /* of each of the two levels below finalized */
};

/* Where the round through a pool is: everything up to and with `last` of that folder is done. */
struct place {
    bool loaded;
    bool at_end;
    int64_t start_ms, saved_ms; /* wall clock, as the file has them */
    int dir, subdir;
    int64_t last;
};

struct suspect {
    struct block_pool *pool;
    int64_t id;
    int64_t since_ms;
    bool done;
};

struct volume_scan {
    struct scan_block *owner;
    uint16_t volume;
    pthread_t thread;
    struct throttle throttle;
    struct place places[DATASET_POOLS_MAX];
    /* A ring of those of late; guarded by the owner's lock. */
    struct suspect suspects[SCAN_SUSPECTS_MAX];
    size_t suspect_next;
    struct scan_stats stats; /* likewise */
};

struct scan_block {
    struct dataset *dataset;
    int64_t period_ms, rate;
    bool skip_recent;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    atomic_size_t count;
    struct volume_scan *volumes[REPLICA_VOLUMES_MAX];
};

/* ---- one replica ---- */

/* What the bytes cost, in portions that do not hold up the end. */
static void pay(struct volume_scan *v, size_t bytes)
{
    size_t most = (size_t)MAX(v->owner->rate / 8, (int64_t)1);

    for (size_t part; bytes && !v->owner->stop; bytes -= part) {
        part = MIN(bytes, most);
        throttle_pass(&v->throttle, part);
    }
}

static int verify_pieces(struct volume_scan *v, const struct replica_read *read, uint64_t *bytes,
                         struct err *err)
{
    const struct checksum *sum = &read->file.sum;
    int64_t bpc = sum->bytes_per_checksum, step = MAX(PIECE / bpc, (int64_t)1) * bpc;
    uint8_t *data = mem_alloc((size_t)step), *crcs = mem_alloc(checksum_bytes(sum, (size_t)step));
    int rc = 0;

    for (int64_t at = 0; at < read->length && !rc && !v->owner->stop; at += step) {
        int64_t end = MIN(at + step, read->length);
        size_t size = (size_t)(end - at);
        rc = file_pread_full(read->file.data_fd, data, size, at, err);
        if (!rc) rc = replica_read_crcs(read, at, end, crcs, err);
        ssize_t bad = rc ? -1 : checksum_verify(sum, data, size, crcs);
        if (bad >= 0)
            rc = err_set(err, ERR_CHECKSUM,
                         "its bytes do not fit their checksum in the chunk at %" PRId64,
                         at + bad * bpc);
        posix_fadvise(read->file.data_fd, at, end - at, POSIX_FADV_DONTNEED);
        *bytes += size;
        pay(v, size);
    }
    mem_free(data);
    mem_free(crcs);
    return rc;
}

static int verify(struct volume_scan *v, struct block_pool *pool, const struct block_name *block,
                  uint64_t *bytes, struct err *err)
{
    struct replica_read read = {.file = BLOCK_FILE_INIT};

    int rc = dataset_open_read(pool, block, 0, 0, &read, err);
    if (rc) return rc;
    if (read.state == REPLICA_FINALIZED && read.gs == block->gs) {
        if (read.file.meta_fd < 0)
            rc = err_set(err, ERR_CORRUPT, "its file of checksums is not there");
        else
            rc = verify_pieces(v, &read, bytes, err);
    }
    replica_read_close(&read);
    return rc;
}

static bool finalized_here(const struct volume_scan *v, struct block_pool *pool, int64_t id,
                           struct replica_view *view)
{
    return dataset_view(pool, id, view) && view->state == REPLICA_FINALIZED &&
           view->volume == v->volume;
}

/* A failure counts only if the replica is still what it was when the reading began: writers and
 * deletions go on meanwhile. */
static void scan_one(struct volume_scan *v, struct block_pool *pool, int64_t id)
{
    struct replica_view before, after;
    char text[BLOCK_TEXT_MAX];
    struct err err = ERR_INIT;
    uint64_t bytes = 0;
    bool bad = false;

    if (!finalized_here(v, pool, id, &before)) return;
    struct block_name block = {.id = id, .gs = before.gs, .length = before.length};
    int rc = verify(v, pool, &block, &bytes, &err);
    if (rc && rc != ERR_REPLICA_NOT_FOUND && finalized_here(v, pool, id, &after) &&
        after.gs == before.gs && after.length == before.length) {
        bad = true;
        log_error("%s on %s: %s; reported as bad", block_text(pool, id, before.gs, text),
                  pool->dirs[v->volume], err.text);
        nn_report_bad_block(pool, v->volume, id, before.gs);
    }
    pthread_mutex_lock(&v->owner->lock);
    v->stats.scanned++;
    v->stats.bytes += bytes;
    v->stats.bad += bad;
    pthread_mutex_unlock(&v->owner->lock);
}

/* ---- the place in the round, kept in Hadoop's file ---- */

static void cursor_path(char path[PATH_MAX], const struct block_pool *pool, uint16_t volume)
{
    snprintf(path, PATH_MAX, "%s/scanner.cursor", pool->dirs[volume]);
}

static void put_entry(struct json *json, const char *key, const char *prefix, int64_t number,
                      bool there)
{
    char name[BLOCK_NAME_MAX];

    snprintf(name, sizeof name, "%s%" PRId64, prefix, number);
    json_put_string(json, key, there ? name : NULL);
}

static void place_save(struct volume_scan *v, struct block_pool *pool, struct place *place)
{
    struct buf text = {0};
    struct json json = json_to(&text);
    struct err err = ERR_INIT;
    char path[PATH_MAX];

    place->saved_ms = clock_wall_ms();
    json_begin_object(&json);
    json_put_int(&json, "lastSavedMs", place->saved_ms);
    json_put_int(&json, "iterStartMs", place->start_ms);
    put_entry(&json, "curFinalizedDir", "subdir", place->dir, !place->at_end);
    put_entry(&json, "curFinalizedSubDir", "subdir", place->subdir, !place->at_end);
    put_entry(&json, "curEntry", "blk_", place->last, !place->at_end && place->last != INT64_MIN);
    json_put_bool(&json, "atEnd", place->at_end);
    json_end(&json);
    cursor_path(path, pool, v->volume);
    if (file_replace(path, text.data, text.length, 0644, &err))
        log_limited(LOG_WARN, MINUTE_MS, "the scanner's place is not saved: %s", err.text);
    buf_release(&text);
}

static int64_t int_of(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

static int subdir_of(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    int number = -1;

    if (!json_object_object_get_ex(object, key, &value) || !value) return -1;
    if (sscanf(json_object_get_string(value), "subdir%d", &number) != 1) return -1;
    return number >= 0 && number < SUBDIRS ? number : -1;
}

static int64_t entry_of(struct json_object *object)
{
    struct json_object *value = NULL;
    int64_t id;

    if (!json_object_object_get_ex(object, "curEntry", &value) || !value) return INT64_MIN;
    return block_parse_data_name(json_object_get_string(value), &id) ? id : INT64_MIN;
}

static void place_rewind(struct place *place)
{
    *place = (struct place){.loaded = true, .start_ms = clock_wall_ms(), .last = INT64_MIN};
    place->saved_ms = place->start_ms;
}

/* A file that cannot be read or understood, or comes from the future: the round begins anew. */
static void place_load(struct volume_scan *v, struct block_pool *pool, struct place *place)
{
    struct json_object *object = NULL;
    struct buf text = {0};
    struct err err = ERR_INIT;
    char path[PATH_MAX];

    place_rewind(place);
    cursor_path(path, pool, v->volume);
    if (!file_read(path, CURSOR_FILE_MAX, &text, &err))
        object = json_tokener_parse(buf_cstr(&text));
    buf_release(&text);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return;
    }
    int64_t start = int_of(object, "iterStartMs");
    if (start > 0 && start <= place->start_ms) {
        struct json_object *end = NULL;
        place->start_ms = start;
        place->at_end =
            json_object_object_get_ex(object, "atEnd", &end) && json_object_get_boolean(end);
        int dir = subdir_of(object, "curFinalizedDir");
        int subdir = subdir_of(object, "curFinalizedSubDir");
        if (dir >= 0 && subdir >= 0) {
            place->dir = dir;
            place->subdir = subdir;
            place->last = entry_of(object);
        }
    }
    json_object_put(object);
}

/* ---- a round ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Ids of the replicas in the place's folder that come after place->last, ascending. */
static int64_t *folder_ids(const struct volume_scan *v, const struct block_pool *pool,
                           const struct place *place, size_t *count)
{
    char path[PATH_MAX];
    int64_t *ids = NULL, id;
    size_t capacity = 0;

    *count = 0;
    if (snprintf(path, sizeof path, "%s/current/finalized/subdir%d/subdir%d", pool->dirs[v->volume],
                 place->dir, place->subdir) >= (int)sizeof path)
        return NULL;
    DIR *dir = opendir(path);
    if (!dir) return NULL;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!block_parse_data_name(entry->d_name, &id) || id <= place->last) continue;
        if (*count == capacity) {
            capacity = MAX(capacity * 2, (size_t)64);
            ids = mem_realloc(ids, capacity * sizeof *ids);
        }
        ids[(*count)++] = id;
    }
    closedir(dir);
    if (*count) qsort(ids, *count, sizeof *ids, by_id);
    return ids;
}

static void next_folder(struct place *place)
{
    place->last = INT64_MIN;
    if (++place->subdir < SUBDIRS) return;
    place->subdir = 0;
    if (++place->dir < SUBDIRS) return;
    place->dir = 0;
    place->at_end = true;
}

static bool pop_suspect(struct volume_scan *v, struct suspect *suspect)
{
    bool found = false;

    pthread_mutex_lock(&v->owner->lock);
    for (size_t i = 0; i < SCAN_SUSPECTS_MAX && !found; i++) {
        struct suspect *s = &v->suspects[(v->suspect_next + i) % SCAN_SUSPECTS_MAX];
        if (!s->pool || s->done) continue;
        s->done = found = true;
        *suspect = *s;
    }
    pthread_mutex_unlock(&v->owner->lock);
    return found;
}

static void scan_suspects(struct volume_scan *v)
{
    struct suspect suspect;

    while (!v->owner->stop && pop_suspect(v, &suspect)) scan_one(v, suspect.pool, suspect.id);
}

/* Read within the period: the reader has checked it. Only where the file system keeps access times. */
static bool read_of_late(const struct volume_scan *v, const struct block_pool *pool, int64_t id)
{
    char path[PATH_MAX];
    struct stat st;

    if (!v->owner->skip_recent) return false;
    block_data_path(path, pool->dirs[v->volume], BLOCK_FINALIZED, id);
    return !stat(path, &st) && clock_wall_ms() - st.st_atime * 1000 < v->owner->period_ms;
}

static void scan_folder(struct volume_scan *v, struct block_pool *pool, struct place *place)
{
    size_t count;
    int64_t *ids = folder_ids(v, pool, place, &count);

    for (size_t i = 0; i < count && !v->owner->stop; i++) {
        scan_suspects(v);
        if (v->owner->stop) break;
        if (!read_of_late(v, pool, ids[i])) scan_one(v, pool, ids[i]);
        if (v->owner->stop) break; /* perhaps in the middle of it */
        place->last = ids[i];
        if (clock_wall_ms() - place->saved_ms >= SCAN_SAVE_MS) place_save(v, pool, place);
    }
    mem_free(ids);
    if (!v->owner->stop) next_folder(place);
}

static void scan_pool_round(struct volume_scan *v, struct block_pool *pool, struct place *place)
{
    while (!place->at_end && !v->owner->stop) scan_folder(v, pool, place);
    if (v->owner->stop) return;
    place_save(v, pool, place);
    log_info("%s: all replicas of %s are checked", pool->dirs[v->volume], pool->info.pool_id);
    pthread_mutex_lock(&v->owner->lock);
    v->stats.rounds++;
    pthread_mutex_unlock(&v->owner->lock);
}

/* Goes through the pools that are due. Gives the time until the next is. */
static int64_t scan_due(struct volume_scan *v)
{
    struct dataset *dataset = v->owner->dataset;
    int64_t wait = INT64_MAX;

    for (size_t i = 0; i < atomic_load(&dataset->pool_count) && !v->owner->stop; i++) {
        struct block_pool *pool = dataset->pools[i];
        struct place *place = &v->places[i];
        if (!place->loaded) place_load(v, pool, place);
        if (place->at_end && clock_wall_ms() - place->start_ms >= v->owner->period_ms)
            place_rewind(place);
        if (!place->at_end) scan_pool_round(v, pool, place);
        wait = MIN(wait, place->start_ms + v->owner->period_ms - clock_wall_ms());
    }
    return MAX(wait, (int64_t)0);
}

static void rest(struct volume_scan *v, int64_t until_next_ms)
{
    int64_t until = clock_mono_ms() + POOLS_POLL_MS;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

    pthread_mutex_lock(&v->owner->lock);
    v->stats.next_round_ms = until_next_ms;
    if (!v->owner->stop) pthread_cond_timedwait(&v->owner->changed, &v->owner->lock, &at);
    v->stats.next_round_ms = 0;
    pthread_mutex_unlock(&v->owner->lock);
}

static void *volume_run(void *arg)
{
    struct volume_scan *v = arg;
    struct dataset *dataset = v->owner->dataset;

    while (!v->owner->stop && !dataset->volumes[v->volume]->failed) {
        scan_suspects(v);
        rest(v, scan_due(v));
    }
    for (size_t i = 0; i < DATASET_POOLS_MAX; i++)
        if (v->places[i].loaded && !v->places[i].at_end && !dataset->volumes[v->volume]->failed)
            place_save(v, dataset->pools[i], &v->places[i]);
    return NULL;
}

/* ---- life ---- */

static void start_thread(struct volume_scan *v)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    if (pthread_create(&v->thread, &attr, volume_run, v)) {
        log_error("no thread for the block scanner of %s: its replicas are not checked",
                  v->owner->dataset->volumes[v->volume]->dir);
        v->thread = 0;
    }
    pthread_attr_destroy(&attr);
}

struct scan_block *scan_block_new(struct dataset *dataset, const struct conf *conf)
{
    int64_t period = conf_ms(conf, CONF_dfs_datanode_scan_period_hours);
    int64_t rate = conf_size(conf, CONF_dfs_block_scanner_volume_bytes_per_second);
    pthread_condattr_t clock;

    if (period < 0 || rate <= 0) return NULL;
    struct scan_block *scan = NEW(struct scan_block);
    scan->dataset = dataset;
    scan->period_ms = period ? period : (int64_t)21 * 24 * 3600 * 1000;
    scan->rate = rate;
    scan->skip_recent = conf_bool(conf, CONF_dfs_block_scanner_skip_recent_accessed);
    pthread_mutex_init(&scan->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&scan->changed, &clock);
    pthread_condattr_destroy(&clock);
    scan_block_volumes(scan);
    return scan;
}

void scan_block_volumes(struct scan_block *scan)
{
    while (scan && scan->count < scan->dataset->volume_count) {
        struct volume_scan *v = NEW(struct volume_scan);
        v->owner = scan;
        v->volume = (uint16_t)scan->count;
        throttle_init(&v->throttle, scan->rate);
        scan->volumes[v->volume] = v;
        start_thread(v);
        scan->count++;
    }
}

void scan_block_free(struct scan_block *scan)
{
    if (!scan) return;
    pthread_mutex_lock(&scan->lock);
    atomic_store(&scan->stop, true);
    pthread_cond_broadcast(&scan->changed);
    pthread_mutex_unlock(&scan->lock);
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->volumes[i]->thread) pthread_join(scan->volumes[i]->thread, NULL);
        mem_free(scan->volumes[i]);
    }
    pthread_cond_destroy(&scan->changed);
    pthread_mutex_destroy(&scan->lock);
    mem_free(scan);
}

void scan_block_suspect(struct scan_block *scan, struct block_pool *pool, uint16_t volume,
                        int64_t id)
{
    int64_t now = clock_mono_ms();

    if (!scan || volume >= scan->count) return;
    struct volume_scan *v = scan->volumes[volume];
    pthread_mutex_lock(&scan->lock);
    bool wanted = true;
    for (size_t i = 0; i < SCAN_SUSPECTS_MAX && wanted; i++) {
        const struct suspect *s = &v->suspects[i];
        if (s->pool == pool && s->id == id && (!s->done || now - s->since_ms < SCAN_RECENT_MS))
            wanted = false;
    }
    struct suspect *slot = &v->suspects[v->suspect_next];
    if (wanted && (!slot->pool || slot->done)) {
        *slot = (struct suspect){.pool = pool, .id = id, .since_ms = now};
        v->suspect_next = (v->suspect_next + 1) % SCAN_SUSPECTS_MAX;
        pthread_cond_broadcast(&scan->changed);
    }
    pthread_mutex_unlock(&scan->lock);
}

void scan_block_stats(struct scan_block *scan, uint16_t volume, struct scan_stats *stats)
{
    *stats = (struct scan_stats){0};
    if (!scan || volume >= scan->count) return;
    pthread_mutex_lock(&scan->lock);
    *stats = scan->volumes[volume]->stats;
    pthread_mutex_unlock(&scan->lock);
}
