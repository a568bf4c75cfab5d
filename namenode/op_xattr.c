/* Extended attributes (FSDirXAttrOp, XAttrPermissionFilter). */
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/xattr.h"

enum { FLAG_CREATE = 1, FLAG_REPLACE = 2 };

static int check_enabled(const struct core *core, struct err *err)
{
    if (core->conf.xattrs_enabled) return 0;
    return err_set(err, ERR_IO,
                   "The XAttr operation has been rejected.  Support for XAttrs has been disabled "
                   "by setting dfs.namenode.xattrs.enabled to false.");
}

/* FSDirectory.isReservedRawName: by the path as given. */
static bool is_raw(const char *src)
{
    return strncmp(src, "/.reserved/raw", strlen("/.reserved/raw")) == 0;
}

static bool is_unreadable(const Pb__XAttr *x)
{
    return x->namespace_ == PB__XATTR__XATTR_NAMESPACE__SECURITY &&
           str_eq(x->name, XATTR_UNREADABLE);
}

/* Which attributes a caller may name at all. */
static int check_allowed(const struct op *op, const Pb__XAttr *x, bool raw, struct err *err)
{
    if (x->namespace_ == PB__XATTR__XATTR_NAMESPACE__USER ||
        (x->namespace_ == PB__XATTR__XATTR_NAMESPACE__TRUSTED && op->superuser) ||
        (x->namespace_ == PB__XATTR__XATTR_NAMESPACE__RAW && raw))
        return 0;
    if (!is_unreadable(x))
        return err_set(err, ERR_ACCESS, "User doesn't have permission for xattr: %s%s",
                       xattr_prefix((uint8_t)x->namespace_), x->name);
    if (!x->has_value) return 0;
    return err_set(err, ERR_ACCESS,
                   "Attempt to set a value for 'security." XATTR_UNREADABLE
                   "'. Values are not allowed for this xattr.");
}

/* Which of an inode's attributes a caller may see. */
static bool is_shown(const struct op *op, const struct xattr *x, bool raw)
{
    if (x->space == XATTR_TRUSTED) return op->superuser;
    if (x->space == XATTR_RAW) return raw;
    return x->space == XATTR_USER ||
           (x->space == XATTR_SECURITY && str_eq(x->name, XATTR_UNREADABLE));
}

static int check_size(const struct core *core, const Pb__XAttr *x, struct err *err)
{
    size_t size = strlen(x->name) + (x->has_value ? x->value.len : 0);

    if (size <= core->conf.xattr_size_max) return 0;
    return err_set(err, ERR_HADOOP_ARGUMENT,
                   "The XAttr is too big. The maximum combined size of the name and value is %u, "
                   "but the total size is %zu",
                   core->conf.xattr_size_max, size);
}

/* ---- changes ---- */

/* FSDirXAttrOp.checkXAttrChangeAccess: user attributes of a sticky directory are its owner's. */
static int check_access(struct core *core, struct op *op, const struct resolved *path,
                        const Pb__XAttr *x, struct err *err)
{
    struct perm_request wanted = {.target = ACTION_WRITE};

    if (!core->conf.permissions_enabled || x->namespace_ != PB__XATTR__XATTR_NAMESPACE__USER)
        return 0;
    if (path->inode && inode_is_dir(path->inode) && path->inode->mode & INODE_MODE_STICKY)
        wanted = (struct perm_request){.owner = true};
    return perm_check(core, op, path, &wanted, err);
}

static int find_inode(struct core *core, struct op *op, const char *src, enum resolve_for purpose,
                      struct resolved *path, struct err *err)
{
    int rc = perm_resolve(core, op, src, purpose, path, err);

    return rc ? rc : perm_refuse_symlink(core, op, path, err);
}

static int require_inode(const struct resolved *path, struct err *err)
{
    return path->inode ? 0 : err_set(err, ERR_NOT_FOUND, "cannot find %s", path->text);
}

