#include "namenode/perm.h"

#include "namenode/acl.h"
#include "namenode/snapshot.h"

/* Who may do what with an inode: owner, group or other, by its mode; or by its ACL. */
static bool is_member(const struct op *op, const char *group)
{
    for (size_t i = 0; op->groups && op->groups[i]; i++)
        if (str_eq(op->groups[i], group)) return true;
    return false;
}

/*
 * FSPermissionChecker.hasAclPermission: the owner by the mode; else a user that is named, else any
 * of his groups that grants it, all within the mask; whom nothing names is one of the others.
 */
static bool is_allowed_by_acl(const struct core *core, const struct op *op,
                              const struct inode *inode, enum fs_action action)
{
    const struct inode_table *inodes = core->tree.inodes;
    unsigned mask = inode->mode >> 3 & 7, wanted = action;
    struct acl_list list = {.count = 0};
    bool found = false;

    if (str_eq(op->user, inode_user(inodes, inode))) return (inode->mode >> 6 & wanted) == wanted;
    acl_read(inode_acl(inodes, inode), &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct acl_entry *e = &list.entries[i];

        if (e->scope != ACL_ACCESS) continue;
        if (e->type == ACL_USER && e->name && str_eq(op->user, e->name))
            return (e->permission & mask & wanted) == wanted;
        if (e->type != ACL_GROUP || !is_member(op, e->name ? e->name : inode_group(inodes, inode)))
            continue;
        if ((e->permission & mask & wanted) == wanted) return true;
        found = true;
    }
    return !found && (inode->mode & wanted) == wanted;
}

static bool is_allowed(const struct core *core, const struct op *op, const struct inode *inode,
                       enum fs_action action)
{
    const struct inode_table *inodes = core->tree.inodes;
    unsigned bits = inode->mode & 7;

    if (inode->has_acl && acl_has_scope(inode_acl(inodes, inode), ACL_ACCESS))
        return is_allowed_by_acl(core, op, inode, action);
    if (str_eq(op->user, inode_user(inodes, inode)))
        bits = inode->mode >> 6 & 7;
    else if (is_member(op, inode_group(inodes, inode)))
        bits = inode->mode >> 3 & 7;
    return (bits & action) == (unsigned)action;
}

/* ---- texts ---- */

static const char *const action_names[] = {"NONE", "EXECUTE",      "WRITE",      "WRITE_EXECUTE",
                                           "READ", "READ_EXECUTE", "READ_WRITE", "ALL"};

/* FsPermission.toString behind 'd' or '-', as in drwxr-xr-t. */
static void mode_text(const struct inode *inode, char text[11])
{
    static const char letters[] = "rwxrwxrwx";

    text[0] = inode_is_dir(inode) ? 'd' : '-';
    for (int i = 0; i < 9; i++) text[1 + i] = inode->mode >> (8 - i) & 1 ? letters[i] : '-';
    if (inode->mode & INODE_MODE_STICKY) text[9] = inode->mode & 1 ? 't' : 'T';
    text[10] = '\0';
}

static const char *path_of(const struct core *core, const struct inode *inode, struct arena *arena)
{
    const struct inode *proper =
        inode->is_copy ? inode_find_any(core->tree.inodes, inode->id) : inode;
    const char *path = proper ? tree_path_of(&core->tree, proper, arena) : NULL;
    size_t length;

    if (path) return path;
    const char *name = (const char *)inode_name(inode, &length);
    return arena_strndup(arena, name, length);
}

static int refuse(const struct core *core, const struct op *op, const struct inode *inode,
                  enum fs_action action, struct err *err)
{
    char mode[11];

    mode_text(inode, mode);
    return err_set(err, ERR_ACCESS, "Permission denied: user=%s, access=%s, inode=\"%s\":%s:%s:%s",
                   op->user, action_names[action], path_of(core, inode, op->arena),
                   inode_user(core->tree.inodes, inode), inode_group(core->tree.inodes, inode),
                   mode);
}

static int require(const struct core *core, const struct op *op, const struct inode *inode,
                   enum fs_action action, struct err *err)
{
    if (!inode || is_allowed(core, op, inode, action)) return 0;
    return refuse(core, op, inode, action, err);
}

int perm_check_inode(struct core *core, const struct op *op, const struct inode *inode,
                     enum fs_action action, struct err *err)
{
    return require(core, op, inode, action, err);
}

/* ---- the way to the inode ---- */

