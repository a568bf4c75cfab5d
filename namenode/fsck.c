#include "namenode/fsck.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "common/units.h"
#include "namenode/block_manager.h"
#include "namenode/fsck_policies.h"
#include "namenode/handlers.h"
#include "namenode/located.h"
#include "namenode/open_file.h"
#include "namenode/perm.h"
#include "namenode/placement.h"
#include "namenode/redundancy.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"

enum { HOLDERS_MAX = 512 };

/* A directory on the way, and the last of its children that was looked at. */
struct frame {
    uint64_t dir_id;
    char *path;
    uint8_t last[INODE_NAME_MAX];
    size_t last_length;
};

/* NamenodeFsck.ReplicationResult. */
struct result {
    uint64_t files, size, blocks, open_files, open_size, open_blocks;
    uint64_t replicas, expected, missing_replicas;
    uint64_t decommissioned, decommissioning, entering_maintenance, in_maintenance;
    uint64_t under_min, over, under, misplaced, minimally;
    uint64_t missing, missing_size, corrupt_files, corrupt, corrupt_size, queued;
};

struct fsck {
    const struct op *op;
    char *path;
    struct fsck_options options;
    char *start_after, *block_ids;
    int64_t began_ms;
    bool started, failed;
    struct frame *stack;
    size_t depth, capacity;
    uint64_t dirs, symlinks;
    struct result result;
    struct policy_summary policies;
};

struct fsck *fsck_new(const struct op *op, const char *path, const struct fsck_options *options)
{
    struct fsck *fsck = NEW(struct fsck);

    fsck->op = op;
    fsck->path = mem_strdup(path);
    fsck->options = *options;
    if (options->start_after) fsck->start_after = mem_strdup(options->start_after);
    if (options->block_ids) fsck->block_ids = mem_strdup(options->block_ids);
    return fsck;
}

static void pop(struct fsck *fsck)
{
    fsck->depth--;
    mem_free(fsck->stack[fsck->depth].path);
}

void fsck_free(struct fsck *fsck)
{
    if (!fsck) return;
    while (fsck->depth) pop(fsck);
    mem_free(fsck->stack);
    policy_summary_release(&fsck->policies);
    mem_free(fsck->path);
    mem_free(fsck->start_after);
    mem_free(fsck->block_ids);
    mem_free(fsck);
}

/* java.util.Date's text. */
static void put_date(struct buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[64];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &tm);
    buf_put_str(out, text);
}

/* Float.toString(): the fewest digits that are this float; from 10^7 on and below 10^-3 with an exponent ("1.0E-4"). */
static const char *float_text(float value, char text[32])
{
    bool scientific = value != 0 && (value < 1e-3f || value >= 1e7f);
    char digits_text[32];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(digits_text, sizeof digits_text, "%.*e", digits - 1, (double)value);
        if (strtof(digits_text, NULL) != value) continue;
        char *e = strchr(digits_text, 'e');
        int exponent = atoi(e + 1), decimals = MAX(digits - 1, 1);
        *e = '\0';
        if (scientific)
            snprintf(text, 32, "%.*fE%d", decimals, strtod(digits_text, NULL), exponent);
        else
            snprintf(text, 32, "%.*f", MAX(digits - 1 - exponent, 1), (double)value);
        break;
    }
    return text;
}

static void put_percent(struct buf *out, uint64_t part, uint64_t whole)
{
    char text[32];

    buf_printf(out, " (%s %%)", float_text((float)(part * 100) / (float)whole, text));
}

/* ---- replicas ---- */

static const char *replica_status(const struct core *core, const struct fsck *fsck,
                                  const struct block *block, const struct storage *storage)
{
    const struct datanode *dn = storage->datanode;
    enum replica_kind kind = replica_kind(core, block, storage);

    if (dn->admin_state == DN_DECOMMISSIONED) return "DECOMMISSIONED";
    if (dn->admin_state == DN_DECOMMISSIONING) return "DECOMMISSIONING";
    if (fsck->options.maintenance && dn->admin_state == DN_ENTERING_MAINTENANCE)
        return "ENTERING MAINTENANCE";
    if (fsck->options.maintenance && dn->admin_state == DN_IN_MAINTENANCE) return "IN MAINTENANCE";
    if (kind == KIND_CORRUPT) return "CORRUPT";
    if (kind == KIND_EXCESS) return "EXCESS";
    if (dn_is_stale(core, dn)) return "STALE_NODE";
    return storage->stale ? "STALE_BLOCK_CONTENT" : "LIVE";
}

