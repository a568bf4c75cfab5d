/* Cache pools and directives: what `hdfs cacheadmin` calls (FSNDNCacheOp, CacheManager). */
#include <time.h>

#include "namenode/cache_pool.h"
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/tree.h"

enum { CACHE_FORCE = 1, CHILDREN_AT_ONCE = 256 };

/* Never beyond what a Java long adds up. */
struct need {
    int64_t bytes, files;
};

/* ---- checks ---- */

static bool is_member(const struct op *op, const char *group)
{
    for (size_t i = 0; op->groups && op->groups[i]; i++)
        if (str_eq(op->groups[i], group)) return true;
    return false;
}

/* FSPermissionChecker.checkPermission(CachePool, FsAction) */
static bool may(const struct core *core, const struct op *op, const struct cache_pool *pool,
                enum fs_action action)
{
    bool owner = str_eq(op->user, pool->owner), member = is_member(op, pool->group);

    if (!core->conf.permissions_enabled || op->superuser) return true;
    if (owner && (pool->mode >> 6 & action) == action) return true;
    if (member && (pool->mode >> 3 & action) == action) return true;
    return !owner && !member && (pool->mode & action) == action;
}

static int check_write(const struct core *core, const struct op *op, const struct cache_pool *pool,
                       struct err *err)
{
    if (may(core, op, pool, ACTION_WRITE)) return 0;
    return err_set(err, ERR_ACCESS,
                   "Permission denied while accessing pool %s: user %s does not have WRITE "
                   "permissions.",
                   pool->name, op->user);
}

static int find_pool(const struct core *core, const Pb__CacheDirectiveInfo *info,
                     struct cache_pool **out, struct err *err)
{
    if (!info->pool) return err_set(err, ERR_INVALID_REQUEST, "No pool specified.");
    if (!*info->pool) return err_set(err, ERR_INVALID_REQUEST, "Invalid empty pool name.");
    *out = cache_pool_find(core->cache, info->pool);
    return *out ? 0 : err_set(err, ERR_INVALID_REQUEST, "Unknown pool %s", info->pool);
}

static int check_path(const char *path, struct err *err)
{
    if (!path) return err_set(err, ERR_INVALID_REQUEST, "No path specified.");
    if (!path_is_valid(path)) return err_set(err, ERR_INVALID_REQUEST, "Invalid path '%s'.", path);
    return 0;
}

static int check_replication(int16_t replication, struct err *err)
{
    if (replication > 0) return 0;
    return err_set(err, ERR_INVALID_REQUEST, "Invalid replication factor %d <= 0", replication);
}

/* DFSUtilClient.durationToString, dateToIso8601String */
static const char *expiry_text(struct op *op, const Pb__CacheDirectiveInfoExpiration *expiration)
{
    int64_t s = expiration->millis / 1000;
    time_t seconds = (time_t)s;
    struct tm tm;
    char date[64], zone[8];

    if (expiration->isrelative)
        return arena_printf(op->arena, "%03" PRId64 ":%02d:%02d:%02d.%03d", s / 86400,
                            (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60),
                            (int)(expiration->millis % 1000));
    if (!localtime_r(&seconds, &tm) || !strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) ||
        !strftime(zone, sizeof zone, "%z", &tm))
        return arena_printf(op->arena, "%" PRId64, expiration->millis);
    return arena_printf(op->arena, "%s%s", date, zone);
}

/* CacheManager.validateExpiryTime; *out is absolute. */
static int check_expiry(struct core *core, struct op *op,
                        const Pb__CacheDirectiveInfoExpiration *expiration, int64_t max_ms,
                        int64_t *out, struct err *err)
{
    *out = core->now_wall_ms + max_ms;
    if (!expiration) return 0;
    if (expiration->millis < 0)
        return err_set(err, ERR_INVALID_REQUEST, "Cannot set a negative expiration: %" PRId64,
                       expiration->millis);
    int64_t relative =
        expiration->isrelative ? expiration->millis : expiration->millis - core->now_wall_ms;
    if (relative > CACHE_EXPIRY_MAX)
        return err_set(err, ERR_INVALID_REQUEST, "Expiration %s is too far in the future!",
                       expiry_text(op, expiration));
    if (relative > max_ms)
        return err_set(err, ERR_INVALID_REQUEST,
                       "Expiration %s exceeds the max relative expiration time of %" PRId64 " ms.",
                       expiry_text(op, expiration), max_ms);
    *out = core->now_wall_ms + relative;
    return 0;
}

