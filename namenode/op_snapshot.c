/* Snapshots: allow, take, rename, delete, list (FSDirSnapshotOp, SnapshotManager). Reports of differences are in
 * op_snapshot_diff.c. */
#include <time.h>

#include "namenode/handlers.h"
#include "namenode/op_dir.h"
#include "namenode/perm.h"
#include "namenode/snapshot.h"
#include "namenode/status.h"

static bool is_name(const char *name, const char *reserved)
{
    return str_eq(name, reserved);
}

/* Snapshot.getSnapshotPath */
static const char *snapshot_path(struct op *op, const char *root, const char *name)
{
    size_t length = strlen(root);

    return arena_printf(op->arena, "%s%s.snapshot/%s", root,
                        length && root[length - 1] == '/' ? "" : "/", name);
}

static int begin(struct core *core, struct op *op, const char *what, const char *src,
                 struct err *err)
{
    op->audit_src = src;
    return op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot %s snapshot for %s", what, src), err);
}

/* INodeDirectory.valueOf */
static int require_dir(const struct resolved *path, const char *shown, struct err *err)
{
    if (!path->inode) return err_set(err, ERR_NOT_FOUND, "Directory does not exist: %s", shown);
    if (!inode_is_dir(path->inode))
        return err_set(err, ERR_PATH_NOT_DIRECTORY, "`%s': Is not a directory", shown);
    return 0;
}

/* ---- allowing ---- */

static int resolve_dir(struct core *core, struct op *op, const char *src, struct resolved *path,
                       struct err *err)
{
    int rc = perm_resolve(core, op, src, RESOLVE_WRITE, path, err);

    return rc ? rc : require_dir(path, src, err);
}

static int check_nested(struct core *core, struct op *op, const struct inode *dir, const char *src,
                        struct err *err)
{
    const struct snapshot_dir *other;

    TAILQ_FOREACH (other, &core->tree.snapshots->dirs, all) {
        const char *path = tree_path_of(&core->tree, other->dir, op->arena);

        if (other->dir == dir) continue;
        if (tree_is_ancestor(&core->tree, dir, other->dir))
            return err_set(err, ERR_SNAPSHOT,
                           "Nested snapshottable directories not allowed: path=%s, the "
                           "subdirectory %s is already a snapshottable directory.",
                           src, path);
        if (tree_is_ancestor(&core->tree, other->dir, dir))
            return err_set(err, ERR_SNAPSHOT,
                           "Nested snapshottable directories not allowed: path=%s, the ancestor "
                           "%s is already a snapshottable directory.",
                           src, path);
    }
    return 0;
}

int op_allow_snapshot(struct core *core, struct op *op, const Pb__AllowSnapshotRequest *request,
                      Pb__AllowSnapshotResponse *response UNUSED, struct err *err)
{
    struct resolved path;
    int rc = op_check_superuser(core, op, "allowSnapshot", err);

    if (!rc) rc = begin(core, op, "allow", request->snapshotroot, err);
    if (!rc) rc = resolve_dir(core, op, request->snapshotroot, &path, err);
    if (!rc) rc = check_nested(core, op, path.inode, request->snapshotroot, err);
    if (rc) return rc;
    struct edit edit = {.op = EDIT_ALLOW_SNAPSHOT, .path = path.text, .inode = path.inode};
    core_edit(core, &edit);
    return 0;
}

int op_disallow_snapshot(struct core *core, struct op *op,
                         const Pb__DisallowSnapshotRequest *request,
                         Pb__DisallowSnapshotResponse *response UNUSED, struct err *err)
{
    struct resolved path;
    int rc = op_check_superuser(core, op, "disallowSnapshot", err);

    if (!rc) rc = begin(core, op, "disallow", request->snapshotroot, err);
    if (!rc) rc = resolve_dir(core, op, request->snapshotroot, &path, err);
    if (rc) return rc;
    const struct snapshot_dir *of = snapshot_dir(&core->tree, path.inode);
    if (of && of->count)
        return err_set(err, ERR_SNAPSHOT,
                       "The directory %s has snapshot(s). Please redo the operation after removing "
                       "all the snapshots.",
                       request->snapshotroot);
    struct edit edit = {.op = EDIT_DISALLOW_SNAPSHOT, .path = path.text, .inode = path.inode};
    core_edit(core, &edit);
    return 0;
}

/* ---- taking, renaming, deleting ---- */

