#include "datanode/nn_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/user.h"
#include "common/xfer_ack.h"
#include "datanode/full_report.h"
#include "datanode/nn_command.h"
#include "datanode/xceiver.h"

enum { STACK_SIZE = 256 * 1024, CALL_TIMEOUT_MS = 60000, OUTLIERS_MAX = 64 };

enum link_state { LINK_CONNECT, LINK_REGISTER, LINK_REPORT, LINK_SERVE, LINK_ENDED };

static const char *const state_names[] = {"CONNECTING", "REGISTERING", "REPORTING", "RUNNING",
                                          "FAILED"};

struct nn_link {
    struct nn_service *service;
    char *address;
    struct rpc_client *client;
    struct report_queue *queue;
    pthread_t heart, reporter;
    bool heart_runs, reporter_runs;

    pthread_mutex_t sending; /* held over a full report, so that no change overtakes it */

    pthread_mutex_t lock; /* guards the next ones */
    pthread_cond_t wake;
    enum link_state state;
    bool stop, hurry, want_report;

    /* The heart thread's own. */
    uint64_t lease;
    int64_t next_report_ms; /* of the next full one */
    bool first_report;
    int64_t next_outliers_ms;                          /* when slow peers and disks are told next */
    atomic_bool called_slow;                           /* by the newest answer to a heartbeat */
    _Atomic int64_t last_heartbeat_ms, last_report_ms; /* 0: never */
    atomic_int ha_state;                               /* Pb__NNHAStatusHeartbeat__State, or -1 */
};

/* ---- small ones ---- */

static struct datanode *dn_of(const struct nn_link *link)
{
    return link->service->dn;
}

static void set_state(struct nn_link *link, enum link_state state)
{
    pthread_mutex_lock(&link->lock);
    link->state = state;
    pthread_mutex_unlock(&link->lock);
}

static bool stopped(struct nn_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool stop = link->stop;
    pthread_mutex_unlock(&link->lock);
    return stop;
}

/* Sleeps until the time, the stop, or a wish. */
static void wait_until(struct nn_link *link, int64_t when_ms)
{
    struct timespec until = {.tv_sec = when_ms / 1000, .tv_nsec = when_ms % 1000 * 1000000};

    pthread_mutex_lock(&link->lock);
    while (!link->stop && !link->hurry)
        if (pthread_cond_timedwait(&link->wake, &link->lock, &until)) break;
    link->hurry = false;
    pthread_mutex_unlock(&link->lock);
}

static void wake(struct nn_link *link, bool report)
{
    pthread_mutex_lock(&link->lock);
    link->hurry = true;
    if (report) link->want_report = true;
    pthread_cond_signal(&link->wake);
    pthread_mutex_unlock(&link->lock);
}

void nn_registration(struct datanode *dn, const struct block_pool *pool,
                     Pb__DatanodeRegistration *registration, struct arena *arena)
{
    pb__datanode_registration__init(registration);
    registration->datanodeid = ARENA_NEW(arena, Pb__DatanodeID);
    registration->storageinfo = ARENA_NEW(arena, Pb__StorageInfo);
    registration->keys = ARENA_NEW(arena, Pb__ExportedBlockKeys);
    datanode_id(dn, registration->datanodeid);
    pb__storage_info__init(registration->storageinfo);
    registration->storageinfo->layoutversion = (uint32_t)DN_LAYOUT_VERSION;
    registration->storageinfo->namespceid = pool->info.namespace_id;
    registration->storageinfo->clusterid = (char *)(uintptr_t)pool->info.cluster_id;
    registration->storageinfo->ctime = pool->info.ctime;
    pb__exported_block_keys__init(registration->keys);
    registration->keys->currentkey = ARENA_NEW(arena, Pb__BlockKey);
    pb__block_key__init(registration->keys->currentkey);
    registration->softwareversion = arena_strdup(arena, DN_SOFTWARE_VERSION);
}

/* True when the error means that the namenode, not the network, refuses us for good. */
static bool is_final(int code)
{
    return code == ERR_INCORRECT_VERSION || code == ERR_INCONSISTENT_STATE ||
           code == ERR_DISALLOWED_DATANODE;
}

/* ---- hello ---- */

