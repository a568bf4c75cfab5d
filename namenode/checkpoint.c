/*
 * The child's life, and what the parent sees of it through a pair of sockets:
 *
 *   fork -> writes fsimage.ckpt_N -> 'r' -> waits for 'c' (the journal holds N)
 *        -> .md5, rename, purge -> 's', a byte for each directory -> exit 0
 *        -> 'e', text -> exit 1
 *
 * The parent only looks (checkpoint_tick), never waits. A parent that dies takes the child along.
 */
#include "namenode/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "namenode/apply_tree.h"
#include "namenode/image_save.h"
#include "namenode/rolling_upgrade.h"

enum {
    SAY_READY = 'r',
    SAY_COMMIT = 'c',
    SAY_SAVED = 's',
    SAY_ERROR = 'e',
    CHILD_NICE = 5,
    SAID_MAX = 4096
};
#define UPLOAD_MAX_MS (3600 * (int64_t)SECOND_MS)
#define RECENT_SHARE  0.75 /* ImageServlet's recentImageCheckTimePrecision */

struct checkpoint {
    struct core *core;
    struct nn_storage *storage;
    struct edit_log *log;
    int64_t period_ms, check_period_ms;
    uint64_t txns, roll_txns;

    uint64_t image_txid;   /* of the newest image */
    int64_t image_wall_ms; /* when it was written */
    bool image_missing;    /* some directory lacks it */
    int64_t next_check_ms; /* monotonic */

    pid_t child; /* 0: none */
    uint64_t child_txid;
    int64_t child_start_ms;
    int link; /* to the child; -1 none */
    bool ready, told;
    uint64_t upload_txid; /* somebody sends us an image; 0: nobody */
    int64_t upload_start_ms;
    struct buf said; /* what came from the child after 'r' */
};

/* ---- the newest image ---- */

static void look_at_images(struct checkpoint *cp)
{
    struct nn_images images;
    struct err err = ERR_INIT;
    struct stat info;
    size_t copies = 0;

    if (nn_storage_images(cp->storage, &images, &err)) return;
    for (size_t i = 0; i < images.count && images.items[i].txid == images.items[0].txid; i++)
        copies++;
    if (copies) cp->image_txid = images.items[0].txid;
    if (copies && !stat(images.items[0].path, &info))
        cp->image_wall_ms =
            (int64_t)info.st_mtim.tv_sec * SECOND_MS + info.st_mtim.tv_nsec / 1000000;
    cp->image_missing = copies < nn_storage_live(cp->storage, NN_DIR_IMAGE);
    nn_images_release(&images);
}

struct checkpoint *checkpoint_new(struct core *core, struct nn_storage *storage,
                                  struct edit_log *log, const struct conf *conf)
{
    struct checkpoint *cp = NEW(struct checkpoint);

    cp->core = core;
    cp->storage = storage;
    cp->log = log;
    cp->period_ms = MAX(conf_ms(conf, CONF_dfs_namenode_checkpoint_period), SECOND_MS);
    cp->check_period_ms = MAX(conf_ms(conf, CONF_dfs_namenode_checkpoint_check_period), SECOND_MS);
    cp->txns = (uint64_t)MAX(conf_int(conf, CONF_dfs_namenode_checkpoint_txns), 1);
    double share = conf_float(conf, CONF_dfs_namenode_edit_log_autoroll_multiplier_threshold);
    cp->roll_txns = (uint64_t)MAX(share * (double)cp->txns, 1000.0);
    cp->link = -1;
    look_at_images(cp);
    return cp;
}

/* ---- in the child ---- */

static void say(int fd, const void *data, size_t size)
{
    struct err err = ERR_INIT;

    if (file_write_full(fd, data, size, &err)) _exit(3); /* the parent is gone */
}

NORETURN static void child_fail(int fd, const struct err *why)
{
    char byte = SAY_ERROR;

    say(fd, &byte, 1);
    say(fd, why->text, strlen(why->text));
    _exit(1);
}

