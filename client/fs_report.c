/* Calls that ask for numbers, and the administrator's. */
#include <stdio.h>

#include "client/fs_state.h"
#include "common/clock.h"

#define UNCONST(s) ((char *)(uintptr_t)(s))

/* ---- summaries ---- */

static bool fill_type_quotas(struct fs_quota types[FS_STORAGE_TYPES],
                             const Pb__StorageTypeQuotaInfos *infos)
{
    for (int i = 0; i < FS_STORAGE_TYPES; i++) types[i] = (struct fs_quota){.quota = -1};
    for (size_t i = 0; infos && i < infos->n_typequotainfo; i++) {
        const Pb__StorageTypeQuotaInfo *info = infos->typequotainfo[i];
        int type = (int)info->type;
        if (type > 0 && type < FS_STORAGE_TYPES)
            types[type] =
                (struct fs_quota){.quota = (int64_t)info->quota, .consumed = info->consumed};
    }
    return infos != NULL;
}

int fs_content_summary(struct fs *fs, const char *path, struct fs_content_summary *summary,
                       struct err *err)
{
    Pb__GetContentSummaryRequest request = PB__GET_CONTENT_SUMMARY_REQUEST__INIT;
    Pb__GetContentSummaryResponse *response;
    struct arena arena = {0};

    request.path = UNCONST(path);
    int rc = fs_check_path(path, err);
    if (!rc)
        rc = fs_call(fs, "getContentSummary", &request,
                     &pb__get_content_summary_response__descriptor, &arena, &response, err);
    if (!rc) {
        const Pb__ContentSummary *from = response->summary;
        *summary = (struct fs_content_summary){
            .length = from->length,
            .files = from->filecount,
            .directories = from->directorycount,
            .quota = (int64_t)from->quota,
            .space_quota = (int64_t)from->spacequota,
            .space_consumed = from->spaceconsumed,
            .snapshot_length = from->snapshotlength,
            .snapshot_files = from->snapshotfilecount,
            .snapshot_directories = from->snapshotdirectorycount,
            .snapshot_space_consumed = from->snapshotspaceconsumed,
        };
        summary->has_type_quotas = fill_type_quotas(summary->types, from->typequotainfos);
        snprintf(summary->ec_policy, sizeof summary->ec_policy, "%s",
                 from->erasurecodingpolicy ? from->erasurecodingpolicy : "");
    }
    arena_release(&arena);
    return rc;
}

int fs_quota_usage(struct fs *fs, const char *path, struct fs_quota_usage *usage, struct err *err)
{
    Pb__GetQuotaUsageRequest request = PB__GET_QUOTA_USAGE_REQUEST__INIT;
    Pb__GetQuotaUsageResponse *response;
    struct arena arena = {0};

    request.path = UNCONST(path);
    int rc = fs_check_path(path, err);
    if (!rc)
        rc = fs_call(fs, "getQuotaUsage", &request, &pb__get_quota_usage_response__descriptor,
                     &arena, &response, err);
    if (!rc) {
        const Pb__QuotaUsage *from = response->usage;
        *usage = (struct fs_quota_usage){
            .names = from->fileanddirectorycount,
            .quota = (int64_t)from->quota,
            .space_quota = (int64_t)from->spacequota,
            .space_consumed = from->spaceconsumed,
        };
        usage->has_type_quotas = fill_type_quotas(usage->types, from->typequotainfos);
    }
    arena_release(&arena);
    return rc;
}

int fs_stats(struct fs *fs, struct fs_stats *stats, struct err *err)
{
    Pb__GetFsStatsRequest request = PB__GET_FS_STATS_REQUEST__INIT;
    Pb__GetFsStatsResponse *response;
    struct arena arena = {0};

    int rc = fs_call(fs, "getFsStats", &request, &pb__get_fs_stats_response__descriptor, &arena,
                     &response, err);
    if (!rc)
        *stats = (struct fs_stats){
            .capacity = response->capacity,
            .used = response->used,
            .remaining = response->remaining,
            .under_replicated = response->under_replicated,
            .corrupt_blocks = response->corrupt_blocks,
            .missing_blocks = response->missing_blocks,
            .missing_replication_one_blocks = response->missing_repl_one_blocks,
            .blocks_in_future = response->blocks_in_future,
            .pending_deletion_blocks = response->pending_deletion_blocks,
        };
    arena_release(&arena);
    return rc;
}

