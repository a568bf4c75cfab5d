/* Records of the edit log: bytes that Apache Hadoop wrote come back the same; damaged ones are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "namenode/edit_codec.h"
#include "namenode/inode.h"
#include "proto/fsimage.pb-c.h"

static void encode(const struct edit *edit, struct buf *out)
{
    buf_clear(out);
    edit_encode(edit, out);
}

static void decode(const struct buf *bytes, struct arena *arena, struct edit *out)
{
    struct err err = ERR_INIT;
    struct edit_frame_info info;

    assert_int_equal(edit_frame_look(bytes->data, bytes->length, &info), EDIT_FRAME_RECORD);
    assert_int_equal(info.size, bytes->length);
    int rc = edit_decode(bytes->data, bytes->length, arena, out, &err);
    if (rc) print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    uint8_t chunk[4096];
    size_t n;

    if (!file) fail_msg("%s: run from the top of the tree", path);
    while ((n = fread(chunk, 1, sizeof chunk, file))) buf_put(out, chunk, n);
    fclose(file);
}

/* Every record of a segment that an Apache namenode wrote decodes and encodes to its own bytes. */
static void apache_segment_round_trip(void **state)
{
    (void)state;
    struct buf file = {0}, again = {0};
    struct arena arena = {0};
    bool seen[256] = {false};
    uint64_t txid = 0;
    int kinds = 0;

    read_file(getenv("EDITS_FILE") ? getenv("EDITS_FILE") : "tests/data/edits_all_ops", &file);
    size_t at = EDIT_HEADER_SIZE;
    for (;;) {
        struct edit_frame_info info;
        struct edit edit;
        struct err err = ERR_INIT;
        enum edit_frame kind = edit_frame_look(file.data + at, file.length - at, &info);
        if (kind == EDIT_FRAME_END) break;
        assert_int_equal(kind, EDIT_FRAME_RECORD);
        if (edit_decode(file.data + at, info.size, &arena, &edit, &err)) fail_msg("%s", err.text);
        encode(&edit, &again);
        if (again.length != info.size || memcmp(again.data, file.data + at, info.size))
            fail_msg("%s at txid %" PRIu64 " does not come back the same", edit_op_name(edit.op),
                     edit.txid);
        assert_true(!txid || edit.txid == txid + 1);
        txid = edit.txid;
        kinds += !seen[edit.op];
        seen[edit.op] = true;
        at += info.size;
        arena_clear(&arena);
    }
    print_message("%d kinds, %" PRIu64 " records\n", kinds, txid);
    assert_true(kinds >= 40);
    buf_release(&file);
    buf_release(&again);
    arena_release(&arena);
}

/* FSEditLogOp's own bytes of one MKDIR: /user, mode 0755, inode 16386. */
static void golden_mkdir(void **state)
{
    (void)state;
    static const uint8_t body[] = {
        3,   0,   0,    0,    0x43, 0,    0,    0,    0,   0,   0,   0,   2, /* opcode, length, txid
                                                                              */
        0,   0,   0,    0,    0,    0,    0x40, 2,                           /* inode id */
        0,   5,   '/',  'u',  's',  'e',  'r',                               /* path */
        0,   0,   1,    0x60, 0x2e, 0x6a, 0x29, 0x0c,                        /* mtime */
        0,   0,   1,    0x60, 0x2e, 0x6a, 0x29, 0x0c, /* unused access time */
        3,   'l', 'e',  'i',  10,   's',  'u',  'p',  'e', 'r', 'g', 'r', 'o', 'u',
        'p', 1,   0xed, 0,    0,    0,    0, /* no ACL */
        0,                                   /* no extended attributes */
    };
    struct edit edit = {.op = EDIT_MKDIR,
                        .txid = 2,
                        .inode_id = 16386,
                        .path = "/user",
                        .mtime_ms = INT64_C(0x1602e6a290c),
                        .user = "lei",
                        .group = "supergroup",
                        .mode = 0755};
    struct buf out = {0};

    encode(&edit, &out);
    assert_int_equal(out.length, sizeof body + 4);
    uint8_t expected[sizeof body];
    memcpy(expected, body, sizeof body);
    set_be32(expected + 1, sizeof body - 1);
    assert_memory_equal(out.data, expected, sizeof body);
    buf_release(&out);
}

