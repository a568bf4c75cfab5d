/* Dead nodes, copies, excess, corrupt replicas, decommissioning: what the namenode does by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/block_manager.h"
#include "namenode/dn_admin.h"
#include "namenode/hosts.h"
#include "namenode/monitor.h"
#include "namenode/placement.h"
#include "namenode/redundancy.h"
#include "namenode/report.h"
#include "namenode/slow_nodes.h"
#include "namenode/topology.h"
#include "tests/lib/block_fixture.h"

enum { NODES = 6, RECEIVED = 2, DELETED = 3 };

static struct fixture f;
static struct datanode *nodes[NODES];
static struct storage *disks[NODES];

static int setup(void **state)
{
    (void)state;
    fixture_init(&f);
    for (int i = 0; i < NODES; i++) {
        char ip[32], rack[32];
        snprintf(ip, sizeof ip, "10.0.%d.%d", i % 3, i + 1);
        snprintf(rack, sizeof rack, "/r%d", i % 3);
        nodes[i] = fixture_node(&f, ip, rack, 1);
        disks[i] = fixture_storage(nodes[i], 0);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_check(&f);
    fixture_release(&f);
    return 0;
}

static struct block *stored(uint16_t replication, const int *on, size_t count)
{
    struct block *block = fixture_block(&f, replication);

    for (size_t i = 0; i < count; i++) fixture_received(&f, disks[on[i]], block);
    return block;
}
#define STORED(replication, ...)                                                                   \
    stored(replication, (const int[]){__VA_ARGS__}, ARRAY_LEN(((const int[]){__VA_ARGS__})))

/* The datanode does what its heartbeats tell it: copies arrive, deletions happen. Answers how many orders there were. */
static int obey(struct datanode *node)
{
    Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, node);
    int orders = 0;

    assert_non_null(answer);
    for (size_t i = 0; i < answer->n_cmds; i++) {
        Pb__BlockCommand *command = answer->cmds[i]->blkcmd;
        if (!command) continue;
        for (size_t k = 0; k < command->n_blocks; k++, orders++) {
            Pb__Block *b = command->blocks[k];
            if (command->action == PB__BLOCK_COMMAND__ACTION__TRANSFER) {
                for (size_t t = 0; t < command->targetstorageuuids[k]->n_storageuuids; t++) {
                    struct datanode *target = dn_find(
                        &f.core.datanodes, command->targets[k]->datanodes[t]->id->datanodeuuid);
                    struct storage *storage =
                        dn_find_storage(target, command->targetstorageuuids[k]->storageuuids[t]);
                    fixture_told(&f, storage, b->blockid, b->genstamp, b->numbytes, RECEIVED, NULL);
                }
            } else {
                struct storage *storage;
                LIST_FOREACH (storage, &node->storages, of_datanode)
                    fixture_told(&f, storage, b->blockid, b->genstamp, b->numbytes, DELETED, NULL);
            }
        }
    }
    return orders;
}

static int obey_all(void)
{
    int orders = 0;

    for (int i = 0; i < NODES; i++)
        if (nodes[i]->alive) orders += obey(nodes[i]);
    return orders;
}

static void settle(void)
{
    for (int i = 0; i < 40; i++) {
        fixture_pass(&f, 3 * SECOND_MS, true);
        obey_all();
    }
}

static uint32_t live_of(struct block *block)
{
    struct replica_numbers n;

    replicas_count(&f.core, block, &n);
    return n.of[KIND_LIVE];
}

static void test_priorities(void **state)
{
    (void)state;
    struct block *missing = fixture_block(&f, 3);
    struct block *one = STORED(3, 0), *two = STORED(3, 0, 1), *full = STORED(3, 0, 1, 3),
                 *few = STORED(10, 0, 1), *same_rack = STORED(2, 0, 3);

    fixture_received(&f, disks[0], one); /* twice changes nothing */
    redundancy_update(&f.core, missing);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 1);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_HIGHEST), 1);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_VERY_LOW), 1);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_LOW), 1);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_BADLY_DISTRIBUTED), 1);
    assert_true(one->queued && two->queued && few->queued && same_rack->queued && !full->queued);
    assert_int_equal(f.core.manager->missing_replication_one, 0);
}

