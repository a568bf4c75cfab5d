/*
 * From the disk to the map, at start: all volumes of a pool in parallel. Answers the loading half
 * of Hadoop's BlockPoolSlice.
 *
 * finalized/: a replica for each blk_ file, with GS 0 if its meta file lacks. rbw/: RWR, cut to the
 * bytes that its checksums prove. tmp/: deleted. Of two replicas of one block the one with the
 * higher GS, then the longer one, stays; the other's files are deleted. Files left apart by a move
 * that a crash interrupted are joined again.
 */
#ifndef DATANODE_SCAN_DIR_H
#define DATANODE_SCAN_DIR_H

#include "datanode/dataset.h"

int scan_pool(struct block_pool *pool, struct err *err) MUST_CHECK;
/* One volume that comes while the pool serves. */
int scan_pool_volume(struct block_pool *pool, uint16_t volume, struct err *err) MUST_CHECK;

#endif
