/*
 * A small HTTP server: routes to handlers, on a thread of its own (libevent's evhttp). What needs no answer in microseconds: status pages,
 * /jmx, /fsck, image transfer, later WebHDFS.
 *
 * Handlers run on the server's thread, one at a time, and answer before they return, by exactly one of the http_reply*() functions. Every
 * answer carries the headers that Apache's servers send (no-cache, nosniff, frame options). Bounds: HTTP_HEADERS_MAX, HTTP_BODY_MAX, HTTP_TIMEOUT_S.
 *
 * Thread rules: new, route, listen, start, stop and free from the owner's thread; the request functions within a handler.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include "common/base.h"
#include "common/err.h"

enum { HTTP_HEADERS_MAX = 65536, HTTP_BODY_MAX = 1 << 20, HTTP_TIMEOUT_S = 60 };

struct http_server;
struct http_request;
typedef void http_handler(void *context, struct http_request *request);

struct http_server *http_server_new(struct err *err) MUST_CHECK; /* NULL with err set */
/* `path` exactly, or, ending in a slash, everything below it. The longest route wins. Before start. Other paths answer 404. */
void http_server_route(struct http_server *server, const char *path, http_handler *handler,
                       void *context);
/* "host:port"; port 0: any. *port_out is the port really bound. ERR_CONNECT names the address and what to do. */
int http_server_listen(struct http_server *server, const char *address, int default_port,
                       uint16_t *port_out, struct err *err) MUST_CHECK;
int http_server_start(struct http_server *server, struct err *err) MUST_CHECK;
void http_server_stop(
    struct http_server *server); /* drops connections, joins the thread; idempotent */
void http_server_free(struct http_server *server); /* stops; NULL is fine */

const char *http_method(const struct http_request *request); /* "GET" */
const char *http_path(const struct http_request *request);   /* decoded, without the query */
/* The first value of a query parameter, decoded; names compare without case. NULL when absent. */
const char *http_parameter(const struct http_request *request, const char *name);
const char *http_header(const struct http_request *request,
                        const char *name);                 /* NULL when absent */
const char *http_peer(const struct http_request *request); /* numeric address */

void http_add_header(struct http_request *request, const char *name, const char *value);
void http_reply(struct http_request *request, int status, const char *content_type,
                const void *body, size_t size);
void http_reply_text(struct http_request *request, int status, const char *text); /* text/plain */
/* `size` bytes of the file from offset 0; takes over `fd`. */
void http_reply_file(struct http_request *request, const char *content_type, int fd, uint64_t size);

#endif
