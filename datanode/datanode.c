#include "datanode/datanode.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/copy_block.h"
#include "datanode/dn_web.h"
#include "datanode/ipc_ops.h"
#include "datanode/nn_link.h"
#include "datanode/scan_block.h"
#include "datanode/scan_diff.h"
#include "datanode/syncer.h"
#include "datanode/volume_swap.h"
#include "datanode/xceiver.h"

enum {
    CALL_THREADS = 64,
    CALL_QUEUE = 1024,
    TRANSFER_THREADS = 32,
    RECOVERY_THREADS = 8,
    WORK_QUEUE = 4096
};

/* ---- settings ---- */

static int ms_of(const struct conf *conf, enum conf_id id)
{
    return (int)MIN(MAX(conf_ms(conf, id), (int64_t)0), (int64_t)INT32_MAX / 4);
}

static const double CONGESTION_RATIO_DEFAULT = 1.5;

static void read_settings(struct dn_settings *s, const struct conf *conf)
{
    s->socket_timeout_ms = ms_of(conf, CONF_dfs_client_socket_timeout);
    s->write_timeout_ms = ms_of(conf, CONF_dfs_datanode_socket_write_timeout);
    /* 0 means for ever in Hadoop; here as long as an int of milliseconds can say. */
    if (!s->socket_timeout_ms) s->socket_timeout_ms = INT32_MAX / 4;
    if (!s->write_timeout_ms) s->write_timeout_ms = INT32_MAX / 4;
    s->keepalive_ms = ms_of(conf, CONF_dfs_datanode_socket_reuse_keepalive);
    s->transfer_threads =
        (int)MIN(MAX(conf_int(conf, CONF_dfs_datanode_max_transfer_threads), 1), 65536);
    s->heartbeat_ms = MAX(conf_ms(conf, CONF_dfs_heartbeat_interval), 1);
    s->report_ms = conf_ms(conf, CONF_dfs_blockreport_intervalMsec);
    s->report_split = conf_int(conf, CONF_dfs_blockreport_split_threshold);
    s->restart_expiry_ms = MAX(conf_ms(conf, CONF_dfs_datanode_restart_replica_expiration), 0);
    s->sync_on_close = conf_bool(conf, CONF_dfs_datanode_synconclose);
    s->write_behind = s->sync_on_close || conf_bool(conf, CONF_dfs_datanode_sync_behind_writes);
    s->use_hostname = conf_bool(conf, CONF_dfs_datanode_use_datanode_hostname);
    s->moves_max = (int)MAX(conf_int(conf, CONF_dfs_datanode_balance_max_concurrent_moves), 1);
    s->outliers_ms = MAX(conf_ms(conf, CONF_dfs_datanode_outliers_report_interval), 1);
    s->slow_peer = (struct outlier_rule){
        .samples_min = (uint64_t)MAX(
            conf_int(conf, CONF_dfs_datanode_peer_metrics_min_outlier_detection_samples), 1),
        .names_min = (size_t)MAX(conf_int(conf, CONF_dfs_datanode_min_outlier_detection_nodes), 1),
        .low_ms = (double)conf_ms(conf, CONF_dfs_datanode_slowpeer_low_threshold_ms)};
    s->slow_disk = (struct outlier_rule){
        .samples_min = 1,
        .names_min = (size_t)MAX(conf_int(conf, CONF_dfs_datanode_min_outlier_detection_disks), 1),
        .low_ms = (double)conf_ms(conf, CONF_dfs_datanode_slowdisk_low_threshold_ms)};
    s->tell_congestion = conf_bool(conf, CONF_dfs_pipeline_ecn);
    s->tell_slowness = conf_bool(conf, CONF_dfs_pipeline_slownode);
    s->congestion_ratio = conf_float(conf, CONF_dfs_pipeline_congestion_ratio);
    if (s->congestion_ratio <= 0) s->congestion_ratio = CONGESTION_RATIO_DEFAULT;
    s->disk_sampling = (unsigned)MIN(
        MAX(conf_int(conf, CONF_dfs_datanode_fileio_profiling_sampling_percentage), 0), 100);
    /* Where nobody decided, a datanode goes on with what it has: what was lost is copied, what is left serves. */
    s->volumes_tolerated = conf_is_set(conf, CONF_dfs_datanode_failed_volumes_tolerated)
                               ? (int)conf_int(conf, CONF_dfs_datanode_failed_volumes_tolerated)
                               : -1;
}