static int refuse_link(const struct core *core, const struct op *op, const struct resolved *path,
                       const struct inode *link, struct err *err)
{
    const char *target = inode_symlink_target(core->tree.inodes, link);
    const char *at = path_of(core, link, op->arena);
    const char *rest = path->text + MIN(strlen(at), strlen(path->text));

    if (*target == '/') return err_set(err, ERR_UNRESOLVED_PATH, "%s%s", target, rest);
    return err_set(err, ERR_UNRESOLVED_PATH, "%.*s%s%s", (int)(strrchr(at, '/') + 1 - at), at,
                   target, rest);
}

int perm_refuse_symlink(struct core *core, const struct op *op, const struct resolved *path,
                        struct err *err)
{
    if (!path->inode || !inode_is_symlink(path->inode)) return 0;
    return refuse_link(core, op, path, path->inode, err);
}

static int require_dir(const struct core *core, const struct op *op, const struct resolved *path,
                       const struct inode *inode, bool create, struct err *err)
{
    if (inode_is_dir(inode)) return 0;
    if (inode_is_symlink(inode)) return refuse_link(core, op, path, inode, err);
    return err_set(err, create ? ERR_NOT_DIRECTORY : ERR_ACCESS, "%s (is not a directory)",
                   path_of(core, inode, op->arena));
}

/* The same in a snapshot, where inodes do not know their parents. */
static int check_way_back(const struct core *core, const struct op *op, const struct resolved *path,
                          bool execute, struct err *err)
{
    uint32_t count = path->way_count - (path->inode && path->way_count > 1);
    int rc = 0;

    for (uint32_t i = 0; !rc && i < count; i++) {
        rc = require_dir(core, op, path, path->way[i], false, err);
        if (!rc && execute) rc = require(core, op, path->way[i], ACTION_EXECUTE, err);
    }
    return rc;
}

/* Passes from the root down to the last existing ancestor. */
static int check_way(struct core *core, const struct op *op, const struct resolved *path,
                     bool create, bool execute, struct err *err)
{
    const struct inode *last = path->way     ? NULL
                               : path->inode ? inode_parent(core->tree.inodes, path->inode)
                                             : path->deepest;
    uint32_t depth = path->inode ? path->depth : path->found + 1;
    int rc = 0;

    if (path->way) return check_way_back(core, op, path, execute, err);
    /* Without permissions to ask about only the deepest can be anything but a directory. */
    if (!last) return 0;
    if (!execute) return require_dir(core, op, path, last, create, err);
    const struct inode **way = arena_alloc(op->arena, depth * sizeof *way);
    for (uint32_t i = depth; i--; last = inode_parent(core->tree.inodes, last)) way[i] = last;
    assert(!last);
    for (uint32_t i = 0; !rc && i < depth; i++) {
        rc = require_dir(core, op, path, way[i], create, err);
        if (!rc) rc = require(core, op, way[i], ACTION_EXECUTE, err);
    }
    return rc;
}

int perm_check_traverse(struct core *core, const struct op *op, const struct resolved *path,
                        struct err *err)
{
    return check_way(core, op, path, false, core->conf.permissions_enabled && !op->superuser, err);
}

int perm_resolve(struct core *core, const struct op *op, const char *path, enum resolve_for purpose,
                 struct resolved *out, struct err *err)
{
    bool asked = core->conf.permissions_enabled && !op->superuser;
    int rc;

    if (purpose == RESOLVE_CREATE && !path_is_valid(path))
        return err_set(err, ERR_INVALID_PATH, "Invalid path name Invalid file name: %s", path);
    rc = resolve_path(&core->tree, path, op->arena, out, err);
    if (rc) return rc;
    if (purpose != RESOLVE_READ && strlen(out->text) > PATH_BYTES_MAX)
        return err_set(err, ERR_IO,
                       "Pathname too long: nothing can be changed at a path of more than %d bytes. "
                       "Move a directory above it nearer to the root first.",
                       PATH_BYTES_MAX);
    if (out->is_reserved_raw && purpose != RESOLVE_READ && asked) {
        rc = op_check_superuser(core, op, op->method ? op->method : "null", err);
        if (rc) return rc;
    }
    rc = check_way(core, op, out, purpose == RESOLVE_CREATE, asked, err);
    if (rc || purpose == RESOLVE_READ) return rc;
    if (out->way || out->snapshots_of)
        return err_set(err, ERR_SNAPSHOT_ACCESS,
                       "Modification on a read-only snapshot is disallowed");
    return 0;
}

/* ---- deletion ---- */

static bool is_sticky_violated(const struct core *core, const struct op *op,
                               const struct inode *dir, const struct inode *inode)
{
    const struct inode_table *inodes = core->tree.inodes;

    return dir->mode & INODE_MODE_STICKY && !str_eq(inode_user(inodes, dir), op->user) &&
           !str_eq(inode_user(inodes, inode), op->user);
}

