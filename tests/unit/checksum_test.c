#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/checksum.h"
#include "common/crc.h"
#include "common/mem.h"
#include "common/rand.h"

static struct err err;

static void test_check_values(void **state UNUSED)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], digest[MD5_SIZE];
    char hex[2 * MD5_SIZE + 1];

    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32_zlib(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32_zlib(0, "", 0), 0);
    memset(ones, 0xff, sizeof ones); /* RFC 3720, B.4 */
    for (int i = 0; i < 32; i++) up[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(crc32c(0, up, 32), 0x46dd794e);
    md5_of("message digest", 14, digest); /* RFC 1321 */
    md5_hex(digest, hex);
    assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
}

static void test_crc_in_pieces_and_against_zlib(void **state UNUSED)
{
    enum { SIZE = 5000 };
    uint8_t data[SIZE];
    struct rand rand;

    rand_seed(&rand, 1);
    for (int i = 0; i < SIZE; i++) data[i] = (uint8_t)rand_u64(&rand);
    for (size_t cut = 0; cut <= SIZE; cut += 37) {
        assert_int_equal(crc32_zlib(0, data, cut), crc32(0, data, (uInt)cut));
        assert_int_equal(crc32c(crc32c(0, data, cut), data + cut, SIZE - cut),
                         crc32c(0, data, SIZE));
        assert_int_equal(crc32_zlib(crc32_zlib(0, data, cut), data + cut, SIZE - cut),
                         crc32_zlib(0, data, SIZE));
    }
}

static void test_combine(void **state UNUSED)
{
    enum { SIZE = 3000 };
    uint8_t data[SIZE];

    for (int i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 31 + 7);
    for (size_t cut = 0; cut <= SIZE; cut += 61) {
        size_t rest = SIZE - cut;
        assert_int_equal(
            crc_combine(crc32c(0, data, cut), crc32c(0, data + cut, rest), rest, CRC_POLY_CRC32C),
            crc32c(0, data, SIZE));
        assert_int_equal(crc_combine(crc32_zlib(0, data, cut), crc32_zlib(0, data + cut, rest),
                                     rest, CRC_POLY_CRC32),
                         crc32_zlib(0, data, SIZE));
    }
    uint32_t far = crc32_combine(0x12345678, 0x9abcdef0, (z_off_t)1 << 40);
    assert_int_equal(crc_combine(0x12345678, 0x9abcdef0, (uint64_t)1 << 40, CRC_POLY_CRC32), far);
    uint32_t monomial = crc_monomial(512, CRC_POLY_CRC32C), crc = 0;
    for (int i = 0; i < 4; i++)
        crc = crc_combine_with(crc, crc32c(0, data + 512 * i, 512), monomial, CRC_POLY_CRC32C);
    assert_int_equal(crc, crc32c(0, data, 2048));
}

static void test_chunks(void **state UNUSED)
{
    uint8_t data[1300], sums[12];

    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)i;
    for (int type = CHECKSUM_CRC32; type <= CHECKSUM_CRC32C; type++) {
        struct checksum sum;
        assert_int_equal(checksum_init(&sum, type, 512, &err), 0);
        assert_int_equal(checksum_bytes(&sum, sizeof data), 12);
        checksum_compute(&sum, data, sizeof data, sums);
        assert_int_equal(get_be32(sums), checksum_update(sum.type, 0, data, 512));
        assert_int_equal(get_be32(sums + 8), checksum_update(sum.type, 0, data + 1024, 276));
        assert_int_equal(checksum_verify(&sum, data, sizeof data, sums), -1);
        for (size_t at = 0; at < sizeof data;
             at += 100) { /* any flipped bit is seen, in its chunk */
            data[at] ^= 0x10;
            assert_int_equal(checksum_verify(&sum, data, sizeof data, sums), at / 512);
            data[at] ^= 0x10;
        }
        sums[11] ^= 1;
        assert_int_equal(checksum_verify(&sum, data, sizeof data, sums), 2);
        assert_int_equal(checksum_verify(&sum, data, 0, sums), -1);
    }
    struct checksum none;
    assert_int_equal(checksum_init(&none, CHECKSUM_NULL, 512, &err), 0);
    assert_int_equal(checksum_bytes(&none, 1300), 0);
    assert_int_equal(checksum_verify(&none, data, sizeof data, NULL), -1);
}

static void test_header(void **state UNUSED)
{
    static const uint8_t bad[][5] = {
        {3, 0, 0, 2, 0}, {255, 0, 0, 2, 0}, {2, 0, 0, 0, 0}, {2, 0xff, 0xff, 0xff, 0xff}};
    struct checksum sum = {CHECKSUM_CRC32C, 512}, back;
    struct buf buf = {0};
    struct cursor in;

    checksum_put_header(&sum, &buf);
    assert_int_equal(buf.length, CHECKSUM_HEADER_SIZE);
    assert_memory_equal(buf.data, "\2\0\0\2\0", 5);
    in = cursor_of(buf.data, buf.length);
    assert_int_equal(checksum_get_header(&back, &in, &err), 0);
    assert_int_equal(back.type, sum.type);
    assert_int_equal(back.bytes_per_checksum, 512);
    in = cursor_of(buf.data, 4);
    assert_int_equal(checksum_get_header(&back, &in, &err), ERR_EOF);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        in = cursor_of(bad[i], 5);
        assert_int_equal(checksum_get_header(&back, &in, &err), ERR_ARGUMENT);
    }
    assert_int_equal(checksum_init(&back, -1, 512, &err), ERR_ARGUMENT);
    assert_int_equal(checksum_init(&back, 2, (INT64_C(1) << 32) + 512, &err), ERR_ARGUMENT);
    buf_release(&buf);
}

static void test_names(void **state UNUSED)
{
    enum checksum_type type;

    assert_true(checksum_type_parse("CRC32C", &type) && type == CHECKSUM_CRC32C);
    assert_true(checksum_type_parse("NULL", &type) && type == CHECKSUM_NULL);
    assert_false(checksum_type_parse("crc32", &type) || checksum_type_parse("MD5", &type) ||
                 checksum_type_parse("", &type));
    assert_string_equal(checksum_type_name(CHECKSUM_CRC32), "CRC32");
}

static void test_md5_is_reusable(void **state UNUSED)
{
    struct md5 *md5 = md5_new();
    uint8_t once[MD5_SIZE], again[MD5_SIZE];

    md5_of("abc", 3, once);
    for (int i = 0; i < 2; i++) {
        md5_update(md5, "a", 1);
        md5_update(md5, "bc", 2);
        md5_finish(md5, again);
        assert_memory_equal(once, again, MD5_SIZE);
    }
    md5_free(md5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_values),
        cmocka_unit_test(test_crc_in_pieces_and_against_zlib),
        cmocka_unit_test(test_combine),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_md5_is_reusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
