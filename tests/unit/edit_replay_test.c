/* What comes back after stops, crashes, torn writes and damage: everything acknowledged, or a
 * refusal. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "namenode/apply_tree.h"
#include "namenode/edit_read.h"
#include "tests/lib/name_dir.h"

static void load(struct name_dir *d, bool serve)
{
    struct err err = ERR_INIT;

    if (name_dir_load(d, serve, &err)) fail_msg("%s", err.text);
}

static void refused(struct name_dir *d, int code, const char *word)
{
    struct err err = ERR_INIT;
    int rc = name_dir_load(d, false, &err);

    if (rc != code) fail_msg("answers %d (%s) instead of %d", rc, err.text, code);
    if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
}

static void same(struct name_dir *d, const struct buf *before)
{
    struct buf now = {0};

    core_dump(&d->core, &now);
    core_dump_compare(before, &now);
    buf_release(&now);
}

/* The only segment that is there with that beginning of its name. */
static char *segment(struct name_dir *d, int number, const char *prefix)
{
    char *pattern =
        mem_printf("ls '%s'/name%d/current/%s* 2>/dev/null", d->scratch, number, prefix);
    char line[1024] = "";
    FILE *list = popen(pattern, "r");

    mem_free(pattern);
    assert_non_null(fgets(line, sizeof line, list));
    pclose(list);
    line[strcspn(line, "\n")] = '\0';
    return mem_strdup(line);
}

static void read_all(const char *path, struct buf *out)
{
    struct err err = ERR_INIT;

    buf_clear(out);
    assert_int_equal(file_read(path, 64 << 20, out, &err), 0);
}

