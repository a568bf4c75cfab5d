/*
 * What placement.c (how a node is found that would do) and placement_policy.c (in which order, under which rules) share. A `chooser`
 * carries one request through its attempts: wanted media by type, nodes excluded so far (one byte per live node), results. Functions
 * named choose_* add results and answer false when the scope has no node left that would do (NotEnoughReplicasException).
 *
 * Core thread only.
 */
#ifndef NAMENODE_PLACEMENT_INTERNAL_H
#define NAMENODE_PLACEMENT_INTERNAL_H

#include "namenode/core.h"
#include "namenode/placement.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"

enum { PLACEMENT_TYPES = 7, PLACEMENT_RESULTS_MAX = 1024 };

struct chooser {
    struct core *core;
    const struct placement_request *request;
    struct placement_refusals *refusals;
    const struct storage_policy *policy;
    struct storage *results[PLACEMENT_RESULTS_MAX]; /* those that exist already come first */
    size_t count;
    uint8_t *excluded; /* by node_index */
    uint8_t *dropped;  /* the caller's exclusions: what `excluded` starts from */
    uint32_t nodes;
    uint32_t need[PLACEMENT_TYPES];
    bool unavailable[PLACEMENT_TYPES];
    uint32_t rack_max;
    bool avoid_stale, avoid_slow, new_block;
};

struct writer {
    const struct datanode *node; /* NULL: no datanode */
    const char *rack;            /* a location on it; NULL: nowhere */
};

/* ---- placement.c ---- */
bool choose_anywhere(struct chooser *c, uint32_t wanted);
/* One on the rack of this location, else on that of another chosen replica, else anywhere. */
bool choose_local_rack(struct chooser *c, const char *location, const struct datanode *local);
bool choose_remote_rack(struct chooser *c, const char *location);
bool choose_in_group(struct chooser *c, const char *location); /* one of the node group */
bool choose_this_node(struct chooser *c, const struct datanode *node);
/* What excluded[] is at the start of an attempt: the caller's, and what has been chosen. */
void restart_exclusions(struct chooser *c);

/* ---- placement_policy.c ---- */
/* Answers how many nodes may share a rack when `total` nodes are to be had in all. */
uint32_t policy_rack_max(const struct core *core, uint32_t total);
/* Adds `wanted` results in the policy's order; the writer becomes the first chosen one. */
bool policy_choose(struct chooser *c, uint32_t wanted, struct writer *writer);
/* NULL when the policy lets the node in beside the results; else why not. */
const char *policy_refuses(const struct chooser *c, const struct datanode *node);
/* A node was chosen: those that it keeps out are excluded as well. */
void policy_exclude_beside(struct chooser *c, const struct datanode *node);
/* Whether each random choice is one of two, and which of them it is; either may be NULL. */
bool policy_picks_twice(const struct core *core);
struct datanode *policy_select(struct core *core, struct datanode *a, struct datanode *b,
                               bool local);

/* Media of `replication` replicas by the storage policy (BlockStoragePolicy.chooseStorageTypes). */
void placement_wanted_types(const struct storage_policy *policy, uint32_t replication,
                            uint32_t want[PLACEMENT_TYPES]);
void placement_count_types(struct storage *const *storages, size_t count,
                           uint32_t have[PLACEMENT_TYPES]);
const char *placement_upgrade_domain(const struct datanode *node);

#endif
