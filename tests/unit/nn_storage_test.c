/* Name directories: formatting, states, locks, disk space, retention. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/properties.h"
#include "tests/lib/name_dir.h"

static void put(const char *path, const char *text)
{
    struct err err = ERR_INIT;

    assert_int_equal(file_replace(path, text, strlen(text), 0644, &err), 0);
}

static void refused(struct name_dir *d, int code, const char *word)
{
    struct nn_storage *storage;
    struct err err = ERR_INIT;
    int rc = nn_storage_open(&storage, d->conf, &err);

    if (rc != code || !strstr(err.text, word)) fail_msg("answers %d: %s", rc, err.text);
}

static void set_version(struct name_dir *d, int number, const char *key, const char *value)
{
    struct properties version = {0};
    struct err err = ERR_INIT;
    char *path = name_dir_path(d, number, "VERSION");

    assert_int_equal(properties_load(&version, path, &err), 0);
    properties_set(&version, key, value);
    assert_int_equal(properties_save(&version, path, &err), 0);
    properties_release(&version);
    mem_free(path);
}

static void a_formatted_directory_is_apaches(void **state)
{
    (void)state;
    struct name_dir d;
    struct properties version = {0};
    struct err err = ERR_INIT;
    struct buf sum = {0};

    name_dir_begin(&d, 2);
    for (int i = 1; i <= 2; i++) {
        char *path = name_dir_path(&d, i, "VERSION");
        assert_int_equal(properties_load(&version, path, &err), 0);
        assert_string_equal(properties_get(&version, "layoutVersion"), "-67");
        assert_string_equal(properties_get(&version, "storageType"), "NAME_NODE");
        assert_string_equal(properties_get(&version, "clusterID"), "CID-test");
        assert_true(str_starts(properties_get(&version, "blockpoolID"), "BP-"));
        mem_free(path);
        path = name_dir_path(&d, i, "fsimage_0000000000000000000.md5");
        buf_clear(&sum);
        assert_int_equal(file_read(path, 4096, &sum, &err), 0);
        assert_int_equal(sum.length, 62);
        assert_string_equal(buf_cstr(&sum) + 32, " *fsimage_0000000000000000000\n");
        mem_free(path);
        path = name_dir_path(&d, i, "seen_txid");
        buf_clear(&sum);
        assert_int_equal(file_read(path, 4096, &sum, &err), 0);
        assert_string_equal(buf_cstr(&sum), "0\n");
        mem_free(path);
        properties_release(&version);
    }
    buf_release(&sum);
    name_dir_end(&d);
}

/* Formats again with these words from the operator; answers the code and what was said. */
static int format_again(struct name_dir *d, struct nn_format how, const char *answers, char *said,
                        size_t size)
{
    struct err err = ERR_INIT;
    FILE *out = fmemopen(said, size, "w");

    how.in = fmemopen((void *)(uintptr_t)answers, strlen(answers), "r");
    how.out = out;
    int rc = nn_storage_format(d->conf, &how, &err);
    fclose(how.in);
    fclose(out);
    return rc;
}

static void formatting_again_asks(void **state)
{
    (void)state;
    struct name_dir d;
    char said[4096] = "", question[512];
    struct nn_format ask = {.interactive = true}, never = {0}, force = {.force = true};

    name_dir_begin(&d, 2);
    snprintf(question, sizeof question,
             "Re-format filesystem in Storage Directory root= %s/name1; location= null ? (Y or N) ",
             d.scratch);
    assert_int_equal(format_again(&d, ask, "what\nn\n", said, sizeof said), ERR_CANCELLED);
    assert_true(str_starts(said, question));
    assert_non_null(strstr(said, "Invalid input: what\n"));
    assert_non_null(strstr(said, "Format aborted in Storage Directory root= "));
    assert_int_equal(format_again(&d, ask, "y\n", said, sizeof said),
                     ERR_CANCELLED); /* the second: end of input */
    assert_int_equal(format_again(&d, never, "y\n", said, sizeof said), ERR_CANCELLED);
    assert_true(str_starts(said, "Running in non-interactive mode, and data appears to exist in "));
    set_version(&d, 1, "clusterID", "CID-old");
    set_version(&d, 2, "clusterID", "CID-old"); /* still there after a no */
    assert_int_equal(format_again(&d, ask, "Y\nyes\n", said, sizeof said), 0);
    assert_int_equal(format_again(&d, force, "n\n", said, sizeof said), 0);
    assert_non_null(strstr(said, "Formatting anyway."));

    struct err err = ERR_INIT;
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    assert_true(str_starts(d.storage->identity.cluster_id, "CID-"));
    assert_int_equal(strlen(d.storage->identity.cluster_id), 40);
    name_dir_end(&d);
}

