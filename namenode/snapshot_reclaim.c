/*
 * What becomes of records whose snapshot was deleted, and of what a deleted tree holds that no snapshot saw
 * (INode.cleanSubtree, FileDiffList.combineAndCollectSnapshotBlocks; here per record instead of per tree).
 */
#include "common/mem.h"
#include "namenode/apply_tree.h"
#include "namenode/block.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"

/* ---- blocks of versions ---- */

static void drop_block(struct core *core, const struct inode *file, uint32_t index,
                       struct block *block)
{
    if (index < file->block_count && inode_block(file, index) == block) return;
    if (!snapshot_holds_block(&core->tree, file, index, block)) blocks_remove(core, block);
}

static uint32_t blocks_for(struct block *const *blocks, uint32_t count, uint64_t length)
{
    uint64_t end = 0;
    uint32_t needed = 0;

    while (needed < count && end < length) end += blocks[needed++]->length;
    return needed;
}

/* The version before takes over the list that it had in common with this one; what nobody has is removed. */
static void pass_on_blocks(struct core *core, struct inode *file, struct snapshot_version *version,
                           struct snapshot_version *before)
{
    struct block **blocks = version->blocks;
    uint32_t count = version->block_count;

    if (!version->has_blocks) return;
    version->blocks = NULL;
    version->block_count = 0;
    if (before && !before->has_blocks) {
        before->has_blocks = true;
        before->block_count = blocks_for(blocks, count, before->length);
        if (before->block_count)
            before->blocks = memcpy(mem_alloc(before->block_count * sizeof(struct block *)), blocks,
                                    before->block_count * sizeof(struct block *));
    }
    for (uint32_t i = count; i-- > 0;) drop_block(core, file, i, blocks[i]);
    mem_free(blocks);
}

/* How much of a kept file's last list of blocks is still seen: all of it when the file itself is, else as much as the longest
 * version without a list of its own. */
static uint64_t length_seen(const struct tree *tree, const struct inode *file)
{
    const struct snapshot_history *history = snapshot_history(tree, file);
    uint64_t length = 0;
    uint32_t i = history->version_count;

    if (!i ||
        history->versions[i - 1]->record.snapshot < snapshot_latest(tree, file, SNAPSHOT_CURRENT))
        return UINT64_MAX;
    for (; i-- > 0 && !history->versions[i]->has_blocks;)
        length = MAX(length, history->versions[i]->length);
    return length;
}

/* FileDiffList/INodeFile.collectBlocksBeyondMax */
static void trim_kept(struct core *core, struct inode *file)
{
    uint64_t seen, start;

    if (!snapshot_history(&core->tree, file)) return;
    seen = length_seen(&core->tree, file);
    start = inode_length(file, true);
    struct quota_mark mark = quota_mark(core, file);
    while (file->block_count) {
        struct block *last = inode_last_block(file);

        start -= last->length;
        if (start < seen) break;
        uint32_t index = file->block_count - 1;
        inode_drop_last_block(file);
        drop_block(core, file, index, last);
    }
    quota_settle(core, file, &mark);
}

/* ---- single records ---- */

static struct snapshot_version *version_before(const struct tree *tree,
                                               const struct snapshot_version *version)
{
    const struct snapshot_history *history =
        snapshot_history(tree, inode_at(tree->inodes, version->record.inode));
    uint32_t at = 0;

    while (history->versions[at] != version) at++;
    return at ? history->versions[at - 1] : NULL;
}

static void free_version(struct core *core, struct inode *inode, struct snapshot_version *version,
                         struct snapshot_version *before)
{
    struct inode *copy = version->copy;

    if (inode_is_file(inode)) {
        struct quota_mark mark = quota_mark(core, inode);
        pass_on_blocks(core, inode, version, before);
        quota_settle(core, inode, &mark);
    }
    snapshot_drop_version(&core->tree, version);
    if (copy) inode_free(core->tree.inodes, copy);
}

