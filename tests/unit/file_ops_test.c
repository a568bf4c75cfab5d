/* The life of a file as clients drive it, right and wrong: every refusal in Apache's words, and nothing that a client sends stops the namenode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "common/buf.h"
#include "namenode/block_manager.h"
#include "namenode/fsck.h"
#include "namenode/open_file.h"
#include "namenode/report.h"
#include "tests/lib/block_fixture.h"

#define POOL "BP-1-127.0.0.1-1"

static struct fixture f;
static struct datanode *nodes[3];
static struct err err;

static int setup(void **state UNUSED)
{
    static const char *const ips[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

    fixture_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) nodes[i] = fixture_node(&f, ips[i], "/r", 1);
    err_clear(&err);
    return 0;
}

static int teardown(void **state UNUSED)
{
    fixture_check(&f);
    fixture_release(&f);
    return 0;
}

#define refused(call, code, expected)                                                              \
    do {                                                                                           \
        err_clear(&err);                                                                           \
        int refused_rc = (call);                                                                   \
        assert_string_equal(err.text, expected);                                                   \
        assert_int_equal(refused_rc, code);                                                        \
    } while (0)

#define CALL(handler)                                                                              \
    (op = fixture_op(&f, "10.9.9.9"), op_##handler(&f.core, &op, &request, &response, &err))

static struct inode *inode_of(const char *path)
{
    struct resolved resolved;

    return resolve_path(&f.core.tree, path, &f.arena, &resolved, &err) ? NULL : resolved.inode;
}

static Pb__ExtendedBlock *name_of(const struct block_id *id)
{
    Pb__ExtendedBlock *block;

    if (!id) return NULL;
    block = ARENA_NEW(&f.arena, Pb__ExtendedBlock);
    pb__extended_block__init(block);
    block->poolid = (char *)POOL;
    block->blockid = id->id;
    block->generationstamp = id->generation_stamp;
    block->has_numbytes = 1;
    block->numbytes = id->length;
    return block;
}

/* ---- calls ---- */

static int create_as(const char *path, const char *client, uint32_t flags, uint32_t replication,
                     uint64_t block_size, bool parents)
{
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT;
    Pb__CreateRequest request = PB__CREATE_REQUEST__INIT;
    Pb__CreateResponse response = PB__CREATE_RESPONSE__INIT;
    struct op op;

    masked.perm = 0644;
    request.src = (char *)path;
    request.masked = &masked;
    request.clientname = (char *)client;
    request.createflag = flags;
    request.createparent = parents;
    request.replication = replication;
    request.blocksize = block_size;
    return CALL(create);
}

static int create(const char *path, const char *client)
{
    return create_as(path, client, 3, 3, FIXTURE_BLOCK, true);
}

static int add_block(const char *path, const char *client, uint64_t file_id,
                     const struct block_id *previous, struct block_id *out)
{
    Pb__AddBlockRequest request = PB__ADD_BLOCK_REQUEST__INIT;
    Pb__AddBlockResponse response = PB__ADD_BLOCK_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.clientname = (char *)client;
    request.previous = name_of(previous);
    request.has_fileid = 1;
    request.fileid = file_id;
    int rc = CALL(add_block);
    if (!rc && out)
        *out = (struct block_id){.id = response.block->b->blockid,
                                 .generation_stamp = response.block->b->generationstamp};
    return rc;
}

static int complete(const char *path, const char *client, uint64_t file_id,
                    const struct block_id *last, bool *done, struct op *used)
{
    Pb__CompleteRequest request = PB__COMPLETE_REQUEST__INIT;
    Pb__CompleteResponse response = PB__COMPLETE_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.clientname = (char *)client;
    request.last = name_of(last);
    request.has_fileid = 1;
    request.fileid = file_id;
    int rc = CALL(complete);
    if (done) *done = response.result;
    if (used) *used = op;
    return rc;
}

