#include "client/pipeline.h"

#include <stdio.h>
#include <unistd.h>

#include "client/fs_state.h"
#include "client/located.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "common/xfer_op.h"

enum {
    TIMEOUT_PER_NODE_MS = 5000, /* HdfsConstants.READ_TIMEOUT_EXTENSION */
    REPLACEMENT_TRIES = 3,
    RESTART_PAUSE_MS = 4000, /* the longest between two tries; Java's client only knows this one */
    RESTART_PAUSE_FIRST_MS = 250,
    POLL_FIRST_MS = 5, /* asking the namenode again is cheap */
    TRANSFER_PACKETS_PER_TIMEOUT = 200,
};

void pipeline_init(struct pipeline *pipeline, struct fs *fs, const char *path)
{
    *pipeline = (struct pipeline){
        .fs = fs,
        .path = mem_strdup(path),
        .stage = PIPELINE_CREATE,
        .fd = -1,
        .bad = -1,
        .restarting = -1,
    };
    pb__extended_block__init(&pipeline->block);
}

void pipeline_release(struct pipeline *pipeline)
{
    pipeline_disconnect(pipeline);
    if (pipeline->has_block) mem_free(pipeline->block.poolid);
    mem_free(pipeline->path);
    arena_release(&pipeline->arena);
    arena_release(&pipeline->failure_arena);
}

void pipeline_disconnect(struct pipeline *pipeline)
{
    if (pipeline->fd >= 0) close(pipeline->fd);
    pipeline->fd = -1;
}

void pipeline_end_block(struct pipeline *pipeline)
{
    pipeline_disconnect(pipeline);
    arena_clear(&pipeline->arena);
    pipeline->token = NULL;
    pipeline->count = 0;
    pipeline->bad = pipeline->restarting = -1;
    pipeline->recoveries = 0;
    pipeline->stage = PIPELINE_CREATE;
}

int pipeline_read_timeout_ms(const struct pipeline *pipeline)
{
    int timeout = pipeline->fs->settings.socket_timeout_ms;

    return timeout > 0 ? timeout + TIMEOUT_PER_NODE_MS * (int)pipeline->count : -1;
}

int pipeline_write_timeout_ms(const struct pipeline *pipeline)
{
    int timeout = pipeline->fs->settings.write_timeout_ms;

    return timeout > 0 ? timeout + TIMEOUT_PER_NODE_MS * (int)pipeline->count : -1;
}

/* ---- names, for messages ---- */

static void put_node(struct buf *out, const struct pipeline_node *node)
{
    buf_printf(out, "DatanodeInfoWithStorage[%s:%u,%s,%s]", node->info->id->ipaddr,
               node->info->id->xferport, node->storage_id, fs_storage_type_name((int)node->type));
}

static const char *nodes_text(const struct pipeline *pipeline, struct buf *out)
{
    buf_put_str(out, "[");
    for (unsigned i = 0; i < pipeline->count; i++) {
        if (i) buf_put_str(out, ", ");
        put_node(out, &pipeline->nodes[i]);
    }
    buf_put_str(out, "]");
    return buf_cstr(out);
}

static char *block_text(const struct pipeline *pipeline, char *text)
{
    return located_block_name(&pipeline->block, text, LOCATED_NAME_MAX);
}

/* ---- datanodes ---- */

static bool same_node(const Pb__DatanodeInfo *a, const Pb__DatanodeInfo *b)
{
    return str_eq(a->id->datanodeuuid, b->id->datanodeuuid) &&
           str_eq(a->id->ipaddr, b->id->ipaddr) && a->id->xferport == b->id->xferport;
}

static Pb__DatanodeInfo *copy_node(struct arena *arena, const Pb__DatanodeInfo *info)
{
    size_t size = pb__datanode_info__get_packed_size(info);
    uint8_t *bytes = arena_alloc(arena, size);

    pb__datanode_info__pack(info, bytes);
    Pb__DatanodeInfo *copy = pb__datanode_info__unpack(arena_protobuf(arena), size, bytes);
    assert(copy); /* our own bytes */
    return copy;
}

