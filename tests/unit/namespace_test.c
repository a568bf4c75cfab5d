/* Calls on names and attributes: what they refuse and in which words, and what they change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "namenode/apply_tree.h"
#include "namenode/safemode.h"
#include "namenode/storage_policy.h"
#include "tests/lib/core_world.h"

#define CALL(w, handler) op_##handler(&(w)->core, &(w)->op, &request, &response, &(w)->err)

/* ---- mkdirs ---- */

static void test_mkdirs(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    char path[9000];

    world_tick(w, 5);
    assert_int_equal(world_mkdirs(w, "/a/b/c", 0700), 0);
    assert_int_equal(world_inode(w, "/a/b/c")->mode, 0700);
    assert_int_equal(world_inode(w, "/a")->mode, 0700);
    assert_int_equal(world_inode(w, "/a")->id, INODE_ID_ROOT + 1);
    assert_int_equal(world_inode(w, "/")->mtime_ms, w->core.now_wall_ms);
    assert_int_equal(world_mkdirs(w, "/p/q", 01005), 0); /* parents get u+wx and no sticky bit */
    assert_int_equal(world_inode(w, "/p")->mode, 0305);
    assert_int_equal(world_inode(w, "/p/q")->mode, 01005);
    assert_int_equal(world_mkdirs(w, "/a/b", 0755), 0); /* is there */
    assert_int_equal(world_inode(w, "/a/b")->mode, 0700);
    assert_string_equal(inode_group(w->core.tree.inodes, world_inode(w, "/a/b/c")), "supergroup");

    world_file(w, "/f", 0, 0);
    assert_error(w, world_mkdirs(w, "/f", 0755), ERR_EXISTS, "Path is not a directory: /f");
    assert_error(w, world_mkdirs(w, "/f/x/y", 0755), ERR_NOT_DIRECTORY, "/f (is not a directory)");
    assert_error(w, world_mkdir(w, "/no/such/dir"), ERR_NOT_FOUND,
                 "Parent directory doesn't exist: /no/such");
    assert_error(w, world_mkdirs(w, "/a:b", 0755), ERR_INVALID_PATH,
                 "Invalid path name Invalid file name: /a:b");
    assert_error(w, world_mkdirs(w, "/a//b", 0755), ERR_INVALID_PATH,
                 "Invalid path name Invalid file name: /a//b");
    assert_error(w, world_mkdirs(w, "/a/../b", 0755), ERR_INVALID_PATH,
                 "Invalid path name Invalid file name: /a/../b");
    assert_error(w, world_mkdirs(w, "/a/.snapshot", 0755), ERR_HADOOP_ARGUMENT,
                 "\".snapshot\" is a reserved name.");
    assert_int_equal(world_mkdirs(w, "/.reserved/x", 0755), ERR_HADOOP_ARGUMENT);
    assert_true(
        str_starts(w->err.text, "File name \".reserved\" is reserved and cannot be created."));
    assert_null(world_inode(w, "/.reserved"));

    memset(path, 'n', 300);
    memcpy(path, "/a/", 3);
    path[3 + 256] = '\0';
    assert_int_equal(world_mkdirs(w, path, 0755), ERR_NAME_TOO_LONG);
    assert_non_null(strstr(w->err.text, " in directory /a is exceeded: limit=255 length=256"));
    path[3 + 255] = '\0';
    assert_int_equal(world_mkdirs(w, path, 0755), 0);
    memset(path, 'n', sizeof path);
    path[0] = '/';
    path[8001] = '\0';
    assert_error(w, world_mkdirs(w, path, 0755), ERR_IO,
                 "mkdirs: Pathname too long.  Limit 8000 characters, 1000 levels.");
    for (int i = 0; i < 1001; i++) memcpy(path + 2 * i, "/d", 3);
    assert_error(w, world_mkdirs(w, path, 0755), ERR_IO,
                 "mkdirs: Pathname too long.  Limit 8000 characters, 1000 levels.");
    path[2000] = '\0';
    assert_int_equal(world_mkdirs(w, path, 0755), 0);
    assert_int_equal(world_delete(w, "/d", true, NULL),
                     0); /* deeper than any recursion would like */
    while (tree_reclaim(&w->core, 100))
        ;
    world_free(w);
}

