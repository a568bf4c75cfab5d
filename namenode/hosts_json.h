/*
 * The JSON form of dfs.hosts (CombinedHostsFileReader): a list of objects with hostName, and perhaps port, upgradeDomain, adminState and
 * maintenanceExpireTimeInMS; or, as before 2.10, the objects one after the other without the list. Pure. Unlike Apache, which takes a file that
 * it cannot read for an empty one, all of it must be right.
 */
#ifndef NAMENODE_HOSTS_JSON_H
#define NAMENODE_HOSTS_JSON_H

#include "common/err.h"
#include "namenode/dn_table.h"

enum { HOST_TEXT_MAX = 256 };

struct host_json {
    char name[HOST_TEXT_MAX];
    uint16_t port;                      /* 0: any */
    char upgrade_domain[HOST_TEXT_MAX]; /* "" none */
    enum dn_admin_state state;
    int64_t expires_wall_ms; /* INT64_MAX: never */
};

typedef int host_json_fn(const struct host_json *host, void *arg, struct err *err);

/* Calls `fn` for each; its error ends it. ERR_CONFIG names the place. */
int hosts_json_parse(const char *text, size_t length, host_json_fn *fn, void *arg,
                     struct err *err) MUST_CHECK;

#endif