static int connect_pool(struct nn_link *link, struct arena *arena, bool *final, struct err *err)
{
    Pb__VersionRequestRequest request = PB__VERSION_REQUEST_REQUEST__INIT;
    ProtobufCMessage *answer;
    struct namespace_info info;
    struct block_pool *pool;

    int rc = rpc_client_call(link->client, "versionRequest", &request.base,
                             &pb__version_request_response__descriptor, arena, &answer, err);
    if (rc) return rc;
    const Pb__NamespaceInfo *ns = ((Pb__VersionRequestResponse *)answer)->info;
    rc = namespace_info_check_version(ns->softwareversion, err);
    if (!rc)
        rc = namespace_info_set(&info, ns->blockpoolid, ns->storageinfo->clusterid,
                                ns->storageinfo->namespceid, ns->storageinfo->ctime, err);
    if (!rc) rc = datanode_pool(dn_of(link), &info, &pool, err);
    if (rc) {
        *final = true;
        return rc;
    }
    pthread_mutex_lock(&link->service->lock);
    struct block_pool *known = link->service->pool;
    if (!known) {
        pool->service = link->service;
        pool->report = link->service->report;
        link->service->pool = pool;
    } else if (known != pool) {
        *final = true;
        rc = err_set(err, ERR_IO,
                     "namenode %s serves block pool %s, the other namenodes of %s serve %s",
                     link->address, pool->info.pool_id, link->service->name, known->info.pool_id);
    }
    pthread_mutex_unlock(&link->service->lock);
    return rc;
}

static int say_hello(struct nn_link *link, struct arena *arena, struct err *err)
{
    struct datanode *dn = dn_of(link);
    Pb__RegisterDatanodeRequest request = PB__REGISTER_DATANODE_REQUEST__INIT;
    Pb__DatanodeRegistration registration;

    nn_registration(dn, link->service->pool, &registration, arena);
    request.registration = &registration;
    int rc = rpc_client_call(link->client, "registerDatanode", &request.base,
                             &pb__register_datanode_response__descriptor, arena, NULL, err);
    if (rc) return rc;
    log_info("Block pool %s (Datanode Uuid %s) service to %s successfully registered with NN",
             link->service->pool->info.pool_id, dn->uuid, link->address);
    report_queue_set_active(link->queue, true);
    link->first_report = true;
    link->lease = 0;
    link->next_report_ms = 0;
    return 0;
}

/* ---- heartbeats ---- */

static Pb__StorageReport *storage_report(struct volume *volume, const struct block_pool *pool,
                                         struct arena *arena)
{
    Pb__StorageReport *report = ARENA_NEW(arena, Pb__StorageReport);
    struct volume_space space = {0};
    struct err err = ERR_INIT;

    pb__storage_report__init(report);
    report->storage = ARENA_NEW(arena, Pb__DatanodeStorage);
    pb__datanode_storage__init(report->storage);
    report->storageuuid = report->storage->storageuuid = (char *)(uintptr_t)volume->uuid;
    report->storage->has_state = report->storage->has_storagetype = 1;
    report->storage->storagetype = volume->type;
    bool failed = volume_space(volume, &space, &err) != 0;
    if (failed) dataset_note_error(pool->dataset, volume->index, &err);
    report->has_failed = report->has_capacity = report->has_dfsused = 1;
    report->has_remaining = report->has_blockpoolused = report->has_nondfsused = 1;
    report->failed = failed;
    report->capacity = space.capacity;
    if (!failed) atomic_store(&volume->capacity, space.capacity);
    report->dfsused = space.used;
    report->remaining = space.remaining;
    report->nondfsused = space.non_dfs_used;
    report->blockpoolused = (uint64_t)MAX(atomic_load(&pool->use[volume->index].used), (int64_t)0);
    return report;
}

static void add_failures(struct datanode *dn, Pb__SendHeartbeatRequest *request,
                         struct arena *arena)
{
    struct dataset *dataset = dn->dataset;
    Pb__VolumeFailureSummary *summary;

    size_t count = dataset->volume_count;

    summary = ARENA_NEW(arena, Pb__VolumeFailureSummary);
    pb__volume_failure_summary__init(summary);
    summary->failedstoragelocations = arena_alloc(arena, count * sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const struct volume *v = dataset->volumes[i];
        if (!atomic_load(&v->failed) || atomic_load(&v->removed)) continue;
        summary->failedstoragelocations[summary->n_failedstoragelocations++] = v->dir;
        summary->lastvolumefailuredate =
            MAX(summary->lastvolumefailuredate, (uint64_t)atomic_load(&v->failed_ms));
        summary->estimatedcapacitylosttotal += atomic_load(&v->capacity);
    }
    request->has_failedvolumes = 1;
    request->failedvolumes = (uint32_t)summary->n_failedstoragelocations;
    if (request->failedvolumes) request->volumefailuresummary = summary;
}

/* Slow peers and disks, each report interval (BPServiceActor.sendHeartBeat). */
static void add_outliers(struct nn_link *link, Pb__SendHeartbeatRequest *request,
                         struct arena *arena)
{
    struct datanode *dn = dn_of(link);
    int64_t now = clock_mono_ms();

