/*
 * What file operations, edits and images do with blocks: the last part of block.h. A block that is not complete has an entry in the
 * manager's side table with the storages that are expected to hold it and what they reported; its replica list holds only
 * storages that reported it finalized with the block's present generation stamp.
 */
#include "common/log.h"
#include "namenode/block_manager.h"
#include "namenode/redundancy.h"

struct block *blocks_add(struct core *core, struct inode *file, const struct block_id *id,
                         enum block_state state)
{
    struct block *block =
        block_add(core->blocks, id, inode_reference(file), inode_replication(file));

    core->manager->complete_count++;
    if (BLOCK_ID_IS_STRIPED(id->id)) core->manager->striped_count++;
    if (state != BLOCK_COMPLETE) block_set_state(core, block, state);
    return block;
}

/* Holders delete it; those that write it at present as well, once they are known to have something. */
static void delete_everywhere(struct core *core, struct block *block)
{
    struct block_uc *uc = block_uc(core, block);
    struct block_id id = block_name(block);
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        const struct corrupt_replica *corrupt = replica_corrupt(core, block, list[i]);
        struct uc_replica *written = block_uc_replica(uc, list[i]);
        struct block_id held = id;
        if (replica_kind(core, block, storage) == KIND_GONE || replica_is_doomed(storage, &id))
            continue;
        if (corrupt)
            held.generation_stamp = corrupt->generation_stamp;
        else if (written && written->reported)
            held.generation_stamp = written->generation_stamp;
        replica_delete(storage, &held, DELETE_UNKNOWN);
    }
    for (uint32_t i = 0; uc && i < uc->count; i++) {
        const struct uc_replica *replica = &uc->replicas[i];
        struct storage *storage = dn_storage(&core->datanodes, replica->storage);
        struct block_id held = {
            .id = id.id, .generation_stamp = replica->generation_stamp, .length = replica->length};
        if (!storage || !replica->reported ||
            block_has_storage(core->blocks, block, replica->storage))
            continue;
        if (storage->datanode->alive) replica_delete(storage, &held, DELETE_UNKNOWN);
    }
}

static void drop_all_replicas(struct core *core, struct block *block)
{
    size_t count;

    for (;;) {
        const uint32_t *list = block_storages(core->blocks, block, &count);
        if (!count) return;
        struct storage *storage = dn_storage(&core->datanodes, list[count - 1]);
        replica_undoom(storage, block->id);
        replica_drop(core, block, storage);
    }
}

void blocks_remove(struct core *core, struct block *block)
{
    delete_everywhere(core, block);
    redundancy_forget(core, block);
    drop_all_replicas(core, block);
    block_drop_uc(core, block);
    if (BLOCK_ID_IS_STRIPED(block->id)) core->manager->striped_count--;
    block_forget(core->blocks, block);
}

void blocks_set_replication(struct core *core, struct inode *file, uint16_t replication)
{
    for (uint32_t i = 0; i < file->block_count; i++) {
        struct block *block = inode_block(file, i);
        redundancy_set_replication(core, block, replication);
        redundancy_check(core, block, NULL, NULL);
    }
}

/* After a new generation stamp a replica counts again only when it is reported with it. */
static void drop_stale_replicas(struct core *core, struct block *block)
{
    struct block_uc *uc = block_uc(core, block);
    size_t count;

    for (size_t i = block->replica_count; i-- > 0;) {
        const uint32_t *list = block_storages(core->blocks, block, &count);
        const struct uc_replica *replica = block_uc_replica(uc, list[i]);
        if (replica && replica->reported && replica->generation_stamp == block->generation_stamp)
            continue;
        replica_drop(core, block, dn_storage(&core->datanodes, list[i]));
    }
}

