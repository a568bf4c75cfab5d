/* Names: mkdirs, delete, rename, concat, symlinks (FSDirMkdirOp, FSDirDeleteOp, FSDirRenameOp,
 * FSDirConcatOp). */
#include "namenode/op_dir.h"

#include "namenode/acl.h"
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/protected_dirs.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "namenode/storage_policy.h"

static int check_changeable(struct core *core, struct op *op, const char *what, const char *path,
                            struct err *err)
{
    op->audit_src = path;
    return op_check_not_safemode(core, arena_printf(op->arena, "Cannot %s %s", what, path), err);
}

/* ---- new entries ---- */

/* As Java counts a string's characters. */
static size_t utf16_length(const char *text)
{
    size_t length = 0;

    for (; *text; text++)
        length += ((uint8_t)*text & 0xc0) != 0x80 ? 1 + ((uint8_t)*text >= 0xf0) : 0;
    return length;
}

static size_t path_depth(const char *path)
{
    size_t depth = 0;

    for (; *path; path++) depth += *path == '/' && path[1] && path[1] != '/';
    return depth;
}

int dir_check_path_length(const char *operation, const char *path, struct err *err)
{
    if (utf16_length(path) <= PATH_LENGTH_MAX && path_depth(path) <= PATH_DEPTH_MAX) return 0;
    return err_set(err, ERR_IO, "%s: Pathname too long.  Limit %d characters, %d levels.",
                   operation, PATH_LENGTH_MAX, PATH_DEPTH_MAX);
}

const char *dir_parent_path(const struct resolved *path, struct arena *arena)
{
    size_t length = strlen(path->text) - path->last_length;

    return length > 1 ? arena_strndup(arena, path->text, length - 1) : "/";
}

/* FSDirectory.verifyMaxComponentLength; an inode holds 255 bytes, whatever the settings allow. */
static int check_name_length(struct core *core, struct op *op, const struct inode *dir,
                             const char *name, size_t length, struct err *err)
{
    size_t limit = core->conf.max_component_length
                       ? MIN(core->conf.max_component_length, (uint32_t)INODE_NAME_MAX)
                       : (size_t)INODE_NAME_MAX;

    if (length <= limit) return 0;
    return err_set(err, ERR_NAME_TOO_LONG,
                   "The maximum path component name limit of %.*s in directory %s is exceeded: "
                   "limit=%zu length=%zu",
                   (int)length, name, tree_path_of(&core->tree, dir, op->arena), limit, length);
}

static int check_item_count(struct core *core, struct op *op, const struct inode *dir,
                            struct err *err)
{
    uint64_t count = dir_child_count(dir);

    if (count < core->conf.max_directory_items) return 0;
    return err_set(err, ERR_TOO_MANY_ITEMS,
                   "The directory item limit of %s is exceeded: limit=%u items=%" PRIu64,
                   tree_path_of(&core->tree, dir, op->arena), core->conf.max_directory_items,
                   count);
}

/* FSNamesystem.checkFsObjectLimit */
static int check_object_limit(const struct core *core, struct err *err)
{
    uint64_t limit = core->conf.max_objects;

    if (!limit || inode_count(core->tree.inodes) + block_map_count(core->blocks) < limit) return 0;
    return err_set(err, ERR_IO,
                   "Exceeded the configured number of objects %" PRIu64 " in the filesystem.",
                   limit);
}

static bool is_name(const char *name, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(name, text, length) == 0;
}

static int check_root_name(const struct core *core, const struct inode *dir, const char *name,
                           size_t length, struct err *err)
{
    if (dir != core->tree.root || !is_name(name, length, ".reserved")) return 0;
    return err_set(
        err, ERR_HADOOP_ARGUMENT,
        "File name \".reserved\" is reserved and cannot be created. If this is during upgrade "
        "change the name of "
        "the existing file or directory to another name before upgrading to the new release.");
}

static int check_snapshot_name(const char *name, size_t length, struct err *err)
{
    if (!is_name(name, length, ".snapshot")) return 0;
    return err_set(err, ERR_HADOOP_ARGUMENT, "\".snapshot\" is a reserved name.");
}

