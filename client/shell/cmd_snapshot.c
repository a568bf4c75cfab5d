/* -createSnapshot, -deleteSnapshot and -renameSnapshot (fs.shell.SnapshotCommands). */
#include "client/shell/command.h"
#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

struct snapshot {
    struct cmd cmd;
    const char *name, *new_name;
};

static struct snapshot *snapshot_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct snapshot, cmd);
}

static int create_options(struct cmd *cmd, struct args *args, struct err *err)
{
    if (!args->count) return command_illegal(err, "<snapshotDir> is missing.");
    if (args->count > 2) return command_illegal(err, "Too many arguments.");
    if (args->count == 2) snapshot_of(cmd)->name = args_pop(args);
    return 0;
}

static int delete_options(struct cmd *cmd, struct args *args, struct err *err)
{
    if (args->count != 2) return command_illegal(err, "Incorrect number of arguments.");
    snapshot_of(cmd)->name = args_pop(args);
    return 0;
}

static int rename_options(struct cmd *cmd, struct args *args, struct err *err)
{
    if (args->count != 3) return command_illegal(err, "Incorrect number of arguments.");
    snapshot_of(cmd)->new_name = args_pop(args);
    snapshot_of(cmd)->name = args_pop(args);
    return 0;
}

static int snapshot_path(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)cmd;
    return item_is_dir(item) ? 0 : item_not_directory_error(item, err);
}

/* The checks on the path; then *root is the one directory to work on, or NULL after errors that
 * were shown. */
static int check(struct cmd *cmd, struct items *items, const struct item **root, const char *method,
                 struct err *err)
{
    int rc = command_arguments(cmd, items, err);

    *root = NULL;
    if (rc || cmd->errors) return rc;
    if (items->count != 1) { /* a wildcard with several matches: Apache fails an assertion */
        err_set(err, ERR_ARGUMENT, "java.lang.AssertionError: one directory expected, got %zu",
                items->count);
        return SHELL_FATAL;
    }
    if (vfs_is_local(items->items[0].vfs)) {
        err_set(err, ERR_UNSUPPORTED,
                "java.lang.UnsupportedOperationException: RawLocalFileSystem doesn't support %s",
                method);
        return SHELL_FATAL;
    }
    *root = &items->items[0];
    return 0;
}

static int create_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    Pb__CreateSnapshotRequest request = PB__CREATE_SNAPSHOT_REQUEST__INIT;
    Pb__CreateSnapshotResponse *response;
    struct arena arena = {.chunks = NULL};
    const struct item *root;
    int rc = check(cmd, items, &root, "createSnapshot", err);

    if (rc || !root) return rc;
    request.snapshotroot = root->path;
    request.snapshotname = (char *)snapshot_of(cmd)->name;
    rc = fs_call(root->vfs->hdfs, "createSnapshot", &request,
                 &pb__create_snapshot_response__descriptor, &arena, &response, err);
    if (!rc) printf("Created snapshot %s\n", response->snapshotpath);
    arena_release(&arena);
    return rc;
}

static int delete_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    Pb__DeleteSnapshotRequest request = PB__DELETE_SNAPSHOT_REQUEST__INIT;
    Pb__DeleteSnapshotResponse *response;
    struct arena arena = {.chunks = NULL};
    const struct item *root;
    int rc = check(cmd, items, &root, "deleteSnapshot", err);

    if (rc || !root) return rc;
    request.snapshotroot = root->path;
    request.snapshotname = (char *)snapshot_of(cmd)->name;
    rc = fs_call(root->vfs->hdfs, "deleteSnapshot", &request,
                 &pb__delete_snapshot_response__descriptor, &arena, &response, err);
    if (!rc)
        printf("Deleted snapshot %s under %s%s\n", request.snapshotname, root->vfs->prefix,
               root->path);
    arena_release(&arena);
    return rc;
}

static int rename_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    Pb__RenameSnapshotRequest request = PB__RENAME_SNAPSHOT_REQUEST__INIT;
    Pb__RenameSnapshotResponse *response;
    struct arena arena = {.chunks = NULL};
    const struct item *root;
    int rc = check(cmd, items, &root, "renameSnapshot", err);

    if (rc || !root) return rc;
    request.snapshotroot = root->path;
    request.snapshotoldname = (char *)snapshot_of(cmd)->name;
    request.snapshotnewname = (char *)snapshot_of(cmd)->new_name;
    rc = fs_call(root->vfs->hdfs, "renameSnapshot", &request,
                 &pb__rename_snapshot_response__descriptor, &arena, &response, err);
    if (!rc)
        printf("Renamed snapshot %s to %s under %s%s\n", request.snapshotoldname,
               request.snapshotnewname, root->vfs->prefix, root->path);
    arena_release(&arena);
    return rc;
}

#define SNAPSHOT_STEPS .size = sizeof(struct snapshot), .path = snapshot_path

const struct command command_create_snapshot = {SNAPSHOT_STEPS, .options = create_options,
                                                .arguments = create_arguments};
const struct command command_delete_snapshot = {SNAPSHOT_STEPS, .options = delete_options,
                                                .arguments = delete_arguments};
const struct command command_rename_snapshot = {SNAPSHOT_STEPS, .options = rename_options,
                                                .arguments = rename_arguments};
