/* Setting up, looking up, reading and deleting. Writing is in dataset_write.c, recovery in
 * dataset_recover.c. */
#include "datanode/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/dataset_internal.h"
#include "datanode/dn_upgrade.h"
#include "datanode/nn_report.h"
#include "datanode/scan_dir.h"
#include "datanode/syncer.h"

enum { DELETER_QUEUE = 4096, STOP_TIMEOUT_MS = 60000, SIZE_DEFAULT = 128 << 20 };

/* ---- setting up ---- */

struct dataset *dataset_new(struct volume **volumes, size_t count)
{
    struct dataset *dataset = NEW(struct dataset);

    dataset->volumes = NEW_ARRAY(struct volume *, REPLICA_VOLUMES_MAX);
    for (size_t i = 0; i < count; i++) dataset->volumes[i] = volumes[i];
    mem_free(volumes);
    dataset->volume_count = count;
    dataset->picker.volumes = dataset->volumes;
    dataset->picker.count = count;
    dataset->deleter =
        worker_pool_new("delete", (int)MIN(MAX(count, (size_t)1), (size_t)16), DELETER_QUEUE);
    dataset->stop_timeout_ms = STOP_TIMEOUT_MS;
    dataset->size_default = SIZE_DEFAULT;
    return dataset;
}

static void pool_free(struct block_pool *pool)
{
    if (!pool) return;
    for (size_t i = 0; i < pool->dataset->volume_count; i++) mem_free(pool->dirs[i]);
    mem_free(pool->dirs);
    mem_free(pool->use);
    replica_map_free(pool->map);
    mem_free(pool);
}

void dataset_free(struct dataset *dataset)
{
    if (!dataset) return;
    worker_pool_free(dataset->deleter);
    for (size_t i = 0; i < dataset->pool_count; i++) pool_free(dataset->pools[i]);
    for (size_t i = 0; i < dataset->volume_count; i++) volume_free(dataset->volumes[i]);
    mem_free(dataset->volumes);
    mem_free(dataset);
}

/* A disk copied onto another one: the namenode would take the two for one. */
int dataset_check_duplicate(const struct dataset *dataset, const struct volume *volume,
                            struct err *err)
{
    for (size_t i = 0; *volume->uuid && i < dataset->volume_count; i++) {
        const struct volume *other = dataset->volumes[i];
        if (other == volume || atomic_load(&other->failed) || !str_eq(other->uuid, volume->uuid))
            continue;
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "Found duplicated storage UUID: %s in %s and %s.", volume->uuid, other->dir,
                       volume->dir);
    }
    return 0;
}

static int open_storage(struct volume *volume, const struct namespace_info *info, const char *uuid,
                        enum dn_startup startup, struct err *err)
{
    int rc = *volume->uuid ? 0 : dn_storage_format(volume, uuid, info, err);

    return rc ? rc : dn_storage_open_pool(volume, info, startup, err);
}

/* Which folders tell who they are; those that do not are noted in bad[]. One that does and is not ours is no failed disk, but a mistake that nobody
 * would see for a while: it stops the start, as one of another version does. */
static int read_storages(struct dataset *dataset, const struct namespace_info *info, char *uuid,
                         bool *bad, size_t *failed, struct err *err)
{
    for (size_t i = 0; i < dataset->volume_count; i++) {
        struct volume *v = dataset->volumes[i];
        if (atomic_load(&v->failed)) continue;
        if (!dataset->pool_count) *v->uuid = '\0'; /* later ones are known, and in use */
        int rc = dn_storage_read(v, uuid, info, err);
        if (!rc) rc = dataset_check_duplicate(dataset, v, err);
        if (!rc) continue;
        log_error("Failed to add storage directory %s: %s", v->dir, err->text);
        if (*v->uuid || rc == ERR_INCORRECT_VERSION) return rc;
        bad[i] = true;
        ++*failed;
    }
    return 0;
}

/* Identities first, as a formatted folder decides the uuid of the others. A folder that cannot be read is a volume that failed, as long as
 * others are good and failures are tolerated. */
