#include "client/shell/trash.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "client/shell/trash_roots.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/path.h"

enum { CHECKPOINT_ATTEMPTS = 1000, CONFLICTS_MAX = 100 };

#define CURRENT "Current"

static void say(const char *level, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(const char *level, const char *format, ...)
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / SECOND_MS);
    char when[32];
    struct tm tm;
    va_list args;

    fflush(stdout);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
    fprintf(stderr, "%s,%03d %s fs.TrashPolicyDefault: ", when, (int)(now % SECOND_MS), level);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int trash_enabled(struct shell *shell, struct vfs *vfs, bool *enabled, struct err *err)
{
    struct fs_server_defaults defaults;
    int rc;

    *enabled = conf_float(shell->conf, CONF_fs_trash_interval) > 0;
    if (vfs_is_local(vfs)) return 0;
    rc = fs_server_defaults(vfs->hdfs, &defaults, err);
    if (rc)
        return err_set(
            err, rc, "Failed to get server trash configuration. Consider using -skipTrash option");
    if (defaults.trash_interval_min) *enabled = true;
    return 0;
}

/* Where an item goes, as paths without scheme. */
struct place {
    char *root;   /* ".Trash" of its user, zone or snapshot directory */
    char *parent; /* root/Current and the item's directory */
    char *path;
};

static void place_release(struct place *place)
{
    mem_free(place->root);
    mem_free(place->parent);
    mem_free(place->path);
}

static void place_of(struct place *place, const char *root, const char *path)
{
    char *directory = path_parent(path);

    place->parent =
        mem_printf("%s/" CURRENT "%s", root, directory && directory[1] ? directory : "");
    place->path = mem_printf("%s/" CURRENT "%s", root, path);
    mem_free(directory);
}

/* A file stands where a directory is needed: the directory gets a name of its own (the time behind
 * it). */
static int step_aside(struct vfs *vfs, struct place *place, struct err *err)
{
    char *blocking = mem_strdup(place->parent), *parent;
    bool exists = false;
    int rc = 0;

    while (!rc && !exists && blocking) {
        rc = vfs_exists(vfs, blocking, &exists, err);
        if (rc || exists) break;
        parent = path_parent(blocking);
        mem_free(blocking);
        blocking = parent;
    }
    if (!rc && blocking) {
        parent = mem_printf("%s%" PRId64 "%s", blocking, clock_wall_ms(),
                            place->parent + strlen(blocking));
        mem_free(place->parent);
        place->parent = parent;
        char *path = path_join(place->parent, path_name(place->path));
        mem_free(place->path);
        place->path = path;
    }
    mem_free(blocking);
    return rc;
}

static int make_parent(struct vfs *vfs, struct place *place, struct err *err)
{
    for (int i = 0; i < CONFLICTS_MAX; i++) {
        int rc = vfs_mkdirs(vfs, place->parent, 0700, err);
        if (rc != ERR_EXISTS && rc != ERR_NOT_DIRECTORY) return rc;
        rc = step_aside(vfs, place, err);
        if (rc) return rc;
    }
    return err_set(err, ERR_LIMIT, "too many files stand in the way of %s", place->parent);
}

/* Takes another name when there is one of that name in the trash already. */
static int find_name(struct vfs *vfs, struct place *place, struct err *err)
{
    char *wanted = mem_strdup(place->path);
    bool exists;
    int rc;

    while (!(rc = vfs_exists(vfs, place->path, &exists, err)) && exists) {
        mem_free(place->path);
        place->path = mem_printf("%s%" PRId64, wanted, clock_wall_ms());
    }
    mem_free(wanted);
    return rc;
}

static int move_item(struct vfs *vfs, const struct item *item, struct place *place, struct err *err)
{
    char *from = vfs_qualify(vfs, item->path, false), *to;
    int rc = 0;

    for (int attempt = 0; attempt < 2;
         attempt++) { /* the emptier may take Current away in between */
        rc = make_parent(vfs, place, err);
        if (rc) break;
        rc = find_name(vfs, place, err);
        if (!rc) rc = vfs_rename2(vfs, item->path, place->path, FS_RENAME_TO_TRASH, err);
        if (!rc) break;
    }
    to = vfs_qualify(vfs, place->path, false);
    if (!rc) {
        say("INFO", "Moved: '%s' to trash at: %s", from, to);
    } else {
        char line[ERR_TEXT_MAX];
        shell_error_text(err, line, sizeof line);
        err_set(err, rc, "Failed to move %s to trash %s: %.900s", from, to, line);
    }
    mem_free(from);
    mem_free(to);
    return rc;
}

int trash_move(struct shell *shell, const struct item *item, bool *moved, struct err *err)
{
    struct place place = {.root = NULL};
    bool enabled;
    int rc = trash_enabled(shell, item->vfs, &enabled, err);

    *moved = false;
    if (rc || !enabled) return rc;
    rc = trash_root(item->vfs, item->path, &place.root, err);
    if (rc) return rc;
    char *home = path_parent(place.root);
    if (path_is_under(item->path, place.root)) {
        *moved = false;
    } else if (path_is_under(home, item->path)) {
        rc = err_set(err, ERR_IO,
                     "Cannot move \"%s%s\" to the trash, as it contains the trash. Consider using "
                     "-skipTrash option",
                     item->vfs->prefix, item->path);
    } else {
        place_of(&place, place.root, item->path);
        rc = move_item(item->vfs, item, &place, err);
        *moved = rc == 0;
    }
    mem_free(home);
    place_release(&place);
    return rc;
}

