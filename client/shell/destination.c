#include "client/shell/destination.h"

#include "client/shell/copy.h"
#include "client/shell/preserve.h"
#include "common/mem.h"
#include "common/path.h"
#include "common/worker.h"

int destination_remote(struct destination *destination, struct args *args, struct err *err)
{
    struct items items = {.items = NULL};
    const char *pattern;
    int rc;

    if (args->count < 2) return item_open(destination->cmd.shell, ".", &destination->dst, err);
    pattern = args_pop(args);
    rc = item_glob(destination->cmd.shell, pattern, &items, err);
    if (!rc && !items.count)
        rc = err_set(err, ERR_NOT_FOUND, "`%s': No such file or directory", pattern);
    if (!rc && items.count > 1) rc = err_set(err, ERR_IO, "`%s': Too many matches", pattern);
    if (!rc) {
        destination->dst = items.items[0];
        items.items[0] = (struct item){.vfs = NULL};
    }
    items_release(&items);
    return rc;
}

int destination_local(struct destination *destination, struct args *args, struct err *err)
{
    const char *path = args->count < 2 ? "." : args_pop(args);

    return item_open_local(destination->cmd.shell, path, &destination->dst, err);
}

static int check_destination(const struct destination *destination, size_t sources, struct err *err)
{
    const struct item *dst = &destination->dst;
    bool parent;
    int rc;

    if (sources > 1) {
        if (!dst->exists) return item_not_found(dst, err);
        return item_is_dir(dst) ? 0 : item_not_directory_error(dst, err);
    }
    if (dst->exists)
        return item_is_dir(dst) || destination->overwrite ? 0 : item_exists_error(dst, err);
    rc = item_parent_exists(dst, &parent, err);
    return rc || parent ? rc : item_not_found_fully(dst, err);
}

/* Several threads pay when there is more than one file. */
static int start_pool(struct destination *destination, struct items *items, struct err *err)
{
    bool many = items->count > 1;
    int rc = 0;

    if (destination->threads < 2 || !items->count) return 0;
    if (!many && !items->items[0].exists) rc = item_refresh(&items->items[0], err);
    if (!rc && (many || item_is_dir(&items->items[0])))
        destination->pool = worker_pool_new("copy", destination->threads, destination->queue_size);
    return rc;
}

int destination_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    int rc = start_pool(destination, items, err);

    if (!rc) rc = check_destination(destination, items->count, err);
    if (!rc) rc = command_arguments(cmd, items, err);
    worker_pool_free(destination->pool);
    destination->pool = NULL;
    return rc;
}

int destination_target(struct destination *destination, const struct item *src, struct item *target,
                       struct err *err)
{
    const struct item *dst = &destination->dst;
    const char *name = path_name(src->path);

    if (!(destination->cmd.depth > 0 || (dst->exists && item_is_dir(dst)) ||
          item_represents_directory(dst))) {
        item_copy(target, dst);
        return 0;
    }
    *target = (struct item){.vfs = NULL};
    if (!dst->exists) {
        item_not_found(dst, err);
        return ERR_NOT_FOUND;
    }
    if (!item_is_dir(dst)) {
        item_not_directory_error(dst, err);
        return ERR_NOT_DIRECTORY;
    }
    if (!destination->dst_fresh) return item_child(dst, name, target, err);
    item_missing_child(dst, name, target);
    return 0;
}

/* "`a' to `b': why" */
static int refuse_pair(const struct item *src, const char *target, const char *why, struct err *err)
{
    return err_set(err, ERR_IO, "`%s' to `%s': %s", src->display, target, why);
}

int destination_path_argument(struct cmd *cmd, struct item *src, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct item target;
    int rc;

    cmd->depth = 0;
    if (!item_is_dir(src) || src->vfs != destination->dst.vfs)
        return command_path_argument(cmd, src, err);
    rc = destination_target(destination, src, &target, err);
    if (!rc && str_eq(src->path, target.path)) {
        char *full = vfs_qualify(target.vfs, target.path, false);
        rc = refuse_pair(src, full, "are identical", err);
        mem_free(full);
    } else if (!rc && path_is_under(target.path, src->path)) {
        rc = refuse_pair(src, target.display, "is a subdirectory of itself", err);
    }
    item_release(&target);
    return rc ? rc : command_path_argument(cmd, src, err);
}

int destination_path(struct cmd *cmd, struct item *src, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct item target = {.vfs = NULL};
    int rc = copy_interrupted() ? err_set(err, ERR_CANCELLED, "Interrupted") : 0;

    if (!rc) rc = destination_target(destination, src, &target, err);
    if (!rc) rc = destination->process(destination, src, &target, err);
    item_release(&target);
    return rc;
}

/* Makes the directory that `dst` names, if it lacks. */
static int make_directory(struct destination *destination, struct err *err)
{
    struct item *dst = &destination->dst;
    const struct fs_status made = {.type = FS_DIRECTORY,
                                   .path = dst->path,
                                   .owner = "",
                                   .group = "",
                                   .symlink = "",
                                   .ec_policy = ""};
    int rc;

    if (dst->exists) {
        destination->dst_fresh = false;
        return item_is_dir(dst) ? 0 : item_not_directory_error(dst, err);
    }
    rc = vfs_mkdirs(dst->vfs, dst->path, 0777, err);
    if (rc) return rc;
    destination->dst_fresh = true;
    dst->exists = true;
    fs_status_copy(&dst->stat, &made);
    return 0;
}