/* `shown` is the inode whose owner and mode stand for the directory in the text. */
static int refuse_sticky(const struct core *core, const struct op *op, const struct inode *inode,
                         const struct inode *dir, const struct inode *shown, struct err *err)
{
    const struct inode_table *inodes = core->tree.inodes;
    char mode[11], dir_mode[11];

    mode_text(inode, mode);
    mode_text(shown, dir_mode);
    return err_set(
        err, ERR_ACCESS,
        "Permission denied by sticky bit: user=%s, path=\"%s\":%s:%s:%s, parent=\"%s\":%s:%s:%s",
        op->user, path_of(core, inode, op->arena), inode_user(inodes, inode),
        inode_group(inodes, inode), mode, path_of(core, dir, op->arena), inode_user(inodes, shown),
        inode_group(inodes, shown), dir_mode);
}

struct dir_stack {
    struct inode **dirs;
    size_t count, capacity;
};

/* One directory of a subtree: its own mode, its sticky bit over its children; its directories go on
 * the stack. */
static int check_subdir(const struct core *core, const struct op *op, struct inode *dir,
                        const struct inode *top, const struct perm_request *request,
                        struct dir_stack *stack, struct err *err)
{
    bool asked = dir_child_count(dir) > 0 || !request->ignore_empty;
    bool sticky = asked && dir->mode & INODE_MODE_STICKY;
    struct inode *page[256];
    uint64_t remaining = 1;
    size_t length = 0;
    const uint8_t *after = NULL;

    if (asked && !is_allowed(core, op, dir, request->subtree))
        return refuse(core, op, dir, request->subtree, err);
    while (remaining) {
        size_t count = dir_list(&core->tree, dir, after, length, page, ARRAY_LEN(page), &remaining);

        for (size_t i = 0; i < count; i++) {
            if (sticky && is_sticky_violated(core, op, dir, page[i]))
                return refuse_sticky(core, op, page[i], dir, top, err);
            if (!inode_is_dir(page[i])) continue;
            GROW(stack->dirs, stack->capacity, stack->count + 1);
            stack->dirs[stack->count++] = page[i];
        }
        if (count) after = inode_name(page[count - 1], &length);
    }
    return 0;
}

/* FSPermissionChecker.checkSubAccess: last directory first, so that the same inode of many is
 * named. */
static int check_subtree(const struct core *core, const struct op *op, struct inode *top,
                         const struct perm_request *request, struct err *err)
{
    struct dir_stack stack = {0};
    int rc = 0;

    if (!top || !inode_is_dir(top)) return 0;
    GROW(stack.dirs, stack.capacity, 64);
    stack.dirs[stack.count++] = top;
    while (!rc && stack.count)
        rc = check_subdir(core, op, stack.dirs[--stack.count], top, request, &stack, err);
    mem_free(stack.dirs);
    return rc;
}

static int check_owner(const struct core *core, const struct op *op, const struct inode *inode,
                       struct err *err)
{
    if (inode && str_eq(op->user, inode_user(core->tree.inodes, inode))) return 0;
    return err_set(err, ERR_ACCESS, "Permission denied. user=%s is not the owner of inode=%s",
                   op->user, inode ? path_of(core, inode, op->arena) : "");
}

int perm_check(struct core *core, const struct op *op, const struct resolved *path,
               const struct perm_request *request, struct err *err)
{
    bool asked = !op->superuser && (core->conf.permissions_enabled || request->owner);
    struct inode *inode = path->inode;
    const struct inode *parent =
        inode && !path->way ? inode_parent(core->tree.inodes, inode) : path->parent;
    int rc = check_way(core, op, path, request->ancestor != ACTION_NONE, asked, err);

    if (rc || !asked) return rc;
    if ((request->sticky || request->parent & ACTION_WRITE) && inode && parent &&
        is_sticky_violated(core, op, parent, inode))
        return refuse_sticky(core, op, inode, parent, parent, err);
    if (request->ancestor && path->depth)
        rc = require(core, op, inode ? parent : path->deepest, request->ancestor, err);
    if (!rc && request->parent) rc = require(core, op, parent, request->parent, err);
    if (!rc && request->target) rc = require(core, op, inode, request->target, err);
    if (!rc && request->subtree && path->snapshot == SNAPSHOT_CURRENT)
        rc = check_subtree(core, op, inode, request, err);
    if (!rc && request->owner) rc = check_owner(core, op, inode, err);
    return rc;
}
