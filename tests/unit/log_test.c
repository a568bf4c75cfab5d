#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"

static struct err err;
static char path[64], moved[80];

static int setup(void **state UNUSED)
{
    snprintf(path, sizeof path, "/tmp/log_test.%ld", (long)getpid());
    snprintf(moved, sizeof moved, "%s.1", path);
    unlink(path);
    log_init("unit");
    log_set_level(LOG_INFO);
    return log_open(path, &err);
}

static int teardown(void **state UNUSED)
{
    unlink(path);
    unlink(moved);
    return log_open(NULL, &err);
}

static char *content(const char *of)
{
    struct buf buf = {0};

    assert_int_equal(file_read(of, 1 << 20, &buf, &err), 0);
    char *text = mem_strdup(buf_cstr(&buf));
    buf_release(&buf);
    return text;
}

static void test_shape(void **state UNUSED)
{
    int year, month, day, hour, minute, second, millis, end = 0;

    log_info("answer %d", 42);
    char *text = content(path);
    sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d,%3d INFO unit: answer 42\n%n", &year, &month, &day, &hour,
           &minute, &second, &millis, &end);
    assert_int_equal(end, strlen(text));
    assert_true(year > 2000);
    mem_free(text);
}

static void test_levels(void **state UNUSED)
{
    enum log_level level;

    log_debug("no");
    log_set_level(LOG_ERROR);
    log_warn("no");
    log_error("yes");
    char *text = content(path);
    assert_null(strstr(text, "no"));
    assert_non_null(strstr(text, " ERROR unit: yes\n"));
    mem_free(text);
    assert_true(log_parse_level("warn", &level) && level == LOG_WARN);
    assert_true(log_parse_level("DEBUG", &level) && level == LOG_DEBUG);
    assert_false(log_parse_level("", &level) || log_parse_level("verbose", &level));
}

static void test_a_message_is_one_line(void **state UNUSED)
{
    char *longest = mem_alloc(2 * LOG_LINE_MAX + 1);

    log_info("a\nb\r\nc");
    memset(longest, 'x', 2 * LOG_LINE_MAX);
    longest[2 * LOG_LINE_MAX] = '\0';
    log_info("%s", longest);
    char *text = content(path);
    assert_non_null(strstr(text, "a b  c\n"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    int lines = 0;
    for (char *c = text; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 2);
    assert_int_equal(strlen(strchr(text, '\n') + 1), LOG_LINE_MAX);
    mem_free(text);
    mem_free(longest);
}

static void test_reopen(void **state UNUSED)
{
    log_info("before");
    assert_int_equal(rename(path, moved), 0);
    log_info("still the old file");
    log_want_reopen();
    log_info("after");
    char *old = content(moved), *new = content(path);
    assert_non_null(strstr(old, "still the old file"));
    assert_null(strstr(old, "after"));
    assert_non_null(strstr(new, "after"));
    mem_free(old);
    mem_free(new);
    assert_int_equal(log_open("/no/such/folder/log", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/folder/log"));
    log_info("goes on");
    new = content(path);
    assert_non_null(strstr(new, "goes on"));
    mem_free(new);
}

static void say(int i)
{
    log_limited(LOG_INFO, 60, "line %d", i);
}

static void test_limited(void **state UNUSED)
{
    for (int i = 0; i < 10; i++) say(i);
    clock_sleep_ms(80);
    say(10);
    char *text = content(path);
    assert_non_null(strstr(text, "line 0\n"));
    assert_null(strstr(text, "line 1\n"));
    assert_non_null(strstr(text, "line 10 (9 similar lines left out)\n"));
    mem_free(text);
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_shape),  LOG_TEST(test_levels),  LOG_TEST(test_a_message_is_one_line),
        LOG_TEST(test_reopen), LOG_TEST(test_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
