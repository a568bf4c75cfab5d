/*
 * Commands whose last argument is where things go (CommandWithDestination): put, get, cp, mv and
 * their kin. The command's struct begins with a struct destination, whose first member is the
 * struct cmd.
 */
#ifndef CLIENT_SHELL_DESTINATION_H
#define CLIENT_SHELL_DESTINATION_H

#include "client/shell/command.h"

enum preserve {
    PRESERVE_TIMES = 1,
    PRESERVE_OWNER = 2,
    PRESERVE_MODE = 4,
    PRESERVE_ACL = 8,
    PRESERVE_XATTR = 16
};

struct worker_pool;

struct destination {
    struct cmd cmd;
    struct item dst; /* while recursing: the directory that the present one becomes */
    bool dst_fresh;  /* this run made it: nothing can be in it */
    bool overwrite;
    bool skip_verify;    /* get -ignoreCrc */
    bool write_checksum; /* local targets get their `.x.crc` */
    bool lazy_persist;
    bool direct; /* no temporary file */
    unsigned preserve;
    int threads, queue_size;
    struct worker_pool *pool; /* while several threads copy */
    bool progress;            /* shown: the terminal is one */
    /* what is done with a source and its target; destination_copy() for copies */
    int (*process)(struct destination *destination, struct item *src, struct item *target,
                   struct err *err);
};

static inline struct destination *destination_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct destination, cmd);
}

/* Takes the last argument as the destination: one path, or "." when only one argument is there. */
int destination_remote(struct destination *destination, struct args *args,
                       struct err *err) MUST_CHECK;
int destination_local(struct destination *destination, struct args *args,
                      struct err *err) MUST_CHECK;

/* Steps of struct command. */
int destination_arguments(struct cmd *cmd, struct items *items, struct err *err);
int destination_path_argument(struct cmd *cmd, struct item *src, struct err *err);
int destination_path(struct cmd *cmd, struct item *src, struct err *err);
int destination_recurse(struct cmd *cmd, struct item *src, struct err *err);
void destination_release(struct cmd *cmd);

/* Where `src` goes. */
int destination_target(struct destination *destination, const struct item *src, struct item *target,
                       struct err *err) MUST_CHECK;
/* Copies a file, on this thread or another; a directory is an error unless the command is
 * recursive. */
int destination_copy(struct destination *destination, struct item *src, struct item *target,
                     struct err *err);
/* Everything of descriptor `fd` into the target. */
int destination_copy_fd(struct destination *destination, int fd, const struct item *target,
                        struct err *err);

#endif
