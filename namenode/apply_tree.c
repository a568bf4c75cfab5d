#include "namenode/apply_tree.h"

#include "common/mem.h"
#include "namenode/apply_attr.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"

int apply_misfit(const struct edit *edit, struct err *err, const char *why)
{
    return err_set(err, ERR_CORRUPT,
                   "edit %" PRIu64 " (op %u) on %s does not fit the namespace: %s", edit->txid,
                   edit->op, edit->path ? edit->path : "-", why);
}

/* ---- finding ---- */

static int resolve(struct core *core, const struct edit *edit, const char *path,
                   struct arena *arena, struct resolved *out, struct err *err)
{
    struct err detail = ERR_INIT;

    if (!path) return apply_misfit(edit, err, "the record has no path");
    if (resolve_path(&core->tree, path, arena, out, &detail))
        return apply_misfit(edit, err, detail.text);
    return 0;
}

int apply_find(struct core *core, const struct edit *edit, struct inode **out, struct err *err)
{
    struct arena arena = {0};
    struct resolved path;
    int rc;

    *out = edit->inode;
    if (*out) return 0;
    rc = resolve(core, edit, edit->path, &arena, &path, err);
    if (!rc) *out = path.inode;
    arena_release(&arena);
    if (rc) return rc;
    return *out ? 0 : apply_misfit(edit, err, "no such file or directory");
}

static int find_dir(struct core *core, const struct edit *edit, struct inode **out, struct err *err)
{
    int rc = apply_find(core, edit, out, err);

    if (rc) return rc;
    return inode_is_dir(*out) ? 0 : apply_misfit(edit, err, "it is not a directory");
}

/* Where a new entry goes: its parent is there, the entry is not. */
static int find_free_entry(struct core *core, const struct edit *edit, const char *text,
                           struct arena *arena, struct resolved *path, struct err *err)
{
    int rc = resolve(core, edit, text, arena, path, err);

    if (rc) return rc;
    if (!path->parent) return apply_misfit(edit, err, "the parent directory is missing");
    if (path->inode) return apply_misfit(edit, err, "the entry exists");
    if (path->last_length > INODE_NAME_MAX)
        return apply_misfit(edit, err, "the name is longer than 255 bytes");
    return 0;
}

/* INode.updateModificationTime: time does not go back. */
static void touch(struct core *core, struct inode *dir, int64_t mtime_ms)
{
    if (mtime_ms <= (int64_t)dir->mtime_ms) return;
    snapshot_keep(core, dir, false);
    dir->mtime_ms = (uint64_t)mtime_ms;
}

/* ---- making ---- */

static int make(struct core *core, const struct edit *edit, enum inode_type type,
                struct inode **out, struct err *err)
{
    struct inode_table *inodes = core->tree.inodes;
    struct arena arena = {0};
    struct resolved path;
    int rc = find_free_entry(core, edit, edit->path, &arena, &path, err);

    if (!rc && inode_find_any(inodes, edit->inode_id))
        rc = apply_misfit(edit, err, "the inode id is in use");
    if (rc) goto out;
    struct inode *inode = inode_new(inodes, type, edit->inode_id);
    inode->mode = edit->mode & INODE_MODE_MASK;
    inode->mtime_ms = (uint64_t)edit->mtime_ms;
    inode_set_owner(inodes, inode, edit->user ? edit->user : "", edit->group ? edit->group : "");
    inode_set_name(inodes, inode, path.last_name, path.last_length);
    tree_link(&core->tree, path.parent, inode);
    snapshot_arrive(&core->tree, inode);
    quota_linked(core, inode);
    touch(core, path.parent, edit->mtime_ms);
    core->tree.inode_id_last = MAX(core->tree.inode_id_last, edit->inode_id);
    *out = inode;
out:
    arena_release(&arena);
    return rc;
}

int apply_mkdir(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *dir;
    int rc = make(core, edit, INODE_DIRECTORY, &dir, err);

    return rc ? rc : apply_new_attributes(core, edit, dir, err);
}

int apply_symlink(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *link;

    if (str_empty(edit->destination)) return apply_misfit(edit, err, "the symlink has no target");
    int rc = make(core, edit, INODE_SYMLINK, &link, err);
    if (rc) return rc;
    link->atime_ms = (uint64_t)edit->atime_ms;
    inode_set_symlink_target(core->tree.inodes, link, edit->destination);
    return 0;
}

/* ---- deleting ---- */

enum { RECLAIM_AT_ONCE = 64 };

