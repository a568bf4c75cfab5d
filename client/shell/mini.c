/*
 * `hdfs mini`: a whole cluster in the foreground, on ports of its own, with its data below one
 * folder.
 *
 *   DIR/conf               what clients (ours or Apache's) and the namenode read
 *   DIR/namenode           name (the image), log, pid
 *   DIR/datanode1 …        data (the blocks), conf, log, pid
 *
 * Ports are chosen once and stand in the configuration, so the next start on the same folder has
 * the same ones.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/fs.h"
#include "client/shell/mini_daemon.h"
#include "client/shell/mini_site.h"
#include "client/shell/tool.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/parse.h"
#include "common/rand.h"
#include "common/user.h"

enum {
    DATANODES_MAX = 100,
    DATANODES_DEFAULT = 1,
    PORTS_MAX = 2 + 3 * DATANODES_MAX,
    PORT_MIN = 10240,
    PORT_TRIES = 64,
    READY_TIMEOUT_MS = 60000,
    POLL_MS = 3,
    STOP_TIMEOUT_MS = 20000,
    REPLICATION_MAX = 3,
};

static const char usage[] =
    "Usage: hdfs mini [--dir DIR] [--datanodes N] [--racks R] [--port PORT] [--format] [-D "
    "key=value]...\n"
    "\n"
    "Runs a namenode and N datanodes on this machine until it is told to end (SIGTERM, Ctrl-C), "
    "and prints the\n"
    "file system's URI once they are ready. Clients find the cluster by HADOOP_CONF_DIR=DIR/conf.\n"
    "\n"
    "--dir DIR        where configuration, logs and data are kept (default: $XDG_STATE_HOME/tusk, "
    "else\n"
    "                 /tmp/tusk-$USER); a cluster that is there is started again\n"
    "--datanodes N    how many (default: as many as there are, else 1)\n"
    "--racks R        spreads them over R racks\n"
    "--port PORT      the namenode's RPC port (default: as before, else any that is free)\n"
    "--format         makes a new file system; what was in DIR is lost\n"
    "-D key=value     a property for all daemons and clients, kept in DIR/conf\n";

struct mini {
    char *dir;
    int datanode_count, racks, port; /* 0: not told */
    bool format;
    struct site given;      /* -D */
    struct site core, hdfs; /* DIR/conf */
    struct daemon namenode, datanodes[DATANODES_MAX];
    struct file_lock lock;
    int port_fds[PORTS_MAX]; /* held open until all are chosen */
    size_t port_count;
    bool stopping;
};

/* ---- options ---- */

static char *default_dir(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    char *user, *dir;

    if (!str_empty(state)) return mem_printf("%s/tusk", state);
    user = user_of_system();
    dir = mem_printf("/tmp/tusk-%s", user);
    mem_free(user);
    return dir;
}

static int take_number(const char *option, const char *text, int64_t max, int *value,
                       struct err *err)
{
    int64_t number;

    if (!parse_i64(text, 1, max, &number))
        return err_set(err, ERR_ARGUMENT, "%s %s: a number from 1 to %" PRId64 " is needed", option,
                       text, max);
    *value = (int)number;
    return 0;
}

static int take_property(struct mini *mini, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    char *key;

    if (!equals || equals == text)
        return err_set(err, ERR_ARGUMENT, "-D %s: key=value is needed", text);
    key = mem_strndup(text, (size_t)(equals - text));
    site_set(&mini->given, key, equals + 1);
    mem_free(key);
    return 0;
}

static int take_option(struct mini *mini, const char *option, const char *value, struct err *err)
{
    if (str_eq(option, "--datanodes"))
        return take_number(option, value, DATANODES_MAX, &mini->datanode_count, err);
    if (str_eq(option, "--racks"))
        return take_number(option, value, DATANODES_MAX, &mini->racks, err);
    if (str_eq(option, "--port")) return take_number(option, value, UINT16_MAX, &mini->port, err);
    if (str_eq(option, "-D")) return take_property(mini, value, err);
    if (!str_eq(option, "--dir")) return err_set(err, ERR_ARGUMENT, "unknown option %s", option);
    mem_free(mini->dir);
    mini->dir = mem_strdup(value);
    return 0;
}

