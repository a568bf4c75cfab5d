/*
 * Writing a file. Made by fs_create() and fs_append().
 *
 * Bytes go in packets through a pipeline of datanodes; a packet is kept until all of them have
 * acknowledged it, so a failing datanode is replaced without the caller noticing. What an
 * acknowledged out_stream_hsync() or out_stream_close() covered is safe.
 *
 * After an error the stream is broken: every further call answers the same error;
 * out_stream_close() frees it then without completing the file.
 *
 * Threads: calls are serialised by the stream. The lease keeper calls in from its own thread to
 * keep an idle pipeline alive.
 */
#ifndef CLIENT_OUT_STREAM_H
#define CLIENT_OUT_STREAM_H

#include "common/base.h"
#include "common/err.h"

struct out_stream;

/* All of it or an error. */
int out_stream_write(struct out_stream *stream, const void *data, size_t size,
                     struct err *err) MUST_CHECK;
/* Visible to new readers when it returns. */
int out_stream_hflush(struct out_stream *stream, struct err *err) MUST_CHECK;
enum out_sync_flag {
    OUT_SYNC_UPDATE_LENGTH = 1, /* the namenode learns the length too */
    OUT_SYNC_END_BLOCK = 2,     /* and the next byte starts a new block */
};
/* On every replica's disk when it returns. */
int out_stream_hsync(struct out_stream *stream, unsigned flags, struct err *err) MUST_CHECK;
uint64_t out_stream_tell(struct out_stream *stream); /* bytes in the file so far */
/* Finishes the file. Frees the stream in any case; an error says that the file is not complete.
 * NULL is fine. */
int out_stream_close(struct out_stream *stream, struct err *err) MUST_CHECK;
/* Frees without completing: the file stays open on the namenode until its lease expires or is
 * recovered. */
void out_stream_abort(struct out_stream *stream);
/* Datanodes in the present pipeline; 0 between blocks. */
unsigned out_stream_replicas(struct out_stream *stream);
/* The data port of the index-th of them, the nearest first; 0: there are not so many. */
uint16_t out_stream_replica_port(struct out_stream *stream, unsigned index);

#endif
