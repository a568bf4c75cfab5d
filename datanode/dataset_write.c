/* Transitions that writers cause. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "datanode/dataset_internal.h"
#include "datanode/syncer.h"

static struct replica entry_of(const struct replica_open *open)
{
    return (struct replica){.id = open->id,
                            .gs = open->gs,
                            .open = (struct replica_open *)(uintptr_t)open,
                            .volume = open->volume,
                            .state = open->state};
}

static void set_writer(struct replica_open *open, int fd)
{
    open->has_writer = true;
    open->stop = false;
    open->writer_fd = fd;
}

static void clear_writer(struct block_pool *pool, struct replica_open *open)
{
    open->has_writer = false;
    open->stop = false;
    open->writer_fd = -1;
    release_promise(pool, open);
    pthread_cond_broadcast(&open->changed);
}

/* What a block may still grow by. */
static int64_t room_for(const struct dataset *dataset, const struct block_name *block,
                        int64_t present)
{
    int64_t size = block->length > 0 ? block->length : dataset->size_default;

    return MAX(size - present, (int64_t)0);
}

static void promise(struct block_pool *pool, struct replica_open *open, int64_t size)
{
    atomic_fetch_add(&pool->dataset->volumes[open->volume]->promised, size);
    open->promised += size;
}

static int exists(const struct block_pool *pool, const struct block_name *block,
                  enum replica_state state, struct err *err)
{
    char text[BLOCK_TEXT_MAX];

    return err_set(err, ERR_REPLICA_EXISTS,
                   "Block %s already exists in state %s and thus cannot be created.",
                   block_text(pool, block->id, block->gs, text), replica_state_name(state));
}

/* ---- new replicas ---- */

static int create_files(struct block_pool *pool, const struct replica_open *open,
                        const struct checksum *sum, struct block_file *file, struct err *err)
{
    struct pair_paths paths;

    pair_paths(&paths, pool, open->volume, place_of_open(open), open->id, open->gs);
    int rc = block_file_create(file, paths.data, paths.meta, sum, err);
    if (rc != ERR_EXISTS) return rc;
    log_warn("%s exists without being known; replaced", paths.data);
    pair_delete(&paths);
    return block_file_create(file, paths.data, paths.meta, sum, err);
}

static int create(struct block_pool *pool, const struct block_name *block, enum replica_state state,
                  const struct write_wish *wish, struct replica_write *write, struct err *err)
{
    int64_t size = room_for(pool->dataset, block, 0);
    struct volume *volume;

    int rc = volume_pick(&pool->dataset->picker, wish->storage_type, size, &volume, err);
    if (rc) return rc;
    struct replica_open *open = replica_open_new(block->id, block->gs, volume->index, state);
    open->promised = size;
    set_writer(open, wish->fd);
    pthread_mutex_lock(&open->lock);
    struct replica entry = entry_of(open);
    replica_open_get(open);
    if (!replica_map_add(pool->map, &entry)) {
        replica_open_put(open);
        rc = exists(pool, block, state, err);
    } else {
        rc = create_files(pool, open, &wish->sum, &write->file, err);
        if (rc) {
            dataset_note_error(pool->dataset, open->volume, err);
            replica_map_remove(pool->map, &entry);
            open->gone = true;
        }
    }
    if (rc) clear_writer(pool, open);
    pthread_mutex_unlock(&open->lock);
    write->pool = pool;
    write->open = open;
    if (rc) replica_open_put(open);
    return rc;
}

int dataset_create_rbw(struct block_pool *pool, const struct block_name *block, uint64_t latest_gs,
                       const struct write_wish *wish, struct replica_write *write, struct err *err)
{
    struct replica old;

    if (find_locked(pool, block->id, &old)) {
        bool replace = latest_gs > old.gs && old.state == REPLICA_RBW;
        uint64_t gs = old.gs;
        enum replica_state state = old.state;
        release_open(&old);
        if (!replace) return exists(pool, block, state, err);
        int rc = dataset_invalidate(pool, block->id, gs, err);
        if (rc && rc != ERR_REPLICA_NOT_FOUND) return rc;
    }
    return create(pool, block, REPLICA_RBW, wish, write, err);
}

