#include "client/block_reader.h"

#include <stdio.h>

#include "client/dn_conns.h"
#include "client/fs_state.h"
#include "client/located.h"
#include "common/buf.h"
#include "common/checksum.h"
#include "common/xfer_op.h"
#include "common/xfer_packet.h"

struct block_reader {
    struct fs *fs;
    struct dn_conn *conn;
    char *path;
    char name[LOCATED_NAME_MAX]; /* of the block */
    struct checksum sum;         /* as the datanode said */
    bool verify;

    uint64_t position; /* next byte to give out, in the block */
    uint64_t end;
    uint64_t next_packet; /* offset at which the next packet must begin */
    bool finished;        /* read to the end, and the datanode told so */

    struct buf sums;    /* of the present packet */
    struct buf data;    /* a packet that did not fit the caller's memory */
    size_t used;        /* bytes of `data` given out */
    struct err failure; /* what ended reading, for the next call; code 0 while all is well */
};

/* ---- opening ---- */

static int send_request(struct block_reader *reader, const struct block_range *range,
                        struct err *err)
{
    Pb__BaseHeader base = PB__BASE_HEADER__INIT;
    Pb__ClientOperationHeader header = PB__CLIENT_OPERATION_HEADER__INIT;
    Pb__CachingStrategy caching = PB__CACHING_STRATEGY__INIT;
    Pb__OpReadBlock request = PB__OP_READ_BLOCK__INIT;
    struct buf out = {0};

    base.block = range->block->b;
    base.token = range->block->blocktoken;
    header.baseheader = &base;
    header.clientname = reader->fs->client_name;
    request.header = &header;
    request.offset = range->offset;
    request.len = range->length;
    request.has_sendchecksums = true;
    request.sendchecksums = range->verify;
    request.cachingstrategy = &caching;
    xfer_op_put(&out, XFER_READ_BLOCK, &request.base);
    int rc = xfer_write(reader->conn->fd, out.data, out.length, 0,
                        reader->fs->settings.write_timeout_ms, err);
    buf_release(&out);
    return rc;
}

static int read_answer(struct block_reader *reader, const struct block_range *range,
                       struct err *err)
{
    Pb__BlockOpResponse *response;
    struct arena arena = {0};

    int rc = xfer_response_read(&reader->conn->in, &arena, &response, err);
    if (!rc) rc = xfer_response_check(response, err);
    if (!rc && !response->readopchecksuminfo)
        rc = err_set(err, ERR_BAD_MESSAGE, "the datanode did not say how its data is checksummed");
    if (!rc) {
        const Pb__ReadOpChecksumInfo *info = response->readopchecksuminfo;
        rc = checksum_init(&reader->sum, (int)info->checksum->type,
                           info->checksum->bytesperchecksum, err);
        reader->next_packet = info->chunkoffset;
        if (!rc && (info->chunkoffset > range->offset ||
                    range->offset - info->chunkoffset >= reader->sum.bytes_per_checksum))
            rc = err_set(err, ERR_BAD_MESSAGE,
                         "BlockReader: error in first chunk offset (%" PRIu64
                         ") startOffset is %" PRIu64 " for file %s",
                         info->chunkoffset, range->offset, range->path);
    }
    arena_release(&arena);
    return rc;
}

int block_reader_open(struct fs *fs, const struct block_range *range, struct block_reader **result,
                      struct err *err)
{
    const Pb__DatanodeID *node = range->block->locs[range->replica]->id;
    struct block_reader *reader = NEW(struct block_reader);
    char address[LOCATED_ADDRESS_MAX], name[LOCATED_NAME_MAX];

    assert(range->length > 0);
    reader->fs = fs;
    reader->verify = range->verify;
    reader->path = mem_strdup(range->path);
    reader->position = range->offset;
    reader->end = range->offset + range->length;
    located_block_name(range->block->b, reader->name, sizeof reader->name);
    int rc = dn_conn_open(fs, node, range->fresh, &reader->conn, err);
    if (!rc) rc = send_request(reader, range, err);
    if (!rc) rc = read_answer(reader, range, err);
    if (!rc && reader->sum.type == CHECKSUM_NULL) reader->verify = false;
    if (rc) {
        bool stale =
            reader->conn && reader->conn->reused && (rc == ERR_EOF || rc == ERR_CONNECTION_LOST);
        block_reader_close(reader);
        if (stale) { /* the datanode had closed the idle connection: not its fault */
            struct block_range again = *range;
            again.fresh = true;
            return block_reader_open(fs, &again, result, err);
        }
        located_xfer_address(fs, node, address, sizeof address);
        located_block_name(range->block->b, name, sizeof name);
        return err_wrap(err, rc, "read %s of %s from %s", name, range->path, address);
    }
    *result = reader;
    return 0;
}

/* ---- packets ---- */

static int check_header(const struct block_reader *reader, const struct xfer_packet_header *header,
                        struct err *err)
{
    int rc = xfer_packet_check(header, reader->sum.bytes_per_checksum,
                               (uint32_t)checksum_size(&reader->sum), err);

