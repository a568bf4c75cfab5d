/*
 * An fsimage file as sections of messages (FSImageUtil, FSImageFormatProtobuf.Loader's outer half).
 * Lengths and offsets are checked against the file before they are believed; compressed sections
 * are inflated as they are read, so that a small file cannot claim much memory. One thread.
 */
#ifndef NAMENODE_IMAGE_IN_H
#define NAMENODE_IMAGE_IN_H

#include <zlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/fsimage.pb-c.h"

struct image_in {
    const char *path; /* the caller's */
    const uint8_t *data;
    size_t size;
    Pb__FileSummary *summary; /* in arena */
    bool compressed;
    struct arena arena;
};

/* ERR_CORRUPT; ERR_INCORRECT_VERSION; ERR_UNSUPPORTED: a codec or a section that is not known. */
int image_in_open(struct image_in *in, const char *path, struct err *err) MUST_CHECK;
void image_in_close(struct image_in *in);

/* The messages of one section. */
struct image_reader {
    const struct image_in *in;
    const char *name;
    struct cursor raw; /* of the file */
    z_stream inflater; /* when compressed */
    bool inflating;
    struct buf plain; /* inflated and not read yet, from plain_at on */
    size_t plain_at;
};

/* A section that is not there reads as empty. */
int image_reader_open(struct image_reader *reader, const struct image_in *in, const char *name,
                      struct err *err) MUST_CHECK;
void image_reader_close(struct image_reader *reader);
/* 1 and a message (in the arena), 0 at the section's end, or ERR_CORRUPT. */
int image_reader_next(struct image_reader *reader, const ProtobufCMessageDescriptor *type,
                      struct arena *arena, void *message, struct err *err) MUST_CHECK;
/* The same in two steps: 1 and the message's bytes, good until the next call; and what they hold, NULL when they are damaged. */
int image_reader_next_body(struct image_reader *reader, struct cursor *body,
                           struct err *err) MUST_CHECK;
void *image_reader_unpack(const struct image_reader *reader, const ProtobufCMessageDescriptor *type,
                          struct cursor body, struct arena *arena, struct err *err);
/* The whole section as bytes; ERR_LIMIT above `limit`. */
int image_reader_all(struct image_reader *reader, size_t limit, struct buf *out,
                     struct err *err) MUST_CHECK;

#endif
