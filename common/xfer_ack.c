#include "common/xfer_ack.h"

enum { MESSAGE_MAX = 16 + XFER_PIPELINE_MAX * (6 + 6) };

/* Tags of the message, which is coded here by hand: it is met once a packet. */
enum {
    TAG_SEQNO = 1 << 3 | 0,
    TAG_REPLY = 2 << 3 | 0,
    TAG_REPLY_PACKED = 2 << 3 | 2,
    TAG_DOWNSTREAM = 3 << 3 | 0,
    TAG_FLAG = 4 << 3 | 0,
    TAG_FLAG_PACKED = 4 << 3 | 2,
};

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}
static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

bool xfer_ack_ok(const struct xfer_ack *ack)
{
    return xfer_ack_first_bad(ack) < 0;
}

int xfer_ack_first_bad(const struct xfer_ack *ack)
{
    for (uint32_t i = 0; i < ack->count; i++)
        if (xfer_ack_status(ack, i) != PB__STATUS__SUCCESS) return (int)i;
    return -1;
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;

    for (; value >= 0x80; value >>= 7) size++;
    return size;
}

void xfer_ack_put(struct buf *buf, const struct xfer_ack *ack)
{
    size_t flags = 0;

    assert(ack->count <= XFER_PIPELINE_MAX);
    for (uint32_t i = 0; i < ack->count; i++) flags += varint_size(ack->entry[i]);
    size_t size = 1 + varint_size(zigzag(ack->seqno)) + 2 * (size_t)ack->count + 1 +
                  varint_size(ack->downstream_ns);
    if (ack->count) size += 1 + varint_size(flags) + flags;

    buf_put_varint(buf, size);
    size_t start = buf->length;
    buf_put_u8(buf, TAG_SEQNO);
    buf_put_varint(buf, zigzag(ack->seqno));
    for (uint32_t i = 0; i < ack->count; i++) {
        buf_put_u8(buf, TAG_REPLY);
        buf_put_u8(buf, (uint8_t)xfer_ack_status(ack, i));
    }
    buf_put_u8(buf, TAG_DOWNSTREAM);
    buf_put_varint(buf, ack->downstream_ns);
    if (ack->count) {
        buf_put_u8(buf, TAG_FLAG_PACKED);
        buf_put_varint(buf, flags);
        for (uint32_t i = 0; i < ack->count; i++) buf_put_varint(buf, ack->entry[i]);
    }
    assert(buf->length - start == size);
}

/* Entries arrive one by one or packed; both forms are legal for both fields. */
struct entries {
    uint32_t count;
    uint32_t *value;
};

static void take_entries(struct cursor *cursor, bool packed, struct entries *to)
{
    struct cursor list;

    if (packed) list = cursor_delimited(cursor);
    do {
        if (packed && !cursor_left(&list)) break;
        uint64_t value = cursor_varint(packed ? &list : cursor);
        if (to->count == XFER_PIPELINE_MAX) cursor->bad = true;
        if (cursor->bad) return;
        to->value[to->count++] = (uint32_t)value;
    } while (packed && cursor_ok(&list));
    if (packed && !cursor_ok(&list)) cursor->bad = true;
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

int xfer_ack_decode(const void *data, size_t size, struct xfer_ack *ack, struct err *err)
{
    struct cursor cursor = cursor_of(data, size);
    uint32_t reply_values[XFER_PIPELINE_MAX];
    struct entries replies = {.value = reply_values};
    struct entries flags = {.value = ack->entry};
    bool have_seqno = false;

    ack->downstream_ns = 0;
    while (cursor_left(&cursor) && cursor_ok(&cursor)) {
        uint64_t tag = cursor_varint(&cursor);
        switch (tag) {
        case TAG_SEQNO:
            ack->seqno = unzigzag(cursor_varint(&cursor));
            have_seqno = true;
            break;
        case TAG_REPLY:
        case TAG_REPLY_PACKED: take_entries(&cursor, tag == TAG_REPLY_PACKED, &replies); break;
        case TAG_DOWNSTREAM: ack->downstream_ns = cursor_varint(&cursor); break;
        case TAG_FLAG:
        case TAG_FLAG_PACKED: take_entries(&cursor, tag == TAG_FLAG_PACKED, &flags); break;
        default: skip_field(&cursor, tag);
        }
    }
    if (!cursor_ok(&cursor) || !have_seqno)
        return err_set(err, ERR_BAD_MESSAGE, "undecodable pipeline ack of %zu bytes", size);
    ack->count = flags.count;
    if (flags.count >= replies.count) return 0;
    for (ack->count = 0; ack->count < replies.count; ack->count++)
        ack->entry[ack->count] = replies.value[ack->count] & XFER_ACK_STATUS_MASK;
    return 0;
}

int xfer_ack_read(struct xfer_in *in, struct xfer_ack *ack, struct err *err)
{
    uint8_t message[MESSAGE_MAX];
    size_t size;

    int rc = xfer_in_length(in, sizeof message, &size, err);
    if (!rc) rc = xfer_in_read(in, message, size, err);
    return rc ? rc : xfer_ack_decode(message, size, ack, err);
}
