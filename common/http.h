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

/*
 * A body that goes somewhere as it arrives, instead of being kept in memory up to HTTP_BODY_MAX: of PUT requests to one path. `open` is called
 * when the head is there; it may ask for parameters and headers, and always gives a sink: a request to be refused takes one that knows why, and
 * the handler answers. `write` gets the body piece by piece; false: what follows is thrown away (and not much of it awaited). `abort` frees a
 * sink whose request did not end. The handler frees the others.
 */
struct http_upload {
    void *(*open)(void *context, const struct http_request *request);
    bool (*write)(void *sink, const void *data, size_t size);
    void (*abort)(void *sink);
};
enum { HTTP_DISCARD_MAX = 16 << 20 };

struct http_server *http_server_new(struct err *err) MUST_CHECK; /* NULL with err set */
/* `path` exactly, or, ending in a slash, everything below it. The longest route wins. Before start. Other paths answer 404. */
void http_server_route(struct http_server *server, const char *path, http_handler *handler,
                       void *context);
/* As http_server_route for `path` exactly, with uploads. At most one path of a server; before listen. */
void http_server_route_upload(struct http_server *server, const char *path, http_handler *handler,
                              const struct http_upload *ops, void *context);
/* In the handler: the sink of this request's body, once; NULL when it is no upload, or its body was cut short by an error. */
void *http_upload_sink(struct http_request *request);
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
                        const char *name); /* NULL when absent */
/* The same in an upload's open(), where http_header() must not be used: copied; false when absent or longer than `out`. */
bool http_upload_header(const struct http_request *request, const char *name, char *out,
                        size_t size);
const char *http_peer(const struct http_request *request); /* numeric address */

void http_add_header(struct http_request *request, const char *name, const char *value);
void http_reply(struct http_request *request, int status, const char *content_type,
                const void *body, size_t size);
void http_reply_text(struct http_request *request, int status, const char *text); /* text/plain */
/* `size` bytes of the file from offset 0; takes over `fd`. */
void http_reply_file(struct http_request *request, const char *content_type, int fd, uint64_t size);

#endif
