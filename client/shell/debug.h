/* The parts of `hdfs debug` (DebugAdmin). Arguments are those behind the command's name; answers are exit codes. */
#ifndef CLIENT_SHELL_DEBUG_H
#define CLIENT_SHELL_DEBUG_H

#include "common/conf.h"

extern const char debug_verify_usage[], debug_compute_usage[];

/* A meta file's header and, with -block, its checksums against the block's bytes. */
int debug_verify_meta(int argc, char **argv);
/* A new meta file for a block file, with the client's checksum settings. */
int debug_compute_meta(const struct conf *conf, int argc, char **argv);

#endif
