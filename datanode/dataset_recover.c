/* Block recovery, the participant's side: RUR and out of it. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "datanode/dataset_internal.h"

static int check_recovery(const struct block_pool *pool, const struct block_name *block,
                          const struct replica *replica, uint64_t recovery_id, struct err *err)
{
    char text[BLOCK_TEXT_MAX];

    block_text(pool, block->id, block->gs, text);
    if (replica->gs < block->gs)
        return err_set(err, ERR_IO,
                       "replica.getGenerationStamp() < block.getGenerationStamp(), block=%s, "
                       "replica=blk_%" PRId64 "_%" PRIu64,
                       text, replica->id, replica->gs);
    if (replica->gs >= recovery_id)
        return err_set(
            err, ERR_IO,
            "THIS IS NOT SUPPOSED TO HAPPEN: replica.getGenerationStamp() >= recoveryId = "
            "%" PRIu64 ", block=%s, replica=blk_%" PRId64 "_%" PRIu64,
            recovery_id, text, replica->id, replica->gs);
    if (replica->state == REPLICA_RUR && replica->open->recovery_id >= recovery_id)
        return err_set(err, ERR_RECOVERY_IN_PROGRESS,
                       "rur.getRecoveryID() >= recoveryId = %" PRIu64
                       ", block=%s, rur.recoveryId=%" PRIu64,
                       recovery_id, text, replica->open->recovery_id);
    return 0;
}

/* An entry without object (FINALIZED, RWR) gets one, as RUR. False when another thread was faster.
 */
static bool open_for_recovery(struct block_pool *pool, struct replica *replica)
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
    pthread_mutex_lock(&open->lock);
    replica_open_get(open);
    if (replica_map_replace(pool->map, replica, &now)) {
        *replica = now;
        return true;
    }
    pthread_mutex_unlock(&open->lock);
    replica_open_put(open);
    replica_open_put(open);
    return false;
}

int dataset_init_recovery(struct block_pool *pool, const struct block_name *block,
                          uint64_t recovery_id, bool *found, struct recovery_info *info,
                          struct err *err)
{
    struct replica replica;
    int rc = 0;

    *found = false;
    for (;;) {
        if (!find_locked(pool, block->id, &replica)) return 0;
        if (replica_is_open(&replica)) {
            rc = stop_writer(pool, replica.open, err);
            if (!rc && replica.open->gone) {
                release_open(&replica);
                continue;
            }
            replica.gs = replica.open->gs;
            replica.state = replica.open->state;
        }
        if (!rc) rc = check_recovery(pool, block, &replica, recovery_id, err);
        if (rc || replica_is_open(&replica)) break;
        if (open_for_recovery(pool, &replica)) break;
    }
    if (rc) {
        release_open(&replica);
        return rc;
    }
    struct replica_open *open = replica.open;
    if (open->state != REPLICA_RUR) {
        struct replica was = {.id = open->id,
                              .gs = open->gs,
                              .open = open,
                              .volume = open->volume,
                              .state = open->state};
        open->original = open->state;
        open->state = REPLICA_RUR;
        publish_open(pool, &was, open);
        release_promise(pool, open);
    }
    open->recovery_id = recovery_id;
    *found = true;
    *info = (struct recovery_info){
        .gs = open->gs, .length = open->on_disk, .original = (enum replica_state)open->original};
    log_info("initReplicaRecovery: blk_%" PRId64 "_%" PRIu64 " from %s to RUR, recoveryId=%" PRIu64,
             open->id, open->gs, replica_state_name(info->original), recovery_id);
    release_open(&replica);
    return 0;
}

/* ---- the update ---- */

/* A new finalized block with the first bytes of the replica, for truncation below a snapshot. */
static int copy_to_new(struct block_pool *pool, const struct replica_open *open, int64_t new_id,
                       uint64_t new_gs, int64_t length, struct err *err)
{
    struct block_file from = BLOCK_FILE_INIT, to = BLOCK_FILE_INIT;
    struct pair_paths old, new;
    struct replica_open *copy = replica_open_new(new_id, new_gs, open->volume, REPLICA_RBW);
    struct replica entry = {
        .id = new_id, .gs = new_gs, .open = copy, .volume = open->volume, .state = REPLICA_RBW};

    pthread_mutex_lock(&copy->lock);
    replica_open_get(copy);
    bool added = replica_map_add(pool->map, &entry);
    if (!added) replica_open_put(copy);
    pair_paths(&old, pool, open->volume, place_of_open(open), open->id, open->gs);
    pair_paths(&new, pool, open->volume, BLOCK_RBW, new_id, new_gs);
    int rc = added
                 ? block_file_open(&from, old.data, old.meta, err)
                 : err_set(err, ERR_REPLICA_EXISTS, "Block blk_%" PRId64 " already exists", new_id);
    if (!rc) {
        pair_delete(&new); /* of a recovery that broke off */
        rc = block_file_create(&to, new.data, new.meta, &from.sum, err);
    }
    if (!rc) {
        /* Whole chunks, so that the cut can verify the one it is in. */
        int64_t bpc = from.sum.bytes_per_checksum;
        int64_t whole = MIN(ROUND_UP(length, bpc), open->on_disk);
        rc = copy_bytes(from.data_fd, to.data_fd, whole, err);
        if (!rc && from.meta_fd >= 0)
            rc = copy_bytes(from.meta_fd, to.meta_fd, block_meta_size(whole, &from.sum), err);
    }
    if (!rc) rc = block_file_cut(&to, length, err);
    if (!rc) rc = block_file_sync(&to, err);
    block_file_close(&from);
    block_file_close(&to);
    if (!rc) rc = finalize_locked(pool, copy, length, true, err);
    if (rc && added) {
        pair_delete(&new);
        replica_map_remove(pool->map, &entry);
        copy->gone = true;
    }
    pthread_mutex_unlock(&copy->lock);
    replica_open_put(copy);
    return rc;
}

