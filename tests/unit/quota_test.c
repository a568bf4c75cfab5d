/* Quotas: the texts of refusals, what is charged when, and that what is kept is what a count gives.
 */
#include "namenode/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/storage_policy.h"
#include "tests/lib/core_world.h"

#define DONT_SET INT64_MAX

static void assert_usage(struct world *w, const char *path, int64_t names, int64_t space)
{
    struct inode *dir = world_inode(w, path);
    const struct quota_usage *usage = inode_usage(w->core.tree.inodes, dir);
    struct quota_usage counted =
        quota_count(&w->core, dir, storage_policy_effective(w->core.tree.inodes, dir));

    assert_non_null(usage);
    assert_int_equal(usage->names, names);
    assert_int_equal(usage->space, space);
    assert_memory_equal(usage, &counted, sizeof counted);
}

static void test_names(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/q/a", 0755), 0);
    assert_int_equal(world_set_quota(w, "/q", 4, DONT_SET), 0);
    assert_usage(w, "/q", 2, 0);
    assert_int_equal(world_mkdirs(w, "/q/a/b/c", 0755), 0);
    assert_usage(w, "/q", 4, 0);
    assert_error(w, world_mkdirs(w, "/q/d", 0755), ERR_NS_QUOTA,
                 "The NameSpace quota (directories and files) of directory /q is exceeded: quota=4 "
                 "file count=5");
    assert_int_equal(world_mkdirs(w, "/out/x/y", 0755), 0);
    assert_error(w, world_rename(w, "/out/x", "/q", NULL), ERR_NS_QUOTA,
                 "The NameSpace quota (directories and files) of directory /q is exceeded: quota=4 "
                 "file count=6");
    assert_int_equal(world_rename(w, "/q/a/b", "/q", NULL), 0); /* within: nothing new */
    assert_usage(w, "/q", 4, 0);
    assert_int_equal(world_rename(w, "/q/b", "/out", NULL), 0);
    assert_usage(w, "/q", 2, 0);
    assert_int_equal(world_delete(w, "/q/a", true, NULL), 0);
    assert_usage(w, "/q", 1, 0);
    assert_int_equal(world_set_quota(w, "/q", -1, DONT_SET), 0);
    assert_int_equal(world_inode(w, "/q")->has_quota, 0);
    /* Half-way made parents stay, as with Apache. */
    assert_int_equal(world_set_quota(w, "/q", 2, DONT_SET), 0);
    assert_int_equal(world_mkdirs(w, "/q/1/2/3", 0755), ERR_NS_QUOTA);
    assert_usage(w, "/q", 2, 0);
    world_free(w);
}

static void test_space(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    bool result;

    assert_int_equal(world_mkdirs(w, "/q/in", 0755), 0);
    struct inode *file = world_file(w, "/q/f", 2, 10);
    assert_int_equal(world_set_quota(w, "/q", DONT_SET, 4 * MIB), 0);
    assert_usage(w, "/q", 3, 3 * (MIB + 10));
    assert_int_equal(quota_check_space(&w->core, file, 100, &w->err), 0);
    assert_error(w, quota_check_space(&w->core, file, MIB, &w->err), ERR_DS_QUOTA,
                 "The DiskSpace quota of /q is exceeded: quota = 4194304 B = 4 MB but diskspace "
                 "consumed = 6291486 B = 6.00 MB");
    assert_int_equal(world_set_replication(w, "/q/f", 4, &result), ERR_DS_QUOTA);
    assert_int_equal(file->replication, 3);
    assert_int_equal(world_set_replication(w, "/q/f", 1, &result), 0);
    assert_usage(w, "/q", 3, MIB + 10);
    assert_int_equal(world_set_quota(w, "/q/in", DONT_SET, 100), 0);
    assert_int_equal(world_rename2(w, "/q/f", "/q/in/f", false), ERR_DS_QUOTA);
    assert_non_null(
        strstr(w->err.text, "The DiskSpace quota of /q/in is exceeded: quota = 100 B = 100 B but"));
    assert_int_equal(world_set_quota(w, "/q/in", DONT_SET, 2 * MIB), 0);
    assert_int_equal(world_rename2(w, "/q/f", "/q/in/f", false), 0);
    assert_usage(w, "/q/in", 2, MIB + 10);
    assert_usage(w, "/q", 3, MIB + 10);
    /* Overwriting gives back what was there. */
    world_file(w, "/out", 1, 7);
    assert_int_equal(world_set_quota(w, "/q/in", 2, 2 * MIB), 0);
    assert_int_equal(world_rename2(w, "/out", "/q/in/f", true), 0);
    assert_usage(w, "/q/in", 2, 21);
    world_free(w);
}

