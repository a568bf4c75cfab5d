#include "tests/lib/core_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/log.h"
#include "namenode/edit_codec.h"
#include "namenode/safemode.h"

enum { WALL_START = 1000000, BLOCK = 1 << 20 };

static uint64_t take_edit(void *context, struct edit *edit)
{
    struct world *world = context;

    edit->txid = ++world->edits;
    edit_encode(edit, &world->log);
    return edit->txid;
}

struct world *world_new(const char *const *settings)
{
    struct world *world = NEW(struct world);
    struct core *core = &world->core;

    log_set_level(LOG_WARN);
    world->conf = conf_new();
    assert_int_equal(
        conf_set(world->conf, "dfs.permissions.superusergroup", "supergroup", &world->err), 0);
    for (; settings && *settings; settings += 2)
        assert_int_equal(conf_set(world->conf, settings[0], settings[1], &world->err), 0);
    assert_int_equal(core_conf_load(&core->conf, world->conf, &world->err), 0);
    core->conf.superuser = "root";
    core->now_ms = 1;
    core->now_wall_ms = WALL_START;
    assert_int_equal(core_init(core, &world->err), 0);
    inode_set_owner(core->tree.inodes, core->tree.root, "root", "supergroup");
    safemode_start(core);
    assert_false(safemode_is_on(core));
    core->sink = take_edit;
    core->sink_context = world;
    world_be_super(world);
    return world;
}

void world_free(struct world *world)
{
    core_release(&world->core);
    conf_free(world->conf);
    arena_release(&world->arena);
    buf_release(&world->log);
    mem_free(world);
}

void world_be(struct world *world, const char *user, const char *group)
{
    world->groups[0] = group;
    world->op = (struct op){.arena = &world->arena,
                            .user = user,
                            .groups = world->groups,
                            .client_ip = "127.0.0.1",
                            .method = "test"};
}

void world_be_super(struct world *world)
{
    world_be(world, "root", "supergroup");
    world->op.superuser = true;
}

void world_tick(struct world *world, int64_t ms)
{
    world->core.now_ms += ms;
    world->core.now_wall_ms += ms;
}

/* ---- files ---- */

static struct inode *add_file(struct world *world, const char *path, const char *client)
{
    struct edit add = {
        .op = EDIT_ADD,
        .path = path,
        .inode_id = world->core.tree.inode_id_last + 1,
        .mtime_ms = world->core.now_wall_ms,
        .atime_ms = world->core.now_wall_ms,
        .block_size = BLOCK,
        .replication = 3,
        .mode = 0644,
        .user = world->op.user,
        .group = "supergroup",
        .client_name = client,
        .client_machine = "127.0.0.1",
    };

    core_edit(&world->core, &add);
    return world_inode(world, path);
}

struct inode *world_open_file(struct world *world, const char *path, const char *client)
{
    return add_file(world, path, client);
}

struct inode *world_file(struct world *world, const char *path, uint32_t blocks,
                         uint64_t last_length)
{
    struct core *core = &world->core;
    struct inode *file = add_file(world, path, "writer");
    struct block_id *ids = NEW_ARRAY(struct block_id, blocks + 1);

    for (uint32_t i = 0; i < blocks; i++)
        ids[i] = (struct block_id){.id = core->block_id_last + 1 + i,
                                   .generation_stamp = GENERATION_STAMP_FIRST,
                                   .length = i + 1 < blocks ? BLOCK : last_length};
    struct edit edit = {
        .op = EDIT_CLOSE,
        .path = path,
        .inode_id = file->id,
        .mtime_ms = core->now_wall_ms,
        .atime_ms = core->now_wall_ms,
        .block_size = BLOCK,
        .replication = 3,
        .mode = 0644,
        .user = world->op.user,
        .group = "supergroup",
        .blocks = ids,
        .block_count = blocks,
    };
    core_edit(core, &edit);
    mem_free(ids);
    assert_int_equal(file->block_count, blocks);
    return file;
}

struct inode *world_inode(struct world *world, const char *path)
{
    struct resolved resolved;

    if (resolve_path(&world->core.tree, path, &world->arena, &resolved, &world->err)) return NULL;
    return resolved.inode;
}

