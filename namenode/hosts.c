#include "namenode/hosts.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

#include "common/conf.h"
#include "common/file.h"
#include "common/log.h"
#include "namenode/core.h"
#include "namenode/dn_admin.h"
#include "namenode/hosts_json.h"

enum { NAME_MAX_LENGTH = 255, ENTRIES_MAX = 1 << 20 };

struct host_entry {
    char *name;                /* as written */
    char ip[INET6_ADDRSTRLEN]; /* "" when the name does not resolve */
    uint16_t port;             /* 0: any */
    /* of the JSON form */
    enum dn_admin_state state;
    int64_t expires_wall_ms;
    char *upgrade_domain; /* NULL: none */
};

struct host_list {
    struct host_entry *entries;
    uint32_t count, capacity;
};

struct hosts {
    struct host_list include, exclude; /* of the JSON form: all, those that are to leave */
    bool combined;                     /* the JSON form */
    bool any_in_service;
};

struct hosts *hosts_new(void)
{
    return NEW(struct hosts);
}

static void release_list(struct host_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        mem_free(list->entries[i].name);
        mem_free(list->entries[i].upgrade_domain);
    }
    mem_free(list->entries);
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts) return;
    release_list(&hosts->include);
    release_list(&hosts->exclude);
    mem_free(hosts);
}

static void resolve(struct host_entry *entry)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;

    if (getaddrinfo(entry->name, NULL, &hints, &found) == 0 && found)
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, entry->ip,
                  sizeof entry->ip);
    else
        log_warn("hosts file: cannot resolve %s", entry->name);
    if (found) freeaddrinfo(found);
}

static int add_entry(struct host_list *list, const char *word, size_t length, struct err *err)
{
    struct host_entry entry = {.port = 0};
    const char *colon = memchr(word, ':', length);
    size_t name_length = colon ? (size_t)(colon - word) : length;

    if (name_length == 0 || name_length > NAME_MAX_LENGTH || list->count >= ENTRIES_MAX)
        return err_set(err, ERR_CONFIG, "hosts file: bad entry '%.*s'",
                       (int)MIN(length, (size_t)100), word);
    if (colon) {
        char digits[8] = "";
        char *end;
        memcpy(digits, colon + 1, MIN(length - name_length - 1, sizeof digits - 1));
        unsigned long port = strtoul(digits, &end, 10);
        if (!digits[0] || *end || port > UINT16_MAX || length - name_length - 1 >= sizeof digits)
            return err_set(err, ERR_CONFIG, "hosts file: bad port in '%.*s'",
                           (int)MIN(length, (size_t)100), word);
        entry.port = (uint16_t)port;
    }
    entry.name = mem_strndup(word, name_length);
    resolve(&entry);
    GROW(list->entries, list->capacity, list->count + 1);
    list->entries[list->count++] = entry;
    return 0;
}

int hosts_add_text(struct hosts *hosts, bool exclude, const char *text, size_t length,
                   struct err *err)
{
    struct host_list *list = exclude ? &hosts->exclude : &hosts->include;
    const char *end = text + length;
    int rc = 0;

    while (text < end && !rc) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = stop ? stop : end,
                   *comment = memchr(text, '#', (size_t)(line_end - text));
        const char *p = text;
        if (comment) line_end = comment;
        while (p < line_end && !rc) {
            const char *word;
            while (p < line_end && strchr(" \t\r\f", *p)) p++;
            word = p;
            while (p < line_end && !strchr(" \t\r\f", *p)) p++;
            if (p > word) rc = add_entry(list, word, (size_t)(p - word), err);
        }
        text = stop ? stop + 1 : end;
    }
    return rc;
}

static int load_list(struct hosts *hosts, bool exclude, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = 0;

    if (str_empty(path)) return 0;
    rc = file_read(path, 64 * MIB, &text, err);
    if (!rc) rc = hosts_add_text(hosts, exclude, (const char *)text.data, text.length, err);
    buf_release(&text);
    return rc ? err_wrap(err, rc, "%s", path) : 0;
}

static void add_host(struct host_list *list, const struct host_json *host)
{
    struct host_entry entry = {.name = mem_strdup(host->name),
                               .port = host->port,
                               .state = host->state,
                               .expires_wall_ms = host->expires_wall_ms};

    if (host->upgrade_domain[0]) entry.upgrade_domain = mem_strdup(host->upgrade_domain);
    resolve(&entry);
    GROW(list->entries, list->capacity, list->count + 1);
    list->entries[list->count++] = entry;
}

static int take_host(const struct host_json *host, void *arg, struct err *err)
{
    struct hosts *hosts = arg;

    if (hosts->include.count >= ENTRIES_MAX)
        return err_set(err, ERR_CONFIG, "more than %d hosts", ENTRIES_MAX);
    add_host(&hosts->include, host);
    if (host->state == DN_DECOMMISSIONED) add_host(&hosts->exclude, host);
    if (host->state == DN_NORMAL) hosts->any_in_service = true;
    return 0;
}

