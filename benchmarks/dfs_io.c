/*
 * Throughput of whole files through our client library, and what a GiB costs in CPU time, by process:
 *
 *   dfs_io [OPTION...] write|read...
 *
 * Each stream writes a file of its own, then reads it. Data is checked by the library's checksums,
 * and the length here.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "benchmarks/lib/cluster.h"
#include "client/in_stream.h"
#include "client/out_stream.h"

static const char usage[] =
    "Usage: dfs_io [OPTION...] write|read...\n"
    "  --fs hdfs://host:port  default: fs.defaultFS of HADOOP_CONF_DIR\n"
    "  --streams N            files at a time, 1\n"
    "  --size BYTES           of each file, 1g\n"
    "  --replication N        default: dfs.replication\n"
    "  --buffer BYTES         of a call, 1m\n"
    "  --base PATH            a folder of its own; default: a new name in /\n"
    "  --keep                 leave the files\n"
    "  --plain                numbers only, separated by tabs\n";

static struct {
    const char *uri;
    unsigned streams, replication;
    uint64_t size;
    size_t buffer;
    char base[128];
    bool keep, plain;
} options = {.streams = 1, .size = GIB, .buffer = MIB};

static struct fs *fs;

static void path_of(unsigned number, char *path, size_t size)
{
    snprintf(path, size, "%s/file-%u", options.base, number);
}

static void fill(uint8_t *data, size_t size, unsigned seed)
{
    uint64_t value = seed + 1;

    for (size_t i = 0; i + 8 <= size; i += 8) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        memcpy(data + i, &value, 8);
    }
}

static void write_file(unsigned number, void *context UNUSED)
{
    struct fs_create_options create = {.overwrite = true, .replication = options.replication};
    uint8_t *data = mem_zalloc(options.buffer);
    struct out_stream *out;
    struct err err = ERR_INIT;
    char path[192];

    fill(data, options.buffer, number);
    path_of(number, path, sizeof path);
    if (fs_create(fs, path, &create, &out, &err)) die("%s", err.text);
    for (uint64_t left = options.size; left;) {
        size_t size = (size_t)MIN(left, (uint64_t)options.buffer);
        if (out_stream_write(out, data, size, &err)) die("%s: %s", path, err.text);
        left -= size;
    }
    if (out_stream_close(out, &err)) die("%s: %s", path, err.text);
    mem_free(data);
}

static void read_file(unsigned number, void *context UNUSED)
{
    uint8_t *data = mem_alloc(options.buffer);
    struct in_stream *in;
    struct err err = ERR_INIT;
    char path[192];
    uint64_t total = 0;
    ssize_t got;

    path_of(number, path, sizeof path);
    if (fs_open(fs, path, NULL, &in, &err)) die("%s", err.text);
    while ((got = in_stream_read(in, data, options.buffer, &err)) > 0) total += (uint64_t)got;
    if (got < 0) die("%s: %s", path, err.text);
    if (total != options.size)
        die("%s: %" PRIu64 " bytes, not %" PRIu64, path, total, options.size);
    in_stream_close(in);
    mem_free(data);
}

static void report(const char *what, const struct processes *processes, int64_t wall_ns)
{
    double gib = (double)options.size * options.streams / (double)GIB;
    double mb = (double)options.size * options.streams / 1e6;
    double seconds = (double)wall_ns / 1e9;

    printf(options.plain ? "%s\t%u\t%.3f\t%.0f\t%.3f" : "%-6s %4u %9.3f s %8.0f MB/s %8.3f", what,
           options.streams, seconds, mb / seconds,
           (double)processes_total_ns(processes) / 1e9 / gib);
    if (!options.plain) fputs(" CPU s/GiB:", stdout);
    for (size_t i = 0; i < processes->count; i++)
        printf(options.plain ? "\t%s=%.3f" : "  %s %.3f", processes->list[i].name,
               (double)processes->list[i].cpu_ns / 1e9 / gib);
    putchar('\n');
    fflush(stdout);
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"fs", 1, NULL, 'u'},     {"streams", 1, NULL, 's'}, {"size", 1, NULL, 'z'},
        {"buffer", 1, NULL, 'b'}, {"base", 1, NULL, 'd'},    {"replication", 1, NULL, 'r'},
        {"keep", 0, NULL, 'k'},   {"plain", 0, NULL, 'n'},   {NULL, 0, NULL, 0}};
    int option;

    snprintf(options.base, sizeof options.base, "/dfs_io-%d", (int)getpid());
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) switch (option) {
        case 'u': options.uri = optarg; break;
        case 's': options.streams = (unsigned)option_number("streams", optarg, 1, 1000); break;
        case 'z': options.size = option_number("size", optarg, 1, GIB << 20); break;
        case 'b': options.buffer = (size_t)option_number("buffer", optarg, 1, GIB); break;
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
    fs = cluster_connect(options.uri);
    processes_find(&processes, fs);
    for (int i = optind; i < argc; i++) {
        bool write = str_eq(argv[i], "write");
        if (!write && !str_eq(argv[i], "read")) die("%s is neither write nor read", argv[i]);
        processes_begin(&processes);
        int64_t wall = run_threads(options.streams, write ? write_file : read_file, NULL);
        processes_end(&processes);
        report(argv[i], &processes, wall);
    }
    if (!options.keep && fs_delete(fs, options.base, true, NULL, &err)) die("%s", err.text);
    fs_close(fs);
    return 0;
}
