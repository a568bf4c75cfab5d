/* Packet headers and pipeline acks against bytes of Apache's, at their limits, and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/xfer_ack.h"
#include "common/xfer_packet.h"

static int decode(const uint8_t *bytes, size_t size, struct xfer_packet_header *header)
{
    return xfer_packet_header_decode(bytes, bytes + XFER_PACKET_LENGTHS, size - XFER_PACKET_LENGTHS,
                                     header, NULL);
}

static void header_of_apache(void **state UNUSED)
{
    static const uint8_t golden[] = {0, 0, 0,    0x0e, 0,    0x19, 0x09, 0, 0, 0, 0,
                                     0, 0, 0,    0,    0x11, 0,    0,    0, 0, 0, 0,
                                     0, 0, 0x18, 0,    0x25, 6,    0,    0, 0};
    struct xfer_packet_header header = {.data_length = 6, .checksum_length = 4};
    uint8_t out[XFER_PACKET_HEADER_MAX];

    assert_int_equal(xfer_packet_header_encode(&header, out), sizeof golden);
    assert_memory_equal(out, golden, sizeof golden);
    struct xfer_packet_header back;
    assert_int_equal(decode(golden, sizeof golden, &back), 0);
    assert_int_equal(back.data_length, 6);
    assert_int_equal(back.checksum_length, 4);
    assert_false(back.last || back.sync);
}

static void header_round_trip(void **state UNUSED)
{
    struct xfer_packet_header header = {
        .offset = INT64_MAX, .seqno = -1, .last = true, .sync = true};
    struct xfer_packet_header back;
    uint8_t out[XFER_PACKET_HEADER_MAX];

    assert_int_equal(xfer_packet_header_encode(&header, out), XFER_PACKET_HEADER_MAX);
    assert_int_equal(decode(out, sizeof out, &back), 0);
    assert_int_equal(back.offset, INT64_MAX);
    assert_int_equal(back.seqno, -1);
    assert_true(back.last && back.sync);
}

static void header_damaged(void **state UNUSED)
{
    struct xfer_packet_header header = {.data_length = 512, .checksum_length = 4}, back;
    uint8_t out[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_header_encode(&header, out);

    for (size_t cut = XFER_PACKET_LENGTHS; cut < size; cut++)
        assert_int_equal(decode(out, cut, &back), ERR_BAD_MESSAGE);
    set_be32(out, 3); /* does not even count itself */
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
    set_be32(out, 0x80000000u);
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
    set_be32(out, XFER_PACKET_MAX + 5);
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
    set_be32(out, 511 + 4); /* fewer bytes than the data */
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
    set_be32(out, XFER_PACKET_MAX + 4);
    assert_int_equal(decode(out, size, &back), 0);
    assert_int_equal(back.checksum_length, XFER_PACKET_MAX - 512);
    header.offset = -1;
    size = xfer_packet_header_encode(&header, out);
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
    header = (struct xfer_packet_header){.last = true, .data_length = 1};
    size = xfer_packet_header_encode(&header, out);
    assert_int_equal(decode(out, size, &back), ERR_BAD_MESSAGE);
}

static int check(int64_t offset, uint32_t data, uint32_t checksums)
{
    struct xfer_packet_header header = {
        .offset = offset, .data_length = data, .checksum_length = checksums};
    return xfer_packet_check(&header, 512, 4, NULL);
}

static void chunks_and_checksums_agree(void **state UNUSED)
{
    assert_int_equal(check(0, 512, 4), 0);
    assert_int_equal(check(0, 513, 8), 0);
    assert_int_equal(check(0, 513, 4), ERR_BAD_MESSAGE);
    assert_int_equal(check(0, 0, 0), 0);
    assert_int_equal(check(0, 0, 4), ERR_BAD_MESSAGE);
    assert_int_equal(check(500, 12, 4), 0);
    assert_int_equal(check(500, 13, 4), ERR_BAD_MESSAGE);
    assert_int_equal(check(500, 13, 8), ERR_BAD_MESSAGE);
    assert_int_equal(check(1, 0xffffffffu, 4), ERR_BAD_MESSAGE);
    assert_int_equal(xfer_packet_data_max(65536, 512, 4), 64512);
    assert_int_equal(xfer_packet_data_max(0, 512, 4), 512);
}

static void ack_of_apache(void **state UNUSED)
{
    static const uint8_t golden[] = {0x0f, 0x08, 0,    0x10, 0,    0x10, 0, 0x18,
                                     0xe8, 0xc9, 0xed, 0x03, 0x22, 2,    0, 0};
    struct xfer_ack ack = {.downstream_ns = 8086760, .count = 2}, back;
    struct buf buf = {0};

    assert_int_equal(xfer_ack_decode(golden + 1, sizeof golden - 1, &back, NULL), 0);
    ack.downstream_ns = back.downstream_ns;
    assert_int_equal(back.count, 2);
    assert_true(xfer_ack_ok(&back));
    xfer_ack_put(&buf, &ack);
    assert_int_equal(buf.length, sizeof golden);
    assert_memory_equal(buf.data, golden, sizeof golden);
    buf_release(&buf);
}

static void ack_forms(void **state UNUSED)
{
    struct xfer_ack ack = {.seqno = -1, .count = 3, .entry = {0, 1, 0x82}}, back;
    struct buf buf = {0};

    xfer_ack_put(&buf, &ack);
    assert_int_equal(xfer_ack_decode(buf.data + 1, buf.length - 1, &back, NULL), 0);
    assert_int_equal(back.seqno, -1);
    assert_int_equal(back.count, 3);
    assert_int_equal(xfer_ack_first_bad(&back), 1);
    assert_int_equal(xfer_ack_status(&back, 2), PB__STATUS__ERROR_CHECKSUM);
    /* replies alone; packed; an unknown field in between */
    static const uint8_t plain[] = {0x08, 0x04, 0x12, 2, 0, 1, 0x32, 1, 'x'};
    assert_int_equal(xfer_ack_decode(plain, sizeof plain, &back, NULL), 0);
    assert_int_equal(back.seqno, 2);
    assert_int_equal(back.count, 2);
    assert_int_equal(xfer_ack_first_bad(&back), 1);
    buf_release(&buf);
}

static void ack_damaged(void **state UNUSED)
{
    static const uint8_t whole[] = {0x08, 0x02, 0x10, 0, 0x18, 0xe8, 0x01, 0x22, 1, 0};
    static const size_t sound[] = {2, 4, 7, 10};
    struct xfer_ack back;
    struct buf buf = {0};

    for (size_t cut = 0, next = 0; cut <= sizeof whole; cut++) {
        bool good = next < ARRAY_LEN(sound) && sound[next] == cut;
        assert_int_equal(xfer_ack_decode(whole, cut, &back, NULL), good ? 0 : ERR_BAD_MESSAGE);
        next += good;
    }
    buf_put(&buf, "\x08\x00", 2);
    for (int i = 0; i < XFER_PIPELINE_MAX; i++) buf_put(&buf, "\x10\x00", 2);
    assert_int_equal(xfer_ack_decode(buf.data, buf.length, &back, NULL), 0);
    buf_put(&buf, "\x10\x00", 2);
    assert_int_equal(xfer_ack_decode(buf.data, buf.length, &back, NULL), ERR_BAD_MESSAGE);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_of_apache), cmocka_unit_test(header_round_trip),
        cmocka_unit_test(header_damaged),   cmocka_unit_test(chunks_and_checksums_agree),
        cmocka_unit_test(ack_of_apache),    cmocka_unit_test(ack_forms),
        cmocka_unit_test(ack_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
