/*
 * What the namenode does by itself: notices that datanodes are dead, hands out copies of blocks that lack some, gives up on copies that
 * do not arrive, ends safe mode, follows decommissioning (HeartbeatManager's and BlockManager's monitors).
 *
 * Core thread only; pure: core->now_ms is the time.
 */
#ifndef NAMENODE_MONITOR_H
#define NAMENODE_MONITOR_H

#include "namenode/block_manager.h"

/* To be called about every second. */
void core_tick(struct core *core);
/* A slice of waiting long work (full reports, disks that lost their blocks, the scan after safe mode): a few milliseconds. True when more is left:
 * to be called again between requests. */
bool core_work(struct core *core);

/* The node is gone: it is no target any more, and its blocks are looked after. */
void monitor_node_dead(struct core *core, struct datanode *datanode);
/* The node's address or disks belong to another now: dead, and forgotten once its blocks are off. */
void monitor_node_wipe(struct core *core, struct datanode *datanode);
/* Two rechecks and ten heartbeats. */
int64_t monitor_dead_after_ms(const struct core *core);
/* Schedules copies for up to `max` blocks, most urgent first; answers for how many. */
uint32_t monitor_schedule_copies(struct core *core, uint32_t max);

#endif
