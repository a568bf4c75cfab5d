#include "namenode/redundancy.h"

#include "common/log.h"
#include "namenode/placement.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"

enum { PENDING_TARGETS_MAX = 64, RESCAN_BATCH = 256 };

/* ---- what a block needs ---- */

uint32_t redundancy_expected_live(const struct core *core, const struct block *block,
                                  const struct replica_numbers *numbers)
{
    uint32_t minimum =
        MIN((uint32_t)core->conf.maintenance_replication_min, (uint32_t)block->replication);
    uint32_t maintenance = replicas_maintenance(numbers), expected = block->replication;

    return MAX(expected > maintenance ? expected - maintenance : 0, minimum);
}

bool redundancy_is_spread(const struct core *core, const struct block *block)
{
    struct storage *counted[BLOCK_REPLICAS_MAX];
    size_t count, n = 0;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    if (core->conf.placement == PLACEMENT_DEFAULT &&
        topology_rack_count(core->datanodes.topology) <= 1)
        return true;
    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        enum replica_kind kind = replica_kind(core, block, storage);
        if (kind == KIND_CORRUPT || kind == KIND_DECOMMISSIONING || kind == KIND_DECOMMISSIONED ||
            kind == KIND_GONE)
            continue;
        counted[n++] = storage;
    }
    return placement_is_spread(core, counted, n, block->replication);
}

bool redundancy_is_enough(const struct core *core, const struct block *block,
                          const struct replica_numbers *numbers, uint32_t pending)
{
    if (numbers->of[KIND_LIVE] + pending < redundancy_expected_live(core, block, numbers))
        return false;
    return pending > 0 || redundancy_is_spread(core, block);
}

enum redundancy_level redundancy_level(const struct core *core, const struct block *block,
                                       const struct replica_numbers *numbers, uint32_t pending)
{
    uint32_t have = numbers->of[KIND_LIVE] + pending, expected = block->replication;

    if (!block_is_complete(block) || BLOCK_ID_IS_STRIPED(block->id)) return REDUNDANCY_FINE;
    if (redundancy_is_enough(core, block, numbers, pending)) return REDUNDANCY_FINE;
    if (have >= expected) return REDUNDANCY_BADLY_DISTRIBUTED;
    if (have == 0) {
        bool somewhere = replicas_out_of_service(numbers) || numbers->of[KIND_READ_ONLY];
        return somewhere ? REDUNDANCY_HIGHEST : REDUNDANCY_CORRUPT;
    }
    if (have == 1) return REDUNDANCY_HIGHEST;
    return have * 3 < expected ? REDUNDANCY_VERY_LOW : REDUNDANCY_LOW;
}

/* ---- the queues ---- */

static void dequeue(struct block_manager *manager, struct block *block)
{
    uint32_t reference = block_reference(block);

    if (!block->queued) return;
    for (int level = 0; level < REDUNDANCY_LEVELS; level++) {
        if (!roaring_bitmap_remove_checked(manager->queues[level], reference)) continue;
        if (level == REDUNDANCY_CORRUPT && block->replication == 1)
            manager->missing_replication_one--;
    }
    block->queued = 0;
}

static void enqueue(struct block_manager *manager, struct block *block, enum redundancy_level level)
{
    roaring_bitmap_add(manager->queues[level], block_reference(block));
    if (level == REDUNDANCY_CORRUPT && block->replication == 1) manager->missing_replication_one++;
    block->queued = 1;
}

void redundancy_update(struct core *core, struct block *block)
{
    struct replica_numbers numbers;

    if (!core->manager->populating) return;
    replicas_count(core, block, &numbers);
    enum redundancy_level level =
        redundancy_level(core, block, &numbers, redundancy_pending(core, block));
    if (block->queued) {
        if (level != REDUNDANCY_FINE &&
            roaring_bitmap_contains(core->manager->queues[level], block_reference(block)))
            return;
        dequeue(core->manager, block);
    }
    if (level != REDUNDANCY_FINE) enqueue(core->manager, block, level);
}

void redundancy_set_replication(struct core *core, struct block *block, uint16_t replication)
{
    dequeue(core->manager, block);
    block->replication = replication;
}

uint64_t redundancy_queue_size(const struct core *core, enum redundancy_level level)
{
    return roaring_bitmap_get_cardinality(core->manager->queues[level]);
}

uint64_t redundancy_low_count(const struct core *core)
{
    uint64_t sum = 0;

    for (int level = 0; level < REDUNDANCY_CORRUPT; level++)
        sum += redundancy_queue_size(core, (enum redundancy_level)level);
    return sum;
}

/* ---- copies under way ---- */

static struct pending_block *pending_entry(const struct core *core, const struct block *block)
{
    struct pending_block *entry = NULL;
    uint32_t reference = block_reference(block);

