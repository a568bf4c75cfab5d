/* The table of references against a plain array of what should be in it. */
#include "common/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/mem.h"

enum { VALUES = 40000 };

struct world {
    uint64_t keys[VALUES];
    bool in[VALUES];
    uint64_t hash_mask; /* few distinct hashes: long chains */
};

static uint64_t key_hash(const struct world *world, uint64_t key)
{
    return hash_u64(key, 7) & world->hash_mask;
}

static uint64_t world_hash(const void *context, uint32_t reference)
{
    const struct world *world = context;

    return key_hash(world, world->keys[reference]);
}

static bool world_match(const void *context, uint32_t reference, const void *key)
{
    const struct world *world = context;

    return world->keys[reference] == *(const uint64_t *)key;
}

static uint32_t lookup(const struct hash_table *table, const struct world *world, uint64_t key)
{
    return hash_find(table, key_hash(world, key), world_match, &key);
}

static void check_all(const struct hash_table *table, const struct world *world, uint32_t values)
{
    uint64_t live = 0;

    for (uint32_t i = 1; i < values; i++) {
        assert_int_equal(lookup(table, world, world->keys[i]), world->in[i] ? i : 0);
        live += world->in[i];
    }
    assert_int_equal(hash_count(table), live);
}

static void run_random(uint32_t values, uint32_t steps, uint64_t hash_mask)
{
    struct world *world = NEW(struct world);
    struct hash_table table;
    uint64_t random = 42;

    world->hash_mask = hash_mask;
    for (uint32_t i = 0; i < values; i++) world->keys[i] = (uint64_t)i * 1000003;
    hash_init(&table, world_hash, world);
    for (uint32_t step = 0; step < steps; step++) {
        random = hash_u64(step, random);
        uint32_t i = 1 + (uint32_t)(random % (values - 1));

        if (!world->in[i])
            hash_insert(&table, i);
        else if (random >> 40 & 3) /* it grows, and shrinks a little again and again */
            continue;
        else
            hash_remove(&table, i);
        world->in[i] = !world->in[i];
        if (step % (steps / 7 + 1) == 0) check_all(&table, world, values);
    }
    check_all(&table, world, values);
    for (uint32_t i = 1; i < values; i++)
        if (world->in[i]) hash_remove(&table, i), world->in[i] = false;
    check_all(&table, world, values);
    hash_release(&table);
    mem_free(world);
}

static void test_random(void **state)
{
    (void)state;
    run_random(VALUES, 300000, UINT64_MAX);
}

static void test_colliding(void **state)
{
    (void)state;
    run_random(400, 20000, 3);
}

static void test_reserve(void **state)
{
    struct world *world = NEW(struct world);
    struct hash_table table;
    uint64_t memory;

    (void)state;
    world->hash_mask = UINT64_MAX;
    for (uint32_t i = 0; i < VALUES; i++) world->keys[i] = i;
    hash_init(&table, world_hash, world);
    assert_int_equal(lookup(&table, world, 1), 0); /* an empty table has no slots */
    for (uint32_t i = 1; i < 100; i++) hash_insert(&table, i), world->in[i] = true;
    hash_reserve(&table, VALUES);
    memory = hash_memory(&table);
    for (uint32_t i = 100; i < VALUES; i++) hash_insert(&table, i), world->in[i] = true;
    check_all(&table, world, VALUES);
    assert_int_equal(hash_memory(&table), memory);
    assert_true(memory <= (uint64_t)VALUES * 7);
    hash_release(&table);
    mem_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_colliding),
        cmocka_unit_test(test_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