/* Those that finished with the new stamp before the writer told us about it. */
static void promote_finalized(struct core *core, struct block *block)
{
    struct block_uc *uc = block_uc(core, block);

    for (uint32_t i = 0; uc && i < uc->count; i++) {
        const struct uc_replica *replica = &uc->replicas[i];
        struct storage *storage = dn_storage(&core->datanodes, replica->storage);
        if (storage && replica->reported && replica->state == REPLICA_FINALIZED &&
            replica->generation_stamp == block->generation_stamp)
            replica_add(core, block, storage);
    }
}

void blocks_update(struct core *core, struct block *block, const struct block_id *id)
{
    bool newer = id->generation_stamp != block->generation_stamp;

    assert(id->id == block->id);
    block->length = id->length;
    block->generation_stamp = id->generation_stamp;
    if (!newer || block_is_complete(block)) return;
    drop_stale_replicas(core, block);
    promote_finalized(core, block);
}

void blocks_reopen(struct core *core, struct block *block)
{
    if (!block_is_complete(block)) return;
    redundancy_forget(core, block);
    struct block_uc *uc = block_set_state(core, block, BLOCK_UNDER_CONSTRUCTION);
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        if (replica_corrupt(core, block, list[i])) continue;
        if (roaring_bitmap_contains(storage->excess, block_reference(block)))
            continue; /* its deletion may be under way */
        struct uc_replica *replica = block_uc_add(uc, list[i]);
        replica->state = REPLICA_FINALIZED;
        replica->reported = true;
        replica->generation_stamp = block->generation_stamp;
        replica->length = block->length;
    }
}

/* Replicas that finished with another length or stamp than the writer says are bad, whatever they were before. */
static void judge_by_commit(struct core *core, struct block *block)
{
    struct block_uc *uc = block_uc(core, block);

    for (uint32_t i = 0; uc && i < uc->count; i++) {
        const struct uc_replica *replica = &uc->replicas[i];
        struct block_id reported = {.id = block->id,
                                    .generation_stamp = replica->generation_stamp,
                                    .length = replica->length};
        if (!replica->reported || replica->state != REPLICA_FINALIZED ||
            !block_has_storage(core->blocks, block, replica->storage))
            continue;
        if (replica->generation_stamp == block->generation_stamp &&
            replica->length == block->length)
            continue;
        struct storage *storage = dn_storage(&core->datanodes, replica->storage);
        replica_mark_corrupt(core, block, storage, &reported,
                             replica->generation_stamp != block->generation_stamp
                                 ? CORRUPT_GENSTAMP_MISMATCH
                                 : CORRUPT_SIZE_MISMATCH);
    }
}

bool blocks_commit(struct core *core, struct block *block, const struct block_id *id)
{
    if (block_is_complete(block)) return true;
    blocks_update(core, block, id);
    if (block->state != BLOCK_COMMITTED) {
        block_set_state(core, block, BLOCK_COMMITTED);
        judge_by_commit(core, block);
    }
    if (!block_try_complete(core, block)) return false;
    redundancy_check(core, block, NULL, NULL);
    return true;
}

void blocks_force_complete(struct core *core, struct block *block)
{
    if (block_is_complete(block)) return;
    drop_stale_replicas(core, block);
    block_set_state(core, block, BLOCK_COMPLETE);
    redundancy_check(core, block, NULL, NULL);
}

void blocks_set_expected(struct core *core, struct block *block, struct storage *const *storages,
                         size_t count)
{
    struct block_uc *uc = block_uc(core, block);
    struct uc_replica *old = uc ? uc->replicas : NULL;
    uint32_t old_count = uc ? uc->count : 0;

    if (!uc) return;
    uc->replicas = NULL;
    uc->count = uc->capacity = 0;
    for (size_t i = 0; i < count; i++) {
        if (!storages[i] || block_uc_replica(uc, storages[i]->number)) continue;
        struct uc_replica *replica = block_uc_add(uc, storages[i]->number);
        for (uint32_t k = 0; k < old_count;
             k++) /* what is known of those that stay is not forgotten */
            if (old[k].storage == storages[i]->number) *replica = old[k];
        if (!block_has_storage(core->blocks, block, storages[i]->number)) storages[i]->scheduled++;
    }
    mem_free(old);
}

