/*
 * An entry per key, found by id (table keys) and by name (all). An entry has its raw text and the
 * text with variables substituted, which is computed anew whenever anything changes, so that
 * readers need no lock.
 */
#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "common/buf.h"
#include "common/conf_xml.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parse.h"

enum { SUBSTITUTIONS_MAX = 20, FILE_MAX = 16 << 20, VALUE_MAX = 1 << 20 };

static const struct conf_key keys[CONF_COUNT] = {
#define CONF(id, key, type, default_, unit, text) {key, CONF_TYPE_##type, default_, unit, text},
#include "common/conf.def"
#undef CONF
};

/* Configuration.defaultDeprecations and HdfsConfiguration.addDeprecatedKeys. */
static const struct {
    const char *old, *name;
} deprecated[] = {
    {"dfs.access.time.precision", "dfs.namenode.accesstime.precision"},
    {"dfs.backup.address", "dfs.namenode.backup.address"},
    {"dfs.backup.http.address", "dfs.namenode.backup.http-address"},
    {"dfs.balance.bandwidthPerSec", "dfs.datanode.balance.bandwidthPerSec"},
    {"dfs.block.size", "dfs.blocksize"},
    {"dfs.data.dir", "dfs.datanode.data.dir"},
    {"dfs.datanode.max.xcievers", "dfs.datanode.max.transfer.threads"},
    {"dfs.df.interval", "fs.df.interval"},
    {"dfs.encryption.key.provider.uri", "hadoop.security.key.provider.path"},
    {"dfs.federation.nameservice.id", "dfs.nameservice.id"},
    {"dfs.federation.nameservices", "dfs.nameservices"},
    {"dfs.http.address", "dfs.namenode.http-address"},
    {"dfs.https.address", "dfs.namenode.https-address"},
    {"dfs.https.client.keystore.resource", "dfs.client.https.keystore.resource"},
    {"dfs.https.need.client.auth", "dfs.client.https.need-auth"},
    {"dfs.max-repl-streams", "dfs.namenode.replication.max-streams"},
    {"dfs.max.objects", "dfs.namenode.max.objects"},
    {"dfs.name.dir", "dfs.namenode.name.dir"},
    {"dfs.name.dir.restore", "dfs.namenode.name.dir.restore"},
    {"dfs.name.edits.dir", "dfs.namenode.edits.dir"},
    {"dfs.namenode.replication.considerLoad", "dfs.namenode.redundancy.considerLoad"},
    {"dfs.namenode.replication.considerLoad.factor", "dfs.namenode.redundancy.considerLoad.factor"},
    {"dfs.namenode.replication.interval", "dfs.namenode.redundancy.interval.seconds"},
    {"dfs.namenode.replication.pending.timeout-sec",
     "dfs.namenode.reconstruction.pending.timeout-sec"},
    {"dfs.nfs.exports.allowed.hosts", "nfs.exports.allowed.hosts"},
    {"dfs.permissions", "dfs.permissions.enabled"},
    {"dfs.permissions.supergroup", "dfs.permissions.superusergroup"},
    {"dfs.read.prefetch.size", "dfs.client.read.prefetch.size"},
    {"dfs.replication.considerLoad", "dfs.namenode.redundancy.considerLoad"},
    {"dfs.replication.interval", "dfs.namenode.redundancy.interval.seconds"},
    {"dfs.replication.min", "dfs.namenode.replication.min"},
    {"dfs.replication.pending.timeout.sec", "dfs.namenode.reconstruction.pending.timeout-sec"},
    {"dfs.safemode.extension", "dfs.namenode.safemode.extension"},
    {"dfs.safemode.threshold.pct", "dfs.namenode.safemode.threshold-pct"},
    {"dfs.secondary.http.address", "dfs.namenode.secondary.http-address"},
    {"dfs.socket.timeout", "dfs.client.socket-timeout"},
    {"dfs.umaskmode", "fs.permissions.umask-mode"},
    {"dfs.write.packet.size", "dfs.client-write-packet-size"},
    {"fs.checkpoint.dir", "dfs.namenode.checkpoint.dir"},
    {"fs.checkpoint.edits.dir", "dfs.namenode.checkpoint.edits.dir"},
    {"fs.checkpoint.period", "dfs.namenode.checkpoint.period"},
    {"fs.default.name", "fs.defaultFS"},
    {"hadoop.configured.node.mapping", "net.topology.configured.node.mapping"},
    {"heartbeat.recheck.interval", "dfs.namenode.heartbeat.recheck-interval"},
    {"io.bytes.per.checksum", "dfs.bytes-per-checksum"},
    {"session.id", "dfs.metrics.session-id"},
    {"slave.host.name", "dfs.datanode.hostname"},
    {"topology.node.switch.mapping.impl", "net.topology.node.switch.mapping.impl"},
    {"topology.script.file.name", "net.topology.script.file.name"},
    {"topology.script.number.args", "net.topology.script.number.args"},
};

