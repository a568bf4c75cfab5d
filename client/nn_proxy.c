#include "client/nn_proxy.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "client/creds.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/net.h"
#include "common/rpc_client.h"

enum {
    DEFAULT_PORT = 8020,
    LOST_MAX = 5,                /* connections lost under one call */
    RETRIABLE_BASE_MS = 200,     /* first pause after "try again"; doubles */
    RETRIABLE_MAX_MS = 5 * 1000, /* longest one */
};

static const char client_protocol[] = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
static const char client_datanode_protocol[] =
    "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol";

struct target {
    char *host;
    uint16_t port;
    struct rpc_client *client;
};

struct nn_proxy {
    char *uri;
    char *user, *real_user;
    struct target targets[NN_PROXY_TARGETS_MAX];
    unsigned target_count;
    _Atomic unsigned current; /* the one that answered last */
    struct rpc_identity identity;

    struct rpc_client_options options; /* all but address and protocol */
    int connect_retries, connect_retries_on_timeout;
    int datanode_timeout_ms; /* a datanode that hangs holds nobody up for longer */
    int64_t connect_pause_ms;
    int attempts_max, failovers_max;
    int64_t failover_base_ms, failover_max_ms;
};

/* What one call has been through. */
struct patience {
    int connects, connect_timeouts, lost, retriable, failovers;
};

/* ---- addresses ---- */

static int add_target(struct nn_proxy *proxy, const char *address, struct err *err)
{
    struct net_addr parsed;

    if (proxy->target_count == NN_PROXY_TARGETS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d namenodes in one nameservice",
                       NN_PROXY_TARGETS_MAX);
    int rc = net_parse(address, DEFAULT_PORT, &parsed, err);
    if (rc) return rc;
    struct target *target = &proxy->targets[proxy->target_count++];
    target->host = mem_strdup(parsed.host);
    target->port = parsed.port;
    return 0;
}

/* The namenodes of nameservice `name`; none when it is not one. */
static int add_nameservice(struct nn_proxy *proxy, const struct conf *conf, const char *name,
                           struct err *err)
{
    char *key = mem_printf("dfs.ha.namenodes.%s", name);
    const char *ids = conf_get(conf, key);
    char *copy = mem_strdup(ids ? ids : ""), *rest = NULL;
    int rc = 0;

    mem_free(key);
    for (char *id = strtok_r(copy, ", ", &rest); id && !rc; id = strtok_r(NULL, ", ", &rest)) {
        key = mem_printf("dfs.namenode.rpc-address.%s.%s", name, id);
        const char *address = conf_get(conf, key);
        rc = str_empty(address) ? err_set(err, ERR_CONFIG, "%s is not set", key)
                                : add_target(proxy, address, err);
        mem_free(key);
    }
    mem_free(copy);
    return rc;
}

static int find_targets(struct nn_proxy *proxy, const struct conf *conf, const char *authority,
                        struct err *err)
{
    int rc = add_nameservice(proxy, conf, authority, err);

    if (rc) return rc;
    if (proxy->target_count) {
        proxy->uri = mem_printf("hdfs://%s", authority);
        return 0;
    }
    rc = add_target(proxy, authority, err);
    if (rc) return rc;
    struct net_addr addr = {.port = proxy->targets[0].port};
    char text[NET_TEXT_MAX];
    snprintf(addr.host, sizeof addr.host, "%s", proxy->targets[0].host);
    net_format(&addr, text, sizeof text);
    proxy->uri = mem_printf("hdfs://%s", text);
    return 0;
}

/* ---- life ---- */

static struct rpc_client *client_for(struct nn_proxy *proxy, const char *host, uint16_t port,
                                     const char *protocol, int timeout_ms)
{
    struct rpc_client_options options = proxy->options;

    if (timeout_ms) options.timeout_ms = timeout_ms;
    options.host = host;
    options.port = port;
    options.protocol = protocol;
    return rpc_client_new(&options);
}