int dataset_create_temporary(struct block_pool *pool, const struct block_name *block, bool transfer,
                             const struct write_wish *wish, struct replica_write *write,
                             struct err *err)
{
    struct replica old;

    if (find_locked(pool, block->id, &old)) {
        bool in_pipeline = old.state == REPLICA_RBW || old.state == REPLICA_TEMPORARY;
        bool reject = old.gs >= block->gs || (!transfer && !in_pipeline);
        uint64_t gs = old.gs;
        enum replica_state state = old.state;
        release_open(&old);
        if (reject) return exists(pool, block, state, err);
        int rc = dataset_invalidate(pool, block->id, gs, err);
        if (rc && rc != ERR_REPLICA_NOT_FOUND) return rc;
    }
    return create(pool, block, REPLICA_TEMPORARY, wish, write, err);
}

/* ---- going on with a replica ---- */

static int check_new_gs(const struct block_pool *pool, const struct block_name *block,
                        uint64_t new_gs, struct err *err)
{
    char text[BLOCK_TEXT_MAX];

    if (new_gs >= block->gs) return 0;
    return err_set(err, ERR_IO,
                   "The new generation stamp %" PRIu64
                   " should be greater than the replica %s's generation stamp",
                   new_gs, block_text(pool, block->id, block->gs, text));
}

static int check_length(const struct replica *replica, int64_t length, int64_t expected,
                        struct err *err)
{
    if (length == expected) return 0;
    return err_set(err, ERR_IO,
                   "Corrupted replica blk_%" PRId64 "_%" PRIu64 " with a length of %" PRId64
                   " expected length is %" PRId64,
                   replica->id, replica->gs, length, expected);
}

/* FINALIZED -> RBW with a writer; 1 when another thread was faster. */
static int unfinalize(struct block_pool *pool, const struct replica *was, uint64_t new_gs,
                      const struct block_name *block, int fd, struct replica_write *write,
                      struct err *err)
{
    struct replica_open *open = replica_open_new(was->id, new_gs, was->volume, REPLICA_RBW);
    struct replica now = entry_of(open);
    struct pair_paths from, to;

    open->on_disk = open->received = open->acked = was->length;
    open->accounted = disk_use(was->length);
    set_writer(open, fd);
    pthread_mutex_lock(&open->lock);
    replica_open_get(open);
    if (!replica_map_replace(pool->map, was, &now)) {
        pthread_mutex_unlock(&open->lock);
        replica_open_put(open);
        replica_open_put(open);
        return 1;
    }
    pair_paths(&from, pool, was->volume, BLOCK_FINALIZED, was->id, was->gs);
    pair_paths(&to, pool, was->volume, BLOCK_RBW, was->id, new_gs);
    int rc = pair_switch(&from, &to, err);
    if (!rc) {
        rc = block_file_reopen(&write->file, to.data, to.meta, was->length, err);
        if (rc && pair_switch(&to, &from, NULL))
            log_error("blk_%" PRId64 " could not be moved back to finalized", was->id);
    }
    if (rc) {
        dataset_note_error(pool->dataset, was->volume, err);
        clear_writer(pool, open);
        open->gone = true;
        replica_map_replace(pool->map, &now, was);
    } else {
        open->last_crc = write->file.last_crc;
        promise(pool, open, room_for(pool->dataset, block, was->length));
        account_block(pool, was->volume, -1);
    }
    pthread_mutex_unlock(&open->lock);
    write->pool = pool;
    write->open = open;
    if (rc) replica_open_put(open);
    return rc;
}

