#include "benchmarks/lib/flood.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

/* Ids from here on have a zigzag varint of five bytes; below are the slot's eight bits. */
enum { CALL_ID_FIRST = 1 << 27, CALL_ID_MASK = (1 << 30) - 1, READ_SIZE = 256 << 10, EVENTS = 64 };

struct slot {
    struct flood_call call;
    bool busy;
};

struct connection {
    int fd;
    unsigned number;
    uint8_t client_id[RPC_CLIENT_ID_SIZE];
    uint32_t calls;
    unsigned busy;
    struct buf in, out;
    bool waits_to_write;
    struct slot slots[FLOOD_IN_FLIGHT_MAX];
};

struct worker {
    struct flood *flood;
    pthread_t thread;
    int epoll;
    unsigned first, count; /* of the connections */
    unsigned busy;         /* connections with calls in flight */
    struct flood_result result;
};

struct flood {
    unsigned connections, in_flight, threads;
    struct connection *all;
    struct worker *workers;
    const struct flood_work *work;
    atomic_uint_fast64_t next;
};

static void send_out(struct worker *worker, struct connection *connection)
{
    struct buf *out = &connection->out;

    while (out->length) {
        ssize_t sent = send(connection->fd, out->data, out->length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EAGAIN) die("connection lost: %s", strerror(errno));
        if (sent < 0) break;
        buf_consume(out, (size_t)sent);
    }
    if (connection->waits_to_write == (out->length > 0)) return;
    connection->waits_to_write = out->length > 0;
    struct epoll_event event = {.events = EPOLLIN | (out->length ? EPOLLOUT : 0),
                                .data.ptr = connection};
    epoll_ctl(worker->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

static void put_call(struct flood *flood, struct connection *connection, struct flood_call *call)
{
    uint32_t slot = (uint32_t)(CONTAINER_OF(call, struct slot, call) - connection->slots);

    call->call_id = CALL_ID_FIRST +
                    (int32_t)((connection->calls++ << 8 | slot) & (CALL_ID_MASK - CALL_ID_FIRST));
    flood->work->request(flood->work->context, call, &connection->out);
}

/* The next operation into a free slot; false when there is none left. */
static bool put_next(struct flood *flood, struct connection *connection, struct slot *slot,
                     int64_t now)
{
    uint64_t index = atomic_fetch_add_explicit(&flood->next, 1, memory_order_relaxed);

    if (index >= flood->work->count) return false;
    slot->call =
        (struct flood_call){.connection = connection->number, .index = index, .start_ns = now};
    slot->busy = true;
    connection->busy++;
    put_call(flood, connection, &slot->call);
    return true;
}

static void keep_error(struct flood_result *result, const uint8_t *header, size_t size)
{
    Pb__RpcResponseHeader *message;

    if (result->failed++) return;
    message = pb__rpc_response_header__unpack(NULL, size, header);
    snprintf(result->error, sizeof result->error, "%s: %s",
             message && message->exceptionclassname ? message->exceptionclassname : "?",
             message && message->errormsg ? message->errormsg : "?");
    result->error[strcspn(result->error, "\n")] = 0;
    pb__rpc_response_header__free_unpacked(message, NULL);
}

static void take_answer(struct worker *worker, struct connection *connection, struct cursor frame,
                        int64_t now)
{
    struct cursor header = cursor_delimited(&frame), whole = header;
    struct flood *flood = worker->flood;

    /* callId is field 1, status field 2: both first, as every server writes them. */
    if (cursor_u8(&header) != 0x08) die("an answer without call id");
    uint32_t call_id = (uint32_t)cursor_varint(&header);
    if (cursor_u8(&header) != 0x10 || !cursor_ok(&header)) die("an answer without status");
    uint64_t status = cursor_varint(&header);
    struct slot *slot = &connection->slots[call_id & 0xff];
    if (!slot->busy || (uint32_t)slot->call.call_id != call_id)
        die("an answer to call %" PRIu32 " that is not in flight", call_id);
    if (status) {
        keep_error(&worker->result, whole.at, cursor_left(&whole));
        if (status == PB__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL) die("%s", worker->result.error);
    } else if (flood->work->answer) {
        struct cursor body = cursor_delimited(&frame);
        if (flood->work->answer(flood->work->context, &slot->call, &body)) {
            slot->call.step++;
            put_call(flood, connection, &slot->call);
            return;
        }
    }
    slot->busy = false;
    connection->busy--;
    worker->result.done++;
    histogram_add(&worker->result.latency, now - slot->call.start_ns);
    put_next(flood, connection, slot, now);
}

static void take_frames(struct worker *worker, struct connection *connection, int64_t now)
{
    struct buf *in = &connection->in;
    size_t at = 0;

    while (in->length - at >= 4) {
        uint32_t size = get_be32(in->data + at);
        if (in->length - at - 4 < size) break;
        take_answer(worker, connection, cursor_of(in->data + at + 4, size), now);
        at += 4 + size;
    }
    buf_consume(in, at);
}

static void read_in(struct worker *worker, struct connection *connection)
{
    for (;;) {
        buf_reserve(&connection->in, READ_SIZE);
        ssize_t got =
            recv(connection->fd, connection->in.data + connection->in.length, READ_SIZE, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) die("connection lost: %s", got ? strerror(errno) : "the server closed it");
        connection->in.length += (size_t)got;
        take_frames(worker, connection, clock_mono_ns());
        if (got < READ_SIZE) return;
    }
}

static void begin(struct worker *worker, struct connection *connection)
{
    int64_t now = clock_mono_ns();

    for (unsigned i = 0; i < worker->flood->in_flight; i++)
        if (!put_next(worker->flood, connection, &connection->slots[i], now)) break;
    worker->busy += connection->busy > 0;
    send_out(worker, connection);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct epoll_event events[EVENTS];

    for (unsigned i = 0; i < worker->count; i++)
        begin(worker, &worker->flood->all[worker->first + i]);
    while (worker->busy) {
        int count = epoll_wait(worker->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT) read_in(worker, connection);
            send_out(worker, connection);
            worker->busy -= connection->busy == 0;
        }
    }
    return NULL;
}

static void open_connection(struct flood *flood, struct connection *connection,
                            const struct net_addr *address, const char *user, const char *protocol)
{
    struct err err = ERR_INIT;
    struct rpc_request_id id = {.client_id = connection->client_id};
    struct buf hello = {0};

    connection->number = (unsigned)(connection - flood->all);
    rpc_client_id_random(connection->client_id);
    rpc_put_preamble(&hello, 0, RPC_AUTH_NONE);
    rpc_put_context(&hello, &id, user, NULL, protocol);
    if (net_connect(address, deadline_in(10 * SECOND_MS), &connection->fd, &err) ||
        net_write_full(connection->fd, hello.data, hello.length, DEADLINE_NEVER, &err) ||
        net_set_nonblock(connection->fd, true, &err))
        die("%s", err.text);
    buf_release(&hello);
}

struct flood *flood_new(const struct net_addr *address, unsigned connections, unsigned in_flight,
                        unsigned threads, const char *user, const char *protocol)
{
    struct flood *flood = NEW(struct flood);
    unsigned next = 0;

    flood->connections = connections;
    flood->in_flight = MIN(in_flight, (unsigned)FLOOD_IN_FLIGHT_MAX);
    flood->threads = MIN(threads, connections);
    flood->all = NEW_ARRAY(struct connection, connections);
    flood->workers = NEW_ARRAY(struct worker, flood->threads);
    for (unsigned i = 0; i < flood->threads; i++) {
        struct worker *worker = &flood->workers[i];
        worker->flood = flood;
        worker->epoll = epoll_create1(EPOLL_CLOEXEC);
        worker->first = next;
        worker->count = connections / flood->threads + (i < connections % flood->threads);
        next += worker->count;
        for (unsigned j = worker->first; j < next; j++) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = &flood->all[j]};
            open_connection(flood, &flood->all[j], address, user, protocol);
            epoll_ctl(worker->epoll, EPOLL_CTL_ADD, flood->all[j].fd, &event);
        }
    }
    return flood;
}

