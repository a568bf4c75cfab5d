/*
 * fs.protected.directories: directories that are neither deleted nor renamed while something is in
 * them, not even by the superuser (DFSUtil.checkProtectedDescendants).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_PROTECTED_DIRS_H
#define NAMENODE_PROTECTED_DIRS_H

#include "namenode/op.h"

/* May what `path` resolved to be deleted or renamed? ERR_ACCESS when it, or a directory below it,
 * is protected and not empty. Empty directories and files always may. */
int protected_dirs_check(struct core *core, const struct op *op, const struct resolved *path,
                         struct err *err) MUST_CHECK;

#endif
