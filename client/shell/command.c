#include "client/shell/command.h"

#include <stdarg.h>

#include "client/shell/copy.h"
#include "common/mem.h"

int command_illegal(struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(err, ERR_ARGUMENT, "%s", text);
    return SHELL_ILLEGAL;
}

void command_error(struct cmd *cmd, const struct err *err)
{
    pthread_mutex_lock(&cmd->lock);
    cmd->errors++;
    shell_error(cmd->name, err);
    pthread_mutex_unlock(&cmd->lock);
}

void command_warning(struct cmd *cmd, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", cmd->name, text);
}

/* Shows an error of ERR_*, so that the caller goes on; lets 0 and the codes that end the command
 * through. */
static int show(struct cmd *cmd, int rc, struct err *err)
{
    if (rc >= 0) return rc;
    command_error(cmd, err);
    err_clear(err);
    return 0;
}

bool command_sorted(const struct cmd *cmd)
{
    (void)cmd;
    return true;
}

int command_expand(struct cmd *cmd, const char *arg, struct items *items, struct err *err)
{
    size_t before = items->count;
    int rc = item_glob(cmd->shell, arg, items, err);

    if (rc) return rc;
    if (items->count == before)
        return err_set(err, ERR_NOT_FOUND, "`%s': No such file or directory", arg);
    return 0;
}

int command_expand_plain(struct cmd *cmd, const char *arg, struct items *items, struct err *err)
{
    int rc = item_open(cmd->shell, arg, items_add(items), err);

    if (rc) item_release(&items->items[--items->count]);
    return rc;
}

int command_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)cmd;
    return item_not_found(item, err);
}

static int run_recurse(struct cmd *cmd, struct item *item, struct err *err)
{
    return cmd->command->recurse ? cmd->command->recurse(cmd, item, err)
                                 : command_recurse(cmd, item, err);
}

static int run_path(struct cmd *cmd, struct item *item, struct err *err)
{
    int rc = cmd->command->path ? cmd->command->path(cmd, item, err) : 0;

    if (!rc && cmd->recursive && item_is_dir(item)) rc = run_recurse(cmd, item, err);
    if (!rc && cmd->command->post_path) rc = cmd->command->post_path(cmd, item, err);
    return rc;
}

int command_paths(struct cmd *cmd, const struct item *parent, struct item *items, size_t count,
                  struct err *err)
{
    int rc = 0;

    (void)parent;
    for (size_t i = 0; i < count && !rc; i++) rc = show(cmd, run_path(cmd, &items[i], err), err);
    return rc;
}

static int run_paths(struct cmd *cmd, const struct item *parent, struct item *items, size_t count,
                     struct err *err)
{
    return cmd->command->paths ? cmd->command->paths(cmd, parent, items, count, err)
                               : command_paths(cmd, parent, items, count, err);
}

int command_path_argument(struct cmd *cmd, struct item *item, struct err *err)
{
    cmd->depth = 0;
    return run_paths(cmd, NULL, item, 1, err);
}

static int recurse_sorted(struct cmd *cmd, const struct item *directory, struct err *err)
{
    struct items items = {.items = NULL};
    int rc = item_contents(directory, &items, err);

    if (!rc) rc = run_paths(cmd, directory, items.items, items.count, err);
    items_release(&items);
    return rc;
}

/* Hands entries on in groups as they come from the namenode, so that a directory of millions needs
 * no memory. */
static int recurse_listing(struct cmd *cmd, const struct item *directory,
                           struct vfs_listing *listing, struct err *err)
{
    size_t group = cmd->command->group_size ? MAX(cmd->command->group_size(cmd), 1) : 1;
    struct items items = {.items = NULL};
    const struct fs_status *status;
    int rc, failed = 0;

    while (!failed && (rc = vfs_list_next(listing, &status, err)) > 0) {
        item_entry(directory, status, items_add(&items));
        if (items.count < group) continue;
        failed = run_paths(cmd, directory, items.items, items.count, err);
        while (items.count) item_release(&items.items[--items.count]);
    }
    if (!failed && items.count) failed = run_paths(cmd, directory, items.items, items.count, err);
    items_release(&items);
    return failed ? failed : rc;
}

int command_recurse(struct cmd *cmd, struct item *item, struct err *err)
{
    struct vfs_listing *listing;
    int rc;

    cmd->depth++;
    if (cmd->command->sorted && cmd->command->sorted(cmd)) {
        rc = recurse_sorted(cmd, item, err);
    } else if (!item_is_dir(item)) {
        rc = item_not_directory_error(item, err);
    } else {
        rc = vfs_list(item->vfs, item->path, &listing, err);
        if (!rc) {
            rc = recurse_listing(cmd, item, listing, err);
            vfs_list_close(listing);
        }
    }
    cmd->depth--;
    return rc;
}

static int run_argument(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct command *command = cmd->command;

    if (item->exists)
        return command->path_argument ? command->path_argument(cmd, item, err)
                                      : command_path_argument(cmd, item, err);
    return command->nonexistent ? command->nonexistent(cmd, item, err)
                                : command_nonexistent(cmd, item, err);
}

int command_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < items->count && !rc; i++)
        rc = show(cmd, run_argument(cmd, &items->items[i], err), err);
    return rc;
}

static void warn_default_fs(struct cmd *cmd)
{
    if (!conf_bool(cmd->shell->conf, CONF_hadoop_shell_missing_defaultFs_warning)) return;
    if (!str_eq(shell_default_fs(cmd->shell), "file:///")) return;
    fflush(stdout);
    fprintf(stderr, "Warning: fs.defaultFS is not set when running \"%s\" command.\n", cmd->name);
}

int command_raw(struct cmd *cmd, struct args *args, struct err *err)
{
    const struct command *command = cmd->command;
    struct items items = {.items = NULL};
    int rc = 0;

    for (size_t i = 0; i < args->count && !rc; i++) {
        size_t before = items.count;
        rc = command->expand ? command->expand(cmd, args->items[i], &items, err)
                             : command_expand(cmd, args->items[i], &items, err);
        if (rc)
            while (items.count > before) item_release(&items.items[--items.count]);
        rc = show(cmd, rc, err);
    }
    if (!rc) {
        warn_default_fs(cmd);
        rc = command->arguments ? command->arguments(cmd, &items, err)
                                : command_arguments(cmd, &items, err);
    }
    items_release(&items);
    return rc;
}

int command_run(const struct command_entry *entry, struct shell *shell, const char *const *argv,
                size_t argc, int *exit_code, struct err *err)
{
    const struct command *command = entry->command;
    struct cmd *cmd = mem_zalloc(MAX(command->size, sizeof *cmd));
    struct args args;
    int rc = 0;

    *cmd = (struct cmd){.command = command, .shell = shell, .name = entry->name};
    pthread_mutex_init(&cmd->lock, NULL);
    args_init(&args, argv, argc);
    if (entry->replacement) {
        fflush(stdout);
        fprintf(stderr, "%s: DEPRECATED: Please use '%s' instead.\n", entry->name,
                entry->replacement);
    }
    if (command->options) rc = command->options(cmd, &args, err);
    if (!rc) rc = command->raw ? command->raw(cmd, &args, err) : command_raw(cmd, &args, err);
    rc = show(cmd, rc, err);
    *exit_code = copy_interrupted() ? EXIT_INTERRUPTED : cmd->errors ? 1 : cmd->exit_code;
    args_release(&args);
    if (command->release) command->release(cmd);
    pthread_mutex_destroy(&cmd->lock);
    mem_free(cmd);
    return rc;
}
