#include "namenode/dn_info.h"

#include "namenode/dn_admin.h"

Pb__DatanodeID *dn_id_make(const struct datanode *node, struct arena *arena)
{
    Pb__DatanodeID *id = arena_alloc(arena, sizeof *id);

    pb__datanode_id__init(id);
    id->ipaddr = node->ip;
    id->hostname = node->hostname;
    id->datanodeuuid = node->uuid;
    id->xferport = node->xfer_port;
    id->infoport = node->info_port;
    id->ipcport = node->ipc_port;
    id->has_infosecureport = 1;
    id->infosecureport = node->info_secure_port;
    return id;
}

void dn_info_fill(struct core *core, const struct datanode *node, Pb__DatanodeInfo *out,
                  struct arena *arena)
{
    pb__datanode_info__init(out);
    out->id = dn_id_make(node, arena);
    out->location = node->location;
    out->upgradedomain = node->upgrade_domain;
    out->softwareversion = node->software_version;
#define SET(field, value) (out->has_##field = 1, out->field = (value))
    SET(capacity, dn_capacity(node));
    SET(dfsused, dn_used(node));
    SET(nondfsused, dn_non_dfs_used(node));
    SET(remaining, dn_remaining(node));
    SET(blockpoolused, dn_block_pool_used(node));
    SET(cachecapacity, node->cache_capacity);
    SET(cacheused, node->cache_used);
    SET(lastupdate, (uint64_t)node->heartbeat_wall_ms);
    SET(lastupdatemonotonic, (uint64_t)node->heartbeat_ms);
    SET(xceivercount, node->xceivers);
    SET(adminstate, (Pb__DatanodeInfo__AdminState)node->admin_state);
    SET(lastblockreporttime, (uint64_t)node->report_wall_ms);
    SET(lastblockreportmonotonic, (uint64_t)node->report_ms);
    SET(numblocks, (uint32_t)MIN(dn_block_count(node), (uint64_t)UINT32_MAX));
    if (node->leaving_checked &&
        (node->admin_state == DN_DECOMMISSIONING || node->admin_state == DN_ENTERING_MAINTENANCE)) {
        int64_t left = dn_admin_seconds_left(core, node);
        SET(leavingblocks, node->leaving_low_redundancy);
        SET(leavingblocksinopenfiles, node->leaving_in_open_files);
        if (left >= 0) SET(leavingsecondsleft, (uint64_t)left);
    }
#undef SET
}

Pb__DatanodeInfo *dn_info_make(struct core *core, const struct datanode *node, struct arena *arena)
{
    Pb__DatanodeInfo *info = arena_alloc(arena, sizeof *info);

    dn_info_fill(core, node, info, arena);
    return info;
}

Pb__StorageReport *dn_storage_report_make(const struct storage *storage, struct arena *arena)
{
    Pb__StorageReport *report = arena_alloc(arena, sizeof *report);

    pb__storage_report__init(report);
    report->storageuuid = storage->uuid;
    report->mount = storage->mount;
#define SET(field, value) (report->has_##field = 1, report->field = (value))
    SET(failed, storage->failed);
    SET(capacity, storage->capacity);
    SET(dfsused, storage->dfs_used);
    SET(remaining, storage->remaining);
    SET(blockpoolused, storage->block_pool_used);
    SET(nondfsused, storage->non_dfs_used);
#undef SET
    report->storage = arena_alloc(arena, sizeof *report->storage);
    pb__datanode_storage__init(report->storage);
    report->storage->storageuuid = storage->uuid;
    report->storage->has_state = report->storage->has_storagetype = 1;
    report->storage->state = storage->read_only_shared
                                 ? PB__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED
                                 : PB__DATANODE_STORAGE__STORAGE_STATE__NORMAL;
    report->storage->storagetype = (Pb__StorageType)storage->type;
    return report;
}

const char *dn_registration_text(const struct datanode *node, const struct core *core,
                                 struct arena *arena)
{
    return arena_printf(
        arena,
        "DatanodeRegistration(%s, datanodeUuid=%s, infoPort=%u, infoSecurePort=%u, ipcPort=%u, "
        "storageInfo=lv=%d;cid=%s;nsid=%u;c=%" PRIu64 ")",
        node->address, node->uuid, node->info_port, node->info_secure_port, node->ipc_port,
        LAYOUT_DATANODE, core->identity.cluster_id, core->identity.namespace_id,
        core->identity.ctime);
}