static void remember_failure(struct pipeline *pipeline, const Pb__DatanodeInfo *info, bool at_setup)
{
    struct pipeline_failure *failure = NULL;

    for (unsigned i = 0; i < pipeline->failure_count && !failure; i++)
        if (same_node(pipeline->failures[i].info, info)) failure = &pipeline->failures[i];
    if (!failure) {
        if (pipeline->failure_count == PIPELINE_FAILURES_MAX) return;
        failure = &pipeline->failures[pipeline->failure_count++];
        *failure = (struct pipeline_failure){.info = copy_node(&pipeline->failure_arena, info)};
    }
    failure->at_setup |= at_setup;
    failure->until_ms = clock_mono_ms() + pipeline->fs->settings.exclude_expiry_ms;
}

static void forget_failure(struct pipeline *pipeline, const Pb__DatanodeInfo *info)
{
    for (unsigned i = 0; i < pipeline->failure_count; i++)
        if (same_node(pipeline->failures[i].info, info)) {
            pipeline->failures[i] = pipeline->failures[--pipeline->failure_count];
            return;
        }
}

/* Those for addBlock's excludeNodes, or all that failed. `list` has room for PIPELINE_FAILURES_MAX.
 */
static size_t failed_nodes(const struct pipeline *pipeline, bool at_setup, Pb__DatanodeInfo **list)
{
    int64_t now = clock_mono_ms();
    size_t n = 0;

    for (unsigned i = 0; i < pipeline->failure_count; i++) {
        const struct pipeline_failure *failure = &pipeline->failures[i];
        if (!at_setup || (failure->at_setup && failure->until_ms > now)) list[n++] = failure->info;
    }
    return n;
}

/* Takes nodes, block and token of what the namenode answered; they live in pipeline->arena. */
static int take_nodes(struct pipeline *pipeline, const Pb__LocatedBlock *block, struct err *err)
{
    static char none[] = "";

    if (block->n_locs > XFER_PIPELINE_MAX)
        return err_set(err, ERR_BAD_MESSAGE, "the namenode chose %zu datanodes for %s",
                       block->n_locs, pipeline->path);
    for (size_t i = 0; i < block->n_locs; i++)
        pipeline->nodes[i] = (struct pipeline_node){
            .info = block->locs[i],
            .type = i < block->n_storagetypes ? block->storagetypes[i] : PB__STORAGE_TYPE__DISK,
            .storage_id = i < block->n_storageids ? block->storageids[i] : none,
        };
    pipeline->count = (unsigned)block->n_locs;
    return 0;
}

static void take_block(struct pipeline *pipeline, const Pb__ExtendedBlock *block, uint64_t length)
{
    if (pipeline->has_block) mem_free(pipeline->block.poolid);
    pipeline->block.poolid = mem_strdup(block->poolid);
    pipeline->block.blockid = block->blockid;
    pipeline->block.generationstamp = block->generationstamp;
    pipeline->block.has_numbytes = true;
    pipeline->block.numbytes = length;
    pipeline->bytes_sent = length;
    pipeline->has_block = true;
}

static void drop_node(struct pipeline *pipeline, unsigned index)
{
    memmove(&pipeline->nodes[index], &pipeline->nodes[index + 1],
            (pipeline->count - index - 1) * sizeof *pipeline->nodes);
    pipeline->count--;
    if (pipeline->restarting == (int)index)
        pipeline->restarting = -1;
    else if (pipeline->restarting > (int)index)
        pipeline->restarting--;
}

/* ---- WRITE_BLOCK ---- */

static const Pb__OpWriteBlock__BlockConstructionStage setup_stages[] = {
    [PIPELINE_CREATE] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE,
    [PIPELINE_APPEND] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND,
    [PIPELINE_STREAMING] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__DATA_STREAMING,
    [PIPELINE_CLOSING] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE,
};
static const Pb__OpWriteBlock__BlockConstructionStage recovery_stages[] = {
    [PIPELINE_CREATE] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE,
    [PIPELINE_APPEND] =
        PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND_RECOVERY,
    [PIPELINE_STREAMING] =
        PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_STREAMING_RECOVERY,
    [PIPELINE_CLOSING] = PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY,
};

