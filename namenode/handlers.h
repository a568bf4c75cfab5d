/* The handlers of op_table.def. Their contract is op.h's; who implements which: op_*.c and dn_ops.c. */
#ifndef NAMENODE_HANDLERS_H
#define NAMENODE_HANDLERS_H

#include "namenode/op.h"
#include "proto/admin.pb-c.h"
#include "proto/client_datanode.pb-c.h"
#include "proto/client_namenode.pb-c.h"
#include "proto/datanode.pb-c.h"
#include "proto/namenode.pb-c.h"

enum op_flag {
    OP_ONCE = 1,          /* at most once: goes through the retry cache */
    OP_RESOLVES_RACK = 2, /* asks the topology script before the core sees it */
    OP_OUTSIDE = 4,       /* touches nothing of the core: runs on a worker */
};

#define OP(protocol, method, base, handler, flags, audit)                                          \
    int op_##handler(struct core *core, struct op *op, const Pb__##base##Request *request,         \
                     Pb__##base##Response *response, struct err *err) MUST_CHECK;
#define OP_ALSO(protocol, method, base, handler, flags, audit)
#include "namenode/op_table.def"
#undef OP
#undef OP_ALSO

/* A method as the dispatcher sees it. */
struct op_entry {
    const char *protocol, *method, *audit;
    const ProtobufCMessageDescriptor *request, *response;
    int (*run)(struct core *core, struct op *op, const ProtobufCMessage *request,
               ProtobufCMessage *response, struct err *err);
    uint32_t flags;
};

/* The answer of a snapshot taken before a restart (op_snapshot.c). */
int op_repeat_create_snapshot(struct core *core, struct op *op,
                              const Pb__CreateSnapshotRequest *request,
                              Pb__CreateSnapshotResponse *response, struct err *err) MUST_CHECK;

extern const struct op_entry op_table[];
extern const size_t op_table_length;

#endif
