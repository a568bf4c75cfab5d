#include "namenode/monitor.h"

#include "common/log.h"
#include "namenode/dn_admin.h"
#include "namenode/placement.h"
#include "namenode/redundancy.h"
#include "namenode/report.h"
#include "namenode/safemode.h"
#include "namenode/slow_nodes.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"

enum {
    SLICE_BLOCKS = 4096,
    POSTPONED_PER_TICK = 10000,
    ROLL_MS = 600000, /* promised writes are forgotten after one or two of these */
    NODES_MAX = BLOCK_REPLICAS_MAX,
    TARGETS_MAX = 64,
    LEAVING_MAX = 8,
};

/* ---- dead nodes ---- */

int64_t monitor_dead_after_ms(const struct core *core)
{
    return 2 * core->conf.heartbeat_recheck_ms + 10 * core->conf.heartbeat_interval_ms;
}

void monitor_node_dead(struct core *core, struct datanode *datanode)
{
    struct storage *storage;

    if (!datanode->alive) return;
    log_info("BLOCK* removeDeadDatanode: lost heartbeat from %s, %" PRIu64 " block replicas",
             dn_name(datanode), dn_block_count(datanode));
    dn_stats_leave(&core->datanodes, datanode);
    datanode->alive = false;
    topology_remove(core->datanodes.topology, datanode);
    dn_clear_work(datanode);
    report_lease_end(core, datanode);
    LIST_FOREACH (storage, &datanode->storages, of_datanode) {
        storage->stale = true;
        storage->scheduled = storage->scheduled_before = 0;
        if (dn_is_maintenance(datanode))
            report_abort(core, storage);
        else
            storage_purge(core, storage);
    }
    redundancy_pending_node_gone(core, datanode);
    safemode_check(core);
}

static void forget_wiped(struct core *core, struct datanode *datanode)
{
    struct storage *storage;

    if (!datanode->wiped) return;
    LIST_FOREACH (storage, &datanode->storages, of_datanode)
        if (storage->purging || !roaring_bitmap_is_empty(storage->blocks)) return;
    dn_admin_forget(core, datanode);
    report_lease_end(core, datanode);
    dn_remove(&core->datanodes, datanode);
}

void monitor_node_wipe(struct core *core, struct datanode *datanode)
{
    struct storage *storage;

    if (dn_is_maintenance(datanode)) dn_admin_stop(core, datanode);
    monitor_node_dead(core, datanode);
    LIST_FOREACH (storage, &datanode->storages, of_datanode) storage_purge(core, storage);
    dn_unindex(&core->datanodes, datanode);
    datanode->wiped = true;
    forget_wiped(core, datanode);
}

static void find_dead(struct core *core)
{
    struct datanode *node, *next;
    int64_t dead_ms = monitor_dead_after_ms(core);

    HASH_ITER (hh, core->datanodes.by_uuid, node, next)
        if (node->alive && core->now_ms - node->heartbeat_ms > dead_ms)
            monitor_node_dead(core, node);
}

/* After a pause of our own nobody is late yet: the heartbeats wait in the sockets (HeartbeatManager's stop watch). */
static void forgive(struct core *core, int64_t pause_ms)
{
    struct datanode *node, *next;

    log_warn("The namenode was paused for %" PRId64 " ms: no datanode is judged by it", pause_ms);
    HASH_ITER (hh, core->datanodes.by_uuid, node, next)
        node->heartbeat_ms = MIN(node->heartbeat_ms + pause_ms, core->now_ms);
}

/* ---- copies ---- */

static bool is_source(enum replica_kind kind)
{
    return kind == KIND_LIVE || kind == KIND_DECOMMISSIONING || kind == KIND_ENTERING_MAINTENANCE ||
           kind == KIND_DECOMMISSIONED || kind == KIND_READ_ONLY;
}

struct copy_plan {
    struct storage *existing[NODES_MAX]; /* good ones: what placement builds upon */
    struct datanode *holding
        [NODES_MAX]; /* all nodes with a replica, good or bad, and those that will get one: no targets */
    size_t existing_count, holding_count;
    struct storage *source;
};

/* Nodes on their way out first: they serve nobody else. Among equals any. A node with as many copies to send as it may is
 * passed over, later for the most urgent blocks (chooseSourceDatanodes). */
