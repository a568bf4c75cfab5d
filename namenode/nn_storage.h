/*
 * The namenode's directories (NNStorage, Storage): dfs.namenode.name.dir for images,
 * dfs.namenode.edits.dir for the journal, the same by default. Every directory holds the same; one
 * that fails is taken out and the others go on, until none of a kind is left. Layout, states and
 * damage: docs/format/name-directory.md.
 *
 * Thread rules: opened and closed by one thread; afterwards the core thread, the journal thread and
 * a checkpoint's child use it: the table does not change, `failed` marks are atomic.
 */
#ifndef NAMENODE_NN_STORAGE_H
#define NAMENODE_NN_STORAGE_H

#include <stdatomic.h>
#include <stdio.h>

#include "common/conf.h"
#include "common/file.h"
#include "namenode/core.h"

enum nn_dir_use { NN_DIR_IMAGE = 1, NN_DIR_EDITS = 2 };

/* How a namenode starts: NN_UPGRADE lets older layouts in, which get this one once they are loaded (nn_upgrade.h); NN_ROLLING_ROLLBACK
 * takes the image that a rolling upgrade began with and drops what came after (rolling_upgrade.h). */
enum nn_start { NN_REGULAR, NN_UPGRADE, NN_ROLLING_ROLLBACK };

struct nn_dir {
    char *root;    /* absolute path, as configured without "file://" */
    char *current; /* root/current */
    unsigned use;  /* enum nn_dir_use bits */
    bool required; /* dfs.namenode.edits.dir.required: its failure fails the journal */
    bool formatted;
    struct file_lock lock; /* in_use.lock */
    atomic_bool failed;
};

struct nn_storage {
    struct core_identity identity;
    enum nn_start start;
    struct nn_dir *dirs;
    size_t count;
    uint64_t seen_txid;       /* the highest of all directories when opened */
    uint32_t images_retained; /* dfs.namenode.num.checkpoints.retained */
    uint64_t extra_edits_retained;
    uint32_t extra_segments_retained;
    uint64_t reserved_bytes;     /* dfs.namenode.resource.du.reserved */
    uint32_t volumes_minimum;    /* dfs.namenode.resource.checked.volumes.minimum */
    uint32_t edits_dirs_minimum; /* dfs.namenode.edits.dir.minimum */
    char **extra_volumes;        /* dfs.namenode.resource.checked.volumes; NULL-terminated */
};

/* Locks and inspects all directories and reads VERSION and seen_txid. A configured directory that
 * is empty beside a formatted one becomes one more copy (it is filled by the next checkpoint), as
 * in Apache. Errors, with Apache's words: "NameNode is not formatted.", "Cannot lock storage DIR.
 * The directory is already locked", a directory that does not exist (ERR_INCONSISTENT_STATE), a
 * newer or older layout (ERR_INCORRECT_VERSION), directories of different clusters. */
int nn_storage_open(struct nn_storage **out, const struct conf *conf, struct err *err) MUST_CHECK;
int nn_storage_open_for(struct nn_storage **out, const struct conf *conf, enum nn_start start,
                        struct err *err) MUST_CHECK;
void nn_storage_close(struct nn_storage *storage); /* releases the locks; NULL is fine */

/* The parts that opening and formatting share: directories and limits from settings, nothing
 * touched; one directory's lock and small files. */
int nn_storage_configure(struct nn_storage **out, const struct conf *conf,
                         struct err *err) MUST_CHECK;
int nn_dir_lock(struct nn_dir *dir, struct err *err) MUST_CHECK;
int nn_dir_write_seen_txid(const struct nn_dir *dir, uint64_t txid, struct err *err) MUST_CHECK;
int nn_dir_write_version(const struct nn_dir *dir, const struct core_identity *id,
                         struct err *err) MUST_CHECK;

struct nn_format {
    const char *cluster_id; /* NULL: a new "CID-<uuid>" */
    bool force;             /* no questions */
    bool interactive;       /* false: refuse when a directory holds anything */
    FILE *in, *out;         /* the questions; NULL: stdin, stderr */
};
/* Writes an empty namespace into every directory: VERSION, seen_txid, fsimage_0 with its MD5.
 * ERR_CANCELLED when the operator said no or `interactive` was off and something was there: then
 * nothing was touched, and the exit status of `hdfs namenode -format` is 1. */
int nn_storage_format(const struct conf *conf, const struct nn_format *options,
                      struct err *err) MUST_CHECK;

/* Takes a directory out of service; the next line of the log says why. Any thread. */
void nn_dir_fail(struct nn_dir *dir, const struct err *why);
static inline bool nn_dir_live(const struct nn_dir *dir, unsigned use)
{
    return (dir->use & use) && !atomic_load(&dir->failed);
}
size_t nn_storage_live(const struct nn_storage *storage, unsigned use);

/* Writes seen_txid into every live directory; a directory that fails is taken out. ERR_IO when none
 * is left. */
int nn_storage_write_seen_txid(struct nn_storage *storage, uint64_t txid,
                               struct err *err) MUST_CHECK;
/* VERSION into directories that were empty when opened. */
int nn_storage_write_version(struct nn_storage *storage, struct err *err) MUST_CHECK;

/* Is there disk space to go on (NameNodeResourceChecker)? False: the caller enters safe mode; `why`
 * names volume and numbers. Does statvfs: call it each dfs.namenode.resource.check.interval, not
 * per request. */
bool nn_resources_available(const struct nn_storage *storage, struct err *why);

/* Finished images in all live directories, newest first. Entries with the same txid are copies. */
struct nn_image {
    struct nn_dir *dir;
    char *path;
    uint64_t txid;
};
struct nn_images {
    struct nn_image *items;
    size_t count;
};
/* fsimage_N, and fsimage_rollback_N of a rolling upgrade. */
enum nn_image_kind { NN_IMAGE_PLAIN = 1, NN_IMAGE_ROLLBACK = 2 };
int nn_storage_images_of(struct nn_storage *storage, unsigned kinds, struct nn_images *out,
                         struct err *err) MUST_CHECK;
int nn_storage_images(struct nn_storage *storage, struct nn_images *out,
                      struct err *err) MUST_CHECK;
void nn_images_release(struct nn_images *images);

/* Deletes images beyond the retained number and finalized segments that neither a kept image nor
 * the extra edits need (NNStorageRetentionManager); never anything needed by the newest two whole
 * images. Also left-overs of checkpoints that did not finish. */
void nn_storage_purge(struct nn_storage *storage);

#endif
