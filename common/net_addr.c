/* Addresses: text, numbers, names. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "common/net.h"
#include "common/parse.h"

static bool copy_part(char *to, size_t size, const char *from, size_t length)
{
    if (length >= size) return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* host[:port] or [v6][:port] in exactly `length` bytes; *port is -1 when there is none. */
static bool parse_host_port(const char *text, size_t length, char *host, int *port)
{
    const char *end = text + length, *after;
    int64_t number;

    if (length && text[0] == '[') {
        struct in6_addr v6;
        const char *close = memchr(text, ']', length);
        if (!close || !copy_part(host, NET_HOST_MAX, text + 1, (size_t)(close - text - 1)))
            return false;
        char bare[NET_HOST_MAX];
        copy_part(bare, sizeof bare, host, strcspn(host, "%"));
        if (inet_pton(AF_INET6, bare, &v6) != 1) return false;
        after = close + 1;
    } else {
        const char *colon = memchr(text, ':', length);
        after = colon ? colon : end;
        if (!copy_part(host, NET_HOST_MAX, text, (size_t)(after - text))) return false;
        for (const char *at = text; at < after; at++)
            if (!isalnum((unsigned char)*at) && !strchr("-._", *at)) return false;
    }
    *port = -1;
    if (after == end) return true;
    if (*after != ':' || !isdigit((unsigned char)after[1])) return false;
    if (!parse_i64_n(after + 1, (size_t)(end - after - 1), 0, UINT16_MAX, &number)) return false;
    *port = (int)number;
    return true;
}

int net_parse_uri(const char *text, struct net_uri *uri, struct err *err)
{
    const char *at = text;

    memset(uri, 0, sizeof *uri);
    uri->port = -1;
    size_t scheme = 0;
    while (isalnum((unsigned char)text[scheme]) ||
           (scheme && text[scheme] && strchr("+-.", text[scheme])))
        scheme++;
    if (scheme && isalpha((unsigned char)text[0]) && text[scheme] == ':' &&
        (text[scheme + 1] == '/' || !text[scheme + 1])) {
        if (!copy_part(uri->scheme, sizeof uri->scheme, text, scheme))
            return err_set(err, ERR_ARGUMENT, "the scheme of the URI %.100s is too long", text);
        for (char *c = uri->scheme; *c; c++) *c = (char)tolower((unsigned char)*c);
        at = text + scheme + 1;
    }
    if (!str_starts(at, "//") || (at == text && !uri->scheme[0])) {
        uri->path = at;
        return 0;
    }
    at += 2;
    size_t length = strcspn(at, "/?#");
    uri->path = at + length;
    const char *sign = memchr(at, '@', length);
    if (sign) {
        if (!copy_part(uri->user, sizeof uri->user, at, (size_t)(sign - at)))
            return err_set(err, ERR_ARGUMENT, "the user of the URI %.100s is too long", text);
        length -= (size_t)(sign + 1 - at);
        at = sign + 1;
    }
    if (!copy_part(uri->authority, sizeof uri->authority, at, length) ||
        !parse_host_port(at, length, uri->host, &uri->port))
        return err_set(err, ERR_ARGUMENT, "%.300s: '%.*s' is no host:port", text,
                       (int)MIN(length, 200u), at);
    return 0;
}

int net_parse(const char *text, int default_port, struct net_addr *addr, struct err *err)
{
    struct net_uri uri;
    const char *at = text;
    int port;

    while (isspace((unsigned char)*at)) at++;
    size_t length = strlen(at);
    while (length && isspace((unsigned char)at[length - 1])) length--;
    if (strstr(at, "://")) {
        int rc = net_parse_uri(at, &uri, err);
        if (rc) return rc;
        memcpy(addr->host, uri.host, sizeof addr->host);
        port = uri.port;
    } else if (!parse_host_port(at, length, addr->host, &port)) {
        return err_set(err, ERR_ARGUMENT, "Does not contain a valid host:port authority: %.300s",
                       text);
    }
    if (port < 0) port = default_port;
    if (port < 0 || !addr->host[0])
        return err_set(err, ERR_ARGUMENT, "Does not contain a valid host:port authority: %.300s",
                       text);
    addr->port = (uint16_t)port;
    return 0;
}

void net_format(const struct net_addr *addr, char *text, size_t size)
{
    const char *format = strchr(addr->host, ':') ? "[%s]:%u" : "%s:%u";
    snprintf(text, size, format, addr->host, (unsigned)addr->port);
}

bool net_numeric(const char *host, uint16_t port, struct net_sockaddr *addr)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM},
                    *found;
    char service[8];

    if (!host[0]) return false;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found)) return false;
    memset(addr, 0, sizeof *addr);
    memcpy(&addr->storage, found->ai_addr, found->ai_addrlen);
    addr->length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

