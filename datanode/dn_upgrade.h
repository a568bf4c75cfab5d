/*
 * Upgrades of a block pool's folder and the ways back. When the namenode's namespace was upgraded (its creation time is later), what is there is kept as
 * `previous`, of hard links, so that it costs no space:
 *   upgrade:   current --> previous.tmp, links in a new current, previous.tmp --> previous
 *   rollback:  current --> removed.tmp, previous --> current, removed.tmp goes
 *   finalize:  previous --> finalized.tmp, which goes
 * During a rolling upgrade deleted blocks go to `trash` instead, where there is no `previous`.
 * Answers Hadoop's BlockPoolSliceStorage, Storage.analyzeStorage and HardLink.
 *
 * `root` is <dir>/current/<pool>. Blocking; the owner's thread, but for dn_upgrade_finalize() and what follows it, which any thread may call.
 */
#ifndef DATANODE_DN_UPGRADE_H
#define DATANODE_DN_UPGRADE_H

#include "common/err.h"
#include "common/properties.h"

/* Completes or takes back what a crash has interrupted. ERR_INCONSISTENT_STATE when the folders contradict each other; nothing is changed then. */
int dn_upgrade_recover(const char *root, struct err *err) MUST_CHECK;

/* `version`: what VERSION is to say afterwards. After an error the next start takes it back. */
int dn_upgrade_run(const char *root, const struct properties *version, struct err *err) MUST_CHECK;

bool dn_upgrade_has_previous(const char *root);
/* Back to `previous`; of a rolling upgrade, the deleted blocks come back from `trash`. Nothing to go back to is fine. */
int dn_upgrade_rollback(const char *root, struct err *err) MUST_CHECK;
/* Fine when there is nothing to finalize, or another thread does it. */
int dn_upgrade_finalize(const char *root, struct err *err) MUST_CHECK;

/* A rolling upgrade begins: a marker says so, as one of Apache's datanodes leaves it. */
int dn_upgrade_mark_rolling(const char *root, struct err *err) MUST_CHECK;
/* It is over: what was kept for the way back goes. */
int dn_upgrade_clear_rolling(const char *root, struct err *err) MUST_CHECK;

#endif
