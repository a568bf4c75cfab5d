#include "namenode/inode.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <uthash.h>

#include "common/hash.h"
#include "common/mem.h"
#include "namenode/acl.h"
#include "namenode/block.h"
#include "namenode/xattr.h"

/*
 * Slabs of 2 MiB, aligned to their size, so that an inode finds its slab's header by masking its
 * own address, and through it its reference: slab number * 32768 + place. Place 0 is the header.
 * Pages of a slab are the system's until they are touched.
 */
enum {
    SLAB_BYTES = 2 << 20,
    SLAB_PLACES = SLAB_BYTES / 64,
    SLAB_SHIFT = 15,
    NAME_CLASS_BYTES = 8,
    NAME_CLASSES = INODE_NAME_MAX / NAME_CLASS_BYTES + 2,
    NAME_CHUNK_BYTES = 64 << 10,
    BLOCK_SIZE_OTHER = 255, /* class of sizes beyond the 255 that are numbered: in a side table */
    OWNERS_GROWTH = 16,
};
_Static_assert(1 << SLAB_SHIFT == SLAB_PLACES, "references are places");

struct slab {
    uint32_t number;
};

struct owner {
    char *user;
    char *group;
    uint32_t index;
    UT_hash_handle hh; /* key: user, NUL, group */
};

struct quota_entry {
    uint32_t reference;
    struct inode_quota quota;
    struct quota_usage usage;
    UT_hash_handle hh;
};

struct symlink_entry {
    uint32_t reference;
    char *target;
    UT_hash_handle hh;
};

struct feature_entry {
    uint32_t reference;
    struct acl *acl;
    struct xattrs *xattrs;
    UT_hash_handle hh;
};

struct block_size_entry {
    uint32_t reference;
    uint64_t size;
    UT_hash_handle hh;
};

/* Names longer than what an inode holds, in strings of 8-byte size classes cut from chunks; freed
 * ones are reused. */
struct name_pool {
    void *free[NAME_CLASSES]; /* chains through the first eight bytes */
    char *next, *end;
    char **chunks;
    size_t chunk_count, chunk_capacity;
};

struct inode_table {
    struct slab **slabs;
    uint32_t slab_count, slab_capacity;
    uint32_t next_place; /* of the last slab */
    uint32_t free;       /* reference; chained through inode.parent */
    uint64_t seed;
    int64_t detached; /* trees that wait to be freed */
    struct hash_table ids;
    struct name_pool names;
    struct owner *owners_by_text, **owners;
    uint32_t owner_count, owner_capacity;
    struct quota_entry *quotas;
    struct symlink_entry *symlinks;
    struct feature_entry *features;
    struct acl_pool *acls;
    struct block_size_entry *odd_block_sizes;
    uint64_t block_sizes[BLOCK_SIZE_OTHER];
    uint32_t block_size_count;
};

/* ---- slabs ---- */

static struct slab *slab_map(void)
{
    size_t size = 2 * (size_t)SLAB_BYTES;
    char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED) return mem_alloc(SIZE_MAX / 2); /* ends the process with its line */
    char *slab = (char *)ROUND_UP((uintptr_t)area, (uintptr_t)SLAB_BYTES);
    size_t before = (size_t)(slab - area), after = size - SLAB_BYTES - before;

    if (before) munmap(area, before);
    if (after) munmap(slab + SLAB_BYTES, after);
    return (struct slab *)(void *)slab;
}

static void slab_add(struct inode_table *table)
{
    GROW(table->slabs, table->slab_capacity, table->slab_count + 1);
    table->slabs[table->slab_count] = slab_map();
    table->slabs[table->slab_count]->number = table->slab_count;
    table->slab_count++;
    table->next_place = 1;
}

struct inode *inode_at(const struct inode_table *table, uint32_t reference)
{
    assert(reference && reference >> SLAB_SHIFT < table->slab_count);
    return (struct inode *)(void *)table->slabs[reference >> SLAB_SHIFT] +
           (reference & (SLAB_PLACES - 1));
}

uint32_t inode_reference(const struct inode *inode)
{
    uintptr_t slab = (uintptr_t)inode & ~((uintptr_t)SLAB_BYTES - 1);
    uint32_t place = (uint32_t)(((uintptr_t)inode - slab) / sizeof *inode);

    return (((const struct slab *)slab)->number << SLAB_SHIFT) | place;
}

