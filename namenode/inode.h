/*
 * Inodes: one per file, directory or symlink, in slabs that never move, so that a pointer stays
 * good until the inode is freed. The struct is the product: 64 bytes, pinned below. Rare attributes
 * (quotas, symlink target, ACL, extended attributes; the writer of an open file is in lease.h) live
 * in side tables keyed by reference and cost nothing where absent.
 *
 * A reference (uint32_t, 0 = none) is an inode's place in the slabs: half a pointer. Names are raw
 * bytes, at most 255, without NUL; the shorter ones live inside the inode.
 *
 * Thread rules: the namenode's core thread only. Pure: no I/O, no clock.
 */
#ifndef NAMENODE_INODE_H
#define NAMENODE_INODE_H

#include "common/base.h"
#include "common/err.h"

struct acl;          /* acl.h */
struct acl_pool;     /* acl.h */
struct xattrs;       /* xattr.h */
struct block;        /* block.h */
struct dir_children; /* tree.c: children ordered by the bytes of their names */
struct inode_table;

enum inode_type { INODE_FREE = 0, INODE_FILE = 1, INODE_DIRECTORY = 2, INODE_SYMLINK = 3 };

enum {
    INODE_NAME_INLINE = 18,
    INODE_NAME_MAX = 255,
    INODE_MODE_MASK = 01777,
    INODE_MODE_STICKY = 01000,
};

#define INODE_ID_ROOT UINT64_C(16385)
#define QUOTA_NONE    INT64_C(-1)
#define QUOTA_NS_ROOT INT64_MAX /* the root's name quota in a fresh namespace */

struct inode {
    uint64_t id;
    uint64_t mtime_ms : 48;
    uint64_t mode : 10;
    uint64_t type : 2; /* enum inode_type */
    uint64_t under_construction : 1;
    uint64_t has_quota : 1;
    uint64_t has_acl : 1;
    uint64_t marked : 1;       /* scratch of the walk that owns it; clear otherwise */
    uint64_t atime_ms : 48;    /* 0 for directories */
    uint64_t replication : 10; /* files; the policy's id of a striped one: inode_replication() */
    uint64_t storage_policy : 4;
    uint64_t has_xattrs : 1;
    uint64_t striped : 1; /* files: blocks are groups of an erasure coding policy */
    union {
        struct dir_children *children; /* directories; NULL when empty */
        struct block *block;           /* files with block_count == 1 */
        struct block **blocks;         /* files with block_count > 1, in file order */
    };
    uint32_t parent;           /* reference; 0 for the root and for what is unlinked */
    uint32_t owner;            /* index of the interned (user, group) pair */
    uint32_t block_count : 30; /* files */
    uint32_t has_history : 1;  /* snapshots know of it: snapshot.h */
    uint32_t is_copy : 1;      /* what it was in a snapshot: inode_copy() */
    uint8_t block_size_class;
    uint8_t name_length;
    uint8_t name_space[INODE_NAME_INLINE]; /* the name, or a pointer to it: read by inode_name() */
};
_Static_assert(sizeof(struct inode) == 64, "bytes per inode are the product");

struct inode_table *inode_table_new(void);
void inode_table_free(struct inode_table *table);

/* A new inode of `type` with this id (which must not be in use), unlinked, owned by nobody yet.
 * Enters the id index. */
struct inode *inode_new(struct inode_table *table, enum inode_type type, uint64_t id);
/* For images: as inode_new(), but unknown to inode_find() before inode_index(), which takes many at once. That no other inode has the
 * id is the caller's business. */
struct inode *inode_new_unknown(struct inode_table *table, enum inode_type type, uint64_t id);
void inode_index(struct inode_table *table, const uint32_t *references, size_t count);
void inode_expect(struct inode_table *table, uint64_t count); /* so many inodes will there be */
/* Frees the inode and its side entries; it must be unlinked, without children and without blocks.
 */
void inode_free(struct inode_table *table, struct inode *inode);

/* The attributes of an inode as they are now, for a snapshot: without children, blocks and parent,
 * found by nobody and met by no walk; has_history is not taken over. Freed with inode_free(). */
struct inode *inode_copy(struct inode_table *table, const struct inode *inode);

/* Also what is in no directory of today: in a snapshot only, or about to be freed. */
struct inode *inode_find_any(const struct inode_table *table, uint64_t id);
struct inode *inode_find(const struct inode_table *table,
                         uint64_t id); /* NULL when there is none in the namespace */
struct inode *inode_at(const struct inode_table *table, uint32_t reference);
uint32_t inode_reference(const struct inode *inode);
struct inode *inode_parent(const struct inode_table *table,
                           const struct inode *inode); /* NULL for the root */
