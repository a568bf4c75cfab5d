/*
 * What a namespace costs in memory, and its image in time: builds files in a core of this process, or
 * loads an image, and reads how much memory the process has then.
 *
 *   nn_memory [OPTION...]
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "benchmarks/lib/meter.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rand.h"
#include "namenode/block_manager.h"
#include "namenode/core.h"
#include "namenode/image_load.h"
#include "namenode/image_save.h"

static const char usage[] =
    "Usage: nn_memory [OPTION...]\n"
    "  --files N          1000000\n"
    "  --entries N        files in a directory, 1000\n"
    "  --name N           bytes of a file's name, 12 to 200; 18 is the longest inside an inode\n"
    "  --blocks N         for each hundred files, 120\n"
    "  --replicas N       of each block, 3 (0: no datanodes)\n"
    "  --datanodes N      with one storage each, 20\n"
    "  --save FILE        the image of it, and how long that takes\n"
    "  --load FILE        an image in place of all that\n";

static struct {
    uint64_t files, entries, name, blocks, replicas, datanodes;
    const char *save, *load;
} options = {
    .files = 1000000, .entries = 1000, .name = 18, .blocks = 120, .replicas = 3, .datanodes = 20};

static struct core core;
static uint64_t rss_before_kib;

static void start_core(void)
{
    struct err err = ERR_INIT;
    struct conf *conf = conf_new(); /* the core borrows it */

    if (core_conf_load(&core.conf, conf, &err) || core_init(&core, &err)) die("%s", err.text);
    core.now_ms = clock_mono_ms();
    core.now_wall_ms = clock_wall_ms();
    core.replaying = true;
    inode_set_owner(core.tree.inodes, core.tree.root, "hdfs", "supergroup");
    rss_before_kib = process_rss_kib(getpid());
}

/* --- a namespace --- */

static struct inode *make(struct inode *dir, enum inode_type type, const char *name)
{
    struct inode *inode = inode_new(core.tree.inodes, type, ++core.tree.inode_id_last);

    inode_set_owner(core.tree.inodes, inode, "spark", "hadoop");
    inode_set_name(core.tree.inodes, inode, name, strlen(name));
    inode->mode = 0755;
    inode->mtime_ms = (uint64_t)core.now_wall_ms;
    tree_link(&core.tree, dir, inode);
    return inode;
}

static struct storage **make_storages(void)
{
    struct storage **storages = NEW_ARRAY(struct storage *, options.datanodes);

    for (uint64_t i = 0; i < options.datanodes; i++) {
        char text[64];
        snprintf(text, sizeof text, "dn-%" PRIu64, i);
        struct datanode *node =
            dn_add(&core.datanodes, text, "10.0.0.1", text, (uint16_t)(10000 + i));
        snprintf(text, sizeof text, "ds-%" PRIu64, i);
        storages[i] = dn_add_storage(&core.datanodes, node, text, STORAGE_DISK);
    }
    return storages;
}

static void add_block(struct inode *file, struct storage *const *storages)
{
    struct block_id id = {.id = ++core.block_id_last,
                          .generation_stamp = ++core.generation_stamp,
                          .length = 100 << 20};
    struct block *block = blocks_add(&core, file, &id, BLOCK_COMPLETE);
    uint64_t first = core_random(&core) % options.datanodes;

    inode_append_block(file, block);
    for (uint64_t i = 0; i < options.replicas; i++) /* each time others beside the first */
        replica_add(&core, block, storages[(first + i * (1 + id.id % 6)) % options.datanodes]);
}

static void build(void)
{
    struct storage **storages = make_storages();
    struct err err = ERR_INIT;
    struct inode *dir = NULL;
    uint64_t blocks = 0;
    char name[256];

    for (uint64_t i = 0; i < options.files; i++) {
        if (i % options.entries == 0) {
            snprintf(name, sizeof name, "d%09" PRIu64, i / options.entries);
            dir = make(core.tree.root, INODE_DIRECTORY, name);
        }
        snprintf(name, sizeof name, "f%0*" PRIu64, (int)options.name - 1, i);
        struct inode *file = make(dir, INODE_FILE, name);
        file->replication = MAX(options.replicas, UINT64_C(1)) & 1023;
        if (inode_set_block_size(core.tree.inodes, file, 128 << 20, &err)) die("%s", err.text);
        for (; blocks < (i + 1) * options.blocks / 100; blocks++) add_block(file, storages);
    }
    mem_free(storages);
}

/* --- figures --- */

static void print_memory(void)
{
    uint64_t files = inode_count(core.tree.inodes), blocks = block_map_count(core.blocks);

    malloc_trim(0);
    uint64_t bytes =
        (process_rss_kib(getpid()) - MIN(rss_before_kib, process_rss_kib(getpid()))) * 1024;
    printf("%" PRIu64 " inodes, %" PRIu64 " blocks: %" PRIu64 " MiB more resident, %.1f bytes for "
           "each inode, of which inode, name and id index %.1f\n",
           files, blocks, bytes >> 20, (double)bytes / (double)files,
           (double)inode_table_memory(core.tree.inodes) / (double)files);
}

static void save(void)
{
    int64_t began = clock_mono_ns(), cpu = own_cpu_ns();
    struct err err = ERR_INIT;
    uint8_t md5[IMAGE_MD5_SIZE];
    struct stat info;

    if (image_write_file(&core, 1, options.save, md5, &err)) die("%s", err.text);
    if (stat(options.save, &info)) die("%s is gone", options.save);
    printf("image of %lld MiB saved in %.0f ms, %.0f ms of CPU\n", (long long)info.st_size >> 20,
           (double)(clock_mono_ns() - began) / 1e6, (double)(own_cpu_ns() - cpu) / 1e6);
}

static void load(void)
{
    int64_t began = clock_mono_ns(), cpu = own_cpu_ns();
    struct err err = ERR_INIT;

    if (image_load_file(&core, options.load, &err)) die("%s", err.text);
    printf("image loaded in %.0f ms, %.0f ms of CPU\n", (double)(clock_mono_ns() - began) / 1e6,
           (double)(own_cpu_ns() - cpu) / 1e6);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"files", required_argument, NULL, 'f'},    {"entries", required_argument, NULL, 'e'},
        {"name", required_argument, NULL, 'n'},     {"blocks", required_argument, NULL, 'b'},
        {"replicas", required_argument, NULL, 'r'}, {"datanodes", required_argument, NULL, 'd'},
        {"save", required_argument, NULL, 's'},     {"load", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'f': options.files = option_number("--files", optarg, 1, 1 << 30); break;
        case 'e': options.entries = option_number("--entries", optarg, 1, 1 << 20); break;
        case 'n': options.name = option_number("--name", optarg, 12, 200); break;
        case 'b': options.blocks = option_number("--blocks", optarg, 0, 10000); break;
        case 'r': options.replicas = option_number("--replicas", optarg, 0, 10); break;
        case 'd': options.datanodes = option_number("--datanodes", optarg, 1, 10000); break;
        case 's': options.save = optarg; break;
        case 'l': options.load = optarg; break;
        default: fputs(usage, c == 'h' ? stdout : stderr); exit(c == 'h' ? 0 : 1);
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    log_set_level(LOG_WARN);
    start_core();
    if (options.load)
        load();
    else
        build();
    print_memory();
    if (options.save) save();
    return 0; /* the system takes the memory back faster */
}
