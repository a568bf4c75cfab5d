/*
 * Quotas: what a directory with a quota may hold, and what it holds now
 * (DirectoryWithQuotaFeature). Counts are kept only at directories that have a quota, recomputed
 * when one is set, so that trees without quotas pay a walk to the root per change and nothing else.
 *
 * Checks are the live path's alone; charging belongs to the functions that apply edits, so that
 * replay counts the same. Space is length x replication, and a full block for a block that is still
 * written.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_QUOTA_H
#define NAMENODE_QUOTA_H

#include "namenode/core.h"

/* Whether the directory or an ancestor has a quota: nothing below needs to be asked otherwise. */
bool quota_applies(const struct core *core, const struct inode *dir);

/* What the inode and all below it hold. `policy`: the storage policy it would inherit, for the
 * counts by medium. */
struct quota_usage quota_count(const struct core *core, const struct inode *inode, uint8_t policy);

/* What a file holds, or would hold with another replication. */
struct quota_usage quota_count_file(const struct core *core, const struct inode *file,
                                    uint32_t replication, uint8_t policy);

/* Adds `bytes` of one replica for each of `replication` media that a policy wants (enum
 * storage_type). */
void quota_add_types(uint64_t type_space[7], uint64_t bytes, uint32_t replication, uint8_t policy);

/* May `dir` hold this much more? ERR_NS_QUOTA, ERR_DS_QUOTA, ERR_TYPE_QUOTA with Apache's texts.
 * Ancestors from `shared` upwards (NULL: none) hold it already and are not asked. */
int quota_check(struct core *core, const struct inode *dir, const struct inode *shared,
                const struct quota_usage *more, struct err *err) MUST_CHECK;
/* May this linked file grow by `bytes` (of one replica)? addBlock asks for a full block, append for
 * the rest of the last one. */
int quota_check_space(struct core *core, const struct inode *file, int64_t bytes,
                      struct err *err) MUST_CHECK;

/* Charging. A new inode is charged after it was linked and refunded, with all below it, before it
 * is unlinked. */
void quota_linked(struct core *core, const struct inode *inode);
void quota_unlinking(struct core *core, const struct inode *inode);

/* A change of a linked file's blocks, their lengths or states, its replication: mark before, settle
 * after. */
struct quota_mark {
    bool counted;
    struct quota_usage before;
};
struct quota_mark quota_mark(const struct core *core, const struct inode *file);
void quota_settle(struct core *core, const struct inode *file, const struct quota_mark *mark);

/* Adds to what dir and its ancestors hold; negative takes away. */
void quota_charge(struct core *core, const struct inode *dir, const struct quota_usage *more,
                  int sign);

/* Sets a directory's quotas as given (QUOTA_NONE: none) and counts what it holds. Counting costs
 * the size of the tree below. */
void quota_set(struct core *core, struct inode *dir, const struct inode_quota *quota);

/* Sets an inode's storage policy: what is below it counts by other media from now on. Where quotas
 * are about, costs the size of the tree below. */
void quota_set_policy(struct core *core, struct inode *inode, uint8_t policy);

/* Counts what every directory with a quota holds anew: after an image was loaded with
 * inode_set_quota(). */
void quota_recount(struct core *core);

#endif