static int abandon(const char *path, const char *client, const struct block_id *id)
{
    Pb__AbandonBlockRequest request = PB__ABANDON_BLOCK_REQUEST__INIT;
    Pb__AbandonBlockResponse response = PB__ABANDON_BLOCK_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.holder = (char *)client;
    request.b = name_of(id);
    return CALL(abandon_block);
}

static int append(const char *path, const char *client, uint64_t *block_id)
{
    Pb__AppendRequest request = PB__APPEND_REQUEST__INIT;
    Pb__AppendResponse response = PB__APPEND_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.clientname = (char *)client;
    int rc = CALL(append);
    if (!rc && block_id) *block_id = response.block ? response.block->b->blockid : 0;
    return rc;
}

static int cut(const char *path, const char *client, uint64_t length, bool *result)
{
    Pb__TruncateRequest request = PB__TRUNCATE_REQUEST__INIT;
    Pb__TruncateResponse response = PB__TRUNCATE_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.clientname = (char *)client;
    request.newlength = length;
    int rc = CALL(truncate);
    if (result) *result = response.result;
    return rc;
}

static int recover(const char *path, const char *client, bool *result)
{
    Pb__RecoverLeaseRequest request = PB__RECOVER_LEASE_REQUEST__INIT;
    Pb__RecoverLeaseResponse response = PB__RECOVER_LEASE_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.clientname = (char *)client;
    int rc = CALL(recover_lease);
    if (result) *result = response.result;
    return rc;
}

static int synchronize(const struct block_id *old, uint64_t stamp, uint64_t length, bool close,
                       bool drop, struct datanode *node)
{
    Pb__CommitBlockSynchronizationRequest request = PB__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    Pb__CommitBlockSynchronizationResponse response =
        PB__COMMIT_BLOCK_SYNCHRONIZATION_RESPONSE__INIT;
    Pb__DatanodeID id = PB__DATANODE_ID__INIT, *ids = &id;
    char *storage;
    struct op op;

    request.block = name_of(old);
    request.newgenstamp = stamp;
    request.newlength = length;
    request.closefile = close;
    request.deleteblock = drop;
    if (node) {
        id.datanodeuuid = node->uuid;
        storage = fixture_storage(node, 0)->uuid;
        request.n_newtaragets = request.n_newtargetstorages = 1;
        request.newtaragets = &ids;
        request.newtargetstorages = &storage;
    }
    return CALL(commit_block_synchronization);
}

static int update_pipeline(const char *client, const struct block_id *old,
                           const struct block_id *new)
{
    Pb__UpdatePipelineRequest request = PB__UPDATE_PIPELINE_REQUEST__INIT;
    Pb__UpdatePipelineResponse response = PB__UPDATE_PIPELINE_RESPONSE__INIT;
    struct op op;

    request.clientname = (char *)client;
    request.oldblock = name_of(old);
    request.newblock = name_of(new);
    return CALL(update_pipeline);
}

static int new_stamp(const char *client, const struct block_id *id, uint64_t *stamp)
{
    Pb__UpdateBlockForPipelineRequest request = PB__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    Pb__UpdateBlockForPipelineResponse response = PB__UPDATE_BLOCK_FOR_PIPELINE_RESPONSE__INIT;
    struct op op;

    request.clientname = (char *)client;
    request.block = name_of(id);
    int rc = CALL(update_block_for_pipeline);
    if (!rc && stamp) *stamp = response.block->b->generationstamp;
    return rc;
}

static int sync_length(const char *path, const char *client, int64_t length)
{
    Pb__FsyncRequest request = PB__FSYNC_REQUEST__INIT;
    Pb__FsyncResponse response = PB__FSYNC_RESPONSE__INIT;
    struct op op;

    request.src = (char *)path;
    request.client = (char *)client;
    request.lastblocklength = length;
    return CALL(fsync);
}

static void arrive(const struct block_id *id, uint64_t length)
{
    fixture_told(&f, fixture_storage(nodes[0], 0), id->id, id->generation_stamp, length, 2, NULL);
}

