#include "client/lease_keep.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "client/fs_state.h"
#include "client/out_stream.h"
#include "client/out_stream_state.h"
#include "common/clock.h"
#include "common/log.h"

struct lease_keep {
    struct fs *fs;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows; not held during calls to outside */
    pthread_cond_t wake;  /* stopping; waited on with the monotonic clock */
    pthread_cond_t ticked;
    struct out_stream **streams;
    size_t count, capacity;
    struct out_stream *ticking; /* the one whose tick is running */
    int64_t renewed_ms;
    bool running, stopping;
};

struct lease_keep *lease_keep_new(struct fs *fs)
{
    struct lease_keep *keep = NEW(struct lease_keep);
    pthread_condattr_t attr;

    keep->fs = fs;
    pthread_mutex_init(&keep->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&keep->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&keep->ticked, NULL);
    return keep;
}

static void renew(struct lease_keep *keep)
{
    Pb__RenewLeaseRequest request = PB__RENEW_LEASE_REQUEST__INIT;
    struct err err = ERR_INIT;

    request.clientname = keep->fs->client_name;
    if (fs_do(keep->fs, "renewLease", &request, &pb__renew_lease_response__descriptor, &err))
        log_warn("Failed to renew lease for %s: %s. Will retry shortly ...", keep->fs->client_name,
                 err.text);
    else {
        pthread_mutex_lock(&keep->lock);
        keep->renewed_ms = clock_mono_ms();
        pthread_mutex_unlock(&keep->lock);
    }
}

/* Called with the lock, which is given up during each tick; streams may come and go meanwhile. */
static void tick_all(struct lease_keep *keep)
{
    for (size_t i = 0; i < keep->count && !keep->stopping; i++) {
        keep->ticking = keep->streams[i];
        pthread_mutex_unlock(&keep->lock);
        out_stream_tick(keep->ticking);
        pthread_mutex_lock(&keep->lock);
        keep->ticking = NULL;
        pthread_cond_broadcast(&keep->ticked);
    }
}

/* Called with the lock. */
static void wait_a_while(struct lease_keep *keep)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LEASE_LOOK_MS / 1000;
    pthread_cond_timedwait(&keep->wake, &keep->lock, &until);
}

static void *run(void *arg)
{
    struct lease_keep *keep = arg;

    pthread_mutex_lock(&keep->lock);
    while (!keep->stopping) {
        wait_a_while(keep);
        if (keep->stopping || !keep->count) continue;
        if (clock_mono_ms() - keep->renewed_ms >= LEASE_RENEW_MS) {
            pthread_mutex_unlock(&keep->lock);
            renew(keep);
            pthread_mutex_lock(&keep->lock);
        }
        tick_all(keep);
    }
    pthread_mutex_unlock(&keep->lock);
    return NULL;
}

/* Called with the lock. Signals are for the program's own threads. */
static int start(struct lease_keep *keep, struct err *err)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&keep->thread, NULL, run, keep);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) return err_set_errno(err, rc, "start the thread that renews leases");
    keep->running = true;
    return 0;
}

int lease_keep_add(struct lease_keep *keep, struct out_stream *stream, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&keep->lock);
    if (!keep->running) rc = start(keep, err);
    if (!rc) {
        if (!keep->count) keep->renewed_ms = clock_mono_ms(); /* create renewed it */
        GROW(keep->streams, keep->capacity, keep->count + 1);
        keep->streams[keep->count++] = stream;
    }
    pthread_mutex_unlock(&keep->lock);
    return rc;
}

void lease_keep_remove(struct lease_keep *keep, struct out_stream *stream)
{
    pthread_mutex_lock(&keep->lock);
    while (keep->ticking == stream) pthread_cond_wait(&keep->ticked, &keep->lock);
    for (size_t i = 0; i < keep->count; i++)
        if (keep->streams[i] == stream) {
            keep->streams[i] = keep->streams[--keep->count];
            break;
        }
    pthread_mutex_unlock(&keep->lock);
}

void lease_keep_free(struct lease_keep *keep)
{
    if (!keep) return;
    while (keep->count) out_stream_abort(keep->streams[keep->count - 1]); /* removes itself */
    pthread_mutex_lock(&keep->lock);
    keep->stopping = true;
    pthread_cond_signal(&keep->wake);
    pthread_mutex_unlock(&keep->lock);
    if (keep->running) pthread_join(keep->thread, NULL);
    pthread_cond_destroy(&keep->wake);
    pthread_cond_destroy(&keep->ticked);
    pthread_mutex_destroy(&keep->lock);
    mem_free(keep->streams);
    mem_free(keep);
}
