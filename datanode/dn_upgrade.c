#include "datanode/dn_upgrade.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"

enum { DEPTH_MAX = 16 };

static void below(char out[PATH_MAX], const char *root, const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s", root, name);
}

static bool there(const char *root, const char *name)
{
    char path[PATH_MAX];

    below(path, root, name);
    return file_exists(path);
}

static int move(const char *root, const char *from, const char *to, struct err *err)
{
    char a[PATH_MAX], b[PATH_MAX];

    below(a, root, from);
    below(b, root, to);
    return file_rename(a, b, err);
}

static int drop(const char *root, const char *name, struct err *err)
{
    char path[PATH_MAX];

    below(path, root, name);
    return file_remove_tree(path, err);
}

/* ---- after a crash ---- */

static int inconsistent(const char *root, const char *what, struct err *err)
{
    return err_set(err, ERR_INCONSISTENT_STATE, "Directory %s is in an inconsistent state: %s",
                   root, what);
}

static int recover_upgrade(const char *root, bool current, struct err *err)
{
    int rc;

    if (there(root, "previous"))
        return inconsistent(root, "previous and previous.tmp cannot exist together.", err);
    if (current) {
        log_info("Completing previous upgrade for storage directory %s", root);
        return move(root, "previous.tmp", "previous", err);
    }
    log_info("Recovering storage directory %s from previous upgrade", root);
    rc = drop(root, "current", err);
    return rc ? rc : move(root, "previous.tmp", "current", err);
}

static int recover_rollback(const char *root, bool current, struct err *err)
{
    if (current == there(root, "previous"))
        return inconsistent(root,
                            "one and only one directory current or previous must be present when "
                            "removed.tmp exists.",
                            err);
    if (current) {
        log_info("Completing previous rollback for storage directory %s", root);
        return drop(root, "removed.tmp", err);
    }
    log_info("Recovering storage directory %s from previous rollback", root);
    return move(root, "removed.tmp", "current", err);
}

static int recover_finalize(const char *root, struct err *err)
{
    if (there(root, "previous"))
        return inconsistent(root, "previous and finalized.tmp cannot exist together.", err);
    log_info("Completing previous finalize for storage directory %s", root);
    return drop(root, "finalized.tmp", err);
}

int dn_upgrade_recover(const char *root, struct err *err)
{
    bool upgrade = there(root, "previous.tmp"), rollback = there(root, "removed.tmp"),
         finalize = there(root, "finalized.tmp"), current = there(root, "current/VERSION");

    if (upgrade + rollback + finalize > 1)
        return inconsistent(root, "too many temporary directories.", err);
    if (upgrade) return recover_upgrade(root, current, err);
    if (rollback) return recover_rollback(root, current, err);
    if (finalize) return recover_finalize(root, err);
    if (!current && there(root, "previous"))
        return inconsistent(root, "version file in current directory is missing.", err);
    return 0;
}

/* ---- trees of blocks ---- */

typedef int file_fn(const char *from, const char *to, size_t *count, struct err *err);

static int walk(const char *from, const char *to, int depth, file_fn *fn, size_t *count,
                struct err *err);

static int walk_entry(const char *from, const char *to, const char *name, int depth, file_fn *fn,
                      size_t *count, struct err *err)
{
    char a[PATH_MAX], b[PATH_MAX];
    struct stat st;

    below(a, from, name);
    below(b, to, name);
    if (lstat(a, &st)) return err_set_errno(err, errno, "stat %s", a);
    if (S_ISREG(st.st_mode)) return str_starts(name, "blk_") ? fn(a, b, count, err) : 0;
    if (!S_ISDIR(st.st_mode)) return 0;
    if (depth == DEPTH_MAX) return err_set(err, ERR_LIMIT, "%s is too deep below the disk", a);
    return walk(a, b, depth + 1, fn, count, err);
}

/* Calls `fn` for each block file below `from`, with its place below `to`, whose folders are made. */
static int walk(const char *from, const char *to, int depth, file_fn *fn, size_t *count,
                struct err *err)
{
    int rc = file_mkdirs(to, 0755, err);
    if (rc) return rc;
    DIR *dir = opendir(from);
    if (!dir) return errno == ENOENT ? 0 : err_set_errno(err, errno, "open %s", from);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry && errno) rc = err_set_errno(err, errno, "read %s", from);
        if (!entry || rc) break;
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..")) continue;
        rc = walk_entry(from, to, entry->d_name, depth, fn, count, err);
        if (rc) break;
    }
    closedir(dir);
    return rc;
}