/* Sockets of clients and datanodes must not stay open here, nor the locks of the directories. */
static void keep_only(int a, int b)
{
    unsigned low = (unsigned)MAX(MIN(a, b), 2), high = (unsigned)MAX(MAX(a, b), 2);

    if (low > 3) close_range(3, low - 1, 0);
    if (high > low + 1) close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

static void child_prepare(pid_t parent, int link)
{
    sigset_t all;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(3);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* handlers are the parent's */
    prctl(PR_SET_NAME, "checkpoint");
    keep_only(link, log_descriptor());
    if (nice(CHILD_NICE) < 0) errno = 0;
}

static void say_saved(const struct nn_storage *storage, int link)
{
    char byte = SAY_SAVED;

    say(link, &byte, 1);
    for (size_t i = 0; i < storage->count; i++) {
        byte = (char)atomic_load(&storage->dirs[i].failed);
        say(link, &byte, 1);
    }
}

NORETURN static void child_main(struct checkpoint *cp, pid_t parent, int link)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    struct err err = ERR_INIT;
    char byte = SAY_READY;

    child_prepare(parent, link);
    while (tree_reclaim(cp->core, UINT64_MAX)) {}
    if (image_save_begin(cp->core, cp->storage, cp->child_txid, md5, &err)) child_fail(link, &err);
    say(link, &byte, 1);
    if (read(link, &byte, 1) != 1 || byte != SAY_COMMIT) _exit(3);
    if (image_save_commit(cp->storage, cp->child_txid, md5, &err)) child_fail(link, &err);
    nn_storage_purge(cp->storage);
    say_saved(cp->storage, link);
    _exit(0);
}

/* ---- in the parent ---- */

