/*
 * Blocks that lack replicas and blocks that have too many (LowRedundancyBlocks, PendingReconstructionBlocks, ExcessRedundancyMap,
 * and BlockManager's part between them). Every change of a block's replicas ends in redundancy_update(), which looks at this one block
 * and puts it where it belongs; monitor.c turns the queues into orders for datanodes.
 *
 * Nothing is queued before safe mode of the start is over (block_manager.populating): until then everything looks missing.
 * Core thread only; pure.
 */
#ifndef NAMENODE_REDUNDANCY_H
#define NAMENODE_REDUNDANCY_H

#include "namenode/block_manager.h"

/* Where the block belongs by what is known now; REDUNDANCY_FINE when it lacks nothing. `pending` copies count as if they were there. */
enum redundancy_level redundancy_level(const struct core *core, const struct block *block,
                                       const struct replica_numbers *numbers, uint32_t pending);
/* Puts the block into the queue where it belongs, or out of all. */
void redundancy_update(struct core *core, struct block *block);
void redundancy_set_replication(struct core *core, struct block *block,
                                uint16_t replication); /* without looking at it anew */
/* Out of all queues and tables: the block goes, or is written again. */
void redundancy_forget(struct core *core, struct block *block);
/* redundancy_update(), and marks replicas as excess when there are too many. `hint` (may be NULL): the datanode that should lose it;
 * `added` (may be NULL): the one that just got it. */
void redundancy_check(struct core *core, struct block *block, const struct datanode *added,
                      const struct datanode *hint);

/* How many replicas the block should have on nodes in service: fewer while some are in maintenance. */
uint32_t redundancy_expected_live(const struct core *core, const struct block *block,
                                  const struct replica_numbers *numbers);
/* The block has what it needs, copies under way included; placement on racks counts as well. */
bool redundancy_is_enough(const struct core *core, const struct block *block,
                          const struct replica_numbers *numbers, uint32_t pending);
/* The racks of the present good replicas are as many as the policy wants. */
bool redundancy_is_spread(const struct core *core, const struct block *block);

uint32_t redundancy_pending(const struct core *core, const struct block *block);
void redundancy_pending_add(struct core *core, struct block *block, const struct storage *source,
                            struct storage *const *targets,
                            size_t count); /* source NULL: a writer's pipeline */
/* Copies from and to a datanode that is gone do not arrive: their blocks are looked at again at once. */
void redundancy_pending_node_gone(struct core *core, const struct datanode *node);
bool redundancy_is_target(const struct core *core, const struct block *block,
                          const struct storage *storage); /* a copy is on its way there */
/* One of the expected copies is there. */
void redundancy_pending_arrived(struct core *core, struct block *block,
                                const struct storage *storage);
const struct pending_block *redundancy_pending_entry(const struct core *core,
                                                     const struct block *block);
/* Copies that did not arrive in time are given up; their blocks are looked at again. */
void redundancy_pending_expire(struct core *core);

/* Looks over all blocks once, in slices: at the end of safe mode. */
void redundancy_scan_start(struct core *core);
bool redundancy_scan_slice(struct core *core, uint32_t budget); /* true when all have been seen */
/* Looks at blocks again whose excess could not be judged while storages were stale. */
void redundancy_rescan_postponed(struct core *core, uint32_t budget);

uint64_t redundancy_queue_size(const struct core *core, enum redundancy_level level);
uint64_t redundancy_low_count(const struct core *core); /* all levels but the corrupt one */

#endif