void tree_push_detached(struct core *core, const struct inode *inode)
{
    struct tree *tree = &core->tree;

    GROW(tree->detached, tree->detached_capacity, tree->detached_count + 1);
    tree->detached[tree->detached_count++] = inode_reference(inode);
}

/* Snapshottable directories go with the tree; they have no snapshots (FSDirSnapshotOp.checkSnapshot). */
static void disallow_below(struct tree *tree, const struct inode *top)
{
    struct snapshot_dir *at, *next;

    for (at = TAILQ_FIRST(&tree->snapshots->dirs); at; at = next) {
        next = TAILQ_NEXT(at, all);
        if (!at->count && tree_is_ancestor(tree, top, at->dir)) snapshot_disallow(tree, at->dir);
    }
}

void tree_detach(struct core *core, struct inode *inode)
{
    struct tree *tree = &core->tree;

    disallow_below(tree, inode);
    bool seen = snapshot_leave(tree, inode);
    if (!seen) quota_unlinking(core, inode);
    tree_unlink(tree, inode);
    inode_table_detached(tree->inodes, 1);
    if (!snapshot_find_home(tree, inode)) {
        tree_push_detached(core, inode);
    } else {
        if (!seen) quota_linked(core, inode);
        snapshot_kept(core, inode);
    }
    /* A file or a small directory is gone when the reply leaves. */
    (void)tree_reclaim(core, core->replaying ? UINT64_MAX : RECLAIM_AT_ONCE);
}

/* Frees a file's blocks as far as the budget goes; true when it has none left. */
static bool reclaim_blocks(struct core *core, struct inode *file, uint64_t *budget)
{
    for (; *budget && file->block_count; --*budget) {
        uint32_t index = file->block_count - 1;
        struct block *block = inode_drop_last_block(file);

        if (!snapshot_holds_block(&core->tree, file, index, block)) blocks_remove(core, block);
    }
    return !file->block_count;
}

static void reclaim_inode(struct core *core, struct inode *inode)
{
    if (inode->has_history) snapshot_drop_birth(&core->tree, inode);
    if (inode->parent) tree_unlink(&core->tree, inode);
    if (inode_is_file(inode)) lease_remove(core->leases, inode->id);
    snapshot_forget(core, inode);
    inode_free(core->tree.inodes, inode);
}

/* It was elsewhere when a snapshot was taken: it stays, for that snapshot. */
static bool set_apart(struct core *core, struct inode *inode)
{
    struct tree *tree = &core->tree;
    const struct snapshot_history *history = snapshot_history(tree, inode);

    if (!history || !history->place_count) return false;
    snapshot_drop_birth(tree, inode);
    tree_unlink(tree, inode);
    inode_table_detached(tree->inodes, 1);
    (void)snapshot_find_home(tree, inode);
    quota_linked(core, inode);
    snapshot_kept(core, inode);
    return true;
}

/* The newest detached tree from its leaves upwards: always the last child, which unlinks without a
 * search. True when it is gone. */
static bool reclaim_tree(struct core *core, struct inode *root, uint64_t *budget)
{
    struct inode *at = root;

    while (*budget) {
        struct inode *child = dir_last_child(&core->tree, at);

        if (child) {
            if (set_apart(core, child))
                --*budget;
            else
                at = child;
            continue;
        }
        if (inode_is_file(at) && !reclaim_blocks(core, at, budget)) return false;
        if (!*budget) return false;
        struct inode *parent = inode_parent(core->tree.inodes, at);
        reclaim_inode(core, at);
        --*budget;
        if (!parent) return true;
        at = parent;
    }
    return false;
}

/* Freeing may detach more. */
static void reclaim_detached(struct core *core, uint64_t *budget)
{
    struct tree *tree = &core->tree;

    while (*budget && tree->detached_count) {
        struct inode *root = inode_at(tree->inodes, tree->detached[--tree->detached_count]);

        if (reclaim_tree(core, root, budget))
            inode_table_detached(tree->inodes, -1);
        else
            tree_push_detached(core, root);
    }
}

bool tree_reclaim(struct core *core, uint64_t budget)
{
    bool more;

    do {
        reclaim_detached(core, &budget);
        more = snapshot_reclaim(core, &budget);
    } while (budget && (more || core->tree.detached_count));
    return more || core->tree.detached_count;
}

int apply_delete(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    struct inode *parent = inode_parent(core->tree.inodes, inode);
    if (!parent) return apply_misfit(edit, err, "the root cannot be deleted");
    touch(core, parent, edit->mtime_ms);
    snapshot_keep(core, inode, false);
    tree_detach(core, inode);
    return 0;
}