/* ---- what a directive would hold in memory ---- */

static int64_t file_need(const struct inode *file, int64_t replication)
{
    int64_t sum;
    int64_t length = (int64_t)inode_length(file, false);

    return __builtin_mul_overflow(length, replication, &sum) ? INT64_MAX : sum;
}

static void add_need(struct need *need, const struct inode *file, int64_t replication)
{
    if (!inode_is_file(file)) return;
    need->files++;
    if (__builtin_add_overflow(need->bytes, file_need(file, replication), &need->bytes))
        need->bytes = INT64_MAX;
}

/* A file, or the files right below a directory. */
static struct need need_of(struct core *core, struct op *op, const char *path, int64_t replication)
{
    struct need need = {0};
    struct resolved at;
    struct err ignored = ERR_INIT;
    struct inode *page[CHILDREN_AT_ONCE];
    const uint8_t *after = NULL;
    size_t after_length = 0, got;
    uint64_t remaining = 1;

    if (resolve_path(&core->tree, path, op->arena, &at, &ignored) || !at.inode) return need;
    add_need(&need, at.inode, replication);
    while (inode_is_dir(at.inode) && remaining) {
        got = dir_list(&core->tree, at.inode, after, after_length, page, CHILDREN_AT_ONCE,
                       &remaining);
        for (size_t i = 0; i < got; i++) add_need(&need, page[i], replication);
        if (!got) break;
        after = inode_name(page[got - 1], &after_length);
    }
    return need;
}

static struct need directive_need(struct core *core, struct op *op,
                                  const struct cache_directive *directive)
{
    if (directive->expiry_ms <= core->now_wall_ms) return (struct need){0};
    return need_of(core, op, directive->path, directive->replication);
}

static struct need pool_need(struct core *core, struct op *op, const struct cache_pool *pool)
{
    struct need sum = {0};

    for (size_t i = 0; i < core->cache->directive_count; i++) {
        if (core->cache->directives[i]->pool != pool) continue;
        struct need one = directive_need(core, op, core->cache->directives[i]);
        sum.files += one.files;
        if (__builtin_add_overflow(sum.bytes, one.bytes, &sum.bytes)) sum.bytes = INT64_MAX;
    }
    return sum;
}

static int check_limit(struct core *core, struct op *op, const struct cache_pool *pool,
                       const char *path, int16_t replication, struct err *err)
{
    if (pool->limit == CACHE_LIMIT_NONE) return 0;
    struct need more = need_of(core, op, path, replication), have = pool_need(core, op, pool);
    if (more.bytes <= pool->limit - have.bytes) return 0;
    return err_set(
        err, ERR_INVALID_REQUEST,
        "Caching path %s of size %" PRId64
        " bytes at replication %d would exceed pool %s's remaining capacity of %" PRId64 " bytes.",
        path, more.bytes / replication, replication, pool->name, pool->limit - have.bytes);
}

/* ---- directives ---- */

static void log_directive(struct core *core, const struct op *op, enum edit_op kind,
                          const Pb__CacheDirectiveInfo *info)
{
    struct buf bytes = {0};

    cache_directive_encode(info, &bytes);
    struct edit edit = {.op = (uint8_t)kind, .opaque = bytes.data, .opaque_size = bytes.length};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    buf_release(&bytes);
}

int op_add_cache_directive(struct core *core, struct op *op,
                           const Pb__AddCacheDirectiveRequest *request,
                           Pb__AddCacheDirectiveResponse *response, struct err *err)
{
    const Pb__CacheDirectiveInfo *info = request->info;
    struct cache_pool *pool = NULL;
    Pb__CacheDirectiveInfo made = PB__CACHE_DIRECTIVE_INFO__INIT;
    Pb__CacheDirectiveInfoExpiration expiration = PB__CACHE_DIRECTIVE_INFO_EXPIRATION__INIT;
    int rc = op_check_not_safemode(core, "Cannot add cache directive", err);

    if (!rc && info->has_id)
        rc = err_set(err, ERR_IO, "addDirective: you cannot specify an ID for this operation.");
    if (!rc) rc = find_pool(core, info, &pool, err);
    if (rc) return rc;
    int16_t replication =
        info->has_replication ? (int16_t)info->replication : pool->default_replication;
    rc = check_write(core, op, pool, err);
    if (!rc) rc = check_path(info->path, err);
    if (!rc) rc = check_replication(replication, err);
    if (!rc)
        rc = check_expiry(core, op, info->expiration, pool->expiry_max_ms, &expiration.millis, err);
    if (!rc && !(request->cacheflags & CACHE_FORCE))
        rc = check_limit(core, op, pool, info->path, replication, err);
    if (!rc && core->cache->next_id >= INT64_MAX - 1)
        rc = err_set(err, ERR_IO, "No more available IDs.");
    if (rc) return rc;
    made.has_id = made.has_replication = true;
    made.id = (int64_t)core->cache->next_id;
    made.path = info->path;
    made.replication = (uint32_t)replication;
    made.pool = pool->name;
    made.expiration = &expiration;
    response->id = made.id;
    log_directive(core, op, EDIT_ADD_CACHE_DIRECTIVE, &made);
    return 0;
}

