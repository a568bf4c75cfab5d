#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "datanode/latency.h"

enum { NOW = 1000 * 1000 * 1000 };

static void fill(struct latencies *l, const char *name, int times, double ms, int64_t now_ms)
{
    for (int i = 0; i < times; i++) latencies_add(l, name, ms, now_ms);
}

static void who_stands_out(void **state)
{
    const struct outlier_rule rule = {.samples_min = 10, .names_min = 5, .low_ms = 5};
    struct latencies *l = latencies_new();
    struct outlier out[4];
    char name[16];

    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "peer%d", i);
        fill(l, name, 100, 2 + i * 0.1, NOW);
    }
    fill(l, "slow", 9, 50, NOW);
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 4), 0); /* four are judged, too few */
    fill(l, "slow", 1, 50, NOW);
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 4), 1);
    assert_string_equal(out[0].name, "slow");
    assert_true(out[0].latency == 50);
    assert_true(out[0].median > 2.19 && out[0].median < 2.21);
    assert_true(out[0].mad > 0.14 && out[0].mad < 0.16);
    assert_true(out[0].limit > 6.59 && out[0].limit < 6.61); /* three times the median */
    fill(l, "slower", 10, 500, NOW);
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 1), 1);
    assert_string_equal(out[0].name, "slower"); /* the slowest first */
    latencies_free(l);
}

static void what_is_fast_is_not_slow(void **state)
{
    const struct outlier_rule rule = {.samples_min = 1, .names_min = 3, .low_ms = 5};
    struct latencies *l = latencies_new();
    struct outlier out[4];

    (void)state;
    fill(l, "a", 10, 0.1, NOW);
    fill(l, "b", 10, 0.1, NOW);
    fill(l, "c", 10, 4, NOW); /* forty times as long, and nothing to speak of */
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 4), 0);
    assert_int_equal(latencies_outliers(NULL, &rule, NOW, out, 4), 0);
    latencies_free(l);
}

static void old_times_are_forgotten(void **state)
{
    const struct outlier_rule rule = {.samples_min = 1, .names_min = 3, .low_ms = 5};
    int64_t later = NOW + (int64_t)LATENCY_WINDOWS * LATENCY_WINDOW_MS;
    struct latencies *l = latencies_new();
    struct outlier out[4];

    (void)state;
    fill(l, "c", 10, 100, NOW);
    for (int64_t now = NOW; now <= later; now += later - NOW) {
        fill(l, "a", 10, 1, now);
        fill(l, "b", 10, 1, now);
        if (now == later) fill(l, "c", 10, 1, now);
        assert_int_equal(latencies_outliers(l, &rule, now, out, 4), now == later ? 0 : 1);
    }
    latencies_free(l);
}

static void names_are_bounded(void **state)
{
    const struct outlier_rule rule = {.samples_min = 1, .names_min = 1, .low_ms = 5};
    struct latencies *l = latencies_new();
    struct outlier out[1];
    char name[300];

    (void)state;
    for (int i = 0; i < LATENCY_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        latencies_add(l, name, 1, NOW);
    }
    latencies_add(l, "one more", 1000, NOW);
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 1), 0);
    latencies_free(l);
    l = latencies_new();
    snprintf(name, sizeof name, "%0299d", 1);
    latencies_add(l, name, 1000, NOW);
    assert_int_equal(latencies_outliers(l, &rule, NOW, out, 1), 0);
    latencies_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_stands_out),
        cmocka_unit_test(what_is_fast_is_not_slow),
        cmocka_unit_test(old_times_are_forgotten),
        cmocka_unit_test(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
