/*
 * Datanodes on their way out of service and back (DatanodeAdminManager). A node that is decommissioned stays a source of copies but counts
 * as no replica any more; when all its blocks have enough replicas elsewhere it may be switched off. In maintenance its replicas
 * are kept count of for a while, so that only a minimum must be elsewhere.
 *
 *   NORMAL -> DECOMMISSIONING -> DECOMMISSIONED          NORMAL -> ENTERING_MAINTENANCE -> IN_MAINTENANCE
 *                                       (each back to NORMAL by dn_admin_stop())
 *
 * Blocks of a node are looked over in slices, again each dfs.namenode.decommission.interval while it is on its way.
 * Core thread only; pure.
 */
#ifndef NAMENODE_DN_ADMIN_H
#define NAMENODE_DN_ADMIN_H

#include "namenode/block_manager.h"

void dn_admin_decommission(struct core *core, struct datanode *datanode);
void dn_admin_maintenance(struct core *core, struct datanode *datanode, int64_t expires_wall_ms);
void dn_admin_stop(struct core *core, struct datanode *datanode); /* back in service */

/* How long a node that is on its way out takes at the rate so far; -1: not known (yet), or on no way out. */
int64_t dn_admin_seconds_left(const struct core *core, const struct datanode *node);
void dn_admin_tick(struct core *core);
bool dn_admin_slice(struct core *core, uint32_t budget); /* true when more is left */
void dn_admin_forget(struct core *core, const struct datanode *datanode); /* the node goes */

const char *dn_admin_state_name(
    enum dn_admin_state state); /* "Normal", "Decommission In Progress", … as Apache prints them */

#endif
