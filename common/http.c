#include "common/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/http_body.h"
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

/*
 * libevent 2.1 collects a body before anybody sees the request. On a server with an upload path we therefore look at the bytes of a connection
 * as they come in, before evhttp does: the body of an upload goes to its sink, and when it is over evhttp gets the head, with a length of 0.
 * While that goes on the connection's end is told to us. A connection that ends otherwise leaves its record, to be taken by the next one at
 * the same address: there are never more than there were connections at once.
 */
enum input_state {
    INPUT_HEAD,   /* collects the head of the next request */
    INPUT_PASS,   /* a body for evhttp: `body` counts it */
    INPUT_UPLOAD, /* a body for `sink` */
    INPUT_RAW,    /* we do not understand it: everything is evhttp's, to the end */
    INPUT_END,    /* answered early: what still comes is thrown away */
};

struct input {
    struct http_server *server;
    struct bufferevent *stream;
    enum input_state state;
    bool busy;                /* moving bytes, which calls us again */
    struct evbuffer *pending; /* came, belongs to nobody yet */
    struct buf head;          /* of the upload */
    struct http_body body;
    void *sink;
    bool discarding;
    uint64_t discarded;
    /* evhttp's callbacks, while ours are there */
    bufferevent_data_cb read_cb, write_cb;
    bufferevent_event_cb event_cb;
    void *cb_arg;
    bool ours;
    struct input *next;
};

struct http_server {
    struct loop *loop;
    char *upload_path;
    struct http_upload upload;
    void *upload_context;
    struct input *inputs;
    struct evhttp *http;
    struct route *routes; /* longest path first */
    pthread_t thread;
    bool running;
};

struct http_request {
    struct http_server *server;
    struct evhttp_request *raw; /* NULL before an upload's body */
    const struct buf *head;     /* then */
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
    struct http_request request = {.server = server, .raw = raw};

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

/* ---- uploads ---- */

static void drop_sink(struct input *input)
{
    if (input->sink) input->server->upload.abort(input->sink);
    input->sink = NULL;
}

static void give_back_callbacks(struct input *input)
{
    if (!input->ours) return;
    input->ours = false;
    bufferevent_setcb(input->stream, input->read_cb, input->write_cb, input->event_cb,
                      input->cb_arg);
}

static void nothing_to_read(struct bufferevent *stream UNUSED, void *arg UNUSED) {}

static void on_upload_broken(struct bufferevent *stream, short what, void *arg)
{
    struct input *input = arg;

    drop_sink(input);
    input->state = INPUT_RAW;
    give_back_callbacks(input);
    if (input->event_cb) input->event_cb(stream, what, input->cb_arg);
}

static void take_callbacks(struct input *input)
{
    bufferevent_getcb(input->stream, &input->read_cb, &input->write_cb, &input->event_cb,
                      &input->cb_arg);
    input->ours = true;
    bufferevent_setcb(input->stream, nothing_to_read, NULL, on_upload_broken, input);
}

/* "PUT PATH[?QUERY] HTTP/…" to the upload path; the query to `query`. */
static bool is_upload(const struct input *input, char **query)
{
    const char *head = (const char *)input->head.data, *path = input->server->upload_path;
    size_t length = input->head.length, path_length = strlen(path);

    if (length < path_length + 5 || memcmp(head, "PUT ", 4) != 0 ||
        memcmp(head + 4, path, path_length) != 0)
        return false;
    const char *p = head + 4 + path_length, *end = memchr(p, ' ', (size_t)(head + length - p));
    if (!end || (*p != '?' && *p != ' ')) return false;
    *query = mem_strndup(p + (*p == '?'), (size_t)(end - p - (*p == '?')));
    return true;
}

static void open_sink(struct input *input, const char *query)
{
    struct http_server *server = input->server;
    struct http_request request = {.server = server, .head = &input->head};
    char expect[32];

    TAILQ_INIT(&request.query);
    request.path = server->upload_path;
    if (evhttp_parse_query_str(query, &request.query) < 0) TAILQ_INIT(&request.query);
    drop_sink(input);
    input->sink = server->upload.open(server->upload_context, &request);
    evhttp_clear_headers(&request.query);
    input->discarding = false;
    input->discarded = 0;
    if (http_head_value((char *)input->head.data, input->head.length, "Expect", expect,
                        sizeof expect) &&
        strcasecmp(expect, "100-continue") == 0)
        evbuffer_add_printf(bufferevent_get_output(input->stream), "HTTP/1.1 100 Continue\r\n\r\n");
}

/* The head as evhttp gets it: nothing follows. */
static void pass_head(struct input *input, struct evbuffer *out)
{
    const char *p = (const char *)input->head.data, *end = p + input->head.length;

    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t length = (size_t)((stop ? stop + 1 : end) - p);
        if (length <= 2 && (*p == '\r' || *p == '\n')) break;
        if (strncasecmp(p, "Content-Length:", MIN(length, (size_t)15)) != 0 &&
            strncasecmp(p, "Transfer-Encoding:", MIN(length, (size_t)18)) != 0 &&
            strncasecmp(p, "Expect:", MIN(length, (size_t)7)) != 0)
            evbuffer_add(out, p, length);
        p += length;
    }
    if (input->state == INPUT_END) evbuffer_add_printf(out, "Connection: close\r\n");
    evbuffer_add_printf(out, "Content-Length: 0\r\n\r\n");
}

