#include "namenode/namenode.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "common/rand.h"
#include "common/user.h"
#include "namenode/apply_tree.h"
#include "namenode/handlers.h"
#include "namenode/hosts.h"
#include "namenode/listing_pack.h"
#include "namenode/monitor.h"
#include "namenode/nn_load.h"
#include "namenode/open_file.h"
#include "namenode/retry_cache.h"
#include "namenode/safemode.h"
#include "namenode/topology.h"
#include "namenode/topology_script.h"
#include "namenode/web.h"
#include "namenode/trash_emptier.h"

enum {
    HOLD_MS = 200, /* how long `complete` waits for a datanode's report before it answers false */
    TICK_MS = 500,
    LEASE_CHECK_MS = 2000,    /* dfs.namenode.lease-recheck-interval-ms' default */
    RECLAIM_PER_TURN = 10000, /* inodes of deleted trees freed between two batches of requests */
    WORKERS_MAX = 16,
    WORKERS_QUEUE_MAX = 4096,
    CALLS_AT_ONCE = 32, /* a network thread runs so many calls itself while the core rests */
};

/* What the namenode adds to a call; in the call's arena. */
struct call_state {
    const struct op_entry *entry;
    const char *const *groups;
    struct rpc_call *call;
    int64_t deadline_ms; /* of a held call */
    uint64_t held_block;
    bool waiting; /* for held_block, in its bucket */
    bool aging;   /* in by_deadline */
    uint64_t
        txid; /* what the answer must wait for: edits made or seen by any of the call's slices */
    TAILQ_ENTRY(call_state) by_deadline;
    void *progress;      /* of a call that runs in slices */
    bool in_retry_cache; /* this call is the one that executes */
};

static struct rpc_op *rpc_ops; /* op_table in the server's form; lives as long as the process */

/* Takes over the list; NULL stays NULL. */
static const char *const *groups_into(struct arena *arena, char **list)
{
    size_t count = 0;

    if (!list) return NULL;

    while (list[count]) count++;
    const char **copy = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) copy[i] = arena_strdup(arena, list[i]);
    user_groups_list_free(list);
    return copy;
}

const char *const *namenode_groups_of(struct namenode *nn, const char *user, struct arena *arena)
{
    return groups_into(arena, user_groups_get(nn->groups, user));
}

/* ---- from the network threads to the core ---- */

static void enqueue(struct namenode *nn, struct rpc_call *call)
{
    pthread_mutex_lock(&nn->lock);
    TAILQ_INSERT_TAIL(&nn->queue, call, link);
    nn->queued++;
    pthread_mutex_unlock(&nn->lock);
}

static void wake_core(void *context)
{
    struct namenode *nn = context;

    pthread_mutex_lock(&nn->lock);
    if (!TAILQ_EMPTY(&nn->queue) || nn->tasks || nn->stopping) pthread_cond_signal(&nn->wake);
    pthread_mutex_unlock(&nn->lock);
}

struct outside_job {
    struct namenode *nn;
    struct rpc_call *call;
};

static void run_call(struct namenode *nn, struct rpc_call *call);

/* Worker: asks the topology script where the registering datanode stands, then the core goes on with the call. */
static void resolve_rack(struct outside_job *job)
{
    const Pb__RegisterDatanodeRequest *request =
        (const Pb__RegisterDatanodeRequest *)job->call->request;
    const char *hosts[] = {job->call->peer_ip, request->registration->datanodeid->hostname};

    topology_script_resolve(job->nn->topology_script, hosts, ARRAY_LEN(hosts));
    enqueue(job->nn, job->call);
    wake_core(job->nn);
}

static void answer_outside(struct outside_job *job)
{
    const struct op_entry *entry = ((struct call_state *)job->call->context)->entry;
    ProtobufCMessage *response = arena_zalloc(&job->call->arena, entry->response->sizeof_message);
    struct op op = {.arena = &job->call->arena,
                    .user = job->call->user->name,
                    .client_ip = job->call->peer_ip,
                    .method = entry->method};
    struct err err = ERR_INIT;

    entry->response->message_init(response);
    if (entry->run(&job->nn->core, &op, job->call->request, response, &err) == 0)
        rpc_call_reply(job->call, response);
    else
        rpc_call_fail(job->call, &err);
    rpc_call_release(job->call);
    rpc_server_flush(job->nn->rpc);
}

