/* What the programs behind `hdfs` share: their entry points and the options that all of them take. */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include "common/conf.h"

int namenode_main(int argc, char **argv);
int datanode_main(int argc, char **argv);

/* Reads leading `--config DIR`, `-conf FILE`, `-fs URI` and `-D key=value` (or -Dkey=value) options and loads the configuration: HADOOP_CONF_DIR or --config first, then
 * files and values in order. Answers the index of the first argument that is none of these, or ERR_CONFIG / ERR_ARGUMENT. *conf is set in any case but
 * when memory for it could not be had; the caller frees it. argv[0] is skipped. */
int program_conf(int argc, char **argv, struct conf **conf, struct err *err) MUST_CHECK;

#endif