/* FSDirectory.addLastINode's checks in its order. */
static int check_new_name(struct core *core, struct op *op, const struct inode *dir,
                          const char *name, size_t length, int64_t names, struct err *err)
{
    struct quota_usage more = {.names = names};
    int rc = names > 0 ? check_object_limit(core, err) : 0;

    if (!rc) rc = check_root_name(core, dir, name, length, err);
    if (!rc) rc = check_name_length(core, op, dir, name, length, err);
    if (!rc && names > 0) rc = check_item_count(core, op, dir, err);
    if (!rc) rc = check_snapshot_name(name, length, err);
    return rc ? rc : quota_check(core, dir, NULL, &more, err);
}

int dir_check_new_entry(struct core *core, struct op *op, const struct resolved *path,
                        int64_t names, struct err *err)
{
    return check_new_name(core, op, path->parent, path->last_name, path->last_length, names, err);
}

/* ---- mkdirs ---- */

struct create_modes dir_modes(const Pb__FsPermission *masked, const Pb__FsPermission *unmasked)
{
    return (struct create_modes){
        .masked = (uint16_t)(masked->perm & INODE_MODE_MASK),
        .has_unmasked = unmasked != NULL,
        .unmasked = unmasked ? (uint16_t)(unmasked->perm & INODE_MODE_MASK) : 0,
    };
}

void dir_fill_modes(struct core *core, struct op *op, const struct inode *dir,
                    const struct create_modes *modes, bool is_dir, struct edit *edit)
{
    bool posix = core->conf.posix_acl_inheritance && modes->has_unmasked;
    uint16_t mode = posix ? modes->unmasked : modes->masked;
    struct acl_list list;

    edit->mode = modes->masked;
    if (!dir->has_acl || !acl_inherit(core->tree.inodes, dir, is_dir, mode, &list)) return;
    edit->mode = acl_mode(&list, mode);
    if (list.count > ACL_MINIMAL) edit->acl = acl_to_edit(&list, op->arena);
}

/* Makes one directory at `path` (its last component is `name`) below `dir`. */
static int make_dir(struct core *core, struct op *op, const struct inode *dir, const char *path,
                    const char *name, size_t length, const struct create_modes *modes,
                    struct err *err)
{
    int rc = check_new_name(core, op, dir, name, length, 1, err);

    if (rc) return rc;
    struct edit edit = {
        .op = EDIT_MKDIR,
        .path = path,
        .inode_id = core->tree.inode_id_last + 1,
        .mtime_ms = core->now_wall_ms,
        .user = op->user,
        .group = inode_group(core->tree.inodes, dir),
    };
    dir_fill_modes(core, op, dir, modes, true, &edit);
    core_edit(core, &edit);
    return 0;
}

int dir_make_ancestors(struct core *core, struct op *op, struct resolved *path,
                       struct create_modes modes, struct err *err)
{
    const char *end = path->text;

    modes.masked = (modes.masked & 0777) | 0300;
    if (path->inode || path->depth < 2) return 0;
    for (uint32_t i = 0; i < path->found; i++) end = strchrnul(end + 1, '/');
    while (path->found + 1 < path->depth) {
        const char *name = end + 1;

        end = strchrnul(name, '/');
        const char *text = arena_strndup(op->arena, path->text, (size_t)(end - path->text));
        int rc = make_dir(core, op, path->deepest, text, name, (size_t)(end - name), &modes, err);
        if (rc) return rc;
        path->deepest = tree_child(&core->tree, path->deepest, name, (size_t)(end - name));
        assert(path->deepest);
        path->found++;
    }
    path->parent = path->deepest;
    return 0;
}

/* FSDirectory.verifyParentDir */
static int verify_parent(struct op *op, const struct resolved *path, struct err *err)
{
    if (path->depth < 2 || path->parent) return 0;
    return err_set(err, ERR_NOT_FOUND, "Parent directory doesn't exist: %s",
                   dir_parent_path(path, op->arena));
}