/* ---- handlers ---- */

#define CALL(handler) op_##handler(&world->core, &world->op, &request, &response, &world->err)

int world_mkdirs(struct world *world, const char *path, uint32_t mode)
{
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT;
    Pb__MkdirsRequest request = PB__MKDIRS_REQUEST__INIT;
    Pb__MkdirsResponse response = PB__MKDIRS_RESPONSE__INIT;

    masked.perm = mode;
    request.src = (char *)path;
    request.masked = &masked;
    request.createparent = true;
    int rc = CALL(mkdirs);
    assert_true(rc || response.result);
    return rc;
}

int world_mkdir(struct world *world, const char *path)
{
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT;
    Pb__MkdirsRequest request = PB__MKDIRS_REQUEST__INIT;
    Pb__MkdirsResponse response = PB__MKDIRS_RESPONSE__INIT;

    masked.perm = 0755;
    request.src = (char *)path;
    request.masked = &masked;
    return CALL(mkdirs);
}

int world_delete(struct world *world, const char *path, bool recursive, bool *result)
{
    Pb__DeleteRequest request = PB__DELETE_REQUEST__INIT;
    Pb__DeleteResponse response = PB__DELETE_RESPONSE__INIT;

    request.src = (char *)path;
    request.recursive = recursive;
    int rc = CALL(delete);
    if (result) *result = response.result;
    return rc;
}

int world_rename(struct world *world, const char *src, const char *dst, bool *result)
{
    Pb__RenameRequest request = PB__RENAME_REQUEST__INIT;
    Pb__RenameResponse response = PB__RENAME_RESPONSE__INIT;

    request.src = (char *)src;
    request.dst = (char *)dst;
    int rc = CALL(rename);
    if (result) *result = response.result;
    return rc;
}

int world_rename2(struct world *world, const char *src, const char *dst, bool overwrite)
{
    Pb__Rename2Request request = PB__RENAME2_REQUEST__INIT;
    Pb__Rename2Response response = PB__RENAME2_RESPONSE__INIT;

    request.src = (char *)src;
    request.dst = (char *)dst;
    request.overwritedest = overwrite;
    return CALL(rename2);
}

int world_chmod(struct world *world, const char *path, uint32_t mode)
{
    Pb__FsPermission permission = PB__FS_PERMISSION__INIT;
    Pb__SetPermissionRequest request = PB__SET_PERMISSION_REQUEST__INIT;
    Pb__SetPermissionResponse response = PB__SET_PERMISSION_RESPONSE__INIT;

    permission.perm = mode;
    request.src = (char *)path;
    request.permission = &permission;
    return CALL(set_permission);
}

int world_chown(struct world *world, const char *path, const char *user, const char *group)
{
    Pb__SetOwnerRequest request = PB__SET_OWNER_REQUEST__INIT;
    Pb__SetOwnerResponse response = PB__SET_OWNER_RESPONSE__INIT;

    request.src = (char *)path;
    request.username = (char *)user;
    request.groupname = (char *)group;
    return CALL(set_owner);
}

int world_set_quota(struct world *world, const char *path, int64_t names, int64_t space)
{
    Pb__SetQuotaRequest request = PB__SET_QUOTA_REQUEST__INIT;
    Pb__SetQuotaResponse response = PB__SET_QUOTA_RESPONSE__INIT;

    request.path = (char *)path;
    request.namespacequota = (uint64_t)names;
    request.storagespacequota = (uint64_t)space;
    return CALL(set_quota);
}

int world_set_replication(struct world *world, const char *path, uint32_t replication, bool *result)
{
    Pb__SetReplicationRequest request = PB__SET_REPLICATION_REQUEST__INIT;
    Pb__SetReplicationResponse response = PB__SET_REPLICATION_RESPONSE__INIT;

    request.src = (char *)path;
    request.replication = replication;
    int rc = CALL(set_replication);
    if (result) *result = response.result;
    return rc;
}

