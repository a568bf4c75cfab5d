/*
 * Checksums of chunks, as DataChecksum: every bytes_per_checksum bytes of a block have one CRC,
 * four bytes big-endian, on the wire and in the meta file. Any thread.
 */
#ifndef COMMON_CHECKSUM_H
#define COMMON_CHECKSUM_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

/* DataChecksum's numbers, which meet wire and disk. */
enum checksum_type { CHECKSUM_NULL = 0, CHECKSUM_CRC32 = 1, CHECKSUM_CRC32C = 2 };

struct checksum {
    enum checksum_type type;
    uint32_t bytes_per_checksum; /* > 0 */
};

enum { CHECKSUM_HEADER_SIZE = 5, BYTES_PER_CHECKSUM_MAX = 16 << 20, MD5_SIZE = 16 };

/* 4, or 0 for CHECKSUM_NULL. */
static inline size_t checksum_size(const struct checksum *sum)
{
    return sum->type == CHECKSUM_NULL ? 0 : 4;
}
static inline size_t checksum_chunks(const struct checksum *sum, size_t size)
{
    return DIV_UP(size, (size_t)sum->bytes_per_checksum);
}
/* Bytes of checksums for `size` bytes of data. */
static inline size_t checksum_bytes(const struct checksum *sum, size_t size)
{
    return checksum_chunks(sum, size) * checksum_size(sum);
}

/* From outside numbers: ERR_ARGUMENT for an unknown type or impossible chunk size. */
int checksum_init(struct checksum *sum, int type, int64_t bytes_per_checksum,
                  struct err *err) MUST_CHECK;
/* "NULL", "CRC32", "CRC32C"; false for others. */
bool checksum_type_parse(const char *name, enum checksum_type *type);
const char *checksum_type_name(enum checksum_type type);

/* Type byte and chunk size, as in front of meta files and packets' first reply. */
void checksum_put_header(const struct checksum *sum, struct buf *buf);
int checksum_get_header(struct checksum *sum, struct cursor *cursor, struct err *err) MUST_CHECK;

/* One CRC, going on from `crc` (0 at first). */
uint32_t checksum_update(enum checksum_type type, uint32_t crc, const void *data, size_t size);

/* Fills checksum_bytes(size) bytes at `sums`; the last chunk may be short. */
void checksum_compute(const struct checksum *sum, const void *data, size_t size, uint8_t *sums);

/* The index of the first chunk whose checksum differs, or -1 when all agree. */
ssize_t checksum_verify(const struct checksum *sum, const void *data, size_t size,
                        const uint8_t *sums);

/* MD5, for file checksums and fsimage.md5; no security rests on it. */
struct md5;
struct md5 *md5_new(void);
void md5_update(struct md5 *md5, const void *data, size_t size);
void md5_finish(struct md5 *md5,
                uint8_t digest[MD5_SIZE]); /* ready for another message afterwards */
void md5_free(struct md5 *md5);            /* NULL is fine */
void md5_of(const void *data, size_t size, uint8_t digest[MD5_SIZE]);
void md5_hex(const uint8_t digest[MD5_SIZE], char text[2 * MD5_SIZE + 1]);

#endif