static void put_replicas(const struct core *core, const struct fsck *fsck,
                         const struct block *block, struct buf *out)
{
    const struct fsck_options *o = &fsck->options;
    struct storage *storages[HOLDERS_MAX];
    size_t count;

    if (!o->locations && !o->racks && !o->replica_details && !o->upgrade_domains) return;
    count = block_is_complete(block) ? blocks_holders(core, block, storages, HOLDERS_MAX)
                                     : blocks_expected(core, block, storages, HOLDERS_MAX);
    buf_put_str(out, "  [");
    for (size_t i = 0; i < count; i++) {
        const struct datanode *dn = storages[i]->datanode;
        if (i) buf_put_str(out, ", ");
        if (o->racks)
            buf_printf(out, "%s/%s:%u", dn->location, dn->ip, dn->xfer_port);
        else
            buf_printf(out, "DatanodeInfoWithStorage[%s:%u,%s,%s]", dn->ip, dn->xfer_port,
                       storages[i]->uuid, storage_type_name(storages[i]->type));
        if (o->upgrade_domains)
            buf_printf(out, "(ud=%s)", dn->upgrade_domain ? dn->upgrade_domain : "undefined");
        if (o->replica_details)
            buf_printf(out, "(%s)", replica_status(core, fsck, block, storages[i]));
    }
    buf_put_u8(out, ']');
}

/* ---- files ---- */

struct file_check {
    const struct inode *file;
    const char *path;
    uint64_t missing, missing_size, corrupt, corrupt_size, under, misplaced;
    struct buf report; /* a line per block */
};

static void check_under_replicated(struct fsck *fsck, struct file_check *check, const char *name,
                                   const struct replica_numbers *n, uint32_t total, struct buf *out)
{
    uint32_t wanted = inode_replication(check->file);

    if (total >= wanted || total == 0) return;
    fsck->result.missing_replicas += wanted - total;
    fsck->result.under++;
    check->under++;
    if (!fsck->options.files) buf_printf(out, "\n%s: ", check->path);
    buf_printf(out,
               " Under replicated %s. Target Replicas is %u but found %u live replica(s), %u "
               "decommissioned replica(s), %u decommissioning replica(s)",
               name, wanted, n->of[KIND_LIVE], n->of[KIND_DECOMMISSIONED],
               n->of[KIND_DECOMMISSIONING]);
    if (fsck->options.maintenance)
        buf_printf(out, "%u, entering maintenance replica(s) and %u in maintenance replica(s).\n",
                   n->of[KIND_ENTERING_MAINTENANCE], n->of[KIND_IN_MAINTENANCE]);
    else
        buf_put_str(out, ".\n");
}

static void check_placement(struct core *core, struct fsck *fsck, struct file_check *check,
                            struct block *block, const char *name, struct buf *out)
{
    struct storage *storages[HOLDERS_MAX];
    size_t count = blocks_live(core, block, storages, HOLDERS_MAX);

    if (!count || placement_is_spread(core, storages, count, inode_replication(check->file)))
        return;
    fsck->result.misplaced++;
    if (!fsck->options.files) buf_printf(out, "%s%s: ", check->under ? "" : "\n", check->path);
    check->misplaced++;
    buf_printf(out,
               " Replica placement policy is violated for %s. Block should be additionally "
               "replicated on 1 more rack(s). Total number of racks in the cluster: %u\n",
               name, topology_rack_count(core->datanodes.topology));
    if (fsck->options.replicate) {
        redundancy_check(core, block, NULL, NULL);
        fsck->result.queued++;
    }
}

static void count_media(struct core *core, struct fsck *fsck, const struct inode *file,
                        const struct block *block)
{
    struct storage *storages[HOLDERS_MAX];
    enum storage_type types[HOLDERS_MAX];
    size_t count = blocks_holders(core, block, storages, HOLDERS_MAX);
    uint8_t policy = storage_policy_effective(core->tree.inodes, file);

    for (size_t i = 0; i < count; i++) types[i] = storages[i]->type;
    policy_summary_add(&fsck->policies, storage_policy_or_default(&core->conf, policy), types,
                       count);
}

