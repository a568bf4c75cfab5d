#include "datanode/dn_web.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/json.h"
#include "common/mem.h"
#include "datanode/nn_link.h"
#include "datanode/scan_block.h"
#include "datanode/xceiver.h"

enum { LINKS_SHOWN_MAX = DN_SERVICES_MAX * NN_LINKS_MAX };

/* ---- beans: their attributes that are JSON by themselves are strings, as in Java ---- */

static void text_attribute(struct json *out, const char *name, struct buf *json)
{
    json_put_string(out, name, buf_cstr(json));
    buf_release(json);
}

static void put_volumes(struct datanode *dn, struct json *out)
{
    struct buf text = {0};
    struct json json = json_to(&text);

    json_begin_object(&json);
    for (size_t i = 0; i < dn->dataset->volume_count; i++) {
        const struct volume *volume = dn->dataset->volumes[i];
        struct volume_space space = {0};
        if (atomic_load(&volume->failed) || volume_space(volume, &space, NULL)) continue;
        json_key(&json, volume->dir);
        json_begin_object(&json);
        json_put_int(&json, "freeSpace", (int64_t)space.remaining);
        json_put_int(&json, "usedSpace", (int64_t)space.used);
        json_put_int(&json, "reservedSpace", (int64_t)space.reserved);
        json_put_int(&json, "reservedSpaceForReplicas", atomic_load(&volume->promised));
        json_put_int(&json, "numBlocks", atomic_load(&volume->blocks));
        json_put_string(&json, "storageType", volume_type_name(volume->type));
        json_end(&json);
    }
    json_end(&json);
    text_attribute(out, "VolumeInfo", &text);
}

static void put_actors(struct datanode *dn, struct json *out)
{
    struct nn_link_status links[LINKS_SHOWN_MAX];
    struct buf text = {0};
    struct json json = json_to(&text);
    size_t count = nn_link_statuses(dn, links, ARRAY_LEN(links));

    json_begin_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&json);
        json_put_string(&json, "NamenodeAddress", links[i].address);
        json_put_string(&json, "NamenodeHaState", links[i].ha_state);
        json_put_string(&json, "ActorState", links[i].state);
        json_put_int(&json, "LastHeartbeat", links[i].last_heartbeat_ago_ms / 1000);
        json_put_int(&json, "LastBlockReport", links[i].last_report_ago_ms / 1000);
        json_end(&json);
    }
    json_end(&json);
    text_attribute(out, "BPServiceActorInfo", &text);
}

static void put_info(struct datanode *dn, struct json *out)
{
    char port[8];

    json_begin_object(out);
    json_put_string(out, "name", "Hadoop:service=DataNode,name=DataNodeInfo");
    json_put_string(out, "Version", DN_SOFTWARE_VERSION);
    json_put_string(out, "SoftwareVersion", DN_SOFTWARE_VERSION);
    json_put_string(out, "DatanodeHostname", dn->host);
    snprintf(port, sizeof port, "%u", dn->ipc_port);
    json_put_string(out, "RpcPort", port);
    snprintf(port, sizeof port, "%u", dn->xfer_port);
    json_put_string(out, "DataPort", port);
    snprintf(port, sizeof port, "%u", dn->http_port);
    json_put_string(out, "HttpPort", port);
    json_put_int(out, "DNStartedTimeInMillis", dn->start_ms);
    json_put_int(out, "XceiverCount", xceiver_count(dn->xceiver));
    json_put_int(out, "XmitsInProgress", atomic_load(&dn->transfers_running));
    put_volumes(dn, out);
    put_actors(dn, out);
    json_end(out);
}

static void put_state(struct datanode *dn, struct json *out)
{
    uint64_t capacity = 0, used = 0, remaining = 0;

    for (size_t i = 0; i < dn->dataset->volume_count; i++) {
        struct volume_space space;
        if (atomic_load(&dn->dataset->volumes[i]->failed) ||
            volume_space(dn->dataset->volumes[i], &space, NULL))
            continue;
        capacity += space.capacity;
        used += space.used;
        remaining += space.remaining;
    }
    json_begin_object(out);
    json_put_string(out, "name", "Hadoop:service=DataNode,name=FSDatasetState");
    json_put_int(out, "Capacity", (int64_t)capacity);
    json_put_int(out, "DfsUsed", (int64_t)used);
    json_put_int(out, "Remaining", (int64_t)remaining);
    json_put_int(out, "NumFailedVolumes", (int64_t)dataset_volume_numbers(dn->dataset).failed);
    json_end(out);
}

