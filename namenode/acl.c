#include "namenode/acl.h"

#include <uthash.h>

/*
 * A stored ACL is its own key: for each entry a byte of permission, type and scope, then the name
 * and NUL. An entry without name has an empty one.
 */
struct acl {
    UT_hash_handle hh;
    struct acl_pool *pool;
    uint32_t holds;
    uint32_t count;
    size_t size;
    uint8_t bytes[];
};

struct acl_pool {
    struct acl *acls;
};

enum { PERMISSION_BITS = 7, TYPE_SHIFT = 3, TYPE_BITS = 3, SCOPE_SHIFT = 5 };

struct acl_pool *acl_pool_new(void)
{
    return NEW(struct acl_pool);
}

void acl_pool_free(struct acl_pool *pool)
{
    struct acl *acl, *next;

    if (!pool) return;
    HASH_ITER (hh, pool->acls, acl, next) {
        HASH_DEL(pool->acls, acl);
        mem_free(acl);
    }
    mem_free(pool);
}

/* ---- stored ---- */

static size_t packed_size(const struct acl_entry *entries, size_t count)
{
    size_t size = 2 * count;

    for (size_t i = 0; i < count; i++)
        if (entries[i].name) size += strlen(entries[i].name);
    return size;
}

static void pack(const struct acl_entry *entries, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct acl_entry *e = &entries[i];
        size_t length = e->name ? strlen(e->name) : 0;

        *out++ = (uint8_t)(e->permission | e->type << TYPE_SHIFT | e->scope << SCOPE_SHIFT);
        if (length) memcpy(out, e->name, length);
        out += length;
        *out++ = '\0';
    }
}

struct acl *acl_new(struct acl_pool *pool, const struct acl_entry *entries, size_t count)
{
    size_t size = packed_size(entries, count);
    struct acl *acl, *present;

    assert(count <= ACL_ENTRIES_MAX);
    if (!count) return NULL;
    acl = mem_zalloc(sizeof *acl + size);
    acl->pool = pool;
    acl->holds = 1;
    acl->count = (uint32_t)count;
    acl->size = size;
    pack(entries, count, acl->bytes);
    HASH_FIND(hh, pool->acls, acl->bytes, size, present);
    if (present) {
        mem_free(acl);
        return acl_hold(present);
    }
    HASH_ADD_KEYPTR(hh, pool->acls, acl->bytes, size, acl);
    return acl;
}

struct acl *acl_hold(struct acl *acl)
{
    if (acl) acl->holds++;
    return acl;
}

void acl_drop(struct acl *acl)
{
    if (!acl || --acl->holds) return;
    HASH_DEL(acl->pool->acls, acl);
    mem_free(acl);
}

size_t acl_count(const struct acl *acl)
{
    return acl ? acl->count : 0;
}

static void add(struct acl_list *list, uint8_t scope, uint8_t type, const char *name,
                unsigned permission)
{
    assert(list->count < ARRAY_LEN(list->entries));
    list->entries[list->count++] = (struct acl_entry){
        .name = name, .scope = scope, .type = type, .permission = permission & PERMISSION_BITS};
}

void acl_read(const struct acl *acl, struct acl_list *out)
{
    const uint8_t *at = acl ? acl->bytes : NULL;

    for (size_t i = 0; i < acl_count(acl); i++) {
        uint8_t bits = *at++;
        const char *name = (const char *)at;

        add(out, bits >> SCOPE_SHIFT & 1, bits >> TYPE_SHIFT & TYPE_BITS, *name ? name : NULL,
            bits);
        at += strlen(name) + 1;
    }
}

bool acl_has_scope(const struct acl *acl, enum acl_scope scope)
{
    struct acl_list list = {.count = 0};

    acl_read(acl, &list);
    for (size_t i = 0; i < list.count; i++)
        if (list.entries[i].scope == scope) return true;
    return false;
}

/* ---- of an inode ---- */

static void add_minimal(struct acl_list *out, uint16_t mode)
{
    add(out, ACL_ACCESS, ACL_USER, NULL, mode >> 6);
    add(out, ACL_ACCESS, ACL_GROUP, NULL, mode >> 3);
    add(out, ACL_ACCESS, ACL_OTHER, NULL, mode);
}