/* ---- renaming ---- */

static void move(struct core *core, const struct edit *edit, struct inode *inode,
                 const struct resolved *to)
{
    struct inode *from = inode_parent(core->tree.inodes, inode);

    snapshot_keep(core, inode, false); /* later changes belong to where it goes */
    quota_unlinking(core, inode);
    snapshot_leave(&core->tree, inode);
    tree_move(&core->tree, inode, to->parent, to->last_name, to->last_length);
    snapshot_arrive(&core->tree, inode);
    quota_linked(core, inode);
    touch(core, from, edit->mtime_ms);
    touch(core, to->parent, edit->mtime_ms);
}

static int rename_checked(struct core *core, const struct edit *edit, struct inode *inode,
                          bool overwrite, struct arena *arena, struct err *err)
{
    struct resolved to;
    int rc = resolve(core, edit, edit->destination, arena, &to, err);

    if (rc) return rc;
    if (to.inode == inode) return 0; /* the old rename logs a move onto itself */
    if (!inode_parent(core->tree.inodes, inode))
        return apply_misfit(edit, err, "the root cannot be renamed");
    if (to.inode && overwrite && to.parent) {
        if (tree_is_ancestor(&core->tree, to.inode, inode))
            return apply_misfit(edit, err, "the destination holds the source");
        if (dir_child_count(to.inode))
            return apply_misfit(edit, err, "the destination is not empty");
        tree_detach(core, to.inode);
    }
    rc = find_free_entry(core, edit, edit->destination, arena, &to, err);
    if (rc) return rc;
    if (tree_is_ancestor(&core->tree, inode, to.parent))
        return apply_misfit(edit, err, "the destination lies below the source");
    move(core, edit, inode, &to);
    return 0;
}

static int rename_by_edit(struct core *core, const struct edit *edit, bool overwrite,
                          struct err *err)
{
    struct arena arena = {0};
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (!rc) rc = rename_checked(core, edit, inode, overwrite, &arena, err);
    arena_release(&arena);
    return rc;
}

int apply_rename_old(struct core *core, const struct edit *edit, struct err *err)
{
    return rename_by_edit(core, edit, false, err);
}

int apply_rename(struct core *core, const struct edit *edit, struct err *err)
{
    return rename_by_edit(core, edit, edit->rename_options & EDIT_RENAME_OVERWRITE, err);
}

/* ---- concat ---- */

static int check_source(struct core *core, const struct edit *edit, const struct inode *target,
                        const struct inode *source, struct err *err)
{
    if (!source || !inode_is_file(source) || source == target)
        return apply_misfit(edit, err, "a source is no other file");
    const struct snapshot_history *history = snapshot_history(&core->tree, source);
    if (history && (history->place_count || history->version_count))
        return apply_misfit(edit, err, "a source is in a snapshot");
    if (source->marked) return apply_misfit(edit, err, "a source is named twice");
    if (source->under_construction) return apply_misfit(edit, err, "a source is being written");
    if (inode_parent(core->tree.inodes, source) != inode_parent(core->tree.inodes, target))
        return apply_misfit(edit, err, "a source is in another directory");
    return 0;
}

static void take_over_blocks(struct core *core, struct inode *target, struct inode *source)
{
    for (uint32_t i = 0; i < source->block_count; i++) {
        struct block *block = inode_block(source, i);

        block->inode = inode_reference(target);
        inode_append_block(target, block);
    }
    quota_unlinking(core, source);
    inode_clear_blocks(source);
    snapshot_drop_birth(&core->tree, source);
    tree_unlink(&core->tree, source);
    snapshot_forget(core, source);
    inode_free(core->tree.inodes, source);
}

/* All of them are there before the first is touched; the mark keeps one from being named twice. */
static int find_sources(struct core *core, const struct edit *edit, const struct inode *target,
                        struct inode **sources, struct err *err)
{
    struct arena arena = {0};
    struct resolved source;
    uint32_t found = 0;
    int rc = 0;

    while (!rc && found < edit->source_count) {
        rc = resolve(core, edit, edit->sources[found], &arena, &source, err);
        if (!rc) rc = check_source(core, edit, target, source.inode, err);
        if (rc) break;
        source.inode->marked = 1;
        sources[found++] = source.inode;
    }
    for (uint32_t i = 0; i < found; i++) sources[i]->marked = 0;
    arena_release(&arena);
    return rc;
}

static void concat(struct core *core, const struct edit *edit, struct inode *target,
                   struct inode *const *sources)
{
    struct quota_mark mark = quota_mark(core, target);

