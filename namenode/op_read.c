/* Reading the namespace: status, listings, summaries, defaults (FSDirStatAndListingOp). Block
 * locations are op_file.c's. */
#include "common/hash.h"
#include "namenode/handlers.h"
#include "namenode/located.h"
#include "namenode/perm.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "namenode/status.h"
#include "namenode/storage_policy.h"

/* Resolves and demands `action` of the inode, where there is one. */
static int resolve_for(struct core *core, struct op *op, const char *src, enum fs_action action,
                       struct resolved *path, struct err *err)
{
    int rc;

    op->audit_src = src;
    rc = perm_resolve(core, op, src, RESOLVE_READ, path, err);
    if (rc || !action || !core->conf.permissions_enabled) return rc;
    return perm_check(core, op, path, &(struct perm_request){.target = action}, err);
}

/* INodeFile.valueOf */
static int require_file(const struct resolved *path, const char *shown, struct err *err)
{
    if (!path->inode) return err_set(err, ERR_NOT_FOUND, "File does not exist: %s", shown);
    if (!inode_is_file(path->inode))
        return err_set(err, ERR_NOT_FOUND, "Path is not a file: %s", shown);
    return 0;
}

/* ---- status ---- */

/* A directory that is nowhere: /.reserved and what it lists. */
static Pb__HdfsFileStatus *virtual_dir(struct core *core, struct op *op, const char *name,
                                       uint16_t mode, const char *group, uint64_t time)
{
    Pb__HdfsFileStatus *status = arena_alloc(op->arena, sizeof *status);

    (void)core;
    pb__hdfs_file_status__init(status);
    status->filetype = PB__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
    status->path = (ProtobufCBinaryData){.data = (uint8_t *)name, .len = strlen(name)};
    status->permission = arena_alloc(op->arena, sizeof *status->permission);
    pb__fs_permission__init(status->permission);
    status->permission->perm = mode;
    status->owner = (char *)"";
    status->group = (char *)group;
    status->modification_time = status->access_time = time;
    status->has_block_replication = status->has_blocksize = status->has_fileid = true;
    status->has_childrennum = status->has_storagepolicy = status->has_flags = true;
    status->childrennum = 0;
    status->fileid = UINT64_MAX;
    return status;
}

static int add_locations(struct core *core, struct op *op, const struct inode *inode,
                         int32_t snapshot, Pb__HdfsFileStatus *status, struct err *err)
{
    if (!inode_is_file(inode)) return 0;
    status->locations = arena_alloc(op->arena, sizeof *status->locations);
    pb__located_blocks__init(status->locations);
    if (snapshot != SNAPSHOT_CURRENT) {
        located_blocks_of_snapshot(core, op, inode, snapshot, 0, status->length, status->locations);
        return 0;
    }
    return located_blocks_fill(core, op, inode, 0, status->length, status->locations, err);
}

/* *out stays NULL for what is not there: no error, as clients ask so whether something exists. */
static int file_info(struct core *core, struct op *op, const char *src, bool locations,
                     Pb__HdfsFileStatus **out, struct err *err)
{
    struct resolved path;
    int rc = resolve_for(core, op, src, ACTION_NONE, &path, err);

    if (rc == ERR_ACCESS &&
        op->superuser) { /* a file on the way: the superuser hears that there is nothing */
        err_clear(err);
        return 0;
    }
    if (rc) return rc;
    if (path_is_reserved(path.text)) {
        *out = virtual_dir(core, op, "", 01770, "", 0);
    } else if (path.snapshots_of && !path.inode) { /* FSDirectory.DOT_SNAPSHOT_DIR_STATUS */
        *out = virtual_dir(core, op, "", 0777, "", 0);
        (*out)->childrennum = -1;
    } else if (path.inode) {
        *out = status_of_path(core, &path, op->arena);
        if (locations) rc = add_locations(core, op, path.proper, path.snapshot, *out, err);
    }
    return rc;
}

int op_get_file_info(struct core *core, struct op *op, const Pb__GetFileInfoRequest *request,
                     Pb__GetFileInfoResponse *response, struct err *err)
{
    return file_info(core, op, request->src, false, &response->fs, err);
}