static void put_write_block(struct buf *out, const struct pipeline *pipeline,
                            Pb__OpWriteBlock__BlockConstructionStage stage, uint64_t new_stamp)
{
    Pb__BaseHeader base = PB__BASE_HEADER__INIT;
    Pb__ClientOperationHeader header = PB__CLIENT_OPERATION_HEADER__INIT;
    Pb__Checksum checksum = PB__CHECKSUM__INIT;
    Pb__CachingStrategy caching = PB__CACHING_STRATEGY__INIT;
    Pb__OpWriteBlock request = PB__OP_WRITE_BLOCK__INIT;
    Pb__ExtendedBlock block = pipeline->block;
    Pb__DatanodeInfo *targets[XFER_PIPELINE_MAX];
    Pb__StorageType types[XFER_PIPELINE_MAX];
    char *ids[XFER_PIPELINE_MAX];
    unsigned behind = pipeline->count - 1;

    for (unsigned i = 0; i < behind; i++) {
        targets[i] = pipeline->nodes[i + 1].info;
        types[i] = pipeline->nodes[i + 1].type;
        ids[i] = pipeline->nodes[i + 1].storage_id;
    }
    block.numbytes = pipeline->block_size; /* an estimate for choosing the disk */
    base.block = &block;
    base.token = pipeline->token;
    header.baseheader = &base;
    header.clientname = pipeline->fs->client_name;
    checksum.type = (Pb__ChecksumType)pipeline->sum.type;
    checksum.bytesperchecksum = pipeline->sum.bytes_per_checksum;
    request.header = &header;
    request.n_targets = request.n_targetstoragetypes = request.n_targetstorageids = behind;
    request.targets = targets;
    request.targetstoragetypes = types;
    request.targetstorageids = ids;
    request.stage = stage;
    request.pipelinesize = pipeline->count;
    request.minbytesrcvd = pipeline->block.numbytes;
    request.maxbytesrcvd = pipeline->bytes_sent;
    request.latestgenerationstamp = new_stamp;
    request.requestedchecksum = &checksum;
    request.cachingstrategy = &caching;
    request.has_storagetype = true;
    request.storagetype = pipeline->nodes[0].type;
    request.storageid = pipeline->nodes[0].storage_id;
    request.has_allowlazypersist = request.has_pinning = true;
    request.allowlazypersist = pipeline->lazy_persist;
    xfer_op_put(out, XFER_WRITE_BLOCK, &request.base);
}

static int connect_node(const struct pipeline *pipeline, const Pb__DatanodeInfo *info, int *fd,
                        struct err *err)
{
    char text[LOCATED_ADDRESS_MAX];
    struct net_addr addr;

    located_xfer_address(pipeline->fs, info->id, text, sizeof text);
    int rc = net_parse(text, -1, &addr, err);
    if (!rc) rc = net_connect(&addr, deadline_in(pipeline_read_timeout_ms(pipeline)), fd, err);
    if (rc) return rc;
    net_set_keepalive(*fd);
    rc = net_set_nonblock(*fd, true, err);
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

/* The node that a firstBadLink "ip:port" names, or -1. */
static int node_of_link(const struct pipeline *pipeline, const char *link)
{
    char text[LOCATED_ADDRESS_MAX];

    for (unsigned i = 0; i < pipeline->count; i++) {
        const Pb__DatanodeID *id = pipeline->nodes[i].info->id;
        snprintf(text, sizeof text, "%s:%u", id->ipaddr, id->xferport);
        if (str_eq(text, link)) return (int)i;
    }
    return -1;
}

/* Reads the answer to WRITE_BLOCK; an error that names a node sets pipeline->bad. */
static int read_setup_answer(struct pipeline *pipeline, struct err *err)
{
    Pb__BlockOpResponse *response;
    struct arena arena = {0};

    int rc = xfer_response_read(&pipeline->in, &arena, &response, err);
    if (!rc) {
        rc = xfer_response_check(response, err);
        if (rc && !str_empty(response->firstbadlink))
            pipeline->bad = node_of_link(pipeline, response->firstbadlink);
        if (rc && response->status == PB__STATUS__OOB_RESTART)
            pipeline_note_restart(pipeline, pipeline->bad < 0 ? 0 : (unsigned)pipeline->bad);
    }
    arena_release(&arena);
    return rc;
}

/* Connects to the first node and through it to the others (createBlockOutputStream). On failure
 * pipeline->bad is the node to blame. */
static int connect_pipeline(struct pipeline *pipeline, uint64_t new_stamp, bool recovery,
                            struct err *err)
{
    char name[LOCATED_NAME_MAX];
    struct buf out = {0}, nodes = {0};

