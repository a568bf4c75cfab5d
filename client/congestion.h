/*
 * How long a writer holds back when datanodes of its pipeline say that they are congested: pauses
 * that vary and grow, as DataStreamer.backOffIfNecessary makes them. Belongs to its stream. Pure.
 */
#ifndef CLIENT_CONGESTION_H
#define CLIENT_CONGESTION_H

#include "common/base.h"

struct congestion {
    bool told;        /* by the newest acknowledgement, and not waited for yet */
    int64_t last_ms;  /* the pause before; 0 after an acknowledgement without the mark */
    int64_t until_ms; /* monotonic: nothing is sent before; 0: no pause */
};

/* An acknowledgement came; `congested`: with the mark of at least one datanode. */
void congestion_heard(struct congestion *c, bool congested);
/* May the next packet go? Begins a pause when one is due: between mean_ms and three times the one
 * before, at most max_ms. `chance`: 0 up to, but not, 1. */
bool congestion_holds(struct congestion *c, int64_t now_ms, int64_t mean_ms, int64_t max_ms,
                      double chance);
/* Milliseconds that are left of the pause; 0 when there is none. */
int64_t congestion_left_ms(const struct congestion *c, int64_t now_ms);

#endif