static void check_block(struct core *core, struct fsck *fsck, struct file_check *check,
                        struct block *block, uint32_t number, struct buf *out)
{
    struct result *r = &fsck->result;
    struct replica_numbers n;
    struct arena arena = {0};
    struct block_id id = block_name(block);
    const char *name = extended_block_text(core->identity.block_pool_id, &id, &arena);

    replicas_count(core, block, &n);
    uint32_t out_of_service = (uint32_t)n.of[KIND_DECOMMISSIONED] + n.of[KIND_DECOMMISSIONING] +
                              n.of[KIND_ENTERING_MAINTENANCE] + n.of[KIND_IN_MAINTENANCE];
    uint32_t live = n.of[KIND_LIVE], total = live + out_of_service;
    r->decommissioned += n.of[KIND_DECOMMISSIONED];
    r->decommissioning += n.of[KIND_DECOMMISSIONING];
    r->entering_maintenance += n.of[KIND_ENTERING_MAINTENANCE];
    r->in_maintenance += n.of[KIND_IN_MAINTENANCE];
    r->replicas += total;
    r->expected += inode_replication(check->file);
    if (total < core->conf.replication_min)
        r->under_min++;
    else
        r->minimally++;
    if (live + n.of[KIND_EXCESS] > inode_replication(check->file)) r->over++;
    bool corrupt = blocks_all_corrupt(core, block);
    if (corrupt) {
        r->corrupt++;
        r->corrupt_size += id.length;
        check->corrupt++;
        check->corrupt_size += id.length;
        buf_printf(out, "\n%s: CORRUPT blockpool %s block blk_%" PRId64 "\n", check->path,
                   core->identity.block_pool_id, (int64_t)id.id);
    }
    check_under_replicated(fsck, check, name, &n, total, out);
    check_placement(core, fsck, check, block, name, out);
    if (fsck->options.storage_policies) count_media(core, fsck, check->file, block);
    buf_printf(&check->report, "%u. %s len=%" PRIu64, number, name, id.length);
    if (total == 0 && !corrupt) {
        buf_put_str(&check->report, " MISSING!");
        r->missing++;
        r->missing_size += id.length;
        check->missing++;
        check->missing_size += id.length;
    } else {
        buf_printf(&check->report, " Live_repl=%u", live);
        put_replicas(core, fsck, block, &check->report);
    }
    buf_put_u8(&check->report, '\n');
    arena_release(&arena);
}

static void report_open_block(struct core *core, struct fsck *fsck, struct file_check *check,
                              struct block *block, uint32_t number)
{
    struct storage *storages[HOLDERS_MAX];
    struct arena arena = {0};
    struct block_id id = block_name(block);

    buf_printf(&check->report,
               "\nUnder Construction Block:\n%u. %s len=%" PRIu64 " Expected_repl=%zu", number,
               extended_block_text(core->identity.block_pool_id, &id, &arena), id.length,
               blocks_expected(core, block, storages, HOLDERS_MAX));
    put_replicas(core, fsck, block, &check->report);
    arena_release(&arena);
}

static void put_damage(const struct file_check *check, bool files, struct buf *out)
{
    const char *before = files ? " " : "", *after = files ? "\n" : "";

    if (check->missing) {
        if (!files) buf_printf(out, "\n%s: ", check->path);
        buf_printf(out, "%sMISSING %" PRIu64 " blocks of total size %" PRIu64 " B%s%s", before,
                   check->missing, check->missing_size, files ? "" : ".", after);
    }
    if (check->corrupt) {
        if (!files) buf_printf(out, "\n%s: ", check->path);
        buf_printf(out, "%sCORRUPT %" PRIu64 " blocks of total size %" PRIu64 " B%s%s", before,
                   check->corrupt, check->corrupt_size, files ? "" : ".", after);
    }
}

static void delete_file(struct core *core, struct fsck *fsck, const char *path)
{
    struct arena arena = {0};
    struct op op = *fsck->op;
    Pb__DeleteRequest request = PB__DELETE_REQUEST__INIT;
    Pb__DeleteResponse response = PB__DELETE_RESPONSE__INIT;
    struct err err = ERR_INIT;

    op.arena = &arena;
    request.src = (char *)path;
    request.recursive = 1;
    if (op_delete(core, &op, &request, &response, &err) < 0) {
        log_error("fsck: cannot delete the corrupted file %s: %s", path, err.text);
        fsck->failed = true;
    } else {
        log_info("fsck: deleted the corrupted file %s", path);
    }
    arena_release(&arena);
}