    assert(pipeline->fd < 0 && pipeline->count > 0);
    pipeline->bad = -1;
    pipeline->persist = true;
    int rc = connect_node(pipeline, pipeline->nodes[0].info, &pipeline->fd, err);
    if (!rc) {
        xfer_in_init(&pipeline->in, pipeline->fd, pipeline_read_timeout_ms(pipeline));
        put_write_block(&out, pipeline,
                        (recovery ? recovery_stages : setup_stages)[pipeline->stage], new_stamp);
        rc = xfer_write(pipeline->fd, out.data, out.length, 0, pipeline_write_timeout_ms(pipeline),
                        err);
    }
    if (!rc) rc = read_setup_answer(pipeline, err);
    if (rc) {
        pipeline_disconnect(pipeline);
        if (pipeline->bad < 0) pipeline->bad = 0;
        log_warn("Exception in createBlockOutputStream %s, pipeline %s, first bad %d: %s",
                 block_text(pipeline, name), nodes_text(pipeline, &nodes), pipeline->bad,
                 err->text);
    }
    buf_release(&out);
    buf_release(&nodes);
    return rc;
}

/* ---- a new block ---- */

/* Forgets who failed, so that new blocks may try them again. */
static void allow_all_nodes(struct pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->failure_count; i++) pipeline->failures[i].at_setup = false;
}

static int add_block_once(struct pipeline *pipeline, bool *excluding, struct err *err)
{
    Pb__AddBlockRequest request = PB__ADD_BLOCK_REQUEST__INIT;
    Pb__AddBlockResponse *response;
    Pb__DatanodeInfo *excluded[PIPELINE_FAILURES_MAX];

    request.src = pipeline->path;
    request.clientname = pipeline->fs->client_name;
    request.previous = pipeline->has_block ? &pipeline->block : NULL;
    request.n_excludenodes = failed_nodes(pipeline, true, excluded);
    request.excludenodes = excluded;
    *excluding = request.n_excludenodes > 0;
    request.has_fileid = pipeline->file_id != 0;
    request.fileid = pipeline->file_id;
    int rc = fs_call(pipeline->fs, "addBlock", &request, &pb__add_block_response__descriptor,
                     &pipeline->arena, &response, err);
    if (rc) return rc;
    rc = take_nodes(pipeline, response->block, err);
    if (rc) return rc;
    take_block(pipeline, response->block->b, 0);
    pipeline->token = response->block->blocktoken;
    return 0;
}

/* A node that failed in the middle of a block is no choice for the next one either, unless nothing is left without it. */
static int add_block(struct pipeline *pipeline, struct err *err)
{
    bool excluding;

    int rc = add_block_once(pipeline, &excluding, err);
    if (rc != ERR_IO || !excluding) return rc;
    log_warn("%s: trying the datanodes that failed before once more: %s", pipeline->path,
             err->text);
    allow_all_nodes(pipeline);
    return add_block_once(pipeline, &excluding, err);
}

int64_t pipeline_patience_ms(const struct fs *fs)
{
    const struct fs_settings *settings = &fs->settings;
    int64_t total = 0, pause = settings->locate_delay_ms;

    for (int i = 0; i < settings->locate_retries; i++) {
        total += pause;
        pause = MIN(pause * 2, settings->locate_delay_max_ms);
    }
    return total;
}

/* The block before the last one may still lack its replicas (NotReplicatedYet). */
static int add_block_patiently(struct pipeline *pipeline, struct err *err)
{
    int64_t until = clock_mono_ms() + pipeline_patience_ms(pipeline->fs);

    for (int64_t pause = POLL_FIRST_MS;;
         pause = MIN(pause * 2, pipeline->fs->settings.locate_delay_ms)) {
        int rc = add_block(pipeline, err);
        if (rc != ERR_NOT_REPLICATED_YET || clock_mono_ms() >= until) return rc;
        clock_sleep_ms(pause);
    }
}

static int abandon_block(struct pipeline *pipeline, struct err *err)
{
    Pb__AbandonBlockRequest request = PB__ABANDON_BLOCK_REQUEST__INIT;

    request.b = &pipeline->block;
    request.src = pipeline->path;
    request.holder = pipeline->fs->client_name;
    request.has_fileid = pipeline->file_id != 0;
    request.fileid = pipeline->file_id;
    return fs_do(pipeline->fs, "abandonBlock", &request, &pb__abandon_block_response__descriptor,
                 err);
}

