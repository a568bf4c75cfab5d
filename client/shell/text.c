#include "client/shell/text.h"

#include <locale.h>
#include <wctype.h>

#include "common/mem.h"

uint32_t text_next(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    int more = s[0] >= 0xf0 && s[0] < 0xf8   ? 3
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 2
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 1
                                             : 0;
    uint32_t code = more ? s[0] & (0x3fu >> more) : s[0];

    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            ++*text;
            return s[0];
        }
        code = code << 6 | (s[i] & 0x3f);
    }
    *text += more + 1;
    return code;
}

void text_put(char **to, uint32_t code)
{
    if (code < 0x80) {
        *(*to)++ = (char)code;
    } else if (code < 0x800) {
        *(*to)++ = (char)(0xc0 | code >> 6);
        *(*to)++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *(*to)++ = (char)(0xe0 | code >> 12);
        *(*to)++ = (char)(0x80 | (code >> 6 & 0x3f));
        *(*to)++ = (char)(0x80 | (code & 0x3f));
    } else {
        *(*to)++ = (char)(0xf0 | code >> 18);
        *(*to)++ = (char)(0x80 | (code >> 12 & 0x3f));
        *(*to)++ = (char)(0x80 | (code >> 6 & 0x3f));
        *(*to)++ = (char)(0x80 | (code & 0x3f));
    }
}

char *text_lower(const char *text)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    char *lower = mem_alloc(strlen(text) * 4 + 1), *to = lower;

    while (*text) {
        uint32_t code = text_next(&text);
        text_put(&to, locale ? (uint32_t)towlower_l((wint_t)code, locale) : code);
    }
    *to = '\0';
    if (locale) freelocale(locale);
    return lower;
}

/* Java's category Cf, which libc calls printable. */
static bool is_format(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
        {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
        {0x200b, 0x200f},   {0x202a, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},
        {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    return false;
}

static bool is_private(uint32_t code)
{
    return (code >= 0xe000 && code <= 0xf8ff) || code >= 0xf0000;
}

char *text_printable(const char *text)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    char *printable = mem_alloc(strlen(text) * 4 + 1), *to = printable;

    while (*text) {
        uint32_t code = text_next(&text);
        bool shown =
            code < 0x80 ? code >= ' ' && code != 0x7f : !locale || iswprint_l((wint_t)code, locale);
        text_put(&to, shown && !is_format(code) && !is_private(code) ? code : '?');
    }
    *to = '\0';
    if (locale) freelocale(locale);
    return printable;
}

size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        if ((*text & 0xc0) != 0x80) width++;
    return width;
}
