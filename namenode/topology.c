#include "namenode/topology.h"

#include <pthread.h>
#include <stdio.h>

#include "common/mem.h"

enum { LOCATIONS_MAX = 1 << 20 };

struct known_location {
    char *host, *location;
    char *name; /* the resolver's, of an address; either may be NULL */
    UT_hash_handle hh;
};

struct topology {
    struct rack *racks; /* uthash by location; empty ones are removed */
    struct datanode **nodes;
    uint32_t count, capacity;
    bool was_multi_rack, node_groups;
    pthread_mutex_t lock;
    struct known_location *known; /* guarded by lock */
};

struct topology *topology_new(void)
{
    struct topology *topology = NEW(struct topology);

    pthread_mutex_init(&topology->lock, NULL);
    return topology;
}

static void free_rack(struct topology *topology, struct rack *rack)
{
    HASH_DEL(topology->racks, rack);
    mem_free(rack->location);
    mem_free(rack->nodes);
    mem_free(rack);
}

void topology_free(struct topology *topology)
{
    struct rack *rack, *next;

    if (!topology) return;
    HASH_ITER (hh, topology->racks, rack, next) free_rack(topology, rack);
    topology_forget_locations(topology);
    pthread_mutex_destroy(&topology->lock);
    mem_free(topology->nodes);
    mem_free(topology);
}

void topology_use_node_groups(struct topology *topology)
{
    assert(!topology->count);
    topology->node_groups = true;
}

/* How much of a node's location names its rack; a location of one level is rack and node group in one. */
static size_t rack_length(const struct topology *topology, const char *location)
{
    const char *last = topology->node_groups ? strrchr(location, '/') : NULL;

    return last && last > location ? (size_t)(last - location) : strlen(location);
}

bool topology_same_rack(const struct topology *topology, const char *a, const char *b)
{
    size_t length = rack_length(topology, a);

    return length == rack_length(topology, b) && memcmp(a, b, length) == 0;
}

static struct rack *rack_of(struct topology *topology, const char *location)
{
    struct rack *rack = topology_rack(topology, location);

    if (rack) return rack;
    rack = NEW(struct rack);
    rack->location = mem_strndup(location, rack_length(topology, location));
    HASH_ADD_KEYPTR(hh, topology->racks, rack->location, strlen(rack->location), rack);
    if (HASH_COUNT(topology->racks) > 1) topology->was_multi_rack = true;
    return rack;
}

void topology_add(struct topology *topology, struct datanode *datanode)
{
    if (datanode->rack) return;
    struct rack *rack = rack_of(topology, datanode->location);

    GROW(rack->nodes, rack->capacity, rack->count + 1);
    datanode->rack = rack;
    datanode->rack_index = rack->count;
    rack->nodes[rack->count++] = datanode;
    GROW(topology->nodes, topology->capacity, topology->count + 1);
    datanode->node_index = topology->count;
    topology->nodes[topology->count++] = datanode;
}

void topology_remove(struct topology *topology, struct datanode *datanode)
{
    struct rack *rack = datanode->rack;

    if (!rack) return;
    struct datanode *last = rack->nodes[--rack->count];
    rack->nodes[datanode->rack_index] = last;
    last->rack_index = datanode->rack_index;
    last = topology->nodes[--topology->count];
    topology->nodes[datanode->node_index] = last;
    last->node_index = datanode->node_index;
    datanode->rack = NULL;
    if (!rack->count) free_rack(topology, rack);
}

uint32_t topology_node_count(const struct topology *topology)
{
    return topology->count;
}
struct datanode *topology_node(const struct topology *topology, uint32_t index)
{
    return topology->nodes[index];
}
uint32_t topology_rack_count(const struct topology *topology)
{
    return HASH_COUNT(topology->racks);
}
bool topology_was_multi_rack(const struct topology *topology)
{
    return topology->was_multi_rack;
}

struct rack *topology_rack(const struct topology *topology, const char *location)
{
    struct rack *rack;

