/*
 * What a rolling upgrade keeps in the name folders (FSImage, NNStorage): fsimage_rollback_N, the namespace right before its start.
 *
 *   prepare:   fsimage_rollback_N, then OP_ROLLING_UPGRADE_START
 *   finalize:  OP_ROLLING_UPGRADE_FINALIZE, then fsimage_rollback_N becomes fsimage_N
 *   rollback:  edits from N + 1 on become *.trash, fsimage_rollback_N becomes fsimage_N, images behind it go
 *
 * A crash before the last step leaves fsimage_rollback_N: a rollback can be repeated, a finalization is completed by the next start.
 *
 * Thread rules: whoever owns the core; no namenode's journal open for rolling_rollback().
 */
#ifndef NAMENODE_ROLLING_UPGRADE_H
#define NAMENODE_ROLLING_UPGRADE_H

#include "namenode/nn_storage.h"

bool rolling_image_exists(struct nn_storage *storage);
/* fsimage_rollback_N of every N becomes fsimage_N. A folder that fails is taken out; ERR_IO when none is left. */
int rolling_images_rename(struct nn_storage *storage, struct err *err) MUST_CHECK;
/* Makes the folders say what they said at `txid`, the image that was loaded. */
int rolling_rollback(struct nn_storage *storage, uint64_t txid, struct err *err) MUST_CHECK;

#endif
