/* libhdfs: errors, configuration, connecting. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/libhdfs_state.h"
#include "common/conf.h"
#include "common/parse.h"

/* ---- errors ---- */

static __thread struct err last_error;
static __thread char root_cause[ERR_TEXT_MAX + ERR_CLASS_MAX];
static __thread char stack_trace[ERR_TEXT_MAX + ERR_CLASS_MAX];

struct err *libhdfs_err(void)
{
    err_clear(&last_error);
    return &last_error;
}

int libhdfs_fail(void)
{
    errno = err_errno(last_error.code);
    return -1;
}

int libhdfs_refuse(int errno_value, const char *format, ...)
{
    va_list args;

    err_clear(&last_error);
    last_error.code = err_from_errno(errno_value);
    va_start(args, format);
    vsnprintf(last_error.text, sizeof last_error.text, format, args);
    va_end(args);
    errno = errno_value;
    return -1;
}

const char *hdfs_last_error(void)
{
    static __thread char line[ERR_TEXT_MAX];

    return fs_error_line(&last_error, line, sizeof line);
}

char *hdfsGetLastExceptionRootCause(void)
{
    const char *class = fs_error_class(&last_error), *dot = strrchr(class, '.');

    if (!last_error.code) return NULL;
    snprintf(root_cause, sizeof root_cause, "%s: %s", dot ? dot + 1 : class, hdfs_last_error());
    return root_cause;
}

char *hdfsGetLastExceptionStackTrace(void)
{
    if (!last_error.code) return NULL;
    snprintf(stack_trace, sizeof stack_trace, "%s: %s\n", fs_error_class(&last_error),
             last_error.text);
    return stack_trace;
}

/* ---- builder ---- */

struct setting {
    struct setting *next;
    const char *key, *value; /* the caller's */
};

struct hdfsBuilder {
    const char *nn; /* the caller's, like the strings below */
    const char *user;
    const char *ticket_cache;
    tPort port;
    struct setting *settings;
};

struct hdfsBuilder *hdfsNewBuilder(void)
{
    return NEW(struct hdfsBuilder);
}
void hdfsBuilderSetForceNewInstance(struct hdfsBuilder *bld UNUSED) {}
void hdfsBuilderSetNameNode(struct hdfsBuilder *bld, const char *nn)
{
    bld->nn = nn;
}
void hdfsBuilderSetNameNodePort(struct hdfsBuilder *bld, tPort port)
{
    bld->port = port;
}
void hdfsBuilderSetUserName(struct hdfsBuilder *bld, const char *userName)
{
    bld->user = userName;
}

void hdfsBuilderSetKerbTicketCachePath(struct hdfsBuilder *bld, const char *kerbTicketCachePath)
{
    bld->ticket_cache = kerbTicketCachePath;
}

int hdfsBuilderConfSetStr(struct hdfsBuilder *bld, const char *key, const char *val)
{
    struct setting **end = &bld->settings;

    if (str_empty(key)) return libhdfs_refuse(EINVAL, "a setting without a key"), EINVAL;
    while (*end) end = &(*end)->next;
    *end = NEW(struct setting);
    (*end)->key = key;
    (*end)->value = val;
    return 0;
}

void hdfsFreeBuilder(struct hdfsBuilder *bld)
{
    if (!bld) return;
    for (struct setting *at = bld->settings, *next; at; at = next) {
        next = at->next;
        mem_free(at);
    }
    mem_free(bld);
}

/* ---- connecting ---- */

static struct conf *load_conf(const struct hdfsBuilder *bld, struct err *err)
{
    struct conf *conf = conf_new();
    int rc = conf_load_env(conf, err);

    for (const struct setting *at = bld ? bld->settings : NULL; at && !rc; at = at->next) {
        if (at->value)
            rc = conf_set(conf, at->key, at->value, err);
        else
            conf_unset(conf, at->key);
    }
    if (!rc) return conf;
    conf_free(conf);
    return NULL;
}

/* hdfs://…, or NULL for the default file system; mem_free() frees. False when it is refused. */
static bool make_uri(const struct hdfsBuilder *bld, char **uri)
{
    const char *nn = bld->nn;
    char port[16] = "";

    *uri = NULL;
    if (!nn || str_starts(nn, "file:")) {
        libhdfs_refuse(ENOTSUP, "this library serves no local file systems");
        return false;
    }
    if (str_eq(nn, "default")) return true;
    if (bld->port) {
        const char *host = str_starts(nn, "hdfs://") ? nn + strlen("hdfs://") : nn;
        const char *bracket = strrchr(host, ']');
        if (strchr(bracket ? bracket : host, ':')) {
            libhdfs_refuse(EINVAL, "port %u was given, but %s has one already", bld->port, nn);
            return false;
        }
        snprintf(port, sizeof port, ":%u", bld->port);
    }
    *uri = mem_printf("%s%s%s", strstr(nn, "://") ? "" : "hdfs://", nn, port);
    return true;
}

