/*
 * The client library while datanodes die: client_fault URI TEST PORT=PID… names every datanode's
 * data port and process, and the test kills (or stops) one. The caller restarts it. What was
 * written is read back byte by byte.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/fs.h"
#include "client/in_stream.h"
#include "client/out_stream.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"

enum { BLOCK = 8 * 1024 * 1024, STEP = 100 * 1000, NODES_MAX = 16 };

static struct fs *fs;
static struct err err;
static const char path[] = "/client-fault";
static struct {
    unsigned port;
    pid_t pid;
} nodes[NODES_MAX];
static int node_count;
static int victim_index;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call) {                                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, err.text);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)((i * 2654435761u) >> 13 ^ i >> 20 ^ i);
}

/* Signals a datanode that holds the last block of the file; index counts from the nearest. */
static void hit(int sig, int index)
{
    struct fs_blocks *blocks;

    OK(fs_block_locations(fs, path, 0, UINT64_MAX, &blocks, &err));
    if (!blocks->count) exit(3);
    const struct fs_block *last = &blocks->blocks[blocks->count - 1];
    unsigned port = last->replicas[(size_t)index % last->replica_count].xfer_port;
    fs_blocks_free(blocks);
    for (int i = 0; i < node_count; i++)
        if (nodes[i].port == port) {
            printf("signal %d to the datanode on port %u\n", sig, port);
            kill(nodes[i].pid, sig);
        }
    fflush(stdout);
}

static void write_range(struct out_stream *out, uint64_t offset, uint64_t size)
{
    uint8_t data[STEP];

    while (size) {
        size_t n = (size_t)MIN(size, (uint64_t)STEP);
        for (size_t i = 0; i < n; i++) data[i] = byte_at(offset + i);
        OK(out_stream_write(out, data, n, &err));
        offset += n;
        size -= n;
    }
}

static void verify(uint64_t size)
{
    static uint8_t data[STEP];
    struct in_stream *in;
    uint64_t at = 0;
    ssize_t n;

    OK(fs_open(fs, path, NULL, &in, &err));
    while ((n = in_stream_read(in, data, sizeof data, &err)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (data[i] != byte_at(at + (uint64_t)i)) {
                fprintf(stderr, "wrong byte at %" PRIu64 "\n", at + (uint64_t)i);
                exit(1);
            }
        at += (uint64_t)n;
    }
    OK((int)n);
    OK(at != size);
    in_stream_close(in);
}

static struct out_stream *create(void)
{
    struct fs_create_options options = {.overwrite = true, .block_size = BLOCK, .replication = 3};
    struct out_stream *out;

    OK(fs_create(fs, path, &options, &out, &err));
    return out;
}

/* A datanode dies after a flush, and there may be none to replace it. Prints how many go on. */
static void test_lone(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 1000);
    OK(out_stream_hflush(out, &err));
    hit(sig, victim_index);
    write_range(out, 1000, 100000);
    OK(out_stream_hflush(out, &err));
    printf("%u replicas left\n", out_stream_replicas(out));
    write_range(out, 101000,
                2 * (uint64_t)BLOCK); /* and the next blocks are set up with what is there */
    OK(out_stream_close(out, &err));
    verify(101000 + 2 * (uint64_t)BLOCK);
}

/* In the middle of a stream. */
static void test_stream(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 10 * 1000 * 1000);
    hit(sig, victim_index);
    write_range(out, 10 * 1000 * 1000, 20 * 1000 * 1000);
    OK(out_stream_close(out, &err));
    verify(30 * 1000 * 1000);
}

/* Between two flushes, and again with an unfinished chunk that was flushed. */
static void test_flushed(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 1000);
    OK(out_stream_hflush(out, &err));
    hit(sig, victim_index);
    write_range(out, 1000, 10);
    OK(out_stream_hflush(out, &err));
    verify(1010);
    printf("%u replicas\n", out_stream_replicas(out));
    write_range(out, 1010, 100000);
    OK(out_stream_hsync(out, OUT_SYNC_UPDATE_LENGTH, &err));
    OK(out_stream_close(out, &err));
    verify(101010);
}

/* While nobody writes: the lease keeper's heartbeat meets it, the next write recovers. */
static void test_idle(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 1000);
    OK(out_stream_hflush(out, &err));
    hit(sig, victim_index);
    clock_sleep_ms(12000);
    OK(out_stream_close(out, &err));
    verify(1000);
}

