#include "client/shell/http_get.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/parse.h"

enum { HEADERS_MAX = 64 * 1024, LINE_LENGTH_MAX = 1 << 20, HTTP_PORT = 80, READ_SIZE = 64 * 1024 };

struct http_get {
    int fd;
    int64_t read_timeout_ms;
    char *headers;   /* status line and headers, lines ended by NUL; a last empty one */
    struct buf body; /* read but not handed out; the part before `at` is used up */
    size_t at;
    int64_t left; /* bytes of the body to come; -1: until the connection ends */
};

/* Reads more of the connection behind what `body` has. *got 0: it ended. */
static int fill(struct http_get *get, size_t *got, struct err *err)
{
    size_t want = get->left < 0 ? READ_SIZE : (size_t)MIN(get->left, READ_SIZE);
    int rc;

    if (get->at) {
        buf_consume(&get->body, get->at);
        get->at = 0;
    }
    *got = 0;
    if (!want) return 0;
    buf_reserve(&get->body, want);
    rc = net_read_some(get->fd, get->body.data + get->body.length, want, got,
                       deadline_in(get->read_timeout_ms), err);
    if (rc) return rc;
    get->body.length += *got;
    if (get->left > 0) {
        if (!*got)
            return err_set(err, ERR_EOF,
                           "the answer ended %" PRId64 " bytes before its end; try again",
                           get->left);
        get->left -= (int64_t)*got;
    }
    return 0;
}

static int read_headers(struct http_get *get, struct err *err)
{
    for (;;) {
        uint8_t *end =
            get->body.length ? memmem(get->body.data, get->body.length, "\r\n\r\n", 4) : NULL;
        size_t got;
        if (end) {
            size_t size = (size_t)(end - get->body.data);
            get->headers = mem_strndup((const char *)get->body.data, size + 2);
            get->at = size + 4;
            return 0;
        }
        if (get->body.length > HEADERS_MAX)
            return err_set(err, ERR_LIMIT, "headers of more than %d bytes", HEADERS_MAX);
        int rc = fill(get, &got, err);
        if (rc) return rc;
        if (!got) return err_set(err, ERR_EOF, "Unexpected end of file from server");
    }
}

/* Cuts the headers into lines; *status is the number in the first. */
static int parse_headers(struct http_get *get, int64_t *status, struct err *err)
{
    const char *space = strchr(get->headers, ' ');
    const char *length;

    for (char *at = get->headers; (at = strstr(at, "\r\n")); at += 2) at[0] = at[1] = '\0';
    if (!space || !str_starts(get->headers, "HTTP/1.") ||
        !parse_i64_n(space + 1, strcspn(space + 1, " "), 100, 999, status))
        return err_set(err, ERR_IO, "Invalid Http response");
    length = http_get_header(get, "Content-Length");
    get->left = -1;
    if (!length) return 0;
    if (!parse_i64(length, 0, INT64_MAX, &get->left))
        return err_set(err, ERR_IO, "Content-Length of %s", length);
    size_t have = get->body.length - get->at;
    get->left -= (int64_t)MIN((uint64_t)get->left, have);
    return 0;
}

const char *http_get_header(const struct http_get *get, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = get->headers; *line; line += strlen(line) + 2) {
        if (strncasecmp(line, name, length) || line[length] != ':') continue;
        line += length + 1;
        return line + strspn(line, " \t");
    }
    return NULL;
}

static int send_request(struct http_get *get, const char *authority, const char *path,
                        struct err *err)
{
    /* HTTP/1.0: no chunks, and the connection's end is the answer's end */
    char *request = mem_printf(
        "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n", path, authority);
    int rc =
        net_write_full(get->fd, request, strlen(request), deadline_in(get->read_timeout_ms), err);

    mem_free(request);
    return rc;
}

