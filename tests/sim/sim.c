#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/log.h"

enum { HEAL_MS = 90 * 60 * 1000, END_MS = 60 * 60 * 1000 };

struct sim sim;

void sim_fail_at(const char *file, int line, const char *format, ...)
{
    va_list args;

    printf("seed %" PRIu64 " fails after %" PRId64 " ms (%s:%d): ", sim.seed, sim.now_ms, file,
           line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

void sim_trace(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim.hash = hash_bytes(text, strlen(text), sim.hash ^ (uint64_t)sim.now_ms);
    if (sim.verbose) printf("%10" PRId64 " %s\n", sim.now_ms, text);
}

static void set_up(void)
{
    rand_seed(&sim.rand, sim.seed);
    sim.now_ms = 1000;
    sim.datanode_count = (uint32_t)between(5, 9);
    sim.client_count = (uint32_t)between(2, 5);
    sim.rack_count = (uint32_t)between(1, 3);
    sim.loss_permille = once_in(3) ? 0 : (uint32_t)between(1, 60);
    sim.repeat_permille = once_in(3) ? 0 : (uint32_t)between(1, 100);
    sim.delay_ms = (uint32_t)between(1, 100);
    sim.calm_ms = (uint32_t)between(10000, 200000); /* between two faults, at most */
    sim.sync_ms = (uint32_t)between(1, 60);
    snprintf(sim.scratch, sizeof sim.scratch, "%s/tusk-sim-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    sim_require(mkdtemp(sim.scratch), "mkdtemp %s", sim.scratch);
    for (uint32_t i = 0; i < sim.datanode_count; i++) dn_setup(i);
}

static void live(int64_t minutes)
{
    nn_format();
    nn_start();
    for (uint32_t i = 0; i < sim.datanode_count; i++) dn_start(&datanodes[i]);
    for (uint32_t i = 0; i < sim.client_count; i++) client_setup(i);
    sim_run(sim.now_ms + 60000, NULL);
    chaos_start();
    sim_run(sim.now_ms + minutes * 60000, NULL);
    sim.ending = true;
    chaos_end();
    sim_require(sim_run(sim.now_ms + END_MS, clients_are_done), "clients do not come to an end");
    sim_run(sim.now_ms + HEAL_MS, is_healed);
    check_healed();
    nn_stop();
}

static double seconds(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void say(double took)
{
    const struct sim_counts *c = &sim.counts;

    printf("seed %" PRIu64 " hash %016" PRIx64 ": %u datanodes, %u clients, %.1f hours in %.1f s; ",
           sim.seed, sim.hash, sim.datanode_count, sim.client_count, (double)sim.now_ms / 3600000,
           took);
    printf("%" PRIu64 " calls, %" PRIu64 " lost, %" PRIu64 " repeated, %" PRIu64 " files, %" PRIu64
           " restarts (%" PRIu64 " torn), %" PRIu64 " checkpoints, %" PRIu64 " replays, ",
           c->calls, c->lost, c->repeated, c->files, c->restarts, c->torn, c->checkpoints,
           c->replays);
    printf("%" PRIu64 " datanode crashes, %" PRIu64 " disks lost, %" PRIu64 " cut off, %" PRIu64
           " corrupted, %" PRIu64 " copies, %" PRIu64 " deletions, %" PRIu64 " recoveries, %" PRIu64
           " pipelines\n",
           c->node_crashes, c->disks_lost, c->partitions, c->corrupted, c->copies, c->deletions,
           c->recoveries, c->pipelines);
}

/* sim SEED [MINUTES [v]] */
int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    double began = seconds(CLOCK_PROCESS_CPUTIME_ID);

    sim.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    sim.verbose = argc > 3;
    log_set_level(sim.verbose ? LOG_DEBUG : LOG_ERROR);
    if (!sim.verbose && log_open("/dev/null", &err)) return 2;
    set_up();
    live(argc > 2 ? strtoll(argv[2], NULL, 10) : 120);
    say(seconds(CLOCK_PROCESS_CPUTIME_ID) - began);
    if (file_remove_tree(sim.scratch, &err)) printf("%s\n", err.text);
    return 0;
}
