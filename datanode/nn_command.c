#include "datanode/nn_command.h"

#include "common/log.h"
#include "common/mem.h"
#include "datanode/block_recover.h"
#include "datanode/copy_block.h"

/* An order on its way to a worker: a message of its own, as the answer's memory goes. */
struct job {
    struct block_pool *pool;
    struct arena arena;
    ProtobufCMessage *message;
    size_t item; /* TRANSFER: which of the message's blocks */
};

static struct job *job_new(struct block_pool *pool, const ProtobufCMessage *message)
{
    struct job *job = NEW(struct job);
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(size);

    job->pool = pool;
    protobuf_c_message_pack(message, bytes);
    job->message =
        protobuf_c_message_unpack(message->descriptor, arena_protobuf(&job->arena), size, bytes);
    assert(job->message); /* we packed it */
    mem_free(bytes);
    return job;
}

static void job_free(struct job *job)
{
    arena_release(&job->arena);
    mem_free(job);
}

/* A busy pool drops the order: the namenode gives it again when nothing came of it. */
static void submit(struct worker_pool *workers, worker_fn *fn, struct job *job)
{
    struct err err = ERR_INIT;

    if (!worker_submit(workers, fn, job, &err)) return;
    log_warn("order of the namenode dropped: %s", err.text);
    job_free(job);
}

/* ---- INVALIDATE ---- */

static void run_invalidate(void *arg)
{
    struct job *job = arg;
    const Pb__BlockCommand *command = (Pb__BlockCommand *)job->message;

    for (size_t i = 0; i < command->n_blocks; i++) {
        const Pb__Block *block = command->blocks[i];
        struct err err = ERR_INIT;
        if (dataset_invalidate(job->pool, (int64_t)block->blockid, block->genstamp, &err))
            log_debug("invalidate: %s", err.text);
    }
    job_free(job);
}

/* ---- TRANSFER ---- */

static void run_transfer(void *arg)
{
    struct job *job = arg;
    const Pb__BlockCommand *command = (Pb__BlockCommand *)job->message;
    const Pb__Block *block = command->blocks[job->item];
    const Pb__DatanodeInfos *nodes = command->targets[job->item];
    struct block_name name = {
        .id = (int64_t)block->blockid, .gs = block->genstamp, .length = (int64_t)block->numbytes};
    struct copy_targets targets = {.count = nodes->n_datanodes, .nodes = nodes->datanodes};
    struct err err = ERR_INIT;

    if (job->item < command->n_targetstoragetypes) {
        targets.types = command->targetstoragetypes[job->item]->storagetypes;
        targets.type_count =
            MIN(command->targetstoragetypes[job->item]->n_storagetypes, targets.count);
    }
    if (job->item < command->n_targetstorageuuids) {
        targets.storage_ids = command->targetstorageuuids[job->item]->storageuuids;
        targets.storage_id_count =
            MIN(command->targetstorageuuids[job->item]->n_storageuuids, targets.count);
    }
    int rc = copy_block_push(job->pool->service->dn, job->pool, &name, &targets, "", &err);
    if (rc) {
        log_warn("transfer of blk_%" PRId64 ": %s", name.id, err.text);
        if (rc == ERR_REPLICA_NOT_FOUND)
            nn_report_error(job->pool->service->dn, NN_ERROR_INVALID_BLOCK, err.text);
    } else {
        log_info("Transmitted blk_%" PRId64 " to %zu datanodes", name.id, targets.count);
    }
    job_free(job);
}

static void start_transfers(struct block_pool *pool, const Pb__BlockCommand *command)
{
    for (size_t i = 0; i < command->n_blocks && i < command->n_targets; i++) {
        if (!command->targets[i]->n_datanodes) continue;
        struct job *job = job_new(pool, &command->base);
        job->item = i;
        submit(pool->service->dn->transfers, run_transfer, job);
    }
}

/* ---- RECOVER ---- */

