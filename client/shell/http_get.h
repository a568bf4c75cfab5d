/*
 * HTTP GET for what the namenode's servlets give: fsck's text and images. One thread, blocking,
 * bounded in time.
 */
#ifndef CLIENT_SHELL_HTTP_GET_H
#define CLIENT_SHELL_HTTP_GET_H

#include "common/base.h"
#include "common/buf.h"
#include "common/conf.h"
#include "common/err.h"

struct http_get;

/* Asks for `path` ("/fsck?…") of "host:port" and reads up to the end of the headers. ERR_CONNECT,
 * ERR_TIMEOUT, ERR_IO for an answer other than 200, with Java's words. */
int http_get_open(const char *authority, const char *path, int64_t connect_timeout_ms,
                  int64_t read_timeout_ms, struct http_get **get, struct err *err) MUST_CHECK;
void http_get_close(struct http_get *get); /* NULL is fine */

const char *http_get_header(const struct http_get *get,
                            const char *name); /* any case; NULL when absent */
/* Some of the body; 0 is its end. ERR_EOF when less came than was promised. */
ssize_t http_get_read(struct http_get *get, void *data, size_t size, struct err *err) MUST_CHECK;
/* One line without its end. 1: *line is valid until the next call; 0: the end; negative: ERR_*. */
int http_get_line(struct http_get *get, const char **line, struct err *err) MUST_CHECK;

/* java.net.URLEncoder.encode, appended. */
void url_encode(struct buf *out, const char *text);

/* "host:port" of the namenode's web pages, for the namenode at `rpc_host`:
 * dfs.namenode.http-address (that of the nameservice's namenode first), with the wildcard address
 * replaced. mem_free(). */
char *namenode_http_address(const struct conf *conf, const char *rpc_uri);

#endif
