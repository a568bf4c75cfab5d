/*
 * Inside the RPC server: what rpc_server.c (threads, listeners, the calls' life) and rpc_conn.c
 * (the protocol of one connection) share. Nobody else includes this.
 *
 * Everything here belongs to the connection's network thread, except where a note says otherwise.
 */
#ifndef COMMON_RPC_CONN_H
#define COMMON_RPC_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "common/loop.h"
#include "common/net.h"
#include "common/rpc_server.h"

enum { RPC_READ_CHUNK = 64 << 10, RPC_CALL_MAGIC = 0x52504343, RPC_LISTENERS_MAX = 8 };

struct rpc_conn;
struct rpc_thread;

/* The methods of one protocol, sorted by name. */
struct rpc_protocol {
    const char *name;
    const struct rpc_op **ops;
    size_t count, capacity;
};

/* A call as the server sees it. */
struct rpc_full_call {
    struct rpc_call pub; /* first: a pointer to it is a pointer to the whole */
    uint32_t magic;
    struct rpc_conn *conn;
    ProtobufCBinaryData client_id; /* as sent; echoed. In the arena */
    bool answered;
    struct buf out;                       /* the response frame; filled by the daemon's thread */
    size_t body_offset, body_size;        /* of the response message in it; 0 for an error */
    size_t written;                       /* bytes of `out` that the socket took */
    struct rpc_full_call *released_next;  /* any thread: link of rpc_thread.released */
    STAILQ_ENTRY(rpc_full_call) out_link; /* in rpc_conn.out, or in rpc_thread.pool */
};

enum rpc_conn_state {
    RPC_CONN_PREAMBLE, /* waits for "hrpc" */
    RPC_CONN_SASL,     /* waits for negotiation */
    RPC_CONN_CONTEXT,  /* waits for the connection context */
    RPC_CONN_OPEN,     /* takes calls */
    RPC_CONN_LAST,     /* a fatal answer is on its way out; input is thrown away */
    RPC_CONN_LINGER,   /* all was sent and our side is shut: waits for the peer's end */
    RPC_CONN_CLOSED,   /* no descriptor any more; stays until its calls are back */
};

struct rpc_conn {
    struct rpc_thread *thread;
    int fd;
    enum rpc_conn_state state;
    struct loop_watch *watch;
    unsigned watched; /* events set in it */
    uint32_t refs;    /* 1 while open, 1 per call, 1 per caller on the stack */
    uint32_t calls;   /* in flight with the daemon */
    bool paused;      /* reads nothing until calls or output go down */
    bool dirty;       /* in thread->dirty: has new output */
    struct buf in;    /* bytes of frames not complete yet, or not taken yet while paused */
    size_t in_taken;  /* of them, bytes at the front that are done */
    STAILQ_HEAD(rpc_out, rpc_full_call) out;
    size_t out_bytes;
    int64_t last_ms;            /* last progress in either direction, or when the state began */
    TAILQ_ENTRY(rpc_conn) link; /* in one of the thread's lists, by state */
    TAILQ_ENTRY(rpc_conn) paused_link; /* in thread->paused, while waiting for the thread's calls */
    bool in_paused;
    STAILQ_ENTRY(rpc_conn) dirty_link;
    struct rpc_user user;
    struct net_addr peer;
    uint16_t local_port;
    char *protocol;                   /* "" before the context and without one */
    const struct rpc_protocol *known; /* last protocol called: saves the search */
};

TAILQ_HEAD(rpc_conn_list, rpc_conn);

struct rpc_thread {
    struct rpc_server *server;
    struct loop *loop;
    pthread_t thread;
    bool started;
    int wake_fd; /* eventfd */
    struct loop_watch *wake_watch;
    struct loop_timer *tick, *turn_end;
    _Atomic(struct rpc_full_call *) released; /* any thread: newest first */
    atomic_bool wake_sent;                    /* any thread */
    pthread_mutex_t lock;                     /* guards incoming */
    int *incoming;                            /* accepted descriptors on their way here */
    size_t incoming_count, incoming_capacity;
    uint8_t *scratch; /* RPC_READ_CHUNK bytes */
    STAILQ_HEAD(rpc_pool, rpc_full_call) pool;
    size_t pooled;
    STAILQ_HEAD(rpc_dirty, rpc_conn) dirty;
    struct rpc_conn_list handshaking, open, lingering; /* each oldest first */
    struct rpc_conn_list paused;
    uint32_t calls, calls_max;
    uint64_t input_bytes; /* in all conn->in */
    bool submitted;       /* since the last submit_end() */
    _Atomic uint64_t calls_in_flight, calls_total, bytes_received, bytes_sent, refused;
};

struct rpc_listener {
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    struct rpc_server *server;
};

struct rpc_server {
    struct rpc_server_options options; /* with defaults filled in */
    char *name;
    struct rpc_protocol *protocols;
    size_t protocol_count, protocol_capacity;
    struct rpc_thread *threads;
    size_t next_thread; /* thread 0's: takes the next connection */
    struct rpc_listener listeners[RPC_LISTENERS_MAX];
    size_t listener_count;
    struct loop_timer *accept_again; /* after running out of descriptors */
    bool started;
    _Atomic uint64_t connections, connections_total;
};

/* rpc_conn.c */
void rpc_conn_open(struct rpc_thread *thread, int fd); /* takes over the descriptor */
void rpc_conn_close(struct rpc_conn *conn);            /* at once, whatever its state */
void rpc_conn_put(struct rpc_conn *conn);
void rpc_conn_flush(struct rpc_conn *conn);  /* writes what the socket takes */
void rpc_conn_resume(struct rpc_conn *conn); /* reads on where limits allow again */
void rpc_conn_tick(struct rpc_thread *thread, int64_t now_ms);

/* rpc_server.c */
struct rpc_full_call *rpc_thread_call(struct rpc_thread *thread, struct rpc_conn *conn);
void rpc_thread_recycle(struct rpc_thread *thread, struct rpc_full_call *call);
void rpc_thread_turn_end(
    struct rpc_thread *thread); /* once the other ready connections were read, too */
void rpc_thread_dirty(struct rpc_conn *conn);
/* The method, or NULL with the error of Apache's words. */
const struct rpc_op *rpc_find_op(struct rpc_conn *conn, const Pb__RequestHeader *header,
                                 struct err *err);

#endif
