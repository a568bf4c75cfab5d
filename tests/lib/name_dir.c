#include "tests/lib/name_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "namenode/acl.h"
#include "namenode/nn_load.h"
#include "namenode/quota.h"
#include "namenode/xattr.h"

/* For calls that cannot fail here: they take &must. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct err must = ERR_INIT;                                                                \
        if (call) fail_msg("%s: %s", #call, must.text);                                            \
    } while (0)

/* ---- life ---- */

void name_dir_begin(struct name_dir *d, int count)
{
    char template[] = "/tmp/tusk-name-XXXXXX";
    struct buf dirs = {0};
    struct nn_format format = {.cluster_id = "CID-test"};

    *d = (struct name_dir){.seed = 1};
    log_set_level(LOG_ERROR);
    assert_non_null(mkdtemp(template));
    d->scratch = mem_strdup(template);
    for (int i = 1; i <= count; i++)
        buf_printf(&dirs, "%sfile://%s/name%d", i > 1 ? "," : "", d->scratch, i);
    d->conf = conf_new();
    MUST(conf_set(d->conf, "dfs.namenode.name.dir", buf_cstr(&dirs), &must));
    MUST(nn_storage_format(d->conf, &format, &must));
    buf_release(&dirs);
}

static void close_all(struct name_dir *d)
{
    core_release(&d->core);
    memset(&d->core, 0, sizeof d->core);
    nn_storage_close(d->storage);
    d->storage = NULL;
}

void name_dir_end(struct name_dir *d)
{
    if (d->storage) name_dir_stop(d);
    MUST(file_remove_tree(d->scratch, &must));
    conf_free(d->conf);
    mem_free(d->scratch);
}

char *name_dir_path(const struct name_dir *d, int number, const char *name)
{
    return mem_printf("%s/name%d/current/%s", d->scratch, number, name);
}

int name_dir_load(struct name_dir *d, bool serve, struct err *err)
{
    int rc = nn_storage_open(&d->storage, d->conf, err);

    if (rc) return rc;
    MUST(core_conf_load(&d->core.conf, d->conf, &must));
    rc = nn_load(&d->core, d->storage, clock_mono_ms(), err);
    if (!rc && serve) {
        rc = edit_log_start(&d->log, d->storage, d->core.txid_applied, NULL, err);
        if (!rc) d->core.txid_applied = edit_log_last_txid(d->log);
        d->core.sink = edit_log_append;
        d->core.sink_context = d->log;
    }
    if (rc) close_all(d);
    return rc;
}

void name_dir_stop(struct name_dir *d)
{
    if (d->log) MUST(edit_log_stop(d->log, &must));
    d->log = NULL;
    close_all(d);
}

/* A log that is stopped would finalize its segment: its files are put back as they were before. */
void name_dir_crash(struct name_dir *d)
{
    name_dir_sync(d);
    char *command =
        mem_printf("cd '%s' && for n in name*; do rm -rf $n.was && cp -r $n $n.was || exit 1; done",
                   d->scratch);
    assert_int_equal(system(command), 0);
    mem_free(command);
    name_dir_stop(d);
    command = mem_printf(
        "cd '%s' && for n in name*.was; do rm -rf ${n%%.was} && mv $n ${n%%.was} || exit 1; done",
        d->scratch);
    assert_int_equal(system(command), 0);
    mem_free(command);
}

/* ---- changes ---- */

uint64_t name_dir_random(struct name_dir *d, uint64_t limit)
{
    d->seed = hash_u64(d->seed, 17);
    return d->seed % limit;
}

static void change(struct name_dir *d, struct edit *edit)
{
    edit->user = edit->user ? edit->user : "alice";
    edit->group = edit->group ? edit->group : "staff";
    core_edit(&d->core, edit);
}

static int64_t some_time(struct name_dir *d)
{
    return INT64_C(1700000000000) + (int64_t)name_dir_random(d, 1000000000);
}

void name_dir_mkdir(struct name_dir *d, const char *path)
{
    struct edit edit = {.op = EDIT_MKDIR,
                        .path = path,
                        .inode_id = d->core.tree.inode_id_last + 1,
                        .mtime_ms = some_time(d),
                        .mode = 0755};

    change(d, &edit);
}

static void add_block(struct name_dir *d, const char *path, struct block_id *last, bool first)
{
    struct block_id blocks[2] = {*last};
    struct edit id = {.op = EDIT_ALLOCATE_BLOCK_ID, .value = d->core.block_id_last + 1};
    struct edit stamp = {.op = EDIT_SET_GENSTAMP_V2, .value = d->core.generation_stamp + 1};
    struct edit add = {
        .op = EDIT_ADD_BLOCK, .path = path, .blocks = blocks, .block_count = first ? 1 : 2};

    change(d, &id);
    change(d, &stamp);
    *last = (struct block_id){.id = id.value, .generation_stamp = stamp.value};
    blocks[first ? 0 : 1] = *last;
    change(d, &add);
}