static int make_dirs(struct core *core, struct op *op, struct resolved *path,
                     const Pb__MkdirsRequest *request, struct err *err)
{
    struct create_modes modes = dir_modes(request->masked, request->unmasked);
    int rc = perm_check(core, op, path, &(struct perm_request){.ancestor = ACTION_WRITE}, err);

    if (!rc && !request->createparent) rc = verify_parent(op, path, err);
    if (!rc) rc = dir_make_ancestors(core, op, path, modes, err);
    if (!rc)
        rc = make_dir(core, op, path->parent, path->text, path->last_name, path->last_length,
                      &modes, err);
    if (!rc)
        path->inode = tree_child(&core->tree, path->parent, path->last_name, path->last_length);
    return rc;
}

int op_mkdirs(struct core *core, struct op *op, const Pb__MkdirsRequest *request,
              Pb__MkdirsResponse *response, struct err *err)
{
    struct resolved path;
    int rc = dir_check_path_length("mkdirs", request->src, err);

    if (!rc) rc = check_changeable(core, op, "create directory", request->src, err);
    if (!rc) rc = perm_resolve(core, op, request->src, RESOLVE_CREATE, &path, err);
    if (rc) return rc;
    if (path.inode && inode_is_file(path.inode))
        return err_set(err, ERR_EXISTS, "Path is not a directory: %s", request->src);
    if (!path.inode) rc = make_dirs(core, op, &path, request, err);
    if (rc) return rc;
    op->audit_status = path.inode;
    response->result = true;
    return 0;
}

/* ---- snapshots in the way ---- */

int dir_check_snapshots(struct core *core, const struct inode *inode, bool *snapshottable,
                        struct arena *arena, struct err *err)
{
    const struct snapshot_dir *dir;

    TAILQ_FOREACH (dir, &core->tree.snapshots->dirs, all) {
        if (!tree_is_ancestor(&core->tree, inode, dir->dir)) continue;
        if (snapshottable) *snapshottable = true;
        if (!dir->count) continue;
        const char *path = tree_path_of(&core->tree, dir->dir, arena);
        return err_set(err, ERR_SNAPSHOT,
                       "The directory %s cannot be deleted since %s is snapshottable and already "
                       "has snapshots",
                       path, path);
    }
    return 0;
}

/* FSDirRenameOp.validateRenameSource and validateNestSnapshot */
static int check_rename_snapshots(struct core *core, struct op *op, const struct resolved *src,
                                  const struct inode *dst_parent, struct err *err)
{
    bool snapshottable = false;
    int rc = dir_check_snapshots(core, src->inode, &snapshottable, op->arena, err);

    if (rc || !snapshottable) return rc;
    for (const struct inode *at = dst_parent; at; at = inode_parent(core->tree.inodes, at)) {
        if (!snapshot_dir(&core->tree, at)) continue;
        return err_set(err, ERR_SNAPSHOT,
                       "Unable to rename because %s has snapshottable descendant directories and "
                       "%s is a descent of a snapshottable directory, and HDFS does not support "
                       "nested snapshottable directory.",
                       src->text, tree_path_of(&core->tree, dst_parent, op->arena));
    }
    return 0;
}

/* ---- delete ---- */

int op_delete(struct core *core, struct op *op, const Pb__DeleteRequest *request,
              Pb__DeleteResponse *response, struct err *err)
{
    const struct perm_request wanted = {
        .parent = ACTION_WRITE, .subtree = ACTION_ALL, .sticky = true, .ignore_empty = true};
    struct resolved path;
    int rc = check_changeable(core, op, "delete", request->src, err);

    if (rc) return rc;
    if (path_is_reserved(request->src))
        return err_set(err, ERR_INVALID_PATH, "Invalid path name %s", request->src);
    rc = perm_resolve(core, op, request->src, RESOLVE_WRITE, &path, err);
    if (!rc && core->conf.permissions_enabled) rc = perm_check(core, op, &path, &wanted, err);
    if (rc) return rc;
    if (path.inode && dir_child_count(path.inode) && !request->recursive)
        return err_set(err, ERR_NOT_EMPTY, "`%s is non empty': Directory is not empty", path.text);
    rc = protected_dirs_check(core, op, &path, err);
    if (rc) return rc;
    response->result = path.inode && path.inode != core->tree.root;
    if (!response->result) return 0;
    rc = dir_check_snapshots(core, path.inode, NULL, op->arena, err);
    if (rc) return rc;
    struct edit edit = {
        .op = EDIT_DELETE, .path = path.text, .mtime_ms = core->now_wall_ms, .inode = path.inode};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    return 0;
}

