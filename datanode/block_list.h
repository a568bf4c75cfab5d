/* The names of one folder of replicas. Blocking; one thread. */
#ifndef DATANODE_BLOCK_LIST_H
#define DATANODE_BLOCK_LIST_H

#include "common/base.h"
#include "common/err.h"

struct block_list {
    struct block_list_meta {
        int64_t id;
        uint64_t gs;
    } * metas; /* ascending */
    int64_t *datas;
    char **dirs; /* folders below */
    size_t meta_count, meta_capacity, data_count, data_capacity, dir_count, dir_capacity;
};

/* A folder that is not there is empty. Release the list in any case. */
int block_list_read(const char *dir, struct block_list *list, struct err *err) MUST_CHECK;
void block_list_release(struct block_list *list);

/* The highest GS that a meta file of the block has; false when there is none. */
bool block_list_gs(const struct block_list *list, int64_t id, uint64_t *gs);

#endif
