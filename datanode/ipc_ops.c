#include "datanode/ipc_ops.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/reconfig.h"
#include "common/user.h"
#include "datanode/block_recover.h"
#include "datanode/nn_link.h"
#include "proto/client_datanode.pb-c.h"

#define CLIENT_DATANODE_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol"

static void reply(struct rpc_call *call, int rc, const ProtobufCMessage *response,
                  const struct err *err)
{
    if (rc)
        rpc_call_fail(call, err);
    else
        rpc_call_reply(call, response);
}

static struct block_pool *pool_of(struct datanode *dn, const Pb__ExtendedBlock *block,
                                  struct block_name *name, struct err *err)
{
    struct block_pool *pool = dataset_pool(dn->dataset, block->poolid);

    *name = (struct block_name){.id = (int64_t)block->blockid,
                                .gs = block->generationstamp,
                                .length = (int64_t)block->numbytes};
    if (!pool) err_set(err, ERR_IO, "Cannot find block pool %s on this datanode", block->poolid);
    return pool;
}

/* Who runs the datanode may rule it; the namenode's superuser usually is the same. */
static int check_admin(const struct rpc_call *call, struct err *err)
{
    char *self = user_of_system(), *named = user_current();
    bool good = str_eq(call->user->name, self) || str_eq(call->user->name, named);

    mem_free(self);
    mem_free(named);
    if (good) return 0;
    return err_set(err, ERR_ACCESS, "Access denied for user %s. Superuser privilege is required",
                   call->user->name);
}

/* ---- ClientDatanodeProtocol ---- */

static void get_visible_length(void *context, struct rpc_call *call,
                               const ProtobufCMessage *request)
{
    Pb__GetReplicaVisibleLengthResponse response = PB__GET_REPLICA_VISIBLE_LENGTH_RESPONSE__INIT;
    const Pb__GetReplicaVisibleLengthRequest *r =
        (const Pb__GetReplicaVisibleLengthRequest *)request;
    struct err err = ERR_INIT;
    struct block_name name;
    int64_t length = 0;

    struct block_pool *pool = pool_of(context, r->block, &name, &err);
    int rc = pool ? dataset_visible_length(pool, &name, &length, &err) : err_code(&err);
    response.length = (uint64_t)length;
    reply(call, rc, &response.base, &err);
}

static void get_info(void *context, struct rpc_call *call, const ProtobufCMessage *request UNUSED)
{
    Pb__GetDatanodeInfoResponse response = PB__GET_DATANODE_INFO_RESPONSE__INIT;
    Pb__DatanodeLocalInfo info = PB__DATANODE_LOCAL_INFO__INIT;
    const struct datanode *dn = context;
    char software[] = DN_SOFTWARE_VERSION,
         config[] = "core-" DN_SOFTWARE_VERSION ",hdfs-" DN_SOFTWARE_VERSION;

    info.softwareversion = software;
    info.configversion = config;
    info.uptime = (uint64_t)((clock_wall_ms() - dn->start_ms) / 1000);
    response.localinfo = &info;
    rpc_call_reply(call, &response.base);
}

static Pb__DatanodeVolumeInfo *volume_info(const struct volume *volume, struct arena *arena)
{
    Pb__DatanodeVolumeInfo *info = ARENA_NEW(arena, Pb__DatanodeVolumeInfo);
    struct volume_space space = {0};
    struct err err = ERR_INIT;

    pb__datanode_volume_info__init(info);
    if (volume_space(volume, &space, &err)) log_warn("%s", err.text);
    info->path = volume->dir;
    info->storagetype = volume->type;
    info->usedspace = space.used;
    info->freespace = space.remaining;
    info->reservedspace = space.reserved;
    info->reservedspaceforreplicas = (uint64_t)MAX(atomic_load(&volume->promised), (int64_t)0);
    info->numblocks = (uint64_t)MAX(atomic_load(&volume->blocks), (int64_t)0);
    return info;
}

