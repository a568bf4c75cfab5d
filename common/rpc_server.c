/* The server's threads, listeners and calls; the protocol of a connection is rpc_conn.c. */
#include "common/rpc_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/rpc_conn.h"

enum {
    POOL_MAX = 1024,         /* calls kept for reuse, per thread */
    OUTPUT_KEPT_MAX = 16384, /* bytes of output memory a pooled call keeps */
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 500,
    TICK_MS = 500,
    BACKLOG_DEFAULT = 256,
    IDLE_MS_DEFAULT = 20000,
    IDLE_THRESHOLD_DEFAULT = 4000,
    HANDSHAKE_MS_DEFAULT = 60000,
};

/* The network thread that is running here, to spare it a wake by its own flush. */
static __thread struct rpc_thread *this_thread;

static struct rpc_full_call *full(const struct rpc_call *call)
{
    struct rpc_full_call *whole = (struct rpc_full_call *)call;
    assert(whole->magic == RPC_CALL_MAGIC);
    return whole;
}

/* --- calls --- */

struct rpc_full_call *rpc_thread_call(struct rpc_thread *thread, struct rpc_conn *conn)
{
    struct rpc_full_call *call = STAILQ_FIRST(&thread->pool);

    if (call) {
        STAILQ_REMOVE_HEAD(&thread->pool, out_link);
        thread->pooled--;
    } else {
        call = NEW(struct rpc_full_call);
        call->magic = RPC_CALL_MAGIC;
    }
    call->conn = conn;
    if (!conn) return call;
    call->pub.user = &conn->user;
    call->pub.peer_ip = conn->peer.host;
    call->pub.peer_port = conn->peer.port;
    call->pub.local_port = conn->local_port;
    call->pub.connection_protocol = conn->protocol;
    return call;
}

static void free_call(struct rpc_full_call *call)
{
    call->magic = 0;
    arena_release(&call->pub.arena);
    buf_release(&call->out);
    mem_free(call);
}

void rpc_thread_recycle(struct rpc_thread *thread, struct rpc_full_call *call)
{
    struct arena arena = call->pub.arena;
    struct buf out = call->out;

    if (thread->pooled >= POOL_MAX) {
        free_call(call);
        return;
    }
    arena_clear(&arena);
    buf_clear(&out);
    if (out.capacity > OUTPUT_KEPT_MAX) buf_release(&out);
    *call = (struct rpc_full_call){.magic = RPC_CALL_MAGIC, .out = out};
    call->pub.arena = arena;
    STAILQ_INSERT_HEAD(&thread->pool, call, out_link);
    thread->pooled++;
}

void rpc_call_run(struct rpc_call *call)
{
    call->op->run(full(call)->conn->thread->server->options.context, call, call->request);
}

static void begin_response(struct rpc_full_call *call, Pb__RpcResponseHeader *header)
{
    assert(!call->answered);
    call->answered = true;
    pb__rpc_response_header__init(header);
    header->callid = (uint32_t)call->pub.call_id;
    header->has_serveripcversionnum = header->has_clientid = header->has_retrycount = true;
    header->serveripcversionnum = RPC_VERSION;
    header->clientid = call->client_id;
    header->retrycount = call->pub.retry_count;
    header->has_stateid = call->pub.response_state_id != 0;
    header->stateid = call->pub.response_state_id;
}

static void put_body(struct rpc_full_call *call, const ProtobufCMessage *message,
                     const void *packed, size_t size)
{
    Pb__RpcResponseHeader header;

    assert(message || packed || !size);
    begin_response(call, &header);
    header.status = PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS;
    size_t begin = rpc_frame_begin(&call->out);
    rpc_put_delimited(&call->out, &header.base);
    buf_put_varint(&call->out, size);
    call->body_offset = call->out.length;
    call->body_size = size;
    if (message)
        protobuf_c_message_pack(message, buf_extend(&call->out, size));
    else
        buf_put(&call->out, packed, size);
    rpc_frame_end(&call->out, begin);
}

