#include "benchmarks/lib/cluster.h"

#include <pthread.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/net.h"

struct fs *cluster_connect(const char *uri)
{
    struct conf *conf = conf_new();
    struct err err = ERR_INIT;
    struct fs *fs = NULL;

    if (conf_load_env(conf, &err) || fs_connect(conf, uri, NULL, &fs, &err)) die("%s", err.text);
    conf_free(conf);
    return fs;
}

static void add(struct processes *processes, pid_t pid, const char *kind, unsigned port)
{
    struct process *process = &processes->list[processes->count];

    if (processes->count == PROCESSES_MAX) return;
    if (port)
        snprintf(process->name, sizeof process->name, "%s %u", kind, port);
    else
        snprintf(process->name, sizeof process->name, "%s", kind);
    process->pid = pid;
    processes->count++;
}

void processes_find(struct processes *processes, struct fs *fs)
{
    struct fs_datanodes *nodes;
    struct net_addr address;
    struct err err = ERR_INIT;
    pid_t pid;

    processes->count = 0;
    add(processes, 0, "client", 0);
    if (net_parse(fs_uri(fs), 8020, &address, &err) ||
        fs_datanode_report(fs, FS_DATANODES_LIVE, &nodes, &err))
        die("%s", err.text);
    pid = process_of_port(address.port);
    if (pid) add(processes, pid, "namenode", 0);
    for (size_t i = 0; i < nodes->count; i++) {
        pid = process_of_port(nodes->nodes[i].xfer_port);
        if (pid) add(processes, pid, "datanode", nodes->nodes[i].xfer_port);
    }
    fs_datanodes_free(nodes);
}

static int64_t cpu_of(const struct process *process)
{
    return process->pid ? process_cpu_ns(process->pid) : own_cpu_ns();
}

void processes_begin(struct processes *processes)
{
    for (size_t i = 0; i < processes->count; i++)
        processes->list[i].cpu_ns = cpu_of(&processes->list[i]);
}

void processes_end(struct processes *processes)
{
    for (size_t i = 0; i < processes->count; i++)
        processes->list[i].cpu_ns = cpu_of(&processes->list[i]) - processes->list[i].cpu_ns;
}

int64_t processes_total_ns(const struct processes *processes)
{
    int64_t total = 0;

    for (size_t i = 0; i < processes->count; i++) total += processes->list[i].cpu_ns;
    return total;
}

struct runner {
    pthread_t thread;
    unsigned number;
    void (*body)(unsigned number, void *context);
    void *context;
};

static void *runner_main(void *arg)
{
    struct runner *runner = arg;

    runner->body(runner->number, runner->context);
    return NULL;
}

int64_t run_threads(unsigned threads, void (*body)(unsigned number, void *context), void *context)
{
    struct runner *runners = NEW_ARRAY(struct runner, threads);
    int64_t start = clock_mono_ns();

    for (unsigned i = 0; i < threads; i++) {
        runners[i] = (struct runner){.number = i, .body = body, .context = context};
        if (pthread_create(&runners[i].thread, NULL, runner_main, &runners[i]))
            die("no thread to be had");
    }
    for (unsigned i = 0; i < threads; i++) pthread_join(runners[i].thread, NULL);
    int64_t wall = clock_mono_ns() - start;
    mem_free(runners);
    return wall;
}