int http_get_open(const char *authority, const char *path, int64_t connect_timeout_ms,
                  int64_t read_timeout_ms, struct http_get **result, struct err *err)
{
    struct http_get *get = NEW(struct http_get);
    struct net_addr addr;
    int64_t status = 0;
    int rc = net_parse(authority, HTTP_PORT, &addr, err);

    get->fd = -1;
    get->left = -1;
    get->read_timeout_ms = read_timeout_ms > 0 ? read_timeout_ms : -1;
    if (!rc)
        rc = net_connect(&addr, deadline_in(connect_timeout_ms > 0 ? connect_timeout_ms : -1),
                         &get->fd, err);
    if (!rc) rc = send_request(get, authority, path, err);
    if (!rc) rc = read_headers(get, err);
    if (!rc) rc = parse_headers(get, &status, err);
    if (!rc && status != 200)
        rc = err_set(err, ERR_IO,
                     "Server returned HTTP response code: %" PRId64 " for URL: http://%s%s", status,
                     authority, path);
    if (rc) {
        http_get_close(get);
        return rc;
    }
    *result = get;
    return 0;
}

void http_get_close(struct http_get *get)
{
    if (!get) return;
    if (get->fd >= 0) close(get->fd);
    mem_free(get->headers);
    buf_release(&get->body);
    mem_free(get);
}

ssize_t http_get_read(struct http_get *get, void *data, size_t size, struct err *err)
{
    size_t got;

    if (get->at == get->body.length) {
        int rc = fill(get, &got, err);
        if (rc) return rc;
        if (!got) return 0;
    }
    size = MIN(size, get->body.length - get->at);
    memcpy(data, get->body.data + get->at, size);
    get->at += size;
    return (ssize_t)size;
}

int http_get_line(struct http_get *get, const char **line, struct err *err)
{
    for (;;) {
        size_t have = get->body.length - get->at, got;
        char *start = have ? (char *)get->body.data + get->at : NULL;
        char *end = have ? memchr(start, '\n', have) : NULL;
        if (end) {
            *end = '\0';
            if (end > start && end[-1] == '\r') end[-1] = '\0';
            get->at += (size_t)(end - start) + 1;
            *line = start;
            return 1;
        }
        if (have > LINE_LENGTH_MAX)
            return err_set(err, ERR_LIMIT, "a line of more than %d bytes", LINE_LENGTH_MAX);
        int rc = fill(get, &got, err);
        if (rc) return rc;
        if (got) continue;
        if (!have) return 0;
        buf_put_u8(&get->body, '\n'); /* the last line has no end */
    }
}

void url_encode(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     strchr(".-*_", c);
        if (plain)
            buf_put_u8(out, c);
        else if (c == ' ')
            buf_put_u8(out, '+');
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* dfs.namenode.http-address of the namenode of this nameservice that comes first, where one is
 * named by the URI. */
static const char *configured_address(const struct conf *conf, const char *service)
{
    char *key = mem_printf("dfs.ha.namenodes.%s", service);
    const char *ids = conf_get(conf, key), *found = NULL;

    mem_free(key);
    if (ids) {
        key =
            mem_printf("dfs.namenode.http-address.%s.%.*s", service, (int)strcspn(ids, ", "), ids);
        found = conf_get(conf, key);
        mem_free(key);
    }
    if (!found) {
        key = mem_printf("dfs.namenode.http-address.%s", service);
        found = conf_get(conf, key);
        mem_free(key);
    }
    return found ? found : conf_str(conf, CONF_dfs_namenode_http_address);
}

char *namenode_http_address(const struct conf *conf, const char *rpc_uri)
{
    struct net_addr addr;
    struct net_uri uri;
    struct err err;

    if (net_parse_uri(rpc_uri, &uri, &err))
        return mem_strdup(conf_str(conf, CONF_dfs_namenode_http_address));
    const char *address = configured_address(conf, uri.host);
    if (net_parse(address, HTTP_PORT, &addr, &err)) return mem_strdup(address);
    if (!str_eq(addr.host, "0.0.0.0") && !str_eq(addr.host, "::")) return mem_strdup(address);
    return mem_printf("%s:%u", uri.host, addr.port);
}
