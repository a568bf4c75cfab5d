/*
 * Where a request's head and body end, while the bytes of a connection arrive (RFC 9112): for http.c, which lets the bodies of uploads go to
 * disk. Pure; input is hostile.
 */
#ifndef COMMON_HTTP_BODY_H
#define COMMON_HTTP_BODY_H

#include "common/base.h"
#include "common/err.h"

enum http_body_state {
    HTTP_BODY_BYTES,      /* `left` bytes of the body, or of a chunk */
    HTTP_BODY_CHUNK_SIZE, /* the line with a chunk's size */
    HTTP_BODY_CHUNK_END,  /* the line end after a chunk */
    HTTP_BODY_TRAILER,    /* lines after the last chunk, to an empty one */
    HTTP_BODY_DONE,
};
enum { HTTP_LINE_MAX = 1024 };

struct http_body {
    enum http_body_state state;
    bool chunked;
    uint64_t left;
    char line[HTTP_LINE_MAX]; /* of the chunked encoding, as far as it has come */
    size_t line_length;
};

/* The value of a header in a head, copied; false when it is absent or longer than `out`. */
bool http_head_value(const char *head, size_t length, const char *name, char *out, size_t size);
/* Expects the body that the head tells of. ERR_BAD_MESSAGE: lengths that contradict one another, or are none. */
int http_body_start(struct http_body *body, const char *head, size_t length,
                    struct err *err) MUST_CHECK;
/* Goes on: how many of these bytes belong to the request goes to *used; of them those from *data_at on, *data_size of them, are content. Call again
 * with the rest until *used is 0 or the state is HTTP_BODY_DONE. ERR_BAD_MESSAGE: no chunked encoding. */
int http_body_next(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                   size_t *data_at, size_t *data_size, struct err *err) MUST_CHECK;

#endif
