#include "client/shell/shell.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "client/fs.h"
#include "client/shell/uri.h"
#include "client/shell/vfs.h"
#include "common/mem.h"

void shell_release(struct shell *shell)
{
    for (size_t i = 0; i < shell->open_count; i++) {
        vfs_free(shell->open[i]);
        mem_free(shell->open_uris[i]);
    }
    mem_free(shell->open);
    mem_free(shell->open_uris);
    vfs_free(shell->local);
    conf_free(shell->conf);
    *shell = (struct shell){.conf = NULL};
}

const char *shell_default_fs(const struct shell *shell)
{
    return conf_str(shell->conf, CONF_fs_defaultFS);
}

struct vfs *shell_local(struct shell *shell)
{
    if (!shell->local) shell->local = vfs_new_local();
    return shell->local;
}

static int connect_hdfs(struct shell *shell, const char *authority, struct vfs **vfs,
                        struct err *err)
{
    char *uri = mem_printf("hdfs://%s", authority);
    struct fs *fs;
    int rc = 0;

    for (size_t i = 0; i < shell->open_count; i++)
        if (str_eq(shell->open_uris[i], uri)) {
            *vfs = shell->open[i];
            goto out;
        }
    rc = fs_connect(shell->conf, uri, NULL, &fs, err);
    if (rc) goto out;
    *vfs = vfs_new_hdfs(fs);
    shell->open = mem_realloc(shell->open, (shell->open_count + 1) * sizeof *shell->open);
    shell->open_uris =
        mem_realloc(shell->open_uris, (shell->open_count + 1) * sizeof *shell->open_uris);
    shell->open[shell->open_count] = *vfs;
    shell->open_uris[shell->open_count++] = uri;
    return 0;
out:
    mem_free(uri);
    return rc;
}

int shell_default_vfs(struct shell *shell, struct vfs **vfs, struct err *err)
{
    struct uri uri;
    int rc = uri_parse(&uri, shell_default_fs(shell), err);

    if (rc) return rc;
    /* Hadoop of old wrote a bare host:port here, which getDefaultUri still takes as hdfs */
    if (!uri.scheme)
        rc = connect_hdfs(shell, shell_default_fs(shell), vfs, err);
    else if (str_eq(uri.scheme, "hdfs") && !uri.authority)
        rc = err_set(err, ERR_CONFIG, "Incomplete HDFS URI, no host: %s", shell_default_fs(shell));
    else
        rc = shell_vfs(shell, uri.scheme, uri.authority, vfs, err);
    uri_release(&uri);
    return rc;
}

int shell_vfs(struct shell *shell, const char *scheme, const char *authority, struct vfs **vfs,
              struct err *err)
{
    struct uri uri;
    int rc;

    if (!scheme && !authority) return shell_default_vfs(shell, vfs, err);
    rc = uri_parse(&uri, shell_default_fs(shell), err);
    if (rc) return rc;
    if (!scheme) scheme = uri.scheme ? uri.scheme : "hdfs";
    if (str_eq(scheme, "file")) {
        *vfs = shell_local(shell);
    } else if (!str_eq(scheme, "hdfs")) {
        rc = err_set(err, ERR_UNSUPPORTED, "No FileSystem for scheme \"%s\"", scheme);
    } else if (authority) {
        rc = connect_hdfs(shell, authority, vfs, err);
    } else if (uri.scheme && str_eq(uri.scheme, "hdfs") && uri.authority) {
        rc = connect_hdfs(shell, uri.authority, vfs, err);
    } else {
        rc = err_set(err, ERR_CONFIG, "Incomplete HDFS URI, no host: hdfs:///");
    }
    uri_release(&uri);
    return rc;
}

/* The generic options, all with an argument (GenericOptionsParser). */
static const char *const generic_names[] = {"conf",  "D",       "fs",       "jt",
                                            "files", "libjars", "archives", "tokenCacheFile"};

