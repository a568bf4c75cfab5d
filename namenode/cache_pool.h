/*
 * Cache pools and directives (CacheManager): which paths datanodes shall hold in memory, and on whose account. They are kept in edits and images as
 * Apache keeps them; no datanode is told to cache yet.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_CACHE_POOL_H
#define NAMENODE_CACHE_POOL_H

#include "common/buf.h"
#include "common/mem.h"
#include "namenode/edit.h"
#include "proto/client_namenode.pb-c.h"

/* CachePoolInfo and CacheDirectiveInfo.Expiration */
#define CACHE_LIMIT_NONE INT64_MAX
#define CACHE_EXPIRY_MAX (INT64_MAX / 4)
enum { CACHE_POOL_MODE = 0755, CACHE_POOL_REPLICATION = 1 };

struct cache_pool {
    char *name, *owner, *group;
    uint16_t mode;
    int16_t default_replication; /* not in images: 1 after a restart, as with Apache */
    int64_t limit;               /* bytes */
    int64_t expiry_max_ms;       /* relative */
};

struct cache_directive {
    uint64_t id;
    char *path;
    int16_t replication;
    struct cache_pool *pool;
    int64_t expiry_ms; /* absolute */
};

struct cache_manager {
    struct cache_pool **pools; /* by name */
    size_t pool_count, pool_capacity;
    struct cache_directive **directives; /* by id */
    size_t directive_count, directive_capacity;
    uint64_t next_id;
};

struct cache_manager *cache_manager_new(void);
void cache_manager_free(struct cache_manager *cache); /* NULL is fine */

struct cache_pool *cache_pool_find(const struct cache_manager *cache, const char *name);
struct cache_directive *cache_directive_find(const struct cache_manager *cache, uint64_t id);
/* The newest for this path in this pool: what a repeated call made before a restart. 0: none. */
uint64_t cache_directive_latest(const struct cache_manager *cache, const char *path,
                                const char *pool);
/* Place of the first one behind a name or an id: where a listing goes on. */
size_t cache_pool_after(const struct cache_manager *cache, const char *name);
size_t cache_directive_after(const struct cache_manager *cache, uint64_t id);

/* FSImageSerialization's form in edits, both ways. Decoding answers false for bytes that are none; memory comes from the arena. */
void cache_pool_encode(const Pb__CachePoolInfo *info, struct buf *out);
bool cache_pool_decode(const struct edit *edit, struct arena *arena, Pb__CachePoolInfo *out);
void cache_directive_encode(const Pb__CacheDirectiveInfo *info, struct buf *out);
bool cache_directive_decode(const struct edit *edit, struct arena *arena,
                            Pb__CacheDirectiveInfo *out,
                            Pb__CacheDirectiveInfoExpiration *expiration);

/* As an image has them. ERR_CORRUPT: a name or id twice, an unknown pool, fields that are missing. */
int cache_pool_load(struct cache_manager *cache, const Pb__CachePoolInfo *info,
                    struct err *err) MUST_CHECK;
int cache_directive_load(struct cache_manager *cache, const Pb__CacheDirectiveInfo *info,
                         struct err *err) MUST_CHECK;
void cache_pool_fill(const struct cache_pool *pool,
                     Pb__CachePoolInfo *out); /* texts are the pool's */
void cache_directive_fill(const struct cache_directive *directive, Pb__CacheDirectiveInfo *out,
                          Pb__CacheDirectiveInfoExpiration *expiration);

/* The edits' cases. */
int apply_add_cache_pool(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_modify_cache_pool(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_remove_cache_pool(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_add_cache_directive(struct core *core, const struct edit *edit,
                              struct err *err) MUST_CHECK;
int apply_modify_cache_directive(struct core *core, const struct edit *edit,
                                 struct err *err) MUST_CHECK;
int apply_remove_cache_directive(struct core *core, const struct edit *edit,
                                 struct err *err) MUST_CHECK;

#endif