static void check_file(struct core *core, struct fsck *fsck, const struct inode *file,
                       const char *path, struct buf *out)
{
    struct result *r = &fsck->result;
    struct block *last = inode_last_block(file);
    struct file_check check = {.file = file, .path = path};
    uint64_t length = inode_length(file, true);
    bool open = file->under_construction;
    uint32_t number = 0;

    if (open && !fsck->options.open_for_write) {
        r->open_files++;
        r->open_size += length;
        r->open_blocks += file->block_count;
        return;
    }
    r->files++;
    r->size += length;
    r->blocks += file->block_count;
    if (fsck->options.files || (open && fsck->options.open_for_write))
        buf_printf(out, "%s %" PRIu64 " bytes, replicated: replication=%u, %u block(s)%s: ", path,
                   length, inode_replication(file), file->block_count,
                   open && fsck->options.open_for_write ? ", OPENFORWRITE" : "");
    else if (r->files % 100 == 0)
        buf_put_u8(out, '.');
    for (uint32_t i = 0; i < file->block_count; i++) {
        struct block *block = inode_block(file, i);
        if (block == last && !block_is_complete(block)) break;
        check_block(core, fsck, &check, block, number++, out);
    }
    if (last && !block_is_complete(last)) report_open_block(core, fsck, &check, last, number);
    bool damaged = check.missing || check.corrupt;
    if (damaged) r->corrupt_files++;
    if (damaged || fsck->options.files) {
        if (damaged)
            put_damage(&check, fsck->options.files, out);
        else if (!check.under && !check.misplaced)
            buf_put_str(out, " OK\n");
    }
    if (fsck->options.files && fsck->options.blocks)
        buf_printf(out, "%.*s\n", (int)check.report.length,
                   check.report.length ? (char *)check.report.data : "");
    buf_release(&check.report);
    if (damaged && !open && fsck->options.remove)
        delete_file(core, fsck, path); /* `file` is gone afterwards */
}

/* ---- the walk ---- */

static void check_entry(struct core *core, struct fsck *fsck, struct inode *inode, char *path,
                        struct buf *out)
{
    if ((fsck->dirs + fsck->symlinks + fsck->result.files) % 1000 == 0) buf_put_u8(out, '\n');
    if (inode_is_symlink(inode)) {
        if (fsck->options.files) buf_printf(out, "%s <symlink>\n", path);
        fsck->symlinks++;
    } else if (inode_is_file(inode)) {
        check_file(core, fsck, inode, path, out);
    } else {
        if (fsck->options.files) buf_printf(out, "%s <dir>\n", path);
        fsck->dirs++;
        GROW(fsck->stack, fsck->capacity, fsck->depth + 1);
        fsck->stack[fsck->depth++] = (struct frame){.dir_id = inode->id, .path = path};
        return;
    }
    mem_free(path);
}

static int may_list(struct core *core, struct fsck *fsck, const char *path, struct err *err)
{
    struct arena arena = {0};
    struct resolved resolved;
    struct op op = *fsck->op;
    int rc = resolve_path(&core->tree, path, &arena, &resolved, err);

    op.arena = &arena;
    if (!rc && resolved.inode)
        rc = perm_check(core, &op, &resolved, &(struct perm_request){.target = ACTION_READ_EXECUTE},
                        err);
    arena_release(&arena);
    return rc;
}

/* The next child of the directory on top of the stack, or back to the one above. */
static int walk_on(struct core *core, struct fsck *fsck, struct buf *out, struct err *err)
{
    struct frame *top = &fsck->stack[fsck->depth - 1];
    struct inode *dir = inode_find(core->tree.inodes, top->dir_id), *child;
    uint64_t remaining;

    if (!top->last_length && dir) {
        int rc = may_list(core, fsck, top->path, err);
        if (rc) return rc;
    }
    if (!dir || !inode_is_dir(dir) ||
        !dir_list(&core->tree, dir, top->last, top->last_length, &child, 1, &remaining)) {
        pop(fsck);
        return 0;
    }
    size_t length;
    const uint8_t *name = inode_name(child, &length);
    memcpy(top->last, name, length);
    top->last_length = length;
    check_entry(core, fsck, child,
                mem_printf("%s/%.*s", str_eq(top->path, "/") ? "" : top->path, (int)length,
                           (const char *)name),
                out);
    return 0;
}