/* A file of one block of 100 bytes, closed. */
static struct block_id closed_file(const char *path)
{
    struct block_id id;
    bool done = false;

    assert_int_equal(create(path, "w"), 0);
    assert_int_equal(add_block(path, "w", 0, NULL, &id), 0);
    arrive(&id, 100);
    id.length = 100;
    assert_int_equal(complete(path, "w", 0, &id, &done, NULL), 0);
    assert_true(done);
    return id;
}

/* ---- create ---- */

/* A client that would append, finds no file and creates, sends both flags: Apache does not mind. */
static void create_takes_the_append_flag(void **state UNUSED)
{
    assert_int_equal(create_as("/a", "w", 1 | 4, 3, FIXTURE_BLOCK, true), 0);
}

static void create_refusals(void **state UNUSED)
{
    refused(create_as("/a", "w", 0, 3, FIXTURE_BLOCK, true), ERR_HADOOP_ARGUMENT,
            "/a does not specify any options");
    refused(create_as("/a", "w", 1, 0, FIXTURE_BLOCK, true), ERR_IO,
            "Requested replication factor of 0 is less than the required minimum of 1 for /a, "
            "clientName=w");
    refused(create_as("/a", "w", 1, 513, FIXTURE_BLOCK, true), ERR_IO,
            "Requested replication factor of 513 exceeds maximum of 512 for /a, clientName=w");
    refused(
        create_as("/a", "w", 1, UINT32_MAX, FIXTURE_BLOCK, true), ERR_IO,
        "Requested replication factor of 4294967295 exceeds maximum of 512 for /a, clientName=w");
    refused(create_as("/a", "w", 1, 3, 1, true), ERR_IO,
            "Specified block size 1 is less than configured minimum value "
            "dfs.namenode.fs-limits.min-block-size=1048576");
    refused(create_as("/a", "w", 1, 3, UINT64_MAX, true), ERR_IO,
            "Specified block size 18446744073709551615 is larger than a block can be");
    refused(create_as("/x/a", "w", 1, 3, FIXTURE_BLOCK, false), ERR_NOT_FOUND,
            "Parent directory doesn't exist: /x");
    refused(create_as("/a", "w", 2, 3, FIXTURE_BLOCK, true), ERR_NOT_FOUND,
            "Can't overwrite non-existent /a");
    refused(create("/", "w"), ERR_EXISTS, "/ already exists as a directory");
    assert_int_not_equal(create("", "w"), 0);
    assert_int_not_equal(create("a", "w"), 0);
    assert_int_not_equal(create("/a/../b", "w"), 0);
    closed_file("/a");
    refused(create_as("/a", "w", 1, 3, FIXTURE_BLOCK, true), ERR_EXISTS,
            "/a for client 10.9.9.9 already exists");
}

static void create_of_an_open_file(void **state UNUSED)
{
    assert_int_equal(create("/a", "one"), 0);
    refused(create_as("/a", "one", 1, 3, FIXTURE_BLOCK, true), ERR_BEING_CREATED,
            "Failed to CREATE_FILE /a for one on 10.9.9.9 because one is already the current lease "
            "holder.");
    refused(create_as("/a", "two", 1, 3, FIXTURE_BLOCK, true), ERR_BEING_CREATED,
            "Failed to CREATE_FILE /a for two on 10.9.9.9 because this file lease is currently "
            "owned by one on 10.9.9.9");
    f.core.now_ms += LEASE_SOFT_LIMIT_MS + 1;
    refused(create_as("/a", "two", 1, 3, FIXTURE_BLOCK, true), ERR_EXISTS,
            "/a for client 10.9.9.9 already exists"); /* closed: it was empty */
    assert_false(inode_of("/a")->under_construction);
    assert_int_equal(create("/a", ""), 0); /* an empty name of a client is a name */
    assert_int_equal(create("/a", "two"), 0);
    assert_string_equal(lease_holder(f.core.leases, inode_of("/a")->id), "two");
    assert_int_equal(lease_file_count(f.core.leases), 1);
}

