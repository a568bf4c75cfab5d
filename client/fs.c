#include "client/fs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/dn_conns.h"
#include "client/fs_state.h"
#include "client/lease_keep.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/net.h"
#include "common/worker.h"

enum { AUTHORITY_MAX = 300, NAMENODE_PORT = 8020 };

/* ---- settings ---- */

static int parse_umask(const char *text, uint32_t *umask, struct err *err)
{
    static const char who[] = "ugo";
    char *rest;
    unsigned long value = strtoul(text, &rest, 8);
    uint32_t allowed = 0;

    if (*text && !*rest && value <= 0777) {
        *umask = (uint32_t)value;
        return 0;
    }
    /* u=rwx,g=rx,o=rx: what is allowed, the umask is the rest */
    for (const char *at = text; *at;) {
        const char *class = strchr(who, *at);
        if (!class || at[1] != '=') goto bad;
        unsigned shift = 6 - 3 * (unsigned)(class - who);
        for (at += 2; *at && *at != ','; at++) {
            if (*at != 'r' && *at != 'w' && *at != 'x') goto bad;
            allowed |= (*at == 'r' ? 4u : *at == 'w' ? 2u : 1u) << shift;
        }
        if (*at == ',') at++;
    }
    *umask = ~allowed & 0777;
    if (*text) return 0;
bad:
    return err_set(err, ERR_CONFIG,
                   "Unable to parse configuration fs.permissions.umask-mode with value %s as octal "
                   "or symbolic umask.",
                   text);
}

static int parse_checksum_type(const char *text, int *type, struct err *err)
{
    if (str_eq(text, "CRC32C")) return *type = PB__CHECKSUM_TYPE__CHECKSUM_CRC32C, 0;
    if (str_eq(text, "CRC32")) return *type = PB__CHECKSUM_TYPE__CHECKSUM_CRC32, 0;
    if (str_eq(text, "NULL")) return *type = PB__CHECKSUM_TYPE__CHECKSUM_NULL, 0;
    return err_set(err, ERR_CONFIG, "dfs.checksum.type is %s: must be CRC32C, CRC32 or NULL", text);
}

static enum replace_policy read_replace_policy(const struct conf *conf)
{
    const char *policy =
        conf_str(conf, CONF_dfs_client_block_write_replace_datanode_on_failure_policy);

    if (!conf_bool(conf, CONF_dfs_client_block_write_replace_datanode_on_failure_enable))
        return REPLACE_NEVER;
    if (strcasecmp(policy, "NEVER") == 0) return REPLACE_NEVER;
    return strcasecmp(policy, "ALWAYS") == 0 ? REPLACE_ALWAYS : REPLACE_DEFAULT;
}

enum { BACKOFF_MEAN_MS = 5000 };

static void read_write_settings(struct fs_settings *s, const struct conf *conf)
{
    s->write_packet_size = (uint32_t)conf_int(conf, CONF_dfs_client_write_packet_size);
    s->packets_in_flight_max =
        (unsigned)conf_int(conf, CONF_dfs_client_write_max_packets_in_flight);
    s->block_write_retries = (int)conf_int(conf, CONF_dfs_client_block_write_retries);
    s->locate_retries =
        (int)conf_int(conf, CONF_dfs_client_block_write_locateFollowingBlock_retries);
    s->locate_delay_ms =
        conf_ms(conf, CONF_dfs_client_block_write_locateFollowingBlock_initial_delay_ms);
    s->locate_delay_max_ms =
        conf_ms(conf, CONF_dfs_client_block_write_locateFollowingBlock_max_delay_ms);
    s->pipeline_recoveries_max = (int)conf_int(conf, CONF_dfs_client_pipeline_recovery_max_retries);
    s->exclude_expiry_ms =
        conf_ms(conf, CONF_dfs_client_write_exclude_nodes_cache_expiry_interval_millis);
    s->restart_timeout_ms = conf_ms(conf, CONF_dfs_client_datanode_restart_timeout);
    s->replace_policy = read_replace_policy(conf);
    s->replace_best_effort =
        conf_bool(conf, CONF_dfs_client_block_write_replace_datanode_on_failure_best_effort);
    s->replace_min_replication = (unsigned)conf_int(
        conf, CONF_dfs_client_block_write_replace_datanode_on_failure_min_replication);
    s->recover_lease_on_close_exception =
        conf_bool(conf, CONF_dfs_client_write_recover_lease_on_close_exception);
    s->slow_acks_max =
        (unsigned)MAX(conf_int(conf, CONF_dfs_client_mark_slownode_as_badnode_threshold), 1);
    s->backoff_mean_ms = conf_ms(conf, CONF_dfs_client_congestion_backoff_mean_time);
    s->backoff_max_ms = conf_ms(conf, CONF_dfs_client_congestion_backoff_max_time);
    if (s->backoff_mean_ms <= 0 || s->backoff_max_ms < s->backoff_mean_ms) { /* as Apache's */
        s->backoff_mean_ms = BACKOFF_MEAN_MS;
        s->backoff_max_ms = BACKOFF_MEAN_MS * 10;
    }
}