static int find_directive(const struct core *core, int64_t id, struct cache_directive **out,
                          struct err *err)
{
    if (id <= 0) return err_set(err, ERR_INVALID_REQUEST, "Invalid negative ID.");
    *out = cache_directive_find(core->cache, (uint64_t)id);
    if (*out) return 0;
    return err_set(err, ERR_INVALID_REQUEST, "No directive with ID %" PRId64 " found.", id);
}

/* Another pool must be allowed, and have room. */
static int check_move(struct core *core, struct op *op, const struct cache_directive *from,
                      const struct cache_pool *to, const Pb__CacheDirectiveInfo *info, bool force,
                      struct err *err)
{
    if (from->pool == to) return 0;
    int rc = check_write(core, op, to, err);
    if (rc || force) return rc;
    return check_limit(core, op, to, info->path ? info->path : from->path,
                       info->has_replication ? (int16_t)info->replication : from->replication, err);
}

/* The time of the record is absolute whatever the caller said: replay has no other clock. */
int op_modify_cache_directive(struct core *core, struct op *op,
                              const Pb__ModifyCacheDirectiveRequest *request,
                              Pb__ModifyCacheDirectiveResponse *response UNUSED, struct err *err)
{
    Pb__CacheDirectiveInfo info = *request->info;
    Pb__CacheDirectiveInfoExpiration expiration = PB__CACHE_DIRECTIVE_INFO_EXPIRATION__INIT;
    struct cache_directive *directive = NULL;
    struct cache_pool *pool = NULL;
    int rc = op_check_not_safemode(core, "Cannot add cache directive", err);

    if (!rc && !info.has_id) rc = err_set(err, ERR_INVALID_REQUEST, "Must supply an ID.");
    if (!rc) rc = find_directive(core, info.id, &directive, err);
    if (!rc) rc = check_write(core, op, directive->pool, err);
    if (!rc && info.path) rc = check_path(info.path, err);
    if (!rc && info.has_replication) rc = check_replication((int16_t)info.replication, err);
    if (rc) return rc;
    pool = directive->pool;
    if (info.pool) rc = find_pool(core, &info, &pool, err);
    if (!rc)
        rc = check_move(core, op, directive, pool, &info, request->cacheflags & CACHE_FORCE, err);
    expiration.millis = directive->expiry_ms;
    if (!rc)
        rc = check_expiry(core, op, info.expiration ? info.expiration : &expiration,
                          pool->expiry_max_ms, &expiration.millis, err);
    if (rc) return rc;
    if (info.expiration) info.expiration = &expiration;
    log_directive(core, op, EDIT_MODIFY_CACHE_DIRECTIVE, &info);
    return 0;
}

int op_remove_cache_directive(struct core *core, struct op *op,
                              const Pb__RemoveCacheDirectiveRequest *request,
                              Pb__RemoveCacheDirectiveResponse *response UNUSED, struct err *err)
{
    struct cache_directive *directive = NULL;
    int rc = op_check_not_safemode(core, "Cannot remove cache directives", err);

    if (!rc) rc = find_directive(core, request->id, &directive, err);
    if (!rc) rc = check_write(core, op, directive->pool, err);
    if (rc) return rc;
    struct edit edit = {.op = EDIT_REMOVE_CACHE_DIRECTIVE, .value = (uint64_t)request->id};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    return 0;
}

static bool is_wanted(const struct core *core, const struct op *op,
                      const struct cache_directive *directive, const Pb__CacheDirectiveInfo *filter)
{
    if (filter->pool && !str_eq(filter->pool, directive->pool->name)) return false;
    if (filter->path && !str_eq(filter->path, directive->path)) return false;
    return may(core, op, directive->pool, ACTION_READ);
}

