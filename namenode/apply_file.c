#include "namenode/apply_file.h"

#include "namenode/apply_attr.h"
#include "namenode/apply_tree.h"
#include "namenode/core.h"
#include "namenode/ec_policy.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"

static int find_file(struct core *core, const struct edit *edit, struct inode **file,
                     struct err *err)
{
    int rc = apply_find(core, edit, file, err);

    if (!rc && !inode_is_file(*file)) return apply_misfit(edit, err, "not a file");
    return rc;
}

static void make_complete(struct core *core, struct block *block)
{
    if (!block_is_complete(block)) blocks_force_complete(core, block);
}

static struct block *add_last_block(struct core *core, struct inode *file,
                                    const struct block_id *id, enum block_state state)
{
    struct block *block = blocks_add(core, file, id, state);

    inode_append_block(file, block);
    if (!BLOCK_ID_IS_STRIPED(id->id)) core->block_id_last = MAX(core->block_id_last, id->id);
    return block;
}

static void raise_generation_stamp(struct core *core, uint64_t stamp)
{
    core->generation_stamp = MAX(core->generation_stamp, stamp);
}

/* FSEditLogLoader.updateBlocks: the record's list is the file's list, give or take a last block. */
static int merge_blocks(struct core *core, const struct edit *edit, struct inode *file,
                        bool complete_last, struct err *err)
{
    uint32_t old_count = file->block_count, common = MIN(old_count, edit->block_count);

    for (uint32_t i = 0; i < common; i++) {
        struct block *block = inode_block(file, i);
        const struct block_id *id = &edit->blocks[i];
        bool last = i == edit->block_count - 1;

        if (block->id != id->id || (block->generation_stamp != id->generation_stamp &&
                                    !(last && old_count == edit->block_count)))
            return apply_misfit(edit, err, "mismatched block ids or generation stamps");
        if (block->length != id->length || block->generation_stamp != id->generation_stamp)
            blocks_update(core, block, id);
        raise_generation_stamp(core, id->generation_stamp);
        if (core->replaying && (!last || complete_last)) make_complete(core, block);
    }
    if (edit->block_count < old_count) {
        if (!file->under_construction)
            return apply_misfit(edit, err, "a block would leave a closed file");
        if (edit->block_count + 1 != old_count)
            return apply_misfit(edit, err, "more than one block would leave the file");
        blocks_remove(core, inode_drop_last_block(file));
    }
    for (uint32_t i = old_count; i < edit->block_count; i++)
        add_last_block(core, file, &edit->blocks[i],
                       complete_last ? BLOCK_COMPLETE : BLOCK_UNDER_CONSTRUCTION);
    return 0;
}

static int update_blocks(struct core *core, const struct edit *edit, struct inode *file,
                         bool complete_last, struct err *err)
{
    struct quota_mark mark = quota_mark(core, file);
    int rc = merge_blocks(core, edit, file, complete_last, err);

    quota_settle(core, file, &mark);
    return rc;
}

static void open_for_writing(struct core *core, struct inode *file, const char *client,
                             const char *machine)
{
    file->under_construction = 1;
    lease_add(core->leases, file->id, client, machine, core->now_ms);
}

static int make_file(struct core *core, const struct edit *edit, const struct resolved *path,
                     struct inode **out, struct err *err)
{
    if (!path->parent || !inode_is_dir(path->parent))
        return apply_misfit(edit, err, "the parent directory is missing");
    if (inode_find_any(core->tree.inodes, edit->inode_id))
        return apply_misfit(edit, err, "the inode id is in use");
    if (path->last_length == 0 || path->last_length > INODE_NAME_MAX)
        return apply_misfit(edit, err, "bad name");

    struct inode *file = inode_new(core->tree.inodes, INODE_FILE, edit->inode_id);
    int rc = inode_set_block_size(core->tree.inodes, file, edit->block_size, err);
    if (rc) {
        inode_free(core->tree.inodes, file);
        return rc;
    }
    file->mode = edit->mode & INODE_MODE_MASK;
    file->striped = edit->ec_policy != 0;
    file->replication = file->striped ? edit->ec_policy : edit->replication;
    file->storage_policy = edit->storage_policy & 0xf;
    inode_set_owner(core->tree.inodes, file, edit->user, edit->group);
    inode_set_name(core->tree.inodes, file, path->last_name, path->last_length);
    tree_link(&core->tree, path->parent, file);
    snapshot_arrive(&core->tree, file);
    quota_linked(core, file);
    if (edit->mtime_ms > (int64_t)path->parent->mtime_ms) { /* never back */
        snapshot_keep(core, path->parent, false);
        path->parent->mtime_ms = (uint64_t)edit->mtime_ms;
    }
    core->tree.inode_id_last = MAX(core->tree.inode_id_last, edit->inode_id);
    *out = file;
    return 0;
}

int apply_add(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    struct resolved path;
    int rc = resolve_path(&core->tree, edit->path, &arena, &path, err);

    if (rc) goto out;
    struct inode *file = path.inode;
    if (file && !inode_is_file(file)) {
        rc = apply_misfit(edit, err, "it is not a file");
        goto out;
    }
    if (edit->ec_policy && !ec_policy_at(core->ec_policies, edit->ec_policy)) {
        rc = apply_misfit(edit, err, "there is no such erasure coding policy");
        goto out;
    }
    if (file && edit->overwrite) {
        tree_detach(core, file);
        file = NULL;
    }
    if (!file) {
        rc = make_file(core, edit, &path, &file, err);
        if (!rc) rc = apply_new_attributes(core, edit, file, err);
        if (rc) goto out;
        assert(file);
    } else if (!file->under_construction && file->block_count) { /* logs of old append() */
        struct block *last = inode_last_block(file);
        if (last->length < inode_block_size(core->tree.inodes, file)) blocks_reopen(core, last);
    }
    open_for_writing(core, file, edit->client_name, edit->client_machine);
    file->mtime_ms = (uint64_t)edit->mtime_ms;
    file->atime_ms = (uint64_t)edit->atime_ms;
    rc = update_blocks(core, edit, file, false, err);
out:
    arena_release(&arena);
    return rc;
}

