/* Attributes: mode, owner, times, replication, quotas, storage policies (FSDirAttrOp). */
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/quota.h"
#include "namenode/status.h"
#include "namenode/storage_policy.h"

/* What all changes of an attribute begin with. */
static int begin_change(struct core *core, struct op *op, const char *what, const char *src,
                        struct resolved *path, struct err *err)
{
    op->audit_src = src;
    int rc = op_check_not_safemode(core, arena_printf(op->arena, "Cannot %s %s", what, src), err);
    return rc ? rc : perm_resolve(core, op, src, RESOLVE_WRITE, path, err);
}

static int require_write(struct core *core, struct op *op, const struct resolved *path,
                         struct err *err)
{
    if (!core->conf.permissions_enabled) return 0;
    return perm_check(core, op, path, &(struct perm_request){.target = ACTION_WRITE}, err);
}

/* FSDirectory.checkOwner */
static int require_owner(struct core *core, struct op *op, const struct resolved *path,
                         struct err *err)
{
    if (!path->inode)
        return err_set(err, ERR_NOT_FOUND, "Directory/File does not exist %s", path->text);
    return perm_check(core, op, path, &(struct perm_request){.owner = true}, err);
}

static int refuse_reserved(const char *src, struct err *err)
{
    return path_is_reserved(src) ? err_set(err, ERR_INVALID_PATH, "Invalid path name %s", src) : 0;
}

/* ---- mode and owner ---- */

int op_set_permission(struct core *core, struct op *op, const Pb__SetPermissionRequest *request,
                      Pb__SetPermissionResponse *response, struct err *err)
{
    uint16_t mode = (uint16_t)(request->permission->perm & INODE_MODE_MASK);
    struct resolved path;
    int rc = begin_change(core, op, "set permission for", request->src, &path, err);

    (void)response;
    if (!rc) rc = refuse_reserved(request->src, err);
    if (!rc) rc = require_owner(core, op, &path, err);
    if (rc) return rc;
    op->audit_status = path.inode;
    if (path.inode->mode == mode) return 0;
    struct edit edit = {
        .op = EDIT_SET_PERMISSIONS, .path = path.text, .mode = mode, .inode = path.inode};
    core_edit(core, &edit);
    return 0;
}

static bool is_member(const struct op *op, const char *group)
{
    for (size_t i = 0; op->groups && op->groups[i]; i++)
        if (str_eq(op->groups[i], group)) return true;
    return false;
}

/* Only the superuser gives files away; an owner may choose among his groups. */
static int check_new_owner(const struct op *op, const char *user, const char *group,
                           struct err *err)
{
    if (op->superuser) return 0;
    if (user && !str_eq(user, op->user))
        return err_set(err, ERR_ACCESS,
                       "User %s is not a super user (non-super user cannot change owner).",
                       op->user);
    if (group && !is_member(op, group))
        return err_set(err, ERR_ACCESS, "User %s does not belong to %s", op->user, group);
    return 0;
}

int op_set_owner(struct core *core, struct op *op, const Pb__SetOwnerRequest *request,
                 Pb__SetOwnerResponse *response, struct err *err)
{
    const char *user = str_empty(request->username) ? NULL : request->username;
    const char *group = str_empty(request->groupname) ? NULL : request->groupname;
    const struct inode_table *inodes = core->tree.inodes;
    struct resolved path;
    int rc = begin_change(core, op, "set owner for", request->src, &path, err);

    (void)response;
    if (!rc) rc = refuse_reserved(request->src, err);
    if (!rc) rc = require_owner(core, op, &path, err);
    if (!rc) rc = check_new_owner(op, user, group, err);
    if (rc) return rc;
    op->audit_status = path.inode;
    if ((!user || str_eq(user, inode_user(inodes, path.inode))) &&
        (!group || str_eq(group, inode_group(inodes, path.inode))))
        return 0;
    struct edit edit = {
        .op = EDIT_SET_OWNER, .path = path.text, .user = user, .group = group, .inode = path.inode};
    core_edit(core, &edit);
    return 0;
}

