#include "common/hash.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/clock.h"
#include "common/mem.h"

/* Growing: `old` takes no inserts, and what leaves it leaves a tombstone, so its probe chains stay
 * whole until the last entry has moved. `now` has no tombstones: removing closes the gap by moving
 * later entries back. */
enum {
    SLOTS_MIN = 16,
    MOVE_PER_CHANGE = 16, /* slots of old per insert; 2 would do to finish before `now` is full */
};
#define TOMBSTONE UINT32_MAX

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

/* Zeroed by the system, page by page as they are touched. */
static struct hash_slots slots_new(uint64_t size)
{
    return (struct hash_slots){.slots = NEW_ARRAY(uint32_t, size), .size = size};
}

static void slots_put(const struct hash_table *table, struct hash_slots *to, uint32_t reference)
{
    uint64_t mask = to->size - 1, i = table->hash(table->context, reference) & mask;

    while (to->slots[i]) i = (i + 1) & mask;
    to->slots[i] = reference;
    to->used++;
}

static void slots_free(struct hash_slots *slots)
{
    mem_free(slots->slots);
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

/* Moves the next `count` slots of old into now. */
static void move_some(struct hash_table *table, uint64_t count)
{
    struct hash_slots *old = &table->old;

    for (; count && table->move_next < old->size && old->used; count--, table->move_next++) {
        uint32_t reference = old->slots[table->move_next];

        if (!reference || reference == TOMBSTONE) continue;
        slots_put(table, &table->now, reference);
        old->slots[table->move_next] = TOMBSTONE;
        old->used--;
    }
    if (!old->used) slots_free(old);
}

static void grow_to(struct hash_table *table, uint64_t size)
{
    if (table->old.size) move_some(table, table->old.size);
    assert(!table->old.size);
    table->old = table->now;
    table->now = slots_new(size);
    table->move_next = 0;
    if (!table->old.used) slots_free(&table->old);
}

/* At most 7 of 10 slots are used. */
static bool too_full(uint64_t entries, uint64_t size)
{
    return entries > size / 10 * 7;
}

void hash_reserve(struct hash_table *table, uint64_t count)
{
    uint64_t size = MAX(table->now.size, (uint64_t)SLOTS_MIN);

    while (too_full(count, size)) size *= 2;
    if (size == table->now.size) return;
    grow_to(table, size);
    move_some(table, table->old.size);
}

static uint32_t find_in(const struct hash_table *table, const struct hash_slots *in, uint64_t hash,
                        hash_match match, const void *key)
{
    uint64_t mask = in->size - 1;
    uint32_t reference;

    for (uint64_t i = hash & mask; (reference = in->slots[i]) != 0; i = (i + 1) & mask)
        if (reference != TOMBSTONE && match(table->context, reference, key)) return reference;
    return 0;
}

uint32_t hash_find(const struct hash_table *table, uint64_t hash, hash_match match, const void *key)
{
    uint32_t reference = table->now.used ? find_in(table, &table->now, hash, match, key) : 0;

    if (!reference && table->old.used) reference = find_in(table, &table->old, hash, match, key);
    return reference;
}

void hash_insert(struct hash_table *table, uint32_t reference)
{
    assert(reference && reference != TOMBSTONE);
    if (table->old.size) move_some(table, MOVE_PER_CHANGE);
    if (!table->now.size)
        table->now = slots_new(SLOTS_MIN);
    else if (too_full(hash_count(table) + 1, table->now.size))
        grow_to(table, table->now.size * 2);
    slots_put(table, &table->now, reference);
}

/* The slot of a reference, or UINT64_MAX. */
static uint64_t slot_of(const struct hash_table *table, const struct hash_slots *in,
                        uint32_t reference)
{
    uint64_t mask = in->size - 1;

    if (!in->used) return UINT64_MAX;
    for (uint64_t i = table->hash(table->context, reference) & mask; in->slots[i];
         i = (i + 1) & mask)
        if (in->slots[i] == reference) return i;
    return UINT64_MAX;
}

/* Empties slot `gap` and closes the hole, so that every later entry is still found from its home.
 */
static void close_gap(const struct hash_table *table, struct hash_slots *in, uint64_t gap)
{
    uint64_t mask = in->size - 1;

    for (uint64_t i = (gap + 1) & mask; in->slots[i]; i = (i + 1) & mask) {
        uint64_t home = table->hash(table->context, in->slots[i]) & mask;

        if (((i - home) & mask) < ((i - gap) & mask)) continue;
        in->slots[gap] = in->slots[i];
        gap = i;
    }
    in->slots[gap] = 0;
    in->used--;
}

void hash_remove(struct hash_table *table, uint32_t reference)
{
    uint64_t slot = slot_of(table, &table->now, reference);

    if (slot != UINT64_MAX) {
        close_gap(table, &table->now, slot);
        return;
    }
    slot = slot_of(table, &table->old, reference);
    assert(slot != UINT64_MAX);
    table->old.slots[slot] = TOMBSTONE;
    table->old.used--;
    if (!table->old.used) slots_free(&table->old);
}

uint64_t hash_memory(const struct hash_table *table)
{
    return (table->now.size + table->old.size) * sizeof(uint32_t);
}
