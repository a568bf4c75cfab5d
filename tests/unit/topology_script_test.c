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
#include "namenode/topology.h"
#include "namenode/topology_script.h"

/* A script that puts every name on /rack-NAME and notes the arguments it was given. */
static void write_script(const char *path, const char *notes)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\nfor h; do echo \"$h\" >> %s; echo \"/rack-$h\"; done\n", notes);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static void test_hostile_names_are_no_arguments(void **state UNUSED)
{
    char dir[] = "/tmp/topology-XXXXXX", script_path[64], notes[64],
         location[TOPOLOGY_LOCATION_MAX];
    const char *hosts[] = {"--help", "a b", "$(id)", "node-1.example", "", "::1"};
    struct err err = ERR_INIT;

    assert_non_null(mkdtemp(dir));
    snprintf(script_path, sizeof script_path, "%s/script", dir);
    snprintf(notes, sizeof notes, "%s/notes", dir);
    write_script(script_path, notes);

    struct conf *conf = conf_new();
    assert_int_equal(conf_set(conf, "net.topology.script.file.name", script_path, &err), 0);
    struct topology *topology = topology_new();
    struct topology_script *script = topology_script_new(conf, topology);
    topology_script_resolve(script, hosts, ARRAY_LEN(hosts));

    assert_true(topology_location(topology, "node-1.example", location));
    assert_string_equal(location, "/rack-node-1.example");
    for (size_t i = 0; i < 3; i++) assert_false(topology_location(topology, hosts[i], location));

    char line[128];
    FILE *file = fopen(notes, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "node-1.example\n");
    fclose(file);

    topology_script_free(script);
    topology_free(topology);
    conf_free(conf);
    unlink(notes);
    unlink(script_path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_names_are_no_arguments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