static void get_volumes(void *context, struct rpc_call *call,
                        const ProtobufCMessage *request UNUSED)
{
    Pb__GetVolumeReportResponse response = PB__GET_VOLUME_REPORT_RESPONSE__INIT;
    const struct dataset *dataset = ((struct datanode *)context)->dataset;

    size_t count = dataset->volume_count;
    response.volumeinfo = arena_alloc(&call->arena, count * sizeof *response.volumeinfo);
    for (size_t i = 0; i < count; i++)
        if (!atomic_load(&dataset->volumes[i]->failed))
            response.volumeinfo[response.n_volumeinfo++] =
                volume_info(dataset->volumes[i], &call->arena);
    rpc_call_reply(call, &response.base);
}

static void trigger_report(void *context, struct rpc_call *call, const ProtobufCMessage *request)
{
    Pb__TriggerBlockReportResponse response = PB__TRIGGER_BLOCK_REPORT_RESPONSE__INIT;
    const Pb__TriggerBlockReportRequest *r = (const Pb__TriggerBlockReportRequest *)request;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc && !nn_trigger_report(context, r->incremental, r->nnaddress))
        rc = err_set(&err, ERR_IO, "no namenode has the address %s",
                     r->nnaddress ? r->nnaddress : "");
    reply(call, rc, &response.base, &err);
}

static void shut_down(void *context, struct rpc_call *call, const ProtobufCMessage *request)
{
    const Pb__ShutdownDatanodeRequest *wish = (const Pb__ShutdownDatanodeRequest *)request;
    Pb__ShutdownDatanodeResponse response = PB__SHUTDOWN_DATANODE_RESPONSE__INIT;
    struct datanode *dn = context;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc && (atomic_load(&dn->stopping) || atomic_exchange(&dn->end_asked, true)))
        rc = err_set(&err, ERR_IO, "Shutdown already in progress.");
    if (!rc && wish->forupgrade) atomic_store(&dn->restarting, true);
    reply(call, rc, &response.base, &err);
}

static void evict_writers(void *context, struct rpc_call *call,
                          const ProtobufCMessage *request UNUSED)
{
    Pb__EvictWritersResponse response = PB__EVICT_WRITERS_RESPONSE__INIT;
    const struct dataset *dataset = ((struct datanode *)context)->dataset;
    struct err err = ERR_INIT;
    size_t evicted = 0;

    int rc = check_admin(call, &err);
    for (size_t i = 0; !rc && i < dataset->pool_count; i++)
        evicted += dataset_evict_writers(dataset->pools[i]);
    if (!rc) log_info("Evicting all writers: %zu", evicted);
    reply(call, rc, &response.base, &err);
}

static void start_reconfig(void *context, struct rpc_call *call,
                           const ProtobufCMessage *request UNUSED)
{
    Pb__StartReconfigurationResponse response = PB__START_RECONFIGURATION_RESPONSE__INIT;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc) rc = reconfig_run(((struct datanode *)context)->reconfig, &err);
    reply(call, rc, &response.base, &err);
}

static void get_reconfig_status(void *context, struct rpc_call *call,
                                const ProtobufCMessage *request UNUSED)
{
    Pb__GetReconfigurationStatusResponse response = PB__GET_RECONFIGURATION_STATUS_RESPONSE__INIT;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc) reconfig_status(((struct datanode *)context)->reconfig, &response, &call->arena);
    reply(call, rc, &response.base, &err);
}

static void list_reconfigurable(void *context, struct rpc_call *call,
                                const ProtobufCMessage *request UNUSED)
{
    Pb__ListReconfigurablePropertiesResponse response =
        PB__LIST_RECONFIGURABLE_PROPERTIES_RESPONSE__INIT;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc) reconfig_properties(((struct datanode *)context)->reconfig, &response, &call->arena);
    reply(call, rc, &response.base, &err);
}

/* The namenodes are those of the start; being asked to look again is no error where nothing
 * changed. */
