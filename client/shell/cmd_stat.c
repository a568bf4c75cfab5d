/* -stat and -test (fs.shell.Stat, fs.shell.Test). */
#include "client/shell/command.h"
#include "client/shell/format.h"
#include "common/path.h"

struct stat_cmd {
    struct cmd cmd;
    const char *format;
};

static int stat_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct stat_cmd *stat = CONTAINER_OF(cmd, struct stat_cmd, cmd);
    const struct option options[] = {{"R", &cmd->recursive, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 1, ARGS_MANY, options, false, err);

    if (rc) return rc;
    stat->format = strchr(args->items[0], '%') ? args_shift(args) : "%y";
    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static const char *type_name(const struct item *item)
{
    return item_is_dir(item) ? "directory" : item_is_file(item) ? "regular file" : "symlink";
}

static void print_field(const struct item *item, char field)
{
    const struct fs_status *stat = &item->stat;
    char mode[FORMAT_MODE_MAX], date[UNITS_TEXT_MAX];

    switch (field) {
    case 'a': printf("%o", stat->mode); break;
    case 'A': fputs(format_mode(mode, stat->mode), stdout); break;
    case 'b': printf("%" PRIu64, stat->length); break;
    case 'F': fputs(type_name(item), stdout); break;
    case 'g': fputs(stat->group, stdout); break;
    case 'n': fputs(path_name(item->path), stdout); break;
    case 'o': printf("%" PRIu64, stat->block_size); break;
    case 'r': printf("%u", stat->replication); break;
    case 'u': fputs(stat->owner, stdout); break;
    case 'x': fputs(date_text(stat->atime_ms, DATE_SECONDS, false, date), stdout); break;
    case 'X': printf("%" PRId64, stat->atime_ms); break;
    case 'y': fputs(date_text(stat->mtime_ms, DATE_SECONDS, false, date), stdout); break;
    case 'Y': printf("%" PRId64, stat->mtime_ms); break;
    default: putchar(field);
    }
}

static int stat_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct stat_cmd *stat = CONTAINER_OF(cmd, struct stat_cmd, cmd);

    (void)err;
    for (const char *at = stat->format; *at; at++) {
        if (*at != '%') {
            putchar(*at);
        } else {
            if (!*++at) break;
            print_field(item, *at);
        }
    }
    putchar('\n');
    return 0;
}

const struct command command_stat = {
    .size = sizeof(struct stat_cmd), .options = stat_options, .path = stat_path};

/* ---- -test ---- */

static const char test_flags[] = "edfszwr";

struct test_cmd {
    struct cmd cmd;
    bool set[sizeof test_flags - 1];
    char flag;
};

static int test_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct test_cmd *test = CONTAINER_OF(cmd, struct test_cmd, cmd);
    const struct option options[] = {
        {"e", &test->set[0], NULL}, {"d", &test->set[1], NULL}, {"f", &test->set[2], NULL},
        {"s", &test->set[3], NULL}, {"z", &test->set[4], NULL}, {"w", &test->set[5], NULL},
        {"r", &test->set[6], NULL}, {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 1, 1, options, false, err);

    for (size_t i = 0; !rc && i < ARRAY_LEN(test->set); i++) {
        if (!test->set[i]) continue;
        if (test->flag) return command_illegal(err, "Only one test flag is allowed");
        test->flag = test_flags[i];
    }
    if (!rc && !test->flag) return command_illegal(err, "No test flag given");
    return rc;
}

static int has_access(struct item *item, unsigned mode, bool *yes, struct err *err)
{
    int rc = vfs_access(item->vfs, item->path, mode, err);

    *yes = rc == 0;
    return rc == ERR_ACCESS || rc == ERR_NOT_FOUND ? 0 : rc;
}

static int test_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct test_cmd *test = CONTAINER_OF(cmd, struct test_cmd, cmd);
    bool yes = true;
    int rc = 0;

    switch (test->flag) {
    case 'd': yes = item_is_dir(item); break;
    case 'f': yes = item_is_file(item); break;
    case 's': yes = item->stat.length > 0; break;
    case 'z': yes = item->stat.length == 0; break;
    case 'w': rc = has_access(item, 2, &yes, err); break;
    case 'r': rc = has_access(item, 4, &yes, err); break;
    }
    if (!yes) cmd->exit_code = 1;
    return rc;
}

static int test_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)item;
    (void)err;
    cmd->exit_code = 1;
    return 0;
}

const struct command command_test = {.size = sizeof(struct test_cmd),
                                     .options = test_options,
                                     .path = test_path,
                                     .nonexistent = test_nonexistent};