static void read_read_settings(struct fs_settings *s, const struct conf *conf)
{
    s->prefetch_size = conf_is_set(conf, CONF_dfs_client_read_prefetch_size)
                           ? (uint64_t)conf_size(conf, CONF_dfs_client_read_prefetch_size)
                           : 0;
    s->block_acquire_failures_max = (int)conf_int(conf, CONF_dfs_client_max_block_acquire_failures);
    s->retry_window_ms = conf_ms(conf, CONF_dfs_client_retry_window_base);
    s->last_length_retries = (int)conf_int(conf, CONF_dfs_client_retry_times_get_last_block_length);
    s->last_length_pause_ms =
        conf_ms(conf, CONF_dfs_client_retry_interval_ms_get_last_block_length);
    s->hedge_threads =
        (int)MIN(MAX(conf_int(conf, CONF_dfs_client_hedged_read_threadpool_size), 0), 1024);
    s->hedge_after_ms = MAX(conf_ms(conf, CONF_dfs_client_hedged_read_threshold_millis), 1);
    s->conns_max = (unsigned)conf_int(conf, CONF_dfs_client_socketcache_capacity);
    s->conns_expiry_ms = conf_ms(conf, CONF_dfs_client_socketcache_expiryMsec);
}

/* What would break arithmetic further down is refused here. */
static int check_settings(const struct fs_settings *s, struct err *err)
{
    if (s->bytes_per_checksum < 1 || s->bytes_per_checksum > MIB)
        return err_set(err, ERR_CONFIG, "dfs.bytes-per-checksum is %u: must be 1 to 1048576",
                       s->bytes_per_checksum);
    if (s->block_size < 1 || s->block_size % s->bytes_per_checksum)
        return err_set(err, ERR_CONFIG,
                       "io.bytes.per.checksum(%u) and blockSize(%" PRIu64
                       ") do not match. blockSize should be a multiple of io.bytes.per.checksum",
                       s->bytes_per_checksum, s->block_size);
    if (s->replication < 1 || s->replication > 512)
        return err_set(err, ERR_CONFIG, "dfs.replication is %u: must be 1 to 512", s->replication);
    if (s->write_packet_size < 1 || s->write_packet_size > 16 * MIB || !s->packets_in_flight_max ||
        s->packets_in_flight_max > 100000)
        return err_set(err, ERR_CONFIG,
                       "dfs.client-write-packet-size (%u) or "
                       "dfs.client.write.max-packets-in-flight (%u) is out of range",
                       s->write_packet_size, s->packets_in_flight_max);
    return 0;
}

static int read_settings(struct fs_settings *s, const struct conf *conf, struct err *err)
{
    s->block_size = (uint64_t)conf_size(conf, CONF_dfs_blocksize);
    s->replication = (unsigned)conf_int(conf, CONF_dfs_replication);
    s->bytes_per_checksum = (uint32_t)conf_int(conf, CONF_dfs_bytes_per_checksum);
    s->socket_timeout_ms = (int)conf_ms(conf, CONF_dfs_client_socket_timeout);
    s->write_timeout_ms = (int)conf_ms(conf, CONF_dfs_datanode_socket_write_timeout);
    s->use_datanode_hostname = conf_bool(conf, CONF_dfs_client_use_datanode_hostname);
    s->tcp_nodelay = conf_bool(conf, CONF_dfs_data_transfer_client_tcpnodelay);
    s->checksum_composite = str_eq(conf_str(conf, CONF_dfs_checksum_combine_mode), "COMPOSITE_CRC");
    s->server_defaults_valid_ms = conf_ms(conf, CONF_dfs_client_server_defaults_validity_period_ms);
    read_write_settings(s, conf);
    read_read_settings(s, conf);
    int rc = parse_checksum_type(conf_str(conf, CONF_dfs_checksum_type), &s->checksum_type, err);
    if (rc) return rc;
    rc = parse_umask(conf_str(conf, CONF_fs_permissions_umask_mode), &s->umask, err);
    return rc ? rc : check_settings(s, err);
}

