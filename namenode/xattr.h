/*
 * Extended attributes of inodes (XAttrFeature, XAttrStorage). A set is never changed: setting an
 * attribute makes another one. Sets are counted, so that a snapshot can hold one.
 *
 * A directory's storage policy, which Apache keeps as an attribute, is a field of the inode here
 * (inode.h) and never in a set.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_XATTR_H
#define NAMENODE_XATTR_H

#include "common/mem.h"
#include "namenode/inode.h"
#include "proto/fsimage.pb-c.h"

enum xattr_space { /* XAttr.NameSpace: as on the wire and on disk */
                   XATTR_USER = 0,
                   XATTR_TRUSTED = 1,
                   XATTR_SECURITY = 2,
                   XATTR_SYSTEM = 3,
                   XATTR_RAW = 4,
};

enum { XATTR_VALUE_MAX = 65535, XATTRS_MAX = 65535 };

#define XATTR_STORAGE_POLICY "hsm.block.storage.policy.id"  /* BlockStoragePolicySuite; system */
#define XATTR_UNREADABLE     "hdfs.unreadable.by.superuser" /* security */
#define XATTR_EC_POLICY      "hdfs.erasurecoding.policy" /* system: on directories, ec_policy.h */
#define XATTR_SATISFY        "hdfs.sps"                  /* system */

struct xattr {
    const char *name; /* without the prefix of its name space */
    const uint8_t *value;
    uint32_t size;
    uint8_t space; /* enum xattr_space */
};

struct xattrs {
    uint32_t holds;
    uint32_t count;
    struct xattr list[]; /* names and values follow the list */
};

/* A set with one hold, its content copied; NULL for none. */
struct xattrs *xattrs_new(const struct xattr *list, size_t count);
struct xattrs *xattrs_hold(struct xattrs *xattrs);
void xattrs_drop(struct xattrs *xattrs); /* NULL is passed over */

const struct xattr *xattrs_find(const struct xattrs *xattrs, enum xattr_space space,
                                const char *name); /* NULL */
/* "user.", "trusted.", … */
const char *xattr_prefix(uint8_t space);

/* What an attribute would switch on and this version does not have ("encryption zones", …); NULL. */
const char *xattr_missing_feature(const struct xattr *xattr);

/* The inode's set with `changes` in front of the others, replacing those of the same name; or
 * without those that `names` names. */
void xattrs_put(struct inode_table *table, struct inode *inode, const struct xattr *changes,
                size_t count);
void xattrs_remove(struct inode_table *table, struct inode *inode, const struct xattr *names,
                   size_t count);

/* Lists of the edit log, in the arena; ERR_ARGUMENT when one has an unknown name space, or a value
 * or a name that no image could hold. */
int xattrs_from_message(Pb__XAttr *const *messages, size_t count, struct arena *arena,
                        struct xattr **out, struct err *err) MUST_CHECK;
/* An empty value is left out, as Apache's namenode answers. */
Pb__XAttr *xattr_to_message(const struct xattr *xattr, struct arena *arena);

#endif
