/*
 * PipelineAck: what flows back from the datanodes of a write pipeline. One entry a node, the
 * nearest first. Answers Hadoop's PipelineAck. Any thread.
 */
#ifndef COMMON_XFER_ACK_H
#define COMMON_XFER_ACK_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/xfer_io.h"
#include "proto/datatransfer.pb-c.h"

enum {
    XFER_PIPELINE_MAX = 512, /* dfs.replication.max: longest pipeline that is believed */
    XFER_SEQNO_OOB = -2,     /* out of band: the status says why */
    XFER_SEQNO_UNKNOWN = -3, /* no ack yet */
};

/* Bits of an entry: 0-3 the status, 5-6 congestion, 7-8 slowness. 0 is plain success. */
enum {
    XFER_ACK_STATUS_MASK = 0xf,
    XFER_ACK_ECN_SUPPORTED = 1 << 5,
    XFER_ACK_ECN_CONGESTED = 3 << 5,
    XFER_ACK_ECN_MASK = 3 << 5,
    XFER_ACK_SLOW_NORMAL = 1 << 7,
    XFER_ACK_SLOW_SLOW = 2 << 7,
    XFER_ACK_SLOW_MASK = 3 << 7,
};

struct xfer_ack {
    int64_t seqno;
    uint64_t downstream_ns; /* how long the node waited for the ones behind it */
    uint32_t count;
    uint32_t entry[XFER_PIPELINE_MAX]; /* flags; use xfer_ack_status() */
};

static inline Pb__Status xfer_ack_status(const struct xfer_ack *ack, uint32_t i)
{
    return (Pb__Status)(ack->entry[i] & XFER_ACK_STATUS_MASK);
}
static inline bool xfer_ack_congested(const struct xfer_ack *ack, uint32_t i)
{
    return (ack->entry[i] & XFER_ACK_ECN_MASK) == XFER_ACK_ECN_CONGESTED;
}
static inline bool xfer_ack_slow(const struct xfer_ack *ack, uint32_t i)
{
    return (ack->entry[i] & XFER_ACK_SLOW_MASK) == XFER_ACK_SLOW_SLOW;
}
/* True when every node says SUCCESS. */
bool xfer_ack_ok(const struct xfer_ack *ack);
/* Index of the first node that does not say SUCCESS, or -1. */
int xfer_ack_first_bad(const struct xfer_ack *ack);

void xfer_ack_put(struct buf *buf, const struct xfer_ack *ack);
int xfer_ack_read(struct xfer_in *in, struct xfer_ack *ack, struct err *err) MUST_CHECK;
/* Decodes a message without its length. Flags win over replies where both are there. */
int xfer_ack_decode(const void *data, size_t size, struct xfer_ack *ack,
                    struct err *err) MUST_CHECK;

#endif
