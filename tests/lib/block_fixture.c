#include "tests/lib/block_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/log.h"
#include "namenode/block_manager.h"
#include "namenode/dn_admin.h"
#include "namenode/monitor.h"
#include "namenode/redundancy.h"
#include "namenode/safemode.h"
#include "namenode/topology.h"

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void fixture_init(struct fixture *f)
{
    log_set_level(LOG_ERROR);
    struct conf *conf = conf_new();
    struct err err = ERR_INIT;

    *f = (struct fixture){.next_file = 20000, .next_block = BLOCK_ID_FIRST};
    REQUIRE(core_conf_load(&f->core.conf, conf, &err) == 0);
    f->core.conf.supergroup = "supergroup";
    conf_free(conf);
    snprintf(f->core.identity.cluster_id, sizeof f->core.identity.cluster_id, "CID-test");
    snprintf(f->core.identity.block_pool_id, sizeof f->core.identity.block_pool_id,
             "BP-1-127.0.0.1-1");
    f->core.identity.namespace_id = 42;
    f->core.identity.layout_version = LAYOUT_NAMENODE;
    f->core.now_ms = FIXTURE_START_MS;
    f->core.now_wall_ms = INT64_C(1700000000000);
    f->core.random = 7;
    REQUIRE(core_init(&f->core, &err) == 0);
    f->core.generation_stamp = 2000;
    safemode_start(&f->core);
    REQUIRE(!safemode_is_on(&f->core));
}

void fixture_release(struct fixture *f)
{
    core_release(&f->core);
    arena_release(&f->arena);
}

struct op fixture_op(struct fixture *f, const char *ip)
{
    return (struct op){.arena = &f->arena, .user = "hdfs", .superuser = true, .client_ip = ip};
}

/* ---- registration ---- */

static void fill_registration(struct fixture *f, Pb__DatanodeRegistration *r, const char *ip,
                              const char *uuid)
{
    Pb__DatanodeID *id = ARENA_NEW(&f->arena, Pb__DatanodeID);
    Pb__StorageInfo *info = ARENA_NEW(&f->arena, Pb__StorageInfo);
    Pb__ExportedBlockKeys *keys = ARENA_NEW(&f->arena, Pb__ExportedBlockKeys);

    pb__datanode_registration__init(r);
    pb__datanode_id__init(id);
    pb__storage_info__init(info);
    pb__exported_block_keys__init(keys);
    id->ipaddr = arena_strdup(&f->arena, ip);
    id->hostname = arena_printf(&f->arena, "host-%s", ip);
    id->datanodeuuid = arena_strdup(&f->arena, uuid);
    id->xferport = 9866;
    id->infoport = 9864;
    id->ipcport = 9867;
    info->layoutversion = (uint32_t)LAYOUT_DATANODE;
    info->namespceid = f->core.identity.namespace_id;
    info->clusterid = f->core.identity.cluster_id;
    r->datanodeid = id;
    r->storageinfo = info;
    r->keys = keys;
    r->softwareversion = (char *)"3.5.0";
}

int fixture_register(struct fixture *f, const char *ip, const char *uuid, struct err *err)
{
    Pb__RegisterDatanodeRequest request = PB__REGISTER_DATANODE_REQUEST__INIT;
    Pb__RegisterDatanodeResponse response = PB__REGISTER_DATANODE_RESPONSE__INIT;
    Pb__DatanodeRegistration r;
    struct op op = fixture_op(f, ip);

    fill_registration(f, &r, ip, uuid);
    request.registration = &r;
    return op_register_datanode(&f->core, &op, &request, &response, err);
}

struct storage *fixture_storage(struct datanode *node, int index)
{
    char name[128];

    snprintf(name, sizeof name, "%s-%d", node->ip, index);
    return dn_find_storage(node, name);
}

