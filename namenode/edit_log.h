/*
 * The journal (FSEditLog, FSEditLogAsync, FileJournalManager, EditLogFileOutputStream).
 *
 *   core thread:     edit_log_append() encodes into the pending batch and returns at once; edit_log_push()
 *                    after a batch of requests wakes the journal thread for all of them
 *   journal thread:  takes all that is pending, writes it to every directory, fdatasyncs each once,
 *                    publishes synced_txid, calls on_synced
 *
 * so one sync serves every request of the meantime (group commit). A reply may leave once its txid
 * is <= edit_log_synced_txid(). A directory that fails is dropped; when too few are left the log is
 * failed for good: synced_txid stands still, on_failed is called once, appends are dropped. An
 * fdatasync that failed is never tried again on that file: its pages may be gone.
 */
#ifndef NAMENODE_EDIT_LOG_H
#define NAMENODE_EDIT_LOG_H

#include "namenode/edit.h"
#include "namenode/nn_storage.h"

struct edit_log;

struct edit_log_options {
    uint64_t unsynced_max; /* bytes that may wait for the disk before edit_log_append() blocks; 0:
                              64 MiB */
    /* Both are called on the journal thread and must not call back into the log, but for the
     * getters. May be NULL. */
    void (*on_synced)(void *context, uint64_t synced_txid);
    void (*on_failed)(void *context, const struct err *why);
    void *context;
};

/* Opens segment last_txid + 1 in every directory, writes and syncs its START_LOG_SEGMENT (so that
 * edit_log_last_txid() is last_txid + 1) and starts the thread. A core that goes on with this log
 * sets core->txid_applied to edit_log_last_txid(). */
int edit_log_start(struct edit_log **out, struct nn_storage *storage, uint64_t last_txid,
                   const struct edit_log_options *options, struct err *err) MUST_CHECK;

/* The next four: core thread only. */

/* Gives the record its txid (returned, and put into edit->txid). Blocks while too much is unsynced.
 * Fits core_edit_sink with the log as context. */
uint64_t edit_log_append(void *log, struct edit *edit);
/* Wakes the journal thread when something was appended. To be called when no more comes at once. */
void edit_log_push(struct edit_log *log);
/* Ends the segment and begins the next: appends END and START. Answers START's txid, which is what
 * rollEditLog answers, too. */
uint64_t edit_log_roll(struct edit_log *log);
/* END_LOG_SEGMENT, sync, finalize, end of the thread; frees the log. */
int edit_log_stop(struct edit_log *log, struct err *err) MUST_CHECK;

/* Any thread. */
uint64_t edit_log_last_txid(const struct edit_log *log);   /* appended */
uint64_t edit_log_synced_txid(const struct edit_log *log); /* durable */
uint64_t
edit_log_segment_first(const struct edit_log *log); /* first txid of the segment now appended to */
bool edit_log_failed(const struct edit_log *log, struct err *why); /* `why` may be NULL */
/* Waits until txid is durable; the log's error when it failed. */
int edit_log_wait(struct edit_log *log, uint64_t txid, struct err *err) MUST_CHECK;

/* Counters of the journal thread. */
struct edit_log_stats {
    uint64_t transactions, syncs, bytes;
    uint64_t sync_ns_total, sync_ns_max;
};
void edit_log_get_stats(const struct edit_log *log, struct edit_log_stats *out);

#endif
