/* The datanode protocol's checks, and what administration is told about datanodes and blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/block_manager.h"
#include "namenode/monitor.h"
#include "namenode/redundancy.h"
#include "namenode/topology.h"
#include "tests/lib/block_fixture.h"

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_check(&f);
    fixture_release(&f);
    return 0;
}

/* A registration that a test spoils in one place. */
struct registration {
    Pb__DatanodeRegistration r;
    Pb__DatanodeID id;
    Pb__StorageInfo info;
    Pb__ExportedBlockKeys keys;
    Pb__BlockKey key;
};

static void good(struct registration *x)
{
    pb__datanode_registration__init(&x->r);
    pb__datanode_id__init(&x->id);
    pb__storage_info__init(&x->info);
    pb__exported_block_keys__init(&x->keys);
    pb__block_key__init(&x->key);
    x->keys.currentkey = &x->key;
    x->id.ipaddr = (char *)"10.0.0.1";
    x->id.hostname = (char *)"dn1";
    x->id.datanodeuuid = (char *)"uuid-1";
    x->id.xferport = 9866;
    x->info.namespceid = f.core.identity.namespace_id;
    x->info.clusterid = f.core.identity.cluster_id;
    x->r.datanodeid = &x->id;
    x->r.storageinfo = &x->info;
    x->r.keys = &x->keys;
    x->r.softwareversion = (char *)"3.5.0";
}

static int try_register(struct registration *x, struct err *err)
{
    Pb__RegisterDatanodeRequest request = PB__REGISTER_DATANODE_REQUEST__INIT;
    Pb__RegisterDatanodeResponse response = PB__REGISTER_DATANODE_RESPONSE__INIT;
    struct op op = fixture_op(&f, "10.9.9.9");
    int rc;

    *err = (struct err)ERR_INIT;
    request.registration = &x->r;
    rc = op_register_datanode(&f.core, &op, &request, &response, err);
    if (!rc)
        assert_string_equal(response.registration->datanodeid->ipaddr,
                            "10.9.9.9"); /* where it came from, not what it said */
    return rc;
}

static void test_registration_checks(void **state)
{
    struct registration x;
    struct err err;
    char longest[400];
    (void)state;

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    good(&x);
    assert_int_equal(try_register(&x, &err), 0);
    assert_string_equal(dn_find(&f.core.datanodes, "uuid-1")->address, "10.9.9.9:9866");
    good(&x);
    x.r.softwareversion = (char *)"2.0.5-alpha";
    assert_int_equal(try_register(&x, &err), ERR_INCORRECT_VERSION);
    x.r.softwareversion = (char *)"";
    assert_int_equal(try_register(&x, &err), ERR_INCORRECT_VERSION);
    x.r.softwareversion =
        (char *)"3.4.1"; /* another version passes while the upgrade's time is the same */
    assert_int_equal(try_register(&x, &err), 0);
    x.info.ctime = 5;
    assert_int_equal(try_register(&x, &err), ERR_INCORRECT_VERSION);
    good(&x);
    x.info.clusterid = (char *)"CID-other";
    assert_int_equal(try_register(&x, &err), ERR_UNREGISTERED);
    good(&x);
    x.info.namespceid++;
    assert_int_equal(try_register(&x, &err), ERR_UNREGISTERED);
    good(&x);
    x.id.datanodeuuid = (char *)"";
    assert_int_equal(try_register(&x, &err), ERR_ARGUMENT);
    x.id.datanodeuuid = longest;
    assert_int_equal(try_register(&x, &err), ERR_ARGUMENT);
    good(&x);
    x.id.hostname = longest;
    assert_int_equal(try_register(&x, &err), ERR_ARGUMENT);
    good(&x);
    x.id.ipcport = 65536;
    assert_int_equal(try_register(&x, &err), ERR_ARGUMENT);
    topology_learn_name(f.core.datanodes.topology, "10.9.9.9", "10.9.9.9"); /* no name */
    good(&x);
    assert_int_equal(try_register(&x, &err), ERR_DISALLOWED_DATANODE);
    assert_non_null(strstr(err.text, "Datanode denied communication with namenode because hostname "
                                     "cannot be resolved (ip=10.9.9.9, hostname=10.9.9.9): "));
    f.core.conf.check_ip_hostname = false;
    assert_int_equal(try_register(&x, &err), 0);
}

