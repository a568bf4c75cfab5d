/*
 * READ_BLOCK, and the sending half of copies: data by sendfile, checksums from the meta file.
 * Answers Hadoop's BlockSender.
 */
#ifndef DATANODE_SEND_BLOCK_H
#define DATANODE_SEND_BLOCK_H

#include "datanode/throttle.h"
#include "datanode/xceiver.h"

enum { SEND_PACKET_SIZE = 128 * 1024, SEND_WHOLE_MAX = 64 * 1024, READ_WAIT_MS = 3000 };

/* What goes out: whole chunks that cover the range, as far as the replica goes. */
struct send_range {
    struct checksum sum; /* NULL when no checksums are sent */
    int64_t start, end;
};
/* ERR_IO with Hadoop's text when the range is not in the replica. */
int send_range_init(struct send_range *range, const struct replica_read *read,
                    const struct block_name *block, int64_t offset, int64_t length, bool checksums,
                    struct err *err) MUST_CHECK;

/* Sends `head` (an answer or a request that comes first), the packets, and the empty last one. */
int send_block_data(const struct replica_read *read, const struct send_range *range, int fd,
                    const struct buf *head, int timeout_ms, struct throttle *throttle,
                    struct err *err) MUST_CHECK;

void send_block_op(struct xfer_context *ctx, const Pb__OpReadBlock *op);

#endif
