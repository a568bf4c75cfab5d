/*
 * Where a file's bytes are, as clients are told: LocatedBlock and LocatedBlocks (BlockManager.createLocatedBlocks).
 *
 * Core thread only; pure. Everything filled points into the arena or the core's memory.
 */
#ifndef NAMENODE_LOCATED_H
#define NAMENODE_LOCATED_H

#include "namenode/op.h"
#include "proto/hdfs.pb-c.h"

/* The token of a cluster without security: four empty fields, all required. */
extern const Pb__Token located_empty_token;

Pb__ExtendedBlock *located_extended_block(struct core *core, const struct block_id *id,
                                          struct arena *arena);
/* From the wire; absent numBytes is 0. */
struct block_id located_block_id(const Pb__ExtendedBlock *block);
/* ERR_IO "Unexpected BlockPoolId X - expected Y". NULL passes. */
int located_check_pool(struct core *core, const Pb__ExtendedBlock *block,
                       struct err *err) MUST_CHECK;

/* One block with these storages as its places, in this order. `offset` in the file. */
Pb__LocatedBlock *located_block_make(struct core *core, const struct block_id *id,
                                     struct storage *const *storages, size_t count, uint64_t offset,
                                     struct arena *arena);

/* The blocks that overlap [offset, offset + length), sorted for a reader at op->client_ip. */
int located_blocks_fill(struct core *core, struct op *op, const struct inode *file, uint64_t offset,
                        uint64_t length, Pb__LocatedBlocks *out, struct err *err) MUST_CHECK;
/* The same of a file as a snapshot saw it: it ends where it ended then. */
void located_blocks_of_snapshot(struct core *core, struct op *op, const struct inode *file,
                                int32_t snapshot, uint64_t offset, uint64_t length,
                                Pb__LocatedBlocks *out);

#endif
