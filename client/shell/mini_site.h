/* The configuration files of `hdfs mini`: ordered pairs, read from and written to Hadoop's XML. One
 * thread. */
#ifndef CLIENT_SHELL_MINI_SITE_H
#define CLIENT_SHELL_MINI_SITE_H

#include "common/base.h"
#include "common/err.h"

/* Zeroed is empty. Owns its strings. */
struct site {
    char **keys, **values;
    size_t count, capacity;
};

void site_release(struct site *site);
const char *site_get(const struct site *site, const char *key); /* NULL when absent */
void site_set(struct site *site, const char *key, const char *value);
void site_setf(struct site *site, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
void site_default(struct site *site, const char *key,
                  const char *value);                     /* only where there is none */
void site_copy(struct site *to, const struct site *from); /* adds all */

/* A missing file leaves the site as it is. ERR_CONFIG. */
int site_load(struct site *site, const char *path, struct err *err) MUST_CHECK;
int site_save(const struct site *site, const char *path, struct err *err) MUST_CHECK;

#endif
