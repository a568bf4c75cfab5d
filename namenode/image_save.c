/* The sections of an image in Apache's order, and the files' way from .ckpt to image. */
#include "namenode/image_save.h"

#include <unistd.h>
#include <uthash.h>

#include "namenode/acl.h"
#include "namenode/image_saver.h"
#include "namenode/image_state.h"
#include "namenode/snapshot.h"
#include "namenode/xattr.h"

enum { CHILDREN_AT_ONCE = 1024, LEASES_AT_ONCE = 1024 };

/* ---- strings ---- */

static uint32_t text_id(struct saver *s, struct texts *texts, const char *text)
{
    struct text_id *entry;
    size_t length = strlen(text);

    HASH_FIND(hh, texts->by_text, text, length, entry);
    if (entry) return entry->id;
    if (texts->count == IMAGE_STRING_ID_MAX) {
        s->rc = err_set(s->err, ERR_LIMIT,
                        "an image cannot name more than %d different users, groups or attributes",
                        IMAGE_STRING_ID_MAX);
        return 0;
    }
    entry = mem_zalloc(sizeof *entry + length + 1);
    entry->id = ++texts->count;
    memcpy(entry->text, text, length);
    HASH_ADD_KEYPTR(hh, texts->by_text, entry->text, length, entry);
    return entry->id;
}

static void texts_release(struct texts *texts)
{
    struct text_id *entry, *next;

    HASH_ITER (hh, texts->by_text, entry, next) {
        HASH_DEL(texts->by_text, entry);
        mem_free(entry);
    }
}

static void put_texts(struct saver *s, const struct texts *texts, uint32_t kind)
{
    Pb__StringTableSection__Entry message = PB__STRING_TABLE_SECTION__ENTRY__INIT;

    message.has_id = true;
    for (struct text_id *entry = texts->by_text; entry; entry = entry->hh.next) {
        message.id = entry->id | kind << (32 - IMAGE_MASK_BITS);
        message.str = entry->text;
        image_out_put(s->out, &message.base);
    }
}

static void save_strings(struct saver *s)
{
    Pb__StringTableSection message = PB__STRING_TABLE_SECTION__INIT;

    message.has_numentry = message.has_maskbits = true;
    message.numentry = s->users.count + s->groups.count + s->xattrs.count;
    message.maskbits = IMAGE_MASK_BITS;
    image_out_put(s->out, &message.base);
    put_texts(s, &s->users, IMAGE_STRINGS_USER);
    put_texts(s, &s->groups, IMAGE_STRINGS_GROUP);
    put_texts(s, &s->xattrs, IMAGE_STRINGS_XATTR);
    image_out_section(s->out, "STRING_TABLE");
}

/* ---- sections of numbers ---- */

static void save_namesystem(struct saver *s, uint64_t txid)
{
    const struct core *core = s->core;
    Pb__NameSystemSection message = PB__NAME_SYSTEM_SECTION__INIT;

    message.has_namespaceid = message.has_genstampv1 = message.has_genstampv2 = true;
    message.has_genstampv1limit = message.has_lastallocatedblockid = true;
    message.has_transactionid = message.has_lastallocatedstripedblockid = true;
    message.namespaceid = core->identity.namespace_id;
    message.genstampv1 = core->generation_stamp_v1;
    message.genstampv2 = core->generation_stamp;
    message.genstampv1limit = core->generation_stamp_v1_limit;
    message.lastallocatedblockid = core->block_id_last;
    message.lastallocatedstripedblockid = core->striped_block_id_last;
    message.transactionid = txid;
    message.has_rollingupgradestarttime = core->rolling_upgrade_start_ms != 0;
    message.rollingupgradestarttime = (uint64_t)core->rolling_upgrade_start_ms;
    image_out_put(s->out, &message.base);
    image_out_section(s->out, "NS_INFO");
}

/* ---- inodes ---- */

/* PermissionStatusFormat: user in bits 40 to 63, group in 16 to 39, mode below. */
static uint64_t permission_bits(struct saver *s, const struct inode *inode)
{
    size_t before = s->permission_capacity;

    if (inode->owner >= before) {
        GROW(s->permissions, s->permission_capacity, (size_t)inode->owner + 64);
        memset(s->permissions + before, 0,
               (s->permission_capacity - before) * sizeof *s->permissions);
    }
    if (!s->permissions[inode->owner]) {
        uint64_t user = text_id(s, &s->users, inode_user(s->core->tree.inodes, inode));
        uint64_t group = text_id(s, &s->groups, inode_group(s->core->tree.inodes, inode));
        s->permissions[inode->owner] = user << 40 | group << 16;
    }
    return s->permissions[inode->owner] | inode->mode;
}

