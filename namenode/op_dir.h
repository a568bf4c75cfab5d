/*
 * What making a file and making a directory share (FSDirMkdirOp, FSDirectory.addLastINode).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_OP_DIR_H
#define NAMENODE_OP_DIR_H

#include "namenode/op.h"
#include "proto/acl.pb-c.h"

/* Modes that a caller gives what he makes (FsCreateModes). */
struct create_modes {
    uint16_t masked;
    bool has_unmasked;
    uint16_t unmasked; /* without the umask: holds below a default ACL */
};
struct create_modes dir_modes(const Pb__FsPermission *masked, const Pb__FsPermission *unmasked);
/* Mode and ACL of a record that makes something in `dir`, default ACLs obeyed
 * (FSDirectory.copyINodeDefaultAcl). */
void dir_fill_modes(struct core *core, struct op *op, const struct inode *dir,
                    const struct create_modes *modes, bool is_dir, struct edit *edit);

/* Makes the missing ancestors of `path` (an edit each), owned by the caller, with `modes` and u+wx,
 * and brings `path` up to date: path->parent is set afterwards. Fails half-way as Apache does
 * (names too long, quotas, a full directory). */
int dir_make_ancestors(struct core *core, struct op *op, struct resolved *path,
                       struct create_modes modes, struct err *err) MUST_CHECK;

/* May the last component become a new entry of path->parent? Reserved names, its length, entries of
 * the directory, and `names` more in the name quotas. */
int dir_check_new_entry(struct core *core, struct op *op, const struct resolved *path,
                        int64_t names, struct err *err) MUST_CHECK;

/* Names of Apache's length limits: ERR_IO "create: Pathname too long.  Limit 8000 characters, 1000
 * levels." */
int dir_check_path_length(const char *operation, const char *path, struct err *err) MUST_CHECK;

/* FSDirSnapshotOp.checkSnapshot: ERR_SNAPSHOT when the inode, or one below it, has snapshots. *snapshottable (may be NULL): one
 * of them may have some. */
int dir_check_snapshots(struct core *core, const struct inode *inode, bool *snapshottable,
                        struct arena *arena, struct err *err) MUST_CHECK;

/* The parent's path of a resolved one, in the arena. */
const char *dir_parent_path(const struct resolved *path, struct arena *arena);

#endif
