/* The journal: order, durability, rolling, directories that fail. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "namenode/edit_read.h"
#include "tests/lib/name_dir.h"

static void load(struct name_dir *d)
{
    struct err err = ERR_INIT;

    if (name_dir_load(d, true, &err)) fail_msg("%s", err.text);
}

static bool has(struct name_dir *d, int number, const char *name)
{
    char *path = name_dir_path(d, number, name);
    bool there = file_exists(path);

    mem_free(path);
    return there;
}

static uint64_t seen_txid(struct name_dir *d, int number)
{
    struct buf text = {0};
    struct err err = ERR_INIT;
    char *path = name_dir_path(d, number, "seen_txid");

    assert_int_equal(file_read(path, 64, &text, &err), 0);
    uint64_t txid = strtoull(buf_cstr(&text), NULL, 10);
    buf_release(&text);
    mem_free(path);
    return txid;
}

static void segments_are_apaches(void **state)
{
    (void)state;
    struct name_dir d;
    struct edit_scan scan;
    struct err err = ERR_INIT;
    char *path;

    name_dir_begin(&d, 2);
    load(&d);
    assert_int_equal(seen_txid(&d, 2), 1);
    name_dir_mkdir(&d, "/a");
    name_dir_sync(&d);
    path = name_dir_path(&d, 2, "edits_inprogress_0000000000000000001");
    int64_t size;
    assert_int_equal(file_size(path, &size, &err), 0);
    assert_int_equal(size, 1048576); /* preallocated */
    assert_int_equal(edit_segment_scan(path, &scan, &err), 0);
    assert_int_equal(scan.records, 2);
    mem_free(path);
    assert_int_equal(edit_log_roll(d.log), 4);
    d.core.txid_applied = 4;
    name_dir_sync(&d);
    assert_int_equal(edit_log_segment_first(d.log), 4);
    assert_int_equal(seen_txid(&d, 1), 4);
    for (int i = 1; i <= 2; i++) {
        path = name_dir_path(&d, i, "edits_0000000000000000001-0000000000000000003");
        assert_int_equal(edit_segment_scan(path, &scan, &err), 0);
        assert_int_equal(scan.valid_size, scan.file_size); /* no padding left */
        assert_int_equal(scan.last, 3);
        mem_free(path);
    }
    name_dir_stop(&d);
    assert_true(has(&d, 1, "edits_0000000000000000004-0000000000000000005"));
    assert_false(has(&d, 1, "edits_inprogress_0000000000000000004"));
    name_dir_end(&d);
}

/* More than a megabyte in one segment: padding is renewed, all comes back. */
static void long_segments(void **state)
{
    (void)state;
    struct name_dir d;

    name_dir_begin(&d, 1);
    load(&d);
    for (int i = 0; i < 15000; i++) {
        char *path = mem_printf("/%0100d", i);
        name_dir_mkdir(&d, path);
        mem_free(path);
    }
    name_dir_crash(&d);
    load(&d);
    assert_int_equal(dir_child_count(d.core.tree.root), 15000);
    name_dir_end(&d);
}

struct watcher {
    atomic_uint_fast64_t highest;
    atomic_int calls, failures, backwards;
};

static void on_synced(void *context, uint64_t txid)
{
    struct watcher *w = context;

    if (txid < atomic_load(&w->highest)) atomic_fetch_add(&w->backwards, 1);
    atomic_store(&w->highest, txid);
    atomic_fetch_add(&w->calls, 1);
}

static void on_failed(void *context, const struct err *why)
{
    struct watcher *w = context;

    assert_int_not_equal(why->text[0], 0);
    atomic_fetch_add(&w->failures, 1);
}

static void many_appends_share_syncs(void **state)
{
    (void)state;
    struct name_dir d;
    struct watcher w = {0};
    struct edit_log_options options = {
        .on_synced = on_synced, .on_failed = on_failed, .context = &w};
    struct edit_log_stats stats;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 1);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    assert_int_equal(edit_log_start(&d.log, d.storage, 0, &options, &err), 0);
    for (int i = 0; i < 20000; i++) {
        struct edit edit = {.op = EDIT_SET_GENSTAMP_V2, .value = 2000 + (uint64_t)i};
        assert_int_equal(edit_log_append(d.log, &edit), i + 2);
    }
    assert_int_equal(edit_log_wait(d.log, 20001, &err), 0);
    edit_log_get_stats(d.log, &stats);
    assert_int_equal(stats.transactions, 20001);
    assert_true(stats.syncs < 10000);
    while (atomic_load(&w.highest) < 20001) clock_sleep_ms(1);
    assert_int_equal(atomic_load(&w.backwards), 0);
    assert_int_equal(atomic_load(&w.failures), 0);
    name_dir_end(&d);
}