static uint64_t id_hash(const void *context, uint32_t reference)
{
    const struct inode_table *table = context;

    return hash_u64(inode_at(table, reference)->id, table->seed);
}

static bool id_match(const void *context, uint32_t reference, const void *key)
{
    return inode_at(context, reference)->id == *(const uint64_t *)key;
}

/* ---- names ---- */

static size_t name_class(size_t length)
{
    return DIV_UP(length, NAME_CLASS_BYTES);
}

static void *pool_take(struct name_pool *pool, size_t length)
{
    size_t class = name_class(length), size = class * NAME_CLASS_BYTES;
    void *name = pool->free[class];

    if (name) {
        memcpy(&pool->free[class], name, sizeof(void *));
        return name;
    }
    if ((size_t)(pool->end - pool->next) < size) {
        GROW(pool->chunks, pool->chunk_capacity, pool->chunk_count + 1);
        pool->next = pool->chunks[pool->chunk_count++] = mem_alloc(NAME_CHUNK_BYTES);
        pool->end = pool->next + NAME_CHUNK_BYTES;
    }
    name = pool->next;
    pool->next += size;
    return name;
}

static void pool_give(struct name_pool *pool, void *name, size_t length)
{
    size_t class = name_class(length);

    memcpy(name, &pool->free[class], sizeof(void *));
    pool->free[class] = name;
}

static void *long_name(const struct inode *inode)
{
    void *name;

    memcpy(&name, inode->name_space, sizeof name);
    return name;
}

const uint8_t *inode_name(const struct inode *inode, size_t *length)
{
    *length = inode->name_length;
    return inode->name_length <= INODE_NAME_INLINE ? inode->name_space : long_name(inode);
}

static void drop_name(struct inode_table *table, struct inode *inode)
{
    if (inode->name_length > INODE_NAME_INLINE)
        pool_give(&table->names, long_name(inode), inode->name_length);
    inode->name_length = 0;
}

void inode_set_name(struct inode_table *table, struct inode *inode, const void *name, size_t length)
{
    uint8_t copy[INODE_NAME_MAX]; /* `name` may be the present one */

    assert(length <= INODE_NAME_MAX);
    memcpy(copy, name, length);
    drop_name(table, inode);
    if (length <= INODE_NAME_INLINE) {
        memcpy(inode->name_space, copy, length);
    } else {
        void *kept = pool_take(&table->names, length);

        memcpy(kept, copy, length);
        memcpy(inode->name_space, &kept, sizeof kept);
    }
    inode->name_length = (uint8_t)length;
}

/* ---- owners ---- */

static uint32_t owner_intern(struct inode_table *table, const char *user, const char *group)
{
    size_t user_size = strlen(user) + 1, group_size = strlen(group) + 1,
           size = user_size + group_size;
    char *key = mem_alloc(size);
    struct owner *owner;

    memcpy(key, user, user_size);
    memcpy(key + user_size, group, group_size);
    HASH_FIND(hh, table->owners_by_text, key, size, owner);
    if (owner) {
        mem_free(key);
        return owner->index;
    }
    owner = NEW(struct owner);
    owner->user = key;
    owner->group = key + user_size;
    owner->index = table->owner_count;
    GROW(table->owners, table->owner_capacity, table->owner_count + OWNERS_GROWTH);
    table->owners[table->owner_count++] = owner;
    HASH_ADD_KEYPTR(hh, table->owners_by_text, owner->user, size, owner);
    return owner->index;
}

const char *inode_user(const struct inode_table *table, const struct inode *inode)
{
    return table->owners[inode->owner]->user;
}

const char *inode_group(const struct inode_table *table, const struct inode *inode)
{
    return table->owners[inode->owner]->group;
}

void inode_set_owner(struct inode_table *table, struct inode *inode, const char *user,
                     const char *group)
{
    inode->owner = owner_intern(table, user, group);
}

/* ---- the table ---- */

struct inode_table *inode_table_new(void)
{
    struct inode_table *table = NEW(struct inode_table);

    table->seed = hash_process_seed();
    table->acls = acl_pool_new();
    hash_init(&table->ids, id_hash, table);
    owner_intern(table, "", ""); /* index 0: nobody yet */
    return table;
}

