/*
 * A bounded store of large buffers. Whoever needs one waits until others gave theirs back: a full
 * pool is how a slow disk slows its writers. A few are kept for reuse, so that steady work does not
 * fault in fresh pages all the time; an idle pool holds little.
 *
 * Any thread. A thread that holds a buffer should not wait for a second one but by pool_grow().
 */
#ifndef COMMON_POOL_H
#define COMMON_POOL_H

#include "common/base.h"

struct pool;

struct pool_buffer {
    uint8_t *data;
    size_t size;
};

/* At most bytes_max are out at once (one buffer always may be, however large); buffers of `unit`
 * bytes are kept, up to keep_max of them. */
struct pool *pool_new(size_t unit, size_t bytes_max, size_t keep_max);
void pool_free(struct pool *pool); /* all buffers are back; NULL is fine */

/* At least `size` bytes, not zeroed; rounded up to `unit`. False when none came free in time, or no
 * memory is left. */
bool pool_get(struct pool *pool, size_t size, int timeout_ms,
              struct pool_buffer *buffer) MUST_CHECK;
void pool_put(struct pool *pool, struct pool_buffer *buffer); /* fine for an empty one */
/* Gives the buffer back and gets one of that size, if it is smaller. Contents are lost. After false
 * it is empty. */
bool pool_grow(struct pool *pool, size_t size, int timeout_ms,
               struct pool_buffer *buffer) MUST_CHECK;

size_t pool_bytes(struct pool *pool); /* out now */

#endif
