/* A read that saw something that is not durable yet must know: tree_recent. */
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/lib/core_world.h"

static struct tree_recent recent;

static uint64_t seen_at(struct world *world, const char *path)
{
    struct resolved resolved;

    recent.seen = 0;
    assert_int_equal(resolve_path(&world->core.tree, path, &world->arena, &resolved, &world->err),
                     0);
    return recent.seen;
}

static void test_seen(void **state)
{
    struct world *world = world_new(NULL);
    bool result;

    (void)state;
    memset(&recent, 0, sizeof recent);
    world->core.tree.recent = &recent;
    assert_int_equal(world_mkdir(world, "/a"), 0);
    assert_int_equal(world_mkdir(world, "/a/b"), 0);
    assert_int_equal(world_mkdir(world, "/c"), 0);
    uint64_t made_c = world->core.txid_applied;
    assert_int_equal(seen_at(world, "/c"), made_c);
    assert_int_equal(seen_at(world, "/"), made_c); /* its listing changed */

    memset(&recent, 0, sizeof recent); /* all durable */
    assert_int_equal(world_chmod(world, "/a/b", 0700), 0);
    assert_int_equal(seen_at(world, "/a/b"), world->core.txid_applied);
    assert_int_equal(seen_at(world, "/c"), 0);

    memset(&recent, 0, sizeof recent);
    assert_int_equal(world_rename(world, "/a/b", "/c/b", &result), 0);
    assert_int_equal(seen_at(world, "/a/b"), world->core.txid_applied); /* gone from here, */
    assert_int_equal(seen_at(world, "/c/b"), world->core.txid_applied); /* and new there */

    memset(&recent, 0, sizeof recent);
    assert_int_equal(world_delete(world, "/c/b", true, &result), 0);
    assert_int_equal(seen_at(world, "/c/b"), world->core.txid_applied);
    assert_int_equal(seen_at(world, "/a"), 0);
    world->core.tree.recent = NULL;
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
