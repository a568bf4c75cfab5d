#include "datanode/throttle.h"

#include "common/clock.h"

enum { BURST_NS = 100 * 1000 * 1000 };

void throttle_init(struct throttle *throttle, int64_t bytes_per_s)
{
    pthread_mutex_init(&throttle->lock, NULL);
    throttle->bytes_per_s = bytes_per_s;
    throttle->free_at_ns = 0;
}

void throttle_set(struct throttle *throttle, int64_t bytes_per_s)
{
    atomic_store(&throttle->bytes_per_s, bytes_per_s);
}

void throttle_pass(struct throttle *throttle, uint64_t bytes)
{
    int64_t rate = throttle ? atomic_load(&throttle->bytes_per_s) : 0;

    if (rate <= 0) return;
    pthread_mutex_lock(&throttle->lock);
    int64_t now = clock_mono_ns();
    throttle->free_at_ns = MAX(throttle->free_at_ns, now - BURST_NS);
    throttle->free_at_ns += (int64_t)((double)bytes * 1e9 / (double)rate);
    int64_t wait_ms = (throttle->free_at_ns - now) / 1000000;
    pthread_mutex_unlock(&throttle->lock);
    if (wait_ms > 0) clock_sleep_ms(wait_ms);
}
