/*
 * The datanode: owns and wires its parts. Made and freed by main, from one thread; the parts say
 * which of their functions others may call.
 *
 *   loop thread    accepts data connections, rests idle ones, signals       xceiver.h
 *   op threads     one per running transfer                                 recv_block.h, send_block.h
 *   rpc threads    ClientDatanodeProtocol, InterDatanodeProtocol            ipc_ops.h
 *   link threads   two per namenode: heartbeats and full reports; changes   nn_link.h
 *   syncer         closed blocks to the disk                                syncer.h
 *   scan threads   one per volume: replicas held against their checksums    scan_block.h
 *   diff thread    what the disks hold against the memory                   scan_diff.h
 */
#ifndef DATANODE_DATANODE_H
#define DATANODE_DATANODE_H

#include "common/reconfig.h"
#include "common/loop.h"
#include "common/net.h"
#include "common/rpc_client.h"
#include "common/rpc_server.h"
#include "datanode/dataset.h"
#include "datanode/latency.h"
#include "datanode/throttle.h"

#define DN_SOFTWARE_VERSION "3.5.0"

struct http_server;
struct nn_service;
struct scan_block;
struct scan_diff;
struct xceiver;

enum { DN_SERVICES_MAX = DATASET_POOLS_MAX };

/* What the parts read of the configuration. Constant after start, but for what reconfiguration changes. */
struct dn_settings {
    int socket_timeout_ms;        /* dfs.client.socket-timeout */
    int write_timeout_ms;         /* dfs.datanode.socket.write.timeout */
    int keepalive_ms;             /* dfs.datanode.socket.reuse.keepalive */
    int transfer_threads;         /* dfs.datanode.max.transfer.threads */
    _Atomic int64_t heartbeat_ms; /* dfs.heartbeat.interval */
    _Atomic int64_t report_ms;    /* dfs.blockreport.intervalMsec */
    int64_t report_split;         /* dfs.blockreport.split.threshold */
    bool sync_on_close;           /* dfs.datanode.synconclose */
    bool write_behind;            /* dfs.datanode.sync.behind.writes, or sync_on_close */
    bool use_hostname;     /* dfs.datanode.use.datanode.hostname: reach other datanodes by name */
    atomic_int moves_max;  /* dfs.datanode.balance.max.concurrent.moves */
    int volumes_tolerated; /* dfs.datanode.failed.volumes.tolerated */
    int64_t restart_expiry_ms; /* dfs.datanode.restart.replica.expiration */
    int64_t outliers_ms;       /* dfs.datanode.outliers.report.interval */
    struct outlier_rule slow_peer, slow_disk;
    bool tell_congestion, tell_slowness; /* dfs.pipeline.ecn, dfs.pipeline.slownode: in acks */
    double congestion_ratio;             /* dfs.pipeline.congestion.ratio */
    unsigned disk_sampling;              /* dfs.datanode.fileio.profiling.sampling.percentage */
};

struct datanode {
    struct conf *conf;
    struct dn_settings settings;
    struct reconfig *reconfig;
    struct loop *loop;
    struct dataset *dataset;
    struct scan_block *scan; /* NULL: turned off */
    struct scan_diff *diff;  /* likewise */
    struct latencies
        *peer_latency; /* of packets to the last one of a pipeline; NULL: not measured */
    struct throttle write_throttle; /* dfs.datanode.data.write.bandwidthPerSec: of writers */
    struct latencies *disk_latency; /* of writes, by folder; likewise */
    struct xceiver *xceiver;
    struct rpc_server *rpc;
    struct http_server *http;
    struct worker_pool *calls;      /* runs RPC calls, commands, recoveries */
    struct worker_pool *transfers;  /* copies that the namenode ordered */
    struct worker_pool *recoveries; /* of blocks, as the primary */
    struct rpc_identity identity;

    char host[NET_HOST_MAX]; /* name that we register with */
    char ip[NET_HOST_MAX];
    uint16_t xfer_port, ipc_port, http_port;
    int64_t start_ms; /* wall clock */

    pthread_mutex_t lock;   /* guards the next ones */
    char uuid[DN_UUID_MAX]; /* "" until the first namespace is known */
    struct nn_service *services[DN_SERVICES_MAX];
    size_t service_count;
    bool disk_failed[REPLICA_VOLUMES_MAX]; /* or being checked */

    atomic_int transfers_running; /* xmitsInProgress */
    atomic_int moves_running;
    _Atomic int64_t balance_bandwidth;
    _Atomic uint64_t bytes_read, bytes_written, blocks_read, blocks_written;
    atomic_bool end_asked;  /* by a call, which is to be answered first */
    atomic_bool restarting; /* writers are told that it is back soon (OOB_RESTART) */
    atomic_bool stopping;
    int exit_code;
};

/* Opens volumes and ports, starts the threads. */
int datanode_start(const struct conf *conf, struct loop *loop, struct datanode **dn,
                   struct err *err) MUST_CHECK;
/* Ends all threads and frees. NULL is fine. */
void datanode_stop(struct datanode *dn);

/* The pool of a namespace; opened when it is the first time. Any thread. */
int datanode_pool(struct datanode *dn, const struct namespace_info *info, struct block_pool **pool,
                  struct err *err) MUST_CHECK;

/* This datanode as other parts of HDFS know it. Strings belong to dn and live as long. */
void datanode_id(struct datanode *dn, Pb__DatanodeID *id);

/* Ends the program from any thread, with that exit code. */
void datanode_shutdown(struct datanode *dn, int exit_code);

/* A link gave up for good; when none is left the program ends. */
void datanode_service_ended(struct datanode *dn);

#endif