/* ---- the report ---- */

static void put_count(struct buf *out, const char *label, uint64_t value, uint64_t whole)
{
    buf_printf(out, "\n %s%" PRIu64, label, value);
    if (whole) put_percent(out, value, whole);
}

static void put_replicated(struct core *core, const struct result *r, struct buf *out)
{
    buf_printf(out, " Total size:\t%" PRIu64 " B", r->size);
    if (r->open_size) buf_printf(out, " (Total open files size: %" PRIu64 " B)", r->open_size);
    buf_printf(out, "\n Total files:\t%" PRIu64, r->files);
    if (r->open_files)
        buf_printf(out, " (Files currently being written: %" PRIu64 ")", r->open_files);
    buf_printf(out, "\n Total blocks (validated):\t%" PRIu64, r->blocks);
    if (r->blocks) buf_printf(out, " (avg. block size %" PRIu64 " B)", r->size / r->blocks);
    if (r->open_blocks)
        buf_printf(out, " (Total open file blocks (not validated): %" PRIu64 ")", r->open_blocks);
    if (r->corrupt_files || r->under_min) {
        buf_put_str(out, "\n  ********************************");
        if (r->under_min) {
            buf_printf(out, "\n  UNDER MIN REPL'D BLOCKS:\t%" PRIu64, r->under_min);
            if (r->blocks) put_percent(out, r->under_min, r->blocks);
            buf_printf(out, "\n  MINIMAL BLOCK REPLICATION:\t%u", core->conf.replication_min);
        }
        if (r->corrupt_files) {
            buf_printf(out, "\n  CORRUPT FILES:\t%" PRIu64, r->corrupt_files);
            if (r->missing_size)
                buf_printf(out,
                           "\n  MISSING BLOCKS:\t%" PRIu64 "\n  MISSING SIZE:\t\t%" PRIu64 " B",
                           r->missing, r->missing_size);
            if (r->corrupt)
                buf_printf(out,
                           "\n  CORRUPT BLOCKS: \t%" PRIu64 "\n  CORRUPT SIZE:\t\t%" PRIu64 " B",
                           r->corrupt, r->corrupt_size);
        }
        buf_put_str(out, "\n  ********************************");
    }
    put_count(out, "Minimally replicated blocks:\t", r->minimally, r->blocks);
    put_count(out, "Over-replicated blocks:\t", r->over, r->blocks);
    put_count(out, "Under-replicated blocks:\t", r->under, r->blocks);
    put_count(out, "Mis-replicated blocks:\t\t", r->misplaced, r->blocks);
    char average[32];
    float value = r->blocks ? (float)r->replicas / (float)r->blocks : 0.0f;
    buf_printf(out,
               "\n Default replication factor:\t%u\n Average block replication:\t%s\n Missing "
               "blocks:\t\t%" PRIu64 "\n Corrupt blocks:\t\t%" PRIu64
               "\n Missing replicas:\t\t%" PRIu64,
               core->conf.replication, float_text(value, average), r->missing, r->corrupt,
               r->missing_replicas);
    if (r->replicas) put_percent(out, r->missing_replicas, r->expected);
    if (r->decommissioned)
        buf_printf(out, "\n DecommissionedReplicas:\t%" PRIu64, r->decommissioned);
    if (r->decommissioning)
        buf_printf(out, "\n DecommissioningReplicas:\t%" PRIu64, r->decommissioning);
    if (r->entering_maintenance)
        buf_printf(out, "\n EnteringMaintenanceReplicas:\t%" PRIu64, r->entering_maintenance);
    if (r->in_maintenance)
        buf_printf(out, "\n InMaintenanceReplicas:\t%" PRIu64, r->in_maintenance);
    buf_printf(out, "\n Blocks queued for replication:\t%" PRIu64 "\n", r->queued);
}

