/* Calls to a datanode's IPC port: ClientDatanodeProtocol and InterDatanodeProtocol. */
#ifndef DATANODE_IPC_OPS_H
#define DATANODE_IPC_OPS_H

#include "datanode/datanode.h"

/* Makes dn->rpc with its methods and listens. Calls run on dn->calls. */
int ipc_start(struct datanode *dn, uint16_t *port, struct err *err) MUST_CHECK;

#endif
