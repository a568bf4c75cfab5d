#include "common/crc.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    unsigned char *at = (unsigned char *)(uintptr_t)data; /* isa-l takes no const, but only reads */

    crc = ~crc; /* isa-l leaves the inversions before and after to us */
    while (size) {
        int part = size > INT_MAX ? INT_MAX : (int)size;
        crc = crc32_iscsi(at, part, crc);
        at += part;
        size -= (size_t)part;
    }
    return ~crc;
}

uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size)
{
    return crc32_gzip_refl(crc, data, size);
}

/* The product of two polynomials modulo `polynomial`, all bit-reflected: the highest bit is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b, uint32_t polynomial)
{
    uint32_t product = 0;

    for (int i = 0; i < 32; i++) {
        if (a & 0x80000000u) product ^= b;
        a <<= 1;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

uint32_t crc_monomial(uint64_t length, uint32_t polynomial)
{
    uint32_t result = 0x80000000u;     /* x^0 */
    uint32_t power = 0x80000000u >> 8; /* x^8: one byte further */

    for (; length; length >>= 1) {
        if (length & 1) result = multiply(result, power, polynomial);
        power = multiply(power, power, polynomial);
    }
    return result;
}

uint32_t crc_combine_with(uint32_t crc_a, uint32_t crc_b, uint32_t monomial, uint32_t polynomial)
{
    return multiply(crc_a, monomial, polynomial) ^ crc_b;
}

uint32_t crc_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b, uint32_t polynomial)
{
    return crc_combine_with(crc_a, crc_b, crc_monomial(length_b, polynomial), polynomial);
}
