/*
 * The sections of snapshots (FSImageFormatPBSnapshot.Saver). Apache's lists of differences name, for each snapshot of a directory, what was created
 * and deleted between it and the next: a record of ours lies in the list of the snapshot that it is filed under
 * (entries, versions), or of the latest one before its birth.
 */
#include <stdlib.h>

#include "namenode/block.h"
#include "namenode/image_saver.h"
#include "namenode/snapshot.h"

/* ---- references ---- */

static size_t add_reference(struct saver *s, const struct inode *inode,
                            const struct snapshot_entry *entry, int32_t snapshot)
{
    GROW(s->references, s->reference_capacity, s->reference_count + 1);
    s->references[s->reference_count] =
        (struct image_reference){.inode = inode, .entry = entry, .snapshot = snapshot};
    return s->reference_count++;
}

/* What covered the directory last when the inode came there. */
static int32_t before_birth(const struct saver *s, const struct inode *dir, int32_t birth)
{
    return birth ? snapshot_latest(&s->core->tree, dir, birth) : SNAPSHOT_NONE;
}

int64_t image_reference_of_child(struct saver *s, const struct inode *child)
{
    const struct tree *tree = &s->core->tree;
    const struct snapshot_history *history = snapshot_history(tree, child);

    if (!history || !history->place_count) return -1;
    return (int64_t)add_reference(
        s, child, NULL,
        before_birth(s, inode_at(tree->inodes, child->parent), snapshot_birth(tree, child)));
}

/* An inode that is nowhere else and has the entry's name still stands for itself; the last of several entries is its
 * DstReference. */
static void put_deleted(struct saver *s, const struct snapshot_entry *entry,
                        Pb__SnapshotDiffSection__DirectoryDiff *diff)
{
    const struct tree *tree = &s->core->tree;
    const struct inode *inode = inode_at(tree->inodes, entry->record.inode);
    const struct snapshot_history *history = snapshot_history(tree, inode);
    bool last = !inode->parent && history->places[history->place_count - 1] == entry;
    size_t length, number;
    const uint8_t *name = inode_name(inode, &length);

    last &= tree_compare_names(name, length, entry->name, entry->name_length) == 0;
    if (last && history->place_count == 1) {
        diff->deletedinode[diff->n_deletedinode++] = inode->id;
        return;
    }
    if (last)
        number = add_reference(s, inode, NULL,
                               before_birth(s, inode_at(tree->inodes, entry->dir), entry->birth));
    else
        number = add_reference(s, inode, entry, entry->record.snapshot);
    diff->deletedinoderef[diff->n_deletedinoderef++] = (uint32_t)number;
}

static void save_references(struct saver *s)
{
    for (size_t i = 0; i < s->reference_count; i++) {
        Pb__INodeReferenceSection__INodeReference message =
            PB__INODE_REFERENCE_SECTION__INODE_REFERENCE__INIT;
        const struct image_reference *reference = &s->references[i];

        message.has_referredid = true;
        message.referredid = reference->inode->id;
        if (reference->entry) {
            message.has_name = message.has_lastsnapshotid = true;
            message.name.data = (uint8_t *)(uintptr_t)reference->entry->name;
            message.name.len = reference->entry->name_length;
            message.lastsnapshotid = (uint32_t)reference->snapshot;
        } else {
            message.has_dstsnapshotid = true;
            message.dstsnapshotid = reference->snapshot == SNAPSHOT_NONE
                                        ? SNAPSHOT_CURRENT
                                        : (uint32_t)reference->snapshot;
        }
        image_out_put(s->out, &message.base);
    }
    image_out_section(s->out, "INODE_REFERENCE");
}

/* ---- snapshots ---- */

static void save_snapshot(struct saver *s, const struct snapshot *snapshot)
{
    Pb__SnapshotSection__Snapshot message = PB__SNAPSHOT_SECTION__SNAPSHOT__INIT;
    Pb__INodeSection__INode root = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeDirectory dir = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
    struct image_dir_scratch scratch;

    arena_clear(&s->arena);
    image_fill_directory(s, snapshot->root, &dir, &scratch);
    root.type = PB__INODE_SECTION__TYPE__DIRECTORY;
    root.id = snapshot->root->id;
    root.has_name = true;
    root.name.data = (uint8_t *)(uintptr_t)inode_name(snapshot->root, &root.name.len);
    root.directory = &dir;
    message.has_snapshotid = true;
    message.snapshotid = (uint32_t)snapshot->id;
    message.root = &root;
    image_out_put(s->out, &message.base);
}

