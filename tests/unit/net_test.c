#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/net.h"

static struct err err;

static void test_parse(void **state UNUSED)
{
    static const struct {
        const char *text;
        int default_port;
        const char *host;
        uint16_t port;
    } good[] = {
        {"h:1", -1, "h", 1},
        {" my-host.example.org:65535 ", -1, "my-host.example.org", 65535},
        {"0.0.0.0:0", -1, "0.0.0.0", 0},
        {"h", 8020, "h", 8020},
        {"[::1]:9866", -1, "::1", 9866},
        {"[fe80::1%eth0]:1", -1, "fe80::1%eth0", 1},
        {"hdfs://nn:9000/a:b", -1, "nn", 9000},
        {"hdfs://nn", 8020, "nn", 8020},
        {"hdfs://u@[::1]:7/", -1, "::1", 7},
    };
    static const char *const bad[] = {
        "",     ":",     ":1",    "h",       "h:",        "h:x",           "h:65536", "h:-1",
        "h:+1", "h:1:2", "::1",   "[::1]",   "[::1:1",    "[x]:1",         "[]:1",    "[::1]x:1",
        "h :1", "h/x:1", "h:1 2", "hdfs://", "hdfs:///p", "h:99999999999", "a b",     "h\x01:1"};
    struct net_addr addr;
    char text[NET_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (net_parse(good[i].text, good[i].default_port, &addr, &err)) fail_msg("%s", err.text);
        assert_string_equal(addr.host, good[i].host);
        assert_int_equal(addr.port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (net_parse(bad[i], -1, &addr, &err) != ERR_ARGUMENT) fail_msg("'%s' was taken", bad[i]);
    char *longest = mem_alloc(400);
    memset(longest, 'h', 399);
    longest[399] = '\0';
    memcpy(longest + 255, ":80", 4);
    assert_int_equal(net_parse(longest, -1, &addr, &err), 0);
    memcpy(longest + 255, "h:80", 5);
    assert_int_equal(net_parse(longest, -1, &addr, &err), ERR_ARGUMENT);
    mem_free(longest);
    net_format(&(struct net_addr){.host = "::1", .port = 5}, text, sizeof text);
    assert_string_equal(text, "[::1]:5");
}

static void test_parse_uri(void **state UNUSED)
{
    static const struct {
        const char *text, *scheme, *user, *authority, *host;
        int port;
        const char *path;
    } good[] = {
        {"hdfs://h:8020/a/b", "hdfs", "", "h:8020", "h", 8020, "/a/b"},
        {"HDFS://u@h/", "hdfs", "u", "h", "h", -1, "/"},
        {"hdfs:///a", "hdfs", "", "", "", -1, "/a"},
        {"hdfs://h", "hdfs", "", "h", "h", -1, ""},
        {"/a:b/c", "", "", "", "", -1, "/a:b/c"},
        {"a/b", "", "", "", "", -1, "a/b"},
        {"//h/a", "", "", "", "", -1, "//h/a"},
        {"file:/a", "file", "", "", "", -1, "/a"},
        {"file:///a", "file", "", "", "", -1, "/a"},
        {"har://hdfs-h:8020/x", "har", "", "hdfs-h:8020", "hdfs-h", 8020, "/x"},
        {"", "", "", "", "", -1, ""},
    };
    static const char *const bad[] = {"hdfs://h:x/", "hdfs://h:99999/", "hdfs://[::1/",
                                      "hdfs://h h/", "averyveryverylongscheme://h/"};
    struct net_uri uri;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (net_parse_uri(good[i].text, &uri, &err)) fail_msg("%s", err.text);
        assert_string_equal(uri.scheme, good[i].scheme);
        assert_string_equal(uri.user, good[i].user);
        assert_string_equal(uri.authority, good[i].authority);
        assert_string_equal(uri.host, good[i].host);
        assert_int_equal(uri.port, good[i].port);
        assert_string_equal(uri.path, good[i].path);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (net_parse_uri(bad[i], &uri, &err) != ERR_ARGUMENT) fail_msg("'%s' was taken", bad[i]);
}

static int listen_at(const char *host, uint16_t *port)
{
    struct net_addr addr = {.port = 0};
    int fd;

    memcpy(addr.host, host, strlen(host) + 1);
    if (net_listen(&addr, 5, &fd, port, &err)) fail_msg("%s", err.text);
    return fd;
}

static int64_t soon(void)
{
    return deadline_in(5000);
}

/* A connected pair over TCP. */
static void tcp_pair(int fds[2])
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port);
    struct net_addr to = {.host = "127.0.0.1", .port = port};

    assert_int_equal(net_connect(&to, soon(), &fds[0], &err), 0);
    assert_int_equal(net_wait(listener, POLLIN, soon(), &err), 0);
    assert_int_equal(net_accept(listener, false, &fds[1], &err), 0);
    close(listener);
}

