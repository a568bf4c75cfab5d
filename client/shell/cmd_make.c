/* -mkdir, -touch and -touchz (fs.shell.Mkdir, fs.shell.TouchCommands). */
#include "client/shell/command.h"
#include "common/path.h"
#include "common/units.h"
#include "common/clock.h"
#include "common/mem.h"

struct mkdir {
    struct cmd cmd;
    bool parents;
};

static int mkdir_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct mkdir *mkdir = CONTAINER_OF(cmd, struct mkdir, cmd);
    const struct option options[] = {{"p", &mkdir->parents, NULL}, {NULL, NULL, NULL}};

    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int mkdir_path(struct cmd *cmd, struct item *item, struct err *err)
{
    if (!item_is_dir(item)) return item_not_directory_error(item, err);
    return CONTAINER_OF(cmd, struct mkdir, cmd)->parents ? 0 : item_exists_error(item, err);
}

static int check_parent(struct item *item, struct err *err)
{
    char *parent = path_parent(item->path), *full;
    bool exists = true;
    int rc = 0;

    if (!parent) return item_not_found(item, err);
    rc = vfs_exists(item->vfs, parent, &exists, err);
    if (!rc && !exists) {
        full = vfs_qualify(item->vfs, parent, false);
        rc = err_set(err, ERR_NOT_FOUND, "`%s': No such file or directory", full);
        mem_free(full);
    }
    mem_free(parent);
    return rc;
}

static int mkdir_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    int rc = CONTAINER_OF(cmd, struct mkdir, cmd)->parents ? 0 : check_parent(item, err);

    return rc ? rc : vfs_mkdirs(item->vfs, item->path, 0777, err);
}

const struct command command_mkdir = {.size = sizeof(struct mkdir),
                                      .options = mkdir_options,
                                      .path = mkdir_path,
                                      .nonexistent = mkdir_nonexistent};

/* ---- -touchz ---- */

static int make_empty(struct item *item, struct err *err)
{
    struct vfs_create_options options = {.overwrite = true, .write_checksum = true};
    struct vfs_out *out;
    int rc = vfs_create(item->vfs, item->path, &options, &out, err);

    return rc ? rc : vfs_out_close(out, err);
}

static int touchz_options(struct cmd *cmd, struct args *args, struct err *err)
{
    (void)cmd;
    return args_parse(args, 1, ARGS_MANY, NULL, false, err);
}

static int touchz_path(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)cmd;
    if (item_is_dir(item)) return item_is_directory_error(item, err);
    if (item->stat.length) return item_error(item, ERR_IO, "Not a zero-length file", err);
    return make_empty(item, err);
}

static int need_parent(struct item *item, struct err *err)
{
    bool exists;
    int rc = item_parent_exists(item, &exists, err);

    return rc || exists ? rc : item_not_found_fully(item, err);
}

static int touchz_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    int rc = need_parent(item, err);

    (void)cmd;
    return rc ? rc : make_empty(item, err);
}

const struct command command_touchz = {
    .options = touchz_options, .path = touchz_path, .nonexistent = touchz_nonexistent};

/* ---- -touch ---- */

struct touch {
    struct cmd cmd;
    bool access_only, modification_only, no_create;
    const char *timestamp;
};

static int touch_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct touch *touch = CONTAINER_OF(cmd, struct touch, cmd);
    const struct option options[] = {
        {"t", NULL, NULL}, /* already taken out; Apache lists it, so a second one is let through */
        {"a", &touch->access_only, NULL},
        {"m", &touch->modification_only, NULL},
        {"c", &touch->no_create, NULL},
        {NULL, NULL, NULL},
    };
    int rc = args_pop_value(args, "-t", &touch->timestamp, err);

    return rc ? rc : args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int update_time(const struct touch *touch, struct item *item, struct err *err)
{
    int64_t now = clock_wall_ms(), mtime, atime;

    if (touch->timestamp && !date_parse_touch(touch->timestamp, &now))
        return command_illegal(
            err,
            "Unable to parse the specified timestamp %s. The expected format is yyyyMMdd:HHmmss",
            touch->timestamp);
    mtime = atime = now;
    if (touch->access_only != touch->modification_only) {
        if (touch->access_only)
            mtime = -1;
        else
            atime = -1;
    }
    return vfs_set_times(item->vfs, item->path, mtime, atime, err);
}

static int touch_path(struct cmd *cmd, struct item *item, struct err *err)
{
    return update_time(CONTAINER_OF(cmd, struct touch, cmd), item, err);
}

static int touch_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct touch *touch = CONTAINER_OF(cmd, struct touch, cmd);
    int rc = need_parent(item, err);

    if (rc || touch->no_create) return rc;
    rc = make_empty(item, err);
    return rc || !touch->timestamp ? rc : update_time(touch, item, err);
}

const struct command command_touch = {.size = sizeof(struct touch),
                                      .options = touch_options,
                                      .path = touch_path,
                                      .nonexistent = touch_nonexistent};
