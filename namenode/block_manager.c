#include "namenode/block_manager.h"

#include "common/log.h"
#include "namenode/redundancy.h"

struct block_manager *block_manager_new(void)
{
    struct block_manager *manager = NEW(struct block_manager);

    for (int i = 0; i < REDUNDANCY_LEVELS; i++) manager->queues[i] = roaring_bitmap_create();
    manager->postponed = roaring_bitmap_create();
    TAILQ_INIT(&manager->pending_by_age);
    TAILQ_INIT(&manager->jobs);
    TAILQ_INIT(&manager->purges);
    return manager;
}

static void free_uc(struct block_manager *manager, struct block_uc *uc)
{
    HASH_DEL(manager->uc, uc);
    if (uc->orphan) LIST_REMOVE(uc, to_orphans);
    mem_free(uc->replicas);
    mem_free(uc);
}

static void free_corrupt(struct block_manager *manager, struct corrupt_block *entry)
{
    HASH_DEL(manager->corrupt, entry);
    mem_free(entry->replicas);
    mem_free(entry);
}

void block_manager_free(struct block_manager *manager)
{
    struct pending_block *pending, *next_pending;
    struct corrupt_block *corrupt, *next_corrupt;
    struct block_uc *uc, *next_uc;

    if (!manager) return;
    HASH_ITER (hh, manager->uc, uc, next_uc) free_uc(manager, uc);
    HASH_ITER (hh, manager->corrupt, corrupt, next_corrupt) free_corrupt(manager, corrupt);
    HASH_ITER (hh, manager->pending, pending, next_pending) {
        HASH_DEL(manager->pending, pending);
        mem_free(pending->targets);
        mem_free(pending->sources);
        mem_free(pending);
    }
    for (int i = 0; i < REDUNDANCY_LEVELS; i++) roaring_bitmap_free(manager->queues[i]);
    roaring_bitmap_free(manager->postponed);
    mem_free(manager);
}

/* ---- safe mode's count ---- */

static bool is_safe(const struct core *core, const struct block *block)
{
    return block->state == BLOCK_COMPLETE &&
           block->replica_count >=
               block->corrupt_count + MAX(core->conf.safemode_replication_min, 1u);
}

/* To be called around every change of state or replicas: before with NULL-like -1, after with the answer. */
static void recount_safe(struct core *core, const struct block *block, bool was)
{
    bool is = is_safe(core, block);

    if (is && !was) core->manager->safe_count++;
    if (!is && was) core->manager->safe_count--;
}

/* ---- corrupt replicas ---- */

static struct corrupt_block *corrupt_entry(const struct core *core, const struct block *block)
{
    struct corrupt_block *entry = NULL;
    uint32_t reference = block_reference(block);

    if (block->corrupt_count)
        HASH_FIND(hh, core->manager->corrupt, &reference, sizeof reference, entry);
    return entry;
}

const struct corrupt_replica *replica_corrupt(const struct core *core, const struct block *block,
                                              uint32_t storage_number)
{
    const struct corrupt_block *entry = corrupt_entry(core, block);

    for (uint32_t i = 0; entry && i < entry->count; i++)
        if (entry->replicas[i].storage == storage_number) return &entry->replicas[i];
    return NULL;
}

void replica_clear_corrupt(struct core *core, struct block *block, uint32_t storage_number)
{
    struct corrupt_block *entry = corrupt_entry(core, block);
    bool was = is_safe(core, block);

    for (uint32_t i = 0; entry && i < entry->count; i++) {
        if (entry->replicas[i].storage != storage_number) continue;
        entry->replicas[i] = entry->replicas[--entry->count];
        block->corrupt_count--;
        core->manager->corrupt_replica_count--;
        if (!entry->count) free_corrupt(core->manager, entry);
        recount_safe(core, block, was);
        return;
    }
}

