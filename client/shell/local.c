#include "client/shell/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/path.h"

enum { BYTES_PER_CHECKSUM = 512, LOCAL_BLOCK_SIZE = 32 << 20 };

/* java.io's way to say what an open failed with. */
static int java_error(struct err *err, int errno_value, const char *path)
{
    return err_set(err, err_from_errno(errno_value), "%s (%s)", path, strerror(errno_value));
}

static int missing(struct err *err, const char *path)
{
    return err_set(err, ERR_NOT_FOUND, "File %s does not exist", path);
}

/* "/a/b" to "/a/.b.crc". */
static char *checksum_path(const char *path)
{
    const char *name = path_name(path);

    return mem_printf("%.*s.%s.crc", (int)(name - path), path, name);
}

static bool is_checksum_name(const char *name)
{
    size_t length = strlen(name);

    return length > 5 && name[0] == '.' && str_eq(name + length - 4, ".crc");
}

static char *user_name(uid_t uid)
{
    struct passwd *found = getpwuid(uid);

    return found ? mem_strdup(found->pw_name) : mem_printf("%u", uid);
}

static char *group_name(gid_t gid)
{
    struct group *found = getgrgid(gid);

    return found ? mem_strdup(found->gr_name) : mem_printf("%u", gid);
}

int local_stat(const char *path, struct fs_status *status, struct err *err)
{
    struct stat st;

    *status = (struct fs_status){.type = FS_FILE};
    if (stat(path, &st)) {
        if (errno == ENOENT || errno == ENOTDIR) return missing(err, path);
        return java_error(err, errno, path);
    }
    char *owner = user_name(st.st_uid), *group = group_name(st.st_gid);
    const struct fs_status found = {
        .type = S_ISDIR(st.st_mode) ? FS_DIRECTORY : FS_FILE,
        .mode = st.st_mode & 01777,
        .replication = 1,
        .children = -1,
        .length = (uint64_t)st.st_size,
        .block_size = LOCAL_BLOCK_SIZE,
        .mtime_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .atime_ms = st.st_atim.tv_sec * 1000 + st.st_atim.tv_nsec / 1000000,
        .path = (char *)path,
        .owner = owner,
        .group = group,
        .symlink = "",
        .ec_policy = "",
    };
    fs_status_copy(status, &found);
    mem_free(owner);
    mem_free(group);
    return 0;
}

int local_names(const char *path, char ***names, size_t *count, struct err *err)
{
    DIR *dir = opendir(path);
    size_t capacity = 0;
    struct dirent *entry;

    *names = NULL;
    *count = 0;
    if (!dir) {
        if (errno == ENOENT) return missing(err, path);
        if (errno == EACCES)
            return err_set(err, ERR_ACCESS, "Invalid directory or I/O error occurred for dir: %s",
                           path);
        return java_error(err, errno, path);
    }
    while ((entry = readdir(dir))) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
            is_checksum_name(entry->d_name))
            continue;
        GROW(*names, capacity, *count + 1);
        (*names)[(*count)++] = mem_strdup(entry->d_name);
    }
    closedir(dir);
    return 0;
}

void local_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) mem_free(names[i]);
    mem_free(names);
}

int local_mkdirs(const char *path, uint32_t mode, struct err *err)
{
    struct stat st;
    char *parent;
    int rc = 0;

    if (!stat(path, &st)) {
        if (S_ISDIR(st.st_mode)) return 0;
        return err_set(err, ERR_EXISTS, "Destination exists and is not a directory: %s", path);
    }
    parent = path_parent(path);
    if (parent && !stat(parent, &st)) {
        if (!S_ISDIR(st.st_mode))
            rc = err_set(err, ERR_NOT_DIRECTORY, "Parent path is not a directory: file:%s", parent);
    } else if (parent) {
        rc = local_mkdirs(parent, mode, err);
    }
    mem_free(parent);
    if (rc) return rc;
    if (mkdir(path, mode) && errno != EEXIST)
        return err_set(err, err_from_errno(errno), "`%s': Input/output error", path);
    return 0;
}

/* FileUtil.fullyDelete: symbolic links are removed, not followed. */
static int delete_tree(const char *path, struct err *err)
{
    struct stat st;
    struct dirent *entry;
    DIR *dir;
    int rc = 0;

    if (lstat(path, &st)) return java_error(err, errno, path);
    if (!S_ISDIR(st.st_mode)) return unlink(path) ? java_error(err, errno, path) : 0;
    dir = opendir(path);
    if (!dir) return java_error(err, errno, path);
    while (!rc && (entry = readdir(dir))) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..")) continue;
        char *child = path_join(path, entry->d_name);
        rc = delete_tree(child, err);
        mem_free(child);
    }
    closedir(dir);
    if (!rc && rmdir(path)) rc = java_error(err, errno, path);
    return rc;
}

