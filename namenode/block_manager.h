/*
 * What the namenode knows of blocks beyond the block itself, and the steps that keep replica lists, storages' bitmaps and the
 * redundancy queues in agreement (BlockManager). Shared by the block side's own files: blocks.c, report.c, redundancy.c, monitor.c, safemode.c.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_BLOCK_MANAGER_H
#define NAMENODE_BLOCK_MANAGER_H

#include <sys/queue.h>

#include "namenode/core.h"

/* A place where a block under construction is, or is thought to be (ReplicaUnderConstruction). */
struct uc_replica {
    uint32_t storage;
    uint8_t state;                     /* enum replica_state, as last reported */
    bool reported;                     /* false: only expected */
    bool tried_primary;                /* led a recovery already */
    bool writer_gone;                  /* as reported with generation_stamp: blocks_writer_gone() */
    uint64_t generation_stamp, length; /* as last reported */
};

struct block_uc { /* BlockUnderConstructionFeature */
    uint32_t reference;
    uint32_t primary; /* storage whose datanode leads the recovery; 0 none */
    uint64_t recovery_id;
    int64_t recovery_start_ms;
    uint64_t truncate_length;
    bool truncating;
    uint32_t count, capacity;
    struct uc_replica *replicas;
    bool orphan; /* in the manager's list */
    LIST_ENTRY(block_uc) to_orphans;
    UT_hash_handle hh;
};

enum corrupt_reason { /* CorruptReplicasMap.Reason */
                      CORRUPT_NONE,
                      CORRUPT_ANY,
                      CORRUPT_GENSTAMP_MISMATCH,
                      CORRUPT_SIZE_MISMATCH,
                      CORRUPT_INVALID_STATE,
                      CORRUPT_REPORTED
};

struct corrupt_replica {
    uint32_t storage;
    uint8_t reason;
    uint64_t generation_stamp, length; /* of the bad replica: what its deletion must name */
};

struct corrupt_block {
    uint32_t reference;
    uint32_t count, capacity;
    struct corrupt_replica *replicas;
    UT_hash_handle hh;
};

enum redundancy_level { /* LowRedundancyBlocks */
                        REDUNDANCY_HIGHEST,
                        REDUNDANCY_VERY_LOW,
                        REDUNDANCY_LOW,
                        REDUNDANCY_BADLY_DISTRIBUTED,
                        REDUNDANCY_CORRUPT,
                        REDUNDANCY_LEVELS,
                        REDUNDANCY_FINE = REDUNDANCY_LEVELS
};

/* Copies under way (PendingReconstructionBlocks). */
struct pending_block {
    uint32_t reference;
    uint32_t count, capacity;
    uint32_t *targets; /* storage numbers */
    uint32_t *sources; /* from where: storage numbers, of as many; 0 a writer's pipeline */
    uint32_t sources_capacity;
    int64_t since_ms;
    UT_hash_handle hh;
    TAILQ_ENTRY(pending_block) by_age;
};

enum replica_kind { /* NumberReplicas.StoredReplicaState */
                    KIND_LIVE,
                    KIND_READ_ONLY,
                    KIND_DECOMMISSIONING,
                    KIND_DECOMMISSIONED,
                    KIND_ENTERING_MAINTENANCE,
                    KIND_IN_MAINTENANCE,
                    KIND_CORRUPT,
                    KIND_EXCESS,
                    KIND_GONE /* on a dead node or failed disk, about to be forgotten */,
                    KIND_COUNT
};

struct replica_numbers {
    uint16_t of[KIND_COUNT];
    uint16_t
        stale; /* of all but KIND_GONE: on storages that have not reported since they registered */
};
static inline uint32_t replicas_usable(const struct replica_numbers *n)
{
    return (uint32_t)n->of[KIND_LIVE] + n->of[KIND_DECOMMISSIONING] +
           n->of[KIND_ENTERING_MAINTENANCE];
}
static inline uint32_t replicas_maintenance(const struct replica_numbers *n)
{
    return (uint32_t)n->of[KIND_ENTERING_MAINTENANCE] + n->of[KIND_IN_MAINTENANCE];
}
static inline uint32_t replicas_out_of_service(const struct replica_numbers *n)
{
    return replicas_maintenance(n) + n->of[KIND_DECOMMISSIONING] + n->of[KIND_DECOMMISSIONED];
}

struct dn_walk {           /* over all blocks of one datanode: dn_admin.c */
    struct datanode *node; /* NULL: none is under way */
    uint32_t storage, next;
    uint32_t low, out_of_service_only, in_open_files;
};

struct block_manager {
    struct block_uc *uc;                      /* uthash by reference */
    LIST_HEAD(orphan_list, block_uc) orphans; /* whose writers may be gone */
    struct corrupt_block *corrupt;            /* uthash by reference */
    uint64_t corrupt_replica_count;
    roaring_bitmap_t *queues[REDUNDANCY_LEVELS]; /* references of blocks that lack something */
    uint32_t queue_next[REDUNDANCY_LEVELS];      /* where the next choice goes on */
    uint64_t missing_replication_one;            /* of the corrupt queue: wanted once only */
    struct pending_block *pending;               /* uthash by reference */
    TAILQ_HEAD(pending_list, pending_block) pending_by_age;
    uint64_t pending_timeouts;
    roaring_bitmap_t *postponed; /* too many replicas, but some are on stale storages */
    uint32_t postponed_next;
    bool populating; /* queues are kept; false in the safe mode of a start */
    bool scanning;   /* blocks are looked over once, from scan_next on */
    uint32_t scan_next;
    TAILQ_HEAD(report_jobs, report_job) jobs; /* full reports being worked on: report.c */
    TAILQ_HEAD(purge_list, storage) purges;   /* storages whose blocks are being taken off */
    uint64_t complete_count;                  /* blocks that are complete */
    uint64_t safe_count;                      /* of them with enough good replicas for safe mode */
    uint64_t striped_count;
    uint64_t future_bytes; /* in blocks with generation stamps never given out */
    uint64_t excess_count;
    uint64_t replicas_created; /* for metrics: copies that arrived */
    int64_t last_tick_ms, next_recheck_ms, next_work_ms, next_roll_ms, next_admin_ms;
    struct dn_walk walk;
    struct datanode *leases[64]; /* who may send a full report now */
    uint32_t lease_count;
    uint64_t report_lease_last;
};