static void remember_corrupt(struct core *core, struct block *block, uint32_t storage_number,
                             const struct block_id *reported, enum corrupt_reason reason)
{
    struct corrupt_replica replica = {
        .storage = storage_number,
        .reason = (uint8_t)reason,
        .generation_stamp = reported->generation_stamp,
        .length = reported->length,
    };
    struct corrupt_block *entry = corrupt_entry(core, block);
    bool was = is_safe(core, block);

    for (uint32_t i = 0; entry && i < entry->count; i++) {
        if (entry->replicas[i].storage != storage_number) continue;
        entry->replicas[i] = replica;
        return;
    }
    if (!entry) {
        entry = NEW(struct corrupt_block);
        entry->reference = block_reference(block);
        HASH_ADD(hh, core->manager->corrupt, reference, sizeof entry->reference, entry);
    }
    GROW(entry->replicas, entry->capacity, entry->count + 1);
    entry->replicas[entry->count++] = replica;
    block->corrupt_count++;
    core->manager->corrupt_replica_count++;
    recount_safe(core, block, was);
}

/* ---- replica lists ---- */

static void set_excess(struct core *core, struct block *block, struct storage *storage, bool excess)
{
    uint32_t reference = block_reference(block);

    if (excess) {
        if (roaring_bitmap_add_checked(storage->excess, reference)) core->manager->excess_count++;
    } else {
        if (roaring_bitmap_remove_checked(storage->excess, reference))
            core->manager->excess_count--;
    }
}

/* A replica of the block on another disk of the same datanode, which can only be a move the namenode has not heard of. */
static struct storage *same_node(const struct core *core, const struct block *block,
                                 const struct storage *storage)
{
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count; i++) {
        struct storage *other = dn_storage(&core->datanodes, list[i]);
        if (other != storage && other->datanode == storage->datanode) return other;
    }
    return NULL;
}

bool replica_add(struct core *core, struct block *block, struct storage *storage)
{
    bool was = is_safe(core, block);
    struct storage *moved = BLOCK_ID_IS_STRIPED(block->id) ? NULL : same_node(core, block, storage);

    report_saw(storage, block_reference(block));
    if (!block_add_storage(core->blocks, block, storage->number)) return false;
    roaring_bitmap_add(storage->blocks, block_reference(block));
    if (moved) replica_drop(core, block, moved);
    recount_safe(core, block, was);
    return true;
}

bool replica_drop(struct core *core, struct block *block, struct storage *storage)
{
    uint32_t reference = block_reference(block);

    replica_clear_corrupt(core, block, storage->number);
    bool was = is_safe(core, block);
    if (!block_drop_storage(core->blocks, block, storage->number)) return false;
    roaring_bitmap_remove(storage->blocks, reference);
    set_excess(core, block, storage, false);
    report_saw(storage, reference);
    recount_safe(core, block, was);
    return true;
}

void replica_removed(struct core *core, struct block *block, struct storage *storage)
{
    if (!replica_drop(core, block, storage)) return;
    redundancy_check(core, block, NULL,
                     NULL); /* one that was to be deleted as surplus may be needed again */
}

void replica_delete(struct storage *storage, const struct block_id *id, enum delete_reason reason)
{
    struct doomed_replica *doomed;

    dn_add_deletion(storage, id);
    if (reason == DELETE_UNKNOWN) return;
    HASH_FIND(hh, storage->doomed, &id->id, sizeof id->id, doomed);
    if (!doomed) {
        doomed = NEW(struct doomed_replica);
        doomed->id = id->id;
        HASH_ADD(hh, storage->doomed, id, sizeof doomed->id, doomed);
    }
    doomed->generation_stamp = id->generation_stamp;
    doomed->queued = true;
    doomed->bad = reason == DELETE_BAD;
    doomed->named_in = storage->reports + 1;
}

void replica_doom_again(struct storage *storage, const struct block_id *id)
{
    struct doomed_replica *doomed;

    HASH_FIND(hh, storage->doomed, &id->id, sizeof id->id, doomed);
    if (!doomed) return;
    doomed->named_in = storage->reports + 1;
    if (doomed->queued) return;
    doomed->queued = true;
    dn_add_deletion(storage, id);
}

void replica_forget_undone(struct storage *storage)
{
    struct doomed_replica *doomed, *next;

    HASH_ITER (hh, storage->doomed, doomed, next) {
        if (doomed->queued || doomed->named_in >= storage->reports) continue;
        HASH_DEL(storage->doomed, doomed);
        mem_free(doomed);
    }
}

void replica_undoom(struct storage *storage, uint64_t id)
{
    struct doomed_replica *doomed;

    HASH_FIND(hh, storage->doomed, &id, sizeof id, doomed);
    if (!doomed) return;
    HASH_DEL(storage->doomed, doomed);
    mem_free(doomed);
}