const uint8_t *flood_client_id(const struct flood *flood, unsigned connection)
{
    return flood->all[connection].client_id;
}

void flood_run(struct flood *flood, const struct flood_work *work, struct flood_result *result)
{
    int64_t start = clock_mono_ns();

    *result = (struct flood_result){0};
    flood->work = work;
    atomic_store(&flood->next, 0);
    for (unsigned i = 0; i < flood->threads; i++) {
        struct worker *worker = &flood->workers[i];
        worker->result = (struct flood_result){0};
        if (pthread_create(&worker->thread, NULL, worker_main, worker)) die("no thread to be had");
    }
    for (unsigned i = 0; i < flood->threads; i++) {
        struct worker *worker = &flood->workers[i];
        pthread_join(worker->thread, NULL);
        if (!result->failed) memcpy(result->error, worker->result.error, sizeof result->error);
        result->done += worker->result.done;
        result->failed += worker->result.failed;
        histogram_merge(&result->latency, &worker->result.latency);
    }
    result->elapsed_ns = clock_mono_ns() - start;
}

void flood_free(struct flood *flood)
{
    for (unsigned i = 0; i < flood->connections; i++) {
        close(flood->all[i].fd);
        buf_release(&flood->all[i].in);
        buf_release(&flood->all[i].out);
    }
    for (unsigned i = 0; i < flood->threads; i++) close(flood->workers[i].epoll);
    mem_free(flood->workers);
    mem_free(flood->all);
    mem_free(flood);
}
