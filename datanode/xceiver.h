/*
 * The data port: accepts connections, rests idle ones in the event loop, runs operations on worker
 * threads in straight-line blocking code. Answers Hadoop's DataXceiverServer and DataXceiver.
 *
 *   accepted --> RESTING (in the loop, at most the keepalive time)
 *   RESTING --readable--> RUNNING (on a worker)
 *   RUNNING --operation done, connection may live on--> RUNNING if more is there, else RESTING
 *   RUNNING --anything else--> closed
 */
#ifndef DATANODE_XCEIVER_H
#define DATANODE_XCEIVER_H

#include "common/pool.h"
#include "common/xfer_op.h"
#include "datanode/datanode.h"

struct xceiver;

enum {
    XFER_BUFFER_SIZE = 160 * 1024, /* a usual packet and its checksums */
    XFER_BUFFERS_MAX = 512 << 20,  /* bytes of all buffers */
    XFER_BUFFERS_KEPT = 8,
    XFER_BUFFER_WAIT_MS = 60000,
    XFER_MIRROR_READ_EXTRA_MS =
        5000, /* per datanode further down: HdfsConstants.READ_TIMEOUT_EXTENSION */
    XFER_MIRROR_WRITE_EXTRA_MS = 5000,
};

/* One operation on its thread. */
struct xfer_context {
    struct datanode *dn;
    struct pool *buffers;
    int fd;
    struct xfer_in in;
    struct arena arena;
    const char *peer; /* "ip:port" of the other side */
    const char *local;
    bool keep; /* out: another operation may follow on the connection */
};

int xceiver_new(struct datanode *dn, struct xceiver **xceiver, uint16_t *port,
                struct err *err) MUST_CHECK;
void xceiver_stop(
    struct xceiver *xceiver); /* loop thread: closes everything, waits for the workers */
void xceiver_free(struct xceiver *xceiver); /* NULL is fine */

/* Operations running now. Any thread. */
int xceiver_count(struct xceiver *xceiver);
struct pool *xceiver_buffers(struct xceiver *xceiver);

/* The pool that a request's block names, or NULL with `err` set. */
struct block_pool *xfer_pool(struct xfer_context *ctx, const Pb__ExtendedBlock *block,
                             struct block_name *name, struct err *err);
/* Answers ERROR with "<op> <block> received exception <class>: <text>". */
void xfer_fail(struct xfer_context *ctx, const char *op, const Pb__ExtendedBlock *block,
               const struct err *err);
/* Sends a plain answer; failures only end the connection. */
int xfer_answer(struct xfer_context *ctx, Pb__Status status, const char *text,
                struct err *err) MUST_CHECK;

#endif
