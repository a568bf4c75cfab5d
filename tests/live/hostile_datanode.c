/*
 * A datanode that lies: hostile_datanode URI TEST [FILE] speaks DatanodeProtocol to the namenode and tells it what is not so. Exits 0 when the
 * namenode refused, or answered, as it should; what that did to FILE and to the cluster is for the caller to look at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/fs.h"
#include "common/buf.h"
#include "common/conf.h"
#include "common/rand.h"
#include "proto/datanode.pb-c.h"

#define PROTOCOL "org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol"
enum { FAKE_PORT = 9, FINALIZED = 0 };

static struct fs *fs;
static struct arena arena;
static struct err err;
static Pb__NamespaceInfo *info;
static struct fs_blocks *blocks; /* of FILE */

static Pb__StorageInfo identity;
static Pb__DatanodeID id;
static Pb__BlockKey key;
static Pb__ExportedBlockKeys keys;
static Pb__DatanodeRegistration self;

#define DIE(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

static int call(const char *method, const void *request, const ProtobufCMessageDescriptor *type,
                void *response)
{
    err = (struct err)ERR_INIT;
    return fs_call_protocol(fs, PROTOCOL, method, request, type, &arena, response, &err);
}

static int do_register(void)
{
    Pb__RegisterDatanodeRequest request = PB__REGISTER_DATANODE_REQUEST__INIT;
    Pb__RegisterDatanodeResponse *response;

    request.registration = &self;
    return call("registerDatanode", &request, &pb__register_datanode_response__descriptor,
                &response);
}

static void must_register(void)
{
    if (do_register()) DIE("registerDatanode: %s", err.text);
}

static void refused(int rc, const char *words)
{
    if (!rc) DIE("it was taken, not refused with '%s'", words);
    if (!strstr(err.text, words)) DIE("refused with '%s', not '%s'", err.text, words);
    printf("refused: %s\n", err.text);
}

static Pb__DatanodeStorage *storage(const char *uuid)
{
    Pb__DatanodeStorage *s = arena_alloc(&arena, sizeof *s);

    pb__datanode_storage__init(s);
    s->storageuuid = arena_printf(&arena, "%s", uuid);
    return s;
}

static int heartbeat(const char *uuid, uint64_t capacity, uint64_t remaining)
{
    Pb__SendHeartbeatRequest request = PB__SEND_HEARTBEAT_REQUEST__INIT;
    Pb__SendHeartbeatResponse *response;
    Pb__StorageReport report = PB__STORAGE_REPORT__INIT, *list[] = {&report};

    report.storage = storage(uuid);
    report.storageuuid = report.storage->storageuuid;
    report.has_capacity = report.has_remaining = report.has_dfsused = 1;
    report.capacity = capacity;
    report.remaining = remaining;
    request.registration = &self;
    request.reports = list;
    request.n_reports = 1;
    request.has_failedvolumes = request.has_xceivercount = 1;
    int rc = call("sendHeartbeat", &request, &pb__send_heartbeat_response__descriptor, &response);
    for (size_t i = 0; !rc && i < response->n_cmds; i++)
        if (response->cmds[i]->blkcmd)
            printf("order %d for %zu blocks\n", (int)response->cmds[i]->blkcmd->action,
                   response->cmds[i]->blkcmd->n_blocks);
    return rc;
}

static void put_block(struct buf *out, uint64_t block, uint64_t length, uint64_t stamp)
{
    buf_put_varint(out, (block << 1) ^ (uint64_t)((int64_t)block >> 63));
    buf_put_varint(out, length);
    buf_put_varint(out, stamp);
    buf_put_varint(out, FINALIZED);
}

/* A full report of these records; `count` may lie. */
static int report(const char *uuid, const struct buf *records, uint64_t count)
{
    Pb__BlockReportRequest request = PB__BLOCK_REPORT_REQUEST__INIT;
    Pb__BlockReportResponse *response;
    Pb__StorageBlockReport one = PB__STORAGE_BLOCK_REPORT__INIT, *list[] = {&one};
    ProtobufCBinaryData bytes = {.data = records->data, .len = records->length};

    one.storage = storage(uuid);
    one.has_numberofblocks = 1;
    one.numberofblocks = count;
    one.blocksbuffers = &bytes;
    one.n_blocksbuffers = 1;
    request.registration = &self;
    request.blockpoolid = info->blockpoolid;
    request.reports = list;
    request.n_reports = 1;
    return call("blockReport", &request, &pb__block_report_response__descriptor, &response);
}

