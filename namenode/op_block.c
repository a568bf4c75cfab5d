/* The blocks of a file being written: new ones, pipelines, recoveries (FSDirWriteFileOp, FSNamesystem.updatePipeline, commitBlockSynchronization). */
#include "common/log.h"
#include "namenode/handlers.h"
#include "namenode/located.h"
#include "namenode/open_file.h"
#include "namenode/placement.h"
#include "namenode/quota.h"
#include "namenode/storage_policy.h"

enum { TARGETS_MAX = 512, NODES_MAX = 4096 };

static const char *const state_names[] = {"COMPLETE", "UNDER_CONSTRUCTION", "UNDER_RECOVERY",
                                          "COMMITTED"};

/* Datanodes that a request names; unknown ones are passed over. */
static struct datanode **named_datanodes(struct core *core, struct arena *arena,
                                         Pb__DatanodeInfo *const *infos, size_t count,
                                         size_t *found)
{
    count = MIN(count, (size_t)NODES_MAX);
    struct datanode **out = ARENA_ARRAY(arena, struct datanode *, MAX(count, (size_t)1));

    *found = 0;
    for (size_t i = 0; i < count; i++) {
        struct datanode *dn = dn_find(&core->datanodes, infos[i]->id->datanodeuuid);
        if (!dn && infos[i]->id->xferport <= UINT16_MAX)
            dn = dn_find_address(&core->datanodes, infos[i]->id->ipaddr,
                                 (uint16_t)infos[i]->id->xferport);
        if (dn) out[(*found)++] = dn;
    }
    return out;
}

/* "host:port" texts of favoured nodes. */
static struct datanode **favored_datanodes(struct core *core, struct arena *arena,
                                           char *const *names, size_t count, size_t *found)
{
    count = MIN(count, (size_t)NODES_MAX);
    struct datanode **out = ARENA_ARRAY(arena, struct datanode *, MAX(count, (size_t)1));

    *found = 0;
    for (size_t i = 0; i < count; i++) {
        char *host = arena_strdup(arena, names[i]), *colon = strrchr(host, ':');
        struct datanode *dn = NULL;
        if (colon) {
            *colon = '\0';
            unsigned long port = strtoul(colon + 1, NULL, 10);
            if (port && port <= UINT16_MAX)
                dn = dn_find_address(&core->datanodes, host, (uint16_t)port);
        }
        if (!dn) dn = dn_find_host(&core->datanodes, host);
        if (dn) out[(*found)++] = dn;
    }
    return out;
}

/* Storages named by parallel lists of datanode ids and storage ids. Without storage ids, or for an id that is not known there, the node's first
 * storage serves (old clients). */
static size_t named_storages(struct core *core, Pb__DatanodeID *const *nodes, size_t count,
                             char *const *storage_ids, size_t storage_count, struct storage **out)
{
    size_t found = 0;

    for (size_t i = 0; i < MIN(count, (size_t)TARGETS_MAX); i++) {
        struct datanode *dn = dn_find(&core->datanodes, nodes[i]->datanodeuuid);
        struct storage *storage = NULL;
        if (!dn) continue;
        if (i < storage_count) storage = dn_find_storage(dn, storage_ids[i]);
        if (!storage && !storage_count) storage = LIST_FIRST(&dn->storages);
        if (storage) out[found++] = storage;
    }
    return found;
}

/* ---- addBlock ---- */

enum previous_kind { PREVIOUS_IS_LAST, PREVIOUS_RETRY };

static bool same_stamp(const struct block_id *id, const struct block *block)
{
    if (!id || !block) return !id && !block;
    return id->id == block->id && id->generation_stamp == block->generation_stamp;
}

/* FSDirWriteFileOp.analyzeFileState: is `previous` the file's last block, or does a client repeat a call whose answer was lost? */
static int analyze_previous(struct core *core, struct op *op, struct inode *file, const char *path,
                            const struct block_id *previous, enum previous_kind *kind,
                            struct err *err)
{
    struct block *last = inode_last_block(file), *penultimate = inode_penultimate_block(file);

    *kind = PREVIOUS_IS_LAST;
    if (same_stamp(previous, last)) return 0;
    struct block_id last_id = last ? block_name(last) : (struct block_id){0};
    if (!previous && last && block_is_complete(last) &&
        last->length >= inode_block_size(core->tree.inodes, file))
        return 0;
    if (last && same_stamp(previous, penultimate)) {
        if (last->length)
            return err_set(
                err, ERR_IO,
                "Request looked like a retry to allocate block %s but it already contains %" PRIu64
                " bytes",
                block_id_text(&last_id, op->arena), (uint64_t)last->length);
        *kind = PREVIOUS_RETRY;
        return 0;
    }
    return err_set(err, ERR_IO,
                   "Cannot allocate block in %s: passed 'previous' block %s does not match actual "
                   "last block in file %s",
                   path,
                   previous ? extended_block_text(core->identity.block_pool_id, previous, op->arena)
                            : "null",
                   last ? block_id_text(&last_id, op->arena) : "null");
}

