#include "common/http.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/mem.h"
#include "common/net.h"

struct route {
    char *path;
    size_t length;
    bool below; /* everything below, too */
    http_handler *handler;
    void *context;
    struct route *next;
};

struct http_server {
    struct loop *loop;
    struct evhttp *http;
    struct route *routes; /* longest path first */
    pthread_t thread;
    bool running;
};

struct http_request {
    struct evhttp_request *raw;
    char *path;
    struct evkeyvalq query;
    bool replied;
};

struct http_server *http_server_new(struct err *err)
{
    struct loop *loop = loop_new(err);
    if (!loop) return NULL;
    struct http_server *server = NEW(struct http_server);

    server->loop = loop;
    server->http = evhttp_new(loop_event_base(loop));
    if (!server->http) {
        err_set(err, ERR_NO_MEMORY, "no memory for an HTTP server");
        loop_free(loop);
        mem_free(server);
        return NULL;
    }
    evhttp_set_max_headers_size(server->http, HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(server->http, HTTP_BODY_MAX);
    evhttp_set_timeout(server->http, HTTP_TIMEOUT_S);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                                 EVHTTP_REQ_POST | EVHTTP_REQ_DELETE |
                                                 EVHTTP_REQ_OPTIONS);
    return server;
}

void http_server_route(struct http_server *server, const char *path, http_handler *handler,
                       void *context)
{
    struct route *route = NEW(struct route), **at = &server->routes;

    route->path = mem_strdup(path);
    route->length = strlen(path);
    route->below = route->length && path[route->length - 1] == '/';
    route->handler = handler;
    route->context = context;
    while (*at && (*at)->length > route->length) at = &(*at)->next;
    route->next = *at;
    *at = route;
}

static const struct route *find_route(const struct http_server *server, const char *path)
{
    for (const struct route *route = server->routes; route; route = route->next)
        if (route->below ? str_starts(path, route->path) : str_eq(path, route->path)) return route;
    return NULL;
}

static void on_request(struct evhttp_request *raw, void *arg)
{
    struct http_server *server = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(raw);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL,
               *query = uri ? evhttp_uri_get_query(uri) : NULL;
    struct http_request request = {.raw = raw};

    TAILQ_INIT(&request.query);
    request.path = evhttp_uridecode(str_empty(path) ? "/" : path, 0, NULL);
    if (!request.path || (query && evhttp_parse_query_str(query, &request.query) < 0)) {
        http_reply_text(&request, 400, "Bad Request\n");
    } else {
        const struct route *route = find_route(server, request.path);
        if (route)
            route->handler(route->context, &request);
        else
            http_reply_text(&request, 404, "Not Found\n");
    }
    assert(request.replied);
    evhttp_clear_headers(&request.query);
    free(request.path); /* libevent's malloc */
}

int http_server_listen(struct http_server *server, const char *address, int default_port,
                       uint16_t *port_out, struct err *err)
{
    struct net_addr addr;
    int fd, rc = net_parse(address, default_port, &addr, err);

    if (!rc) rc = net_listen(&addr, 128, &fd, port_out, err);
    if (!rc) rc = net_set_nonblock(fd, true, err);
    if (rc) return rc;
    if (evhttp_accept_socket(server->http, fd) == 0) return 0;
    close(fd);
    return err_set(err, ERR_IO, "cannot serve HTTP on %s", address);
}

static void *serve(void *arg)
{
    struct http_server *server = arg;

    evhttp_set_gencb(server->http, on_request, server);
    loop_run(server->loop);
    return NULL;
}

int http_server_start(struct http_server *server, struct err *err)
{
    int rc = pthread_create(&server->thread, NULL, serve, server);

    if (rc) return err_set_errno(err, rc, "start the HTTP thread");
    server->running = true;
    return 0;
}

void http_server_stop(struct http_server *server)
{
    if (!server->running) return;
    loop_stop(server->loop);
    pthread_join(server->thread, NULL);
    server->running = false;
}

void http_server_free(struct http_server *server)
{
    if (!server) return;
    http_server_stop(server);
    evhttp_free(server->http);
    loop_free(server->loop);
    while (server->routes) {
        struct route *route = server->routes;
        server->routes = route->next;
        mem_free(route->path);
        mem_free(route);
    }
    mem_free(server);
}

const char *http_path(const struct http_request *request)
{
    return request->path;
}

const char *http_method(const struct http_request *request)
{
    switch (evhttp_request_get_command(request->raw)) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_HEAD: return "HEAD";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_DELETE: return "DELETE";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    default: return "OTHER";
    }
}

const char *http_parameter(const struct http_request *request, const char *name)
{
    return evhttp_find_header(&request->query, name); /* compares without case */
}

const char *http_header(const struct http_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request->raw), name);
}

const char *http_peer(const struct http_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request->raw);
    char *address = NULL;
    uint16_t port;

    if (connection) evhttp_connection_get_peer(connection, &address, &port);
    return address ? address : "";
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(request->raw), name, value);
}

/* What Apache's HttpServer2 puts on every answer. */
static void add_common_headers(struct http_request *request, const char *content_type)
{
    http_add_header(request, "Cache-Control", "no-cache");
    http_add_header(request, "X-Content-Type-Options", "nosniff");
    http_add_header(request, "X-FRAME-OPTIONS", "SAMEORIGIN");
    http_add_header(request, "X-XSS-Protection", "1; mode=block");
    if (content_type) http_add_header(request, "Content-Type", content_type);
}

void http_reply(struct http_request *request, int status, const char *content_type,
                const void *body, size_t size)
{
    struct evbuffer *buffer = evbuffer_new();

    assert(!request->replied);
    request->replied = true;
    add_common_headers(request, content_type);
    if (buffer && size) evbuffer_add(buffer, body, size);
    evhttp_send_reply(request->raw, status, NULL, buffer);
    if (buffer) evbuffer_free(buffer);
}

void http_reply_text(struct http_request *request, int status, const char *text)
{
    http_reply(request, status, "text/plain; charset=utf-8", text, strlen(text));
}

void http_reply_file(struct http_request *request, const char *content_type, int fd, uint64_t size)
{
    struct evbuffer *buffer = evbuffer_new();
    char length[24];

    assert(!request->replied);
    request->replied = true;
    add_common_headers(request, content_type);
    snprintf(length, sizeof length, "%" PRIu64, size);
    http_add_header(request, "Content-Length", length);
    if (!size) { /* libevent would try to map nothing, and fail */
        close(fd);
        evhttp_send_reply(request->raw, 200, NULL, buffer);
    } else if (!buffer || evbuffer_add_file(buffer, fd, 0, (ev_off_t)size) < 0) {
        close(fd);
        evhttp_send_error(request->raw, 500, NULL);
    } else {
        evhttp_send_reply(request->raw, 200, NULL, buffer);
    }
    if (buffer) evbuffer_free(buffer);
}
