/* Checkpoints by a child, on demand, and what a death in the middle leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "namenode/apply_tree.h"
#include "namenode/checkpoint.h"
#include "namenode/image_save.h"
#include "tests/lib/name_dir.h"

static void load(struct name_dir *d)
{
    struct err err = ERR_INIT;

    if (name_dir_load(d, true, &err)) fail_msg("%s", err.text);
}

static bool has_image(struct name_dir *d, int number, const char *kind, uint64_t txid)
{
    char *name = mem_printf("fsimage%s%019" PRIu64, kind, txid),
         *path = name_dir_path(d, number, name);
    bool there = file_exists(path);

    mem_free(path);
    mem_free(name);
    return there;
}

static void wait_for(struct checkpoint *cp, int64_t *now_ms)
{
    for (int i = 0; i < 2000; i++) {
        checkpoint_tick(cp, *now_ms);
        if (!checkpoint_running(cp)) return;
        clock_sleep_ms(5);
        *now_ms += 5;
    }
    fail_msg("the checkpoint does not end");
}

static void dump(struct name_dir *d, struct buf *out)
{
    while (tree_reclaim(&d->core, UINT64_MAX)) {}
    core_dump(&d->core, out);
}

static void after_so_many_transactions(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf before = {0}, after = {0};
    struct err err = ERR_INIT;
    int64_t now_ms = 1000000;

    name_dir_begin(&d, 2);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.checkpoint.txns", "200", &err), 0);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    name_dir_mkdir(&d, "/a");
    checkpoint_tick(cp, now_ms += 60000);
    assert_false(checkpoint_running(cp));
    while (d.core.txid_applied < 300) name_dir_change(&d);
    checkpoint_tick(cp, now_ms += 1000); /* not yet looked at again */
    assert_false(checkpoint_running(cp));
    checkpoint_tick(cp, now_ms += 60000);
    assert_true(checkpoint_running(cp));
    for (int i = 0; i < 50; i++) name_dir_change(&d); /* not in the image */
    wait_for(cp, &now_ms);
    uint64_t txid = checkpoint_last_txid(cp);
    assert_true(txid >= 300);
    for (int i = 1; i <= 2; i++)
        assert_true(has_image(&d, i, "_", txid) && has_image(&d, i, "_", 0));
    checkpoint_tick(cp, now_ms += 60000); /* nothing new enough */
    assert_false(checkpoint_running(cp));
    checkpoint_free(cp);
    dump(&d, &before);
    name_dir_crash(&d);
    load(&d);
    dump(&d, &after);
    core_dump_compare(&before, &after);
    buf_release(&before);
    buf_release(&after);
    name_dir_end(&d);
}

static void images_beyond_two_go(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    uint64_t txids[5] = {0};
    bool saved;

    name_dir_begin(&d, 1);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    for (int i = 1; i < 5; i++) {
        name_dir_mkdir(&d, i == 1 ? "/1" : i == 2 ? "/2" : i == 3 ? "/3" : "/4");
        assert_int_equal(checkpoint_save_now(cp, 0, 0, &saved, &err), 0);
        assert_true(saved);
        txids[i] = checkpoint_last_txid(cp);
    }
    assert_int_equal(checkpoint_save_now(cp, 3600000, 10, &saved, &err), 0);
    assert_false(saved); /* young and near enough */
    for (int i = 0; i < 5; i++) assert_int_equal(has_image(&d, 1, "_", txids[i]), i >= 3);
    checkpoint_free(cp);
    name_dir_stop(&d);
    load(&d);
    assert_int_equal(dir_child_count(d.core.tree.root), 4);
    name_dir_end(&d);
}

