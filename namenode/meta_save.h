/*
 * `dfsadmin -metasave`: the block side's queues and tables as text (BlockManager.metaSave).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_META_SAVE_H
#define NAMENODE_META_SAVE_H

#include "common/buf.h"
#include "namenode/core.h"

void meta_save_write(const struct core *core, struct buf *out);
/* "blk_1073741825_1001" */
const char *block_print(const struct block *block, char text[64]);

#endif
