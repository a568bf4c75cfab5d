#include "common/rpc_frame.h"

#include <stdio.h>
#include <sys/random.h>

/* What unpacking may take from the system: a hostile frame of empty submessages would else grow by
 * the size of a C struct for each two bytes. */
enum { UNPACK_FACTOR = 64, UNPACK_BASE = 64 << 10 };
#define UNPACK_EXTRA_MAX ((size_t)512 << 20)
enum { MISSING_TEXT_MAX = 512, MESSAGE_DEPTH_MAX = 16 };

/* --- writing --- */

void rpc_put_preamble(struct buf *out, uint8_t service_class, uint8_t auth)
{
    buf_put(out, "hrpc", 4);
    buf_put_u8(out, RPC_VERSION);
    buf_put_u8(out, service_class);
    buf_put_u8(out, auth);
}

void rpc_put_delimited(struct buf *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    buf_put_varint(out, size);
    protobuf_c_message_pack(message, buf_extend(out, size));
}

size_t rpc_frame_begin(struct buf *out)
{
    size_t begin = out->length;
    buf_put_u32(out, 0);
    return begin;
}

void rpc_frame_end(struct buf *out, size_t begin)
{
    size_t size = out->length - begin - 4;
    assert(size <= UINT32_MAX);
    buf_set_u32(out, begin, (uint32_t)size);
}

static void fill_request_header(Pb__RpcRequestHeader *header, const struct rpc_request_id *id)
{
    pb__rpc_request_header__init(header);
    header->has_rpckind = header->has_rpcop = header->has_retrycount = true;
    header->rpckind = PB__RPC_KIND__RPC_PROTOCOL_BUFFER;
    header->rpcop = PB__RPC_REQUEST_HEADER__OPERATION__RPC_FINAL_PACKET;
    header->callid = id->call_id;
    header->retrycount = id->retry_count;
    if (!id->client_id) return;
    header->clientid.data = (uint8_t *)id->client_id;
    header->clientid.len = RPC_CLIENT_ID_SIZE;
}

static void put_request_header(struct buf *out, const struct rpc_request_id *id)
{
    Pb__RpcRequestHeader header;
    Pb__RPCCallerContext caller = PB__RPCCALLER_CONTEXT__INIT;

    fill_request_header(&header, id);
    if (id->caller_context) {
        caller.context = (char *)id->caller_context;
        header.callercontext = &caller;
    }
    rpc_put_delimited(out, &header.base);
}

static void put_out_of_band(struct buf *out, const uint8_t *client_id, int32_t call_id,
                            const char *caller_context, const ProtobufCMessage *message)
{
    struct rpc_request_id id = {.client_id = client_id,
                                .call_id = call_id,
                                .retry_count = RPC_RETRY_INVALID,
                                .caller_context = caller_context};
    size_t begin = rpc_frame_begin(out);

    put_request_header(out, &id);
    if (message) rpc_put_delimited(out, message);
    rpc_frame_end(out, begin);
}

void rpc_put_context(struct buf *out, const struct rpc_request_id *caller, const char *user,
                     const char *real_user, const char *protocol)
{
    Pb__IpcConnectionContext context = PB__IPC_CONNECTION_CONTEXT__INIT;
    Pb__UserInformation info = PB__USER_INFORMATION__INIT;

    info.effectiveuser = (char *)user;
    info.realuser = (char *)real_user;
    context.userinfo = &info;
    context.protocol = (char *)protocol;
    put_out_of_band(out, caller->client_id, RPC_CALL_CONTEXT, caller->caller_context,
                    &context.base);
}

void rpc_put_ping(struct buf *out, const uint8_t *client_id)
{
    put_out_of_band(out, client_id, RPC_CALL_PING, NULL, NULL);
}

void rpc_put_sasl_request(struct buf *out, const Pb__RpcSasl *message)
{
    put_out_of_band(out, NULL, RPC_CALL_SASL, NULL, &message->base);
}

int rpc_put_request(struct buf *out, const struct rpc_request_id *id, const char *protocol,
                    const char *method, const ProtobufCMessage *request, size_t frame_max,
                    struct err *err)
{
    Pb__RequestHeader operation = PB__REQUEST_HEADER__INIT;
    size_t body = protobuf_c_message_get_packed_size(request);
    size_t before = out->length, begin;

