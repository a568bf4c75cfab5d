/*
 * Datanodes and their storages as messages describe them (DatanodeInfo, StorageReport, RecoveringBlock).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_DN_INFO_H
#define NAMENODE_DN_INFO_H

#include "namenode/core.h"
#include "proto/client_namenode.pb-c.h"

/* Initialises and fills; strings are the core's own, the id lives in the arena. */
void dn_info_fill(struct core *core, const struct datanode *datanode, Pb__DatanodeInfo *out,
                  struct arena *arena);
Pb__DatanodeInfo *dn_info_make(struct core *core, const struct datanode *datanode,
                               struct arena *arena);
Pb__DatanodeID *dn_id_make(const struct datanode *datanode, struct arena *arena);
Pb__StorageReport *dn_storage_report_make(const struct storage *storage, struct arena *arena);
/* "DatanodeRegistration(127.0.0.1:9866, datanodeUuid=…, infoPort=…, …)" */
const char *dn_registration_text(const struct datanode *datanode, const struct core *core,
                                 struct arena *arena);

#endif
