/* Reports against what is stored: the table of states, full reports as differences, late and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/buf.h"
#include "namenode/block_manager.h"
#include "namenode/redundancy.h"
#include "namenode/report.h"
#include "tests/lib/block_fixture.h"

enum { RECEIVING = 1, RECEIVED = 2, DELETED = 3 };

static struct fixture f;
static struct datanode *nodes[4];
static struct storage *disks[4];

static int setup(void **state)
{
    (void)state;
    fixture_init(&f);
    for (int i = 0; i < 4; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
        nodes[i] = fixture_node(&f, ip, "/r", 2);
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

/* ---- the table of 4.4 ---- */

static void test_table(void **state)
{
    (void)state;
    enum { OLDER = -1, SAME = 0, NEWER = 1 };
    static const struct {
        int block, reported, stamp;
        bool other_length;
        enum corrupt_reason answer;
    } table[] = {
        {BLOCK_COMPLETE, REPLICA_FINALIZED, SAME, false, CORRUPT_NONE},
        {BLOCK_COMPLETE, REPLICA_FINALIZED, SAME, true, CORRUPT_SIZE_MISMATCH},
        {BLOCK_COMPLETE, REPLICA_FINALIZED, OLDER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_COMPLETE, REPLICA_FINALIZED, NEWER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_COMMITTED, REPLICA_FINALIZED, SAME, false, CORRUPT_NONE},
        {BLOCK_COMMITTED, REPLICA_FINALIZED, SAME, true, CORRUPT_SIZE_MISMATCH},
        {BLOCK_COMMITTED, REPLICA_FINALIZED, NEWER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_FINALIZED, SAME, true, CORRUPT_NONE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_FINALIZED, NEWER, true, CORRUPT_NONE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_FINALIZED, OLDER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_UNDER_RECOVERY, REPLICA_FINALIZED, OLDER, true, CORRUPT_NONE},
        {BLOCK_COMPLETE, REPLICA_RBW, SAME, true, CORRUPT_NONE},
        {BLOCK_COMPLETE, REPLICA_RBW, OLDER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_COMPLETE, REPLICA_RBW, NEWER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_COMPLETE, REPLICA_RWR, SAME, false, CORRUPT_INVALID_STATE},
        {BLOCK_COMPLETE, REPLICA_RWR, OLDER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_COMMITTED, REPLICA_RBW, SAME, true, CORRUPT_NONE},
        {BLOCK_COMMITTED, REPLICA_RWR, SAME, true, CORRUPT_NONE},
        {BLOCK_COMMITTED, REPLICA_RBW, OLDER, false, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_RBW, SAME, true, CORRUPT_NONE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_RBW, NEWER, true, CORRUPT_NONE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_RWR, OLDER, true, CORRUPT_GENSTAMP_MISMATCH},
        {BLOCK_UNDER_RECOVERY, REPLICA_RWR, SAME, true, CORRUPT_NONE},
        {BLOCK_COMPLETE, REPLICA_RUR, SAME, false, CORRUPT_INVALID_STATE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_RUR, SAME, false, CORRUPT_INVALID_STATE},
        {BLOCK_COMPLETE, REPLICA_TEMPORARY, SAME, false, CORRUPT_INVALID_STATE},
        {BLOCK_UNDER_CONSTRUCTION, REPLICA_TEMPORARY, SAME, false, CORRUPT_INVALID_STATE},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct block block = {.id = 1,
                              .generation_stamp = 1005,
                              .length = 100,
                              .state = (uint64_t)table[i].block & 3};
        struct block_id reported = {.id = 1,
                                    .generation_stamp = (uint64_t)(1005 + table[i].stamp),
                                    .length = table[i].other_length ? 99 : 100};
        if (report_judge(&block, &reported, (enum replica_state)table[i].reported) !=
            table[i].answer)
            fail_msg("row %zu of the table", i);
    }
}

/* ---- full reports ---- */

