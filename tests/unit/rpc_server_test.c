/* The RPC server over loopback: what strangers get, fragments, limits, and calls answered out of
 * order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "common/rpc_server.h"
#include "proto/client_namenode.pb-c.h"

#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

enum { HELD_MAX = 4096, ANSWER_MAX = 1 << 20, WAIT_MS = 10000 };

static const uint8_t client_id[RPC_CLIENT_ID_SIZE] = {0xc0, 1, 2,  3,  4,  5,  6,  7,
                                                      8,    9, 10, 11, 12, 13, 14, 15};

struct daemon_side {
    struct rpc_server *server;
    uint16_t port;
    bool hold; /* keep calls instead of running them at once */
    pthread_mutex_t lock;
    struct rpc_call *held[HELD_MAX];
    size_t held_count;
    char last_user[64], last_real[64], last_peer[64], last_context[64];
};

static struct daemon_side side = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void run_echo(void *context, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Pb__GetLinkTargetRequest *request = (const Pb__GetLinkTargetRequest *)message;
    Pb__GetLinkTargetResponse response = PB__GET_LINK_TARGET_RESPONSE__INIT;

    assert_ptr_equal(context, &side);
    response.targetpath = request->path;
    rpc_call_reply(call, &response.base);
}

static void run_fail(void *context UNUSED, struct rpc_call *call,
                     const ProtobufCMessage *message UNUSED)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_NOT_FOUND, "File does not exist: /x");
    rpc_call_fail(call, &err);
}

static const struct rpc_op ops[] = {
    {CLIENT_PROTOCOL, "getLinkTarget", &pb__get_link_target_request__descriptor, run_echo, 0},
    {CLIENT_PROTOCOL, "getFileInfo", &pb__get_file_info_request__descriptor, run_fail, 0},
    {CLIENT_PROTOCOL, "addBlock", &pb__add_block_request__descriptor, run_fail, 0},
};

static void submit(void *context, struct rpc_call *call)
{
    struct daemon_side *daemon = context;

    pthread_mutex_lock(&daemon->lock);
    snprintf(daemon->last_user, sizeof daemon->last_user, "%s", call->user->name);
    snprintf(daemon->last_real, sizeof daemon->last_real, "%s",
             call->user->real ? call->user->real : "");
    snprintf(daemon->last_peer, sizeof daemon->last_peer, "%s", call->peer_ip);
    snprintf(daemon->last_context, sizeof daemon->last_context, "%s",
             call->caller_context ? call->caller_context : "");
    bool hold = daemon->hold;
    if (hold) {
        assert_true(daemon->held_count < HELD_MAX);
        daemon->held[daemon->held_count++] = call;
    }
    pthread_mutex_unlock(&daemon->lock);
    if (hold) return;
    rpc_call_run(call);
    rpc_call_release(call);
}

static size_t held(void)
{
    pthread_mutex_lock(&side.lock);
    size_t count = side.held_count;
    pthread_mutex_unlock(&side.lock);
    return count;
}

static void wait_held(size_t count)
{
    for (int64_t until = deadline_in(WAIT_MS); held() < count && deadline_left_ms(until);)
        clock_sleep_ms(1);
    assert_int_equal(held(), count);
}

/* Answers what is held, newest first. */
static void answer_held(void)
{
    pthread_mutex_lock(&side.lock);
    while (side.held_count) {
        struct rpc_call *call = side.held[--side.held_count];
        rpc_call_run(call);
        rpc_call_release(call);
    }
    pthread_mutex_unlock(&side.lock);
    rpc_server_flush(side.server);
}

static void start_with(struct rpc_server_options options)
{
    struct err err = ERR_INIT;

    options.context = &side;
    options.submit = submit;
    options.name = "test";
    side.server = rpc_server_new(&options);
    side.hold = false;
    rpc_server_add_ops(side.server, ops, ARRAY_LEN(ops));
    assert_int_equal(rpc_server_listen(side.server, "127.0.0.1", 0, &side.port, &err), 0);
    assert_int_equal(rpc_server_start(side.server, &err), 0);
}

static int start(void **state UNUSED)
{
    start_with((struct rpc_server_options){.threads = 2});
    return 0;
}

static int stop(void **state UNUSED)
{
    answer_held();
    rpc_server_free(side.server);
    side.server = NULL;
    return 0;
}

/* --- a hand-made client --- */

static int dial_host(const char *host, uint16_t port)
{
    struct net_addr addr = {.port = port};
    struct err err = ERR_INIT;
    int fd;

    snprintf(addr.host, sizeof addr.host, "%s", host);
    if (net_connect(&addr, deadline_in(WAIT_MS), &fd, &err)) fail_msg("%s", err.text);
    return fd;
}