/* Keeps the block before, so that a failed attempt can name it as `previous` again. */
static void swap_back(struct pipeline *pipeline, const Pb__ExtendedBlock *before, bool had_block)
{
    mem_free(pipeline->block.poolid);
    pipeline->block = *before;
    pipeline->has_block = had_block;
}

static int create_once(struct pipeline *pipeline, bool *allocated, struct err *err)
{
    *allocated = false;
    int rc = add_block_patiently(pipeline, err);
    if (rc) return rc;
    *allocated = true;
    if (!pipeline->count)
        return err_set(err, ERR_IO, "the namenode chose no datanodes for %s", pipeline->path);
    return connect_pipeline(pipeline, 0, false, err);
}

/* nextBlockOutputStream: another attempt gets other datanodes. */
static int open_new_block(struct pipeline *pipeline, struct err *err)
{
    char name[LOCATED_NAME_MAX];

    for (int tries = 0;; tries++) {
        Pb__ExtendedBlock before = pipeline->block;
        bool had_block = pipeline->has_block, allocated;
        struct err inner = ERR_INIT;

        if (had_block) before.poolid = mem_strdup(before.poolid);
        int rc = create_once(pipeline, &allocated, err);
        if (!rc || !allocated) {
            if (had_block) mem_free(before.poolid);
            return rc;
        }
        log_warn("Abandoning %s", block_text(pipeline, name));
        if (pipeline->count)
            remember_failure(pipeline, pipeline->nodes[MAX(pipeline->bad, 0)].info, true);
        rc = abandon_block(pipeline, &inner);
        swap_back(pipeline, &before, had_block);
        pipeline_end_block(pipeline);
        if (rc) return *err = inner, rc;
        if (tries >= pipeline->fs->settings.block_write_retries)
            return err_wrap(err, ERR_IO, "Unable to create new block");
    }
}

/* ---- recovery ---- */

bool pipeline_wants_replacement(int policy, unsigned replication, unsigned left, bool appending,
                                bool hflushed)
{
    if (policy == REPLACE_NEVER || !left || left >= replication) return false;
    if (policy == REPLACE_ALWAYS) return true;
    return replication >= 3 && (left <= replication / 2 || appending || hflushed);
}

static int ask_additional(struct pipeline *pipeline, Pb__LocatedBlock **answer, struct err *err)
{
    Pb__GetAdditionalDatanodeRequest request = PB__GET_ADDITIONAL_DATANODE_REQUEST__INIT;
    Pb__GetAdditionalDatanodeResponse *response;
    Pb__DatanodeInfo *existing[XFER_PIPELINE_MAX], *excluded[PIPELINE_FAILURES_MAX];
    char *ids[XFER_PIPELINE_MAX];

    for (unsigned i = 0; i < pipeline->count; i++) {
        existing[i] = pipeline->nodes[i].info;
        ids[i] = pipeline->nodes[i].storage_id;
    }
    request.src = pipeline->path;
    request.blk = &pipeline->block;
    request.n_existings = request.n_existingstorageuuids = pipeline->count;
    request.existings = existing;
    request.existingstorageuuids = ids;
    request.n_excludes = failed_nodes(pipeline, false, excluded);
    request.excludes = excluded;
    request.numadditionalnodes = 1;
    request.clientname = pipeline->fs->client_name;
    request.has_fileid = pipeline->file_id != 0;
    request.fileid = pipeline->file_id;
    int rc = fs_call(pipeline->fs, "getAdditionalDatanode", &request,
                     &pb__get_additional_datanode_response__descriptor, &pipeline->arena, &response,
                     err);
    if (!rc) *answer = response->block;
    return rc;
}

/* The one of the answer's nodes that is not in the pipeline; -1 when there is none. */
static int find_new(const struct pipeline *pipeline, const Pb__LocatedBlock *answer)
{
    for (size_t i = 0; i < answer->n_locs; i++) {
        bool known = false;
        for (unsigned j = 0; j < pipeline->count && !known; j++)
            known = same_node(answer->locs[i], pipeline->nodes[j].info);
        if (!known) return (int)i;
    }
    return -1;
}

