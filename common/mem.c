#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_CHUNK = 4096, ARENA_ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of the data behind the header */
    _Alignas(ARENA_ALIGN) char data[];
};

NORETURN static void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu more bytes were refused by the system\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p) out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p) out_of_memory(size);
    return p;
}

void *mem_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p) out_of_memory(size);
    return p;
}

void *mem_try(size_t size)
{
    return malloc(size ? size : 1);
}
void mem_free(void *p)
{
    free(p);
}
char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t length)
{
    char *copy = mem_alloc(length + 1);

    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) out_of_memory(0);
    va_end(args);
    return text;
}

static void *arena_grow(struct arena *arena, size_t size)
{
    size_t wanted = MAX(size, (size_t)ARENA_CHUNK - sizeof(struct arena_chunk));
    struct arena_chunk *chunk = mem_alloc(sizeof *chunk + wanted);

    chunk->older = arena->chunks;
    chunk->size = wanted;
    arena->chunks = chunk;
    arena->total += wanted;
    arena->next = chunk->data + size;
    arena->end = chunk->data + wanted;
    return chunk->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size = ROUND_UP(MAX(size, (size_t)1), (size_t)ARENA_ALIGN);
    if ((size_t)(arena->end - arena->next) < size) return arena_grow(arena, size);
    void *p = arena->next;
    arena->next += size;
    return p;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}
char *arena_strdup(struct arena *arena, const char *s)
{
    return arena_strndup(arena, s, strlen(s));
}

char *arena_strndup(struct arena *arena, const char *s, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);

    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (size) memcpy(copy, data, size);
    return copy;
}

static void *pb_alloc(void *data, size_t size)
{
    return arena_alloc(data, size);
}
static void pb_free(void *data UNUSED, void *p UNUSED) {}

ProtobufCAllocator *arena_protobuf(struct arena *arena)
{
    arena->allocator =
        (ProtobufCAllocator){.alloc = pb_alloc, .free = pb_free, .allocator_data = arena};
    return &arena->allocator;
}

static void free_older(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

void arena_clear(struct arena *arena)
{
    struct arena_chunk *keep = arena->chunks;

    if (!keep) return;
    if (keep->size > 16 * ARENA_CHUNK) { /* one big request must not pin its memory */
        arena_release(arena);
        return;
    }
    free_older(keep->older);
    keep->older = NULL;
    arena->total = keep->size;
    arena->next = keep->data;
    arena->end = keep->data + keep->size;
}

void arena_release(struct arena *arena)
{
    free_older(arena->chunks);
    *arena = (struct arena){0};
}
