/*
 * The course that every `hdfs dfs` command takes (fs.shell.Command): options, then each argument
 * expanded, then each path. A command is a table of the steps that it does its own way; the others
 * are the defaults below.
 *
 *   options ─→ raw ─→ expand (each argument) ─→ arguments ─→ path_argument | nonexistent (each
 * item) └→ paths ─→ path, recurse, post_path (each item)
 *
 * A step that answers a negative ERR_* has its error shown, the exit code becomes 1 and the next
 * item follows; a SHELL_* code ends the command. One thread, but for command_error().
 */
#ifndef CLIENT_SHELL_COMMAND_H
#define CLIENT_SHELL_COMMAND_H

#include <pthread.h>
#include <stdio.h>

#include "client/shell/args.h"
#include "client/shell/item.h"
#include "client/shell/shell.h"

struct cmd;

struct command {
    size_t size; /* of the command's own struct, which begins with a struct cmd; 0: nothing added */

    int (*options)(struct cmd *cmd, struct args *args, struct err *err);
    int (*raw)(struct cmd *cmd, struct args *args, struct err *err);
    int (*expand)(struct cmd *cmd, const char *arg, struct items *items, struct err *err);
    int (*arguments)(struct cmd *cmd, struct items *items, struct err *err);
    int (*path_argument)(struct cmd *cmd, struct item *item, struct err *err);
    int (*nonexistent)(struct cmd *cmd, struct item *item, struct err *err);
    int (*paths)(struct cmd *cmd, const struct item *parent, struct item *items, size_t count,
                 struct err *err);
    int (*path)(struct cmd *cmd, struct item *item, struct err *err);
    int (*post_path)(struct cmd *cmd, struct item *item, struct err *err);
    int (*recurse)(struct cmd *cmd, struct item *item, struct err *err);
    bool (*sorted)(const struct cmd *cmd); /* whole directories, sorted, instead of page by page */
    size_t (*group_size)(
        const struct cmd *cmd); /* entries that `paths` gets at once; 0: one by one */
    void (*release)(struct cmd *cmd);
};

/* A line of commands.def. */
struct command_entry {
    const char *name;
    const char *usage; /* behind "-name " */
    const char *description;
    const char *replacement; /* deprecated: what to use instead; else NULL */
    const struct command *command;
};

struct cmd {
    const struct command *command;
    struct shell *shell;
    const char *name; /* as called, without its dash */
    bool recursive;
    int depth;
    int exit_code;
    int errors; /* under `lock` where threads are at work */
    pthread_mutex_t lock;
};

/* Runs a command. 0 with its *exit_code, or a SHELL_* code with its story in `err`. */
int command_run(const struct command_entry *entry, struct shell *shell, const char *const *argv,
                size_t argc, int *exit_code, struct err *err) MUST_CHECK;

/* The defaults, for commands that add something around them. */
int command_raw(struct cmd *cmd, struct args *args, struct err *err);
int command_expand(struct cmd *cmd, const char *arg, struct items *items, struct err *err);
int command_expand_plain(struct cmd *cmd, const char *arg, struct items *items,
                         struct err *err); /* no wildcards */
int command_arguments(struct cmd *cmd, struct items *items, struct err *err);
int command_path_argument(struct cmd *cmd, struct item *item, struct err *err);
int command_nonexistent(struct cmd *cmd, struct item *item, struct err *err);
int command_paths(struct cmd *cmd, const struct item *parent, struct item *items, size_t count,
                  struct err *err);
int command_recurse(struct cmd *cmd, struct item *item, struct err *err);
bool command_sorted(const struct cmd *cmd); /* yes */

/* Shows an error behind the command's name and counts it; any thread. */
void command_error(struct cmd *cmd, const struct err *err);
void command_warning(struct cmd *cmd, const char *text);
/* Sets the text of an IllegalArgumentException; returns SHELL_ILLEGAL. */
int command_illegal(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#define COMMAND(id, name, usage, description, replacement) extern const struct command command_##id;
#include "client/shell/commands.def"
#undef COMMAND

#endif
