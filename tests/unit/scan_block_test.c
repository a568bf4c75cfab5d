/* Rotten bytes are found, good ones are left alone; the place in the round is kept, also in the file that Hadoop wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/mem.h"
#include "datanode/scan_block.h"

enum { BPC = 512, LENGTH = 3 * BPC + 100, WAIT_MS = 20000 };

static const struct write_wish wish = {
    .storage_type = PB__STORAGE_TYPE__DISK, .sum = {CHECKSUM_CRC32C, BPC}, .fd = -1};

static char root[] = "/tmp/tusk-scan-XXXXXX";
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
    if (conf_set(conf, "dfs.block.scanner.volume.bytes.per.second", "1g", &err)) return -1;
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

static void damage(int64_t id, long at)
{
    char path[PATH_MAX];

    data_path(path, id);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    assert_int_equal(fclose(file), 0);
}

static struct scan_stats wait_for(struct scan_block *scan, uint64_t rounds, uint64_t scanned)
{
    struct scan_stats stats;
    int64_t end = clock_mono_ms() + WAIT_MS;

    do {
        scan_block_stats(scan, 0, &stats);
        if (stats.rounds >= rounds && stats.scanned >= scanned) break;
        clock_sleep_ms(5);
    } while (clock_mono_ms() < end);
    assert_true(stats.rounds >= rounds);
    assert_true(stats.scanned >= scanned);
    return stats;
}

static struct scan_stats scan_all(uint64_t rounds, uint64_t scanned)
{
    struct scan_block *scan = scan_block_new(dataset, conf);

    assert_non_null(scan);
    struct scan_stats stats = wait_for(scan, rounds, scanned);
    scan_block_free(scan);
    return stats;
}

static void cursor_path(char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/scanner.cursor", pool->dirs[0]);
}

static void write_cursor(const char *text)
{
    char path[PATH_MAX];

    cursor_path(path);
    assert_int_equal(file_replace(path, text, strlen(text), 0644, &err), 0);
}

static void test_good_replicas_pass(void **state UNUSED)
{
    for (int64_t id = 1; id <= 5; id++) make_finalized(id << 8 | id << 16);
    struct scan_stats stats = scan_all(1, 5);
    assert_int_equal(stats.bad, 0);
    assert_int_equal(stats.bytes, 5 * LENGTH);
}

static void test_each_kind_of_damage_is_found(void **state UNUSED)
{
    char path[PATH_MAX], other[PATH_MAX];

    for (int64_t id = 1; id <= 6; id++) make_finalized(id);
    damage(2, 0);          /* a bit at the start, */
    damage(3, LENGTH - 1); /* at the end */
    data_path(path, 4);    /* bytes lost */
    assert_int_equal(truncate(path, BPC), 0);
    block_meta_path(path, pool->dirs[0], BLOCK_FINALIZED, 5, 1001);
    assert_int_equal(unlink(path), 0);
    block_meta_path(other, pool->dirs[0], BLOCK_FINALIZED, 6,
                    1001); /* checksums of a file of zeros */
    assert_int_equal(truncate(other, BLOCK_META_HEADER), 0);
    assert_int_equal(truncate(other, BLOCK_META_HEADER + 16), 0);
    struct scan_stats stats = scan_all(1, 6);
    assert_int_equal(stats.bad, 5);
}

static void test_deleted_files_are_no_rot(void **state UNUSED)
{
    make_finalized(1);
    make_finalized(2);
    assert_int_equal(dataset_invalidate(pool, 1, 1001, &err), 0);
    struct scan_stats stats = scan_all(1, 1);
    assert_int_equal(stats.bad, 0);
}

static void test_a_finished_round_is_not_repeated(void **state UNUSED)
{
    make_finalized(1);
    scan_all(1, 1);
    struct scan_block *scan = scan_block_new(dataset, conf);
    struct scan_stats stats;
    int64_t end = clock_mono_ms() + WAIT_MS;
    do {
        clock_sleep_ms(5);
        scan_block_stats(scan, 0, &stats);
    } while (!stats.next_round_ms && clock_mono_ms() < end);
    scan_block_free(scan);
    assert_int_equal(stats.scanned, 0);
    assert_true(stats.next_round_ms > (int64_t)500 * 3600 * 1000);
}

