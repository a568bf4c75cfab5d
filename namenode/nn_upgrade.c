#include "namenode/nn_upgrade.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/properties.h"
#include "namenode/apply_tree.h"
#include "namenode/image_save.h"

/* ---- one folder ---- */

static char *below(const struct nn_dir *dir, const char *name)
{
    return mem_printf("%s/%s", dir->root, name);
}

static bool has(const struct nn_dir *dir, const char *name)
{
    char *path = below(dir, name);
    bool there = file_exists(path);

    mem_free(path);
    return there;
}

static int move(const struct nn_dir *dir, const char *from, const char *to, struct err *err)
{
    char *from_path = below(dir, from), *to_path = below(dir, to);
    int rc = file_rename(from_path, to_path, err);

    mem_free(to_path);
    mem_free(from_path);
    return rc;
}

static int discard(const struct nn_dir *dir, const char *name, struct err *err)
{
    char *path = below(dir, name);
    int rc = file_remove_tree(path, err);

    mem_free(path);
    return rc;
}

static int inconsistent(const struct nn_dir *dir, const char *why, struct err *err)
{
    return err_set(err, ERR_INCONSISTENT_STATE, "Directory %s is in an inconsistent state: %s",
                   dir->root, why);
}

/* ---- after a crash ---- */

int nn_upgrade_recover(const struct nn_dir *dir, struct err *err)
{
    bool previous = has(dir, "previous"), current = has(dir, "current/VERSION");
    bool upgrading = has(dir, "previous.tmp"), rolling_back = has(dir, "removed.tmp");
    bool finalizing = has(dir, "finalized.tmp"), checkpoint = has(dir, "lastcheckpoint.tmp");
    int rc = 0;

    if (upgrading + rolling_back + finalizing + checkpoint == 0) return 0;
    if (upgrading + rolling_back + finalizing + checkpoint > 1)
        return inconsistent(dir, "too many temporary directories.", err);
    if (checkpoint)
        return inconsistent(dir, "lastcheckpoint.tmp of a version before 0.23 is there.", err);
    if ((upgrading || finalizing) && previous)
        return inconsistent(dir, "previous and the temporary directory cannot exist together.",
                            err);
    if (rolling_back && current == previous)
        return inconsistent(dir,
                            "one and only one directory current or previous must be present when "
                            "removed.tmp exists.",
                            err);
    log_warn("Storage directory %s: finishing or undoing what was interrupted", dir->root);
    if (finalizing) return discard(dir, "finalized.tmp", err);
    if (rolling_back && current) return discard(dir, "removed.tmp", err);
    if (rolling_back) return move(dir, "removed.tmp", "current", err);
    if (current) return move(dir, "previous.tmp", "previous", err);
    rc = discard(dir, "current", err);
    return rc ? rc : move(dir, "previous.tmp", "current", err);
}

/* ---- upgrade ---- */

bool nn_upgrade_pending(const struct nn_storage *storage)
{
    for (size_t i = 0; i < storage->count; i++)
        if (has(&storage->dirs[i], "previous")) return true;
    return false;
}

/* The journal stays in reach under its old names. */
static int link_edits(const struct nn_dir *dir, struct err *err)
{
    char *from = below(dir, "previous.tmp");
    DIR *list = opendir(from);
    int rc = 0;

    if (!list) rc = err_set_errno(err, errno, "open %s", from);
    for (struct dirent *entry; !rc && (entry = readdir(list));) {
        if (!str_starts(entry->d_name, "edits")) continue;
        char *old = mem_printf("%s/%s", from, entry->d_name);
        char *new = mem_printf("%s/%s", dir->current, entry->d_name);
        if (link(old, new)) rc = err_set_errno(err, errno, "link %s to %s", old, new);
        mem_free(new);
        mem_free(old);
    }
    if (list) closedir(list);
    mem_free(from);
    return rc;
}

static int begin_dir(const struct nn_dir *dir, uint64_t txid, struct err *err)
{
    log_info("Starting upgrade of storage directory %s", dir->root);
    int rc = move(dir, "current", "previous.tmp", err);
    if (!rc) rc = file_mkdirs(dir->current, 0755, err);
    if (!rc) rc = link_edits(dir, err);
    if (!rc) rc = nn_dir_write_seen_txid(dir, txid, err);
    return rc;
}