static Pb__CacheDirectiveEntry *directive_entry(struct core *core, struct op *op,
                                                const struct cache_directive *directive)
{
    struct need need = directive_need(core, op, directive);
    Pb__CacheDirectiveEntry *entry = ARENA_NEW(op->arena, Pb__CacheDirectiveEntry);

    pb__cache_directive_entry__init(entry);
    entry->info = ARENA_NEW(op->arena, Pb__CacheDirectiveInfo);
    cache_directive_fill(directive, entry->info,
                         ARENA_NEW(op->arena, Pb__CacheDirectiveInfoExpiration));
    entry->stats = ARENA_NEW(op->arena, Pb__CacheDirectiveStats);
    pb__cache_directive_stats__init(entry->stats);
    entry->stats->bytesneeded = need.bytes;
    entry->stats->filesneeded = need.files;
    entry->stats->hasexpired = directive->expiry_ms < core->now_wall_ms;
    return entry;
}

int op_list_cache_directives(struct core *core, struct op *op,
                             const Pb__ListCacheDirectivesRequest *request,
                             Pb__ListCacheDirectivesResponse *response, struct err *err)
{
    const struct cache_manager *cache = core->cache;
    const Pb__CacheDirectiveInfo *filter = request->filter;
    int64_t after = MAX(request->previd, 0);
    int rc = filter->path ? check_path(filter->path, err) : 0;

    if (!rc && filter->has_replication)
        rc = err_set(err, ERR_INVALID_REQUEST, "Filtering by replication is unsupported.");
    if (!rc && filter->has_id && !cache_directive_find(cache, (uint64_t)filter->id))
        rc = err_set(err, ERR_INVALID_REQUEST, "Did not find requested id %" PRId64, filter->id);
    if (rc) return rc;
    if (filter->has_id) after = filter->id - 1;
    uint32_t limit = core->conf.cache_directives_limit;
    response->elements = ARENA_ARRAY(op->arena, Pb__CacheDirectiveEntry *,
                                     MIN((size_t)limit, cache->directive_count));
    for (size_t i = cache_directive_after(cache, (uint64_t)after); i < cache->directive_count;
         i++) {
        const struct cache_directive *directive = cache->directives[i];
        if (response->n_elements >= limit) {
            response->hasmore = true;
            break;
        }
        if (filter->has_id && directive->id != (uint64_t)filter->id) break;
        if (is_wanted(core, op, directive, filter))
            response->elements[response->n_elements++] = directive_entry(core, op, directive);
    }
    return 0;
}

/* ---- pools ---- */

/* CachePoolInfo.validate */
static int check_pool(const Pb__CachePoolInfo *info, struct err *err)
{
    if (info->has_limit && info->limit < 0)
        return err_set(err, ERR_INVALID_REQUEST, "Limit is negative.");
    if (info->has_defaultreplication && (int16_t)info->defaultreplication < 0)
        return err_set(err, ERR_INVALID_REQUEST, "Default Replication is negative");
    if (info->has_maxrelativeexpiry && info->maxrelativeexpiry < 0)
        return err_set(err, ERR_INVALID_REQUEST, "Max relative expiry is negative.");
    if (info->has_maxrelativeexpiry && info->maxrelativeexpiry > CACHE_EXPIRY_MAX)
        return err_set(err, ERR_INVALID_REQUEST, "Max relative expiry is too big.");
    if (str_empty(info->poolname)) return err_set(err, ERR_IO, "invalid empty cache pool name");
    return 0;
}

/* PermissionChecker.checkSuperuserPrivilege asks before anything else. */
static int begin_pool(struct core *core, struct op *op, const char *what, const char *name,
                      const char *operation, struct err *err)
{
    int rc = core->conf.permissions_enabled ? op_check_superuser(core, op, operation, err) : 0;

    return rc ? rc : op_check_not_safemode(core, arena_printf(op->arena, "%s%s", what, name), err);
}