static int beat(const char *uuid, const char *ip, const char *const *disks, size_t count,
                uint32_t failed, Pb__SendHeartbeatResponse *response)
{
    Pb__SendHeartbeatRequest request = PB__SEND_HEARTBEAT_REQUEST__INIT;
    Pb__StorageReport reports[8], *list[8];
    struct registration x;
    struct err err = ERR_INIT;
    struct op op = fixture_op(&f, ip);

    good(&x);
    x.id.datanodeuuid = (char *)uuid;
    x.id.ipaddr = (char *)ip;
    for (size_t i = 0; i < count; i++) {
        pb__storage_report__init(&reports[i]);
        reports[i].storageuuid = (char *)disks[i];
        reports[i].has_capacity = reports[i].has_remaining = reports[i].has_dfsused = 1;
        reports[i].capacity = 1000;
        reports[i].remaining = 600;
        reports[i].dfsused = 300;
        list[i] = &reports[i];
    }
    request.registration = &x.r;
    request.n_reports = count;
    request.reports = list;
    request.has_failedvolumes = 1;
    request.failedvolumes = failed;
    request.has_requestfullblockreportlease = 1;
    request.requestfullblockreportlease = 1;
    pb__send_heartbeat_response__init(response);
    return op_send_heartbeat(&f.core, &op, &request, response, &err);
}

static void test_heartbeats_and_disks(void **state)
{
    static const char *const two[] = {"d1", "d2"}, *const one[] = {"d2"};
    Pb__SendHeartbeatResponse response;
    struct registration x;
    struct err err;
    (void)state;

    /* Who is not known is told to register. */
    assert_int_equal(beat("uuid-1", "10.9.9.9", two, 2, 0, &response), 0);
    assert_int_equal(response.n_cmds, 1);
    assert_int_equal(response.cmds[0]->cmdtype, PB__DATANODE_COMMAND__TYPE__RegisterCommand);
    good(&x);
    assert_int_equal(try_register(&x, &err), 0);
    assert_int_equal(beat("uuid-1", "10.9.9.9", two, 2, 0, &response), 0);
    assert_int_equal(response.n_cmds, 0);
    assert_int_not_equal(response.fullblockreportleaseid, 0);
    assert_int_equal(f.core.datanodes.stats.capacity, 2000);
    assert_int_equal(f.core.datanodes.stats.used, 600);
    struct datanode *node = dn_find(&f.core.datanodes, "uuid-1");
    assert_int_equal(dn_non_dfs_used(node), 200); /* not sent: what is left over */
    /* One from another address with its uuid is told to register as well. */
    assert_int_equal(beat("uuid-1", "10.9.9.8", two, 2, 0, &response), 0);
    assert_int_equal(response.n_cmds, 1);
    struct storage *d1 = dn_find_storage(node, "d1");
    struct block *block = fixture_block(&f, 1);
    fixture_received(&f, d1, block);
    assert_int_equal(block->replica_count, 1);
    /* A disk that is named no longer, without a failure, keeps its blocks until a report says otherwise; with a failure it is lost. */
    assert_int_equal(beat("uuid-1", "10.9.9.9", one, 1, 0, &response), 0);
    assert_int_equal(block->replica_count, 1);
    assert_int_equal(beat("uuid-1", "10.9.9.9", one, 1, 1, &response), 0);
    fixture_pass(&f, 2 * SECOND_MS, true);
    assert_int_equal(block->replica_count, 0);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 1);
    assert_int_equal(beat("uuid-1", "10.9.9.9", one, 1, 1, &response), 0);
    assert_null(dn_find_storage(node, "d1"));
    assert_int_equal(f.core.datanodes.stats.capacity, 1000);
    assert_int_equal(beat("uuid-1", "10.9.9.9", two, 2, 1, &response),
                     0); /* a new disk in its place */
    assert_int_equal(f.core.datanodes.stats.capacity, 2000);
}

