/*
 * The full block report: per storage a list of all replicas as varints, in buffers of at most 64
 * KiB that no record spans. Answers Hadoop's BlockListAsLongs.BufferDecoder's format.
 */
#ifndef DATANODE_FULL_REPORT_H
#define DATANODE_FULL_REPORT_H

#include "common/buf.h"
#include "common/mem.h"
#include "datanode/dataset.h"
#include "proto/datanode.pb-c.h"

enum { FULL_REPORT_CHUNK = 64 * 1024 };

/* One storage's part, growing. Zeroed is empty. */
struct report_storage {
    struct buf *chunks;
    size_t chunk_count, chunk_capacity;
    uint64_t blocks;
};

/* zigzag id, length, GS, state. */
void report_storage_add(struct report_storage *storage, int64_t id, int64_t length, uint64_t gs,
                        enum replica_state state);
void report_storage_release(struct report_storage *storage);

/* All replicas of the pool but TEMPORARY ones, by volume; `storages` has one place per volume.
 * Returns how many. */
uint64_t full_report_collect(struct block_pool *pool, struct report_storage *storages);

/* The message of one storage, which points into `storage`. */
Pb__StorageBlockReport *full_report_message(const struct volume *volume,
                                            const struct report_storage *storage,
                                            struct arena *arena);

#endif
