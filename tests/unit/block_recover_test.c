/* The choice among replicas in block recovery, which decides what survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "datanode/block_recover.h"

enum { GS = 1001 };

static struct recover_answer answer(size_t node, enum replica_state state, int64_t length)
{
    return (struct recover_answer){.gs = GS, .length = length, .original = state, .node = node};
}

static struct recover_choice choose(struct recover_answer *answers, size_t count,
                                    int64_t new_length)
{
    struct recover_choice choice;

    assert_int_equal(recover_choose(answers, count, GS, new_length, &choice, NULL), 0);
    return choice;
}

static void the_shortest_of_the_written(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_RBW, 300), answer(1, REPLICA_RBW, 200),
                                       answer(2, REPLICA_RWR, 100)};
    struct recover_choice choice = choose(answers, 3, -1);

    assert_int_equal(choice.length,
                     200); /* what waits for recovery does not count beside what is written */
    assert_int_equal(choice.count, 2);
    assert_false(choice.discard);
}

static void only_waiting_ones(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_RWR, 300), answer(1, REPLICA_RWR, 100)};
    struct recover_choice choice = choose(answers, 2, -1);

    assert_int_equal(choice.length, 100);
    assert_int_equal(choice.count, 2);
}

static void finalized_rules(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_RBW, 500),
                                       answer(1, REPLICA_FINALIZED, 400),
                                       answer(2, REPLICA_RBW, 400), answer(3, REPLICA_RWR, 400)};
    struct recover_choice choice = choose(answers, 4, -1);

    assert_int_equal(choice.length, 400);
    assert_int_equal(choice.count, 2); /* itself, and the written one that has the same length */
    assert_int_equal(choice.members[0].node, 1);
    assert_int_equal(choice.members[1].node, 2);
}

static void finalized_ones_must_agree(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_FINALIZED, 500),
                                       answer(1, REPLICA_FINALIZED, 400)};
    struct recover_choice choice;

    assert_int_equal(recover_choose(answers, 2, GS, -1, &choice, NULL), ERR_IO);
}

static void old_and_empty_ones_are_left_out(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_RBW, 100), answer(1, REPLICA_RBW, 0),
                                       answer(2, REPLICA_RBW, 300)};

    answers[0].gs = GS - 1;
    struct recover_choice choice = choose(answers, 3, -1);
    assert_int_equal(choice.length, 300);
    assert_int_equal(choice.count, 1);
    assert_int_equal(choice.members[0].node, 2);
}

static void nothing_to_keep(void **state UNUSED)
{
    struct recover_answer empty = answer(0, REPLICA_RBW, 0),
                          temporary = answer(0, REPLICA_TEMPORARY, 10);
    struct recover_choice choice;

    assert_true(choose(&empty, 0, -1).discard);
    assert_true(choose(&empty, 1, -1).discard);
    /* bytes that nobody may use are no reason to throw the block away */
    assert_int_equal(recover_choose(&temporary, 1, GS, -1, &choice, NULL), ERR_IO);
}

static void truncation(void **state UNUSED)
{
    struct recover_answer answers[] = {answer(0, REPLICA_FINALIZED, 500),
                                       answer(1, REPLICA_FINALIZED, 500)};
    struct recover_choice choice = choose(answers, 2, 123);

    assert_int_equal(choice.length, 123);
    assert_int_equal(choice.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_of_the_written),
        cmocka_unit_test(only_waiting_ones),
        cmocka_unit_test(finalized_rules),
        cmocka_unit_test(finalized_ones_must_agree),
        cmocka_unit_test(old_and_empty_ones_are_left_out),
        cmocka_unit_test(nothing_to_keep),
        cmocka_unit_test(truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
