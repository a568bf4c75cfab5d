/* A datanode's folders when the namespace was upgraded or rolled back, what a crash leaves in between, and folders of older Hadoops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/mem.h"
#include "datanode/dataset.h"
#include "datanode/dn_upgrade.h"

#define POOL "BP-1-127.0.0.1-1"
enum { DISKS = 2, BPC = 512 };

static const struct write_wish wish = {
    .storage_type = PB__STORAGE_TYPE__DISK, .sum = {CHECKSUM_CRC32C, BPC}, .fd = -1};

static char root[] = "/tmp/tusk-upgrade-XXXXXX";
static struct dataset *dataset;
static struct block_pool *pool;
static uint8_t bytes[8 * BPC];
static struct err err;

static int start(uint64_t ctime, enum dn_startup startup)
{
    struct volume **volumes = NEW_ARRAY(struct volume *, DISKS);
    struct conf *conf = conf_new();
    struct namespace_info info;
    char dir[64], uuid[DN_UUID_MAX] = "";

    dataset_free(dataset);
    for (uint16_t i = 0; i < DISKS; i++) {
        snprintf(dir, sizeof dir, "%sfile://%s/d%u", i ? "[SSD]" : "", root, i);
        assert_int_equal(volume_open(dir, conf, i, &volumes[i], &err), 0);
    }
    conf_free(conf);
    dataset = dataset_new(volumes, DISKS);
    dataset->size_default = 4096;
    dataset->startup = startup;
    assert_int_equal(namespace_info_set(&info, POOL, "CID-1", 7, ctime, &err), 0);
    err_clear(&err);
    return dataset_add_pool(dataset, &info, uuid, &pool, &err);
}

static void started(uint64_t ctime, enum dn_startup startup)
{
    if (start(ctime, startup)) fail_msg("%s", err.text);
}

static void refused(uint64_t ctime, enum dn_startup startup, const char *why)
{
    if (!start(ctime, startup)) fail_msg("it starts");
    if (!strstr(err.text, why)) fail_msg("'%s' lacks '%s'", err.text, why);
}

static int set_up(void **state UNUSED)
{
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (!mkdtemp(root)) return -1;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31 + i / 256);
    return start(0, DN_REGULAR);
}

static int tear_down(void **state UNUSED)
{
    dataset_free(dataset);
    dataset = NULL;
    return file_remove_tree(root, NULL);
}

/* ---- blocks ---- */

static void grow(struct replica_write *write, int64_t from, int64_t to)
{
    int64_t length;

    assert_int_equal(write_data(write, from, bytes + from, (size_t)(to - from), NULL, &err), 0);
    write_acked(write, to);
    assert_int_equal(write_finalize(write, false, &length, &err), 0);
}

static void make(int64_t id, int64_t length)
{
    struct block_name block = {.id = id, .gs = 1001, .length = 4096};
    struct replica_write write;

    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &write, &err), 0);
    grow(&write, 0, length);
}

static void append(int64_t id, int64_t from, int64_t to)
{
    struct block_name block = {.id = id, .gs = 1001, .length = 4096};
    struct replica_write write;

    assert_int_equal(dataset_append(pool, &block, 1002, from, &wish, &write, &err), 0);
    grow(&write, from, to);
}

static void check(int64_t id, uint64_t gs, int64_t length)
{
    struct block_name block = {.id = id, .gs = gs, .length = length};
    struct replica_read read;
    uint8_t got[sizeof bytes], crcs[64];

    if (dataset_open_read(pool, &block, 0, 0, &read, &err)) fail_msg("%s", err.text);
    assert_int_equal(read.length, length);
    assert_int_equal(file_pread_full(read.file.data_fd, got, (size_t)length, 0, &err), 0);
    assert_memory_equal(got, bytes, (size_t)length);
    assert_int_equal(replica_read_crcs(&read, 0, length, crcs, &err), 0);
    assert_int_equal(checksum_verify(&read.file.sum, bytes, (size_t)length, crcs), -1);
    replica_read_close(&read);
}

static bool is_there(int64_t id)
{
    struct replica_view view;

    return dataset_view(pool, id, &view);
}

/* ---- folders ---- */

