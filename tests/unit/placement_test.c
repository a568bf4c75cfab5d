#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/block_manager.h"
#include "namenode/dn_admin.h"
#include "namenode/placement.h"
#include "namenode/redundancy.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"
#include "tests/lib/block_fixture.h"

enum { RACKS = 3, PER_RACK = 4 };

static struct datanode *nodes[RACKS * PER_RACK];

static void build(struct fixture *f)
{
    fixture_init(f);
    for (int i = 0; i < RACKS * PER_RACK; i++) {
        char ip[32], rack[32];
        snprintf(ip, sizeof ip, "10.0.%d.%d", i % RACKS, i);
        snprintf(rack, sizeof rack, "/rack%d", i % RACKS);
        nodes[i] = fixture_node(f, ip, rack, 2);
    }
}

static struct placement_request ask(const char *writer, uint32_t wanted)
{
    return (struct placement_request){
        .writer_host = writer, .wanted = wanted, .block_size = FIXTURE_BLOCK};
}

static bool distinct(struct storage *const *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (s[i]->datanode == s[k]->datanode) return false;
    return true;
}

static void test_three_replicas(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    for (int round = 0; round < 200; round++) {
        struct datanode *writer = nodes[round % (RACKS * PER_RACK)];
        struct placement_request request = ask(writer->ip, 3);
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        assert_true(distinct(out, 3));
        assert_ptr_equal(out[0]->datanode, writer);
        assert_string_not_equal(out[1]->datanode->location, writer->location);
        assert_string_equal(out[2]->datanode->location, out[1]->datanode->location);
    }
    fixture_release(&f);
}

static void test_many_replicas_spread(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    for (int round = 0; round < 100; round++) {
        struct placement_request request = ask("192.168.1.1", 7);
        uint32_t on_rack[RACKS] = {0};
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 7);
        assert_true(distinct(out, 7));
        for (int i = 0; i < 7; i++) on_rack[out[i]->datanode->location[5] - '0']++;
        for (int r = 0; r < RACKS; r++) assert_in_range(on_rack[r], 0, (7 - 1) / RACKS + 2);
    }
    struct placement_request all = ask(NULL, 100);
    assert_int_equal(placement_choose(&f.core, &all, out, NULL), 12);
    fixture_release(&f);
}

/* Every node gets its share: no place is preferred by accident. */
static void test_no_bias(void **state)
{
    struct fixture f;
    struct storage *out[16];
    uint32_t hits[RACKS * PER_RACK] = {0};
    (void)state;

    build(&f);
    for (int round = 0; round < 6000; round++) {
        struct placement_request request = ask(NULL, 1);
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
        for (int i = 0; i < RACKS * PER_RACK; i++) hits[i] += out[0]->datanode == nodes[i];
    }
    for (int i = 0; i < RACKS * PER_RACK; i++) assert_in_range(hits[i], 350, 650);
    fixture_release(&f);
}

static void test_refusals(void **state)
{
    struct fixture f;
    struct storage *out[16];
    struct placement_refusals refusals = {0};
    struct placement_request request = ask(NULL, 3);
    (void)state;

    build(&f);
    for (int i = 0; i < RACKS * PER_RACK; i++)
        for (int k = 0; k < 2; k++) fixture_storage(nodes[i], k)->remaining = MIB;
    assert_int_equal(placement_choose(&f.core, &request, out, &refusals), 0);
    assert_int_equal(refusals.no_space, 12);
    assert_non_null(strstr(refusals.detail, "not enough space"));
    fixture_storage(nodes[5], 1)->remaining = GIB;
    assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
    assert_ptr_equal(out[0], fixture_storage(nodes[5], 1));
    fixture_storage(nodes[5], 1)->scheduled = 8; /* promised as much as there is */
    assert_int_equal(placement_choose(&f.core, &request, out, NULL), 0);
    fixture_release(&f);
}

static void test_excluded_and_out_of_service(void **state)
{
    struct fixture f;
    struct storage *out[16];
    struct datanode *excluded[RACKS * PER_RACK];
    struct placement_request request = ask(NULL, 3);
    (void)state;

    build(&f);
    for (int i = 0; i < 9; i++) excluded[i] = nodes[i];
    request.writer_host = nodes[0]->ip;
    request.excluded = excluded;
    request.excluded_count = 9;
    dn_admin_decommission(&f.core, nodes[9]);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 2);
        for (int i = 0; i < 2; i++)
            assert_true(out[i]->datanode == nodes[10] || out[i]->datanode == nodes[11]);
    }
    fixture_release(&f);
}

static void test_busy_nodes_are_passed_over(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    for (int i = 0; i < RACKS * PER_RACK; i++) {
        dn_stats_leave(&f.core.datanodes, nodes[i]);
        nodes[i]->xceivers = i == 3 ? 100 : 10;
        dn_stats_enter(&f.core.datanodes, nodes[i]);
    }
    for (int round = 0; round < 200; round++) {
        struct placement_request request = ask(NULL, 3);
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        for (int i = 0; i < 3; i++) assert_ptr_not_equal(out[i]->datanode, nodes[3]);
    }
    fixture_release(&f);
}

