/*
 * Bit rot: every finalized replica is read and held against its checksums once in a scan period
 * (dfs.datanode.scan.period.hours), at dfs.block.scanner.volume.bytes.per.second of each volume.
 * What fails is reported to the namenode, which makes a good copy and then has the bad one deleted.
 * Answers Hadoop's BlockScanner and VolumeScanner, whose scanner.cursor file in each pool's folder
 * keeps the place over restarts, theirs and ours.
 *
 * A thread for each volume. Replicas that somebody had trouble with are looked at first.
 */
#ifndef DATANODE_SCAN_BLOCK_H
#define DATANODE_SCAN_BLOCK_H

#include "common/conf.h"
#include "datanode/dataset.h"

enum { SCAN_SUSPECTS_MAX = 1024, SCAN_RECENT_MS = 10 * 60 * 1000, SCAN_SAVE_MS = 10 * 60 * 1000 };

struct scan_block;

/* Starts the threads; NULL when the configuration turns scanning off. The dataset outlives it. */
struct scan_block *scan_block_new(struct dataset *dataset, const struct conf *conf);
/* Threads for volumes that have come since; NULL is fine. One call at a time. */
void scan_block_volumes(struct scan_block *scan);
/* Ends the threads; they save their places. NULL is fine. */
void scan_block_free(struct scan_block *scan);

/* This replica comes next. Any thread; NULL is fine. A replica that was suspected within the last
 * SCAN_RECENT_MS, or one more than SCAN_SUSPECTS_MAX, waits for its turn instead. */
void scan_block_suspect(struct scan_block *scan, struct block_pool *pool, uint16_t volume,
                        int64_t id);

struct scan_stats {
    uint64_t scanned;      /* replicas, since the start */
    uint64_t bad;          /* of them */
    uint64_t bytes;        /* read */
    uint64_t rounds;       /* pools gone through to the end */
    int64_t next_round_ms; /* until the next round begins; 0: one is under way */
};
void scan_block_stats(struct scan_block *scan, uint16_t volume, struct scan_stats *stats);

#endif
