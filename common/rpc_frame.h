/*
 * Bytes of Hadoop RPC version 9: the opening of a connection, frames, and the headers in them. Both
 * sides use it; nothing here touches a socket. Answers to org.apache.hadoop.ipc.{Client,Server} and
 * org.apache.hadoop.util.ProtoUtil.
 *
 * A request frame is: u32 length, delimited RpcRequestHeader, delimited RequestHeader, delimited
 * message. A response frame is: u32 length, delimited RpcResponseHeader, and on success the
 * delimited message.
 */
#ifndef COMMON_RPC_FRAME_H
#define COMMON_RPC_FRAME_H

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/rpc.pb-c.h"

enum {
    RPC_VERSION = 9,
    RPC_PREAMBLE_SIZE = 7,
    RPC_CLIENT_ID_SIZE = 16,
    RPC_AUTH_NONE = 0,
    RPC_AUTH_SASL = 0xDF,
    RPC_FRAME_MAX_DEFAULT = 128 << 20, /* ipc.maximum.data.length, ipc.maximum.response.length */
    RPC_RETRY_INVALID = -1,
};

enum rpc_call_id { /* below 0: not a call of a method */
                   RPC_CALL_AUTHORIZATION_FAILED = -1,
                   RPC_CALL_INVALID = -2,
                   RPC_CALL_CONTEXT = -3,
                   RPC_CALL_PING = -4,
                   RPC_CALL_SASL = -33,
};

/* Who and which attempt: what a request's header says about its call. */
struct rpc_request_id {
    const uint8_t *client_id; /* RPC_CLIENT_ID_SIZE bytes, or NULL for an empty one */
    int32_t call_id;
    int32_t retry_count;
    const char *caller_context; /* or NULL */
};

/* --- writing: each appends to `out` --- */

void rpc_put_preamble(struct buf *out, uint8_t service_class, uint8_t auth);
/* Java sends the caller's context here, too; NULL leaves it out. */
void rpc_put_context(struct buf *out, const struct rpc_request_id *caller, const char *user,
                     const char *real_user, const char *protocol);
void rpc_put_ping(struct buf *out, const uint8_t *client_id);
void rpc_put_sasl_request(struct buf *out, const Pb__RpcSasl *message);

/* One whole request frame. ERR_LIMIT when it would exceed `frame_max`; `out` is then as before. */
int rpc_put_request(struct buf *out, const struct rpc_request_id *id, const char *protocol,
                    const char *method, const ProtobufCMessage *request, size_t frame_max,
                    struct err *err) MUST_CHECK;

/* Appends varint length and the packed message. */
void rpc_put_delimited(struct buf *out, const ProtobufCMessage *message);

/* A frame whose length is not known yet: begin answers the offset for end. */
size_t rpc_frame_begin(struct buf *out);
void rpc_frame_end(struct buf *out, size_t begin);

/* One whole response frame; `body` may be NULL (an ERROR or FATAL answer carries none). */
void rpc_put_response(struct buf *out, const Pb__RpcResponseHeader *header,
                      const ProtobufCMessage *body);

/* Fills class, text and detail of an ERROR or FATAL header from `err` (which must outlive the
 * header). */
void rpc_response_set_error(Pb__RpcResponseHeader *header, Pb__RpcResponseHeader__RpcStatus status,
                            Pb__RpcResponseHeader__RpcErrorCode detail, const struct err *err);

/* The errorDetail Apache's server sends with this code. */
Pb__RpcResponseHeader__RpcErrorCode rpc_error_detail(int err_code);

/* --- reading --- */

/* Takes one delimited message from `cursor` into `arena`. On failure returns NULL with
 * ERR_BAD_MESSAGE, naming required fields that are missing in Apache's words, `Message missing
 * required fields: src, clientName`. */
ProtobufCMessage *rpc_take_delimited(struct cursor *cursor, const ProtobufCMessageDescriptor *type,
                                     struct arena *arena, struct err *err);

/* The same for `size` bytes without a length before them. */
ProtobufCMessage *rpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                             struct arena *arena, struct err *err);

/* Fills 16 bytes with a random (version 4) UUID, as Java's ClientId. */
void rpc_client_id_random(uint8_t client_id[RPC_CLIENT_ID_SIZE]);

#endif