Pb__SendHeartbeatResponse *fixture_heartbeat(struct fixture *f, struct datanode *node)
{
    Pb__SendHeartbeatRequest request = PB__SEND_HEARTBEAT_REQUEST__INIT;
    Pb__SendHeartbeatResponse *response = ARENA_NEW(&f->arena, Pb__SendHeartbeatResponse);
    Pb__DatanodeRegistration r;
    struct op op = fixture_op(f, node->ip);
    struct storage *storage;
    struct err err = ERR_INIT;

    pb__send_heartbeat_response__init(response);
    fill_registration(f, &r, node->ip, node->uuid);
    request.registration = &r;
    request.reports = ARENA_ARRAY(&f->arena, Pb__StorageReport *, node->storage_count + 1);
    LIST_FOREACH (storage, &node->storages, of_datanode) {
        Pb__StorageReport *report = ARENA_NEW(&f->arena, Pb__StorageReport);
        pb__storage_report__init(report);
        report->storageuuid = storage->uuid;
        report->has_failed = 1;
        report->failed = storage->failed;
        report->capacity = (uint64_t)1 << 40;
        report->remaining = storage->remaining;
        request.reports[request.n_reports++] = report;
    }
    return op_send_heartbeat(&f->core, &op, &request, response, &err) == 0 ? response : NULL;
}

struct datanode *fixture_node(struct fixture *f, const char *ip, const char *rack, int storages)
{
    char uuid[64], name[128];
    struct err err = ERR_INIT;

    topology_learn(f->core.datanodes.topology, ip, rack);
    snprintf(uuid, sizeof uuid, "uuid-%s", ip);
    REQUIRE(fixture_register(f, ip, uuid, &err) == 0);
    struct datanode *node = dn_find(&f->core.datanodes, uuid);
    dn_stats_leave(&f->core.datanodes, node);
    for (int i = 0; i < storages; i++) {
        snprintf(name, sizeof name, "%s-%d", ip, i);
        struct storage *storage = dn_find_storage(node, name);
        if (!storage) storage = dn_add_storage(&f->core.datanodes, node, name, STORAGE_DISK);
        storage->capacity = (uint64_t)1 << 40;
        storage->remaining = (uint64_t)1 << 39;
    }
    dn_stats_enter(&f->core.datanodes, node);
    REQUIRE(fixture_heartbeat(f, node));
    for (int i = 0; i < storages; i++)
        REQUIRE(fixture_full_report(f, fixture_storage(node, i), NULL, 0, &err) == 0);
    return node;
}

/* ---- files ---- */

struct inode *fixture_file(struct fixture *f, uint16_t replication)
{
    char name[32];
    struct err err = ERR_INIT;
    struct inode *file = inode_new(f->core.tree.inodes, INODE_FILE, f->next_file);

    snprintf(name, sizeof name, "f%" PRIu64, f->next_file++);
    inode_set_name(f->core.tree.inodes, file, name, strlen(name));
    inode_set_owner(f->core.tree.inodes, file, "hdfs", "supergroup");
    REQUIRE(inode_set_block_size(f->core.tree.inodes, file, FIXTURE_BLOCK, &err) == 0);
    file->replication = replication;
    tree_link(&f->core.tree, f->core.tree.root, file);
    return file;
}

static struct block *add_block(struct fixture *f, uint16_t replication, enum block_state state,
                               uint64_t length)
{
    struct inode *file = fixture_file(f, replication);
    struct block_id id = {.id = f->next_block++, .generation_stamp = 1001, .length = length};
    struct block *block = blocks_add(&f->core, file, &id, state);

    f->core.block_id_last = MAX(f->core.block_id_last, id.id);
    inode_append_block(file, block);
    return block;
}

struct block *fixture_block(struct fixture *f, uint16_t replication)
{
    return add_block(f, replication, BLOCK_COMPLETE, 1000);
}

struct block *fixture_open_block(struct fixture *f, uint16_t replication,
                                 struct storage *const *storages, size_t count)
{
    struct block *block = add_block(f, replication, BLOCK_UNDER_CONSTRUCTION, 0);