static void test_full_directory(void **state UNUSED)
{
    struct world *w =
        world_new((const char *const[]){"dfs.namenode.fs-limits.max-directory-items", "2",
                                        "dfs.namenode.fs-limits.max-component-length", "3", NULL});

    assert_int_equal(world_mkdirs(w, "/d/1", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/d/2", 0755), 0);
    assert_error(w, world_mkdirs(w, "/d/3", 0755), ERR_TOO_MANY_ITEMS,
                 "The directory item limit of /d is exceeded: limit=2 items=2");
    assert_error(w, world_mkdirs(w, "/abcd", 0755), ERR_NAME_TOO_LONG,
                 "The maximum path component name limit of abcd in directory / is exceeded: "
                 "limit=3 length=4");
    assert_int_equal(world_mkdirs(w, "/e", 0755), 0);
    assert_int_equal(world_rename(w, "/e", "/d", NULL), ERR_TOO_MANY_ITEMS);
    assert_int_equal(world_rename2(w, "/d/1", "/d/9", false),
                     0); /* within the directory there is room */
    world_free(w);
}

static void test_safe_mode(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    safemode_enter(&w->core, false);
    assert_int_equal(world_mkdirs(w, "/x", 0755), ERR_SAFE_MODE);
    assert_true(str_starts(w->err.text, "Cannot create directory /x. Name node is in safe mode."));
    assert_int_equal(world_delete(w, "/x", false, NULL), ERR_SAFE_MODE);
    assert_true(str_starts(w->err.text, "Cannot delete /x. Name node"));
    assert_int_equal(world_rename(w, "/x", "/y", NULL), ERR_SAFE_MODE);
    assert_int_equal(world_set_quota(w, "/", 5, INT64_MAX), ERR_SAFE_MODE);
    assert_true(str_starts(w->err.text, "Cannot set quota on /. Name node"));
    assert_int_equal(w->edits, 0);
    world_free(w);
}

/* ---- create ---- */

static int create(struct world *w, const char *path, uint32_t flags, uint32_t replication)
{
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT;
    Pb__CreateRequest request = PB__CREATE_REQUEST__INIT;
    Pb__CreateResponse response = PB__CREATE_RESPONSE__INIT;

    masked.perm = 0644;
    request.src = (char *)path;
    request.masked = &masked;
    request.clientname = (char *)"client";
    request.createflag = flags;
    request.createparent = true;
    request.replication = replication;
    request.blocksize = MIB;
    return CALL(w, create);
}

static void test_create(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_error(w, create(w, "/a:b", 1, 3), ERR_INVALID_PATH,
                 "Invalid path name Invalid file name: /a:b");
    assert_error(w, create(w, "/a", 1, 600), ERR_IO,
                 "Requested replication factor of 600 exceeds maximum of 512 for /a, "
                 "clientName=client");
    /* Missing ancestors take after the directory that is there, not after the file. */
    assert_int_equal(world_mkdirs(w, "/p", 0751), 0);
    assert_int_equal(create(w, "/p/q/r/f", 1, 3), 0);
    assert_int_equal(world_inode(w, "/p/q")->mode, 0751);
    assert_int_equal(world_inode(w, "/p/q/r")->mode, 0751);
    assert_int_equal(world_inode(w, "/p/q/r/f")->mode, 0644);
    /* Overwriting needs no new name. */
    assert_int_equal(world_set_quota(w, "/p", 4, INT64_MAX), 0);
    assert_int_equal(create(w, "/p/g", 1, 3), ERR_NS_QUOTA);
    uint64_t id = world_inode(w, "/p/q/r/f")->id;
    assert_int_equal(create(w, "/p/q/r/f", 3, 3), 0);
    assert_int_not_equal(world_inode(w, "/p/q/r/f")->id, id);
    world_be(w, "bob", NULL);
    assert_error(w, create(w, "/.reserved/raw/x", 1, 3), ERR_ACCESS,
                 "Access denied for user bob. Superuser privilege is required for operation test");
    world_free(w);
}

/* ---- delete ---- */

static void test_delete(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    bool result = true;

    assert_int_equal(world_delete(w, "/none", true, &result), 0);
    assert_false(result);
    assert_int_equal(world_delete(w, "/", true, &result), 0); /* the root stays, without an error */
    assert_false(result);
    assert_int_equal(world_mkdirs(w, "/d/e", 0755), 0);
    assert_int_equal(world_delete(w, "/", true, &result), 0);
    assert_false(result);
    assert_error(w, world_delete(w, "/d", false, &result), ERR_NOT_EMPTY,
                 "`/d is non empty': Directory is not empty");
    assert_error(w, world_delete(w, "/.reserved", true, &result), ERR_INVALID_PATH,
                 "Invalid path name /.reserved");
    world_tick(w, 1000);
    assert_int_equal(world_delete(w, "/d/e", false, &result), 0);
    assert_true(result);
    assert_int_equal(world_inode(w, "/d")->mtime_ms, w->core.now_wall_ms);
    struct inode *file = world_open_file(w, "/d/f", "someone");
    uint64_t id = file->id;
    assert_int_equal(world_delete(w, "/d", true, &result), 0);
    assert_null(inode_find(w->core.tree.inodes, id));
    assert_null(lease_holder(w->core.leases, id));
    assert_int_equal(inode_count(w->core.tree.inodes), 1);
    world_free(w);
}

/* A large tree goes in slices and is gone for everybody at once. */
static void test_sliced_delete(void **state UNUSED)
{
    enum { FILES = 500 };
    struct world *w = world_new(NULL);
    char path[64];
    uint64_t id = 0, slices = 0;

    assert_int_equal(world_mkdirs(w, "/big/sub", 0755), 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/big/sub/%d", i);
        id = world_file(w, path, 3, 7)->id;
    }
    assert_int_equal(world_delete(w, "/big", true, NULL), 0);
    assert_null(world_inode(w, "/big"));
    assert_null(inode_find(w->core.tree.inodes, id));
    assert_true(inode_count(w->core.tree.inodes) > FILES / 2); /* but not freed yet */
    snprintf(path, sizeof path, "/.reserved/.inodes/%" PRIu64, id);
    assert_null(world_inode(w, path));
    assert_int_equal(world_mkdirs(w, "/big/sub", 0755), 0); /* the name is free */
    for (uint64_t before = inode_count(w->core.tree.inodes); tree_reclaim(&w->core, 10); slices++) {
        uint64_t now = inode_count(w->core.tree.inodes);
        assert_true(before - now <= 10);
        before = now;
    }
    assert_true(slices >= (FILES - 64) * 4 / 10 - 20);
    assert_int_equal(block_map_count(w->core.blocks), 0);
    assert_int_equal(inode_count(w->core.tree.inodes), 3);
    assert_non_null(world_inode(w, "/big/sub"));
    world_free(w);
}

static void test_protected_directories(void **state UNUSED)
{
    struct world *w =
        world_new((const char *const[]){"fs.protected.directories", " /keep/ , relative,,/top/deep",
                                        "dfs.protected.subdirectories.enable", "true", NULL});

    assert_int_equal(world_mkdirs(w, "/keep", 0755), 0);
    assert_int_equal(world_delete(w, "/keep", true, NULL), 0); /* empty */
    assert_int_equal(world_mkdirs(w, "/keep/a/b", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/keeper/a", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/top/deep/x", 0755), 0);
    assert_error(w, world_delete(w, "/keep", true, NULL), ERR_ACCESS,
                 "Cannot delete/rename non-empty protected directory /keep");
    assert_error(w, world_rename2(w, "/keep", "/y", false), ERR_ACCESS,
                 "Cannot delete/rename non-empty protected directory /keep");
    assert_error(w, world_rename(w, "/top", "/y", NULL), ERR_ACCESS,
                 "Cannot delete/rename non-empty protected subdirectory /top/deep");
    assert_error(w, world_delete(w, "/keep/a", true, NULL), ERR_ACCESS,
                 "Cannot delete/rename subdirectory under protected subdirectory /keep");
    assert_int_equal(world_delete(w, "/keep/a/b", true, NULL), 0); /* empty */
    assert_int_equal(world_delete(w, "/keeper", true, NULL), 0);
    world_free(w);
}

static void test_object_limit(void **state UNUSED)
{
    struct world *w = world_new((const char *const[]){"dfs.namenode.max.objects", "3", NULL});

    assert_int_equal(world_mkdirs(w, "/a", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/b", 0755), 0);
    assert_error(w, world_mkdirs(w, "/c", 0755), ERR_IO,
                 "Exceeded the configured number of objects 3 in the filesystem.");
    world_free(w);
}

/* ---- rename ---- */

struct rename_case {
    const char *src, *dst;
    int code;
    bool result;
    const char *text, *moved_to;
};

static void build_rename_world(struct world *w)
{
    assert_int_equal(world_mkdirs(w, "/d/sub", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/e/f", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/empty", 0755), 0);
    world_file(w, "/f", 1, 10);
    world_file(w, "/g", 1, 20);
}

static void test_rename(void **state UNUSED)
{
    static const struct rename_case cases[] = {
        {"/none", "/x", 0, false, "", NULL},
        {"/", "/x", 0, false, "", NULL},
        {"/f", "/f", 0, true, "", "/f"},
        {"/d", "/d", 0, false, "", NULL}, /* goes into itself */
        {"/f", "/x", 0, true, "", "/x"},
        {"/f", "/d", 0, true, "", "/d/f"}, /* moves into the directory */
        {"/d", "/e", 0, true, "", "/e/d"},
        {"/f", "/e", 0, false, "", NULL}, /* /e/f is there */
        {"/d/sub", "/", 0, true, "", "/sub"},
        {"/f", "/", 0, true, "", "/f"}, /* onto itself */
        {"/f", "/g", 0, false, "", NULL},
        {"/d", "/g", 0, false, "", NULL},
        {"/d", "/d/sub/x", 0, false, "", NULL},
        {"/d", "/dx", 0, true, "", "/dx"},
        {"/f", "/no/x", 0, false, "", NULL},
        {"/f", "/g/x", ERR_NOT_DIRECTORY, false, "/g (is not a directory)", NULL},
        {"/f/x", "/x", ERR_ACCESS, false, "/f (is not a directory)", NULL},
        {"/f", "/a:b", ERR_INVALID_PATH, false, "Invalid path name Invalid file name: /a:b", NULL},
        {"/f", "/d/.snapshot", ERR_HADOOP_ARGUMENT, false, "\".snapshot\" is a reserved name.",
         NULL},
        {"/f", "/.reserved", ERR_INVALID_PATH, false,
         "Invalid path name Cannot rename to or from /.reserved", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_new(NULL);
        bool result = false;

        build_rename_world(w);
        struct inode *source = world_inode(w, cases[i].src);
        assert_error(w, world_rename(w, cases[i].src, cases[i].dst, &result), cases[i].code,
                     cases[i].text);
        if (result != cases[i].result) fail_msg("rename %s %s", cases[i].src, cases[i].dst);
        if (cases[i].moved_to) assert_ptr_equal(world_inode(w, cases[i].moved_to), source);
        if (!result && source) assert_ptr_equal(world_inode(w, cases[i].src), source);
        world_free(w);
    }
}

static void test_rename2(void **state UNUSED)
{
    static const struct rename_case cases[] = {
        /* result: overwrite */
        {"/none", "/x", ERR_NOT_FOUND, false, "rename source /none is not found.", NULL},
        {"/", "/x", ERR_IO, false, "rename source cannot be the root", NULL},
        {"/f", "/", ERR_IO, true, "rename destination cannot be the root", NULL},
        {"/f", "/f", ERR_EXISTS, true, "The source /f and destination /f are the same", NULL},
        {"/f", "/x", 0, false, "", "/x"},
        {"/f", "/g", ERR_EXISTS, false, "rename destination /g already exists", NULL},
        {"/f", "/g", 0, true, "", "/g"},
        {"/f", "/d", ERR_IO, true, "Source /f and destination /d must both be directories", NULL},
        {"/d", "/f", ERR_IO, true, "Source /d and destination /f must both be directories", NULL},
        {"/d", "/empty", ERR_EXISTS, false, "rename destination /empty already exists", NULL},
        {"/d", "/empty", 0, true, "", "/empty"},
        {"/d", "/e", ERR_IO, true, "rename destination directory is not empty: /e", NULL},
        {"/d/sub", "/d", ERR_IO, true, "rename destination directory is not empty: /d", NULL},
        {"/d", "/d/sub/x", ERR_IO, false,
         "Rename destination /d/sub/x is a directory or file under source /d", NULL},
        {"/f", "/no/x", ERR_NOT_FOUND, false, "rename destination parent /no/x not found.", NULL},
        {"/f", "/g/x", ERR_NOT_DIRECTORY, false, "/g (is not a directory)", NULL},
        {"/f", "/.reserved/x", ERR_NOT_FOUND, false,
         "rename destination parent /.reserved/x not found.", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_new(NULL);

        build_rename_world(w);
        world_tick(w, 10);
        struct inode *source = world_inode(w, cases[i].src);
        uint64_t inodes = inode_count(w->core.tree.inodes);
        struct inode *replaced = world_inode(w, cases[i].dst);
        assert_error(w, world_rename2(w, cases[i].src, cases[i].dst, cases[i].result),
                     cases[i].code, cases[i].text);
        if (!cases[i].code) {
            assert_ptr_equal(world_inode(w, cases[i].moved_to), source);
            assert_int_equal(inode_count(w->core.tree.inodes), inodes - (replaced != NULL));
            assert_int_equal(world_inode(w, "/")->mtime_ms, w->core.now_wall_ms);
            assert_int_not_equal(source->mtime_ms, w->core.now_wall_ms);
        } else if (source) {
            assert_ptr_equal(world_inode(w, cases[i].src), source);
        }
        world_free(w);
    }
}

static void test_rename_keeps_the_writer(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    struct inode *file = world_open_file(w, "/w", "writer-1");

    assert_int_equal(world_rename2(w, "/w", "/v", false), 0);
    assert_string_equal(lease_holder(w->core.leases, file->id), "writer-1");
    assert_ptr_equal(inode_find(w->core.tree.inodes, file->id), file);
    world_free(w);
}

/* ---- concat ---- */

static void test_concat(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    const char *const abc[] = {"/d/a", "/d/b", NULL};

    assert_int_equal(world_mkdirs(w, "/d", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/other", 0755), 0);
    struct inode *target = world_file(w, "/d/t", 1, 100);
    world_file(w, "/d/a", 2, 5);
    struct inode *last = world_file(w, "/d/b", 1, 6);
    world_file(w, "/d/none", 0, 0);
    world_file(w, "/other/o", 1, 1);
    world_open_file(w, "/d/open", "c");
    struct block *moved = inode_block(last, 0);

    assert_error(w, world_concat(w, "", abc), ERR_ARGUMENT, "Target file name is empty");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){NULL}), ERR_ARGUMENT,
                 "No sources given");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){"/.reserved/raw/x", NULL}),
                 ERR_IO,
                 "Concat operation doesn't support .reserved relative path : /.reserved/raw/x");
    assert_error(w, world_concat(w, "/d/x", abc), ERR_NOT_FOUND, "File does not exist: /d/x");
    assert_error(w, world_concat(w, "/d", abc), ERR_NOT_FOUND, "Path is not a file: /d");
    assert_error(w, world_concat(w, "/d/open", abc), ERR_HADOOP_ARGUMENT,
                 "concat: target file /d/open is under construction");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){"/d/a", "/other/o", NULL}),
                 ERR_HADOOP_ARGUMENT,
                 "Source file /other/o is not in the same directory with the target /d/t");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){"/d/t", NULL}),
                 ERR_HADOOP_ARGUMENT,
                 "concat: the src file /d/t is the same with the target file /d/t");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){"/d/none", NULL}),
                 ERR_HADOOP_ARGUMENT,
                 "concat: source file /d/none is invalid or empty or underConstruction");
    assert_error(w, world_concat(w, "/d/t", (const char *const[]){"/d/a", "/d/b", "/d/a", NULL}),
                 ERR_HADOOP_ARGUMENT, "concat: at least two of the source files are the same");
    assert_int_equal(world_inode(w, "/d/a")->marked, 0);
    world_tick(w, 77);
    assert_int_equal(world_concat(w, "/d/t", abc), 0);
    assert_int_equal(target->block_count, 4);
    assert_int_equal(inode_length(target, true), 100 + MIB + 5 + 6);
    assert_ptr_equal(inode_last_block(target), moved);
    assert_int_equal(moved->inode, inode_reference(target));
    assert_null(world_inode(w, "/d/a"));
    assert_null(world_inode(w, "/d/b"));
    assert_int_equal(target->mtime_ms, w->core.now_wall_ms);
    assert_int_equal(world_inode(w, "/d")->mtime_ms, w->core.now_wall_ms);
    world_free(w);
}

