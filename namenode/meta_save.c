#include "namenode/meta_save.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/units.h"
#include "namenode/block_manager.h"
#include "namenode/redundancy.h"
#include "namenode/topology.h"

const char *block_print(const struct block *block, char text[64])
{
    snprintf(text, 64, "blk_%" PRId64 "_%" PRIu64, (int64_t)block->id,
             (uint64_t)block->generation_stamp);
    return text;
}

static const char *storage_note(const struct core *core, const struct block *block,
                                const struct storage *storage)
{
    const struct datanode *node = storage->datanode;

    if (replica_corrupt(core, block, storage->number)) return "(corrupt)";
    if (node->admin_state == DN_DECOMMISSIONED || node->admin_state == DN_DECOMMISSIONING)
        return "(decommissioned)";
    return dn_is_maintenance(node) ? "(maintenance)" : "";
}

static void put_block(const struct core *core, const struct block *block, struct buf *out)
{
    struct arena arena = {0};
    struct replica_numbers n;
    char name[64];
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);
    const char *path =
        block->inode ? tree_path_of(&core->tree, inode_at(core->tree.inodes, block->inode), &arena)
                     : NULL;

    replicas_count(core, block, &n);
    uint32_t leaving = (uint32_t)n.of[KIND_DECOMMISSIONED] + n.of[KIND_DECOMMISSIONING];
    buf_printf(out,
               "%s: %s%s (replicas: live: %u decommissioning and decommissioned: %u corrupt: %u in "
               "excess: %u maintenance mode: %u) ",
               path ? path : "[orphaned]", block_print(block, name),
               n.of[KIND_LIVE] + leaving ? "" : " MISSING", n.of[KIND_LIVE], leaving,
               n.of[KIND_CORRUPT], n.of[KIND_EXCESS], replicas_maintenance(&n));
    for (size_t i = 0; i < count; i++) {
        const struct storage *storage = dn_storage(&core->datanodes, list[i]);
        buf_printf(out, " %s%s%s : ", dn_name(storage->datanode),
                   storage_note(core, block, storage),
                   storage->stale ? " (block deletions maybe out of date)" : "");
    }
    buf_put_str(out, "\n");
    arena_release(&arena);
}

struct bitmap_walk {
    const struct core *core;
    struct buf *out;
};

static bool put_reference(uint32_t reference, void *arg)
{
    struct bitmap_walk *walk = arg;

    put_block(walk->core, block_at(walk->core->blocks, reference), walk->out);
    return true;
}

static void put_bitmap(const struct core *core, const roaring_bitmap_t *bitmap, struct buf *out)
{
    struct bitmap_walk walk = {.core = core, .out = out};

    roaring_iterate(bitmap, put_reference, &walk);
}

static void put_pending(const struct core *core, struct buf *out)
{
    const struct pending_block *entry;
    char name[64], time[UNITS_TEXT_MAX];

    buf_printf(out, "Metasave: Blocks being reconstructed: %u\n",
               HASH_COUNT(core->manager->pending));
    TAILQ_FOREACH (entry, &core->manager->pending_by_age, by_age) {
        int64_t since_ms = core->now_wall_ms - (core->now_ms - entry->since_ms);
        buf_printf(out, "%s StartTime: %s NumReconstructInProgress: %u\n",
                   block_print(block_at(core->blocks, entry->reference), name),
                   date_text(since_ms, DATE_SECONDS, false, time) + strlen("yyyy-mm-dd "),
                   entry->count);
    }
}

static uint64_t deletions_of(const struct datanode *node)
{
    const struct storage *storage;
    uint64_t count = 0;

    LIST_FOREACH (storage, &node->storages, of_datanode) count += storage->deletion_count;
    return count;
}

static void put_deletions(const struct core *core, struct buf *out)
{
    struct datanode *node, *next;
    const struct storage *storage;
    uint64_t total = 0;
    uint32_t nodes = 0;

    HASH_ITER (hh, core->datanodes.by_uuid, node, next) {
        nodes += deletions_of(node) > 0;
        total += deletions_of(node);
    }
    buf_printf(out, "Metasave: Blocks %" PRIu64 " waiting deletion from %u datanodes.\n", total,
               nodes);
    HASH_ITER (hh, core->datanodes.by_uuid, node, next) {
        if (!deletions_of(node)) continue;
        buf_put_str(out, dn_name(node));
        LIST_FOREACH (storage, &node->storages, of_datanode)
            for (uint32_t i = 0; i < storage->deletion_count; i++) {
                const struct block_id *id = &storage->deletions[storage->deletion_first + i];
                buf_printf(out, " blk_%" PRId64 "_%" PRIu64, (int64_t)id->id, id->generation_stamp);
            }
        buf_put_str(out, "\n");
    }
}

