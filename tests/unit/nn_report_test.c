/* What the namenode is told: the queue of changes, the bytes of a full report, the acks of a
 * pipeline stage. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "datanode/ack_relay.h"
#include "datanode/full_report.h"
#include "datanode/nn_report.h"

static struct volume one = {.uuid = "DS-1", .type = PB__STORAGE_TYPE__DISK};
static struct volume two = {.uuid = "DS-2", .type = PB__STORAGE_TYPE__SSD};

#define RECEIVING PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING
#define RECEIVED  PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED
#define DELETED   PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED

static void received_goes_at_once_and_takes_the_rest_along(void **state UNUSED)
{
    struct nn_report *report = nn_report_new();
    struct report_queue *queue = report_queue_new(report);
    struct arena arena = {0};

    report_queue_set_active(queue, true);
    nn_report_receiving(report, &one, 1, 1001);
    nn_report_deleted(report, &two, 2, 1001);
    assert_null(report_queue_take(queue, 0, &arena)); /* can wait a little */
    nn_report_received(report, &one, 1, 1001, 55, "hint", 0);
    Pb__BlockReceivedAndDeletedRequest *request = report_queue_take(queue, 0, &arena);
    assert_non_null(request);
    assert_int_equal(request->n_blocks, 2);
    assert_string_equal(request->blocks[0]->storageuuid, "DS-2");
    assert_int_equal(request->blocks[0]->blocks[0]->status, DELETED);
    assert_int_equal(request->blocks[0]->storage->storagetype, PB__STORAGE_TYPE__SSD);
    assert_int_equal(request->blocks[1]->n_blocks, 1); /* RECEIVED took RECEIVING's place */
    assert_int_equal(request->blocks[1]->blocks[0]->status, RECEIVED);
    assert_int_equal(request->blocks[1]->blocks[0]->block->numbytes, 55);
    assert_string_equal(request->blocks[1]->blocks[0]->deletehint, "hint");
    report_queue_done(queue, true);
    assert_null(report_queue_take(queue, 0, &arena));
    arena_release(&arena);
    report_queue_free(queue);
    nn_report_free(report);
}

static void what_did_not_arrive_is_sent_again(void **state UNUSED)
{
    struct nn_report *report = nn_report_new();
    struct report_queue *queue = report_queue_new(report);
    struct arena arena = {0};

    report_queue_set_active(queue, true);
    nn_report_received(report, &one, 1, 1001, 1, NULL, 0);
    nn_report_received(report, &one, 2, 1001, 1, NULL, 0);
    assert_non_null(report_queue_take(queue, 0, &arena));
    nn_report_deleted(report, &one, 2, 1001); /* meanwhile: this is newer */
    report_queue_done(queue, false);
    Pb__BlockReceivedAndDeletedRequest *request = report_queue_take(queue, 0, &arena);
    assert_int_equal(request->blocks[0]->n_blocks, 2);
    assert_int_equal(request->blocks[0]->blocks[0]->block->blockid, 1);
    assert_int_equal(request->blocks[0]->blocks[1]->status, DELETED);
    report_queue_done(queue, true);
    /* a namenode that we are not registered with gets nothing */
    report_queue_set_active(queue, false);
    nn_report_received(report, &one, 3, 1001, 1, NULL, 1000);
    assert_null(report_queue_take(queue, 0, &arena));
    arena_release(&arena);
    report_queue_free(queue);
    nn_report_free(report);
}

static void *serve_one(void *arg)
{
    struct arena arena = {0};

    assert_non_null(report_queue_take(arg, 5000, &arena));
    clock_sleep_ms(30);
    report_queue_done(arg, true);
    arena_release(&arena);
    return NULL;
}

static void a_writer_waits_for_the_answer(void **state UNUSED)
{
    struct nn_report *report = nn_report_new();
    struct report_queue *queue = report_queue_new(report);
    struct arena arena = {0};
    pthread_t thread;

    report_queue_set_active(queue, true);
    int64_t start = clock_mono_ms();
    nn_report_received(report, &one, 1, 1001, 1, NULL, 20); /* nobody answers: not for ever */
    assert_in_range(clock_mono_ms() - start, 15, 2000);
    assert_non_null(report_queue_take(queue, 0, &arena)); /* else the thread may find just this */
    report_queue_done(queue, true);
    arena_release(&arena);
    pthread_create(&thread, NULL, serve_one, queue);
    start = clock_mono_ms();
    nn_report_received(report, &one, 1, 1001, 1, NULL, 5000);
    assert_in_range(clock_mono_ms() - start, 0, 60000);
    pthread_join(thread, NULL);
    report_queue_free(queue);
    nn_report_free(report);
}