static void free_side_tables(struct inode_table *table)
{
    struct quota_entry *quota, *next_quota;
    struct symlink_entry *symlink, *next_symlink;
    struct feature_entry *feature, *next_feature;
    struct block_size_entry *size, *next_size;

    HASH_ITER (hh, table->quotas, quota, next_quota) {
        HASH_DEL(table->quotas, quota);
        mem_free(quota);
    }
    HASH_ITER (hh, table->symlinks, symlink, next_symlink) {
        HASH_DEL(table->symlinks, symlink);
        mem_free(symlink->target);
        mem_free(symlink);
    }
    HASH_ITER (hh, table->features, feature, next_feature) {
        HASH_DEL(table->features, feature);
        acl_drop(feature->acl);
        xattrs_drop(feature->xattrs);
        mem_free(feature);
    }
    HASH_ITER (hh, table->odd_block_sizes, size, next_size) {
        HASH_DEL(table->odd_block_sizes, size);
        mem_free(size);
    }
}

static void free_block_lists(struct inode_table *table)
{
    for (struct inode *inode = inode_next(table, 0); inode;
         inode = inode_next(table, inode_reference(inode)))
        if (inode_is_file(inode)) inode_clear_blocks(inode);
}

void inode_table_free(struct inode_table *table)
{
    if (!table) return;
    free_block_lists(table);
    free_side_tables(table);
    acl_pool_free(table->acls);
    HASH_CLEAR(hh, table->owners_by_text);
    for (uint32_t i = 0; i < table->owner_count; i++) {
        mem_free(table->owners[i]->user);
        mem_free(table->owners[i]);
    }
    mem_free(table->owners);
    for (size_t i = 0; i < table->names.chunk_count; i++) mem_free(table->names.chunks[i]);
    mem_free(table->names.chunks);
    for (uint32_t i = 0; i < table->slab_count; i++) munmap(table->slabs[i], SLAB_BYTES);
    mem_free(table->slabs);
    hash_release(&table->ids);
    mem_free(table);
}

struct inode *inode_find_any(const struct inode_table *table, uint64_t id)
{
    uint32_t reference = hash_find(&table->ids, hash_u64(id, table->seed), id_match, &id);

    return reference ? inode_at(table, reference) : NULL;
}

struct inode *inode_find(const struct inode_table *table, uint64_t id)
{
    struct inode *inode = inode_find_any(table, id), *top = inode;

    if (!inode || !table->detached) return inode;
    while (top->parent) top = inode_at(table, top->parent);
    return top->id == INODE_ID_ROOT ? inode : NULL;
}

void inode_table_detached(struct inode_table *table, int64_t change)
{
    table->detached += change;
    assert(table->detached >= 0);
}

/* A place in the slabs, zeroed. */
static struct inode *take_place(struct inode_table *table)
{
    uint32_t reference = table->free;
    struct inode *inode;

    if (reference) {
        inode = inode_at(table, reference);
        table->free = inode->parent;
        memset(inode, 0, sizeof *inode);
        return inode;
    }
    if (!table->slab_count || table->next_place == SLAB_PLACES) slab_add(table);
    reference = ((table->slab_count - 1) << SLAB_SHIFT) | table->next_place++;
    return inode_at(table, reference);
}

struct inode *inode_new_unknown(struct inode_table *table, enum inode_type type, uint64_t id)
{
    assert(type != INODE_FREE);
    struct inode *inode = take_place(table);
    inode->id = id;
    inode->type = type;
    return inode;
}

struct inode *inode_new(struct inode_table *table, enum inode_type type, uint64_t id)
{
    assert(!inode_find_any(table, id));
    struct inode *inode = inode_new_unknown(table, type, id);

    hash_insert(&table->ids, inode_reference(inode));
    return inode;
}

void inode_index(struct inode_table *table, const uint32_t *references, size_t count)
{
    hash_insert_all(&table->ids, references, count, NULL);
}

void inode_expect(struct inode_table *table, uint64_t count)
{
    hash_reserve(&table->ids, count);
}

static void forget_block_size(struct inode_table *table, struct inode *inode)
{
    uint32_t reference = inode_reference(inode);
    struct block_size_entry *entry;

    if (inode->block_size_class != BLOCK_SIZE_OTHER) return;
    HASH_FIND(hh, table->odd_block_sizes, &reference, sizeof reference, entry);
    assert(entry);
    HASH_DEL(table->odd_block_sizes, entry);
    mem_free(entry);
    inode->block_size_class = 0;
}

