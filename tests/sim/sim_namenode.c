/* The namenode's core with its journal and images, as namenode.c runs them, but without sockets, HTTP and its core thread. */
#include "tests/sim/sim.h"

#include "common/file.h"
#include "namenode/apply_tree.h"
#include "namenode/monitor.h"
#include "namenode/nn_load.h"
#include "namenode/open_file.h"
#include "namenode/retry_cache.h"
#include "namenode/safemode.h"
#include "namenode/topology.h"
#include "common/hash.h"

enum { TICK_MS = 500, LEASE_CHECK_MS = 2000, HOLD_MS = 200, RECLAIM = 10000, NAME_DIRS = 2 };

struct sim_call {
    struct arena arena;
    struct sim_message message;
    ProtobufCMessage *request, *response;
    void *progress;
    int64_t deadline_ms;
    uint64_t txid;
    bool in_retry_cache;
    int rc;
    char *text;
    uint8_t *data;
    size_t size;
    TAILQ_ENTRY(sim_call) link;
};
TAILQ_HEAD(calls, sim_call);

static struct {
    struct namenode nn;
    struct conf *conf;
    bool up, sync_planned;
    uint64_t epoch;
    int64_t leases_ms;
    struct calls waiting, held, sliced;
} server = {.waiting = TAILQ_HEAD_INITIALIZER(server.waiting),
            .held = TAILQ_HEAD_INITIALIZER(server.held),
            .sliced = TAILQ_HEAD_INITIALIZER(server.sliced)};

bool nn_is_up(void)
{
    return server.up;
}
struct core *nn_core(void)
{
    return &server.nn.core;
}
uint64_t nn_epoch(void)
{
    return server.epoch;
}

/* ---- settings ---- */

static struct conf *make_conf(const char *folder)
{
    static const char *const settings[] = {"dfs.namenode.heartbeat.recheck-interval",
                                           "30000",
                                           "dfs.namenode.lease-hard-limit-sec",
                                           "120",
                                           "dfs.namenode.reconstruction.pending.timeout-sec",
                                           "60",
                                           "dfs.namenode.fs-limits.min-block-size",
                                           "1024",
                                           "dfs.namenode.redundancy.considerLoad",
                                           "false",
                                           "dfs.namenode.edits.dir.minimum",
                                           "1"};
    struct conf *conf = conf_new();
    struct err err = ERR_INIT;
    struct buf dirs = {0};

    for (size_t i = 0; i < ARRAY_LEN(settings); i += 2)
        if (conf_set(conf, settings[i], settings[i + 1], &err)) sim_fail("%s", err.text);
    for (int i = 0; i < NAME_DIRS; i++)
        buf_printf(&dirs, "%sfile://%s/name%d", i ? "," : "", folder, i);
    if (conf_set(conf, "dfs.namenode.name.dir", buf_cstr(&dirs), &err)) sim_fail("%s", err.text);
    buf_release(&dirs);
    return conf;
}

void nn_format(void)
{
    struct nn_format format = {.cluster_id = "CID-sim"};
    struct err err = ERR_INIT;

    server.conf = make_conf(sim.scratch);
    if (nn_storage_format(server.conf, &format, &err)) sim_fail("format: %s", err.text);
}

/* ---- answers ---- */

static void call_free(struct sim_call *call)
{
    arena_release(&call->arena);
    mem_free(call->data);
    mem_free(call->text);
    mem_free(call);
}

static void answer(struct sim_call *call)
{
    net_answer(call->message.sender, call->message.ticket, call->rc, call->text, call->data,
               call->size);
    call_free(call);
}

static void drop_calls(struct calls *calls)
{
    struct sim_call *call;

    while ((call = TAILQ_FIRST(calls))) {
        TAILQ_REMOVE(calls, call, link);
        call_free(call);
    }
}

static void release_durable(void)
{
    struct sim_call *call;

    while ((call = TAILQ_FIRST(&server.waiting)) &&
           call->txid <= edit_log_synced_txid(server.nn.journal)) {
        TAILQ_REMOVE(&server.waiting, call, link);
        answer(call);
    }
}

static void die(void);