static int open_storages(struct dataset *dataset, const struct namespace_info *info, char *uuid,
                         struct err *err)
{
    struct volume_numbers n = dataset_volume_numbers(dataset);
    bool bad[REPLICA_VOLUMES_MAX] = {false};
    int tolerated = dataset->failures_tolerated;
    size_t failed = 0, count = dataset->volume_count;
    struct err last = ERR_INIT;

    int rc = read_storages(dataset, info, uuid, bad, &failed, &last);
    bool too_many = n.failed + failed >= n.configured ||
                    (tolerated >= 0 && n.failed + failed > (size_t)tolerated);
    if (rc || (failed && too_many)) return err_set(err, last.code, "%s", last.text);
    if (!*uuid) uuid_text(uuid);
    for (size_t i = 0; i < count && !rc; i++)
        if (!bad[i] && !atomic_load(&dataset->volumes[i]->failed))
            rc = dn_storage_check_pool(dataset->volumes[i], info, dataset->startup, err);
    for (size_t i = 0; i < count && !rc; i++) {
        struct volume *v = dataset->volumes[i];
        if (bad[i]) {
            volume_fail(v);
            dataset_drop_volume(dataset, v);
        } else if (!atomic_load(&v->failed)) {
            rc = open_storage(v, info, uuid, dataset->startup, err);
        }
    }
    return rc;
}

int dataset_add_pool(struct dataset *dataset, const struct namespace_info *info,
                     char uuid[DN_UUID_MAX], struct block_pool **out, struct err *err)
{
    if (dataset->pool_count == DATASET_POOLS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d block pools", DATASET_POOLS_MAX);
    int rc = open_storages(dataset, info, uuid, err);
    if (rc) return rc;

    struct block_pool *pool = NEW(struct block_pool);
    pool->dataset = dataset;
    pool->info = *info;
    pool->map = replica_map_new();
    pool->dirs = NEW_ARRAY(char *, REPLICA_VOLUMES_MAX);
    pool->use = mem_zalloc(sizeof *pool->use * REPLICA_VOLUMES_MAX);
    for (size_t i = 0; i < dataset->volume_count; i++)
        pool->dirs[i] = dn_storage_pool_dir(dataset->volumes[i], info->pool_id);
    rc = scan_pool(pool, err);
    if (rc) {
        pool_free(pool);
        return rc;
    }
    dataset->pools[dataset->pool_count] = pool;
    dataset->pool_count++;
    *out = pool;
    return 0;
}

struct block_pool *dataset_pool(struct dataset *dataset, const char *pool_id)
{
    size_t count = dataset->pool_count;

    for (size_t i = 0; i < count; i++) {
        struct block_pool *pool = dataset->pools[i];
        if (str_eq(pool->info.pool_id, pool_id)) return pool;
    }
    return NULL;
}

int dataset_note_error(struct dataset *dataset, uint16_t volume, const struct err *err)
{
    /* Not found: a disk that was unmounted looks like that. */
    bool suspicious =
        err->code == ERR_IO || err->code == ERR_READ_ONLY || err->code == ERR_NOT_FOUND;

    if (suspicious && dataset->disk_error)
        dataset->disk_error(dataset->disk_error_arg, dataset->volumes[volume], err);
    return err->code;
}

const char *block_text(const struct block_pool *pool, int64_t id, uint64_t gs,
                       char out[BLOCK_TEXT_MAX])
{
    snprintf(out, BLOCK_TEXT_MAX, "%s:blk_%" PRId64 "_%" PRIu64, pool->info.pool_id, id, gs);
    return out;
}

/* ---- shared by the dataset's files ---- */

bool find_locked(struct block_pool *pool, int64_t id, struct replica *replica)
{
    for (;;) {
        if (!replica_map_get(pool->map, id, replica)) return false;
        if (!replica_is_open(replica)) return true;
        pthread_mutex_lock(&replica->open->lock);
        if (!replica->open->gone) break;
        release_open(replica);
    }
    /* The copy may be older than the lock; the entry follows the object. */
    replica->gs = replica->open->gs;
    replica->state = replica->open->state;
    return true;
}

void release_open(struct replica *replica)
{
    if (!replica_is_open(replica)) return;
    pthread_mutex_unlock(&replica->open->lock);
    replica_open_put(replica->open);
}

enum block_place place_of_open(const struct replica_open *open)
{
    uint8_t state = open->state == REPLICA_RUR ? open->original : open->state;

    return state == REPLICA_FINALIZED   ? BLOCK_FINALIZED
           : state == REPLICA_TEMPORARY ? BLOCK_TMP
                                        : BLOCK_RBW;
}

void pair_paths(struct pair_paths *paths, const struct block_pool *pool, uint16_t volume,
                enum block_place place, int64_t id, uint64_t gs)
{
    block_data_path(paths->data, pool->dirs[volume], place, id);
    block_meta_path(paths->meta, pool->dirs[volume], place, id, gs);
}

static int move_one(const char *from, const char *to, struct err *err)
{
    char dir[PATH_MAX];

    if (!rename(from, to)) return 0;
    if (errno == ENOENT &&
        file_exists(from)) { /* the folder of a finalized block is made when needed */
        snprintf(dir, sizeof dir, "%s", to);
        *strrchr(dir, '/') = '\0';
        int rc = file_mkdirs(dir, 0755, err);
        if (rc) return rc;
        if (!rename(from, to)) return 0;
    }
    return err_set_errno(err, errno, "move %s to %s", from, to);
}

static int move_two(const char *from1, const char *to1, const char *from2, const char *to2,
                    struct err *err)
{
    struct err ignored = ERR_INIT;

    int rc = move_one(from1, to1, err);
    if (rc) return rc;
    rc = move_one(from2, to2, err);
    if (rc && move_one(to1, from1, &ignored)) log_error("after a failed move: %s", ignored.text);
    return rc;
}

int pair_move_in(const struct pair_paths *from, const struct pair_paths *to, struct err *err)
{
    return move_two(from->meta, to->meta, from->data, to->data, err);
}

/* 1: this disk has no hard links. */
static int link_one(const char *from, const char *to, struct err *err)
{
    char dir[PATH_MAX];

    if (!link(from, to)) return 0;
    if (errno == EEXIST && !unlink(to) && !link(from, to)) return 0; /* a crash left it */
    if (errno == ENOENT && file_exists(from)) {
        snprintf(dir, sizeof dir, "%s", to);
        *strrchr(dir, '/') = '\0';
        int rc = file_mkdirs(dir, 0755, err);
        if (rc) return rc;
        if (!link(from, to)) return 0;
    }
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) return 1;
    return err_set_errno(err, errno, "link %s to %s", to, from);
}