/* Java reads lengths as signed numbers. */
static bool refuse_huge(struct rpc_call *call, size_t size)
{
    struct err err = ERR_INIT;

    if (size <= INT32_MAX / 2) return false;
    err_set(&err, ERR_IO,
            "%s: the response of %zu bytes is too large to send; ask for less at a time",
            call->op->method, size);
    rpc_call_fail(call, &err);
    return true;
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    size_t size = protobuf_c_message_get_packed_size(response);

    if (!refuse_huge(call, size)) put_body(full(call), response, NULL, size);
}

void rpc_call_reply_packed(struct rpc_call *call, const void *response, size_t size)
{
    if (!refuse_huge(call, size)) put_body(full(call), NULL, response, size);
}

void rpc_call_fail(struct rpc_call *call, const struct err *err)
{
    struct rpc_full_call *whole = full(call);
    Pb__RpcResponseHeader header;

    begin_response(whole, &header);
    rpc_response_set_error(&header, PB__RPC_RESPONSE_HEADER__RPC_STATUS__ERROR,
                           rpc_error_detail(err->code), err);
    rpc_put_response(&whole->out, &header, NULL);
}

bool rpc_call_answered(const struct rpc_call *call)
{
    return full(call)->answered;
}

const uint8_t *rpc_call_response(const struct rpc_call *call, size_t *size)
{
    const struct rpc_full_call *whole = full(call);

    *size = whole->body_size;
    return whole->body_offset ? whole->out.data + whole->body_offset : NULL;
}

void rpc_call_unanswer(struct rpc_call *call)
{
    struct rpc_full_call *whole = full(call);

    buf_clear(&whole->out);
    whole->answered = false;
    whole->body_offset = whole->body_size = 0;
}

void rpc_call_release(struct rpc_call *call)
{
    struct rpc_full_call *whole = full(call);
    struct rpc_thread *thread = whole->conn->thread;
    struct rpc_full_call *head = atomic_load_explicit(&thread->released, memory_order_relaxed);

    do {
        whole->released_next = head;
    } while (!atomic_compare_exchange_weak(&thread->released, &head, whole));
}