    if ((!dn->peer_latency && !dn->disk_latency) || now < link->next_outliers_ms) return;
    link->next_outliers_ms = now + dn->settings.outliers_ms;
    struct outlier *found = arena_alloc(arena, OUTLIERS_MAX * sizeof *found);
    request->slowpeers = arena_alloc(arena, OUTLIERS_MAX * sizeof *request->slowpeers);
    size_t count =
        latencies_outliers(dn->peer_latency, &dn->settings.slow_peer, now, found, OUTLIERS_MAX);
    for (size_t i = 0; i < count; i++) {
        Pb__SlowPeerReport *report = ARENA_NEW(arena, Pb__SlowPeerReport);
        pb__slow_peer_report__init(report);
        report->datanodeid = arena_strdup(arena, found[i].name);
        report->has_aggregatelatency = report->has_median = report->has_mad =
            report->has_upperlimitlatency = 1;
        report->aggregatelatency = found[i].latency;
        report->median = found[i].median;
        report->mad = found[i].mad;
        report->upperlimitlatency = found[i].limit;
        request->slowpeers[request->n_slowpeers++] = report;
    }
    request->slowdisks = arena_alloc(arena, OUTLIERS_MAX * sizeof *request->slowdisks);
    count = latencies_outliers(dn->disk_latency, &dn->settings.slow_disk, now, found, OUTLIERS_MAX);
    for (size_t i = 0; i < count; i++) {
        Pb__SlowDiskReport *report = ARENA_NEW(arena, Pb__SlowDiskReport);
        pb__slow_disk_report__init(report);
        report->basepath = arena_strdup(arena, found[i].name);
        report->has_meanwriteiolatency = 1;
        report->meanwriteiolatency = found[i].latency;
        request->slowdisks[request->n_slowdisks++] = report;
    }
}

static void fill_heartbeat(struct nn_link *link, Pb__SendHeartbeatRequest *request, bool want_lease,
                           struct arena *arena)
{
    struct datanode *dn = dn_of(link);
    struct dataset *dataset = dn->dataset;

    pb__send_heartbeat_request__init(request);
    request->registration = ARENA_NEW(arena, Pb__DatanodeRegistration);
    nn_registration(dn, link->service->pool, request->registration, arena);
    size_t count = dataset->volume_count;
    request->reports = arena_alloc(arena, count * sizeof *request->reports);
    for (size_t i = 0; i < count; i++)
        if (!atomic_load(&dataset->volumes[i]->failed))
            request->reports[request->n_reports++] =
                storage_report(dataset->volumes[i], link->service->pool, arena);
    request->has_xmitsinprogress = request->has_xceivercount = 1;
    request->xmitsinprogress = (uint32_t)MAX(atomic_load(&dn->transfers_running), 0);
    request->xceivercount =
        (uint32_t)xceiver_count(dn->xceiver) + 1; /* Java counts its server thread */
    request->has_cachecapacity = request->has_cacheused = 1;
    request->has_requestfullblockreportlease = 1;
    request->requestfullblockreportlease = want_lease;
    add_failures(dn, request, arena);
    add_outliers(link, request, arena);
}

/* Who is active: the newest claim by transaction id wins; a standby's word ends its own claim only.
 */
static bool judge_ha(struct nn_link *link, const Pb__NNHAStatusHeartbeat *ha)
{
    struct nn_service *service = link->service;

    atomic_store(&link->ha_state, (int)ha->state);
    pthread_mutex_lock(&service->lock);
    if (ha->state == PB__NNHASTATUS_HEARTBEAT__STATE__ACTIVE) {
        if (service->active != link && ha->txid >= service->active_txid) {
            if (service->link_count > 1)
                log_info("Namenode %s trying to claim ACTIVE state with txid=%" PRIu64,
                         link->address, ha->txid);
            service->active = link;
        }
        if (service->active == link) service->active_txid = ha->txid;
    } else if (service->active == link) {
        log_info("Namenode %s relinquished ACTIVE state", link->address);
        service->active = NULL;
    }
    bool active = service->active == link;
    pthread_mutex_unlock(&service->lock);
    return active;
}

/* BPServiceActor.handleRollingUpgradeStatus; before the orders, as they may delete. */
static void judge_rolling(struct block_pool *pool, const Pb__SendHeartbeatResponse *answer)
{
    const Pb__RollingUpgradeStatus *status = answer->rollingupgradestatusv2
                                                 ? answer->rollingupgradestatusv2
                                                 : answer->rollingupgradestatus;

    if (status && str_eq(status->blockpoolid, pool->info.pool_id))
        dataset_set_rolling(pool, !status->finalized);
}