static void test_symlinks(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
    Pb__GetLinkTargetResponse response = PB__GET_LINK_TARGET_RESPONSE__INIT;

    request.path = (char *)"/f";
    assert_error(w, CALL(w, get_link_target), ERR_NOT_FOUND, "File does not exist: /f");
    world_file(w, "/f", 0, 0);
    assert_error(w, CALL(w, get_link_target), ERR_IO, "Path /f is not a symbolic link");
    struct edit edit = {.op = EDIT_SYMLINK,
                        .path = "/l",
                        .destination = "/d/x",
                        .inode_id = 20000,
                        .mtime_ms = 5,
                        .user = "u",
                        .group = "g",
                        .mode = 0777};
    core_edit(&w->core, &edit); /* as old logs hold them */
    request.path = (char *)"/l";
    assert_int_equal(CALL(w, get_link_target), 0);
    assert_string_equal(response.targetpath, "/d/x");
    assert_error(w, world_mkdirs(w, "/l/y", 0755), ERR_UNRESOLVED_PATH, "/d/x/y");
    assert_int_equal(world_delete(w, "/l", false, NULL), 0);
    world_free(w);
}

/* ---- attributes ---- */

static void test_mode_and_owner(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    struct inode *file = world_file(w, "/f", 1, 1);

    assert_error(w, world_chmod(w, "/none", 0600), ERR_NOT_FOUND,
                 "Directory/File does not exist /none");
    assert_int_equal(world_chmod(w, "/f", 07777), 0);
    assert_int_equal(file->mode, 01777);
    uint64_t edits = w->edits;
    assert_int_equal(world_chmod(w, "/f", 01777), 0); /* no change, no edit */
    assert_int_equal(w->edits, edits);
    assert_int_equal(world_chown(w, "/f", "ann", NULL), 0);
    assert_string_equal(inode_user(w->core.tree.inodes, file), "ann");
    assert_string_equal(inode_group(w->core.tree.inodes, file), "supergroup");
    assert_error(w, world_chown(w, "/none", "ann", NULL), ERR_NOT_FOUND,
                 "Directory/File does not exist /none");

    world_be(w, "bob", "staff");
    assert_error(w, world_chmod(w, "/f", 0600), ERR_ACCESS,
                 "Permission denied. user=bob is not the owner of inode=/f");
    world_be(w, "ann", "staff");
    assert_int_equal(world_chmod(w, "/f", 0640), 0);
    assert_error(w, world_chown(w, "/f", "bob", NULL), ERR_ACCESS,
                 "User ann is not a super user (non-super user cannot change owner).");
    assert_error(w, world_chown(w, "/f", NULL, "admin"), ERR_ACCESS,
                 "User ann does not belong to admin");
    assert_int_equal(world_chown(w, "/f", "ann", "staff"), 0);
    assert_string_equal(inode_group(w->core.tree.inodes, file), "staff");
    world_free(w);
}

