/* What dfsadmin, the balancer and the status pages ask about blocks and datanodes (ClientProtocol's administration, NamenodeProtocol). */
#include <stdlib.h>

#include "common/file.h"
#include "common/log.h"
#include "namenode/block_manager.h"
#include "namenode/dn_info.h"
#include "namenode/handlers.h"
#include "namenode/hosts.h"
#include "namenode/meta_save.h"
#include "namenode/namenode.h"
#include "namenode/nn_upgrade.h"
#include "namenode/redundancy.h"
#include "namenode/safemode.h"
#include "namenode/slow_nodes.h"

enum {
    CORRUPT_FILES_MAX = 100,      /* dfs.namenode.max-corrupt-file-blocks-returned */
    OPEN_FILES_MAX = 1000,        /* dfs.namenode.list.openfiles.num.responses */
    GET_BLOCKS_LOOK_MAX = 200000, /* blocks looked at for one answer to the balancer */
};
#define BANDWIDTH_MAX (INT64_C(1) << 40) /* HdfsServerConstants.MAX_BANDWIDTH_PER_DATANODE */

/* ---- numbers ---- */

static uint64_t pending_deletions(const struct core *core)
{
    uint64_t count = 0;

    for (uint32_t i = 1; i < core->datanodes.storage_count; i++) {
        const struct storage *storage = dn_storage(&core->datanodes, i);
        if (storage) count += storage->deletion_count;
    }
    return count;
}

int op_get_fs_stats(struct core *core, struct op *op UNUSED,
                    const Pb__GetFsStatsRequest *request UNUSED, Pb__GetFsStatsResponse *response,
                    struct err *err UNUSED)
{
    const struct dn_stats *stats = &core->datanodes.stats;

    response->capacity = stats->capacity;
    response->used = stats->used;
    response->remaining = stats->remaining;
    response->missing_blocks = redundancy_queue_size(core, REDUNDANCY_CORRUPT);
    response->under_replicated = redundancy_low_count(core) + response->missing_blocks;
    response->corrupt_blocks = HASH_COUNT(core->manager->corrupt);
    response->has_missing_repl_one_blocks = response->has_blocks_in_future =
        response->has_pending_deletion_blocks = 1;
    response->missing_repl_one_blocks = core->manager->missing_replication_one;
    response->blocks_in_future = core->manager->future_bytes;
    response->pending_deletion_blocks = pending_deletions(core);
    return 0;
}

int op_get_fs_replicated_block_stats(struct core *core, struct op *op UNUSED,
                                     const Pb__GetFsReplicatedBlockStatsRequest *request UNUSED,
                                     Pb__GetFsReplicatedBlockStatsResponse *response,
                                     struct err *err UNUSED)
{
    response->low_redundancy = redundancy_low_count(core);
    response->corrupt_blocks = HASH_COUNT(core->manager->corrupt);
    response->missing_blocks = redundancy_queue_size(core, REDUNDANCY_CORRUPT);
    response->missing_repl_one_blocks = core->manager->missing_replication_one;
    response->blocks_in_future = core->manager->future_bytes;
    response->pending_deletion_blocks = pending_deletions(core);
    response->has_highest_prio_low_redundancy_blocks = response->has_badly_distributed_blocks = 1;
    response->highest_prio_low_redundancy_blocks = redundancy_queue_size(core, REDUNDANCY_HIGHEST);
    response->badly_distributed_blocks = redundancy_queue_size(core, REDUNDANCY_BADLY_DISTRIBUTED);
    return 0;
}

/* Block groups are kept as they are and never queued, so none lacks anything as far as is known here. */
int op_get_fs_ecblock_group_stats(struct core *core UNUSED, struct op *op UNUSED,
                                  const Pb__GetFsECBlockGroupStatsRequest *request UNUSED,
                                  Pb__GetFsECBlockGroupStatsResponse *response,
                                  struct err *err UNUSED)
{
    response->has_highest_prio_low_redundancy_blocks = response->has_badly_distributed_blocks = 1;
    return 0;
}

/* ---- datanodes ---- */

