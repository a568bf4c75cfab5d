/* Numbers from text, all of it or nothing: no leading blanks, no trailing bytes, no overflow. Any
 * thread. */
#ifndef COMMON_PARSE_H
#define COMMON_PARSE_H

#include "common/base.h"

/* True and *value set when `text` is a decimal number (with an optional sign, as Long.parseLong
 * takes it) from `min` to `max`; else false and *value untouched. NULL is no number. */
bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *value);
bool parse_u64(const char *text, uint64_t max, uint64_t *value); /* digits alone */
bool parse_u64_hex(const char *text, uint64_t *value); /* 1 to 16 hexadecimal digits, no 0x */
/* A decimal fraction with a dot, in any locale; a trailing f, F, d or D as in Java is fine. NaN and
 * infinities are none. */
bool parse_double(const char *text, double *value);
/* The same as parse_i64 for `length` bytes without a NUL. */
bool parse_i64_n(const char *text, size_t length, int64_t min, int64_t max, int64_t *value);
/* Whether a Hadoop's version ("2.1.0-beta") is that one or a later one; by its leading two numbers, as VersionUtil compares them. False for what is no version. */
bool version_at_least(const char *version, unsigned major, unsigned minor);

#endif