    blocks_set_expected(&f->core, block, storages, count);
    return block;
}

/* ---- reports ---- */

void fixture_told(struct fixture *f, struct storage *storage, uint64_t id, uint64_t stamp,
                  uint64_t length, int status, const char *hint)
{
    Pb__BlockReceivedAndDeletedRequest request = PB__BLOCK_RECEIVED_AND_DELETED_REQUEST__INIT;
    Pb__BlockReceivedAndDeletedResponse response = PB__BLOCK_RECEIVED_AND_DELETED_RESPONSE__INIT;
    Pb__StorageReceivedDeletedBlocks report = PB__STORAGE_RECEIVED_DELETED_BLOCKS__INIT,
                                     *reports = &report;
    Pb__ReceivedDeletedBlockInfo info = PB__RECEIVED_DELETED_BLOCK_INFO__INIT, *infos = &info;
    Pb__Block block = PB__BLOCK__INIT;
    Pb__DatanodeRegistration r;
    struct op op = fixture_op(f, storage->datanode->ip);
    struct err err = ERR_INIT;

    fill_registration(f, &r, storage->datanode->ip, storage->datanode->uuid);
    block.blockid = id;
    block.genstamp = stamp;
    block.has_numbytes = 1;
    block.numbytes = length;
    info.block = &block;
    info.status = (Pb__ReceivedDeletedBlockInfo__BlockStatus)status;
    info.deletehint = (char *)hint;
    report.storageuuid = storage->uuid;
    report.n_blocks = 1;
    report.blocks = &infos;
    request.registration = &r;
    request.n_blocks = 1;
    request.blocks = &reports;
    REQUIRE(op_block_received_and_deleted(&f->core, &op, &request, &response, &err) == 0);
}

void fixture_received(struct fixture *f, struct storage *storage, const struct block *block)
{
    fixture_told(f, storage, block->id, block->generation_stamp, block->length, 2, NULL);
}

int fixture_full_report(struct fixture *f, struct storage *storage, struct block *const *blocks,
                        size_t count, struct err *err)
{
    Pb__BlockReportRequest request = PB__BLOCK_REPORT_REQUEST__INIT;
    Pb__BlockReportResponse response = PB__BLOCK_REPORT_RESPONSE__INIT;
    Pb__StorageBlockReport report = PB__STORAGE_BLOCK_REPORT__INIT, *reports = &report;
    Pb__DatanodeStorage described = PB__DATANODE_STORAGE__INIT;
    Pb__DatanodeRegistration r;
    ProtobufCBinaryData chunk;
    struct op op = fixture_op(f, storage->datanode->ip);
    struct buf records = {0};
    int rc;

    for (size_t i = 0; i < count; i++) {
        int64_t id = (int64_t)blocks[i]->id;
        buf_put_varint(&records, ((uint64_t)id << 1) ^ (uint64_t)(id >> 63));
        buf_put_varint(&records, blocks[i]->length);
        buf_put_varint(&records, blocks[i]->generation_stamp);
        buf_put_varint(&records, REPLICA_FINALIZED);
    }
    fill_registration(f, &r, storage->datanode->ip, storage->datanode->uuid);
    chunk.data = records.data;
    chunk.len = records.length;
    described.storageuuid = storage->uuid;
    report.storage = &described;
    report.has_numberofblocks = 1;
    report.numberofblocks = count;
    report.n_blocksbuffers = 1;
    report.blocksbuffers = &chunk;
    request.registration = &r;
    request.n_reports = 1;
    request.reports = &reports;
    rc = op_block_report(&f->core, &op, &request, &response, err);
    buf_release(&records);
    return rc;
}

/* ---- time ---- */

void fixture_pass(struct fixture *f, int64_t ms, bool heartbeats)
{
    struct datanode *node, *next;

    for (int64_t passed = 0; passed < ms; passed += SECOND_MS) {
        f->core.now_ms += SECOND_MS;
        f->core.now_wall_ms += SECOND_MS;
        HASH_ITER (hh, f->core.datanodes.by_uuid, node, next)
            if (heartbeats && node->alive) node->heartbeat_ms = f->core.now_ms;
        core_tick(&f->core);
        for (int i = 0; i < 100 && core_work(&f->core); i++) {}
    }
    arena_clear(&f->arena);
}

