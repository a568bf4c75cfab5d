/*
 * A bounded pool of threads for work that blocks: disks, transfers, the resolver.
 *
 * Threads start when work arrives and end after some idle seconds, so an idle pool costs nothing.
 * Any thread may submit. A job runs on one thread, from start to end.
 */
#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

#include "common/base.h"
#include "common/err.h"

struct worker_pool;
typedef void worker_fn(void *arg);

enum { WORKER_STACK_SIZE = 256 * 1024, WORKER_IDLE_MS = 10000 };

/* Up to threads_max jobs run and queue_max wait. `name` (15 bytes) names the threads. */
struct worker_pool *worker_pool_new(const char *name, int threads_max, int queue_max);

/* ERR_BUSY when all threads work and the queue is full, or no thread can be had; ERR_CANCELLED once
 * the pool stops. After an error fn will not run, and `arg` stays the caller's. */
int worker_submit(struct worker_pool *pool, worker_fn *fn, void *arg, struct err *err) MUST_CHECK;

/* Jobs running and waiting now. */
int worker_busy(struct worker_pool *pool);
int worker_waiting(struct worker_pool *pool);

/* Takes no more jobs, waits until all that were taken have run and the threads have ended. Not from
 * a job of it. */
void worker_pool_stop(struct worker_pool *pool);
/* Stops, and frees. NULL is fine. */
void worker_pool_free(struct worker_pool *pool);

#endif
