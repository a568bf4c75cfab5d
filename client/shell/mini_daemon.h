/*
 * The daemons that `hdfs mini` runs: processes of this same binary, each with a folder of its own
 * that holds its configuration, its log, and its pid. One thread, SIGCHLD blocked.
 */
#ifndef CLIENT_SHELL_MINI_DAEMON_H
#define CLIENT_SHELL_MINI_DAEMON_H

#include "common/base.h"
#include "common/err.h"

struct daemon {
    char name[32]; /* "namenode", "datanode1", … */
    const char *program;
    char *dir;  /* DIR/NAME */
    char *conf; /* folder of its configuration */
    pid_t pid;  /* 0: does not run */
};

void daemon_init(struct daemon *daemon, const char *base, const char *program,
                 int number); /* number 0: none */
void daemon_release(struct daemon *daemon);
/* Runs `hdfs PROGRAM --config CONF WORDS…`, with the log as its output. `words` ends with NULL. */
int daemon_start(struct daemon *daemon, const char *const *words, struct err *err) MUST_CHECK;
/* Waits for one that ends by itself (formatting). ERR_IO names its log. */
int daemon_wait(struct daemon *daemon, struct err *err) MUST_CHECK;
/* Marks that it has ended, and says so on standard error unless that was wanted. */
void daemon_ended(struct daemon *daemon, int status, bool wanted);
/* Sends a signal to it, or to what was started in its place by hand (its pid file tells). */
void daemon_signal(struct daemon *daemon, int number);
bool daemon_runs(const struct daemon *daemon); /* likewise */

#endif