static void put_inode(struct saver *s, const struct inode *inode, Pb__INodeSection__INode *message)
{
    size_t length;

    message->id = inode->id;
    message->has_name = true;
    message->name.data = (uint8_t *)(uintptr_t)inode_name(inode, &length);
    message->name.len = length;
    image_out_put(s->out, &message->base);
}

/* The file's blocks as messages, in memory that the next file takes over. */
static void fill_blocks(struct saver *s, const struct inode *file, Pb__INodeSection__INodeFile *out)
{
    buf_clear(&s->blocks);
    buf_clear(&s->block_list);
    Pb__Block *blocks = (void *)buf_extend(&s->blocks, file->block_count * sizeof *blocks);
    Pb__Block **list = (void *)buf_extend(&s->block_list, file->block_count * sizeof *list);
    for (uint32_t i = 0; i < file->block_count; i++) {
        const struct block *block = inode_block(file, i);
        pb__block__init(&blocks[i]);
        blocks[i].blockid = block->id;
        blocks[i].genstamp = block->generation_stamp;
        blocks[i].numbytes = block->length;
        blocks[i].has_numbytes = true;
        list[i] = &blocks[i];
    }
    out->blocks = list;
    out->n_blocks = file->block_count;
}

static uint32_t acl_entry_bits(struct saver *s, const struct acl_entry *e)
{
    uint32_t name =
        !e->name ? 0 : text_id(s, e->type == ACL_USER ? &s->users : &s->groups, e->name);

    return e->permission | (uint32_t)e->type << IMAGE_ACL_TYPE_SHIFT |
           (uint32_t)e->scope << IMAGE_ACL_SCOPE_SHIFT | name << IMAGE_ACL_NAME_SHIFT;
}

/* NULL when the inode has none; in s->arena, as are the attributes. */
static Pb__INodeSection__AclFeature *acl_message(struct saver *s, const struct inode *inode)
{
    const struct acl *acl = inode_acl(s->core->tree.inodes, inode);
    struct acl_list list = {.count = 0};

    if (!acl) return NULL;
    acl_read(acl, &list);
    Pb__INodeSection__AclFeature *message = ARENA_NEW(&s->arena, Pb__INodeSection__AclFeature);
    pb__inode_section__acl_feature__init(message);
    message->entries = ARENA_ARRAY(&s->arena, uint32_t, list.count);
    message->n_entries = list.count;
    for (size_t i = 0; i < list.count; i++)
        message->entries[i] = acl_entry_bits(s, &list.entries[i]);
    return message;
}

static Pb__INodeSection__XAttrCompact *attribute_message(struct saver *s, const struct xattr *x)
{
    Pb__INodeSection__XAttrCompact *message = ARENA_NEW(&s->arena, Pb__INodeSection__XAttrCompact);
    uint32_t space = x->space;

    pb__inode_section__xattr_compact__init(message);
    message->name = (space & ((1u << IMAGE_XATTR_NAMESPACE_BITS) - 1))
                        << IMAGE_XATTR_NAMESPACE_SHIFT |
                    (space >> IMAGE_XATTR_NAMESPACE_BITS) << IMAGE_XATTR_EXTENDED_SHIFT |
                    text_id(s, &s->xattrs, x->name) << IMAGE_XATTR_NAME_SHIFT;
    message->has_value = x->size > 0;
    message->value.data = (uint8_t *)(uintptr_t)x->value;
    message->value.len = x->size;
    return message;
}

/* On directories Apache keeps the storage policy as an extended attribute of one byte. */
static Pb__INodeSection__XAttrFeature *attributes_message(struct saver *s,
                                                          const struct inode *inode)
{
    const struct xattrs *set = inode_xattrs(s->core->tree.inodes, inode);
    bool has_policy = inode_is_dir(inode) && inode->storage_policy;

    if (!set && !has_policy) return NULL;
    Pb__INodeSection__XAttrFeature *message = ARENA_NEW(&s->arena, Pb__INodeSection__XAttrFeature);
    pb__inode_section__xattr_feature__init(message);
    message->xattrs =
        ARENA_ARRAY(&s->arena, Pb__INodeSection__XAttrCompact *, (set ? set->count : 0) + 1);
    for (size_t i = 0; set && i < set->count; i++)
        message->xattrs[message->n_xattrs++] = attribute_message(s, &set->list[i]);
    if (has_policy) {
        uint8_t id = inode->storage_policy;
        struct xattr policy = {.name = XATTR_STORAGE_POLICY,
                               .space = XATTR_SYSTEM,
                               .value = arena_copy(&s->arena, &id, sizeof id),
                               .size = sizeof id};

        message->xattrs[message->n_xattrs++] = attribute_message(s, &policy);
    }
    return message;
}