static void test_dead_node(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 3), *single = STORED(1, 0);

    nodes[0]->heartbeat_ms = f.core.now_ms - monitor_dead_after_ms(&f.core) + 5000;
    fixture_pass(&f, 4 * SECOND_MS, false);
    assert_true(nodes[0]->alive);
    for (int i = 1; i < NODES; i++) nodes[i]->heartbeat_ms = f.core.now_ms;
    fixture_pass(&f, 4 * SECOND_MS, false);
    assert_false(nodes[0]->alive);
    assert_int_equal(dn_live_count(&f.core), NODES - 1);
    assert_int_equal(block->replica_count, 2);
    assert_int_equal(single->replica_count, 0);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 1);
    assert_int_equal(f.core.manager->missing_replication_one, 1);
    /* A copy is ordered from a holder to a node that has none. */
    fixture_pass(&f, 3 * SECOND_MS, true);
    assert_int_equal(redundancy_pending(&f.core, block), 1);
    assert_false(block->queued);
    obey_all();
    assert_int_equal(live_of(block), 3);
    assert_int_equal(redundancy_pending(&f.core, block), 0);
    assert_true(
        placement_is_spread(&f.core,
                            (struct storage *[]){dn_storage(&f.core.datanodes, block->storages[0]),
                                                 dn_storage(&f.core.datanodes, block->storages[1]),
                                                 dn_storage(&f.core.datanodes, block->storages[2])},
                            3, 3));
    /* It comes back: told to register, its report brings the missing block back, and the surplus replica goes. */
    Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, nodes[0]);
    assert_int_equal(answer->n_cmds, 1);
    assert_int_equal(answer->cmds[0]->cmdtype, PB__DATANODE_COMMAND__TYPE__RegisterCommand);
    struct err err = ERR_INIT;
    assert_int_equal(fixture_register(&f, nodes[0]->ip, nodes[0]->uuid, &err), 0);
    fixture_heartbeat(&f, nodes[0]);
    struct block *list[] = {block, single};
    assert_int_equal(fixture_full_report(&f, disks[0], list, 2, &err), 0);
    assert_int_equal(live_of(single), 1);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 0);
    settle();
    assert_int_equal(block->replica_count, 3);
}

static void test_a_pause_of_the_namenode_kills_nobody(void **state)
{
    (void)state;
    fixture_pass(&f, 2 * SECOND_MS, true);
    f.core.now_ms += 3 * HOUR_MS;
    fixture_pass(&f, 10 * SECOND_MS, false);
    assert_int_equal(dn_live_count(&f.core), NODES);
}

static void test_copies_that_do_not_arrive(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1);

    fixture_pass(&f, 3 * SECOND_MS, true);
    assert_int_equal(redundancy_pending(&f.core, block), 1);
    for (int i = 0; i < NODES; i++) fixture_heartbeat(&f, nodes[i]); /* ordered, and never done */
    fixture_pass(&f, f.core.conf.pending_timeout_ms + 6 * SECOND_MS, true);
    assert_int_equal(f.core.manager->pending_timeouts, 1);
    assert_int_equal(redundancy_pending(&f.core, block), 1); /* ordered again */
    settle();
    assert_int_equal(live_of(block), 3);
}

static void test_urgent_first_and_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) STORED(3, 0, 1);
    struct block *urgent = STORED(3, 0);

    assert_int_equal(monitor_schedule_copies(&f.core, 1), 1);
    assert_int_equal(redundancy_pending(&f.core, urgent), 2);
    monitor_schedule_copies(&f.core, 1000);
    for (int i = 0; i < NODES; i++)
        assert_in_range(nodes[i]->work.transfer_count, 0, f.core.conf.replication_max_streams_hard);
    nodes[0]->xmits = 0;
    Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, nodes[0]);
    assert_in_range(answer->cmds[0]->blkcmd->n_blocks, 1, f.core.conf.replication_max_streams);
}

static void test_excess(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 2, 3, 4);

    assert_int_equal(live_of(block), 3);
    assert_int_equal(f.core.manager->excess_count, 2);
    settle();
    assert_int_equal(block->replica_count, 3);
    assert_int_equal(f.core.manager->excess_count, 0);
}

