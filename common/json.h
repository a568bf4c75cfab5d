/*
 * Writes JSON into a buf, compact, escaped as Jackson does. Commas come by themselves. Unbalanced
 * use is an assertion.
 *
 *     struct json json = json_to(&buf);
 *     json_begin_object(&json);
 *     json_key(&json, "FileStatus");
 *     ...
 *     json_end(&json);
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/buf.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct buf *out;
    int depth;
    bool after_key;
    struct {
        bool is_object;
        bool has_items;
    } levels[JSON_DEPTH_MAX];
};

static inline struct json json_to(struct buf *out)
{
    return (struct json){.out = out};
}

void json_begin_object(struct json *json);
void json_begin_array(struct json *json);
void json_end(struct json *json); /* of the innermost object or array */
void json_key(struct json *json, const char *key);

void json_string(struct json *json,
                 const char *value); /* NULL writes null; bytes that are not UTF-8 become U+FFFD */
void json_string_n(struct json *json, const char *value, size_t length);
void json_int(struct json *json, int64_t value);
void json_uint(struct json *json, uint64_t value);
void json_boolean(struct json *json, bool value);
void json_double(struct json *json,
                 double value); /* as Java prints it; NaN and infinities as strings */
void json_null(struct json *json);
void json_raw(struct json *json, const char *text); /* a value that is JSON already */

/* key and value in one. */
void json_put_string(struct json *json, const char *key, const char *value);
void json_put_int(struct json *json, const char *key, int64_t value);
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_double(struct json *json, const char *key, double value);

#endif
