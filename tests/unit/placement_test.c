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

/* ---- the other policies ---- */

static uint32_t most_on_a_rack(struct storage *const *s, size_t n)
{
    uint32_t on[RACKS] = {0}, most = 0;

    for (size_t i = 0; i < n; i++) on[s[i]->datanode->location[5] - '0']++;
    for (int i = 0; i < RACKS; i++) most = MAX(most, on[i]);
    return most;
}

static void test_rack_fault_tolerant_fills_racks_evenly(void **state)
{
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    f.core.conf.placement = PLACEMENT_RACK_FAULT_TOLERANT;
    for (int round = 0; round < 100; round++)
        for (uint32_t wanted = 1; wanted <= 12; wanted++) {
            struct placement_request request = ask(nodes[round % 12]->ip, wanted);
            assert_int_equal(placement_choose(&f.core, &request, out, NULL), wanted);
            assert_true(distinct(out, wanted));
            assert_int_equal(most_on_a_rack(out, wanted), DIV_UP(wanted, RACKS));
            assert_int_equal(racks(out, wanted), MIN(wanted, (uint32_t)RACKS));
        }
    /* A rack that cannot take its share: the others do, as evenly as they can. */
    for (int i = 0; i < 12; i += 3) dn_admin_decommission(&f.core, nodes[i]);
    struct placement_request request = ask(NULL, 7);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 7);
        assert_int_equal(most_on_a_rack(out, 7), 4);
    }
    fixture_release(&f);
}

static void test_rack_fault_tolerant_counts_and_gives_up(void **state)
{
    struct fixture f;
    (void)state;

    build(&f);
    struct storage *have[] = {fixture_storage(nodes[0], 0), fixture_storage(nodes[1], 0),
                              fixture_storage(nodes[3], 0), fixture_storage(nodes[2], 0)};
    assert_true(placement_is_spread(&f.core, have, 3, 3)); /* two racks do by default */
    f.core.conf.placement = PLACEMENT_RACK_FAULT_TOLERANT;
    assert_false(placement_is_spread(&f.core, have, 3, 3));
    assert_int_equal(placement_lacks(&f.core, have, 3, 3), 1);
    assert_true(placement_is_spread(&f.core, have, 4, 4)); /* there are no four */
    for (int round = 0; round < 20; round++) { /* only one of the two on rack 0 may go */
        for (int i = 0; i < 4; i++) have[i]->remaining = core_random(&f.core) % GIB;
        size_t at = placement_choose_excess(&f.core, have, 4, 3, 0, NULL, NULL);
        assert_true(at == 0 || at == 2);
        assert_int_not_equal(placement_choose_excess(&f.core, have, 4, 3, 0, NULL, nodes[1]->uuid),
                             1);
    }
    fixture_release(&f);
}

static void set_domain(struct datanode *node, const char *domain)
{
    mem_free(node->upgrade_domain);
    node->upgrade_domain = mem_strdup(domain);
}

static bool distinct_domains(struct storage *const *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(s[i]->datanode->upgrade_domain, s[k]->datanode->upgrade_domain))
                return false;
    return true;
}

static void test_upgrade_domains(void **state)
{
    static const char *const domains[] = {"ud1", "ud2", "ud3", "ud4"};
    struct fixture f;
    struct storage *out[16];
    (void)state;

    build(&f);
    f.core.conf.placement = PLACEMENT_UPGRADE_DOMAIN;
    for (int i = 0; i < 12; i++) set_domain(nodes[i], domains[i / 3]);
    for (int round = 0; round < 100; round++) {
        struct placement_request request = ask(nodes[round % 12]->ip, 3);
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        assert_true(distinct_domains(out, 3));
        assert_int_equal(racks(out, 3), 2);
        request.wanted = 6; /* beyond the factor they repeat */
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 6);
    }
    struct storage *have[] = {fixture_storage(nodes[0], 0), fixture_storage(nodes[1], 0),
                              fixture_storage(nodes[3], 0), fixture_storage(nodes[6], 0)};
    assert_false(placement_is_spread(&f.core, have, 3, 3)); /* ud1 twice */
    assert_true(placement_is_spread(&f.core, have, 4, 3));
    have[2]->remaining = have[3]->remaining = 1; /* the fullest are not what may go */
    size_t at = placement_choose_excess(&f.core, have, 4, 3, 0, NULL, NULL);
    assert_int_equal(at, 0); /* shares its rack with nodes[3] and its domain with nodes[1] */
    assert_int_not_equal(placement_choose_excess(&f.core, have, 4, 3, 0, NULL, nodes[6]->uuid), 3);
    fixture_release(&f);
}