/* The image must not become valid while the journal lacks what is in it. */
static void the_child_waits_for_the_journal(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    int64_t now_ms = 1000000;

    name_dir_begin(&d, 1);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.checkpoint.txns", "3", &err), 0);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    for (int i = 0; i < 20; i++) name_dir_change(&d);
    checkpoint_tick(cp, now_ms);
    assert_true(checkpoint_running(cp));
    uint64_t txid = d.core.txid_applied - 1;
    for (int i = 0; i < 400 && !has_image(&d, 1, ".ckpt_", txid); i++) clock_sleep_ms(5);
    clock_sleep_ms(50);
    assert_true(has_image(&d, 1, ".ckpt_", txid));
    assert_false(has_image(&d, 1, "_", txid)); /* nobody said yes */
    wait_for(cp, &now_ms);
    assert_true(has_image(&d, 1, "_", txid));
    assert_false(has_image(&d, 1, ".ckpt_", txid));
    checkpoint_free(cp);
    name_dir_end(&d);
}

/* A namenode that ends takes the child along; what it left is cleared by the next one. */
static void a_child_that_dies_leaves_no_image(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    int64_t now_ms = 1000000;
    bool saved;

    name_dir_begin(&d, 1);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.checkpoint.txns", "3", &err), 0);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    for (int i = 0; i < 20; i++) name_dir_change(&d);
    checkpoint_tick(cp, now_ms);
    uint64_t txid = d.core.txid_applied - 1;
    for (int i = 0; i < 400 && !has_image(&d, 1, ".ckpt_", txid); i++) clock_sleep_ms(5);
    checkpoint_free(cp);
    assert_false(has_image(&d, 1, "_", txid));
    name_dir_crash(&d);
    load(&d);
    cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    assert_int_equal(checkpoint_last_txid(cp), 0);
    name_dir_mkdir(&d, "/later");
    assert_int_equal(checkpoint_save_now(cp, 0, 0, &saved, &err), 0);
    assert_false(has_image(&d, 1, ".ckpt_", txid));
    checkpoint_free(cp);
    name_dir_end(&d);
}

static void a_directory_without_image_gets_one(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    int64_t now_ms = 1000000;

    name_dir_begin(&d, 2);
    char *path = mem_printf("%s/name2/current", d.scratch);
    assert_int_equal(file_remove_tree(path, &err), 0);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    checkpoint_tick(cp, now_ms);
    assert_true(checkpoint_running(cp));
    wait_for(cp, &now_ms);
    assert_true(has_image(&d, 2, "_", checkpoint_last_txid(cp)));
    checkpoint_free(cp);
    mem_free(path);
    name_dir_end(&d);
}

static void a_failed_checkpoint_is_no_harm(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    bool saved = true;

    name_dir_begin(&d, 1);
    char *edits = mem_printf("%s/edits", d.scratch),
         *name = mem_printf("%s/name1/current", d.scratch);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.edits.dir", edits, &err), 0);
    assert_int_equal(file_mkdirs(edits, 0755, &err), 0);
    load(&d);
    struct checkpoint *cp = checkpoint_new(&d.core, d.storage, d.log, d.conf);
    name_dir_mkdir(&d, "/a");
    char *away = mem_printf("%s/away", d.scratch);
    assert_int_equal(rename(name, away), 0);
    assert_int_not_equal(checkpoint_save_now(cp, 0, 0, &saved, &err), 0);
    assert_false(saved);
    assert_false(edit_log_failed(d.log, NULL));
    name_dir_mkdir(&d, "/b");
    name_dir_sync(&d);
    checkpoint_free(cp);
    assert_int_equal(rename(away, name), 0);
    name_dir_stop(&d);
    load(&d);
    assert_int_equal(dir_child_count(d.core.tree.root), 2);
    mem_free(away);
    mem_free(name);
    mem_free(edits);
    name_dir_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_so_many_transactions),
        cmocka_unit_test(images_beyond_two_go),
        cmocka_unit_test(the_child_waits_for_the_journal),
        cmocka_unit_test(a_child_that_dies_leaves_no_image),
        cmocka_unit_test(a_directory_without_image_gets_one),
        cmocka_unit_test(a_failed_checkpoint_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
