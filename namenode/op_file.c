/* The life of a file: create, append, complete, fsync, truncate, locations (FSDirWriteFileOp, FSDirAppendOp, FSDirTruncateOp). */
#include "namenode/cache_pool.h"
#include "namenode/ec_policy.h"
#include "namenode/handlers.h"
#include "namenode/located.h"
#include "namenode/op_dir.h"
#include "namenode/open_file.h"
#include "namenode/perm.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "namenode/status.h"
#include "namenode/storage_policy.h"
#include "namenode/xattr.h"

enum create_flag {
    CREATE_CREATE = 1,
    CREATE_OVERWRITE = 2,
    CREATE_LAZY_PERSIST = 16,
    CREATE_NEW_BLOCK = 32,
    CREATE_SHOULD_REPLICATE = 128
};

/* Resolves and checks WRITE access to an existing path, as DirOp.WRITE does. */
static int resolve_for_write(struct core *core, struct op *op, const char *src,
                             struct resolved *path, struct err *err)
{
    int rc = perm_resolve(core, op, src, RESOLVE_WRITE, path, err);

    op->audit_src = src;
    if (rc) return rc;
    return perm_check(core, op, path, &(struct perm_request){.target = ACTION_WRITE}, err);
}

static int file_of(const struct resolved *path, struct inode **file, struct err *err)
{
    *file = path->inode;
    if (!*file) return err_set(err, ERR_NOT_FOUND, "File does not exist: %s", path->text);
    if (!inode_is_file(*file))
        return err_set(err, ERR_NOT_FOUND, "Path is not a file: %s", path->text);
    return 0;
}

/* ---- create ---- */

/* /.reserved and below, but for the trees that it shows. */
static bool is_reserved_place(const char *path)
{
    return str_eq(path, "/.reserved") ||
           (str_starts(path, "/.reserved/") && !str_starts(path, "/.reserved/raw") &&
            !str_starts(path, "/.reserved/.inodes"));
}

static int check_create_arguments(struct core *core, const Pb__CreateRequest *request,
                                  struct err *err)
{
    const struct core_conf *conf = &core->conf;

    if (is_reserved_place(request->src))
        return err_set(err, ERR_INVALID_PATH, "Invalid path name %s", request->src);
    if (request->createflag & CREATE_SHOULD_REPLICATE && !str_empty(request->ecpolicyname))
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "SHOULD_REPLICATE flag and ecPolicyName are exclusive parameters. Set both "
                       "is not allowed!");
    if (!(request->createflag & (CREATE_CREATE | CREATE_OVERWRITE)))
        return err_set(err, ERR_HADOOP_ARGUMENT, "%s does not specify any options", request->src);
    if (request->replication < conf->replication_min)
        return err_set(err, ERR_IO,
                       "Requested replication factor of %u is less than the required minimum of %u "
                       "for %s, clientName=%s",
                       request->replication, conf->replication_min, request->src,
                       request->clientname);
    if (request->replication > conf->replication_max)
        return err_set(
            err, ERR_IO,
            "Requested replication factor of %u exceeds maximum of %u for %s, clientName=%s",
            request->replication, conf->replication_max, request->src, request->clientname);
    if (request->blocksize < conf->min_block_size)
        return err_set(
            err, ERR_IO,
            "Specified block size %" PRIu64
            " is less than configured minimum value dfs.namenode.fs-limits.min-block-size=%" PRIu64,
            request->blocksize, conf->min_block_size);
    if (request->blocksize > UINT64_C(1) << 43)
        return err_set(err, ERR_IO,
                       "Specified block size %" PRIu64 " is larger than a block can be",
                       request->blocksize);
    return 0;
}