/* Worker: what may block for long. */
static void run_outside(void *arg)
{
    struct outside_job *job = arg;
    struct call_state *state = job->call->context;

    if (!state->groups)
        state->groups = namenode_groups_of(job->nn, job->call->user->name, &job->call->arena);
    if (state->entry->flags & OP_RESOLVES_RACK) {
        resolve_rack(job);
    } else if (state->entry->flags & OP_OUTSIDE) {
        answer_outside(job);
    } else {
        enqueue(job->nn, job->call);
        wake_core(job->nn);
    }
    mem_free(job);
}

static void submit_outside(struct namenode *nn, struct rpc_call *call)
{
    struct outside_job *job = NEW(struct outside_job);
    struct err err = ERR_INIT;

    *job = (struct outside_job){.nn = nn, .call = call};
    if (worker_submit(nn->workers, run_outside, job, &err) == 0) return;
    mem_free(job);
    err_set(&err, ERR_RETRIABLE, "the namenode is busy: try again");
    rpc_call_fail(call, &err);
    rpc_call_release(call);
}

/* rpc_server's submit(): a network thread. */
static void submit(void *context, struct rpc_call *call)
{
    struct namenode *nn = context;
    struct call_state *state = ARENA_NEW(&call->arena, struct call_state);

    state->call = call;
    state->entry = &op_table[call->op - rpc_ops];
    state->groups = groups_into(&call->arena, user_groups_remembered(nn->groups, call->user->name));
    call->context = state;
    if (!state->groups || state->entry->flags & (OP_OUTSIDE | OP_RESOLVES_RACK))
        submit_outside(nn, call);
    else
        enqueue(nn, call);
}

/* ---- answers ---- */

/* Releases the call now, or hands it to the journal thread when its edits are not durable yet. */
static void finish_call(struct namenode *nn, struct rpc_call *call, uint64_t txid)
{
    bool held_back = false;

    if (txid) {
        call->txid = txid;
        pthread_mutex_lock(&nn->durable_lock);
        if (edit_log_synced_txid(nn->journal) < txid) {
            TAILQ_INSERT_TAIL(&nn->waiting, call, link);
            held_back = true;
        }
        pthread_mutex_unlock(&nn->durable_lock);
    }
    if (!held_back) rpc_call_release(call);
}

/* edit_log's on_synced: the journal thread. */
static void on_synced(void *context, uint64_t synced_txid)
{
    struct namenode *nn = context;
    struct call_list ready = TAILQ_HEAD_INITIALIZER(ready);
    struct rpc_call *call;

    pthread_mutex_lock(&nn->durable_lock);
    while ((call = TAILQ_FIRST(&nn->waiting)) && call->txid <= synced_txid) {
        TAILQ_REMOVE(&nn->waiting, call, link);
        TAILQ_INSERT_TAIL(&ready, call, link);
    }
    pthread_mutex_unlock(&nn->durable_lock);
    if (TAILQ_EMPTY(&ready)) return;
    while ((call = TAILQ_FIRST(&ready))) {
        TAILQ_REMOVE(&ready, call, link);
        rpc_call_release(call);
    }
    rpc_server_flush(nn->rpc);
}

/* The journal cannot take edits any more: nothing after the last durable one may be answered, so the process ends here, as Apache's does. */
static void on_journal_failed(void *context UNUSED, const struct err *why)
{
    log_error("the edit log failed, the namenode ends so that nothing is acknowledged that is not "
              "on disk: %s",
              why->text);
    _exit(1);
}

/* ---- the core thread ---- */

static bool is_superuser(const struct core *core, const char *user, const char *const *groups)
{
    if (str_eq(user, core->conf.superuser)) return true;
    for (; groups && *groups; groups++)
        if (str_eq(*groups, core->conf.supergroup)) return true;
    return false;
}

/* A repeat of a call that succeeded before a restart: the journal knows that it did, not what was answered. */
static void answer_repeat(struct namenode *nn, struct rpc_call *call,
                          const struct call_state *state)
{
    ProtobufCMessage *response = arena_alloc(&call->arena, state->entry->response->sizeof_message);
    struct op op = {.arena = &call->arena,
                    .user = call->user->name,
                    .client_ip = call->peer_ip,
                    .method = state->entry->method};
    struct err err = ERR_INIT;

    state->entry->response->message_init(response);
    if (op_repeat(&nn->core, &op, call->request, response, &err) == 0)
        rpc_call_reply(call, response);
    else
        rpc_call_fail(call, &err);
}

