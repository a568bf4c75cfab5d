#include "tests/sim/sim.h"

struct sim_datanode datanodes[SIM_DATANODES_MAX];

enum { HEARTBEAT_MS = 3000, REPORT_MS = 600000, CAPACITY = 1 << 30, NO_INCARNATION = 0 };

/* ---- replicas ---- */

struct replica *dn_replica(struct sim_datanode *dn, uint64_t id)
{
    struct replica *replica;

    HASH_FIND(hh, dn->replicas, &id, sizeof id, replica);
    return replica;
}

struct replica *dn_new_replica(struct sim_datanode *dn, uint64_t id, uint64_t stamp,
                               enum replica_state state)
{
    struct replica *replica = NEW(struct replica);

    sim_require(!dn_replica(dn, id), "a second replica of %" PRIu64, id);
    *replica = (struct replica){.id = id, .stamp = stamp, .state = state};
    HASH_ADD(hh, dn->replicas, id, sizeof replica->id, replica);
    return replica;
}

void dn_drop_replica(struct sim_datanode *dn, struct replica *replica)
{
    HASH_DEL(dn->replicas, replica);
    mem_free(replica);
}

void dn_tell(struct sim_datanode *dn, const struct replica *replica, int status)
{
    GROW(dn->news, dn->news_capacity, dn->news_count + 1);
    dn->news[dn->news_count++] =
        (struct news){{replica->id, replica->stamp, replica->length}, status};
    if (dn->actor) actor_wake(dn->actor);
}

bool dn_serves(const struct sim_datanode *dn)
{
    return dn->up;
}

static bool is_good(const struct replica *replica, uint64_t stamp, uint64_t length)
{
    return replica && replica->state == REPLICA_FINALIZED && !replica->corrupt &&
           replica->stamp == stamp && replica->length == length;
}

uint32_t good_replicas(uint64_t id, uint64_t stamp, uint64_t length, bool up_only)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim.datanode_count; i++)
        if ((!up_only || datanodes[i].up) && is_good(dn_replica(&datanodes[i], id), stamp, length))
            count++;
    return count;
}

bool may_lose(const struct sim_datanode *dn UNUSED, const struct replica *replica)
{
    if (replica->state != REPLICA_FINALIZED) return false;
    for (uint32_t i = 0; i < sim.datanode_count; i++) {
        const struct replica *other = dn_replica(&datanodes[i], replica->id);
        if (other && other->corrupt) return false; /* nobody may know of it yet */
    }
    return good_replicas(replica->id, replica->stamp, replica->length, false) >= 3;
}

struct sim_datanode *dn_by_uuid(const char *uuid)
{
    for (uint32_t i = 0; i < sim.datanode_count; i++)
        if (str_eq(datanodes[i].uuid, uuid)) return &datanodes[i];
    return NULL;
}

/* ---- messages ---- */

struct registration {
    Pb__DatanodeRegistration r;
    Pb__DatanodeID id;
    Pb__StorageInfo info;
    Pb__ExportedBlockKeys keys;
    Pb__BlockKey key;
    Pb__DatanodeStorage storage;
};

/* Namespace and cluster are known: the namenode's format made them. */
static Pb__DatanodeRegistration *registration_of(struct sim_datanode *dn, struct registration *out)
{
    static struct core_identity identity; /* the same in every run of the namenode */

    if (nn_is_up()) identity = nn_core()->identity;
    pb__datanode_registration__init(&out->r);
    pb__datanode_id__init(&out->id);
    pb__storage_info__init(&out->info);
    pb__exported_block_keys__init(&out->keys);
    pb__block_key__init(&out->key);
    pb__datanode_storage__init(&out->storage);
    out->id.ipaddr = out->id.hostname = dn->peer.ip;
    out->id.datanodeuuid = dn->uuid;
    out->id.xferport = 9866;
    out->info.layoutversion = (uint32_t)LAYOUT_DATANODE;
    out->info.namespceid = identity.namespace_id;
    out->info.clusterid = identity.cluster_id;
    out->info.ctime = identity.ctime;
    out->keys.currentkey = &out->key;
    out->r.datanodeid = &out->id;
    out->r.storageinfo = &out->info;
    out->r.keys = &out->keys;
    out->r.softwareversion = (char *)(uintptr_t) "3.5.0";
    out->storage.storageuuid = dn->storage;
    return &out->r;
}