int net_resolve(const struct net_addr *addr, struct net_sockaddr *list, size_t *count,
                struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    char service[8];

    snprintf(service, sizeof service, "%u", (unsigned)addr->port);
    int rc = getaddrinfo(addr->host, service, &hints, &found);
    if (rc)
        return err_set(err, ERR_UNKNOWN_HOST, "%s: %s; check the name and the resolver", addr->host,
                       rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
    *count = 0;
    for (struct addrinfo *ai = found; ai && *count < NET_RESOLVE_MAX; ai = ai->ai_next) {
        struct net_sockaddr *to = &list[(*count)++];
        memset(to, 0, sizeof *to);
        memcpy(&to->storage, ai->ai_addr, ai->ai_addrlen);
        to->length = ai->ai_addrlen;
    }
    freeaddrinfo(found);
    return 0;
}

/* ::ffff:1.2.3.4 is 1.2.3.4 for everybody who reads it. */
static bool mapped_v4(const struct sockaddr_storage *storage, struct in_addr *v4)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)storage;

    if (storage->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return false;
    memcpy(v4, v6->sin6_addr.s6_addr + 12, sizeof *v4);
    return true;
}

void net_sockaddr_addr(const struct net_sockaddr *from, struct net_addr *addr)
{
    struct in_addr v4;
    char service[8] = "0";

    if (mapped_v4(&from->storage, &v4)) {
        inet_ntop(AF_INET, &v4, addr->host, sizeof addr->host);
        addr->port = ntohs(((const struct sockaddr_in6 *)(const void *)&from->storage)->sin6_port);
        return;
    }
    if (getnameinfo((const struct sockaddr *)&from->storage, from->length, addr->host,
                    sizeof addr->host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(addr->host, sizeof addr->host, "?");
    uint64_t port = 0;
    parse_u64(service, UINT16_MAX, &port);
    addr->port = (uint16_t)port;
}

static bool end_of(int fd, int (*which)(int, struct sockaddr *, socklen_t *), struct net_addr *addr)
{
    struct net_sockaddr from = {.length = sizeof from.storage};

    if (which(fd, (struct sockaddr *)&from.storage, &from.length)) return false;
    if (from.storage.ss_family != AF_INET && from.storage.ss_family != AF_INET6) return false;
    net_sockaddr_addr(&from, addr);
    return true;
}

static int get_peer(int fd, struct sockaddr *addr, socklen_t *length)
{
    return getpeername(fd, addr, length);
}
static int get_local(int fd, struct sockaddr *addr, socklen_t *length)
{
    return getsockname(fd, addr, length);
}

bool net_peer(int fd, struct net_addr *addr)
{
    return end_of(fd, get_peer, addr);
}
bool net_local(int fd, struct net_addr *addr)
{
    return end_of(fd, get_local, addr);
}

char *net_peer_text(int fd, char *text, size_t size)
{
    struct net_addr addr;

    snprintf(text, size, "?");
    if (net_peer(fd, &addr)) net_format(&addr, text, size);
    return text;
}

char *net_local_text(int fd, char *text, size_t size)
{
    struct net_addr addr;

    snprintf(text, size, "?");
    if (net_local(fd, &addr)) net_format(&addr, text, size);
    return text;
}

void net_host_name(char *name, size_t size)
{
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found;
    char own[NET_HOST_MAX];

    if (gethostname(own, sizeof own)) snprintf(own, sizeof own, "localhost");
    own[sizeof own - 1] = '\0';
    snprintf(name, size, "%s", own);
    if (getaddrinfo(own, NULL, &hints, &found)) return;
    if (found->ai_canonname && !str_empty(found->ai_canonname))
        snprintf(name, size, "%s", found->ai_canonname);
    freeaddrinfo(found);
}

bool net_reverse(const char *ip, char *name, size_t size)
{
    struct net_sockaddr addr;

    snprintf(name, size, "%s", ip);
    if (!net_numeric(ip, 0, &addr)) return false;
    return getnameinfo((struct sockaddr *)&addr.storage, addr.length, name, (socklen_t)size, NULL,
                       0, NI_NAMEREQD) == 0;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family) return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    if (a->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                      sizeof(struct in6_addr)) == 0;
    return false;
}

bool net_is_loopback(const struct net_sockaddr *addr)
{
    struct in_addr v4;

    if (mapped_v4(&addr->storage, &v4)) return ntohl(v4.s_addr) >> 24 == 127;
    if (addr->storage.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)&addr->storage)->sin_addr.s_addr) >>
                   24 ==
               127;
    return addr->storage.ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(
               &((const struct sockaddr_in6 *)(const void *)&addr->storage)->sin6_addr);
}

bool net_is_local(const struct net_sockaddr *addr)
{
    struct ifaddrs *all;
    bool found = false;

    if (net_is_loopback(addr)) return true;
    if (getifaddrs(&all)) return false;
    for (struct ifaddrs *at = all; at && !found; at = at->ifa_next)
        found = at->ifa_addr && same_host(at->ifa_addr, (const struct sockaddr *)&addr->storage);
    freeifaddrs(all);
    return found;
}