/* XAttrSetFlag.validate */
static int check_flag(const Pb__XAttr *x, uint32_t flag, bool exists, struct err *err)
{
    if (!(flag & (FLAG_CREATE | FLAG_REPLACE)))
        return err_set(err, ERR_HADOOP_ARGUMENT, "A flag must be specified.");
    if (exists && !(flag & FLAG_REPLACE))
        return err_set(err, ERR_IO, "XAttr: %s already exists. The REPLACE flag must be specified.",
                       x->name);
    if (!exists && !(flag & FLAG_CREATE))
        return err_set(err, ERR_IO, "XAttr: %s does not exist. The CREATE flag must be specified.",
                       x->name);
    return 0;
}

static bool is_counted(uint32_t space)
{
    return space == XATTR_USER || space == XATTR_TRUSTED;
}

/* FSDirXAttrOp.setINodeXAttrs */
static int check_set(const struct core *core, const struct inode *inode,
                     const Pb__SetXAttrRequest *request, struct err *err)
{
    const struct xattrs *present = inode_xattrs(core->tree.inodes, inode);
    const Pb__XAttr *x = request->xattr;
    const struct xattr changed = {.name = x->name, .space = (uint8_t)x->namespace_};
    bool exists = xattrs_find(present, (enum xattr_space)x->namespace_, x->name) != NULL;
    uint32_t count = !exists && is_counted((uint32_t)x->namespace_);
    int rc = check_flag(x, request->flag, exists, err);

    if (rc) return rc;
    for (size_t i = 0; present && i < present->count; i++)
        count += is_counted(present->list[i].space);
    if (count > core->conf.xattrs_per_inode_max)
        return err_set(err, ERR_IO,
                       "Cannot add additional XAttr to inode, would exceed limit of %u",
                       core->conf.xattrs_per_inode_max);
    if (is_unreadable(x) && !inode_is_file(inode))
        return err_set(err, ERR_IO, "Can only set 'security." XATTR_UNREADABLE "' on a file.");
    if (xattr_missing_feature(&changed))
        return err_set(err, ERR_UNSUPPORTED, "%s are not supported",
                       xattr_missing_feature(&changed));
    return 0;
}

static void log_xattr(struct core *core, struct op *op, enum edit_op kind,
                      const struct resolved *path, Pb__XAttr *x)
{
    Pb__XAttrEditLog log = PB__XATTR_EDIT_LOG__INIT;
    struct edit edit = {.op = kind, .path = path->text, .inode = path->inode, .xattrs = &log};

    log.xattrs = &x;
    log.n_xattrs = 1;
    op_stamp(op, &edit);
    core_edit(core, &edit);
    op->audit_status = path->inode;
}

static int check_message(const Pb__XAttr *x, struct err *err)
{
    if (!x) return err_set(err, ERR_ARGUMENT, "the request names no extended attribute");
    if ((unsigned)x->namespace_ <= XATTR_RAW) return 0;
    return err_set(err, ERR_ARGUMENT, "unknown name space of an extended attribute");
}

int op_set_xattr(struct core *core, struct op *op, const Pb__SetXAttrRequest *request,
                 Pb__SetXAttrResponse *response, struct err *err)
{
    struct resolved path;

    (void)response;
    op->audit_src = request->src;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot set XAttr on %s", request->src), err);
    if (!rc) rc = check_enabled(core, err);
    if (!rc) rc = check_message(request->xattr, err);
    if (!rc) rc = check_size(core, request->xattr, err);
    if (!rc) rc = check_allowed(op, request->xattr, is_raw(request->src), err);
    if (!rc) rc = find_inode(core, op, request->src, RESOLVE_WRITE, &path, err);
    if (!rc) rc = check_access(core, op, &path, request->xattr, err);
    if (!rc) rc = require_inode(&path, err);
    if (!rc) rc = check_set(core, path.inode, request, err);
    if (!rc) log_xattr(core, op, EDIT_SET_XATTR, &path, request->xattr);
    return rc;
}

/* FSDirXAttrOp.filterINodeXAttrs */
static int check_removal(const struct core *core, const struct inode *inode, const Pb__XAttr *x,
                         struct err *err)
{
    const struct xattrs *present = inode_xattrs(core->tree.inodes, inode);

    if (present && is_unreadable(x))
        return err_set(err, ERR_ACCESS,
                       "The xattr 'security." XATTR_UNREADABLE "' can not be deleted.");
    if (xattrs_find(present, (enum xattr_space)x->namespace_, x->name)) return 0;
    return err_set(err, ERR_IO, "No matching attributes found for remove operation");
}