static void test_no_local_write(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    struct placement_request request = ask(nodes[0]->ip, 3);
    request.no_local_write = true;
    for (int round = 0; round < 50; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        for (int i = 0; i < 3; i++) assert_ptr_not_equal(out[i]->datanode, nodes[0]);
    }
    request.wanted = 12; /* not without it */
    assert_int_equal(placement_choose(&f.core, &request, out, NULL), 12);
    fixture_release(&f);
}

static void test_media(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    for (int i = 0; i < 3; i++) fixture_storage(nodes[i], 0)->type = STORAGE_SSD;
    for (int round = 0; round < 50; round++) {
        struct placement_request request = ask(NULL, 3);
        request.storage_policy = STORAGE_POLICY_ONE_SSD;
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        int ssd = 0;
        for (int i = 0; i < 3; i++) ssd += out[i]->type == STORAGE_SSD;
        assert_int_equal(ssd, 1);
        request.storage_policy =
            STORAGE_POLICY_ALL_SSD; /* three SSDs on three racks: one a fallback at times, never fewer than three */
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        request.storage_policy = STORAGE_POLICY_COLD; /* no archive, no fallback */
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 0);
    }
    fixture_release(&f);
}

static void test_existing_replicas_count(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    for (int round = 0; round < 100; round++) {
        struct storage *existing[] = {fixture_storage(nodes[0], 0),
                                      fixture_storage(nodes[3], 0)}; /* both on rack 0 */
        struct placement_request request = ask(nodes[0]->ip, 1);
        request.existing = existing;
        request.existing_count = 2;
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
        assert_string_not_equal(out[0]->datanode->location, "/rack0");
    }
    fixture_release(&f);
}

static void test_sort_for_reader(void **state)
{
    struct fixture f;
    (void)state;

    build(&f);
    for (int round = 0; round < 50; round++) {
        struct storage *s[] = {fixture_storage(nodes[1], 0), fixture_storage(nodes[3], 0),
                               fixture_storage(nodes[0], 0), fixture_storage(nodes[6], 0)};
        nodes[6]->heartbeat_ms = f.core.now_ms - f.core.conf.stale_interval_ms;
        placement_sort_for_reader(&f.core, nodes[0]->ip, s, 4);
        assert_ptr_equal(s[0]->datanode, nodes[0]);
        assert_ptr_equal(s[1]->datanode, nodes[3]); /* same rack */
        assert_ptr_equal(s[2]->datanode, nodes[1]);
        assert_ptr_equal(s[3]->datanode, nodes[6]); /* same rack, but silent */
    }
    fixture_release(&f);
}

static uint32_t racks(struct storage *const *s, size_t n)
{
    uint32_t seen[RACKS] = {0}, count = 0;

    for (size_t i = 0; i < n; i++)
        if (!seen[s[i]->datanode->location[5] - '0']++) count++;
    return count;
}

/* From any set of replicas, giving up one after the other never leaves fewer racks than the policy's two. */
static void test_excess_never_breaks_racks(void **state)
{
    struct fixture f;
    (void)state;

    build(&f);
    for (int round = 0; round < 2000; round++) {
        struct storage *have[12];
        size_t count = 3 + core_random(&f.core) % 9, n = 0;
        uint32_t keep = 2 + (uint32_t)(core_random(&f.core) % 2);
        for (size_t start = core_random(&f.core) % 12, step = round % 2 ? 5 : 7; n < count; n++)
            have[n] = fixture_storage(nodes[(start + n * step) % 12], 0);
        for (size_t i = 0; i < n; i++) have[i]->remaining = core_random(&f.core) % GIB;
        uint32_t before = racks(have, n);
        const char *hint =
            core_random(&f.core) % 2 ? have[core_random(&f.core) % n]->datanode->uuid : NULL;
        while (n > keep) {
            size_t at = placement_choose_excess(&f.core, have, n, keep, 0, NULL, hint);
            assert_true(at < n);
            have[at] = have[--n];
            hint = NULL;
        }
        assert_in_range(racks(have, n), MIN(before, 2u), RACKS);
    }
    fixture_release(&f);
}

static void test_hint_is_followed_where_it_takes_no_rack(void **state)
{
    struct fixture f;
    (void)state;

    build(&f);
    struct storage *have[] = {fixture_storage(nodes[0], 0), fixture_storage(nodes[3], 0),
                              fixture_storage(nodes[1], 0)};
    assert_int_equal(placement_choose_excess(&f.core, have, 3, 2, 0, NULL, nodes[3]->uuid), 1);
    assert_int_not_equal(placement_choose_excess(&f.core, have, 3, 2, 0, NULL, nodes[1]->uuid), 2);
    assert_int_equal(placement_choose_excess(&f.core, have, 3, 3, 0, NULL, nodes[1]->uuid), 3);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_replicas),
        cmocka_unit_test(test_many_replicas_spread),
        cmocka_unit_test(test_no_bias),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_excluded_and_out_of_service),
        cmocka_unit_test(test_busy_nodes_are_passed_over),
        cmocka_unit_test(test_no_local_write),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_existing_replicas_count),
        cmocka_unit_test(test_sort_for_reader),
        cmocka_unit_test(test_excess_never_breaks_racks),
        cmocka_unit_test(test_hint_is_followed_where_it_takes_no_rack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