static int fetch_defaults(struct fs *fs, struct fs_server_defaults *defaults, struct err *err)
{
    Pb__GetServerDefaultsRequest request = PB__GET_SERVER_DEFAULTS_REQUEST__INIT;
    Pb__GetServerDefaultsResponse *response;
    struct arena arena = {0};

    int rc = fs_call(fs, "getServerDefaults", &request,
                     &pb__get_server_defaults_response__descriptor, &arena, &response, err);
    if (!rc) {
        const Pb__FsServerDefaults *from = response->serverdefaults;
        *defaults = (struct fs_server_defaults){
            .block_size = from->blocksize,
            .trash_interval_min = from->trashinterval,
            .bytes_per_checksum = from->bytesperchecksum,
            .write_packet_size = from->writepacketsize,
            .replication = from->replication,
            .file_buffer_size = from->filebuffersize,
            .policy_id = from->policyid,
            .checksum_type = (int)from->checksumtype,
            .encrypt_data_transfer = from->encryptdatatransfer,
            .snapshot_trash_root = from->snapshottrashrootenabled,
        };
    }
    arena_release(&arena);
    return rc;
}

/* The lock is not held during the call: two threads may ask at the same time, and get the same. */
int fs_server_defaults(struct fs *fs, struct fs_server_defaults *defaults, struct err *err)
{
    int64_t now = clock_mono_ms();

    pthread_mutex_lock(&fs->lock);
    bool known = fs->defaults_until_ms > now;
    if (known) *defaults = fs->defaults;
    pthread_mutex_unlock(&fs->lock);
    if (known) return 0;

    int rc = fetch_defaults(fs, defaults, err);
    if (rc) return rc;
    pthread_mutex_lock(&fs->lock);
    fs->defaults = *defaults;
    fs->defaults_until_ms = now + fs->settings.server_defaults_valid_ms;
    pthread_mutex_unlock(&fs->lock);
    return 0;
}

/* ---- datanodes ---- */

static void fill_datanode(struct arena *arena, struct fs_datanode *to, const Pb__DatanodeInfo *from)
{
    const Pb__DatanodeID *id = from->id;

    *to = (struct fs_datanode){
        .host = arena_strdup(arena, id->hostname),
        .ip = arena_strdup(arena, id->ipaddr),
        .uuid = arena_strdup(arena, id->datanodeuuid),
        .rack = arena_strdup(arena, from->location ? from->location : "/default-rack"),
        .xfer_port = (uint16_t)id->xferport,
        .info_port = (uint16_t)id->infoport,
        .ipc_port = (uint16_t)id->ipcport,
        .info_secure_port = (uint16_t)id->infosecureport,
        .capacity = from->capacity,
        .dfs_used = from->dfsused,
        .remaining = from->remaining,
        .block_pool_used = from->blockpoolused,
        .cache_capacity = from->cachecapacity,
        .cache_used = from->cacheused,
        .last_update_ms = (int64_t)from->lastupdate,
        .last_block_report_ms = (int64_t)from->lastblockreporttime,
        .xceivers = from->xceivercount,
        .blocks = from->numblocks,
        .admin_state = (int)from->adminstate,
        .leaving_blocks = from->has_leavingblocks ? (int64_t)from->leavingblocks : -1,
        .leaving_in_open_files =
            from->has_leavingblocksinopenfiles ? (int64_t)from->leavingblocksinopenfiles : -1,
        .leaving_seconds_left =
            from->has_leavingsecondsleft ? (int64_t)from->leavingsecondsleft : -1,
        .upgrade_domain = arena_strdup(arena, from->upgradedomain ? from->upgradedomain : ""),
        .software_version = arena_strdup(arena, from->softwareversion ? from->softwareversion : ""),
    };
    /* Old namenodes do not send it: what is neither used nor free (PBHelperClient). */
    if (from->has_nondfsused)
        to->non_dfs_used = from->nondfsused;
    else if (to->capacity > to->dfs_used + to->remaining)
        to->non_dfs_used = to->capacity - to->dfs_used - to->remaining;
}

