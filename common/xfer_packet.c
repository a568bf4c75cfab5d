#include "common/xfer_packet.h"

#include "common/buf.h"

/* Tags of PacketHeader: fixed-width fields, so that its size is known before the data is. */
enum {
    TAG_OFFSET = 1 << 3 | 1,
    TAG_SEQNO = 2 << 3 | 1,
    TAG_LAST = 3 << 3 | 0,
    TAG_DATA_LENGTH = 4 << 3 | 5,
    TAG_SYNC = 5 << 3 | 0,
    HAVE_REQUIRED = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4,
    HEADER_LENGTH_MAX = 1024, /* unknown fields of later versions included */
};

static uint8_t *put_le(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

static uint64_t cursor_le(struct cursor *cursor, size_t bytes)
{
    const uint8_t *p = cursor_bytes(cursor, bytes);
    uint64_t value = 0;

    for (size_t i = 0; p && i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

size_t xfer_packet_header_encode(const struct xfer_packet_header *header,
                                 uint8_t out[XFER_PACKET_HEADER_MAX])
{
    uint64_t payload = (uint64_t)header->data_length + header->checksum_length;
    uint8_t *at = out + XFER_PACKET_LENGTHS;

    assert(payload <= XFER_PACKET_MAX);
    *at++ = TAG_OFFSET;
    at = put_le(at, (uint64_t)header->offset, 8);
    *at++ = TAG_SEQNO;
    at = put_le(at, (uint64_t)header->seqno, 8);
    *at++ = TAG_LAST;
    *at++ = header->last;
    *at++ = TAG_DATA_LENGTH;
    at = put_le(at, header->data_length, 4);
    if (header->sync) { /* left out when false, as by Java */
        *at++ = TAG_SYNC;
        *at++ = 1;
    }
    set_be32(out, (uint32_t)payload + 4);
    set_be16(out + 4, (uint16_t)(at - out - XFER_PACKET_LENGTHS));
    return (size_t)(at - out);
}

static void skip_field(struct cursor *cursor, uint64_t tag)
{
    switch (tag & 7) {
    case 0: cursor_varint(cursor); break;
    case 1: cursor_bytes(cursor, 8); break;
    case 2: cursor_delimited(cursor); break;
    case 5: cursor_bytes(cursor, 4); break;
    default: cursor->bad = true;
    }
}

/* Returns the set of fields met, as bits; 0 when undecodable. */
static unsigned decode_fields(struct cursor cursor, struct xfer_packet_header *header)
{
    unsigned have = 0;

    while (cursor_left(&cursor) && cursor_ok(&cursor)) {
        uint64_t tag = cursor_varint(&cursor);
        switch (tag) {
        case TAG_OFFSET: header->offset = (int64_t)cursor_le(&cursor, 8); break;
        case TAG_SEQNO: header->seqno = (int64_t)cursor_le(&cursor, 8); break;
        case TAG_LAST: header->last = cursor_varint(&cursor) != 0; break;
        case TAG_DATA_LENGTH: header->data_length = (uint32_t)cursor_le(&cursor, 4); break;
        case TAG_SYNC: header->sync = cursor_varint(&cursor) != 0; break;
        default: skip_field(&cursor, tag); continue;
        }
        have |= 1u << (tag >> 3);
    }
    return cursor_ok(&cursor) ? have : 0;
}

int xfer_packet_header_decode(const uint8_t lengths[XFER_PACKET_LENGTHS], const uint8_t *message,
                              size_t size, struct xfer_packet_header *header, struct err *err)
{
    int64_t payload = (int64_t)(int32_t)get_be32(lengths) - 4;

    if (payload < 0 || payload > XFER_PACKET_MAX)
        return err_set(err, ERR_BAD_MESSAGE, "Incorrect value for packet payload size: %" PRId64,
                       payload);
    *header = (struct xfer_packet_header){0};
    unsigned have = decode_fields(cursor_of(message, size), header);
    if ((have & HAVE_REQUIRED) != HAVE_REQUIRED)
        return err_set(err, ERR_BAD_MESSAGE, "undecodable packet header of %zu bytes", size);
    if (header->data_length > payload)
        return err_set(err, ERR_BAD_MESSAGE,
                       "packet announces %" PRId32 " bytes of data in a payload of %" PRId64,
                       (int32_t)header->data_length, payload);
    if (header->offset < 0)
        return err_set(err, ERR_BAD_MESSAGE, "packet at negative offset %" PRId64, header->offset);
    if (header->last && header->data_length)
        return err_set(err, ERR_BAD_MESSAGE, "last packet of the block carries %u bytes of data",
                       header->data_length);
    header->checksum_length = (uint32_t)(payload - header->data_length);
    return 0;
}

int xfer_packet_read_header(struct xfer_in *in, struct xfer_packet_header *header, struct err *err)
{
    uint8_t lengths[XFER_PACKET_LENGTHS];
    uint8_t message[HEADER_LENGTH_MAX];

    int rc = xfer_in_read(in, lengths, sizeof lengths, err);
    if (rc) return rc;
    size_t size = get_be16(lengths + 4);
    if (size > sizeof message)
        return err_set(err, ERR_BAD_MESSAGE, "Incorrect value for packet header size: %zu", size);
    rc = xfer_in_read(in, message, size, err);
    if (rc) return rc;
    return xfer_packet_header_decode(lengths, message, size, header, err);
}

int xfer_packet_check(const struct xfer_packet_header *header, uint32_t bytes_per_checksum,
                      uint32_t checksum_size, struct err *err)
{
    assert(bytes_per_checksum > 0);
    uint64_t inside = (uint64_t)header->offset % bytes_per_checksum;
    if (inside && inside + header->data_length > bytes_per_checksum)
        return err_set(err, ERR_BAD_MESSAGE,
                       "packet of %u bytes at offset %" PRId64 " crosses a chunk of %u bytes",
                       header->data_length, header->offset, bytes_per_checksum);
    uint64_t wanted =
        (uint64_t)DIV_UP((uint64_t)header->data_length, bytes_per_checksum) * checksum_size;
    if (header->checksum_length != wanted)
        return err_set(err, ERR_BAD_MESSAGE,
                       "packet of %u bytes has %u bytes of checksums; %" PRIu64 " are due",
                       header->data_length, header->checksum_length, wanted);
    return 0;
}

uint32_t xfer_packet_data_max(uint32_t packet_size, uint32_t bytes_per_checksum,
                              uint32_t checksum_size)
{
    uint64_t chunk = (uint64_t)bytes_per_checksum + checksum_size;
    uint64_t body = packet_size > XFER_PACKET_HEADER_MAX ? packet_size - XFER_PACKET_HEADER_MAX : 0;
    uint64_t chunks =
        MIN(MAX(body / chunk, (uint64_t)1), MAX(XFER_PACKET_MAX / chunk, (uint64_t)1));

    return (uint32_t)(chunks * bytes_per_checksum);
}
