/* DatanodeProtocol: register, heartbeat, reports (NameNodeRpcServer's part of it, DatanodeManager.registerDatanode and handleHeartbeat). */
#include "common/log.h"
#include "common/parse.h"
#include "namenode/block_manager.h"
#include "namenode/dn_info.h"
#include "namenode/handlers.h"
#include "namenode/hosts.h"
#include "namenode/located.h"
#include "namenode/monitor.h"
#include "namenode/placement.h"
#include "namenode/redundancy.h"
#include "namenode/report.h"
#include "namenode/safemode.h"
#include "namenode/slow_nodes.h"
#include "namenode/topology.h"

#define HADOOP_VERSION   "3.5.0" /* what peers compare */
#define DATANODE_MINIMUM "2.1.0-beta"
#define NO_ACK                                                                                     \
    ((uint64_t)INT64_MAX) /* BlockCommand.NO_ACK: a length that says "do not report the deletion" */
enum {
    NAME_LENGTH_MAX = 255,
    STORAGES_MAX = 1024,
    CAPABILITY_REPORT_BUFFERS = 1,
    CLONE_HEARTBEATS = 3, /* within so many a datanode counts as heard of */
    FAILED_LOCATIONS_MAX = 256,
    SLOW_MAX = 256,
};

/* ---- who asks ---- */

static const char *registration_text(const Pb__DatanodeRegistration *r, struct arena *arena)
{
    const Pb__DatanodeID *id = r->datanodeid;

    return arena_printf(arena,
                        "DatanodeRegistration(%.64s:%u, datanodeUuid=%.128s, infoPort=%u, "
                        "infoSecurePort=%u, ipcPort=%u, "
                        "storageInfo=lv=%d;cid=%.128s;nsid=%u;c=%" PRIu64 ")",
                        id->ipaddr, id->xferport, id->datanodeuuid, id->infoport,
                        id->infosecureport, id->ipcport, (int32_t)r->storageinfo->layoutversion,
                        r->storageinfo->clusterid, r->storageinfo->namespceid,
                        r->storageinfo->ctime);
}

/* The registration id "NS-<namespace>-<cluster>-<ctime>" must be ours: a datanode of another cluster stops. */
static int verify(const struct core *core, const struct op *op, const Pb__DatanodeRegistration *r,
                  struct err *err)
{
    const struct core_identity *ours = &core->identity;
    const Pb__StorageInfo *theirs = r->storageinfo;

    if (theirs->namespceid == ours->namespace_id && str_eq(theirs->clusterid, ours->cluster_id) &&
        theirs->ctime == ours->ctime)
        return 0;
    return err_set(err, ERR_UNREGISTERED, "Unregistered server: %s",
                   registration_text(r, op->arena));
}

static struct datanode *node_of(const struct core *core, const Pb__DatanodeRegistration *r)
{
    struct datanode *node = dn_find(&core->datanodes, r->datanodeid->datanodeuuid);

    return node && !node->wiped ? node : NULL;
}

static bool is_its_address(const struct datanode *node, const Pb__DatanodeRegistration *r)
{
    return str_eq(node->ip, r->datanodeid->ipaddr) && node->xfer_port == r->datanodeid->xferport;
}

/* Who is to register (again) is answered so by heartbeats and full reports: *node is NULL then. */
static int find_or_register(struct core *core, const struct op *op,
                            const Pb__DatanodeRegistration *r, struct datanode **node,
                            struct err *err)
{
    int rc = verify(core, op, r, err);

    *node = rc ? NULL : node_of(core, r);
    if (*node && !is_its_address(*node, r)) *node = NULL;
    return rc;
}

/* *node may become NULL: never registered. */
static int find_node(struct core *core, const struct op *op, const Pb__DatanodeRegistration *r,
                     struct datanode **node, struct err *err)
{
    int rc = verify(core, op, r, err);

    *node = rc ? NULL : node_of(core, r);
    if (!*node || is_its_address(*node, r)) return rc;
    return err_set(err, ERR_UNREGISTERED,
                   "Data node %s is attempting to report storage ID %s. Node %s is expected to "
                   "serve this storage.",
                   registration_text(r, op->arena), (*node)->uuid, dn_name(*node));
}

static bool is_known(const struct datanode *node)
{
    return node && node->alive && node->registered;
}

/* ---- versionRequest ---- */

int op_version_request(struct core *core, struct op *op,
                       const Pb__VersionRequestRequest *request UNUSED,
                       Pb__VersionRequestResponse *response, struct err *err UNUSED)
{
    Pb__NamespaceInfo *info = arena_alloc(op->arena, sizeof *info);

    pb__namespace_info__init(info);
    info->buildversion = (char *)"tusk-" TUSK_VERSION;
    info->softwareversion = (char *)HADOOP_VERSION;
    info->blockpoolid = core->identity.block_pool_id;
    info->storageinfo = arena_alloc(op->arena, sizeof *info->storageinfo);
    pb__storage_info__init(info->storageinfo);
    info->storageinfo->layoutversion = (uint32_t)core->identity.layout_version;
    info->storageinfo->namespceid = core->identity.namespace_id;
    info->storageinfo->clusterid = core->identity.cluster_id;
    info->storageinfo->ctime = core->identity.ctime;
    info->has_capabilities = info->has_state = 1;
    info->capabilities = CAPABILITY_REPORT_BUFFERS;
    info->state = PB__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    response->info = info;
    return 0;
}

