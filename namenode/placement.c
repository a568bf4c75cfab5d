/*
 * Finding nodes that would do, attempt by attempt, as BlockPlacementPolicyDefault does it; in which order, and what each policy wants, is in
 * placement_policy.c.
 */
#include <stdio.h>

#include "common/log.h"
#include "namenode/placement_internal.h"

enum { TYPES = PLACEMENT_TYPES, RESULTS_MAX = PLACEMENT_RESULTS_MAX, QUICK_TRIES = 8 };

/* Java's order of StorageType: which medium is tried first where a node has several. */
static const enum storage_type type_order[] = {STORAGE_RAM_DISK, STORAGE_SSD,      STORAGE_DISK,
                                               STORAGE_ARCHIVE,  STORAGE_PROVIDED, STORAGE_NVDIMM};

static uint64_t random_below(struct core *core, uint64_t bound)
{
    return core_random(core) % bound;
}

/* ---- refusals ---- */

static void refuse(struct chooser *c, const struct datanode *node, uint32_t *counter,
                   const char *reason)
{
    char *detail = c->refusals->detail;
    size_t used = strlen(detail), room = sizeof c->refusals->detail - used;

    ++*counter;
    if (used && room < 120) return; /* the first ones tell the story */
    snprintf(detail + used, room, "%s%s: %s", used ? "; " : "", node ? dn_name(node) : "no node",
             reason);
}

/* ---- media ---- */

void placement_count_types(struct storage *const *storages, size_t count, uint32_t have[TYPES])
{
    memset(have, 0, TYPES * sizeof *have);
    for (size_t i = 0; i < count; i++) have[storages[i]->type]++;
}

static enum storage_type fallback_of(const struct chooser *c)
{
    const enum storage_type *list =
        c->new_block ? c->policy->creation_fallback : c->policy->replication_fallback;

    for (size_t i = 0; i < 3 && list[i]; i++)
        if (!c->unavailable[list[i]]) return list[i];
    return 0;
}

static bool is_transient(enum storage_type type)
{
    return type == STORAGE_RAM_DISK;
}

/* The policy's media for so many replicas: the last one repeats, unless it is memory (BlockStoragePolicy.chooseStorageTypes). */
void placement_wanted_types(const struct storage_policy *policy, uint32_t replication,
                            uint32_t want[TYPES])
{
    memset(want, 0, TYPES * sizeof *want);
    for (uint32_t i = 0; i < replication; i++) {
        bool repeats = i >= ARRAY_LEN(policy->creation) || !policy->creation[i];
        enum storage_type type = storage_policy_type(policy, i);
        if (repeats && is_transient(type)) return;
        want[type]++;
    }
}

/* Fills need[]: wanted media minus those of the results, unavailable ones replaced by the policy's fallback. False when nothing is left. */
static bool plan_types(struct chooser *c, uint32_t replication)
{
    uint32_t want[TYPES], have[TYPES], excess[TYPES] = {0};
    bool any = false;

    placement_wanted_types(c->policy, replication, want);
    placement_count_types(c->results, c->count, have);
    for (int t = 1; t < TYPES; t++) {
        uint32_t common = MIN(want[t], have[t]);
        want[t] -= common;
        excess[t] = have[t] - common;
    }
    memset(c->need, 0, sizeof c->need);
    for (int t = 1; t < TYPES; t++) {
        enum storage_type type = c->unavailable[t] ? fallback_of(c) : (enum storage_type)t;
        if (type) c->need[type] += want[t];
    }
    for (int t = 1; t < TYPES; t++) {
        c->need[t] -= MIN(c->need[t], excess[t]);
        any = any || c->need[t];
    }
    return any;
}

static bool has_type(const struct datanode *node, enum storage_type type)
{
    const struct storage *storage;

    LIST_FOREACH (storage, &node->storages, of_datanode)
        if (storage->type == type && !storage->failed && !storage->read_only_shared) return true;
    return false;
}