static void put_activity(struct datanode *dn, struct json *out)
{
    json_begin_object(out);
    json_put_string(out, "name", "Hadoop:service=DataNode,name=DataNodeActivity");
    json_put_int(out, "BytesWritten", (int64_t)atomic_load(&dn->bytes_written));
    json_put_int(out, "BytesRead", (int64_t)atomic_load(&dn->bytes_read));
    json_put_int(out, "BlocksWritten", (int64_t)atomic_load(&dn->blocks_written));
    json_put_int(out, "BlocksRead", (int64_t)atomic_load(&dn->blocks_read));
    json_end(out);
}

static void serve_jmx(void *context, struct http_request *request)
{
    struct buf text = {0};
    struct json json = json_to(&text);

    json_begin_object(&json);
    json_key(&json, "beans");
    json_begin_array(&json);
    put_info(context, &json);
    put_state(context, &json);
    put_activity(context, &json);
    json_end(&json);
    json_end(&json);
    http_reply(request, 200, "application/json; charset=utf8", text.data, text.length);
    buf_release(&text);
}

static void serve_status(void *context, struct http_request *request)
{
    struct nn_link_status links[LINKS_SHOWN_MAX];
    struct datanode *dn = context;
    struct buf text = {0};
    size_t count = nn_link_statuses(dn, links, ARRAY_LEN(links));

    buf_printf(&text, "datanode %s:%u, up %" PRId64 " s, %d operations\n", dn->host, dn->xfer_port,
               (clock_wall_ms() - dn->start_ms) / 1000, xceiver_count(dn->xceiver));
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "namenode %s %s %s, heartbeat %" PRId64 " ms ago\n", links[i].address,
                   links[i].state, links[i].ha_state, links[i].last_heartbeat_ago_ms);
    for (size_t i = 0; i < dn->dataset->volume_count; i++) {
        const struct volume *volume = dn->dataset->volumes[i];
        if (atomic_load(&volume->removed)) continue;
        buf_printf(&text, "volume %s %s, %" PRId64 " blocks, %" PRId64 " bytes%s\n", volume->dir,
                   volume_type_name(volume->type), atomic_load(&volume->blocks),
                   atomic_load(&volume->used), atomic_load(&volume->failed) ? ", FAILED" : "");
    }
    http_reply_text(request, 200, buf_cstr(&text));
    buf_release(&text);
}

/* BlockScanner.Servlet's page. */
static void serve_scan(void *context, struct http_request *request)
{
    struct datanode *dn = context;
    struct buf text = {0};

    if (!dn->scan) buf_printf(&text, "Periodic block scanner is not running.\n");
    for (uint16_t i = 0; dn->scan && i < dn->dataset->volume_count; i++) {
        const struct volume *volume = dn->dataset->volumes[i];
        struct scan_stats stats;
        if (atomic_load(&volume->failed)) continue;
        scan_block_stats(dn->scan, i, &stats);
        buf_printf(&text, "Block scanner information for volume %s with base path %s\n",
                   volume->uuid, volume->dir);
        buf_printf(&text, "Bytes verified since restart       : %57" PRIu64 "\n", stats.bytes);
        buf_printf(&text, "Blocks scanned since restart       : %57" PRIu64 "\n", stats.scanned);
        buf_printf(&text, "Block pool scans since restart     : %57" PRIu64 "\n", stats.rounds);
        buf_printf(&text, "Block scan errors since restart    : %57" PRIu64 "\n", stats.bad);
        if (stats.next_round_ms)
            buf_printf(&text, "Hours until next block pool scan   : %57.3f\n",
                       (double)stats.next_round_ms / 3600e3);
        buf_printf(&text, "More blocks to scan in period      : %57s\n\n",
                   stats.next_round_ms ? "false" : "true");
    }
    http_reply_text(request, 200, buf_cstr(&text));
    buf_release(&text);
}

int dn_web_start(struct datanode *dn, uint16_t *port, struct err *err)
{
    dn->http = http_server_new(err);
    if (!dn->http) return err->code;
    http_server_route(dn->http, "/jmx", serve_jmx, dn);
    http_server_route(dn->http, "/blockScannerReport", serve_scan, dn);
    http_server_route(dn->http, "/", serve_status, dn);
    int rc = http_server_listen(dn->http, conf_str(dn->conf, CONF_dfs_datanode_http_address), 9864,
                                port, err);
    return rc ? rc : http_server_start(dn->http, err);
}
