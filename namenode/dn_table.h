/*
 * Datanodes and their storages as the namenode knows them (DatanodeManager, DatanodeDescriptor, DatanodeStorageInfo).
 * A storage has a small number, which is what blocks remember; numbers of storages that are gone for ever are reused.
 *
 * Core thread only; pure: time comes in as `now_ms` (monotonic) .
 */
#ifndef NAMENODE_DN_TABLE_H
#define NAMENODE_DN_TABLE_H

#include <roaring/roaring.h>
#include <sys/queue.h>
#include <uthash.h>

#include "namenode/block.h"

struct datanode;
struct rack;
struct report_job;
struct slow_disk_report;
struct slow_report;
struct topology;

enum dn_admin_state {
    DN_NORMAL = 0,
    DN_DECOMMISSIONING = 1,
    DN_DECOMMISSIONED = 2,
    DN_ENTERING_MAINTENANCE = 3,
    DN_IN_MAINTENANCE = 4
};

enum placement_kind { /* by the classes of dfs.block.replicator.classname: placement.h */
                      PLACEMENT_DEFAULT,
                      PLACEMENT_RACK_FAULT_TOLERANT,
                      PLACEMENT_NODE_GROUP,
                      PLACEMENT_UPGRADE_DOMAIN,
                      PLACEMENT_AVAILABLE_SPACE,
                      PLACEMENT_AVAILABLE_SPACE_RACKS
};

/* A replica of a block that still exists, which its datanode is to delete: a later report of it is no news. */
struct doomed_replica {
    uint64_t id;
    uint64_t generation_stamp;
    bool bad; /* known corrupt */
    bool
        remembered; /* bad, and its datanode was dead in between: corrupt again when it is reported again */
    bool queued; /* the order has not been sent yet */
    uint64_t
        named_in; /* number of the last full report that named it, or of the next when it was doomed */
    UT_hash_handle hh;
};

struct storage {
    char *uuid;
    uint32_t number; /* index in dn_table.storages; 0 is never used */
    enum storage_type type;
    bool read_only_shared;
    bool failed;
    bool
        stale; /* true until its first full report after the datanode registered: excess replicas on it are not deleted */
    bool heard;   /* named by the heartbeat being handled: what is not is gone */
    bool purging; /* its blocks are being taken off it, in slices */
    uint64_t capacity, dfs_used, remaining, block_pool_used, non_dfs_used;
    char *mount;               /* may be NULL */
    roaring_bitmap_t *blocks;  /* references of blocks it holds */
    roaring_bitmap_t *excess;  /* of them, those that are too many and wait for their deletion */
    uint64_t reports;          /* full reports since the datanode registered */
    struct report_job *report; /* a full report being worked on; NULL */
    /* To be deleted, oldest first from deletions[deletion_first]; sent with heartbeats. */
    struct block_id *deletions;
    uint32_t deletion_first, deletion_count, deletion_capacity;
    struct doomed_replica *doomed; /* uthash by id */
    uint32_t scheduled,
        scheduled_before; /* writes promised lately (blocksScheduled): this roll, the one before */
    TAILQ_ENTRY(storage) to_purge;
    struct datanode *datanode;
    LIST_ENTRY(storage) of_datanode;
};

/* An order to copy one block to other nodes (DNA_TRANSFER). */
struct dn_transfer {
    struct block_id block;
    uint32_t *targets; /* storage numbers */
    uint32_t target_count;
    STAILQ_ENTRY(dn_transfer) next;
};

/* What the next heartbeat's answer carries. */
struct dn_work {
    STAILQ_HEAD(, dn_transfer) transfers;
    uint32_t transfer_count;
    uint64_t *recoveries; /* ids of blocks whose recovery this node leads */
    uint32_t recovery_count, recovery_capacity;
    uint64_t bandwidth; /* for the balancer: bytes a second; 0: nothing to say */
};

struct datanode {
    char *uuid; /* key of the table */
    char *ip, *hostname;
    char *peer_hostname; /* as the namenode's resolver sees the address; may be NULL */
    uint16_t xfer_port, info_port, info_secure_port, ipc_port;
    char address[64]; /* "ip:xfer_port": key of the address index */
    char *software_version;
    char *location; /* "/default-rack", "/dc1/rack7" */
    char *upgrade_domain;
    enum dn_admin_state admin_state;
    int64_t maintenance_expires_wall_ms;
    bool alive;
    bool registered; /* false: its next call is answered with REGISTER */
    bool excluded;   /* by the hosts files */
    bool disallowed; /* not on the include list any more: not let in again */
    bool heartbeated_since_registration;
    char moved_from[64]; /* the address it had before it registered at another one; "" */
    char clone_at
        [64]; /* an address at which a copy of its disks serves: refused while the node is heard of; "" */
    bool wiped;           /* to be forgotten once its blocks are off (monitor.c) */
    int64_t heartbeat_ms; /* monotonic time of the last heartbeat */
    int64_t heartbeat_wall_ms;
    int64_t report_wall_ms; /* last full report; 0 none yet */
    int64_t report_ms;
    uint32_t xceivers, xmits, failed_volumes;
    uint64_t cache_capacity, cache_used;
    char **failed_locations; /* volume failure summary; NULL-terminated; may be NULL */
    int64_t last_volume_failure_ms;
    uint64_t capacity_lost;
    LIST_HEAD(, storage) storages;
    uint32_t storage_count;
    struct dn_work work;
    /* Full block report lease: report.c. */
    uint64_t report_lease_id;
    int64_t report_lease_ms;
    /* Progress of decommissioning or maintenance: dn_admin.c. */
    uint32_t leaving_low_redundancy, leaving_out_of_service_only, leaving_in_open_files;
    uint32_t leaving_low_first; /* what lacked when it was looked at first, at leaving_first_ms */
    int64_t leaving_first_ms;
    int64_t leaving_since_wall_ms;
    bool leaving_checked; /* a full check has been made since the state changed */
    bool walk_wanted;     /* its blocks are to be looked over, at walk_ms or later */
    int64_t walk_ms;
    /* Topology: topology.c. NULL while the node is not a candidate (dead, unregistered). */
    struct rack *rack;
    uint32_t rack_index, node_index;
    bool counted; /* part of dn_table.stats */
    bool slow;    /* slow_nodes.h, as are these */
    struct slow_report *slow_reports;
    struct slow_disk_report *slow_disks;
    UT_hash_handle hh, hh_address;
};

