/*
 * Hashing, and an open-addressing table of 4-byte references to objects that live elsewhere
 * (inodes, blocks): 6 to 9 bytes per entry, no pointers, no allocation per entry. A lookup costs one
 * cache line of the table and, but for one in some hundred, no object other than the one found. The
 * table knows objects through one callback that hashes a reference, and through the caller's match
 * at a lookup. It grows a few entries at a time, along with the inserts, so that no insert waits for
 * a rehash of millions. Reference 0 means none and is never stored.
 *
 * Thread rules: one thread at a time; lookups change nothing.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include "common/base.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed); /* XXH3 */
uint64_t hash_u64(uint64_t value, uint64_t seed);                  /* XXH3 of the eight bytes */
uint64_t
hash_process_seed(void); /* differs in every process: for keys that strangers choose. Any thread. */

typedef uint64_t (*hash_of_reference)(const void *context, uint32_t reference);
typedef bool (*hash_match)(const void *context, uint32_t reference, const void *key);

struct hash_bucket;
struct hash_slots {
    struct hash_bucket *buckets;
    void *memory;   /* around buckets, which are aligned */
    uint64_t count; /* of buckets */
    uint64_t used;  /* live entries */
};

/* Fields are private to hash.c. */
struct hash_table {
    struct hash_slots now, old; /* old: while growing, what has not moved yet */
    uint64_t move_next;         /* first bucket of old that has not moved */
    hash_of_reference hash;
    const void *context; /* handed to hash and match */
};

void hash_init(struct hash_table *table, hash_of_reference hash, const void *context);
void hash_release(struct hash_table *table);
/* Room for `count` entries at once, where the number is known beforehand (an image). */
void hash_reserve(struct hash_table *table, uint64_t count);

/* The entry with this hash for which `match` says yes, or 0. */
uint32_t hash_find(const struct hash_table *table, uint64_t hash, hash_match match,
                   const void *key);
/* `reference` must not be in the table, nor 0. Its object must already hash as it will from now on.
 */
void hash_insert(struct hash_table *table, uint32_t reference);
/* As many hash_insert(), but without waiting for memory at each. With `same`, which is given the address of a new reference as its key,
 * it ends at the first object that is there already and answers it; else 0. */
uint32_t hash_insert_all(struct hash_table *table, const uint32_t *references, size_t count,
                         hash_match same);
/* Removes an entry that is there; its object must still hash as it did. */
void hash_remove(struct hash_table *table, uint32_t reference);
static inline uint64_t hash_count(const struct hash_table *table)
{
    return table->now.used + table->old.used;
}
uint64_t hash_memory(const struct hash_table *table); /* bytes of the buckets */

#endif
