#include "namenode/snapshot.h"

#include "common/mem.h"
#include "namenode/block.h"
#include "namenode/core.h"

struct snapshots *snapshots_new(void)
{
    struct snapshots *snapshots = NEW(struct snapshots);

    TAILQ_INIT(&snapshots->dirs);
    TAILQ_INIT(&snapshots->dying);
    return snapshots;
}

static void free_history(struct snapshot_history *history)
{
    for (uint32_t i = 0; i < history->version_count; i++) {
        mem_free(history->versions[i]->blocks);
        mem_free(history->versions[i]);
    }
    for (uint32_t i = 0; i < history->entry_count; i++) mem_free(history->entries[i]);
    if (history->snapshottable) {
        mem_free(history->snapshottable->by_id);
        mem_free(history->snapshottable->by_name);
    }
    mem_free(history->snapshottable);
    mem_free(history->birth);
    mem_free(history->versions);
    mem_free(history->entries);
    mem_free(history->places);
    mem_free(history);
}

void snapshots_free(struct snapshots *snapshots)
{
    struct snapshot_history *history, *next_history;
    struct snapshot *snapshot, *next;

    if (!snapshots) return;
    HASH_ITER (hh, snapshots->histories, history, next_history) {
        HASH_DEL(snapshots->histories, history);
        free_history(history);
    }
    HASH_ITER (hh, snapshots->by_id, snapshot, next) {
        HASH_DEL(snapshots->by_id, snapshot);
        mem_free(snapshot);
    }
    mem_free(snapshots->prune);
    mem_free(snapshots);
}

/* ---- histories ---- */

struct snapshot_history *snapshot_history(const struct tree *tree, const struct inode *inode)
{
    struct snapshot_history *history;
    uint32_t reference;

    if (!inode->has_history) return NULL;
    reference = inode_reference(inode);
    HASH_FIND(hh, tree->snapshots->histories, &reference, sizeof reference, history);
    assert(history);
    return history;
}

struct snapshot_history *snapshot_history_make(struct tree *tree, struct inode *inode)
{
    struct snapshot_history *history = snapshot_history(tree, inode);

    if (history) return history;
    history = NEW(struct snapshot_history);
    history->reference = inode_reference(inode);
    HASH_ADD(hh, tree->snapshots->histories, reference, sizeof history->reference, history);
    inode->has_history = 1;
    return history;
}

static void drop_if_empty(struct tree *tree, struct snapshot_history *history)
{
    if (history->version_count || history->entry_count || history->place_count || history->birth ||
        history->snapshottable)
        return;
    inode_at(tree->inodes, history->reference)->has_history = 0;
    HASH_DEL(tree->snapshots->histories, history);
    free_history(history);
}

/* ---- snapshots and their names ---- */

struct snapshot_dir *snapshot_dir(const struct tree *tree, const struct inode *inode)
{
    const struct snapshot_history *history = snapshot_history(tree, inode);

    return history ? history->snapshottable : NULL;
}

const char *snapshot_name(const struct snapshot *snapshot, size_t *length)
{
    return (const char *)inode_name(snapshot->root, length);
}

