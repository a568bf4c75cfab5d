/*
 * How lists change each other (AclTransformation). Every result is sorted, complete and checked; a
 * mask that nobody gave is calculated: the union of what it masks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "namenode/acl.h"

/* A list being made. Masks stay aside until all else is there; `dirty` and the others are by scope. */
struct draft {
    struct acl_list *out;
    struct acl_entry mask[2];
    bool has_mask[2], mask_dirty[2], dirty[2];
};

/* ACL_ENTRY_COMPARATOR: scope, type, name; no name comes first. */
static int compare(const void *left, const void *right)
{
    const struct acl_entry *a = left, *b = right;

    if (a->scope != b->scope) return a->scope < b->scope ? -1 : 1;
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (!a->name || !b->name) return (a->name != NULL) - (b->name != NULL);
    return strcmp(a->name, b->name);
}

static void sort(struct acl_list *list)
{
    qsort(list->entries, list->count, sizeof list->entries[0], compare);
}

static const struct acl_entry *find(const struct acl_list *list, const struct acl_entry *key)
{
    for (size_t i = 0; i < list->count; i++)
        if (compare(&list->entries[i], key) == 0) return &list->entries[i];
    return NULL;
}

static const struct acl_entry *find_unnamed(const struct acl_list *list, enum acl_scope scope,
                                            enum acl_type type)
{
    return find(list, &(struct acl_entry){.scope = (uint8_t)scope, .type = (uint8_t)type});
}

static void append(struct acl_list *list, const struct acl_entry *entry)
{
    assert(list->count < ARRAY_LEN(list->entries));
    list->entries[list->count++] = *entry;
}

/* An entry that was there before. */
static void keep(struct draft *draft, const struct acl_entry *entry)
{
    if (entry->type == ACL_MASK) {
        draft->mask[entry->scope] = *entry;
        draft->has_mask[entry->scope] = true;
    } else {
        append(draft->out, entry);
    }
}

/* An entry that the caller gave. */
static void give(struct draft *draft, const struct acl_entry *entry)
{
    draft->dirty[entry->scope] = true;
    if (entry->type == ACL_MASK) draft->mask_dirty[entry->scope] = true;
    keep(draft, entry);
}

/* ---- what every change ends with ---- */

static const enum acl_type REQUIRED[] = {ACL_USER, ACL_GROUP, ACL_OTHER};

static bool has_scope(const struct acl_list *list, enum acl_scope scope)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].scope == scope) return true;
    return false;
}

/* A default ACL takes from the access ACL what it lacks of user, group and other. */
static void copy_defaults(struct acl_list *list)
{
    if (!has_scope(list, ACL_DEFAULT)) return;
    for (size_t i = 0; i < ARRAY_LEN(REQUIRED); i++) {
        const struct acl_entry *access = find_unnamed(list, ACL_ACCESS, REQUIRED[i]);

        if (!access || find_unnamed(list, ACL_DEFAULT, REQUIRED[i])) continue;
        struct acl_entry copy = *access;
        copy.scope = ACL_DEFAULT;
        append(list, &copy);
    }
}

static int add_mask(struct draft *draft, enum acl_scope scope, struct err *err)
{
    struct acl_list *list = draft->out;
    struct acl_entry mask = {.scope = (uint8_t)scope, .type = ACL_MASK};
    bool needed = false;

    for (size_t i = 0; i < list->count; i++) {
        const struct acl_entry *e = &list->entries[i];

        if (e->scope != scope) continue;
        if (e->type == ACL_GROUP || e->name) mask.permission |= e->permission;
        if (e->name) needed = true;
    }
    if (!draft->has_mask[scope] && needed && draft->mask_dirty[scope])
        return err_set(err, ERR_ACL, "Invalid ACL: mask is required and cannot be deleted.");
    if (draft->has_mask[scope] && (!draft->dirty[scope] || draft->mask_dirty[scope]))
        append(list, &draft->mask[scope]);
    else if (needed || draft->has_mask[scope])
        append(list, &mask);
    return 0;
}

/* AclEntry.toString */
static void entry_text(const struct acl_entry *e, char *out, size_t size)
{
    static const char *const types[] = {"user", "group", "mask", "other"};

    snprintf(out, size, "%s%s:%s:%c%c%c", e->scope == ACL_DEFAULT ? "default:" : "", types[e->type],
             e->name ? e->name : "", e->permission & 4 ? 'r' : '-', e->permission & 2 ? 'w' : '-',
             e->permission & 1 ? 'x' : '-');
}

