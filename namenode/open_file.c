#include "namenode/open_file.h"

#include <time.h>

#include "common/log.h"
#include "namenode/block_manager.h"
#include "namenode/quota.h"
#include "namenode/redundancy.h"

enum {
    LEASE_TEXT_FILES_MAX = 1024, /* a message counts a holder's open files up to here */
    LEASE_RECOVERIES_PER_TICK = 1000,
    ORPHAN_RECOVERY_MS = 90 * 1000, /* then another datanode leads it */
};

static const char *const recover_names[] = {"CREATE_FILE", "APPEND_FILE", "TRUNCATE_FILE",
                                            "RECOVER_LEASE"};

const char *block_id_text(const struct block_id *id, struct arena *arena)
{
    return arena_printf(arena, "blk_%" PRId64 "_%" PRIu64, (int64_t)id->id, id->generation_stamp);
}

const char *extended_block_text(const char *pool, const struct block_id *id, struct arena *arena)
{
    return arena_printf(arena, "%s:%s", pool, block_id_text(id, arena));
}

int open_file_check_path(const char *path, struct err *err)
{
    if (strlen(path) <= PATH_BYTES_MAX) return 0;
    return err_set(err, ERR_IO,
                   "Pathname too long: the file was moved to a path of more than %d bytes. Move a "
                   "directory above it nearer to the root first.",
                   PATH_BYTES_MAX);
}

int open_file_locate(struct core *core, struct op *op, const char *src, uint64_t file_id,
                     struct inode **file, const char **path, struct err *err)
{
    if (file_id) {
        struct inode *inode = inode_find(core->tree.inodes, file_id);
        const char *text = inode ? tree_path_of(&core->tree, inode, op->arena) : NULL;
        if (inode) tree_note_seen(&core->tree, inode);
        *file = text ? inode : NULL;
        *path = text ? text : src;
        return open_file_check_path(*path, err);
    }
    struct resolved resolved;
    int rc = resolve_path(&core->tree, src, op->arena, &resolved, err);
    if (rc) return rc;
    *file = resolved.inode;
    *path = resolved.text;
    return 0;
}

/* "P (inode 5) Holder H does not have any open files." or the holder's lease. */
static const char *lease_exception_text(struct core *core, struct op *op, const char *path,
                                        uint64_t file_id, const char *holder)
{
    uint64_t *files = ARENA_ARRAY(op->arena, uint64_t, LEASE_TEXT_FILES_MAX);
    size_t open = holder ? lease_files(core->leases, holder, 0, files, LEASE_TEXT_FILES_MAX) : 0;

    if (open)
        return arena_printf(op->arena,
                            "%s (inode %" PRIu64 ") [Lease.  Holder: %s, pending creates: %zu]",
                            path, file_id, holder, open);
    return arena_printf(op->arena, "%s (inode %" PRIu64 ") Holder %s does not have any open files.",
                        path, file_id, holder ? holder : "null");
}

int open_file_check_lease(struct core *core, struct op *op, struct inode *file, const char *path,
                          uint64_t file_id, const char *holder, struct err *err)
{
    const char *owner;

    if (!file)
        return err_set(err, ERR_NOT_FOUND, "File does not exist: %s",
                       lease_exception_text(core, op, path, file_id, holder));
    if (!inode_is_file(file))
        return err_set(err, ERR_LEASE_EXPIRED, "INode is not a regular file: %s",
                       lease_exception_text(core, op, path, file_id, holder));
    if (!file->under_construction)
        return err_set(err, ERR_LEASE_EXPIRED, "File is not open for writing: %s",
                       lease_exception_text(core, op, path, file_id, holder));
    owner = lease_holder(core->leases, file->id);
    assert(owner); /* an open file has a holder */
    if (holder && !str_eq(owner, holder))
        return err_set(err, ERR_LEASE_EXPIRED, "Client (=%s) is not the lease owner (=%s: %s",
                       holder, owner, lease_exception_text(core, op, path, file_id, holder));
    return 0;
}

bool open_file_progressed(const struct inode *file, bool with_last)
{
    uint32_t count = file->block_count;

    if (!with_last && count) count--;
    for (uint32_t i = count; i-- > 0;) { /* an incomplete one is near the end */
        if (!block_is_complete(inode_block(file, i))) return false;
    }
    return true;
}

