/* ACLs: how lists change each other, what an ACL lets through, what a directory hands down, and what
 * is refused. */
#include "namenode/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "namenode/perm.h"
#include "tests/lib/core_world.h"

/* ---- lists as text: "u:bruce:rw- d:m::r-x" ---- */

static struct acl_list parse(const char *text, struct arena *arena)
{
    static const char types[] = "ugmo";
    struct acl_list list = {.count = 0};

    while (*text) {
        struct acl_entry *e = &list.entries[list.count++];

        *e = (struct acl_entry){.scope = strncmp(text, "d:", 2) == 0 ? ACL_DEFAULT : ACL_ACCESS};
        if (e->scope == ACL_DEFAULT) text += 2;
        e->type = (uint8_t)(strchr(types, *text) - types);
        text += 2;
        size_t length = strcspn(text, ":");
        if (length) e->name = arena_strndup(arena, text, length);
        text += length + 1;
        for (int i = 0; i < 3; i++)
            if (text[i] != '-') e->permission |= (uint8_t)(4 >> i);
        text += 3;
        text += *text == ' ';
    }
    return list;
}

static const char *text_of(const struct acl_list *list, struct arena *arena)
{
    const char *text = "";

    for (size_t i = 0; i < list->count; i++) {
        const struct acl_entry *e = &list->entries[i];

        text = arena_printf(arena, "%s%s%s%c:%s:%c%c%c", text, i ? " " : "",
                            e->scope == ACL_DEFAULT ? "d:" : "", "ugmo"[e->type],
                            e -> name ? e -> name : "", e->permission & 4 ? 'r' : '-',
                            e->permission & 2 ? 'w' : '-', e->permission & 1 ? 'x' : '-');
    }
    return text;
}

/* ---- changes ---- */

enum change { REMOVE, REMOVE_DEFAULT, MERGE, REPLACE };

