/* -appendToFile, -getmerge, -concat and -truncate (fs.shell.CopyCommands, Concat, Truncate). */
#include <errno.h>
#include <unistd.h>

#include "client/shell/copy.h"
#include "client/shell/destination.h"
#include "client/shell/format.h"
#include "common/clock.h"
#include "common/mem.h"

struct append {
    struct destination destination;
    bool new_block, from_stdin;
};

static struct append *append_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct append, destination.cmd);
}

static int append_options(struct cmd *cmd, struct args *args, struct err *err)
{
    const struct option options[] = {{"n", &append_of(cmd)->new_block, NULL}, {NULL, NULL, NULL}};
    int rc;

    if (args->count < 2) return err_set(err, ERR_ARGUMENT, "missing destination argument");
    rc = args_parse(args, 2, ARGS_MANY, options, false, err);
    return rc ? rc : destination_remote(&append_of(cmd)->destination, args, err);
}

static int append_expand(struct cmd *cmd, const char *arg, struct items *items, struct err *err)
{
    if (!str_eq(arg, "-")) return item_open_local(cmd->shell, arg, items_add(items), err);
    append_of(cmd)->from_stdin = true;
    return 0;
}

static int append_source(const struct item *source, struct vfs_out *out, struct err *err)
{
    struct vfs_in *in;
    int rc;

    if (!source->exists) return err_set(err, ERR_NOT_FOUND, "%s", source->path);
    rc = vfs_open(source->vfs, source->path, false, &in, err);
    if (rc) return rc;
    rc = copy_stream(in, out, NULL, err);
    vfs_in_close(in);
    return rc;
}

static int append_sources(const struct append *append, const struct items *items,
                          struct vfs_out *out, struct err *err)
{
    int rc = 0;

    if (append->from_stdin && items->count)
        return err_set(err, ERR_ARGUMENT, "stdin (-) must be the sole input argument when present");
    if (append->from_stdin) return copy_from_fd(STDIN_FILENO, out, err);
    for (size_t i = 0; i < items->count && !rc; i++) rc = append_source(&items->items[i], out, err);
    return rc;
}

static int create_empty(const struct item *item, struct err *err)
{
    const struct vfs_create_options options = {.write_checksum = false};
    struct vfs_out *out;
    int rc = vfs_create(item->vfs, item->path, &options, &out, err);

    return rc ? rc : vfs_out_close(out, err);
}

static int append_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    const struct append *append = append_of(cmd);
    const struct item *dst = &append->destination.dst;
    struct err closing = ERR_INIT;
    struct vfs_out *out;
    int rc = dst->exists ? 0 : create_empty(dst, err), close_rc;

    if (!rc) rc = vfs_append(dst->vfs, dst->path, append->new_block, &out, err);
    if (rc) return rc;
    rc = append_sources(append, items, out, err);
    close_rc =
        vfs_out_close(out, &closing); /* also after an error: what arrived stays, the lease ends */
    if (!rc && close_rc) {
        *err = closing;
        rc = close_rc;
    }
    return rc;
}

const struct command command_append_to_file = {.size = sizeof(struct append),
                                               .options = append_options,
                                               .expand = append_expand,
                                               .arguments = append_arguments,
                                               .release = destination_release};

/* ---- getmerge ---- */

struct merge {
    struct cmd cmd;
    struct item dst;
    struct items sources; /* all known before the first byte is written */
    bool newline, skip_empty;
};

static struct merge *merge_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct merge, cmd);
}

static int merge_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct merge *merge = merge_of(cmd);
    const struct option options[] = {{"nl", &merge->newline, NULL},
                                     {"skip-empty-file", &merge->skip_empty, NULL},
                                     {NULL, NULL, NULL}};
    int rc = args_parse(args, 2, ARGS_MANY, options, false, err);

    if (!rc) rc = item_open_local(cmd->shell, args_pop(args), &merge->dst, err);
    if (!rc && merge->dst.exists && item_is_dir(&merge->dst))
        rc = item_is_directory_error(&merge->dst, err);
    return rc;
}

/* Files, and those right in a directory; what is deeper is left out. */
static int merge_path(struct cmd *cmd, struct item *item, struct err *err)
{
    if (item_is_dir(item)) return cmd->depth ? 0 : command_recurse(cmd, item, err);
    item_copy(items_add(&merge_of(cmd)->sources), item);
    return 0;
}

static int merge_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    cmd->exit_code = 1;
    return item_not_found(item, err);
}

static int merge_source(const struct merge *merge, const struct item *source, struct vfs_out *out,
                        struct err *err)
{
    struct vfs_in *in;
    int rc = 0;

    if (source->stat.length) {
        rc = vfs_open(source->vfs, source->path, false, &in, err);
        if (rc) return rc;
        rc = copy_stream(in, out, NULL, err);
        vfs_in_close(in);
    }
    if (!rc && merge->newline && (source->stat.length || !merge->skip_empty))
        rc = vfs_write(out, "\n", 1, err);
    return rc;
}

static int merge_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    const struct vfs_create_options options = {.overwrite = true, .write_checksum = true};
    struct merge *merge = merge_of(cmd);
    struct err closing = ERR_INIT;
    struct vfs_out *out;
    int rc = command_arguments(cmd, items, err), close_rc;

    if (rc || cmd->exit_code) return rc;
    rc = vfs_create(merge->dst.vfs, merge->dst.path, &options, &out, err);
    if (rc) return rc;
    for (size_t i = 0; i < merge->sources.count && !rc; i++)
        rc = merge_source(merge, &merge->sources.items[i], out, err);
    close_rc = vfs_out_close(out, &closing);
    if (!rc && close_rc) {
        *err = closing;
        rc = close_rc;
    }
    return rc;
}

