/*
 * What is inside a `struct fs`: for the files of client/ only. Settings never change after
 * fs_connect(); the rest guards itself.
 */
#ifndef CLIENT_FS_STATE_H
#define CLIENT_FS_STATE_H

#include <pthread.h>

#include "client/creds.h"
#include "client/fs.h"
#include "client/nn_proxy.h"
#include "common/base.h"
#include "proto/client_namenode.pb-c.h"

struct lease_keep;
struct worker_pool;
struct dn_conns;

enum replace_policy { REPLACE_NEVER, REPLACE_DEFAULT, REPLACE_ALWAYS };

/* Configuration, read once. */
struct fs_settings {
    uint64_t block_size;
    unsigned replication;
    uint32_t umask;
    uint32_t bytes_per_checksum;
    int checksum_type; /* the wire's number */
    uint32_t write_packet_size;
    unsigned packets_in_flight_max;
    uint64_t prefetch_size; /* 0: ten blocks */
    int socket_timeout_ms;
    int write_timeout_ms;
    bool use_datanode_hostname;
    bool tcp_nodelay;
    bool checksum_composite;

    int block_write_retries;
    int locate_retries;
    int64_t locate_delay_ms, locate_delay_max_ms;
    int pipeline_recoveries_max;
    int64_t exclude_expiry_ms;
    int64_t restart_timeout_ms;
    enum replace_policy replace_policy;
    bool replace_best_effort;
    unsigned replace_min_replication;
    bool recover_lease_on_close_exception;
    unsigned slow_acks_max;                  /* then a slow datanode is replaced */
    int64_t backoff_mean_ms, backoff_max_ms; /* when one is congested */

    int block_acquire_failures_max;
    int64_t retry_window_ms;
    int last_length_retries;
    int64_t last_length_pause_ms;

    int hedge_threads; /* 0: no read is hedged */
    int64_t hedge_after_ms;
    unsigned conns_max;
    int64_t conns_expiry_ms;
    int64_t server_defaults_valid_ms;
};

struct fs {
    struct fs_settings settings;
    struct creds creds;
    char *client_name;
    char *home;
    struct nn_proxy *nn;
    struct lease_keep *leases;
    struct dn_conns *conns;
    struct worker_pool *hedges; /* runs hedged reads; NULL: none are wanted */
    _Atomic uint64_t hedged_reads, hedged_wins,
        hedged_here; /* second attempts made, won; no thread */

    pthread_mutex_t lock; /* guards what follows */
    struct fs_server_defaults defaults;
    int64_t defaults_until_ms; /* monotonic; 0: not known yet */
};

/* fs_call() without a response that anybody wants. */
int fs_do(struct fs *fs, const char *method, const void *request,
          const ProtobufCMessageDescriptor *type, struct err *err) MUST_CHECK;

/* Refuses "" and paths that are not absolute. */
int fs_check_path(const char *path, struct err *err) MUST_CHECK;

/* A status out of the namenode's answer. In a listing `directory` is where the entry's bare name
 * belongs; else `directory` is the whole path and the entry's name empty. */
int fs_status_decode(struct fs_status *status, const Pb__HdfsFileStatus *from,
                     const char *directory, struct err *err) MUST_CHECK;
const char *fs_ec_policy_name(const Pb__ErasureCodingPolicy *policy);

/* Java's "java.lang.X" for an error that err.def has no code for. Returns err->code. */
int fs_set_java_class(struct err *err, const char *java_class);

/* Bytes ("/a/b") may not be NUL-terminated on the wire. */
char *fs_bytes_string(const ProtobufCBinaryData *bytes);

#endif