static int check_create_path(struct core *core, struct op *op, const Pb__CreateRequest *request,
                             const struct resolved *path, struct err *err)
{
    bool overwrite = request->createflag & CREATE_OVERWRITE;
    int rc = perm_check(core, op, path, &(struct perm_request){.ancestor = ACTION_WRITE}, err);

    if (rc) return rc;
    if (path->inode) {
        if (inode_is_dir(path->inode))
            return err_set(err, ERR_EXISTS, "%s already exists as a directory", path->text);
        if (overwrite)
            return perm_check(core, op, path, &(struct perm_request){.target = ACTION_WRITE}, err);
        return 0;
    }
    if (!request->createparent && path->depth > 1 && !path->parent) {
        return err_set(err, ERR_NOT_FOUND, "Parent directory doesn't exist: %s",
                       dir_parent_path(path, op->arena));
    }
    if (!(request->createflag & CREATE_CREATE))
        return err_set(err, ERR_NOT_FOUND, "Can't overwrite non-existent %s", request->src);
    return 0;
}

/* An existing file in the way: without OVERWRITE it is refused, after a try to end a writer that is gone. */
static int refuse_existing(struct core *core, struct op *op, const Pb__CreateRequest *request,
                           const struct resolved *path, struct err *err)
{
    int rc = open_file_recover_lease(core, op->arena, RECOVER_CREATE_FILE, path->inode, path->text,
                                     request->clientname, op->client_ip, false, err);

    if (rc < 0) return rc;
    return err_set(err, ERR_EXISTS, "%s for client %s already exists", path->text, op->client_ip);
}

static int choose_policy(const Pb__CreateRequest *request, uint8_t *policy, struct err *err)
{
    const struct storage_policy *named;

    *policy = 0;
    if (request->createflag & CREATE_LAZY_PERSIST) {
        *policy = STORAGE_POLICY_LAZY_PERSIST;
    } else if (!str_empty(request->storagepolicy)) {
        named = storage_policy_by_name(request->storagepolicy);
        if (!named)
            return err_set(err, ERR_HADOOP_ARGUMENT, "Cannot find a block policy with the name %s",
                           request->storagepolicy);
        *policy = named->id;
    }
    return 0;
}

/* The policy that the file is made with, by name or by its directory: its id, 0 for whole replicas. */
static int choose_ec_policy(struct core *core, struct op *op, const Pb__CreateRequest *request,
                            const struct resolved *path, uint8_t *id, struct err *err)
{
    const struct ec_policy *policy = NULL;
    const char *name = request->ecpolicyname;
    int rc = 0;

    *id = EC_POLICY_REPLICATION;
    if (request->createflag & CREATE_SHOULD_REPLICATE) return 0;
    if (str_empty(name)) {
        const struct inode *dir = path->inode ? path->parent : path->deepest;
        policy = ec_policy_effective(core, dir);
    } else {
        rc = ec_policy_check_enabled(core->ec_policies, &name, op->arena, err);
        if (!rc) policy = ec_policy_find(core->ec_policies, name);
    }
    if (rc || !policy) return rc;
    if (request->blocksize < policy->message.cellsize)
        return err_set(err, ERR_IO,
                       "Specified block size (%" PRIu64
                       ") is less than the cell size (%u) of the erasure coding policy (%s).",
                       request->blocksize, policy->message.cellsize, policy->message.name);
    *id = policy->id;
    return 0;
}

