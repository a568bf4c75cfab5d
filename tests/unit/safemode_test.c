/* Safe mode: what ends it, what it says, what it holds back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/block_manager.h"
#include "namenode/redundancy.h"
#include "namenode/safemode.h"
#include "namenode/topology.h"
#include "tests/lib/block_fixture.h"

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_init(&f);
    f.core.manager->populating = false;
    f.core.conf.safemode_extension_ms = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_check(&f);
    fixture_release(&f);
    return 0;
}

static void load(struct block **blocks, int count)
{
    for (int i = 0; i < count; i++) blocks[i] = fixture_block(&f, 1);
    safemode_start(&f.core);
}

static const char *refusal(struct err *err)
{
    *err = (struct err)ERR_INIT;
    assert_int_equal(op_check_not_safemode(&f.core, "Cannot create file/x", err), ERR_SAFE_MODE);
    return err->text;
}

static void test_an_empty_namespace_waits_for_nothing(void **state)
{
    (void)state;
    safemode_start(&f.core);
    assert_false(safemode_is_on(&f.core));
    assert_true(f.core.manager->populating);
    assert_false(safemode_is_quiet(&f.core));
}

static void test_threshold_and_texts(void **state)
{
    struct block *blocks[2000];
    struct err err = ERR_INIT;
    (void)state;

    f.core.conf.host_name = "nn1";
    load(blocks, 2000);
    assert_true(safemode_is_on(&f.core));
    assert_string_equal(refusal(&err), "Cannot create file/x. Name node is in safe mode.\n"
                                       "The reported blocks 0 needs additional 1998 blocks to "
                                       "reach the threshold 0.9990 of total blocks 2000.\n"
                                       "The minimum number of live datanodes is not required. "
                                       "Safe mode will be turned off automatically once the "
                                       "thresholds have been reached. NamenodeHostName:nn1");
    struct datanode *node = fixture_node(&f, "10.0.0.1", "/r", 1);
    struct storage *disk = fixture_storage(node, 0);
    assert_int_equal(fixture_full_report(&f, disk, blocks, 1997, &err), 0);
    assert_true(safemode_is_on(&f.core));
    assert_int_equal(f.core.manager->safe_count, 1997);
    fixture_received(&f, disk, blocks[1997]);
    assert_false(safemode_is_on(&f.core));
    fixture_pass(&f, 5 * SECOND_MS, true);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT),
                     2); /* the scan has found what is missing */
}

static void test_waits_for_reports_of_those_that_are_there(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    load(blocks, 10);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1);
    topology_learn(f.core.datanodes.topology, "10.0.0.2", "/r");
    assert_int_equal(fixture_register(&f, "10.0.0.2", "uuid-b", &err), 0);
    assert_int_equal(fixture_full_report(&f, fixture_storage(a, 0), blocks, 10, &err), 0);
    assert_true(safemode_is_on(&f.core)); /* the other has registered and not reported */
    struct datanode *b = dn_find(&f.core.datanodes, "uuid-b");
    dn_add_storage(&f.core.datanodes, b, "10.0.0.2-0", STORAGE_DISK);
    assert_int_equal(fixture_full_report(&f, fixture_storage(b, 0), NULL, 0, &err), 0);
    assert_false(safemode_is_on(&f.core));
}

static void test_minimum_of_datanodes(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    f.core.conf.safemode_min_datanodes = 2;
    load(blocks, 10);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1);
    assert_int_equal(fixture_full_report(&f, fixture_storage(a, 0), blocks, 10, &err), 0);
    assert_true(safemode_is_on(&f.core));
    assert_non_null(strstr(
        refusal(&err), "The reported blocks 10 has reached the threshold 0.9990 of total blocks "
                       "10. The number of live datanodes "
                       "1 needs an additional 1 live datanodes to reach the minimum number 2.\n"));
    fixture_node(&f, "10.0.0.2", "/r", 1);
    assert_false(safemode_is_on(&f.core));
}

static void test_extension(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    f.core.conf.safemode_extension_ms = 30000;
    load(blocks, 10);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1);
    assert_int_equal(fixture_full_report(&f, fixture_storage(a, 0), blocks, 10, &err), 0);
    assert_non_null(strstr(
        refusal(&err),
        "In safe mode extension. Safe mode will be turned off automatically in 30 seconds."));
    fixture_pass(&f, 29 * SECOND_MS, true);
    assert_true(safemode_is_on(&f.core));
    fixture_pass(&f, SECOND_MS, true);
    assert_false(safemode_is_on(&f.core));
}