static void test_concat_quota(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/q", 0755), 0);
    world_file(w, "/q/t", 1, 10);
    world_file(w, "/q/s", 1, 30);
    assert_int_equal(world_set_replication(w, "/q/s", 1, NULL), 0);
    assert_int_equal(world_set_quota(w, "/q", 10, 100), 0);
    assert_usage(w, "/q", 3, 60);
    assert_int_equal(world_concat(w, "/q/t", (const char *const[]){"/q/s", NULL}),
                     ERR_DS_QUOTA); /* 30 x 3 */
    assert_int_equal(world_set_quota(w, "/q", 10, 200), 0);
    assert_int_equal(world_concat(w, "/q/t", (const char *const[]){"/q/s", NULL}), 0);
    assert_usage(w, "/q", 2, 120);
    world_free(w);
}

static int set_type_quota(struct world *w, const char *path, Pb__StorageType type, int64_t names,
                          int64_t space)
{
    Pb__SetQuotaRequest request = PB__SET_QUOTA_REQUEST__INIT;
    Pb__SetQuotaResponse response = PB__SET_QUOTA_RESPONSE__INIT;

    request.path = (char *)path;
    request.namespacequota = (uint64_t)names;
    request.storagespacequota = (uint64_t)space;
    request.has_storagetype = true;
    request.storagetype = type;
    return op_set_quota(&w->core, &w->op, &request, &response, &w->err);
}

static void test_media(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/q", 0755), 0);
    struct inode *file = world_file(w, "/q/f", 1, 100);
    quota_set_policy(&w->core, world_inode(w, "/q"), STORAGE_POLICY_ONE_SSD);
    assert_error(w, set_type_quota(w, "/q", PB__STORAGE_TYPE__SSD, 5, 1), ERR_UNSUPPORTED_ACTION,
                 "Failed to set quota by storage type because "
                 "eitherdfs.quota.by.storage.type.enabled is set to true or "
                 "nsQuota value is illegal 5");
    assert_int_equal(set_type_quota(w, "/q", PB__STORAGE_TYPE__SSD, DONT_SET, 150), 0);
    const struct quota_usage *usage = inode_usage(w->core.tree.inodes, world_inode(w, "/q"));
    assert_int_equal(usage->type_space[STORAGE_SSD], 100);
    assert_int_equal(usage->type_space[STORAGE_DISK], 200);
    assert_error(w, quota_check_space(&w->core, file, 51, &w->err), ERR_TYPE_QUOTA,
                 "Quota by storage type : SSD on path : /q is exceeded. quota = 150 B but space "
                 "consumed = 151 B");
    quota_set_policy(&w->core, world_inode(w, "/q"), STORAGE_POLICY_HOT);
    assert_int_equal(usage->type_space[STORAGE_SSD], 0);
    assert_int_equal(usage->type_space[STORAGE_DISK], 300);
    quota_set_policy(&w->core, file, STORAGE_POLICY_LAZY_PERSIST); /* RAM is not counted */
    assert_int_equal(usage->type_space[STORAGE_RAM_DISK], 0);
    assert_int_equal(usage->type_space[STORAGE_DISK], 300);
    assert_usage(w, "/q", 2, 300);
    assert_int_equal(set_type_quota(w, "/q", PB__STORAGE_TYPE__SSD, DONT_SET, -1), 0);
    assert_int_equal(world_inode(w, "/q")->has_quota, 0);
    world_free(w);
}