/* DatanodeDescriptor.chooseStorage4Block: the node as a whole needs room beyond what was promised; it picks the disk itself. */
static struct storage *storage_for_block(struct chooser *c, const struct datanode *node,
                                         enum storage_type type)
{
    struct storage *storage, *first = NULL, *roomy = NULL;
    uint64_t remaining = 0, scheduled = 0, size = c->request->block_size,
             wanted = size * c->core->conf.min_blocks_for_write;

    LIST_FOREACH (storage, &node->storages, of_datanode) {
        if (storage->type != type || storage->failed || storage->read_only_shared) continue;
        if (!first) first = storage;
        scheduled += (uint64_t)storage->scheduled + storage->scheduled_before;
        if (storage->remaining < wanted) continue;
        remaining += storage->remaining;
        if (!roomy) roomy = storage;
    }
    if (!first || remaining < wanted || remaining - wanted < size * scheduled) {
        char reason[160];
        snprintf(reason, sizeof reason,
                 first ? "not enough space on %s (needs %" PRIu64 ", has %" PRIu64
                         ", promised %" PRIu64 ")"
                       : "no %s",
                 storage_type_name(type), wanted, remaining, size * scheduled);
        refuse(c, node, first ? &c->refusals->no_space : &c->refusals->wrong_media, reason);
        return NULL;
    }
    return roomy;
}

/* ---- is this node fit ---- */

static bool is_overloaded(const struct chooser *c, const struct datanode *node)
{
    const struct dn_stats *stats = &c->core->datanodes.stats;
    double average =
        stats->nodes_in_service ? (double)stats->in_service_xceivers / stats->nodes_in_service : 0;
    double limit = c->core->conf.consider_load_factor * average;

    return limit > 0 && node->xceivers > limit;
}

static bool is_good(struct chooser *c, const struct datanode *node, bool consider_load)
{
    if (node->admin_state != DN_NORMAL) {
        refuse(c, node, &c->refusals->decommissioning, "the node is not in service");
        return false;
    }
    if (c->avoid_stale && dn_is_stale(c->core, node)) {
        refuse(c, node, &c->refusals->stale, "the node is stale");
        return false;
    }
    if (c->avoid_slow && node->slow) {
        refuse(c, node, &c->refusals->slow, "the node is slow");
        return false;
    }
    if (consider_load && is_overloaded(c, node)) {
        refuse(c, node, &c->refusals->busy, "the node is too busy");
        return false;
    }
    const char *reason = policy_refuses(c, node);
    if (reason) refuse(c, node, &c->refusals->rack_full, reason);
    return !reason;
}

static bool take(struct chooser *c, const struct datanode *node, enum storage_type type)
{
    struct storage *storage = storage_for_block(c, node, type);

    if (!storage || c->count == RESULTS_MAX) return false;
    c->results[c->count++] = storage;
    c->need[type]--;
    policy_exclude_beside(c, node);
    return true;
}

/* ---- random nodes of a scope ---- */

struct scope {
    const char *rack;     /* NULL: all racks; a location on it */
    const char *not_rack; /* NULL, or every rack but this */
    const char *group;    /* NULL, or of `rack` only this node group */
};

static bool is_candidate(const struct chooser *c, const struct scope *scope,
                         const struct datanode *node, enum storage_type type)
{
    if (c->excluded[node->node_index]) return false;
    if (scope->not_rack &&
        topology_same_rack(c->core->datanodes.topology, node->location, scope->not_rack))
        return false;
    if (scope->group && !str_eq(node->location, scope->group)) return false;
    return has_type(node, type);
}

static struct datanode *scope_node(const struct chooser *c, const struct rack *rack, uint32_t index)
{
    return rack ? rack->nodes[index] : topology_node(c->core->datanodes.topology, index);
}

