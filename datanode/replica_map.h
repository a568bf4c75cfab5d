/*
 * From block id to replica, for one block pool. Built for millions: 32 bytes an entry, in tables
 * that grow one shard at a time, so that no operation ever stops for long.
 *
 * Thread rules: any thread; each call is atomic. The map holds one reference to `open` of each
 * entry that has one.
 */
#ifndef DATANODE_REPLICA_MAP_H
#define DATANODE_REPLICA_MAP_H

#include "datanode/replica.h"

struct replica_map;

struct replica_map *replica_map_new(void);
void replica_map_free(struct replica_map *map); /* drops the references it holds; NULL is fine */

/* Copies the entry out; its `open`, if any, comes with a reference that the caller must put. */
bool replica_map_get(struct replica_map *map, int64_t id, struct replica *replica);

/* Adds a new entry; false, changing nothing, when the id is there. Takes over the caller's
 * reference to `open` when it succeeds. */
bool replica_map_add(struct replica_map *map, const struct replica *replica);

/* Replaces the entry that equals *was by *now, of the same id; false when another thread was
 * faster. Takes over the caller's reference to now->open and drops the map's to was->open, where
 * these differ. */
bool replica_map_replace(struct replica_map *map, const struct replica *was,
                         const struct replica *now);

/* Removes the entry that equals *was; false when it changed. Drops the map's reference to
 * was->open. */
bool replica_map_remove(struct replica_map *map, const struct replica *was);

size_t replica_map_count(struct replica_map *map);

/* Entries in some order, a part at a time: appends copies of the next part to *out (a growing
 * array), each `open` with a reference. False when there is no further part. Starts with a cursor
 * of 0. An entry that is there all the time is met exactly once. */
struct replica_list {
    struct replica *items;
    size_t count, capacity;
};
bool replica_map_next(struct replica_map *map, unsigned *cursor, struct replica_list *out);
void replica_list_clear(struct replica_list *list);   /* puts the references */
void replica_list_release(struct replica_list *list); /* and frees */

#endif
