/*
 * Java's .properties files, as VERSION and seen_txid's neighbours are written by Properties.store.
 * Keys and values are UTF-8 here and escaped ISO 8859-1 in the file. One thread at a time.
 */
#ifndef COMMON_PROPERTIES_H
#define COMMON_PROPERTIES_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

struct property {
    char *key;
    char *value;
};

/* Zeroed is a valid empty one. Keeps the order of first setting. */
struct properties {
    struct property *items;
    size_t count, capacity;
};

enum { PROPERTIES_FILE_MAX = 1 << 20 };

void properties_release(struct properties *properties); /* empty and usable afterwards */
void properties_set(struct properties *properties, const char *key, const char *value); /* copies */
void properties_set_int(struct properties *properties, const char *key, int64_t value);
const char *properties_get(const struct properties *properties,
                           const char *key); /* NULL when there is none */
/* ERR_NOT_FOUND, or ERR_CORRUPT when the value is no number within the bounds. */
int properties_get_int(const struct properties *properties, const char *key, int64_t min,
                       int64_t max, int64_t *value, struct err *err) MUST_CHECK;

/* Adds what the text says; a later line wins. ERR_CORRUPT for a bad \u escape. */
int properties_parse(struct properties *properties, const char *text, size_t length,
                     struct err *err) MUST_CHECK;
/* A comment with the date, then a line for each. */
void properties_write(const struct properties *properties, int64_t now_ms, struct buf *out);

int properties_load(struct properties *properties, const char *path, struct err *err) MUST_CHECK;
int properties_save(const struct properties *properties, const char *path,
                    struct err *err) MUST_CHECK; /* file_replace */

#endif
