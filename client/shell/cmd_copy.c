/* -put, -get, -cp, their other names, -moveFromLocal and -mv (fs.shell.CopyCommands, MoveCommands).
 */
#include <ctype.h>
#include <unistd.h>

#include "client/shell/copy.h"
#include "client/shell/destination.h"
#include "client/shell/format.h"

enum { COPY_QUEUE_DEFAULT = 1024, COPY_THREADS_MAX = 1024 };

struct copy_options {
    bool preserve;
    const char *threads, *queue; /* NULL: not given */
};

static int apply_options(struct destination *destination, const struct copy_options *options,
                         struct err *err)
{
    int threads = 1, queue = 0, rc = 0;

    if (options->threads) rc = parse_int(options->threads, &threads, err);
    if (!rc && options->queue) rc = parse_int(options->queue, &queue, err);
    if (rc) return rc;
    destination->threads = MIN(MAX(threads, 1), COPY_THREADS_MAX);
    destination->queue_size = queue < 1 ? COPY_QUEUE_DEFAULT : queue;
    if (options->preserve) destination->preserve = PRESERVE_TIMES | PRESERVE_OWNER | PRESERVE_MODE;
    destination->process = destination_copy;
    destination->progress = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO);
    destination->cmd.recursive = true;
    copy_catch_signals();
    return 0;
}

/* ---- put ---- */

static int put_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct copy_options given = {.preserve = false};
    const struct option options[] = {
        {"f", &destination->overwrite, NULL},
        {"p", &given.preserve, NULL},
        {"l", &destination->lazy_persist, NULL},
        {"d", &destination->direct, NULL},
        {"t", NULL, &given.threads},
        {"q", NULL, &given.queue},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 1, ARGS_MANY, options, false, err);

    if (!rc) rc = apply_options(destination, &given, err);
    destination->write_checksum = true;
    return rc ? rc : destination_remote(destination, args, err);
}

static int expand_local(struct cmd *cmd, const char *arg, struct items *items, struct err *err)
{
    return item_open_local(cmd->shell, arg, items_add(items), err);
}

static int put_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct item target;
    int rc;

    if (items->count != 1 || !str_eq(items->items[0].display, "-"))
        return destination_arguments(cmd, items, err);
    rc = destination_target(destination, &items->items[0], &target, err);
    if (!rc) rc = destination_copy_fd(destination, STDIN_FILENO, &target, err);
    item_release(&target);
    return rc;
}

#define COPY_STEPS                                                                                 \
    .size = sizeof(struct destination), .path_argument = destination_path_argument,                \
    .path = destination_path, .recurse = destination_recurse, .release = destination_release
#define PUT_STEPS COPY_STEPS, .expand = expand_local, .arguments = put_arguments

const struct command command_put = {PUT_STEPS, .options = put_options};
const struct command command_copy_from_local = {PUT_STEPS, .options = put_options};

/* ---- moveFromLocal ---- */

/* Unlike a copy, it does not merge into directories that exist. */
static int move_process(struct destination *destination, struct item *src, struct item *target,
                        struct err *err)
{
    if (target->exists && item_is_dir(target)) return item_exists_error(target, err);
    return destination_copy(destination, src, target, err);
}

static int move_options(struct cmd *cmd, struct args *args, struct err *err)
{
    int rc;

    for (size_t i = 0; i < args->count; i++)
        if (str_eq(args->items[i], "-t")) return command_illegal(err, "Illegal option -t");
    rc = put_options(cmd, args, err);
    destination_of(cmd)->process = move_process;
    return rc;
}

static int move_post_path(struct cmd *cmd, struct item *src, struct err *err)
{
    bool deleted;
    int rc = vfs_delete(src->vfs, src->path, false, &deleted, err);

    (void)cmd;
    if (rc || deleted) return rc;
    return err_set(err, ERR_IO, "remove `%s': Input/output error", src->display);
}

const struct command command_move_from_local = {PUT_STEPS, .options = move_options,
                                                .post_path = move_post_path};

static int move_to_local_options(struct cmd *cmd, struct args *args, struct err *err)
{
    (void)cmd;
    (void)args;
    return err_set(err, ERR_UNSUPPORTED, "Option '-moveToLocal' is not implemented yet.");
}

const struct command command_move_to_local = {.options = move_to_local_options};

/* ---- get ---- */

static int get_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct copy_options given = {.preserve = false};
    const struct option options[] = {
        {"crc", &destination->write_checksum, NULL},
        {"ignoreCrc", &destination->skip_verify, NULL},
        {"p", &given.preserve, NULL},
        {"f", &destination->overwrite, NULL},
        {"t", NULL, &given.threads},
        {"q", NULL, &given.queue},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 1, ARGS_MANY, options, false, err);

    if (!rc) rc = apply_options(destination, &given, err);
    return rc ? rc : destination_local(destination, args, err);
}

const struct command command_get = {COPY_STEPS, .options = get_options,
                                    .arguments = destination_arguments};
const struct command command_copy_to_local = {COPY_STEPS, .options = get_options,
                                              .arguments = destination_arguments};

/* ---- cp ---- */

/* "-p" or "-ptopax", wherever it stands before "--". */
static int take_preserve(struct args *args, unsigned *preserve, struct err *err)
{
    static const char letters[] = "topax"; /* in the order of enum preserve */

    for (size_t i = 0; i < args->count && !str_eq(args->items[i], "--"); i++) {
        if (!str_starts(args->items[i], "-p")) continue;
        const char *arg = args_remove(args, i) + 2;
        if (!*arg) *preserve = PRESERVE_TIMES | PRESERVE_OWNER | PRESERVE_MODE;
        for (; *arg; arg++) {
            const char *letter = strchr(letters, tolower((unsigned char)*arg));
            if (!letter) {
                err_set(err, ERR_ARGUMENT, "java.util.NoSuchElementException: No attribute for %c",
                        *arg);
                return SHELL_FATAL;
            }
            *preserve |= 1u << (letter - letters);
        }
        return 0;
    }
    return 0;
}

static int cp_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct copy_options given = {.preserve = false};
    const struct option options[] = {
        {"f", &destination->overwrite, NULL},
        {"d", &destination->direct, NULL},
        {"t", NULL, &given.threads},
        {"q", NULL, &given.queue},
        {NULL, NULL, NULL},
    };
    int rc = take_preserve(args, &destination->preserve, err);

    if (!rc) rc = args_parse(args, 2, ARGS_MANY, options, false, err);
    if (!rc) rc = apply_options(destination, &given, err);
    destination->write_checksum = true;
    return rc ? rc : destination_remote(destination, args, err);
}

const struct command command_cp = {COPY_STEPS, .options = cp_options,
                                   .arguments = destination_arguments};

/* ---- mv ---- */

static int mv_process(struct destination *destination, struct item *src, struct item *target,
                      struct err *err)
{
    bool renamed;
    int rc;

    (void)destination;
    if (src->vfs != target->vfs)
        return item_error(src, ERR_IO, "Does not match target filesystem", err);
    if (target->exists) return item_exists_error(target, err);
    rc = vfs_rename(target->vfs, src->path, target->path, &renamed, err);
    return rc || renamed ? rc : item_io_error(src, err);
}

static int mv_options(struct cmd *cmd, struct args *args, struct err *err)
{
    int rc = args_parse(args, 2, ARGS_MANY, NULL, false, err);

    destination_of(cmd)->process = mv_process;
    return rc ? rc : destination_remote(destination_of(cmd), args, err);
}

const struct command command_mv = {COPY_STEPS, .options = mv_options,
                                   .arguments = destination_arguments};
