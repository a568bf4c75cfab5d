/* The HTTP server over loopback: routes, parameters, files, and requests that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/http.h"
#include "common/net.h"

enum { WAIT_MS = 10000 };

static struct http_server *server;
static uint16_t port;

static void on_echo(void *context UNUSED, struct http_request *request)
{
    const char *op = http_parameter(request, "op"), *header = http_header(request, "X-Test");
    char text[512];

    snprintf(text, sizeof text, "%s %s op=%s header=%s peer=%s\n", http_method(request),
             http_path(request), op ? op : "none", header ? header : "none", http_peer(request));
    http_reply_text(request, 200, text);
}

static void on_exact(void *context, struct http_request *request)
{
    http_reply(request, 201, "application/json", context, strlen(context));
}

static void on_file(void *context UNUSED, struct http_request *request)
{
    const char *size = http_parameter(request, "size");
    uint64_t bytes = size ? strtoull(size, NULL, 10) : 0;
    FILE *file = tmpfile();

    assert_non_null(file);
    for (uint64_t i = 0; i < bytes; i++) fputc('f', file);
    fflush(file);
    http_reply_file(request, "application/octet-stream", dup(fileno(file)), bytes);
    fclose(file);
}

/* An upload's sink: how much came, a sum of it, and a limit. */
struct sink {
    uint64_t bytes, sum, limit;
};
static atomic_int sinks, aborted;

static void *sink_open(void *context UNUSED, const struct http_request *request)
{
    struct sink *sink = calloc(1, sizeof *sink);
    const char *limit = http_parameter(request, "limit");
    char header[64];

    assert_non_null(sink);
    sink->limit = limit ? strtoull(limit, NULL, 10) : UINT64_MAX;
    if (http_upload_header(request, "X-Sum", header, sizeof header))
        sink->sum = strtoull(header, NULL, 10);
    sinks++;
    return sink;
}

static bool sink_write(void *arg, const void *data, size_t size)
{
    struct sink *sink = arg;

    sink->bytes += size;
    for (size_t i = 0; i < size; i++) sink->sum += ((const uint8_t *)data)[i];
    return sink->bytes <= sink->limit;
}

static void sink_abort(void *arg)
{
    aborted++;
    free(arg);
}

static void on_upload(void *context UNUSED, struct http_request *request)
{
    struct sink *sink = http_upload_sink(request);
    char text[200];

    snprintf(text, sizeof text, "%s %s\n", http_method(request), sink ? "whole" : "none");
    if (sink)
        snprintf(text, sizeof text, "got %" PRIu64 " sum %" PRIu64 " %s\n", sink->bytes, sink->sum,
                 sink->bytes > sink->limit ? "too much" : "whole");
    free(sink);
    http_reply_text(request, 200, text);
}

static const struct http_upload UPLOAD = {sink_open, sink_write, sink_abort};

static int start(void **state UNUSED)
{
    struct err err = ERR_INIT;

    server = http_server_new(&err);
    assert_non_null(server);
    http_server_route(server, "/webhdfs/v1/", on_echo, NULL);
    http_server_route(server, "/webhdfs/v1/exact", on_exact, "{}");
    http_server_route(server, "/file", on_file, NULL);
    http_server_route_upload(server, "/up", on_upload, &UPLOAD, NULL);
    sinks = 0;
    aborted = 0;
    assert_int_equal(http_server_listen(server, "127.0.0.1:0", 0, &port, &err), 0);
    assert_int_equal(http_server_start(server, &err), 0);
    return 0;
}

static int stop(void **state UNUSED)
{
    http_server_free(server);
    return 0;
}

/* Sends `request` and reads until the server closes; the answer is NUL-terminated. */
static char *ask(struct buf *answer, const char *request)
{
    struct net_addr addr = {.host = "127.0.0.1", .port = port};
    struct err err = ERR_INIT;
    char bytes[4096];
    size_t got;
    int fd;

    buf_clear(answer);
    if (net_connect(&addr, deadline_in(WAIT_MS), &fd, &err)) fail_msg("%s", err.text);
    assert_int_equal(net_write_full(fd, request, strlen(request), deadline_in(WAIT_MS), &err), 0);
    while (!net_read_some(fd, bytes, sizeof bytes, &got, deadline_in(WAIT_MS), &err) && got)
        buf_put(answer, bytes, got);
    if (err.code && err.code != ERR_CONNECTION_LOST) fail_msg("%s", err.text);
    close(fd);
    return (char *)buf_cstr(answer);
}

static void expect(const char *request, const char *status, const char *words)
{
    struct buf answer = {0};
    char *text = ask(&answer, request);

    if (!strstr(text, status)) fail_msg("'%s' lacks '%s'", text, status);
    if (!strstr(text, words)) fail_msg("'%s' lacks '%s'", text, words);
    buf_release(&answer);
}

static void test_routes_and_parameters(void **state UNUSED)
{
    expect("GET /webhdfs/v1/a%20b?OP=LISTSTATUS&op=2 HTTP/1.1\r\nHost: x\r\nX-Test: 1\r\n"
           "Connection: close\r\n\r\n",
           "HTTP/1.1 200", "GET /webhdfs/v1/a b op=LISTSTATUS header=1 peer=127.0.0.1\n");
    expect("DELETE /webhdfs/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200",
           "DELETE /webhdfs/v1/x op=none header=none");
    expect("GET /webhdfs/v1/exact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 201",
           "\r\n\r\n{}");
    expect("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404",
           "Not Found");
}

