/* A replica's two files: partial chunks by every way they are written, cuts, and what a crash
 * leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/file.h"
#include "datanode/block_file.h"

enum { BPC = 16 };
static const struct checksum sum = {CHECKSUM_CRC32C, BPC};

static char dir[] = "/tmp/tusk-block-file-XXXXXX";
static char data_path[PATH_MAX], meta_path[PATH_MAX];
static uint8_t bytes[256];

static int set_up(void **state UNUSED)
{
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    if (!mkdtemp(dir)) return -1;
    snprintf(data_path, sizeof data_path, "%s/blk_1", dir);
    snprintf(meta_path, sizeof meta_path, "%s/blk_1_1.meta", dir);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    unlink(data_path);
    unlink(meta_path);
    return rmdir(dir);
}

static struct block_file create(void)
{
    struct block_file file;

    unlink(data_path);
    unlink(meta_path);
    assert_int_equal(block_file_create(&file, data_path, meta_path, &sum, NULL), 0);
    return file;
}

/* Writes with CRCs as a client sends them: a chunk's start counts from the packet's offset when
 * unaligned. */
static int put(struct block_file *file, int64_t offset, size_t size)
{
    uint8_t crcs[64];

    checksum_compute(&sum, bytes + offset, size, crcs);
    return block_file_write(file, offset, bytes + offset, size, crcs, NULL);
}

/* Data and CRCs on disk are those of the first `length` bytes. */
static void check_files(int64_t length)
{
    struct block_file file;
    uint8_t data[256], crcs[64], more;
    size_t chunks = (size_t)DIV_UP(length, BPC);

    assert_int_equal(block_file_open(&file, data_path, meta_path, NULL), 0);
    assert_int_equal(file_pread_full(file.data_fd, data, (size_t)length, 0, NULL), 0);
    assert_memory_equal(data, bytes, length);
    assert_int_equal(file_pread_full(file.data_fd, &more, 1, length, NULL), ERR_EOF);
    assert_int_equal(file_pread_full(file.meta_fd, crcs, chunks * 4, BLOCK_META_HEADER, NULL), 0);
    assert_int_equal(checksum_verify(&sum, data, (size_t)length, crcs), -1);
    block_file_close(&file);
}

static void names(void **state UNUSED)
{
    char path[PATH_MAX];
    int64_t id;
    uint64_t gs;

    block_meta_path(path, "/d/current/BP-1", BLOCK_FINALIZED, 1073741825, 1001);
    assert_string_equal(
        path, "/d/current/BP-1/current/finalized/subdir0/subdir0/blk_1073741825_1001.meta");
    block_data_path(path, "/d/current/BP-1", BLOCK_FINALIZED, -9223372036854775792 + 0x123456);
    assert_non_null(strstr(path, "/subdir18/subdir20/blk_-"));
    assert_true(block_parse_data_name("blk_-12", &id));
    assert_int_equal(id, -12);
    assert_true(block_parse_meta_name("blk_3_1001.meta", &id, &gs));
    assert_int_equal(gs, 1001);
    assert_false(block_parse_data_name("blk_", &id));
    assert_false(block_parse_data_name("blk_1x", &id));
    assert_false(block_parse_data_name("blk_99999999999999999999", &id));
    assert_false(block_parse_meta_name("blk_1_.meta", &id, &gs));
    assert_false(block_parse_meta_name("blk_1_-1.meta", &id, &gs));
    assert_false(block_parse_meta_name("blk_1_1.meta.tmp", &id, &gs));
}

static void partial_chunks(void **state UNUSED)
{
    struct block_file file = create();

    assert_int_equal(put(&file, 0, 5), 0); /* hflush inside the first chunk */
    check_files(5);
    assert_int_equal(put(&file, 0, 40), 0); /* the chunk comes again, and two more */
    check_files(40);
    assert_int_equal(put(&file, 40, 8), 0); /* unaligned: its CRC covers the new bytes only */
    check_files(48);
    assert_int_equal(put(&file, 16, 20), 0); /* a repetition that brings nothing new */
    check_files(48);
    assert_int_equal(put(&file, 48, 3), 0);
    assert_int_equal(put(&file, 50, 10), 0); /* unaligned and overlapping */
    check_files(60);
    assert_int_equal(block_file_write(&file, 60, bytes + 60, 40, NULL, NULL), 0); /* no CRCs sent */
    check_files(100);
    block_file_close(&file);
}

static void cut_and_reopen(void **state UNUSED)
{
    struct block_file file = create();

    assert_int_equal(put(&file, 0, 100), 0);
    assert_int_equal(block_file_cut(&file, 55, NULL), 0);
    check_files(55);
    block_file_close(&file);
    assert_int_equal(block_file_reopen(&file, data_path, meta_path, 55, NULL), 0);
    assert_int_equal(put(&file, 55, 9), 0);
    check_files(64);
    block_file_close(&file);
    assert_int_equal(block_file_reopen(&file, data_path, meta_path, 65, NULL), ERR_CORRUPT);
    assert_int_equal(block_file_reopen(&file, data_path, meta_path, 0, NULL), 0);
    check_files(0);
    block_file_close(&file);
}

static void spoil(const char *path, int64_t at)
{
    FILE *f = fopen(path, "r+");

    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(c ^ 0x40, f);
    fclose(f);
}

static void damaged_partial_chunk_is_not_continued(void **state UNUSED)
{
    struct block_file file = create();

    assert_int_equal(put(&file, 0, 20), 0);
    block_file_close(&file);
    spoil(data_path, 18);
    assert_int_equal(block_file_reopen(&file, data_path, meta_path, 20, NULL), ERR_CORRUPT);
    assert_int_equal(block_file_reopen(&file, data_path, meta_path, 18, NULL), ERR_CORRUPT);
}

static int64_t proven(void)
{
    int64_t length = -1;

    assert_int_equal(block_file_proven(data_path, meta_path, &length, NULL), 0);
    return length;
}

static void what_a_crash_leaves(void **state UNUSED)
{
    struct block_file file = create();

    assert_int_equal(proven(), 0);
    assert_int_equal(put(&file, 0, 40), 0);
    block_file_close(&file);
    assert_int_equal(proven(), 40);
    /* data written on, its CRC not: what the CRC proves counts */
    FILE *f = fopen(data_path, "a");
    fwrite(bytes + 40, 1, 6, f);
    fclose(f);
    assert_int_equal(proven(), 40);
    assert_int_equal(truncate(data_path, 39),
                     0); /* the other way round: the chunk proves nothing */
    assert_int_equal(proven(), 32);
    spoil(data_path, 20);
    assert_int_equal(truncate(meta_path, BLOCK_META_HEADER + 8), 0);
    assert_int_equal(proven(), 16);
    assert_int_equal(truncate(meta_path, 3), 0);
    assert_int_equal(proven(), 0);
    unlink(meta_path);
    assert_int_equal(proven(), 0);
}

static void damaged_header(void **state UNUSED)
{
    struct block_file file = create();

    block_file_close(&file);
    for (int64_t at = 0; at < 4; at++) {

        spoil(meta_path, at);
        assert_int_equal(block_file_open(&file, data_path, meta_path, NULL), ERR_CORRUPT);
        spoil(meta_path, at);
    }
    assert_int_equal(block_file_open(&file, data_path, meta_path, NULL), 0);
    block_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(partial_chunks),
        cmocka_unit_test(cut_and_reopen),
        cmocka_unit_test(damaged_partial_chunk_is_not_continued),
        cmocka_unit_test(what_a_crash_leaves),
        cmocka_unit_test(damaged_header),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