int apply_close(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    if (rc) return rc;
    snapshot_keep(core, file, false);
    file->mtime_ms = (uint64_t)edit->mtime_ms;
    file->atime_ms = (uint64_t)edit->atime_ms;
    rc = update_blocks(core, edit, file, true, err);
    if (rc) return rc;
    lease_remove(core->leases, file->id);
    file->under_construction = 0;
    return 0;
}

int apply_add_block(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    if (rc) return rc;
    if (edit->block_count < 1 || edit->block_count > 2)
        return apply_misfit(edit, err, "it must carry one or two blocks");
    struct block *last = inode_last_block(file);
    if (edit->block_count == 2) {
        const struct block_id *previous = &edit->blocks[0];
        if (!last || last->id != previous->id ||
            last->generation_stamp != previous->generation_stamp)
            return apply_misfit(edit, err, "the file's last block is another one");
        if (last->length != previous->length) blocks_update(core, last, previous);
        if (core->replaying) make_complete(core, last);
    } else if (last) {
        return apply_misfit(edit, err, "the file has blocks already");
    }
    const struct block_id *added = &edit->blocks[edit->block_count - 1];
    if (block_find(core->blocks, added->id))
        return apply_misfit(edit, err, "the block id is in use");
    struct quota_mark mark = quota_mark(core, file);
    add_last_block(core, file, added, BLOCK_UNDER_CONSTRUCTION);
    quota_settle(core, file, &mark);
    return 0;
}

int apply_update_blocks(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    return rc ? rc : update_blocks(core, edit, file, false, err);
}

int apply_append(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    if (rc) return rc;
    if (file->under_construction) return 0;
    snapshot_keep(core, file, false);
    open_for_writing(core, file, edit->client_name, edit->client_machine);
    struct block *last = inode_last_block(file);
    if (last && !edit->new_block && last->length < inode_block_size(core->tree.inodes, file)) {
        struct quota_mark mark = quota_mark(core, file);
        blocks_reopen(core, last);
        quota_settle(core, file, &mark);
    }
    return 0;
}

/* Drops the blocks that lie wholly beyond `length`; answers the length that is left, which ends inside or at the end of the last block. */
static uint64_t drop_blocks_beyond(struct core *core, struct inode *file, uint64_t length)
{
    uint64_t left = inode_length(file, true);

    while (file->block_count) {
        struct block *last = inode_last_block(file);
        if (left - last->length < length || left == length) break;
        left -= last->length;
        uint32_t index = file->block_count - 1;
        inode_drop_last_block(file);
        if (!snapshot_holds_block(&core->tree, file, index, last)) blocks_remove(core, last);
    }
    return left;
}

static int truncate_file(struct core *core, const struct edit *edit, struct inode *file,
                         struct err *err)
{
    if (edit->value > inode_length(file, true))
        return apply_misfit(edit, err, "the new length is beyond the end");
    snapshot_keep(core, file, true);
    uint64_t left = drop_blocks_beyond(core, file, edit->value);
    file->mtime_ms = (uint64_t)edit->mtime_ms;
    if (left == edit->value) return 0;

    const struct block_id *cut = edit->blocks;
    struct block *last = inode_last_block(file);
    if (edit->block_count != 1)
        return apply_misfit(edit, err, "the cut runs through a block but none is given");
    if (cut->id != last->id)
        return err_set(err, ERR_UNSUPPORTED,
                       "edit %" PRIu64
                       " truncates %s by copy, which only snapshots and upgrades need",
                       edit->txid, edit->path);
    open_for_writing(core, file, edit->client_name, edit->client_machine);
    blocks_reopen(core, last);
    blocks_set_truncate(core, last, last->length - (left - edit->value));
    raise_generation_stamp(core, cut->generation_stamp);
    blocks_start_recovery(core, last, cut->generation_stamp, core->now_ms);
    return 0;
}

int apply_truncate(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    if (rc) return rc;
    struct quota_mark mark = quota_mark(core, file);
    rc = truncate_file(core, edit, file, err);
    quota_settle(core, file, &mark);
    return rc;
}

int apply_reassign_lease(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = find_file(core, edit, &file, err);

    if (rc) return rc;
    if (!file->under_construction) return apply_misfit(edit, err, "the file is closed");
    lease_reassign(core->leases, file->id, edit->new_holder, core->now_ms);
    return 0;
}

int apply_generation_stamp_v1(struct core *core, const struct edit *edit, struct err *err UNUSED)
{
    core->generation_stamp_v1 = MAX(core->generation_stamp_v1, edit->value);
    return 0;
}

int apply_generation_stamp(struct core *core, const struct edit *edit, struct err *err UNUSED)
{
    raise_generation_stamp(core, edit->value);
    return 0;
}

int apply_allocate_block_id(struct core *core, const struct edit *edit, struct err *err UNUSED)
{
    if (BLOCK_ID_IS_STRIPED(edit->value))
        core->striped_block_id_last = edit->value;
    else
        core->block_id_last = MAX(core->block_id_last, edit->value);
    return 0;
}