static void on_sync(void *arg UNUSED, uint64_t epoch)
{
    struct err err = ERR_INIT;

    if (!server.up || epoch != server.epoch) return;
    server.sync_planned = false;
    if (edit_log_wait(server.nn.journal, edit_log_last_txid(server.nn.journal), &err))
        die();
    else
        release_durable();
}

static void on_untimely_crash(void *arg UNUSED, uint64_t epoch)
{
    if (server.up && epoch == server.epoch) die();
}

/* The worst time to die: orders that follow from an edit are on their way, the edit is not on the disk. */
static void maybe_die_after(const struct sim_call *call)
{
    if (!sim.faulty || server.sync_planned || !str_eq(call->message.entry->method, "delete") ||
        sim.now_ms - sim.checkpoint_ms < 120000 || !once_in(20))
        return;
    server.sync_planned = true;
    sim_at(5000, on_sync, NULL, server.epoch);
    sim_at(between(0, 5000), on_untimely_crash, NULL, server.epoch);
}

static void plan_sync(void)
{
    if (server.sync_planned ||
        edit_log_synced_txid(server.nn.journal) == edit_log_last_txid(server.nn.journal))
        return;
    server.sync_planned = true;
    sim_at(between(0, once_in(50) ? 3000 : sim.sync_ms), on_sync, NULL, server.epoch);
}

void nn_settle(void)
{
    on_sync(NULL, server.epoch);
}

static void finish(struct sim_call *call)
{
    sim.hash = hash_u64(sim.hash ^ (uint64_t)call->rc, call->txid);
    if (call->txid > edit_log_synced_txid(server.nn.journal)) {
        TAILQ_INSERT_TAIL(&server.waiting, call, link);
        return;
    }
    answer(call);
}

/* ---- calls ---- */

static void pack(struct sim_call *call)
{
    call->size = protobuf_c_message_get_packed_size(call->response);
    call->data = mem_alloc(call->size + 1);
    protobuf_c_message_pack(call->response, call->data);
}

static struct op make_op(struct sim_call *call)
{
    static const char *const groups[] = {"supergroup", NULL};
    struct op op = {.arena = &call->arena,
                    .user = "root",
                    .groups = groups,
                    .superuser = true,
                    .client_ip = call->message.ip,
                    .method = call->message.entry->method,
                    .call_id = call->message.call_id,
                    .has_client_id = call->message.client_id,
                    .received_ms = server.nn.core.now_ms,
                    .deadline_ms = call->deadline_ms,
                    .progress = call->progress};

    if (op.has_client_id) memcpy(op.client_id, call->message.client_id, sizeof op.client_id);
    return op;
}

static void take_error(struct sim_call *call, int rc, const struct err *err)
{
    call->rc = rc;
    if (rc) call->text = mem_strdup(err->text);
    if (!rc) pack(call);
}

/* True: answered. */
static bool from_retry_cache(struct sim_call *call)
{
    struct core *core = &server.nn.core;
    struct err err = ERR_INIT;
    const uint8_t *payload;
    size_t size;

    if (!(call->message.entry->flags & OP_ONCE) || !call->message.client_id || call->in_retry_cache)
        return false;
    switch (retry_cache_begin(core->retry_cache, call->message.client_id, call->message.call_id,
                              core->now_ms, &payload, &size)) {
    case RETRY_CACHE_NEW: call->in_retry_cache = true; return false;
    case RETRY_CACHE_RUNNING: return false;
    default: break;
    }
    sim.counts.repeated++;
    if (payload) {
        call->data = mem_alloc(size + 1);
        memcpy(call->data, payload, size);
        call->size = size;
    } else {
        struct op op = make_op(call);
        take_error(call, op_repeat(core, &op, call->request, call->response, &err), &err);
    }
    call->txid = core->txid_applied;
    finish(call);
    return true;
}

static void settle_retry_cache(struct sim_call *call)
{
    struct retry_cache *cache = server.nn.core.retry_cache;

    if (!call->in_retry_cache) return;
    if (call->rc)
        retry_cache_fail(cache, call->message.client_id, call->message.call_id);
    else
        retry_cache_succeed(cache, call->message.client_id, call->message.call_id, call->data,
                            call->size);
}

