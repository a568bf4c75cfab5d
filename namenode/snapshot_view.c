/* The tree as a snapshot saw it (DirectoryWithSnapshotFeature.getChildrenList, getChild; FileWithSnapshotFeature). */
#include "namenode/block.h"
#include "namenode/snapshot.h"

/* The first version at or behind the snapshot; the count when the inode itself is it. */
static uint32_t version_at(const struct snapshot_history *history, int32_t snapshot)
{
    uint32_t i = 0;

    while (i < history->version_count && history->versions[i]->record.snapshot < snapshot) i++;
    return i;
}

struct inode *snapshot_attributes(const struct tree *tree, struct inode *inode, int32_t snapshot)
{
    const struct snapshot_history *history = snapshot_history(tree, inode);

    if (!history || snapshot == SNAPSHOT_CURRENT) return inode;
    for (uint32_t i = version_at(history, snapshot); i < history->version_count; i++)
        if (history->versions[i]->copy) return history->versions[i]->copy;
    return inode;
}

void snapshot_file(const struct tree *tree, const struct inode *file, int32_t snapshot,
                   struct snapshot_file *out)
{
    const struct snapshot_history *history = snapshot_history(tree, file);
    uint32_t i = history ? version_at(history, snapshot) : 0;
    bool found = history && i < history->version_count;

    out->blocks = file->block_count == 1 ? &file->block : file->blocks;
    out->block_count = file->block_count;
    out->length = found ? history->versions[i]->length : inode_length(file, true);
    for (; found && i < history->version_count; i++) {
        if (!history->versions[i]->has_blocks) continue;
        out->blocks = history->versions[i]->blocks;
        out->block_count = history->versions[i]->block_count;
        break;
    }
}

/* ---- directories ---- */

static bool is_seen(const struct snapshot_entry *entry, int32_t snapshot)
{
    return entry->birth <= snapshot && snapshot < entry->death;
}

/* The first former child not before the name. */
static uint32_t find_entry(const struct snapshot_history *history, const void *name, size_t length)
{
    uint32_t low = 0, high = history->entry_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct snapshot_entry *entry = history->entries[middle];

        if (tree_compare_names(entry->name, entry->name_length, name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct snapshot_entry *snapshot_first_entry(const struct tree *tree, const struct inode *dir,
                                            const void *name, size_t length)
{
    const struct snapshot_history *history = snapshot_history(tree, dir);
    uint32_t i = history ? find_entry(history, name, length) : 0;

    if (!history || i == history->entry_count) return NULL;
    struct snapshot_entry *entry = history->entries[i];
    return tree_compare_names(entry->name, entry->name_length, name, length) ? NULL : entry;
}

struct inode *snapshot_child(const struct tree *tree, const struct inode *dir, int32_t snapshot,
                             const void *name, size_t length)
{
    struct inode *child = tree_child(tree, dir, name, length);
    const struct snapshot_history *history;

    if (child && (snapshot == SNAPSHOT_CURRENT || snapshot_birth(tree, child) <= snapshot))
        return child;
    if (!inode_is_dir(dir) || snapshot == SNAPSHOT_CURRENT) return NULL;
    history = snapshot_history(tree, dir);
    for (uint32_t i = history ? find_entry(history, name, length) : 0;
         history && i < history->entry_count; i++) {
        const struct snapshot_entry *entry = history->entries[i];

        if (tree_compare_names(entry->name, entry->name_length, name, length) != 0) break;
        if (is_seen(entry, snapshot)) return inode_at(tree->inodes, entry->record.inode);
    }
    return NULL;
}

/* Both lists are read side by side: the present children in pages, the former ones by number. */
struct merge {
    const struct tree *tree;
    const struct inode *dir;
    const struct snapshot_history *history;
    int32_t snapshot;
    struct inode *page[128];
    size_t page_count, page_at;
    uint64_t remaining;
    uint32_t entry;
};

static void merge_start(struct merge *merge, const struct tree *tree, const struct inode *dir,
                        int32_t snapshot, const void *start, size_t start_length)
{
    *merge = (struct merge){.tree = tree, .dir = dir, .snapshot = snapshot};
    merge->history = snapshot == SNAPSHOT_CURRENT ? NULL : snapshot_history(tree, dir);
    merge->page_count = dir_list(tree, dir, start, start_length, merge->page,
                                 ARRAY_LEN(merge->page), &merge->remaining);
    if (!merge->history || !start_length) return;
    merge->entry = find_entry(merge->history, start, start_length);
    for (; merge->entry < merge->history->entry_count; merge->entry++) {
        const struct snapshot_entry *entry = merge->history->entries[merge->entry];
        if (tree_compare_names(entry->name, entry->name_length, start, start_length) != 0) break;
    }
}

static struct inode *present_child(struct merge *merge)
{
    for (;;) {
        if (merge->page_at == merge->page_count) {
            size_t length;

            if (!merge->remaining) return NULL;
            const uint8_t *last = inode_name(merge->page[merge->page_count - 1], &length);
            merge->page_count = dir_list(merge->tree, merge->dir, last, length, merge->page,
                                         ARRAY_LEN(merge->page), &merge->remaining);
            merge->page_at = 0;
            continue;
        }
        struct inode *child = merge->page[merge->page_at];
        if (merge->snapshot == SNAPSHOT_CURRENT ||
            snapshot_birth(merge->tree, child) <= merge->snapshot)
            return child;
        merge->page_at++;
    }
}

static const struct snapshot_entry *former_child(struct merge *merge)
{
    for (; merge->history && merge->entry < merge->history->entry_count; merge->entry++)
        if (is_seen(merge->history->entries[merge->entry], merge->snapshot))
            return merge->history->entries[merge->entry];
    return NULL;
}

static bool merge_next(struct merge *merge, struct snapshot_item *out)
{
    struct inode *child = present_child(merge);
    const struct snapshot_entry *entry = former_child(merge);

    if (child) {
        out->name = inode_name(child, &out->length);
        out->inode = child;
        if (!entry ||
            tree_compare_names(out->name, out->length, entry->name, entry->name_length) < 0) {
            merge->page_at++;
            return true;
        }
    }
    if (!entry) return false;
    *out = (struct snapshot_item){.name = entry->name,
                                  .length = entry->name_length,
                                  .inode = inode_at(merge->tree->inodes, entry->record.inode)};
    merge->entry++;
    return true;
}

size_t snapshot_list(const struct tree *tree, const struct inode *dir, int32_t snapshot,
                     const void *start, size_t start_length, struct snapshot_item *out, size_t max,
                     bool *more)
{
    struct snapshot_item next;
    struct merge merge;
    size_t count = 0;

    *more = false;
    if (!inode_is_dir(dir)) return 0;
    merge_start(&merge, tree, dir, snapshot, start, start_length);
    while (count < max && merge_next(&merge, &out[count])) count++;
    if (count == max) *more = merge_next(&merge, &next);
    return count;
}

uint64_t snapshot_child_count(const struct tree *tree, const struct inode *dir, int32_t snapshot)
{
    const struct snapshot_history *history = snapshot_history(tree, dir);
    uint64_t count = dir_child_count(dir);
    struct snapshot_item item;
    struct merge merge;

    if (!history || snapshot == SNAPSHOT_CURRENT)
        return count; /* births come with a version: snapshot_arrive() */
    merge_start(&merge, tree, dir, snapshot, NULL, 0);
    for (count = 0; merge_next(&merge, &item);) count++;
    return count;
}
