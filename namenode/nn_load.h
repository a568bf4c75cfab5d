/*
 * From directories to a namespace that is ready to serve (FSImage.recoverTransitionRead): unclosed
 * segments are recovered, the newest whole image is loaded (a damaged one is passed over for the
 * one before, with an error line), edits are replayed, leases start anew.
 *
 * Thread rules: the thread that will run the core, before anything else does.
 */
#ifndef NAMENODE_NN_LOAD_H
#define NAMENODE_NN_LOAD_H

#include "namenode/nn_storage.h"

/* `core` carries conf and is not initialised yet (core_init() is called here, again for each image
 * tried); afterwards it is, also after an error: core_release() is the caller's. core->identity is
 * the storage's; core->txid_applied the last txid found. */
int nn_load(struct core *core, struct nn_storage *storage, int64_t now_ms,
            struct err *err) MUST_CHECK;

#endif
