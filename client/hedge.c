#include "client/hedge.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "common/mem.h"

struct attempt {
    struct hedge *hedge;
    size_t choice;
    uint8_t *data;
    ssize_t n;
    struct err err;
    bool ended, taken;
};

struct hedge {
    struct worker_pool *pool;
    size_t size;
    hedge_read_fn *read;
    void (*release)(void *source);
    void *source;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned references; /* its owner's, and one for each attempt that runs */
    struct attempt attempts[HEDGE_ATTEMPTS_MAX];
    unsigned count;
};

struct hedge *hedge_new(struct worker_pool *pool, size_t size, hedge_read_fn *read,
                        void (*release)(void *source), void *source)
{
    struct hedge *hedge = NEW(struct hedge);
    pthread_condattr_t attr;

    hedge->pool = pool;
    hedge->size = size;
    hedge->read = read;
    hedge->release = release;
    hedge->source = source;
    hedge->references = 1;
    pthread_mutex_init(&hedge->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hedge->changed, &attr);
    pthread_condattr_destroy(&attr);
    return hedge;
}

void hedge_drop(struct hedge *hedge)
{
    pthread_mutex_lock(&hedge->lock);
    bool last = --hedge->references == 0;
    pthread_mutex_unlock(&hedge->lock);
    if (!last) return;
    hedge->release(hedge->source);
    for (unsigned i = 0; i < hedge->count; i++) mem_free(hedge->attempts[i].data);
    pthread_cond_destroy(&hedge->changed);
    pthread_mutex_destroy(&hedge->lock);
    mem_free(hedge);
}

static void run(void *arg)
{
    struct attempt *attempt = arg;
    struct hedge *hedge = attempt->hedge;

    ssize_t n =
        hedge->read(hedge->source, attempt->choice, attempt->data, hedge->size, &attempt->err);
    pthread_mutex_lock(&hedge->lock);
    attempt->n = n;
    attempt->ended = true;
    pthread_cond_signal(&hedge->changed);
    pthread_mutex_unlock(&hedge->lock);
    hedge_drop(hedge);
}

bool hedge_start(struct hedge *hedge, size_t choice)
{
    struct err err = ERR_INIT;

    if (hedge->count == HEDGE_ATTEMPTS_MAX) return false;
    struct attempt *attempt = &hedge->attempts[hedge->count];
    *attempt = (struct attempt){
        .hedge = hedge, .choice = choice, .data = mem_alloc(hedge->size), .err = ERR_INIT};
    pthread_mutex_lock(&hedge->lock);
    hedge->references++;
    hedge->count++;
    pthread_mutex_unlock(&hedge->lock);
    if (!worker_submit(hedge->pool, run, attempt, &err)) return true;
    pthread_mutex_lock(&hedge->lock);
    hedge->references--;
    hedge->count--;
    pthread_mutex_unlock(&hedge->lock);
    mem_free(attempt->data);
    return false;
}

bool hedge_tried(struct hedge *hedge, size_t choice)
{
    for (unsigned i = 0; i < hedge->count; i++)
        if (hedge->attempts[i].choice == choice) return true;
    return false;
}

bool hedge_running(struct hedge *hedge)
{
    bool running = false;

    pthread_mutex_lock(&hedge->lock);
    for (unsigned i = 0; i < hedge->count; i++) running |= !hedge->attempts[i].taken;
    pthread_mutex_unlock(&hedge->lock);
    return running;
}

static struct attempt *find_ended(struct hedge *hedge)
{
    for (unsigned i = 0; i < hedge->count; i++)
        if (hedge->attempts[i].ended && !hedge->attempts[i].taken) return &hedge->attempts[i];
    return NULL;
}

static struct timespec time_in(int64_t ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += (time_t)(ms / 1000);
    when.tv_nsec += (long)(ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

bool hedge_wait(struct hedge *hedge, int64_t timeout_ms, struct hedge_result *result)
{
    struct timespec until = time_in(MAX(timeout_ms, INT64_C(0)));
    struct attempt *ended;
    int rc = 0;

    pthread_mutex_lock(&hedge->lock);
    while (!(ended = find_ended(hedge)) && rc != ETIMEDOUT)
        rc = timeout_ms < 0 ? pthread_cond_wait(&hedge->changed, &hedge->lock)
                            : pthread_cond_timedwait(&hedge->changed, &hedge->lock, &until);
    if (ended) {
        ended->taken = true;
        *result = (struct hedge_result){
            .choice = ended->choice, .n = ended->n, .data = ended->data, .err = ended->err};
    }
    pthread_mutex_unlock(&hedge->lock);
    return ended != NULL;
}
