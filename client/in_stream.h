/*
 * Reading a file. Opened by fs_open().
 *
 * Bytes come from the nearest replica and are verified against their checksums before they are
 * returned; a bad or dead replica is left for another one, a corrupt one is reported to the
 * namenode. A file that is being written shows the bytes that were there when it was opened (reopen
 * to see more).
 *
 * Threads: in_stream_pread() from any number of threads at once; the functions with a position are
 * serialised by the stream, so that sharing them is safe if pointless. in_stream_close() is the
 * last call.
 */
#ifndef CLIENT_IN_STREAM_H
#define CLIENT_IN_STREAM_H

#include "common/base.h"
#include "common/err.h"

struct in_stream;

/* Up to `size` bytes at the position, which moves. At least one unless size is 0; 0 is the end of
 * the file. Negative: ERR_*. */
ssize_t in_stream_read(struct in_stream *stream, void *data, size_t size,
                       struct err *err) MUST_CHECK;
/* The same at `offset`; the position stays. Reads until `size` or the end of the file. */
ssize_t in_stream_pread(struct in_stream *stream, uint64_t offset, void *data, size_t size,
                        struct err *err) MUST_CHECK;
/* Anything from 0 to the length; else ERR_EOF "Cannot seek after EOF". */
int in_stream_seek(struct in_stream *stream, uint64_t position, struct err *err) MUST_CHECK;
uint64_t in_stream_tell(struct in_stream *stream);
uint64_t in_stream_length(struct in_stream *stream);
uint64_t in_stream_available(struct in_stream *stream); /* bytes between position and end */
/* Gives back connection and buffers; reading goes on where it was. */
void in_stream_unbuffer(struct in_stream *stream);
void in_stream_close(struct in_stream *stream); /* frees; NULL is fine */

struct in_stream_stats {
    uint64_t bytes;       /* all */
    uint64_t bytes_local; /* from a datanode on this host */
    uint64_t bytes_short_circuit;
    uint64_t bytes_zero_copy;
};
void in_stream_stats(struct in_stream *stream, struct in_stream_stats *stats);
void in_stream_clear_stats(struct in_stream *stream);

#endif
