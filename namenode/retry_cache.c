#include "namenode/retry_cache.h"

#include "common/hash.h"
#include "common/mem.h"

enum {
    SLAB_BITS = 10,
    SLAB_ENTRIES = 1 << SLAB_BITS,
    BYTES_PER_PLACE = 16 /* share of the table */
};

struct entry {
    uint8_t client_id[RETRY_CLIENT_ID_SIZE];
    int32_t call_id;
    uint32_t older, newer; /* neighbours by age; `newer` also links free places */
    uint32_t size;         /* of the payload */
    uint8_t *payload;      /* owned; NULL when not known */
    int64_t expires_ms;
    bool running;
};

_Static_assert(sizeof(struct entry) <= 56, "a retry cache entry grew");

/* Entries have numbers from 1 and stay in their slab, so that the table of references can find
 * them. */
struct retry_cache {
    struct hash_table table;
    struct entry **slabs;
    size_t slab_count, slab_capacity;
    uint32_t places;         /* numbers given out so far */
    uint32_t free;           /* first free place, or 0 */
    uint32_t oldest, newest; /* or 0 */
    uint64_t seed, memory, memory_max;
    int64_t expiry_ms;
};

struct key {
    uint8_t client_id[RETRY_CLIENT_ID_SIZE];
    int32_t call_id;
};

static struct entry *entry_at(const struct retry_cache *cache, uint32_t number)
{
    assert(number && number <= cache->places);
    return &cache->slabs[(number - 1) >> SLAB_BITS][(number - 1) & (SLAB_ENTRIES - 1)];
}

static struct key key_of(const uint8_t *client_id, int32_t call_id)
{
    struct key key = {.call_id = call_id};

    memcpy(key.client_id, client_id, sizeof key.client_id);
    return key;
}

static uint64_t hash_key(const struct retry_cache *cache, const struct key *key)
{
    return hash_bytes(key, sizeof *key, cache->seed);
}

static uint64_t hash_entry(const void *context, uint32_t number)
{
    const struct retry_cache *cache = context;
    const struct entry *entry = entry_at(cache, number);
    struct key key = key_of(entry->client_id, entry->call_id);

    return hash_key(cache, &key);
}

static bool match(const void *context, uint32_t number, const void *wanted)
{
    const struct entry *entry = entry_at(context, number);
    const struct key *key = wanted;

    return entry->call_id == key->call_id &&
           !memcmp(entry->client_id, key->client_id, sizeof key->client_id);
}

struct retry_cache *retry_cache_new(int64_t expiry_ms, uint64_t memory_max)
{
    struct retry_cache *cache = NEW(struct retry_cache);

    _Static_assert(sizeof(struct key) == RETRY_CLIENT_ID_SIZE + 4,
                   "the key is hashed as bytes: no padding");
    cache->expiry_ms = expiry_ms;
    cache->memory_max = MAX(memory_max, (uint64_t)RETRY_CACHE_MEMORY_MIN);
    cache->seed = hash_process_seed();
    hash_init(&cache->table, hash_entry, cache);
    return cache;
}

void retry_cache_free(struct retry_cache *cache)
{
    if (!cache) return;
    for (uint32_t number = cache->oldest; number; number = entry_at(cache, number)->newer)
        mem_free(entry_at(cache, number)->payload);
    for (size_t i = 0; i < cache->slab_count; i++) mem_free(cache->slabs[i]);
    mem_free(cache->slabs);
    hash_release(&cache->table);
    mem_free(cache);
}

static uint32_t find(const struct retry_cache *cache, const uint8_t *client_id, int32_t call_id)
{
    struct key key = key_of(client_id, call_id);

    return hash_find(&cache->table, hash_key(cache, &key), match, &key);
}

static uint64_t cost(const struct entry *entry)
{
    return sizeof *entry + BYTES_PER_PLACE + entry->size;
}

/* --- places --- */

static uint32_t take_place(struct retry_cache *cache)
{
    uint32_t number = cache->free;

    if (number) {
        cache->free = entry_at(cache, number)->newer;
        return number;
    }
    if (cache->places == cache->slab_count * SLAB_ENTRIES) {
        GROW(cache->slabs, cache->slab_capacity, cache->slab_count + 1);
        cache->slabs[cache->slab_count++] = NEW_ARRAY(struct entry, SLAB_ENTRIES);
    }
    assert(cache->places < UINT32_MAX - 1);
    return ++cache->places;
}

static void link_newest(struct retry_cache *cache, uint32_t number)
{
    struct entry *entry = entry_at(cache, number);

    entry->older = cache->newest;
    entry->newer = 0;
    if (cache->newest)
        entry_at(cache, cache->newest)->newer = number;
    else
        cache->oldest = number;
    cache->newest = number;
}