static void remember_bad(struct storage *storage, const struct block_id *id)
{
    struct doomed_replica *doomed;

    HASH_FIND(hh, storage->doomed, &id->id, sizeof id->id, doomed);
    if (!doomed) {
        doomed = NEW(struct doomed_replica);
        doomed->id = id->id;
        HASH_ADD(hh, storage->doomed, id, sizeof doomed->id, doomed);
    }
    doomed->generation_stamp = id->generation_stamp;
    doomed->bad = doomed->remembered = true;
    doomed->named_in = storage->reports + 1;
}

bool replica_recall_bad(struct storage *storage, const struct block_id *id)
{
    struct doomed_replica *doomed;

    HASH_FIND(hh, storage->doomed, &id->id, sizeof id->id, doomed);
    if (!doomed || !doomed->remembered || doomed->generation_stamp != id->generation_stamp)
        return false;
    replica_undoom(storage, id->id);
    return true;
}

bool replica_is_doomed(const struct storage *storage, const struct block_id *id)
{
    struct doomed_replica *doomed;

    HASH_FIND(hh, storage->doomed, &id->id, sizeof id->id, doomed);
    return doomed && doomed->generation_stamp == id->generation_stamp;
}

bool replica_is_leaving(const struct datanode *node, uint64_t id)
{
    const struct storage *storage;
    struct doomed_replica *doomed;

    LIST_FOREACH (storage, &node->storages, of_datanode) {
        HASH_FIND(hh, storage->doomed, &id, sizeof id, doomed);
        if (doomed) return true;
    }
    return false;
}

void replica_mark_excess(struct core *core, struct block *block, struct storage *storage)
{
    struct block_id id = block_name(block);

    set_excess(core, block, storage, true);
    replica_delete(storage, &id, DELETE_SURPLUS);
}

void replica_clear_excess(struct core *core, struct block *block, struct storage *storage)
{
    set_excess(core, block, storage, false);
    replica_undoom(storage, block->id);
}

/* The bad replica goes: off the list at once, and from the disk with the next heartbeat. Not while another replica is on a storage that
 * may have less than we believe. */
static bool delete_corrupt(struct core *core, struct block *block,
                           const struct corrupt_replica *replica, bool any_stale)
{
    struct storage *storage = dn_storage(&core->datanodes, replica->storage);
    struct block_id id = {
        .id = block->id, .generation_stamp = replica->generation_stamp, .length = replica->length};

    if (any_stale) {
        roaring_bitmap_add(core->manager->postponed, block_reference(block));
        return false;
    }
    log_debug("BLOCK* delete the corrupt replica blk_%" PRId64 "_%" PRIu64 " on %s", (int64_t)id.id,
              id.generation_stamp, dn_name(storage->datanode));
    replica_drop(core, block, storage);
    replica_delete(storage, &id, DELETE_BAD);
    return true;
}

/* Enough good replicas, or more replicas than wanted in all, or one that a broken pipeline left behind: then the bad one may go
 * (BlockManager.markBlockAsCorrupt). */
static bool may_delete_corrupt(const struct core *core, const struct block *block,
                               const struct corrupt_replica *replica,
                               const struct replica_numbers *numbers)
{
    uint32_t usable = replicas_usable(numbers), expected = block->replication;

    if (!block_is_complete(block) || usable < MAX(core->conf.replication_min, 1u)) return false;
    if (usable >= expected ||
        (uint32_t)numbers->of[KIND_LIVE] + numbers->of[KIND_CORRUPT] > expected)
        return true;
    return replica->generation_stamp < block->generation_stamp;
}

void replicas_delete_corrupt(struct core *core, struct block *block)
{
    struct corrupt_block *entry = corrupt_entry(core, block);
    struct replica_numbers numbers;

    if (!entry) return;
    for (uint32_t i = entry->count; i-- > 0;) {
        bool last = entry->count == 1; /* the entry is freed with its last replica */
        struct corrupt_replica replica = entry->replicas[i];
        replicas_count(core, block, &numbers);
        if (may_delete_corrupt(core, block, &replica, &numbers) &&
            delete_corrupt(core, block, &replica, numbers.stale > 0) && last)
            break;
    }
}