/* ---- times ---- */

#define TIME_MAX_MS ((INT64_C(1) << 48) - 1) /* what an inode holds: the year 10889 */

int op_set_times(struct core *core, struct op *op, const Pb__SetTimesRequest *request,
                 Pb__SetTimesResponse *response, struct err *err)
{
    int64_t mtime = MIN((int64_t)request->mtime, TIME_MAX_MS),
            atime = MIN((int64_t)request->atime, TIME_MAX_MS);
    struct resolved path;
    int rc = begin_change(core, op, "set times", request->src, &path, err);

    (void)response;
    if (!rc) rc = require_write(core, op, &path, err);
    if (rc) return rc;
    if (!path.inode)
        return err_set(err, ERR_NOT_FOUND, "File/Directory %s does not exist.", path.text);
    op->audit_status = path.inode;
    if (mtime < 0 && atime < 0) return 0;
    struct edit edit = {
        .op = EDIT_TIMES,
        .path = path.text,
        .mtime_ms = MAX(mtime, -1),
        .atime_ms = MAX(atime, -1),
        .inode = path.inode,
    };
    core_edit(core, &edit);
    return 0;
}

/* ---- replication ---- */

/* BlockManager.verifyReplication */
static int check_replication(const struct core *core, uint32_t replication, const char *src,
                             struct err *err)
{
    if (replication > core->conf.replication_max)
        return err_set(err, ERR_IO,
                       "Requested replication factor of %u exceeds maximum of %u for %s",
                       replication, core->conf.replication_max, src);
    if (replication < core->conf.replication_min)
        return err_set(
            err, ERR_IO,
            "Requested replication factor of %u is less than the required minimum of %u for %s",
            replication, core->conf.replication_min, src);
    return 0;
}

/* What more replicas of a file need. */
static int check_replication_quota(struct core *core, const struct inode *file,
                                   uint32_t replication, struct err *err)
{
    const struct inode *parent = inode_parent(core->tree.inodes, file);
    struct quota_usage more = {0};

    if (replication <= file->replication || !quota_applies(core, parent)) return 0;
    uint8_t policy = storage_policy_effective(core->tree.inodes, file);
    struct quota_usage before = quota_count_file(core, file, file->replication, policy);
    struct quota_usage after = quota_count_file(core, file, replication, policy);

    more.space = after.space - before.space;
    for (size_t i = 0; i < ARRAY_LEN(more.type_space); i++)
        more.type_space[i] = after.type_space[i] - before.type_space[i];
    return quota_check(core, parent, NULL, &more, err);
}

int op_set_replication(struct core *core, struct op *op, const Pb__SetReplicationRequest *request,
                       Pb__SetReplicationResponse *response, struct err *err)
{
    struct resolved path;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot set replication for %s", request->src), err);

    if (!rc) rc = check_replication(core, request->replication, request->src, err);
    if (!rc) rc = begin_change(core, op, "set replication for", request->src, &path, err);
    if (!rc) rc = require_write(core, op, &path, err);
    if (rc) return rc;
    response->result = path.inode && inode_is_file(path.inode) && !path.inode->striped;
    if (!response->result) return 0;
    rc = check_replication_quota(core, path.inode, request->replication, err);
    if (rc) return rc;
    struct edit edit = {
        .op = EDIT_SET_REPLICATION,
        .path = path.text,
        .replication = (uint16_t)request->replication,
        .inode = path.inode,
    };
    core_edit(core, &edit);
    return 0;
}

/* ---- quotas ---- */

/* FSNamesystem.getQuotaCommand */
static const char *quota_command(int64_t names, int64_t space)
{
    if (names == QUOTA_NONE && space == INT64_MAX) return "clearQuota";
    if (names == INT64_MAX && space == QUOTA_NONE) return "clearSpaceQuota";
    return space == INT64_MAX ? "setQuota" : "setSpaceQuota";
}