static hdfsFS connect_fs(const struct hdfsBuilder *bld)
{
    struct err *err = libhdfs_err();
    struct fs *fs;
    char *uri;

    if (!str_empty(bld->ticket_cache)) {
        libhdfs_refuse(ENOTSUP, "Kerberos is not supported");
        return NULL;
    }
    struct conf *conf = load_conf(bld, err);
    if (!conf) {
        libhdfs_fail();
        return NULL;
    }
    if (!make_uri(bld, &uri)) {
        conf_free(conf);
        return NULL;
    }
    int rc = fs_connect(conf, uri, bld->user, &fs, err);
    conf_free(conf);
    mem_free(uri);
    if (rc) {
        libhdfs_fail();
        return NULL;
    }
    hdfsFS handle = NEW(struct hdfs_internal);
    handle->fs = fs;
    pthread_mutex_init(&handle->lock, NULL);
    handle->working_directory = mem_strdup(fs_home(fs));
    return handle;
}

hdfsFS hdfsBuilderConnect(struct hdfsBuilder *bld)
{
    if (!bld) {
        libhdfs_refuse(EINVAL, "no builder");
        return NULL;
    }
    hdfsFS fs = connect_fs(bld);
    int saved = errno;
    hdfsFreeBuilder(bld);
    errno = saved;
    return fs;
}

hdfsFS hdfsConnectAsUser(const char *nn, tPort port, const char *user)
{
    return connect_fs(&(struct hdfsBuilder){.nn = nn, .port = port, .user = user});
}

hdfsFS hdfsConnect(const char *nn, tPort port)
{
    return hdfsConnectAsUser(nn, port, NULL);
}
hdfsFS hdfsConnectNewInstance(const char *nn, tPort port)
{
    return hdfsConnectAsUser(nn, port, NULL);
}

hdfsFS hdfsConnectAsUserNewInstance(const char *nn, tPort port, const char *user)
{
    return hdfsConnectAsUser(nn, port, user);
}

int hdfsDisconnect(hdfsFS fs)
{
    if (!fs) return libhdfs_refuse(EBADF, "no file system");
    fs_close(fs->fs);
    pthread_mutex_destroy(&fs->lock);
    mem_free(fs->working_directory);
    mem_free(fs);
    return 0;
}

/* ---- configuration ---- */

int hdfsConfGetStr(const char *key, char **val)
{
    struct conf *conf = load_conf(NULL, libhdfs_err());

    if (!conf) return libhdfs_fail(), errno;
    const char *value = conf_get(conf, key);
    *val = value ? strdup(value) : NULL;
    conf_free(conf);
    return 0;
}

int hdfsConfGetInt(const char *key, int32_t *val)
{
    struct err *err = libhdfs_err();
    struct conf *conf = load_conf(NULL, err);
    int64_t value;
    int rc = 0;

    if (!conf) return libhdfs_fail(), errno;
    bool known = !str_empty(conf_get(conf, key));
    if (known) rc = conf_get_int(conf, key, 0, &value, err);
    conf_free(conf);
    if (rc) return libhdfs_fail(), errno;
    if (!known) return 0;
    if (value < INT32_MIN || value > INT32_MAX)
        return libhdfs_refuse(EINVAL, "%s does not fit into 32 bits", key), EINVAL;
    *val = (int32_t)value;
    return 0;
}

void hdfsConfStrFree(char *val)
{
    free(val);
}

/* ---- paths ---- */

char *libhdfs_path(hdfsFS fs, const char *path)
{
    struct err *err = libhdfs_err();
    char *absolute, *joined = NULL;

    if (!fs || !path) {
        libhdfs_refuse(EINVAL, fs ? "no path" : "no file system");
        return NULL;
    }
    size_t scheme = strcspn(path, ":/");
    if (*path && *path != '/' && path[scheme] != ':') {
        pthread_mutex_lock(&fs->lock);
        joined = mem_printf("%s/%s", fs->working_directory, path);
        pthread_mutex_unlock(&fs->lock);
    }
    int rc = fs_resolve_path(fs->fs, joined ? joined : path, &absolute, err);
    mem_free(joined);
    if (!rc) return absolute;
    libhdfs_fail();
    return NULL;
}

char *hdfsGetWorkingDirectory(hdfsFS fs, char *buffer, size_t bufferSize)
{
    if (!fs || !buffer) {
        libhdfs_refuse(EINVAL, "no file system or no buffer");
        return NULL;
    }
    pthread_mutex_lock(&fs->lock);
    int n = snprintf(buffer, bufferSize, "%s%s", fs_uri(fs->fs), fs->working_directory);
    pthread_mutex_unlock(&fs->lock);
    if (n >= 0 && (size_t)n < bufferSize) return buffer;
    libhdfs_refuse(ENAMETOOLONG, "the working directory needs %d bytes", n + 1);
    return NULL;
}

int hdfsSetWorkingDirectory(hdfsFS fs, const char *path)
{
    char *absolute = libhdfs_path(fs, path);

    if (!absolute) return -1;
    pthread_mutex_lock(&fs->lock);
    char *old = fs->working_directory;
    fs->working_directory = absolute;
    pthread_mutex_unlock(&fs->lock);
    mem_free(old);
    return 0;
}
