/* Random calls by random users; the edits they left, decoded and applied to an empty namespace,
 * give the same namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/hash.h"
#include "namenode/apply_tree.h"
#include "namenode/quota.h"
#include "tests/lib/core_world.h"

static uint64_t random_state;

static uint32_t roll(uint32_t limit)
{
    random_state = hash_u64(random_state, 11);
    return (uint32_t)(random_state % limit);
}

static const char *random_path(struct world *w)
{
    static const char *const names[] = {
        "a", "b", "c", "d", "name-longer-than-an-inode-holds-itself", "\xc3\xa4"};
    struct buf path = {0};
    uint32_t depth = 1 + roll(4);

    for (uint32_t i = 0; i < depth; i++) buf_printf(&path, "/%s", names[roll(ARRAY_LEN(names))]);
    const char *copy = arena_strdup(&w->arena, buf_cstr(&path));
    buf_release(&path);
    return copy;
}

static void random_user(struct world *w)
{
    switch (roll(4)) {
    case 0: world_be(w, "ann", "staff"); break;
    case 1: world_be(w, "bob", "staff"); break;
    default: world_be_super(w);
    }
    w->op.has_client_id = true;
    w->op.call_id = (int32_t)roll(1000);
}

static void random_file(struct world *w)
{
    const char *path = random_path(w);
    struct resolved resolved;

    if (resolve_path(&w->core.tree, path, &w->arena, &resolved, &w->err)) return;
    if (resolved.inode || !resolved.parent) return;
    if (roll(4))
        world_file(w, path, roll(4), 1 + roll(1000));
    else
        world_open_file(w, path, roll(2) ? "client-1" : "client-2");
}

static void random_concat(struct world *w)
{
    const char *dir = random_path(w), *names[] = {"a", "b", "c", "d"};
    const char *sources[3] = {0};

    for (int i = 0; i < 2; i++) sources[i] = arena_printf(&w->arena, "%s/%s", dir, names[roll(4)]);
    (void)world_concat(w, arena_printf(&w->arena, "%s/%s", dir, names[roll(4)]), sources);
}

static int random_policy(struct world *w)
{
    static const char *const names[] = {"HOT", "COLD", "ALL_SSD", "WARM"};
    Pb__SetStoragePolicyRequest request = PB__SET_STORAGE_POLICY_REQUEST__INIT;
    Pb__SetStoragePolicyResponse response = PB__SET_STORAGE_POLICY_RESPONSE__INIT;

    request.src = (char *)random_path(w);
    request.policyname = (char *)names[roll(4)];
    return op_set_storage_policy(&w->core, &w->op, &request, &response, &w->err);
}

static int random_times(struct world *w)
{
    Pb__SetTimesRequest request = PB__SET_TIMES_REQUEST__INIT;
    Pb__SetTimesResponse response = PB__SET_TIMES_RESPONSE__INIT;

    request.src = (char *)random_path(w);
    request.mtime = roll(2) ? UINT64_MAX : roll(100000);
    request.atime = roll(2) ? UINT64_MAX : roll(100000);
    return op_set_times(&w->core, &w->op, &request, &response, &w->err);
}

static int random_quota(struct world *w)
{
    static const int64_t names[] = {-1, INT64_MAX, 3, 10, 50},
                         space[] = {-1, INT64_MAX, 1000, 50 << 20};
    Pb__SetQuotaRequest request = PB__SET_QUOTA_REQUEST__INIT;
    Pb__SetQuotaResponse response = PB__SET_QUOTA_RESPONSE__INIT;

    request.path = (char *)(roll(6) ? random_path(w) : "/");
    request.namespacequota = (uint64_t)names[roll(5)];
    request.storagespacequota = (uint64_t)space[roll(4)];
    request.has_storagetype = roll(4) == 0;
    request.storagetype = roll(2) ? PB__STORAGE_TYPE__SSD : PB__STORAGE_TYPE__DISK;
    return op_set_quota(&w->core, &w->op, &request, &response, &w->err);
}

static void random_call(struct world *w)
{
    random_user(w);
    if (roll(3) == 0) world_tick(w, roll(50));
    switch (roll(14)) {
    case 0:
    case 1:
    case 2: (void)world_mkdirs(w, random_path(w), 0700 | roll(01000)); break;
    case 3:
    case 4: random_file(w); break;
    case 5: (void)world_delete(w, random_path(w), roll(4) != 0, NULL); break;
    case 6: (void)world_rename(w, random_path(w), random_path(w), NULL); break;
    case 7: (void)world_rename2(w, random_path(w), random_path(w), roll(2)); break;
    case 8: (void)world_chmod(w, random_path(w), roll(02000)); break;
    case 9:
        (void)world_chown(w, random_path(w), roll(2) ? "ann" : NULL, roll(2) ? "staff" : NULL);
        break;
    case 10: roll(2) ? random_concat(w) : (void)random_policy(w); break;
    case 11: random_times(w); break;
    case 12: random_quota(w); break;
    default: (void)world_set_replication(w, random_path(w), 1 + roll(5), NULL);
    }
    if (roll(3) == 0) tree_reclaim(&w->core, roll(20));
    arena_clear(&w->arena);
}

/* Answers how many edits the calls made. */
static uint64_t run(uint64_t seed, int calls)
{
    struct world *live = world_new(NULL), *replayed = world_new(NULL);

    random_state = seed;
    for (int i = 0; i < calls; i++) random_call(live);
    while (tree_reclaim(&live->core, 100))
        ;
    world_replay(replayed, live);
    char *expected = world_dump(live), *got = world_dump(replayed);
    assert_string_equal(got, expected);
    /* What quota directories kept up to date is what a fresh count gives. */
    quota_recount(&live->core);
    char *counted = world_dump(live);
    assert_string_equal(counted, expected);
    uint64_t edits = live->edits;
    mem_free(expected);
    mem_free(got);
    mem_free(counted);
    world_free(live);
    world_free(replayed);
    return edits;
}

