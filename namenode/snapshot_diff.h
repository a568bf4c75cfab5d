/*
 * What changed below a directory between two snapshots, or between one and today
 * (DirectorySnapshottableFeature.computeDiff, SnapshotDiffListingInfo).
 *
 * The walk goes over the tree of the earlier snapshot, children in the order of their names; every directory with
 * differences gives one item for itself, then those for what came into it, then those for what left it. What left it for
 * another place below `scope` is looked through where it was; its item names the place it is at in the later state.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_SNAPSHOT_DIFF_H
#define NAMENODE_SNAPSHOT_DIFF_H

#include "common/mem.h"
#include "namenode/snapshot.h"

enum snapshot_diff_kind { DIFF_MODIFIED, DIFF_CREATED, DIFF_DELETED };

struct snapshot_diff_item {
    enum snapshot_diff_kind kind; /* as if the later state came second */
    bool
        reference; /* modified: a directory; created: it was elsewhere before; deleted: it has a target */
    uint64_t dir_id, id;
    ProtobufCBinaryData path,
        target; /* below the scope, "" is the scope itself; target.data NULL: none */
};

/* Where a walk stopped: a directory or file below the scope, and of a directory the number of the next item
 * in its list of created and then deleted children (-1: the directory's own). "" and -1: at the beginning, or the end. */
struct snapshot_diff_cursor {
    ProtobufCBinaryData path;
    int32_t index;
};

struct snapshot_diff {
    struct snapshot_diff_item *items; /* owned: snapshot_diff_release() */
    size_t count, capacity;
};

/* Adds to `out` at most `max` items from the cursor on and moves it. Texts live in the arena. `earlier` is a snapshot that covers
 * `scope`; `later` one, or SNAPSHOT_CURRENT. Cost: the whole tree behind the cursor, when little has changed. */
void snapshot_diff_walk(const struct tree *tree, struct inode *scope, int32_t earlier,
                        int32_t later, struct snapshot_diff_cursor *cursor, size_t max,
                        struct arena *arena, struct snapshot_diff *out);
void snapshot_diff_release(struct snapshot_diff *diff);

#endif