struct entry {
    UT_hash_handle hh;
    char *name;
    const struct conf_key *key; /* NULL outside the table */
    char *raw;                  /* what a file or conf_set() said; NULL: nothing */
    char *source;
    bool final;
    char *value; /* substituted; NULL: neither value nor default */
};

struct conf {
    struct entry *by_name;
    struct entry *by_id[CONF_COUNT];
    char *dir;
};

const struct conf_key *conf_key(enum conf_id id)
{
    assert(id < CONF_COUNT);
    return &keys[id];
}

static const char *current_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(deprecated); i++)
        if (str_eq(deprecated[i].old, name)) {
            log_debug("%s is deprecated. Instead, use %s", name, deprecated[i].name);
            return deprecated[i].name;
        }
    return name;
}

static struct entry *entry_find(const struct conf *conf, const char *name)
{
    struct entry *entry;

    name = current_name(name);
    HASH_FIND_STR(conf->by_name, name, entry);
    return entry;
}

static struct entry *entry_add(struct conf *conf, const char *name, const struct conf_key *key)
{
    struct entry *entry = NEW(struct entry);

    entry->name = mem_strdup(name);
    entry->key = key;
    HASH_ADD_KEYPTR(hh, conf->by_name, entry->name, strlen(entry->name), entry);
    return entry;
}

static struct entry *entry_get(struct conf *conf, const char *name)
{
    struct entry *entry = entry_find(conf, name);
    return entry ? entry : entry_add(conf, current_name(name), NULL);
}

static const char *entry_raw(const struct entry *entry)
{
    if (entry->raw) return entry->raw;
    return entry->key && entry->key->default_value[0] ? entry->key->default_value : NULL;
}

static const char *entry_source(const struct entry *entry)
{
    return entry->raw ? entry->source : entry->key ? "default" : NULL;
}

static void entry_free(struct entry *entry)
{
    mem_free(entry->name);
    mem_free(entry->raw);
    mem_free(entry->source);
    mem_free(entry->value);
    mem_free(entry);
}

/* --- substitution --- */

/* The Java system properties that site files use, by their values here; into `text`, false for
 * others. */
static bool system_property(const char *name, struct buf *text)
{
    struct passwd pw, *found = NULL;
    char space[4096];

    if (str_eq(name, "java.io.tmpdir")) {
        buf_put_str(text, "/tmp");
        return true;
    }
    if (!str_eq(name, "user.name") && !str_eq(name, "user.home")) return false;
    getpwuid_r(getuid(), &pw, space, sizeof space, &found);
    if (str_eq(name, "user.name") && found)
        buf_put_str(text, found->pw_name);
    else if (str_eq(name, "user.name"))
        buf_printf(text, "%u", (unsigned)getuid());
    else
        buf_put_str(text, found ? found->pw_dir : "/");
    return true;
}

/* ${env.NAME}, ${env.NAME-word} (unset) and ${env.NAME:-word} (unset or empty). */
static bool environment(const char *expression, struct buf *text)
{
    const char *dash = strchr(expression, '-');
    bool or_empty = dash && dash > expression && dash[-1] == ':';
    size_t length = dash ? (size_t)(dash - expression) - or_empty : strlen(expression);
    char *name = mem_strndup(expression, length);
    const char *value = getenv(name);

    mem_free(name);
    if (dash && (!value || (or_empty && !value[0]))) value = dash + 1;
    if (!value) return false;
    buf_put_str(text, value);
    return true;
}