static void full_report_bytes(void **state UNUSED)
{
    static const uint8_t golden[] = {0x82, 0x80, 0x80, 0x80, 0x08, 0x06,
                                     0xe9, 0x07, 0x00,                    /* blk_1073741825 */
                                     0x01, 0x80, 0x01, 0xea, 0x07, 0x02}; /* blk_-1, RWR */
    struct report_storage storage = {0};
    struct arena arena = {0};

    report_storage_add(&storage, 1073741825, 6, 1001, REPLICA_FINALIZED);
    report_storage_add(&storage, -1, 128, 1002, REPLICA_RWR);
    Pb__StorageBlockReport *report = full_report_message(&one, &storage, &arena);
    assert_int_equal(report->numberofblocks, 2);
    assert_int_equal(report->n_blocksbuffers, 1);
    assert_int_equal(report->blocksbuffers[0].len, sizeof golden);
    assert_memory_equal(report->blocksbuffers[0].data, golden, sizeof golden);
    for (int64_t i = 0; i < 20000; i++)
        report_storage_add(&storage, 1073741826 + i, 1 << 27, 1003, REPLICA_FINALIZED);
    assert_true(storage.chunk_count > 1);
    for (size_t i = 0; i < storage.chunk_count; i++)
        assert_in_range(storage.chunks[i].length, 1, FULL_REPORT_CHUNK);
    report_storage_release(&storage);
    arena_release(&arena);
}

/* ---- acks ---- */

static int pair[2];
static struct ack_relay relay;
static struct replica_write no_write;
static atomic_uint marks;

static void start_relay(bool has_mirror)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ack_relay_init(&relay, pair[0], 1000, has_mirror, &marks, &no_write);
}

static void end_relay(void)
{
    ack_relay_release(&relay);
    close(pair[0]);
    close(pair[1]);
}

static void expect_ack(int64_t seqno, uint32_t count, int first_bad)
{
    struct xfer_in in;
    struct xfer_ack ack;

    xfer_in_init(&in, pair[1], 1000);
    assert_int_equal(xfer_ack_read(&in, &ack, NULL), 0);
    assert_int_equal(xfer_in_buffered(&in), 0);
    assert_int_equal(ack.seqno, seqno);
    assert_int_equal(ack.count, count);
    assert_int_equal(xfer_ack_first_bad(&ack), first_bad);
}

static void acks_wait_for_the_mirror(void **state UNUSED)
{
    start_relay(true);
    for (int64_t i = 0; i < 40; i++)
        assert_int_equal(ack_relay_add(&relay, i, i * 10, false, false, NULL), 0);
    relay.ack = (struct xfer_ack){.seqno = 0, .count = 2};
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    expect_ack(0, 3, -1);
    relay.ack = (struct xfer_ack){.seqno = 1, .count = 2, .entry = {0, PB__STATUS__ERROR}};
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    expect_ack(1, 3, 2);
    assert_int_equal(relay.count, 38);
    relay.ack = (struct xfer_ack){.seqno = 2, .count = 1, .entry = {PB__STATUS__ERROR_CHECKSUM}};
    assert_int_equal(ack_relay_take(&relay, NULL), ERR_CHECKSUM); /* ours is the fault */
    end_relay();
}

static void a_lost_mirror_is_told_upstream(void **state UNUSED)
{
    start_relay(true);
    assert_int_equal(ack_relay_add(&relay, 7, 10, false, false, NULL), 0);
    relay.ack = (struct xfer_ack){.seqno = 8, .count = 1}; /* not its turn */
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    assert_true(relay.broken);
    expect_ack(7, 2, 1);
    assert_int_equal(ack_relay_add(&relay, 8, 20, false, false, NULL), 0);
    expect_ack(8, 2, 1);
    end_relay();
    start_relay(true);
    assert_int_equal(ack_relay_break(&relay, NULL), 0);
    expect_ack(XFER_SEQNO_OOB, 2, 1);
    end_relay();
}