/* ---- registerDatanode ---- */

static int check_version(const struct core *core, const struct op *op,
                         const Pb__DatanodeRegistration *r, struct err *err)
{
    if (!version_at_least(r->softwareversion, 2, 1))
        return err_set(err, ERR_INCORRECT_VERSION,
                       "The reported DataNode version is too low to communicate with this "
                       "NameNode. DataNode version: '%.64s' Minimum DataNode "
                       "version: '" DATANODE_MINIMUM "'",
                       r->softwareversion);
    if (!str_eq(r->softwareversion, HADOOP_VERSION) &&
        r->storageinfo->ctime != core->identity.ctime)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "Reported DataNode version '%.64s' of DN %s does not match NameNode version "
                       "'" HADOOP_VERSION "' and CTime of DN ('%" PRIu64
                       "') does not match CTime of NN ('%" PRIu64 "')",
                       r->softwareversion, registration_text(r, op->arena), r->storageinfo->ctime,
                       core->identity.ctime);
    return 0;
}

static int check_fields(const Pb__DatanodeRegistration *r, struct err *err)
{
    const Pb__DatanodeID *id = r->datanodeid;

    if (!id->datanodeuuid[0] || strlen(id->datanodeuuid) > NAME_LENGTH_MAX)
        return err_set(err, ERR_ARGUMENT, "registration with a bad datanode UUID");
    if (strlen(id->hostname) > NAME_LENGTH_MAX || strlen(id->ipaddr) > 45)
        return err_set(err, ERR_ARGUMENT, "registration with an overlong host name or address");
    if (id->xferport > UINT16_MAX || id->infoport > UINT16_MAX || id->ipcport > UINT16_MAX ||
        id->infosecureport > UINT16_MAX)
        return err_set(err, ERR_ARGUMENT, "registration with a port above 65535");
    return 0;
}

static int check_admission(struct core *core, const struct op *op,
                           const Pb__DatanodeRegistration *r, const char *ip, struct err *err)
{
    char name[TOPOLOGY_LOCATION_MAX];

    if (core->conf.check_ip_hostname && topology_name(core->datanodes.topology, ip, name) &&
        str_eq(name, ip))
        return err_set(err, ERR_DISALLOWED_DATANODE,
                       "Datanode denied communication with namenode because hostname cannot be "
                       "resolved (ip=%s, hostname=%s): %s",
                       ip, name, registration_text(r, op->arena));
    if (!hosts_is_included(core->hosts, ip, r->datanodeid->hostname,
                           (uint16_t)r->datanodeid->xferport))
        return err_set(err, ERR_DISALLOWED_DATANODE,
                       "Datanode denied communication with namenode because the host is not in the "
                       "include-list: %s",
                       registration_text(r, op->arena));
    return 0;
}

/* Two datanodes with the same disks, of which one is a copy of the other, would take turns here for ever, each with its own replicas. One that
 * moved is let in; when it turns up again at its old address while it is heard of at the new one, that one is the copy. */
static int check_clone(struct core *core, const struct op *op, const Pb__DatanodeRegistration *r,
                       const char *ip, struct err *err)
{
    struct datanode *node = node_of(core, r);
    char address[sizeof node->address];

    snprintf(address, sizeof address, "%s:%u", ip, r->datanodeid->xferport);
    if (!node || str_eq(node->address, address)) return 0;
    bool serving = node->alive && core->now_ms - node->heartbeat_ms <
                                      CLONE_HEARTBEATS * core->conf.heartbeat_interval_ms;
    if (serving && str_eq(node->clone_at, address))
        return err_set(err, ERR_IO,
                       "Data node %s is attempting to report storage ID %s. Node %s is expected "
                       "to serve this storage.",
                       registration_text(r, op->arena), node->uuid, dn_name(node));
    if (serving && str_eq(node->moved_from, address)) {
        log_warn("BLOCK* registerDatanode: %s and %s have the same disks (%s): the second is "
                 "refused from now on",
                 address, dn_name(node), node->uuid);
        snprintf(node->clone_at, sizeof node->clone_at, "%s", node->address);
        node->moved_from[0] = '\0';
        return 0;
    }
    node->clone_at[0] = '\0';
    snprintf(node->moved_from, sizeof node->moved_from, "%s", node->address);
    return 0;
}

static void replace_text(char **slot, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;

    mem_free(*slot);
    *slot = copy;
}

static void locate(struct core *core, struct datanode *node)
{
    char location[TOPOLOGY_LOCATION_MAX];

    if (!topology_location(core->datanodes.topology, node->ip, location))
        topology_location(core->datanodes.topology, node->hostname, location);
    uint32_t racks = topology_rack_count(core->datanodes.topology);
    topology_remove(core->datanodes.topology, node);
    replace_text(&node->location, location);
    topology_add(core->datanodes.topology, node);
    /* From one rack to two blocks that were well placed are so no longer (checkIfClusterIsNowMultiRack); with each further one where
     * the policy wants as many racks as replicas. */
    bool grown = topology_rack_count(core->datanodes.topology) > MAX(racks, 1u);
    if (grown && (racks <= 1 || placement_counts_racks(core)) && core->manager->populating)
        redundancy_scan_start(core);
}

