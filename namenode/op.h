/*
 * One request at work in the core: who asks, from where, and what the answer needs. Handlers are one line each in op_table.c and have this shape:
 *
 *   int op_mkdirs(struct core *core, struct op *op, const Pb__MkdirsRequest *request, Pb__MkdirsResponse *response, struct err *err);
 *
 * They return 0 and a filled response (already initialised; memory from op->arena or the core's own, as it is encoded before anything else runs),
 * a negative ERR_* with `err` set, OP_AGAIN (called again when others have had their turn, with op->progress as it left it), or OP_HOLD (op_file.c's complete: asked again when a block completes, or at its deadline).
 */
#ifndef NAMENODE_OP_H
#define NAMENODE_OP_H

#include "namenode/core.h"

enum { OP_HOLD = 1, OP_AGAIN = 2 };

struct op {
    struct arena *arena;
    const char *user; /* effective user */
    const char *const
        *groups;    /* of that user, looked up before the core saw the request; NULL-terminated */
    bool superuser; /* owner of the process or member of the supergroup */
    const char *client_ip;      /* the peer's address */
    const char *caller_context; /* may be NULL */
    const char *method;
    uint8_t client_id[EDIT_CLIENT_ID_SIZE];
    int32_t call_id;
    bool has_client_id; /* at-most-once calls put it into their edits: op_stamp() */
    int64_t received_ms;
    int64_t deadline_ms; /* a held call answers for good from here on; 0 before it is held */
    uint64_t held_block; /* OP_HOLD: the block it waits for */
    void *progress;      /* OP_AGAIN: the handler's own, in the arena; NULL at first */
    /* For the audit log: filled by handlers as Apache does ("src", "dst", permission of the result). */
    const char *audit_src, *audit_dst;
    const struct inode *audit_status;
    bool audit_skip;
    bool
        orders; /* the answer orders what follows from edits (deletions): it waits until all edits made so far are durable */
};

/* Puts the retry ids of an at-most-once call into its edit. */
static inline void op_stamp(const struct op *op, struct edit *edit)
{
    edit->has_client_id = op->has_client_id;
    memcpy(edit->client_id, op->client_id, sizeof edit->client_id);
    edit->call_id = op->call_id;
}

/* Fills what an at-most-once call is answered that took effect before a restart and is repeated now (op_file.c). */
int op_repeat(struct core *core, struct op *op, const ProtobufCMessage *request,
              ProtobufCMessage *response, struct err *err) MUST_CHECK;

/* ERR_SAFE_MODE with Apache's text ("Cannot create file /x. Name node is in safe mode…") when a change is not allowed now. */
int op_check_not_safemode(struct core *core, const char *what, struct err *err) MUST_CHECK;
/* ERR_ACCESS "Access denied for user U. Superuser privilege is required for operation X". */
int op_check_superuser(struct core *core, const struct op *op, const char *operation,
                       struct err *err) MUST_CHECK;

#endif
