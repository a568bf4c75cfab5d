/*
 * Where replicas go, by the policy of dfs.block.replicator.classname. Apache's default (BlockPlacementPolicyDefault): first on the writer's
 * node, second on another rack, third on the second's rack, further ones anywhere, never more than (replicas - 1) / racks + 2 on a rack; nodes that are dead, stale
 * for writes, decommissioning, full, slow or overloaded are passed over, and each refusal is counted by its reason, so that an error can say why.
 *
 * Core thread only; pure but for the core's seeded random numbers.
 */
#ifndef NAMENODE_PLACEMENT_H
#define NAMENODE_PLACEMENT_H

#include "namenode/dn_table.h"

struct conf;
struct core_conf;

/* The placement part of core_conf. ERR_CONFIG: an unknown class. */
int placement_conf_load(struct core_conf *out, const struct conf *conf, struct err *err) MUST_CHECK;

struct placement_request {
    const char *writer_host; /* IP text of the caller; may be NULL */
    uint32_t wanted;         /* how many new targets */
    uint64_t block_size;
    uint8_t storage_policy; /* id; 0 = default */
    struct storage *const
        *existing; /* replicas that are there already (re-replication, getAdditionalDatanode) */
    size_t existing_count;
    struct datanode *const *excluded; /* never these */
    size_t excluded_count;
    struct datanode *const *favored; /* tried first */
    size_t favored_count;
    bool no_local_write, no_local_rack, ignore_client_locality;
};

struct placement_refusals {
    uint32_t dead, stale, slow, decommissioning, no_space, busy, excluded, rack_full, wrong_media;
    char detail[512]; /* node by node as far as it fits: "127.0.0.1:9866: not enough space; …" */
};

/* Chooses up to `wanted` storages into `out`, in pipeline order (nearest to the writer first); answers how many. */
size_t placement_choose(struct core *core, const struct placement_request *request,
                        struct storage **out, struct placement_refusals *refusals);

/* Sorts locations for a reader at `host`: same node, same rack, others (at random); stale and decommissioned last. */
void placement_sort_for_reader(struct core *core, const char *host, struct storage **storages,
                               size_t count);

/* Which of `have` to give up so that `keep` stay, never making the block sit on fewer racks than it must: index into have, or `count` when none
 * should go. `policy`: the file's effective storage policy (0 default); `added`: the node that just got a replica (NULL); the datanode of the
 * hint goes first where that takes no rack away (NULL: no hint). */
size_t placement_choose_excess(struct core *core, struct storage *const *have, size_t count,
                               uint32_t keep, uint8_t policy, const struct datanode *added,
                               const char *delete_hint_uuid);

/* How many more replicas in the right places the policy wants (getAdditionalReplicasRequired): racks, upgrade domains, node groups. */
uint32_t placement_lacks(const struct core *core, struct storage *const *have, size_t count,
                         uint32_t replication);
/* The policy wants replicas on as many racks as there are (RackFaultTolerant). */
bool placement_counts_racks(const struct core *core);
/* True when that is none. */
bool placement_is_spread(const struct core *core, struct storage *const *have, size_t count,
                         uint32_t replication);

#endif
