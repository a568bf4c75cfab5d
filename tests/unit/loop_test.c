#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *watch;
    int calls;
    unsigned events;
    int64_t at_ms;
    bool was_here;
};

static struct err err;

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.loop = loop_new(&err)};
    *state = &fixture;
    return fixture.loop ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_timer_free(f->timer);
    loop_watch_free(f->watch);
    loop_free(f->loop);
    return 0;
}

static void stop(void *arg)
{
    struct fixture *f = arg;
    f->at_ms = clock_mono_ms();
    f->calls++;
    loop_stop(f->loop);
}

static void test_timer_once(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_mono_ms();

    f->timer = loop_timer_new(f->loop, stop, f);
    assert_false(loop_timer_active(f->timer));
    loop_timer_start(f->timer, 100000);
    loop_timer_start(f->timer, 30); /* restarts */
    assert_true(loop_timer_active(f->timer));
    loop_run(f->loop);
    assert_in_range(f->at_ms - start, 29, 5000);
    assert_false(loop_timer_active(f->timer));
    assert_int_equal(f->calls, 1);
}

static void three_times(void *arg)
{
    struct fixture *f = arg;

    if (++f->calls < 3) return;
    loop_timer_free(f->timer); /* within its own callback */
    f->timer = NULL;
    loop_stop(f->loop);
}

static void test_timer_periodic(void **state)
{
    struct fixture *f = *state;

    f->timer = loop_timer_new(f->loop, three_times, f);
    loop_timer_start_every(f->timer, 5);
    loop_run(f->loop);
    assert_int_equal(f->calls, 3);
}

static void test_timer_stopped_stays_silent(void **state)
{
    struct fixture *f = *state;

    f->timer = loop_timer_new(f->loop, stop, f);
    loop_timer_start_every(f->timer, 1);
    loop_timer_stop(f->timer);
    loop_run_once(f->loop, 30);
    assert_int_equal(f->calls, 0);
}

static void post_and_note(void *arg)
{
    struct fixture *f = arg;

    f->was_here = loop_is_here(f->loop);
    if (++f->calls < 5)
        loop_post(f->loop, post_and_note, f);
    else
        loop_stop(f->loop);
}

static void test_posts_from_callbacks(void **state)
{
    struct fixture *f = *state;

    loop_post(f->loop, post_and_note, f);
    assert_false(loop_is_here(f->loop));
    loop_run(f->loop);
    assert_int_equal(f->calls, 5);
    assert_true(f->was_here);
}

enum { POSTS = 20000 };

static void count(void *arg)
{
    struct fixture *f = arg;
    if (++f->calls == 2 * POSTS) loop_stop(f->loop);
}

static void *post_many(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < POSTS; i++) loop_post(f->loop, count, f);
    return NULL;
}

static void test_posts_from_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, post_many, f);
    loop_run(f->loop);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(f->calls, 2 * POSTS);
}

static void test_posts_before_a_stop_run(void **state)
{
    struct fixture *f = *state;

    loop_stop(f->loop);
    for (int i = 0; i < 3; i++) loop_post(f->loop, count, f);
    loop_run(f->loop);
    assert_int_equal(f->calls, 3);
    loop_post(f->loop, stop, f); /* and it can run again */
    loop_run(f->loop);
    assert_int_equal(f->calls, 4);
}

static void *stop_later(void *arg)
{
    struct fixture *f = arg;
    clock_sleep_ms(20);
    loop_stop(f->loop);
    return NULL;
}

static void test_stop_from_a_thread(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    pthread_create(&thread, NULL, stop_later, f);
    loop_run(f->loop); /* with nothing to do it must wait, and end */
    pthread_join(thread, NULL);
}

static void note(int fd UNUSED, unsigned events, void *arg)
{
    struct fixture *f = arg;
    f->events = events;
    f->calls++;
    loop_stop(f->loop);
}

static void test_watch(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    f->watch = loop_watch_new(f->loop, fds[0], note, f);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run_once(f->loop, 20);
    assert_int_equal(f->calls, 0); /* it rests until it is set */
    loop_watch_set(f->watch, LOOP_READ);
    loop_run(f->loop);
    assert_int_equal(f->events, LOOP_READ);
    loop_run(f->loop); /* level-triggered: the byte is still there */
    assert_int_equal(f->calls, 2);
    loop_watch_set(f->watch, 0);
    loop_run_once(f->loop, 20);
    assert_int_equal(f->calls, 2);

    char byte;
    assert_int_equal(read(fds[0], &byte, 1), 1);
    loop_watch_set_timeout(f->watch, 20);
    loop_watch_set(f->watch, LOOP_READ);
    loop_run(f->loop);
    assert_int_equal(f->events, LOOP_TIMEOUT);
    loop_watch_free(f->watch);
    f->watch = loop_watch_new(f->loop, fds[1], note, f);
    loop_watch_set(f->watch, LOOP_WRITE);
    loop_run(f->loop);
    assert_int_equal(f->events, LOOP_WRITE);
    loop_watch_free(f->watch);
    f->watch = NULL;
    close(fds[0]);
    close(fds[1]);
}

static void on_signal(int number, void *arg)
{
    struct fixture *f = arg;
    f->calls = number;
    loop_stop(f->loop);
}

static void test_signal(void **state)
{
    struct fixture *f = *state;
    struct loop_signal *signal = loop_signal_new(f->loop, SIGUSR1, on_signal, f);

    kill(getpid(), SIGUSR1);
    loop_run(f->loop);
    assert_int_equal(f->calls, SIGUSR1);
    loop_signal_free(signal);
}

static void test_run_once_waits_no_longer(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_mono_ms();

    loop_run_once(f->loop, 0);
    assert_in_range(clock_mono_ms() - start, 0, 1000);
    loop_run_once(f->loop, 20);
    assert_in_range(clock_mono_ms() - start, 19, 5000);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_timer_once),
        LOOP_TEST(test_timer_periodic),
        LOOP_TEST(test_timer_stopped_stays_silent),
        LOOP_TEST(test_posts_from_callbacks),
        LOOP_TEST(test_posts_from_threads),
        LOOP_TEST(test_posts_before_a_stop_run),
        LOOP_TEST(test_stop_from_a_thread),
        LOOP_TEST(test_watch),
        LOOP_TEST(test_signal),
        LOOP_TEST(test_run_once_waits_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
