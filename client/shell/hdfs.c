/*
 * The `hdfs` program: one binary for clients and daemons. Called by the name `dfs` it is `hdfs
 * dfs`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/shell/shell.h"
#include "client/shell/tool.h"
#include "common/log.h"
#include "common/program.h"

struct program {
    const char *name, *text, *group;
    int (*run)(int argc, char **argv);
    bool daemon; /* its argv[0] is its name */
};

static const struct program programs[] = {
    {"dfsadmin", "run a DFS admin client", "Admin", dfsadmin_main, false},
    {"fsck", "run a DFS filesystem checking utility", "Admin", fsck_main, false},
    {"debug", "run a Debug Admin to execute HDFS debug commands", "Admin", debug_main, false},
    {"dfs", "run a filesystem command on the file system", "Client", dfs_main, false},
    {"getconf", "get config values from configuration", "Client", getconf_main, false},
    {"lsSnapshottableDir", "list all snapshottable dirs owned by the current user", "Client",
     ls_snapshottable_main, false},
    {"snapshotDiff",
     "diff two snapshots of a directory or diff the current directory contents with a snapshot",
     "Client", snapshot_diff_main, false},
    {"version", "print the version", "Client", version_main, false},
    {"datanode", "run a DFS datanode", "Daemon", datanode_main, true},
    {"mini", "run a whole cluster on this machine", "Daemon", mini_main, false},
    {"namenode", "run the DFS namenode", "Daemon", namenode_main, true},
};

static void print_usage(FILE *file)
{
    const char *group = "";

    fputs("Usage: hdfs [OPTIONS] SUBCOMMAND [SUBCOMMAND OPTIONS]\n"
          "\n"
          "  OPTIONS is none or any of:\n"
          "\n"
          "--config dir                       Hadoop config directory\n"
          "--help                             usage information\n"
          "--loglevel level                   set the log level for this command\n"
          "\n"
          "  SUBCOMMAND is one of:\n",
          file);
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        if (!str_eq(programs[i].group, group)) {
            group = programs[i].group;
            fprintf(file, "\n\n    %s Commands:\n\n", group);
        }
        fprintf(file, "%-20s %s\n", programs[i].name, programs[i].text);
    }
    fputs("\nSUBCOMMAND may print help when invoked w/o parameters or with -h.\n", file);
}

static const struct program *find_program(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (str_eq(programs[i].name, name)) return &programs[i];
    return NULL;
}

/* A client is quiet unless asked. */
static void start_client_log(void)
{
    log_init("hdfs");
    if (!getenv("TUSK_LOG_LEVEL")) log_set_level(LOG_WARN);
}

static int run_program(int argc, char **argv)
{
    const struct program *program = find_program(argv[0]);

    if (!program) {
        fflush(stdout);
        fprintf(stderr, "ERROR: %s is not COMMAND nor fully qualified CLASSNAME.\n", argv[0]);
        print_usage(stdout);
        return 1;
    }
    if (program->daemon) return program->run(argc, argv);
    start_client_log();
    return program->run(argc - 1, argv + 1);
}

static bool set_log_level(const char *word)
{
    enum log_level level;

    if (!log_parse_level(word, &level)) return false;
    setenv("TUSK_LOG_LEVEL", word, 1);
    return true;
}

/* Options before the subcommand. Returns the index of the subcommand, or a negative exit code less
 * one. */
static int parse_options(int argc, char **argv)
{
    int i = 1;

    while (i < argc && str_starts(argv[i], "--")) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (str_eq(argv[i], "--help")) {
            print_usage(stdout);
            return -1;
        }
        if (!str_eq(argv[i], "--config") && !str_eq(argv[i], "--loglevel")) break;
        if (!value) {
            fprintf(stderr, "ERROR: %s needs a value\n", argv[i]);
            return -2;
        }
        if (str_eq(argv[i], "--config"))
            tool_set_config_dir(value);
        else if (!set_log_level(value)) {
            fprintf(stderr, "ERROR: unknown log level %s: DEBUG, INFO, WARN or ERROR\n", value);
            return -2;
        }
        i += 2;
    }
    return i;
}

int main(int argc, char **argv)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    const char *self = argc ? (slash ? slash + 1 : argv[0]) : "";
    int at = parse_options(argc, argv);

    if (at < 0) return -at - 1;
    if (str_eq(self, "dfs")) {
        start_client_log();
        return dfs_main(argc - at, argv + at);
    }
    if (at >= argc) {
        print_usage(stdout);
        return 1;
    }
    return run_program(argc - at, argv + at);
}