static int incremental(const char *uuid, int status, uint64_t block, uint64_t length,
                       uint64_t stamp)
{
    Pb__BlockReceivedAndDeletedRequest request = PB__BLOCK_RECEIVED_AND_DELETED_REQUEST__INIT;
    Pb__BlockReceivedAndDeletedResponse *response;
    Pb__StorageReceivedDeletedBlocks of = PB__STORAGE_RECEIVED_DELETED_BLOCKS__INIT,
                                     *list[] = {&of};
    Pb__ReceivedDeletedBlockInfo one = PB__RECEIVED_DELETED_BLOCK_INFO__INIT, *ones[] = {&one};
    Pb__Block b = PB__BLOCK__INIT;

    b.blockid = block;
    b.genstamp = stamp;
    b.has_numbytes = 1;
    b.numbytes = length;
    one.block = &b;
    one.status = (Pb__ReceivedDeletedBlockInfo__BlockStatus)status;
    of.storage = storage(uuid);
    of.storageuuid = of.storage->storageuuid;
    of.blocks = ones;
    of.n_blocks = 1;
    request.registration = &self;
    request.blockpoolid = info->blockpoolid;
    request.blocks = list;
    request.n_blocks = 1;
    return call("blockReceivedAndDeleted", &request,
                &pb__block_received_and_deleted_response__descriptor, &response);
}

static void must(int rc, const char *what)
{
    if (rc) DIE("%s: %s", what, err.text);
}

/* ---- who it is ---- */

static void test_identity(void)
{
    identity.clusterid = (char *)"CID-of-another";
    refused(do_register(), "Unregistered server");
    identity.clusterid = info->storageinfo->clusterid;
    identity.namespceid ^= 1;
    refused(do_register(), "Unregistered server");
    identity.namespceid ^= 1;
    identity.ctime++;
    refused(do_register(), "Unregistered server");
    identity.ctime--;
    self.softwareversion = (char *)"1.2.1";
    refused(do_register(), "The reported DataNode version is too low");
    self.softwareversion = (char *)"";
    refused(do_register(), "The reported DataNode version is too low");
    self.softwareversion = (char *)"3.5.0";
    id.datanodeuuid = (char *)"";
    refused(do_register(), "bad datanode UUID");
    id.datanodeuuid = (char *)"fake";
    id.xferport = 1u << 20;
    refused(do_register(), "port above 65535");
    id.xferport = FAKE_PORT;
    /* Never registered: its news count for nothing, it is told to register. */
    struct buf records = {0};
    put_block(&records, blocks->blocks[0].id, blocks->blocks[0].length,
              blocks->blocks[0].generation_stamp);
    must(report("DS-never", &records, 1), "a report before registration");
    must(incremental("DS-never", PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED,
                     blocks->blocks[0].id, 1, 1),
         "news before registration");
    must_register();
    identity.clusterid = (char *)"CID-of-another";
    refused(heartbeat("DS-fake", 1, 1), "Unregistered server");
    refused(report("DS-fake", &records, 1), "Unregistered server");
    buf_release(&records);
}

/* ---- what it has ---- */

static void test_blocks(void)
{
    struct buf records = {0};
    const struct fs_block *b = &blocks->blocks[0];

    must_register();
    must(heartbeat("DS-fake", 1000, 1000), "heartbeat");
    /* Blocks that do not exist: more than fit, with negative ids and impossible lengths. */
    for (uint64_t i = 0; i < 5000; i++)
        put_block(&records, i % 2 ? 0 - i : (UINT64_C(1) << 40) + i, UINT64_MAX - i, 5);
    must(report("DS-fake", &records, 5000), "blocks that do not exist");
    /* Ours, but shorter, longer, older, and from the future. */
    uint64_t lengths[] = {0, b->length - 1, b->length + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        buf_clear(&records);
        put_block(&records, b->id, lengths[i], b->generation_stamp);
        must(report("DS-fake", &records, 1), "a wrong length");
        must(incremental("DS-fake", PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED, b->id,
                         lengths[i], b->generation_stamp),
             "a wrong length received");
    }
    uint64_t stamps[] = {0, b->generation_stamp - 1, b->generation_stamp + 100000, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
        buf_clear(&records);
        put_block(&records, b->id, b->length, stamps[i]);
        must(report("DS-fake", &records, 1), "a wrong stamp");
        must(incremental("DS-fake", PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED, b->id,
                         b->length, stamps[i]),
             "a wrong stamp received");
    }
    for (int i = 0; i < 3; i++) must(heartbeat("DS-fake", 1000, 1000), "heartbeat");
    buf_release(&records);
}