static void go_register(struct actor *actor, struct sim_datanode *dn)
{
    Pb__RegisterDatanodeRequest request = PB__REGISTER_DATANODE_REQUEST__INIT;
    Pb__RegisterDatanodeResponse *response;
    struct registration who;

    if (!nn_is_up()) {
        actor_sleep(actor, 1000);
        return;
    }
    request.registration = registration_of(dn, &who);
    int rc = rpc(actor, &dn->peer, "registerDatanode", &request, &response, false);
    if (rc < 0) sim_fail("registration of %s: %s", dn->peer.ip, rpc_error());
    if (rc) return;
    dn->registered = true;
    dn->next_heartbeat_ms = sim.now_ms;
    dn->next_report_ms = sim.now_ms + between(0, 3000);
}

static void send_news(struct actor *actor, struct sim_datanode *dn)
{
    Pb__BlockReceivedAndDeletedRequest request = PB__BLOCK_RECEIVED_AND_DELETED_REQUEST__INIT;
    Pb__BlockReceivedAndDeletedResponse *response;
    Pb__StorageReceivedDeletedBlocks of = PB__STORAGE_RECEIVED_DELETED_BLOCKS__INIT, *list = &of;
    struct arena *arena = actor_arena(actor);
    size_t count = dn->news_count;
    struct registration who;

    request.registration = registration_of(dn, &who);
    request.blockpoolid = nn_core()->identity.block_pool_id;
    request.blocks = &list;
    request.n_blocks = 1;
    of.storageuuid = dn->storage;
    of.storage = &who.storage;
    of.n_blocks = count;
    of.blocks = ARENA_ARRAY(arena, Pb__ReceivedDeletedBlockInfo *, count);
    for (size_t i = 0; i < count; i++) {
        Pb__ReceivedDeletedBlockInfo *info = of.blocks[i] = arena_alloc(arena, sizeof *info);
        pb__received_deleted_block_info__init(info);
        info->block = arena_alloc(arena, sizeof *info->block);
        pb__block__init(info->block);
        info->block->blockid = dn->news[i].id.id;
        info->block->genstamp = dn->news[i].id.generation_stamp;
        info->block->has_numbytes = true;
        info->block->numbytes = dn->news[i].id.length;
        info->status = (Pb__ReceivedDeletedBlockInfo__BlockStatus)dn->news[i].status;
    }
    uint64_t incarnation = dn->incarnation;
    int rc = rpc(actor, &dn->peer, "blockReceivedAndDeleted", &request, &response, false);
    if (rc == CALL_LOST || incarnation != dn->incarnation) return; /* kept for the next time */
    memmove(dn->news, dn->news + count, (dn->news_count - count) * sizeof *dn->news);
    dn->news_count -= count;
}

static void put_longs(struct sim_datanode *dn, Pb__StorageBlockReport *report, struct arena *arena)
{
    struct replica *replica, *next;
    uint64_t finalized = 0, others = 0;
    size_t n = 2;

    report->blocks = ARENA_ARRAY(arena, uint64_t, 5 + 4 * (size_t)HASH_COUNT(dn->replicas));
    HASH_ITER (hh, dn->replicas, replica, next) {
        if (replica->state != REPLICA_FINALIZED) continue;
        report->blocks[n++] = replica->id;
        report->blocks[n++] = replica->length;
        report->blocks[n++] = replica->stamp;
        finalized++;
    }
    for (int i = 0; i < 3; i++) report->blocks[n++] = UINT64_MAX;
    HASH_ITER (hh, dn->replicas, replica, next) {
        if (replica->state == REPLICA_FINALIZED || replica->state == REPLICA_TEMPORARY) continue;
        report->blocks[n++] = replica->id;
        report->blocks[n++] = replica->length;
        report->blocks[n++] = replica->stamp;
        report->blocks[n++] = replica->state;
        others++;
    }
    report->blocks[0] = finalized;
    report->blocks[1] = others;
    report->n_blocks = n;
}

static void send_report(struct actor *actor, struct sim_datanode *dn)
{
    Pb__BlockReportRequest request = PB__BLOCK_REPORT_REQUEST__INIT;
    Pb__BlockReportResponse *response;
    Pb__StorageBlockReport report = PB__STORAGE_BLOCK_REPORT__INIT, *list = &report;
    Pb__BlockReportContext context = PB__BLOCK_REPORT_CONTEXT__INIT;
    struct registration who;

    request.registration = registration_of(dn, &who);
    request.blockpoolid = nn_core()->identity.block_pool_id;
    request.reports = &list;
    request.n_reports = 1;
    request.context = &context;
    context.totalrpcs = 1;
    context.id = (int64_t)chance(INT64_MAX);
    report.storage = &who.storage;
    put_longs(dn, &report, actor_arena(actor));
    int rc = rpc(actor, &dn->peer, "blockReport", &request, &response, false);
    if (rc == CALL_LOST) return;
    if (rc) sim_trace("report refused: %s", rpc_error());
    if (!rc && response->cmd &&
        response->cmd->cmdtype == PB__DATANODE_COMMAND__TYPE__RegisterCommand)
        dn->registered = false;
    else if (!rc)
        dn->next_report_ms = sim.now_ms + between(REPORT_MS / 2, REPORT_MS);
}

