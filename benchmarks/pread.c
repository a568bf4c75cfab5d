/*
 * Random reads of a few KiB in one large file through our client library: reads a second, how long
 * one takes, and what it costs in CPU time, by process:
 *
 *   pread [OPTION...]
 *
 * The file is made first, unless --path names one that is there.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "benchmarks/lib/cluster.h"
#include "client/in_stream.h"
#include "client/out_stream.h"
#include "common/clock.h"

static const char usage[] = "Usage: pread [OPTION...]\n"
                            "  --fs hdfs://host:port  default: fs.defaultFS of HADOOP_CONF_DIR\n"
                            "  --file-size BYTES      of the file that is made, 256m\n"
                            "  --size BYTES           of a read, 4k\n"
                            "  --reads N              of each thread, 10000\n"
                            "  --threads N            4\n"
                            "  --path PATH            of a file that is there\n"
                            "  --plain                numbers only, separated by tabs\n";

static struct {
    const char *uri, *path;
    unsigned threads;
    uint64_t file_size, reads;
    size_t size;
    bool plain;
} options = {.threads = 4, .file_size = 256 * MIB, .reads = 10000, .size = 4 * KIB};

static struct {
    struct fs *fs;
    char path[64];
    pthread_mutex_t lock;
    struct histogram latency;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void make_file(void)
{
    uint8_t *data = mem_zalloc(MIB);
    struct out_stream *out;
    struct err err = ERR_INIT;

    if (fs_create(run.fs, run.path, NULL, &out, &err)) die("%s", err.text);
    for (uint64_t left = options.file_size; left;) {
        size_t size = (size_t)MIN(left, MIB);
        if (out_stream_write(out, data, size, &err)) die("%s", err.text);
        left -= size;
    }
    if (out_stream_close(out, &err)) die("%s", err.text);
    mem_free(data);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void work(unsigned number, void *context UNUSED)
{
    struct histogram *latency = NEW(struct histogram);
    uint8_t *data = mem_alloc(options.size);
    uint64_t state = 88172645463325252u + number * 7919;
    struct in_stream *in;
    struct err err = ERR_INIT;

    if (fs_open(run.fs, run.path, NULL, &in, &err)) die("%s", err.text);
    uint64_t length = in_stream_length(in);
    if (length < options.size) die("%s is shorter than one read", run.path);
    for (uint64_t i = 0; i < options.reads; i++) {
        uint64_t offset = next_random(&state) % (length - options.size + 1);
        int64_t start = clock_mono_ns();
        ssize_t got = in_stream_pread(in, offset, data, options.size, &err);
        if (got != (ssize_t)options.size) die("%s: %s", run.path, got < 0 ? err.text : "too short");
        histogram_add(latency, clock_mono_ns() - start);
    }
    in_stream_close(in);
    pthread_mutex_lock(&run.lock);
    histogram_merge(&run.latency, latency);
    pthread_mutex_unlock(&run.lock);
    mem_free(latency);
    mem_free(data);
}

static void report(const struct processes *processes, int64_t wall_ns)
{
    double count = (double)options.reads * options.threads;

    printf(options.plain ? "pread\t%u\t%.0f\t%.0f\t%.0f\t%.0f\t%.1f"
                         : "pread  %4u threads %8.0f reads/s  p50 %6.0f us  p99 %6.0f us  p99.9 "
                           "%6.0f us %8.1f",
           options.threads, count / ((double)wall_ns / 1e9),
           (double)histogram_at(&run.latency, 0.5) / 1000,
           (double)histogram_at(&run.latency, 0.99) / 1000,
           (double)histogram_at(&run.latency, 0.999) / 1000,
           (double)processes_total_ns(processes) / 1000 / count);
    if (!options.plain) fputs(" CPU us/read:", stdout);
    for (size_t i = 0; i < processes->count; i++)
        printf(options.plain ? "\t%s=%.1f" : "  %s %.1f", processes->list[i].name,
               (double)processes->list[i].cpu_ns / 1000 / count);
    putchar('\n');
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {{"fs", 1, NULL, 'u'},    {"file-size", 1, NULL, 'f'},
                                          {"size", 1, NULL, 'z'},  {"threads", 1, NULL, 't'},
                                          {"reads", 1, NULL, 'r'}, {"path", 1, NULL, 'd'},
                                          {"plain", 0, NULL, 'n'}, {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) switch (option) {
        case 'u': options.uri = optarg; break;
        case 'f': options.file_size = option_number("file-size", optarg, 1, GIB << 20); break;
        case 'z': options.size = (size_t)option_number("size", optarg, 1, GIB); break;
        case 't': options.threads = (unsigned)option_number("threads", optarg, 1, 1000); break;
        case 'r': options.reads = option_number("reads", optarg, 1, 1000000000); break;
        case 'd': options.path = optarg; break;
        case 'n': options.plain = true; break;
        default: fputs(usage, stderr); exit(2);
        }
}

int main(int argc, char **argv)
{
    struct processes processes;
    struct err err = ERR_INIT;

    read_options(argc, argv);
    run.fs = cluster_connect(options.uri);
    processes_find(&processes, run.fs);
    if (options.path)
        snprintf(run.path, sizeof run.path, "%s", options.path);
    else
        snprintf(run.path, sizeof run.path, "/pread-%d", (int)getpid());
    if (!options.path) make_file();
    processes_begin(&processes);
    int64_t wall = run_threads(options.threads, work, NULL);
    processes_end(&processes);
    report(&processes, wall);
    if (!options.path && fs_delete(run.fs, run.path, false, NULL, &err)) die("%s", err.text);
    fs_close(run.fs);
    return 0;
}