static bool is_of_type(const struct datanode *node, Pb__DatanodeReportType type)
{
    switch (type) {
    case PB__DATANODE_REPORT_TYPE__LIVE: return node->alive;
    case PB__DATANODE_REPORT_TYPE__DEAD: return !node->alive;
    case PB__DATANODE_REPORT_TYPE__DECOMMISSIONING: return node->admin_state == DN_DECOMMISSIONING;
    case PB__DATANODE_REPORT_TYPE__ENTERING_MAINTENANCE:
        return node->admin_state == DN_ENTERING_MAINTENANCE;
    case PB__DATANODE_REPORT_TYPE__IN_MAINTENANCE: return node->admin_state == DN_IN_MAINTENANCE;
    default: return true;
    }
}

/* Dead, taken out of service and off the lists: nothing that anybody needs to hear of (removeDecomNodeFromList). */
static bool is_listed(const struct core *core, const struct datanode *node,
                      Pb__DatanodeReportType type)
{
    if (node->wiped || !is_of_type(node, type)) return false;
    return node->alive ||
           hosts_is_included(core->hosts, node->ip, node->hostname, node->xfer_port) ||
           type == PB__DATANODE_REPORT_TYPE__ALL;
}

static int by_address(const void *a, const void *b)
{
    return strcmp((*(struct datanode *const *)a)->address, (*(struct datanode *const *)b)->address);
}

static struct datanode **list_nodes(struct core *core, Pb__DatanodeReportType type,
                                    struct arena *arena, size_t *count)
{
    struct datanode **list = ARENA_ARRAY(arena, struct datanode *, dn_count(&core->datanodes) + 1),
                    *node, *next;

    *count = 0;
    HASH_ITER (hh, core->datanodes.by_uuid, node, next)
        if (is_listed(core, node, type)) list[(*count)++] = node;
    qsort(list, *count, sizeof *list, by_address);
    return list;
}

struct unheard {
    struct core *core;
    struct arena *arena;
    Pb__DatanodeInfo **list;
    size_t count, max;
};

/* Hosts on the include list that never registered are dead nodes too. */
static void add_unheard(const char *name, uint16_t port, void *arg)
{
    struct unheard *unheard = arg;
    const struct dn_host *host;

    HASH_FIND_STR(unheard->core->datanodes.hosts, name, host);
    if (host || unheard->count == unheard->max) return;
    Pb__DatanodeInfo *info = arena_alloc(unheard->arena, sizeof *info);
    pb__datanode_info__init(info);
    info->id = arena_alloc(unheard->arena, sizeof *info->id);
    pb__datanode_id__init(info->id);
    info->id->ipaddr = info->id->hostname = arena_strdup(unheard->arena, name);
    info->id->datanodeuuid = (char *)"";
    info->id->xferport = port ? port : 9866;
    info->location = (char *)"/default-rack";
    unheard->list[unheard->count++] = info;
}

static void count_included(const char *name UNUSED, uint16_t port UNUSED, void *arg)
{
    ++*(size_t *)arg;
}

int op_get_datanode_report(struct core *core, struct op *op,
                           const Pb__GetDatanodeReportRequest *request,
                           Pb__GetDatanodeReportResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "datanodeReport", err);
    size_t count, included = 0;

    if (rc) return rc;
    struct datanode **nodes = list_nodes(core, request->type, op->arena, &count);
    bool dead = request->type == PB__DATANODE_REPORT_TYPE__DEAD ||
                request->type == PB__DATANODE_REPORT_TYPE__ALL;
    if (dead) hosts_each_included(core->hosts, count_included, &included);
    struct unheard all = {.core = core, .arena = op->arena, .max = count + included};
    all.list = ARENA_ARRAY(op->arena, Pb__DatanodeInfo *, all.max + 1);
    for (size_t i = 0; i < count; i++)
        all.list[all.count++] = dn_info_make(core, nodes[i], op->arena);
    if (dead) hosts_each_included(core->hosts, add_unheard, &all);
    response->di = all.list;
    response->n_di = all.count;
    return 0;
}

static Pb__DatanodeStorageReport *storage_report(struct core *core, const struct datanode *node,
                                                 struct arena *arena)
{
    Pb__DatanodeStorageReport *report = arena_alloc(arena, sizeof *report);
    const struct storage *storage;

