#include "common/checksum.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "common/crc.h"
#include "common/mem.h"

static const char *const type_names[] = {"NULL", "CRC32", "CRC32C"};

int checksum_init(struct checksum *sum, int type, int64_t bytes_per_checksum, struct err *err)
{
    if (type < CHECKSUM_NULL || type > CHECKSUM_CRC32C)
        return err_set(err, ERR_ARGUMENT, "unknown checksum type %d", type);
    if (bytes_per_checksum <= 0 || bytes_per_checksum > BYTES_PER_CHECKSUM_MAX)
        return err_set(err, ERR_ARGUMENT, "a checksum for every %" PRId64 " bytes is not possible",
                       bytes_per_checksum);
    sum->type = (enum checksum_type)type;
    sum->bytes_per_checksum = (uint32_t)bytes_per_checksum;
    return 0;
}

bool checksum_type_parse(const char *name, enum checksum_type *type)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (str_eq(name, type_names[i])) {
            *type = (enum checksum_type)i;
            return true;
        }
    return false;
}

const char *checksum_type_name(enum checksum_type type)
{
    assert((size_t)type < ARRAY_LEN(type_names));
    return type_names[type];
}

void checksum_put_header(const struct checksum *sum, struct buf *buf)
{
    buf_put_u8(buf, (uint8_t)sum->type);
    buf_put_u32(buf, sum->bytes_per_checksum);
}

int checksum_get_header(struct checksum *sum, struct cursor *cursor, struct err *err)
{
    uint8_t type = cursor_u8(cursor);
    uint32_t bytes_per_checksum = cursor_u32(cursor);

    if (!cursor_ok(cursor)) return err_set(err, ERR_EOF, "the checksum header is cut short");
    return checksum_init(sum, type, bytes_per_checksum, err);
}

uint32_t checksum_update(enum checksum_type type, uint32_t crc, const void *data, size_t size)
{
    switch (type) {
    case CHECKSUM_CRC32: return crc32_zlib(crc, data, size);
    case CHECKSUM_CRC32C: return crc32c(crc, data, size);
    case CHECKSUM_NULL: break;
    }
    return 0;
}

void checksum_compute(const struct checksum *sum, const void *data, size_t size, uint8_t *sums)
{
    const uint8_t *at = data;

    if (sum->type == CHECKSUM_NULL) return;
    while (size) {
        size_t chunk = MIN(size, (size_t)sum->bytes_per_checksum);
        set_be32(sums, checksum_update(sum->type, 0, at, chunk));
        sums += 4;
        at += chunk;
        size -= chunk;
    }
}

ssize_t checksum_verify(const struct checksum *sum, const void *data, size_t size,
                        const uint8_t *sums)
{
    const uint8_t *at = data;

    if (sum->type == CHECKSUM_NULL) return -1;
    for (ssize_t i = 0; size; i++) {
        size_t chunk = MIN(size, (size_t)sum->bytes_per_checksum);
        if (get_be32(sums + 4 * i) != checksum_update(sum->type, 0, at, chunk)) return i;
        at += chunk;
        size -= chunk;
    }
    return -1;
}

struct md5 {
    EVP_MD_CTX *context;
};

static void md5_start(struct md5 *md5)
{
    int ok = EVP_DigestInit_ex(md5->context, EVP_md5(), NULL);
    assert(ok);
}

struct md5 *md5_new(void)
{
    struct md5 *md5 = NEW(struct md5);

    md5->context = EVP_MD_CTX_new();
    assert(md5->context);
    EVP_MD_CTX_set_flags(md5->context, EVP_MD_CTX_FLAG_NON_FIPS_ALLOW);
    md5_start(md5);
    return md5;
}

void md5_update(struct md5 *md5, const void *data, size_t size)
{
    int ok = EVP_DigestUpdate(md5->context, data, size);
    assert(ok);
}

void md5_finish(struct md5 *md5, uint8_t digest[MD5_SIZE])
{
    int ok = EVP_DigestFinal_ex(md5->context, digest, NULL);
    assert(ok);
    md5_start(md5);
}

void md5_free(struct md5 *md5)
{
    if (!md5) return;
    EVP_MD_CTX_free(md5->context);
    mem_free(md5);
}

void md5_of(const void *data, size_t size, uint8_t digest[MD5_SIZE])
{
    struct md5 *md5 = md5_new();

    md5_update(md5, data, size);
    md5_finish(md5, digest);
    md5_free(md5);
}

void md5_hex(const uint8_t digest[MD5_SIZE], char text[2 * MD5_SIZE + 1])
{
    for (int i = 0; i < MD5_SIZE; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}