int op_create(struct core *core, struct op *op, const Pb__CreateRequest *request,
              Pb__CreateResponse *response, struct err *err)
{
    struct resolved path;
    uint8_t policy, ec_policy;
    int rc;

    op->audit_src = request->src;
    rc = dir_check_path_length("create", request->src, err);
    if (rc) return rc;
    rc = check_create_arguments(core, request, err);
    if (rc) return rc;
    rc = op_check_not_safemode(core, arena_printf(op->arena, "Cannot create file%s", request->src),
                               err);
    if (rc) return rc;
    rc = perm_resolve(core, op, request->src, RESOLVE_CREATE, &path, err);
    if (rc) return rc;
    rc = check_create_path(core, op, request, &path, err);
    if (rc) return rc;
    rc = choose_policy(request, &policy, err);
    if (!rc) rc = choose_ec_policy(core, op, request, &path, &ec_policy, err);
    if (rc) return rc;
    if (path.inode && !(request->createflag & CREATE_OVERWRITE))
        return refuse_existing(core, op, request, &path, err);
    struct create_modes modes = dir_modes(request->masked, request->unmasked);
    /* Ancestors take after the directory that they are made in. */
    rc = dir_make_ancestors(core, op, &path, (struct create_modes){.masked = path.deepest->mode},
                            err);
    if (rc) return rc;
    rc = dir_check_new_entry(core, op, &path, path.inode ? 0 : 1, err);
    if (rc) return rc;

    struct edit edit = {
        .op = EDIT_ADD,
        .path = path.text,
        .inode_id = core->tree.inode_id_last + 1,
        .mtime_ms = core->now_wall_ms,
        .atime_ms = core->now_wall_ms,
        .block_size = request->blocksize,
        .replication = (uint16_t)request->replication,
        .user = op->user,
        .group = inode_group(core->tree.inodes, path.parent),
        .client_name = request->clientname,
        .client_machine = op->client_ip,
        .overwrite = request->createflag & CREATE_OVERWRITE,
        .storage_policy = policy,
        .ec_policy = ec_policy,
    };
    dir_fill_modes(core, op, path.parent, &modes, false, &edit);
    op_stamp(op, &edit);
    core_edit(core, &edit);

    struct inode *file = inode_find(core->tree.inodes, edit.inode_id);
    response->fs = status_make(core, file, NULL, op->arena);
    op->audit_status = file;
    return 0;
}

/* ---- append ---- */

/* The last block in a state in which nobody may append yet. */
static int check_last_block(struct core *core, struct op *op, const struct inode *file,
                            const char *path, struct err *err)
{
    struct block *last = inode_last_block(file);
    struct storage *live[1];

    if (!last) return 0;
    struct block_id id = block_name(last);
    if (last->state == BLOCK_COMMITTED)
        return err_set(err, ERR_RETRIABLE,
                       "org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException: append: "
                       "lastBlock=%s of src=%s is COMMITTED but not yet COMPLETE.",
                       block_id_text(&id, op->arena), path);
    if (block_is_complete(last) && blocks_live(core, last, live, 1) < 1)
        return err_set(err, ERR_IO,
                       "append: lastBlock=%s of src=%s is not sufficiently replicated yet.",
                       block_id_text(&id, op->arena), path);
    return 0;
}

/* What append answers: the block to go on with, or with NEW_BLOCK only its name, or nothing. */
static void fill_append_block(struct core *core, struct op *op, const struct inode *file,
                              bool new_block, Pb__AppendResponse *response)
{
    struct block *last = inode_last_block(file);
    struct storage *storages[16];

    if (!last) return;
    struct block_id id = block_name(last);
    if (new_block) {
        response->block = located_block_make(core, &id, NULL, 0, UINT64_MAX, op->arena);
    } else if (!block_is_complete(last)) {
        size_t count = blocks_expected(core, last, storages, ARRAY_LEN(storages));
        response->block = located_block_make(core, &id, storages, count,
                                             inode_length(file, true) - last->length, op->arena);
    }
}

