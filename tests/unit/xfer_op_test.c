/* Requests and answers of the data-transfer protocol against bytes of Apache's, and against damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/xfer_op.h"

/* The bytes come through a real socket whose other side is closed behind them. */
static struct xfer_in *feed(struct xfer_in *in, const void *data, size_t size)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], data, size), (ssize_t)size);
    close(pair[1]);
    xfer_in_init(in, pair[0], 1000);
    return in;
}

static int read_op(const void *data, size_t size, struct arena *arena, struct xfer_op *op)
{
    struct xfer_in in;
    int rc = xfer_op_read(feed(&in, data, size), arena, op, NULL);

    close(in.fd);
    return rc;
}

static void put_read(struct buf *buf)
{
    Pb__OpReadBlock read = PB__OP_READ_BLOCK__INIT;
    Pb__ClientOperationHeader header = PB__CLIENT_OPERATION_HEADER__INIT;
    Pb__BaseHeader base = PB__BASE_HEADER__INIT;
    Pb__ExtendedBlock block = PB__EXTENDED_BLOCK__INIT;

    block.poolid = "BP-1";
    block.blockid = 42;
    block.generationstamp = 1001;
    base.block = &block;
    header.baseheader = &base;
    header.clientname = "c";
    read.header = &header;
    read.offset = 7;
    read.len = 9;
    xfer_op_put(buf, XFER_READ_BLOCK, &read.base);
}

static void request_round_trip(void **state UNUSED)
{
    struct buf buf = {0};
    struct arena arena = {0};
    struct xfer_op op;

    put_read(&buf);
    assert_memory_equal(buf.data, "\0\x1c\x51", 3);
    assert_int_equal(read_op(buf.data, buf.length, &arena, &op), 0);
    assert_int_equal(op.code, XFER_READ_BLOCK);
    assert_int_equal(op.read->len, 9);
    assert_true(op.read->sendchecksums); /* the default */
    assert_int_equal(op.read->header->baseheader->block->blockid, 42);
    arena_release(&arena);
    buf_release(&buf);
}

static void request_damaged(void **state UNUSED)
{
    struct buf buf = {0};
    struct arena arena = {0};
    struct xfer_op op;

    put_read(&buf);
    for (size_t size = 1; size < buf.length; size++) {
        int rc = read_op(buf.data, size, &arena, &op);
        assert_true(rc == ERR_BAD_MESSAGE || rc == ERR_EOF);
    }
    assert_int_equal(read_op("", 0, &arena, &op), ERR_EOF);
    assert_int_equal(read_op("\0\x1b\x51\0", 4, &arena, &op), ERR_BAD_MESSAGE);
    assert_int_equal(read_op("\0\x1c\x01\0", 4, &arena, &op), ERR_BAD_MESSAGE);
    assert_int_equal(read_op("\0\x1c\x51\0", 4, &arena, &op), ERR_BAD_MESSAGE); /* fields missing */
    assert_int_equal(read_op("GET / HTTP/1.1\r\n\r\n", 18, &arena, &op), ERR_BAD_MESSAGE);
    assert_int_equal(read_op("\0\x1c\x51\xff\xff\xff\xff\x0f", 8, &arena, &op), ERR_BAD_MESSAGE);
    assert_int_equal(read_op("\0\x1c\x51\xff\xff\xff\xff\xff\xff", 9, &arena, &op),
                     ERR_BAD_MESSAGE);
    arena_release(&arena);
    buf_release(&buf);
}

static void response_is_never_short(void **state UNUSED)
{
    struct buf buf = {0};

    xfer_response_put_status(&buf, PB__STATUS__SUCCESS, NULL, NULL);
    assert_int_equal(buf.length, 5);
    assert_memory_equal(buf.data, "\x04\x08\x00\x12\x00", 5);
    buf_clear(&buf);
    xfer_response_put_status(&buf, PB__STATUS__ERROR, "10.0.0.1:9866", "why");
    struct xfer_in in;
    struct arena arena = {0};
    Pb__BlockOpResponse *response;
    struct err err = ERR_INIT;
    assert_int_equal(xfer_response_read(feed(&in, buf.data, buf.length), &arena, &response, &err),
                     0);
    assert_string_equal(response->firstbadlink, "10.0.0.1:9866");
    assert_int_equal(xfer_response_check(response, &err), ERR_REMOTE);
    assert_non_null(strstr(err.text, "status=ERROR, status message why"));
    close(in.fd);
    arena_release(&arena);
    buf_release(&buf);
}

static void read_response_of_apache(void **state UNUSED)
{
    static const uint8_t golden[] = {0x0d, 0x08, 0x00, 0x22, 0x09, 0x0a, 0x05,
                                     0x08, 0x02, 0x10, 0x80, 0x04, 0x10, 0x00};
    Pb__BlockOpResponse response = PB__BLOCK_OP_RESPONSE__INIT;
    Pb__ReadOpChecksumInfo info = PB__READ_OP_CHECKSUM_INFO__INIT;
    Pb__Checksum checksum = PB__CHECKSUM__INIT;
    struct buf buf = {0};

    checksum.type = PB__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    checksum.bytesperchecksum = 512;
    info.checksum = &checksum;
    response.status = PB__STATUS__SUCCESS;
    response.readopchecksuminfo = &info;
    xfer_response_put(&buf, &response);
    assert_int_equal(buf.length, sizeof golden);
    assert_memory_equal(buf.data, golden, sizeof golden);
    buf_release(&buf);
}

static void read_status(void **state UNUSED)
{
    struct buf buf = {0};
    struct xfer_in in;
    Pb__Status status;

    xfer_read_status_put(&buf, PB__STATUS__CHECKSUM_OK);
    assert_memory_equal(buf.data, "\x02\x08\x06", 3);
    assert_int_equal(xfer_read_status_read(feed(&in, buf.data, buf.length), &status, NULL), 0);
    assert_int_equal(status, PB__STATUS__CHECKSUM_OK);
    close(in.fd);
    assert_int_equal(xfer_read_status_read(feed(&in, "\x01\x08", 2), &status, NULL),
                     ERR_BAD_MESSAGE);
    close(in.fd);
    buf_release(&buf);
}

static void silent_peer_times_out(void **state UNUSED)
{
    int pair[2];
    struct xfer_in in;
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    xfer_in_init(&in, pair[0], 20);
    assert_int_equal(xfer_in_read(&in, &byte, 1, NULL), ERR_TIMEOUT);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_round_trip),
        cmocka_unit_test(request_damaged),
        cmocka_unit_test(response_is_never_short),
        cmocka_unit_test(read_response_of_apache),
        cmocka_unit_test(read_status),
        cmocka_unit_test(silent_peer_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
