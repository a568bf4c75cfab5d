/* A writer: create, addBlock, a pipeline of datanodes with its repair, complete (DFSOutputStream, DataStreamer). */
#include "tests/sim/sim.h"

enum { CHUNKS = 4, TRIES = 12, COMPLETE_TRIES = 20 };

struct writer {
    struct actor *actor;
    struct sim_client *client;
    const char *path;
    uint64_t file_id;
    Pb__ExtendedBlock *block; /* as the namenode knows it; NULL before the first */
    uint32_t nodes[SIM_NODES_MAX], node_count;
    uint64_t incarnations[SIM_NODES_MAX];
    uint32_t bad[SIM_DATANODES_MAX], bad_count;
};

static bool is_alive(const struct writer *w, uint32_t at)
{
    const struct sim_datanode *dn = &datanodes[w->nodes[at]];

    return dn_serves(dn) && dn->incarnation == w->incarnations[at];
}

static void take_nodes(struct writer *w, const Pb__LocatedBlock *located)
{
    w->node_count = 0;
    for (size_t i = 0; i < located->n_locs && i < SIM_NODES_MAX; i++) {
        const struct sim_datanode *dn = dn_by_uuid(located->locs[i]->id->datanodeuuid);
        w->nodes[w->node_count] = dn->index;
        w->incarnations[w->node_count++] = dn->incarnation;
    }
}

static Pb__DatanodeInfo **infos_of(struct writer *w, const uint32_t *nodes, uint32_t count)
{
    struct arena *arena = actor_arena(w->actor);
    Pb__DatanodeInfo **infos = ARENA_ARRAY(arena, Pb__DatanodeInfo *, count + 1);

    for (uint32_t i = 0; i < count; i++) {
        struct sim_datanode *dn = &datanodes[nodes[i]];
        infos[i] = arena_alloc(arena, sizeof **infos);
        pb__datanode_info__init(infos[i]);
        infos[i]->id = arena_alloc(arena, sizeof *infos[i]->id);
        pb__datanode_id__init(infos[i]->id);
        infos[i]->id->ipaddr = infos[i]->id->hostname = dn->peer.ip;
        infos[i]->id->datanodeuuid = dn->uuid;
        infos[i]->id->xferport = 9866;
    }
    return infos;
}

static int call(struct writer *w, const char *method, const void *request, void *response)
{
    return rpc(w->actor, &w->client->peer, method, request, response, true);
}

static bool add_block(struct writer *w)
{
    Pb__AddBlockRequest request = PB__ADD_BLOCK_REQUEST__INIT;
    Pb__AddBlockResponse *response;

    request.src = (char *)(uintptr_t)w->path;
    request.clientname = w->client->name;
    request.previous = w->block;
    request.has_fileid = true;
    request.fileid = w->file_id;
    for (int i = 0; i < TRIES; i++) {
        request.excludenodes = infos_of(w, w->bad, w->bad_count);
        request.n_excludenodes = w->bad_count;
        int rc = call(w, "addBlock", &request, &response);
        if (!rc) {
            w->block = response->block->b;
            take_nodes(w, response->block);
            return true;
        }
        if (rc != ERR_IO && rc != ERR_SAFE_MODE && rc != ERR_NOT_REPLICATED_YET)
            sim_trace("addBlock: %s", rpc_error());
        if (i > 3) w->bad_count = 0;
        actor_sleep(w->actor, between(500, 8000));
    }
    return false;
}

static void abandon(struct writer *w, Pb__ExtendedBlock *previous)
{
    Pb__AbandonBlockRequest request = PB__ABANDON_BLOCK_REQUEST__INIT;
    Pb__AbandonBlockResponse *response;

    request.b = w->block;
    request.src = (char *)(uintptr_t)w->path;
    request.holder = w->client->name;
    request.has_fileid = true;
    request.fileid = w->file_id;
    (void)!call(w, "abandonBlock", &request, &response);
    w->block = previous;
}

static void note_bad(struct writer *w, uint32_t node)
{
    if (w->bad_count < SIM_DATANODES_MAX) w->bad[w->bad_count++] = node;
}

/* All stages must take the block; one that does not is named and left out. */
static bool connect_all(struct writer *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct sim_datanode *dn = &datanodes[w->nodes[i]];
        if (is_alive(w, i) && !dn->full && !dn_replica(dn, w->block->blockid)) continue;
        note_bad(w, w->nodes[i]);
        return false;
    }
    for (uint32_t i = 0; i < w->node_count; i++)
        dn_new_replica(&datanodes[w->nodes[i]], w->block->blockid, w->block->generationstamp,
                       REPLICA_RBW);
    return true;
}