static int no_more_nodes(const struct pipeline *pipeline, struct err *err)
{
    static const char *const policies[] = {"NEVER", "DEFAULT", "ALWAYS"};
    struct buf nodes = {0};

    nodes_text(pipeline, &nodes);
    err_set(
        err, ERR_IO,
        "Failed to replace a bad datanode on the existing pipeline due to no more good datanodes "
        "being available to try. (Nodes: current=%s, original=%s). The current failed datanode "
        "replacement policy is %s, and a client may configure this via "
        "'dfs.client.block.write.replace-datanode-on-failure.policy' in its configuration.",
        buf_cstr(&nodes), buf_cstr(&nodes), policies[pipeline->fs->settings.replace_policy]);
    buf_release(&nodes);
    return ERR_IO;
}

/* Has `source` push its replica to `target` (TRANSFER_BLOCK). */
static int transfer(struct pipeline *pipeline, const Pb__DatanodeInfo *source,
                    struct pipeline_node target, Pb__Token *token, struct err *err)
{
    Pb__BaseHeader base = PB__BASE_HEADER__INIT;
    Pb__ClientOperationHeader header = PB__CLIENT_OPERATION_HEADER__INIT;
    Pb__OpTransferBlock request = PB__OP_TRANSFER_BLOCK__INIT;
    Pb__BlockOpResponse *response;
    struct arena arena = {0};
    struct buf out = {0};
    struct xfer_in in;
    int fd = -1;
    uint64_t packets = pipeline->bytes_sent / pipeline->fs->settings.write_packet_size;
    int extra = 2 + (int)MIN(packets / TRANSFER_PACKETS_PER_TIMEOUT, (uint64_t)10000);

    base.block = &pipeline->block;
    base.token = token;
    header.baseheader = &base;
    header.clientname = pipeline->fs->client_name;
    request.header = &header;
    request.n_targets = request.n_targetstoragetypes = request.n_targetstorageids = 1;
    request.targets = &target.info;
    request.targetstoragetypes = &target.type;
    request.targetstorageids = &target.storage_id;
    int rc = connect_node(pipeline, source, &fd, err);
    if (rc) return rc;
    xfer_in_init(&in, fd, pipeline->fs->settings.socket_timeout_ms + TIMEOUT_PER_NODE_MS * extra);
    xfer_op_put(&out, XFER_TRANSFER_BLOCK, &request.base);
    rc = xfer_write(fd, out.data, out.length, 0, pipeline_write_timeout_ms(pipeline), err);
    if (!rc) rc = xfer_response_read(&in, &arena, &response, err);
    if (!rc) rc = xfer_response_check(response, err);
    close(fd);
    buf_release(&out);
    arena_release(&arena);
    return rc;
}

static struct pipeline_node node_at(const Pb__LocatedBlock *block, int i)
{
    static char none[] = "";

    return (struct pipeline_node){
        .info = block->locs[i],
        .type = (size_t)i < block->n_storagetypes ? block->storagetypes[i] : PB__STORAGE_TYPE__DISK,
        .storage_id = (size_t)i < block->n_storageids ? block->storageids[i] : none,
    };
}

/* addDatanode2ExistingPipeline */
static int add_node(struct pipeline *pipeline, struct err *err)
{
    unsigned min = pipeline->fs->settings.replace_min_replication;
    int rc = 0;

    if (pipeline->stage == PIPELINE_CLOSING)
        return 0; /* the namenode replicates a finished block */
    for (int tries = 0; tries < REPLACEMENT_TRIES; tries++) {
        Pb__LocatedBlock *answer;
        rc = ask_additional(pipeline, &answer, err);
        if (rc) return rc;
        int found = pipeline->count < XFER_PIPELINE_MAX ? find_new(pipeline, answer) : -1;
        if (found < 0) return min && pipeline->count >= min ? 0 : no_more_nodes(pipeline, err);
        struct pipeline_node node = node_at(answer, found);
        const Pb__DatanodeInfo *source = pipeline->nodes[(unsigned)tries % pipeline->count].info;
        rc = transfer(pipeline, source, node, answer->blocktoken, err);
        if (!rc) {
            pipeline->nodes[pipeline->count++] = node;
            return 0;
        }
        log_warn("Error transferring data from %s:%u to %s:%u: %s", source->id->ipaddr,
                 source->id->xferport, node.info->id->ipaddr, node.info->id->xferport, err->text);
        remember_failure(pipeline, node.info, false);
    }
    return rc;
}