static void refresh_namenodes(void *context UNUSED, struct rpc_call *call,
                              const ProtobufCMessage *request UNUSED)
{
    Pb__RefreshNamenodesResponse response = PB__REFRESH_NAMENODES_RESPONSE__INIT;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc) log_info("refreshNamenodes: namenodes are taken from the configuration at start");
    reply(call, rc, &response.base, &err);
}

static void get_bandwidth(void *context, struct rpc_call *call,
                          const ProtobufCMessage *request UNUSED)
{
    Pb__GetBalancerBandwidthResponse response = PB__GET_BALANCER_BANDWIDTH_RESPONSE__INIT;
    struct datanode *dn = context;

    response.bandwidth = (uint64_t)atomic_load(&dn->balance_bandwidth);
    rpc_call_reply(call, &response.base);
}

static int delete_pool_dirs(struct dataset *dataset, const char *pool_id, bool force,
                            struct err *err)
{
    int rc = 0;

    if (dataset_pool(dataset, pool_id))
        return err_set(
            err, ERR_IO,
            "The block pool is still running. First do a refreshNamenodes to shutdown the "
            "block pool service");
    for (size_t i = 0; i < dataset->volume_count && !rc; i++) {
        if (atomic_load(&dataset->volumes[i]->failed)) continue;
        char *dir = dn_storage_pool_dir(dataset->volumes[i], pool_id);
        char *finalized = mem_printf("%s/current/finalized", dir);
        if (!force && !dir_is_empty(finalized))
            rc = err_set(err, ERR_IO, "Cannot delete block pool, it contains some block files");
        if (!rc) rc = file_remove_tree(dir, err);
        mem_free(finalized);
        mem_free(dir);
    }
    return rc;
}

static void delete_pool(void *context, struct rpc_call *call, const ProtobufCMessage *request)
{
    Pb__DeleteBlockPoolResponse response = PB__DELETE_BLOCK_POOL_RESPONSE__INIT;
    const Pb__DeleteBlockPoolRequest *r = (const Pb__DeleteBlockPoolRequest *)request;
    struct namespace_info checked;
    struct err err = ERR_INIT;

    int rc = check_admin(call, &err);
    if (!rc) rc = namespace_info_set(&checked, r->blockpool, "any", 0, 0, &err);
    if (!rc && !str_starts(r->blockpool, "BP-"))
        rc = err_set(&err, ERR_IO, "%s is no block pool", r->blockpool);
    if (!rc)
        rc = delete_pool_dirs(((struct datanode *)context)->dataset, r->blockpool, r->force, &err);
    reply(call, rc, &response.base, &err);
}

/* ---- InterDatanodeProtocol ---- */

static void init_recovery(void *context, struct rpc_call *call, const ProtobufCMessage *request)
{
    Pb__InitReplicaRecoveryResponse response = PB__INIT_REPLICA_RECOVERY_RESPONSE__INIT;
    const Pb__RecoveringBlock *order = ((const Pb__InitReplicaRecoveryRequest *)request)->block;
    Pb__Block block = PB__BLOCK__INIT;
    struct recovery_info info = {0};
    struct err err = ERR_INIT;
    struct block_name name;
    bool found = false;

    struct block_pool *pool = pool_of(context, order->block->b, &name, &err);
    int rc = pool ? dataset_init_recovery(pool, &name, order->newgenstamp, &found, &info, &err)
                  : err_code(&err);
    response.replicafound = found;
    if (found) {
        block.blockid = (uint64_t)name.id;
        block.genstamp = info.gs;
        block.has_numbytes = 1;
        block.numbytes = (uint64_t)info.length;
        response.block = &block;
        response.has_state = 1;
        response.state = (Pb__ReplicaState)info.original;
    }
    reply(call, rc, &response.base, &err);
}

