/*
 * Random clusters against the truth. Model datanodes keep what is really on their disks; files are written, appended to, deleted; nodes stop, come back with or
 * without what was reported, lose disks, rot; incremental reports get lost with a restart, full reports come at any time. After each step the
 * namenode's tables must agree; no order of its may take the last good replica of a block; left alone, everything heals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "namenode/block_manager.h"
#include "namenode/monitor.h"
#include "namenode/redundancy.h"
#include "namenode/topology.h"
#include "tests/lib/block_fixture.h"

enum {
    NODES = 7,
    DISKS = 2,
    FILES = 40,
    STEPS = 1500,
    SEEDS = 12,
    REPLICAS = 400,
    RECEIVING = 1,
    RECEIVED = 2,
    DELETED = 3
};

struct replica {
    uint64_t id, stamp, length;
    bool rotten;
};

struct disk {
    struct replica replicas[REPLICAS];
    int count;
};

static struct fixture f;
static struct disk disks[NODES][DISKS];
static bool up[NODES];
static struct block *files[FILES]; /* NULL: not there */
static uint64_t last_stamp;
static int orders_obeyed;

static uint32_t pick(uint32_t below)
{
    return (uint32_t)(core_random(&f.core) % below);
}

static const char *ip_of(int n)
{
    static char text[4][32];
    static int next;
    char *out = text[next++ % 4];

    snprintf(out, 32, "10.0.%d.%d", n % 3, n + 1);
    return out;
}

static struct datanode *node_of(int n)
{
    char uuid[64];

    snprintf(uuid, sizeof uuid, "uuid-%s", ip_of(n));
    return dn_find(&f.core.datanodes, uuid);
}

static int number_of(const struct datanode *node)
{
    for (int n = 0; n < NODES; n++)
        if (str_eq(node->ip, ip_of(n))) return n;
    abort();
}

static int disk_of(const struct storage *storage)
{
    return storage->uuid[strlen(storage->uuid) - 1] - '0';
}

static struct replica *find_on(struct disk *disk, uint64_t id)
{
    for (int i = 0; i < disk->count; i++)
        if (disk->replicas[i].id == id) return &disk->replicas[i];
    return NULL;
}

static void put_on(int n, int d, uint64_t id, uint64_t stamp, uint64_t length)
{
    for (int other = 0; other < DISKS; other++) { /* one replica of a block on a node */
        struct replica *old = find_on(&disks[n][other], id);
        if (old) *old = disks[n][other].replicas[--disks[n][other].count];
    }
    assert_true(disks[n][d].count < REPLICAS);
    disks[n][d].replicas[disks[n][d].count++] =
        (struct replica){.id = id, .stamp = stamp, .length = length};
}

/* ---- the truth about a block ---- */

static int good_copies(const struct block *block)
{
    int good = 0;

    for (int n = 0; n < NODES; n++)
        for (int d = 0; d < DISKS; d++) {
            const struct replica *r = find_on(&disks[n][d], block->id);
            good += r && r->stamp == block->generation_stamp && r->length == block->length &&
                    !r->rotten;
        }
    return good;
}

static void describe(const struct block *block)
{
    fprintf(stderr, "block %" PRIu64 " stamp %" PRIu64 " length %" PRIu64 " state %u wants %u\n",
            (uint64_t)block->id, (uint64_t)block->generation_stamp, (uint64_t)block->length,
            (unsigned)block->state, (unsigned)block->replication);
    for (int n = 0; n < NODES; n++)
        for (int d = 0; d < DISKS; d++) {
            const struct replica *r = find_on(&disks[n][d], block->id);
            struct storage *storage = fixture_storage(node_of(n), d);
            bool listed = block_has_storage(f.core.blocks, block, storage->number);
            if (!r && !listed) continue;
            fprintf(stderr, "  node %d disk %d %s%s:", n, d, up[n] ? "up" : "down",
                    storage->stale ? " stale" : "");
            if (r)
                fprintf(stderr, " has stamp %" PRIu64 " length %" PRIu64 "%s", r->stamp, r->length,
                        r->rotten ? " rotten" : "");
            if (listed)
                fprintf(stderr, " listed as kind %d", replica_kind(&f.core, block, storage));
            fprintf(stderr, " deletions %u\n", storage->deletion_count);
        }
}

static bool is_good(const struct block *block, const struct replica *r)
{
    return r->stamp == block->generation_stamp && r->length == block->length && !r->rotten;
}

/* ---- datanodes ---- */