void dn_report_bad(struct actor *actor, struct peer *peer, struct sim_datanode *holder,
                   const struct replica *replica)
{
    Pb__ReportBadBlocksRequest request = PB__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Pb__ReportBadBlocksResponse *response;
    Pb__LocatedBlock located = PB__LOCATED_BLOCK__INIT, *list = &located;
    Pb__ExtendedBlock block = PB__EXTENDED_BLOCK__INIT;
    Pb__DatanodeInfo info = PB__DATANODE_INFO__INIT, *infos = &info;
    Pb__Token token = PB__TOKEN__INIT;
    Pb__StorageType type = PB__STORAGE_TYPE__DISK;
    struct registration who;
    char *storage = holder->storage;

    if (!nn_is_up()) return;
    registration_of(holder, &who);
    info.id = &who.id;
    block.poolid = nn_core()->identity.block_pool_id;
    block.blockid = replica->id;
    block.generationstamp = replica->stamp;
    token.service = token.kind = (char *)(uintptr_t) "";
    located.b = &block;
    located.locs = &infos;
    located.n_locs = located.n_storageids = located.n_storagetypes = 1;
    located.storageids = &storage;
    located.storagetypes = &type;
    located.blocktoken = &token;
    request.blocks = &list;
    request.n_blocks = 1;
    (void)!rpc(actor, peer, "reportBadBlocks", &request, &response, false);
}

/* ---- orders ---- */

struct order { /* one block of a command, for an actor of its own */
    struct sim_datanode *dn;
    uint64_t incarnation;
    struct block_id id;
    uint32_t targets[SIM_NODES_MAX], count;
    uint64_t recovery_id;
};

static bool is_same(const struct order *order)
{
    return order->dn->up && order->dn->incarnation == order->incarnation;
}

static struct order *new_order(struct sim_datanode *dn, uint64_t id, uint64_t stamp,
                               uint64_t length)
{
    struct order *order = NEW(struct order);

    *order = (struct order){.dn = dn, .incarnation = dn->incarnation, .id = {id, stamp, length}};
    return order;
}

static void add_target(struct order *order, const char *uuid)
{
    const struct sim_datanode *dn = dn_by_uuid(uuid);

    if (dn && order->count < SIM_NODES_MAX) order->targets[order->count++] = dn->index;
}

static void copy_block(struct actor *actor, void *arg)
{
    struct order *order = arg;

    for (uint32_t i = 0; i < order->count; i++) {
        struct sim_datanode *target = &datanodes[order->targets[i]];
        actor_sleep(actor, between(10, 3000));
        struct replica *source = is_same(order) ? dn_replica(order->dn, order->id.id) : NULL;
        if (!source || source->state != REPLICA_FINALIZED ||
            source->stamp != order->id.generation_stamp)
            break;
        if (source->corrupt) {
            struct replica bad = *source;
            dn_report_bad(actor, &order->dn->peer, order->dn, &bad);
            break;
        }
        if (!dn_serves(target) || target->full || dn_replica(target, source->id)) continue;
        struct replica *copy = dn_new_replica(target, source->id, source->stamp, REPLICA_FINALIZED);
        copy->length = source->length;
        dn_tell(target, copy, PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED);
        sim.counts.copies++;
    }
    mem_free(order);
}

static void delete_block(struct actor *actor, void *arg)
{
    struct order *order = arg;

    actor_sleep(actor, between(0, 2000));
    struct replica *replica = is_same(order) ? dn_replica(order->dn, order->id.id) : NULL;
    if (replica && replica->stamp == order->id.generation_stamp) {
        if (order->id.length != (uint64_t)INT64_MAX)
            dn_tell(order->dn, replica, PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED);
        dn_drop_replica(order->dn, replica);
        sim.counts.deletions++;
    }
    mem_free(order);
}

/* Who takes part in a recovery and with which length (BlockRecoveryWorker): finalized replicas rule, then those being written, then
 * those that waited through a restart. */