/* What Apache's namenode makes of an ACL and a change: "!" an AclException. */
static const struct {
    enum change change;
    const char *existing, *spec, *expected;
} CASES[] = {
    {REMOVE, "u::rwx u:bruce:rw- u:diana:r-x g::r-- g:sales:r-x g:execs:rw- m::rwx o::r--",
     "u:diana:--- g:sales:---", "u::rwx u:bruce:rw- g::r-- g:execs:rw- m::rw- o::r--"},
    {REMOVE, "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::---", "u:clark:--- g:execs:---",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::---"},
    {REMOVE, "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::rw- o::r--", "u:diana:---",
     "u::rwx u:bruce:r-- g::r-- m::r-- o::r--"},
    {REMOVE, "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- d:g::r-- d:m::rw- d:o::---",
     "d:u:diana:---", "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- d:o::---"},
    {REMOVE,
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::rw- o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- "
     "d:o::---",
     "u:diana:---",
     "u::rwx u:bruce:r-- g::r-- m::r-- o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- d:o::---"},
    {REMOVE,
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- "
     "d:g::r-- d:m::rw- d:o::---",
     "d:u:diana:---",
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- "
     "d:o::---"},
    {REMOVE, "u::rwx g::r-- o::r-- d:u::rw- d:u:bruce:r-- d:g::r-- d:m::r-- d:o::---", "d:u::---",
     "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- d:o::---"},
    {REMOVE, "u::rwx g::r-- o::r-- d:u::rw- d:g::rw- d:o::---", "d:g::---",
     "u::rwx g::r-- o::r-- d:u::rw- d:g::r-- d:o::---"},
    {REMOVE, "u::rwx g::r-- o::r-- d:u::rw- d:g::rw- d:o::---", "d:o::---",
     "u::rwx g::r-- o::r-- d:u::rw- d:g::rw- d:o::r--"},
    {REMOVE,
     "u::rwx u:bruce:rw- g::r-- m::rwx o::r-- d:u::rwx d:u:bruce:rw- d:g::r-- d:m::rwx d:o::r--",
     "",
     "u::rwx u:bruce:rw- g::r-- m::rwx o::r-- d:u::rwx d:u:bruce:rw- d:g::r-- d:m::rwx d:o::r--"},
    {REMOVE, "u::rwx u:bruce:r-- g::r-- m::rwx o::---", "m::---", "!"},
    {REMOVE, "u::rwx g::r-- o::--- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::rwx d:o::---", "d:m::---",
     "!"},
    {REMOVE_DEFAULT,
     "u::rwx u:bruce:rw- g::r-x g:sales:r-x m::rwx o::--- d:u::rwx d:u:bruce:rw- d:g::r-- "
     "d:g:sales:r-x d:m::rw- d:o::r-x",
     "", "u::rwx u:bruce:rw- g::r-x g:sales:r-x m::rwx o::---"},
    {REMOVE_DEFAULT, "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::---", "",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::---"},
    {MERGE, "u::rwx g::r-x o::---", "u:bruce:rwx", "u::rwx u:bruce:rwx g::r-x m::rwx o::---"},
    {MERGE,
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---"},
    {MERGE, "u::rwx u:diana:r-- g::r-x m::r-x o::---", "u:bruce:r-x u:clark:r-x u:diana:r-x",
     "u::rwx u:bruce:r-x u:clark:r-x u:diana:r-x g::r-x m::r-x o::---"},
    {MERGE, "u::rwx u:bruce:r-- g::r-- m::r-- o::r--", "u:bruce:r-x u:diana:r--",
     "u::rwx u:bruce:r-x u:diana:r-- g::r-- m::r-x o::r--"},
    {MERGE, "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- d:o::---",
     "d:u:bruce:rw- d:u:diana:r-x",
     "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:rw- d:u:diana:r-x d:g::r-- d:m::rwx d:o::---"},
    {MERGE, "u::rwx g::r-- o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- d:o::---", "u:diana:r-x",
     "u::rwx u:diana:r-x g::r-- m::r-x o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- d:o::---"},
    {MERGE,
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- "
     "d:g::r-- d:m::rw- d:o::---",
     "d:u:diana:r-x",
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:r-x "
     "d:g::r-- d:m::r-x d:o::---"},
    {MERGE, "u::rwx g::r-- o::r--", "d:g::r-x d:o::r--",
     "u::rwx g::r-- o::r-- d:u::rwx d:g::r-x d:o::r--"},
    {MERGE, "u::rwx g::r-- o::r--", "d:u::r-x d:o::r--",
     "u::rwx g::r-- o::r-- d:u::r-x d:g::r-- d:o::r--"},
    {MERGE, "u::rwx g::r-- o::---", "d:u::r-x d:g::r-x",
     "u::rwx g::r-- o::--- d:u::r-x d:g::r-x d:o::---"},
    {MERGE, "u::rwx g::r-- o::---", "u:bruce:r-x m::rwx",
     "u::rwx u:bruce:r-x g::r-- m::rwx o::---"},
    {MERGE, "u::rwx g::r-- o::---", "d:u::rwx d:g::r-- d:m::rwx d:o::---",
     "u::rwx g::r-- o::--- d:u::rwx d:g::r-- d:m::rwx d:o::---"},
    {MERGE,
     "u::rwx u:bruce:rw- g::r-- m::rwx o::r-- d:u::rwx d:u:bruce:rw- d:g::r-- d:m::rwx d:o::r--",
     "",
     "u::rwx u:bruce:rw- g::r-- m::rwx o::r-- d:u::rwx d:u:bruce:rw- d:g::r-- d:m::rwx d:o::r--"},
    {MERGE, "u::rwx g::r-- o::---", "u:bruce:rwx u:diana:rw- u:clark:r-- u:bruce:r-x", "!"},
    {MERGE, "u::rwx g::r-- o::---", "m:bruce:r-x", "!"},
    {MERGE, "u::rwx g::r-- o::---", "o:bruce:r-x", "!"},
    {REPLACE, "u::rwx u:bruce:rwx g::r-x m::rwx o::---",
     "u::rwx u:bruce:rw- g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rw- d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---",
     "u::rwx u:bruce:rw- g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rw- d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---"},
    {REPLACE,
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---",
     "u::rwx u:bruce:rwx g::r-x g:sales:rwx m::rwx o::--- d:u::rwx d:u:bruce:rwx d:g::r-x "
     "d:g:sales:rwx d:m::rwx d:o::---"},
    {REPLACE, "u::rwx g::r-- o::r--", "u::rwx u:bruce:r-- u:diana:rw- g::r-- o::r--",
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::rw- o::r--"},
    {REPLACE, "u::rwx g::r-- o::r--",
     "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- d:g::rwx d:o::r--",
     "u::rwx g::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- d:g::rwx d:m::rwx d:o::r--"},
    {REPLACE,
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::rw- o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- "
     "d:o::---",
     "u::rwx u:bruce:r-- u:diana:rw- g::rwx o::r--",
     "u::rwx u:bruce:r-- u:diana:rw- g::rwx m::rwx o::r-- d:u::rwx d:u:diana:rwx d:g::r-- d:m::r-- "
     "d:o::---"},
    {REPLACE,
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:u:diana:rw- "
     "d:g::r-- d:m::rw- d:o::---",
     "d:u::rwx d:u:bruce:r-- d:g::r-- d:o::---",
     "u::rwx u:bruce:r-- u:diana:rw- g::r-- m::r-- o::r-- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- "
     "d:o::---"},
    {REPLACE, "u::rwx g::r-- o::---",
     "u::rwx g::r-- o::--- d:u:bruce:r-- d:g::rw- d:m::rw- d:o::r--",
     "u::rwx g::r-- o::--- d:u::rwx d:u:bruce:r-- d:g::rw- d:m::rw- d:o::r--"},
    {REPLACE, "u::rwx g::r-- o::---",
     "u::rwx g::r-- o::--- d:u::rw- d:u:bruce:r-- d:m::r-- d:o::r--",
     "u::rwx g::r-- o::--- d:u::rw- d:u:bruce:r-- d:g::r-- d:m::r-- d:o::r--"},
    {REPLACE, "u::rwx g::r-- o::---",
     "u::rwx g::r-- o::--- d:u::rw- d:u:bruce:r-- d:g::rw- d:m::rw-",
     "u::rwx g::r-- o::--- d:u::rw- d:u:bruce:r-- d:g::rw- d:m::rw- d:o::---"},
    {REPLACE, "u::rwx g::r-- o::---", "d:u:bruce:r--",
     "u::rwx g::r-- o::--- d:u::rwx d:u:bruce:r-- d:g::r-- d:m::r-- d:o::---"},
    {REPLACE, "u::rwx g::r-- o::---",
     "u::rwx u:bruce:rwx u:diana:rw- u:clark:r-- u:bruce:r-x g::r-- o::---", "!"},
    {REPLACE, "u::rwx g::r-- o::---", "u::rwx g::r-- o::--- m:bruce:r-x", "!"},
    {REPLACE, "u::rwx g::r-- o::---", "u::rwx g::r-- o::--- o:bruce:r-x", "!"},
    {REPLACE, "u::rwx g::r-- o::---", "u:bruce:rw- g::r-x g:sales:rwx m::rwx o::---", "!"},
    {REPLACE, "u::rwx g::r-- o::---", "u::rwx u:bruce:rw- g:sales:rwx m::rwx o::---", "!"},
    {REPLACE, "u::rwx g::r-- o::---", "u::rwx u:bruce:rw- g::r-x g:sales:rwx m::rwx", "!"},
};

static int apply(enum change change, const struct acl_list *existing, const struct acl_list *spec,
                 struct acl_list *out, struct err *err)
{
    switch (change) {
    case REMOVE: return acl_remove_entries(existing, spec, out, err);
    case REMOVE_DEFAULT: return acl_remove_default(existing, out, err);
    case MERGE: return acl_merge(existing, spec, out, err);
    case REPLACE: return acl_replace(existing, spec, out, err);
    }
    return ERR_ARGUMENT;
}

static void changes_give_what_apache_gives(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct arena arena = {0};
        struct err err = ERR_INIT;
        struct acl_list existing = parse(CASES[i].existing, &arena);
        struct acl_list spec = parse(CASES[i].spec, &arena), out;
        int rc = apply(CASES[i].change, &existing, &spec, &out, &err);
        const char *got = rc == ERR_ACL ? "!" : text_of(&out, &arena);

        if (!str_eq(got, CASES[i].expected))
            fail_msg("%s and %s: expected %s, got %s (%s)", CASES[i].existing, CASES[i].spec,
                     CASES[i].expected, got, err.text);
        arena_release(&arena);
    }
}

static void fill(struct acl_list *list, size_t count, enum acl_scope scope, struct arena *arena)
{
    for (size_t i = 0; i < count; i++)
        list->entries[list->count++] =
            (struct acl_entry){.name = arena_printf(arena, "user%03zu", i),
                               .scope = (uint8_t)scope,
                               .type = ACL_USER,
                               .permission = 7};
}

static void thirty_two_of_a_scope(void **state UNUSED)
{
    for (int scope = ACL_ACCESS; scope <= ACL_DEFAULT; scope++) {
        struct arena arena = {0};
        struct err err = ERR_INIT;
        struct acl_list existing = parse("u::rwx g::r-x o::r--", &arena), out;
        struct acl_list fits = {.count = 0}, over = {.count = 0}, message;

        fill(&fits, 28, (enum acl_scope)scope, &arena); /* with user, group, mask and other: 32 */
        assert_int_equal(acl_merge(&existing, &fits, &out, &err), 0);
        fill(&over, 29, (enum acl_scope)scope, &arena);
        assert_int_equal(acl_merge(&existing, &over, &out, &err), ERR_ACL);
        assert_string_equal(err.text,
                            scope == ACL_ACCESS
                                ? "Invalid ACL: ACL has 33 access entries, which exceeds "
                                  "maximum of 32."
                                : "Invalid ACL: ACL has 33 default entries, which exceeds "
                                  "maximum of 32.");
        fill(&over, 71, (enum acl_scope)scope, &arena);
        Pb__AclEntry **entries = acl_to_message(&over, &arena);
        err_clear(&err);
        assert_int_equal(acl_from_message(entries, over.count, &message, &err), ERR_ACL);
        assert_non_null(strstr(err.text, "ACL has 100 "));
        arena_release(&arena);
    }
}

static void texts_of_refused_lists(void **state UNUSED)
{
    static const struct {
        const char *spec, *text;
    } REFUSED[] = {
        {"m:bob:rwx", "Invalid ACL: this entry type must not have a name: mask:bob:rwx."},
        {"d:o:bob:r-x",
         "Invalid ACL: this entry type must not have a name: default:other:bob:r-x."},
        {"u:bob:rwx u:bob:r--", "Invalid ACL: multiple entries with same scope, type and name."},
    };

    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct arena arena = {0};
        struct err err = ERR_INIT;
        struct acl_list existing = parse("u::rwx g::r-x o::r--", &arena), out;
        struct acl_list spec = parse(REFUSED[i].spec, &arena);

        assert_int_equal(acl_merge(&existing, &spec, &out, &err), ERR_ACL);
        assert_string_equal(err.text, REFUSED[i].text);
        arena_release(&arena);
    }
}

static void numbers_that_mean_nothing(void **state UNUSED)
{
    for (int i = 0; i < 3; i++) {
        Pb__AclEntry entry = PB__ACL_ENTRY__INIT, *entries[] = {&entry};
        struct acl_list out;
        struct err err = ERR_INIT;

        entry.scope = (Pb__AclEntry__AclEntryScope)(i == 0 ? 2 : 0);
        entry.type = (Pb__AclEntry__AclEntryType)(i == 1 ? 4 : 0);
        entry.permissions = (Pb__AclEntry__FsAction)(i == 2 ? -1 : 0);
        assert_int_equal(acl_from_message(entries, 1, &out, &err), ERR_ARGUMENT);
    }
}

/* ---- stored ---- */

static void equal_acls_are_one(void **state UNUSED)
{
    struct acl_pool *pool = acl_pool_new();
    struct arena arena = {0};
    struct acl_list a = parse("u:bob:rwx g::r-x", &arena), b = parse("u:bob:r-x g::r-x", &arena);
    struct acl *first = acl_new(pool, a.entries, a.count);
    struct acl *second = acl_new(pool, a.entries, a.count);
    struct acl *other = acl_new(pool, b.entries, b.count);
    struct acl_list got = {.count = 0};

    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    acl_drop(first);
    acl_read(second, &got);
    assert_string_equal(text_of(&got, &arena), "u:bob:rwx g::r-x");
    acl_drop(second);
    acl_drop(other);
    assert_null(acl_new(pool, NULL, 0));
    acl_pool_free(pool);
    arena_release(&arena);
}

/* ---- on a namespace ---- */

static int set_acl(struct world *w, const char *path, const char *text)
{
    Pb__SetAclRequest request = PB__SET_ACL_REQUEST__INIT;
    Pb__SetAclResponse response = PB__SET_ACL_RESPONSE__INIT;
    struct acl_list list = parse(text, &w->arena);

    request.src = (char *)(uintptr_t)path;
    request.aclspec = acl_to_message(&list, &w->arena);
    request.n_aclspec = list.count;
    return op_set_acl(&w->core, &w->op, &request, &response, &w->err);
}

static const char *acl_text(struct world *w, const char *path)
{
    struct acl_list list;

    acl_logical(w->core.tree.inodes, world_inode(w, path), &list);
    return text_of(&list, &w->arena);
}

/* May `user`, in `group`, do `action` with /dir, which is root's and of the group supergroup? */
static void whom_an_acl_lets_in(void **state UNUSED)
{
    static const struct {
        const char *acl, *user, *group;
        enum fs_action action;
        bool allowed;
    } ASKED[] = {
        {"u::r-x u:bob:rwx g::--- o::---", "bob", NULL, ACTION_ALL, true},
        {"u::r-x u:bob:rwx g::--- m::r-x o::---", "bob", NULL, ACTION_ALL, false},
        {"u::r-x u:bob:rwx g::--- m::r-x o::---", "bob", NULL, ACTION_READ_EXECUTE, true},
        {"u::r-x u:bob:--- g::rwx o::rwx", "bob", "supergroup", ACTION_READ, false},
        {"u::r-x g::r-- g:staff:r-x o::rwx", "carol", "staff", ACTION_READ_EXECUTE, true},
        {"u::r-x g::r-- g:staff:r-x o::rwx", "carol", "staff", ACTION_WRITE, false},
        {"u::r-x g::--- g:staff:rwx m::--- o::rwx", "carol", "staff", ACTION_READ, false},
        {"u::r-x g::r-- g:staff:r-x o::-w-", "dave", "others", ACTION_WRITE, true},
        {"u::r-x g::r-- g:staff:r-x o::-w-", "dave", "others", ACTION_READ, false},
        {"u::r-x g::r-x o::--- d:u:bob:rwx", "bob", NULL, ACTION_READ, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(ASKED); i++) {
        struct world *w = world_new(NULL);
        struct resolved path;

        assert_int_equal(world_mkdirs(w, "/dir", 0755), 0);
        if (set_acl(w, "/dir", ASKED[i].acl)) fail_msg("%s: %s", ASKED[i].acl, w->err.text);
        world_be(w, ASKED[i].user, ASKED[i].group);
        assert_int_equal(perm_resolve(&w->core, &w->op, "/dir", RESOLVE_READ, &path, &w->err), 0);
        int rc = perm_check_inode(&w->core, &w->op, path.inode, ASKED[i].action, &w->err);
        if (rc != (ASKED[i].allowed ? 0 : ERR_ACCESS))
            fail_msg("%s asks %s for %d: answers %d", ASKED[i].user, ASKED[i].acl, ASKED[i].action,
                     rc);
        world_free(w);
    }
}

static void the_mode_is_the_mask(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/dir", 01755), 0);
    assert_int_equal(set_acl(w, "/dir", "u::rwx u:bob:rwx g::r-x o::r-x"), 0);
    assert_int_equal(world_inode(w, "/dir")->mode, 01775);
    assert_int_equal(world_chmod(w, "/dir", 01740), 0);
    assert_string_equal(acl_text(w, "/dir"), "u::rwx u:bob:rwx g::r-x m::r-- o::---");
    assert_int_equal(set_acl(w, "/dir", ""), 0);
    assert_int_equal(world_inode(w, "/dir")->mode, 01750);
    assert_false(world_inode(w, "/dir")->has_acl);
    world_free(w);
}

static int create(struct world *w, const char *path, uint32_t masked, uint32_t unmasked)
{
    Pb__CreateRequest request = PB__CREATE_REQUEST__INIT;
    Pb__CreateResponse response = PB__CREATE_RESPONSE__INIT;
    Pb__FsPermission modes[] = {PB__FS_PERMISSION__INIT, PB__FS_PERMISSION__INIT};

    modes[0].perm = masked;
    modes[1].perm = unmasked;
    request.src = (char *)(uintptr_t)path;
    request.masked = &modes[0];
    request.unmasked = unmasked ? &modes[1] : NULL;
    request.clientname = (char *)(uintptr_t) "writer";
    request.createflag = 3;
    request.createparent = true;
    request.replication = 1;
    request.blocksize = 1 << 20;
    return op_create(&w->core, &w->op, &request, &response, &w->err);
}

static void what_a_directory_hands_down(void **state UNUSED)
{
    static const char *const OLD[] = {"dfs.namenode.posix.acl.inheritance.enabled", "false", NULL};

    for (int posix = 0; posix < 2; posix++) {
        struct world *w = world_new(posix ? NULL : OLD);

        assert_int_equal(world_mkdirs(w, "/dir", 0755), 0);
        assert_int_equal(set_acl(w, "/dir", "d:u:bob:rwx"), 0);
        assert_string_equal(acl_text(w, "/dir"), "u::rwx g::r-x o::r-x d:u::rwx d:u:bob:rwx "
                                                 "d:g::r-x d:m::rwx d:o::r-x");
        assert_int_equal(create(w, "/dir/file", 0640, 0666), 0);
        assert_string_equal(acl_text(w, "/dir/file"),
                            posix ? "u::rw- u:bob:rwx g::r-x m::rw- o::r--"
                                  : "u::rw- u:bob:rwx g::r-x m::r-- o::---");
        assert_int_equal(create(w, "/dir/a/b/file", 0640, 0), 0);
        assert_string_equal(acl_text(w, "/dir/a/b/file"), "u::rw- u:bob:rwx g::r-x m::r-- o::---");
        assert_string_equal(acl_text(w, "/dir/a"),
                            "u::rwx u:bob:rwx g::r-x m::r-x o::r-x d:u::rwx d:u:bob:rwx d:g::r-x "
                            "d:m::rwx d:o::r-x");
        assert_int_equal(world_mkdirs(w, "/plain", 0755), 0);
        assert_int_equal(create(w, "/plain/file", 0640, 0666), 0);
        assert_string_equal(acl_text(w, "/plain/file"), "u::rw- g::r-- o::---");

        /* A default ACL of three entries: files get a mode and no ACL. */
        assert_int_equal(world_mkdirs(w, "/three", 0755), 0);
        assert_int_equal(set_acl(w, "/three", "d:u::rwx d:g::r-- d:o::---"), 0);
        assert_int_equal(create(w, "/three/file", 0666, 0666), 0);
        assert_string_equal(acl_text(w, "/three/file"), "u::rw- g::r-- o::---");
        assert_false(world_inode(w, "/three/file")->has_acl);

        struct world *again = world_new(NULL);
        world_replay(again, w);
        assert_string_equal(acl_text(again, "/dir/a"), acl_text(w, "/dir/a"));
        assert_string_equal(acl_text(again, "/dir/a/b/file"), acl_text(w, "/dir/a/b/file"));
        assert_string_equal(acl_text(again, "/three/file"), acl_text(w, "/three/file"));
        world_free(again);
        world_free(w);
    }
}

static void what_is_refused(void **state UNUSED)
{
    static const char *const OFF[] = {"dfs.namenode.acls.enabled", "false", NULL};
    struct world *w = world_new(NULL);

    world_file(w, "/f", 0, 0);
    assert_error(w, set_acl(w, "/f", "u::rwx g::r-x o::--- d:u:bob:rwx"), ERR_ACL,
                 "Invalid ACL: only directories may have a default ACL. Path: /f Path: /f");
    assert_error(w, set_acl(w, "/f", "u:bob:rwx"), ERR_ACL,
                 "Invalid ACL: the user, group and other entries are required. Path: /f");
    assert_error(w, set_acl(w, "/none", "u:bob:rwx"), ERR_NOT_FOUND,
                 "Directory/File does not exist /none");
    world_be(w, "bob", "staff");
    assert_error(w, set_acl(w, "/f", ""), ERR_ACCESS,
                 "Permission denied. user=bob is not the owner of inode=/f");
    world_free(w);

    w = world_new(OFF);
    world_file(w, "/f", 0, 0);
    assert_error(w, set_acl(w, "/f", ""), ERR_ACL,
                 "The ACL operation has been rejected.  Support for ACLs has been disabled by "
                 "setting dfs.namenode.acls.enabled to false.");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_give_what_apache_gives),
        cmocka_unit_test(thirty_two_of_a_scope),
        cmocka_unit_test(texts_of_refused_lists),
        cmocka_unit_test(numbers_that_mean_nothing),
        cmocka_unit_test(equal_acls_are_one),
        cmocka_unit_test(whom_an_acl_lets_in),
        cmocka_unit_test(the_mode_is_the_mask),
        cmocka_unit_test(what_a_directory_hands_down),
        cmocka_unit_test(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