/* The node as the registration describes it, alive from now; what it holds is to be confirmed by its next report. */
static void take_registration(struct core *core, struct datanode *node,
                              const Pb__DatanodeRegistration *r)
{
    struct storage *storage;
    char name[TOPOLOGY_LOCATION_MAX];

    dn_stats_leave(&core->datanodes, node);
    node->info_port = (uint16_t)r->datanodeid->infoport;
    node->info_secure_port = (uint16_t)r->datanodeid->infosecureport;
    node->ipc_port = (uint16_t)r->datanodeid->ipcport;
    replace_text(&node->software_version, r->softwareversion);
    replace_text(&node->peer_hostname,
                 topology_name(core->datanodes.topology, node->ip, name) ? name : NULL);
    node->alive = node->registered = true;
    node->disallowed = node->wiped = node->heartbeated_since_registration = false;
    node->heartbeat_ms = core->now_ms;
    node->heartbeat_wall_ms = core->now_wall_ms;
    node->xceivers = node->xmits = 0;
    node->report_wall_ms = 0;
    dn_clear_work(node);
    report_lease_end(core, node);
    LIST_FOREACH (storage, &node->storages, of_datanode) {
        if (storage->purging) node->walk_wanted = true; /* what is left counts again */
        storage_purge_stop(core, storage);
        report_abort(core, storage);
        storage->stale = true;
        storage->scheduled = storage->scheduled_before = 0;
    }
    locate(core, node);
    dn_stats_enter(&core->datanodes, node);
    hosts_apply_node(core, node);
}

static struct datanode *place_node(struct core *core, const Pb__DatanodeRegistration *r,
                                   const char *ip)
{
    const Pb__DatanodeID *id = r->datanodeid;
    uint16_t port = (uint16_t)id->xferport;
    const char *hostname = id->hostname[0] ? id->hostname : ip;
    struct datanode *at_address = dn_find_address(&core->datanodes, ip, port);
    struct datanode *same = dn_find(&core->datanodes, id->datanodeuuid);

    if (at_address && at_address != same) {
        log_info("BLOCK* registerDatanode: %s now serves %s, no longer %s", dn_name(at_address),
                 id->datanodeuuid, at_address->uuid);
        monitor_node_wipe(core, at_address);
    }
    if (!same) return dn_add(&core->datanodes, id->datanodeuuid, ip, hostname, port);
    if (at_address != same)
        log_info("BLOCK* registerDatanode: %s is replaced by %s:%u with the same storageID %s",
                 same->ip, ip, port, same->uuid);
    topology_remove(core->datanodes.topology, same);
    dn_move(&core->datanodes, same, ip, hostname, port);
    return same;
}

static Pb__ExportedBlockKeys *no_keys(struct arena *arena)
{
    Pb__ExportedBlockKeys *keys = arena_alloc(arena, sizeof *keys);

    pb__exported_block_keys__init(keys);
    keys->currentkey = arena_alloc(arena, sizeof *keys->currentkey);
    pb__block_key__init(keys->currentkey);
    return keys;
}

int op_register_datanode(struct core *core, struct op *op,
                         const Pb__RegisterDatanodeRequest *request,
                         Pb__RegisterDatanodeResponse *response, struct err *err)
{
    const Pb__DatanodeRegistration *r = request->registration;
    const char *ip = op->client_ip ? op->client_ip : r->datanodeid->ipaddr;
    int rc = check_fields(r, err);

    if (!rc) rc = check_version(core, op, r, err);
    if (!rc) rc = verify(core, op, r, err);
    if (!rc) rc = check_admission(core, op, r, ip, err);
    if (!rc) rc = check_clone(core, op, r, ip, err);
    if (rc) {
        log_warn("registration refused: %s", err ? err->text : "");
        return rc;
    }
    struct datanode *node = place_node(core, r, ip);
    take_registration(core, node, r);
    log_info("BLOCK* registerDatanode: from %s storage %s on %s",
             dn_registration_text(node, core, op->arena), node->uuid, node->location);
    safemode_check(core);

    Pb__DatanodeRegistration *echo = arena_copy(op->arena, r, sizeof *r);
    Pb__DatanodeID *id = arena_copy(op->arena, r->datanodeid, sizeof *r->datanodeid);
    id->ipaddr = node->ip;
    echo->datanodeid = id;
    echo->keys = no_keys(op->arena);
    response->registration = echo;
    return 0;
}

/* ---- heartbeat: what the node tells ---- */

static bool is_storage_type(int type)
{
    return type >= STORAGE_DISK && type <= STORAGE_NVDIMM;
}

/* The storage by that name, made where it is new; NULL when the datanode names more than can be. */
static struct storage *storage_of(struct core *core, struct datanode *node, const char *uuid,
                                  const Pb__DatanodeStorage *described)
{
    struct storage *storage;
    enum storage_type type = STORAGE_DISK;

    if (described && described->storageuuid[0]) uuid = described->storageuuid;
    if (described && described->has_storagetype && is_storage_type((int)described->storagetype))
        type = (enum storage_type)described->storagetype;
    storage = dn_find_storage(node, uuid);
    if (!storage) {
        if (!uuid[0] || strlen(uuid) > NAME_LENGTH_MAX || node->storage_count >= STORAGES_MAX)
            return NULL;
        log_info("Adding new storage ID %s for DN %s", uuid, dn_name(node));
        storage = dn_add_storage(&core->datanodes, node, uuid, type);
    }
    if (described && described->has_storagetype) storage->type = type;
    if (described)
        storage->read_only_shared =
            described->has_state &&
            described->state == PB__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED;
    return storage;
}