void inode_free(struct inode_table *table, struct inode *inode)
{
    const struct inode_quota none = {QUOTA_NONE, QUOTA_NONE, {-1, -1, -1, -1, -1, -1, -1}};
    uint32_t reference = inode_reference(inode);

    assert(inode->type != INODE_FREE && !inode->parent);
    assert(inode_is_dir(inode) ? !inode->children : !inode->block_count);
    if (inode->has_quota) inode_set_quota(table, inode, &none);
    inode_set_acl(table, inode, NULL);
    inode_set_xattrs(table, inode, NULL);
    if (inode_is_symlink(inode)) inode_set_symlink_target(table, inode, "");
    if (inode_is_file(inode)) forget_block_size(table, inode);
    drop_name(table, inode);
    assert(!inode->has_history);
    if (!inode->is_copy) hash_remove(&table->ids, reference);
    *inode = (struct inode){.type = INODE_FREE, .parent = table->free};
    table->free = reference;
}

struct inode *inode_parent(const struct inode_table *table, const struct inode *inode)
{
    return inode->parent ? inode_at(table, inode->parent) : NULL;
}

uint64_t inode_count(const struct inode_table *table)
{
    return hash_count(&table->ids);
}

struct inode *inode_next(const struct inode_table *table, uint32_t after)
{
    for (uint32_t i = after + 1, slab; (slab = i >> SLAB_SHIFT) < table->slab_count; i++) {
        uint32_t place = i & (SLAB_PLACES - 1);

        if (slab + 1 == table->slab_count && place >= table->next_place) return NULL;
        if (place && inode_at(table, i)->type != INODE_FREE && !inode_at(table, i)->is_copy)
            return inode_at(table, i);
    }
    return NULL;
}

uint64_t inode_table_memory(const struct inode_table *table)
{
    return (uint64_t)table->slab_count * SLAB_BYTES -
           (SLAB_PLACES - table->next_place) * sizeof(struct inode) +
           table->names.chunk_count * (uint64_t)NAME_CHUNK_BYTES + hash_memory(&table->ids);
}

/* ---- block sizes ---- */

uint64_t inode_block_size(const struct inode_table *table, const struct inode *inode)
{
    uint32_t reference = inode_reference(inode);
    struct block_size_entry *entry;

    if (inode->block_size_class != BLOCK_SIZE_OTHER)
        return table->block_sizes[inode->block_size_class];
    HASH_FIND(hh, table->odd_block_sizes, &reference, sizeof reference, entry);
    assert(entry);
    return entry->size;
}

int inode_set_block_size(struct inode_table *table, struct inode *inode, uint64_t size,
                         struct err *err)
{
    struct block_size_entry *entry;
    uint32_t class = 0;

    if (!inode_is_file(inode)) return err_set(err, ERR_ARGUMENT, "only files have a block size");
    forget_block_size(table, inode);
    while (class < table->block_size_count && table->block_sizes[class] != size) class ++;
    inode->block_size_class = (uint8_t) class;
    if (class < table->block_size_count) return 0;
    if (class < BLOCK_SIZE_OTHER) {
        table->block_sizes[table->block_size_count++] = size;
        return 0;
    }
    entry = NEW(struct block_size_entry);
    entry->reference = inode_reference(inode);
    entry->size = size;
    HASH_ADD(hh, table->odd_block_sizes, reference, sizeof entry->reference, entry);
    return 0;
}

/* ---- blocks of a file ---- */

struct block *inode_block(const struct inode *inode, uint32_t index)
{
    assert(inode_is_file(inode) && index < inode->block_count);
    return inode->block_count == 1 ? inode->block : inode->blocks[index];
}

struct block *inode_last_block(const struct inode *inode)
{
    return inode->block_count ? inode_block(inode, inode->block_count - 1) : NULL;
}

struct block *inode_penultimate_block(const struct inode *inode)
{
    return inode->block_count > 1 ? inode->blocks[inode->block_count - 2] : NULL;
}