/* Every candidate with the same chance: a few blind tries, then one pass over the scope. */
static struct datanode *pick(struct chooser *c, const struct scope *scope, enum storage_type type)
{
    const struct rack *rack =
        scope->rack ? topology_rack(c->core->datanodes.topology, scope->rack) : NULL;
    uint32_t size = rack ? rack->count : scope->rack ? 0 : c->nodes;
    struct datanode *chosen = NULL;
    uint32_t seen = 0;

    for (int i = 0; size && i < QUICK_TRIES; i++) {
        struct datanode *node = scope_node(c, rack, (uint32_t)random_below(c->core, size));
        if (is_candidate(c, scope, node, type)) return node;
    }
    for (uint32_t i = 0; i < size; i++) {
        struct datanode *node = scope_node(c, rack, i);
        if (!is_candidate(c, scope, node, type)) continue;
        if (random_below(c->core, ++seen) == 0) chosen = node;
    }
    return chosen;
}

static bool choose_random(struct chooser *c, uint32_t wanted, struct scope scope)
{
    while (wanted) {
        struct datanode *node = NULL;
        enum storage_type type = 0;
        for (size_t i = 0; i < ARRAY_LEN(type_order) && !node; i++) {
            type = type_order[i];
            if (!c->need[type]) continue;
            node = pick(c, &scope, type);
            if (node && policy_picks_twice(c->core))
                node = policy_select(c->core, node, pick(c, &scope, type), false);
        }
        if (!node) return false;
        c->excluded[node->node_index] = 1;
        if (is_good(c, node, c->core->conf.consider_load) && take(c, node, type)) wanted--;
    }
    return true;
}

bool choose_anywhere(struct chooser *c, uint32_t wanted)
{
    return choose_random(c, wanted, (struct scope){.rack = NULL});
}
static bool choose_on_rack(struct chooser *c, uint32_t wanted, const char *rack)
{
    return choose_random(c, wanted, (struct scope){.rack = rack});
}

static const struct datanode *second_node(const struct chooser *c, const struct datanode *local)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->results[i]->datanode != local) return c->results[i]->datanode;
    return NULL;
}

bool choose_local_rack(struct chooser *c, const char *rack, const struct datanode *local)
{
    const struct datanode *second;

    if (!rack) return choose_anywhere(c, 1);
    if (choose_on_rack(c, 1, rack)) return true;
    second = second_node(c, local);
    return (second && choose_on_rack(c, 1, second->location)) || choose_anywhere(c, 1);
}

bool choose_in_group(struct chooser *c, const char *location)
{
    return choose_random(c, 1, (struct scope){.rack = location, .group = location});
}

bool choose_remote_rack(struct chooser *c, const char *rack)
{
    return choose_random(c, 1, (struct scope){.not_rack = rack}) || choose_on_rack(c, 1, rack);
}

bool choose_this_node(struct chooser *c, const struct datanode *node)
{
    if (!node->rack || c->excluded[node->node_index]) return false;
    c->excluded[node->node_index] = 1;
    if (!is_good(c, node, false)) return false;
    for (size_t i = 0; i < ARRAY_LEN(type_order); i++)
        if (c->need[type_order[i]] && take(c, node, type_order[i])) return true;
    return false;
}

/* ---- attempts ---- */

void restart_exclusions(struct chooser *c)
{
    memcpy(c->excluded, c->dropped, c->nodes);
    for (size_t i = 0; i < c->count; i++) policy_exclude_beside(c, c->results[i]->datanode);
}

/* Attempts in turn: without stale nodes, with them, then with the policy's fallback for media that ran out. */
static void choose_with_retries(struct chooser *c, uint32_t total, struct writer *writer)
{
    for (;;) {
        uint32_t tried[TYPES];
        bool retry = false;

        if (c->count >= total) return;
        restart_exclusions(c);
        bool planned = plan_types(c, total);
        memcpy(tried, c->need, sizeof tried);
        if (planned && policy_choose(c, total - (uint32_t)c->count, writer)) return;
        if (c->avoid_stale || c->avoid_slow) {
            c->avoid_stale = c->avoid_slow = false;
            continue;
        }
        for (int t = 1; t < TYPES; t++) {
            if (!tried[t] || !c->need[t] || c->unavailable[t]) continue;
            c->unavailable[t] = true;
            retry = true;
        }
        if (!retry) return;
    }
}

