#include "common/xfer_op.h"

static const struct op_type {
    int code;
    const char *name;
    const ProtobufCMessageDescriptor *type;
} op_types[] = {
    {XFER_WRITE_BLOCK, "WRITE_BLOCK", &pb__op_write_block__descriptor},
    {XFER_READ_BLOCK, "READ_BLOCK", &pb__op_read_block__descriptor},
    {XFER_REPLACE_BLOCK, "REPLACE_BLOCK", &pb__op_replace_block__descriptor},
    {XFER_COPY_BLOCK, "COPY_BLOCK", &pb__op_copy_block__descriptor},
    {XFER_BLOCK_CHECKSUM, "BLOCK_CHECKSUM", &pb__op_block_checksum__descriptor},
    {XFER_TRANSFER_BLOCK, "TRANSFER_BLOCK", &pb__op_transfer_block__descriptor},
    {XFER_REQUEST_SHORT_CIRCUIT_FDS, "REQUEST_SHORT_CIRCUIT_FDS",
     &pb__op_request_short_circuit_access__descriptor},
    {XFER_RELEASE_SHORT_CIRCUIT_FDS, "RELEASE_SHORT_CIRCUIT_FDS",
     &pb__release_short_circuit_access_request__descriptor},
    {XFER_REQUEST_SHORT_CIRCUIT_SHM, "REQUEST_SHORT_CIRCUIT_SHM",
     &pb__short_circuit_shm_request__descriptor},
    {XFER_BLOCK_GROUP_CHECKSUM, "BLOCK_GROUP_CHECKSUM", &pb__op_block_group_checksum__descriptor},
    {XFER_CUSTOM, "CUSTOM", &pb__op_custom__descriptor},
};

static const struct op_type *op_type_of(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(op_types); i++)
        if (op_types[i].code == code) return &op_types[i];
    return NULL;
}

const char *xfer_op_name(int code)
{
    const struct op_type *type = op_type_of(code);

    return type ? type->name : "UNKNOWN";
}

const char *xfer_status_name(int status)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&pb__status__descriptor, status);
    return value ? value->name : "UNKNOWN";
}

void xfer_message_put(struct buf *buf, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    buf_put_varint(buf, size);
    protobuf_c_message_pack(message, buf_extend(buf, size));
}

void xfer_op_put(struct buf *buf, enum xfer_opcode code, const ProtobufCMessage *message)
{
    buf_put_u16(buf, XFER_VERSION);
    buf_put_u8(buf, (uint8_t)code);
    xfer_message_put(buf, message);
}

int xfer_message_read(struct xfer_in *in, const ProtobufCMessageDescriptor *type,
                      struct arena *arena, ProtobufCMessage **message, struct err *err)
{
    size_t size;
    int rc = xfer_in_length(in, XFER_MESSAGE_MAX, &size, err);
    if (rc) return rc;

    /* The length alone must not buy memory: big messages are taken in as they arrive. */
    struct buf bytes = {0};
    for (size_t left = size; left && !rc;) {
        size_t step = MIN(left, (size_t)XFER_IN_AHEAD * 4);
        rc = xfer_in_read(in, buf_extend(&bytes, step), step, err);
        left -= step;
    }
    if (!rc) {
        *message = protobuf_c_message_unpack(type, arena_protobuf(arena), size, bytes.data);
        if (!*message)
            rc = err_set(err, ERR_BAD_MESSAGE, "undecodable %s of %zu bytes", type->short_name,
                         size);
    }
    buf_release(&bytes);
    return rc;
}

int xfer_op_read(struct xfer_in *in, struct arena *arena, struct xfer_op *op, struct err *err)
{
    uint8_t header[XFER_OP_HEADER_SIZE];

    int rc = xfer_in_wait(in, err);
    if (!rc) rc = xfer_in_read(in, header, sizeof header, err);
    if (rc) return rc;

    int version = (int16_t)get_be16(header);
    if (version != XFER_VERSION)
        return err_set(err, ERR_BAD_MESSAGE, "Version Mismatch (Expected: %d, Received: %d )",
                       XFER_VERSION, version);
    const struct op_type *type = op_type_of(header[2]);
    if (!type) return err_set(err, ERR_BAD_MESSAGE, "Unknown op %u in data stream", header[2]);
    op->code = (enum xfer_opcode)header[2];
    rc = xfer_message_read(in, type->type, arena, &op->message, err);
    if (rc == ERR_EOF) rc = err_set(err, ERR_BAD_MESSAGE, "%s cut short", type->name);
    return rc;
}

void xfer_response_put(struct buf *buf, const Pb__BlockOpResponse *response)
{
    static char nothing[] = "";
    Pb__BlockOpResponse copy = *response;

    if (!copy.firstbadlink && !copy.message && !copy.checksumresponse && !copy.readopchecksuminfo)
        copy.firstbadlink = nothing;
    xfer_message_put(buf, &copy.base);
}

void xfer_response_put_status(struct buf *buf, Pb__Status status, const char *first_bad_link,
                              const char *text)
{
    Pb__BlockOpResponse response = PB__BLOCK_OP_RESPONSE__INIT;

    response.status = status;
    response.firstbadlink = (char *)(uintptr_t)first_bad_link;
    response.message = (char *)(uintptr_t)text;
    xfer_response_put(buf, &response);
}

int xfer_response_read(struct xfer_in *in, struct arena *arena, Pb__BlockOpResponse **response,
                       struct err *err)
{
    ProtobufCMessage *message;
    int rc = xfer_message_read(in, &pb__block_op_response__descriptor, arena, &message, err);

    if (!rc) *response = (Pb__BlockOpResponse *)message;
    return rc;
}

int xfer_response_check(const Pb__BlockOpResponse *response, struct err *err)
{
    if (response->status == PB__STATUS__SUCCESS) return 0;
    int code = response->status == PB__STATUS__ERROR_ACCESS_TOKEN ? ERR_BLOCK_TOKEN : ERR_REMOTE;
    return err_set(err, code, "Got error, status=%s, status message %s",
                   xfer_status_name((int)response->status),
                   response->message ? response->message : "");
}

void xfer_read_status_put(struct buf *buf, Pb__Status status)
{
    Pb__ClientReadStatus message = PB__CLIENT_READ_STATUS__INIT;

    message.status = status;
    xfer_message_put(buf, &message.base);
}

int xfer_read_status_read(struct xfer_in *in, Pb__Status *status, struct err *err)
{
    struct arena arena = {0};
    ProtobufCMessage *message;
    int rc = xfer_message_read(in, &pb__client_read_status__descriptor, &arena, &message, err);

    if (!rc) *status = ((Pb__ClientReadStatus *)message)->status;
    arena_release(&arena);
    return rc;
}