static void write_all(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void many_runs_with_stops_and_crashes(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf before = {0};

    name_dir_begin(&d, 2);
    for (int run = 0; run < 8; run++) {
        load(&d, true);
        if (run) same(&d, &before);
        for (int i = 0; i < 150; i++) {
            name_dir_change(&d);
            if (i % 60 == 59) d.core.txid_applied = edit_log_roll(d.log);
        }
        while (d.core.tree.detached_count) (void)tree_reclaim(&d.core, UINT64_MAX);
        core_dump(&d.core, &before);
        run % 2 ? name_dir_crash(&d) : name_dir_stop(&d);
    }
    load(&d, false);
    same(&d, &before);
    buf_release(&before);
    name_dir_end(&d);
}

/* A log of some small changes, crashed: the bytes of its open segment, its records' ends. */
struct crashed {
    struct name_dir d;
    char *path;
    struct buf bytes;
    size_t ends[64]; /* ends[i]: after the record with txid i + 1 */
    size_t count;
};

static void crash_some(struct crashed *c, int dirs)
{
    struct edit_frame_info info;
    size_t at = EDIT_HEADER_SIZE;

    *c = (struct crashed){0};
    name_dir_begin(&c->d, dirs);
    load(&c->d, true);
    for (int i = 0; i < 12; i++) {
        char *path = mem_printf("/dir%d", i);
        name_dir_mkdir(&c->d, path);
        mem_free(path);
    }
    name_dir_crash(&c->d);
    c->path = name_dir_path(&c->d, 1, "edits_inprogress_0000000000000000001");
    read_all(c->path, &c->bytes);
    while (edit_frame_look(c->bytes.data + at, c->bytes.length - at, &info) == EDIT_FRAME_RECORD)
        c->ends[c->count++] = at += info.size;
    assert_int_equal(c->count, 13);
}

static void crash_end(struct crashed *c)
{
    name_dir_end(&c->d);
    mem_free(c->path);
    buf_release(&c->bytes);
}

/* Puts other bytes in place of the open segment, as if no start had been tried. */
static void put_back(struct crashed *c, const void *data, size_t size)
{
    struct err err = ERR_INIT;
    char *command = mem_printf("rm -f '%s'/name1/current/edits_*", c->d.scratch);
    char *seen = name_dir_path(&c->d, 1, "seen_txid");

    assert_int_equal(system(command), 0);
    mem_free(command);
    write_all(c->path, data, size);
    assert_int_equal(file_replace(seen, "1\n", 2, 0644, &err), 0);
    mem_free(seen);
}

static uint64_t whole_records(const struct crashed *c, size_t size)
{
    uint64_t whole = 0;

    while (whole < c->count && c->ends[whole] <= size) whole++;
    return whole;
}

static void loads_up_to(struct crashed *c, uint64_t txid)
{
    struct err err = ERR_INIT;

    if (name_dir_load(&c->d, false, &err)) fail_msg("txid %" PRIu64 ": %s", txid, err.text);
    assert_int_equal(c->d.core.txid_applied, txid);
    assert_int_equal(dir_child_count(c->d.core.tree.root), txid ? txid - 1 : 0);
    name_dir_stop(&c->d);
}

/* The file ends, or goes on with padding, at every byte of the last records. */
static void torn_at_every_byte(void **state)
{
    (void)state;
    struct crashed c;

    crash_some(&c, 1);
    size_t end = c.ends[c.count - 1], from = c.ends[c.count - 4];
    for (size_t cut = from; cut <= end; cut++) {
        put_back(&c, c.bytes.data, cut);
        loads_up_to(&c, whole_records(&c, cut));
        struct buf padded = {0};
        buf_put(&padded, c.bytes.data, cut);
        memset(buf_extend(&padded, 4096), 0xff, 4096);
        put_back(&c, padded.data, padded.length);
        loads_up_to(&c, whole_records(&c, cut));
        memset(padded.data + cut, 0, 4096);
        put_back(&c, padded.data, padded.length);
        loads_up_to(&c, whole_records(&c, cut));
        buf_release(&padded);
    }
    crash_end(&c);
}

/* Cut within the header or the first record: the segment holds nothing, and the namespace is the
 * image's. */
static void torn_before_the_first_record(void **state)
{
    (void)state;
    struct crashed c;

    crash_some(&c, 1);
    for (size_t cut = 0; cut < c.ends[0]; cut++) {
        put_back(&c, c.bytes.data, cut);
        struct err err = ERR_INIT;
        char *seen = name_dir_path(&c.d, 1, "seen_txid");
        assert_int_equal(file_replace(seen, cut < 9 ? "0\n" : "1\n", 2, 0644, &err), 0);
        mem_free(seen);
        loads_up_to(&c, 0);
    }
    crash_end(&c);
}

/* A flipped bit in any record but a torn one is damage, whether or not valid records follow. */
static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct crashed c;
    size_t accepted = 0, tried = 0;

    crash_some(&c, 1);
    for (size_t at = EDIT_HEADER_SIZE; at < c.ends[c.count - 1]; at += 3) {
        struct err err = ERR_INIT;
        uint8_t old = c.bytes.data[at];
        c.bytes.data[at] ^= (uint8_t)(1u << at % 8);
        put_back(&c, c.bytes.data, c.bytes.length);
        int rc = name_dir_load(&c.d, false, &err);
        tried++;
        if (!rc) {
            /* Only the last record may pass as torn: when its length says that it goes on, or its
             * CRC ends like padding. */
            assert_true(at >= c.ends[c.count - 2]);
            assert_int_equal(c.d.core.txid_applied, c.count - 1);
            name_dir_stop(&c.d);
            accepted++;
        } else {
            assert_true(rc == ERR_CORRUPT);
            assert_non_null(strstr(err.text, "edits_inprogress_"));
        }
        c.bytes.data[at] = old;
    }
    assert_true(accepted < tried / 50);
    crash_end(&c);
}

static void damage_is_made_good_from_another_copy(void **state)
{
    (void)state;
    struct crashed c;

    crash_some(&c, 2);
    for (size_t record = 0; record < c.count; record++) {
        char *other = name_dir_path(&c.d, 2, "edits_inprogress_0000000000000000001");
        char *clean = mem_printf("rm -f '%s'/name?/current/edits_*", c.d.scratch);
        assert_int_equal(system(clean), 0);
        write_all(other, c.bytes.data, c.bytes.length);
        c.bytes.data[c.ends[record] - 6] ^= 0x10;
        put_back(&c, c.bytes.data, c.bytes.length);
        write_all(other, c.bytes.data, c.bytes.length);
        c.bytes.data[c.ends[record] - 6] ^= 0x10;
        write_all(other, c.bytes.data, c.bytes.length);
        loads_up_to(&c, c.count);
        mem_free(clean);
        mem_free(other);
    }
    crash_end(&c);
}