int op_append(struct core *core, struct op *op, const Pb__AppendRequest *request,
              Pb__AppendResponse *response, struct err *err)
{
    bool new_block = request->has_flag && request->flag & CREATE_NEW_BLOCK;
    struct resolved path;
    int rc;

    op->audit_src = request->src;
    rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot append to file%s", request->src), err);
    if (rc) return rc;
    rc = perm_resolve(core, op, request->src, RESOLVE_WRITE, &path, err);
    if (rc) return rc;
    struct inode *file = path.inode;
    if (file && inode_is_dir(file))
        return err_set(err, ERR_EXISTS,
                       "Cannot append to directory %s; already exists as a directory.", path.text);
    rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_WRITE}, err);
    if (rc) return rc;
    if (!file)
        return err_set(err, ERR_NOT_FOUND, "Failed to append to non-existent file %s for client %s",
                       path.text, op->client_ip);
    if (file->storage_policy == STORAGE_POLICY_LAZY_PERSIST)
        return err_set(err, ERR_UNSUPPORTED, "Cannot append to lazy persist file %s", path.text);
    if (file->striped && !new_block)
        return err_set(err, ERR_UNSUPPORTED,
                       "Append on EC file without new block is not supported. Use NEW_BLOCK create "
                       "flag while appending file.");
    rc = open_file_recover_lease(core, op->arena, RECOVER_APPEND_FILE, file, path.text,
                                 request->clientname, op->client_ip, false, err);
    if (rc < 0) return rc;
    rc = check_last_block(core, op, file, path.text, err);
    if (rc) return rc;
    if (snapshot_holds_end(&core->tree, file)) new_block = true;
    if (inode_last_block(file) && !new_block) {
        rc = quota_check_space(core, file,
                               (int64_t)(inode_block_size(core->tree.inodes, file) -
                                         MIN(inode_last_block(file)->length,
                                             inode_block_size(core->tree.inodes, file))),
                               err);
        if (rc) return rc;
    }

    struct edit edit = {
        .op = EDIT_APPEND,
        .path = path.text,
        .client_name = request->clientname,
        .client_machine = op->client_ip,
        .new_block = new_block,
        .inode = file,
    };
    op_stamp(op, &edit);
    core_edit(core, &edit);
    fill_append_block(core, op, file, request->has_flag && request->flag & CREATE_NEW_BLOCK,
                      response);
    response->stat = status_make(core, file, NULL, op->arena);
    return 0;
}

/* ---- complete ---- */

/* A client that did not get our answer asks again for a file that is closed by now. */
static bool is_complete_retry(const struct inode *file, const struct block_id *last)
{
    if (!file || !inode_is_file(file) || file->under_construction) return false;
    struct block *block = inode_last_block(file);
    if (!last || !block) return !last && !block;
    return block->id == last->id && block->generation_stamp == last->generation_stamp;
}

int op_complete(struct core *core, struct op *op, const Pb__CompleteRequest *request,
                Pb__CompleteResponse *response, struct err *err)
{
    struct block_id last_id = {0}, *last = NULL;
    struct inode *file;
    const char *path;
    int rc;

    op->audit_skip = true;
    rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot complete file %s", request->src), err);
    if (rc) return rc;
    rc = located_check_pool(core, request->last, err);
    if (rc) return rc;
    if (request->last) {
        last_id = located_block_id(request->last);
        last = &last_id;
    }
    rc = open_file_locate(core, op, request->src, request->fileid, &file, &path, err);
    if (rc) return rc;
    rc = open_file_check_lease(core, op, file, path, request->fileid, request->clientname, err);
    if (rc == ERR_LEASE_EXPIRED && is_complete_retry(file, last)) {
        response->result = true;
        return 0;
    }
    if (rc) return rc;
    if (open_file_progressed(file, false)) {
        rc = open_file_commit_last(core, file, last, err);
        if (rc) return rc;
        if (open_file_progressed(file, true)) {
            open_file_close(core, file, op->arena);
            response->result = true;
            return 0;
        }
    }
    response->result = false;
    if (op->deadline_ms && core->now_ms >= op->deadline_ms) return 0;
    op->held_block = open_file_awaited_block(file);
    return OP_HOLD;
}

/* ---- fsync, lease renewal and recovery ---- */