static void test_report_lease_is_asked_for(void **state)
{
    struct datanode *node = fixture_node(&f, "10.0.0.1", "/r", 1);
    Pb__BlockReportRequest request = PB__BLOCK_REPORT_REQUEST__INIT;
    Pb__BlockReportResponse response = PB__BLOCK_REPORT_RESPONSE__INIT;
    Pb__BlockReportContext context = PB__BLOCK_REPORT_CONTEXT__INIT;
    struct registration x;
    struct err err = ERR_INIT;
    struct op op = fixture_op(&f, "10.0.0.1");
    (void)state;

    good(&x);
    x.id.datanodeuuid = node->uuid;
    request.registration = &x.r;
    request.context = &context;
    context.totalrpcs = 1;
    context.id = 0xabc;
    context.has_leaseid = 1;
    context.leaseid = 0x12;
    assert_int_equal(op_block_report(&f.core, &op, &request, &response, &err),
                     ERR_INVALID_REPORT_LEASE);
    assert_string_equal(err.text, "Block report 0xabc was rejected as lease 0x12 is invalid");
    context.leaseid = 0; /* asked for by an operator */
    assert_int_equal(op_block_report(&f.core, &op, &request, &response, &err), 0);
    assert_int_equal(response.cmd->cmdtype, PB__DATANODE_COMMAND__TYPE__FinalizeCommand);
}

/* A reader's complaint concerns one replica of one version of the block, and never more. */
static void test_bad_block_reports(void **state)
{
    struct datanode *nodes[3];
    struct block *block = fixture_block(&f, 3);
    Pb__ReportBadBlocksRequest request = PB__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Pb__ReportBadBlocksResponse response = PB__REPORT_BAD_BLOCKS_RESPONSE__INIT;
    Pb__LocatedBlock located = PB__LOCATED_BLOCK__INIT, *list = &located;
    Pb__ExtendedBlock extended = PB__EXTENDED_BLOCK__INIT;
    Pb__DatanodeInfo info = PB__DATANODE_INFO__INIT, *infos = &info;
    Pb__DatanodeID id = PB__DATANODE_ID__INIT;
    struct err err = ERR_INIT;
    struct op op = fixture_op(&f, "10.1.1.1");
    (void)state;

    for (int i = 0; i < 3; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
        nodes[i] = fixture_node(&f, ip, "/r", 1);
        fixture_received(&f, fixture_storage(nodes[i], 0), block);
    }
    extended.poolid = f.core.identity.block_pool_id;
    extended.blockid = block->id;
    extended.generationstamp = block->generation_stamp + 1; /* a version that is not this one */
    id.datanodeuuid = nodes[0]->uuid;
    info.id = &id;
    located.b = &extended;
    located.n_locs = 1;
    located.locs = &infos;
    request.n_blocks = 1;
    request.blocks = &list;
    assert_int_equal(op_report_bad_blocks(&f.core, &op, &request, &response, &err), 0);
    assert_int_equal(block->corrupt_count, 0);
    extended.generationstamp--;
    id.datanodeuuid = (char *)"nobody";
    assert_int_equal(op_report_bad_blocks(&f.core, &op, &request, &response, &err), 0);
    assert_int_equal(block->corrupt_count, 0);
    id.datanodeuuid = nodes[0]->uuid;
    assert_int_equal(op_report_bad_blocks(&f.core, &op, &request, &response, &err), 0);
    assert_int_equal(block->corrupt_count, 1);
    assert_non_null(replica_corrupt(&f.core, block, fixture_storage(nodes[0], 0)->number));
    extended.poolid = (char *)"BP-other";
    assert_int_equal(op_report_bad_blocks(&f.core, &op, &request, &response, &err), ERR_IO);
    for (int i = 1; i < 3; i++) { /* all are bad: none is deleted */
        extended.poolid = f.core.identity.block_pool_id;
        id.datanodeuuid = nodes[i]->uuid;
        assert_int_equal(op_report_bad_blocks(&f.core, &op, &request, &response, &err), 0);
    }
    assert_true(blocks_all_corrupt(&f.core, block));
    for (int i = 0; i < 3; i++) assert_int_equal(fixture_storage(nodes[i], 0)->deletion_count, 0);
}

