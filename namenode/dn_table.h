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

enum dn_admin_state { DN_NORMAL = 0, DN_DECOMMISSIONING = 1, DN_DECOMMISSIONED = 2, DN_ENTERING_MAINTENANCE = 3, DN_IN_MAINTENANCE = 4 };

struct storage {
    char *uuid;
    uint32_t number; /* index in dn_table.storages; 0 is never used */
    enum storage_type type;
    bool read_only_shared;
    bool failed;
    bool stale; /* true until its first full report after the datanode registered: excess replicas on it are not deleted */
    uint64_t capacity, dfs_used, remaining, block_pool_used, non_dfs_used;
    roaring_bitmap_t *blocks; /* references of blocks it holds */
    struct datanode *datanode;
    LIST_ENTRY(storage) of_datanode;
};

struct datanode {
    char *uuid; /* key of the table */
    char *ip, *hostname;
    uint16_t xfer_port, info_port, info_secure_port, ipc_port;
    char *software_version;
    char *location; /* "/default-rack", "/dc1/rack7" */
    char *upgrade_domain;
    enum dn_admin_state admin_state;
    bool alive;
    bool registered;       /* false: its next call is answered with REGISTER */
    bool excluded;         /* by the hosts files */
    int64_t heartbeat_ms;  /* monotonic time of the last heartbeat */
    int64_t heartbeat_wall_ms;
    int64_t report_wall_ms; /* last full report; 0 none yet */
    int64_t report_ms;
    uint32_t xceivers, xmits, failed_volumes;
    uint64_t cache_capacity, cache_used;
    char *volume_failures; /* for reports; may be NULL */
    LIST_HEAD(, storage) storages;
    struct dn_work *work; /* orders for its next heartbeat: dn_table.c's, monitor.c's */
    UT_hash_handle hh;
};

struct dn_table {
    struct datanode *by_uuid; /* uthash */
    struct storage **storages; /* by number */
    uint32_t storage_count, storage_capacity;
    struct topology *topology;
};

struct datanode *dn_find(const struct dn_table *table, const char *uuid);
struct datanode *dn_find_address(const struct dn_table *table, const char *ip, uint16_t xfer_port);
/* Any datanode on this host (IP text or host name); NULL. For a writer's locality. */
struct datanode *dn_find_host(const struct dn_table *table, const char *host);
struct storage *dn_storage(const struct dn_table *table, uint32_t number);
struct storage *dn_find_storage(const struct datanode *datanode, const char *uuid);
bool dn_is_stale(const struct core *core, const struct datanode *datanode);
uint32_t dn_live_count(const struct core *core);

#endif
