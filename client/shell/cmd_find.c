/* -find (fs.shell.find.Find). */
#include "client/shell/command.h"
#include "client/shell/find_expr.h"

struct find {
    struct cmd cmd;
    bool follow_links, follow_argument_links; /* accepted: HDFS has no symbolic links to follow */
    struct find_expr *expr;
};

static struct find *find_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct find, cmd);
}

static int find_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct find *find = find_of(cmd);
    const struct option options[] = {{"L", &find->follow_links, NULL},
                                     {"H", &find->follow_argument_links, NULL},
                                     {NULL, NULL, NULL}};
    struct args words;
    size_t paths = 0;
    int rc = args_parse(args, 1, ARGS_MANY, options, true, err);

    if (rc) return rc;
    cmd->recursive = true;
    while (paths < args->count && args->items[paths][0] != '-') paths++;
    args_init(&words, args->items + paths, args->count - paths);
    args->count = paths;
    if (!args->count) args_insert(args, 0, ".");
    rc = find_expr_parse(&words, &find->expr, err);
    args_release(&words);
    return rc;
}

static int find_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    int rc = find_expr_prepare(find_of(cmd)->expr, err);

    return rc ? rc : command_arguments(cmd, items, err);
}

static int find_path(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)err;
    find_expr_apply(find_of(cmd)->expr, item);
    return 0;
}

static void find_release(struct cmd *cmd)
{
    find_expr_free(find_of(cmd)->expr);
}

const struct command command_find = {.size = sizeof(struct find),
                                     .options = find_options,
                                     .arguments = find_arguments,
                                     .path = find_path,
                                     .release = find_release};