static int choose_targets(struct core *core, struct op *op, const Pb__AddBlockRequest *request,
                          const struct inode *file, const char *path, struct storage **targets,
                          size_t *count, struct err *err)
{
    struct placement_refusals refusals = {0};
    size_t excluded_count, favored_count;
    struct datanode **excluded = named_datanodes(core, op->arena, request->excludenodes,
                                                 request->n_excludenodes, &excluded_count);
    struct datanode **favored = favored_datanodes(core, op->arena, request->favorednodes,
                                                  request->n_favorednodes, &favored_count);
    struct placement_request wanted = {
        .writer_host = lease_machine(core->leases, file->id),
        .wanted = inode_replication(file),
        .block_size = inode_block_size(core->tree.inodes, file),
        .storage_policy = storage_policy_effective(core->tree.inodes, file),
        .excluded = excluded,
        .excluded_count = excluded_count,
        .favored = favored,
        .favored_count = favored_count,
    };

    for (size_t i = 0; i < request->n_flags; i++) {
        if (request->flags[i] == PB__ADD_BLOCK_FLAG__NO_LOCAL_WRITE) wanted.no_local_write = true;
        if (request->flags[i] == PB__ADD_BLOCK_FLAG__IGNORE_CLIENT_LOCALITY)
            wanted.ignore_client_locality = true;
    }
    *count = placement_choose(core, &wanted, targets, &refusals);
    if (*count >= core->conf.replication_min) return 0;
    size_t passed_over = dn_live_count(core); /* whom Apache's choice came by is excluded, too */
    for (size_t i = 0; i < excluded_count; i++) passed_over += !excluded[i]->alive;
    return err_set(err, ERR_IO,
                   "File %s could only be written to %zu of the %u minReplication nodes. There are "
                   "%u datanode(s) running and %zu node(s) are "
                   "excluded in this operation.%s%s",
                   path, *count, core->conf.replication_min, dn_live_count(core), passed_over,
                   refusals.detail[0] ? " Refused: " : "", refusals.detail);
}

/* The records of a new last block: id, stamp, block. */
static struct block *allocate_block(struct core *core, struct op *op, struct inode *file,
                                    const char *path)
{
    struct block *previous = inode_last_block(file);
    struct edit id = {.op = EDIT_ALLOCATE_BLOCK_ID, .value = blocks_next_id(core)};
    core_edit(core, &id);
    struct edit stamp = {.op = EDIT_SET_GENSTAMP_V2, .value = blocks_next_generation_stamp(core)};
    core_edit(core, &stamp);

    struct block_id *ids = ARENA_ARRAY(op->arena, struct block_id, 2);
    uint32_t count = 0;
    if (previous) ids[count++] = block_name(previous);
    ids[count++] = (struct block_id){.id = id.value, .generation_stamp = stamp.value};
    struct edit add = {
        .op = EDIT_ADD_BLOCK, .path = path, .blocks = ids, .block_count = count, .inode = file};
    core_edit(core, &add);
    return inode_last_block(file);
}