int dataset_append(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                   int64_t expected_length, const struct write_wish *wish,
                   struct replica_write *write, struct err *err)
{
    struct replica replica;
    int rc;

    do {
        rc = check_new_gs(pool, block, new_gs, err);
        if (rc) return rc;
        if (!find_locked(pool, block->id, &replica)) return not_found(pool, block, err);
        release_open(&replica);
        if (replica.gs != block->gs) return not_found(pool, block, err);
        if (replica.state != REPLICA_FINALIZED)
            return err_set(err, ERR_REPLICA_NOT_FOUND,
                           "Cannot append to an unfinalized replica blk_%" PRId64 "_%" PRIu64,
                           block->id, block->gs);
        rc = check_length(&replica, replica.length, expected_length, err);
        if (rc) return rc;
        rc = unfinalize(pool, &replica, new_gs, block, wish->fd, write, err);
    } while (rc == 1);
    return rc;
}

/* The meta file takes the new GS into its name, the map into its entry. The lock is held. */
static int bump_gs(struct block_pool *pool, struct replica_open *open, uint64_t new_gs,
                   struct err *err)
{
    struct replica was = entry_of(open);
    struct pair_paths from, to;

    if (new_gs == open->gs) return 0;
    pair_paths(&from, pool, open->volume, place_of_open(open), open->id, open->gs);
    pair_paths(&to, pool, open->volume, place_of_open(open), open->id, new_gs);
    if (rename(from.meta, to.meta))
        return err_set_errno(err, errno, "rename %s to %s", from.meta, to.meta);
    open->gs = new_gs;
    publish_open(pool, &was, open);
    return 0;
}

/* recoverCheck: state, GS and, once the writer has gone, lengths. Finds and locks. 1: look again.
 */
static int recover_check(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                         int64_t expected_length, struct replica *replica, struct err *err)
{
    int rc = 0;

    if (!find_locked(pool, block->id, replica)) return not_found(pool, block, err);
    int64_t length = replica_is_open(replica) ? 0 : replica->length;
    if (replica->state != REPLICA_FINALIZED && replica->state != REPLICA_RBW)
        rc = err_set(
            err, ERR_REPLICA_NOT_FOUND,
            "Cannot recover append/close to a replica that's not FINALIZED and not RBW blk_%" PRId64
            "_%" PRIu64 ", %s",
            replica->id, replica->gs, replica_state_name(replica->state));
    else if (replica->gs < block->gs || replica->gs > new_gs)
        rc = err_set(err, ERR_REPLICA_NOT_FOUND,
                     "Cannot append to a replica with unexpected generation stamp %" PRIu64
                     ". Expected GS range is [%" PRIu64 ", %" PRIu64 "].",
                     replica->gs, block->gs, new_gs);
    if (!rc && replica->state == REPLICA_RBW) {
        struct replica_open *open = replica->open;
        rc = stop_writer(pool, open, err);
        if (!rc && open->gone) {
            release_open(replica);
            return 1;
        }
        length = open->received;
        if (!rc && (length != open->on_disk || length != open->acked))
            rc = err_set(err, ERR_REPLICA_EXISTS,
                         "RBW replica blk_%" PRId64 "_%" PRIu64 "bytesRcvd(%" PRId64
                         "), bytesOnDisk(%" PRId64 "), and bytesAcked(%" PRId64
                         ") are not the same.",
                         open->id, open->gs, length, open->on_disk, open->acked);
    }
    if (!rc) rc = check_length(replica, length, expected_length, err);
    if (rc) release_open(replica);
    return rc;
}

/* Opens an RBW's files for a new writer, cut to `length`. The lock is held. */
static int take_over(struct block_pool *pool, struct replica_open *open, int64_t length,
                     uint64_t new_gs, const struct block_name *block, int fd,
                     struct replica_write *write, struct err *err)
{
    struct pair_paths paths;