uint64_t inode_count(const struct inode_table *table);
/* Walks the whole table, detached trees included: the inode in use with the next higher reference;
 * 0 starts. NULL at the end. */
struct inode *inode_next(const struct inode_table *table, uint32_t after);

static inline bool inode_is_dir(const struct inode *inode)
{
    return inode->type == INODE_DIRECTORY;
}
static inline bool inode_is_file(const struct inode *inode)
{
    return inode->type == INODE_FILE;
}
static inline bool inode_is_symlink(const struct inode *inode)
{
    return inode->type == INODE_SYMLINK;
}

/* Replicas wanted of a file's blocks; of a block group's blocks there is one each. */
static inline uint16_t inode_replication(const struct inode *file)
{
    return file->striped ? 1 : (uint16_t)file->replication;
}
/* 0: replicated */
static inline uint8_t inode_ec_policy(const struct inode *file)
{
    return file->striped ? (uint8_t)file->replication : 0;
}

/* The name: not NUL-terminated; *length bytes. Empty for the root. Valid until the inode is renamed
 * or freed. */
const uint8_t *inode_name(const struct inode *inode, size_t *length);
void inode_set_name(struct inode_table *table, struct inode *inode, const void *name,
                    size_t length);

/* Owners are interned pairs; the texts live as long as the table. */
const char *inode_user(const struct inode_table *table, const struct inode *inode);
const char *inode_group(const struct inode_table *table, const struct inode *inode);
void inode_set_owner(struct inode_table *table, struct inode *inode, const char *user,
                     const char *group);

uint64_t inode_block_size(const struct inode_table *table,
                          const struct inode *inode); /* preferred, of a file */
int inode_set_block_size(struct inode_table *table, struct inode *inode, uint64_t size,
                         struct err *err) MUST_CHECK;

/* Blocks of a file in order. The list is owned by the inode, the blocks by the block map. */
struct block *inode_block(const struct inode *inode, uint32_t index);
struct block *inode_last_block(const struct inode *inode);        /* NULL without blocks */
struct block *inode_penultimate_block(const struct inode *inode); /* NULL with fewer than two */
void inode_append_block(struct inode *inode, struct block *block);
struct block *inode_drop_last_block(struct inode *inode);
void inode_replace_block(struct inode *inode, uint32_t index, struct block *block);
void inode_clear_blocks(struct inode *inode); /* forgets the list, not the blocks */
/* Sum of the blocks' lengths; an unfinished last block counts with the length it has (fsync sets
 * one). */
uint64_t inode_length(const struct inode *inode, bool count_unfinished_last);

/* The stored ACL (acl.h) and the extended attributes (xattr.h); NULL where there are none. Setting
 * takes over the caller's hold and drops the one of what was there before. */
struct acl *inode_acl(const struct inode_table *table, const struct inode *inode);
void inode_set_acl(struct inode_table *table, struct inode *inode, struct acl *acl);
struct acl_pool *inode_acl_pool(const struct inode_table *table);
struct xattrs *inode_xattrs(const struct inode_table *table, const struct inode *inode);
void inode_set_xattrs(struct inode_table *table, struct inode *inode, struct xattrs *xattrs);

/* Symlink target; "" for others. */
const char *inode_symlink_target(const struct inode_table *table, const struct inode *inode);
void inode_set_symlink_target(struct inode_table *table, struct inode *inode, const char *target);

/* Quotas of a directory as set; QUOTA_NONE where unset (type quotas by enum storage_type of
 * block.h). */
struct inode_quota {
    int64_t names;
    int64_t space;
    int64_t type_space[7];
};
/* What a tree holds; kept at directories with quotas. */
struct quota_usage {
    int64_t names; /* inodes, itself included */
    int64_t space; /* bytes times replication */
    int64_t type_space[7];
};
const struct inode_quota *inode_quota(const struct inode_table *table,
                                      const struct inode *dir); /* NULL: none set */
/* Kept by quota.c; others set quotas by quota_set(). All QUOTA_NONE (the root: names QUOTA_NS_ROOT)
 * removes the entry. */
void inode_set_quota(struct inode_table *table, struct inode *dir, const struct inode_quota *quota);
uint64_t inode_quota_count(const struct inode_table *table); /* directories with quotas */
struct quota_usage *inode_usage(const struct inode_table *table,
                                const struct inode *dir); /* NULL: no quota set */

/* While detached trees wait to be freed, inode_find() does not answer inodes of theirs
 * (tree_detach(), apply_tree.h). */
void inode_table_detached(struct inode_table *table, int64_t change);

uint64_t inode_table_memory(
    const struct inode_table *table); /* bytes: slabs, names, indexes; not directories' lists */

#endif
