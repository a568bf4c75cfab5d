/*
 * The trash (Trash, TrashPolicyDefault): what `rm` removes goes to ROOT/Current/…, checkpoints are
 * directories named by their time, and `expunge` deletes those that are old. What happens is said
 * on standard error in log4j's manner, where Hadoop's own log lines appear. One thread.
 */
#ifndef CLIENT_SHELL_TRASH_H
#define CLIENT_SHELL_TRASH_H

#include "client/shell/item.h"

/* *moved is false when there is no trash (the namenode's fs.trash.interval, else ours, is 0) or the
 * item is already in it: the caller deletes then. */
int trash_move(struct shell *shell, const struct item *item, bool *moved,
               struct err *err) MUST_CHECK;
/* Deletes checkpoints that are older than fs.trash.interval, then makes one of what is in the trash
 * now; `immediate` makes it first and deletes all. */
int trash_expunge(struct shell *shell, struct vfs *vfs, bool immediate, struct err *err) MUST_CHECK;

#endif