static uint32_t choose_members(const struct order *order, struct replica **members, uint32_t *nodes,
                               uint64_t *length)
{
    enum replica_state best = REPLICA_RUR;
    uint32_t count = 0;

    *length = UINT64_MAX;
    for (uint32_t i = 0; i < order->count; i++) {
        struct sim_datanode *dn = &datanodes[order->targets[i]];
        struct replica *replica = dn_serves(dn) ? dn_replica(dn, order->id.id) : NULL;
        if (!replica || replica->stamp < order->id.generation_stamp ||
            replica->recovery_id >= order->recovery_id || replica->stamp >= order->recovery_id)
            continue;
        if (replica->state > best) continue;
        if (replica->state < best) {
            best = replica->state;
            count = 0;
            *length = UINT64_MAX;
        }
        *length = MIN(*length, replica->length);
        nodes[count] = dn->index;
        members[count++] = replica;
    }
    if (count && best == REPLICA_FINALIZED)
        for (uint32_t i = 0; i < count; i++)
            sim_require(members[i]->length == *length, "finalized replicas of %" PRIu64 " differ",
                        order->id.id);
    return count;
}

static Pb__DatanodeID *make_id(struct arena *arena, uint32_t index)
{
    struct registration who;

    registration_of(&datanodes[index], &who);
    return arena_copy(arena, &who.id, sizeof who.id);
}

static void recover_block(struct actor *actor, void *arg)
{
    Pb__CommitBlockSynchronizationRequest request = PB__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    Pb__CommitBlockSynchronizationResponse *response;
    Pb__ExtendedBlock block = PB__EXTENDED_BLOCK__INIT;
    struct order *order = arg;
    struct replica *members[SIM_NODES_MAX];
    struct arena *arena = actor_arena(actor);
    uint32_t nodes[SIM_NODES_MAX];
    uint64_t length;

    actor_sleep(actor, between(10, 2000));
    uint32_t count = is_same(order) ? choose_members(order, members, nodes, &length) : 0;
    if (!is_same(order) || !nn_is_up()) goto out;
    block.poolid = arena_strdup(arena, nn_core()->identity.block_pool_id);
    block.blockid = order->id.id;
    block.generationstamp = order->id.generation_stamp;
    request.block = &block;
    request.newgenstamp = order->recovery_id;
    request.closefile = true;
    request.deleteblock = !count || !length;
    request.newlength = request.deleteblock ? 0 : length;
    request.newtaragets = ARENA_ARRAY(arena, Pb__DatanodeID *, SIM_NODES_MAX);
    request.newtargetstorages = ARENA_ARRAY(arena, char *, SIM_NODES_MAX);
    for (uint32_t i = 0; i < count && !request.deleteblock; i++) {
        members[i]->length = length;
        members[i]->stamp = members[i]->recovery_id = order->recovery_id;
        members[i]->state = REPLICA_FINALIZED;
        dn_tell(&datanodes[nodes[i]], members[i],
                PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED);
        request.newtaragets[i] = make_id(arena, nodes[i]);
        request.newtargetstorages[i] = datanodes[nodes[i]].storage;
    }
    request.n_newtaragets = request.n_newtargetstorages = request.deleteblock ? 0 : count;
    /* Nobody of those asked has it: that may be so for now only, as long as one of them does not answer. */
    if (!count)
        for (uint32_t i = 0; i < order->count; i++)
            if (!dn_serves(&datanodes[order->targets[i]])) goto out;
    actor_sleep(actor, between(0, 500));
    sim.counts.recoveries++;
    if (rpc(actor, &order->dn->peer, "commitBlockSynchronization", &request, &response, false) < 0)
        sim_trace("recovery refused: %s", rpc_error());
out:
    mem_free(order);
}

static void take_block_command(struct sim_datanode *dn, const Pb__BlockCommand *command)
{
    for (size_t i = 0; i < command->n_blocks; i++) {
        const Pb__Block *block = command->blocks[i];
        struct order *order = new_order(dn, block->blockid, block->genstamp, block->numbytes);
        if (command->action == PB__BLOCK_COMMAND__ACTION__INVALIDATE) {
            actor_start(delete_block, order);
            continue;
        }
        for (size_t k = 0; i < command->n_targets && k < command->targets[i]->n_datanodes; k++)
            add_target(order, command->targets[i]->datanodes[k]->id->datanodeuuid);
        actor_start(copy_block, order);
    }
}

static void take_recovery(struct sim_datanode *dn, const Pb__RecoveringBlock *recovering)
{
    const Pb__LocatedBlock *located = recovering->block;
    struct order *order = new_order(dn, located->b->blockid, located->b->generationstamp, 0);

    order->recovery_id = recovering->newgenstamp;
    for (size_t i = 0; i < located->n_locs; i++)
        add_target(order, located->locs[i]->id->datanodeuuid);
    actor_start(recover_block, order);
}