static void update_recovery(void *context, struct rpc_call *call, const ProtobufCMessage *request)
{
    Pb__UpdateReplicaUnderRecoveryResponse response =
        PB__UPDATE_REPLICA_UNDER_RECOVERY_RESPONSE__INIT;
    const Pb__UpdateReplicaUnderRecoveryRequest *r =
        (const Pb__UpdateReplicaUnderRecoveryRequest *)request;
    int64_t new_id = r->has_newblockid ? (int64_t)r->newblockid : 0;
    struct err err = ERR_INIT;
    struct block_name name;
    struct volume *volume;

    struct block_pool *pool = pool_of(context, r->block, &name, &err);
    int rc = pool ? dataset_update_recovery(pool, &name, r->recoveryid, new_id,
                                            (int64_t)r->newlength, &volume, &err)
                  : err_code(&err);
    if (!rc) {
        response.storageuuid = volume->uuid;
        nn_report_received(pool->report, volume, new_id ? new_id : name.id, r->recoveryid,
                           (int64_t)r->newlength, NULL, 0);
    }
    reply(call, rc, &response.base, &err);
}

/* ---- the table ---- */

#define CLIENT_OP(name, type, fn)                                                                  \
    {                                                                                              \
        CLIENT_DATANODE_PROTOCOL, name, &pb__##type##_request__descriptor, fn, 0                   \
    }
#define INTER_OP(name, type, fn)                                                                   \
    {                                                                                              \
        INTER_DATANODE_PROTOCOL, name, &pb__##type##_request__descriptor, fn, 0                    \
    }

static const struct rpc_op ops[] = {
    CLIENT_OP("getReplicaVisibleLength", get_replica_visible_length, get_visible_length),
    CLIENT_OP("getDatanodeInfo", get_datanode_info, get_info),
    CLIENT_OP("getVolumeReport", get_volume_report, get_volumes),
    CLIENT_OP("triggerBlockReport", trigger_block_report, trigger_report),
    CLIENT_OP("shutdownDatanode", shutdown_datanode, shut_down),
    CLIENT_OP("startReconfiguration", start_reconfiguration, start_reconfig),
    CLIENT_OP("getReconfigurationStatus", get_reconfiguration_status, get_reconfig_status),
    CLIENT_OP("listReconfigurableProperties", list_reconfigurable_properties, list_reconfigurable),
    CLIENT_OP("evictWriters", evict_writers, evict_writers),
    CLIENT_OP("refreshNamenodes", refresh_namenodes, refresh_namenodes),
    CLIENT_OP("getBalancerBandwidth", get_balancer_bandwidth, get_bandwidth),
    CLIENT_OP("deleteBlockPool", delete_block_pool, delete_pool),
    INTER_OP("initReplicaRecovery", init_replica_recovery, init_recovery),
    INTER_OP("updateReplicaUnderRecovery", update_replica_under_recovery, update_recovery),
};

/* Calls may wait for disks and writers, so they run on workers. */
static void run_call(void *arg)
{
    struct rpc_call *call = arg;
    struct datanode *dn = call->context;

    rpc_call_run(call);
    rpc_call_release(call);
    rpc_server_flush(dn->rpc);
    if (atomic_load(&dn->end_asked)) datanode_shutdown(dn, 0);
}

static void submit(void *context, struct rpc_call *call)
{
    struct datanode *dn = context;
    struct err err = ERR_INIT;

    call->context = dn;
    if (!worker_submit(dn->calls, run_call, call, &err)) return;
    err_set(&err, ERR_RETRIABLE, "the datanode is too busy");
    rpc_call_fail(call, &err);
    rpc_call_release(call);
}

int ipc_start(struct datanode *dn, uint16_t *port, struct err *err)
{
    struct rpc_server_options options = {.context = dn,
                                         .submit = submit,
                                         .name = "datanode",
                                         .threads = 1,
                                         .calls_max = 1024,
                                         .connections_max = 4096};
    struct net_addr addr;

    dn->rpc = rpc_server_new(&options);
    rpc_server_add_ops(dn->rpc, ops, ARRAY_LEN(ops));
    int rc = net_parse(conf_str(dn->conf, CONF_dfs_datanode_ipc_address), 9867, &addr, err);
    if (!rc) rc = rpc_server_listen(dn->rpc, addr.host, addr.port, port, err);
    return rc ? rc : rpc_server_start(dn->rpc, err);
}