/* ---- rename ---- */

static bool is_below(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    return str_starts(path, dir) && path[length] == '/';
}

/* FSDirRenameOp.validateDestination. */
static int validate_destination(struct core *core, const struct resolved *src,
                                const struct resolved *dst, struct err *err)
{
    if (inode_is_symlink(src->inode) &&
        str_eq(dst->text, inode_symlink_target(core->tree.inodes, src->inode)))
        return err_set(err, ERR_EXISTS, "Cannot rename symlink %s to its target %s", src->text,
                       dst->text);
    if (is_below(dst->text, src->text))
        return err_set(err, ERR_IO, "Rename destination %s is a directory or file under source %s",
                       dst->text, src->text);
    if (path_is_reserved(src->text) || path_is_reserved(dst->text))
        return err_set(err, ERR_INVALID_PATH,
                       "Invalid path name Cannot rename to or from /.reserved");
    return 0;
}

static void subtract(struct quota_usage *from, const struct quota_usage *less)
{
    from->names -= less->names;
    from->space -= less->space;
    for (size_t i = 0; i < ARRAY_LEN(from->type_space); i++)
        from->type_space[i] -= less->type_space[i];
}

/* FSDirRenameOp.verifyQuotaForRename: what both hold already is not asked. */
static int check_rename_quota(struct core *core, const struct resolved *src,
                              const struct resolved *dst, struct err *err)
{
    const struct inode *shared = dst->parent;
    uint8_t policy = storage_policy_effective(core->tree.inodes, dst->parent);

    if (!quota_applies(core, dst->parent)) return 0;
    while (!tree_is_ancestor(&core->tree, shared, src->inode))
        shared = inode_parent(core->tree.inodes, shared);
    if (shared == dst->parent) return 0;
    struct quota_usage more = quota_count(core, src->inode, policy);
    if (dst->inode) {
        struct quota_usage less = quota_count(core, dst->inode, policy);

        subtract(&more, &less);
    }
    return quota_check(core, dst->parent, shared, &more, err);
}

/* What holds for the new name of both renames. */
static int check_new_place(struct core *core, struct op *op, const struct resolved *src,
                           const struct resolved *dst, struct err *err)
{
    int rc = check_name_length(core, op, dst->parent, dst->last_name, dst->last_length, err);

    if (!rc && dst->parent != src->parent) rc = check_item_count(core, op, dst->parent, err);
    if (!rc) rc = check_rename_quota(core, src, dst, err);
    if (!rc) rc = check_root_name(core, dst->parent, dst->last_name, dst->last_length, err);
    return rc ? rc : check_snapshot_name(dst->last_name, dst->last_length, err);
}

static void rename_by_edit(struct core *core, struct op *op, enum edit_op code, uint8_t options,
                           const struct resolved *src, const struct resolved *dst)
{
    struct edit edit = {
        .op = (uint8_t)code,
        .path = src->text,
        .destination = dst->text,
        .mtime_ms = core->now_wall_ms,
        .rename_options = options,
        .inode = src->inode,
    };

    op_stamp(op, &edit);
    core_edit(core, &edit);
    op->audit_status = src->inode;
}

static int resolve_both(struct core *core, struct op *op, const char *src_text,
                        const char *dst_text, struct resolved *src, struct resolved *dst,
                        struct err *err)
{
    int rc = dir_check_path_length("rename", dst_text, err);

    if (!rc) rc = check_changeable(core, op, "rename", src_text, err);
    op->audit_dst = dst_text;
    if (!rc) rc = perm_resolve(core, op, src_text, RESOLVE_WRITE, src, err);
    return rc ? rc : perm_resolve(core, op, dst_text, RESOLVE_CREATE, dst, err);
}

