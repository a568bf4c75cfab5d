#include "common/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/parse.h"

/* The shortest digits that are this double and no other: 0.d1d2d3… times 10^exponent. */
struct decimal {
    char digits[24];
    int count;
    int exponent;
    bool negative;
};

static struct decimal decimal_of(double value)
{
    struct decimal decimal = {.negative = signbit(value) != 0};
    char text[40];

    value = fabs(value);
    for (int precision = 1; precision <= 17; precision++) {
        double back;
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        for (char *c = text; *c; c++)
            if (*c == ',') *c = '.'; /* whatever the program's locale */
        if (parse_double(text, &back) && back == value) break;
    }
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (isdigit((unsigned char)*at)) decimal.digits[decimal.count++] = *at;
    decimal.exponent = (*at ? atoi(at + 1) : 0) + 1;
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0') decimal.count--;
    if (decimal.count == 1 && decimal.digits[0] == '0') decimal.exponent = 1;
    return decimal;
}

/* Keeps the digits up to `decimals` after the point; a five or more behind them rounds up. */
static void decimal_round(struct decimal *decimal, int decimals)
{
    int keep = decimal->exponent + decimals;

    if (keep >= decimal->count) return;
    bool up = keep >= 0 && decimal->digits[keep] >= '5';
    decimal->count = MAX(keep, 0);
    if (!up) return;
    int i = decimal->count - 1;
    while (i >= 0 && decimal->digits[i] == '9') decimal->digits[i--] = '0';
    if (i >= 0) {
        decimal->digits[i]++;
        return;
    }
    memmove(decimal->digits + 1, decimal->digits, (size_t)decimal->count);
    decimal->digits[0] = '1';
    decimal->count++;
    decimal->exponent++;
}

static char digit_at(const struct decimal *decimal, int i)
{
    return i >= 0 && i < decimal->count ? decimal->digits[i] : '0';
}

static char *special(double value, char *text)
{
    snprintf(text, DOUBLE_TEXT_MAX, "%s",
             isnan(value) ? "NaN"
             : value < 0  ? "-Infinity"
                          : "Infinity");
    return text;
}

static char *put_plain(char *at, const struct decimal *decimal, int decimals)
{
    int i = 0;

    if (decimal->exponent <= 0) *at++ = '0';
    for (; i < decimal->exponent; i++) *at++ = digit_at(decimal, i);
    if (decimals > 0) *at++ = '.';
    for (int k = 0; k < decimals; k++) *at++ = digit_at(decimal, decimal->exponent + k);
    *at = '\0';
    return at;
}

char *java_fixed(double value, int decimals, char text[DOUBLE_TEXT_MAX])
{
    char *at = text;

    assert(decimals >= 0 && decimals <= 20);
    if (!isfinite(value)) return special(value, text);
    struct decimal decimal = decimal_of(value);
    decimal_round(&decimal, decimals);
    if (decimal.negative) *at++ = '-';
    put_plain(at, &decimal, decimals);
    return text;
}

char *java_double(double value, char text[DOUBLE_TEXT_MAX])
{
    char *at = text;

    if (!isfinite(value)) return special(value, text);
    struct decimal decimal = decimal_of(value);
    double size = fabs(value);
    if (decimal.negative) *at++ = '-';
    if (size == 0 || (size >= 1e-3 && size < 1e7)) {
        put_plain(at, &decimal, MAX(1, decimal.count - decimal.exponent));
        return text;
    }
    int exponent = decimal.exponent - 1;
    decimal.exponent = 1;
    at = put_plain(at, &decimal, MAX(1, decimal.count - 1));
    snprintf(at, DOUBLE_TEXT_MAX - (size_t)(at - text), "E%d", exponent);
    return text;
}

char *units_binary(int64_t value, const char *unit, int decimals, char text[UNITS_TEXT_MAX])
{
    static const char symbols[] = "KMGTPE";
    char number[DOUBLE_TEXT_MAX];
    const char *sign = value < 0 ? "-" : "";
    uint64_t n = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int i = -1;

    if (n < 1024) {
        snprintf(text, UNITS_TEXT_MAX, "%s%" PRIu64 "%s%s", sign, n, unit[0] ? " " : "", unit);
        return text;
    }
    while (i + 1 < 6 && n >= (uint64_t)1 << (10 * (i + 2))) i++;
    int shift = 10 * (i + 1);
    if ((n & (((uint64_t)1 << shift) - 1)) == 0) {
        snprintf(number, sizeof number, "%" PRIu64, n >> shift);
    } else {
        java_fixed((double)n / (double)((uint64_t)1 << shift), decimals, number);
        if (str_starts(number, "1024") && i + 1 < 6) {
            i++;
            java_fixed((double)n / (double)((uint64_t)1 << (shift + 10)), decimals, number);
        }
    }
    snprintf(text, UNITS_TEXT_MAX, "%s%.32s %c%.16s", sign, number, symbols[i], unit);
    return text;
}

