/*
 * The client library against a running cluster, ours or Apache's: client_live hdfs://host:port
 * [folder]. Each check tells where it failed; files stay behind then. Data is a function of its
 * position, so that a byte in the wrong place shows.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/fs.h"
#include "client/in_stream.h"
#include "client/out_stream.h"
#include "common/clock.h"
#include "common/conf.h"

static struct fs *fs;
static const char *base = "/client-live";
static struct err err;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #what, err.text);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define OK(call) CHECK((call) == 0)

enum { BLOCK = 1024 * 1024 };

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)((i * 2654435761u) >> 13 ^ i >> 20 ^ i);
}

static void fill(uint8_t *data, uint64_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) data[i] = byte_at(offset + i);
}

static void expect(const uint8_t *data, uint64_t offset, size_t size, const char *what)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_at(offset + i)) {
            fprintf(stderr, "%s: wrong byte at %" PRIu64 "\n", what, offset + i);
            exit(1);
        }
}

static char *path_of(const char *name)
{
    static __thread char path[4][512];
    static __thread int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", base, name);
    return path[turn];
}

static void write_range(struct out_stream *out, uint64_t offset, uint64_t size, size_t step)
{
    uint8_t *data = malloc(step);
    struct err mine = ERR_INIT;

    while (size) {
        size_t n = (size_t)MIN(size, (uint64_t)step);
        fill(data, offset, n);
        if (out_stream_write(out, data, n, &mine)) {
            fprintf(stderr, "write at %" PRIu64 ": %s\n", offset, mine.text);
            exit(1);
        }
        offset += n;
        size -= n;
    }
    free(data);
}

static void make_file(const char *path, uint64_t size, size_t step)
{
    struct fs_create_options options = {.overwrite = true, .block_size = BLOCK};
    struct out_stream *out;
    struct err mine = ERR_INIT;

    if (fs_create(fs, path, &options, &out, &mine)) {
        fprintf(stderr, "create %s: %s\n", path, mine.text);
        exit(1);
    }
    write_range(out, 0, size, step);
    if (out_stream_close(out, &mine)) {
        fprintf(stderr, "close %s: %s\n", path, mine.text);
        exit(1);
    }
}

static void verify_file(const char *path, uint64_t size, size_t step)
{
    uint8_t *data = malloc(step);
    struct in_stream *in;
    uint64_t at = 0;
    ssize_t n;

    OK(fs_open(fs, path, NULL, &in, &err));
    CHECK(in_stream_length(in) == size);
    while ((n = in_stream_read(in, data, step, &err)) > 0) {
        expect(data, at, (size_t)n, path);
        at += (uint64_t)n;
        CHECK(in_stream_tell(in) == at);
    }
    CHECK(n == 0 && at == size);
    in_stream_close(in);
    free(data);
}

/* ---- names ---- */

static void test_names(void)
{
    struct fs_status status;
    bool done;

    OK(fs_mkdirs(fs, path_of("names/a/b"), 0777, true, &err));
    CHECK(fs_mkdirs(fs, path_of("names/x/y"), 0777, false, &err) == ERR_NOT_FOUND);
    OK(fs_stat(fs, path_of("names/a"), &status, &err));
    CHECK(status.type == FS_DIRECTORY && status.mode == 0755 && str_eq(status.name, "a"));
    CHECK(status.children == 1 && str_eq(status.owner, fs_user(fs)));
    fs_status_release(&status);
    CHECK(fs_stat(fs, path_of("names/none"), &status, &err) == ERR_NOT_FOUND);
    CHECK(fs_exists(fs, path_of("names/none"), &err) == 0);
    CHECK(fs_exists(fs, path_of("names/a"), &err) == 1);
    CHECK(fs_delete(fs, path_of("names"), false, &done, &err) == ERR_NOT_EMPTY);
    OK(fs_rename(fs, path_of("names/a"), path_of("names/c"), &done, &err));
    CHECK(done);
    OK(fs_rename(fs, path_of("names/a"), path_of("names/c"), &done, &err));
    CHECK(!done);
    CHECK(fs_rename2(fs, path_of("names/a"), path_of("names/d"), 0, &err) == ERR_NOT_FOUND);
    CHECK(str_eq(fs_error_class(&err), "java.io.FileNotFoundException"));
    OK(fs_rename2(fs, path_of("names/c"), path_of("names/a"), 0, &err));
    OK(fs_set_permission(fs, path_of("names/a"), 01700, &err));
    OK(fs_set_times(fs, path_of("names/a"), 1000000, -1, &err));
    OK(fs_stat(fs, path_of("names/a"), &status, &err));
    CHECK(status.mode == 01700 && status.mtime_ms == 1000000);
    fs_status_release(&status);
    OK(fs_delete(fs, path_of("names"), true, &done, &err));
    CHECK(done);
    OK(fs_delete(fs, path_of("names"), true, &done, &err));
    CHECK(!done);
}