int pair_switch(const struct pair_paths *from, const struct pair_paths *to, struct err *err)
{
    int rc = link_one(from->data, to->data, err);
    if (rc) return rc == 1 ? pair_move_in(from, to, err) : rc;
    rc = move_one(from->meta, to->meta, err);
    const char *old = rc ? to->data : from->data;
    if (unlink(old)) log_warn("Failed to delete %s: %s", old, strerror(errno));
    return rc;
}

void pair_delete(const struct pair_paths *paths)
{
    /* The data first: a lone meta file is swept up by the scan, lone data would count as a replica.
     */
    if (unlink(paths->data) && errno != ENOENT)
        log_warn("Failed to delete %s: %s", paths->data, strerror(errno));
    if (unlink(paths->meta) && errno != ENOENT)
        log_warn("Failed to delete %s: %s", paths->meta, strerror(errno));
}

int stop_writer(struct block_pool *pool, struct replica_open *open, struct err *err)
{
    int64_t deadline = clock_mono_ms() + pool->dataset->stop_timeout_ms;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    while (open->has_writer && !open->gone) {
        open->stop = true;
        if (open->writer_fd >= 0) shutdown(open->writer_fd, SHUT_RDWR);
        if (pthread_cond_timedwait(&open->changed, &open->lock, &until) == ETIMEDOUT)
            return err_set(err, ERR_TIMEOUT, "Join on writer thread of blk_%" PRId64 " timed out",
                           open->id);
    }
    return 0;
}

void publish_open(struct block_pool *pool, const struct replica *was, struct replica_open *open)
{
    struct replica now = {
        .id = open->id, .gs = open->gs, .open = open, .volume = open->volume, .state = open->state};

    bool replaced = replica_map_replace(pool->map, was, &now);
    assert(replaced); /* who holds the lock alone changes the entry */
}

