/*
 * Connections to datanodes' data ports. A finished read leaves its connection here for the next
 * one: at most 16, for 3 s (dfs.client.socketcache.*), newest first. Answers to PeerCache. Any
 * thread.
 */
#ifndef CLIENT_DN_CONNS_H
#define CLIENT_DN_CONNS_H

#include <sys/queue.h>

#include "common/base.h"
#include "common/err.h"
#include "common/xfer_io.h"
#include "proto/hdfs.pb-c.h"

struct fs;
struct dn_conns;

/* Owned by whoever took it; belongs to one thread at a time. The descriptor is non-blocking. */
struct dn_conn {
    TAILQ_ENTRY(dn_conn) entry; /* of the idle or the busy */
    struct dn_conns *busy_in;   /* NULL while idle */
    char *address;
    int64_t idle_since_ms;
    int fd;
    bool reused; /* came from the cache: its peer may have left meanwhile */
    bool local;  /* both ends on this host */
    struct xfer_in in;
};

struct dn_conns *dn_conns_new(unsigned max, int64_t expiry_ms);
void dn_conns_free(struct dn_conns *conns); /* NULL is fine */
/* Ends what goes over connections, now and later: their users get errors. */
void dn_conns_interrupt(struct dn_conns *conns);

/* A connection to the datanode's data port: an idle one unless `fresh`, else a new one. */
int dn_conn_open(struct fs *fs, const Pb__DatanodeID *node, bool fresh, struct dn_conn **conn,
                 struct err *err) MUST_CHECK;
/* Gives one back that is between two operations. */
void dn_conn_keep(struct fs *fs, struct dn_conn *conn);
void dn_conn_close(struct dn_conn *conn); /* NULL is fine */

#endif
