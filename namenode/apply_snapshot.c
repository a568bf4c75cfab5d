/* What edit_apply() does for the records of snapshots (SnapshotManager). */
#include "namenode/apply_tree.h"
#include "namenode/open_file.h"
#include "namenode/snapshot.h"

enum { RECLAIM_AT_ONCE = 64 };

static int find_dir(struct core *core, const struct edit *edit, struct inode **out, struct err *err)
{
    int rc = apply_find(core, edit, out, err);

    if (rc) return rc;
    return inode_is_dir(*out) ? 0 : apply_misfit(edit, err, "it is not a directory");
}

static int find_snapshottable(struct core *core, const struct edit *edit, struct snapshot_dir **out,
                              struct err *err)
{
    struct inode *dir;
    int rc = find_dir(core, edit, &dir, err);

    if (rc) return rc;
    *out = snapshot_dir(&core->tree, dir);
    return *out ? 0 : apply_misfit(edit, err, "it is not a snapshottable directory");
}

int apply_allow_snapshot(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *dir;
    int rc = find_dir(core, edit, &dir, err);

    if (rc) return rc;
    snapshot_allow(&core->tree, dir);
    return 0;
}

int apply_disallow_snapshot(struct core *core, const struct edit *edit, struct err *err)
{
    struct inode *dir;
    int rc = find_dir(core, edit, &dir, err);

    if (rc) return rc;
    const struct snapshot_dir *of = snapshot_dir(&core->tree, dir);
    if (of && of->count) return apply_misfit(edit, err, "it has snapshots");
    snapshot_disallow(&core->tree, dir);
    return 0;
}

/* dfs.namenode.snapshot.capture.openfiles: what is being written has the length of now. */
static void capture_open_files(struct core *core, const struct inode *dir)
{
    uint64_t ids[256], after = 0;
    size_t count;

    while ((count = lease_files(core->leases, NULL, after, ids, ARRAY_LEN(ids)))) {
        for (size_t i = 0; i < count; i++) {
            struct inode *file = inode_find(core->tree.inodes, ids[i]);

            if (file && tree_is_ancestor(&core->tree, dir, file)) snapshot_keep(core, file, false);
        }
        after = ids[count - 1];
    }
}

static int64_t time_of(const struct core *core, const struct edit *edit)
{
    return edit->mtime_ms > 0 ? edit->mtime_ms : core->now_wall_ms; /* older layouts have none */
}

int apply_create_snapshot(struct core *core, const struct edit *edit, struct err *err)
{
    struct snapshot_dir *of;
    int rc = find_snapshottable(core, edit, &of, err);

    if (rc) return rc;
    size_t length = strlen(edit->destination);
    if (!length || length > INODE_NAME_MAX)
        return apply_misfit(edit, err, "impossible name of a snapshot");
    if (snapshot_named(of, edit->destination, length))
        return apply_misfit(edit, err, "the snapshot exists");
    if (core->tree.snapshots->counter >= SNAPSHOT_ID_MAX)
        return apply_misfit(edit, err, "snapshot ids are used up");
    struct inode *dir = of->dir;
    snapshot_create(&core->tree, dir, edit->destination, time_of(core, edit));
    if (core->conf.snapshot_capture_open) capture_open_files(core, dir);
    return 0;
}

int apply_delete_snapshot(struct core *core, const struct edit *edit, struct err *err)
{
    struct snapshot_dir *of;
    int rc = find_snapshottable(core, edit, &of, err);

    if (rc) return rc;
    struct snapshot *snapshot = snapshot_named(of, edit->destination, strlen(edit->destination));
    if (!snapshot) return 0; /* logged twice where deletion was once ordered: HDFS-16942 */
    int64_t now = time_of(core, edit);
    snapshot_keep(core, of->dir, false);
    if (now > (int64_t)of->dir->mtime_ms) of->dir->mtime_ms = (uint64_t)now;
    snapshot_delete(&core->tree, snapshot);
    (void)tree_reclaim(core, core->replaying ? UINT64_MAX : RECLAIM_AT_ONCE);
    return 0;
}

int apply_rename_snapshot(struct core *core, const struct edit *edit, struct err *err)
{
    struct snapshot_dir *of;
    int rc = find_snapshottable(core, edit, &of, err);

    if (rc) return rc;
    if (edit->source_count != 1) return apply_misfit(edit, err, "it has no old name");
    size_t length = strlen(edit->destination);
    struct snapshot *snapshot = snapshot_named(of, edit->sources[0], strlen(edit->sources[0]));
    if (!snapshot) return apply_misfit(edit, err, "the snapshot does not exist");
    struct snapshot *other = snapshot_named(of, edit->destination, length);
    if (!length || length > INODE_NAME_MAX || (other && other != snapshot))
        return apply_misfit(edit, err, "the new name is impossible or taken");
    snapshot_rename(&core->tree, snapshot, edit->destination, time_of(core, edit));
    return 0;
}
