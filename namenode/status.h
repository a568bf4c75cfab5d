/*
 * HdfsFileStatus of an inode, as listings, getFileInfo, create and append answer it.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_STATUS_H
#define NAMENODE_STATUS_H

#include "namenode/core.h"
#include "proto/client_namenode.pb-c.h"

/* Fills an initialised message; what it points to lives in the arena or in the core. `name` is the
 * local name in listings and NULL (sent as empty) elsewhere. Locations are left out. */
void status_fill(struct core *core, const struct inode *inode, const ProtobufCBinaryData *name,
                 Pb__HdfsFileStatus *out, struct arena *arena);
/* The same of a new message in the arena. */
Pb__HdfsFileStatus *status_make(struct core *core, const struct inode *inode,
                                const ProtobufCBinaryData *name, struct arena *arena);

/* What a snapshot (SNAPSHOT_CURRENT: today's tree) knows of the inode. `policy` is the storage policy that it inherits. */
Pb__HdfsFileStatus *status_make_seen(struct core *core, struct inode *proper, int32_t snapshot,
                                     uint8_t policy, const ProtobufCBinaryData *name,
                                     struct arena *arena);
/* Of a path that exists. */
Pb__HdfsFileStatus *status_of_path(struct core *core, const struct resolved *path,
                                   struct arena *arena);
/* The storage policy of a path that exists: below .snapshot that of today's inode, wherever it is now (INodeReference.getStoragePolicyID). Only a
 * snapshot itself has the one that its directory had. */
uint8_t status_path_policy(const struct core *core, const struct resolved *path);

#endif