    if (rc) return rc;
    if (header->last || !header->data_length)
        return err_set(err, ERR_BAD_MESSAGE, "%s ends at %" PRIu64 " of %" PRIu64 " bytes",
                       reader->name, reader->next_packet, reader->end);
    if ((uint64_t)header->offset != reader->next_packet)
        return err_set(err, ERR_BAD_MESSAGE,
                       "a packet of %s begins at %" PRId64 " instead of %" PRIu64, reader->name,
                       header->offset, reader->next_packet);
    if (reader->next_packet + header->data_length <= reader->position)
        return err_set(err, ERR_BAD_MESSAGE, "a packet of %s holds nothing that was asked for",
                       reader->name);
    return 0;
}

static int verify(const struct block_reader *reader, const uint8_t *data, size_t size,
                  struct err *err)
{
    if (!reader->verify) return 0;
    ssize_t bad = checksum_verify(&reader->sum, data, size, reader->sums.data);
    if (bad < 0) return 0;
    size_t at = (size_t)bad * reader->sum.bytes_per_checksum;
    size_t length = MIN((size_t)reader->sum.bytes_per_checksum, size - at);
    uint32_t got = checksum_update(reader->sum.type, 0, data + at, length);
    return err_set(err, ERR_CHECKSUM,
                   "Checksum error: %s at %" PRIu64 " exp: %" PRId32 " got: %" PRId32, reader->path,
                   reader->next_packet + at, (int32_t)get_be32(reader->sums.data + 4 * (size_t)bad),
                   (int32_t)got);
}

/* The next packet: straight into `data` when all of it is wanted there (then *direct is its size),
 * else into reader->data. */
static int read_packet(struct block_reader *reader, uint8_t *data, size_t size, size_t *direct,
                       struct err *err)
{
    struct xfer_packet_header header;
    uint8_t *to;

    *direct = 0;
    int rc = xfer_packet_read_header(&reader->conn->in, &header, err);
    if (!rc) rc = check_header(reader, &header, err);
    if (rc) return rc;
    buf_clear(&reader->sums);
    rc = xfer_in_read(&reader->conn->in, buf_extend(&reader->sums, header.checksum_length),
                      header.checksum_length, err);
    if (rc) return rc;
    bool whole = reader->position == reader->next_packet && size >= header.data_length &&
                 reader->end - reader->position >= header.data_length;
    buf_clear(&reader->data);
    to = whole ? data : buf_extend(&reader->data, header.data_length);
    rc = xfer_in_read(&reader->conn->in, to, header.data_length, err);
    if (!rc) rc = verify(reader, to, header.data_length, err);
    if (rc) {
        buf_clear(&reader->data);
        return rc;
    }
    if (whole)
        *direct = header.data_length;
    else
        reader->used = (size_t)(reader->position - reader->next_packet);
    reader->next_packet += header.data_length;
    return 0;
}

static size_t copy_left_over(struct block_reader *reader, uint8_t *data, size_t size)
{
    size_t left = reader->data.length - reader->used;
    size_t n = MIN(MIN(size, left), (size_t)(reader->end - reader->position));

    memcpy(data, reader->data.data + reader->used, n);
    reader->used += n;
    return n;
}

/* Reads the empty last packet and says that all is well, so that the datanode keeps the connection.
 * The caller has its bytes: what fails here costs only the connection. */
static void finish(struct block_reader *reader)
{
    struct xfer_packet_header header;
    struct buf out = {0};
    struct err err = ERR_INIT;

    if (xfer_packet_read_header(&reader->conn->in, &header, &err)) return;
    if (!header.last || header.data_length || header.checksum_length) return;
    xfer_read_status_put(&out, reader->verify ? PB__STATUS__CHECKSUM_OK : PB__STATUS__SUCCESS);
    reader->finished = xfer_write(reader->conn->fd, out.data, out.length, 0,
                                  reader->fs->settings.write_timeout_ms, &err) == 0;
    buf_release(&out);
}

ssize_t block_reader_read(struct block_reader *reader, void *data, size_t size, struct err *err)
{
    uint8_t *to = data;
    size_t done = 0;

    while (done < size && reader->position < reader->end) {
        size_t n = 0;
        if (reader->used < reader->data.length) {
            n = copy_left_over(reader, to + done, size - done);
        } else {
            if (!reader->failure.code)
                reader->failure.code =
                    read_packet(reader, to + done, size - done, &n, &reader->failure);
            if (reader->failure.code && done) break; /* what came before is good */
            if (reader->failure.code) return *err = reader->failure, err->code;
        }
        done += n;
        reader->position += n;
        if (reader->position == reader->end) finish(reader);
    }
    return (ssize_t)done;
}

uint64_t block_reader_position(const struct block_reader *reader)
{
    return reader->position;
}
uint64_t block_reader_end(const struct block_reader *reader)
{
    return reader->end;
}
bool block_reader_reused(const struct block_reader *reader)
{
    return reader->conn->reused;
}
bool block_reader_local(const struct block_reader *reader)
{
    return reader->conn->local;
}

void block_reader_close(struct block_reader *reader)
{
    if (!reader) return;
    if (reader->conn) {
        if (reader->finished && !xfer_in_buffered(&reader->conn->in))
            dn_conn_keep(reader->fs, reader->conn);
        else
            dn_conn_close(reader->conn);
    }
    buf_release(&reader->sums);
    buf_release(&reader->data);
    mem_free(reader->path);
    mem_free(reader);
}