/* In the name of the real ones' storages: nothing there, deleted. */
static void test_others_storages(void)
{
    struct buf none = {0};

    must_register();
    buf_put_u8(&none, 0);
    none.length = 0;
    for (size_t i = 0; i < blocks->count; i++)
        for (size_t k = 0; k < blocks->blocks[i].replica_count; k++) {
            const struct fs_block *b = &blocks->blocks[i];
            const char *uuid = b->replicas[k].storage_id;
            must(report(uuid, &none, 0), "an empty report of another's storage");
            must(incremental(uuid, PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED, b->id,
                             b->length, b->generation_stamp),
                 "a deletion on another's storage");
        }
    /* In the name of a real one, from an address that is not its. */
    id.datanodeuuid = (char *)(uintptr_t)blocks->blocks[0].replicas[0].uuid;
    must(report(blocks->blocks[0].replicas[0].storage_id, &none, 0), "another's full report");
    refused(incremental(blocks->blocks[0].replicas[0].storage_id,
                        PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED,
                        blocks->blocks[0].id, blocks->blocks[0].length,
                        blocks->blocks[0].generation_stamp),
            "is expected to serve this storage");
    buf_release(&none);
}

/* The same UUID twice, as of a copied data directory: the last one that registers is it, until the other registers again. */
static void test_same_uuid(void)
{
    struct buf none = {0};

    id.datanodeuuid = (char *)(uintptr_t)blocks->blocks[0].replicas[0].uuid;
    must_register();
    buf_put_u8(&none, 0);
    none.length = 0;
    must(heartbeat("DS-copy", 1000, 1000), "heartbeat");
    must(report("DS-copy", &none, 0), "report");
    buf_release(&none);
}

/* ---- bytes that are no report ---- */

static void test_damage(void)
{
    struct buf records = {0};

    must_register();
    put_block(&records, blocks->blocks[0].id, blocks->blocks[0].length, 1);
    refused(report("DS-fake", &records, 2), "block report");
    refused(report("DS-fake", &records, UINT64_MAX), "block report");
    refused(report("DS-fake", &records, 0), "block report");
    records.length--;
    refused(report("DS-fake", &records, 1), "block report");
    buf_clear(&records);
    for (int i = 0; i < 1000; i++) buf_put_u8(&records, 0xff);
    refused(report("DS-fake", &records, 10), "block report");
    buf_release(&records);
    must(heartbeat("DS-fake", UINT64_MAX, UINT64_MAX), "a capacity beyond all");
    must(heartbeat("DS-fake", 0, UINT64_MAX / 2), "more left than there is");
    for (int i = 0; i < 2000; i++) {
        char uuid[40];
        snprintf(uuid, sizeof uuid, "DS-of-many-%d", i);
        (void)!incremental(uuid, 99, 1, 1, 1);
    }
}

/* Without end: the namenode must not grow with it. */
static void test_endless(void)
{
    struct buf records = {0};
    struct rand rand;

    rand_seed(&rand, 1);
    must_register();
    must(heartbeat("DS-fake", 1000, 1000), "heartbeat");
    for (int n = 0; n < 60; n++) {
        buf_clear(&records);
        for (int i = 0; i < 20000; i++) put_block(&records, rand_u64(&rand) >> 1, 1, 1);
        must(report("DS-fake", &records, 20000), "report");
    }
    buf_release(&records);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"identity", test_identity}, {"blocks", test_blocks}, {"others", test_others_storages},
        {"uuid", test_same_uuid},    {"damage", test_damage}, {"endless", test_endless},
    };
    struct conf *conf = conf_new();
    Pb__VersionRequestRequest request = PB__VERSION_REQUEST_REQUEST__INIT;
    Pb__VersionRequestResponse *response;

    if (argc != 4) DIE("usage: hostile_datanode URI TEST FILE");
    if (fs_connect(conf, argv[1], NULL, &fs, &err)) DIE("%s", err.text);
    if (fs_block_locations(fs, argv[3], 0, INT64_MAX, &blocks, &err) || !blocks->count)
        DIE("%s: %s", argv[3], err.text);
    if (call("versionRequest", &request, &pb__version_request_response__descriptor, &response))
        DIE("versionRequest: %s", err.text);
    info = response->info;
    pb__storage_info__init(&identity);
    pb__datanode_id__init(&id);
    pb__block_key__init(&key);
    pb__exported_block_keys__init(&keys);
    pb__datanode_registration__init(&self);
    identity = *info->storageinfo;
    identity.layoutversion = (uint32_t)-57;
    id.ipaddr = id.hostname = (char *)"127.0.0.1";
    id.datanodeuuid = (char *)"fake";
    id.xferport = id.infoport = id.ipcport = FAKE_PORT;
    keys.currentkey = &key;
    self.datanodeid = &id;
    self.storageinfo = &identity;
    self.keys = &keys;
    self.softwareversion = (char *)"3.5.0";
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        if (!str_eq(tests[i].name, argv[2])) continue;
        tests[i].run();
        fs_close(fs);
        conf_free(conf);
        fs_blocks_free(blocks);
        arena_release(&arena);
        return 0;
    }
    DIE("no test %s", argv[2]);
}
