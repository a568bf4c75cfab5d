#include "datanode/xceiver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/block_checksum.h"
#include "datanode/copy_block.h"
#include "datanode/recv_block.h"
#include "datanode/send_block.h"

enum {
    BACKLOG = 1024,
    ACCEPT_BURST = 64,
    OOB_TIMEOUT_MS = 1500, /* dfs.datanode.oob.timeout-ms, of OOB_RESTART */
    OOB_POLL_MS = 5,
};

struct connection {
    LIST_ENTRY(connection) link;
    struct xceiver *xceiver;
    int fd;
    bool served;              /* an operation was done on it: the keepalive time counts */
    struct loop_watch *watch; /* loop thread; while resting */
    char peer[NET_TEXT_MAX];
};

struct xceiver {
    struct datanode *dn;
    struct worker_pool *workers;
    struct pool *buffers;
    int listen_fd;
    struct loop_watch *accept_watch;
    char local[NET_TEXT_MAX];
    pthread_mutex_t lock; /* guards the list: descriptors in it are open */
    LIST_HEAD(, connection) connections;
    atomic_size_t count;
    bool stopping;
};

static void rest(void *arg);
static void serve(void *arg);

static void connection_close(struct connection *connection)
{
    struct xceiver *xceiver = connection->xceiver;

    pthread_mutex_lock(&xceiver->lock);
    LIST_REMOVE(connection, link);
    xceiver->count--;
    close(connection->fd);
    pthread_mutex_unlock(&xceiver->lock);
    mem_free(connection);
}

static bool is_stopping(struct xceiver *xceiver)
{
    pthread_mutex_lock(&xceiver->lock);
    bool stopping = xceiver->stopping;
    pthread_mutex_unlock(&xceiver->lock);
    return stopping;
}

/* ---- on the loop ---- */

static void on_ready(int fd UNUSED, unsigned events, void *arg)
{
    struct connection *connection = arg;
    struct err err = ERR_INIT;

    loop_watch_free(connection->watch);
    connection->watch = NULL;
    if (!(events & LOOP_READ)) { /* nobody wants it any more */
        connection_close(connection);
        return;
    }
    if (!worker_submit(connection->xceiver->workers, serve, connection, &err)) return;
    log_limited(LOG_WARN, 1000, "Xceiver count exceeds the limit of concurrent xceivers: %d (%s)",
                connection->xceiver->dn->settings.transfer_threads, err.text);
    connection_close(connection);
}

/* Posted to the loop when an operation is done. */
static void rest(void *arg)
{
    struct connection *connection = arg;
    const struct dn_settings *settings = &connection->xceiver->dn->settings;

    if (is_stopping(connection->xceiver)) {
        connection_close(connection);
        return;
    }
    connection->watch =
        loop_watch_new(connection->xceiver->dn->loop, connection->fd, on_ready, connection);
    loop_watch_set_timeout(connection->watch, connection->served ? settings->keepalive_ms
                                                                 : settings->socket_timeout_ms);
    loop_watch_set(connection->watch, LOOP_READ | LOOP_TIMEOUT);
}

static void connection_open(struct xceiver *xceiver, int fd)
{
    struct connection *connection;

    if (xceiver->count >= (size_t)xceiver->dn->settings.transfer_threads * 2) {
        log_limited(LOG_WARN, 1000, "more than %zu data connections; a new one is closed",
                    atomic_load(&xceiver->count));
        close(fd);
        return;
    }
    connection = NEW(struct connection);
    connection->xceiver = xceiver;
    connection->fd = fd;
    net_peer_text(fd, connection->peer, sizeof connection->peer);
    net_set_nodelay(fd);
    net_set_keepalive(fd);
    pthread_mutex_lock(&xceiver->lock);
    LIST_INSERT_HEAD(&xceiver->connections, connection, link);
    xceiver->count++;
    pthread_mutex_unlock(&xceiver->lock);
    rest(connection);
}

static void on_accept(int listen_fd, unsigned events UNUSED, void *arg)
{
    struct err err = ERR_INIT;
    int fd;

    for (int i = 0; i < ACCEPT_BURST; i++) {
        int rc = net_accept(listen_fd, false, &fd, &err);
        if (rc) {
            if (rc != ERR_TIMEOUT) log_limited(LOG_WARN, 1000, "accept: %s", err.text);
            return;
        }
        connection_open(arg, fd);
    }
}

/* ---- on a worker ---- */

struct block_pool *xfer_pool(struct xfer_context *ctx, const Pb__ExtendedBlock *block,
                             struct block_name *name, struct err *err)
{
    struct block_pool *pool = dataset_pool(ctx->dn->dataset, block->poolid);