static int parse_options(struct mini *mini, int argc, char **argv, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < argc && !rc; i++) {
        if (str_eq(argv[i], "--format"))
            mini->format = true;
        else if (str_starts(argv[i], "-D") && argv[i][2])
            rc = take_property(mini, argv[i] + 2, err);
        else if (i + 1 < argc)
            rc = take_option(mini, argv[i], argv[i + 1], err), i++;
        else
            rc = err_set(err, ERR_ARGUMENT, "option %s is unknown or lacks its value", argv[i]);
    }
    return rc;
}

/* ---- folders and ports ---- */

/* Makes the folder and takes its absolute name. */
static int open_dir(struct mini *mini, struct err *err)
{
    char *absolute;
    int rc;

    if (!mini->dir) mini->dir = default_dir();
    rc = file_mkdirs(mini->dir, 0755, err);
    if (rc) return rc;
    absolute = realpath(mini->dir, NULL);
    if (!absolute) return err_set_errno(err, errno, "%s", mini->dir);
    mem_free(mini->dir);
    mini->dir = mem_strdup(absolute);
    free(absolute);
    rc = file_lock(&mini->lock, mini->dir, err);
    return rc ? err_wrap(err, rc, "another mini may use this folder") : 0;
}

static char *below(const struct mini *mini, const char *name)
{
    return mem_printf("%s/%s", mini->dir, name);
}

static bool datanode_exists(const struct mini *mini, int number)
{
    char *path = mem_printf("%s/datanode%d/conf/hdfs-site.xml", mini->dir, number);
    bool exists = file_exists(path);

    mem_free(path);
    return exists;
}

static void count_datanodes(struct mini *mini)
{
    if (mini->datanode_count) return;
    while (mini->datanode_count < DATANODES_MAX && datanode_exists(mini, mini->datanode_count + 1))
        mini->datanode_count++;
    if (!mini->datanode_count) mini->datanode_count = DATANODES_DEFAULT;
}

/* Where the kernel's own choices for outgoing connections begin. */
static unsigned ephemeral_from(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned from = 0;

    if (file && fscanf(file, "%u", &from) != 1) from = 0;
    if (file) fclose(file);
    return from;
}

/* A free port, below those that connections get: one of these could take it while the daemon is down between stop and start. Its socket stays
 * open so that it is not chosen twice. */
static int choose_port(struct mini *mini, uint16_t *port, struct err *err)
{
    struct net_addr addr = {.host = "127.0.0.1"};
    unsigned limit = ephemeral_from();
    struct rand rand;
    int rc = ERR_CONNECT;

    assert(mini->port_count < PORTS_MAX);
    rand_seed_system(&rand);
    for (int tries = 0; rc && tries < PORT_TRIES && limit > PORT_MIN; tries++) {
        addr.port = (uint16_t)(PORT_MIN + rand_below(&rand, MIN(limit, 65536u) - PORT_MIN));
        rc = net_listen(&addr, 1, &mini->port_fds[mini->port_count], port, NULL);
    }
    addr.port = 0;
    if (rc) rc = net_listen(&addr, 1, &mini->port_fds[mini->port_count], port, err);
    if (!rc) mini->port_count++;
    return rc;
}

static void release_ports(struct mini *mini)
{
    while (mini->port_count) close(mini->port_fds[--mini->port_count]);
}

/* Gives `key` an address with a port of its own, unless it has one. */
static int default_address(struct mini *mini, struct site *site, const char *key, const char *host,
                           struct err *err)
{
    uint16_t port;
    int rc;

    if (site_get(site, key)) return 0;
    rc = choose_port(mini, &port, err);
    if (!rc) site_setf(site, key, "%s:%u", host, port);
    return rc;
}

/* ---- configuration ---- */

static int set_uri(struct mini *mini, struct err *err)
{
    uint16_t port = (uint16_t)mini->port;
    int rc = 0;

    if (!mini->port && site_get(&mini->core, "fs.defaultFS")) return 0;
    if (!mini->port) rc = choose_port(mini, &port, err);
    if (rc) return rc;
    site_setf(&mini->core, "fs.defaultFS", "hdfs://127.0.0.1:%u", port);
    site_setf(&mini->hdfs, "dfs.namenode.rpc-address", "127.0.0.1:%u", port);
    return 0;
}

