/* Extended attributes: who may name which, limits, flags, and what is refused. */
#include "namenode/xattr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/lib/core_world.h"

enum { CREATE = 1, REPLACE = 2 };

static Pb__XAttr attribute(enum xattr_space space, const char *name, const char *value)
{
    Pb__XAttr x = PB__XATTR__INIT;

    x.namespace_ = (Pb__XAttr__XAttrNamespace)space;
    x.name = (char *)(uintptr_t)name;
    x.has_value = value != NULL;
    x.value.data = (uint8_t *)(uintptr_t)value;
    x.value.len = value ? strlen(value) : 0;
    return x;
}

static int set(struct world *w, const char *path, enum xattr_space space, const char *name,
               const char *value, uint32_t flag)
{
    Pb__SetXAttrRequest request = PB__SET_XATTR_REQUEST__INIT;
    Pb__SetXAttrResponse response = PB__SET_XATTR_RESPONSE__INIT;
    Pb__XAttr x = attribute(space, name, value);

    request.src = (char *)(uintptr_t)path;
    request.xattr = &x;
    request.has_flag = true;
    request.flag = flag;
    return op_set_xattr(&w->core, &w->op, &request, &response, &w->err);
}

static int drop(struct world *w, const char *path, enum xattr_space space, const char *name)
{
    Pb__RemoveXAttrRequest request = PB__REMOVE_XATTR_REQUEST__INIT;
    Pb__RemoveXAttrResponse response = PB__REMOVE_XATTR_RESPONSE__INIT;
    Pb__XAttr x = attribute(space, name, NULL);

    request.src = (char *)(uintptr_t)path;
    request.xattr = &x;
    return op_remove_xattr(&w->core, &w->op, &request, &response, &w->err);
}

/* "user.a=1 trusted.b=" of all that is shown, or of the one that is asked for. */
static int get(struct world *w, const char *path, const Pb__XAttr *one, const char **out)
{
    Pb__GetXAttrsRequest request = PB__GET_XATTRS_REQUEST__INIT;
    Pb__GetXAttrsResponse response = PB__GET_XATTRS_RESPONSE__INIT;
    Pb__XAttr *list[] = {(Pb__XAttr *)(uintptr_t)one};

    request.src = (char *)(uintptr_t)path;
    request.xattrs = list;
    request.n_xattrs = one != NULL;
    int rc = op_get_xattrs(&w->core, &w->op, &request, &response, &w->err);
    *out = "";
    for (size_t i = 0; !rc && i < response.n_xattrs; i++) {
        const Pb__XAttr *x = response.xattrs[i];

        *out = arena_printf(&w->arena, "%s%s%s%s=%.*s", *out, i ? " " : "",
                            xattr_prefix((uint8_t)x->namespace_), x->name, (int)x->value.len,
                            (const char *)x->value.data);
    }
    return rc;
}

static const char *shown(struct world *w, const char *path)
{
    const char *text;

    assert_int_equal(get(w, path, NULL, &text), 0);
    return text;
}