/* ---- connecting ---- */

/* The authority of hdfs://authority/path; "" when there is none. */
static int uri_authority(const char *uri, char *authority, size_t size, struct err *err)
{
    static const char scheme[] = "hdfs://";
    const char *colon = strstr(uri, "://");

    *authority = '\0';
    if (!str_starts(uri, scheme)) {
        if (!colon) return err_set(err, ERR_CONFIG, "%s is no hdfs:// address", uri);
        return fs_set_java_class(
            (err_set(err, ERR_CONFIG, "No FileSystem for scheme \"%.*s\"", (int)(colon - uri), uri),
             err),
            "org.apache.hadoop.fs.UnsupportedFileSystemException");
    }
    uri += strlen(scheme);
    size_t length = strcspn(uri, "/");
    if (length >= size)
        return err_set(err, ERR_CONFIG, "the address in hdfs://%.*s… is too long", 64, uri);
    memcpy(authority, uri, length);
    authority[length] = '\0';
    return 0;
}

static int pick_authority(const struct conf *conf, const char *uri, char *authority, size_t size,
                          struct err *err)
{
    const char *default_uri = conf_str(conf, CONF_fs_defaultFS);
    int rc = uri_authority(uri ? uri : default_uri, authority, size, err);

    if (rc || *authority) return rc;
    rc = uri_authority(default_uri, authority, size, err); /* hdfs:///path */
    if (rc || *authority) return rc;
    return err_set(err, ERR_CONFIG, "Incomplete HDFS URI, no host: %s", uri ? uri : default_uri);
}

static char *make_client_name(void)
{
    int32_t number = 0;

    if (getrandom(&number, sizeof number, 0) != sizeof number) number = (int32_t)clock_mono_ns();
    return mem_printf("DFSClient_NONMAPREDUCE_%" PRId32 "_%ld", number, (long)syscall(SYS_gettid));
}

int fs_connect(const struct conf *conf, const char *uri, const char *user, struct fs **result,
               struct err *err)
{
    struct fs *fs = NEW(struct fs);
    char authority[AUTHORITY_MAX];

    pthread_mutex_init(&fs->lock, NULL);
    int rc = read_settings(&fs->settings, conf, err);
    if (rc) goto fail;
    rc = pick_authority(conf, uri, authority, sizeof authority, err);
    if (rc) goto fail;
    rc = creds_init(&fs->creds, user, err);
    if (rc) goto fail;
    rc = nn_proxy_new(conf, authority, &fs->creds, &fs->nn, err);
    if (rc) goto fail;
    fs->client_name = make_client_name();
    fs->home = mem_printf("%s/%s", conf_str(conf, CONF_dfs_user_home_dir_prefix), fs->creds.user);
    fs->conns = dn_conns_new(fs->settings.conns_max, fs->settings.conns_expiry_ms);
    if (fs->settings.hedge_threads)
        fs->hedges = worker_pool_new("hedge", fs->settings.hedge_threads, 0);
    fs->leases = lease_keep_new(fs);
    *result = fs;
    return 0;
fail:
    fs_close(fs);
    return rc;
}

void fs_close(struct fs *fs)
{
    if (!fs) return;
    lease_keep_free(fs->leases);
    if (fs->hedges) dn_conns_interrupt(fs->conns); /* attempts that lost may still wait */
    worker_pool_free(fs->hedges);
    dn_conns_free(fs->conns);
    nn_proxy_free(fs->nn);
    creds_release(&fs->creds);
    mem_free(fs->client_name);
    mem_free(fs->home);
    pthread_mutex_destroy(&fs->lock);
    mem_free(fs);
}

const char *fs_uri(const struct fs *fs)
{
    return nn_proxy_uri(fs->nn);
}
const char *fs_user(const struct fs *fs)
{
    return fs->creds.user;
}
const char *fs_client_name(const struct fs *fs)
{
    return fs->client_name;
}
const char *fs_home(const struct fs *fs)
{
    return fs->home;
}
uint64_t fs_default_block_size(const struct fs *fs)
{
    return fs->settings.block_size;
}
unsigned fs_default_replication(const struct fs *fs)
{
    return fs->settings.replication;
}
uint32_t fs_umask(const struct fs *fs)
{
    return fs->settings.umask;
}

/* ---- paths ---- */