void image_fill_file(struct saver *s, const struct inode *file, Pb__INodeSection__INodeFile *out)
{
    out->has_replication = out->has_modificationtime = out->has_accesstime = true;
    out->has_preferredblocksize = out->has_permission = out->has_storagepolicyid = true;
    out->has_blocktype = true;
    if (file->striped) {
        out->has_replication = false;
        out->has_erasurecodingpolicyid = true;
        out->erasurecodingpolicyid = inode_ec_policy(file);
        out->blocktype = PB__BLOCK_TYPE__STRIPED;
    } else {
        out->replication = file->replication;
    }
    out->modificationtime = file->mtime_ms;
    out->accesstime = file->atime_ms;
    out->preferredblocksize = inode_block_size(s->core->tree.inodes, file);
    out->permission = permission_bits(s, file);
    out->storagepolicyid = file->storage_policy;
    out->acl = acl_message(s, file);
    out->xattrs = attributes_message(s, file);
}

static void save_file(struct saver *s, const struct inode *file)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeFile message = PB__INODE_SECTION__INODE_FILE__INIT;
    Pb__INodeSection__FileUnderConstructionFeature open =
        PB__INODE_SECTION__FILE_UNDER_CONSTRUCTION_FEATURE__INIT;

    arena_clear(&s->arena);
    image_fill_file(s, file, &message);
    fill_blocks(s, file, &message);
    if (file->under_construction) {
        const char *holder = lease_holder(s->core->leases, file->id);
        const char *machine = lease_machine(s->core->leases, file->id);
        open.clientname = (char *)(uintptr_t)(holder ? holder : "");
        open.clientmachine = (char *)(uintptr_t)(machine ? machine : "");
        message.fileuc = &open;
    }
    inode.type = PB__INODE_SECTION__TYPE__FILE;
    inode.file = &message;
    put_inode(s, file, &inode);
}

static void fill_quotas(const struct inode *dir, const struct inode_quota *quota,
                        Pb__INodeSection__INodeDirectory *out, struct image_dir_scratch *scratch)
{
    static const enum storage_type order[] = {/* StorageType's in Java */
                                              STORAGE_RAM_DISK, STORAGE_SSD,      STORAGE_DISK,
                                              STORAGE_ARCHIVE,  STORAGE_PROVIDED, STORAGE_NVDIMM};
    int64_t names = dir->id == INODE_ID_ROOT ? QUOTA_NS_ROOT : QUOTA_NONE;

    out->has_nsquota = out->has_dsquota = true;
    out->nsquota = (uint64_t)(quota ? quota->names : names);
    out->dsquota = (uint64_t)(quota ? quota->space : QUOTA_NONE);
    if (!quota) return;
    pb__inode_section__quota_by_storage_type_feature__init(&scratch->types);
    for (size_t n = 0; n < ARRAY_LEN(order); n++) {
        enum storage_type type = order[n];
        if (quota->type_space[type] < 0) continue;
        size_t i = scratch->types.n_quotas++;
        pb__inode_section__quota_by_storage_type_entry__init(&scratch->entries[i]);
        scratch->entries[i].storagetype = (Pb__StorageType)type;
        scratch->entries[i].quota = (uint64_t)quota->type_space[type];
        scratch->entry_list[i] = &scratch->entries[i];
    }
    scratch->types.quotas = scratch->entry_list;
    if (scratch->types.n_quotas) out->typequotas = &scratch->types;
}

void image_fill_directory(struct saver *s, const struct inode *dir,
                          Pb__INodeSection__INodeDirectory *out, struct image_dir_scratch *scratch)
{
    out->has_modificationtime = out->has_permission = true;
    out->modificationtime = dir->mtime_ms;
    out->permission = permission_bits(s, dir);
    fill_quotas(dir, inode_quota(s->core->tree.inodes, dir), out, scratch);
    out->acl = acl_message(s, dir);
    out->xattrs = attributes_message(s, dir);
}

