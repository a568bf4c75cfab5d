/*
 * Open addressing with linear probing, by shards with a lock each. An empty slot has state EMPTY.
 * Removal shifts the following entries back instead of leaving tombstones.
 */
#include "datanode/replica_map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/mem.h"

enum { SHARDS = 64, SHARD_BITS = 6, EMPTY = 0xff, CAPACITY_MIN = 16 };

struct shard {
    pthread_mutex_t lock;
    struct replica *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

struct replica_map {
    struct shard shards[SHARDS];
};

static uint64_t hash_of(int64_t id)
{
    return XXH3_64bits(&id, sizeof id);
}

static struct shard *shard_of(struct replica_map *map, uint64_t hash)
{
    return &map->shards[hash >> (64 - SHARD_BITS)];
}

struct replica_map *replica_map_new(void)
{
    struct replica_map *map = NEW(struct replica_map);

    for (int i = 0; i < SHARDS; i++) pthread_mutex_init(&map->shards[i].lock, NULL);
    return map;
}

void replica_map_free(struct replica_map *map)
{
    if (!map) return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &map->shards[i];
        for (size_t k = 0; k < shard->capacity; k++)
            if (shard->slots[k].state != EMPTY && replica_is_open(&shard->slots[k]))
                replica_open_put(shard->slots[k].open);
        mem_free(shard->slots);
        pthread_mutex_destroy(&shard->lock);
    }
    mem_free(map);
}

/* The slot of the id, or the empty one where it belongs. The table must have an empty slot. */
static struct replica *slot_of(const struct shard *shard, int64_t id, uint64_t hash)
{
    size_t mask = shard->capacity - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct replica *slot = &shard->slots[i];
        if (slot->state == EMPTY || slot->id == id) return slot;
    }
}

static struct replica *find(const struct shard *shard, int64_t id, uint64_t hash)
{
    if (!shard->capacity) return NULL;
    struct replica *slot = slot_of(shard, id, hash);
    return slot->state == EMPTY ? NULL : slot;
}

static void resize(struct shard *shard, size_t capacity)
{
    struct replica *old = shard->slots;
    size_t old_capacity = shard->capacity;

    shard->slots = mem_alloc(capacity * sizeof *old);
    shard->capacity = capacity;
    for (size_t i = 0; i < capacity; i++) shard->slots[i].state = EMPTY;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].state != EMPTY) *slot_of(shard, old[i].id, hash_of(old[i].id)) = old[i];
    mem_free(old);
}

static bool same(const struct replica *a, const struct replica *b)
{
    return a->id == b->id && a->gs == b->gs && a->volume == b->volume && a->state == b->state &&
           (replica_is_open(a) ? a->open == b->open : a->length == b->length);
}

bool replica_map_get(struct replica_map *map, int64_t id, struct replica *replica)
{
    uint64_t hash = hash_of(id);
    struct shard *shard = shard_of(map, hash);

    pthread_mutex_lock(&shard->lock);
    struct replica *slot = find(shard, id, hash);
    if (slot) {
        *replica = *slot;
        if (replica_is_open(slot)) replica_open_get(slot->open);
    }
    pthread_mutex_unlock(&shard->lock);
    return slot != NULL;
}

bool replica_map_add(struct replica_map *map, const struct replica *replica)
{
    uint64_t hash = hash_of(replica->id);
    struct shard *shard = shard_of(map, hash);

    assert(replica->state < REPLICA_STATES);
    pthread_mutex_lock(&shard->lock);
    bool add = !find(shard, replica->id, hash);
    if (add) {
        if ((shard->count + 1) * 8 > shard->capacity * 7)
            resize(shard, MAX(shard->capacity * 2, (size_t)CAPACITY_MIN));
        *slot_of(shard, replica->id, hash) = *replica;
        shard->count++;
    }
    pthread_mutex_unlock(&shard->lock);
    return add;
}

bool replica_map_replace(struct replica_map *map, const struct replica *was,
                         const struct replica *now)
{
    uint64_t hash = hash_of(was->id);
    struct shard *shard = shard_of(map, hash);

    assert(was->id == now->id && now->state < REPLICA_STATES);
    pthread_mutex_lock(&shard->lock);
    struct replica *slot = find(shard, was->id, hash);
    bool replace = slot && same(slot, was);
    if (replace) *slot = *now;
    pthread_mutex_unlock(&shard->lock);
    if (replace && replica_is_open(was) && !(replica_is_open(now) && now->open == was->open))
        replica_open_put(was->open);
    return replace;
}

/* Closes the gap at `hole`: entries behind it move up unless that would put them before their home.
 */
static void shift_back(struct shard *shard, size_t hole)
{
    size_t mask = shard->capacity - 1;

    for (size_t i = (hole + 1) & mask; shard->slots[i].state != EMPTY; i = (i + 1) & mask) {
        size_t home = hash_of(shard->slots[i].id) & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        shard->slots[hole] = shard->slots[i];
        hole = i;
    }
    shard->slots[hole].state = EMPTY;
}

bool replica_map_remove(struct replica_map *map, const struct replica *was)
{
    uint64_t hash = hash_of(was->id);
    struct shard *shard = shard_of(map, hash);

    pthread_mutex_lock(&shard->lock);
    struct replica *slot = find(shard, was->id, hash);
    bool remove = slot && same(slot, was);
    if (remove) {
        shift_back(shard, (size_t)(slot - shard->slots));
        shard->count--;
        if (shard->capacity > CAPACITY_MIN && shard->count * 8 < shard->capacity)
            resize(shard, shard->capacity / 2);
    }
    pthread_mutex_unlock(&shard->lock);
    if (remove && replica_is_open(was)) replica_open_put(was->open);
    return remove;
}

size_t replica_map_count(struct replica_map *map)
{
    size_t count = 0;

    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&map->shards[i].lock);
        count += map->shards[i].count;
        pthread_mutex_unlock(&map->shards[i].lock);
    }
    return count;
}

bool replica_map_next(struct replica_map *map, unsigned *cursor, struct replica_list *out)
{
    if (*cursor >= SHARDS) return false;
    struct shard *shard = &map->shards[(*cursor)++];
    pthread_mutex_lock(&shard->lock);
    GROW(out->items, out->capacity, out->count + shard->count);
    for (size_t i = 0; i < shard->capacity; i++) {
        if (shard->slots[i].state == EMPTY) continue;
        if (replica_is_open(&shard->slots[i])) replica_open_get(shard->slots[i].open);
        out->items[out->count++] = shard->slots[i];
    }
    pthread_mutex_unlock(&shard->lock);
    return true;
}

void replica_list_clear(struct replica_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (replica_is_open(&list->items[i])) replica_open_put(list->items[i].open);
    list->count = 0;
}

void replica_list_release(struct replica_list *list)
{
    replica_list_clear(list);
    mem_free(list->items);
    *list = (struct replica_list){0};
}
