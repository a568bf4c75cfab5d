#include "namenode/cache_pool.h"

#include "namenode/apply_tree.h"
#include "namenode/core.h"
#include "namenode/edit_codec.h"

/* Which optional fields an edit carries (FSImageSerialization). */
enum {
    POOL_OWNER = 1,
    POOL_GROUP = 2,
    POOL_MODE = 4,
    POOL_LIMIT = 8,
    POOL_EXPIRY = 16,
    POOL_REPLICATION = 32,
};
enum {
    DIRECTIVE_PATH = 1,
    DIRECTIVE_REPLICATION = 2,
    DIRECTIVE_POOL = 4,
    DIRECTIVE_EXPIRY = 8,
};

/* ---- life ---- */

struct cache_manager *cache_manager_new(void)
{
    struct cache_manager *cache = NEW(struct cache_manager);

    cache->next_id = 1;
    return cache;
}

static void pool_free(struct cache_pool *pool)
{
    mem_free(pool->name);
    mem_free(pool->owner);
    mem_free(pool->group);
    mem_free(pool);
}

static void directive_free(struct cache_directive *directive)
{
    mem_free(directive->path);
    mem_free(directive);
}

void cache_manager_free(struct cache_manager *cache)
{
    if (!cache) return;
    for (size_t i = 0; i < cache->directive_count; i++) directive_free(cache->directives[i]);
    for (size_t i = 0; i < cache->pool_count; i++) pool_free(cache->pools[i]);
    mem_free(cache->directives);
    mem_free(cache->pools);
    mem_free(cache);
}

/* ---- finding ---- */

