#include "common/hash.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/clock.h"
#include "common/mem.h"

/*
 * A bucket is a cache line: twelve references, and of each one byte of its hash. What finds its home full goes to the next bucket, and
 * every bucket it passes counts it: a search ends at the first bucket that nobody passed. Growing: `old` takes no inserts; its buckets
 * move in order, and as a bucket's place is its share of the hash's range, they fill `now` in order, too.
 */
enum {
    BUCKET_SLOTS = 12,
    BUCKETS_MIN = 4,
    TAG_WORD = 8, /* tags compared at once */
    MOVE_PER_INSERT =
        4,             /* buckets of old; a fifth of one would do to finish before `now` is full */
    INSERT_AHEAD = 32, /* entries whose buckets are on their way from memory */
};
#define TAG_ONES  UINT64_C(0x0101010101010101)
#define TAG_HIGHS UINT64_C(0x8080808080808080)

struct hash_bucket {
    uint8_t tags[BUCKET_SLOTS]; /* 0: the slot is empty */
    uint16_t passed;            /* entries that went on to a later bucket; stays at its maximum */
    uint16_t unused;
    uint32_t references[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct hash_bucket) == 64, "a bucket is a cache line");

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t hash_u64(uint64_t value, uint64_t seed)
{
    return XXH3_64bits_withSeed(&value, sizeof value, seed);
}

uint64_t hash_process_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t value = atomic_load(&seed), expected = 0;

    if (value) return value;
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        value = (uint64_t)clock_mono_ns() ^ (uint64_t)(uintptr_t)&value;
    value |= 1;
    return atomic_compare_exchange_strong(&seed, &expected, value) ? value : expected;
}

static uint64_t home_of(const struct hash_slots *slots, uint64_t hash)
{
    return (hash >> 32) * slots->count >> 32;
}

static uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)hash ? (uint8_t)hash : 1;
}

static uint64_t next_bucket(const struct hash_slots *slots, uint64_t bucket)
{
    return bucket + 1 < slots->count ? bucket + 1 : 0;
}

/* The high bits of the bytes from `first` on that are `tag`; above the first one there may be false ones. */
static uint64_t equal_tags(const struct hash_bucket *bucket, unsigned first, uint8_t tag)
{
    uint64_t word;

    memcpy(&word, bucket->tags + first, sizeof word);
    word ^= tag * TAG_ONES;
    word = (word - TAG_ONES) & ~word & TAG_HIGHS;
    return first + TAG_WORD <= BUCKET_SLOTS ? word : word & UINT32_MAX; /* behind are no tags */
}

/* An empty slot, or BUCKET_SLOTS. */
static unsigned empty_slot(const struct hash_bucket *bucket)
{
    for (unsigned first = 0; first < BUCKET_SLOTS; first += TAG_WORD) {
        uint64_t empty = equal_tags(bucket, first, 0);

        if (empty) return first + (unsigned)__builtin_ctzll(empty) / 8;
    }
    return BUCKET_SLOTS;
}

/* Zeroed by the system, page by page as they are touched. */
static struct hash_slots slots_new(uint64_t count)
{
    size_t align = sizeof(struct hash_bucket);
    char *memory = mem_zalloc((count + 1) * sizeof(struct hash_bucket));

    assert(count <= UINT32_MAX);
    return (struct hash_slots){.buckets = (struct hash_bucket *)ROUND_UP((uintptr_t)memory, align),
                               .memory = memory,
                               .count = count};
}

static void slots_put(struct hash_slots *to, uint64_t hash, uint32_t reference)
{
    uint64_t i = home_of(to, hash);
    unsigned slot;

    while ((slot = empty_slot(&to->buckets[i])) == BUCKET_SLOTS) {
        if (to->buckets[i].passed < UINT16_MAX) to->buckets[i].passed++;
        i = next_bucket(to, i);
    }
    to->buckets[i].tags[slot] = tag_of(hash);
    to->buckets[i].references[slot] = reference;
    to->used++;
}

static void slots_free(struct hash_slots *slots)
{
    mem_free(slots->memory);
    *slots = (struct hash_slots){0};
}

void hash_init(struct hash_table *table, hash_of_reference hash, const void *context)
{
    *table = (struct hash_table){.hash = hash, .context = context};
}

void hash_release(struct hash_table *table)
{
    slots_free(&table->now);
    slots_free(&table->old);
}

/* Moves the next `count` buckets of old into now. */
static void move_some(struct hash_table *table, uint64_t count)
{
    struct hash_slots *old = &table->old;

    for (; count && table->move_next < old->count && old->used; count--, table->move_next++) {
        struct hash_bucket *bucket = &old->buckets[table->move_next];

        for (unsigned slot = 0; slot < BUCKET_SLOTS; slot++) {
            if (!bucket->tags[slot]) continue;
            uint32_t reference = bucket->references[slot];

            slots_put(&table->now, table->hash(table->context, reference), reference);
            bucket->tags[slot] = 0;
            bucket->references[slot] = 0;
            old->used--;
        }
    }
    if (!old->used) slots_free(old);
}