    *name = (struct block_name){.id = (int64_t)block->blockid,
                                .gs = block->generationstamp,
                                .length = block->has_numbytes ? (int64_t)block->numbytes : 0};
    if (!pool)
        err_set(err, ERR_IO, "Block pool %s is not served by this datanode", block->poolid);
    else if (name->length < 0) {
        err_set(err, ERR_ARGUMENT, "impossible block length %" PRId64, name->length);
        pool = NULL;
    }
    return pool;
}

int xfer_answer(struct xfer_context *ctx, Pb__Status status, const char *text, struct err *err)
{
    struct buf buf = {0};

    xfer_response_put_status(&buf, status, NULL, text);
    int rc = xfer_write(ctx->fd, buf.data, buf.length, 0, ctx->dn->settings.write_timeout_ms, err);
    buf_release(&buf);
    return rc;
}

void xfer_fail(struct xfer_context *ctx, const char *op, const Pb__ExtendedBlock *block,
               const struct err *err)
{
    const char *java_class = err->java_class[0] ? err->java_class : err_java_class(err->code);
    struct buf text = {0};

    buf_printf(&text, "%s %s:blk_%" PRId64 "_%" PRIu64 " received exception %s: %s", op,
               block->poolid, (int64_t)block->blockid, block->generationstamp, java_class,
               err->text);
    log_warn("%s: %s", ctx->peer, buf_cstr(&text));
    struct err ignored = ERR_INIT;
    Pb__Status status =
        err->code == ERR_UNSUPPORTED ? PB__STATUS__ERROR_UNSUPPORTED : PB__STATUS__ERROR;
    if (xfer_answer(ctx, status, buf_cstr(&text), &ignored))
        log_debug("answer to %s: %s", ctx->peer, ignored.text);
    buf_release(&text);
    ctx->keep = false;
}

/* Short-circuit reads are not enabled: what Apache's datanode answers then, on which clients stop
 * asking. */
static void refuse_short_circuit(struct xfer_context *ctx, const struct xfer_op *op)
{
    struct buf buf = {0};
    struct err err = ERR_INIT;

    if (op->code == XFER_REQUEST_SHORT_CIRCUIT_FDS) {
        if (xfer_answer(ctx, PB__STATUS__ERROR_UNSUPPORTED,
                        "DFS_DOMAIN_SOCKET_PATH is not configured.", &err))
            log_debug("%s: %s", ctx->peer, err.text);
        ctx->keep = true;
        return;
    }
    char text[] = "Rejecting the request: short-circuit reads are not enabled on this datanode";
    Pb__ShortCircuitShmResponse shm = PB__SHORT_CIRCUIT_SHM_RESPONSE__INIT;
    Pb__ReleaseShortCircuitAccessResponse release = PB__RELEASE_SHORT_CIRCUIT_ACCESS_RESPONSE__INIT;
    shm.status = release.status = PB__STATUS__ERROR;
    shm.error = release.error = text;
    xfer_message_put(&buf, op->code == XFER_REQUEST_SHORT_CIRCUIT_SHM ? &shm.base : &release.base);
    if (xfer_write(ctx->fd, buf.data, buf.length, 0, ctx->dn->settings.write_timeout_ms, &err))
        log_debug("%s: %s", ctx->peer, err.text);
    buf_release(&buf);
}

static void dispatch(struct xfer_context *ctx, const struct xfer_op *op)
{
    struct err err = ERR_INIT;

    switch (op->code) {
    case XFER_WRITE_BLOCK: recv_block_op(ctx, op->write); break;
    case XFER_READ_BLOCK: send_block_op(ctx, op->read); break;
    case XFER_BLOCK_CHECKSUM: block_checksum_op(ctx, op->checksum); break;
    case XFER_TRANSFER_BLOCK: transfer_block_op(ctx, op->transfer); break;
    case XFER_COPY_BLOCK: copy_block_op(ctx, op->copy); break;
    case XFER_REPLACE_BLOCK: replace_block_op(ctx, op->replace); break;
    case XFER_REQUEST_SHORT_CIRCUIT_FDS:
    case XFER_RELEASE_SHORT_CIRCUIT_FDS:
    case XFER_REQUEST_SHORT_CIRCUIT_SHM: refuse_short_circuit(ctx, op); break;
    case XFER_BLOCK_GROUP_CHECKSUM:
        err_set(&err, ERR_UNSUPPORTED,
                "checksums of block groups are not computed by this datanode");
        xfer_fail(ctx, "blockGroupChecksum", op->group_checksum->header->block, &err);
        break;
    default:
        log_info("%s: operation %s is not supported", ctx->peer, xfer_op_name((int)op->code));
        break;
    }
}

