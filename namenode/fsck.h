/*
 * What `hdfs fsck` prints: the check of a tree, block by block, in the words of Apache's NamenodeFsck. The walk goes in steps, so that other requests are
 * served in between; what changes meanwhile is seen or not, as with Apache.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_FSCK_H
#define NAMENODE_FSCK_H

#include "common/buf.h"
#include "namenode/op.h"

struct fsck_options {
    bool files, blocks, locations, racks, replica_details, upgrade_domains, maintenance,
        open_for_write;
    bool list_corrupt, remove, move, replicate, storage_policies;
    const char *start_after; /* list_corrupt: the cookie of the page before; may be NULL */
    const char *block_ids;   /* "blk_1 blk_2": check these instead of a path; may be NULL */
};

struct fsck;

/* All strings are copied. `op` says who asks; it and its groups must live as long as the fsck. */
struct fsck *fsck_new(const struct op *op, const char *path, const struct fsck_options *options);
void fsck_free(struct fsck *fsck);

/* Goes on for up to `budget` entries, appending text to `out`; false when the report is complete. */
bool fsck_step(struct core *core, struct fsck *fsck, uint32_t budget, struct buf *out);

#endif