static int start_child(struct checkpoint *cp, int64_t now_ms, struct err *err)
{
    pid_t parent = getpid();
    int ends[2]; /* parent's, child's */

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return err_set_errno(err, errno, "make a pair of sockets");
    /* The state between END and START: what Apache's own images hold. START changes nothing. */
    cp->child_txid = checkpoint_roll_edits(cp) - 1;
    pid_t child = fork();
    if (child == 0) child_main(cp, parent, ends[1]);
    int rc = child < 0 ? err_set_errno(err, errno, "fork") : 0;
    close(ends[1]);
    if (rc) {
        close(ends[0]);
        return rc;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    cp->link = ends[0];
    cp->child = child;
    cp->child_start_ms = now_ms;
    cp->ready = cp->told = false;
    buf_clear(&cp->said);
    log_info("Checkpoint: process %d writes the image of txid %" PRIu64, (int)child,
             cp->child_txid);
    return 0;
}

/* Reads what is there; true at the child's end. */
static bool listen_to(struct checkpoint *cp)
{
    char bytes[512];
    ssize_t got;

    while ((got = read(cp->link, bytes, sizeof bytes)) != 0) {
        if (got < 0) return errno != EAGAIN && errno != EINTR;
        for (ssize_t i = 0; i < got; i++) {
            if (!cp->ready && bytes[i] == SAY_READY)
                cp->ready = true;
            else if (cp->said.length < SAID_MAX)
                buf_put_u8(&cp->said, (uint8_t)bytes[i]);
        }
    }
    return true;
}

static void tell_commit(struct checkpoint *cp)
{
    char byte = SAY_COMMIT;

    if (!cp->ready || cp->told || edit_log_synced_txid(cp->log) < cp->child_txid) return;
    cp->told = true;
    if (send(cp->link, &byte, 1, MSG_NOSIGNAL) != 1)
        log_warn("Checkpoint: process %d is gone", (int)cp->child);
}

/* The child met directories that fail: so do we, without trying them ourselves. */
static void take_failures(struct checkpoint *cp)
{
    struct err why = ERR_INIT;

    err_set(&why, ERR_IO, "the checkpoint could not write to it; see its lines above");
    for (size_t i = 0; i < cp->storage->count && i + 1 < cp->said.length; i++)
        if (cp->said.data[i + 1]) nn_dir_fail(&cp->storage->dirs[i], &why);
}

static void reap(struct checkpoint *cp)
{
    while (waitpid(cp->child, NULL, 0) < 0 && errno == EINTR) {}
    close(cp->link);
    cp->link = -1;
    cp->child = 0;
}

static void end_child(struct checkpoint *cp, int64_t now_ms)
{
    const char *said = buf_cstr(&cp->said);

    reap(cp);
    if (said[0] == SAY_SAVED) {
        take_failures(cp);
        cp->image_txid = cp->child_txid;
        cp->image_wall_ms = clock_wall_ms();
        cp->image_missing = false;
        log_info("Checkpoint: image of txid %" PRIu64 " saved in %" PRId64 " ms", cp->child_txid,
                 now_ms - cp->child_start_ms);
    } else {
        log_error("Checkpoint of txid %" PRIu64 " failed: %s", cp->child_txid,
                  said[0] == SAY_ERROR ? said + 1 : "its process died");
    }
}

static void stop_child(struct checkpoint *cp)
{
    if (!cp->child) return;
    kill(cp->child, SIGKILL);
    reap(cp);
}

void checkpoint_free(struct checkpoint *cp)
{
    if (!cp) return;
    stop_child(cp);
    buf_release(&cp->said);
    mem_free(cp);
}

/* One END and START more than the image is no change. */
static bool is_due(const struct checkpoint *cp)
{
    uint64_t behind = cp->core->txid_applied - MIN(cp->image_txid, cp->core->txid_applied);
    int64_t age_ms = clock_wall_ms() - cp->image_wall_ms;

    if (cp->image_missing || behind >= cp->txns) return true;
    return behind > 2 && age_ms >= cp->period_ms;
}

void checkpoint_tick(struct checkpoint *cp, int64_t now_ms)
{
    struct err err = ERR_INIT;

    if (cp->child) {
        if (listen_to(cp))
            end_child(cp, now_ms);
        else
            tell_commit(cp);
        return;
    }
    if (now_ms < cp->next_check_ms || edit_log_failed(cp->log, NULL)) return;
    if (cp->upload_txid && clock_mono_ms() - cp->upload_start_ms < UPLOAD_MAX_MS) return;
    cp->upload_txid = 0;
    cp->next_check_ms = now_ms + cp->check_period_ms;
    if (is_due(cp)) {
        if (start_child(cp, now_ms, &err)) log_error("Checkpoint cannot start: %s", err.text);
    } else if (edit_log_last_txid(cp->log) - edit_log_segment_first(cp->log) > cp->roll_txns) {
        checkpoint_roll_edits(cp);
    }
}

bool checkpoint_running(const struct checkpoint *cp)
{
    return cp->child != 0;
}

uint64_t checkpoint_roll_edits(struct checkpoint *cp)
{
    uint64_t txid = edit_log_roll(cp->log);

    cp->core->txid_applied = txid;
    return txid;
}

static int save(struct checkpoint *cp, uint64_t txid, bool rollback, struct err *err)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    int rc = image_save_begin(cp->core, cp->storage, txid, md5, err);

    if (!rc) rc = edit_log_wait(cp->log, txid, err);
    if (!rc) rc = image_save_commit_as(cp->storage, txid, md5, rollback, err);
    return rc;
}

/* Nobody else writes an image; answers the transaction that the segment ended with. */
static uint64_t stand_still(struct checkpoint *cp)
{
    stop_child(cp);
    cp->upload_txid = 0; /* a purge takes its file */
    while (tree_reclaim(cp->core, UINT64_MAX)) {}
    return checkpoint_roll_edits(cp) - 1;
}

int checkpoint_save_now(struct checkpoint *cp, int64_t time_window_ms, uint64_t tx_gap, bool *saved,
                        struct err *err)
{
    uint64_t last = cp->core->txid_applied;
    int64_t age_ms = clock_wall_ms() - cp->image_wall_ms, start_ms = clock_mono_ms();