static int check_quota_values(const Pb__SetQuotaRequest *request, struct err *err)
{
    int64_t names = (int64_t)request->namespacequota, space = (int64_t)request->storagespacequota;

    if (names < QUOTA_NONE || space < QUOTA_NONE)
        return err_set(err, ERR_ARGUMENT,
                       "Illegal value for nsQuota or ssQuota : %" PRId64 " and %" PRId64, names,
                       space);
    if (request->has_storagetype && names != INT64_MAX)
        return err_set(
            err, ERR_UNSUPPORTED_ACTION,
            "Failed to set quota by storage type because either"
            "dfs.quota.by.storage.type.enabled is set to true or nsQuota value is illegal %" PRId64,
            names);
    return 0;
}

/* FSDirAttrOp.unprotectedSetQuota: what the record will say, and whether that changes anything. */
static bool plan_quota(struct core *core, const struct inode *dir,
                       const Pb__SetQuotaRequest *request, struct edit *edit)
{
    const struct inode_quota *quota = inode_quota(core->tree.inodes, dir);
    int64_t old_names = quota ? quota->names : dir == core->tree.root ? QUOTA_NS_ROOT : QUOTA_NONE;
    int64_t old_space = quota ? quota->space : QUOTA_NONE;
    int64_t names = (int64_t)request->namespacequota, space = (int64_t)request->storagespacequota;

    if (request->has_storagetype) {
        int64_t old = quota ? quota->type_space[request->storagetype] : QUOTA_NONE;

        edit->op = EDIT_SET_QUOTA_BY_STORAGETYPE;
        edit->storage_type = (uint8_t)request->storagetype;
        edit->ds_quota = space == INT64_MAX ? old_space : space;
        return edit->ds_quota != old;
    }
    /* Clearing the root's is logged as -1: Apache logs what its root has then, which its replay
     * takes for "leave it". */
    bool root_cleared = dir == core->tree.root && names == QUOTA_NONE;
    edit->op = EDIT_SET_QUOTA;
    edit->ns_quota = names == INT64_MAX ? old_names : names;
    edit->ds_quota = space == INT64_MAX ? old_space : space;
    return (root_cleared ? QUOTA_NS_ROOT : edit->ns_quota) != old_names ||
           edit->ds_quota != old_space;
}

/* dfs.permissions.allow.owner.set.quota: the owner of the directory above may, too. */
static int check_quota_owner(struct core *core, struct op *op, const struct resolved *path,
                             struct err *err)
{
    struct resolved parent = *path;

    if (!core->conf.permissions_enabled || op->superuser) return 0;
    parent.inode = path->parent;
    parent.depth = path->depth ? path->depth - 1 : 0;
    if (parent.inode && !perm_check(core, op, &parent, &(struct perm_request){.owner = true}, err))
        return 0;
    return err_set(err, ERR_ACCESS,
                   "Access denied for user %s. Superuser or owner of parent folder privilege is "
                   "required",
                   op->user);
}

int op_set_quota(struct core *core, struct op *op, const Pb__SetQuotaRequest *request,
                 Pb__SetQuotaResponse *response, struct err *err)
{
    const char *command =
        quota_command((int64_t)request->namespacequota, (int64_t)request->storagespacequota);
    struct resolved path;
    int rc = core->conf.allow_owner_set_quota ? 0 : op_check_superuser(core, op, command, err);

    (void)response;
    if (!rc) rc = begin_change(core, op, "set quota on", request->path, &path, err);
    if (!rc) rc = check_quota_owner(core, op, &path, err);
    if (!rc) rc = check_quota_values(request, err);
    if (rc) return rc;
    if (!path.inode) return err_set(err, ERR_NOT_FOUND, "Directory does not exist: %s", path.text);
    if (!inode_is_dir(path.inode))
        return err_set(err, ERR_PATH_NOT_DIRECTORY, "`%s': Is not a directory", path.text);
    struct edit edit = {.path = path.text, .inode = path.inode};
    if (plan_quota(core, path.inode, request, &edit)) core_edit(core, &edit);
    return 0;
}

