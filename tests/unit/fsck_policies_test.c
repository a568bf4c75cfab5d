#include "namenode/fsck_policies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base.h"

static const struct storage_policy *hot, *warm, *cold, *ssd;

static int find_policies(void **state)
{
    (void)state;
    hot = storage_policy_by_id(STORAGE_POLICY_HOT);
    warm = storage_policy_by_id(STORAGE_POLICY_WARM);
    cold = storage_policy_by_id(STORAGE_POLICY_COLD);
    ssd = storage_policy_by_id(STORAGE_POLICY_ONE_SSD);
    return 0;
}

static void expect(struct policy_summary *summary, const char *text)
{
    struct buf out = {0};

    policy_summary_print(summary, &out);
    buf_put_u8(&out, '\0');
    assert_string_equal((const char *)out.data, text);
    buf_release(&out);
    policy_summary_release(summary);
}

static void nothing_at_all(void **state)
{
    struct policy_summary summary = {0};

    (void)state;
    expect(&summary, "\nBlocks satisfying the specified storage policy:\n"
                     "Storage Policy                  # of blocks       % of blocks\n"
                     "\nAll blocks satisfy specified storage policy.\n");
}

static void media_in_any_order_count_as_one(void **state)
{
    struct policy_summary summary = {0};
    enum storage_type a[] = {STORAGE_ARCHIVE, STORAGE_DISK, STORAGE_ARCHIVE},
                      b[] = {STORAGE_DISK, STORAGE_ARCHIVE, STORAGE_ARCHIVE},
                      disks[] = {STORAGE_DISK, STORAGE_DISK, STORAGE_DISK};

    (void)state;
    policy_summary_add(&summary, warm, a, 3);
    policy_summary_add(&summary, hot, disks, 3);
    policy_summary_add(&summary, hot, disks, 2);
    policy_summary_add(&summary, warm, b, 3);
    assert_int_equal(summary.count, 3);
    policy_summary_release(&summary);
}

static void what_does_not_fit_is_listed_apart(void **state)
{
    struct policy_summary summary = {0};
    enum storage_type disk[] = {STORAGE_DISK, STORAGE_DISK},
                      mixed[] = {STORAGE_SSD, STORAGE_ARCHIVE},
                      fast[] = {STORAGE_DISK, STORAGE_SSD};

    (void)state;
    policy_summary_add(&summary, cold, disk, 2);
    policy_summary_add(&summary, hot, disk, 2);
    policy_summary_add(&summary, hot, disk, 2);
    policy_summary_add(&summary, ssd, fast, 2);
    policy_summary_add(&summary, ssd, fast, 2);
    policy_summary_add(&summary, ssd, fast, 2);
    policy_summary_add(&summary, hot, mixed, 2);
    policy_summary_add(&summary, hot, mixed, 0);
    expect(&summary,
           "\nBlocks satisfying the specified storage policy:\n"
           "Storage Policy                  # of blocks       % of blocks\n"
           "SSD:1,DISK:1(ONE_SSD)              3              37.5000%\n"
           "DISK:2(HOT)                        2              25.0000%\n"
           "\nBlocks NOT satisfying the specified storage policy:\n"
           "Storage Policy                  Specified Storage Policy      # of blocks       % of "
           "blocks\n"
           "DISK:2(HOT)                         COLD                          1              "
           "12.5000%\n"
           "SSD:1,ARCHIVE:1                     HOT                           1              "
           "12.5000%\n"
           "                                    HOT                           1              "
           "12.5000%\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(media_in_any_order_count_as_one),
        cmocka_unit_test(what_does_not_fit_is_listed_apart),
    };

    return cmocka_run_group_tests(tests, find_policies, NULL);
}