static void test_excess_waits_for_stale_storages(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct block *block = STORED(2, 0, 1);

    /* Restarted, not reported yet: whether it still has its replica is not known. */
    assert_int_equal(fixture_register(&f, nodes[0]->ip, nodes[0]->uuid, &err), 0);
    fixture_received(&f, disks[2], block);
    fixture_pass(&f, 10 * SECOND_MS, true);
    assert_int_equal(f.core.manager->excess_count, 0);
    assert_int_equal(fixture_full_report(&f, disks[0], NULL, 0, &err), 0); /* it has not */
    fixture_pass(&f, 10 * SECOND_MS, true);
    assert_int_equal(f.core.manager->excess_count, 0);
    assert_int_equal(live_of(block), 2);
}

static void test_excess_order_lost_by_a_restart(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct block *block = STORED(1, 0, 1);
    struct storage *excess =
        roaring_bitmap_contains(disks[0]->excess, block_reference(block)) ? disks[0] : disks[1];

    assert_int_equal(fixture_heartbeat(&f, excess->datanode)->n_cmds,
                     1); /* told, and then the datanode dies and forgets */
    assert_int_equal(excess->deletion_count, 0);
    assert_int_equal(fixture_register(&f, excess->datanode->ip, excess->datanode->uuid, &err), 0);
    assert_int_equal(fixture_full_report(&f, excess, &block, 1, &err), 0);
    assert_int_equal(excess->deletion_count, 1); /* told again */
    assert_int_equal(live_of(block), 1);
    settle();
    assert_int_equal(block->replica_count, 1);
    assert_null(excess->doomed);
}

static void test_set_replication(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 3);
    struct inode *file = inode_at(f.core.tree.inodes, block->inode);

    blocks_set_replication(&f.core, file, 2);
    assert_int_equal(f.core.manager->excess_count, 1);
    blocks_set_replication(&f.core, file, 3); /* before the order was sent: it is taken back */
    assert_int_equal(f.core.manager->excess_count, 0);
    assert_int_equal(live_of(block), 3);
    blocks_set_replication(&f.core, file, 1);
    settle();
    assert_int_equal(block->replica_count, 1);
    blocks_set_replication(&f.core, file, 5);
    settle();
    assert_int_equal(live_of(block), 5);
}

static void test_bad_replica_is_replaced(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 3);
    struct block_id id = block_name(block);

    replica_mark_corrupt(&f.core, block, disks[0], &id, CORRUPT_REPORTED);
    assert_int_equal(disks[0]->deletion_count, 0); /* not before there are three good ones */
    assert_int_equal(live_of(block), 2);
    settle();
    assert_int_equal(live_of(block), 3);
    assert_int_equal(block->corrupt_count, 0);
    assert_false(block_has_storage(f.core.blocks, block, disks[0]->number));
    fixture_check(&f);
}

/* While its deletion is under way, a report of the bad replica does not make it good again. */
static void test_doomed_replica_stays_doomed(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct block *block = STORED(2, 0, 1, 2);
    struct storage *doomed = NULL;

    for (int i = 0; i < 3; i++)
        if (roaring_bitmap_contains(disks[i]->excess, block_reference(block))) doomed = disks[i];
    assert_non_null(doomed);
    fixture_heartbeat(&f, doomed->datanode);
    fixture_received(&f, doomed, block);
    assert_int_equal(fixture_full_report(&f, doomed, &block, 1, &err), 0);
    assert_int_equal(live_of(block), 2);
    assert_int_equal(f.core.manager->excess_count, 1);
}

static void test_decommission(void **state)
{
    (void)state;
    struct block *blocks[20];

    for (int i = 0; i < 20; i++) blocks[i] = STORED(3, 0, 1, 3);
    dn_admin_decommission(&f.core, nodes[0]);
    assert_int_equal(f.core.datanodes.stats.nodes_in_service, NODES - 1);
    fixture_pass(&f, 3 * SECOND_MS, true);
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONING);
    assert_int_equal(nodes[0]->leaving_low_redundancy, 20);
    settle();
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONED);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(live_of(blocks[i]), 3);
        assert_int_equal(blocks[i]->replica_count, 4); /* its replicas stay where they are */
    }
    dn_admin_stop(&f.core, nodes[0]); /* back: one too many */
    settle();
    for (int i = 0; i < 20; i++) assert_int_equal(blocks[i]->replica_count, 3);
    assert_int_equal(f.core.datanodes.stats.nodes_in_service, NODES);
}