/* What acks tell writers of this node (DataNode.getECN, getSLOWByBlockPoolId). */
static void set_ack_marks(struct nn_service *service)
{
    const struct dn_settings *settings = &service->dn->settings;
    struct block_pool *pool = service->pool;
    unsigned marks = 0;
    double load;

    if (settings->tell_congestion) {
        double most = settings->congestion_ratio * (double)sysconf(_SC_NPROCESSORS_ONLN);
        bool congested = getloadavg(&load, 1) == 1 && load > most;
        marks |= congested ? XFER_ACK_ECN_CONGESTED : XFER_ACK_ECN_SUPPORTED;
    }
    if (settings->tell_slowness) {
        bool slow = false;
        for (size_t i = 0; i < service->link_count; i++)
            slow |= atomic_load(&service->links[i]->called_slow);
        marks |= slow ? XFER_ACK_SLOW_SLOW : XFER_ACK_SLOW_NORMAL;
    }
    atomic_store(&pool->ack_marks, marks);
}

static int send_heartbeat(struct nn_link *link, bool want_lease, struct arena *arena,
                          bool *reregister, struct err *err)
{
    Pb__SendHeartbeatRequest request;
    ProtobufCMessage *message;

    fill_heartbeat(link, &request, want_lease, arena);
    int rc = rpc_client_call(link->client, "sendHeartbeat", &request.base,
                             &pb__send_heartbeat_response__descriptor, arena, &message, err);
    if (rc) return rc;
    atomic_store(&link->last_heartbeat_ms, clock_mono_ms());
    const Pb__SendHeartbeatResponse *answer = (Pb__SendHeartbeatResponse *)message;
    atomic_store(&link->called_slow, answer->has_isslownode && answer->isslownode);
    set_ack_marks(link->service);
    bool active = judge_ha(link, answer->hastatus);
    if (answer->has_fullblockreportleaseid && answer->fullblockreportleaseid)
        link->lease = answer->fullblockreportleaseid;
    if (active) judge_rolling(link->service->pool, answer);
    for (size_t i = 0; i < answer->n_cmds; i++)
        if (!nn_command_run(link->service->pool, answer->cmds[i], active)) *reregister = true;
    return 0;
}

/* ---- full reports ---- */

static int send_report(struct nn_link *link, Pb__StorageBlockReport **reports, size_t count,
                       Pb__BlockReportContext *context, struct arena *arena, struct err *err)
{
    Pb__BlockReportRequest request = PB__BLOCK_REPORT_REQUEST__INIT;
    Pb__DatanodeRegistration registration;
    ProtobufCMessage *message;
    struct block_pool *pool = link->service->pool;

    nn_registration(dn_of(link), pool, &registration, arena);
    request.registration = &registration;
    request.blockpoolid = pool->info.pool_id;
    request.n_reports = count;
    request.reports = reports;
    request.context = context;
    int rc = rpc_client_call(link->client, "blockReport", &request.base,
                             &pb__block_report_response__descriptor, arena, &message, err);
    if (rc) return rc;
    const Pb__BlockReportResponse *answer = (Pb__BlockReportResponse *)message;
    if (answer->cmd) nn_command_run(pool, answer->cmd, true);
    return 0;
}

static int send_reports(struct nn_link *link, struct report_storage *storages, uint64_t blocks,
                        struct arena *arena, struct err *err)
{
    struct dataset *dataset = dn_of(link)->dataset;
    size_t volumes = dataset->volume_count;
    Pb__StorageBlockReport **reports =
        arena_alloc(arena, MAX(volumes, (size_t)1) * sizeof *reports);
    Pb__BlockReportContext context = PB__BLOCK_REPORT_CONTEXT__INIT;
    size_t count = 0;
    int rc = 0;

    for (size_t i = 0; i < volumes; i++)
        if (!atomic_load(&dataset->volumes[i]->failed))
            reports[count++] = full_report_message(dataset->volumes[i], &storages[i], arena);
    bool split = blocks > (uint64_t)dn_of(link)->settings.report_split && count > 1;
    rand_bytes(&context.id, sizeof context.id);
    context.has_leaseid = 1;
    context.leaseid = link->lease;
    context.totalrpcs = split ? (int32_t)count : 1;
    for (int32_t i = 0; i < context.totalrpcs && !rc; i++) {
        context.currpc = i;
        rc = send_report(link, split ? &reports[i] : reports, split ? 1 : count, &context, arena,
                         err);
    }
    return rc;
}

