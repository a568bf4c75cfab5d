#include "datanode/block_checksum.h"

#include "common/crc.h"
#include "common/log.h"
#include "common/mem.h"

enum { CRCS_STEP = 16 * 1024, STRIPES_MAX = 1 << 20 };

/* CRCs are combined as they come; with stripes, one result for each stripe_length bytes. */
struct compose {
    uint32_t polynomial, chunk_factor;
    int64_t bpc, stripe; /* stripe 0: all in one */
    uint32_t crc;
    int64_t in_stripe;
    struct buf out;
};

struct digest {
    const struct replica_read *read;
    int64_t length;  /* bytes covered */
    struct md5 *md5; /* or */
    struct compose *compose;
    uint8_t *crcs; /* CRCS_STEP of them */
};

static void compose_flush(struct compose *c)
{
    buf_put_u32(&c->out, c->crc);
    c->crc = 0;
    c->in_stripe = 0;
}

static void compose_add(struct compose *c, uint32_t crc, int64_t length)
{
    c->crc = length == c->bpc ? crc_combine_with(c->crc, crc, c->chunk_factor, c->polynomial)
                              : crc_combine(c->crc, crc, (uint64_t)length, c->polynomial);
    c->in_stripe += length;
    if (c->stripe && c->in_stripe == c->stripe) compose_flush(c);
}

/* A block asked for up to the inside of a chunk: that chunk's CRC is computed from the data, which
 * is checked first. */
static int partial_crc(const struct digest *d, uint32_t *crc, struct err *err)
{
    const struct block_file *file = &d->read->file;
    int64_t bpc = file->sum.bytes_per_checksum, start = d->length - d->length % bpc;
    int64_t end = MIN(start + bpc, d->read->length);
    uint8_t *chunk = mem_alloc((size_t)bpc), stored[4];

    int rc = file_pread_full(file->data_fd, chunk, (size_t)(end - start), start, err);
    if (!rc) rc = replica_read_crcs(d->read, start, end, stored, err);
    if (!rc && checksum_verify(&file->sum, chunk, (size_t)(end - start), stored) >= 0)
        rc = err_set(err, ERR_CHECKSUM, "checksum error in the chunk at %" PRId64, start);
    if (!rc) *crc = checksum_update(file->sum.type, 0, chunk, (size_t)(d->length - start));
    mem_free(chunk);
    return rc;
}

static int digest_run(struct digest *d, struct err *err)
{
    int64_t bpc = d->read->file.sum.bytes_per_checksum;
    bool cut = d->length < d->read->length && d->length % bpc;
    int64_t whole = cut ? d->length - d->length % bpc : d->length;
    uint8_t last[4];
    uint32_t crc;
    int rc = 0;

    if (!checksum_size(&d->read->file.sum)) return 0; /* the digest of nothing, as Apache's */
    for (int64_t at = 0; at < whole && !rc;) {
        int64_t end = MIN(at + CRCS_STEP * bpc, whole);
        int64_t count = DIV_UP(end - at, bpc);
        rc = replica_read_crcs(d->read, at, end, d->crcs, err);
        if (rc) break;
        if (d->md5) md5_update(d->md5, d->crcs, (size_t)count * 4);
        for (int64_t i = 0; d->compose && i < count; i++)
            compose_add(d->compose, get_be32(d->crcs + i * 4), MIN(bpc, end - at - i * bpc));
        at = end;
    }
    if (rc || !cut) return rc;
    rc = partial_crc(d, &crc, err);
    if (rc) return rc;
    set_be32(last, crc);
    if (d->md5) md5_update(d->md5, last, 4);
    if (d->compose) compose_add(d->compose, crc, d->length % bpc);
    return 0;
}