    snapshot_keep(core, target, false);
    for (uint32_t i = 0; i < edit->source_count; i++) take_over_blocks(core, target, sources[i]);
    blocks_set_replication(core, target, inode_replication(target));
    quota_settle(core, target, &mark);
    target->mtime_ms = (uint64_t)edit->mtime_ms;
    touch(core, inode_parent(core->tree.inodes, target), edit->mtime_ms);
}

int apply_concat(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *target, **sources;
    int rc = apply_find(core, edit, &target, err);

    if (rc) return rc;
    if (!inode_is_file(target) || target->under_construction)
        return apply_misfit(edit, err, "the target is not a closed file");
    sources = NEW_ARRAY(struct inode *, edit->source_count);
    rc = find_sources(core, edit, target, sources, err);
    if (!rc) concat(core, edit, target, sources);
    mem_free(sources);
    return rc;
}

/* ---- attributes ---- */

int apply_set_permissions(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    snapshot_keep(core, inode, false);
    inode->mode = edit->mode & INODE_MODE_MASK;
    return 0;
}

int apply_set_owner(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode_table *inodes = core->tree.inodes;
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    snapshot_keep(core, inode, false);
    inode_set_owner(inodes, inode, str_empty(edit->user) ? inode_user(inodes, inode) : edit->user,
                    str_empty(edit->group) ? inode_group(inodes, inode) : edit->group);
    return 0;
}

int apply_times(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    if (edit->mtime_ms >= 0 || !core->conf.snapshot_skip_atime) snapshot_keep(core, inode, false);
    if (edit->mtime_ms >= 0) inode->mtime_ms = (uint64_t)edit->mtime_ms;
    if (edit->atime_ms >= 0) inode->atime_ms = (uint64_t)edit->atime_ms;
    return 0;
}

int apply_set_replication(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *file;
    int rc = apply_find(core, edit, &file, err);

    if (rc) return rc;
    if (!inode_is_file(file) || file->striped)
        return apply_misfit(edit, err, "it is not a file of replicated blocks");
    snapshot_keep(core, file, false);
    struct quota_mark mark = quota_mark(core, file);
    blocks_set_replication(core, file, edit->replication);
    file->replication = edit->replication & 1023;
    quota_settle(core, file, &mark);
    return 0;
}

int apply_set_storage_policy(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *inode;
    int rc = apply_find(core, edit, &inode, err);

    if (rc) return rc;
    snapshot_keep(core, inode, false);
    quota_set_policy(core, inode, edit->storage_policy & 15);
    return 0;
}

/* ---- quotas ---- */

static struct inode_quota present_quota(struct core *core, const struct inode *dir)
{
    const struct inode_quota *quota = inode_quota(core->tree.inodes, dir);
    struct inode_quota none = {.names = dir == core->tree.root ? QUOTA_NS_ROOT : QUOTA_NONE,
                               .space = QUOTA_NONE};

    if (quota) return *quota;
    for (size_t i = 0; i < ARRAY_LEN(none.type_space); i++) none.type_space[i] = QUOTA_NONE;
    return none;
}

/* FSDirAttrOp.unprotectedSetQuota: INT64_MAX leaves a value, -1 clears it; the root's name quota
 * has no "none". */
int apply_set_quota(struct core *core, const struct edit *edit, struct err *err)
{
    int64_t names = edit->op == EDIT_CLEAR_NS_QUOTA ? QUOTA_NONE : edit->ns_quota;
    int64_t space = edit->op == EDIT_SET_QUOTA ? edit->ds_quota : INT64_MAX;
    struct inode *dir;
    int rc = find_dir(core, edit, &dir, err);

    if (rc) return rc;
    struct inode_quota quota = present_quota(core, dir);
    if (names == QUOTA_NONE && dir == core->tree.root)
        quota.names = QUOTA_NS_ROOT;
    else if (names != INT64_MAX)
        quota.names = names;
    if (space != INT64_MAX) quota.space = space;
    snapshot_keep(core, dir, false);
    quota_set(core, dir, &quota);
    return 0;
}

int apply_set_quota_by_type(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *dir;
    int rc = find_dir(core, edit, &dir, err);

    if (rc) return rc;
    struct inode_quota quota = present_quota(core, dir);
    if (edit->storage_type >= ARRAY_LEN(quota.type_space))
        return apply_misfit(edit, err, "unknown storage type");
    if (edit->ds_quota != INT64_MAX) quota.type_space[edit->storage_type] = edit->ds_quota;
    snapshot_keep(core, dir, false);
    quota_set(core, dir, &quota);
    return 0;
}