static void save_snapshot_section(struct saver *s)
{
    const struct snapshots *snapshots = s->core->tree.snapshots;
    Pb__SnapshotSection message = PB__SNAPSHOT_SECTION__INIT;
    const struct snapshot_dir *dir;

    arena_clear(&s->arena);
    message.has_snapshotcounter = message.has_numsnapshots = true;
    message.snapshotcounter = (uint32_t)snapshots->counter;
    message.numsnapshots = snapshots->count;
    message.snapshottabledir = ARENA_ARRAY(&s->arena, uint64_t, snapshots->dir_count);
    TAILQ_FOREACH (dir, &snapshots->dirs, all)
        message.snapshottabledir[message.n_snapshottabledir++] = dir->dir->id;
    image_out_put(s->out, &message.base);
    TAILQ_FOREACH (dir, &snapshots->dirs, all)
        for (uint32_t i = 0; i < dir->count; i++) save_snapshot(s, dir->by_name[i]);
    image_out_section(s->out, "SNAPSHOT");
}

/* ---- differences ---- */

struct created {
    int32_t snapshot;
    const uint8_t *name;
    size_t length;
};

/* All differences of a directory, before they are put snapshot by snapshot. */
struct dir_diffs {
    const struct inode *dir;
    const struct snapshot_history *history;
    int32_t *ids; /* ascending */
    size_t id_count;
    struct created *created; /* by snapshot, then name */
    size_t created_count, created_capacity;
};

static int compare_ids(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;

    return (left > right) - (left < right);
}

static int compare_created(const void *a, const void *b)
{
    const struct created *left = a, *right = b;

    if (left->snapshot != right->snapshot) return left->snapshot < right->snapshot ? -1 : 1;
    return tree_compare_names(left->name, left->length, right->name, right->length);
}

static void add_created(struct saver *s, struct dir_diffs *diffs, const uint8_t *name,
                        size_t length, int32_t birth)
{
    int32_t snapshot = before_birth(s, diffs->dir, birth);

    if (snapshot == SNAPSHOT_NONE) return;
    GROW(diffs->created, diffs->created_capacity, diffs->created_count + 1);
    diffs->created[diffs->created_count++] =
        (struct created){.snapshot = snapshot, .name = name, .length = length};
}

static void collect_created(struct saver *s, struct dir_diffs *diffs)
{
    const struct tree *tree = &s->core->tree;
    struct inode *page[256];
    const uint8_t *name = NULL;
    size_t length = 0;
    uint64_t remaining = 1;

    for (uint32_t i = 0; i < diffs->history->entry_count; i++) {
        const struct snapshot_entry *entry = diffs->history->entries[i];
        add_created(s, diffs, entry->name, entry->name_length, entry->birth);
    }
    while (remaining) {
        size_t count = dir_list(tree, diffs->dir, name, length, page, ARRAY_LEN(page), &remaining);

        for (size_t i = 0; i < count; i++) {
            name = inode_name(page[i], &length);
            add_created(s, diffs, name, length, snapshot_birth(tree, page[i]));
        }
        if (!count) break;
    }
    if (diffs->created_count)
        qsort(diffs->created, diffs->created_count, sizeof *diffs->created, compare_created);
}

