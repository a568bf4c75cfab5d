#include "namenode/topology_script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"

#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%"

struct topology_script {
    struct topology *topology;
    char *script; /* NULL: none */
    char *table;  /* NULL: none */
    size_t args_max;
};

struct topology_script *topology_script_new(const struct conf *conf, struct topology *topology)
{
    struct topology_script *script = NEW(struct topology_script);
    const char *file = conf_str(conf, CONF_net_topology_script_file_name),
               *table = conf_str(conf, CONF_net_topology_table_file_name);
    const char *mapping = conf_str(conf, CONF_net_topology_node_switch_mapping_impl);

    script->topology = topology;
    script->args_max = (size_t)MAX(conf_int(conf, CONF_net_topology_script_number_args), 1);
    if (strstr(mapping, "TableMapping")) {
        if (!str_empty(table)) script->table = mem_strdup(table);
    } else if (!str_empty(file)) {
        script->script = mem_strdup(file);
    }
    return script;
}

void topology_script_free(struct topology_script *script)
{
    if (!script) return;
    mem_free(script->script);
    mem_free(script->table);
    mem_free(script);
}

/* ---- the table: "host location" a line, as TableMapping reads it ---- */

static void read_table(struct topology_script *script)
{
    struct buf text = {0};
    struct err err = ERR_INIT;

    if (file_read(script->table, TOPOLOGY_TABLE_MAX, &text, &err) < 0) {
        log_limited(LOG_WARN, MINUTE_MS, "the topology table cannot be read, hosts stay on %s: %s",
                    TOPOLOGY_DEFAULT_RACK, err.text);
        buf_release(&text);
        return;
    }
    buf_cstr(&text);
    char *rest = (char *)text.data, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *save, *host = strtok_r(line, " \t\r", &save),
                    *location = host ? strtok_r(NULL, " \t\r", &save) : NULL;
        if (!host || *host == '#') continue;
        if (!location || !topology_learn(script->topology, host, location))
            log_limited(LOG_WARN, MINUTE_MS, "%s: the line of %s must be 'host /location'",
                        script->table, host);
    }
    buf_release(&text);
}

/* ---- the script: hosts as arguments, locations on its standard output ---- */

/* Reads the script's output to its end; false when it took too long or wrote too much. */
static bool read_output(int fd, struct buf *out)
{
    int64_t deadline = deadline_in(TOPOLOGY_SCRIPT_TIMEOUT_MS);
    struct err err = ERR_INIT;

    for (;;) {
        if (net_wait(fd, 0x001 /* POLLIN */, deadline, &err) < 0) return false;
        buf_reserve(out, 4096);
        ssize_t n = read(fd, out->data + out->length, 4096);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return n == 0;
        out->length += (size_t)n;
        if (out->length > TOPOLOGY_SCRIPT_OUTPUT_MAX) return false;
    }
}

static bool run_script(const char *path, const char *const *hosts, size_t count, struct buf *out)
{
    char **argv = NEW_ARRAY(char *, count + 2);
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    bool ok = false;
    pid_t pid;

    argv[0] = (char *)path;
    for (size_t i = 0; i < count; i++) argv[i + 1] = (char *)hosts[i];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        mem_free(argv);
        return false;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int rc = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    mem_free(argv);
    if (rc == 0) {
        ok = read_output(ends[0], out);
        if (!ok) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
        ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    close(ends[0]);
    return ok;
}

static void learn_batch(struct topology_script *script, const char *const *hosts, size_t count)
{
    struct buf out = {0};
    size_t found = 0;

    bool ok = run_script(script->script, hosts, count, &out);
    char *rest = (char *)(uintptr_t)buf_cstr(&out), *save, *word;
    if (ok) {
        for (word = strtok_r(rest, " \t\r\n", &save); word && found < count;
             word = strtok_r(NULL, " \t\r\n", &save), found++)
            if (!topology_learn(script->topology, hosts[found], word))
                log_warn("the topology script %s answered '%s' for %s, which is no location",
                         script->script, word, hosts[found]);
    }
    if (!ok || found < count)
        log_limited(LOG_WARN, MINUTE_MS,
                    "the topology script %s failed or answered less than asked for %s and %zu "
                    "more: they are on %s",
                    script->script, hosts[0], count - 1, TOPOLOGY_DEFAULT_RACK);
    buf_release(&out);
}

/* What the resolver calls an address: a datanode whose address has no name is refused (dfs.namenode.datanode.registration.ip-hostname-check). Addresses of
 * this machine pass as they are (DatanodeManager.isNameResolved). */
static void learn_name(struct topology *topology, const char *host)
{
    char known[TOPOLOGY_LOCATION_MAX], name[256];
    struct net_sockaddr addr;

    if (!net_numeric(host, 0, &addr)) return;
    if (topology_name(topology, host, known) && !str_eq(known, host)) return;
    if (net_reverse(host, name, sizeof name))
        topology_learn_name(topology, host, name);
    else
        topology_learn_name(topology, host, net_is_local(&addr) ? "localhost" : host);
}

/* A name that a datanode chose becomes an argument of the operator's program: it may not look like an option, nor hold
 * what no host name or address holds. */
static bool plain_host(const char *host)
{
    return host[0] && host[0] != '-' && !host[strspn(host, HOST_CHARACTERS)];
}

void topology_script_resolve(struct topology_script *script, const char *const *hosts, size_t count)
{
    const char *unknown[64];
    char location[TOPOLOGY_LOCATION_MAX];
    size_t unknown_count = 0;

    for (size_t i = 0; i < count; i++) learn_name(script->topology, hosts[i]);
    if (!script->script && !script->table) return;
    for (size_t i = 0; i < count && unknown_count < ARRAY_LEN(unknown); i++)
        if (plain_host(hosts[i]) && !topology_location(script->topology, hosts[i], location))
            unknown[unknown_count++] = hosts[i];
    if (!unknown_count) return;
    if (script->table) {
        read_table(script);
        return;
    }
    for (size_t at = 0; at < unknown_count; at += script->args_max)
        learn_batch(script, unknown + at, MIN(script->args_max, unknown_count - at));
}