static void run_call(struct sim_call *call)
{
    const struct op_entry *entry = call->message.entry;
    struct core *core = &server.nn.core;
    struct err err = ERR_INIT;

    call->response = arena_alloc(&call->arena, entry->response->sizeof_message);
    entry->response->message_init(call->response);
    if (from_retry_cache(call)) return;
    struct op op = make_op(call);
    uint64_t before = core->txid_applied;
    server.nn.recent.seen = 0;
    int rc = entry->run(core, &op, call->request, call->response, &err);
    call->txid = MAX(call->txid, core->txid_applied != before || op.orders ? core->txid_applied
                                                                           : server.nn.recent.seen);
    if (rc == OP_HOLD) {
        if (!call->deadline_ms) call->deadline_ms = core->now_ms + HOLD_MS;
        TAILQ_INSERT_TAIL(&server.held, call, link);
        return;
    }
    if (rc == OP_AGAIN) {
        call->progress = op.progress;
        TAILQ_INSERT_TAIL(&server.sliced, call, link);
        return;
    }
    take_error(call, rc, &err);
    settle_retry_cache(call);
    maybe_die_after(call);
    sim_trace("%s %d", entry->method, rc);
    finish(call);
}

static void run_again(struct calls *calls)
{
    struct calls now = TAILQ_HEAD_INITIALIZER(now);
    struct sim_call *call;

    TAILQ_CONCAT(&now, calls, link);
    while ((call = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, call, link);
        run_call(call);
    }
}

static void set_time(void)
{
    server.nn.core.now_ms = sim.now_ms;
    server.nn.core.now_wall_ms = INT64_C(1700000000000) + sim.now_ms;
}

static void after_work(void)
{
    run_again(&server.held); /* those whose block is not complete are held again */
    for (int i = 0; i < 1000 && tree_reclaim(&server.nn.core, RECLAIM); i++) {}
    for (int i = 0; i < 1000 && core_work(&server.nn.core); i++) {}
    run_again(&server.sliced);
    plan_sync();
}

void nn_receive(const struct sim_message *message)
{
    struct sim_call *call = NEW(struct sim_call);

    sim.counts.calls++;
    call->message = *message;
    call->message.ip = arena_strdup(&call->arena, message->ip);
    if (message->client_id)
        call->message.client_id = arena_copy(&call->arena, message->client_id, 16);
    call->request = protobuf_c_message_unpack(message->entry->request, arena_protobuf(&call->arena),
                                              message->size, message->data);
    sim_require(call->request, "%s does not unpack", message->entry->method);
    set_time();
    run_call(call);
    after_work();
}

static void on_tick(void *arg UNUSED, uint64_t epoch)
{
    struct core *core = &server.nn.core;

    if (!server.up || epoch != server.epoch) return;
    set_time();
    core_tick(core);
    if (core->now_ms - server.leases_ms >= LEASE_CHECK_MS && !safemode_is_on(core)) {
        lease_monitor_tick(core);
        server.leases_ms = core->now_ms;
    }
    retry_cache_expire(core->retry_cache, core->now_ms);
    after_work();
    sim_at(TICK_MS, on_tick, NULL, epoch);
}

/* ---- life ---- */

static void learn_racks(void)
{
    for (uint32_t i = 0; i < sim.datanode_count; i++)
        topology_learn(server.nn.core.datanodes.topology, datanodes[i].peer.ip, datanodes[i].rack);
}