/* What differs from Hadoop's defaults, because everything is on one machine. */
static void set_defaults(struct mini *mini)
{
    char *name = below(mini, "namenode/name");
    struct site *hdfs = &mini->hdfs;

    site_setf(&mini->core, "hadoop.tmp.dir", "%s/tmp", mini->dir);
    site_setf(hdfs, "dfs.namenode.name.dir", "file://%s", name);
    if (!site_get(hdfs, "dfs.replication"))
        site_setf(hdfs, "dfs.replication", "%d", MIN(mini->datanode_count, REPLICATION_MAX));
    site_default(hdfs, "dfs.namenode.safemode.extension", "0");
    site_default(hdfs, "dfs.namenode.datanode.registration.ip-hostname-check", "false");
    mem_free(name);
}

/* Datanodes are told apart by loopback addresses as their host names; the table maps those. */
static int write_racks(struct mini *mini, struct err *err)
{
    char *path = below(mini, "conf/topology.table");
    struct buf text = {.data = NULL};
    int rc = 0;

    if (mini->racks) {
        for (int i = 0; i < mini->datanode_count; i++)
            buf_printf(&text, "127.0.1.%d\t/rack%d\n", i + 1, i % mini->racks + 1);
        site_set(&mini->hdfs, "net.topology.node.switch.mapping.impl",
                 "org.apache.hadoop.net.TableMapping");
        site_set(&mini->hdfs, "net.topology.table.file.name", path);
        rc = file_replace(path, text.data, text.length, 0644, err);
    }
    buf_release(&text);
    mem_free(path);
    return rc;
}

static int save_pair(const struct site *core, const struct site *hdfs, const char *dir,
                     struct err *err)
{
    char *core_path = mem_printf("%s/core-site.xml", dir),
         *hdfs_path = mem_printf("%s/hdfs-site.xml", dir);
    int rc = file_mkdirs(dir, 0755, err);

    if (!rc) rc = site_save(core, core_path, err);
    if (!rc) rc = site_save(hdfs, hdfs_path, err);
    mem_free(core_path);
    mem_free(hdfs_path);
    return rc;
}

/* The keys that only a datanode has; kept from the last time. */
static const char *const datanode_keys[] = {"dfs.datanode.address", "dfs.datanode.ipc.address",
                                            "dfs.datanode.http.address"};

static int configure_datanode(struct mini *mini, int number, struct err *err)
{
    const struct daemon *daemon = &mini->datanodes[number - 1];
    char *path = mem_printf("%s/hdfs-site.xml", daemon->conf);
    struct site old = {.count = 0}, site = {.count = 0};
    char host[32] = "127.0.0.1";
    int rc = mini->format ? 0 : site_load(&old, path, err);

    if (site_get(&mini->hdfs, "net.topology.table.file.name"))
        snprintf(host, sizeof host, "127.0.1.%d", number);
    site_copy(&site, &mini->hdfs);
    for (size_t i = 0; i < ARRAY_LEN(datanode_keys); i++)
        if (site_get(&old, datanode_keys[i]))
            site_set(&site, datanode_keys[i], site_get(&old, datanode_keys[i]));
    site_setf(&site, "dfs.datanode.data.dir", "file://%s/data", daemon->dir);
    site_set(&site, "dfs.datanode.hostname", host);
    if (!rc) rc = default_address(mini, &site, "dfs.datanode.address", "127.0.0.1", err);
    if (!rc) rc = default_address(mini, &site, "dfs.datanode.ipc.address", "127.0.0.1", err);
    if (!rc) rc = default_address(mini, &site, "dfs.datanode.http.address", "127.0.0.1", err);
    if (!rc) rc = save_pair(&mini->core, &site, daemon->conf, err);
    site_release(&old);
    site_release(&site);
    mem_free(path);
    return rc;
}

static int load_conf(struct mini *mini, struct err *err)
{
    char *core = below(mini, "conf/core-site.xml"), *hdfs = below(mini, "conf/hdfs-site.xml");
    int rc = site_load(&mini->core, core, err);

    if (!rc) rc = site_load(&mini->hdfs, hdfs, err);
    mem_free(core);
    mem_free(hdfs);
    return rc;
}

