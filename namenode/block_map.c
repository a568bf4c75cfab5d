/*
 * The block map: slabs of 40-byte blocks that never move, an index from id to reference, and lists for blocks with more than three replicas.
 *
 * A slab is aligned to its size, so that a block's address leads to the slab's head, which knows the first reference: nothing is
 * stored per block for that. Slots are taken in order and slabs touch their memory only as it is used; freed slots form a list through `id`.
 */
#include "namenode/block.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/mem.h"

enum {
    SLAB_SIZE = 1 << 20,
    SLAB_HEAD = 64,
    SLAB_BLOCKS = (SLAB_SIZE - SLAB_HEAD) / (int)sizeof(struct block),
    INDEX_AT_ONCE = 512,
};

struct slab {
    uint32_t first; /* reference of blocks[0] */
    uint8_t head[SLAB_HEAD - sizeof(uint32_t)];
    struct block blocks[SLAB_BLOCKS];
};
_Static_assert(sizeof(struct slab) <= SLAB_SIZE, "a slab fits its alignment");

/* Replicas of one block beyond the inline ones: all of them are here. */
struct overflow {
    uint32_t *storages;
    uint16_t capacity;
    uint32_t next_free; /* index of the next unused list, 0 none */
};

struct block_map {
    struct slab **slabs;
    size_t slab_count, slab_capacity;
    uint32_t used;       /* slots handed out so far; references run from 1 to used */
    uint32_t free_first; /* reference of a freed slot, 0 none */
    uint64_t count;
    bool loading; /* by_id has none of them yet */
    struct hash_table by_id;
    struct overflow *overflow; /* [0] unused */
    uint32_t overflow_count, overflow_capacity, overflow_free;
};

struct block *block_at_or_null(const struct block_map *map, uint32_t reference)
{
    if (reference == 0 || reference > map->used) return NULL;
    uint32_t slot = reference - 1;
    struct block *block = &map->slabs[slot / SLAB_BLOCKS]->blocks[slot % SLAB_BLOCKS];
    return block->live ? block : NULL;
}

struct block *block_at(const struct block_map *map, uint32_t reference)
{
    struct block *block = block_at_or_null(map, reference);

    assert(block);
    return block;
}

uint32_t block_reference(const struct block *block)
{
    const struct slab *slab = (const struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_SIZE - 1));

    return slab->first + (uint32_t)(block - slab->blocks);
}

static uint64_t hash_block(const void *context, uint32_t reference)
{
    return hash_u64(block_at(context, reference)->id, 0);
}

static bool match_block(const void *context, uint32_t reference, const void *key)
{
    return block_at(context, reference)->id == *(const uint64_t *)key;
}

struct block_map *block_map_new(void)
{
    struct block_map *map = NEW(struct block_map);

    hash_init(&map->by_id, hash_block, map);
    return map;
}

void block_map_free(struct block_map *map)
{
    if (!map) return;
    hash_release(&map->by_id);
    for (size_t i = 0; i < map->slab_count; i++) free(map->slabs[i]);
    for (uint32_t i = 1; i < map->overflow_count; i++) mem_free(map->overflow[i].storages);
    mem_free(map->overflow);
    mem_free(map->slabs);
    mem_free(map);
}

static void add_slab(struct block_map *map)
{
    struct slab *slab = aligned_alloc(SLAB_SIZE, SLAB_SIZE);

    if (!slab) slab = mem_alloc(SIZE_MAX / 2); /* ends the process with mem.c's words */
    slab->first = (uint32_t)(map->slab_count * SLAB_BLOCKS) + 1;
    GROW(map->slabs, map->slab_capacity, map->slab_count + 1);
    map->slabs[map->slab_count++] = slab;
}

static struct block *take_slot(struct block_map *map)
{
    struct block *block;

    if (map->free_first) {
        uint32_t slot = map->free_first - 1;
        block = &map->slabs[slot / SLAB_BLOCKS]->blocks[slot % SLAB_BLOCKS];
        map->free_first = (uint32_t)block->id;
        return block;
    }
    assert(map->used < UINT32_MAX - 1);
    if (map->used == map->slab_count * SLAB_BLOCKS) add_slab(map);
    block = &map->slabs[map->used / SLAB_BLOCKS]->blocks[map->used % SLAB_BLOCKS];
    map->used++;
    return block;
}

struct block *block_add(struct block_map *map, const struct block_id *id, uint32_t inode_reference,
                        uint16_t replication)
{
    assert(map->loading || !block_find(map, id->id));
    struct block *block = take_slot(map);

    *block = (struct block){
        .id = id->id,
        .length = id->length,
        .generation_stamp = id->generation_stamp,
        .state = BLOCK_COMPLETE,
        .replication = replication,
        .inode = inode_reference,
        .live = 1,
    };
    if (!map->loading) hash_insert(&map->by_id, block_reference(block));
    map->count++;
    return block;
}

