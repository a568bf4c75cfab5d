/*
 * Writing an fsimage (FSImageFormatProtobuf.Saver and its kin; docs/format/fsimage.md): to every
 * image directory at once, as fsimage.ckpt_N, synced; then the .md5, then the rename that makes it
 * an image.
 *
 * Thread rules: whoever owns the core: the core thread with everything standing still, or a forked
 * child.
 */
#ifndef NAMENODE_IMAGE_SAVE_H
#define NAMENODE_IMAGE_SAVE_H

#include "namenode/nn_storage.h"

enum { IMAGE_MD5_SIZE = 16 };

/* The image as one file at `path`, synced; its MD5 into md5[]. `txid`: the last one it contains.
 * Detached trees must have been reclaimed (tree_reclaim(), apply_tree.h). */
int image_write_file(const struct core *core, uint64_t txid, const char *path,
                     uint8_t md5[IMAGE_MD5_SIZE], struct err *err) MUST_CHECK;

/* Two steps, so that a checkpoint can wait for the journal between them: fsimage.ckpt_N in every
 * image directory; then .md5 and rename. A directory that fails is taken out; ERR_IO when none is
 * left. */
int image_save_begin(const struct core *core, struct nn_storage *storage, uint64_t txid,
                     uint8_t md5[IMAGE_MD5_SIZE], struct err *err) MUST_CHECK;
/* `rollback`: the image is fsimage_rollback_N, kept through a rolling upgrade. */
int image_save_commit_as(struct nn_storage *storage, uint64_t txid,
                         const uint8_t md5[IMAGE_MD5_SIZE], bool rollback,
                         struct err *err) MUST_CHECK;
int image_save_commit(struct nn_storage *storage, uint64_t txid, const uint8_t md5[IMAGE_MD5_SIZE],
                      struct err *err) MUST_CHECK;

#endif