    pb__datanode_storage_report__init(report);
    report->datanodeinfo = dn_info_make(core, node, arena);
    report->storagereports = ARENA_ARRAY(arena, Pb__StorageReport *, node->storage_count + 1);
    LIST_FOREACH (storage, &node->storages, of_datanode)
        report->storagereports[report->n_storagereports++] = dn_storage_report_make(storage, arena);
    return report;
}

int op_get_datanode_storage_report(struct core *core, struct op *op,
                                   const Pb__GetDatanodeStorageReportRequest *request,
                                   Pb__GetDatanodeStorageReportResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getDatanodeStorageReport", err);
    size_t count;

    if (rc) return rc;
    struct datanode **nodes = list_nodes(core, request->type, op->arena, &count);
    response->datanodestoragereports =
        ARENA_ARRAY(op->arena, Pb__DatanodeStorageReport *, count + 1);
    for (size_t i = 0; i < count; i++)
        response->datanodestoragereports[response->n_datanodestoragereports++] =
            storage_report(core, nodes[i], op->arena);
    return 0;
}

int op_get_slow_datanode_report(struct core *core, struct op *op,
                                const Pb__GetSlowDatanodeReportRequest *request UNUSED,
                                Pb__GetSlowDatanodeReportResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "slowDataNodesReport", err);
    size_t count;

    if (rc) return rc;
    struct datanode **nodes = list_nodes(core, PB__DATANODE_REPORT_TYPE__ALL, op->arena, &count);
    response->datanodeinfoproto = ARENA_ARRAY(op->arena, Pb__DatanodeInfo *, count + 1);
    for (size_t i = 0; i < count; i++)
        if (slow_node_reports(core, nodes[i]))
            response->datanodeinfoproto[response->n_datanodeinfoproto++] =
                dn_info_make(core, nodes[i], op->arena);
    return 0;
}

int op_refresh_nodes(struct core *core, struct op *op,
                     const Pb__RefreshNodesRequest *request UNUSED,
                     Pb__RefreshNodesResponse *response UNUSED, struct err *err)
{
    const struct conf *conf = namenode_of(core)->conf;
    struct hosts *hosts;
    int rc = op_check_superuser(core, op, "refreshNodes", err);

    if (!rc) rc = hosts_load(&hosts, conf, err);
    if (!rc) hosts_apply(core, hosts);
    return rc;
}

int op_set_balancer_bandwidth(struct core *core, struct op *op,
                              const Pb__SetBalancerBandwidthRequest *request,
                              Pb__SetBalancerBandwidthResponse *response UNUSED, struct err *err)
{
    struct datanode *node, *next;
    int rc;

    if (request->bandwidth > BANDWIDTH_MAX)
        return err_set(err, ERR_ARGUMENT,
                       "Bandwidth should not exceed maximum limit %" PRId64 " bytes per second",
                       BANDWIDTH_MAX);
    rc = op_check_superuser(core, op, "setBalancerBandwidth", err);
    if (rc) return rc;
    HASH_ITER (hh, core->datanodes.by_uuid, node, next)
        node->work.bandwidth = (uint64_t)MAX(request->bandwidth, 0);
    return 0;
}

/* ---- safe mode, upgrades ---- */

int op_set_safe_mode(struct core *core, struct op *op, const Pb__SetSafeModeRequest *request,
                     Pb__SetSafeModeResponse *response, struct err *err)
{
    static const char *const names[] = {"", "safemode_leave", "safemode_enter", "safemode_get",
                                        "safemode_force_exit"};
    int rc = 0;

    if ((size_t)request->action >= ARRAY_LEN(names))
        return err_set(err, ERR_ARGUMENT, "unknown safe mode action %d", (int)request->action);
    if (request->action != PB__SAFE_MODE_ACTION__SAFEMODE_GET)
        rc = op_check_superuser(core, op, names[request->action], err);
    if (rc) return rc;
    if (request->action == PB__SAFE_MODE_ACTION__SAFEMODE_ENTER) safemode_enter(core, false);
    if (request->action == PB__SAFE_MODE_ACTION__SAFEMODE_LEAVE) safemode_leave(core, false);
    if (request->action == PB__SAFE_MODE_ACTION__SAFEMODE_FORCE_EXIT) safemode_leave(core, true);
    response->result = safemode_is_on(core);
    return 0;
}

