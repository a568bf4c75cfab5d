/*
 * All replicas of this datanode: volumes, block pools, and each transition of a replica's life with
 * its preconditions. Answers Hadoop's FsDatasetImpl, whose texts the errors carry.
 *
 * Thread rules: functions on replicas from any thread; they block on the disk. Setting up (volumes,
 * pools) belongs to one thread at a time. A transition holds the replica_open's lock across its
 * file work; the map is the referee: who loses a compare-and-replace looks again.
 */
#ifndef DATANODE_DATASET_H
#define DATANODE_DATASET_H

#include "common/worker.h"
#include "datanode/block_file.h"
#include "datanode/dn_storage.h"
#include "datanode/replica_map.h"
#include "datanode/volume.h"

struct nn_report;
struct nn_service;
struct syncer;

enum { DATASET_POOLS_MAX = 16 };

/* One namespace's blocks. Lives until the dataset is freed. */
/* What the namenode said of a rolling upgrade since the start. */
enum pool_rolling { ROLLING_UNKNOWN, ROLLING_GOES_ON, ROLLING_IS_OVER };

struct block_pool {
    struct dataset *dataset;
    struct namespace_info info;
    struct replica_map *map;
    char **dirs; /* by volume: <dir>/current/<pool>; NULL for one that failed before */
    struct pool_use {
        _Atomic int64_t used;
        _Atomic int64_t blocks;
    } * use;               /* by volume */
    atomic_int rolling;    /* enum pool_rolling */
    atomic_uint ack_marks; /* this node's in acks to writers: XFER_ACK_ECN_…, XFER_ACK_SLOW_… */
    struct nn_report *report;   /* who tells the namenodes of changes; NULL in tests */
    struct nn_service *service; /* whose pool it is; NULL in tests */
};

struct dataset {
    struct volume *
        *volumes; /* room for REPLICA_VOLUMES_MAX; one that was removed keeps its place */
    atomic_size_t volume_count; /* grows only */
    int failures_tolerated;     /* volumes; below 0: all but one */
    struct volume_picker picker;
    _Atomic(struct block_pool *) pools[DATASET_POOLS_MAX];
    atomic_size_t pool_count;
    struct worker_pool *deleter; /* file deletions go here */
    struct syncer *syncer;       /* closed blocks reach the disk by it; NULL in tests */
    enum dn_startup startup;     /* of pools that are added */
    int stop_timeout_ms;         /* dfs.datanode.xceiver.stop.timeout.millis */
    int64_t size_default;        /* reserved for a block of unknown size: dfs.blocksize */
    /* Optional: the disk of the volume failed at something. Any thread. */
    void (*disk_error)(void *arg, struct volume *volume, const struct err *err);
    void *disk_error_arg;
};

/* Takes over the volumes (array and elements). */
struct dataset *dataset_new(struct volume **volumes, size_t count);
void dataset_free(struct dataset *dataset); /* when no thread uses it; NULL is fine */

/* Formats or checks each volume for the namespace, then opens the pool and scans what is there.
 * `uuid` is this datanode's; filled when "". */
/* Volumes that cannot be read have failed from here on, as far as that is tolerated; one of another cluster or datanode is an error. */
int dataset_add_pool(struct dataset *dataset, const struct namespace_info *info,
                     char uuid[DN_UUID_MAX], struct block_pool **pool, struct err *err) MUST_CHECK;
struct block_pool *dataset_pool(struct dataset *dataset, const char *pool_id); /* NULL: none */

/* ---- volumes that come and go; calls of these must not overlap, nor with dataset_add_pool() ---- */

struct volume_numbers {
    size_t configured, failed; /* without those that were removed */
};
struct volume_numbers dataset_volume_numbers(const struct dataset *dataset);
/* ERR_DISK in Apache's words when more volumes have failed than are tolerated. */
int dataset_check_failures(const struct dataset *dataset, struct err *err) MUST_CHECK;
/* Takes the volume over (also when it fails), formats or checks it for all pools, and scans it. `uuid` is this datanode's; "" when no
 * pool is known yet. */