static int dial(void)
{
    return dial_host("127.0.0.1", side.port);
}

static void send_bytes(int fd, const void *data, size_t size)
{
    assert_int_equal(net_write_full(fd, data, size, deadline_in(WAIT_MS), NULL), 0);
}

static void send_buf(int fd, struct buf *bytes)
{
    send_bytes(fd, bytes->data, bytes->length);
    buf_release(bytes);
}

/* Everything until the server closes. */
static size_t read_to_end(int fd, uint8_t *data, size_t size)
{
    size_t length = 0, got;

    while (length < size &&
           !net_read_some(fd, data + length, size - length, &got, deadline_in(WAIT_MS), NULL)) {
        if (!got) return length;
        length += got;
    }
    fail_msg("the server did not close after %zu bytes", length);
    return 0;
}

struct answer {
    struct arena arena;
    Pb__RpcResponseHeader *header;
    struct cursor body;
};

static void parse_answer(struct answer *answer, const uint8_t *frame, size_t size)
{
    struct cursor cursor = cursor_of(frame, size);

    answer->header = (Pb__RpcResponseHeader *)rpc_take_delimited(
        &cursor, &pb__rpc_response_header__descriptor, &answer->arena, NULL);
    assert_non_null(answer->header);
    assert_int_equal(answer->header->serveripcversionnum, 9);
    answer->body = cursor;
}

static void read_answer(int fd, struct answer *answer)
{
    uint8_t length[4];
    struct err err = ERR_INIT;

    if (net_read_full(fd, length, 4, deadline_in(WAIT_MS), &err)) fail_msg("%s", err.text);
    size_t size = get_be32(length);
    assert_true(size < 8 << 20);
    uint8_t *frame = arena_alloc(&answer->arena, size);
    assert_int_equal(net_read_full(fd, frame, size, deadline_in(WAIT_MS), NULL), 0);
    parse_answer(answer, frame, size);
}

static void expect_target(struct answer *answer, int call_id, const char *target)
{
    assert_int_equal(answer->header->callid, call_id);
    assert_int_equal(answer->header->status, PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS);
    assert_int_equal(answer->header->clientid.len, RPC_CLIENT_ID_SIZE);
    assert_memory_equal(answer->header->clientid.data, client_id, RPC_CLIENT_ID_SIZE);
    Pb__GetLinkTargetResponse *response = (Pb__GetLinkTargetResponse *)rpc_take_delimited(
        &answer->body, &pb__get_link_target_response__descriptor, &answer->arena, NULL);
    assert_non_null(response);
    assert_string_equal(response->targetpath, target);
}

static void put_call(struct buf *out, int call_id, const char *path)
{
    struct rpc_request_id id = {
        .client_id = client_id, .call_id = call_id, .caller_context = "CLI"};
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;

    request.path = (char *)path;
    assert_int_equal(rpc_put_request(out, &id, CLIENT_PROTOCOL, "getLinkTarget", &request.base,
                                     RPC_FRAME_MAX_DEFAULT, NULL),
                     0);
}

static void put_opening(struct buf *out, const char *user, const char *real)
{
    struct rpc_request_id id = {.client_id = client_id};

    rpc_put_preamble(out, 0, RPC_AUTH_NONE);
    rpc_put_context(out, &id, user, real, CLIENT_PROTOCOL);
}

static int dial_open(void)
{
    struct buf out = {0};
    int fd = dial();

    put_opening(&out, "alice", NULL);
    send_buf(fd, &out);
    return fd;
}

/* Sends bytes on a fresh connection; expects one FATAL answer and the end. */
static void expect_fatal(struct buf *bytes, uint32_t call_id, const char *java_class,
                         const char *text, int detail)
{
    uint8_t data[4096];
    struct answer answer = {0};
    int fd = dial();

    send_buf(fd, bytes);
    size_t size = read_to_end(fd, data, sizeof data);
    assert_true(size > 4);
    assert_int_equal(get_be32(data), size - 4);
    parse_answer(&answer, data + 4, size - 4);
    assert_int_equal(answer.header->callid, call_id);
    assert_int_equal(answer.header->status, PB__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL);
    assert_string_equal(answer.header->exceptionclassname, java_class);
    if (!strstr(answer.header->errormsg, text))
        fail_msg("'%s' lacks '%s'", answer.header->errormsg, text);
    assert_int_equal(answer.header->errordetail, detail);
    assert_int_equal(cursor_left(&answer.body), 0);
    arena_release(&answer.arena);
    close(fd);
}

/* Expects the end without a word. */
static void expect_silence(struct buf *bytes)
{
    uint8_t data[64];
    int fd = dial();

    send_buf(fd, bytes);
    assert_int_equal(read_to_end(fd, data, sizeof data), 0);
    close(fd);
}

