/*
 * Memory. Small allocations never return NULL: running out of them ends the process with a line that says so (what
 * outside input can make large is bounded before it is allocated, or taken with mem_try). An arena is the memory
 * of one request: freed in one step.
 *
 * Thread rules: mem_* from any thread; an arena belongs to one thread at a time.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));
void *mem_try(size_t size); /* NULL when there is no memory: for sizes that data decides */
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_strndup(const char *s, size_t length) __attribute__((returns_nonnull));
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
void mem_free(void *p); /* NULL is fine */

#define NEW(type)          ((type *)mem_zalloc(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)mem_zalloc(sizeof(type) * (size_t)(n)))

/* Grows `array` (of *capacity elements) to hold at least `wanted`, doubling. */
#define GROW(array, capacity, wanted)                                                              \
    do {                                                                                           \
        if ((size_t)(wanted) > (size_t)(capacity)) {                                               \
            (capacity) = MAX((size_t)(wanted), (size_t)(capacity)*2);                              \
            (array) = mem_realloc((array), (size_t)(capacity) * sizeof *(array));                  \
        }                                                                                          \
    } while (0)

struct arena_chunk;

/* Zeroed is a valid empty arena. */
struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *next, *end;           /* free part of the newest chunk */
    size_t total;               /* bytes taken from the system */
    ProtobufCAllocator allocator;
};

void *arena_alloc(struct arena *arena, size_t size)
    __attribute__((malloc, returns_nonnull)); /* 16-aligned, not zeroed */
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
char *arena_strdup(struct arena *arena, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *arena, const char *s, size_t length)
    __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((returns_nonnull));
void *arena_copy(struct arena *arena, const void *data, size_t size)
    __attribute__((returns_nonnull));

/* An allocator for protobuf-c's unpack; free does nothing. Valid while the arena stays where it is. */
ProtobufCAllocator *arena_protobuf(struct arena *arena);

void arena_clear(struct arena *arena); /* keeps one chunk for reuse */
void arena_release(
    struct arena *arena); /* gives everything back; the arena is empty and usable afterwards */

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)arena_zalloc((arena), sizeof(type) * (size_t)(count)))

#endif
