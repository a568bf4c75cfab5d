/*
 * What one run of a shell command shares: the configuration and the file systems it has met.
 * Threads: the struct belongs to the main thread; the file systems in it may be used from others.
 *
 * Functions of the shell return 0, a negative ERR_* (Java's IOException: it is shown, and the
 * command goes on with its next path), or one of the codes below, which end the command.
 */
#ifndef CLIENT_SHELL_SHELL_H
#define CLIENT_SHELL_SHELL_H

#include "common/base.h"
#include "common/conf.h"
#include "common/err.h"

enum {
    SHELL_ILLEGAL =
        1, /* IllegalArgumentException: the text and the usage are shown, the exit code is 255 */
    SHELL_FATAL = 2, /* another RuntimeException: "Fatal internal error", 255 */
};
enum { EXIT_USAGE = 255 /* Java's -1 */, EXIT_INTERRUPTED = 130 };

struct vfs;

struct shell {
    struct conf *conf; /* owned */
    struct vfs **open; /* owned; one for each host and user */
    char **open_uris;
    size_t open_count;
    struct vfs *local; /* owned; NULL until asked for */
};

void shell_release(struct shell *shell);

/* The file system of a URI; NULL for both is fs.defaultFS. Sends nothing. */
int shell_vfs(struct shell *shell, const char *scheme, const char *authority, struct vfs **vfs,
              struct err *err) MUST_CHECK;
int shell_default_vfs(struct shell *shell, struct vfs **vfs, struct err *err) MUST_CHECK;
struct vfs *shell_local(struct shell *shell);
const char *shell_default_fs(const struct shell *shell); /* fs.defaultFS as it is configured */

/* Takes Hadoop's generic options (-D, -conf, -fs, …) from the front of the arguments and applies
 * them; the arguments left begin at *next. 0 or EXIT_USAGE, after an error line. */
int shell_generic_options(struct shell *shell, int argc, char **argv, int *next);
void shell_print_generic_usage(void *file); /* FILE * */

/* `name: first line of the error` on standard error, behind everything printed so far. */
void shell_error(const char *name, const struct err *err);
/* The line alone, as Apache words it. */
const char *shell_error_text(const struct err *err, char *line, size_t size);

#endif
