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

    _Atomic int64_t used;      /* bytes of data and meta files, all pools */
    _Atomic int64_t promised;  /* held back for blocks being written */
    _Atomic int64_t blocks;    /* finalized */
    atomic_bool failed;        /* given up: no new use */
    atomic_bool removed;       /* taken out by the operator; `failed` as well */
    _Atomic int64_t failed_ms; /* wall clock; 0: has not */
    _Atomic uint64_t capacity; /* as last reported */
};

/* One word of dfs.datanode.data.dir: "[SSD]file:///a", "/a". Makes the folder if it lacks, and
 * locks it. */
int volume_parse(const char *word, char **dir, Pb__StorageType *type,
                 struct err *err) MUST_CHECK; /* `dir` for mem_free(), NULL on error */
int volume_open(const char *word, const struct conf *conf, uint16_t index, struct volume **volume,
                struct err *err) MUST_CHECK;
/* One that could not be opened: it has a folder's name, and has failed. */
struct volume *volume_failed_new(const char *word, uint16_t index);
void volume_fail(struct volume *volume); /* no new use of it from now; any thread */
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
 * `size`. With `by_space` (AvailableSpaceVolumeChoosingPolicy) those with much room are preferred
 * while they differ by more than `space_threshold` bytes. */
enum { VOLUME_KINDS = 8 }; /* types, and what is above */
struct volume_picker {
    struct volume **volumes;
    atomic_size_t count;
    atomic_uint next[3 * VOLUME_KINDS]; /* by type: all, those with little room, those with much */
    uint64_t spare;                     /* a volume needs so many bytes more than the block's */
    bool by_space;
    uint64_t space_threshold;
    double space_preference;
};
/* What the settings say of it. ERR_CONFIG for an unknown policy. */
int volume_picker_conf(struct volume_picker *picker, const struct conf *conf,
                       struct err *err) MUST_CHECK;
int volume_pick(struct volume_picker *picker, Pb__StorageType type, int64_t size,
                struct volume **volume, struct err *err) MUST_CHECK;

#endif
