/*
 * What the parts of saving an image share: image_save.c, image_save_snapshots.c. One thread.
 */
#ifndef NAMENODE_IMAGE_SAVER_H
#define NAMENODE_IMAGE_SAVER_H

#include <uthash.h>

#include "namenode/core.h"
#include "namenode/image_out.h"
#include "namenode/image_save.h"

struct text_id {
    UT_hash_handle hh;
    uint32_t id;
    char text[];
};

struct snapshot_entry;

/* An INodeReference: WithName of an entry, or DstReference of where the inode is now or was last. */
struct image_reference {
    const struct inode *inode;
    const struct snapshot_entry *entry; /* NULL: DstReference */
    int32_t snapshot;                   /* last, or dst */
};

/* The numbers of one kind of strings. */
struct texts {
    struct text_id *by_text;
    uint32_t count;
};

struct saver {
    const struct core *core;
    struct image_out *out;
    struct texts users, groups, xattrs;
    uint64_t *permissions; /* user and group bits by the inode's owner index; 0: not asked yet */
    size_t permission_capacity;
    struct buf blocks, block_list;
    struct arena arena;
    struct image_reference *references; /* INodeReferences in the order of their numbers */
    size_t reference_count, reference_capacity;
    struct err *err;
    int rc;
};

/* A directory's or file's attributes as messages; what they point to lives in the scratch, or in s->arena. */
struct image_dir_scratch {
    Pb__INodeSection__QuotaByStorageTypeFeature types;
    Pb__INodeSection__QuotaByStorageTypeEntry entries[7], *entry_list[7];
};
void image_fill_directory(struct saver *s, const struct inode *dir,
                          Pb__INodeSection__INodeDirectory *out, struct image_dir_scratch *scratch);
void image_fill_file(struct saver *s, const struct inode *file, Pb__INodeSection__INodeFile *out);

/* Is a child to be named by a DstReference? Then its number is answered, else -1. */
int64_t image_reference_of_child(struct saver *s, const struct inode *child);
void image_save_snapshots(struct saver *s); /* SNAPSHOT, SNAPSHOT_DIFF, INODE_REFERENCE */

#endif
