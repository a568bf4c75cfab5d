/*
 * What the operations of a writer share: finding the open file behind (path, file id, client), and giving up a writer's lease
 * (FSNamesystem.checkLease, recoverLeaseInternal, internalReleaseLease).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_OPEN_FILE_H
#define NAMENODE_OPEN_FILE_H

#include "namenode/op.h"

/* "blk_1073741825_1001" for messages, in the arena. */
const char *block_id_text(const struct block_id *id, struct arena *arena);
/* The block as messages name it in full: "BP-1-127.0.0.1-1:blk_1073741825_1001". */
const char *extended_block_text(const char *pool, const struct block_id *id, struct arena *arena);

/* The inode that a writer's call means: by file id when given (a rename of the open file does no harm), else by path. *path is the inode's present
 * path, or the given one when there is no such inode; *file is then NULL, which is no error yet. */
int open_file_locate(struct core *core, struct op *op, const char *src, uint64_t file_id,
                     struct inode **file, const char **path, struct err *err) MUST_CHECK;

/* ERR_IO for a path that the edit log cannot carry: nested renames of directories build them. */
int open_file_check_path(const char *path, struct err *err) MUST_CHECK;

/* Fails unless `file` is open for writing by `holder` (NULL: by anybody), with Apache's three kinds of refusal. */
int open_file_check_lease(struct core *core, struct op *op, struct inode *file, const char *path,
                          uint64_t file_id, const char *holder, struct err *err) MUST_CHECK;

/* True when all blocks but the last (with_last: the last too) are complete. */
bool open_file_progressed(const struct inode *file, bool with_last);

/* The block whose completion `complete` waits for: the first that is not complete of the last two; 0: none. */
uint64_t open_file_awaited_block(const struct inode *file);

/* Takes the length that the writer gives for its last block; NULL: nothing to commit. */
int open_file_commit_last(struct core *core, struct inode *file, const struct block_id *last,
                          struct err *err) MUST_CHECK;

/* Closes the file: CLOSE record, lease gone, redundancy checked. All blocks must be complete. */
void open_file_close(struct core *core, struct inode *file, struct arena *arena);

enum recover_lease_op {
    RECOVER_CREATE_FILE,
    RECOVER_APPEND_FILE,
    RECOVER_TRUNCATE_FILE,
    RECOVER_RECOVER_LEASE
};

/* Ends another client's writing where that is allowed: `force`, or its soft limit passed. Answers 1 when the file is closed now, 0 when recovery was
 * started (force only), or ERR_BEING_CREATED / ERR_RECOVERY_IN_PROGRESS. */
int open_file_recover_lease(struct core *core, struct arena *arena, enum recover_lease_op why,
                            struct inode *file, const char *path, const char *holder,
                            const char *machine, bool force, struct err *err) MUST_CHECK;

/* Once a second: recovers the leases whose hard limit has passed, a bounded number per call (LeaseManager.Monitor); and those past the soft
 * limit whose writers closed their connections to the last block, as our datanodes say. */
void lease_monitor_tick(struct core *core);

/* Everything an edit says of the file's blocks, in the arena. */
const struct block_id *open_file_block_ids(const struct inode *file, struct arena *arena);

#endif