int op_add_block(struct core *core, struct op *op, const Pb__AddBlockRequest *request,
                 Pb__AddBlockResponse *response, struct err *err)
{
    struct storage *targets[TARGETS_MAX];
    struct block_id previous_id = {0}, *previous = NULL;
    enum previous_kind kind;
    struct inode *file;
    const char *path;
    size_t count;
    int rc;

    op->audit_skip = true;
    rc = located_check_pool(core, request->previous, err);
    if (rc) return rc;
    if (request->previous) {
        previous_id = located_block_id(request->previous);
        previous = &previous_id;
    }
    rc = open_file_locate(core, op, request->src, request->fileid, &file, &path, err);
    if (rc) return rc;
    rc = op_check_not_safemode(core, arena_printf(op->arena, "Cannot add block to %s", path), err);
    if (rc) return rc;
    rc = open_file_check_lease(core, op, file, path, request->fileid, request->clientname, err);
    if (rc) return rc;
    if (file->striped)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is erasure coded: this version keeps such files, but writes none. Write "
                       "it with whole replicas, or in a directory whose policy is \"replication\"",
                       path);
    rc = analyze_previous(core, op, file, path, previous, &kind, err);
    if (rc) return rc;
    struct block *last = inode_last_block(file);
    if (kind == PREVIOUS_RETRY) {
        count = blocks_expected(core, last, targets, TARGETS_MAX);
        if (!count) {
            rc = choose_targets(core, op, request, file, path, targets, &count, err);
            if (rc) return rc;
            blocks_set_expected(core, last, targets, count);
        }
    } else {
        if (!open_file_progressed(file, false))
            return err_set(err, ERR_NOT_REPLICATED_YET, "Not replicated yet: %s", path);
        if (file->block_count >= core->conf.max_blocks_per_file)
            return err_set(err, ERR_IO,
                           "File has reached the limit on maximum number of blocks "
                           "(dfs.namenode.fs-limits.max-blocks-per-file): %u >= %u",
                           file->block_count, core->conf.max_blocks_per_file);
        rc = choose_targets(core, op, request, file, path, targets, &count, err);
        if (rc) return rc;
        rc = quota_check_space(core, file, (int64_t)inode_block_size(core->tree.inodes, file), err);
        if (rc) return rc;
        rc = open_file_commit_last(core, file, previous, err);
        if (rc) return rc;
        last = allocate_block(core, op, file, path);
        blocks_set_expected(core, last, targets, count);
    }
    struct block_id id = block_name(last);
    response->block = located_block_make(core, &id, targets, count,
                                         inode_length(file, true) - last->length, op->arena);
    return 0;
}

int op_abandon_block(struct core *core, struct op *op, const Pb__AbandonBlockRequest *request,
                     Pb__AbandonBlockResponse *response UNUSED, struct err *err)
{
    struct inode *file;
    const char *path;
    int rc = op_check_not_safemode(
        core,
        arena_printf(op->arena, "Cannot abandon block blk_%" PRId64 "_%" PRIu64 " for file%s",
                     (int64_t)request->b->blockid, request->b->generationstamp, request->src),
        err);

    op->audit_skip = true;
    if (rc) return rc;
    rc = open_file_locate(core, op, request->src, request->fileid, &file, &path, err);
    if (rc) return rc;
    rc = open_file_check_lease(core, op, file, path, request->fileid, request->holder, err);
    if (rc) return rc;
    struct block *last = inode_last_block(file);
    if (!last || last->id != request->b->blockid || block_is_complete(last)) return 0;
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = path,
                        .blocks = open_file_block_ids(file, op->arena),
                        .block_count = file->block_count - 1,
                        .inode = file};
    core_edit(core, &edit);
    return 0;
}

int op_get_additional_datanode(struct core *core, struct op *op,
                               const Pb__GetAdditionalDatanodeRequest *request,
                               Pb__GetAdditionalDatanodeResponse *response, struct err *err)
{
    struct storage *targets[TARGETS_MAX], *existing[TARGETS_MAX];
    struct placement_refusals refusals = {0};
    struct inode *file;
    const char *path;
    size_t excluded_count, existing_count = 0, node_count;
    int rc;

    op->audit_skip = true;
    rc = located_check_pool(core, request->blk, err);
    if (rc) return rc;
    rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot add datanode; src=%s", request->src), err);
    if (rc) return rc;
    rc = open_file_locate(core, op, request->src, request->fileid, &file, &path, err);
    if (rc) return rc;
    rc = open_file_check_lease(core, op, file, path, request->fileid, request->clientname, err);
    if (rc) return rc;
    struct datanode **nodes =
        named_datanodes(core, op->arena, request->existings, request->n_existings, &node_count);
    for (size_t i = 0; i < MIN(node_count, (size_t)TARGETS_MAX); i++) {
        struct storage *storage = i < request->n_existingstorageuuids
                                      ? dn_find_storage(nodes[i], request->existingstorageuuids[i])
                                      : NULL;
        if (!storage) storage = LIST_FIRST(&nodes[i]->storages);
        if (storage) existing[existing_count++] = storage;
    }
    struct datanode **excluded =
        named_datanodes(core, op->arena, request->excludes, request->n_excludes, &excluded_count);
    struct placement_request wanted = {
        .writer_host = op->client_ip,
        .wanted = MIN(request->numadditionalnodes, (uint32_t)TARGETS_MAX),
        .block_size = inode_block_size(core->tree.inodes, file),
        .storage_policy = storage_policy_effective(core->tree.inodes, file),
        .existing = existing,
        .existing_count = existing_count,
        .excluded = excluded,
        .excluded_count = excluded_count,
    };
    size_t count = placement_choose(core, &wanted, targets, &refusals);
    struct block_id id = located_block_id(request->blk);
    /* All of them, the old first: DataStreamer finds the new one by comparing. */
    size_t total = MIN(existing_count + count, (size_t)TARGETS_MAX);
    memcpy(existing + existing_count, targets, (total - existing_count) * sizeof *targets);
    response->block = located_block_make(core, &id, existing, total, UINT64_MAX, op->arena);
    return 0;
}

