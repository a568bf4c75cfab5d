#include "common/rpc_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

enum {
    READ_CHUNK = 64 << 10,
    INPUT_KEPT_MAX = 256 << 10,
    SEND_POLL_MS = 20, /* how often a blocked sender looks whether it must read itself */
};

int rpc_link_open(struct rpc_client *client, struct rpc_link **out, struct err *err)
{
    int fd;
    int rc =
        net_connect(&client->server, deadline_in(client->options.connect_timeout_ms), &fd, err);

    if (rc == ERR_TIMEOUT)
        err_set(err, rc,
                "%d millis timeout while waiting for channel to be ready for connect. ch : "
                "java.nio.channels.SocketChannel[connection-pending remote=%s]",
                client->options.connect_timeout_ms, client->address);
    if (rc) return rpc_wrap_network_error(err, client->server.host, client->server.port);
    struct rpc_link *link = NEW(struct rpc_link);
    net_set_keepalive(fd);
    link->client = client;
    link->fd = fd;
    link->refs = 1;
    TAILQ_INIT(&link->pending);
    link->last_sent_ms = link->last_received_ms = clock_mono_ms();
    *out = link;
    return 0;
}

void rpc_link_get(struct rpc_link *link)
{
    link->refs++;
}

void rpc_link_put(struct rpc_link *link)
{
    assert(link->refs > 0);
    if (--link->refs) return;
    assert(TAILQ_EMPTY(&link->pending) && !link->reading);
    close(link->fd);
    buf_release(&link->in);
    arena_release(&link->arena);
    mem_free(link);
}

static void finish(struct rpc_pending *pending)
{
    struct rpc_link *link = pending->link;

    TAILQ_REMOVE(&link->pending, pending, entry);
    link->in_flight--;
    pending->done = true;
    pthread_cond_signal(&pending->wake);
}

static void finish_error(struct rpc_pending *pending, const struct err *err, bool remote)
{
    pending->err = NEW(struct err);
    *pending->err = *err;
    pending->remote = remote;
    finish(pending);
}

void rpc_link_break(struct rpc_link *link, const struct err *err, bool remote)
{
    struct rpc_client *client = link->client;

    if (link->broken) return;
    link->broken = true;
    shutdown(link->fd,
             SHUT_RDWR); /* wakes the reader; the descriptor goes with the last reference */
    while (!TAILQ_EMPTY(&link->pending)) finish_error(TAILQ_FIRST(&link->pending), err, remote);
    if (client->link != link) return;
    client->link = NULL;
    rpc_link_put(link);
}

/* --- responses --- */

static struct rpc_pending *find_pending(struct rpc_link *link, int32_t call_id)
{
    struct rpc_pending *pending;

    TAILQ_FOREACH (pending, &link->pending, entry)
        if (pending->call_id == call_id) return pending;
    return NULL;
}

/* The text without the stack trace that Apache's servers append. */
static void remote_error(const Pb__RpcResponseHeader *header, struct arena *arena, struct err *err)
{
    char *text = arena_strdup(arena, header->errormsg ? header->errormsg
                                                      : "the server sent an error without a text");
    char *trace = strstr(text, "\n\tat ");

    if (trace) *trace = '\0';
    size_t length = strlen(text);
    while (length && text[length - 1] == '\n') text[--length] = '\0';
    err_from_java(
        err, header->exceptionclassname ? header->exceptionclassname : "java.io.IOException", text);
}

static int check_response(struct rpc_link *link, const Pb__RpcResponseHeader *header,
                          struct err *err)
{
    const uint8_t *own = link->client->options.identity->client_id;

    if (header->has_clientid && header->clientid.len &&
        (header->clientid.len != RPC_CLIENT_ID_SIZE ||
         memcmp(header->clientid.data, own, RPC_CLIENT_ID_SIZE) != 0))
        return err_set(err, ERR_BAD_MESSAGE, "a response from %s is for another client",
                       link->client->address);
    return 0;
}

/* One response frame. The reader's, without the lock; an error breaks the link. */
static int on_response(struct rpc_link *link, const uint8_t *frame, size_t size, bool *remote,
                       struct err *err)
{
    struct cursor cursor = cursor_of(frame, size);
    struct err failure = ERR_INIT;

    arena_clear(&link->arena);
    const Pb__RpcResponseHeader *header = (const Pb__RpcResponseHeader *)rpc_take_delimited(
        &cursor, &pb__rpc_response_header__descriptor, &link->arena, err);
    if (!header)
        return err_wrap(err, err->code, "the response header from %s", link->client->address);
    int rc = check_response(link, header, err);
    if (rc) return rc;
    bool success = header->status == PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS;
    if (!success) remote_error(header, &link->arena, &failure);
    if (!success && header->status != PB__RPC_RESPONSE_HEADER__RPC_STATUS__ERROR) {
        *err = failure; /* FATAL: the server closes; every call ends with this */
        *remote = true;
        return err->code;
    }
    pthread_mutex_lock(&link->client->lock);
    struct rpc_pending *pending = find_pending(link, (int32_t)header->callid);
    if (pending && success) {
        buf_put(&pending->answer, cursor.at, cursor_left(&cursor));
        finish(pending);
    } else if (pending) {
        finish_error(pending, &failure, true);
    } /* else its caller gave up waiting */
    pthread_mutex_unlock(&link->client->lock);
    return 0;
}