static struct fs_datanodes *make_datanodes(Pb__DatanodeInfo *const *from, size_t count)
{
    struct fs_datanodes *nodes = NEW(struct fs_datanodes);

    nodes->count = count;
    nodes->nodes = arena_zalloc(&nodes->arena, count * sizeof *nodes->nodes);
    for (size_t i = 0; i < count; i++) fill_datanode(&nodes->arena, &nodes->nodes[i], from[i]);
    return nodes;
}

void fs_datanodes_free(struct fs_datanodes *nodes)
{
    if (!nodes) return;
    arena_release(&nodes->arena);
    mem_free(nodes);
}

int fs_datanode_report(struct fs *fs, enum fs_datanode_report which, struct fs_datanodes **nodes,
                       struct err *err)
{
    Pb__GetDatanodeReportRequest request = PB__GET_DATANODE_REPORT_REQUEST__INIT;
    Pb__GetDatanodeReportResponse *response;
    struct arena arena = {0};

    request.type = (Pb__DatanodeReportType)which;
    int rc = fs_call(fs, "getDatanodeReport", &request,
                     &pb__get_datanode_report_response__descriptor, &arena, &response, err);
    if (!rc) *nodes = make_datanodes(response->di, response->n_di);
    arena_release(&arena);
    return rc;
}

int fs_slow_datanodes(struct fs *fs, struct fs_datanodes **nodes, struct err *err)
{
    Pb__GetSlowDatanodeReportRequest request = PB__GET_SLOW_DATANODE_REPORT_REQUEST__INIT;
    Pb__GetSlowDatanodeReportResponse *response;
    struct arena arena = {0};

    int rc = fs_call(fs, "getSlowDatanodeReport", &request,
                     &pb__get_slow_datanode_report_response__descriptor, &arena, &response, err);
    if (!rc) *nodes = make_datanodes(response->datanodeinfoproto, response->n_datanodeinfoproto);
    arena_release(&arena);
    return rc;
}

/* ---- administration ---- */

int fs_safe_mode(struct fs *fs, enum fs_safe_mode action, bool *on, struct err *err)
{
    Pb__SetSafeModeRequest request = PB__SET_SAFE_MODE_REQUEST__INIT;
    Pb__SetSafeModeResponse *response;
    struct arena arena = {0};

    request.action = (Pb__SafeModeAction)action;
    request.has_checked = true;
    int rc = fs_call(fs, "setSafeMode", &request, &pb__set_safe_mode_response__descriptor, &arena,
                     &response, err);
    if (!rc && on) *on = response->result;
    arena_release(&arena);
    return rc;
}

int fs_save_namespace(struct fs *fs, uint64_t time_window_s, uint64_t tx_gap, bool *saved,
                      struct err *err)
{
    Pb__SaveNamespaceRequest request = PB__SAVE_NAMESPACE_REQUEST__INIT;
    Pb__SaveNamespaceResponse *response;
    struct arena arena = {0};

    request.has_timewindow = request.has_txgap = true;
    request.timewindow = time_window_s;
    request.txgap = tx_gap;
    int rc = fs_call(fs, "saveNamespace", &request, &pb__save_namespace_response__descriptor,
                     &arena, &response, err);
    if (!rc && saved) *saved = response->saved;
    arena_release(&arena);
    return rc;
}