int op_remove_xattr(struct core *core, struct op *op, const Pb__RemoveXAttrRequest *request,
                    Pb__RemoveXAttrResponse *response, struct err *err)
{
    struct resolved path;

    (void)response;
    op->audit_src = request->src;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot remove XAttr entry on %s", request->src), err);
    if (!rc) rc = check_enabled(core, err);
    if (!rc) rc = check_message(request->xattr, err);
    if (!rc) rc = check_allowed(op, request->xattr, is_raw(request->src), err);
    if (!rc) rc = find_inode(core, op, request->src, RESOLVE_WRITE, &path, err);
    if (!rc) rc = check_access(core, op, &path, request->xattr, err);
    if (!rc) rc = require_inode(&path, err);
    if (!rc) rc = check_removal(core, path.inode, request->xattr, err);
    if (!rc) log_xattr(core, op, EDIT_REMOVE_XATTR, &path, request->xattr);
    return rc;
}

/* ---- reading ---- */

static int find_readable(struct core *core, struct op *op, const char *src, struct resolved *path,
                         struct err *err)
{
    int rc = find_inode(core, op, src, RESOLVE_READ, path, err);

    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, path, &(struct perm_request){.target = ACTION_READ}, err);
    return rc ? rc : require_inode(path, err);
}

static void list_shown(const struct core *core, struct op *op, const struct inode *inode, bool raw,
                       Pb__XAttr ***out, size_t *count)
{
    const struct xattrs *present = inode_xattrs(core->tree.inodes, inode);

    if (!present) return;
    *out = ARENA_ARRAY(op->arena, Pb__XAttr *, present->count);
    for (size_t i = 0; i < present->count; i++)
        if (is_shown(op, &present->list[i], raw))
            (*out)[(*count)++] = xattr_to_message(&present->list[i], op->arena);
}

static int list_wanted(const struct core *core, struct op *op, const struct inode *inode,
                       const Pb__GetXAttrsRequest *request, Pb__GetXAttrsResponse *response,
                       struct err *err)
{
    const struct xattrs *present = inode_xattrs(core->tree.inodes, inode);

    response->xattrs = ARENA_ARRAY(op->arena, Pb__XAttr *, request->n_xattrs);
    for (size_t i = 0; i < request->n_xattrs; i++) {
        const Pb__XAttr *x = request->xattrs[i];
        const struct xattr *found = xattrs_find(present, (enum xattr_space)x->namespace_, x->name);

        if (!found || !is_shown(op, found, is_raw(request->src)))
            return err_set(err, ERR_NO_XATTR,
                           "At least one of the attributes provided was not found.");
        response->xattrs[response->n_xattrs++] = xattr_to_message(found, op->arena);
    }
    return 0;
}

int op_get_xattrs(struct core *core, struct op *op, const Pb__GetXAttrsRequest *request,
                  Pb__GetXAttrsResponse *response, struct err *err)
{
    bool raw = is_raw(request->src);
    struct resolved path;

    op->audit_src = request->src;
    int rc = check_enabled(core, err);
    for (size_t i = 0; i < request->n_xattrs && !rc; i++) {
        rc = check_message(request->xattrs[i], err);
        if (!rc) rc = check_allowed(op, request->xattrs[i], raw, err);
    }
    if (!rc) rc = find_readable(core, op, request->src, &path, err);
    if (rc) return rc;
    if (request->n_xattrs) return list_wanted(core, op, path.inode, request, response, err);
    list_shown(core, op, path.inode, raw, &response->xattrs, &response->n_xattrs);
    return 0;
}

int op_list_xattrs(struct core *core, struct op *op, const Pb__ListXAttrsRequest *request,
                   Pb__ListXAttrsResponse *response, struct err *err)
{
    struct resolved path;

    op->audit_src = request->src;
    int rc = check_enabled(core, err);
    if (!rc) rc = find_readable(core, op, request->src, &path, err);
    if (!rc)
        list_shown(core, op, path.inode, is_raw(request->src), &response->xattrs,
                   &response->n_xattrs);
    return rc;
}