static void report(int n, int d)
{
    struct storage *storage = fixture_storage(node_of(n), d);
    static struct block fakes[REPLICAS], *list[REPLICAS];
    struct err err = ERR_INIT;

    for (int i = 0; i < disks[n][d].count; i++) {
        fakes[i] = (struct block){.id = disks[n][d].replicas[i].id,
                                  .generation_stamp = disks[n][d].replicas[i].stamp,
                                  .length = disks[n][d].replicas[i].length};
        list[i] = &fakes[i];
    }
    assert_int_equal(fixture_full_report(&f, storage, list, (size_t)disks[n][d].count, &err), 0);
}

static void join(int n)
{
    struct err err = ERR_INIT;
    struct datanode *node = node_of(n);

    topology_learn(f.core.datanodes.topology, ip_of(n),
                   n % 3 == 0   ? "/a"
                   : n % 3 == 1 ? "/b"
                                : "/c");
    if (!node) {
        char uuid[64];
        snprintf(uuid, sizeof uuid, "uuid-%s", ip_of(n));
        assert_int_equal(fixture_register(&f, ip_of(n), uuid, &err), 0);
        node = node_of(n);
        for (int d = 0; d < DISKS; d++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%d", ip_of(n), d);
            dn_add_storage(&f.core.datanodes, node, name, STORAGE_DISK)->remaining = (uint64_t)1
                                                                                     << 39;
        }
    } else {
        assert_int_equal(fixture_register(&f, ip_of(n), node->uuid, &err), 0);
    }
    up[n] = true;
    assert_non_null(fixture_heartbeat(&f, node));
}

static void obey_delete(int n, const Pb__Block *order)
{
    struct datanode *node = node_of(n);

    for (int d = 0; d < DISKS; d++) {
        struct replica *r = find_on(&disks[n][d], order->blockid);
        if (!r || r->stamp != order->genstamp) continue;
        struct block *block = block_find(f.core.blocks, r->id);
        if (block && block_is_complete(block) && is_good(block, r) && good_copies(block) < 2) {
            describe(block);
            fail_msg("the last good replica was to be deleted");
        }
        *r = disks[n][d].replicas[--disks[n][d].count];
        if (pick(10))
            fixture_told(&f, fixture_storage(node, d), order->blockid, order->genstamp,
                         order->numbytes, DELETED, NULL);
    }
}

static void obey_transfer(int n, const Pb__BlockCommand *command, size_t at)
{
    const Pb__Block *order = command->blocks[at];
    const struct replica *source = NULL;

    for (int d = 0; d < DISKS && !source; d++) source = find_on(&disks[n][d], order->blockid);
    if (!source || source->stamp != order->genstamp) return;
    if (source->rotten) { /* the source checks what it sends, and says so */
        struct block *block = block_find(f.core.blocks, order->blockid);
        struct block_id id = {
            .id = order->blockid, .generation_stamp = order->genstamp, .length = order->numbytes};
        for (int d = 0; block && d < DISKS; d++) {
            struct storage *storage = fixture_storage(node_of(n), d);
            if (block_has_storage(f.core.blocks, block, storage->number))
                replica_mark_corrupt(&f.core, block, storage, &id, CORRUPT_REPORTED);
        }
        return;
    }
    struct replica copy = *source;
    for (size_t t = 0; t < command->targetstorageuuids[at]->n_storageuuids; t++) {
        struct datanode *target =
            dn_find(&f.core.datanodes, command->targets[at]->datanodes[t]->id->datanodeuuid);
        struct storage *storage =
            dn_find_storage(target, command->targetstorageuuids[at]->storageuuids[t]);
        int to = number_of(target);
        if (!up[to] || pick(8) == 0) continue; /* copies fail */
        put_on(to, disk_of(storage), copy.id, copy.stamp, copy.length);
        if (pick(10)) fixture_told(&f, storage, copy.id, copy.stamp, copy.length, RECEIVED, NULL);
    }
}

static void heartbeat(int n)
{
    Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, node_of(n));

    assert_non_null(answer);
    for (size_t i = 0; i < answer->n_cmds; i++) {
        if (answer->cmds[i]->cmdtype == PB__DATANODE_COMMAND__TYPE__RegisterCommand) {
            join(n);
            for (int d = 0; d < DISKS; d++) report(n, d);
            continue;
        }
        const Pb__BlockCommand *command = answer->cmds[i]->blkcmd;
        for (size_t k = 0; command && k < command->n_blocks; k++, orders_obeyed++) {
            if (command->action == PB__BLOCK_COMMAND__ACTION__TRANSFER)
                obey_transfer(n, command, k);
            else
                obey_delete(n, command->blocks[k]);
        }
    }
}

/* ---- files ---- */

