/* -df, -du and -dus (fs.shell.FsUsage). */
#include "client/shell/command.h"
#include "client/shell/format.h"

struct usage {
    struct cmd cmd;
    bool human, summary, header, exclude_snapshots;
    struct table table;
};

static struct usage *usage_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct usage, cmd);
}

static void usage_release(struct cmd *cmd)
{
    table_release(&usage_of(cmd)->table);
}

static void print_table(const struct usage *usage)
{
    struct buf text = {.data = NULL};

    table_print(&usage->table, &text);
    fwrite(text.data, 1, text.length, stdout);
    buf_release(&text);
}

static int df_options(struct cmd *cmd, struct args *args, struct err *err)
{
    const struct option options[] = {{"h", &usage_of(cmd)->human, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 0, ARGS_MANY, options, false, err);

    if (rc) return rc;
    if (!args->count) args_insert(args, 0, "/");
    return 0;
}

static int df_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    static const char *const titles[] = {"Filesystem", "Size", "Used", "Available", "Use%"};
    struct usage *usage = usage_of(cmd);
    int rc;

    table_init(&usage->table, ARRAY_LEN(titles));
    table_header(&usage->table, titles);
    for (int i = 1; i < 5; i++) usage->table.right[i] = true;
    rc = command_arguments(cmd, items, err);
    if (!rc) print_table(usage);
    return rc;
}

static int df_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct usage *usage = usage_of(cmd);
    char capacity[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX], free_[UNITS_TEXT_MAX],
        percent[UNITS_TEXT_MAX];
    struct fs_stats stats;
    int rc = vfs_stats(item->vfs, item->path, &stats, err);

    if (rc) return rc;
    units_percent((double)stats.used / (double)stats.capacity, 0,
                  percent); /* NaN as in Java without datanodes */
    const char *const cells[] = {
        item->vfs->uri,
        format_size(capacity, (int64_t)stats.capacity, usage->human),
        format_size(used, (int64_t)stats.used, usage->human),
        format_size(free_, (int64_t)stats.remaining, usage->human),
        percent,
    };
    table_row(&usage->table, cells);
    return 0;
}

static int du_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct usage *usage = usage_of(cmd);
    const struct option options[] = {
        {"h", &usage->human, NULL},  {"s", &usage->summary, NULL},
        {"v", &usage->header, NULL}, {"x", &usage->exclude_snapshots, NULL},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 0, ARGS_MANY, options, false, err);

    if (rc) return rc;
    if (!args->count) args_insert(args, 0, ".");
    return 0;
}

static int dus_options(struct cmd *cmd, struct args *args, struct err *err)
{
    args_insert(args, 0, "-s");
    return du_options(cmd, args, err);
}

static int du_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    static const char *const titles[] = {"SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS",
                                         "FULL_PATH_NAME"};
    struct usage *usage = usage_of(cmd);
    int rc;

    table_init(&usage->table, ARRAY_LEN(titles));
    if (usage->header) table_header(&usage->table, titles);
    rc = command_arguments(cmd, items, err);
    if (!rc) print_table(usage);
    return rc;
}

static int du_path_argument(struct cmd *cmd, struct item *item, struct err *err)
{
    if (!usage_of(cmd)->summary && item_is_dir(item)) return command_recurse(cmd, item, err);
    return command_path_argument(cmd, item, err);
}

static int du_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct usage *usage = usage_of(cmd);
    char length[UNITS_TEXT_MAX], consumed[UNITS_TEXT_MAX];
    struct fs_content_summary summary;
    int rc = vfs_content_summary(item->vfs, item->path, &summary, err);

    if (rc) return rc;
    if (usage->exclude_snapshots) {
        summary.length -= summary.snapshot_length;
        summary.space_consumed -= summary.snapshot_space_consumed;
    }
    const char *const cells[] = {
        format_size(length, (int64_t)summary.length, usage->human),
        format_size(consumed, (int64_t)summary.space_consumed, usage->human),
        item->display,
    };
    table_row(&usage->table, cells);
    return 0;
}

#define DU_STEPS                                                                                   \
    .size = sizeof(struct usage), .arguments = du_arguments, .path_argument = du_path_argument,    \
    .path = du_path, .release = usage_release

const struct command command_df = {.size = sizeof(struct usage),
                                   .options = df_options,
                                   .arguments = df_arguments,
                                   .path = df_path,
                                   .release = usage_release};
const struct command command_du = {DU_STEPS, .options = du_options};
const struct command command_dus = {DU_STEPS, .options = dus_options};
