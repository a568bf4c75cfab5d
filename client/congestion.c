#include "client/congestion.h"

void congestion_heard(struct congestion *c, bool congested)
{
    c->told = congested;
    if (!congested) c->last_ms = 0;
}

int64_t congestion_left_ms(const struct congestion *c, int64_t now_ms)
{
    return MAX(c->until_ms - now_ms, (int64_t)0);
}

bool congestion_holds(struct congestion *c, int64_t now_ms, int64_t mean_ms, int64_t max_ms,
                      double chance)
{
    if (c->until_ms && congestion_left_ms(c, now_ms)) return true;
    c->until_ms = 0;
    if (!c->told) return false;
    int64_t thrice = MIN(c->last_ms, max_ms) * 3;
    int64_t low = MIN(thrice, mean_ms), high = MAX(thrice, mean_ms);
    c->last_ms = MIN(low + (int64_t)(chance * (double)(high - low)), max_ms);
    c->told = false;
    if (!c->last_ms) return false;
    c->until_ms = now_ms + c->last_ms;
    return true;
}
