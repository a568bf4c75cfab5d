#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/glob.h"
#include "common/clock.h"
#include "common/mem.h"

static bool matches(const char *pattern, const char *name)
{
    struct err err = ERR_INIT;
    struct glob glob;

    assert_int_equal(glob_compile(&glob, pattern, &err), 0);
    bool result = glob_match(&glob, name);
    glob_release(&glob);
    return result;
}

static void stars_and_questions(void **state UNUSED)
{
    assert_true(matches("*", ""));
    assert_true(matches("*", "abc"));
    assert_true(matches("*", ".hidden"));
    assert_true(matches("a*c", "abbbc"));
    assert_true(matches("a*c", "ac"));
    assert_false(matches("a*c", "acd"));
    assert_true(matches("*a*b*", "xxaxxbxx"));
    assert_false(matches("*a*b*", "xxbxxaxx"));
    assert_true(matches("?", "x"));
    assert_false(matches("?", ""));
    assert_false(matches("?", "xy"));
    assert_true(matches("part-?????", "part-00007"));
}

static void a_character_is_not_a_byte(void **state UNUSED)
{
    assert_true(matches("?", "\xc3\xa4"));
    assert_true(matches("?x", "\xe2\x82\xacx"));
    assert_true(matches("[\xc3\xa4\xc3\xb6]", "\xc3\xb6"));
    assert_false(matches("[\xc3\xa4-\xc3\xa5]", "\xc3\xb6"));
    assert_true(matches("?", "\xff")); /* malformed: one byte, one character */
    assert_true(matches("??", "\xc3z"));
}

static void sets(void **state UNUSED)
{
    assert_true(matches("[abc]", "b"));
    assert_false(matches("[abc]", "d"));
    assert_true(matches("[a-c]x", "cx"));
    assert_true(matches("[^a-c]", "d"));
    assert_true(matches("[!a-c]", "d"));
    assert_false(matches("[^a-c]", "b"));
    assert_true(matches("[a\\]]", "]"));
    assert_true(matches("[a-]", "-"));
    assert_false(matches("[^a]", ""));
    assert_true(matches("[{]", "{"));
    assert_true(matches("[,]", ","));
}

static void braces(void **state UNUSED)
{
    assert_true(matches("{a,b}", "a"));
    assert_true(matches("{a,b}", "b"));
    assert_false(matches("{a,b}", "c"));
    assert_true(matches("x{a,bc}y", "xbcy"));
    assert_true(matches("{a,{b,c}d}", "cd"));
    assert_true(matches("{,a}b", "b"));
    assert_true(matches("{a*,b?}", "bx"));
    assert_true(matches("{a\\,b,c}", "a,b"));
    assert_true(matches("a}", "a}"));
    assert_true(matches("{a,b}{c,d}", "bd"));
}

static void escapes(void **state UNUSED)
{
    struct err err = ERR_INIT;
    struct glob glob;

    assert_int_equal(glob_compile(&glob, "a\\*b", &err), 0);
    assert_false(glob.wild);
    assert_string_equal(glob.literal, "a*b");
    assert_true(glob_match(&glob, "a*b"));
    assert_false(glob_match(&glob, "axb"));
    glob_release(&glob);
    assert_true(matches("\\?*", "?x"));
    assert_false(matches("\\?*", "ax"));
    assert_true(matches("a.b", "a.b"));
    assert_false(matches("a.b", "axb"));
    assert_true(matches("$(+)|*", "$(+)|"));
}

static void bad_patterns(void **state UNUSED)
{
    static const char *const bad[] = {"[",  "[a",    "a[",     "[]",  "[^]",
                                      "{a", "a{b,c", "{a,{b}", "a\\", "[a\\"};
    struct err err = ERR_INIT;
    struct glob glob;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (glob_compile(&glob, bad[i], &err) == 0) fail_msg("%s compiles", bad[i]);
}

static void expansion(void **state UNUSED)
{
    static const struct {
        const char *pattern, *result; /* joined by blanks */
    } cases[] = {
        {"{a/b}", "a/b"},
        {"/}{a/b}", "/}a/b"},
        {"p{a/b,c/d}s", "pa/bs pc/ds"},
        {"{a/b,c/d}{e,f}", "a/b{e,f} c/d{e,f}"},
        {"{a,b}/{b,{c/d,e/f}}", "{a,b}/b {a,b}/c/d {a,b}/e/f"},
        {"/a/*", "/a/*"},
        {"/a/{b,c}", "/a/{b,c}"},
    };
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char **list, text[256] = "";
        assert_int_equal(glob_expand_slashes(cases[i].pattern, &list, &err), 0);
        for (size_t j = 0; list[j]; j++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", j ? " " : "", list[j]);
        }
        assert_string_equal(text, cases[i].result);
        glob_list_free(list);
    }
}

static void hostile_patterns_cost_little(void **state UNUSED)
{
    char pattern[400] = "", name[4000];
    struct err err = ERR_INIT;
    struct glob glob;
    char **list;

    for (int i = 0; i < 60; i++) strncat(pattern, "{a,b}", sizeof pattern - strlen(pattern) - 1);
    assert_int_equal(glob_compile(&glob, pattern, &err), ERR_LIMIT);
    pattern[0] = '\0';
    for (int i = 0; i < 60; i++) strncat(pattern, "{/,b}", sizeof pattern - strlen(pattern) - 1);
    assert_int_equal(glob_expand_slashes(pattern, &list, &err), ERR_LIMIT);

    int64_t start = clock_mono_ms();
    pattern[0] = '\0';
    for (int i = 0; i < 100; i++) strncat(pattern, "*a", sizeof pattern - strlen(pattern) - 1);
    strncat(pattern, "b", sizeof pattern - strlen(pattern) - 1);
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(matches(pattern, name));
    assert_true(clock_mono_ms() - start < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_and_questions),
        cmocka_unit_test(a_character_is_not_a_byte),
        cmocka_unit_test(sets),
        cmocka_unit_test(braces),
        cmocka_unit_test(escapes),
        cmocka_unit_test(bad_patterns),
        cmocka_unit_test(expansion),
        cmocka_unit_test(hostile_patterns_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
