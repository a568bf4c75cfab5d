/* `hdfs getconf` (GetConf): what the configuration says. */
#include <stdio.h>
#include <strings.h>

#include "client/shell/tool.h"
#include "common/buf.h"
#include "common/mem.h"
#include "common/net.h"

enum { RPC_PORT = 8020, SECONDARY_PORT = 9868, BACKUP_PORT = 50100 };

static const char usage[] =
    "hdfs getconf is utility for getting configuration information from the config file.\n"
    "\n"
    "hadoop getconf \n"
    "\t[-namenodes]\t\t\tgets list of namenodes in the cluster.\n"
    "\t[-secondaryNameNodes]\t\t\tgets list of secondary namenodes in the cluster.\n"
    "\t[-backupNodes]\t\t\tgets list of backup nodes in the cluster.\n"
    "\t[-journalNodes]\t\t\tgets list of journal nodes in the cluster.\n"
    "\t[-includeFile]\t\t\tgets the include file path that defines the datanodes that can join "
    "the cluster.\n"
    "\t[-excludeFile]\t\t\tgets the exclude file path that defines the datanodes that need to "
    "decommissioned.\n"
    "\t[-nnRpcAddresses]\t\t\tgets the namenode rpc addresses\n"
    "\t[-confKey [key]]\t\t\tgets a specific key from the configuration\n";

/* The addresses of `key` for each namenode that is configured: with the suffixes of nameservices
 * and their namenodes, or the bare key. */
typedef void address_fn(const struct net_addr *addr, struct buf *out);

static bool add_address(const char *text, int port, address_fn *fn, struct buf *out)
{
    struct net_addr addr;
    struct err err;

    if (str_empty(text) || net_parse(text, port, &addr, &err)) return false;
    fn(&addr, out);
    return true;
}

static bool add_keyed(const struct conf *conf, const char *key, const char *suffix, int port,
                      address_fn *fn, struct buf *out)
{
    char *name = mem_printf("%s%s%s", key, *suffix ? "." : "", suffix);
    bool found = add_address(conf_get(conf, name), port, fn, out);

    mem_free(name);
    return found;
}

/* Of one nameservice: each of its namenodes, or itself. */
static void add_service(const struct conf *conf, const char *key, const char *service, int port,
                        address_fn *fn, struct buf *out)
{
    char *ids_key = mem_printf("dfs.ha.namenodes.%s", service);
    const char *ids = conf_get(conf, ids_key);

    mem_free(ids_key);
    if (str_empty(ids)) {
        add_keyed(conf, key, service, port, fn, out);
        return;
    }
    while (*ids) {
        size_t length = strcspn(ids, ", \t\n");
        if (length) {
            char *suffix = mem_printf("%s.%.*s", service, (int)length, ids);
            add_keyed(conf, key, suffix, port, fn, out);
            mem_free(suffix);
        }
        ids += length + (ids[length] != '\0');
    }
}

/* "a b c", the hosts alone. */
static void add_host(const struct net_addr *addr, struct buf *out)
{
    if (out->length) buf_put_u8(out, ' ');
    buf_put_str(out, addr->host);
}

/* One a line, with ports. */
static void add_line(const struct net_addr *addr, struct buf *out)
{
    buf_printf(out, "%s:%u\n", addr->host, addr->port);
}

static bool add_services(const struct conf *conf, const char *key, int port, address_fn *fn,
                         struct buf *out)
{
    char **services = conf_list(conf, CONF_dfs_nameservices);

    for (char **service = services; *service; service++)
        add_service(conf, key, *service, port, fn, out);
    conf_list_free(services);
    return out->length > 0;
}

static int namenodes(const struct conf *conf, address_fn *fn, struct buf *out)
{
    const char *fs = conf_str(conf, CONF_fs_defaultFS);

    if (add_services(conf, "dfs.namenode.servicerpc-address", RPC_PORT, fn, out)) return 0;
    if (add_services(conf, "dfs.namenode.rpc-address", RPC_PORT, fn, out)) return 0;
    if (add_keyed(conf, "dfs.namenode.servicerpc-address", "", RPC_PORT, fn, out)) return 0;
    if (add_keyed(conf, "dfs.namenode.rpc-address", "", RPC_PORT, fn, out)) return 0;
    if (str_starts(fs, "hdfs://") && add_address(fs, RPC_PORT, fn, out)) return 0;
    fputs("Incorrect configuration: namenode address dfs.namenode.servicerpc-address.[] or "
          "dfs.namenode.rpc-address.[] is not configured.\n",
          stderr);
    return EXIT_USAGE;
}

