/*
 * Snapshots: what the tree below a directory was at one moment (SnapshotManager,
 * DirectoryWithSnapshotFeature, FileWithSnapshotFeature, INodeReference). Taking one costs nothing but its
 * name; afterwards every change keeps what it replaces, once for each snapshot that saw it.
 *
 * Time is counted in snapshots: what is born when the counter says n is seen by the snapshots n, n + 1, …
 * (ids are given out in that order, over the whole namespace), what ends at m was seen by those before m.
 * Three kinds of records say what is no more:
 *
 *   entry    inode I was in directory D under this name, from birth to death
 *   version  inode I had these attributes (and this length, these blocks) up to its snapshot, and down
 *            to the version before it
 *   birth    the present entry of I in its directory is no older than this
 *
 * A snapshot s of directory R *covers* an inode when a way down from R leads to it by entries that s saw. What
 * covers an inode is computed by walking up (snapshot_latest()): no second account is kept that could
 * disagree. A record lies in the list of the latest snapshot that covers it. When that one is deleted, its records
 * move to the next older one that covers them, or are freed: work for as many records as there are, in
 * slices (snapshot_reclaim.c).
 *
 * An inode without an entry of today but with earlier ones is *kept*: it, and all below it, belongs to snapshots
 * alone. Its home is the latest of its entries that does not lie within itself: quotas above that are charged for it. A whole tree
 * deleted under a snapshot stays as it is; only what no snapshot saw is taken out of it.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_SNAPSHOT_H
#define NAMENODE_SNAPSHOT_H

#include <sys/queue.h>
#include <uthash.h>

#include "namenode/tree.h"

enum {
    SNAPSHOT_NONE = -1,
    SNAPSHOT_CURRENT = INT32_MAX - 1, /* Snapshot.CURRENT_STATE_ID */
    SNAPSHOT_ID_MAX = (1 << 28) - 1,
    SNAPSHOT_QUOTA = 1 << 16, /* DirectorySnapshottableFeature.SNAPSHOT_QUOTA_DEFAULT */
};

struct core;

enum snapshot_record_kind { SNAPSHOT_ENTRY, SNAPSHOT_VERSION, SNAPSHOT_BIRTH };

struct snapshot_record {
    TAILQ_ENTRY(snapshot_record) filed;
    int32_t snapshot; /* in whose list it is */
    uint8_t kind;     /* enum snapshot_record_kind */
    uint32_t inode;   /* reference */
};
TAILQ_HEAD(snapshot_records, snapshot_record);

struct snapshot_entry {
    struct snapshot_record record;
    uint32_t dir; /* reference */
    int32_t birth, death;
    uint8_t name_length;
    uint8_t name[];
};

struct snapshot_version {
    struct snapshot_record record;
    struct inode
        *copy;       /* the attributes; NULL when only blocks and length differ (Apache's images) */
    uint64_t length; /* of a file */
    struct block **blocks; /* NULL: those of the next version that has some, or of today */
    uint32_t block_count;
    bool has_blocks;
};

struct snapshot_birth {
    struct snapshot_record record;
    int32_t birth;
};

struct snapshot {
    int32_t id;
    uint32_t dir; /* reference of the directory it was taken of */
    struct inode
        *root; /* that directory's attributes; named as the snapshot. NULL: it is deleted */
    struct snapshot_records records;
    TAILQ_ENTRY(snapshot) dying; /* deleted, while it has records */
    UT_hash_handle hh;
};

struct snapshot_dir { /* DirectorySnapshottableFeature */
    struct inode *dir;
    struct snapshot **by_id, **by_name;
    uint32_t count, id_capacity, name_capacity;
    TAILQ_ENTRY(snapshot_dir) all;
};

/* What is known of an inode's past. */
struct snapshot_history {
    uint32_t reference;
    struct snapshot_version **versions; /* ascending by snapshot */
    uint32_t version_count, version_capacity;
    struct snapshot_entry **entries; /* a directory's former children, by name, then birth */
    uint32_t entry_count, entry_capacity;
    struct snapshot_entry **places; /* where this inode was, ascending by death */
    uint32_t place_count, place_capacity;
    struct snapshot_birth *birth;
    struct snapshot_dir *snapshottable;
    struct snapshot_entry *home; /* of a kept inode; NULL: home_dir is the root */
    uint32_t home_dir;           /* of a kept inode */
    UT_hash_handle hh;
};

struct snapshots {
    struct snapshot *by_id;             /* uthash */
    struct snapshot_history *histories; /* uthash */
    TAILQ_HEAD(snapshot_dirs, snapshot_dir) dirs;
    uint32_t dir_count;
    int32_t counter;                             /* id of the next */
    uint32_t count;                              /* those that are not deleted */
    TAILQ_HEAD(dying_snapshots, snapshot) dying; /* work */
    uint64_t *prune; /* ids of kept directories to be looked through: work */
    uint32_t prune_count, prune_capacity;
};

struct snapshots *snapshots_new(void);
void snapshots_free(
    struct snapshots *snapshots); /* histories too; copies belong to the inode table */

static inline uint32_t snapshot_count(const struct tree *tree)
{
    return tree->snapshots->count;
}

/* NULL when nothing is known. */
struct snapshot_history *snapshot_history(const struct tree *tree, const struct inode *inode);
struct snapshot_dir *snapshot_dir(const struct tree *tree, const struct inode *inode);
struct snapshot *snapshot_named(const struct snapshot_dir *dir, const void *name, size_t length);
const char *snapshot_name(const struct snapshot *snapshot, size_t *length);

