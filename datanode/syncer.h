/*
 * Brings closed blocks to the disk within seconds, as HDFS alone never does: what a client closed
 * without hsync is in the page cache, and a power cut would take it. A thread of its own syncs
 * data, checksums and folders of what was finalized, in batches. A block that cannot be written
 * back is reported as bad: the kernel tells only once.
 *
 * Any thread adds; adding waits when SYNCER_QUEUE_MAX blocks are behind, which is how a slow disk
 * slows its writers.
 */
#ifndef DATANODE_SYNCER_H
#define DATANODE_SYNCER_H

#include "datanode/dataset.h"

enum { SYNCER_QUEUE_MAX = 16384, SYNCER_DELAY_MS = 2000 };

struct syncer;

struct syncer *syncer_new(void); /* starts the thread */
/* Syncs what is queued, ends the thread. NULL is fine. */
void syncer_free(struct syncer *syncer);

void syncer_add(struct syncer *syncer, struct block_pool *pool, uint16_t volume, int64_t id,
                uint64_t gs);
size_t syncer_waiting(struct syncer *syncer);

#endif