/* A directory that failed stays out until the next start; what Apache calls restoring is off, its default. */
int op_restore_failed_storage(struct core *core, struct op *op,
                              const Pb__RestoreFailedStorageRequest *request,
                              Pb__RestoreFailedStorageResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "restoreFailedStorage", err);

    if (!rc && str_eq(request->arg, "true"))
        rc = err_set(err, ERR_UNSUPPORTED,
                     "restoring failed name directories while running is not supported: mend the "
                     "directory and restart the namenode");
    response->result = 0;
    return rc;
}

/* The folders that go hold a few large files; a name that changes and unlinks are all that happens here. */
int op_finalize_upgrade(struct core *core, struct op *op,
                        const Pb__FinalizeUpgradeRequest *request UNUSED,
                        Pb__FinalizeUpgradeResponse *response UNUSED, struct err *err)
{
    int rc = op_check_superuser(core, op, "finalizeUpgrade", err);

    if (!rc && core->upgrade_pending) rc = nn_upgrade_finalize(namenode_of(core)->storage, err);
    if (!rc) core->upgrade_pending = false;
    return rc;
}

int op_upgrade_status(struct core *core, struct op *op,
                      const Pb__UpgradeStatusRequest *request UNUSED,
                      Pb__UpgradeStatusResponse *response, struct err *err)
{
    response->upgradefinalized = !core->upgrade_pending;
    return op_check_superuser(core, op, "upgradeStatus", err);
}

static Pb__RollingUpgradeInfo *rolling_upgrade_info(const struct core *core, int64_t start_ms,
                                                    int64_t finalize_ms, struct arena *arena)
{
    Pb__RollingUpgradeInfo *info = ARENA_NEW(arena, Pb__RollingUpgradeInfo);

    pb__rolling_upgrade_info__init(info);
    info->status = ARENA_NEW(arena, Pb__RollingUpgradeStatus);
    pb__rolling_upgrade_status__init(info->status);
    info->status->blockpoolid = (char *)(uintptr_t)core->identity.block_pool_id;
    info->status->has_finalized = true;
    info->status->finalized = finalize_ms != 0;
    info->starttime = (uint64_t)start_ms;
    info->finalizetime = (uint64_t)finalize_ms;
    info->createdrollbackimages = core->rolling_image;
    return info;
}

/* Without a standby, which would write the image, that is done at once, in safe mode, which ends with it. */
static int start_rolling_upgrade(struct core *core, struct err *err)
{
    if (!safemode_is_on(core))
        return err_set(err, ERR_IO,
                       "Safe mode should be turned ON in order to create namespace image.");
    if (core->upgrade_pending)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "previous fs state should not exist during upgrade. Finalize or rollback "
                       "first.");
    int rc = checkpoint_save_rollback(namenode_of(core)->checkpoint, err);
    if (rc) return rc;
    safemode_leave(core, false);
    struct edit edit = {.op = EDIT_ROLLING_UPGRADE_START, .mtime_ms = core->now_wall_ms};
    core_edit(core, &edit);
    core->rolling_image = true;
    core->rolling_upgrade_finalized = false;
    return 0;
}

static int finalize_rolling_upgrade(struct core *core, struct err *err)
{
    int rc = op_check_not_safemode(core, "Failed to finalize rolling upgrade", err);

    if (rc) return rc;
    struct edit edit = {.op = EDIT_ROLLING_UPGRADE_FINALIZE, .mtime_ms = core->now_wall_ms};
    uint64_t txid = core_edit(core, &edit);
    core->rolling_upgrade_finalized = true;
    core->rolling_image = false;
    return checkpoint_drop_rollback(namenode_of(core)->checkpoint, txid, err);
}

