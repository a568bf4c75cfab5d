/*
 * Datanodes and disks that datanodes call slow in their heartbeats (SlowPeerTracker, SlowDiskTracker). A word counts for three report
 * intervals. Each collect interval the datanodes of which most others speak are marked; placement and readers may avoid these.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_SLOW_NODES_H
#define NAMENODE_SLOW_NODES_H

#include "common/buf.h"
#include "namenode/core.h"

/* `address`: "ip:info port" of the slow one, as its peer knows it. Nothing happens when nobody has it, or peer statistics are off. */
struct slow_latency {
    double latency, median, mad, limit; /* milliseconds */
};
void slow_nodes_report(struct core *core, const struct datanode *reporter, const char *address,
                       const struct slow_latency *latency);
struct slow_disk {
    double metadata, read, write; /* milliseconds; below 0: not told */
};
void slow_disks_report(struct core *core, struct datanode *node, const char *path,
                       const struct slow_disk *disk);

/* Marks the slow ones anew when it is time. */
void slow_nodes_tick(struct core *core);
/* How many others call the node slow at present. */
uint32_t slow_node_reports(const struct core *core, const struct datanode *node);
void slow_node_forget(struct datanode *node); /* frees what is known */

/* As the JMX bean NameNodeStatus shows them. */
void slow_nodes_json(const struct core *core, struct buf *out);
void slow_disks_json(const struct core *core, struct buf *out);

#endif
