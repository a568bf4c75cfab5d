/*
 * What a disk holds against what the memory believes: every dfs.datanode.directoryscan.interval, with at most
 * dfs.datanode.directoryscan.throttle.limit.ms.per.sec of work in a second. Answers Hadoop's DirectoryScanner.
 *
 *   data file gone               the replica leaves the map, the namenode is told
 *   meta file gone, or the data file of another length    the replica is reported as bad
 *   a pair that nobody knows     joins the map, the namenode is told
 *
 * Only finalized replicas: the others change while one looks.
 */
#ifndef DATANODE_SCAN_DIFF_H
#define DATANODE_SCAN_DIFF_H

#include "common/conf.h"
#include "datanode/dataset.h"

struct scan_diff;

/* Starts the thread; NULL when the configuration turns it off. The dataset outlives it. */
struct scan_diff *scan_diff_new(struct dataset *dataset, const struct conf *conf);
void scan_diff_free(struct scan_diff *scan); /* NULL is fine */

struct scan_diff_result {
    uint64_t looked_at; /* replicas in the map */
    uint64_t missing;   /* of them, without data file: removed */
    uint64_t bad;       /* without meta file or of wrong length: reported */
    uint64_t unknown;   /* on the disk, not in the map: added */
};
/* One comparison of a pool on a volume, at once. The calling thread does it. */
void scan_diff_run(struct block_pool *pool, uint16_t volume, struct scan_diff_result *result);

#endif
