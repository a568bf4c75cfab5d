/*
 * The sections of snapshots (FSImageFormatPBSnapshot.Loader). A list of differences says what a directory lost behind a snapshot and what was made
 * there; it comes from the latest snapshot to the earliest, so that what was made is either still there or already
 * known to be lost.
 */
#include "namenode/block.h"
#include "namenode/image_loader.h"
#include "namenode/snapshot.h"

enum { DIFFERENCES_MAX = 1 << 20 /* of one inode */ };

/* ---- references ---- */

static int load_reference(struct loader *l, void *message, struct err *err)
{
    const Pb__INodeReferenceSection__INodeReference *r = message;
    struct inode *inode = inode_find_any(l->core->tree.inodes, r->referredid);
    bool with_name = !r->has_dstsnapshotid;

    if (!inode) return image_bad(err, "a reference names it, but it is not there", r->referredid);
    if (with_name &&
        (!r->name.len || r->name.len > INODE_NAME_MAX || memchr(r->name.data, 0, r->name.len) ||
         memchr(r->name.data, '/', r->name.len)))
        return image_bad(err, "a reference has an impossible name", r->referredid);
    GROW(l->references, l->reference_capacity, l->reference_count + 1);
    l->references[l->reference_count++] = (struct image_loaded_reference){
        .inode = inode,
        .name = with_name ? mem_strndup((const char *)r->name.data, r->name.len) : NULL};
    return 0;
}

int image_load_references(struct loader *l, struct err *err)
{
    return image_each_message(l, "INODE_REFERENCE",
                              &pb__inode_reference_section__inode_reference__descriptor,
                              load_reference, err);
}

void image_references_release(struct loader *l)
{
    for (size_t i = 0; i < l->reference_count; i++) mem_free(l->references[i].name);
    mem_free(l->references);
}

/* ---- snapshots ---- */

static int load_snapshot(struct loader *l, const Pb__SnapshotSection__Snapshot *s, struct err *err)
{
    struct tree *tree = &l->core->tree;
    const Pb__INodeSection__INode *root = s->root;
    struct snapshot *other;
    int32_t id = (int32_t)s->snapshotid;

    if (!root || !root->directory) return err_set(err, ERR_CORRUPT, "a snapshot has no root");
    struct inode *dir = inode_find_any(tree->inodes, root->id);
    struct snapshot_dir *of = dir && inode_is_dir(dir) ? snapshot_dir(tree, dir) : NULL;
    if (!of) return image_bad(err, "it has a snapshot, but is not snapshottable", root->id);
    HASH_FIND(hh, tree->snapshots->by_id, &id, sizeof id, other);
    if (id < 0 || id >= tree->snapshots->counter || other)
        return image_bad(err, "it has a snapshot with an impossible id", root->id);
    if (!root->name.len || root->name.len > INODE_NAME_MAX ||
        memchr(root->name.data, 0, root->name.len) ||
        memchr(root->name.data, '/', root->name.len) ||
        snapshot_named(of, root->name.data, root->name.len))
        return image_bad(err, "it has a snapshot with an impossible name", root->id);
    struct inode *copy = inode_copy(tree->inodes, dir);
    copy->storage_policy = 0;
    inode_set_name(tree->inodes, copy, root->name.data, root->name.len);
    int rc = image_load_directory(l, copy, root->directory, err);
    if (rc) {
        inode_free(tree->inodes, copy);
        return rc;
    }
    snapshot_add(tree, dir, id, copy);
    return 0;
}

static int allow_dirs(struct loader *l, const Pb__SnapshotSection *section, struct err *err)
{
    for (size_t i = 0; i < section->n_snapshottabledir; i++) {
        struct inode *dir = inode_find_any(l->core->tree.inodes, section->snapshottabledir[i]);

        if (!dir || !inode_is_dir(dir) || !snapshot_is_live(&l->core->tree, dir))
            return image_bad(err, "it is to be snapshottable, but is no directory",
                             section->snapshottabledir[i]);
        snapshot_allow(&l->core->tree, dir);
    }
    return 0;
}

int image_load_snapshots(struct loader *l, struct err *err)
{
    struct image_reader reader;
    Pb__SnapshotSection *section = NULL;
    Pb__SnapshotSection__Snapshot *snapshot;
    uint32_t expected = 0, count = 0;
    int rc = image_reader_open(&reader, &l->in, "SNAPSHOT", err);

    arena_clear(&l->arena);
    if (!rc)
        rc =
            image_reader_next(&reader, &pb__snapshot_section__descriptor, &l->arena, &section, err);
    if (rc > 0) {
        assert(section);
        expected = section->numsnapshots;
        l->core->tree.snapshots->counter = (int32_t)MIN(section->snapshotcounter, SNAPSHOT_ID_MAX);
        int failed = allow_dirs(l, section, err);
        if (failed) rc = failed;
    }
    while (rc > 0) {
        arena_clear(&l->arena);
        rc = image_reader_next(&reader, &pb__snapshot_section__snapshot__descriptor, &l->arena,
                               &snapshot, err);
        if (rc <= 0) break;
        rc = load_snapshot(l, snapshot, err);
        if (rc == 0) rc = 1;
        count++;
    }
    image_reader_close(&reader);
    if (rc) return err_wrap(err, rc, "%s, section SNAPSHOT", l->in.path);
    if (count == expected) return 0;
    return err_set(err, ERR_CORRUPT, "%s: expected %u snapshots, but found %u", l->in.path,
                   expected, count);
}

