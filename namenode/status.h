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

#endif