/* ---- pipelines ---- */

/* FSNamesystem.checkUCBlock: the caller is writing this block. */
static int check_uc_block(struct core *core, struct op *op, const Pb__ExtendedBlock *named,
                          const char *client, struct block **block, struct inode **file,
                          struct err *err)
{
    int rc = located_check_pool(core, named, err);
    if (rc) return rc;
    struct block_id id = located_block_id(named);
    const char *text = extended_block_text(named->poolid, &id, op->arena);
    rc = op_check_not_safemode(
        core,
        arena_printf(op->arena,
                     "Cannot get a new generation stamp and an access token for block %s", text),
        err);
    if (rc) return rc;
    *block = block_find(core->blocks, id.id);
    if (!*block) return err_set(err, ERR_IO, "%s does not exist.", text);
    if ((*block)->state != BLOCK_UNDER_CONSTRUCTION)
        return err_set(err, ERR_IO, "Unexpected BlockUCState: %s is %s but not UNDER_CONSTRUCTION",
                       text, state_names[(*block)->state]);
    *file = (*block)->inode ? inode_at(core->tree.inodes, (*block)->inode) : NULL;
    if (!*file || !(*file)->under_construction)
        return err_set(err, ERR_IO,
                       "The file %s belonged to does not exist or it is not under construction.",
                       text);
    const char *holder = lease_holder(core->leases, (*file)->id);
    if (!holder || !str_eq(holder, client))
        return err_set(err, ERR_LEASE_EXPIRED,
                       "Lease mismatch: %s is accessed by a non lease holder %s", text, client);
    return 0;
}

int op_update_block_for_pipeline(struct core *core, struct op *op,
                                 const Pb__UpdateBlockForPipelineRequest *request,
                                 Pb__UpdateBlockForPipelineResponse *response, struct err *err)
{
    struct block *block;
    struct inode *file;
    int rc = check_uc_block(core, op, request->block, request->clientname, &block, &file, err);

    op->audit_skip = true;
    if (rc) return rc;
    struct edit stamp = {.op = EDIT_SET_GENSTAMP_V2, .value = blocks_next_generation_stamp(core)};
    core_edit(core, &stamp);
    struct block_id id = located_block_id(request->block);
    id.generation_stamp = stamp.value;
    response->block = located_block_make(core, &id, NULL, 0, UINT64_MAX, op->arena);
    return 0;
}

int op_update_pipeline(struct core *core, struct op *op, const Pb__UpdatePipelineRequest *request,
                       Pb__UpdatePipelineResponse *response UNUSED, struct err *err)
{
    struct storage *storages[TARGETS_MAX];
    struct block *block;
    struct inode *file;

    op->audit_skip = true;
    int rc = check_uc_block(core, op, request->oldblock, request->clientname, &block, &file, err);
    if (rc) return rc;
    struct block_id old_id = located_block_id(request->oldblock),
                    new_id = located_block_id(request->newblock), stored = block_name(block);
    const char *old_text = extended_block_text(request->oldblock->poolid, &old_id, op->arena);
    const char *new_text = extended_block_text(request->newblock->poolid, &new_id, op->arena);
    if (new_id.id != old_id.id || block != inode_last_block(file))
        return err_set(err, ERR_IO, "%s and %s has different block identifier", new_text, old_text);
    if (new_id.generation_stamp <= block->generation_stamp ||
        new_id.generation_stamp > core->generation_stamp)
        return err_set(err, ERR_IO,
                       "Update %s but the new block %s does not have a larger generation stamp "
                       "than the last block %s",
                       old_text, new_text, block_id_text(&stored, op->arena));
    if (new_id.length < block->length)
        return err_set(err, ERR_IO,
                       "Update %s (size=%" PRIu64 ") to a smaller size block %s (size=%" PRIu64 ")",
                       old_text, old_id.length, new_text, new_id.length);
    if (new_id.length > inode_block_size(core->tree.inodes, file))
        return err_set(err, ERR_IO,
                       "Update %s to a block %s that is longer (size=%" PRIu64
                       ") than the file's block size %" PRIu64,
                       old_text, new_text, new_id.length,
                       inode_block_size(core->tree.inodes, file));
    struct block_id *ids = arena_copy(op->arena, open_file_block_ids(file, op->arena),
                                      sizeof *ids * file->block_count);
    ids[file->block_count - 1] = new_id;
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = tree_path_of(&core->tree, file, op->arena),
                        .blocks = ids,
                        .block_count = file->block_count,
                        .inode = file};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    size_t count = named_storages(core, request->newnodes, request->n_newnodes, request->storageids,
                                  request->n_storageids, storages);
    blocks_set_expected(core, block, storages, count);
    return 0;
}

