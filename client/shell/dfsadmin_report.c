/* dfsadmin -report and -printTopology. */
#include <stdio.h>
#include <stdlib.h>

#include "client/shell/dfsadmin.h"
#include "client/shell/java_map.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/units.h"
#include "proto/client_namenode.pb-c.h"

static void print_size(const char *label, uint64_t size)
{
    char text[UNITS_TEXT_MAX];

    printf("%s: %" PRIu64 " (%s)\n", label, size, units_bytes((int64_t)size, text));
}

/* DatanodeInfo computes its percentages with floats. */
static void print_percent(const char *label, uint64_t part, uint64_t whole, float of_nothing)
{
    float percent = whole ? (float)part * 100.0f / (float)whole : of_nothing;
    char text[DOUBLE_TEXT_MAX];

    printf("%s: %s%%\n", label, java_fixed((double)percent, 2, text));
}

static const char *decommission_status(int state)
{
    static const char *const texts[] = {"Normal", "Decommission in progress", "Decommissioned",
                                        "Entering maintenance", "In maintenance"};

    return state >= 0 && state < (int)ARRAY_LEN(texts) ? texts[state] : texts[0];
}

/* An own line: Apache's namenode does not tell. */
static void print_progress(const struct fs_datanode *node)
{
    if (node->leaving_blocks < 0) return;
    printf("Blocks to replicate elsewhere: %" PRId64 " (%" PRId64 " in open files)",
           node->leaving_blocks, MAX(node->leaving_in_open_files, (int64_t)0));
    if (node->leaving_seconds_left >= 0)
        printf(", about %" PRId64 " s to go", node->leaving_seconds_left);
    puts("");
}

static void print_datanode(const struct fs_datanode *node)
{
    char name[NET_HOST_MAX], date[UNITS_TEXT_MAX];

    net_reverse(node->ip, name, sizeof name);
    printf("Name: %s:%u (%s)\nHostname: %s\n", node->ip, node->xfer_port, name, node->host);
    if (!str_eq(node->rack, "/default-rack")) printf("Rack: %s\n", node->rack);
    if (*node->upgrade_domain) printf("Upgrade domain: %s\n", node->upgrade_domain);
    printf("Decommission Status : %s\n", decommission_status(node->admin_state));
    print_progress(node);
    print_size("Configured Capacity", node->capacity);
    print_size("DFS Used", node->dfs_used);
    print_size("Non DFS Used", node->non_dfs_used);
    print_size("DFS Remaining", node->remaining);
    print_percent("DFS Used%", node->dfs_used, node->capacity, 100.0f);
    print_percent("DFS Remaining%", node->remaining, node->capacity, 0.0f);
    print_size("Configured Cache Capacity", node->cache_capacity);
    print_size("Cache Used", node->cache_used);
    print_size("Cache Remaining", node->cache_capacity - node->cache_used);
    print_percent("Cache Used%", node->cache_used, node->cache_capacity, 100.0f);
    print_percent("Cache Remaining%", node->cache_capacity - node->cache_used, node->cache_capacity,
                  0.0f);
    printf("Xceivers: %u\n", node->xceivers);
    printf("Last contact: %s\n", date_text(node->last_update_ms, DATE_JAVA, false, date));
    printf("Last Block Report: %s\n",
           node->last_block_report_ms
               ? date_text(node->last_block_report_ms, DATE_JAVA, false, date)
               : "Never");
    printf("Num of Blocks: %u\n\n\n", node->blocks);
}

static int print_datanodes(struct fs *fs, int which, bool asked, const char *title, struct err *err)
{
    struct fs_datanodes *nodes;
    int rc = which ? fs_datanode_report(fs, (enum fs_datanode_report)which, &nodes, err)
                   : fs_slow_datanodes(fs, &nodes, err);

    if (rc) return rc;
    if (nodes->count || asked) printf("%s datanodes (%zu):\n\n", title, nodes->count);
    for (size_t i = 0; i < nodes->count; i++) print_datanode(&nodes->nodes[i]);
    fs_datanodes_free(nodes);
    return 0;
}