int destination_recurse(struct cmd *cmd, struct item *src, struct err *err)
{
    struct destination *destination = destination_of(cmd);
    struct item outer = destination->dst, target;
    bool outer_fresh = destination->dst_fresh;
    int rc = destination_target(destination, src, &target, err);

    if (rc) {
        item_release(&target);
        return rc;
    }
    destination->dst = target;
    rc = make_directory(destination, err);
    if (!rc) rc = command_recurse(cmd, src, err);
    if (!rc && destination->preserve)
        rc = preserve_attributes(destination->preserve, src, &destination->dst, err);
    item_release(&destination->dst);
    destination->dst = outer;
    destination->dst_fresh = outer_fresh;
    return rc;
}

void destination_release(struct cmd *cmd)
{
    item_release(&destination_of(cmd)->dst);
}

/* ---- one file ---- */

/* Fills `path` from a stream or a descriptor. */
static int write_file(const struct destination *destination, struct vfs_in *in, int fd,
                      struct vfs *vfs, const char *path, struct copy_progress *progress,
                      struct err *err)
{
    const struct vfs_create_options options = {
        .overwrite = true,
        .lazy_persist = destination->lazy_persist,
        .write_checksum = destination->write_checksum,
    };
    struct vfs_out *out;
    int rc = vfs_create(vfs, path, &options, &out, err);

    if (rc) return rc;
    rc = in ? copy_stream(in, out, progress, err) : copy_from_fd(fd, out, err);
    if (!rc) return vfs_out_close(out, err);
    vfs_out_abort(out);
    return rc;
}

/* Gives a complete temporary file its name. */
static int put_in_place(const struct item *target, const char *temporary, struct err *err)
{
    bool done = true;
    int rc = 0;

    if (target->exists) rc = vfs_delete(target->vfs, target->path, false, &done, err);
    if (!rc && !done) rc = err_set(err, ERR_IO, "delete `%s': Input/output error", target->display);
    if (!rc) rc = vfs_rename(target->vfs, temporary, target->path, &done, err);
    if (!rc && !done)
        rc = err_set(err, ERR_IO, "rename `%s._COPYING_' to `%s': Input/output error",
                     target->display, target->display);
    return rc;
}

static int copy_to_target(const struct destination *destination, struct vfs_in *in, int fd,
                          const struct item *target, struct copy_progress *progress,
                          struct err *err)
{
    struct err ignored;
    char *temporary;
    bool deleted;
    int rc;

    if (target->exists && (item_is_dir(target) || !destination->overwrite))
        return item_exists_error(target, err);
    if (destination->direct)
        return write_file(destination, in, fd, target->vfs, target->path, progress, err);
    temporary = mem_printf("%s._COPYING_", target->path);
    rc = write_file(destination, in, fd, target->vfs, temporary, progress, err);
    if (!rc) rc = put_in_place(target, temporary, err);
    if (rc && vfs_delete(target->vfs, temporary, false, &deleted, &ignored))
        deleted = false; /* it may not be there */
    mem_free(temporary);
    return rc;
}

int destination_copy_fd(struct destination *destination, int fd, const struct item *target,
                        struct err *err)
{
    return copy_to_target(destination, NULL, fd, target, NULL, err);
}

static int copy_file(const struct destination *destination, const struct item *src,
                     const struct item *target, struct err *err)
{
    struct copy_progress progress = {.title = src->display, .total = src->stat.length};
    struct vfs_in *in;
    int rc = vfs_open(src->vfs, src->path, destination->skip_verify, &in, err);

    if (rc) return rc;
    rc = copy_to_target(destination, in, -1, target,
                        destination->progress && !destination->pool ? &progress : NULL, err);
    vfs_in_close(in);
    if (!rc && destination->preserve)
        rc = preserve_attributes(destination->preserve, src, target, err);
    return rc;
}

struct copy_job {
    struct destination *destination;
    struct item src, target;
};

static void run_job(void *arg)
{
    struct copy_job *job = arg;
    struct err err = ERR_INIT;

    if (copy_file(job->destination, &job->src, &job->target, &err))
        command_error(&job->destination->cmd, &err);
    item_release(&job->src);
    item_release(&job->target);
    mem_free(job);
}

int destination_copy(struct destination *destination, struct item *src, struct item *target,
                     struct err *err)
{
    struct copy_job *job;
    struct err busy;

    if (item_is_dir(src)) return destination->cmd.recursive ? 0 : item_is_directory_error(src, err);
    if (!item_is_file(src)) return item_error(src, ERR_UNSUPPORTED, "Operation not supported", err);
    if (!destination->pool) return copy_file(destination, src, target, err);
    job = NEW(struct copy_job);
    job->destination = destination;
    item_copy(&job->src, src);
    item_copy(&job->target, target);
    /* a full queue makes the reader of directories help */
    if (worker_submit(destination->pool, run_job, job, &busy)) run_job(job);
    return 0;
}