static size_t add_scope(struct acl_list *out, const struct acl_list *from, enum acl_scope scope)
{
    size_t before = out->count;

    for (size_t i = 0; i < from->count; i++)
        if (from->entries[i].scope == scope) {
            assert(out->count < ARRAY_LEN(out->entries));
            out->entries[out->count++] = from->entries[i];
        }
    return out->count - before;
}

void acl_logical(const struct inode_table *table, const struct inode *inode, struct acl_list *out)
{
    struct acl_list stored = {.count = 0};
    uint16_t mode = inode->mode;

    out->count = 0;
    acl_read(inode_acl(table, inode), &stored);
    add(out, ACL_ACCESS, ACL_USER, NULL, mode >> 6);
    if (add_scope(out, &stored, ACL_ACCESS)) {
        add(out, ACL_ACCESS, ACL_MASK, NULL, mode >> 3);
        add(out, ACL_ACCESS, ACL_OTHER, NULL, mode);
    } else {
        out->count = 0;
        add_minimal(out, mode);
    }
    add_scope(out, &stored, ACL_DEFAULT);
}

static const struct acl_entry *unnamed(const struct acl_list *list, enum acl_scope scope,
                                       enum acl_type type)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct acl_entry *e = &list->entries[i];

        if (e->scope == scope && e->type == type && !e->name) return e;
    }
    return NULL;
}

/* The group's bits of the mode are the mask where there is one. */
uint16_t acl_mode(const struct acl_list *logical, uint16_t mode)
{
    const struct acl_entry *user = unnamed(logical, ACL_ACCESS, ACL_USER);
    const struct acl_entry *group = unnamed(logical, ACL_ACCESS, ACL_MASK);
    const struct acl_entry *other = unnamed(logical, ACL_ACCESS, ACL_OTHER);

    if (!group) group = unnamed(logical, ACL_ACCESS, ACL_GROUP);
    if (!user || !group || !other) return mode;
    return (uint16_t)((mode & INODE_MODE_STICKY) | user->permission << 6 | group->permission << 3 |
                      other->permission);
}

static void remove_acl(struct inode_table *table, struct inode *inode)
{
    struct acl_list stored = {.count = 0};

    acl_read(inode_acl(table, inode), &stored);
    const struct acl_entry *group = unnamed(&stored, ACL_ACCESS, ACL_GROUP);
    if (group) inode->mode = (inode->mode & 01707) | (unsigned)group->permission << 3;
    inode_set_acl(table, inode, NULL);
}

static int check_fits(const struct inode *inode, const struct acl_list *logical, struct err *err)
{
    size_t count[] = {0, 0};

    for (size_t i = 0; i < logical->count; i++) count[logical->entries[i].scope]++;
    if (count[ACL_ACCESS] > ACL_SCOPE_MAX || count[ACL_DEFAULT] > ACL_SCOPE_MAX)
        return err_set(err, ERR_ACL, "Invalid ACL: more than %d entries in a scope.",
                       ACL_SCOPE_MAX);
    if (!unnamed(logical, ACL_ACCESS, ACL_USER) || !unnamed(logical, ACL_ACCESS, ACL_GROUP) ||
        !unnamed(logical, ACL_ACCESS, ACL_OTHER) ||
        (count[ACL_ACCESS] > ACL_MINIMAL && !unnamed(logical, ACL_ACCESS, ACL_MASK)))
        return err_set(err, ERR_ACL,
                       "Invalid ACL: the user, group and other entries are required.");
    if (count[ACL_DEFAULT] && !inode_is_dir(inode))
        return err_set(err, ERR_ACL, "Invalid ACL: only directories may have a default ACL.");
    return 0;
}

int acl_update(struct inode_table *table, struct inode *inode, const struct acl_list *logical,
               struct err *err)
{
    struct acl_list stored = {.count = 0};