static void read_policies(struct nn_proxy *proxy, const struct conf *conf)
{
    int datanode_ms = (int)conf_ms(conf, CONF_dfs_client_socket_timeout);

    proxy->datanode_timeout_ms = datanode_ms > 0 ? datanode_ms : -1;
    proxy->connect_retries = (int)conf_int(conf, CONF_ipc_client_connect_max_retries);
    proxy->connect_retries_on_timeout =
        (int)conf_int(conf, CONF_ipc_client_connect_max_retries_on_timeouts);
    proxy->connect_pause_ms = conf_ms(conf, CONF_ipc_client_connect_retry_interval);
    proxy->attempts_max = (int)conf_int(conf, CONF_dfs_client_retry_max_attempts);
    proxy->failovers_max = (int)conf_int(conf, CONF_dfs_client_failover_max_attempts);
    proxy->failover_base_ms = conf_ms(conf, CONF_dfs_client_failover_sleep_base_millis);
    proxy->failover_max_ms = conf_ms(conf, CONF_dfs_client_failover_sleep_max_millis);
    proxy->options = (struct rpc_client_options){
        .user = proxy->user,
        .real_user = proxy->real_user,
        .identity = &proxy->identity,
        .connect_timeout_ms = (int)conf_ms(conf, CONF_ipc_client_connect_timeout),
        .timeout_ms = (int)conf_ms(conf, CONF_ipc_client_rpc_timeout_ms),
        .idle_ms = (int)conf_ms(conf, CONF_ipc_client_connection_maxidletime),
        .response_max = (uint32_t)conf_size(conf, CONF_ipc_maximum_response_length),
    };
}

int nn_proxy_new(const struct conf *conf, const char *authority, const struct creds *creds,
                 struct nn_proxy **result, struct err *err)
{
    struct nn_proxy *proxy = NEW(struct nn_proxy);

    proxy->user = mem_strdup(creds->user);
    proxy->real_user = creds->real_user ? mem_strdup(creds->real_user) : NULL;
    rpc_identity_init(&proxy->identity);
    read_policies(proxy, conf);
    int rc = find_targets(proxy, conf, authority, err);
    if (rc) {
        nn_proxy_free(proxy);
        return rc;
    }
    for (unsigned i = 0; i < proxy->target_count; i++)
        proxy->targets[i].client =
            client_for(proxy, proxy->targets[i].host, proxy->targets[i].port, client_protocol, 0);
    *result = proxy;
    return 0;
}

void nn_proxy_free(struct nn_proxy *proxy)
{
    if (!proxy) return;
    for (unsigned i = 0; i < proxy->target_count; i++) {
        rpc_client_free(proxy->targets[i].client);
        mem_free(proxy->targets[i].host);
    }
    mem_free(proxy->uri);
    mem_free(proxy->user);
    mem_free(proxy->real_user);
    mem_free(proxy);
}

const char *nn_proxy_uri(const struct nn_proxy *proxy)
{
    return proxy->uri;
}

const char *nn_proxy_address(const struct nn_proxy *proxy)
{
    return rpc_client_address(proxy->targets[atomic_load(&proxy->current)].client);
}

/* ---- patience ---- */

static int64_t doubled(int64_t base_ms, int times, int64_t max_ms)
{
    int64_t pause = base_ms;

    while (times-- > 0 && pause < max_ms) pause *= 2;
    return MIN(pause, max_ms);
}

/* Another namenode may be the active one: the first change is free, later ones wait. -1: enough. */
static int64_t fail_over(struct nn_proxy *proxy, struct patience *patience, unsigned from)
{
    unsigned next = (from + 1) % proxy->target_count;

    if (proxy->target_count < 2 || patience->failovers >= proxy->failovers_max) return -1;
    atomic_compare_exchange_strong(&proxy->current, &from, next);
    if (patience->failovers++ == 0) return 0;
    return doubled(proxy->failover_base_ms, patience->failovers, proxy->failover_max_ms);
}