static int print_all(struct buf *out, bool newline)
{
    fwrite(out->data, 1, out->length, stdout);
    if (newline) putchar('\n');
    buf_release(out);
    return 0;
}

static int get_namenodes(const struct conf *conf, const char *key)
{
    struct buf out = {.data = NULL};
    int code = namenodes(conf, add_host, &out);

    (void)key;
    if (!code) return print_all(&out, true);
    buf_release(&out);
    return code;
}

static int get_rpc_addresses(const struct conf *conf, const char *key)
{
    struct buf out = {.data = NULL};
    int code = namenodes(conf, add_line, &out);

    (void)key;
    if (!code) return print_all(&out, false);
    buf_release(&out);
    return code;
}

static int get_others(const struct conf *conf, const char *key, const char *fallback, int port)
{
    struct buf out = {.data = NULL};

    if (!add_services(conf, key, port, add_host, &out) &&
        !add_keyed(conf, key, "", port, add_host, &out))
        add_address(fallback, port, add_host, &out);
    return print_all(&out, true);
}

static int get_secondaries(const struct conf *conf, const char *key)
{
    (void)key;
    return get_others(conf, "dfs.namenode.secondary.http-address", "0.0.0.0:9868", SECONDARY_PORT);
}

static int get_backups(const struct conf *conf, const char *key)
{
    (void)key;
    return get_others(conf, "dfs.namenode.backup.address", "0.0.0.0:50100", BACKUP_PORT);
}

/* The hosts of "qjournal://h1:p;h2:p/id". */
static int get_journals(const struct conf *conf, const char *key)
{
    char **dirs = conf_list(conf, CONF_dfs_namenode_shared_edits_dir);
    struct buf out = {.data = NULL};

    (void)key;
    for (char **dir = dirs; *dir; dir++) {
        const char *at = *dir;
        if (!str_starts(at, "qjournal://")) continue;
        for (at += strlen("qjournal://"); *at && *at != '/';) {
            size_t length = strcspn(at, ";/");
            char *text = mem_strndup(at, length);
            add_address(text, 0, add_host, &out);
            mem_free(text);
            at += length + (at[length] == ';');
        }
    }
    conf_list_free(dirs);
    return print_all(&out, true);
}

static int get_key(const struct conf *conf, const char *key)
{
    const char *value = conf_get(conf, key);

    if (!str_empty(value)) {
        puts(value);
        return 0;
    }
    fprintf(stderr, "Configuration %s is missing.\n", key);
    return EXIT_USAGE;
}

static const struct {
    const char *option, *key;
    int (*get)(const struct conf *conf, const char *key);
} options[] = {
    {"-namenodes", NULL, get_namenodes},          {"-secondaryNameNodes", NULL, get_secondaries},
    {"-backupNodes", NULL, get_backups},          {"-journalNodes", NULL, get_journals},
    {"-includeFile", "dfs.hosts", get_key},       {"-excludeFile", "dfs.hosts.exclude", get_key},
    {"-nnRpcAddresses", NULL, get_rpc_addresses}, {"-confKey", "", get_key},
};

static int run_option(struct shell *shell, size_t i, int argc, char **argv)
{
    bool takes_key = options[i].key && !*options[i].key;

    if (takes_key && argc != 1) {
        fputs("usage: -confKey [key]\n", stderr);
        return EXIT_USAGE;
    }
    if (!takes_key && argc > 0) {
        fprintf(stderr, "Did not expect argument: %s\n", argv[0]);
        return EXIT_USAGE;
    }
    return options[i].get(shell->conf, takes_key ? argv[0] : options[i].key);
}

static int run(struct shell *shell, int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(options); i++)
        if (!strcasecmp(options[i].option, argv[0]))
            return run_option(shell, i, argc - 1, argv + 1);
    fprintf(stderr, "%s\n", usage);
    return EXIT_USAGE;
}

int getconf_main(int argc, char **argv)
{
    if (argc == 1 &&
        (str_eq(argv[0], "-h") || str_eq(argv[0], "--help") || str_eq(argv[0], "-help"))) {
        puts(usage);
        shell_print_generic_usage(stdout);
        return 0;
    }
    return tool_run(argc, argv, run);
}