static void consider_source(struct core *core, struct copy_plan *plan, struct storage *storage,
                            enum replica_kind kind, enum redundancy_level level, uint32_t *seen)
{
    bool leaving = kind == KIND_DECOMMISSIONING || kind == KIND_ENTERING_MAINTENANCE;
    uint32_t load = storage->datanode->work.transfer_count;

    if (load >= core->conf.replication_max_streams_hard) return;
    if (level != REDUNDANCY_HIGHEST && !leaving && load >= core->conf.replication_max_streams)
        return;
    if (plan->source && kind == KIND_DECOMMISSIONED) return;
    if (core_random(core) % ++*seen == 0 || !plan->source) plan->source = storage;
}

static void gather(struct core *core, struct block *block, enum redundancy_level level,
                   struct copy_plan *plan)
{
    const struct pending_block *pending = redundancy_pending_entry(core, block);
    uint32_t seen = 0;
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);

    *plan = (struct copy_plan){.source = NULL};
    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        enum replica_kind kind = replica_kind(core, block, storage);
        plan->holding[plan->holding_count++] = storage->datanode;
        if (kind == KIND_LIVE || kind == KIND_READ_ONLY)
            plan->existing[plan->existing_count++] = storage;
        if (is_source(kind) && storage->datanode->alive)
            consider_source(core, plan, storage, kind, level, &seen);
    }
    for (uint32_t i = 0; pending && i < pending->count && plan->holding_count < NODES_MAX; i++) {
        struct storage *storage = dn_storage(&core->datanodes, pending->targets[i]);
        if (storage) plan->holding[plan->holding_count++] = storage->datanode;
    }
}

/* A block with enough replicas in the wrong places gains nothing from one more of those. */
static bool brings_spread(const struct core *core, struct copy_plan *plan, struct storage *target,
                          uint32_t replication)
{
    uint32_t lacking = placement_lacks(core, plan->existing, plan->existing_count, replication);

    if (plan->existing_count == NODES_MAX) return false;
    plan->existing[plan->existing_count] = target;
    return placement_lacks(core, plan->existing, plan->existing_count + 1, replication) < lacking;
}

/* None on which an old replica of the block still waits to be deleted: the datanode would refuse the copy. */
static size_t choose_targets(struct core *core, uint64_t id, struct placement_request *request,
                             struct copy_plan *plan, struct storage **targets)
{
    for (int i = 0; i < LEAVING_MAX; i++) {
        size_t count = placement_choose(core, request, targets, NULL), good = 0;
        for (size_t k = 0; k < count; k++) {
            if (!replica_is_leaving(targets[k]->datanode, id))
                targets[good++] = targets[k];
            else if (plan->holding_count < NODES_MAX)
                plan->holding[plan->holding_count++] = targets[k]->datanode;
        }
        if (good || !count) return good;
        request->excluded_count = plan->holding_count;
    }
    return 0;
}

static bool schedule_copy(struct core *core, struct block *block, enum redundancy_level level)
{
    struct storage *targets[TARGETS_MAX];
    struct replica_numbers numbers;
    struct copy_plan plan;
    uint32_t pending = redundancy_pending(core, block);

    replicas_count(core, block, &numbers);
    if (!block_is_complete(block) || redundancy_is_enough(core, block, &numbers, pending)) {
        redundancy_update(core, block);
        return false;
    }
    gather(core, block, level, &plan);
    if (!plan.source) return false;
    uint32_t expected = redundancy_expected_live(core, block, &numbers),
             have = numbers.of[KIND_LIVE] + pending;
    const struct inode *file = inode_at(core->tree.inodes, block->inode);
    struct placement_request request = {
        .writer_host = plan.source->datanode->ip,
        .wanted = MIN(have < expected ? expected - have : 1, (uint32_t)TARGETS_MAX),
        .block_size = inode_block_size(core->tree.inodes, file),
        .storage_policy = storage_policy_effective(core->tree.inodes, file),
        .existing = plan.existing,
        .existing_count = plan.existing_count,
        .excluded = plan.holding,
        .excluded_count = plan.holding_count,
    };
    size_t count = choose_targets(core, block->id, &request, &plan, targets);
    if (!count && have < expected && block->corrupt_count && replicas_make_room(core, block))
        redundancy_update(core, block);
    if (!count) return false;
    if (have >= expected && !brings_spread(core, &plan, targets[0], block->replication))
        return false;

    struct block_id id = block_name(block);
    dn_add_transfer(plan.source->datanode, &id, targets, count);
    for (size_t i = 0; i < count; i++) targets[i]->scheduled++;
    redundancy_pending_add(core, block, plan.source, targets, count);
    redundancy_update(core, block);
    log_debug("BLOCK* ask %s to replicate blk_%" PRId64 "_%" PRIu64 " to %zu datanode(s), first %s",
              dn_name(plan.source->datanode), (int64_t)id.id, id.generation_stamp, count,
              dn_name(targets[0]->datanode));
    return true;
}