/* --- strangers --- */

#define DETAIL(name)     PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__##name
#define SERVER_EXCEPTION "org.apache.hadoop.ipc.RpcServerException"

static void test_http(void **state UNUSED)
{
    uint8_t data[1024];
    int fd = dial();

    send_bytes(fd, "GET /jmx HTTP/1.1\r\nHost: nn\r\n\r\n", 31);
    size_t size = read_to_end(fd, data, sizeof data - 1);
    data[size] = '\0';
    assert_string_equal((char *)data,
                        "HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\n\r\n"
                        "It looks like you are making an HTTP request to a Hadoop IPC port. This "
                        "is not the correct port for the web interface on this daemon.\r\n");
    close(fd);
}

static struct buf bytes_of(const void *data, size_t size)
{
    struct buf bytes = {0};
    buf_put(&bytes, data, size);
    return bytes;
}

static void test_wrong_magic_and_version(void **state UNUSED)
{
    struct buf bytes = bytes_of("hrpc\x0a\0\0", 7);
    expect_fatal(&bytes, UINT32_MAX, "org.apache.hadoop.ipc.RPC$VersionMismatch",
                 "Server IPC version 9 cannot communicate with client version 10",
                 DETAIL(FATAL_VERSION_MISMATCH));
    bytes = bytes_of("POST / HTTP/1.1\r\n\r\n", 19);
    expect_fatal(&bytes, UINT32_MAX, "org.apache.hadoop.ipc.RPC$VersionMismatch", "version 32",
                 DETAIL(FATAL_VERSION_MISMATCH));
    bytes = bytes_of("xrpc\x09\0\0", 7);
    expect_fatal(&bytes, UINT32_MAX, "org.apache.hadoop.ipc.RPC$VersionMismatch", "version 9",
                 DETAIL(FATAL_VERSION_MISMATCH));
    bytes = bytes_of("hrpc\x02\0\0", 7);
    expect_silence(&bytes);
    bytes = bytes_of("hrpc\xff\0\0", 7);
    expect_silence(&bytes);
}

static void test_old_version(void **state UNUSED)
{
    static const char text[] = "Server IPC version 9 cannot communicate with client version 7";
    uint8_t data[1024];
    struct buf expected = {0};
    int fd = dial();

    buf_put(&expected, "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x29", 12);
    buf_put_str(&expected, "org.apache.hadoop.ipc.RPC$VersionMismatch");
    buf_put_u32(&expected, sizeof text - 1);
    buf_put_str(&expected, text);
    send_bytes(fd, "hrpc\x07\0\0", 7);
    assert_int_equal(read_to_end(fd, data, sizeof data), expected.length);
    assert_memory_equal(data, expected.data, expected.length);
    buf_release(&expected);
    close(fd);
}

static void test_unknown_auth(void **state UNUSED)
{
    struct buf bytes = bytes_of("hrpc\x09\0\x05", 7);
    expect_fatal(&bytes, UINT32_MAX, "org.apache.hadoop.ipc.IpcException",
                 "Unknown auth protocol:5", DETAIL(FATAL_UNAUTHORIZED));
}

static void test_bad_lengths(void **state UNUSED)
{
    struct buf bytes = bytes_of("hrpc\x09\0\0\xff\xff\xff\xff", 11);
    expect_silence(&bytes);
    bytes = bytes_of("hrpc\x09\0\0\x08\0\0\x01", 11); /* 128 MiB and one byte */
    expect_silence(&bytes);
}

static void test_undecodable_header(void **state UNUSED)
{
    struct buf bytes = bytes_of("hrpc\x09\0\0\0\0\0\0", 11);
    expect_fatal(&bytes, UINT32_MAX, SERVER_EXCEPTION,
                 "Error decoding RpcRequestHeaderProto: ", DETAIL(FATAL_DESERIALIZING_REQUEST));
    bytes = bytes_of("hrpc\x09\0\0\0\0\0\x05\x04zzzz", 16);
    expect_fatal(&bytes, UINT32_MAX, SERVER_EXCEPTION,
                 "Error decoding RpcRequestHeaderProto: ", DETAIL(FATAL_DESERIALIZING_REQUEST));
    bytes = bytes_of("hrpc\x09\0\0\0\0\0\x03\x02\x08\x02", 14);
    expect_fatal(&bytes, UINT32_MAX, SERVER_EXCEPTION,
                 "Message missing required fields: callId, clientId",
                 DETAIL(FATAL_DESERIALIZING_REQUEST));
}

