#include "client/shell/mini_site.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/conf_xml.h"
#include "common/file.h"
#include "common/mem.h"

enum { SITE_FILE_MAX = 1 << 20 };

void site_release(struct site *site)
{
    for (size_t i = 0; i < site->count; i++) {
        mem_free(site->keys[i]);
        mem_free(site->values[i]);
    }
    mem_free(site->keys);
    mem_free(site->values);
    *site = (struct site){.count = 0};
}

static size_t find(const struct site *site, const char *key)
{
    size_t i = 0;

    while (i < site->count && !str_eq(site->keys[i], key)) i++;
    return i;
}

const char *site_get(const struct site *site, const char *key)
{
    size_t i = find(site, key);

    return i < site->count ? site->values[i] : NULL;
}

void site_set(struct site *site, const char *key, const char *value)
{
    size_t i = find(site, key);

    if (i < site->count) {
        char *copy = mem_strdup(value);
        mem_free(site->values[i]);
        site->values[i] = copy;
        return;
    }
    if (site->count == site->capacity) {
        site->capacity = site->capacity ? site->capacity * 2 : 16;
        site->keys = mem_realloc(site->keys, site->capacity * sizeof *site->keys);
        site->values = mem_realloc(site->values, site->capacity * sizeof *site->values);
    }
    site->keys[site->count] = mem_strdup(key);
    site->values[site->count++] = mem_strdup(value);
}

void site_setf(struct site *site, const char *key, const char *format, ...)
{
    char *value = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&value, format, args);
    va_end(args);
    assert(length >= 0);
    site_set(site, key, value);
    free(value);
}

void site_default(struct site *site, const char *key, const char *value)
{
    if (!site_get(site, key)) site_set(site, key, value);
}

void site_copy(struct site *to, const struct site *from)
{
    for (size_t i = 0; i < from->count; i++) site_set(to, from->keys[i], from->values[i]);
}

static int add_property(const struct conf_property *property, void *arg, struct err *err)
{
    (void)err;
    site_set(arg, property->name, property->value);
    return 0;
}

int site_load(struct site *site, const char *path, struct err *err)
{
    struct buf text = {.data = NULL};
    int rc;

    if (!file_exists(path)) return 0;
    rc = file_read(path, SITE_FILE_MAX, &text, err);
    if (!rc) rc = conf_xml_parse(path, buf_cstr(&text), text.length, add_property, site, err);
    buf_release(&text);
    return rc;
}

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '&': buf_put_str(out, "&amp;"); break;
        case '<': buf_put_str(out, "&lt;"); break;
        case '>': buf_put_str(out, "&gt;"); break;
        default: buf_put_u8(out, (uint8_t)*text);
        }
}

int site_save(const struct site *site, const char *path, struct err *err)
{
    struct buf out = {.data = NULL};
    int rc;

    buf_put_str(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n");
    for (size_t i = 0; i < site->count; i++) {
        buf_put_str(&out, "<property><name>");
        put_escaped(&out, site->keys[i]);
        buf_put_str(&out, "</name><value>");
        put_escaped(&out, site->values[i]);
        buf_put_str(&out, "</value></property>\n");
    }
    buf_put_str(&out, "</configuration>\n");
    rc = file_replace(path, out.data, out.length, 0644, err);
    buf_release(&out);
    return rc;
}
