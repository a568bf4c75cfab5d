#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/conf.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/user.h"

static struct err err;

static int load(struct conf *conf, const char *source, const char *properties)
{
    char *text =
        mem_printf("<?xml version=\"1.0\"?>\n<configuration>%s</configuration>", properties);

    err_clear(&err);
    int rc = conf_load_text(conf, source, text, strlen(text), &err);
    mem_free(text);
    return rc;
}

static int set(struct conf *conf, const char *key, const char *value)
{
    err_clear(&err);
    return conf_set(conf, key, value, &err);
}

#define P(name, value) "<property><name>" name "</name><value>" value "</value></property>"

static void test_defaults(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(conf_int(conf, CONF_dfs_replication), 3);
    assert_int_equal(conf_size(conf, CONF_dfs_blocksize), 128 << 20);
    assert_int_equal(conf_size(conf, CONF_dfs_datanode_balance_bandwidthPerSec), 100 << 20);
    assert_int_equal(conf_ms(conf, CONF_dfs_heartbeat_interval), 3000);
    assert_int_equal(conf_ms(conf, CONF_dfs_namenode_heartbeat_recheck_interval), 300000);
    assert_int_equal(conf_ms(conf, CONF_dfs_datanode_scan_period_hours), 504 * HOUR_MS);
    assert_int_equal(conf_ms(conf, CONF_dfs_datanode_disk_check_min_gap), 15 * MINUTE_MS);
    assert_true(conf_bool(conf, CONF_dfs_permissions_enabled));
    assert_true(conf_float(conf, CONF_dfs_namenode_safemode_threshold_pct) == 0.999);
    assert_int_equal(conf_int(conf, CONF_dfs_namenode_safemode_replication_min), 1);
    assert_string_equal(conf_str(conf, CONF_dfs_hosts), "");
    assert_null(conf_get(conf, "dfs.hosts"));
    assert_null(conf_get(conf, "no.such.key"));
    assert_string_equal(conf_source(conf, "dfs.replication"), "default");
    assert_false(conf_is_set(conf, CONF_dfs_replication));
    conf_free(conf);
}

/* Every default must be readable as its own type. */
static void test_every_default_has_its_type(void **state UNUSED)
{
    struct conf *conf = conf_new();

    for (int i = 0; i < CONF_COUNT; i++) {
        const struct conf_key *key = conf_key((enum conf_id)i);
        const char *value = conf_str(conf, (enum conf_id)i);
        if (value[0] && set(conf, key->name, value)) fail_msg("%s: %s", key->name, err.text);
    }
    conf_free(conf);
}

static void test_file_values(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(
        load(conf, "a.xml",
             P("dfs.replication", " 2\n") P("dfs.blocksize", "64m") P(
                 "my.key",
                 "a &lt; b") "<property><value>5m</value><name>dfs.heartbeat.interval</name></"
                             "property>"
                             "<property name='dfs.ls.limit' value='7'/>"
                             "<property><name>without.value</name></property>"
                             "<other><property><name>x</name><value>y</value></property></other>" P(
                                 "dfs.namenode.name.dir", " file:///a , /b ,, ")),
        0);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 2);
    assert_int_equal(conf_size(conf, CONF_dfs_blocksize), 64 << 20);
    assert_int_equal(conf_ms(conf, CONF_dfs_heartbeat_interval), 300000);
    assert_int_equal(conf_int(conf, CONF_dfs_ls_limit), 7);
    assert_string_equal(conf_get(conf, "my.key"), "a < b");
    assert_null(conf_get(conf, "without.value"));
    assert_null(conf_get(conf, "x"));
    assert_string_equal(conf_source(conf, "my.key"), "a.xml");
    char **dirs = conf_list(conf, CONF_dfs_namenode_name_dir);
    assert_string_equal(dirs[0], "file:///a");
    assert_string_equal(dirs[1], "/b");
    assert_null(dirs[2]);
    conf_list_free(dirs);
    assert_string_equal(conf_str(conf, CONF_dfs_namenode_edits_dir), "file:///a , /b ,,");
    conf_free(conf);
}

