#include "datanode/block_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/mem.h"
#include "datanode/block_file.h"

void block_list_release(struct block_list *list)
{
    for (size_t i = 0; i < list->dir_count; i++) mem_free(list->dirs[i]);
    mem_free(list->dirs);
    mem_free(list->metas);
    mem_free(list->datas);
}

static int by_id_then_gs(const void *a, const void *b)
{
    const struct block_list_meta *x = a, *y = b;

    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->gs < y->gs ? -1 : x->gs > y->gs;
}

static void list_name(struct block_list *list, const char *name, unsigned char type)
{
    struct block_list_meta meta;
    int64_t id;

    if (type == DT_DIR) {
        if (*name == '.') return;
        GROW(list->dirs, list->dir_capacity, list->dir_count + 1);
        list->dirs[list->dir_count++] = mem_strdup(name);
    } else if (block_parse_data_name(name, &id)) {
        GROW(list->datas, list->data_capacity, list->data_count + 1);
        list->datas[list->data_count++] = id;
    } else if (block_parse_meta_name(name, &meta.id, &meta.gs)) {
        GROW(list->metas, list->meta_capacity, list->meta_count + 1);
        list->metas[list->meta_count++] = meta;
    }
}

int block_list_read(const char *dir, struct block_list *list, struct err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    *list = (struct block_list){0};
    if (!d) return errno == ENOENT ? 0 : err_set_errno(err, errno, "open %s", dir);
    while ((errno = 0, entry = readdir(d))) {
        unsigned char type = entry->d_type;
        struct stat st;
        if (type == DT_UNKNOWN && !fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            type = S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
        list_name(list, entry->d_name, type);
    }
    int rc = errno ? err_set_errno(err, errno, "read %s", dir) : 0;
    closedir(d);
    if (list->meta_count) qsort(list->metas, list->meta_count, sizeof *list->metas, by_id_then_gs);
    return rc;
}

bool block_list_gs(const struct block_list *list, int64_t id, uint64_t *gs)
{
    size_t low = 0, high = list->meta_count;

    while (low < high) { /* the first entry behind the id */
        size_t middle = low + (high - low) / 2;
        if (list->metas[middle].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || list->metas[low - 1].id != id) return false;
    *gs = list->metas[low - 1].gs;
    return true;
}
