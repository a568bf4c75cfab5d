/* Volumes that come, go and fail while the datanode runs (FsDatasetImpl.addVolume, removeVolumes, handleVolumeFailures). */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "datanode/dataset_internal.h"
#include "datanode/nn_report.h"
#include "datanode/scan_dir.h"

enum { PASSES = 10, PASS_MS = 50 };

/* ---- how many ---- */

struct volume_numbers dataset_volume_numbers(const struct dataset *dataset)
{
    struct volume_numbers numbers = {0};

    for (size_t i = 0; i < dataset->volume_count; i++) {
        const struct volume *v = dataset->volumes[i];
        if (atomic_load(&v->removed)) continue;
        numbers.configured++;
        numbers.failed += atomic_load(&v->failed);
    }
    return numbers;
}

int dataset_check_failures(const struct dataset *dataset, struct err *err)
{
    struct volume_numbers n = dataset_volume_numbers(dataset);
    int tolerated = dataset->failures_tolerated;

    if (n.failed < n.configured && (tolerated < 0 || n.failed <= (size_t)tolerated)) return 0;
    return err_set(err, ERR_IO,
                   "Too many failed volumes - current valid volumes: %zu, volumes configured: %zu, "
                   "volumes failed: %zu, volume failures tolerated: %d",
                   n.configured - n.failed, n.configured, n.failed, tolerated);
}

/* ---- going ---- */

/* A replica in somebody's hands: the writer is asked to leave, then the object counts as gone. */
static bool forget_open(struct block_pool *pool, int64_t id, uint16_t volume)
{
    struct replica replica;
    struct err err = ERR_INIT;
    bool done = false;

    if (!find_locked(pool, id, &replica)) return true;
    if (replica_is_open(&replica) && replica.open->volume == volume) {
        if (stop_writer(pool, replica.open, &err)) log_warn("%s", err.text);
        if (!replica.open->has_writer && !replica.open->gone) {
            replica.gs = replica.open->gs;
            replica.state = replica.open->state;
            release_promise(pool, replica.open);
            replica_map_remove(pool->map, &replica);
            replica.open->gone = true;
            pthread_cond_broadcast(&replica.open->changed);
        }
        done = replica.open->gone;
    }
    release_open(&replica);
    return done;
}

/* Answers how many are left that have to be tried again. */
static size_t forget_replicas(struct block_pool *pool, const struct volume *volume, bool tell,
                              bool writers)
{
    struct replica_list list = {0};
    size_t left = 0;

    for (unsigned cursor = 0; replica_map_next(pool->map, &cursor, &list);) {
        for (size_t k = 0; k < list.count; k++) {
            const struct replica *r = &list.items[k];
            bool open = replica_is_open(r), gone = false;
            if (r->volume != volume->index || (open && !writers)) continue;
            gone =
                open ? forget_open(pool, r->id, volume->index) : replica_map_remove(pool->map, r);
            left += !gone;
            if (gone && tell)
                nn_report_deleted(pool->report, pool->dataset->volumes[volume->index], r->id,
                                  r->gs);
        }
        replica_list_clear(&list);
    }
    replica_list_release(&list);
    return left;
}

void dataset_drop_volume(struct dataset *dataset, const struct volume *volume)
{
    for (size_t i = 0; i < dataset->pool_count; i++)
        forget_replicas(dataset->pools[i], volume, false, false);
}

void dataset_remove_volume(struct dataset *dataset, struct volume *volume)
{
    size_t left = 1;

    atomic_store(&volume->removed, true);
    volume_fail(volume);
    /* Who chose the volume just before comes up with a replica a moment later. */
    for (int pass = 0; pass < PASSES && (left || pass < 2); pass++) {
        left = 0;
        if (pass) clock_sleep_ms(PASS_MS);
        for (size_t i = 0; i < dataset->pool_count; i++)
            left += forget_replicas(dataset->pools[i], volume, true, true);
    }
    if (left) log_warn("volume %s: %zu replicas are still in use", volume->dir, left);
    file_unlock(&volume->lock);
    log_info("Removed volume: %s", volume->dir);
}

/* ---- coming ---- */

static int open_for_pool(struct dataset *dataset, struct volume *volume, struct block_pool *pool,
                         const char *known_uuid, struct err *err)
{
    char uuid[DN_UUID_MAX];

    snprintf(uuid, sizeof uuid, "%s", known_uuid);
    int rc = dn_storage_read(volume, uuid, &pool->info, err);
    if (!rc) rc = dataset_check_duplicate(dataset, volume, err);
    if (!rc) rc = dn_storage_check_pool(volume, &pool->info, DN_REGULAR, err);
    if (!rc && !*volume->uuid) rc = dn_storage_format(volume, uuid, &pool->info, err);
    if (!rc) rc = dn_storage_open_pool(volume, &pool->info, DN_REGULAR, err);
    if (!rc) pool->dirs[volume->index] = dn_storage_pool_dir(volume, pool->info.pool_id);
    return rc;
}

/* News of the same disk's removal may still wait to be sent: what is there comes behind it. A full report might overtake it. */
static void report_replicas(struct block_pool *pool, const struct volume *volume)
{
    struct replica_list list = {0};

    for (unsigned cursor = 0; replica_map_next(pool->map, &cursor, &list);) {
        for (size_t k = 0; k < list.count; k++) {
            const struct replica *r = &list.items[k];
            if (r->volume == volume->index && r->state == REPLICA_FINALIZED && !replica_is_open(r))
                nn_report_received(pool->report, volume, r->id, r->gs, r->length, NULL, 0);
        }
        replica_list_clear(&list);
    }
    replica_list_release(&list);
}

int dataset_add_volume(struct dataset *dataset, struct volume *volume, const char *uuid,
                       struct err *err)
{
    size_t index = dataset->volume_count, pools = dataset->pool_count;
    int rc = 0;

    if (index == REPLICA_VOLUMES_MAX) {
        volume_free(volume);
        return err_set(err, ERR_LIMIT, "more than %d data folders since the start",
                       REPLICA_VOLUMES_MAX);
    }
    volume->index = (uint16_t)index;
    dataset->volumes[index] = volume;
    for (size_t i = 0; i < pools && !rc; i++)
        rc = open_for_pool(dataset, volume, dataset->pools[i], uuid, err);
    for (size_t i = 0; i < pools && !rc; i++)
        rc = scan_pool_volume(dataset->pools[i], volume->index, err);
    dataset->volume_count = index + 1; /* also when it failed: nobody else gets the number */
    if (rc) {
        atomic_store(&volume->removed, true);
        volume_fail(volume);
        dataset_drop_volume(dataset, volume);
        file_unlock(&volume->lock);
        return rc;
    }
    atomic_store(&dataset->picker.count, index + 1);
    for (size_t i = 0; i < pools; i++) report_replicas(dataset->pools[i], volume);
    log_info("Added new volume: %s", volume->dir);
    return 0;
}
