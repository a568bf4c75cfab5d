/*
 * The tree: links between inodes, path resolution, and the counts that quotas need. Lookup, link
 * and unlink cost the same in a directory of ten names and of ten million; a listing costs what it
 * returns. Answers to FSDirectory and INodesInPath.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_TREE_H
#define NAMENODE_TREE_H

#include "namenode/inode.h"

enum {
    PATH_BYTES_MAX =
        21845, /* what the edit log can carry: 65535 / 3. Renames can build longer paths; nothing changes below them */
    PATH_LENGTH_MAX = 8000, /* characters: HdfsServerConstants.MAX_PATH_LENGTH */
    PATH_DEPTH_MAX = 1000,  /* components: MAX_PATH_DEPTH */
};

struct arena;

/*
 * Which inodes were changed by which edit of late, by a table without exact places: two inodes may share one, so that the answer is never too
 * low. A read that saw something changed by an edit must not be answered before that edit is durable.
 */
enum { TREE_RECENT_SLOTS = 4096 };
struct tree_recent {
    uint64_t txids[TREE_RECENT_SLOTS]; /* by inode id */
    uint64_t seen; /* the highest that path resolutions met since it was set to 0 */
};

struct tree {
    struct inode_table *inodes;
    struct inode *root;
    uint64_t inode_id_last;   /* highest id given out */
    struct tree_index *index; /* (parent, name) -> inode */
    uint32_t *detached;       /* roots of deleted trees that wait to be freed: apply_tree.c */
    uint32_t detached_count, detached_capacity;
    struct tree_recent *recent;  /* NULL: nobody asks */
    struct snapshots *snapshots; /* snapshot.h */
};

static inline void tree_note_changed(struct tree *tree, const struct inode *inode, uint64_t txid)
{
    if (tree->recent && inode) tree->recent->txids[inode->id % TREE_RECENT_SLOTS] = txid;
}

static inline void tree_note_seen(const struct tree *tree, const struct inode *inode)
{
    struct tree_recent *recent = tree->recent;

    if (recent) recent->seen = MAX(recent->seen, recent->txids[inode->id % TREE_RECENT_SLOTS]);
}

int tree_init(struct tree *tree); /* a root, id INODE_ID_ROOT, mode 0755, owner "", "" until set */
void tree_release(struct tree *tree);

struct inode *tree_child(const struct tree *tree, const struct inode *dir, const void *name,
                         size_t length);
/* `child` must be unlinked and carry its name; the name must be free in `dir`. */
void tree_link(struct tree *tree, struct inode *dir, struct inode *child);
/* For images: links children that are in order, to a directory without any. False, and nothing is linked, when they are not. */
bool tree_link_all(struct tree *tree, struct inode *dir, const uint32_t *children, size_t count);
void tree_expect(struct tree *tree, uint64_t count); /* so many inodes will there be */
void tree_unlink(struct tree *tree, struct inode *child);
/* Moves a linked inode to another name or directory in one step. */
void tree_move(struct tree *tree, struct inode *child, struct inode *new_dir, const void *name,
               size_t length);

/* The order of names in directories: bytes are signed, as Apache compares them. */
int tree_compare_names(const void *a, size_t a_length, const void *b, size_t b_length);

uint64_t dir_child_count(const struct inode *dir);
/* Children after `start` (exclusive; length 0 = from the beginning) in Apache's order (bytes are
 * signed): fills up to `max`, answers how many, and in *remaining how many follow. Cost: what it
 * returns. */
size_t dir_list(const struct tree *tree, const struct inode *dir, const void *start,
                size_t start_length, struct inode **out, size_t max, uint64_t *remaining);
struct inode *dir_child_at(const struct tree *tree, const struct inode *dir,
                           uint64_t position); /* NULL past the end */
struct inode *dir_last_child(const struct tree *tree,
                             const struct inode *dir); /* NULL without children */

/* All inodes below and including one, each directory before what is in it. The tree must not change
 * meanwhile. */
struct tree_walk {
    const struct tree *tree;
    struct inode *first; /* not answered yet */
    struct tree_walk_level *levels;
    size_t depth, capacity;
};
void tree_walk_start(struct tree_walk *walk, const struct tree *tree, struct inode *from);
struct inode *tree_walk_next(struct tree_walk *walk); /* NULL at the end */
void tree_walk_release(struct tree_walk *walk);

/* A walk in slices, between which the tree may change. Saving notes by ids and names where the walk
 * is, in the arena (an earlier bookmark of the same arena is used again where it is large enough),
 * and releases the walk; resuming goes on behind those names. What is moved meanwhile may be missed
 * or met twice; what is deleted is passed over. */
struct tree_bookmark;
struct tree_bookmark *tree_walk_save(struct tree_walk *walk, struct arena *arena,
                                     struct tree_bookmark *earlier);
void tree_walk_resume(struct tree_walk *walk, const struct tree *tree,
                      const struct tree_bookmark *bookmark);

/* A path resolved as far as it exists. Components point into `text`, which the caller keeps alive.
 */
struct resolved {
    const char *text;     /* the path as given; for /.reserved/.inodes the path it stands for */
    uint32_t depth;       /* components; 0 for the root */
    uint32_t found;       /* how many of them exist: found == depth when the path exists */
    struct inode *inode;  /* the path's inode, or NULL */
    struct inode *parent; /* the directory that holds or would hold the last component; NULL for the
                             root or when an earlier component is missing or is no directory */
    struct inode *deepest; /* the last inode that exists on the way (may be a file in the middle) */
    const char *last_name; /* last component; not NUL-terminated */
    size_t last_length;
    bool is_reserved_raw;
    /* Below <dir>/.snapshot/<name>: the snapshot's id, else SNAPSHOT_CURRENT (snapshot.h). Then `inode`, `parent` and `deepest` are what
     * the snapshot saw: copies, where they changed since; `proper` is the inode itself (NULL when the path does not
     * exist), and `way` the inodes from the root on, `found` + 1 of them less one for ".snapshot". */
    int32_t snapshot;
    struct inode *proper;
    struct inode **way;
    uint32_t way_count;
    struct inode *snapshots_of; /* the path is <dir>/.snapshot: that directory */
};

/* Resolves an absolute HDFS path, `/.reserved/.inodes/<id>[/rest]` and `/.reserved/raw/...`.
 * Missing components are no error (look at found/depth); ERR_ASSERTION (relative) and ERR_NOT_FOUND
 * (inode path of no inode) are. Doubled and trailing slashes are passed over, as Apache does in
 * paths it only looks up; what is about to be made is checked by perm_resolve(RESOLVE_CREATE). Text
 * lives in `arena`. */
int resolve_path(const struct tree *tree, const char *path, struct arena *arena,
                 struct resolved *out, struct err *err) MUST_CHECK;

/* A name that may be made: absolute, no empty component, ".", "..", nor ':' (DFSUtil.isValidName).
 */
bool path_is_valid(const char *path);
/* "/.reserved" itself, a directory that is nowhere. */
bool path_is_reserved(const char *path);

/* The inode's full path in the arena; for an unlinked inode NULL. */
const char *tree_path_of(const struct tree *tree, const struct inode *inode, struct arena *arena);
bool tree_is_ancestor(const struct tree *tree, const struct inode *ancestor,
                      const struct inode *inode); /* or equal */

#endif