/* A repeat of a call that succeeded is answered from the cache; false: the call must run. */
static bool answer_from_retry_cache(struct namenode *nn, struct rpc_call *call,
                                    struct call_state *state)
{
    const uint8_t *payload;
    size_t size;

    if (!(state->entry->flags & OP_ONCE) || !call->has_client_id || state->in_retry_cache)
        return false;
    switch (retry_cache_begin(nn->core.retry_cache, call->client_id, call->call_id, nn->core.now_ms,
                              &payload, &size)) {
    case RETRY_CACHE_DONE:
        if (payload)
            rpc_call_reply_packed(call, payload, size);
        else
            answer_repeat(nn, call, state);
        finish_call(nn, call, nn->core.txid_applied);
        return true;
    case RETRY_CACHE_NEW: state->in_retry_cache = true; return false;
    default: return false;
    }
}

static void settle_retry_cache(struct namenode *nn, struct rpc_call *call,
                               const struct call_state *state, bool success)
{
    size_t size = 0;

    if (!state->in_retry_cache) return;
    if (success) {
        const uint8_t *payload = rpc_call_response(call, &size);
        retry_cache_succeed(nn->core.retry_cache, call->client_id, call->call_id, payload, size);
    } else {
        retry_cache_fail(nn->core.retry_cache, call->client_id, call->call_id);
    }
}

static void audit_call(struct namenode *nn, const struct op *op, const struct op_entry *entry,
                       int rc)
{
    if (!nn->audit || !entry->audit || op->audit_skip || (rc != 0 && rc != ERR_ACCESS)) return;
    if (audit_log(nn->audit, &nn->core, op, entry->audit, rc == 0))
        loop_post(nn->loop, audit_flush, nn->audit);
}

static struct call_list *bucket_of(struct namenode *nn, uint64_t block)
{
    return &nn->held[block % HELD_BUCKETS];
}

static void hold(struct namenode *nn, struct rpc_call *call, struct call_state *state,
                 uint64_t block)
{
    if (!state->deadline_ms) state->deadline_ms = nn->core.now_ms + HOLD_MS;
    if (!state->aging) TAILQ_INSERT_TAIL(&nn->by_deadline, state, by_deadline);
    state->aging = state->waiting = true;
    state->held_block = block;
    TAILQ_INSERT_TAIL(bucket_of(nn, block), call, link);
}

/* The wait is over: run_held() runs the call again. */
static void stop_waiting(struct namenode *nn, struct call_state *state)
{
    if (!state->waiting) return;
    state->waiting = false;
    TAILQ_REMOVE(bucket_of(nn, state->held_block), state->call, link);
    TAILQ_INSERT_TAIL(&nn->ready, state->call, link);
}

static void stop_aging(struct namenode *nn, struct call_state *state)
{
    if (!state->aging) return;
    state->aging = false;
    TAILQ_REMOVE(&nn->by_deadline, state, by_deadline);
}

static void reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    const uint8_t *packed = NULL;
    size_t size;

    if (response->descriptor == &pb__get_listing_response__descriptor)
        packed = listing_pack((const Pb__GetListingResponse *)response, &call->arena, &size);
    if (packed)
        rpc_call_reply_packed(call, packed, size);
    else
        rpc_call_reply(call, response);
}

static void run_call(struct namenode *nn, struct rpc_call *call)
{
    struct call_state *state = call->context;
    struct core *core = &nn->core;
    struct err err = ERR_INIT;

    if (answer_from_retry_cache(nn, call, state)) return;
    struct op op = {
        .arena = &call->arena,
        .user = call->user->name,
        .groups = state->groups,
        .superuser = is_superuser(core, call->user->name, state->groups),
        .client_ip = call->peer_ip,
        .caller_context = call->caller_context,
        .method = state->entry->method,
        .call_id = call->call_id,
        .has_client_id = call->has_client_id,
        .received_ms = core->now_ms,
        .deadline_ms = state->deadline_ms,
        .progress = state->progress,
    };
    memcpy(op.client_id, call->client_id, sizeof op.client_id);
    ProtobufCMessage *response = arena_alloc(&call->arena, state->entry->response->sizeof_message);
    state->entry->response->message_init(response);

    uint64_t before = core->txid_applied;
    nn->recent.seen = 0;
    int rc = state->entry->run(core, &op, call->request, response, &err);
    state->txid = MAX(state->txid, core->txid_applied != before || op.orders ? core->txid_applied
                                                                             : nn->recent.seen);
    if (rc == OP_HOLD) {
        hold(nn, call, state, op.held_block);
        return;
    }
    if (rc == OP_AGAIN) {
        state->progress = op.progress;
        TAILQ_INSERT_TAIL(&nn->sliced, call, link);
        return;
    }
    stop_aging(nn, state);
    if (rc == 0)
        reply(call, response);
    else
        rpc_call_fail(call, &err);
    settle_retry_cache(nn, call, state, rc == 0);
    audit_call(nn, &op, state->entry, rc);
    finish_call(nn, call, state->txid);
}