static void test_times(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    struct inode *file = world_file(w, "/f", 1, 1);
    Pb__SetTimesRequest request = PB__SET_TIMES_REQUEST__INIT;
    Pb__SetTimesResponse response = PB__SET_TIMES_RESPONSE__INIT;

    request.src = (char *)"/f";
    request.mtime = 1234;
    request.atime = UINT64_MAX;
    uint64_t atime = file->atime_ms;
    assert_int_equal(CALL(w, set_times), 0);
    assert_int_equal(file->mtime_ms, 1234);
    assert_int_equal(file->atime_ms, atime);
    request.mtime = UINT64_MAX;
    request.atime = 99;
    assert_int_equal(CALL(w, set_times), 0);
    assert_int_equal(file->mtime_ms, 1234);
    assert_int_equal(file->atime_ms, 99);
    request.mtime = INT64_MAX; /* later than any date: the latest there is */
    assert_int_equal(CALL(w, set_times), 0);
    assert_int_equal(file->mtime_ms, (UINT64_C(1) << 48) - 1);
    request.src = (char *)"/none";
    assert_error(w, CALL(w, set_times), ERR_NOT_FOUND, "File/Directory /none does not exist.");
    world_free(w);
}

static void test_replication(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    struct inode *file = world_file(w, "/f", 2, 1);
    bool result;

    assert_error(w, world_set_replication(w, "/f", 0, &result), ERR_IO,
                 "Requested replication factor of 0 is less than the required minimum of 1 for /f");
    assert_error(w, world_set_replication(w, "/f", 513, &result), ERR_IO,
                 "Requested replication factor of 513 exceeds maximum of 512 for /f");
    assert_int_equal(world_set_replication(w, "/f", 5, &result), 0);
    assert_true(result);
    assert_int_equal(file->replication, 5);
    assert_int_equal(inode_block(file, 1)->replication, 5);
    assert_int_equal(world_set_replication(w, "/", 2, &result), 0);
    assert_false(result);
    assert_int_equal(world_set_replication(w, "/none", 2, &result), 0);
    assert_false(result);
    world_free(w);
}

