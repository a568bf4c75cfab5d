/*
 * Second attempts of a slow read: the same bytes are asked of several replicas, each on a thread of
 * a pool, and the first answer counts. Answers to DFSInputStream's hedged reads. What an attempt
 * does is its caller's; losers go on until they end by themselves and keep what they use meanwhile.
 *
 * One thread starts, waits and drops; the pool's run the attempts.
 */
#ifndef CLIENT_HEDGE_H
#define CLIENT_HEDGE_H

#include "common/base.h"
#include "common/err.h"
#include "common/worker.h"

struct hedge;

enum { HEDGE_ATTEMPTS_MAX = 8 };

/* Bytes, or ERR_*. From any thread, several at once. */
typedef ssize_t hedge_read_fn(void *source, size_t choice, uint8_t *data, size_t size,
                              struct err *err);

struct hedge_result {
    size_t choice;
    ssize_t n; /* bytes or ERR_* */
    const uint8_t *data;
    struct err err;
};

/* `release` is called with `source` when the last attempt has ended and the hedge is dropped. */
struct hedge *hedge_new(struct worker_pool *pool, size_t size, hedge_read_fn *read,
                        void (*release)(void *source), void *source);
void hedge_drop(struct hedge *hedge);

/* False when no thread is free, or too many attempts were made. */
bool hedge_start(struct hedge *hedge, size_t choice);
bool hedge_tried(struct hedge *hedge, size_t choice);
bool hedge_running(struct hedge *hedge); /* some attempt has no result that was taken */
/* The next result, which stays until the hedge is dropped; false when none came in time (negative:
 * for as long as it takes). */
bool hedge_wait(struct hedge *hedge, int64_t timeout_ms, struct hedge_result *result);

#endif
