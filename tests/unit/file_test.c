#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"

static struct err err;
static char dir[32];

static int setup(void **state UNUSED)
{
    snprintf(dir, sizeof dir, "/tmp/file_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    return file_remove_tree(dir, &err);
}

static char *in_dir(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void test_replace_and_read(void **state UNUSED)
{
    struct buf buf = {0};
    char *path = in_dir("f");
    int64_t size;

    assert_int_equal(file_replace(path, "one", 3, 0600, &err), 0);
    assert_int_equal(file_replace(path, "second", 6, 0600, &err), 0);
    assert_int_equal(file_read(path, 6, &buf, &err), 0);
    assert_string_equal(buf_cstr(&buf), "second");
    assert_int_equal(file_size(path, &size, &err), 0);
    assert_int_equal(size, 6);
    buf_clear(&buf);
    assert_int_equal(file_read(path, 5, &buf, &err), ERR_LIMIT);
    assert_int_equal(file_read(in_dir("none"), 5, &buf, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/none"));
    assert_int_equal(file_read(dir, 5, &buf, &err), ERR_IO);
    assert_false(file_exists(in_dir("f.tmp")));
    buf_release(&buf);
}

/* A replacement that fails leaves the old file and nothing else. */
static void test_replace_fails_whole(void **state UNUSED)
{
    assert_int_equal(file_mkdirs(in_dir("d/sub"), 0755, &err), 0);
    assert_int_equal(file_replace(in_dir("d"), "x", 1, 0600, &err), ERR_IO); /* a folder is there */
    assert_true(file_is_dir(in_dir("d/sub")));
    assert_false(file_exists(in_dir("d.tmp")));
    assert_int_equal(file_replace(in_dir("none/f"), "x", 1, 0600, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "none/f"));
}

static void test_pread_pwrite(void **state UNUSED)
{
    int fd = open(in_dir("f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char data[8];

    assert_int_equal(file_pwrite_full(fd, "abcdef", 6, 10, &err), 0);
    assert_int_equal(file_pread_full(fd, data, 6, 10, &err), 0);
    assert_memory_equal(data, "abcdef", 6);
    assert_int_equal(file_pread_full(fd, data, 6, 11, &err), ERR_EOF);
    assert_non_null(strstr(err.text, "1 bytes early"));
    close(fd);
    assert_int_equal(file_write_full(-1, data, 1, &err), ERR_CLOSED);
}

static void test_mkdirs(void **state UNUSED)
{
    assert_int_equal(file_mkdirs(in_dir("a/b//c/"), 0755, &err), 0);
    assert_int_equal(file_mkdirs(in_dir("a/b/c"), 0755, &err), 0);
    assert_true(file_is_dir(in_dir("a/b/c")));
    assert_int_equal(file_replace(in_dir("f"), "", 0, 0600, &err), 0);
    assert_int_equal(file_mkdirs(in_dir("f"), 0755, &err), ERR_EXISTS);
    assert_int_equal(file_mkdirs(in_dir("f/g/h"), 0755, &err), ERR_NOT_DIRECTORY);
    assert_true(dir_is_empty(in_dir("a/b/c")) && dir_is_empty(in_dir("none")));
    assert_false(dir_is_empty(in_dir("a")) || dir_is_empty(in_dir("f")));
}

static void test_remove_tree_keeps_what_links_show(void **state UNUSED)
{
    assert_int_equal(file_mkdirs(in_dir("keep"), 0755, &err), 0);
    assert_int_equal(file_replace(in_dir("keep/f"), "x", 1, 0600, &err), 0);
    assert_int_equal(file_mkdirs(in_dir("a/b"), 0755, &err), 0);
    assert_int_equal(symlink(in_dir("keep"), in_dir("a/b/link")), 0);
    assert_int_equal(file_remove_tree(in_dir("a"), &err), 0);
    assert_false(file_exists(in_dir("a")));
    assert_true(file_exists(in_dir("keep/f")));
    assert_int_equal(file_remove_tree(in_dir("a"), &err), 0);
}

static void test_rename(void **state UNUSED)
{
    assert_int_equal(file_mkdirs(in_dir("d"), 0755, &err), 0);
    assert_int_equal(file_replace(in_dir("f"), "x", 1, 0600, &err), 0);
    assert_int_equal(file_rename(in_dir("f"), in_dir("d/g"), &err), 0);
    assert_true(file_exists(in_dir("d/g")));
    assert_int_equal(file_rename(in_dir("f"), in_dir("g"), &err), ERR_NOT_FOUND);
}

/* What FileChannel.tryLock does, in another process: 0 when it got the lock. */
static int java_try_lock(const char *path)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd < 0 ? 2 : fcntl(fd, F_SETLK, &whole) ? 1 : 0);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void test_lock(void **state UNUSED)
{
    struct file_lock lock = FILE_LOCK_INIT, other = FILE_LOCK_INIT;
    char *path = in_dir("in_use.lock"), us[32];

    assert_int_equal(file_lock(&lock, dir, &err), 0);
    assert_int_equal(java_try_lock(path), 1);
    assert_int_equal(file_lock(&other, dir, &err), ERR_BUSY);
    snprintf(us, sizeof us, "%ld@", (long)getpid());
    assert_non_null(strstr(err.text, us));
    assert_non_null(strstr(err.text, dir));
    close(open(path, O_RDWR | O_CLOEXEC)); /* drops a lock of a process, but must not drop ours */
    assert_int_equal(java_try_lock(path), 1);
    file_unlock(&lock);
    assert_int_equal(java_try_lock(path), 0);
    assert_int_equal(file_lock(&other, dir, &err), 0);
    file_unlock(&other);
    file_unlock(&other);
    assert_int_equal(file_lock(&lock, in_dir("none"), &err), ERR_NOT_FOUND);
}

static void test_a_lock_of_java_holds_against_us(void **state UNUSED)
{
    struct file_lock lock = FILE_LOCK_INIT;
    int ready[2], done[2], status;
    char byte;

    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(in_dir("in_use.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int rc = fcntl(fd, F_SETLK, &whole);
        close(done[1]);
        rc |= write(ready[1], "x", 1) != 1;
        rc |= read(done[0], &byte, 1) != 0;
        _exit(rc != 0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(file_lock(&lock, dir, &err), ERR_BUSY);
    close(done[1]);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(file_lock(&lock, dir, &err), 0);
    file_unlock(&lock);
    close(done[0]);
    close(ready[0]);
    close(ready[1]);
}

static void test_space(void **state UNUSED)
{
    struct file_space space;

    assert_int_equal(file_space(dir, &space, &err), 0);
    assert_true(space.capacity > 0 && space.available <= space.capacity);
    assert_int_equal(file_space(in_dir("none"), &space, &err), ERR_NOT_FOUND);
}

static void test_uris(void **state UNUSED)
{
    static const char *const good[][2] = {
        {"/a/b", "/a/b"},
        {"/a%20b", "/a%20b"},
        {"file:///a/b/", "/a/b"},
        {"file:/a%20b", "/a b"},
        {"file://host/a", "/a"},
        {"file:///a%zz%2", "/a%zz%2"},
        {"file:///a%00b", "/a%00b"},
        {"//a//b", "/a/b"},
    };
    static const char *const bad[] = {"",       "a/b",     "hdfs://h/a",
                                      "file:a", "file://", "qjournal://h:1/a"};
    char *path;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (file_path_of_uri(good[i][0], &path, &err)) fail_msg("%s", err.text);
        assert_string_equal(path, good[i][1]);
        mem_free(path);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (file_path_of_uri(bad[i], &path, &err) != ERR_CONFIG) fail_msg("'%s' was taken", bad[i]);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_replace_and_read),
        FILE_TEST(test_replace_fails_whole),
        FILE_TEST(test_pread_pwrite),
        FILE_TEST(test_mkdirs),
        FILE_TEST(test_remove_tree_keeps_what_links_show),
        FILE_TEST(test_rename),
        FILE_TEST(test_lock),
        FILE_TEST(test_a_lock_of_java_holds_against_us),
        FILE_TEST(test_space),
        FILE_TEST(test_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