/* The old rename moves into a directory that exists. */
static int enter_directory(struct core *core, struct op *op, const struct resolved *src,
                           struct resolved *dst, struct err *err)
{
    if (!dst->inode || !inode_is_dir(dst->inode) || !src->depth) return 0;
    const char *text = arena_printf(op->arena, "%s/%.*s", dst->depth ? dst->text : "",
                                    (int)src->last_length, src->last_name);
    return resolve_path(&core->tree, text, op->arena, dst, err);
}

static int check_rename_access(struct core *core, struct op *op, const struct resolved *src,
                               const struct resolved *dst, bool to_trash, struct err *err)
{
    struct perm_request wanted = {.parent = ACTION_WRITE, .sticky = true};
    int rc = protected_dirs_check(core, op, src, err);

    if (rc || !core->conf.permissions_enabled) return rc;
    if (to_trash) { /* what the trash will delete later must be deletable now */
        wanted.subtree = ACTION_ALL;
        wanted.ignore_empty = true;
    }
    rc = perm_check(core, op, src, &wanted, err);
    return rc ? rc
              : perm_check(core, op, dst, &(struct perm_request){.ancestor = ACTION_WRITE}, err);
}

int op_rename(struct core *core, struct op *op, const Pb__RenameRequest *request,
              Pb__RenameResponse *response, struct err *err)
{
    struct resolved src, dst;
    int rc = resolve_both(core, op, request->src, request->dst, &src, &dst, err);

    if (!rc) rc = enter_directory(core, op, &src, &dst, err);
    if (!rc) rc = check_rename_access(core, op, &src, &dst, false, err);
    if (rc) return rc;
    response->result = false;
    if (!src.inode || !src.depth) return 0;
    if (!str_eq(src.text, dst.text)) {
        rc = validate_destination(core, &src, &dst, err);
        if (rc == ERR_INVALID_PATH) return rc;
        if (rc || dst.inode || !dst.parent) {
            err_clear(err);
            return 0;
        }
        rc = check_rename_snapshots(core, op, &src, dst.parent, err);
        if (!rc) rc = check_new_place(core, op, &src, &dst, err);
        if (rc) return rc;
    }
    rename_by_edit(core, op, EDIT_RENAME_OLD, 0, &src, &dst);
    response->result = true;
    return 0;
}

/* FSDirRenameOp.validateOverwrite. */
static int validate_overwrite(const struct resolved *src, const struct resolved *dst,
                              bool overwrite, struct err *err)
{
    if (inode_is_dir(src->inode) != inode_is_dir(dst->inode))
        return err_set(err, ERR_IO, "Source %s and destination %s must both be directories",
                       src->text, dst->text);
    if (!overwrite)
        return err_set(err, ERR_EXISTS, "rename destination %s already exists", dst->text);
    if (dir_child_count(dst->inode))
        return err_set(err, ERR_IO, "rename destination directory is not empty: %s", dst->text);
    return 0;
}

static int check_rename2(struct core *core, const struct resolved *src, const struct resolved *dst,
                         bool overwrite, struct err *err)
{
    if (!src->inode)
        return err_set(err, ERR_NOT_FOUND, "rename source %s is not found.", src->text);
    if (!src->depth) return err_set(err, ERR_IO, "rename source cannot be the root");
    if (str_eq(src->text, dst->text))
        return err_set(err, ERR_EXISTS, "The source %s and destination %s are the same", src->text,
                       dst->text);
    int rc = validate_destination(core, src, dst, err);
    if (rc) return rc;
    if (!dst->depth) return err_set(err, ERR_IO, "rename destination cannot be the root");
    if (dst->inode) return validate_overwrite(src, dst, overwrite, err);
    if (!dst->parent)
        return err_set(err, ERR_NOT_FOUND, "rename destination parent %s not found.", dst->text);
    return 0;
}