/* Appends wait when too much is unsynced, and nothing is lost or reordered by it. */
static void back_pressure(void **state)
{
    (void)state;
    struct name_dir d;
    struct edit_log_options options = {.unsynced_max = 1000};
    struct err err = ERR_INIT;

    name_dir_begin(&d, 1);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    assert_int_equal(edit_log_start(&d.log, d.storage, 0, &options, &err), 0);
    for (int i = 0; i < 3000; i++) {
        struct edit edit = {.op = EDIT_SET_GENSTAMP_V2, .value = 2000 + (uint64_t)i};
        uint64_t txid = edit_log_append(d.log, &edit);
        assert_true(txid - edit_log_synced_txid(d.log) < 100);
    }
    name_dir_stop(&d);
    load(&d);
    assert_int_equal(d.core.generation_stamp, 4999);
    name_dir_end(&d);
}

/* A directory that cannot take the next segment is dropped; the other one has everything. */
static void a_failing_directory_is_dropped(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 2);
    load(&d);
    name_dir_mkdir(&d, "/a");
    name_dir_sync(&d);
    char *dir = mem_printf("%s/name1/current", d.scratch), *gone = mem_printf("%s/gone", d.scratch);
    assert_int_equal(rename(dir, gone), 0);
    d.core.txid_applied = edit_log_roll(d.log);
    name_dir_mkdir(&d, "/b");
    name_dir_sync(&d);
    assert_true(atomic_load(&d.storage->dirs[0].failed));
    assert_false(edit_log_failed(d.log, NULL));
    name_dir_stop(&d);
    assert_int_equal(rename(gone, dir), 0);
    load(&d); /* the short copy is set aside */
    assert_int_equal(dir_child_count(d.core.tree.root), 2);
    assert_true(has(&d, 1, "edits_0000000000000000001-0000000000000000003"));
    mem_free(dir);
    mem_free(gone);
    (void)err;
    name_dir_end(&d);
}

static void no_directory_left_is_the_end(void **state)
{
    (void)state;
    struct name_dir d;
    struct watcher w = {0};
    struct edit_log_options options = {
        .on_synced = on_synced, .on_failed = on_failed, .context = &w};
    struct err err = ERR_INIT;

    name_dir_begin(&d, 1);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    assert_int_equal(edit_log_start(&d.log, d.storage, 0, &options, &err), 0);
    char *dir = mem_printf("%s/name1/current", d.scratch);
    assert_int_equal(file_remove_tree(dir, &err), 0);
    uint64_t txid = edit_log_roll(d.log);
    assert_int_not_equal(edit_log_wait(d.log, txid, &err), 0);
    assert_true(edit_log_failed(d.log, &err));
    struct edit edit = {.op = EDIT_SET_GENSTAMP_V2, .value = 2000};
    for (int i = 0; i < 100; i++) edit_log_append(d.log, &edit);
    while (!atomic_load(&w.failures)) clock_sleep_ms(1);
    assert_int_equal(atomic_load(&w.failures), 1);
    assert_true(atomic_load(&w.highest) < txid);
    assert_int_not_equal(edit_log_stop(d.log, &err), 0);
    d.log = NULL;
    mem_free(dir);
    name_dir_end(&d);
}

static void a_required_directory_takes_all_down(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 2);
    char *dir = mem_printf("%s/name1", d.scratch), *current = mem_printf("%s/current", dir);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.edits.dir.required", dir, &err), 0);
    load(&d);
    assert_int_equal(file_remove_tree(current, &err), 0);
    uint64_t txid = edit_log_roll(d.log);
    assert_int_not_equal(edit_log_wait(d.log, txid, &err), 0);
    assert_non_null(strstr(err.text, "required journal"));
    assert_int_not_equal(edit_log_stop(d.log, &err), 0);
    d.log = NULL;
    mem_free(current);
    mem_free(dir);
    name_dir_end(&d);
}

/* The disk is full in the middle of a segment: what was acknowledged before is there afterwards,
 * and a start needs no more than room to go on. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    struct name_dir d;
    struct rlimit before, full = {.rlim_cur = 1048576, .rlim_max = RLIM_INFINITY};
    struct err err = ERR_INIT;
    uint64_t acknowledged = 0;

    signal(SIGXFSZ, SIG_IGN);
    name_dir_begin(&d, 1);
    load(&d);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    full.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 0; i < 100000; i++) {
        char *path = mem_printf("/%0200d", i);
        name_dir_mkdir(&d, path);
        mem_free(path);
        if (i % 500) continue;
        if (edit_log_wait(d.log, edit_log_last_txid(d.log), &err)) break;
        acknowledged = dir_child_count(d.core.tree.root);
    }
    assert_true(edit_log_failed(d.log, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(edit_log_stop(d.log, &err), 0);
    d.log = NULL;
    name_dir_stop(&d);
    load(&d);
    assert_true(acknowledged > 1000);
    assert_true(dir_child_count(d.core.tree.root) >= acknowledged);
    name_dir_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_apaches),
        cmocka_unit_test(long_segments),
        cmocka_unit_test(many_appends_share_syncs),
        cmocka_unit_test(back_pressure),
        cmocka_unit_test(a_failing_directory_is_dropped),
        cmocka_unit_test(no_directory_left_is_the_end),
        cmocka_unit_test(a_required_directory_takes_all_down),
        cmocka_unit_test(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
