#include "common/properties.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/parse.h"
#include "common/units.h"

void properties_release(struct properties *properties)
{
    for (size_t i = 0; i < properties->count; i++) {
        mem_free(properties->items[i].key);
        mem_free(properties->items[i].value);
    }
    mem_free(properties->items);
    *properties = (struct properties){0};
}

static struct property *find(const struct properties *properties, const char *key)
{
    for (size_t i = 0; i < properties->count; i++)
        if (str_eq(properties->items[i].key, key)) return &properties->items[i];
    return NULL;
}

void properties_set(struct properties *properties, const char *key, const char *value)
{
    struct property *property = find(properties, key);

    if (!property) {
        GROW(properties->items, properties->capacity, properties->count + 1);
        property = &properties->items[properties->count++];
        *property = (struct property){.key = mem_strdup(key)};
    }
    char *old = property->value;
    property->value = mem_strdup(value);
    mem_free(old);
}

void properties_set_int(struct properties *properties, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    properties_set(properties, key, text);
}

const char *properties_get(const struct properties *properties, const char *key)
{
    struct property *property = find(properties, key);
    return property ? property->value : NULL;
}

int properties_get_int(const struct properties *properties, const char *key, int64_t min,
                       int64_t max, int64_t *value, struct err *err)
{
    const char *text = properties_get(properties, key);

    if (!text) return err_set(err, ERR_NOT_FOUND, "%s is missing", key);
    if (parse_i64(text, min, max, value)) return 0;
    return err_set(err, ERR_CORRUPT, "%s=%s: no number from %" PRId64 " to %" PRId64, key, text,
                   min, max);
}

/* --- reading --- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}
static bool is_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

static bool read_hex4(struct cursor *in, uint32_t *unit)
{
    const uint8_t *digits = cursor_bytes(in, 4);
    char text[5] = "";
    uint64_t value;

    if (!digits) return false;
    memcpy(text, digits, 4);
    if (!parse_u64_hex(text, &value) || strlen(text) != 4) return false;
    *unit = (uint32_t)value;
    return true;
}

/* After "\u": one UTF-16 unit, or two that make a pair. NUL and halves of pairs are damage. */
static bool read_unicode(struct cursor *in, struct buf *out)
{
    uint32_t unit, low;

    if (!read_hex4(in, &unit) || !unit || (unit >= 0xdc00 && unit < 0xe000)) return false;
    if (unit >= 0xd800 && unit < 0xdc00) {
        const uint8_t *mark = cursor_bytes(in, 2);
        if (!mark || memcmp(mark, "\\u", 2) != 0 || !read_hex4(in, &low)) return false;
        if (low < 0xdc00 || low >= 0xe000) return false;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(out, unit);
    return true;
}

static void skip_blanks(struct cursor *in)
{
    while (in->at < in->end && is_blank(*in->at)) in->at++;
}

static void skip_end(struct cursor *in)
{
    if (in->at < in->end && *in->at++ == '\r' && in->at < in->end && *in->at == '\n') in->at++;
}

/* After a backslash. A line end joins the next line without its leading blanks. */
static bool read_escape(struct cursor *in, struct buf *out)
{
    if (in->at == in->end) return true;
    if (is_end(*in->at)) {
        skip_end(in);
        skip_blanks(in);
        return true;
    }
    uint8_t c = *in->at++;
    switch (c) {
    case 'u': return read_unicode(in, out);
    case 't': c = '\t'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 'f': c = '\f'; break;
    default: break;
    }
    put_utf8(out, c);
    return c != 0;
}

/* Up to the line's end, or for a key to the first separator. */
static bool read_word(struct cursor *in, bool is_key, struct buf *out)
{
    while (in->at < in->end && !is_end(*in->at)) {
        uint8_t c = *in->at;
        if (is_key && (is_blank(c) || c == '=' || c == ':')) break;
        in->at++;
        if (c == 0 || (c == '\\' && !read_escape(in, out))) return false;
        if (c != '\\') put_utf8(out, c);
    }
    return true;
}

static bool read_pair(struct cursor *in, struct buf *key, struct buf *value)
{
    if (!read_word(in, true, key)) return false;
    skip_blanks(in);
    if (in->at < in->end && (*in->at == '=' || *in->at == ':')) {
        in->at++;
        skip_blanks(in);
    }
    return read_word(in, false, value);
}

int properties_parse(struct properties *properties, const char *text, size_t length,
                     struct err *err)
{
    struct cursor in = cursor_of(text, length);
    struct buf key = {0}, value = {0};
    int rc = 0;

    while (!rc) {
        while (in.at < in.end && (is_blank(*in.at) || is_end(*in.at))) in.at++;
        if (in.at == in.end) break;
        if (*in.at == '#' || *in.at == '!') {
            while (in.at < in.end && !is_end(*in.at)) in.at++;
            continue;
        }
        buf_clear(&key);
        buf_clear(&value);
        if (read_pair(&in, &key, &value))
            properties_set(properties, buf_cstr(&key), buf_cstr(&value));
        else
            rc = err_set(err, ERR_CORRUPT, "a NUL or a malformed \\uxxxx escape near byte %zu",
                         length - cursor_left(&in));
    }
    buf_release(&key);
    buf_release(&value);
    return rc;
}

/* --- writing --- */

/* The code point at *text, moving on; a byte that starts none is taken as ISO 8859-1. */
static uint32_t next_character(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 1;
    uint32_t c = length == 1 ? at[0] : at[0] & (0xffu >> (length + 1));

    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            (*text)++;
            return at[0];
        }
        c = c << 6 | (at[i] & 0x3f);
    }
    *text += length;
    return c;
}

