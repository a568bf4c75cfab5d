#include "namenode/dn_table.h"

#include <stdio.h>

#include "common/mem.h"
#include "namenode/block_manager.h"
#include "namenode/slow_nodes.h"
#include "namenode/topology.h"

void dn_table_init(struct dn_table *table)
{
    *table = (struct dn_table){.topology = topology_new()};
    GROW(table->storages, table->storage_capacity, 16);
    table->storages[0] = NULL; /* number 0 means none */
    table->storage_count = 1;
}

static void free_storage(struct storage *storage)
{
    struct doomed_replica *doomed, *next;

    HASH_ITER (hh, storage->doomed, doomed, next) {
        HASH_DEL(storage->doomed, doomed);
        mem_free(doomed);
    }
    roaring_bitmap_free(storage->blocks);
    roaring_bitmap_free(storage->excess);
    mem_free(storage->deletions);
    mem_free(storage->mount);
    mem_free(storage->uuid);
    mem_free(storage);
}

static void free_strings(char **list)
{
    for (size_t i = 0; list && list[i]; i++) mem_free(list[i]);
    mem_free(list);
}

static void free_datanode(struct datanode *datanode)
{
    struct storage *storage;

    while ((storage = LIST_FIRST(&datanode->storages))) {
        LIST_REMOVE(storage, of_datanode);
        free_storage(storage);
    }
    dn_clear_work(datanode);
    slow_node_forget(datanode);
    mem_free(datanode->work.recoveries);
    free_strings(datanode->failed_locations);
    mem_free(datanode->uuid);
    mem_free(datanode->ip);
    mem_free(datanode->hostname);
    mem_free(datanode->peer_hostname);
    mem_free(datanode->software_version);
    mem_free(datanode->location);
    mem_free(datanode->upgrade_domain);
    mem_free(datanode);
}

void dn_table_release(struct dn_table *table)
{
    struct datanode *datanode, *next;
    struct dn_host *host, *next_host;

    HASH_ITER (hh, table->by_uuid, datanode, next) {
        HASH_DEL(table->by_uuid, datanode);
        if (datanode->address[0]) HASH_DELETE(hh_address, table->by_address, datanode);
        if (datanode->rack) topology_remove(table->topology, datanode);
        free_datanode(datanode);
    }
    HASH_ITER (hh, table->hosts, host, next_host) {
        HASH_DEL(table->hosts, host);
        mem_free(host->nodes);
        mem_free(host->name);
        mem_free(host);
    }
    mem_free(table->storages);
    mem_free(table->free_numbers);
    topology_free(table->topology);
    *table = (struct dn_table){.topology = NULL};
}

/* ---- indexes ---- */

static void host_add(struct dn_table *table, const char *name, struct datanode *datanode)
{
    struct dn_host *host;

    HASH_FIND_STR(table->hosts, name, host);
    if (!host) {
        host = NEW(struct dn_host);
        host->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, table->hosts, host->name, strlen(host->name), host);
    }
    GROW(host->nodes, host->capacity, host->count + 1);
    host->nodes[host->count++] = datanode;
}

static void host_remove(struct dn_table *table, const char *name, const struct datanode *datanode)
{
    struct dn_host *host;

    HASH_FIND_STR(table->hosts, name, host);
    for (uint32_t i = 0; host && i < host->count; i++) {
        if (host->nodes[i] != datanode) continue;
        host->nodes[i] = host->nodes[--host->count];
        break;
    }
    if (!host || host->count) return;
    HASH_DEL(table->hosts, host);
    mem_free(host->nodes);
    mem_free(host->name);
    mem_free(host);
}

static void index_node(struct dn_table *table, struct datanode *datanode)
{
    struct datanode *other;

    snprintf(datanode->address, sizeof datanode->address, "%s:%u", datanode->ip,
             datanode->xfer_port);
    HASH_FIND(hh_address, table->by_address, datanode->address, strlen(datanode->address), other);
    assert(!other);
    HASH_ADD_KEYPTR(hh_address, table->by_address, datanode->address, strlen(datanode->address),
                    datanode);
    host_add(table, datanode->ip, datanode);
    if (!str_eq(datanode->hostname, datanode->ip)) host_add(table, datanode->hostname, datanode);
}