int64_t disk_use(int64_t length)
{
    static const struct checksum usual = {CHECKSUM_CRC32C, BLOCK_BPC_DEFAULT};

    return length + block_meta_size(length, &usual);
}

void account_used(struct block_pool *pool, uint16_t volume, int64_t bytes)
{
    atomic_fetch_add(&pool->use[volume].used, bytes);
    atomic_fetch_add(&pool->dataset->volumes[volume]->used, bytes);
}

void account_block(struct block_pool *pool, uint16_t volume, int count)
{
    atomic_fetch_add(&pool->use[volume].blocks, count);
    atomic_fetch_add(&pool->dataset->volumes[volume]->blocks, count);
}

void release_promise(struct block_pool *pool, struct replica_open *open)
{
    atomic_fetch_sub(&pool->dataset->volumes[open->volume]->promised, open->promised);
    open->promised = 0;
}

int not_found(const struct block_pool *pool, const struct block_name *block, struct err *err)
{
    char text[BLOCK_TEXT_MAX];

    return err_set(
        err, ERR_REPLICA_NOT_FOUND,
        "Replica not found for %s. The block may have been removed recently by the "
        "balancer or by intentionally reducing the replication factor. This condition is "
        "usually harmless. To be certain, please check the preceding datanode log messages "
        "for signs of a more serious issue.",
        block_text(pool, block->id, block->gs, text));
}

/* ---- reading ---- */

static int open_pair_at(struct block_pool *pool, uint16_t volume, enum block_place place,
                        int64_t id, uint64_t gs, struct replica_read *read, struct err *err)
{
    struct pair_paths paths;

    pair_paths(&paths, pool, volume, place, id, gs);
    read->volume = pool->dataset->volumes[volume];
    read->gs = gs;
    return block_file_open(&read->file, paths.data, paths.meta, err);
}

static int stored_crc(const struct block_file *file, int64_t chunk, uint32_t *crc, struct err *err)
{
    uint8_t bytes[4];

    int rc = file_pread_full(file->meta_fd, bytes, 4, BLOCK_META_HEADER + chunk * 4, err);
    if (!rc) *crc = get_be32(bytes);
    return rc;
}

/* The CRC of the partial chunk at the end of an open replica's readable bytes. Its lock is held, so
 * what is announced as on disk, and last_crc, belong together. */
static int tail_of_open(struct replica_read *read, const struct replica_open *open, struct err *err)
{
    const struct block_file *file = &read->file;
    int64_t bpc = file->sum.bytes_per_checksum, start = read->length - read->length % bpc;
    uint32_t wanted;

    if (!read->has_tail) return 0;
    bool last = start == open->on_disk - open->on_disk % bpc;
    size_t covered = (size_t)MIN(open->on_disk - start, bpc);
    uint8_t *chunk = mem_alloc(covered);
    int rc = file_pread_full(file->data_fd, chunk, covered, start, err);
    wanted = open->last_crc;
    if (!rc && !last) rc = stored_crc(file, start / bpc, &wanted, err);
    if (!rc && checksum_update(file->sum.type, 0, chunk, covered) != wanted)
        rc = err_set(err, ERR_CORRUPT, "blk_%" PRId64 " is damaged in its last chunk at %" PRId64,
                     open->id, start);
    if (!rc)
        read->tail_crc = checksum_update(file->sum.type, 0, chunk, (size_t)(read->length - start));
    mem_free(chunk);
    return rc;
}

static bool ends_in_chunk(const struct replica_read *read)
{
    return checksum_size(&read->file.sum) && read->length % read->file.sum.bytes_per_checksum;
}

static void wait_acked(struct replica_open *open, int64_t length, int wait_ms)
{
    int64_t deadline = clock_mono_ms() + wait_ms;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    while (open->acked < length && !open->gone && open->has_writer)
        if (pthread_cond_timedwait(&open->changed, &open->lock, &until)) return;
}