/* A pipeline writes the block: the nodes that are up get it, some lose the connection before the end, some reports get lost. */
static void write_block(struct block *block, struct storage *const *storages, size_t count,
                        uint64_t length)
{
    struct block_id final = {
        .id = block->id, .generation_stamp = block->generation_stamp, .length = length};
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        int n = number_of(storages[i]->datanode);
        bool last_chance = done == 0 && i + 1 == count;
        if (!up[n]) continue;
        if (pick(6) == 0 &&
            !last_chance) { /* left behind with something shorter, and later with an older stamp */
            put_on(n, disk_of(storages[i]), block->id, block->generation_stamp, length / 2);
            continue;
        }
        put_on(n, disk_of(storages[i]), block->id, block->generation_stamp, length);
        done++;
        if (pick(10))
            fixture_told(&f, storages[i], block->id, block->generation_stamp, length, RECEIVED,
                         NULL);
    }
    if (!done) {
        blocks_remove(&f.core, inode_drop_last_block(inode_at(f.core.tree.inodes, block->inode)));
        return;
    }
    if (!blocks_commit(&f.core, block, &final)) blocks_force_complete(&f.core, block);
}

static void create(int i)
{
    struct storage *targets[8];
    uint16_t replication = (uint16_t)(1 + pick(4));
    struct block *block = fixture_open_block(&f, replication, NULL, 0);
    size_t count = 0;

    for (int tries = 0; tries < 50 && count < replication; tries++) {
        int n = (int)pick(NODES);
        struct storage *storage =
            up[n] && node_of(n)->alive ? fixture_storage(node_of(n), (int)pick(DISKS)) : NULL;
        for (size_t k = 0; storage && k < count; k++)
            if (targets[k]->datanode == storage->datanode) storage = NULL;
        if (storage) targets[count++] = storage;
    }
    uint64_t id = block->id;
    blocks_set_expected(&f.core, block, targets, count);
    write_block(block, targets, count, 1 + pick(5000));
    files[i] = block_find(f.core.blocks, id);
}

/* Append: a new stamp; whoever does not take part keeps the old one. */
static void append(struct block *block)
{
    struct storage *targets[64];
    struct block_id newer = block_name(block);
    size_t count = blocks_live(&f.core, block, targets, ARRAY_LEN(targets)), usable = 0;

    for (size_t i = 0; i < count; i++) {
        int n = number_of(targets[i]->datanode);
        struct replica *r = find_on(&disks[n][disk_of(targets[i])], block->id);
        if (up[n] && r && is_good(block, r) && (usable == 0 || pick(3)))
            targets[usable++] = targets[i];
    }
    if (!usable) return;
    uint64_t length = block->length + 1 + pick(1000);
    blocks_reopen(&f.core, block);
    newer.generation_stamp = f.core.generation_stamp = ++last_stamp;
    blocks_update(&f.core, block, &newer);
    blocks_set_expected(&f.core, block, targets, usable);
    uint64_t id = block->id;
    write_block(block, targets, usable, length);
    for (int i = 0; i < FILES; i++)
        if (files[i] == block) files[i] = block_find(f.core.blocks, id);
}

static void remove_file(int i)
{
    blocks_remove(&f.core, inode_drop_last_block(inode_at(f.core.tree.inodes, files[i]->inode)));
    files[i] = NULL;
}

/* ---- mishaps: never so many that a block loses its last good replica by them alone ---- */

static bool may_lose(int n, int d)
{
    for (int i = 0; i < disks[n][d].count; i++) {
        const struct replica *r = &disks[n][d].replicas[i];
        const struct block *block = block_find(f.core.blocks, r->id);
        if (block && is_good(block, r) && good_copies(block) < 2) return false;
    }
    return true;
}

static void mishap(void)
{
    int n = (int)pick(NODES), d = (int)pick(DISKS), down = 0;

    for (int i = 0; i < NODES; i++) down += !up[i];
    switch (pick(5)) {
    case 0: /* stops */
        if (down < 2) up[n] = false;
        return;
    case 1: /* restarts at once: reports not sent yet are lost, orders too */
        if (!up[n]) return;
        fixture_heartbeat(&f, node_of(n));
        join(n);
        return;
    case 2: /* a replica rots */
        for (int i = 0; i < disks[n][d].count; i++) {
            struct replica *r = &disks[n][d].replicas[pick((uint32_t)disks[n][d].count)];
            struct block *block = block_find(f.core.blocks, r->id);
            if (!up[n] || !block || !is_good(block, r) || good_copies(block) < 2 ||
                !block_is_complete(block))
                continue;
            struct storage *storage = fixture_storage(node_of(n), d);
            struct block_id id = block_name(block);
            if (!block_has_storage(f.core.blocks, block, storage->number)) continue;
            r->rotten = true;
            replica_mark_corrupt(&f.core, block, storage, &id, CORRUPT_REPORTED);
            return;
        }
        return;
    case 3: /* a disk comes back empty */
        if (!up[n] || !may_lose(n, d)) return;
        disks[n][d].count = 0;
        join(n);
        report(n, d);
        return;
    default: /* comes back */
        if (up[n]) return;
        join(n);
        if (pick(2)) report(n, d);
    }
}