static void put_character(struct buf *out, uint32_t c)
{
    static const char plain[] = "\t\n\r\f", letters[] = "tnrf";
    const char *known = c < 0x80 ? memchr(plain, (int)c, sizeof plain - 1) : NULL;

    if (known)
        buf_printf(out, "\\%c", letters[known - plain]);
    else if (c < 0x80 && strchr("=:#!\\", (int)c))
        buf_printf(out, "\\%c", (char)c);
    else if (c >= 0x20 && c <= 0x7e)
        buf_put_u8(out, (uint8_t)c);
    else if (c < 0x10000)
        buf_printf(out, "\\u%04X", (unsigned)c);
    else
        buf_printf(out, "\\u%04X\\u%04X", (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
                   (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
}

static void put_word(struct buf *out, const char *text, bool is_key)
{
    for (bool first = true; *text; first = false) {
        uint32_t c = next_character(&text);
        if (c == ' ' && (first || is_key)) buf_put_u8(out, '\\');
        put_character(out, c);
    }
}

void properties_write(const struct properties *properties, int64_t now_ms, struct buf *out)
{
    char date[UNITS_TEXT_MAX];

    buf_printf(out, "#%s\n", date_text(now_ms, DATE_JAVA, false, date));
    for (size_t i = 0; i < properties->count; i++) {
        put_word(out, properties->items[i].key, true);
        buf_put_u8(out, '=');
        put_word(out, properties->items[i].value, false);
        buf_put_u8(out, '\n');
    }
}

int properties_load(struct properties *properties, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(path, PROPERTIES_FILE_MAX, &text, err);

    if (!rc) {
        rc = properties_parse(properties, buf_cstr(&text), text.length, err);
        if (rc) err_wrap(err, rc, "%s", path);
    }
    buf_release(&text);
    return rc;
}

int properties_save(const struct properties *properties, const char *path, struct err *err)
{
    struct buf text = {0};

    properties_write(properties, clock_wall_ms(), &text);
    int rc = file_replace(path, text.data, text.length, 0644, err);
    buf_release(&text);
    return rc;
}