    if (block->pending) HASH_FIND(hh, core->manager->pending, &reference, sizeof reference, entry);
    return entry;
}

const struct pending_block *redundancy_pending_entry(const struct core *core,
                                                     const struct block *block)
{
    return pending_entry(core, block);
}

static void free_pending(struct core *core, struct pending_block *entry)
{
    block_at(core->blocks, entry->reference)->pending = 0;
    HASH_DEL(core->manager->pending, entry);
    TAILQ_REMOVE(&core->manager->pending_by_age, entry, by_age);
    mem_free(entry->targets);
    mem_free(entry->sources);
    mem_free(entry);
}

uint32_t redundancy_pending(const struct core *core, const struct block *block)
{
    const struct pending_block *entry = pending_entry(core, block);

    return entry ? entry->count : 0;
}

void redundancy_pending_add(struct core *core, struct block *block, const struct storage *source,
                            struct storage *const *targets, size_t count)
{
    struct pending_block *entry = pending_entry(core, block);

    if (!count) return;
    if (entry) {
        TAILQ_REMOVE(&core->manager->pending_by_age, entry, by_age);
    } else {
        entry = NEW(struct pending_block);
        entry->reference = block_reference(block);
        HASH_ADD(hh, core->manager->pending, reference, sizeof entry->reference, entry);
        block->pending = 1;
    }
    entry->since_ms = core->now_ms;
    TAILQ_INSERT_TAIL(&core->manager->pending_by_age, entry, by_age);
    for (size_t i = 0; i < count && entry->count < PENDING_TARGETS_MAX; i++) {
        GROW(entry->targets, entry->capacity, entry->count + 1);
        GROW(entry->sources, entry->sources_capacity, entry->count + 1);
        entry->sources[entry->count] = source ? source->number : 0;
        entry->targets[entry->count++] = targets[i]->number;
    }
}

static bool on_same_node(const struct core *core, uint32_t number, const struct storage *storage)
{
    const struct storage *other = dn_storage(&core->datanodes, number);

    return other == storage || (other && other->datanode == storage->datanode);
}

bool redundancy_is_target(const struct core *core, const struct block *block,
                          const struct storage *storage)
{
    const struct pending_block *entry = pending_entry(core, block);

    for (uint32_t i = 0; entry && i < entry->count; i++)
        if (on_same_node(core, entry->targets[i], storage)) return true;
    return false;
}

/* Answers true when that was the last one: the entry is gone. */
static bool drop_target(struct core *core, struct pending_block *entry, uint32_t at)
{
    entry->count--;
    entry->targets[at] = entry->targets[entry->count];
    entry->sources[at] = entry->sources[entry->count];
    if (entry->count) return false;
    free_pending(core, entry);
    return true;
}

void redundancy_pending_arrived(struct core *core, struct block *block,
                                const struct storage *storage)
{
    struct pending_block *entry = pending_entry(core, block);

    for (uint32_t i = 0; entry && i < entry->count; i++) {
        if (!on_same_node(core, entry->targets[i], storage)) continue;
        drop_target(core, entry, i);
        core->manager->replicas_created++;
        return;
    }
}

static bool is_on(const struct core *core, uint32_t number, const struct datanode *node)
{
    const struct storage *storage = dn_storage(&core->datanodes, number);

    return storage && storage->datanode == node;
}

void redundancy_pending_node_gone(struct core *core, const struct datanode *node)
{
    struct pending_block *entry, *next;

    for (entry = TAILQ_FIRST(&core->manager->pending_by_age); entry; entry = next) {
        struct block *block = block_at(core->blocks, entry->reference);
        bool lost = false, gone = false;
        next = TAILQ_NEXT(entry, by_age);
        for (uint32_t i = entry->count; i-- > 0 && !gone;) {
            if (!is_on(core, entry->targets[i], node) && !is_on(core, entry->sources[i], node))
                continue;
            lost = true;
            gone = drop_target(core, entry, i);
        }
        if (lost) redundancy_update(core, block);
    }
}

void redundancy_pending_expire(struct core *core)
{
    struct pending_block *entry;

    while ((entry = TAILQ_FIRST(&core->manager->pending_by_age))) {
        if (core->now_ms - entry->since_ms < core->conf.pending_timeout_ms) return;
        struct block *block = block_at(core->blocks, entry->reference);
        log_info("BLOCK* copies of blk_%" PRId64 "_%" PRIu64 " did not arrive in %" PRId64
                 " ms: trying again",
                 (int64_t)block->id, (uint64_t)block->generation_stamp,
                 core->conf.pending_timeout_ms);
        core->manager->pending_timeouts++;
        free_pending(core, entry);
        redundancy_update(core, block);
    }
}

void redundancy_forget(struct core *core, struct block *block)
{
    struct pending_block *entry = pending_entry(core, block);

    dequeue(core->manager, block);
    if (entry) free_pending(core, entry);
    roaring_bitmap_remove(core->manager->postponed, block_reference(block));
}