static void test_final_stays(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(
        load(conf, "a.xml",
             "<property><name>dfs.replication</name><value>2</value><final>true</final>"
             "</property>" P("dfs.ls.limit", "1")),
        0);
    assert_int_equal(load(conf, "b.xml", P("dfs.replication", "9") P("dfs.ls.limit", "2")), 0);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 2);
    assert_int_equal(conf_int(conf, CONF_dfs_ls_limit), 2);
    assert_int_equal(set(conf, "dfs.replication", "4"), 0);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 4);
    conf_unset(conf, "dfs.replication");
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 3);
    conf_free(conf);
}

static void test_deprecated_names(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(
        load(conf, "a.xml", P("fs.default.name", "hdfs://nn:1") P("dfs.block.size", "1m")), 0);
    assert_string_equal(conf_str(conf, CONF_fs_defaultFS), "hdfs://nn:1");
    assert_string_equal(conf_get(conf, "fs.default.name"), "hdfs://nn:1");
    assert_int_equal(conf_size(conf, CONF_dfs_blocksize), 1 << 20);
    conf_free(conf);
}

static void test_substitution(void **state UNUSED)
{
    struct conf *conf = conf_new();
    char *user = user_of_system();

    setenv("CONF_TEST_VALUE", "seen", 1);
    setenv("CONF_TEST_EMPTY", "", 1);
    unsetenv("CONF_TEST_UNSET");
    assert_int_equal(
        load(conf, "a.xml",
             P("a", "1${b}4") P("b", "2${c}") P("c", "3") P("unbound", "${nobody.has.this}")
                 P("self", "x${self}") P("env", "${env.CONF_TEST_VALUE}")
                     P("env1", "${env.CONF_TEST_UNSET-d}") P("env2", "${env.CONF_TEST_EMPTY-d}")
                         P("env3", "${env.CONF_TEST_EMPTY:-d}") P("env4", "${env.CONF_TEST_UNSET}")
                             P("inner", "${${which}}") P("which", "c")
                                 P("odd", "$ {} ${} ${ c} $c ${c")),
        0);
    assert_string_equal(conf_get(conf, "a"), "1234");
    assert_string_equal(conf_get(conf, "unbound"), "${nobody.has.this}");
    assert_string_equal(conf_get(conf, "self"), "x${self}");
    assert_string_equal(conf_get(conf, "env"), "seen");
    assert_string_equal(conf_get(conf, "env1"), "d");
    assert_string_equal(conf_get(conf, "env2"), "");
    assert_string_equal(conf_get(conf, "env3"), "d");
    assert_string_equal(conf_get(conf, "env4"), "${env.CONF_TEST_UNSET}");
    assert_string_equal(conf_get(conf, "inner"), "3");
    assert_string_equal(conf_get(conf, "odd"), "$ {} ${} ${ c} $c ${c");
    char *tmp = mem_printf("file:///tmp/hadoop-%s/dfs/name", user);
    assert_string_equal(conf_str(conf, CONF_dfs_namenode_name_dir), tmp);
    assert_string_equal(conf_str(conf, CONF_dfs_namenode_edits_dir), tmp);
    mem_free(tmp);
    mem_free(user);
    conf_free(conf);
}

static void test_substitution_loops(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(load(conf, "loop.xml", P("a", "${b}") P("b", "${c}") P("c", "${a}")),
                     ERR_CONFIG);
    assert_non_null(strstr(err.text, "depth too large"));
    assert_non_null(strstr(err.text, "loop.xml"));
    conf_free(conf);

    conf = conf_new(); /* doubling: 20 levels of it must not eat the memory */
    struct buf text = {0};
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "<property><name>k%d</name><value>${k%d}${k%d}</value></property>", i,
                   i + 1, i + 1);
    assert_int_equal(load(conf, "bomb.xml", buf_cstr(&text)), ERR_CONFIG);
    buf_release(&text);
    conf_free(conf);
}

static void test_twenty_levels_are_fine(void **state UNUSED)
{
    struct conf *conf = conf_new();
    struct buf text = {0};

    for (int i = 0; i < 20; i++)
        buf_printf(&text, "<property><name>k%d</name><value>${k%d}</value></property>", i, i + 1);
    buf_put_str(&text, P("k20", "end"));
    assert_int_equal(load(conf, "deep.xml", buf_cstr(&text)), 0);
    assert_string_equal(conf_get(conf, "k0"), "end");
    buf_release(&text);
    conf_free(conf);
}

