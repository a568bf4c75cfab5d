#include "client/shell/format.h"

#include <limits.h>
#include <stdio.h>

#include "client/shell/shell.h"
#include "client/shell/text.h"
#include "common/mem.h"
#include "common/parse.h"

static const char prefixes[] = "KMGTPE";

const char *format_size(char text[UNITS_TEXT_MAX], int64_t n, bool human)
{
    if (human) return units_binary(n, "", 1, text);
    snprintf(text, UNITS_TEXT_MAX, "%" PRId64, n);
    return text;
}

static int not_a_number(const char *text, struct err *err)
{
    err_set(err, ERR_ARGUMENT, "For input string: \"%s\"", text);
    return SHELL_ILLEGAL;
}

int parse_long(const char *text, int64_t *value, struct err *err)
{
    return parse_i64(text, INT64_MIN, INT64_MAX, value) ? 0 : not_a_number(text, err);
}

int parse_int(const char *text, int *value, struct err *err)
{
    int64_t wide;
    int rc = parse_long(text, &wide, err);

    if (rc) return rc;
    if (wide > INT_MAX || wide < INT_MIN) return not_a_number(text, err);
    *value = (int)wide;
    return 0;
}

int parse_short(const char *text, int *value, struct err *err)
{
    int rc = parse_int(text, value, err);

    if (rc) return rc;
    if (*value > INT16_MAX || *value < INT16_MIN) {
        err_set(err, ERR_ARGUMENT, "Value out of range. Value:\"%s\" Radix:10", text);
        return SHELL_ILLEGAL;
    }
    return 0;
}

int parse_binary(const char *text, int64_t *value, struct err *err)
{
    size_t length;
    char *number;
    int rc;

    while (*text == ' ' || *text == '\t') text++;
    length = strlen(text);
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    if (!length) {
        err_set(err, ERR_ARGUMENT, "Index -1 out of bounds for length 0");
        return SHELL_FATAL;
    }
    number = mem_strndup(text, length);
    char last = number[length - 1];
    if (last >= '0' && last <= '9') {
        rc = parse_long(number, value, err);
        goto out;
    }
    const char *prefix = strchr(prefixes, last >= 'a' && last <= 'z' ? last - 'a' + 'A' : last);
    if (!prefix) {
        err_set(err, ERR_ARGUMENT,
                "Invalid size prefix '%c' in '%s'. Allowed prefixes are k, m, g, t, p, e(case "
                "insensitive)",
                last, number);
        rc = SHELL_ILLEGAL;
        goto out;
    }
    number[length - 1] = '\0';
    rc = parse_long(number, value, err);
    if (rc) goto out;
    if (__builtin_mul_overflow(*value, (int64_t)1 << (10 * (prefix - prefixes + 1)), value)) {
        err_set(err, ERR_ARGUMENT, "%s%c does not fit in a Long", number, last);
        rc = SHELL_ILLEGAL;
    }
out:
    mem_free(number);
    return rc;
}

const char *format_mode(char text[FORMAT_MODE_MAX], uint32_t mode)
{
    static const char letters[] = "rwxrwxrwx";

    for (int i = 0; i < 9; i++) text[i] = mode & (0400u >> i) ? letters[i] : '-';
    if (mode & 01000) text[8] = mode & 1 ? 't' : 'T';
    text[9] = '\0';
    return text;
}

/* The last blank at or before `from`, or -1. */
static ssize_t last_blank(const char *text, ssize_t from)
{
    while (from >= 0 && text[from] != ' ') from--;
    return from;
}

void wrap_text(struct buf *out, const char *text, size_t length, size_t width)
{
    size_t offset = 0;

    while (length - offset > width) {
        if (text[offset] == ' ') {
            offset++;
            continue;
        }
        ssize_t blank = last_blank(text, (ssize_t)(width + offset));
        size_t end = blank >= (ssize_t)offset ? (size_t)blank : offset + width;
        buf_put(out, text + offset, end - offset);
        buf_put_u8(out, '\n');
        offset = end + (blank >= (ssize_t)offset);
    }
    buf_put(out, text + offset, length - offset);
}

void table_init(struct table *table, size_t columns)
{
    assert(columns && columns <= TABLE_COLUMNS_MAX);
    *table = (struct table){.columns = columns};
}

void table_row(struct table *table, const char *const *cells)
{
    GROW(table->cells, table->capacity, (table->rows + 1) * table->columns);
    for (size_t i = 0; i < table->columns; i++) {
        table->cells[table->rows * table->columns + i] = mem_strdup(cells[i]);
        table->width[i] = MAX(table->width[i], text_width(cells[i]));
    }
    table->rows++;
}

void table_header(struct table *table, const char *const *titles)
{
    assert(!table->rows);
    table_row(table, titles);
    table->header = true;
}

static void put_blanks(struct buf *out, size_t count)
{
    while (count--) buf_put_u8(out, ' ');
}

static void print_row(const struct table *table, char **row, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < table->columns; i++) {
        if (table->hidden[i]) continue;
        size_t blanks = table->width[i] - text_width(row[i]);
        if (!first) buf_put_str(out, "  ");
        first = false;
        if (table->right[i]) put_blanks(out, blanks);
        buf_put_str(out, row[i]);
        if (!table->right[i] && i != table->columns - 1) put_blanks(out, blanks);
    }
    buf_put_u8(out, '\n');
}

void table_print(const struct table *table, struct buf *out)
{
    if (table->rows <= (table->header ? 1 : 0)) return;
    for (size_t i = 0; i < table->rows; i++)
        print_row(table, table->cells + i * table->columns, out);
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++) mem_free(table->cells[i]);
    mem_free(table->cells);
    *table = (struct table){.columns = 0};
}