void dn_unindex(struct dn_table *table, struct datanode *datanode)
{
    if (!datanode->address[0]) return;
    HASH_DELETE(hh_address, table->by_address, datanode);
    host_remove(table, datanode->ip, datanode);
    if (!str_eq(datanode->hostname, datanode->ip)) host_remove(table, datanode->hostname, datanode);
    datanode->address[0] = '\0';
}

struct datanode *dn_find(const struct dn_table *table, const char *uuid)
{
    struct datanode *datanode;

    HASH_FIND_STR(table->by_uuid, uuid, datanode);
    return datanode;
}

struct datanode *dn_find_address(const struct dn_table *table, const char *ip, uint16_t xfer_port)
{
    struct datanode *datanode;
    char address[sizeof datanode->address];

    snprintf(address, sizeof address, "%s:%u", ip, xfer_port);
    HASH_FIND(hh_address, table->by_address, address, strlen(address), datanode);
    return datanode;
}

struct datanode *dn_find_host(const struct dn_table *table, const char *name)
{
    struct dn_host *host;

    HASH_FIND_STR(table->hosts, name, host);
    if (!host) return NULL;
    for (uint32_t i = 0; i < host->count; i++)
        if (host->nodes[i]->alive) return host->nodes[i];
    return host->nodes[0];
}

struct storage *dn_storage(const struct dn_table *table, uint32_t number)
{
    return number < table->storage_count ? table->storages[number] : NULL;
}

struct storage *dn_find_storage(const struct datanode *datanode, const char *uuid)
{
    struct storage *storage;

    LIST_FOREACH (storage, &datanode->storages, of_datanode)
        if (str_eq(storage->uuid, uuid)) return storage;
    return NULL;
}

bool dn_is_stale(const struct core *core, const struct datanode *datanode)
{
    return core->now_ms - datanode->heartbeat_ms >= core->conf.stale_interval_ms;
}

uint32_t dn_live_count(const struct core *core)
{
    return topology_node_count(core->datanodes.topology);
}
uint32_t dn_count(const struct dn_table *table)
{
    return HASH_COUNT(table->by_uuid);
}

/* ---- nodes and storages ---- */

struct datanode *dn_add(struct dn_table *table, const char *uuid, const char *ip,
                        const char *hostname, uint16_t xfer_port)
{
    struct datanode *datanode = NEW(struct datanode);

    datanode->uuid = mem_strdup(uuid);
    datanode->ip = mem_strdup(ip);
    datanode->hostname = mem_strdup(hostname);
    datanode->xfer_port = xfer_port;
    datanode->location = mem_strdup(TOPOLOGY_DEFAULT_RACK);
    LIST_INIT(&datanode->storages);
    STAILQ_INIT(&datanode->work.transfers);
    HASH_ADD_KEYPTR(hh, table->by_uuid, datanode->uuid, strlen(datanode->uuid), datanode);
    index_node(table, datanode);
    return datanode;
}

void dn_move(struct dn_table *table, struct datanode *datanode, const char *ip,
             const char *hostname, uint16_t xfer_port)
{
    char *new_ip = mem_strdup(ip),
         *new_hostname = mem_strdup(hostname); /* the caller may name the node by its own */

    dn_unindex(table, datanode);
    mem_free(datanode->ip);
    mem_free(datanode->hostname);
    datanode->ip = new_ip;
    datanode->hostname = new_hostname;
    datanode->xfer_port = xfer_port;
    index_node(table, datanode);
}

void dn_remove(struct dn_table *table, struct datanode *datanode)
{
    struct storage *storage;

    dn_stats_leave(table, datanode);
    topology_remove(table->topology, datanode);
    while ((storage = LIST_FIRST(&datanode->storages))) dn_remove_storage(table, storage);
    dn_unindex(table, datanode);
    HASH_DEL(table->by_uuid, datanode);
    free_datanode(datanode);
}

struct storage *dn_add_storage(struct dn_table *table, struct datanode *datanode, const char *uuid,
                               enum storage_type type)
{
    struct storage *storage = NEW(struct storage);

