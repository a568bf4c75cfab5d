/* BLOCK_CHECKSUM: MD5 of a block's CRCs, or the block's CRC composed of its chunks'. Answers
 * Hadoop's BlockChecksumHelper. */
#ifndef DATANODE_BLOCK_CHECKSUM_H
#define DATANODE_BLOCK_CHECKSUM_H

#include "datanode/xceiver.h"

void block_checksum_op(struct xfer_context *ctx, const Pb__OpBlockChecksum *op);

#endif