int local_delete(const char *path, bool recursive, bool *deleted, struct err *err)
{
    struct stat st;
    char *checksum;

    *deleted = false;
    if (lstat(path, &st)) return 0;
    if (S_ISDIR(st.st_mode)) {
        if (!recursive && rmdir(path)) {
            if (errno == ENOTEMPTY || errno == EEXIST)
                return err_set(err, ERR_NOT_EMPTY, "Directory %s is not empty", path);
            return 0;
        }
        *deleted = !recursive || delete_tree(path, err) == 0;
        return 0;
    }
    *deleted = unlink(path) == 0;
    checksum = checksum_path(path);
    unlink(checksum);
    mem_free(checksum);
    return 0;
}

int local_rename(const char *from, const char *to, bool *renamed, struct err *err)
{
    char *checksum_from = checksum_path(from), *target = NULL, *checksum_to;
    struct stat st;

    /* into an existing directory, as ChecksumFileSystem.rename does */
    if (!stat(to, &st) && S_ISDIR(st.st_mode)) target = path_join(to, path_name(from));
    *renamed = rename(from, target ? target : to) == 0;
    if (!*renamed && errno == ENOENT) {
        mem_free(checksum_from);
        mem_free(target);
        return missing(err, from);
    }
    if (*renamed) {
        checksum_to = checksum_path(target ? target : to);
        if (rename(checksum_from, checksum_to)) unlink(checksum_to);
        mem_free(checksum_to);
    }
    mem_free(checksum_from);
    mem_free(target);
    return 0;
}

int local_set_permission(const char *path, uint32_t mode, struct err *err)
{
    return chmod(path, mode) ? java_error(err, errno, path) : 0;
}

static int find_user(const char *name, uid_t *uid, struct err *err)
{
    struct passwd *found = getpwnam(name);

    if (!found) return err_set(err, ERR_ARGUMENT, "invalid user: '%s'", name);
    *uid = found->pw_uid;
    return 0;
}

static int find_group(const char *name, gid_t *gid, struct err *err)
{
    struct group *found = getgrnam(name);

    if (!found) return err_set(err, ERR_ARGUMENT, "invalid group: '%s'", name);
    *gid = found->gr_gid;
    return 0;
}

int local_set_owner(const char *path, const char *owner, const char *group, struct err *err)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    int rc = 0;

    if (owner) rc = find_user(owner, &uid, err);
    if (!rc && group) rc = find_group(group, &gid, err);
    if (rc) return rc;
    return chown(path, uid, gid) ? java_error(err, errno, path) : 0;
}

