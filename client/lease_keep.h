/*
 * Keeps the leases of files that are open for writing (dfs.client renews every 30 s; the soft limit
 * is 60 s), and the pipelines of writers that write nothing. One thread per file system, started
 * with the first open file, ended by lease_keep_free(). Answers to LeaseRenewer. Any thread.
 */
#ifndef CLIENT_LEASE_KEEP_H
#define CLIENT_LEASE_KEEP_H

#include "common/base.h"
#include "common/err.h"

struct fs;
struct lease_keep;
struct out_stream;

enum { LEASE_RENEW_MS = 30 * 1000, LEASE_LOOK_MS = 5 * 1000 };

struct lease_keep *lease_keep_new(struct fs *fs);
/* Aborts streams that are still open (out_stream_abort), then ends the thread. NULL is fine. */
void lease_keep_free(struct lease_keep *keep);

/* From here on the lease is renewed and out_stream_tick(stream) is called every few seconds. */
int lease_keep_add(struct lease_keep *keep, struct out_stream *stream, struct err *err) MUST_CHECK;
/* When it returns, no tick for the stream is running or will. The caller must not hold what a tick
 * needs. */
void lease_keep_remove(struct lease_keep *keep, struct out_stream *stream);

#endif