static int resolve_owned(struct core *core, struct op *op, const char *src, struct resolved *path,
                         struct err *err)
{
    int rc = perm_resolve(core, op, src, RESOLVE_WRITE, path, err);

    if (rc || !core->conf.permissions_enabled) return rc;
    if (!path->inode)
        return err_set(err, ERR_NOT_FOUND, "Directory/File does not exist %s", path->text);
    return perm_check(core, op, path, &(struct perm_request){.owner = true}, err);
}

/* SnapshotManager.getSnapshottableRoot */
static int require_snapshottable(struct core *core, const struct resolved *path, const char *shown,
                                 struct snapshot_dir **out, struct err *err)
{
    int rc = require_dir(path, shown, err);

    if (rc) return rc;
    *out = path->way ? NULL : snapshot_dir(&core->tree, path->inode);
    if (*out) return 0;
    return err_set(err, ERR_SNAPSHOT, "Directory is not a snapshottable directory: %s", shown);
}

/* FSDirSnapshotOp.verifySnapshotName; a record cannot say more than 255 bytes. */
static int check_name(struct core *core, const char *name, const char *path, struct err *err)
{
    size_t limit = core->conf.max_component_length
                       ? MIN(core->conf.max_component_length, (uint32_t)INODE_NAME_MAX)
                       : (size_t)INODE_NAME_MAX;

    if (strchr(name, '/'))
        return err_set(err, ERR_HADOOP_ARGUMENT, "Snapshot name cannot contain \"/\"");
    if (is_name(name, ".snapshot"))
        return err_set(err, ERR_HADOOP_ARGUMENT, "\".snapshot\" is a reserved name.");
    if (!*name || strlen(name) > limit)
        return err_set(err, ERR_NAME_TOO_LONG,
                       "The maximum path component name limit of %s in directory %s is exceeded: "
                       "limit=%zu length=%zu",
                       name, path, limit, strlen(name));
    return 0;
}

/* 's'yyyyMMdd-HHmmss.SSS */
static const char *default_name(struct core *core, struct op *op)
{
    time_t seconds = (time_t)(core->now_wall_ms / 1000);
    char text[64];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "s%Y%m%d-%H%M%S", &tm);
    return arena_printf(op->arena, "%s.%03d", text, (int)(core->now_wall_ms % 1000));
}

static bool is_component(const char *name)
{
    return !is_name(name, ".") && !is_name(name, "..") && !strpbrk(name, ":/") &&
           !is_name(name, ".snapshot") && !is_name(name, ".reserved");
}

static int check_limit(uint64_t count, uint64_t limit, const char *type, struct err *err)
{
    if (count < limit) return 0;
    return err_set(err, ERR_SNAPSHOT,
                   "Failed to create snapshot: there are already %" PRIu64
                   " snapshot(s) and the %s snapshot limit is %" PRIu64,
                   count, type, limit);
}

static int check_counts(struct core *core, const struct snapshot_dir *of, struct err *err)
{
    if (core->tree.snapshots->counter >= SNAPSHOT_ID_MAX)
        return err_set(
            err, ERR_SNAPSHOT,
            "Failed to create the snapshot. The FileSystem has run out of snapshot IDs and ID "
            "rollover is not supported and the max snapshot limit is: %u",
            core->conf.snapshot_max);
    int rc =
        check_limit(snapshot_count(&core->tree), core->conf.snapshot_fs_max, "file system", err);
    if (rc) return rc;
    if (of->count + 1 > SNAPSHOT_QUOTA)
        return err_set(err, ERR_SNAPSHOT,
                       "Failed to add snapshot: there are already %u snapshot(s) and the snapshot "
                       "quota is %d",
                       of->count, SNAPSHOT_QUOTA);
    return check_limit(of->count, core->conf.snapshot_max, "per directory", err);
}

