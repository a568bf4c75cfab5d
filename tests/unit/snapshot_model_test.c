/*
 * Random changes against a naive copy: when a snapshot is taken, the tree is written down; whatever happens afterwards, the
 * snapshot must say the same. And what is in memory is exactly what today's tree and the snapshots show: no inode
 * and no block less (HDFS-13101, HDFS-15313), and none more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "namenode/apply_tree.h"
#include "namenode/image_load.h"
#include "namenode/image_save.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "tests/lib/core_world.h"

enum { SEEDS = 100, STEPS = 400, BLOCK = 1 << 20, IDS_MAX = 4096 };

struct written { /* what a snapshot must say */
    int32_t id;
    char *text;
    struct written *next;
};

struct model {
    struct world *world;
    uint64_t seed;
    struct written *written;
    uint32_t taken, deleted, refused;
};

static uint32_t pick(struct model *m, uint32_t count)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(m->seed >> 33) % count;
}

/* ---- what is seen ---- */

struct seen { /* what is reachable */
    uint64_t inodes[IDS_MAX], blocks[IDS_MAX];
    size_t inode_count, block_count;
};

static void add(uint64_t *list, size_t *count, uint64_t id)
{
    for (size_t i = 0; i < *count; i++)
        if (list[i] == id) return;
    assert_true(*count < IDS_MAX);
    list[(*count)++] = id;
}

static void put_blocks(struct model *m, const struct inode *file, int32_t snapshot, struct buf *out,
                       struct seen *seen)
{
    struct snapshot_file view;
    uint64_t at = 0;

    snapshot_file(&m->world->core.tree, file, snapshot, &view);
    buf_printf(out, " %" PRIu64, view.length);
    for (uint32_t i = 0; i < view.block_count && at < view.length; i++) {
        assert_ptr_equal(block_find(m->world->core.blocks, view.blocks[i]->id), view.blocks[i]);
        assert_int_equal(view.blocks[i]->inode, inode_reference(file));
        buf_printf(out, " %" PRIu64, view.blocks[i]->id);
        if (seen) add(seen->blocks, &seen->block_count, view.blocks[i]->id);
        at += view.blocks[i]->length;
    }
    assert_true(at >= view.length);
}

static void put_tree(struct model *m, struct inode *inode, int32_t snapshot, const char *path,
                     struct buf *out, struct seen *seen)
{
    const struct tree *tree = &m->world->core.tree;
    const struct inode *at = snapshot_attributes(tree, inode, snapshot);
    struct snapshot_item items[3]; /* small pages: they must fit together */
    uint8_t after[INODE_NAME_MAX];
    size_t length = 0;
    bool more = inode_is_dir(inode);
    uint64_t count = 0;

    buf_printf(out, "%s %" PRIu64 " %o %s:%s m%" PRIu64 " a%" PRIu64 " x%u p%u", path, at->id,
               (unsigned)at->mode, inode_user(tree->inodes, at), inode_group(tree->inodes, at),
               (uint64_t)at->mtime_ms, inode_is_dir(at) ? 0 : (uint64_t)at->atime_ms,
               (unsigned)at->replication, (unsigned)at->storage_policy);
    if (seen) add(seen->inodes, &seen->inode_count, inode->id);
    if (inode_is_file(inode)) put_blocks(m, inode, snapshot, out, seen);
    buf_put_str(out, "\n");
    while (more) {
        size_t found = snapshot_list(tree, inode, snapshot, length ? after : NULL, length, items,
                                     ARRAY_LEN(items), &more);

        for (size_t i = 0; i < found; i++) {
            char *below = mem_printf("%s/%.*s", path, (int)items[i].length, items[i].name);

            assert_ptr_equal(snapshot_child(tree, inode, snapshot, items[i].name, items[i].length),
                             items[i].inode);
            put_tree(m, items[i].inode, snapshot, below, out, seen);
            mem_free(below);
        }
        count += found;
        if (!found) break;
        length = items[found - 1].length;
        memcpy(after, items[found - 1].name, length);
    }
    if (inode_is_dir(inode)) assert_int_equal(snapshot_child_count(tree, inode, snapshot), count);
}

static char *text_of(struct model *m, struct inode *dir, int32_t snapshot, struct seen *seen)
{
    struct buf out = {0};

    put_tree(m, dir, snapshot, "", &out, seen);
    char *text = mem_strdup(buf_cstr(&out));
    buf_release(&out);
    return text;
}

/* ---- checks ---- */

static struct written *written_of(struct model *m, int32_t id)
{
    struct written *at = m->written;

    while (at && at->id != id) at = at->next;
    return at;
}