/* ---- what can change while it runs ---- */

static const enum conf_id reconfigurable[] = {
    CONF_dfs_datanode_data_dir,
    CONF_dfs_heartbeat_interval,
    CONF_dfs_blockreport_intervalMsec,
    CONF_dfs_datanode_balance_max_concurrent_moves,
    CONF_dfs_datanode_balance_bandwidthPerSec,
};

static int reconfigure(void *context, enum conf_id id, const struct conf *fresh, struct err *err)
{
    struct datanode *dn = context;
    struct dn_settings settings;

    if (conf_ms(fresh, CONF_dfs_heartbeat_interval) <= 0)
        return err_set(err, ERR_CONFIG, "dfs.heartbeat.interval must be above 0");
    read_settings(&settings, fresh);
    switch ((int)id) {
    case CONF_dfs_datanode_data_dir: return volume_swap(dn, fresh, err);
    case CONF_dfs_heartbeat_interval: dn->settings.heartbeat_ms = settings.heartbeat_ms; break;
    case CONF_dfs_blockreport_intervalMsec: dn->settings.report_ms = settings.report_ms; break;
    case CONF_dfs_datanode_balance_max_concurrent_moves:
        dn->settings.moves_max = settings.moves_max;
        break;
    case CONF_dfs_datanode_balance_bandwidthPerSec:
        dn->balance_bandwidth = conf_size(fresh, id);
        copy_block_set_bandwidth(dn->balance_bandwidth);
        break;
    default: return err_set(err, ERR_CONFIG, "it cannot be changed while the datanode runs");
    }
    return 0;
}

/* ---- volumes ---- */

static int open_volumes(struct datanode *dn, struct volume ***volumes, size_t *count,
                        struct err *err)
{
    char **words = conf_list(dn->conf, CONF_dfs_datanode_data_dir);
    size_t configured = 0, failed = 0;
    int rc = 0, tolerated = dn->settings.volumes_tolerated;

    while (words[configured]) configured++;
    *volumes = NEW_ARRAY(struct volume *, MAX(configured, (size_t)1));
    *count = 0;
    if (!configured) rc = err_set(err, ERR_CONFIG, "dfs.datanode.data.dir is empty");
    if (configured > REPLICA_VOLUMES_MAX)
        rc = err_set(err, ERR_CONFIG, "more than %d data folders", REPLICA_VOLUMES_MAX);
    for (size_t i = 0; i < configured && !rc; i++) {
        rc = volume_open(words[i], dn->conf, (uint16_t)i, &(*volumes)[i], err);
        if (rc) {
            log_error("data folder %s: %s", words[i], err->text);
            (*volumes)[i] = volume_failed_new(words[i], (uint16_t)i);
            failed++;
            if (failed < configured && (tolerated < 0 || failed <= (size_t)tolerated)) rc = 0;
        }
        ++*count;
    }
    conf_list_free(words);
    return rc;
}

struct disk_job {
    struct datanode *dn;
    struct volume *volume;
};

static void check_disk(void *arg)
{
    struct disk_job *job = arg;
    struct datanode *dn = job->dn;
    struct volume *volume = job->volume;
    struct err err = ERR_INIT;

    mem_free(job);
    if (atomic_load(&volume->failed)) return;
    if (!volume_check(volume, &err)) {
        log_info("the disk of %s passed its check", volume->dir);
        pthread_mutex_lock(&dn->lock);
        dn->disk_failed[volume->index] = false;
        pthread_mutex_unlock(&dn->lock);
        return;
    }
    log_error("volume %s has failed: %s", volume->dir, err.text);
    volume_fail(volume);
    /* What was on it is no longer offered: the namenode makes new replicas. */
    dataset_drop_volume(dn->dataset, volume);
    struct err too_many = ERR_INIT;
    bool fatal = dataset_check_failures(dn->dataset, &too_many) != 0;
    char *text = mem_printf("DataNode failed volumes:%s;", volume->dir);
    nn_report_error(dn, fatal ? NN_ERROR_FATAL_DISK : NN_ERROR_DISK, text);
    mem_free(text);
    if (fatal) {
        log_error("DataNode is shutting down: %s", too_many.text);
        datanode_shutdown(dn, 1);
        return;
    }
    nn_trigger_heartbeats(dn);
    nn_trigger_report(dn, false, NULL);
}