/* Lists hold the next power of two of their count. */
void inode_append_block(struct inode *inode, struct block *block)
{
    uint32_t count = inode->block_count;

    assert(inode_is_file(inode) && count < UINT32_MAX);
    if (count == 0) {
        inode->block = block;
    } else if (count == 1) {
        struct block **list = mem_alloc(2 * sizeof(struct block *));

        list[0] = inode->block;
        list[1] = block;
        inode->blocks = list;
    } else {
        if ((count & (count - 1)) == 0)
            inode->blocks = mem_realloc(inode->blocks, 2 * (size_t)count * sizeof(struct block *));
        inode->blocks[count] = block;
    }
    inode->block_count++;
}

struct block *inode_drop_last_block(struct inode *inode)
{
    struct block *last = inode_last_block(inode);
    uint32_t count;

    assert(last);
    count = --inode->block_count;
    if (count == 0) {
        inode->block = NULL;
    } else if (count == 1) {
        struct block **list = inode->blocks;

        inode->block = list[0];
        mem_free(list);
    } else if ((count & (count - 1)) == 0) {
        inode->blocks = mem_realloc(inode->blocks, (size_t)count * sizeof(struct block *));
    }
    return last;
}

void inode_replace_block(struct inode *inode, uint32_t index, struct block *block)
{
    assert(inode_is_file(inode) && index < inode->block_count);
    if (inode->block_count == 1)
        inode->block = block;
    else
        inode->blocks[index] = block;
}

void inode_clear_blocks(struct inode *inode)
{
    assert(inode_is_file(inode));
    if (inode->block_count > 1) mem_free(inode->blocks);
    inode->block = NULL;
    inode->block_count = 0;
}

uint64_t inode_length(const struct inode *inode, bool count_unfinished_last)
{
    uint64_t length = 0;

    if (!inode_is_file(inode)) return 0;
    for (uint32_t i = 0; i < inode->block_count; i++) {
        const struct block *block = inode_block(inode, i);

        if (i + 1 < inode->block_count || count_unfinished_last || block_is_complete(block))
            length += block->length;
    }
    return length;
}

/* ---- rare attributes ---- */

const char *inode_symlink_target(const struct inode_table *table, const struct inode *inode)
{
    uint32_t reference = inode_reference(inode);
    struct symlink_entry *entry;

    HASH_FIND(hh, table->symlinks, &reference, sizeof reference, entry);
    return entry ? entry->target : "";
}

void inode_set_symlink_target(struct inode_table *table, struct inode *inode, const char *target)
{
    uint32_t reference = inode_reference(inode);
    struct symlink_entry *entry;

    assert(inode_is_symlink(inode));
    HASH_FIND(hh, table->symlinks, &reference, sizeof reference, entry);
    if (entry) {
        HASH_DEL(table->symlinks, entry);
        mem_free(entry->target);
        mem_free(entry);
    }
    if (!*target) return;
    entry = NEW(struct symlink_entry);
    entry->reference = reference;
    entry->target = mem_strdup(target);
    HASH_ADD(hh, table->symlinks, reference, sizeof entry->reference, entry);
}

static struct feature_entry *feature_entry(const struct inode_table *table,
                                           const struct inode *inode)
{
    uint32_t reference = inode_reference(inode);
    struct feature_entry *entry;

    if (!inode->has_acl && !inode->has_xattrs) return NULL;
    HASH_FIND(hh, table->features, &reference, sizeof reference, entry);
    assert(entry);
    return entry;
}

static struct feature_entry *feature_entry_make(struct inode_table *table, struct inode *inode)
{
    struct feature_entry *entry = feature_entry(table, inode);

    if (entry) return entry;
    entry = NEW(struct feature_entry);
    entry->reference = inode_reference(inode);
    HASH_ADD(hh, table->features, reference, sizeof entry->reference, entry);
    return entry;
}

/* The bits of the inode say what its entry has; an empty one goes. */
static void feature_entry_settle(struct inode_table *table, struct inode *inode,
                                 struct feature_entry *entry)
{
    inode->has_acl = entry->acl != NULL;
    inode->has_xattrs = entry->xattrs != NULL;
    if (entry->acl || entry->xattrs) return;
    HASH_DEL(table->features, entry);
    mem_free(entry);
}

struct acl *inode_acl(const struct inode_table *table, const struct inode *inode)
{
    return inode->has_acl ? feature_entry(table, inode)->acl : NULL;
}