    if (body > frame_max)
        return err_set(err, ERR_LIMIT,
                       "%s: the request of %zu bytes exceeds the %zu bytes of one call", method,
                       body, frame_max);
    operation.methodname = (char *)method;
    operation.declaringclassprotocolname = (char *)protocol;
    operation.clientprotocolversion = 1;
    begin = rpc_frame_begin(out);
    put_request_header(out, id);
    rpc_put_delimited(out, &operation.base);
    rpc_put_delimited(out, request);
    if (out->length - begin - 4 > frame_max) {
        out->length = before;
        return err_set(err, ERR_LIMIT, "%s: the request exceeds the %zu bytes of one call", method,
                       frame_max);
    }
    rpc_frame_end(out, begin);
    return 0;
}

void rpc_put_response(struct buf *out, const Pb__RpcResponseHeader *header,
                      const ProtobufCMessage *body)
{
    size_t begin = rpc_frame_begin(out);

    rpc_put_delimited(out, &header->base);
    if (body) rpc_put_delimited(out, body);
    rpc_frame_end(out, begin);
}

void rpc_response_set_error(Pb__RpcResponseHeader *header, Pb__RpcResponseHeader__RpcStatus status,
                            Pb__RpcResponseHeader__RpcErrorCode detail, const struct err *err)
{
    header->status = status;
    header->exceptionclassname =
        err->java_class[0] ? (char *)err->java_class : (char *)err_java_class(err->code);
    header->errormsg = err->text[0] ? (char *)err->text : (char *)err_text(err->code);
    header->has_errordetail = true;
    header->errordetail = detail;
}

Pb__RpcResponseHeader__RpcErrorCode rpc_error_detail(int err_code)
{
    switch (err_code) {
    case ERR_NO_SUCH_METHOD: return PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_METHOD;
    case ERR_NO_SUCH_PROTOCOL:
        return PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_PROTOCOL;
    case ERR_RPC_SERVER: return PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_RPC_SERVER;
    case ERR_RPC_VERSION:
        return PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_RPC_VERSION_MISMATCH;
    default: return PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_APPLICATION;
    }
}

/* --- reading --- */

struct budget {
    struct arena *arena;
    size_t left;
    bool refused;
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;

    if (size > budget->left) {
        budget->refused = true;
        return NULL;
    }
    budget->left -= size;
    return arena_alloc(budget->arena, size);
}

static void budget_free(void *data UNUSED, void *p UNUSED) {}

/* Walks the fields of a message that could not be unpacked, to say why (protobuf-c does not). */
struct examiner {
    char missing[MISSING_TEXT_MAX]; /* "a, b[0].c" */
    bool malformed;
};

static void note_missing(struct examiner *examiner, const char *prefix, const char *name)
{
    size_t used = strlen(examiner->missing);

    snprintf(examiner->missing + used, sizeof examiner->missing - used, "%s%s%s", used ? ", " : "",
             prefix, name);
}

/* Takes the value of one field; delimited values also as a cursor. False for wire types that do not
 * exist any more. */
static bool take_value(struct cursor *cursor, unsigned wire_type, struct cursor *delimited)
{
    *delimited = (struct cursor){.bad = true};
    switch (wire_type) {
    case 0: cursor_varint(cursor); break;
    case 1: cursor_bytes(cursor, 8); break;
    case 2: *delimited = cursor_delimited(cursor); break;
    case 5: cursor_bytes(cursor, 4); break;
    default: return false;
    }
    return cursor_ok(cursor);
}

static void examine(struct examiner *examiner, const ProtobufCMessageDescriptor *type,
                    struct cursor cursor, const char *prefix, int depth);

/* `index` counts the elements of a repeated field; -1 otherwise. */
static void examine_inside(struct examiner *examiner, const ProtobufCFieldDescriptor *field,
                           struct cursor value, const char *prefix, int index, int depth)
{
    char inner[MISSING_TEXT_MAX];

    if (index < 0)
        snprintf(inner, sizeof inner, "%s%s.", prefix, field->name);
    else
        snprintf(inner, sizeof inner, "%s%s[%d].", prefix, field->name, index);
    examine(examiner, field->descriptor, value, inner, depth + 1);
}

static void examine(struct examiner *examiner, const ProtobufCMessageDescriptor *type,
                    struct cursor cursor, const char *prefix, int depth)
{
    uint32_t seen[256] = {0}; /* by position of the field in its descriptor */

