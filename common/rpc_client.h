/*
 * The calling side of Hadoop RPC version 9 (org.apache.hadoop.ipc.Client), for SIMPLE
 * authentication. Works with Apache's servers too.
 *
 * One rpc_client is one server address, protocol and user, and at most one connection, made by the
 * first call and again after a loss. Calls of many threads are in flight on it together. There is
 * no background thread: a caller sends its own frame; one of the waiting threads reads responses
 * for all and wakes their owners; when its own has come, another takes over.
 *
 * Retries are the caller's: this layer makes one attempt per call, and says in the attempt whether
 * the request may have reached the server. To repeat an at-most-once method, repeat it with the
 * same call id, also towards another server (shared rpc_identity).
 *
 * Thread rules: everything from any thread, but free (nobody may be inside or hold a pending call).
 */
#ifndef COMMON_RPC_CLIENT_H
#define COMMON_RPC_CLIENT_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rpc_frame.h"

/* What makes calls of one program unique for a server's retry cache. Several clients (the namenodes
 * of one nameservice) share one, so that a repeated call is recognised by whichever of them gets
 * it. */
struct rpc_identity {
    uint8_t client_id[RPC_CLIENT_ID_SIZE];
    _Atomic uint32_t next_call_id;
};
void rpc_identity_init(struct rpc_identity *identity);
int32_t rpc_identity_next(struct rpc_identity *identity); /* 0 .. 2^31-1, round and round */

struct rpc_client_options {
    const char *host; /* name or numeric address; looked up at each connect */
    uint16_t port;
    const char *protocol;          /* "org.apache.hadoop.hdfs.protocol.ClientProtocol" */
    const char *user;              /* effective user */
    const char *real_user;         /* the proxy user behind it, or NULL */
    const char *caller_context;    /* sent with each call, or NULL; Java's shell sends "CLI" */
    struct rpc_identity *identity; /* shared, outlives the client; NULL: its own */
    int connect_timeout_ms;        /* ipc.client.connect.timeout; 0: 20 s */
    int timeout_ms; /* for the answer, from sending; 0: 120 s (ipc.client.rpc-timeout.ms); -1: for
                       ever */
    int ping_interval_ms;   /* silence after which a ping keeps the connection alive; 0: 60 s; -1:
                               none */
    int idle_ms;            /* a connection unused for longer is replaced before use; 0: 10 s
                               (ipc.client.connection.maxidletime) */
    uint32_t response_max;  /* ipc.maximum.response.length; 0: 128 MiB */
    uint32_t in_flight_max; /* further callers wait for a place; 0: 1024 */
};

struct rpc_client;

/* Copies the options. Connects nothing. */
struct rpc_client *rpc_client_new(const struct rpc_client_options *options);
void rpc_client_free(struct rpc_client *client); /* NULL is fine */

/* Closes the connection: calls in flight end with ERR_CONNECTION_LOST, the next call connects anew.
 */
void rpc_client_disconnect(struct rpc_client *client);

/* One attempt at a call. Zeroed with call_id -1 (RPC_ATTEMPT_INIT) is a new call; keep it and raise
 * retry_count to repeat the same call. */
struct rpc_attempt {
    int32_t call_id;     /* -1: taken from the identity, and left here */
    int32_t retry_count; /* 0 for the first attempt */
    int timeout_ms;      /* 0: the client's */
    bool sent;   /* out: some of the request may have reached the server; false after failing to
                    connect */
    bool remote; /* out: the error is the server's own answer, not the network's */
};
#define RPC_ATTEMPT_INIT                                                                           \
    {                                                                                              \
        .call_id = -1                                                                              \
    }

/*
 * Calls `method` and waits for the answer, which is unpacked into `arena` as *response (NULL
 * `response`: not wanted).
 *
 * Errors: a remote exception gives its code by class (ERR_REMOTE with err->java_class for a class
 * unknown here) and its text without the server's stack trace; ERR_CONNECT, ERR_UNKNOWN_HOST,
 * ERR_TIMEOUT, ERR_EOF (the server closed), ERR_CONNECTION_LOST, ERR_LIMIT and ERR_BAD_MESSAGE are
 * the network's, with the text that Apache's NetUtils.wrapException gives to users of `hdfs dfs`.
 */
int rpc_client_call(struct rpc_client *client, const char *method, const ProtobufCMessage *request,
                    const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                    ProtobufCMessage **response, struct err *err) MUST_CHECK;

int rpc_client_attempt(struct rpc_client *client, struct rpc_attempt *attempt, const char *method,
                       const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                       ProtobufCMessage **response, struct err *err) MUST_CHECK;

/* Pipelined form: sends the request and leaves the waiting for later. Every started call must be
 * waited for exactly once, from any thread; the wait frees it. `arena` is used by the wait only. */
struct rpc_pending;
int rpc_client_start(struct rpc_client *client, struct rpc_attempt *attempt, const char *method,
                     const ProtobufCMessage *request, struct rpc_pending **pending,
                     struct err *err) MUST_CHECK;
int rpc_client_wait(struct rpc_pending *pending, const ProtobufCMessageDescriptor *response_type,
                    struct arena *arena, ProtobufCMessage **response, struct err *err) MUST_CHECK;

/* "host:port" of the server, for messages. */
const char *rpc_client_address(const struct rpc_client *client);

/* The text Apache's NetUtils.wrapException makes of a network error for its users: "Call From
 * me/10.0.0.2 to nn:8020 failed on connection exception: java.net.ConnectException: Connection
 * refused; For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused". Rewrites
 * err->text, which held the bare reason; returns err->code. */
int rpc_wrap_network_error(struct err *err, const char *host, uint16_t port);

#endif