/* ---- addBlock ---- */

static void add_block_refusals(void **state UNUSED)
{
    struct block_id first, again, second, wrong;
    char text[512];

    assert_int_equal(create("/a", "w"), 0);
    uint64_t id = inode_of("/a")->id;
    refused(add_block("/gone", "x", 0, NULL, NULL), ERR_NOT_FOUND,
            "File does not exist: /gone (inode 0) Holder x does not have any open files.");
    refused(add_block("/a", "x", 99, NULL, NULL), ERR_NOT_FOUND,
            "File does not exist: /a (inode 99) Holder x does not have any open files.");
    refused(add_block("/", "x", INODE_ID_ROOT, NULL, NULL), ERR_LEASE_EXPIRED,
            "INode is not a regular file: / (inode 16385) Holder x does not have any open files.");
    snprintf(text, sizeof text,
             "Client (=x) is not the lease owner (=w: /a (inode %" PRIu64
             ") Holder x does not have any open files.",
             id);
    refused(add_block("/a", "x", id, NULL, NULL), ERR_LEASE_EXPIRED, text);

    assert_int_equal(add_block("/a", "w", id, NULL, &first), 0);
    assert_int_equal(add_block("/a", "w", id, NULL, &again), 0); /* a repeat */
    assert_int_equal(again.id, first.id);
    wrong = (struct block_id){.id = 7, .generation_stamp = 8};
    snprintf(text, sizeof text,
             "Cannot allocate block in /a: passed 'previous' block " POOL
             ":blk_7_8 does not match actual last block in file blk_%" PRIu64 "_%" PRIu64,
             first.id, first.generation_stamp);
    refused(add_block("/a", "w", id, &wrong, NULL), ERR_IO, text);
    first.length = 1000;
    assert_int_equal(add_block("/a", "w", id, &first, &second), 0);
    second.length = 1000;
    refused(add_block("/a", "w", id, &second, NULL), ERR_NOT_REPLICATED_YET,
            "Not replicated yet: /a");
    snprintf(text, sizeof text,
             "Cannot allocate block in /a: passed 'previous' block null does not match actual last "
             "block in file blk_%" PRIu64 "_%" PRIu64,
             second.id, second.generation_stamp);
    refused(add_block("/a", "w", id, NULL, NULL), ERR_IO, text);
}

static void a_block_is_no_longer_than_its_size(void **state UNUSED)
{
    struct block_id id;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &id), 0);
    id.length = (uint64_t)1 << 43;
    assert_int_equal(add_block("/a", "w", 0, &id, NULL), ERR_IO);
    assert_int_equal(complete("/a", "w", 0, &id, NULL, NULL), ERR_IO);
    id.length = UINT64_MAX;
    assert_int_equal(complete("/a", "w", 0, &id, NULL, NULL), ERR_IO);
    assert_int_equal(inode_length(inode_of("/a"), true), 0);
    id.length = FIXTURE_BLOCK;
    assert_int_equal(complete("/a", "w", 0, &id, NULL, NULL), OP_HOLD);
}

/* ---- complete ---- */

static void complete_waits_for_the_block_that_lacks(void **state UNUSED)
{
    struct block_id first, second;
    struct op op;
    bool done;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &first), 0);
    first.length = FIXTURE_BLOCK;
    assert_int_equal(add_block("/a", "w", 0, &first, &second), 0);
    second.length = 5;
    assert_int_equal(complete("/a", "w", 0, &second, &done, &op), OP_HOLD);
    assert_int_equal(op.held_block, first.id);
    arrive(&first, FIXTURE_BLOCK);
    assert_int_equal(complete("/a", "w", 0, &second, &done, &op), OP_HOLD);
    assert_int_equal(op.held_block, second.id);
    arrive(&second, 5);
    assert_int_equal(complete("/a", "w", 0, &second, &done, NULL), 0);
    assert_true(done);
    assert_int_equal(complete("/a", "w", 0, &second, &done, NULL), 0); /* a repeat */
    assert_true(done);
    refused(complete("/a", "w", 0, &first, &done, NULL), ERR_LEASE_EXPIRED,
            "File is not open for writing: /a (inode 0) Holder w does not have any open files.");
}

