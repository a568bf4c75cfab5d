/*
 * The two files of a replica: blk_<id> with the bytes, blk_<id>_<GS>.meta with their checksums (i16
 * version 1, u8 checksum type, i32 bytes per checksum, then a big-endian u32 for each chunk).
 * Names, places, writing, verifying, cutting. Answers Hadoop's BlockMetadataHeader, DatanodeUtil
 * and the file side of LocalReplica.
 *
 * Blocking; a struct block_file belongs to one thread at a time.
 */
#ifndef DATANODE_BLOCK_FILE_H
#define DATANODE_BLOCK_FILE_H

#include <limits.h>

#include "common/base.h"
#include "common/checksum.h"
#include "common/err.h"

enum {
    BLOCK_META_HEADER = 7,
    BLOCK_META_VERSION = 1,
    BLOCK_BPC_DEFAULT = 512,
    BLOCK_NAME_MAX = 64,
};

/* Folders below <volume>/current/<pool>. */
enum block_place {
    BLOCK_FINALIZED, /* current/finalized/subdir<a>/subdir<b> */
    BLOCK_RBW,       /* current/rbw */
    BLOCK_TMP,       /* tmp */
};

/* ---- names ---- */

void block_data_name(char out[BLOCK_NAME_MAX], int64_t id);
void block_meta_name(char out[BLOCK_NAME_MAX], int64_t id, uint64_t gs);
/* "blk_12": true and the id. */
bool block_parse_data_name(const char *name, int64_t *id);
/* "blk_12_1001.meta": true, id and GS. */
bool block_parse_meta_name(const char *name, int64_t *id, uint64_t *gs);

/* Paths of files of a replica; `pool_dir` is <volume>/current/<pool>. */
void block_dir_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id);
void block_data_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id);
void block_meta_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id,
                     uint64_t gs);
/* Where a datanode that is back soon says how long (milliseconds since 1970, as text) an RBW waits for
 * its writer: beside rbw/, as Hadoop's createRestartMetaStream has it. */
void block_restart_path(char out[PATH_MAX], const char *pool_dir, int64_t id);

/* ---- checksums ---- */

/* Size of the meta file of so many bytes. */
int64_t block_meta_size(int64_t length, const struct checksum *sum);

/* ---- the open pair ---- */

struct block_file {
    int data_fd, meta_fd; /* -1: not open; meta_fd -1 with data open: a replica without checksums */
    struct checksum sum;
    int64_t on_disk;   /* writers: bytes with checksums in the files */
    uint32_t last_crc; /* writers: of the partial chunk at the end, if on_disk is inside one */
};
#define BLOCK_FILE_INIT                                                                            \
    {                                                                                              \
        .data_fd = -1, .meta_fd = -1, .sum = { CHECKSUM_NULL, BLOCK_BPC_DEFAULT }                  \
    }

/* New files, which must not exist. */
int block_file_create(struct block_file *file, const char *data_path, const char *meta_path,
                      const struct checksum *sum, struct err *err) MUST_CHECK;
/* For reading. A missing meta file gives one without checksums; a damaged header is ERR_CORRUPT.
 * ERR_NOT_FOUND when the data is not there. */
int block_file_open(struct block_file *file, const char *data_path, const char *meta_path,
                    struct err *err) MUST_CHECK;
/* For writing on at `length`, with the partial chunk at the end, if there is one, verified.
 * ERR_CORRUPT if it is damaged, or if the files are shorter. Bytes behind `length` are cut off. A file
 * with a second name, which an upgrade has given it, is replaced by a copy first: the other name keeps what it has. */
int block_file_reopen(struct block_file *file, const char *data_path, const char *meta_path,
                      int64_t length, struct err *err) MUST_CHECK;
/* The first `size` bytes of a file into another, by the kernel. */
int copy_bytes(int from, int to, int64_t size, struct err *err) MUST_CHECK;
void block_file_close(struct block_file *file); /* harmless when not open */

/* Adds `size` bytes that belong at `offset` <= on_disk. What is on disk already is not written
 * again. `crcs` are those of the data in this file's type and chunk size, from `offset` on; they
 * are taken over where `offset` starts a chunk, and computed anew otherwise or when NULL. */
int block_file_write(struct block_file *file, int64_t offset, const uint8_t *data, size_t size,
                     const uint8_t *crcs, struct err *err) MUST_CHECK;
/* Has the kernel begin to write these data bytes back, without waiting for it. */
void block_file_write_behind(const struct block_file *file, int64_t from, int64_t to);
/* Both files to the disk. */
int block_file_sync(const struct block_file *file, struct err *err) MUST_CHECK;
/* Cuts to `length` <= the present one and sets the last CRC anew, after verifying the chunk that is
 * cut. */
int block_file_cut(struct block_file *file, int64_t length, struct err *err) MUST_CHECK;

/* How many bytes of the pair are proven by their checksums, when a crash tore the end: chunks are
 * looked at from the last backwards; in it, a prefix that fits its CRC counts. Without meta: 0. */
int block_file_proven(const char *data_path, const char *meta_path, int64_t *length,
                      struct err *err) MUST_CHECK;

#endif