void block_map_begin_loading(struct block_map *map)
{
    assert(!map->used);
    map->loading = true;
}

static bool match_other(const void *context, uint32_t reference, const void *key)
{
    return block_at(context, reference)->id == block_at(context, *(const uint32_t *)key)->id;
}

const struct block *block_map_end_loading(struct block_map *map)
{
    uint32_t references[INDEX_AT_ONCE], twice = 0, next = 1;

    map->loading = false;
    hash_reserve(&map->by_id, map->count);
    while (next <= map->used && !twice) {
        size_t count = 0;

        while (next <= map->used && count < INDEX_AT_ONCE) references[count++] = next++;
        twice = hash_insert_all(&map->by_id, references, count, match_other);
    }
    return twice ? block_at(map, twice) : NULL;
}

void block_forget(struct block_map *map, struct block *block)
{
    assert(!map->loading && block->live && block->replica_count == 0 && !block->queued &&
           !block->pending);
    uint32_t reference = block_reference(block);

    hash_remove(&map->by_id, reference);
    block->live = 0;
    block->id = map->free_first;
    map->free_first = reference;
    map->count--;
}

struct block *block_find(const struct block_map *map, uint64_t id)
{
    uint32_t reference = hash_find(&map->by_id, hash_u64(id, 0), match_block, &id);

    return reference ? block_at(map, reference) : NULL;
}

uint32_t block_reference_end(const struct block_map *map)
{
    return map->used + 1;
}
uint64_t block_map_count(const struct block_map *map)
{
    return map->count;
}

static const uint32_t *list_of(const struct block_map *map, const struct block *block)
{
    return block->replica_count <= BLOCK_REPLICAS_INLINE
               ? block->storages
               : map->overflow[block->storages[0]].storages;
}

const uint32_t *block_storages(const struct block_map *map, const struct block *block,
                               size_t *count)
{
    *count = block->replica_count;
    return list_of(map, block);
}

static int find_storage(const struct block_map *map, const struct block *block, uint32_t number)
{
    const uint32_t *list = list_of(map, block);

    for (int i = 0; i < (int)block->replica_count; i++)
        if (list[i] == number) return i;
    return -1;
}

bool block_has_storage(const struct block_map *map, const struct block *block, uint32_t number)
{
    return find_storage(map, block, number) >= 0;
}

static uint32_t take_overflow(struct block_map *map)
{
    uint32_t index = map->overflow_free;

    if (index) {
        map->overflow_free = map->overflow[index].next_free;
        return index;
    }
    if (map->overflow_count == 0) map->overflow_count = 1;
    GROW(map->overflow, map->overflow_capacity, map->overflow_count + 1);
    index = map->overflow_count++;
    map->overflow[index] = (struct overflow){.storages = NULL};
    return index;
}

static void give_overflow(struct block_map *map, uint32_t index)
{
    mem_free(map->overflow[index].storages);
    map->overflow[index] = (struct overflow){.next_free = map->overflow_free};
    map->overflow_free = index;
}

/* The list moves out of the block, which is about to hold one more than fits inside. */
static void spill(struct block_map *map, struct block *block)
{
    uint32_t index = take_overflow(map);
    struct overflow *list = &map->overflow[index];

    list->capacity = 2 * BLOCK_REPLICAS_INLINE;
    list->storages = NEW_ARRAY(uint32_t, list->capacity);
    memcpy(list->storages, block->storages, sizeof block->storages);
    block->storages[0] = index;
}

bool block_add_storage(struct block_map *map, struct block *block, uint32_t number)
{
    assert(number != 0);
    if (find_storage(map, block, number) >= 0 || block->replica_count == BLOCK_REPLICAS_MAX)
        return false;
    if (block->replica_count < BLOCK_REPLICAS_INLINE) {
        block->storages[block->replica_count++] = number;
        return true;
    }
    if (block->replica_count == BLOCK_REPLICAS_INLINE) spill(map, block);
    struct overflow *list = &map->overflow[block->storages[0]];
    if (block->replica_count == list->capacity) {
        list->capacity = (uint16_t)(list->capacity * 2);
        list->storages = mem_realloc(list->storages, list->capacity * sizeof *list->storages);
    }
    list->storages[block->replica_count++] = number;
    return true;
}

bool block_drop_storage(struct block_map *map, struct block *block, uint32_t number)
{
    int at = find_storage(map, block, number);

    if (at < 0) return false;
    if (block->replica_count <= BLOCK_REPLICAS_INLINE) {
        block->storages[at] = block->storages[block->replica_count - 1];
        block->replica_count--;
        return true;
    }
    uint32_t index = block->storages[0];
    uint32_t *list = map->overflow[index].storages;
    list[at] = list[block->replica_count - 1];
    block->replica_count--;
    if (block->replica_count == BLOCK_REPLICAS_INLINE) {
        memcpy(block->storages, list, sizeof block->storages);
        give_overflow(map, index);
    }
    return true;
}
