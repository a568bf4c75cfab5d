#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct err_face {
    int errno_value;
    const char *java_class;
    const char *text;
};

static const struct err_face faces[ERR_POSITION_COUNT] = {
    [ERR_POSITION_NONE] = {0, "java.io.IOException", "success"},
#define ERR(name, errno_, java, text_) [ERR_POSITION_##name] = {errno_, java, text_},
#include "common/err.def"
#undef ERR
};

static const struct err_face *face_of(int code)
{
    if (code > 0 || code <= -(int)ERR_POSITION_COUNT) code = ERR_IO;
    return &faces[-code];
}

const char *err_text(int code)
{
    return face_of(code)->text;
}
const char *err_java_class(int code)
{
    return face_of(code)->java_class;
}
int err_errno(int code)
{
    return face_of(code)->errno_value;
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0: return ERR_NONE;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case ENOTDIR: return ERR_NOT_DIRECTORY;
    case ENOTEMPTY: return ERR_NOT_EMPTY;
    case EACCES:
    case EPERM: return ERR_ACCESS;
    case EINVAL: return ERR_ARGUMENT;
    case ENOSPC:
    case EDQUOT: return ERR_NO_SPACE;
    case ENOMEM: return ERR_NO_MEMORY;
    case EROFS: return ERR_READ_ONLY;
    case EAGAIN:
    case ETIMEDOUT: return ERR_TIMEOUT;
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRINUSE:
    case EADDRNOTAVAIL: return ERR_CONNECT;
    case EPIPE:
    case ECONNABORTED:
    case ECONNRESET: return ERR_CONNECTION_LOST;
    case EBADF: return ERR_CLOSED;
    case EBUSY: return ERR_BUSY;
    default: return ERR_IO;
    }
}

static void set_text(struct err *err, int code, const char *format, va_list args)
{
    err->code = code;
    err->java_class[0] = '\0';
    vsnprintf(err->text, sizeof err->text, format, args);
}

int(err_set)(struct err *err, int code, const char *format, ...)
{
    va_list args;

    if (!err) return code;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return code;
}

int(err_set_errno)(struct err *err, int errno_value, const char *format, ...)
{
    int code = err_from_errno(errno_value);
    va_list args;

    if (!err) return code;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errno_value));
    return code;
}

int(err_wrap)(struct err *err, int code, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list args;

    if (!err) return code;
    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", inner[0] ? inner : err_text(code));
    err->code = code;
    return code;
}

int(err_from_java)(struct err *err, const char *java_class, const char *text)
{
    int code = ERR_REMOTE;

    for (int i = 1; i < ERR_POSITION_COUNT; i++)
        if (str_eq(faces[i].java_class, java_class)) {
            code = -i;
            break;
        }
    err_set(err, code, "%s", text);
    if (err && code == ERR_REMOTE)
        snprintf(err->java_class, sizeof err->java_class, "%s", java_class);
    return code;
}

void err_clear(struct err *err)
{
    err->code = 0;
    err->java_class[0] = '\0';
    err->text[0] = '\0';
}
