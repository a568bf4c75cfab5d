#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "common/parse.h"
#include "common/units.h"

static void test_binary(void **state UNUSED)
{
    static const struct {
        int64_t value;
        const char *unit;
        int decimals;
        const char *text;
    } cases[] = {
        {0, "", 1, "0"},
        {1023, "B", 2, "1023 B"},
        {1024, "", 1, "1 K"},
        {1536, "B", 2, "1.50 KB"},
        {-1536, "", 1, "-1.5 K"},
        {1 << 20, "B", 2, "1 MB"},
        {(1 << 20) - 1, "", 2, "1.00 M"},
        {1047552, "", 1, "1023 K"},
        {INT64_MAX, "B", 2, "8.00 EB"},
        {INT64_MIN, "B", 2, "-8 EB"},
        {1288490189, "", 1, "1.2 G"},
        {INT64_C(1) << 50, "", 1, "1 P"},
        {1075, "", 1, "1.0 K"},
        {1126, "", 2, "1.10 K"},
        {1127, "", 0, "1 K"},
    };
    char text[UNITS_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(units_binary(cases[i].value, cases[i].unit, cases[i].decimals, text),
                            cases[i].text);
    assert_string_equal(units_bytes(123456789, text), "117.74 MB");
    assert_string_equal(units_percent(0.12345, 2, text),
                        "12.35%"); /* half up, where C prints 12.34 or 12.35 as bits fall */
    assert_string_equal(units_percent(0, 2, text), "0.00%");
}

static void test_java_fixed(void **state UNUSED)
{
    static const struct {
        double value;
        int decimals;
        const char *text;
    } cases[] = {
        {0.125, 2, "0.13"},      {0.375, 2, "0.38"},
        {2.5, 0, "3"},           {0.5, 0, "1"},
        {0.49, 0, "0"},          {1.005, 2, "1.01"},
        {-1.005, 2, "-1.01"},    {9.995, 2, "10.00"},
        {99.96, 1, "100.0"},     {0.0, 2, "0.00"},
        {0.004, 2, "0.00"},      {0.005, 2, "0.01"},
        {0.0004, 2, "0.00"},     {1e20, 1, "100000000000000000000.0"},
        {123.456, 3, "123.456"}, {5e-324, 2, "0.00"},
        {0.96, 0, "1"},          {0.05, 1, "0.1"},
        {0.04, 1, "0.0"},        {0.006, 1, "0.0"},
        {7, 2, "7.00"},          {9.5, 0, "10"},
    };
    char text[DOUBLE_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(java_fixed(cases[i].value, cases[i].decimals, text), cases[i].text);
    java_fixed(-DBL_MAX, 20, text); /* fits */
    assert_string_equal(java_fixed(NAN, 2, text), "NaN");
}

static void test_java_double(void **state UNUSED)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {0.5, "0.5"},
        {100, "100.0"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {0.0009, "9.0E-4"},
        {1e7, "1.0E7"},
        {9999999, "9999999.0"},
        {1.5e10, "1.5E10"},
        {123456789012.0, "1.23456789012E11"},
        {1.0 / 3, "0.3333333333333333"},
        {-2.25, "-2.25"},
        {DBL_MAX, "1.7976931348623157E308"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {100.25, "100.25"},
    };
    char text[DOUBLE_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(java_double(cases[i].value, text), cases[i].text);
}

static void test_times(void **state UNUSED)
{
    static const char *const dates[] = {
        [DATE_MINUTES] = "2026-11-23 20:01",
        [DATE_SECONDS] = "2026-11-23 20:01:02",
        [DATE_JAVA] = "Mon Nov 23 20:01:02 UTC 2026",
        [DATE_ISO] = "2026-11-23T20:01:02+0000",
        [DATE_ISO_MILLIS] = "2026-11-23T20:01:02.345",
        [DATE_SNAPSHOT] = "s20261123-200102.345",
        [DATE_TOUCH] = "20261123:200102",
    };
    static const char *const bad[] = {"",
                                      "20261123",
                                      "20261123:20010",
                                      "20261323:200102",
                                      "20261100:200102",
                                      "20261123:240102",
                                      "20261123:206002",
                                      "2026112a:200102",
                                      "20261123:2001023",
                                      "20261123 200102",
                                      "+0261123:200102"};
    char text[UNITS_TEXT_MAX];
    int64_t ms;

    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        assert_string_equal(date_text(INT64_C(1795464062345), (enum date_style)i, true, text),
                            dates[i]);
    setenv("TZ", "EST5EDT", 1);
    tzset();
    assert_string_equal(date_text(INT64_C(1795464062345), DATE_JAVA, false, text),
                        "Mon Nov 23 15:01:02 EST 2026");
    assert_string_equal(date_text(0, DATE_MINUTES, false, text), "1969-12-31 19:00");
    assert_string_equal(date_text(-1, DATE_ISO_MILLIS, true, text), "1969-12-31T23:59:59.999");
    assert_string_equal(date_text(INT64_MIN, DATE_SECONDS, true, text),
                        "-292275055-05-16 16:47:04");
    assert_true(date_parse_touch("20261123:150102", &ms));
    assert_int_equal(ms, INT64_C(1795464062000));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (date_parse_touch(bad[i], &ms)) fail_msg("'%s' was taken", bad[i]);
    assert_string_equal(units_time(3723456, text), "1hrs, 2mins, 3sec");
    assert_string_equal(units_time(3603000, text), "1hrs, 3sec");
    assert_string_equal(units_time(0, text), "0sec");
    assert_string_equal(units_duration(93784005, text), "001:02:03:04.005");
    assert_string_equal(units_duration(-1000, text), "-000:00:00:01.000");
    units_duration(INT64_MIN, text);
}

static void test_parse(void **state UNUSED)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1.0",
                                      "99999999999999999999999999"};
    int64_t value = 77;
    uint64_t natural;
    double real;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parse_i64(bad[i], INT64_MIN, INT64_MAX, &value)) fail_msg("'%s' was taken", bad[i]);
    assert_false(parse_i64(NULL, 0, 1, &value) || parse_i64("5", 6, 9, &value) ||
                 parse_i64("5", 0, 4, &value));
    assert_int_equal(value, 77);
    assert_true(parse_i64("-9223372036854775808", INT64_MIN, 0, &value) && value == INT64_MIN);
    assert_true(parse_i64("+9223372036854775807", 0, INT64_MAX, &value) && value == INT64_MAX);
    assert_true(parse_i64("007", 0, 7, &value) && value == 7);
    assert_true(parse_u64("18446744073709551615", UINT64_MAX, &natural) && natural == UINT64_MAX);
    assert_false(parse_u64("18446744073709551616", UINT64_MAX, &natural) ||
                 parse_u64("-1", UINT64_MAX, &natural) || parse_u64("+1", UINT64_MAX, &natural) ||
                 parse_u64("", 9, &natural) || parse_u64(NULL, 9, &natural));
    assert_true(parse_u64_hex("fFfFffffffffffff", &natural) && natural == UINT64_MAX);
    assert_false(parse_u64_hex("10000000000000000", &natural) || parse_u64_hex("", &natural) ||
                 parse_u64_hex("g", &natural));
    assert_true(parse_double("0.999f", &real) && real == 0.999);
    assert_true(parse_double("-1e3", &real) && real == -1000);
    assert_true(parse_double(".5", &real) && real == 0.5);
    assert_false(parse_double("", &real) || parse_double("f", &real) ||
                 parse_double("1,5", &real) || parse_double("nan", &real) ||
                 parse_double("inf", &real) || parse_double("1e999", &real) ||
                 parse_double("0x1p3", &real) || parse_double(" 1", &real) ||
                 parse_double("1ff", &real) || parse_double("-", &real));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),      cmocka_unit_test(test_java_fixed),
        cmocka_unit_test(test_java_double), cmocka_unit_test(test_times),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
