/*
 * Blocking bytes for the data-transfer protocol: exact reads with read-ahead, full writes, both
 * with timeouts that count from the last byte moved. Work on blocking and non-blocking sockets
 * alike.
 *
 * Thread rules: one thread reads and one (maybe another) writes a socket at a time.
 * Errors: ERR_EOF when the peer closed, ERR_TIMEOUT, ERR_CONNECTION_LOST, or what errno says.
 */
#ifndef COMMON_XFER_IO_H
#define COMMON_XFER_IO_H

#include <sys/uio.h>

#include "common/base.h"
#include "common/err.h"

enum {
    XFER_IN_AHEAD = 4096,           /* read-ahead for headers; payloads bypass it */
    XFER_MESSAGE_MAX = 1024 * 1024, /* longest delimited message that is believed */
    XFER_DELIMITER_MAX = 5,         /* bytes of a varint length */
};

/* The receiving side of a connection. Owns only its read-ahead, not the descriptor. */
struct xfer_in {
    int fd;
    int timeout_ms; /* -1: wait for ever; may be changed between reads */
    /* Optional: runs before a read has to wait for bytes; its error ends the read. */
    int (*before_wait)(void *context, struct err *err);
    void *context;

    uint32_t start, end; /* what is left of the read-ahead */
    uint8_t ahead[XFER_IN_AHEAD];
};

void xfer_in_init(struct xfer_in *in, int fd, int timeout_ms);

/* Exactly `size` bytes into `to`. ERR_EOF when the peer closed before the last of them; where
 * that differs from a close between messages, call xfer_in_wait() first. */
int xfer_in_read(struct xfer_in *in, void *to, size_t size, struct err *err) MUST_CHECK;
/* Waits until at least one byte is there. ERR_EOF: the peer closed where a message may begin. */
int xfer_in_wait(struct xfer_in *in, struct err *err) MUST_CHECK;
/* Bytes already read ahead: when not 0, the socket need not become readable for a read to work. */
static inline size_t xfer_in_buffered(const struct xfer_in *in)
{
    return in->end - in->start;
}

/* The length in front of a delimited message: 0…max, or ERR_BAD_MESSAGE. */
int xfer_in_length(struct xfer_in *in, size_t max, size_t *length, struct err *err) MUST_CHECK;

/* All of `size` bytes. `flags`: 0 or MSG_MORE. */
int xfer_write(int fd, const void *data, size_t size, int flags, int timeout_ms,
               struct err *err) MUST_CHECK;
/* All bytes of the vector, whose elements are consumed. */
int xfer_writev(int fd, struct iovec *parts, int count, int flags, int timeout_ms,
                struct err *err) MUST_CHECK;
/* Exactly `size` bytes of file `from` at `offset`, without a copy. ERR_EOF: the file is shorter.
 * ERR_IO: the file (not the socket) failed. */
int xfer_sendfile(int fd, int from, int64_t offset, size_t size, int timeout_ms,
                  struct err *err) MUST_CHECK;

#endif