static int cut_and_rename(struct block_pool *pool, struct replica_open *open, uint64_t new_gs,
                          int64_t length, struct err *err)
{
    struct block_file file = BLOCK_FILE_INIT;
    struct pair_paths from, to;

    pair_paths(&from, pool, open->volume, place_of_open(open), open->id, open->gs);
    pair_paths(&to, pool, open->volume, place_of_open(open), open->id, new_gs);
    int rc = block_file_reopen(&file, from.data, from.meta, length, err);
    if (!rc) rc = block_file_sync(&file, err);
    block_file_close(&file);
    if (!rc && rename(from.meta, to.meta))
        rc = err_set_errno(err, errno, "rename %s to %s", from.meta, to.meta);
    if (rc) return rc;
    struct replica was = {
        .id = open->id, .gs = open->gs, .open = open, .volume = open->volume, .state = open->state};
    open->gs = new_gs;
    open->on_disk = open->received = open->acked = length;
    publish_open(pool, &was, open);
    return 0;
}

static int update_locked(struct block_pool *pool, const struct block_name *block,
                         struct replica *replica, uint64_t recovery_id, int64_t new_id,
                         int64_t new_length, struct err *err)
{
    struct replica_open *open = replica->open;
    char text[BLOCK_TEXT_MAX];

    block_text(pool, block->id, block->gs, text);
    if (replica->state != REPLICA_RUR)
        return err_set(err, ERR_IO, "replica.getState() != RUR, replica=%s, %s", text,
                       replica_state_name(replica->state));
    if (open->on_disk != block->length)
        return err_set(
            err, ERR_IO,
            "THIS IS NOT SUPPOSED TO HAPPEN: replica.getBytesOnDisk() != block.getNumBytes(), "
            "block=%s (%" PRId64 " bytes), replica has %" PRId64,
            text, block->length, open->on_disk);
    if (open->recovery_id != recovery_id)
        return err_set(err, ERR_IO,
                       "rur.getRecoveryID() != recoveryId = %" PRIu64 ", rur has %" PRIu64,
                       recovery_id, open->recovery_id);
    if (open->on_disk < new_length || new_length < 0)
        return err_set(err, ERR_IO, "rur.getNumBytes() < newlength = %" PRId64 ", rur has %" PRId64,
                       new_length, open->on_disk);

    bool copy = new_id && new_id != block->id;
    int rc = copy ? copy_to_new(pool, open, new_id, recovery_id, new_length, err)
                  : cut_and_rename(pool, open, recovery_id, new_length, err);
    if (rc) return dataset_note_error(pool->dataset, open->volume, err);
    return finalize_locked(pool, open, copy ? open->on_disk : new_length, true, err);
}

int dataset_update_recovery(struct block_pool *pool, const struct block_name *block,
                            uint64_t recovery_id, int64_t new_id, int64_t new_length,
                            struct volume **volume, struct err *err)
{
    struct replica replica;
    char text[BLOCK_TEXT_MAX];

    if (!find_locked(pool, block->id, &replica)) return not_found(pool, block, err);
    log_info("updateReplica: %s, recoveryId=%" PRIu64 ", length=%" PRId64 ", state=%s",
             block_text(pool, block->id, block->gs, text), recovery_id, new_length,
             replica_state_name(replica.state));
    int rc = replica_is_open(&replica)
                 ? update_locked(pool, block, &replica, recovery_id, new_id, new_length, err)
                 : err_set(err, ERR_IO, "replica.getState() != RUR, replica=%s, %s", text,
                           replica_state_name(replica.state));
    *volume = pool->dataset->volumes[replica.volume];
    release_open(&replica);
    return rc;
}
