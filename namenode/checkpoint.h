/*
 * Images by themselves and on demand (Checkpointer, StandbyCheckpointer, FSImage.saveNamespace).
 * The namenode does what a SecondaryNameNode did: every dfs.namenode.checkpoint.period, or after
 * dfs.namenode.checkpoint.txns, the journal is rolled and a forked child writes the image of that
 * very moment, while the namenode goes on; the child makes it valid only when the journal holds
 * everything in it, then purges what is no longer needed. A child that dies leaves a fsimage.ckpt_
 * file, which the next one removes.
 *
 * Thread rules: the core thread. Never blocks but for the fork, and in checkpoint_save_now().
 */
#ifndef NAMENODE_CHECKPOINT_H
#define NAMENODE_CHECKPOINT_H

#include "namenode/edit_log.h"

struct checkpoint;

/* Borrows all four. */
struct checkpoint *checkpoint_new(struct core *core, struct nn_storage *storage,
                                  struct edit_log *log, const struct conf *conf);
/* Ends a running child and frees. NULL is fine. */
void checkpoint_free(struct checkpoint *checkpoint);

/* Looks at a running child, and whether it is time for one (dfs.namenode.checkpoint.check.period).
 * Call it each second or so. */
void checkpoint_tick(struct checkpoint *checkpoint, int64_t now_ms);
bool checkpoint_running(const struct checkpoint *checkpoint);

/* saveNamespace: writes an image now and waits for it; the caller has checked safe mode and
 * superuser. With time_window_ms and tx_gap (0, 0: always) nothing is done when the last image is
 * younger than the window and at most tx_gap transactions old; *saved says. */
int checkpoint_save_now(struct checkpoint *checkpoint, int64_t time_window_ms, uint64_t tx_gap,
                        bool *saved, struct err *err) MUST_CHECK;

/* What a rolling upgrade begins with: fsimage_rollback_N of everything up to the end of the segment. Waits for it. */
int checkpoint_save_rollback(struct checkpoint *checkpoint, struct err *err) MUST_CHECK;
/* A rolling upgrade is finalized: once `txid` is durable, the rollback image is an image like others. */
int checkpoint_drop_rollback(struct checkpoint *checkpoint, uint64_t txid,
                             struct err *err) MUST_CHECK;

/* rollEditLog; answers the txid that begins the new segment. The reply waits for it to be durable.
 */
uint64_t checkpoint_roll_edits(struct checkpoint *checkpoint);

/*
 * An image that a SecondaryNameNode sends (web_upload.c). Between begin and end no child is started; a saveNamespace in between, or an upload
 * that takes longer than an hour, makes commit fail. begin refuses with ERR_BUSY what Apache answers with 409: one is under way, there is one of
 * that transaction or a later one, or the last is too young and too few transactions ago; with ERR_ARGUMENT a transaction that never was.
 * commit makes fsimage.ckpt_TXID in all directories an image and purges.
 */
int checkpoint_upload_begin(struct checkpoint *checkpoint, uint64_t txid,
                            struct err *err) MUST_CHECK;
int checkpoint_upload_commit(struct checkpoint *checkpoint, uint64_t txid, const uint8_t md5[16],
                             struct err *err) MUST_CHECK;
void checkpoint_upload_end(struct checkpoint *checkpoint);

uint64_t checkpoint_last_txid(const struct checkpoint *checkpoint);   /* of the newest image */
int64_t checkpoint_last_wall_ms(const struct checkpoint *checkpoint); /* when it was written */

#endif