static void step(void)
{
    int i = (int)pick(FILES), n = (int)pick(NODES);

    switch (pick(12)) {
    case 0:
    case 1:
        if (!files[i]) create(i);
        break;
    case 2:
        if (files[i]) remove_file(i);
        break;
    case 3:
        if (files[i] && block_is_complete(files[i])) append(files[i]);
        break;
    case 4:
        if (files[i])
            blocks_set_replication(&f.core, inode_at(f.core.tree.inodes, files[i]->inode),
                                   (uint16_t)(1 + pick(5)));
        break;
    case 5: mishap(); break;
    case 6:
        if (up[n] && node_of(n)->alive) report(n, (int)pick(DISKS));
        break;
    case 7: fixture_pass(&f, (int64_t)(1 + pick(40)) * SECOND_MS, false); break;
    default:
        for (n = 0; n < NODES; n++)
            if (up[n]) heartbeat(n);
    }
}

/* Left alone with all nodes up: everybody reports, copies are made, surplus goes. */
static void heal(void)
{
    for (int n = 0; n < NODES; n++)
        if (!up[n]) join(n);
    for (int round = 0; round < 60; round++) {
        for (int n = 0; n < NODES; n++) {
            heartbeat(n);
            if (round % 10 == 0)
                for (int d = 0; d < DISKS; d++) report(n, d);
        }
        fixture_pass(&f, 20 * SECOND_MS, true);
        for (int i = 0; i < FILES; i++) { /* rot is found by the scanner */
            for (int n = 0; files[i] && n < NODES; n++)
                for (int d = 0; d < DISKS; d++) {
                    struct replica *r = find_on(&disks[n][d], files[i]->id);
                    struct storage *storage = fixture_storage(node_of(n), d);
                    struct block_id id = block_name(files[i]);
                    if (r && r->rotten && r->stamp == id.generation_stamp &&
                        block_has_storage(f.core.blocks, files[i], storage->number) &&
                        !replica_corrupt(&f.core, files[i], storage->number))
                        replica_mark_corrupt(&f.core, files[i], storage, &id, CORRUPT_REPORTED);
                }
        }
    }
}

static void check_healed(uint64_t seed)
{
    int replicas = 0, wanted = 0;

    for (int i = 0; i < FILES; i++) {
        if (!files[i]) continue;
        struct replica_numbers numbers;
        replicas_count(&f.core, files[i], &numbers);
        if (good_copies(files[i]) == 0)
            fail_msg("seed %" PRIu64 ": file %d has lost its block %" PRIu64, seed, i,
                     (uint64_t)files[i]->id);
        if (numbers.of[KIND_LIVE] != files[i]->replication ||
            files[i]->replica_count != files[i]->replication ||
            good_copies(files[i]) != (int)files[i]->replication)
            fail_msg("seed %" PRIu64 ": block %" PRIu64
                     " wants %u replicas, has %u live of %u listed, %d good on disk",
                     seed, (uint64_t)files[i]->id, (unsigned)files[i]->replication,
                     numbers.of[KIND_LIVE], (unsigned)files[i]->replica_count,
                     good_copies(files[i]));
        wanted += (int)files[i]->replication;
    }
    for (int n = 0; n < NODES; n++)
        for (int d = 0; d < DISKS; d++) replicas += disks[n][d].count;
    if (replicas != wanted)
        fail_msg("seed %" PRIu64 ": %d replicas on disks, %d wanted", seed, replicas, wanted);
    assert_int_equal(redundancy_low_count(&f.core), 0);
    assert_int_equal(HASH_COUNT(f.core.manager->corrupt), 0);
}

static void run_seed(uint64_t seed)
{
    fixture_init(&f);
    f.core.random = seed;
    f.core.conf.pending_timeout_ms = 30 * SECOND_MS;
    f.core.conf.heartbeat_recheck_ms = 20 * SECOND_MS; /* dead after 70 s */
    last_stamp = f.core.generation_stamp;
    memset(disks, 0, sizeof disks);
    memset(files, 0, sizeof files);
    for (int n = 0; n < NODES; n++) {
        join(n);
        for (int d = 0; d < DISKS; d++) report(n, d);
    }
    for (int i = 0; i < STEPS; i++) {
        step();
        fixture_check(&f);
    }
    heal();
    fixture_check(&f);
    check_healed(seed);
    fixture_release(&f);
}

static void test_random_clusters(void **state)
{
    const char *only = getenv("SEED");
    (void)state;

    if (only) {
        run_seed(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) run_seed(seed);
    assert_true(orders_obeyed > 1000); /* it was a busy life */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_clusters)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