static void test_headers_of_apache(void **state UNUSED)
{
    static const char request[] =
        "GET /webhdfs/v1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    expect(request, "HTTP/1.1 200", "Cache-Control: no-cache\r\n");
    expect(request, "HTTP/1.1 200", "X-Content-Type-Options: nosniff\r\n");
    expect(request, "HTTP/1.1 200", "X-FRAME-OPTIONS: SAMEORIGIN\r\n");
}

static void test_files(void **state UNUSED)
{
    expect("GET /file?size=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200",
           "Content-Length: 0\r\n");
    expect("GET /file?size=100000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200",
           "Content-Length: 100000\r\n");
    struct buf answer = {0};
    char *text =
        ask(&answer, "GET /file?size=100000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strspn(body + 4, "f"), 100000);
    buf_release(&answer);
}

static void test_no_http(void **state UNUSED)
{
    struct buf long_header = {0};

    expect("nonsense\r\n\r\n", "", "");
    expect("GET /webhdfs/v1/%zz?a=%gg&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
           "HTTP/1.1", "");
    buf_put_str(&long_header, "GET /webhdfs/v1/ HTTP/1.1\r\nX-Test: ");
    for (int i = 0; i < 2 * HTTP_HEADERS_MAX; i++) buf_put_u8(&long_header, 'h');
    buf_put_str(&long_header, "\r\n\r\n");
    struct buf answer = {0};
    assert_null(strstr(ask(&answer, buf_cstr(&long_header)), " 200 "));
    buf_clear(&long_header);
    buf_put_str(&long_header, "PUT /webhdfs/v1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                              "Content-Length: 99999999\r\n\r\n");
    assert_null(strstr(ask(&answer, buf_cstr(&long_header)), " 200 "));
    buf_release(&answer);
    buf_release(&long_header);
}

static void test_uploads(void **state UNUSED)
{
    struct buf big = {0};

    expect("PUT /up?limit=100 HTTP/1.1\r\nHost: x\r\nX-Sum: 1000\r\nConnection: "
           "close\r\nContent-Length: 3\r\n\r\nabc",
           "HTTP/1.1 200", "got 3 sum 1294 whole\n");
    expect("PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
           "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: t\r\n\r\n",
           "HTTP/1.1 200", "got 3 sum 294 whole\n");
    expect("PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 200", "got 0 sum 0 whole\n");
    /* Others on the same path and connection, before and after. */
    expect("GET /up HTTP/1.1\r\nHost: x\r\n\r\n"
           "POST /webhdfs/v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nPUT /up \r\n\r\n"
           "PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"
           "DELETE /webhdfs/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
           "got 1 sum 97 whole", "DELETE /webhdfs/v1/x");
    assert_int_equal(sinks, 4);
    assert_int_equal(aborted, 0);
    /* Larger than what is kept in memory; a sink that has enough. */
    buf_put_str(&big, "PUT /up?limit=5000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                      "Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n");
    for (int i = 0; i < 5000000; i++) buf_put_u8(&big, 1);
    expect(buf_cstr(&big), "100 Continue", "got 5000000 sum 5000000 whole\n");
    memcpy(big.data, "PUT /up?limit=0000100", 21);
    expect(buf_cstr(&big), "HTTP/1.1 200", "too much");
    buf_release(&big);
}

static void test_uploads_that_break(void **state UNUSED)
{
    struct buf answer = {0};
    struct net_addr addr = {.host = "127.0.0.1", .port = port};
    struct err err = ERR_INIT;
    int fd;

    expect("PUT /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
           "HTTP/1.1 200", "PUT none");
    assert_int_equal(aborted, 1);
    ask(&answer,
        "PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        "Content-Length: 3\r\n\r\nabc");
    ask(&answer,
        "PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: -3\r\n\r\nabc");
    buf_release(&answer);
    assert_int_equal(sinks, 1);
    /* The sender goes away in the middle. */
    static const char half[] = "PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc";
    assert_int_equal(net_connect(&addr, deadline_in(WAIT_MS), &fd, &err), 0);
    assert_int_equal(net_write_full(fd, half, strlen(half), deadline_in(WAIT_MS), &err), 0);
    close(fd);
    expect("GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200", "GET none");
    for (int i = 0; i < 100 && aborted < 2; i++) clock_sleep_ms(20);
    assert_int_equal(aborted, 2);
    /* The server ends in the middle: stop() drops the sink. */
    assert_int_equal(net_connect(&addr, deadline_in(WAIT_MS), &fd, &err), 0);
    assert_int_equal(net_write_full(fd, half, strlen(half), deadline_in(WAIT_MS), &err), 0);
    for (int i = 0; i < 100 && sinks < 3; i++) clock_sleep_ms(20);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_routes_and_parameters, start, stop),
        cmocka_unit_test_setup_teardown(test_headers_of_apache, start, stop),
        cmocka_unit_test_setup_teardown(test_files, start, stop),
        cmocka_unit_test_setup_teardown(test_no_http, start, stop),
        cmocka_unit_test_setup_teardown(test_uploads, start, stop),
        cmocka_unit_test_setup_teardown(test_uploads_that_break, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
