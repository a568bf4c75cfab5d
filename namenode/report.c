#include "namenode/report.h"

#include "common/buf.h"
#include "common/log.h"
#include "namenode/redundancy.h"
#include "namenode/safemode.h"

#define LENGTH_MASK (UINT64_MAX >> 16) /* upper bits of a length are reserved (BlockListAsLongs) */
enum { STATE_MASK = 0xf, DELETIONS_BEFORE_RESET = 100000 };

struct newer_block { /* something later than the report is known about this block */
    uint64_t id;
    UT_hash_handle hh;
};

struct report_job {
    struct storage *storage;
    struct buf records; /* zigzag id, length, generation stamp, state; all varints */
    struct cursor at;
    uint64_t left, count;
    roaring_bitmap_t *missing; /* held as far as we know, not named so far */
    struct newer_block *newer;
    TAILQ_ENTRY(report_job) next;
};

/* ---- the table of states (BlockManager.checkReplicaCorrupt) ---- */

enum corrupt_reason report_judge(const struct block *block, const struct block_id *reported,
                                 enum replica_state state)
{
    bool older = reported->generation_stamp < block->generation_stamp;
    bool other = reported->generation_stamp != block->generation_stamp;

    switch (state) {
    case REPLICA_FINALIZED:
        if (block->state == BLOCK_UNDER_RECOVERY) return CORRUPT_NONE; /* the recovery will say */
        if (block->state == BLOCK_UNDER_CONSTRUCTION)
            return older ? CORRUPT_GENSTAMP_MISMATCH : CORRUPT_NONE;
        if (other) return CORRUPT_GENSTAMP_MISMATCH;
        return reported->length != block->length ? CORRUPT_SIZE_MISMATCH : CORRUPT_NONE;
    case REPLICA_RBW:
    case REPLICA_RWR:
        if (!block_is_complete(block)) return older ? CORRUPT_GENSTAMP_MISMATCH : CORRUPT_NONE;
        if (other) return CORRUPT_GENSTAMP_MISMATCH;
        return state == REPLICA_RWR
                   ? CORRUPT_INVALID_STATE
                   : CORRUPT_NONE; /* RBW: a report that crossed the last packet (HDFS-2791) */
    default: return CORRUPT_INVALID_STATE; /* never reported */
    }
}

/* ---- one replica ---- */

static void note_newer(struct storage *storage, uint64_t id)
{
    struct report_job *job = storage->report;
    struct newer_block *newer;

    if (!job) return;
    HASH_FIND(hh, job->newer, &id, sizeof id, newer);
    if (newer) return;
    newer = NEW(struct newer_block);
    newer->id = id;
    HASH_ADD(hh, job->newer, id, sizeof newer->id, newer);
}

static struct block *find_stored(const struct core *core, uint64_t id)
{
    struct block *block = block_find(core->blocks, id);

    if (!block && BLOCK_ID_IS_STRIPED(id))
        block = block_find(core->blocks, id & ~UINT64_C(15)); /* a part of a group */
    return block;
}

/* Belongs to no file: it may go. Not so one with a stamp that was never given out: then our own metadata is too old, or was gone back
 * to from a rolling upgrade. */
static void report_unknown(struct core *core, struct storage *storage,
                           const struct block_id *reported)
{
    if (reported->generation_stamp > core->generation_stamp && !core->rolled_back) {
        if (safemode_is_startup(core)) core->manager->future_bytes += reported->length;
        log_limited(LOG_WARN, 1000,
                    "BLOCK* %s holds blk_%" PRId64 "_%" PRIu64
                    ", whose generation stamp was never given out (last is %" PRIu64
                    "): it is left alone",
                    dn_name(storage->datanode), (int64_t)reported->id, reported->generation_stamp,
                    core->generation_stamp);
        return;
    }
    replica_delete(storage, reported, DELETE_UNKNOWN);
}