static int answer(struct xfer_context *ctx, const struct digest *d, ProtobufCBinaryData bytes,
                  Pb__BlockChecksumOptions *options, struct err *err)
{
    Pb__BlockOpResponse response = PB__BLOCK_OP_RESPONSE__INIT;
    Pb__OpBlockChecksumResponse sum = PB__OP_BLOCK_CHECKSUM_RESPONSE__INIT;
    const struct checksum *file = &d->read->file.sum;
    struct buf out = {0};

    sum.bytespercrc = file->bytes_per_checksum;
    /* As Apache: of the whole meta file, whatever part was asked for. */
    sum.crcperblock = checksum_size(file) ? checksum_chunks(file, (size_t)d->read->length) : 0;
    sum.blockchecksum = bytes;
    sum.has_crctype = 1;
    sum.crctype = (Pb__ChecksumType)file->type;
    sum.blockchecksumoptions = options;
    response.status = PB__STATUS__SUCCESS;
    response.checksumresponse = &sum;
    xfer_response_put(&out, &response);
    int rc = xfer_write(ctx->fd, out.data, out.length, 0, ctx->dn->settings.write_timeout_ms, err);
    buf_release(&out);
    return rc;
}

static int md5_crc(struct xfer_context *ctx, struct digest *d, Pb__BlockChecksumOptions *options,
                   struct err *err)
{
    uint8_t digest[MD5_SIZE];

    d->md5 = md5_new();
    int rc = digest_run(d, err);
    md5_finish(d->md5, digest);
    md5_free(d->md5);
    return rc ? rc
              : answer(ctx, d, (ProtobufCBinaryData){.len = sizeof digest, .data = digest}, options,
                       err);
}

static int composite_crc(struct xfer_context *ctx, struct digest *d,
                         Pb__BlockChecksumOptions *options, struct err *err)
{
    const struct checksum *file = &d->read->file.sum;
    struct compose c = {.bpc = file->bytes_per_checksum, .stripe = (int64_t)options->stripelength};

    if (!checksum_size(file)) return err_set(err, ERR_IO, "the block has no checksums to compose");
    if (c.stripe < 0 || c.stripe % c.bpc || (c.stripe && d->length / c.stripe > STRIPES_MAX))
        return err_set(err, ERR_ARGUMENT,
                       "stripe length %" PRId64 " does not fit chunks of %" PRId64, c.stripe,
                       c.bpc);
    c.polynomial = file->type == CHECKSUM_CRC32 ? CRC_POLY_CRC32 : CRC_POLY_CRC32C;
    c.chunk_factor = crc_monomial((uint64_t)c.bpc, c.polynomial);
    d->compose = &c;
    int rc = digest_run(d, err);
    d->compose = NULL;
    if (!rc && (c.in_stripe || !c.stripe)) compose_flush(&c);
    if (!rc)
        rc = answer(ctx, d, (ProtobufCBinaryData){.len = c.out.length, .data = c.out.data}, options,
                    err);
    buf_release(&c.out);
    return rc;
}

void block_checksum_op(struct xfer_context *ctx, const Pb__OpBlockChecksum *op)
{
    const Pb__ExtendedBlock *named = op->header->block;
    Pb__BlockChecksumOptions options = PB__BLOCK_CHECKSUM_OPTIONS__INIT;
    struct replica_read read = {.file = BLOCK_FILE_INIT};
    struct err err = ERR_INIT;
    struct block_name block;

    if (op->blockchecksumoptions) options = *op->blockchecksumoptions;
    options.has_blockchecksumtype = options.has_stripelength = 1;
    struct block_pool *pool = xfer_pool(ctx, named, &block, &err);
    int rc = pool ? dataset_open_read(pool, &block, 0, 0, &read, &err) : err_code(&err);
    if (!rc) {
        struct digest digest = {
            .read = &read, .length = read.length, .crcs = mem_alloc(CRCS_STEP * 4)};
        if (named->has_numbytes) digest.length = MIN(block.length, read.length);
        rc = options.blockchecksumtype == PB__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC
                 ? composite_crc(ctx, &digest, &options, &err)
                 : md5_crc(ctx, &digest, &options, &err);
        mem_free(digest.crcs);
    }
    ctx->keep = !rc;
    if (rc) xfer_fail(ctx, "blockChecksum", named, &err);
    replica_read_close(&read);
}
