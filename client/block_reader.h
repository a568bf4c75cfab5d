/*
 * Reads a range of one block from one replica (READ_BLOCK), verifying each chunk before its bytes
 * are given out. Answers to BlockReaderRemote. Belongs to one thread at a time.
 */
#ifndef CLIENT_BLOCK_READER_H
#define CLIENT_BLOCK_READER_H

#include "common/base.h"
#include "common/err.h"
#include "proto/hdfs.pb-c.h"

struct fs;
struct block_reader;

struct block_range {
    const char *path;              /* of the file, for messages */
    const Pb__LocatedBlock *block; /* must outlive the reader */
    size_t replica;                /* index into block->locs */
    uint64_t offset;               /* in the block */
    uint64_t length;               /* > 0, within the block */
    bool verify;
    bool fresh; /* no idle connection */
};

/* Sends the request and reads the answer. ERR_BLOCK_TOKEN when the token is refused; ERR_CHECKSUM
 * never here. */
int block_reader_open(struct fs *fs, const struct block_range *range, struct block_reader **reader,
                      struct err *err) MUST_CHECK;
/* Fills `data`, short only at the end of the range; 0 there. ERR_CHECKSUM for bytes that do not fit
 * their CRC; bytes before the error are lost with it, the position says from where to go on. */
ssize_t block_reader_read(struct block_reader *reader, void *data, size_t size,
                          struct err *err) MUST_CHECK;
uint64_t block_reader_position(const struct block_reader *reader); /* in the block */
uint64_t block_reader_end(const struct block_reader *reader);
/* An idle connection was used: an error of the first read may be the connection's and not the
 * datanode's. */
bool block_reader_reused(const struct block_reader *reader);
bool block_reader_local(const struct block_reader *reader); /* the datanode is on this host */
/* Keeps the connection for others if the range was read to its end. NULL is fine. */
void block_reader_close(struct block_reader *reader);

#endif
