/* Differences of snapshots: pages of any size say what one piece says, whatever the cursor holds nothing breaks, and what permissions and limits refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "namenode/handlers.h"
#include "namenode/snapshot_diff.h"
#include "tests/lib/core_world.h"

static void allow(struct world *world, const char *path)
{
    Pb__AllowSnapshotRequest request = PB__ALLOW_SNAPSHOT_REQUEST__INIT;
    Pb__AllowSnapshotResponse response = PB__ALLOW_SNAPSHOT_RESPONSE__INIT;

    request.snapshotroot = (char *)(uintptr_t)path;
    assert_int_equal(op_allow_snapshot(&world->core, &world->op, &request, &response, &world->err),
                     0);
}

static void take(struct world *world, const char *path, const char *name)
{
    Pb__CreateSnapshotRequest request = PB__CREATE_SNAPSHOT_REQUEST__INIT;
    Pb__CreateSnapshotResponse response = PB__CREATE_SNAPSHOT_RESPONSE__INIT;

    request.snapshotroot = (char *)(uintptr_t)path;
    request.snapshotname = (char *)(uintptr_t)name;
    assert_int_equal(op_create_snapshot(&world->core, &world->op, &request, &response, &world->err),
                     0);
}

static void gone(struct world *world, const char *path)
{
    bool result;

    assert_int_equal(world_delete(world, path, true, &result), 0);
    assert_true(result);
}

static void renamed(struct world *world, const char *src, const char *dst)
{
    bool result;

    assert_int_equal(world_rename(world, src, dst, &result), 0);
    assert_true(result);
}

/* Changes of each kind between s1 and s2, names of many lengths, more children than a page of the walk holds. */
static struct world *changed(void)
{
    struct world *world = world_new(NULL);
    char path[64];

    assert_int_equal(world_mkdirs(world, "/s/a/b/c", 0755), 0);
    assert_int_equal(world_mkdirs(world, "/s/m", 0755), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/s/m/%.*s%d", i % 20, "nnnnnnnnnnnnnnnnnnnn", i);
        world_file(world, path, 1, 100);
    }
    world_file(world, "/s/a/file", 2, 7);
    world_file(world, "/s/a/b/gone", 1, 7);
    allow(world, "/s");
    take(world, "/s", "s1");
    for (int i = 0; i < 100; i += 3) {
        snprintf(path, sizeof path, "/s/m/%.*s%d", i % 20, "nnnnnnnnnnnnnnnnnnnn", i);
        gone(world, path);
        snprintf(path, sizeof path, "/s/m/new%d", i);
        world_file(world, path, 0, 0);
    }
    renamed(world, "/s/a/b/c", "/s/c");
    renamed(world, "/s/a/file", "/s/c/elsewhere");
    gone(world, "/s/a/b/gone");
    assert_int_equal(world_chmod(world, "/s/c/elsewhere", 0600), 0);
    assert_int_equal(world_mkdir(world, "/s/z"), 0);
    take(world, "/s", "s2");
    return world;
}

static void put_item(struct buf *out, const struct snapshot_diff_item *item)
{
    buf_printf(out, "%d %d %" PRIu64 " %" PRIu64 " %.*s > %.*s\n", (int)item->kind, item->reference,
               item->dir_id, item->id, (int)item->path.len, (const char *)item->path.data,
               (int)item->target.len, item->target.data ? (const char *)item->target.data : "");
}

/* All pages of at most `max`, behind each other. */
static char *pages(struct world *world, size_t max, size_t *rounds)
{
    struct snapshot_diff_cursor cursor = {.index = -1};
    struct buf out = {0};

    *rounds = 0;
    do {
        struct snapshot_diff diff = {.items = NULL};

        snapshot_diff_walk(&world->core.tree, world_inode(world, "/s"), 0, 1, &cursor, max,
                           &world->arena, &diff);
        assert_true(diff.count <= max);
        for (size_t i = 0; i < diff.count; i++) put_item(&out, &diff.items[i]);
        snapshot_diff_release(&diff);
        assert_true(++*rounds < 1000);
    } while (cursor.path.len || cursor.index != -1);
    buf_put_u8(&out, 0);
    return (char *)out.data;
}

