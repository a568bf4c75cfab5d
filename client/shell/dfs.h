/* `hdfs dfs`: finds a command by its name and runs it; usage and help (FsShell). */
#ifndef CLIENT_SHELL_DFS_H
#define CLIENT_SHELL_DFS_H

#include <stdio.h>

#include "client/shell/command.h"

/* `argv` begins with the command; returns the exit code. */
int dfs_run(struct shell *shell, int argc, char **argv);

const struct command_entry *dfs_find(const char *name); /* without its dash; NULL for none */

/* "Usage: hadoop fs …" for all commands or one, and the long help. */
void dfs_print_usage(FILE *file);
void dfs_print_usage_of(FILE *file, const struct command_entry *entry);
void dfs_print_help(FILE *file);
void dfs_print_help_of(FILE *file, const struct command_entry *entry);

#endif