int op_get_file_link_info(struct core *core, struct op *op,
                          const Pb__GetFileLinkInfoRequest *request,
                          Pb__GetFileLinkInfoResponse *response, struct err *err)
{
    return file_info(core, op, request->src, false, &response->fs, err);
}

int op_get_located_file_info(struct core *core, struct op *op,
                             const Pb__GetLocatedFileInfoRequest *request,
                             Pb__GetLocatedFileInfoResponse *response, struct err *err)
{
    return file_info(core, op, request->src ? request->src : "", true, &response->fs, err);
}

int op_is_file_closed(struct core *core, struct op *op, const Pb__IsFileClosedRequest *request,
                      Pb__IsFileClosedResponse *response, struct err *err)
{
    struct resolved path;
    int rc = resolve_for(core, op, request->src, ACTION_NONE, &path, err);

    if (!rc) rc = require_file(&path, request->src, err);
    if (!rc) response->result = !path.inode->under_construction || path.inode->is_copy;
    return rc;
}

int op_get_preferred_block_size(struct core *core, struct op *op,
                                const Pb__GetPreferredBlockSizeRequest *request,
                                Pb__GetPreferredBlockSizeResponse *response, struct err *err)
{
    struct resolved path;
    int rc = resolve_for(core, op, request->filename, ACTION_NONE, &path, err);

    if (!rc) rc = require_file(&path, path.text, err);
    if (!rc) response->bsize = inode_block_size(core->tree.inodes, path.inode);
    return rc;
}

/* ---- listings ---- */

struct listing {
    Pb__HdfsFileStatus **entries;
    size_t count;
    uint64_t remaining;
    bool found;
};

static ProtobufCBinaryData name_data(const struct inode *inode)
{
    ProtobufCBinaryData name;

    name.data = (uint8_t *)inode_name(inode, &name.len);
    return name;
}

/* A start that is an inode path stands for that inode's name. */
static int resolve_start(struct core *core, struct op *op, ProtobufCBinaryData *start,
                         struct err *err)
{
    static const char reserved[] = "/.reserved";
    struct resolved path;
    struct err ignored;

    if (start->len < sizeof reserved - 1 || memcmp(start->data, reserved, sizeof reserved - 1) != 0)
        return 0;
    const char *text = arena_strndup(op->arena, (const char *)start->data, start->len);
    if (resolve_path(&core->tree, text, op->arena, &path, &ignored))
        return err_set(err, ERR_START_AFTER, "Can't find startAfter %s", text);
    *start = (ProtobufCBinaryData){.data = (uint8_t *)path.last_name, .len = path.last_length};
    return 0;
}

static void list_reserved(struct core *core, struct op *op, struct listing *out)
{
    out->entries = ARENA_ARRAY(op->arena, Pb__HdfsFileStatus *, 2);
    out->entries[0] =
        virtual_dir(core, op, ".inodes", 0770, core->conf.supergroup, core->identity.ctime);
    out->entries[1] =
        virtual_dir(core, op, "raw", 0770, core->conf.supergroup, core->identity.ctime);
    out->count = 2;
    out->found = true;
}

static int list_dir(struct core *core, struct op *op, const struct inode *dir,
                    ProtobufCBinaryData start, bool locations, struct listing *out, struct err *err)
{
    uint64_t max = MIN((uint64_t)core->conf.ls_limit, dir_child_count(dir));
    int64_t budget = core->conf.ls_limit; /* block locations, so that answers stay small */
    struct inode **children = ARENA_ARRAY(op->arena, struct inode *, max);
    size_t count =
        dir_list(&core->tree, dir, start.data, start.len, children, max, &out->remaining);
    int rc = 0;

    out->entries = ARENA_ARRAY(op->arena, Pb__HdfsFileStatus *, count);
    for (; !rc && out->count < count && budget > 0; out->count++) {
        ProtobufCBinaryData name = name_data(children[out->count]);
        Pb__HdfsFileStatus *status = status_make(core, children[out->count], &name, op->arena);

        out->entries[out->count] = status;
        if (!locations) continue;
        rc = add_locations(core, op, children[out->count], SNAPSHOT_CURRENT, status, err);
        if (!rc && status->locations)
            budget -= (int64_t)(status->locations->n_blocks * status->block_replication);
    }
    out->remaining += count - out->count;
    return rc;
}

