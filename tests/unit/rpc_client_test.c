/* The RPC client against our server and against servers that misbehave. */
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
#include "common/rpc_client.h"
#include "common/rpc_server.h"
#include "proto/client_namenode.pb-c.h"

#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

enum { WAIT_MS = 10000, THREADS = 16, IN_FLIGHT = 16, CALLS_EACH = 400, BIG = 1 << 20 };

/* --- our server: a thread of the daemon's runs calls, newest first --- */

struct daemon_side {
    struct rpc_server *server;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct rpc_call *queue; /* newest first */
    bool stop, mute;
    struct rpc_call *muted; /* calls that get no answer */
    int last_retry;
    int32_t last_call_id;
};

static struct daemon_side side = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                  .more = PTHREAD_COND_INITIALIZER};

static void run_echo(void *context UNUSED, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Pb__GetLinkTargetRequest *request = (const Pb__GetLinkTargetRequest *)message;
    Pb__GetLinkTargetResponse response = PB__GET_LINK_TARGET_RESPONSE__INIT;

    side.last_retry = call->retry_count;
    side.last_call_id = call->call_id;
    response.targetpath = request->path;
    if (str_eq(request->path, "big")) {
        response.targetpath = arena_alloc(&call->arena, BIG + 1);
        memset(response.targetpath, 'x', BIG);
        response.targetpath[BIG] = '\0';
    }
    rpc_call_reply(call, &response.base);
}

static void run_fail(void *context UNUSED, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct err err = ERR_INIT;

    if (str_eq(((const Pb__GetFileInfoRequest *)message)->src, "/odd")) {
        err_set(&err, ERR_REMOTE, "odd");
        snprintf(err.java_class, sizeof err.java_class, "org.example.OddException");
    } else {
        err_set(&err, ERR_STANDBY,
                "Operation category READ is not supported\n\tat a.b.C(D.java:1)\n");
    }
    rpc_call_fail(call, &err);
}

static const struct rpc_op ops[] = {
    {CLIENT_PROTOCOL, "getLinkTarget", &pb__get_link_target_request__descriptor, run_echo, 0},
    {CLIENT_PROTOCOL, "getFileInfo", &pb__get_file_info_request__descriptor, run_fail, 0},
};

static void submit(void *context UNUSED, struct rpc_call *call)
{
    pthread_mutex_lock(&side.lock);
    struct rpc_call **list = side.mute ? &side.muted : &side.queue;
    call->next = *list;
    *list = call;
    pthread_mutex_unlock(&side.lock);
}

static void submit_end(void *context UNUSED)
{
    pthread_cond_signal(&side.more);
}

static void *daemon_main(void *arg UNUSED)
{
    pthread_mutex_lock(&side.lock);
    while (!side.stop) {
        struct rpc_call *call = side.queue;
        side.queue = NULL;
        if (!call) {
            pthread_cond_wait(&side.more, &side.lock);
            continue;
        }
        pthread_mutex_unlock(&side.lock);
        while (call) {
            struct rpc_call *next = call->next;
            rpc_call_run(call);
            rpc_call_release(call);
            call = next;
        }
        rpc_server_flush(side.server);
        pthread_mutex_lock(&side.lock);
    }
    pthread_mutex_unlock(&side.lock);
    return NULL;
}

static void start_server(uint16_t port)
{
    struct rpc_server_options options = {
        .submit = submit, .submit_end = submit_end, .name = "test", .threads = 2};
    struct err err = ERR_INIT;

    side.stop = side.mute = false;
    side.server = rpc_server_new(&options);
    rpc_server_add_ops(side.server, ops, ARRAY_LEN(ops));
    if (rpc_server_listen(side.server, "127.0.0.1", port, &side.port, &err))
        fail_msg("%s", err.text);
    assert_int_equal(rpc_server_start(side.server, &err), 0);
    assert_int_equal(pthread_create(&side.thread, NULL, daemon_main, NULL), 0);
}

static void stop_server(void)
{
    rpc_server_stop(side.server);
    pthread_mutex_lock(&side.lock);
    side.stop = true;
    pthread_cond_signal(&side.more);
    pthread_mutex_unlock(&side.lock);
    pthread_join(side.thread, NULL);
    for (int i = 0; i < 2; i++) {
        struct rpc_call *call = i ? side.queue : side.muted;
        while (call) {
            struct rpc_call *next = call->next;
            rpc_call_release(call);
            call = next;
        }
    }
    side.queue = side.muted = NULL;
    rpc_server_free(side.server);
    side.server = NULL;
}

static int start(void **state UNUSED)
{
    start_server(0);
    return 0;
}

static int stop(void **state UNUSED)
{
    stop_server();
    return 0;
}

/* --- helpers --- */

