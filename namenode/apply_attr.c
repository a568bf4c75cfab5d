#include "namenode/apply_attr.h"

#include "namenode/acl.h"
#include "namenode/apply_tree.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "namenode/xattr.h"

static int set_acl(struct core *core, const struct edit *edit, struct inode *inode, struct err *err)
{
    const Pb__AclEditLog *acl = edit->acl;
    struct acl_list list = {.count = 0};
    struct err why = ERR_INIT;
    int rc = acl ? acl_from_message(acl->entries, acl->n_entries, &list, &why) : 0;

    if (!rc) rc = acl_update(core->tree.inodes, inode, &list, &why);
    return rc ? apply_misfit(edit, err, why.text) : 0;
}

int apply_set_acl(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    if (inode_is_symlink(inode)) return apply_misfit(edit, err, "symlinks have no ACL");
    snapshot_keep(core, inode, false);
    return set_acl(core, edit, inode, err);
}

static int read_xattrs(const struct edit *edit, struct arena *arena, struct xattr **list,
                       size_t *count, struct err *err)
{
    const Pb__XAttrEditLog *xattrs = edit->xattrs;
    struct err why = ERR_INIT;

    *count = xattrs ? xattrs->n_xattrs : 0;
    if (!xattrs) return 0;
    int rc = xattrs_from_message(xattrs->xattrs, *count, arena, list, &why);
    return rc ? apply_misfit(edit, err, why.text) : 0;
}

/* A storage policy among them goes where the inode has it. */
static int take_policy(struct core *core, const struct edit *edit, struct inode *inode,
                       struct xattr *list, size_t *count, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (list[i].space != XATTR_SYSTEM || !str_eq(list[i].name, XATTR_STORAGE_POLICY)) {
            list[kept++] = list[i];
            continue;
        }
        if (list[i].size != 1 || list[i].value[0] > 15)
            return apply_misfit(edit, err, "impossible storage policy");
        quota_set_policy(core, inode, list[i].value[0]);
    }
    *count = kept;
    return 0;
}

static int put_xattrs(struct core *core, const struct edit *edit, struct inode *inode,
                      struct err *err)
{
    struct arena arena = {0};
    struct xattr *list = NULL;
    size_t count;
    int rc = read_xattrs(edit, &arena, &list, &count, err);

    snapshot_keep(core, inode, false);
    if (!rc) rc = take_policy(core, edit, inode, list, &count, err);
    if (!rc && count) xattrs_put(core->tree.inodes, inode, list, count);
    arena_release(&arena);
    return rc;
}

int apply_set_xattr(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    return rc ? rc : put_xattrs(core, edit, inode, err);
}

int apply_remove_xattr(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    struct xattr *list = NULL;
    struct inode *inode;
    size_t count;
    int rc = apply_find(core, edit, &inode, err);

    if (!rc) rc = read_xattrs(edit, &arena, &list, &count, err);
    if (!rc && count) {
        snapshot_keep(core, inode, false);
        xattrs_remove(core->tree.inodes, inode, list, count);
    }
    arena_release(&arena);
    return rc;
}

int apply_new_attributes(struct core *core, const struct edit *edit, struct inode *inode,
                         struct err *err)
{
    int rc = edit->acl ? set_acl(core, edit, inode, err) : 0;

    return rc || !edit->xattrs ? rc : put_xattrs(core, edit, inode, err);
}

const char *apply_missing_attribute(const struct edit *edit)
{
    const Pb__XAttrEditLog *xattrs = edit->xattrs;

    for (size_t i = 0; xattrs && i < xattrs->n_xattrs; i++) {
        const Pb__XAttr *x = xattrs->xattrs[i];
        struct xattr xattr = {.name = x->name, .space = (uint8_t)x->namespace_};
        const char *missing = xattr_missing_feature(&xattr);

        if (missing) return missing;
    }
    return NULL;
}
