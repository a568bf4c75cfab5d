#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/properties.h"

static struct err err;

static int parse(struct properties *properties, const char *text)
{
    return properties_parse(properties, text, strlen(text), &err);
}

static void test_reads_what_java_writes(void **state UNUSED)
{
    static const char version[] =
        "#Mon Nov 23 20:01:02 UTC 2026\nnamespaceID=1283461234\nblockpoolID=BP-1-127.0.0.1-1\n"
        "storageType=NAME_NODE\ncTime=1795464062345\nclusterID=CID-8c\\:x\nlayoutVersion=-68\n";
    struct properties properties = {0};
    int64_t value;

    assert_int_equal(parse(&properties, version), 0);
    assert_int_equal(properties.count, 6);
    assert_string_equal(properties_get(&properties, "clusterID"), "CID-8c:x");
    assert_int_equal(
        properties_get_int(&properties, "layoutVersion", INT32_MIN, INT32_MAX, &value, &err), 0);
    assert_int_equal(value, -68);
    assert_int_equal(properties_get_int(&properties, "cTime", 0, 10, &value, &err), ERR_CORRUPT);
    assert_int_equal(properties_get_int(&properties, "storageType", 0, 10, &value, &err),
                     ERR_CORRUPT);
    assert_int_equal(properties_get_int(&properties, "none", 0, 10, &value, &err), ERR_NOT_FOUND);
    assert_null(properties_get(&properties, "none"));
    properties_release(&properties);
}

static void test_syntax(void **state UNUSED)
{
    static const char *const cases[][3] = {
        {"a=b", "a", "b"},
        {"  a : b ", "a", "b "},
        {"a b", "a", "b"},
        {"a\t=\tb", "a", "b"},
        {"a", "a", ""},
        {"a=", "a", ""},
        {"a==b", "a", "=b"},
        {"=b", "", "b"},
        {"a\\=b=c", "a=b", "c"},
        {"a\\ b=c", "a b", "c"},
        {"a=b\\\n   c", "a", "bc"},
        {"a=b\\\r\n\tc", "a", "bc"},
        {"a=\\u00e4\\u20AC", "a", "\xc3\xa4\xe2\x82\xac"},
        {"a=\\ud83d\\udc18", "a", "\xf0\x9f\x90\x98"},
        {"a=\xe4", "a", "\xc3\xa4"},
        {"a=\\t\\n\\r\\f\\q", "a", "\t\n\r\fq"},
        {"a=b\rc=d", "a", "b"},
        {"# x\n! y\n\n a=1\n#b=2", "a", "1"},
        {"a=1\na=2", "a", "2"},
        {"a=b\\", "a", "b"},
        {"a=\\\\", "a", "\\"},
    };
    static const char *const bad[] = {"a=\\u12",    "a=\\u12g4", "a=\\ud83d",
                                      "a=\\ud83dx", "a=\\udc18", "a=\\ud83d\\u0041",
                                      "a=\\u0000",  "a=\\u",     "\\u1=1"};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct properties properties = {0};
        if (parse(&properties, cases[i][0])) fail_msg("'%s': %s", cases[i][0], err.text);
        const char *value = properties_get(&properties, cases[i][1]);
        if (!value || !str_eq(value, cases[i][2]))
            fail_msg("'%s' gave '%s'", cases[i][0], value ? value : "NULL");
        properties_release(&properties);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct properties properties = {0};
        if (parse(&properties, bad[i]) != ERR_CORRUPT) fail_msg("'%s' was taken", bad[i]);
        properties_release(&properties);
    }
    struct properties properties = {0};
    assert_int_equal(properties_parse(&properties, "a=b\0c", 5, &err), ERR_CORRUPT);
    properties_release(&properties);
}

static void test_round_trip(void **state UNUSED)
{
    static const char *const pairs[][2] = {
        {"clusterID", "CID-1:2"},
        {" a b", "  two  blanks "},
        {"#x!", "=:#!\\"},
        {"\xc3\xa4", "\xe2\x82\xac \xf0\x9f\x90\x98"},
        {"control", "\t\n\r\f\x01\x7f"},
        {"empty", ""},
    };
    struct properties properties = {0}, back = {0};
    struct buf text = {0};
    char path[] = "/tmp/properties_test.XXXXXX";

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        properties_set(&properties, pairs[i][0], pairs[i][1]);
    properties_set_int(&properties, "n", 5);
    properties_set_int(&properties, "n", INT64_MIN);
    setenv("TZ", "UTC", 1);
    tzset();
    properties_write(&properties, INT64_C(1795464062345), &text);
    assert_true(str_starts(
        buf_cstr(&text),
        "#Mon Nov 23 20:01:02 UTC 2026\nclusterID=CID-1\\:2\n\\ a\\ b=\\  two  blanks \n"));
    assert_non_null(strstr(buf_cstr(&text), "\\u00E4=\\u20AC \\uD83D\\uDC18\n"));
    close(mkstemp(path));
    assert_int_equal(properties_save(&properties, path, &err), 0);
    assert_int_equal(properties_load(&back, path, &err), 0);
    assert_int_equal(back.count, properties.count);
    for (size_t i = 0; i < back.count; i++) {
        assert_string_equal(back.items[i].key, properties.items[i].key);
        assert_string_equal(back.items[i].value, properties.items[i].value);
    }
    unlink(path);
    assert_int_equal(properties_load(&back, path, &err), ERR_NOT_FOUND);
    buf_release(&text);
    properties_release(&properties);
    properties_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_java_writes),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