static void test_node_groups(void **state)
{
    struct fixture f;
    struct storage *out[16];
    struct datanode *grouped[12];
    (void)state;

    fixture_init(&f);
    f.core.conf.placement = PLACEMENT_NODE_GROUP;
    topology_use_node_groups(f.core.datanodes.topology);
    for (int i = 0; i < 12; i++) {
        char ip[32], location[32];
        snprintf(ip, sizeof ip, "10.1.0.%d", i);
        snprintf(location, sizeof location, "/rack%d/ng%d", i % 2, i / 4); /* two nodes each */
        grouped[i] = fixture_node(&f, ip, location, 1);
    }
    assert_int_equal(topology_rack_count(f.core.datanodes.topology), 2);
    for (int round = 0; round < 200; round++) {
        struct datanode *writer = grouped[round % 12];
        struct placement_request request = ask(writer->ip, 3);
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        assert_ptr_equal(out[0]->datanode, writer);
        for (int i = 0; i < 3; i++) /* never two replicas in one group */
            for (int k = 0; k < i; k++)
                assert_string_not_equal(out[i]->datanode->location, out[k]->datanode->location);
        assert_int_equal(racks(out, 3), 2);
    }
    struct placement_request near = ask(grouped[0]->ip, 1);
    struct datanode *self[] = {grouped[0]};
    near.excluded = self;
    near.excluded_count = 1;
    assert_int_equal(placement_choose(&f.core, &near, out, NULL), 1);
    assert_ptr_equal(out[0]->datanode, grouped[2]); /* the other one of the writer's group */
    struct storage *have[] = {fixture_storage(grouped[0], 0), fixture_storage(grouped[2], 0),
                              fixture_storage(grouped[4], 0), fixture_storage(grouped[1], 0)};
    assert_false(placement_is_spread(&f.core, have, 4, 4));
    size_t at = placement_choose_excess(&f.core, have, 4, 3, 0, NULL, NULL);
    assert_in_range(at, 0, 1);
    fixture_release(&f);
}

static void test_available_space(void **state)
{
    struct fixture f;
    struct storage *out[16];
    uint32_t hits = 0;
    (void)state;

    build(&f);
    for (int i = 0; i < 12; i++) /* the first six are nearly full */
        for (int k = 0; k < 2; k++) {
            struct storage *storage = fixture_storage(nodes[i], k);
            storage->dfs_used = i < 6 ? storage->capacity / 10 * 9 : storage->capacity / 10;
        }
    struct placement_request request = ask(NULL, 1);
    for (int kind = 0; kind < 2; kind++) {
        f.core.conf.placement = kind ? PLACEMENT_AVAILABLE_SPACE : PLACEMENT_DEFAULT;
        f.core.conf.space_preference = 100;
        hits = 0;
        for (int round = 0; round < 4000; round++) {
            assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
            for (int i = 6; i < 12; i++) hits += out[0]->datanode == nodes[i];
        }
        if (kind)
            assert_in_range(hits, 2800, 3200); /* three of four pairs have an emptier one */
        else
            assert_in_range(hits, 1800, 2200);
    }
    /* The writer's own full node gives way to one of its rack, when asked for. */
    request.writer_host = nodes[0]->ip;
    assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
    assert_ptr_equal(out[0]->datanode, nodes[0]);
    f.core.conf.space_balance_local = true;
    hits = 0;
    for (int round = 0; round < 400; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 1);
        assert_string_equal(out[0]->datanode->location, nodes[0]->location);
        hits += out[0]->datanode == nodes[0];
    }
    assert_in_range(hits, 1, 200);
    request.wanted = 3;
    for (int round = 0; round < 100; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        assert_true(distinct(out, 3));
    }
    fixture_release(&f);
}

static int load_class(const char *class_name, const char *topology, enum placement_kind *kind)
{
    struct conf *conf = conf_new();
    struct core_conf loaded = {0};
    struct err err = ERR_INIT;

    assert_int_equal(conf_set(conf, "dfs.block.replicator.classname", class_name, &err), 0);
    if (topology) assert_int_equal(conf_set(conf, "net.topology.impl", topology, &err), 0);
    int rc = core_conf_load(&loaded, conf, &err);
    *kind = loaded.placement;
    conf_free(conf);
    return rc;
}

static void test_classes_by_name(void **state)
{
    enum placement_kind kind;
    (void)state;

#define BM "org.apache.hadoop.hdfs.server.blockmanagement."
    assert_int_equal(load_class(BM "BlockPlacementPolicyRackFaultTolerant", NULL, &kind), 0);
    assert_int_equal(kind, PLACEMENT_RACK_FAULT_TOLERANT);
    assert_int_equal(
        load_class(BM "AvailableSpaceRackFaultTolerantBlockPlacementPolicy", NULL, &kind), 0);
    assert_int_equal(kind, PLACEMENT_AVAILABLE_SPACE_RACKS);
    assert_int_equal(load_class(BM "BlockPlacementPolicyWithNodeGroup", NULL, &kind), ERR_CONFIG);
    assert_int_equal(load_class(BM "BlockPlacementPolicyWithNodeGroup",
                                "org.apache.hadoop.net.NetworkTopologyWithNodeGroup", &kind),
                     0);
    assert_int_equal(kind, PLACEMENT_NODE_GROUP);
    assert_int_equal(load_class("com.example.MyPolicy", NULL, &kind), ERR_CONFIG);
#undef BM
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
        cmocka_unit_test(test_rack_fault_tolerant_fills_racks_evenly),
        cmocka_unit_test(test_rack_fault_tolerant_counts_and_gives_up),
        cmocka_unit_test(test_upgrade_domains),
        cmocka_unit_test(test_node_groups),
        cmocka_unit_test(test_available_space),
        cmocka_unit_test(test_classes_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
