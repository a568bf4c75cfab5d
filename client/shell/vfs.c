#include "client/shell/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/in_stream.h"
#include "client/out_stream.h"
#include "client/shell/local.h"
#include "client/shell/shell.h"
#include "client/shell/uri.h"
#include "common/buf.h"
#include "common/mem.h"
#include "common/path.h"
#include "proto/client_namenode.pb-c.h"

struct vfs *vfs_new_local(void)
{
    struct vfs *vfs = NEW(struct vfs);
    struct passwd *me = getpwuid(getuid());
    char *cwd = getcwd(NULL, 0);

    vfs->uri = mem_strdup("file:///");
    vfs->prefix = mem_strdup("file:");
    vfs->working_dir = mem_strdup(cwd ? cwd : "/");
    vfs->home = mem_strdup(me ? me->pw_dir : "/");
    free(cwd);
    return vfs;
}

struct vfs *vfs_new_hdfs(struct fs *fs)
{
    struct vfs *vfs = NEW(struct vfs);

    vfs->hdfs = fs;
    vfs->uri = mem_strdup(fs_uri(fs));
    vfs->prefix = mem_strdup(fs_uri(fs));
    vfs->working_dir = mem_strdup(fs_home(fs));
    vfs->home = mem_strdup(fs_home(fs));
    return vfs;
}

void vfs_free(struct vfs *vfs)
{
    if (!vfs) return;
    fs_close(vfs->hdfs);
    mem_free(vfs->uri);
    mem_free(vfs->prefix);
    mem_free(vfs->working_dir);
    mem_free(vfs->home);
    mem_free(vfs);
}

char *vfs_qualify(const struct vfs *vfs, const char *path, bool escaped)
{
    struct buf out = {.data = NULL};
    char *text;

    /* java.net.URI writes an empty authority, Path does not */
    buf_put_str(&out, escaped && vfs_is_local(vfs) ? "file://" : vfs->prefix);
    for (; *path; path++)
        if (escaped && uri_is_escaped((unsigned char)*path))
            buf_printf(&out, "%%%02X", (unsigned char)*path);
        else
            buf_put_u8(&out, (uint8_t)*path);
    text = mem_strndup((const char *)out.data, out.length);
    buf_release(&out);
    return text;
}

int vfs_check_path(const struct vfs *vfs, const char *path, struct err *err)
{
    if (vfs_is_local(vfs) || path_valid(path)) return 0;
    err_set(err, ERR_ARGUMENT, "Pathname %s from %s%s is not a valid DFS filename.", path,
            vfs->prefix, path);
    return SHELL_ILLEGAL;
}

int vfs_stat(struct vfs *vfs, const char *path, struct fs_status *status, struct err *err)
{
    int rc = vfs_check_path(vfs, path, err);

    if (rc) return rc;
    return vfs->hdfs ? fs_stat(vfs->hdfs, path, status, err) : local_stat(path, status, err);
}

