/*
 * Hadoop's glob patterns (GlobExpander, GlobPattern): ? * [abc] [a-c] [^a] [!a] {a,b} \x. Strings
 * only; fs_glob() walks the tree with them. Pure; any thread.
 *
 * Braces are expanded into alternatives, and each alternative is matched in time |pattern| ×
 * |name|: patterns may come from strangers.
 */
#ifndef CLIENT_GLOB_H
#define CLIENT_GLOB_H

#include "common/base.h"
#include "common/err.h"

enum {
    GLOB_PATTERN_MAX = 32 * 1024, /* bytes */
    GLOB_ALTERNATIVES_MAX = 4096, /* that braces of one pattern may make */
};

/* Alternatives, NULL-terminated; glob_list_free() frees. */
void glob_list_free(char **list);

/* Expands braces that hold a slash, so that every pattern of the list can be cut at its slashes:
 * "p{a/b,c}s" gives "pa/bs", "pcs". ERR_IO with Java's "Illegal file pattern: …", ERR_LIMIT beyond
 * the maxima. */
int glob_expand_slashes(const char *pattern, char ***list, struct err *err) MUST_CHECK;

/* One component of a path. */
struct glob {
    bool wild;           /* holds a wildcard; else `literal` is the name */
    char *literal;       /* the component with its escapes removed */
    char **alternatives; /* without braces; NULL unless wild */
};
/* ERR_IO: "… Unclosed group at pos N: `…`", "… Unclosed character class …", … */
int glob_compile(struct glob *glob, const char *component, struct err *err) MUST_CHECK;
bool glob_match(const struct glob *glob, const char *name);
void glob_release(struct glob *glob); /* zeroed afterwards */

#endif
