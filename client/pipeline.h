/*
 * The datanodes that take one block of a file that is being written: setting them up, replacing
 * failing ones. Packets are out_stream.c's. Answers to the half of DataStreamer that talks to the
 * namenode and opens connections.
 *
 *   CREATE ──pipeline_open()──▶ STREAMING ──last packet──▶ CLOSING ──pipeline_end_block()──▶ CREATE
 *   APPEND ──pipeline_open()──▶ STREAMING
 *   APPEND, STREAMING, CLOSING ──error, pipeline_recover()──▶ the same, with other datanodes and
 *                                                             a new generation stamp
 *
 * Belongs to its stream, which holds its lock during all calls.
 */
#ifndef CLIENT_PIPELINE_H
#define CLIENT_PIPELINE_H

#include "common/base.h"
#include "common/checksum.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/xfer_ack.h"
#include "common/xfer_io.h"
#include "proto/hdfs.pb-c.h"

struct fs;

enum pipeline_stage {
    PIPELINE_CREATE,    /* no block: the next one is to be allocated */
    PIPELINE_APPEND,    /* a block to go on with, no connection yet */
    PIPELINE_STREAMING, /* connected */
    PIPELINE_CLOSING,   /* all data acknowledged, the last packet is due or sent */
};

struct pipeline_node {
    Pb__DatanodeInfo *info;
    Pb__StorageType type;
    char *storage_id;
    unsigned slow_acks; /* on end, in which it called itself slow */
};

/* A datanode that failed. */
struct pipeline_failure {
    Pb__DatanodeInfo *info;
    bool at_setup;    /* new blocks avoid it (not one that could not be added), until… */
    int64_t until_ms; /* monotonic */
};

enum { PIPELINE_FAILURES_MAX = 64 };

struct pipeline {
    /* set by the stream's maker */
    struct fs *fs;
    char *path;
    uint64_t file_id; /* 0: unknown */
    unsigned replication;
    uint64_t block_size;
    struct checksum sum;
    bool lazy_persist;
    bool appending; /* the file was opened by append */
    bool hflushed;  /* somebody relies on bytes of the file */

    enum pipeline_stage stage;
    bool has_block; /* `block` is one of the file's: the present one, or the last one finished */
    Pb__ExtendedBlock block; /* numbytes: acknowledged by all */
    uint64_t bytes_sent;     /* the most that a datanode may have got */
    bool persist;            /* the namenode has not stored this block's allocation yet (fsync) */
    struct arena arena;      /* of the present block: nodes, token */
    Pb__Token *token;
    struct pipeline_node nodes[XFER_PIPELINE_MAX];
    unsigned count;

    int fd; /* -1 when not connected */
    struct xfer_in in;
    int bad;        /* index of the node to be blamed, -1 when unknown */
    int restarting; /* index of a node that said it restarts, or -1 */
    int64_t restart_until_ms, restart_pause_ms;
    unsigned recoveries; /* without an acknowledgement between */

    struct arena failure_arena;
    struct pipeline_failure failures[PIPELINE_FAILURES_MAX];
    unsigned failure_count;
};

void pipeline_init(struct pipeline *pipeline, struct fs *fs, const char *path);
void pipeline_release(struct pipeline *pipeline);

/* The block that append() gave: NULL locations are fine (only `previous` for the next block then).
 */
int pipeline_set_append(struct pipeline *pipeline, const Pb__LocatedBlock *block, bool new_block,
                        struct err *err) MUST_CHECK;

/* CREATE or APPEND to STREAMING. */
int pipeline_open(struct pipeline *pipeline, struct err *err) MUST_CHECK;
/* After an error with pipeline->bad set (or -1): drops it, replaces it if the policy says so,
 * connects the rest under a new generation stamp. In stage CLOSING the block is finished afterwards
 * and no connection is left. `cause` tells why in the final error. */
int pipeline_recover(struct pipeline *pipeline, const struct err *cause,
                     struct err *err) MUST_CHECK;
/* The block is finished with the bytes acknowledged. */
void pipeline_end_block(struct pipeline *pipeline);
void pipeline_disconnect(struct pipeline *pipeline);

int pipeline_read_timeout_ms(const struct pipeline *pipeline);
int pipeline_write_timeout_ms(const struct pipeline *pipeline);

/* How long to go on asking the namenode for a block or the end of a file: as long as Java's client
 * spends on its pauses (locateFollowingBlock.retries). */
int64_t pipeline_patience_ms(const struct fs *fs);

/* A datanode announced its restart: wait for it, or do without? */
void pipeline_note_restart(struct pipeline *pipeline, unsigned node);

/* Does the policy want a replacement, with `left` of `replication` datanodes?
 * (ReplaceDatanodeOnFailure) Pure. */
bool pipeline_wants_replacement(int policy, unsigned replication, unsigned left, bool appending,
                                bool hflushed);

#endif
