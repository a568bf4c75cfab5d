/* Parts of the client library that need no cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/file_checksum.h"
#include "client/fs_state.h"
#include "client/hdfs.h"
#include "client/located.h"
#include "client/pipeline.h"
#include "common/conf.h"

static struct fs *connect_to(const char *uri, const char *key, const char *value, struct err *err)
{
    struct conf *conf = conf_new();
    struct fs *fs = NULL;

    if (key && conf_set(conf, key, value, err)) fail_msg("%s", err->text);
    if (fs_connect(conf, uri, "alice", &fs, err)) fs = NULL;
    conf_free(conf);
    return fs;
}

/* ---- connecting and paths ---- */

static void addresses(void **state UNUSED)
{
    static const char *const bad[] = {"file:///",      "nn:8020",          "hdfs://",
                                      "hdfs://nn:0x/", "hdfs://nn:99999/", "hdfs://a b/",
                                      "viewfs://nn/",  "hdfs://:8020/",    "hdfs:///only/path"};
    struct err err = ERR_INIT;
    struct fs *fs = connect_to("hdfs://nn.example", NULL, NULL, &err);

    assert_non_null(fs);
    assert_string_equal(fs_uri(fs), "hdfs://nn.example:8020");
    assert_string_equal(fs_home(fs), "/user/alice");
    fs_close(fs);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fs = connect_to(bad[i], "fs.defaultFS", "file:///", &err);
        if (fs) fail_msg("%s is accepted", bad[i]);
        assert_true(err.text[0] != '\0');
    }
    fs = connect_to("hdfs:///path", "fs.defaultFS", "hdfs://other:9000", &err);
    assert_non_null(fs);
    assert_string_equal(fs_uri(fs), "hdfs://other:9000");
    fs_close(fs);
}

static void settings_are_checked(void **state UNUSED)
{
    static const char *const bad[][2] = {
        {"dfs.blocksize", "1000001"},          {"dfs.bytes-per-checksum", "0"},
        {"dfs.checksum.type", "CRC64"},        {"fs.permissions.umask-mode", "u=q"},
        {"fs.permissions.umask-mode", "0999"}, {"dfs.replication", "0"},
    };
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fs *fs = connect_to("hdfs://nn", bad[i][0], bad[i][1], &err);
        if (fs) fail_msg("%s=%s is accepted", bad[i][0], bad[i][1]);
    }
    struct fs *fs = connect_to("hdfs://nn", "fs.permissions.umask-mode", "u=rwx,g=rx,o=", &err);
    assert_non_null(fs);
    assert_int_equal(fs_umask(fs), 0027);
    fs_close(fs);
}

static void paths(void **state UNUSED)
{
    static const struct {
        const char *path, *absolute; /* NULL: refused */
    } cases[] = {
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"//a///b/", "/a/b"},
        {"a", "/user/alice/a"},
        {".", "/user/alice"},
        {"/a/./b/../c", "/a/c"},
        {"/../..", "/"},
        {"hdfs://nn:8020/a", "/a"},
        {"hdfs://nn/a", "/a"},
        {"hdfs://NN/a", "/a"},
        {"hdfs://nn", "/"},
        {"hdfs:///a", "/a"},
        {"hdfs:/a", "/a"},
        {"/a:b", "/a:b"},
        {"dir/a:b", "/user/alice/dir/a:b"},
        {"hdfs://nn:8021/a", NULL},
        {"hdfs://other/a", NULL},
        {"file:///a", NULL},
        {"", NULL},
    };
    struct err err = ERR_INIT;
    struct fs *fs = connect_to("hdfs://nn", NULL, NULL, &err);

    assert_non_null(fs);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *absolute = NULL;
        int rc = fs_resolve_path(fs, cases[i].path, &absolute, &err);
        if (!cases[i].absolute) {
            if (!rc) fail_msg("%s is accepted", cases[i].path);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(absolute, cases[i].absolute);
        mem_free(absolute);
    }
    fs_close(fs);
}