/* Runs held calls again whose block completed or whose time is up. */
static void run_held(struct namenode *nn)
{
    struct call_state *state;
    struct rpc_call *call;

    while ((state = TAILQ_FIRST(&nn->by_deadline)) && nn->core.now_ms >= state->deadline_ms) {
        stop_waiting(nn, state);
        stop_aging(nn, state);
    }
    while ((call = TAILQ_FIRST(&nn->ready))) { /* one may complete another's block */
        TAILQ_REMOVE(&nn->ready, call, link);
        run_call(nn, call);
    }
}

/* One slice each of the calls that need several. */
static bool run_sliced(struct namenode *nn)
{
    struct call_list now = TAILQ_HEAD_INITIALIZER(now);
    struct rpc_call *call;

    TAILQ_CONCAT(&now, &nn->sliced, link);
    while ((call = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, call, link);
        run_call(nn, call);
    }
    return !TAILQ_EMPTY(&nn->sliced);
}

/* core.on_block_complete: called in the middle of a report; the held calls run after it. */
static void on_block_complete(void *context, struct block *block)
{
    struct namenode *nn = context;
    struct rpc_call *call, *next;

    for (call = TAILQ_FIRST(bucket_of(nn, block->id)); call; call = next) {
        struct call_state *state = call->context;
        next = TAILQ_NEXT(call, link);
        if (state->held_block == block->id) stop_waiting(nn, state);
    }
}

/* Too little disk space for edits is safe mode until there is enough again (NameNodeResourceChecker). */
static void watch_resources(struct namenode *nn)
{
    bool low = atomic_load(&nn->resources_low);

    if (low == nn->were_low) return;
    nn->were_low = low;
    if (low)
        safemode_enter(&nn->core, true);
    else
        safemode_resources_back(&nn->core);
}

static void tick(struct namenode *nn)
{
    struct core *core = &nn->core;
    static int64_t leases_ms; /* core thread */

    watch_resources(nn);
    core_tick(core);
    if (core->now_ms - leases_ms >= LEASE_CHECK_MS && !safemode_is_on(core)) {
        lease_monitor_tick(core);
        leases_ms = core->now_ms;
    }
    if (!safemode_is_on(core)) trash_emptier_tick(nn->trash, core);
    checkpoint_tick(nn->checkpoint, core->now_ms);
    retry_cache_expire(core->retry_cache, core->now_ms);
    run_held(nn);
    nn->tick_ms = core->now_ms + TICK_MS;
}

static void run_tasks(struct namenode *nn, struct core_task *tasks)
{
    while (tasks) {
        struct core_task *task = tasks;
        tasks = task->next;
        task->run(&nn->core, task->arg);
        pthread_mutex_lock(&nn->lock);
        task->done = true;
        pthread_cond_broadcast(&nn->task_done);
        pthread_mutex_unlock(&nn->lock);
    }
}

/* All calls that wait; with the lock held. */
static void take_queue(struct namenode *nn, struct call_list *batch)
{
    TAILQ_CONCAT(batch, &nn->queue, link);
    nn->queued = 0;
}

/* Runs a batch of calls and a slice of what else there is; with the turn. True when slices are left. */
static bool run_batch(struct namenode *nn, struct call_list *batch)
{
    struct rpc_call *call;

    nn->core.now_ms = clock_mono_ms();
    nn->core.now_wall_ms = clock_wall_ms();
    while ((call = TAILQ_FIRST(batch))) {
        TAILQ_REMOVE(batch, call, link);
        run_call(nn, call);
    }
    run_held(nn);
    bool busy = tree_reclaim(&nn->core, RECLAIM_PER_TURN);
    busy |= core_work(&nn->core);
    busy |= run_sliced(nn);
    return busy || !TAILQ_EMPTY(&nn->ready);
}

