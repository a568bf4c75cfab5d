/*
 * How sizes, modes and tables look in Hadoop's shell (more is in common/units.h), and how it reads
 * numbers. Pure; any thread.
 */
#ifndef CLIENT_SHELL_FORMAT_H
#define CLIENT_SHELL_FORMAT_H

#include "common/base.h"
#include "common/err.h"
#include "common/buf.h"
#include "common/units.h"

enum { FORMAT_MODE_MAX = 12 };

/* A size as the shell's -h wants it, or the plain number. */
const char *format_size(char text[UNITS_TEXT_MAX], int64_t n, bool human);
/* TraditionalBinaryPrefix.string2long: "10", "1k", "2T". Returns 0, or SHELL_ILLEGAL with Java's
 * words. */
int parse_binary(const char *text, int64_t *value, struct err *err) MUST_CHECK;
/* Long.parseLong and its kin: the whole text must be a number within the limits. SHELL_ILLEGAL. */
int parse_long(const char *text, int64_t *value, struct err *err) MUST_CHECK;
int parse_int(const char *text, int *value, struct err *err) MUST_CHECK;
int parse_short(const char *text, int *value, struct err *err) MUST_CHECK;

/* FsPermission.toString: "rwxr-xr-t", without the type letter. */
const char *format_mode(char text[FORMAT_MODE_MAX], uint32_t mode);

/* StringUtils.wrap: lines of at most `width` characters, broken at blanks or inside long words. */
void wrap_text(struct buf *out, const char *text, size_t length, size_t width);

/* Rows of text cells, as wide as their widest (FsUsage.TableBuilder). Zeroed and then table_init().
 */
enum { TABLE_COLUMNS_MAX = 8 };
struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAX];
    bool hidden[TABLE_COLUMNS_MAX];
    size_t width[TABLE_COLUMNS_MAX];
    char **cells; /* rows * columns; owned */
    size_t rows, capacity;
    bool header; /* row 0 is one */
};
void table_init(struct table *table, size_t columns);
void table_header(struct table *table, const char *const *titles);
void table_row(struct table *table, const char *const *cells); /* copied */
void table_print(const struct table *table,
                 struct buf *out); /* nothing when only the header is there */
void table_release(struct table *table);

#endif