static void take_finalized(struct core *core, struct block *block, struct storage *storage,
                           const struct datanode *hint)
{
    const struct corrupt_replica *corrupt = replica_corrupt(core, block, storage->number);

    if (corrupt && corrupt->reason != CORRUPT_REPORTED)
        replica_clear_corrupt(core, block, storage->number); /* it was mended */
    bool added = replica_add(core, block, storage);
    if (added) redundancy_pending_arrived(core, block, storage);
    if (!added && !corrupt && block->state != BLOCK_COMMITTED) return;
    bool completed = block_try_complete(core, block);
    redundancy_check(core, block, storage->datanode, hint);
    if (completed && core->on_block_complete)
        core->on_block_complete(core->on_block_complete_context, block);
}

void report_replica(struct core *core, struct storage *storage, const struct block_id *reported,
                    enum replica_state state, const struct datanode *hint)
{
    struct block *block = find_stored(core, reported->id);

    if (!block) {
        report_unknown(core, storage, reported);
        return;
    }
    report_saw(storage, block_reference(block));
    if (BLOCK_ID_IS_STRIPED(block->id)) { /* kept, never judged */
        replica_add(core, block, storage);
        return;
    }
    if (replica_recall_bad(storage, reported)) {
        replica_mark_corrupt(core, block, storage, reported, CORRUPT_REPORTED);
        return;
    }
    if (replica_is_doomed(storage, reported)) {
        replica_doom_again(storage, reported);
        return;
    }
    enum corrupt_reason reason = report_judge(block, reported, state);
    if (reason != CORRUPT_NONE) {
        replica_mark_corrupt(core, block, storage, reported, reason);
        return;
    }
    if (!block_is_complete(block))
        block_uc_report(core, block, storage, state, reported->generation_stamp, reported->length);
    /* One ahead of what the client told us so far counts once it has told (updatePipeline). */
    if (state == REPLICA_FINALIZED && reported->generation_stamp == block->generation_stamp)
        take_finalized(core, block, storage, hint);
}

/* An order names block and stamp, not the disk: one for an older replica on any disk of the node would take the new one. */
static void forget_old_orders(struct datanode *node, const struct block_id *id)
{
    struct storage *storage;

    LIST_FOREACH (storage, &node->storages, of_datanode) {
        if (!replica_is_doomed(storage, id)) continue;
        dn_withdraw_deletion(storage, id->id);
        replica_undoom(storage, id->id);
    }
}

void report_received(struct core *core, struct storage *storage, const struct block_id *reported,
                     const struct datanode *hint)
{
    struct block *block = find_stored(core, reported->id);

    if (storage->scheduled)
        storage->scheduled--;
    else if (storage->scheduled_before)
        storage->scheduled_before--;
    note_newer(storage, reported->id);
    /* A copy that was ordered is a new replica, whatever is remembered of an older one there. */
    if (block && block->generation_stamp == reported->generation_stamp &&
        redundancy_is_target(core, block, storage)) {
        if (!block_has_storage(core->blocks, block, storage->number))
            forget_old_orders(storage->datanode, reported);
        redundancy_pending_arrived(core, block, storage);
        redundancy_update(core, block);
    }
    report_replica(core, storage, reported, REPLICA_FINALIZED, hint);
}

/* Which stamp we believe the storage's replica to have. */
static uint64_t believed_stamp(const struct core *core, const struct block *block,
                               const struct storage *storage)
{
    const struct corrupt_replica *corrupt = replica_corrupt(core, block, storage->number);
    const struct uc_replica *replica = block_uc_replica(block_uc(core, block), storage->number);

    if (corrupt) return corrupt->generation_stamp;
    return replica && replica->reported ? replica->generation_stamp : block->generation_stamp;
}

void report_deleted(struct core *core, struct storage *storage, const struct block_id *deleted)
{
    struct block *block = find_stored(core, deleted->id);

    note_newer(storage, deleted->id);
    if (replica_is_doomed(storage, deleted)) replica_undoom(storage, deleted->id);
    if (!block || !block_has_storage(core->blocks, block, storage->number)) return;
    /* The news of an old replica's end says nothing about a newer one. */
    if (!BLOCK_ID_IS_STRIPED(block->id) &&
        deleted->generation_stamp != believed_stamp(core, block, storage))
        return;
    replica_removed(core, block, storage);
}

/* ---- full reports ---- */

void report_saw(struct storage *storage, uint32_t reference)
{
    if (storage->report) roaring_bitmap_remove(storage->report->missing, reference);
}

