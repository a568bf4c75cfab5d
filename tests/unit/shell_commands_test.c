/* Commands of the shell on local files: what they print, and with which exit code. No cluster is
 * needed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "client/shell/dfs.h"
#include "client/shell/tool.h"
#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"

struct world {
    char dir[64];
    struct buf out, err;
};

static int setup(void **state)
{
    struct world *world = NEW(struct world);

    snprintf(world->dir, sizeof world->dir, "/tmp/shell-test.XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    struct err err;

    assert_int_equal(file_remove_tree(world->dir, &err), 0);
    buf_release(&world->out);
    buf_release(&world->err);
    mem_free(world);
    return 0;
}

/* Sends a descriptor to a file of the test's folder until restore(). */
static int redirect(int fd, const struct world *world, const char *name)
{
    char *path = mem_printf("%s/.%s", world->dir, name);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), old = dup(fd);

    assert_true(file >= 0 && old >= 0);
    dup2(file, fd);
    close(file);
    mem_free(path);
    return old;
}

static void restore(int fd, int old, const struct world *world, const char *name, struct buf *text)
{
    char *path = mem_printf("%s/.%s", world->dir, name);
    struct err err;

    dup2(old, fd);
    close(old);
    buf_clear(text);
    assert_int_equal(file_read(path, 1 << 20, text, &err), 0);
    unlink(path);
    mem_free(path);
}

enum { WORDS_MAX = 16 };

/* Runs one command; '@' in a word is the test's folder. */
static int run(struct world *world, const char *line)
{
    char *copy = mem_strdup(line), *words[WORDS_MAX], *save = NULL;
    struct shell shell = {.conf = conf_new()};
    int count = 0, code, out, err;

    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *at = strchr(word, '@');
        assert_true(count < WORDS_MAX);
        words[count++] = at ? mem_printf("%.*s%s%s", (int)(at - word), word, world->dir, at + 1)
                            : mem_strdup(word);
    }
    fflush(stdout);
    fflush(stderr);
    out = redirect(STDOUT_FILENO, world, "out");
    err = redirect(STDERR_FILENO, world, "err");
    code = dfs_run(&shell, count, words);
    fflush(stdout);
    fflush(stderr);
    restore(STDERR_FILENO, err, world, "err", &world->err);
    restore(STDOUT_FILENO, out, world, "out", &world->out);
    for (int i = 0; i < count; i++) mem_free(words[i]);
    shell_release(&shell);
    mem_free(copy);
    return code;
}

static void write_text(const struct world *world, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", world->dir, name);
    struct err err;

    assert_int_equal(file_replace(path, text, strlen(text), 0644, &err), 0);
    mem_free(path);
}

/* The output with the test's folder as "@" and without dates and owners. */
static const char *shown(struct world *world, struct buf *text)
{
    static char line[8192];
    const char *at = buf_cstr(text);
    size_t length = strlen(world->dir), used = 0;

    while (*at && used < sizeof line - 1) {
        if (!strncmp(at, world->dir, length)) {
            line[used++] = '@';
            at += length;
        } else {
            line[used++] = *at++;
        }
    }
    line[used] = '\0';
    return line;
}

static void check(struct world *world, const char *line, int code, const char *out, const char *err)
{
    int got = run(world, line);

    assert_string_equal(shown(world, &world->err), err);
    assert_string_equal(shown(world, &world->out), out);
    assert_int_equal(got, code);
}

static void test_errors(void **state)
{
    struct world *world = *state;

    write_text(world, "file", "x");
    check(world, "-ls @/nosuch", 1, "", "ls: `@/nosuch': No such file or directory\n");
    check(world, "-cat @", 1, "", "cat: `@': Is a directory\n");
    check(world, "-mkdir @", 1, "", "mkdir: `@': File exists\n");
    check(world, "-mkdir @/file", 1, "", "mkdir: `@/file': Is not a directory\n");
    check(world, "-mkdir @/a/b", 1, "", "mkdir: `file:@/a': No such file or directory\n");
    check(world, "-rm @", 1, "", "rm: `@': Is a directory\n");
    check(world, "-rmdir @", 1, "", "rmdir: `@': Directory is not empty\n");
    check(world, "-put @/file @/file", 1, "", "put: `@/file': File exists\n");
    check(world, "-put @/file @/no/such", 1, "",
          "put: `@/no/such': No such file or directory: `file://@/no/such'\n");
    check(world, "-cp @ @/below", 1, "", "cp: `@' to `@/below': is a subdirectory of itself\n");
    check(world, "-mv @/file @/file", 1, "", "mv: `@/file': File exists\n");
    check(world, "-touchz @/file", 1, "", "touchz: `@/file': Not a zero-length file\n");
    check(world, "-find @ -nosuch", 1, "", "find: Unexpected argument: -nosuch\n");
    check(world, "-cat @/file @/nosuch @/file", 1, "xx",
          "cat: `@/nosuch': No such file or directory\n");
    check(world, "-ls nosuch://x/", 1, "", "ls: No FileSystem for scheme \"nosuch\"\n");
    check(world, "-moveToLocal a b", 1, "",
          "moveToLocal: Option '-moveToLocal' is not implemented yet.\n");
    check(world, "-rm -f @/nosuch", 0, "", "");
    check(world, "-test -e @/nosuch", 1, "", "");
    check(world, "-test -z @/file", 1, "", "");
    check(world, "-test -s @/file", 0, "", "");
}