/* From where the last choice ended, so that blocks that cannot be helped do not keep the others waiting. */
static uint32_t schedule_level(struct core *core, enum redundancy_level level, uint32_t max,
                               uint32_t *looked)
{
    struct block_manager *manager = core->manager;
    uint32_t batch[512], done = 0;
    roaring_uint32_iterator_t it;

    roaring_init_iterator(manager->queues[level], &it);
    if (!roaring_move_uint32_iterator_equalorlarger(&it, manager->queue_next[level]))
        manager->queue_next[level] = 0;
    roaring_init_iterator(manager->queues[level], &it);
    roaring_move_uint32_iterator_equalorlarger(&it, manager->queue_next[level]);
    uint32_t taken = roaring_read_uint32_iterator(&it, batch, MIN(max, (uint32_t)ARRAY_LEN(batch)));
    for (uint32_t i = 0; i < taken; i++)
        done += schedule_copy(core, block_at(core->blocks, batch[i]), level);
    manager->queue_next[level] = taken ? batch[taken - 1] + 1 : 0;
    *looked = taken;
    return done;
}

uint32_t monitor_schedule_copies(struct core *core, uint32_t max)
{
    uint32_t done = 0;

    for (int level = 0; level < REDUNDANCY_CORRUPT && max; level++) {
        uint32_t looked = 1;
        while (max && looked && !roaring_bitmap_is_empty(core->manager->queues[level])) {
            uint32_t before = core->manager->queue_next[level];
            done += schedule_level(core, (enum redundancy_level)level, max, &looked);
            max -= MIN(max, looked);
            if (core->manager->queue_next[level] <= before) break; /* once around */
        }
    }
    return done;
}

static void roll_scheduled(struct core *core)
{
    for (uint32_t i = 1; i < core->datanodes.storage_count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, i);
        if (!storage) continue;
        storage->scheduled_before = storage->scheduled;
        storage->scheduled = 0;
    }
}

/* ---- the clock ---- */

static bool is_due(const struct core *core, int64_t *next_ms, int64_t interval_ms)
{
    if (core->now_ms < *next_ms) return false;
    *next_ms = core->now_ms + interval_ms;
    return true;
}

void core_tick(struct core *core)
{
    struct block_manager *manager = core->manager;
    int64_t recheck_ms = MIN(core->conf.heartbeat_interval_ms, core->conf.heartbeat_recheck_ms);

    if (manager->last_tick_ms &&
        core->now_ms - manager->last_tick_ms > MAX(core->conf.heartbeat_recheck_ms, 10 * SECOND_MS))
        forgive(core, core->now_ms - manager->last_tick_ms);
    manager->last_tick_ms = core->now_ms;
    core_work(core);
    if (is_due(core, &manager->next_recheck_ms, MAX(recheck_ms, 1))) find_dead(core);
    if (is_due(core, &manager->next_roll_ms, ROLL_MS)) roll_scheduled(core);
    safemode_check(core);
    dn_admin_tick(core);
    slow_nodes_tick(core);
    if (safemode_is_on(core) || !manager->populating ||
        !is_due(core, &manager->next_work_ms, core->conf.redundancy_interval_ms))
        return;
    redundancy_pending_expire(core);
    redundancy_rescan_postponed(core, POSTPONED_PER_TICK);
    if (!safemode_is_quiet(core))
        monitor_schedule_copies(core, dn_live_count(core) * core->conf.replication_work_multiplier);
}

bool core_work(struct core *core)
{
    struct storage *purge = TAILQ_FIRST(&core->manager->purges);
    bool more = false;

    if (purge) {
        struct datanode *node = purge->datanode;
        if (!storage_purge_slice(core, purge, SLICE_BLOCKS))
            more = true;
        else
            forget_wiped(core, node);
    }
    if (!report_slice(core, SLICE_BLOCKS)) more = true;
    if (core->manager->scanning && !redundancy_scan_slice(core, SLICE_BLOCKS)) more = true;
    if (dn_admin_slice(core, SLICE_BLOCKS)) more = true;
    return more || !TAILQ_EMPTY(&core->manager->purges);
}