static void test_many_seeds(void **state UNUSED)
{
    uint64_t edits = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) edits += run(seed * 7919, 600);
    assert_true(edits > 40 * 600 / 10);
}

static void test_one_long_run(void **state UNUSED)
{
    assert_true(run(4242, 20000) > 2000);
}

/* Records that do not fit are refused by name and change nothing. */
static void test_misfits(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/d/e", 0755), 0);
    world_file(w, "/f", 1, 1);
    const char *const sources[] = {"/d"};
    const struct edit bad[] = {
        {.op = EDIT_MKDIR, .path = "/d", .inode_id = 30000},
        {.op = EDIT_MKDIR, .path = "/no/x", .inode_id = 30000},
        {.op = EDIT_MKDIR, .path = "/f/x", .inode_id = 30000},
        {.op = EDIT_MKDIR, .path = "/x", .inode_id = INODE_ID_ROOT},
        {.op = EDIT_MKDIR, .path = "x", .inode_id = 30000},
        {.op = EDIT_MKDIR, .path = NULL, .inode_id = 30000},
        {.op = EDIT_MKDIR, .path = "/", .inode_id = 30000},
        {.op = EDIT_DELETE, .path = "/none"},
        {.op = EDIT_DELETE, .path = "/"},
        {.op = EDIT_RENAME_OLD, .path = "/none", .destination = "/x"},
        {.op = EDIT_RENAME_OLD, .path = "/f", .destination = "/d"},
        {.op = EDIT_RENAME_OLD, .path = "/f", .destination = "/no/x"},
        {.op = EDIT_RENAME_OLD, .path = "/f", .destination = NULL},
        {.op = EDIT_RENAME_OLD, .path = "/", .destination = "/x"},
        {.op = EDIT_RENAME, .path = "/d", .destination = "/d/e/x"},
        {.op = EDIT_RENAME,
         .path = "/d/e",
         .destination = "/d",
         .rename_options = EDIT_RENAME_OVERWRITE},
        {.op = EDIT_RENAME,
         .path = "/f",
         .destination = "/d",
         .rename_options = EDIT_RENAME_OVERWRITE},
        {.op = EDIT_SET_PERMISSIONS, .path = "/none"},
        {.op = EDIT_SET_OWNER, .path = "/none"},
        {.op = EDIT_TIMES, .path = "/none"},
        {.op = EDIT_SET_REPLICATION, .path = "/d", .replication = 2},
        {.op = EDIT_SET_QUOTA, .path = "/f"},
        {.op = EDIT_SET_QUOTA_BY_STORAGETYPE, .path = "/d", .storage_type = 9},
        {.op = EDIT_SYMLINK, .path = "/l", .destination = ""},
        {.op = EDIT_CONCAT_DELETE, .path = "/f", .sources = sources, .source_count = 1},
        {.op = EDIT_CONCAT_DELETE, .path = "/d", .sources = sources, .source_count = 1},
    };
    char *before = world_dump(w);

    w->core.replaying = true;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (edit_apply(&w->core, &bad[i], &w->err) != ERR_CORRUPT)
            fail_msg("record %zu was taken", i);
        assert_non_null(strstr(w->err.text, "does not fit the namespace"));
    }
    char *after = world_dump(w);
    assert_string_equal(after, before);
    mem_free(before);
    mem_free(after);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_seeds),
        cmocka_unit_test(test_one_long_run),
        cmocka_unit_test(test_misfits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
