/*
 * CRC32C (Castagnoli) and CRC32 (zlib's) as HDFS uses them, by isa-l, and combining of them without
 * the bytes.
 *
 * Values are the usual ones: crc of nothing is 0, crc32c("123456789") is 0xe3069283, crc32 of it
 * 0xcbf43926; so crc32c(crc32c(0, a), b) is the CRC of a followed by b. Any thread.
 */
#ifndef COMMON_CRC_H
#define COMMON_CRC_H

#include "common/base.h"

uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size);

/* The polynomials, reflected, as CrcUtil names them. */
#define CRC_POLY_CRC32  UINT32_C(0xEDB88320)
#define CRC_POLY_CRC32C UINT32_C(0x82F63B78)

/* The CRC of a followed by b, of b's CRC and length: CrcUtil.compose. */
uint32_t crc_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b, uint32_t polynomial);

/* The factor that moves a CRC over `length` bytes, for many combines with the same length:
 * CrcUtil.getMonomial. */
uint32_t crc_monomial(uint64_t length, uint32_t polynomial);
uint32_t crc_combine_with(uint32_t crc_a, uint32_t crc_b, uint32_t monomial, uint32_t polynomial);

#endif