/* The settings of the block side: the last part of struct core_conf, and safe mode's extension (which counts only when it is set). */
void block_conf_load(struct core_conf *out, const struct conf *conf);

struct block_manager *block_manager_new(void);
void block_manager_free(struct block_manager *manager);

/* ---- replicas ---- */
/* The storage holds this block. A replica on another storage of the same datanode is replaced by it. False when it was known. */
bool replica_add(struct core *core, struct block *block, struct storage *storage);
/* The storage does not hold it any more. False when it was not listed. Queues are not looked at: redundancy_update(). */
bool replica_drop(struct core *core, struct block *block, struct storage *storage);
/* replica_drop() and its consequences. */
void replica_removed(struct core *core, struct block *block, struct storage *storage);
/* A replica as reported is bad: it is remembered, counted out, and deleted once enough good ones are there (markBlockAsCorrupt). */
void replica_mark_corrupt(struct core *core, struct block *block, struct storage *storage,
                          const struct block_id *reported, enum corrupt_reason reason);
void replica_clear_corrupt(struct core *core, struct block *block, uint32_t storage_number);
const struct corrupt_replica *replica_corrupt(const struct core *core, const struct block *block,
                                              uint32_t storage_number); /* NULL: not */
/* Deletes the replicas known corrupt: only called with enough good ones. */
void replicas_delete_corrupt(struct core *core, struct block *block);
/* A bad replica goes although there are too few good ones: its node is the only place left for another good one. Only with a good one on a
 * datanode that is heard of. False when none may go now. */
bool replicas_make_room(struct core *core, struct block *block);
/* The datanode is to delete exactly this replica. DELETE_SURPLUS, DELETE_BAD: the block exists, so that reports of the replica are no news. */
enum delete_reason { DELETE_UNKNOWN, DELETE_SURPLUS, DELETE_BAD };
void replica_delete(struct storage *storage, const struct block_id *id, enum delete_reason reason);
void replica_undoom(struct storage *storage, uint64_t id);
/* A full report still names a replica that is to be deleted: the order goes out again if it has been sent. */
void replica_doom_again(struct storage *storage, const struct block_id *id);
/* A full report is through: replicas to be deleted that it did not name are gone. */
void replica_forget_undone(struct storage *storage);
bool replica_is_doomed(const struct storage *storage, const struct block_id *id);
/* One of the node's disks is to delete a replica of this block, of any stamp: a copy sent there now would meet it. */
bool replica_is_leaving(const struct datanode *node, uint64_t id);
/* A bad replica of a datanode that died is bad still when it comes back. replica_recall_bad() forgets it, and answers whether it was. */
bool replica_recall_bad(struct storage *storage, const struct block_id *id);
/* This replica is one too many: it counts no longer and is deleted. */
void replica_mark_excess(struct core *core, struct block *block, struct storage *storage);
void replica_clear_excess(struct core *core, struct block *block, struct storage *storage);

enum replica_kind replica_kind(const struct core *core, const struct block *block,
                               const struct storage *storage);
void replicas_count(const struct core *core, const struct block *block,
                    struct replica_numbers *out);

/* ---- construction ---- */
struct block_uc *block_uc(const struct core *core,
                          const struct block *block); /* NULL for a complete block */
/* One place for all changes of a block's state: keeps the counts and the side table. Answers the side table's entry, NULL when complete. */
struct block_uc *block_set_state(struct core *core, struct block *block, enum block_state state);
void block_drop_uc(struct core *core,
                   struct block *block); /* the block goes: its side entry and its counts */
struct uc_replica *block_uc_replica(struct block_uc *uc, uint32_t storage_number); /* NULL */
struct uc_replica *block_uc_add(struct block_uc *uc, uint32_t storage_number);
/* What a datanode says about its replica of a block that is not complete. */
void block_uc_report(struct core *core, struct block *block, struct storage *storage,
                     enum replica_state state, uint64_t generation_stamp, uint64_t length);
/* Nobody writes to this replica any more. */
void block_uc_mark(struct core *core, struct block_uc *uc, struct uc_replica *replica);
/* A committed block that has enough replicas now becomes complete. True when it did. */
bool block_try_complete(struct core *core, struct block *block);

/* ---- storages and nodes ---- */
/* All blocks are to be taken off the storage, in slices by core_work(): it failed, or its datanode died. */
void storage_purge(struct core *core, struct storage *storage);
/* Takes up to `budget` blocks off; true when none are left. */
bool storage_purge_slice(struct core *core, struct storage *storage, uint32_t budget);
/* The node is back before all were taken off: its report will say what is there. */
void storage_purge_stop(struct core *core, struct storage *storage);

/* ---- full reports at work (report.c) ---- */
/* Something newer is known about this block on the storage than what a report at work says. */
void report_saw(struct storage *storage, uint32_t reference);
void report_abort(struct core *core, struct storage *storage);

#endif