/* ---- what the namenode sends ---- */

static void hostile_names(void **state UNUSED)
{
    static const struct {
        const char *name;
        size_t length;
        bool good;
    } cases[] = {{"a", 1, true},     {"..", 2, false}, {".", 1, false},    {"a/b", 3, false},
                 {"a\0b", 3, false}, {"...", 3, true}, {"../x", 4, false}, {"", 0, true}};
    Pb__FsPermission permission = PB__FS_PERMISSION__INIT;
    Pb__HdfsFileStatus from = PB__HDFS_FILE_STATUS__INIT;
    char owner[] = "o", group[] = "g";
    struct fs_status status;
    struct err err = ERR_INIT;

    from.permission = &permission;
    from.owner = owner;
    from.group = group;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        from.path.data = (uint8_t *)(uintptr_t)cases[i].name;
        from.path.len = cases[i].length;
        int rc = fs_status_decode(&status, &from, "/d", &err);
        assert_int_equal(rc == 0, cases[i].good);
        fs_status_release(&status);
    }
    from.path.data = (uint8_t *)(uintptr_t) "x";
    from.path.len = 1;
    assert_int_equal(fs_status_decode(&status, &from, "/", &err), 0);
    assert_string_equal(status.path, "/x");
    assert_string_equal(status.name, "x");
    fs_status_release(&status);
}

struct fixture {
    Pb__ExtendedBlock b[4];
    Pb__LocatedBlock block[4], *list[4];
    Pb__LocatedBlocks blocks;
    struct located located;
};

static void place(struct fixture *f, size_t i, uint64_t offset, uint64_t length)
{
    pb__extended_block__init(&f->b[i]);
    pb__located_block__init(&f->block[i]);
    f->b[i].blockid = i + 1;
    f->b[i].has_numbytes = true;
    f->b[i].numbytes = length;
    f->block[i].b = &f->b[i];
    f->block[i].offset = offset;
    f->list[i] = &f->block[i];
    f->blocks.blocks = f->list;
    f->blocks.n_blocks = i + 1;
}

static void blocks_are_found(void **state UNUSED)
{
    struct fixture f = {.blocks = PB__LOCATED_BLOCKS__INIT};
    struct err err = ERR_INIT;

    place(&f, 0, 200, 100); /* out of order */
    place(&f, 1, 0, 100);
    place(&f, 2, 100, 100);
    f.blocks.filelength = 300;
    f.located.blocks = &f.blocks;
    assert_int_equal(located_check(&f.located, &err), 0);
    assert_int_equal(f.located.length, 300);
    assert_int_equal(located_find(&f.located, 0)->b->blockid, 2);
    assert_int_equal(located_find(&f.located, 99)->b->blockid, 2);
    assert_int_equal(located_find(&f.located, 100)->b->blockid, 3);
    assert_int_equal(located_find(&f.located, 299)->b->blockid, 1);
    assert_null(located_find(&f.located, 300));
    assert_null(located_find(&f.located, UINT64_MAX));
    f.blocks.n_blocks = 0;
    assert_null(located_find(&f.located, 0));
}

static void impossible_blocks_are_refused(void **state UNUSED)
{
    struct fixture f = {.blocks = PB__LOCATED_BLOCKS__INIT};
    struct err err = ERR_INIT;

    f.located.blocks = &f.blocks;
    place(&f, 0, 0, 100);
    place(&f, 1, 99, 100);
    assert_int_equal(located_check(&f.located, &err), ERR_BAD_MESSAGE);
    place(&f, 1, 100, UINT64_MAX);
    assert_int_equal(located_check(&f.located, &err), ERR_BAD_MESSAGE);
    place(&f, 1, INT64_MAX, 1);
    assert_int_equal(located_check(&f.located, &err), ERR_BAD_MESSAGE);
    place(&f, 1, 100, 1);
    f.blocks.filelength = UINT64_MAX;
    assert_int_equal(located_check(&f.located, &err), ERR_BAD_MESSAGE);
}