size_t blocks_expected(const struct core *core, const struct block *block, struct storage **out,
                       size_t max)
{
    const struct block_uc *uc = block_uc(core, block);
    size_t count = 0;

    for (uint32_t i = 0; uc && i < uc->count && count < max; i++) {
        struct storage *storage = dn_storage(&core->datanodes, uc->replicas[i].storage);
        if (storage && storage->datanode->alive) out[count++] = storage;
    }
    return count;
}

static bool is_readable(enum replica_kind kind)
{
    return kind != KIND_GONE && kind != KIND_CORRUPT && kind != KIND_IN_MAINTENANCE;
}

static size_t collect(const struct core *core, const struct block *block, bool all,
                      struct storage **out, size_t max)
{
    size_t count, found = 0;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count && found < max; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        if (all || is_readable(replica_kind(core, block, storage))) out[found++] = storage;
    }
    return found;
}

size_t blocks_live(const struct core *core, const struct block *block, struct storage **out,
                   size_t max)
{
    return collect(core, block, false, out, max);
}

size_t blocks_holders(const struct core *core, const struct block *block, struct storage **out,
                      size_t max)
{
    return collect(core, block, true, out, max);
}

bool blocks_has_minimum(const struct core *core, const struct block *block)
{
    struct replica_numbers numbers;

    replicas_count(core, block, &numbers);
    return replicas_usable(&numbers) >= core->conf.replication_min;
}

bool blocks_all_corrupt(const struct core *core, const struct block *block)
{
    struct replica_numbers numbers;

    if (!block->corrupt_count) return false;
    replicas_count(core, block, &numbers);
    return numbers.of[KIND_CORRUPT] > 0 &&
           numbers.of[KIND_CORRUPT] + numbers.of[KIND_GONE] == block->replica_count;
}

/* The replica heard of last among those that have not led a recovery yet; when all have, they may again. */
static struct uc_replica *choose_primary(const struct core *core, struct block_uc *uc)
{
    for (int round = 0; round < 2; round++) {
        struct uc_replica *best = NULL;
        int64_t best_ms = INT64_MIN;
        for (uint32_t i = 0; i < uc->count; i++) {
            const struct storage *storage = dn_storage(&core->datanodes, uc->replicas[i].storage);
            if (!storage || !storage->datanode->alive || uc->replicas[i].tried_primary) continue;
            if (storage->datanode->heartbeat_ms <= best_ms) continue;
            best = &uc->replicas[i];
            best_ms = storage->datanode->heartbeat_ms;
        }
        if (best) return best;
        for (uint32_t i = 0; i < uc->count; i++) uc->replicas[i].tried_primary = false;
    }
    return NULL;
}

void blocks_start_recovery(struct core *core, struct block *block, uint64_t recovery_id,
                           int64_t now_ms)
{
    assert(!block_is_complete(block));
    struct block_uc *uc = block_set_state(core, block, BLOCK_UNDER_RECOVERY);

    uc->recovery_id = recovery_id;
    uc->recovery_start_ms = now_ms;
    uc->primary = 0;
    struct uc_replica *primary = choose_primary(core, uc);
    if (!primary) {
        log_warn("BLOCK* no datanode is left to recover blk_%" PRId64 "_%" PRIu64
                 ": none of its %u expected replicas is on a live node",
                 (int64_t)block->id, (uint64_t)block->generation_stamp, uc->count);
        return;
    }
    primary->tried_primary = true;
    uc->primary = primary->storage;
    struct datanode *node = dn_storage(&core->datanodes, primary->storage)->datanode;
    dn_add_recovery(node, block->id);
    log_info("BLOCK* %s leads the recovery of blk_%" PRId64 "_%" PRIu64 ", recovery id %" PRIu64,
             dn_name(node), (int64_t)block->id, (uint64_t)block->generation_stamp, recovery_id);
}

