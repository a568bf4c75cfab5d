#include "namenode/snapshot_diff.h"

#include "common/buf.h"
#include "namenode/block.h"

enum { PAGE = 32, LEVELS_MAX = 4096 };

struct frame { /* a directory on the way */
    const struct inode *dir;
    size_t path_length; /* of its path, in walk->path */
    const uint8_t *after;
    size_t after_length; /* children behind this name are next */
    struct snapshot_item page[PAGE];
    size_t at, count;
    bool more;
};

struct walk {
    const struct tree *tree;
    const struct inode *scope;
    int32_t earlier, later;
    struct snapshot_diff_cursor *cursor;
    size_t max;
    struct arena *arena;
    struct snapshot_diff *out;
    struct buf path; /* of where the walk is */
    struct frame *frames;
    size_t depth, frame_capacity;
};

void snapshot_diff_release(struct snapshot_diff *diff)
{
    mem_free(diff->items);
    *diff = (struct snapshot_diff){.items = NULL};
}

/* ---- has it changed? ---- */

static bool same_quota(const struct inode_quota *a, const struct inode_quota *b)
{
    if (!a || !b) return a == b;
    return memcmp(a, b, sizeof *a) == 0; /* no padding: 64-bit numbers alone */
}

/* INodeAttributes.metadataEquals: not the times. Lists of attributes and ACLs are shared while they are the same. */
static bool same_attributes(const struct tree *tree, const struct inode *a, const struct inode *b)
{
    const struct inode_table *inodes = tree->inodes;

    if (a == b) return true;
    return a->mode == b->mode && a->owner == b->owner && a->storage_policy == b->storage_policy &&
           a->replication == b->replication && a->striped == b->striped &&
           inode_acl(inodes, a) == inode_acl(inodes, b) &&
           inode_xattrs(inodes, a) == inode_xattrs(inodes, b) &&
           (!inode_is_file(a) || inode_block_size(inodes, a) == inode_block_size(inodes, b)) &&
           (!inode_is_dir(a) || same_quota(inode_quota(inodes, a), inode_quota(inodes, b)));
}

/* FileWithSnapshotFeature.changedBetweenSnapshots */
static bool file_changed(const struct walk *w, struct inode *file)
{
    struct snapshot_file before, after;

    if (!inode_is_file(file) || !file->has_history) return false;
    snapshot_file(w->tree, file, w->earlier, &before);
    snapshot_file(w->tree, file, w->later, &after);
    return before.length != after.length ||
           !same_attributes(w->tree, snapshot_attributes(w->tree, file, w->earlier),
                            snapshot_attributes(w->tree, file, w->later));
}

/* DirectoryWithSnapshotFeature.computeDiffBetweenSnapshots: a change that was taken back counts when a snapshot saw it. */
static bool dir_attributes_changed(const struct walk *w, struct inode *dir)
{
    const struct snapshot_history *history = snapshot_history(w->tree, dir);
    const struct inode *first = snapshot_attributes(w->tree, dir, w->earlier);

    for (uint32_t i = 0; history && i < history->version_count; i++) {
        const struct snapshot_version *version = history->versions[i];

        if (version->record.snapshot < w->earlier || version->record.snapshot >= w->later) continue;
        if (version->copy && !same_attributes(w->tree, first, version->copy)) return true;
    }
    return !same_attributes(w->tree, first, snapshot_attributes(w->tree, dir, w->later));
}

/* ---- where is it in the later state? ---- */

/* The inode's directory then, and its name there; NULL: it was in none, or in one that no snapshot saw. */
static const struct inode *place_at(const struct walk *w, const struct inode *inode,
                                    const uint8_t **name, size_t *length)
{
    const struct snapshot_history *history = snapshot_history(w->tree, inode);

    for (uint32_t i = 0; history && i < history->place_count; i++) {
        const struct snapshot_entry *place = history->places[i];

        if (place->birth > w->later || place->death <= w->later) continue;
        *name = place->name;
        *length = place->name_length;
        return inode_at(w->tree->inodes, place->dir);
    }
    if (!inode->parent || snapshot_birth(w->tree, inode) > w->later) return NULL;
    *name = inode_name(inode, length);
    return inode_at(w->tree->inodes, inode->parent);
}

