# Sources, one a line, by folder: who may include whom is proto -> common -> namenode | datanode | client.
PROTO := \
    proto/acl.proto \
    proto/admin.proto \
    proto/client_datanode.proto \
    proto/client_namenode.proto \
    proto/datanode.proto \
    proto/datatransfer.proto \
    proto/encryption.proto \
    proto/erasure.proto \
    proto/fsimage.proto \
    proto/ha.proto \
    proto/hdfs.proto \
    proto/inotify.proto \
    proto/inter_datanode.proto \
    proto/namenode.proto \
    proto/qjournal.proto \
    proto/rpc.proto \
    proto/security.proto \
    proto/server.proto \
    proto/xattr.proto

COMMON    := $(sort $(wildcard common/*.c))
NAMENODE  := $(sort $(wildcard namenode/*.c))
DATANODE  := $(sort $(wildcard datanode/*.c))
CLIENT    := $(sort $(wildcard client/*.c))
SHELL_SRC := $(sort $(wildcard client/shell/*.c))
TESTLIB   := $(sort $(wildcard tests/lib/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/*_test.c))
BENCH_SRC := $(sort $(wildcard benchmarks/*.c))
