/* The status page, /jmx (the beans that monitoring of HDFS depends on), /conf, /isActive. */
#include "common/buf.h"
#include "common/json.h"
#include "namenode/dn_admin.h"
#include "namenode/handlers.h"
#include "namenode/safemode.h"
#include "namenode/slow_nodes.h"
#include "namenode/web.h"

/* What the beans tell, copied on the core thread. */
struct status {
    struct namenode *nn;
    struct arena arena;
    Pb__GetFsStatsResponse stats;
    Pb__GetFsReplicatedBlockStatsResponse blocks;
    uint64_t inodes, block_count, open_files, clients, txid, checkpoint_txid;
    int64_t checkpoint_ms;
    uint32_t live, dead, stale, decommissioning;
    uint64_t xceivers;
    const char *safemode;                /* "" when off */
    const char *live_nodes, *dead_nodes; /* JSON objects as text */
    const char *decommissioning_nodes, *entering_nodes;
    const char *slow_peers, *slow_disks; /* JSON lists as text */
    const char *leaving;                 /* the page's lines on nodes that leave */
};

/* Which disks failed, where any did. */
static void put_failures(struct json *json, const struct datanode *dn)
{
    if (!dn->failed_locations) return;
    json_key(json, "failedStorageIDs");
    json_begin_array(json);
    for (size_t i = 0; dn->failed_locations[i]; i++) json_string(json, dn->failed_locations[i]);
    json_end(json);
    json_put_int(json, "lastVolumeFailureDate", dn->last_volume_failure_ms);
    json_put_int(json, "estimatedCapacityLostTotal", (int64_t)dn->capacity_lost);
}

static void describe_datanode(struct json *json, const struct core *core, const struct datanode *dn)
{
    uint64_t capacity = 0, used = 0, remaining = 0, non_dfs = 0, pool = 0;
    const struct storage *storage;
    struct arena arena = {0};

    LIST_FOREACH (storage, &dn->storages, of_datanode) {
        capacity += storage->capacity;
        used += storage->dfs_used;
        remaining += storage->remaining;
        non_dfs += storage->non_dfs_used;
        pool += storage->block_pool_used;
    }
    json_key(json, arena_printf(&arena, "%s:%u", dn->hostname, dn->xfer_port));
    json_begin_object(json);
    json_put_string(json, "infoAddr", arena_printf(&arena, "%s:%u", dn->ip, dn->info_port));
    json_put_string(json, "infoSecureAddr",
                    arena_printf(&arena, "%s:%u", dn->ip, dn->info_secure_port));
    json_put_string(json, "xferaddr", arena_printf(&arena, "%s:%u", dn->ip, dn->xfer_port));
    json_put_string(json, "location", dn->location);
    json_put_string(json, "uuid", dn->uuid);
    json_put_int(json, "lastContact", (core->now_ms - dn->heartbeat_ms) / SECOND_MS);
    json_put_int(json, "usedSpace", (int64_t)used);
    json_put_string(json, "adminState", dn_admin_state_name(dn->admin_state));
    json_put_int(json, "numBlocks", (int64_t)dn_block_count(dn));
    json_put_int(json, "nonDfsUsedSpace", (int64_t)non_dfs);
    json_put_int(json, "capacity", (int64_t)capacity);
    json_put_int(json, "remaining", (int64_t)remaining);
    json_put_int(json, "blockPoolUsed", (int64_t)pool);
    json_put_string(json, "version", dn->software_version);
    json_put_int(json, "volfails", dn->failed_volumes);
    json_put_int(json, "lastBlockReport",
                 dn->report_wall_ms ? (core->now_ms - dn->report_ms) / MINUTE_MS : -1);
    put_failures(json, dn);
    json_end(json);
    arena_release(&arena);
}