/* A frame of nothing but a header, which `change` may spoil. */
static void put_header(struct buf *out, int32_t call_id, void (*change)(Pb__RpcRequestHeader *))
{
    Pb__RpcRequestHeader header = PB__RPC_REQUEST_HEADER__INIT;

    header.has_rpckind = header.has_rpcop = true;
    header.rpckind = PB__RPC_KIND__RPC_PROTOCOL_BUFFER;
    header.callid = call_id;
    header.clientid = (ProtobufCBinaryData){.data = (uint8_t *)client_id, .len = 16};
    if (change) change(&header);
    size_t begin = rpc_frame_begin(out);
    rpc_put_delimited(out, &header.base);
    rpc_frame_end(out, begin);
}

static void without_op(Pb__RpcRequestHeader *header)
{
    header->has_rpcop = false;
}
static void with_other_op(Pb__RpcRequestHeader *header)
{
    header->rpcop = PB__RPC_REQUEST_HEADER__OPERATION__RPC_CLOSE_CONNECTION;
}
static void without_kind(Pb__RpcRequestHeader *header)
{
    header->has_rpckind = false;
}
static void with_other_kind(Pb__RpcRequestHeader *header)
{
    header->rpckind = PB__RPC_KIND__RPC_WRITABLE;
}

static void expect_bad_header(int32_t call_id, void (*change)(Pb__RpcRequestHeader *),
                              const char *text)
{
    struct buf bytes = {0};

    put_opening(&bytes, "alice", NULL);
    put_header(&bytes, call_id, change);
    expect_fatal(&bytes, (uint32_t)call_id, SERVER_EXCEPTION, text,
                 DETAIL(FATAL_INVALID_RPC_HEADER));
}

static void test_invalid_headers(void **state UNUSED)
{
    expect_bad_header(3, without_op, " IPC Server: No rpc op in rpcRequestHeader");
    expect_bad_header(3, with_other_op,
                      "IPC Server does not implement rpc header operationRPC_CLOSE_CONNECTION");
    expect_bad_header(3, without_kind, " IPC Server: No rpc kind in rpcRequestHeader");
    expect_bad_header(3, with_other_kind, "Unknown rpc kind in rpc header");
    expect_bad_header(-5, NULL, "Unknown out of band call #-5");
    expect_bad_header(RPC_CALL_SASL, NULL, "SASL protocol not requested by client");
    expect_bad_header(RPC_CALL_CONTEXT, NULL, "Connection context already processed");
}

static void test_call_before_context(void **state UNUSED)
{
    struct buf bytes = {0};

    rpc_put_preamble(&bytes, 0, RPC_AUTH_NONE);
    put_call(&bytes, 0, "/a");
    expect_fatal(&bytes, 0, SERVER_EXCEPTION, "Connection context not established",
                 DETAIL(FATAL_INVALID_RPC_HEADER));
}

static void test_users(void **state UNUSED)
{
    struct buf bytes = {0};

    put_opening(&bytes, "", NULL);
    expect_fatal(&bytes, (uint32_t)RPC_CALL_CONTEXT,
                 "org.apache.hadoop.security.AccessControlException", "names no user",
                 DETAIL(FATAL_UNAUTHORIZED));
    put_opening(&bytes, "bob", "alice");
    expect_fatal(&bytes, (uint32_t)RPC_CALL_CONTEXT,
                 "org.apache.hadoop.security.authorize.AuthorizationException",
                 "User: alice is not allowed to impersonate bob", DETAIL(FATAL_UNAUTHORIZED));
}

/* --- SASL without a secret manager --- */

static void put_sasl(struct buf *out, Pb__RpcSasl__SaslState state, const char *method)
{
    Pb__RpcSasl message = PB__RPC_SASL__INIT;
    Pb__RpcSasl__SaslAuth auth = PB__RPC_SASL__SASL_AUTH__INIT, *auths[] = {&auth};

    message.state = state;
    if (method) {
        auth.method = (char *)method;
        auth.mechanism = "";
        message.auths = auths;
        message.n_auths = 1;
    }
    rpc_put_sasl_request(out, &message);
}

static void go_on_after_sasl(int fd)
{
    struct rpc_request_id id = {.client_id = client_id};
    struct answer answer = {0};
    struct buf out = {0};

    rpc_put_context(&out, &id, "alice", NULL, CLIENT_PROTOCOL);
    put_call(&out, 0, "/a");
    send_buf(fd, &out);
    read_answer(fd, &answer);
    expect_target(&answer, 0, "/a");
    arena_release(&answer.arena);
    close(fd);
}

static void test_sasl_negotiate(void **state UNUSED)
{
    struct answer answer = {0};
    struct buf out = {0};
    int fd = dial();

    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    put_sasl(&out, PB__RPC_SASL__SASL_STATE__NEGOTIATE, NULL);
    send_buf(fd, &out);
    read_answer(fd, &answer);
    assert_int_equal(answer.header->callid, 4294967263u);
    assert_int_equal(answer.header->status, PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS);
    Pb__RpcSasl *message = (Pb__RpcSasl *)rpc_take_delimited(
        &answer.body, &pb__rpc_sasl__descriptor, &answer.arena, NULL);
    assert_non_null(message);
    assert_int_equal(message->state, PB__RPC_SASL__SASL_STATE__SUCCESS);
    assert_int_equal(message->n_auths, 0);
    arena_release(&answer.arena);
    go_on_after_sasl(fd);
}

