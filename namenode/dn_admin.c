#include "namenode/dn_admin.h"

#include "common/log.h"
#include "namenode/redundancy.h"
#include "namenode/topology.h"

const char *dn_admin_state_name(enum dn_admin_state state)
{
    static const char *const names[] = {"In Service", "Decommission In Progress", "Decommissioned",
                                        "Entering Maintenance", "In Maintenance"};

    return (size_t)state < ARRAY_LEN(names) ? names[state] : "Unknown";
}

static bool is_leaving(const struct datanode *node)
{
    return node->admin_state == DN_DECOMMISSIONING || node->admin_state == DN_ENTERING_MAINTENANCE;
}

static void set_state(struct core *core, struct datanode *node, enum dn_admin_state state)
{
    dn_stats_leave(&core->datanodes, node);
    log_info("%s: %s -> %s", dn_name(node), dn_admin_state_name(node->admin_state),
             dn_admin_state_name(state));
    node->admin_state = state;
    dn_stats_enter(&core->datanodes, node);
    node->walk_wanted = true; /* all its blocks count differently now */
    node->walk_ms = core->now_ms;
    node->leaving_checked = false;
}

void dn_admin_decommission(struct core *core, struct datanode *node)
{
    if (node->admin_state == DN_DECOMMISSIONING || node->admin_state == DN_DECOMMISSIONED) return;
    set_state(core, node, node->alive ? DN_DECOMMISSIONING : DN_DECOMMISSIONED);
    node->leaving_since_wall_ms = core->now_wall_ms;
    log_info("Starting decommission of %s with %" PRIu64 " blocks", dn_name(node),
             dn_block_count(node));
}

void dn_admin_maintenance(struct core *core, struct datanode *node, int64_t expires_wall_ms)
{
    node->maintenance_expires_wall_ms = expires_wall_ms;
    if (dn_is_maintenance(node)) return;
    set_state(core, node, node->alive ? DN_ENTERING_MAINTENANCE : DN_IN_MAINTENANCE);
    node->leaving_since_wall_ms = core->now_wall_ms;
    log_info("Starting maintenance of %s with %" PRIu64 " blocks", dn_name(node),
             dn_block_count(node));
}

void dn_admin_stop(struct core *core, struct datanode *node)
{
    struct storage *storage;
    bool kept_while_dead = dn_is_maintenance(node) && !node->alive;

    if (node->admin_state == DN_NORMAL) return;
    set_state(core, node, DN_NORMAL);
    node->leaving_low_redundancy = node->leaving_out_of_service_only = node->leaving_in_open_files =
        0;
    if (!kept_while_dead) return;
    LIST_FOREACH (storage, &node->storages, of_datanode) storage_purge(core, storage);
}

/* ---- walks over a node's blocks ---- */

static bool is_sufficient(const struct core *core, const struct datanode *node,
                          const struct block *block, const struct replica_numbers *numbers)
{
    uint32_t live = numbers->of[KIND_LIVE];

    if (redundancy_is_enough(core, block, numbers, 0)) return true;
    if (dn_is_maintenance(node))
        return live >= MIN(core->conf.maintenance_replication_min, (uint32_t)block->replication);
    if (redundancy_expected_live(core, block, numbers) <= live)
        return false; /* enough, but on too few racks */
    /* A block still written may go on with its minimum; a closed one with the cluster's default (DatanodeAdminManager.isSufficient). */
    return live >= (block_is_complete(block) ? core->conf.replication : core->conf.replication_min);
}

static void look_at(struct core *core, struct dn_walk *walk, struct block *block)
{
    struct replica_numbers numbers;

    redundancy_check(core, block, NULL, NULL);
    if (!is_leaving(walk->node) || BLOCK_ID_IS_STRIPED(block->id)) return;
    replicas_count(core, block, &numbers);
    if (is_sufficient(core, walk->node, block, &numbers)) return;
    walk->low++;
    if (!numbers.of[KIND_LIVE] && replicas_out_of_service(&numbers)) walk->out_of_service_only++;
    if (!block_is_complete(block)) walk->in_open_files++;
}

static bool has_reported(const struct datanode *node)
{
    const struct storage *storage;

    LIST_FOREACH (storage, &node->storages, of_datanode)
        if (storage->stale || storage->report) return false;
    return node->storage_count > 0;
}

/* A block being written to the node is in nobody's list yet: it counts as long as no other datanode in service has it
 * (dfs.namenode.replication.min of them). */