static void complete_of_odd_things(void **state UNUSED)
{
    struct block_id other = {.id = 5, .generation_stamp = 6, .length = 7}, id;
    bool done = false;

    assert_int_equal(complete("/", "w", 0, NULL, NULL, NULL), ERR_LEASE_EXPIRED);
    assert_int_equal(complete("/gone", "w", 0, NULL, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(complete("/a", "w", 0, &other, &done, NULL),
                     0); /* there is no block to commit */
    assert_true(done);
    assert_int_equal(create("/b", "w"), 0);
    assert_int_equal(add_block("/b", "w", 0, NULL, &id), 0);
    assert_int_equal(complete("/b", "w", 0, &other, NULL, NULL), ERR_IO);
    assert_int_equal(complete("/b", "w", 0, NULL, NULL, NULL), OP_HOLD);
    id.generation_stamp++;
    assert_int_equal(complete("/b", "w", 0, &id, NULL, NULL), ERR_IO);
}

/* ---- abandonBlock, fsync ---- */

static void abandon_and_sync(void **state UNUSED)
{
    struct block_id id, other = {.id = 5};

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(abandon("/a", "w", &other), 0); /* none there: gone already */
    assert_int_equal(add_block("/a", "w", 0, NULL, &id), 0);
    assert_int_equal(abandon("/a", "x", &id), ERR_LEASE_EXPIRED);
    assert_int_equal(abandon("/a", "w", &other), 0);
    assert_int_equal(inode_of("/a")->block_count, 1);
    assert_int_equal(sync_length("/a", "w", -1), 0);
    assert_int_equal(sync_length("/a", "w", 500), 0);
    assert_int_equal(inode_length(inode_of("/a"), true), 500);
    assert_int_equal(sync_length("/a", "w", INT64_MAX), ERR_IO);
    assert_int_equal(sync_length("/a", "w", 400), 0); /* came late: what was promised stays */
    assert_int_equal(inode_length(inode_of("/a"), true), 500);
    id.length = 600;
    assert_int_equal(complete("/a", "w", 0, &id, NULL, NULL), OP_HOLD);
    assert_int_equal(sync_length("/a", "w", 700), 0); /* the length is final */
    assert_int_equal(inode_length(inode_of("/a"), true), 600);
    assert_int_equal(abandon("/a", "w", &id), 0);
    assert_int_equal(inode_of("/a")->block_count, 0);
    assert_int_equal(abandon("/a", "w", &id), 0);
}

/* ---- append, truncate ---- */

static void append_refusals(void **state UNUSED)
{
    uint64_t block;

    refused(append("/gone", "w", NULL), ERR_NOT_FOUND,
            "Failed to append to non-existent file /gone for client 10.9.9.9");
    refused(append("/", "w", NULL), ERR_EXISTS,
            "Cannot append to directory /; already exists as a directory.");
    struct block_id id = closed_file("/a");
    assert_int_equal(append("/a", "w", &block), 0);
    assert_int_equal(block, id.id);
    refused(append("/a", "w", NULL), ERR_BEING_CREATED,
            "Failed to APPEND_FILE /a for w on 10.9.9.9 because w is already the current lease "
            "holder.");
    refused(append("/a", "x", NULL), ERR_BEING_CREATED,
            "Failed to APPEND_FILE /a for x on 10.9.9.9 because this file lease is currently owned "
            "by w on 10.9.9.9");
}

static void truncate_refusals(void **state UNUSED)
{
    bool done;

    closed_file("/a");
    refused(cut("/a", "w", UINT64_MAX, NULL), ERR_HADOOP_ARGUMENT,
            "Cannot truncate to a negative file size: -1.");
    refused(cut("/a", "w", 101, NULL), ERR_HADOOP_ARGUMENT,
            "Cannot truncate to a larger file size. Current size: 100, truncate size: 101.");
    refused(cut("/", "w", 1, NULL), ERR_NOT_FOUND, "Path is not a file: /");
    refused(cut("/gone", "w", 1, NULL), ERR_NOT_FOUND, "File does not exist: /gone");
    assert_int_equal(cut("/a", "w", 100, &done), 0);
    assert_true(done);
    assert_int_equal(cut("/a", "w", 40, &done), 0);
    assert_false(done);
    assert_int_equal(cut("/a", "w", 40, &done), 0); /* a repeat */
    assert_false(done);
    refused(cut("/a", "w", 30, NULL), ERR_BEING_CREATED,
            "Failed to TRUNCATE_FILE /a for w on 10.9.9.9 because /a is being truncated.");
    struct block *block = inode_last_block(inode_of("/a"));
    struct block_id id = block_name(block);
    assert_int_equal(
        synchronize(&id, blocks_recovery_id(&f.core, block), 40, true, false, nodes[0]), 0);
    assert_int_equal(inode_length(inode_of("/a"), true), 40);
    assert_false(inode_of("/a")->under_construction);
    closed_file("/b");
    assert_int_equal(cut("/b", "w", 0, &done), 0);
    assert_true(done);
}

/* ---- pipelines ---- */

static void pipeline_refusals(void **state UNUSED)
{
    struct block_id id, none = {.id = 5, .generation_stamp = 6}, next;
    uint64_t stamp;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &id), 0);
    refused(new_stamp("w", &none, NULL), ERR_IO, POOL ":blk_5_6 does not exist.");
    char *text = arena_printf(&f.arena,
                              "Lease mismatch: " POOL ":blk_%" PRIu64 "_%" PRIu64
                              " is accessed by a non lease holder x",
                              id.id, id.generation_stamp);
    refused(new_stamp("x", &id, NULL), ERR_LEASE_EXPIRED, text);
    assert_int_equal(new_stamp("w", &id, &stamp), 0);
    next = (struct block_id){.id = id.id, .generation_stamp = stamp, .length = 10};
    assert_int_equal(update_pipeline("x", &id, &next), ERR_LEASE_EXPIRED);
    next.generation_stamp = UINT64_MAX; /* never given out */
    assert_int_equal(update_pipeline("w", &id, &next), ERR_IO);
    next.generation_stamp = stamp;
    next.length = (uint64_t)1 << 43;
    assert_int_equal(update_pipeline("w", &id, &next), ERR_IO);
    next.length = 10;
    next.id++;
    assert_int_equal(update_pipeline("w", &id, &next), ERR_IO);
    next.id--;
    assert_int_equal(update_pipeline("w", &id, &next), 0);
    assert_int_equal(update_pipeline("w", &id, &next),
                     ERR_IO); /* the stamp is not newer any more */
}