/* ---- upgrade ---- */

static int link_one(const char *from, const char *to, size_t *count, struct err *err)
{
    if (link(from, to)) return err_set_errno(err, errno, "link %s to %s", to, from);
    ++*count;
    return 0;
}

/* All that was written to the folder's disk so far. */
static int sync_disk(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || syncfs(fd) ? err_set_errno(err, errno, "sync the disk of %s", dir) : 0;

    if (fd >= 0) close(fd);
    return rc;
}

static int link_blocks(const char *root, struct err *err)
{
    static const char *const FOLDERS[] = {"finalized", "rbw"};
    char from[PATH_MAX], to[PATH_MAX];
    size_t count = 0;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(FOLDERS) && !rc; i++) {
        snprintf(from, sizeof from, "%s/previous.tmp/%s", root, FOLDERS[i]);
        snprintf(to, sizeof to, "%s/current/%s", root, FOLDERS[i]);
        rc = walk(from, to, 0, link_one, &count, err);
    }
    if (!rc) rc = sync_disk(root, err);
    if (!rc) log_info("Linked %zu files of blocks from %s/previous.tmp", count, root);
    return rc;
}

int dn_upgrade_run(const char *root, const struct properties *version, struct err *err)
{
    char path[PATH_MAX];
    int rc;

    rc = drop(root, "previous", err);
    if (!rc) rc = move(root, "current", "previous.tmp", err);
    if (!rc) rc = link_blocks(root, err);
    below(path, root, "current/VERSION");
    if (!rc) rc = properties_save(version, path, err);
    if (!rc) rc = move(root, "previous.tmp", "previous", err);
    if (rc) return err_wrap(err, rc, "upgrade of %s", root);
    log_info("Upgrade of %s is complete", root);
    return 0;
}

/* ---- the ways back ---- */

bool dn_upgrade_has_previous(const char *root)
{
    return there(root, "previous");
}

static int restore_one(const char *from, const char *to, size_t *count, struct err *err)
{
    int64_t old = 0, present = -1;

    int rc = file_size(from, &old, err);
    if (rc) return rc;
    if (file_exists(to)) rc = file_size(to, &present, err);
    if (rc || present >= old) return rc;
    if (rename(from, to)) return err_set_errno(err, errno, "move %s to %s", from, to);
    ++*count;
    return 0;
}

static int restore_trash(const char *root, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    size_t count = 0;

    below(from, root, "trash");
    below(to, root, "current");
    if (!file_exists(from)) return 0;
    int rc = walk(from, to, 0, restore_one, &count, err);
    if (!rc) rc = sync_disk(root, err);
    if (!rc) rc = file_remove_tree(from, err);
    if (!rc) log_info("Restored %zu block files from trash of %s.", count, root);
    return rc;
}

int dn_upgrade_rollback(const char *root, struct err *err)
{
    int rc;

    if (!dn_upgrade_has_previous(root)) return restore_trash(root, err);
    log_info("Rolling back storage directory %s", root);
    rc = move(root, "current", "removed.tmp", err);
    if (!rc) rc = move(root, "previous", "current", err);
    if (!rc) rc = drop(root, "removed.tmp", err);
    if (rc) return err_wrap(err, rc, "rollback of %s", root);
    log_info("Rollback of %s is complete", root);
    return 0;
}

int dn_upgrade_finalize(const char *root, struct err *err)
{
    if (!dn_upgrade_has_previous(root)) return 0;
    log_info("Finalizing upgrade for storage directory %s", root);
    int rc = move(root, "previous", "finalized.tmp", err);
    if (rc) return rc == ERR_NOT_FOUND ? 0 : rc;
    rc = drop(root, "finalized.tmp", err);
    if (!rc) log_info("Finalize upgrade for %s is complete.", root);
    return rc;
}

/* ---- rolling upgrades ---- */

#define ROLLING_MARKER "RollingUpgradeInProgress"

int dn_upgrade_mark_rolling(const char *root, struct err *err)
{
    char path[PATH_MAX];

    below(path, root, ROLLING_MARKER);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return err_set_errno(err, errno, "create %s", path);
    close(fd);
    return 0;
}

int dn_upgrade_clear_rolling(const char *root, struct err *err)
{
    int rc = 0;

    if (there(root, "trash")) rc = drop(root, "trash", err);
    if (rc || !there(root, ROLLING_MARKER)) return rc;
    rc = dn_upgrade_finalize(root, err);
    return rc ? rc : drop(root, ROLLING_MARKER, err);
}