/* rpc_server's submit_end(): a network thread. */
static void run_or_wake(void *context)
{
    struct namenode *nn = context;
    struct call_list batch = TAILQ_HEAD_INITIALIZER(batch);

    pthread_mutex_lock(&nn->lock);
    if (!nn->queued || nn->queued > CALLS_AT_ONCE || nn->busy || nn->tasks || nn->stopping ||
        pthread_mutex_trylock(&nn->turn)) {
        if (nn->queued) pthread_cond_signal(&nn->wake);
        pthread_mutex_unlock(&nn->lock);
        return;
    }
    take_queue(nn, &batch);
    pthread_mutex_unlock(&nn->lock);
    bool busy = run_batch(nn, &batch);
    edit_log_push(nn->journal);
    pthread_mutex_unlock(&nn->turn);
    rpc_server_flush(nn->rpc);
    if (!busy) return;
    pthread_mutex_lock(&nn->lock);
    nn->busy = true;
    pthread_cond_signal(&nn->wake);
    pthread_mutex_unlock(&nn->lock);
}

/* The core thread rests until there are calls, tasks, slices or the next tick; false at the end. */
static bool wait_for_work(struct namenode *nn)
{
    struct timespec until;
    bool go_on;

    pthread_mutex_lock(&nn->lock);
    while (!nn->busy && TAILQ_EMPTY(&nn->queue) && !nn->tasks && !nn->stopping) {
        int64_t ms = nn->tick_ms - clock_mono_ms();
        if (ms <= 0) break;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += ms / 1000;
        until.tv_nsec += ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&nn->wake, &nn->lock, &until);
    }
    go_on = !nn->stopping;
    pthread_mutex_unlock(&nn->lock);
    return go_on;
}

/* One turn of the core thread. */
static void take_turn(struct namenode *nn)
{
    struct call_list batch = TAILQ_HEAD_INITIALIZER(batch);

    pthread_mutex_lock(&nn->turn);
    pthread_mutex_lock(&nn->lock);
    take_queue(nn, &batch);
    struct core_task *tasks = nn->tasks;
    nn->tasks = NULL;
    pthread_mutex_unlock(&nn->lock);
    bool busy = run_batch(nn, &batch);
    run_tasks(nn, tasks);
    if (nn->core.now_ms >= nn->tick_ms) tick(nn);
    busy |= !TAILQ_EMPTY(&nn->ready);
    edit_log_push(nn->journal);
    pthread_mutex_lock(&nn->lock);
    nn->busy = busy;
    pthread_mutex_unlock(&nn->lock);
    pthread_mutex_unlock(&nn->turn);
    rpc_server_flush(nn->rpc);
}

static void *core_main(void *arg)
{
    struct namenode *nn = arg;

    while (wait_for_work(nn)) take_turn(nn);
    take_turn(nn); /* tasks whose askers wait */
    return NULL;
}

bool namenode_ask(struct namenode *nn, void (*fn)(struct core *core, void *arg), void *arg)
{
    struct core_task task = {.run = fn, .arg = arg};
    struct core_task **at;

    pthread_mutex_lock(&nn->lock);
    if (nn->stopping) {
        pthread_mutex_unlock(&nn->lock);
        return false;
    }
    for (at = &nn->tasks; *at; at = &(*at)->next) {}
    *at = &task;
    pthread_cond_signal(&nn->wake);
    while (!task.done) pthread_cond_wait(&nn->task_done, &nn->lock);
    pthread_mutex_unlock(&nn->lock);
    return true;
}

/* ---- start and stop ---- */

static int listen_on(struct namenode *nn, const char *address, const char *bind_host,
                     uint16_t default_port, char **host, uint16_t *port, struct err *err)
{
    struct net_addr parsed;
    int rc = net_parse(address, default_port, &parsed, err);

    if (rc) return rc;
    rc = rpc_server_listen(nn->rpc, str_empty(bind_host) ? parsed.host : bind_host, parsed.port,
                           port, err);
    if (!rc && host) *host = mem_strdup(parsed.host);
    return rc;
}