static void reclaim_version(struct core *core, struct snapshot_version *version)
{
    struct tree *tree = &core->tree;
    struct inode *inode = inode_at(tree->inodes, version->record.inode);
    struct snapshot_version *before = version_before(tree, version);
    int32_t latest = snapshot_latest(tree, inode, version->record.snapshot);

    if (latest != SNAPSHOT_NONE && (!before || before->record.snapshot < latest)) {
        snapshot_refile(tree, &version->record, latest);
        return;
    }
    free_version(core, inode, version, before);
    if (inode_is_file(inode) && !snapshot_is_live(tree, inode)) trim_kept(core, inode);
}

/* The inode has one entry less. It may have been the last, or its home. */
static void lose_entry(struct core *core, struct snapshot_entry *entry)
{
    struct tree *tree = &core->tree;
    struct inode *inode = inode_at(tree->inodes, entry->record.inode);
    const struct snapshot_history *history = snapshot_history(tree, inode);
    bool home = !inode->parent && (history->home == entry || history->place_count == 1);

    if (home) quota_unlinking(core, inode);
    snapshot_drop_entry(tree, entry);
    if (!home) return;
    if (snapshot_find_home(tree, inode)) {
        quota_linked(core, inode);
        snapshot_kept(core, inode);
    } else {
        tree_push_detached(core, inode);
    }
}

static void reclaim_entry(struct core *core, struct snapshot_entry *entry)
{
    struct tree *tree = &core->tree;
    int32_t latest = snapshot_latest(tree, inode_at(tree->inodes, entry->dir),
                                     MIN(entry->death, entry->record.snapshot));

    if (latest != SNAPSHOT_NONE && latest >= entry->birth)
        snapshot_refile(tree, &entry->record, latest);
    else
        lose_entry(core, entry);
}

/* A child that no snapshot of a kept directory sees. It may be kept for the sake of an earlier entry. */
static void cut_off(struct core *core, struct inode *child)
{
    struct tree *tree = &core->tree;

    quota_unlinking(core, child);
    snapshot_drop_birth(tree, child);
    tree_unlink(tree, child);
    if (snapshot_find_home(tree, child)) {
        quota_linked(core, child);
        inode_table_detached(tree->inodes, 1);
        snapshot_kept(core, child);
    } else {
        inode_table_detached(tree->inodes, 1);
        tree_push_detached(core, child);
    }
}

/* In a directory of today a birth counts while there is an older snapshot that covers it; in a kept one it is cut off when there is
 * no younger one. */
static void reclaim_birth(struct core *core, struct snapshot_birth *birth)
{
    struct tree *tree = &core->tree;
    struct inode *inode = inode_at(tree->inodes, birth->record.inode);
    struct inode *dir = inode_at(tree->inodes, inode->parent);
    int32_t latest = snapshot_latest(tree, dir, SNAPSHOT_CURRENT);

    if (!snapshot_is_live(tree, dir)) {
        if (latest == SNAPSHOT_NONE || latest < birth->birth)
            cut_off(core, inode);
        else
            snapshot_refile(tree, &birth->record, latest);
        return;
    }
    latest = snapshot_latest(tree, dir, birth->birth);
    if (latest == SNAPSHOT_NONE)
        snapshot_drop_birth(tree, inode);
    else
        snapshot_refile(tree, &birth->record, latest);
}

static void reclaim_record(struct core *core, struct snapshot_record *record)
{
    switch ((enum snapshot_record_kind)record->kind) {
    case SNAPSHOT_ENTRY:
        reclaim_entry(core, CONTAINER_OF(record, struct snapshot_entry, record));
        break;
    case SNAPSHOT_VERSION:
        reclaim_version(core, CONTAINER_OF(record, struct snapshot_version, record));
        break;
    case SNAPSHOT_BIRTH:
        reclaim_birth(core, CONTAINER_OF(record, struct snapshot_birth, record));
        break;
    }
}

/* ---- kept trees ---- */

static void push_prune(struct tree *tree, const struct inode *dir)
{
    struct snapshots *snapshots = tree->snapshots;

    GROW(snapshots->prune, snapshots->prune_capacity, snapshots->prune_count + 1);
    snapshots->prune[snapshots->prune_count++] = dir->id;
}