static void test_bad_values_name_file_key_value(void **state UNUSED)
{
    static const char *const bad[][2] = {
        {"dfs.replication", "three"},
        {"dfs.replication", "3.5"},
        {"dfs.replication", "99999999999999999999"},
        {"dfs.blocksize", "64x"},
        {"dfs.blocksize", "m"},
        {"dfs.blocksize", "16e"},
        {"dfs.blocksize", "1 m"},
        {"dfs.heartbeat.interval", "3 s"},
        {"dfs.heartbeat.interval", "3w"},
        {"dfs.heartbeat.interval", "s"},
        {"dfs.heartbeat.interval", "1.5"},
        {"dfs.permissions.enabled", "yes"},
        {"fs.trash.interval", "NaN"},
        {"fs.trash.interval", "1,5"},
        {"fs.trash.interval", "0x10"},
        {"dfs.replication", "${dfs.ls.limit}x"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf *conf = conf_new();
        char *text = mem_printf("<property><name>%s</name><value>%s</value></property>", bad[i][0],
                                bad[i][1]);
        assert_int_equal(load(conf, "/etc/bad.xml", text), ERR_CONFIG);
        if (!strstr(err.text, "/etc/bad.xml") || !strstr(err.text, bad[i][0]) ||
            !strstr(err.text, bad[i][1]))
            fail_msg("file, key and value are not all in: %s", err.text);
        mem_free(text);
        assert_int_equal(set(conf, bad[i][0], bad[i][1]), ERR_CONFIG);
        conf_free(conf);
    }
}

static void test_getters_survive_bad_values(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(load(conf, "a.xml", P("dfs.replication", "x") P("dfs.ls.limit", "")),
                     ERR_CONFIG);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 3);
    assert_int_equal(conf_int(conf, CONF_dfs_ls_limit), 1000);
    conf_free(conf);
}

static void test_set_keeps_the_old_value(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(set(conf, "dfs.replication", "2"), 0);
    assert_int_equal(set(conf, "dfs.replication", "two"), ERR_CONFIG);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 2);
    assert_int_equal(set(conf, "", "x"), ERR_CONFIG);
    conf_free(conf);
}

static void test_bad_xml(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "<configuration>",
        "<configuration><property></configuration>",
        "<site></site>",
        "<configuration></configuration>junk",
        "<configuration>\xff</configuration>",
        "<!DOCTYPE c [<!ENTITY x \"y\">]><configuration>&x;</configuration>",
        "<!DOCTYPE c [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><configuration/>",
        ("<configuration xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include "
         "href='b.xml'/></configuration>"),
        "<configuration><include href='b.xml'/></configuration>",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf *conf = conf_new();
        err_clear(&err);
        int rc = conf_load_text(conf, "bad.xml", bad[i], strlen(bad[i]), &err);
        if (rc != ERR_CONFIG || !strstr(err.text, "bad.xml"))
            fail_msg("%s: %d %s", bad[i], rc, err.text);
        conf_free(conf);
    }
    struct conf *conf = conf_new();
    struct buf deep = {0};
    for (int i = 0; i < 100000; i++) buf_put_str(&deep, "<configuration>");
    assert_int_equal(conf_load_text(conf, "deep.xml", (char *)deep.data, deep.length, &err),
                     ERR_CONFIG);
    buf_release(&deep);
    conf_free(conf);
}

static void test_include_error_is_clear(void **state UNUSED)
{
    struct conf *conf = conf_new();

    assert_int_equal(load(conf, "a.xml", "\n<xi:include href='b.xml'/>"), ERR_CONFIG);
    assert_non_null(strstr(err.text, "a.xml, line 3: includes are not supported"));
    conf_free(conf);
}

