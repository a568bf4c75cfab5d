#include "client/shell/uri.h"

#include <stdio.h>

#include "client/shell/shell.h"
#include "common/mem.h"
#include "common/path.h"

/* Splits off "//authority" and keeps the rest as the path. */
static void parse_rest(struct uri *uri, const char *rest)
{
    if (rest[0] == '/' && rest[1] == '/' && rest[2]) {
        const char *slash = strchr(rest + 2, '/');
        size_t length = slash ? (size_t)(slash - rest - 2) : strlen(rest + 2);
        if (length) uri->authority = mem_strndup(rest + 2, length);
        rest += 2 + length;
    }
    uri->path = mem_strdup(rest);
}

int uri_parse(struct uri *uri, const char *text, struct err *err)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
    const char *rest = text;

    *uri = (struct uri){.scheme = NULL};
    if (!*text) {
        err_set(err, ERR_ARGUMENT, "Can not create a Path from an empty string");
        return SHELL_ILLEGAL;
    }
    if (colon && (!slash || colon < slash)) {
        uri->scheme = mem_strndup(text, (size_t)(colon - text));
        rest = colon + 1;
        if (*rest != '/') {
            err_set(err, ERR_ARGUMENT, "java.net.URISyntaxException: %s: %s",
                    colon == text ? "Expected scheme name at index 0"
                                  : "Relative path in absolute URI",
                    text);
            uri_release(uri);
            return SHELL_ILLEGAL;
        }
    }
    parse_rest(uri, rest);
    return 0;
}

void uri_parse_display(struct uri *uri, const char *text)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');

    *uri = (struct uri){.scheme = NULL};
    if (colon && colon > text && slash == colon + 1) {
        uri->scheme = mem_strndup(text, (size_t)(colon - text));
        text = colon + 1;
    }
    parse_rest(uri, text);
}

void uri_release(struct uri *uri)
{
    mem_free(uri->scheme);
    mem_free(uri->authority);
    mem_free(uri->path);
    *uri = (struct uri){.scheme = NULL};
}

const char *uri_display_path(const char *display)
{
    const char *colon = strchr(display, ':'), *slash = strchr(display, '/');

    if (colon && colon > display && slash == colon + 1) display = colon + 1;
    if (display[0] == '/' && display[1] == '/' && display[2]) {
        slash = strchr(display + 2, '/');
        return slash ? slash : "";
    }
    return display;
}

char *uri_path_absolute(const char *base, const char *path)
{
    char *joined = *path == '/' ? mem_strdup(path) : mem_printf("%s/%s", base, path);
    char *result = path_normalise(joined);

    mem_free(joined);
    return result;
}

bool uri_is_escaped(unsigned char c)
{
    return c <= ' ' || c == 0x7f || (c < 0x80 && strchr("\"#%<>?[\\]^`{|}", c));
}

static unsigned next_byte(const char **at, char pending[2], int *left)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char c;

    if (*left) return (unsigned char)pending[--*left];
    c = (unsigned char)**at;
    if (!c) return 0;
    ++*at;
    if (!uri_is_escaped(c)) return c;
    pending[1] = hex[c >> 4];
    pending[0] = hex[c & 15];
    *left = 2;
    return '%';
}

int uri_path_compare(const char *a, const char *b)
{
    char pending_a[2] = {0}, pending_b[2] = {0};
    int left_a = 0, left_b = 0;

    for (;;) {
        unsigned x = next_byte(&a, pending_a, &left_a), y = next_byte(&b, pending_b, &left_b);
        if (x != y) return x < y ? -1 : 1;
        if (!x) return 0;
    }
}
