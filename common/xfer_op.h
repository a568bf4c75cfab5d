/*
 * Requests and answers of DataTransferProtocol version 28, both directions: for the datanode that
 * receives operations and for whoever sends them (clients, and datanodes in a pipeline).
 *
 * A request is i16 version, u8 opcode, and a delimited message. Answers Hadoop's classes
 * Sender, Receiver and Op. Messages unpacked here live in the caller's arena.
 */
#ifndef COMMON_XFER_OP_H
#define COMMON_XFER_OP_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/xfer_io.h"
#include "proto/datatransfer.pb-c.h"

enum { XFER_VERSION = 28, XFER_OP_HEADER_SIZE = 3 };

enum xfer_opcode {
    XFER_WRITE_BLOCK = 80,
    XFER_READ_BLOCK = 81,
    XFER_READ_METADATA = 82,
    XFER_REPLACE_BLOCK = 83,
    XFER_COPY_BLOCK = 84,
    XFER_BLOCK_CHECKSUM = 85,
    XFER_TRANSFER_BLOCK = 86,
    XFER_REQUEST_SHORT_CIRCUIT_FDS = 87,
    XFER_RELEASE_SHORT_CIRCUIT_FDS = 88,
    XFER_REQUEST_SHORT_CIRCUIT_SHM = 89,
    XFER_BLOCK_GROUP_CHECKSUM = 90,
    XFER_CUSTOM = 127,
};

/* A received request. `code` tells which member holds. */
struct xfer_op {
    enum xfer_opcode code;
    union {
        ProtobufCMessage *message;
        Pb__OpWriteBlock *write;
        Pb__OpReadBlock *read;
        Pb__OpReplaceBlock *replace;
        Pb__OpCopyBlock *copy;
        Pb__OpBlockChecksum *checksum;
        Pb__OpTransferBlock *transfer;
        Pb__OpRequestShortCircuitAccess *short_circuit;
        Pb__ReleaseShortCircuitAccessRequest *release;
        Pb__ShortCircuitShmRequest *shm;
        Pb__OpBlockGroupChecksum *group_checksum;
        Pb__OpCustom *custom;
    };
};

const char *xfer_op_name(int code);       /* "WRITE_BLOCK", …; "UNKNOWN" for others */
const char *xfer_status_name(int status); /* "SUCCESS", …; "UNKNOWN" for others */

/* Appends a whole request: put it, then xfer_write() the buffer. */
void xfer_op_put(struct buf *buf, enum xfer_opcode code, const ProtobufCMessage *message);

/* Reads the next request of a connection. ERR_EOF when the peer closed before its first byte;
 * ERR_BAD_MESSAGE for a wrong version, an unknown opcode or an undecodable message (close then:
 * there is no answer to that in the protocol). */
int xfer_op_read(struct xfer_in *in, struct arena *arena, struct xfer_op *op,
                 struct err *err) MUST_CHECK;

/* Any message with its length in front. */
void xfer_message_put(struct buf *buf, const ProtobufCMessage *message);
/* Reads one of the given type; *message is of that type. ERR_BAD_MESSAGE, or as xfer_in_read. */
int xfer_message_read(struct xfer_in *in, const ProtobufCMessageDescriptor *type,
                      struct arena *arena, ProtobufCMessage **message, struct err *err) MUST_CHECK;

/* BlockOpResponse. Never shorter than five bytes in all, as some clients' readers wait for these:
 * firstBadLink "" is put when the caller set neither it nor a message or other parts. */
void xfer_response_put(struct buf *buf, const Pb__BlockOpResponse *response);
/* The plain case; `first_bad_link` and `text` may be NULL. */
void xfer_response_put_status(struct buf *buf, Pb__Status status, const char *first_bad_link,
                              const char *text);
int xfer_response_read(struct xfer_in *in, struct arena *arena, Pb__BlockOpResponse **response,
                       struct err *err) MUST_CHECK;
/* 0 for SUCCESS; else ERR_BLOCK_TOKEN or ERR_REMOTE with the status and the peer's text in `err`.
 */
int xfer_response_check(const Pb__BlockOpResponse *response, struct err *err) MUST_CHECK;

/* ClientReadStatus, with which a reader ends a READ_BLOCK. */
void xfer_read_status_put(struct buf *buf, Pb__Status status);
int xfer_read_status_read(struct xfer_in *in, Pb__Status *status, struct err *err) MUST_CHECK;

#endif