char *units_bytes(int64_t value, char text[UNITS_TEXT_MAX])
{
    return units_binary(value, "B", 2, text);
}

char *units_percent(double fraction, int decimals, char text[UNITS_TEXT_MAX])
{
    char number[DOUBLE_TEXT_MAX];

    snprintf(text, UNITS_TEXT_MAX, "%.60s%%", java_fixed(fraction * 100, decimals, number));
    return text;
}

char *units_time(int64_t ms, char text[UNITS_TEXT_MAX])
{
    int64_t hours = ms / HOUR_MS, minutes = ms % HOUR_MS / MINUTE_MS,
            seconds = ms % MINUTE_MS / SECOND_MS;
    int used = 0;

    if (hours) used += snprintf(text, UNITS_TEXT_MAX, "%" PRId64 "hrs, ", hours);
    if (minutes)
        used += snprintf(text + used, UNITS_TEXT_MAX - (size_t)used, "%" PRId64 "mins, ", minutes);
    snprintf(text + used, UNITS_TEXT_MAX - (size_t)used, "%" PRId64 "sec", seconds);
    return text;
}

char *units_duration(int64_t ms, char text[UNITS_TEXT_MAX])
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t n = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    uint64_t seconds = n / 1000;

    snprintf(text, UNITS_TEXT_MAX, "%s%03" PRIu64 ":%02u:%02u:%02u.%03u", sign, seconds / 86400,
             (unsigned)(seconds / 3600 % 24), (unsigned)(seconds / 60 % 60),
             (unsigned)(seconds % 60), (unsigned)(n % 1000));
    return text;
}

/* Names of days and months in English, whatever the locale. */
static void put_java_date(const struct tm *tm, char *text)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    snprintf(text, UNITS_TEXT_MAX, "%s %s %02d %02d:%02d:%02d %.16s %d", days[tm->tm_wday],
             months[tm->tm_mon], tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, tm->tm_zone,
             tm->tm_year + 1900);
}

char *date_text(int64_t ms, enum date_style style, bool utc, char text[UNITS_TEXT_MAX])
{
    static const struct {
        const char *format; /* of strftime(3), with numbers alone */
        bool millis;
    } styles[] = {
        [DATE_MINUTES] = {"%Y-%m-%d %H:%M", false},
        [DATE_SECONDS] = {"%Y-%m-%d %H:%M:%S", false},
        [DATE_ISO] = {"%Y-%m-%dT%H:%M:%S%z", false},
        [DATE_ISO_MILLIS] = {"%Y-%m-%dT%H:%M:%S", true},
        [DATE_SNAPSHOT] = {"s%Y%m%d-%H%M%S", true},
        [DATE_TOUCH] = {"%Y%m%d:%H%M%S", false},
    };
    int millis = (int)(((ms % 1000) + 1000) % 1000);
    time_t seconds = ms / 1000 - (ms % 1000 < 0);
    struct tm tm;

    snprintf(text, UNITS_TEXT_MAX, "%" PRId64, ms); /* for years that struct tm cannot hold */
    if (!(utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm))) return text;
    if (utc) tm.tm_zone = "UTC";
    if (style == DATE_JAVA) {
        put_java_date(&tm, text);
        return text;
    }
    size_t used = strftime(text, UNITS_TEXT_MAX, styles[style].format, &tm);
    if (styles[style].millis) snprintf(text + used, UNITS_TEXT_MAX - used, ".%03d", millis);
    return text;
}

bool date_parse_touch(const char *text, int64_t *ms)
{
    struct tm tm = {.tm_isdst = -1};
    int used = 0;

    if (strlen(text) != 15 || strspn(text, "0123456789:") != 15) return false;
    if (sscanf(text, "%4d%2d%2d:%2d%2d%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used != 15)
        return false;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 59)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *ms = (int64_t)mktime(&tm) * 1000;
    return true;
}
