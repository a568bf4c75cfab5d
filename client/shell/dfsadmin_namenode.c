/* dfsadmin's commands that ask the namenode for one thing. */
#include <stdio.h>
#include <strings.h>

#include "client/shell/command.h"
#include "client/shell/dfsadmin.h"
#include "client/shell/format.h"
#include "client/shell/uri.h"
#include "client/shell/vfs.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/parse.h"
#include "common/path.h"
#include "proto/client_namenode.pb-c.h"

enum { SAFE_MODE_POLL_MS = 500 };

int admin_safemode(struct admin *admin, struct err *err)
{
    static const struct {
        const char *word;
        enum fs_safe_mode action;
    } actions[] = {{"leave", FS_SAFE_MODE_LEAVE},
                   {"enter", FS_SAFE_MODE_ENTER},
                   {"get", FS_SAFE_MODE_GET},
                   {"wait", FS_SAFE_MODE_GET},
                   {"forceExit", FS_SAFE_MODE_FORCE_EXIT}};
    const char *word = admin->args.items[0];
    bool on = false;
    struct fs *fs;
    size_t i = 0;
    int rc;

    while (i < ARRAY_LEN(actions) && strcasecmp(actions[i].word, word)) i++;
    if (i == ARRAY_LEN(actions)) {
        admin_usage(admin);
        admin->exit_code = 0; /* as Apache's, which only prints */
        return 0;
    }
    rc = admin_fs(admin, &fs, err);
    if (!rc) rc = fs_safe_mode(fs, actions[i].action, &on, err);
    while (!rc && on && !strcasecmp(word, "wait")) {
        clock_sleep_ms(SAFE_MODE_POLL_MS);
        rc = fs_safe_mode(fs, FS_SAFE_MODE_GET, &on, err);
    }
    if (!rc) printf("Safe mode is %s\n", on ? "ON" : "OFF");
    return rc;
}

int admin_save_namespace(struct admin *admin, struct err *err)
{
    struct shell *shell = admin->shell;
    int64_t window = 0, gap = 0;
    struct fs *fs;
    bool saved;
    int rc;

    if (admin->args.count && str_eq(admin->args.items[0], "-beforeShutdown")) {
        const char *text =
            conf_get(shell->conf, "dfs.namenode.missing.checkpoint.periods.before.shutdown");
        int64_t periods = 3;

        if (text && !parse_i64(text, 0, INT32_MAX, &periods)) periods = 3;
        window = conf_ms(shell->conf, CONF_dfs_namenode_checkpoint_period) / SECOND_MS * periods;
        gap = conf_int(shell->conf, CONF_dfs_namenode_checkpoint_txns) * periods;
        printf("Do checkpoint if necessary before stopping namenode. The time window is %" PRId64
               " seconds, and the transaction gap is %" PRId64 "\n",
               window, gap);
    }
    rc = admin_fs(admin, &fs, err);
    if (!rc) rc = fs_save_namespace(fs, (uint64_t)window, (uint64_t)gap, &saved, err);
    if (!rc) puts(saved ? "Save namespace successful" : "No extra checkpoint has been made");
    return rc;
}

int admin_roll_edits(struct admin *admin, struct err *err)
{
    uint64_t txid;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc) rc = fs_roll_edits(fs, &txid, err);
    if (!rc)
        printf("Successfully rolled edit logs.\nNew segment starts at txid %" PRIu64 "\n", txid);
    return rc;
}

int admin_refresh_nodes(struct admin *admin, struct err *err)
{
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc) rc = fs_refresh_nodes(fs, err);
    if (!rc) puts("Refresh nodes successful");
    return rc;
}

int admin_restore_failed_storage(struct admin *admin, struct err *err)
{
    Pb__RestoreFailedStorageRequest request = PB__RESTORE_FAILED_STORAGE_REQUEST__INIT;
    Pb__RestoreFailedStorageResponse *response;
    struct arena arena = {.chunks = NULL};
    const char *arg = admin->args.items[0];
    struct fs *fs;
    int rc;

    if (!str_eq(arg, "check") && !str_eq(arg, "true") && !str_eq(arg, "false")) {
        fputs("restoreFailedStorage valid args are true|false|check\n", stderr);
        admin->exit_code = EXIT_USAGE;
        return 0;
    }
    rc = admin_fs(admin, &fs, err);
    request.arg = (char *)arg;
    if (!rc)
        rc = fs_call(fs, "restoreFailedStorage", &request,
                     &pb__restore_failed_storage_response__descriptor, &arena, &response, err);
    if (!rc) printf("restoreFailedStorage is set to %s\n", response->result ? "true" : "false");
    arena_release(&arena);
    return rc;
}