/* `recovery`: a datanode has failed. Otherwise an append found fewer replicas than the file should
 * have, perhaps only because their reports are on their way: better to have them added, but nothing
 * to fail for. */
static int replace_if_wanted(struct pipeline *pipeline, bool recovery, struct err *err)
{
    const struct fs_settings *settings = &pipeline->fs->settings;

    if (!pipeline_wants_replacement((int)settings->replace_policy, pipeline->replication,
                                    pipeline->count, pipeline->appending, pipeline->hflushed))
        return 0;
    int rc = add_node(pipeline, err);
    if (!rc || (recovery && !settings->replace_best_effort)) return rc;
    log_warn("Failed to replace datanode. Continue with the remaining datanodes: %s", err->text);
    return 0;
}

static int drop_bad(struct pipeline *pipeline, const struct err *cause, struct err *err)
{
    char name[LOCATED_NAME_MAX];
    struct buf nodes = {0};

    if (pipeline->bad < 0) return 0;
    nodes_text(pipeline, &nodes);
    if (pipeline->count <= 1) {
        err_set(err, ERR_IO, "All datanodes %s are bad. Aborting...%s%s", buf_cstr(&nodes),
                cause->code ? " Last: " : "", cause->code ? cause->text : "");
        buf_release(&nodes);
        return ERR_IO;
    }
    log_warn("Error Recovery for %s in pipeline %s: datanode %d is bad: %s",
             block_text(pipeline, name), buf_cstr(&nodes), pipeline->bad, cause->text);
    buf_release(&nodes);
    remember_failure(pipeline, pipeline->nodes[pipeline->bad].info, true);
    drop_node(pipeline, (unsigned)pipeline->bad);
    pipeline->bad = -1;
    return 0;
}

static int update_block(struct pipeline *pipeline, uint64_t *stamp, struct err *err)
{
    Pb__UpdateBlockForPipelineRequest request = PB__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    Pb__UpdateBlockForPipelineResponse *response;

    request.block = &pipeline->block;
    request.clientname = pipeline->fs->client_name;
    int rc = fs_call(pipeline->fs, "updateBlockForPipeline", &request,
                     &pb__update_block_for_pipeline_response__descriptor, &pipeline->arena,
                     &response, err);
    if (rc) return rc;
    *stamp = response->block->b->generationstamp;
    pipeline->token = response->block->blocktoken;
    return 0;
}

static int update_pipeline(struct pipeline *pipeline, uint64_t stamp, struct err *err)
{
    Pb__UpdatePipelineRequest request = PB__UPDATE_PIPELINE_REQUEST__INIT;
    Pb__ExtendedBlock old = pipeline->block;
    Pb__DatanodeID *ids[XFER_PIPELINE_MAX];
    char *storages[XFER_PIPELINE_MAX];

    for (unsigned i = 0; i < pipeline->count; i++) {
        ids[i] = pipeline->nodes[i].info->id;
        storages[i] = pipeline->nodes[i].storage_id;
    }
    pipeline->block.generationstamp = stamp;
    request.clientname = pipeline->fs->client_name;
    request.oldblock = &old;
    request.newblock = &pipeline->block;
    request.n_newnodes = request.n_storageids = pipeline->count;
    request.newnodes = ids;
    request.storageids = storages;
    return fs_do(pipeline->fs, "updatePipeline", &request,
                 &pb__update_pipeline_response__descriptor, err);
}

void pipeline_note_restart(struct pipeline *pipeline, unsigned node)
{
    struct net_sockaddr addr;
    const Pb__DatanodeID *id = pipeline->nodes[node].info->id;
    bool here = net_numeric(id->ipaddr, (uint16_t)id->xferport, &addr) && net_is_local(&addr);

    /* Others can go on without it; a lone or local datanode is worth waiting for. */
    if (pipeline->count > 1 && !here) {
        pipeline->bad = (int)node;
        return;
    }
    if (pipeline->restarting < 0) pipeline->restart_pause_ms = RESTART_PAUSE_FIRST_MS;
    if (pipeline->restarting < 0)
        pipeline->restart_until_ms = clock_mono_ms() + pipeline->fs->settings.restart_timeout_ms;
    pipeline->restarting = (int)node;
    pipeline->bad = -1;
}