/* Where a name is, or would go; *there says which. Apache's order: bytes are signed. */
static uint32_t find_name(const struct snapshot_dir *dir, const void *name, size_t length,
                          bool *there)
{
    uint32_t low = 0, high = dir->count;

    *there = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        size_t other_length;
        const char *other = snapshot_name(dir->by_name[middle], &other_length);
        int order = tree_compare_names(other, other_length, name, length);

        if (order == 0) *there = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct snapshot *snapshot_named(const struct snapshot_dir *dir, const void *name, size_t length)
{
    bool there;
    uint32_t at = find_name(dir, name, length, &there);

    return there ? dir->by_name[at] : NULL;
}

static struct snapshot *find_snapshot(const struct tree *tree, int32_t id)
{
    struct snapshot *snapshot;

    HASH_FIND(hh, tree->snapshots->by_id, &id, sizeof id, snapshot);
    return snapshot;
}

void snapshot_allow(struct tree *tree, struct inode *dir)
{
    struct snapshot_history *history = snapshot_history_make(tree, dir);

    if (history->snapshottable) return;
    history->snapshottable = NEW(struct snapshot_dir);
    history->snapshottable->dir = dir;
    TAILQ_INSERT_TAIL(&tree->snapshots->dirs, history->snapshottable, all);
    tree->snapshots->dir_count++;
}

void snapshot_disallow(struct tree *tree, struct inode *dir)
{
    struct snapshot_history *history = snapshot_history(tree, dir);

    if (!history || !history->snapshottable) return;
    assert(!history->snapshottable->count);
    TAILQ_REMOVE(&tree->snapshots->dirs, history->snapshottable, all);
    tree->snapshots->dir_count--;
    mem_free(history->snapshottable->by_id);
    mem_free(history->snapshottable->by_name);
    mem_free(history->snapshottable);
    history->snapshottable = NULL;
    drop_if_empty(tree, history);
}

static void put_at(struct snapshot **list, uint32_t count, uint32_t at, struct snapshot *snapshot)
{
    memmove(list + at + 1, list + at, (count - at) * sizeof(struct snapshot *));
    list[at] = snapshot;
}

static void take_from(struct snapshot **list, uint32_t count, const struct snapshot *snapshot)
{
    uint32_t at = 0;

    while (list[at] != snapshot) at++;
    memmove(list + at, list + at + 1, (count - at - 1) * sizeof(struct snapshot *));
}

struct snapshot *snapshot_add(struct tree *tree, struct inode *dir, int32_t id, struct inode *root)
{
    struct snapshot_dir *of = snapshot_dir(tree, dir);
    struct snapshot *snapshot = NEW(struct snapshot);
    uint32_t at = of->count;
    size_t length;
    const uint8_t *name = inode_name(root, &length);
    bool there;

    snapshot->id = id;
    snapshot->dir = inode_reference(dir);
    snapshot->root = root;
    TAILQ_INIT(&snapshot->records);
    HASH_ADD(hh, tree->snapshots->by_id, id, sizeof snapshot->id, snapshot);
    GROW(of->by_id, of->id_capacity, of->count + 1);
    GROW(of->by_name, of->name_capacity, of->count + 1);
    while (at && of->by_id[at - 1]->id > id) at--;
    put_at(of->by_id, of->count, at, snapshot);
    put_at(of->by_name, of->count, find_name(of, name, length, &there), snapshot);
    assert(!there);
    of->count++;
    tree->snapshots->count++;
    snapshot_add_version(tree, dir, root, id);
    return snapshot;
}

void snapshot_delete(struct tree *tree, struct snapshot *snapshot)
{
    struct snapshot_dir *of = snapshot_dir(tree, inode_at(tree->inodes, snapshot->dir));

    take_from(of->by_id, of->count, snapshot);
    take_from(of->by_name, of->count, snapshot);
    of->count--;
    snapshot->root = NULL;
    TAILQ_INSERT_TAIL(&tree->snapshots->dying, snapshot, dying);
    tree->snapshots->count--;
}

void snapshot_rename(struct tree *tree, struct snapshot *snapshot, const char *name, int64_t now_ms)
{
    struct snapshot_dir *of = snapshot_dir(tree, inode_at(tree->inodes, snapshot->dir));
    size_t length;
    bool there;

    const char *present = snapshot_name(snapshot, &length);
    if (tree_compare_names(present, length, name, strlen(name)) == 0) return;
    take_from(of->by_name, of->count, snapshot);
    of->count--;
    inode_set_name(tree->inodes, snapshot->root, name, strlen(name));
    put_at(of->by_name, of->count, find_name(of, name, strlen(name), &there), snapshot);
    of->count++;
    snapshot->root->mtime_ms = (uint64_t)now_ms;
}

/* ---- what covers what ---- */

static int32_t own_latest(const struct snapshot_dir *dir, int32_t below)
{
    uint32_t low = 0, high = dir->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (dir->by_id[middle]->id < below)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? dir->by_id[low - 1]->id : SNAPSHOT_NONE;
}

/* Inodes whose former directories are being asked: a way that comes back to one of them is none. */
struct asked {
    const struct inode *inode;
    const struct asked *before;
};

static bool is_asked(const struct asked *asked, const struct inode *inode)
{
    while (asked && asked->inode != inode) asked = asked->before;
    return asked != NULL;
}

static int32_t latest_in(const struct tree *tree, const struct inode *inode, int32_t floor,
                         int32_t below, const struct asked *asked);

/* The latest by former entries of the inode; raises *floor behind what it found. */
static int32_t latest_by_places(const struct tree *tree, const struct inode *inode,
                                const struct snapshot_history *history, int32_t *floor,
                                int32_t below, const struct asked *asked)
{
    struct asked self = {.inode = inode, .before = asked};
    int32_t best = SNAPSHOT_NONE;

    for (uint32_t i = history->place_count; i-- > 0;) {
        const struct snapshot_entry *place = history->places[i];
        const struct inode *dir = inode_at(tree->inodes, place->dir);
        int32_t found =
            latest_in(tree, dir, MAX(*floor, place->birth), MIN(below, place->death), &self);

        if (found == SNAPSHOT_NONE) continue;
        best = found;
        *floor = found + 1;
    }
    return best;
}

/*
 * The latest in [floor, below). An inode is covered by its own snapshots, and for the time of each of its entries by what
 * covers the directory it was in. The time of entries does not overlap, so that the work is bounded by the entries
 * on the way up. A birth that was not noted counts as the beginning of time, as nothing covered that directory
 * before: no snapshot is found by it, but the way may lead in a circle.
 */
static int32_t latest_in(const struct tree *tree, const struct inode *inode, int32_t floor,
                         int32_t below, const struct asked *asked)
{
    int32_t best = SNAPSHOT_NONE;

    for (; floor < below; inode = inode_at(tree->inodes, inode->parent)) {
        const struct snapshot_history *history = snapshot_history(tree, inode);

        if (is_asked(asked, inode)) break;
        if (history) {
            int32_t own =
                history->snapshottable ? own_latest(history->snapshottable, below) : SNAPSHOT_NONE;
            if (own >= floor) {
                best = own;
                floor = own + 1;
            }
            int32_t found = latest_by_places(tree, inode, history, &floor, below, asked);
            best = MAX(best, found);
            if (history->birth) floor = MAX(floor, history->birth->birth);
        }
        if (!inode->parent) break;
    }
    return best;
}

int32_t snapshot_latest(const struct tree *tree, const struct inode *inode, int32_t below)
{
    if (!tree->snapshots->count) return SNAPSHOT_NONE;
    return latest_in(tree, inode, 0, below, NULL);
}

int32_t snapshot_birth(const struct tree *tree, const struct inode *inode)
{
    const struct snapshot_history *history = snapshot_history(tree, inode);

    return history && history->birth ? history->birth->birth : 0;
}

bool snapshot_is_live(const struct tree *tree, const struct inode *inode)
{
    while (inode->parent) inode = inode_at(tree->inodes, inode->parent);
    return inode == tree->root;
}

struct inode *snapshot_home(const struct tree *tree, const struct inode *inode)
{
    const struct snapshot_history *history;

    if (inode->parent) return inode_at(tree->inodes, inode->parent);
    history = snapshot_history(tree, inode);
    return history && history->home_dir ? inode_at(tree->inodes, history->home_dir) : NULL;
}

/* An inode may have been in a directory that lies below it now, until what no snapshot sees is cut off: homes never form a ring. */
static bool is_above(const struct tree *tree, const struct inode *inode, const struct inode *dir)
{
    while (dir && dir != inode) dir = snapshot_home(tree, dir);
    return dir != NULL;
}

bool snapshot_find_home(struct tree *tree, struct inode *inode)
{
    struct snapshot_history *history = snapshot_history(tree, inode);

    assert(!inode->parent);
    if (!history) return false;
    history->home = NULL;
    history->home_dir = 0;
    if (!history->place_count) return false;
    history->home = history->places[history->place_count - 1];
    if (!is_above(tree, inode, inode_at(tree->inodes, history->home->dir))) {
        history->home_dir = history->home->dir;
        return true;
    }
    history->home = NULL;
    history->home_dir = inode_reference(tree->root);
    return true;
}

/* ---- records ---- */

/* An image may name a snapshot that is not there: its records are work at once. */
static struct snapshot *make_dying(struct tree *tree, int32_t id)
{
    struct snapshot *snapshot = NEW(struct snapshot);

    snapshot->id = id;
    TAILQ_INIT(&snapshot->records);
    HASH_ADD(hh, tree->snapshots->by_id, id, sizeof snapshot->id, snapshot);
    TAILQ_INSERT_TAIL(&tree->snapshots->dying, snapshot, dying);
    return snapshot;
}

static void file(struct tree *tree, struct snapshot_record *record, int32_t id)
{
    struct snapshot *snapshot = find_snapshot(tree, id);

    if (!snapshot) snapshot = make_dying(tree, id);
    record->snapshot = id;
    TAILQ_INSERT_TAIL(&snapshot->records, record, filed);
}

static void unfile(struct tree *tree, struct snapshot_record *record)
{
    TAILQ_REMOVE(&find_snapshot(tree, record->snapshot)->records, record, filed);
}

void snapshot_refile(struct tree *tree, struct snapshot_record *record, int32_t snapshot)
{
    unfile(tree, record);
    file(tree, record, snapshot);
}

static int compare_entries(const struct snapshot_entry *a, const struct snapshot_entry *b)
{
    int order = tree_compare_names(a->name, a->name_length, b->name, b->name_length);

    return order ? order : (a->birth > b->birth) - (a->birth < b->birth);
}

struct snapshot_entry *snapshot_add_entry(struct tree *tree, struct inode *dir, struct inode *inode,
                                          const void *name, size_t length, int32_t birth,
                                          int32_t death, int32_t snapshot)
{
    struct snapshot_entry *entry = mem_zalloc(sizeof *entry + length);
    struct snapshot_history *of_dir, *of_inode;
    uint32_t low = 0, high, at;

    assert(length && length <= INODE_NAME_MAX);
    *entry =
        (struct snapshot_entry){.record = {.kind = SNAPSHOT_ENTRY, .inode = inode_reference(inode)},
                                .dir = inode_reference(dir),
                                .birth = birth,
                                .death = death,
                                .name_length = (uint8_t)length};
    memcpy(entry->name, name, length);
    of_dir = snapshot_history_make(tree, dir);
    GROW(of_dir->entries, of_dir->entry_capacity, of_dir->entry_count + 1);
    high = of_dir->entry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_entries(of_dir->entries[middle], entry) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(of_dir->entries + low + 1, of_dir->entries + low,
            (of_dir->entry_count - low) * sizeof(struct snapshot_entry *));
    of_dir->entries[low] = entry;
    of_dir->entry_count++;
    of_inode = snapshot_history_make(tree, inode);
    GROW(of_inode->places, of_inode->place_capacity, of_inode->place_count + 1);
    for (at = of_inode->place_count; at && of_inode->places[at - 1]->death > death; at--)
        of_inode->places[at] = of_inode->places[at - 1];
    of_inode->places[at] = entry;
    of_inode->place_count++;
    file(tree, &entry->record, snapshot);
    return entry;
}

static void take_entry(struct snapshot_entry **list, uint32_t *count, uint32_t at)
{
    memmove(list + at, list + at + 1, (*count - at - 1) * sizeof(struct snapshot_entry *));
    --*count;
}

void snapshot_drop_entry(struct tree *tree, struct snapshot_entry *entry)
{
    struct snapshot_history *of_dir = snapshot_history(tree, inode_at(tree->inodes, entry->dir));
    struct snapshot_history *of_inode =
        snapshot_history(tree, inode_at(tree->inodes, entry->record.inode));
    uint32_t low = 0, high = of_dir->entry_count, at = 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_entries(of_dir->entries[middle], entry) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (of_dir->entries[low] != entry) low++;
    take_entry(of_dir->entries, &of_dir->entry_count, low);
    while (of_inode->places[at] != entry) at++;
    take_entry(of_inode->places, &of_inode->place_count, at);
    unfile(tree, &entry->record);
    drop_if_empty(tree, of_dir);
    if (of_inode != of_dir) drop_if_empty(tree, of_inode);
    mem_free(entry);
}

struct snapshot_version *snapshot_add_version(struct tree *tree, struct inode *inode,
                                              struct inode *copy, int32_t snapshot)
{
    struct snapshot_history *history = snapshot_history_make(tree, inode);
    struct snapshot_version *version = NEW(struct snapshot_version);
    uint32_t at;

    version->record.kind = SNAPSHOT_VERSION;
    version->record.inode = inode_reference(inode);
    version->copy = copy;
    GROW(history->versions, history->version_capacity, history->version_count + 1);
    for (at = history->version_count; at && history->versions[at - 1]->record.snapshot > snapshot;
         at--)
        history->versions[at] = history->versions[at - 1];
    history->versions[at] = version;
    history->version_count++;
    file(tree, &version->record, snapshot);
    return version;
}

void snapshot_drop_version(struct tree *tree, struct snapshot_version *version)
{
    struct snapshot_history *history =
        snapshot_history(tree, inode_at(tree->inodes, version->record.inode));
    uint32_t at = 0;

    while (history->versions[at] != version) at++;
    memmove(history->versions + at, history->versions + at + 1,
            (history->version_count - at - 1) * sizeof(struct snapshot_version *));
    history->version_count--;
    unfile(tree, &version->record);
    drop_if_empty(tree, history);
    mem_free(version);
}

void snapshot_set_birth(struct tree *tree, struct inode *inode, int32_t birth, int32_t snapshot)
{
    struct snapshot_history *history = snapshot_history_make(tree, inode);

    if (history->birth) {
        snapshot_refile(tree, &history->birth->record, snapshot);
    } else {
        history->birth = NEW(struct snapshot_birth);
        history->birth->record.kind = SNAPSHOT_BIRTH;
        history->birth->record.inode = inode_reference(inode);
        file(tree, &history->birth->record, snapshot);
    }
    history->birth->birth = birth;
}

void snapshot_drop_birth(struct tree *tree, struct inode *inode)
{
    struct snapshot_history *history = snapshot_history(tree, inode);

    if (!history || !history->birth) return;
    unfile(tree, &history->birth->record);
    mem_free(history->birth);
    history->birth = NULL;
    drop_if_empty(tree, history);
}

/* ---- changes ---- */

/* FileDiff.setBlocks: as many as the version's length needs. */
static void keep_blocks(const struct inode *inode, struct snapshot_version *version)
{
    uint64_t end = 0;

    version->has_blocks = true;
    while (version->block_count < inode->block_count && end < version->length)
        end += inode_block(inode, version->block_count++)->length;
    if (!version->block_count) return;
    version->blocks = mem_alloc(version->block_count * sizeof(struct block *));
    for (uint32_t i = 0; i < version->block_count; i++) version->blocks[i] = inode_block(inode, i);
}

static void keep(struct tree *tree, struct inode *inode, int32_t latest, bool blocks)
{
    struct snapshot_version *version = NULL;

    const struct snapshot_history *history = snapshot_history(tree, inode);
    if (history && history->version_count) version = history->versions[history->version_count - 1];
    if (!version || version->record.snapshot < latest) {
        version = snapshot_add_version(tree, inode, inode_copy(tree->inodes, inode), latest);
        version->length = inode_length(inode, true);
    } else if (!version->copy) {
        version->copy = inode_copy(tree->inodes, inode);
    }
    if (blocks && inode_is_file(inode) && !version->has_blocks) keep_blocks(inode, version);
}

struct snapshot *snapshot_create(struct tree *tree, struct inode *dir, const char *name,
                                 int64_t now_ms)
{
    struct inode *root = inode_copy(tree->inodes, dir);
    int32_t latest = snapshot_latest(tree, dir, SNAPSHOT_CURRENT);

    /* It may have been elsewhere, and be seen there by snapshots of others. */
    if (latest != SNAPSHOT_NONE) keep(tree, dir, latest, false);
    inode_set_name(tree->inodes, root, name, strlen(name));
    root->mtime_ms = (uint64_t)now_ms;
    if (now_ms > (int64_t)dir->mtime_ms) dir->mtime_ms = (uint64_t)now_ms;
    return snapshot_add(tree, dir, tree->snapshots->counter++, root);
}

void snapshot_keep(struct core *core, struct inode *inode, bool blocks)
{
    int32_t latest = snapshot_latest(&core->tree, inode, SNAPSHOT_CURRENT);

    if (latest != SNAPSHOT_NONE) keep(&core->tree, inode, latest, blocks);
}

bool snapshot_leave(struct tree *tree, struct inode *inode)
{
    struct inode *dir = inode_parent(tree->inodes, inode);
    int32_t birth = snapshot_birth(tree, inode);
    int32_t latest = snapshot_latest(tree, dir, SNAPSHOT_CURRENT);
    size_t length;

    snapshot_drop_birth(tree, inode);
    if (latest == SNAPSHOT_NONE || latest < birth) return false;
    const uint8_t *name = inode_name(inode, &length);
    snapshot_add_entry(tree, dir, inode, name, length, birth, tree->snapshots->counter, latest);
    return true;
}

void snapshot_arrive(struct tree *tree, struct inode *inode)
{
    struct inode *dir = inode_parent(tree->inodes, inode);
    int32_t latest = snapshot_latest(tree, dir, SNAPSHOT_CURRENT);

    if (latest == SNAPSHOT_NONE) return;
    keep(tree, dir, latest,
         false); /* whatever its time says: who counts its children looks for that */
    snapshot_set_birth(tree, inode, tree->snapshots->counter, latest);
}

/* A block has the same number in all lists that have it: files change at their end. */
static bool list_has(struct block *const *list, uint32_t count, uint32_t index,
                     const struct block *block)
{
    return index < count && list[index] == block;
}

bool snapshot_holds_block(const struct tree *tree, const struct inode *file, uint32_t index,
                          const struct block *block)
{
    const struct snapshot_history *history = snapshot_history(tree, file);

    for (uint32_t i = 0; history && i < history->version_count; i++)
        if (list_has(history->versions[i]->blocks, history->versions[i]->block_count, index, block))
            return true;
    return false;
}

bool snapshot_holds_end(const struct tree *tree, const struct inode *file)
{
    const struct snapshot_history *history = snapshot_history(tree, file);
    uint32_t last = file->block_count - 1;

    if (!file->block_count) return false;
    for (uint32_t i = 0; history && i < history->version_count; i++)
        if (history->versions[i]->block_count > last + 1 &&
            history->versions[i]->blocks[last] == inode_block(file, last))
            return true;
    return false;
}

/* Versions are looked through from the latest: what a later one has is counted there. */
static bool is_counted(const struct inode *file, const struct snapshot_history *history,
                       uint32_t version, uint32_t index)
{
    const struct block *block = history->versions[version]->blocks[index];

    if (index < file->block_count && inode_block(file, index) == block) return true;
    for (uint32_t i = version + 1; i < history->version_count; i++)
        if (list_has(history->versions[i]->blocks, history->versions[i]->block_count, index, block))
            return true;
    return false;
}

uint64_t snapshot_only_bytes(const struct tree *tree, const struct inode *file)
{
    const struct snapshot_history *history = snapshot_history(tree, file);
    uint64_t bytes = 0;

    for (uint32_t i = 0; history && i < history->version_count; i++)
        for (uint32_t n = 0; n < history->versions[i]->block_count; n++)
            if (!is_counted(file, history, i, n)) bytes += history->versions[i]->blocks[n]->length;
    return bytes;
}
