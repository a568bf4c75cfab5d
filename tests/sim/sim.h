/*
 * A cluster that exists only in one process: the namenode's real core, its real journal and images, and datanodes, clients, a network and
 * a clock that are simulated. One seed decides everything; the same seed gives the same run, which the trace's hash proves.
 *
 *   sim_actor.c     the clock, events, and actors: straight-line code that sleeps in virtual time
 *   sim_clock.c     the namenode's clock, random numbers and hash seed (by the linker's --wrap)
 *   sim_disk.c      the journal's writes: what was not synced is lost or torn in a crash; full disks (--wrap)
 *   sim_namenode.c  start, crash, calls, answers that wait for their edits
 *   sim_net.c       calls with loss, delay, repetition
 *   sim_datanode.c  replicas, reports, orders of the namenode
 *   sim_client.c    a client at work; sim_write.c: how it writes a file
 *   sim_model.c     what was acknowledged
 *   sim_check.c     what must hold
 *   sim_chaos.c     what goes wrong when
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/rand.h"
#include "namenode/handlers.h"
#include "namenode/namenode.h"

enum {
    SIM_DATANODES_MAX = 12,
    SIM_CLIENTS_MAX = 6,
    SIM_NODES_MAX = 8,  /* of a pipeline */
    SIM_BLOCKS_MAX = 4, /* of a file */
    CALL_LOST = 1,      /* rpc(): no answer came */
    SIM_BLOCK_SIZE = 1 << 20,
};

/* Ends the run: the line names seed and virtual time. */
#define sim_fail(...) sim_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define sim_require(condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition)) sim_fail_at(__FILE__, __LINE__, __VA_ARGS__);                            \
    } while (0)
