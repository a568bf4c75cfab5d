#include "namenode/xattr.h"

struct xattrs *xattrs_new(const struct xattr *list, size_t count)
{
    size_t size = sizeof(struct xattrs) + count * sizeof *list;

    if (!count) return NULL;
    for (size_t i = 0; i < count; i++) size += strlen(list[i].name) + 1 + list[i].size;
    struct xattrs *set = mem_alloc(size);
    char *at = (char *)&set->list[count];

    set->holds = 1;
    set->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(list[i].name) + 1;

        set->list[i] = list[i];
        set->list[i].name = memcpy(at, list[i].name, length);
        at += length;
        if (list[i].size) memcpy(at, list[i].value, list[i].size);
        set->list[i].value = (const uint8_t *)at;
        at += list[i].size;
    }
    return set;
}

struct xattrs *xattrs_hold(struct xattrs *xattrs)
{
    if (xattrs) xattrs->holds++;
    return xattrs;
}

void xattrs_drop(struct xattrs *xattrs)
{
    if (xattrs && !--xattrs->holds) mem_free(xattrs);
}

static const struct xattr *find(const struct xattr *list, size_t count, uint8_t space,
                                const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].space == space && str_eq(list[i].name, name)) return &list[i];
    return NULL;
}

const struct xattr *xattrs_find(const struct xattrs *xattrs, enum xattr_space space,
                                const char *name)
{
    return xattrs ? find(xattrs->list, xattrs->count, (uint8_t)space, name) : NULL;
}

const char *xattr_prefix(uint8_t space)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security.", "system.", "raw."};

    return space < ARRAY_LEN(prefixes) ? prefixes[space] : "";
}

const char *xattr_missing_feature(const struct xattr *xattr)
{
    if (xattr->space == XATTR_RAW && str_eq(xattr->name, "hdfs.crypto.encryption.zone"))
        return "encryption zones";
    return NULL;
}

/* `first`, and of the present ones those that `without` does not name. */
static void change(struct inode_table *table, struct inode *inode, const struct xattr *first,
                   size_t first_count, const struct xattr *without, size_t without_count)
{
    const struct xattrs *present = inode_xattrs(table, inode);
    size_t count = 0, present_count = present ? present->count : 0;
    struct xattr *list = NEW_ARRAY(struct xattr, first_count + present_count + 1);

    for (size_t i = 0; i < first_count; i++) list[count++] = first[i];
    for (size_t i = 0; i < present_count; i++) {
        const struct xattr *x = &present->list[i];

        if (!find(without, without_count, x->space, x->name)) list[count++] = *x;
    }
    inode_set_xattrs(table, inode, xattrs_new(list, count));
    mem_free(list);
}

void xattrs_put(struct inode_table *table, struct inode *inode, const struct xattr *changes,
                size_t count)
{
    change(table, inode, changes, count, changes, count);
}

void xattrs_remove(struct inode_table *table, struct inode *inode, const struct xattr *names,
                   size_t count)
{
    change(table, inode, NULL, 0, names, count);
}

/* ---- messages ---- */

int xattrs_from_message(Pb__XAttr *const *messages, size_t count, struct arena *arena,
                        struct xattr **out, struct err *err)
{
    *out = ARENA_ARRAY(arena, struct xattr, count + 1);
    if (count > XATTRS_MAX) return err_set(err, ERR_ARGUMENT, "too many extended attributes");
    for (size_t i = 0; i < count; i++) {
        const Pb__XAttr *m = messages[i];

        if ((unsigned)m->namespace_ > XATTR_RAW)
            return err_set(err, ERR_ARGUMENT, "unknown name space of an extended attribute");
        if (m->has_value && m->value.len > XATTR_VALUE_MAX)
            return err_set(err, ERR_ARGUMENT, "The length of xAttr values is too long.");
        (*out)[i] = (struct xattr){.name = m->name,
                                   .space = (uint8_t)m->namespace_,
                                   .value = m->value.data,
                                   .size = m->has_value ? (uint32_t)m->value.len : 0};
    }
    return 0;
}

Pb__XAttr *xattr_to_message(const struct xattr *xattr, struct arena *arena)
{
    Pb__XAttr *message = ARENA_NEW(arena, Pb__XAttr);

    pb__xattr__init(message);
    message->namespace_ = (Pb__XAttr__XAttrNamespace)xattr->space;
    message->name = arena_strdup(arena, xattr->name);
    message->has_value = xattr->size > 0;
    message->value.len = xattr->size;
    message->value.data = arena_copy(arena, xattr->value, xattr->size);
    return message;
}
