/* The parsers of configuration values: Hadoop's sizes and durations. */
#include <ctype.h>
#include <strings.h>

#include "common/conf.h"
#include "common/parse.h"

int conf_parse_size(const char *text, int64_t *bytes, struct err *err)
{
    static const char prefixes[] = "kmgtpe";
    size_t length = strlen(text);
    int64_t number, factor = 1;

    if (length && !isdigit((unsigned char)text[length - 1])) {
        const char *prefix = strchr(prefixes, tolower((unsigned char)text[length - 1]));
        if (!prefix)
            return err_set(err, ERR_CONFIG,
                           "Invalid size prefix '%c' in '%s'. Allowed prefixes are k, m, g, t, p, "
                           "e(case insensitive)",
                           text[length - 1], text);
        factor = (int64_t)1 << (10 * (prefix - prefixes + 1));
        length--;
    }
    if (!parse_i64_n(text, length, INT64_MIN, INT64_MAX, &number))
        return err_set(err, ERR_CONFIG,
                       "'%s' is no size; write a whole number of bytes, or 64k, 128m, 1g", text);
    if (__builtin_mul_overflow(number, factor, bytes))
        return err_set(err, ERR_CONFIG, "%s does not fit in a Long", text);
    return 0;
}

/* Nanoseconds of a unit; 0 for none. */
static int64_t unit_ns(const char *unit, size_t length)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
                 {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strlen(units[i].name) == length && strncasecmp(units[i].name, unit, length) == 0)
            return units[i].ns;
    return 0;
}

int conf_parse_duration(const char *text, const char *bare_unit, int64_t *ms, struct err *err)
{
    size_t length = strlen(text), digits = length;
    int64_t number;

    while (digits && isalpha((unsigned char)text[digits - 1])) digits--;
    int64_t ns = digits < length ? unit_ns(text + digits, length - digits)
                                 : unit_ns(bare_unit, strlen(bare_unit));
    if (!ns || !parse_i64_n(text, digits, INT64_MIN, INT64_MAX, &number))
        return err_set(err, ERR_CONFIG,
                       "'%s' is no duration; write a whole number with ns, us, ms, s, m, h or d",
                       text);
    if (ns < 1000000) {
        *ms = number / (1000000 / ns);
        return 0;
    }
    if (__builtin_mul_overflow(number, ns / 1000000, ms)) *ms = number < 0 ? INT64_MIN : INT64_MAX;
    return 0;
}