static void names_beyond_the_bmp_are_two_surrogates(void **state)
{
    (void)state;
    struct edit edit = {.op = EDIT_ALLOW_SNAPSHOT, .txid = 9, .path = "/\xf0\x9f\x98\x80x\xc3\xa9"},
                back;
    struct buf out = {0};
    struct arena arena = {0};

    encode(&edit, &out);
    static const uint8_t text[] = {0, 10, '/', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 'x', 0xc3, 0xa9};
    assert_memory_equal(out.data + 13, text, sizeof text);
    decode(&out, &arena, &back);
    assert_string_equal(back.path, edit.path);
    buf_release(&out);
    arena_release(&arena);
}

static void longest_strings_are_cut_as_apache_cuts(void **state)
{
    (void)state;
    char *name = malloc(70001);
    struct edit edit = {
        .op = EDIT_REASSIGN_LEASE, .txid = 1, .client_name = name, .path = "/a", .new_holder = "n"};
    struct edit back;
    struct buf out = {0};
    struct arena arena = {0};

    memset(name, 'c', 70000);
    name[70000] = '\0';
    encode(&edit, &out);
    decode(&out, &arena, &back);
    assert_int_equal(strlen(back.client_name), 0xffff / 3);
    assert_string_equal(back.path, "/a");
    free(name);
    buf_release(&out);
    arena_release(&arena);
}

/* Each numeric field at its largest: nothing is narrower on disk than in memory (CVE-2018-11768).
 */
static void largest_values_survive(void **state)
{
    (void)state;
    struct block_id blocks[] = {
        {UINT64_MAX, UINT64_MAX, UINT64_MAX}, {1, 0, 0}, {INT64_MAX, 7, INT64_MAX}};
    struct edit edit = {.op = EDIT_ADD,
                        .txid = INT64_MAX,
                        .path = "/f",
                        .inode_id = UINT64_MAX,
                        .mtime_ms = INT64_MAX,
                        .atime_ms = INT64_MIN,
                        .block_size = UINT64_MAX,
                        .replication = UINT16_MAX,
                        .mode = UINT16_MAX,
                        .user = "u",
                        .group = "g",
                        .client_name = "c",
                        .client_machine = "m",
                        .blocks = blocks,
                        .block_count = 3,
                        .overwrite = true,
                        .storage_policy = 255,
                        .ec_policy = 255,
                        .has_client_id = true,
                        .call_id = INT32_MAX};
    struct edit back;
    struct buf out = {0};
    struct arena arena = {0};

    for (int round = 0; round < 2; round++) {
        encode(&edit, &out);
        decode(&out, &arena, &back);
        assert_int_equal(back.block_count, 3);
        assert_memory_equal(back.blocks, blocks, sizeof blocks);
        if (round) break;
        assert_true(back.inode_id == UINT64_MAX && back.mtime_ms == INT64_MAX &&
                    back.atime_ms == INT64_MIN);
        assert_true(back.block_size == UINT64_MAX && back.replication == UINT16_MAX &&
                    back.mode == UINT16_MAX);
        assert_true(back.overwrite && back.storage_policy == 255 && back.ec_policy == 255);
        assert_true(back.has_client_id && back.call_id == INT32_MAX);
        edit.op = EDIT_UPDATE_BLOCKS; /* the same blocks as differences */
    }
    buf_release(&out);
    arena_release(&arena);
}

static void every_storage_type_has_an_ordinal(void **state)
{
    (void)state;
    struct buf out = {0};
    struct arena arena = {0};

    for (uint8_t type = STORAGE_DISK; type <= STORAGE_NVDIMM; type++) {
        struct edit edit = {.op = EDIT_SET_QUOTA_BY_STORAGETYPE,
                            .txid = 1,
                            .path = "/",
                            .storage_type = type,
                            .ds_quota = QUOTA_NONE};
        struct edit back;
        encode(&edit, &out);
        decode(&out, &arena, &back);
        assert_int_equal(back.storage_type, type);
        assert_int_equal(back.ds_quota, QUOTA_NONE);
    }
    assert_int_equal(edit_storage_ordinal(STORAGE_DISK), 2);
    assert_int_equal(edit_storage_from_ordinal(6), -1);
    buf_release(&out);
    arena_release(&arena);
}

static void rename_options_keep_apache_order(void **state)
{
    (void)state;
    struct buf out = {0};
    struct arena arena = {0};

    for (uint8_t options = 0; options < 4; options++) {
        struct edit edit = {.op = EDIT_RENAME,
                            .txid = 1,
                            .path = "/a",
                            .destination = "/b",
                            .rename_options = options};
        struct edit back;
        encode(&edit, &out);
        decode(&out, &arena, &back);
        assert_int_equal(back.rename_options, options);
        assert_false(back.has_client_id);
    }
    buf_release(&out);
    arena_release(&arena);
}

