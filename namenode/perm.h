/*
 * Permission checks as HDFS makes them (FSPermissionChecker): every ancestor needs EXECUTE, then
 * the operation's own needs, by mode and ACL. The superuser passes all. Refusals are ERR_ACCESS with Apache's text:
 * Permission denied: user=U, access=WRITE, inode="/p":owner:group:drwxr-xr-x
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_PERM_H
#define NAMENODE_PERM_H

#include "namenode/op.h"

/* FsAction bits, also on the wire. */
enum fs_action {
    ACTION_NONE = 0,
    ACTION_EXECUTE = 1,
    ACTION_WRITE = 2,
    ACTION_READ = 4,
    ACTION_READ_WRITE = 6,
    ACTION_READ_EXECUTE = 5,
    ACTION_ALL = 7
};

struct perm_request {
    bool owner;              /* caller must own the inode */
    enum fs_action ancestor; /* on the last existing ancestor */
    enum fs_action parent;   /* on the parent directory, when the path exists its parent */
    enum fs_action target;   /* on the inode itself */
    enum fs_action subtree;  /* on every directory below and including it */
    bool sticky;             /* a deletion or rename: honour the sticky bit of the parent */
    bool ignore_empty;       /* subtree: not asked of empty directories */
};

enum resolve_for {
    RESOLVE_READ,
    RESOLVE_WRITE,
    RESOLVE_CREATE, /* the last component may be made: the name must be valid, a file on the way is
                       ParentNotDirectory */
};

/* FSDirectory.resolvePath: resolves, checks the name, refuses writes below /.reserved/raw to all
 * but the superuser, and checks that all ancestors are directories that the caller may pass
 * through. Handlers start with this and go on with perm_check(). */
int perm_resolve(struct core *core, const struct op *op, const char *path, enum resolve_for purpose,
                 struct resolved *out, struct err *err) MUST_CHECK;

/* Also refuses, with ParentNotDirectory or AccessControl as Apache does for reads and writes, paths
 * that go through a file. */
int perm_check(struct core *core, const struct op *op, const struct resolved *path,
               const struct perm_request *request, struct err *err) MUST_CHECK;
/* ERR_UNRESOLVED_PATH when the path's last component is a symlink: calls that mean its target. */
int perm_refuse_symlink(struct core *core, const struct op *op, const struct resolved *path,
                        struct err *err) MUST_CHECK;
/* One inode by itself, its ancestors not asked. */
int perm_check_inode(struct core *core, const struct op *op, const struct inode *inode,
                     enum fs_action action, struct err *err) MUST_CHECK;
/* EXECUTE on the ancestors only. */
int perm_check_traverse(struct core *core, const struct op *op, const struct resolved *path,
                        struct err *err) MUST_CHECK;

#endif
