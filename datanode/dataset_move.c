/* A finalized replica from one disk of this datanode to another. */
#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "datanode/dataset_internal.h"
#include "datanode/syncer.h"

/* Into tmp of the other disk, and synced, so that the old one may go. */
static int copy_pair(const struct replica_read *read, const struct pair_paths *to, struct err *err)
{
    struct block_file file = BLOCK_FILE_INIT;

    if (read->file.meta_fd < 0)
        return err_set(err, ERR_IO, "a replica without checksums is not moved");
    pair_delete(to);
    int rc = block_file_create(&file, to->data, to->meta, &read->file.sum, err);
    if (rc) return rc;
    rc = copy_bytes(read->file.data_fd, file.data_fd, read->length, err);
    if (!rc)
        rc = copy_bytes(read->file.meta_fd, file.meta_fd,
                        block_meta_size(read->length, &read->file.sum), err);
    if (!rc) rc = block_file_sync(&file, err);
    block_file_close(&file);
    if (rc) pair_delete(to);
    return rc;
}

/* The copy takes the replica's place, unless that changed meanwhile. */
static int switch_over(struct block_pool *pool, const struct replica *was,
                       const struct volume *target, const struct pair_paths *copy, struct err *err)
{
    struct replica now = *was;
    struct pair_paths old, new;

    now.volume = target->index;
    pair_paths(&old, pool, was->volume, BLOCK_FINALIZED, was->id, was->gs);
    pair_paths(&new, pool, target->index, BLOCK_FINALIZED, was->id, was->gs);
    int rc = pair_move_in(copy, &new, err);
    if (!rc) rc = file_sync_parent(new.data, err);
    if (rc) {
        pair_delete(copy);
        return rc;
    }
    if (!replica_map_replace(pool->map, was, &now)) {
        pair_delete(&new);
        return err_set(err, ERR_BUSY, "blk_%" PRId64 " changed while it was moved", was->id);
    }
    pair_delete(&old);
    account_used(pool, was->volume, -disk_use(was->length));
    account_block(pool, was->volume, -1);
    account_used(pool, target->index, disk_use(was->length));
    account_block(pool, target->index, 1);
    return 0;
}

int dataset_move(struct block_pool *pool, const struct block_name *block, Pb__StorageType type,
                 struct volume **volume, int64_t *length, struct err *err)
{
    struct replica replica;
    struct replica_read read = {.file = BLOCK_FILE_INIT};
    struct pair_paths copy;

    if (!find_locked(pool, block->id, &replica)) return not_found(pool, block, err);
    release_open(&replica);
    if (replica.state != REPLICA_FINALIZED || replica.gs != block->gs)
        return not_found(pool, block, err);
    if (pool->dataset->volumes[replica.volume]->type == type)
        return err_set(err, ERR_REPLICA_EXISTS,
                       "Replica blk_%" PRId64 " already exists on storage %s", block->id,
                       volume_type_name(type));
    int rc = volume_pick(&pool->dataset->picker, type, replica.length, volume, err);
    if (rc) return rc;
    if ((*volume)->type != type)
        rc = err_set(err, ERR_DISK_OUT_OF_SPACE, "No more available volumes");
    if (!rc) rc = dataset_open_read(pool, block, 0, 0, &read, err);
    if (!rc && read.length != replica.length)
        rc = err_set(err, ERR_BUSY, "blk_%" PRId64 " is being changed", block->id);
    pair_paths(&copy, pool, (*volume)->index, BLOCK_TMP, block->id, block->gs);
    if (!rc) rc = copy_pair(&read, &copy, err);
    if (!rc) rc = switch_over(pool, &replica, *volume, &copy, err);
    replica_read_close(&read);
    atomic_fetch_sub(&(*volume)->promised, replica.length);
    *length = replica.length;
    return rc;
}
