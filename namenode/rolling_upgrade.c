#include "namenode/rolling_upgrade.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "namenode/edit_read.h"

bool rolling_image_exists(struct nn_storage *storage)
{
    struct nn_images images;
    struct err err = ERR_INIT;

    if (nn_storage_images_of(storage, NN_IMAGE_ROLLBACK, &images, &err)) return false;
    bool there = images.count > 0;
    nn_images_release(&images);
    return there;
}

/* MD5FileUtils.renameMD5File: the name inside changes, too. The new sum is there before its image. */
static int rename_sum(const char *from, const char *to, uint64_t txid, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(from, 4096, &text, err);

    if (!rc && text.length < 32) rc = err_set(err, ERR_CORRUPT, "%s holds no MD5 checksum", from);
    if (!rc) {
        char *line = mem_printf("%.32s *fsimage_%019" PRIu64 "\n", buf_cstr(&text), txid);
        rc = file_replace(to, line, strlen(line), 0644, err);
        mem_free(line);
    }
    buf_release(&text);
    return rc;
}

static int rename_image(const struct nn_image *image, struct err *err)
{
    char *to = mem_printf("%s/fsimage_%019" PRIu64, image->dir->current, image->txid);
    char *sum = mem_printf("%s.md5", image->path), *sum_to = mem_printf("%s.md5", to);
    int rc = rename_sum(sum, sum_to, image->txid, err);

    if (!rc) rc = file_rename(image->path, to, err);
    if (!rc && unlink(sum) && errno != ENOENT)
        log_warn("Could not delete %s: %s", sum, strerror(errno));
    if (!rc) log_info("Renamed %s to %s", image->path, to);
    mem_free(sum_to);
    mem_free(sum);
    mem_free(to);
    return rc;
}

static int rename_those(struct nn_storage *storage, uint64_t only, struct err *err)
{
    struct nn_images images;
    struct err why = ERR_INIT;
    int rc = nn_storage_images_of(storage, NN_IMAGE_ROLLBACK, &images, err);

    if (rc) return rc;
    for (size_t i = 0; i < images.count; i++) {
        const struct nn_image *image = &images.items[i];
        if (only && image->txid != only) continue;
        if (nn_dir_live(image->dir, NN_DIR_IMAGE) && rename_image(image, &why))
            nn_dir_fail(image->dir, &why);
    }
    nn_images_release(&images);
    if (!nn_storage_live(storage, NN_DIR_IMAGE))
        rc =
            err_set(err, ERR_IO, "no name directory could rename its rollback image: %s", why.text);
    return rc;
}

int rolling_images_rename(struct nn_storage *storage, struct err *err)
{
    return rename_those(storage, 0, err);
}

/* ---- rollback ---- */

/* FileJournalManager.discardEditLogSegments. A segment that begins before and ends behind is none that a preparation left. */
static int discard_edits(struct nn_storage *storage, uint64_t from, struct err *err)
{
    struct edit_segments segments;
    int rc = edit_segments_find(storage, from, &segments, err);

    for (size_t i = 0; !rc && i < segments.count; i++)
        if (segments.items[i].first < from && !segments.items[i].in_progress)
            rc = err_set(err, ERR_INCONSISTENT_STATE,
                         "%s goes on behind txid %" PRIu64 ", where the rolling upgrade began",
                         segments.items[i].path, from - 1);
    for (size_t i = 0; !rc && i < segments.count; i++) {
        const struct edit_segment *segment = &segments.items[i];
        if (segment->first < from) continue;
        char *to = mem_printf("%s.trash", segment->path);
        log_info("Discarding the edits file %s: it becomes %s", segment->path, to);
        rc = file_rename(segment->path, to, err);
        mem_free(to);
    }
    edit_segments_release(&segments);
    return rc;
}

static int remove_image(const struct nn_image *image, struct err *err)
{
    char *sum = mem_printf("%s.md5", image->path);
    int rc = 0;

    log_info("Purging the image %s", image->path);
    if (unlink(image->path) || (unlink(sum) && errno != ENOENT))
        rc = err_set_errno(err, errno, "delete %s", image->path);
    mem_free(sum);
    return rc;
}

/* Images of a kind behind a transaction. */
static int remove_images(struct nn_storage *storage, unsigned kinds, uint64_t behind,
                         struct err *err)
{
    struct nn_images images;
    int rc = nn_storage_images_of(storage, kinds, &images, err);

    for (size_t i = 0; !rc && i < images.count; i++)
        if (images.items[i].txid > behind) rc = remove_image(&images.items[i], err);
    nn_images_release(&images);
    return rc;
}

/* The image that is gone back to stays a rollback image until all that would be newer is gone. */
int rolling_rollback(struct nn_storage *storage, uint64_t txid, struct err *err)
{
    log_info("Rolling back to the state of txid %" PRIu64, txid);
    int rc = discard_edits(storage, txid + 1, err);
    if (!rc) rc = remove_images(storage, NN_IMAGE_PLAIN, txid, err);
    if (!rc) rc = nn_storage_write_seen_txid(storage, txid, err);
    if (!rc) storage->seen_txid = txid;
    if (!rc) rc = rename_those(storage, txid, err);
    if (!rc) rc = remove_images(storage, NN_IMAGE_ROLLBACK, 0, err);
    return rc;
}
