/*
 * The serving side of Hadoop RPC version 9 (org.apache.hadoop.ipc.Server): accepts connections,
 * reads calls, sends answers.
 *
 * Some network threads each run one event loop; a connection belongs to one of them for ever. A
 * network thread decodes a call into the call's own arena and hands it to the daemon's submit().
 * The daemon runs it wherever it likes and answers it:
 *
 *     network thread           daemon's thread(s)                         network thread
 *     decode -> submit()   ->  rpc_call_run() .. rpc_call_reply|_fail()
 *                              .. (edits reach the disk) ..
 *                              rpc_call_release() .. rpc_server_flush() -> bytes go out,
 *                                                                  call returns to the pool
 *
 * Thread rules: listen, start, stop and free from the owner's thread. A call belongs to the network
 * thread until submit(), then to the daemon (one thread at a time) until rpc_call_release(), which
 * any thread may call and after which nobody may touch the call.
 *
 * Everything a peer can make large is bounded by the options below; reading from a connection
 * pauses where a bound is reached.
 */
#ifndef COMMON_RPC_SERVER_H
#define COMMON_RPC_SERVER_H

#include <sys/queue.h>

#include "common/base.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rpc_frame.h"

struct rpc_server;
struct rpc_call;

/* One remote method. Daemons keep tables of these. */
struct rpc_op {
    const char *protocol; /* "org.apache.hadoop.hdfs.protocol.ClientProtocol" */
    const char *method;   /* "getFileInfo" */
    const ProtobufCMessageDescriptor *request;
    void (*run)(void *context, struct rpc_call *call, const ProtobufCMessage *request);
    uint32_t flags; /* the daemon's own: the server does not look at them */
};

/* The authenticated identity of a connection. */
struct rpc_user {
    const char *name; /* effective user, never NULL or "" */
    const char *real; /* who acts in that name (proxy user), or NULL */
};

struct rpc_call {
    /* Set by the server, constant until release. Strings and messages live as long as the call. */
    const struct rpc_op *op;
    const ProtobufCMessage *request; /* in `arena` */
    const struct rpc_user *user;
    const char *peer_ip; /* numeric text, without port; IPv4 also when it came by an IPv6 socket */
    uint16_t peer_port;
    uint16_t local_port;             /* which listener it came by */
    const char *connection_protocol; /* of the connection's context; "" when absent */
    const char *caller_context;      /* or NULL */
    uint8_t client_id[RPC_CLIENT_ID_SIZE];
    bool has_client_id; /* exactly 16 bytes were sent: the retry cache may use it */
    bool has_state_id;
    int32_t call_id;     /* >= 0 */
    int32_t retry_count; /* -1 when the client sends none */
    int64_t state_id;    /* highest transaction the client saw, if has_state_id */

    /* The daemon's. Zero at submit(). */
    struct arena
        arena; /* memory that goes with the call; holds the request; any size, cleared at release */
    int64_t now_ms;            /* time at which the daemon says it runs */
    int64_t response_state_id; /* sent as stateId when not 0; set before the reply */
    uint64_t txid;             /* for example the edit this answer waits for */
    void *context;
    struct rpc_call *next; /* queue links */
    TAILQ_ENTRY(rpc_call) link;
};

struct rpc_server_options {
    void *context; /* argument of the functions below and of rpc_op.run */

    /* Hands over one decoded call. On a network thread: must not wait. May run and release the call
     * at once. */
    void (*submit)(void *context, struct rpc_call *call);

    /* Optional. After the last submit() of one turn of a network thread: the place to wake the
     * daemon's thread once. */
    void (*submit_end)(void *context);

    /* Optional. Whether `user` may open a connection for `protocol` ("" when absent) from
     * `peer_ip`: proxy user rules and service ACLs. An error (ERR_AUTHORIZATION) refuses the
     * connection with its text. On a network thread; NULL accepts all but proxy users, as an
     * unconfigured Apache server does. */
    int (*authorize)(void *context, const struct rpc_user *user, const char *protocol,
                     const char *peer_ip, struct err *err);

