/* Which replica goes where there are too many, and whether a block is well spread: chooseReplicasToDelete and verifyBlockPlacement of the policies. */
#include "namenode/placement_internal.h"

struct replicas {
    const struct core *core;
    struct storage *const *have;
    size_t count;
};

static bool same_rack(const struct replicas *r, size_t a, size_t b)
{
    return topology_same_rack(r->core->datanodes.topology, r->have[a]->datanode->location,
                              r->have[b]->datanode->location);
}

static bool same_group(const struct replicas *r, size_t a, size_t b)
{
    return str_eq(r->have[a]->datanode->location, r->have[b]->datanode->location);
}

static bool same_domain(const struct replicas *r, size_t a, size_t b)
{
    return str_eq(placement_upgrade_domain(r->have[a]->datanode),
                  placement_upgrade_domain(r->have[b]->datanode));
}

typedef bool same_fn(const struct replicas *r, size_t a, size_t b);

/* How many different ones there are of what `same` compares. */
static uint32_t kinds(const struct replicas *r, same_fn *same)
{
    uint32_t n = 0;

    for (size_t i = 0; i < r->count; i++) {
        size_t k = 0;
        while (k < i && !same(r, k, i)) k++;
        n += k == i;
    }
    return n;
}

static bool shares(const struct replicas *r, size_t at, same_fn *same)
{
    for (size_t i = 0; i < r->count; i++)
        if (i != at && same(r, i, at)) return true;
    return false;
}

/* ---- well spread ---- */

bool placement_counts_racks(const struct core *core)
{
    return core->conf.placement == PLACEMENT_RACK_FAULT_TOLERANT ||
           core->conf.placement == PLACEMENT_AVAILABLE_SPACE_RACKS;
}

uint32_t placement_lacks(const struct core *core, struct storage *const *have, size_t count,
                         uint32_t replication)
{
    const struct replicas r = {.core = core, .have = have, .count = count};
    const struct topology *topology = core->datanodes.topology;
    enum placement_kind kind = core->conf.placement;
    bool over_racks = placement_counts_racks(core);
    uint32_t lacking = 0;

    if (topology_was_multi_rack(topology)) {
        uint32_t wanted = over_racks ? replication : MIN(2u, replication);
        uint32_t racks = kinds(&r, same_rack);
        wanted = MIN(wanted, topology_rack_count(topology));
        lacking = wanted > racks ? wanted - racks : 0;
    }
    if (kind == PLACEMENT_UPGRADE_DOMAIN) {
        uint32_t wanted = MIN(replication, core->conf.upgrade_domain_factor);
        uint32_t domains = kinds(&r, same_domain);
        lacking = MAX(lacking, wanted > domains ? wanted - domains : 0);
    }
    if (kind == PLACEMENT_NODE_GROUP) {
        uint32_t groups = kinds(&r, same_group);
        lacking = MAX(lacking, replication > groups ? replication - groups : 0);
    }
    return lacking;
}

bool placement_is_spread(const struct core *core, struct storage *const *have, size_t count,
                         uint32_t replication)
{
    return placement_lacks(core, have, count, replication) == 0;
}

/* ---- too many ---- */

static bool any_shares(const struct replicas *r, same_fn *same)
{
    for (size_t i = 0; i < r->count; i++)
        if (shares(r, i, same)) return true;
    return false;
}

/* With replicas on exactly two racks, the rack that has several gives one up; else any rack may: as long as a third rack stays, losing one
 * takes nothing from the policy's two (BlockPlacementPolicyDefault.pickupReplicaSet). */
static bool may_go_by_racks(const struct replicas *r, size_t at)
{
    if (kinds(r, same_rack) != 2 || !any_shares(r, same_rack)) return true;
    return shares(r, at, same_rack);
}

static bool shares_rack_and_domain(const struct replicas *r, size_t at)
{
    return shares(r, at, same_domain) && shares(r, at, same_rack);
}

