#include "common/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/mem.h"

struct post {
    STAILQ_ENTRY(post) link;
    loop_fn *fn;
    void *arg;
};

STAILQ_HEAD(post_list, post);

struct loop {
    struct event_base *base;
    struct event *wake_event;
    int wake_fd;      /* eventfd: readable while something was posted, or a stop is wanted */
    bool stop_wanted; /* atomic */
    bool running;     /* atomic; `thread` is valid while true */
    pthread_t thread;
    pthread_mutex_t lock; /* guards posts and wake_sent */
    struct post_list posts;
    bool wake_sent;
};

struct loop_timer {
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct loop_watch {
    struct loop *loop;
    struct event *event;
    int fd;
    int64_t timeout_ms;
    loop_watch_fn *fn;
    void *arg;
};

struct loop_signal {
    struct event *event;
    int number;
    loop_signal_fn *fn;
    void *arg;
};

static struct timeval timeval_of(int64_t ms)
{
    if (ms < 0) ms = 0;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t rc;

    do {
        rc = write(loop->wake_fd, &one, sizeof one);
    } while (rc < 0 && errno == EINTR); /* EAGAIN: the counter is full, so it is readable anyway */
}

static void run_posts(struct loop *loop)
{
    struct post_list taken = STAILQ_HEAD_INITIALIZER(taken);

    pthread_mutex_lock(&loop->lock);
    STAILQ_CONCAT(&taken, &loop->posts);
    loop->wake_sent = false;
    pthread_mutex_unlock(&loop->lock);
    while (!STAILQ_EMPTY(&taken)) {
        struct post *post = STAILQ_FIRST(&taken);
        STAILQ_REMOVE_HEAD(&taken, link);
        struct post copy = *post;
        mem_free(post);
        copy.fn(copy.arg);
    }
}

static void on_wake(evutil_socket_t fd, short events UNUSED, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
    run_posts(loop);
    if (__atomic_load_n(&loop->stop_wanted, __ATOMIC_ACQUIRE)) event_base_loopbreak(loop->base);
}

struct loop *loop_new(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *loop = NEW(struct loop);

    pthread_once(&once, (void (*)(void))evthread_use_pthreads);
    STAILQ_INIT(&loop->posts);
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = event_base_new();
    if (loop->wake_fd < 0 || !loop->base) {
        err_set_errno(err, errno, "create an event loop");
        loop_free(loop);
        return NULL;
    }
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    assert(loop->wake_event);
    event_add(loop->wake_event, NULL);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop) return;
    while (!STAILQ_EMPTY(&loop->posts)) {
        struct post *post = STAILQ_FIRST(&loop->posts);
        STAILQ_REMOVE_HEAD(&loop->posts, link);
        mem_free(post);
    }
    if (loop->wake_event) event_free(loop->wake_event);
    if (loop->base) event_base_free(loop->base);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop);
}

static void enter(struct loop *loop)
{
    assert(!__atomic_load_n(&loop->running, __ATOMIC_RELAXED));
    loop->thread = pthread_self();
    __atomic_store_n(&loop->running, true, __ATOMIC_RELEASE);
}

static void leave(struct loop *loop)
{
    __atomic_store_n(&loop->running, false, __ATOMIC_RELEASE);
}

void loop_run(struct loop *loop)
{
    enter(loop);
    if (!__atomic_load_n(&loop->stop_wanted, __ATOMIC_ACQUIRE))
        event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    run_posts(loop);
    __atomic_store_n(&loop->stop_wanted, false, __ATOMIC_RELEASE);
    leave(loop);
}

static void on_round_over(evutil_socket_t fd UNUSED, short events UNUSED, void *arg UNUSED) {}

void loop_run_once(struct loop *loop, int64_t timeout_ms)
{
    struct timeval tv = timeval_of(timeout_ms);

    enter(loop);
    if (timeout_ms == 0) {
        event_base_loop(loop->base, EVLOOP_NONBLOCK);
    } else {
        struct event *over = evtimer_new(loop->base, on_round_over, NULL);
        assert(over);
        if (timeout_ms > 0) evtimer_add(over, &tv);
        event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
        event_free(over);
    }
    leave(loop);
}

