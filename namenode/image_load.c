/* The sections of an image, in the order in which they need each other: strings, numbers, inodes,
 * directories, then what must be empty. */
#include "namenode/image_load.h"

#include "common/clock.h"
#include "common/log.h"
#include "namenode/acl.h"
#include "namenode/ec_policy.h"
#include "namenode/apply_tree.h"
#include "namenode/image_loader.h"
#include "namenode/image_out.h"
#include "namenode/image_state.h"
#include "namenode/quota.h"
#include "namenode/snapshot.h"
#include "namenode/xattr.h"

enum {
    REPLICATION_MAX = (1 << 10) - 1,
    BLOCKS_PER_FILE_MAX = 1 << 24,
    ACTION_BITS = 7,
    DEPTH_MAX = 100000, /* of directories within each other */
    INODE_BYTES_MIN = 8,
};
#define TIME_MAX_MS ((INT64_C(1) << 48) - 1)
#define LENGTH_MAX  ((UINT64_C(1) << 44) - 1)
#define STAMP_MAX   ((UINT64_C(1) << 44) - 1)

/* ---- small sections ---- */

/* Calls fn for each message of a section, or for the first alone. */
int image_each_message(struct loader *l, const char *section,
                       const ProtobufCMessageDescriptor *type, image_message_fn *fn,
                       struct err *err)
{
    struct image_reader reader;
    void *message;
    int rc = image_reader_open(&reader, &l->in, section, err);

    while (!rc) {
        arena_clear(&l->arena);
        rc = image_reader_next(&reader, type, &l->arena, &message, err);
        if (rc <= 0) break;
        rc = fn(l, message, err);
        if (rc) err_wrap(err, rc, "%s, section %s", l->in.path, section);
    }
    image_reader_close(&reader);
    return rc;
}

/* The one message that a section begins with; NULL when the section is empty. */
static int first_message(struct loader *l, const char *section,
                         const ProtobufCMessageDescriptor *type, void *message, struct err *err)
{
    struct image_reader reader;
    int rc = image_reader_open(&reader, &l->in, section, err);

    memset(message, 0, sizeof(void *));
    arena_clear(&l->arena);
    if (!rc) rc = image_reader_next(&reader, type, &l->arena, message, err);
    image_reader_close(&reader);
    return rc < 0 ? rc : 0;
}

static int unsupported(const struct loader *l, const char *feature, struct err *err)
{
    return err_set(
        err, ERR_UNSUPPORTED,
        "%s has %s, which this version does not have. It stops here rather than lose them: "
        "remove them with the Apache namenode, save its namespace, and start here again",
        l->in.path, feature);
}

int image_bad(struct err *err, const char *what, uint64_t id)
{
    return err_set(err, ERR_CORRUPT, "inode %" PRIu64 ": %s", id, what);
}

static int load_namesystem(struct loader *l, struct err *err)
{
    Pb__NameSystemSection *s;
    struct core *core = l->core;
    int rc = first_message(l, "NS_INFO", &pb__name_system_section__descriptor, &s, err);

    if (rc) return rc;
    if (!s || !s->has_transactionid)
        return err_set(err, ERR_CORRUPT, "%s has no section NS_INFO", l->in.path);
    if (s->has_rollingupgradestarttime)
        core->rolling_upgrade_start_ms = (int64_t)s->rollingupgradestarttime;
    if (core->identity.namespace_id && s->namespaceid != core->identity.namespace_id)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "%s belongs to namespace %u, the directory's VERSION says %u", l->in.path,
                       s->namespaceid, core->identity.namespace_id);
    if (s->genstampv2 > STAMP_MAX || s->transactionid > INT64_MAX)
        return err_set(err, ERR_CORRUPT, "%s: impossible counters", l->in.path);
    core->generation_stamp_v1 = s->genstampv1;
    core->generation_stamp_v1_limit = s->genstampv1limit;
    core->generation_stamp = s->genstampv2;
    core->block_id_last = s->lastallocatedblockid;
    if (s->has_lastallocatedstripedblockid)
        core->striped_block_id_last = s->lastallocatedstripedblockid;
    core->txid_applied = s->transactionid;
    return 0;
}

