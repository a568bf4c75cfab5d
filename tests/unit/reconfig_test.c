#include "common/reconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const enum conf_id keys[] = {CONF_dfs_heartbeat_interval, CONF_dfs_block_invalidate_limit};

struct world {
    char dir[64], file[96];
    struct conf *conf;
    struct reconfig *reconfig;
    struct arena arena;
    unsigned applied;
    bool refuse;
};

static int apply(void *context, enum conf_id id, const struct conf *fresh, struct err *err)
{
    struct world *w = context;

    assert_true(id == keys[0] || id == keys[1]);
    assert_true(strlen(conf_str(fresh, id)) > 0);
    if (w->refuse) return err_set(err, ERR_CONFIG, "not this one");
    w->applied++;
    return 0;
}

static void site(struct world *w, const char *heartbeat, const char *other)
{
    FILE *file = fopen(w->file, "w");

    assert_non_null(file);
    fprintf(file, "<configuration>");
    if (heartbeat)
        fprintf(file, "<property><name>dfs.heartbeat.interval</name><value>%s</value></property>",
                heartbeat);
    fprintf(file, "<property><name>dfs.replication</name><value>%s</value></property>", other);
    fprintf(file, "</configuration>\n");
    fclose(file);
}

static void begin(struct world *w, const char *heartbeat)
{
    struct err err = ERR_INIT;

    *w = (struct world){.dir = "/tmp/reconfig-test.XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->file, sizeof(w->file), "%s/hdfs-site.xml", w->dir);
    site(w, heartbeat, "1");
    w->conf = conf_new();
    assert_int_equal(conf_load_dir(w->conf, w->dir, &err), 0);
    w->reconfig = reconfig_new(w->conf, keys, ARRAY_LEN(keys), apply, w);
}

static void end(struct world *w)
{
    reconfig_free(w->reconfig);
    conf_free(w->conf);
    arena_release(&w->arena);
    unlink(w->file);
    rmdir(w->dir);
}

static Pb__GetReconfigurationStatusResponse status(struct world *w)
{
    Pb__GetReconfigurationStatusResponse s = PB__GET_RECONFIGURATION_STATUS_RESPONSE__INIT;

    reconfig_status(w->reconfig, &s, &w->arena);
    return s;
}

static void nothing_was_asked_for_yet(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "3");
    assert_int_equal(status(&w).starttime, 0);
    assert_int_equal(status(&w).n_changes, 0);
    end(&w);
}

static void only_what_differs_among_its_keys(void **state)
{
    struct world w;
    struct err err = ERR_INIT;

    (void)state;
    begin(&w, "3");
    site(&w, "5", "2");
    assert_int_equal(reconfig_run(w.reconfig, &err), 0);
    assert_int_equal(w.applied, 1);
    Pb__GetReconfigurationStatusResponse s = status(&w);
    assert_int_equal(s.n_changes, 1);
    assert_string_equal(s.changes[0]->name, "dfs.heartbeat.interval");
    assert_string_equal(s.changes[0]->oldvalue, "3");
    assert_string_equal(s.changes[0]->newvalue, "5");
    assert_null(s.changes[0]->errormessage);
    assert_int_equal(reconfig_run(w.reconfig, &err), 0); /* no difference any more */
    assert_int_equal(w.applied, 1);
    site(&w, NULL, "2"); /* back to the default */
    assert_int_equal(reconfig_run(w.reconfig, &err), 0);
    assert_int_equal(w.applied, 2);
    end(&w);
}

static void what_is_refused_stays_and_is_tried_again(void **state)
{
    struct world w;
    struct err err = ERR_INIT;

    (void)state;
    begin(&w, "3");
    site(&w, "5", "1");
    w.refuse = true;
    assert_int_equal(reconfig_run(w.reconfig, &err), 0);
    assert_string_equal(status(&w).changes[0]->errormessage, "not this one");
    w.refuse = false;
    assert_int_equal(reconfig_run(w.reconfig, &err), 0);
    assert_int_equal(w.applied, 1);
    assert_string_equal(status(&w).changes[0]->oldvalue, "3");
    end(&w);
}

static void files_with_bad_values_change_nothing(void **state)
{
    struct world w;
    struct err err = ERR_INIT;

    (void)state;
    begin(&w, "3");
    site(&w, "often", "1");
    assert_int_equal(reconfig_run(w.reconfig, &err), ERR_CONFIG);
    assert_int_equal(w.applied, 0);
    unlink(w.file);
    rmdir(w.dir);
    assert_true(reconfig_run(w.reconfig, &err) < 0);
    assert_int_equal(w.applied, 0);
    end(&w);
}

static void the_command_line_overrules_as_before(void **state)
{
    struct world w;
    struct err err = ERR_INIT;

    (void)state;
    begin(&w, "3");
    assert_int_equal(conf_set(w.conf, "dfs.heartbeat.interval", "7", &err), 0);
    reconfig_free(w.reconfig);
    w.reconfig = reconfig_new(w.conf, keys, ARRAY_LEN(keys), apply, &w);
    site(&w, "5", "1");
    assert_int_equal(reconfig_run(w.reconfig, &err), 0);
    assert_int_equal(w.applied, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_asked_for_yet),
        cmocka_unit_test(only_what_differs_among_its_keys),
        cmocka_unit_test(what_is_refused_stays_and_is_tried_again),
        cmocka_unit_test(files_with_bad_values_change_nothing),
        cmocka_unit_test(the_command_line_overrules_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