int op_create_snapshot(struct core *core, struct op *op, const Pb__CreateSnapshotRequest *request,
                       Pb__CreateSnapshotResponse *response, struct err *err)
{
    const char *name = str_empty(request->snapshotname) ? NULL : request->snapshotname;
    struct snapshot_dir *of;
    struct resolved path;
    int rc = begin(core, op, "create", request->snapshotroot, err);

    if (!rc) rc = resolve_owned(core, op, request->snapshotroot, &path, err);
    if (rc) return rc;
    if (name && !is_component(name))
        return err_set(err, ERR_INVALID_PATH, "Invalid path name Invalid snapshot name: %s", name);
    if (!name) name = default_name(core, op);
    rc = check_name(core, name, request->snapshotroot, err);
    if (!rc) rc = require_snapshottable(core, &path, request->snapshotroot, &of, err);
    if (!rc) rc = check_counts(core, of, err);
    if (!rc && snapshot_named(of, name, strlen(name)))
        rc = err_set(err, ERR_SNAPSHOT,
                     "Failed to add snapshot: there is already a snapshot with the same name "
                     "\"%s\".",
                     name);
    if (rc) return rc;
    struct edit edit = {.op = EDIT_CREATE_SNAPSHOT,
                        .path = path.text,
                        .destination = name,
                        .mtime_ms = core->now_wall_ms,
                        .inode = path.inode};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    op->audit_dst = snapshot_path(op, request->snapshotroot, name);
    response->snapshotpath = (char *)(uintptr_t)op->audit_dst;
    return 0;
}

int op_repeat_create_snapshot(struct core *core, struct op *op,
                              const Pb__CreateSnapshotRequest *request,
                              Pb__CreateSnapshotResponse *response, struct err *err)
{
    const char *name = str_empty(request->snapshotname) ? NULL : request->snapshotname;
    struct resolved path;
    size_t length;
    int rc = resolve_path(&core->tree, request->snapshotroot, op->arena, &path, err);

    if (rc) return rc;
    const struct snapshot_dir *of = path.inode ? snapshot_dir(&core->tree, path.inode) : NULL;
    if (!name && of && of->count) {
        name = snapshot_name(of->by_id[of->count - 1], &length);
        name = arena_strndup(op->arena, name, length);
    }
    response->snapshotpath =
        (char *)(uintptr_t)snapshot_path(op, request->snapshotroot, name ? name : "");
    return 0;
}

int op_delete_snapshot(struct core *core, struct op *op, const Pb__DeleteSnapshotRequest *request,
                       Pb__DeleteSnapshotResponse *response UNUSED, struct err *err)
{
    const char *name = request->snapshotname;
    struct snapshot_dir *of;
    struct resolved path;
    int rc = begin(core, op, "delete", request->snapshotroot, err);

    op->audit_src = snapshot_path(op, request->snapshotroot, name);
    if (!rc) rc = resolve_owned(core, op, request->snapshotroot, &path, err);
    if (!rc) rc = require_snapshottable(core, &path, request->snapshotroot, &of, err);
    if (rc) return rc;
    if (!snapshot_named(of, name, strlen(name)))
        return err_set(err, ERR_SNAPSHOT,
                       "Cannot delete snapshot %s from path %s: the snapshot does not exist.", name,
                       path.text);
    struct edit edit = {.op = EDIT_DELETE_SNAPSHOT,
                        .path = path.text,
                        .destination = name,
                        .mtime_ms = core->now_wall_ms,
                        .inode = path.inode};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    return 0;
}

int op_rename_snapshot(struct core *core, struct op *op, const Pb__RenameSnapshotRequest *request,
                       Pb__RenameSnapshotResponse *response UNUSED, struct err *err)
{
    const char *root = request->snapshotroot;
    const char *from = request->snapshotoldname, *to = request->snapshotnewname;
    struct snapshot_dir *of;
    struct resolved path;
    int rc = begin(core, op, "rename", root, err);

    op->audit_src = snapshot_path(op, root, from);
    op->audit_dst = snapshot_path(op, root, to);
    if (!rc) rc = resolve_owned(core, op, root, &path, err);
    if (!rc) rc = check_name(core, to, root, err);
    if (!rc) rc = require_snapshottable(core, &path, root, &of, err);
    if (rc) return rc;
    if (!snapshot_named(of, from, strlen(from)))
        return err_set(err, ERR_SNAPSHOT, "The snapshot %s does not exist for directory %s", from,
                       root);
    if (!str_eq(from, to) && snapshot_named(of, to, strlen(to)))
        return err_set(err, ERR_SNAPSHOT, "The snapshot %s already exists for directory %s", to,
                       root);
    struct edit edit = {.op = EDIT_RENAME_SNAPSHOT,
                        .path = path.text,
                        .sources = &from,
                        .source_count = 1,
                        .destination = to,
                        .mtime_ms = core->now_wall_ms,
                        .inode = path.inode};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    return 0;
}

/* ---- listings ---- */

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
}

