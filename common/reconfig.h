/*
 * Settings changed while a daemon runs (ReconfigurableBase): the configuration is read again, and what differs among the keys that the daemon can change is
 * handed to it, key by key. The struct conf that the daemon was started with stays as it is.
 *
 * Any thread; one reconfiguration at a time.
 */
#ifndef COMMON_RECONFIG_H
#define COMMON_RECONFIG_H

#include "common/conf.h"
#include "common/mem.h"
#include "proto/client_datanode.pb-c.h"

/* Makes the new value of a key count. What it refuses stays as it was, and is told with the status. */
typedef int (*reconfig_apply)(void *context, enum conf_id id, const struct conf *fresh,
                              struct err *err);

struct reconfig;

/* `conf` and `keys` must live as long. */
struct reconfig *reconfig_new(const struct conf *conf, const enum conf_id *keys, size_t key_count,
                              reconfig_apply apply, void *context);
void reconfig_free(struct reconfig *reconfig); /* NULL is fine */

/* Reads the files again and applies what changed, before it returns. ERR_CONFIG when they cannot be read or hold a bad value; then nothing is changed. */
int reconfig_run(struct reconfig *reconfig, struct err *err) MUST_CHECK;

/* Fill answers; strings are in the arena. */
void reconfig_status(struct reconfig *reconfig, Pb__GetReconfigurationStatusResponse *response,
                     struct arena *arena);
void reconfig_properties(const struct reconfig *reconfig,
                         Pb__ListReconfigurablePropertiesResponse *response, struct arena *arena);

#endif
