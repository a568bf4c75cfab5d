#include "client/shell/xattr.h"

#include <ctype.h>
#include <strings.h>

#include "client/shell/command.h"
#include "client/shell/java_map.h"
#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

enum { SET_CREATE_OR_REPLACE = 3 };

static const char *const namespaces[] = {"user", "trusted", "security", "system",
                                         "raw"}; /* as on the wire */
static const char *const codecs[] = {"text", "hex", "base64"};
static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool xattr_codec_parse(const char *word, enum xattr_codec *codec)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        if (!strcasecmp(codecs[i], word)) {
            *codec = (enum xattr_codec)i;
            return true;
        }
    return false;
}

static int decode_hex(const char *text, struct buf *value, struct err *err)
{
    static const char java[] = "org.apache.commons.codec.DecoderException";
    size_t length = strlen(text);

    if (length % 2) return err_set(err, ERR_IO, "%s: Odd number of characters.", java);
    for (size_t i = 0; i < length; i++) {
        int digit = isdigit((unsigned char)text[i]) ? text[i] - '0' : (text[i] | 32) - 'a' + 10;
        if (!isxdigit((unsigned char)text[i]))
            return err_set(err, ERR_IO, "%s: Illegal hexadecimal character %c at index %zu", java,
                           text[i], i);
        if (i % 2)
            value->data[value->length - 1] |= (uint8_t)digit;
        else
            buf_put_u8(value, (uint8_t)(digit << 4));
    }
    return 0;
}

/* As commons-codec: the URL-safe digits are fine, other characters are skipped. */
static void decode_base64(const char *text, struct buf *value)
{
    uint32_t bits = 0;
    int have = 0;

    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits64, *text == '-' ? '+' : *text == '_' ? '/' : *text);
        if (!digit) continue;
        bits = bits << 6 | (uint32_t)(digit - digits64);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        buf_put_u8(value, (uint8_t)(bits >> have));
    }
}

int xattr_decode(const char *text, struct buf *value, struct err *err)
{
    size_t length = strlen(text);

    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        buf_put(value, text + 1, length - 2);
    } else if (!strncasecmp(text, "0x", 2)) {
        return decode_hex(text + 2, value, err);
    } else if (!strncasecmp(text, "0s", 2)) {
        decode_base64(text + 2, value);
    } else {
        buf_put_str(value, text);
    }
    return 0;
}

static void encode_base64(const uint8_t *value, size_t size, struct buf *text)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t some = MIN(size - i, 3);
        uint32_t bits = (uint32_t)value[i] << 16;
        if (some > 1) bits |= (uint32_t)value[i + 1] << 8;
        if (some > 2) bits |= value[i + 2];
        for (size_t k = 0; k < 4; k++)
            buf_put_u8(text, (uint8_t)(k <= some ? digits64[bits >> (18 - 6 * k) & 63] : '='));
    }
}

/* Bytes of the UTF-8 sequence at `s`: up to its end, or up to where it can be none; *valid says
 * which. */
static size_t sequence(const uint8_t *s, size_t left, bool *valid)
{
    size_t length = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4, i = 1;
    uint8_t low = 0x80, high = 0xbf;

    *valid = *s < 0x80 || (*s >= 0xc2 && *s <= 0xf4);
    if (!*valid || *s < 0x80) return 1;
    if (*s == 0xe0) low = 0xa0;
    if (*s == 0xed) high = 0x9f;
    if (*s == 0xf0) low = 0x90;
    if (*s == 0xf4) high = 0x8f;
    for (; i < length; i++, low = 0x80, high = 0xbf) {
        *valid = i < left && s[i] >= low && s[i] <= high;
        if (!*valid) return i;
    }
    return length;
}

/* As Java makes a String of bytes: what is no UTF-8 becomes U+FFFD. */
static void put_decoded(struct buf *text, const uint8_t *value, size_t size)
{
    for (size_t i = 0, step; i < size; i += step) {
        bool valid;

        step = sequence(value + i, size - i, &valid);
        if (valid)
            buf_put(text, value + i, step);
        else
            buf_put_str(text, "\xef\xbf\xbd");
    }
}

void xattr_encode(enum xattr_codec codec, const void *value, size_t size, struct buf *text)
{
    switch (codec) {
    case XATTR_TEXT:
        buf_put_u8(text, '"');
        put_decoded(text, value, size);
        buf_put_u8(text, '"');
        break;
    case XATTR_HEX:
        buf_put_str(text, "0x");
        for (size_t i = 0; i < size; i++) buf_printf(text, "%02x", ((const uint8_t *)value)[i]);
        break;
    case XATTR_BASE64:
        buf_put_str(text, "0s");
        encode_base64(value, size, text);
        break;
    }
}

