/*
 * A namenode's core and directories for tests: a scratch folder, settings that point into it,
 * random changes through core_edit(), and the namespace as text to compare.
 */
#ifndef TESTS_LIB_NAME_DIR_H
#define TESTS_LIB_NAME_DIR_H

#include "common/buf.h"
#include "namenode/core.h"
#include "namenode/edit_log.h"

struct name_dir {
    char *scratch; /* removed by name_dir_end() */
    struct conf *conf;
    struct nn_storage *storage;
    struct edit_log *log;
    struct core core;
    uint64_t seed;
    uint64_t names; /* given out */
};

/* `count` name directories scratch/name1 …, formatted. */
void name_dir_begin(struct name_dir *d, int count);
void name_dir_end(struct name_dir *d);
char *name_dir_path(const struct name_dir *d, int number,
                    const char *name); /* in current/; for free() */

/* Opens, loads, and starts the journal when `serve`; the error's code instead of failing the test.
 */
int name_dir_load(struct name_dir *d, bool serve, struct err *err);
/* Stops as a namenode does that was told to. */
void name_dir_stop(struct name_dir *d);
/* Stops like a kill: the journal's files stay as they are. */
void name_dir_crash(struct name_dir *d);

uint64_t name_dir_random(struct name_dir *d, uint64_t limit);
void name_dir_mkdir(struct name_dir *d, const char *path);
void name_dir_file(struct name_dir *d, const char *path, int blocks, bool close);
/* One change of a random kind that fits. */
void name_dir_change(struct name_dir *d);
void name_dir_sync(struct name_dir *d); /* waits until all is durable */

/* All of the namespace, inode by inode, in an order that depends on nothing else. */
void core_dump(const struct core *core, struct buf *out);
/* Fails the test at the first line that differs. */
void core_dump_compare(const struct buf *expected, const struct buf *got);

#endif