static void test_sasl_initiate_simple(void **state UNUSED)
{
    struct buf out = {0};
    int fd = dial();

    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    put_sasl(&out, PB__RPC_SASL__SASL_STATE__INITIATE, "SIMPLE");
    send_buf(fd, &out);
    go_on_after_sasl(fd);
}

static void test_sasl_breaches(void **state UNUSED)
{
    struct rpc_request_id id = {.client_id = client_id};
    struct buf out = {0};

    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    rpc_put_context(&out, &id, "alice", NULL, CLIENT_PROTOCOL);
    expect_fatal(&out, (uint32_t)RPC_CALL_CONTEXT, SERVER_EXCEPTION,
                 "Connection header sent during SASL negotiation",
                 DETAIL(FATAL_INVALID_RPC_HEADER));
    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    put_sasl(&out, PB__RPC_SASL__SASL_STATE__RESPONSE, NULL);
    expect_fatal(&out, (uint32_t)RPC_CALL_SASL, "javax.security.sasl.SaslException",
                 "unsupported state", DETAIL(FATAL_UNAUTHORIZED));
    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    put_sasl(&out, PB__RPC_SASL__SASL_STATE__WRAP, NULL);
    expect_fatal(&out, (uint32_t)RPC_CALL_SASL, "javax.security.sasl.SaslException",
                 "not wrapping data", DETAIL(FATAL_INVALID_RPC_HEADER));
    rpc_put_preamble(&out, 0, RPC_AUTH_SASL);
    put_sasl(&out, PB__RPC_SASL__SASL_STATE__INITIATE, NULL);
    expect_fatal(&out, (uint32_t)RPC_CALL_SASL, "javax.security.sasl.SaslException",
                 "Client mechanism is malformed", DETAIL(FATAL_UNAUTHORIZED));
}

/* --- calls --- */

static void test_first_write_in_one_segment(void **state UNUSED)
{
    struct answer answer = {0};
    struct buf out = {0};
    int fd = dial();

    put_opening(&out, "alice", NULL);
    put_call(&out, 7, "/target");
    send_buf(fd, &out);
    read_answer(fd, &answer);
    expect_target(&answer, 7, "/target");
    assert_string_equal(side.last_user, "alice");
    assert_string_equal(side.last_peer, "127.0.0.1");
    assert_string_equal(side.last_context, "CLI");
    arena_release(&answer.arena);
    close(fd);
}

static void test_byte_by_byte(void **state UNUSED)
{
    struct answer answer = {0};
    struct buf out = {0};
    int fd = dial();

    put_opening(&out, "alice", NULL);
    put_call(&out, 1, "/slow");
    rpc_put_ping(&out, client_id);
    put_call(&out, 2, "/slower");
    for (size_t i = 0; i < out.length; i++) {
        send_bytes(fd, out.data + i, 1);
        if (i % 16 == 0) clock_sleep_ms(1);
    }
    buf_release(&out);
    read_answer(fd, &answer);
    expect_target(&answer, 1, "/slow");
    read_answer(fd, &answer);
    expect_target(&answer, 2, "/slower");
    arena_release(&answer.arena);
    close(fd);
}

/* Puts a call of any method with a raw body. */
static void put_raw_call(struct buf *out, const char *protocol, const char *method,
                         uint64_t version, const char *body)
{
    Pb__RpcRequestHeader header = PB__RPC_REQUEST_HEADER__INIT;
    Pb__RequestHeader operation = PB__REQUEST_HEADER__INIT;

    header.has_rpckind = header.has_rpcop = true;
    header.rpckind = PB__RPC_KIND__RPC_PROTOCOL_BUFFER;
    header.callid = 5;
    header.clientid = (ProtobufCBinaryData){.data = (uint8_t *)client_id, .len = 16};
    operation.declaringclassprotocolname = (char *)protocol;
    operation.methodname = (char *)method;
    operation.clientprotocolversion = version;
    size_t begin = rpc_frame_begin(out);
    rpc_put_delimited(out, &header.base);
    if (method) rpc_put_delimited(out, &operation.base);
    if (body) {
        buf_put_varint(out, strlen(body));
        buf_put_str(out, body);
    }
    rpc_frame_end(out, begin);
}