static void take_storage_report(struct core *core, struct datanode *node,
                                const Pb__StorageReport *report)
{
    struct storage *storage = storage_of(core, node, report->storageuuid, report->storage);

    if (!storage) return;
    storage->heard = true;
    storage->capacity = report->capacity;
    storage->dfs_used = report->dfsused;
    storage->remaining = report->remaining;
    storage->block_pool_used = report->blockpoolused;
    /* Nodes before 2.8 do not send it. */
    storage->non_dfs_used = report->has_nondfsused ? report->nondfsused
                            : report->capacity > report->dfsused + report->remaining
                                ? report->capacity - report->dfsused - report->remaining
                                : 0;
    if (report->mount && strlen(report->mount) < 4096) replace_text(&storage->mount, report->mount);
    if (report->has_failed && report->failed && !storage->failed) {
        log_warn("Storage %s of %s failed", storage->uuid, dn_name(node));
        storage->failed = true;
        storage_purge(core, storage);
    } else if (!report->failed && storage->failed) {
        storage->failed = false;
        storage->stale = true;
    }
}

/* A storage that the node names no longer: failed when more volumes failed or the node has just come back, else forgotten once empty. */
static void miss_storages(struct core *core, struct datanode *node, bool check_failed)
{
    struct storage *storage, *next;

    for (storage = LIST_FIRST(&node->storages); storage; storage = next) {
        next = LIST_NEXT(storage, of_datanode);
        if (storage->heard) continue;
        if (check_failed && !storage->failed) {
            log_warn("Storage %s of %s is gone", storage->uuid, dn_name(node));
            storage->failed = true;
            storage_purge(core, storage);
        }
        storage->capacity = storage->dfs_used = storage->remaining = storage->block_pool_used =
            storage->non_dfs_used = 0;
        if (roaring_bitmap_is_empty(storage->blocks) && !storage->purging && !storage->report) {
            log_info("Removed storage %s from DataNode %s", storage->uuid, dn_name(node));
            dn_remove_storage(&core->datanodes, storage);
        }
    }
}

static void take_failures(struct datanode *node, const Pb__VolumeFailureSummary *summary)
{
    for (size_t i = 0; node->failed_locations && node->failed_locations[i]; i++)
        mem_free(node->failed_locations[i]);
    mem_free(node->failed_locations);
    node->failed_locations = NULL;
    if (!summary) return;
    size_t count = MIN(summary->n_failedstoragelocations, (size_t)FAILED_LOCATIONS_MAX);
    node->failed_locations = NEW_ARRAY(char *, count + 1);
    for (size_t i = 0; i < count; i++)
        node->failed_locations[i] = mem_strdup(summary->failedstoragelocations[i]);
    node->last_volume_failure_ms = (int64_t)summary->lastvolumefailuredate;
    node->capacity_lost = summary->estimatedcapacitylosttotal;
}

static void take_slow(struct core *core, struct datanode *node,
                      const Pb__SendHeartbeatRequest *request)
{
    for (size_t i = 0; i < MIN(request->n_slowpeers, (size_t)SLOW_MAX); i++) {
        const Pb__SlowPeerReport *r = request->slowpeers[i];
        const struct slow_latency latency = {.latency = r->aggregatelatency,
                                             .median = r->median,
                                             .mad = r->mad,
                                             .limit = r->upperlimitlatency};
        if (r->datanodeid) slow_nodes_report(core, node, r->datanodeid, &latency);
    }
    for (size_t i = 0; i < MIN(request->n_slowdisks, (size_t)SLOW_MAX); i++) {
        const Pb__SlowDiskReport *r = request->slowdisks[i];
        const struct slow_disk disk = {
            .metadata = r->has_meanmetadataoplatency ? r->meanmetadataoplatency : -1,
            .read = r->has_meanreadiolatency ? r->meanreadiolatency : -1,
            .write = r->has_meanwriteiolatency ? r->meanwriteiolatency : -1};
        if (r->basepath) slow_disks_report(core, node, r->basepath, &disk);
    }
}

/* DatanodeDescriptor.updateStorageStats. SendLifelineRequest has the same fields with the same numbers. */
static void take_heartbeat(struct core *core, struct datanode *node,
                           const Pb__SendHeartbeatRequest *request)
{
    const Pb__VolumeFailureSummary *summary = request->volumefailuresummary;
    struct storage *storage;
    bool check_failed =
        request->failedvolumes > node->failed_volumes || !node->heartbeated_since_registration;

    if (summary && node->failed_locations)
        check_failed = (int64_t)summary->lastvolumefailuredate > node->last_volume_failure_ms;
    dn_stats_leave(&core->datanodes, node);
    LIST_FOREACH (storage, &node->storages, of_datanode) storage->heard = false;
    for (size_t i = 0; i < request->n_reports; i++)
        take_storage_report(core, node, request->reports[i]);
    if (request->n_reports) miss_storages(core, node, check_failed);
    node->cache_capacity = request->cachecapacity;
    node->cache_used = request->cacheused;
    node->xceivers = request->xceivercount;
    node->xmits = request->xmitsinprogress;
    node->failed_volumes = request->failedvolumes;
    take_failures(node, summary);
    take_slow(core, node, request);
    node->heartbeat_ms = core->now_ms;
    node->heartbeat_wall_ms = core->now_wall_ms;
    node->heartbeated_since_registration = true;
    dn_stats_enter(&core->datanodes, node);
}