/* 1: look again. */
static int read_open(struct block_pool *pool, struct replica *replica, int64_t min_length,
                     int wait_ms, struct replica_read *read, struct err *err)
{
    struct replica_open *open = replica->open;
    uint8_t state = open->state == REPLICA_RUR ? open->original : open->state;

    if (state == REPLICA_RBW) wait_acked(open, min_length, wait_ms);
    if (open->gone) return 1;
    if (state == REPLICA_TEMPORARY || state == REPLICA_RWR)
        return err_set(err, ERR_IO,
                       "Replica is not readable, block=blk_%" PRId64 "_%" PRIu64 ", state=%s",
                       open->id, open->gs, replica_state_name(open->state));
    int rc = open_pair_at(pool, open->volume, place_of_open(open), open->id, open->gs, read, err);
    if (rc) return dataset_note_error(pool->dataset, open->volume, err);
    read->state = open->state;
    read->length = state == REPLICA_FINALIZED ? open->on_disk : MIN(open->acked, open->on_disk);
    read->has_tail = ends_in_chunk(read);
    rc = tail_of_open(read, open, err);
    if (!rc) return 0;
    replica_read_close(read);
    return dataset_note_error(pool->dataset, open->volume, err);
}

/* Without a lock: files move or change only after the map did, so an unchanged map entry proves
 * what was read. */
static int read_finalized(struct block_pool *pool, const struct replica *replica,
                          struct replica_read *read, struct err *err)
{
    struct replica again;

    int rc =
        open_pair_at(pool, replica->volume, BLOCK_FINALIZED, replica->id, replica->gs, read, err);
    if (!rc) {
        read->state = REPLICA_FINALIZED;
        read->length = replica->length;
        read->has_tail = ends_in_chunk(read);
        if (read->has_tail)
            rc = stored_crc(&read->file, read->length / read->file.sum.bytes_per_checksum,
                            &read->tail_crc, err);
        if (rc) replica_read_close(read);
    }
    bool there = replica_map_get(pool->map, replica->id, &again);
    if (there && replica_is_open(&again)) replica_open_put(again.open);
    if (there && again.state == REPLICA_FINALIZED && again.gs == replica->gs &&
        again.volume == replica->volume && again.length == replica->length)
        return rc ? dataset_note_error(pool->dataset, replica->volume, err) : 0;
    if (!rc) replica_read_close(read);
    return 1;
}

bool dataset_forget_missing(struct block_pool *pool, const struct replica *replica)
{
    char text[BLOCK_TEXT_MAX];

    if (!replica_map_remove(pool->map, replica)) return false;
    log_error("%s is gone from %s; removed from the map",
              block_text(pool, replica->id, replica->gs, text), pool->dirs[replica->volume]);
    account_used(pool, replica->volume, -disk_use(replica->length));
    account_block(pool, replica->volume, -1);
    nn_report_deleted(pool->report, pool->dataset->volumes[replica->volume], replica->id,
                      replica->gs);
    return true;
}

static int open_read_once(struct block_pool *pool, const struct block_name *block,
                          int64_t min_length, int wait_ms, struct replica_read *read,
                          struct err *err)
{
    struct replica replica;
    char text[BLOCK_TEXT_MAX];
    int rc;

    if (!find_locked(pool, block->id, &replica)) return not_found(pool, block, err);
    if (replica.gs < block->gs)
        rc = err_set(err, ERR_IO,
                     "Replica gen stamp < block genstamp, block=%s, replica=blk_%" PRId64
                     "_%" PRIu64 ", %s",
                     block_text(pool, block->id, block->gs, text), replica.id, replica.gs,
                     replica_state_name(replica.state));
    else if (replica_is_open(&replica))
        rc = read_open(pool, &replica, min_length, wait_ms, read, err);
    else if (replica.state == REPLICA_FINALIZED)
        rc = read_finalized(pool, &replica, read, err);
    else
        rc = err_set(err, ERR_IO, "Replica is not readable, block=%s, replica=%s",
                     block_text(pool, block->id, block->gs, text),
                     replica_state_name(replica.state));
    if (rc == ERR_NOT_FOUND && replica.state == REPLICA_FINALIZED) {
        dataset_forget_missing(pool, &replica);
        rc = not_found(pool, block, err);
    }
    release_open(&replica);
    return rc;
}

