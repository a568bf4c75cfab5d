/* Helpers that every file may use. No knowledge of files or blocks. */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* Assertions state invariants of ours and stay in release builds; input from outside is never asserted. */
#ifdef NDEBUG
#error "assertions are part of the product: build without NDEBUG"
#endif

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))
#define UNUSED            __attribute__((unused))
#define PUBLIC            __attribute__((visibility("default")))

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define DIV_UP(n, d)                    (((n) + (d)-1) / (d))
#define ROUND_UP(n, d)                  (DIV_UP(n, d) * (d))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)

static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
static inline bool str_empty(const char *s)
{
    return !s || !*s;
}
static inline bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

#endif