struct component {
    const uint8_t *name;
    size_t length;
};

/* DirectorySnapshottableFeature.findRenameTargetPath: .data NULL when it is not below the scope. */
static ProtobufCBinaryData target_of(const struct walk *w, const struct inode *inode)
{
    struct component *way = NULL;
    size_t depth = 0, capacity = 0, length = 0;
    ProtobufCBinaryData path = {.data = NULL};

    while (inode && inode != w->scope && depth < LEVELS_MAX) {
        GROW(way, capacity, depth + 1);
        inode = place_at(w, inode, &way[depth].name, &way[depth].length);
        if (inode) length += way[depth++].length + 1;
    }
    if (inode == w->scope && depth) {
        uint8_t *to = path.data = arena_alloc(w->arena, length);

        path.len = length - 1;
        while (depth--) {
            memcpy(to, way[depth].name, way[depth].length);
            to += way[depth].length;
            *to++ = '/'; /* the last one is behind the text */
        }
    }
    mem_free(way);
    return path;
}

/* ---- items ---- */

static void push_name(struct walk *w, const void *name, size_t length)
{
    if (w->path.length) buf_put_u8(&w->path, '/');
    buf_put(&w->path, name, length);
}

static ProtobufCBinaryData path_here(struct walk *w)
{
    return (ProtobufCBinaryData){.data = arena_copy(w->arena, w->path.data, w->path.length),
                                 .len = w->path.length};
}

/* False: there is no room, and the cursor says where to go on. */
static bool has_room(struct walk *w, int32_t index)
{
    if (w->out->count < w->max) return true;
    *w->cursor = (struct snapshot_diff_cursor){.path = path_here(w), .index = index};
    return false;
}

static struct snapshot_diff_item *add_item(struct walk *w, enum snapshot_diff_kind kind,
                                           const struct inode *dir, const struct inode *inode)
{
    struct snapshot_diff *out = w->out;

    GROW(out->items, out->capacity, out->count + 1);
    struct snapshot_diff_item *item = &out->items[out->count++];
    *item = (struct snapshot_diff_item){
        .kind = kind, .dir_id = dir->id, .id = inode->id, .path = path_here(w)};
    return item;
}

struct changes { /* of a directory's children */
    struct snapshot_item *list;
    size_t count, capacity;
};

/* Children of the directory in state `in` that are not in `other` under that name. */
static void collect(const struct walk *w, const struct inode *dir, int32_t in, int32_t other,
                    struct changes *out)
{
    struct snapshot_item page[PAGE];
    const uint8_t *after = NULL;
    size_t after_length = 0;
    bool more = true;

    while (more) {
        size_t count = snapshot_list(w->tree, dir, in, after, after_length, page, PAGE, &more);

        for (size_t i = 0; i < count; i++) {
            after = page[i].name;
            after_length = page[i].length;
            if (snapshot_child(w->tree, dir, other, after, after_length) == page[i].inode) continue;
            GROW(out->list, out->capacity, out->count + 1);
            out->list[out->count++] = page[i];
        }
        if (!count) break;
    }
}

static bool add_children(struct walk *w, const struct inode *dir, const struct changes *changes,
                         enum snapshot_diff_kind kind, int32_t base, int32_t from)
{
    size_t length = w->path.length;

    for (int32_t i = MAX(from - base, 0); (size_t)i < changes->count; i++) {
        const struct snapshot_item *child = &changes->list[i];
        const struct snapshot_history *history = snapshot_history(w->tree, child->inode);

        if (!has_room(w, base + i)) return false;
        push_name(w, child->name, child->length);
        struct snapshot_diff_item *item = add_item(w, kind, dir, child->inode);
        w->path.length = length;
        if (kind == DIFF_DELETED) {
            item->target = target_of(w, child->inode);
            item->reference = item->target.data != NULL;
        } else {
            item->reference = history && history->place_count;
        }
    }
    return true;
}