static struct rpc_client *client_to(uint16_t port, int timeout_ms)
{
    struct rpc_client_options options = {.host = "127.0.0.1",
                                         .port = port,
                                         .protocol = CLIENT_PROTOCOL,
                                         .user = "alice",
                                         .timeout_ms = timeout_ms};
    return rpc_client_new(&options);
}

static int echo_attempt(struct rpc_client *client, struct rpc_attempt *attempt, const char *path,
                        struct err *err)
{
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
    ProtobufCMessage *response = NULL;
    struct arena arena = {0};

    request.path = (char *)path;
    int rc = rpc_client_attempt(client, attempt, "getLinkTarget", &request.base,
                                &pb__get_link_target_response__descriptor, &arena, &response, err);
    if (!rc && !str_eq(path, "big"))
        assert_string_equal(((Pb__GetLinkTargetResponse *)response)->targetpath, path);
    if (!rc && str_eq(path, "big"))
        assert_int_equal(strlen(((Pb__GetLinkTargetResponse *)response)->targetpath), BIG);
    arena_release(&arena);
    return rc;
}

static int echo(struct rpc_client *client, const char *path, struct err *err)
{
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    return echo_attempt(client, &attempt, path, err);
}

static void assert_text(const struct err *err, const char *words)
{
    if (!strstr(err->text, words)) fail_msg("'%s' lacks '%s'", err->text, words);
}

/* --- with our server --- */

static void test_call(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    struct err err = ERR_INIT;

    for (int i = 0; i < 100; i++) assert_int_equal(echo(client, "/a", &err), 0);
    assert_int_equal(side.last_call_id, 99);
    assert_int_equal(side.last_retry, 0);
    struct rpc_attempt again = {.call_id = 7, .retry_count = 2};
    assert_int_equal(echo_attempt(client, &again, "/a", &err), 0);
    assert_int_equal(side.last_call_id, 7);
    assert_int_equal(side.last_retry, 2);
    rpc_client_free(client);
}

static void test_large_response(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    struct err err = ERR_INIT;

    for (int i = 0; i < 5; i++) assert_int_equal(echo(client, "big", &err), 0);
    rpc_client_free(client);
}

static void test_remote_errors(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    Pb__GetFileInfoRequest request = PB__GET_FILE_INFO_REQUEST__INIT;
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    struct arena arena = {0};
    struct err err = ERR_INIT;

    request.src = "/";
    assert_int_equal(rpc_client_attempt(client, &attempt, "getFileInfo", &request.base,
                                        &pb__get_file_info_response__descriptor, &arena, NULL,
                                        &err),
                     ERR_STANDBY);
    assert_string_equal(err.text, "Operation category READ is not supported");
    assert_true(attempt.sent && attempt.remote);
    request.src = "/odd";
    assert_int_equal(rpc_client_call(client, "getFileInfo", &request.base,
                                     &pb__get_file_info_response__descriptor, &arena, NULL, &err),
                     ERR_REMOTE);
    assert_string_equal(err.java_class, "org.example.OddException");
    assert_int_equal(rpc_client_call(client, "noSuch", &request.base, NULL, &arena, NULL, &err),
                     ERR_NO_SUCH_METHOD);
    assert_string_equal(err.text, "Unknown method noSuch called on " CLIENT_PROTOCOL " protocol.");
    rpc_client_free(client);
    arena_release(&arena);
}

/* Many in flight on each of many connections, answered in another order; everybody gets their own.
 */
static void *pipeline_main(void *arg)
{
    struct rpc_client *client = arg ? arg : client_to(side.port, WAIT_MS);
    struct rpc_pending *pending[IN_FLIGHT] = {0};
    struct arena arena = {0};
    struct err err = ERR_INIT;
    char paths[IN_FLIGHT][32];
    int failures = 0;

    for (int i = 0; i < CALLS_EACH + IN_FLIGHT; i++) {
        int slot = i % IN_FLIGHT;
        Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
        ProtobufCMessage *response = NULL;
        if (pending[slot]) {
            failures += rpc_client_wait(pending[slot], &pb__get_link_target_response__descriptor,
                                        &arena, &response, &err) ||
                        !str_eq(((Pb__GetLinkTargetResponse *)response)->targetpath, paths[slot]);
            pending[slot] = NULL;
            arena_clear(&arena);
        }
        if (i >= CALLS_EACH) continue;
        snprintf(paths[slot], sizeof paths[slot], "%p %d", (void *)&arena, i);
        request.path = paths[slot];
        failures += rpc_client_start(client, NULL, "getLinkTarget", &request.base, &pending[slot],
                                     &err) != 0;
    }
    arena_release(&arena);
    if (!arg) rpc_client_free(client);
    return failures ? "failed" : NULL;
}

static void run_threads(struct rpc_client *shared)
{
    pthread_t threads[THREADS];
    void *result;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pipeline_main, shared), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

