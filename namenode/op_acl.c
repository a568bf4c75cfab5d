/* ACLs (FSDirAclOp). */
#include "namenode/acl.h"
#include "namenode/handlers.h"
#include "namenode/perm.h"

static int check_enabled(const struct core *core, struct err *err)
{
    if (core->conf.acls_enabled) return 0;
    return err_set(err, ERR_ACL,
                   "The ACL operation has been rejected.  Support for ACLs has been disabled by "
                   "setting dfs.namenode.acls.enabled to false.");
}

/* What all changes of an ACL begin with; `what` is for the text of safe mode. */
static int begin_change(struct core *core, struct op *op, const char *what, const char *src,
                        struct resolved *path, struct err *err)
{
    op->audit_src = src;
    int rc =
        op_check_not_safemode(core, arena_printf(op->arena, "Cannot %s on %s", what, src), err);
    if (!rc) rc = check_enabled(core, err);
    if (!rc) rc = perm_resolve(core, op, src, RESOLVE_WRITE, path, err);
    if (rc) return rc;
    if (!path->inode)
        return err_set(err, ERR_NOT_FOUND, "Directory/File does not exist %s", path->text);
    rc = perm_check(core, op, path, &(struct perm_request){.owner = true}, err);
    return rc ? rc : perm_refuse_symlink(core, op, path, err);
}

/* AclException says the path behind its text. */
static int with_path(int rc, const struct resolved *path, struct err *err)
{
    struct err why = *err;

    return rc == ERR_ACL ? err_set(err, rc, "%s Path: %s", why.text, path->text) : rc;
}

static int check_default(const struct resolved *path, const struct acl_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count && !inode_is_dir(path->inode); i++)
        if (list->entries[i].scope == ACL_DEFAULT)
            return err_set(err, ERR_ACL,
                           "Invalid ACL: only directories may have a default ACL. Path: %s",
                           path->text);
    return 0;
}

static void log_acl(struct core *core, struct op *op, const struct resolved *path,
                    const struct acl_list *list)
{
    struct edit edit = {.op = EDIT_SET_ACL,
                        .path = path->text,
                        .acl = acl_to_edit(list, op->arena),
                        .inode = path->inode};

    core_edit(core, &edit);
    op->audit_status = path->inode;
}

typedef int transform_fn(const struct acl_list *existing, const struct acl_list *spec,
                         struct acl_list *out, struct err *err);

static int change(struct core *core, struct op *op, const struct resolved *path,
                  Pb__AclEntry *const *entries, size_t count, transform_fn *transform,
                  struct err *err)
{
    struct acl_list existing = {.count = 0}, spec = {.count = 0}, list = {.count = 0};
    int rc = acl_from_message(entries, count, &spec, err);

    acl_logical(core->tree.inodes, path->inode, &existing);
    if (!rc) rc = transform(&existing, &spec, &list, err);
    if (!rc) rc = check_default(path, &list, err);
    if (rc) return with_path(rc, path, err);
    log_acl(core, op, path, &list);
    return 0;
}

int op_modify_acl_entries(struct core *core, struct op *op,
                          const Pb__ModifyAclEntriesRequest *request,
                          Pb__ModifyAclEntriesResponse *response, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, "modify ACL entries", request->src, &path, err);

    (void)response;
    return rc ? rc : change(core, op, &path, request->aclspec, request->n_aclspec, acl_merge, err);
}

int op_remove_acl_entries(struct core *core, struct op *op,
                          const Pb__RemoveAclEntriesRequest *request,
                          Pb__RemoveAclEntriesResponse *response, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, "remove ACL entries", request->src, &path, err);

    (void)response;
    return rc ? rc
              : change(core, op, &path, request->aclspec, request->n_aclspec, acl_remove_entries,
                       err);
}

static int drop_default(const struct acl_list *existing, const struct acl_list *spec,
                        struct acl_list *out, struct err *err)
{
    (void)spec;
    return acl_remove_default(existing, out, err);
}

int op_remove_default_acl(struct core *core, struct op *op,
                          const Pb__RemoveDefaultAclRequest *request,
                          Pb__RemoveDefaultAclResponse *response, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, "remove default ACL entries", request->src, &path, err);

    (void)response;
    return rc ? rc : change(core, op, &path, NULL, 0, drop_default, err);
}

int op_remove_acl(struct core *core, struct op *op, const Pb__RemoveAclRequest *request,
                  Pb__RemoveAclResponse *response, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, "remove ACL", request->src, &path, err);

    (void)response;
    if (!rc) log_acl(core, op, &path, &(struct acl_list){.count = 0});
    return rc;
}

int op_set_acl(struct core *core, struct op *op, const Pb__SetAclRequest *request,
               Pb__SetAclResponse *response, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, "set ACL", request->src, &path, err);

    (void)response;
    if (rc) return rc;
    if (request->n_aclspec)
        return change(core, op, &path, request->aclspec, request->n_aclspec, acl_replace, err);
    log_acl(core, op, &path, &(struct acl_list){.count = 0});
    return 0;
}

/* Owner's, group's and others' entries come by the mode, the stored ones as they are. */
int op_get_acl_status(struct core *core, struct op *op, const Pb__GetAclStatusRequest *request,
                      Pb__GetAclStatusResponse *response, struct err *err)
{
    const struct inode_table *inodes = core->tree.inodes;
    Pb__AclStatus *status = ARENA_NEW(op->arena, Pb__AclStatus);
    struct acl_list list = {.count = 0};
    struct resolved path;

    op->audit_src = request->src;
    int rc = check_enabled(core, err);
    if (!rc) rc = perm_resolve(core, op, request->src, RESOLVE_READ, &path, err);
    if (!rc) rc = perm_refuse_symlink(core, op, &path, err);
    if (rc) return rc;
    if (!path.inode) return err_set(err, ERR_NOT_FOUND, "cannot find %s", path.text);
    acl_read(inode_acl(inodes, path.inode), &list);
    pb__acl_status__init(status);
    status->owner = (char *)(uintptr_t)inode_user(inodes, path.inode);
    status->group = (char *)(uintptr_t)inode_group(inodes, path.inode);
    status->sticky = path.inode->mode & INODE_MODE_STICKY;
    status->entries = acl_to_message(&list, op->arena);
    status->n_entries = list.count;
    status->permission = ARENA_NEW(op->arena, Pb__FsPermission);
    pb__fs_permission__init(status->permission);
    status->permission->perm = path.inode->mode;
    response->result = status;
    return 0;
}