int op_rolling_upgrade(struct core *core, struct op *op, const Pb__RollingUpgradeRequest *request,
                       Pb__RollingUpgradeResponse *response, struct err *err)
{
    int64_t start_ms = core->rolling_upgrade_start_ms, finalize_ms = 0;
    static const char *const names[] = {"", "queryRollingUpgrade", "startRollingUpgrade",
                                        "finalizeRollingUpgrade"};
    int rc;

    if ((size_t)request->action >= ARRAY_LEN(names))
        return err_set(err, ERR_ARGUMENT, "unknown rolling upgrade action %d",
                       (int)request->action);
    rc = op_check_superuser(core, op, names[request->action], err);
    if (!rc && request->action == PB__ROLLING_UPGRADE_ACTION__START && !start_ms) {
        rc = start_rolling_upgrade(core, err);
        start_ms = core->rolling_upgrade_start_ms;
    }
    if (!rc && request->action == PB__ROLLING_UPGRADE_ACTION__FINALIZE && start_ms) {
        finalize_ms = core->now_wall_ms;
        rc = finalize_rolling_upgrade(core, err);
    }
    if (rc || !start_ms) return rc;
    response->rollingupgradeinfo = rolling_upgrade_info(core, start_ms, finalize_ms, op->arena);
    return 0;
}

int op_is_upgrade_finalized(struct core *core, struct op *op,
                            const Pb__IsUpgradeFinalizedRequest *request UNUSED,
                            Pb__IsUpgradeFinalizedResponse *response, struct err *err)
{
    response->isupgradefinalized = !core->upgrade_pending;
    return op_check_superuser(core, op, "isUpgradeFinalized", err);
}

int op_is_rolling_upgrade(struct core *core, struct op *op,
                          const Pb__IsRollingUpgradeRequest *request UNUSED,
                          Pb__IsRollingUpgradeResponse *response, struct err *err)
{
    response->isrollingupgrade = core->rolling_upgrade_start_ms != 0;
    return op_check_superuser(core, op, "isRollingUpgrade", err);
}

/* ---- lists of files ---- */

static bool is_below(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    while (length && dir[length - 1] == '/') length--;
    return strncmp(path, dir, length) == 0 &&
           (path[length] == '/' || path[length] == '\0' || length == 0);
}

static int parse_cookie(const char *cookie, uint32_t *skip, struct err *err)
{
    char *end;
    long value = str_empty(cookie) ? 0 : strtol(cookie, &end, 10);

    if (!str_empty(cookie) && *end) return err_set(err, ERR_ARGUMENT, "bad cookie '%.40s'", cookie);
    *skip = value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return 0;
}

int op_list_corrupt_file_blocks(struct core *core, struct op *op,
                                const Pb__ListCorruptFileBlocksRequest *request,
                                Pb__ListCorruptFileBlocksResponse *response, struct err *err)
{
    const roaring_bitmap_t *missing = core->manager->queues[REDUNDANCY_CORRUPT];
    Pb__CorruptFileBlocks *corrupt = arena_alloc(op->arena, sizeof *corrupt);
    roaring_uint32_iterator_t it;
    uint32_t skip = 0, seen = 0;
    int rc = op_check_superuser(core, op, "listCorruptFileBlocks", err);

    if (!rc) rc = parse_cookie(request->cookie, &skip, err);
    if (rc) return rc;
    if (!core->manager->populating)
        return err_set(err, ERR_IO,
                       "Cannot run listCorruptFileBlocks because replication queues have not been "
                       "initialized.");
    pb__corrupt_file_blocks__init(corrupt);
    corrupt->files = ARENA_ARRAY(op->arena, char *, CORRUPT_FILES_MAX);
    for (roaring_init_iterator(missing, &it); it.has_value && corrupt->n_files < CORRUPT_FILES_MAX;
         roaring_advance_uint32_iterator(&it)) {
        if (seen++ < skip) continue;
        const struct block *block = block_at(core->blocks, it.current_value);
        const char *path =
            block->inode
                ? tree_path_of(&core->tree, inode_at(core->tree.inodes, block->inode), op->arena)
                : NULL;
        if (path && is_below(path, request->path))
            corrupt->files[corrupt->n_files++] = (char *)path;
    }
    corrupt->cookie = arena_printf(op->arena, "%u", MAX(seen, skip));
    response->corrupt = corrupt;
    return 0;
}

/* Its last block is written on a node that is being decommissioned. */
static bool blocks_decommission(const struct core *core, const struct inode *file)
{
    const struct block *last = inode_last_block(file);
    struct storage *storages[64];
    size_t count = last && !block_is_complete(last)
                       ? blocks_expected(core, last, storages, ARRAY_LEN(storages))
                       : 0;

    for (size_t i = 0; i < count; i++)
        if (storages[i]->datanode->admin_state == DN_DECOMMISSIONING ||
            storages[i]->datanode->admin_state == DN_ENTERING_MAINTENANCE)
            return true;
    return false;
}

