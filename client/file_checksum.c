#include "client/file_checksum.h"

#include <stdio.h>
#include <unistd.h>

#include "client/dn_conns.h"
#include "client/fs_state.h"
#include "client/located.h"
#include "common/buf.h"
#include "common/checksum.h"
#include "common/crc.h"
#include "common/log.h"
#include "common/xfer_op.h"

enum { BUFFER_FIRST = 32, TIMEOUT_PER_NODE_MS = 3000 };

/* What the blocks said so far. */
struct combine {
    bool composite;
    size_t block_count;
    uint32_t bytes_per_crc; /* of the first block, as the three below */
    uint64_t crc_per_block;
    int crc_type;
    struct buf md5s; /* of all blocks */
    uint32_t crc;    /* over all blocks */
};

size_t file_checksum_padded(size_t length)
{
    size_t size = BUFFER_FIRST;

    while (size < length) size *= 2;
    return size;
}

/* ---- one block ---- */

static int ask(struct fs *fs, const Pb__LocatedBlock *block, size_t replica,
               const struct combine *combine, struct arena *arena,
               Pb__OpBlockChecksumResponse **answer, struct err *err)
{
    Pb__BaseHeader base = PB__BASE_HEADER__INIT;
    Pb__BlockChecksumOptions options = PB__BLOCK_CHECKSUM_OPTIONS__INIT;
    Pb__OpBlockChecksum request = PB__OP_BLOCK_CHECKSUM__INIT;
    Pb__BlockOpResponse *response;
    struct buf out = {0};
    struct dn_conn *conn;

    base.block = block->b;
    base.token = block->blocktoken;
    options.has_blockchecksumtype = true;
    options.blockchecksumtype = combine->composite ? PB__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC
                                                   : PB__BLOCK_CHECKSUM_TYPE__MD5CRC;
    request.header = &base;
    request.blockchecksumoptions = &options;
    int rc = dn_conn_open(fs, block->locs[replica]->id, true, &conn, err);
    if (rc) return rc;
    conn->in.timeout_ms = fs->settings.socket_timeout_ms + TIMEOUT_PER_NODE_MS * (int)block->n_locs;
    xfer_op_put(&out, XFER_BLOCK_CHECKSUM, &request.base);
    rc = xfer_write(conn->fd, out.data, out.length, 0, fs->settings.write_timeout_ms, err);
    if (!rc) rc = xfer_response_read(&conn->in, arena, &response, err);
    if (!rc) rc = xfer_response_check(response, err);
    if (!rc && !response->checksumresponse)
        rc = err_set(err, ERR_BAD_MESSAGE, "the datanode's answer has no checksum");
    if (!rc) *answer = response->checksumresponse;
    buf_release(&out);
    dn_conn_close(conn);
    return rc;
}

/* Checks one block's answer against the first's and adds it. `length` is what it covers. */
static int add(struct combine *combine, size_t index, const Pb__OpBlockChecksumResponse *answer,
               uint64_t length, struct err *err)
{
    size_t size = combine->composite ? 4 : MD5_SIZE;
    int type = answer->has_crctype ? (int)answer->crctype : (int)CHECKSUM_CRC32;

    if (answer->blockchecksum.len != size)
        return err_set(err, ERR_BAD_MESSAGE, "block checksum of %zu bytes; %zu are due",
                       answer->blockchecksum.len, size);
    if (index == 0) {
        combine->bytes_per_crc = answer->bytespercrc;
        combine->crc_per_block = combine->block_count > 1 ? answer->crcperblock : 0;
        combine->crc_type = type;
    } else if (!combine->composite && answer->bytespercrc != combine->bytes_per_crc) {
        return err_set(err, ERR_IO, "Byte-per-checksum not matched: bpc=%u but bytesPerCRC=%u",
                       answer->bytespercrc, combine->bytes_per_crc);
    } else if (type != combine->crc_type) {
        return err_set(err, ERR_IO, "the blocks have checksums of different types");
    }
    if (!combine->composite) {
        buf_put(&combine->md5s, answer->blockchecksum.data, size);
        return 0;
    }
    combine->crc =
        crc_combine(combine->crc, get_be32(answer->blockchecksum.data), length,
                    combine->crc_type == CHECKSUM_CRC32C ? CRC_POLY_CRC32C : CRC_POLY_CRC32);
    return 0;
}