/* ---- strings ---- */

static void keep_text(struct loader *l, uint32_t id, const char *text)
{
    struct text *entry;
    size_t length = strlen(text);

    HASH_FIND(hh, l->texts, &id, sizeof id, entry);
    if (entry) return; /* the first one holds */
    entry = mem_zalloc(sizeof *entry + length + 1);
    entry->id = id;
    memcpy(entry->text, text, length);
    HASH_ADD(hh, l->texts, id, sizeof entry->id, entry);
}

static int load_strings(struct loader *l, struct err *err)
{
    struct image_reader reader;
    Pb__StringTableSection *header = NULL;
    Pb__StringTableSection__Entry *entry;
    int rc = image_reader_open(&reader, &l->in, "STRING_TABLE", err);

    arena_clear(&l->arena);
    if (!rc)
        rc = image_reader_next(&reader, &pb__string_table_section__descriptor, &l->arena, &header,
                               err);
    if (rc == 0 && !header)
        rc = err_set(err, ERR_CORRUPT, "%s has no section STRING_TABLE", l->in.path);
    assert(rc <= 0 || header);
    if (rc > 0 && header->maskbits > IMAGE_MASK_BITS)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: String table bits %u > %d", l->in.path,
                     header->maskbits, IMAGE_MASK_BITS);
    if (rc > 0) l->mask_bits = header->maskbits;
    while (rc > 0) {
        arena_clear(&l->arena);
        rc = image_reader_next(&reader, &pb__string_table_section__entry__descriptor, &l->arena,
                               &entry, err);
        if (rc > 0 && entry->str) keep_text(l, entry->id, entry->str);
    }
    image_reader_close(&reader);
    return rc;
}

static const char *text_of(const struct loader *l, uint32_t kind, uint32_t id)
{
    uint32_t key = l->mask_bits ? id | kind << (32 - l->mask_bits) : id;
    struct text *entry;

    HASH_FIND(hh, l->texts, &key, sizeof key, entry);
    return entry ? entry->text : NULL;
}

static void texts_release(struct loader *l)
{
    struct text *entry, *next;

    HASH_ITER (hh, l->texts, entry, next) {
        HASH_DEL(l->texts, entry);
        mem_free(entry);
    }
}

/* ---- inodes ---- */

/* Java keeps any 64 bits; we keep 48. Times before 1970 or after the year 10000 become the nearest
 * we have. */
static uint64_t clamp_time(struct loader *l, uint64_t ms)
{
    if ((int64_t)ms >= 0 && (int64_t)ms <= TIME_MAX_MS) return ms;
    l->times_clamped++;
    return (int64_t)ms < 0 ? 0 : (uint64_t)TIME_MAX_MS;
}

static int set_permission(struct loader *l, struct inode *inode, uint64_t bits, struct err *err)
{
    uint32_t user_id = (uint32_t)(bits >> 40), group_id = bits >> 16 & IMAGE_STRING_ID_MAX;
    uint64_t owner_ids = bits >> 16;

    inode->mode = bits & INODE_MODE_MASK;
    inode->owner = l->owner;
    if (l->owner && owner_ids == l->owner_ids) return 0;
    const char *user = text_of(l, IMAGE_STRINGS_USER, user_id);
    const char *group = group_id ? text_of(l, IMAGE_STRINGS_GROUP, group_id) : "";

    if (!user || !group)
        return image_bad(err, "its owner or group is not in the string table", inode->id);
    inode_set_owner(l->core->tree.inodes, inode, user, group);
    l->owner_ids = owner_ids;
    l->owner = inode->owner;
    return 0;
}

static int add_block(struct loader *l, struct inode *file, const Pb__Block *b, bool open,
                     struct err *err)
{
    struct block_id id = {.id = b->blockid, .generation_stamp = b->genstamp, .length = b->numbytes};

    if (BLOCK_ID_IS_STRIPED(id.id) != file->striped)
        return image_bad(err, "a block of it is of the other layout than the file", file->id);
    if (!id.id || id.length > LENGTH_MAX || id.generation_stamp > STAMP_MAX)
        return image_bad(err, "a block has an impossible id, length or generation stamp", file->id);
    inode_append_block(
        file, blocks_add(l->core, file, &id, open ? BLOCK_UNDER_CONSTRUCTION : BLOCK_COMPLETE));
    return 0;
}

