/* Apache's words for network failures (org.apache.hadoop.net.NetUtils.wrapException): users know
 * them, and scripts look for them. */
#include <stdio.h>

#include "common/net.h"
#include "common/rpc_client.h"

/* "name/address" of this host, as Java prints InetAddress.getLocalHost(). */
static void local_host(char *text, size_t size)
{
    struct net_addr addr = {.port = 0}, numeric;
    struct net_sockaddr list[NET_RESOLVE_MAX];
    size_t count = 0;

    net_host_name(addr.host, sizeof addr.host);
    if (net_resolve(&addr, list, &count, NULL) || !count) {
        snprintf(text, size, "%s", addr.host);
        return;
    }
    net_sockaddr_addr(&list[0], &numeric);
    snprintf(text, size, "%s/%s", addr.host, numeric.host);
}

static bool is_any(const char *host)
{
    return str_eq(host, "0.0.0.0") || str_eq(host, "::") || str_eq(host, "0:0:0:0:0:0:0:0");
}

static const char more[] = "For more details see:  http://wiki.apache.org/hadoop/";

int rpc_wrap_network_error(struct err *err, const char *host, uint16_t port)
{
    char local[2 * NET_HOST_MAX + 2], reason[ERR_TEXT_MAX];
    int code = err->code;
    unsigned p = port;

    local_host(local, sizeof local);
    memcpy(reason, err->text, sizeof reason);
    switch (code) {
    case ERR_CONNECT:
        if (is_any(host) || !port)
            return err_set(err, code, "Your endpoint configuration is wrong; %sUnsetHostnameOrPort",
                           more);
        if (strstr(reason, "No route to host"))
            return err_set(err, code,
                           "No Route to Host from  %s to %s:%u failed on socket timeout exception: "
                           "java.net.NoRouteToHostException: No route to host; %sNoRouteToHost",
                           local, host, p, more);
        return err_set(
            err, code,
            "Call From %s to %s:%u failed on connection exception: "
            "java.net.ConnectException: %s; %sConnectionRefused",
            local, host, p,
            strstr(reason, "unreachable") ? "Network is unreachable" : "Connection refused", more);
    case ERR_UNKNOWN_HOST:
        return err_set(err, code,
                       "Invalid host name: local host is: \"%s\"; destination host is: \"%s\":%u; "
                       "java.net.UnknownHostException; %sUnknownHost",
                       local, host, p, more);
    case ERR_TIMEOUT:
        return err_set(err, code,
                       "Call From %s to %s:%u failed on socket timeout exception: "
                       "%s: %s; %sSocketTimeout",
                       local, host, p,
                       strstr(reason, "ready for connect")
                           ? "org.apache.hadoop.net.ConnectTimeoutException"
                           : "java.net.SocketTimeoutException",
                       reason, more);
    case ERR_EOF:
        return err_set(err, code,
                       "End of File Exception between local host is: \"%s\"; destination host is: "
                       "\"%s\":%u; : java.io.EOFException; %sEOFException",
                       local, host, p, more);
    case ERR_CONNECTION_LOST:
        return err_set(
            err, code,
            "Call From %s to %s:%u failed on socket exception: java.net.SocketException: "
            "Connection reset; %sSocketException",
            local, host, p, more);
    default:
        return err_set(err, code,
                       "DestHost:destPort %s:%u , LocalHost:localPort %s:0. Failed on local "
                       "exception: java.io.IOException: %s",
                       host, p, local, reason);
    }
}