/* Between the last byte and close. */
static void test_close(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 5 * 1000 * 1000);
    OK(out_stream_hflush(out, &err));
    hit(sig, victim_index);
    OK(out_stream_close(out, &err));
    verify(5 * 1000 * 1000);
}

/* The namenode still counts on a dead datanode: setting up a block fails until it is excluded. */
static void test_setup(int sig)
{
    struct out_stream *out = create();

    write_range(out, 0, 1000);
    OK(out_stream_hflush(out, &err));
    hit(sig, victim_index);
    OK(out_stream_close(out, &err));
    for (int i = 0; i < 6; i++) {
        out = create();
        write_range(out, 0, 1000);
        OK(out_stream_close(out, &err));
    }
    verify(1000);
}

/* While reading. */
static void test_read(int sig)
{
    struct out_stream *out = create();
    static uint8_t data[STEP];
    struct in_stream *in;
    uint64_t at = 0;
    ssize_t n;
    bool done = false;

    write_range(out, 0, 30 * 1000 * 1000);
    OK(out_stream_close(out, &err));
    OK(fs_open(fs, path, NULL, &in, &err));
    while ((n = in_stream_read(in, data, sizeof data, &err)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (data[i] != byte_at(at + (uint64_t)i)) exit(1);
        at += (uint64_t)n;
        if (at > 10 * 1000 * 1000 && !done) {
            hit(sig, 0);
            done = true;
        }
    }
    OK((int)n);
    OK(at != 30 * 1000 * 1000);
    in_stream_close(in);
    verify(30 * 1000 * 1000);
}

/* The nearest datanode hangs under positional reads: with hedged reads they go on. */
static void test_hedge(int sig UNUSED)
{
    struct out_stream *out = create();
    static uint8_t data[STEP];
    struct in_stream *in;
    const uint64_t size = 30 * 1000 * 1000;

    write_range(out, 0, size);
    OK(out_stream_close(out, &err));
    OK(fs_open(fs, path, NULL, &in, &err));
    for (uint64_t at = 0, round = 0; round < 300; round++, at = (at + 7777777) % (size - STEP)) {
        if (round == 100) hit(SIGSTOP, 0);
        int64_t start = clock_mono_ms();
        ssize_t n = in_stream_pread(in, at, data, STEP, &err);
        OK(n != STEP);
        OK(clock_mono_ms() - start > 5000);
        for (ssize_t i = 0; i < n; i++) OK(data[i] != byte_at(at + (uint64_t)i));
    }
    in_stream_close(in);
    int64_t start = clock_mono_ms();
    fs_close(fs); /* attempts that hang do not hold it up */
    OK(clock_mono_ms() - start > 5000);
    for (int i = 0; i < node_count; i++) kill(nodes[i].pid, SIGCONT);
    printf("hedge: ok\n");
    exit(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(int sig);
    } tests[] = {
        {"stream", test_stream}, {"flushed", test_flushed}, {"idle", test_idle},
        {"close", test_close},   {"setup", test_setup},     {"read", test_read},
        {"hedge", test_hedge},   {"lone", test_lone},
    };
    struct conf *conf = conf_new();
    int sig = getenv("SIGNAL") ? atoi(getenv("SIGNAL")) : SIGKILL;

    if (argc < 4) {
        fprintf(stderr, "usage: %s hdfs://host:port test port=pid…\n", argv[0]);
        return 2;
    }
    victim_index = getenv("VICTIM") ? atoi(getenv("VICTIM")) : 0;
    for (int i = 3; i < argc && node_count < NODES_MAX; i++)
        if (sscanf(argv[i], "%u=%d", &nodes[node_count].port, &nodes[node_count].pid) == 2)
            node_count++;
    /* key=value ... for the configuration */
    char *settings = getenv("SET");
    for (char *set = settings ? strtok(settings, " ") : NULL; set; set = strtok(NULL, " ")) {
        char *equals = strchr(set, '=');
        if (!equals) return 2;
        *equals = '\0';
        OK(conf_set(conf, set, equals + 1, &err));
    }
    OK(fs_connect(conf, argv[1], NULL, &fs, &err));
    conf_free(conf);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        if (str_eq(tests[i].name, argv[2])) {
            int64_t start = clock_mono_ms();
            tests[i].run(sig);
            printf("%s: ok, %" PRId64 " ms\n", tests[i].name, clock_mono_ms() - start);
        }
    OK(fs_delete(fs, path, false, NULL, &err));
    fs_close(fs);
    return 0;
}