static void wake(struct rpc_thread *thread)
{
    uint64_t one = 1;

    while (write(thread->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

void rpc_server_flush(struct rpc_server *server)
{
    for (int i = 0; i < server->options.threads; i++) {
        struct rpc_thread *thread = &server->threads[i];
        if (thread == this_thread || !atomic_load(&thread->released)) continue;
        if (!atomic_exchange(&thread->wake_sent, true)) wake(thread);
    }
}

/* --- a network thread's turn --- */

void rpc_thread_dirty(struct rpc_conn *conn)
{
    if (conn->dirty) return;
    conn->dirty = true;
    conn->refs++;
    STAILQ_INSERT_TAIL(&conn->thread->dirty, conn, dirty_link);
}

static void take_back(struct rpc_thread *thread, struct rpc_full_call *call)
{
    struct rpc_conn *conn = call->conn;

    assert(conn->calls > 0 && thread->calls > 0);
    conn->calls--;
    thread->calls--;
    atomic_fetch_sub_explicit(&thread->calls_in_flight, 1, memory_order_relaxed);
    if (conn->state == RPC_CONN_OPEN) rpc_thread_dirty(conn); /* to write, or to read on */
    if (conn->state == RPC_CONN_OPEN && call->answered) {
        arena_clear(&call->pub.arena);
        conn->out_bytes += call->out.length;
        STAILQ_INSERT_TAIL(&conn->out, call, out_link);
    } else {
        rpc_thread_recycle(thread, call);
    }
    rpc_conn_put(conn);
}

/* Takes back all released calls, oldest first. False when there were none. */
static bool take_released(struct rpc_thread *thread)
{
    struct rpc_full_call *newest = atomic_exchange(&thread->released, NULL), *oldest = NULL;

    if (!newest) return false;
    while (newest) {
        struct rpc_full_call *next = newest->released_next;
        newest->released_next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct rpc_full_call *next = oldest->released_next;
        take_back(thread, oldest);
        oldest = next;
    }
    return true;
}

static void serve_dirty(struct rpc_thread *thread)
{
    while (!STAILQ_EMPTY(&thread->dirty)) {
        struct rpc_conn *conn = STAILQ_FIRST(&thread->dirty);
        STAILQ_REMOVE_HEAD(&thread->dirty, dirty_link);
        conn->dirty = false;
        rpc_conn_flush(conn);
        rpc_conn_resume(conn);
        rpc_conn_put(conn);
    }
}

/* Connections that waited for the thread's share of calls, in turn. */
static void resume_paused(struct rpc_thread *thread)
{
    struct rpc_conn *conn, *next;

    if (thread->calls > thread->calls_max / 2) return;
    for (conn = TAILQ_FIRST(&thread->paused); conn && thread->calls < thread->calls_max;
         conn = next) {
        next = TAILQ_NEXT(conn, paused_link);
        rpc_conn_resume(conn);
    }
}

/* Serving one thing may release calls, whose connections read on, and so forth; each round takes
 * what the last one left, and input that is in memory is finite. */
static void end_turn(void *arg)
{
    struct rpc_thread *thread = arg;
    const struct rpc_server_options *options = &thread->server->options;

    do {
        serve_dirty(thread);
        resume_paused(thread);
        if (thread->submitted && options->submit_end) options->submit_end(options->context);
        thread->submitted = false;
    } while (take_released(thread) || !STAILQ_EMPTY(&thread->dirty));
}

void rpc_thread_turn_end(struct rpc_thread *thread)
{
    loop_timer_soon(thread->turn_end);
}

static void take_incoming(struct rpc_thread *thread)
{
    for (;;) {
        pthread_mutex_lock(&thread->lock);
        int fd = thread->incoming_count ? thread->incoming[--thread->incoming_count] : -1;
        pthread_mutex_unlock(&thread->lock);
        if (fd < 0) return;
        rpc_conn_open(thread, fd);
    }
}

static void on_wake(int fd, unsigned events UNUSED, void *arg)
{
    struct rpc_thread *thread = arg;
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
    atomic_store(&thread->wake_sent, false); /* before looking, so that no release goes unseen */
    take_incoming(thread);
    take_released(thread);
    rpc_thread_turn_end(thread);
}

static void on_tick(void *arg)
{
    struct rpc_thread *thread = arg;

    rpc_conn_tick(thread, clock_mono_ms());
    rpc_thread_turn_end(thread);
}

/* --- listening --- */

static void give_connection(struct rpc_server *server, int fd)
{
    struct rpc_thread *thread = &server->threads[server->next_thread];

    server->next_thread = (server->next_thread + 1) % (size_t)server->options.threads;
    atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&server->connections_total, 1, memory_order_relaxed);
    if (thread == this_thread) {
        rpc_conn_open(thread, fd);
        return;
    }
    pthread_mutex_lock(&thread->lock);
    GROW(thread->incoming, thread->incoming_capacity, thread->incoming_count + 1);
    thread->incoming[thread->incoming_count++] = fd;
    pthread_mutex_unlock(&thread->lock);
    if (!atomic_exchange(&thread->wake_sent, true)) wake(thread);
}

static void watch_listeners(struct rpc_server *server, unsigned events)
{
    for (size_t i = 0; i < server->listener_count; i++)
        loop_watch_set(server->listeners[i].watch, events);
}

static void on_accept_again(void *arg)
{
    watch_listeners(arg, LOOP_READ);
}

static void on_accept(int listen_fd, unsigned events UNUSED, void *arg)
{
    struct rpc_listener *listener = arg;
    struct rpc_server *server = listener->server;

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct err err = ERR_INIT;
        int fd, rc = net_accept(listen_fd, true, &fd, &err);
        if (rc == ERR_TIMEOUT) return;
        if (rc) { /* out of descriptors or memory: the listener would stay readable and spin */
            log_limited(LOG_ERROR, 10000, "%s: port %u: %s; new connections wait", server->name,
                        (unsigned)listener->port, err.text);
            watch_listeners(server, 0);
            loop_timer_start(server->accept_again, ACCEPT_PAUSE_MS);
            return;
        }
        if (atomic_load_explicit(&server->connections, memory_order_relaxed) >=
            server->options.connections_max) {
            log_limited(LOG_WARN, 10000, "%s: port %u: more than %u connections: closing new ones",
                        server->name, (unsigned)listener->port, server->options.connections_max);
            close(fd);
            continue;
        }
        give_connection(server, fd);
    }
}

int rpc_server_listen(struct rpc_server *server, const char *host, uint16_t port,
                      uint16_t *port_out, struct err *err)
{
    struct net_addr addr = {.port = port};
    struct rpc_listener *listener = &server->listeners[server->listener_count];

    assert(!server->started);
    if (server->listener_count == RPC_LISTENERS_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d listening addresses", server->name,
                       RPC_LISTENERS_MAX);
    if (!str_empty(host) && !str_eq(host, "0.0.0.0") && !str_eq(host, "::"))
        snprintf(addr.host, sizeof addr.host, "%s", host);
    int rc = net_listen(&addr, server->options.backlog, &listener->fd, &listener->port, err);
    if (rc) return rc;
    listener->server = server;
    server->listener_count++;
    if (port_out) *port_out = listener->port;
    return 0;
}

/* --- methods --- */

static struct rpc_protocol *protocol_of(struct rpc_server *server, const char *name, bool add)
{
    for (size_t i = 0; i < server->protocol_count; i++)
        if (str_eq(server->protocols[i].name, name)) return &server->protocols[i];
    if (!add) return NULL;
    GROW(server->protocols, server->protocol_capacity, server->protocol_count + 1);
    struct rpc_protocol *protocol = &server->protocols[server->protocol_count++];
    *protocol = (struct rpc_protocol){.name = name};
    return protocol;
}

static int compare_ops(const void *a, const void *b)
{
    return strcmp((*(const struct rpc_op *const *)a)->method,
                  (*(const struct rpc_op *const *)b)->method);
}

static int compare_method(const void *method, const void *op)
{
    return strcmp(method, (*(const struct rpc_op *const *)op)->method);
}

void rpc_server_add_ops(struct rpc_server *server, const struct rpc_op *ops, size_t count)
{
    assert(!server->started);
    for (size_t i = 0; i < count; i++) {
        struct rpc_protocol *protocol = protocol_of(server, ops[i].protocol, true);
        GROW(protocol->ops, protocol->capacity, protocol->count + 1);
        protocol->ops[protocol->count++] = &ops[i];
    }
    for (size_t i = 0; i < server->protocol_count; i++) {
        struct rpc_protocol *protocol = &server->protocols[i];
        if (protocol->count)
            qsort(protocol->ops, protocol->count, sizeof(const struct rpc_op *), compare_ops);
        for (size_t k = 1; k < protocol->count; k++)
            assert(compare_ops(&protocol->ops[k - 1], &protocol->ops[k]) < 0);
    }
}

const struct rpc_op *rpc_find_op(struct rpc_conn *conn, const Pb__RequestHeader *header,
                                 struct err *err)
{
    const char *name = header->declaringclassprotocolname;

    if (!conn->known || !str_eq(conn->known->name, name))
        conn->known = protocol_of(conn->thread->server, name, false);
    if (!conn->known) {
        err_set(err, ERR_NO_SUCH_PROTOCOL, "Unknown protocol: %s", name);
        return NULL;
    }
    if (header->clientprotocolversion != 1) {
        err_set(err, ERR_RPC_VERSION,
                "Protocol %s version mismatch. (client = %" PRId64 ", server = 1)", name,
                (int64_t)header->clientprotocolversion);
        return NULL;
    }
    const struct rpc_op **op = NULL;
    if (conn->known->count)
        op = bsearch(header->methodname, conn->known->ops, conn->known->count,
                     sizeof(const struct rpc_op *), compare_method);
    if (op) return *op;
    err_set(err, ERR_NO_SUCH_METHOD, "Unknown method %s called on %s protocol.", header->methodname,
            conn->protocol[0] ? conn->protocol : name);
    return NULL;
}

/* --- life --- */

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if (!(field)) (field) = (value);                                                           \
    } while (0)

