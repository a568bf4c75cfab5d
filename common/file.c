#include "common/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/path.h"

enum { READ_PIECE = 64 << 10, OPEN_FOLDERS_MAX = 16 };

int file_read(const char *path, size_t limit, struct buf *out, struct err *err)
{
    size_t before = out->length;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) return err_set_errno(err, errno, "open %s", path);
    for (;;) {
        uint8_t *space = buf_extend(out, READ_PIECE);
        ssize_t got = read(fd, space, READ_PIECE);
        out->length -= READ_PIECE - (size_t)MAX(got, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) rc = err_set_errno(err, errno, "read %s", path);
        if (!rc && out->length - before > limit)
            rc = err_set(err, ERR_LIMIT, "%s is longer than the %zu bytes that are read of it",
                         path, limit);
        if (got <= 0 || rc) break;
    }
    close(fd);
    return rc;
}

int file_write_full(int fd, const void *data, size_t size, struct err *err)
{
    const char *at = data;

    while (size) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_set_errno(err, errno, "write");
        at += put;
        size -= (size_t)put;
    }
    return 0;
}

int file_pwrite_full(int fd, const void *data, size_t size, int64_t offset, struct err *err)
{
    const char *at = data;

    while (size) {
        ssize_t put = pwrite(fd, at, size, offset);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_set_errno(err, errno, "write %zu bytes at %" PRId64, size, offset);
        at += put;
        offset += put;
        size -= (size_t)put;
    }
    return 0;
}

int file_pread_full(int fd, void *data, size_t size, int64_t offset, struct err *err)
{
    char *at = data;

    while (size) {
        ssize_t got = pread(fd, at, size, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_set_errno(err, errno, "read %zu bytes at %" PRId64, size, offset);
        if (got == 0)
            return err_set(err, ERR_EOF, "the file ends at %" PRId64 ", %zu bytes early", offset,
                           size);
        at += got;
        offset += got;
        size -= (size_t)got;
    }
    return 0;
}

int file_sync(int fd, const char *path, struct err *err)
{
    return fdatasync(fd) ? err_set_errno(err, errno, "sync %s", path) : 0;
}

int file_sync_dir(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) return err_set_errno(err, errno, "open the folder %s to sync it", dir);
    int rc = fsync(fd) ? err_set_errno(err, errno, "sync the folder %s", dir) : 0;
    close(fd);
    return rc;
}

/* For relative paths too. */
static char *folder_of(const char *path)
{
    char *parent = path_parent(path);

    if (parent && parent[0]) return parent;
    mem_free(parent);
    return mem_strdup(path[0] == '/' ? "/" : ".");
}

int file_sync_parent(const char *path, struct err *err)
{
    char *parent = folder_of(path);
    int rc = file_sync_dir(parent, err);

    mem_free(parent);
    return rc;
}

int file_rename(const char *from, const char *to, struct err *err)
{
    if (rename(from, to)) return err_set_errno(err, errno, "rename %s to %s", from, to);
    char *from_dir = folder_of(from), *to_dir = folder_of(to);
    int rc = file_sync_dir(to_dir, err);
    if (!rc && !str_eq(from_dir, to_dir)) rc = file_sync_dir(from_dir, err);
    mem_free(from_dir);
    mem_free(to_dir);
    return rc;
}

static int write_synced(const char *path, const void *data, size_t size, mode_t mode,
                        struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    if (fd < 0) return err_set_errno(err, errno, "create %s", path);
    int rc = file_write_full(fd, data, size, err);
    if (rc) err_wrap(err, rc, "%s", path);
    if (!rc) rc = file_sync(fd, path, err);
    if (close(fd) && !rc) rc = err_set_errno(err, errno, "close %s", path);
    return rc;
}

int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
    char *temporary = mem_printf("%s.tmp", path);
    int rc = write_synced(temporary, data, size, mode, err);

    if (!rc) rc = file_rename(temporary, path, err);
    if (rc) unlink(temporary);
    mem_free(temporary);
    return rc;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool dir_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool empty = true;

    if (!dir) return errno == ENOENT;
    while (empty && (entry = readdir(dir)) != NULL)
        empty = str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..");
    closedir(dir);
    return empty;
}

int file_size(const char *path, int64_t *size, struct err *err)
{
    struct stat st;

    if (stat(path, &st)) return err_set_errno(err, errno, "%s", path);
    *size = st.st_size;
    return 0;
}