int op_fsync(struct core *core, struct op *op, const Pb__FsyncRequest *request,
             Pb__FsyncResponse *response UNUSED, struct err *err)
{
    struct inode *file;
    const char *path;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot fsync file %s", request->src), err);

    op->audit_skip = true;
    if (rc) return rc;
    rc = open_file_locate(core, op, request->src, request->fileid, &file, &path, err);
    if (rc) return rc;
    rc = open_file_check_lease(core, op, file, path, request->fileid, request->client, err);
    if (rc) return rc;
    struct block_id *ids = arena_copy(op->arena, open_file_block_ids(file, op->arena),
                                      sizeof *ids * file->block_count);
    struct block *last = inode_last_block(file);
    if (last && last->state == BLOCK_UNDER_CONSTRUCTION &&
        request->lastblocklength > (int64_t)last->length) {
        if ((uint64_t)request->lastblocklength > inode_block_size(core->tree.inodes, file))
            return err_set(err, ERR_IO,
                           "fsync: length %" PRId64
                           " of the last block of %s is beyond its block size",
                           (int64_t)request->lastblocklength, path);
        ids[file->block_count - 1].length = (uint64_t)request->lastblocklength;
    }
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = path,
                        .blocks = ids,
                        .block_count = file->block_count,
                        .inode = file};
    core_edit(core, &edit);
    return 0;
}

int op_renew_lease(struct core *core, struct op *op, const Pb__RenewLeaseRequest *request,
                   Pb__RenewLeaseResponse *response UNUSED, struct err *err)
{
    op->audit_skip = true;
    if (request->n_namespaces)
        return err_set(err, ERR_IO, "namespaces([%s]) should be null or empty",
                       request->namespaces[0]);
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot renew lease for %s", request->clientname), err);
    if (rc) return rc;
    lease_renew(core->leases, request->clientname, core->now_ms);
    return 0;
}

int op_recover_lease(struct core *core, struct op *op, const Pb__RecoverLeaseRequest *request,
                     Pb__RecoverLeaseResponse *response, struct err *err)
{
    struct resolved path;
    struct inode *file;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot recover the lease of %s", request->src), err);

    op->audit_skip = true;
    if (rc) return rc;
    rc = perm_resolve(core, op, request->src, RESOLVE_WRITE, &path, err);
    if (rc) return rc;
    rc = file_of(&path, &file, err);
    if (rc) return rc;
    response->result = true;
    if (!file->under_construction) return 0;
    rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_WRITE}, err);
    if (rc) return rc;
    rc = open_file_recover_lease(core, op->arena, RECOVER_RECOVER_LEASE, file, path.text,
                                 request->clientname, op->client_ip, true, err);
    if (rc < 0) return rc;
    response->result = rc == 1;
    return 0;
}

/* ---- truncate ---- */

/* The block as it will be after the cut, when the cut runs through a block. */
static const struct block_id *truncate_block(struct core *core, struct op *op,
                                             const struct inode *file, uint64_t new_length)
{
    uint64_t end = 0;

    for (uint32_t i = 0; new_length && i < file->block_count; i++) {
        struct block *block = inode_block(file, i);
        end += block->length;
        if (end < new_length) continue;
        if (end == new_length) return NULL;
        struct edit stamp = {.op = EDIT_SET_GENSTAMP_V2,
                             .value = blocks_next_generation_stamp(core)};
        core_edit(core, &stamp);
        struct block_id id = {
            .id = block->id, .generation_stamp = stamp.value, .length = block->length};
        return arena_copy(op->arena, &id, sizeof id);
    }
    return NULL;
}

/* A block that a snapshot sees must not be cut; Apache copies it then. Between blocks all is well. */
static int check_cut_of_snapshot(struct core *core, const struct inode *file, uint64_t new_length,
                                 const char *path, struct err *err)
{
    const struct snapshot_history *history = snapshot_history(&core->tree, file);
    uint64_t end = 0;

    if (snapshot_latest(&core->tree, file, SNAPSHOT_CURRENT) == SNAPSHOT_NONE &&
        !(history && history->version_count))
        return 0;
    for (uint32_t i = 0; i < file->block_count && end < new_length; i++)
        end += inode_block(file, i)->length;
    if (end == new_length) return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "Cannot truncate %s to %" PRIu64
        ": it is in a snapshot, and the cut runs through a block. Truncate to the end of "
        "a block, or delete the snapshots first",
        path, new_length);
}