int admin_finalize_upgrade(struct admin *admin, struct err *err)
{
    Pb__FinalizeUpgradeRequest request = PB__FINALIZE_UPGRADE_REQUEST__INIT;
    Pb__FinalizeUpgradeResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc)
        rc = fs_call(fs, "finalizeUpgrade", &request, &pb__finalize_upgrade_response__descriptor,
                     &arena, &response, err);
    if (!rc) puts("Finalize upgrade successful");
    arena_release(&arena);
    return rc;
}

int admin_upgrade(struct admin *admin, struct err *err)
{
    Pb__UpgradeStatusRequest request = PB__UPGRADE_STATUS_REQUEST__INIT;
    Pb__UpgradeStatusResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc;

    if (!strcasecmp(admin->args.items[0], "finalize")) return admin_finalize_upgrade(admin, err);
    if (strcasecmp(admin->args.items[0], "query")) return admin_usage(admin);
    rc = admin_fs(admin, &fs, err);
    if (!rc)
        rc = fs_call(fs, "upgradeStatus", &request, &pb__upgrade_status_response__descriptor,
                     &arena, &response, err);
    if (!rc) puts(response->upgradefinalized ? "Upgrade finalized" : "Upgrade not finalized");
    arena_release(&arena);
    return rc;
}

static void print_upgrade_time(const char *label, uint64_t ms, const char *none)
{
    char date[UNITS_TEXT_MAX];

    if (ms)
        printf("%s%s (=%" PRIu64 ")\n", label, date_text((int64_t)ms, DATE_JAVA, false, date), ms);
    else
        printf("%s%s\n", label, none);
}

static void print_rolling(const Pb__RollingUpgradeInfo *info)
{
    if (!info || !info->starttime) {
        puts("There is no rolling upgrade in progress or rolling upgrade has already been "
             "finalized.");
        return;
    }
    if (!info->createdrollbackimages && !info->finalizetime)
        puts("Preparing for upgrade. Data is being saved for rollback.\n"
             "Run \"dfsadmin -rollingUpgrade query\" to check the status\n"
             "for proceeding with rolling upgrade");
    else
        puts(info->finalizetime ? "Rolling upgrade is finalized."
                                : "Proceed with rolling upgrade:");
    printf("  Block Pool ID: %s\n", info->status->blockpoolid);
    print_upgrade_time("     Start Time: ", info->starttime, "<NOT STARTED>");
    print_upgrade_time("  Finalize Time: ", info->finalizetime, "<NOT FINALIZED>");
}

int admin_rolling_upgrade(struct admin *admin, struct err *err)
{
    static const char *const words[] = {"QUERY", "PREPARE",
                                        "FINALIZE"}; /* as on the wire, from 1 */
    const char *word = admin->args.count && *admin->args.items[0] ? admin->args.items[0] : "query";
    Pb__RollingUpgradeRequest request = PB__ROLLING_UPGRADE_REQUEST__INIT;
    Pb__RollingUpgradeResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    size_t i = 0;
    int rc = admin_fs(admin, &fs, err);

    if (rc) return rc;
    while (i < ARRAY_LEN(words) && strcasecmp(words[i], word)) i++;
    if (i == ARRAY_LEN(words))
        return command_illegal(err, "Failed to convert \"%s\" to RollingUpgradeAction", word);
    printf("%s rolling upgrade ...\n", words[i]);
    request.action = (Pb__RollingUpgradeAction)(i + 1);
    rc = fs_call(fs, "rollingUpgrade", &request, &pb__rolling_upgrade_response__descriptor, &arena,
                 &response, err);
    if (!rc) print_rolling(response->rollingupgradeinfo);
    arena_release(&arena);
    return rc;
}

int admin_metasave(struct admin *admin, struct err *err)
{
    Pb__MetaSaveRequest request = PB__META_SAVE_REQUEST__INIT;
    Pb__MetaSaveResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    request.filename = (char *)admin->args.items[0];
    if (!rc)
        rc = fs_call(fs, "metaSave", &request, &pb__meta_save_response__descriptor, &arena,
                     &response, err);
    if (!rc)
        printf("Created metasave file %s in the log directory of namenode %s\n", request.filename,
               fs_uri(fs));
    arena_release(&arena);
    return rc;
}