int dataset_add_volume(struct dataset *dataset, struct volume *volume, const char *uuid,
                       struct err *err) MUST_CHECK;
/* The operator takes it out: its writers are stopped, its replicas forgotten and the namenodes told so; the files stay. */
void dataset_remove_volume(struct dataset *dataset, struct volume *volume);
/* It failed: what was finalized on it is no longer offered. Writers come upon the failure themselves. */
void dataset_drop_volume(struct dataset *dataset, const struct volume *volume);

/* Tells disk_error() if the code is one that a failing disk gives; returns the code. */
int dataset_note_error(struct dataset *dataset, uint16_t volume, const struct err *err);

/* ---- naming a block, as requests do ---- */

struct block_name {
    int64_t id;
    uint64_t gs;
    int64_t length; /* what the requester believes, or an estimate */
};
/* "BP-1:blk_12_1001", as Hadoop prints it. Returns `out`. */
enum { BLOCK_TEXT_MAX = POOL_ID_MAX + 64 };
const char *block_text(const struct block_pool *pool, int64_t id, uint64_t gs,
                       char out[BLOCK_TEXT_MAX]);

/* ---- writing ---- */

/* A replica in the hands of its writer: from a successful create, append or recover until
 * write_finalize, write_convert or write_leave. */
struct replica_write {
    struct block_pool *pool;
    struct replica_open *open; /* a reference */
    struct block_file file;
};

/* `fd`: the writer's connection, shut down when another needs the replica; -1 for none. */
struct write_wish {
    Pb__StorageType storage_type;
    struct checksum sum;
    int fd;
};

/* New RBW. A replica that a failed attempt of the same block left is replaced when latest_gs is
 * above its GS. */
int dataset_create_rbw(struct block_pool *pool, const struct block_name *block, uint64_t latest_gs,
                       const struct write_wish *wish, struct replica_write *write,
                       struct err *err) MUST_CHECK;
/* New TEMPORARY. `transfer`: an RBW or TEMPORARY of an older GS gives way. */
int dataset_create_temporary(struct block_pool *pool, const struct block_name *block, bool transfer,
                             const struct write_wish *wish, struct replica_write *write,
                             struct err *err) MUST_CHECK;
/* FINALIZED of just that length -> RBW with new_gs. */
int dataset_append(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                   int64_t expected_length, const struct write_wish *wish,
                   struct replica_write *write, struct err *err) MUST_CHECK;
/* FINALIZED or RBW of just that length, in which nothing is in flight -> RBW with new_gs. */
int dataset_recover_append(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                           int64_t expected_length, const struct write_wish *wish,
                           struct replica_write *write, struct err *err) MUST_CHECK;
/* RBW within these bounds, cut to what was acked -> RBW with new_gs. */
int dataset_recover_rbw(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                        int64_t min_length, int64_t max_length, const struct write_wish *wish,
                        struct replica_write *write, struct err *err) MUST_CHECK;
/* FINALIZED or RBW of just that length -> FINALIZED with new_gs. Gives the volume. */
int dataset_recover_close(struct block_pool *pool, const struct block_name *block, uint64_t new_gs,
                          int64_t expected_length, struct volume **volume,
                          struct err *err) MUST_CHECK;

/* Adds bytes to the file and makes them known; see block_file_write(). ERR_CANCELLED when the
 * writer has to stop. */
int write_data(struct replica_write *write, int64_t offset, const uint8_t *data, size_t size,
               const uint8_t *crcs, struct err *err) MUST_CHECK;
/* All downstream nodes have the bytes up to here: readers may see them. Never goes back. */
void write_acked(struct replica_write *write, int64_t length);
int write_sync(struct replica_write *write,
               struct err *err) MUST_CHECK; /* data, CRCs and the names */

/* RBW or TEMPORARY -> FINALIZED; gives *length. `sync`: on disk when it returns. Ends the write,
 * also when it fails. */