/* From any thread, maybe with a replica's lock: the check itself runs on a worker, one at a time
 * per volume. */
static void on_disk_error(void *arg, struct volume *volume, const struct err *err)
{
    struct datanode *dn = arg;
    struct err busy = ERR_INIT;

    pthread_mutex_lock(&dn->lock);
    bool checking = dn->disk_failed[volume->index] || atomic_load(&volume->failed);
    dn->disk_failed[volume->index] = true;
    pthread_mutex_unlock(&dn->lock);
    if (checking) return;
    log_warn("I/O error on %s: %s; checking the disk", volume->dir, err->text);
    struct disk_job *job = NEW(struct disk_job);
    *job = (struct disk_job){.dn = dn, .volume = volume};
    if (!worker_submit(dn->calls, check_disk, job, &busy)) return;
    mem_free(job);
    pthread_mutex_lock(&dn->lock);
    dn->disk_failed[volume->index] = false;
    pthread_mutex_unlock(&dn->lock);
}

/* ---- who we are ---- */

static int name_self(struct datanode *dn, struct err *err)
{
    const char *name = conf_str(dn->conf, CONF_dfs_datanode_hostname);
    struct net_addr addr;

    int rc = net_parse(conf_str(dn->conf, CONF_dfs_datanode_address), 9866, &addr, err);
    if (rc) return rc;
    bool any = str_empty(addr.host) || str_eq(addr.host, "0.0.0.0") || str_eq(addr.host, "::");
    snprintf(dn->ip, sizeof dn->ip, "%s",
             any ? "127.0.0.1" : addr.host); /* the namenode puts what it sees */
    if (*name)
        snprintf(dn->host, sizeof dn->host, "%s", name);
    else
        net_host_name(dn->host, sizeof dn->host);
    return 0;
}

void datanode_id(struct datanode *dn, Pb__DatanodeID *id)
{
    pb__datanode_id__init(id);
    id->ipaddr = dn->ip;
    id->hostname = dn->host;
    id->datanodeuuid = dn->uuid;
    id->xferport = dn->xfer_port;
    id->infoport = dn->http_port;
    id->ipcport = dn->ipc_port;
    id->has_infosecureport = 1;
}

/* ---- life ---- */

static int open_ports(struct datanode *dn, struct err *err)
{
    int rc = xceiver_new(dn, &dn->xceiver, &dn->xfer_port, err);

    if (!rc) rc = ipc_start(dn, &dn->ipc_port, err);
    if (!rc) rc = dn_web_start(dn, &dn->http_port, err);
    return rc;
}

