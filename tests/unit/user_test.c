#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/rand.h"
#include "common/user.h"

static struct err err;

static struct user_groups *groups_with(const char *overrides)
{
    struct conf *conf = conf_new();
    struct user_groups *groups = NULL;

    err_clear(&err);
    assert_int_equal(conf_set(conf, "hadoop.user.group.static.mapping.overrides", overrides, &err),
                     0);
    int rc = user_groups_new(conf, &groups, &err);
    assert_true(rc == 0 || (rc == ERR_CONFIG && strstr(err.text, "overrides is invalid")));
    conf_free(conf);
    return groups;
}

static void test_current(void **state UNUSED)
{
    setenv("HADOOP_USER_NAME", "somebody", 1);
    char *name = user_current(), *system = user_of_system();
    assert_string_equal(name, "somebody");
    assert_string_not_equal(system, "somebody");
    mem_free(name);
    setenv("HADOOP_USER_NAME", "", 1);
    name = user_current();
    assert_string_equal(name, system);
    mem_free(name);
    mem_free(system);
}

static void test_overrides(void **state UNUSED)
{
    struct user_groups *groups = groups_with("dr.who=; alice = staff, hdfs ;root=only;bob");
    char **list = user_groups_get(groups, "alice");

    assert_string_equal(list[0], "staff");
    assert_string_equal(list[1], "hdfs");
    assert_null(list[2]);
    user_groups_list_free(list);
    assert_true(user_in_group(groups, "alice", "hdfs") && user_in_group(groups, "root", "only"));
    assert_false(user_in_group(groups, "alice", "only") || user_in_group(groups, "root", "root"));
    list = user_groups_get(groups, "bob");
    assert_null(list[0]);
    user_groups_list_free(list);
    user_groups_free(groups);
    assert_null(groups_with("=a"));
    assert_null(groups_with("a=b=c"));
    groups = groups_with(";;");
    assert_non_null(groups);
    user_groups_free(groups);
}

static void test_system(void **state UNUSED)
{
    struct user_groups *groups = groups_with("");

    for (int i = 0; i < 2; i++) { /* the second comes from the cache, the third is asked again */
        assert_true(user_in_group(groups, "root", "root"));
        char **list = user_groups_get(groups, "no such user");
        assert_null(list[0]);
        user_groups_list_free(list);
    }
    user_groups_refresh(groups);
    assert_true(user_in_group(groups, "root", "root"));
    user_groups_free(groups);
}

/* Whoever must not block asks the memory, and goes elsewhere for what it does not hold. */
static void test_remembered(void **state UNUSED)
{
    struct user_groups *groups = groups_with("alice=staff");
    char **list = user_groups_remembered(groups, "alice");

    assert_string_equal(list[0], "staff");
    user_groups_list_free(list);
    assert_null(user_groups_remembered(groups, "root"));
    assert_true(user_in_group(groups, "root", "root"));
    list = user_groups_remembered(groups, "root");
    assert_string_equal(list[0], "root");
    user_groups_list_free(list);
    user_groups_refresh(groups);
    assert_null(user_groups_remembered(groups, "root"));
    user_groups_free(groups);
}

/* Users come from outside: the cache must not grow with them. */
static void test_many_unknown_users(void **state UNUSED)
{
    struct user_groups *groups = groups_with("");

    for (int i = 0; i < USER_GROUPS_CACHE_MAX + 100; i++) {
        char *name = mem_printf("nobody%d", i);
        user_groups_list_free(user_groups_get(groups, name));
        mem_free(name);
    }
    user_groups_free(groups);
}

static void test_random(void **state UNUSED)
{
    struct rand a, b;
    int seen[7] = {0};
    char text[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];

    rand_seed(&a, 5);
    rand_seed(&b, 5);
    for (int i = 0; i < 100; i++) assert_int_equal(rand_u64(&a), rand_u64(&b));
    rand_seed(&b, 6);
    assert_int_not_equal(rand_u64(&a), rand_u64(&b));
    for (int i = 0; i < 7000; i++) {
        uint64_t n = rand_below(&a, 7);
        double d = rand_double(&a);
        assert_true(n < 7 && d >= 0 && d < 1);
        seen[n]++;
    }
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 800, 1200);
    assert_int_equal(rand_below(&a, 1), 0);
    uuid_text(text);
    uuid_text(other);
    assert_string_not_equal(text, other);
    assert_int_equal(strlen(text), 36);
    for (int i = 0; i < 36; i++)
        assert_true(i == 8 || i == 13 || i == 18 || i == 23
                        ? text[i] == '-'
                        : isxdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]));
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_current),    cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_system),     cmocka_unit_test(test_many_unknown_users),
        cmocka_unit_test(test_remembered), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