/* How many nodes are to be had in all (getMaxNodesPerRack). */
static uint32_t limit_total(struct chooser *c, size_t existing, uint32_t wanted)
{
    uint32_t total = (uint32_t)MIN((uint64_t)existing + wanted, (uint64_t)c->nodes);

    total = MIN(total, (uint32_t)RESULTS_MAX);
    c->rack_max = policy_rack_max(c->core, total);
    return total;
}

/* Pipeline order: each next node the nearest to the one before (getPipeline). */
static void order_pipeline(const struct datanode *from, struct storage **storages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t best = i;
        uint32_t best_distance = UINT32_MAX;
        for (size_t k = i; k < count; k++) {
            const struct datanode *node = storages[k]->datanode;
            uint32_t distance = node == from ? 0
                                : from       ? topology_distance(from->location, node->location)
                                             : 0;
            if (distance < best_distance) {
                best = k;
                best_distance = distance;
            }
        }
        struct storage *chosen = storages[best];
        storages[best] = storages[i];
        storages[i] = chosen;
        from = chosen->datanode;
    }
}

static void exclude(struct chooser *c, const struct datanode *node)
{
    if (node->rack)
        c->dropped[node->node_index] = 1;
    else
        c->refusals->dead++;
}

static void choose_favored(struct chooser *c, uint32_t total)
{
    restart_exclusions(c);
    if (!plan_types(c, total)) return;
    for (size_t i = 0; i < c->request->favored_count && c->count < total; i++)
        choose_this_node(c, c->request->favored[i]);
}

static struct writer find_writer(struct core *core, const struct placement_request *request,
                                 char location[TOPOLOGY_LOCATION_MAX])
{
    struct writer writer = {.node = NULL};

    if (!request->writer_host || request->ignore_client_locality) return writer;
    struct dn_host *host;
    HASH_FIND_STR(core->datanodes.hosts, request->writer_host, host);
    if (host) {
        writer.node = host->nodes[random_below(core, host->count)];
        if (!writer.node->alive) writer.node = dn_find_host(&core->datanodes, request->writer_host);
        writer.rack = writer.node->location;
    } else {
        topology_location(core->datanodes.topology, request->writer_host, location);
        writer.rack = location;
    }
    return writer;
}

/* Without the writer's node or rack where the client asked for that, unless then there are too few. */
static bool choose_away(struct chooser *c, uint32_t total, struct writer writer)
{
    size_t before = c->count;
    uint8_t *kept = mem_alloc(c->nodes);

    memcpy(kept, c->dropped, c->nodes);
    for (uint32_t i = 0; i < c->nodes; i++) {
        const struct datanode *node = topology_node(c->core->datanodes.topology, i);
        if (node == writer.node ||
            (c->request->no_local_rack &&
             topology_same_rack(c->core->datanodes.topology, node->location, writer.rack)))
            c->dropped[i] = 1;
    }
    choose_with_retries(c, total, &writer);
    memcpy(c->dropped, kept, c->nodes);
    mem_free(kept);
    if (c->count >= total) return true;
    c->count = before;
    memset(c->unavailable, 0, sizeof c->unavailable);
    return false;
}

static bool avoids_stale(const struct core *core)
{
    uint32_t stale = 0, nodes = topology_node_count(core->datanodes.topology);

    if (!core->conf.avoid_write_stale) return false;
    for (uint32_t i = 0; i < nodes; i++)
        stale += dn_is_stale(core, topology_node(core->datanodes.topology, i));
    return stale <= nodes * core->conf.write_stale_ratio;
}

size_t placement_choose(struct core *core, const struct placement_request *request,
                        struct storage **out, struct placement_refusals *refusals)
{
    struct placement_refusals ignored = {.dead = 0};
    char location[TOPOLOGY_LOCATION_MAX];
    struct chooser *c;
    size_t chosen = 0;