/* A directory as a snapshot saw it. */
static int list_seen(struct core *core, struct op *op, const struct resolved *path,
                     ProtobufCBinaryData start, bool locations, struct listing *out,
                     struct err *err)
{
    uint8_t policy = status_path_policy(core, path);
    uint32_t max = core->conf.ls_limit;
    struct snapshot_item *items = ARENA_ARRAY(op->arena, struct snapshot_item, max);
    int64_t budget = max;
    bool more;
    size_t count = snapshot_list(&core->tree, path->proper, path->snapshot, start.data, start.len,
                                 items, max, &more);
    int rc = 0;

    out->entries = ARENA_ARRAY(op->arena, Pb__HdfsFileStatus *, count);
    for (; !rc && out->count < count && budget > 0; out->count++) {
        const struct snapshot_item *item = &items[out->count];
        ProtobufCBinaryData name = {.data = (uint8_t *)(uintptr_t)item->name, .len = item->length};
        Pb__HdfsFileStatus *status =
            status_make_seen(core, item->inode, path->snapshot, policy, &name, op->arena);

        out->entries[out->count] = status;
        if (!locations) continue;
        rc = add_locations(core, op, item->inode, path->snapshot, status, err);
        if (!rc && status->locations)
            budget -= (int64_t)(status->locations->n_blocks * status->block_replication);
    }
    out->remaining = count - out->count + more;
    return rc;
}

/* FSDirStatAndListingOp.getSnapshotsListing */
static int list_snapshots(struct core *core, struct op *op, const struct inode *dir,
                          ProtobufCBinaryData start, struct listing *out)
{
    const struct snapshot_dir *of = snapshot_dir(&core->tree, dir);
    uint32_t total = of ? of->count : 0, i = 0;

    out->found = true;
    out->entries = ARENA_ARRAY(op->arena, Pb__HdfsFileStatus *, MIN(total, core->conf.ls_limit));
    for (; start.len && i < total; i++) {
        ProtobufCBinaryData name = name_data(of->by_name[i]->root);
        if (tree_compare_names(name.data, name.len, start.data, start.len) > 0) break;
    }
    for (; i < total && out->count < core->conf.ls_limit; i++) {
        ProtobufCBinaryData name = name_data(of->by_name[i]->root);
        Pb__HdfsFileStatus *status = status_make(core, of->by_name[i]->root, &name, op->arena);

        status->storagepolicy = 0;
        status->childrennum = (int32_t)MIN(
            snapshot_child_count(&core->tree, dir, of->by_name[i]->id), (uint64_t)INT32_MAX);
        out->entries[out->count++] = status;
    }
    out->remaining = total - i;
    return 0;
}

/* FSDirStatAndListingOp.getListingInt */
static int list(struct core *core, struct op *op, const char *src, ProtobufCBinaryData start,
                bool locations, struct listing *out, struct err *err)
{
    struct resolved path;
    int rc = resolve_for(core, op, src, ACTION_NONE, &path, err);

    *out = (struct listing){0};
    if (!rc) rc = resolve_start(core, op, &start, err);
    if (!rc && core->conf.permissions_enabled && path.inode && inode_is_dir(path.inode))
        rc =
            perm_check(core, op, &path, &(struct perm_request){.target = ACTION_READ_EXECUTE}, err);
    if (rc) return rc;
    if (path_is_reserved(path.text)) {
        list_reserved(core, op, out);
        return 0;
    }
    if (path.snapshots_of && !path.inode)
        return list_snapshots(core, op, path.snapshots_of, start, out);
    if (!path.inode) return 0;
    out->found = true;
    if (inode_is_dir(path.inode) && path.snapshot != SNAPSHOT_CURRENT)
        return list_seen(core, op, &path, start, locations, out, err);
    if (inode_is_dir(path.inode)) return list_dir(core, op, path.inode, start, locations, out, err);
    out->entries = ARENA_ARRAY(op->arena, Pb__HdfsFileStatus *, 1);
    out->entries[out->count++] = status_of_path(core, &path, op->arena);
    return locations ? add_locations(core, op, path.proper, path.snapshot, out->entries[0], err)
                     : 0;
}