/* ---- heartbeat: what the node is told ---- */

struct answer {
    struct core *core;
    struct arena *arena;
    Pb__DatanodeCommand *commands[8];
    size_t count;
};

static Pb__DatanodeCommand *add_command(struct answer *answer, Pb__DatanodeCommand__Type type)
{
    Pb__DatanodeCommand *command = arena_alloc(answer->arena, sizeof *command);

    assert(answer->count < ARRAY_LEN(answer->commands));
    pb__datanode_command__init(command);
    command->cmdtype = type;
    answer->commands[answer->count++] = command;
    return command;
}

static Pb__BlockCommand *add_block_command(struct answer *answer, Pb__BlockCommand__Action action,
                                           size_t blocks)
{
    Pb__BlockCommand *command = arena_alloc(answer->arena, sizeof *command);

    pb__block_command__init(command);
    command->action = action;
    command->blockpoolid = answer->core->identity.block_pool_id;
    command->blocks = ARENA_ARRAY(answer->arena, Pb__Block *, blocks);
    add_command(answer, PB__DATANODE_COMMAND__TYPE__BlockCommand)->blkcmd = command;
    return command;
}

static Pb__Block *make_block(struct arena *arena, const struct block_id *id)
{
    Pb__Block *block = arena_alloc(arena, sizeof *block);

    pb__block__init(block);
    block->blockid = id->id;
    block->genstamp = id->generation_stamp;
    block->has_numbytes = 1;
    block->numbytes = id->length;
    return block;
}

static void add_register(struct answer *answer)
{
    Pb__RegisterCommand *command = arena_alloc(answer->arena, sizeof *command);

    pb__register_command__init(command);
    add_command(answer, PB__DATANODE_COMMAND__TYPE__RegisterCommand)->registercmd = command;
}

static void add_finalize(struct answer *answer)
{
    Pb__FinalizeCommand *command = arena_alloc(answer->arena, sizeof *command);

    pb__finalize_command__init(command);
    command->blockpoolid = answer->core->identity.block_pool_id;
    add_command(answer, PB__DATANODE_COMMAND__TYPE__FinalizeCommand)->finalizecmd = command;
}

/* Replicas that take part: those on live nodes that are not silent just now, unless that leaves fewer than two. */
static size_t recovery_locations(struct core *core, const struct block *block, struct storage **out,
                                 size_t max)
{
    size_t live = blocks_expected(core, block, out, max), fresh = 0;

    for (size_t i = 0; i < live; i++) fresh += !dn_is_stale(core, out[i]->datanode);
    if (fresh < 2) return live;
    fresh = 0;
    for (size_t i = 0; i < live; i++)
        if (!dn_is_stale(core, out[i]->datanode)) out[fresh++] = out[i];
    return fresh;
}

static Pb__RecoveringBlock *make_recovery(struct core *core, const struct block *block,
                                          struct arena *arena)
{
    Pb__RecoveringBlock *recovery = arena_alloc(arena, sizeof *recovery);
    struct storage *storages[64];
    struct block_id id = block_name(block), cut = id;

    pb__recovering_block__init(recovery);
    recovery->newgenstamp = cut.generation_stamp = blocks_recovery_id(core, block);
    size_t count = recovery_locations(core, block, storages, ARRAY_LEN(storages));
    recovery->block = located_block_make(core, &id, storages, count, 0, arena);
    if (blocks_get_truncate(core, block, &cut.length))
        recovery->truncateblock = make_block(arena, &cut);
    return recovery;
}

static bool add_recoveries(struct answer *answer, struct datanode *node)
{
    struct core *core = answer->core;
    Pb__RecoveringBlock **list =
        ARENA_ARRAY(answer->arena, Pb__RecoveringBlock *, node->work.recovery_count + 1);
    size_t count = 0;

    for (uint32_t i = 0; i < node->work.recovery_count; i++) {
        const struct block *block = block_find(core->blocks, node->work.recoveries[i]);
        const struct block_uc *uc =
            block && block->state == BLOCK_UNDER_RECOVERY ? block_uc(core, block) : NULL;
        const struct storage *primary = uc ? dn_storage(&core->datanodes, uc->primary) : NULL;
        if (primary && primary->datanode == node)
            list[count++] = make_recovery(core, block, answer->arena);
    }
    node->work.recovery_count = 0;
    if (!count) return false;
    Pb__BlockRecoveryCommand *command = arena_alloc(answer->arena, sizeof *command);
    pb__block_recovery_command__init(command);
    command->blocks = list;
    command->n_blocks = count;
    add_command(answer, PB__DATANODE_COMMAND__TYPE__BlockRecoveryCommand)->recoverycmd = command;
    return true;
}

/* The order is as good as when it was given: the block is still that one, and its targets live. */
static size_t valid_targets(struct core *core, const struct dn_transfer *transfer,
                            struct storage **out, size_t max)
{
    const struct block *block = block_find(core->blocks, transfer->block.id);
    size_t count = 0;

    if (!block || !block_is_complete(block) ||
        block->generation_stamp != transfer->block.generation_stamp)
        return 0;
    for (uint32_t i = 0; i < transfer->target_count && count < max; i++) {
        struct storage *storage = dn_storage(&core->datanodes, transfer->targets[i]);
        if (storage && storage->datanode->alive && !storage->failed) out[count++] = storage;
    }
    return count;
}