int file_mkdirs(const char *dir, mode_t mode, struct err *err)
{
    if (mkdir(dir, mode) == 0 || (errno == EEXIST && file_is_dir(dir))) return 0;
    if (errno != ENOENT) return err_set_errno(err, errno, "create the folder %s", dir);
    char *parent = path_parent(dir);
    int rc = parent && parent[0] ? file_mkdirs(parent, mode, err) : ERR_NOT_FOUND;
    mem_free(parent);
    if (rc) return rc;
    if (mkdir(dir, mode) == 0 || (errno == EEXIST && file_is_dir(dir))) return 0;
    return err_set_errno(err, errno, "create the folder %s", dir);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int kind UNUSED,
                      struct FTW *ftw UNUSED)
{
    return remove(path) && errno != ENOENT ? -1 : 0;
}

int file_remove_tree(const char *path, struct err *err)
{
    if (nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return 0;
    return err_set_errno(err, errno, "delete %s", path);
}

int file_space(const char *path, struct file_space *space, struct err *err)
{
    struct statvfs st;

    if (statvfs(path, &st)) return err_set_errno(err, errno, "ask for the space of %s", path);
    space->capacity = (uint64_t)st.f_frsize * st.f_blocks;
    space->available = (uint64_t)st.f_frsize * st.f_bavail;
    return 0;
}

/* --- lock --- */

static int lock_error(int fd, const char *path, int failed, struct err *err)
{
    char holder[128];

    if (failed != EAGAIN && failed != EACCES) return err_set_errno(err, failed, "lock %s", path);
    ssize_t got = pread(fd, holder, sizeof holder - 1, 0);
    holder[MAX(got, 0)] = '\0';
    for (char *c = holder; *c; c++)
        if (!isprint((unsigned char)*c)) *c = '?';
    return err_set(
        err, ERR_BUSY,
        "Cannot lock storage %.*s. The directory is already locked by %s; stop that process or "
        "configure another folder",
        (int)(strlen(path) - strlen("/in_use.lock")), path, holder[0] ? holder : "another process");
}

/* Who we are, in the words of a JVM: pid@host. Whoever fails to lock reads it; that it cannot be
 * written is no harm. */
static void write_holder(int fd)
{
    char text[128], host[64] = "localhost";

    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "%ld@%s", (long)getpid(), host);
    if (ftruncate(fd, 0) == 0 && file_pwrite_full(fd, text, (size_t)length, 0, NULL) == 0)
        fdatasync(fd);
}

static bool still_there(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

int file_lock(struct file_lock *lock, const char *dir, struct err *err)
{
    /* A lock of the open file, not of the process: closing the file elsewhere in the process does
     * not drop it, and two daemons within one process exclude each other. Against Java's locks of
     * processes it holds the same. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = mem_printf("%s/in_use.lock", dir);
    int rc = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert(lock->fd < 0);
    if (fd < 0)
        rc = err_set_errno(err, errno, "open %s", path);
    else if (fcntl(fd, F_OFD_SETLK, &whole))
        rc = lock_error(fd, path, errno, err);
    else if (!still_there(fd, path)) /* a JVM deletes the file when it ends */
        rc = err_set(err, ERR_BUSY, "%s was deleted while it was locked; try again", path);
    if (rc) {
        if (fd >= 0) close(fd);
        mem_free(path);
        return rc;
    }
    write_holder(fd);
    lock->fd = fd;
    lock->path = path;
    return 0;
}

void file_unlock(struct file_lock *lock)
{
    if (lock->fd < 0) return;
    close(lock->fd); /* the file stays: deleting it could split two that lock it now */
    mem_free(lock->path);
    *lock = (struct file_lock)FILE_LOCK_INIT;
}

/* --- URIs --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_percents(char *text)
{
    char *to = text;

    for (; *text; text++) {
        int high = text[0] == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        if (low >= 0 && (high || low)) {
            *to++ = (char)(high << 4 | low);
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

int file_path_of_uri(const char *uri, char **path, struct err *err)
{
    const char *at = uri;
    bool is_uri = str_starts(uri, "file:");

    if (is_uri) {
        at += strlen("file:");
        if (str_starts(at, "//")) at += 2 + strcspn(at + 2, "/");
    }
    if (at[0] != '/') return err_set(err, ERR_CONFIG, "'%s' is no absolute path or file: URI", uri);
    char *copy = mem_strdup(at);
    if (is_uri) decode_percents(copy);
    *path = path_normalise(copy);
    mem_free(copy);
    return 0;
}