static int load_acl_entry(struct loader *l, const struct inode *inode, uint32_t bits,
                          struct acl_entry *out, struct err *err)
{
    uint32_t name_id = bits >> IMAGE_ACL_NAME_SHIFT & IMAGE_STRING_ID_MAX;

    *out = (struct acl_entry){.permission = bits & ACTION_BITS,
                              .type = bits >> IMAGE_ACL_TYPE_SHIFT & 3,
                              .scope = bits >> IMAGE_ACL_SCOPE_SHIFT & 1};
    if (!name_id || out->type > ACL_GROUP) return 0;
    out->name =
        text_of(l, out->type == ACL_USER ? IMAGE_STRINGS_USER : IMAGE_STRINGS_GROUP, name_id);
    return out->name ? 0
                     : image_bad(err, "a name in its ACL is not in the string table", inode->id);
}

/* As it is stored, mode apart (AclStorage). */
static int load_acl(struct loader *l, struct inode *inode,
                    const Pb__INodeSection__AclFeature *feature, struct err *err)
{
    struct acl_entry entries[ACL_ENTRIES_MAX];
    bool has_access = false, has_group = false;
    int rc = 0;

    if (!feature || !feature->n_entries) return 0;
    if (feature->n_entries > ACL_ENTRIES_MAX)
        return image_bad(err, "its ACL has more entries than can be", inode->id);
    for (size_t i = 0; i < feature->n_entries && !rc; i++) {
        rc = load_acl_entry(l, inode, feature->entries[i], &entries[i], err);
        if (rc || entries[i].scope != ACL_ACCESS) continue;
        has_access = true;
        has_group = has_group || (entries[i].type == ACL_GROUP && !entries[i].name);
    }
    if (!rc && has_access && !has_group)
        rc = image_bad(err, "its ACL lacks the entry of the group", inode->id);
    if (rc) return rc;
    struct inode_table *table = l->core->tree.inodes;
    inode_set_acl(table, inode, acl_new(inode_acl_pool(table), entries, feature->n_entries));
    return 0;
}

static int load_attribute(struct loader *l, const struct inode *inode,
                          const Pb__INodeSection__XAttrCompact *a, struct xattr *out,
                          struct err *err)
{
    uint32_t name_id = a->name >> IMAGE_XATTR_NAME_SHIFT & IMAGE_STRING_ID_MAX;

    *out = (struct xattr){
        .name = text_of(l, IMAGE_STRINGS_XATTR, name_id),
        .space =
            (uint8_t)(a->name >> IMAGE_XATTR_NAMESPACE_SHIFT |
                      (a->name >> IMAGE_XATTR_EXTENDED_SHIFT & 1) << IMAGE_XATTR_NAMESPACE_BITS),
        .value = a->value.data,
        .size = a->has_value ? (uint32_t)MIN(a->value.len, XATTR_VALUE_MAX + 1) : 0,
    };
    if (!out->name)
        return image_bad(err, "an attribute's name is not in the string table", inode->id);
    if (out->space > XATTR_RAW || out->size > XATTR_VALUE_MAX)
        return image_bad(err, "an attribute has an unknown name space or too large a value",
                         inode->id);
    return xattr_missing_feature(out) ? unsupported(l, xattr_missing_feature(out), err) : 0;
}

/* A directory's storage policy is an attribute there and a field here. */
static int load_attributes(struct loader *l, struct inode *inode,
                           const Pb__INodeSection__XAttrFeature *feature, struct err *err)
{
    size_t count = 0;

    if (!feature || !feature->n_xattrs) return 0;
    struct xattr *list = ARENA_ARRAY(&l->arena, struct xattr, feature->n_xattrs);
    for (size_t i = 0; i < feature->n_xattrs; i++) {
        struct xattr *x = &list[count];
        int rc = load_attribute(l, inode, feature->xattrs[i], x, err);

        if (rc) return rc;
        if (x->space != XATTR_SYSTEM || !str_eq(x->name, XATTR_STORAGE_POLICY)) {
            count++;
            continue;
        }
        if (x->size != 1 || x->value[0] > 15)
            return image_bad(err, "impossible storage policy", inode->id);
        inode->storage_policy = x->value[0] & 15;
    }
    inode_set_xattrs(l->core->tree.inodes, inode, xattrs_new(list, count));
    return 0;
}