static void count_being_written(const struct core *core, const struct datanode *node,
                                struct dn_walk *walk)
{
    for (const struct block_uc *uc = core->manager->uc; uc; uc = uc->hh.next) {
        uint32_t elsewhere = 0;
        bool here = false, listed = false;
        for (uint32_t i = 0; i < uc->count; i++) {
            const struct storage *storage = dn_storage(&core->datanodes, uc->replicas[i].storage);
            if (!storage) continue;
            here = here || storage->datanode == node;
            listed = listed || (storage->datanode == node &&
                                roaring_bitmap_contains(storage->blocks, uc->reference));
            elsewhere += storage->datanode->alive && storage->datanode->admin_state == DN_NORMAL;
        }
        if (!here || listed || elsewhere >= MAX(core->conf.replication_min, 1u)) continue;
        walk->low++;
        walk->in_open_files++;
    }
}

int64_t dn_admin_seconds_left(const struct core *core, const struct datanode *node)
{
    uint32_t first = node->leaving_low_first, low = node->leaving_low_redundancy;
    int64_t spent_ms = core->now_ms - node->leaving_first_ms;

    if (!is_leaving(node) || !node->leaving_checked) return -1;
    if (!low) return 0;
    return first > low && spent_ms > 0 ? spent_ms * low / (first - low) / SECOND_MS : -1;
}

static void end_walk(struct core *core, struct dn_walk *walk)
{
    struct datanode *node = walk->node;

    walk->node = NULL;
    if (!is_leaving(node)) return;
    count_being_written(core, node, walk);
    if (!node->leaving_checked || walk->low > node->leaving_low_first) {
        node->leaving_low_first = walk->low;
        node->leaving_first_ms = core->now_ms;
    }
    node->leaving_low_redundancy = walk->low;
    node->leaving_out_of_service_only = walk->out_of_service_only;
    node->leaving_in_open_files = walk->in_open_files;
    node->walk_ms = core->now_ms + core->conf.decommission_interval_ms;
    node->walk_wanted = true;
    bool done = walk->low == 0 && node->leaving_checked && (has_reported(node) || !node->alive);
    node->leaving_checked = true;
    if (!done) {
        log_debug("%s is on its way out: %u blocks lack replicas elsewhere", dn_name(node),
                  walk->low);
        if (!walk->low) node->walk_ms = core->now_ms; /* a second look confirms it */
        return;
    }
    set_state(core, node,
              node->admin_state == DN_DECOMMISSIONING ? DN_DECOMMISSIONED : DN_IN_MAINTENANCE);
    log_info(node->admin_state == DN_DECOMMISSIONED ? "Decommissioning complete for node %s"
                                                    : "Node %s has entered maintenance mode.",
             dn_name(node));
}

static struct storage *next_storage(const struct dn_walk *walk)
{
    struct storage *storage, *next = NULL;

    LIST_FOREACH (storage, &walk->node->storages, of_datanode)
        if (storage->number > walk->storage && (!next || storage->number < next->number))
            next = storage;
    return next;
}

static void begin_walk(struct core *core, struct datanode *node)
{
    struct dn_walk *walk = &core->manager->walk;

    *walk = (struct dn_walk){.node = node};
    node->walk_wanted = false;
}

bool dn_admin_slice(struct core *core, uint32_t budget)
{
    struct dn_walk *walk = &core->manager->walk;
    uint32_t batch[256];

    while (walk->node && budget) {
        struct storage *storage = dn_storage(&core->datanodes, walk->storage);
        roaring_uint32_iterator_t it;
        uint32_t taken = 0;

        if (storage && storage->datanode == walk->node) {
            roaring_init_iterator(storage->blocks, &it);
            if (roaring_move_uint32_iterator_equalorlarger(&it, walk->next))
                taken = roaring_read_uint32_iterator(&it, batch,
                                                     MIN(budget, (uint32_t)ARRAY_LEN(batch)));
        }
        for (uint32_t i = 0; i < taken; i++) look_at(core, walk, block_at(core->blocks, batch[i]));
        if (taken) {
            walk->next = batch[taken - 1] + 1;
            budget -= taken;
            continue;
        }
        storage = next_storage(walk);
        if (storage) {
            walk->storage = storage->number;
            walk->next = 0;
        } else {
            end_walk(core, walk);
        }
    }
    return walk->node != NULL;
}

void dn_admin_forget(struct core *core, const struct datanode *node)
{
    if (core->manager->walk.node == node) core->manager->walk.node = NULL;
}

void dn_admin_tick(struct core *core)
{
    struct datanode *node, *next;

    if (!core->manager->populating) return;
    HASH_ITER (hh, core->datanodes.by_uuid, node, next) {
        if (dn_is_maintenance(node) && node->maintenance_expires_wall_ms &&
            core->now_wall_ms > node->maintenance_expires_wall_ms) {
            log_info("The maintenance of %s has expired", dn_name(node));
            dn_admin_stop(core, node);
        }
        if (core->manager->walk.node) continue;
        if (node->walk_wanted && core->now_ms >= node->walk_ms) begin_walk(core, node);
    }
}