int vfs_exists(struct vfs *vfs, const char *path, bool *exists, struct err *err)
{
    struct fs_status status;
    int rc = vfs_stat(vfs, path, &status, err);

    *exists = rc == 0;
    if (!rc) fs_status_release(&status);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

struct vfs_listing {
    struct fs_listing *hdfs;
    char *directory; /* local from here on */
    char **names;
    size_t count, next;
    struct fs_status status;
};

static int list_local(const char *path, struct vfs_listing *listing, struct err *err)
{
    int rc = local_stat(path, &listing->status, err);

    if (rc) return rc;
    bool file = listing->status.type == FS_FILE;
    fs_status_release(&listing->status);
    if (!file) {
        listing->directory = mem_strdup(path);
        return local_names(path, &listing->names, &listing->count, err);
    }
    listing->directory = path_parent(path);
    listing->names = NEW_ARRAY(char *, 1);
    listing->names[listing->count++] = mem_strdup(path_name(path));
    return 0;
}

int vfs_list(struct vfs *vfs, const char *path, struct vfs_listing **listing, struct err *err)
{
    int rc;

    *listing = NEW(struct vfs_listing);
    rc = vfs->hdfs ? fs_list(vfs->hdfs, path, false, &(*listing)->hdfs, err)
                   : list_local(path, *listing, err);
    if (rc) {
        vfs_list_close(*listing);
        *listing = NULL;
    }
    return rc;
}

int vfs_list_next(struct vfs_listing *listing, const struct fs_status **status, struct err *err)
{
    if (listing->hdfs) return fs_list_next(listing->hdfs, status, err);
    while (listing->next < listing->count) {
        char *path = path_join(listing->directory, listing->names[listing->next++]);
        fs_status_release(&listing->status);
        int rc = local_stat(path, &listing->status, err);
        mem_free(path);
        if (rc == ERR_NOT_FOUND) continue; /* a dangling link, or gone since */
        if (rc) return rc;
        *status = &listing->status;
        return 1;
    }
    return 0;
}

void vfs_list_close(struct vfs_listing *listing)
{
    if (!listing) return;
    fs_list_close(listing->hdfs);
    fs_status_release(&listing->status);
    local_names_free(listing->names, listing->count);
    mem_free(listing->directory);
    mem_free(listing);
}

int vfs_mkdirs(struct vfs *vfs, const char *path, uint32_t mode, struct err *err)
{
    int rc = vfs_check_path(vfs, path, err);

    if (rc) return rc;
    return vfs->hdfs ? fs_mkdirs(vfs->hdfs, path, mode, true, err) : local_mkdirs(path, mode, err);
}

int vfs_delete(struct vfs *vfs, const char *path, bool recursive, bool *deleted, struct err *err)
{
    return vfs->hdfs ? fs_delete(vfs->hdfs, path, recursive, deleted, err)
                     : local_delete(path, recursive, deleted, err);
}

int vfs_rename(struct vfs *vfs, const char *from, const char *to, bool *renamed, struct err *err)
{
    int rc = vfs_check_path(vfs, to, err);

    if (rc) return rc;
    return vfs->hdfs ? fs_rename(vfs->hdfs, from, to, renamed, err)
                     : local_rename(from, to, renamed, err);
}

int vfs_rename2(struct vfs *vfs, const char *from, const char *to, unsigned flags, struct err *err)
{
    bool renamed;
    int rc;

    if (vfs->hdfs) return fs_rename2(vfs->hdfs, from, to, flags, err);
    if (!access(to, F_OK))
        return err_set(err, ERR_EXISTS, "rename destination file:%s already exists.", to);
    rc = local_rename(from, to, &renamed, err);
    if (!rc && !renamed)
        rc = err_set(err, ERR_IO, "rename from file:%s to file:%s failed.", from, to);
    return rc;
}

int vfs_set_permission(struct vfs *vfs, const char *path, uint32_t mode, struct err *err)
{
    return vfs->hdfs ? fs_set_permission(vfs->hdfs, path, mode, err)
                     : local_set_permission(path, mode, err);
}

int vfs_set_owner(struct vfs *vfs, const char *path, const char *owner, const char *group,
                  struct err *err)
{
    return vfs->hdfs ? fs_set_owner(vfs->hdfs, path, owner, group, err)
                     : local_set_owner(path, owner, group, err);
}

int vfs_set_times(struct vfs *vfs, const char *path, int64_t mtime_ms, int64_t atime_ms,
                  struct err *err)
{
    return vfs->hdfs ? fs_set_times(vfs->hdfs, path, mtime_ms, atime_ms, err)
                     : local_set_times(path, mtime_ms, atime_ms, err);
}

int vfs_set_replication(struct vfs *vfs, const char *path, unsigned replication, bool *set,
                        struct err *err)
{
    *set = true; /* local files take it and do nothing */
    return vfs->hdfs ? fs_set_replication(vfs->hdfs, path, replication, set, err) : 0;
}

int vfs_truncate(struct vfs *vfs, const char *path, uint64_t length, bool *done, struct err *err)
{
    *done = true;
    return vfs->hdfs ? fs_truncate(vfs->hdfs, path, length, done, err)
                     : local_truncate(path, length, err);
}

int vfs_access(struct vfs *vfs, const char *path, unsigned mode, struct err *err)
{
    struct arena arena = {.chunks = NULL};
    Pb__CheckAccessRequest request = PB__CHECK_ACCESS_REQUEST__INIT;
    Pb__CheckAccessResponse *response;
    int rc;

    if (!vfs->hdfs) return local_access(path, mode, err);
    request.path = (char *)path;
    request.mode = (Pb__AclEntry__FsAction)mode;
    rc = fs_call(vfs->hdfs, "checkAccess", &request, &pb__check_access_response__descriptor, &arena,
                 &response, err);
    arena_release(&arena);
    return rc;
}

int vfs_content_summary(struct vfs *vfs, const char *path, struct fs_content_summary *summary,
                        struct err *err)
{
    if (vfs->hdfs) return fs_content_summary(vfs->hdfs, path, summary, err);
    *summary = (struct fs_content_summary){.quota = -1, .space_quota = -1};
    return local_content_summary(path, summary, err);
}

int vfs_quota_usage(struct vfs *vfs, const char *path, struct fs_quota_usage *usage,
                    struct err *err)
{
    struct fs_content_summary summary;
    int rc;

    if (vfs->hdfs) return fs_quota_usage(vfs->hdfs, path, usage, err);
    rc = vfs_content_summary(vfs, path, &summary, err);
    *usage = (struct fs_quota_usage){
        .quota = -1, .space_quota = -1, .space_consumed = summary.space_consumed};
    return rc;
}

int vfs_stats(struct vfs *vfs, const char *path, struct fs_stats *stats, struct err *err)
{
    *stats = (struct fs_stats){.capacity = 0};
    return vfs->hdfs ? fs_stats(vfs->hdfs, stats, err) : local_stats(path, stats, err);
}

struct vfs_in {
    struct in_stream *hdfs; /* or */
    int fd;
};

int vfs_open(struct vfs *vfs, const char *path, bool skip_checksum, struct vfs_in **in,
             struct err *err)
{
    struct fs_open_options options = {.skip_checksum = skip_checksum};
    struct vfs_in *made = NEW(struct vfs_in);
    int rc = 0;

    made->fd = -1;
    if (vfs->hdfs) {
        rc = fs_open(vfs->hdfs, path, &options, &made->hdfs, err);
    } else {
        made->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (made->fd < 0)
            rc = err_set(err, err_from_errno(errno), "%s (%s)", path, strerror(errno));
    }
    if (rc) {
        mem_free(made);
        return rc;
    }
    *in = made;
    return 0;
}

ssize_t vfs_read(struct vfs_in *in, void *data, size_t size, struct err *err)
{
    ssize_t got;

    if (in->hdfs) return in_stream_read(in->hdfs, data, size, err);
    do got = read(in->fd, data, size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? err_set(err, err_from_errno(errno), "%s", strerror(errno)) : got;
}

int vfs_seek(struct vfs_in *in, uint64_t position, struct err *err)
{
    if (in->hdfs) return in_stream_seek(in->hdfs, position, err);
    if (lseek(in->fd, (off_t)position, SEEK_SET) < 0) return err_set_errno(err, errno, "seek");
    return 0;
}

void vfs_in_close(struct vfs_in *in)
{
    if (!in) return;
    in_stream_close(in->hdfs);
    if (in->fd >= 0) close(in->fd);
    mem_free(in);
}

struct vfs_out {
    struct out_stream *hdfs;
    struct local_out *local;
};

int vfs_create(struct vfs *vfs, const char *path, const struct vfs_create_options *options,
               struct vfs_out **out, struct err *err)
{
    struct fs_create_options create = {
        .overwrite = options->overwrite,
        .lazy_persist = options->lazy_persist,
        .replication = options->lazy_persist ? 1 : 0,
    };
    struct vfs_out *made;
    int rc = vfs_check_path(vfs, path, err);

    if (rc) return rc;
    made = NEW(struct vfs_out);
    rc = vfs->hdfs
             ? fs_create(vfs->hdfs, path, &create, &made->hdfs, err)
             : local_create(path, options->overwrite, options->write_checksum, &made->local, err);
    if (rc) {
        mem_free(made);
        return rc;
    }
    *out = made;
    return 0;
}

int vfs_append(struct vfs *vfs, const char *path, bool new_block, struct vfs_out **out,
               struct err *err)
{
    struct vfs_out *made = NEW(struct vfs_out);
    int rc = vfs->hdfs ? fs_append(vfs->hdfs, path, new_block, &made->hdfs, err)
                       : local_append(path, &made->local, err);

    if (rc) {
        mem_free(made);
        return rc;
    }
    *out = made;
    return 0;
}

int vfs_write(struct vfs_out *out, const void *data, size_t size, struct err *err)
{
    return out->hdfs ? out_stream_write(out->hdfs, data, size, err)
                     : local_write(out->local, data, size, err);
}

int vfs_out_close(struct vfs_out *out, struct err *err)
{
    int rc;

    if (!out) return 0;
    rc = out->hdfs ? out_stream_close(out->hdfs, err) : local_out_close(out->local, err);
    mem_free(out);
    return rc;
}

void vfs_out_abort(struct vfs_out *out)
{
    struct err ignored = ERR_INIT;

    if (!out) return;
    if (out->hdfs)
        out_stream_abort(out->hdfs);
    else if (local_out_close(out->local, &ignored))
        ignored.code = 0; /* the copy failed already */
    mem_free(out);
}