    HASH_FIND(hh, topology->racks, location, rack_length(topology, location), rack);
    return rack;
}

static uint32_t depth_of(const char *location)
{
    uint32_t depth = 0;

    for (const char *p = location; *p; p++) depth += *p == '/' && p[1];
    return depth;
}

uint32_t topology_distance(const char *a, const char *b)
{
    uint32_t common = 0, depth_a = depth_of(a), depth_b = depth_of(b);
    const char *p = a, *q = b;

    for (;;) {
        size_t length_p, length_q;
        while (*p == '/') p++;
        while (*q == '/') q++;
        length_p = strcspn(p, "/");
        length_q = strcspn(q, "/");
        if (!length_p || length_p != length_q || memcmp(p, q, length_p) != 0) break;
        common++;
        p += length_p;
        q += length_q;
    }
    return (depth_a + 1 - common) +
           (depth_b + 1 - common); /* the nodes themselves are one level below */
}

/* The entry of a host, made where there is room; under the lock. */
static struct known_location *known_of(struct topology *topology, const char *host)
{
    struct known_location *known;

    HASH_FIND_STR(topology->known, host, known);
    if (known || HASH_COUNT(topology->known) >= LOCATIONS_MAX) return known;
    known = NEW(struct known_location);
    known->host = mem_strdup(host);
    HASH_ADD_KEYPTR(hh, topology->known, known->host, strlen(known->host), known);
    return known;
}

static bool learn(struct topology *topology, const char *host, size_t field, char *text)
{
    pthread_mutex_lock(&topology->lock);
    struct known_location *known = known_of(topology, host);
    if (known) {
        char **slot = (char **)(void *)((char *)known + field);
        mem_free(*slot);
        *slot = text;
    } else {
        mem_free(text);
    }
    pthread_mutex_unlock(&topology->lock);
    return known != NULL;
}

static bool look_up(struct topology *topology, const char *host, size_t field,
                    const char *otherwise, char out[TOPOLOGY_LOCATION_MAX])
{
    struct known_location *known;
    const char *text = NULL;

    pthread_mutex_lock(&topology->lock);
    HASH_FIND_STR(topology->known, host, known);
    if (known) text = *(char **)(void *)((char *)known + field);
    snprintf(out, TOPOLOGY_LOCATION_MAX, "%s",
             text ? text : otherwise); /* both were checked to fit */
    pthread_mutex_unlock(&topology->lock);
    return text != NULL;
}

bool topology_learn(struct topology *topology, const char *host, const char *location)
{
    size_t length = strlen(location);

    if (location[0] != '/' || length >= TOPOLOGY_LOCATION_MAX ||
        depth_of(location) > TOPOLOGY_DEPTH_MAX)
        return false;
    while (length > 1 && location[length - 1] == '/') length--;
    return learn(topology, host, offsetof(struct known_location, location),
                 mem_strndup(location, length));
}

bool topology_location(struct topology *topology, const char *host, char out[TOPOLOGY_LOCATION_MAX])
{
    return look_up(topology, host, offsetof(struct known_location, location), TOPOLOGY_DEFAULT_RACK,
                   out);
}

bool topology_learn_name(struct topology *topology, const char *ip, const char *name)
{
    if (strlen(name) >= TOPOLOGY_LOCATION_MAX) return false;
    return learn(topology, ip, offsetof(struct known_location, name), mem_strdup(name));
}

bool topology_name(struct topology *topology, const char *ip, char out[TOPOLOGY_LOCATION_MAX])
{
    return look_up(topology, ip, offsetof(struct known_location, name), "", out);
}

void topology_forget_locations(struct topology *topology)
{
    struct known_location *known, *next;

    pthread_mutex_lock(&topology->lock);
    HASH_ITER (hh, topology->known, known, next) {
        HASH_DEL(topology->known, known);
        mem_free(known->host);
        mem_free(known->location);
        mem_free(known->name);
        mem_free(known);
    }
    pthread_mutex_unlock(&topology->lock);
}