static int full_report(struct nn_link *link, struct arena *arena, struct err *err)
{
    struct report_storage *storages =
        NEW_ARRAY(struct report_storage, REPLICA_VOLUMES_MAX); /* one may come meanwhile */
    int64_t start = clock_mono_ms();

    pthread_mutex_lock(&link->sending);
    uint64_t blocks = full_report_collect(link->service->pool, storages);
    int rc = send_reports(link, storages, blocks, arena, err);
    pthread_mutex_unlock(&link->sending);
    for (size_t i = 0; i < REPLICA_VOLUMES_MAX; i++) report_storage_release(&storages[i]);
    mem_free(storages);
    link->lease = 0;
    if (rc) return rc;
    log_info("Sent a full block report of %" PRIu64 " blocks to %s in %" PRId64 " ms", blocks,
             link->address, clock_mono_ms() - start);
    atomic_store(&link->last_report_ms, clock_mono_ms());
    return 0;
}

static int64_t report_interval(struct nn_link *link)
{
    /* The second report comes at a random time, so that the datanodes of a cluster spread. */
    int64_t interval = dn_of(link)->settings.report_ms;

    if (!link->first_report) return interval;
    link->first_report = false;
    return interval > 0 ? random() % interval : interval;
}

static bool report_due(struct nn_link *link)
{
    pthread_mutex_lock(&link->lock);
    if (link->want_report) link->next_report_ms = 0;
    link->want_report = false;
    pthread_mutex_unlock(&link->lock);
    return clock_mono_ms() >= link->next_report_ms;
}

/* ---- the heart ---- */

static int beat(struct nn_link *link, struct arena *arena, bool *reregister, struct err *err)
{
    bool due = report_due(link);

    int rc = send_heartbeat(link, due && !link->lease, arena, reregister, err);
    if (rc || *reregister || !due || !link->lease) return rc;
    rc = full_report(link, arena, err);
    if (!rc) link->next_report_ms = clock_mono_ms() + report_interval(link);
    return rc == ERR_INVALID_REPORT_LEASE ? 0 : rc; /* the next heartbeat asks for another */
}

/* One step by state; returns how long to rest. */
static int64_t step(struct nn_link *link, struct err *err)
{
    struct arena arena = {0};
    bool final = false, reregister = false;
    enum link_state next = link->state;
    int64_t rest = 0;
    int rc = 0;

    switch (link->state) {
    case LINK_CONNECT:
        rc = connect_pool(link, &arena, &final, err);
        next = LINK_REGISTER;
        break;
    case LINK_REGISTER:
        rc = say_hello(link, &arena, err);
        next = LINK_SERVE;
        break;
    default:
        rc = beat(link, &arena, &reregister, err);
        rest = dn_of(link)->settings.heartbeat_ms;
        break;
    }
    arena_release(&arena);
    if (rc == ERR_UNREGISTERED) reregister = true;
    if (rc && (final || (is_final(rc) && link->state != LINK_SERVE))) {
        log_error("Initialization failed for Block pool of %s service to %s: %s",
                  link->service->name, link->address, err->text);
        set_state(link, LINK_ENDED);
        return 0;
    }
    if (reregister) {
        log_info("Namenode %s wants us to register again", link->address);
        report_queue_set_active(link->queue, false);
        set_state(link, LINK_CONNECT);
        return rc ? NN_RETRY_MS : 0;
    }
    if (rc) {
        log_limited(LOG_WARN, 10000, "namenode %s: %s", link->address, err->text);
        return NN_RETRY_MS;
    }
    set_state(link, next);
    return rest;
}

static void *run_heart(void *arg)
{
    struct nn_link *link = arg;

    while (!stopped(link) && link->state != LINK_ENDED) {
        struct err err = ERR_INIT;
        int64_t rest = step(link, &err);
        if (rest) wait_until(link, clock_mono_ms() + rest);
    }
    if (link->state == LINK_ENDED) datanode_service_ended(dn_of(link));
    return NULL;
}

/* ---- the reporter ---- */

static int send_changes(struct nn_link *link, Pb__BlockReceivedAndDeletedRequest *request,
                        struct arena *arena, struct err *err)
{
    Pb__DatanodeRegistration registration;
    struct block_pool *pool = link->service->pool;

    nn_registration(dn_of(link), pool, &registration, arena);
    request->registration = &registration;
    request->blockpoolid = pool->info.pool_id;
    int rc =
        rpc_client_call(link->client, "blockReceivedAndDeleted", &request->base,
                        &pb__block_received_and_deleted_response__descriptor, arena, NULL, err);
    request->registration = NULL;
    return rc;
}