static bool has_good_replica(const struct core *core, const struct block *block)
{
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count; i++) {
        const struct storage *storage = dn_storage(&core->datanodes, list[i]);
        if (replica_kind(core, block, storage) == KIND_LIVE && !storage->stale &&
            !dn_is_stale(core, storage->datanode))
            return true;
    }
    return false;
}

bool replicas_make_room(struct core *core, struct block *block)
{
    const struct corrupt_block *entry = corrupt_entry(core, block);
    struct replica_numbers numbers;

    if (!entry || !block_is_complete(block) || !has_good_replica(core, block)) return false;
    replicas_count(core, block, &numbers);
    if (replicas_usable(&numbers) < core->conf.replication_min) return false;
    for (uint32_t i = 0; i < entry->count; i++) {
        struct corrupt_replica replica = entry->replicas[i];
        const struct storage *storage = dn_storage(&core->datanodes, replica.storage);
        const struct datanode *node = storage->datanode;
        if (!node->alive || node->admin_state != DN_NORMAL || storage->failed) continue;
        log_info("BLOCK* the corrupt replica of blk_%" PRId64 "_%" PRIu64
                 " on %s makes room for a good one",
                 (int64_t)block->id, (uint64_t)block->generation_stamp, dn_name(node));
        return delete_corrupt(core, block, &replica, false);
    }
    return false;
}

void replica_mark_corrupt(struct core *core, struct block *block, struct storage *storage,
                          const struct block_id *reported, enum corrupt_reason reason)
{
    if (BLOCK_ID_IS_STRIPED(block->id))
        return; /* never judged without knowing the policy of its group */
    if (!replica_add(core, block, storage) &&
        !block_has_storage(core->blocks, block, storage->number))
        return;
    log_limited(LOG_INFO, 1000,
                "BLOCK* corrupt replica blk_%" PRId64 "_%" PRIu64 " (length %" PRIu64
                ") on %s: the block is _%" PRIu64 ", length %" PRIu64,
                (int64_t)block->id, reported->generation_stamp, reported->length,
                dn_name(storage->datanode), (uint64_t)block->generation_stamp,
                (uint64_t)block->length);
    remember_corrupt(core, block, storage->number, reported, reason);
    if (roaring_bitmap_contains(storage->excess, block_reference(block)))
        replica_clear_excess(core, block, storage);
    replicas_delete_corrupt(core, block);
    redundancy_update(core, block);
}

/* ---- counting ---- */

enum replica_kind replica_kind(const struct core *core, const struct block *block,
                               const struct storage *storage)
{
    const struct datanode *node = storage->datanode;

    if (storage->failed || storage->purging || (!node->alive && !dn_is_maintenance(node)))
        return KIND_GONE;
    if (storage->read_only_shared) return KIND_READ_ONLY;
    if (replica_corrupt(core, block, storage->number)) return KIND_CORRUPT;
    if (node->admin_state == DN_DECOMMISSIONING) return KIND_DECOMMISSIONING;
    if (node->admin_state == DN_DECOMMISSIONED) return KIND_DECOMMISSIONED;
    if (dn_is_maintenance(node))
        return node->admin_state == DN_IN_MAINTENANCE || !node->alive ? KIND_IN_MAINTENANCE
                                                                      : KIND_ENTERING_MAINTENANCE;
    if (roaring_bitmap_contains(storage->excess, block_reference(block))) return KIND_EXCESS;
    return KIND_LIVE;
}

void replicas_count(const struct core *core, const struct block *block, struct replica_numbers *out)
{
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    *out = (struct replica_numbers){.stale = 0};
    for (size_t i = 0; i < count; i++) {
        const struct storage *storage = dn_storage(&core->datanodes, list[i]);
        enum replica_kind kind = replica_kind(core, block, storage);
        out->of[kind]++;
        if (storage->stale && kind != KIND_GONE) out->stale++;
    }
}

/* ---- construction ---- */

struct block_uc *block_uc(const struct core *core, const struct block *block)
{
    struct block_uc *uc = NULL;
    uint32_t reference = block_reference(block);

    if (block->state != BLOCK_COMPLETE)
        HASH_FIND(hh, core->manager->uc, &reference, sizeof reference, uc);
    return uc;
}