static void check_quotas(struct model *m)
{
    struct core *core = &m->world->core;
    const struct quota_usage *usage = inode_usage(core->tree.inodes, core->tree.root);

    assert_non_null(usage);
    struct quota_usage kept = *usage;
    quota_recount(core);
    assert_int_equal(kept.names, usage->names);
    assert_int_equal(kept.space, usage->space);
    assert_int_equal(usage->names, inode_count(core->tree.inodes));
}

/* Fails with the first line that differs. */
static void compare(int32_t snapshot, const char *text, const char *expected)
{
    size_t at = 0;

    if (str_eq(text, expected)) return;
    while (text[at] == expected[at]) at++;
    while (at && text[at - 1] != '\n') at--;
    fail_msg("snapshot %d says %.*s instead of %.*s", snapshot, (int)strcspn(text + at, "\n"),
             text + at, (int)strcspn(expected + at, "\n"), expected + at);
}

static void check(struct model *m)
{
    struct core *core = &m->world->core;
    struct seen *seen = NEW(struct seen);
    struct snapshot_dir *dir;

    while (tree_reclaim(core, 7)) {}
    mem_free(text_of(m, core->tree.root, SNAPSHOT_CURRENT, seen));
    TAILQ_FOREACH (dir, &core->tree.snapshots->dirs, all) {
        for (uint32_t i = 0; i < dir->count; i++) {
            struct written *written = written_of(m, dir->by_id[i]->id);
            char *text = text_of(m, dir->dir, dir->by_id[i]->id, seen);

            assert_non_null(written);
            compare(written->id, text, written->text);
            mem_free(text);
        }
    }
    assert_int_equal(seen->inode_count, inode_count(core->tree.inodes));
    assert_int_equal(seen->block_count, block_map_count(core->blocks));
    check_quotas(m);
    mem_free(seen);
}

/* ---- changes ---- */

static struct inode *any_inode(struct model *m, enum inode_type type)
{
    struct inode *found = NULL;
    struct tree_walk walk;
    uint32_t count = 0;

    tree_walk_start(&walk, &m->world->core.tree, m->world->core.tree.root);
    for (struct inode *at; (at = tree_walk_next(&walk));)
        if (at->type == type && pick(m, ++count) == 0) found = at;
    tree_walk_release(&walk);
    return found;
}

static const char *path_of(struct model *m, const struct inode *inode)
{
    return tree_path_of(&m->world->core.tree, inode, &m->world->arena);
}

static const char *new_path(struct model *m)
{
    const char *dir = path_of(m, any_inode(m, INODE_DIRECTORY));

    return arena_printf(&m->world->arena, "%s/%c%u", str_eq(dir, "/") ? "" : dir,
                        pick(m, 8) ? 'n' : 'a', pick(m, 6));
}

static const char *any_path(struct model *m)
{
    struct inode *inode = any_inode(m, pick(m, 2) ? INODE_FILE : INODE_DIRECTORY);

    return inode ? path_of(m, inode) : "/none";
}

static void make_file(struct model *m)
{
    const char *path = new_path(m);

    if (world_inode(m->world, path)) return;
    if (pick(m, 4))
        world_file(m->world, path, pick(m, 4), 1 + pick(m, BLOCK));
    else
        world_open_file(m->world, path, "writer");
}

static void complete(struct core *core, struct inode *file)
{
    struct quota_mark mark = quota_mark(core, file);

    for (uint32_t i = 0; i < file->block_count; i++)
        if (!block_is_complete(inode_block(file, i)))
            blocks_force_complete(core, inode_block(file, i));
    quota_settle(core, file, &mark);
}

/* Closes a file, open or just reopened, with some more bytes. */
static void close_longer(struct model *m, struct inode *file)
{
    struct core *core = &m->world->core;
    struct block_id ids[64];
    uint32_t count = file->block_count;

    for (uint32_t i = 0; i < count; i++) ids[i] = block_name(inode_block(file, i));
    if (count && ids[count - 1].length < BLOCK && !snapshot_holds_end(&core->tree, file))
        ids[count - 1].length += 1 + pick(m, (uint32_t)(BLOCK - ids[count - 1].length));
    if (count < 8 && pick(m, 2))
        ids[count++] = (struct block_id){.id = core->block_id_last + 1,
                                         .generation_stamp = GENERATION_STAMP_FIRST,
                                         .length = 1 + pick(m, BLOCK)};
    complete(core, file);
    struct edit edit = {.op = EDIT_CLOSE,
                        .path = path_of(m, file),
                        .inode_id = file->id,
                        .mtime_ms = core->now_wall_ms,
                        .atime_ms = core->now_wall_ms,
                        .block_size = BLOCK,
                        .replication = file->replication,
                        .mode = file->mode,
                        .user = "root",
                        .group = "supergroup",
                        .blocks = ids,
                        .block_count = count};
    core_edit(core, &edit);
    complete(core, file);
}