static void fill_defaults(struct rpc_server_options *options)
{
    if (!options->idle_ms) DEFAULT(options->idle_threshold, IDLE_THRESHOLD_DEFAULT);
    DEFAULT(options->threads, 1);
    DEFAULT(options->frame_max, RPC_FRAME_MAX_DEFAULT);
    DEFAULT(options->connections_max, 65536);
    DEFAULT(options->connection_calls_max, 1024);
    DEFAULT(options->calls_max, 65536);
    DEFAULT(options->output_max, 4 * MIB);
    DEFAULT(options->input_max, GIB);
    DEFAULT(options->idle_ms, IDLE_MS_DEFAULT);
    DEFAULT(options->handshake_ms, HANDSHAKE_MS_DEFAULT);
    DEFAULT(options->backlog, BACKLOG_DEFAULT);
}

static void init_thread(struct rpc_server *server, struct rpc_thread *thread)
{
    thread->server = server;
    thread->wake_fd = -1;
    thread->calls_max = MAX(server->options.calls_max / (uint32_t)server->options.threads, 1u);
    pthread_mutex_init(&thread->lock, NULL);
    STAILQ_INIT(&thread->pool);
    STAILQ_INIT(&thread->dirty);
    TAILQ_INIT(&thread->handshaking);
    TAILQ_INIT(&thread->open);
    TAILQ_INIT(&thread->lingering);
    TAILQ_INIT(&thread->paused);
}

