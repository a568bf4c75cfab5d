/*
 * An fsimage as a stream of sections, written to several files at once while its MD5 is taken. What
 * every section has in common; their content is image_save.c's. A file that fails is dropped, the
 * others go on. One thread.
 */
#ifndef NAMENODE_IMAGE_OUT_H
#define NAMENODE_IMAGE_OUT_H

#include <protobuf-c/protobuf-c.h>

#include "common/buf.h"
#include "common/checksum.h"
#include "namenode/nn_storage.h"
#include "proto/fsimage.pb-c.h"

#define IMAGE_MAGIC "HDFSIMG1"
enum {
    IMAGE_MAGIC_SIZE = 8,
    IMAGE_ONDISK_VERSION = 1,
    IMAGE_SECTIONS_MAX = 16,
    /* SerialNumberManager: ids of the string table say in their upper bits whose they are. */
    IMAGE_MASK_BITS = 3,
    IMAGE_STRINGS_USER = 1,
    IMAGE_STRINGS_GROUP = 2,
    IMAGE_STRINGS_XATTR = 3,
    IMAGE_STRING_ID_MAX = (1 << 24) - 1,
    /* XAttrFormat: namespace in bits 30 and 31, name from bit 6 on. */
    IMAGE_XATTR_NAME_SHIFT = 6,
    IMAGE_XATTR_NAMESPACE_SHIFT = 30,
    IMAGE_XATTR_NAMESPACE_BITS = 2, /* those beyond are in the extension */
    IMAGE_XATTR_EXTENDED_SHIFT = 5,
    /* AclEntryStatusFormat: permission, type, scope, name. */
    IMAGE_ACL_TYPE_SHIFT = 3,
    IMAGE_ACL_SCOPE_SHIFT = 5,
    IMAGE_ACL_NAME_SHIFT = 6,
};

struct image_target {
    struct nn_dir *dir; /* NULL: a file by itself */
    char *path;
    int fd; /* -1: failed */
};

struct image_section {
    const char *name;
    uint64_t offset, length;
};

struct image_out {
    struct image_target *targets;
    size_t target_count;
    struct buf bytes; /* not written yet */
    uint64_t offset;  /* of the next byte */
    struct md5 *md5;
    struct image_section sections[IMAGE_SECTIONS_MAX];
    size_t section_count;
    struct err why; /* the last failure */
};

/* Creates the files (replacing leftovers) and writes the magic. Paths are copied. ERR_IO when none
 * can be written, here and below. */
int image_out_open(struct image_out *out, struct nn_dir *const *dirs, const char *const *paths,
                   size_t count, struct err *err) MUST_CHECK;
void image_out_put(struct image_out *out, const ProtobufCMessage *message); /* delimited */
void image_out_raw(struct image_out *out, const void *data, size_t size);
void image_out_section(struct image_out *out,
                       const char *name); /* what was put since the last section is this one */
/* Summary, sync, close. */
int image_out_finish(struct image_out *out, uint8_t md5[MD5_SIZE], struct err *err) MUST_CHECK;
/* The same for an image that somebody else made, whose bytes after the magic all came by image_out_raw(). */
int image_out_sync(struct image_out *out, uint8_t md5[MD5_SIZE], struct err *err) MUST_CHECK;
void image_out_release(struct image_out *out);

#endif
