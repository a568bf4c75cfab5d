/* Numbers and times as Hadoop's Java prints them. Any thread; no locale. */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include "common/base.h"

enum { UNITS_TEXT_MAX = 64, DOUBLE_TEXT_MAX = 400 };

/* StringUtils.TraditionalBinaryPrefix.long2String: "1.50 KB" for (1536, "B", 2), "1 K" for (1024,
 * "", 1), "17" below 1024. `decimals` at most 9. Returns `text`. */
char *units_binary(int64_t value, const char *unit, int decimals, char text[UNITS_TEXT_MAX]);
/* StringUtils.byteDesc: units_binary(value, "B", 2). */
char *units_bytes(int64_t value, char text[UNITS_TEXT_MAX]);
/* StringUtils.formatPercent: a fraction as "12.34%". */
char *units_percent(double fraction, int decimals, char text[UNITS_TEXT_MAX]);
/* StringUtils.formatTime: "1hrs, 2mins, 3sec". */
char *units_time(int64_t ms, char text[UNITS_TEXT_MAX]);
/* DFSUtilClient.durationToString: "000:01:02:03.004" as days, hours, minutes, seconds,
 * milliseconds. */
char *units_duration(int64_t ms, char text[UNITS_TEXT_MAX]);

/* String.format("%.<decimals>f"): halves are rounded away from zero, by the digits that
 * Double.toString shows. */
char *java_fixed(double value, int decimals, char text[DOUBLE_TEXT_MAX]);
/* Double.toString: "0.5", "1.0E10", "NaN". */
char *java_double(double value, char text[DOUBLE_TEXT_MAX]);

enum date_style {
    DATE_MINUTES,    /* 2026-11-23 20:01, as ls prints it */
    DATE_SECONDS,    /* 2026-11-23 20:01:02, as stat prints it (in UTC) */
    DATE_JAVA,       /* Mon Nov 23 20:01:02 UTC 2026, Date.toString */
    DATE_ISO,        /* 2026-11-23T20:01:02+0000, DFSUtilClient.dateToIso8601String */
    DATE_ISO_MILLIS, /* 2026-11-23T20:01:02.345, the XML of oiv */
    DATE_SNAPSHOT,   /* s20261123-200102.345, default names of snapshots */
    DATE_TOUCH,      /* 20261123:200102, touch -t */
};
/* `ms` since 1970, in local time or UTC. Returns `text`. */
char *date_text(int64_t ms, enum date_style style, bool utc, char text[UNITS_TEXT_MAX]);
/* DATE_TOUCH in local time to milliseconds since 1970; false for anything else. */
bool date_parse_touch(const char *text, int64_t *ms);

#endif
