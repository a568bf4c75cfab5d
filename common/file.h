/* File calls that hold what they promise after a crash. All block; any thread. Errors name the
 * path. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

/* Appends the whole file to `out`. ERR_LIMIT when it is longer than `limit`. */
int file_read(const char *path, size_t limit, struct buf *out, struct err *err) MUST_CHECK;

/* Puts the bytes at `path` so that after a crash either the old or the new file is there, whole:
 * writes path.tmp, syncs, renames, syncs the folder. */
int file_replace(const char *path, const void *data, size_t size, mode_t mode,
                 struct err *err) MUST_CHECK;

/* All of it, or an error; ERR_EOF when a read meets the end. */
int file_pread_full(int fd, void *data, size_t size, int64_t offset, struct err *err) MUST_CHECK;
int file_pwrite_full(int fd, const void *data, size_t size, int64_t offset,
                     struct err *err) MUST_CHECK;
int file_write_full(int fd, const void *data, size_t size, struct err *err) MUST_CHECK;

int file_sync(int fd, const char *path,
              struct err *err) MUST_CHECK; /* fdatasync; `path` is for the error */
int file_sync_dir(const char *dir, struct err *err) MUST_CHECK; /* makes names in it last */
int file_sync_parent(const char *path,
                     struct err *err) MUST_CHECK; /* the folder that holds `path` */
/* rename(2) and the sync of the target's folder, and of the source's where it is another. */
int file_rename(const char *from, const char *to, struct err *err) MUST_CHECK;

/* Makes the folder and what lacks above it, with `mode`; fine when it exists. */
int file_mkdirs(const char *dir, mode_t mode, struct err *err) MUST_CHECK;
/* Deletes a file or a folder with all in it; fine when it is not there. Never follows links. */
int file_remove_tree(const char *path, struct err *err) MUST_CHECK;
bool file_exists(const char *path);
bool file_is_dir(const char *path);
bool dir_is_empty(const char *path); /* true as well when it is not there */
/* Size in bytes. */
int file_size(const char *path, int64_t *size, struct err *err) MUST_CHECK;

/* The disk that holds `path`, in bytes. */
struct file_space {
    uint64_t capacity;
    uint64_t available; /* for us (File.getUsableSpace) */
};
int file_space(const char *path, struct file_space *space, struct err *err) MUST_CHECK;

/*
 * The lock of a storage folder: `in_use.lock` in it, which Java's FileChannel.tryLock respects and
 * is respected by. It holds against other processes and against other locks of this one.
 * Storage.StorageDirectory.lock.
 */
struct file_lock {
    int fd; /* -1: not held */
    char *path;
};
#define FILE_LOCK_INIT                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
/* ERR_BUSY names the folder and who holds it. */
int file_lock(struct file_lock *lock, const char *dir, struct err *err) MUST_CHECK;
void file_unlock(struct file_lock *lock); /* fine when not held */

/* The path of "file:///a/b", "file:/a%20b" or a plain path, for mem_free(). ERR_CONFIG for another
 * scheme and for paths that are not absolute. */
int file_path_of_uri(const char *uri, char **path, struct err *err) MUST_CHECK;

#endif