    storage->uuid = mem_strdup(uuid);
    storage->type = type;
    storage->stale = true;
    storage->datanode = datanode;
    storage->blocks = roaring_bitmap_create();
    storage->excess = roaring_bitmap_create();
    if (table->free_count) {
        storage->number = table->free_numbers[--table->free_count];
    } else {
        GROW(table->storages, table->storage_capacity, table->storage_count + 1);
        storage->number = table->storage_count++;
    }
    table->storages[storage->number] = storage;
    LIST_INSERT_HEAD(&datanode->storages, storage, of_datanode);
    datanode->storage_count++;
    return storage;
}

void dn_remove_storage(struct dn_table *table, struct storage *storage)
{
    struct datanode *datanode = storage->datanode;
    bool counted = datanode->counted;

    assert(roaring_bitmap_is_empty(storage->blocks) && !storage->report && !storage->purging);
    dn_stats_leave(table, datanode);
    GROW(table->free_numbers, table->free_capacity, table->free_count + 1);
    table->free_numbers[table->free_count++] = storage->number;
    table->storages[storage->number] = NULL;
    LIST_REMOVE(storage, of_datanode);
    datanode->storage_count--;
    free_storage(storage);
    if (counted) dn_stats_enter(table, datanode);
}

/* ---- sums ---- */

static uint64_t sum(const struct datanode *datanode, size_t field)
{
    const struct storage *storage;
    uint64_t total = 0;

    LIST_FOREACH (storage, &datanode->storages, of_datanode)
        total += *(const uint64_t *)((const char *)storage + field);
    return total;
}

uint64_t dn_capacity(const struct datanode *datanode)
{
    return sum(datanode, offsetof(struct storage, capacity));
}
uint64_t dn_used(const struct datanode *datanode)
{
    return sum(datanode, offsetof(struct storage, dfs_used));
}
uint64_t dn_remaining(const struct datanode *datanode)
{
    return sum(datanode, offsetof(struct storage, remaining));
}
uint64_t dn_block_pool_used(const struct datanode *datanode)
{
    return sum(datanode, offsetof(struct storage, block_pool_used));
}
uint64_t dn_non_dfs_used(const struct datanode *datanode)
{
    return sum(datanode, offsetof(struct storage, non_dfs_used));
}

uint64_t dn_block_count(const struct datanode *datanode)
{
    const struct storage *storage;
    uint64_t total = 0;

    LIST_FOREACH (storage, &datanode->storages, of_datanode)
        total += roaring_bitmap_get_cardinality(storage->blocks);
    return total;
}

/* HeartbeatManager.Stats: nodes on their way out count with what they use, not with their room. */
static void count_node(struct dn_stats *stats, const struct datanode *datanode, uint64_t sign)
{
    stats->used += sign * dn_used(datanode);
    stats->block_pool_used += sign * dn_block_pool_used(datanode);
    stats->xceivers += sign * datanode->xceivers;
    if (datanode->admin_state == DN_NORMAL) {
        stats->nodes_in_service += (uint32_t)sign;
        stats->in_service_xceivers += sign * datanode->xceivers;
        stats->capacity += sign * dn_capacity(datanode);
        stats->remaining += sign * dn_remaining(datanode);
        stats->cache_capacity += sign * datanode->cache_capacity;
        stats->cache_used += sign * datanode->cache_used;
    } else if (datanode->admin_state == DN_DECOMMISSIONING ||
               datanode->admin_state == DN_ENTERING_MAINTENANCE) {
        stats->cache_capacity += sign * datanode->cache_capacity;
        stats->cache_used += sign * datanode->cache_used;
    }
}

void dn_stats_leave(struct dn_table *table, struct datanode *datanode)
{
    if (!datanode->counted) return;
    count_node(&table->stats, datanode, UINT64_MAX); /* minus one */
    datanode->counted = false;
}

void dn_stats_enter(struct dn_table *table, struct datanode *datanode)
{
    if (datanode->counted || !datanode->alive) return;
    count_node(&table->stats, datanode, 1);
    datanode->counted = true;
}

/* ---- orders ---- */

