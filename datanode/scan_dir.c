#include "datanode/scan_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "datanode/block_list.h"
#include "datanode/dataset_internal.h"

enum { FINALIZED_DEPTH_MAX = 4 };

struct volume_scan {
    pthread_t thread;
    struct block_pool *pool;
    uint16_t volume;
    size_t replicas;
    int rc;
    struct err err;
};

/* ---- into the map ---- */

static bool better(const struct replica *a, const struct replica *b)
{
    return a->gs != b->gs ? a->gs > b->gs : a->length > b->length;
}

static void count_replica(struct block_pool *pool, const struct replica *replica, int sign)
{
    account_used(pool, replica->volume, sign * disk_use(replica->length));
    if (replica->state == REPLICA_FINALIZED) account_block(pool, replica->volume, sign);
}

static void drop_files(struct block_pool *pool, const struct replica *replica)
{
    struct pair_paths paths;

    pair_paths(&paths, pool, replica->volume,
               replica->state == REPLICA_FINALIZED ? BLOCK_FINALIZED : BLOCK_RBW, replica->id,
               replica->gs);
    log_warn("%s is a worse duplicate of a block; deleted", paths.data);
    pair_delete(&paths);
}

/* The same block in finalized and rbw of one volume is one too many as well. */
static void add_replica(struct volume_scan *scan, const struct replica *replica)
{
    struct block_pool *pool = scan->pool;
    struct replica other;

    for (;;) {
        if (replica_map_add(pool->map, replica)) {
            count_replica(pool, replica, 1);
            scan->replicas++;
            return;
        }
        if (!replica_map_get(pool->map, replica->id, &other)) continue;
        if (replica_is_open(&other)) { /* only a writer that comes back can have it so early */
            replica_open_put(other.open);
            log_warn("blk_%" PRId64
                     " is on volume %u, too, where its writer comes back; left alone",
                     replica->id, other.volume);
            return;
        }
        /* The very same files, met again after they were moved to their place: no duplicate. */
        if (other.volume == replica->volume && other.state == replica->state) return;
        if (!better(replica, &other)) {
            drop_files(pool, replica);
            return;
        }
        if (!replica_map_replace(pool->map, &other, replica)) continue;
        count_replica(pool, &other, -1);
        count_replica(pool, replica, 1);
        drop_files(pool, &other);
        return;
    }
}

/* ---- finalized ---- */

static int add_finalized(struct volume_scan *scan, const char *dir, const struct block_list *list,
                         int64_t id, struct err *err)
{
    struct replica replica = {.id = id, .volume = scan->volume, .state = REPLICA_FINALIZED};
    char place[PATH_MAX], name[BLOCK_NAME_MAX];
    struct pair_paths here, proper;
    struct stat st;

    if (!block_list_gs(list, id, &replica.gs)) replica.gs = 0;
    block_data_name(name, id);
    snprintf(here.data, sizeof here.data, "%s/%s", dir, name);
    if (stat(here.data, &st)) return err_set_errno(err, errno, "stat %s", here.data);
    if (!S_ISREG(st.st_mode)) return 0;
    replica.length = st.st_size;

    block_dir_path(place, scan->pool->dirs[scan->volume], BLOCK_FINALIZED, id);
    if (!str_eq(place, dir)) {
        block_meta_name(name, id, replica.gs);
        snprintf(here.meta, sizeof here.meta, "%s/%s", dir, name);
        pair_paths(&proper, scan->pool, scan->volume, BLOCK_FINALIZED, id, replica.gs);
        if (file_exists(proper.data)) return 0; /* it is met there */
        int rc = pair_move_in(&here, &proper, err);
        if (rc) return rc;
    }
    add_replica(scan, &replica);
    return 0;
}

static int scan_finalized(struct volume_scan *scan, const char *dir, int depth, struct err *err)
{
    struct block_list list;
    char below[PATH_MAX];

    int rc = block_list_read(dir, &list, err);
    for (size_t i = 0; i < list.data_count && !rc; i++)
        rc = add_finalized(scan, dir, &list, list.datas[i], err);
    for (size_t i = 0; i < list.dir_count && !rc && depth < FINALIZED_DEPTH_MAX; i++) {
        snprintf(below, sizeof below, "%s/%s", dir, list.dirs[i]);
        rc = scan_finalized(scan, below, depth + 1, err);
    }
    block_list_release(&list);
    return rc;
}

/* ---- rbw ---- */

/* Whether two paths are one file. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A move between rbw and finalized broke off: the block is whole in finalized, or is once its data is there too. */
static int join_pair(struct volume_scan *scan, int64_t id, bool *joined, struct err *err)
{
    struct block_pool *pool = scan->pool;
    struct pair_paths from, to;
    struct block_list list;
    char dir[PATH_MAX];
    uint64_t gs;

    block_dir_path(dir, pool->dirs[scan->volume], BLOCK_FINALIZED, id);
    int rc = block_list_read(dir, &list, err);
    *joined = !rc && block_list_gs(&list, id, &gs);
    block_list_release(&list);
    if (!*joined) return rc;
    pair_paths(&from, pool, scan->volume, BLOCK_RBW, id, gs);
    pair_paths(&to, pool, scan->volume, BLOCK_FINALIZED, id, gs);
    if (file_exists(to.data)) {
        *joined = is_same_file(from.data, to.data);
        if (*joined && unlink(from.data)) return err_set_errno(err, errno, "delete %s", from.data);
        return 0;
    }
    log_warn("blk_%" PRId64 ": its files are in rbw and finalized; joined in finalized", id);
    if (rename(from.data, to.data))
        return err_set_errno(err, errno, "move %s to %s", from.data, to.data);
    return 0;
}

/* Was the datanode ended to be back before now, with a writer waiting for this replica? Counts once.
 */