/* ---- too many ---- */

/* Replicas that may be given up: good ones in service on storages whose contents are known. Answers false when a stale storage keeps us
 * from judging all. */
static bool collect_candidates(const struct core *core, const struct block *block,
                               struct storage **out, size_t *found)
{
    bool complete = true;
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    *found = 0;
    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        if (replica_kind(core, block, storage) != KIND_LIVE) continue;
        if (storage->stale) {
            complete = false;
            continue;
        }
        out[(*found)++] = storage;
    }
    return complete;
}

/* BlockManager.processExtraRedundancyBlock. Only replicas that were reported since their datanode registered are counted, so
 * that what stays is really there. */
static void choose_excess(struct core *core, struct block *block, const struct datanode *added,
                          const struct datanode *hint)
{
    struct storage *have[BLOCK_REPLICAS_MAX];
    size_t count;
    const char *hint_uuid = hint && hint != added ? hint->uuid : NULL;
    uint8_t policy =
        storage_policy_effective(core->tree.inodes, inode_at(core->tree.inodes, block->inode));

    if (!collect_candidates(core, block, have, &count))
        roaring_bitmap_add(core->manager->postponed, block_reference(block));
    while (count > block->replication) {
        size_t at = placement_choose_excess(core, have, count, block->replication, policy, added,
                                            hint_uuid);
        if (at >= count) return;
        log_debug("BLOCK* the replica of blk_%" PRId64 "_%" PRIu64 " on %s is one too many",
                  (int64_t)block->id, (uint64_t)block->generation_stamp,
                  dn_name(have[at]->datanode));
        if (hint_uuid && str_eq(have[at]->datanode->uuid, hint_uuid)) hint_uuid = NULL;
        replica_mark_excess(core, block, have[at]);
        have[at] = have[--count];
    }
}

/* With more replicas wanted again, those still waiting for their deletion stay. */
static void keep_excess_again(struct core *core, struct block *block, uint32_t wanted)
{
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    for (size_t i = 0; i < count && wanted; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        if (!roaring_bitmap_contains(storage->excess, block_reference(block))) continue;
        if (!dn_withdraw_deletion(storage, block->id)) continue; /* told already: it will go */
        replica_clear_excess(core, block, storage);
        wanted--;
    }
}

void redundancy_check(struct core *core, struct block *block, const struct datanode *added,
                      const struct datanode *hint)
{
    struct replica_numbers numbers;

    if (!core->manager->populating || BLOCK_ID_IS_STRIPED(block->id)) return;
    if (block_is_complete(block)) {
        replicas_count(core, block, &numbers);
        if (numbers.of[KIND_LIVE] > block->replication)
            choose_excess(core, block, added, hint);
        else if (numbers.of[KIND_LIVE] < block->replication && numbers.of[KIND_EXCESS])
            keep_excess_again(core, block, block->replication - numbers.of[KIND_LIVE]);
        if (block->corrupt_count) replicas_delete_corrupt(core, block);
    }
    redundancy_update(core, block);
}

void redundancy_scan_start(struct core *core)
{
    core->manager->populating = true;
    core->manager->scanning = true;
    core->manager->scan_next = 1;
}

bool redundancy_scan_slice(struct core *core, uint32_t budget)
{
    struct block_manager *manager = core->manager;

    while (manager->scanning && budget--) {
        if (manager->scan_next >= block_reference_end(core->blocks)) {
            manager->scanning = false;
            break;
        }
        struct block *block = block_at_or_null(core->blocks, manager->scan_next++);
        if (block) redundancy_check(core, block, NULL, NULL);
    }
    return !manager->scanning;
}

void redundancy_rescan_postponed(struct core *core, uint32_t budget)
{
    struct block_manager *manager = core->manager;
    uint32_t batch[RESCAN_BATCH];

    while (budget && !roaring_bitmap_is_empty(manager->postponed)) {
        roaring_uint32_iterator_t it;
        roaring_init_iterator(manager->postponed, &it);
        if (!roaring_move_uint32_iterator_equalorlarger(&it, manager->postponed_next))
            roaring_init_iterator(manager->postponed, &it);
        uint32_t taken =
            roaring_read_uint32_iterator(&it, batch, MIN(budget, (uint32_t)RESCAN_BATCH));
        if (!taken) return;
        for (uint32_t i = 0; i < taken; i++) {
            roaring_bitmap_remove(manager->postponed, batch[i]);
            redundancy_check(core, block_at(core->blocks, batch[i]), NULL,
                             NULL); /* puts it back while it must wait */
        }
        manager->postponed_next = batch[taken - 1] + 1;
        budget -= taken;
        if (taken < RESCAN_BATCH) return;
    }
}