static int set_policy(struct world *w, const char *path, const char *name)
{
    Pb__SetStoragePolicyRequest request = PB__SET_STORAGE_POLICY_REQUEST__INIT;
    Pb__SetStoragePolicyResponse response = PB__SET_STORAGE_POLICY_RESPONSE__INIT;

    request.src = (char *)path;
    request.policyname = (char *)name;
    return CALL(w, set_storage_policy);
}

static const char *get_policy(struct world *w, const char *path)
{
    Pb__GetStoragePolicyRequest request = PB__GET_STORAGE_POLICY_REQUEST__INIT;
    Pb__GetStoragePolicyResponse response = PB__GET_STORAGE_POLICY_RESPONSE__INIT;

    request.path = (char *)path;
    return CALL(w, get_storage_policy) ? NULL : response.storagepolicy->name;
}

static void test_storage_policies(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    Pb__GetStoragePoliciesRequest request = PB__GET_STORAGE_POLICIES_REQUEST__INIT;
    Pb__GetStoragePoliciesResponse response = PB__GET_STORAGE_POLICIES_RESPONSE__INIT;

    assert_int_equal(CALL(w, get_storage_policies), 0);
    assert_int_equal(response.n_policies, 8);
    assert_string_equal(response.policies[3]->name, "HOT");
    assert_null(response.policies[3]->creationfallbackpolicy);
    assert_int_equal(response.policies[3]->replicationfallbackpolicy->storagetypes[0],
                     STORAGE_ARCHIVE);
    assert_int_equal(world_mkdirs(w, "/d", 0755), 0);
    struct inode *file = world_file(w, "/d/f", 1, 1);
    assert_string_equal(get_policy(w, "/d/f"), "HOT");
    assert_error(w, set_policy(w, "/d", "ICE"), ERR_HADOOP_ARGUMENT,
                 "Cannot find a block policy with the name ICE");
    assert_error(w, set_policy(w, "/x", "cold"), ERR_NOT_FOUND,
                 "File/Directory does not exist: /x");
    assert_int_equal(set_policy(w, "/d", "cold"), 0);
    assert_string_equal(get_policy(w, "/d/f"), "COLD");
    assert_int_equal(set_policy(w, "/d/f", "All_SSD"), 0);
    assert_string_equal(get_policy(w, "/d/f"), "ALL_SSD");
    assert_error(w, set_policy(w, "/d/f", "LAZY_PERSIST"), ERR_HADOOP_ARGUMENT,
                 "Policy BlockStoragePolicy{LAZY_PERSIST:15, storageTypes=[RAM_DISK, DISK], "
                 "creationFallbacks=[DISK], "
                 "replicationFallbacks=[DISK]} cannot be set after file creation.");
    file->storage_policy = STORAGE_POLICY_LAZY_PERSIST;
    assert_error(w, set_policy(w, "/d/f", "HOT"), ERR_HADOOP_ARGUMENT,
                 "Existing policy LAZY_PERSIST cannot be changed after file creation.");
    world_free(w);
}