static void *run_reporter(void *arg)
{
    struct nn_link *link = arg;
    struct arena arena = {0};

    while (!stopped(link)) {
        struct err err = ERR_INIT;
        Pb__BlockReceivedAndDeletedRequest *request;
        request = report_queue_take(link->queue, 60000, &arena);
        if (request) {
            pthread_mutex_lock(&link->sending);
            int rc = send_changes(link, request, &arena, &err);
            pthread_mutex_unlock(&link->sending);
            report_queue_done(link->queue, !rc);
            if (rc)
                log_limited(LOG_WARN, 10000, "report of changes to %s: %s", link->address,
                            err.text);
            if (rc == ERR_UNREGISTERED) wake(link, false);
            if (rc && !stopped(link)) clock_sleep_ms(NN_RETRY_MS);
        }
        arena_clear(&arena);
    }
    arena_release(&arena);
    return NULL;
}

/* ---- life ---- */

static struct nn_link *link_new(struct nn_service *service, const struct net_addr *addr)
{
    struct nn_link *link = NEW(struct nn_link);
    pthread_condattr_t clock;
    char *user = user_current();
    struct rpc_client_options options = {.host = addr->host,
                                         .port = addr->port,
                                         .protocol = NN_PROTOCOL,
                                         .user = user,
                                         .timeout_ms = CALL_TIMEOUT_MS};

    link->service = service;
    link->address = mem_printf("%s:%u", addr->host, addr->port);
    link->client = rpc_client_new(&options);
    mem_free(user);
    link->queue = report_queue_new(service->report);
    link->ha_state = -1;
    pthread_mutex_init(&link->sending, NULL);
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&link->wake, &clock);
    pthread_condattr_destroy(&clock);
    return link;
}

static int start_thread(pthread_t *thread, void *(*run)(void *), struct nn_link *link,
                        const char *name, bool *runs, struct err *err)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int failed = pthread_create(thread, &attr, run, link);
    pthread_attr_destroy(&attr);
    if (failed) return err_set_errno(err, failed, "start thread %s", name);
    pthread_setname_np(*thread, name);
    *runs = true;
    return 0;
}

static void link_stop(struct nn_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->stop = true;
    pthread_cond_signal(&link->wake);
    pthread_mutex_unlock(&link->lock);
    report_queue_wake(link->queue);
    rpc_client_disconnect(link->client); /* ends calls that wait */
    if (link->heart_runs) pthread_join(link->heart, NULL);
    report_queue_wake(link->queue);
    if (link->reporter_runs) pthread_join(link->reporter, NULL);
}

static void link_free(struct nn_link *link)
{
    report_queue_free(link->queue);
    rpc_client_free(link->client);
    pthread_mutex_destroy(&link->sending);
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->wake);
    mem_free(link->address);
    mem_free(link);
}

/* ---- services by configuration ---- */

static const char *conf_with_suffix(const struct conf *conf, const char *key, const char *suffix)
{
    char *name = suffix && *suffix ? mem_printf("%s.%s", key, suffix) : mem_strdup(key);
    const char *value = conf_get(conf, name);

    mem_free(name);
    return str_empty(value) ? NULL : value;
}

/* The address datanodes use: servicerpc-address, rpc-address, and without nameservices
 * fs.defaultFS. */
static const char *rpc_address(const struct conf *conf, const char *suffix)
{
    const char *value = conf_with_suffix(conf, "dfs.namenode.servicerpc-address", suffix);

    if (!value) value = conf_with_suffix(conf, "dfs.namenode.rpc-address", suffix);
    if (!value && !suffix) value = conf_str(conf, CONF_fs_defaultFS);
    return value;
}

static int add_link(struct nn_service *service, const char *suffix, struct err *err)
{
    const char *text = rpc_address(service->dn->conf, suffix);
    struct net_addr addr;

    if (!text || str_starts(text, "file:"))
        return err_set(
            err, ERR_CONFIG,
            "Incorrect configuration: namenode address dfs.namenode.servicerpc-address or "
            "dfs.namenode.rpc-address is not configured%s%s",
            suffix ? " for " : "", suffix ? suffix : "");
    int rc = net_parse(text, 8020, &addr, err);
    if (rc) return rc;
    if (service->link_count == NN_LINKS_MAX)
        return err_set(err, ERR_CONFIG, "more than %d namenodes in %s", NN_LINKS_MAX,
                       service->name);
    service->links[service->link_count++] = link_new(service, &addr);
    return 0;
}

