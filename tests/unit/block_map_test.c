#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mem.h"
#include "namenode/block.h"

static struct block *add(struct block_map *map, uint64_t id)
{
    struct block_id name = {.id = id, .generation_stamp = 1001, .length = 5};

    return block_add(map, &name, 1, 3);
}

static void test_find(void **state)
{
    struct block_map *map = block_map_new();
    (void)state;

    assert_null(block_find(map, 1));
    for (uint64_t i = 0; i < 100000; i++) add(map, BLOCK_ID_FIRST + i * 3);
    assert_int_equal(block_map_count(map), 100000);
    for (uint64_t i = 0; i < 100000; i++) {
        struct block *block = block_find(map, BLOCK_ID_FIRST + i * 3);
        assert_non_null(block);
        assert_int_equal(block->id, BLOCK_ID_FIRST + i * 3);
        assert_ptr_equal(block_at(map, block_reference(block)), block);
        assert_null(block_find(map, BLOCK_ID_FIRST + i * 3 + 1));
    }
    block_map_free(map);
}

static void test_references_are_reused(void **state)
{
    struct block_map *map = block_map_new();
    struct block *a = add(map, 10), *b = add(map, 11);
    uint32_t reference = block_reference(a);
    (void)state;

    block_forget(map, a);
    assert_null(block_find(map, 10));
    assert_null(block_at_or_null(map, reference));
    assert_ptr_equal(block_find(map, 11), b);
    assert_ptr_equal(add(map, 12), a);
    assert_int_equal(block_reference(a), reference);
    assert_null(block_at_or_null(map, 0));
    assert_null(block_at_or_null(map, block_reference_end(map)));
    assert_null(block_at_or_null(map, UINT32_MAX));
    block_map_free(map);
}

/* Lists grow out of the block and back into it; compared with a plain array. */
static void test_replica_lists(void **state)
{
    enum { BLOCKS = 50, STORAGES = 40, STEPS = 20000 };
    struct block_map *map = block_map_new();
    struct block *blocks[BLOCKS];
    bool model[BLOCKS][STORAGES + 1] = {{false}};
    (void)state;

    srand(1);
    for (int i = 0; i < BLOCKS; i++) blocks[i] = add(map, 100 + (uint64_t)i);
    for (int step = 0; step < STEPS; step++) {
        int b = rand() % BLOCKS;
        uint32_t s = 1 + (uint32_t)rand() % (b % 3 ? STORAGES : 5);
        bool has = model[b][s];
        if (rand() % 2) {
            assert_int_equal(block_add_storage(map, blocks[b], s), !has);
            model[b][s] = true;
        } else {
            assert_int_equal(block_drop_storage(map, blocks[b], s), has);
            model[b][s] = false;
        }
    }
    for (int b = 0; b < BLOCKS; b++) {
        size_t count, expected = 0;
        const uint32_t *list = block_storages(map, blocks[b], &count);
        for (uint32_t s = 1; s <= STORAGES; s++) {
            expected += model[b][s];
            assert_int_equal(block_has_storage(map, blocks[b], s), model[b][s]);
        }
        assert_int_equal(count, expected);
        for (size_t i = 0; i < count; i++) assert_true(model[b][list[i]]);
    }
    block_map_free(map);
}

static void test_replica_limit(void **state)
{
    struct block_map *map = block_map_new();
    struct block *block = add(map, 1);
    (void)state;

    for (uint32_t i = 1; i <= BLOCK_REPLICAS_MAX; i++)
        assert_true(block_add_storage(map, block, i));
    assert_false(block_add_storage(map, block, BLOCK_REPLICAS_MAX + 1));
    for (uint32_t i = 1; i <= BLOCK_REPLICAS_MAX; i++)
        assert_true(block_drop_storage(map, block, i));
    block_forget(map, block);
    block_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_references_are_reused),
        cmocka_unit_test(test_replica_lists),
        cmocka_unit_test(test_replica_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