static void collect_ids(struct dir_diffs *diffs)
{
    const struct snapshot_history *history = diffs->history;
    size_t max = history->version_count + history->entry_count + diffs->created_count, count = 0;

    diffs->ids = NEW_ARRAY(int32_t, max + 1);
    for (uint32_t i = 0; i < history->version_count; i++)
        diffs->ids[count++] = history->versions[i]->record.snapshot;
    for (uint32_t i = 0; i < history->entry_count; i++)
        diffs->ids[count++] = history->entries[i]->record.snapshot;
    for (size_t i = 0; i < diffs->created_count; i++)
        diffs->ids[count++] = diffs->created[i].snapshot;
    qsort(diffs->ids, count, sizeof *diffs->ids, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (!i || diffs->ids[i] != diffs->ids[i - 1]) diffs->ids[diffs->id_count++] = diffs->ids[i];
}

static const struct snapshot_version *version_of(const struct snapshot_history *history, int32_t id)
{
    for (uint32_t i = 0; i < history->version_count; i++)
        if (history->versions[i]->record.snapshot == id) return history->versions[i];
    return NULL;
}

static bool is_own_snapshot(const struct snapshot_history *history, int32_t id)
{
    const struct snapshot_dir *own = history->snapshottable;

    for (uint32_t i = 0; own && i < own->count; i++)
        if (own->by_id[i]->id == id) return true;
    return false;
}

static void put_name(const struct inode *inode, protobuf_c_boolean *has, ProtobufCBinaryData *out)
{
    *has = true;
    out->data = (uint8_t *)(uintptr_t)inode_name(inode, &out->len);
}

static void save_dir_diff(struct saver *s, const struct dir_diffs *diffs, int32_t id)
{
    Pb__SnapshotDiffSection__DirectoryDiff message =
        PB__SNAPSHOT_DIFF_SECTION__DIRECTORY_DIFF__INIT;
    Pb__INodeSection__INodeDirectory copy = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
    const struct snapshot_version *version = version_of(diffs->history, id);
    struct image_dir_scratch scratch;

    arena_clear(&s->arena);
    message.has_snapshotid = message.has_childrensize = message.has_issnapshotroot = true;
    message.snapshotid = (uint32_t)id;
    message.childrensize = (uint32_t)snapshot_child_count(&s->core->tree, diffs->dir, id);
    message.issnapshotroot = is_own_snapshot(diffs->history, id);
    if (version && version->copy && !message.issnapshotroot) {
        put_name(version->copy, &message.has_name, &message.name);
        image_fill_directory(s, version->copy, &copy, &scratch);
        message.snapshotcopy = &copy;
    }
    message.deletedinode = ARENA_ARRAY(&s->arena, uint64_t, diffs->history->entry_count);
    message.deletedinoderef = ARENA_ARRAY(&s->arena, uint32_t, diffs->history->entry_count);
    for (uint32_t i = 0; i < diffs->history->entry_count; i++)
        if (diffs->history->entries[i]->record.snapshot == id)
            put_deleted(s, diffs->history->entries[i], &message);
    message.has_createdlistsize = true;
    for (size_t i = 0; i < diffs->created_count; i++)
        message.createdlistsize += diffs->created[i].snapshot == id;
    image_out_put(s->out, &message.base);
    for (size_t i = 0; i < diffs->created_count; i++) {
        Pb__SnapshotDiffSection__CreatedListEntry entry =
            PB__SNAPSHOT_DIFF_SECTION__CREATED_LIST_ENTRY__INIT;

        if (diffs->created[i].snapshot != id) continue;
        entry.has_name = true;
        entry.name.data = (uint8_t *)(uintptr_t)diffs->created[i].name;
        entry.name.len = diffs->created[i].length;
        image_out_put(s->out, &entry.base);
    }
}

static void put_header(struct saver *s, const struct inode *inode,
                       Pb__SnapshotDiffSection__Type type, size_t count)
{
    Pb__SnapshotDiffSection__DiffEntry message = PB__SNAPSHOT_DIFF_SECTION__DIFF_ENTRY__INIT;

    message.type = type;
    message.has_inodeid = message.has_numofdiff = true;
    message.inodeid = inode->id;
    message.numofdiff = (uint32_t)count;
    image_out_put(s->out, &message.base);
}

static void save_dir_diffs(struct saver *s, const struct inode *dir,
                           const struct snapshot_history *history)
{
    struct dir_diffs diffs = {.dir = dir, .history = history};

    collect_created(s, &diffs);
    collect_ids(&diffs);
    if (diffs.id_count)
        put_header(s, dir, PB__SNAPSHOT_DIFF_SECTION__TYPE__DIRECTORYDIFF, diffs.id_count);
    for (size_t i = diffs.id_count; i-- > 0;) save_dir_diff(s, &diffs, diffs.ids[i]);
    mem_free(diffs.created);
    mem_free(diffs.ids);
}

static void save_file_diff(struct saver *s, const struct snapshot_version *version)
{
    Pb__SnapshotDiffSection__FileDiff message = PB__SNAPSHOT_DIFF_SECTION__FILE_DIFF__INIT;
    Pb__INodeSection__INodeFile copy = PB__INODE_SECTION__INODE_FILE__INIT;

    arena_clear(&s->arena);
    message.has_snapshotid = message.has_filesize = true;
    message.snapshotid = (uint32_t)version->record.snapshot;
    message.filesize = version->length;
    if (version->copy) {
        put_name(version->copy, &message.has_name, &message.name);
        image_fill_file(s, version->copy, &copy);
        message.snapshotcopy = &copy;
    }
    message.blocks = ARENA_ARRAY(&s->arena, Pb__Block *, version->block_count);
    for (uint32_t i = 0; i < version->block_count; i++) {
        Pb__Block *block = arena_alloc(&s->arena, sizeof *block);

        pb__block__init(block);
        block->blockid = version->blocks[i]->id;
        block->genstamp = version->blocks[i]->generation_stamp;
        block->numbytes = version->blocks[i]->length;
        block->has_numbytes = true;
        message.blocks[message.n_blocks++] = block;
    }
    image_out_put(s->out, &message.base);
}

static void save_differences(struct saver *s)
{
    const struct tree *tree = &s->core->tree;

    for (const struct inode *inode = inode_next(tree->inodes, 0); inode && !s->rc;
         inode = inode_next(tree->inodes, inode_reference(inode))) {
        const struct snapshot_history *history = snapshot_history(tree, inode);

        if (!history) continue;
        if (inode_is_dir(inode)) save_dir_diffs(s, inode, history);
        if (!inode_is_file(inode) || !history->version_count) continue;
        put_header(s, inode, PB__SNAPSHOT_DIFF_SECTION__TYPE__FILEDIFF, history->version_count);
        for (uint32_t i = history->version_count; i-- > 0;) save_file_diff(s, history->versions[i]);
    }
    image_out_section(s->out, "SNAPSHOT_DIFF");
}

void image_save_snapshots(struct saver *s)
{
    save_snapshot_section(s);
    if (snapshot_count(&s->core->tree)) save_differences(s);
    save_references(s);
}
