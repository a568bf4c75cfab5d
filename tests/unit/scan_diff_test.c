/* What disk and memory disagree about is put right; what is being written is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "datanode/scan_diff.h"

enum { BPC = 512, LENGTH = 3 * BPC + 100 };

static const struct write_wish wish = {
    .storage_type = PB__STORAGE_TYPE__DISK, .sum = {CHECKSUM_CRC32C, BPC}, .fd = -1};

static char root[] = "/tmp/tusk-diff-XXXXXX";
static struct dataset *dataset;
static struct block_pool *pool;
static struct conf *conf;
static struct err err;

static int set_up(void **state UNUSED)
{
    struct volume **volumes = NEW_ARRAY(struct volume *, 1);
    struct namespace_info info;
    char uuid[DN_UUID_MAX] = "", dir[64];

    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (!mkdtemp(root)) return -1;
    conf = conf_new();
    snprintf(dir, sizeof dir, "file://%s/d", root);
    if (volume_open(dir, conf, 0, &volumes[0], &err)) return -1;
    dataset = dataset_new(volumes, 1);
    dataset->size_default = LENGTH;
    if (namespace_info_set(&info, "BP-1-127.0.0.1-1", "CID-1", 7, 0, &err)) return -1;
    return dataset_add_pool(dataset, &info, uuid, &pool, &err);
}

static int tear_down(void **state UNUSED)
{
    dataset_free(dataset);
    conf_free(conf);
    return file_remove_tree(root, NULL);
}

static void make_finalized(int64_t id)
{
    struct block_name block = {.id = id, .gs = 1001, .length = LENGTH};
    struct replica_write write;
    uint8_t bytes[LENGTH];
    int64_t length;

    for (size_t i = 0; i < LENGTH; i++) bytes[i] = (uint8_t)(i + (size_t)id);
    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &write, &err), 0);
    assert_int_equal(write_data(&write, 0, bytes, LENGTH, NULL, &err), 0);
    assert_int_equal(write_finalize(&write, false, &length, &err), 0);
}

static void data_path(char path[PATH_MAX], int64_t id)
{
    block_data_path(path, pool->dirs[0], BLOCK_FINALIZED, id);
}

static void meta_path(char path[PATH_MAX], int64_t id)
{
    block_meta_path(path, pool->dirs[0], BLOCK_FINALIZED, id, 1001);
}

static struct scan_diff_result run(void)
{
    struct scan_diff_result result;

    scan_diff_run(pool, 0, &result);
    return result;
}

static void assert_result(struct scan_diff_result r, uint64_t looked_at, uint64_t missing,
                          uint64_t bad, uint64_t unknown)
{
    assert_int_equal(r.looked_at, looked_at);
    assert_int_equal(r.missing, missing);
    assert_int_equal(r.bad, bad);
    assert_int_equal(r.unknown, unknown);
}

static void test_agreement(void **state UNUSED)
{
    for (int64_t id = 1; id <= 700; id++) make_finalized(id * 77);
    assert_result(run(), 700, 0, 0, 0);
}

static void test_lost_file_leaves_the_map(void **state UNUSED)
{
    char path[PATH_MAX];
    struct replica_view view;

    make_finalized(1);
    make_finalized(2);
    int64_t used = dataset->volumes[0]->used;
    data_path(path, 1);
    assert_int_equal(unlink(path), 0);
    assert_result(run(), 2, 1, 0, 0);
    assert_false(dataset_view(pool, 1, &view));
    assert_int_equal(dataset->volumes[0]->used, used / 2);
    assert_int_equal(dataset->volumes[0]->blocks, 1);
    assert_result(run(), 1, 0, 0, 0);
}

static void test_length_and_meta(void **state UNUSED)
{
    char path[PATH_MAX];

    for (int64_t id = 1; id <= 3; id++) make_finalized(id);
    data_path(path, 1);
    assert_int_equal(truncate(path, LENGTH - 1), 0);
    data_path(path, 2);
    assert_int_equal(truncate(path, LENGTH + 1), 0);
    meta_path(path, 3);
    assert_int_equal(unlink(path), 0);
    assert_result(run(), 3, 0, 3, 0);
    assert_result(run(), 3, 0, 3, 0); /* until the namenode has them deleted */
}

