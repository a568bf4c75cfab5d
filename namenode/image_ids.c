#include "namenode/image_ids.h"

#include "common/mem.h"

enum { SPREAD_MAX = 4 }; /* ids up to so many times the inodes are near */

void image_ids_init(struct image_ids *ids, struct inode_table *inodes, uint64_t count,
                    uint64_t last)
{
    uint64_t span = last >= INODE_ID_ROOT ? last - INODE_ID_ROOT + 1 : 0;

    *ids = (struct image_ids){.inodes = inodes, .near_count = MIN(span, count * SPREAD_MAX)};
    ids->near = NEW_ARRAY(uint32_t, ids->near_count); /* the system gives pages as they are used */
}

void image_ids_release(struct image_ids *ids)
{
    mem_free(ids->near);
    ids->near = NULL;
}

static uint32_t *near(const struct image_ids *ids, uint64_t id)
{
    return id - INODE_ID_ROOT < ids->near_count ? &ids->near[id - INODE_ID_ROOT] : NULL;
}

struct inode *image_ids_find(struct image_ids *ids, uint64_t id)
{
    const uint32_t *place = near(ids, id);

    if (place && *place) return inode_at(ids->inodes, *place);
    if (place && id != INODE_ID_ROOT) return NULL;
    image_ids_flush(ids);
    return inode_find(ids->inodes, id);
}

struct inode *image_ids_new(struct image_ids *ids, enum inode_type type, uint64_t id)
{
    struct inode *inode = inode_new_unknown(ids->inodes, type, id);
    uint32_t *place = near(ids, id);

    ids->pending[ids->pending_count++] = inode_reference(inode);
    if (place) *place = inode_reference(inode);
    if (ids->pending_count == IMAGE_IDS_PENDING) image_ids_flush(ids);
    return inode;
}

void image_ids_flush(struct image_ids *ids)
{
    if (ids->pending_count) inode_index(ids->inodes, ids->pending, ids->pending_count);
    ids->pending_count = 0;
}