/* "user.x" to its parts; the name stays the caller's. */
static int parse_name(const char *text, Pb__XAttr *xattr, struct err *err)
{
    static const char prefixes[] =
        "An XAttr name must be prefixed with user/trusted/security/system/raw, followed by a '.'";
    const char *dot = strchr(text, '.');

    pb__xattr__init(xattr);
    if (!dot || dot - text < 3) return command_illegal(err, "%s", prefixes);
    if (!dot[1]) return command_illegal(err, "XAttr name cannot be empty.");
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        size_t length = strlen(namespaces[i]);
        if ((size_t)(dot - text) != length || strncasecmp(text, namespaces[i], length)) continue;
        xattr->namespace_ = (Pb__XAttr__XAttrNamespace)i;
        xattr->name = (char *)dot + 1;
        return 0;
    }
    return command_illegal(err, "%s", prefixes);
}

const char *xattr_full_name(const Pb__XAttr *xattr, struct arena *arena)
{
    unsigned space = (unsigned)xattr->namespace_;

    return arena_printf(arena, "%s.%s", space < ARRAY_LEN(namespaces) ? namespaces[space] : "?",
                        xattr->name);
}

static int need_hdfs(const struct item *item, const char *method, struct err *err)
{
    if (!vfs_is_local(item->vfs)) return 0;
    err_set(err, ERR_UNSUPPORTED,
            "java.lang.UnsupportedOperationException: RawLocalFileSystem doesn't support %s",
            method);
    return SHELL_FATAL;
}

static void order_as_java(Pb__XAttr **xattrs, size_t count, struct arena *arena)
{
    const char **names = ARENA_ARRAY(arena, const char *, count);
    size_t *order = ARENA_ARRAY(arena, size_t, count);
    Pb__XAttr **before = arena_copy(arena, xattrs, count * sizeof *xattrs);

    for (size_t i = 0; i < count; i++) names[i] = xattr_full_name(xattrs[i], arena);
    java_map_order(names, count, order);
    for (size_t i = 0; i < count; i++) xattrs[i] = before[order[i]];
}

int xattr_get(const struct item *item, const char *name, struct arena *arena, Pb__XAttr ***xattrs,
              size_t *count, struct err *err)
{
    Pb__GetXAttrsRequest request = PB__GET_XATTRS_REQUEST__INIT;
    Pb__GetXAttrsResponse *response;
    Pb__XAttr wanted, *list[] = {&wanted};
    int rc = need_hdfs(item, name ? "getXAttr" : "getXAttrs", err);

    if (!rc && name) rc = parse_name(name, &wanted, err);
    if (rc) return rc;
    request.src = item->path;
    if (name) {
        request.xattrs = list;
        request.n_xattrs = 1;
    }
    rc = fs_call(item->vfs->hdfs, "getXAttrs", &request, &pb__get_xattrs_response__descriptor,
                 arena, &response, err);
    if (rc) return rc;
    *xattrs = response->xattrs;
    *count = response->n_xattrs;
    if (*count > 1) order_as_java(*xattrs, *count, arena);
    return 0;
}

int xattr_set(const struct item *item, const char *name, const void *value, size_t size,
              struct err *err)
{
    Pb__SetXAttrRequest request = PB__SET_XATTR_REQUEST__INIT;
    Pb__SetXAttrResponse *response;
    struct arena arena = {.chunks = NULL};
    Pb__XAttr xattr;
    int rc = need_hdfs(item, "setXAttr", err);

    if (!rc) rc = parse_name(name, &xattr, err);
    if (rc) return rc;
    if (value) {
        xattr.has_value = true;
        xattr.value = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)value};
    }
    request.src = item->path;
    request.xattr = &xattr;
    request.has_flag = true;
    request.flag = SET_CREATE_OR_REPLACE;
    rc = fs_call(item->vfs->hdfs, "setXAttr", &request, &pb__set_xattr_response__descriptor, &arena,
                 &response, err);
    arena_release(&arena);
    return rc;
}

int xattr_remove(const struct item *item, const char *name, struct err *err)
{
    Pb__RemoveXAttrRequest request = PB__REMOVE_XATTR_REQUEST__INIT;
    Pb__RemoveXAttrResponse *response;
    struct arena arena = {.chunks = NULL};
    Pb__XAttr xattr;
    int rc = need_hdfs(item, "removeXAttr", err);

    if (!rc) rc = parse_name(name, &xattr, err);
    if (rc) return rc;
    request.src = item->path;
    request.xattr = &xattr;
    rc = fs_call(item->vfs->hdfs, "removeXAttr", &request, &pb__remove_xattr_response__descriptor,
                 &arena, &response, err);
    arena_release(&arena);
    return rc;
}

int xattr_copy(const struct item *src, const struct item *target, struct err *err)
{
    struct arena arena = {.chunks = NULL};
    Pb__XAttr **xattrs;
    size_t count = 0;
    int rc = xattr_get(src, NULL, &arena, &xattrs, &count, err);

    for (size_t i = 0; i < count && !rc; i++)
        rc = xattr_set(target, xattr_full_name(xattrs[i], &arena), xattrs[i]->value.data,
                       xattrs[i]->value.len, err);
    arena_release(&arena);
    return rc;
}
