/*
 * This machine's files with the manners of Hadoop's LocalFileSystem. vfs.c is the only caller; see
 * vfs.h for what the functions promise.
 */
#ifndef CLIENT_SHELL_LOCAL_H
#define CLIENT_SHELL_LOCAL_H

#include "client/shell/vfs.h"

int local_stat(const char *path, struct fs_status *status, struct err *err) MUST_CHECK;
int local_mkdirs(const char *path, uint32_t mode, struct err *err) MUST_CHECK;
int local_delete(const char *path, bool recursive, bool *deleted, struct err *err) MUST_CHECK;
int local_rename(const char *from, const char *to, bool *renamed, struct err *err) MUST_CHECK;
int local_set_permission(const char *path, uint32_t mode, struct err *err) MUST_CHECK;
int local_set_owner(const char *path, const char *owner, const char *group,
                    struct err *err) MUST_CHECK;
int local_set_times(const char *path, int64_t mtime_ms, int64_t atime_ms,
                    struct err *err) MUST_CHECK;
int local_truncate(const char *path, uint64_t length, struct err *err) MUST_CHECK;
int local_access(const char *path, unsigned mode, struct err *err) MUST_CHECK;
int local_content_summary(const char *path, struct fs_content_summary *summary,
                          struct err *err) MUST_CHECK;
int local_stats(const char *path, struct fs_stats *stats, struct err *err) MUST_CHECK;

/* The names in a directory without "." and ".." and checksum files, in no order. Freed by
 * local_names_free(). */
int local_names(const char *path, char ***names, size_t *count, struct err *err) MUST_CHECK;
void local_names_free(char **names, size_t count);

struct local_out;
int local_create(const char *path, bool overwrite, bool checksum, struct local_out **out,
                 struct err *err) MUST_CHECK;
int local_append(const char *path, struct local_out **out, struct err *err) MUST_CHECK;
int local_write(struct local_out *out, const void *data, size_t size, struct err *err) MUST_CHECK;
int local_out_close(struct local_out *out, struct err *err) MUST_CHECK;

#endif