NORETURN void sim_fail_at(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
void sim_trace(const char *format, ...) PRINTF_LIKE(1, 2); /* into the hash; printed with -v */

struct sim_counts {
    uint64_t calls, lost, repeated, restarts, torn, node_crashes, corrupted, disks_lost, copies,
        deletions, recoveries, pipelines, files, checkpoints, replays, partitions;
};

struct sim {
    uint64_t seed, hash;
    int64_t now_ms;
    struct rand rand;
    bool verbose;
    bool faulty; /* things go wrong; off when the cluster is to heal */
    bool ending; /* clients begin nothing new */
    uint32_t loss_permille, repeat_permille, delay_ms, sync_ms, calm_ms;
    int64_t checkpoint_ms; /* the last one */
    uint32_t datanode_count, client_count, rack_count;
    char scratch[64];
    struct sim_counts counts;
};
extern struct sim sim;

static inline uint64_t chance(uint64_t limit)
{
    return rand_below(&sim.rand, limit);
}
static inline bool once_in(uint64_t n)
{
    return chance(n) == 0;
}
static inline int64_t between(int64_t low, int64_t high)
{
    return low + (int64_t)chance((uint64_t)(high - low + 1));
}

/* ---- sim_actor.c ---- */

typedef void sim_event(void *arg, uint64_t token);
void sim_at(int64_t delay_ms, sim_event *fn, void *arg, uint64_t token);
/* Runs events until then (or, with `until`, until it says so); false: the time was over first. */
bool sim_run(int64_t until_ms, bool (*until)(void));
void sim_events_drop(void);

struct actor;
typedef void actor_body(struct actor *actor, void *arg);
struct actor *actor_start(actor_body *body, void *arg);
void actor_sleep(struct actor *actor, int64_t ms); /* or until actor_wake() */
void actor_wake(struct actor *actor);
struct arena *actor_arena(struct actor *actor);
uint64_t actor_serial(const struct actor *actor); /* no other ever has it */

/* ---- sim_disk.c ---- */

void disk_power(bool on);     /* off: nothing is written any more */
void disk_fail_in(int syncs); /* the power goes at that sync */
void disk_full(int which);    /* this name directory takes no more; -1: all do */
bool disk_is_dead(void);
void disk_crash(void); /* what was not synced is lost, kept or torn */

/* ---- sim_namenode.c ---- */

struct sim_call;
void nn_format(void);
void nn_start(void);
void nn_crash(bool with_sync); /* with_sync: in the middle of one */
void nn_stop(void);
bool nn_is_up(void);
struct core *nn_core(void);
void nn_checkpoint(void);
uint64_t nn_epoch(void);
void nn_settle(void); /* all edits are durable now, answers on their way */
struct core *nn_reload(void);
void nn_reload_free(struct core *core);

struct sim_message {
    const struct op_entry *entry;
    const void *data;
    size_t size;
    const char *ip;
    const uint8_t *client_id; /* NULL: none */
    int32_t call_id;
    void *sender;
    uint64_t ticket; /* net_answer() gets it back */
};
void nn_receive(const struct sim_message *message);

/* ---- sim_net.c ---- */

struct peer { /* whoever calls the namenode */
    char ip[32];
    uint8_t client_id[16];
    bool has_client_id;
    int32_t call_id;
    bool cut; /* no message gets through */
};
/* One call. 0, a negative ERR_*, or CALL_LOST when it is not repeated. *response is in the actor's arena. */
int rpc(struct actor *actor, struct peer *peer, const char *method, const void *request,
        void *response, bool repeat);
/* The same, but a caller that hears nothing before the namenode starts anew asks no more: CALL_LOST. */
int rpc_until_restart(struct actor *actor, struct peer *peer, const char *method,
                      const void *request, void *response);
void net_answer(void *sender, uint64_t ticket, int rc, const char *text, const void *data,
                size_t size);
const char *rpc_error(void); /* of the last call that failed */

/* ---- sim_datanode.c ---- */

struct replica {
    uint64_t id, stamp, length, recovery_id;
    enum replica_state state;
    bool corrupt;
    UT_hash_handle hh;
};

struct news {
    struct block_id id;
    int status;
};

struct sim_datanode {
    uint32_t index;
    struct peer peer;
    char uuid[40], storage[48], rack[16];
    bool up, registered, full;
    uint64_t incarnation;
    int64_t next_heartbeat_ms, next_report_ms;
    struct replica *replicas; /* uthash by id */
    struct news *news;
    size_t news_count, news_capacity;
    struct actor *actor; /* the one that talks to the namenode */
};
extern struct sim_datanode datanodes[SIM_DATANODES_MAX];

void dn_setup(uint32_t index);
void dn_start(struct sim_datanode *dn);
void dn_crash(struct sim_datanode *dn);
void dn_lose_disk(struct sim_datanode *dn);
struct sim_datanode *dn_by_uuid(const char *uuid);
struct replica *dn_replica(struct sim_datanode *dn, uint64_t id);
struct replica *dn_new_replica(struct sim_datanode *dn, uint64_t id, uint64_t stamp,
                               enum replica_state state);
void dn_drop_replica(struct sim_datanode *dn, struct replica *replica);
void dn_tell(struct sim_datanode *dn, const struct replica *replica, int status);
void dn_report_bad(struct actor *actor, struct peer *peer, struct sim_datanode *holder,
                   const struct replica *replica);
bool dn_serves(const struct sim_datanode *dn); /* clients and other datanodes reach it */
/* Datanodes with a finalized, sound replica of this stamp and length. */
uint32_t good_replicas(uint64_t id, uint64_t stamp, uint64_t length, bool up_only);
/* The replica may be lost: two other sound ones exist, and no rotten one. */
bool may_lose(const struct sim_datanode *dn, const struct replica *replica);

/* ---- sim_model.c ---- */

struct model_file {
    char path[160];
    bool dir;
    bool loose; /* its writer died: at least what was acknowledged is there */
    uint32_t replication;
    uint64_t length;
};

struct sim_client {
    uint32_t index, generation;
    struct peer peer;
    char name[40], root[16];
    struct model_file *files;
    size_t count, capacity;
    bool busy; /* a call may have changed what the model does not know yet */
    bool done;
    bool writing;
    uint64_t names;
};
extern struct sim_client clients[SIM_CLIENTS_MAX];

struct model_file *model_find(struct sim_client *client, const char *path);
struct model_file *model_add(struct sim_client *client, const char *path, bool dir);
void model_delete(struct sim_client *client, const char *path);
void model_rename(struct sim_client *client, const char *from, const char *to);
struct model_file *model_pick(struct sim_client *client, bool dir); /* NULL: none */
void model_check(struct sim_client *client);                        /* the tree is what it says */

/* ---- sim_client.c, sim_write.c ---- */

void client_setup(uint32_t index);
bool clients_are_done(void);
/* Writes a new file; false: the writer gave up, as one that died. *length: what was acknowledged. */
bool write_file(struct actor *actor, struct sim_client *client, const char *path,
                uint32_t replication, uint64_t *length);

/* ---- sim_check.c, sim_chaos.c ---- */

void check_running(void); /* at any time */
void check_replay(void);  /* the directories, loaded anew, give the tree that runs */
void check_healed(void);  /* after a while without faults */
bool is_healed(void);
void chaos_start(void);
void chaos_end(void);

#endif