int image_load_file_attributes(struct loader *l, struct inode *file,
                               const Pb__INodeSection__INodeFile *f, struct err *err)
{
    bool striped = f->has_blocktype && f->blocktype == PB__BLOCK_TYPE__STRIPED;

    if (striped && (f->erasurecodingpolicyid > EC_POLICY_ID_MAX ||
                    !ec_policy_at(l->core->ec_policies, (uint8_t)f->erasurecodingpolicyid)))
        return image_bad(err, "its erasure coding policy is unknown", file->id);
    if (f->replication > REPLICATION_MAX || f->n_blocks > BLOCKS_PER_FILE_MAX ||
        f->storagepolicyid > 15)
        return image_bad(err, "impossible replication, storage policy or number of blocks",
                         file->id);
    file->mtime_ms = clamp_time(l, f->modificationtime);
    file->atime_ms = clamp_time(l, f->accesstime);
    file->striped = striped;
    file->replication = (striped ? f->erasurecodingpolicyid : f->replication) & REPLICATION_MAX;
    file->storage_policy = f->storagepolicyid & 15;
    int rc = set_permission(l, file, f->permission, err);
    if (!rc) rc = load_acl(l, file, f->acl, err);
    if (!rc) rc = load_attributes(l, file, f->xattrs, err);
    if (!rc)
        rc = inode_set_block_size(l->core->tree.inodes, file,
                                  MAX(f->preferredblocksize, UINT64_C(1)), err);
    return rc;
}

static int load_file(struct loader *l, struct inode *file, const Pb__INodeSection__INodeFile *f,
                     struct err *err)
{
    int rc = image_load_file_attributes(l, file, f, err);

    for (size_t i = 0; i < f->n_blocks && !rc; i++)
        rc = add_block(l, file, f->blocks[i], f->fileuc && i + 1 == f->n_blocks, err);
    if (rc || !f->fileuc) return rc;
    file->under_construction = true;
    lease_add(l->core->leases, file->id, f->fileuc->clientname ? f->fileuc->clientname : "",
              f->fileuc->clientmachine ? f->fileuc->clientmachine : "", l->core->now_ms);
    return 0;
}

static void note_quota(struct loader *l, struct inode *dir,
                       const Pb__INodeSection__INodeDirectory *d)
{
    int64_t unset = dir->id == INODE_ID_ROOT ? QUOTA_NS_ROOT : QUOTA_NONE;
    struct inode_quota quota = {.names = d->has_nsquota ? (int64_t)d->nsquota : unset,
                                .space = d->has_dsquota ? (int64_t)d->dsquota : QUOTA_NONE};
    bool any = false;

    if (quota.names < 0) quota.names = unset;
    if (quota.space < 0) quota.space = QUOTA_NONE;
    for (size_t i = 0; i < ARRAY_LEN(quota.type_space); i++) quota.type_space[i] = QUOTA_NONE;
    for (size_t i = 0; d->typequotas && i < d->typequotas->n_quotas; i++) {
        const Pb__INodeSection__QuotaByStorageTypeEntry *entry = d->typequotas->quotas[i];
        if ((int64_t)entry->quota < 0 || (size_t)entry->storagetype >= ARRAY_LEN(quota.type_space))
            continue;
        quota.type_space[entry->storagetype] = (int64_t)entry->quota;
        any = true;
    }
    if (quota.names == unset && quota.space == QUOTA_NONE && !any) return;
    if (dir->is_copy) { /* nothing is counted there */
        inode_set_quota(l->core->tree.inodes, dir, &quota);
        return;
    }
    GROW(l->quotas, l->quota_capacity, l->quota_count + 1);
    l->quotas[l->quota_count++] = (struct pending_quota){.dir = dir, .quota = quota};
}