struct rpc_server *rpc_server_new(const struct rpc_server_options *options)
{
    struct rpc_server *server = NEW(struct rpc_server);

    assert(options->submit);
    server->options = *options;
    fill_defaults(&server->options);
    server->name = mem_strdup(options->name ? options->name : "rpc");
    server->options.name = server->name;
    server->threads = NEW_ARRAY(struct rpc_thread, server->options.threads);
    for (int i = 0; i < server->options.threads; i++) init_thread(server, &server->threads[i]);
    /* Every server of Apache's knows it; nobody asks it anything but in old releases. */
    protocol_of(server, "org.apache.hadoop.ipc.ProtocolMetaInfoPB", true);
    return server;
}

static void *thread_main(void *arg)
{
    struct rpc_thread *thread = arg;

    this_thread = thread;
    loop_run(thread->loop);
    this_thread = NULL;
    return NULL;
}

static int open_thread(struct rpc_thread *thread, struct err *err)
{
    thread->loop = loop_new(err);
    if (!thread->loop) return err ? err->code : ERR_IO;
    thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->wake_fd < 0) return err_set_errno(err, errno, "start a network thread");
    thread->scratch = mem_alloc(RPC_READ_CHUNK);
    thread->wake_watch = loop_watch_new(thread->loop, thread->wake_fd, on_wake, thread);
    loop_watch_set(thread->wake_watch, LOOP_READ);
    thread->turn_end = loop_timer_new(thread->loop, end_turn, thread);
    thread->tick = loop_timer_new(thread->loop, on_tick, thread);
    loop_timer_start_every(thread->tick, TICK_MS);
    return 0;
}

static void watch_new_listeners(struct rpc_server *server)
{
    struct loop *loop = server->threads[0].loop;

    server->accept_again = loop_timer_new(loop, on_accept_again, server);
    for (size_t i = 0; i < server->listener_count; i++) {
        struct rpc_listener *listener = &server->listeners[i];
        listener->watch = loop_watch_new(loop, listener->fd, on_accept, listener);
    }
    watch_listeners(server, LOOP_READ);
}

static int run_thread(struct rpc_thread *thread, int number, struct err *err)
{
    char name[32];
    sigset_t all, before;

    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->thread, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) return err_set_errno(err, failed, "start a network thread");
    thread->started = true;
    snprintf(name, sizeof name, "%.8s-rpc%d", thread->server->name, number);
    name[15] = '\0'; /* the kernel takes no more */
    pthread_setname_np(thread->thread, name);
    return 0;
}

int rpc_server_start(struct rpc_server *server, struct err *err)
{
    int rc = 0;

    assert(!server->started);
    server->started = true;
    for (int i = 0; i < server->options.threads && !rc; i++)
        rc = open_thread(&server->threads[i], err);
    if (!rc) watch_new_listeners(server);
    for (int i = 0; i < server->options.threads && !rc; i++)
        rc = run_thread(&server->threads[i], i, err);
    if (rc) {
        rpc_server_stop(server);
        return err_wrap(err, rc, "start the RPC server of %s", server->name);
    }
    return 0;
}

