#include "datanode/send_block.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/xfer_packet.h"
#include "datanode/nn_link.h"
#include "datanode/scan_block.h"

int send_range_init(struct send_range *range, const struct replica_read *read,
                    const struct block_name *block, int64_t offset, int64_t length, bool checksums,
                    struct err *err)
{
    int64_t bpc = read->file.sum.bytes_per_checksum;

    if (offset < 0 || length < 0 || offset > read->length || length > read->length - offset)
        return err_set(err, ERR_IO,
                       " Offset %" PRId64 " and length %" PRId64 " don't match block blk_%" PRId64
                       "_%" PRIu64 " ( blockLen %" PRId64 " )",
                       offset, length, block->id, read->gs, read->length);
    range->sum = read->file.sum;
    if (!checksums || read->file.meta_fd < 0)
        range->sum = (struct checksum){CHECKSUM_NULL, BLOCK_BPC_DEFAULT};
    range->start = offset - offset % bpc;
    range->end = MIN(ROUND_UP(offset + length, bpc), read->length);
    return 0;
}

static size_t header_put(struct buf *out, int64_t offset, int64_t seqno, bool last, uint32_t data,
                         uint32_t crcs)
{
    struct xfer_packet_header header = {.offset = offset,
                                        .seqno = seqno,
                                        .last = last,
                                        .data_length = data,
                                        .checksum_length = crcs};
    uint8_t bytes[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_header_encode(&header, bytes);

    buf_put(out, bytes, size);
    return size;
}

/* Header and CRCs of the packet with [at, end). */
static int packet_put(struct buf *out, const struct replica_read *read,
                      const struct send_range *range, int64_t at, int64_t end, int64_t seqno,
                      struct err *err)
{
    size_t crcs = checksum_bytes(&range->sum, (size_t)(end - at));

    header_put(out, at, seqno, false, (uint32_t)(end - at), (uint32_t)crcs);
    return crcs ? replica_read_crcs(read, at, end, buf_extend(out, crcs), err) : 0;
}

/* A small range goes out in one write with all that is around it. */
static int send_whole(const struct replica_read *read, const struct send_range *range, int fd,
                      struct buf *out, int timeout_ms, struct err *err)
{
    size_t size = (size_t)(range->end - range->start);
    int rc = 0;

    if (size) {
        rc = packet_put(out, read, range, range->start, range->end, 0, err);
        if (!rc)
            rc =
                file_pread_full(read->file.data_fd, buf_extend(out, size), size, range->start, err);
        if (rc) return rc;
    }
    header_put(out, range->end, size ? 1 : 0, true, 0, 0);
    return xfer_write(fd, out->data, out->length, 0, timeout_ms, err);
}

static int64_t packet_size(const struct send_range *range, const struct replica_read *read)
{
    int64_t bpc = read->file.sum.bytes_per_checksum;
    int64_t most = xfer_packet_data_max(XFER_PACKET_MAX, (uint32_t)bpc, 4);

    (void)range;
    return MIN(MAX(SEND_PACKET_SIZE / bpc, (int64_t)1) * bpc, most);
}

int send_block_data(const struct replica_read *read, const struct send_range *range, int fd,
                    const struct buf *head, int timeout_ms, struct throttle *throttle,
                    struct err *err)
{
    int64_t step = packet_size(range, read), seqno = 0;
    struct buf out = {0};
    int rc = 0;

    if (head) buf_put(&out, head->data, head->length);
    if (range->end - range->start <= MIN((int64_t)SEND_WHOLE_MAX, step)) {
        rc = send_whole(read, range, fd, &out, timeout_ms, err);
        buf_release(&out);
        return rc;
    }
    posix_fadvise(read->file.data_fd, range->start, range->end - range->start,
                  POSIX_FADV_SEQUENTIAL);
    for (int64_t at = range->start; at < range->end && !rc; at += step) {
        int64_t end = MIN(at + step, range->end);
        rc = packet_put(&out, read, range, at, end, seqno++, err);
        if (!rc) rc = xfer_write(fd, out.data, out.length, MSG_MORE, timeout_ms, err);
        if (!rc)
            rc = xfer_sendfile(fd, read->file.data_fd, at, (size_t)(end - at), timeout_ms, err);
        throttle_pass(throttle, (uint64_t)(end - at));
        buf_clear(&out);
    }
    header_put(&out, range->end, seqno, true, 0, 0);
    if (!rc) rc = xfer_write(fd, out.data, out.length, 0, timeout_ms, err);
    buf_release(&out);
    return rc;
}

static void answer_put(struct buf *out, const struct send_range *range)
{
    Pb__BlockOpResponse response = PB__BLOCK_OP_RESPONSE__INIT;
    Pb__ReadOpChecksumInfo info = PB__READ_OP_CHECKSUM_INFO__INIT;
    Pb__Checksum sum = PB__CHECKSUM__INIT;

    sum.type = (Pb__ChecksumType)range->sum.type;
    sum.bytesperchecksum = range->sum.bytes_per_checksum;
    info.checksum = &sum;
    info.chunkoffset = (uint64_t)range->start;
    response.status = PB__STATUS__SUCCESS;
    response.readopchecksuminfo = &info;
    xfer_response_put(out, &response);
}

/* The client's verdict ends the request; a client that closes instead is fine. One that found a wrong checksum makes the
 * replica suspect: it may also have been the network. */
static void take_verdict(struct xfer_context *ctx, struct block_pool *pool,
                         const struct replica_read *read, int64_t id)
{
    struct err err = ERR_INIT;
    Pb__Status status;

    if (xfer_read_status_read(&ctx->in, &status, &err)) {
        log_debug("%s: no client status: %s", ctx->peer, err.text);
        return;
    }
    if (status == PB__STATUS__ERROR_CHECKSUM)
        scan_block_suspect(ctx->dn->scan, pool, read->volume->index, id);
    ctx->keep = true;
}

static int send_it(struct xfer_context *ctx, const Pb__OpReadBlock *op,
                   const struct replica_read *read, const struct block_name *block, bool *started,
                   struct err *err)
{
    struct send_range range;
    struct buf answer = {0};

    int rc = send_range_init(&range, read, block, (int64_t)op->offset, (int64_t)op->len,
                             op->sendchecksums, err);
    if (rc) return rc;
    *started = true;
    answer_put(&answer, &range);
    rc = send_block_data(read, &range, ctx->fd, &answer, ctx->dn->settings.write_timeout_ms, NULL,
                         err);
    buf_release(&answer);
    if (rc) return rc;
    atomic_fetch_add(&ctx->dn->bytes_read, (uint64_t)(range.end - range.start));
    atomic_fetch_add(&ctx->dn->blocks_read, 1);
    if (op->cachingstrategy && op->cachingstrategy->has_dropbehind &&
        op->cachingstrategy->dropbehind)
        posix_fadvise(read->file.data_fd, range.start, range.end - range.start,
                      POSIX_FADV_DONTNEED);
    return 0;
}

void send_block_op(struct xfer_context *ctx, const Pb__OpReadBlock *op)
{
    const Pb__ExtendedBlock *named = op->header->baseheader->block;
    struct replica_read read = {.file = BLOCK_FILE_INIT};
    struct err err = ERR_INIT;
    struct block_name block;
    bool started = false;

    struct block_pool *pool = xfer_pool(ctx, named, &block, &err);
    int64_t wanted = op->offset <= INT64_MAX / 2 && op->len <= INT64_MAX / 2
                         ? (int64_t)(op->offset + op->len)
                         : INT64_MAX;
    int rc =
        pool ? dataset_open_read(pool, &block, wanted, READ_WAIT_MS, &read, &err) : err_code(&err);
    if (!rc) rc = send_it(ctx, op, &read, &block, &started, &err);
    if (!rc)
        take_verdict(ctx, pool, &read, block.id);
    else if (!started)
        xfer_fail(ctx, "opReadBlock", named, &err);
    else
        log_debug("sending blk_%" PRId64 " to %s: %s", block.id, ctx->peer, err.text);
    /* Neither a reader's checksum nor its report can tell of a disk that does not give the bytes
     * out. */
    if (pool && (rc == ERR_CORRUPT || (started && (rc == ERR_IO || rc == ERR_EOF)))) {
        log_error("blk_%" PRId64 "_%" PRIu64 ": %s; reported as bad", block.id, read.gs, err.text);
        if (read.volume) {
            nn_report_bad_block(pool, read.volume->index, block.id, read.gs);
            dataset_note_error(pool->dataset, read.volume->index, &err);
        }
    }
    replica_read_close(&read);
}