int world_concat(struct world *world, const char *target, const char *const *sources)
{
    Pb__ConcatRequest request = PB__CONCAT_REQUEST__INIT;
    Pb__ConcatResponse response = PB__CONCAT_RESPONSE__INIT;

    request.trg = (char *)target;
    request.srcs = (char **)sources;
    while (sources[request.n_srcs]) request.n_srcs++;
    return CALL(concat);
}

/* ---- replay ---- */

void world_replay(struct world *world, const struct world *from)
{
    struct edit_frame_info info;
    struct arena arena = {0};
    struct edit edit;
    size_t at = 0;

    world->core.replaying = true;
    while (edit_frame_look(from->log.data + at, from->log.length - at, &info) ==
           EDIT_FRAME_RECORD) {
        assert_int_equal(edit_decode(from->log.data + at, info.size, &arena, &edit, &world->err),
                         0);
        if (edit_apply(&world->core, &edit, &world->err)) fail_msg("replay: %s", world->err.text);
        at += info.size;
        arena_clear(&arena);
    }
    assert_int_equal(at, from->log.length);
    world->core.replaying = false;
    arena_release(&arena);
}

static void dump_quota(const struct core *core, const struct inode *dir, struct buf *out)
{
    const struct inode_quota *quota = inode_quota(core->tree.inodes, dir);
    const struct quota_usage *usage = inode_usage(core->tree.inodes, dir);

    if (!quota) return;
    buf_printf(out, " quota %" PRId64 "/%" PRId64 " %" PRId64 "/%" PRId64, usage->names,
               quota->names, usage->space, quota->space);
    for (size_t i = 0; i < ARRAY_LEN(quota->type_space); i++)
        if (quota->type_space[i] >= 0)
            buf_printf(out, " %zu:%" PRId64 "/%" PRId64, i, usage->type_space[i],
                       quota->type_space[i]);
}

static void dump_file(const struct core *core, const struct inode *file, struct buf *out)
{
    const char *holder = lease_holder(core->leases, file->id);

    buf_printf(out, " x%u size %" PRIu64 " block %" PRIu64 " uc %u lease %s",
               (unsigned)file->replication, inode_length(file, true),
               inode_block_size(core->tree.inodes, file), (unsigned)file->under_construction,
               holder ? holder : "-");
    for (uint32_t i = 0; i < file->block_count; i++) {
        const struct block *block = inode_block(file, i);

        assert_int_equal(block->inode, inode_reference(file));
        buf_printf(out, " %" PRIu64 "_%" PRIu64 "(%" PRIu64 ")x%u", block->id,
                   (uint64_t)block->generation_stamp, (uint64_t)block->length,
                   (unsigned)block->replication);
    }
}

char *world_dump(const struct world *world)
{
    const struct core *core = &world->core;
    const struct inode_table *inodes = core->tree.inodes;
    struct arena arena = {0};
    struct buf out = {0};
    struct tree_walk walk;
    uint64_t count = 0;

    tree_walk_start(&walk, &core->tree, core->tree.root);
    for (struct inode *inode; (inode = tree_walk_next(&walk)); count++) {
        buf_printf(&out, "%s %" PRIu64 " type %u mode %o %s:%s m%" PRIu64 " a%" PRIu64 " policy %u",
                   tree_path_of(&core->tree, inode, &arena), inode->id, (unsigned)inode->type,
                   (unsigned)inode->mode, inode_user(inodes, inode), inode_group(inodes, inode),
                   (uint64_t)inode->mtime_ms, (uint64_t)inode->atime_ms,
                   (unsigned)inode->storage_policy);
        if (inode_is_dir(inode)) dump_quota(core, inode, &out);
        if (inode_is_file(inode)) dump_file(core, inode, &out);
        buf_put_str(&out, "\n");
        arena_clear(&arena);
    }
    tree_walk_release(&walk);
    buf_printf(&out,
               "last inode %" PRIu64 ", %" PRIu64 " inodes, %" PRIu64 " open, %" PRIu64 " blocks\n",
               core->tree.inode_id_last, inode_count(inodes), lease_file_count(core->leases),
               block_map_count(core->blocks));
    assert_true(inode_count(inodes) == count || core->tree.detached_count);
    char *text = mem_strdup(buf_cstr(&out));
    buf_release(&out);
    arena_release(&arena);
    return text;
}