static void close_all(struct rpc_conn_list *list)
{
    while (!TAILQ_EMPTY(list)) rpc_conn_close(TAILQ_FIRST(list));
}

/* Answers that were given before the end leave, as far as the sockets take them. */
static void send_last(struct rpc_thread *thread)
{
    take_released(thread);
    while (!STAILQ_EMPTY(&thread->dirty)) {
        struct rpc_conn *conn = STAILQ_FIRST(&thread->dirty);
        STAILQ_REMOVE_HEAD(&thread->dirty, dirty_link);
        conn->dirty = false;
        rpc_conn_flush(conn);
        rpc_conn_put(conn);
    }
}

/* The thread has ended: what it owned is ours. Calls in flight stay with their connection's memory.
 */
static void close_thread(struct rpc_thread *thread)
{
    send_last(thread);
    close_all(&thread->handshaking);
    close_all(&thread->open);
    close_all(&thread->lingering);
    while (thread->incoming_count) close(thread->incoming[--thread->incoming_count]);
    loop_timer_free(thread->tick);
    loop_timer_free(thread->turn_end);
    thread->tick = thread->turn_end = NULL;
    loop_watch_free(thread->wake_watch);
    thread->wake_watch = NULL;
    loop_free(thread->loop);
    thread->loop = NULL;
}

void rpc_server_stop(struct rpc_server *server)
{
    for (int i = 0; i < server->options.threads; i++)
        if (server->threads[i].started) loop_stop(server->threads[i].loop);
    for (int i = 0; i < server->options.threads; i++) {
        if (server->threads[i].started) pthread_join(server->threads[i].thread, NULL);
        server->threads[i].started = false;
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        loop_watch_free(server->listeners[i].watch);
        close(server->listeners[i].fd);
    }
    server->listener_count = 0;
    loop_timer_free(server->accept_again);
    server->accept_again = NULL;
    for (int i = 0; i < server->options.threads; i++) close_thread(&server->threads[i]);
}

static void free_thread(struct rpc_thread *thread)
{
    take_released(thread);
    serve_dirty(thread); /* gives back references of closed connections */
    assert(!thread->calls && "a call was not released before its server was freed");
    while (!STAILQ_EMPTY(&thread->pool)) {
        struct rpc_full_call *call = STAILQ_FIRST(&thread->pool);
        STAILQ_REMOVE_HEAD(&thread->pool, out_link);
        free_call(call);
    }
    if (thread->wake_fd >= 0)
        close(thread->wake_fd); /* kept until now: a late flush may write to it */
    pthread_mutex_destroy(&thread->lock);
    mem_free(thread->incoming);
    mem_free(thread->scratch);
}

void rpc_server_free(struct rpc_server *server)
{
    if (!server) return;
    rpc_server_stop(server);
    for (int i = 0; i < server->options.threads; i++) free_thread(&server->threads[i]);
    for (size_t i = 0; i < server->protocol_count; i++) mem_free(server->protocols[i].ops);
    mem_free(server->protocols);
    mem_free(server->threads);
    mem_free(server->name);
    mem_free(server);
}

void rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *stats)
{
    *stats = (struct rpc_server_stats){
        .connections = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .connections_total =
            atomic_load_explicit(&server->connections_total, memory_order_relaxed)};
    for (int i = 0; i < server->options.threads; i++) {
        struct rpc_thread *thread = &server->threads[i];
        stats->calls_in_flight +=
            atomic_load_explicit(&thread->calls_in_flight, memory_order_relaxed);
        stats->calls_total += atomic_load_explicit(&thread->calls_total, memory_order_relaxed);
        stats->bytes_received +=
            atomic_load_explicit(&thread->bytes_received, memory_order_relaxed);
        stats->bytes_sent += atomic_load_explicit(&thread->bytes_sent, memory_order_relaxed);
        stats->refused += atomic_load_explicit(&thread->refused, memory_order_relaxed);
    }
}