static int start(struct datanode *dn, struct err *err)
{
    struct volume **volumes;
    size_t count;

    read_settings(&dn->settings, dn->conf);
    dn->reconfig =
        reconfig_new(dn->conf, reconfigurable, ARRAY_LEN(reconfigurable), reconfigure, dn);
    int rc = open_volumes(dn, &volumes, &count, err);
    dn->dataset = dataset_new(volumes, count);
    dn->dataset->failures_tolerated = dn->settings.volumes_tolerated;
    if (!rc) rc = volume_picker_conf(&dn->dataset->picker, dn->conf, err);
    if (rc) return rc;
    dn->dataset->size_default = conf_size(dn->conf, CONF_dfs_blocksize);
    if (str_eq(conf_str(dn->conf, CONF_dfs_datanode_startup), "ROLLBACK"))
        dn->dataset->startup = DN_ROLLBACK;
    dn->dataset->disk_error = on_disk_error;
    dn->dataset->disk_error_arg = dn;
    dn->dataset->syncer = syncer_new();
    if (conf_bool(dn->conf, CONF_dfs_datanode_peer_stats_enabled))
        dn->peer_latency = latencies_new();
    throttle_init(&dn->write_throttle,
                  conf_size(dn->conf, CONF_dfs_datanode_data_write_bandwidthPerSec));
    if (dn->settings.disk_sampling) dn->disk_latency = latencies_new();
    dn->scan = scan_block_new(dn->dataset, dn->conf);
    dn->diff = scan_diff_new(dn->dataset, dn->conf);
    dn->calls = worker_pool_new("call", CALL_THREADS, CALL_QUEUE);
    dn->transfers = worker_pool_new("transfer", TRANSFER_THREADS, WORK_QUEUE);
    dn->recoveries = worker_pool_new("recover", RECOVERY_THREADS, WORK_QUEUE);
    atomic_store(&dn->balance_bandwidth,
                 conf_size(dn->conf, CONF_dfs_datanode_balance_bandwidthPerSec));
    copy_block_set_bandwidth(atomic_load(&dn->balance_bandwidth));
    rc = name_self(dn, err);
    if (!rc) rc = nn_services_new(dn, err);
    if (!rc) rc = open_ports(dn, err);
    if (rc) return rc;
    log_info("datanode %s: data port %u, IPC port %u, HTTP port %u, %zu data folders", dn->host,
             dn->xfer_port, dn->ipc_port, dn->http_port, count);
    return nn_services_start(dn, err);
}

int datanode_start(const struct conf *conf, struct loop *loop, struct datanode **out,
                   struct err *err)
{
    struct datanode *dn = NEW(struct datanode);

    dn->conf = conf_copy(conf);
    dn->loop = loop;
    dn->start_ms = clock_wall_ms();
    pthread_mutex_init(&dn->lock, NULL);
    int rc = start(dn, err);
    if (rc) {
        datanode_stop(dn);
        return rc;
    }
    *out = dn;
    return 0;
}

void datanode_stop(struct datanode *dn)
{
    if (!dn) return;
    atomic_store(&dn->stopping, true);
    if (dn->rpc) rpc_server_stop(dn->rpc);
    http_server_free(dn->http);
    nn_services_stop(dn); /* calls to namenodes end, so that workers do not wait for them */
    if (dn->xceiver) xceiver_stop(dn->xceiver);
    scan_block_free(dn->scan);
    scan_diff_free(dn->diff);
    worker_pool_free(dn->transfers);
    worker_pool_free(dn->recoveries);
    worker_pool_free(dn->calls);
    rpc_server_free(dn->rpc);
    if (dn->dataset) syncer_free(dn->dataset->syncer);
    xceiver_free(dn->xceiver);
    dataset_free(dn->dataset);
    nn_services_free(dn);
    latencies_free(dn->peer_latency);
    latencies_free(dn->disk_latency);
    reconfig_free(dn->reconfig);
    conf_free(dn->conf);
    pthread_mutex_destroy(&dn->lock);
    mem_free(dn);
}

int datanode_pool(struct datanode *dn, const struct namespace_info *info, struct block_pool **pool,
                  struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&dn->lock);
    *pool = dataset_pool(dn->dataset, info->pool_id);
    if (*pool)
        rc = namespace_info_check_same(&(*pool)->info, info, err);
    else
        rc = dataset_add_pool(dn->dataset, info, dn->uuid, pool, err);
    pthread_mutex_unlock(&dn->lock);
    return rc;
}

void datanode_shutdown(struct datanode *dn, int exit_code)
{
    if (atomic_exchange(&dn->stopping, true)) return;
    dn->exit_code = exit_code;
    loop_stop(dn->loop);
}

void datanode_service_ended(struct datanode *dn)
{
    struct nn_link_status links[DN_SERVICES_MAX * NN_LINKS_MAX];
    size_t count = nn_link_statuses(dn, links, ARRAY_LEN(links));

    for (size_t i = 0; i < count; i++)
        if (!str_eq(links[i].state, "FAILED")) return;
    log_error("no namenode is left to serve; exiting");
    datanode_shutdown(dn, 1);
}