uint64_t open_file_awaited_block(const struct inode *file)
{
    for (uint32_t i = file->block_count > 2 ? file->block_count - 2 : 0; i < file->block_count; i++)
        if (!block_is_complete(inode_block(file, i))) return inode_block(file, i)->id;
    return 0;
}

/* The block's length is known now: the quotas give back what it was charged for beyond it. */
static void commit(struct core *core, struct inode *file, struct block *block,
                   const struct block_id *id)
{
    struct quota_mark mark = quota_mark(core, file);

    blocks_commit(core, block, id);
    quota_settle(core, file, &mark);
}

int open_file_commit_last(struct core *core, struct inode *file, const struct block_id *last,
                          struct err *err)
{
    struct block *block = inode_last_block(file);
    struct arena arena = {0};
    int rc = 0;

    if (!last || !block || block_is_complete(block)) return 0;
    struct block_id stored = block_name(block);
    if (block->id != last->id)
        rc = err_set(err, ERR_IO, "Commit block %s, but the last block of the file is %s",
                     block_id_text(last, &arena), block_id_text(&stored, &arena));
    else if (block->state == BLOCK_UNDER_RECOVERY)
        rc = err_set(err, ERR_IO, "Commit or complete block %s, whereas it is under recovery.",
                     block_id_text(last, &arena));
    else if (block->generation_stamp != last->generation_stamp)
        rc = err_set(err, ERR_IO, "Commit block with mismatching GS. NN has %s, client submits %s",
                     block_id_text(&stored, &arena), block_id_text(last, &arena));
    else if (block->length > last->length)
        rc = err_set(err, ERR_IO,
                     "Commit block %s with length %" PRIu64 ", less than the %" PRIu64
                     " bytes that were synced before",
                     block_id_text(last, &arena), last->length, (uint64_t)block->length);
    else if (last->length > inode_block_size(core->tree.inodes, file))
        rc = err_set(
            err, ERR_IO,
            "Commit block %s with length %" PRIu64 ", more than the file's block size %" PRIu64,
            block_id_text(last, &arena), last->length, inode_block_size(core->tree.inodes, file));
    else
        commit(core, file, block, last);
    arena_release(&arena);
    return rc;
}

const struct block_id *open_file_block_ids(const struct inode *file, struct arena *arena)
{
    struct block_id *ids = ARENA_ARRAY(arena, struct block_id, MAX(file->block_count, 1u));

    for (uint32_t i = 0; i < file->block_count; i++) ids[i] = block_name(inode_block(file, i));
    return ids;
}

void open_file_close(struct core *core, struct inode *file, struct arena *arena)
{
    struct edit edit = {
        .op = EDIT_CLOSE,
        .path = tree_path_of(&core->tree, file, arena),
        .mtime_ms = core->now_wall_ms,
        .atime_ms = (int64_t)file->atime_ms,
        .block_size = inode_block_size(core->tree.inodes, file),
        .replication = inode_replication(file),
        .mode = file->mode,
        .user = inode_user(core->tree.inodes, file),
        .group = inode_group(core->tree.inodes, file),
        .blocks = open_file_block_ids(file, arena),
        .block_count = file->block_count,
        .inode = file,
    };

    assert(open_file_progressed(file, true));
    core_edit(core, &edit);
}