static void expect_error(int fd, const char *java_class, const char *text, int detail)
{
    struct answer answer = {0};

    read_answer(fd, &answer);
    assert_int_equal(answer.header->callid, 5);
    assert_int_equal(answer.header->status, PB__RPC_RESPONSE_HEADER__RPC_STATUS__ERROR);
    assert_string_equal(answer.header->exceptionclassname, java_class);
    if (!strstr(answer.header->errormsg, text))
        fail_msg("'%s' lacks '%s'", answer.header->errormsg, text);
    assert_int_equal(answer.header->errordetail, detail);
    arena_release(&answer.arena);
}

static void expect_error_of(int fd, const char *protocol, const char *method, uint64_t version,
                            const char *body, const char *java_class, const char *text, int detail)
{
    struct buf out = {0};

    put_raw_call(&out, protocol, method, version, body);
    send_buf(fd, &out);
    expect_error(fd, java_class, text, detail);
}

/* Each is the trouble of one call: the connection goes on. */
static void test_call_errors(void **state UNUSED)
{
    static const char bad_message[] =
        "org.apache.hadoop.thirdparty.protobuf.InvalidProtocolBufferException";
    int fd = dial_open();

    expect_error_of(fd, CLIENT_PROTOCOL, "noSuch", 1, "",
                    "org.apache.hadoop.ipc.RpcNoSuchMethodException",
                    "Unknown method noSuch called on " CLIENT_PROTOCOL " protocol.",
                    DETAIL(ERROR_NO_SUCH_METHOD));
    expect_error_of(fd, "org.apache.hadoop.ipc.ProtocolMetaInfoPB", "noSuch", 1, "",
                    "org.apache.hadoop.ipc.RpcNoSuchMethodException", "Unknown method noSuch",
                    DETAIL(ERROR_NO_SUCH_METHOD));
    expect_error_of(fd, "org.example.Other", "getLinkTarget", 1, "",
                    "org.apache.hadoop.ipc.RpcNoSuchProtocolException",
                    "Unknown protocol: org.example.Other", DETAIL(ERROR_NO_SUCH_PROTOCOL));
    expect_error_of(fd, CLIENT_PROTOCOL, "getLinkTarget", 7, "",
                    "org.apache.hadoop.ipc.RPC$VersionMismatch",
                    "Protocol " CLIENT_PROTOCOL " version mismatch. (client = 7, server = 1)",
                    DETAIL(ERROR_RPC_VERSION_MISMATCH));
    expect_error_of(fd, CLIENT_PROTOCOL, "addBlock", 1, "\x0a\x01/", bad_message,
                    "Message missing required fields: clientName", DETAIL(ERROR_APPLICATION));
    expect_error_of(fd, CLIENT_PROTOCOL, "getLinkTarget", 1, NULL, bad_message,
                    "ended unexpectedly", DETAIL(ERROR_APPLICATION));
    expect_error_of(fd, NULL, NULL, 1, NULL, SERVER_EXCEPTION, "Error decoding RequestHeaderProto",
                    DETAIL(ERROR_RPC_SERVER));
    expect_error_of(fd, CLIENT_PROTOCOL, "getFileInfo", 1, "\x0a\x01/",
                    "java.io.FileNotFoundException", "File does not exist: /x",
                    DETAIL(ERROR_APPLICATION));
    close(fd);
}

static void test_answers_in_any_order(void **state UNUSED)
{
    struct answer answer = {0};
    struct buf out = {0};
    int fd = dial_open();

    side.hold = true;
    for (int i = 0; i < 3; i++) put_call(&out, i, "/held");
    send_buf(fd, &out);
    wait_held(3);
    answer_held();
    for (int i = 2; i >= 0; i--) {
        read_answer(fd, &answer);
        expect_target(&answer, i, "/held");
    }
    arena_release(&answer.arena);
    close(fd);
}

/* Sends `count` calls, whose answers nobody takes yet, and tells how many the daemon has got. */
static void test_calls_per_connection_are_bounded(void **state UNUSED)
{
    enum { LIMIT = 8, COUNT = 40 };
    struct answer answer = {0};
    struct buf out = {0};
    int fd;

    stop(NULL);
    start_with((struct rpc_server_options){.connection_calls_max = LIMIT});
    side.hold = true;
    fd = dial_open();
    for (int i = 0; i < COUNT; i++) put_call(&out, i, "/x");
    send_buf(fd, &out);
    wait_held(LIMIT);
    clock_sleep_ms(50);
    assert_int_equal(held(), LIMIT);
    for (int answered = 0; answered < COUNT; answered += LIMIT) {
        wait_held(LIMIT);
        answer_held();
    }
    for (int i = 0; i < COUNT; i++) {
        read_answer(fd, &answer);
        assert_int_equal(answer.header->status, PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS);
    }
    arena_release(&answer.arena);
    close(fd);
}