/* What these two listings say of a directory: neither its policy nor flags. */
static Pb__HdfsFileStatus *plain_status(struct core *core, struct op *op, const struct inode *inode,
                                        uint64_t children)
{
    ProtobufCBinaryData name;

    name.data = (uint8_t *)(uintptr_t)inode_name(inode, &name.len);
    Pb__HdfsFileStatus *status = status_make(core, inode, &name, op->arena);
    status->has_storagepolicy = status->has_flags = false;
    status->childrennum = (int32_t)MIN(children, (uint64_t)INT32_MAX);
    return status;
}

static int compare_dirs(const void *a, const void *b)
{
    const Pb__SnapshottableDirectoryStatus *const *left = a, *const *right = b;
    const ProtobufCBinaryData *l = &(*left)->parent_fullpath, *r = &(*right)->parent_fullpath;
    int order = tree_compare_names(l->data, l->len, r->data, r->len);

    if (order) return order;
    l = &(*left)->dirstatus->path;
    r = &(*right)->dirstatus->path;
    return tree_compare_names(l->data, l->len, r->data, r->len);
}

static Pb__SnapshottableDirectoryStatus *dir_status(struct core *core, struct op *op,
                                                    const struct snapshot_dir *dir)
{
    Pb__SnapshottableDirectoryStatus *status = arena_alloc(op->arena, sizeof *status);
    const struct inode *parent = inode_parent(core->tree.inodes, dir->dir);

    pb__snapshottable_directory_status__init(status);
    status->dirstatus = plain_status(core, op, dir->dir, dir_child_count(dir->dir));
    status->snapshot_quota = SNAPSHOT_QUOTA;
    status->snapshot_number = dir->count;
    status->parent_fullpath = bytes_of(parent ? tree_path_of(&core->tree, parent, op->arena) : "");
    return status;
}

int op_get_snapshottable_dir_listing(struct core *core, struct op *op,
                                     const Pb__GetSnapshottableDirListingRequest *request UNUSED,
                                     Pb__GetSnapshottableDirListingResponse *response,
                                     struct err *err UNUSED)
{
    const struct snapshots *snapshots = core->tree.snapshots;
    const struct snapshot_dir *dir;

    if (!snapshots->dir_count) return 0;
    Pb__SnapshottableDirectoryListing *list = arena_alloc(op->arena, sizeof *list);
    pb__snapshottable_directory_listing__init(list);
    list->snapshottabledirlisting =
        ARENA_ARRAY(op->arena, Pb__SnapshottableDirectoryStatus *, snapshots->dir_count);
    TAILQ_FOREACH (dir, &snapshots->dirs, all) {
        if (!op->superuser && !str_eq(op->user, inode_user(core->tree.inodes, dir->dir))) continue;
        list->snapshottabledirlisting[list->n_snapshottabledirlisting++] =
            dir_status(core, op, dir);
    }
    qsort(list->snapshottabledirlisting, list->n_snapshottabledirlisting,
          sizeof list->snapshottabledirlisting[0], compare_dirs);
    response->snapshottabledirlist = list;
    return 0;
}

int op_get_snapshot_listing(struct core *core, struct op *op,
                            const Pb__GetSnapshotListingRequest *request,
                            Pb__GetSnapshotListingResponse *response, struct err *err)
{
    struct snapshot_dir *of;
    struct resolved path;
    int rc = perm_resolve(core, op, request->snapshotroot, RESOLVE_READ, &path, err);

    op->audit_src = request->snapshotroot;
    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_READ}, err);
    if (!rc) rc = require_snapshottable(core, &path, request->snapshotroot, &of, err);
    if (rc) return rc;
    Pb__SnapshotListing *list = arena_alloc(op->arena, sizeof *list);
    pb__snapshot_listing__init(list);
    list->snapshotlisting = ARENA_ARRAY(op->arena, Pb__SnapshotStatus *, of->count);
    for (uint32_t i = 0; i < of->count; i++) {
        Pb__SnapshotStatus *status = arena_alloc(op->arena, sizeof *status);

        pb__snapshot_status__init(status);
        status->dirstatus = plain_status(core, op, of->by_name[i]->root, dir_child_count(of->dir));
        status->snapshotid = (uint32_t)of->by_name[i]->id;
        status->parent_fullpath = bytes_of(tree_path_of(&core->tree, of->dir, op->arena));
        list->snapshotlisting[list->n_snapshotlisting++] = status;
    }
    response->snapshotlist = list;
    return 0;
}