void inode_set_acl(struct inode_table *table, struct inode *inode, struct acl *acl)
{
    if (!acl && !inode->has_acl) return;
    struct feature_entry *entry = feature_entry_make(table, inode);
    acl_drop(entry->acl);
    entry->acl = acl;
    feature_entry_settle(table, inode, entry);
}

struct acl_pool *inode_acl_pool(const struct inode_table *table)
{
    return table->acls;
}

struct xattrs *inode_xattrs(const struct inode_table *table, const struct inode *inode)
{
    return inode->has_xattrs ? feature_entry(table, inode)->xattrs : NULL;
}

void inode_set_xattrs(struct inode_table *table, struct inode *inode, struct xattrs *xattrs)
{
    if (!xattrs && !inode->has_xattrs) return;
    struct feature_entry *entry = feature_entry_make(table, inode);
    xattrs_drop(entry->xattrs);
    entry->xattrs = xattrs;
    feature_entry_settle(table, inode, entry);
}

static struct quota_entry *quota_entry(const struct inode_table *table, const struct inode *dir)
{
    uint32_t reference = inode_reference(dir);
    struct quota_entry *entry;

    if (!dir->has_quota) return NULL;
    HASH_FIND(hh, table->quotas, &reference, sizeof reference, entry);
    assert(entry);
    return entry;
}

const struct inode_quota *inode_quota(const struct inode_table *table, const struct inode *dir)
{
    const struct quota_entry *entry = quota_entry(table, dir);

    return entry ? &entry->quota : NULL;
}

uint64_t inode_quota_count(const struct inode_table *table)
{
    return HASH_COUNT(table->quotas);
}

struct quota_usage *inode_usage(const struct inode_table *table, const struct inode *dir)
{
    struct quota_entry *entry = quota_entry(table, dir);

    return entry ? &entry->usage : NULL;
}

static bool quota_is_set(const struct inode *dir, const struct inode_quota *quota)
{
    int64_t unset_names = dir->id == INODE_ID_ROOT ? QUOTA_NS_ROOT : QUOTA_NONE;

    for (size_t i = 0; i < ARRAY_LEN(quota->type_space); i++)
        if (quota->type_space[i] >= 0) return true;
    return (quota->names >= 0 && quota->names != unset_names) || quota->space >= 0;
}

void inode_set_quota(struct inode_table *table, struct inode *dir, const struct inode_quota *quota)
{
    struct quota_entry *entry = quota_entry(table, dir);

    assert(inode_is_dir(dir));
    if (!quota_is_set(dir, quota)) {
        if (entry) HASH_DEL(table->quotas, entry);
        mem_free(entry);
        dir->has_quota = 0;
        return;
    }
    if (!entry) {
        entry = NEW(struct quota_entry);
        entry->reference = inode_reference(dir);
        HASH_ADD(hh, table->quotas, reference, sizeof entry->reference, entry);
        dir->has_quota = 1;
    }
    entry->quota = *quota;
}

/* ---- copies ---- */

struct inode *inode_copy(struct inode_table *table, const struct inode *inode)
{
    struct inode *copy = take_place(table);
    const struct inode_quota *quota = inode_is_dir(inode) ? inode_quota(table, inode) : NULL;
    size_t length;
    const uint8_t *name = inode_name(inode, &length);
    struct err never = ERR_INIT;

    *copy = *inode;
    copy->is_copy = 1;
    copy->has_history = copy->has_quota = copy->has_acl = copy->has_xattrs = copy->marked = 0;
    copy->parent = copy->block_count = 0;
    copy->children = NULL;
    copy->name_length = copy->block_size_class = 0;
    inode_set_name(table, copy, name, length);
    if (quota) inode_set_quota(table, copy, quota);
    if (inode->has_acl) inode_set_acl(table, copy, acl_hold(inode_acl(table, inode)));
    if (inode->has_xattrs) inode_set_xattrs(table, copy, xattrs_hold(inode_xattrs(table, inode)));
    if (inode_is_symlink(inode))
        inode_set_symlink_target(table, copy, inode_symlink_target(table, inode));
    if (inode_is_file(inode)) {
        int rc = inode_set_block_size(table, copy, inode_block_size(table, inode), &never);
        assert(!rc);
    }
    return copy;
}