/* ---- leases, recoveries ---- */

static void recovery_needs_to_be_running(void **state UNUSED)
{
    struct block_id id;
    char text[256];

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &id), 0);
    snprintf(text, sizeof text,
             "The recovery id 0 does not match current recovery id 0 for block " POOL
             ":blk_%" PRIu64 "_%" PRIu64,
             id.id, id.generation_stamp);
    refused(synchronize(&id, 0, 77, true, false, NULL), ERR_IO, text);
    assert_int_equal(synchronize(&id, 0, 0, true, true, NULL), ERR_IO);
    assert_true(inode_of("/a")->under_construction);
    assert_int_equal(inode_last_block(inode_of("/a"))->generation_stamp, id.generation_stamp);
}

static void recovery_of_the_last_of_two_blocks(void **state UNUSED)
{
    struct block_id first, second;
    bool closed;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &first), 0);
    first.length = FIXTURE_BLOCK;
    assert_int_equal(add_block("/a", "w", 0, &first, &second),
                     0); /* the first is committed, no datanode told of it */
    assert_int_equal(recover("/a", "x", &closed), 0);
    assert_false(closed);
    struct block *last = inode_last_block(inode_of("/a"));
    uint64_t stamp = blocks_recovery_id(&f.core, last);
    assert_true(stamp);
    assert_int_equal(synchronize(&second, stamp, 10, true, false, nodes[0]),
                     ERR_IO); /* and the namenode lives */
    assert_true(inode_of("/a")->under_construction);
    arrive(&first, FIXTURE_BLOCK);
    assert_int_equal(synchronize(&second, stamp, 10, true, false, nodes[0]), 0);
    assert_false(inode_of("/a")->under_construction);
    assert_int_equal(inode_length(inode_of("/a"), true), FIXTURE_BLOCK + 10);
    assert_int_equal(synchronize(&second, stamp, 10, true, false, nodes[0]), 0); /* a repeat */
}