static int configure(struct mini *mini, struct err *err)
{
    char *conf = below(mini, "conf");
    int rc = file_mkdirs(conf, 0755, err);

    if (!rc) rc = load_conf(mini, err);
    count_datanodes(mini);
    daemon_init(&mini->namenode, mini->dir, "namenode", 0);
    for (int i = 0; i < mini->datanode_count; i++)
        daemon_init(&mini->datanodes[i], mini->dir, "datanode", i + 1);
    site_copy(&mini->hdfs, &mini->given);
    if (!rc) rc = set_uri(mini, err);
    if (!rc) rc = default_address(mini, &mini->hdfs, "dfs.namenode.http-address", "127.0.0.1", err);
    set_defaults(mini);
    if (!rc) rc = write_racks(mini, err);
    if (!rc) rc = save_pair(&mini->core, &mini->hdfs, conf, err);
    for (int i = 1; i <= mini->datanode_count && !rc; i++) rc = configure_datanode(mini, i, err);
    release_ports(mini);
    mem_free(conf);
    return rc;
}

/* ---- life ---- */

/* The old blocks go with the old names: a datanode would not join another file system. Datanodes
 * beyond those that are wanted now go altogether. */
static int clear_data(struct mini *mini, struct err *err)
{
    int rc = 0;

    for (int i = 1;
         i <= DATANODES_MAX && !rc && (i <= mini->datanode_count || datanode_exists(mini, i));
         i++) {
        const char *part = i <= mini->datanode_count ? "/data" : "";
        char *path = mem_printf("%s/datanode%d%s", mini->dir, i, part);
        rc = file_remove_tree(path, err);
        mem_free(path);
    }
    return rc;
}

static int format(struct mini *mini, struct err *err)
{
    static const char *const words[] = {"-format", "-force", "-nonInteractive", NULL};
    char *version = below(mini, "namenode/name/current/VERSION");
    bool fresh = !file_exists(version);
    int rc = 0;

    mem_free(version);
    if (!fresh && !mini->format) return 0;
    rc = clear_data(mini, err);
    if (!rc) rc = daemon_start(&mini->namenode, words, err);
    return rc ? rc : daemon_wait(&mini->namenode, err);
}

/* Takes note of daemons that ended. */
static void reap(struct mini *mini)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == mini->namenode.pid) daemon_ended(&mini->namenode, status, mini->stopping);
        for (int i = 0; i < mini->datanode_count; i++)
            if (pid == mini->datanodes[i].pid)
                daemon_ended(&mini->datanodes[i], status, mini->stopping);
    }
}

/* Waits for a signal that ends mini, and looks after daemons meanwhile. Negative: for ever. */
static bool wait_signal(struct mini *mini, const sigset_t *signals, int64_t timeout_ms)
{
    int64_t deadline = deadline_in(timeout_ms);

    for (;;) {
        int left = deadline_left_ms(deadline);
        struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};
        int number = left < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &time);
        if (number == SIGTERM || number == SIGINT || number == SIGHUP) return true;
        if (number == SIGCHLD) reap(mini);
        if (number < 0 && errno == EAGAIN) return false;
    }
}

static bool all_run(const struct mini *mini)
{
    if (!mini->namenode.pid) return false;
    for (int i = 0; i < mini->datanode_count; i++)
        if (!mini->datanodes[i].pid) return false;
    return true;
}

static bool accepts(const char *uri)
{
    struct net_addr addr;
    struct err err;
    int fd;

    if (net_parse(uri, -1, &addr, &err) || net_connect(&addr, deadline_in(1000), &fd, &err))
        return false;
    close(fd);
    return true;
}

/* Whether the namenode is out of safe mode and has heard of all datanodes. */
static bool is_ready(struct fs *fs, size_t datanodes)
{
    struct fs_datanodes *live;
    bool on = true, ready;
    struct err err;

    if (fs_datanode_report(fs, FS_DATANODES_LIVE, &live, &err)) return false;
    ready = live->count >= datanodes;
    fs_datanodes_free(live);
    return ready && !fs_safe_mode(fs, FS_SAFE_MODE_GET, &on, &err) && !on;
}

static int start_failed(const struct mini *mini, const char *what, struct err *err)
{
    return err_set(err, ERR_TIMEOUT, "%s; the logs are %s/*/log", what, mini->dir);
}

