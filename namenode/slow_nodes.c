#include "namenode/slow_nodes.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

enum { REPORTERS_MAX = 256, DISKS_MAX = 64, DISK_PATH_MAX = 1024, INTERVALS_VALID = 3 };

struct slow_report {
    char reporter[64]; /* its IPC address */
    int64_t told_ms;
    struct slow_latency latency;
    UT_hash_handle hh;
};

struct slow_disk_report {
    char *path;
    int64_t told_ms;
    struct slow_disk disk;
    UT_hash_handle hh;
};

static bool counts(const struct core *core, int64_t told_ms)
{
    return core->now_ms - told_ms < INTERVALS_VALID * core->conf.outliers_interval_ms;
}

/* ---- what is told ---- */

static struct datanode *find(const struct core *core, const char *address)
{
    const char *colon = strrchr(address, ':');
    char ip[64];
    struct dn_host *host;

    if (!colon || (size_t)(colon - address) >= sizeof ip) return NULL;
    snprintf(ip, sizeof ip, "%.*s", (int)(colon - address), address);
    HASH_FIND_STR(core->datanodes.hosts, ip, host);
    unsigned long port = strtoul(colon + 1, NULL, 10);
    for (uint32_t i = 0; host && i < host->count; i++)
        if (host->nodes[i]->info_port == port || host->nodes[i]->info_secure_port == port)
            return host->nodes[i];
    return host && host->count == 1 ? host->nodes[0] : NULL;
}

void slow_nodes_report(struct core *core, const struct datanode *reporter, const char *address,
                       const struct slow_latency *latency)
{
    struct datanode *node = core->conf.peer_stats ? find(core, address) : NULL;
    struct slow_report *report;
    char name[sizeof report->reporter];

    if (!node || node == reporter) return;
    snprintf(name, sizeof name, "%s:%u", reporter->ip, reporter->ipc_port);
    HASH_FIND_STR(node->slow_reports, name, report);
    if (!report) {
        if (HASH_COUNT(node->slow_reports) >= REPORTERS_MAX) return;
        report = NEW(struct slow_report);
        snprintf(report->reporter, sizeof report->reporter, "%s", name);
        HASH_ADD_STR(node->slow_reports, reporter, report);
    }
    report->told_ms = core->now_ms;
    report->latency = *latency;
}

void slow_disks_report(struct core *core, struct datanode *node, const char *path,
                       const struct slow_disk *disk)
{
    struct slow_disk_report *report;

    if (str_empty(path) || strlen(path) > DISK_PATH_MAX) return;
    HASH_FIND_STR(node->slow_disks, path, report);
    if (!report) {
        if (HASH_COUNT(node->slow_disks) >= DISKS_MAX) return;
        report = NEW(struct slow_disk_report);
        report->path = mem_strdup(path);
        HASH_ADD_KEYPTR(hh, node->slow_disks, report->path, strlen(report->path), report);
    }
    report->told_ms = core->now_ms;
    report->disk = *disk;
}

void slow_node_forget(struct datanode *node)
{
    struct slow_report *report, *next;
    struct slow_disk_report *disk, *next_disk;

    HASH_ITER (hh, node->slow_reports, report, next) {
        HASH_DEL(node->slow_reports, report);
        mem_free(report);
    }
    HASH_ITER (hh, node->slow_disks, disk, next_disk) {
        HASH_DEL(node->slow_disks, disk);
        mem_free(disk->path);
        mem_free(disk);
    }
}

/* ---- who is slow ---- */

uint32_t slow_node_reports(const struct core *core, const struct datanode *node)
{
    uint32_t count = 0;

    for (const struct slow_report *r = node->slow_reports; r; r = r->hh.next)
        count += counts(core, r->told_ms);
    return count;
}

struct named {
    struct datanode *node;
    uint32_t reports;
};

static int more_reports(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return x->reports > y->reports ? -1 : x->reports < y->reports;
}

void slow_nodes_tick(struct core *core)
{
    struct datanode *node, *next;
    size_t count = 0;

    if (!core->conf.peer_stats || core->now_ms < core->slow_collect_ms) return;
    core->slow_collect_ms = core->now_ms + core->conf.slow_collect_interval_ms;
    struct named *named = NEW_ARRAY(struct named, dn_count(&core->datanodes) + 1);
    HASH_ITER (hh, core->datanodes.by_uuid, node, next) {
        uint32_t reports = slow_node_reports(core, node);
        node->slow = false;
        if (reports) named[count++] = (struct named){.node = node, .reports = reports};
    }
    qsort(named, count, sizeof *named, more_reports);
    core->slow_count = (uint32_t)MIN(count, (size_t)core->conf.slow_nodes_max);
    for (size_t i = 0; i < core->slow_count; i++) {
        named[i].node->slow = true;
        log_warn("Slow node: %s, by the word of %u others", dn_name(named[i].node),
                 named[i].reports);
    }
    mem_free(named);
}

/* ---- to be seen ---- */

static void put_reports(const struct core *core, const struct datanode *node, struct json *json)
{
    char name[80];

    snprintf(name, sizeof name, "%s:%u", node->ip, node->info_port);
    json_begin_object(json);
    json_put_string(json, "SlowNode", name);
    json_key(json, "SlowPeerLatencyWithReportingNodes");
    json_begin_array(json);
    for (const struct slow_report *r = node->slow_reports; r; r = r->hh.next) {
        if (!counts(core, r->told_ms)) continue;
        json_begin_object(json);
        json_put_string(json, "ReportingNode", r->reporter);
        json_put_double(json, "ReportedLatency", r->latency.latency);
        json_put_double(json, "MedianLatency", r->latency.median);
        json_put_double(json, "MadLatency", r->latency.mad);
        json_put_double(json, "UpperLimitLatency", r->latency.limit);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

void slow_nodes_json(const struct core *core, struct buf *out)
{
    struct json json = json_to(out);
    uint32_t shown = 0;

    json_begin_array(&json);
    for (const struct datanode *node = core->datanodes.by_uuid; node; node = node->hh.next) {
        if (!slow_node_reports(core, node) || shown++ >= core->conf.slow_nodes_shown) continue;
        put_reports(core, node, &json);
    }
    json_end(&json);
}

static void put_latency(struct json *json, const char *name, double latency)
{
    if (latency >= 0) json_put_double(json, name, latency);
}

void slow_disks_json(const struct core *core, struct buf *out)
{
    struct json json = json_to(out);

    json_begin_array(&json);
    for (const struct datanode *node = core->datanodes.by_uuid; node; node = node->hh.next)
        for (const struct slow_disk_report *r = node->slow_disks; r; r = r->hh.next) {
            if (!counts(core, r->told_ms)) continue;
            char *name = mem_printf("%s:%u:%s", node->ip, node->ipc_port, r->path);
            json_begin_object(&json);
            json_put_string(&json, "SlowDiskID", name);
            json_key(&json, "Latencies");
            json_begin_object(&json);
            put_latency(&json, "METADATA", r->disk.metadata);
            put_latency(&json, "READ", r->disk.read);
            put_latency(&json, "WRITE", r->disk.write);
            json_end(&json);
            json_end(&json);
            mem_free(name);
        }
    json_end(&json);
}