static void test_manual(void **state)
{
    struct err err = ERR_INIT;
    (void)state;

    safemode_start(&f.core);
    safemode_enter(&f.core, false);
    assert_non_null(strstr(
        refusal(&err),
        "It was turned on manually. Use \"hdfs dfsadmin -safemode leave\" to turn safe mode off."));
    fixture_pass(&f, 60 * SECOND_MS, true);
    assert_true(safemode_is_on(&f.core)); /* it does not end by itself */
    assert_false(safemode_is_startup(&f.core));
    assert_true(safemode_leave(&f.core, false));
    assert_false(safemode_is_on(&f.core));
    safemode_enter(&f.core, true);
    assert_non_null(strstr(refusal(&err), "Resources are low on NN."));
    safemode_resources_back(&f.core);
    assert_false(safemode_is_on(&f.core));
    safemode_enter(&f.core, false);
    safemode_resources_back(&f.core); /* the operator's stays */
    assert_true(safemode_is_on(&f.core));
}

static void test_blocks_of_the_future_hold_it(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    load(blocks, 10);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1);
    struct storage *disk = fixture_storage(a, 0);
    fixture_told(&f, disk, 99999, f.core.generation_stamp + 7, 4096, 2, NULL);
    assert_int_equal(fixture_full_report(&f, disk, blocks, 10, &err), 0);
    assert_true(safemode_is_on(&f.core));
    assert_non_null(strstr(refusal(&err), "Exiting safe mode will cause loss of 4096 byte(s)."));
    assert_false(safemode_leave(&f.core, false));
    assert_true(safemode_leave(&f.core, true));
    assert_false(safemode_is_on(&f.core));
}

/* Nothing is copied nor deleted in safe mode, and copying waits a little longer for datanodes that come late. */
static void test_no_orders_before_its_time(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    for (int i = 0; i < 10; i++) blocks[i] = fixture_block(&f, 2);
    safemode_start(&f.core);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1),
                    *b = fixture_node(&f, "10.0.0.2", "/r", 1);
    struct storage *disk = fixture_storage(a, 0);
    fixture_told(&f, disk, 88888, 1001, 10, 2, NULL); /* unknown */
    assert_int_equal(fixture_heartbeat(&f, a)->n_cmds, 0);
    assert_int_equal(fixture_full_report(&f, disk, blocks, 10, &err), 0);
    assert_false(safemode_is_on(&f.core));
    assert_int_equal(fixture_heartbeat(&f, a)->n_cmds, 1); /* the deletion */
    fixture_pass(&f, 20 * SECOND_MS, true);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_HIGHEST), 10);
    assert_int_equal(fixture_heartbeat(&f, a)->n_cmds, 0); /* quiet */
    assert_int_equal(fixture_full_report(&f, fixture_storage(b, 0), blocks, 9, &err),
                     0); /* the late one */
    fixture_pass(&f, 20 * SECOND_MS, true);
    assert_int_equal(HASH_COUNT(f.core.manager->pending), 1);
}

static void test_lost_blocks_count_again(void **state)
{
    struct block *blocks[10];
    struct err err = ERR_INIT;
    (void)state;

    f.core.conf.safemode_extension_ms = 10000;
    load(blocks, 10);
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1);
    assert_int_equal(fixture_full_report(&f, fixture_storage(a, 0), blocks, 10, &err), 0);
    assert_int_equal(fixture_full_report(&f, fixture_storage(a, 0), blocks, 5, &err), 0);
    assert_int_equal(f.core.manager->safe_count, 5);
    fixture_pass(&f, 30 * SECOND_MS, true);
    assert_true(safemode_is_on(&f.core));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_namespace_waits_for_nothing),
        TEST(test_threshold_and_texts),
        TEST(test_waits_for_reports_of_those_that_are_there),
        TEST(test_minimum_of_datanodes),
        TEST(test_extension),
        TEST(test_manual),
        TEST(test_blocks_of_the_future_hold_it),
        TEST(test_no_orders_before_its_time),
        TEST(test_lost_blocks_count_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