/* ---- storage policies ---- */

static void append_media(struct op *op, const char **text, const char *label,
                         const enum storage_type media[3])
{
    *text = arena_printf(op->arena, "%s, %s=[", *text, label);
    for (size_t i = 0; i < 3 && media[i]; i++)
        *text =
            arena_printf(op->arena, "%s%s%s", *text, i ? ", " : "", storage_type_name(media[i]));
    *text = arena_printf(op->arena, "%s]", *text);
}

/* BlockStoragePolicy.toString */
static const char *policy_text(struct op *op, const struct storage_policy *policy)
{
    const char *text =
        arena_printf(op->arena, "BlockStoragePolicy{%s:%u", policy->name, policy->id);

    append_media(op, &text, "storageTypes", policy->creation);
    append_media(op, &text, "creationFallbacks", policy->creation_fallback);
    append_media(op, &text, "replicationFallbacks", policy->replication_fallback);
    return arena_printf(op->arena, "%s}", text);
}

static int check_file_policy(struct op *op, const struct inode *file,
                             const struct storage_policy *policy, struct err *err)
{
    const struct storage_policy *present = storage_policy_by_id((uint8_t)file->storage_policy);

    if (policy && policy->only_at_create)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Policy %s cannot be set after file creation.",
                       policy_text(op, policy));
    if (present && present->only_at_create)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Existing policy %s cannot be changed after file creation.", present->name);
    return 0;
}

/* `policy` NULL: back to what the directory above says. */
static int set_policy(struct core *core, struct op *op, const char *src,
                      const struct storage_policy *policy, struct err *err)
{
    struct resolved path;
    int rc = begin_change(core, op, policy ? "set storage policy for" : "unset storage policy for",
                          src, &path, err);

    if (!rc) rc = require_write(core, op, &path, err);
    if (rc) return rc;
    if (!path.inode)
        return err_set(err, ERR_NOT_FOUND, "File/Directory does not exist: %s", path.text);
    if (inode_is_symlink(path.inode))
        return err_set(err, ERR_NOT_FOUND, "%s is not a file or directory", path.text);
    if (inode_is_file(path.inode)) rc = check_file_policy(op, path.inode, policy, err);
    if (rc) return rc;
    struct edit edit = {
        .op = EDIT_SET_STORAGE_POLICY,
        .path = path.text,
        .storage_policy = policy ? policy->id : STORAGE_POLICY_NONE,
        .inode = path.inode,
    };
    core_edit(core, &edit);
    op->audit_status = path.inode;
    return 0;
}

/* `operation` NULL: not only the superuser's. */
static int check_policy_enabled(struct core *core, struct op *op, const char *what,
                                const char *operation, struct err *err)
{
    if (!core->conf.storage_policy_enabled)
        return err_set(err, ERR_IO,
                       "Failed to %s since dfs.storage.policy.enabled is set to false.", what);
    if (!operation || !core->conf.storage_policy_superuser_only) return 0;
    return op_check_superuser(core, op, operation, err);
}

int op_set_storage_policy(struct core *core, struct op *op,
                          const Pb__SetStoragePolicyRequest *request,
                          Pb__SetStoragePolicyResponse *response, struct err *err)
{
    const struct storage_policy *policy = storage_policy_by_name(request->policyname);
    int rc = check_policy_enabled(core, op, "set storage policy", "setStoragePolicy", err);

    (void)response;
    if (!rc)
        rc = op_check_not_safemode(
            core, arena_printf(op->arena, "Cannot set storage policy for %s", request->src), err);
    if (rc) return rc;
    if (!policy)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Cannot find a block policy with the name %s",
                       request->policyname);
    return set_policy(core, op, request->src, policy, err);
}

int op_unset_storage_policy(struct core *core, struct op *op,
                            const Pb__UnsetStoragePolicyRequest *request,
                            Pb__UnsetStoragePolicyResponse *response, struct err *err)
{
    int rc = check_policy_enabled(core, op, "unset storage policy", "unsetStoragePolicy", err);

    (void)response;
    return rc ? rc : set_policy(core, op, request->src, NULL, err);
}