static int end_dir(struct nn_storage *storage, const struct nn_dir *dir, struct err *err)
{
    if (atomic_load(&dir->failed))
        return err_set(err, ERR_IO, "%s could not be upgraded; see the log", dir->root);
    int rc = nn_dir_write_version(dir, &storage->identity, err);
    if (!rc) rc = file_sync_parent(dir->current, err);
    if (!rc) rc = move(dir, "previous.tmp", "previous", err);
    if (!rc) log_info("Upgrade of %s is complete.", dir->root);
    return rc;
}

int nn_upgrade_run(struct core *core, struct nn_storage *storage, struct err *err)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    int64_t now_ms = clock_wall_ms();
    int rc = 0;

    if (nn_upgrade_pending(storage))
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "previous fs state should not exist during upgrade. Finalize or rollback "
                       "first.");
    if (core->rolling_upgrade_start_ms)
        return err_set(
            err, ERR_ROLLING_UPGRADE,
            "Failed to upgrade namenode since a rolling upgrade is already in progress.");
    log_info("Starting upgrade of local storage directories. Old LV = %d; old CTime = %" PRIu64
             ". New LV = %d; new CTime = %" PRId64,
             storage->identity.layout_version, storage->identity.ctime, LAYOUT_NAMENODE, now_ms);
    storage->identity.layout_version = LAYOUT_NAMENODE;
    storage->identity.ctime = (uint64_t)now_ms;
    core->identity = storage->identity;
    tree_reclaim(core, UINT64_MAX);
    for (size_t i = 0; i < storage->count && !rc; i++)
        rc = begin_dir(&storage->dirs[i], core->txid_applied, err);
    if (!rc) rc = image_save_begin(core, storage, core->txid_applied, md5, err);
    if (!rc) rc = image_save_commit(storage, core->txid_applied, md5, err);
    for (size_t i = 0; i < storage->count && !rc; i++)
        rc = end_dir(storage, &storage->dirs[i], err);
    return rc;
}

/* ---- the ways out ---- */

int nn_upgrade_finalize(struct nn_storage *storage, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < storage->count && !rc; i++) {
        const struct nn_dir *dir = &storage->dirs[i];
        if (!has(dir, "previous")) continue;
        log_info("Finalizing upgrade of storage directory %s", dir->root);
        rc = move(dir, "previous", "finalized.tmp", err);
        if (!rc) rc = discard(dir, "finalized.tmp", err);
        if (!rc) log_info("Finalize upgrade for %s is complete.", dir->root);
    }
    return rc;
}

/* Only a state of this layout can be served again by this version. */
static int check_previous(const struct nn_dir *dir, struct err *err)
{
    struct properties version = {0};
    char *path = below(dir, "previous/VERSION");
    int64_t layout = 0;
    int rc = properties_load(&version, path, err);

    if (!rc) rc = properties_get_int(&version, "layoutVersion", INT32_MIN, 0, &layout, err);
    if (!rc && layout != LAYOUT_NAMENODE)
        rc = err_set(err, ERR_IO,
                     "Cannot rollback to storage version %" PRId64
                     " using this version of the NameNode, which uses storage version %d. Please "
                     "use the previous version of HDFS to perform the rollback.",
                     layout, LAYOUT_NAMENODE);
    properties_release(&version);
    mem_free(path);
    return rc;
}

static int roll_back_dir(const struct nn_dir *dir, struct err *err)
{
    int rc = move(dir, "current", "removed.tmp", err);

    if (!rc) rc = move(dir, "previous", "current", err);
    if (!rc) rc = discard(dir, "removed.tmp", err);
    if (!rc) log_info("Rollback of %s is complete.", dir->root);
    return rc;
}

static int roll_back(struct nn_storage *storage, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < storage->count && !rc; i++) {
        rc = nn_dir_lock(&storage->dirs[i], err);
        if (!rc) rc = nn_upgrade_recover(&storage->dirs[i], err);
        if (!rc && has(&storage->dirs[i], "previous")) rc = check_previous(&storage->dirs[i], err);
    }
    if (!rc && !nn_upgrade_pending(storage))
        rc = err_set(err, ERR_IO,
                     "Cannot rollback. None of the storage directories contain previous fs state.");
    for (size_t i = 0; i < storage->count && !rc; i++)
        if (has(&storage->dirs[i], "previous")) rc = roll_back_dir(&storage->dirs[i], err);
    return rc;
}

int nn_upgrade_rollback(const struct conf *conf, struct err *err)
{
    struct nn_storage *storage;
    int rc = nn_storage_configure(&storage, conf, err);

    if (rc) return rc;
    rc = roll_back(storage, err);
    nn_storage_close(storage);
    return rc;
}