static void written_blocks_outlive_dead_datanodes(void **state UNUSED)
{
    struct block_id id;
    bool closed = true;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", 0, NULL, &id), 0);
    fixture_pass(&f, 11 * 60 * 1000,
                 false); /* nobody heartbeats: all are dead, with what was flushed to them */
    assert_false(nodes[0]->alive);
    assert_int_equal(recover("/a", "x", &closed), 0);
    assert_false(closed);
    assert_int_equal(inode_of("/a")->block_count, 1);
}

/* As the journal brings it back at a start: nobody knows which datanodes it was given to. */
static void add_block_by_journal(const char *path)
{
    struct block_id id = {.id = f.core.block_id_last + 1,
                          .generation_stamp = f.core.generation_stamp + 1};
    struct edit edit = {.op = EDIT_ADD_BLOCK,
                        .path = path,
                        .blocks = &id,
                        .block_count = 1,
                        .inode = inode_of(path)};

    f.core.block_id_last = id.id;
    f.core.generation_stamp = id.generation_stamp;
    core_edit(&f.core, &edit);
}

static void unheard_of_blocks_wait_for_datanodes_that_are_away(void **state UNUSED)
{
    struct block_id other = closed_file("/other");
    bool closed = true;

    fixture_pass(&f, 11 * 60 * 1000, false); /* the datanodes are dead, /other is missing */
    assert_int_equal(create("/a", "w"), 0);
    add_block_by_journal("/a");
    assert_int_equal(recover("/a", "x", &closed), 0);
    assert_false(closed);
    assert_int_equal(inode_of("/a")->block_count, 1);
    assert_true(inode_of("/a")->under_construction);
    nodes[0] = fixture_node(&f, "10.0.0.1", "/r", 1);
    arrive(&other, 100); /* a datanode is back, and nothing is missing: nobody ever had it */
    assert_int_equal(recover("/a", "y", &closed), 0);
    assert_true(closed);
    assert_int_equal(inode_of("/a")->block_count, 0);
}

static void recover_lease_of_odd_things(void **state UNUSED)
{
    bool closed;

    refused(recover("/gone", "w", NULL), ERR_NOT_FOUND, "File does not exist: /gone");
    refused(recover("/", "w", NULL), ERR_NOT_FOUND, "Path is not a file: /");
    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(recover("/a", "w", &closed), 0);
    assert_true(closed);
    assert_int_equal(recover("/a", "w", &closed), 0);
    assert_true(closed);
    assert_int_equal(lease_file_count(f.core.leases), 0);
}

/* ---- writers that are gone ---- */

/* What the first datanode of a pipeline says of it. */
static void say_writer(const struct block_id *id, bool gone)
{
    struct storage *storage;

    assert_int_equal(blocks_expected(&f.core, block_find(f.core.blocks, id->id), &storage, 1), 1);
    report_replica(&f.core, storage, id, REPLICA_RBW, NULL);
    blocks_writer_gone(&f.core, storage, id, gone);
}

