/*
 * Addresses and sockets: parsing, resolving, listening, connecting, and whole reads and writes with
 * a deadline.
 *
 * Any thread. Descriptors are close-on-exec. The blocking calls may wait in the resolver or the
 * kernel, so the event loop never makes them (net_listen and the text functions excepted).
 */
#ifndef COMMON_NET_H
#define COMMON_NET_H

#include <netdb.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/base.h"
#include "common/err.h"

enum { NET_HOST_MAX = 256, NET_TEXT_MAX = NET_HOST_MAX + 8 };

/* A host (name, IPv4 or IPv6 without brackets) and a port; fixed memory, copied freely. */
struct net_addr {
    char host[NET_HOST_MAX];
    uint16_t port;
};

/* "host:port", "[::1]:port", or "host" alone when default_port >= 0. A scheme and path
 * ("hdfs://host:port/") are allowed, as NetUtils.createSocketAddr does. ERR_ARGUMENT names the
 * text. */
int net_parse(const char *text, int default_port, struct net_addr *addr,
              struct err *err) MUST_CHECK;

/* The parts of a URI such as hdfs://host:8020/a/b: all copied, but for the path. */
struct net_uri {
    char scheme[16];              /* lower case; "" when there is none */
    char user[NET_HOST_MAX];      /* before an @ */
    char authority[NET_TEXT_MAX]; /* as written, without user; "" when there is none */
    char host[NET_HOST_MAX];
    int port;         /* -1 when there is none */
    const char *path; /* points into the text parsed; "" when there is none */
};
/* Takes plain paths too. Percent signs are not decoded. */
int net_parse_uri(const char *text, struct net_uri *uri, struct err *err) MUST_CHECK;

/* "host:port", with brackets around IPv6. */
void net_format(const struct net_addr *addr, char *text, size_t size);

/* A resolved address. */
struct net_sockaddr {
    struct sockaddr_storage storage;
    socklen_t length;
};

enum { NET_RESOLVE_MAX = 16 };
/* Asks the system for up to NET_RESOLVE_MAX addresses, in its order. ERR_UNKNOWN_HOST. Blocks. */
int net_resolve(const struct net_addr *addr, struct net_sockaddr *list, size_t *count,
                struct err *err) MUST_CHECK;
/* From numbers alone, without asking anybody: false for a name. */
bool net_numeric(const char *host, uint16_t port, struct net_sockaddr *addr);

/* Listens on `addr` ("0.0.0.0", "::", "" for all of both families, a name); port 0 lets the system
 * choose. Non-blocking. *port is the actual one. */
int net_listen(const struct net_addr *addr, int backlog, int *fd, uint16_t *port,
               struct err *err) MUST_CHECK;
/* Takes one connection, blocking or not as `nonblock` says. ERR_TIMEOUT when there is none now. As
 * connecting does, it sets TCP_NODELAY, and between two ends on this host a congestion control that
 * does not pace. */
int net_accept(int listen_fd, bool nonblock, int *fd, struct err *err) MUST_CHECK;

/* Connects, trying each resolved address until the deadline; the result blocks and has TCP_NODELAY.
 * ERR_TIMEOUT, ERR_CONNECT, ERR_UNKNOWN_HOST, with Hadoop's wording of who could not be reached. */
int net_connect(const struct net_addr *addr, int64_t deadline, int *fd, struct err *err) MUST_CHECK;
int net_connect_sockaddr(const struct net_sockaddr *to, int64_t deadline, int *fd,
                         struct err *err) MUST_CHECK;
/* Starts connecting without waiting: the descriptor is non-blocking; once writable,
 * net_connect_result() tells. */
int net_connect_start(const struct net_sockaddr *to, int *fd, struct err *err) MUST_CHECK;
int net_connect_result(int fd, const char *whom, struct err *err) MUST_CHECK;

/* All of it or an error: ERR_EOF (the peer ended; *got bytes came), ERR_TIMEOUT,
 * ERR_CONNECTION_LOST. For sockets and pipes, blocking or not. Deadlines are clock_mono_ms()
 * values; DEADLINE_NEVER waits for ever. */
int net_read_full(int fd, void *data, size_t size, int64_t deadline, struct err *err) MUST_CHECK;
/* At least one byte, at most `size`; *got 0 at the end. */
int net_read_some(int fd, void *data, size_t size, size_t *got, int64_t deadline,
                  struct err *err) MUST_CHECK;
int net_write_full(int fd, const void *data, size_t size, int64_t deadline,
                   struct err *err) MUST_CHECK;
/* Changes the parts of `iov` while it goes. Never raises SIGPIPE on sockets. */
int net_writev_full(int fd, struct iovec *iov, int count, int64_t deadline,
                    struct err *err) MUST_CHECK;
int net_readv_full(int fd, struct iovec *iov, int count, int64_t deadline,
                   struct err *err) MUST_CHECK;
/* `size` bytes of `file_fd` from `offset` to the socket by sendfile(2). ERR_EOF when the file is
 * shorter. */
int net_sendfile_full(int fd, int file_fd, int64_t offset, size_t size, int64_t deadline,
                      struct err *err) MUST_CHECK;
/* Waits until `events` (POLLIN, POLLOUT) or the peer's end; ERR_TIMEOUT. */
int net_wait(int fd, short events, int64_t deadline, struct err *err) MUST_CHECK;

/* "1.2.3.4:5" of the other or this end; "?" when it is not connected. Returns `text`. */
char *net_peer_text(int fd, char *text, size_t size);
char *net_local_text(int fd, char *text, size_t size);
/* Address and port as numbers apart; false when it is not connected. An IPv4 address mapped into
 * IPv6 is IPv4. */
bool net_peer(int fd, struct net_addr *addr);
bool net_local(int fd, struct net_addr *addr);
void net_sockaddr_addr(const struct net_sockaddr *from, struct net_addr *addr);

int net_set_nonblock(int fd, bool nonblock, struct err *err) MUST_CHECK;
void net_set_nodelay(int fd);
void net_set_keepalive(int fd);
void net_set_buffers(int fd, int64_t send_bytes,
                     int64_t recv_bytes); /* 0 or less leaves one as it is */

/* The host's own name as Java's InetAddress.getLocalHost() has it; resolved to the full name where
 * that exists. */
void net_host_name(char *name, size_t size);
/* The name that an address has; false when there is none (the address itself is then in `name`).
 * Blocks. */
bool net_reverse(const char *ip, char *name, size_t size);
bool net_is_loopback(const struct net_sockaddr *addr);
/* Does the address belong to an interface of this host? */
bool net_is_local(const struct net_sockaddr *addr);

#endif
