#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

static struct timespec now_of(clockid_t id)
{
    struct timespec ts;

    int rc = clock_gettime(id, &ts);
    assert(rc == 0);
    return ts;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts = now_of(CLOCK_REALTIME);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_mono_ns(void)
{
    struct timespec ts = now_of(CLOCK_MONOTONIC);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

int64_t deadline_in(int64_t timeout_ms)
{
    int64_t deadline;

    if (timeout_ms < 0) return DEADLINE_NEVER;
    if (__builtin_add_overflow(clock_mono_ms(), timeout_ms, &deadline)) return DEADLINE_NEVER;
    return deadline;
}

int deadline_left_ms(int64_t deadline)
{
    if (deadline == DEADLINE_NEVER) return -1;
    int64_t left = deadline - clock_mono_ms();
    if (left <= 0) return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0) return;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) && errno == EINTR) continue;
}