int op_get_listing(struct core *core, struct op *op, const Pb__GetListingRequest *request,
                   Pb__GetListingResponse *response, struct err *err)
{
    struct listing listing;
    int rc =
        list(core, op, request->src, request->startafter, request->needlocation, &listing, err);

    if (rc || !listing.found) return rc;
    response->dirlist = arena_alloc(op->arena, sizeof *response->dirlist);
    pb__directory_listing__init(response->dirlist);
    response->dirlist->partiallisting = listing.entries;
    response->dirlist->n_partiallisting = listing.count;
    response->dirlist->remainingentries = (uint32_t)MIN(listing.remaining, (uint64_t)INT32_MAX);
    return 0;
}

/* ---- listings of many directories ---- */

/* Where a batched listing goes on. The paths' hash ties the key to its request. */
struct batch_start {
    uint32_t index;
    ProtobufCBinaryData after;
};

static uint64_t hash_paths(char *const *paths, size_t count)
{
    uint64_t hash = count;

    for (size_t i = 0; i < count; i++) hash = hash_bytes(paths[i], strlen(paths[i]), hash);
    return hash;
}

static int parse_start(struct op *op, const Pb__GetBatchedListingRequest *request,
                       struct batch_start *start, struct err *err)
{
    uint64_t hash = hash_paths(request->paths, request->n_paths);

    *start = (struct batch_start){0};
    if (!request->startafter.len) return 0;
    Pb__BatchedListingKey *key = pb__batched_listing_key__unpack(
        arena_protobuf(op->arena), request->startafter.len, request->startafter.data);
    if (!key)
        return err_set(err, ERR_BAD_MESSAGE, "the start of the batched listing cannot be decoded");
    if (key->checksum.len != sizeof hash || memcmp(key->checksum.data, &hash, sizeof hash) != 0)
        return err_set(err, ERR_ARGUMENT,
                       "the start of the batched listing belongs to other paths");
    start->index = key->pathindex;
    start->after = key->startafter;
    if (!start->after.len && start->index < UINT32_MAX)
        start->index++; /* it ended with a file, or with a whole directory */
    return 0;
}

static Pb__RemoteException *exception_message(struct op *op, const struct err *err)
{
    Pb__RemoteException *exception = arena_alloc(op->arena, sizeof *exception);

    pb__remote_exception__init(exception);
    exception->classname = (char *)err_java_class(err->code);
    exception->message = arena_strdup(op->arena, err->text);
    return exception;
}

static Pb__BatchedDirectoryListing *batch_entry(struct core *core, struct op *op, const char *src,
                                                uint32_t index, ProtobufCBinaryData after,
                                                bool locations, struct listing *listing)
{
    Pb__BatchedDirectoryListing *entry = arena_alloc(op->arena, sizeof *entry);
    struct err err = ERR_INIT;
    int rc = list(core, op, src, after, locations, listing, &err);

    pb__batched_directory_listing__init(entry);
    entry->parentidx = index;
    if (!rc && !listing->found) rc = err_set(&err, ERR_NOT_FOUND, "Path %s does not exist", src);
    if (rc) {
        *listing = (struct listing){0};
        entry->exception = exception_message(op, &err);
    }
    entry->partiallisting = listing->entries;
    entry->n_partiallisting = listing->count;
    return entry;
}

