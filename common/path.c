#include "common/path.h"

#include "common/buf.h"
#include "common/mem.h"

static size_t utf8_length(unsigned char lead)
{
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

/* The second byte decides what leads alone cannot: overlong forms, surrogates, beyond U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0: return second >= 0xa0;
    case 0xed: return second <= 0x9f;
    case 0xf0: return second >= 0x90;
    case 0xf4: return second <= 0x8f;
    default: return true;
    }
}

bool utf8_valid(const void *data, size_t size)
{
    const unsigned char *at = data, *end = at + size;

    while (at < end) {
        size_t length = utf8_length(*at);
        if (!length || !*at || length > (size_t)(end - at)) return false;
        for (size_t i = 1; i < length; i++)
            if ((at[i] & 0xc0) != 0x80) return false;
        if (length > 1 && !second_fits(at[0], at[1])) return false;
        at += length;
    }
    return true;
}

bool path_next(const char **at, struct path_part *part)
{
    const char *start = *at + strspn(*at, "/");

    part->name = start;
    part->length = strcspn(start, "/");
    *at = start + part->length;
    return part->length > 0;
}

size_t path_depth(const char *path)
{
    struct path_part part;
    size_t depth = 0;

    while (path_next(&path, &part)) depth++;
    return depth;
}

static bool below_inodes(const char *path)
{
    struct path_part first, second;
    const char *at = path;

    return path_next(&at, &first) && path_next(&at, &second) && path_part_is(&first, ".reserved") &&
           path_part_is(&second, ".inodes") && path_depth(path) > 3;
}

static bool part_valid(const struct path_part *part, const char *path)
{
    if (path_part_is(part, ".") || memchr(part->name, ':', part->length)) return false;
    return !path_part_is(part, "..") || below_inodes(path);
}

bool path_valid(const char *path)
{
    struct path_part part;
    const char *at = path;

    if (path[0] != '/' || !utf8_valid(path, strlen(path))) return false;
    while (path_next(&at, &part)) {
        bool empty_before = part.name - path > 1 && part.name[-2] == '/';
        if (empty_before || !part_valid(&part, path)) return false;
    }
    return true;
}

/* Java counts UTF-16 units: a character of four bytes counts twice. */
static size_t java_length(const char *text)
{
    size_t length = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c & 0xc0) != 0x80) length += c >= 0xf0 ? 2 : 1;
    }
    return length;
}

bool path_within_limits(const char *path)
{
    return java_length(path) <= PATH_LENGTH_MAX && path_depth(path) <= PATH_DEPTH_MAX;
}

bool path_is_root(const char *path)
{
    return path[0] == '/' && !path[strspn(path, "/")];
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_parent(const char *path)
{
    size_t length = strlen(path);

    if (path_is_root(path)) return NULL;
    while (length > 1 && path[length - 1] == '/') length--;
    while (length && path[length - 1] != '/') length--;
    while (length > 1 && path[length - 1] == '/') length--;
    return mem_strndup(path, length);
}

char *path_join(const char *parent, const char *child)
{
    size_t length = strlen(parent);

    if (child[0] == '/' || !length) return mem_strdup(child);
    if (!child[0]) return mem_strdup(parent);
    while (length && parent[length - 1] == '/') length--;
    return mem_printf("%.*s/%s", (int)length, parent, child);
}

/* Drops the last name of what was normalised so far; false when there is none to drop. */
static bool drop_name(struct buf *out, size_t root_length)
{
    size_t length = out->length;

    while (length > root_length && out->data[length - 1] != '/') length--;
    if (out->length == root_length) return false;
    const char *name = (const char *)out->data + length;
    if (out->length - length == 2 && memcmp(name, "..", 2) == 0) return false;
    out->length = length > root_length ? length - 1 : root_length;
    return true;
}

char *path_normalise(const char *path)
{
    struct path_part part;
    struct buf out = {0};
    bool absolute = path[0] == '/';

    if (absolute) buf_put_u8(&out, '/');
    size_t root_length = out.length;
    while (path_next(&path, &part)) {
        if (path_part_is(&part, ".")) continue;
        if (path_part_is(&part, "..") && drop_name(&out, root_length)) continue;
        if (out.length > root_length) buf_put_u8(&out, '/');
        buf_put(&out, part.name, part.length);
    }
    char *result = mem_strdup(buf_cstr(&out));
    buf_release(&out);
    return result;
}

bool path_is_under(const char *path, const char *above)
{
    size_t length = strlen(above);

    if (path_is_root(above)) return path[0] == '/';
    return strncmp(path, above, length) == 0 && (!path[length] || path[length] == '/');
}