static bool variable(const struct conf *conf, const char *name, struct buf *text)
{
    struct entry *entry;

    if (str_starts(name, "env.") && name[4] && environment(name + 4, text)) return true;
    if (system_property(name, text)) return true;
    entry = entry_find(conf, name);
    if (!entry || !entry_raw(entry)) return false;
    buf_put_str(text, entry_raw(entry));
    return true;
}

/* Finds the first ${name} whose name has no '$', '}' or blank; so the innermost of nested ones goes
 * first. */
static bool find_variable(const char *text, size_t *start, size_t *end)
{
    for (const char *at = text; (at = strstr(at, "${")) != NULL; at += 2) {
        size_t length = strcspn(at + 2, "}$ ");
        if (!length || at[2 + length] != '}') continue;
        *start = (size_t)(at - text);
        *end = *start + 2 + length + 1;
        return true;
    }
    return false;
}

/* As Configuration.substituteVars: an unknown variable stays as it is written, and so does a value
 * that contains itself. */
static int substitute(const struct conf *conf, const struct entry *entry, char **result,
                      struct err *err)
{
    char *text = mem_strdup(entry_raw(entry));
    size_t start, end;
    int rc = 0;

    for (int i = 0; find_variable(text, &start, &end); i++) {
        struct buf value = {0}, next = {0};
        char *reference = mem_strndup(text + start, end - start);
        char *name = mem_strndup(text + start + 2, end - start - 3);
        bool known = variable(conf, name, &value);
        bool loops = known && strstr(buf_cstr(&value), reference);
        bool too_deep = known && !loops && (i == SUBSTITUTIONS_MAX || value.length > VALUE_MAX);

        if (known && !loops && !too_deep) {
            buf_put(&next, text, start);
            buf_put(&next, value.data, value.length);
            buf_put_str(&next, text + end);
            mem_free(text);
            text = mem_strdup(buf_cstr(&next));
        } else if (loops) {
            mem_free(text);
            text = mem_strdup(entry_raw(entry));
        } else if (too_deep) {
            rc = err_set(err, ERR_CONFIG,
                         "%s: %s = '%s': Variable substitution depth too large: %d %s",
                         entry_source(entry), entry->name, entry_raw(entry), SUBSTITUTIONS_MAX,
                         entry_raw(entry));
        }
        buf_release(&value);
        buf_release(&next);
        mem_free(reference);
        mem_free(name);
        if (!known || loops || too_deep) break;
    }
    if (rc) {
        mem_free(text);
        return rc;
    }
    *result = text;
    return 0;
}

/* --- values --- */

/* Any typed value as a number; a bool is 0 or 1. */
static int parse_number(const struct conf_key *key, const char *text, int64_t *value, double *real,
                        struct err *err)
{
    switch (key->type) {
    case CONF_TYPE_size: return conf_parse_size(text, value, err);
    case CONF_TYPE_duration: return conf_parse_duration(text, key->unit, value, err);
    case CONF_TYPE_int:
        if (str_starts(text, "0x") || str_starts(text, "0X")) {
            if (parse_u64_hex(text + 2, (uint64_t *)value)) return 0;
        } else if (parse_i64(text, INT64_MIN, INT64_MAX, value)) {
            return 0;
        }
        return err_set(err, ERR_CONFIG, "'%s' is no whole number", text);
    case CONF_TYPE_bool:
        *value = strcasecmp(text, "true") == 0;
        if (*value || strcasecmp(text, "false") == 0) return 0;
        return err_set(err, ERR_CONFIG, "'%s' is neither true nor false", text);
    case CONF_TYPE_float:
        if (parse_double(text, real)) return 0;
        return err_set(err, ERR_CONFIG, "'%s' is no number", text);
    case CONF_TYPE_string:
    case CONF_TYPE_list: break;
    }
    return 0;
}