static void fill_next_start(struct op *op, const Pb__GetBatchedListingRequest *request,
                            uint32_t index, const struct listing *last,
                            Pb__GetBatchedListingResponse *response)
{
    Pb__BatchedListingKey key = PB__BATCHED_LISTING_KEY__INIT;
    uint64_t hash = hash_paths(request->paths, request->n_paths);

    key.checksum = (ProtobufCBinaryData){.data = (uint8_t *)&hash, .len = sizeof hash};
    key.pathindex = index;
    if (last->count) key.startafter = last->entries[last->count - 1]->path;
    response->hasmore = true;
    response->startafter.data =
        arena_alloc(op->arena, pb__batched_listing_key__get_packed_size(&key));
    response->startafter.len = pb__batched_listing_key__pack(&key, response->startafter.data);
}

int op_get_batched_listing(struct core *core, struct op *op,
                           const Pb__GetBatchedListingRequest *request,
                           Pb__GetBatchedListingResponse *response, struct err *err)
{
    struct batch_start start;
    struct listing last = {0};
    size_t entries = 0;
    int rc;

    if (request->n_paths > core->conf.batched_ls_limit)
        return err_set(err, ERR_ARGUMENT, "Too many source paths (%zu > %u)", request->n_paths,
                       core->conf.batched_ls_limit);
    rc = parse_start(op, request, &start, err);
    if (rc) return rc;
    response->listings = ARENA_ARRAY(op->arena, Pb__BatchedDirectoryListing *, request->n_paths);
    uint32_t index = start.index;
    for (; index < request->n_paths; index++) {
        response->listings[response->n_listings++] = batch_entry(
            core, op, request->paths[index], index, start.after, request->needlocation, &last);
        entries += last.count;
        start.after = (ProtobufCBinaryData){0};
        if (entries >= core->conf.ls_limit) break;
    }
    if (index < request->n_paths && (index + 1 < request->n_paths || last.remaining))
        fill_next_start(op, request, index, &last, response);
    return 0;
}

/* ---- summaries ---- */

struct summary {
    uint64_t length, files, directories, space;
    uint64_t type_space[7];
};

/* INodeFile.computeContentSummary: blocks in full where they are being written, but of a file with versions its length. */
static void count_file(struct core *core, const struct inode *file, int32_t snapshot,
                       struct summary *summary)
{
    uint8_t policy = storage_policy_effective(core->tree.inodes, file);
    uint32_t replication = inode_replication(
        snapshot_attributes(&core->tree, (struct inode *)(uintptr_t)file, snapshot));
    struct snapshot_file seen;

    snapshot_file(&core->tree, file, snapshot, &seen);
    summary->files++;
    summary->length += seen.length;
    if (snapshot == SNAPSHOT_CURRENT && !file->has_history)
        summary->space += (uint64_t)quota_count_file(core, file, replication, 0).space;
    else
        summary->space += seen.length * replication;
    if (!policy) return;
    quota_add_types(summary->type_space, seen.length, replication, policy);
}

static void add_summary(struct summary *to, const struct summary *more)
{
    to->length += more->length;
    to->files += more->files;
    to->directories += more->directories;
    to->space += more->space;
    for (size_t i = 0; i < ARRAY_LEN(to->type_space); i++) to->type_space[i] += more->type_space[i];
}

static int count_seen(struct core *core, struct op *op, struct inode *inode, int32_t snapshot,
                      struct summary *summary, struct err *err);

/* What is in the directory only for snapshots: of what moved elsewhere that which they see, of what was deleted all. */
static int count_former(struct core *core, struct op *op, const struct inode *dir,
                        struct summary *summary, struct err *err)
{
    const struct snapshot_history *history = snapshot_history(&core->tree, dir);
    int rc = 0;

    for (uint32_t i = 0; history && !rc && i < history->entry_count; i++) {
        const struct snapshot_entry *entry = history->entries[i];
        struct inode *inode = inode_at(core->tree.inodes, entry->record.inode);
        const struct snapshot_history *own = snapshot_history(&core->tree, inode);
        bool home = !inode->parent && own->home == entry;

        rc = count_seen(core, op, inode, home ? SNAPSHOT_CURRENT : entry->record.snapshot, summary,
                        err);
    }
    return rc;
}

