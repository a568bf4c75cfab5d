/*
 * The file systems that shell commands work on: HDFS through client/fs.h, and this machine's files
 * as Hadoop's LocalFileSystem shows them (checksum files `.x.crc` are hidden, made and removed with
 * their file).
 *
 * Paths are absolute, without scheme. Threads: as client/fs.h; a stream or listing belongs to one
 * thread. Functions return 0 or a negative ERR_*; texts are those that Apache's shell prints behind
 * its command's name.
 */
#ifndef CLIENT_SHELL_VFS_H
#define CLIENT_SHELL_VFS_H

#include "client/fs.h"
#include "common/base.h"
#include "common/err.h"

struct vfs {
    struct fs *hdfs;   /* NULL: local files */
    char *uri;         /* "hdfs://host:port" or "file:///" */
    char *prefix;      /* what makes a path a full name: "hdfs://host:port" or "file:" */
    char *working_dir; /* relative names are below it */
    char *home;
};

struct vfs *vfs_new_local(void);
struct vfs *vfs_new_hdfs(struct fs *fs); /* takes `fs` over */
void vfs_free(struct vfs *vfs);
static inline bool vfs_is_local(const struct vfs *vfs)
{
    return !vfs->hdfs;
}
/* "hdfs://host:port/a/b"; mem_free(). `escaped` writes odd characters as %XX. */
char *vfs_qualify(const struct vfs *vfs, const char *path, bool escaped);
/* Whether HDFS could have such a path at all; SHELL_ILLEGAL "Pathname … is not a valid DFS
 * filename." */
int vfs_check_path(const struct vfs *vfs, const char *path, struct err *err) MUST_CHECK;

int vfs_stat(struct vfs *vfs, const char *path, struct fs_status *status,
             struct err *err) MUST_CHECK;
int vfs_exists(struct vfs *vfs, const char *path, bool *exists, struct err *err) MUST_CHECK;

struct vfs_listing;
int vfs_list(struct vfs *vfs, const char *path, struct vfs_listing **listing,
             struct err *err) MUST_CHECK;
/* 1: *status is the next entry, valid until the next call; 0: the end; negative: ERR_*. */
int vfs_list_next(struct vfs_listing *listing, const struct fs_status **status,
                  struct err *err) MUST_CHECK;
void vfs_list_close(struct vfs_listing *listing);

int vfs_mkdirs(struct vfs *vfs, const char *path, uint32_t mode, struct err *err) MUST_CHECK;
int vfs_delete(struct vfs *vfs, const char *path, bool recursive, bool *deleted,
               struct err *err) MUST_CHECK;
int vfs_rename(struct vfs *vfs, const char *from, const char *to, bool *renamed,
               struct err *err) MUST_CHECK;
/* rename2 with enum fs_rename_flag. */
int vfs_rename2(struct vfs *vfs, const char *from, const char *to, unsigned flags,
                struct err *err) MUST_CHECK;
int vfs_set_permission(struct vfs *vfs, const char *path, uint32_t mode,
                       struct err *err) MUST_CHECK;
int vfs_set_owner(struct vfs *vfs, const char *path, const char *owner, const char *group,
                  struct err *err) MUST_CHECK;
int vfs_set_times(struct vfs *vfs, const char *path, int64_t mtime_ms, int64_t atime_ms,
                  struct err *err) MUST_CHECK;
int vfs_set_replication(struct vfs *vfs, const char *path, unsigned replication, bool *set,
                        struct err *err) MUST_CHECK;
int vfs_truncate(struct vfs *vfs, const char *path, uint64_t length, bool *done,
                 struct err *err) MUST_CHECK;

/* FileSystem.access: 0 when allowed, ERR_ACCESS or ERR_NOT_FOUND. `mode`: 4 read, 2 write, 1
 * execute. */
int vfs_access(struct vfs *vfs, const char *path, unsigned mode, struct err *err) MUST_CHECK;

int vfs_content_summary(struct vfs *vfs, const char *path, struct fs_content_summary *summary,
                        struct err *err) MUST_CHECK;
int vfs_quota_usage(struct vfs *vfs, const char *path, struct fs_quota_usage *usage,
                    struct err *err) MUST_CHECK;
int vfs_stats(struct vfs *vfs, const char *path, struct fs_stats *stats,
              struct err *err) MUST_CHECK;

struct vfs_in;
int vfs_open(struct vfs *vfs, const char *path, bool skip_checksum, struct vfs_in **in,
             struct err *err) MUST_CHECK;
ssize_t vfs_read(struct vfs_in *in, void *data, size_t size,
                 struct err *err) MUST_CHECK; /* 0: the end */
int vfs_seek(struct vfs_in *in, uint64_t position, struct err *err) MUST_CHECK;
void vfs_in_close(struct vfs_in *in); /* NULL is fine */

struct vfs_create_options {
    bool overwrite;
    bool lazy_persist;
    bool write_checksum; /* local: make the `.x.crc` beside it */
};
struct vfs_out;
int vfs_create(struct vfs *vfs, const char *path, const struct vfs_create_options *options,
               struct vfs_out **out, struct err *err) MUST_CHECK;
int vfs_append(struct vfs *vfs, const char *path, bool new_block, struct vfs_out **out,
               struct err *err) MUST_CHECK;
int vfs_write(struct vfs_out *out, const void *data, size_t size, struct err *err) MUST_CHECK;
int vfs_out_close(struct vfs_out *out,
                  struct err *err) MUST_CHECK; /* frees in any case; NULL is fine */
void vfs_out_abort(struct vfs_out *out);

#endif