static void frames(void **state)
{
    (void)state;
    struct edit edit = {.op = EDIT_DELETE, .txid = 5, .path = "/a/b"};
    struct edit_frame_info info;
    struct buf out = {0};
    uint8_t padding[64];

    encode(&edit, &out);
    for (size_t cut = 1; cut < out.length; cut++)
        assert_int_equal(edit_frame_look(out.data, cut, &info), EDIT_FRAME_SHORT);
    for (size_t at = 0; at < out.length * 8; at++) {
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
        enum edit_frame kind = edit_frame_look(out.data, out.length, &info);
        assert_true(kind == EDIT_FRAME_DAMAGED || kind == EDIT_FRAME_SHORT);
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
    }
    assert_int_equal(edit_frame_look(out.data, 0, &info), EDIT_FRAME_END);
    memset(padding, 0xff, sizeof padding);
    assert_int_equal(edit_frame_look(padding, sizeof padding, &info), EDIT_FRAME_END);
    padding[63] = 1;
    assert_int_equal(edit_frame_look(padding, sizeof padding, &info), EDIT_FRAME_DAMAGED);
    memset(padding, 0, sizeof padding);
    assert_int_equal(edit_frame_look(padding, sizeof padding, &info), EDIT_FRAME_END);
    buf_release(&out);
}

static void seal(struct buf *record)
{
    set_be32(record->data + 1, (uint32_t)(record->length - 5));
    struct edit_frame_info info;
    uint8_t *crc = record->data + record->length - 4;
    /* The codec's own CRC is the only one here: try none but the right one by encoding the same
     * bytes. */
    extern unsigned long crc32(unsigned long, const unsigned char *, unsigned);
    set_be32(crc, (uint32_t)crc32(0, record->data, (unsigned)record->length - 4));
    assert_int_equal(edit_frame_look(record->data, record->length, &info), EDIT_FRAME_RECORD);
}

static void refused(struct buf *record, int code)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    struct edit edit;

    seal(record);
    assert_int_equal(edit_decode(record->data, record->length, &arena, &edit, &err), code);
    arena_release(&arena);
}

static void impossible_bodies_are_refused(void **state)
{
    (void)state;
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS, .txid = 5, .path = "/a"};
    struct buf out = {0};

    encode(&edit, &out);
    out.data[17] = 0x84; /* block count as a vint of four bytes: beyond the record */
    refused(&out, ERR_CORRUPT);
    encode(&edit, &out);
    out.data[16] = 0; /* a NUL in the path */
    refused(&out, ERR_CORRUPT);
    encode(&edit, &out);
    buf_put_u32(&out, 0); /* bytes after the last field */
    refused(&out, ERR_CORRUPT);
    encode(&edit, &out);
    out.data[0] = 5; /* OP_DATANODE_ADD, obsolete for ever */
    refused(&out, ERR_UNSUPPORTED);
    out.data[0] = 53;
    refused(&out, ERR_UNSUPPORTED);
    buf_release(&out);
}

/* Whatever the bytes, decoding ends with a record or an error; run under ASan. */
static void random_bodies_never_crash(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    unsigned seed = 7;

    for (int i = 0; i < 40000; i++) {
        struct err err = ERR_INIT;
        struct edit edit;
        buf_clear(&out);
        buf_put_u8(&out, (uint8_t)(i % 53));
        buf_put_u32(&out, 0);
        buf_put_u64(&out, 1);
        int size = rand_r(&seed) % 90;
        for (int k = 0; k < size; k++) {
            int r = rand_r(&seed);
            buf_put_u8(&out, (uint8_t)(r % 3 ? r >> 8 & 3 : r >> 8));
        }
        buf_put_u32(&out, 0);
        if (edit_decode(out.data, out.length, &arena, &edit, &err) == 0) {
            struct buf again = {0};
            edit_encode(&edit, &again);
            buf_release(&again);
        }
        arena_clear(&arena);
    }
    buf_release(&out);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apache_segment_round_trip),
        cmocka_unit_test(golden_mkdir),
        cmocka_unit_test(names_beyond_the_bmp_are_two_surrogates),
        cmocka_unit_test(longest_strings_are_cut_as_apache_cuts),
        cmocka_unit_test(largest_values_survive),
        cmocka_unit_test(every_storage_type_has_an_ordinal),
        cmocka_unit_test(rename_options_keep_apache_order),
        cmocka_unit_test(frames),
        cmocka_unit_test(impossible_bodies_are_refused),
        cmocka_unit_test(random_bodies_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
