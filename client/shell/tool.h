/* What the client programs begin and end with: configuration, generic options, standard output. */
#ifndef CLIENT_SHELL_TOOL_H
#define CLIENT_SHELL_TOOL_H

#include "client/shell/help.h"
#include "client/shell/shell.h"

/* Loads the configuration, takes the generic options, runs `run` with the arguments left, and
 * answers its exit code. When standard output could not be written (a full disk), that is said and
 * the code is 1. */
int tool_run(int argc, char **argv, int (*run)(struct shell *shell, int argc, char **argv));
/* The folder of `--config`; the environment's when never called. `dir` stays the caller's. */
void tool_set_config_dir(const char *dir);

/* The programs: arguments behind their name; exit codes. */
int dfs_main(int argc, char **argv);
int dfsadmin_main(int argc, char **argv);
int fsck_main(int argc, char **argv);
int debug_main(int argc, char **argv);
int getconf_main(int argc, char **argv);
int snapshot_diff_main(int argc, char **argv);
int ls_snapshottable_main(int argc, char **argv);
int version_main(int argc, char **argv);
int mini_main(int argc, char **argv);

#endif
