#include "namenode/tree.h"

#include "common/hash.h"
#include "common/mem.h"
#include "namenode/snapshot.h"

/*
 * A directory's children are references sorted by name: one array up to CHUNK_MAX, beyond it chunks
 * of such arrays under a top array. Finding costs two binary searches, inserting moves at most one
 * chunk, and a chunk's share of the top array is small enough that ranks are summed from it. The
 * (parent, name) index finds one name without any search.
 */
enum { CHUNK_MAX = 512, CHUNK_MERGE = CHUNK_MAX / 2, SMALL_FIRST = 4, SMALL_AGAIN = CHUNK_MAX / 4 };

struct chunk {
    uint32_t *references; /* CHUNK_MAX of them */
    uint32_t count;
};

struct dir_children {
    uint64_t count;
    uint32_t capacity;    /* of references[] or chunks[] */
    uint32_t chunk_count; /* 0: one array */
    union {
        uint32_t references[0];
        struct chunk chunks[0];
    };
};

struct tree_index {
    struct hash_table table;
    const struct inode_table *inodes;
    uint64_t seed;
};

/* A place among a directory's children; index may be one past a chunk's end. */
struct place {
    uint32_t chunk, index;
};

struct name {
    const uint8_t *bytes;
    size_t length;
};

static struct name name_of(const struct inode *inode)
{
    struct name name;

    name.bytes = inode_name(inode, &name.length);
    return name;
}

/* Bytes count as signed, as DFSUtilClient.compareBytes has it: an Apache namenode takes the order
 * of an image's directories as it is and searches them by halves, and clients page through listings
 * in it. */
static int name_compare(struct name a, struct name b)
{
    size_t common = MIN(a.length, b.length), i = 0;

    if (memcmp(a.bytes, b.bytes, common) == 0) return (a.length > b.length) - (a.length < b.length);
    while (a.bytes[i] == b.bytes[i]) i++;
    return (int8_t)a.bytes[i] < (int8_t)b.bytes[i] ? -1 : 1;
}

int tree_compare_names(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return name_compare((struct name){.bytes = a, .length = a_length},
                        (struct name){.bytes = b, .length = b_length});
}

/* ---- the index ---- */

struct entry_key {
    uint32_t parent;
    struct name name;
};

