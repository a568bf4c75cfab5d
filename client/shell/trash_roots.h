/* Which directories hold a user's trash (FileSystem.getTrashRoot,
 * DistributedFileSystem.getTrashRoots). One thread. */
#ifndef CLIENT_SHELL_TRASH_ROOTS_H
#define CLIENT_SHELL_TRASH_ROOTS_H

#include "client/shell/vfs.h"

/* The trash that `path` belongs to; mem_free(). */
int trash_root(struct vfs *vfs, const char *path, char **root, struct err *err) MUST_CHECK;
/* All of this user's that exist: at home, in encryption zones, in snapshottable directories. */
int trash_roots(struct vfs *vfs, char ***roots, size_t *count, struct err *err) MUST_CHECK;
void trash_roots_free(char **roots, size_t count);

#endif
