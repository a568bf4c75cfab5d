/*
 * Log lines in the style of log4j: `2026-11-23 20:01:02,345 INFO namenode: text`.
 *
 * One log for the process, to stderr until log_open() names a file. Any thread; a line is written
 * with one write(2), so lines of several threads never mix. Messages longer than LOG_LINE_MAX are
 * cut; a newline inside a message is written as a space, so nobody outside can forge a line.
 *
 * The level starts as INFO; TUSK_LOG_LEVEL in the environment (debug, info, warn, error), looked at
 * by log_init(), overrules it.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base.h"
#include "common/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum { LOG_LINE_MAX = 4096 };

/* Sets the component that every line names; called once at start, before other threads exist. A
 * program that never calls it logs as "tusk". `component` is copied (31 bytes). */
void log_init(const char *component);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "debug", "INFO", … to a level; false for a word that is none. */
bool log_parse_level(const char *word, enum log_level *level);

/* Appends to `path` from now on, or to stderr again for NULL. The old file stays in use when the
 * new one fails. */
int log_open(const char *path, struct err *err) MUST_CHECK;
/* Opens the file of log_open() anew, for log rotation. Not for signal handlers: they set a flag
 * with log_want_reopen(), and the next line reopens. */
void log_reopen(void);
void log_want_reopen(void); /* async-signal-safe: usable as the body of a SIGHUP handler */

/* Where lines go now: for a forked child that closes all other files. It may log (log_init()). */
int log_descriptor(void);

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
bool log_enabled(enum log_level level);

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if (log_enabled(level)) log_line(level, __VA_ARGS__);                                      \
    } while (0)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

/* The state behind one log_limited() place; zeroed is valid. */
struct log_limit {
    int64_t next_ms;     /* monotonic: silent until then */
    uint64_t suppressed; /* lines swallowed since the last one written */
};

/* True when a line may be written now; *suppressed is then the number of lines swallowed before it.
 * Any thread. */
bool log_limit_pass(struct log_limit *limit, int64_t interval_ms, uint64_t *suppressed);

/* At most one line each `interval_ms` from this place in the source; the next line says how many
 * were left out. */
#define log_limited(level, interval_ms, format, ...)                                               \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        uint64_t left_out_;                                                                        \
        if (log_enabled(level) && log_limit_pass(&limit_, (interval_ms), &left_out_)) {            \
            if (left_out_)                                                                         \
                log_line(level, format " (%" PRIu64 " similar lines left out)", ##__VA_ARGS__,     \
                         left_out_);                                                               \
            else                                                                                   \
                log_line(level, format, ##__VA_ARGS__);                                            \
        }                                                                                          \
    } while (0)

#endif
