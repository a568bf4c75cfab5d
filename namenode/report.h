/*
 * What datanodes say they hold: full reports (one storage at a time) and incremental ones, against what is stored
 * (BlockManager.processReport, BlockListAsLongs, BlockReportLeaseManager).
 *
 * A full report is a set difference: the storage's bitmap of blocks, minus those named, is what it has lost. Long ones are worked on in
 * slices by report_slice(); what is learned about a block meanwhile (an incremental report, a new replica) is newer than the report
 * and wins.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_REPORT_H
#define NAMENODE_REPORT_H

#include "namenode/block_manager.h"
#include "proto/datanode.pb-c.h"

enum { REPORT_INLINE_BLOCKS = 20000 }; /* reports up to this are handled at once */

/* One storage's full report. ERR_BAD_MESSAGE for bytes that are no report: nothing has changed then. `first`: since registration. */
int report_full(struct core *core, struct storage *storage, const Pb__StorageBlockReport *report,
                struct err *err) MUST_CHECK;
/* Works on the oldest waiting report for about `budget` blocks; true when there is none left. */
bool report_slice(struct core *core, uint32_t budget);

/* One replica as a datanode sees it; `hint` (may be NULL): the datanode that should give its replica up when there are too many now. */
void report_replica(struct core *core, struct storage *storage, const struct block_id *reported,
                    enum replica_state state, const struct datanode *hint);
/* RECEIVED: report_replica() of a finalized one, and a write or copy that was promised is done. */
void report_received(struct core *core, struct storage *storage, const struct block_id *reported,
                     const struct datanode *hint);
void report_deleted(struct core *core, struct storage *storage, const struct block_id *deleted);

/* The table of states: is a replica with this state, stamp and length bad for the block as it is? CORRUPT_NONE: it is not. */
enum corrupt_reason report_judge(const struct block *block, const struct block_id *reported,
                                 enum replica_state state);

/* Leases: few datanodes may send full reports at a time. 0: not now. */
uint64_t report_lease_grant(struct core *core, struct datanode *datanode);
bool report_lease_check(struct core *core, struct datanode *datanode,
                        uint64_t id); /* id 0 passes: a report that an operator asked for */
void report_lease_end(struct core *core, struct datanode *datanode);

#endif