/* A restarting datanode is tried again and again until its time is over. */
static void wait_for_restart(struct pipeline *pipeline)
{
    if (pipeline->restarting < 0) return;
    if (clock_mono_ms() >= pipeline->restart_until_ms) {
        pipeline->bad = pipeline->restarting;
        pipeline->restarting = -1;
        return;
    }
    if (pipeline->bad == pipeline->restarting) pipeline->bad = -1;
    clock_sleep_ms(MIN(pipeline->restart_pause_ms, pipeline->fs->settings.restart_timeout_ms));
    pipeline->restart_pause_ms = MIN(2 * pipeline->restart_pause_ms, (int64_t)RESTART_PAUSE_MS);
}

/* setupPipelineInternal: each round without success takes a datanode away, so it ends. */
static int set_up_again(struct pipeline *pipeline, bool recovery, const struct err *cause,
                        struct err *err)
{
    struct err last = *cause;
    uint64_t stamp;

    for (;;) {
        wait_for_restart(pipeline);
        int rc = drop_bad(pipeline, &last, err);
        if (!rc) rc = replace_if_wanted(pipeline, recovery, err);
        if (!rc) rc = update_block(pipeline, &stamp, err);
        if (rc) return rc;
        if (connect_pipeline(pipeline, stamp, recovery, &last) == 0) break;
        recovery = true;
    }
    if (pipeline->restarting >= 0) {
        forget_failure(pipeline, pipeline->nodes[pipeline->restarting].info);
        pipeline->restarting = -1;
    }
    int rc = update_pipeline(pipeline, stamp, err);
    if (rc) pipeline_disconnect(pipeline);
    return rc;
}

int pipeline_open(struct pipeline *pipeline, struct err *err)
{
    struct err none = ERR_INIT;
    int rc;

    assert(pipeline->stage == PIPELINE_CREATE || pipeline->stage == PIPELINE_APPEND);
    if (pipeline->stage == PIPELINE_CREATE)
        rc = open_new_block(pipeline, err);
    else if (!pipeline->count)
        rc = err_set(err, ERR_IO, "Could not get block locations. Source file \"%s\" - Aborting...",
                     pipeline->path);
    else
        rc = set_up_again(pipeline, false, &none, err);
    if (!rc) pipeline->stage = PIPELINE_STREAMING;
    return rc;
}

int pipeline_recover(struct pipeline *pipeline, const struct err *cause, struct err *err)
{
    int max = pipeline->fs->settings.pipeline_recoveries_max;

    pipeline_disconnect(pipeline);
    if (pipeline->bad < 0 && pipeline->restarting < 0) pipeline->bad = 0;
    if (pipeline->restarting < 0 && pipeline->recoveries++ >= (unsigned)max)
        return err_set(err, ERR_IO,
                       "Failing write. Tried pipeline recovery %d times without success. Last: %s",
                       max, cause->text);
    int rc = set_up_again(pipeline, true, cause, err);
    if (!rc && pipeline->stage == PIPELINE_CLOSING) pipeline_disconnect(pipeline);
    return rc;
}

int pipeline_set_append(struct pipeline *pipeline, const Pb__LocatedBlock *block, bool new_block,
                        struct err *err)
{
    pipeline->appending = true;
    take_block(pipeline, block->b, block->b->numbytes);
    if (new_block) return 0;
    if (pipeline->block.numbytes > pipeline->block_size)
        return err_set(err, ERR_BAD_MESSAGE, "the last block of %s is longer than its block size",
                       pipeline->path);
    /* The answer's memory is not ours: keep a copy as long as the block lasts. */
    size_t size = pb__located_block__get_packed_size(block);
    uint8_t *bytes = arena_alloc(&pipeline->arena, size);
    pb__located_block__pack(block, bytes);
    Pb__LocatedBlock *copy =
        pb__located_block__unpack(arena_protobuf(&pipeline->arena), size, bytes);
    assert(copy);
    pipeline->token = copy->blocktoken;
    pipeline->stage = PIPELINE_APPEND;
    return take_nodes(pipeline, copy, err);
}