static void test_administration(void **state)
{
    struct datanode *a = fixture_node(&f, "10.0.0.1", "/r", 1),
                    *b = fixture_node(&f, "10.0.0.2", "/r", 1);
    struct block *missing = fixture_block(&f, 1), *fine = fixture_block(&f, 1),
                 *low = fixture_block(&f, 2);
    struct op op = fixture_op(&f, "10.1.1.1"), user = op;
    struct err err = ERR_INIT;
    (void)state;

    user.superuser = false;
    fixture_received(&f, fixture_storage(a, 0), fine);
    fixture_received(&f, fixture_storage(a, 0), low);
    redundancy_update(&f.core, missing);

    Pb__GetFsStatsRequest stats = PB__GET_FS_STATS_REQUEST__INIT;
    Pb__GetFsStatsResponse numbers = PB__GET_FS_STATS_RESPONSE__INIT;
    assert_int_equal(op_get_fs_stats(&f.core, &user, &stats, &numbers, &err), 0);
    assert_int_equal(numbers.capacity, (uint64_t)2 << 40);
    assert_int_equal(numbers.missing_blocks, 1);
    assert_int_equal(numbers.under_replicated, 2);
    assert_int_equal(numbers.missing_repl_one_blocks, 1);

    Pb__GetDatanodeReportRequest ask = PB__GET_DATANODE_REPORT_REQUEST__INIT;
    Pb__GetDatanodeReportResponse nodes = PB__GET_DATANODE_REPORT_RESPONSE__INIT;
    ask.type = PB__DATANODE_REPORT_TYPE__LIVE;
    assert_int_equal(op_get_datanode_report(&f.core, &user, &ask, &nodes, &err), ERR_ACCESS);
    assert_int_equal(op_get_datanode_report(&f.core, &op, &ask, &nodes, &err), 0);
    assert_int_equal(nodes.n_di, 2);
    assert_int_equal(nodes.di[0]->numblocks, 2);
    monitor_node_dead(&f.core, b);
    ask.type = PB__DATANODE_REPORT_TYPE__DEAD;
    assert_int_equal(op_get_datanode_report(&f.core, &op, &ask, &nodes, &err), 0);
    assert_int_equal(nodes.n_di, 1);
    assert_string_equal(nodes.di[0]->id->ipaddr, "10.0.0.2");

    Pb__ListCorruptFileBlocksRequest list = PB__LIST_CORRUPT_FILE_BLOCKS_REQUEST__INIT;
    Pb__ListCorruptFileBlocksResponse corrupt = PB__LIST_CORRUPT_FILE_BLOCKS_RESPONSE__INIT;
    list.path = (char *)"/";
    assert_int_equal(op_list_corrupt_file_blocks(&f.core, &op, &list, &corrupt, &err), 0);
    assert_int_equal(corrupt.corrupt->n_files, 1);
    list.cookie = corrupt.corrupt->cookie;
    assert_int_equal(op_list_corrupt_file_blocks(&f.core, &op, &list, &corrupt, &err), 0);
    assert_int_equal(corrupt.corrupt->n_files, 0);
    list.cookie = (char *)"x";
    assert_int_equal(op_list_corrupt_file_blocks(&f.core, &op, &list, &corrupt, &err),
                     ERR_ARGUMENT);

    Pb__GetBlocksRequest blocks = PB__GET_BLOCKS_REQUEST__INIT;
    Pb__GetBlocksResponse picked = PB__GET_BLOCKS_RESPONSE__INIT;
    Pb__DatanodeID id = PB__DATANODE_ID__INIT;
    id.datanodeuuid = a->uuid;
    blocks.datanode = &id;
    blocks.size = 1 << 20;
    blocks.minblocksize = 0;
    assert_int_equal(op_get_blocks(&f.core, &op, &blocks, &picked, &err), 0);
    assert_int_equal(picked.blocks->n_blocks, 2);
    blocks.minblocksize = 100000;
    assert_int_equal(op_get_blocks(&f.core, &op, &blocks, &picked, &err), 0);
    assert_int_equal(picked.blocks->n_blocks, 0);
    blocks.size = 0;
    assert_int_equal(op_get_blocks(&f.core, &op, &blocks, &picked, &err), ERR_IO);
    assert_int_equal(op_get_blocks(&f.core, &user, &blocks, &picked, &err), ERR_ACCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_registration_checks),
        TEST(test_heartbeats_and_disks),
        TEST(test_report_lease_is_asked_for),
        TEST(test_bad_block_reports),
        TEST(test_administration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