static void save_directory(struct saver *s, const struct inode *dir)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeDirectory message = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
    struct image_dir_scratch scratch;

    arena_clear(&s->arena);
    image_fill_directory(s, dir, &message, &scratch);
    inode.type = PB__INODE_SECTION__TYPE__DIRECTORY;
    inode.directory = &message;
    put_inode(s, dir, &inode);
}

static void save_symlink(struct saver *s, const struct inode *link)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeSymlink message = PB__INODE_SECTION__INODE_SYMLINK__INIT;
    const char *target = inode_symlink_target(s->core->tree.inodes, link);

    message.has_permission = message.has_target = true;
    message.has_modificationtime = message.has_accesstime = true;
    message.permission = permission_bits(s, link);
    message.target.data = (uint8_t *)(uintptr_t)target;
    message.target.len = strlen(target);
    message.modificationtime = link->mtime_ms;
    message.accesstime = link->atime_ms;
    inode.type = PB__INODE_SECTION__TYPE__SYMLINK;
    inode.symlink = &message;
    put_inode(s, link, &inode);
}

static void save_inodes(struct saver *s)
{
    const struct inode_table *table = s->core->tree.inodes;
    Pb__INodeSection header = PB__INODE_SECTION__INIT;
    uint64_t saved = 0;

    header.has_lastinodeid = header.has_numinodes = true;
    header.lastinodeid = s->core->tree.inode_id_last;
    header.numinodes = inode_count(table);
    image_out_put(s->out, &header.base);
    for (const struct inode *inode = inode_next(table, 0); inode && !s->rc;
         inode = inode_next(table, inode_reference(inode))) {
        if (inode_is_file(inode))
            save_file(s, inode);
        else if (inode_is_dir(inode))
            save_directory(s, inode);
        else
            save_symlink(s, inode);
        saved++;
    }
    assert(s->rc || saved == header.numinodes);
    image_out_section(s->out, "INODE");
}

static void save_children(struct saver *s, const struct inode *dir)
{
    Pb__INodeDirectorySection__DirEntry message = PB__INODE_DIRECTORY_SECTION__DIR_ENTRY__INIT;
    struct inode *page[CHILDREN_AT_ONCE];
    uint64_t count = dir_child_count(dir), remaining = count, done = 0;
    const uint8_t *after = NULL;
    size_t after_length = 0;

    if (!count) return;
    arena_clear(&s->arena);
    message.has_parent = true;
    message.parent = dir->id;
    message.children = arena_alloc(&s->arena, count * sizeof *message.children);
    message.refchildren = arena_alloc(&s->arena, count * sizeof *message.refchildren);
    while (remaining) {
        size_t got =
            dir_list(&s->core->tree, dir, after, after_length, page, CHILDREN_AT_ONCE, &remaining);
        for (size_t i = 0; i < got; i++) {
            int64_t number = image_reference_of_child(s, page[i]);

            if (number < 0)
                message.children[done++] = page[i]->id;
            else
                message.refchildren[message.n_refchildren++] = (uint32_t)number;
        }
        after = inode_name(page[got - 1], &after_length);
    }
    assert(done + message.n_refchildren == count);
    message.n_children = done;
    image_out_put(s->out, &message.base);
}

static void save_directories(struct saver *s)
{
    const struct inode_table *table = s->core->tree.inodes;

    for (const struct inode *inode = inode_next(table, 0); inode;
         inode = inode_next(table, inode_reference(inode)))
        if (inode_is_dir(inode)) save_children(s, inode);
    image_out_section(s->out, "INODE_DIR");
}

static void save_open_file(struct saver *s, uint64_t id)
{
    Pb__FilesUnderConstructionSection__FileUnderConstructionEntry message =
        PB__FILES_UNDER_CONSTRUCTION_SECTION__FILE_UNDER_CONSTRUCTION_ENTRY__INIT;
    const struct inode *file = inode_find(s->core->tree.inodes, id);

    if (!file || !file->under_construction) return;
    arena_clear(&s->arena);
    const char *path = tree_path_of(&s->core->tree, file, &s->arena);
    if (!path) return;
    message.has_inodeid = true;
    message.inodeid = id;
    message.fullpath = (char *)(uintptr_t)path;
    image_out_put(s->out, &message.base);
}

static void save_open_files(struct saver *s)
{
    uint64_t ids[LEASES_AT_ONCE], after = 0;
    size_t count;

    while ((count = lease_files(s->core->leases, NULL, after, ids, LEASES_AT_ONCE))) {
        for (size_t i = 0; i < count; i++) save_open_file(s, ids[i]);
        after = ids[count - 1];
    }
    image_out_section(s->out, "FILES_UNDERCONSTRUCTION");
}

