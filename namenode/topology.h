/*
 * Racks: which live datanode sits where (NetworkTopology), and what is known of where hosts are (DNSToSwitchMapping). Finding out may run
 * a script or read a file, which topology_script.c does outside the core; what it finds is put into the cache here, before the
 * datanode's registration reaches the core.
 *
 * Nodes and racks: core thread only. The cache of locations: any thread (a lock inside).
 */
#ifndef NAMENODE_TOPOLOGY_H
#define NAMENODE_TOPOLOGY_H

#include "namenode/dn_table.h"

#define TOPOLOGY_DEFAULT_RACK "/default-rack"

enum { TOPOLOGY_DEPTH_MAX = 16, TOPOLOGY_LOCATION_MAX = 1024 };

struct rack {
    char *location; /* of the rack: without node groups, where there are some */
    struct datanode **nodes;
    uint32_t count, capacity;
    UT_hash_handle hh;
};

struct topology *topology_new(void);
void topology_free(struct topology *topology);

/* Locations are "/rack/nodegroup" (NetworkTopologyWithNodeGroup): what is said of racks here is said of the part before. Before nodes come. */
void topology_use_node_groups(struct topology *topology);
/* The same rack, by locations of nodes. */
bool topology_same_rack(const struct topology *topology, const char *location_a,
                        const char *location_b);

/* A node becomes a candidate for replicas on the rack `datanode->location`; dead and unregistered ones are none. */
void topology_add(struct topology *topology, struct datanode *datanode);
void topology_remove(struct topology *topology,
                     struct datanode *datanode); /* no-op when it is none */

uint32_t topology_node_count(const struct topology *topology);
struct datanode *topology_node(const struct topology *topology, uint32_t index);
uint32_t topology_rack_count(const struct topology *topology); /* racks with a live node */
struct rack *topology_rack(const struct topology *topology,
                           const char *location); /* a node's; NULL: no live node there */
bool topology_was_multi_rack(
    const struct topology *topology); /* there were two racks once since the start */

/* Steps up and down the tree between two locations of nodes: 0 the same place given, 2 same rack, 4 the next level, … */
uint32_t topology_distance(const char *location_a, const char *location_b);

/* The cache. `location` must begin with '/'; topology_learn refuses others and overlong ones. */
bool topology_learn(struct topology *topology, const char *host, const char *location);
/* Copies the host's location into `out`; false (and the default rack) when it is not known. */
bool topology_location(struct topology *topology, const char *host,
                       char out[TOPOLOGY_LOCATION_MAX]);
/* Names of addresses, by the namenode's resolver; the address itself when it has none. */
bool topology_learn_name(struct topology *topology, const char *ip, const char *name);
bool topology_name(struct topology *topology, const char *ip,
                   char out[TOPOLOGY_LOCATION_MAX]); /* false: never looked up */
void topology_forget_locations(struct topology *topology);

#endif
