#ifndef DATANODE_MAIN_H
#define DATANODE_MAIN_H

/* `hdfs datanode`: argv[0] is "datanode". Runs until SIGTERM or SIGINT; the exit code. */
int datanode_main(int argc, char **argv);

#endif