int image_load_directory(struct loader *l, struct inode *dir,
                         const Pb__INodeSection__INodeDirectory *d, struct err *err)
{
    int rc = load_acl(l, dir, d->acl, err);

    if (!rc) rc = load_attributes(l, dir, d->xattrs, err);
    if (rc) return rc;
    dir->mtime_ms = clamp_time(l, d->modificationtime);
    note_quota(l, dir, d);
    return set_permission(l, dir, d->permission, err);
}

static int load_symlink(struct loader *l, struct inode *link,
                        const Pb__INodeSection__INodeSymlink *s, struct err *err)
{
    char *target = arena_strndup(&l->arena, (const char *)s->target.data, s->target.len);

    if (strlen(target) != s->target.len) return image_bad(err, "its target holds a NUL", link->id);
    inode_set_symlink_target(l->core->tree.inodes, link, target);
    link->mtime_ms = clamp_time(l, s->modificationtime);
    link->atime_ms = clamp_time(l, s->accesstime);
    return set_permission(l, link, s->permission, err);
}

static int check_name(const Pb__INodeSection__INode *n, struct err *err)
{
    bool root = n->id == INODE_ID_ROOT;

    if (n->name.len > INODE_NAME_MAX)
        return image_bad(err, "its name is longer than 255 bytes", n->id);
    if (root != (n->name.len == 0))
        return image_bad(err, root ? "the root has a name" : "it has no name", n->id);
    if (n->name.len &&
        (memchr(n->name.data, '/', n->name.len) || memchr(n->name.data, 0, n->name.len)))
        return image_bad(err, "its name holds a slash or NUL", n->id);
    return 0;
}

/* The inode that the message is about: a new one, or the root. */
static int make_inode(struct loader *l, const Pb__INodeSection__INode *n, struct inode **out,
                      struct err *err)
{
    struct tree *tree = &l->core->tree;
    bool root = n->id == INODE_ID_ROOT;
    int rc = check_name(n, err);

    if (rc) return rc;
    if (!n->id || n->id > INT64_MAX) return image_bad(err, "impossible id", n->id);
    if (root && n->type != PB__INODE_SECTION__TYPE__DIRECTORY)
        return image_bad(err, "the root is no directory", n->id);
    if (!root && image_ids_find(&l->ids, n->id)) return image_bad(err, "is there twice", n->id);
    *out = root ? tree->root : image_ids_new(&l->ids, (enum inode_type)n->type, n->id);
    if (!root) inode_set_name(tree->inodes, *out, n->name.data, n->name.len);
    tree->inode_id_last = MAX(tree->inode_id_last, n->id);
    return 0;
}

static int load_inode(struct loader *l, const Pb__INodeSection__INode *n, struct err *err)
{
    struct inode *inode = NULL;

    bool has_body = (n->type == PB__INODE_SECTION__TYPE__FILE && n->file) ||
                    (n->type == PB__INODE_SECTION__TYPE__DIRECTORY && n->directory) ||
                    (n->type == PB__INODE_SECTION__TYPE__SYMLINK && n->symlink);
    if (!has_body)
        return image_bad(err, "is of an unknown type, or has not what its type needs", n->id);
    int rc = make_inode(l, n, &inode, err);
    if (rc) return rc;
    switch (n->type) {
    case PB__INODE_SECTION__TYPE__FILE: return load_file(l, inode, n->file, err);
    case PB__INODE_SECTION__TYPE__DIRECTORY:
        return image_load_directory(l, inode, n->directory, err);
    case PB__INODE_SECTION__TYPE__SYMLINK: return load_symlink(l, inode, n->symlink, err);
    default: return image_bad(err, "is of an unknown type", n->id);
    }
}

/* The image's own number of its inodes is believed as far as its bytes could hold them. */
static void expect_inodes(struct loader *l, const Pb__INodeSection *header,
                          const struct image_reader *reader)
{
    uint64_t count = MIN(header->numinodes, (uint64_t)cursor_left(&reader->raw) / INODE_BYTES_MIN);

    tree_expect(&l->core->tree, count);
    image_ids_init(&l->ids, l->core->tree.inodes, count, header->lastinodeid);
}

