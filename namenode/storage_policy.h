/*
 * Storage policies: which media a block's replicas want (BlockStoragePolicySuite). The table is
 * fixed; ids travel in edits, images and messages. Any thread.
 */
#ifndef NAMENODE_STORAGE_POLICY_H
#define NAMENODE_STORAGE_POLICY_H

#include "namenode/block.h"

enum storage_policy_id {
    STORAGE_POLICY_NONE = 0, /* inherited from the nearest ancestor that has one */
    STORAGE_POLICY_PROVIDED = 1,
    STORAGE_POLICY_COLD = 2,
    STORAGE_POLICY_WARM = 5,
    STORAGE_POLICY_HOT = 7, /* what a tree without policy gets, unless configured */
    STORAGE_POLICY_ONE_SSD = 10,
    STORAGE_POLICY_ALL_SSD = 12,
    STORAGE_POLICY_ALL_NVDIMM = 14,
    STORAGE_POLICY_LAZY_PERSIST = 15,
};

struct storage_policy {
    uint8_t id;
    const char *name;
    bool only_at_create; /* a file gets it when it is created, or never */
    /* Wanted media in order, the last repeating; lists end with 0. */
    enum storage_type creation[3];
    enum storage_type creation_fallback[3];
    enum storage_type replication_fallback[3];
};

extern const struct storage_policy storage_policies[];
extern const size_t storage_policy_count;

const struct storage_policy *storage_policy_by_id(uint8_t id); /* NULL when there is none */
const struct storage_policy *
storage_policy_by_name(const char *name); /* case does not matter; NULL */
enum storage_type storage_policy_type(const struct storage_policy *policy,
                                      uint32_t replica); /* wanted by the n-th */
bool storage_type_has_quota(
    enum storage_type type); /* StorageType.supportTypeQuota: all but RAM_DISK */
const char *storage_type_name(enum storage_type type); /* "DISK" */

struct inode;
struct inode_table;
struct core_conf;
/* The policy with the id, else the default one (dfs.storage.default.policy); never NULL. */
const struct storage_policy *storage_policy_or_default(const struct core_conf *conf, uint8_t id);
/* The policy of the inode or of its nearest ancestor that has one; 0 when none has. */
uint8_t storage_policy_effective(const struct inode_table *table, const struct inode *inode);

#endif