    pair_paths(&paths, pool, open->volume, BLOCK_RBW, open->id, open->gs);
    int rc = block_file_reopen(&write->file, paths.data, paths.meta, length, err);
    if (!rc) rc = bump_gs(pool, open, new_gs, err);
    if (rc) {
        block_file_close(&write->file);
        return dataset_note_error(pool->dataset, open->volume, err);
    }
    open->on_disk = open->received = open->acked = length;
    open->last_crc = write->file.last_crc;
    set_writer(open, fd);
    promise(pool, open, room_for(pool->dataset, block, length));
    replica_open_get(open);
    write->pool = pool;
    write->open = open;
    return 0;
}

int dataset_recover_append(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                           int64_t expected_length, const struct write_wish *wish,
                           struct replica_write *write, struct err *err)
{
    struct replica replica;
    int rc;

    do {
        rc = recover_check(pool, block, new_gs, expected_length, &replica, err);
        if (rc) continue;
        if (replica.state == REPLICA_FINALIZED) {
            rc = unfinalize(pool, &replica, new_gs, block, wish->fd, write, err);
        } else {
            rc =
                take_over(pool, replica.open, expected_length, new_gs, block, wish->fd, write, err);
            release_open(&replica);
        }
    } while (rc == 1);
    return rc;
}

static int recover_rbw_locked(struct block_pool *pool, struct replica *replica,
                              const struct block_name *block, uint64_t new_gs, int64_t min_length,
                              int64_t max_length, const struct write_wish *wish,
                              struct replica_write *write, struct err *err)
{
    struct replica_open *open = replica->open;

    if (replica->gs < block->gs || replica->gs > new_gs)
        return err_set(err, ERR_REPLICA_NOT_FOUND,
                       "Cannot append to a replica with unexpected generation stamp %" PRIu64
                       ". Expected GS range is [%" PRIu64 ", %" PRIu64 "].",
                       replica->gs, block->gs, new_gs);
    if (open->acked < min_length || open->received > max_length)
        return err_set(err, ERR_REPLICA_NOT_FOUND,
                       "Unmatched length replica blk_%" PRId64 "_%" PRIu64 ": BytesAcked = %" PRId64
                       " BytesRcvd = %" PRId64 " are not in the range of [%" PRId64 ", %" PRId64
                       "].",
                       open->id, open->gs, open->acked, open->received, min_length, max_length);
    if (open->on_disk < open->acked)
        return err_set(err, ERR_REPLICA_NOT_FOUND,
                       "Found fewer bytesOnDisk than bytesAcked for replica blk_%" PRId64
                       "_%" PRIu64,
                       open->id, open->gs);
    return take_over(pool, open, open->acked, new_gs, block, wish->fd, write, err);
}

int dataset_recover_rbw(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                        int64_t min_length, int64_t max_length, const struct write_wish *wish,
                        struct replica_write *write, struct err *err)
{
    struct replica replica;

    for (;;) {
        if (!find_locked(pool, block->id, &replica)) return not_found(pool, block, err);
        if (replica.state != REPLICA_RBW) {
            release_open(&replica);
            return err_set(err, ERR_REPLICA_NOT_FOUND,
                           "Cannot recover a non-RBW replica blk_%" PRId64 "_%" PRIu64 ", %s",
                           replica.id, replica.gs, replica_state_name(replica.state));
        }
        int rc = stop_writer(pool, replica.open, err);
        bool again = !rc && replica.open->gone;
        if (!rc && !again)
            rc = recover_rbw_locked(pool, &replica, block, new_gs, min_length, max_length, wish,
                                    write, err);
        release_open(&replica);
        if (!again) return rc;
    }
}

/* ---- finalizing ---- */

int finalize_locked(struct block_pool *pool, struct replica_open *open, int64_t length, bool sync,
                    struct err *err)
{
    struct replica was = entry_of(open);
    struct replica now = {.id = open->id,
                          .gs = open->gs,
                          .length = length,
                          .volume = open->volume,
                          .state = REPLICA_FINALIZED};
    struct pair_paths from, to;
    bool counted = open->state == REPLICA_RUR && open->original == REPLICA_FINALIZED;

