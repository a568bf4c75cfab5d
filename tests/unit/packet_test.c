#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/packet.h"
#include "common/mem.h"
#include "common/xfer_packet.h"

enum { BPC = 512, FULL = 64512 };
static const struct checksum sum = {.type = CHECKSUM_CRC32C, .bytes_per_checksum = BPC};

static void limits(void **state UNUSED)
{
    const uint64_t block = 1 << 20;

    assert_int_equal(packet_limit(0, block, BPC, FULL), FULL);
    assert_int_equal(packet_limit(BPC, block, BPC, FULL), FULL);
    assert_int_equal(packet_limit(1, block, BPC, FULL), BPC - 1);
    assert_int_equal(packet_limit(BPC + 511, block, BPC, FULL), 1);
    assert_int_equal(packet_limit(block - 1000 / BPC * BPC, block, BPC, FULL), BPC);
    assert_int_equal(packet_limit(block, block, BPC, FULL), 0);
    assert_int_equal(packet_limit(block + 5, block, BPC, FULL), 0);
}

static void tails(void **state UNUSED)
{
    assert_int_equal(packet_tail(0, 512, BPC), 0);
    assert_int_equal(packet_tail(0, 513, BPC), 1);
    assert_int_equal(packet_tail(0, 100, BPC), 100);
    assert_int_equal(packet_tail(512, 1500, BPC), 1500 - 1024);
    /* an append that began inside of a chunk keeps what it wrote of it, not what was there before
     */
    assert_int_equal(packet_tail(500, 510, BPC), 10);
    assert_int_equal(packet_tail(500, 512, BPC), 0);
}

/* What a packet sends, piece by piece, is a packet that a receiver accepts. */
static void wire_form(void **state UNUSED)
{
    struct packet *packet = packet_new(FULL, &sum);
    struct xfer_packet_header header;
    struct err err = ERR_INIT;
    uint8_t data[1300], sent[4096];
    size_t total = 0;
    bool done = false;

    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 31);
    packet_reset(packet, 7, 1024);
    assert_int_equal(packet_fill(packet, data, 1000, FULL), 1000);
    assert_int_equal(packet_fill(packet, data + 1000, 300, FULL), 300);
    packet->sync = true;
    packet_seal(packet, &sum);
    while (!done) {
        struct iovec parts[2];
        int n = packet_parts(packet, parts);
        size_t step = MIN(parts[0].iov_len, (size_t)37);
        assert_in_range(n, 1, 2);
        memcpy(sent + total, parts[0].iov_base, step);
        total += step;
        done = packet_advance(packet, step);
    }
    size_t size = get_be16(sent + 4);
    assert_int_equal(xfer_packet_header_decode(sent, sent + 6, size, &header, &err), 0);
    assert_int_equal(header.offset, 1024);
    assert_int_equal(header.seqno, 7);
    assert_true(header.sync);
    assert_false(header.last);
    assert_int_equal(header.data_length, 1300);
    assert_int_equal(header.checksum_length, 12);
    assert_int_equal(total, 6 + size + 12 + 1300);
    assert_memory_equal(sent + 6 + size + 12, data, 1300);
    assert_int_equal(checksum_verify(&sum, data, 1300, sent + 6 + size), -1);
    packet_free(packet);
}

static void fill_stops_at_the_limit(void **state UNUSED)
{
    struct packet *packet = packet_new(FULL, &sum);
    uint8_t data[1000] = {0};

    packet_reset(packet, 0, 500);
    assert_int_equal(packet_fill(packet, data, sizeof data, 12), 12);
    assert_int_equal(packet_fill(packet, data, sizeof data, 12), 0);
    packet_free(packet);
}

static void empty_packets(void **state UNUSED)
{
    static const struct checksum none = {.type = CHECKSUM_NULL, .bytes_per_checksum = BPC};
    struct packet *packet = packet_new(FULL, &none);
    struct iovec parts[2];

    packet_reset(packet, XFER_SEQNO_HEARTBEAT, 0);
    packet_seal(packet, &none);
    assert_int_equal(packet_parts(packet, parts), 1);
    assert_int_equal(parts[0].iov_len, 31);
    assert_true(packet_advance(packet, 31));
    packet_free(packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits),        cmocka_unit_test(tails),
        cmocka_unit_test(wire_form),     cmocka_unit_test(fill_stops_at_the_limit),
        cmocka_unit_test(empty_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
