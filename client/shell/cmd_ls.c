/* -ls and -lsr (fs.shell.Ls). */
#include <stdlib.h>

#include "client/shell/command.h"
#include "client/shell/format.h"
#include "client/shell/text.h"
#include "client/shell/uri.h"
#include "common/mem.h"

struct ls {
    struct cmd cmd;
    bool path_only, directory, human, hide_unprintable, recursive, reverse, by_time, by_size,
        use_atime, ec_policy;
    int width_replication, width_length, width_owner, width_group,
        width_policy; /* they only grow */
};

static struct ls *ls_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct ls, cmd);
}
static const struct ls *ls_of_const(const struct cmd *cmd)
{
    return CONTAINER_OF(cmd, const struct ls, cmd);
}

static int ls_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct ls *ls = ls_of(cmd);
    const struct option options[] = {
        {"C", &ls->path_only, NULL},
        {"d", &ls->directory, NULL},
        {"h", &ls->human, NULL},
        {"R", &ls->recursive, NULL},
        {"q", &ls->hide_unprintable, NULL},
        {"r", &ls->reverse, NULL},
        {"t", &ls->by_time, NULL},
        {"S", &ls->by_size, NULL},
        {"u", &ls->use_atime, NULL},
        {"e", &ls->ec_policy, NULL},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 0, ARGS_MANY, options, false, err);

    if (rc) return rc;
    cmd->recursive = ls->recursive && !ls->directory;
    if (ls->by_time) ls->by_size = false;
    ls->width_replication = 3;
    ls->width_length = 10;
    if (!args->count) args_insert(args, 0, ".");
    return 0;
}

static int lsr_options(struct cmd *cmd, struct args *args, struct err *err)
{
    args_insert(args, 0, "-R");
    return ls_options(cmd, args, err);
}

static bool ls_sorted(const struct cmd *cmd)
{
    const struct ls *ls = ls_of_const(cmd);

    return !cmd->recursive || ls->by_time || ls->by_size || ls->reverse;
}

static size_t ls_group_size(const struct cmd *cmd)
{
    return ls_of_const(cmd)->path_only ? 0 : 100;
}

static int64_t shown_time(const struct ls *ls, const struct item *item)
{
    return ls->use_atime ? item->stat.atime_ms : item->stat.mtime_ms;
}

/* Newest or largest first; what is equal stays in the order of names. */
static int compare(const void *a, const void *b, void *arg)
{
    const struct item *x = a, *y = b;
    const struct ls *ls = arg;
    int names = uri_path_compare(x->path, y->path), order = 0;

    if (ls->by_time) {
        int64_t s = shown_time(ls, x), t = shown_time(ls, y);
        order = s == t ? 0 : s < t ? 1 : -1;
    } else if (ls->by_size) {
        order = x->stat.length == y->stat.length ? 0 : x->stat.length < y->stat.length ? 1 : -1;
    } else {
        return ls->reverse ? -names : names;
    }
    if (!order) return names;
    return ls->reverse ? -order : order;
}

static int digits(uint64_t n)
{
    return snprintf(NULL, 0, "%" PRIu64, n);
}

static int policy_of(struct item *item, struct fs_content_summary *summary, struct err *err)
{
    int rc = vfs_content_summary(item->vfs, item->path, summary, err);

    if (rc) return rc;
    if (vfs_is_local(item->vfs)) {
        err_set(err, ERR_UNSUPPORTED,
                "java.lang.UnsupportedOperationException: FileSystem %s does not support Erasure "
                "Coding",
                item->vfs->uri);
        return SHELL_FATAL;
    }
    return 0;
}

static int adjust_widths(struct ls *ls, struct item *items, size_t count, struct err *err)
{
    struct fs_content_summary summary;

    ls->width_policy = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fs_status *stat = &items[i].stat;
        ls->width_replication = MAX(ls->width_replication, digits(stat->replication));
        ls->width_length = MAX(ls->width_length, digits(stat->length));
        ls->width_owner = MAX(ls->width_owner, (int)text_width(stat->owner));
        ls->width_group = MAX(ls->width_group, (int)text_width(stat->group));
        if (!ls->ec_policy) continue;
        int rc = policy_of(&items[i], &summary, err);
        if (rc) return rc;
        ls->width_policy = MAX(ls->width_policy, (int)strlen(summary.ec_policy));
    }
    return 0;
}

static int ls_paths(struct cmd *cmd, const struct item *parent, struct item *items, size_t count,
                    struct err *err)
{
    struct ls *ls = ls_of(cmd);
    int rc = 0;

    if (parent && !cmd->recursive && count) {
        if (!ls->path_only) printf("Found %zu items\n", count);
        qsort_r(items, count, sizeof *items, compare, ls);
    }
    if (!ls->path_only) rc = adjust_widths(ls, items, count, err);
    return rc ? rc : command_paths(cmd, parent, items, count, err);
}

/* A left-aligned column and a blank, or nothing when the column is empty everywhere. */
static void put_column(const char *text, int width)
{
    if (width) printf("%s%*s ", text, width - (int)text_width(text), "");
}

static int ls_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct ls *ls = ls_of(cmd);
    const struct fs_status *stat = &item->stat;
    struct fs_content_summary summary;
    char mode[FORMAT_MODE_MAX], size[UNITS_TEXT_MAX], date[UNITS_TEXT_MAX], replication[16] = "-";
    int rc = ls->ec_policy && !ls->path_only ? policy_of(item, &summary, err) : 0;

    if (rc) return rc;
    if (ls->path_only) {
        printf("%s\n", item->display);
        return 0;
    }
    if (item_is_file(item)) snprintf(replication, sizeof replication, "%u", stat->replication);
    printf("%c%s%c%*s ", item_is_dir(item) ? 'd' : '-', format_mode(mode, stat->mode),
           stat->flags & FS_HAS_ACL ? '+' : ' ', ls->width_replication, replication);
    put_column(stat->owner, ls->width_owner);
    put_column(stat->group, ls->width_group);
    if (ls->ec_policy) put_column(summary.ec_policy, ls->width_policy);
    char *shown = ls->hide_unprintable ? text_printable(item->display) : NULL;
    printf("%*s %s %s\n", ls->width_length, format_size(size, (int64_t)stat->length, ls->human),
           date_text(shown_time(ls, item), DATE_MINUTES, false, date),
           shown ? shown : item->display);
    mem_free(shown);
    return 0;
}

static int ls_path_argument(struct cmd *cmd, struct item *item, struct err *err)
{
    struct ls *ls = ls_of(cmd);
    struct fs_content_summary summary;
    int rc = ls->ec_policy ? policy_of(item, &summary, err) : 0;

    if (rc) return rc;
    if (!ls->directory && item_is_dir(item)) return command_recurse(cmd, item, err);
    return command_path_argument(cmd, item, err);
}

#define LS_STEPS                                                                                   \
    .size = sizeof(struct ls), .path_argument = ls_path_argument, .paths = ls_paths,               \
    .path = ls_path, .sorted = ls_sorted, .group_size = ls_group_size

const struct command command_ls = {LS_STEPS, .options = ls_options};
const struct command command_lsr = {LS_STEPS, .options = lsr_options};
