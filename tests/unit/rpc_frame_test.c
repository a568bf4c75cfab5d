/* Frames byte by byte as Java 3.5.0 sends them, and requests that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/rpc_frame.h"
#include "proto/client_namenode.pb-c.h"

#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

static const uint8_t client_id[RPC_CLIENT_ID_SIZE] = {0xc0, 1, 2,  3,  4,  5,  6,  7,
                                                      8,    9, 10, 11, 12, 13, 14, 15};

/* Puts hex digits, skipping blanks; 'C' stands for the client id, text between quotes for itself.
 */
static void put_hex(struct buf *out, const char *hex)
{
    while (*hex) {
        unsigned byte;
        if (*hex == ' ') {
            hex++;
        } else if (*hex == 'C') {
            buf_put(out, client_id, sizeof client_id);
            hex++;
        } else if (*hex == '"') {
            for (hex++; *hex != '"'; hex++) buf_put_u8(out, (uint8_t)*hex);
            hex++;
        } else {
            assert_int_equal(sscanf(hex, "%2x", &byte), 1);
            buf_put_u8(out, (uint8_t)byte);
            hex += 2;
        }
    }
}

static void assert_bytes(const struct buf *actual, const char *hex)
{
    struct buf expected = {0};

    put_hex(&expected, hex);
    assert_int_equal(actual->length, expected.length);
    assert_memory_equal(actual->data, expected.data, expected.length);
    buf_release(&expected);
}

static void test_first_write_of_java(void **state UNUSED)
{
    struct buf out = {0};
    struct err err = ERR_INIT;
    struct rpc_request_id id = {.client_id = client_id, .caller_context = "CLI"};
    Pb__GetFileInfoRequest request = PB__GET_FILE_INFO_REQUEST__INIT;

    request.src = "/g1";
    rpc_put_preamble(&out, 0, RPC_AUTH_NONE);
    rpc_put_context(&out, &id, "root", NULL, CLIENT_PROTOCOL);
    assert_int_equal(rpc_put_request(&out, &id, CLIENT_PROTOCOL, "getFileInfo", &request.base,
                                     RPC_FRAME_MAX_DEFAULT, &err),
                     0);
    assert_bytes(&out, "\"hrpc\" 09 00 00"
                       "0000005b 21 0802 1000 1805 2210 C 2801 3a05 0a03 \"CLI\""
                       "38 1206 0a04 \"root\" 1a2e \"" CLIENT_PROTOCOL "\""
                       "00000068 21 0802 1000 1800 2210 C 2800 3a05 0a03 \"CLI\""
                       "3f 0a0b \"getFileInfo\" 122e \"" CLIENT_PROTOCOL "\" 1801"
                       "05 0a03 \"/g1\"");
    buf_release(&out);
}

static void test_answers_of_java(void **state UNUSED)
{
    Pb__RpcResponseHeader header = PB__RPC_RESPONSE_HEADER__INIT;
    Pb__GetFileInfoResponse none = PB__GET_FILE_INFO_RESPONSE__INIT;
    Pb__MkdirsResponse yes = PB__MKDIRS_RESPONSE__INIT;
    struct buf out = {0};

    header.has_serveripcversionnum = header.has_clientid = header.has_retrycount = true;
    header.serveripcversionnum = RPC_VERSION;
    header.clientid.data = (uint8_t *)client_id;
    header.clientid.len = sizeof client_id;
    header.retrycount = 0;
    rpc_put_response(&out, &header, &none.base);
    assert_bytes(&out, "0000001c 1a 0800 1000 1809 3a10 C 4000 00");
    buf_clear(&out);
    header.callid = 6;
    yes.result = true;
    rpc_put_response(&out, &header, &yes.base);
    assert_bytes(&out, "0000001e 1a 0806 1000 1809 3a10 C 4000 02 0801");
    buf_release(&out);
}

static void test_ping_and_sasl(void **state UNUSED)
{
    struct buf out = {0};
    Pb__RpcSasl message = PB__RPC_SASL__INIT;

    rpc_put_ping(&out, client_id);
    assert_bytes(&out, "0000001b 1a 0802 1000 1807 2210 C 2801");
    buf_clear(&out);
    message.state = PB__RPC_SASL__SASL_STATE__NEGOTIATE;
    rpc_put_sasl_request(&out, &message);
    assert_bytes(&out, "0000000e 0a 0802 1000 1841 2200 2801 02 1001");
    buf_release(&out);
}