static void the_last_node_acks_at_once(void **state UNUSED)
{
    start_relay(false);
    assert_int_equal(ack_relay_add(&relay, 0, 10, false, false, NULL), 0);
    expect_ack(0, 1, -1);
    assert_false(relay.last_acked);
    assert_int_equal(ack_relay_add(&relay, 1, 10, true, false, NULL), 0);
    expect_ack(1, 1, -1);
    assert_true(relay.last_acked);
    end_relay();
}

/* The node behind has marks of its own; ours stand in our entry only. */
static void acks_bear_the_marks_of_the_node(void **state UNUSED)
{
    struct xfer_in in;
    struct xfer_ack ack;

    start_relay(true);
    atomic_store(&marks, XFER_ACK_ECN_SUPPORTED | XFER_ACK_SLOW_SLOW);
    assert_int_equal(ack_relay_add(&relay, 0, 10, false, false, NULL), 0);
    relay.ack = (struct xfer_ack){.count = 1, .entry = {XFER_ACK_ECN_CONGESTED}};
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    xfer_in_init(&in, pair[1], 1000);
    assert_int_equal(xfer_ack_read(&in, &ack, NULL), 0);
    assert_int_equal(ack.count, 2);
    assert_true(xfer_ack_ok(&ack));
    assert_false(xfer_ack_congested(&ack, 0));
    assert_true(xfer_ack_slow(&ack, 0));
    assert_true(xfer_ack_congested(&ack, 1));
    assert_false(xfer_ack_slow(&ack, 1));
    atomic_store(&marks, 0);
    end_relay();
}

static int64_t readable(void)
{
    char bytes[4096];

    return recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
}

static void expect_acks(struct xfer_in *in, int64_t first, int64_t last)
{
    struct xfer_ack ack;

    for (int64_t i = first; i <= last; i++) {
        assert_int_equal(xfer_ack_read(in, &ack, NULL), 0);
        assert_int_equal(ack.seqno, i);
    }
    assert_int_equal(xfer_in_buffered(in), 0);
    assert_int_equal(readable(), -1);
}

static void acks_of_a_stream_are_held(void **state UNUSED)
{
    struct xfer_in in;

    start_relay(false);
    xfer_in_init(&in, pair[1], 1000);
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(ack_relay_add(&relay, i, i * 10, false, true, NULL), 0);
    assert_int_equal(readable(), -1);
    assert_int_equal(ack_relay_flush(&relay, NULL), 0);
    expect_acks(&in, 0, 2);
    assert_int_equal(ack_relay_add(&relay, 3, 30, false, true, NULL), 0);
    assert_int_equal(ack_relay_add(&relay, 4, 40, false, false, NULL), 0); /* somebody waits */
    expect_acks(&in, 3, 4);
    for (int64_t i = 5; i < 5 + ACKS_HELD_MAX; i++)
        assert_int_equal(ack_relay_add(&relay, i, i * 10, false, true, NULL), 0);
    expect_acks(&in, 5, 4 + ACKS_HELD_MAX);
    end_relay();
    start_relay(true); /* what a mirror says is held, but no bad news */
    xfer_in_init(&in, pair[1], 1000);
    for (int64_t i = 0; i < 2; i++)
        assert_int_equal(ack_relay_add(&relay, i, i * 10, false, true, NULL), 0);
    relay.ack = (struct xfer_ack){.seqno = 0, .count = 1};
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    assert_int_equal(readable(), -1);
    relay.ack = (struct xfer_ack){.seqno = 1, .count = 1, .entry = {PB__STATUS__ERROR}};
    assert_int_equal(ack_relay_take(&relay, NULL), 0);
    expect_acks(&in, 0, 1);
    end_relay();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received_goes_at_once_and_takes_the_rest_along),
        cmocka_unit_test(what_did_not_arrive_is_sent_again),
        cmocka_unit_test(a_writer_waits_for_the_answer),
        cmocka_unit_test(full_report_bytes),
        cmocka_unit_test(acks_wait_for_the_mirror),
        cmocka_unit_test(a_lost_mirror_is_told_upstream),
        cmocka_unit_test(the_last_node_acks_at_once),
        cmocka_unit_test(acks_of_a_stream_are_held),
        cmocka_unit_test(acks_bear_the_marks_of_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