static void a_silent_writer_that_closed_is_replaced(void **state UNUSED)
{
    struct block_id id;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", inode_of("/a")->id, NULL, &id), 0);
    struct block *block = block_find(f.core.blocks, id.id);
    say_writer(&id, true);
    f.core.now_ms += LEASE_SOFT_LIMIT_MS;
    lease_monitor_tick(&f.core); /* it may still come back */
    assert_string_equal(lease_holder(f.core.leases, inode_of("/a")->id), "w");
    f.core.now_ms++;
    lease_monitor_tick(&f.core);
    assert_string_not_equal(lease_holder(f.core.leases, inode_of("/a")->id), "w");
    assert_int_equal(block->state, BLOCK_UNDER_RECOVERY);
    uint64_t recovery = blocks_recovery_id(&f.core, block);
    lease_monitor_tick(&f.core); /* not again at once */
    assert_int_equal(blocks_recovery_id(&f.core, block), recovery);
    f.core.now_ms += 90 * 1000;
    lease_monitor_tick(&f.core); /* nobody recovered it: once more */
    assert_int_equal(blocks_recovery_id(&f.core, block), recovery + 1);
}

static void a_writer_that_hangs_or_renews_keeps_its_file(void **state UNUSED)
{
    struct block_id id, old;

    assert_int_equal(create("/a", "w"), 0);
    assert_int_equal(add_block("/a", "w", inode_of("/a")->id, NULL, &id), 0);
    say_writer(&id, false);
    f.core.now_ms += 2 * LEASE_SOFT_LIMIT_MS; /* its connection is there */
    lease_monitor_tick(&f.core);
    say_writer(&id, true); /* the connection broke, but it renews */
    assert_true(lease_renew(f.core.leases, "w", f.core.now_ms));
    lease_monitor_tick(&f.core);
    say_writer(&id, false); /* and set its pipeline up again */
    f.core.now_ms += 2 * LEASE_SOFT_LIMIT_MS;
    lease_monitor_tick(&f.core);
    old = id;
    old.generation_stamp--;
    say_writer(&old, true); /* late news of an old pipeline, which the last report has overtaken */
    lease_monitor_tick(&f.core);
    assert_string_equal(lease_holder(f.core.leases, inode_of("/a")->id), "w");
    assert_int_equal(block_find(f.core.blocks, id.id)->state, BLOCK_UNDER_CONSTRUCTION);
    assert_int_equal(create("/b", "w"), 0);
    id.id = 4711; /* no such block */
    blocks_writer_gone(&f.core, NULL, &id, true);
}

/* ---- fsck ---- */

static void fsck_by_anybody(void **state UNUSED)
{
    static const char *const groups[] = {NULL};
    struct op op = {.user = "bob", .groups = groups, .client_ip = "10.9.9.9", .method = "fsck"};
    struct fsck_options options = {0};
    struct buf out = {0};

    closed_file("/a");
    struct fsck *fsck = fsck_new(&op, "/", &options);
    while (fsck_step(&f.core, fsck, 10, &out)) {}
    assert_non_null(strstr(buf_cstr(&out), "Status: HEALTHY"));
    fsck_free(fsck);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(create_takes_the_append_flag),
        TEST(create_refusals),
        TEST(create_of_an_open_file),
        TEST(add_block_refusals),
        TEST(a_block_is_no_longer_than_its_size),
        TEST(complete_waits_for_the_block_that_lacks),
        TEST(complete_of_odd_things),
        TEST(abandon_and_sync),
        TEST(append_refusals),
        TEST(truncate_refusals),
        TEST(pipeline_refusals),
        TEST(recovery_needs_to_be_running),
        TEST(recovery_of_the_last_of_two_blocks),
        TEST(written_blocks_outlive_dead_datanodes),
        TEST(unheard_of_blocks_wait_for_datanodes_that_are_away),
        TEST(recover_lease_of_odd_things),
        TEST(a_silent_writer_that_closed_is_replaced),
        TEST(a_writer_that_hangs_or_renews_keeps_its_file),
        TEST(fsck_by_anybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