static char *path_of(int disk, const char *below)
{
    static char paths[4][2 * PATH_MAX];
    static int turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/d%d/%s", root, disk, below);
    return path;
}

static char *in_pool(int disk, const char *below)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "current/" POOL "/%s", below);
    return path_of(disk, path);
}

static void set_property(const char *path, const char *key, const char *value)
{
    struct properties props = {0};

    assert_int_equal(properties_load(&props, path, &err), 0);
    properties_set(&props, key, value);
    assert_int_equal(properties_save(&props, path, &err), 0);
    properties_release(&props);
}

static void check_property(const char *path, const char *key, const char *value)
{
    struct properties props = {0};

    assert_int_equal(properties_load(&props, path, &err), 0);
    assert_string_equal(properties_get(&props, key), value);
    properties_release(&props);
}

static void move(int disk, const char *from, const char *to)
{
    assert_int_equal(rename(in_pool(disk, from), in_pool(disk, to)), 0);
}

static void no_leftovers(bool previous)
{
    for (int i = 0; i < DISKS; i++) {
        assert_int_equal(file_exists(in_pool(i, "previous")), previous);
        assert_false(file_exists(in_pool(i, "previous.tmp")));
        assert_false(file_exists(in_pool(i, "removed.tmp")));
        assert_false(file_exists(in_pool(i, "finalized.tmp")));
    }
}

/* ---- tests ---- */

static void there_and_back(void **state UNUSED)
{
    struct block_name left = {.id = 9, .gs = 1001, .length = 4096};
    struct replica_write write;

    for (int64_t id = 1; id <= 4; id++) make(id, 700);
    assert_int_equal(dataset_create_rbw(pool, &left, 0, &wish, &write, &err), 0);
    assert_int_equal(write_data(&write, 0, bytes, 600, NULL, &err), 0);
    write_leave(&write);
    started(100, DN_REGULAR);
    no_leftovers(true);
    for (int i = 0; i < DISKS; i++) {
        check_property(in_pool(i, "current/VERSION"), "cTime", "100");
        check_property(in_pool(i, "previous/VERSION"), "cTime", "0");
    }
    assert_true(is_there(9));
    for (int64_t id = 1; id <= 4; id++) check(id, 1001, 700);
    append(1, 700, 3 * BPC); /* the other name of its files keeps what they were */
    check(1, 1002, 3 * BPC);
    assert_int_equal(dataset_invalidate(pool, 2, 1001, &err), 0);
    make(5, 300);
    started(100, DN_REGULAR); /* once more: nothing to do */
    no_leftovers(true);
    check(1, 1002, 3 * BPC);
    refused(0, DN_REGULAR, "is newer than the namespace state");
    started(0, DN_ROLLBACK);
    no_leftovers(false);
    for (int64_t id = 1; id <= 4; id++) check(id, 1001, 700);
    assert_false(is_there(5));
    started(0, DN_ROLLBACK); /* nothing to go back to is fine */
    check(1, 1001, 700);
}

static void finalized(void **state UNUSED)
{
    make(1, 700);
    started(100, DN_REGULAR);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < DISKS; i++)
            assert_int_equal(dn_storage_finalize_pool(dataset->volumes[i], POOL, &err), 0);
        no_leftovers(false);
        check(1, 1001, 700);
    }
    refused(0, DN_ROLLBACK, "is newer than the namespace state");
    started(100, DN_REGULAR);
    check(1, 1001, 700);
}

static void broken_off(void **state UNUSED)
{
    make(1, 700);
    make(2, 700);
    started(0, DN_REGULAR);
    /* an upgrade before its VERSION: taken back, and done again; after it: completed */
    move(0, "current", "previous.tmp");
    assert_int_equal(file_mkdirs(in_pool(0, "current/finalized"), 0755, &err), 0);
    started(100, DN_REGULAR);
    no_leftovers(true);
    move(0, "previous", "previous.tmp");
    started(100, DN_REGULAR);
    no_leftovers(true);
    check_property(in_pool(0, "previous/VERSION"), "cTime", "0");
    /* a rollback between its steps */
    move(0, "current", "removed.tmp");
    started(100, DN_REGULAR);
    no_leftovers(true);
    move(0, "current", "removed.tmp");
    move(0, "previous", "current");
    started(0, DN_ROLLBACK);
    no_leftovers(false);
    check(1, 1001, 700);
    /* a finalize */
    started(200, DN_REGULAR);
    move(0, "previous", "finalized.tmp");
    started(200, DN_REGULAR);
    assert_false(file_exists(in_pool(0, "finalized.tmp")));
    check(1, 1001, 700);
    check(2, 1001, 700);
}