static void test_decommission_by_file(void **state)
{
    (void)state;
    struct hosts *hosts = hosts_new();
    struct err err = ERR_INIT;
    static const char text[] = "# leave\n 10.0.0.1:9866\t10.0.2.3 # and this\n10.0.1.2:1\n";

    assert_int_equal(hosts_add_text(hosts, true, text, sizeof text - 1, &err), 0);
    hosts_apply(&f.core, hosts);
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONING);
    assert_int_equal(nodes[2]->admin_state, DN_DECOMMISSIONING);
    assert_int_equal(nodes[1]->admin_state, DN_NORMAL); /* another port */
    hosts_apply(&f.core, hosts_new());
    assert_int_equal(nodes[0]->admin_state, DN_NORMAL);
    hosts = hosts_new();
    assert_int_equal(hosts_add_text(hosts, false, "10.0.0.1 10.0.2.3", 17, &err), 0);
    hosts_apply(&f.core, hosts);
    assert_null(fixture_heartbeat(&f, nodes[1]));
    assert_int_equal(fixture_register(&f, nodes[1]->ip, nodes[1]->uuid, &err),
                     ERR_DISALLOWED_DATANODE);
    assert_int_equal(hosts_add_text(hosts, false, "a:b", 3, &err), ERR_CONFIG);
    assert_int_equal(hosts_add_text(hosts, false, "a:99999", 7, &err), ERR_CONFIG);
    assert_int_equal(hosts_add_text(hosts, false, ":80", 3, &err), ERR_CONFIG);
}

static void add_json(struct hosts *hosts, const char *text, const char *error)
{
    struct err err = ERR_INIT;
    int rc = hosts_add_json(hosts, text, strlen(text), &err);

    if (!error) {
        if (rc) fail_msg("%s: %s", text, err.text);
        return;
    }
    assert_int_equal(rc, ERR_CONFIG);
    if (!strstr(err.text, error)) fail_msg("'%s' lacks '%s'", err.text, error);
}

static void test_hosts_in_json(void **state)
{
    struct hosts *hosts = hosts_new();
    struct err err = ERR_INIT;

    (void)state;
    add_json(hosts,
             "[ {\"hostName\": \"10.0.0.1\", \"adminState\": \"DECOMMISSIONED\"},\n"
             "  {\"hostName\": \"10.0.1.2\", \"port\": 1, \"adminState\": \"DECOMMISSIONED\"},\n"
             "  {\"hostName\": \"10.0.1.2\", \"port\": 0, \"upgradeDomain\": \"ud\\u0031\\/\"},\n"
             "  {\"hostName\": \"10.0.2.3\", \"adminState\": \"IN_MAINTENANCE\", "
             "\"maintenanceExpireTimeInMS\": 9223372036854775807, \"upgradeDomain\": null} ]\n",
             NULL);
    hosts_apply(&f.core, hosts);
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONING);
    assert_int_equal(nodes[1]->admin_state, DN_NORMAL); /* another port */
    assert_string_equal(nodes[1]->upgrade_domain, "ud1/");
    assert_int_equal(nodes[2]->admin_state, DN_ENTERING_MAINTENANCE);
    assert_false(nodes[2]->disallowed);
    assert_true(nodes[3]->disallowed); /* not listed, and some are in service */
    assert_int_equal(fixture_register(&f, nodes[3]->ip, nodes[3]->uuid, &err),
                     ERR_DISALLOWED_DATANODE);
    hosts =
        hosts_new(); /* the old form; a maintenance that is over; nobody in service: all may come */
    add_json(hosts,
             "{\"hostName\":\"10.0.0.1\",\"adminState\":\"IN_MAINTENANCE\"}\n"
             "{\"hostName\":\"10.0.2.3\",\"adminState\":\"IN_MAINTENANCE\","
             "\"maintenanceExpireTimeInMS\":1}",
             NULL);
    hosts_apply(&f.core, hosts);
    assert_true(dn_is_maintenance(nodes[0]));
    assert_int_equal(nodes[2]->admin_state, DN_NORMAL);
    assert_null(nodes[1]->upgrade_domain);
    assert_false(nodes[3]->disallowed);
    hosts = hosts_new();
    add_json(hosts, "[]", NULL);
    hosts_apply(&f.core, hosts);
    assert_int_equal(nodes[0]->admin_state, DN_NORMAL); /* out of the file: back in service */
}

