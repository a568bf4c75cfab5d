#include "client/dn_conns.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/fs_state.h"
#include "client/located.h"
#include "common/clock.h"
#include "common/net.h"

TAILQ_HEAD(conn_list, dn_conn);

struct dn_conns {
    pthread_mutex_t lock;  /* guards what follows */
    struct conn_list idle; /* newest first */
    struct conn_list busy;
    bool interrupted; /* for good */
    unsigned count;

    unsigned max; /* constant */
    int64_t expiry_ms;
};

struct dn_conns *dn_conns_new(unsigned max, int64_t expiry_ms)
{
    struct dn_conns *conns = NEW(struct dn_conns);

    pthread_mutex_init(&conns->lock, NULL);
    TAILQ_INIT(&conns->idle);
    TAILQ_INIT(&conns->busy);
    conns->max = max;
    conns->expiry_ms = expiry_ms;
    return conns;
}

void dn_conns_free(struct dn_conns *conns)
{
    struct dn_conn *conn;

    if (!conns) return;
    while ((conn = TAILQ_FIRST(&conns->idle))) {
        TAILQ_REMOVE(&conns->idle, conn, entry);
        dn_conn_close(conn);
    }
    pthread_mutex_destroy(&conns->lock);
    mem_free(conns);
}

static void set_busy(struct dn_conns *conns, struct dn_conn *conn)
{
    pthread_mutex_lock(&conns->lock);
    TAILQ_INSERT_TAIL(&conns->busy, conn, entry);
    conn->busy_in = conns;
    if (conns->interrupted) shutdown(conn->fd, SHUT_RDWR); /* one more try of the same user */
    pthread_mutex_unlock(&conns->lock);
}

static void set_idle(struct dn_conn *conn)
{
    struct dn_conns *conns = conn->busy_in;

    if (!conns) return;
    pthread_mutex_lock(&conns->lock);
    TAILQ_REMOVE(&conns->busy, conn, entry);
    conn->busy_in = NULL;
    pthread_mutex_unlock(&conns->lock);
}

void dn_conns_interrupt(struct dn_conns *conns)
{
    struct dn_conn *conn;

    pthread_mutex_lock(&conns->lock);
    conns->interrupted = true;
    TAILQ_FOREACH (conn, &conns->busy, entry) shutdown(conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&conns->lock);
}

void dn_conn_close(struct dn_conn *conn)
{
    if (!conn) return;
    set_idle(conn);
    close(conn->fd);
    mem_free(conn->address);
    mem_free(conn);
}

/* Called with the lock. Oldest are at the tail. */
static void drop_old(struct dn_conns *conns, unsigned max, struct conn_list *dropped)
{
    int64_t oldest = clock_mono_ms() - conns->expiry_ms;
    struct dn_conn *conn;

    while ((conn = TAILQ_LAST(&conns->idle, conn_list)) &&
           (conns->count > max || conn->idle_since_ms < oldest)) {
        TAILQ_REMOVE(&conns->idle, conn, entry);
        TAILQ_INSERT_TAIL(dropped, conn, entry);
        conns->count--;
    }
}

static void close_all(struct conn_list *list)
{
    struct dn_conn *conn;

    while ((conn = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, conn, entry);
        dn_conn_close(conn);
    }
}

static struct dn_conn *take_idle(struct dn_conns *conns, const char *address)
{
    struct conn_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
    struct dn_conn *conn, *found = NULL;

    pthread_mutex_lock(&conns->lock);
    drop_old(conns, conns->max, &dropped);
    TAILQ_FOREACH (conn, &conns->idle, entry)
        if (!found && str_eq(conn->address, address)) found = conn;
    if (found) {
        TAILQ_REMOVE(&conns->idle, found, entry);
        conns->count--;
    }
    pthread_mutex_unlock(&conns->lock);
    close_all(&dropped);
    return found;
}

/* An idle peer says nothing: anything to read is its goodbye. */
static bool gone(const struct dn_conn *conn)
{
    struct pollfd pfd = {.fd = conn->fd, .events = POLLIN};

    return xfer_in_buffered(&conn->in) || poll(&pfd, 1, 0) != 0;
}

static int connect_new(struct fs *fs, const char *address, struct dn_conn **result, struct err *err)
{
    struct net_addr addr;
    int fd;

    int rc = net_parse(address, -1, &addr, err);
    if (!rc) rc = net_connect(&addr, deadline_in(fs->settings.socket_timeout_ms), &fd, err);
    if (rc) return rc;
    struct dn_conn *conn = NEW(struct dn_conn);
    struct net_addr local, peer;
    conn->fd = fd;
    conn->address = mem_strdup(address);
    conn->local = net_local(fd, &local) && net_peer(fd, &peer) && str_eq(local.host, peer.host);
    net_set_keepalive(fd);
    rc = net_set_nonblock(fd, true, err);
    if (rc) {
        dn_conn_close(conn);
        return rc;
    }
    xfer_in_init(&conn->in, fd, fs->settings.socket_timeout_ms);
    *result = conn;
    return 0;
}

int dn_conn_open(struct fs *fs, const Pb__DatanodeID *node, bool fresh, struct dn_conn **conn,
                 struct err *err)
{
    char address[LOCATED_ADDRESS_MAX];

    located_xfer_address(fs, node, address, sizeof address);
    while (!fresh && (*conn = take_idle(fs->conns, address))) {
        (*conn)->reused = true;
        if (!gone(*conn)) {
            set_busy(fs->conns, *conn);
            return 0;
        }
        dn_conn_close(*conn);
    }
    int rc = connect_new(fs, address, conn, err);
    if (!rc) set_busy(fs->conns, *conn);
    return rc;
}

void dn_conn_keep(struct fs *fs, struct dn_conn *conn)
{
    struct conn_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
    struct dn_conns *conns = fs->conns;

    set_idle(conn);
    conn->idle_since_ms = clock_mono_ms();
    pthread_mutex_lock(&conns->lock);
    TAILQ_INSERT_HEAD(&conns->idle, conn, entry);
    conns->count++;
    drop_old(conns, conns->max, &dropped);
    pthread_mutex_unlock(&conns->lock);
    close_all(&dropped);
}
