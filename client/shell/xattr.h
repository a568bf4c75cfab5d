/* Extended attributes (XAttrHelper, XAttrCodec). One thread. */
#ifndef CLIENT_SHELL_XATTR_H
#define CLIENT_SHELL_XATTR_H

#include "client/shell/item.h"
#include "common/buf.h"
#include "proto/xattr.pb-c.h"

enum xattr_codec { XATTR_TEXT, XATTR_HEX, XATTR_BASE64 };

bool xattr_codec_parse(const char *word, enum xattr_codec *codec); /* any case */
/* `"text"`, 0x…, 0s… or plain text. ERR_IO for bad hexadecimal digits. */
int xattr_decode(const char *text, struct buf *value, struct err *err) MUST_CHECK;
void xattr_encode(enum xattr_codec codec, const void *value, size_t size, struct buf *text);

/* Those of `name` ("user.x"), or all for NULL, in the order in which Apache shows them. They live
 * in the arena. */
int xattr_get(const struct item *item, const char *name, struct arena *arena, Pb__XAttr ***xattrs,
              size_t *count, struct err *err) MUST_CHECK;
const char *xattr_full_name(const Pb__XAttr *xattr, struct arena *arena);
int xattr_set(const struct item *item, const char *name, const void *value, size_t size,
              struct err *err) MUST_CHECK;
int xattr_remove(const struct item *item, const char *name, struct err *err) MUST_CHECK;
/* All of the source's to the target. */
int xattr_copy(const struct item *src, const struct item *target, struct err *err) MUST_CHECK;

#endif