/* ---- rules ---- */

static void replacement_policy(void **state UNUSED)
{
    /* DEFAULT: r >= 3 and (n <= r / 2, or append, or hflushed) */
    assert_false(pipeline_wants_replacement(REPLACE_DEFAULT, 2, 1, true, true));
    assert_false(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 2, false, false));
    assert_true(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 1, false, false));
    assert_true(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 2, true, false));
    assert_true(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 2, false, true));
    assert_false(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 3, true, true));
    assert_false(pipeline_wants_replacement(REPLACE_DEFAULT, 3, 0, true, true));
    assert_true(pipeline_wants_replacement(REPLACE_ALWAYS, 2, 1, false, false));
    assert_false(pipeline_wants_replacement(REPLACE_NEVER, 3, 1, true, true));
}

static void checksum_padding(void **state UNUSED)
{
    assert_int_equal(file_checksum_padded(0), 32);
    assert_int_equal(file_checksum_padded(16), 32);
    assert_int_equal(file_checksum_padded(32), 32);
    assert_int_equal(file_checksum_padded(48), 64);
    assert_int_equal(file_checksum_padded(160), 256);
}

static void error_faces(void **state UNUSED)
{
    struct err err = ERR_INIT;
    char line[64];

    err_from_java(&err, "org.example.Strange", "first line\n\tat somewhere");
    assert_string_equal(fs_error_class(&err), "org.example.Strange");
    assert_string_equal(fs_error_line(&err, line, sizeof line), "first line");
    err_set(&err, ERR_NOT_FOUND, "File does not exist: /a");
    assert_string_equal(fs_error_class(&err), "java.io.FileNotFoundException");
}

/* ---- libhdfs without a cluster ---- */

static void libhdfs_refuses(void **state UNUSED)
{
    assert_null(hdfsConnect(NULL, 0));
    assert_int_equal(errno, ENOTSUP);
    assert_null(hdfsConnect("hdfs://nn:1", 2));
    assert_int_equal(errno, EINVAL);
    assert_true(hdfs_last_error()[0] != '\0');
    hdfsFS fs = hdfsConnectAsUser("nn", 9000, "bob");
    assert_non_null(fs);
    char text[100];
    assert_string_equal(hdfsGetWorkingDirectory(fs, text, sizeof text), "hdfs://nn:9000/user/bob");
    assert_null(hdfsGetWorkingDirectory(fs, text, 10));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(hdfsSetWorkingDirectory(fs, "sub"), 0);
    assert_string_equal(hdfsGetWorkingDirectory(fs, text, sizeof text),
                        "hdfs://nn:9000/user/bob/sub");
    assert_null(hdfsOpenFile(fs, "/a", O_RDWR, 0, 0, 0));
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hdfsExists(fs, "file:///etc/passwd"), -1);
    assert_non_null(strstr(hdfsGetLastExceptionRootCause(), "Wrong FS"));
    struct hdfsStreamBuilder *builder = hdfsStreamBuilderAlloc(fs, "/a", O_RDONLY);
    assert_int_equal(hdfsStreamBuilderSetReplication(builder, 2), -1);
    assert_int_equal(errno, EINVAL);
    hdfsStreamBuilderFree(builder);
    assert_int_equal(hdfsDisconnect(fs), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(paths),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(blocks_are_found),
        cmocka_unit_test(impossible_blocks_are_refused),
        cmocka_unit_test(replacement_policy),
        cmocka_unit_test(checksum_padding),
        cmocka_unit_test(error_faces),
        cmocka_unit_test(libhdfs_refuses),
    };
    unsetenv("HADOOP_CONF_DIR");
    unsetenv("HADOOP_HOME");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
