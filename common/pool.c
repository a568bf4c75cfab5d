#include "common/pool.h"

#include <errno.h>
#include <pthread.h>

#include "common/clock.h"
#include "common/mem.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    size_t unit, bytes_max, keep_max;
    size_t bytes; /* out */
    size_t kept_count;
    uint8_t **kept;
};

struct pool *pool_new(size_t unit, size_t bytes_max, size_t keep_max)
{
    struct pool *pool = NEW(struct pool);
    pthread_condattr_t clock;

    assert(unit > 0);
    pool->unit = unit;
    pool->bytes_max = bytes_max;
    pool->keep_max = keep_max;
    pool->kept = NEW_ARRAY(uint8_t *, MAX(keep_max, (size_t)1));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->freed, &clock);
    pthread_condattr_destroy(&clock);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool) return;
    assert(pool->bytes == 0);
    for (size_t i = 0; i < pool->kept_count; i++) mem_free(pool->kept[i]);
    mem_free(pool->kept);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->freed);
    mem_free(pool);
}

bool pool_get(struct pool *pool, size_t size, int timeout_ms, struct pool_buffer *buffer)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int waited = 0;

    size = ROUND_UP(MAX(size, (size_t)1), pool->unit);
    *buffer = (struct pool_buffer){0};
    pthread_mutex_lock(&pool->lock);
    while (pool->bytes && pool->bytes + size > pool->bytes_max && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&pool->freed, &pool->lock, &until);
    bool room = !pool->bytes || pool->bytes + size <= pool->bytes_max;
    if (room) {
        pool->bytes += size;
        if (size == pool->unit && pool->kept_count) buffer->data = pool->kept[--pool->kept_count];
    }
    pthread_mutex_unlock(&pool->lock);
    if (!room) return false;

    buffer->size = size;
    if (!buffer->data) buffer->data = mem_try(size);
    if (buffer->data) return true;
    pool_put(pool, buffer);
    return false;
}

void pool_put(struct pool *pool, struct pool_buffer *buffer)
{
    uint8_t *surplus = buffer->data;

    if (!buffer->size) return;
    pthread_mutex_lock(&pool->lock);
    assert(pool->bytes >= buffer->size);
    pool->bytes -= buffer->size;
    if (surplus && buffer->size == pool->unit && pool->kept_count < pool->keep_max) {
        pool->kept[pool->kept_count++] = surplus;
        surplus = NULL;
    }
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
    mem_free(surplus);
    *buffer = (struct pool_buffer){0};
}

bool pool_grow(struct pool *pool, size_t size, int timeout_ms, struct pool_buffer *buffer)
{
    if (size <= buffer->size) return true;
    pool_put(pool, buffer);
    return pool_get(pool, size, timeout_ms, buffer);
}

size_t pool_bytes(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t bytes = pool->bytes;
    pthread_mutex_unlock(&pool->lock);
    return bytes;
}