static int add_service(struct datanode *dn, const char *name, struct err *err)
{
    struct nn_service *service = NEW(struct nn_service);
    char *key = mem_printf("dfs.ha.namenodes.%s", name ? name : "");
    const char *namenodes = name ? conf_get(dn->conf, key) : NULL;
    int rc = 0;

    mem_free(key);
    service->dn = dn;
    service->name = mem_strdup(name ? name : "");
    service->report = nn_report_new();
    pthread_mutex_init(&service->lock, NULL);
    dn->services[dn->service_count++] = service;
    if (str_empty(namenodes)) return add_link(service, name, err);
    char *list = mem_strdup(namenodes), *at = list, *id;
    while (!rc && (id = strtok_r(at, ", \t\n", &at))) {
        char *suffix = mem_printf("%s.%s", name, id);
        rc = add_link(service, suffix, err);
        mem_free(suffix);
    }
    mem_free(list);
    return rc;
}

int nn_services_new(struct datanode *dn, struct err *err)
{
    const char *internal = conf_get(dn->conf, "dfs.internal.nameservices");
    char *list =
        mem_strdup(!str_empty(internal) ? internal : conf_str(dn->conf, CONF_dfs_nameservices));
    char *at = list, *name;
    int rc = 0;

    while (!rc && (name = strtok_r(at, ", \t\n", &at))) {
        if (dn->service_count == DN_SERVICES_MAX)
            rc = err_set(err, ERR_CONFIG, "more than %d nameservices", DN_SERVICES_MAX);
        else
            rc = add_service(dn, name, err);
    }
    mem_free(list);
    if (!rc && !dn->service_count) rc = add_service(dn, NULL, err);
    return rc;
}

int nn_services_start(struct datanode *dn, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < dn->service_count; i++)
        for (size_t k = 0; k < dn->services[i]->link_count && !rc; k++) {
            struct nn_link *link = dn->services[i]->links[k];
            rc = start_thread(&link->heart, run_heart, link, "heart", &link->heart_runs, err);
            if (!rc)
                rc = start_thread(&link->reporter, run_reporter, link, "report",
                                  &link->reporter_runs, err);
        }
    return rc;
}

void nn_services_stop(struct datanode *dn)
{
    for (size_t i = 0; i < dn->service_count; i++)
        for (size_t k = 0; k < dn->services[i]->link_count; k++)
            link_stop(dn->services[i]->links[k]);
}

void nn_services_free(struct datanode *dn)
{
    for (size_t i = 0; i < dn->service_count; i++) {
        struct nn_service *service = dn->services[i];
        for (size_t k = 0; k < service->link_count; k++) link_free(service->links[k]);
        nn_report_free(service->report);
        pthread_mutex_destroy(&service->lock);
        mem_free(service->name);
        mem_free(service);
    }
    dn->service_count = 0;
}

/* ---- wishes of others ---- */

/* Whether two texts name the same port of the same host: a client may say "localhost", the configuration "127.0.0.1". */
static bool same_address(const char *a, const char *b)
{
    struct net_addr x, y;
    struct net_sockaddr of_x[NET_RESOLVE_MAX], of_y[NET_RESOLVE_MAX];
    size_t count_x, count_y;
    struct err err = ERR_INIT;

    if (str_eq(a, b)) return true;
    if (net_parse(a, -1, &x, &err) || net_parse(b, -1, &y, &err) || x.port != y.port ||
        net_resolve(&x, of_x, &count_x, &err) || net_resolve(&y, of_y, &count_y, &err))
        return false;
    for (size_t i = 0; i < count_x; i++)
        for (size_t k = 0; k < count_y; k++)
            if (of_x[i].length == of_y[k].length &&
                memcmp(&of_x[i].storage, &of_y[k].storage, of_x[i].length) == 0)
                return true;
    return false;
}

bool nn_trigger_report(struct datanode *dn, bool incremental, const char *address)
{
    bool found = false;

    for (size_t i = 0; i < dn->service_count; i++)
        for (size_t k = 0; k < dn->services[i]->link_count; k++) {
            struct nn_link *link = dn->services[i]->links[k];
            if (!str_empty(address) && !same_address(address, link->address)) continue;
            found = true;
            if (incremental)
                report_queue_hurry(link->queue);
            else
                wake(link, true);
        }
    return found;
}

void nn_trigger_heartbeats(struct datanode *dn)
{
    for (size_t i = 0; i < dn->service_count; i++)
        for (size_t k = 0; k < dn->services[i]->link_count; k++)
            wake(dn->services[i]->links[k], false);
}

static struct nn_link *active_link(struct nn_service *service)
{
    pthread_mutex_lock(&service->lock);
    struct nn_link *link = service->active;
    pthread_mutex_unlock(&service->lock);
    return link;
}