static const char *describe_datanodes(struct status *status, const struct core *core, bool alive)
{
    struct buf text = {0};
    struct json json = json_to(&text);

    json_begin_object(&json);
    for (const struct datanode *dn = core->datanodes.by_uuid; dn; dn = dn->hh.next)
        if (dn->alive == alive) describe_datanode(&json, core, dn);
    json_end(&json);
    const char *copy = arena_strdup(&status->arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

/* How far a node on its way out is; -1: nobody can say yet. */
static const char *describe_leaving(struct status *status, const struct core *core,
                                    enum dn_admin_state state)
{
    bool decommissioning = state == DN_DECOMMISSIONING;
    struct buf text = {0};
    struct json json = json_to(&text);
    char name[512];

    json_begin_object(&json);
    for (const struct datanode *dn = core->datanodes.by_uuid; dn; dn = dn->hh.next) {
        if (dn->admin_state != state || !dn->alive) continue;
        snprintf(name, sizeof name, "%s:%u", dn->hostname, dn->xfer_port);
        json_key(&json, name);
        json_begin_object(&json);
        json_put_string(&json, "xferaddr", dn->address);
        json_put_string(&json, "location", dn->location);
        json_put_string(&json, "uuid", dn->uuid);
        json_put_int(&json, "underReplicatedBlocks", dn->leaving_low_redundancy);
        json_put_int(&json,
                     decommissioning ? "decommissionOnlyReplicas" : "maintenanceOnlyReplicas",
                     dn->leaving_out_of_service_only);
        json_put_int(&json, "underReplicateInOpenFiles", dn->leaving_in_open_files);
        json_put_int(&json, "estimatedSecondsLeft", dn_admin_seconds_left(core, dn));
        json_end(&json);
    }
    json_end(&json);
    const char *copy = arena_strdup(&status->arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static const char *lines_on_leaving(struct status *status, const struct core *core)
{
    struct buf text = {0};

    for (const struct datanode *dn = core->datanodes.by_uuid; dn; dn = dn->hh.next) {
        int64_t left = dn_admin_seconds_left(core, dn);
        if (!dn->alive ||
            (dn->admin_state != DN_DECOMMISSIONING && dn->admin_state != DN_ENTERING_MAINTENANCE))
            continue;
        buf_printf(
            &text,
            "<tr><td>%s</td><td>%s, %u blocks lack replicas elsewhere, %u of them in open files",
            dn->address, dn_admin_state_name(dn->admin_state), dn->leaving_low_redundancy,
            dn->leaving_in_open_files);
        if (left >= 0) buf_printf(&text, ", about %" PRId64 " s to go", left);
        buf_put_str(&text, "</td></tr>\n");
    }
    const char *copy = arena_strdup(&status->arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static const char *as_text(struct status *status, const struct core *core,
                           void (*write)(const struct core *core, struct buf *out))
{
    struct buf text = {0};

    write(core, &text);
    const char *copy = arena_strdup(&status->arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static void collect(struct core *core, void *arg)
{
    struct status *status = arg;
    struct op op = {.arena = &status->arena,
                    .user = core->conf.superuser,
                    .superuser = true,
                    .client_ip = "127.0.0.1",
                    .method = "jmx"};
    Pb__GetFsStatsRequest fs_request = PB__GET_FS_STATS_REQUEST__INIT;
    Pb__GetFsReplicatedBlockStatsRequest block_request =
        PB__GET_FS_REPLICATED_BLOCK_STATS_REQUEST__INIT;
    struct err err = ERR_INIT;

    if (op_get_fs_stats(core, &op, &fs_request, &status->stats, &err) < 0 ||
        op_get_fs_replicated_block_stats(core, &op, &block_request, &status->blocks, &err) < 0)
        return;
    status->inodes = inode_count(core->tree.inodes);
    status->block_count = block_map_count(core->blocks);
    status->open_files = lease_file_count(core->leases);
    status->clients = lease_count(core->leases);
    status->txid = core->txid_applied;
    status->checkpoint_txid = checkpoint_last_txid(status->nn->checkpoint);
    status->checkpoint_ms = checkpoint_last_wall_ms(status->nn->checkpoint);
    for (const struct datanode *dn = core->datanodes.by_uuid; dn; dn = dn->hh.next) {
        if (!dn->alive) {
            status->dead++;
            continue;
        }
        status->live++;
        status->xceivers += dn->xceivers;
        if (dn_is_stale(core, dn)) status->stale++;
        if (dn->admin_state == DN_DECOMMISSIONING) status->decommissioning++;
    }
    status->safemode = safemode_is_on(core) ? safemode_tip(core, &status->arena) : "";
    status->live_nodes = describe_datanodes(status, core, true);
    status->dead_nodes = describe_datanodes(status, core, false);
    status->decommissioning_nodes = describe_leaving(status, core, DN_DECOMMISSIONING);
    status->entering_nodes = describe_leaving(status, core, DN_ENTERING_MAINTENANCE);
    status->slow_peers = as_text(status, core, slow_nodes_json);
    status->slow_disks = as_text(status, core, slow_disks_json);
    status->leaving = lines_on_leaving(status, core);
}

static bool gather(struct namenode *nn, struct status *status)
{
    *status = (struct status){.nn = nn};
    pb__get_fs_stats_response__init(&status->stats);
    pb__get_fs_replicated_block_stats_response__init(&status->blocks);
    return namenode_ask(nn, collect, status) && status->safemode;
}

/* ---- /jmx ---- */

static void bean_info(struct json *json, const struct status *status)
{
    const struct core_identity *id = &status->nn->storage->identity;

    json_put_string(json, "modelerType", "org.apache.hadoop.hdfs.server.namenode.FSNamesystem");
    json_put_string(json, "Version", "3.5.0, Tusk " TUSK_VERSION);
    json_put_string(json, "SoftwareVersion", "3.5.0");
    json_put_string(json, "BlockPoolId", id->block_pool_id);
    json_put_string(json, "ClusterId", id->cluster_id);
    json_put_bool(json, "UpgradeFinalized", true);
    json_put_string(json, "Safemode", status->safemode);
    json_put_int(json, "TotalBlocks", (int64_t)status->block_count);
    json_put_int(json, "TotalFiles", (int64_t)status->inodes);
    json_put_int(json, "Used", (int64_t)status->stats.used);
    json_put_int(json, "Free", (int64_t)status->stats.remaining);
    json_put_int(json, "Total", (int64_t)status->stats.capacity);
    json_put_int(json, "NumberOfMissingBlocks", (int64_t)status->stats.missing_blocks);
    json_put_int(json, "NumberOfMissingBlocksWithReplicationFactorOne",
                 (int64_t)status->stats.missing_repl_one_blocks);
    json_put_string(json, "LiveNodes", status->live_nodes);
    json_put_string(json, "DeadNodes", status->dead_nodes);
    json_put_string(json, "DecomNodes", status->decommissioning_nodes);
    json_put_string(json, "EnteringMaintenanceNodes", status->entering_nodes);
    json_put_int(json, "NNStartedTimeInMillis", status->nn->started_wall_ms);
    char *text = mem_printf("{\"MostRecentCheckpointTxId\":\"%" PRIu64
                            "\",\"LastAppliedOrWrittenTxId\":\"%" PRIu64 "\"}",
                            status->checkpoint_txid, status->txid);
    json_put_string(json, "JournalTransactionInfo", text);
    mem_free(text);
}

/* What FSNamesystem and FSNamesystemState have in common. */
static void bean_counts(struct json *json, const struct status *status)
{
    json_put_int(json, "FilesTotal", (int64_t)status->inodes);
    json_put_int(json, "BlocksTotal", (int64_t)status->block_count);
    json_put_int(json, "LowRedundancyBlocks", (int64_t)status->blocks.low_redundancy);
    json_put_int(json, "UnderReplicatedBlocks", (int64_t)status->blocks.low_redundancy);
    json_put_int(json, "CorruptBlocks", (int64_t)status->blocks.corrupt_blocks);
    json_put_int(json, "MissingBlocks", (int64_t)status->blocks.missing_blocks);
    json_put_int(json, "MissingReplOneBlocks", (int64_t)status->blocks.missing_repl_one_blocks);
    json_put_int(json, "PendingDeletionBlocks", (int64_t)status->blocks.pending_deletion_blocks);
    json_put_int(json, "CapacityTotal", (int64_t)status->stats.capacity);
    json_put_int(json, "CapacityUsed", (int64_t)status->stats.used);
    json_put_int(json, "CapacityRemaining", (int64_t)status->stats.remaining);
    json_put_int(json, "NumLiveDataNodes", status->live);
    json_put_int(json, "NumDeadDataNodes", status->dead);
    json_put_int(json, "NumStaleDataNodes", status->stale);
    json_put_int(json, "StaleDataNodes", status->stale);
    json_put_int(json, "NumDecommissioningDataNodes", status->decommissioning);
    json_put_int(json, "TotalLoad", (int64_t)status->xceivers);
    json_put_string(json, "FSState", status->safemode[0] ? "safeMode" : "Operational");
}

static void bean_namesystem(struct json *json, const struct status *status)
{
    json_put_string(json, "modelerType", "FSNamesystem");
    json_put_string(json, "tag.Context", "dfs");
    json_put_string(json, "tag.HAState", "active");
    bean_counts(json, status);
    json_put_int(json, "NumFilesUnderConstruction", (int64_t)status->open_files);
    json_put_int(json, "NumActiveClients", (int64_t)status->clients);
    json_put_int(json, "LastWrittenTransactionId", (int64_t)status->txid);
    json_put_int(json, "TransactionsSinceLastCheckpoint",
                 (int64_t)(status->txid - status->checkpoint_txid));
    json_put_int(json, "LastCheckpointTime", status->checkpoint_ms);
}

static void bean_state(struct json *json, const struct status *status)
{
    json_put_string(json, "modelerType", "org.apache.hadoop.hdfs.server.namenode.FSNamesystem");
    bean_counts(json, status);
}

static void bean_status(struct json *json, const struct status *status)
{
    char *address = mem_printf("%s:%u", status->nn->rpc_host, status->nn->rpc_port);

    json_put_string(json, "modelerType", "org.apache.hadoop.hdfs.server.namenode.NameNode");
    json_put_string(json, "State", "active");
    json_put_bool(json, "SecurityEnabled", false);
    json_put_string(json, "NNRole", "NameNode");
    json_put_string(json, "HostAndPort", address);
    json_put_string(json, "SlowPeersReport", status->slow_peers);
    json_put_string(json, "SlowDisksReport", status->slow_disks);
    mem_free(address);
}

static const struct bean {
    const char *name;
    void (*write)(struct json *json, const struct status *status);
} beans[] = {
    {"Hadoop:service=NameNode,name=NameNodeInfo", bean_info},
    {"Hadoop:service=NameNode,name=FSNamesystem", bean_namesystem},
    {"Hadoop:service=NameNode,name=FSNamesystemState", bean_state},
    {"Hadoop:service=NameNode,name=NameNodeStatus", bean_status},
};

/* A JMX name pattern as far as monitoring uses it: absent, "*", an exact name, or one that ends in a star. */
static bool matches(const char *pattern, const char *name)
{
    if (str_empty(pattern) || str_eq(pattern, "*:*")) return true;
    size_t length = strlen(pattern);
    if (pattern[length - 1] == '*') return strncmp(pattern, name, length - 1) == 0;
    return str_eq(pattern, name);
}

/* Apache prints `"key" : value`, a line each, and scripts grep for that. */
static void put_spaced(struct buf *out, const struct buf *json)
{
    bool in_string = false;

    for (size_t i = 0; i < json->length; i++) {
        char c = (char)json->data[i];
        if (c == '"' && (i == 0 || json->data[i - 1] != '\\')) in_string = !in_string;
        if (c == ':' && !in_string)
            buf_put_str(out, " : ");
        else
            buf_put_u8(out, (uint8_t)c);
        if (c == ',' && !in_string) buf_put_str(out, "\n  ");
    }
    buf_put_u8(out, '\n');
}

void web_jmx(void *context, struct http_request *request)
{
    const char *pattern = http_parameter(request, "qry");
    struct status status;
    struct buf text = {0};
    struct json json = json_to(&text);

    if (!gather(context, &status)) {
        http_reply_text(request, 503, "the namenode is ending\n");
        arena_release(&status.arena);
        return;
    }
    json_begin_object(&json);
    json_key(&json, "beans");
    json_begin_array(&json);
    for (size_t i = 0; i < ARRAY_LEN(beans); i++) {
        if (!matches(pattern, beans[i].name)) continue;
        json_begin_object(&json);
        json_put_string(&json, "name", beans[i].name);
        beans[i].write(&json, &status);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    struct buf spaced = {0};
    put_spaced(&spaced, &text);
    http_reply(request, 200, "application/json; charset=utf8", spaced.data, spaced.length);
    buf_release(&spaced);
    buf_release(&text);
    arena_release(&status.arena);
}

/* ---- the rest ---- */

void web_is_active(void *context UNUSED, struct http_request *request)
{
    http_reply_text(request, 200, "Namenode is active!\n");
}

static void put_html(struct buf *buf, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<': buf_put_str(buf, "&lt;"); break;
        case '>': buf_put_str(buf, "&gt;"); break;
        case '&': buf_put_str(buf, "&amp;"); break;
        case '"': buf_put_str(buf, "&quot;"); break;
        default: buf_put_u8(buf, (uint8_t)*text);
        }
    }
}

static void put_property(const char *key, const char *value, const char *source, void *arg)
{
    struct buf *buf = arg;

    buf_put_str(buf, "<property><name>");
    put_html(buf, key);
    buf_put_str(buf, "</name><value>");
    put_html(buf, value ? value : "");
    buf_put_str(buf, "</value><final>false</final><source>");
    put_html(buf, source ? source : "");
    buf_put_str(buf, "</source></property>\n");
}

void web_conf(void *context, struct http_request *request)
{
    struct namenode *nn = context;
    struct buf text = {0};

    buf_put_str(&text,
                "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<configuration>\n");
    conf_each(nn->conf, put_property, &text);
    buf_put_str(&text, "</configuration>\n");
    http_reply(request, 200, "text/xml; charset=utf-8", text.data, text.length);
    buf_release(&text);
}

void web_index(void *context, struct http_request *request)
{
    struct namenode *nn = context;
    struct status status;
    struct buf text = {0};

    if (!str_eq(http_path(request), "/") && !str_eq(http_path(request), "/index.html")) {
        http_reply_text(request, 404, "Not Found\n");
        return;
    }
    if (!gather(nn, &status)) {
        http_reply_text(request, 503, "the namenode is ending\n");
        arena_release(&status.arena);
        return;
    }
    buf_put_str(&text, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
                       "charset=\"utf-8\"><title>Namenode information</title></head><body>\n");
    buf_printf(&text, "<h1>Namenode %s:%u</h1>\n<p>%s</p>\n<table>\n", nn->rpc_host, nn->rpc_port,
               status.safemode[0] ? "Safe mode is on." : "Active.");
    buf_printf(&text,
               "<tr><td>Cluster</td><td>%s</td></tr>\n<tr><td>Block pool</td><td>%s</td></tr>\n",
               nn->storage->identity.cluster_id, nn->storage->identity.block_pool_id);
    buf_printf(&text,
               "<tr><td>Files and directories</td><td>%" PRIu64
               "</td></tr>\n<tr><td>Blocks</td><td>%" PRIu64 "</td></tr>\n",
               status.inodes, status.block_count);
    buf_printf(&text,
               "<tr><td>Capacity, used, remaining (bytes)</td><td>%" PRIu64 ", %" PRIu64
               ", %" PRIu64 "</td></tr>\n",
               status.stats.capacity, status.stats.used, status.stats.remaining);
    buf_printf(&text,
               "<tr><td>Live, dead datanodes</td><td>%u, %u</td></tr>\n<tr><td>Missing, corrupt "
               "blocks</td><td>%" PRIu64 ", %" PRIu64 "</td></tr>\n",
               status.live, status.dead, status.blocks.missing_blocks,
               status.blocks.corrupt_blocks);
    buf_put_str(&text, status.leaving);
    buf_put_str(
        &text,
        "</table>\n<p><a href=\"/jmx\">/jmx</a> <a href=\"/conf\">/conf</a></p>\n</body></html>\n");
    http_reply(request, 200, "text/html; charset=utf-8", text.data, text.length);
    buf_release(&text);
    arena_release(&status.arena);
}
