/*
 * One packet of a block on its way to a pipeline: data with room in front for its checksums and
 * header, kept until acknowledged. Pure; belongs to its stream.
 */
#ifndef CLIENT_PACKET_H
#define CLIENT_PACKET_H

#include <sys/queue.h>
#include <sys/uio.h>

#include "common/base.h"
#include "common/checksum.h"

struct packet {
    TAILQ_ENTRY(packet) entry;
    int64_t seqno;     /* XFER_SEQNO_HEARTBEAT for one that is never kept */
    uint64_t offset;   /* of its data in the block */
    uint32_t length;   /* of its data */
    uint32_t capacity; /* at most that much data */
    bool last;         /* ends the block; no data */
    bool sync;

    uint32_t sent;                      /* bytes of the wire form already sent */
    uint32_t front_start, front_length; /* header and checksums, once sealed */
    uint32_t sums_size;                 /* room for checksums */
    uint8_t memory[];                   /* header, checksums, data */
};
TAILQ_HEAD(packet_list, packet);

/* `capacity` bytes of data at most, for checksums as `sum` says. packet_free() frees. */
struct packet *packet_new(uint32_t capacity, const struct checksum *sum);
/* For another use of the same capacity. */
void packet_reset(struct packet *packet, int64_t seqno, uint64_t offset);
void packet_free(struct packet *packet); /* NULL is fine */

uint8_t *packet_data(struct packet *packet);
/* Appends as much as fits below `limit` bytes of data; returns how much. */
uint32_t packet_fill(struct packet *packet, const void *data, size_t size, uint32_t limit);
/* Computes checksums and header. Data may not change afterwards. */
void packet_seal(struct packet *packet, const struct checksum *sum);
/* What is left to send, in at most two parts; returns their number. */
int packet_parts(struct packet *packet, struct iovec parts[2]);
/* Notes that `size` more bytes are sent; true when that was all. */
bool packet_advance(struct packet *packet, size_t size);
static inline uint64_t packet_end(const struct packet *packet)
{
    return packet->offset + packet->length;
}

/* How many bytes a packet that begins at `offset` may hold: to the end of the chunk for one that
 * begins inside of a chunk (the datanode has to combine its CRC with what is on disk), else `full`;
 * never past the block's end. */
uint32_t packet_limit(uint64_t offset, uint64_t block_size, uint32_t bytes_per_checksum,
                      uint32_t full);
/* The bytes at the end of a packet [offset, end) that belong to an unfinished chunk: after a flush
 * they are sent again with the bytes that follow, under one CRC. */
uint32_t packet_tail(uint64_t offset, uint64_t end, uint32_t bytes_per_checksum);

#endif