static void test_bad_json_of_hosts(void **state)
{
    static const char *const BAD[][2] = {
        {"[", "line 1"},
        {"[{}]", "without hostName"},
        {"[{\"port\":1}]", "without hostName"},
        {"[{\"hostName\":\"\"}]", "without hostName"},
        {"[{\"hostName\":null}]", "without hostName"},
        {"[{\"hostName\":\"a\"}", "line 1"},
        {"[{\"hostName\":\"a\"}]x", "follows"},
        {"[{\"hostName\":\"a\"}][{\"hostName\":\"a\"}]", "follows"},
        {"[{\"hostName\":\"a\",}]", "line 1"},
        {"[{\"hostName\":\"a\"},]", "line 1"},
        {"[{\"hostName\":\"a\" \"port\":1}]", "line 1"},
        {"[{\"hostName\" \"a\"}]", "line 1"},
        {"[{\"hostName\":\"a", "line 1"},
        {"[{\"hostName\":\"a\\", "line 1"},
        {"[{\"hostName\":\"a b\"}]", "no name"},
        {"[{\"hostName\":\"a\\u0000b\"}]", "no name"},
        {"[{\"hostName\":\"\xff\"}]", "line 1"},
        {"[{\"hostName\":5}]", "not a string"},
        {"[{\"hostName\":\"a\",\"port\":\"5\"}]", "not a number"},
        {"[{\"hostName\":\"a\",\"port\":1.5}]", "not a number"},
        {"[{\"hostName\":\"a\",\"port\":65536}]", "range"},
        {"[{\"hostName\":\"a\",\"port\":-1}]", "range"},
        {"[{\"hostName\":\"a\",\"maintenanceExpireTimeInMS\":-99999999999999999999999}]", "range"},
        {"[{\"hostName\":\"a\",\"adminState\":\"AWAY\"}]", "adminState"},
        {"[{\"hostName\":\"a\",\"rack\":\"/r\"}]", "unknown key"},
        {"[\n\n{\"hostName\":x}]", "line 3"},
        {"[[[[[[[[]]]]]]]]", "nesting"},
        {"[[]]", "an object"},
        {"[null]", "an object"},
        {"null", "line 1"},
        {"host1\nhost2\n", "line 1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct hosts *hosts = hosts_new();
        add_json(hosts, BAD[i][0], BAD[i][1]);
        hosts_free(hosts);
    }
}

static void test_overlong_name_in_json_of_hosts(void **state)
{
    struct hosts *hosts = hosts_new();
    char text[400];

    (void)state;
    snprintf(text, sizeof text, "[{\"hostName\":\"%0255d\"}]", 0);
    add_json(hosts, text, NULL);
    snprintf(text, sizeof text, "[{\"hostName\":\"%0256d\"}]", 0);
    add_json(hosts, text, "overlong");
    hosts_free(hosts);
}

static void test_maintenance(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 3), *single = STORED(1, 0);

    dn_admin_maintenance(&f.core, nodes[0], f.core.now_wall_ms + HOUR_MS);
    settle();
    assert_int_equal(nodes[0]->admin_state, DN_IN_MAINTENANCE);
    assert_int_equal(block->replica_count, 3);  /* two are elsewhere: enough */
    assert_int_equal(single->replica_count, 2); /* one had to be made */
    nodes[0]->heartbeat_ms = f.core.now_ms - 2 * monitor_dead_after_ms(&f.core);
    for (int i = 1; i < NODES; i++) nodes[i]->heartbeat_ms = f.core.now_ms;
    fixture_pass(&f, 4 * SECOND_MS, false);
    assert_false(nodes[0]->alive);
    assert_int_equal(block->replica_count, 3); /* still counted on */
    for (int i = 0; i < 2; i++) fixture_pass(&f, HOUR_MS / 2 + 60 * SECOND_MS, true);
    assert_int_equal(nodes[0]->admin_state, DN_NORMAL); /* it did not come back in time */
    settle();
    assert_false(block_has_storage(f.core.blocks, block, disks[0]->number));
    assert_int_equal(live_of(block), 3);
}

static void test_failed_disk(void **state)
{
    (void)state;
    struct block *block = STORED(3, 0, 1, 3);

    disks[0]->failed = true;
    storage_purge(&f.core, disks[0]);
    fixture_pass(&f, 2 * SECOND_MS, true);
    assert_int_equal(block->replica_count, 2);
    assert_true(block->queued || block->pending);
}