static int entry_check(const struct entry *entry, struct err *err)
{
    int64_t value;
    double real;

    if (!entry->key || !entry->raw || str_empty(entry->value)) return 0;
    int rc = parse_number(entry->key, entry->value, &value, &real, err);
    return rc ? err_wrap(err, rc, "%s: %s = '%s'", entry->source, entry->name, entry->raw) : 0;
}

/* Computes the value of every entry that has one; the first error is told, after all entries were
 * done. */
static int resolve(struct conf *conf, struct err *err)
{
    struct entry *entry = NULL, *next = NULL;
    int rc = 0;

    HASH_ITER (hh, conf->by_name, entry, next) {
        char *value = NULL;
        int failed = entry_raw(entry) ? substitute(conf, entry, &value, rc ? NULL : err) : 0;
        if (entry->value && value && str_eq(entry->value, value)) {
            mem_free(value);
        } else {
            mem_free(entry->value);
            entry->value = value;
        }
        if (!failed) failed = entry_check(entry, rc ? NULL : err);
        if (!rc) rc = failed;
    }
    return rc;
}

struct conf *conf_new(void)
{
    struct conf *conf = NEW(struct conf);

    for (int i = 0; i < CONF_COUNT; i++) conf->by_id[i] = entry_add(conf, keys[i].name, &keys[i]);
    int rc = resolve(conf, NULL);
    assert(rc == 0);
    return conf;
}

struct conf *conf_copy(const struct conf *conf)
{
    struct conf *copy = conf_new();
    struct entry *entry = NULL, *next = NULL;

    HASH_ITER (hh, conf->by_name, entry, next) {
        if (!entry->raw) continue;
        struct entry *own = entry_get(copy, entry->name);
        own->raw = mem_strdup(entry->raw);
        own->source = mem_strdup(entry->source);
        own->final = entry->final;
    }
    if (conf->dir) copy->dir = mem_strdup(conf->dir);
    int rc = resolve(copy, NULL);
    (void)rc; /* whoever set the original was told */
    return copy;
}

void conf_free(struct conf *conf)
{
    struct entry *entry = NULL, *next = NULL;

    if (!conf) return;
    HASH_ITER (hh, conf->by_name, entry, next) {
        HASH_DEL(conf->by_name, entry);
        entry_free(entry);
    }
    mem_free(conf->dir);
    mem_free(conf);
}

static void entry_put(struct entry *entry, const char *value, const char *source, bool final)
{
    mem_free(entry->raw);
    mem_free(entry->source);
    entry->raw = value ? mem_strdup(value) : NULL;
    entry->source = value ? mem_strdup(source) : NULL;
    entry->final = final;
}

/* --- files --- */

struct load {
    struct conf *conf;
    const char *source;
};

static int on_property(const struct conf_property *property, void *arg, struct err *err)
{
    struct load *load = arg;
    struct entry *entry = entry_get(load->conf, property->name);

    if (strlen(property->value) > VALUE_MAX)
        return err_set(err, ERR_CONFIG, "%s, line %lu: the value of %s is too long", load->source,
                       property->line, property->name);
    if (entry->final && !str_eq(entry->source, load->source)) {
        if (!str_eq(entry->raw, property->value))
            log_warn("%s:an attempt to override final parameter: %s;  Ignoring.", load->source,
                     property->name);
        return 0;
    }
    entry_put(entry, property->value, load->source, property->final || entry->final);
    return 0;
}

int conf_load_text(struct conf *conf, const char *source, const char *text, size_t length,
                   struct err *err)
{
    struct load load = {.conf = conf, .source = source};
    int rc = conf_xml_parse(source, text, length, on_property, &load, err);
    int rc_values = resolve(conf, rc ? NULL : err);

    return rc ? rc : rc_values;
}