static void free_job(struct core *core, struct report_job *job)
{
    struct newer_block *newer, *next;

    TAILQ_REMOVE(&core->manager->jobs, job, next);
    job->storage->report = NULL;
    HASH_ITER (hh, job->newer, newer, next) {
        HASH_DEL(job->newer, newer);
        mem_free(newer);
    }
    roaring_bitmap_free(job->missing);
    buf_release(&job->records);
    mem_free(job);
}

void report_abort(struct core *core, struct storage *storage)
{
    if (storage->report) free_job(core, storage->report);
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}
static uint64_t unzigzag(uint64_t value)
{
    return (value >> 1) ^ (~(value & 1) + 1);
}

/* Long form of old datanodes: counts, finalized triples, a delimiter of -1s, quadruples of the others. */
static int normalise_longs(const Pb__StorageBlockReport *report, struct buf *records,
                           uint64_t *count, struct err *err)
{
    const uint64_t *v = report->blocks;
    size_t n = report->n_blocks;

    if (n < 2 || v[0] > n / 3 || v[1] > n / 4)
        return err_set(err, ERR_BAD_MESSAGE, "block report: counts do not fit %zu numbers", n);
    uint64_t finalized = v[0], others = v[1],
             needed = 2 + 3 * finalized + (others ? 3 + 4 * others : 0);
    if (n < needed)
        return err_set(err, ERR_BAD_MESSAGE,
                       "block report: %zu numbers where %" PRIu64 " are needed", n, needed);
    v += 2;
    for (uint64_t i = 0; i < finalized + others; i++) {
        if (i == finalized) {
            if (v[0] != UINT64_MAX || v[1] != UINT64_MAX || v[2] != UINT64_MAX)
                return err_set(err, ERR_BAD_MESSAGE, "block report: Invalid delimiter block");
            v += 3;
        }
        buf_put_varint(records, zigzag((int64_t)v[0]));
        buf_put_varint(records, v[1]);
        buf_put_varint(records, v[2]);
        buf_put_varint(records, i < finalized ? REPLICA_FINALIZED : v[3]);
        v += i < finalized ? 3 : 4;
    }
    *count = finalized + others;
    return 0;
}

static bool read_record(struct cursor *cursor, struct block_id *id, uint64_t *state)
{
    id->id = unzigzag(cursor_varint(cursor));
    id->length = cursor_varint(cursor) & LENGTH_MASK;
    id->generation_stamp = cursor_varint(cursor);
    *state = cursor_varint(cursor) & STATE_MASK;
    return cursor_ok(cursor) && *state <= REPLICA_TEMPORARY;
}

/* All records are read once before the first is believed. */
static int check_records(const struct buf *records, uint64_t count, struct err *err)
{
    struct cursor cursor = cursor_of(records->data, records->length);
    struct block_id id;
    uint64_t state;

    for (uint64_t i = 0; i < count; i++)
        if (!read_record(&cursor, &id, &state))
            return err_set(err, ERR_BAD_MESSAGE,
                           "block report: record %" PRIu64 " of %" PRIu64 " is damaged", i, count);
    if (cursor_left(&cursor))
        return err_set(err, ERR_BAD_MESSAGE,
                       "block report: %zu bytes follow its %" PRIu64 " records",
                       cursor_left(&cursor), count);
    return 0;
}

static int normalise(const Pb__StorageBlockReport *report, struct buf *records, uint64_t *count,
                     struct err *err)
{
    if (!report->has_numberofblocks)
        return report->n_blocks ? normalise_longs(report, records, count, err) : (*count = 0, 0);
    *count = report->numberofblocks;
    for (size_t i = 0; i < report->n_blocksbuffers; i++)
        buf_put(records, report->blocksbuffers[i].data, report->blocksbuffers[i].len);
    return 0;
}

