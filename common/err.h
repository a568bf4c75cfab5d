/*
 * Errors: one table (err.def) gives each code its default text, its errno for C callers and the Java exception
 * class that Hadoop clients expect, so all faces of an error agree.
 *
 * A function that can fail returns 0 or a negative ERR_*, and tells the story in the caller's `struct err`:
 * the innermost function calls err_set(), outer ones may add context with err_wrap(). Any thread; a struct err
 * belongs to one caller.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/base.h"

enum err_position {
    ERR_POSITION_NONE,
#define ERR(name, errno_, java, text) ERR_POSITION_##name,
#include "common/err.def"
#undef ERR
    ERR_POSITION_COUNT
};

enum err_code {
    ERR_NONE = 0,
#define ERR(name, errno_, java, text) ERR_##name = -(int)ERR_POSITION_##name,
#include "common/err.def"
#undef ERR
};

enum { ERR_TEXT_MAX = 2048, ERR_CLASS_MAX = 128 };

struct err {
    int code; /* 0 or ERR_* */
    char java_class
        [ERR_CLASS_MAX];     /* set when a remote side named a class that err.def does not know */
    char text[ERR_TEXT_MAX]; /* what failed, on what, why, what to do; no newline at the end */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = 0, .java_class = "", .text = ""                                                    \
    }

/* Sets code and text, cutting the text at its maximum; returns `code`, so that callers can `return err_set(...)`.
 * `err` may be NULL where the caller only wants the code. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Like err_set with the code and the words of an errno appended to the text: "open /a/b: No such file or directory". */
int err_set_errno(struct err *err, int errno_value, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the text; returns `code`. */
int err_wrap(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Fills `err` from the class name and text of a remote exception; returns its code (ERR_REMOTE for an unknown class). */
int err_from_java(struct err *err, const char *java_class, const char *text);

void err_clear(struct err *err);

/* The code of an error that is known to be there: behind a function that answers NULL. */
static inline int err_code(const struct err *err)
{
    assert(err->code);
    return err->code;
}

/* The faces of a code. All accept any value. */
const char *err_text(int code);       /* default sentence */
const char *err_java_class(int code); /* full Java class name */
int err_errno(int code);              /* positive errno */
int err_from_errno(int errno_value);  /* the closest ERR_* */

/* The static analyzer looks at one file at a time: it is told that these return a code, and that a
 * code is not 0. */
#ifdef __clang_analyzer__
#define ERR_IS_CODE(call)                                                                          \
    ({                                                                                             \
        int code_ = (call);                                                                        \
        if (!code_) __builtin_unreachable();                                                       \
        code_;                                                                                     \
    })
#define err_set(err, code, ...)          (err_set(err, code, __VA_ARGS__), ERR_IS_CODE(code))
#define err_set_errno(err, errno_, ...)  ERR_IS_CODE(err_set_errno(err, errno_, __VA_ARGS__))
#define err_wrap(err, code, ...)         (err_wrap(err, code, __VA_ARGS__), ERR_IS_CODE(code))
#define err_from_java(err, class_, text) ERR_IS_CODE(err_from_java(err, class_, text))
#endif

#endif
