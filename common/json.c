#include "common/json.h"

#include <math.h>

#include "common/path.h"
#include "common/units.h"

/* A comma where one is due. */
static void before_value(struct json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (!json->depth) return;
    assert(!json->levels[json->depth - 1].is_object); /* members start with json_key() */
    if (json->levels[json->depth - 1].has_items) buf_put_u8(json->out, ',');
    json->levels[json->depth - 1].has_items = true;
}

static void begin(struct json *json, bool is_object)
{
    before_value(json);
    assert(json->depth < JSON_DEPTH_MAX);
    json->levels[json->depth].is_object = is_object;
    json->levels[json->depth++].has_items = false;
    buf_put_u8(json->out, is_object ? '{' : '[');
}

void json_begin_object(struct json *json)
{
    begin(json, true);
}
void json_begin_array(struct json *json)
{
    begin(json, false);
}

void json_end(struct json *json)
{
    assert(json->depth > 0 && !json->after_key);
    buf_put_u8(json->out, json->levels[--json->depth].is_object ? '}' : ']');
}

static void put_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"': buf_put_str(out, "\\\""); break;
    case '\\': buf_put_str(out, "\\\\"); break;
    case '\b': buf_put_str(out, "\\b"); break;
    case '\f': buf_put_str(out, "\\f"); break;
    case '\n': buf_put_str(out, "\\n"); break;
    case '\r': buf_put_str(out, "\\r"); break;
    case '\t': buf_put_str(out, "\\t"); break;
    default: buf_printf(out, "\\u%04X", c); break;
    }
}

/* The length of the valid UTF-8 sequence at `at`, or 0. */
static size_t sequence_length(const char *at, size_t left)
{
    for (size_t length = 2; length <= 4 && length <= left; length++)
        if (utf8_valid(at, length)) return length;
    return 0;
}

static void put_quoted(struct buf *out, const char *text, size_t length)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        size_t step = 1;
        if (c < 0x20 || c == '"' || c == '\\') {
            put_escaped(out, c);
        } else if (c < 0x80) {
            buf_put_u8(out, c);
        } else {
            step = sequence_length(text + i, length - i);
            buf_put(out, step ? text + i : "\xef\xbf\xbd", step ? step : 3);
            if (!step) step = 1;
        }
        i += step;
    }
    buf_put_u8(out, '"');
}

void json_key(struct json *json, const char *key)
{
    assert(json->depth > 0 && json->levels[json->depth - 1].is_object && !json->after_key);
    if (json->levels[json->depth - 1].has_items) buf_put_u8(json->out, ',');
    json->levels[json->depth - 1].has_items = true;
    put_quoted(json->out, key, strlen(key));
    buf_put_u8(json->out, ':');
    json->after_key = true;
}

void json_string_n(struct json *json, const char *value, size_t length)
{
    before_value(json);
    put_quoted(json->out, value, length);
}

void json_raw(struct json *json, const char *text)
{
    before_value(json);
    buf_put_str(json->out, text);
}

void json_null(struct json *json)
{
    json_raw(json, "null");
}
void json_boolean(struct json *json, bool value)
{
    json_raw(json, value ? "true" : "false");
}

void json_string(struct json *json, const char *value)
{
    if (value)
        json_string_n(json, value, strlen(value));
    else
        json_null(json);
}

void json_int(struct json *json, int64_t value)
{
    before_value(json);
    buf_printf(json->out, "%" PRId64, value);
}

void json_uint(struct json *json, uint64_t value)
{
    before_value(json);
    buf_printf(json->out, "%" PRIu64, value);
}

void json_double(struct json *json, double value)
{
    char text[DOUBLE_TEXT_MAX];

    java_double(value, text);
    if (isfinite(value))
        json_raw(json, text);
    else
        json_string(json, text);
}

void json_put_string(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}

void json_put_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_boolean(json, value);
}

void json_put_double(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_double(json, value);
}
