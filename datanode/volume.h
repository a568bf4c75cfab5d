/*
 * One data folder of dfs.datanode.data.dir, that is one disk: its identity, lock, space. And the
 * choice of one for a new replica. Answers Hadoop's StorageLocation, FsVolumeImpl and
 * RoundRobinVolumeChoosingPolicy.
 *
 * Thread rules: opened and freed by the owner's thread; space functions and the pick from any
 * thread.
 */
#ifndef DATANODE_VOLUME_H
#define DATANODE_VOLUME_H

#include <stdatomic.h>

#include "common/conf.h"
#include "common/file.h"
#include "proto/hdfs.pb-c.h"

enum { STORAGE_UUID_MAX = 64 };

struct volume {
    uint16_t index;
    char *dir; /* absolute path */
    Pb__StorageType type;
    char uuid[STORAGE_UUID_MAX]; /* "DS-…"; "" until formatted */
    struct file_lock lock;
    uint64_t reserved;     /* dfs.datanode.du.reserved */
    unsigned reserved_pct; /* dfs.datanode.du.reserved.pct */

    _Atomic int64_t used;     /* bytes of data and meta files, all pools */
    _Atomic int64_t promised; /* held back for blocks being written */
    _Atomic int64_t blocks;   /* finalized */
    atomic_bool failed;       /* given up: no new use */
};

/* One word of dfs.datanode.data.dir: "[SSD]file:///a", "/a". Makes the folder if it lacks, and
 * locks it. */
int volume_open(const char *word, const struct conf *conf, uint16_t index, struct volume **volume,
                struct err *err) MUST_CHECK;
void volume_free(struct volume *volume); /* unlocks; NULL is fine */

const char *volume_type_name(Pb__StorageType type); /* "DISK", … */

struct volume_space {
    uint64_t capacity; /* without what is reserved for others */
    uint64_t used;     /* by blocks */
    uint64_t remaining;
    uint64_t non_dfs_used;
    uint64_t reserved;
};
int volume_space(const struct volume *volume, struct volume_space *space,
                 struct err *err) MUST_CHECK;

/* Does the disk still make, write, read and delete a file? */
int volume_check(const struct volume *volume, struct err *err) MUST_CHECK;

/* Takes turns among the volumes of the type (of any type when none has it) that have room for
 * `size` bytes. ERR_DISK_OUT_OF_SPACE with Hadoop's text. The chosen one's promised bytes grow by
 * `size`. */
struct volume_picker {
    struct volume **volumes;
    size_t count;
    atomic_uint next[8]; /* by type */
};
int volume_pick(struct volume_picker *picker, Pb__StorageType type, int64_t size,
                struct volume **volume, struct err *err) MUST_CHECK;

#endif