static Pb__OpenFilesBatchResponse *open_file(struct core *core, uint64_t id, const char *path,
                                             struct arena *arena)
{
    Pb__OpenFilesBatchResponse *entry = arena_alloc(arena, sizeof *entry);
    const char *machine = lease_machine(core->leases, id);

    pb__open_files_batch_response__init(entry);
    entry->id = (int64_t)id;
    entry->path = (char *)path;
    entry->clientname = (char *)lease_holder(core->leases, id);
    entry->clientmachine = (char *)(machine ? machine : "");
    return entry;
}

int op_list_open_files(struct core *core, struct op *op, const Pb__ListOpenFilesRequest *request,
                       Pb__ListOpenFilesResponse *response, struct err *err)
{
    uint64_t after = request->id > 0 ? (uint64_t)request->id : 0;
    bool only_blocking = request->n_types > 0;
    int rc = op_check_superuser(core, op, "listOpenFiles", err);

    if (rc) return rc;
    for (size_t i = 0; i < request->n_types; i++)
        only_blocking =
            only_blocking && request->types[i] == PB__OPEN_FILES_TYPE__BLOCKING_DECOMMISSION;
    uint64_t *ids = ARENA_ARRAY(op->arena, uint64_t, OPEN_FILES_MAX + 1);
    size_t count = lease_files(core->leases, NULL, after, ids, OPEN_FILES_MAX + 1);
    response->entries = ARENA_ARRAY(op->arena, Pb__OpenFilesBatchResponse *, OPEN_FILES_MAX);
    for (size_t i = 0; i < MIN(count, (size_t)OPEN_FILES_MAX); i++) {
        const struct inode *file = inode_find(core->tree.inodes, ids[i]);
        const char *path = file ? tree_path_of(&core->tree, file, op->arena) : NULL;
        if (!path || (only_blocking && !blocks_decommission(core, file))) continue;
        if (!str_empty(request->path) && !is_below(path, request->path)) continue;
        response->entries[response->n_entries++] = open_file(core, ids[i], path, op->arena);
    }
    response->hasmore = count > OPEN_FILES_MAX;
    response->types = request->types;
    response->n_types = request->n_types;
    return 0;
}

int op_meta_save(struct core *core, struct op *op, const Pb__MetaSaveRequest *request,
                 Pb__MetaSaveResponse *response UNUSED, struct err *err)
{
    const char *dir = getenv("HADOOP_LOG_DIR");
    struct buf text = {0};
    int rc = op_check_superuser(core, op, "metaSave", err);

    if (rc) return rc;
    if (!request->filename[0] || strchr(request->filename, '/') || str_eq(request->filename, ".") ||
        str_eq(request->filename, ".."))
        return err_set(
            err, ERR_ARGUMENT,
            "metaSave writes into the namenode's log directory: '%.200s' must be a plain file name",
            request->filename);
    meta_save_write(core, &text);
    rc = file_replace(
        arena_printf(op->arena, "%s/%s", str_empty(dir) ? "." : dir, request->filename), text.data,
        text.length, 0644, err);
    buf_release(&text);
    return rc;
}

/* ---- the balancer ---- */

static Pb__BlockWithLocations *with_locations(struct core *core, const struct block *block,
                                              struct arena *arena)
{
    struct storage *storages[BLOCK_REPLICAS_MAX];
    size_t count = blocks_live(core, block, storages, ARRAY_LEN(storages));
    Pb__BlockWithLocations *out = arena_alloc(arena, sizeof *out);

