#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/mem.h"
#include "common/path.h"

static void test_valid(void **state UNUSED)
{
    static const char *const good[] = {"/",
                                       "//",
                                       "/a",
                                       "/a/",
                                       "/a//",
                                       "/a/b c/d\n",
                                       "/.a",
                                       "/...",
                                       "/a..",
                                       "/\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x90\x98",
                                       "/.reserved/.inodes/16386/..",
                                       "/.reserved/.inodes/1/../..",
                                       "/a/.snapshot/s"};
    static const char *const bad[] = {"",
                                      "a",
                                      "a/b",
                                      "./a",
                                      "/.",
                                      "/a/./b",
                                      "/..",
                                      "/a/..",
                                      "/a/../b",
                                      "/a:b",
                                      "/:",
                                      "//a",
                                      "/a//b",
                                      "/.reserved/.inodes/..",
                                      "/.reserved/raw/a/..",
                                      "hdfs://h/a",
                                      "/\xff",
                                      "/\xc0\xaf",
                                      "/\xe0\x80\x80",
                                      "/\xed\xa0\x80",
                                      "/\xf4\x90\x80\x80",
                                      "/\xc3",
                                      "/a\x80"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!path_valid(good[i])) fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (path_valid(bad[i])) fail_msg("'%s' was taken", bad[i]);
    assert_false(utf8_valid("a\0b", 3));
}

static void test_limits(void **state UNUSED)
{
    enum { SIZE = 40000 };
    char *text = mem_zalloc(SIZE);

    memset(text, 'a', PATH_LENGTH_MAX);
    text[0] = '/';
    assert_true(path_within_limits(text));
    text[PATH_LENGTH_MAX] = 'a';
    assert_false(path_within_limits(text));
    memset(text, 0, SIZE);
    for (int i = 0; i < PATH_DEPTH_MAX; i++) memcpy(text + 2 * i, "/a", 2);
    assert_true(path_within_limits(text));
    memcpy(text + (size_t)2 * PATH_DEPTH_MAX, "/a", 2);
    assert_false(path_within_limits(text));
    memset(text, 0, SIZE);
    text[0] = '/';
    for (int i = 0; i < PATH_LENGTH_MAX - 1; i++)
        memcpy(text + 1 + 3 * i, "\xe2\x82\xac", 3); /* characters, not bytes */
    assert_true(path_within_limits(text));
    memset(text, 0, SIZE);
    text[0] = '/';
    for (int i = 0; i < PATH_LENGTH_MAX / 2; i++)
        memcpy(text + 1 + 4 * i, "\xf0\x9f\x90\x98", 4); /* two units each */
    assert_false(path_within_limits(text));
    mem_free(text);
}

static void test_walk(void **state UNUSED)
{
    const char *at = "//a/bc///d/";
    struct path_part part;

    assert_true(path_next(&at, &part) && path_part_is(&part, "a"));
    assert_true(path_next(&at, &part) && path_part_is(&part, "bc"));
    assert_false(path_part_is(&part, "b") || path_part_is(&part, "bcd"));
    assert_true(path_next(&at, &part) && path_part_is(&part, "d"));
    assert_false(path_next(&at, &part));
    assert_int_equal(path_depth("/"), 0);
    assert_int_equal(path_depth("/a/b"), 2);
}

static void check(char *got, const char *wanted, const char *of)
{
    if (!got || !str_eq(got, wanted))
        fail_msg("'%s' became '%s', not '%s'", of, got ? got : "NULL", wanted);
    mem_free(got);
}

static void test_parts(void **state UNUSED)
{
    static const char *const parents[][2] = {{"/a", "/"},     {"/a/b", "/a"}, {"/a/b/", "/a"},
                                             {"/a//b", "/a"}, {"a", ""},      {"a/b", "a"}};
    static const char *const joins[][3] = {{"/", "a", "/a"},         {"/a", "b", "/a/b"},
                                           {"/a/", "b/c", "/a/b/c"}, {"/a", "/b", "/b"},
                                           {"/a", "", "/a"},         {"", "b", "b"}};

    for (size_t i = 0; i < ARRAY_LEN(parents); i++)
        check(path_parent(parents[i][0]), parents[i][1], parents[i][0]);
    for (size_t i = 0; i < ARRAY_LEN(joins); i++)
        check(path_join(joins[i][0], joins[i][1]), joins[i][2], joins[i][1]);
    assert_null(path_parent("/"));
    assert_null(path_parent("//"));
    assert_string_equal(path_name("/a/b"), "b");
    assert_string_equal(path_name("/"), "");
    assert_string_equal(path_name("b"), "b");
    assert_true(path_is_root("/") && path_is_root("//"));
    assert_false(path_is_root("") || path_is_root("/a") || path_is_root("a"));
    assert_true(path_is_under("/a/b", "/a") && path_is_under("/a", "/a") &&
                path_is_under("/a", "/"));
    assert_false(path_is_under("/ab", "/a") || path_is_under("/a", "/a/b"));
}

static void test_normalise(void **state UNUSED)
{
    static const char *const cases[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/a/", "/a"},
        {"//a///b//", "/a/b"},
        {"/a/./b/.", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/b/../..", "/"},
        {"/..", "/.."},
        {"/../a", "/../a"},
        {"a/../b", "b"},
        {"a/..", ""},
        {"../a", "../a"},
        {"../../a", "../../a"},
        {"a/../../b", "../b"},
        {"", ""},
        {".", ""},
        {"./a", "a"},
        {"/...", "/..."},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(path_normalise(cases[i][0]), cases[i][1], cases[i][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid), cmocka_unit_test(test_limits),    cmocka_unit_test(test_walk),
        cmocka_unit_test(test_parts), cmocka_unit_test(test_normalise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