static void test_another_node_at_the_address(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct block *block = STORED(3, 0, 1, 3);

    assert_int_equal(fixture_register(&f, nodes[0]->ip, "uuid-new", &err), 0);
    assert_non_null(dn_find(&f.core.datanodes, "uuid-new"));
    assert_string_equal(dn_find_address(&f.core.datanodes, "10.0.0.1", 9866)->uuid, "uuid-new");
    fixture_pass(&f, 2 * SECOND_MS, true);
    assert_null(dn_find(&f.core.datanodes, "uuid-10.0.0.1"));
    assert_int_equal(block->replica_count, 2);
    assert_int_equal(dn_count(&f.core.datanodes), NODES);
    nodes[0] = dn_find(&f.core.datanodes, "uuid-new");
    /* The same node at another address keeps what it has. */
    assert_int_equal(fixture_register(&f, "10.0.9.9", nodes[1]->uuid, &err), 0);
    assert_int_equal(block->replica_count, 2);
    assert_null(dn_find_address(&f.core.datanodes, "10.0.1.2", 9866));
    assert_ptr_equal(dn_find_address(&f.core.datanodes, "10.0.9.9", 9866), nodes[1]);
    assert_ptr_equal(dn_find_host(&f.core.datanodes, "10.0.9.9"), nodes[1]);
}

