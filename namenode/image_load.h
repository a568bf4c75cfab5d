/*
 * Reading an fsimage (FSImageFormatProtobuf.Loader). The input is taken as hostile: every offset,
 * length, id and reference is checked, and what this version cannot keep (erasure-coded
 * files, cache pools, tokens) is refused by name instead of being lost.
 *
 * Thread rules: the thread that owns the core.
 */
#ifndef NAMENODE_IMAGE_LOAD_H
#define NAMENODE_IMAGE_LOAD_H

#include "namenode/nn_storage.h"

/* Fills a core fresh from core_init(): tree, blocks, open files, counters, core->txid_applied. On an error the core is half filled: release it.
 * ERR_CORRUPT damage, ERR_UNSUPPORTED a feature, ERR_INCORRECT_VERSION a layout. */
int image_load_file(struct core *core, const char *path, struct err *err) MUST_CHECK;

/* Compares the file with its .md5: ERR_CHECKSUM when they differ, ERR_NOT_FOUND when there is no
 * .md5. */
int image_check_md5(const char *path, struct err *err) MUST_CHECK;

#endif