/* A repeat of the truncation that is running answers false, another one is refused. 1: neither. */
static int check_running_truncate(struct core *core, struct op *op,
                                  const Pb__TruncateRequest *request, const struct inode *file,
                                  const char *path, struct err *err)
{
    struct block *last = inode_last_block(file);
    uint64_t cut;

    if (!last || last->state != BLOCK_UNDER_RECOVERY || !blocks_get_truncate(core, last, &cut))
        return 1;
    if (inode_length(file, false) + cut == request->newlength) return 0;
    return err_set(err, ERR_BEING_CREATED,
                   "Failed to TRUNCATE_FILE %s for %s on %s because %s is being truncated.", path,
                   request->clientname, op->client_ip, path);
}

int op_truncate(struct core *core, struct op *op, const Pb__TruncateRequest *request,
                Pb__TruncateResponse *response, struct err *err)
{
    struct resolved path;
    struct inode *file;
    int rc;

    op->audit_src = request->src;
    if ((int64_t)request->newlength < 0)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Cannot truncate to a negative file size: %" PRId64 ".",
                       (int64_t)request->newlength);
    rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot truncate for %s", request->src), err);
    if (rc) return rc;
    rc = resolve_for_write(core, op, request->src, &path, err);
    if (rc) return rc;
    rc = file_of(&path, &file, err);
    if (rc) return rc;
    if (file->striped)
        return err_set(err, ERR_UNSUPPORTED, "Cannot truncate file with striped block %s",
                       request->src);
    if (file->storage_policy == STORAGE_POLICY_LAZY_PERSIST)
        return err_set(err, ERR_UNSUPPORTED, "Cannot truncate lazy persist file %s", path.text);
    rc = check_running_truncate(core, op, request, file, path.text, err);
    if (rc <= 0) return rc;
    rc = open_file_recover_lease(core, op->arena, RECOVER_TRUNCATE_FILE, file, path.text,
                                 request->clientname, op->client_ip, false, err);
    if (rc < 0) return rc;
    uint64_t old_length = inode_length(file, true);
    response->result = true;
    if (old_length == request->newlength) return 0;
    if (old_length < request->newlength)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Cannot truncate to a larger file size. Current size: %" PRIu64
                       ", truncate size: %" PRIu64 ".",
                       old_length, request->newlength);
    rc = check_cut_of_snapshot(core, file, request->newlength, path.text, err);
    if (rc) return rc;
    const struct block_id *cut = truncate_block(core, op, file, request->newlength);
    struct edit edit = {
        .op = EDIT_TRUNCATE,
        .path = path.text,
        .client_name = request->clientname,
        .client_machine = op->client_ip,
        .value = request->newlength,
        .mtime_ms = core->now_wall_ms,
        .blocks = cut,
        .block_count = cut ? 1 : 0,
        .inode = file,
    };
    core_edit(core, &edit);
    response->result = !cut;
    op->audit_status = file;
    return 0;
}

/* ---- locations ---- */

static void update_access_time(struct core *core, const struct resolved *path)
{
    struct inode *file = path->inode;
    struct err ignored = ERR_INIT;
    int64_t precision = core->conf.accesstime_precision_ms;

    if (precision <= 0 || core->now_wall_ms <= (int64_t)file->atime_ms + precision) return;
    if (op_check_not_safemode(core, "", &ignored)) return;
    struct edit edit = {.op = EDIT_TIMES,
                        .path = path->text,
                        .mtime_ms = -1,
                        .atime_ms = core->now_wall_ms,
                        .inode = file};
    core_edit(core, &edit);
}