static void contradictions(void **state UNUSED)
{
    static const char *const FOLDERS[][2] = {
        {"previous", "previous.tmp"},      {"previous", "removed.tmp"},
        {"previous", "finalized.tmp"},     {"previous.tmp", "removed.tmp"},
        {"previous.tmp", "finalized.tmp"},
    };

    make(1, 700);
    for (size_t i = 0; i < ARRAY_LEN(FOLDERS); i++) {
        for (int k = 0; k < 2; k++) assert_int_equal(mkdir(in_pool(1, FOLDERS[i][k]), 0755), 0);
        refused(100, DN_REGULAR, "inconsistent state");
        for (int k = 0; k < 2; k++) assert_int_equal(rmdir(in_pool(1, FOLDERS[i][k])), 0);
        no_leftovers(false); /* the other disk was not upgraded either */
        check_property(in_pool(0, "current/VERSION"), "cTime", "0");
    }
    assert_int_equal(mkdir(in_pool(1, "previous"), 0755), 0);
    assert_int_equal(rename(in_pool(1, "current/VERSION"), in_pool(1, "kept")), 0);
    refused(100, DN_REGULAR, "version file in current directory is missing");
    assert_int_equal(rename(in_pool(1, "kept"), in_pool(1, "current/VERSION")), 0);
    assert_int_equal(rmdir(in_pool(1, "previous")), 0);
    set_property(in_pool(1, "current/VERSION"), "namespaceID", "8");
    refused(100, DN_REGULAR, "Incompatible namespaceIDs");
    no_leftovers(false);
}

static void back_to_the_future(void **state UNUSED)
{
    make(1, 700);
    started(100, DN_REGULAR);
    started(200, DN_REGULAR);
    refused(50, DN_ROLLBACK, "Cannot rollback to a newer state");
    no_leftovers(true);
    check_property(in_pool(0, "current/VERSION"), "cTime", "200");
    check_property(in_pool(0, "previous/VERSION"), "cTime", "100");
}

static void older_layouts(void **state UNUSED)
{
    char id[STORAGE_UUID_MAX];

    make(1, 700);
    make(2, 700);
    for (int i = 0; i < DISKS; i++) {
        set_property(path_of(i, "current/VERSION"), "layoutVersion", "-55");
        set_property(in_pool(i, "current/VERSION"), "layoutVersion", "-55");
    }
    set_property(path_of(1, "current/VERSION"), "storageID", "DS-1-127.0.0.1-50010-1");
    snprintf(id, sizeof id, "%s", dataset->volumes[0]->uuid);
    move(0, "current/finalized/subdir0/subdir0", "current/finalized/subdir63");
    started(0, DN_REGULAR);
    no_leftovers(true);
    check(1, 1001, 700);
    check(2, 1001, 700);
    assert_true(file_exists(in_pool(0, "current/finalized/subdir0/subdir0")));
    assert_true(file_exists(in_pool(0, "previous/finalized/subdir63")));
    for (int i = 0; i < DISKS; i++) {
        check_property(path_of(i, "current/VERSION"), "layoutVersion", "-57");
        check_property(in_pool(i, "current/VERSION"), "layoutVersion", "-57");
        check_property(in_pool(i, "previous/VERSION"), "layoutVersion", "-55");
    }
    assert_string_equal(dataset->volumes[0]->uuid, id);
    assert_string_not_equal(dataset->volumes[1]->uuid, "DS-1-127.0.0.1-50010-1");
    check_property(path_of(1, "current/VERSION"), "storageID", dataset->volumes[1]->uuid);
    set_property(in_pool(1, "current/VERSION"), "layoutVersion", "-58");
    refused(0, DN_REGULAR, "Unexpected version of storage directory");
    set_property(in_pool(1, "current/VERSION"), "layoutVersion", "-54");
    refused(0, DN_REGULAR, "old layout version -54");
    set_property(in_pool(1, "current/VERSION"), "layoutVersion", "-57");
    set_property(path_of(1, "current/VERSION"), "layoutVersion", "-47");
    refused(0, DN_REGULAR, "old layout version -47");
}