/* What a file with versions was last is a version from now on, so that it goes with its snapshot. */
static void keep_file(struct core *core, struct inode *file)
{
    const struct snapshot_history *history = snapshot_history(&core->tree, file);

    lease_remove(core->leases, file->id);
    if (!history || !history->version_count) return;
    snapshot_keep(core, file, false);
    trim_kept(core, file);
}

void snapshot_kept(struct core *core, struct inode *inode)
{
    if (inode_is_dir(inode))
        push_prune(&core->tree, inode);
    else if (inode_is_file(inode))
        keep_file(core, inode);
}

/* One directory: children that no snapshot saw go, births are filed anew, directories are looked through later. */
static void prune_dir(struct core *core, struct inode *dir, uint64_t *budget)
{
    struct tree *tree = &core->tree;
    int32_t latest = snapshot_latest(tree, dir, SNAPSHOT_CURRENT);
    struct inode *page[256];
    uint8_t after[INODE_NAME_MAX];
    size_t after_length = 0;
    uint64_t remaining = 1;

    while (remaining) {
        size_t count = dir_list(tree, dir, after, after_length, page, ARRAY_LEN(page), &remaining);

        if (!count) break;
        const uint8_t *name = inode_name(page[count - 1], &after_length);
        memcpy(after, name, after_length);
        *budget -= MIN(*budget, count);
        for (size_t i = 0; i < count; i++) {
            int32_t birth = snapshot_birth(tree, page[i]);

            if (latest < birth) {
                cut_off(core, page[i]);
                continue;
            }
            if (birth) snapshot_set_birth(tree, page[i], birth, latest);
            snapshot_kept(core, page[i]);
        }
    }
}

static void prune_next(struct core *core, uint64_t *budget)
{
    struct tree *tree = &core->tree;
    struct snapshots *snapshots = tree->snapshots;
    struct inode *dir = inode_find_any(tree->inodes, snapshots->prune[--snapshots->prune_count]);

    --*budget;
    if (!dir || snapshot_is_live(tree, dir)) return;
    if (snapshot_latest(tree, dir, SNAPSHOT_CURRENT) == SNAPSHOT_NONE)
        return; /* it is on its way out */
    prune_dir(core, dir, budget);
}

/* ---- all of it ---- */

/* Blocks that only versions have; those of the inode's list have been handed over before. */
static void forget_versions(struct core *core, struct inode *inode,
                            const struct snapshot_history *history)
{
    while (inode->has_history && history->version_count) {
        struct snapshot_version *version = history->versions[history->version_count - 1];

        free_version(core, inode, version, NULL);
    }
}

void snapshot_forget(struct core *core, struct inode *inode)
{
    struct tree *tree = &core->tree;
    const struct snapshot_history *history = snapshot_history(tree, inode);

    if (!history) return;
    assert(!history->place_count);
    snapshot_disallow(tree, inode);
    if (inode->has_history) snapshot_drop_birth(tree, inode);
    if (inode->has_history) forget_versions(core, inode, history);
    while (inode->has_history && history->entry_count)
        lose_entry(core, history->entries[history->entry_count - 1]);
    assert(!inode->has_history);
}

bool snapshot_reclaim(struct core *core, uint64_t *budget)
{
    struct snapshots *snapshots = core->tree.snapshots;
    struct snapshot *dying;

    while (*budget && (dying = TAILQ_FIRST(&snapshots->dying))) {
        struct snapshot_record *record = TAILQ_FIRST(&dying->records);

        if (record) {
            reclaim_record(core, record);
            --*budget;
            continue;
        }
        TAILQ_REMOVE(&snapshots->dying, dying, dying);
        HASH_DEL(snapshots->by_id, dying);
        mem_free(dying);
    }
    while (*budget && snapshots->prune_count) prune_next(core, budget);
    return !TAILQ_EMPTY(&snapshots->dying) || snapshots->prune_count;
}
