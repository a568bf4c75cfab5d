/* Sockets: listening, connecting, whole reads and writes. Addresses are in net_addr.c. */
#include "common/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/clock.h"

int net_set_nonblock(int fd, bool nonblock, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0) flags = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (flags < 0 || fcntl(fd, F_SETFL, flags))
        return err_set_errno(err, errno, "change the mode of a socket");
    return 0;
}

static void set_option(int fd, int level, int option, int value)
{
    int rc = setsockopt(fd, level, option, &value, sizeof value);
    (void)rc; /* an option is a wish; Unix sockets know none of TCP's */
}

void net_set_nodelay(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}
void net_set_keepalive(int fd)
{
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static bool same_address(const struct net_sockaddr *a, const struct net_sockaddr *b)
{
    const void *left = &a->storage, *right = &b->storage;

    if (a->storage.ss_family != b->storage.ss_family) return false;
    if (a->storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)left)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)right)->sin_addr.s_addr;
    return a->storage.ss_family == AF_INET6 &&
           IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)left)->sin6_addr,
                              &((const struct sockaddr_in6 *)right)->sin6_addr);
}

/*
 * Within a host there is no line to share. Where the system's congestion control paces what it sends
 * (BBR), that only costs: timers and small segments, more than twice the CPU time for each byte. A
 * socket that was BBR's once is paced for ever, so all begin with Reno, which is in every kernel and
 * open to everybody, and those that leave the host are given the system's when they are connected.
 */
static struct {
    pthread_once_t once;
    char name[16];
    bool paces;
} congestion = {.once = PTHREAD_ONCE_INIT};

static void look_at_congestion(void)
{
    socklen_t length = sizeof congestion.name - 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) return;
    if (!getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion.name, &length))
        congestion.paces = str_starts(congestion.name, "bbr");
    close(fd);
}

static void set_congestion(int fd, const char *name)
{
    int rc = setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    (void)rc; /* a wish */
}

/* Before it connects or listens. */
static void begin_unpaced(int fd)
{
    pthread_once(&congestion.once, look_at_congestion);
    if (congestion.paces) set_congestion(fd, "reno");
}

/* Once both ends are known. */
static void pace_beyond_host(int fd)
{
    struct net_sockaddr here = {.length = sizeof here.storage}, there = here;

    pthread_once(&congestion.once, look_at_congestion);
    if (!congestion.paces || getsockname(fd, (struct sockaddr *)&here.storage, &here.length) ||
        getpeername(fd, (struct sockaddr *)&there.storage, &there.length))
        return;
    if (!net_is_loopback(&there) && !same_address(&here, &there))
        set_congestion(fd, congestion.name);
}

void net_set_buffers(int fd, int64_t send_bytes, int64_t recv_bytes)
{
    if (send_bytes > 0) set_option(fd, SOL_SOCKET, SO_SNDBUF, (int)MIN(send_bytes, INT32_MAX));
    if (recv_bytes > 0) set_option(fd, SOL_SOCKET, SO_RCVBUF, (int)MIN(recv_bytes, INT32_MAX));
}

/* --- listening --- */

static int listen_on(const struct net_sockaddr *addr, bool both_families, int backlog, int *fd)
{
    *fd = socket(addr->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) return errno;
    set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
    begin_unpaced(*fd);
    if (addr->storage.ss_family == AF_INET6)
        set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, !both_families);
    if (bind(*fd, (const struct sockaddr *)&addr->storage, addr->length) == 0 &&
        listen(*fd, backlog) == 0)
        return 0;
    int failed = errno;
    close(*fd);
    *fd = -1;
    return failed;
}

static int listen_error(const struct net_addr *addr, int failed, struct err *err)
{
    char text[NET_TEXT_MAX];

    net_format(addr, text, sizeof text);
    switch (failed) {
    case EADDRINUSE:
        return err_set(err, ERR_CONNECT,
                       "Problem binding to [%s] java.net.BindException: Address already in use; "
                       "another program "
                       "listens there: stop it or configure another port (`ss -ltnp` shows who)",
                       text);
    case EADDRNOTAVAIL:
        return err_set(err, ERR_CONNECT,
                       "Problem binding to [%s] java.net.BindException: Cannot assign requested "
                       "address; no interface "
                       "of this host has it: configure 0.0.0.0 or one of its own addresses",
                       text);
    case EACCES:
        return err_set(err, ERR_ACCESS,
                       "Problem binding to [%s] java.net.SocketException: Permission denied; ports "
                       "below 1024 need root or CAP_NET_BIND_SERVICE",
                       text);
    default: return err_set_errno(err, failed, "listen on %s", text);
    }
}

