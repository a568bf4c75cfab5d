/*
 * HDFS path syntax. Paths are absolute, names are UTF-8 and separated by '/'. Pure functions, any
 * thread.
 */
#ifndef COMMON_PATH_H
#define COMMON_PATH_H

#include "common/base.h"

enum { PATH_LENGTH_MAX = 8000, PATH_DEPTH_MAX = 1000 }; /* the namenode's checkPathLength */

/* DFSUtilClient.isValidName: absolute; no ".", "..", ':' or empty name in it (slashes at the end
 * are fine; ".." is allowed below /.reserved/.inodes). Also false for text that is not UTF-8. */
bool path_valid(const char *path);
/* At most PATH_LENGTH_MAX characters (not bytes) and PATH_DEPTH_MAX names, as FSNamesystem's checks
 * have it. */
bool path_within_limits(const char *path);

/* A name within a path. */
struct path_part {
    const char *name;
    size_t length;
};
/* Walks the names: `const char *at = path; while (path_next(&at, &part))`. Empty names are skipped.
 */
bool path_next(const char **at, struct path_part *part);
size_t path_depth(const char *path); /* names in it: 0 for "/" */
static inline bool path_part_is(const struct path_part *part, const char *name)
{
    return strlen(name) == part->length && memcmp(part->name, name, part->length) == 0;
}

bool path_is_root(const char *path); /* nothing but slashes */
/* The last name: a view into `path`, "" for the root. The path must not end with a slash. */
const char *path_name(const char *path);
/* The path above, for mem_free(); "/" for names in the root, NULL for the root. */
char *path_parent(const char *path);
/* parent + "/" + child, with one slash between; an absolute child is the result itself. For
 * mem_free(). */
char *path_join(const char *parent, const char *child);
/* As java's Path: runs of slashes become one, none at the end, "." and ".." are resolved (".." of
 * the root stays). Works on relative paths too. For mem_free(). */
char *path_normalise(const char *path);
/* Is `path` the same as `above`, or below it? Both normalised. */
bool path_is_under(const char *path, const char *above);

bool utf8_valid(const void *data, size_t size); /* no overlong forms, no surrogates, no NUL */

#endif