static void a_directory_in_use_is_locked(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    struct nn_format force = {.force = true};
    char word[512], said[4096];

    name_dir_begin(&d, 1);
    if (name_dir_load(&d, true, &err)) fail_msg("%s", err.text);
    snprintf(word, sizeof word, "Cannot lock storage %s/name1. The directory is already locked",
             d.scratch);
    refused(&d, ERR_BUSY, word);
    assert_int_equal(format_again(&d, force, "y\n", said, sizeof said), ERR_BUSY);
    name_dir_stop(&d);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    name_dir_end(&d);
}

static void states_that_are_refused(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    char *version, *path;

    name_dir_begin(&d, 2);
    set_version(&d, 1, "layoutVersion", "-68");
    refused(&d, ERR_INCORRECT_VERSION, "Reported: -68. Expecting = -67.");
    set_version(&d, 1, "layoutVersion", "-63");
    refused(&d, ERR_INCORRECT_VERSION, "old layout version -63");
    set_version(&d, 1, "layoutVersion", "-67");
    set_version(&d, 1, "storageType", "DATA_NODE");
    refused(&d, ERR_INCONSISTENT_STATE, "storageType");
    set_version(&d, 1, "storageType", "NAME_NODE");
    set_version(&d, 2, "clusterID", "CID-other");
    refused(&d, ERR_INCONSISTENT_STATE, "cluster Id is incompatible with others.");
    set_version(&d, 2, "clusterID", "CID-test");
    set_version(&d, 2, "namespaceID", "7");
    refused(&d, ERR_INCONSISTENT_STATE, "namespaceID is incompatible with others.");
    set_version(&d, 2, "namespaceID", "zero");
    refused(&d, ERR_CORRUPT, "VERSION");
    version = name_dir_path(&d, 2, "VERSION");
    assert_int_equal(unlink(version), 0);
    refused(&d, ERR_INCONSISTENT_STATE, "version file in current directory is missing.");
    mem_free(version);
    path = mem_printf("%s/name2", d.scratch);
    assert_int_equal(file_remove_tree(path, &err), 0);
    refused(&d, ERR_INCONSISTENT_STATE, "storage directory does not exist or is not accessible.");
    mem_free(path);
    path = name_dir_path(&d, 1, "seen_txid");
    put(path, "many\n");
    refused(&d, ERR_CORRUPT, "holds no number");
    mem_free(path);
    name_dir_end(&d);
}

static void unformatted_and_interrupted(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    char *current;

    name_dir_begin(&d, 1);
    char *upgrade = mem_printf("%s/name1/previous.tmp", d.scratch),
         *rollback = mem_printf("%s/name1/removed.tmp", d.scratch),
         *previous = mem_printf("%s/name1/previous", d.scratch);
    assert_int_equal(mkdir(upgrade, 0755), 0);
    assert_int_equal(mkdir(rollback, 0755), 0);
    refused(&d, ERR_INCONSISTENT_STATE, "too many temporary directories.");
    assert_int_equal(rmdir(rollback), 0);
    assert_int_equal(mkdir(previous, 0755), 0);
    refused(&d, ERR_INCONSISTENT_STATE, "cannot exist together.");
    assert_int_equal(rmdir(previous), 0);
    if (name_dir_load(&d, true, &err)) fail_msg("%s", err.text); /* the upgrade is completed */
    name_dir_stop(&d);
    assert_true(file_exists(previous));
    assert_false(file_exists(upgrade));
    assert_int_equal(rmdir(previous), 0);
    mem_free(previous);
    mem_free(rollback);
    mem_free(upgrade);
    current = mem_printf("%s/name1/current", d.scratch);
    assert_int_equal(file_remove_tree(current, &err), 0);
    refused(&d, ERR_IO, "NameNode is not formatted.");
    mem_free(current);
    name_dir_end(&d);
}

/* An empty directory added to the settings becomes one more copy. */
static void a_new_directory_joins(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 1);
    char *dirs = mem_printf("%s/name1,%s/name2", d.scratch, d.scratch),
         *added = mem_printf("%s/name2", d.scratch);
    assert_int_equal(mkdir(added, 0755), 0);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.name.dir", dirs, &err), 0);
    if (name_dir_load(&d, true, &err)) fail_msg("%s", err.text);
    name_dir_mkdir(&d, "/a");
    name_dir_stop(&d);
    char *edits = name_dir_path(&d, 2, "edits_0000000000000000001-0000000000000000003");
    assert_true(file_exists(edits));
    if (name_dir_load(&d, true, &err)) fail_msg("%s", err.text);
    assert_int_equal(dir_child_count(d.core.tree.root), 1);
    mem_free(edits);
    mem_free(added);
    mem_free(dirs);
    name_dir_end(&d);
}