static void grow_to(struct hash_table *table, uint64_t count)
{
    if (table->old.count) move_some(table, table->old.count);
    assert(!table->old.count);
    table->old = table->now;
    table->now = slots_new(count);
    table->move_next = 0;
    if (!table->old.used) slots_free(&table->old);
}

/* At most 7 of 8 slots are used. */
static bool too_full(uint64_t entries, uint64_t buckets)
{
    return entries > buckets * BUCKET_SLOTS / 8 * 7;
}

void hash_reserve(struct hash_table *table, uint64_t count)
{
    uint64_t buckets = MAX(count / BUCKET_SLOTS * 8 / 7 + 2, (uint64_t)BUCKETS_MIN);

    if (buckets <= table->now.count) return;
    grow_to(table, buckets);
    move_some(table, table->old.count);
}

static uint32_t find_in(const struct hash_table *table, const struct hash_slots *in, uint64_t hash,
                        hash_match match, const void *key)
{
    uint8_t tag = tag_of(hash);
    uint64_t i = home_of(in, hash);

    for (uint64_t left = in->count; left; left--, i = next_bucket(in, i)) {
        const struct hash_bucket *bucket = &in->buckets[i];

        for (unsigned first = 0; first < BUCKET_SLOTS; first += TAG_WORD)
            for (uint64_t equal = equal_tags(bucket, first, tag); equal; equal &= equal - 1) {
                uint32_t reference =
                    bucket->references[first + (unsigned)__builtin_ctzll(equal) / 8];

                if (reference && match(table->context, reference, key)) return reference;
            }
        if (!bucket->passed) break;
    }
    return 0;
}

uint32_t hash_find(const struct hash_table *table, uint64_t hash, hash_match match, const void *key)
{
    uint32_t reference = table->now.used ? find_in(table, &table->now, hash, match, key) : 0;

    if (!reference && table->old.used) reference = find_in(table, &table->old, hash, match, key);
    return reference;
}

/* Room for `count` more. */
static void make_room(struct hash_table *table, uint64_t count)
{
    if (table->old.count) move_some(table, count * MOVE_PER_INSERT);
    if (!table->now.count) table->now = slots_new(BUCKETS_MIN);
    while (too_full(hash_count(table) + count, table->now.count))
        grow_to(table, table->now.count + table->now.count / 2);
}

void hash_insert(struct hash_table *table, uint32_t reference)
{
    assert(reference);
    make_room(table, 1);
    slots_put(&table->now, table->hash(table->context, reference), reference);
}

uint32_t hash_insert_all(struct hash_table *table, const uint32_t *references, size_t count,
                         hash_match same)
{
    uint64_t hashes[INSERT_AHEAD];

    for (size_t done = 0, some; done < count; done += some) {
        some = MIN(count - done, (size_t)INSERT_AHEAD);
        make_room(table, some);
        for (size_t i = 0; i < some; i++) {
            hashes[i] = table->hash(table->context, references[done + i]);
            __builtin_prefetch(&table->now.buckets[home_of(&table->now, hashes[i])], 1);
        }
        for (size_t i = 0; i < some; i++) {
            const uint32_t *reference = &references[done + i];

            if (same && hash_find(table, hashes[i], same, reference)) return *reference;
            slots_put(&table->now, hashes[i], *reference);
        }
    }
    return 0;
}

static unsigned slot_of(const struct hash_bucket *bucket, uint32_t reference)
{
    unsigned slot = 0;

    while (slot < BUCKET_SLOTS && bucket->references[slot] != reference) slot++;
    return slot;
}

/* False when it is not there. */
static bool slots_take(const struct hash_table *table, struct hash_slots *from, uint32_t reference)
{
    if (!from->used) return false;
    uint64_t home = home_of(from, table->hash(table->context, reference)), i = home;
    unsigned slot;

    for (uint64_t left = from->count;
         (slot = slot_of(&from->buckets[i], reference)) == BUCKET_SLOTS; i = next_bucket(from, i))
        if (!from->buckets[i].passed || !--left) return false;
    from->buckets[i].tags[slot] = 0;
    from->buckets[i].references[slot] = 0;
    from->used--;
    for (; home != i; home = next_bucket(from, home))
        if (from->buckets[home].passed < UINT16_MAX) from->buckets[home].passed--;
    return true;
}

void hash_remove(struct hash_table *table, uint32_t reference)
{
    bool there = slots_take(table, &table->now, reference);

    if (there) return;
    there = slots_take(table, &table->old, reference);
    assert(there);
    if (!table->old.used) slots_free(&table->old);
}

uint64_t hash_memory(const struct hash_table *table)
{
    return (table->now.count + table->old.count) * sizeof(struct hash_bucket);
}
