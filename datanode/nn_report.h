/*
 * What changed, for the namenodes of a pool: RECEIVING, RECEIVED and DELETED per block, queued for
 * each namenode until its link sends them. Answers Hadoop's IncrementalBlockReportManager.
 *
 * One queue a namenode. A RECEIVED is sent at once, and whoever wrote the block can wait until the
 * namenode has heard of it; the others travel along, or wait a little. While one report is under
 * way the next gathers.
 *
 * Any thread.
 */
#ifndef DATANODE_NN_REPORT_H
#define DATANODE_NN_REPORT_H

#include "common/base.h"
#include "common/mem.h"
#include "proto/datanode.pb-c.h"

struct volume;
struct nn_report;
struct report_queue;

enum { REPORT_LAZY_MS = 500, REPORT_BATCH_MAX = 1000 };

struct nn_report *nn_report_new(void);
void nn_report_free(struct nn_report *report); /* after its queues' users ended; NULL is fine */

/* NULL `report`: nothing happens. */
void nn_report_receiving(struct nn_report *report, const struct volume *volume, int64_t id,
                         uint64_t gs);
/* The writer of an RBW closed its connection in the middle: its lease may end early. */
void nn_report_writer_gone(struct nn_report *report, const struct volume *volume, int64_t id,
                           uint64_t gs);
/* `delete_hint`: the datanode whose replica this one replaces, or NULL. Waits up to wait_ms until
 * all registered namenodes answered. */
void nn_report_received(struct nn_report *report, const struct volume *volume, int64_t id,
                        uint64_t gs, int64_t length, const char *delete_hint, int wait_ms);
void nn_report_deleted(struct nn_report *report, const struct volume *volume, int64_t id,
                       uint64_t gs);

/* ---- for the link of one namenode ---- */

struct report_queue *report_queue_new(struct nn_report *report);
void report_queue_free(struct report_queue *queue);
/* A registered namenode gets reports; another's are dropped, since a full report follows its
 * registration. */
void report_queue_set_active(struct report_queue *queue, bool active);
/* Makes the waiting changes due now. */
void report_queue_hurry(struct report_queue *queue);
/* Waits until something is due, or wake or timeout_ms; takes up to REPORT_BATCH_MAX changes as a
 * request without registration and pool, in `arena`. NULL: nothing is due. */
Pb__BlockReceivedAndDeletedRequest *report_queue_take(struct report_queue *queue, int timeout_ms,
                                                      struct arena *arena);
void report_queue_wake(struct report_queue *queue);
/* What was taken last has arrived, or goes back to the front. */
void report_queue_done(struct report_queue *queue, bool arrived);

#endif