/* ---- reading ---- */

static struct world *listing_world(int files)
{
    struct world *w = world_new((const char *const[]){"dfs.ls.limit", "10", NULL});
    char path[32];

    assert_int_equal(world_mkdirs(w, "/d", 0755), 0);
    for (int i = 0; i < files; i++) {
        snprintf(path, sizeof path, "/d/%03d", i);
        world_file(w, path, 0, 0);
    }
    return w;
}

static Pb__DirectoryListing *list_from(struct world *w, const char *path, const char *start)
{
    Pb__GetListingRequest request = PB__GET_LISTING_REQUEST__INIT;
    Pb__GetListingResponse response = PB__GET_LISTING_RESPONSE__INIT;

    request.src = (char *)path;
    request.startafter = (ProtobufCBinaryData){.data = (uint8_t *)start, .len = strlen(start)};
    return CALL(w, get_listing) ? NULL : response.dirlist;
}

static void assert_entry(const Pb__HdfsFileStatus *status, const char *name)
{
    assert_int_equal(status->path.len, strlen(name));
    assert_memory_equal(status->path.data, name, strlen(name));
}

static void test_listing(void **state UNUSED)
{
    struct world *w = listing_world(25);
    char start[64];

    Pb__DirectoryListing *page = list_from(w, "/d", "");
    assert_int_equal(page->n_partiallisting, 10);
    assert_int_equal(page->remainingentries, 15);
    assert_entry(page->partiallisting[9], "009");
    page = list_from(w, "/d", "009");
    assert_entry(page->partiallisting[0], "010");
    assert_int_equal(page->remainingentries, 5);
    page = list_from(w, "/d", "0199"); /* was never there */
    assert_entry(page->partiallisting[0], "020");
    assert_int_equal(page->n_partiallisting, 5);
    assert_int_equal(page->remainingentries, 0);
    page = list_from(w, "/d", "zzz");
    assert_int_equal(page->n_partiallisting, 0);
    snprintf(start, sizeof start, "/.reserved/.inodes/%" PRIu64, world_inode(w, "/d/012")->id);
    page = list_from(w, "/d", start);
    assert_entry(page->partiallisting[0], "013");
    assert_error(w, list_from(w, "/d", "/.reserved/.inodes/99999") ? 0 : w->err.code,
                 ERR_START_AFTER, "Can't find startAfter /.reserved/.inodes/99999");
    page = list_from(w, "/d/003", "");
    assert_int_equal(page->n_partiallisting, 1);
    assert_entry(page->partiallisting[0], "");
    assert_null(list_from(w, "/none", ""));
    page = list_from(w, "/.reserved", "");
    assert_int_equal(page->n_partiallisting, 2);
    assert_entry(page->partiallisting[0], ".inodes");
    assert_error(w, list_from(w, "/d/003/x", "") ? 0 : w->err.code, ERR_ACCESS,
                 "/d/003 (is not a directory)");
    world_free(w);
}

static void test_batched_listing(void **state UNUSED)
{
    struct world *w = listing_world(25);
    Pb__GetBatchedListingRequest request = PB__GET_BATCHED_LISTING_REQUEST__INIT;
    Pb__GetBatchedListingResponse response = PB__GET_BATCHED_LISTING_RESPONSE__INIT;
    char *paths[] = {(char *)"/none", (char *)"/d", (char *)"/d/001", (char *)"/d"};
    size_t entries[4] = {0}, rounds = 0;

    request.paths = paths;
    request.n_paths = 4;
    do {
        pb__get_batched_listing_response__init(&response);
        assert_int_equal(CALL(w, get_batched_listing), 0);
        for (size_t i = 0; i < response.n_listings; i++) {
            const Pb__BatchedDirectoryListing *listing = response.listings[i];
            if (listing->parentidx == 0) {
                assert_string_equal(listing->exception->classname, "java.io.FileNotFoundException");
                assert_string_equal(listing->exception->message, "Path /none does not exist");
            } else {
                assert_null(listing->exception);
            }
            entries[listing->parentidx] += listing->n_partiallisting;
        }
        request.startafter = response.startafter;
        rounds++;
    } while (response.hasmore && rounds < 20);
    assert_int_equal(entries[1], 25);
    assert_int_equal(entries[2], 1);
    assert_int_equal(entries[3], 25);
    paths[0] = (char *)"/other"; /* a key belongs to its paths */
    pb__get_batched_listing_response__init(&response);
    request.startafter = (ProtobufCBinaryData){0};
    assert_int_equal(CALL(w, get_batched_listing), 0);
    request.startafter = response.startafter;
    paths[0] = (char *)"/none";
    assert_int_equal(CALL(w, get_batched_listing), ERR_ARGUMENT);
    request.startafter = (ProtobufCBinaryData){.data = (uint8_t *)"\xff\xff", .len = 2};
    assert_int_equal(CALL(w, get_batched_listing), ERR_BAD_MESSAGE);
    world_free(w);
}