static void shorter_copies_are_set_aside(void **state)
{
    (void)state;
    struct crashed c;

    crash_some(&c, 2);
    write_all(c.path, c.bytes.data, c.ends[5]);
    loads_up_to(&c, c.count);
    char *stale = name_dir_path(&c.d, 1, "edits_inprogress_0000000000000000001.stale");
    assert_true(file_exists(stale));
    mem_free(stale);
    crash_end(&c);
}

static void three_segments(struct name_dir *d)
{
    name_dir_begin(d, 1);
    for (int i = 0; i < 3; i++) {
        char *path = mem_printf("/run%d", i);
        load(d, true);
        name_dir_mkdir(d, path);
        name_dir_stop(d);
        mem_free(path);
    }
}

static void a_missing_segment_is_a_gap(void **state)
{
    (void)state;
    struct name_dir d;
    char *path;

    three_segments(&d);
    path = segment(&d, 1, "edits_0000000000000000004-");
    assert_int_equal(unlink(path), 0);
    refused(&d, ERR_CORRUPT, "gap in the edit log");
    mem_free(path);
    name_dir_end(&d);
}

/* seen_txid says that there was one more. */
static void a_missing_last_segment_is_noticed(void **state)
{
    (void)state;
    struct name_dir d;
    char *path;

    three_segments(&d);
    path = segment(&d, 1, "edits_0000000000000000007-");
    assert_int_equal(unlink(path), 0);
    refused(&d, ERR_CORRUPT,
            "Gap in transactions. Expected to be able to read up until at least txid 7");
    mem_free(path);
    name_dir_end(&d);
}

static void a_finalized_segment_must_hold_what_its_name_says(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf bytes = {0};
    char *path;

    three_segments(&d);
    path = segment(&d, 1, "edits_0000000000000000004-");
    read_all(path, &bytes);
    write_all(path, bytes.data, bytes.length - 17); /* without END_LOG_SEGMENT */
    refused(&d, ERR_EOF, "instead of 6");
    write_all(path, bytes.data, bytes.length - 1);
    refused(&d, ERR_EOF, "offset");
    bytes.data[20] ^= 1;
    write_all(path, bytes.data, bytes.length);
    refused(&d, ERR_CORRUPT, "edits_0000000000000000004-");
    buf_release(&bytes);
    mem_free(path);
    name_dir_end(&d);
}

static void another_layout_is_refused(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf bytes = {0};
    char *path;

    three_segments(&d);
    path = segment(&d, 1, "edits_0000000000000000004-");
    read_all(path, &bytes);
    bytes.data[3] -= 1;
    write_all(path, bytes.data, bytes.length);
    refused(&d, ERR_INCORRECT_VERSION, "-68");
    buf_release(&bytes);
    mem_free(path);
    name_dir_end(&d);
}

static void random_bytes_never_crash(void **state)
{
    (void)state;
    struct crashed c;
    struct buf bytes = {0};

    crash_some(&c, 1);
    for (int i = 0; i < 300; i++) {
        struct err err = ERR_INIT;
        buf_clear(&bytes);
        buf_put(&bytes, c.bytes.data, c.ends[c.count - 1] + 100);
        for (uint64_t k = 0; k <= name_dir_random(&c.d, 20); k++)
            bytes.data[name_dir_random(&c.d, bytes.length)] = (uint8_t)name_dir_random(&c.d, 256);
        put_back(&c, bytes.data, bytes.length);
        if (!name_dir_load(&c.d, false, &err)) name_dir_stop(&c.d);
    }
    buf_release(&bytes);
    crash_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_runs_with_stops_and_crashes),
        cmocka_unit_test(torn_at_every_byte),
        cmocka_unit_test(torn_before_the_first_record),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(damage_is_made_good_from_another_copy),
        cmocka_unit_test(shorter_copies_are_set_aside),
        cmocka_unit_test(a_missing_segment_is_a_gap),
        cmocka_unit_test(a_missing_last_segment_is_noticed),
        cmocka_unit_test(a_finalized_segment_must_hold_what_its_name_says),
        cmocka_unit_test(another_layout_is_refused),
        cmocka_unit_test(random_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