static void test_hadoop_cursor_is_followed(void **state UNUSED)
{
    char text[512];

    for (int64_t id = 1; id <= 4; id++) make_finalized(id);
    snprintf(text, sizeof text,
             "{\"lastSavedMs\":%" PRId64 ",\"iterStartMs\":%" PRId64
             ",\"curFinalizedDir\":\"subdir0\",\"curFinalizedSubDir\":\"subdir0\","
             "\"curEntry\":\"blk_3\",\"atEnd\":false}",
             clock_wall_ms() - 1000, clock_wall_ms() - 2000);
    write_cursor(text);
    struct scan_stats stats = scan_all(1, 1);
    assert_int_equal(stats.scanned, 1); /* only what comes after blk_3 */
}

static void test_strange_cursors_begin_anew(void **state UNUSED)
{
    static const char *const strange[] = {
        "",
        "{",
        "[]",
        "null",
        "7",
        "{\"iterStartMs\":99999999999999,\"atEnd\":true}",
        "{\"iterStartMs\":\"x\",\"atEnd\":true}",
        "{\"curFinalizedDir\":\"subdir99\",\"curFinalizedSubDir\":\"subdir-1\",\"curEntry\":7}",
        "{\"curFinalizedDir\":{},\"curFinalizedSubDir\":[],\"curEntry\":null}"};

    make_finalized(1);
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        write_cursor(strange[i]);
        struct scan_stats stats = scan_all(1, 1);
        assert_int_equal(stats.bad, 0);
    }
}

/* The round waits for its turn of weeks, the suspect does not. */
static void test_suspects_come_at_once(void **state UNUSED)
{
    make_finalized(1);
    make_finalized(2);
    struct scan_block *scan = scan_block_new(dataset, conf);
    wait_for(scan, 1, 2);
    damage(2, 5);
    scan_block_suspect(scan, pool, 0, 2);
    struct scan_stats stats = wait_for(scan, 1, 3);
    assert_int_equal(stats.bad, 1);
    scan_block_suspect(scan, pool, 0, 2); /* again within minutes: no */
    scan_block_suspect(scan, pool, 7, 2); /* no such volume */
    scan_block_suspect(NULL, pool, 0, 2);
    clock_sleep_ms(50);
    scan_block_stats(scan, 0, &stats);
    assert_int_equal(stats.scanned, 3);
    scan_block_free(scan);
}

static void test_the_end_of_a_round_is_not_waited_for(void **state UNUSED)
{
    make_finalized(1);
    assert_int_equal(conf_set(conf, "dfs.block.scanner.volume.bytes.per.second", "100", &err), 0);
    int64_t start = clock_mono_ms();
    struct scan_block *scan = scan_block_new(dataset, conf);
    clock_sleep_ms(200); /* it is in the middle of the replica, which takes 16 s */
    scan_block_free(scan);
    assert_true(clock_mono_ms() - start < 5000);
    assert_int_equal(conf_set(conf, "dfs.block.scanner.volume.bytes.per.second", "0", &err), 0);
    assert_null(scan_block_new(dataset, conf));
    assert_int_equal(conf_set(conf, "dfs.block.scanner.volume.bytes.per.second", "1g", &err), 0);
    assert_int_equal(conf_set(conf, "dfs.datanode.scan.period.hours", "-1", &err), 0);
    assert_null(scan_block_new(dataset, conf));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good_replicas_pass),        TEST(test_each_kind_of_damage_is_found),
        TEST(test_deleted_files_are_no_rot),  TEST(test_a_finished_round_is_not_repeated),
        TEST(test_hadoop_cursor_is_followed), TEST(test_strange_cursors_begin_anew),
        TEST(test_suspects_come_at_once),     TEST(test_the_end_of_a_round_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