static void test_folders(void **state UNUSED)
{
    char dir[] = "/tmp/conf_test.XXXXXX";
    static const char core[] = "<configuration>" P("fs.defaultFS", "hdfs://h:9")
        P("dfs.replication", "5") "</configuration>";
    static const char hdfs[] = "<configuration>" P("dfs.replication", "6") "</configuration>";
    struct conf *conf = conf_new();

    assert_non_null(mkdtemp(dir));
    assert_int_equal(conf_load_dir(conf, dir, &err), 0); /* both files are missing */
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 3);
    char *core_path = mem_printf("%s/core-site.xml", dir),
         *hdfs_path = mem_printf("%s/hdfs-site.xml", dir);
    assert_int_equal(file_replace(core_path, core, strlen(core), 0644, &err), 0);
    assert_int_equal(file_replace(hdfs_path, hdfs, strlen(hdfs), 0644, &err), 0);
    setenv("HADOOP_CONF_DIR", dir, 1);
    assert_int_equal(conf_load_env(conf, &err), 0);
    assert_string_equal(conf_dir(conf), dir);
    assert_int_equal(conf_int(conf, CONF_dfs_replication), 6);
    assert_string_equal(conf_str(conf, CONF_fs_defaultFS), "hdfs://h:9");
    struct conf *copy = conf_copy(conf);
    conf_free(conf);
    assert_int_equal(conf_int(copy, CONF_dfs_replication), 6);
    setenv("HADOOP_CONF_DIR", "/no/such/folder", 1);
    assert_int_equal(conf_load_env(copy, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/folder"));
    assert_int_equal(conf_load_file(copy, "/no/such/file", &err), ERR_NOT_FOUND);
    assert_int_equal(conf_load_file(copy, dir, &err), ERR_IO);
    assert_int_equal(file_remove_tree(dir, &err), 0);
    mem_free(core_path);
    mem_free(hdfs_path);
    conf_free(copy);
}

static void test_sizes_and_durations(void **state UNUSED)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {{"0", 0},
                 {"-1230k", -1259520},
                 {"891g", 956703965184},
                 {"1T", INT64_C(1) << 40},
                 {"7e", INT64_C(7) << 60},
                 {"9223372036854775807", INT64_MAX}};
    static const struct {
        const char *text, *unit;
        int64_t ms;
    } durations[] = {{"7", "s", 7000},
                     {"7", "ms", 7},
                     {"1500us", "s", 1},
                     {"2D", "s", 2 * 24 * HOUR_MS},
                     {"-1", "s", -1000},
                     {"1999999ns", "ms", 1},
                     {"9223372036854775807d", "s", INT64_MAX}};
    int64_t value;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(conf_parse_size(sizes[i].text, &value, &err), 0);
        assert_int_equal(value, sizes[i].bytes);
    }
    assert_int_equal(conf_parse_size("8e", &value, &err), ERR_CONFIG);
    assert_int_equal(conf_parse_size("", &value, &err), ERR_CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        assert_int_equal(conf_parse_duration(durations[i].text, durations[i].unit, &value, &err),
                         0);
        assert_int_equal(value, durations[i].ms);
    }
    assert_int_equal(conf_parse_duration("", "s", &value, &err), ERR_CONFIG);
}

static void test_free_keys(void **state UNUSED)
{
    struct conf *conf = conf_new();
    int64_t value;

    assert_int_equal(set(conf, "my.number", "12"), 0);
    assert_int_equal(conf_get_int(conf, "my.number", 1, &value, &err), 0);
    assert_int_equal(value, 12);
    assert_int_equal(conf_get_int(conf, "my.other", 1, &value, &err), 0);
    assert_int_equal(value, 1);
    assert_int_equal(set(conf, "my.number", "twelve"), 0);
    assert_int_equal(conf_get_int(conf, "my.number", 1, &value, &err), ERR_CONFIG);
    assert_true(conf_get_bool(conf, "my.number", true));
    assert_false(conf_get_bool(conf, "dfs.reformat.disabled", true));
    conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_default_has_its_type),
        cmocka_unit_test(test_file_values),
        cmocka_unit_test(test_final_stays),
        cmocka_unit_test(test_deprecated_names),
        cmocka_unit_test(test_substitution),
        cmocka_unit_test(test_substitution_loops),
        cmocka_unit_test(test_twenty_levels_are_fine),
        cmocka_unit_test(test_bad_values_name_file_key_value),
        cmocka_unit_test(test_getters_survive_bad_values),
        cmocka_unit_test(test_set_keeps_the_old_value),
        cmocka_unit_test(test_bad_xml),
        cmocka_unit_test(test_include_error_is_clear),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_sizes_and_durations),
        cmocka_unit_test(test_free_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