/* Whom a recovered file belongs to until it is closed: LeaseManager.getInternalLeaseHolder. */
static const char *internal_holder(struct core *core, struct arena *arena)
{
    time_t seconds = (time_t)(core->now_wall_ms / 1000);
    char text[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    return arena_printf(arena, "HDFS_NameNode-%s,%03dZ", text, (int)(core->now_wall_ms % 1000));
}

static void reassign_lease(struct core *core, struct arena *arena, struct inode *file,
                           const char *path, const char *new_holder)
{
    struct edit edit = {
        .op = EDIT_REASSIGN_LEASE,
        .path = path,
        .client_name = arena_strdup(arena, lease_holder(core->leases, file->id)),
        .new_holder = new_holder,
        .inode = file,
    };

    core_edit(core, &edit);
}

static void start_recovery(struct core *core, const char *path, struct block *last,
                           struct arena *arena)
{
    if (blocks_recovery_id(core, last) && !blocks_recovery_expired(core, last, core->now_ms))
        return;
    struct edit edit = {.op = EDIT_SET_GENSTAMP_V2, .value = blocks_next_generation_stamp(core)};
    core_edit(core, &edit);
    blocks_start_recovery(core, last, edit.value, core->now_ms);
    struct block_id id = block_name(last);
    log_warn("DIR* internalReleaseLease: file %s has not been closed, lease recovery is in "
             "progress: recovery id %" PRIu64 " for %s",
             path, edit.value, block_id_text(&id, arena));
}

/* No datanode has said anything of the last block: it may be that none ever had it, or that its datanodes have not come back since this
 * namenode started, with what the writer was told is safe. When blocks of closed files are missing too, some are away. */
static bool datanodes_are_away(struct core *core, const char *path, const struct block *last,
                               struct arena *arena)
{
    uint64_t missing = redundancy_queue_size(core, REDUNDANCY_CORRUPT);
    struct block_id id = block_name(last);

    if (!missing && !core->manager->scanning) return false;
    log_warn("BLOCK* internalReleaseLease: %s is not closed: no datanode has reported its last "
             "block %s, and %" PRIu64 " other blocks are missing too; start their datanodes",
             path, block_id_text(&id, arena), missing);
    return true;
}

/* A last block that no datanode ever had goes; the file is closed without it. */
static void drop_empty_last(struct core *core, struct inode *file, const char *path,
                            struct arena *arena)
{
    struct edit edit = {.op = EDIT_UPDATE_BLOCKS,
                        .path = path,
                        .blocks = open_file_block_ids(file, arena),
                        .block_count = file->block_count - 1,
                        .inode = file};

    core_edit(core, &edit);
    open_file_close(core, file, arena);
    log_warn("BLOCK* internalReleaseLease: removed the empty last block and closed %s", path);
}

static int incomplete_early_block(const struct inode *file, const char *path, struct err *err)
{
    uint32_t complete = 0;

    while (complete < file->block_count && block_is_complete(inode_block(file, complete)))
        complete++;
    if (complete + 2 < file->block_count || (complete + 2 == file->block_count &&
                                             inode_block(file, complete)->state != BLOCK_COMMITTED))
        return err_set(err, ERR_IO,
                       "DIR* NameSystem.internalReleaseLease: attempt to release a create lock on "
                       "%s but file is already closed.",
                       path);
    return 0;
}

/* FSNamesystem.internalReleaseLease: 1 closed now, 0 recovery runs. */
static int release_lease(struct core *core, struct arena *arena, struct inode *file,
                         const char *path, const char *new_holder, struct err *err)
{
    struct block *last = inode_last_block(file), *penultimate = inode_penultimate_block(file);
    struct storage *expected[1];
    int rc = open_file_check_path(path, err);

    if (rc) return rc;
    if (open_file_progressed(file, true)) {
        open_file_close(core, file, arena);
        log_warn("BLOCK* internalReleaseLease: all existing blocks are COMPLETE, lease removed, "
                 "file %s closed",
                 path);
        return 1;
    }
    rc = incomplete_early_block(file, path, err);
    if (rc) return rc;
    bool penultimate_safe = !penultimate || blocks_has_minimum(core, penultimate);
    if (last->state == BLOCK_COMMITTED) {
        if (penultimate_safe && blocks_has_minimum(core, last)) {
            struct block_id id = block_name(last);
            if (penultimate && !block_is_complete(penultimate))
                blocks_force_complete(core, penultimate);
            if (!blocks_commit(core, last, &id)) blocks_force_complete(core, last);
            open_file_close(core, file, arena);
            return 1;
        }
        if (!penultimate_safe)
            return err_set(err, ERR_BEING_CREATED,
                           "DIR* NameSystem.internalReleaseLease: Failed to release lease for file "
                           "%s. Committed blocks are waiting to be "
                           "minimally replicated.",
                           path);
    }
    const struct block_uc *uc = block_uc(core, last);
    bool unheard = last->length == 0 && !(uc && uc->count) &&
                   !blocks_holders(core, last, expected, 1); /* nor by nodes that died since */
    if (unheard && !datanodes_are_away(core, path, last, arena)) {
        drop_empty_last(core, file, path, arena);
        return 1;
    }
    if (!unheard) start_recovery(core, path, last, arena);
    if (new_holder)
        reassign_lease(core, arena, file, path, new_holder);
    else
        lease_renew(core->leases, lease_holder(core->leases, file->id), core->now_ms);
    return 0;
}

static int refuse(enum recover_lease_op why, int code, const char *path, const char *holder,
                  const char *machine, const char *reason, struct err *err)
{
    return err_set(err, code, "Failed to %s %s for %s on %s because %s", recover_names[why], path,
                   holder, machine, reason);
}

int open_file_recover_lease(struct core *core, struct arena *arena, enum recover_lease_op why,
                            struct inode *file, const char *path, const char *holder,
                            const char *machine, bool force, struct err *err)
{
    if (!file->under_construction) return 1;
    const char *owner = lease_holder(core->leases, file->id);
    assert(owner);
    if (!force && str_eq(owner, holder))
        return refuse(why, ERR_BEING_CREATED, path, holder, machine,
                      arena_printf(arena, "%s is already the current lease holder.", holder), err);
    if (force) return release_lease(core, arena, file, path, holder, err);

    const char *owner_machine = arena_strdup(arena, lease_machine(core->leases, file->id));
    owner = arena_strdup(arena, owner);
    if (lease_soft_expired(core->leases, owner, core->now_ms)) {
        int closed = release_lease(core, arena, file, path, NULL, err);
        if (closed) return closed;
        return refuse(why, ERR_RECOVERY_IN_PROGRESS, path, holder, machine,
                      "lease recovery is in progress. Try again later.", err);
    }
    struct block *last = inode_last_block(file);
    if (last && last->state == BLOCK_UNDER_RECOVERY)
        return refuse(why, ERR_RECOVERY_IN_PROGRESS, path, holder, machine,
                      arena_printf(arena, "another recovery is in progress by %s on %s", owner,
                                   owner_machine),
                      err);
    return refuse(
        why, ERR_BEING_CREATED, path, holder, machine,
        arena_printf(arena, "this file lease is currently owned by %s on %s", owner, owner_machine),
        err);
}

/* All files of one late client, a bounded number of them; false when nothing moved. */
static size_t recover_client(struct core *core, const char *client, size_t budget)
{
    struct arena arena = {0};
    uint64_t ids[64];
    uint64_t after = 0;
    size_t count, done = 0;

    client = arena_strdup(&arena, client);
    const char *holder = internal_holder(core, &arena);
    while (done < budget &&
           (count = lease_files(core->leases, client, after, ids, ARRAY_LEN(ids))) > 0) {
        for (size_t i = 0; i < count; i++, done++) {
            struct inode *file = inode_find(core->tree.inodes, ids[i]);
            const char *path = file ? tree_path_of(&core->tree, file, &arena) : NULL;
            struct err err = ERR_INIT;
            after = ids[i];
            if (!path) {
                lease_remove(core->leases, ids[i]);
            } else if (release_lease(core, &arena, file, path, holder, &err) < 0) {
                log_warn("cannot release the lease of %s on %s: %s", client, path, err.text);
                lease_reassign(core->leases, ids[i], holder, core->now_ms);
            }
        }
    }
    arena_release(&arena);
    return done;
}

/* The writer of the file's last block closed its connection, and nobody renews its lease. */
static bool recover_orphan(struct core *core, struct block *block)
{
    struct inode *file = block->inode ? inode_at(core->tree.inodes, block->inode) : NULL;
    const char *client = file ? lease_holder(core->leases, file->id) : NULL;
    struct arena arena = {0};
    struct err err = ERR_INIT;

    if (!client || inode_last_block(file) != block) return false;
    if (block->state == BLOCK_UNDER_RECOVERY) {
        if (core->now_ms - block_uc(core, block)->recovery_start_ms < ORPHAN_RECOVERY_MS)
            return false;
    } else if (!lease_soft_expired(core->leases, client, core->now_ms)) {
        return false;
    }
    const char *path = tree_path_of(&core->tree, file, &arena);
    log_limited(LOG_INFO, 1000, "the writer of %s, %s, closed its connection and is silent", path,
                client);
    int rc = release_lease(core, &arena, file, path, internal_holder(core, &arena), &err);
    if (rc < 0) log_limited(LOG_WARN, 1000, "cannot release the lease on %s: %s", path, err.text);
    arena_release(&arena);
    return rc >= 0;
}

void lease_monitor_tick(struct core *core)
{
    size_t budget = LEASE_RECOVERIES_PER_TICK;
    const char *client;

    while (budget && (client = lease_next_expired(core->leases, core->conf.lease_hard_limit_ms,
                                                  core->now_ms)) != NULL) {
        size_t done = recover_client(core, client, budget);
        if (!done) break;
        budget -= MIN(budget, done);
    }
    blocks_visit_orphans(core, budget, recover_orphan);
}
