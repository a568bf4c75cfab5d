#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "common/json.h"

static void test_nesting_and_commas(void **state UNUSED)
{
    struct buf buf = {0};
    struct json json = json_to(&buf);

    json_begin_object(&json);
    json_put_string(&json, "a", "x");
    json_put_int(&json, "b", INT64_MIN);
    json_key(&json, "c");
    json_begin_array(&json);
    json_uint(&json, UINT64_MAX);
    json_null(&json);
    json_begin_object(&json);
    json_end(&json);
    json_begin_array(&json);
    json_end(&json);
    json_raw(&json, "{\"r\":1}");
    json_end(&json);
    json_put_bool(&json, "d", false);
    json_put_double(&json, "e", 0.5);
    json_put_double(&json, "f", NAN);
    json_put_string(&json, "g", NULL);
    json_end(&json);
    assert_string_equal(
        buf_cstr(&buf),
        "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":[18446744073709551615,null,{},[],{\"r\":1}],"
        "\"d\":false,\"e\":0.5,\"f\":\"NaN\",\"g\":null}");
    buf_release(&buf);
}

static void test_escapes(void **state UNUSED)
{
    static const struct {
        const char *text;
        size_t length;
        const char *json;
    } cases[] = {
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\0\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0000\\u001F\x7f\""},
        {"\xc3\xa4\xf0\x9f\x90\x98", 6, "\"\xc3\xa4\xf0\x9f\x90\x98\""},
        {"\xff"
         "a",
         2,
         "\"\xef\xbf\xbd"
         "a\""},
        {"\xc3", 1, "\"\xef\xbf\xbd\""},
        {"\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"", 0, "\"\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf buf = {0};
        struct json json = json_to(&buf);
        json_string_n(&json, cases[i].text, cases[i].length);
        assert_string_equal(buf_cstr(&buf), cases[i].json);
        buf_release(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nesting_and_commas),
                                       cmocka_unit_test(test_escapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