/* Usage errors are 255 and end with the command's own usage. */
static void test_usage(void **state)
{
    static const struct {
        const char *line, *begins, *ends;
    } cases[] = {
        {"-nosuch", "-nosuch: Unknown command\nUsage: hadoop fs [generic options]\n",
         "[commandOptions]\n\n"},
        {"ls", "ls: Unknown command\nDid you mean -ls?  This command begins with a dash.\n",
         "[commandOptions]\n\n"},
        {"-ls -Z", "-ls: Illegal option -Z\nUsage",
         "Usage: hadoop fs [generic options] -ls [-C] [-d] [-h] [-q] [-R] [-t] [-S] [-r] [-u] [-e] "
         "[<path> ...]\n"},
        {"-mkdir", "-mkdir: Not enough arguments: expected 1 but got 0\n",
         "-mkdir [-p] <path> ...\n"},
        {"-chmod zzz /x", "-chmod: chmod : mode 'zzz' does not match the expected pattern.\n",
         "OCTALMODE> PATH...\n"},
        {"-test /x", "-test: No test flag given\n", "-test -[defswrz] <path>\n"},
        {"-setrep x /x",
         "setrep: Illegal replication, a positive integer expected\n-setrep: For input string: "
         "\"x\"\n",
         "<path> ...\n"},
        {"-ls a:b", "-ls: java.net.URISyntaxException: Relative path in absolute URI: a:b\n",
         "[<path> ...]\n"},
        {"-help nosuch", "-help: `nosuch': Unknown command\n", "-help [cmd ...]\n"},
        {"-find /x -name", "-find: Fatal internal error\n", "\n"},
        {"-cp -pz a b", "-cp: Fatal internal error\n", "\n"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(run(world, cases[i].line), 255);
        const char *text = shown(world, &world->err);
        size_t length = strlen(text), end = strlen(cases[i].ends);
        assert_true(str_starts(text, cases[i].begins));
        assert_true(length >= end && str_eq(text + length - end, cases[i].ends));
        assert_int_equal(world->out.length, 0);
    }
}

static void test_copies(void **state)
{
    struct world *world = *state;

    write_text(world, "one", "1\n");
    write_text(world, "two", "2\n");
    check(world, "-mkdir -p @/d/deep", 0, "", "");
    check(world, "-put @/one @/two @/d/deep", 0, "", "");
    check(world, "-cp @/d @/copy", 0, "", "");
    check(world, "-cp -t 3 @/d @/copy3", 0, "", "");
    check(world, "-find @/copy -name o*", 0, "@/copy/deep/one\n", "");
    check(world, "-find @/copy3 -iname *E -a -name t*", 0, "", "");
    check(world, "-cat @/copy*/deep/{one,two}", 0, "1\n2\n1\n2\n", "");
    check(world, "-getmerge -nl @/copy/deep @/merged", 0, "", "");
    check(world, "-cat @/merged", 0, "1\n\n2\n\n", "");
    check(world, "-mv @/merged @/d", 0, "", "");
    check(world, "-count @/d", 0, "           2            3                 10 @/d\n", "");
    check(world, "-du -s @/d", 0, "10  10  @/d\n", "");
    check(world, "-rm -r @/copy", 0, "Deleted @/copy\n", "");
    check(world, "-appendToFile @/one @/two @/three", 0, "", "");
    check(world, "-cat @/three", 0, "1\n2\n", "");
    check(world, "-truncate 2 @/three", 0, "Truncated @/three to length: 2\n", "");
    check(world, "-tail @/three", 0, "1\n", "");
    check(world, "-stat %n:%b @/three", 0, "three:2\n", "");
}

/* The checksum file beside a copy has Hadoop's format, goes with it and is never listed. */
static void test_checksums(void **state)
{
    static const uint8_t wanted[] = {'c', 'r', 'c',  0,    0,    0,
                                     2,   0,   0x88, 0xaa, 0x68, 0x9f}; /* CRC32 of "1234\n" */
    struct world *world = *state;
    struct buf bytes = {.data = NULL};
    char *path = mem_printf("%s/.copy.crc", world->dir);
    char *moved = mem_printf("%s/.moved.crc", world->dir);
    struct err err;

    write_text(world, "file", "1234\n");
    check(world, "-cp @/file @/copy", 0, "", "");
    assert_int_equal(file_read(path, 100, &bytes, &err), 0);
    assert_int_equal(bytes.length, sizeof wanted);
    assert_memory_equal(bytes.data, wanted, 8);
    check(world, "-ls -C @", 0, "@/.err\n@/.out\n@/copy\n@/file\n", "");
    check(world, "-mv @/copy @/moved", 0, "", "");
    assert_false(file_exists(path));
    assert_true(file_exists(moved));
    check(world, "-rm @/moved", 0, "Deleted @/moved\n", "");
    assert_false(file_exists(moved));
    check(world, "-get @/file @/got", 0, "", ""); /* get makes none unless asked */
    mem_free(path);
    path = mem_printf("%s/.got.crc", world->dir);
    assert_false(file_exists(path));
    mem_free(path);
    mem_free(moved);
    buf_release(&bytes);
}

/* Columns are as wide as their widest, over one listing; lengths never narrower than ten. */
static void test_widths(void **state)
{
    struct world *world = *state;
    char *path = mem_printf("%s/d/big", world->dir);
    struct stat st;
    char text[512], owner[64] = "", group[64] = "";

    check(world, "-mkdir @/d", 0, "", "");
    write_text(world, "d/small", "x");
    write_text(world, "d/big", "");
    assert_int_equal(truncate(path, 12345678901L), 0);
    assert_int_equal(chmod(path, 01604), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(run(world, "-stat %u @/d/big"), 0);
    sscanf(buf_cstr(&world->out), "%63s", owner);
    assert_int_equal(run(world, "-stat %g @/d/big"), 0);
    sscanf(buf_cstr(&world->out), "%63s", group);
    check(world, "-touch -t 20200102:030405 @/d/big @/d/small", 0, "", "");
    snprintf(text, sizeof text,
             "Found 2 items\n"
             "-rw----r-T   1 %s %s 12345678901 2020-01-02 03:04 @/d/big\n"
             "-rw-r--r--   1 %s %s           1 2020-01-02 03:04 @/d/small\n",
             owner, group, owner, group);
    check(world, "-ls @/d", 0, text, "");
    snprintf(text, sizeof text, "-rw-r--r--   1 %s %s          1 2020-01-02 03:04 @/d/small\n",
             owner, group);
    check(world, "-ls @/d/small", 0, text, "");
    assert_int_equal(run(world, "-ls -S -r -C @/d"), 0);
    assert_string_equal(shown(world, &world->out), "@/d/small\n@/d/big\n");
    assert_int_equal(run(world, "-ls -t -C @/d"), 0); /* equal times: by name */
    assert_string_equal(shown(world, &world->out), "@/d/big\n@/d/small\n");
    mem_free(path);
}

static void test_globs(void **state)
{
    struct world *world = *state;

    check(world, "-mkdir -p @/a/x @/b/x @/b/y", 0, "", "");
    write_text(world, "f", "");
    check(world, "-ls -d -C @/*/x", 0, "@/a/x\n@/b/x\n", "");
    check(world, "-ls -d -C @/{b/y,a/x}", 0, "@/a/x\n@/b/y\n",
          ""); /* sorted, whatever the order given */
    check(world, "-ls -d -C @/[^a]/y @/?/../f", 0, "@/b/y\n@/f\n", "");
    check(world, "-ls -d -C @/nosuch*", 1, "", "ls: `@/nosuch*': No such file or directory\n");
    check(world, "-ls -d -C @/f/*", 1, "",
          "ls: `@/f/*': No such file or directory\n"); /* a file has no entries */
    check(world, "-ls -d -C @/\\f", 0, "@/f\n", "");
    check(world, "-ls -d -C file:@/f file://@/f", 0, "file://@/f\nfile://@/f\n", "");
    check(world, "-ls -d -C @//a/./x/", 0, "@/a/x\n", "");
    check(world, "-cp @/f @/*", 1, "", "cp: `@/*': Too many matches\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_globs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