static bool all_alive(const struct writer *w)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct replica *replica = dn_replica(&datanodes[w->nodes[i]], w->block->blockid);
        if (!is_alive(w, i) || !replica || replica->stamp != w->block->generationstamp)
            return false;
    }
    return w->node_count > 0;
}

static void drop_dead(struct writer *w)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < w->node_count; i++) {
        struct replica *replica = dn_replica(&datanodes[w->nodes[i]], w->block->blockid);
        bool good = is_alive(w, i) && replica && replica->stamp == w->block->generationstamp;
        if (!good) note_bad(w, w->nodes[i]);
        if (!good) continue;
        w->nodes[kept] = w->nodes[i];
        w->incarnations[kept++] = w->incarnations[i];
    }
    w->node_count = kept;
}

/* A datanode in place of those that failed, with what the first of the others has. */
static void replace_node(struct writer *w)
{
    Pb__GetAdditionalDatanodeRequest request = PB__GET_ADDITIONAL_DATANODE_REQUEST__INIT;
    Pb__GetAdditionalDatanodeResponse *response;
    char *storages[SIM_NODES_MAX];

    request.src = (char *)(uintptr_t)w->path;
    request.blk = w->block;
    request.existings = infos_of(w, w->nodes, w->node_count);
    request.n_existings = request.n_existingstorageuuids = w->node_count;
    for (uint32_t i = 0; i < w->node_count; i++) storages[i] = datanodes[w->nodes[i]].storage;
    request.existingstorageuuids = storages;
    request.excludes = infos_of(w, w->bad, w->bad_count);
    request.n_excludes = w->bad_count;
    request.numadditionalnodes = 1;
    request.clientname = w->client->name;
    request.has_fileid = true;
    request.fileid = w->file_id;
    if (call(w, "getAdditionalDatanode", &request, &response)) return;
    drop_dead(w);
    for (size_t i = 0; i < response->block->n_locs && w->node_count; i++) {
        struct sim_datanode *dn = dn_by_uuid(response->block->locs[i]->id->datanodeuuid);
        struct replica *first = dn_replica(&datanodes[w->nodes[0]], w->block->blockid);
        if (!dn_serves(dn) || dn->full || dn_replica(dn, w->block->blockid)) continue;
        if (w->node_count == SIM_NODES_MAX) break;
        struct replica *copy = dn_new_replica(dn, first->id, first->stamp, REPLICA_RBW);
        copy->length = first->length;
        w->nodes[w->node_count] = dn->index;
        w->incarnations[w->node_count++] = dn->incarnation;
    }
}

static bool update_pipeline(struct writer *w, Pb__ExtendedBlock *block)
{
    Pb__UpdatePipelineRequest request = PB__UPDATE_PIPELINE_REQUEST__INIT;
    Pb__UpdatePipelineResponse *response;
    struct arena *arena = actor_arena(w->actor);
    Pb__DatanodeInfo **infos = infos_of(w, w->nodes, w->node_count);

    request.clientname = w->client->name;
    request.oldblock = w->block;
    request.newblock = block;
    request.newnodes = ARENA_ARRAY(arena, Pb__DatanodeID *, w->node_count + 1);
    request.storageids = ARENA_ARRAY(arena, char *, w->node_count + 1);
    request.n_newnodes = request.n_storageids = w->node_count;
    for (uint32_t i = 0; i < w->node_count; i++) {
        request.newnodes[i] = infos[i]->id;
        request.storageids[i] = datanodes[w->nodes[i]].storage;
    }
    return call(w, "updatePipeline", &request, &response) == 0;
}

/* What is left of the pipeline gets a new stamp, and what all of it has. */
static bool repair(struct writer *w, uint64_t acknowledged)
{
    Pb__UpdateBlockForPipelineRequest request = PB__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    Pb__UpdateBlockForPipelineResponse *response;

    drop_dead(w);
    if (!w->node_count) return false;
    if (once_in(2)) replace_node(w);
    request.block = w->block;
    request.clientname = w->client->name;
    if (call(w, "updateBlockForPipeline", &request, &response)) return false;
    drop_dead(w);
    if (!w->node_count) return false;
    Pb__ExtendedBlock *block = arena_copy(actor_arena(w->actor), w->block, sizeof *w->block);
    block->generationstamp = response->block->b->generationstamp;
    block->has_numbytes = true;
    block->numbytes = acknowledged;
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct replica *replica = dn_replica(&datanodes[w->nodes[i]], block->blockid);
        replica->stamp = block->generationstamp;
        if (replica->state == REPLICA_FINALIZED)
            dn_tell(&datanodes[w->nodes[i]], replica,
                    PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED);
    }
    if (!update_pipeline(w, block)) return false;
    w->block = block;
    sim.counts.pipelines++;
    return true;
}