/* There are no erasure coded files: ErasureCodingResult of nothing. */
static const char no_ec_groups[] =
    "\nErasure Coded Block Groups:\n Total size:\t0 B\n Total files:\t0\n Total block groups "
    "(validated):\t0\n Minimally erasure-coded block groups:\t0\n"
    " Over-erasure-coded block groups:\t0\n Under-erasure-coded block groups:\t0\n Unsatisfactory "
    "placement block groups:\t0\n Average block group size:\t0.0\n"
    " Missing block groups:\t\t0\n Corrupt block groups:\t\t0\n Missing internal blocks:\t0\n "
    "Blocks queued for replication:\t0\n";

static void put_end(struct core *core, const struct fsck *fsck, struct buf *out)
{
    buf_put_str(out, "FSCK ended at ");
    put_date(out, core->now_wall_ms);
    buf_printf(out, " in %" PRId64 " milliseconds\n", core->now_ms - fsck->began_ms);
}

static void put_failure(struct core *core, const struct fsck *fsck, const char *why,
                        struct buf *out)
{
    put_end(core, fsck, out);
    buf_printf(out, "%s\n\n\nFsck on path '%s' FAILED", why, fsck->path);
}

static void put_summary(struct core *core, struct fsck *fsck, struct buf *out)
{
    const struct result *r = &fsck->result;
    const char *health = r->missing || r->corrupt ? "CORRUPT" : "HEALTHY";

    buf_printf(out,
               "\nStatus: %s\n Number of data-nodes:\t%u\n Number of racks:\t\t%u\n Total "
               "dirs:\t\t\t%" PRIu64 "\n Total symlinks:\t\t%" PRIu64 "\n\nReplicated Blocks:\n",
               health, dn_live_count(core), topology_rack_count(core->datanodes.topology),
               fsck->dirs, fsck->symlinks);
    put_replicated(core, r, out);
    buf_put_str(out, no_ec_groups);
    if (fsck->options.storage_policies) policy_summary_print(&fsck->policies, out);
    if (fsck->failed) {
        put_failure(core, fsck, "fsck encountered internal errors!", out);
        return;
    }
    put_end(core, fsck, out);
    buf_printf(out, "\n\nThe filesystem under path '%s' is %s", fsck->path, health);
}

/* ---- other questions ---- */

static void list_corrupt(struct core *core, struct fsck *fsck, struct buf *out)
{
    struct arena arena = {0};
    struct op op = *fsck->op;
    Pb__ListCorruptFileBlocksRequest request = PB__LIST_CORRUPT_FILE_BLOCKS_REQUEST__INIT;
    Pb__ListCorruptFileBlocksResponse response = PB__LIST_CORRUPT_FILE_BLOCKS_RESPONSE__INIT;
    struct err err = ERR_INIT;

    op.arena = &arena;
    request.path = fsck->path;
    request.cookie = fsck->start_after;
    if (op_list_corrupt_file_blocks(core, &op, &request, &response, &err) < 0) {
        put_failure(core, fsck, err.text, out);
    } else {
        const Pb__CorruptFileBlocks *corrupt = response.corrupt;
        buf_printf(out, "Cookie:\t%s\n", corrupt->cookie);
        for (size_t i = 0; i < corrupt->n_files; i++) buf_printf(out, "%s\n", corrupt->files[i]);
        buf_printf(out, "\n\nThe filesystem under path '%s' has ", fsck->path);
        if (corrupt->n_files)
            buf_printf(out, "%zu CORRUPT files\n\n", corrupt->n_files);
        else
            buf_printf(out, "%s CORRUPT files\n\n",
                       str_eq(corrupt->cookie, "0") ? "no" : "no more");
    }
    arena_release(&arena);
}

