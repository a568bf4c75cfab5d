/*
 * Block recovery, the primary's side: asks all replicas what they have, chooses a length, makes
 * them agree, tells the namenode. Answers Hadoop's BlockRecoveryWorker. The participants' side is
 * dataset_recover.c, by ipc_ops.h.
 */
#ifndef DATANODE_BLOCK_RECOVER_H
#define DATANODE_BLOCK_RECOVER_H

#include "datanode/nn_link.h"
#include "proto/inter_datanode.pb-c.h"

#define INTER_DATANODE_PROTOCOL "org.apache.hadoop.hdfs.server.protocol.InterDatanodeProtocol"

enum { RECOVER_REPLICAS_MAX = 512 };

/* One block, on the caller's thread, which may wait long. */
int block_recover(struct block_pool *pool, const Pb__RecoveringBlock *order,
                  struct err *err) MUST_CHECK;

/* What one replica answered, and the choice among answers. Pure, for tests. */
struct recover_answer {
    uint64_t gs;
    int64_t length;
    enum replica_state original;
    size_t node; /* index in the order's list */
};
struct recover_choice {
    int64_t length;
    bool discard; /* no replica has a byte: the block goes */
    size_t count;
    struct recover_answer *members; /* who takes part; within the answers given */
};
/* `answers` is reordered. new_length >= 0: a truncation to it. ERR_IO when finalized ones disagree.
 */
int recover_choose(struct recover_answer *answers, size_t count, uint64_t block_gs,
                   int64_t new_length, struct recover_choice *choice, struct err *err) MUST_CHECK;

#endif