    *saved = false;
    if ((time_window_ms > 0 || tx_gap > 0) && age_ms <= time_window_ms &&
        last - MIN(cp->image_txid, last) <= tx_gap)
        return 0;
    uint64_t txid = stand_still(cp);
    int rc = save(cp, txid, false, err);
    if (rc) return err_wrap(err, rc, "save the namespace");
    cp->image_txid = txid;
    cp->image_wall_ms = clock_wall_ms();
    cp->image_missing = false;
    *saved = true;
    log_info("Saved the namespace of txid %" PRIu64 " in %" PRId64 " ms", txid,
             clock_mono_ms() - start_ms);
    nn_storage_purge(cp->storage);
    return 0;
}

int checkpoint_save_rollback(struct checkpoint *cp, struct err *err)
{
    uint64_t txid = stand_still(cp);
    int rc = save(cp, txid, true, err);

    if (rc) return err_wrap(err, rc, "save the namespace for a rollback");
    log_info("Saved the namespace of txid %" PRIu64 " for preparing a rolling upgrade", txid);
    return 0;
}

int checkpoint_drop_rollback(struct checkpoint *cp, uint64_t txid, struct err *err)
{
    int rc = edit_log_wait(cp->log, txid, err);

    if (!rc) rc = rolling_images_rename(cp->storage, err);
    return rc;
}

/* ---- images from a SecondaryNameNode ---- */

int checkpoint_upload_begin(struct checkpoint *cp, uint64_t txid, struct err *err)
{
    int64_t age_s = (clock_wall_ms() - cp->image_wall_ms) / SECOND_MS,
            period_s = (int64_t)((double)cp->period_ms * RECENT_SHARE / SECOND_MS + 0.5);

    if (cp->upload_txid)
        return err_set(err, ERR_BUSY,
                       "Another checkpointer is already in the process of uploading a checkpoint "
                       "made up to transaction ID %" PRIu64,
                       cp->upload_txid);
    if (cp->child)
        return err_set(err, ERR_BUSY,
                       "Either current namenode is checkpointing or another checkpointer is "
                       "already in the process of uploading a checkpoint made at transaction ID "
                       "%" PRIu64,
                       txid);
    if (txid > edit_log_synced_txid(cp->log) || !txid)
        return err_set(err, ERR_ARGUMENT,
                       "an image of transaction %" PRIu64
                       " is none of this namenode's, whose last transaction is %" PRIu64,
                       txid, edit_log_synced_txid(cp->log));
    if (txid <= cp->image_txid)
        return err_set(err, ERR_BUSY,
                       "Either current namenode has checkpointed or another checkpointer already "
                       "uploaded an checkpoint for txid %" PRIu64,
                       cp->image_txid);
    if (age_s < period_s && txid - cp->image_txid < cp->txns)
        return err_set(err, ERR_BUSY,
                       "Rejecting a fsimage due to small time delta and txnid delta. Time since "
                       "previous checkpoint is %" PRId64 " expecting at least %" PRId64
                       " txnid delta since previous checkpoint is %" PRIu64
                       " expecting at least %" PRIu64,
                       age_s, period_s, txid - cp->image_txid, cp->txns);
    cp->upload_txid = txid;
    cp->upload_start_ms = clock_mono_ms();
    return 0;
}

int checkpoint_upload_commit(struct checkpoint *cp, uint64_t txid, const uint8_t md5[16],
                             struct err *err)
{
    if (cp->upload_txid != txid)
        return err_set(err, ERR_CANCELLED,
                       "the namespace was saved while the image of txid %" PRIu64 " came", txid);
    int rc = image_save_commit(cp->storage, txid, md5, err);
    if (rc) return rc;
    cp->image_txid = txid;
    cp->image_wall_ms = clock_wall_ms();
    cp->image_missing = false;
    nn_storage_purge(cp->storage);
    return 0;
}

void checkpoint_upload_end(struct checkpoint *cp)
{
    cp->upload_txid = 0;
}

uint64_t checkpoint_last_txid(const struct checkpoint *cp)
{
    return cp->image_txid;
}
int64_t checkpoint_last_wall_ms(const struct checkpoint *cp)
{
    return cp->image_wall_ms;
}
