/*
 * What edit_apply() does for the records of the namespace proper (the cases of
 * FSEditLogLoader.applyEditLogOp). The same live and in replay. A record that does not fit is
 * ERR_CORRUPT with op, txid and path.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_APPLY_TREE_H
#define NAMENODE_APPLY_TREE_H

#include "namenode/core.h"

int apply_mkdir(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_delete(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_rename_old(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_rename(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_permissions(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_owner(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_times(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_replication(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_quota(struct core *core, const struct edit *edit,
                    struct err *err) MUST_CHECK; /* also SET_NS_QUOTA, CLEAR_NS_QUOTA */
int apply_set_quota_by_type(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_symlink(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_concat(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_storage_policy(struct core *core, const struct edit *edit,
                             struct err *err) MUST_CHECK;

int apply_allow_snapshot(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_disallow_snapshot(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_create_snapshot(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_delete_snapshot(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_rename_snapshot(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

/* ERR_CORRUPT "edit TXID (op N) on PATH does not fit the namespace: WHY". */
int apply_misfit(const struct edit *edit, struct err *err, const char *why);
/* The inode of edit->path: the live path's hint, or by resolving. ERR_CORRUPT when there is none.
 */
int apply_find(struct core *core, const struct edit *edit, struct inode **out,
               struct err *err) MUST_CHECK;

/*
 * Deleting. A tree leaves the namespace at once (nothing finds it any more, by name or by id) and
 * is freed in slices: its blocks, leases and inodes go as tree_reclaim() comes to them. What snapshots see
 * of it is kept (snapshot.h). While replaying all goes at once.
 */
void tree_detach(struct core *core,
                 struct inode *inode); /* unlinks, refunds quotas, queues for reclaiming */
/* An inode without parent and former entries, counted by inode_table_detached(), is to be freed with all below it. */
void tree_push_detached(struct core *core, const struct inode *inode);
/* Frees up to `budget` inodes and blocks of detached trees; answers whether there are more. The
 * core's loop calls it each turn; whoever walks all inodes of the table (an image) calls it with
 * UINT64_MAX before. */
bool tree_reclaim(struct core *core, uint64_t budget);

#endif