    pair_paths(&from, pool, open->volume, place_of_open(open), open->id, open->gs);
    pair_paths(&to, pool, open->volume, BLOCK_FINALIZED, open->id, open->gs);
    enum block_place place = place_of_open(open);
    int rc = place == BLOCK_FINALIZED ? 0
             : place == BLOCK_RBW     ? pair_switch(&from, &to, err)
                                      : pair_move_in(&from, &to, err);
    if (!rc && sync) rc = file_sync_parent(to.data, err);
    if (rc) return dataset_note_error(pool->dataset, open->volume, err);

    account_used(pool, open->volume, disk_use(length) - open->accounted);
    if (!counted) account_block(pool, open->volume, 1);
    bool replaced = replica_map_replace(pool->map, &was, &now);
    assert(replaced);
    open->gone = true;
    pthread_cond_broadcast(&open->changed);
    if (!sync && pool->dataset->syncer)
        syncer_add(pool->dataset->syncer, pool, open->volume, open->id, open->gs);
    return 0;
}

int dataset_recover_close(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                          int64_t expected_length, struct volume **volume, struct err *err)
{
    struct replica_write write = {.file = BLOCK_FILE_INIT};
    const struct write_wish wish = {.fd = -1};
    int64_t length;

    /* By way of an RBW with the new GS, whatever it was. */
    int rc = dataset_recover_append(pool, block, new_gs, expected_length, &wish, &write, err);
    if (rc) return rc;
    *volume = write_volume(&write);
    return write_finalize(&write, false, &length, err);
}

/* ---- the writer's calls ---- */

struct volume *write_volume(const struct replica_write *write)
{
    return write->pool->dataset->volumes[write->open->volume];
}

static int check_stop(const struct replica_open *open, struct err *err)
{
    if (!open->stop && !open->gone) return 0;
    return err_set(err, ERR_CANCELLED, "the writer of blk_%" PRId64 " was stopped", open->id);
}

int write_data(struct replica_write *write, int64_t offset, const uint8_t *data, size_t size,
               const uint8_t *crcs, struct err *err)
{
    struct replica_open *open = write->open;

    pthread_mutex_lock(&open->lock);
    int rc = check_stop(open, err);
    open->received = MAX(open->received, offset + (int64_t)size);
    pthread_mutex_unlock(&open->lock);
    if (rc) return rc;

    rc = block_file_write(&write->file, offset, data, size, crcs, err);
    if (rc) {
        dataset_note_error(write->pool->dataset, open->volume, err);
        return err_wrap(err, rc, "blk_%" PRId64 " on %s", open->id, write_volume(write)->dir);
    }
    pthread_mutex_lock(&open->lock);
    open->on_disk = write->file.on_disk;
    open->last_crc = write->file.last_crc;
    pthread_mutex_unlock(&open->lock);
    return 0;
}

void write_acked(struct replica_write *write, int64_t length)
{
    struct replica_open *open = write->open;

    pthread_mutex_lock(&open->lock);
    if (length > open->acked) {
        open->acked = length;
        pthread_cond_broadcast(&open->changed);
    }
    pthread_mutex_unlock(&open->lock);
}

int write_sync(struct replica_write *write, struct err *err)
{
    struct pair_paths paths;

    int rc = block_file_sync(&write->file, err);
    if (!rc) {
        pair_paths(&paths, write->pool, write->open->volume, place_of_open(write->open),
                   write->open->id, write->open->gs);
        rc = file_sync_parent(paths.data, err);
    }
    if (rc) dataset_note_error(write->pool->dataset, write->open->volume, err);
    return rc;
}

static void end_write(struct replica_write *write)
{
    block_file_close(&write->file);
    pthread_mutex_unlock(&write->open->lock);
    replica_open_put(write->open);
    write->open = NULL;
}