    if (!topology_node_count(core->datanodes.topology) || !request->wanted) return 0;
    c = NEW(struct chooser);
    c->core = core;
    c->request = request;
    c->refusals = refusals ? refusals : &ignored;
    c->policy = storage_policy_or_default(&core->conf, request->storage_policy);
    c->nodes = topology_node_count(core->datanodes.topology);
    c->excluded = mem_zalloc(c->nodes);
    c->dropped = mem_zalloc(c->nodes);
    c->avoid_stale = avoids_stale(core);
    c->avoid_slow = core->conf.exclude_slow_nodes && core->slow_count;
    for (size_t i = 0; i < request->excluded_count; i++) {
        exclude(c, request->excluded[i]);
        c->refusals->excluded++;
    }
    for (size_t i = 0; i < request->existing_count && c->count < RESULTS_MAX; i++)
        c->results[c->count++] = request->existing[i];

    size_t existing = c->count;
    struct writer writer = find_writer(core, request, location);
    uint32_t total = limit_total(c, existing, request->wanted);
    c->new_block = existing == 0;
    if (!writer.node && existing) {
        writer.node = c->results[0]->datanode;
        writer.rack = writer.node->location;
    }
    if (request->favored_count) choose_favored(c, total);
    bool away = (request->no_local_write && writer.node) ||
                (request->no_local_rack && writer.rack &&
                 topology_rack_count(core->datanodes.topology) > 2);
    bool avoid_stale = c->avoid_stale;
    if (!away || !choose_away(c, total, writer)) {
        c->avoid_stale = avoid_stale;
        c->avoid_slow = core->conf.exclude_slow_nodes && core->slow_count;
        choose_with_retries(c, total, &writer);
    }
    chosen = c->count - existing;
    memcpy(out, c->results + existing, chosen * sizeof *out);
    order_pipeline(writer.node && writer.node->rack ? writer.node
                   : chosen                         ? out[0]->datanode
                                                    : NULL,
                   out, chosen);
    mem_free(c->excluded);
    mem_free(c->dropped);
    mem_free(c);
    return chosen;
}

/* ---- readers ---- */

static uint32_t reader_rank(const struct core *core, const struct datanode *node, const char *host,
                            const char *location)
{
    uint32_t late = 0;

    if (node->admin_state == DN_DECOMMISSIONED || node->admin_state == DN_IN_MAINTENANCE)
        late = 3;
    else if (!node->alive || dn_is_stale(core, node) || (core->conf.avoid_read_slow && node->slow))
        late = 2;
    else if (node->admin_state == DN_ENTERING_MAINTENANCE)
        late = 1;
    if (host && (str_eq(node->ip, host) || str_eq(node->hostname, host))) return late << 16;
    return late << 16 | topology_distance(location, node->location);
}

void placement_sort_for_reader(struct core *core, const char *host, struct storage **storages,
                               size_t count)
{
    char location[TOPOLOGY_LOCATION_MAX];
    const struct datanode *reader = host ? dn_find_host(&core->datanodes, host) : NULL;

    if (reader)
        snprintf(location, sizeof location, "%s", reader->location);
    else
        topology_location(core->datanodes.topology, host ? host : "", location);
    for (size_t i = count; i > 1; i--) { /* those that rank alike come in any order: load spreads */
        size_t k = (size_t)random_below(core, i);
        struct storage *other = storages[k];
        storages[k] = storages[i - 1];
        storages[i - 1] = other;
    }
    for (size_t i = 1; i < count; i++) { /* few elements: insertion */
        struct storage *moving = storages[i];
        uint32_t rank = reader_rank(core, moving->datanode, host, location);
        size_t k = i;
        for (; k > 0 && reader_rank(core, storages[k - 1]->datanode, host, location) > rank; k--)
            storages[k] = storages[k - 1];
        storages[k] = moving;
    }
}