static void run_recovery(void *arg)
{
    struct job *job = arg;
    struct err err = ERR_INIT;

    if (block_recover(job->pool, (Pb__RecoveringBlock *)job->message, &err))
        log_warn("recoverBlocks FAILED: %s", err.text);
    job_free(job);
}

/* ---- FINALIZE ---- */

static void run_finalize(void *arg)
{
    struct job *job = arg;
    const struct dataset *dataset = job->pool->dataset;

    for (size_t i = 0; i < dataset->volume_count; i++) {
        struct err err = ERR_INIT;
        if (atomic_load(&dataset->volumes[i]->failed)) continue;
        if (dn_storage_finalize_pool(dataset->volumes[i], job->pool->info.pool_id, &err))
            log_error("Finalize upgrade for %s failed: %s", dataset->volumes[i]->dir, err.text);
    }
    job_free(job);
}

/* ---- all ---- */

static void block_command(struct block_pool *pool, const Pb__BlockCommand *command)
{
    switch (command->action) {
    case PB__BLOCK_COMMAND__ACTION__TRANSFER: start_transfers(pool, command); break;
    case PB__BLOCK_COMMAND__ACTION__INVALIDATE:
        submit(pool->dataset->deleter, run_invalidate, job_new(pool, &command->base));
        break;
    default: log_warn("order of action %d ignored", (int)command->action); break;
    }
}

static bool for_us(const struct block_pool *pool, const char *pool_id)
{
    if (str_eq(pool->info.pool_id, pool_id)) return true;
    log_warn("order for block pool %s, which is not this namenode's, ignored", pool_id);
    return false;
}

bool nn_command_run(struct block_pool *pool, const Pb__DatanodeCommand *command, bool from_active)
{
    struct datanode *dn = pool->service->dn;

    if (command->cmdtype == PB__DATANODE_COMMAND__TYPE__RegisterCommand) return false;
    if (!from_active) {
        if (command->cmdtype != PB__DATANODE_COMMAND__TYPE__KeyUpdateCommand &&
            command->cmdtype != PB__DATANODE_COMMAND__TYPE__NullDatanodeCommand)
            log_debug("order %d of a standby ignored", (int)command->cmdtype);
        return true;
    }
    switch (command->cmdtype) {
    case PB__DATANODE_COMMAND__TYPE__BlockCommand:
        if (command->blkcmd && for_us(pool, command->blkcmd->blockpoolid))
            block_command(pool, command->blkcmd);
        break;
    case PB__DATANODE_COMMAND__TYPE__BlockRecoveryCommand:
        for (size_t i = 0; command->recoverycmd && i < command->recoverycmd->n_blocks; i++)
            if (for_us(pool, command->recoverycmd->blocks[i]->block->b->poolid))
                submit(dn->recoveries, run_recovery,
                       job_new(pool, &command->recoverycmd->blocks[i]->base));
        break;
    case PB__DATANODE_COMMAND__TYPE__BalancerBandwidthCommand:
        if (!command->balancercmd) break;
        atomic_store(&dn->balance_bandwidth, (int64_t)command->balancercmd->bandwidth);
        copy_block_set_bandwidth((int64_t)command->balancercmd->bandwidth);
        log_info("updating balance throttler bandwidth to %" PRIu64 " bytes/s",
                 command->balancercmd->bandwidth);
        break;
    case PB__DATANODE_COMMAND__TYPE__FinalizeCommand:
        if (command->finalizecmd && for_us(pool, command->finalizecmd->blockpoolid))
            submit(pool->dataset->deleter, run_finalize,
                   job_new(pool, &command->finalizecmd->base));
        break;
    case PB__DATANODE_COMMAND__TYPE__KeyUpdateCommand: /* no block tokens */
    case PB__DATANODE_COMMAND__TYPE__NullDatanodeCommand: break;
    default:
        log_limited(LOG_WARN, 60000, "order of type %d is not supported", (int)command->cmdtype);
        break;
    }
    return true;
}