int write_finalize(struct replica_write *write, bool sync, int64_t *length, struct err *err)
{
    struct replica_open *open = write->open;

    int rc = sync ? write_sync(write, err) : 0;
    pthread_mutex_lock(&open->lock);
    if (!rc) rc = check_stop(open, err);
    *length = open->on_disk;
    if (!rc) rc = finalize_locked(write->pool, open, open->on_disk, sync, err);
    if (rc) {
        pthread_mutex_unlock(&open->lock);
        write_leave(write);
        return rc;
    }
    clear_writer(write->pool, open);
    end_write(write);
    return 0;
}

int write_convert(struct replica_write *write, int64_t visible, struct err *err)
{
    struct replica_open *open = write->open;
    struct pair_paths from, to;

    pthread_mutex_lock(&open->lock);
    struct replica was = entry_of(open);
    int rc = check_stop(open, err);
    if (!rc && open->on_disk < visible)
        rc = err_set(err, ERR_IO,
                     "%" PRId64 " = numBytes < visible = %" PRId64 ", temp=blk_%" PRId64,
                     open->on_disk, visible, open->id);
    pair_paths(&from, write->pool, open->volume, BLOCK_TMP, open->id, open->gs);
    pair_paths(&to, write->pool, open->volume, BLOCK_RBW, open->id, open->gs);
    if (!rc) rc = pair_move_in(&from, &to, err);
    if (rc) {
        pthread_mutex_unlock(&open->lock);
        write_leave(write);
        return rc;
    }
    open->state = REPLICA_RBW;
    open->acked = visible;
    publish_open(write->pool, &was, open);
    clear_writer(write->pool, open);
    end_write(write);
    return 0;
}

int write_expect_restart(struct replica_write *write, int64_t until_ms, struct err *err)
{
    const struct replica_open *open = write->open;
    char path[PATH_MAX];

    if (!open || open->state != REPLICA_RBW) return 0;
    block_restart_path(path, write->pool->dirs[open->volume], open->id);
    FILE *file = fopen(path, "we");
    if (!file) return err_set_errno(err, errno, "create %s", path);
    int n = fprintf(file, "%" PRId64, until_ms);
    if (fclose(file) || n < 0) return err_set_errno(err, errno, "write %s", path);
    return 0;
}

void write_leave(struct replica_write *write)
{
    struct replica_open *open = write->open;

    if (!open) return;
    pthread_mutex_lock(&open->lock);
    open->received = open->on_disk;
    clear_writer(write->pool, open);
    if (open->state == REPLICA_TEMPORARY && !open->gone) {
        struct replica entry = entry_of(open);
        struct pair_paths paths;
        pair_paths(&paths, write->pool, open->volume, BLOCK_TMP, open->id, open->gs);
        pair_delete(&paths);
        replica_map_remove(write->pool->map, &entry);
        open->gone = true;
    } else if (!open->gone) {
        account_used(write->pool, open->volume, disk_use(open->on_disk) - open->accounted);
        open->accounted = disk_use(open->on_disk);
    }
    end_write(write);
}

static bool evict(struct replica_open *open)
{
    pthread_mutex_lock(&open->lock);
    bool writes = open->has_writer && open->state == REPLICA_RBW;
    if (writes) {
        open->stop = true;
        if (open->writer_fd >= 0) shutdown(open->writer_fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&open->lock);
    return writes;
}

size_t dataset_evict_writers(struct block_pool *pool)
{
    struct replica_list list = {0};
    size_t evicted = 0;

    for (unsigned cursor = 0; replica_map_next(pool->map, &cursor, &list);) {
        for (size_t i = 0; i < list.count; i++)
            if (replica_is_open(&list.items[i])) evicted += evict(list.items[i].open);
        replica_list_clear(&list);
    }
    replica_list_release(&list);
    return evicted;
}