static void add_transfer(struct answer *answer, Pb__BlockCommand *command,
                         const struct block_id *id, struct storage *const *targets, size_t count)
{
    struct arena *arena = answer->arena;
    size_t at = command->n_blocks++;
    Pb__DatanodeInfos *infos = arena_alloc(arena, sizeof *infos);
    Pb__StorageUuids *uuids = arena_alloc(arena, sizeof *uuids);
    Pb__StorageTypes *types = arena_alloc(arena, sizeof *types);

    pb__datanode_infos__init(infos);
    pb__storage_uuids__init(uuids);
    pb__storage_types__init(types);
    infos->datanodes = ARENA_ARRAY(arena, Pb__DatanodeInfo *, count);
    uuids->storageuuids = ARENA_ARRAY(arena, char *, count);
    types->storagetypes = ARENA_ARRAY(arena, Pb__StorageType, count);
    infos->n_datanodes = uuids->n_storageuuids = types->n_storagetypes = count;
    for (size_t i = 0; i < count; i++) {
        infos->datanodes[i] = dn_info_make(answer->core, targets[i]->datanode, arena);
        uuids->storageuuids[i] = targets[i]->uuid;
        types->storagetypes[i] = (Pb__StorageType)targets[i]->type;
    }
    command->blocks[at] = make_block(arena, id);
    command->targets[at] = infos;
    command->targetstorageuuids[at] = uuids;
    command->targetstoragetypes[at] = types;
    command->n_targets = command->n_targetstorageuuids = command->n_targetstoragetypes =
        command->n_blocks;
}

static void add_transfers(struct answer *answer, struct datanode *node)
{
    const struct core_conf *conf = &answer->core->conf;
    bool leaving =
        node->admin_state == DN_DECOMMISSIONING || node->admin_state == DN_ENTERING_MAINTENANCE;
    uint32_t limit = leaving ? conf->replication_max_streams_hard : conf->replication_max_streams;
    uint32_t room = limit > node->xmits ? limit - node->xmits : 0;
    Pb__BlockCommand *command = NULL;
    struct dn_transfer *transfer;

    while (room && (transfer = dn_take_transfer(node))) {
        struct storage *targets[64];
        size_t count = valid_targets(answer->core, transfer, targets, ARRAY_LEN(targets));
        if (count && !command) {
            command = add_block_command(answer, PB__BLOCK_COMMAND__ACTION__TRANSFER, limit);
            command->targets = ARENA_ARRAY(answer->arena, Pb__DatanodeInfos *, limit);
            command->targetstorageuuids = ARENA_ARRAY(answer->arena, Pb__StorageUuids *, limit);
            command->targetstoragetypes = ARENA_ARRAY(answer->arena, Pb__StorageTypes *, limit);
        }
        if (count) {
            add_transfer(answer, command, &transfer->block, targets, count);
            room--;
        }
        dn_transfer_free(transfer);
    }
}

/* The last look before an order that cannot be taken back: a replica that may be good goes only when another good one is known. */
static bool may_delete(struct core *core, struct storage *storage, const struct block_id *id)
{
    struct block *block = block_find(core->blocks, id->id);
    struct replica_numbers numbers;

    if (!block || BLOCK_ID_IS_STRIPED(block->id) || !block_is_complete(block) ||
        id->generation_stamp != block->generation_stamp)
        return true;
    replicas_count(core, block, &numbers);
    if (replicas_usable(&numbers) > 0) return true;
    log_warn("BLOCK* blk_%" PRId64 "_%" PRIu64
             " on %s is not deleted: no other replica is known to be good",
             (int64_t)id->id, id->generation_stamp, dn_name(storage->datanode));
    if (!block_has_storage(core->blocks, block, storage->number))
        return false; /* bad: nobody reads it, but it is all there is */
    replica_clear_excess(core, block, storage);
    redundancy_update(core, block);
    return false;
}

static uint32_t take_deletions(struct core *core, struct storage *storage, struct block_id *out,
                               uint32_t max)
{
    uint32_t taken = dn_take_deletions(storage, out, max), kept = 0;

    for (uint32_t i = 0; i < taken; i++)
        if (may_delete(core, storage, &out[i])) out[kept++] = out[i];
    return kept;
}

static void add_deletions(struct answer *answer, struct datanode *node)
{
    uint32_t limit = answer->core->conf.invalidate_limit;
    struct block_id *ids = arena_alloc(answer->arena, limit * sizeof *ids + 1);
    struct storage *storage;
    uint32_t count = 0;

    LIST_FOREACH (storage, &node->storages, of_datanode)
        if (count < limit && storage->deletion_count)
            count += take_deletions(answer->core, storage, ids + count, limit - count);
    if (!count) return;
    Pb__BlockCommand *command =
        add_block_command(answer, PB__BLOCK_COMMAND__ACTION__INVALIDATE, count);
    command->n_blocks = count;
    for (uint32_t i = 0; i < count; i++) {
        /* Of a block that exists no more nobody needs to hear that a replica went. */
        if (!block_find(answer->core->blocks, ids[i].id)) ids[i].length = NO_ACK;
        command->blocks[i] = make_block(answer->arena, &ids[i]);
    }
}