int net_listen(const struct net_addr *addr, int backlog, int *fd, uint16_t *port, struct err *err)
{
    struct net_sockaddr list[NET_RESOLVE_MAX];
    struct net_addr bound;
    size_t count = 0;
    int failed;

    if (str_empty(
            addr->host)) { /* both families by one socket; IPv4 alone where there is no IPv6 */
        net_numeric("::", addr->port, &list[0]);
        failed = listen_on(&list[0], true, backlog, fd);
        if (failed == EAFNOSUPPORT || failed == EADDRNOTAVAIL) {
            net_numeric("0.0.0.0", addr->port, &list[0]);
            failed = listen_on(&list[0], false, backlog, fd);
        }
    } else {
        int rc = net_resolve(addr, list, &count, err);
        if (rc) return err_wrap(err, rc, "listen");
        failed = EADDRNOTAVAIL;
        for (size_t i = 0; i < count && failed; i++)
            failed = listen_on(&list[i], false, backlog, fd);
    }
    if (failed) return listen_error(addr, failed, err);
    *port = net_local(*fd, &bound) ? bound.port : addr->port;
    return 0;
}

int net_accept(int listen_fd, bool nonblock, int *fd, struct err *err)
{
    do {
        *fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0));
    } while (*fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (*fd < 0) return err_set_errno(err, errno, "accept a connection");
    net_set_nodelay(*fd);
    pace_beyond_host(*fd);
    return 0;
}

/* --- connecting --- */

static void sockaddr_text(const struct net_sockaddr *to, char *text, size_t size)
{
    struct net_addr addr;

    net_sockaddr_addr(to, &addr);
    net_format(&addr, text, size);
}

static int connect_error(int failed, const char *whom, struct err *err)
{
    if (failed == ECONNREFUSED)
        return err_set(err, ERR_CONNECT, "connect to %s: Connection refused; nothing listens there",
                       whom);
    if (failed == ETIMEDOUT) return err_set(err, ERR_TIMEOUT, "connect to %s: timed out", whom);
    return err_set_errno(err, failed, "connect to %s", whom);
}

int net_connect_start(const struct net_sockaddr *to, int *fd, struct err *err)
{
    char whom[NET_TEXT_MAX];

    *fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) return err_set_errno(err, errno, "create a socket");
    begin_unpaced(*fd);
    if (connect(*fd, (const struct sockaddr *)&to->storage, to->length) == 0 ||
        errno == EINPROGRESS)
        return 0;
    int failed = errno;
    close(*fd);
    *fd = -1;
    sockaddr_text(to, whom, sizeof whom);
    return connect_error(failed, whom, err);
}

int net_connect_result(int fd, const char *whom, struct err *err)
{
    int failed = 0;
    socklen_t length = sizeof failed;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length)) failed = errno;
    if (failed) return connect_error(failed, whom, err);
    net_set_nodelay(fd);
    pace_beyond_host(fd);
    return 0;
}

/* A connection of a socket to itself: possible when the port called is free and the system picks it
 * for our end. */
static bool is_self(int fd)
{
    struct net_addr here, there;
    return net_local(fd, &here) && net_peer(fd, &there) && here.port == there.port &&
           str_eq(here.host, there.host);
}