/* ---- what covers what ---- */

/* The latest snapshot before `below` (SNAPSHOT_CURRENT: any) that covers the inode; SNAPSHOT_NONE. */
int32_t snapshot_latest(const struct tree *tree, const struct inode *inode, int32_t below);
int32_t snapshot_birth(const struct tree *tree, const struct inode *inode); /* 0: not noted */
/* In a directory of today, up to the root? */
bool snapshot_is_live(const struct tree *tree, const struct inode *inode);
/* The directory whose quotas the inode counts for: its parent, or its home. */
struct inode *snapshot_home(const struct tree *tree, const struct inode *inode);

/* ---- changes: called by the functions that apply edits ---- */

void snapshot_allow(struct tree *tree, struct inode *dir);
void snapshot_disallow(struct tree *tree, struct inode *dir); /* it has none */
/* The directory is snapshottable, the name free, ids are left. */
struct snapshot *snapshot_create(struct tree *tree, struct inode *dir, const char *name,
                                 int64_t now_ms);
/* Its records become work for snapshot_reclaim(). */
void snapshot_delete(struct tree *tree, struct snapshot *snapshot);
void snapshot_rename(struct tree *tree, struct snapshot *snapshot, const char *name,
                     int64_t now_ms);

/* The inode's attributes, length or blocks are about to change: keeps them for the latest snapshot that
 * covers it, unless they are kept already. With `blocks` also the list of blocks, which is about to lose some. */
void snapshot_keep(struct core *core, struct inode *inode, bool blocks);
/* The inode is about to leave its directory: keeps the entry when a snapshot sees it. True when it did. */
bool snapshot_leave(struct tree *tree, struct inode *inode);
/* The inode has no parent (any more): gives it a home. False when no snapshot wants it. */
bool snapshot_find_home(struct tree *tree, struct inode *inode);
/* The inode is in its directory from now on. */
void snapshot_arrive(struct tree *tree, struct inode *inode);
/* Is this block, number `index` of the file, kept for a version? */
bool snapshot_holds_block(const struct tree *tree, const struct inode *file, uint32_t index,
                          const struct block *block);
/* Does a version go on behind the file's last block? Then that block must not grow. */
bool snapshot_holds_end(const struct tree *tree, const struct inode *file);
/* Bytes of the blocks that only versions have. */
uint64_t snapshot_only_bytes(const struct tree *tree, const struct inode *file);

/* ---- reclaiming (snapshot_reclaim.c) ---- */

/* The inode left its directory for good and stays kept: what no snapshot sees below it goes, in slices. */
void snapshot_kept(struct core *core, struct inode *inode);
/* Takes all records off an inode that is about to be freed; its blocks are handed to blocks_remove(). */
void snapshot_forget(struct core *core, struct inode *inode);
/* Frees up to *budget records and inodes; true when there is more. */
bool snapshot_reclaim(struct core *core, uint64_t *budget);

/* ---- building records: by the functions above, and by images ---- */

struct snapshot_entry *snapshot_add_entry(struct tree *tree, struct inode *dir, struct inode *inode,
                                          const void *name, size_t length, int32_t birth,
                                          int32_t death, int32_t snapshot);
struct snapshot_version *snapshot_add_version(struct tree *tree, struct inode *inode,
                                              struct inode *copy, int32_t snapshot);
void snapshot_set_birth(struct tree *tree, struct inode *inode, int32_t birth, int32_t snapshot);
struct snapshot *snapshot_add(struct tree *tree, struct inode *dir, int32_t id, struct inode *root);
struct snapshot_history *snapshot_history_make(struct tree *tree, struct inode *inode);

/* Taking off: of lists and of histories; an empty history goes. The version's copy and blocks are the
 * caller's. */
void snapshot_drop_entry(struct tree *tree, struct snapshot_entry *entry);
void snapshot_drop_version(struct tree *tree, struct snapshot_version *version);
void snapshot_drop_birth(struct tree *tree, struct inode *inode);
void snapshot_refile(struct tree *tree, struct snapshot_record *record, int32_t snapshot);

/* ---- views (snapshot_view.c) ---- */

/* What the inode was for a snapshot: a copy, or the inode itself when nothing changed since. */
struct inode *snapshot_attributes(const struct tree *tree, struct inode *inode, int32_t snapshot);
struct inode *snapshot_child(const struct tree *tree, const struct inode *dir, int32_t snapshot,
                             const void *name, size_t length); /* the inode proper; NULL */
/* The earliest former child of that name; NULL. */
struct snapshot_entry *snapshot_first_entry(const struct tree *tree, const struct inode *dir,
                                            const void *name, size_t length);
uint64_t snapshot_child_count(const struct tree *tree, const struct inode *dir, int32_t snapshot);

struct snapshot_item {
    const uint8_t *name;
    size_t length;
    struct inode *inode; /* proper */
};
/* As dir_list() of tree.h; cost beyond what it returns: the entries of the past passed over. */
size_t snapshot_list(const struct tree *tree, const struct inode *dir, int32_t snapshot,
                     const void *start, size_t start_length, struct snapshot_item *out, size_t max,
                     bool *more);

struct snapshot_file {
    struct block *const *blocks;
    uint32_t block_count;
    uint64_t length;
};
/* A file's blocks and length for a snapshot, or (SNAPSHOT_CURRENT) of today. */
void snapshot_file(const struct tree *tree, const struct inode *file, int32_t snapshot,
                   struct snapshot_file *out);

#endif