/* What complete() and addBlock() do before their records: the last block has this length and is all
 * there. */
static void complete_last(struct name_dir *d, uint64_t file_id, const struct block_id *id)
{
    struct inode *file = inode_find(d->core.tree.inodes, file_id);
    struct quota_mark mark = quota_mark(&d->core, file);

    blocks_update(&d->core, inode_last_block(file), id);
    blocks_force_complete(&d->core, inode_last_block(file));
    quota_settle(&d->core, file, &mark);
}

void name_dir_file(struct name_dir *d, const char *path, int blocks, bool close)
{
    struct edit add = {.op = EDIT_ADD,
                       .path = path,
                       .inode_id = d->core.tree.inode_id_last + 1,
                       .mtime_ms = some_time(d),
                       .block_size = 128 * MIB,
                       .replication = (uint16_t)(1 + name_dir_random(d, 4)),
                       .mode = 0644,
                       .client_name = "DFSClient_test",
                       .client_machine = "127.0.0.1",
                       .has_client_id = true,
                       .call_id = (int32_t)name_dir_random(d, 1000)};
    struct edit end = add;
    struct block_id list[8], last = {0};

    add.atime_ms = add.mtime_ms;
    change(d, &add);
    for (int i = 0; i < blocks; i++) {
        if (i) last.length = 128 * MIB;
        if (i) complete_last(d, add.inode_id, &last);
        add_block(d, path, &last, i == 0);
        if (i) list[i - 1].length = 128 * MIB;
        list[i] = last;
    }
    if (!close) return;
    if (blocks) list[blocks - 1].length = 1 + name_dir_random(d, 128 * MIB);
    if (blocks) complete_last(d, add.inode_id, &list[blocks - 1]);
    end.op = EDIT_CLOSE;
    end.inode_id = 0;
    end.blocks = list;
    end.block_count = (uint32_t)blocks;
    end.atime_ms = end.mtime_ms;
    change(d, &end);
}

static struct inode *random_inode(struct name_dir *d)
{
    struct inode *inode = d->core.tree.root, *found = inode;
    uint64_t seen = 0;

    for (inode = inode_next(d->core.tree.inodes, 0); inode;
         inode = inode_next(d->core.tree.inodes, inode_reference(inode)))
        if (inode_find(d->core.tree.inodes, inode->id) && name_dir_random(d, ++seen) == 0)
            found = inode; /* not one that is about to be freed */
    return found;
}

static struct inode *random_dir(struct name_dir *d)
{
    struct inode *inode = random_inode(d);

    while (!inode_is_dir(inode)) inode = inode_parent(d->core.tree.inodes, inode);
    return inode;
}

static char *new_path(struct name_dir *d, struct arena *arena)
{
    static const char *const NAMES[] = {"plain", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80",
                                        "with space",
                                        "a-name-that-does-not-fit-inside-of-an-inode"};
    const char *dir = tree_path_of(&d->core.tree, random_dir(d), arena);

    return arena_printf(arena, "%s/%s%" PRIu64, str_eq(dir, "/") ? "" : dir,
                        NAMES[name_dir_random(d, ARRAY_LEN(NAMES))], d->names++);
}

static void change_acl(struct name_dir *d, const struct inode *inode, const char *path)
{
    static const char *const NAMES[] = {"bob", "d\xc3\xa4ve", "erin"};
    struct acl_list existing, spec = {.count = 0}, list = {.count = 0};
    struct arena arena = {0};
    struct edit edit = {.op = EDIT_SET_ACL, .path = path};

    acl_logical(d->core.tree.inodes, inode, &existing);
    for (size_t i = 0; i < 3; i++) {
        struct acl_entry *e = &spec.entries[spec.count++];

        e->name = NAMES[i];
        e->type = name_dir_random(d, 2) ? ACL_USER : ACL_GROUP;
        e->scope = inode_is_dir(inode) && name_dir_random(d, 2) ? ACL_DEFAULT : ACL_ACCESS;
        e->permission = name_dir_random(d, 8) & 7;
    }
    if (name_dir_random(d, 5)) MUST(acl_merge(&existing, &spec, &list, &must));
    edit.acl = acl_to_edit(&list, &arena); /* one in five takes it away */
    change(d, &edit);
    arena_release(&arena);
}

