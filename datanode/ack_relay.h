/*
 * The acks of a pipeline stage: packets that wait for the mirror's word, in order, and the answers
 * upstream. Answers Hadoop's PacketResponder. Belongs to the receiving thread.
 */
#ifndef DATANODE_ACK_RELAY_H
#define DATANODE_ACK_RELAY_H

#include "common/xfer_ack.h"
#include "common/xfer_packet.h"
#include "datanode/dataset.h"

enum {
    ACKS_WAITING_MAX = 4096, /* then no more packets are read until acks come */
    ACKS_HELD_MAX = 8,
};

struct ack_relay {
    int up_fd, timeout_ms;       /* upstream */
    const atomic_uint *marks;    /* put into the entries of this node: congestion, slowness */
    struct replica_write *write; /* told of what all nodes have */
    struct ack_wait {
        int64_t seqno, end; /* end: of the packet in the block */
        int64_t since_ns;
        bool last, bulk;
    } * ring;
    uint32_t head, count, capacity;
    bool has_mirror; /* acks need the mirror's */
    bool broken;     /* the mirror is lost */
    bool last_acked;
    struct buf out; /* acks that are held */
    unsigned held;
    struct xfer_ack ack;
};

void ack_relay_init(struct ack_relay *relay, int up_fd, int timeout_ms, bool has_mirror,
                    const atomic_uint *marks, struct replica_write *write);
void ack_relay_release(struct ack_relay *relay);

/* The packet is written here: acks it, or waits for the mirror to do so. The ack of a `bulk` packet,
 * one of a stream at full speed, is held until ACKS_HELD_MAX are there or another ack goes; the caller
 * must call ack_relay_flush() before it waits for anything. */
int ack_relay_add(struct ack_relay *relay, int64_t seqno, int64_t end, bool last, bool bulk,
                  struct err *err) MUST_CHECK;
/* Sends what is held. */
int ack_relay_flush(struct ack_relay *relay, struct err *err) MUST_CHECK;
/* The mirror's ack in relay->ack. ERR_CHECKSUM when the mirror got corrupt bytes from us: then we
 * are the bad node. */
int ack_relay_take(struct ack_relay *relay, struct err *err) MUST_CHECK;
/* The mirror is lost: tells upstream, for what waits and for what comes. */
int ack_relay_break(struct ack_relay *relay, struct err *err) MUST_CHECK;
/* Our own verdict on a packet, out of turn: nothing follows it. */
int ack_relay_fail(struct ack_relay *relay, int64_t seqno, Pb__Status status,
                   struct err *err) MUST_CHECK;

static inline bool ack_relay_full(const struct ack_relay *relay)
{
    return relay->count == ACKS_WAITING_MAX;
}
/* How long the oldest packet has waited. */
int64_t ack_relay_age_ms(const struct ack_relay *relay);

#endif