    if (depth > MESSAGE_DEPTH_MAX || type->n_fields > ARRAY_LEN(seen)) return;
    for (struct cursor pass = cursor; cursor_left(&pass) && !examiner->malformed;) {
        uint64_t tag = cursor_varint(&pass);
        struct cursor value;
        if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX || !take_value(&pass, tag & 7, &value)) {
            examiner->malformed = true;
            return;
        }
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (!field) continue;
        uint32_t index = seen[field - type->fields]++;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && cursor_ok(&value))
            examine_inside(examiner, field, value, prefix,
                           field->label == PROTOBUF_C_LABEL_REPEATED ? (int)index : -1, depth);
        if (examiner->missing[0] && strlen(examiner->missing) > MISSING_TEXT_MAX / 2) return;
    }
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].label == PROTOBUF_C_LABEL_REQUIRED && !seen[i])
            note_missing(examiner, prefix, type->fields[i].name);
}

static int unpack_error(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                        bool too_large, struct err *err)
{
    struct examiner examiner = {.missing = ""};

    if (too_large)
        return err_set(
            err, ERR_BAD_MESSAGE,
            "Protocol message was too large: %zu bytes of %s unpack to more memory than is "
            "given to one message",
            size, type->short_name);
    examine(&examiner, type, cursor_of(data, size), "", 0);
    if (!examiner.malformed && examiner.missing[0])
        return err_set(err, ERR_BAD_MESSAGE, "Message missing required fields: %s",
                       examiner.missing);
    return err_set(
        err, ERR_BAD_MESSAGE,
        "While parsing a protocol message, the input ended unexpectedly in the middle of a "
        "field.  This could mean either that the input has been truncated or that an "
        "embedded message misreported its own length.");
}

/* protobuf-c ends a text at its NUL: taking "/a\0b" for "/a" could delete the wrong file. */
static bool has_cut_string(const ProtobufCMessageDescriptor *type, struct cursor cursor, int depth)
{
    if (depth > MESSAGE_DEPTH_MAX) return true;
    while (cursor_left(&cursor) && cursor_ok(&cursor)) {
        uint64_t tag = cursor_varint(&cursor);
        struct cursor value;
        if (!take_value(&cursor, tag & 7, &value)) return true;
        if (!cursor_ok(&value) || !cursor_left(&value)) continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (!field) continue;
        if (field->type == PROTOBUF_C_TYPE_STRING && memchr(value.at, 0, cursor_left(&value)))
            return true;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
            has_cut_string(field->descriptor, value, depth + 1))
            return true;
    }
    return false;
}

ProtobufCMessage *rpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                             struct arena *arena, struct err *err)
{
    size_t extra =
        size > UNPACK_EXTRA_MAX / UNPACK_FACTOR ? UNPACK_EXTRA_MAX : size * UNPACK_FACTOR;
    struct budget budget = {.arena = arena, .left = size + extra + UNPACK_BASE};
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &budget};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);

    if (!message) {
        unpack_error(type, data, size, budget.refused, err);
        return NULL;
    }
    if (size && memchr(data, 0, size) && has_cut_string(type, cursor_of(data, size), 0)) {
        err_set(err, ERR_BAD_MESSAGE, "%s holds a text with a NUL character", type->short_name);
        return NULL;
    }
    return message;
}

ProtobufCMessage *rpc_take_delimited(struct cursor *cursor, const ProtobufCMessageDescriptor *type,
                                     struct arena *arena, struct err *err)
{
    struct cursor inner = cursor_delimited(cursor);

    if (!cursor_ok(cursor)) {
        unpack_error(type, "\x0a", 1, false, err); /* as of a field that ends too early */
        return NULL;
    }
    return rpc_unpack(type, inner.at, cursor_left(&inner), arena, err);
}

void rpc_client_id_random(uint8_t client_id[RPC_CLIENT_ID_SIZE])
{
    ssize_t got = getrandom(client_id, RPC_CLIENT_ID_SIZE, 0);

    assert(got == RPC_CLIENT_ID_SIZE); /* never short below 256 bytes */
    client_id[6] = (client_id[6] & 0x0f) | 0x40;
    client_id[8] = (client_id[8] & 0x3f) | 0x80;
}