/* ---- expunge ---- */

static int create_checkpoint(struct vfs *vfs, const char *root, struct err *err)
{
    char *current = path_join(root, CURRENT), *checkpoint = NULL, stamp[32];
    time_t now = time(NULL);
    bool exists;
    struct tm tm;
    int rc = vfs_exists(vfs, current, &exists, err);

    strftime(stamp, sizeof stamp, "%y%m%d%H%M%S", localtime_r(&now, &tm));
    for (int attempt = 0; !rc && exists; attempt++) {
        mem_free(checkpoint);
        checkpoint = attempt ? mem_printf("%s/%s-%d", root, stamp, attempt)
                             : mem_printf("%s/%s", root, stamp);
        rc = vfs_rename2(vfs, current, checkpoint, 0, err);
        if (!rc) {
            say("INFO", "Created trash checkpoint: %s", checkpoint);
            break;
        }
        if (rc != ERR_EXISTS) break;
        rc = attempt < CHECKPOINT_ATTEMPTS
                 ? 0
                 : err_set(err, ERR_EXISTS, "Failed to checkpoint trash: %s%s", vfs->prefix,
                           checkpoint);
    }
    mem_free(checkpoint);
    mem_free(current);
    return rc;
}

/* "yyMMddHHmmss" or, of Hadoop 1, "yyMMddHHmm", with anything behind; local time. */
static bool checkpoint_time(const char *name, int64_t *ms)
{
    struct tm tm = {.tm_isdst = -1};
    int fields[6] = {0}, digits = 0;

    while (digits < 12 && isdigit((unsigned char)name[digits])) {
        fields[digits / 2] = fields[digits / 2] * 10 + name[digits] - '0';
        digits++;
    }
    if (digits < 10) return false;
    tm.tm_year = 100 + fields[0];
    tm.tm_mon = fields[1] - 1;
    tm.tm_mday = fields[2];
    tm.tm_hour = fields[3];
    tm.tm_min = fields[4];
    tm.tm_sec = fields[5];
    *ms = (int64_t)mktime(&tm) * SECOND_MS;
    return true;
}

static int delete_entry(struct vfs *vfs, const char *path, struct err *err)
{
    bool deleted;
    int rc = vfs_delete(vfs, path, true, &deleted, err);

    if (rc) return rc;
    if (deleted)
        say("INFO", "Deleted trash checkpoint: %s", path);
    else
        say("WARN", "Couldn't delete checkpoint: %s Ignoring.", path);
    return 0;
}

static int delete_checkpoints(struct shell *shell, struct vfs *vfs, const char *root, bool all,
                              struct err *err)
{
    int64_t interval =
        (int64_t)(conf_float(shell->conf, CONF_fs_trash_interval) * (double)MINUTE_MS);
    int64_t oldest = clock_wall_ms() - MAX(interval, 0), made;
    const struct fs_status *status;
    struct vfs_listing *listing;
    int rc;

    say("INFO", "TrashPolicyDefault#deleteCheckpoint for trashRoot: %s%s", vfs->prefix, root);
    rc = vfs_list(vfs, root, &listing, err);
    if (rc) return rc == ERR_NOT_FOUND ? 0 : rc;
    while ((rc = vfs_list_next(listing, &status, err)) > 0) {
        if (str_eq(status->name, CURRENT)) continue;
        if (checkpoint_time(status->name, &made)) {
            if (made < oldest || all) rc = delete_entry(vfs, status->path, err);
        } else if (conf_bool(shell->conf, CONF_fs_trash_clean_trashroot_enable)) {
            bool deleted;
            rc = vfs_delete(vfs, status->path, true, &deleted, err);
            say("WARN", "Unexpected item in trash: %s. Deleting.", status->path);
        } else {
            say("WARN", "Unexpected item in trash: %s. Ignoring.", status->path);
        }
        if (rc < 0) break;
    }
    vfs_list_close(listing);
    return rc;
}

static int expunge_root(struct shell *shell, struct vfs *vfs, const char *root, bool immediate,
                        struct err *err)
{
    int rc = 0;

    if (!immediate) rc = delete_checkpoints(shell, vfs, root, false, err);
    if (rc) return rc;
    say("INFO", "TrashPolicyDefault#createCheckpoint for trashRoot: %s%s", vfs->prefix, root);
    rc = create_checkpoint(vfs, root, err);
    if (!rc && immediate) rc = delete_checkpoints(shell, vfs, root, true, err);
    return rc;
}

int trash_expunge(struct shell *shell, struct vfs *vfs, bool immediate, struct err *err)
{
    char **roots;
    size_t count;
    int rc = trash_roots(vfs, &roots, &count, err);

    if (rc) return rc;
    for (size_t i = 0; i < count && !rc; i++)
        rc = expunge_root(shell, vfs, roots[i], immediate, err);
    trash_roots_free(roots, count);
    return rc;
}