static void log_pool(struct core *core, const struct op *op, enum edit_op kind,
                     const Pb__CachePoolInfo *info)
{
    struct buf bytes = {0};

    cache_pool_encode(info, &bytes);
    struct edit edit = {.op = (uint8_t)kind, .opaque = bytes.data, .opaque_size = bytes.length};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    buf_release(&bytes);
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

int op_add_cache_pool(struct core *core, struct op *op, const Pb__AddCachePoolRequest *request,
                      Pb__AddCachePoolResponse *response UNUSED, struct err *err)
{
    Pb__CachePoolInfo info = *request->info;
    const char *name = info.poolname ? info.poolname : "null";
    int rc = begin_pool(core, op, "Cannot add cache pool", name, "addCachePool", err);

    if (!rc) rc = check_pool(&info, err);
    if (rc) return rc;
    if (cache_pool_find(core->cache, info.poolname))
        return err_set(err, ERR_INVALID_REQUEST, "Cache pool %s already exists.", info.poolname);
    if (!info.ownername) info.ownername = writable(op->user);
    if (!info.groupname)
        info.groupname = writable(op->groups && op->groups[0] ? op->groups[0] : op->user);
    if (!info.has_mode) info.mode = CACHE_POOL_MODE;
    if (!info.has_limit) info.limit = CACHE_LIMIT_NONE;
    if (!info.has_defaultreplication) info.defaultreplication = CACHE_POOL_REPLICATION;
    if (!info.has_maxrelativeexpiry) info.maxrelativeexpiry = CACHE_EXPIRY_MAX;
    info.has_mode = info.has_limit = true;
    info.has_defaultreplication = info.has_maxrelativeexpiry = true;
    log_pool(core, op, EDIT_ADD_CACHE_POOL, &info);
    return 0;
}

int op_modify_cache_pool(struct core *core, struct op *op,
                         const Pb__ModifyCachePoolRequest *request,
                         Pb__ModifyCachePoolResponse *response UNUSED, struct err *err)
{
    const Pb__CachePoolInfo *info = request->info;
    const char *name = info->poolname ? info->poolname : "null";
    int rc = begin_pool(core, op, "Cannot modify cache pool", name, "modifyCachePool", err);

    if (!rc) rc = check_pool(info, err);
    if (rc) return rc;
    if (!cache_pool_find(core->cache, name))
        return err_set(err, ERR_INVALID_REQUEST, "Cache pool %s does not exist.", name);
    log_pool(core, op, EDIT_MODIFY_CACHE_POOL, info);
    return 0;
}

int op_remove_cache_pool(struct core *core, struct op *op,
                         const Pb__RemoveCachePoolRequest *request,
                         Pb__RemoveCachePoolResponse *response UNUSED, struct err *err)
{
    const char *name = request->poolname;
    int rc = begin_pool(core, op, "Cannot modify cache pool", name, "removeCachePool", err);

    if (!rc && !*name) rc = err_set(err, ERR_IO, "invalid empty cache pool name");
    if (rc) return rc;
    if (!cache_pool_find(core->cache, name))
        return err_set(err, ERR_INVALID_REQUEST, "Cannot remove non-existent cache pool %s", name);
    struct edit edit = {.op = EDIT_REMOVE_CACHE_POOL, .destination = name};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    return 0;
}

/* Who may not read a pool sees its name. */
static Pb__CachePoolEntry *pool_entry(struct core *core, struct op *op,
                                      const struct cache_pool *pool)
{
    Pb__CachePoolEntry *entry = ARENA_NEW(op->arena, Pb__CachePoolEntry);

    pb__cache_pool_entry__init(entry);
    entry->info = ARENA_NEW(op->arena, Pb__CachePoolInfo);
    entry->stats = ARENA_NEW(op->arena, Pb__CachePoolStats);
    pb__cache_pool_stats__init(entry->stats);
    pb__cache_pool_info__init(entry->info);
    entry->info->poolname = pool->name;
    if (!may(core, op, pool, ACTION_READ)) return entry;
    cache_pool_fill(pool, entry->info);
    entry->info->has_defaultreplication = true;
    entry->info->defaultreplication = (uint32_t)pool->default_replication;
    struct need need = pool_need(core, op, pool);
    entry->stats->bytesneeded = need.bytes;
    entry->stats->filesneeded = need.files;
    entry->stats->bytesoverlimit = need.bytes > pool->limit ? need.bytes - pool->limit : 0;
    return entry;
}

int op_list_cache_pools(struct core *core, struct op *op, const Pb__ListCachePoolsRequest *request,
                        Pb__ListCachePoolsResponse *response, struct err *err UNUSED)
{
    const struct cache_manager *cache = core->cache;
    size_t from = cache_pool_after(cache, request->prevpoolname);
    size_t count = MIN(cache->pool_count - from, (size_t)core->conf.cache_pools_limit);

    response->entries = ARENA_ARRAY(op->arena, Pb__CachePoolEntry *, count);
    for (size_t i = 0; i < count; i++)
        response->entries[i] = pool_entry(core, op, cache->pools[from + i]);
    response->n_entries = count;
    response->hasmore = from + count < cache->pool_count;
    return 0;
}