static void test_setting(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    Pb__GetQuotaUsageRequest request = PB__GET_QUOTA_USAGE_REQUEST__INIT;
    Pb__GetQuotaUsageResponse response = PB__GET_QUOTA_USAGE_RESPONSE__INIT;

    assert_int_equal(world_mkdirs(w, "/q", 0755), 0);
    world_file(w, "/f", 1, 9);
    assert_error(w, world_set_quota(w, "/x", 1, 1), ERR_NOT_FOUND, "Directory does not exist: /x");
    assert_error(w, world_set_quota(w, "/f", 1, 1), ERR_PATH_NOT_DIRECTORY,
                 "`/f': Is not a directory");
    assert_error(w, world_set_quota(w, "/q", -2, 1), ERR_ARGUMENT,
                 "Illegal value for nsQuota or ssQuota : -2 and 1");
    uint64_t edits = w->edits;
    assert_int_equal(world_set_quota(w, "/q", -1, -1), 0); /* there was none: no edit */
    assert_int_equal(w->edits, edits);
    request.path = (char *)"/";
    assert_int_equal(op_get_quota_usage(&w->core, &w->op, &request, &response, &w->err), 0);
    assert_int_equal((int64_t)response.usage->quota, INT64_MAX); /* the root's, never "none" */
    assert_int_equal(response.usage->fileanddirectorycount, 3);
    assert_int_equal(response.usage->spaceconsumed, 27);
    assert_int_equal(world_set_quota(w, "/", 3, DONT_SET), 0);
    assert_int_equal(world_mkdirs(w, "/more", 0755), ERR_NS_QUOTA);
    assert_int_equal(world_set_quota(w, "/", -1, DONT_SET), 0);
    assert_int_equal(w->core.tree.root->has_quota, 0);
    assert_int_equal(world_mkdirs(w, "/more", 0755), 0);
    world_free(w);
}

static void test_owners_may_set(void **state UNUSED)
{
    struct world *w =
        world_new((const char *const[]){"dfs.permissions.allow.owner.set.quota", "true", NULL});

    assert_int_equal(world_mkdirs(w, "/home/team", 0755), 0);
    assert_int_equal(world_chown(w, "/home", "ann", NULL), 0);
    world_be(w, "bob", NULL);
    assert_error(w, world_set_quota(w, "/home/team", 5, DONT_SET), ERR_ACCESS,
                 "Access denied for user bob. Superuser or owner of parent folder privilege is "
                 "required");
    world_be(w, "ann", NULL);
    assert_int_equal(world_set_quota(w, "/home/team", 5, DONT_SET), 0);
    assert_int_equal(world_set_quota(w, "/home", 5, DONT_SET), ERR_ACCESS);
    assert_int_equal(world_set_quota(w, "/", 5, DONT_SET), ERR_ACCESS);
    world_free(w);
}

static void test_recount(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/a/b/c", 0755), 0);
    world_file(w, "/a/b/c/f", 3, 11);
    world_file(w, "/a/g", 1, 5);
    assert_int_equal(world_set_quota(w, "/a", 100, 100 * MIB), 0);
    assert_int_equal(world_set_quota(w, "/a/b", 100, DONT_SET), 0);
    struct quota_usage *usage = inode_usage(w->core.tree.inodes, world_inode(w, "/a"));
    usage->names = usage->space = -77;
    usage->type_space[3] = 5;
    quota_recount(&w->core);
    assert_usage(w, "/a", 5, 3 * (2 * MIB + 16));
    assert_usage(w, "/a/b", 3, 3 * (2 * MIB + 11));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_space),
        cmocka_unit_test(test_concat_quota), cmocka_unit_test(test_media),
        cmocka_unit_test(test_setting),      cmocka_unit_test(test_owners_may_set),
        cmocka_unit_test(test_recount),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