/* Hands out the whole frames in link->in. */
static int take_responses(struct rpc_link *link, bool *remote, struct err *err)
{
    size_t taken = 0;
    int rc = 0;

    while (link->in.length - taken >= 4) {
        uint32_t size = get_be32(link->in.data + taken);
        if (size == UINT32_MAX)
            return err_set(err, ERR_RPC_VERSION, "%s answers with a version of Hadoop RPC before 9",
                           link->client->address);
        if (size > link->client->options.response_max)
            return err_set(err, ERR_LIMIT,
                           "RPC response of %u bytes from %s exceeds maximum data length %u; see "
                           "ipc.maximum.response.length",
                           size, link->client->address, link->client->options.response_max);
        if (link->in.length - taken - 4 < size) break;
        rc = on_response(link, link->in.data + taken + 4, size, remote, err);
        if (rc) return rc;
        taken += 4 + (size_t)size;
    }
    buf_consume(&link->in, taken);
    if (!link->in.length && link->in.capacity > INPUT_KEPT_MAX) buf_release(&link->in);
    return 0;
}

/* Waits for bytes, and takes what came. The reader's, without the lock. */
static int read_some(struct rpc_link *link, int64_t deadline, bool *remote, struct err *err)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLIN};
    int ready = poll(&pfd, 1, deadline_left_ms(deadline));
    size_t got;

    if (ready <= 0) return 0; /* too late, or a signal: the caller looks at its clock */
    /* Large responses grow the buffer by half at a time, as their bytes arrive. */
    buf_reserve(&link->in, MAX((size_t)READ_CHUNK, link->in.length / 2));
    int rc = net_read_some(link->fd, link->in.data + link->in.length,
                           link->in.capacity - link->in.length, &got, DEADLINE_NEVER, err);
    if (!rc && !got) rc = err_set(err, ERR_EOF, "the server closed the connection");
    if (rc)
        return rpc_wrap_network_error(err, link->client->server.host, link->client->server.port);
    link->in.length += got;
    __atomic_store_n(&link->last_received_ms, clock_mono_ms(), __ATOMIC_RELAXED);
    return take_responses(link, remote, err);
}

void rpc_link_read(struct rpc_link *link, int64_t deadline)
{
    struct err err = ERR_INIT;
    bool remote = false;

    assert(!link->reading);
    link->reading = true;
    rpc_link_get(link);
    pthread_mutex_unlock(&link->client->lock);
    int rc = read_some(link, deadline, &remote, &err);
    pthread_mutex_lock(&link->client->lock);
    link->reading = false;
    if (rc) rpc_link_break(link, &err, remote);
    rpc_link_put(link);
}

void rpc_link_pass_on(struct rpc_link *link)
{
    struct rpc_pending *pending;

    if (link->reading) return;
    TAILQ_FOREACH (pending, &link->pending, entry)
        if (pending->waiting) {
            pthread_cond_signal(&pending->wake);
            return;
        }
}

/* --- sending --- */

/* The socket takes nothing: perhaps the server does not read because we do not. */
static int wait_to_send(struct rpc_link *link, int64_t deadline)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLOUT};

    if (deadline_left_ms(deadline) == 0) return ERR_TIMEOUT;
    if (poll(&pfd, 1, SEND_POLL_MS) > 0) return 0;
    pthread_mutex_lock(&link->client->lock);
    if (!link->reading && !link->broken) {
        rpc_link_read(link, deadline_in(0));
        rpc_link_pass_on(link);
    }
    pthread_mutex_unlock(&link->client->lock);
    return 0;
}

int rpc_link_send(struct rpc_link *link, const struct buf *bytes, int64_t deadline, bool *sent,
                  struct err *err)
{
    size_t done = 0;

    while (done < bytes->length) {
        ssize_t n =
            send(link->fd, bytes->data + done, bytes->length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) *sent = true;
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_to_send(link, deadline)) continue;
            err_set(err, ERR_TIMEOUT, "the server takes no more bytes");
            return rpc_wrap_network_error(err, link->client->server.host,
                                          link->client->server.port);
        } else if (errno != EINTR) {
            err_set_errno(err, errno, "send a request");
            return rpc_wrap_network_error(err, link->client->server.host,
                                          link->client->server.port);
        }
    }
    __atomic_store_n(&link->last_sent_ms, clock_mono_ms(), __ATOMIC_RELAXED);
    return 0;
}

bool rpc_link_is_stale(const struct rpc_link *link)
{
    uint8_t byte;
    ssize_t got = recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