static int64_t connect_again(struct nn_proxy *proxy, struct patience *patience, int rc,
                             const char *address)
{
    bool timeout = rc == ERR_TIMEOUT;
    int *tried = timeout ? &patience->connect_timeouts : &patience->connects;
    int max = timeout ? proxy->connect_retries_on_timeout : proxy->connect_retries;

    if (*tried >= max) return -1;
    log_info("Retrying connect to server: %s. Already tried %d time(s); maxRetries=%d", address,
             *tried, max);
    (*tried)++;
    return timeout ? 0 : proxy->connect_pause_ms;
}

/* How long to wait before the next attempt; -1: the error stands. */
static int64_t pause_before_retry(struct nn_proxy *proxy, struct patience *patience,
                                  const struct rpc_attempt *attempt, int rc, unsigned target)
{
    bool single = proxy->target_count < 2;

    if (attempt->remote) {
        if (rc == ERR_STANDBY) return fail_over(proxy, patience, target);
        if (rc != ERR_RETRIABLE || patience->retriable >= proxy->attempts_max) return -1;
        return doubled(RETRIABLE_BASE_MS, patience->retriable++, RETRIABLE_MAX_MS);
    }
    if (!attempt->sent && (rc == ERR_CONNECT || rc == ERR_TIMEOUT))
        return single ? connect_again(proxy, patience, rc,
                                      rpc_client_address(proxy->targets[target].client))
                      : fail_over(proxy, patience, target);
    if (rc == ERR_UNKNOWN_HOST) return single ? -1 : fail_over(proxy, patience, target);
    if (rc != ERR_EOF && rc != ERR_CONNECTION_LOST) return -1;
    if (patience->lost >= LOST_MAX) return -1;
    /* A connection that the server closed while idle is nobody's fault: once more at once. */
    return patience->lost++ == 0 ? 0 : proxy->connect_pause_ms;
}

static int call_with_patience(struct nn_proxy *proxy, struct rpc_client *fixed, const char *method,
                              const void *request, const ProtobufCMessageDescriptor *type,
                              struct arena *arena, void *response, struct err *err)
{
    struct rpc_attempt attempt = RPC_ATTEMPT_INIT;
    struct patience patience = {0};

    for (;; attempt.retry_count++) {
        unsigned target = atomic_load(&proxy->current);
        struct rpc_client *client = fixed ? fixed : proxy->targets[target].client;
        int rc = rpc_client_attempt(client, &attempt, method, request, type, arena, response, err);
        if (!rc) return 0;
        int64_t pause_ms = pause_before_retry(proxy, &patience, &attempt, rc, target);
        if (pause_ms < 0) return rc;
        clock_sleep_ms(pause_ms);
    }
}

int nn_call(struct nn_proxy *proxy, const char *method, const void *request,
            const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
            struct err *err)
{
    return call_with_patience(proxy, NULL, method, request, type, arena, response, err);
}

int nn_call_protocol(struct nn_proxy *proxy, const char *protocol, const char *method,
                     const void *request, const ProtobufCMessageDescriptor *type,
                     struct arena *arena, void *response, struct err *err)
{
    struct target *target = &proxy->targets[atomic_load(&proxy->current)];
    struct rpc_client *client = client_for(proxy, target->host, target->port, protocol, 0);

    int rc = call_with_patience(proxy, client, method, request, type, arena, response, err);
    rpc_client_free(client);
    return rc;
}

int nn_call_datanode(struct nn_proxy *proxy, const char *address, const char *protocol,
                     const char *method, const void *request,
                     const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
                     struct err *err)
{
    struct net_addr to;
    int rc = net_parse(address, -1, &to, err);

    if (rc) return rc;
    struct rpc_client *client =
        client_for(proxy, to.host, to.port, protocol ? protocol : client_datanode_protocol,
                   proxy->datanode_timeout_ms);
    rc = rpc_client_call(client, method, request, type, arena, response, err);
    rpc_client_free(client);
    return rc;
}
