/*
 * WRITE_BLOCK: one stage of a pipeline. Answers Hadoop's BlockReceiver.
 *
 *   SETUP --replica ready, mirror connected, answer sent--> RECEIVE
 *   RECEIVE --last packet--> DRAIN --last ack--> done
 *   RECEIVE, DRAIN --mirror breaks--> BROKEN: [SUCCESS, ERROR] upstream, until that closes
 *   any --own trouble--> closed; a client's replica stays RBW for recovery, a copy's is deleted
 *
 * One thread does it all: it polls both neighbours, and while a packet waits for room towards the
 * mirror it goes on relaying acks, so that a slow mirror cannot make the two wait for each other.
 * Each packet is read into one pooled buffer, checked once, and goes from there to the mirror and
 * to the disk.
 */
#ifndef DATANODE_RECV_BLOCK_H
#define DATANODE_RECV_BLOCK_H

#include "datanode/throttle.h"
#include "datanode/xceiver.h"

void recv_block_op(struct xfer_context *ctx, const Pb__OpWriteBlock *op);

/* Receives packets from `in` into a new TEMPORARY and finalizes it: the taking half of
 * REPLACE_BLOCK. */
int recv_block_copy(struct xfer_context *ctx, struct xfer_in *in, struct replica_write *write,
                    const struct checksum *sum, struct throttle *throttle, int64_t *length,
                    struct err *err) MUST_CHECK;

#endif