/* FSDirectory.checkUnreadableBySuperuser */
static int check_unreadable(const struct core *core, const struct op *op, const struct inode *file,
                            struct err *err)
{
    if (!core->conf.permissions_enabled || !op->superuser ||
        !xattrs_find(inode_xattrs(core->tree.inodes, file), XATTR_SECURITY, XATTR_UNREADABLE))
        return 0;
    return err_set(err, ERR_ACCESS,
                   "Access is denied for %s since the superuser is not allowed to perform this "
                   "operation.",
                   op->user);
}

int op_get_block_locations(struct core *core, struct op *op,
                           const Pb__GetBlockLocationsRequest *request,
                           Pb__GetBlockLocationsResponse *response, struct err *err)
{
    struct resolved path;
    struct inode *file;
    int rc;

    op->audit_src = request->src;
    if ((int64_t)request->offset < 0)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Negative offset is not supported. File: %s",
                       request->src);
    if ((int64_t)request->length < 0)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Negative length is not supported. File: %s",
                       request->src);
    rc = perm_resolve(core, op, request->src, RESOLVE_READ, &path, err);
    if (rc) return rc;
    rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_READ}, err);
    if (rc) return rc;
    rc = file_of(&path, &file, err);
    if (!rc) rc = check_unreadable(core, op, file, err);
    if (rc) return rc;
    response->locations = arena_alloc(op->arena, sizeof *response->locations);
    pb__located_blocks__init(response->locations);
    if (path.snapshot != SNAPSHOT_CURRENT) {
        located_blocks_of_snapshot(core, op, path.proper, path.snapshot, request->offset,
                                   request->length, response->locations);
        return 0;
    }
    rc = located_blocks_fill(core, op, file, request->offset, request->length, response->locations,
                             err);
    if (rc) return rc;
    update_access_time(core, &path);
    return 0;
}

/* ---- repeats ---- */

static int repeated_file(struct core *core, struct op *op, const char *src, struct inode **file,
                         struct err *err)
{
    struct resolved path;
    int rc = resolve_path(&core->tree, src, op->arena, &path, err);

    return rc ? rc : file_of(&path, file, err);
}

int op_repeat(struct core *core, struct op *op, const ProtobufCMessage *request,
              ProtobufCMessage *response, struct err *err)
{
    struct inode *file;
    int rc = 0;

    if (request->descriptor == &pb__create_request__descriptor) {
        rc = repeated_file(core, op, ((const Pb__CreateRequest *)request)->src, &file, err);
        if (!rc) ((Pb__CreateResponse *)response)->fs = status_make(core, file, NULL, op->arena);
    } else if (request->descriptor == &pb__append_request__descriptor) {
        const Pb__AppendRequest *append = (const Pb__AppendRequest *)request;
        rc = repeated_file(core, op, append->src, &file, err);
        if (!rc) {
            fill_append_block(core, op, file, append->has_flag && append->flag & CREATE_NEW_BLOCK,
                              (Pb__AppendResponse *)response);
            ((Pb__AppendResponse *)response)->stat = status_make(core, file, NULL, op->arena);
        }
    } else if (request->descriptor == &pb__add_cache_directive_request__descriptor) {
        const Pb__CacheDirectiveInfo *info = ((const Pb__AddCacheDirectiveRequest *)request)->info;
        ((Pb__AddCacheDirectiveResponse *)response)->id =
            (int64_t)cache_directive_latest(core->cache, info->path, info->pool);
    } else if (request->descriptor == &pb__delete_request__descriptor) {
        ((Pb__DeleteResponse *)response)->result = true;
    } else if (request->descriptor == &pb__rename_request__descriptor) {
        ((Pb__RenameResponse *)response)->result = true;
    } else if (request->descriptor == &pb__create_snapshot_request__descriptor) {
        rc = op_repeat_create_snapshot(core, op, (const Pb__CreateSnapshotRequest *)request,
                                       (Pb__CreateSnapshotResponse *)response, err);
    }
    return rc; /* the others' answers are empty */
}
