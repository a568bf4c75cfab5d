#include "common/xfer_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

/* Waits for `events` on the socket; 0, or the error that says why not. */
static int wait_for(int fd, short events, int timeout_ms, struct err *err)
{
    struct pollfd pfd = {.fd = fd, .events = events};

    for (;;) {
        int n = poll(&pfd, 1, timeout_ms);
        if (n > 0) return 0;
        if (n == 0)
            return err_set(err, ERR_TIMEOUT,
                           "%d millis timeout while waiting for channel to be ready for %s",
                           timeout_ms, events & POLLIN ? "read" : "write");
        if (errno != EINTR) return err_set_errno(err, errno, "poll");
    }
}

/* A socket's failure is never ERR_IO, which means a disk to callers that serve files. */
static int socket_error(struct err *err, const char *what)
{
    int code = err_set_errno(err, errno, "%s", what);

    if (code != ERR_IO) return code;
    if (err) err->code = ERR_CONNECTION_LOST;
    return ERR_CONNECTION_LOST;
}

static int receive(struct xfer_in *in, void *to, size_t size, size_t *got, struct err *err)
{
    for (;;) {
        ssize_t n = recv(in->fd, to, size, MSG_DONTWAIT);
        if (n > 0) {
            *got = (size_t)n;
            return 0;
        }
        if (n == 0) return err_set(err, ERR_EOF, "the peer closed the connection");
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return socket_error(err, "read from the connection");
        int rc = in->before_wait ? in->before_wait(in->context, err) : 0;
        if (!rc) rc = wait_for(in->fd, POLLIN, in->timeout_ms, err);
        if (rc) return rc;
    }
}

void xfer_in_init(struct xfer_in *in, int fd, int timeout_ms)
{
    in->fd = fd;
    in->timeout_ms = timeout_ms;
    in->before_wait = NULL;
    in->start = in->end = 0;
}

int xfer_in_wait(struct xfer_in *in, struct err *err)
{
    size_t got;

    if (in->start < in->end) return 0;
    int rc = receive(in, in->ahead, sizeof in->ahead, &got, err);
    if (rc) return rc;
    in->start = 0;
    in->end = (uint32_t)got;
    return 0;
}

int xfer_in_read(struct xfer_in *in, void *to, size_t size, struct err *err)
{
    uint8_t *at = to;

    while (size) {
        size_t got;
        if (in->start == in->end && size >= sizeof in->ahead) {
            int rc = receive(in, at, size, &got, err);
            if (rc) return rc;
        } else {
            int rc = xfer_in_wait(in, err);
            if (rc) return rc;
            got = MIN(size, (size_t)(in->end - in->start));
            memcpy(at, in->ahead + in->start, got);
            in->start += (uint32_t)got;
        }
        at += got;
        size -= got;
    }
    return 0;
}

int xfer_in_length(struct xfer_in *in, size_t max, size_t *length, struct err *err)
{
    uint64_t value = 0;

    for (int i = 0; i < XFER_DELIMITER_MAX; i++) {
        uint8_t byte;
        int rc = xfer_in_read(in, &byte, 1, err);
        if (rc) return rc;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (value > max) break;
        *length = (size_t)value;
        return 0;
    }
    return err_set(err, ERR_BAD_MESSAGE, "message is longer than %zu bytes", max);
}

int xfer_writev(int fd, struct iovec *parts, int count, int flags, int timeout_ms, struct err *err)
{
    for (;;) {
        while (count && !parts->iov_len) parts++, count--;
        if (!count) return 0;
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        ssize_t n = sendmsg(fd, &message, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                return socket_error(err, "write to the connection");
            int rc = wait_for(fd, POLLOUT, timeout_ms, err);
            if (rc) return rc;
            continue;
        }
        for (size_t left = (size_t)n; left;) {
            size_t step = MIN(left, parts->iov_len);
            parts->iov_base = (char *)parts->iov_base + step;
            parts->iov_len -= step;
            left -= step;
            if (!parts->iov_len) parts++, count--;
        }
    }
}

int xfer_write(int fd, const void *data, size_t size, int flags, int timeout_ms, struct err *err)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

    return xfer_writev(fd, &part, 1, flags, timeout_ms, err);
}

int xfer_sendfile(int fd, int from, int64_t offset, size_t size, int timeout_ms, struct err *err)
{
    off_t at = offset;

    while (size) {
        ssize_t n = sendfile(fd, from, &at, size);
        if (n > 0) {
            size -= (size_t)n;
            continue;
        }
        if (n == 0)
            return err_set(err, ERR_EOF, "file ends at %" PRId64 ", %zu bytes too early",
                           (int64_t)at, size);
        if (errno == EINTR) continue;
        if (errno == EIO)
            return err_set(err, ERR_IO, "the disk failed at offset %" PRId64, (int64_t)at);
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return socket_error(err, "send to the connection");
        int rc = wait_for(fd, POLLOUT, timeout_ms, err);
        if (rc) return rc;
    }
    return 0;
}