static void trash(void **state UNUSED)
{
    make(1, 700);
    make(3, 700);
    struct replica_view view;
    assert_true(dataset_view(pool, 1, &view));
    int disk = view.volume;
    assert_int_equal(file_mkdirs(in_pool(disk, "trash/finalized"), 0755, &err), 0);
    move(disk, "current/finalized/subdir0", "trash/finalized/subdir0");
    started(0, DN_REGULAR);
    assert_false(is_there(1));
    started(0, DN_ROLLBACK);
    check(1, 1001, 700);
    check(3, 1001, 700);
    assert_false(file_exists(in_pool(disk, "trash")));
}

static void rolling(void **state UNUSED)
{
    struct replica_view view;

    make(1, 700);
    make(2, 700);
    assert_true(dataset_view(pool, 1, &view));
    dataset_set_rolling(pool, true);
    assert_true(file_exists(in_pool(0, "RollingUpgradeInProgress")));
    assert_int_equal(dataset_invalidate(pool, 1, 1001, &err), 0);
    assert_false(is_there(1));
    assert_true(file_exists(in_pool(view.volume, "trash/finalized/subdir0/subdir0/blk_1")));
    started(0, DN_REGULAR);
    assert_false(is_there(1));
    started(0, DN_ROLLBACK);
    check(1, 1001, 700);
    check(2, 1001, 700);
    /* finalized: the deleted are gone, and so is `previous` */
    dataset_set_rolling(pool, true);
    assert_int_equal(dataset_invalidate(pool, 1, 1001, &err), 0);
    dataset_set_rolling(pool, false);
    worker_pool_free(dataset->deleter);
    dataset->deleter = worker_pool_new("delete", 1, 16);
    for (int i = 0; i < DISKS; i++) {
        assert_false(file_exists(in_pool(i, "trash")));
        assert_false(file_exists(in_pool(i, "RollingUpgradeInProgress")));
    }
    started(0, DN_ROLLBACK);
    assert_false(is_there(1));
    /* with a `previous` no trash is needed */
    started(100, DN_REGULAR);
    dataset_set_rolling(pool, true);
    assert_int_equal(dataset_invalidate(pool, 2, 1001, &err), 0);
    assert_false(file_exists(in_pool(0, "trash")) || file_exists(in_pool(1, "trash")));
    started(0, DN_ROLLBACK);
    check(2, 1001, 700);
}

static void namenodes_of_another_time(void **state UNUSED)
{
    static const char *const BAD[] = {"", "x", "1.2.1", "2.0.5-alpha", "-3.0", "0x3.5"};
    static const char *const GOOD[] = {"2.1.0-beta", "2.10.2", "3.0.0-alpha1", "3.5.0", "4"};
    struct namespace_info known, now;

    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(namespace_info_check_version(BAD[i], &err), ERR_INCORRECT_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        assert_int_equal(namespace_info_check_version(GOOD[i], &err), 0);
    assert_int_equal(namespace_info_set(&known, POOL, "CID-1", 7, 100, &err), 0);
    now = known;
    assert_int_equal(namespace_info_check_same(&known, &now, &err), 0);
    now.ctime = 99;
    assert_int_equal(namespace_info_check_same(&known, &now, &err), ERR_INCONSISTENT_STATE);
    assert_non_null(strstr(err.text, "start the datanode again"));
    assert_int_equal(namespace_info_set(&now, POOL, "CID-2", 7, 100, &err), 0);
    assert_int_equal(namespace_info_check_same(&known, &now, &err), ERR_INCONSISTENT_STATE);
    assert_int_equal(namespace_info_set(&now, POOL, "CID-1", 8, 100, &err), 0);
    assert_int_equal(namespace_info_check_same(&known, &now, &err), ERR_INCONSISTENT_STATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_and_back),
        TEST(finalized),
        TEST(broken_off),
        TEST(contradictions),
        TEST(back_to_the_future),
        TEST(older_layouts),
        TEST(trash),
        TEST(namenodes_of_another_time),
        TEST(rolling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
