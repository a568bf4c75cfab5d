/*
 * Blocks from one datanode to another: TRANSFER_BLOCK for a client's pipeline, copies that the
 * namenode orders, COPY_BLOCK and REPLACE_BLOCK for the balancer. Answers Hadoop's
 * DataNode.DataTransfer and the balancing half of DataXceiver.
 */
#ifndef DATANODE_COPY_BLOCK_H
#define DATANODE_COPY_BLOCK_H

#include "datanode/send_block.h"

/* Where a copy goes. The lists are parallel; types and ids may be absent. */
struct copy_targets {
    size_t count;
    Pb__DatanodeInfo **nodes;
    Pb__StorageType *types;
    size_t type_count;
    char **storage_ids;
    size_t storage_id_count;
};

/* Pushes the replica to the first target, which chains to the others. `client` "" is a replication,
 * which gets no answer; otherwise the stage follows from the replica's state and the answer is
 * waited for. */
int copy_block_push(struct datanode *dn, struct block_pool *pool, const struct block_name *block,
                    const struct copy_targets *targets, const char *client,
                    struct err *err) MUST_CHECK;

void transfer_block_op(struct xfer_context *ctx, const Pb__OpTransferBlock *op);
void copy_block_op(struct xfer_context *ctx, const Pb__OpCopyBlock *op);
void replace_block_op(struct xfer_context *ctx, const Pb__OpReplaceBlock *op);

/* The limit of balancing copies, shared by all. */
void copy_block_set_bandwidth(int64_t bytes_per_s);

#endif