static int next_inode(struct loader *l, struct image_reader *reader, Pb__INodeSection__INode **out,
                      struct err *err)
{
    struct cursor body;
    int rc = image_reader_next_body(reader, &body, err);

    if (rc <= 0) return rc;
    *out = &l->file.inode;
    if (image_inode_read(&l->file, body)) return 1;
    arena_clear(&l->arena);
    *out = image_reader_unpack(reader, &pb__inode_section__inode__descriptor, body, &l->arena, err);
    return *out ? 1 : ERR_CORRUPT;
}

static int index_blocks(struct loader *l, struct err *err)
{
    const struct block *twice = block_map_end_loading(l->core->blocks);

    if (!twice) return 0;
    return image_bad(err, "a block of it belongs to another file, too",
                     inode_at(l->core->tree.inodes, twice->inode)->id);
}

static int load_inodes(struct loader *l, struct err *err)
{
    _Static_assert((int)PB__INODE_SECTION__TYPE__FILE == INODE_FILE &&
                       (int)PB__INODE_SECTION__TYPE__DIRECTORY == INODE_DIRECTORY &&
                       (int)PB__INODE_SECTION__TYPE__SYMLINK == INODE_SYMLINK,
                   "types are the image's");
    struct image_reader reader;
    Pb__INodeSection *header = NULL;
    Pb__INodeSection__INode *inode;
    uint64_t count = 0, expected = 0;
    int rc = image_reader_open(&reader, &l->in, "INODE", err);

    arena_clear(&l->arena);
    if (!rc)
        rc = image_reader_next(&reader, &pb__inode_section__descriptor, &l->arena, &header, err);
    if (rc == 0) rc = err_set(err, ERR_CORRUPT, "%s has no section INODE", l->in.path);
    if (rc > 0) {
        assert(header);
        expected = header->numinodes;
        if (header->lastinodeid <= INT64_MAX)
            l->core->tree.inode_id_last = MAX(l->core->tree.inode_id_last, header->lastinodeid);
        expect_inodes(l, header, &reader);
    }
    block_map_begin_loading(l->core->blocks);
    while (rc > 0) {
        rc = next_inode(l, &reader, &inode, err);
        if (rc <= 0) break;
        rc = load_inode(l, inode, err);
        if (rc == 0) rc = 1;
        count++;
    }
    image_ids_flush(&l->ids);
    image_reader_close(&reader);
    if (rc == 0) rc = index_blocks(l, err);
    if (rc < 0) return rc == ERR_CORRUPT ? err_wrap(err, rc, "%s", l->in.path) : rc;
    if (count == expected) return 0;
    return err_set(err, ERR_CORRUPT, "%s: expected %" PRIu64 " inodes, but found %" PRIu64,
                   l->in.path, expected, count);
}

/* ---- directories ---- */

/* Would hanging `child` below `dir` close a ring? */
static bool makes_ring(const struct loader *l, const struct inode *dir, const struct inode *child)
{
    uint32_t depth = 0;

    for (const struct inode *at = dir; at; at = inode_parent(l->core->tree.inodes, at))
        if (at == child || depth++ > DEPTH_MAX) return true;
    return false;
}

static int find_child(struct loader *l, const struct inode *dir, uint64_t id, struct inode **out,
                      struct err *err)
{
    struct inode *child = *out = image_ids_find(&l->ids, id);

    if (!child) return image_bad(err, "a directory lists it, but it is not there", id);
    if (child == l->core->tree.root || child->parent)
        return image_bad(err, "it is in two directories", id);
    if (inode_is_dir(child) && makes_ring(l, dir, child))
        return image_bad(err, "its directories form a ring", id);
    return 0;
}

static int link_child(struct loader *l, struct inode *dir, uint64_t id, struct err *err)
{
    struct tree *tree = &l->core->tree;
    struct inode *child;
    size_t length;
    int rc = find_child(l, dir, id, &child, err);

    if (rc) return rc;
    const uint8_t *name = inode_name(child, &length);
    if (tree_child(tree, dir, name, length))
        return image_bad(err, "its name is taken in its directory", id);
    tree_link(tree, dir, child);
    return 0;
}