static int check_entries(const struct acl_list *list, struct err *err)
{
    char text[256];

    for (size_t i = 0; i < list->count; i++) {
        const struct acl_entry *e = &list->entries[i];

        if (i && compare(&list->entries[i - 1], e) == 0)
            return err_set(err, ERR_ACL,
                           "Invalid ACL: multiple entries with same scope, type and name.");
        if (!e->name || e->type == ACL_USER || e->type == ACL_GROUP) continue;
        entry_text(e, text, sizeof text);
        return err_set(err, ERR_ACL, "Invalid ACL: this entry type must not have a name: %s.",
                       text);
    }
    return 0;
}

static int check_count(const struct acl_list *list, enum acl_scope scope, struct err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) count += list->entries[i].scope == scope;
    if (count <= ACL_SCOPE_MAX) return 0;
    return err_set(err, ERR_ACL,
                   "Invalid ACL: ACL has %zu %s entries, which exceeds maximum of %d.", count,
                   scope == ACL_ACCESS ? "access" : "default", ACL_SCOPE_MAX);
}

static int check_required(const struct acl_list *list, struct err *err)
{
    bool has_default = has_scope(list, ACL_DEFAULT);

    for (size_t i = 0; i < ARRAY_LEN(REQUIRED); i++) {
        if (!find_unnamed(list, ACL_ACCESS, REQUIRED[i]))
            return err_set(err, ERR_ACL,
                           "Invalid ACL: the user, group and other entries are required.");
        if (has_default && !find_unnamed(list, ACL_DEFAULT, REQUIRED[i]))
            return err_set(err, ERR_ACL,
                           "Invalid default ACL: the user, group and other entries are required.");
    }
    return 0;
}

static int build(struct acl_list *list, struct err *err)
{
    sort(list);
    int rc = check_entries(list, err);
    if (!rc) rc = check_count(list, ACL_ACCESS, err);
    if (!rc) rc = check_count(list, ACL_DEFAULT, err);
    return rc ? rc : check_required(list, err);
}

static int finish(struct draft *draft, struct err *err)
{
    bool found[] = {has_scope(draft->out, ACL_ACCESS), has_scope(draft->out, ACL_DEFAULT)};
    int rc = 0;

    copy_defaults(draft->out);
    for (int scope = ACL_ACCESS; scope <= ACL_DEFAULT && !rc; scope++)
        if (found[scope]) rc = add_mask(draft, (enum acl_scope)scope, err);
    return rc ? rc : build(draft->out, err);
}

static struct draft draft_of(struct acl_list *out)
{
    out->count = 0;
    return (struct draft){.out = out};
}

/* ---- the changes ---- */

int acl_merge(const struct acl_list *existing, const struct acl_list *spec, struct acl_list *out,
              struct err *err)
{
    struct draft draft = draft_of(out);

    for (size_t i = 0; i < existing->count; i++)
        if (!find(spec, &existing->entries[i])) keep(&draft, &existing->entries[i]);
    for (size_t i = 0; i < spec->count; i++) {
        /* What is given twice replaces an existing entry once; for a new one that is an error. */
        bool again = find(spec, &spec->entries[i]) != &spec->entries[i];

        if (!again || !find(existing, &spec->entries[i])) give(&draft, &spec->entries[i]);
    }
    return finish(&draft, err);
}

int acl_remove_entries(const struct acl_list *existing, const struct acl_list *spec,
                       struct acl_list *out, struct err *err)
{
    struct draft draft = draft_of(out);

    for (size_t i = 0; i < existing->count; i++) {
        const struct acl_entry *e = &existing->entries[i];

        if (!find(spec, e)) {
            keep(&draft, e);
            continue;
        }
        draft.dirty[e->scope] = true;
        if (e->type == ACL_MASK) draft.mask_dirty[e->scope] = true;
    }
    return finish(&draft, err);
}

int acl_remove_default(const struct acl_list *existing, struct acl_list *out, struct err *err)
{
    out->count = 0;
    for (size_t i = 0; i < existing->count; i++)
        if (existing->entries[i].scope == ACL_ACCESS) append(out, &existing->entries[i]);
    return build(out, err);
}

int acl_replace(const struct acl_list *existing, const struct acl_list *spec, struct acl_list *out,
                struct err *err)
{
    struct draft draft = draft_of(out);

    for (size_t i = 0; i < spec->count; i++) give(&draft, &spec->entries[i]);
    for (size_t i = 0; i < existing->count; i++)
        if (!draft.dirty[existing->entries[i].scope]) keep(&draft, &existing->entries[i]);
    return finish(&draft, err);
}