/* Where a head ends, or 0. */
static size_t head_length(struct evbuffer *bytes)
{
    static const char *const ENDS[] = {"\r\n\r\n", "\n\n", "\n\r\n"};
    size_t best = 0;

    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
        size_t length = strlen(ENDS[i]);
        struct evbuffer_ptr at = evbuffer_search(bytes, ENDS[i], length, NULL);
        if (at.pos >= 0 && (!best || (size_t)at.pos + length < best))
            best = (size_t)at.pos + length;
    }
    return best;
}

/* False: more bytes are needed. */
static bool next_head(struct input *input, struct evbuffer *out)
{
    size_t length = head_length(input->pending);
    struct err err = ERR_INIT;
    char *query = NULL;

    if (!length && evbuffer_get_length(input->pending) <= HTTP_HEADERS_MAX) return false;
    if (!length || length > HTTP_HEADERS_MAX) {
        input->state = INPUT_RAW;
        return true;
    }
    buf_clear(&input->head);
    evbuffer_copyout(input->pending, buf_extend(&input->head, length), length);
    if (http_body_start(&input->body, (char *)input->head.data, length, &err)) {
        input->state = INPUT_RAW;
    } else if (is_upload(input, &query)) {
        evbuffer_drain(input->pending, length);
        input->state = INPUT_UPLOAD;
        take_callbacks(input);
        open_sink(input, query);
        mem_free(query);
    } else {
        evbuffer_remove_buffer(input->pending, out, length);
        input->state = input->body.state == HTTP_BODY_DONE ? INPUT_HEAD
                       : input->body.chunked               ? INPUT_RAW
                                                           : INPUT_PASS;
    }
    return true;
}

static bool pass_body(struct input *input, struct evbuffer *out)
{
    uint64_t part = MIN((uint64_t)evbuffer_get_length(input->pending), input->body.left);

    evbuffer_remove_buffer(input->pending, out, (size_t)part);
    input->body.left -= part;
    if (!input->body.left) input->state = INPUT_HEAD;
    return part > 0;
}

static void end_upload(struct input *input, enum input_state state, struct evbuffer *out)
{
    input->state = state;
    give_back_callbacks(input);
    pass_head(input, out);
}

