/* Bandwidth limits of background copies, over all that share one. Answers Hadoop's
 * DataTransferThrottler. Any thread. */
#ifndef DATANODE_THROTTLE_H
#define DATANODE_THROTTLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"

struct throttle {
    pthread_mutex_t lock;
    _Atomic int64_t bytes_per_s; /* 0: no limit */
    int64_t free_at_ns;          /* when what was let through is paid for */
};

void throttle_init(struct throttle *throttle, int64_t bytes_per_s);
void throttle_set(struct throttle *throttle, int64_t bytes_per_s);
/* Sleeps as long as these bytes cost. NULL: no limit. */
void throttle_pass(struct throttle *throttle, uint64_t bytes);

#endif