static void add_bandwidth(struct answer *answer, struct datanode *node)
{
    if (!node->work.bandwidth) return;
    Pb__BalancerBandwidthCommand *command = arena_alloc(answer->arena, sizeof *command);
    pb__balancer_bandwidth_command__init(command);
    command->bandwidth = node->work.bandwidth;
    node->work.bandwidth = 0;
    add_command(answer, PB__DATANODE_COMMAND__TYPE__BalancerBandwidthCommand)->balancercmd =
        command;
}

static void finish_heartbeat(struct answer *answer, Pb__SendHeartbeatResponse *response)
{
    Pb__NNHAStatusHeartbeat *status = arena_alloc(answer->arena, sizeof *status);

    pb__nnhastatus_heartbeat__init(status);
    status->state = PB__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    status->txid = answer->core->txid_applied;
    response->hastatus = status;
    response->cmds =
        arena_copy(answer->arena, answer->commands, answer->count * sizeof *answer->commands + 1);
    response->n_cmds = answer->count;
    response->has_isslownode = response->has_fullblockreportleaseid = 1;
}

/* Datanodes keep what they are told to delete until the upgrade is finalized. */
static void tell_rolling_upgrade(const struct core *core, struct op *op,
                                 Pb__SendHeartbeatResponse *response)
{
    Pb__RollingUpgradeStatus *status = ARENA_NEW(op->arena, Pb__RollingUpgradeStatus);

    pb__rolling_upgrade_status__init(status);
    status->blockpoolid = (char *)(uintptr_t)core->identity.block_pool_id;
    status->has_finalized = true;
    status->finalized = !core->rolling_upgrade_start_ms;
    response->rollingupgradestatusv2 = status;
    if (!status->finalized) response->rollingupgradestatus = status; /* older ones know no other */
}

int op_send_heartbeat(struct core *core, struct op *op, const Pb__SendHeartbeatRequest *request,
                      Pb__SendHeartbeatResponse *response, struct err *err)
{
    struct answer answer = {.core = core, .arena = op->arena};
    struct datanode *node;
    int rc = find_or_register(core, op, request->registration, &node, err);

    if (rc) return rc;
    if (node && node->disallowed) {
        monitor_node_dead(core, node);
        return err_set(err, ERR_DISALLOWED_DATANODE,
                       "Datanode denied communication with namenode because the host is not in the "
                       "include-list: %s",
                       registration_text(request->registration, op->arena));
    }
    if (!is_known(node)) {
        add_register(&answer);
        finish_heartbeat(&answer, response);
        return 0;
    }
    take_heartbeat(core, node, request);
    response->isslownode = node->slow;
    if (!safemode_is_on(core) && !add_recoveries(&answer, node)) {
        add_transfers(&answer, node);
        add_deletions(&answer, node);
        add_bandwidth(&answer, node);
    }
    op->orders = answer.count > 0;
    finish_heartbeat(&answer, response);
    if (core->rolling_upgrade_start_ms || core->rolling_upgrade_finalized)
        tell_rolling_upgrade(core, op, response);
    if (request->requestfullblockreportlease)
        response->fullblockreportleaseid = report_lease_grant(core, node);
    return 0;
}

int op_send_lifeline(struct core *core, struct op *op, const Pb__SendLifelineRequest *request,
                     Pb__SendLifelineResponse *response UNUSED, struct err *err)
{
    struct datanode *node;
    int rc = find_node(core, op, request->registration, &node, err);

    if (rc) return rc;
    if (!is_known(node)) return 0; /* its heartbeat will be told to register */
    Pb__SendHeartbeatRequest heartbeat = PB__SEND_HEARTBEAT_REQUEST__INIT;
    heartbeat.n_reports = request->n_reports;
    heartbeat.reports = request->reports;
    heartbeat.xmitsinprogress = request->xmitsinprogress;
    heartbeat.xceivercount = request->xceivercount;
    heartbeat.failedvolumes = request->failedvolumes;
    heartbeat.cachecapacity = request->cachecapacity;
    heartbeat.cacheused = request->cacheused;
    heartbeat.volumefailuresummary = request->volumefailuresummary;
    take_heartbeat(core, node, &heartbeat);
    return 0;
}

/* ---- reports ---- */

static bool has_stale_storage(const struct datanode *node)
{
    const struct storage *storage;

    LIST_FOREACH (storage, &node->storages, of_datanode)
        if (storage->stale && !storage->failed) return true;
    return false;
}

int op_block_report(struct core *core, struct op *op, const Pb__BlockReportRequest *request,
                    Pb__BlockReportResponse *response, struct err *err)
{
    struct answer answer = {.core = core, .arena = op->arena};
    const Pb__BlockReportContext *context = request->context;
    struct datanode *node;
    int rc = find_or_register(core, op, request->registration, &node, err);

    if (rc) return rc;
    if (!is_known(node)) {
        add_register(&answer);
        response->cmd = answer.commands[0];
        return 0;
    }
    if (context && !report_lease_check(core, node, context->leaseid))
        return err_set(err, ERR_INVALID_REPORT_LEASE,
                       "Block report 0x%" PRIx64 " was rejected as lease 0x%" PRIx64 " is invalid",
                       (uint64_t)context->id, context->leaseid);
    for (size_t i = 0; i < request->n_reports && !rc; i++) {
        const Pb__StorageBlockReport *report = request->reports[i];
        struct storage *storage =
            storage_of(core, node, report->storage->storageuuid, report->storage);
        if (storage && !storage->failed) rc = report_full(core, storage, report, err);
    }
    if (rc) return rc;
    if (context && context->currpc + 1 == context->totalrpcs) {
        report_lease_end(core, node);
        node->report_wall_ms = core->now_wall_ms;
        node->report_ms = core->now_ms;
    }
    if (has_stale_storage(node) || core->upgrade_pending) return 0;
    add_finalize(&answer);
    response->cmd = answer.commands[0];
    return 0;
}