static void test_calls_of_all_are_bounded(void **state UNUSED)
{
    enum { LIMIT = 4, CONNECTIONS = 3, EACH = 5 };
    struct buf out = {0};
    int fds[CONNECTIONS];

    stop(NULL);
    start_with((struct rpc_server_options){.calls_max = LIMIT});
    side.hold = true;
    for (int c = 0; c < CONNECTIONS; c++) {
        fds[c] = dial_open();
        for (int i = 0; i < EACH; i++) put_call(&out, i, "/x");
        send_buf(fds[c], &out);
    }
    wait_held(LIMIT);
    clock_sleep_ms(50);
    assert_int_equal(held(), LIMIT);
    int done = 0;
    for (int64_t until = deadline_in(WAIT_MS);
         done < CONNECTIONS * EACH && deadline_left_ms(until);) {
        done += (int)held();
        answer_held();
        clock_sleep_ms(2);
    }
    for (int c = 0; c < CONNECTIONS; c++) {
        struct answer answer = {0};
        for (int i = 0; i < EACH; i++) read_answer(fds[c], &answer);
        arena_release(&answer.arena);
        close(fds[c]);
    }
}

/* A peer that takes no answers is not read from any more; when it does, all arrive. */
static void test_slow_reader_is_bounded(void **state UNUSED)
{
    enum { COUNT = 256, SIZE = 64 << 10 };
    struct rpc_server_stats stats;
    char *path = mem_alloc(SIZE + 1);
    int fd;

    stop(NULL);
    start_with((struct rpc_server_options){.output_max = 256 << 10});
    memset(path, 'x', SIZE);
    path[SIZE] = '\0';
    fd = dial_open();
    assert_int_equal(net_set_nonblock(fd, true, NULL), 0);
    struct buf out = {0};
    for (int i = 0; i < COUNT; i++) put_call(&out, i, path);
    size_t sent = 0;
    for (int64_t quiet = deadline_in(300); sent < out.length && deadline_left_ms(quiet);) {
        ssize_t n = send(fd, out.data + sent, out.length - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            quiet = deadline_in(300);
        } else {
            clock_sleep_ms(5);
        }
    }
    assert_true(sent < out.length); /* it stopped reading */
    rpc_server_stats(side.server, &stats);
    assert_true(stats.calls_total < COUNT);
    struct answer answer = {0};
    for (int i = 0; i < COUNT; i++) {
        while (sent < out.length) {
            ssize_t n = send(fd, out.data + sent, out.length - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += (size_t)n;
        }
        read_answer(fd, &answer);
        expect_target(&answer, i, path);
        arena_clear(&answer.arena);
    }
    arena_release(&answer.arena);
    buf_release(&out);
    mem_free(path);
    close(fd);
}

static void test_too_many_connections(void **state UNUSED)
{
    uint8_t byte[1];
    int first, second;

    stop(NULL);
    start_with((struct rpc_server_options){.connections_max = 1});
    first = dial();
    send_bytes(first, "hrpc", 4);
    second = dial();
    assert_int_equal(read_to_end(second, byte, 1), 0);
    close(first);
    close(second);
}

static void test_silent_peers_are_closed(void **state UNUSED)
{
    uint8_t byte[1];
    int before, idle;

    stop(NULL);
    start_with((struct rpc_server_options){.handshake_ms = 100, .idle_ms = 100});
    before = dial();
    idle = dial_open();
    assert_int_equal(read_to_end(before, byte, 1), 0);
    assert_int_equal(read_to_end(idle, byte, 1), 0);
    close(before);
    close(idle);
}

static void test_unfinished_requests_are_bounded(void **state UNUSED)
{
    struct buf out = {0};
    char *part = mem_zalloc(1 << 20);
    int fd, sent = 0;

    stop(NULL);
    start_with((struct rpc_server_options){.input_max = 4 << 20});
    fd = dial_open();
    buf_put_u32(&out, 100 << 20);
    send_buf(fd, &out);
    while (sent < 64 && !net_write_full(fd, part, 1 << 20, deadline_in(WAIT_MS), NULL)) sent++;
    assert_true(sent < 64);
    mem_free(part);
    close(fd);
}

static void test_stop_with_calls_in_flight(void **state UNUSED)
{
    struct rpc_call *call;
    struct buf out = {0};
    uint8_t byte[1];
    int fd = dial_open();

    side.hold = true;
    put_call(&out, 0, "/late");
    send_buf(fd, &out);
    wait_held(1);
    rpc_server_stop(side.server);
    assert_int_equal(read_to_end(fd, byte, 1), 0);
    call = side.held[0];
    assert_string_equal(((const Pb__GetLinkTargetRequest *)call->request)->path, "/late");
    assert_string_equal(call->user->name, "alice");
    close(fd); /* `stop` answers and releases it */
}

static void test_peer_gone_with_calls_in_flight(void **state UNUSED)
{
    struct buf out = {0};
    struct rpc_server_stats stats;
    int fd = dial_open();

    side.hold = true;
    for (int i = 0; i < 10; i++) put_call(&out, i, "/gone");
    send_buf(fd, &out);
    wait_held(10);
    close(fd);
    for (int64_t until = deadline_in(WAIT_MS); deadline_left_ms(until);) {
        rpc_server_stats(side.server, &stats);
        if (!stats.connections) break;
        clock_sleep_ms(1);
    }
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.calls_in_flight, 10);
    answer_held();
    for (int64_t until = deadline_in(WAIT_MS); stats.calls_in_flight && deadline_left_ms(until);) {
        rpc_server_stats(side.server, &stats);
        clock_sleep_ms(1);
    }
    assert_int_equal(stats.calls_in_flight, 0);
}

