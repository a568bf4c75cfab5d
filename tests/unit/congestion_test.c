#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/congestion.h"

enum { MEAN = 5000, MAXIMUM = 50000 };

static bool holds(struct congestion *c, int64_t now, double chance)
{
    return congestion_holds(c, now, MEAN, MAXIMUM, chance);
}

static void no_mark_no_pause(void **state UNUSED)
{
    struct congestion c = {0};

    assert_false(holds(&c, 1, 0.9));
    congestion_heard(&c, false);
    assert_false(holds(&c, 1, 0.9));
    assert_int_equal(congestion_left_ms(&c, 1), 0);
}

static void one_mark_one_pause(void **state UNUSED)
{
    struct congestion c = {0};

    congestion_heard(&c, true);
    assert_true(holds(&c, 100, 0.5)); /* from 0 to the mean */
    assert_int_equal(congestion_left_ms(&c, 100), 2500);
    assert_true(holds(&c, 2599, 0.5));
    assert_int_equal(congestion_left_ms(&c, 2599), 1);
    assert_false(holds(&c, 2600, 0.5));
    assert_false(holds(&c, 2601, 0.5));
}

static void pauses_grow_to_the_limit(void **state UNUSED)
{
    struct congestion c = {0};
    int64_t now = 1, before = 0;

    for (int i = 0; i < 10; i++) {
        congestion_heard(&c, true);
        assert_true(holds(&c, now, 0.99));
        assert_true(congestion_left_ms(&c, now) >= before);
        before = congestion_left_ms(&c, now);
        now += before;
    }
    assert_int_equal(before, MAXIMUM);
    congestion_heard(&c, false);
    congestion_heard(&c, true);
    assert_true(holds(&c, now, 0.99));
    assert_true(congestion_left_ms(&c, now) < MEAN);
}

/* A mark that comes in a pause belongs to packets that were under way: it asks for another one. */
static void a_mark_in_a_pause_counts_afterwards(void **state UNUSED)
{
    struct congestion c = {0};

    congestion_heard(&c, true);
    assert_true(holds(&c, 0 + 1, 0.5));
    congestion_heard(&c, true);
    assert_true(holds(&c, 1000, 0.5));
    assert_int_equal(congestion_left_ms(&c, 1000), 1501);
    assert_true(holds(&c, 2501, 0));
    assert_int_equal(congestion_left_ms(&c, 2501), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_mark_no_pause),
        cmocka_unit_test(one_mark_one_pause),
        cmocka_unit_test(pauses_grow_to_the_limit),
        cmocka_unit_test(a_mark_in_a_pause_counts_afterwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