static void free_transfer(struct dn_transfer *transfer)
{
    mem_free(transfer->targets);
    mem_free(transfer);
}

void dn_clear_work(struct datanode *datanode)
{
    struct dn_transfer *transfer;

    while ((transfer = dn_take_transfer(datanode))) free_transfer(transfer);
    datanode->work.recovery_count = 0;
    datanode->work.bandwidth = 0;
}

void dn_add_transfer(struct datanode *datanode, const struct block_id *block,
                     struct storage *const *targets, size_t count)
{
    struct dn_transfer *transfer = NEW(struct dn_transfer);

    transfer->block = *block;
    transfer->targets = NEW_ARRAY(uint32_t, count);
    transfer->target_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) transfer->targets[i] = targets[i]->number;
    STAILQ_INSERT_TAIL(&datanode->work.transfers, transfer, next);
    datanode->work.transfer_count++;
}

struct dn_transfer *dn_take_transfer(struct datanode *datanode)
{
    struct dn_transfer *transfer = STAILQ_FIRST(&datanode->work.transfers);

    if (!transfer) return NULL;
    STAILQ_REMOVE_HEAD(&datanode->work.transfers, next);
    datanode->work.transfer_count--;
    return transfer;
}

void dn_transfer_free(struct dn_transfer *transfer)
{
    free_transfer(transfer);
}

void dn_add_recovery(struct datanode *datanode, uint64_t block_id)
{
    struct dn_work *work = &datanode->work;

    for (uint32_t i = 0; i < work->recovery_count; i++)
        if (work->recoveries[i] == block_id) return;
    GROW(work->recoveries, work->recovery_capacity, work->recovery_count + 1);
    work->recoveries[work->recovery_count++] = block_id;
}

void dn_add_deletion(struct storage *storage, const struct block_id *block)
{
    if (storage->deletion_first &&
        storage->deletion_first + storage->deletion_count == storage->deletion_capacity) {
        memmove(storage->deletions, storage->deletions + storage->deletion_first,
                storage->deletion_count * sizeof *storage->deletions);
        storage->deletion_first = 0;
    }
    GROW(storage->deletions, storage->deletion_capacity,
         storage->deletion_first + storage->deletion_count + 1);
    storage->deletions[storage->deletion_first + storage->deletion_count++] = *block;
}

uint32_t dn_take_deletions(struct storage *storage, struct block_id *out, uint32_t max)
{
    uint32_t count = MIN(max, storage->deletion_count);

    memcpy(out, storage->deletions + storage->deletion_first, count * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        struct doomed_replica *doomed;
        HASH_FIND(hh, storage->doomed, &out[i].id, sizeof out[i].id, doomed);
        if (doomed) doomed->queued = false;
    }
    storage->deletion_first += count;
    storage->deletion_count -= count;
    if (!storage->deletion_count) {
        mem_free(storage->deletions);
        storage->deletions = NULL;
        storage->deletion_first = storage->deletion_capacity = 0;
    }
    return count;
}

bool dn_withdraw_deletion(struct storage *storage, uint64_t block_id)
{
    struct block_id *list = storage->deletions + storage->deletion_first;

    for (uint32_t i = 0; i < storage->deletion_count; i++) {
        if (list[i].id != block_id) continue;
        memmove(&list[i], &list[i + 1], (storage->deletion_count - i - 1) * sizeof *list);
        storage->deletion_count--;
        return true;
    }
    return false;
}

void dn_free_deletions(struct storage *storage)
{
    struct doomed_replica *doomed, *next;

    HASH_ITER (hh, storage->doomed, doomed, next) doomed->queued = false;
    mem_free(storage->deletions);
    storage->deletions = NULL;
    storage->deletion_first = storage->deletion_count = storage->deletion_capacity = 0;
}

void dn_clear_deletions(struct storage *storage)
{
    struct doomed_replica *doomed, *next;

    dn_free_deletions(storage);
    HASH_ITER (hh, storage->doomed, doomed, next) {
        if (doomed->bad) {
            doomed->remembered = true;
            continue;
        }
        HASH_DEL(storage->doomed, doomed);
        mem_free(doomed);
    }
}