static void append(struct model *m)
{
    struct inode *file = any_inode(m, INODE_FILE);

    if (!file) return;
    if (!file->under_construction) {
        struct edit edit = {.op = EDIT_APPEND,
                            .path = path_of(m, file),
                            .client_name = "writer",
                            .client_machine = "127.0.0.1",
                            .new_block = snapshot_holds_end(&m->world->core.tree, file)};
        core_edit(&m->world->core, &edit);
    }
    close_longer(m, file);
}

static void truncate_file(struct model *m)
{
    struct inode *file = any_inode(m, INODE_FILE);
    uint64_t length = 0;

    if (!file || !file->block_count || file->under_construction) return;
    for (uint32_t i = 0, keep = pick(m, file->block_count); i < keep; i++)
        length += inode_block(file, i)->length;
    struct edit edit = {.op = EDIT_TRUNCATE,
                        .path = path_of(m, file),
                        .client_name = "writer",
                        .client_machine = "127.0.0.1",
                        .value = length,
                        .mtime_ms = m->world->core.now_wall_ms};
    core_edit(&m->world->core, &edit);
}

static void set_times(struct model *m, const char *path)
{
    struct edit edit = {.op = EDIT_TIMES,
                        .path = path,
                        .mtime_ms = m->world->core.now_wall_ms - pick(m, 9),
                        .atime_ms = pick(m, 2) ? m->world->core.now_wall_ms : -1};

    if (world_inode(m->world, path)) core_edit(&m->world->core, &edit);
}

static void change_attribute(struct model *m)
{
    const char *path = any_path(m);

    switch (pick(m, 5)) {
    case 0: (void)world_chmod(m->world, path, pick(m, 01000)); break;
    case 1: (void)world_chown(m->world, path, pick(m, 2) ? "u1" : "u2", NULL); break;
    case 2: (void)world_set_replication(m->world, path, 1 + pick(m, 5), NULL); break;
    default: set_times(m, path);
    }
}

static void move(struct model *m)
{
    const char *from = any_path(m);
    const char *to = pick(m, 4) ? new_path(m) : any_path(m);

    if (pick(m, 2))
        (void)world_rename2(m->world, from, to, pick(m, 2));
    else
        (void)world_rename(m->world, from, to, NULL);
}

/* ---- snapshots ---- */

static struct snapshot_dir *any_snapshottable(struct model *m)
{
    const struct snapshots *snapshots = m->world->core.tree.snapshots;
    uint32_t n = snapshots->dir_count ? pick(m, snapshots->dir_count) : 0;
    struct snapshot_dir *dir = TAILQ_FIRST(&snapshots->dirs);

    while (dir && n--) dir = TAILQ_NEXT(dir, all);
    return dir;
}

static void allow(struct model *m)
{
    Pb__AllowSnapshotRequest request = PB__ALLOW_SNAPSHOT_REQUEST__INIT;
    Pb__AllowSnapshotResponse response = PB__ALLOW_SNAPSHOT_RESPONSE__INIT;
    struct inode *dir = any_inode(m, INODE_DIRECTORY);

    if (dir == m->world->core.tree.root) return;
    request.snapshotroot = (char *)(uintptr_t)path_of(m, dir);
    m->refused +=
        op_allow_snapshot(&m->world->core, &m->world->op, &request, &response, &m->world->err) != 0;
}

static void take(struct model *m)
{
    Pb__CreateSnapshotRequest request = PB__CREATE_SNAPSHOT_REQUEST__INIT;
    Pb__CreateSnapshotResponse response = PB__CREATE_SNAPSHOT_RESPONSE__INIT;
    struct snapshot_dir *dir = any_snapshottable(m);
    struct written *written;

    if (!dir) return;
    request.snapshotroot = (char *)(uintptr_t)path_of(m, dir->dir);
    request.snapshotname = arena_printf(&m->world->arena, "s%u", ++m->taken);
    assert_int_equal(
        op_create_snapshot(&m->world->core, &m->world->op, &request, &response, &m->world->err), 0);
    written = NEW(struct written);
    written->id = m->world->core.tree.snapshots->counter - 1;
    written->text = text_of(m, dir->dir, SNAPSHOT_CURRENT, NULL);
    written->next = m->written;
    m->written = written;
}

static void delete_snapshot(struct model *m, struct snapshot_dir *dir, uint32_t n)
{
    Pb__DeleteSnapshotRequest request = PB__DELETE_SNAPSHOT_REQUEST__INIT;
    Pb__DeleteSnapshotResponse response = PB__DELETE_SNAPSHOT_RESPONSE__INIT;
    size_t length;
    const char *name = snapshot_name(dir->by_name[n], &length);

    request.snapshotroot = (char *)(uintptr_t)path_of(m, dir->dir);
    request.snapshotname = arena_strndup(&m->world->arena, name, length);
    assert_int_equal(
        op_delete_snapshot(&m->world->core, &m->world->op, &request, &response, &m->world->err), 0);
    m->deleted++;
}