static int link_reference(struct loader *l, struct inode *dir, uint32_t number, struct err *err)
{
    struct image_loaded_reference *reference =
        number < l->reference_count ? &l->references[number] : NULL;

    if (!reference || reference->used || reference->name)
        return image_bad(err, "it lists an impossible reference", dir->id);
    reference->used = true;
    return link_child(l, dir, reference->inode->id, err);
}

static int load_children(struct loader *l, void *message, struct err *err)
{
    const Pb__INodeDirectorySection__DirEntry *entry = message;
    struct inode *dir = image_ids_find(&l->ids, entry->parent), *child;
    int rc = 0;

    if (!dir || !inode_is_dir(dir))
        return image_bad(err, "it has children, but is no directory", entry->parent);
    GROW(l->children, l->child_capacity, entry->n_children);
    for (size_t i = 0; i < entry->n_children && !rc; i++) {
        rc = find_child(l, dir, entry->children[i], &child, err);
        if (!rc) l->children[i] = inode_reference(child);
    }
    if (rc) return rc;
    bool linked = tree_link_all(&l->core->tree, dir, l->children, entry->n_children);
    for (size_t i = 0; i < entry->n_children && !rc && !linked;
         i++) /* in another order, or in parts */
        rc = link_child(l, dir, entry->children[i], err);
    for (size_t i = 0; i < entry->n_refchildren && !rc; i++)
        rc = link_reference(l, dir, entry->refchildren[i], err);
    return rc;
}

static int check_open_file(struct loader *l, void *message, struct err *err)
{
    const Pb__FilesUnderConstructionSection__FileUnderConstructionEntry *entry = message;
    const struct inode *file = inode_find(l->core->tree.inodes, entry->inodeid);

    /* The inode itself says who writes it; Apache, too, reads this section for nothing else. */
    if (!file || !file->under_construction)
        return image_bad(err, "it is listed as open, but is no open file", entry->inodeid);
    return 0;
}

/* ---- all of it ---- */

static int load_sections(struct loader *l, struct err *err)
{
    int rc = load_strings(l, err);

    if (!rc) rc = load_namesystem(l, err);
    if (!rc) rc = image_load_ec_policies(l->core, &l->in, err);
    if (!rc) rc = image_load_secrets(l->core, &l->in, err);
    if (!rc) rc = image_load_cache(l->core, &l->in, err);
    if (!rc) rc = load_inodes(l, err);
    if (!rc) rc = image_load_references(l, err);
    if (!rc)
        rc = image_each_message(l, "INODE_DIR", &pb__inode_directory_section__dir_entry__descriptor,
                                load_children, err);
    if (!rc) rc = image_load_snapshots(l, err);
    if (!rc) rc = image_load_differences(l, err);
    if (!rc) rc = image_settle_kept(l, err);
    while (!rc && tree_reclaim(l->core, UINT64_MAX)) {
    } /* what an image of Apache's may have left over */
    if (!rc)
        rc = image_each_message(
            l, "FILES_UNDERCONSTRUCTION",
            &pb__files_under_construction_section__file_under_construction_entry__descriptor,
            check_open_file, err);
    for (size_t i = 0; i < l->quota_count && !rc; i++)
        quota_set(l->core, l->quotas[i].dir, &l->quotas[i].quota);
    return rc;
}

int image_load_file(struct core *core, const char *path, struct err *err)
{
    struct loader l = {.core = core};
    int64_t start = clock_mono_ms();
    int rc = image_in_open(&l.in, path, err);

    if (rc) return rc;
    rc = load_sections(&l, err);
    if (!rc && l.times_clamped)
        log_warn("%s: %" PRIu64 " times lie before 1970 or too far in the future and were moved",
                 path, l.times_clamped);
    if (!rc)
        log_info("Loaded image for txid %" PRIu64 " from %s: %" PRIu64 " inodes in %" PRId64 " ms",
                 core->txid_applied, path, inode_count(core->tree.inodes), clock_mono_ms() - start);
    image_in_close(&l.in);
    texts_release(&l);
    image_ids_release(&l.ids);
    mem_free(l.children);
    image_references_release(&l);
    mem_free(l.quotas);
    arena_release(&l.arena);
    return rc;
}
