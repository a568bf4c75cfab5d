#include "client/shell/chmod_mode.h"

#include <ctype.h>

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return text;
}

/* "^\s*[+]?([01]?)([0-7]{3})\s*$" */
static bool parse_octal(struct chmod_mode *mode, const char *text)
{
    size_t digits;

    text = skip_blanks(text);
    if (*text == '+') text++;
    digits = strspn(text, "01234567");
    if (digits < 3 || digits > 4 || *skip_blanks(text + digits)) return false;
    if (digits == 4 && *text > '1') return false;
    mode->sticky = (struct chmod_part){'=', digits == 4 && *text++ == '1'};
    mode->user = (struct chmod_part){'=', (unsigned)(text[0] - '0')};
    mode->group = (struct chmod_part){'=', (unsigned)(text[1] - '0')};
    mode->others = (struct chmod_part){'=', (unsigned)(text[2] - '0')};
    return true;
}

static unsigned mode_bits(const char *letters, size_t count, bool *sticky)
{
    unsigned bits = 0;

    *sticky = false;
    for (size_t i = 0; i < count; i++) switch (letters[i]) {
        case 'r': bits |= 4; break;
        case 'w': bits |= 2; break;
        case 'x': bits |= 1; break;
        case 'X': bits |= 8; break;
        default: *sticky = true;
        }
    return bits;
}

/* One "\s*([ugoa]*)([+=-]+)([rwxXt]+)([,\s]*)\s*"; NULL when the text is something else. */
static const char *parse_clause(struct chmod_mode *mode, const char *text, bool *comma)
{
    const char *who = skip_blanks(text);
    size_t who_length = strspn(who, "ugoa");
    const char *type = who + who_length;
    size_t type_length = strspn(type, "+=-");
    const char *letters = type + type_length;
    size_t letter_count = strspn(letters, "rwxXt");
    const char *end = letters + letter_count;
    bool user = memchr(who, 'u', who_length), group = memchr(who, 'g', who_length);
    bool others = memchr(who, 'o', who_length), sticky;

    if (!type_length || !letter_count) return NULL;
    if (!user && !group && !others) user = group = others = true;
    struct chmod_part part = {type[type_length - 1], mode_bits(letters, letter_count, &sticky)};
    if (user) mode->user = part;
    if (group) mode->group = part;
    if (others) {
        mode->others = part;
        mode->sticky = (struct chmod_part){part.type, sticky};
    }
    *comma = false;
    for (; *end == ',' || isspace((unsigned char)*end); end++)
        if (*end == ',') *comma = true;
    return end;
}

bool chmod_mode_parse(struct chmod_mode *mode, const char *text)
{
    const struct chmod_part none = {'+', 0};
    bool comma;
    const char *at;

    *mode = (struct chmod_mode){none, none, none, none};
    at = parse_clause(mode, text, &comma);
    if (!at) return parse_octal(mode, text);
    while (*at) {
        if (!comma) return false;
        at = parse_clause(mode, at, &comma);
        if (!at) return false;
    }
    return true;
}

static uint32_t combine(struct chmod_part part, uint32_t existing, bool exec_ok)
{
    bool capital = part.bits & 8;
    uint32_t bits = (part.bits & 7) | (capital ? 1 : 0);

    if (part.type == '+')
        bits |= existing;
    else if (part.type == '-')
        bits = ~bits & existing & 7;
    if (capital && !exec_ok && (bits & 1) && !(existing & 1)) bits &= ~1u;
    return bits;
}

uint32_t chmod_mode_apply(const struct chmod_mode *mode, uint32_t existing, bool directory)
{
    bool exec_ok = directory || (existing & 0111);

    return combine(mode->sticky, existing >> 9 & 1, false) << 9 |
           combine(mode->user, existing >> 6 & 7, exec_ok) << 6 |
           combine(mode->group, existing >> 3 & 7, exec_ok) << 3 |
           combine(mode->others, existing & 7, exec_ok);
}
