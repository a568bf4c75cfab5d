/*
 * Upgrades of name folders and the ways back (NNUpgradeUtil, Storage.analyzeStorage). An upgrade keeps what was there as `previous`:
 *
 *   current --rename--> previous.tmp, a new current: edits linked, image, VERSION --> previous.tmp --rename--> previous
 *   rollback:  current --> removed.tmp, previous --> current, removed.tmp goes
 *   finalize:  previous --> finalized.tmp, which goes
 *
 * A crash between any two of these is seen at the next start by the .tmp that is there, and undone or completed.
 */
#ifndef NAMENODE_NN_UPGRADE_H
#define NAMENODE_NN_UPGRADE_H

#include "namenode/nn_storage.h"

/* Completes or undoes what a crash interrupted in one folder. ERR_INCONSISTENT_STATE with Apache's words for what no crash leaves. */
int nn_upgrade_recover(const struct nn_dir *dir, struct err *err) MUST_CHECK;
/* Is there a state to go back to? */
bool nn_upgrade_pending(const struct nn_storage *storage);

/* After image and edits of the old layout were loaded: every folder gets this layout, an image, and a new cTime. */
int nn_upgrade_run(struct core *core, struct nn_storage *storage, struct err *err) MUST_CHECK;
/* Deletes what there was before the upgrade. */
int nn_upgrade_finalize(struct nn_storage *storage, struct err *err) MUST_CHECK;
/* hdfs namenode -rollback: by itself, with no namenode running. */
int nn_upgrade_rollback(const struct conf *conf, struct err *err) MUST_CHECK;

#endif