static void change_xattr(struct name_dir *d, const char *path)
{
    static const char *const NAMES[] = {"color", "\xc3\xa9t\xc3\xa9", "a.long.name.with.dots"};
    uint8_t value[300] = {1, 2, 3};
    struct xattr xattr = {.name = NAMES[name_dir_random(d, 3)],
                          .space = (uint8_t)name_dir_random(d, XATTR_RAW + 1),
                          .value = value,
                          .size = (uint32_t)name_dir_random(d, sizeof value)};
    struct arena arena = {0};
    Pb__XAttr *messages[] = {xattr_to_message(&xattr, &arena)};
    Pb__XAttrEditLog log = PB__XATTR_EDIT_LOG__INIT;
    struct edit edit = {.path = path, .xattrs = &log};

    log.xattrs = messages;
    log.n_xattrs = 1;
    edit.op = name_dir_random(d, 4) ? EDIT_SET_XATTR : EDIT_REMOVE_XATTR;
    change(d, &edit);
    arena_release(&arena);
}

static void change_attribute(struct name_dir *d, struct inode *inode, const char *path)
{
    static const char *const USERS[] = {"bob", "carol", "d\xc3\xa4ve"};
    struct edit edit = {.path = path};

    if (inode_is_symlink(inode)) return; /* such calls mean the target */
    switch (name_dir_random(d, 9)) {
    case 7: change_acl(d, inode, path); return;
    case 8: change_xattr(d, path); return;
    case 0: edit.op = EDIT_SET_PERMISSIONS, edit.mode = name_dir_random(d, 01000) & 01777; break;
    case 1: edit.op = EDIT_SET_OWNER, edit.user = USERS[name_dir_random(d, 3)]; break;
    case 2: edit.op = EDIT_TIMES, edit.mtime_ms = some_time(d), edit.atime_ms = -1; break;
    case 3:
        if (!inode_is_dir(inode)) return;
        edit.op = EDIT_SET_QUOTA;
        edit.ns_quota = INT64_C(1) << 40;
        edit.ds_quota = name_dir_random(d, 2) ? INT64_C(1) << 60 : QUOTA_NONE;
        break;
    case 4:
        if (!inode_is_dir(inode)) return;
        edit.op = EDIT_SET_QUOTA_BY_STORAGETYPE, edit.storage_type = STORAGE_SSD;
        edit.ds_quota = INT64_C(1) << 60;
        break;
    case 5: edit.op = EDIT_SET_STORAGE_POLICY, edit.storage_policy = 2; break;
    default:
        if (!inode_is_file(inode)) return;
        edit.op = EDIT_SET_REPLICATION, edit.replication = (uint16_t)(1 + name_dir_random(d, 9));
        break;
    }
    change(d, &edit);
}

static void rename_some(struct name_dir *d, struct inode *inode, const char *path,
                        struct arena *arena)
{
    struct inode *dir = random_dir(d);
    struct edit edit = {.op = EDIT_RENAME, .path = path, .mtime_ms = some_time(d)};

    if (inode == d->core.tree.root || tree_is_ancestor(&d->core.tree, inode, dir)) return;
    const char *to = tree_path_of(&d->core.tree, dir, arena);
    edit.destination =
        arena_printf(arena, "%s/moved%" PRIu64, str_eq(to, "/") ? "" : to, d->names++);
    change(d, &edit);
}

void name_dir_change(struct name_dir *d)
{
    struct arena arena = {0};
    struct inode *inode = random_inode(d);
    const char *path = tree_path_of(&d->core.tree, inode, &arena);
    struct edit edit = {.mtime_ms = some_time(d)};

    switch (name_dir_random(d, 12)) {
    case 0:
    case 1:
    case 2: name_dir_mkdir(d, new_path(d, &arena)); break;
    case 3:
    case 4:
    case 5:
    case 6:
        name_dir_file(d, new_path(d, &arena), (int)name_dir_random(d, 5),
                      name_dir_random(d, 5) > 0);
        break;
    case 7:
        edit.op = EDIT_SYMLINK, edit.path = new_path(d, &arena),
        edit.destination = "/somewhere/else";
        edit.inode_id = d->core.tree.inode_id_last + 1, edit.mode = 0777;
        edit.atime_ms = edit.mtime_ms;
        change(d, &edit);
        break;
    case 8:
        if (inode == d->core.tree.root || (inode_is_dir(inode) && name_dir_random(d, 4))) break;
        edit.op = EDIT_DELETE, edit.path = path;
        change(d, &edit);
        break;
    case 9: rename_some(d, inode, path, &arena); break;
    default: change_attribute(d, inode, path); break;
    }
    arena_release(&arena);
}

void name_dir_sync(struct name_dir *d)
{
    if (d->log) MUST(edit_log_wait(d->log, edit_log_last_txid(d->log), &must));
}

