/*
 * Blocks and their replicas. A block belongs to one file (its inode id) and knows which storages hold it; each storage
 * knows its blocks as a compressed bitmap of block references, so that a full report is a set difference and a dead datanode
 * is a walk over its own blocks. Identity is id; generation stamp and length decide whether a replica is good
 * (BlockInfo, BlockUnderConstructionFeature).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_BLOCK_H
#define NAMENODE_BLOCK_H

#include "common/base.h"
#include "common/err.h"

struct core;
struct inode;

/* HdfsServerConstants.BlockUCState. */
enum block_state {
    BLOCK_COMPLETE, /* at least the minimum of replicas is finalized; length and stamp are final */
    BLOCK_UNDER_CONSTRUCTION, /* being written: just allocated, or reopened by append */
    BLOCK_UNDER_RECOVERY,     /* its last writer is gone: a primary datanode agrees on a length */
    BLOCK_COMMITTED, /* the client said final length and stamp; too few finalized replicas reported yet */
};

/* Numbers of StorageType on the wire; edits use other ordinals (edit_codec.c). */
enum storage_type {
    STORAGE_DISK = 1,
    STORAGE_SSD = 2,
    STORAGE_ARCHIVE = 3,
    STORAGE_RAM_DISK = 4,
    STORAGE_PROVIDED = 5,
    STORAGE_NVDIMM = 6
};
enum replica_state {
    REPLICA_FINALIZED = 0,
    REPLICA_RBW = 1,
    REPLICA_RWR = 2,
    REPLICA_RUR = 3,
    REPLICA_TEMPORARY = 4
};

#define BLOCK_ID_FIRST          UINT64_C(1073741825)
#define GENERATION_STAMP_FIRST  UINT64_C(1001)
#define BLOCK_ID_IS_STRIPED(id) ((int64_t)(id) < 0)

/* One block as clients, datanodes and edits name it. */
struct block_id {
    uint64_t id;
    uint64_t generation_stamp;
    uint64_t length;
};

struct
    block_uc; /* block_manager.h: expected replicas, recovery id, truncate target; only while not complete */

enum { BLOCK_REPLICAS_INLINE = 3, BLOCK_REPLICAS_MAX = 1023 };

struct block {
    uint64_t id;
    uint64_t length : 44;
    uint64_t state : 2;        /* enum block_state */
    uint64_t replication : 10; /* wanted: the file's (a maximum over snapshots later) */
    uint64_t queued : 1;       /* lies in a redundancy queue */
    uint64_t pending : 1;      /* copies are under way: pending table of redundancy.c */
    uint64_t live : 1;         /* set while the slot is in use */
    uint64_t spare : 5;
    uint64_t generation_stamp : 44;
    uint64_t replica_count : 10; /* storages in the list below */
    uint64_t corrupt_count : 10; /* of them known corrupt (side table says which) */
    uint32_t inode; /* reference of the file; 0 when the block belongs to no file any more */
    uint32_t storages
        [BLOCK_REPLICAS_INLINE]; /* storage numbers (dn_table.h) while replica_count <= 3; else storages[0]
                                                 is the index of an overflow list */
};
_Static_assert(sizeof(struct block) == 40, "bytes per block are the product");

/* ---- block_map.c ---- */
struct block_map;

struct block_map *block_map_new(void);
void block_map_free(struct block_map *map);

/* A new block; the id must be unknown. state BLOCK_COMPLETE, no replicas. */
struct block *block_add(struct block_map *map, const struct block_id *id, uint32_t inode_reference,
                        uint16_t replication);
/* For images, from an empty map on: block_find() does not know new blocks before the end of loading, which answers one whose id another
 * block has, too, or NULL. */
void block_map_begin_loading(struct block_map *map);
const struct block *block_map_end_loading(struct block_map *map);
/* Forgets a block that no storage holds any more. */
void block_forget(struct block_map *map, struct block *block);
struct block *block_find(const struct block_map *map, uint64_t id); /* NULL when unknown */
struct block *block_at(const struct block_map *map,
                       uint32_t reference); /* the reference of a block in use */
struct block *block_at_or_null(const struct block_map *map,
                               uint32_t reference); /* any number: NULL for none */
uint32_t block_reference(const struct block *block);
uint32_t
block_reference_end(const struct block_map *map); /* one past the highest reference given out */
uint64_t block_map_count(const struct block_map *map);

/* Storage numbers of the block's replicas, corrupt ones included; valid until the next change of the block's list. */
const uint32_t *block_storages(const struct block_map *map, const struct block *block,
                               size_t *count);