static Pb__HdfsFileStatus *file_info(struct world *w, const char *path)
{
    Pb__GetFileInfoRequest request = PB__GET_FILE_INFO_REQUEST__INIT;
    Pb__GetFileInfoResponse response = PB__GET_FILE_INFO_RESPONSE__INIT;

    err_clear(&w->err);
    request.src = (char *)path;
    return CALL(w, get_file_info) ? NULL : response.fs;
}

static void test_status(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    struct inode *file = world_file(w, "/f", 2, 7);

    Pb__HdfsFileStatus *status = file_info(w, "/f");
    assert_int_equal(status->length, MIB + 7);
    assert_int_equal(status->blocksize, MIB);
    assert_int_equal(status->block_replication, 3);
    assert_int_equal(status->fileid, file->id);
    assert_int_equal(status->path.len, 0);
    assert_int_equal(status->flags, 0);
    status = file_info(w, "/");
    assert_int_equal(status->childrennum, 1);
    assert_int_equal(status->access_time, 0);
    assert_int_equal(status->flags, PB__HDFS_FILE_STATUS__FLAGS__SNAPSHOT_ENABLED);
    assert_string_equal(status->owner, "root");
    status = file_info(w, "/.reserved");
    assert_int_equal(status->permission->perm, 01770);
    assert_int_equal(status->fileid, UINT64_MAX);
    assert_null(file_info(w, "/none"));
    assert_int_equal(w->err.code, 0);
    assert_null(file_info(w, "/f/x"));
    assert_int_equal(w->err.code, 0); /* nothing there, says the superuser's answer */
    world_be(w, "bob", NULL);
    assert_error(w, file_info(w, "/f/x") ? 0 : w->err.code, ERR_ACCESS, "/f (is not a directory)");
    assert_error(w, file_info(w, "f") ? 0 : w->err.code, ERR_ASSERTION,
                 "Absolute path required, but got 'f'");
    world_free(w);
}

static void test_content_summary(void **state UNUSED)
{
    struct world *w = world_new(NULL);
    Pb__GetContentSummaryRequest request = PB__GET_CONTENT_SUMMARY_REQUEST__INIT;
    Pb__GetContentSummaryResponse response = PB__GET_CONTENT_SUMMARY_RESPONSE__INIT;

    assert_int_equal(world_mkdirs(w, "/d/e", 0700), 0);
    world_file(w, "/d/f", 1, 10);
    world_file(w, "/d/e/g", 2, 5);
    request.path = (char *)"/d";
    assert_int_equal(CALL(w, get_content_summary), 0);
    assert_int_equal(response.summary->length, 10 + MIB + 5);
    assert_int_equal(response.summary->spaceconsumed, 3 * (10 + MIB + 5));
    assert_int_equal(response.summary->filecount, 2);
    assert_int_equal(response.summary->directorycount, 2);
    assert_int_equal((int64_t)response.summary->quota, -1);
    assert_int_equal((int64_t)response.summary->spacequota, -1);
    assert_null(response.summary->typequotainfos);
    request.path = (char *)"/x";
    assert_error(w, CALL(w, get_content_summary), ERR_NOT_FOUND, "File does not exist: /x");
    assert_int_equal(world_chmod(w, "/d", 0755), 0);
    world_be(w, "bob", NULL);
    request.path = (char *)"/d";
    assert_error(w, CALL(w, get_content_summary), ERR_ACCESS,
                 "Permission denied: user=bob, access=READ_EXECUTE, "
                 "inode=\"/d/e\":root:supergroup:drwx------");
    world_free(w);
}

/* A large count goes in slices, between which the tree may change. */
static void test_sliced_content_summary(void **state UNUSED)
{
    enum { DIRS = 30, FILES = 40 };
    struct world *w = world_new((const char *const[]){"dfs.content-summary.limit", "7", NULL});
    Pb__GetContentSummaryRequest request = PB__GET_CONTENT_SUMMARY_REQUEST__INIT;
    Pb__GetContentSummaryResponse response = PB__GET_CONTENT_SUMMARY_RESPONSE__INIT;
    char path[64];
    int rc, slices = 0;

    for (int d = 0; d < DIRS; d++) {
        snprintf(path, sizeof path, "/top/d%02d", d);
        assert_int_equal(world_mkdirs(w, path, 0755), 0);
        for (int f = 0; f < FILES; f++) {
            snprintf(path, sizeof path, "/top/d%02d/f%02d", d, f);
            world_file(w, path, 1, 10);
        }
    }
    request.path = (char *)"/top";
    while ((rc = CALL(w, get_content_summary)) == OP_AGAIN) slices++;
    assert_int_equal(rc, 0);
    assert_int_equal(slices, (1 + DIRS * (FILES + 1)) / 7);
    assert_int_equal(response.summary->filecount, DIRS * FILES);
    assert_int_equal(response.summary->directorycount, DIRS + 1);
    assert_int_equal(response.summary->length, DIRS * FILES * 10);

    /* While it counts, the directory it is in goes, and others; each that stays is counted once. */
    w->op.progress = NULL;
    for (slices = 0; (rc = CALL(w, get_content_summary)) == OP_AGAIN; slices++) {
        if (slices % 20 != 3 || slices / 20 >= DIRS / 3) continue;
        snprintf(path, sizeof path, "/top/d%02d", slices / 20 * 3);
        assert_int_equal(world_delete(w, path, true, NULL), 0);
        snprintf(path, sizeof path, "/top/d%02d/f00", slices / 20 * 3 + 1);
        assert_int_equal(world_delete(w, path, true, NULL), 0);
        snprintf(path, sizeof path, "/top/d%02d/f99", slices / 20 * 3 + 1);
        world_file(w, path, 1, 10);
    }
    assert_int_equal(rc, 0);
    assert_true(response.summary->filecount >= DIRS / 3 * 2 * FILES - DIRS);
    assert_true(response.summary->filecount <= DIRS * FILES + DIRS);

    /* What is counted goes itself. */
    w->op.progress = NULL;
    assert_int_equal(CALL(w, get_content_summary), OP_AGAIN);
    assert_int_equal(world_delete(w, "/top", true, NULL), 0);
    assert_error(w, CALL(w, get_content_summary), ERR_NOT_FOUND, "File does not exist: /top");
    world_free(w);
}

