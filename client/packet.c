#include "client/packet.h"

#include "common/mem.h"
#include "common/xfer_packet.h"

struct packet *packet_new(uint32_t capacity, const struct checksum *sum)
{
    size_t sums = checksum_bytes(sum, capacity);
    struct packet *packet = mem_alloc(sizeof *packet + XFER_PACKET_HEADER_MAX + sums + capacity);

    packet->capacity = capacity;
    packet->sums_size = (uint32_t)sums;
    packet_reset(packet, 0, 0);
    return packet;
}

void packet_reset(struct packet *packet, int64_t seqno, uint64_t offset)
{
    packet->seqno = seqno;
    packet->offset = offset;
    packet->length = 0;
    packet->last = packet->sync = false;
    packet->sent = 0;
    packet->front_start = packet->front_length = 0;
}

void packet_free(struct packet *packet)
{
    mem_free(packet);
}

uint8_t *packet_data(struct packet *packet)
{
    return packet->memory + XFER_PACKET_HEADER_MAX + packet->sums_size;
}

uint32_t packet_fill(struct packet *packet, const void *data, size_t size, uint32_t limit)
{
    assert(limit <= packet->capacity && packet->length <= limit);
    uint32_t n = (uint32_t)MIN(size, (size_t)(limit - packet->length));

    memcpy(packet_data(packet) + packet->length, data, n);
    packet->length += n;
    return n;
}

void packet_seal(struct packet *packet, const struct checksum *sum)
{
    uint8_t encoded[XFER_PACKET_HEADER_MAX];
    struct xfer_packet_header header = {
        .offset = (int64_t)packet->offset,
        .seqno = packet->seqno,
        .last = packet->last,
        .sync = packet->sync,
        .data_length = packet->length,
        .checksum_length = (uint32_t)checksum_bytes(sum, packet->length),
    };

    assert(header.checksum_length <= packet->sums_size);
    checksum_compute(sum, packet_data(packet), packet->length,
                     packet->memory + XFER_PACKET_HEADER_MAX);
    size_t size = xfer_packet_header_encode(&header, encoded);
    packet->front_start = (uint32_t)(XFER_PACKET_HEADER_MAX - size);
    packet->front_length = (uint32_t)size + header.checksum_length;
    memcpy(packet->memory + packet->front_start, encoded, size);
    packet->sent = 0;
}

int packet_parts(struct packet *packet, struct iovec parts[2])
{
    uint32_t skip = packet->sent;
    int n = 0;

    assert(packet->front_length);
    if (skip < packet->front_length) {
        parts[n++] = (struct iovec){packet->memory + packet->front_start + skip,
                                    packet->front_length - skip};
        skip = packet->front_length;
    }
    skip -= packet->front_length;
    if (packet->length > skip)
        parts[n++] = (struct iovec){packet_data(packet) + skip, packet->length - skip};
    return n;
}

bool packet_advance(struct packet *packet, size_t size)
{
    packet->sent += (uint32_t)size;
    assert(packet->sent <= packet->front_length + packet->length);
    return packet->sent == packet->front_length + packet->length;
}

uint32_t packet_limit(uint64_t offset, uint64_t block_size, uint32_t bytes_per_checksum,
                      uint32_t full)
{
    uint32_t inside = (uint32_t)(offset % bytes_per_checksum);
    uint64_t left = block_size > offset ? block_size - offset : 0;
    uint32_t limit = inside ? bytes_per_checksum - inside : full;

    return (uint32_t)MIN((uint64_t)limit, left);
}

uint32_t packet_tail(uint64_t offset, uint64_t end, uint32_t bytes_per_checksum)
{
    uint64_t tail = end % bytes_per_checksum;

    return (uint32_t)MIN(tail, end - offset);
}