int net_connect_sockaddr(const struct net_sockaddr *to, int64_t deadline, int *fd, struct err *err)
{
    char whom[NET_TEXT_MAX];
    int rc;

    sockaddr_text(to, whom, sizeof whom);
    rc = net_connect_start(to, fd, err);
    if (rc) return rc;
    rc = net_wait(*fd, POLLOUT, deadline, err);
    if (rc == ERR_TIMEOUT)
        rc = connect_error(ETIMEDOUT, whom, err);
    else if (!rc)
        rc = net_connect_result(*fd, whom, err);
    if (!rc && is_self(*fd)) rc = connect_error(ECONNREFUSED, whom, err);
    if (!rc) rc = net_set_nonblock(*fd, false, err);
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

int net_connect(const struct net_addr *addr, int64_t deadline, int *fd, struct err *err)
{
    struct net_sockaddr list[NET_RESOLVE_MAX];
    size_t count;
    int rc = net_resolve(addr, list, &count, err);

    *fd = -1;
    if (rc) return rc;
    rc = ERR_UNKNOWN_HOST;
    for (size_t i = 0; i < count; i++) {
        int64_t left = deadline == DEADLINE_NEVER ? -1 : deadline_left_ms(deadline);
        /* The last address gets all that is left, earlier ones an even share. */
        int64_t until = left < 0 ? DEADLINE_NEVER : deadline_in(left / (int64_t)(count - i));
        rc = net_connect_sockaddr(&list[i], until, fd, err);
        if (!rc) return 0;
    }
    if (strcmp(addr->host, "") == 0) return rc;
    return err_wrap(err, rc, "%s:%u", addr->host, (unsigned)addr->port);
}

/* --- whole reads and writes --- */

int net_wait(int fd, short events, int64_t deadline, struct err *err)
{
    struct pollfd pfd = {.fd = fd, .events = events};
    int rc;

    do {
        rc = poll(&pfd, 1, deadline_left_ms(deadline));
    } while ((rc < 0 && errno == EINTR) || (rc == 0 && deadline_left_ms(deadline) != 0));
    if (rc < 0) return err_set_errno(err, errno, "wait for a socket");
    if (rc == 0)
        return err_set(err, ERR_TIMEOUT, "timed out waiting for %s",
                       events & POLLIN ? "data" : "room to send");
    return 0;
}

static int transfer_error(int fd, const char *verb, int failed, struct err *err)
{
    char peer[NET_TEXT_MAX];

    return err_set_errno(err, failed, "%s %s", verb, net_peer_text(fd, peer, sizeof peer));
}

/* After a call that moved nothing: 0 to try again. A blocking descriptor with a deadline waits
 * before each call instead, because the call itself would not end in time. */
static int again(int fd, short events, int64_t deadline, const char *verb, struct err *err)
{
    char peer[NET_TEXT_MAX];

    if (errno == EINTR) return 0;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return transfer_error(fd, verb, errno, err);
    int rc = net_wait(fd, events, deadline, err);
    return rc ? err_wrap(err, rc, "%s %s", verb, net_peer_text(fd, peer, sizeof peer)) : 0;
}

static ssize_t read_now(int fd, void *data, size_t size)
{
    ssize_t got = recv(fd, data, size, MSG_DONTWAIT);

    if (got >= 0 || errno != ENOTSOCK) return got;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    if (poll(&pfd, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return read(fd, data, size);
}

int net_read_some(int fd, void *data, size_t size, size_t *got, int64_t deadline, struct err *err)
{
    for (;;) {
        ssize_t n = read_now(fd, data, size);
        if (n >= 0) {
            *got = (size_t)n;
            return 0;
        }
        int rc = again(fd, POLLIN, deadline, "read from", err);
        if (rc) return rc;
    }
}

int net_read_full(int fd, void *data, size_t size, int64_t deadline, struct err *err)
{
    size_t done = 0;

    while (done < size) {
        size_t got;
        int rc = net_read_some(fd, (char *)data + done, size - done, &got, deadline, err);
        if (rc) return rc;
        if (!got) {
            char peer[NET_TEXT_MAX];
            return err_set(err, ERR_EOF,
                           "read from %s: the connection ended after %zu of %zu bytes",
                           net_peer_text(fd, peer, sizeof peer), done, size);
        }
        done += got;
    }
    return 0;
}

int net_readv_full(int fd, struct iovec *iov, int count, int64_t deadline, struct err *err)
{
    for (int i = 0; i < count; i++) {
        int rc = net_read_full(fd, iov[i].iov_base, iov[i].iov_len, deadline, err);
        if (rc) return rc;
    }
    return 0;
}

static ssize_t writev_now(int fd, struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0 || errno != ENOTSOCK) return sent;
    return writev(fd, iov, count);
}

int net_writev_full(int fd, struct iovec *iov, int count, int64_t deadline, struct err *err)
{
    enum { PARTS_MAX = 1024 };

    while (count > 0) {
        if (!iov->iov_len) {
            iov++;
            count--;
            continue;
        }
        ssize_t sent = writev_now(fd, iov, MIN(count, PARTS_MAX));
        if (sent < 0) {
            int rc = again(fd, POLLOUT, deadline, "write to", err);
            if (rc) return rc;
            continue;
        }
        for (size_t left = (size_t)sent; left;) {
            size_t part = MIN(left, iov->iov_len);
            iov->iov_base = (char *)iov->iov_base + part;
            iov->iov_len -= part;
            left -= part;
            if (!iov->iov_len) {
                iov++;
                count--;
            }
        }
    }
    return 0;
}

int net_write_full(int fd, const void *data, size_t size, int64_t deadline, struct err *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return net_writev_full(fd, &iov, 1, deadline, err);
}

static int sendfile_all(int fd, int file_fd, off_t at, size_t size, int64_t deadline,
                        struct err *err)
{
    while (size) {
        ssize_t sent = sendfile(fd, file_fd, &at, size);
        if (sent == 0)
            return err_set(err, ERR_EOF, "the file ends at %lld, %zu bytes early", (long long)at,
                           size);
        if (sent < 0) {
            int rc = again(fd, POLLOUT, deadline, "send to", err);
            if (rc) return rc;
            continue;
        }
        size -= (size_t)sent;
    }
    return 0;
}

int net_sendfile_full(int fd, int file_fd, int64_t offset, size_t size, int64_t deadline,
                      struct err *err)
{
    int flags = fcntl(
        fd,
        F_GETFL); /* sendfile() has no MSG_DONTWAIT: a blocking socket would miss its deadline */

    if (flags < 0) return err_set_errno(err, errno, "send a file");
    if (flags & O_NONBLOCK) return sendfile_all(fd, file_fd, offset, size, deadline, err);
    int rc = net_set_nonblock(fd, true, err);
    if (rc) return rc;
    rc = sendfile_all(fd, file_fd, offset, size, deadline, err);
    int restored = net_set_nonblock(fd, false, rc ? NULL : err);
    return rc ? rc : restored;
}