static void congestion_of(int fd, char name[17])
{
    socklen_t length = 16;

    memset(name, 0, 17);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
}

/* Pacing costs within a host; a system's other choices stay as they are. */
static void test_nothing_paced_within_the_host(void **state UNUSED)
{
    char name[17], wanted[17];
    int fds[2], plain = socket(AF_INET, SOCK_STREAM, 0);

    congestion_of(plain, wanted);
    if (str_starts(wanted, "bbr")) strcpy(wanted, "reno");
    tcp_pair(fds);
    for (int i = 0; i < 2; i++) {
        congestion_of(fds[i], name);
        assert_string_equal(name, wanted);
        close(fds[i]);
    }
    close(plain);
}

static void test_listen_and_connect(void **state UNUSED)
{
    struct net_addr to = {.host = "127.0.0.1"}, seen;
    char text[NET_TEXT_MAX], wanted[NET_TEXT_MAX];
    uint16_t port;
    int fd, peer;

    int listener = listen_at("", &port);
    assert_int_not_equal(port, 0);
    assert_int_equal(net_accept(listener, false, &peer, &err), ERR_TIMEOUT);
    to.port = port;
    assert_int_equal(net_connect(&to, soon(), &fd, &err), 0);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(net_wait(listener, POLLIN, soon(), &err), 0);
    assert_int_equal(net_accept(listener, true, &peer, &err), 0);
    assert_true(fcntl(peer, F_GETFL) & O_NONBLOCK);
    assert_true(net_peer(peer, &seen));
    assert_string_equal(seen.host, "127.0.0.1"); /* not ::ffff:127.0.0.1 */
    net_format(&to, wanted, sizeof wanted);
    assert_string_equal(net_peer_text(fd, text, sizeof text), wanted);
    assert_string_equal(net_local_text(peer, text, sizeof text), wanted);
    close(fd);
    close(peer);
    close(listener);
}

static void test_port_in_use(void **state UNUSED)
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port), fd;
    struct net_addr addr = {.host = "127.0.0.1", .port = port};
    char text[NET_TEXT_MAX];

    assert_int_equal(net_listen(&addr, 5, &fd, &port, &err), ERR_CONNECT);
    net_format(&addr, text, sizeof text);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, "configure another port"));
    close(listener);
    struct net_addr foreign = {.host = "192.0.2.1", .port = 0};
    assert_int_equal(net_listen(&foreign, 5, &fd, &port, &err), ERR_CONNECT);
    assert_non_null(strstr(err.text, "192.0.2.1"));
}

static void test_connect_failures(void **state UNUSED)
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port), fd;
    struct net_addr addr = {.host = "127.0.0.1", .port = port};

    close(listener);
    assert_int_equal(net_connect(&addr, soon(), &fd, &err), ERR_CONNECT);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(err.text, "Connection refused"));
    struct net_addr nobody = {.host = "no-such-host.invalid", .port = 1};
    assert_int_equal(net_connect(&nobody, soon(), &fd, &err), ERR_UNKNOWN_HOST);
    assert_non_null(strstr(err.text, "no-such-host.invalid"));
}

static void test_read_times_out_and_ends(void **state UNUSED)
{
    int fds[2];
    char data[8];

    tcp_pair(fds);
    int64_t start = clock_mono_ms();
    assert_int_equal(net_read_full(fds[0], data, 4, deadline_in(50), &err), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - start >= 49);
    assert_int_equal(net_write_full(fds[1], "abc", 3, soon(), &err), 0);
    close(fds[1]);
    assert_int_equal(net_read_full(fds[0], data, 4, soon(), &err), ERR_EOF);
    assert_non_null(strstr(err.text, "3 of 4"));
    size_t got = 9;
    assert_int_equal(net_read_some(fds[0], data, 4, &got, soon(), &err), 0);
    assert_int_equal(got, 0);
    close(fds[0]);
}

/* Nobody reads: a write must end at its deadline, on a blocking socket too, and a lost peer must
 * not kill us. */
