#include "client/shell/dfsadmin.h"

#include <stdio.h>
#include <strings.h>

#include "client/shell/tool.h"
#include "client/shell/vfs.h"

struct admin_entry {
    const char *name;
    int words_min, words_max; /* with the command itself */
    const char *usage;        /* NULL: the summary */
    const char *help;
    int (*run)(struct admin *admin, struct err *err);
};

static const struct admin_entry entries[] = {
#define ADMIN(id, name_, min_, max_, usage_, help_) {name_, min_, max_, usage_, help_, admin_##id},
#include "client/shell/dfsadmin.def"
#undef ADMIN
};

static const char summary[] =
    "\t[-report [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] "
    "[-slownodes]]\n"
    "\t[-safemode <enter | leave | get | wait | forceExit>]\n"
    "\t[-saveNamespace [-beforeShutdown]]\n"
    "\t[-rollEdits]\n"
    "\t[-restoreFailedStorage true|false|check]\n"
    "\t[-refreshNodes]\n"
    "\t[-setQuota <quota> <dirname>...<dirname>]\n"
    "\t[-clrQuota <dirname>...<dirname>]\n"
    "\t[-setSpaceQuota <quota> [-storageType <storagetype>] <dirname>...<dirname>]\n"
    "\t[-clrSpaceQuota [-storageType <storagetype>] <dirname>...<dirname>]\n"
    "\t[-finalizeUpgrade]\n"
    "\t[-rollingUpgrade [<query|prepare|finalize>]]\n"
    "\t[-upgrade <query | finalize>]\n"
    "\t[-refreshServiceAcl]\n"
    "\t[-refreshUserToGroupsMappings]\n"
    "\t[-refreshSuperUserGroupsConfiguration]\n"
    "\t[-refreshCallQueue]\n"
    "\t[-refresh <host:ipc_port> <key> [arg1..argn]\n"
    "\t[-reconfig <namenode|datanode> <host:ipc_port|livenodes|decomnodes>\n"
    "\t<start|status|properties>]\n"
    "\t[-printTopology]\n"
    "\t[-refreshNamenodes datanode_host:ipc_port]\n"
    "\t[-getVolumeReport datanode_host:ipc_port]\n"
    "\t[-deleteBlockPool datanode_host:ipc_port blockpoolId [force]]\n"
    "\t[-setBalancerBandwidth <bandwidth in bytes per second>]\n"
    "\t[-getBalancerBandwidth <datanode_host:ipc_port>]\n"
    "\t[-fetchImage <local directory>]\n"
    "\t[-allowSnapshot <snapshotDir>]\n"
    "\t[-disallowSnapshot <snapshotDir>]\n"
    "\t[-provisionSnapshotTrash <snapshotDir> [-all]]\n"
    "\t[-shutdownDatanode <datanode_host:ipc_port> [upgrade]]\n"
    "\t[-evictWriters <datanode_host:ipc_port>]\n"
    "\t[-getDatanodeInfo <datanode_host:ipc_port>]\n"
    "\t[-metasave filename]\n"
    "\t[-triggerBlockReport [-incremental] <datanode_host:ipc_port> [-namenode "
    "<namenode_host:ipc_port>]]\n"
    "\t[-listOpenFiles [-blockingDecommission] [-path <path>]]\n"
    "\t[-help [cmd]]\n";

/* Commands that Apache takes in any case. */
static bool any_case(const char *name)
{
    return str_eq(name, "allowSnapshot") || str_eq(name, "disallowSnapshot") ||
           str_eq(name, "provisionSnapshotTrash");
}

static const struct admin_entry *find_entry(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        if (any_case(entries[i].name) ? !strcasecmp(entries[i].name, name)
                                      : str_eq(entries[i].name, name))
            return &entries[i];
    return NULL;
}

static int print_usage(const struct admin_entry *entry)
{
    fflush(stdout);
    if (entry && entry->usage) {
        fprintf(stderr, "Usage: hdfs dfsadmin %s\n", entry->usage);
        return EXIT_USAGE;
    }
    fputs("Usage: hdfs dfsadmin\nNote: Administrative commands can only be run as the HDFS "
          "superuser.\n",
          stderr);
    fprintf(stderr, "%s\n", summary);
    shell_print_generic_usage(stderr);
    return EXIT_USAGE;
}

int admin_usage(struct admin *admin)
{
    admin->exit_code = print_usage(find_entry(admin->name));
    return 0;
}

int admin_fs(struct admin *admin, struct fs **fs, struct err *err)
{
    struct vfs *vfs;
    int rc = shell_default_vfs(admin->shell, &vfs, err);

    if (rc) return rc;
    if (vfs_is_local(vfs)) {
        err_set(err, ERR_CONFIG, "FileSystem %s is not an HDFS file system. The fs class is: %s",
                vfs->uri, "org.apache.hadoop.fs.LocalFileSystem");
        return SHELL_ILLEGAL;
    }
    *fs = vfs->hdfs;
    return 0;
}

const char *admin_nested(const struct err *err, char *text, size_t size)
{
    char line[ERR_TEXT_MAX];

    snprintf(text, size, "%s: %s", fs_error_class(err), shell_error_text(err, line, sizeof line));
    return text;
}

static void print_all_help(void)
{
    printf("hdfs dfsadmin performs DFS administrative commands.\n"
           "Note: Administrative commands can only be run with superuser permission.\n"
           "The full syntax is: \n\n"
           "hdfs dfsadmin\n%s\n",
           summary);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        if (!str_eq(entries[i].name, "getVolumeReport"))
            puts(entries[i].help); /* Apache forgets it, too */
    putchar('\n');
    shell_print_generic_usage(stdout);
}

int admin_help(struct admin *admin, struct err *err)
{
    const struct admin_entry *entry = admin->args.count ? find_entry(admin->args.items[0]) : NULL;

    (void)err;
    if (entry)
        puts(entry->help);
    else
        print_all_help();
    return 0;
}

static int run_entry(struct shell *shell, const struct admin_entry *entry, int argc, char **argv)
{
    struct admin admin = {.shell = shell, .name = argv[0] + 1};
    struct err err = ERR_INIT;
    int rc;

    args_init(&admin.args, (const char *const *)argv + 1, (size_t)argc - 1);
    rc = entry->run(&admin, &err);
    args_release(&admin.args);
    if (!rc) return admin.exit_code;
    shell_error(admin.name, &err);
    if (rc > 0) print_usage(entry);
    return EXIT_USAGE;
}

static int run(struct shell *shell, int argc, char **argv)
{
    const struct admin_entry *entry;

    if (argc < 1) return print_usage(NULL);
    entry = argv[0][0] == '-' ? find_entry(argv[0] + 1) : NULL;
    if (!entry) {
        fprintf(stderr, "%s: Unknown command\n", *argv[0] ? argv[0] + 1 : "");
        return print_usage(NULL);
    }
    if (argc < entry->words_min || argc > entry->words_max) return print_usage(entry);
    return run_entry(shell, entry, argc, argv);
}

int dfsadmin_main(int argc, char **argv)
{
    return tool_run(argc, argv, run);
}