static void test_listing(void)
{
    const struct fs_status *entry;
    struct fs_listing *listing;
    struct fs_status *found;
    size_t count;
    char name[64], last[64] = "";
    int rc, n = 0;

    for (int i = 0; i < 1203; i++) {
        snprintf(name, sizeof name, "list/d%05d", i);
        OK(fs_mkdirs(fs, path_of(name), 0777, true, &err));
    }
    OK(fs_list(fs, path_of("list"), false, &listing, &err));
    while ((rc = fs_list_next(listing, &entry, &err)) == 1) {
        CHECK(strcmp(entry->name, last) > 0);
        snprintf(last, sizeof last, "%s", entry->name);
        n++;
    }
    CHECK(rc == 0 && n == 1203);
    fs_list_close(listing);
    OK(fs_glob(fs, path_of("l*t/d0000[2-4]"), &found, &count, &err));
    CHECK(count == 3 && str_eq(found[0].name, "d00002"));
    fs_statuses_free(found, count);
    OK(fs_glob(fs, path_of("{list/d0000{1,2},list/d00003,nothing/x}"), &found, &count, &err));
    CHECK(count == 3);
    fs_statuses_free(found, count);
    OK(fs_glob(fs, path_of("none*"), &found, &count, &err));
    CHECK(count == 0);
    CHECK(fs_list(fs, path_of("none"), false, &listing, &err) == ERR_NOT_FOUND);
    OK(fs_delete(fs, path_of("list"), true, NULL, &err));
}

/* ---- bytes ---- */

static void test_sizes(void)
{
    static const uint64_t sizes[] = {0,     1,     511,   512,       513,           64511,    64512,
                                     64513, 65536, BLOCK, BLOCK + 1, 3 * BLOCK + 7, 2 * BLOCK};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *path = path_of("sized");
        make_file(path, sizes[i], 100003);
        verify_file(path, sizes[i], 1 << 20);
        verify_file(path, sizes[i], 70001);
        if (sizes[i] <= BLOCK) verify_file(path, sizes[i], 333);
    }
    make_file(path_of("sized"), 200000, 7);
    verify_file(path_of("sized"), 200000, 200000);
}

static void test_positions(void)
{
    const uint64_t size = 3 * BLOCK + 12345;
    uint8_t *data = malloc(300000);
    struct in_stream *in;
    unsigned seed = 7;

    make_file(path_of("positions"), size, 1 << 18);
    OK(fs_open(fs, path_of("positions"), NULL, &in, &err));
    for (int i = 0; i < 300; i++) {
        uint64_t offset = (uint64_t)rand_r(&seed) % size;
        size_t want = (size_t)rand_r(&seed) % (i % 3 ? 3000 : 300000);
        ssize_t n = in_stream_pread(in, offset, data, want, &err);
        CHECK(n == (ssize_t)MIN((uint64_t)want, size - offset));
        expect(data, offset, (size_t)n, "pread");
        CHECK(in_stream_seek(in, offset, &err) == 0);
        n = in_stream_read(in, data, want, &err);
        CHECK(n == (ssize_t)MIN((uint64_t)want, size - offset));
        expect(data, offset, (size_t)n, "read after seek");
        /* a short way forward */
        if (in_stream_available(in) > 5000) {
            uint64_t at = in_stream_tell(in) + 4321;
            OK(in_stream_seek(in, at, &err));
            n = in_stream_read(in, data, 100, &err);
            CHECK(n == 100);
            expect(data, at, 100, "read after skip");
        }
    }
    CHECK(in_stream_seek(in, size + 1, &err) == ERR_EOF);
    OK(in_stream_seek(in, size, &err));
    CHECK(in_stream_read(in, data, 10, &err) == 0);
    CHECK(in_stream_pread(in, size + 10, data, 10, &err) == 0);
    in_stream_unbuffer(in);
    in_stream_close(in);
    free(data);
}

/* ---- flushes and appends ---- */

static void expect_visible(const char *path, uint64_t size)
{
    verify_file(path, size, 50000);
}