void nn_start(void)
{
    struct namenode *nn = &server.nn;
    struct err err = ERR_INIT;
    int rc;

    memset(nn, 0, sizeof *nn);
    nn->conf = server.conf;
    nn->core.random = chance(UINT64_MAX);
    set_time();
    rc = core_conf_load(&nn->core.conf, nn->conf, &err);
    nn->core.conf.superuser = "root";
    if (!rc) rc = nn_storage_open(&nn->storage, nn->conf, &err);
    if (!rc) rc = nn_load(&nn->core, nn->storage, sim.now_ms, &err);
    if (!rc) rc = edit_log_start(&nn->journal, nn->storage, nn->core.txid_applied, NULL, &err);
    if (rc) sim_fail("the namenode does not start: %s", err.text);
    nn->core.txid_applied = edit_log_last_txid(nn->journal);
    nn->core.tree.recent = &nn->recent;
    nn->core.sink = edit_log_append;
    nn->core.sink_context = nn->journal;
    nn->checkpoint = checkpoint_new(&nn->core, nn->storage, nn->journal, nn->conf);
    learn_racks();
    safemode_start(&nn->core);
    server.up = true;
    server.sync_planned = false;
    server.leases_ms = sim.now_ms;
    server.epoch++;
    sim_trace("namenode starts, txid %" PRIu64, nn->core.txid_applied);
    for (uint32_t i = 0; i < sim.client_count; i++) model_check(&clients[i]);
    sim_at(TICK_MS, on_tick, NULL, server.epoch);
}

static void release_all(void)
{
    struct err err = ERR_INIT;

    checkpoint_free(server.nn.checkpoint);
    if (edit_log_stop(server.nn.journal, &err) && !disk_is_dead())
        sim_trace("the journal ends: %s", err.text);
    drop_calls(&server.waiting);
    drop_calls(&server.held);
    drop_calls(&server.sliced);
    core_release(&server.nn.core);
    nn_storage_close(server.nn.storage);
    server.up = false;
}

static void on_restart(void *arg UNUSED, uint64_t epoch)
{
    if (!server.up && epoch == server.epoch) nn_start();
}

/* The journal failed, or power did: what was not synced is gone. */
static void die(void)
{
    sim.counts.restarts++;
    sim_trace("namenode dies, txid %" PRIu64, server.nn.core.txid_applied);
    disk_power(false);
    release_all();
    disk_crash();
    disk_full(-1);
    sim_at(between(500, 20000), on_restart, NULL, server.epoch);
}

void nn_crash(bool with_sync)
{
    struct err err = ERR_INIT;

    if (!server.up) return;
    if (with_sync) {
        disk_fail_in((int)chance(2));
        if (once_in(4)) checkpoint_roll_edits(server.nn.checkpoint);
        if (edit_log_wait(server.nn.journal, edit_log_last_txid(server.nn.journal), &err) == 0)
            release_durable();
    }
    die();
}

void nn_stop(void)
{
    struct err err = ERR_INIT;

    if (!server.up) return;
    if (edit_log_wait(server.nn.journal, edit_log_last_txid(server.nn.journal), &err))
        sim_fail("%s", err.text);
    release_all();
    conf_free(server.conf);
}

void nn_checkpoint(void)
{
    struct err err = ERR_INIT;
    bool saved;

    if (!server.up) return;
    if (checkpoint_save_now(server.nn.checkpoint, 0, 0, &saved, &err)) {
        sim_trace("no checkpoint: %s", err.text);
        die();
        return;
    }
    sim.counts.checkpoints++;
    sim.checkpoint_ms = sim.now_ms;
    release_durable();
}

/* ---- the directories, loaded by another ---- */

struct core *nn_reload(void)
{
    char *copy = mem_printf("%s/copy", sim.scratch);
    char *command = mem_printf("rm -rf %s && mkdir %s && cp -r %s/name0 %s/name1 %s/ && "
                               "rm -f %s/name*/in_use.lock",
                               copy, copy, sim.scratch, sim.scratch, copy, copy);
    struct conf *conf = make_conf(copy);
    struct core *core = NEW(struct core);
    struct nn_storage *storage;
    struct err err = ERR_INIT;

    sim_require(system(command) == 0, "%s", command);
    int rc = core_conf_load(&core->conf, conf, &err);
    if (!rc) rc = nn_storage_open(&storage, conf, &err);
    if (!rc) rc = nn_load(core, storage, sim.now_ms, &err);
    if (rc) sim_fail("reload: %s", err.text);
    nn_storage_close(storage);
    conf_free(conf);
    mem_free(command);
    mem_free(copy);
    return core;
}

void nn_reload_free(struct core *core)
{
    core_release(core);
    mem_free(core);
}
