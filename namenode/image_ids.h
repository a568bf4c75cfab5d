/*
 * Which inode has which id, while an image is read: the table of inodes learns its inodes many at a time, and where ids lie close together,
 * as a namenode gives them out, an array answers. One thread.
 */
#ifndef NAMENODE_IMAGE_IDS_H
#define NAMENODE_IMAGE_IDS_H

#include "namenode/inode.h"

enum { IMAGE_IDS_PENDING = 512 };

struct image_ids {
    struct inode_table *inodes;
    uint32_t *near; /* references by id, from the root's on */
    uint64_t near_count;
    uint32_t pending[IMAGE_IDS_PENDING]; /* made, and unknown to the table yet */
    size_t pending_count;
};

/* `count` inodes are said to come, with ids up to `last`: memory is taken for no more than a few words for each. */
void image_ids_init(struct image_ids *ids, struct inode_table *inodes, uint64_t count,
                    uint64_t last);
void image_ids_release(struct image_ids *ids); /* zeroed is fine */

struct inode *image_ids_find(struct image_ids *ids, uint64_t id);
/* A new inode; the id must not be in use. */
struct inode *image_ids_new(struct image_ids *ids, enum inode_type type, uint64_t id);
/* From here on inode_find() knows all of them. */
void image_ids_flush(struct image_ids *ids);

#endif
