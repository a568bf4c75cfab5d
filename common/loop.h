/*
 * The event loop: file descriptors, timers, signals, and work posted from other threads. A thin
 * layer over libevent.
 *
 * Thread rules: everything here belongs to the thread inside loop_run() (or, before that, to the
 * one that sets the loop up), except loop_post() and loop_stop(), which any thread may call.
 * Callbacks are short and never block. A callback may free its own timer, watch or signal.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/base.h"
#include "common/err.h"

struct loop;
struct loop_timer;
struct loop_watch;
struct loop_signal;
struct event_base;

typedef void loop_fn(void *arg);

/* A loop, or NULL with `err` set (no more file descriptors). */
struct loop *loop_new(struct err *err) MUST_CHECK;
/* After loop_run() has returned, when nobody posts any more. Timers, watches and signals must be
 * freed before; posted work that never ran is dropped. NULL is fine. */
void loop_free(struct loop *loop);

/* Serves events until loop_stop(); posted work that arrived before the stop has run when it
 * returns. */
void loop_run(struct loop *loop);
/* One round: waits at most timeout_ms (-1: for ever) for something to happen, and serves it. For
 * tests and for programs with their own main loop. */
void loop_run_once(struct loop *loop, int64_t timeout_ms);
void loop_stop(struct loop *loop);

/* Runs fn(arg) soon, in the loop's thread, in the order posted. Any thread. Never fails, never
 * blocks. */
void loop_post(struct loop *loop, loop_fn *fn, void *arg);
/* Is the caller the thread inside loop_run()? */
bool loop_is_here(const struct loop *loop);

/* A timer that rests until loop_timer_start(). */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_start(struct loop_timer *timer,
                      int64_t delay_ms); /* once; restarts a running one */
void loop_timer_start_every(struct loop_timer *timer,
                            int64_t interval_ms); /* again and again; interval_ms > 0 */
/* In this round, behind all events that are ready already; several times are once. The loop's thread only. */
void loop_timer_soon(struct loop_timer *timer);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* stops it; NULL is fine */

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_TIMEOUT = 4 };

typedef void loop_watch_fn(int fd, unsigned events, void *arg);

/* Watches `fd`, which stays the caller's and must be open until the watch is freed or set to 0. It
 * rests until loop_watch_set(). Level-triggered and persistent. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_watch_fn *fn, void *arg);
void loop_watch_set(struct loop_watch *watch,
                    unsigned events); /* LOOP_READ | LOOP_WRITE; 0 rests */
/* LOOP_TIMEOUT is reported when nothing happened for that long while watching; -1 (the start) is
 * never. Takes effect with the next loop_watch_set(). */
void loop_watch_set_timeout(struct loop_watch *watch, int64_t timeout_ms);
void loop_watch_free(struct loop_watch *watch); /* NULL is fine */

typedef void loop_signal_fn(int number, void *arg);

/* Calls fn in the loop's thread for each signal; one loop of a process at a time may do this. */
struct loop_signal *loop_signal_new(struct loop *loop, int number, loop_signal_fn *fn, void *arg);
void loop_signal_free(struct loop_signal *signal); /* NULL is fine */

/* For conn.c and http.c alone. */
struct event_base *loop_event_base(struct loop *loop);

#endif