int op_rename2(struct core *core, struct op *op, const Pb__Rename2Request *request,
               Pb__Rename2Response *response, struct err *err)
{
    bool to_trash = request->has_movetotrash && request->movetotrash;
    uint8_t options = (uint8_t)((request->overwritedest ? EDIT_RENAME_OVERWRITE : 0) |
                                (to_trash ? EDIT_RENAME_TO_TRASH : 0));
    struct resolved src, dst;
    int rc = resolve_both(core, op, request->src, request->dst, &src, &dst, err);

    (void)response;
    if (!rc) rc = check_rename_access(core, op, &src, &dst, to_trash, err);
    if (!rc) rc = check_rename2(core, &src, &dst, request->overwritedest, err);
    if (!rc && dst.inode) rc = dir_check_snapshots(core, dst.inode, NULL, op->arena, err);
    if (!rc) rc = check_rename_snapshots(core, op, &src, dst.parent, err);
    if (!rc) rc = check_new_place(core, op, &src, &dst, err);
    if (!rc) rename_by_edit(core, op, EDIT_RENAME, options, &src, &dst);
    return rc;
}

/* ---- concat ---- */

static int check_concat_path(const char *path, struct err *err)
{
    if (!str_starts(path, "/.reserved/raw") && !str_starts(path, "/.reserved/.inodes")) return 0;
    return err_set(err, ERR_IO, "Concat operation doesn't support .reserved relative path : %s",
                   path);
}

/* INodeFile.valueOf */
static int require_file(const struct inode *inode, const char *path, struct err *err)
{
    if (!inode) return err_set(err, ERR_NOT_FOUND, "File does not exist: %s", path);
    if (!inode_is_file(inode)) return err_set(err, ERR_NOT_FOUND, "Path is not a file: %s", path);
    return 0;
}

static int check_concat_arguments(const Pb__ConcatRequest *request, struct err *err)
{
    int rc;

    if (!*request->trg) return err_set(err, ERR_ARGUMENT, "Target file name is empty");
    if (!request->n_srcs) return err_set(err, ERR_ARGUMENT, "No sources given");
    rc = check_concat_path(request->trg, err);
    for (size_t i = 0; !rc && i < request->n_srcs; i++)
        rc = check_concat_path(request->srcs[i], err);
    return rc;
}

static int check_concat_target(struct core *core, struct op *op, const char *text,
                               struct resolved *target, struct err *err)
{
    int rc = perm_resolve(core, op, text, RESOLVE_WRITE, target, err);

    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, target, &(struct perm_request){.target = ACTION_WRITE}, err);
    if (!rc) rc = require_file(target->inode, text, err);
    if (!rc && target->inode->under_construction)
        rc =
            err_set(err, ERR_HADOOP_ARGUMENT, "concat: target file %s is under construction", text);
    return rc;
}

static int check_concat_source(struct core *core, const struct resolved *target, const char *text,
                               const struct inode *source, struct err *err)
{
    uint64_t size, target_size;

    int32_t latest = snapshot_latest(&core->tree, source, SNAPSHOT_CURRENT);
    const struct snapshot_history *history = snapshot_history(&core->tree, source);

    if (source->parent != target->inode->parent)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Source file %s is not in the same directory with the target %s", text,
                       target->text);
    if (latest != SNAPSHOT_NONE && !(history && history->place_count))
        return err_set(err, ERR_SNAPSHOT, "Concat: the source file %s is in snapshot", text);
    if (history && history->place_count)
        return err_set(err, ERR_SNAPSHOT,
                       "Concat: the source file %s is referred by some other reference in some "
                       "snapshot.",
                       text);
    if (source == target->inode)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "concat: the src file %s is the same with the target file %s", text,
                       target->text);
    if (source->under_construction || !source->block_count)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "concat: source file %s is invalid or empty or underConstruction", text);
    size = inode_block_size(core->tree.inodes, source);
    target_size = inode_block_size(core->tree.inodes, target->inode);
    if (size > target_size)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "concat: source file %s has preferred block size %" PRIu64
                       " which is greater than the target file's preferred block size %" PRIu64,
                       text, size, target_size);
    if (inode_ec_policy(source) != inode_ec_policy(target->inode))
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Source file %s and target file %s have different erasure coding policy",
                       text, target->text);
    return 0;
}

/* Resolves and checks a source, and marks its inode: a second time is refused when all were looked
 * at. */
