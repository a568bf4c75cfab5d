/* The replica map against a plain array, with enough removals to exercise the shifting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "datanode/replica_map.h"

static struct replica entry(int64_t id, uint64_t gs)
{
    return (struct replica){.id = id, .gs = gs, .length = id * 10, .state = REPLICA_FINALIZED};
}

static void random_changes(void **state UNUSED)
{
    enum { IDS = 4000, STEPS = 60000 };
    static uint64_t model[IDS]; /* 0: absent, else the GS */
    struct replica_map *map = replica_map_new();
    size_t count = 0;

    srandom(1);
    for (int step = 0; step < STEPS; step++) {
        int64_t id = random() % IDS;
        struct replica old = entry(id, model[id]), new = entry(id, (uint64_t)step + 1);
        switch (random() % 3) {
        case 0:
            assert_int_equal(replica_map_add(map, &new), model[id] == 0);
            if (!model[id]) model[id] = new.gs, count++;
            break;
        case 1:
            assert_int_equal(replica_map_replace(map, &old, &new), model[id] != 0);
            if (model[id]) model[id] = new.gs;
            break;
        default:
            assert_int_equal(replica_map_remove(map, &old), model[id] != 0);
            if (model[id]) model[id] = 0, count--;
        }
    }
    assert_int_equal(replica_map_count(map), count);
    for (int64_t id = 0; id < IDS; id++) {
        struct replica found;
        assert_int_equal(replica_map_get(map, id, &found), model[id] != 0);
        if (model[id]) assert_int_equal(found.gs, model[id]);
    }
    struct replica_list all = {0};
    for (unsigned cursor = 0; replica_map_next(map, &cursor, &all);) continue;
    assert_int_equal(all.count, count);
    replica_list_release(&all);
    replica_map_free(map);
}

static void only_what_was_seen_is_changed(void **state UNUSED)
{
    struct replica_map *map = replica_map_new();
    struct replica first = entry(-5, 1), second = entry(-5, 2), found;

    assert_true(replica_map_add(map, &first));
    assert_false(replica_map_add(map, &second));
    assert_true(replica_map_replace(map, &first, &second));
    assert_false(replica_map_replace(map, &first, &second));
    assert_false(replica_map_remove(map, &first));
    assert_true(replica_map_get(map, -5, &found));
    assert_int_equal(found.gs, 2);
    replica_map_free(map);
}

static void references_follow_the_entries(void **state UNUSED)
{
    struct replica_map *map = replica_map_new();
    struct replica_open *open = replica_open_new(7, 1, 0, REPLICA_RBW);
    struct replica rbw = {.id = 7, .gs = 1, .open = open, .state = REPLICA_RBW}, found;
    struct replica bumped = rbw, done = entry(7, 2);

    replica_open_get(open); /* ours, to look at it */
    assert_true(replica_map_add(map, &rbw));
    assert_int_equal(open->references, 2);
    assert_true(replica_map_get(map, 7, &found));
    assert_int_equal(open->references, 3);
    replica_open_put(found.open);
    bumped.gs = 2;
    assert_true(replica_map_replace(map, &rbw, &bumped)); /* the same object: no change */
    assert_int_equal(open->references, 2);
    assert_true(replica_map_replace(map, &bumped, &done));
    assert_int_equal(open->references, 1);
    replica_open_put(open);
    replica_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes),
        cmocka_unit_test(only_what_was_seen_is_changed),
        cmocka_unit_test(references_follow_the_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