/* As a namenode answers whose dfs.storage.policy.satisfier.mode is none: the default, and all that
 * there is here. */
int op_satisfy_storage_policy(struct core *core, struct op *op,
                              const Pb__SatisfyStoragePolicyRequest *request,
                              Pb__SatisfyStoragePolicyResponse *response, struct err *err)
{
    int rc = check_policy_enabled(core, op, "satisfy storage policy", NULL, err);

    (void)response;
    op->audit_src = request->src;
    if (rc) return rc;
    return err_set(err, ERR_UNSUPPORTED_ACTION,
                   "Cannot request to satisfy storage policy when storage policy satisfier feature "
                   "has been disabled by admin. Seek for an admin help to enable it or use Mover "
                   "tool.");
}

/* NULL for an empty list, which is left out. */
static Pb__StorageTypes *media_message(struct op *op, const enum storage_type media[3])
{
    Pb__StorageTypes *message = arena_alloc(op->arena, sizeof *message);

    pb__storage_types__init(message);
    message->storagetypes = ARENA_ARRAY(op->arena, Pb__StorageType, 3);
    while (message->n_storagetypes < 3 && media[message->n_storagetypes]) {
        message->storagetypes[message->n_storagetypes] =
            (Pb__StorageType)media[message->n_storagetypes];
        message->n_storagetypes++;
    }
    return message->n_storagetypes ? message : NULL;
}

static Pb__BlockStoragePolicy *policy_message(struct op *op, const struct storage_policy *policy)
{
    Pb__BlockStoragePolicy *message = arena_alloc(op->arena, sizeof *message);

    pb__block_storage_policy__init(message);
    message->policyid = policy->id;
    message->name = (char *)policy->name;
    message->creationpolicy = media_message(op, policy->creation);
    message->creationfallbackpolicy = media_message(op, policy->creation_fallback);
    message->replicationfallbackpolicy = media_message(op, policy->replication_fallback);
    return message;
}

int op_get_storage_policy(struct core *core, struct op *op,
                          const Pb__GetStoragePolicyRequest *request,
                          Pb__GetStoragePolicyResponse *response, struct err *err)
{
    struct resolved path;
    int rc = perm_resolve(core, op, request->path, RESOLVE_READ, &path, err);

    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_READ}, err);
    if (rc) return rc;
    if (!path.inode)
        return err_set(err, ERR_NOT_FOUND, "File/Directory does not exist: %s", path.text);
    uint8_t id = status_path_policy(core, &path);
    response->storagepolicy = policy_message(op, storage_policy_or_default(&core->conf, id));
    return 0;
}

int op_get_storage_policies(struct core *core, struct op *op,
                            const Pb__GetStoragePoliciesRequest *request,
                            Pb__GetStoragePoliciesResponse *response, struct err *err)
{
    (void)core;
    (void)request;
    (void)err;
    response->n_policies = storage_policy_count;
    response->policies = ARENA_ARRAY(op->arena, Pb__BlockStoragePolicy *, storage_policy_count);
    for (size_t i = 0; i < storage_policy_count; i++)
        response->policies[i] = policy_message(op, &storage_policies[i]);
    return 0;
}

/* ---- access ---- */

int op_check_access(struct core *core, struct op *op, const Pb__CheckAccessRequest *request,
                    Pb__CheckAccessResponse *response, struct err *err)
{
    struct resolved path;
    int rc;

    (void)response;
    op->audit_src = request->path;
    rc = perm_resolve(core, op, request->path, RESOLVE_READ, &path, err);
    if (rc) return rc;
    if (!path.inode) return err_set(err, ERR_NOT_FOUND, "Path not found: %s", path.text);
    if (!core->conf.permissions_enabled) return 0;
    return perm_check(
        core, op, &path,
        &(struct perm_request){.target = (enum fs_action)(request->mode & ACTION_ALL)}, err);
}
