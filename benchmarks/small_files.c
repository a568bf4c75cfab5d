/*
 * Small files through our client library: how many a second, how long one takes, and what it costs
 * in CPU time, by process:
 *
 *   small_files [OPTION...] write|read...
 *
 * write is create, write, close; read is open, read to the end, close.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "benchmarks/lib/cluster.h"
#include "client/in_stream.h"
#include "client/out_stream.h"
#include "common/clock.h"

static const char usage[] =
    "Usage: small_files [OPTION...] write|read...\n"
    "  --fs hdfs://host:port  default: fs.defaultFS of HADOOP_CONF_DIR\n"
    "  --files N              1000\n"
    "  --size BYTES           of each, 4k\n"
    "  --threads N            4\n"
    "  --replication N        default: dfs.replication\n"
    "  --base PATH            a folder of its own; default: a new name in /\n"
    "  --keep                 leave the files\n"
    "  --plain                numbers only, separated by tabs\n";

static struct {
    const char *uri;
    unsigned threads, replication;
    uint64_t files;
    size_t size;
    char base[128];
    bool keep, plain;
} options = {.threads = 4, .files = 1000, .size = 4 * KIB};

static struct {
    struct fs *fs;
    bool write;
    atomic_uint_fast64_t next;
    pthread_mutex_t lock;
    struct histogram latency;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void write_one(const char *path, const uint8_t *data)
{
    struct fs_create_options create = {.overwrite = true, .replication = options.replication};
    struct out_stream *out;
    struct err err = ERR_INIT;

    if (fs_create(run.fs, path, &create, &out, &err)) die("%s", err.text);
    if (out_stream_write(out, data, options.size, &err)) die("%s: %s", path, err.text);
    if (out_stream_close(out, &err)) die("%s: %s", path, err.text);
}

static void read_one(const char *path, uint8_t *data)
{
    struct in_stream *in;
    struct err err = ERR_INIT;
    ssize_t got;
    size_t total = 0;

    if (fs_open(run.fs, path, NULL, &in, &err)) die("%s", err.text);
    while ((got = in_stream_read(in, data, options.size + 1, &err)) > 0) total += (size_t)got;
    if (got < 0 || total != options.size) die("%s: %s", path, got < 0 ? err.text : "wrong length");
    in_stream_close(in);
}

static void work(unsigned number UNUSED, void *context UNUSED)
{
    struct histogram *latency = NEW(struct histogram);
    uint8_t *data = mem_zalloc(options.size + 1);
    char path[192];

    for (;;) {
        uint64_t file = atomic_fetch_add(&run.next, 1);
        if (file >= options.files) break;
        int64_t start = clock_mono_ns();
        snprintf(path, sizeof path, "%s/d%" PRIu64 "/f%" PRIu64, options.base, file / 1000, file);
        if (run.write)
            write_one(path, data);
        else
            read_one(path, data);
        histogram_add(latency, clock_mono_ns() - start);
    }
    pthread_mutex_lock(&run.lock);
    histogram_merge(&run.latency, latency);
    pthread_mutex_unlock(&run.lock);
    mem_free(latency);
    mem_free(data);
}

static void report(const char *what, const struct processes *processes, int64_t wall_ns)
{
    double count = (double)options.files;

    printf(options.plain ? "%s\t%u\t%.0f\t%.0f\t%.0f\t%.1f"
                         : "%-6s %4u threads %8.0f files/s  p50 %6.0f us  p99 %6.0f us %8.1f",
           what, options.threads, count / ((double)wall_ns / 1e9),
           (double)histogram_at(&run.latency, 0.5) / 1000,
           (double)histogram_at(&run.latency, 0.99) / 1000,
           (double)processes_total_ns(processes) / 1000 / count);
    if (!options.plain) fputs(" CPU us/file:", stdout);
    for (size_t i = 0; i < processes->count; i++)
        printf(options.plain ? "\t%s=%.1f" : "  %s %.1f", processes->list[i].name,
               (double)processes->list[i].cpu_ns / 1000 / count);
    putchar('\n');
    fflush(stdout);
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"fs", 1, NULL, 'u'},      {"files", 1, NULL, 'f'}, {"size", 1, NULL, 'z'},
        {"threads", 1, NULL, 't'}, {"base", 1, NULL, 'd'},  {"replication", 1, NULL, 'r'},
        {"keep", 0, NULL, 'k'},    {"plain", 0, NULL, 'n'}, {NULL, 0, NULL, 0}};
    int option;

    snprintf(options.base, sizeof options.base, "/small_files-%d", (int)getpid());
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) switch (option) {
        case 'u': options.uri = optarg; break;
        case 'f': options.files = option_number("files", optarg, 1, 100000000); break;
        case 'z': options.size = (size_t)option_number("size", optarg, 0, GIB); break;
        case 't': options.threads = (unsigned)option_number("threads", optarg, 1, 1000); break;
        case 'r':
            options.replication = (unsigned)option_number("replication", optarg, 1, 512);
            break;
        case 'd': snprintf(options.base, sizeof options.base, "%s", optarg); break;
        case 'k': options.keep = true; break;
        case 'n': options.plain = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    if (optind == argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct processes processes;
    struct err err = ERR_INIT;

    read_options(argc, argv);
    run.fs = cluster_connect(options.uri);
    processes_find(&processes, run.fs);
    for (int i = optind; i < argc; i++) {
        run.write = str_eq(argv[i], "write");
        if (!run.write && !str_eq(argv[i], "read")) die("%s is neither write nor read", argv[i]);
        run.latency = (struct histogram){0};
        atomic_store(&run.next, 0);
        processes_begin(&processes);
        int64_t wall = run_threads(options.threads, work, NULL);
        processes_end(&processes);
        report(argv[i], &processes, wall);
    }
    if (!options.keep && fs_delete(run.fs, options.base, true, NULL, &err)) die("%s", err.text);
    fs_close(run.fs);
    return 0;
}
