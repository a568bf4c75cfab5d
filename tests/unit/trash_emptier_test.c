#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "namenode/trash_emptier.h"
#include "tests/lib/core_world.h"

/* A namenode with two minutes until deletion, and a checkpoint each minute. */
static struct world *world;
static struct trash_emptier *emptier;

static int set_up(void **state)
{
    const char *const settings[] = {"fs.trash.interval", "2", "fs.trash.checkpoint.interval", "1",
                                    NULL};
    (void)state;

    world = world_new(settings);
    world->core.now_wall_ms = INT64_C(1795514400500); /* November 2026 */
    emptier = trash_emptier_new();
    assert_int_equal(world_mkdirs(world, "/user", 0755), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    trash_emptier_free(emptier);
    world_free(world);
    return 0;
}

static void run(void)
{
    while (trash_emptier_tick(emptier, &world->core)) {}
}

static void minutes(int n)
{
    for (int i = 0; i < n; i++) {
        world_tick(world, MINUTE_MS);
        run();
    }
}

static void put(const char *user, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/user/%s/.Trash/%s", user, name);
    assert_int_equal(world_mkdirs(world, path, 0700), 0);
}

static bool is_there(const char *path)
{
    return world_inode(world, path) != NULL;
}

static uint64_t kept(const char *user)
{
    char path[128];

    snprintf(path, sizeof path, "/user/%s/.Trash", user);
    return dir_child_count(world_inode(world, path));
}

static void what_is_thrown_away_goes_in_the_end(void **state)
{
    (void)state;
    put("alice", "Current/report");
    run(); /* not before the next full interval */
    assert_true(is_there("/user/alice/.Trash/Current/report"));
    minutes(1);
    assert_false(is_there("/user/alice/.Trash/Current"));
    assert_int_equal(kept("alice"), 1);
    put("alice", "Current/later");
    minutes(1);
    assert_int_equal(kept("alice"), 2);
    minutes(1); /* the first one is more than two minutes old now */
    assert_int_equal(kept("alice"), 1);
    minutes(1);
    assert_int_equal(kept("alice"), 0);
}

/* Homes are gone through in portions, and each only once in a round. */
static void all_users_come(void **state)
{
    char user[32];
    (void)state;

    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "user%d", i);
        put(user, "Current/x");
    }
    assert_int_equal(world_mkdirs(world, "/user/none", 0755), 0);
    run();
    uint64_t before = world->edits;
    minutes(1);
    assert_int_equal(world->edits - before, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "user%d", i);
        assert_int_equal(kept(user), 1);
    }
    before = world->edits;
    run();
    assert_int_equal(world->edits, before);
}

static void other_things_stay(void **state)
{
    (void)state;
    put("bob", "mine");
    put("bob", "240101000000x");
    put("bob", "240101000000-3");
    put("bob", "2401010000");
    run();
    minutes(1);
    assert_true(is_there("/user/bob/.Trash/mine"));
    assert_true(is_there("/user/bob/.Trash/240101000000x"));
    assert_int_equal(kept("bob"), 2); /* what is named by a time has gone */
    world->core.conf.trash_clean_root = true;
    minutes(1);
    assert_int_equal(kept("bob"), 0);
}

static void no_interval_no_emptier(void **state)
{
    (void)state;
    world->core.conf.trash_interval_ms = 0;
    put("carol", "Current/x");
    minutes(5);
    assert_true(is_there("/user/carol/.Trash/Current/x"));
    world->core.conf.trash_interval_ms = 3 * MINUTE_MS;
    world->core.conf.trash_checkpoint_ms = 0; /* as often as they are deleted */
    minutes(7);
    assert_false(is_there("/user/carol/.Trash/Current"));
}

static void names_of_checkpoints(void **state)
{
    struct tm tm = {0};
    (void)state;

    assert_int_equal(trash_checkpoint_ms("Current"), -1);
    assert_int_equal(trash_checkpoint_ms(""), -1);
    assert_int_equal(trash_checkpoint_ms("24010100000"), -1);
    assert_int_equal(trash_checkpoint_ms("2401010000000"), -1);
    int64_t ms = trash_checkpoint_ms("261124093005-12");
    time_t seconds = (time_t)(ms / 1000);
    assert_non_null(localtime_r(&seconds, &tm));
    assert_int_equal(tm.tm_year, 126);
    assert_int_equal(tm.tm_mon, 10);
    assert_int_equal(tm.tm_mday, 24);
    assert_int_equal(tm.tm_hour, 9);
    assert_int_equal(tm.tm_min, 30);
    assert_int_equal(tm.tm_sec, 5);
    assert_int_equal(trash_checkpoint_ms("2611240930"), ms - 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_thrown_away_goes_in_the_end),
        TEST(all_users_come),
        TEST(other_things_stay),
        TEST(no_interval_no_emptier),
        TEST(names_of_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
