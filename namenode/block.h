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
    BLOCK_COMPLETE,           /* at least the minimum of replicas is finalized; length and stamp are final */
    BLOCK_UNDER_CONSTRUCTION, /* being written: just allocated, or reopened by append */
    BLOCK_UNDER_RECOVERY,     /* its last writer is gone: a primary datanode agrees on a length */
    BLOCK_COMMITTED,          /* the client said final length and stamp; too few finalized replicas reported yet */
};

/* Numbers of StorageType on the wire; edits use other ordinals (edit_codec.c). */
enum storage_type { STORAGE_DISK = 1, STORAGE_SSD = 2, STORAGE_ARCHIVE = 3, STORAGE_RAM_DISK = 4, STORAGE_PROVIDED = 5, STORAGE_NVDIMM = 6 };
enum replica_state { REPLICA_FINALIZED = 0, REPLICA_RBW = 1, REPLICA_RWR = 2, REPLICA_RUR = 3, REPLICA_TEMPORARY = 4 };

#define BLOCK_ID_FIRST         UINT64_C(1073741825)
#define GENERATION_STAMP_FIRST UINT64_C(1001)
#define BLOCK_ID_IS_STRIPED(id) ((int64_t)(id) < 0)

/* One block as clients, datanodes and edits name it. */
struct block_id {
    uint64_t id;
    uint64_t generation_stamp;
    uint64_t length;
};

struct block_uc; /* expected replicas, recovery id, truncate target: only while not complete */

enum { BLOCK_REPLICAS_INLINE = 3 };

struct block {
    uint64_t id;
    uint64_t length : 44;
    uint64_t state : 2;       /* enum block_state */
    uint64_t replication : 10; /* wanted: the file's (a maximum over snapshots later) */
    uint64_t replica_count : 8; /* storages in the list below */
    uint64_t generation_stamp : 48;
    uint64_t corrupt_count : 8; /* of them known corrupt (side table says which) */
    uint64_t queued : 1;        /* lies in a redundancy queue */
    uint64_t spare : 7;
    uint32_t inode; /* reference of the file; 0 when the block belongs to no file any more */
    union {
        uint32_t storages[BLOCK_REPLICAS_INLINE]; /* storage numbers, dn_table.h; replica_count <= 3 */
        uint32_t more;                            /* else: index into the map's overflow lists */
    };
};
_Static_assert(sizeof(struct block) == 40, "bytes per block are the product");

/* ---- block_map.c ---- */
struct block_map;

struct block_map *block_map_new(void);
void block_map_free(struct block_map *map);

/* A new block; the id must be unknown. state BLOCK_COMPLETE unless changed with block_begin_construction(). */
struct block *block_add(struct block_map *map, const struct block_id *id, uint32_t inode_reference, uint16_t replication);
/* Forgets the block and its places; answers through `holders` (may be NULL) which storages had it: see blocks_remove(). */
struct block *block_find(const struct block_map *map, uint64_t id);
struct block *block_at(const struct block_map *map, uint32_t reference);
uint32_t block_reference(const struct block *block);
uint64_t block_map_count(const struct block_map *map);
static inline struct block_id block_name(const struct block *block)
{
    return (struct block_id){.id = block->id, .generation_stamp = block->generation_stamp, .length = block->length};
}
static inline bool block_is_complete(const struct block *block) { return block->state == BLOCK_COMPLETE; }

/* ---- what the file operations, edits and images need of the block manager (blocks.c) ---- */

/* Applied from edits and images; they change no replica. */
struct block *blocks_add(struct core *core, struct inode *file, const struct block_id *id, enum block_state state);
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
void blocks_set_expected(struct core *core, struct block *block, struct storage *const *storages, size_t count);
size_t blocks_expected(const struct core *core, const struct block *block, struct storage **out, size_t max);
/* Storages with a live, uncorrupt, finalized replica. */
size_t blocks_live(const struct core *core, const struct block *block, struct storage **out, size_t max);
bool blocks_has_minimum(const struct core *core, const struct block *block); /* dfs.namenode.replication.min */
bool blocks_all_corrupt(const struct core *core, const struct block *block);

/* under construction -> under recovery with this recovery id (a new generation stamp); a primary datanode gets the order with its next heartbeat. */
void blocks_start_recovery(struct core *core, struct block *block, uint64_t recovery_id, int64_t now_ms);
/* The recovery about to start (or running) cuts the block to this length: truncate in place. Lasts until the block is complete. */
void blocks_set_truncate(struct core *core, struct block *block, uint64_t new_length);
bool blocks_get_truncate(const struct core *core, const struct block *block, uint64_t *new_length);
/* commitBlockSynchronization: exactly these storages hold the block now, finalized, with the block's new stamp and length; other
 * replicas reported before are corrupt. */
void blocks_set_recovered(struct core *core, struct block *block, struct storage *const *storages, size_t count);
uint64_t blocks_recovery_id(const struct core *core, const struct block *block);
bool blocks_recovery_expired(const struct core *core, const struct block *block, int64_t now_ms);

/* Chosen by placement for a new block of `file`: see placement.h. */
uint64_t blocks_next_id(struct core *core);               /* the id that ALLOCATE_BLOCK_ID will carry */
uint64_t blocks_next_generation_stamp(struct core *core); /* the stamp that SET_GENSTAMP_V2 will carry */

#endif
