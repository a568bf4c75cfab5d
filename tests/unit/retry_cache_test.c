/* At most once: repeats, failures, expiry, and the bound on memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "namenode/retry_cache.h"

enum { EXPIRY_MS = 600000 };

static const uint8_t alice[16] = "alice-client-id", bob[16] = "bobby-client-id";

static struct retry_cache *fresh(void)
{
    return retry_cache_new(EXPIRY_MS, 0);
}

static enum retry_cache_state begin_at(struct retry_cache *cache, const uint8_t *client,
                                       int32_t call, int64_t now_ms)
{
    const uint8_t *payload;
    size_t size;

    return retry_cache_begin(cache, client, call, now_ms, &payload, &size);
}

static void test_repeat_gets_the_first_answer(void **state UNUSED)
{
    struct retry_cache *cache = fresh();
    const uint8_t *payload;
    size_t size;

    assert_int_equal(begin_at(cache, alice, 5, 0), RETRY_CACHE_NEW);
    assert_int_equal(begin_at(cache, alice, 5, 1), RETRY_CACHE_RUNNING);
    retry_cache_succeed(cache, alice, 5, "\x08\x01", 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(retry_cache_begin(cache, alice, 5, 2, &payload, &size), RETRY_CACHE_DONE);
        assert_int_equal(size, 2);
        assert_memory_equal(payload, "\x08\x01", 2);
    }
    assert_int_equal(begin_at(cache, bob, 5, 2), RETRY_CACHE_NEW);
    assert_int_equal(begin_at(cache, alice, 6, 2), RETRY_CACHE_NEW);
    retry_cache_free(cache);
}

static void test_empty_answer_is_not_an_unknown_one(void **state UNUSED)
{
    struct retry_cache *cache = fresh();
    const uint8_t *payload;
    size_t size;

    begin_at(cache, alice, 1, 0);
    retry_cache_succeed(cache, alice, 1, "", 0);
    assert_int_equal(retry_cache_begin(cache, alice, 1, 0, &payload, &size), RETRY_CACHE_DONE);
    assert_non_null(payload);
    retry_cache_put(cache, alice, 2, 0, NULL, 0);
    assert_int_equal(retry_cache_begin(cache, alice, 2, 0, &payload, &size), RETRY_CACHE_DONE);
    assert_null(payload);
    retry_cache_free(cache);
}

static void test_failed_call_runs_anew(void **state UNUSED)
{
    struct retry_cache *cache = fresh();

    begin_at(cache, alice, 1, 0);
    retry_cache_fail(cache, alice, 1);
    assert_int_equal(retry_cache_count(cache), 0);
    assert_int_equal(begin_at(cache, alice, 1, 0), RETRY_CACHE_NEW);
    retry_cache_free(cache);
}

static void test_expiry(void **state UNUSED)
{
    struct retry_cache *cache = fresh();

    begin_at(cache, alice, 1, 0);
    retry_cache_succeed(cache, alice, 1, "x", 1);
    begin_at(cache, alice, 2, 1000); /* runs and runs */
    assert_int_equal(begin_at(cache, alice, 1, EXPIRY_MS - 1), RETRY_CACHE_DONE);
    assert_int_equal(begin_at(cache, alice, 1, EXPIRY_MS), RETRY_CACHE_NEW);
    retry_cache_expire(cache, 10 * EXPIRY_MS);
    assert_int_equal(begin_at(cache, alice, 2, 10 * EXPIRY_MS), RETRY_CACHE_RUNNING);
    retry_cache_succeed(cache, alice, 2, NULL, 0);
    retry_cache_fail(cache, alice, 1);
    retry_cache_expire(cache, 20 * EXPIRY_MS);
    assert_int_equal(retry_cache_count(cache), 0);
    assert_int_equal(retry_cache_memory(cache), 0);
    retry_cache_free(cache);
}

static void test_replay_and_live_record(void **state UNUSED)
{
    struct retry_cache *cache = fresh();
    const uint8_t *payload;
    size_t size;

    retry_cache_put(cache, alice, 1, 0, "a", 1);
    retry_cache_put(cache, alice, 1, 0, "bc", 2); /* tailed again after a failover */
    assert_int_equal(retry_cache_begin(cache, alice, 1, 0, &payload, &size), RETRY_CACHE_DONE);
    assert_int_equal(size, 2);
    begin_at(cache, alice, 2, 0);
    retry_cache_put(cache, alice, 2, 0, NULL, 0); /* its own edit is applied while it runs */
    assert_int_equal(begin_at(cache, alice, 2, 0), RETRY_CACHE_RUNNING);
    retry_cache_succeed(cache, alice, 2, "x", 1);
    retry_cache_clear(cache);
    assert_int_equal(retry_cache_count(cache), 0);
    retry_cache_free(cache);
}

static void test_memory_is_bounded(void **state UNUSED)
{
    struct retry_cache *cache = fresh();
    uint8_t payload[1000] = {0};

    begin_at(cache, bob, 0, 0); /* runs all the while: may not be forgotten */
    for (int32_t call = 0; call < 100000; call++) {
        assert_int_equal(begin_at(cache, alice, call, call), RETRY_CACHE_NEW);
        retry_cache_succeed(cache, alice, call, payload, sizeof payload);
        assert_true(retry_cache_memory(cache) <= RETRY_CACHE_MEMORY_MIN);
        assert_int_equal(begin_at(cache, alice, call, call), RETRY_CACHE_DONE);
    }
    assert_true(retry_cache_count(cache) > 500);
    assert_int_equal(begin_at(cache, alice, 0, 100000), RETRY_CACHE_NEW); /* the oldest went */
    assert_int_equal(begin_at(cache, bob, 0, 100000), RETRY_CACHE_RUNNING);
    retry_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat_gets_the_first_answer),
        cmocka_unit_test(test_empty_answer_is_not_an_unknown_one),
        cmocka_unit_test(test_failed_call_runs_anew),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_replay_and_live_record),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
