/*
 * Bytes that meet the wire or the disk: a growing buffer to write into and a cursor to read from.
 *
 * A cursor's error is sticky: after a read past the end, or an impossible length, every further read answers 0 or
 * NULL and cursor_ok() is false; so a parser is a list of fields and one check. Integers are big-endian unless
 * named otherwise. Neither struct may be shared between threads.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/base.h"

/* Zeroed is a valid empty buffer. Owns its memory. */
struct buf {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

void buf_release(struct buf *buf); /* frees; the buffer is empty and usable afterwards */
static inline void buf_clear(struct buf *buf)
{
    buf->length = 0;
}
void buf_reserve(struct buf *buf, size_t more); /* room for `more` bytes behind length */
uint8_t *buf_extend(struct buf *buf,
                    size_t size); /* appends `size` bytes to be filled by the caller */
void buf_consume(struct buf *buf, size_t size); /* drops bytes from the front */

void buf_put(struct buf *buf, const void *data, size_t size);
void buf_put_str(struct buf *buf, const char *s); /* without its NUL */
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
const char *buf_cstr(struct buf *buf); /* NUL-terminated view; valid until the next change */
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_put_varint(struct buf *buf, uint64_t value); /* protobuf base 128 */
void buf_put_hvlong(struct buf *buf, int64_t value);  /* Hadoop's WritableUtils.writeVLong */
void buf_set_u32(struct buf *buf, size_t offset,
                 uint32_t value); /* overwrites four bytes written before */

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline struct cursor cursor_of(const void *data, size_t size)
{
    return (struct cursor){.at = data, .end = (const uint8_t *)data + size};
}
static inline bool cursor_ok(const struct cursor *cursor)
{
    return !cursor->bad;
}
static inline size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

const uint8_t *cursor_bytes(struct cursor *cursor, size_t size); /* view into the input, or NULL */
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
uint64_t cursor_varint_long(struct cursor *cursor); /* of cursor_varint() */
static inline uint64_t cursor_varint(struct cursor *cursor)
{
    if (!cursor->bad && cursor->at < cursor->end && *cursor->at < 0x80) return *cursor->at++;
    return cursor_varint_long(cursor);
}
int64_t cursor_hvlong(struct cursor *cursor);
/* A delimited message: varint length and that many bytes, as a cursor of its own. */
struct cursor cursor_delimited(struct cursor *cursor);

/* Fixed-width access for code that computes offsets itself. */
static inline uint16_t get_be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t get_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t get_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline void set_be16(void *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}
static inline void set_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void set_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

#endif
