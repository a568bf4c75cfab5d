/* Calls out; the connection beneath is rpc_link.c. */
#include "common/rpc_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/rpc_link.h"

enum {
    CONNECT_TIMEOUT_MS = 20000,
    CALL_TIMEOUT_MS = 120000,
    PING_INTERVAL_MS = 60000,
    IDLE_MS = 10000,
    IN_FLIGHT_MAX = 1024,
};

void rpc_identity_init(struct rpc_identity *identity)
{
    rpc_client_id_random(identity->client_id);
    atomic_store(&identity->next_call_id, 0);
}

int32_t rpc_identity_next(struct rpc_identity *identity)
{
    return (int32_t)(atomic_fetch_add_explicit(&identity->next_call_id, 1, memory_order_relaxed) &
                     INT32_MAX);
}

/* --- life --- */

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if (!(field)) (field) = (value);                                                           \
    } while (0)

static void fill_defaults(struct rpc_client_options *options)
{
    DEFAULT(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    DEFAULT(options->timeout_ms, CALL_TIMEOUT_MS);
    DEFAULT(options->ping_interval_ms, PING_INTERVAL_MS);
    DEFAULT(options->idle_ms, IDLE_MS);
    DEFAULT(options->response_max, RPC_FRAME_MAX_DEFAULT);
    DEFAULT(options->in_flight_max, IN_FLIGHT_MAX);
}

static char *copy(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

struct rpc_client *rpc_client_new(const struct rpc_client_options *options)
{
    struct rpc_client *client = NEW(struct rpc_client);

    assert(options->host && options->protocol && options->user);
    client->options = *options;
    fill_defaults(&client->options);
    client->options.host = copy(options->host);
    client->options.protocol = copy(options->protocol);
    client->options.user = copy(options->user);
    client->options.real_user = copy(options->real_user);
    client->options.caller_context = copy(options->caller_context);
    if (!options->identity) {
        rpc_identity_init(&client->own_identity);
        client->options.identity = &client->own_identity;
    }
    snprintf(client->server.host, sizeof client->server.host, "%s", options->host);
    client->server.port = options->port;
    net_format(&client->server, client->address, sizeof client->address);
    pthread_mutex_init(&client->send_lock, NULL);
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

void rpc_client_disconnect(struct rpc_client *client)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_CONNECTION_LOST, "the connection to %s was closed by this program",
            client->address);
    pthread_mutex_lock(&client->lock);
    if (client->link) rpc_link_break(client->link, &err, false);
    pthread_mutex_unlock(&client->lock);
}

void rpc_client_free(struct rpc_client *client)
{
    if (!client) return;
    rpc_client_disconnect(client);
    pthread_mutex_destroy(&client->send_lock);
    pthread_mutex_destroy(&client->lock);
    mem_free((char *)client->options.host);
    mem_free((char *)client->options.protocol);
    mem_free((char *)client->options.user);
    mem_free((char *)client->options.real_user);
    mem_free((char *)client->options.caller_context);
    mem_free(client);
}

const char *rpc_client_address(const struct rpc_client *client)
{
    return client->address;
}

/* --- starting a call --- */

static struct rpc_pending *pending_new(struct rpc_client *client, const struct rpc_attempt *attempt,
                                       const char *method)
{
    struct rpc_pending *pending = NEW(struct rpc_pending);
    pthread_condattr_t attributes;

    pending->client = client;
    pending->call_id = attempt->call_id;
    pending->timeout_ms = attempt->timeout_ms ? attempt->timeout_ms : client->options.timeout_ms;
    snprintf(pending->method, sizeof pending->method, "%s", method);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pending->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return pending;
}

/* Not linked to a connection any more. */
static void pending_free(struct rpc_pending *pending)
{
    pthread_cond_destroy(&pending->wake);
    buf_release(&pending->answer);
    mem_free(pending->err);
    mem_free(pending);
}

/* A connection nobody used for a while may be closed by the server at any moment, and one that is
 * closed already shows it: better to notice before a request is lost on it. With both locks. */
static void drop_if_unusable(struct rpc_client *client)
{
    struct rpc_link *link = client->link;
    struct err err = ERR_INIT;

    if (!link || link->in_flight || link->reading) return;
    int64_t last_ms = MAX(__atomic_load_n(&link->last_sent_ms, __ATOMIC_RELAXED),
                          __atomic_load_n(&link->last_received_ms, __ATOMIC_RELAXED));
    if (clock_mono_ms() - last_ms < client->options.idle_ms && !rpc_link_is_stale(link)) return;
    err_set(&err, ERR_CONNECTION_LOST, "idle");
    rpc_link_break(link, &err, false);
}

/* Waits, reading, until one more call may be in flight. With both locks. */
static int wait_for_place(struct rpc_client *client, struct err *err)
{
    int64_t deadline = deadline_in(client->options.timeout_ms);
    struct rpc_link *link;

    while ((link = client->link) && link->in_flight >= client->options.in_flight_max) {
        if (deadline_left_ms(deadline) == 0)
            return err_set(err, ERR_TIMEOUT, "%u calls to %s are in flight and none is answered",
                           link->in_flight, client->address);
        if (!link->reading) {
            rpc_link_get(link);
            rpc_link_read(link, MIN(deadline, deadline_in(100)));
            rpc_link_pass_on(link);
            rpc_link_put(link);
            continue;
        }
        pthread_mutex_unlock(&client->lock);
        clock_sleep_ms(1);
        pthread_mutex_lock(&client->lock);
    }
    return 0;
}

static void put_opening(const struct rpc_client *client, struct buf *out)
{
    const struct rpc_client_options *options = &client->options;

    struct rpc_request_id caller = {.client_id = options->identity->client_id,
                                    .caller_context = options->caller_context};

    rpc_put_preamble(out, 0, RPC_AUTH_NONE);
    rpc_put_context(out, &caller, options->user, options->real_user, options->protocol);
}

/* Answers a link to send on, counted for the caller; a new one when `opening` was put into `out`.
 * With the send lock. */
static int ready_link(struct rpc_client *client, struct buf *out, struct rpc_link **out_link,
                      struct err *err)
{
    pthread_mutex_lock(&client->lock);
    drop_if_unusable(client);
    int rc = wait_for_place(client, err);
    *out_link = rc ? NULL : client->link;
    if (*out_link) rpc_link_get(*out_link);
    pthread_mutex_unlock(&client->lock);
    if (rc || *out_link) return rc;
    rc = rpc_link_open(client, out_link, err);
    if (rc) return rc;
    put_opening(client, out);
    pthread_mutex_lock(&client->lock);
    assert(!client->link); /* only the holder of the send lock connects */
    client->link = *out_link;
    rpc_link_get(*out_link);
    pthread_mutex_unlock(&client->lock);
    return 0;
}

/* Puts the call among those in flight, before its request can be answered. False when the link
 * broke meanwhile. */
static bool enlist(struct rpc_pending *pending, struct rpc_link *link)
{
    struct rpc_client *client = pending->client;

    pthread_mutex_lock(&client->lock);
    bool usable = !link->broken;
    if (usable) {
        pending->link = link; /* the caller's reference moves */
        pending->sent_ms = clock_mono_ms();
        pending->deadline = deadline_in(pending->timeout_ms);
        TAILQ_INSERT_TAIL(&link->pending, pending, entry);
        link->in_flight++;
    } else {
        rpc_link_put(link);
    }
    pthread_mutex_unlock(&client->lock);
    return usable;
}

static void withdraw(struct rpc_pending *pending)
{
    pthread_mutex_lock(&pending->client->lock);
    if (!pending->done) {
        TAILQ_REMOVE(&pending->link->pending, pending, entry);
        pending->link->in_flight--;
    }
    rpc_link_put(pending->link);
    pthread_mutex_unlock(&pending->client->lock);
}

/* Sends the frame of `pending`, connecting if necessary. With the send lock. */
static int send_call(struct rpc_pending *pending, struct rpc_attempt *attempt,
                     const struct buf *frame, struct err *err)
{
    struct rpc_client *client = pending->client;
    struct buf bytes = {0};
    struct rpc_link *link;
    int rc;

    do {
        buf_clear(&bytes);
        rc = ready_link(client, &bytes, &link, err);
        if (rc) goto out;
    } while (!enlist(pending, link));
    if (bytes.length) buf_put(&bytes, frame->data, frame->length);
    rc = rpc_link_send(link, bytes.length ? &bytes : frame, pending->deadline, &attempt->sent, err);
    if (rc) {
        pthread_mutex_lock(&client->lock);
        if (pending->done &&
            pending->err) { /* the server's last word tells more than a broken pipe */
            *err = *pending->err;
            rc = err->code;
            attempt->remote = pending->remote;
        }
        rpc_link_break(link, err, false); /* half a request may be out: nothing can follow it */
        pthread_mutex_unlock(&client->lock);
        withdraw(pending);
    }
out:
    buf_release(&bytes);
    return rc;
}

int rpc_client_start(struct rpc_client *client, struct rpc_attempt *attempt, const char *method,
                     const ProtobufCMessage *request, struct rpc_pending **out, struct err *err)
{
    struct rpc_attempt fresh = RPC_ATTEMPT_INIT;
    struct rpc_identity *identity = client->options.identity;
    struct err own = ERR_INIT;
    struct buf frame = {0};

    if (!attempt) attempt = &fresh;
    if (!err) err = &own;
    attempt->sent = attempt->remote = false;
    if (attempt->call_id < 0) attempt->call_id = rpc_identity_next(identity);
    struct rpc_request_id id = {.client_id = identity->client_id,
                                .call_id = attempt->call_id,
                                .retry_count = attempt->retry_count,
                                .caller_context = client->options.caller_context};
    struct rpc_pending *pending = NULL;
    int rc = rpc_put_request(&frame, &id, client->options.protocol, method, request,
                             RPC_FRAME_MAX_DEFAULT, err);
    if (rc) goto out;
    pending = pending_new(client, attempt, method);
    pthread_mutex_lock(&client->send_lock);
    rc = send_call(pending, attempt, &frame, err);
    pthread_mutex_unlock(&client->send_lock);
out:
    if (rc && pending) pending_free(pending);
    *out = rc ? NULL : pending;
    buf_release(&frame);
    return rc;
}

/* --- waiting for the answer --- */

static int64_t next_ping(const struct rpc_link *link)
{
    int interval_ms = link->client->options.ping_interval_ms;
    int64_t last_ms = MAX(__atomic_load_n(&link->last_sent_ms, __ATOMIC_RELAXED),
                          __atomic_load_n(&link->last_received_ms, __ATOMIC_RELAXED));

    return interval_ms < 0 ? DEADLINE_NEVER : last_ms + interval_ms;
}

/* A server that is gone without a word shows it when something is sent. With the lock, which is
 * open meanwhile. */
static void ping(struct rpc_link *link)
{
    struct rpc_client *client = link->client;
    struct err err = ERR_INIT;
    struct buf bytes = {0};
    bool sent = false;

    rpc_link_get(link);
    pthread_mutex_unlock(&client->lock);
    int rc = 0;
    if (!pthread_mutex_trylock(&client->send_lock)) { /* else somebody sends anyway */
        rpc_put_ping(&bytes, client->options.identity->client_id);
        rc =
            rpc_link_send(link, &bytes, deadline_in(client->options.ping_interval_ms), &sent, &err);
        pthread_mutex_unlock(&client->send_lock);
        buf_release(&bytes);
    }
    pthread_mutex_lock(&client->lock);
    if (rc) rpc_link_break(link, &err, false);
    rpc_link_put(link);
}

static struct timespec timespec_of(int64_t mono_ms)
{
    return (struct timespec){.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
}

static void sleep_until_woken(struct rpc_pending *pending)
{
    pending->waiting = true;
    if (pending->deadline == DEADLINE_NEVER) {
        pthread_cond_wait(&pending->wake, &pending->client->lock);
    } else {
        struct timespec until = timespec_of(pending->deadline);
        pthread_cond_timedwait(&pending->wake, &pending->client->lock, &until);
    }
    pending->waiting = false;
}

/* With the lock. A server that sent nothing at all since the request is taken for dead. */
static void give_up(struct rpc_pending *pending, const struct err *err)
{
    struct rpc_link *link = pending->link;

    TAILQ_REMOVE(&link->pending, pending, entry);
    link->in_flight--;
    pending->done = true;
    pending->err = NEW(struct err);
    *pending->err = *err;
    if (__atomic_load_n(&link->last_received_ms, __ATOMIC_RELAXED) < pending->sent_ms)
        rpc_link_break(link, err, false);
}

static void timeout_error(const struct rpc_pending *pending, struct err *err)
{
    struct net_addr local = {.port = 0};
    const struct net_addr *server = &pending->client->server;

    if (!net_local(pending->link->fd, &local)) local.port = 0;
    err_set(err, ERR_TIMEOUT,
            "%d millis timeout while waiting for channel to be ready for read. ch : "
            "java.nio.channels.SocketChannel[connected local=/%s:%u remote=%s:%u]",
            pending->timeout_ms, local.host, (unsigned)local.port, server->host,
            (unsigned)server->port);
    rpc_wrap_network_error(err, server->host, server->port);
}

static void wait_until_done(struct rpc_pending *pending)
{
    struct rpc_client *client = pending->client;
    struct rpc_link *link = pending->link;

    pthread_mutex_lock(&client->lock);
    while (!pending->done) {
        if (deadline_left_ms(pending->deadline) == 0) {
            struct err err = ERR_INIT;
            pthread_mutex_unlock(&client->lock);
            timeout_error(pending, &err); /* may ask the resolver: not under the lock */
            pthread_mutex_lock(&client->lock);
            if (!pending->done) give_up(pending, &err);
        } else if (link->reading) {
            sleep_until_woken(pending);
        } else if (deadline_left_ms(next_ping(link)) == 0) {
            ping(link);
        } else {
            rpc_link_read(link, MIN(pending->deadline, next_ping(link)));
        }
    }
    rpc_link_pass_on(link);
    rpc_link_put(link);
    pthread_mutex_unlock(&client->lock);
}

static int take_answer(struct rpc_pending *pending, const ProtobufCMessageDescriptor *type,
                       struct arena *arena, ProtobufCMessage **response, struct err *err)
{
    struct cursor cursor = cursor_of(pending->answer.data, pending->answer.length);

    if (!response) return 0;
    *response = rpc_take_delimited(&cursor, type, arena, err);
    if (!*response)
        return err_wrap(err, ERR_BAD_MESSAGE, "the response of %s to %s", pending->client->address,
                        pending->method);
    return 0;
}

static int wait_call(struct rpc_pending *pending, const ProtobufCMessageDescriptor *type,
                     struct arena *arena, ProtobufCMessage **response, bool *remote,
                     struct err *err)
{
    struct err own = ERR_INIT;
    int rc;

    if (!err) err = &own;
    wait_until_done(pending);
    *remote = pending->remote;
    if (pending->err) {
        *err = *pending->err;
        rc = err->code;
    } else {
        rc = take_answer(pending, type, arena, response, err);
    }
    pending_free(pending);
    return rc;
}

int rpc_client_wait(struct rpc_pending *pending, const ProtobufCMessageDescriptor *response_type,
                    struct arena *arena, ProtobufCMessage **response, struct err *err)
{
    bool remote;
    return wait_call(pending, response_type, arena, response, &remote, err);
}

int rpc_client_attempt(struct rpc_client *client, struct rpc_attempt *attempt, const char *method,
                       const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                       ProtobufCMessage **response, struct err *err)
{
    struct rpc_pending *pending;
    int rc = rpc_client_start(client, attempt, method, request, &pending, err);

    if (rc) return rc;
    return wait_call(pending, response_type, arena, response, &attempt->remote, err);
}

int rpc_client_call(struct rpc_client *client, const char *method, const ProtobufCMessage *request,
                    const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                    ProtobufCMessage **response, struct err *err)
{
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;

    return rpc_client_attempt(client, &attempt, method, request, response_type, arena, response,
                              err);
}
