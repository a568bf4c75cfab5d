/*
 * The connection to the namenodes: registration, heartbeats, reports, orders. A service is one
 * namespace with one or more namenodes; each namenode has a link with two threads. Answers Hadoop's
 * BPOfferService and BPServiceActor.
 *
 *   CONNECT --versionRequest, pool opened--> REGISTER
 *   REGISTER --> REPORT (heartbeats, lease, full report) --> SERVE
 *   any --connection lost--> stays, and tries again every second
 *   any --namenode says register--> REGISTER
 *   any --wrong cluster or namespace--> ENDED
 */
#ifndef DATANODE_NN_LINK_H
#define DATANODE_NN_LINK_H

#include "datanode/datanode.h"
#include "datanode/nn_report.h"
#include "proto/client_namenode.pb-c.h"
#include "proto/datanode.pb-c.h"

#define NN_PROTOCOL "org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol"

enum { NN_RETRY_MS = 1000, NN_LINKS_MAX = 8, RECEIVED_WAIT_MS = 100 };

struct nn_link;

struct nn_service {
    struct datanode *dn;
    char *name;                        /* nameservice id, or "" */
    _Atomic(struct block_pool *) pool; /* NULL until a namenode said which */
    struct nn_report *report;
    struct nn_link *links[NN_LINKS_MAX];
    size_t link_count;
    pthread_mutex_t lock;   /* guards the next ones */
    struct nn_link *active; /* whose orders count; NULL: none claims to be */
    uint64_t active_txid;
    bool ended;
};

/* Services and links by the configuration; threads start with nn_services_start(). */
int nn_services_new(struct datanode *dn, struct err *err) MUST_CHECK;
int nn_services_start(struct datanode *dn, struct err *err) MUST_CHECK;
void nn_services_stop(struct datanode *dn); /* ends the threads */
void nn_services_free(struct datanode *dn); /* after all that may report */

/* --- any thread --- */

/* A full (or incremental) report at once, to the namenode of that address ("" or NULL: all). False:
 * no such one. */
bool nn_trigger_report(struct datanode *dn, bool incremental, const char *address);
void nn_trigger_heartbeats(struct datanode *dn);

/* Tells the active namenode, from a thread that may wait; failures are logged. */
void nn_report_bad_block(struct block_pool *pool, uint16_t volume, int64_t id, uint64_t gs);
/* The same of another datanode's replica. */
void nn_report_remote_bad_block(struct block_pool *pool, const Pb__DatanodeInfo *node, int64_t id,
                                uint64_t gs);
enum nn_error_code {
    NN_ERROR_NOTIFY = 0,
    NN_ERROR_DISK = 1,
    NN_ERROR_INVALID_BLOCK = 2,
    NN_ERROR_FATAL_DISK = 3
};
void nn_report_error(struct datanode *dn, enum nn_error_code code, const char *text);

/* A call to the active namenode of the pool: commitBlockSynchronization. */
int nn_call_active(struct block_pool *pool, const char *method, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *response, struct err *err) MUST_CHECK;

/* Fills a registration whose parts live in `arena`. */
void nn_registration(struct datanode *dn, const struct block_pool *pool,
                     Pb__DatanodeRegistration *registration, struct arena *arena);

/* For status pages. */
struct nn_link_status {
    const char *address;
    const char *service;
    const char *state;
    const char *ha_state;
    int64_t last_heartbeat_ago_ms, last_report_ago_ms; /* -1: never */
};
size_t nn_link_statuses(struct datanode *dn, struct nn_link_status *out, size_t max);

#endif
