#include "datanode/copy_block.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/nn_link.h"
#include "datanode/recv_block.h"

static struct throttle balance = {.lock = PTHREAD_MUTEX_INITIALIZER, .bytes_per_s = 100 << 20};

void copy_block_set_bandwidth(int64_t bytes_per_s)
{
    throttle_set(&balance, bytes_per_s);
}

static int connect_to(struct datanode *dn, const Pb__DatanodeID *id, size_t hops, int *fd,
                      struct err *err)
{
    struct net_addr addr = {.port = (uint16_t)id->xferport};
    int timeout_ms =
        dn->settings.socket_timeout_ms + XFER_MIRROR_READ_EXTRA_MS * (int)MIN(hops, (size_t)512);

    snprintf(addr.host, sizeof addr.host, "%s",
             dn->settings.use_hostname ? id->hostname : id->ipaddr);
    *fd = -1;
    int rc = net_connect(&addr, deadline_in(timeout_ms), fd, err);
    if (rc) *fd = -1;
    return rc;
}

/* ---- pushing ---- */

static void fill_header(Pb__BaseHeader *base, Pb__ExtendedBlock *block, Pb__Token *token,
                        const struct block_pool *pool, const struct block_name *name)
{
    static char nothing[] = "";

    pb__base_header__init(base);
    pb__extended_block__init(block);
    pb__token__init(token);
    block->poolid = (char *)(uintptr_t)pool->info.pool_id;
    block->blockid = (uint64_t)name->id;
    block->generationstamp = name->gs;
    block->has_numbytes = 1;
    block->numbytes = (uint64_t)name->length;
    token->kind = token->service = nothing;
    base->block = block;
    base->token = token;
}

static Pb__OpWriteBlock__BlockConstructionStage stage_of(const struct replica_read *read,
                                                         const char *client)
{
    if (!*client) return PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE;
    return read->state == REPLICA_FINALIZED
               ? PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_FINALIZED
               : PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_RBW;
}

static void request_put(struct buf *out, struct datanode *dn, const struct block_pool *pool,
                        const struct block_name *name, const struct copy_targets *targets,
                        const struct replica_read *read, const char *client)
{
    Pb__OpWriteBlock op = PB__OP_WRITE_BLOCK__INIT;
    Pb__ClientOperationHeader header = PB__CLIENT_OPERATION_HEADER__INIT;
    Pb__BaseHeader base;
    Pb__ExtendedBlock block;
    Pb__Token token;
    Pb__DatanodeInfo source = PB__DATANODE_INFO__INIT;
    Pb__DatanodeID self;
    Pb__Checksum sum = PB__CHECKSUM__INIT;

    fill_header(&base, &block, &token, pool, name);
    datanode_id(dn, &self);
    source.id = &self;
    sum.type = (Pb__ChecksumType)read->file.sum.type;
    sum.bytesperchecksum = read->file.sum.bytes_per_checksum;
    header.baseheader = &base;
    header.clientname = (char *)(uintptr_t)client;
    op.header = &header;
    op.n_targets = targets->count - 1;
    op.targets = targets->nodes + 1;
    if (targets->type_count) {
        op.has_storagetype = 1;
        op.storagetype = targets->types[0];
        op.n_targetstoragetypes = targets->type_count - 1;
        op.targetstoragetypes = targets->types + 1;
    }
    if (targets->storage_id_count) {
        op.storageid = targets->storage_ids[0];
        op.n_targetstorageids = targets->storage_id_count - 1;
        op.targetstorageids = targets->storage_ids + 1;
    }
    op.source = &source;
    op.stage = stage_of(read, client);
    op.requestedchecksum = &sum;
    xfer_op_put(out, XFER_WRITE_BLOCK, &op.base);
}

static int push(struct datanode *dn, struct block_pool *pool, const struct block_name *block,
                const struct copy_targets *targets, const char *client,
                const struct replica_read *read, int fd, struct err *err)
{
    struct block_name name = {.id = block->id, .gs = read->gs, .length = read->length};
    struct buf request = {0};
    struct send_range range;
    int timeout_ms = dn->settings.write_timeout_ms;

    if (*client && block->length > read->length)
        return err_set(err, ERR_IO,
                       "blk_%" PRId64 " has %" PRId64 " readable bytes, %" PRId64
                       " are to be transferred",
                       block->id, read->length, block->length);
    int rc = send_range_init(&range, read, &name, 0, read->length, true, err);
    if (rc) return rc;
    request_put(&request, dn, pool, &name, targets, read, client);
    rc = send_block_data(read, &range, fd, &request, timeout_ms, NULL, err);
    buf_release(&request);
    if (rc || !*client) return rc;

    struct xfer_in in;
    struct arena arena = {0};
    Pb__BlockOpResponse *response;
    xfer_in_init(&in, fd, dn->settings.socket_timeout_ms);
    rc = xfer_response_read(&in, &arena, &response, err);
    if (!rc) rc = xfer_response_check(response, err);
    arena_release(&arena);
    return rc;
}