int dataset_open_read(struct block_pool *pool, const struct block_name *block, int64_t min_length,
                      int wait_ms, struct replica_read *read, struct err *err)
{
    enum { TRIES = 8 };
    struct err own = ERR_INIT;

    if (!err) err = &own;
    for (int i = 0; i < TRIES; i++) {
        read->file = (struct block_file)BLOCK_FILE_INIT;
        int rc = open_read_once(pool, block, min_length, wait_ms, read, err);
        if (rc <= 0) return rc;
    }
    return err_set(err, ERR_BUSY, "blk_%" PRId64 " changes all the time", block->id);
}

void replica_read_close(struct replica_read *read)
{
    block_file_close(&read->file);
}

int replica_read_crcs(const struct replica_read *read, int64_t start, int64_t end, uint8_t *crcs,
                      struct err *err)
{
    int64_t bpc = read->file.sum.bytes_per_checksum, chunks = DIV_UP(end - start, bpc);
    bool tail = read->has_tail && end == read->length && chunks > 0;

    assert(start % bpc == 0 && end <= read->length);
    if (tail) set_be32(crcs + (chunks - 1) * 4, read->tail_crc);
    chunks -= tail;
    return file_pread_full(read->file.meta_fd, crcs, (size_t)chunks * 4,
                           BLOCK_META_HEADER + start / bpc * 4, err);
}

int dataset_visible_length(struct block_pool *pool, const struct block_name *block, int64_t *length,
                           struct err *err)
{
    struct replica_view view;
    char text[BLOCK_TEXT_MAX];

    if (!dataset_view(pool, block->id, &view)) return not_found(pool, block, err);
    if (view.gs < block->gs)
        return err_set(err, ERR_IO,
                       "replica.getGenerationStamp() < block.getGenerationStamp(), block=%s, "
                       "replica=blk_%" PRId64 "_%" PRIu64,
                       block_text(pool, block->id, block->gs, text), block->id, view.gs);
    *length = view.acked;
    return 0;
}

bool dataset_view(struct block_pool *pool, int64_t id, struct replica_view *view)
{
    struct replica replica;

    if (!find_locked(pool, id, &replica)) return false;
    *view =
        (struct replica_view){.state = replica.state, .gs = replica.gs, .volume = replica.volume};
    if (!replica_is_open(&replica)) {
        view->length = view->on_disk = replica.length;
        view->acked = replica.state == REPLICA_RWR ? -1 : replica.length;
        return true;
    }
    const struct replica_open *open = replica.open;
    uint8_t state = open->state == REPLICA_RUR ? open->original : open->state;
    view->length = open->received;
    view->on_disk = open->on_disk;
    view->acked = state == REPLICA_RBW         ? open->acked
                  : state == REPLICA_FINALIZED ? open->on_disk
                                               : -1;
    release_open(&replica);
    return true;
}

/* ---- deleting ---- */

/* Turns an entry without object into one with, as TEMPORARY: nobody reads, reports or reuses it
 * while its files go. False when another thread was faster. */
static bool seize(struct block_pool *pool, struct replica *replica)
{
    struct replica_open *open =
        replica_open_new(replica->id, replica->gs, replica->volume, REPLICA_RUR);
    struct replica now = {.id = replica->id,
                          .gs = replica->gs,
                          .open = open,
                          .volume = replica->volume,
                          .state = REPLICA_RUR};

    open->original = replica->state;
    open->on_disk = open->received = open->acked = replica->length;
    open->accounted = disk_use(replica->length);
    open->recovery_id = UINT64_MAX; /* nobody recovers what is being deleted */
    pthread_mutex_lock(&open->lock);
    replica_open_get(open);
    if (!replica_map_replace(pool->map, replica, &now)) {
        pthread_mutex_unlock(&open->lock);
        replica_open_put(open);
        replica_open_put(open);
        return false;
    }
    *replica = now;
    return true;
}

static void drop_trash(void *arg)
{
    struct block_pool *pool = arg;

    for (size_t i = 0; i < pool->dataset->volume_count; i++) {
        struct err err = ERR_INIT;
        if (atomic_load(&pool->dataset->volumes[i]->failed)) continue;
        if (dn_upgrade_clear_rolling(pool->dirs[i], &err))
            log_error("trash of %s: %s", pool->dirs[i], err.text);
    }
    log_info("Cleared trash for bpid %s", pool->info.pool_id);
}

