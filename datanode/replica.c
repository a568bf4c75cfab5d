#include "datanode/replica.h"

#include "common/mem.h"

static const char *const state_names[REPLICA_STATES] = {
    [REPLICA_FINALIZED] = "FINALIZED",
    [REPLICA_RBW] = "RBW",
    [REPLICA_RWR] = "RWR",
    [REPLICA_RUR] = "RUR",
    [REPLICA_TEMPORARY] = "TEMPORARY",
};

const char *replica_state_name(enum replica_state state)
{
    return (unsigned)state < REPLICA_STATES ? state_names[state] : "UNKNOWN";
}

struct replica_open *replica_open_new(int64_t id, uint64_t gs, uint16_t volume,
                                      enum replica_state state)
{
    struct replica_open *open = NEW(struct replica_open);
    pthread_condattr_t attr;

    open->references = 1;
    open->id = id;
    open->gs = gs;
    open->volume = volume;
    open->state = (uint8_t)state;
    open->writer_fd = -1;
    pthread_mutex_init(&open->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&open->changed, &attr);
    pthread_condattr_destroy(&attr);
    return open;
}

void replica_open_get(struct replica_open *open)
{
    atomic_fetch_add(&open->references, 1);
}

void replica_open_put(struct replica_open *open)
{
    if (!open || atomic_fetch_sub(&open->references, 1) != 1) return;
    pthread_mutex_destroy(&open->lock);
    pthread_cond_destroy(&open->changed);
    mem_free(open);
}