static void test_unanswer(void **state UNUSED)
{
    struct answer answer = {0};
    struct err err = ERR_INIT;
    struct buf out = {0};
    size_t size;
    int fd = dial_open();

    side.hold = true;
    put_call(&out, 5, "/a");
    send_buf(fd, &out);
    wait_held(1);
    struct rpc_call *call = side.held[--side.held_count];
    rpc_call_run(call);
    assert_true(rpc_call_answered(call));
    const uint8_t *body = rpc_call_response(call, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(body, "\x0a\x02/a", 4);
    rpc_call_unanswer(call);
    assert_false(rpc_call_answered(call));
    err_set(&err, ERR_IO, "the edit was not saved");
    rpc_call_fail(call, &err);
    assert_null(rpc_call_response(call, &size));
    rpc_call_release(call);
    rpc_server_flush(side.server);
    expect_error(fd, "java.io.IOException", "the edit was not saved", DETAIL(ERROR_APPLICATION));
    arena_release(&answer.arena);
    close(fd);
}

static void test_ipv6_and_two_listeners(void **state UNUSED)
{
    struct rpc_server_options options = {.context = &side, .submit = submit};
    struct rpc_server *server = rpc_server_new(&options);
    struct err err = ERR_INIT;
    uint16_t ports[2], again;

    side.hold = false;
    rpc_server_add_ops(server, ops, ARRAY_LEN(ops));
    assert_int_equal(rpc_server_listen(server, "0.0.0.0", 0, &ports[0], &err), 0);
    assert_int_equal(rpc_server_listen(server, "127.0.0.1", 0, &ports[1], &err), 0);
    assert_int_equal(rpc_server_listen(server, "127.0.0.1", ports[1], &again, &err), ERR_CONNECT);
    assert_non_null(strstr(err.text, "Problem binding to [127.0.0.1:"));
    assert_int_equal(rpc_server_start(server, &err), 0);
    const char *hosts[] = {"::1", "127.0.0.1"};
    for (int i = 0; i < 2; i++) {
        struct net_addr addr = {.port = ports[i]};
        struct answer answer = {0};
        struct buf out = {0};
        int fd;
        snprintf(addr.host, sizeof addr.host, "%s", hosts[i]);
        if (net_connect(&addr, deadline_in(WAIT_MS), &fd, &err)) continue; /* no IPv6 here */
        put_opening(&out, "alice", NULL);
        put_call(&out, 1, "/a");
        send_buf(fd, &out);
        read_answer(fd, &answer);
        expect_target(&answer, 1, "/a");
        assert_string_equal(side.last_peer, hosts[i]);
        arena_release(&answer.arena);
        close(fd);
    }
    rpc_server_free(server);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_http),
        TEST(test_wrong_magic_and_version),
        TEST(test_old_version),
        TEST(test_unknown_auth),
        TEST(test_bad_lengths),
        TEST(test_undecodable_header),
        TEST(test_invalid_headers),
        TEST(test_call_before_context),
        TEST(test_users),
        TEST(test_sasl_negotiate),
        TEST(test_sasl_initiate_simple),
        TEST(test_sasl_breaches),
        TEST(test_first_write_in_one_segment),
        TEST(test_byte_by_byte),
        TEST(test_call_errors),
        TEST(test_answers_in_any_order),
        TEST(test_calls_per_connection_are_bounded),
        TEST(test_calls_of_all_are_bounded),
        TEST(test_slow_reader_is_bounded),
        TEST(test_too_many_connections),
        TEST(test_silent_peers_are_closed),
        TEST(test_unfinished_requests_are_bounded),
        TEST(test_stop_with_calls_in_flight),
        TEST(test_peer_gone_with_calls_in_flight),
        TEST(test_unanswer),
        TEST(test_ipv6_and_two_listeners),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