static void test_server_defaults(void **state UNUSED)
{
    /* A body recorded from Apache: 1 MiB blocks, replication 2, trash after 60 minutes. */
    static const uint8_t golden[] = {0x0a, 0x1c, 0x08, 0x80, 0x80, 0x40, 0x10, 0x80, 0x04, 0x18,
                                     0x80, 0x80, 0x04, 0x20, 0x02, 0x28, 0x80, 0x20, 0x30, 0x00,
                                     0x38, 0x3c, 0x40, 0x02, 0x4a, 0x00, 0x50, 0x07, 0x58, 0x00};
    struct world *w = world_new((const char *const[]){"dfs.blocksize", "1m", "dfs.replication", "2",
                                                      "fs.trash.interval", "60", NULL});
    Pb__GetServerDefaultsRequest request = PB__GET_SERVER_DEFAULTS_REQUEST__INIT;
    Pb__GetServerDefaultsResponse response = PB__GET_SERVER_DEFAULTS_RESPONSE__INIT;
    uint8_t body[sizeof golden];

    assert_int_equal(CALL(w, get_server_defaults), 0);
    assert_int_equal(pb__get_server_defaults_response__get_packed_size(&response), sizeof golden);
    pb__get_server_defaults_response__pack(&response, body);
    assert_memory_equal(body, golden, sizeof golden);
    world_free(w);
}

static void test_bad_settings(void **state UNUSED)
{
    static const char *const bad[][2] = {
        {"dfs.replication", "0"},
        {"dfs.namenode.replication.min", "600"},
        {"dfs.ls.limit", "0"},
        {"dfs.checksum.type", "MD5"},
        {"dfs.bytes-per-checksum", "0"},
        {"dfs.namenode.fs-limits.max-directory-items", "99999999"}};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf *conf = conf_new();
        struct core_conf out = {0};
        struct err err = ERR_INIT;

        assert_int_equal(conf_set(conf, bad[i][0], bad[i][1], &err), 0);
        assert_int_equal(core_conf_load(&out, conf, &err), ERR_CONFIG);
        assert_true(str_starts(err.text, bad[i][0]));
        conf_free(conf);
    }
}

/* Renames of directories into each other build paths that the edit log could not carry: nothing may change there. */
static void test_path_too_long_for_the_journal(void **state)
{
    struct world *world = world_new(NULL);
    char name[251], path[40000] = "";
    bool result;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 30; i++)
        memcpy(path + strlen(path), arena_printf(&world->arena, "/%s", name), sizeof name + 1);
    assert_int_equal(world_mkdirs(world, path, 0755), 0); /* 7530 bytes */
    for (int i = 0; i < 3; i++) {
        char *top = arena_printf(&world->arena, "/t%d%s", i, path);
        assert_int_equal(world_mkdirs(world, top, 0755), 0);
        assert_int_equal(world_rename(world, arena_printf(&world->arena, "/%s", name),
                                      arena_printf(&world->arena, "%s/below", top), &result),
                         0);
        assert_int_equal(world_rename(world, arena_printf(&world->arena, "/t%d", i),
                                      arena_printf(&world->arena, "/%s", name), &result),
                         0);
        memmove(path, path + strlen(path) - 7530, 7531);
    }
    struct inode *at = world_inode(world, arena_printf(&world->arena, "/%s", name));
    while (inode_is_dir(at) && dir_child_count(at)) at = dir_child_at(&world->core.tree, at, 0);
    const char *deep = tree_path_of(&world->core.tree, at, &world->arena);
    assert_true(strlen(deep) > PATH_BYTES_MAX);
    assert_int_equal(world_chmod(world, deep, 0700), ERR_IO);
    assert_non_null(strstr(world->err.text, "Pathname too long"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_too_long_for_the_journal),
        cmocka_unit_test(test_mkdirs),
        cmocka_unit_test(test_full_directory),
        cmocka_unit_test(test_safe_mode),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_sliced_delete),
        cmocka_unit_test(test_protected_directories),
        cmocka_unit_test(test_object_limit),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_rename2),
        cmocka_unit_test(test_rename_keeps_the_writer),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_symlinks),
        cmocka_unit_test(test_mode_and_owner),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_replication),
        cmocka_unit_test(test_storage_policies),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_batched_listing),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_content_summary),
        cmocka_unit_test(test_sliced_content_summary),
        cmocka_unit_test(test_server_defaults),
        cmocka_unit_test(test_bad_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
