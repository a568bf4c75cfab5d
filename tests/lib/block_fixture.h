/*
 * A core with datanodes and files for tests of the block side, driven through the same handlers that datanodes call. Time is the test's:
 * core.now_ms starts at FIXTURE_START_MS and moves only by fixture_pass().
 */
#ifndef TESTS_LIB_BLOCK_FIXTURE_H
#define TESTS_LIB_BLOCK_FIXTURE_H

#include "namenode/core.h"
#include "namenode/handlers.h"

#define FIXTURE_START_MS INT64_C(1000000)
#define FIXTURE_BLOCK    (128 * MIB)

struct fixture {
    struct core core;
    struct arena arena; /* of requests; cleared by fixture_pass() */
    uint64_t next_file, next_block;
};

void fixture_init(struct fixture *f);
void fixture_release(struct fixture *f);
struct op fixture_op(struct fixture *f, const char *ip);

/* A datanode at this address (xfer port 9866) on this rack, registered, with `storages` disks of 1 TiB named "<ip>-0", …, reported empty. */
struct datanode *fixture_node(struct fixture *f, const char *ip, const char *rack, int storages);
int fixture_register(struct fixture *f, const char *ip, const char *uuid, struct err *err);
Pb__SendHeartbeatResponse *fixture_heartbeat(struct fixture *f,
                                             struct datanode *node); /* NULL: refused */
struct storage *fixture_storage(struct datanode *node, int index);

/* A closed file of one complete block without replicas; its block. */
struct block *fixture_block(struct fixture *f, uint16_t replication);
/* The same still being written, on these storages. */
struct block *fixture_open_block(struct fixture *f, uint16_t replication,
                                 struct storage *const *storages, size_t count);
struct inode *fixture_file(struct fixture *f, uint16_t replication);

/* An incremental report of one block. */
void fixture_received(struct fixture *f, struct storage *storage, const struct block *block);
void fixture_told(struct fixture *f, struct storage *storage, uint64_t id, uint64_t stamp,
                  uint64_t length, int status, const char *hint);
/* A full report of these blocks, all finalized as they are; the new form of the message. */
int fixture_full_report(struct fixture *f, struct storage *storage, struct block *const *blocks,
                        size_t count, struct err *err);

/* Moves the clock in steps of a second, ticking; every live node heartbeats when `heartbeats`. */
void fixture_pass(struct fixture *f, int64_t ms, bool heartbeats);
/* Everything agrees with everything: lists and bitmaps, counts, queues. Aborts with a line that says what does not. */
void fixture_check(struct fixture *f);

#endif