static bool finalize_all(struct writer *w)
{
    if (!all_alive(w)) return false;
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct sim_datanode *dn = &datanodes[w->nodes[i]];
        struct replica *replica = dn_replica(dn, w->block->blockid);
        /* A stage may go before those behind it in the pipeline have finalized. */
        if (sim.faulty && once_in(200)) {
            dn_crash(dn);
            return false;
        }
        replica->state = REPLICA_FINALIZED;
        dn_tell(dn, replica, PB__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED);
    }
    return true;
}

static void extend(struct writer *w, uint64_t length)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct replica *replica = dn_replica(&datanodes[w->nodes[i]], w->block->blockid);
        if (!is_alive(w, i) || !replica || replica->stamp != w->block->generationstamp) continue;
        replica->length = MAX(replica->length, length);
    }
}

static bool write_block(struct writer *w, uint64_t length)
{
    Pb__ExtendedBlock *previous = w->block;
    bool connected = false;
    uint64_t written = 0;

    for (int i = 0; i < TRIES && !connected; i++) {
        if (!add_block(w)) return false;
        connected = connect_all(w);
        if (!connected) abandon(w, previous);
        if (!connected) actor_sleep(w->actor, between(100, 2000));
    }
    if (!connected) return false;
    for (int i = 0; i < TRIES * CHUNKS; i++) {
        actor_sleep(w->actor, between(1, 400));
        if (all_alive(w)) written = MIN(written + length / CHUNKS + 1, length);
        extend(w, written);
        if (written == length && finalize_all(w)) {
            w->block->has_numbytes = true;
            w->block->numbytes = length;
            return true;
        }
        if (!all_alive(w) && !repair(w, written)) return false;
    }
    return false;
}

static bool complete(struct writer *w)
{
    Pb__CompleteRequest request = PB__COMPLETE_REQUEST__INIT;
    Pb__CompleteResponse *response;

    request.src = (char *)(uintptr_t)w->path;
    request.clientname = w->client->name;
    request.last = w->block;
    request.has_fileid = true;
    request.fileid = w->file_id;
    for (int i = 0; i < COMPLETE_TRIES; i++) {
        int rc = call(w, "complete", &request, &response);
        if (!rc && response->result) return true;
        if (rc) sim_trace("complete: %s", rpc_error());
        actor_sleep(w->actor, between(400, 3000));
    }
    return false;
}

static void create(struct writer *w, uint32_t replication)
{
    Pb__CreateRequest request = PB__CREATE_REQUEST__INIT;
    Pb__CreateResponse *response;
    Pb__FsPermission permission = PB__FS_PERMISSION__INIT;

    permission.perm = 0644;
    request.src = (char *)(uintptr_t)w->path;
    request.masked = &permission;
    request.clientname = w->client->name;
    request.createflag = 3; /* CREATE, OVERWRITE */
    request.replication = replication;
    request.blocksize = SIM_BLOCK_SIZE;
    int rc = call(w, "create", &request, &response);
    if (rc) sim_fail("%s", rpc_error());
    w->file_id = response->fs->fileid;
}

bool write_file(struct actor *actor, struct sim_client *client, const char *path,
                uint32_t replication, uint64_t *length)
{
    struct writer w = {.actor = actor, .client = client, .path = path};
    uint32_t blocks = (uint32_t)chance(SIM_BLOCKS_MAX);
    uint64_t total = 0;

    *length = 0;
    client->busy = true;
    create(&w, replication);
    model_delete(client, path);
    struct model_file *file = model_add(client, path, false);
    file->loose = true;
    file->replication = replication;
    client->busy = false;
    for (uint32_t i = 0; i < blocks; i++) {
        uint64_t size =
            i + 1 < blocks ? (uint64_t)SIM_BLOCK_SIZE : 1 + chance((uint64_t)SIM_BLOCK_SIZE);
        if (sim.faulty && once_in(60)) return false; /* the writer dies */
        /* The namenode hears of a block's length with the next one: only then the end of a writer cannot take it away. */
        if (!write_block(&w, size)) return false;
        *length = total;
        total += size;
    }
    if (!complete(&w)) return false;
    *length = total;
    sim.counts.files++;
    return true;
}