static void test_flush(void)
{
    static const uint64_t steps[] = {1, 100, 411, 512, 5, 0, 64512, 1, 70000, 300, BLOCK, 17, 511};
    struct fs_create_options options = {.overwrite = true, .block_size = BLOCK};
    char *path = path_of("flushed");
    struct out_stream *out;
    struct fs_status status;
    uint64_t size = 0;

    OK(fs_create(fs, path, &options, &out, &err));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        write_range(out, size, steps[i], 1000);
        size += steps[i];
        if (i % 3 == 0)
            OK(out_stream_hflush(out, &err));
        else if (i % 3 == 1)
            OK(out_stream_hsync(out, 0, &err));
        else
            OK(out_stream_hsync(out, OUT_SYNC_UPDATE_LENGTH, &err));
        CHECK(out_stream_tell(out) == size);
        expect_visible(path, size);
    }
    OK(out_stream_hflush(out, &err));
    OK(out_stream_hsync(out, OUT_SYNC_UPDATE_LENGTH, &err));
    OK(fs_stat(fs, path, &status, &err));
    CHECK(status.length == size);
    fs_status_release(&status);
    write_range(out, size, 1000, 10);
    size += 1000;
    OK(out_stream_hsync(out, OUT_SYNC_END_BLOCK, &err));
    write_range(out, size, 600, 10);
    size += 600;
    OK(out_stream_close(out, &err));
    expect_visible(path, size);
}

static void test_append(void)
{
    static const uint64_t steps[] = {1, 510, 1, 1, 600, 0, 64512 * 2, 77, BLOCK, 3, 511};
    char *path = path_of("appended");
    struct out_stream *out;
    uint64_t size = 0;

    make_file(path, 0, 10);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        OK(fs_append(fs, path, false, &out, &err));
        CHECK(out_stream_tell(out) == size);
        write_range(out, size, steps[i] / 2, 1000);
        if (i % 2) OK(out_stream_hflush(out, &err));
        write_range(out, size + steps[i] / 2, steps[i] - steps[i] / 2, 1000);
        size += steps[i];
        OK(out_stream_close(out, &err));
        verify_file(path, size, 60000);
    }
    OK(fs_append(fs, path, true, &out, &err));
    write_range(out, size, 1000, 100);
    size += 1000;
    OK(out_stream_close(out, &err));
    verify_file(path, size, 60000);
}

static void test_overwrite_and_errors(void)
{
    struct fs_create_options options = {.block_size = BLOCK};
    struct out_stream *out, *other;
    struct in_stream *in;
    char *path = path_of("busy");
    bool closed;

    OK(fs_create(fs, path, &options, &out, &err));
    CHECK(fs_create(fs, path, &options, &other, &err) == ERR_BEING_CREATED);
    CHECK(fs_append(fs, path, false, &other, &err) == ERR_BEING_CREATED);
    OK(fs_is_file_closed(fs, path, &closed, &err));
    CHECK(!closed);
    write_range(out, 0, 10, 10);
    OK(fs_delete(fs, path, false, NULL, &err));
    CHECK(out_stream_close(out, &err) != 0); /* the file is gone: Java says so too */
    CHECK(fs_open(fs, path, NULL, &in, &err) == ERR_NOT_FOUND);
    CHECK(fs_open(fs, base, NULL, &in, &err) == ERR_NOT_FOUND);
    CHECK(fs_append(fs, path, false, &out, &err) == ERR_NOT_FOUND);
    make_file(path, 100, 10);
    CHECK(fs_create(fs, path, &options, &out, &err) == ERR_EXISTS);
    options.no_parent = true;
    CHECK(fs_create(fs, path_of("no/such/parent"), &options, &out, &err) == ERR_NOT_FOUND);
    options.block_size = 1000001;
    CHECK(fs_create(fs, path_of("odd"), &options, &out, &err) == ERR_HADOOP_ARGUMENT);
}

static void test_truncate_concat(void)
{
    const char *parts[] = {"/", "/"};
    char *path = path_of("cut"), first[512], second[512];
    struct fs_status status;
    bool done, closed = false;

    make_file(path, 2 * BLOCK + 1000, 1 << 17);
    OK(fs_truncate(fs, path, BLOCK, &done, &err));
    CHECK(done);
    verify_file(path, BLOCK, 60000);
    OK(fs_truncate(fs, path, 1001, &done, &err));
    for (int i = 0; i < 150 && !closed; i++) {
        OK(fs_is_file_closed(fs, path, &closed, &err));
        if (!closed) clock_sleep_ms(100);
    }
    CHECK(closed);
    verify_file(path, 1001, 60000);

    make_file(path_of("whole"), BLOCK, 60000);
    snprintf(first, sizeof first, "%s", path_of("part1"));
    snprintf(second, sizeof second, "%s", path_of("part2"));
    make_file(first, BLOCK, 60000);
    make_file(second, 100, 60);
    parts[0] = first;
    parts[1] = second;
    OK(fs_concat(fs, path_of("whole"), parts, 2, &err));
    OK(fs_stat(fs, path_of("whole"), &status, &err));
    CHECK(status.length == 2 * BLOCK + 100);
    fs_status_release(&status);
    CHECK(fs_exists(fs, first, &err) == 0);
}

/* ---- numbers ---- */

