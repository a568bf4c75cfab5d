/*
 * A cheap source of RPC load: some connections, each with a number of calls in flight, driven by few
 * threads. It shares the machine with the server it measures, so it encodes nothing itself (the
 * caller appends frames made before), sends what one read answered in one write, and looks at no
 * more of an answer than call id and status.
 *
 * flood_run() may be called again and again on the same connections. One thread calls these
 * functions; the callbacks run on the flood's threads, for one connection always on the same one.
 */
#ifndef BENCHMARKS_LIB_FLOOD_H
#define BENCHMARKS_LIB_FLOOD_H

#include "benchmarks/lib/meter.h"
#include "common/buf.h"
#include "common/net.h"
#include "common/rpc_frame.h"

enum { FLOOD_IN_FLIGHT_MAX = 256, FLOOD_CALL_ID_BYTES = 5 };

/* One operation on its way; may be more than one call, one after the other. */
struct flood_call {
    unsigned connection;
    int32_t call_id; /* for the frame: its varint always has FLOOD_CALL_ID_BYTES bytes */
    int step;        /* of the operation: 0 for its first call */
    uint64_t value;  /* the caller's */
    uint64_t index;  /* of the operation, 0 … count - 1 */
    int64_t start_ns;
};

struct flood_work {
    void *context;
    uint64_t count; /* operations */
    /* Appends one request frame. */
    void (*request)(void *context, const struct flood_call *call, struct buf *out);
    /* Optional: sees the answer of a call that succeeded; true when the operation goes on with
     * another call (step is then one higher). */
    bool (*answer)(void *context, struct flood_call *call, struct cursor *body);
};

struct flood_result {
    uint64_t done, failed;
    char error[256]; /* the first one */
    int64_t elapsed_ns;
    struct histogram latency;
};

struct flood;

/* Connects. Ends the program when it cannot. */
struct flood *flood_new(const struct net_addr *address, unsigned connections, unsigned in_flight,
                        unsigned threads, const char *user, const char *protocol);
const uint8_t *flood_client_id(const struct flood *flood, unsigned connection);
/* Ends the program when a connection is lost. */
void flood_run(struct flood *flood, const struct flood_work *work, struct flood_result *result);
void flood_free(struct flood *flood);

#endif