static int read_file(const char *path, struct buf *text, struct err *err)
{
    FILE *file = fopen(path, "re");
    int rc = 0;

    if (!file) return err_set_errno(err, errno, "open the configuration file %s", path);
    while (!rc && !feof(file)) {
        uint8_t *space = buf_extend(text, 64 << 10);
        size_t got = fread(space, 1, 64 << 10, file);
        text->length -= (64 << 10) - got;
        if (ferror(file)) rc = err_set_errno(err, errno, "read the configuration file %s", path);
        if (text->length > FILE_MAX)
            rc = err_set(err, ERR_CONFIG, "%s: too long for a configuration file", path);
    }
    fclose(file);
    return rc;
}

int conf_load_file(struct conf *conf, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = read_file(path, &text, err);

    if (!rc) rc = conf_load_text(conf, path, buf_cstr(&text), text.length, err);
    buf_release(&text);
    return rc;
}

int conf_load_dir(struct conf *conf, const char *dir, struct err *err)
{
    static const char *const names[] = {"core-site.xml", "hdfs-site.xml"};
    struct stat st;
    int rc = 0;

    if (stat(dir, &st)) return err_set_errno(err, errno, "the configuration folder %s", dir);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFIG, "the configuration folder %s is no folder", dir);
    mem_free(conf->dir);
    conf->dir = mem_strdup(dir);
    for (size_t i = 0; !rc && i < ARRAY_LEN(names); i++) {
        char *path = mem_printf("%s/%s", dir, names[i]);
        if (access(path, F_OK) == 0) rc = conf_load_file(conf, path, err);
        mem_free(path);
    }
    return rc;
}

int conf_load_env(struct conf *conf, struct err *err)
{
    const char *dir = getenv("HADOOP_CONF_DIR");
    const char *home = getenv("HADOOP_HOME");

    if (!str_empty(dir)) {
        int rc = conf_load_dir(conf, dir, err);
        return rc ? err_wrap(err, rc, "HADOOP_CONF_DIR") : 0;
    }
    if (!str_empty(home)) {
        char *below = mem_printf("%s/etc/hadoop", home);
        int rc = access(below, F_OK) ? 1 : conf_load_dir(conf, below, err);
        mem_free(below);
        if (rc <= 0) return rc;
    }
    return access("/etc/hadoop/conf", F_OK) ? 0 : conf_load_dir(conf, "/etc/hadoop/conf", err);
}

const char *conf_dir(const struct conf *conf)
{
    return conf->dir;
}

/* --- setting --- */

static char *trimmed(const char *text)
{
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1])) length--;
    return mem_strndup(text, length);
}

int conf_set(struct conf *conf, const char *key, const char *value, struct err *err)
{
    struct entry *entry;
    int rc;

    if (str_empty(key)) return err_set(err, ERR_CONFIG, "a configuration key is empty");
    if (strlen(value) > VALUE_MAX)
        return err_set(err, ERR_CONFIG, "the value of %s is too long", key);
    entry = entry_get(conf, key);
    char *old_raw = entry->raw, *old_source = entry->source;
    bool old_final = entry->final;
    entry->raw = trimmed(value);
    entry->source = mem_strdup("set");
    entry->final = false;
    rc = resolve(conf, err);
    if (rc) {
        mem_free(entry->raw);
        mem_free(entry->source);
        entry->raw = old_raw;
        entry->source = old_source;
        entry->final = old_final;
        int again = resolve(conf, NULL);
        (void)again; /* as it was before the call */
        return rc;
    }
    mem_free(old_raw);
    mem_free(old_source);
    return 0;
}

void conf_unset(struct conf *conf, const char *key)
{
    struct entry *entry = entry_find(conf, key);

    if (!entry) return;
    entry_put(entry, NULL, NULL, false);
    int rc = resolve(conf, NULL);
    (void)rc; /* a value that relied on this one falls back to its default */
}

int conf_reload(const struct conf *conf, struct conf **fresh, struct err *err)
{
    struct entry *entry = NULL, *next = NULL;
    int rc = 0;

    *fresh = conf_new();
    if (conf->dir) rc = conf_load_dir(*fresh, conf->dir, err);
    HASH_ITER (hh, conf->by_name, entry, next) {
        if (!rc && entry->raw && str_eq(entry->source, "set"))
            rc = conf_set(*fresh, entry->name, entry->raw, err);
    }
    if (!rc) return 0;
    conf_free(*fresh);
    *fresh = NULL;
    return rc;
}