/* All below, at once: what a snapshot saw, or what is kept. */
static int count_seen(struct core *core, struct op *op, struct inode *inode, int32_t snapshot,
                      struct summary *summary, struct err *err)
{
    struct snapshot_item items[64];
    bool asked = core->conf.permissions_enabled && !op->superuser, more = true;
    const uint8_t *after = NULL;
    size_t length = 0;
    int rc = 0;

    if (inode_is_file(inode)) {
        count_file(core, inode, snapshot, summary);
        return 0;
    }
    if (inode_is_symlink(inode)) {
        summary->files++;
        return 0;
    }
    summary->directories++;
    if (asked)
        rc = perm_check_inode(core, op, snapshot_attributes(&core->tree, inode, snapshot),
                              ACTION_READ_EXECUTE, err);
    while (!rc && more) {
        size_t count = snapshot_list(&core->tree, inode, snapshot, after, length, items,
                                     ARRAY_LEN(items), &more);

        for (size_t i = 0; !rc && i < count; i++)
            rc = count_seen(core, op, items[i].inode, snapshot, summary, err);
        if (count) {
            after = items[count - 1].name;
            length = items[count - 1].length;
        }
    }
    if (!rc && snapshot == SNAPSHOT_CURRENT) rc = count_former(core, op, inode, summary, err);
    return rc;
}

/* A count under way: large trees are counted in slices. */
struct counting {
    uint64_t top_id;
    struct summary summary, former; /* all, and of that what only snapshots have */
    struct tree_bookmark *bookmark;
};

static int count_one(struct core *core, struct op *op, const struct inode *inode, bool asked,
                     struct counting *counting, struct err *err)
{
    struct summary *summary = &counting->summary, former = {0};
    int rc = 0;

    if (inode_is_file(inode)) {
        count_file(core, inode, SNAPSHOT_CURRENT, summary);
        return 0;
    }
    if (inode_is_symlink(inode)) {
        summary->files++;
        return 0;
    }
    summary->directories++;
    if (asked) rc = perm_check_inode(core, op, inode, ACTION_READ_EXECUTE, err);
    if (rc || !inode->has_history) return rc;
    rc = count_former(core, op, inode, &former, err);
    add_summary(summary, &former);
    add_summary(&counting->former, &former);
    return rc;
}

/* Counts all below `top`; every directory must be readable by the caller. OP_AGAIN when there is
 * more than one turn's worth. */
static int summarize(struct core *core, struct op *op, struct inode *top, struct summary *out,
                     struct summary *former, struct err *err)
{
    bool asked = core->conf.permissions_enabled && !op->superuser;
    uint64_t limit =
        core->conf.content_summary_limit ? core->conf.content_summary_limit : UINT64_MAX;
    struct counting *counting = op->progress;
    struct inode *inode = NULL;
    struct tree_walk walk;
    int rc = 0;

    if (counting) {
        tree_walk_resume(&walk, &core->tree, counting->bookmark);
    } else {
        op->progress = counting = ARENA_NEW(op->arena, struct counting);
        counting->top_id = top->id;
        tree_walk_start(&walk, &core->tree, top);
    }
    for (; !rc && limit && (inode = tree_walk_next(&walk)); limit--)
        rc = count_one(core, op, inode, asked, counting, err);
    if (!rc && inode) {
        counting->bookmark = tree_walk_save(&walk, op->arena, counting->bookmark);
        return OP_AGAIN;
    }
    tree_walk_release(&walk);
    op->progress = NULL;
    *out = counting->summary;
    *former = counting->former;
    return rc;
}

/* What is being counted, while it is; NULL before, or when it was deleted meanwhile. */
static struct inode *counted_inode(const struct core *core, const struct op *op)
{
    const struct counting *counting = op->progress;

    return counting ? inode_find(core->tree.inodes, counting->top_id) : NULL;
}

/* Access is asked for once, when the count begins. */
static int resolve_to_count(struct core *core, struct op *op, const char *src, bool subtree,
                            const char *missing, struct inode **inode, int32_t *snapshot,
                            struct err *err)
{
    const struct perm_request wanted = {.subtree = ACTION_READ_EXECUTE};
    struct resolved path;
    int rc;