/* Asks one replica after the other. ERR_BLOCK_TOKEN when a token was refused. */
static int checksum_block(struct fs *fs, const char *path, const Pb__LocatedBlock *block,
                          size_t index, struct combine *combine, struct err *err)
{
    char name[LOCATED_NAME_MAX];
    struct err last = ERR_INIT;

    for (size_t i = 0; i < block->n_locs; i++) {
        Pb__OpBlockChecksumResponse *answer;
        struct arena arena = {0};
        int rc = ask(fs, block, i, combine, &arena, &answer, &last);
        if (!rc) {
            rc = add(combine, index, answer, block->b->numbytes, err);
            arena_release(&arena);
            return rc;
        }
        arena_release(&arena);
        if (rc == ERR_BLOCK_TOKEN) return *err = last, rc;
        log_warn("checksum of a block of %s from %s: %s", path, block->locs[i]->id->hostname,
                 last.text);
    }
    err_set(err, ERR_IO, "`%s': Fail to get block MD5 for %s%s%s", path,
            located_block_name(block->b, name, sizeof name), last.code ? ": " : "", last.text);
    return fs_set_java_class(err, "org.apache.hadoop.fs.PathIOException");
}

/* ---- the file ---- */

static int checksum_blocks(struct fs *fs, const char *path, const struct located *located,
                           uint64_t length, struct combine *combine, struct err *err)
{
    const Pb__LocatedBlocks *blocks = located->blocks;
    int rc = 0;

    for (size_t i = 0; i < blocks->n_blocks && !rc; i++) {
        Pb__LocatedBlock *block = blocks->blocks[i];
        if (block->b->numbytes > length) block->b->numbytes = length; /* the range ends inside */
        length -= block->b->numbytes;
        rc = checksum_block(fs, path, block, i, combine, err);
    }
    return rc;
}

static void finish_empty(struct fs_checksum *checksum)
{
    static const uint8_t zeros[BUFFER_FIRST];

    snprintf(checksum->algorithm, sizeof checksum->algorithm, "MD5-of-0MD5-of-0CRC32");
    memset(checksum->bytes, 0, 12);
    md5_of(zeros, sizeof zeros, checksum->bytes + 12);
    checksum->length = 12 + MD5_SIZE;
}

static void finish(struct combine *combine, struct fs_checksum *checksum)
{
    const char *type = checksum_type_name((enum checksum_type)combine->crc_type);

    if (combine->composite) {
        snprintf(checksum->algorithm, sizeof checksum->algorithm, "COMPOSITE-%s", type);
        set_be32(checksum->bytes, combine->crc);
        checksum->length = 4;
        return;
    }
    size_t padding = file_checksum_padded(combine->md5s.length) - combine->md5s.length;
    memset(buf_extend(&combine->md5s, padding), 0, padding);
    snprintf(checksum->algorithm, sizeof checksum->algorithm, "MD5-of-%" PRIu64 "MD5-of-%u%s",
             combine->crc_per_block, combine->bytes_per_crc, type);
    set_be32(checksum->bytes, combine->bytes_per_crc);
    set_be64(checksum->bytes + 4, combine->crc_per_block);
    md5_of(combine->md5s.data, combine->md5s.length, checksum->bytes + 12);
    checksum->length = 12 + MD5_SIZE;
}

static int checksum_once(struct fs *fs, const char *path, uint64_t length, bool composite,
                         struct fs_checksum *checksum, struct err *err)
{
    struct combine combine = {.composite = composite};
    struct located *located;

    int rc = located_fetch(fs, path, 0, length, &located, err);
    if (rc) return rc;
    combine.block_count = located->blocks->n_blocks;
    if (located->blocks->ecpolicy)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "%s is erasure coded: checksums of such files are not supported", path);
    else if (!combine.block_count)
        finish_empty(checksum);
    else
        rc = checksum_blocks(fs, path, located, length, &combine, err);
    if (!rc && combine.block_count) finish(&combine, checksum);
    buf_release(&combine.md5s);
    located_put(located);
    return rc;
}

int fs_file_checksum(struct fs *fs, const char *path, uint64_t length, enum fs_checksum_mode mode,
                     struct fs_checksum *checksum, struct err *err)
{
    bool composite = mode == FS_CHECKSUM_DEFAULT ? fs->settings.checksum_composite
                                                 : mode == FS_CHECKSUM_COMPOSITE;

    int rc = fs_check_path(path, err);
    if (rc) return rc;
    length = MIN(length, (uint64_t)INT64_MAX);
    rc = checksum_once(fs, path, length, composite, checksum, err);
    /* Expired tokens are new with the next locations: once more. */
    if (rc == ERR_BLOCK_TOKEN) rc = checksum_once(fs, path, length, composite, checksum, err);
    return rc;
}