static void test_block_recovery(void **state)
{
    (void)state;
    struct storage *pipeline[] = {disks[0], disks[1], disks[2]};
    struct block *block = fixture_open_block(&f, 3, pipeline, 3);
    int orders = 0, leader = -1;

    blocks_start_recovery(&f.core, block, 1234, f.core.now_ms);
    assert_int_equal(blocks_recovery_id(&f.core, block), 1234);
    for (int i = 0; i < NODES; i++) {
        Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, nodes[i]);
        if (!answer->n_cmds || !answer->cmds[0]->recoverycmd) continue;
        orders++;
        leader = i;
        Pb__RecoveringBlock *recovery = answer->cmds[0]->recoverycmd->blocks[0];
        assert_int_equal(recovery->newgenstamp, 1234);
        assert_int_equal(recovery->block->n_locs, 3);
        assert_int_equal(recovery->block->b->generationstamp, block->generation_stamp);
    }
    assert_int_equal(orders, 1);
    assert_false(blocks_recovery_expired(&f.core, block, f.core.now_ms));
    assert_true(blocks_recovery_expired(&f.core, block, f.core.now_ms + 90 * SECOND_MS));
    blocks_start_recovery(&f.core, block, 1235, f.core.now_ms); /* another leads now */
    for (int i = 0; i < NODES; i++) {
        Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, nodes[i]);
        if (answer->n_cmds && answer->cmds[0]->recoverycmd) assert_int_not_equal(i, leader);
    }
    /* The recovery's end: two took part, the third has what is old. */
    struct block_id recovered = {.id = block->id, .generation_stamp = 1235, .length = 77};
    f.core.generation_stamp = 2000;
    blocks_update(&f.core, block, &recovered);
    blocks_set_recovered(&f.core, block, pipeline, 2);
    assert_true(blocks_commit(&f.core, block, &recovered));
    fixture_told(&f, disks[2], block->id, 1001, 100, RECEIVED, NULL);
    assert_int_equal(disks[2]->deletion_count, 1);
    assert_int_equal(disks[2]->deletions[0].generation_stamp, 1001);
    settle();
    assert_int_equal(live_of(block), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Every datanode has a replica, one of them a bad one: it makes room for a good one. */
static void test_the_bad_replica_s_node_is_the_only_place_left(void **state)
{
    struct block *block = STORED(6, 0, 1, 2, 3, 4, 5);
    struct block_id id = block_name(block);
    (void)state;

    replica_mark_corrupt(&f.core, block, disks[3], &id, CORRUPT_REPORTED);
    fixture_pass(&f, 4000, false);
    assert_false(block_has_storage(f.core.blocks, block, disks[3]->number));
    assert_int_equal(redundancy_pending(&f.core, block), 0); /* not before the old one is gone */
    assert_true(replica_is_leaving(nodes[3], block->id));
    assert_int_equal(obey(nodes[3]), 1);
    assert_false(replica_is_leaving(nodes[3], block->id));
    fixture_pass(&f, 4000, true);
    assert_true(redundancy_is_target(&f.core, block, disks[3]));
}

static void test_a_bad_replica_stays_while_no_good_one_is_heard_of(void **state)
{
    struct block *block = STORED(6, 0, 1, 2, 3, 4, 5);
    struct block_id id = block_name(block);
    (void)state;

    for (int i = 1; i < NODES; i++)
        replica_mark_corrupt(&f.core, block, disks[i], &id, CORRUPT_REPORTED);
    nodes[0]->heartbeat_ms -= f.core.conf.stale_interval_ms;
    assert_false(replicas_make_room(&f.core, block));
    assert_int_equal(block->corrupt_count, 5);
    nodes[0]->heartbeat_ms = f.core.now_ms;
    assert_true(replicas_make_room(&f.core, block));
    assert_int_equal(block->corrupt_count, 4);
}

/* Its target or its source dies: nobody waits five minutes for the copy. */
static void test_copies_of_the_dead_are_given_up_at_once(void **state)
{
    (void)state;
    for (int source = 0; source < 2; source++) {
        struct block *block = STORED(3, 0, 1);
        monitor_schedule_copies(&f.core, 10);
        const struct pending_block *pending = redundancy_pending_entry(&f.core, block);
        assert_non_null(pending);
        assert_int_equal(pending->count, 1);
        uint32_t number = source ? pending->sources[0] : pending->targets[0];
        struct datanode *gone = dn_storage(&f.core.datanodes, number)->datanode;
        monitor_node_dead(&f.core, gone);
        assert_int_equal(redundancy_pending(&f.core, block), 0);
        fixture_pass(&f, 4000, true);
        assert_int_equal(redundancy_pending(&f.core, block), source ? 2 : 1);
    }
}

static int come(const char *ip, const char *uuid)
{
    struct err err = ERR_INIT;

    return fixture_register(&f, ip, uuid, &err);
}

/* A copy of a datanode's disks on another machine is refused while the datanode is heard of. */
static void test_a_clone_is_refused(void **state)
{
    char uuid[64];
    (void)state;

    snprintf(uuid, sizeof uuid, "%s", nodes[2]->uuid);
    assert_int_equal(come("10.7.7.7", uuid), 0); /* it may have moved */
    assert_string_equal(nodes[2]->ip, "10.7.7.7");
    fixture_pass(&f, 1000, true);
    assert_int_equal(come("10.0.2.3", uuid), 0); /* but here it is again */
    assert_string_equal(nodes[2]->ip, "10.0.2.3");
    for (int i = 0; i < 3; i++) {
        fixture_pass(&f, 2000, true);
        assert_int_equal(come("10.7.7.7", uuid), ERR_IO);
        assert_string_equal(nodes[2]->ip, "10.0.2.3");
    }
    fixture_pass(&f, 20000, false); /* the first one is silent: then this is the datanode */
    assert_int_equal(come("10.7.7.7", uuid), 0);
    assert_int_equal(come("10.0.2.3", uuid), 0);
    assert_int_equal(come("10.7.7.7", uuid), ERR_IO);
    for (int i = 0; i < 4; i++) { /* a silent one may go back and forth */
        fixture_pass(&f, 12000, false);
        assert_int_equal(come(i % 2 ? "10.0.2.3" : "10.7.7.7", uuid), 0);
    }
}

static void test_blocks_being_written_hold_decommissioning_up(void **state)
{
    struct storage *alone[] = {disks[0]}, *both[] = {disks[0], disks[1]};
    struct block *block = fixture_open_block(&f, 3, alone, 1);
    (void)state;

    fixture_open_block(&f, 3, both, 2); /* goes on elsewhere: it holds nobody up */
    dn_admin_decommission(&f.core, nodes[0]);
    fixture_pass(&f, 2 * f.core.conf.decommission_interval_ms, true);
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONING);
    assert_int_equal(nodes[0]->leaving_in_open_files, 1);
    assert_int_equal(nodes[0]->leaving_low_redundancy, 1);
    blocks_set_expected(&f.core, block, both, 2); /* the writer has another datanode now */
    fixture_pass(&f, 2 * f.core.conf.decommission_interval_ms, true);
    assert_int_equal(nodes[0]->admin_state, DN_DECOMMISSIONED);
}

