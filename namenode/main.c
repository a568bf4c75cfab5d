/* `hdfs namenode`: options, formatting, signals. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/program.h"
#include "namenode/namenode.h"
#include "namenode/nn_upgrade.h"

static const char usage[] = "Usage: hdfs namenode [--config DIR] [-D key=value]...\n"
                            "\t[-format [-clusterid cid ] [-force] [-nonInteractive] ] |\n"
                            "\t[-upgrade [-clusterid cid] [-renameReserved<k-v pairs>] ] |\n"
                            "\t[-rollback] |\n"
                            "\t[-rollingUpgrade <rollback|started> ] |\n"
                            "\t[-regular] |\n"
                            "\t[-metadataVersion ]\n";

struct options {
    bool format, metadata_version, rollback;
    enum nn_start start;
    struct nn_format how;
};

/* Options that Apache's namenode has and that need what is not built: named, so that nobody takes them for typing errors. */
static const char *const unbuilt[] = {
    "-upgradeOnly",      "-importCheckpoint", "-initializeSharedEdits",
    "-bootstrapStandby", "-recover",          "-genclusterid",
    "-observer",         "-backup",           "-checkpoint"};

/* `started` is what a namenode of a newer layout than the folders' needs: here it is a start like any other. */
static int parse_rolling(const char *how, struct options *options, struct err *err)
{
    if (!how)
        return err_set(err, ERR_ARGUMENT,
                       "Must specify a rolling upgrade startup option <rollback|started>");
    if (!strcasecmp(how, "rollback"))
        options->start = NN_ROLLING_ROLLBACK;
    else if (!strcasecmp(how, "downgrade"))
        return err_set(err, ERR_ARGUMENT,
                       "The \"downgrade\" option is no longer supported since it may incorrectly "
                       "finalize an ongoing rolling upgrade.");
    else if (strcasecmp(how, "started"))
        return err_set(err, ERR_ARGUMENT, "Failed to convert \"%s\" to RollingUpgradeStartupOption",
                       how);
    return 0;
}

static int parse_option(char **argv, int argc, int *at, struct options *options, struct conf *conf,
                        struct err *err)
{
    const char *word = argv[*at];

    if (str_eq(word, "-format")) {
        options->format = true;
    } else if (str_eq(word, "-force")) {
        options->how.force = true;
    } else if (str_eq(word, "-nonInteractive")) {
        options->how.interactive = false;
    } else if (str_eq(word, "-metadataVersion")) {
        options->metadata_version = true;
    } else if (str_eq(word, "-upgrade")) {
        options->start = NN_UPGRADE;
    } else if (str_eq(word, "-rollback")) {
        options->rollback = true;
    } else if (str_starts(word, "-renameReserved") && options->start == NN_UPGRADE) {
        return 0; /* no layout that is read here can hold such names */
    } else if (!strcasecmp(word, "-rollingUpgrade")) {
        return parse_rolling(*at + 1 < argc ? argv[++*at] : NULL, options, err);
    } else if (str_eq(word, "-regular")) {
        return 0;
    } else if (str_eq(word, "-clusterid")) {
        if (*at + 1 >= argc || argv[*at + 1][0] == '-' || !argv[*at + 1][0])
            return err_set(err, ERR_ARGUMENT,
                           "Must specify a valid cluster ID after the -clusterid flag");
        options->how.cluster_id = argv[++*at];
    } else {
        for (size_t i = 0; i < ARRAY_LEN(unbuilt); i++)
            if (str_eq(word, unbuilt[i]))
                return err_set(err, ERR_UNSUPPORTED, "%s is not supported by this version", word);
        return err_set(err, ERR_ARGUMENT, "unknown option %s", word);
    }
    (void)conf;
    return 0;
}

static int print_metadata_version(const struct conf *conf, struct err *err)
{
    struct nn_storage *storage;
    int rc = nn_storage_open(&storage, conf, err);

    if (rc) return rc;
    printf("HDFS Image Version: %d\nSoftware format version: %d\n",
           storage->identity.layout_version, LAYOUT_NAMENODE);
    nn_storage_close(storage);
    return 0;
}

static void on_signal(int number, void *arg)
{
    log_info("ends on signal %d", number);
    loop_stop(arg);
}

/* A no, or the end of input, leaves everything as it is. */
static int confirm_rollback(struct err *err)
{
    char answer[64];

    for (;;) {
        fprintf(stderr, "\"rollBack\" will remove the current state of the file system,\n"
                        "returning you to the state prior to initiating your recent.\n"
                        "upgrade. This action is permanent and cannot be undone. If you\n"
                        "are performing a rollback in an HA environment, you should be\n"
                        "certain that no NameNode process is running on any host.\n"
                        "Roll back file system state? (Y or N) ");
        if (!fgets(answer, sizeof answer, stdin)) break;
        answer[strcspn(answer, "\r\n")] = '\0';
        if (!strcasecmp(answer, "y") || !strcasecmp(answer, "yes")) return 0;
        if (!strcasecmp(answer, "n") || !strcasecmp(answer, "no")) break;
        fprintf(stderr, "Invalid input: %s\n", answer);
    }
    return err_set(err, ERR_CANCELLED, "Rollback aborted.");
}

static int roll_back(const struct conf *conf, struct err *err)
{
    int rc = confirm_rollback(err);

    return rc ? rc : nn_upgrade_rollback(conf, err);
}

static int serve(struct conf *conf, enum nn_start start, struct err *err)
{
    static struct namenode nn;
    struct loop *loop = loop_new(err);
    int rc;

    if (!loop) return ERR_IO;
    signal(SIGPIPE, SIG_IGN);
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
    rc = namenode_start(&nn, conf, start, loop, err);
    if (!rc) {
        loop_run(loop);
        namenode_stop(&nn);
        log_info("namenode has ended");
    }
    loop_signal_free(term);
    loop_signal_free(interrupt);
    loop_free(loop);
    return rc;
}

int namenode_main(int argc, char **argv)
{
    struct options options = {.how = {.interactive = true}};
    struct conf *conf = NULL;
    struct err err = ERR_INIT;
    int rc = 0;

    log_init("namenode");
    mallopt(M_ARENA_MAX, 2);
    int at = program_conf(argc, argv, &conf, &err);
    if (at < 0) rc = at;
    for (; !rc && at < argc; at++) rc = parse_option(argv, argc, &at, &options, conf, &err);
    if (rc) {
        fprintf(stderr, "namenode: %s\n%s", err.text, usage);
        conf_free(conf);
        return 1;
    }
    if (options.format)
        rc = nn_storage_format(conf, &options.how, &err);
    else if (options.metadata_version)
        rc = print_metadata_version(conf, &err);
    else if (options.rollback)
        rc = roll_back(conf, &err);
    else
        rc = serve(conf, options.start, &err);
    if (rc) log_error("%s", err.text);
    conf_free(conf);
    return rc ? 1 : 0;
}