static void settings_that_are_refused(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 1);
    assert_int_equal(conf_set(d.conf, "dfs.namenode.shared.edits.dir", "qjournal://a;b/c", &err),
                     0);
    refused(&d, ERR_UNSUPPORTED, "dfs.namenode.shared.edits.dir");
    conf_unset(d.conf, "dfs.namenode.shared.edits.dir");
    assert_int_equal(conf_set(d.conf, "dfs.namenode.edits.dir", "qjournal://a;b/c", &err), 0);
    refused(&d, ERR_CONFIG, "dfs.namenode.edits.dir");
    conf_unset(d.conf, "dfs.namenode.edits.dir");
    assert_int_equal(conf_set(d.conf, "dfs.namenode.edits.dir.required", "/elsewhere", &err), 0);
    refused(&d, ERR_CONFIG, "/elsewhere");
    conf_unset(d.conf, "dfs.namenode.edits.dir.required");
    assert_int_equal(conf_set(d.conf, "dfs.namenode.num.checkpoints.retained", "0", &err), 0);
    refused(&d, ERR_CONFIG, "dfs.namenode.num.checkpoints.retained");
    name_dir_end(&d);
}

static void disk_space_is_watched(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;

    name_dir_begin(&d, 2);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    d.storage->reserved_bytes = 1;
    assert_true(nn_resources_available(d.storage, &err));
    d.storage->reserved_bytes = UINT64_MAX;
    assert_false(nn_resources_available(d.storage, &err));
    assert_non_null(strstr(err.text, "below the configured reserved amount"));
    d.storage->reserved_bytes = 1;
    nn_dir_fail(&d.storage->dirs[0], &err);
    assert_true(nn_resources_available(d.storage, &err));
    d.storage->volumes_minimum = 2;
    assert_false(nn_resources_available(d.storage, &err));
    d.storage->volumes_minimum = 1;
    d.storage->dirs[0].required = true;
    assert_false(nn_resources_available(d.storage, &err));
    name_dir_end(&d);
}

static bool has(struct name_dir *d, const char *name)
{
    char *path = name_dir_path(d, 1, name);
    bool there = file_exists(path);

    mem_free(path);
    return there;
}

static void purging_keeps_what_images_need(void **state)
{
    (void)state;
    struct name_dir d;
    struct err err = ERR_INIT;
    static const char *const NAMES[] = {"fsimage_0000000000000000005",
                                        "fsimage_0000000000000000005.md5",
                                        "fsimage_0000000000000000009",
                                        "fsimage_0000000000000000009.md5",
                                        "fsimage_0000000000000000012", /* no MD5: not finished */
                                        "fsimage.ckpt_0000000000000000014",
                                        "edits_0000000000000000001-0000000000000000003",
                                        "edits_0000000000000000004-0000000000000000005",
                                        "edits_0000000000000000006-0000000000000000009",
                                        "edits_0000000000000000010-0000000000000000012",
                                        "edits_inprogress_0000000000000000013"};

    name_dir_begin(&d, 1);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char *path = name_dir_path(&d, 1, NAMES[i]);
        put(path, "x");
        mem_free(path);
    }
    nn_storage_purge(d.storage); /* a million extra edits: no segment goes */
    assert_false(has(&d, "fsimage_0000000000000000000"));
    assert_false(has(&d, "fsimage_0000000000000000000.md5"));
    assert_false(has(&d, "fsimage.ckpt_0000000000000000014"));
    assert_true(has(&d, "edits_0000000000000000001-0000000000000000003"));
    d.storage->extra_edits_retained = 2;
    nn_storage_purge(d.storage);
    assert_false(has(&d, "edits_0000000000000000001-0000000000000000003"));
    assert_true(has(&d, "edits_0000000000000000004-0000000000000000005"));
    d.storage->extra_edits_retained = 1000;
    d.storage->extra_segments_retained = 0;
    nn_storage_purge(d.storage);
    assert_false(has(&d, "edits_0000000000000000004-0000000000000000005"));
    assert_true(has(&d, "edits_0000000000000000006-0000000000000000009"));
    assert_true(has(&d, "edits_0000000000000000010-0000000000000000012"));
    assert_true(has(&d, "edits_inprogress_0000000000000000013"));
    assert_true(has(&d, "fsimage_0000000000000000005"));
    name_dir_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_formatted_directory_is_apaches),
        cmocka_unit_test(formatting_again_asks),
        cmocka_unit_test(a_directory_in_use_is_locked),
        cmocka_unit_test(states_that_are_refused),
        cmocka_unit_test(unformatted_and_interrupted),
        cmocka_unit_test(a_new_directory_joins),
        cmocka_unit_test(settings_that_are_refused),
        cmocka_unit_test(disk_space_is_watched),
        cmocka_unit_test(purging_keeps_what_images_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
