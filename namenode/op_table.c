/* The table of methods, grown from op_table.def. */
#include "namenode/handlers.h"

#define PROTOCOL_CLIENT           "org.apache.hadoop.hdfs.protocol.ClientProtocol"
#define PROTOCOL_DATANODE         "org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol"
#define PROTOCOL_LIFELINE         "org.apache.hadoop.hdfs.server.protocol.DatanodeLifelineProtocol"
#define PROTOCOL_NAMENODE         "org.apache.hadoop.hdfs.server.protocol.NamenodeProtocol"
#define PROTOCOL_USER_MAPPINGS    "org.apache.hadoop.tools.GetUserMappingsProtocol"
#define PROTOCOL_REFRESH_MAPPINGS "org.apache.hadoop.security.RefreshUserMappingsProtocol"
#define PROTOCOL_REFRESH_POLICY                                                                    \
    "org.apache.hadoop.security.authorize.RefreshAuthorizationPolicyProtocol"
#define PROTOCOL_RECONFIGURATION "org.apache.hadoop.hdfs.protocol.ReconfigurationProtocol"
#define PROTOCOL_REFRESH_QUEUE   "org.apache.hadoop.ipc.RefreshCallQueueProtocol"

#define OP(protocol, method, base, handler, flags, audit)                                          \
    static int run_##handler(struct core *core, struct op *op, const ProtobufCMessage *request,    \
                             ProtobufCMessage *response, struct err *err)                          \
    {                                                                                              \
        return op_##handler(core, op, (const Pb__##base##Request *)request,                        \
                            (Pb__##base##Response *)response, err);                                \
    }
#define OP_ALSO(protocol, method, base, handler, flags, audit)
#include "namenode/op_table.def"
#undef OP
#undef OP_ALSO

const struct op_entry op_table[] = {
#define OP(protocol, method, base, handler, flags, audit)                                          \
    {PROTOCOL_##protocol,                                                                          \
     #method,                                                                                      \
     audit,                                                                                        \
     &pb__##handler##_request__descriptor,                                                         \
     &pb__##handler##_response__descriptor,                                                        \
     run_##handler,                                                                                \
     flags},
#define OP_ALSO OP
#include "namenode/op_table.def"
#undef OP
#undef OP_ALSO
};

const size_t op_table_length = ARRAY_LEN(op_table);
