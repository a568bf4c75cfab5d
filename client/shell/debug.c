/* `hdfs debug` (DebugAdmin): what helps when a file or a datanode is stuck. */
#include <stdio.h>

#include "client/fs.h"
#include "client/shell/debug.h"
#include "client/shell/tool.h"
#include "client/shell/uri.h"
#include "client/shell/vfs.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/parse.h"

enum { RETRY_PAUSE_MS = 5000 };

static const char recover_usage[] = "recoverLease -path <path> [-retries <num-retries>]";
static const char recover_help[] =
    "  Recover the lease on the specified path.  The path must reside on an\n"
    "  HDFS filesystem.  The default number of retries is 1.\n";

static int print_usage(void)
{
    printf("Usage: hdfs debug <command> [arguments]\n\n"
           "These commands are for advanced users only.\n\n"
           "Incorrect usages may result in data loss. Use at your own risk.\n\n"
           "%s\n%s\n%s\n\n",
           debug_verify_usage, debug_compute_usage, recover_usage);
    shell_print_generic_usage(stdout);
    return 1;
}

/* One attempt. Prints what goes wrong; *final: more attempts are of no use. */
static bool recover_once(struct fs *fs, const char *path, const char *shown, bool *final)
{
    struct err err = ERR_INIT;
    char line[ERR_TEXT_MAX];
    bool closed = false;

    int rc = fs_recover_lease(fs, path, &closed, &err);
    if (!rc && closed) {
        printf("recoverLease SUCCEEDED on %s\n", shown);
        return true;
    }
    fflush(stdout);
    if (rc)
        fprintf(stderr, "recoverLease got exception: %s\n",
                shell_error_text(&err, line, sizeof line));
    else
        fputs("recoverLease returned false.\n", stderr);
    *final = rc == ERR_NOT_FOUND;
    if (*final) fprintf(stderr, "Giving up on recoverLease for %s after 1 try\n", shown);
    return false;
}

static int recover_path(struct vfs *vfs, const char *path, const char *shown, int64_t retries)
{
    bool final = false;

    for (int64_t retry = 0;;) {
        if (recover_once(vfs->hdfs, path, shown, &final)) return 0;
        if (final) return 1;
        if (++retry >= retries) break;
        fprintf(stderr, "Retrying in %d ms...\n", RETRY_PAUSE_MS);
        clock_sleep_ms(RETRY_PAUSE_MS);
        fprintf(stderr, "Retry #%" PRId64 "\n", retry);
    }
    fprintf(stderr, "Giving up on recoverLease for %s after %" PRId64 "%s\n", shown, retries,
            retries == 1 ? " try." : " tries.");
    return 1;
}

static int recover_at(struct shell *shell, const char *shown, int64_t retries)
{
    struct err err = ERR_INIT;
    struct vfs *vfs = NULL;
    struct uri uri;
    char *path = NULL;
    int code = 1, rc = uri_parse(&uri, shown, &err);

    if (!rc) {
        rc = shell_vfs(shell, uri.scheme, uri.authority, &vfs, &err);
        if (!rc) path = uri_path_absolute(vfs->working_dir, uri.path);
        uri_release(&uri);
    }
    if (rc)
        shell_error("recoverLease", &err);
    else if (vfs_is_local(vfs))
        fprintf(stderr, "Invalid filesystem for path %s: needed scheme hdfs, but got: file\n",
                shown);
    else
        code = recover_path(vfs, path, shown, retries);
    mem_free(path);
    return code;
}

static int recover_lease(struct shell *shell, int argc, char **argv)
{
    const char *path = NULL, *retries_text = NULL;
    int64_t retries = 1;

    if (!argc) {
        printf("%s\n%s\n", recover_usage, recover_help);
        return 1;
    }
    for (int i = 0; i + 1 < argc; i++) {
        if (str_eq(argv[i], "-path"))
            path = argv[++i];
        else if (str_eq(argv[i], "-retries"))
            retries_text = argv[++i];
    }
    if (!path) {
        fputs("You must supply a -path argument to recoverLease.\n", stderr);
        return 1;
    }
    if (retries_text && !parse_i64(retries_text, INT32_MIN, INT32_MAX, &retries)) {
        fprintf(stderr, "Failed to parse the argument to -retries: %s is not a number\n",
                retries_text);
        return 1;
    }
    return recover_at(shell, path, retries);
}

/* Apache takes names with a dash and without. */
static bool is_command(const char *word, const char *name)
{
    return str_eq(word + (*word == '-'), name);
}

static int run(struct shell *shell, int argc, char **argv)
{
    if (argc && is_command(argv[0], "verifyMeta")) return debug_verify_meta(argc - 1, argv + 1);
    if (argc && is_command(argv[0], "computeMeta"))
        return debug_compute_meta(shell->conf, argc - 1, argv + 1);
    if (argc && is_command(argv[0], "recoverLease"))
        return recover_lease(shell, argc - 1, argv + 1);
    return print_usage();
}

int debug_main(int argc, char **argv)
{
    return tool_run(argc, argv, run);
}
