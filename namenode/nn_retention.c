/* Which images there are, and what is old enough to go (NNStorageRetentionManager,
 * FSImageTransactionalStorageInspector). */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "namenode/edit_read.h"

/* ---- images ---- */

static bool image_txid(const char *name, unsigned kinds, uint64_t *txid)
{
    int used = 0;

    if ((kinds & NN_IMAGE_PLAIN) && sscanf(name, "fsimage_%" SCNu64 "%n", txid, &used) == 1)
        return !name[used];
    if ((kinds & NN_IMAGE_ROLLBACK) &&
        sscanf(name, "fsimage_rollback_%" SCNu64 "%n", txid, &used) == 1)
        return !name[used];
    return false;
}

static int images_of_dir(struct nn_dir *dir, unsigned kinds, struct nn_images *out,
                         size_t *capacity, struct err *err)
{
    DIR *handle = opendir(dir->current);
    uint64_t txid;

    if (!handle && errno == ENOENT) return 0;
    if (!handle) return err_set_errno(err, errno, "list %s", dir->current);
    for (struct dirent *entry; (entry = readdir(handle));) {
        if (!image_txid(entry->d_name, kinds, &txid)) continue;
        GROW(out->items, *capacity, out->count + 1);
        out->items[out->count++] = (struct nn_image){
            .dir = dir, .path = mem_printf("%s/%s", dir->current, entry->d_name), .txid = txid};
    }
    closedir(handle);
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct nn_image *x = a, *y = b;

    return x->txid > y->txid ? -1 : x->txid < y->txid;
}

int nn_storage_images_of(struct nn_storage *storage, unsigned kinds, struct nn_images *out,
                         struct err *err)
{
    struct err why = ERR_INIT;
    size_t capacity = 0;

    *out = (struct nn_images){0};
    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        if (!nn_dir_live(dir, NN_DIR_IMAGE)) continue;
        if (images_of_dir(dir, kinds, out, &capacity, &why)) nn_dir_fail(dir, &why);
    }
    if (!nn_storage_live(storage, NN_DIR_IMAGE)) {
        nn_images_release(out);
        return err_set(err, ERR_IO, "no name directory can be read: %s", why.text);
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, newest_first);
    return 0;
}

int nn_storage_images(struct nn_storage *storage, struct nn_images *out, struct err *err)
{
    return nn_storage_images_of(storage, NN_IMAGE_PLAIN, out, err);
}

void nn_images_release(struct nn_images *images)
{
    for (size_t i = 0; i < images->count; i++) mem_free(images->items[i].path);
    mem_free(images->items);
    *images = (struct nn_images){0};
}

/* ---- purging ---- */

static void delete_file(const char *path)
{
    if (unlink(path) && errno != ENOENT) log_warn("Could not delete %s: %s", path, strerror(errno));
}

static bool has_md5(const struct nn_image *image)
{
    char *path = mem_printf("%s.md5", image->path);
    bool there = file_exists(path);

    mem_free(path);
    return there;
}

/* The txid of the oldest image to keep: the n-th newest that has an MD5. False: too few to delete
 * any. */
static bool oldest_kept(const struct nn_images *images, uint32_t retained, uint64_t *txid)
{
    uint32_t seen = 0;

    for (size_t i = 0; i < images->count; i++) {
        const struct nn_image *image = &images->items[i];
        if (!has_md5(image) || (seen && image->txid == *txid)) continue;
        *txid = image->txid;
        if (++seen == retained) return true;
    }
    return seen > 0;
}

static void purge_images(const struct nn_images *images, uint64_t keep_from)
{
    for (size_t i = 0; i < images->count; i++) {
        const struct nn_image *image = &images->items[i];
        if (image->txid >= keep_from) continue;
        log_info("Purging old image %s", image->path);
        char *sum = mem_printf("%s.md5", image->path);
        delete_file(image->path);
        delete_file(sum);
        mem_free(sum);
    }
}

/* Segments that no kept image needs, but that stay as a cushion: not more than so many. */
static uint64_t limit_extra_segments(const struct edit_segments *segments, uint64_t from,
                                     uint64_t needed, uint32_t max)
{
    uint64_t extra = 0, last_first = 0;

    for (size_t i = segments->count; i-- > 0;) {
        const struct edit_segment *segment = &segments->items[i];
        if (segment->in_progress || segment->first >= needed || segment->last < from) continue;
        if (segment->first == last_first) continue; /* a copy */
        last_first = segment->first;
        if (++extra > max && segment->last < needed) return segment->last + 1;
    }
    return from;
}

static void purge_segments(struct nn_storage *storage, uint64_t oldest_image)
{
    uint64_t needed = oldest_image + 1;
    uint64_t from =
        needed > storage->extra_edits_retained ? needed - storage->extra_edits_retained : 0;
    struct edit_segments segments;
    struct err err = ERR_INIT;

    if (edit_segments_find(storage, 0, &segments, &err)) return;
    from = limit_extra_segments(&segments, from, needed, storage->extra_segments_retained);
    assert(from <= needed);
    for (size_t i = 0; i < segments.count; i++) {
        const struct edit_segment *segment = &segments.items[i];
        if (segment->in_progress || segment->last >= from) continue;
        log_info("Purging old edit log %s", segment->path);
        delete_file(segment->path);
    }
    edit_segments_release(&segments);
}

/* Images that a child which died began. */
static void purge_leftovers(const struct nn_dir *dir)
{
    DIR *handle = opendir(dir->current);

    if (!handle) return;
    for (struct dirent *entry; (entry = readdir(handle));) {
        if (!str_starts(entry->d_name, "fsimage.ckpt_")) continue;
        char *path = mem_printf("%s/%s", dir->current, entry->d_name);
        delete_file(path);
        mem_free(path);
    }
    closedir(handle);
}

void nn_storage_purge(struct nn_storage *storage)
{
    struct nn_images images;
    struct err err = ERR_INIT;
    uint64_t oldest;

    for (size_t i = 0; i < storage->count; i++)
        if (nn_dir_live(&storage->dirs[i], NN_DIR_IMAGE)) purge_leftovers(&storage->dirs[i]);
    if (nn_storage_images(storage, &images, &err)) return;
    if (oldest_kept(&images, storage->images_retained, &oldest)) {
        purge_images(&images, oldest);
        purge_segments(storage, oldest);
    }
    nn_images_release(&images);
}