    op->audit_src = src;
    *snapshot = SNAPSHOT_CURRENT;
    *inode = counted_inode(core, op);
    if (*inode) return 0;
    rc = resolve_for(core, op, src, ACTION_NONE, &path, err);
    if (!rc && subtree && core->conf.permissions_enabled)
        rc = perm_check(core, op, &path, &wanted, err);
    if (rc) return rc;
    *inode = path.proper;
    *snapshot = path.snapshot;
    op->progress = NULL;
    return *inode ? 0 : err_set(err, ERR_NOT_FOUND, "%s does not exist: %s", missing, path.text);
}

static struct inode_quota quota_of(const struct core *core, const struct inode *inode)
{
    const struct inode_quota *quota =
        inode_is_dir(inode) ? inode_quota(core->tree.inodes, inode) : NULL;
    struct inode_quota none = {.names = inode == core->tree.root ? QUOTA_NS_ROOT : QUOTA_NONE,
                               .space = QUOTA_NONE};

    if (quota) return *quota;
    for (size_t i = 0; i < ARRAY_LEN(none.type_space); i++) none.type_space[i] = QUOTA_NONE;
    return none;
}

/* Quotas by medium in StorageType's order; NULL when there is neither quota nor use. */
static Pb__StorageTypeQuotaInfos *type_infos(struct op *op, const struct inode_quota *quota,
                                             const uint64_t used[7])
{
    static const Pb__StorageType order[] = {PB__STORAGE_TYPE__SSD, PB__STORAGE_TYPE__DISK,
                                            PB__STORAGE_TYPE__ARCHIVE, PB__STORAGE_TYPE__PROVIDED,
                                            PB__STORAGE_TYPE__NVDIMM};
    Pb__StorageTypeQuotaInfos *infos = arena_alloc(op->arena, sizeof *infos);
    bool any = false;

    pb__storage_type_quota_infos__init(infos);
    infos->typequotainfo = ARENA_ARRAY(op->arena, Pb__StorageTypeQuotaInfo *, ARRAY_LEN(order));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        Pb__StorageTypeQuotaInfo *info = arena_alloc(op->arena, sizeof *info);

        pb__storage_type_quota_info__init(info);
        info->has_type = true;
        info->type = order[i];
        info->quota = (uint64_t)quota->type_space[order[i]];
        info->consumed = used[order[i]];
        any |= quota->type_space[order[i]] > 0 || used[order[i]] > 0;
        infos->typequotainfo[infos->n_typequotainfo++] = info;
    }
    return any ? infos : NULL;
}

int op_get_content_summary(struct core *core, struct op *op,
                           const Pb__GetContentSummaryRequest *request,
                           Pb__GetContentSummaryResponse *response, struct err *err)
{
    struct summary summary = {0}, former = {0};
    struct inode *inode;
    int32_t snapshot;
    int rc = resolve_to_count(core, op, request->path, false, "File", &inode, &snapshot, err);

    if (!rc && snapshot != SNAPSHOT_CURRENT)
        rc = count_seen(core, op, inode, snapshot, &summary, err);
    else if (!rc)
        rc = summarize(core, op, inode, &summary, &former, err);
    if (rc) return rc;
    struct inode_quota quota = quota_of(core, snapshot_attributes(&core->tree, inode, snapshot));
    Pb__ContentSummary *out = response->summary = arena_alloc(op->arena, sizeof *out);
    pb__content_summary__init(out);
    out->length = summary.length;
    out->filecount = summary.files;
    out->directorycount = summary.directories;
    out->quota = (uint64_t)quota.names;
    out->spaceconsumed = summary.space;
    out->spacequota = (uint64_t)quota.space;
    out->typequotainfos = type_infos(op, &quota, summary.type_space);
    out->has_snapshotlength = out->has_snapshotfilecount = true;
    out->has_snapshotdirectorycount = out->has_snapshotspaceconsumed = true;
    out->snapshotlength = former.length;
    out->snapshotfilecount = former.files;
    out->snapshotdirectorycount = former.directories;
    out->snapshotspaceconsumed = former.space;
    out->erasurecodingpolicy = (char *)(inode_is_file(inode) ? "Replicated" : "");
    return 0;
}