static void test_many_connections(void **state UNUSED)
{
    run_threads(NULL);
}

static void test_many_threads_on_one_connection(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    struct rpc_server_stats stats;

    run_threads(client);
    rpc_server_stats(side.server, &stats);
    assert_int_equal(stats.connections_total, 1);
    rpc_client_free(client);
}

static void test_more_starts_than_places(void **state UNUSED)
{
    struct rpc_client_options options = {.host = "127.0.0.1",
                                         .port = side.port,
                                         .protocol = CLIENT_PROTOCOL,
                                         .user = "alice",
                                         .in_flight_max = 4};
    struct rpc_client *client = rpc_client_new(&options);
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
    struct rpc_pending *pending[64];
    struct arena arena = {0};
    struct err err = ERR_INIT;

    request.path = "/a";
    for (int i = 0; i < 64; i++)
        assert_int_equal(
            rpc_client_start(client, NULL, "getLinkTarget", &request.base, &pending[i], &err), 0);
    for (int i = 63; i >= 0; i--)
        assert_int_equal(rpc_client_wait(pending[i], NULL, &arena, NULL, &err), 0);
    arena_release(&arena);
    rpc_client_free(client);
}

/* Requests and answers that fill all buffers both ways: the sender must read, too. */
static void test_pipelining_does_not_deadlock(void **state UNUSED)
{
    enum { COUNT = 200, SIZE = 256 << 10 };
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
    struct rpc_pending *pending[COUNT];
    struct arena arena = {0};
    struct err err = ERR_INIT;

    request.path = mem_alloc(SIZE + 1);
    memset(request.path, 'x', SIZE);
    request.path[SIZE] = '\0';
    for (int i = 0; i < COUNT; i++)
        if (rpc_client_start(client, NULL, "getLinkTarget", &request.base, &pending[i], &err))
            fail_msg("%s", err.text);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(rpc_client_wait(pending[i], NULL, &arena, NULL, &err), 0);
    mem_free(request.path);
    arena_release(&arena);
    rpc_client_free(client);
}

static void test_reconnects_after_a_restart(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    struct err err = ERR_INIT;
    uint16_t port = side.port;

    assert_int_equal(echo(client, "/a", &err), 0);
    stop_server();
    assert_int_equal(echo_attempt(client, &attempt, "/a", &err), ERR_CONNECT);
    assert_false(attempt.sent);
    assert_text(&err,
                "failed on connection exception: java.net.ConnectException: Connection refused; "
                "For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused");
    start_server(port);
    assert_int_equal(echo(client, "/a", &err), 0);
    rpc_client_disconnect(client);
    assert_int_equal(echo(client, "/b", &err), 0);
    rpc_client_free(client);
}

static void test_timeout(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, 100);
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    struct err err = ERR_INIT;

    side.mute = true;
    int64_t begin = clock_mono_ms();
    assert_int_equal(echo_attempt(client, &attempt, "/a", &err), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - begin >= 100);
    assert_true(attempt.sent && !attempt.remote);
    assert_text(&err,
                "failed on socket timeout exception: java.net.SocketTimeoutException: 100 millis "
                "timeout while waiting for channel to be ready for read.");
    pthread_mutex_lock(&side.lock);
    side.mute = false;
    pthread_mutex_unlock(&side.lock);
    assert_int_equal(echo(client, "/b", &err), 0);
    rpc_client_free(client);
}

struct waiter {
    struct rpc_client *client;
    int rc;
};

static void *waiter_main(void *arg)
{
    struct waiter *waiter = arg;
    struct err err = ERR_INIT;

    waiter->rc = echo(waiter->client, "/a", &err);
    return NULL;
}

static void test_server_dies_under_many_waiters(void **state UNUSED)
{
    struct rpc_client *client = client_to(side.port, WAIT_MS);
    struct waiter waiters[4];
    pthread_t threads[4];
    struct rpc_server_stats stats = {0};

    side.mute = true;
    for (int i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){.client = client};
        pthread_create(&threads[i], NULL, waiter_main, &waiters[i]);
    }
    for (int64_t until = deadline_in(WAIT_MS);
         stats.calls_in_flight < 4 && deadline_left_ms(until);) {
        rpc_server_stats(side.server, &stats);
        clock_sleep_ms(1);
    }
    rpc_server_stop(side.server);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(waiters[i].rc == ERR_EOF || waiters[i].rc == ERR_CONNECTION_LOST);
    }
    rpc_client_free(client);
}