int nn_call_active(struct block_pool *pool, const char *method, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *response, struct err *err)
{
    struct nn_service *service = pool->service;
    struct nn_link *link = service ? active_link(service) : NULL;
    struct arena arena = {0};

    if (!link)
        return err_set(err, ERR_IO, "Block pool %s has not recognized an active NN",
                       pool->info.pool_id);
    int rc = rpc_client_call(link->client, method, request, response, &arena, NULL, err);
    arena_release(&arena);
    return rc;
}

static void report_bad(struct block_pool *pool, Pb__DatanodeInfo *node, char *storage,
                       Pb__StorageType type, int64_t id, uint64_t gs)
{
    Pb__ReportBadBlocksRequest request = PB__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Pb__LocatedBlock block = PB__LOCATED_BLOCK__INIT, *blocks[1] = {&block};
    Pb__ExtendedBlock name = PB__EXTENDED_BLOCK__INIT;
    Pb__Token token = PB__TOKEN__INIT;
    struct err err = ERR_INIT;

    token.kind = token.service = (char[]){""};
    name.poolid = pool->info.pool_id;
    name.blockid = (uint64_t)id;
    name.generationstamp = gs;
    block.b = &name;
    block.blocktoken = &token;
    block.n_locs = 1;
    block.locs = &node;
    block.n_storageids = block.n_storagetypes = storage ? 1 : 0;
    block.storageids = &storage;
    block.storagetypes = &type;
    request.n_blocks = 1;
    request.blocks = blocks;
    if (nn_call_active(pool, "reportBadBlocks", &request.base,
                       &pb__report_bad_blocks_response__descriptor, &err))
        log_warn("Failed to report bad blk_%" PRId64 "_%" PRIu64 ": %s", id, gs, err.text);
}

void nn_report_bad_block(struct block_pool *pool, uint16_t volume, int64_t id, uint64_t gs)
{
    Pb__DatanodeInfo node = PB__DATANODE_INFO__INIT;
    Pb__DatanodeID self;

    if (!pool->report) return;
    datanode_id(pool->service->dn, &self);
    node.id = &self;
    report_bad(pool, &node, pool->dataset->volumes[volume]->uuid,
               pool->dataset->volumes[volume]->type, id, gs);
}

void nn_report_remote_bad_block(struct block_pool *pool, const Pb__DatanodeInfo *node, int64_t id,
                                uint64_t gs)
{
    Pb__DatanodeInfo copy = *node;

    if (pool->report) report_bad(pool, &copy, NULL, PB__STORAGE_TYPE__DISK, id, gs);
}

void nn_report_error(struct datanode *dn, enum nn_error_code code, const char *text)
{
    for (size_t i = 0; i < dn->service_count; i++) {
        struct block_pool *pool = dn->services[i]->pool;
        Pb__ErrorReportRequest request = PB__ERROR_REPORT_REQUEST__INIT;
        Pb__DatanodeRegistration registration;
        struct arena arena = {0};
        struct err err = ERR_INIT;
        if (!pool) continue;
        nn_registration(dn, pool, &registration, &arena);
        request.registartion = &registration;
        request.errorcode = (uint32_t)code;
        request.msg = (char *)(uintptr_t)text;
        if (nn_call_active(pool, "errorReport", &request.base,
                           &pb__error_report_response__descriptor, &err))
            log_warn("error report: %s", err.text);
        arena_release(&arena);
    }
}

static int64_t ago(int64_t when_ms)
{
    return when_ms ? clock_mono_ms() - when_ms : -1;
}

size_t nn_link_statuses(struct datanode *dn, struct nn_link_status *out, size_t max)
{
    static const char *const ha_names[] = {"ACTIVE", "STANDBY", "OBSERVER"};
    size_t count = 0;

    for (size_t i = 0; i < dn->service_count; i++)
        for (size_t k = 0; k < dn->services[i]->link_count && count < max; k++) {
            struct nn_link *link = dn->services[i]->links[k];
            int ha = atomic_load(&link->ha_state);
            pthread_mutex_lock(&link->lock);
            enum link_state state = link->state;
            pthread_mutex_unlock(&link->lock);
            out[count++] = (struct nn_link_status){
                .address = link->address,
                .service = link->service->name,
                .state = state_names[state],
                .ha_state = ha >= 0 && ha < 3 ? ha_names[ha] : "",
                .last_heartbeat_ago_ms = ago(atomic_load(&link->last_heartbeat_ms)),
                .last_report_ago_ms = ago(atomic_load(&link->last_report_ms)),
            };
        }
    return count;
}