static void put_corrupt(const struct core *core, struct buf *out)
{
    static const char *const reasons[] = {"NONE",          "ANY",           "GENSTAMP_MISMATCH",
                                          "SIZE_MISMATCH", "INVALID_STATE", "CORRUPTION_REPORTED"};
    const struct corrupt_block *entry;
    char name[64];

    buf_put_str(out, "Corrupt Blocks:\n");
    for (entry = core->manager->corrupt; entry; entry = entry->hh.next) {
        const struct block *block = block_at(core->blocks, entry->reference);
        for (uint32_t i = 0; i < entry->count; i++) {
            const struct storage *storage =
                dn_storage(&core->datanodes, entry->replicas[i].storage);
            buf_printf(out,
                       "Block=%s\tSize=%" PRIu64
                       "\tNode=%s\tStorageID=%s\tStorageState=%s\tTotalReplicas=%u\tReason=%s\n",
                       block_print(block, name), (uint64_t)block->length,
                       dn_name(storage->datanode), storage->uuid,
                       storage->failed             ? "FAILED"
                       : storage->read_only_shared ? "READ_ONLY_SHARED"
                                                   : "NORMAL",
                       (unsigned)block->replica_count, reasons[entry->replicas[i].reason]);
        }
    }
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void put_bytes(struct buf *out, uint64_t bytes)
{
    char text[UNITS_TEXT_MAX];

    buf_printf(out, " %" PRIu64 "(%s)", bytes,
               units_bytes((int64_t)MIN(bytes, (uint64_t)INT64_MAX), text));
}

static void put_node(const struct datanode *node, struct buf *out)
{
    static const char *const states[] = {"IN", "DP", "DD", "EM", "IM"};
    uint64_t capacity = dn_capacity(node), used = dn_used(node);
    char text[UNITS_TEXT_MAX];

    buf_put_str(out, dn_name(node));
    if (!str_eq(node->location, TOPOLOGY_DEFAULT_RACK)) buf_printf(out, " %s", node->location);
    if (node->upgrade_domain) buf_printf(out, " %s", node->upgrade_domain);
    buf_printf(out, " %s", states[node->admin_state]);
    put_bytes(out, capacity);
    put_bytes(out, used);
    buf_printf(out, " %s", units_percent(share(used, capacity), 2, text));
    put_bytes(out, dn_remaining(node));
    put_bytes(out, node->cache_capacity);
    put_bytes(out, node->cache_used);
    buf_printf(out, " %s", units_percent(share(node->cache_used, node->cache_capacity), 2, text));
    put_bytes(out, node->cache_capacity - MIN(node->cache_used, node->cache_capacity));
    buf_printf(out, " %s", date_text(node->heartbeat_wall_ms, DATE_JAVA, false, text));
    if (node->work.transfer_count)
        buf_printf(out, " %u blocks to be replicated;", node->work.transfer_count);
    if (deletions_of(node))
        buf_printf(out, " %" PRIu64 " blocks to be invalidated;", deletions_of(node));
    if (node->work.recovery_count)
        buf_printf(out, " %u blocks to be recovered;", node->work.recovery_count);
    buf_put_str(out, "\n");
}

static int by_uuid(const void *a, const void *b)
{
    return strcmp((*(struct datanode *const *)a)->uuid, (*(struct datanode *const *)b)->uuid);
}

static void put_nodes(const struct core *core, struct buf *out)
{
    uint32_t count = dn_count(&core->datanodes), n = 0;
    struct datanode **sorted = NEW_ARRAY(struct datanode *, count + 1), *node, *next;

    HASH_ITER (hh, core->datanodes.by_uuid, node, next) sorted[n++] = node;
    qsort(sorted, n, sizeof *sorted, by_uuid);
    buf_printf(out, "Metasave: Number of datanodes: %u\n", n);
    for (uint32_t i = 0; i < n; i++) put_node(sorted[i], out);
    mem_free(sorted);
}

void meta_save_write(const struct core *core, struct buf *out)
{
    uint64_t inodes = inode_count(core->tree.inodes), blocks = block_map_count(core->blocks);

    buf_printf(out,
               "%" PRIu64 " files and directories, %" PRIu64 " blocks = %" PRIu64
               " total filesystem objects\n",
               inodes, blocks, inodes + blocks);
    buf_printf(out, "Live Datanodes: %u\nDead Datanodes: %u\n", dn_live_count(core),
               dn_count(&core->datanodes) - dn_live_count(core));
    buf_printf(out, "Metasave: Blocks waiting for reconstruction: %" PRIu64 "\n",
               redundancy_low_count(core));
    for (int level = 0; level < REDUNDANCY_CORRUPT; level++)
        put_bitmap(core, core->manager->queues[level], out);
    buf_printf(out, "Metasave: Blocks currently missing: %" PRIu64 "\n",
               redundancy_queue_size(core, REDUNDANCY_CORRUPT));
    put_bitmap(core, core->manager->queues[REDUNDANCY_CORRUPT], out);
    buf_put_str(out, "Mis-replicated blocks that have been postponed:\n");
    put_bitmap(core, core->manager->postponed, out);
    put_pending(core, out);
    put_deletions(core, out);
    put_corrupt(core, out);
    put_nodes(core, out);
}