static int save_sections(const struct core *core, uint64_t txid, struct image_out *out,
                         struct err *err)
{
    struct saver s = {.core = core, .out = out, .err = err};

    save_namesystem(&s, txid);
    image_save_ec_policies(core, out);
    save_inodes(&s);
    save_directories(&s);
    save_open_files(&s);
    image_save_snapshots(&s);
    image_save_secrets(core, out);
    image_save_cache(core, out);
    save_strings(&s);
    texts_release(&s.users);
    texts_release(&s.groups);
    texts_release(&s.xattrs);
    mem_free(s.permissions);
    mem_free(s.references);
    buf_release(&s.blocks);
    buf_release(&s.block_list);
    arena_release(&s.arena);
    return s.rc;
}

/* ---- files ---- */

static int save_to(const struct core *core, uint64_t txid, struct nn_dir *const *dirs,
                   const char *const *paths, size_t count, uint8_t md5[IMAGE_MD5_SIZE],
                   struct err *err)
{
    struct image_out out;
    int rc = image_out_open(&out, dirs, paths, count, err);

    if (!rc) rc = save_sections(core, txid, &out, err);
    if (!rc) rc = image_out_finish(&out, md5, err);
    image_out_release(&out);
    return rc;
}

int image_write_file(const struct core *core, uint64_t txid, const char *path,
                     uint8_t md5[IMAGE_MD5_SIZE], struct err *err)
{
    return save_to(core, txid, NULL, &path, 1, md5, err);
}

static char *image_path(const struct nn_dir *dir, const char *kind, uint64_t txid)
{
    return mem_printf("%s/fsimage%s%019" PRIu64, dir->current, kind, txid);
}

int image_save_begin(const struct core *core, struct nn_storage *storage, uint64_t txid,
                     uint8_t md5[IMAGE_MD5_SIZE], struct err *err)
{
    struct nn_dir **dirs = NEW_ARRAY(struct nn_dir *, storage->count);
    char **paths = NEW_ARRAY(char *, storage->count);
    size_t count = 0;

    for (size_t i = 0; i < storage->count; i++) {
        if (!nn_dir_live(&storage->dirs[i], NN_DIR_IMAGE)) continue;
        dirs[count] = &storage->dirs[i];
        paths[count++] = image_path(&storage->dirs[i], ".ckpt_", txid);
    }
    int rc = save_to(core, txid, dirs, (const char *const *)paths, count, md5, err);
    for (size_t i = 0; i < count; i++) {
        if (rc) unlink(paths[i]);
        mem_free(paths[i]);
    }
    mem_free(paths);
    mem_free(dirs);
    return rc;
}

/* The .md5 is there before its image: a crash in between leaves a .md5 of nothing, which nobody
 * looks at (HDFS-6820). */
static int commit_in(const struct nn_dir *dir, uint64_t txid, const uint8_t md5[IMAGE_MD5_SIZE],
                     const char *kind, struct err *err)
{
    char hex[2 * IMAGE_MD5_SIZE + 1];
    char *from = image_path(dir, ".ckpt_", txid), *to = image_path(dir, kind, txid);
    char *sum = mem_printf("%s.md5", to);

    md5_hex(md5, hex);
    char *line = mem_printf("%s *fsimage%s%019" PRIu64 "\n", hex, kind, txid);
    int rc = file_replace(sum, line, strlen(line), 0644, err);
    if (!rc) rc = file_rename(from, to, err);
    mem_free(line);
    mem_free(sum);
    mem_free(to);
    mem_free(from);
    return rc;
}

int image_save_commit_as(struct nn_storage *storage, uint64_t txid,
                         const uint8_t md5[IMAGE_MD5_SIZE], bool rollback, struct err *err)
{
    const char *kind = rollback ? "_rollback_" : "_";
    struct err why = ERR_INIT;
    size_t done = 0;

    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        if (!nn_dir_live(dir, NN_DIR_IMAGE)) continue;
        if (commit_in(dir, txid, md5, kind, &why))
            nn_dir_fail(dir, &why);
        else
            done++;
    }
    if (done) return 0;
    return err_set(err, ERR_IO, "no name directory has the image of txid %" PRIu64 ": %s", txid,
                   why.text);
}

int image_save_commit(struct nn_storage *storage, uint64_t txid, const uint8_t md5[IMAGE_MD5_SIZE],
                      struct err *err)
{
    return image_save_commit_as(storage, txid, md5, false, err);
}
