#include "datanode/main.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "datanode/datanode.h"

enum { STOP_TIMEOUT_S = 20, EXIT_USAGE = 1 };

static int usage(void)
{
    fputs("Usage: hdfs datanode [-regular | -rollback] [-D key=value]... [--config DIR]\n", stderr);
    return EXIT_USAGE;
}

/* -D key=value */
static int set_option(struct conf *conf, const char *word, struct err *err)
{
    const char *equals = strchr(word, '=');

    if (!equals || equals == word)
        return err_set(err, ERR_CONFIG, "-D wants key=value, not \"%s\"", word);
    char *key = mem_strndup(word, (size_t)(equals - word));
    int rc = conf_set(conf, key, equals + 1, err);
    mem_free(key);
    return rc;
}

/* Files first, then what overrules them. *bad: the command line is not understood. */
static int load_conf(struct conf *conf, int argc, char **argv, bool *bad, struct err *err)
{
    int dir = 0; /* its place; 0: the environment's */

    for (int i = 1; i + 1 < argc; i++)
        if (str_eq(argv[i], "--config")) dir = i + 1;
    int rc = dir ? conf_load_dir(conf, argv[dir], err) : conf_load_env(conf, err);
    for (int i = 1; i < argc && !rc && !*bad; i++) {
        if (str_eq(argv[i], "-regular") || str_eq(argv[i], "-rollback"))
            rc = conf_set(conf, "dfs.datanode.startup",
                          str_eq(argv[i], "-rollback") ? "ROLLBACK" : "REGULAR", err);
        else if (str_eq(argv[i], "--config") && i + 1 < argc)
            i++;
        else if (str_eq(argv[i], "-D") && i + 1 < argc)
            rc = set_option(conf, argv[++i], err);
        else if (str_starts(argv[i], "-D") && argv[i][2])
            rc = set_option(conf, argv[i] + 2, err);
        else
            *bad = true;
    }
    return rc;
}

static void on_stop(int number, void *arg)
{
    log_info("RECEIVED SIGNAL %d: SIG%s", number, sigabbrev_np(number));
    loop_stop(arg);
}

static int serve(const struct conf *conf)
{
    struct err err = ERR_INIT;
    struct datanode *dn = NULL;

    struct loop *loop = loop_new(&err);
    if (!loop) {
        log_error("%s", err.text);
        return 1;
    }
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_stop, loop);
    struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_stop, loop);
    int code = 1;
    if (datanode_start(conf, loop, &dn, &err)) {
        log_error("Exception in secureMain: %s", err.text);
    } else {
        loop_run(loop);
        code = dn->exit_code;
        alarm(STOP_TIMEOUT_S); /* a hanging disk must not hold the end up for ever */
        datanode_stop(dn);
        alarm(0);
        log_info("SHUTDOWN_MSG: Shutting down DataNode");
    }
    loop_signal_free(term);
    loop_signal_free(interrupt);
    loop_free(loop);
    return code;
}

int datanode_main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    bool bad = false;

    /* Memory goes back to the system, and threads share few heaps: an idle datanode is small. */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    signal(SIGPIPE, SIG_IGN);
    log_init("datanode");
    struct conf *conf = conf_new();
    int rc = load_conf(conf, argc, argv, &bad, &err);
    int code = bad ? usage() : 1;
    if (rc)
        log_error("%s", err.text);
    else if (!bad)
        code = serve(conf);
    conf_free(conf);
    return code;
}
