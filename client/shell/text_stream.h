/* What `-text` makes of a file by its first bytes and its name: gzip and zlib are unpacked, other
 * text passes. */
#ifndef CLIENT_SHELL_TEXT_STREAM_H
#define CLIENT_SHELL_TEXT_STREAM_H

#include "client/shell/vfs.h"

/* To standard output. Containers that are not understood (SequenceFile, Avro, other codecs) are
 * refused with ERR_UNSUPPORTED: their bytes would be no text. */
int text_stream_show(struct vfs_in *in, const char *path, struct err *err) MUST_CHECK;

#endif
