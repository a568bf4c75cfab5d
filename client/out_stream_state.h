/* What the lease keeper may do with a stream. */
#ifndef CLIENT_OUT_STREAM_STATE_H
#define CLIENT_OUT_STREAM_STATE_H

struct out_stream;

/* Reads acknowledgements and sends a heartbeat if the pipeline has been silent. Never waits: a
 * stream that is in use is left alone. */
void out_stream_tick(struct out_stream *stream);

#endif