static void check_block_id(struct core *core, struct fsck *fsck, const char *name, struct buf *out)
{
    const struct block *block = block_find(core->blocks, (uint64_t)strtoll(name + 4, NULL, 10));
    struct storage *storages[HOLDERS_MAX];
    struct replica_numbers n;
    struct arena arena = {0};

    if (!block || !block->inode) {
        buf_printf(out, "Block %s does not exist\n", name);
        return;
    }
    replicas_count(core, block, &n);
    const char *path = tree_path_of(&core->tree, inode_at(core->tree.inodes, block->inode), &arena);
    buf_printf(out,
               "Block Id: %s\nBlock belongs to: %s\nNo. of Expected Replica: %u\nNo. of live "
               "Replica: %u\nNo. of excess Replica: %u\nNo. of stale Replica: %u\n"
               "No. of decommissioned Replica: %u\nNo. of decommissioning Replica: %u\n",
               name, path ? path : "a deleted file", block->replication, n.of[KIND_LIVE],
               n.of[KIND_EXCESS], n.stale, n.of[KIND_DECOMMISSIONED], n.of[KIND_DECOMMISSIONING]);
    if (fsck->options.maintenance)
        buf_printf(out,
                   "No. of entering maintenance Replica: %u\nNo. of in maintenance Replica: %u\n",
                   n.of[KIND_ENTERING_MAINTENANCE], n.of[KIND_IN_MAINTENANCE]);
    buf_printf(out, "No. of corrupted Replica: %u\n", n.of[KIND_CORRUPT]);
    size_t count = blocks_holders(core, block, storages, HOLDERS_MAX);
    for (size_t i = count; i-- > 0;) {
        const char *status = replica_status(core, fsck, block, storages[i]);
        buf_printf(out, "Block replica on datanode/rack: %s%s is %s\n",
                   storages[i]->datanode->hostname, storages[i]->datanode->location,
                   str_eq(status, "LIVE") || str_eq(status, "STALE_BLOCK_CONTENT") ? "HEALTHY"
                   : str_eq(status, "STALE_NODE")                                  ? "STALE"
                                                                                   : status);
    }
    arena_release(&arena);
}

static void check_block_ids(struct core *core, struct fsck *fsck, struct buf *out)
{
    buf_printf(out, "FSCK started by %s (auth:SIMPLE) from /%s at ", fsck->op->user,
               fsck->op->client_ip);
    put_date(out, core->now_wall_ms);
    buf_put_u8(out, '\n');
    for (char *rest = fsck->block_ids, *name; (name = strsep(&rest, " ")) != NULL;) {
        if (!*name) continue;
        if (!str_starts(name, "blk_")) {
            buf_printf(out, "Incorrect blockId format: %s\n", name);
            continue;
        }
        buf_put_u8(out, '\n');
        check_block_id(core, fsck, name, out);
    }
}

/* The first step; false when the report is complete with it. */
static bool start(struct core *core, struct fsck *fsck, struct buf *out)
{
    struct arena arena = {0};
    struct resolved path;
    struct op op = *fsck->op;
    struct err err = ERR_INIT;
    bool go_on = false;

    op.arena = &arena;
    fsck->started = true;
    fsck->began_ms = core->now_ms;
    if (fsck->block_ids) {
        if (op_check_superuser(core, fsck->op, "fsck", &err))
            put_failure(core, fsck, err.text, out);
        else
            check_block_ids(core, fsck, out);
        return false;
    }
    buf_printf(out, "FSCK started by %s (auth:SIMPLE) from /%s for path %s at ", fsck->op->user,
               fsck->op->client_ip, fsck->path);
    put_date(out, core->now_wall_ms);
    buf_put_u8(out, '\n');
    int rc = resolve_path(&core->tree, fsck->path, &arena, &path, &err);
    if (!rc) rc = perm_check_traverse(core, &op, &path, &err);
    if (!rc && fsck->options.move)
        rc = err_set(
            &err, ERR_UNSUPPORTED,
            "-move is not supported: save what can be read with 'dfs -get', then use -delete");
    if (rc) {
        put_failure(core, fsck, err.text, out);
    } else if (!path.inode) {
        buf_printf(out, "\n\nPath '%s' does not exist", fsck->path);
    } else if (fsck->options.list_corrupt) {
        list_corrupt(core, fsck, out);
    } else {
        check_entry(core, fsck, path.inode, mem_strdup(fsck->path), out);
        go_on = true;
    }
    arena_release(&arena);
    return go_on;
}

bool fsck_step(struct core *core, struct fsck *fsck, uint32_t budget, struct buf *out)
{
    struct err err = ERR_INIT;

    if (!fsck->started && !start(core, fsck, out)) return false;
    for (; fsck->depth && budget; budget--) {
        if (walk_on(core, fsck, out, &err) < 0) {
            put_failure(core, fsck, err.text, out);
            return false;
        }
    }
    if (fsck->depth) return true;
    put_summary(core, fsck, out);
    return false;
}
