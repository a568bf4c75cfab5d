#include "common/parse.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

static bool digits(const char *text, size_t length, unsigned base, uint64_t *value)
{
    uint64_t v = 0;

    if (!length) return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned digit = c >= '0' && c <= '9'   ? c - '0' + 0u
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10u
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10u
                                                : 99u;
        if (digit >= base) return false;
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *value = v;
    return true;
}

bool parse_i64_n(const char *text, size_t length, int64_t min, int64_t max, int64_t *value)
{
    uint64_t magnitude;
    int64_t v;

    if (!text || !length) return false;
    bool negative = text[0] == '-';
    size_t skip = negative || text[0] == '+' ? 1 : 0;
    if (!digits(text + skip, length - skip, 10, &magnitude)) return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
    v = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (v < min || v > max) return false;
    *value = v;
    return true;
}

bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *value)
{
    return text && parse_i64_n(text, strlen(text), min, max, value);
}

bool parse_u64(const char *text, uint64_t max, uint64_t *value)
{
    uint64_t v;

    if (!text || !digits(text, strlen(text), 10, &v) || v > max) return false;
    *value = v;
    return true;
}

bool parse_u64_hex(const char *text, uint64_t *value)
{
    return text && strlen(text) <= 16 && digits(text, strlen(text), 16, value);
}

static locale_t c_locale(void)
{
    static locale_t locale;
    locale_t seen = __atomic_load_n(&locale, __ATOMIC_ACQUIRE);

    if (seen) return seen;
    locale_t made = newlocale(LC_ALL_MASK, "C", NULL);
    assert(made);
    if (__atomic_compare_exchange_n(&locale, &seen, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    freelocale(made);
    return seen;
}

bool parse_double(const char *text, double *value)
{
    char *end;

    if (!text || !(isdigit((unsigned char)text[0]) || strchr("+-.", text[0])) || !text[0])
        return false;
    if (strpbrk(text, "xXnNiI")) return false;
    double v = strtod_l(text, &end, c_locale());
    if (end == text || !isfinite(v)) return false;
    if (*end && strchr("fFdD", *end)) end++;
    if (*end) return false;
    *value = v;
    return true;
}

bool version_at_least(const char *version, unsigned major, unsigned minor)
{
    unsigned have_major = 0, have_minor = 0;
    const char *p = version;

    if (*p < '0' || *p > '9') return false;
    while (*p >= '0' && *p <= '9' && have_major < 10000)
        have_major = have_major * 10 + (unsigned)(*p++ - '0');
    if (*p == '.') p++;
    while (*p >= '0' && *p <= '9' && have_minor < 10000)
        have_minor = have_minor * 10 + (unsigned)(*p++ - '0');
    return have_major > major || (have_major == major && have_minor >= minor);
}