/* ---- everything agrees ---- */

static void check_block(struct fixture *f, struct block *block)
{
    struct core *core = &f->core;
    size_t count;
    const uint32_t *list = block_storages(core->blocks, block, &count);
    uint32_t reference = block_reference(block), corrupt = 0, queues = 0;
    struct replica_numbers numbers;

    REQUIRE(block_at(core->blocks, reference) == block);
    REQUIRE(block_find(core->blocks, block->id) == block);
    for (size_t i = 0; i < count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, list[i]);
        REQUIRE(storage && roaring_bitmap_contains(storage->blocks, reference));
        corrupt += replica_corrupt(core, block, list[i]) != NULL;
        for (size_t k = 0; k < i; k++)
            REQUIRE(dn_storage(&core->datanodes, list[k])->datanode != storage->datanode);
    }
    REQUIRE(corrupt == block->corrupt_count);
    REQUIRE(block_is_complete(block) == (block_uc(core, block) == NULL));
    for (int level = 0; level < REDUNDANCY_LEVELS; level++)
        queues += roaring_bitmap_contains(core->manager->queues[level], reference);
    REQUIRE(queues == block->queued);
    REQUIRE(block->pending == (redundancy_pending(core, block) > 0));
    if (!core->manager->populating || core->manager->scanning ||
        !TAILQ_EMPTY(&core->manager->purges))
        return;
    replicas_count(core, block, &numbers);
    enum redundancy_level level =
        redundancy_level(core, block, &numbers, redundancy_pending(core, block));
    if (level ==
        REDUNDANCY_FINE) /* of those on too few racks one may have gone with its rack: the next look at the queue finds out */
        REQUIRE(!block->queued || core->manager->walk.node ||
                roaring_bitmap_contains(core->manager->queues[REDUNDANCY_BADLY_DISTRIBUTED],
                                        reference));
    else if (!block->queued) {
        fprintf(stderr,
                "block %" PRIu64 " belongs to level %d: live %u gone %u corrupt %u excess %u, "
                "pending %u, wants %u, listed %u, racks %u\n",
                (uint64_t)block->id, level, numbers.of[KIND_LIVE], numbers.of[KIND_GONE],
                numbers.of[KIND_CORRUPT], numbers.of[KIND_EXCESS], redundancy_pending(core, block),
                (unsigned)block->replication, (unsigned)block->replica_count,
                topology_rack_count(core->datanodes.topology));
        abort();
    }
}

void fixture_check(struct fixture *f)
{
    struct core *core = &f->core;
    uint64_t complete = 0, safe = 0, excess = 0, held = 0, listed = 0;

    for (uint32_t i = 1; i < block_reference_end(core->blocks); i++) {
        struct block *block = block_at_or_null(core->blocks, i);
        if (!block) continue;
        check_block(f, block);
        listed += block->replica_count;
        complete += block_is_complete(block);
        safe += block_is_complete(block) &&
                block->replica_count >= block->corrupt_count + core->conf.safemode_replication_min;
    }
    for (uint32_t i = 1; i < core->datanodes.storage_count; i++) {
        struct storage *storage = dn_storage(&core->datanodes, i);
        if (!storage) continue;
        REQUIRE(storage->number == i);
        held += roaring_bitmap_get_cardinality(storage->blocks);
        excess += roaring_bitmap_get_cardinality(storage->excess);
        REQUIRE(roaring_bitmap_is_subset(storage->excess, storage->blocks));
    }
    REQUIRE(held == listed);
    REQUIRE(complete == core->manager->complete_count);
    REQUIRE(safe == core->manager->safe_count);
    REQUIRE(excess == core->manager->excess_count);
}