bool block_has_storage(const struct block_map *map, const struct block *block, uint32_t number);
/* False when it is listed already, or the list is full (BLOCK_REPLICAS_MAX). */
bool block_add_storage(struct block_map *map, struct block *block, uint32_t number);
bool block_drop_storage(struct block_map *map, struct block *block,
                        uint32_t number); /* false when it was not listed */
static inline struct block_id block_name(const struct block *block)
{
    return (struct block_id){
        .id = block->id, .generation_stamp = block->generation_stamp, .length = block->length};
}
static inline bool block_is_complete(const struct block *block)
{
    return block->state == BLOCK_COMPLETE;
}

/* ---- what the file operations, edits and images need of the block manager (blocks.c) ---- */

/* Applied from edits and images; they change no replica. */
struct block *blocks_add(struct core *core, struct inode *file, const struct block_id *id,
                         enum block_state state);
/* The file loses this block (delete, abandon, truncate, concat's remains): replicas are invalidated on every holder; while
 * replaying there are none. The caller has taken it out of the inode's list. */
void blocks_remove(struct core *core, struct block *block);
void blocks_set_replication(struct core *core, struct inode *file, uint16_t replication);
/* Length and stamp as an edit or a client says them (ids are equal). */
void blocks_update(struct core *core, struct block *block, const struct block_id *id);
/* complete -> under construction (append, truncate, a new last block). The present holders become the expected pipeline. */
void blocks_reopen(struct core *core, struct block *block);
/* under construction -> committed with this final length and stamp; becomes complete at once when enough finalized replicas are known.
 * Answers true when it is complete now. */
bool blocks_commit(struct core *core, struct block *block, const struct block_id *id);
/* Makes it complete whatever is known (edits' CLOSE, image). */
void blocks_force_complete(struct core *core, struct block *block);

struct storage;
/* The pipeline that a writer was given or says it has now (addBlock, updatePipeline). Storages may repeat never. */
void blocks_set_expected(struct core *core, struct block *block, struct storage *const *storages,
                         size_t count);
size_t blocks_expected(const struct core *core, const struct block *block, struct storage **out,
                       size_t max);
/* Storages with a live, uncorrupt, finalized replica. */
size_t blocks_live(const struct core *core, const struct block *block, struct storage **out,
                   size_t max);
/* All storages that say they hold it, corrupt and dead ones included: what a reader is shown when nothing better is left. */
size_t blocks_holders(const struct core *core, const struct block *block, struct storage **out,
                      size_t max);
bool blocks_has_minimum(const struct core *core,
                        const struct block *block); /* dfs.namenode.replication.min */
bool blocks_all_corrupt(const struct core *core, const struct block *block);

/* under construction -> under recovery with this recovery id (a new generation stamp); a primary datanode gets the order with its next heartbeat. */
void blocks_start_recovery(struct core *core, struct block *block, uint64_t recovery_id,
                           int64_t now_ms);
/* The recovery about to start (or running) cuts the block to this length: truncate in place. Lasts until the block is complete. */
void blocks_set_truncate(struct core *core, struct block *block, uint64_t new_length);
bool blocks_get_truncate(const struct core *core, const struct block *block, uint64_t *new_length);
/* commitBlockSynchronization: exactly these storages hold the block now, finalized, with the block's new stamp and length; other
 * replicas reported before are corrupt. */
void blocks_set_recovered(struct core *core, struct block *block, struct storage *const *storages,
                          size_t count);
/* A datanode says that the writer of its replica closed the connection in the middle, or, with false, that one has come. */
void blocks_writer_gone(struct core *core, struct storage *storage, const struct block_id *reported,
                        bool gone);
/* Calls for blocks without a writer, as far as is known, that are not complete; `visit` may complete or remove the block. It answers whether
 * it changed something, and then not again at once for the same block; after `budget` of those it ends. */
void blocks_visit_orphans(struct core *core, size_t budget,
                          bool (*visit)(struct core *core, struct block *block));
uint64_t blocks_recovery_id(const struct core *core, const struct block *block);
bool blocks_recovery_expired(const struct core *core, const struct block *block, int64_t now_ms);

/* Chosen by placement for a new block of `file`: see placement.h. */
uint64_t blocks_next_id(struct core *core); /* the id that ALLOCATE_BLOCK_ID will carry */
uint64_t
blocks_next_generation_stamp(struct core *core); /* the stamp that SET_GENSTAMP_V2 will carry */

#endif
