#include "client/shell/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

/* Through the environment, so that a daemon started below reads the same files. */
void tool_set_config_dir(const char *dir)
{
    setenv("HADOOP_CONF_DIR", dir, 1);
}

static int load_conf(struct shell *shell)
{
    struct err err = ERR_INIT;

    shell->conf = conf_new();
    if (!conf_load_env(shell->conf, &err)) return 0;
    fprintf(stderr, "%s\n", err.text);
    return EXIT_USAGE;
}

int tool_run(int argc, char **argv, int (*run)(struct shell *shell, int argc, char **argv))
{
    struct shell shell = {.conf = NULL};
    int next, code = load_conf(&shell);

    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of a write, as in Java */
    if (!code) code = shell_generic_options(&shell, argc, argv, &next);
    if (!code) code = run(&shell, argc - next, argv + next);
    shell_release(&shell);
    if (fflush(stdout) || ferror(stdout)) {
        if (errno != EPIPE) perror("standard output");
        if (!code) code = 1;
    }
    return code;
}