/* The first place whose name is `name` or higher. */
static size_t pool_place(const struct cache_manager *cache, const char *name)
{
    size_t low = 0, high = cache->pool_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(cache->pools[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t directive_place(const struct cache_manager *cache, uint64_t id)
{
    size_t low = 0, high = cache->directive_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cache->directives[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct cache_pool *cache_pool_find(const struct cache_manager *cache, const char *name)
{
    size_t at = pool_place(cache, name);

    return at < cache->pool_count && str_eq(cache->pools[at]->name, name) ? cache->pools[at] : NULL;
}

struct cache_directive *cache_directive_find(const struct cache_manager *cache, uint64_t id)
{
    size_t at = directive_place(cache, id);

    return at < cache->directive_count && cache->directives[at]->id == id ? cache->directives[at]
                                                                          : NULL;
}

uint64_t cache_directive_latest(const struct cache_manager *cache, const char *path,
                                const char *pool)
{
    for (size_t i = cache->directive_count; i-- > 0;)
        if (str_eq(cache->directives[i]->path, path) &&
            str_eq(cache->directives[i]->pool->name, pool))
            return cache->directives[i]->id;
    return 0;
}

size_t cache_pool_after(const struct cache_manager *cache, const char *name)
{
    size_t at = pool_place(cache, name);

    return at < cache->pool_count && str_eq(cache->pools[at]->name, name) ? at + 1 : at;
}

size_t cache_directive_after(const struct cache_manager *cache, uint64_t id)
{
    return id == UINT64_MAX ? cache->directive_count : directive_place(cache, id + 1);
}

/* ---- the form in edits ---- */

void cache_pool_encode(const Pb__CachePoolInfo *info, struct buf *out)
{
    edit_put_string(out, info->poolname);
    buf_put_u32(out, (info->ownername ? POOL_OWNER : 0) | (info->groupname ? POOL_GROUP : 0) |
                         (info->has_mode ? POOL_MODE : 0) | (info->has_limit ? POOL_LIMIT : 0) |
                         (info->has_maxrelativeexpiry ? POOL_EXPIRY : 0) |
                         (info->has_defaultreplication ? POOL_REPLICATION : 0));
    if (info->ownername) edit_put_string(out, info->ownername);
    if (info->groupname) edit_put_string(out, info->groupname);
    if (info->has_mode) buf_put_u16(out, (uint16_t)info->mode);
    if (info->has_limit) buf_put_u64(out, (uint64_t)info->limit);
    if (info->has_maxrelativeexpiry) buf_put_u64(out, (uint64_t)info->maxrelativeexpiry);
    if (info->has_defaultreplication) buf_put_u16(out, (uint16_t)info->defaultreplication);
}

bool cache_pool_decode(const struct edit *edit, struct arena *arena, Pb__CachePoolInfo *out)
{
    struct cursor in = cursor_of(edit->opaque, edit->opaque_size);

    pb__cache_pool_info__init(out);
    out->poolname = edit_get_string(&in, arena);
    uint32_t flags = cursor_u32(&in);
    if (flags & POOL_OWNER) out->ownername = edit_get_string(&in, arena);
    if (flags & POOL_GROUP) out->groupname = edit_get_string(&in, arena);
    out->has_mode = flags & POOL_MODE;
    if (out->has_mode) out->mode = cursor_u16(&in);
    out->has_limit = flags & POOL_LIMIT;
    if (out->has_limit) out->limit = (int64_t)cursor_u64(&in);
    out->has_maxrelativeexpiry = flags & POOL_EXPIRY;
    if (out->has_maxrelativeexpiry) out->maxrelativeexpiry = (int64_t)cursor_u64(&in);
    out->has_defaultreplication = flags & POOL_REPLICATION;
    if (out->has_defaultreplication) out->defaultreplication = cursor_u16(&in);
    return cursor_ok(&in) && *out->poolname;
}

void cache_directive_encode(const Pb__CacheDirectiveInfo *info, struct buf *out)
{
    buf_put_u64(out, (uint64_t)info->id);
    buf_put_u32(out, (info->path ? DIRECTIVE_PATH : 0) |
                         (info->has_replication ? DIRECTIVE_REPLICATION : 0) |
                         (info->pool ? DIRECTIVE_POOL : 0) |
                         (info->expiration ? DIRECTIVE_EXPIRY : 0));
    if (info->path) edit_put_string(out, info->path);
    if (info->has_replication) buf_put_u16(out, (uint16_t)info->replication);
    if (info->pool) edit_put_string(out, info->pool);
    if (info->expiration) buf_put_u64(out, (uint64_t)info->expiration->millis);
}

bool cache_directive_decode(const struct edit *edit, struct arena *arena,
                            Pb__CacheDirectiveInfo *out,
                            Pb__CacheDirectiveInfoExpiration *expiration)
{
    struct cursor in = cursor_of(edit->opaque, edit->opaque_size);

    pb__cache_directive_info__init(out);
    pb__cache_directive_info_expiration__init(expiration);
    out->has_id = true;
    out->id = (int64_t)cursor_u64(&in);
    uint32_t flags = cursor_u32(&in);
    if (flags & DIRECTIVE_PATH) out->path = edit_get_string(&in, arena);
    out->has_replication = flags & DIRECTIVE_REPLICATION;
    if (out->has_replication) out->replication = cursor_u16(&in);
    if (flags & DIRECTIVE_POOL) out->pool = edit_get_string(&in, arena);
    if (flags & DIRECTIVE_EXPIRY) {
        expiration->millis = (int64_t)cursor_u64(&in);
        out->expiration = expiration;
    }
    return cursor_ok(&in) && out->id > 0;
}

/* ---- pools ---- */

static void set_text(char **text, const char *value)
{
    mem_free(*text);
    *text = mem_strdup(value);
}

static void pool_change(struct cache_pool *pool, const Pb__CachePoolInfo *info)
{
    if (info->ownername) set_text(&pool->owner, info->ownername);
    if (info->groupname) set_text(&pool->group, info->groupname);
    if (info->has_mode) pool->mode = (uint16_t)(info->mode & INODE_MODE_MASK);
    if (info->has_limit) pool->limit = info->limit;
    if (info->has_maxrelativeexpiry) pool->expiry_max_ms = info->maxrelativeexpiry;
    if (info->has_defaultreplication) pool->default_replication = (int16_t)info->defaultreplication;
}

int cache_pool_load(struct cache_manager *cache, const Pb__CachePoolInfo *info, struct err *err)
{
    if (str_empty(info->poolname)) return err_set(err, ERR_CORRUPT, "a cache pool has no name");
    size_t at = cache_pool_after(cache, info->poolname);
    if (at && str_eq(cache->pools[at - 1]->name, info->poolname))
        return err_set(err, ERR_CORRUPT, "Cache pool %s already exists.", info->poolname);
    struct cache_pool *pool = NEW(struct cache_pool);
    *pool = (struct cache_pool){.name = mem_strdup(info->poolname),
                                .owner = mem_strdup(""),
                                .group = mem_strdup(""),
                                .mode = CACHE_POOL_MODE,
                                .default_replication = CACHE_POOL_REPLICATION,
                                .limit = CACHE_LIMIT_NONE,
                                .expiry_max_ms = CACHE_EXPIRY_MAX};
    pool_change(pool, info);
    GROW(cache->pools, cache->pool_capacity, cache->pool_count + 1);
    memmove(cache->pools + at + 1, cache->pools + at,
            (cache->pool_count - at) * sizeof *cache->pools);
    cache->pools[at] = pool;
    cache->pool_count++;
    return 0;
}

void cache_pool_fill(const struct cache_pool *pool, Pb__CachePoolInfo *out)
{
    pb__cache_pool_info__init(out);
    out->poolname = pool->name;
    out->ownername = pool->owner;
    out->groupname = pool->group;
    out->has_mode = out->has_limit = out->has_maxrelativeexpiry = true;
    out->mode = pool->mode;
    out->limit = pool->limit;
    out->maxrelativeexpiry = pool->expiry_max_ms;
}

static int decode_pool(const struct edit *edit, struct arena *arena, Pb__CachePoolInfo *out,
                       struct err *err)
{
    if (cache_pool_decode(edit, arena, out)) return 0;
    return apply_misfit(edit, err, "its cache pool cannot be read");
}

int apply_add_cache_pool(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    Pb__CachePoolInfo info;
    int rc = decode_pool(edit, &arena, &info, err);

    if (!rc) rc = cache_pool_load(core->cache, &info, err);
    arena_release(&arena);
    return rc;
}

int apply_modify_cache_pool(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    struct cache_pool *pool = NULL;
    Pb__CachePoolInfo info;
    int rc = decode_pool(edit, &arena, &info, err);

    if (!rc) pool = cache_pool_find(core->cache, info.poolname);
    if (!rc && !pool) rc = apply_misfit(edit, err, "there is no such cache pool");
    if (pool) pool_change(pool, &info);
    arena_release(&arena);
    return rc;
}

int apply_remove_cache_pool(struct core *core, const struct edit *edit, struct err *err)
{
    struct cache_manager *cache = core->cache;
    struct cache_pool *pool = edit->destination ? cache_pool_find(cache, edit->destination) : NULL;
    size_t left = 0;

    if (!pool) return apply_misfit(edit, err, "there is no such cache pool");
    for (size_t i = 0; i < cache->directive_count; i++) {
        if (cache->directives[i]->pool == pool)
            directive_free(cache->directives[i]);
        else
            cache->directives[left++] = cache->directives[i];
    }
    cache->directive_count = left;
    size_t at = pool_place(cache, pool->name);
    pool_free(pool);
    memmove(cache->pools + at, cache->pools + at + 1,
            (--cache->pool_count - at) * sizeof *cache->pools);
    return 0;
}

/* ---- directives ---- */

static void directive_change(struct cache_directive *directive, const Pb__CacheDirectiveInfo *info)
{
    if (info->path) set_text(&directive->path, info->path);
    if (info->has_replication) directive->replication = (int16_t)info->replication;
    if (info->expiration) directive->expiry_ms = info->expiration->millis;
}

int cache_directive_load(struct cache_manager *cache, const Pb__CacheDirectiveInfo *info,
                         struct err *err)
{
    struct cache_pool *pool = info->pool ? cache_pool_find(cache, info->pool) : NULL;

    if (!info->has_id || info->id <= 0 || !info->path || !info->expiration)
        return err_set(err, ERR_CORRUPT, "a cache directive lacks id, path or expiration");
    if (!pool)
        return err_set(err, ERR_CORRUPT, "Directive refers to pool %s, which does not exist.",
                       info->pool ? info->pool : "null");
    if (cache_directive_find(cache, (uint64_t)info->id))
        return err_set(err, ERR_CORRUPT, "A directive with ID %" PRId64 " already exists",
                       info->id);
    size_t at = directive_place(cache, (uint64_t)info->id);
    struct cache_directive *directive = NEW(struct cache_directive);
    directive->id = (uint64_t)info->id;
    directive->pool = pool;
    directive_change(directive, info);
    GROW(cache->directives, cache->directive_capacity, cache->directive_count + 1);
    memmove(cache->directives + at + 1, cache->directives + at,
            (cache->directive_count - at) * sizeof *cache->directives);
    cache->directives[at] = directive;
    cache->directive_count++;
    return 0;
}

void cache_directive_fill(const struct cache_directive *directive, Pb__CacheDirectiveInfo *out,
                          Pb__CacheDirectiveInfoExpiration *expiration)
{
    pb__cache_directive_info__init(out);
    pb__cache_directive_info_expiration__init(expiration);
    out->has_id = out->has_replication = true;
    out->id = (int64_t)directive->id;
    out->path = directive->path;
    out->replication = (uint32_t)directive->replication;
    out->pool = directive->pool->name;
    expiration->millis = directive->expiry_ms;
    out->expiration = expiration;
}

int apply_add_cache_directive(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    Pb__CacheDirectiveInfo info;
    Pb__CacheDirectiveInfoExpiration expiration;
    int rc = 0;

    if (!cache_directive_decode(edit, &arena, &info, &expiration))
        rc = apply_misfit(edit, err, "its cache directive cannot be read");
    if (!rc) rc = cache_directive_load(core->cache, &info, err);
    if (!rc) core->cache->next_id = MAX(core->cache->next_id, (uint64_t)info.id + 1);
    arena_release(&arena);
    return rc;
}

static int modify_directive(struct core *core, const struct edit *edit,
                            const Pb__CacheDirectiveInfo *info, struct err *err)
{
    struct cache_directive *directive = cache_directive_find(core->cache, (uint64_t)info->id);
    struct cache_pool *pool = info->pool ? cache_pool_find(core->cache, info->pool) : NULL;

    if (!directive) return apply_misfit(edit, err, "there is no such cache directive");
    if (info->pool && !pool) return apply_misfit(edit, err, "there is no such cache pool");
    if (pool) directive->pool = pool;
    directive_change(directive, info);
    return 0;
}

int apply_modify_cache_directive(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    Pb__CacheDirectiveInfo info;
    Pb__CacheDirectiveInfoExpiration expiration;
    int rc = cache_directive_decode(edit, &arena, &info, &expiration)
                 ? modify_directive(core, edit, &info, err)
                 : apply_misfit(edit, err, "its cache directive cannot be read");

    arena_release(&arena);
    return rc;
}

int apply_remove_cache_directive(struct core *core, const struct edit *edit, struct err *err)
{
    struct cache_manager *cache = core->cache;
    size_t at = directive_place(cache, edit->value);

    if (at == cache->directive_count || cache->directives[at]->id != edit->value)
        return apply_misfit(edit, err, "there is no such cache directive");
    directive_free(cache->directives[at]);
    memmove(cache->directives + at, cache->directives + at + 1,
            (--cache->directive_count - at) * sizeof *cache->directives);
    return 0;
}
