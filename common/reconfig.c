#include "common/reconfig.h"

#include <pthread.h>

#include "common/clock.h"
#include "common/log.h"

struct change {
    enum conf_id id;
    char *before, *after, *error; /* error: NULL when it was applied */
};

struct reconfig {
    const enum conf_id *keys;
    size_t key_count;
    reconfig_apply apply;
    void *context;
    pthread_mutex_t lock;    /* of all that follows */
    const struct conf *base; /* of the start: folder and command line */
    struct conf *now;        /* what counts */
    int64_t start_ms, end_ms;
    struct change *changes; /* by the last run; room for all keys */
    size_t change_count;
    bool *refused; /* by key: the last change was; it may have been made in part */
};

struct reconfig *reconfig_new(const struct conf *conf, const enum conf_id *keys, size_t key_count,
                              reconfig_apply apply, void *context)
{
    struct reconfig *r = NEW(struct reconfig);

    r->keys = keys;
    r->key_count = key_count;
    r->apply = apply;
    r->context = context;
    r->base = conf;
    r->now = conf_copy(conf);
    r->changes = NEW_ARRAY(struct change, key_count);
    r->refused = mem_zalloc(MAX(key_count, (size_t)1) * sizeof *r->refused);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void forget_changes(struct reconfig *r)
{
    while (r->change_count) {
        struct change *c = &r->changes[--r->change_count];
        mem_free(c->before);
        mem_free(c->after);
        mem_free(c->error);
    }
}

void reconfig_free(struct reconfig *r)
{
    if (!r) return;
    forget_changes(r);
    mem_free(r->changes);
    mem_free(r->refused);
    conf_free(r->now);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void apply_key(struct reconfig *r, size_t at, const struct conf *fresh)
{
    enum conf_id id = r->keys[at];
    const char *key = conf_key(id)->name, *before = conf_str(r->now, id),
               *after = conf_str(fresh, id);
    struct err err = ERR_INIT;

    if (str_eq(before, after) && !r->refused[at]) return;
    struct change *c = &r->changes[r->change_count++];
    *c = (struct change){.id = id, .before = mem_strdup(before), .after = mem_strdup(after)};
    int rc = r->apply(r->context, id, fresh, &err);
    r->refused[at] = rc != 0;
    if (!rc && *after) rc = conf_set(r->now, key, after, &err);
    if (!rc && !*after) conf_unset(r->now, key);
    if (rc) {
        c->error = mem_strdup(err.text);
        log_warn("property %s stays \"%s\", as \"%s\" is refused: %s", key, c->before, c->after,
                 err.text);
    } else {
        log_info("Change property: %s from \"%s\" to \"%s\".", key, c->before, c->after);
    }
}

int reconfig_run(struct reconfig *r, struct err *err)
{
    struct conf *fresh = NULL;

    pthread_mutex_lock(&r->lock);
    int64_t start_ms = clock_wall_ms();
    int rc = conf_reload(r->base, &fresh, err);
    if (!rc) {
        forget_changes(r);
        r->start_ms = start_ms;
        for (size_t i = 0; i < r->key_count; i++) apply_key(r, i, fresh);
        r->end_ms = clock_wall_ms();
    }
    conf_free(fresh);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static Pb__GetReconfigurationStatusConfigChange *change_message(const struct change *c,
                                                                struct arena *arena)
{
    Pb__GetReconfigurationStatusConfigChange *message =
        ARENA_NEW(arena, Pb__GetReconfigurationStatusConfigChange);

    pb__get_reconfiguration_status_config_change__init(message);
    message->name = (char *)conf_key(c->id)->name;
    message->oldvalue = arena_strdup(arena, c->before);
    message->newvalue = arena_strdup(arena, c->after);
    if (c->error) message->errormessage = arena_strdup(arena, c->error);
    return message;
}

void reconfig_status(struct reconfig *r, Pb__GetReconfigurationStatusResponse *response,
                     struct arena *arena)
{
    pthread_mutex_lock(&r->lock);
    response->starttime = r->start_ms;
    response->has_endtime = r->end_ms != 0;
    response->endtime = r->end_ms;
    response->changes = arena_alloc(arena, MAX(r->change_count, 1u) * sizeof(*response->changes));
    for (size_t i = 0; i < r->change_count; i++)
        response->changes[response->n_changes++] = change_message(&r->changes[i], arena);
    pthread_mutex_unlock(&r->lock);
}

void reconfig_properties(const struct reconfig *r,
                         Pb__ListReconfigurablePropertiesResponse *response, struct arena *arena)
{
    response->name = arena_alloc(arena, r->key_count * sizeof(*response->name));
    for (size_t i = 0; i < r->key_count; i++)
        response->name[response->n_name++] = (char *)conf_key(r->keys[i])->name;
}