static int apply_property(struct shell *shell, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    char *key;
    int rc;

    if (!equals) return 0; /* Apache ignores these too */
    key = mem_strndup(text, (size_t)(equals - text));
    rc = conf_set(shell->conf, key, equals + 1, err);
    mem_free(key);
    return rc;
}

static int apply_option(struct shell *shell, const char *name, const char *value, struct err *err)
{
    if (str_eq(name, "fs")) {
        if (strstr(value, "://") || str_starts(value, "file:"))
            return conf_set(shell->conf, "fs.defaultFS", value, err);
        char *uri =
            str_eq(value, "local") ? mem_strdup("file:///") : mem_printf("hdfs://%s", value);
        int rc = conf_set(shell->conf, "fs.defaultFS", uri, err);
        mem_free(uri);
        return rc;
    }
    if (str_eq(name, "conf")) return conf_load_file(shell->conf, value, err);
    if (str_eq(name, "D")) return apply_property(shell, value, err);
    if (str_eq(name, "files") && access(value, F_OK) && !strchr(value, ',') &&
        !strstr(value, "://"))
        return err_set(err, ERR_NOT_FOUND, "File %s does not exist.", value);
    return 0; /* the others are for MapReduce */
}

/* The option's name in `arg`, and its value when that is in the same word (-Dk=v, -fs=uri); NULL
 * for no option. */
static const char *match_generic(const char *arg, const char **value)
{
    const char *name = arg + 1;

    *value = NULL;
    if (arg[0] != '-' || !arg[1]) return NULL;
    if (*name == '-') name++;
    for (size_t i = 0; i < ARRAY_LEN(generic_names); i++) {
        size_t length = strlen(generic_names[i]);
        if (strncmp(name, generic_names[i], length)) continue;
        if (!name[length]) return generic_names[i];
        if (name[length] == '=' && length > 1) {
            *value = name + length + 1;
            return generic_names[i];
        }
    }
    if (arg[1] == 'D' && arg[2]) {
        *value = arg + 2;
        return "D";
    }
    return NULL;
}

int shell_generic_options(struct shell *shell, int argc, char **argv, int *next)
{
    struct err err = ERR_INIT;
    const char *name, *value;
    int i = 0;

    for (; i < argc && (name = match_generic(argv[i], &value)); i++) {
        if (!value && i + 1 >= argc) {
            fprintf(stderr, "Missing argument for option: %s\n", name);
            return EXIT_USAGE;
        }
        if (apply_option(shell, name, value ? value : argv[++i], &err)) {
            char line[ERR_TEXT_MAX];
            fprintf(stderr, "%s\n", shell_error_text(&err, line, sizeof line));
            return EXIT_USAGE;
        }
    }
    *next = i;
    return 0;
}

void shell_print_generic_usage(void *file)
{
    fputs("Generic options supported are:\n"
          "-conf <configuration file>        specify an application configuration file\n"
          "-D <property=value>               define a value for a given property\n"
          "-fs <file:///|hdfs://namenode:port> specify default filesystem URL to use, overrides "
          "'fs.defaultFS' "
          "property from configurations.\n"
          "-jt <local|resourcemanager:port>  specify a ResourceManager\n"
          "-files <file1,...>                specify a comma-separated list of files to be copied "
          "to the map reduce "
          "cluster\n"
          "-libjars <jar1,...>               specify a comma-separated list of jar files to be "
          "included in the "
          "classpath\n"
          "-archives <archive1,...>          specify a comma-separated list of archives to be "
          "unarchived on the "
          "compute machines\n"
          "\n"
          "The general command line syntax is:\n"
          "command [genericOptions] [commandOptions]\n"
          "\n",
          file);
}

const char *shell_error_text(const struct err *err, char *line, size_t size)
{
    fs_error_line(err, line, size);
    if (!*line) snprintf(line, size, "%s", fs_error_class(err));
    return line;
}

void shell_error(const char *name, const struct err *err)
{
    char line[ERR_TEXT_MAX];

    fflush(stdout);
    fprintf(stderr, "%s: %s\n", name, shell_error_text(err, line, sizeof line));
}