static void take_incremental(struct core *core, struct datanode *node,
                             const Pb__StorageReceivedDeletedBlocks *report)
{
    struct storage *storage = storage_of(core, node, report->storageuuid, report->storage);

    if (!storage || storage->failed) return;
    for (size_t i = 0; i < report->n_blocks; i++) {
        const Pb__ReceivedDeletedBlockInfo *info = report->blocks[i];
        struct block_id id = {.id = info->block->blockid,
                              .generation_stamp = info->block->genstamp,
                              .length = info->block->numbytes};
        const struct datanode *hint =
            str_empty(info->deletehint) ? NULL : dn_find(&core->datanodes, info->deletehint);

        switch (info->status) {
        case PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING:
            report_replica(core, storage, &id, REPLICA_RBW, NULL);
            blocks_writer_gone(core, storage, &id, info->has_writergone && info->writergone);
            break;
        case PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED:
            report_received(core, storage, &id, hint);
            break;
        case PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED:
            report_deleted(core, storage, &id);
            break;
        default:
            log_limited(LOG_WARN, 1000, "Unknown block status code reported by %s: %d",
                        dn_name(node), (int)info->status);
        }
    }
}

int op_block_received_and_deleted(struct core *core, struct op *op,
                                  const Pb__BlockReceivedAndDeletedRequest *request,
                                  Pb__BlockReceivedAndDeletedResponse *response UNUSED,
                                  struct err *err)
{
    struct datanode *node;
    int rc = find_node(core, op, request->registration, &node, err);

    if (rc) return rc;
    if (!is_known(node)) {
        log_warn("*BLOCK* NameNode.blockReceivedAndDeleted: Got incremental block report from "
                 "unregistered or dead node %s",
                 registration_text(request->registration, op->arena));
        return 0; /* its heartbeat will be told to register */
    }
    for (size_t i = 0; i < request->n_blocks; i++) take_incremental(core, node, request->blocks[i]);
    safemode_check(core);
    return 0;
}

int op_cache_report(struct core *core, struct op *op, const Pb__CacheReportRequest *request,
                    Pb__CacheReportResponse *response UNUSED, struct err *err)
{
    struct datanode *node;

    return find_node(core, op, request->registration, &node,
                     err); /* nothing is cached: there are no cache directives */
}

int op_error_report(struct core *core, struct op *op, const Pb__ErrorReportRequest *request,
                    Pb__ErrorReportResponse *response UNUSED, struct err *err)
{
    const char *who = registration_text(request->registartion, op->arena);
    struct datanode *node;
    int rc;

    if (request->errorcode == PB__ERROR_REPORT_REQUEST__ERROR_CODE__NOTIFY) {
        log_info("Error report from %s: %.1000s", who, request->msg);
        return 0;
    }
    rc = find_node(core, op, request->registartion, &node, err);
    if (rc) return rc;
    log_warn("%s %s: %.1000s",
             request->errorcode == PB__ERROR_REPORT_REQUEST__ERROR_CODE__FATAL_DISK_ERROR
                 ? "Fatal disk error on"
             : request->errorcode == PB__ERROR_REPORT_REQUEST__ERROR_CODE__DISK_ERROR
                 ? "Disk error on"
                 : "Error report from",
             who, request->msg);
    if (node && request->errorcode == PB__ERROR_REPORT_REQUEST__ERROR_CODE__FATAL_DISK_ERROR)
        monitor_node_dead(core, node);
    return 0;
}

/* A reader or a scanner saw a checksum error: in this replica, of this version of the block, on this storage; nothing else is judged by it. */
static void mark_bad(struct core *core, const Pb__LocatedBlock *located, size_t at)
{
    struct block_id id = located_block_id(located->b);
    struct block *block = block_find(core->blocks, id.id);
    struct datanode *node = dn_find(&core->datanodes, located->locs[at]->id->datanodeuuid);
    struct storage *storage = NULL;

    if (!block || !node || block->generation_stamp != id.generation_stamp) return;
    if (at < located->n_storageids) storage = dn_find_storage(node, located->storageids[at]);
    if (!storage) {
        LIST_FOREACH (storage, &node->storages, of_datanode)
            if (block_has_storage(core->blocks, block, storage->number)) break;
    }
    if (!storage || !block_has_storage(core->blocks, block, storage->number)) return;
    id.length = block->length;
    replica_mark_corrupt(core, block, storage, &id, CORRUPT_REPORTED);
}

int op_report_bad_blocks(struct core *core, struct op *op UNUSED,
                         const Pb__ReportBadBlocksRequest *request,
                         Pb__ReportBadBlocksResponse *response UNUSED, struct err *err)
{
    for (size_t i = 0; i < request->n_blocks; i++) {
        const Pb__LocatedBlock *located = request->blocks[i];
        int rc = located_check_pool(core, located->b, err);
        if (rc) return rc;
        for (size_t k = 0; k < located->n_locs; k++) mark_bad(core, located, k);
    }
    return 0;
}