static void test_known_again(void **state UNUSED)
{
    char data[PATH_MAX], meta[PATH_MAX], data2[PATH_MAX], meta2[PATH_MAX];
    struct replica_view view;

    make_finalized(1);
    data_path(data, 1);
    meta_path(meta, 1);
    snprintf(data2, sizeof data2, "%s/aside", root);
    snprintf(meta2, sizeof meta2, "%s/aside.meta", root);
    assert_int_equal(rename(data, data2), 0);
    assert_result(run(), 1, 1, 0, 0);
    assert_int_equal(rename(data2, data), 0);
    assert_int_equal(rename(meta, meta2), 0);
    assert_result(run(), 0, 0, 0, 0); /* data alone proves nothing */
    assert_int_equal(rename(meta2, meta), 0);
    assert_result(run(), 0, 0, 0, 1);
    assert_true(dataset_view(pool, 1, &view));
    assert_int_equal(view.gs, 1001);
    assert_int_equal(view.length, LENGTH);
    assert_result(run(), 1, 0, 0, 0);
}

static void test_strangers_are_left_alone(void **state UNUSED)
{
    char path[PATH_MAX];

    make_finalized(1);
    snprintf(path, sizeof path, "%s/current/finalized/subdir0/subdir0/blk_x", pool->dirs[0]);
    assert_int_equal(file_replace(path, "x", 1, 0644, &err), 0);
    /* A pair in a folder where its id does not belong, and a folder with the name of a replica. */
    snprintf(path, sizeof path, "%s/current/finalized/subdir0/subdir0/blk_99999999", pool->dirs[0]);
    assert_int_equal(file_replace(path, "x", 1, 0644, &err), 0);
    snprintf(path, sizeof path, "%s/current/finalized/subdir0/subdir0/blk_99999999_7.meta",
             pool->dirs[0]);
    assert_int_equal(file_replace(path, "x", 1, 0644, &err), 0);
    snprintf(path, sizeof path, "%s/current/finalized/subdir0/subdir0/blk_2", pool->dirs[0]);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_result(run(), 1, 0, 0, 0);
}

static void test_what_is_written_now_is_nobodys_difference(void **state UNUSED)
{
    struct block_name block = {.id = 9, .gs = 1001, .length = LENGTH};
    struct replica_write write;
    uint8_t bytes[100] = {0};
    int64_t length;

    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &write, &err), 0);
    assert_int_equal(write_data(&write, 0, bytes, sizeof bytes, NULL, &err), 0);
    assert_result(run(), 0, 0, 0, 0);
    assert_int_equal(write_finalize(&write, false, &length, &err), 0);
    assert_result(run(), 1, 0, 0, 0);
}

static void test_a_lost_disk_is_no_lost_replica(void **state UNUSED)
{
    char aside[PATH_MAX];
    struct replica_view view;

    make_finalized(1);
    snprintf(aside, sizeof aside, "%s/aside", root);
    assert_int_equal(rename(pool->dirs[0], aside), 0);
    assert_result(run(), 0, 0, 0, 0);
    assert_true(dataset_view(pool, 1, &view));
    assert_int_equal(rename(aside, pool->dirs[0]), 0);
}

static void test_the_thread_ends(void **state UNUSED)
{
    make_finalized(1);
    assert_int_equal(conf_set(conf, "dfs.datanode.directoryscan.interval", "1ms", &err), 0);
    struct scan_diff *scan = scan_diff_new(dataset, conf);
    assert_non_null(scan);
    usleep(50000);
    scan_diff_free(scan);
    assert_int_equal(conf_set(conf, "dfs.datanode.directoryscan.interval", "0", &err), 0);
    assert_null(scan_diff_new(dataset, conf));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_agreement),
        TEST(test_lost_file_leaves_the_map),
        TEST(test_length_and_meta),
        TEST(test_known_again),
        TEST(test_strangers_are_left_alone),
        TEST(test_what_is_written_now_is_nobodys_difference),
        TEST(test_a_lost_disk_is_no_lost_replica),
        TEST(test_the_thread_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
