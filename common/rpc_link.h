/*
 * Inside the RPC client: one connection to a server, and the calls in flight on it.
 *
 * `lock` of the client guards what is noted so; a link lives while anybody refers to it. Of all
 * threads that wait on a link one at a time has the reader's role (`reading`): it alone touches
 * `in` and `arena`, reads responses for all and wakes their owners.
 */
#ifndef COMMON_RPC_LINK_H
#define COMMON_RPC_LINK_H

#include <pthread.h>
#include <sys/queue.h>

#include "common/net.h"
#include "common/rpc_client.h"

struct rpc_link;

struct rpc_client {
    struct rpc_client_options options; /* defaults filled in; strings are owned */
    struct rpc_identity own_identity;
    struct net_addr server;
    char address[NET_TEXT_MAX];
    pthread_mutex_t send_lock; /* taken before `lock`: one connects or sends at a time */
    pthread_mutex_t lock;
    struct rpc_link *link; /* guarded; NULL without a connection */
};

/* One call in flight. */
struct rpc_pending {
    struct rpc_client *client;
    struct rpc_link *link;
    int32_t call_id;
    int timeout_ms;
    int64_t deadline, sent_ms;
    char method[64]; /* for messages */
    /* guarded by the client's lock */
    TAILQ_ENTRY(rpc_pending) entry; /* in link->pending until done */
    bool done, remote, waiting;
    pthread_cond_t wake;
    struct buf answer; /* delimited response message */
    struct err *err;   /* or why there is none */
};

struct rpc_link {
    struct rpc_client *client;
    int fd;
    /* guarded */
    uint32_t refs, in_flight;
    bool broken;  /* no more calls; those in flight have ended */
    bool reading; /* somebody has the reader's role */
    TAILQ_HEAD(rpc_pending_list, rpc_pending) pending;
    int64_t last_sent_ms, last_received_ms;
    /* the reader's */
    struct buf in;
    struct arena arena;
};

/* Connects; the link has one reference. The error has the text for users. Sends nothing. */
int rpc_link_open(struct rpc_client *client, struct rpc_link **link, struct err *err) MUST_CHECK;
void rpc_link_get(struct rpc_link *link); /* with the lock held, both */
void rpc_link_put(struct rpc_link *link);

/* Ends all calls in flight with `err` and forbids more. With the lock held. */
void rpc_link_break(struct rpc_link *link, const struct err *err, bool remote);

/* Sends all, reading answers meanwhile if the server takes nothing before its own output is read.
 * Without the lock, with the send lock. *sent says whether a byte went out. */
int rpc_link_send(struct rpc_link *link, const struct buf *bytes, int64_t deadline, bool *sent,
                  struct err *err) MUST_CHECK;

/* With the lock held and the reader's role free: takes the role, waits for bytes until `deadline`,
 * hands out what came, gives the role back. The lock is open meanwhile. Breaks the link on errors.
 */
void rpc_link_read(struct rpc_link *link, int64_t deadline);

/* Signals one waiting thread to take the reader's role, if it is free. With the lock held. */
void rpc_link_pass_on(struct rpc_link *link);

/* The other side ended, or misbehaves: not usable for the next call. Only while nothing is in
 * flight. */
bool rpc_link_is_stale(const struct rpc_link *link);

#endif