static bool more_is_there(const struct xfer_context *ctx)
{
    struct pollfd pfd = {.fd = ctx->fd, .events = POLLIN};

    return xfer_in_buffered(&ctx->in) || poll(&pfd, 1, 0) > 0;
}

static void serve(void *arg)
{
    struct connection *connection = arg;
    struct xceiver *xceiver = connection->xceiver;
    struct xfer_context ctx = {.dn = xceiver->dn,
                               .buffers = xceiver->buffers,
                               .fd = connection->fd,
                               .peer = connection->peer,
                               .local = xceiver->local};

    xfer_in_init(&ctx.in, ctx.fd, xceiver->dn->settings.socket_timeout_ms);
    do {
        struct err err = ERR_INIT;
        struct xfer_op op;
        ctx.keep = false;
        int rc = xfer_op_read(&ctx.in, &ctx.arena, &op, &err);
        if (rc) {
            if (rc != ERR_EOF) log_limited(LOG_INFO, 1000, "%s: %s", ctx.peer, err.text);
        } else {
            dispatch(&ctx, &op);
        }
        arena_clear(&ctx.arena);
    } while (ctx.keep && more_is_there(&ctx) && !is_stopping(xceiver));
    arena_release(&ctx.arena);
    connection->served = true;
    if (ctx.keep && xceiver->dn->settings.keepalive_ms > 0)
        loop_post(xceiver->dn->loop, rest, connection);
    else
        connection_close(connection);
}

/* ---- life ---- */

int xceiver_new(struct datanode *dn, struct xceiver **out, uint16_t *port, struct err *err)
{
    struct xceiver *xceiver = NEW(struct xceiver);
    struct net_addr addr;

    xceiver->dn = dn;
    xceiver->listen_fd = -1;
    pthread_mutex_init(&xceiver->lock, NULL);
    LIST_INIT(&xceiver->connections);
    int rc = net_parse(conf_str(dn->conf, CONF_dfs_datanode_address), 9866, &addr, err);
    if (!rc) rc = net_listen(&addr, BACKLOG, &xceiver->listen_fd, port, err);
    if (rc) {
        xceiver_free(xceiver);
        return rc;
    }
    snprintf(xceiver->local, sizeof xceiver->local, "%s:%u", addr.host, *port);
    xceiver->buffers = pool_new(XFER_BUFFER_SIZE, XFER_BUFFERS_MAX, XFER_BUFFERS_KEPT);
    xceiver->workers = worker_pool_new("xceiver", dn->settings.transfer_threads, 0);
    xceiver->accept_watch = loop_watch_new(dn->loop, xceiver->listen_fd, on_accept, xceiver);
    loop_watch_set(xceiver->accept_watch, LOOP_READ);
    *out = xceiver;
    return 0;
}

static void shut_down_all(struct xceiver *xceiver, int how)
{
    struct connection *connection;

    pthread_mutex_lock(&xceiver->lock);
    xceiver->stopping = true;
    LIST_FOREACH (connection, &xceiver->connections, link) shutdown(connection->fd, how);
    pthread_mutex_unlock(&xceiver->lock);
}

/* Nothing more is read, so each operation ends by itself, and receivers say first that the datanode
 * is back soon (restartNotifyPeers). */
static void notify_peers(struct xceiver *xceiver)
{
    int64_t deadline = deadline_in(OOB_TIMEOUT_MS);

    shut_down_all(xceiver, SHUT_RD);
    while (worker_busy(xceiver->workers) && deadline_left_ms(deadline) > 0)
        clock_sleep_ms(OOB_POLL_MS);
}

void xceiver_stop(struct xceiver *xceiver)
{
    struct connection *connection;

    loop_watch_free(xceiver->accept_watch);
    xceiver->accept_watch = NULL;
    if (atomic_load(&xceiver->dn->restarting)) notify_peers(xceiver);
    shut_down_all(xceiver, SHUT_RDWR);
    worker_pool_stop(xceiver->workers);
    /* What is left rests in the loop, or was posted to it and now never runs. */
    while ((connection = LIST_FIRST(&xceiver->connections))) {
        loop_watch_free(connection->watch);
        connection_close(connection);
    }
}

void xceiver_free(struct xceiver *xceiver)
{
    if (!xceiver) return;
    if (xceiver->listen_fd >= 0) close(xceiver->listen_fd);
    worker_pool_free(xceiver->workers);
    pool_free(xceiver->buffers);
    pthread_mutex_destroy(&xceiver->lock);
    mem_free(xceiver);
}

int xceiver_count(struct xceiver *xceiver)
{
    return worker_busy(xceiver->workers);
}
struct pool *xceiver_buffers(struct xceiver *xceiver)
{
    return xceiver->buffers;
}
