#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>

#include "common/clock.h"
#include "common/worker.h"

static struct err err;
static int ran;
static sem_t started, go;

static void count(void *arg UNUSED)
{
    __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
}

static void wait_for_go(void *arg)
{
    sem_post(&started);
    sem_wait(&go);
    count(arg);
}

static int setup(void **state UNUSED)
{
    ran = 0;
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    return 0;
}

static void test_stop_drains(void **state UNUSED)
{
    struct worker_pool *pool = worker_pool_new("drain", 3, 1000);

    for (int i = 0; i < 500; i++) assert_int_equal(worker_submit(pool, count, NULL, &err), 0);
    worker_pool_stop(pool);
    assert_int_equal(ran, 500);
    assert_int_equal(worker_submit(pool, count, NULL, &err), ERR_CANCELLED);
    worker_pool_free(pool);
    assert_int_equal(ran, 500);
}

/* Exactly threads_max + queue_max jobs fit, however slow the threads are to start. */
static void test_bounds_are_exact(void **state UNUSED)
{
    for (int round = 0; round < 50; round++) {
        struct worker_pool *pool = worker_pool_new("bounds", 3, 2);
        for (int i = 0; i < 5; i++)
            assert_int_equal(worker_submit(pool, wait_for_go, NULL, &err), 0);
        assert_int_equal(worker_submit(pool, wait_for_go, NULL, &err), ERR_BUSY);
        assert_non_null(strstr(err.text, "bounds"));
        for (int i = 0; i < 3; i++) sem_wait(&started);
        assert_int_equal(worker_busy(pool), 3);
        assert_int_equal(worker_waiting(pool), 2);
        assert_int_equal(worker_submit(pool, wait_for_go, NULL, &err), ERR_BUSY);
        for (int i = 0; i < 5; i++) sem_post(&go);
        worker_pool_free(pool);
        for (int i = 0; i < 2; i++) sem_wait(&started);
        assert_int_equal(ran, 5 * (round + 1));
    }
}

static void test_no_queue(void **state UNUSED)
{
    struct worker_pool *pool = worker_pool_new("direct", 2, 0);

    for (int i = 0; i < 2; i++) assert_int_equal(worker_submit(pool, wait_for_go, NULL, &err), 0);
    assert_int_equal(worker_submit(pool, wait_for_go, NULL, &err), ERR_BUSY);
    for (int i = 0; i < 2; i++) sem_post(&go);
    int64_t end = deadline_in(5000);
    while (worker_submit(pool, count, NULL, NULL) && deadline_left_ms(end)) clock_sleep_ms(1);
    worker_pool_free(pool);
    assert_int_equal(ran, 3);
}

static void *submit_many(void *arg)
{
    for (int i = 0; i < 2000; i++)
        while (worker_submit(arg, count, NULL, NULL) == ERR_BUSY) clock_sleep_ms(1);
    return NULL;
}

static void test_many_submitters(void **state UNUSED)
{
    struct worker_pool *pool = worker_pool_new("many", 4, 8);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, submit_many, pool);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    worker_pool_free(pool);
    assert_int_equal(ran, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stop_drains, setup),
        cmocka_unit_test_setup(test_bounds_are_exact, setup),
        cmocka_unit_test_setup(test_no_queue, setup),
        cmocka_unit_test_setup(test_many_submitters, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