/* --- reading --- */

const char *conf_str(const struct conf *conf, enum conf_id id)
{
    assert(id < CONF_COUNT);
    const char *value = conf->by_id[id]->value;
    return value ? value : "";
}

bool conf_is_set(const struct conf *conf, enum conf_id id)
{
    assert(id < CONF_COUNT);
    return conf->by_id[id]->raw != NULL;
}

/* The value of a number key, or its default where the value is empty or bad (which loading has
 * reported). */
static int64_t number_of(const struct conf *conf, enum conf_id id, double *real)
{
    const struct conf_key *key = conf_key(id);
    const char *text = conf_str(conf, id);
    int64_t value = 0;

    if (text[0] && parse_number(key, text, &value, real, NULL) == 0) return value;
    if (!key->default_value[0] || parse_number(key, key->default_value, &value, real, NULL))
        return 0;
    return value;
}

int64_t conf_int(const struct conf *conf, enum conf_id id)
{
    assert(conf_key(id)->type == CONF_TYPE_int || conf_key(id)->type == CONF_TYPE_size);
    return number_of(conf, id, &(double){0});
}

int64_t conf_size(const struct conf *conf, enum conf_id id)
{
    return conf_int(conf, id);
}

bool conf_bool(const struct conf *conf, enum conf_id id)
{
    assert(conf_key(id)->type == CONF_TYPE_bool);
    return number_of(conf, id, &(double){0}) != 0;
}

int64_t conf_ms(const struct conf *conf, enum conf_id id)
{
    assert(conf_key(id)->type == CONF_TYPE_duration);
    return number_of(conf, id, &(double){0});
}

double conf_float(const struct conf *conf, enum conf_id id)
{
    double real = 0;

    assert(conf_key(id)->type == CONF_TYPE_float);
    number_of(conf, id, &real);
    return real;
}

char **conf_list(const struct conf *conf, enum conf_id id)
{
    char *copy = mem_strdup(conf_str(conf, id)), *rest = copy, *word;
    char **list = NEW_ARRAY(char *, 1);
    size_t count = 0, capacity = 1;

    while ((word = strsep(&rest, ",")) != NULL) {
        char *item = trimmed(word);
        if (!item[0]) {
            mem_free(item);
            continue;
        }
        GROW(list, capacity, count + 2);
        list[count++] = item;
    }
    list[count] = NULL;
    mem_free(copy);
    return list;
}

void conf_list_free(char **list)
{
    if (!list) return;
    for (char **item = list; *item; item++) mem_free(*item);
    mem_free(list);
}

const char *conf_get(const struct conf *conf, const char *key)
{
    struct entry *entry = entry_find(conf, key);
    return entry ? entry->value : NULL;
}

int conf_get_int(const struct conf *conf, const char *key, int64_t fallback, int64_t *value,
                 struct err *err)
{
    const char *text = conf_get(conf, key);

    if (str_empty(text)) {
        *value = fallback;
        return 0;
    }
    if (parse_i64(text, INT64_MIN, INT64_MAX, value)) return 0;
    return err_set(err, ERR_CONFIG, "%s: %s = '%s': no whole number", conf_source(conf, key), key,
                   text);
}

bool conf_get_bool(const struct conf *conf, const char *key, bool fallback)
{
    const char *text = conf_get(conf, key);

    if (str_empty(text)) return fallback;
    if (strcasecmp(text, "true") == 0) return true;
    return strcasecmp(text, "false") == 0 ? false : fallback;
}

const char *conf_source(const struct conf *conf, const char *key)
{
    struct entry *entry = entry_find(conf, key);
    return entry && entry->value ? entry_source(entry) : NULL;
}

void conf_each(const struct conf *conf,
               void (*fn)(const char *key, const char *value, const char *source, void *arg),
               void *arg)
{
    struct entry *entry = NULL, *next = NULL;

    HASH_ITER (hh, conf->by_name, entry, next) {
        if (entry->value) fn(entry->name, entry->value, entry_source(entry), arg);
    }
}