/* dfs.namenode.rpc-address, else the authority of fs.defaultFS. */
static int rpc_address(const struct conf *conf, struct arena *arena, const char **address,
                       struct err *err)
{
    const char *fs = conf_str(conf, CONF_fs_defaultFS);

    *address = conf_str(conf, CONF_dfs_namenode_rpc_address);
    if (!str_empty(*address)) return 0;
    if (!str_starts(fs, "hdfs://") || !fs[7] || fs[7] == '/')
        return err_set(err, ERR_CONFIG,
                       "Invalid URI for NameNode address (check fs.defaultFS): %s has no "
                       "authority. Set fs.defaultFS to hdfs://HOST:PORT or "
                       "dfs.namenode.rpc-address to HOST:PORT.",
                       fs);
    size_t length = strcspn(fs + 7, "/");
    *address = arena_strndup(arena, fs + 7, length);
    return 0;
}

static int start_rpc(struct namenode *nn, struct err *err)
{
    struct arena arena = {0};
    const char *address;
    struct rpc_server_options options = {
        .context = nn,
        .submit = submit,
        .submit_end = run_or_wake,
        .name = "namenode",
        .threads = 1,
        .frame_max = (uint32_t)conf_int(nn->conf, CONF_ipc_maximum_data_length),
    };

    nn->rpc = rpc_server_new(&options);
    if (!rpc_ops) {
        rpc_ops = NEW_ARRAY(struct rpc_op, op_table_length);
        for (size_t i = 0; i < op_table_length; i++)
            rpc_ops[i] = (struct rpc_op){.protocol = op_table[i].protocol,
                                         .method = op_table[i].method,
                                         .request = op_table[i].request};
    }
    rpc_server_add_ops(nn->rpc, rpc_ops, op_table_length);
    int rc = rpc_address(nn->conf, &arena, &address, err);
    if (!rc)
        rc = listen_on(nn, address, conf_str(nn->conf, CONF_dfs_namenode_rpc_bind_host), 8020,
                       &nn->rpc_host, &nn->rpc_port, err);
    address = conf_str(nn->conf, CONF_dfs_namenode_servicerpc_address);
    if (!rc && !str_empty(address))
        rc = listen_on(nn, address, conf_str(nn->conf, CONF_dfs_namenode_servicerpc_bind_host),
                       8020, NULL, NULL, err);
    arena_release(&arena);
    return rc;
}

static void check_resources(void *arg)
{
    struct namenode *nn = arg;
    struct err why = ERR_INIT;
    bool available = nn_resources_available(nn->storage, &why);

    if (!available) log_limited(LOG_WARN, 60 * SECOND_MS, "%s", why.text);
    atomic_store(&nn->resources_low, !available);
}

static void init_locks(struct namenode *nn)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&nn->turn, NULL);
    pthread_mutex_init(&nn->lock, NULL);
    pthread_mutex_init(&nn->durable_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&nn->wake, &attributes);
    pthread_cond_init(&nn->task_done, NULL);
    pthread_condattr_destroy(&attributes);
}

static int start_core(struct namenode *nn, struct err *err)
{
    int rc = pthread_create(&nn->core_thread, NULL, core_main, nn);

    if (rc) return err_set_errno(err, rc, "start the core thread");
    nn->core_running = true;
    return 0;
}

static int load_namespace(struct namenode *nn, enum nn_start start, struct err *err)
{
    int rc = core_conf_load(&nn->core.conf, nn->conf, err);

    if (!rc) rc = nn_storage_open_for(&nn->storage, nn->conf, start, err);
    if (!rc) rc = nn_load(&nn->core, nn->storage, clock_mono_ms(), err);
    return rc;
}

static int start_journal(struct namenode *nn, struct err *err)
{
    struct edit_log_options options = {
        .on_synced = on_synced, .on_failed = on_journal_failed, .context = nn};
    int rc = edit_log_start(&nn->journal, nn->storage, nn->core.txid_applied, &options, err);

    if (rc) return rc;
    nn->core.txid_applied = edit_log_last_txid(nn->journal);
    nn->core.tree.recent = &nn->recent;
    nn->core.sink = edit_log_append;
    nn->core.sink_context = nn->journal;
    nn->core.on_block_complete = on_block_complete;
    nn->core.on_block_complete_context = nn;
    nn->trash = trash_emptier_new();
    nn->checkpoint = checkpoint_new(&nn->core, nn->storage, nn->journal, nn->conf);
    return 0;
}

