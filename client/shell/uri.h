/*
 * Path names as Hadoop's Path and PathData read them: [scheme:][//authority]path, nothing escaped.
 * Pure; any thread.
 */
#ifndef CLIENT_SHELL_URI_H
#define CLIENT_SHELL_URI_H

#include "common/base.h"
#include "common/err.h"

/* Owns its strings; `scheme` and `authority` are NULL when absent. `path` is as written. */
struct uri {
    char *scheme;
    char *authority;
    char *path;
};

/* Path(String): a colon before the first slash ends a scheme. SHELL_ILLEGAL for an empty string and
 * for a scheme with a relative path. */
int uri_parse(struct uri *uri, const char *text, struct err *err) MUST_CHECK;
/* PathData.stringToUri: only a colon right before a slash does. */
void uri_parse_display(struct uri *uri, const char *text);
void uri_release(struct uri *uri);

/* The path of a URI inside what PathData shows: behind "scheme://authority", if there is one. */
const char *uri_display_path(const char *display);

/* `path` below `base` unless it is absolute, normalised as Path does. For mem_free(). */
char *uri_path_absolute(const char *base, const char *path);
/* Characters that java.net.URI writes as %XX in a path. */
bool uri_is_escaped(unsigned char c);
/* What Path.compareTo answers for two paths of one file system: bytes, but for those that a URI
 * escapes. */
int uri_path_compare(const char *a, const char *b);

#endif
