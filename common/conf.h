/*
 * Hadoop's configuration: core-site.xml and hdfs-site.xml over the defaults of conf.def.
 *
 * conf.def has one line per key that this project reads; CONF_dfs_replication etc. are its ids
 * (every dot and dash of the key is an underscore). Keys outside the table are kept as well and
 * found by name. Deprecated names (fs.default.name) are the same as their successors everywhere.
 * Values are trimmed, and ${other.key}, ${env.NAME} and ${user.name} are substituted as Hadoop's
 * Configuration does.
 *
 * Thread rules: loading and setting belong to one thread; afterwards any number of threads may
 * read. Strings that getters return belong to the conf and stay valid until it is loaded, set or
 * freed.
 *
 * Values of table keys are checked when they are loaded or set, so the typed getters cannot fail.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/base.h"
#include "common/err.h"

enum conf_id {
#define CONF(id, key, type, default_, unit, text) CONF_##id,
#include "common/conf.def"
#undef CONF
    CONF_COUNT
};

enum conf_type {
    CONF_TYPE_string,
    CONF_TYPE_int,      /* decimal or 0x hexadecimal, 64 bits */
    CONF_TYPE_bool,     /* true or false */
    CONF_TYPE_size,     /* bytes, with k m g t p e as powers of 1024 (Configuration.getLongBytes) */
    CONF_TYPE_duration, /* ns us ms s m h d; a bare number counts in the key's unit
                           (Configuration.getTimeDuration) */
    CONF_TYPE_list,     /* comma-separated, trimmed, empty ones dropped */
    CONF_TYPE_float,    /* a trailing f or d as in Java is fine */
};

/* One line of conf.def. */
struct conf_key {
    const char *name;
    enum conf_type type;
    const char *default_value; /* "": unset */
    const char *unit;          /* of a bare number: "ms", "s", "m", "h", "B", or "" */
    const char *text;          /* one sentence for people */
};

const struct conf_key *conf_key(enum conf_id id);

struct conf;

struct conf *conf_new(void); /* the defaults */
struct conf *conf_copy(const struct conf *conf);
void conf_free(struct conf *conf); /* NULL is fine */

/* Reads core-site.xml and hdfs-site.xml of `dir`, in that order; a missing file is fine, a missing
 * folder is not. ERR_CONFIG names file, key and value. After an error the conf holds what was read
 * so far. */
int conf_load_dir(struct conf *conf, const char *dir, struct err *err) MUST_CHECK;
/* Reads one file, which must exist. Values marked <final> by an earlier file stay, with a warning.
 */
int conf_load_file(struct conf *conf, const char *path, struct err *err) MUST_CHECK;
/* The same for text in memory; `source` names it in errors. */
int conf_load_text(struct conf *conf, const char *source, const char *text, size_t length,
                   struct err *err) MUST_CHECK;
/* Loads the folder of $HADOOP_CONF_DIR, else $HADOOP_HOME/etc/hadoop, else /etc/hadoop/conf; the
 * latter two only where they exist. */
int conf_load_env(struct conf *conf, struct err *err) MUST_CHECK;
/* Where conf_load_env() or the last conf_load_dir() read from; NULL when nowhere. */
const char *conf_dir(const struct conf *conf);

/* What conf_load_dir() of the same folder finds now, overruled as `conf` was by conf_set(); *fresh is
 * the caller's, and NULL after an error. */
int conf_reload(const struct conf *conf, struct conf **fresh, struct err *err) MUST_CHECK;

/* Overrules files, <final> or not, as -D on a command line does. The old value stays when the new
 * one is bad. */
int conf_set(struct conf *conf, const char *key, const char *value, struct err *err) MUST_CHECK;
void conf_unset(struct conf *conf, const char *key); /* back to the default */

/* By id. The type must be the table's (asserted). */
const char *conf_str(const struct conf *conf,
                     enum conf_id id); /* never NULL; "" when unset. Works for every type */
int64_t conf_int(const struct conf *conf, enum conf_id id); /* int and size; 0 when unset */
bool conf_bool(const struct conf *conf, enum conf_id id);
int64_t conf_size(const struct conf *conf, enum conf_id id); /* bytes; the same as conf_int */
int64_t conf_ms(const struct conf *conf,
                enum conf_id id); /* a duration in milliseconds, whatever its unit */
double conf_float(const struct conf *conf, enum conf_id id);
char **conf_list(const struct conf *conf, enum conf_id id); /* NULL-terminated; conf_list_free() */
void conf_list_free(char **list);                           /* NULL is fine */
bool conf_is_set(const struct conf *conf,
                 enum conf_id id); /* by a file or conf_set(), not by default */

/* By name: keys outside the table too. NULL when there is neither value nor default. */
const char *conf_get(const struct conf *conf, const char *key);
int conf_get_int(const struct conf *conf, const char *key, int64_t fallback, int64_t *value,
                 struct err *err) MUST_CHECK;
bool conf_get_bool(const struct conf *conf, const char *key, bool fallback);
/* Where a value comes from: a file's path, "set", "default", or NULL. */
const char *conf_source(const struct conf *conf, const char *key);
/* Each key with a value, in no order. `value` is substituted. */
void conf_each(const struct conf *conf,
               void (*fn)(const char *key, const char *value, const char *source, void *arg),
               void *arg);

/* The parsers, for values from elsewhere (shell arguments). ERR_CONFIG. */
int conf_parse_size(const char *text, int64_t *bytes, struct err *err) MUST_CHECK;
int conf_parse_duration(const char *text, const char *bare_unit, int64_t *ms,
                        struct err *err) MUST_CHECK;

#endif
