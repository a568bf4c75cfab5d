/* What goes wrong, and when. Nothing is broken that nobody could mend: of each block two sound replicas more than the lost one exist. */
#include "tests/sim/sim.h"

#include "common/clock.h"
#include "namenode/block_manager.h"

enum { BREAK_MS = 60000 };

static void on_start(void *arg, uint64_t incarnation)
{
    struct sim_datanode *dn = arg;

    if (dn->incarnation == incarnation) dn_start(dn);
}

static void on_join(void *arg, uint64_t token UNUSED)
{
    ((struct sim_datanode *)arg)->peer.cut = false;
}

static void on_empty(void *arg, uint64_t token UNUSED)
{
    ((struct sim_datanode *)arg)->full = false;
}

static struct sim_datanode *some_datanode(void)
{
    return &datanodes[chance(sim.datanode_count)];
}

static int64_t some_time(void)
{
    return once_in(3) ? between(60000, 900000) : between(100, 60000);
}

static void crash_node(struct sim_datanode *dn)
{
    if (!dn->up) return;
    dn_crash(dn);
    sim_at(some_time(), on_start, dn, dn->incarnation);
}

static void crash_rack(void)
{
    const char *rack = some_datanode()->rack;

    for (uint32_t i = 0; i < sim.datanode_count; i++)
        if (str_eq(datanodes[i].rack, rack)) crash_node(&datanodes[i]);
}

static void cut_off(struct sim_datanode *dn)
{
    sim.counts.partitions++;
    dn->peer.cut = true;
    sim_at(some_time(), on_join, dn, 0);
}

/* What was lost has been made good since the last time, and orders to delete have been carried out. */
static bool may_break(void)
{
    static int64_t next_ms;

    if (sim.now_ms < next_ms) return false;
    next_ms = sim.now_ms + BREAK_MS;
    return true;
}

static void corrupt_something(struct sim_datanode *dn)
{
    struct replica *replica, *next;
    uint32_t count = HASH_COUNT(dn->replicas), at = count ? (uint32_t)chance(count) : 0;

    HASH_ITER (hh, dn->replicas, replica, next) {
        if (at-- > 0) continue;
        if (!replica->corrupt && may_lose(dn, replica) && may_break()) {
            replica->corrupt = true;
            sim.counts.corrupted++;
        }
        return;
    }
}

static void lose_disk(struct sim_datanode *dn)
{
    struct replica *replica, *next;

    HASH_ITER (hh, dn->replicas, replica, next)
        if (!may_lose(dn, replica)) return;
    if (!may_break()) return;
    dn_lose_disk(dn);
    sim_at(between(1000, 60000), on_start, dn, dn->incarnation);
}

static void fill(struct sim_datanode *dn)
{
    dn->full = true;
    sim_at(some_time(), on_empty, dn, 0);
}

enum { AFTER_CHECKPOINT_MS = 120000 };

/* Repeats of calls that are in the image only are not known to a namenode that starts: none is on its way any more by then. */
static void crash_namenode(bool with_sync)
{
    if (sim.now_ms - sim.checkpoint_ms > AFTER_CHECKPOINT_MS) nn_crash(with_sync);
}

static void go_wrong(void)
{
    struct sim_datanode *dn = some_datanode();

    switch (chance(16)) {
    case 0:
    case 1:
    case 2: crash_node(dn); break;
    case 3: cut_off(dn); break;
    case 4:
    case 5: crash_namenode(false); break;
    case 6:
    case 7: crash_namenode(true); break;
    case 8:
    case 9: corrupt_something(dn); break;
    case 10: lose_disk(dn); break;
    case 11: fill(dn); break;
    case 12: nn_checkpoint(); break;
    case 13: disk_full((int)chance(2)); break;
    case 14:
        if (once_in(4)) crash_rack();
        break;
    default: check_replay(); break;
    }
}

/* Scanners find what rots where nobody reads. */
static void scan(struct actor *actor)
{
    struct sim_datanode *dn = some_datanode();
    struct replica *replica, *next;

    if (!dn->up || !dn->registered) return;
    HASH_ITER (hh, dn->replicas, replica, next) {
        if (!replica->corrupt) continue;
        struct replica copy = *replica;
        dn_report_bad(actor, &dn->peer, dn, &copy);
        return;
    }
}

static void watch(struct actor *actor, void *arg UNUSED)
{
    for (;;) {
        actor_sleep(actor, between(1000, sim.faulty ? sim.calm_ms : 5000));
        arena_clear(actor_arena(actor));
        if (sim.faulty) go_wrong();
        if (!sim.faulty || once_in(4)) scan(actor);
    }
}

void chaos_start(void)
{
    sim.faulty = true;
    actor_start(watch, NULL);
}

void chaos_end(void)
{
    sim.faulty = false;
    disk_full(-1);
    for (uint32_t i = 0; i < sim.datanode_count; i++) {
        datanodes[i].peer.cut = datanodes[i].full = false;
        dn_start(&datanodes[i]);
    }
}