static int take_source(struct core *core, struct op *op, const struct resolved *target,
                       const char *text, struct inode **out, const char **resolved_text,
                       struct err *err)
{
    const struct perm_request wanted = {.target = ACTION_READ}, parent = {.parent = ACTION_WRITE};
    struct resolved source;
    int rc = perm_resolve(core, op, text, RESOLVE_WRITE, &source, err);

    if (!rc && core->conf.permissions_enabled) {
        rc = perm_check(core, op, &source, &wanted, err);
        if (!rc) rc = perm_check(core, op, &source, &parent, err);
    }
    if (!rc) rc = require_file(source.inode, text, err);
    if (!rc) rc = check_concat_source(core, target, text, source.inode, err);
    *out = source.inode;
    *resolved_text = source.text;
    return rc;
}

/* What concat adds at a replication other than the sources'. */
static int check_concat_quota(struct core *core, const struct inode *target,
                              struct inode *const *sources, size_t count, struct err *err)
{
    const struct inode *parent = inode_parent(core->tree.inodes, target);
    struct quota_usage more = {.names = -(int64_t)count};

    if (!quota_applies(core, parent)) return 0;
    for (size_t i = 0; i < count; i++)
        more.space += (int64_t)inode_length(sources[i], true) *
                      ((int64_t)inode_replication(target) - inode_replication(sources[i]));
    return quota_check(core, parent, NULL, &more, err);
}

int op_concat(struct core *core, struct op *op, const Pb__ConcatRequest *request,
              Pb__ConcatResponse *response, struct err *err)
{
    struct resolved target;
    bool twice = false;
    size_t taken = 0;

    (void)response;
    int rc = check_changeable(core, op, "concat", request->trg, err);
    op->audit_dst = request->trg;
    if (!rc) rc = check_concat_arguments(request, err);
    if (!rc) rc = check_concat_target(core, op, request->trg, &target, err);
    if (rc) return rc;
    const char **texts = ARENA_ARRAY(op->arena, const char *, request->n_srcs);
    struct inode **sources = ARENA_ARRAY(op->arena, struct inode *, request->n_srcs);
    for (size_t i = 0; !rc && i < request->n_srcs; i++) {
        rc = take_source(core, op, &target, request->srcs[i], &sources[i], &texts[i], err);
        if (rc) break;
        twice |= sources[i]->marked;
        sources[i]->marked = 1;
        taken++;
    }
    for (size_t i = 0; i < taken; i++) sources[i]->marked = 0;
    if (!rc && twice)
        rc = err_set(err, ERR_HADOOP_ARGUMENT,
                     "concat: at least two of the source files are the same");
    if (!rc) rc = check_concat_quota(core, target.inode, sources, request->n_srcs, err);
    if (rc) return rc;
    struct edit edit = {
        .op = EDIT_CONCAT_DELETE,
        .path = target.text,
        .sources = texts,
        .source_count = (uint32_t)request->n_srcs,
        .mtime_ms = core->now_wall_ms,
        .inode = target.inode,
    };
    op_stamp(op, &edit);
    core_edit(core, &edit);
    op->audit_status = target.inode;
    return 0;
}

/* ---- symlinks ---- */

int op_create_symlink(struct core *core, struct op *op, const Pb__CreateSymlinkRequest *request,
                      Pb__CreateSymlinkResponse *response, struct err *err)
{
    (void)core;
    (void)response;
    op->audit_src = request->link;
    op->audit_dst = request->target;
    return err_set(err, ERR_UNSUPPORTED, "Symlinks not supported");
}

int op_get_link_target(struct core *core, struct op *op, const Pb__GetLinkTargetRequest *request,
                       Pb__GetLinkTargetResponse *response, struct err *err)
{
    struct resolved path;
    int rc = perm_resolve(core, op, request->path, RESOLVE_READ, &path, err);

    if (rc) return rc;
    if (!path.inode) return err_set(err, ERR_NOT_FOUND, "File does not exist: %s", request->path);
    if (!inode_is_symlink(path.inode))
        return err_set(err, ERR_IO, "Path %s is not a symbolic link", request->path);
    response->targetpath = (char *)inode_symlink_target(core->tree.inodes, path.inode);
    return 0;
}