static int print_open_files(struct fs *fs, Pb__ListOpenFilesRequest *request, struct err *err)
{
    Pb__ListOpenFilesResponse *response;
    struct arena arena = {.chunks = NULL};
    bool more = true;
    int rc = 0;

    printf("%-20s\t%-20s\t%s\n", "Client Host", "Client Name", "Open File Path");
    while (!rc && more) {
        rc = fs_call(fs, "listOpenFiles", request, &pb__list_open_files_response__descriptor,
                     &arena, &response, err);
        if (rc) break;
        for (size_t i = 0; i < response->n_entries; i++) {
            const Pb__OpenFilesBatchResponse *entry = response->entries[i];
            printf("%-20s\t%-20s\t%20s\n", entry->clientmachine, entry->clientname, entry->path);
            request->id = entry->id;
        }
        more = response->hasmore && response->n_entries;
        arena_clear(&arena);
    }
    arena_release(&arena);
    return rc;
}

int admin_list_open_files(struct admin *admin, struct err *err)
{
    Pb__ListOpenFilesRequest request = PB__LIST_OPEN_FILES_REQUEST__INIT;
    Pb__OpenFilesType type = PB__OPEN_FILES_TYPE__ALL_OPEN_FILES;
    const char *path = NULL;
    struct fs *fs;
    int rc;

    if (args_pop_option(&admin->args, "-blockingDecommission"))
        type = PB__OPEN_FILES_TYPE__BLOCKING_DECOMMISSION;
    rc = args_pop_value(&admin->args, "-path", &path, err);
    if (!rc) rc = admin_fs(admin, &fs, err);
    if (rc) return rc;
    request.types = &type;
    request.n_types = 1;
    request.path = (char *)(str_empty(path) ? "/" : path);
    rc = print_open_files(fs, &request, err);
    if (rc) {
        fflush(stdout);
        fputs("List open files failed.\n", stderr);
    }
    return rc;
}

int admin_set_balancer_bandwidth(struct admin *admin, struct err *err)
{
    Pb__SetBalancerBandwidthRequest request = PB__SET_BALANCER_BANDWIDTH_REQUEST__INIT;
    Pb__SetBalancerBandwidthResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = parse_binary(admin->args.items[0], &request.bandwidth, err);

    if (rc && str_starts(err->text, "For input string")) {
        fprintf(stderr, "NumberFormatException: %s\n", err->text);
        return admin_usage(admin);
    }
    if (rc) return rc;
    if (request.bandwidth < 0) {
        fputs("Bandwidth should be a non-negative integer\n", stderr);
        admin->exit_code = EXIT_USAGE;
        return 0;
    }
    rc = admin_fs(admin, &fs, err);
    if (rc) return rc;
    rc = fs_call(fs, "setBalancerBandwidth", &request,
                 &pb__set_balancer_bandwidth_response__descriptor, &arena, &response, err);
    if (!rc)
        printf("Balancer bandwidth is set to %" PRId64 "\n", request.bandwidth);
    else
        fputs("Balancer bandwidth is set failed.\n", stderr);
    arena_release(&arena);
    return rc;
}

/* ---- snapshots ---- */

/* The file system and path of an argument. */
static int resolve(struct admin *admin, const char *text, struct fs **fs, char **path,
                   struct err *err)
{
    struct vfs *vfs;
    struct uri uri;
    int rc = uri_parse(&uri, text, err);

    if (rc) return rc;
    rc = shell_vfs(admin->shell, uri.scheme, uri.authority, &vfs, err);
    if (!rc && vfs_is_local(vfs)) rc = command_illegal(err, "%s is not an HDFS URI", vfs->uri);
    if (!rc) {
        *fs = vfs->hdfs;
        *path = uri_path_absolute(vfs->working_dir, uri.path);
    }
    uri_release(&uri);
    return rc;
}

int admin_allow_snapshot(struct admin *admin, struct err *err)
{
    Pb__AllowSnapshotRequest request = PB__ALLOW_SNAPSHOT_REQUEST__INIT;
    Pb__AllowSnapshotResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = resolve(admin, admin->args.items[0], &fs, &request.snapshotroot, err);

    if (rc) return rc;
    rc = fs_call(fs, "allowSnapshot", &request, &pb__allow_snapshot_response__descriptor, &arena,
                 &response, err);
    if (!rc) printf("Allowing snapshot on %s succeeded\n", admin->args.items[0]);
    mem_free(request.snapshotroot);
    arena_release(&arena);
    return rc;
}

