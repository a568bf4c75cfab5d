#include "tests/sim/sim.h"

#include "common/buf.h"
#include "namenode/block_manager.h"
#include "namenode/redundancy.h"
#include "namenode/safemode.h"
#include "tests/lib/name_dir.h"

void check_running(void)
{
    if (!nn_is_up()) return;
    for (uint32_t i = 0; i < sim.client_count; i++) model_check(&clients[i]);
}

/* The length of an open file's last block is no edit: it is left out. */
static size_t comparable(const char *line)
{
    size_t length = strcspn(line, "\n");
    const char *open = memmem(line, length, "; open by", 9);

    if (!open) return length;
    while (open > line && *open != '+') open--;
    return (size_t)(open - line);
}

static void fail_at_difference(const char *a, const char *b)
{
    while (*a && *b) {
        size_t la = comparable(a), lb = comparable(b);
        if (la != lb || memcmp(a, b, la))
            sim_fail("running %.*s --- but reloaded %.*s", (int)la, a, (int)lb, b);
        a += strcspn(a, "\n") + 1;
        b += strcspn(b, "\n") + 1;
    }
    sim_require(!*a && !*b, "the reloaded tree %s: %s", *a ? "lacks" : "has too much", *a ? a : b);
}

void check_replay(void)
{
    struct buf running = {0}, loaded = {0};

    nn_settle();
    if (!nn_is_up()) return;
    struct core *core = nn_reload();
    core_dump(nn_core(), &running);
    core_dump(core, &loaded);
    fail_at_difference((const char *)running.data, (const char *)loaded.data);
    nn_reload_free(core);
    buf_release(&running);
    buf_release(&loaded);
    sim.counts.replays++;
}

/* ---- after the faults ---- */

static uint32_t wanted(const struct block *block)
{
    return MIN((uint32_t)block->replication, sim.datanode_count);
}

/* What keeps the cluster from being whole; NULL: nothing. */
static const char *what_lacks(void)
{
    static char text[200];
    struct core *core = nn_core();

    if (!nn_is_up()) return "the namenode is down";
    if (safemode_is_on(core)) return "safe mode is on";
    if (lease_file_count(core->leases)) {
        snprintf(text, sizeof text, "%" PRIu64 " files are open, of %" PRIu64 " clients",
                 lease_file_count(core->leases), lease_count(core->leases));
        return text;
    }
    if (core->manager->pending) return "copies are pending";
    if (core->manager->uc) return "blocks are under construction";
    if (core->manager->excess_count) return "replicas are too many";
    if (core->tree.detached_count) return "deleted inodes are left";
    if (redundancy_low_count(core) || redundancy_queue_size(core, REDUNDANCY_CORRUPT)) {
        snprintf(text, sizeof text, "%" PRIu64 " blocks lack something, %" PRIu64 " are corrupt",
                 redundancy_low_count(core), redundancy_queue_size(core, REDUNDANCY_CORRUPT));
        return text;
    }
    for (uint32_t i = 1; i < block_reference_end(core->blocks); i++) {
        const struct block *block = block_at_or_null(core->blocks, i);
        if (!block || !block->live) continue;
        uint32_t good = good_replicas(block->id, block->generation_stamp, block->length, true);
        if (good == wanted(block) && block->replica_count == good) continue;
        snprintf(text, sizeof text,
                 "blk_%" PRIu64 "_%" PRIu64
                 " of %u wanted has %u good replicas, %u known, %u corrupt",
                 block->id, (uint64_t)block->generation_stamp, wanted(block), good,
                 (unsigned)block->replica_count, (unsigned)block->corrupt_count);
        return text;
    }
    for (uint32_t i = 0; i < sim.datanode_count; i++) {
        struct replica *replica, *next;
        HASH_ITER (hh, datanodes[i].replicas, replica, next) {
            const struct block *block = block_find(core->blocks, replica->id);
            if (block && replica->stamp == block->generation_stamp && !replica->corrupt &&
                replica->state == REPLICA_FINALIZED)
                continue;
            snprintf(text, sizeof text, "%s keeps blk_%" PRIu64 "_%" PRIu64 " of %s, state %d%s",
                     datanodes[i].peer.ip, replica->id, replica->stamp,
                     block ? "a block with another stamp" : "no block", (int)replica->state,
                     replica->corrupt ? ", corrupt" : "");
            return text;
        }
    }
    return NULL;
}

bool is_healed(void)
{
    static int64_t next_ms;

    if (sim.now_ms < next_ms && next_ms - sim.now_ms < 10001) return false;
    next_ms = sim.now_ms + 10000;
    return !what_lacks();
}

void check_healed(void)
{
    const char *lacks = what_lacks();

    sim_require(!lacks, "the cluster does not heal: %s", lacks);
    check_running();
    check_replay();
}