int namenode_start(struct namenode *nn, struct conf *conf, enum nn_start start, struct loop *loop,
                   struct err *err)
{
    int64_t began = clock_mono_ms();
    int rc;

    *nn = (struct namenode){.conf = conf, .loop = loop, .started_wall_ms = clock_wall_ms()};
    TAILQ_INIT(&nn->queue);
    TAILQ_INIT(&nn->waiting);
    for (size_t i = 0; i < HELD_BUCKETS; i++) TAILQ_INIT(&nn->held[i]);
    TAILQ_INIT(&nn->ready);
    TAILQ_INIT(&nn->by_deadline);
    TAILQ_INIT(&nn->sliced);
    init_locks(nn);
    rand_bytes(&nn->core.random, sizeof nn->core.random);
    nn->core.now_wall_ms = clock_wall_ms();
    nn->core.now_ms = clock_mono_ms();
    rc = load_namespace(nn, start, err);
    if (!rc) nn->reconfig = nn_reconfig_new(nn);
    if (!rc) rc = user_groups_new(conf, &nn->groups, err);
    if (!rc) rc = audit_open(&nn->audit, err);
    if (!rc) rc = start_rpc(nn, err);
    if (!rc) rc = start_journal(nn, err);
    if (rc) goto out;
    nn->core.conf.host_name = nn->rpc_host;
    rc = hosts_load(&nn->core.hosts, conf, err);
    if (rc) goto out;
    nn->topology_script = topology_script_new(conf, nn->core.datanodes.topology);
    nn->workers = worker_pool_new("nn-worker", WORKERS_MAX, WORKERS_QUEUE_MAX);
    safemode_start(&nn->core);
    /* From start_core() on the core is its thread's. */
    uint64_t inodes = inode_count(nn->core.tree.inodes), blocks = block_map_count(nn->core.blocks),
             txid = nn->core.txid_applied;
    rc = start_core(nn, err);
    if (!rc) rc = web_start(nn, err); /* its pages ask the core thread and wait for it */
    if (!rc) rc = rpc_server_start(nn->rpc, err);
    if (rc) goto out;
    nn->resource_timer = loop_timer_new(loop, check_resources, nn);
    loop_timer_start_every(nn->resource_timer,
                           MAX(conf_ms(conf, CONF_dfs_namenode_resource_check_interval), 100));
    log_info("namenode is up at %s:%u after %" PRId64 " ms: %" PRIu64 " inodes, %" PRIu64
             " blocks, txid %" PRIu64,
             nn->rpc_host, nn->rpc_port, clock_mono_ms() - began, inodes, blocks, txid);
out:
    if (rc) namenode_stop(nn);
    return rc;
}

static void stop_core(struct namenode *nn)
{
    if (!nn->core_running) return;
    pthread_mutex_lock(&nn->lock);
    nn->stopping = true;
    pthread_cond_signal(&nn->wake);
    pthread_mutex_unlock(&nn->lock);
    pthread_join(nn->core_thread, NULL);
    nn->core_running = false;
}

static void release_calls(struct call_list *calls)
{
    struct rpc_call *call;

    while ((call = TAILQ_FIRST(calls))) {
        TAILQ_REMOVE(calls, call, link);
        rpc_call_release(call);
    }
}

void namenode_stop(struct namenode *nn)
{
    struct err err = ERR_INIT;

    loop_timer_free(nn->resource_timer);
    web_stop(nn);
    if (nn->rpc) rpc_server_stop(nn->rpc);
    worker_pool_free(nn->workers);
    topology_script_free(nn->topology_script);
    stop_core(nn);
    checkpoint_free(nn->checkpoint);
    trash_emptier_free(nn->trash);
    if (nn->journal && edit_log_stop(nn->journal, &err))
        log_error("the last edits may be missing: %s", err.text);
    release_calls(&nn->waiting);
    for (size_t i = 0; i < HELD_BUCKETS; i++) release_calls(&nn->held[i]);
    release_calls(&nn->ready);
    release_calls(&nn->sliced);
    release_calls(&nn->queue);
    rpc_server_free(nn->rpc);
    audit_close(nn->audit);
    user_groups_free(nn->groups);
    core_release(&nn->core);
    nn_storage_close(nn->storage);
    mem_free(nn->rpc_host);
    reconfig_free(nn->reconfig);
    mem_free(nn->protected_directories);
}
