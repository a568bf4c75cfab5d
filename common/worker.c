#include "common/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/queue.h>
#include <time.h>

#include "common/log.h"
#include "common/mem.h"

struct job {
    STAILQ_ENTRY(job) link;
    worker_fn *fn;
    void *arg;
};

struct worker_pool {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* a job waits, or the pool stops */
    pthread_cond_t ended; /* a thread ended */
    STAILQ_HEAD(job_queue, job) jobs;
    char name[16];
    int threads_max, queue_max;
    int threads; /* alive */
    int idle;    /* of them, without a job: just started, or waiting for one */
    int waiting; /* jobs in the queue */
    bool stopping;
};

struct worker_pool *worker_pool_new(const char *name, int threads_max, int queue_max)
{
    struct worker_pool *pool = NEW(struct worker_pool);
    pthread_condattr_t attributes;

    assert(threads_max > 0 && queue_max >= 0);
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pool->threads_max = threads_max;
    pool->queue_max = queue_max;
    STAILQ_INIT(&pool->jobs);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &attributes);
    pthread_cond_init(&pool->ended, NULL);
    pthread_condattr_destroy(&attributes);
    return pool;
}

/* With the lock held: waits for a job. NULL when the thread has been idle for too long, or the pool
 * stops. */
static struct job *next_job(struct worker_pool *pool)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORKER_IDLE_MS / 1000;
    while (STAILQ_EMPTY(&pool->jobs) && !pool->stopping) {
        int rc = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
        if (rc == ETIMEDOUT && STAILQ_EMPTY(&pool->jobs)) return NULL;
    }
    struct job *job = STAILQ_FIRST(&pool->jobs);
    if (!job) return NULL;
    STAILQ_REMOVE_HEAD(&pool->jobs, link);
    pool->waiting--;
    return job;
}

static void *worker_main(void *arg)
{
    struct worker_pool *pool = arg;
    struct job *job;

    pthread_setname_np(pthread_self(), pool->name);
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool)) != NULL) {
        pool->idle--;
        pthread_mutex_unlock(&pool->lock);
        job->fn(job->arg);
        mem_free(job);
        pthread_mutex_lock(&pool->lock);
        pool->idle++;
    }
    pool->idle--;
    pool->threads--;
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* With the lock held. Signals go to the threads that the program started itself. */
static int start_thread(struct worker_pool *pool)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, WORKER_STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(&thread, &attributes, worker_main, pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (rc) return rc;
    pool->threads++;
    pool->idle++;
    return 0;
}

/* With the lock held: room for one more job, starting a thread for it where that helps. */
static int make_room(struct worker_pool *pool, struct err *err)
{
    if (pool->stopping) return err_set(err, ERR_CANCELLED, "%s: stopping", pool->name);
    if (pool->waiting < pool->idle) return 0;
    if (pool->threads < pool->threads_max) {
        int rc = start_thread(pool);
        if (!rc) return 0;
        log_limited(LOG_WARN, 10 * SECOND_MS, "%s: cannot start a thread: %s", pool->name,
                    strerror(rc));
        if (!pool->threads)
            return err_set(err, ERR_BUSY, "%s: cannot start a thread: %s", pool->name,
                           strerror(rc));
    }
    if (pool->waiting < pool->idle + pool->queue_max) return 0;
    return err_set(err, ERR_BUSY, "%s: all %d threads work and %d jobs wait", pool->name,
                   pool->threads, pool->waiting);
}

int worker_submit(struct worker_pool *pool, worker_fn *fn, void *arg, struct err *err)
{
    pthread_mutex_lock(&pool->lock);
    int rc = make_room(pool, err);
    if (!rc) {
        struct job *job = NEW(struct job);
        job->fn = fn;
        job->arg = arg;
        STAILQ_INSERT_TAIL(&pool->jobs, job, link);
        pool->waiting++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

int worker_busy(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int busy = pool->threads - pool->idle;
    pthread_mutex_unlock(&pool->lock);
    return busy;
}

int worker_waiting(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int waiting = pool->waiting;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

void worker_pool_stop(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->threads) pthread_cond_wait(&pool->ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool) return;
    worker_pool_stop(pool);
    assert(STAILQ_EMPTY(&pool->jobs));
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->ended);
    mem_free(pool);
}