/* A replication has no answer, so the end of the stream is waited for: a reset would drop what is
 * still under way. */
static void wait_for_close(int fd, int timeout_ms)
{
    char byte;

    shutdown(fd, SHUT_WR);
    if (net_wait(fd, 1 /* POLLIN */, deadline_in(timeout_ms), NULL) == 0)
        while (recv(fd, &byte, 1, MSG_DONTWAIT) > 0) continue;
}

int copy_block_push(struct datanode *dn, struct block_pool *pool, const struct block_name *block,
                    const struct copy_targets *targets, const char *client, struct err *err)
{
    struct replica_read read = {.file = BLOCK_FILE_INIT};
    int fd = -1;

    if (!targets->count) return err_set(err, ERR_ARGUMENT, "no target for blk_%" PRId64, block->id);
    int rc = dataset_open_read(pool, block, *client ? block->length : 0, READ_WAIT_MS, &read, err);
    if (!rc && read.state != REPLICA_FINALIZED && !*client)
        rc = err_set(err, ERR_IO, "blk_%" PRId64 " is not finalized", block->id);
    if (!rc) rc = connect_to(dn, targets->nodes[0]->id, targets->count, &fd, err);
    atomic_fetch_add(&dn->transfers_running, (int)targets->count);
    if (!rc) rc = push(dn, pool, block, targets, client, &read, fd, err);
    if (!rc && !*client) wait_for_close(fd, dn->settings.socket_timeout_ms);
    atomic_fetch_sub(&dn->transfers_running, (int)targets->count);
    if (fd >= 0) close(fd);
    replica_read_close(&read);
    return rc;
}

void transfer_block_op(struct xfer_context *ctx, const Pb__OpTransferBlock *op)
{
    const Pb__ExtendedBlock *named = op->header->baseheader->block;
    struct copy_targets targets = {.count = op->n_targets,
                                   .nodes = op->targets,
                                   .types = op->targetstoragetypes,
                                   .type_count = MIN(op->n_targetstoragetypes, op->n_targets),
                                   .storage_ids = op->targetstorageids,
                                   .storage_id_count = MIN(op->n_targetstorageids, op->n_targets)};
    struct err err = ERR_INIT;
    struct block_name block;

    struct block_pool *pool = xfer_pool(ctx, named, &block, &err);
    int rc = pool ? 0 : err_code(&err);
    if (!rc && !*op->header->clientname)
        rc = err_set(&err, ERR_ARGUMENT, "a transfer needs a client's name");
    if (!rc) rc = copy_block_push(ctx->dn, pool, &block, &targets, op->header->clientname, &err);
    if (rc)
        xfer_fail(ctx, "transferBlock", named, &err);
    else if (xfer_answer(ctx, PB__STATUS__SUCCESS, NULL, &err))
        log_debug("%s: %s", ctx->peer, err.text);
    ctx->keep = false;
}

/* ---- the balancer's ---- */

static bool begin_move(struct datanode *dn)
{
    if (atomic_fetch_add(&dn->moves_running, 1) < dn->settings.moves_max) return true;
    atomic_fetch_sub(&dn->moves_running, 1);
    return false;
}

static void end_move(struct datanode *dn)
{
    atomic_fetch_sub(&dn->moves_running, 1);
}

static int quota_exceeded(const struct xfer_context *ctx, const struct block_name *block,
                          struct err *err)
{
    return err_set(err, ERR_BUSY,
                   "Not able to copy block %" PRId64 " to %s because threads quota=%d is exceeded.",
                   block->id, ctx->peer, ctx->dn->settings.moves_max);
}

static void answer_with_sum(struct buf *out, const struct send_range *range)
{
    Pb__BlockOpResponse response = PB__BLOCK_OP_RESPONSE__INIT;
    Pb__ReadOpChecksumInfo info = PB__READ_OP_CHECKSUM_INFO__INIT;
    Pb__Checksum sum = PB__CHECKSUM__INIT;

    sum.type = (Pb__ChecksumType)range->sum.type;
    sum.bytesperchecksum = range->sum.bytes_per_checksum;
    info.checksum = &sum;
    response.status = PB__STATUS__SUCCESS;
    response.readopchecksuminfo = &info;
    xfer_response_put(out, &response);
}

static int send_copy(struct xfer_context *ctx, struct block_pool *pool,
                     const struct block_name *block, bool *started, struct err *err)
{
    static const char released[] = {0,
                                    'd'}; /* Java writes a char: our turn of the quota has ended */
    struct replica_read read = {.file = BLOCK_FILE_INIT};
    struct send_range range;
    struct buf answer = {0};

    int rc = dataset_open_read(pool, block, 0, 0, &read, err);
    if (!rc) rc = send_range_init(&range, &read, block, 0, read.length, true, err);
    if (!rc) {
        *started = true;
        answer_with_sum(&answer, &range);
        rc = send_block_data(&read, &range, ctx->fd, &answer, ctx->dn->settings.write_timeout_ms,
                             &balance, err);
    }
    if (!rc)
        rc = xfer_write(ctx->fd, released, sizeof released, 0, ctx->dn->settings.write_timeout_ms,
                        err);
    buf_release(&answer);
    replica_read_close(&read);
    return rc;
}

