/*
 * A core for tests: no journal, no datanodes, a clock that the test sets. Every edit goes through
 * the codec into `log`, so that a second world can replay it. Failing calls leave code and text in
 * `err`; world_* helpers that should succeed fail the test instead.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include "common/buf.h"
#include "namenode/handlers.h"

struct world {
    struct core core;
    struct conf *conf;
    struct arena arena;
    struct op op;
    const char *groups[4];
    struct buf log; /* records, one behind the other */
    uint64_t edits;
    struct err err;
};

/* `settings`: key, value, key, value, …, NULL; may be NULL. The caller is the superuser. Safe mode
 * is off. */
struct world *world_new(const char *const *settings);
void world_free(struct world *world);

void world_be(struct world *world, const char *user,
              const char *group); /* a plain user in one group (NULL: in none) */
void world_be_super(struct world *world);
void world_tick(struct world *world, int64_t ms);

/* A closed file of `blocks` blocks of 1 MiB (the last of `last_length`), made by edits of its own.
 */
struct inode *world_file(struct world *world, const char *path, uint32_t blocks,
                         uint64_t last_length);
struct inode *world_open_file(struct world *world, const char *path, const char *client);
struct inode *world_inode(struct world *world, const char *path); /* NULL when there is none */

/* Handlers by their plain arguments: 0 or an error code. */
int world_mkdirs(struct world *world, const char *path, uint32_t mode);
int world_mkdir(struct world *world, const char *path); /* mode 0755, no missing parents */
int world_delete(struct world *world, const char *path, bool recursive, bool *result);
int world_rename(struct world *world, const char *src, const char *dst, bool *result);
int world_rename2(struct world *world, const char *src, const char *dst, bool overwrite);
int world_chmod(struct world *world, const char *path, uint32_t mode);
int world_chown(struct world *world, const char *path, const char *user, const char *group);
int world_set_quota(struct world *world, const char *path, int64_t names, int64_t space);
int world_set_replication(struct world *world, const char *path, uint32_t replication,
                          bool *result);
int world_concat(struct world *world, const char *target,
                 const char *const *sources); /* NULL-terminated */

/* Applies another world's log to this one. */
void world_replay(struct world *world, const struct world *from);
/* The whole namespace as text: every inode with all it has, blocks, leases, quotas and what they
 * count. For mem_free(). */
char *world_dump(const struct world *world);

#define assert_error(world, call, expected_code, expected_text)                                    \
    do {                                                                                           \
        err_clear(&(world)->err);                                                                  \
        assert_int_equal(call, expected_code);                                                     \
        assert_string_equal((world)->err.text, expected_text);                                     \
    } while (0)

#endif