static void test_full_report_is_a_difference(void **state)
{
    struct block *b[10];
    struct err err = ERR_INIT;
    (void)state;

    for (int i = 0; i < 10; i++) b[i] = fixture_block(&f, 1);
    assert_int_equal(fixture_full_report(&f, disks[0], b, 6, &err), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(block_has_storage(f.core.blocks, b[i], disks[0]->number), i < 6);
    assert_int_equal(fixture_full_report(&f, disks[0], b + 3, 6, &err), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(block_has_storage(f.core.blocks, b[i], disks[0]->number), i >= 3 && i < 9);
    assert_int_equal(fixture_full_report(&f, disks[0], NULL, 0, &err), 0);
    for (int i = 0; i < 10; i++) assert_int_equal(b[i]->replica_count, 0);
}

static void test_unknown_blocks_are_deleted(void **state)
{
    struct block *b = fixture_block(&f, 1);
    struct err err = ERR_INIT;
    struct block_id id = block_name(b);
    (void)state;

    struct block gone = *b;
    blocks_remove(&f.core, inode_drop_last_block(inode_at(f.core.tree.inodes, b->inode)));
    struct block *list[] = {&gone};
    gone.generation_stamp = id.generation_stamp;
    gone.id = id.id;
    assert_int_equal(fixture_full_report(&f, disks[0], list, 1, &err), 0);
    assert_int_equal(disks[0]->deletion_count, 1);
    Pb__SendHeartbeatResponse *answer = fixture_heartbeat(&f, nodes[0]);
    assert_int_equal(answer->n_cmds, 1);
    assert_int_equal(answer->cmds[0]->blkcmd->action, PB__BLOCK_COMMAND__ACTION__INVALIDATE);
    assert_int_equal(answer->cmds[0]->blkcmd->blocks[0]->blockid, id.id);
    assert_int_equal(answer->cmds[0]->blkcmd->blocks[0]->genstamp, id.generation_stamp);
    assert_int_equal(fixture_heartbeat(&f, nodes[0])->n_cmds, 0);
}

/* A generation stamp that was never given out: our namespace is the older one. Nothing is deleted. */
static void test_blocks_of_the_future_stay(void **state)
{
    (void)state;
    fixture_told(&f, disks[0], 77777, f.core.generation_stamp + 1, 10, RECEIVED, NULL);
    assert_int_equal(disks[0]->deletion_count, 0);
    fixture_told(&f, disks[0], 77777, f.core.generation_stamp, 10, RECEIVED, NULL);
    assert_int_equal(disks[0]->deletion_count, 1);
}

static int send_raw(struct storage *storage, const void *data, size_t size, uint64_t count,
                    struct err *err)
{
    Pb__StorageBlockReport report = PB__STORAGE_BLOCK_REPORT__INIT;
    ProtobufCBinaryData chunk = {.data = (uint8_t *)data, .len = size};

    report.has_numberofblocks = 1;
    report.numberofblocks = count;
    report.n_blocksbuffers = 1;
    report.blocksbuffers = &chunk;
    return report_full(&f.core, storage, &report, err);
}

/* A damaged report changes nothing: neither what it names nor what it leaves out. */
static void test_damaged_reports(void **state)
{
    struct block *b = fixture_block(&f, 1), *c = fixture_block(&f, 1);
    struct buf records = {0};
    struct err err = ERR_INIT;
    (void)state;

    fixture_received(&f, disks[0], b);
    buf_put_varint(&records, c->id << 1);
    buf_put_varint(&records, c->length);
    buf_put_varint(&records, c->generation_stamp);
    buf_put_varint(&records, REPLICA_FINALIZED);
    for (size_t cut = 0; cut < records.length; cut++)
        assert_int_equal(send_raw(disks[0], records.data, cut, 1, &err), ERR_BAD_MESSAGE);
    assert_int_equal(send_raw(disks[0], records.data, records.length, 2, &err), ERR_BAD_MESSAGE);
    assert_int_equal(send_raw(disks[0], records.data, records.length, 0, &err), ERR_BAD_MESSAGE);
    assert_int_equal(send_raw(disks[0], records.data, records.length, UINT64_MAX, &err),
                     ERR_BAD_MESSAGE);
    records.data[records.length - 1] = 9; /* no such state */
    assert_int_equal(send_raw(disks[0], records.data, records.length, 1, &err), ERR_BAD_MESSAGE);
    assert_int_equal(b->replica_count, 1);
    assert_int_equal(c->replica_count, 0);
    records.data[records.length - 1] = 0xf0 & 0x70; /* upper bits are reserved: FINALIZED */
    assert_int_equal(send_raw(disks[0], records.data, records.length, 1, &err), 0);
    assert_int_equal(b->replica_count, 0);
    assert_int_equal(c->replica_count, 1);
    buf_release(&records);
}

static int send_longs(struct storage *storage, const uint64_t *values, size_t count,
                      struct err *err)
{
    Pb__StorageBlockReport report = PB__STORAGE_BLOCK_REPORT__INIT;

    report.n_blocks = count;
    report.blocks = (uint64_t *)values;
    return report_full(&f.core, storage, &report, err);
}

static void test_old_form(void **state)
{
    struct block *b = fixture_block(&f, 1), *c = fixture_open_block(&f, 1, disks, 1);
    struct err err = ERR_INIT;
    (void)state;

    uint64_t values[] = {
        1,          1,          b->id, b->length, b->generation_stamp, UINT64_MAX,
        UINT64_MAX, UINT64_MAX, c->id, 55,        c->generation_stamp, REPLICA_RBW};
    assert_int_equal(send_longs(disks[0], values, ARRAY_LEN(values), &err), 0);
    assert_int_equal(b->replica_count, 1);
    struct block_uc *uc = block_uc(&f.core, c);
    assert_int_equal(uc->count, 1);
    assert_true(uc->replicas[0].reported);
    assert_int_equal(uc->replicas[0].length, 55);
    for (size_t cut = 2; cut < ARRAY_LEN(values); cut++)
        assert_int_equal(send_longs(disks[0], values, cut, &err), ERR_BAD_MESSAGE);
    values[5] = 0; /* no delimiter */
    assert_int_equal(send_longs(disks[0], values, ARRAY_LEN(values), &err), ERR_BAD_MESSAGE);
    values[0] = UINT64_MAX;
    assert_int_equal(send_longs(disks[0], values, ARRAY_LEN(values), &err), ERR_BAD_MESSAGE);
    assert_int_equal(b->replica_count, 1);
    uint64_t finalized_only[] = {1, 0, b->id, b->length, b->generation_stamp};
    assert_int_equal(send_longs(disks[0], finalized_only, ARRAY_LEN(finalized_only), &err), 0);
    assert_int_equal(send_longs(disks[0], NULL, 0, &err), 0);
    assert_int_equal(b->replica_count, 0);
}

/* Long reports are worked on in slices; what happens meanwhile is newer and wins. */
static void test_slices_and_what_happens_meanwhile(void **state)
{
    enum { MANY = REPORT_INLINE_BLOCKS + 1000 };
    struct block **b = NEW_ARRAY(struct block *, MANY + 1);
    struct err err = ERR_INIT;
    (void)state;

    for (int i = 0; i < MANY; i++) b[i] = fixture_block(&f, 1);
    struct block *late = fixture_block(&f, 1), *held = fixture_block(&f, 1);
    fixture_received(&f, disks[0], held);
    assert_int_equal(fixture_full_report(&f, disks[0], b, MANY, &err), 0);
    assert_int_equal(b[0]->replica_count, 0); /* nothing yet */
    fixture_received(&f, disks[0], late);     /* written after the report was made */
    fixture_told(&f, disks[0], b[MANY - 1]->id, b[MANY - 1]->generation_stamp, b[MANY - 1]->length,
                 DELETED, NULL); /* deleted after it */
    uint64_t removed = b[500]->id;
    blocks_remove(&f.core, inode_drop_last_block(inode_at(f.core.tree.inodes, b[500]->inode)));
    struct block *reused = fixture_block(&f, 1); /* takes the reference of the one removed */
    fixture_received(&f, disks[0], reused);
    while (!report_slice(&f.core, 1000)) {}
    assert_int_equal(late->replica_count, 1);
    assert_int_equal(reused->replica_count, 1);
    assert_int_equal(held->replica_count, 0);
    assert_int_equal(b[MANY - 1]->replica_count, 0);
    for (int i = 0; i < MANY - 1; i++)
        if (i != 500) assert_int_equal(b[i]->replica_count, 1);
    assert_int_equal(disks[0]->deletion_count, 1); /* the removed block was named */
    assert_int_equal(disks[0]->deletions[0].id, removed);
    mem_free(b);
}

/* ---- incremental reports and construction ---- */

static int completed;
static void count_completed(void *context, struct block *block)
{
    (void)context;
    (void)block;
    completed++;
}

static void test_write_pipeline(void **state)
{
    struct block *b = fixture_open_block(&f, 3, disks, 3);
    struct block_id final = {.id = b->id, .generation_stamp = b->generation_stamp, .length = 4096};
    (void)state;

    completed = 0;
    f.core.on_block_complete = count_completed;
    for (int i = 0; i < 3; i++)
        fixture_told(&f, disks[i], b->id, b->generation_stamp, 0, RECEIVING, NULL);
    assert_int_equal(b->replica_count, 0);
    assert_false(blocks_commit(&f.core, b, &final));
    assert_int_equal(b->state, BLOCK_COMMITTED);
    fixture_told(&f, disks[1], b->id, b->generation_stamp, 4096, RECEIVED, NULL);
    assert_int_equal(b->state, BLOCK_COMPLETE);
    assert_int_equal(completed, 1);
    assert_int_equal(redundancy_pending(&f.core, b),
                     2); /* the others are on their way: nothing is copied */
    assert_false(b->queued);
    fixture_told(&f, disks[0], b->id, b->generation_stamp, 4096, RECEIVED, NULL);
    fixture_told(&f, disks[2], b->id, b->generation_stamp, 4096, RECEIVED, NULL);
    assert_int_equal(b->replica_count, 3);
    assert_int_equal(redundancy_pending(&f.core, b), 0);
}

static void test_received_before_commit(void **state)
{
    struct block *b = fixture_open_block(&f, 2, disks, 2);
    struct block_id final = {.id = b->id, .generation_stamp = b->generation_stamp, .length = 4096};
    (void)state;

    fixture_told(&f, disks[0], b->id, b->generation_stamp, 4096, RECEIVED, NULL);
    fixture_told(&f, disks[1], b->id, b->generation_stamp, 4000, RECEIVED,
                 NULL); /* another length: it is the bad one */
    assert_true(blocks_commit(&f.core, b, &final));
    assert_non_null(replica_corrupt(&f.core, b, disks[1]->number));
    assert_null(replica_corrupt(&f.core, b, disks[0]->number));
    struct storage *live[4];
    assert_int_equal(blocks_live(&f.core, b, live, 4), 1);
    assert_ptr_equal(live[0], disks[0]);
}

/* Pipeline recovery: the stamp goes up, the node that fell out keeps the old one and is never counted. */
static void test_replica_of_the_old_stamp(void **state)
{
    struct block *b = fixture_open_block(&f, 3, disks, 3);
    struct block_id newer = {
        .id = b->id, .generation_stamp = b->generation_stamp + 1, .length = 100};
    uint64_t old = b->generation_stamp;
    (void)state;

    f.core.generation_stamp = newer.generation_stamp;
    for (int i = 0; i < 3; i++) fixture_told(&f, disks[i], b->id, old, 0, RECEIVING, NULL);
    fixture_told(&f, disks[0], b->id, newer.generation_stamp, 100, RECEIVED,
                 NULL); /* before updatePipeline is known */
    assert_int_equal(b->replica_count, 0);
    blocks_update(&f.core, b, &newer);
    blocks_set_expected(&f.core, b, disks, 2);
    assert_int_equal(b->replica_count, 1);
    assert_true(blocks_commit(&f.core, b, &newer));
    fixture_told(&f, disks[1], b->id, newer.generation_stamp, 100, RECEIVED, NULL);
    assert_int_equal(disks[2]->deletion_count, 0);
    fixture_told(&f, disks[2], b->id, old, 100, RECEIVED, NULL);
    /* It is deleted by its own stamp, and only there. */
    assert_int_equal(disks[2]->deletion_count, 1);
    assert_int_equal(disks[2]->deletions[0].generation_stamp, old);
    assert_int_equal(b->replica_count, 2);
    assert_int_equal(disks[0]->deletion_count + disks[1]->deletion_count, 0);
    /* The news that the old one is gone says nothing about a copy that came since. */
    fixture_received(&f, disks[2], b);
    assert_int_equal(b->replica_count, 3);
    fixture_told(&f, disks[2], b->id, old, 100, DELETED, NULL);
    assert_int_equal(b->replica_count, 3);
    fixture_told(&f, disks[2], b->id, newer.generation_stamp, 100, DELETED, NULL);
    assert_int_equal(b->replica_count, 2);
}

static void test_the_only_replica_is_never_deleted(void **state)
{
    struct block *b = fixture_block(&f, 1);
    (void)state;

    fixture_told(&f, disks[0], b->id, b->generation_stamp, b->length - 1, RECEIVED, NULL);
    fixture_told(&f, disks[1], b->id, b->generation_stamp - 1, b->length, RECEIVED, NULL);
    assert_int_equal(b->corrupt_count, 2);
    assert_int_equal(disks[0]->deletion_count + disks[1]->deletion_count, 0);
    assert_true(blocks_all_corrupt(&f.core, b));
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 1);
    assert_int_equal(f.core.manager->missing_replication_one, 1);
    fixture_received(&f, disks[2], b); /* a good one: now they may go */
    assert_int_equal(b->corrupt_count, 0);
    assert_int_equal(disks[0]->deletion_count + disks[1]->deletion_count, 2);
    assert_int_equal(redundancy_queue_size(&f.core, REDUNDANCY_CORRUPT), 0);
}

static void test_move_between_disks(void **state)
{
    struct block *b = fixture_block(&f, 1);
    struct storage *other = fixture_storage(nodes[0], 1);
    (void)state;

    fixture_received(&f, disks[0], b);
    fixture_received(&f, other, b);
    assert_int_equal(b->replica_count, 1);
    assert_true(block_has_storage(f.core.blocks, b, other->number));
    fixture_told(&f, disks[0], b->id, b->generation_stamp, b->length, DELETED, NULL);
    assert_int_equal(b->replica_count, 1);
}

static void test_leases(void **state)
{
    uint64_t first = report_lease_grant(&f.core, nodes[0]);
    (void)state;

    assert_int_not_equal(first, 0);
    assert_true(report_lease_check(&f.core, nodes[0], first));
    assert_true(report_lease_check(&f.core, nodes[1], 0));
    assert_false(report_lease_check(&f.core, nodes[1], first));
    f.core.conf.report_leases_max = 2;
    assert_int_not_equal(report_lease_grant(&f.core, nodes[1]), 0);
    assert_int_equal(report_lease_grant(&f.core, nodes[2]), 0);
    report_lease_end(&f.core, nodes[0]);
    assert_false(report_lease_check(&f.core, nodes[0], first));
    uint64_t third = report_lease_grant(&f.core, nodes[2]);
    assert_int_not_equal(third, 0);
    f.core.now_ms += f.core.conf.report_lease_ms;
    assert_false(report_lease_check(&f.core, nodes[2], third));
    assert_int_not_equal(report_lease_grant(&f.core, nodes[3]), 0); /* the others are over */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_table),
        TEST(test_full_report_is_a_difference),
        TEST(test_unknown_blocks_are_deleted),
        TEST(test_blocks_of_the_future_stay),
        TEST(test_damaged_reports),
        TEST(test_old_form),
        TEST(test_slices_and_what_happens_meanwhile),
        TEST(test_write_pipeline),
        TEST(test_received_before_commit),
        TEST(test_replica_of_the_old_stamp),
        TEST(test_the_only_replica_is_never_deleted),
        TEST(test_move_between_disks),
        TEST(test_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