/* ---- differences of files ---- */

static int load_blocks(struct loader *l, struct inode *file, struct snapshot_version *version,
                       const Pb__SnapshotDiffSection__FileDiff *d, struct err *err)
{
    if (!d->n_blocks) return 0;
    version->blocks = NEW_ARRAY(struct block *, d->n_blocks);
    version->has_blocks = true;
    for (size_t i = 0; i < d->n_blocks; i++) {
        struct block_id id = {.id = d->blocks[i]->blockid,
                              .generation_stamp = d->blocks[i]->genstamp,
                              .length = d->blocks[i]->numbytes};
        struct block *block = block_find(l->core->blocks, id.id);

        if (!id.id || BLOCK_ID_IS_STRIPED(id.id) || id.length >> 44 || id.generation_stamp >> 44)
            return image_bad(err, "a block in a snapshot is impossible", file->id);
        if (!block) block = blocks_add(l->core, file, &id, BLOCK_COMPLETE);
        if (block->inode != inode_reference(file))
            return image_bad(err, "a block in a snapshot belongs to another file", file->id);
        version->blocks[version->block_count++] = block;
    }
    return 0;
}

static int load_file_diff(struct loader *l, struct inode *file,
                          const Pb__SnapshotDiffSection__FileDiff *d, struct err *err)
{
    struct tree *tree = &l->core->tree;
    struct inode *copy = NULL;

    if (d->snapshotcopy) {
        copy = inode_copy(tree->inodes, file);
        int rc = image_load_file_attributes(l, copy, d->snapshotcopy, err);
        if (rc) {
            inode_free(tree->inodes, copy);
            return rc;
        }
    }
    struct snapshot_version *version =
        snapshot_add_version(tree, file, copy, (int32_t)d->snapshotid);
    version->length = d->filesize;
    return load_blocks(l, file, version, d, err);
}

/* ---- differences of directories ---- */

/* Who was made between this snapshot and the next: the first behind it that was lost, else who is there. */
static void set_birth(struct tree *tree, struct inode *dir, const uint8_t *name, size_t length,
                      int32_t snapshot)
{
    struct snapshot_entry *entry = snapshot_first_entry(tree, dir, name, length);
    struct inode *child;

    if (entry && !entry->birth) {
        entry->birth = snapshot + 1;
        return;
    }
    child = tree_child(tree, dir, name, length);
    if (child && !snapshot_birth(tree, child))
        snapshot_set_birth(tree, child, snapshot + 1, snapshot);
}

static int add_deleted(struct loader *l, struct inode *dir, struct inode *inode, const void *name,
                       size_t length, int32_t snapshot, struct err *err)
{
    if (inode == l->core->tree.root || !length)
        return image_bad(err, "it is said to be deleted, but cannot be", inode->id);
    snapshot_add_entry(&l->core->tree, dir, inode, name, length, 0, snapshot + 1, snapshot);
    return 0;
}

static int load_deleted(struct loader *l, struct inode *dir,
                        const Pb__SnapshotDiffSection__DirectoryDiff *d, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < d->n_deletedinode; i++) {
        struct inode *inode = inode_find_any(l->core->tree.inodes, d->deletedinode[i]);
        size_t length;

        if (!inode || inode->parent)
            return image_bad(err, "a deleted child is missing, or not deleted", d->deletedinode[i]);
        const uint8_t *name = inode_name(inode, &length);
        rc = add_deleted(l, dir, inode, name, length, (int32_t)d->snapshotid, err);
    }
    for (size_t i = 0; !rc && i < d->n_deletedinoderef; i++) {
        uint32_t number = d->deletedinoderef[i];
        struct image_loaded_reference *r =
            number < l->reference_count ? &l->references[number] : NULL;
        size_t length;

        if (!r || r->used) return image_bad(err, "it has an impossible reference", dir->id);
        r->used = true;
        const uint8_t *name = inode_name(r->inode, &length);
        if (r->name) {
            name = (const uint8_t *)r->name;
            length = strlen(r->name);
        }
        rc = add_deleted(l, dir, r->inode, name, length, (int32_t)d->snapshotid, err);
    }
    return rc;
}