static struct timespec time_of(int64_t ms)
{
    if (ms < 0) return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

int local_set_times(const char *path, int64_t mtime_ms, int64_t atime_ms, struct err *err)
{
    struct timespec times[2] = {time_of(atime_ms), time_of(mtime_ms)};

    return utimensat(AT_FDCWD, path, times, 0) ? java_error(err, errno, path) : 0;
}

int local_truncate(const char *path, uint64_t length, struct err *err)
{
    return truncate(path, (off_t)length) ? java_error(err, errno, path) : 0;
}

int local_access(const char *path, unsigned mode, struct err *err)
{
    int wanted = (mode & 4 ? R_OK : 0) | (mode & 2 ? W_OK : 0) | (mode & 1 ? X_OK : 0);

    if (!access(path, wanted)) return 0;
    if (errno == ENOENT) return missing(err, path);
    return err_set(err, ERR_ACCESS, "Permission denied: path=%s", path);
}

int local_content_summary(const char *path, struct fs_content_summary *summary, struct err *err)
{
    struct fs_status status;
    char **names;
    size_t count;
    int rc = local_stat(path, &status, err);

    if (rc) return rc;
    if (status.type == FS_FILE) {
        summary->files++;
        summary->length += status.length;
        summary->space_consumed += status.length;
        fs_status_release(&status);
        return 0;
    }
    fs_status_release(&status);
    summary->directories++;
    rc = local_names(path, &names, &count, err);
    if (rc) return rc;
    for (size_t i = 0; i < count && !rc; i++) {
        char *child = path_join(path, names[i]);
        rc = local_content_summary(child, summary, err);
        mem_free(child);
    }
    local_names_free(names, count);
    return rc;
}

int local_stats(const char *path, struct fs_stats *stats, struct err *err)
{
    struct statvfs st;

    if (statvfs(path, &st)) return java_error(err, errno, path);
    stats->capacity = (uint64_t)st.f_blocks * st.f_frsize;
    stats->remaining = (uint64_t)st.f_bfree * st.f_frsize;
    stats->used = stats->capacity - stats->remaining;
    return 0;
}

/* A file being written, and its checksum file when it has one (ChecksumFileSystem). */
struct local_out {
    int fd;
    int checksum_fd; /* -1: none */
    char *path;
    uint32_t crc;         /* of the chunk being filled */
    size_t in_chunk;      /* bytes in it */
    struct buf checksums; /* not written yet */
};

static int write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

static int open_checksum(struct local_out *out, struct err *err)
{
    char *path = checksum_path(out->path);

    out->checksum_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = out->checksum_fd < 0 ? java_error(err, errno, path) : 0;
    mem_free(path);
    if (rc) return rc;
    buf_put(&out->checksums, "crc", 4);
    buf_put_u32(&out->checksums, BYTES_PER_CHECKSUM);
    out->crc = (uint32_t)crc32(0, NULL, 0);
    return 0;
}

int local_create(const char *path, bool overwrite, bool checksum, struct local_out **out,
                 struct err *err)
{
    char *parent = path_parent(path);
    struct local_out *made;
    int fd, rc = 0;

    if (parent && access(parent, F_OK)) rc = local_mkdirs(parent, 0777, err);
    mem_free(parent);
    if (rc) return rc;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (overwrite ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_EXISTS, "File already exists: file:%s", path);
    if (fd < 0) return java_error(err, errno, path);
    made = NEW(struct local_out);
    *made = (struct local_out){.fd = fd, .checksum_fd = -1, .path = mem_strdup(path)};
    if (checksum) rc = open_checksum(made, err);
    if (rc) {
        struct err ignored;
        if (local_out_close(made, &ignored)) return rc;
        return rc;
    }
    *out = made;
    return 0;
}

int local_append(const char *path, struct local_out **out, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    char *checksum;

    if (fd < 0) return java_error(err, errno, path);
    checksum = checksum_path(path);
    unlink(checksum); /* it would be wrong from the first byte on */
    mem_free(checksum);
    *out = NEW(struct local_out);
    **out = (struct local_out){.fd = fd, .checksum_fd = -1, .path = mem_strdup(path)};
    return 0;
}

static void end_chunk(struct local_out *out)
{
    buf_put_u32(&out->checksums, out->crc);
    out->crc = (uint32_t)crc32(0, NULL, 0);
    out->in_chunk = 0;
}

static void add_checksums(struct local_out *out, const uint8_t *data, size_t size)
{
    while (size) {
        size_t part = MIN(size, BYTES_PER_CHECKSUM - out->in_chunk);
        out->crc = (uint32_t)crc32(out->crc, data, (unsigned)part);
        out->in_chunk += part;
        if (out->in_chunk == BYTES_PER_CHECKSUM) end_chunk(out);
        data += part;
        size -= part;
    }
}

static int flush_checksums(struct local_out *out, struct err *err)
{
    int failed = write_all(out->checksum_fd, out->checksums.data, out->checksums.length);

    buf_clear(&out->checksums);
    return failed ? java_error(err, failed, out->path) : 0;
}

int local_write(struct local_out *out, const void *data, size_t size, struct err *err)
{
    int failed = write_all(out->fd, data, size);

    if (failed) return err_set(err, err_from_errno(failed), "%s", strerror(failed));
    if (out->checksum_fd < 0) return 0;
    add_checksums(out, data, size);
    return out->checksums.length >= 64 * KIB ? flush_checksums(out, err) : 0;
}

int local_out_close(struct local_out *out, struct err *err)
{
    int rc = 0;

    if (out->checksum_fd >= 0) {
        if (out->in_chunk) end_chunk(out);
        rc = flush_checksums(out, err);
        if (close(out->checksum_fd) && !rc) rc = java_error(err, errno, out->path);
    }
    if (close(out->fd) && !rc) rc = java_error(err, errno, out->path);
    buf_release(&out->checksums);
    mem_free(out->path);
    mem_free(out);
    return rc;
}