static int print_safe_mode(struct fs *fs, const struct fs_stats *stats, struct err *err)
{
    bool on;
    int rc = fs_safe_mode(fs, FS_SAFE_MODE_GET, &on, err);

    if (rc || !on) return rc;
    puts("Safe mode is ON");
    if (stats->blocks_in_future)
        printf("\nWARNING: \n"
               "Name node has detected blocks with generation stamps in future.\n"
               "Forcing exit from safemode will cause %" PRIu64 " byte(s) to be deleted.\n"
               "If you are sure that the NameNode was started with the correct metadata files then "
               "you may proceed "
               "with '-safemode forceExit'\n\n",
               stats->blocks_in_future);
    return 0;
}

static void print_space(const struct fs_stats *stats)
{
    uint64_t present = stats->used + stats->remaining;
    char percent[UNITS_TEXT_MAX];

    print_size("Configured Capacity", stats->capacity);
    print_size("Present Capacity", present);
    print_size("DFS Remaining", stats->remaining);
    print_size("DFS Used", stats->used);
    units_percent(present ? (double)stats->used / (double)present : 0, 2, percent);
    printf("DFS Used%%: %s\n", percent);
}

static void print_priority(bool has_badly, uint64_t badly, bool has_highest, uint64_t highest)
{
    if (has_badly) printf("\tBadly Distributed Blocks: %" PRIu64 "\n", badly);
    if (has_highest)
        printf("\tLow redundancy blocks with highest priority to recover: %" PRIu64 "\n", highest);
}

static int print_replicated(struct fs *fs, struct arena *arena, struct err *err)
{
    Pb__GetFsReplicatedBlockStatsRequest request = PB__GET_FS_REPLICATED_BLOCK_STATS_REQUEST__INIT;
    Pb__GetFsReplicatedBlockStatsResponse *stats;
    int rc = fs_call(fs, "getFsReplicatedBlockStats", &request,
                     &pb__get_fs_replicated_block_stats_response__descriptor, arena, &stats, err);

    if (rc) return rc;
    printf("Replicated Blocks:\n"
           "\tUnder replicated blocks: %" PRIu64 "\n"
           "\tBlocks with corrupt replicas: %" PRIu64 "\n"
           "\tMissing blocks: %" PRIu64 "\n"
           "\tMissing blocks (with replication factor 1): %" PRIu64 "\n",
           stats->low_redundancy, stats->corrupt_blocks, stats->missing_blocks,
           stats->missing_repl_one_blocks);
    print_priority(stats->has_badly_distributed_blocks, stats->badly_distributed_blocks,
                   stats->has_highest_prio_low_redundancy_blocks,
                   stats->highest_prio_low_redundancy_blocks);
    printf("\tPending deletion blocks: %" PRIu64 "\n", stats->pending_deletion_blocks);
    return 0;
}

static int print_striped(struct fs *fs, struct arena *arena, struct err *err)
{
    Pb__GetFsECBlockGroupStatsRequest request = PB__GET_FS_ECBLOCK_GROUP_STATS_REQUEST__INIT;
    Pb__GetFsECBlockGroupStatsResponse *stats;
    int rc = fs_call(fs, "getFsECBlockGroupStats", &request,
                     &pb__get_fs_ecblock_group_stats_response__descriptor, arena, &stats, err);

    if (rc) return rc;
    printf("Erasure Coded Block Groups: \n"
           "\tLow redundancy block groups: %" PRIu64 "\n"
           "\tBlock groups with corrupt internal blocks: %" PRIu64 "\n"
           "\tMissing block groups: %" PRIu64 "\n",
           stats->low_redundancy, stats->corrupt_blocks, stats->missing_blocks);
    print_priority(stats->has_badly_distributed_blocks, stats->badly_distributed_blocks,
                   stats->has_highest_prio_low_redundancy_blocks,
                   stats->highest_prio_low_redundancy_blocks);
    printf("\tPending deletion blocks: %" PRIu64 "\n", stats->pending_deletion_blocks);
    return 0;
}