static int load_created(struct loader *l, struct inode *dir, struct image_reader *reader,
                        uint32_t count, int32_t snapshot, struct err *err)
{
    Pb__SnapshotDiffSection__CreatedListEntry *entry;
    struct arena arena = {0};
    int rc = 1;

    for (uint32_t i = 0; rc > 0 && i < count; i++) {
        arena_clear(&arena);
        rc = image_reader_next(reader, &pb__snapshot_diff_section__created_list_entry__descriptor,
                               &arena, &entry, err);
        if (rc == 0) rc = image_bad(err, "its list of created children is cut off", dir->id);
        if (rc > 0) set_birth(&l->core->tree, dir, entry->name.data, entry->name.len, snapshot);
    }
    arena_release(&arena);
    return rc < 0 ? rc : 0;
}

static int load_dir_diff(struct loader *l, struct inode *dir, struct image_reader *reader,
                         const Pb__SnapshotDiffSection__DirectoryDiff *d, struct err *err)
{
    struct tree *tree = &l->core->tree;
    int32_t id = (int32_t)d->snapshotid;
    int rc = 0;

    if (d->snapshotcopy && !d->issnapshotroot) {
        struct inode *copy = inode_copy(tree->inodes, dir);

        copy->storage_policy = 0;
        rc = image_load_directory(l, copy, d->snapshotcopy, err);
        if (rc) {
            inode_free(tree->inodes, copy);
            return rc;
        }
        snapshot_add_version(tree, dir, copy, id);
    }
    rc = load_created(l, dir, reader, d->createdlistsize, id, err);
    return rc ? rc : load_deleted(l, dir, d, err);
}

static int load_diffs(struct loader *l, struct image_reader *reader, struct inode *inode,
                      bool of_dir, uint32_t count, struct err *err)
{
    const ProtobufCMessageDescriptor *type =
        of_dir ? &pb__snapshot_diff_section__directory_diff__descriptor
               : &pb__snapshot_diff_section__file_diff__descriptor;
    int32_t before = INT32_MAX;
    void *message;
    int rc = 0;

    for (uint32_t i = 0; !rc && i < count; i++) {
        arena_clear(&l->arena);
        rc = image_reader_next(reader, type, &l->arena, &message, err);
        if (rc == 0) return image_bad(err, "its differences are cut off", inode->id);
        if (rc < 0) return rc;
        int32_t id = of_dir
                         ? (int32_t)((Pb__SnapshotDiffSection__DirectoryDiff *)message)->snapshotid
                         : (int32_t)((Pb__SnapshotDiffSection__FileDiff *)message)->snapshotid;
        if (id < 0 || id >= before || id >= l->core->tree.snapshots->counter)
            return image_bad(err, "its differences are not in the order of snapshots", inode->id);
        before = id;
        rc = of_dir ? load_dir_diff(l, inode, reader, message, err)
                    : load_file_diff(l, inode, message, err);
    }
    return rc;
}

int image_load_differences(struct loader *l, struct err *err)
{
    struct image_reader reader;
    Pb__SnapshotDiffSection__DiffEntry *entry;
    int rc = image_reader_open(&reader, &l->in, "SNAPSHOT_DIFF", err);

    if (!rc) rc = 1;
    while (rc > 0) {
        arena_clear(&l->arena);
        rc = image_reader_next(&reader, &pb__snapshot_diff_section__diff_entry__descriptor,
                               &l->arena, &entry, err);
        if (rc <= 0) break;
        struct inode *inode = inode_find_any(l->core->tree.inodes, entry->inodeid);
        bool of_dir = entry->type == PB__SNAPSHOT_DIFF_SECTION__TYPE__DIRECTORYDIFF;
        if (!inode || (of_dir ? !inode_is_dir(inode) : !inode_is_file(inode)) ||
            entry->numofdiff > DIFFERENCES_MAX || inode->marked)
            rc = image_bad(err, "it has impossible differences", entry->inodeid);
        else
            rc = load_diffs(l, &reader, inode, of_dir, entry->numofdiff, err);
        if (inode) inode->marked = 1; /* once each */
        if (rc == 0) rc = 1;
    }
    image_reader_close(&reader);
    return rc ? err_wrap(err, rc, "%s, section SNAPSHOT_DIFF", l->in.path) : 0;
}

int image_settle_kept(struct loader *l, struct err *err)
{
    struct tree *tree = &l->core->tree;

    for (struct inode *inode = inode_next(tree->inodes, 0); inode;
         inode = inode_next(tree->inodes, inode_reference(inode))) {
        inode->marked = 0;
        if (inode == tree->root || inode->parent) continue;
        const struct snapshot_history *history = snapshot_history(tree, inode);
        if (!history || !history->place_count)
            return image_bad(err, "it is in no directory", inode->id);
        (void)snapshot_find_home(tree, inode);
        inode_table_detached(tree->inodes, 1);
        snapshot_kept(l->core, inode);
    }
    return 0;
}