static void take_command(struct sim_datanode *dn, const Pb__DatanodeCommand *command)
{
    if (command->cmdtype == PB__DATANODE_COMMAND__TYPE__RegisterCommand) dn->registered = false;
    if (command->blkcmd) take_block_command(dn, command->blkcmd);
    for (size_t i = 0; command->recoverycmd && i < command->recoverycmd->n_blocks; i++)
        take_recovery(dn, command->recoverycmd->blocks[i]);
}

static void send_heartbeat(struct actor *actor, struct sim_datanode *dn)
{
    Pb__SendHeartbeatRequest request = PB__SEND_HEARTBEAT_REQUEST__INIT;
    Pb__SendHeartbeatResponse *response;
    Pb__StorageReport report = PB__STORAGE_REPORT__INIT, *list = &report;
    struct registration who;
    uint64_t used = 0, incarnation = dn->incarnation;
    struct replica *replica, *next;

    HASH_ITER (hh, dn->replicas, replica, next) used += replica->length;
    request.registration = registration_of(dn, &who);
    request.reports = &list;
    request.n_reports = 1;
    report.storageuuid = dn->storage;
    report.storage = &who.storage;
    report.has_capacity = report.has_dfsused = report.has_remaining = true;
    report.capacity = CAPACITY;
    report.dfsused = used;
    report.remaining = dn->full || used > CAPACITY ? 0 : CAPACITY - used;
    int rc = rpc(actor, &dn->peer, "sendHeartbeat", &request, &response, false);
    if (rc || incarnation != dn->incarnation) return;
    for (size_t i = 0; i < response->n_cmds; i++) take_command(dn, response->cmds[i]);
}

/* ---- life ---- */

static void serve(struct actor *actor, void *arg)
{
    struct sim_datanode *dn = arg;
    uint64_t incarnation = dn->incarnation;

    while (dn->up && dn->incarnation == incarnation) {
        arena_clear(actor_arena(actor));
        if (!dn->registered)
            go_register(actor, dn);
        else if (!nn_is_up())
            actor_sleep(actor, 1000);
        else if (dn->news_count)
            send_news(actor, dn);
        else if (sim.now_ms >= dn->next_heartbeat_ms) {
            dn->next_heartbeat_ms = sim.now_ms + HEARTBEAT_MS;
            send_heartbeat(actor, dn);
        } else if (sim.now_ms >= dn->next_report_ms)
            send_report(actor, dn);
        else
            actor_sleep(actor, MIN(dn->next_heartbeat_ms, dn->next_report_ms) - sim.now_ms);
    }
    if (dn->actor == actor) dn->actor = NULL;
}

void dn_setup(uint32_t index)
{
    struct sim_datanode *dn = &datanodes[index];

    *dn = (struct sim_datanode){.index = index};
    snprintf(dn->peer.ip, sizeof dn->peer.ip, "10.0.%u.%u", index % sim.rack_count, index + 1);
    snprintf(dn->rack, sizeof dn->rack, "/rack%u", index % sim.rack_count);
    snprintf(dn->uuid, sizeof dn->uuid, "dn-%u", index);
    snprintf(dn->storage, sizeof dn->storage, "DS-%u", index);
}

void dn_start(struct sim_datanode *dn)
{
    if (dn->up) return;
    dn->up = true;
    dn->registered = false;
    dn->incarnation++;
    dn->actor = actor_start(serve, dn);
}

/* What was being written waits for its recovery; what was being copied is thrown away. */
void dn_crash(struct sim_datanode *dn)
{
    struct replica *replica, *next;

    if (!dn->up) return;
    dn->up = false;
    dn->incarnation++;
    dn->news_count = 0;
    dn->actor = NULL;
    HASH_ITER (hh, dn->replicas, replica, next)
        if (replica->state == REPLICA_RBW) replica->state = REPLICA_RWR;
    sim.counts.node_crashes++;
}

/* Comes back with an empty disk, which is another storage. */
void dn_lose_disk(struct sim_datanode *dn)
{
    static uint32_t disks;
    struct replica *replica, *next;

    dn_crash(dn);
    HASH_ITER (hh, dn->replicas, replica, next) dn_drop_replica(dn, replica);
    snprintf(dn->storage, sizeof dn->storage, "DS-%u-%u", dn->index, ++disks);
    sim.counts.disks_lost++;
}