/* ---- end of a block recovery ---- */

static void recovered(struct core *core, struct op *op, struct inode *file, struct block *block,
                      const char *path, const Pb__CommitBlockSynchronizationRequest *request)
{
    struct storage *storages[TARGETS_MAX];
    struct block_id id = {
        .id = block->id, .generation_stamp = request->newgenstamp, .length = request->newlength};
    size_t count =
        named_storages(core, request->newtaragets, request->n_newtaragets,
                       request->newtargetstorages, request->n_newtargetstorages, storages);

    struct quota_mark mark = quota_mark(core, file);

    blocks_update(core, block, &id);
    blocks_set_recovered(core, block, storages, count);
    if (request->closefile && !block_is_complete(block) && !blocks_commit(core, block, &id))
        blocks_force_complete(core, block);
    quota_settle(core, file, &mark);
    if (request->closefile) {
        open_file_close(core, file, op->arena);
        return;
    }
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = path,
                        .blocks = open_file_block_ids(file, op->arena),
                        .block_count = file->block_count,
                        .inode = file};
    core_edit(core, &edit);
}

static void drop_unrecoverable(struct core *core, struct op *op, struct inode *file,
                               const char *path, bool close)
{
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = path,
                        .blocks = open_file_block_ids(file, op->arena),
                        .block_count = file->block_count - 1,
                        .inode = file};

    core_edit(core, &edit);
    if (close && open_file_progressed(file, true)) open_file_close(core, file, op->arena);
}

int op_commit_block_synchronization(struct core *core, struct op *op,
                                    const Pb__CommitBlockSynchronizationRequest *request,
                                    Pb__CommitBlockSynchronizationResponse *response UNUSED,
                                    struct err *err)
{
    struct block_id old_id = located_block_id(request->block);
    const char *text = extended_block_text(request->block->poolid, &old_id, op->arena);

    op->audit_skip = true;
    int rc = located_check_pool(core, request->block, err);
    if (rc) return rc;
    rc = op_check_not_safemode(core, "Cannot commitBlockSynchronization while in safe mode", err);
    if (rc) return rc;
    struct block *block = block_find(core->blocks, old_id.id);
    if (!block)
        return request->deleteblock ? 0 : err_set(err, ERR_IO, "Block (=%s) not found", text);
    struct inode *file = block->inode ? inode_at(core->tree.inodes, block->inode) : NULL;
    const char *path = file ? tree_path_of(&core->tree, file, op->arena) : NULL;
    if (!path)
        return err_set(err, ERR_IO,
                       "The blockCollection of %s is null, likely because the file owning this "
                       "block was deleted and the block removal is delayed",
                       text);
    rc = open_file_check_path(path, err);
    if (rc) return rc;
    if (!file->under_construction || block_is_complete(block)) return 0; /* a repeat */
    if (block != inode_last_block(file))
        return err_set(err, ERR_IO, "Block (=%s) is not the last block of %s", text, path);
    uint64_t recovery_id = blocks_recovery_id(core, block);
    if (!recovery_id || recovery_id != request->newgenstamp)
        return err_set(err, ERR_IO,
                       "The recovery id %" PRIu64 " does not match current recovery id %" PRIu64
                       " for block %s",
                       request->newgenstamp, recovery_id, text);
    if (request->newlength > INT64_C(1) << 43)
        return err_set(err, ERR_IO, "Block (=%s) cannot have the length %" PRIu64, text,
                       request->newlength);
    if (request->closefile && !request->deleteblock && !open_file_progressed(file, false))
        return err_set(err, ERR_IO,
                       "%s cannot be closed yet: a block before its last %s still waits for its "
                       "first replica. The recovery is repeated",
                       path, text);
    if (request->deleteblock)
        drop_unrecoverable(core, op, file, path, request->closefile);
    else
        recovered(core, op, file, block, path, request);
    log_info("commitBlockSynchronization(oldBlock=%s, file=%s, newgenerationstamp=%" PRIu64
             ", newlength=%" PRIu64 ") successful",
             text, path, request->newgenstamp, request->newlength);
    return 0;
}