int write_finalize(struct replica_write *write, bool sync, int64_t *length,
                   struct err *err) MUST_CHECK;
/* TEMPORARY -> RBW without a writer, of which `visible` bytes count as acked. Ends the write. */
int write_convert(struct replica_write *write, int64_t visible, struct err *err) MUST_CHECK;
/* Notes on the disk that an RBW's writer comes back after a restart, until then (wall clock). */
int write_expect_restart(struct replica_write *write, int64_t until_ms, struct err *err) MUST_CHECK;
/* Leaves an RBW as it is, deletes a TEMPORARY. Ends the write. */
void write_leave(struct replica_write *write);
/* Breaks the connections of all that write now; they are not waited for. How many there were. */
size_t dataset_evict_writers(struct block_pool *pool);

struct volume *write_volume(const struct replica_write *write);

/* ---- reading ---- */

struct replica_read {
    struct block_file file;
    struct volume *volume;
    uint64_t gs;
    enum replica_state state;
    int64_t length; /* readable bytes */
    bool has_tail;  /* the last chunk is partial, and its CRC is tail_crc rather than the file's */
    uint32_t tail_crc;
};

/* Opens what may be read; of an RBW, waits up to wait_ms until min_length bytes are acked.
 * ERR_REPLICA_NOT_FOUND when there is none, or one of an older GS. */
int dataset_open_read(struct block_pool *pool, const struct block_name *block, int64_t min_length,
                      int wait_ms, struct replica_read *read, struct err *err) MUST_CHECK;
void replica_read_close(struct replica_read *read);
/* CRCs of the chunks that cover [start, end), which starts at a chunk's start and ends at one or at
 * read->length. */
int replica_read_crcs(const struct replica_read *read, int64_t start, int64_t end, uint8_t *crcs,
                      struct err *err) MUST_CHECK;

/* What ClientDatanodeProtocol.getReplicaVisibleLength answers; -1 for a replica that cannot be read
 * now. */
int dataset_visible_length(struct block_pool *pool, const struct block_name *block, int64_t *length,
                           struct err *err) MUST_CHECK;

/* A copy of what the map has, with the lengths of an open one. */
struct replica_view {
    enum replica_state state;
    uint64_t gs;
    uint16_t volume;
    int64_t length, on_disk, acked;
};
bool dataset_view(struct block_pool *pool, int64_t id, struct replica_view *view);

/* ---- deleting ---- */

/* Removes the replica of exactly that GS from the map; its files follow later, and then the
 * namenode is told. */
int dataset_invalidate(struct block_pool *pool, int64_t id, uint64_t gs,
                       struct err *err) MUST_CHECK;

/* While a rolling upgrade goes on, what is deleted can come back; afterwards it goes. Any thread; cheap when nothing changes. */
void dataset_set_rolling(struct block_pool *pool, bool goes_on);

/* ---- moving ---- */

/* FINALIZED on a disk of another type -> FINALIZED on one of `type`. */
int dataset_move(struct block_pool *pool, const struct block_name *block, Pb__StorageType type,
                 struct volume **volume, int64_t *length, struct err *err) MUST_CHECK;

/* ---- recovery ---- */

struct recovery_info {
    uint64_t gs;
    int64_t length;
    enum replica_state original;
};
/* Any -> RUR; stops a writer. *found false when there is no replica. */
int dataset_init_recovery(struct block_pool *pool, const struct block_name *block,
                          uint64_t recovery_id, bool *found, struct recovery_info *info,
                          struct err *err) MUST_CHECK;
/* RUR -> FINALIZED with GS recovery_id and new_length; into a new block when new_id is neither 0
 * nor the old one. */
int dataset_update_recovery(struct block_pool *pool, const struct block_name *block,
                            uint64_t recovery_id, int64_t new_id, int64_t new_length,
                            struct volume **volume, struct err *err) MUST_CHECK;

#endif