int hosts_add_json(struct hosts *hosts, const char *text, size_t length, struct err *err)
{
    hosts->combined = true;
    return hosts_json_parse(text, length, take_host, hosts, err);
}

static int load_json(struct hosts *hosts, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc;

    hosts->combined = true;
    if (str_empty(path)) return 0;
    rc = file_read(path, 64 * MIB, &text, err);
    if (!rc) rc = hosts_add_json(hosts, (const char *)text.data, text.length, err);
    buf_release(&text);
    return rc ? err_wrap(err, rc, "%s", path) : 0;
}

static bool is_class(const char *name, const char *class_name)
{
    const char *last = strrchr(name, '.');

    return str_eq(last ? last + 1 : name, class_name);
}

int hosts_load(struct hosts **out, const struct conf *conf, struct err *err)
{
    struct hosts *hosts = hosts_new();
    const char *provider = conf_str(conf, CONF_dfs_namenode_hosts_provider_classname),
               *include_path = conf_str(conf, CONF_dfs_hosts);
    int rc;

    if (is_class(provider, "CombinedHostFileManager")) {
        rc = load_json(hosts, include_path, err);
    } else if (is_class(provider, "HostFileManager")) {
        rc = load_list(hosts, false, include_path, err);
        if (!rc) rc = load_list(hosts, true, conf_str(conf, CONF_dfs_hosts_exclude), err);
    } else {
        rc = err_set(err, ERR_CONFIG,
                     "dfs.namenode.hosts.provider.classname is %s: HostFileManager and "
                     "CombinedHostFileManager of Hadoop's package are known",
                     provider);
    }
    if (rc) {
        hosts_free(hosts);
        return rc;
    }
    if (hosts->include.count || hosts->exclude.count)
        log_info("hosts: %u included, %u excluded", hosts->include.count, hosts->exclude.count);
    *out = hosts;
    return 0;
}

static bool is_it(const struct host_entry *entry, const char *ip, const char *hostname,
                  uint16_t port)
{
    if (entry->port && entry->port != port) return false;
    return str_eq(entry->ip, ip) || str_eq(entry->name, ip) ||
           (hostname && strcasecmp(entry->name, hostname) == 0);
}

static bool is_listed(const struct host_list *list, const char *ip, const char *hostname,
                      uint16_t port)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (is_it(&list->entries[i], ip, hostname, port)) return true;
    return false;
}

bool hosts_is_included(const struct hosts *hosts, const char *ip, const char *hostname,
                       uint16_t port)
{
    if (!hosts || !hosts->include.count) return true;
    if (hosts->combined && !hosts->any_in_service) return true;
    return is_listed(&hosts->include, ip, hostname, port);
}

bool hosts_is_excluded(const struct hosts *hosts, const char *ip, const char *hostname,
                       uint16_t port)
{
    return hosts && is_listed(&hosts->exclude, ip, hostname, port);
}

void hosts_each_included(const struct hosts *hosts,
                         void (*fn)(const char *name, uint16_t port, void *arg), void *arg)
{
    for (uint32_t i = 0; hosts && i < hosts->include.count; i++)
        fn(hosts->include.entries[i].name, hosts->include.entries[i].port, arg);
}

/* What the JSON file says beyond in and out: DatanodeManager.refreshDatanodes. True: the node is in maintenance. */
static bool apply_properties(struct core *core, struct datanode *node)
{
    const struct host_list *list = &core->hosts->include;
    const char *domain = NULL;
    int64_t expires = 0;

    for (uint32_t i = list->count; i-- > 0;) {
        const struct host_entry *entry = &list->entries[i];
        if (!is_it(entry, node->ip, node->hostname, node->xfer_port)) continue;
        domain = entry->upgrade_domain;
        if (entry->state == DN_IN_MAINTENANCE) expires = entry->expires_wall_ms;
    }
    char *copy = domain ? mem_strdup(domain) : NULL;
    mem_free(node->upgrade_domain);
    node->upgrade_domain = copy;
    if (node->disallowed || core->now_wall_ms >= expires) return false;
    dn_admin_maintenance(core, node, expires);
    return true;
}

void hosts_apply_node(struct core *core, struct datanode *node)
{
    bool combined = core->hosts && core->hosts->combined;

    node->disallowed = !hosts_is_included(core->hosts, node->ip, node->hostname, node->xfer_port);
    node->excluded = hosts_is_excluded(core->hosts, node->ip, node->hostname, node->xfer_port);
    if (combined && apply_properties(core, node)) return;
    if (node->excluded)
        dn_admin_decommission(core, node);
    else if (!node->disallowed && (combined || !dn_is_maintenance(node)))
        dn_admin_stop(core, node);
}

void hosts_apply(struct core *core, struct hosts *hosts)
{
    struct datanode *node, *next;

    hosts_free(core->hosts);
    core->hosts = hosts;
    HASH_ITER (hh, core->datanodes.by_uuid, node, next) hosts_apply_node(core, node);
}