static void pages_say_what_one_piece_says(void **state UNUSED)
{
    struct world *world = changed();
    size_t rounds;
    char *whole = pages(world, SIZE_MAX, &rounds);

    assert_int_equal(rounds, 1);
    assert_non_null(strstr(whole, " a/file > c/elsewhere\n"));
    assert_non_null(strstr(whole, " a/b/c > c\n"));
    assert_non_null(strstr(whole, " a/b/gone > \n"));
    assert_non_null(strstr(whole, " m/new99 > \n"));
    for (size_t max = 1; max < 12; max++) {
        char *in_pages = pages(world, max, &rounds);

        assert_true(rounds > 6);
        assert_string_equal(in_pages, whole);
        mem_free(in_pages);
    }
    mem_free(whole);
    world_free(world);
}

static void any_cursor_ends(void **state UNUSED)
{
    static const char *const paths[] = {"",        "/",          "//",       "a",
                                        "a/",      "a/file",     "a/file/x", "m",
                                        "m/0/1/2", "none/of/it", "zzz",      "\xff\xff"};
    static const int32_t indices[] = {INT32_MIN, -1, 0, 1, 33, 34, 68, 69, INT32_MAX};
    struct world *world = changed();

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (size_t n = 0; n < ARRAY_LEN(indices); n++) {
            struct snapshot_diff_cursor cursor = {
                .path = {.data = (uint8_t *)(uintptr_t)paths[i], .len = strlen(paths[i])},
                .index = indices[n]};
            struct snapshot_diff diff = {.items = NULL};

            snapshot_diff_walk(&world->core.tree, world_inode(world, "/s"), 0, 1, &cursor, SIZE_MAX,
                               &world->arena, &diff);
            assert_int_equal(cursor.path.len, 0);
            assert_int_equal(cursor.index, -1);
            snapshot_diff_release(&diff);
        }
    }
    world_free(world);
}

static int report(struct world *world, const char *path, const char *from, const char *to,
                  size_t *entries)
{
    Pb__GetSnapshotDiffReportRequest request = PB__GET_SNAPSHOT_DIFF_REPORT_REQUEST__INIT;
    Pb__GetSnapshotDiffReportResponse response = PB__GET_SNAPSHOT_DIFF_REPORT_RESPONSE__INIT;

    err_clear(&world->err);
    request.snapshotroot = (char *)(uintptr_t)path;
    request.fromsnapshot = (char *)(uintptr_t)from;
    request.tosnapshot = (char *)(uintptr_t)to;
    int rc =
        op_get_snapshot_diff_report(&world->core, &world->op, &request, &response, &world->err);
    if (!rc) *entries = response.diffreport->n_diffreportentries;
    return rc;
}

static void refusals_are_apaches(void **state UNUSED)
{
    struct world *world = changed();
    size_t entries;

    assert_error(world, report(world, "/s", "s1", "s3", &entries), ERR_SNAPSHOT,
                 "Cannot find the snapshot of directory /s with name s3");
    assert_error(world, report(world, "/", "s1", "s2", &entries), ERR_SNAPSHOT,
                 "The path / is neither snapshottable nor under a snapshot root!");
    assert_int_equal(report(world, "/s/c/elsewhere", "s1", "s2", &entries), ERR_ACCESS);
    assert_error(world, report(world, "/x", "s1", "s2", &entries), ERR_NOT_FOUND,
                 "Directory does not exist: /x");
    assert_int_equal(report(world, "/s", "", "", &entries), 0);
    assert_int_equal(entries, 0);
    world_chmod(world, "/s/a", 0700);
    world_be(world, "guest", "guests");
    assert_int_equal(report(world, "/s", "s1", "s2", &entries), 0); /* as it was then */
    assert_int_equal(report(world, "/s", "s1", "", &entries), ERR_ACCESS);
    world_be_super(world);
    world->core.conf.snapshot_diff_descendant = false;
    assert_error(world, report(world, "/s/a", "s1", "s2", &entries), ERR_SNAPSHOT,
                 "Directory is not a snapshottable directory: /s/a");
    assert_int_equal(report(world, "/s", "s1", "", &entries), 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_say_what_one_piece_says),
        cmocka_unit_test(any_cursor_ends),
        cmocka_unit_test(refusals_are_apaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