    pb__block_with_locations__init(out);
    out->block = arena_alloc(arena, sizeof *out->block);
    pb__block__init(out->block);
    out->block->blockid = block->id;
    out->block->genstamp = block->generation_stamp;
    out->block->has_numbytes = 1;
    out->block->numbytes = block->length;
    out->datanodeuuids = ARENA_ARRAY(arena, char *, count + 1);
    out->storageuuids = ARENA_ARRAY(arena, char *, count + 1);
    out->storagetypes = ARENA_ARRAY(arena, Pb__StorageType, count + 1);
    out->n_datanodeuuids = out->n_storageuuids = out->n_storagetypes = count;
    for (size_t i = 0; i < count; i++) {
        out->datanodeuuids[i] = storages[i]->datanode->uuid;
        out->storageuuids[i] = storages[i]->uuid;
        out->storagetypes[i] = (Pb__StorageType)storages[i]->type;
    }
    return out;
}

struct picked_blocks {
    Pb__BlockWithLocations **list;
    size_t count, capacity;
    uint64_t size, looked;
};

/* Blocks of one storage from a random one on, once around, until the size is reached. */
static void pick_blocks(struct core *core, struct op *op, const struct storage *storage,
                        const Pb__GetBlocksRequest *request, struct picked_blocks *picked)
{
    uint64_t blocks = roaring_bitmap_get_cardinality(storage->blocks);
    uint32_t first = 0;
    roaring_uint32_iterator_t it;

    if (!blocks ||
        !roaring_bitmap_select(storage->blocks, (uint32_t)(core_random(core) % blocks), &first))
        return;
    roaring_init_iterator(storage->blocks, &it);
    roaring_move_uint32_iterator_equalorlarger(&it, first);
    for (uint64_t i = 0;
         i < blocks && picked->size < request->size && picked->looked++ < GET_BLOCKS_LOOK_MAX;
         i++) {
        const struct block *block = block_at(core->blocks, it.current_value);
        if (block_is_complete(block) && !BLOCK_ID_IS_STRIPED(block->id) &&
            block->length >= request->minblocksize) {
            Pb__BlockWithLocations *entry = with_locations(core, block, op->arena);
            GROW(picked->list, picked->capacity, picked->count + 1);
            if (entry->n_datanodeuuids) {
                picked->list[picked->count++] = entry;
                picked->size += block->length;
            }
        }
        if (!roaring_advance_uint32_iterator(&it)) roaring_init_iterator(storage->blocks, &it);
    }
}

int op_get_blocks(struct core *core, struct op *op, const Pb__GetBlocksRequest *request,
                  Pb__GetBlocksResponse *response, struct err *err)
{
    struct picked_blocks picked = {.list = NULL};
    const struct storage *storage;
    int rc = op_check_superuser(core, op, "getBlocks", err);

    if (rc) return rc;
    if ((int64_t)request->size <= 0)
        return err_set(err, ERR_IO, "Unexpected not positive size: %" PRId64,
                       (int64_t)request->size);
    if ((int64_t)request->minblocksize < 0)
        return err_set(err, ERR_IO, "Unexpected not positive size: %" PRId64,
                       (int64_t)request->minblocksize);
    const struct datanode *node = dn_find(&core->datanodes, request->datanode->datanodeuuid);
    if (!node)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Datanode %.64s:%u not found.",
                       request->datanode->ipaddr, request->datanode->xferport);
    LIST_FOREACH (storage, &node->storages, of_datanode) {
        if (storage->stale ||
            (request->has_storagetype && (int)storage->type != (int)request->storagetype))
            continue;
        pick_blocks(core, op, storage, request, &picked);
    }
    response->blocks = arena_alloc(op->arena, sizeof *response->blocks);
    pb__blocks_with_locations__init(response->blocks);
    response->blocks->blocks = ARENA_ARRAY(op->arena, Pb__BlockWithLocations *, picked.count + 1);
    if (picked.count)
        memcpy(response->blocks->blocks, picked.list, picked.count * sizeof *picked.list);
    response->blocks->n_blocks = picked.count;
    mem_free(picked.list);
    return 0;
}

int op_get_block_keys(struct core *core, struct op *op,
                      const Pb__GetBlockKeysRequest *request UNUSED,
                      Pb__GetBlockKeysResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getBlockKeys", err);

    if (rc) return rc;
    response->keys = arena_alloc(op->arena, sizeof *response->keys);
    pb__exported_block_keys__init(response->keys);
    response->keys->currentkey = arena_alloc(op->arena, sizeof *response->keys->currentkey);
    pb__block_key__init(response->keys->currentkey);
    return 0;
}