static bool upload(struct input *input, struct evbuffer *out)
{
    size_t size = evbuffer_get_contiguous_space(input->pending), used, at, data;
    struct err err = ERR_INIT;

    if (input->body.state == HTTP_BODY_DONE) {
        end_upload(input, INPUT_HEAD, out);
        return true;
    }
    if (!size) return false;
    const uint8_t *bytes = evbuffer_pullup(input->pending, (ev_ssize_t)size);
    int rc = http_body_next(&input->body, bytes, size, &used, &at, &data, &err);
    if (rc) drop_sink(input);
    if (!rc && data && !input->discarding)
        input->discarding = !input->server->upload.write(input->sink, bytes + at, data);
    else
        input->discarded += data;
    evbuffer_drain(input->pending, used);
    if (rc || input->discarded > HTTP_DISCARD_MAX) end_upload(input, INPUT_END, out);
    return true;
}

/* One step; false when there is nothing to do with what came. */
static bool input_step(struct input *input, struct evbuffer *out)
{
    switch (input->state) {
    case INPUT_HEAD: return evbuffer_get_length(input->pending) && next_head(input, out);
    case INPUT_PASS: return pass_body(input, out);
    case INPUT_UPLOAD: return upload(input, out);
    case INPUT_RAW: evbuffer_add_buffer(out, input->pending); return false;
    case INPUT_END: evbuffer_drain(input->pending, evbuffer_get_length(input->pending)); break;
    }
    return false;
}

/* Bytes came in. Those before them are evhttp's already. */
static void on_bytes(struct evbuffer *bytes, const struct evbuffer_cb_info *info, void *arg)
{
    struct input *input = arg;

    if (input->busy || !info->n_added || input->state == INPUT_RAW) return;
    input->busy = true;
    struct evbuffer *out = evbuffer_new();
    size_t before = evbuffer_get_length(bytes) - info->n_added;
    if (out) {
        evbuffer_remove_buffer(bytes, out, before);
        evbuffer_add_buffer(input->pending, bytes);
        while (input_step(input, out)) {}
        evbuffer_add_buffer(bytes, out);
        evbuffer_free(out);
    }
    input->busy = false;
}

static struct input *input_at(struct http_server *server, const struct bufferevent *stream)
{
    struct input *input = server->inputs;

    while (input && input->stream != stream) input = input->next;
    return input;
}

static struct bufferevent *make_stream(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    struct bufferevent *stream = bufferevent_socket_new(base, -1, 0);
    struct input *input = stream ? input_at(server, stream) : NULL;

    if (!stream) return NULL;
    if (!input) {
        input = NEW(struct input);
        input->server = server;
        input->stream = stream;
        input->pending = evbuffer_new();
        input->next = server->inputs;
        server->inputs = input;
    }
    drop_sink(input);
    evbuffer_drain(input->pending, evbuffer_get_length(input->pending));
    input->state = INPUT_HEAD;
    input->ours = false;
    evbuffer_add_cb(bufferevent_get_input(stream), on_bytes, input);
    return stream;
}

static void free_inputs(struct http_server *server)
{
    while (server->inputs) {
        struct input *input = server->inputs;
        server->inputs = input->next;
        drop_sink(input);
        evbuffer_free(input->pending);
        buf_release(&input->head);
        mem_free(input);
    }
}

void http_server_route_upload(struct http_server *server, const char *path, http_handler *handler,
                              const struct http_upload *ops, void *context)
{
    assert(!server->upload_path);
    http_server_route(server, path, handler, context);
    server->upload_path = mem_strdup(path);
    server->upload = *ops;
    server->upload_context = context;
    evhttp_set_bevcb(server->http, make_stream, server);
}

void *http_upload_sink(struct http_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request->raw);
    struct input *input =
        connection ? input_at(request->server, evhttp_connection_get_bufferevent(connection))
                   : NULL;
    void *sink = input ? input->sink : NULL;

    if (input) input->sink = NULL;
    return sink;
}

/* ---- serving ---- */

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
    free_inputs(server);
    mem_free(server->upload_path);
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
    assert(request->raw);
    return evhttp_find_header(evhttp_request_get_input_headers(request->raw), name);
}

bool http_upload_header(const struct http_request *request, const char *name, char *out,
                        size_t size)
{
    return http_head_value((const char *)request->head->data, request->head->length, name, out,
                           size);
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