void copy_block_op(struct xfer_context *ctx, const Pb__OpCopyBlock *op)
{
    const Pb__ExtendedBlock *named = op->header->block;
    struct err err = ERR_INIT;
    struct block_name block;
    bool started = false;

    struct block_pool *pool = xfer_pool(ctx, named, &block, &err);
    int rc = pool ? 0 : err_code(&err);
    if (!rc && !begin_move(ctx->dn)) {
        rc = quota_exceeded(ctx, &block, &err);
    } else if (!rc) {
        rc = send_copy(ctx, pool, &block, &started, &err);
        end_move(ctx->dn);
    }
    if (rc && !started) xfer_fail(ctx, "opCopyBlock", named, &err);
    if (rc && started) log_info("copying blk_%" PRId64 " to %s: %s", block.id, ctx->peer, err.text);
}

/* The source's answer tells the checksums; then packets come as in a write. */
static int fetch(struct xfer_context *ctx, struct block_pool *pool, const struct block_name *block,
                 const Pb__OpReplaceBlock *op, int fd, struct volume **volume, int64_t *length,
                 struct err *err)
{
    Pb__OpCopyBlock copy = PB__OP_COPY_BLOCK__INIT;
    struct replica_write write = {.file = BLOCK_FILE_INIT};
    struct write_wish wish = {.storage_type = op->storagetype, .fd = ctx->fd};
    struct xfer_in *in = arena_alloc(&ctx->arena, sizeof *in);
    struct buf request = {0};
    Pb__BlockOpResponse *response;

    copy.header = op->header;
    xfer_op_put(&request, XFER_COPY_BLOCK, &copy.base);
    xfer_in_init(in, fd, ctx->dn->settings.socket_timeout_ms);
    int rc =
        xfer_write(fd, request.data, request.length, 0, ctx->dn->settings.write_timeout_ms, err);
    buf_release(&request);
    if (!rc) rc = xfer_response_read(in, &ctx->arena, &response, err);
    if (!rc) rc = xfer_response_check(response, err);
    if (!rc && !response->readopchecksuminfo)
        rc = err_set(err, ERR_BAD_MESSAGE, "answer without checksum");
    if (!rc)
        rc = checksum_init(&wish.sum, (int)response->readopchecksuminfo->checksum->type,
                           (int32_t)response->readopchecksuminfo->checksum->bytesperchecksum, err);
    if (!rc) rc = dataset_create_temporary(pool, block, false, &wish, &write, err);
    if (rc) return rc;
    *volume = write_volume(&write);
    return recv_block_copy(ctx, in, &write, &wish.sum, &balance, length, err);
}

static int replace_from_other(struct xfer_context *ctx, struct block_pool *pool,
                              const struct block_name *block, const Pb__OpReplaceBlock *op,
                              struct volume **volume, int64_t *length, struct err *err)
{
    int fd;

    int rc = connect_to(ctx->dn, op->source->id, 1, &fd, err);
    if (rc) return rc;
    rc = xfer_answer(ctx, PB__STATUS__IN_PROGRESS, NULL, err);
    if (!rc) rc = fetch(ctx, pool, block, op, fd, volume, length, err);
    close(fd);
    return rc;
}

static int replace(struct xfer_context *ctx, struct block_pool *pool,
                   const struct block_name *block, const Pb__OpReplaceBlock *op, struct err *err)
{
    struct volume *volume;
    int64_t length;
    bool own = str_eq(op->source->id->datanodeuuid, ctx->dn->uuid);

    int rc = own ? dataset_move(pool, block, op->storagetype, &volume, &length, err)
                 : replace_from_other(ctx, pool, block, op, &volume, &length, err);
    if (rc) return rc;
    nn_report_received(pool->report, volume, block->id, block->gs, length, op->delhint,
                       RECEIVED_WAIT_MS);
    log_info("Moved blk_%" PRId64 " from %s:%u to %s, delHint=%s", block->id,
             op->source->id->ipaddr, op->source->id->xferport, volume->dir, op->delhint);
    return 0;
}

void replace_block_op(struct xfer_context *ctx, const Pb__OpReplaceBlock *op)
{
    const Pb__ExtendedBlock *named = op->header->block;
    struct err err = ERR_INIT;
    struct block_name block;

    struct block_pool *pool = xfer_pool(ctx, named, &block, &err);
    int rc = pool ? 0 : err_code(&err);
    if (!rc && !begin_move(ctx->dn)) {
        rc = quota_exceeded(ctx, &block, &err);
    } else if (!rc) {
        rc = replace(ctx, pool, &block, op, &err);
        end_move(ctx->dn);
    }
    if (rc)
        xfer_fail(ctx, "opReplaceBlock", named, &err);
    else if (xfer_answer(ctx, PB__STATUS__SUCCESS, NULL, &err))
        log_debug("%s: %s", ctx->peer, err.text);
}
