/*
 * `hdfs dfsadmin` (DFSAdmin): what its commands share. A command answers 0, its exit code, or a
 * negative ERR_* or SHELL_ILLEGAL with the story in `err`; the dispatcher shows that.
 */
#ifndef CLIENT_SHELL_DFSADMIN_H
#define CLIENT_SHELL_DFSADMIN_H

#include "client/fs.h"
#include "client/shell/args.h"
#include "client/shell/shell.h"

enum { ADMIN_MANY = 1 << 20 };

struct admin {
    struct shell *shell;
    const char *name; /* of the command, without its dash */
    struct args args; /* behind it */
    int exit_code;
};

/* The default file system; SHELL_ILLEGAL when that is not HDFS. */
int admin_fs(struct admin *admin, struct fs **fs, struct err *err) MUST_CHECK;
/* Prints the command's usage on standard error and makes the exit code 255. */
int admin_usage(struct admin *admin);
/* "java.io.IOException: text", as Java shows a nested exception. */
const char *admin_nested(const struct err *err, char *text, size_t size);

#define ADMIN(id, name, min, max, usage, help) int admin_##id(struct admin *admin, struct err *err);
#include "client/shell/dfsadmin.def"
#undef ADMIN

#endif