/* What a directory with a quota keeps; without one nothing is kept: count. */
static int quota_usage_of(struct core *core, struct op *op, struct inode *inode, int32_t snapshot,
                          Pb__QuotaUsage *out, uint64_t type_space[7], struct err *err)
{
    const struct quota_usage *usage =
        inode_is_dir(inode) ? inode_usage(core->tree.inodes, inode) : NULL;
    struct summary summary = {0}, former;
    int rc;

    if (usage && snapshot == SNAPSHOT_CURRENT) {
        for (size_t i = 0; i < ARRAY_LEN(usage->type_space); i++)
            type_space[i] = (uint64_t)usage->type_space[i];
        out->fileanddirectorycount = (uint64_t)usage->names;
        out->spaceconsumed = (uint64_t)usage->space;
        return 0;
    }
    rc = snapshot == SNAPSHOT_CURRENT ? summarize(core, op, inode, &summary, &former, err)
                                      : count_seen(core, op, inode, snapshot, &summary, err);
    memcpy(type_space, summary.type_space, sizeof summary.type_space);
    out->fileanddirectorycount = summary.files + summary.directories;
    out->spaceconsumed = summary.space;
    return rc;
}

int op_get_quota_usage(struct core *core, struct op *op, const Pb__GetQuotaUsageRequest *request,
                       Pb__GetQuotaUsageResponse *response, struct err *err)
{
    uint64_t type_space[7] = {0};
    struct inode *inode;
    int32_t snapshot;
    int rc =
        resolve_to_count(core, op, request->path, true, "File/Directory", &inode, &snapshot, err);

    if (rc) return rc;
    Pb__QuotaUsage *out = response->usage = arena_alloc(op->arena, sizeof *out);
    pb__quota_usage__init(out);
    rc = quota_usage_of(core, op, inode, snapshot, out, type_space, err);
    if (rc) return rc;
    struct inode_quota quota = quota_of(core, snapshot_attributes(&core->tree, inode, snapshot));
    out->quota = (uint64_t)quota.names;
    out->spacequota = (uint64_t)quota.space;
    out->typequotainfos = type_infos(op, &quota, type_space);
    return 0;
}

/* ---- defaults ---- */

int op_get_server_defaults(struct core *core, struct op *op,
                           const Pb__GetServerDefaultsRequest *request,
                           Pb__GetServerDefaultsResponse *response, struct err *err)
{
    const struct core_conf *conf = &core->conf;
    Pb__FsServerDefaults *out = response->serverdefaults = arena_alloc(op->arena, sizeof *out);

    (void)request;
    (void)err;
    pb__fs_server_defaults__init(out);
    out->blocksize = conf->block_size;
    out->bytesperchecksum = conf->bytes_per_checksum;
    out->writepacketsize = conf->write_packet_size;
    out->replication = conf->replication;
    out->filebuffersize = conf->file_buffer_size;
    out->has_encryptdatatransfer = out->has_trashinterval = out->has_checksumtype = true;
    out->trashinterval = conf->trash_interval_minutes;
    out->checksumtype = (Pb__ChecksumType)conf->checksum_type;
    out->keyprovideruri = (char *)""; /* absent would mean: ask your own settings */
    out->has_policyid = out->has_snapshottrashrootenabled = true;
    out->policyid = conf->storage_policy;
    out->snapshottrashrootenabled = conf->snapshot_trash_root;
    return 0;
}

/* Without encryption zones every path's root is the root. */
int op_get_enclosing_root(struct core *core, struct op *op,
                          const Pb__GetEnclosingRootRequest *request,
                          Pb__GetEnclosingRootResponse *response, struct err *err)
{
    struct resolved path;
    int rc =
        resolve_for(core, op, request->filename ? request->filename : "", ACTION_READ, &path, err);

    response->enclosingrootpath = (char *)"/";
    return rc;
}