int fs_roll_edits(struct fs *fs, uint64_t *segment_txid, struct err *err)
{
    Pb__RollEditsRequest request = PB__ROLL_EDITS_REQUEST__INIT;
    Pb__RollEditsResponse *response;
    struct arena arena = {0};

    int rc = fs_call(fs, "rollEdits", &request, &pb__roll_edits_response__descriptor, &arena,
                     &response, err);
    if (!rc && segment_txid) *segment_txid = response->newsegmenttxid;
    arena_release(&arena);
    return rc;
}

int fs_refresh_nodes(struct fs *fs, struct err *err)
{
    Pb__RefreshNodesRequest request = PB__REFRESH_NODES_REQUEST__INIT;

    return fs_do(fs, "refreshNodes", &request, &pb__refresh_nodes_response__descriptor, err);
}

/* ---- trash ---- */

/* The encryption zone that holds `path`; *root NULL when in none, or when the namenode knows no
 * zones. */
static int encryption_root(struct fs *fs, const char *path, char **root, struct err *err)
{
    Pb__GetEZForPathRequest request = PB__GET_EZFOR_PATH_REQUEST__INIT;
    Pb__GetEZForPathResponse *response;
    struct arena arena = {0};

    *root = NULL;
    request.src = UNCONST(path);
    int rc = fs_call(fs, "getEZForPath", &request, &pb__get_ezfor_path_response__descriptor, &arena,
                     &response, err);
    if (!rc && response->zone) *root = mem_strdup(response->zone->path);
    arena_release(&arena);
    return rc == ERR_NO_SUCH_METHOD || rc == ERR_NOT_FOUND ? 0 : rc;
}

static bool below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    if (str_eq(directory, "/")) return true;
    return strncmp(path, directory, length) == 0 && (!path[length] || path[length] == '/');
}

static char *snapshottable_path(const Pb__SnapshottableDirectoryStatus *status)
{
    char *parent = fs_bytes_string(&status->parent_fullpath);
    char *name = fs_bytes_string(&status->dirstatus->path);
    char *path = mem_printf("%s/%s", str_eq(parent, "/") ? "" : parent, name);

    mem_free(parent);
    mem_free(name);
    return path;
}

static int snapshot_root(struct fs *fs, const char *path, char **root, struct err *err)
{
    Pb__GetSnapshottableDirListingRequest request = PB__GET_SNAPSHOTTABLE_DIR_LISTING_REQUEST__INIT;
    Pb__GetSnapshottableDirListingResponse *response;
    struct arena arena = {0};

    *root = NULL;
    int rc =
        fs_call(fs, "getSnapshottableDirListing", &request,
                &pb__get_snapshottable_dir_listing_response__descriptor, &arena, &response, err);
    Pb__SnapshottableDirectoryListing *list = rc ? NULL : response->snapshottabledirlist;
    for (size_t i = 0; list && i < list->n_snapshottabledirlisting; i++) {
        char *candidate = snapshottable_path(list->snapshottabledirlisting[i]);
        if (!*root && below(path, candidate))
            *root = candidate;
        else
            mem_free(candidate);
    }
    arena_release(&arena);
    return rc;
}

/* DistributedFileSystem.getTrashRoot */
int fs_trash_root(struct fs *fs, const char *path, char **result, struct err *err)
{
    struct fs_server_defaults defaults = {0};
    char *root = NULL;

    int rc = fs_check_path(path, err);
    if (!rc) rc = encryption_root(fs, path, &root, err);
    if (!rc && !root) rc = fs_server_defaults(fs, &defaults, err);
    if (!rc && !root && defaults.snapshot_trash_root) rc = snapshot_root(fs, path, &root, err);
    if (rc) return rc;
    *result = root ? mem_printf("%s/.Trash/%s", str_eq(root, "/") ? "" : root, fs_user(fs))
                   : mem_printf("%s/.Trash", fs_home(fs));
    mem_free(root);
    return 0;
}