struct block_uc *block_set_state(struct core *core, struct block *block, enum block_state state)
{
    bool was_safe = is_safe(core, block), was_complete = block_is_complete(block);
    struct block_uc *uc = block_uc(core, block);

    block->state = state;
    if (state == BLOCK_COMPLETE) {
        if (uc) free_uc(core->manager, uc);
        uc = NULL;
    } else if (was_complete) {
        uc = NEW(struct block_uc);
        uc->reference = block_reference(block);
        HASH_ADD(hh, core->manager->uc, reference, sizeof uc->reference, uc);
    }
    core->manager->complete_count += (uint64_t)block_is_complete(block) - (uint64_t)was_complete;
    recount_safe(core, block, was_safe);
    return uc;
}

void block_drop_uc(struct core *core, struct block *block)
{
    struct block_uc *uc = block_uc(core, block);

    if (uc) free_uc(core->manager, uc);
    if (block_is_complete(block)) core->manager->complete_count--;
    if (is_safe(core, block)) core->manager->safe_count--;
}

struct uc_replica *block_uc_replica(struct block_uc *uc, uint32_t storage_number)
{
    for (uint32_t i = 0; uc && i < uc->count; i++)
        if (uc->replicas[i].storage == storage_number) return &uc->replicas[i];
    return NULL;
}

struct uc_replica *block_uc_add(struct block_uc *uc, uint32_t storage_number)
{
    GROW(uc->replicas, uc->capacity, uc->count + 1);
    uc->replicas[uc->count] = (struct uc_replica){.storage = storage_number, .state = REPLICA_RBW};
    return &uc->replicas[uc->count++];
}

/* The expected place of the same datanode gives way: a writer is told a storage, but the datanode decides (BlockUnderConstructionFeature
 * .addReplicaIfNotPresent). */
static struct uc_replica *uc_of_node(const struct core *core, struct block_uc *uc,
                                     const struct storage *storage)
{
    for (uint32_t i = 0; i < uc->count; i++) {
        const struct storage *other = dn_storage(&core->datanodes, uc->replicas[i].storage);
        if (other && other->datanode == storage->datanode) return &uc->replicas[i];
    }
    return NULL;
}

void block_uc_report(struct core *core, struct block *block, struct storage *storage,
                     enum replica_state state, uint64_t generation_stamp, uint64_t length)
{
    struct block_uc *uc = block_uc(core, block);
    if (!uc) return;
    struct uc_replica *replica = block_uc_replica(uc, storage->number);

    if (!replica) replica = uc_of_node(core, uc, storage);
    if (!replica) {
        if (uc->count >= BLOCK_REPLICAS_MAX) return;
        replica = block_uc_add(uc, storage->number);
    }
    replica->storage = storage->number;
    replica->state = (uint8_t)state;
    replica->reported = true;
    replica->generation_stamp = generation_stamp;
    replica->length = length;
    if (state == REPLICA_RWR) block_uc_mark(core, uc, replica); /* its datanode was restarted */
}

void block_uc_mark(struct core *core, struct block_uc *uc, struct uc_replica *replica)
{
    replica->writer_gone = true;
    if (uc->orphan) return;
    uc->orphan = true;
    LIST_INSERT_HEAD(&core->manager->orphans, uc, to_orphans);
}

bool block_try_complete(struct core *core, struct block *block)
{
    struct replica_numbers numbers;
    struct storage *awaited[64];
    size_t count = 0;

    if (block->state != BLOCK_COMMITTED) return false;
    replicas_count(core, block, &numbers);
    if (replicas_usable(&numbers) < core->conf.replication_min) return false;

    struct block_uc *uc = block_uc(core, block);
    for (uint32_t i = 0; i < uc->count && count < ARRAY_LEN(awaited); i++) {
        struct storage *storage = dn_storage(&core->datanodes, uc->replicas[i].storage);
        if (storage && storage->datanode->alive &&
            !block_has_storage(core->blocks, block, storage->number))
            awaited[count++] = storage;
    }
    block_set_state(core, block, BLOCK_COMPLETE);
    redundancy_pending_add(core, block, NULL, awaited, count);
    return true;
}

/* ---- storages that lose everything ---- */