    const char *name;              /* of the threads and in error texts: "namenode" */
    int threads;                   /* network threads; 0: 1 */
    uint32_t frame_max;            /* ipc.maximum.data.length; 0: 128 MiB */
    uint32_t connections_max;      /* further ones are closed at once; 0: 65536 */
    uint32_t connection_calls_max; /* calls of one connection in flight; 0: 1024 */
    uint32_t calls_max; /* calls in flight in all, shared evenly by the threads; 0: 65536 */
    uint64_t
        output_max;     /* unsent bytes of a connection above which it is not read from; 0: 4 MiB */
    uint64_t input_max; /* bytes of unfinished frames per thread above which the largest senders are
                           dropped; 0: 1 GiB */
    int64_t idle_ms;    /* silence after which a connection without calls is closed; 0: 20 s above
                           idle_threshold, as Apache */
    uint32_t idle_threshold; /* connections up to which idle ones are left alone; 0: 4000
                                (ipc.client.idlethreshold) */
    int64_t handshake_ms;    /* time until the connection context must have arrived; 0: 60 s */
    int backlog;             /* ipc.server.listen.queue.size; 0: 256 */
};

/* Copies the options. Nothing is opened yet. */
struct rpc_server *rpc_server_new(const struct rpc_server_options *options);

/* Adds methods; the table must outlive the server. Before start. A name must not repeat. Several
 * tables may share a protocol. */
void rpc_server_add_ops(struct rpc_server *server, const struct rpc_op *ops, size_t count);

/* Binds `host` (name or numeric address; NULL, "" or "0.0.0.0" for all) and `port` (0: any) before
 * start; may be called several times. *port_out, if wanted, is the port really bound. ERR_CONNECT,
 * ERR_UNKNOWN_HOST, with Apache's "Problem binding to [host:port]". */
int rpc_server_listen(struct rpc_server *server, const char *host, uint16_t port,
                      uint16_t *port_out, struct err *err) MUST_CHECK;

int rpc_server_start(struct rpc_server *server, struct err *err) MUST_CHECK;

/* Accepts and reads nothing more, drops the connections and joins the threads. Calls in flight stay
 * valid: answering and releasing them remains safe (nothing is sent). No submit() runs after it.
 * Idempotent. */
void rpc_server_stop(struct rpc_server *server);

/* Stops if needed. Every call must have been released. NULL is fine. */
void rpc_server_free(struct rpc_server *server);

/* Runs call->op->run with the server's context. */
void rpc_call_run(struct rpc_call *call);

/* Exactly one answer per call. It is encoded at once, so the message may point into live memory,
 * and kept in the call. */
void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response);
void rpc_call_reply_packed(struct rpc_call *call, const void *response,
                           size_t size); /* a message that is encoded already */
void rpc_call_fail(struct rpc_call *call, const struct err *err);

bool rpc_call_answered(const struct rpc_call *call);

/* The encoded response message of a call that was answered with success (for the retry cache),
 * until release; NULL after a failure. */
const uint8_t *rpc_call_response(const struct rpc_call *call, size_t *size);

/* Drops an answer given before, so that another may be given: when the edit behind it could not be
 * saved. */
void rpc_call_unanswer(struct rpc_call *call);

/* Gives the call back; its answer, if any, goes out in the order of releases once the network
 * thread gets to it: at the next rpc_server_flush(), or at the end of its turn when called on the
 * network thread within submit(). Any thread. */
void rpc_call_release(struct rpc_call *call);

/* Wakes the network threads for which calls were released since the last flush: one wake each. Any
 * thread. */
void rpc_server_flush(struct rpc_server *server);

struct rpc_server_stats {
    uint64_t connections; /* open now */
    uint64_t connections_total;
    uint64_t calls_in_flight;
    uint64_t calls_total;
    uint64_t bytes_received, bytes_sent;
    uint64_t refused; /* frames and connections answered with a FATAL or closed for breaking the
                         protocol or a limit */
};
void rpc_server_stats(struct rpc_server *server,
                      struct rpc_server_stats *stats); /* any thread; not one instant */

#endif
