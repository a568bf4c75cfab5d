/* What the dataset's files share: paths, file moves, looking up with the lock held. Nobody else
 * includes this. */
#ifndef DATANODE_DATASET_INTERNAL_H
#define DATANODE_DATASET_INTERNAL_H

#include "datanode/dataset.h"

/* The map's entry, and if that is open, its object locked and referenced (unlock and put it with
 * release_open). False when there is none. */
bool find_locked(struct block_pool *pool, int64_t id, struct replica *replica);
void release_open(struct replica *replica); /* a no-op on what is not open */

/* Where the files of an open replica are. */
enum block_place place_of_open(const struct replica_open *open);

/* Paths of the pair. */
struct pair_paths {
    char data[PATH_MAX], meta[PATH_MAX];
};
void pair_paths(struct pair_paths *paths, const struct block_pool *pool, uint16_t volume,
                enum block_place place, int64_t id, uint64_t gs);
/* Renames both files, out of tmp; makes the folders of the target; undoes the first when the second fails. The meta file goes first: what a crash leaves
 * in tmp is swept up. */
int pair_move_in(const struct pair_paths *from, const struct pair_paths *to,
                 struct err *err) MUST_CHECK;
/* The same between rbw and finalized. The data has both names until the meta file has moved, so that at each instant one of the places has a whole block,
 * and the other at most data without checksums, whose generation stamp counts as 0: of two such replicas Apache's datanode keeps the whole one, and so does
 * ours (FsDatasetImpl.resolveDuplicateReplicas). */
int pair_switch(const struct pair_paths *from, const struct pair_paths *to,
                struct err *err) MUST_CHECK;
void pair_delete(const struct pair_paths *paths);

/* Asks the writer to leave and waits. Called and returns with open->lock held. ERR_TIMEOUT in
 * Hadoop's words. */
int stop_writer(struct block_pool *pool, struct replica_open *open, struct err *err) MUST_CHECK;

/* Replaces the map's entry for an open object by one with the object's present gs and state. Its
 * lock is held. */
void publish_open(struct block_pool *pool, const struct replica *was, struct replica_open *open);

/* Moves the open replica (locked) to FINALIZED on disk and in the map. */
int finalize_locked(struct block_pool *pool, struct replica_open *open, int64_t length, bool sync,
                    struct err *err) MUST_CHECK;

/* The map has it, the disk does not: forgets it, and says so to the namenode. False when the map has changed. */
bool dataset_forget_missing(struct block_pool *pool, const struct replica *replica);

/* ERR_INCONSISTENT_STATE when another volume has the same storage id. */
int dataset_check_duplicate(const struct dataset *dataset, const struct volume *volume,
                            struct err *err) MUST_CHECK;

/* Accounts. Length is the data's; the meta file is added. */
void account_used(struct block_pool *pool, uint16_t volume, int64_t bytes);
void account_block(struct block_pool *pool, uint16_t volume, int count);
int64_t disk_use(int64_t length); /* data and meta */
void release_promise(struct block_pool *pool, struct replica_open *open);

int not_found(const struct block_pool *pool, const struct block_name *block, struct err *err);

#endif