void storage_purge(struct core *core, struct storage *storage)
{
    if (storage->purging) return;
    storage->purging = true;
    dn_clear_deletions(storage);
    report_abort(core, storage);
    TAILQ_INSERT_TAIL(&core->manager->purges, storage, to_purge);
}

static void purge_replica(struct core *core, struct block *block, struct storage *storage)
{
    const struct corrupt_replica *corrupt = replica_corrupt(core, block, storage->number);
    struct block_id id = block_name(block);

    if (corrupt && corrupt->reason == CORRUPT_REPORTED) {
        id.generation_stamp = corrupt->generation_stamp;
        remember_bad(storage, &id);
    }
    replica_removed(core, block, storage);
}

bool storage_purge_slice(struct core *core, struct storage *storage, uint32_t budget)
{
    uint32_t batch[256];

    assert(storage->purging);
    while (budget) {
        uint32_t taken = 0, wanted = MIN(budget, (uint32_t)ARRAY_LEN(batch));
        roaring_uint32_iterator_t it;
        roaring_init_iterator(storage->blocks, &it);
        taken = roaring_read_uint32_iterator(&it, batch, wanted);
        if (!taken) break;
        for (uint32_t i = 0; i < taken; i++)
            purge_replica(core, block_at(core->blocks, batch[i]), storage);
        budget -= taken;
    }
    if (!roaring_bitmap_is_empty(storage->blocks)) return false;
    TAILQ_REMOVE(&core->manager->purges, storage, to_purge);
    storage->purging = false;
    return true;
}

void storage_purge_stop(struct core *core, struct storage *storage)
{
    if (!storage->purging) return;
    TAILQ_REMOVE(&core->manager->purges, storage, to_purge);
    storage->purging = false;
}

void block_conf_load(struct core_conf *out, const struct conf *conf)
{
    out->maintenance_replication_min =
        (uint32_t)conf_int(conf, CONF_dfs_namenode_maintenance_replication_min);
    out->pending_timeout_ms = conf_ms(conf, CONF_dfs_namenode_reconstruction_pending_timeout_sec);
    out->avoid_read_stale = conf_bool(conf, CONF_dfs_namenode_avoid_read_stale_datanode);
    out->avoid_write_stale = conf_bool(conf, CONF_dfs_namenode_avoid_write_stale_datanode);
    out->write_stale_ratio = conf_float(conf, CONF_dfs_namenode_write_stale_datanode_ratio);
    out->redundancy_interval_ms = conf_ms(conf, CONF_dfs_namenode_redundancy_interval_seconds);
    out->decommission_interval_ms = conf_ms(conf, CONF_dfs_namenode_decommission_interval);
    out->report_leases_max =
        (uint32_t)MAX(conf_int(conf, CONF_dfs_namenode_max_full_block_report_leases), 1);
    out->report_lease_ms = conf_ms(conf, CONF_dfs_namenode_full_block_report_lease_length_ms);
    out->avoid_read_slow = conf_bool(conf, CONF_dfs_namenode_avoid_read_slow_datanode);
    out->peer_stats = conf_bool(conf, CONF_dfs_datanode_peer_stats_enabled);
    out->outliers_interval_ms = conf_ms(conf, CONF_dfs_datanode_outliers_report_interval);
    out->slow_collect_interval_ms = conf_ms(conf, CONF_dfs_namenode_slowpeer_collect_interval);
    out->slow_nodes_max =
        (uint32_t)MAX(conf_int(conf, CONF_dfs_namenode_max_slowpeer_collect_nodes), 0);
    out->slow_nodes_shown = (uint32_t)MAX(conf_int(conf, CONF_dfs_datanode_max_nodes_to_report), 0);
    out->check_ip_hostname =
        conf_bool(conf, CONF_dfs_namenode_datanode_registration_ip_hostname_check);
    out->prefer_local_node =
        conf_bool(conf, CONF_dfs_namenode_block_placement_policy_default_prefer_local_node);
    out->heartbeat_tolerance = 4; /* dfs.namenode.tolerate.heartbeat.multiplier's default */
    out->safemode_extension_ms = conf_is_set(conf, CONF_dfs_namenode_safemode_extension)
                                     ? conf_ms(conf, CONF_dfs_namenode_safemode_extension)
                                     : 0;
}