static bool take_promise(const struct volume_scan *scan, int64_t id)
{
    char path[PATH_MAX], text[32] = "";

    block_restart_path(path, scan->pool->dirs[scan->volume], id);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool read = fgets(text, sizeof text, file);
    fclose(file);
    unlink(path);
    return read && strtoll(text, NULL, 10) > clock_wall_ms();
}

/* An RBW that its writer comes back for. All that is proven counts as acknowledged, as a writer that
 * goes on says itself from where. A duplicate elsewhere makes it an ordinary one. */
static void add_expected(struct volume_scan *scan, const struct replica *replica)
{
    struct replica_open *open =
        replica_open_new(replica->id, replica->gs, replica->volume, REPLICA_RBW);
    struct replica entry = {.id = replica->id,
                            .gs = replica->gs,
                            .open = open,
                            .volume = replica->volume,
                            .state = REPLICA_RBW};

    open->on_disk = open->received = open->acked = replica->length;
    open->accounted = disk_use(replica->length);
    if (!replica_map_add(scan->pool->map, &entry)) {
        replica_open_put(open);
        add_replica(scan, replica);
        return;
    }
    account_used(scan->pool, scan->volume, open->accounted);
    scan->replicas++;
    log_info("blk_%" PRId64 "_%" PRIu64 " waits for its writer, with %" PRId64 " bytes",
             replica->id, replica->gs, replica->length);
}

static int add_waiting(struct volume_scan *scan, const struct block_list *list, int64_t id,
                       struct err *err)
{
    struct replica replica = {.id = id, .volume = scan->volume, .state = REPLICA_RWR};
    struct pair_paths paths;
    struct stat st;

    if (!block_list_gs(list, id, &replica.gs)) {
        bool joined;
        int rc = join_pair(scan, id, &joined, err);
        if (!rc && !joined)
            log_warn(
                "blk_%" PRId64
                " in rbw of volume %u has no checksums, so nothing of it is proven; left alone",
                id, scan->volume);
        return rc;
    }
    pair_paths(&paths, scan->pool, scan->volume, BLOCK_RBW, id, replica.gs);
    int rc = block_file_proven(paths.data, paths.meta, &replica.length, err);
    if (rc) return rc;
    if (!stat(paths.data, &st) && st.st_size > replica.length) {
        log_warn("%s: %" PRId64 " of %" PRId64 " bytes are proven by checksums; cut to them",
                 paths.data, replica.length, (int64_t)st.st_size);
        if (truncate(paths.data, replica.length))
            return err_set_errno(err, errno, "truncate %s", paths.data);
    }
    if (take_promise(scan, id))
        add_expected(scan, &replica);
    else
        add_replica(scan, &replica);
    return 0;
}

static int scan_rbw(struct volume_scan *scan, const char *dir, struct err *err)
{
    struct block_list list;

    int rc = block_list_read(dir, &list, err);
    for (size_t i = 0; i < list.data_count && !rc; i++)
        rc = add_waiting(scan, &list, list.datas[i], err);
    block_list_release(&list);
    return rc;
}

/* ---- volumes ---- */

static int clear_tmp(const char *root, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/current/replicas",
             root); /* Apache's cache would be stale after us */
    unlink(path);
    snprintf(path, sizeof path, "%s/tmp", root);
    int rc = file_remove_tree(path, err);
    return rc ? rc : file_mkdirs(path, 0755, err);
}

static void *scan_volume(void *arg)
{
    struct volume_scan *scan = arg;
    const char *root = scan->pool->dirs[scan->volume];
    char dir[PATH_MAX];

    scan->rc = clear_tmp(root, &scan->err);
    snprintf(dir, sizeof dir, "%s/current/rbw", root);
    if (!scan->rc) scan->rc = scan_rbw(scan, dir, &scan->err);
    snprintf(dir, sizeof dir, "%s/current/finalized", root);
    if (!scan->rc) scan->rc = scan_finalized(scan, dir, 0, &scan->err);
    return NULL;
}

int scan_pool(struct block_pool *pool, struct err *err)
{
    size_t count = pool->dataset->volume_count, started = 0;
    struct volume_scan *scans = NEW_ARRAY(struct volume_scan, count);
    int64_t start = clock_mono_ms();
    int rc = 0;

    for (size_t i = 0; i < count; i++) {
        if (atomic_load(&pool->dataset->volumes[i]->failed)) continue;
        scans[started].pool = pool;
        scans[started].volume = (uint16_t)i;
        int failed = pthread_create(&scans[started].thread, NULL, scan_volume, &scans[started]);
        if (failed) {
            rc = err_set_errno(err, failed, "start a thread to scan %s", pool->dirs[i]);
            break;
        }
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(scans[i].thread, NULL);
        if (!scans[i].rc) continue;
        log_error("scan of %s: %s", pool->dirs[scans[i].volume], scans[i].err.text);
        if (!rc) rc = err_set(err, scans[i].rc, "%s", scans[i].err.text);
    }
    if (!rc)
        log_info(
            "Time taken to add all replicas of %s: %" PRId64 " ms, %zu replicas on %zu volumes",
            pool->info.pool_id, clock_mono_ms() - start, replica_map_count(pool->map), started);
    mem_free(scans);
    return rc;
}

int scan_pool_volume(struct block_pool *pool, uint16_t volume, struct err *err)
{
    struct volume_scan *scan = NEW(struct volume_scan);

    scan->pool = pool;
    scan->volume = volume;
    scan_volume(scan);
    int rc = scan->rc;
    if (rc) err_set(err, rc, "%s", scan->err.text);
    if (!rc)
        log_info("%" PRIu64 " replicas found on %s", (uint64_t)scan->replicas, pool->dirs[volume]);
    mem_free(scan);
    return rc;
}