/* First those that share both, then those that share a domain. */
static bool may_go_by_domains(const struct replicas *r, size_t at)
{
    bool both = false;

    if (!any_shares(r, same_domain)) return may_go_by_racks(r, at);
    for (size_t i = 0; i < r->count; i++) both = both || shares_rack_and_domain(r, i);
    return both ? shares_rack_and_domain(r, at) : shares(r, at, same_domain);
}

static bool is_crowded(const struct replicas *r, size_t at)
{
    return shares(r, at, same_rack) && shares(r, at, same_group);
}

/* Of the racks that have several, the node groups that have several. */
static bool may_go_by_groups(const struct replicas *r, size_t at)
{
    bool crowded = false;

    if (!any_shares(r, same_rack)) return true;
    for (size_t i = 0; i < r->count; i++) crowded = crowded || is_crowded(r, i);
    return crowded ? is_crowded(r, at) : shares(r, at, same_rack);
}

static bool may_go(const struct replicas *r, size_t at)
{
    switch (r->core->conf.placement) {
    case PLACEMENT_RACK_FAULT_TOLERANT:
    case PLACEMENT_AVAILABLE_SPACE_RACKS:
        return !any_shares(r, same_rack) || shares(r, at, same_rack);
    case PLACEMENT_UPGRADE_DOMAIN: return may_go_by_domains(r, at);
    case PLACEMENT_NODE_GROUP: return may_go_by_groups(r, at);
    default: return may_go_by_racks(r, at);
    }
}

/* Taking the one at `at` away loses none of what `same` compares, as others have it, or as the one that was added brought another
 * (notReduceNumOfGroups). */
static bool keeps_groups(const struct replicas *r, size_t at, const struct datanode *added,
                         same_fn *same)
{
    if (shares(r, at, same)) return true;
    for (size_t i = 0; added && i < r->count; i++)
        if (r->have[i]->datanode == added) return i != at && !shares(r, i, same);
    return false;
}

static size_t hinted(const struct replicas *r, const uint32_t excess[PLACEMENT_TYPES],
                     const struct datanode *added, const char *uuid)
{
    bool domains = r->core->conf.placement == PLACEMENT_UPGRADE_DOMAIN;

    for (size_t i = 0; i < r->count; i++) {
        if (!str_eq(r->have[i]->datanode->uuid, uuid) || !excess[r->have[i]->type]) continue;
        if (!keeps_groups(r, i, added, same_rack)) continue;
        if (!domains || keeps_groups(r, i, added, same_domain) ||
            kinds(r, same_domain) > r->core->conf.upgrade_domain_factor)
            return i;
    }
    return r->count;
}

size_t placement_choose_excess(struct core *core, struct storage *const *have, size_t count,
                               uint32_t keep, uint8_t policy_id, const struct datanode *added,
                               const char *delete_hint_uuid)
{
    const struct replicas r = {.core = core, .have = have, .count = count};
    uint32_t want[PLACEMENT_TYPES], excess[PLACEMENT_TYPES];
    int64_t oldest_ms =
        core->now_ms - core->conf.heartbeat_interval_ms * core->conf.heartbeat_tolerance;
    size_t oldest = count, fullest = count;

    if (count <= keep) return count;
    placement_wanted_types(storage_policy_or_default(&core->conf, policy_id), keep, want);
    placement_count_types(have, count, excess);
    for (int t = 1; t < PLACEMENT_TYPES; t++) excess[t] -= MIN(excess[t], want[t]);
    if (delete_hint_uuid) {
        size_t at = hinted(&r, excess, added, delete_hint_uuid);
        if (at < count) return at;
    }
    for (size_t i = 0; i < count; i++) {
        if (!excess[have[i]->type] || !may_go(&r, i)) continue;
        if (have[i]->datanode->heartbeat_ms < oldest_ms) {
            oldest_ms = have[i]->datanode->heartbeat_ms;
            oldest = i;
        }
        if (fullest == count || have[i]->remaining < have[fullest]->remaining) fullest = i;
    }
    return oldest < count ? oldest : fullest;
}
