/* The shell's text: numbers, arguments, URIs, tables, help, and the order of Java's maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/shell/args.h"
#include "client/shell/format.h"
#include "client/shell/help.h"
#include "client/shell/java_map.h"
#include "client/shell/shell.h"
#include "client/shell/text.h"
#include "client/shell/uri.h"
#include "client/shell/xattr.h"
#include "common/mem.h"

static void test_sizes(void **state)
{
    static const struct {
        int64_t size;
        const char *text;
    } sizes[] = {
        {0, "0"},
        {1023, "1023"},
        {1024, "1 K"},
        {1025, "1.0 K"},
        {1536, "1.5 K"},
        {-1536, "-1.5 K"},
        {1048575, "1 M"},
        {1048576, "1 M"},
        {1152, "1.1 K"},
        /* 1.125 */ {5L << 40, "5 T"},
        {INT64_MAX, "8.0 E"},
        {INT64_MIN, "-8 E"},
    };
    char text[UNITS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (sizes[i].size != 1048575)
            assert_string_equal(format_size(text, sizes[i].size, true), sizes[i].text);
    /* what rounds to 1024 of a unit is one of the next */
    assert_string_equal(format_size(text, 1048575, true), "1.0 M");
    assert_string_equal(format_size(text, 1048575, false), "1048575");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } numbers[] = {
        {"10", 0, 10},
        {" 1k ", 0, 1024},
        {"2T", 0, 2L << 40},
        {"-5", 0, -5},
        {"8e", SHELL_ILLEGAL, 0},
        {"7e", 0, 7L << 60},
        {"-8e", 0, INT64_MIN},
        {"k", SHELL_ILLEGAL, 0},
        {"1z", SHELL_ILLEGAL, 0},
        {"1 k", SHELL_ILLEGAL, 0},
        {"1.5k", SHELL_ILLEGAL, 0},
        {"0x10", SHELL_ILLEGAL, 0},
        {"99999999999999999999", SHELL_ILLEGAL, 0},
        {"", SHELL_FATAL, 0},
    };
    struct err err;
    int64_t value;
    int small;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_equal(parse_binary(numbers[i].text, &value, &err), numbers[i].rc);
        if (!numbers[i].rc) assert_int_equal(value, numbers[i].value);
    }
    assert_int_equal(parse_binary("1z", &value, &err), SHELL_ILLEGAL);
    assert_string_equal(
        err.text,
        "Invalid size prefix 'z' in '1z'. Allowed prefixes are k, m, g, t, p, e(case insensitive)");
    assert_int_equal(parse_short("32768", &small, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "Value out of range. Value:\"32768\" Radix:10");
    assert_int_equal(parse_short("-32768", &small, &err), 0);
    assert_int_equal(parse_int("2147483648", &small, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "For input string: \"2147483648\"");
}

static void test_modes(void **state)
{
    char text[FORMAT_MODE_MAX];

    (void)state;
    assert_string_equal(format_mode(text, 0755), "rwxr-xr-x");
    assert_string_equal(format_mode(text, 01777), "rwxrwxrwt");
    assert_string_equal(format_mode(text, 01770), "rwxrwx--T");
    assert_string_equal(format_mode(text, 0), "---------");
}

static void test_wrap(void **state)
{
    static const struct {
        const char *text, *wrapped;
    } cases[] = {
        {"short", "short"},
        {"exactly 10", "exactly 10"},
        {"one two three four", "one two\nthree four"},
        {"unbreakablelongword", "unbreakabl\nelongword"},
        {"a          b",
         "a         \nb"}, /* as Java: the break eats one blank, the line keeps the others */
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {.data = NULL};
        wrap_text(&out, cases[i].text, strlen(cases[i].text), 10);
        assert_string_equal(buf_cstr(&out), cases[i].wrapped);
        buf_release(&out);
    }
}

static void test_table(void **state)
{
    static const char *const titles[] = {"Name", "Size", "Last"};
    struct buf out = {.data = NULL};
    struct table table;

    (void)state;
    table_init(&table, 3);
    table_header(&table, titles);
    table_print(&table, &out);
    assert_int_equal(out.length, 0); /* nothing but the header: nothing */
    table.right[1] = true;
    table_row(&table,
              (const char *const[]){"\xc3\xbc", "12345", "x"}); /* one character, two bytes */
    table_row(&table, (const char *const[]){"longer", "1", "yy"});
    table_print(&table, &out);
    assert_string_equal(buf_cstr(&out),
                        "Name     Size  Last\n\xc3\xbc       12345  x\nlonger      1  yy\n");
    table_release(&table);
    buf_release(&out);
}

static void test_help(void **state)
{
    struct buf out = {.data = NULL};

    (void)state;
    help_format(&out,
                "Intro.\n-a: First.\n  -bb <x> : Second.\nNo row - here.\n-c: two: colons\n\n");
    assert_string_equal(buf_cstr(&out), "  Intro.\n"
                                        "                   \n"
                                        "  -a       First.  \n"
                                        "  -bb <x>  Second. \n"
                                        "  No row - here.\n"
                                        "  -c: two: colons\n");
    buf_release(&out);
}

static void test_args(void **state)
{
    static const char *const words[] = {"-a", "-v", "5", "-", "-b", "x"};
    bool a = false, b = false;
    const char *value = NULL;
    const struct option options[] = {
        {"a", &a, NULL}, {"b", &b, NULL}, {"v", NULL, &value}, {NULL, NULL, NULL}};
    struct args args;
    struct err err;

    (void)state;
    args_init(&args, words, ARRAY_LEN(words));
    assert_int_equal(args_parse(&args, 1, 9, options, false, &err), 0);
    assert_true(a);
    assert_false(b); /* "-" ends the options */
    assert_string_equal(value, "5");
    assert_int_equal(args.count, 3);
    assert_int_equal(args_parse(&args, 4, 9, options, false, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "Not enough arguments: expected 4 but got 3");
    assert_int_equal(args_parse(&args, 0, 2, options, false, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "Too many arguments: expected 2 but got 3");
    args_release(&args);

    args_init(&args, (const char *const[]){"-z", "x"}, 2);
    assert_int_equal(args_parse(&args, 0, 9, options, false, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "Illegal option -z");
    assert_int_equal(args_parse(&args, 0, 9, options, true, &err), 0);
    assert_int_equal(args.count, 2);
    args_release(&args);
}

/* CommandFormat leaves what is needed as arguments alone: the last word is not an option's value.
 */
static void test_args_value(void **state)
{
    const char *value = NULL;
    const struct option options[] = {{"t", NULL, &value}, {NULL, NULL, NULL}};
    struct args args;
    struct err err;

    (void)state;
    args_init(&args, (const char *const[]){"-t", "x"}, 2);
    assert_int_equal(args_parse(&args, 1, 9, options, false, &err), 0);
    assert_string_equal(value, "");
    assert_int_equal(args.count, 1);
    args_release(&args);

    args_init(&args, (const char *const[]){"x", "-n", "--", "-n"}, 4);
    assert_int_equal(args_pop_value(&args, "-n", &value, &err), 0); /* "--" is its value */
    assert_string_equal(value, "--");
    assert_true(args_pop_option(&args, "-n"));
    assert_false(args_pop_option(&args, "-n"));
    args_release(&args);

    args_init(&args, (const char *const[]){"--", "-n"}, 2);
    assert_false(args_pop_option(&args, "-n"));
    args_release(&args);

    args_init(&args, (const char *const[]){"-n"}, 1);
    assert_int_equal(args_pop_value(&args, "-n", &value, &err), SHELL_ILLEGAL);
    assert_string_equal(err.text, "option -n requires 1 argument.");
    args_release(&args);
}

static void check_uri(const char *text, const char *scheme, const char *authority, const char *path)
{
    struct uri uri;
    struct err err;

    assert_int_equal(uri_parse(&uri, text, &err), 0);
    assert_string_equal(uri.scheme ? uri.scheme : "-", scheme);
    assert_string_equal(uri.authority ? uri.authority : "-", authority);
    assert_string_equal(uri.path, path);
    uri_release(&uri);
}

static void test_uri(void **state)
{
    struct uri uri;
    struct err err;
    char *path;

    (void)state;
    check_uri("/a/b", "-", "-", "/a/b");
    check_uri("a/b:c", "-", "-", "a/b:c");
    check_uri("hdfs://host:8020/a", "hdfs", "host:8020", "/a");
    check_uri("hdfs://host", "hdfs", "host", "");
    check_uri("hdfs:///a", "hdfs", "-", "/a");
    check_uri("file:/a b?#", "file", "-", "/a b?#");
    check_uri("//host/a", "-", "host", "/a");
    check_uri("//", "-", "-", "//");
    assert_int_equal(uri_parse(&uri, "", &err), SHELL_ILLEGAL);
    assert_int_equal(uri_parse(&uri, "a:b", &err), SHELL_ILLEGAL);
    assert_string_equal(err.text,
                        "java.net.URISyntaxException: Relative path in absolute URI: a:b");
    assert_string_equal(uri_display_path("hdfs://h:1/a//"), "/a//");
    assert_string_equal(uri_display_path("a:b"), "a:b");
    path = uri_path_absolute("/user/me", "../you/./x//");
    assert_string_equal(path, "/user/you/x");
    mem_free(path);
    path = uri_path_absolute("/user/me", "/../x"); /* the file system refuses it */
    assert_string_equal(path, "/../x");
    mem_free(path);
    assert_true(uri_path_compare("/a b", "/a!") > 0); /* %20 is behind ! */
    assert_true(uri_path_compare("/a", "/a") == 0);
    assert_true(uri_path_compare("/a", "/a/b") < 0);
}

static void test_java_map(void **state)
{
    static const char *const keys[] = {"127.0.0.1:9930", "user.a1", "user.a2", "Aa", "BB"};
    size_t order[ARRAY_LEN(keys)];

    (void)state;
    assert_int_equal(java_string_hash("Aa"), java_string_hash("BB"));
    assert_int_equal(java_string_hash("hello"), 99162322);
    assert_int_equal(java_string_hash("\xc3\xbc\xf0\x9f\x98\x80"),
                     (0xfc * 31 + 0xd83d) * 31 + 0xde00);
    java_map_order(keys + 3, 2, order); /* of one bucket: as they were put in */
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
}

static void test_java_map_many(void **state)
{
    enum { KEYS = 200 };
    const char *keys[KEYS];
    size_t order[KEYS];
    bool seen[KEYS] = {false};

    (void)state;
    for (size_t i = 0; i < KEYS; i++) keys[i] = mem_printf("key%zu", i);
    java_map_order(keys, KEYS, order);
    for (size_t i = 0; i < KEYS; i++) {
        assert_true(order[i] < KEYS && !seen[order[i]]);
        seen[order[i]] = true;
        if (!i) continue;
        uint32_t a = (uint32_t)java_string_hash(keys[order[i - 1]]),
                 b = (uint32_t)java_string_hash(keys[order[i]]);
        assert_true(((a ^ a >> 16) & 511) <=
                    ((b ^ b >> 16) & 511)); /* 200 / 0.75 needs 512 buckets */
    }
    for (size_t i = 0; i < KEYS; i++) mem_free((char *)keys[i]);
}

static void check_xattr(const char *text, const char *bytes, size_t size, const char *base64)
{
    struct buf value = {.data = NULL}, again = {.data = NULL};
    struct err err;

    assert_int_equal(xattr_decode(text, &value, &err), 0);
    assert_int_equal(value.length, size);
    if (size) assert_memory_equal(value.data, bytes, size);
    xattr_encode(XATTR_BASE64, value.data, value.length, &again);
    assert_string_equal(buf_cstr(&again), base64);
    buf_release(&value);
    buf_release(&again);
}

/* What is no UTF-8 is shown as Java shows it. */
static void test_xattr_text(void **state)
{
    static const struct {
        const char *bytes, *shown;
    } CASES[] = {
        {"plain \xc3\xa9 \xf0\x9f\x98\x80", "\"plain \xc3\xa9 \xf0\x9f\x98\x80\""},
        {"\xff\x80z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\""},                             /* cut short: one */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* too long a form */
        {"\xf0\x9f\x98z", "\"\xef\xbf\xbdz\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf text = {.data = NULL};

        xattr_encode(XATTR_TEXT, CASES[i].bytes, strlen(CASES[i].bytes), &text);
        assert_string_equal(buf_cstr(&text), CASES[i].shown);
        buf_release(&text);
    }
}

static void test_xattr(void **state)
{
    struct buf value = {.data = NULL};
    enum xattr_codec codec;
    struct err err;

    (void)state;
    check_xattr("\"quoted\"", "quoted", 6, "0scXVvdGVk");
    check_xattr("plain", "plain", 5, "0scGxhaW4=");
    check_xattr("0xFFfe", "\xff\xfe", 2, "0s//4=");
    check_xattr("0X", "", 0, "0s");
    check_xattr("0sQUJD", "ABC", 3, "0sQUJD");
    check_xattr("0sQQ==", "A", 1, "0sQQ==");
    check_xattr("0sQ U\nJD", "ABC", 3, "0sQUJD"); /* other characters are skipped */
    check_xattr("\"", "\"", 1, "0sIg==");
    assert_int_equal(xattr_decode("0xabc", &value, &err), ERR_IO);
    assert_int_equal(xattr_decode("0xzz", &value, &err), ERR_IO);
    buf_release(&value);
    assert_true(xattr_codec_parse("HEX", &codec) && codec == XATTR_HEX);
    assert_false(xattr_codec_parse("hexa", &codec));
}

static void test_characters(void **state)
{
    char *text;

    (void)state;
    text = text_printable("a\tb\x01\xc3\xbc\xe2\x80\x8b\xee\x80\x80.");
    assert_string_equal(text, "a?b?\xc3\xbc??.");
    mem_free(text);
    text = text_lower("A\xc3\x9cz\xff");
    assert_string_equal(
        text, "a\xc3\xbcz\xc3\xbf"); /* a stray byte counts as the character of its number */
    mem_free(text);
    assert_int_equal(text_width("a\xc3\xbc\xf0\x9f\x98\x80"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_modes),         cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_table),         cmocka_unit_test(test_help),
        cmocka_unit_test(test_args),          cmocka_unit_test(test_args_value),
        cmocka_unit_test(test_uri),           cmocka_unit_test(test_java_map),
        cmocka_unit_test(test_java_map_many), cmocka_unit_test(test_xattr),
        cmocka_unit_test(test_xattr_text),    cmocka_unit_test(test_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
