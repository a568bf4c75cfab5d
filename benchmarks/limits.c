/*
 * What this machine can do without any file system: the kernel's loopback, memory, checksums. Printed
 * beside the other figures, so that one sees which share of them is not ours to change.
 *
 *   limits [FOLDER]     a folder for a file of 256 MiB; default /dev/shm
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "benchmarks/lib/meter.h"
#include "common/clock.h"
#include "common/crc.h"
#include "common/mem.h"
#include "common/net.h"

enum { MESSAGE = 100, ROUND_TRIPS = 30000, PIECE = 64 << 10, BULK_PIECES = 16384 };

static struct {
    int ends[2]; /* of a TCP connection over loopback */
} pair;

static void connect_pair(void)
{
    struct net_addr address = {.host = "127.0.0.1"};
    struct err err = ERR_INIT;
    int listener;

    if (net_listen(&address, 1, &listener, &address.port, &err) ||
        net_connect(&address, DEADLINE_NEVER, &pair.ends[0], &err) ||
        net_wait(listener, EPOLLIN, DEADLINE_NEVER, &err) ||
        net_accept(listener, false, &pair.ends[1], &err))
        die("%s", err.text);
    net_set_nodelay(pair.ends[1]);
    close(listener);
}

static void *echo(void *arg UNUSED)
{
    char message[MESSAGE];
    struct err err = ERR_INIT;

    while (!net_read_full(pair.ends[1], message, MESSAGE, DEADLINE_NEVER, &err))
        if (net_write_full(pair.ends[1], message, MESSAGE, DEADLINE_NEVER, &err)) break;
    close(pair.ends[1]);
    return NULL;
}

static void *drain(void *arg UNUSED)
{
    char *piece = mem_alloc(PIECE);
    size_t got = 1;
    struct err err = ERR_INIT;

    while (got && !net_read_some(pair.ends[1], piece, PIECE, &got, DEADLINE_NEVER, &err)) continue;
    close(pair.ends[1]);
    mem_free(piece);
    return NULL;
}

static void say(const char *what, double value, const char *unit, double cpu, const char *cpu_unit)
{
    printf("%-44s %10.2f %-6s %8.3f %s\n", what, value, unit, cpu, cpu_unit);
    fflush(stdout);
}

static void ping_pong(void)
{
    char message[MESSAGE] = {0};
    pthread_t thread;
    struct err err = ERR_INIT;

    connect_pair();
    if (pthread_create(&thread, NULL, echo, NULL)) die("no thread to be had");
    int64_t start = clock_mono_ns(), cpu = own_cpu_ns();
    for (int i = 0; i < ROUND_TRIPS; i++)
        if (net_write_full(pair.ends[0], message, MESSAGE, DEADLINE_NEVER, &err) ||
            net_read_full(pair.ends[0], message, MESSAGE, DEADLINE_NEVER, &err))
            die("%s", err.text);
    double wall = (double)(clock_mono_ns() - start) / 1000 / ROUND_TRIPS;
    double used = (double)(own_cpu_ns() - cpu) / 1000 / ROUND_TRIPS;
    close(pair.ends[0]);
    pthread_join(thread, NULL);
    say("loopback, 100 bytes there and back", wall, "us", used, "CPU us, both ends");
}

static void say_rate(const char *what, int64_t start, int64_t cpu, uint64_t bytes)
{
    double gib = (double)bytes / (double)GIB;

    say(what, gib / ((double)(clock_mono_ns() - start) / 1e9), "GiB/s",
        (double)(own_cpu_ns() - cpu) / 1e9 / gib, "CPU s/GiB");
}

static void stream_through(const char *what, int file)
{
    char *piece = mem_zalloc(PIECE);
    uint64_t bytes = (uint64_t)PIECE * BULK_PIECES;
    pthread_t thread;
    struct err err = ERR_INIT;
    int rc = 0;

    connect_pair();
    if (pthread_create(&thread, NULL, drain, NULL)) die("no thread to be had");
    int64_t start = clock_mono_ns(), cpu = own_cpu_ns();
    for (int i = 0; !rc && i < BULK_PIECES; i++)
        rc = file < 0 ? net_write_full(pair.ends[0], piece, PIECE, DEADLINE_NEVER, &err)
                      : net_sendfile_full(pair.ends[0], file, (int64_t)(i % 4096) * PIECE, PIECE,
                                          DEADLINE_NEVER, &err);
    if (rc) die("%s", err.text);
    close(pair.ends[0]);
    pthread_join(thread, NULL);
    say_rate(what, start, cpu, bytes);
    mem_free(piece);
}

static void write_file(int file, const char *piece)
{
    int64_t start = clock_mono_ns(), cpu = own_cpu_ns();

    for (int i = 0; i < 4096; i++)
        if (pwrite(file, piece, PIECE, (off_t)i * PIECE) != PIECE) die("cannot write the file");
    say_rate("a new file, written by 64 KiB", start, cpu, (uint64_t)PIECE * 4096);
}

static void work_on_memory(void)
{
    uint8_t *from = mem_zalloc(64 * MIB), *to = mem_zalloc(64 * MIB);
    int64_t start = clock_mono_ns(), cpu = own_cpu_ns();
    uint32_t sum = 0;

    memset(from, 1, 64 * MIB);
    memset(to, 1, 64 * MIB);
    start = clock_mono_ns();
    cpu = own_cpu_ns();
    for (int i = 0; i < 16; i++) {
        memcpy(to, from, 64 * MIB);
        __asm__ volatile("" ::: "memory");
    }
    say_rate("memcpy", start, cpu, 1024 * MIB);
    start = clock_mono_ns();
    cpu = own_cpu_ns();
    for (uint64_t i = 0; i < 1024 * MIB; i += 512) sum ^= crc32c(0, from + i % (64 * MIB), 512);
    say_rate("CRC32C of chunks of 512 bytes", start, cpu, 1024 * MIB);
    if (sum == 1) putchar(' ');
    mem_free(from);
    mem_free(to);
}

int main(int argc, char **argv)
{
    char path[4096], *piece = mem_zalloc(PIECE);

    snprintf(path, sizeof path, "%s/limits.XXXXXX", argc > 1 ? argv[1] : "/dev/shm");
    int file = mkstemp(path);
    if (file < 0) die("cannot make a file in %s", argc > 1 ? argv[1] : "/dev/shm");
    unlink(path);
    ping_pong();
    stream_through("loopback, 64 KiB writes", -1);
    write_file(file, piece);
    stream_through("loopback, sendfile of 64 KiB", file);
    work_on_memory();
    close(file);
    mem_free(piece);
    return 0;
}
