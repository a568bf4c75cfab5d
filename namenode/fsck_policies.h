/*
 * What `hdfs fsck -storagepolicies` adds: how many blocks lie on which media, and whether that is what their files' policies want (StoragePolicySummary).
 * Core thread only; pure.
 */
#ifndef NAMENODE_FSCK_POLICIES_H
#define NAMENODE_FSCK_POLICIES_H

#include "common/buf.h"
#include "namenode/storage_policy.h"

enum { STORAGE_TYPES = STORAGE_NVDIMM + 1 };

/* Blocks of one policy whose replicas lie on the same media. */
struct media_count {
    const struct storage_policy *wanted, *found; /* found: NULL when no policy has such media */
    uint16_t of[STORAGE_TYPES];                  /* replicas by storage type */
    uint64_t blocks;
};

/* Zeroed is empty. */
struct policy_summary {
    struct media_count *counts;
    size_t count, capacity;
    uint64_t blocks;
};

void policy_summary_add(struct policy_summary *summary, const struct storage_policy *wanted,
                        const enum storage_type *types, size_t count);
/* Appends the text, the most frequent media first. */
void policy_summary_print(struct policy_summary *summary, struct buf *out);
void policy_summary_release(struct policy_summary *summary);

#endif
