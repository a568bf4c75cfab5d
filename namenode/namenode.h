/*
 * The running namenode: owns the core and everything around it, and moves requests between the threads.
 *
 *   network threads --submit--> queue --core thread: op_*--> answer --+--> released at once, or
 *   (rpc_server)                                                      +--> held until its edit is durable: journal thread releases it (edit_log)
 *
 * The core belongs to one thread at a time, which holds `turn`: mostly the core thread. A network thread that finds it resting runs few calls
 * itself: an answer then needs no switch between threads. All other work, and many calls at once, are the core thread's.
 *
 *   main thread: signals, audit file. HTTP thread: web_*.c, which ask the core by namenode_ask(). Workers: topology script, group look-ups.
 *
 * `complete` calls that wait for a datanode's report are held on a list of the core thread and asked again when their block completes.
 */
#ifndef NAMENODE_NAMENODE_H
#define NAMENODE_NAMENODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "common/http.h"
#include "common/reconfig.h"
#include "common/loop.h"
#include "common/rpc_server.h"
#include "common/user.h"
#include "common/worker.h"
#include "namenode/audit.h"
#include "namenode/checkpoint.h"
#include "namenode/core.h"
#include "namenode/edit_log.h"
#include "namenode/nn_storage.h"

enum { HELD_BUCKETS = 1024 };

TAILQ_HEAD(call_list, rpc_call);
struct call_state;

/* Work that another thread asks of the core thread. */
struct core_task {
    void (*run)(struct core *core, void *arg);
    void *arg;
    bool done;
    struct core_task *next;
};

struct namenode {
    struct core core; /* whoever holds `turn`, once started */
    struct conf *conf;
    struct reconfig *reconfig;   /* core thread */
    char *protected_directories; /* as reconfigured; NULL: as at start */
    struct nn_storage *storage;
    struct edit_log *journal;
    struct checkpoint *checkpoint;
    struct rpc_server *rpc;
    struct http_server *http;
    struct worker_pool *workers;
    struct audit *audit;
    struct topology_script *topology_script; /* workers */
    struct user_groups *groups;              /* any thread */
    struct loop *loop;                       /* main thread */
    char *rpc_host;                          /* what clients are told: fs.defaultFS' host */
    uint16_t rpc_port, http_port;
    int64_t started_wall_ms;
    struct loop_timer *resource_timer;
    struct trash_emptier *trash;
    bool were_low;             /* core thread: what safe mode was told */
    atomic_bool resources_low; /* main thread writes, the core's safe mode reads */
    bool core_running;

    pthread_t core_thread;
    pthread_mutex_t turn; /* held by the thread that runs the core; `lock` may be taken inside */
    pthread_mutex_t lock; /* guards what follows, up to the next blank line */
    pthread_cond_t wake, task_done;
    struct call_list queue;
    uint32_t queued;
    struct core_task *tasks;
    bool busy; /* slices of work are left: the core thread does not sleep */
    bool stopping;

    pthread_mutex_t durable_lock; /* guards `waiting` */
    struct call_list waiting;     /* answered, in txid order: released by the journal thread */

    struct tree_recent recent; /* core thread: what reads may have seen before it is durable */
    /* Core thread: `complete` calls waiting for their block, by block id; those whose wait is over; all of them by deadline. */
    struct call_list held[HELD_BUCKETS], ready;
    TAILQ_HEAD(held_list, call_state) by_deadline;
    struct call_list sliced; /* core thread: calls that have a slice of work left */
    int64_t tick_ms;         /* core thread: when the next tick is due */
};

static inline struct namenode *namenode_of(struct core *core)
{
    return CONTAINER_OF(core, struct namenode, core);
}

/* Loads, binds and starts everything; on error everything is undone. The namenode borrows conf. */
int namenode_start(struct namenode *nn, struct conf *conf, enum nn_start start, struct loop *loop,
                   struct err *err) MUST_CHECK;
/* What `dfsadmin -reconfig` changes (op_reconfig.c). */
struct reconfig *nn_reconfig_new(struct namenode *nn);

/* Orderly end: no further requests, journal finalized, directories unlocked. */
void namenode_stop(struct namenode *nn);

/* The user's groups, copied into the arena; NULL-terminated. Any thread; may ask a directory service. */
const char *const *namenode_groups_of(struct namenode *nn, const char *user, struct arena *arena);

/* Runs fn on the core thread and waits for it; any other thread. False when the namenode is stopping (fn was not run). */
bool namenode_ask(struct namenode *nn, void (*fn)(struct core *core, void *arg), void *arg);

#endif