static void unlink_entry(struct retry_cache *cache, uint32_t number)
{
    struct entry *entry = entry_at(cache, number);

    if (entry->older)
        entry_at(cache, entry->older)->newer = entry->newer;
    else
        cache->oldest = entry->newer;
    if (entry->newer)
        entry_at(cache, entry->newer)->older = entry->older;
    else
        cache->newest = entry->older;
}

static void drop(struct retry_cache *cache, uint32_t number)
{
    struct entry *entry = entry_at(cache, number);

    hash_remove(&cache->table, number);
    unlink_entry(cache, number);
    cache->memory -= cost(entry);
    mem_free(entry->payload);
    *entry = (struct entry){.newer = cache->free};
    cache->free = number;
}

static void set_payload(struct retry_cache *cache, struct entry *entry, const void *payload,
                        size_t size)
{
    assert(!entry->payload && size <= UINT32_MAX);
    if (!payload) return;
    entry->payload = mem_alloc(size);
    if (size) memcpy(entry->payload, payload, size);
    entry->size = (uint32_t)size;
    cache->memory += size;
}

/* Only finished entries go: forgetting a call that runs would let its repeat run beside it. The
 * newest stays. */
static void keep_within_memory(struct retry_cache *cache)
{
    uint32_t next;

    for (uint32_t number = cache->oldest;
         number && number != cache->newest && cache->memory > cache->memory_max; number = next) {
        next = entry_at(cache, number)->newer;
        if (!entry_at(cache, number)->running) drop(cache, number);
    }
}

static struct entry *add(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id,
                         int64_t now_ms)
{
    uint32_t number = take_place(cache);
    struct entry *entry = entry_at(cache, number);

    *entry = (struct entry){.call_id = call_id, .expires_ms = now_ms + cache->expiry_ms};
    memcpy(entry->client_id, client_id, sizeof entry->client_id);
    cache->memory += cost(entry);
    link_newest(cache, number);
    hash_insert(&cache->table, number);
    return entry;
}

/* --- the cache --- */

void retry_cache_expire(struct retry_cache *cache, int64_t now_ms)
{
    while (cache->oldest && entry_at(cache, cache->oldest)->expires_ms <= now_ms) {
        uint32_t number = cache->oldest;
        if (entry_at(cache, number)->running) { /* a very long call: looked at again much later */
            entry_at(cache, number)->expires_ms = now_ms + cache->expiry_ms;
            unlink_entry(cache, number);
            link_newest(cache, number);
        } else {
            drop(cache, number);
        }
    }
}

enum retry_cache_state retry_cache_begin(struct retry_cache *cache, const uint8_t *client_id,
                                         int32_t call_id, int64_t now_ms, const uint8_t **payload,
                                         size_t *size)
{
    assert(call_id >= 0);
    *payload = NULL;
    *size = 0;
    retry_cache_expire(cache, now_ms);
    uint32_t number = find(cache, client_id, call_id);
    if (!number) {
        add(cache, client_id, call_id, now_ms)->running = true;
        keep_within_memory(cache);
        return RETRY_CACHE_NEW;
    }
    const struct entry *entry = entry_at(cache, number);
    if (entry->running) return RETRY_CACHE_RUNNING;
    *payload = entry->payload;
    *size = entry->size;
    return RETRY_CACHE_DONE;
}

static uint32_t find_running(const struct retry_cache *cache, const uint8_t *client_id,
                             int32_t call_id)
{
    uint32_t number = find(cache, client_id, call_id);

    assert(number && entry_at(cache, number)->running);
    return number;
}

void retry_cache_succeed(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id,
                         const void *payload, size_t size)
{
    struct entry *entry = entry_at(cache, find_running(cache, client_id, call_id));

    entry->running = false;
    set_payload(cache, entry, payload, size);
    keep_within_memory(cache);
}

void retry_cache_fail(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id)
{
    drop(cache, find_running(cache, client_id, call_id));
}

void retry_cache_put(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id,
                     int64_t now_ms, const void *payload, size_t size)
{
    retry_cache_expire(cache, now_ms);
    uint32_t number = find(cache, client_id, call_id);
    if (number && entry_at(cache, number)->running)
        return; /* the live call's record being applied: succeed() follows */
    if (number) drop(cache, number);
    set_payload(cache, add(cache, client_id, call_id, now_ms), payload, size);
    keep_within_memory(cache);
}

void retry_cache_clear(struct retry_cache *cache)
{
    uint32_t next;

    for (uint32_t number = cache->oldest; number; number = next) {
        next = entry_at(cache, number)->newer;
        if (!entry_at(cache, number)->running) drop(cache, number);
    }
}

uint64_t retry_cache_count(const struct retry_cache *cache)
{
    return hash_count(&cache->table);
}
uint64_t retry_cache_memory(const struct retry_cache *cache)
{
    return cache->memory;
}