    if (!logical->count) {
        remove_acl(table, inode);
        return 0;
    }
    int rc = check_fits(inode, logical, err);
    if (rc) return rc;
    if (unnamed(logical, ACL_ACCESS, ACL_MASK))
        for (size_t i = 0; i < logical->count; i++) {
            const struct acl_entry *e = &logical->entries[i];

            if (e->scope == ACL_ACCESS && (e->name || e->type == ACL_GROUP))
                add(&stored, ACL_ACCESS, e->type, e->name, e->permission);
        }
    add_scope(&stored, logical, ACL_DEFAULT);
    inode_set_acl(table, inode, acl_new(inode_acl_pool(table), stored.entries, stored.count));
    inode->mode = acl_mode(logical, inode->mode) & INODE_MODE_MASK;
    return 0;
}

/* ---- inheritance ---- */

static unsigned inherited(const struct acl_entry *e, uint16_t mode, bool minimal)
{
    if (e->type == ACL_USER && !e->name) return e->permission & mode >> 6;
    if (e->type == ACL_MASK || (e->type == ACL_GROUP && minimal)) return e->permission & mode >> 3;
    if (e->type == ACL_OTHER) return e->permission & mode;
    return e->permission;
}

bool acl_inherit(const struct inode_table *table, const struct inode *parent, bool child_is_dir,
                 uint16_t child_mode, struct acl_list *out)
{
    struct acl_list stored = {.count = 0}, defaults = {.count = 0};

    out->count = 0;
    acl_read(inode_acl(table, parent), &stored);
    if (!add_scope(&defaults, &stored, ACL_DEFAULT)) return false;
    bool minimal = defaults.count == ACL_MINIMAL;
    for (size_t i = 0; i < defaults.count; i++) {
        const struct acl_entry *e = &defaults.entries[i];

        add(out, ACL_ACCESS, e->type, e->name, inherited(e, child_mode, minimal));
    }
    if (child_is_dir) add_scope(out, &defaults, ACL_DEFAULT);
    return true;
}

/* ---- messages ---- */

int acl_from_message(Pb__AclEntry *const *entries, size_t count, struct acl_list *out,
                     struct err *err)
{
    size_t of_scope[] = {0, 0};

    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        const Pb__AclEntry *e = entries[i];

        if ((unsigned)e->scope > ACL_DEFAULT || (unsigned)e->type > ACL_OTHER ||
            (unsigned)e->permissions > PERMISSION_BITS)
            return err_set(err, ERR_ARGUMENT, "an ACL entry has an unknown scope, type or action");
        if (of_scope[e->scope]++ < ACL_SCOPE_MAX)
            add(out, (uint8_t)e->scope, (uint8_t)e->type, str_empty(e->name) ? NULL : e->name,
                (unsigned)e->permissions);
    }
    for (int scope = ACL_ACCESS; scope <= ACL_DEFAULT; scope++)
        if (of_scope[scope] > ACL_SCOPE_MAX)
            return err_set(
                err, ERR_ACL, "Invalid ACL: ACL has %zu %s entries, which exceeds maximum of %d.",
                of_scope[scope], scope == ACL_ACCESS ? "access" : "default", ACL_SCOPE_MAX);
    return 0;
}

Pb__AclEntry **acl_to_message(const struct acl_list *list, struct arena *arena)
{
    Pb__AclEntry **entries = ARENA_ARRAY(arena, Pb__AclEntry *, list->count);

    for (size_t i = 0; i < list->count; i++) {
        const struct acl_entry *from = &list->entries[i];

        entries[i] = ARENA_NEW(arena, Pb__AclEntry);
        pb__acl_entry__init(entries[i]);
        entries[i]->scope = (Pb__AclEntry__AclEntryScope)from->scope;
        entries[i]->type = (Pb__AclEntry__AclEntryType)from->type;
        entries[i]->permissions = (Pb__AclEntry__FsAction)from->permission;
        entries[i]->name = from->name ? arena_strdup(arena, from->name) : NULL;
    }
    return entries;
}

Pb__AclEditLog *acl_to_edit(const struct acl_list *list, struct arena *arena)
{
    Pb__AclEditLog *message;

    if (!list->count) return NULL;
    message = ARENA_NEW(arena, Pb__AclEditLog);
    pb__acl_edit_log__init(message);
    message->src = (char *)(uintptr_t) "";
    message->entries = acl_to_message(list, arena);
    message->n_entries = list->count;
    return message;
}