static void test_how_long_decommissioning_takes(void **state)
{
    (void)state;
    nodes[0]->leaving_low_first = 100;
    nodes[0]->leaving_low_redundancy = 75;
    nodes[0]->leaving_first_ms = f.core.now_ms - 10000;
    assert_int_equal(dn_admin_seconds_left(&f.core, nodes[0]), -1); /* in service */
    nodes[0]->admin_state = DN_DECOMMISSIONING;
    assert_int_equal(dn_admin_seconds_left(&f.core, nodes[0]), -1); /* not looked at yet */
    nodes[0]->leaving_checked = true;
    assert_int_equal(dn_admin_seconds_left(&f.core, nodes[0]), 30);
    nodes[0]->leaving_low_redundancy = 100;
    assert_int_equal(dn_admin_seconds_left(&f.core, nodes[0]), -1); /* no progress, no answer */
    nodes[0]->leaving_low_redundancy = 0;
    assert_int_equal(dn_admin_seconds_left(&f.core, nodes[0]), 0);
    nodes[0]->admin_state = DN_NORMAL;
    nodes[0]->leaving_checked = false;
}

/* The word of peers: who is slow gets nothing new, unless there is nobody else, and is forgotten when nobody speaks of it any more. */
static void test_slow_nodes(void **state)
{
    const struct slow_latency latency = {.latency = 50, .median = 2, .mad = 1, .limit = 6};
    struct placement_request request = {.wanted = 3, .block_size = FIXTURE_BLOCK};
    struct storage *out[NODES];
    struct buf json = {0};
    char address[64];
    (void)state;

    snprintf(address, sizeof address, "%s:9864", nodes[4]->ip);
    f.core.conf.peer_stats = false;
    slow_nodes_report(&f.core, nodes[0], address, &latency);
    slow_nodes_tick(&f.core);
    assert_int_equal(slow_node_reports(&f.core, nodes[4]), 0); /* statistics are off */
    f.core.conf.peer_stats = true;
    slow_nodes_report(&f.core, nodes[0], address, &latency);
    slow_nodes_report(&f.core, nodes[1], address, &latency);
    slow_nodes_report(&f.core, nodes[1], "10.99.99.99:9864", &latency);
    slow_nodes_report(&f.core, nodes[1], "nonsense", &latency);
    slow_nodes_report(&f.core, nodes[4], address, &latency); /* of itself: no word */
    assert_int_equal(slow_node_reports(&f.core, nodes[4]), 2);
    slow_nodes_json(&f.core, &json);
    assert_non_null(strstr(buf_cstr(&json), "\"UpperLimitLatency\":6.0"));
    buf_release(&json);
    slow_nodes_tick(&f.core);
    assert_true(nodes[4]->slow);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(placement_choose(&f.core, &request, out, NULL), 3);
        for (int i = 0; i < 3; i++) assert_ptr_not_equal(out[i]->datanode, nodes[4]);
    }
    request.wanted = NODES;
    assert_int_equal(placement_choose(&f.core, &request, out, NULL), NODES);
    f.core.now_ms += 3 * f.core.conf.outliers_interval_ms;
    slow_nodes_tick(&f.core);
    assert_false(nodes[4]->slow);
    for (int i = 0; i < NODES; i++) nodes[i]->heartbeat_ms = f.core.now_ms;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_priorities),
        TEST(test_dead_node),
        TEST(test_a_pause_of_the_namenode_kills_nobody),
        TEST(test_copies_that_do_not_arrive),
        TEST(test_urgent_first_and_limits),
        TEST(test_excess),
        TEST(test_excess_waits_for_stale_storages),
        TEST(test_excess_order_lost_by_a_restart),
        TEST(test_set_replication),
        TEST(test_bad_replica_is_replaced),
        TEST(test_doomed_replica_stays_doomed),
        TEST(test_decommission),
        TEST(test_decommission_by_file),
        TEST(test_hosts_in_json),
        TEST(test_bad_json_of_hosts),
        TEST(test_overlong_name_in_json_of_hosts),
        TEST(test_maintenance),
        TEST(test_failed_disk),
        TEST(test_another_node_at_the_address),
        TEST(test_blocks_being_written_hold_decommissioning_up),
        TEST(test_how_long_decommissioning_takes),
        TEST(test_slow_nodes),
        TEST(test_the_bad_replica_s_node_is_the_only_place_left),
        TEST(test_a_bad_replica_stays_while_no_good_one_is_heard_of),
        TEST(test_copies_of_the_dead_are_given_up_at_once),
        TEST(test_a_clone_is_refused),
        TEST(test_block_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