static void test_refused_user(void **state UNUSED)
{
    struct rpc_client_options options = {.host = "127.0.0.1",
                                         .port = side.port,
                                         .protocol = CLIENT_PROTOCOL,
                                         .user = "bob",
                                         .real_user = "alice"};
    struct rpc_client *client = rpc_client_new(&options);
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    struct err err = ERR_INIT;

    assert_int_equal(echo_attempt(client, &attempt, "/a", &err), ERR_AUTHORIZATION);
    assert_string_equal(err.text, "User: alice is not allowed to impersonate bob");
    assert_true(attempt.remote);
    rpc_client_free(client);
}

/* --- servers that misbehave --- */

struct bad_server {
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    struct buf answer;
};

static void *bad_main(void *arg)
{
    struct bad_server *bad = arg;
    uint8_t bytes[4096];
    size_t got;
    struct err err = ERR_INIT;
    int fd;

    if (net_wait(bad->listen_fd, 1 /* POLLIN */, deadline_in(WAIT_MS), &err)) return NULL;
    if (net_accept(bad->listen_fd, false, &fd, &err)) return NULL;
    if (!net_read_some(fd, bytes, sizeof bytes, &got, deadline_in(WAIT_MS), &err) &&
        !net_write_full(fd, bad->answer.data, bad->answer.length, deadline_in(WAIT_MS), &err))
        shutdown(fd, SHUT_WR);
    while (!net_read_some(fd, bytes, sizeof bytes, &got, deadline_in(WAIT_MS), &err) && got)
        continue;
    close(fd);
    return NULL;
}

static void expect_from_bad(struct buf *answer, int code, const char *words)
{
    struct bad_server bad = {.answer = *answer};
    struct net_addr addr = {.host = "127.0.0.1"};
    struct err err = ERR_INIT;

    assert_int_equal(net_listen(&addr, 1, &bad.listen_fd, &bad.port, &err), 0);
    pthread_create(&bad.thread, NULL, bad_main, &bad);
    struct rpc_client *client = client_to(bad.port, 2000);
    assert_int_equal(echo(client, "/a", &err), code);
    assert_text(&err, words);
    rpc_client_free(client);
    pthread_join(bad.thread, NULL);
    close(bad.listen_fd);
    buf_release(answer);
}

static void put_answer(struct buf *out, uint32_t call_id, const char *other_client)
{
    Pb__RpcResponseHeader header = PB__RPC_RESPONSE_HEADER__INIT;

    header.callid = call_id;
    header.has_clientid = other_client != NULL;
    header.clientid.data = (uint8_t *)other_client;
    header.clientid.len = other_client ? strlen(other_client) : 0;
    rpc_put_response(out, &header, NULL);
}

static void test_bad_servers(void **state UNUSED)
{
    struct buf out = {0};

    expect_from_bad(&out, ERR_EOF, "End of File Exception between local host is: \"");
    buf_put_u32(&out, UINT32_MAX);
    expect_from_bad(&out, ERR_RPC_VERSION, "version");
    buf_put_u32(&out, 0x7fffffff);
    expect_from_bad(&out, ERR_LIMIT, "ipc.maximum.response.length");
    buf_put_u32(&out, 0);
    expect_from_bad(&out, ERR_BAD_MESSAGE, "response header");
    buf_put_str(&out, "HTTP/1.1 400 Bad Request\r\n\r\n");
    expect_from_bad(&out, ERR_LIMIT, "exceeds maximum data length");
    put_answer(&out, 0, "0123456789abcdef");
    expect_from_bad(&out, ERR_BAD_MESSAGE, "another client");
    put_answer(&out, 0, NULL); /* success without a body */
    expect_from_bad(&out, ERR_BAD_MESSAGE, "getLinkTarget");
    put_answer(&out, 77, NULL); /* a call nobody made */
    expect_from_bad(&out, ERR_EOF, "EOFException");
}

static void test_names_and_ports_that_lead_nowhere(void **state UNUSED)
{
    struct rpc_client_options options = {
        .host = "no-such-host.invalid", .port = 8020, .protocol = CLIENT_PROTOCOL, .user = "alice"};
    struct rpc_client *client = rpc_client_new(&options);
    struct err err = ERR_INIT;

    assert_int_equal(echo(client, "/a", &err), ERR_UNKNOWN_HOST);
    assert_text(&err, "destination host is: \"no-such-host.invalid\":8020; "
                      "java.net.UnknownHostException; For more details see:  "
                      "http://wiki.apache.org/hadoop/UnknownHost");
    assert_string_equal(rpc_client_address(client), "no-such-host.invalid:8020");
    rpc_client_free(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_call),
        TEST(test_large_response),
        TEST(test_remote_errors),
        TEST(test_many_connections),
        TEST(test_many_threads_on_one_connection),
        TEST(test_more_starts_than_places),
        TEST(test_pipelining_does_not_deadlock),
        TEST(test_reconnects_after_a_restart),
        TEST(test_timeout),
        TEST(test_server_dies_under_many_waiters),
        TEST(test_refused_user),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_names_and_ports_that_lead_nowhere),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