static void test_request_too_large(void **state UNUSED)
{
    struct buf out = {0};
    struct err err = ERR_INIT;
    struct rpc_request_id id = {.client_id = client_id};
    Pb__GetFileInfoRequest request = PB__GET_FILE_INFO_REQUEST__INIT;

    buf_put_str(&out, "before");
    request.src = "/0123456789";
    assert_int_equal(
        rpc_put_request(&out, &id, CLIENT_PROTOCOL, "getFileInfo", &request.base, 10, &err),
        ERR_LIMIT);
    assert_int_equal(
        rpc_put_request(&out, &id, CLIENT_PROTOCOL, "getFileInfo", &request.base, 100, &err),
        ERR_LIMIT);
    assert_int_equal(out.length, 6);
    assert_non_null(strstr(err.text, "getFileInfo"));
    buf_release(&out);
}

/* Unpacks `hex` and expects the error's text to contain `words`. */
static void refuse(const ProtobufCMessageDescriptor *type, const char *hex, const char *words)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct err err = ERR_INIT;

    put_hex(&bytes, hex);
    assert_null(rpc_unpack(type, bytes.data, bytes.length, &arena, &err));
    assert_int_equal(err.code, ERR_BAD_MESSAGE);
    if (!strstr(err.text, words)) fail_msg("'%s' lacks '%s'", err.text, words);
    buf_release(&bytes);
    arena_release(&arena);
}

static void test_undecodable(void **state UNUSED)
{
    refuse(&pb__get_file_info_request__descriptor, "", "Message missing required fields: src");
    refuse(&pb__get_block_locations_request__descriptor, "0a01 \"/\"",
           "Message missing required fields: offset, length");
    /* addBlock with `previous` = {} */
    refuse(&pb__add_block_request__descriptor, "0a01 \"/\" 1201 \"c\" 1a00",
           "Message missing required fields: previous.poolId, previous.blockId, "
           "previous.generationStamp");
    /* addBlock with an excluded node that has an empty id */
    refuse(&pb__add_block_request__descriptor, "0a01 \"/\" 1201 \"c\" 2202 0a00",
           "excludeNodes[0].id.ipAddr");
    refuse(&pb__get_file_info_request__descriptor, "0a05 \"/\"", "ended unexpectedly");
    refuse(&pb__get_file_info_request__descriptor, "0a", "ended unexpectedly");
    refuse(&pb__get_file_info_request__descriptor, "0affffffffffffffffff01", "ended unexpectedly");
    refuse(&pb__get_file_info_request__descriptor, "00", "ended unexpectedly");
    refuse(&pb__get_file_info_request__descriptor, "0b", "ended unexpectedly");
    refuse(&pb__get_file_info_request__descriptor, "0a04 \"/a\" 00 \"b\"", "NUL");
}

static void test_delimited_beyond_the_end(void **state UNUSED)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    uint8_t bytes[] = {0x06, 0x0a, 0x01, '/'};
    struct cursor cursor = cursor_of(bytes, sizeof bytes);

    assert_null(rpc_take_delimited(&cursor, &pb__get_file_info_request__descriptor, &arena, &err));
    assert_int_equal(err.code, ERR_BAD_MESSAGE);
    arena_release(&arena);
}

/* Two bytes of input may not each cost a struct of memory. */
static void test_amplification_is_bounded(void **state UNUSED)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    struct buf bytes = {0};

    put_hex(&bytes, "0a01 \"/\" 1201 \"c\"");
    for (int i = 0; i < 4 << 20; i++) put_hex(&bytes, "2200"); /* excludeNodes {} */
    assert_null(
        rpc_unpack(&pb__add_block_request__descriptor, bytes.data, bytes.length, &arena, &err));
    assert_int_equal(err.code, ERR_BAD_MESSAGE);
    assert_true(arena.total < 600 * MIB);
    buf_release(&bytes);
    arena_release(&arena);
}

static void test_client_id_is_a_random_uuid(void **state UNUSED)
{
    uint8_t a[RPC_CLIENT_ID_SIZE], b[RPC_CLIENT_ID_SIZE];

    rpc_client_id_random(a);
    rpc_client_id_random(b);
    assert_int_equal(a[6] >> 4, 4);
    assert_int_equal(a[8] >> 6, 2);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_write_of_java),
        cmocka_unit_test(test_answers_of_java),
        cmocka_unit_test(test_ping_and_sasl),
        cmocka_unit_test(test_request_too_large),
        cmocka_unit_test(test_undecodable),
        cmocka_unit_test(test_delimited_beyond_the_end),
        cmocka_unit_test(test_amplification_is_bounded),
        cmocka_unit_test(test_client_id_is_a_random_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