static void finish_job(struct core *core, struct report_job *job)
{
    struct storage *storage = job->storage;
    uint64_t lost = roaring_bitmap_get_cardinality(job->missing);
    uint32_t *references = mem_alloc(lost * sizeof *references + 1);
    bool was_stale = storage->stale;

    roaring_bitmap_to_uint32_array(job->missing, references);
    storage->stale = false;
    storage->reports++;
    replica_forget_undone(storage);
    log_info("BLOCK* processReport: from storage %s node %s, blocks: %" PRIu64 ", lost: %" PRIu64
             ", to delete: %u%s",
             storage->uuid, dn_name(storage->datanode), job->count, lost, storage->deletion_count,
             was_stale ? ", first since registration" : "");
    free_job(core, job);
    for (uint64_t i = 0; i < lost; i++) {
        struct block *block = block_at_or_null(core->blocks, references[i]);
        if (block && block_has_storage(core->blocks, block, storage->number))
            replica_removed(core, block, storage);
    }
    mem_free(references);
    roaring_bitmap_run_optimize(storage->blocks);
    safemode_check(core);
}

/* Answers how many records were handled; the job is gone when that was all. */
static uint32_t run_job(struct core *core, struct report_job *job, uint32_t budget)
{
    uint32_t done = 0;

    for (; job->left && done < budget; done++, job->left--) {
        struct block_id id;
        struct newer_block *newer = NULL;
        uint64_t state = 0;
        bool good = read_record(&job->at, &id, &state);
        assert(good); /* check_records() */
        if (job->newer) HASH_FIND(hh, job->newer, &id.id, sizeof id.id, newer);
        if (!newer) report_replica(core, job->storage, &id, (enum replica_state)state, NULL);
    }
    if (!job->left) finish_job(core, job);
    return done;
}

int report_full(struct core *core, struct storage *storage, const Pb__StorageBlockReport *report,
                struct err *err)
{
    struct report_job *job = NEW(struct report_job);
    int rc = normalise(report, &job->records, &job->count, err);

    if (!rc) rc = check_records(&job->records, job->count, err);
    if (rc) {
        buf_release(&job->records);
        mem_free(job);
        return rc;
    }
    report_abort(core, storage); /* an older one that was not through yet */
    if (storage->deletion_count > DELETIONS_BEFORE_RESET)
        dn_free_deletions(storage); /* the report names what is still there */
    job->storage = storage;
    job->at = cursor_of(job->records.data, job->records.length);
    job->left = job->count;
    job->missing = roaring_bitmap_copy(storage->blocks);
    storage->report = job;
    TAILQ_INSERT_TAIL(&core->manager->jobs, job, next);
    if (job->count <= REPORT_INLINE_BLOCKS) run_job(core, job, UINT32_MAX);
    return 0;
}

bool report_slice(struct core *core, uint32_t budget)
{
    struct report_job *job = TAILQ_FIRST(&core->manager->jobs);

    if (job) run_job(core, job, budget);
    return TAILQ_EMPTY(&core->manager->jobs);
}

/* ---- leases ---- */

static void drop_lease(struct block_manager *manager, uint32_t at)
{
    manager->leases[at]->report_lease_id = 0;
    manager->leases[at] = manager->leases[--manager->lease_count];
}

void report_lease_end(struct core *core, struct datanode *datanode)
{
    for (uint32_t i = core->manager->lease_count; i-- > 0;)
        if (core->manager->leases[i] == datanode) drop_lease(core->manager, i);
    datanode->report_lease_id = 0;
}

static bool lease_expired(const struct core *core, const struct datanode *datanode)
{
    return core->now_ms - datanode->report_lease_ms >= core->conf.report_lease_ms;
}

uint64_t report_lease_grant(struct core *core, struct datanode *datanode)
{
    struct block_manager *manager = core->manager;
    uint32_t max = MIN(core->conf.report_leases_max, (uint32_t)ARRAY_LEN(manager->leases));

    report_lease_end(core, datanode);
    for (uint32_t i = manager->lease_count; i-- > 0;)
        if (lease_expired(core, manager->leases[i])) drop_lease(manager, i);
    if (manager->lease_count >= max) return 0;
    if (!manager->report_lease_last) manager->report_lease_last = core_random(core);
    if (++manager->report_lease_last == 0) manager->report_lease_last = 1;
    datanode->report_lease_id = manager->report_lease_last;
    datanode->report_lease_ms = core->now_ms;
    manager->leases[manager->lease_count++] = datanode;
    return datanode->report_lease_id;
}

bool report_lease_check(struct core *core, struct datanode *datanode, uint64_t id)
{
    if (id == 0) return true;
    return datanode->report_lease_id == id && !lease_expired(core, datanode);
}
