/*
 * Where blocks are: the namenode's LocatedBlocks, kept as the messages they came in, so that nodes
 * and tokens can be handed on to datanodes as they are. Read-only once fetched; counted references.
 */
#ifndef CLIENT_LOCATED_H
#define CLIENT_LOCATED_H

#include <stdatomic.h>

#include "client/fs.h"
#include "common/base.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/hdfs.pb-c.h"

struct located {
    _Atomic unsigned references;
    struct arena arena;
    Pb__LocatedBlocks *blocks; /* sorted by offset, checked for sanity */
    uint64_t length; /* of the file, with the visible bytes of a last block that is being written */
};

/* getBlockLocations. Asks datanodes for the length of a last block that is being written (ERR_IO
 * "Cannot obtain block length for …" when none can tell). One reference is the caller's. */
int located_fetch(struct fs *fs, const char *path, uint64_t offset, uint64_t length,
                  struct located **located, struct err *err) MUST_CHECK;
void located_get(struct located *located);
void located_put(struct located *located); /* NULL is fine */

/* The block that holds byte `offset` of the file, or NULL. The last block of an open file ends at
 * located->length. */
const Pb__LocatedBlock *located_find(const struct located *located, uint64_t offset);

/* Checks what came from outside; sorts. Part of located_fetch(), for tests. */
int located_check(struct located *located, struct err *err) MUST_CHECK;

/* "BP-…:blk_1_2", as Hadoop prints a block. Cuts at `size`. */
char *located_block_name(const Pb__ExtendedBlock *block, char *text, size_t size);
enum { LOCATED_NAME_MAX = 256 };

/* "ip:port" for data transfer, or "host:port" with dfs.client.use.datanode.hostname. */
char *located_xfer_address(const struct fs *fs, const Pb__DatanodeID *node, char *text,
                           size_t size);
enum { LOCATED_ADDRESS_MAX = 300 };

struct fs_blocks *located_public(const struct located *located); /* fs_blocks_free() */

#endif