static void delete_any_snapshot(struct model *m)
{
    struct snapshot_dir *dir = any_snapshottable(m);

    if (dir && dir->count) delete_snapshot(m, dir, pick(m, dir->count));
}

static void step(struct model *m)
{
    uint32_t n = pick(m, 100);

    world_tick(m->world, pick(m, 3));
    if (n < 18)
        make_file(m);
    else if (n < 32)
        (void)world_mkdir(m->world, new_path(m));
    else if (n < 42)
        (void)world_delete(m->world, any_path(m), true, NULL);
    else if (n < 62)
        move(m);
    else if (n < 70)
        change_attribute(m);
    else if (n < 77)
        append(m);
    else if (n < 81)
        truncate_file(m);
    else if (n < 83)
        allow(m);
    else if (n < 92)
        take(m);
    else
        delete_any_snapshot(m);
    if (pick(m, 3) == 0) (void)tree_reclaim(&m->world->core, pick(m, 9));
    arena_clear(&m->world->arena);
}

static void begin(struct model *m, uint64_t seed)
{
    static const char *const settings[] = {"dfs.namenode.snapshot.capture.openfiles", "true", NULL};

    *m = (struct model){.world = world_new(settings), .seed = seed};
    assert_int_equal(world_set_quota(m->world, "/", 1000000, INT64_C(1) << 50), 0);
    assert_int_equal(world_mkdirs(m->world, "/x/y", 0755), 0);
    assert_int_equal(world_mkdirs(m->world, "/z", 0755), 0);
    for (int i = 0; i < 8; i++) allow(m);
}

static void end(struct model *m)
{
    while (m->written) {
        struct written *next = m->written->next;

        mem_free(m->written->text);
        mem_free(m->written);
        m->written = next;
    }
    world_free(m->world);
}

static void delete_all_snapshots(struct model *m)
{
    struct snapshot_dir *dir;

    TAILQ_FOREACH (dir, &m->world->core.tree.snapshots->dirs, all) {
        while (dir->count) delete_snapshot(m, dir, pick(m, dir->count));
    }
    check(m);
    assert_int_equal(HASH_COUNT(m->world->core.tree.snapshots->histories),
                     m->world->core.tree.snapshots->dir_count);
    assert_int_equal(HASH_COUNT(m->world->core.tree.snapshots->by_id), 0);
}

static void snapshots_say_what_was(void **state)
{
    struct model m;
    uint32_t taken = 0, deleted = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&m, seed);
        for (int i = 0; i < STEPS; i++) {
            step(&m);
            if (i % 5 == 4) check(&m);
        }
        taken += m.taken;
        deleted += m.deleted;
        delete_all_snapshots(&m);
        end(&m);
    }
    assert_true(taken > SEEDS * 10 && deleted > SEEDS * 8);
}

static void replay_brings_them_back(void **state)
{
    struct model m;

    (void)state;
    for (uint64_t seed = 100; seed < 100 + SEEDS / 4; seed++) {
        begin(&m, seed);
        for (int i = 0; i < STEPS; i++) step(&m);
        struct world *live = m.world;
        m.world =
            world_new((const char *[]){"dfs.namenode.snapshot.capture.openfiles", "true", NULL});
        world_replay(m.world, live);
        check(&m);
        world_free(live);
        end(&m);
    }
}

/* Only what snapshots and today's tree show must come back: ids of snapshots are kept. */
static void images_bring_them_back(void **state)
{
    uint8_t md5[16];
    struct model m;
    char path[] = "/tmp/tusk-snapshots-XXXXXX";

    (void)state;
    close(mkstemp(path));
    for (uint64_t seed = 200; seed < 200 + SEEDS; seed++) {
        begin(&m, seed);
        for (int i = 0; i < STEPS; i++) {
            step(&m);
            if (i % 50 != 49) continue;
            while (tree_reclaim(&m.world->core, UINT64_MAX)) {}
            struct world *live = m.world;
            m.world = world_new(
                (const char *[]){"dfs.namenode.snapshot.capture.openfiles", "true", NULL});
            assert_int_equal(image_write_file(&live->core, live->edits, path, md5, &live->err), 0);
            if (image_load_file(&m.world->core, path, &m.world->err))
                fail_msg("seed %" PRIu64 ": %s", seed, m.world->err.text);
            m.world->edits = live->edits;
            m.world->core.now_ms = live->core.now_ms;
            m.world->core.now_wall_ms = live->core.now_wall_ms;
            check(&m);
            world_free(live);
        }
        delete_all_snapshots(&m);
        end(&m);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_say_what_was),
        cmocka_unit_test(replay_brings_them_back),
        cmocka_unit_test(images_bring_them_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