static const struct {
    const char *option, *title;
    int which; /* 0: the slow ones */
} groups[] = {
    {"-live", "Live", FS_DATANODES_LIVE},
    {"-dead", "Dead", FS_DATANODES_DEAD},
    {"-decommissioning", "Decommissioning", FS_DATANODES_DECOMMISSIONING},
    {"-enteringmaintenance", "Entering maintenance", FS_DATANODES_ENTERING_MAINTENANCE},
    {"-inmaintenance", "In maintenance", FS_DATANODES_IN_MAINTENANCE},
    {"-slownodes", "Slow", 0},
};

int admin_report(struct admin *admin, struct err *err)
{
    bool asked[ARRAY_LEN(groups)], any = false;
    struct arena arena = {.chunks = NULL};
    struct fs_stats stats;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc) rc = fs_stats(fs, &stats, err);
    if (!rc) rc = print_safe_mode(fs, &stats, err);
    if (rc) return rc;
    print_space(&stats);
    rc = print_replicated(fs, &arena, err);
    if (!rc) rc = print_striped(fs, &arena, err);
    arena_release(&arena);
    if (rc) return rc;
    puts("\n-------------------------------------------------");
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        any |= asked[i] = args_pop_option(&admin->args, groups[i].option);
    for (size_t i = 0; i < ARRAY_LEN(groups) && !rc; i++)
        if (asked[i] || !any)
            rc = print_datanodes(fs, groups[i].which, asked[i], groups[i].title, err);
    return rc;
}

/* ---- -printTopology ---- */

static const char *admin_state(int state)
{
    static const char *const texts[] = {"In Service", "Decommission In Progress", "Decommissioned",
                                        "Entering Maintenance", "In Maintenance"};

    return state >= 0 && state < (int)ARRAY_LEN(texts) ? texts[state] : texts[0];
}

static int compare_racks(const void *a, const void *b)
{
    return strcmp((*(const struct fs_datanode *const *)a)->rack,
                  (*(const struct fs_datanode *const *)b)->rack);
}

static void print_rack(const struct fs_datanode *const *nodes, size_t count, struct arena *arena)
{
    const char **names = ARENA_ARRAY(arena, const char *, count);
    size_t *order = ARENA_ARRAY(arena, size_t, count);

    for (size_t i = 0; i < count; i++)
        names[i] = arena_printf(arena, "%s:%u", nodes[i]->ip, nodes[i]->xfer_port);
    java_map_order(names, count, order);
    printf("Rack: %s\n", nodes[0]->rack);
    for (size_t i = 0; i < count; i++) {
        const struct fs_datanode *node = nodes[order[i]];
        char host[NET_HOST_MAX];
        net_reverse(node->ip, host, sizeof host);
        printf("   %s (%s) %s\n", names[order[i]], host, admin_state(node->admin_state));
    }
    putchar('\n');
}

int admin_print_topology(struct admin *admin, struct err *err)
{
    const struct fs_datanode **sorted;
    struct arena arena = {.chunks = NULL};
    struct fs_datanodes *nodes;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc) rc = fs_datanode_report(fs, FS_DATANODES_ALL, &nodes, err);
    if (rc) return rc;
    sorted = ARENA_ARRAY(&arena, const struct fs_datanode *, nodes->count + 1);
    for (size_t i = 0; i < nodes->count; i++) sorted[i] = &nodes->nodes[i];
    qsort(sorted, nodes->count, sizeof *sorted, compare_racks);
    for (size_t i = 0, end; i < nodes->count; i = end) {
        for (end = i + 1; end < nodes->count && str_eq(sorted[end]->rack, sorted[i]->rack);) end++;
        print_rack(sorted + i, end - i, &arena);
    }
    fs_datanodes_free(nodes);
    arena_release(&arena);
    return 0;
}
