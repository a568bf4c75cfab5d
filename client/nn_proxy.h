/*
 * Calls to the namenode, with the patience of Hadoop's clients: connecting again while nobody
 * answers, repeating a call under its old id when the connection was lost (the namenode's retry
 * cache knows it then), waiting when it says "try again", and turning to the next namenode of the
 * nameservice when this one is not the active one.
 *
 * Answers to NameNodeProxiesClient and the retry policies of org.apache.hadoop.io.retry. Any
 * thread.
 */
#ifndef CLIENT_NN_PROXY_H
#define CLIENT_NN_PROXY_H

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"
#include "common/err.h"
#include "common/mem.h"

struct conf;
struct creds;
struct nn_proxy;

enum { NN_PROXY_TARGETS_MAX = 16 };

/* `authority` is host[:port], or the name of a nameservice of `conf`. ERR_CONFIG when it is
 * neither. */
int nn_proxy_new(const struct conf *conf, const char *authority, const struct creds *creds,
                 struct nn_proxy **proxy, struct err *err) MUST_CHECK;
void nn_proxy_free(struct nn_proxy *proxy); /* nobody may be inside; NULL is fine */

/* ClientProtocol. *response (whose address `response` is; NULL: not wanted) lives in `arena`. */
int nn_call(struct nn_proxy *proxy, const char *method, const void *request,
            const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
            struct err *err) MUST_CHECK;
/* Another protocol of the namenode, over a connection of its own. */
int nn_call_protocol(struct nn_proxy *proxy, const char *protocol, const char *method,
                     const void *request, const ProtobufCMessageDescriptor *type,
                     struct arena *arena, void *response, struct err *err) MUST_CHECK;
/* One attempt at a datanode's IPC server. */
int nn_call_datanode(struct nn_proxy *proxy, const char *address, const char *protocol,
                     const char *method, const void *request,
                     const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
                     struct err *err) MUST_CHECK;

/* "hdfs://host:port" or "hdfs://nameservice". */
const char *nn_proxy_uri(const struct nn_proxy *proxy);
/* "host:port" of the namenode that answered last. The string lives as long as the proxy. */
const char *nn_proxy_address(const struct nn_proxy *proxy);

#endif