static void test_reports(void)
{
    struct fs_content_summary summary;
    struct fs_server_defaults defaults;
    struct fs_datanodes *nodes;
    struct fs_checksum sum, composite;
    struct fs_blocks *blocks;
    struct fs_stats stats;
    char *path = path_of("reported");

    make_file(path, 2 * BLOCK + 5, 60000);
    OK(fs_content_summary(fs, path, &summary, &err));
    CHECK(summary.files == 1 && summary.length == 2 * BLOCK + 5 && summary.quota == -1);
    OK(fs_server_defaults(fs, &defaults, &err));
    CHECK(defaults.bytes_per_checksum == 512);
    OK(fs_stats(fs, &stats, &err));
    CHECK(stats.capacity > 0);
    OK(fs_datanode_report(fs, FS_DATANODES_LIVE, &nodes, &err));
    CHECK(nodes->count > 0 && nodes->nodes[0].capacity > 0);
    fs_datanodes_free(nodes);
    OK(fs_block_locations(fs, path, 0, UINT64_MAX, &blocks, &err));
    CHECK(blocks->count == 3 && blocks->blocks[2].offset == 2 * BLOCK &&
          blocks->blocks[2].length == 5);
    CHECK(blocks->blocks[0].replica_count > 0 && blocks->file_length == 2 * BLOCK + 5);
    fs_blocks_free(blocks);
    OK(fs_block_locations(fs, path, BLOCK + 1, 1, &blocks, &err));
    CHECK(blocks->count == 1 && blocks->blocks[0].offset == BLOCK);
    fs_blocks_free(blocks);
    OK(fs_file_checksum(fs, path, UINT64_MAX, FS_CHECKSUM_MD5CRC, &sum, &err));
    CHECK(str_eq(sum.algorithm, "MD5-of-2048MD5-of-512CRC32C") && sum.length == 28);
    OK(fs_file_checksum(fs, path, UINT64_MAX, FS_CHECKSUM_COMPOSITE, &composite, &err));
    CHECK(str_eq(composite.algorithm, "COMPOSITE-CRC32C") && composite.length == 4);
    OK(fs_file_checksum(fs, path, 100, FS_CHECKSUM_MD5CRC, &sum, &err));
    CHECK(str_eq(sum.algorithm, "MD5-of-0MD5-of-512CRC32C"));
}

/* ---- threads ---- */

static struct in_stream *shared;

static void *read_shared(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    uint8_t data[5000];
    struct err mine = ERR_INIT;

    for (int i = 0; i < 100; i++) {
        uint64_t offset = (uint64_t)rand_r(&seed) % (2 * BLOCK - sizeof data);
        ssize_t n = in_stream_pread(shared, offset, data, sizeof data, &mine);
        if (n != sizeof data) {
            fprintf(stderr, "pread: %zd %s\n", n, mine.text);
            exit(1);
        }
        expect(data, offset, sizeof data, "shared pread");
    }
    return NULL;
}

static void *write_own(void *arg)
{
    char name[64], *path;

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "thread-%zu-%d", (size_t)(uintptr_t)arg, i);
        path = path_of(name);
        make_file(path, 150000, 30000);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t readers[4], writers[4];

    make_file(path_of("shared"), 2 * BLOCK, 60000);
    OK(fs_open(fs, path_of("shared"), NULL, &shared, &err));
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&readers[i], NULL, read_shared, (void *)(i + 1)) == 0);
        CHECK(pthread_create(&writers[i], NULL, write_own, (void *)(i + 1)) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(readers[i], NULL);
        pthread_join(writers[i], NULL);
    }
    in_stream_close(shared);
    verify_file(path_of("thread-3-4"), 150000, 60000);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"names", test_names},
        {"listing", test_listing},
        {"sizes", test_sizes},
        {"positions", test_positions},
        {"flush", test_flush},
        {"append", test_append},
        {"errors", test_overwrite_and_errors},
        {"truncate", test_truncate_concat},
        {"reports", test_reports},
        {"threads", test_threads},
    };
    struct conf *conf = conf_new();

    if (argc < 2) {
        fprintf(stderr, "usage: %s hdfs://host:port [folder [test…]]\n", argv[0]);
        return 2;
    }
    if (argc > 2) base = argv[2];
    OK(fs_connect(conf, argv[1], NULL, &fs, &err));
    conf_free(conf);
    OK(fs_delete(fs, base, true, NULL, &err));
    OK(fs_mkdirs(fs, base, 0777, true, &err));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        bool wanted = argc < 4;
        for (int j = 3; j < argc; j++) wanted |= str_eq(argv[j], tests[i].name);
        if (!wanted) continue;
        int64_t start = clock_mono_ms();
        tests[i].run();
        printf("%s: ok, %" PRId64 " ms\n", tests[i].name, clock_mono_ms() - start);
        fflush(stdout);
    }
    OK(fs_delete(fs, base, true, NULL, &err));
    fs_close(fs);
    return 0;
}