int fs_check_path(const char *path, struct err *err)
{
    if (path && *path == '/') return 0;
    return err_set(err, ERR_ARGUMENT, "%s is not an absolute path", path ? path : "(null)");
}

/* Appends the components of `path` to `out`, which holds "" or "/a/b": no empty ones, no "." and
 * "..". */
static void append_components(struct buf *out, const char *path)
{
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            while (out->length && out->data[--out->length] != '/') {}
        } else if (length && !(length == 1 && *path == '.')) {
            buf_put_u8(out, '/');
            buf_put(out, path, length);
        }
        path += length;
        if (*path == '/') path++;
    }
}

static bool is_scheme(const char *path, const char *colon)
{
    const char *slash = strchr(path, '/');

    if (!colon || colon == path || (slash && slash < colon)) return false;
    for (const char *c = path; c < colon; c++)
        if (!isalnum((unsigned char)*c) && !strchr("+-.", *c)) return false;
    return true;
}

/* The path behind hdfs://authority, when the authority is ours or empty. */
static int strip_uri(const struct fs *fs, const char *uri, const char **path, struct err *err)
{
    char authority[AUTHORITY_MAX], *full;
    struct net_addr addr;
    bool ours;

    *path = uri;
    if (str_starts(uri, "hdfs://")) {
        int rc = uri_authority(uri, authority, sizeof authority, err);
        if (rc) return rc;
        full = mem_printf("hdfs://%s", authority);
        ours = !*authority || strcasecmp(full, fs_uri(fs)) == 0;
        mem_free(full);
        if (!ours && net_parse(authority, NAMENODE_PORT, &addr, NULL) == 0) {
            char text[NET_TEXT_MAX];
            net_format(&addr, text, sizeof text);
            full = mem_printf("hdfs://%s", text);
            ours = strcasecmp(full, fs_uri(fs)) == 0;
            mem_free(full);
        }
        *path = uri + strlen("hdfs://") + strlen(authority);
        if (ours) return 0;
    } else if (str_starts(uri, "hdfs:/")) {
        *path = uri + strlen("hdfs:");
        return 0;
    }
    return err_set(err, ERR_ARGUMENT, "Wrong FS: %s, expected: %s", uri, fs_uri(fs));
}

int fs_resolve_path(const struct fs *fs, const char *path, char **absolute, struct err *err)
{
    struct buf out = {0};

    if (str_empty(path))
        return err_set(err, ERR_ARGUMENT, "Can not create a Path from an empty string");
    if (is_scheme(path, strchr(path, ':'))) {
        int rc = strip_uri(fs, path, &path, err);
        if (rc) return rc;
        if (!*path) path = "/";
    }
    if (*path != '/') append_components(&out, fs->home);
    append_components(&out, path);
    if (!out.length) buf_put_u8(&out, '/');
    buf_put_u8(&out, '\0');
    *absolute = (char *)out.data;
    return 0;
}

/* ---- errors ---- */

const char *fs_error_class(const struct err *err)
{
    return err->java_class[0] ? err->java_class : err_java_class(err->code);
}

const char *fs_error_line(const struct err *err, char *line, size_t size)
{
    snprintf(line, size, "%.*s", (int)strcspn(err->text, "\r\n"), err->text);
    return line;
}

int fs_set_java_class(struct err *err, const char *java_class)
{
    snprintf(err->java_class, sizeof err->java_class, "%s", java_class);
    return err->code;
}

/* ---- calls ---- */

int fs_call(struct fs *fs, const char *method, const void *request,
            const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
            struct err *err)
{
    return nn_call(fs->nn, method, request, type, arena, response, err);
}

int fs_call_protocol(struct fs *fs, const char *protocol, const char *method, const void *request,
                     const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
                     struct err *err)
{
    return nn_call_protocol(fs->nn, protocol, method, request, type, arena, response, err);
}

int fs_call_datanode(struct fs *fs, const char *address, const char *protocol, const char *method,
                     const void *request, const ProtobufCMessageDescriptor *type,
                     struct arena *arena, void *response, struct err *err)
{
    return nn_call_datanode(fs->nn, address, protocol, method, request, type, arena, response, err);
}

int fs_do(struct fs *fs, const char *method, const void *request,
          const ProtobufCMessageDescriptor *type, struct err *err)
{
    struct arena arena = {0};
    ProtobufCMessage *response;

    int rc = nn_call(fs->nn, method, request, type, &arena, &response, err);
    arena_release(&arena);
    return rc;
}
