#include "client/shell/help.h"

#include "client/shell/format.h"
#include "client/shell/text.h"
#include "common/mem.h"

enum { LINE_MAX_WIDTH = 80, ROWS_MAX = 64 };

struct row {
    const char *left, *right;
    size_t left_length, right_length;
};

struct listing {
    struct row rows[ROWS_MAX];
    size_t count;
};

static void trim(const char **text, size_t *length)
{
    while (*length && (unsigned char)**text <= ' ') {
        ++*text;
        --*length;
    }
    while (*length && (unsigned char)(*text)[*length - 1] <= ' ') --*length;
}

/* Whether the line is "-option: text" or "<argument>: text" with exactly one colon (not at its
 * end). */
static bool split_row(const char *line, size_t length, struct row *row)
{
    size_t start = 0;
    const char *colon;

    while (start < length && (line[start] == ' ' || line[start] == '\t')) start++;
    if (start == length || (line[start] != '-' && line[start] != '<')) return false;
    colon = memchr(line, ':', length);
    if (!colon) return false;
    size_t rest = length - (size_t)(colon + 1 - line);
    while (rest && colon[rest] == ':') rest--; /* Java's split drops empty strings at the end */
    if (!rest || memchr(colon + 1, ':', rest)) return false;
    *row = (struct row){line, colon + 1, (size_t)(colon - line), rest};
    trim(&row->left, &row->left_length);
    trim(&row->right, &row->right_length);
    return true;
}

static void put_padded(struct buf *out, const char *text, size_t length, size_t width)
{
    buf_put(out, text, length);
    for (; length < width; length++) buf_put_u8(out, ' ');
}

static void print_row(struct buf *out, const struct row *row, size_t left_width, size_t right_width)
{
    struct buf wrapped = {.data = NULL};
    const char *text;
    bool first = true;

    wrap_text(&wrapped, row->right, row->right_length, right_width);
    text = buf_cstr(&wrapped);
    for (;; first = false) {
        size_t length = strcspn(text, "\n");
        buf_put_str(out, "  ");
        put_padded(out, row->left, first ? row->left_length : 0, left_width);
        buf_put_u8(out, ' ');
        put_padded(out, text, length, right_width);
        buf_put_u8(out, '\n');
        if (!text[length]) break;
        text += length + 1;
    }
    buf_release(&wrapped);
}

/* TableListing with a title row of empty strings: the right column gives way until the table fits.
 */
static void print_listing(struct buf *out, struct listing *listing)
{
    const struct row titles = {"", "", 0, 0};
    size_t left = 1, right = 1;

    if (!listing->count) return;
    for (size_t i = 0; i < listing->count; i++) {
        left = MAX(left, listing->rows[i].left_length + 1);
        right = MAX(right, listing->rows[i].right_length + 1);
    }
    if (left + right + 2 > LINE_MAX_WIDTH)
        right = MAX(LINE_MAX_WIDTH - 2 - MIN(left, LINE_MAX_WIDTH - 2), 10);
    print_row(out, &titles, left, right);
    for (size_t i = 0; i < listing->count; i++) print_row(out, &listing->rows[i], left, right);
    listing->count = 0;
}

static void print_plain(struct buf *out, const char *line, size_t length)
{
    struct buf wrapped = {.data = NULL};
    const char *text;

    wrap_text(&wrapped, line, length, LINE_MAX_WIDTH);
    text = buf_cstr(&wrapped);
    for (;;) {
        size_t part = strcspn(text, "\n");
        buf_put_str(out, "  ");
        buf_put(out, text, part);
        buf_put_u8(out, '\n');
        if (!text[part]) break;
        text += part + 1;
    }
    buf_release(&wrapped);
}

void help_format(struct buf *out, const char *description)
{
    struct listing listing = {.count = 0};
    size_t length = strlen(description);

    while (length && description[length - 1] == '\n') length--; /* as Java's split */
    for (const char *line = description, *end = description + length; line <= end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t part = (size_t)((newline ? newline : end) - line);
        if (listing.count < ROWS_MAX && split_row(line, part, &listing.rows[listing.count])) {
            listing.count++;
        } else {
            print_listing(out, &listing);
            print_plain(out, line, part);
        }
        line += part + 1;
    }
    print_listing(out, &listing);
}
