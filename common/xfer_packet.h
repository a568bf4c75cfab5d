/*
 * Packets of a block's data stream, both directions: i32 PLEN, i16 HLEN, PacketHeader, the chunks'
 * CRCs, the data. PLEN counts itself, the CRCs and the data. Answers Hadoop's PacketHeader and
 * PacketReceiver. Pure but for xfer_packet_read_header(); any thread.
 */
#ifndef COMMON_XFER_PACKET_H
#define COMMON_XFER_PACKET_H

#include "common/base.h"
#include "common/err.h"
#include "common/xfer_io.h"

enum {
    XFER_PACKET_MAX = 16 * 1024 * 1024, /* dfs.data.transfer.max.packet.size: CRCs and data */
    XFER_PACKET_HEADER_MAX = 33,        /* PLEN, HLEN and the longest PacketHeader we write */
    XFER_PACKET_LENGTHS = 6,            /* PLEN and HLEN alone */
    XFER_SEQNO_HEARTBEAT = -1,
};

struct xfer_packet_header {
    int64_t offset; /* in the block */
    int64_t seqno;
    bool last; /* the block ends with this packet, which carries no data */
    bool sync; /* wanted on disk before the ack */
    uint32_t data_length;
    uint32_t checksum_length; /* bytes of CRCs; they come first, then the data */
};

/* Writes the 31 or 33 bytes in front of a packet's CRCs; returns how many. The lengths must keep to
 * XFER_PACKET_MAX. */
size_t xfer_packet_header_encode(const struct xfer_packet_header *header,
                                 uint8_t out[XFER_PACKET_HEADER_MAX]);

/* Decodes PLEN, HLEN and the PacketHeader's `size` bytes behind them. ERR_BAD_MESSAGE for anything
 * inconsistent: after success, lengths are within the maximum and agree with PLEN. */
int xfer_packet_header_decode(const uint8_t lengths[XFER_PACKET_LENGTHS], const uint8_t *message,
                              size_t size, struct xfer_packet_header *header,
                              struct err *err) MUST_CHECK;

/* Reads up to and with the header; the caller then reads checksum_length + data_length bytes. */
int xfer_packet_read_header(struct xfer_in *in, struct xfer_packet_header *header,
                            struct err *err) MUST_CHECK;

/* Does the packet carry as many CRCs as its data has chunks, and if it starts inside a chunk, does
 * it end in that chunk? `checksum_size` is 4, or 0 for no CRCs. */
int xfer_packet_check(const struct xfer_packet_header *header, uint32_t bytes_per_checksum,
                      uint32_t checksum_size, struct err *err) MUST_CHECK;

/* The most data bytes in a packet of a writer: what Java's clients send with that packet size
 * (64512 for 65536 and chunks of 512). At least one chunk. */
uint32_t xfer_packet_data_max(uint32_t packet_size, uint32_t bytes_per_checksum,
                              uint32_t checksum_size);

#endif
