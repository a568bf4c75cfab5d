#include "common/http_body.h"

#include <stdlib.h>

static const char *line_end(const char *p, const char *end)
{
    const char *stop = memchr(p, '\n', (size_t)(end - p));

    return stop ? stop : end;
}

/* Lines that begin with "name:"; *value is the last one's, without blanks around. How many there are. */
static unsigned find(const char *head, size_t length, const char *name, const char **value,
                     size_t *value_length)
{
    size_t name_length = strlen(name);
    const char *end = head + length;
    unsigned count = 0;

    for (const char *p = head; p < end;) {
        const char *stop = line_end(p, end), *v = p + name_length + 1, *last = stop;
        if ((size_t)(stop - p) > name_length && strncasecmp(p, name, name_length) == 0 &&
            p[name_length] == ':') {
            while (v < last && (*v == ' ' || *v == '\t')) v++;
            while (last > v && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r')) last--;
            *value = v;
            *value_length = (size_t)(last - v);
            count++;
        }
        p = stop < end ? stop + 1 : end;
    }
    return count;
}

bool http_head_value(const char *head, size_t length, const char *name, char *out, size_t size)
{
    const char *value;
    size_t value_length;

    if (!find(head, length, name, &value, &value_length) || value_length >= size) return false;
    memcpy(out, value, value_length);
    out[value_length] = '\0';
    return true;
}

/* Digits of a base, all of them, fewer than would overflow. */
static bool number(const char *text, size_t length, int base, uint64_t *out)
{
    char digits[24], *end;

    if (length == 0 || length > 15 || (base == 10 ? *text < '0' || *text > '9' : 0)) return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (*digits == '-' || *digits == '+' || *digits == ' ') return false;
    *out = strtoull(digits, &end, base);
    return !*end;
}

int http_body_start(struct http_body *body, const char *head, size_t length, struct err *err)
{
    const char *coding, *size;
    size_t coding_length, size_length;
    unsigned codings = find(head, length, "Transfer-Encoding", &coding, &coding_length),
             sizes = find(head, length, "Content-Length", &size, &size_length);

    *body = (struct http_body){.state = HTTP_BODY_DONE};
    if (codings > 1 || sizes > 1 || (codings && sizes))
        return err_set(err, ERR_BAD_MESSAGE, "a request with more than one length");
    if (codings) {
        if (coding_length != 7 || strncasecmp(coding, "chunked", 7) != 0)
            return err_set(err, ERR_BAD_MESSAGE, "an unknown transfer encoding");
        body->chunked = true;
        body->state = HTTP_BODY_CHUNK_SIZE;
    } else if (sizes) {
        if (!number(size, size_length, 10, &body->left))
            return err_set(err, ERR_BAD_MESSAGE, "a Content-Length that is none");
        if (body->left) body->state = HTTP_BODY_BYTES;
    }
    return 0;
}

/* A whole line of the chunked encoding, without its end, is in body->line. */
static int take_line(struct http_body *body, struct err *err)
{
    size_t digits = body->line_length;
    const char *extension = memchr(body->line, ';', body->line_length);

    switch (body->state) {
    case HTTP_BODY_CHUNK_SIZE:
        if (extension) digits = (size_t)(extension - body->line);
        while (digits && body->line[digits - 1] == ' ') digits--;
        if (!number(body->line, digits, 16, &body->left)) break;
        body->state = body->left ? HTTP_BODY_BYTES : HTTP_BODY_TRAILER;
        return 0;
    case HTTP_BODY_CHUNK_END:
        if (body->line_length) break;
        body->state = HTTP_BODY_CHUNK_SIZE;
        return 0;
    case HTTP_BODY_TRAILER:
        if (!body->line_length) body->state = HTTP_BODY_DONE;
        return 0;
    case HTTP_BODY_BYTES:
    case HTTP_BODY_DONE: break;
    }
    return err_set(err, ERR_BAD_MESSAGE, "a body that is not in chunks");
}

static int next_line(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                     struct err *err)
{
    const uint8_t *stop = memchr(bytes, '\n', size);
    size_t part = stop ? (size_t)(stop - bytes) : size;
    int rc;

    if (body->line_length + part > sizeof body->line)
        return err_set(err, ERR_BAD_MESSAGE, "an overlong line in a chunked body");
    memcpy(body->line + body->line_length, bytes, part);
    body->line_length += part;
    *used = stop ? part + 1 : part;
    if (!stop) return 0;
    if (body->line_length && body->line[body->line_length - 1] == '\r') body->line_length--;
    rc = take_line(body, err);
    body->line_length = 0;
    return rc;
}

int http_body_next(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                   size_t *data_at, size_t *data_size, struct err *err)
{
    *used = *data_at = *data_size = 0;
    if (!size || body->state == HTTP_BODY_DONE) return 0;
    if (body->state != HTTP_BODY_BYTES) return next_line(body, bytes, size, used, err);
    *used = *data_size = (size_t)MIN((uint64_t)size, body->left);
    body->left -= *used;
    if (!body->left) body->state = body->chunked ? HTTP_BODY_CHUNK_END : HTTP_BODY_DONE;
    return 0;
}
