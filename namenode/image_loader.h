/*
 * What the parts of loading an image share: image_load.c, image_load_snapshots.c. One thread.
 */
#ifndef NAMENODE_IMAGE_LOADER_H
#define NAMENODE_IMAGE_LOADER_H

#include <uthash.h>

#include "namenode/core.h"
#include "namenode/image_ids.h"
#include "namenode/image_in.h"
#include "namenode/image_inode.h"
#include "namenode/image_load.h"

struct text {
    UT_hash_handle hh;
    uint32_t id;
    char text[];
};

struct image_loaded_reference { /* INodeReference */
    struct inode *inode;
    char *name; /* WithName; NULL: DstReference */
    bool used;
};

struct pending_quota {
    struct inode *dir;
    struct inode_quota quota;
};

struct loader {
    struct core *core;
    struct image_in in;
    struct text *texts;
    uint32_t mask_bits;
    struct image_ids ids;
    struct image_inode file;
    uint64_t owner_ids; /* of the last inode: a run of them has the same */
    uint32_t owner;     /* and what became of them; 0: no inode was before */
    uint32_t *children; /* of one directory */
    size_t child_capacity;
    struct pending_quota *quotas; /* set at the end: counting needs the whole tree */
    size_t quota_count, quota_capacity;
    struct image_loaded_reference *references;
    size_t reference_count, reference_capacity;
    uint64_t times_clamped;
    struct arena arena; /* of one message */
};

int image_bad(struct err *err, const char *what, uint64_t id);

typedef int image_message_fn(struct loader *l, void *message, struct err *err);
int image_each_message(struct loader *l, const char *section,
                       const ProtobufCMessageDescriptor *type, image_message_fn *fn,
                       struct err *err) MUST_CHECK;

/* Attributes of an inode proper or of a copy for a snapshot; names, children and blocks are others'. */
int image_load_file_attributes(struct loader *l, struct inode *file,
                               const Pb__INodeSection__INodeFile *f, struct err *err) MUST_CHECK;
int image_load_directory(struct loader *l, struct inode *dir,
                         const Pb__INodeSection__INodeDirectory *d, struct err *err) MUST_CHECK;

/* Sections, in this order: references before directories, the others behind them. */
int image_load_references(struct loader *l, struct err *err) MUST_CHECK;
int image_load_snapshots(struct loader *l, struct err *err) MUST_CHECK;
int image_load_differences(struct loader *l, struct err *err) MUST_CHECK;
/* What has no parent must be kept by a snapshot. */
int image_settle_kept(struct loader *l, struct err *err) MUST_CHECK;
void image_references_release(struct loader *l);

#endif