void loop_stop(struct loop *loop)
{
    __atomic_store_n(&loop->stop_wanted, true, __ATOMIC_RELEASE);
    if (loop_is_here(loop))
        event_base_loopbreak(loop->base); /* at once, without another round of events */
    else
        wake(loop);
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    struct post *post = NEW(struct post);

    post->fn = fn;
    post->arg = arg;
    pthread_mutex_lock(&loop->lock);
    STAILQ_INSERT_TAIL(&loop->posts, post, link);
    bool must_wake = !loop->wake_sent;
    loop->wake_sent = true;
    pthread_mutex_unlock(&loop->lock);
    if (must_wake) wake(loop);
}

bool loop_is_here(const struct loop *loop)
{
    return __atomic_load_n(&loop->running, __ATOMIC_ACQUIRE) &&
           pthread_equal(loop->thread, pthread_self());
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}

static void on_timer(evutil_socket_t fd UNUSED, short events UNUSED, void *arg)
{
    struct loop_timer *timer = arg;
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_timer *timer = NEW(struct loop_timer);

    timer->fn = fn;
    timer->arg = arg;
    timer->event = event_new(loop->base, -1, 0, on_timer, timer);
    assert(timer->event);
    return timer;
}

static void timer_arm(struct loop_timer *timer, int64_t ms, short flags)
{
    struct timeval tv = timeval_of(ms);
    struct event_base *base = event_get_base(timer->event);

    event_del(timer->event);
    int rc = event_assign(timer->event, base, -1, flags, on_timer, timer);
    assert(rc == 0);
    rc = event_add(timer->event, &tv);
    assert(rc == 0);
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
    timer_arm(timer, delay_ms, 0);
}

void loop_timer_start_every(struct loop_timer *timer, int64_t interval_ms)
{
    assert(interval_ms > 0);
    timer_arm(timer, interval_ms, EV_PERSIST);
}

void loop_timer_soon(struct loop_timer *timer)
{
    event_active(timer->event, EV_TIMEOUT, 1);
}

void loop_timer_stop(struct loop_timer *timer)
{
    event_del(timer->event);
}

bool loop_timer_active(const struct loop_timer *timer)
{
    return event_pending(timer->event, EV_TIMEOUT, NULL);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer) return;
    event_free(timer->event);
    mem_free(timer);
}

static void on_watch(evutil_socket_t fd, short events, void *arg)
{
    struct loop_watch *watch = arg;
    unsigned seen = 0;

    if (events & EV_READ) seen |= LOOP_READ;
    if (events & EV_WRITE) seen |= LOOP_WRITE;
    if (events & EV_TIMEOUT) seen |= LOOP_TIMEOUT;
    watch->fn((int)fd, seen, watch->arg);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_watch_fn *fn, void *arg)
{
    struct loop_watch *watch = NEW(struct loop_watch);

    assert(fd >= 0);
    watch->loop = loop;
    watch->fd = fd;
    watch->timeout_ms = -1;
    watch->fn = fn;
    watch->arg = arg;
    watch->event = event_new(loop->base, fd, EV_PERSIST | EV_READ, on_watch, watch);
    assert(watch->event);
    return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned events)
{
    struct timeval tv = timeval_of(watch->timeout_ms);
    short flags = EV_PERSIST;

    event_del(watch->event);
    if (!events) return;
    if (events & LOOP_READ) flags |= EV_READ;
    if (events & LOOP_WRITE) flags |= EV_WRITE;
    int rc = event_assign(watch->event, watch->loop->base, watch->fd, flags, on_watch, watch);
    assert(rc == 0);
    rc = event_add(watch->event, watch->timeout_ms >= 0 ? &tv : NULL);
    assert(rc == 0);
}

void loop_watch_set_timeout(struct loop_watch *watch, int64_t timeout_ms)
{
    watch->timeout_ms = timeout_ms;
}

void loop_watch_free(struct loop_watch *watch)
{
    if (!watch) return;
    event_free(watch->event);
    mem_free(watch);
}

static void on_signal(evutil_socket_t fd UNUSED, short events UNUSED, void *arg)
{
    struct loop_signal *signal = arg;
    signal->fn(signal->number, signal->arg);
}

struct loop_signal *loop_signal_new(struct loop *loop, int number, loop_signal_fn *fn, void *arg)
{
    struct loop_signal *signal = NEW(struct loop_signal);

    signal->number = number;
    signal->fn = fn;
    signal->arg = arg;
    signal->event = evsignal_new(loop->base, number, on_signal, signal);
    assert(signal->event);
    int rc = event_add(signal->event, NULL);
    assert(rc == 0);
    return signal;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (!signal) return;
    event_free(signal->event);
    mem_free(signal);
}