static void test_write_times_out_and_breaks(void **state UNUSED)
{
    int fds[2];
    size_t size = 64 << 20;
    char *data = mem_zalloc(size);

    tcp_pair(fds);
    int64_t start = clock_mono_ms();
    assert_int_equal(net_write_full(fds[0], data, size, deadline_in(100), &err), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - start < 4000);
    close(fds[1]);
    assert_int_equal(net_write_full(fds[0], data, size, soon(), &err), ERR_CONNECTION_LOST);
    close(fds[0]);
    mem_free(data);
}

struct reader {
    int fd;
    size_t size;
    uint8_t *data;
    int rc;
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;
    struct iovec iov[2] = {{reader->data, 7}, {reader->data + 7, reader->size - 7}};

    reader->rc = net_readv_full(reader->fd, iov, 2, deadline_in(10000), NULL);
    return NULL;
}

static void test_whole_transfers(void **state UNUSED)
{
    enum { SIZE = 5 << 20, PARTS = 1500 };
    struct reader reader = {.size = SIZE, .data = mem_zalloc(SIZE)};
    struct iovec *iov = NEW_ARRAY(struct iovec, PARTS);
    uint8_t *data = mem_alloc(SIZE);
    pthread_t thread;
    int fds[2];

    for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < PARTS; i++) {
        size_t from = SIZE * i / PARTS, to = SIZE * (i + 1) / PARTS;
        iov[i] = (struct iovec){data + from, to - from};
    }
    tcp_pair(fds);
    reader.fd = fds[1];
    pthread_create(&thread, NULL, read_all, &reader);
    assert_int_equal(net_writev_full(fds[0], iov, PARTS, deadline_in(10000), &err), 0);
    pthread_join(thread, NULL);
    assert_int_equal(reader.rc, 0);
    assert_memory_equal(reader.data, data, SIZE);

    FILE *file = tmpfile();
    assert_int_equal(fwrite(data, 1, SIZE, file), SIZE);
    fflush(file);
    memset(reader.data, 0, SIZE);
    pthread_create(&thread, NULL, read_all, &reader);
    assert_int_equal(net_sendfile_full(fds[0], fileno(file), 0, SIZE, deadline_in(10000), &err), 0);
    pthread_join(thread, NULL);
    assert_memory_equal(reader.data, data, SIZE);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(net_sendfile_full(fds[0], fileno(file), SIZE - 2, 3, soon(), &err), ERR_EOF);
    assert_int_equal(ftruncate(fileno(file), 64 << 20), 0); /* more than the kernel takes in */
    assert_int_equal(net_sendfile_full(fds[0], fileno(file), 0, 64 << 20, deadline_in(50), &err),
                     ERR_TIMEOUT);
    fclose(file);
    close(fds[0]);
    close(fds[1]);
    mem_free(iov);
    mem_free(data);
    mem_free(reader.data);
}

static void test_pipes(void **state UNUSED)
{
    int fds[2];
    char data[4];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(net_read_full(fds[0], data, 1, deadline_in(20), &err), ERR_TIMEOUT);
    assert_int_equal(net_write_full(fds[1], "abcd", 4, soon(), &err), 0);
    assert_int_equal(net_read_full(fds[0], data, 4, soon(), &err), 0);
    assert_memory_equal(data, "abcd", 4);
    close(fds[0]);
    close(fds[1]);
}

static void test_local_addresses(void **state UNUSED)
{
    struct net_sockaddr addr;

    assert_true(net_numeric("127.3.2.1", 1, &addr));
    assert_true(net_is_loopback(&addr) && net_is_local(&addr));
    assert_true(net_numeric("::1", 1, &addr));
    assert_true(net_is_loopback(&addr));
    assert_true(net_numeric("192.0.2.1", 1, &addr));
    assert_false(net_is_loopback(&addr) || net_is_local(&addr));
    assert_false(net_numeric("localhost", 1, &addr));
    assert_false(net_numeric("", 1, &addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_uri),
        cmocka_unit_test(test_listen_and_connect),
        cmocka_unit_test(test_nothing_paced_within_the_host),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_connect_failures),
        cmocka_unit_test(test_read_times_out_and_ends),
        cmocka_unit_test(test_write_times_out_and_breaks),
        cmocka_unit_test(test_whole_transfers),
        cmocka_unit_test(test_pipes),
        cmocka_unit_test(test_local_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