static void merge_release(struct cmd *cmd)
{
    item_release(&merge_of(cmd)->dst);
    items_release(&merge_of(cmd)->sources);
}

const struct command command_getmerge = {.size = sizeof(struct merge),
                                         .options = merge_options,
                                         .arguments = merge_arguments,
                                         .path = merge_path,
                                         .nonexistent = merge_nonexistent,
                                         .sorted = command_sorted,
                                         .release = merge_release};

/* ---- concat ---- */

#define CONCAT_USAGE "<target path> <src path> <src path> ..."

static int concat_check(const struct item *item, const char *format_before,
                        const char *format_after, struct err *err)
{
    char *full;

    if (item->exists && item_is_file(item)) return 0;
    full = vfs_qualify(item->vfs, item->path, false);
    err_set(err, ERR_NOT_FOUND, "%s%s%s", format_before, full, format_after);
    mem_free(full);
    return ERR_NOT_FOUND;
}

static int concat_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    const struct item *target = items->items;
    const char **sources;
    int rc;

    (void)cmd;
    if (items->count < 1)
        return err_set(err, ERR_ARGUMENT, "Target path not specified. " CONCAT_USAGE);
    if (items->count < 3)
        return err_set(err, ERR_ARGUMENT,
                       "The number of source paths is less than 2. " CONCAT_USAGE);
    rc = concat_check(target, "Target path ", " does not exist or is not file.", err);
    for (size_t i = 1; i < items->count && !rc; i++)
        rc = concat_check(&items->items[i], "", " does not exist or is not file.", err);
    if (rc) return rc;
    if (vfs_is_local(target->vfs))
        return err_set(err, ERR_UNSUPPORTED,
                       "`Dest filesystem 'file' doesn't support concat.': Input/output error");
    sources = NEW_ARRAY(const char *, items->count - 1);
    for (size_t i = 1; i < items->count; i++) sources[i - 1] = items->items[i].path;
    rc = fs_concat(target->vfs->hdfs, target->path, sources, items->count - 1, err);
    mem_free(sources);
    return rc;
}

const struct command command_concat = {.arguments = concat_arguments};

/* ---- truncate ---- */

struct truncate {
    struct cmd cmd;
    int64_t length;
    bool wait;
    struct items waiting;
};

static struct truncate *truncate_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct truncate, cmd);
}

static int truncate_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct truncate *truncate = truncate_of(cmd);
    const struct option options[] = {{"w", &truncate->wait, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 2, ARGS_MANY, options, false, err);

    if (rc) return rc;
    rc = parse_long(args_shift(args), &truncate->length, err);
    if (rc)
        command_warning(cmd, "Illegal length, a non-negative integer expected");
    else if (truncate->length < 0)
        rc = command_illegal(err, "length must be >= 0");
    return rc;
}

static int truncate_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct truncate *truncate = truncate_of(cmd);
    bool done;
    int rc;

    if (item_is_dir(item)) return item_is_directory_error(item, err);
    if ((uint64_t)truncate->length > item->stat.length)
        return command_illegal(err,
                               "Cannot truncate to a larger file size. Current size: %" PRIu64
                               ", truncate size: %" PRId64 ".",
                               item->stat.length, truncate->length);
    rc = vfs_truncate(item->vfs, item->path, (uint64_t)truncate->length, &done, err);
    if (rc) return rc;
    if (done)
        printf("Truncated %s to length: %" PRId64 "\n", item->display, truncate->length);
    else if (truncate->wait)
        item_copy(items_add(&truncate->waiting), item);
    else
        printf("Truncating %s to length: %" PRId64
               ". Wait for block recovery to complete before further updating this file.\n",
               item->display, truncate->length);
    return 0;
}

enum { TRUNCATE_POLL_MS = 100, TRUNCATE_POLL_MAX_MS = 1000 };

static int truncate_wait(const struct truncate *truncate, struct item *item, struct err *err)
{
    int64_t pause = TRUNCATE_POLL_MS;

    printf("Waiting for %s ...\n", item->display);
    fflush(stdout);
    for (;; pause = MIN(pause * 2, TRUNCATE_POLL_MAX_MS)) {
        int rc = item_refresh(item, err);
        if (rc) return rc;
        if (item->stat.length == (uint64_t)truncate->length) break;
        clock_sleep_ms(pause);
    }
    printf("Truncated %s to length: %" PRId64 "\n", item->display, truncate->length);
    return 0;
}

static int truncate_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    struct truncate *truncate = truncate_of(cmd);
    int rc = command_arguments(cmd, items, err);

    for (size_t i = 0; i < truncate->waiting.count && !rc; i++)
        rc = truncate_wait(truncate, &truncate->waiting.items[i], err);
    return rc;
}

static void truncate_release(struct cmd *cmd)
{
    items_release(&truncate_of(cmd)->waiting);
}

const struct command command_truncate = {.size = sizeof(struct truncate),
                                         .options = truncate_options,
                                         .arguments = truncate_arguments,
                                         .path = truncate_path,
                                         .release = truncate_release};