static void who_may_name_which(void **state UNUSED)
{
    static const struct {
        enum xattr_space space;
        const char *path, *name;
        bool superuser, allowed;
    } ASKED[] = {
        {XATTR_USER, "/f", "a", false, true},
        {XATTR_TRUSTED, "/f", "a", true, true},
        {XATTR_TRUSTED, "/f", "a", false, false},
        {XATTR_SYSTEM, "/f", "a", true, false},
        {XATTR_SECURITY, "/f", "a", true, false},
        {XATTR_SECURITY, "/f", XATTR_UNREADABLE, true, true},
        {XATTR_RAW, "/f", "a", true, false},
        {XATTR_RAW, "/.reserved/raw/f", "a", true, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(ASKED); i++) {
        struct world *w = world_new(NULL);

        world_file(w, "/f", 0, 0);
        assert_int_equal(world_chown(w, "/f", "bob", NULL), 0);
        if (!ASKED[i].superuser) world_be(w, "bob", "staff");
        int rc = set(w, ASKED[i].path, ASKED[i].space, ASKED[i].name, NULL, CREATE);
        if (rc != (ASKED[i].allowed ? 0 : ERR_ACCESS))
            fail_msg("case %zu answers %d: %s", i, rc, w->err.text);
        world_free(w);
    }
}

static void what_is_shown_to_whom(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    const char *text;

    world_file(w, "/f", 0, 0);
    assert_int_equal(set(w, "/f", XATTR_USER, "color", "red", CREATE), 0);
    assert_int_equal(set(w, "/f", XATTR_TRUSTED, "t", "", CREATE), 0);
    assert_int_equal(set(w, "/.reserved/raw/f", XATTR_RAW, "r", "x", CREATE), 0);
    assert_string_equal(shown(w, "/f"), "trusted.t= user.color=red");
    assert_string_equal(shown(w, "/.reserved/raw/f"), "raw.r=x trusted.t= user.color=red");
    world_be(w, "bob", "staff");
    assert_string_equal(shown(w, "/f"), "user.color=red");
    Pb__XAttr none = attribute(XATTR_USER, "none", NULL);
    Pb__XAttr hidden = attribute(XATTR_TRUSTED, "t", NULL);
    assert_error(w, get(w, "/f", &none, &text), ERR_NO_XATTR,
                 "At least one of the attributes provided was not found.");
    assert_error(w, get(w, "/f", &hidden, &text), ERR_ACCESS,
                 "User doesn't have permission for xattr: trusted.t");
    assert_error(w, get(w, "/none", NULL, &text), ERR_NOT_FOUND, "cannot find /none");
    assert_error(
        w, set(w, "/f", XATTR_USER, "color", "blue", REPLACE), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/f\":root:supergroup:-rw-r--r--");
    world_free(w);
}

static void flags_and_limits(void **state UNUSED)
{
    static const char *const SETTINGS[] = {"dfs.namenode.fs-limits.max-xattrs-per-inode", "2",
                                           "dfs.namenode.fs-limits.max-xattr-size", "8", NULL};
    struct world *w = world_new(SETTINGS);

    world_file(w, "/f", 0, 0);
    assert_error(w, set(w, "/f", XATTR_USER, "a", "1", 0), ERR_HADOOP_ARGUMENT,
                 "A flag must be specified.");
    assert_error(w, set(w, "/f", XATTR_USER, "a", "1", REPLACE), ERR_IO,
                 "XAttr: a does not exist. The CREATE flag must be specified.");
    assert_int_equal(set(w, "/f", XATTR_USER, "a", "1", CREATE), 0);
    assert_error(w, set(w, "/f", XATTR_USER, "a", "2", CREATE), ERR_IO,
                 "XAttr: a already exists. The REPLACE flag must be specified.");
    assert_int_equal(set(w, "/f", XATTR_USER, "a", "2", CREATE | REPLACE), 0);
    assert_int_equal(set(w, "/f", XATTR_USER, "b", "1234567", CREATE), 0);
    assert_error(w, set(w, "/f", XATTR_USER, "b", "12345678", REPLACE), ERR_HADOOP_ARGUMENT,
                 "The XAttr is too big. The maximum combined size of the name and value is 8, but "
                 "the total size is 9");
    assert_error(w, set(w, "/f", XATTR_USER, "c", NULL, CREATE), ERR_IO,
                 "Cannot add additional XAttr to inode, would exceed limit of 2");
    assert_string_equal(shown(w, "/f"), "user.b=1234567 user.a=2");
    assert_int_equal(drop(w, "/f", XATTR_USER, "b"), 0);
    assert_error(w, drop(w, "/f", XATTR_USER, "b"), ERR_IO,
                 "No matching attributes found for remove operation");
    assert_int_equal(drop(w, "/f", XATTR_USER, "a"), 0);
    assert_false(world_inode(w, "/f")->has_xattrs);

    struct world *again = world_new(NULL);
    world_replay(again, w);
    assert_string_equal(shown(again, "/f"), "");
    world_free(again);
    world_free(w);
}

static void unreadable_by_the_superuser(void **state UNUSED)
{
    Pb__GetBlockLocationsRequest request = PB__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    Pb__GetBlockLocationsResponse response = PB__GET_BLOCK_LOCATIONS_RESPONSE__INIT;
    struct world *w = world_new(NULL);

    world_file(w, "/f", 0, 0);
    assert_int_equal(world_mkdirs(w, "/d", 0755), 0);
    assert_error(w, set(w, "/f", XATTR_SECURITY, XATTR_UNREADABLE, "x", CREATE), ERR_ACCESS,
                 "Attempt to set a value for 'security.hdfs.unreadable.by.superuser'. Values are "
                 "not allowed for this xattr.");
    assert_error(w, set(w, "/d", XATTR_SECURITY, XATTR_UNREADABLE, NULL, CREATE), ERR_IO,
                 "Can only set 'security.hdfs.unreadable.by.superuser' on a file.");
    assert_int_equal(set(w, "/f", XATTR_SECURITY, XATTR_UNREADABLE, NULL, CREATE), 0);
    assert_error(w, drop(w, "/f", XATTR_SECURITY, XATTR_UNREADABLE), ERR_ACCESS,
                 "The xattr 'security.hdfs.unreadable.by.superuser' can not be deleted.");
    request.src = (char *)(uintptr_t) "/f";
    assert_error(w, op_get_block_locations(&w->core, &w->op, &request, &response, &w->err),
                 ERR_ACCESS,
                 "Access is denied for root since the superuser is not allowed to perform this "
                 "operation.");
    world_be(w, "bob", "staff");
    assert_int_equal(op_get_block_locations(&w->core, &w->op, &request, &response, &w->err), 0);
    world_free(w);
}

static void sticky_directories(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/tmp", 01777), 0);
    assert_int_equal(world_mkdirs(w, "/open", 0777), 0);
    world_be(w, "bob", "staff");
    assert_int_equal(set(w, "/open", XATTR_USER, "a", NULL, CREATE), 0);
    assert_error(w, set(w, "/tmp", XATTR_USER, "a", NULL, CREATE), ERR_ACCESS,
                 "Permission denied. user=bob is not the owner of inode=/tmp");
    world_free(w);
}

static void bad_requests(void **state UNUSED)
{
    static const char *const OFF[] = {"dfs.namenode.xattrs.enabled", "false", NULL};
    Pb__SetXAttrRequest request = PB__SET_XATTR_REQUEST__INIT;
    Pb__SetXAttrResponse response = PB__SET_XATTR_RESPONSE__INIT;
    struct world *w = world_new(NULL);

    world_file(w, "/f", 0, 0);
    request.src = (char *)(uintptr_t) "/f";
    assert_int_equal(op_set_xattr(&w->core, &w->op, &request, &response, &w->err), ERR_ARGUMENT);
    assert_int_equal(set(w, "/f", (enum xattr_space)5, "a", NULL, CREATE), ERR_ARGUMENT);
    assert_int_equal(drop(w, "/f", (enum xattr_space)77, "a"), ERR_ARGUMENT);
    assert_int_equal(
        set(w, "/.reserved/raw/f", XATTR_RAW, "hdfs.crypto.encryption.zone", "x", CREATE),
        ERR_UNSUPPORTED);
    world_free(w);

    w = world_new(OFF);
    world_file(w, "/f", 0, 0);
    assert_error(w, set(w, "/f", XATTR_USER, "a", NULL, CREATE), ERR_IO,
                 "The XAttr operation has been rejected.  Support for XAttrs has been disabled by "
                 "setting dfs.namenode.xattrs.enabled to false.");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_name_which), cmocka_unit_test(what_is_shown_to_whom),
        cmocka_unit_test(flags_and_limits),   cmocka_unit_test(unreadable_by_the_superuser),
        cmocka_unit_test(sticky_directories), cmocka_unit_test(bad_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
