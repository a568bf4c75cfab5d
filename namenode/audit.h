/*
 * The audit log in Apache's line format (FSNamesystem's DefaultAuditLogger). As with Apache it is switched by the environment: HDFS_AUDIT_LOGGER="INFO,RFAAUDIT"
 * (any appender but NullAppender and console) appends to $HADOOP_LOG_DIR/hdfs-audit.log, "INFO,console" writes to standard error; unset, nothing is written.
 *
 * Lines are put together on the core thread and written by audit_flush() on the main thread; when the disk does not keep up, lines beyond
 * AUDIT_PENDING_MAX bytes are counted and left out, with a line that says so.
 */
#ifndef NAMENODE_AUDIT_H
#define NAMENODE_AUDIT_H

#include "namenode/op.h"

enum { AUDIT_PENDING_MAX = 16 << 20 };

struct audit;

int audit_open(struct audit **out,
               struct err *err) MUST_CHECK; /* *out is NULL when auditing is off */
void audit_close(struct audit *audit);      /* flushes; NULL is fine */

/* One request, allowed or not. Core thread. `audit` may be NULL. True: audit_flush() is wanted. */
bool audit_log(struct audit *audit, struct core *core, const struct op *op, const char *command,
               bool allowed);
void audit_flush(void *audit); /* loop_fn; main thread */

#endif
