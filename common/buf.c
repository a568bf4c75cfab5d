#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/mem.h"

void buf_release(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_reserve(struct buf *buf, size_t more)
{
    size_t wanted = buf->length + more;

    assert(wanted >= more);
    if (wanted <= buf->capacity) return;
    buf->capacity = MAX(wanted, MAX(buf->capacity * 2, (size_t)256));
    buf->data = mem_realloc(buf->data, buf->capacity);
}

uint8_t *buf_extend(struct buf *buf, size_t size)
{
    buf_reserve(buf, size);
    uint8_t *p = buf->data + buf->length;
    buf->length += size;
    return p;
}

void buf_consume(struct buf *buf, size_t size)
{
    assert(size <= buf->length);
    buf->length -= size;
    if (buf->length) memmove(buf->data, buf->data + size, buf->length);
}

void buf_put(struct buf *buf, const void *data, size_t size)
{
    if (size) memcpy(buf_extend(buf, size), data, size);
}

void buf_put_str(struct buf *buf, const char *s)
{
    buf_put(buf, s, strlen(s));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    buf_reserve(buf, (size_t)length + 1);
    vsnprintf((char *)buf->data + buf->length, (size_t)length + 1, format, again);
    va_end(again);
    buf->length += (size_t)length;
}

const char *buf_cstr(struct buf *buf)
{
    buf_reserve(buf, 1);
    buf->data[buf->length] = '\0';
    return (const char *)buf->data;
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    *buf_extend(buf, 1) = value;
}
void buf_put_u16(struct buf *buf, uint16_t value)
{
    set_be16(buf_extend(buf, 2), value);
}
void buf_put_u32(struct buf *buf, uint32_t value)
{
    set_be32(buf_extend(buf, 4), value);
}
void buf_put_u64(struct buf *buf, uint64_t value)
{
    set_be64(buf_extend(buf, 8), value);
}

void buf_set_u32(struct buf *buf, size_t offset, uint32_t value)
{
    assert(offset + 4 <= buf->length);
    set_be32(buf->data + offset, value);
}

void buf_put_varint(struct buf *buf, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) buf_put_u8(buf, (uint8_t)(value | 0x80));
    buf_put_u8(buf, (uint8_t)value);
}

void buf_put_hvlong(struct buf *buf, int64_t value)
{
    if (value >= -112 && value <= 127) {
        buf_put_u8(buf, (uint8_t)value);
        return;
    }
    uint64_t magnitude = value < 0 ? ~(uint64_t)value : (uint64_t)value;
    int bytes = 8 - __builtin_clzll(magnitude | 1) / 8;
    buf_put_u8(buf, (uint8_t)((value < 0 ? -120 : -112) - bytes));
    for (int i = bytes - 1; i >= 0; i--) buf_put_u8(buf, (uint8_t)(magnitude >> (8 * i)));
}

const uint8_t *cursor_bytes(struct cursor *cursor, size_t size)
{
    if (cursor->bad || size > cursor_left(cursor)) {
        cursor->bad = true;
        return NULL;
    }
    const uint8_t *p = cursor->at;
    cursor->at += size;
    return p;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *p = cursor_bytes(cursor, 1);
    return p ? *p : 0;
}

uint16_t cursor_u16(struct cursor *cursor)
{
    const uint8_t *p = cursor_bytes(cursor, 2);
    return p ? get_be16(p) : 0;
}

uint32_t cursor_u32(struct cursor *cursor)
{
    const uint8_t *p = cursor_bytes(cursor, 4);
    return p ? get_be32(p) : 0;
}

uint64_t cursor_u64(struct cursor *cursor)
{
    const uint8_t *p = cursor_bytes(cursor, 8);
    return p ? get_be64(p) : 0;
}

uint64_t cursor_varint_long(struct cursor *cursor)
{
    const uint8_t *at = cursor->at;
    uint64_t value = 0;

    for (int shift = 0; !cursor->bad && shift < 64 && at < cursor->end; shift += 7) {
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (*at++ & 0x80) continue;
        cursor->at = at;
        return value;
    }
    cursor->bad = true;
    return 0;
}

int64_t cursor_hvlong(struct cursor *cursor)
{
    int8_t first = (int8_t)cursor_u8(cursor);

    if (first >= -112) return first;
    bool negative = first < -120;
    int bytes = negative ? -120 - first : -112 - first;
    uint64_t magnitude = 0;
    for (int i = 0; i < bytes; i++) magnitude = magnitude << 8 | cursor_u8(cursor);
    if (cursor->bad) return 0;
    return (int64_t)(negative ? ~magnitude : magnitude);
}

struct cursor cursor_delimited(struct cursor *cursor)
{
    uint64_t size = cursor_varint(cursor);
    const uint8_t *p = size <= SIZE_MAX ? cursor_bytes(cursor, (size_t)size) : NULL;

    if (!p) return (struct cursor){.bad = true};
    return cursor_of(p, (size_t)size);
}