void blocks_set_truncate(struct core *core, struct block *block, uint64_t new_length)
{
    struct block_uc *uc = block_uc(core, block);

    if (!uc) return;
    uc->truncating = true;
    uc->truncate_length = new_length;
}

bool blocks_get_truncate(const struct core *core, const struct block *block, uint64_t *new_length)
{
    const struct block_uc *uc = block_uc(core, block);

    if (!uc || !uc->truncating) return false;
    *new_length = uc->truncate_length;
    return true;
}

void blocks_set_recovered(struct core *core, struct block *block, struct storage *const *storages,
                          size_t count)
{
    struct block_uc *uc = block_uc(core, block);

    if (!uc) return;
    /* Who did not take part has something older: it is told so when it reports. */
    drop_all_replicas(core, block);
    blocks_set_expected(core, block, storages, count);
    for (size_t i = 0; i < count; i++) {
        if (!storages[i]) continue;
        block_uc_report(core, block, storages[i], REPLICA_FINALIZED, block->generation_stamp,
                        block->length);
        replica_add(core, block, storages[i]);
    }
}

void blocks_writer_gone(struct core *core, struct storage *storage, const struct block_id *reported,
                        bool gone)
{
    struct block *block = block_find(core->blocks, reported->id);
    struct block_uc *uc = block ? block_uc(core, block) : NULL;
    struct uc_replica *replica = uc ? block_uc_replica(uc, storage->number) : NULL;

    if (!replica || replica->generation_stamp != reported->generation_stamp) return;
    if (gone)
        block_uc_mark(core, uc, replica);
    else
        replica->writer_gone = false;
}

/* A pipeline that was set up again has a stamp of its own: what was said of the old one is over. */
static bool has_no_writer(const struct block_uc *uc, const struct block *block)
{
    for (uint32_t i = 0; i < uc->count; i++)
        if (uc->replicas[i].writer_gone &&
            uc->replicas[i].generation_stamp == block->generation_stamp)
            return true;
    return false;
}

void blocks_visit_orphans(struct core *core, size_t budget,
                          bool (*visit)(struct core *core, struct block *block))
{
    struct block_uc *uc, *next;

    for (uc = LIST_FIRST(&core->manager->orphans); uc && budget; uc = next) {
        struct block *block = block_at(core->blocks, uc->reference);
        next = LIST_NEXT(uc, to_orphans);
        if (!has_no_writer(uc, block)) {
            LIST_REMOVE(uc, to_orphans);
            uc->orphan = false;
        } else if (visit(core, block)) {
            next = LIST_FIRST(&core->manager->orphans); /* others may have gone, too */
            budget--;
        }
    }
}

uint64_t blocks_recovery_id(const struct core *core, const struct block *block)
{
    const struct block_uc *uc = block_uc(core, block);

    return uc && block->state == BLOCK_UNDER_RECOVERY ? uc->recovery_id : 0;
}

/* PendingRecoveryBlocks: ten times three heartbeats. */
bool blocks_recovery_expired(const struct core *core, const struct block *block, int64_t now_ms)
{
    const struct block_uc *uc = block_uc(core, block);

    if (!uc || !uc->recovery_id || !uc->primary) return true;
    return now_ms - uc->recovery_start_ms >= 30 * core->conf.heartbeat_interval_ms;
}

uint64_t blocks_next_id(struct core *core)
{
    uint64_t id = MAX(core->block_id_last, BLOCK_ID_FIRST - 1) + 1;

    while (block_find(core->blocks, id)) id++; /* an old cluster may have random ids above */
    return id;
}

uint64_t blocks_next_generation_stamp(struct core *core)
{
    return MAX(core->generation_stamp, GENERATION_STAMP_FIRST - 1) + 1;
}