void dataset_set_rolling(struct block_pool *pool, bool goes_on)
{
    int now = goes_on ? ROLLING_GOES_ON : ROLLING_IS_OVER;
    struct err err = ERR_INIT;

    if (atomic_exchange(&pool->rolling, now) == now) return;
    if (!goes_on) {
        if (!worker_submit(pool->dataset->deleter, drop_trash, pool, &err)) return;
        log_warn("trash of %s: %s", pool->info.pool_id, err.text);
        atomic_store(&pool->rolling, ROLLING_UNKNOWN); /* the next heartbeat tries again */
        return;
    }
    log_info("Enabled trash for bpid %s", pool->info.pool_id);
    for (size_t i = 0; i < pool->dataset->volume_count; i++)
        if (!atomic_load(&pool->dataset->volumes[i]->failed) &&
            dn_upgrade_mark_rolling(pool->dirs[i], &err))
            log_warn("rolling upgrade: %s", err.text);
}

/* <pool>/current/x -> <pool>/trash/x */
static bool trash_path(char out[PATH_MAX], const char *root, const char *path)
{
    size_t skip = strlen(root) + strlen("/current");

    return snprintf(out, PATH_MAX, "%s/trash%s", root, path + skip) < PATH_MAX;
}

/* The data last: as long as it is in its place, the block counts. */
static void pair_discard(struct block_pool *pool, uint16_t volume, const struct pair_paths *paths)
{
    const char *root = pool->dirs[volume];
    struct pair_paths to;
    struct err err = ERR_INIT;

    bool keep = atomic_load(&pool->rolling) == ROLLING_GOES_ON && !dn_upgrade_has_previous(root);
    if (keep && trash_path(to.data, root, paths->data) && trash_path(to.meta, root, paths->meta)) {
        if (!pair_move_in(paths, &to, &err)) return;
        log_warn("to the trash: %s", err.text);
    }
    pair_delete(paths);
}

/* The lock is held, and no writer is left. */
static void delete_open(struct block_pool *pool, struct replica *replica)
{
    struct replica_open *open = replica->open;
    struct pair_paths paths;
    bool finalized = open->state == REPLICA_RUR && open->original == REPLICA_FINALIZED;

    pair_paths(&paths, pool, open->volume, place_of_open(open), open->id, open->gs);
    if (place_of_open(open) == BLOCK_TMP)
        pair_delete(&paths);
    else
        pair_discard(pool, open->volume, &paths);
    release_promise(pool, open);
    account_used(pool, open->volume, -open->accounted);
    if (finalized) account_block(pool, open->volume, -1);
    replica_map_remove(pool->map, replica);
    open->gone = true;
    pthread_cond_broadcast(&open->changed);
}

int dataset_invalidate(struct block_pool *pool, int64_t id, uint64_t gs, struct err *err)
{
    struct block_name block = {.id = id, .gs = gs};
    struct replica replica;
    char text[BLOCK_TEXT_MAX];

    for (;;) {
        if (!find_locked(pool, id, &replica)) return not_found(pool, &block, err);
        if (replica.gs != gs) {
            release_open(&replica);
            return err_set(err, ERR_IO,
                           "Failed to delete replica %s: GenerationStamp not matched, existing "
                           "replica is blk_%" PRId64 "_%" PRIu64,
                           block_text(pool, id, gs, text), id, replica.gs);
        }
        if (!replica_is_open(&replica)) {
            if (!seize(pool, &replica)) continue;
        } else {
            int rc = stop_writer(pool, replica.open, err);
            if (rc || replica.open->gone) {
                release_open(&replica);
                if (rc) return rc;
                continue;
            }
        }
        uint16_t volume = replica.volume;
        replica.gs = replica.open->gs;
        replica.state = replica.open->state;
        delete_open(pool, &replica);
        release_open(&replica);
        nn_report_deleted(pool->report, pool->dataset->volumes[volume], id, gs);
        return 0;
    }
}
