/*
 * Data folders that change while the datanode runs: dfs.datanode.data.dir by reconfiguration (DataNode.refreshVolumes).
 */
#ifndef DATANODE_VOLUME_SWAP_H
#define DATANODE_VOLUME_SWAP_H

#include "datanode/datanode.h"

/* Makes the folders those that `fresh` says: new ones are formatted, or taken with what they hold; those that are not named any more are let go
 * of, with their files. A failed one that is not named is forgotten as failed. All that can be done is done; what cannot is in the
 * error, a line each. One call at a time. */
int volume_swap(struct datanode *dn, const struct conf *fresh, struct err *err) MUST_CHECK;

#endif