static uint64_t entry_hash(const struct tree_index *index, uint32_t parent, struct name name)
{
    return hash_bytes(name.bytes, name.length, index->seed + parent * UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t index_hash(const void *context, uint32_t reference)
{
    const struct tree_index *index = context;
    const struct inode *inode = inode_at(index->inodes, reference);

    return entry_hash(index, inode->parent, name_of(inode));
}

static bool index_match(const void *context, uint32_t reference, const void *key)
{
    const struct tree_index *index = context;
    const struct entry_key *wanted = key;
    const struct inode *inode = inode_at(index->inodes, reference);

    return inode->parent == wanted->parent && name_compare(name_of(inode), wanted->name) == 0;
}

int tree_init(struct tree *tree)
{
    *tree = (struct tree){.inodes = inode_table_new(), .inode_id_last = INODE_ID_ROOT};
    tree->index = NEW(struct tree_index);
    tree->index->inodes = tree->inodes;
    tree->index->seed = hash_process_seed();
    hash_init(&tree->index->table, index_hash, tree->index);
    tree->root = inode_new(tree->inodes, INODE_DIRECTORY, INODE_ID_ROOT);
    tree->root->mode = 0755;
    tree->snapshots = snapshots_new();
    return 0;
}

/* ---- children ---- */

static bool is_large(const struct dir_children *children)
{
    return children->chunk_count > 0;
}

static const uint32_t *chunk_of(const struct dir_children *children, uint32_t chunk,
                                uint32_t *count)
{
    if (!is_large(children)) {
        *count = (uint32_t)children->count;
        return children->references;
    }
    *count = children->chunks[chunk].count;
    return children->chunks[chunk].references;
}

static uint32_t chunk_total(const struct dir_children *children)
{
    return is_large(children) ? children->chunk_count : 1;
}

static int compare_to(const struct tree *tree, uint32_t reference, struct name name)
{
    return name_compare(name_of(inode_at(tree->inodes, reference)), name);
}

/* The last chunk that starts at or before `name`. */
static uint32_t find_chunk(const struct tree *tree, const struct dir_children *children,
                           struct name name)
{
    uint32_t low = 0, high = chunk_total(children);

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_to(tree, children->chunks[middle].references[0], name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The first child not before `name`; true when it has that name. */
static bool locate(const struct tree *tree, const struct dir_children *children, struct name name,
                   struct place *place)
{
    uint32_t count, low = 0, high;
    const uint32_t *references;

    place->chunk = find_chunk(tree, children, name);
    references = chunk_of(children, place->chunk, &count);
    high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_to(tree, references[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    place->index = low;
    return low < count && compare_to(tree, references[low], name) == 0;
}

static struct dir_children *children_resize(struct dir_children *children, size_t element,
                                            uint32_t capacity)
{
    children = mem_realloc(children, sizeof *children + element * capacity);
    children->capacity = capacity;
    return children;
}

static void put(uint32_t *references, uint32_t count, uint32_t index, uint32_t reference)
{
    memmove(references + index + 1, references + index, (count - index) * sizeof *references);
    references[index] = reference;
}

static struct dir_children *make_large(struct dir_children *small)
{
    struct dir_children *large = mem_alloc(sizeof *large + SMALL_FIRST * sizeof(struct chunk));
    uint32_t *references = mem_alloc(CHUNK_MAX * sizeof *references);

    memcpy(references, small->references, small->count * sizeof *references);
    *large =
        (struct dir_children){.count = small->count, .capacity = SMALL_FIRST, .chunk_count = 1};
    large->chunks[0] = (struct chunk){.references = references, .count = (uint32_t)small->count};
    mem_free(small);
    return large;
}

static struct dir_children *make_small(struct dir_children *large)
{
    struct dir_children *small = mem_alloc(sizeof *small + CHUNK_MERGE * sizeof(uint32_t));
    uint32_t count = 0;

    *small = (struct dir_children){.count = large->count, .capacity = CHUNK_MERGE};
    for (uint32_t i = 0; i < large->chunk_count; i++) {
        memcpy(small->references + count, large->chunks[i].references,
               large->chunks[i].count * sizeof(uint32_t));
        count += large->chunks[i].count;
        mem_free(large->chunks[i].references);
    }
    mem_free(large);
    return small;
}

/* Makes room in a full chunk: at its end by a new chunk, so that names made in order leave full
 * ones; else by halving it. */
static struct dir_children *split_chunk(struct dir_children *children, struct place *place)
{
    uint32_t keep = place->index == CHUNK_MAX && place->chunk + 1 == children->chunk_count
                        ? CHUNK_MAX
                        : CHUNK_MAX / 2;

    if (children->chunk_count == children->capacity)
        children = children_resize(children, sizeof(struct chunk), children->capacity * 2);
    struct chunk *full = &children->chunks[place->chunk];
    struct chunk *next = full + 1;

    memmove(next + 1, next, (children->chunk_count - place->chunk - 1) * sizeof *next);
    children->chunk_count++;
    next->references = mem_alloc(CHUNK_MAX * sizeof(uint32_t));
    next->count = CHUNK_MAX - keep;
    memcpy(next->references, full->references + keep, next->count * sizeof(uint32_t));
    full->count = keep;
    if (place->index >= keep && (place->index > keep || !next->count)) {
        place->chunk++;
        place->index -= keep;
    }
    return children;
}

static struct dir_children *children_insert(const struct tree *tree, struct dir_children *children,
                                            struct inode *child)
{
    uint32_t reference = inode_reference(child);
    struct place place;

    if (!children) {
        children = mem_alloc(sizeof *children + SMALL_FIRST * sizeof(uint32_t));
        *children = (struct dir_children){.count = 1, .capacity = SMALL_FIRST};
        children->references[0] = reference;
        return children;
    }
    if (!is_large(children) && children->count == CHUNK_MAX) children = make_large(children);
    bool there = locate(tree, children, name_of(child), &place);
    assert(!there);
    if (is_large(children)) {
        if (children->chunks[place.chunk].count == CHUNK_MAX)
            children = split_chunk(children, &place);
        struct chunk *chunk = &children->chunks[place.chunk];
        put(chunk->references, chunk->count++, place.index, reference);
    } else {
        if (children->count == children->capacity)
            children = children_resize(children, sizeof(uint32_t),
                                       MIN(children->capacity * 3 / 2 + 1, (uint32_t)CHUNK_MAX));
        put(children->references, (uint32_t)children->count, place.index, reference);
    }
    children->count++;
    return children;
}

static void take(uint32_t *references, uint32_t count, uint32_t index)
{
    memmove(references + index, references + index + 1, (count - index - 1) * sizeof *references);
}

static void drop_chunk(struct dir_children *children, uint32_t chunk)
{
    struct chunk *gone = &children->chunks[chunk];

    mem_free(gone->references);
    memmove(gone, gone + 1, (children->chunk_count - chunk - 1) * sizeof *gone);
    children->chunk_count--;
}

/* Joins a chunk that has become small with the one behind it. */
static void merge_chunk(struct dir_children *children, uint32_t chunk)
{
    if (children->chunks[chunk].count == 0) {
        drop_chunk(children, chunk);
        return;
    }
    if (chunk + 1 == children->chunk_count) return;
    struct chunk *into = &children->chunks[chunk], *from = into + 1;

    if (into->count + from->count > CHUNK_MERGE) return;
    memcpy(into->references + into->count, from->references, from->count * sizeof(uint32_t));
    into->count += from->count;
    drop_chunk(children, chunk + 1);
}

static bool is_last(const struct dir_children *children, uint32_t reference, struct place *place)
{
    uint32_t count;
    const uint32_t *references =
        chunk_of(children, place->chunk = chunk_total(children) - 1, &count);

    place->index = count - 1;
    return references[count - 1] == reference;
}

static struct dir_children *children_remove(const struct tree *tree, struct dir_children *children,
                                            const struct inode *child)
{
    uint32_t reference = inode_reference(child);
    struct place place;

    if (!is_last(children, reference, &place)) { /* whole directories go from the end */
        bool there = locate(tree, children, name_of(child), &place);
        assert(there);
    }
    children->count--;
    if (!children->count) {
        if (is_large(children)) drop_chunk(children, 0);
        mem_free(children);
        return NULL;
    }
    if (!is_large(children)) {
        take(children->references, (uint32_t)children->count + 1, place.index);
        return children;
    }
    struct chunk *chunk = &children->chunks[place.chunk];
    take(chunk->references, chunk->count, place.index);
    chunk->count--;
    merge_chunk(children, place.chunk);
    return children->count <= SMALL_AGAIN ? make_small(children) : children;
}

static void children_free(struct dir_children *children)
{
    if (!children) return;
    for (uint32_t i = 0; i < children->chunk_count; i++) mem_free(children->chunks[i].references);
    mem_free(children);
}

void tree_release(struct tree *tree)
{
    if (!tree->inodes) return;
    snapshots_free(tree->snapshots);
    for (struct inode *inode = inode_next(tree->inodes, 0); inode;
         inode = inode_next(tree->inodes, inode_reference(inode)))
        if (inode_is_dir(inode)) children_free(inode->children);
    hash_release(&tree->index->table);
    mem_free(tree->index);
    inode_table_free(tree->inodes);
    mem_free(tree->detached);
    *tree = (struct tree){0};
}

/* ---- links ---- */

struct inode *tree_child(const struct tree *tree, const struct inode *dir, const void *name,
                         size_t length)
{
    struct entry_key key = {.parent = inode_reference(dir),
                            .name = {.bytes = name, .length = length}};
    uint32_t reference;

    if (!inode_is_dir(dir) || !dir->children) return NULL;
    reference = hash_find(&tree->index->table, entry_hash(tree->index, key.parent, key.name),
                          index_match, &key);
    return reference ? inode_at(tree->inodes, reference) : NULL;
}

void tree_link(struct tree *tree, struct inode *dir, struct inode *child)
{
    assert(inode_is_dir(dir) && !child->parent && child->name_length && child != tree->root);
    child->parent = inode_reference(dir);
    dir->children = children_insert(tree, dir->children, child);
    hash_insert(&tree->index->table, inode_reference(child));
}

/* Full arrays: `references` are known to be in order. */
static struct dir_children *children_of(const uint32_t *references, size_t count)
{
    bool large = count > CHUNK_MAX;
    size_t chunks = large ? DIV_UP(count, CHUNK_MAX) : 0;
    size_t elements = large ? chunks * sizeof(struct chunk) : count * sizeof *references;
    struct dir_children *children = mem_alloc(sizeof *children + elements);

    *children = (struct dir_children){.count = count,
                                      .capacity = (uint32_t)(large ? chunks : count),
                                      .chunk_count = (uint32_t)chunks};
    if (!large) memcpy(children->references, references, elements);
    for (size_t i = 0; i < chunks; i++) {
        size_t first = i * CHUNK_MAX, length = MIN(count - first, (size_t)CHUNK_MAX);
        uint32_t *copy = mem_alloc(CHUNK_MAX * sizeof *copy);

        memcpy(copy, references + first, length * sizeof *copy);
        children->chunks[i] = (struct chunk){.references = copy, .count = (uint32_t)length};
    }
    return children;
}

static bool are_in_order(const struct tree *tree, const uint32_t *references, size_t count)
{
    struct name before = {.length = 0};

    for (size_t i = 0; i < count; i++) {
        struct name name = name_of(inode_at(tree->inodes, references[i]));

        if (i && name_compare(before, name) >= 0) return false;
        before = name;
    }
    return true;
}

bool tree_link_all(struct tree *tree, struct inode *dir, const uint32_t *references, size_t count)
{
    assert(inode_is_dir(dir));
    if (dir->children || !count || count > UINT32_MAX || !are_in_order(tree, references, count))
        return false;
    dir->children = children_of(references, count);
    for (size_t i = 0; i < count; i++) {
        struct inode *child = inode_at(tree->inodes, references[i]);

        assert(!child->parent && child != tree->root);
        child->parent = inode_reference(dir);
    }
    hash_insert_all(&tree->index->table, references, count, NULL);
    return true;
}

void tree_expect(struct tree *tree, uint64_t count)
{
    inode_expect(tree->inodes, count);
    hash_reserve(&tree->index->table, count);
}

void tree_unlink(struct tree *tree, struct inode *child)
{
    struct inode *dir = inode_parent(tree->inodes, child);

    assert(dir);
    hash_remove(&tree->index->table, inode_reference(child));
    dir->children = children_remove(tree, dir->children, child);
    child->parent = 0;
}

void tree_move(struct tree *tree, struct inode *child, struct inode *new_dir, const void *name,
               size_t length)
{
    tree_unlink(tree, child);
    inode_set_name(tree->inodes, child, name, length);
    tree_link(tree, new_dir, child);
}

bool tree_is_ancestor(const struct tree *tree, const struct inode *ancestor,
                      const struct inode *inode)
{
    while (inode && inode != ancestor) inode = inode_parent(tree->inodes, inode);
    return inode != NULL;
}

/* ---- listing ---- */

uint64_t dir_child_count(const struct inode *dir)
{
    return inode_is_dir(dir) && dir->children ? dir->children->count : 0;
}

static uint64_t rank_of(const struct dir_children *children, struct place place)
{
    uint64_t rank = place.index;

    for (uint32_t i = 0; i < place.chunk; i++) rank += children->chunks[i].count;
    return rank;
}

/* The child at a place, which moves on by one; NULL at the end. */
static struct inode *next_child(const struct tree *tree, const struct dir_children *children,
                                struct place *place)
{
    uint32_t count;

    for (; place->chunk < chunk_total(children); place->chunk++, place->index = 0) {
        const uint32_t *references = chunk_of(children, place->chunk, &count);

        if (place->index < count) return inode_at(tree->inodes, references[place->index++]);
    }
    return NULL;
}

size_t dir_list(const struct tree *tree, const struct inode *dir, const void *start,
                size_t start_length, struct inode **out, size_t max, uint64_t *remaining)
{
    const struct dir_children *children = inode_is_dir(dir) ? dir->children : NULL;
    struct place place = {0};
    size_t count = 0;

    *remaining = 0;
    if (!children) return 0;
    if (start_length &&
        locate(tree, children, (struct name){.bytes = start, .length = start_length}, &place))
        place.index++;
    *remaining = children->count - rank_of(children, place);
    while (count < max && (out[count] = next_child(tree, children, &place)) != NULL) count++;
    *remaining -= count;
    return count;
}

struct inode *dir_child_at(const struct tree *tree, const struct inode *dir, uint64_t position)
{
    const struct dir_children *children = inode_is_dir(dir) ? dir->children : NULL;
    struct place place = {0};
    uint32_t count;

    if (!children || position >= children->count) return NULL;
    for (;; place.chunk++) {
        (void)chunk_of(children, place.chunk, &count);
        if (position < count) break;
        position -= count;
    }
    place.index = (uint32_t)position;
    return next_child(tree, children, &place);
}

struct inode *dir_last_child(const struct tree *tree, const struct inode *dir)
{
    uint32_t count;

    if (!dir_child_count(dir)) return NULL;
    const uint32_t *references = chunk_of(dir->children, chunk_total(dir->children) - 1, &count);
    return inode_at(tree->inodes, references[count - 1]);
}

/* ---- walking ---- */

struct tree_walk_level {
    const struct inode *dir;
    struct place place; /* of the next child */
};

void tree_walk_start(struct tree_walk *walk, const struct tree *tree, struct inode *from)
{
    *walk = (struct tree_walk){.tree = tree, .first = from};
}

static struct inode *walk_into(struct tree_walk *walk, struct inode *inode)
{
    if (inode && inode_is_dir(inode) && inode->children) {
        GROW(walk->levels, walk->capacity, walk->depth + 1);
        walk->levels[walk->depth++] = (struct tree_walk_level){.dir = inode};
    }
    return inode;
}

struct inode *tree_walk_next(struct tree_walk *walk)
{
    struct inode *inode = walk->first;

    if (inode) {
        walk->first = NULL;
        return walk_into(walk, inode);
    }
    while (walk->depth) {
        struct tree_walk_level *level = &walk->levels[walk->depth - 1];

        inode = next_child(walk->tree, level->dir->children, &level->place);
        if (inode) return walk_into(walk, inode);
        walk->depth--;
    }
    return NULL;
}

void tree_walk_release(struct tree_walk *walk)
{
    mem_free(walk->levels);
    *walk = (struct tree_walk){0};
}

struct bookmark_level {
    uint64_t dir_id;
    uint8_t after_length; /* 0: none of the children was met yet */
    uint8_t after[INODE_NAME_MAX];
};

struct tree_bookmark {
    size_t depth, capacity;
    struct bookmark_level levels[];
};

/* The child before a place, which is in the same chunk: a place moves on only when it is read. */
static void note_last_child(const struct tree *tree, const struct tree_walk_level *level,
                            struct bookmark_level *note)
{
    uint32_t count;

    note->dir_id = level->dir->id;
    note->after_length = 0;
    if (!level->place.index) return;
    const uint32_t *references = chunk_of(level->dir->children, level->place.chunk, &count);
    struct name name = name_of(inode_at(tree->inodes, references[level->place.index - 1]));
    note->after_length = (uint8_t)name.length;
    memcpy(note->after, name.bytes, name.length);
}

struct tree_bookmark *tree_walk_save(struct tree_walk *walk, struct arena *arena,
                                     struct tree_bookmark *earlier)
{
    struct tree_bookmark *bookmark = earlier;

    assert(!walk->first);
    if (!bookmark || bookmark->capacity < walk->depth) {
        size_t capacity = 2 * walk->depth + 4;

        bookmark = arena_alloc(arena, sizeof *bookmark + capacity * sizeof bookmark->levels[0]);
        bookmark->capacity = capacity;
    }
    bookmark->depth = walk->depth;
    for (size_t i = 0; i < walk->depth; i++)
        note_last_child(walk->tree, &walk->levels[i], &bookmark->levels[i]);
    tree_walk_release(walk);
    return bookmark;
}

void tree_walk_resume(struct tree_walk *walk, const struct tree *tree,
                      const struct tree_bookmark *bookmark)
{
    *walk = (struct tree_walk){.tree = tree};
    GROW(walk->levels, walk->capacity, bookmark->depth);
    for (size_t i = 0; i < bookmark->depth; i++) {
        const struct bookmark_level *note = &bookmark->levels[i];
        struct inode *dir = inode_find(tree->inodes, note->dir_id);
        struct tree_walk_level level = {.dir = dir};
        struct name after = {.bytes = note->after, .length = note->after_length};

        if (!dir || !dir->children) break; /* nothing is left of it, nor of what was below */
        if (after.length && locate(tree, dir->children, after, &level.place)) level.place.index++;
        walk->levels[walk->depth++] = level;
    }
}
