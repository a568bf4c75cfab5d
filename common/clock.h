/* Time. Any thread. Code of the core takes `now` as an argument instead of calling these. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

int64_t clock_wall_ms(void); /* milliseconds since 1970, as Java's System.currentTimeMillis() */
int64_t clock_mono_ms(void); /* milliseconds that never go back; the zero is arbitrary */
int64_t clock_mono_ns(void);

/* Deadlines are values of clock_mono_ms(). */
#define DEADLINE_NEVER INT64_MAX
int64_t deadline_in(int64_t timeout_ms); /* DEADLINE_NEVER for a timeout below 0 */
/* Milliseconds left, as poll(2) wants them: -1 for DEADLINE_NEVER, 0 once passed. */
int deadline_left_ms(int64_t deadline);

/* Sleeps for that long, whatever signals arrive. */
void clock_sleep_ms(int64_t ms);

#endif