/* The items of a directory, from that index on. */
static bool add_dir(struct walk *w, struct inode *dir, int32_t index)
{
    struct changes created = {.list = NULL}, deleted = {.list = NULL};
    bool rc = true;

    if (!dir->has_history) return true;
    collect(w, dir, w->later, w->earlier, &created);
    collect(w, dir, w->earlier, w->later, &deleted);
    if (created.count || deleted.count || dir_attributes_changed(w, dir)) {
        int32_t split = (int32_t)MIN(created.count, (size_t)INT32_MAX / 2);

        if (index < 0) {
            rc = has_room(w, -1);
            if (rc) add_item(w, DIFF_MODIFIED, dir, dir)->reference = true;
        }
        if (rc) rc = add_children(w, dir, &created, DIFF_CREATED, 0, MAX(index, 0));
        if (rc) rc = add_children(w, dir, &deleted, DIFF_DELETED, split, MAX(index, split));
    }
    mem_free(created.list);
    mem_free(deleted.list);
    return rc;
}

static bool add_file(struct walk *w, struct inode *file)
{
    if (!file_changed(w, file)) return true;
    if (!has_room(w, -1)) return false;
    add_item(w, DIFF_MODIFIED, file, file);
    return true;
}

/* ---- the way ---- */

static struct frame *enter(struct walk *w, const struct inode *dir)
{
    GROW(w->frames, w->frame_capacity, w->depth + 1);
    struct frame *frame = &w->frames[w->depth++];
    *frame = (struct frame){.dir = dir, .path_length = w->path.length, .more = true};
    return frame;
}

static const struct snapshot_item *next_child(struct walk *w, struct frame *frame)
{
    if (frame->at == frame->count) {
        if (!frame->more) return NULL;
        frame->at = 0;
        frame->count = snapshot_list(w->tree, frame->dir, w->earlier, frame->after,
                                     frame->after_length, frame->page, PAGE, &frame->more);
        if (!frame->count) return NULL;
        frame->after = frame->page[frame->count - 1].name;
        frame->after_length = frame->page[frame->count - 1].length;
    }
    return &frame->page[frame->at++];
}

/* A child is looked through unless it left the scope. */
static bool is_followed(const struct walk *w, const struct inode *dir,
                        const struct snapshot_item *child)
{
    if (!dir->has_history) return true;
    return snapshot_child(w->tree, dir, w->later, child->name, child->length) == child->inode ||
           target_of(w, child->inode).data;
}

static bool visit(struct walk *w, struct inode *inode, int32_t index)
{
    if (!inode_is_dir(inode)) return add_file(w, inode);
    if (!add_dir(w, inode, index)) return false;
    enter(w, inode);
    return true;
}

/* Goes down to where the cursor points, without items for what lies on the way. */
static bool resume(struct walk *w, struct inode *scope, const struct snapshot_diff_cursor *from)
{
    const uint8_t *at = from->path.data, *end = at + from->path.len;
    struct inode *inode = scope;

    while (at < end) {
        const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
        size_t length = (size_t)((slash ? slash : end) - at);
        struct frame *frame = enter(w, inode);

        frame->after = at;
        frame->after_length = length;
        inode = snapshot_child(w->tree, inode, w->earlier, at, length);
        if (!inode) return true; /* not a cursor of ours: what follows that name */
        push_name(w, at, length);
        at += length + 1;
        if (at < end && !inode_is_dir(inode)) return true;
    }
    return visit(w, inode, from->index);
}

static void run(struct walk *w)
{
    while (w->depth) {
        struct frame *frame = &w->frames[w->depth - 1];
        const struct snapshot_item *child = next_child(w, frame);

        w->path.length = frame->path_length;
        if (!child) {
            w->depth--;
            continue;
        }
        if (!is_followed(w, frame->dir, child)) continue;
        push_name(w, child->name, child->length);
        if (!visit(w, child->inode, -1)) return;
    }
    *w->cursor = (struct snapshot_diff_cursor){.path = {.data = NULL}, .index = -1};
}

void snapshot_diff_walk(const struct tree *tree, struct inode *scope, int32_t earlier,
                        int32_t later, struct snapshot_diff_cursor *cursor, size_t max,
                        struct arena *arena, struct snapshot_diff *out)
{
    struct snapshot_diff_cursor from = *cursor;
    struct walk w = {.tree = tree,
                     .scope = scope,
                     .earlier = earlier,
                     .later = later,
                     .cursor = cursor,
                     .max = max,
                     .arena = arena,
                     .out = out};

    if (resume(&w, scope, &from)) run(&w);
    buf_release(&w.path);
    mem_free(w.frames);
}
