/* Modes as -chmod takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/shell/chmod_mode.h"

static void test_apply(void **state)
{
    static const struct {
        const char *text;
        unsigned existing;
        bool directory;
        unsigned wanted;
    } cases[] = {
        {"755", 0, false, 0755},
        {"0644", 01777, false, 0644},
        {"1777", 0, true, 01777},
        {"755", 01777, true, 0755}, /* three digits clear the sticky bit */
        {" +600 ", 0777, false, 0600},
        {"u+x", 0644, false, 0744},
        {"go-r", 0644, false, 0600},
        {"a=r", 0777, false, 0444},
        {"=rw", 0, false, 0666},
        {"+X", 0644, false, 0644},
        {"+X", 0744, false, 0755},
        {"+X", 0644, true, 0755},
        {"u=X", 0644, false, 0044},
        {"u=X", 0744, false, 0144},
        {"+t", 0755, true, 01755},
        {"-t", 01755, true, 0755},
        {"u+t", 0755, true, 0755}, /* sticky goes with the others */
        {"o=t", 0777, true, 01770},
        {"=r", 01777, true, 0444}, /* and so does clearing it */
        {"u+r,g+w,o+x", 0, false, 0421},
        {"u+x, g-x", 0010, false, 0100},
        {"ug=rw,o=", 0, false, 0xffff},
        {"+-=+r", 0, false, 0444}, /* the last sign counts */
        {"-rwx", 0777, false, 0},
        {"u+rwxXt", 0, false, 0600}, /* X takes what x gave, as in Java */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct chmod_mode mode;
        if (cases[i].wanted == 0xffff) {
            assert_false(chmod_mode_parse(&mode, cases[i].text));
            continue;
        }
        assert_true(chmod_mode_parse(&mode, cases[i].text));
        assert_int_equal(chmod_mode_apply(&mode, cases[i].existing, cases[i].directory),
                         cases[i].wanted);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"",    "8",    "78",    "2777",  "07777",   "888",
                                      "u",   "u+",   "+",     "u+rz",  "u+r g+w", "u+r,",
                                      "x+r", "755x", "u+r,,", "1 755", ",u+r",    "12345"};
    struct chmod_mode mode;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool accepted = chmod_mode_parse(&mode, bad[i]);
        /* a comma at the end is what Java's loop lets through */
        assert_int_equal(accepted,
                         bad[i][0] == 'u' && bad[i][1] == '+' && bad[i][strlen(bad[i]) - 1] == ',');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