/* ---- text ---- */

static void dump_quota(const struct core *core, const struct inode *dir, struct buf *out)
{
    const struct inode_quota *quota = inode_quota(core->tree.inodes, dir);
    const struct quota_usage *usage = inode_usage(core->tree.inodes, dir);

    if (!quota) return;
    buf_printf(out, " quota=%" PRId64 ",%" PRId64, quota->names, quota->space);
    for (int i = 1; i < 7; i++) buf_printf(out, ",%" PRId64, quota->type_space[i]);
    if (usage) buf_printf(out, " used=%" PRId64 ",%" PRId64, usage->names, usage->space);
}

static void dump_file(const struct core *core, const struct inode *file, struct buf *out)
{
    buf_printf(out, " repl=%u bs=%" PRIu64 " blocks=", file->replication,
               inode_block_size(core->tree.inodes, file));
    for (uint32_t i = 0; i < file->block_count; i++) {
        const struct block *b = inode_block(file, i);
        buf_printf(out, "%" PRIu64 "_%" PRIu64 "+%" PRIu64 ";", (uint64_t)b->id,
                   (uint64_t)b->generation_stamp, (uint64_t)b->length);
        assert_int_equal(b->inode, inode_reference(file));
    }
    if (file->under_construction)
        buf_printf(out, " open by %s at %s", lease_holder(core->leases, file->id),
                   lease_machine(core->leases, file->id));
}

static void dump_attributes(const struct core *core, const struct inode *inode, struct buf *out)
{
    const struct xattrs *xattrs = inode_xattrs(core->tree.inodes, inode);
    struct acl_list list = {.count = 0};

    acl_read(inode_acl(core->tree.inodes, inode), &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct acl_entry *e = &list.entries[i];

        buf_printf(out, " acl=%u:%u:%s:%u", e->scope, e->type, e->name ? e->name : "",
                   e->permission);
    }
    for (size_t i = 0; xattrs && i < xattrs->count; i++) {
        const struct xattr *x = &xattrs->list[i];

        buf_printf(out, " %s%s=", xattr_prefix(x->space), x->name);
        for (size_t j = 0; j < x->size; j++) buf_printf(out, "%02x", x->value[j]);
    }
}

static void dump_inode(const struct core *core, const struct inode *inode, struct buf *out)
{
    struct arena arena = {0};
    const struct inode_table *table = core->tree.inodes;

    buf_printf(
        out,
        "%s id=%" PRIu64 " type=%u mode=%o %s:%s mtime=%" PRIu64 " atime=%" PRIu64 " policy=%u",
        tree_path_of(&core->tree, inode, &arena), inode->id, (unsigned)inode->type,
        (unsigned)inode->mode, inode_user(table, inode), inode_group(table, inode),
        (uint64_t)inode->mtime_ms, (uint64_t)inode->atime_ms, (unsigned)inode->storage_policy);
    dump_attributes(core, inode, out);
    if (inode_is_file(inode)) dump_file(core, inode, out);
    if (inode_is_dir(inode)) dump_quota(core, inode, out);
    if (inode_is_symlink(inode)) buf_printf(out, " -> %s", inode_symlink_target(table, inode));
    buf_put_u8(out, '\n');
    arena_release(&arena);
}

static void dump_below(const struct core *core, const struct inode *inode, struct buf *out)
{
    struct inode *child;

    dump_inode(core, inode, out);
    if (!inode_is_dir(inode)) return;
    for (uint64_t i = 0; (child = dir_child_at(&core->tree, inode, i)); i++)
        dump_below(core, child, out);
}

void core_dump(const struct core *core, struct buf *out)
{
    buf_clear(out);
    buf_printf(out,
               "ns=%u gs=%" PRIu64 " block=%" PRIu64 " inode=%" PRIu64 " count=%" PRIu64
               " blocks=%" PRIu64 "\n",
               core->identity.namespace_id, core->generation_stamp, core->block_id_last,
               core->tree.inode_id_last, inode_count(core->tree.inodes),
               block_map_count(core->blocks));
    dump_below(core, core->tree.root, out);
    buf_cstr(out);
}

void core_dump_compare(const struct buf *expected, const struct buf *got)
{
    const char *a = (const char *)expected->data, *b = (const char *)got->data;

    while (*a && *b) {
        size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");
        if (la != lb || memcmp(a, b, la))
            fail_msg("expected %.*s --- but got %.*s", (int)la, a, (int)lb, b);
        a += la + (a[la] == '\n');
        b += lb + (b[lb] == '\n');
    }
    if (*a || *b) fail_msg("%s: %s", *a ? "missing" : "too much", *a ? a : b);
}
