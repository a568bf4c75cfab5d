/* The bounded buffers: limits, waiting, reuse. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/pool.h"

static void limits(void **state UNUSED)
{
    struct pool *pool = pool_new(100, 250, 1);
    struct pool_buffer a, b, c;

    assert_true(pool_get(pool, 1, 0, &a));
    assert_int_equal(a.size, 100);
    assert_true(pool_get(pool, 100, 0, &b));
    assert_false(pool_get(pool, 1, 10, &c));
    assert_int_equal(c.size, 0);
    uint8_t *kept = a.data;
    pool_put(pool, &a);
    pool_put(pool, &a); /* empty now */
    assert_true(pool_get(pool, 50, 0, &c));
    assert_ptr_equal(c.data, kept);
    assert_false(pool_grow(pool, 200, 0, &c)); /* 100 are out, 200 more are too many */
    assert_int_equal(c.size, 0);
    pool_put(pool, &b);
    assert_true(pool_get(pool, 1000, 0, &a)); /* one may always be out, however large */
    assert_int_equal(pool_bytes(pool), 1000);
    pool_put(pool, &a);
    pool_free(pool);
}

static struct pool_buffer held;

static void *give_back(void *arg)
{
    clock_sleep_ms(30);
    pool_put(arg, &held);
    return NULL;
}

static void waiting(void **state UNUSED)
{
    struct pool *pool = pool_new(100, 100, 0);
    struct pool_buffer other;
    pthread_t thread;

    assert_true(pool_get(pool, 100, 0, &held));
    pthread_create(&thread, NULL, give_back, pool);
    assert_true(pool_get(pool, 100, 5000, &other));
    pthread_join(thread, NULL);
    pool_put(pool, &other);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(waiting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