int admin_disallow_snapshot(struct admin *admin, struct err *err)
{
    Pb__DisallowSnapshotRequest request = PB__DISALLOW_SNAPSHOT_REQUEST__INIT;
    Pb__DisallowSnapshotResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = resolve(admin, admin->args.items[0], &fs, &request.snapshotroot, err);

    if (rc) return rc;
    rc = fs_call(fs, "disallowSnapshot", &request, &pb__disallow_snapshot_response__descriptor,
                 &arena, &response, err);
    if (!rc) printf("Disallowing snapshot on %s succeeded\n", admin->args.items[0]);
    mem_free(request.snapshotroot);
    arena_release(&arena);
    return rc;
}

static int check_snapshottable(struct fs *fs, const char *directory, struct err *err)
{
    struct fs_status status;
    int rc = fs_stat(fs, directory, &status, err);

    if (rc) return rc;
    if (!(status.flags & FS_SNAPSHOTTABLE)) {
        err_set(err, ERR_ARGUMENT, "%s is not a snapshottable directory.", directory);
        rc = SHELL_ILLEGAL;
    }
    fs_status_release(&status);
    return rc;
}

/* What is there already may stay if it is what would be made. */
static int check_trash(const char *directory, const char *trash, const struct fs_status *status,
                       struct err *err)
{
    if (status->type == FS_DIRECTORY && status->mode == 01777) return 0;
    return err_set(err, ERR_EXISTS,
                   "Can't provision trash for snapshottable directory %s because trash path %s "
                   "already exists.",
                   directory, trash);
}

/* DistributedFileSystem.provisionSnapshotTrash: a `.Trash` with mode 1777. */
static int provision(struct fs *fs, const char *directory, struct err *err)
{
    char *trash = path_join(directory, ".Trash");
    struct fs_status status;
    int rc = check_snapshottable(fs, directory, err);

    if (rc) goto out;
    rc = fs_stat(fs, trash, &status, err);
    if (!rc) {
        rc = check_trash(directory, trash, &status, err);
        fs_status_release(&status);
    } else if (rc != ERR_NOT_FOUND) {
        goto out;
    }
    if (rc == ERR_NOT_FOUND) rc = fs_mkdirs(fs, trash, 0777, true, err);
    if (!rc) rc = fs_set_permission(fs, trash, 01777, err);
    if (!rc) printf("Successfully provisioned snapshot trash at %s\n", trash);
out:
    mem_free(trash);
    return rc;
}

static int provision_all(struct admin *admin, struct err *err)
{
    Pb__GetSnapshottableDirListingRequest request = PB__GET_SNAPSHOTTABLE_DIR_LISTING_REQUEST__INIT;
    Pb__GetSnapshottableDirListingResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc)
        rc = fs_call(fs, "getSnapshottableDirListing", &request,
                     &pb__get_snapshottable_dir_listing_response__descriptor, &arena, &response,
                     err);
    const Pb__SnapshottableDirectoryListing *list = rc ? NULL : response->snapshottabledirlist;
    for (size_t i = 0; list && i < list->n_snapshottabledirlisting && !rc; i++) {
        const Pb__SnapshottableDirectoryStatus *status = list->snapshottabledirlisting[i];
        const char *parent = arena_strndup(&arena, (const char *)status->parent_fullpath.data,
                                           status->parent_fullpath.len);
        const char *name = arena_strndup(&arena, (const char *)status->dirstatus->path.data,
                                         status->dirstatus->path.len);
        rc = provision(fs,
                       arena_printf(&arena, "%s%s%s", parent,
                                    str_empty(parent) || str_eq(parent, "/") ? "" : "/", name),
                       err);
    }
    arena_release(&arena);
    return rc;
}

int admin_provision_snapshot_trash(struct admin *admin, struct err *err)
{
    struct fs *fs;
    char *path;
    int rc;

    if (str_eq(admin->args.items[0], "-all")) return provision_all(admin, err);
    rc = resolve(admin, admin->args.items[0], &fs, &path, err);
    if (rc) return rc;
    rc = provision(fs, path, err);
    mem_free(path);
    return rc;
}