/* Sums over datanodes, kept as they change (DatanodeStats). */
struct dn_stats {
    uint64_t capacity, used, remaining, block_pool_used, cache_capacity, cache_used;
    uint64_t xceivers;
    uint32_t nodes_in_service;
    uint64_t in_service_xceivers;
};

struct dn_host { /* all datanodes behind one IP or host name */
    char *name;
    struct datanode **nodes;
    uint32_t count, capacity;
    UT_hash_handle hh;
};

struct dn_table {
    struct datanode *by_uuid;    /* uthash, dead ones included */
    struct datanode *by_address; /* uthash by hh_address */
    struct dn_host *hosts;
    struct storage **storages; /* by number */
    uint32_t storage_count, storage_capacity;
    uint32_t *free_numbers;
    uint32_t free_count, free_capacity;
    struct topology *topology;
    struct dn_stats stats;
};

void dn_table_init(struct dn_table *table);
void dn_table_release(struct dn_table *table);

struct datanode *dn_find(const struct dn_table *table, const char *uuid);
struct datanode *dn_find_address(const struct dn_table *table, const char *ip, uint16_t xfer_port);
/* Any datanode on this host (IP text or host name); NULL. For a writer's locality. */
struct datanode *dn_find_host(const struct dn_table *table, const char *host);
struct storage *dn_storage(const struct dn_table *table,
                           uint32_t number); /* NULL when nobody has the number */
struct storage *dn_find_storage(const struct datanode *datanode, const char *uuid);
bool dn_is_stale(const struct core *core, const struct datanode *datanode);
uint32_t dn_live_count(const struct core *core);
uint32_t dn_count(const struct dn_table *table);

/* A new entry, not alive, on no rack. `uuid`, `ip`, `hostname` are copied. */
struct datanode *dn_add(struct dn_table *table, const char *uuid, const char *ip,
                        const char *hostname, uint16_t xfer_port);
/* The node answers at another address now. */
void dn_move(struct dn_table *table, struct datanode *datanode, const char *ip,
             const char *hostname, uint16_t xfer_port);
/* The node loses its address (another has it now): found by uuid only. dn_move() gives it one again. */
void dn_unindex(struct dn_table *table, struct datanode *datanode);
/* Forgets the node; its storages must hold no blocks any more. */
void dn_remove(struct dn_table *table, struct datanode *datanode);

struct storage *dn_add_storage(struct dn_table *table, struct datanode *datanode, const char *uuid,
                               enum storage_type type);
/* Forgets a storage that holds no block any more; its number may be reused. */
void dn_remove_storage(struct dn_table *table, struct storage *storage);

/* Around every change of a node's counted numbers or state: takes them out of the sums and puts them back. */
void dn_stats_leave(struct dn_table *table, struct datanode *datanode);
void dn_stats_enter(struct dn_table *table,
                    struct datanode *datanode); /* only alive nodes are counted */

uint64_t dn_capacity(const struct datanode *datanode);
uint64_t dn_used(const struct datanode *datanode);
uint64_t dn_remaining(const struct datanode *datanode);
uint64_t dn_block_pool_used(const struct datanode *datanode);
uint64_t dn_non_dfs_used(const struct datanode *datanode);
uint64_t dn_block_count(const struct datanode *datanode);
static inline bool dn_is_maintenance(const struct datanode *datanode)
{
    return datanode->admin_state == DN_ENTERING_MAINTENANCE ||
           datanode->admin_state == DN_IN_MAINTENANCE;
}

/* Drops all orders that wait for the node's next heartbeat. */
void dn_clear_work(struct datanode *datanode);
void dn_add_transfer(struct datanode *datanode, const struct block_id *block,
                     struct storage *const *targets, size_t count);
struct dn_transfer *
dn_take_transfer(struct datanode *datanode); /* NULL: none left; dn_transfer_free() it */
void dn_transfer_free(struct dn_transfer *transfer);
void dn_add_recovery(struct datanode *datanode, uint64_t block_id);
void dn_add_deletion(struct storage *storage, const struct block_id *block);
uint32_t dn_take_deletions(struct storage *storage, struct block_id *out, uint32_t max);
/* A deletion that no heartbeat has carried yet is taken back; false when there is none. */
bool dn_withdraw_deletion(struct storage *storage, uint64_t block_id);
void dn_free_deletions(struct storage *storage); /* the queue only */
void dn_clear_deletions(
    struct storage *storage); /* the queue, and what is remembered of replicas that were not bad */

/* "127.0.0.1:9866", as Apache names a node in messages. */
static inline const char *dn_name(const struct datanode *datanode)
{
    return datanode->address;
}

#endif