/* 0 when ready; ERR_CANCELLED when told to end. */
static int wait_ready(struct mini *mini, const sigset_t *signals, struct fs *fs, struct err *err)
{
    const char *uri = site_get(&mini->core, "fs.defaultFS");
    int64_t deadline = deadline_in(READY_TIMEOUT_MS);
    static const char *const none[] = {NULL};
    bool listening = false;
    int rc = 0;

    while (!rc && !(listening && is_ready(fs, (size_t)mini->datanode_count))) {
        if (!listening && accepts(uri)) {
            listening =
                true; /* only now: a datanode that finds nobody pauses before it tries again */
            for (int i = 0; i < mini->datanode_count && !rc; i++)
                rc = daemon_start(&mini->datanodes[i], none, err);
            continue;
        }
        if (wait_signal(mini, signals, POLL_MS)) return err_set(err, ERR_CANCELLED, "told to end");
        if (!mini->namenode.pid || (listening && !all_run(mini)))
            rc = start_failed(mini, "a daemon ended while the cluster started", err);
        else if (!deadline_left_ms(deadline))
            rc = start_failed(mini, "the cluster is not ready after a minute", err);
    }
    return rc;
}

static bool any_runs(struct mini *mini)
{
    bool runs = daemon_runs(&mini->namenode);

    for (int i = 0; i < mini->datanode_count; i++) runs |= daemon_runs(&mini->datanodes[i]);
    return runs;
}

static void signal_all(struct mini *mini, int number)
{
    for (int i = 0; i < mini->datanode_count; i++) daemon_signal(&mini->datanodes[i], number);
    daemon_signal(&mini->namenode, number);
}

/* In order, and hard when that takes too long. */
static void stop_all(struct mini *mini)
{
    int64_t deadline = deadline_in(STOP_TIMEOUT_MS);

    mini->stopping = true;
    signal_all(mini, SIGTERM);
    while (any_runs(mini) && deadline_left_ms(deadline)) {
        reap(mini);
        clock_sleep_ms(POLL_MS);
    }
    if (!any_runs(mini)) return;
    fputs("mini: daemons that did not end in time are killed\n", stderr);
    signal_all(mini, SIGKILL);
    for (int i = 0; i < 1000 && any_runs(mini); i++) {
        reap(mini);
        clock_sleep_ms(POLL_MS);
    }
}

static int connect_fs(const struct mini *mini, struct fs **fs, struct err *err)
{
    struct conf *conf = conf_new();
    char *dir = below(mini, "conf");
    int rc = conf_load_dir(conf, dir, err);

    if (!rc) rc = fs_connect(conf, NULL, NULL, fs, err);
    conf_free(conf);
    mem_free(dir);
    return rc;
}

static int make_folders(struct mini *mini, struct err *err)
{
    int rc = file_mkdirs(mini->namenode.dir, 0755, err);

    for (int i = 0; i < mini->datanode_count && !rc; i++)
        rc = file_mkdirs(mini->datanodes[i].dir, 0755, err);
    return rc;
}

static int serve(struct mini *mini, struct err *err)
{
    static const char *const none[] = {NULL};
    struct fs *fs = NULL;
    sigset_t signals;
    int rc;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    rc = make_folders(mini, err);
    if (!rc) rc = format(mini, err);
    if (!rc) rc = connect_fs(mini, &fs, err);
    if (!rc) rc = daemon_start(&mini->namenode, none, err);
    if (!rc) rc = wait_ready(mini, &signals, fs, err);
    fs_close(fs);
    if (!rc) {
        puts(site_get(&mini->core, "fs.defaultFS"));
        fflush(stdout);
        wait_signal(mini, &signals, -1);
    }
    stop_all(mini);
    return rc == ERR_CANCELLED ? 0 : rc;
}

static void mini_release(struct mini *mini)
{
    release_ports(mini);
    file_unlock(&mini->lock);
    daemon_release(&mini->namenode);
    for (int i = 0; i < mini->datanode_count; i++) daemon_release(&mini->datanodes[i]);
    site_release(&mini->given);
    site_release(&mini->core);
    site_release(&mini->hdfs);
    mem_free(mini->dir);
    mem_free(mini);
}

int mini_main(int argc, char **argv)
{
    struct mini *mini = NEW(struct mini);
    struct err err = ERR_INIT;
    int rc;

    mini->lock = (struct file_lock)FILE_LOCK_INIT;
    if (argc == 1 && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h"))) {
        fputs(usage, stdout);
        mini_release(mini);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    rc = parse_options(mini, argc, argv, &err);
    if (rc) fprintf(stderr, "mini: %s\n%s", err.text, usage);
    if (!rc) {
        rc = open_dir(mini, &err);
        if (!rc) rc = configure(mini, &err);
        if (!rc) rc = serve(mini, &err);
        if (rc) fprintf(stderr, "mini: %s\n", err.text);
    }
    mini_release(mini);
    return rc ? 1 : 0;
}
