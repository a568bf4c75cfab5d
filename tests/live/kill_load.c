/*
 * Load for scenarios that kill daemons, and the checker of what was promised.
 *
 *   kill_load load BASE SEED THREADS LEDGER   works below BASE until SIGTERM, then writes the
 * ledger kill_load verify LEDGER [SECONDS]         fails when the file system does not hold it
 *
 * Each thread creates, overwrites, appends to, renames, deletes and reads files of its own. A call
 * that returned success is a promise. After a call that failed either outcome is right, and the
 * thread leaves that file alone; so the ledger says of each file what it must or may be. Bytes are
 * a function of the file's number and their position. One line of the ledger:
 *
 *   KIND PATH OTHER ID MIN MAX [ID MIN MAX]
 *
 * KIND: = is there, ? may be there, - is gone. OTHER: the second name a rename may have left, or -.
 * The content is one of the one or two given, its length within MIN and MAX.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/fs.h"
#include "client/hdfs.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/rand.h"

enum {
    ITEMS_MAX = 20000, /* of one thread */
    PATH_SIZE = 160,
    BLOCK = 1024 * 1024,
    STEP = 64 * 1024,
    PAUSE_MS = 20, /* after a failure */
    ERRORS_SHOWN = 40,
};

struct content {
    uint32_t id;
    int64_t min, max;
};

struct item {
    char kind;
    bool open_question; /* a call on it failed */
    char path[PATH_SIZE], other[PATH_SIZE];
    struct content contents[2]; /* the second: id 0 for none */
};

struct worker {
    pthread_t thread;
    hdfsFS fs;
    const char *base;
    int number;
    struct rand rand;
    uint32_t names;
    struct item *items;
    size_t count;
    uint64_t done, failed;
};

static atomic_bool stopping; /* set by the signal handler, read by all threads */
static atomic_uint next_id = 1, errors_shown;

static void on_term(int number)
{
    (void)number;
    atomic_store(&stopping, true);
}

static uint8_t byte_at(uint32_t id, int64_t offset)
{
    uint64_t x = (uint64_t)offset * 2654435761u + id * 40503u;

    return (uint8_t)(x >> 13 ^ x >> 24 ^ x);
}

static void fill(uint8_t *data, uint32_t id, int64_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) data[i] = byte_at(id, offset + (int64_t)i);
}

/* ---- load ---- */

static bool failed(struct worker *w, const char *what, const char *path)
{
    w->failed++;
    if (atomic_fetch_add(&errors_shown, 1) < ERRORS_SHOWN)
        fprintf(stderr, "%s %s: %s\n", what, path, hdfs_last_error());
    clock_sleep_ms(PAUSE_MS);
    return false;
}

static bool write_content(struct worker *w, const char *path, int flags, uint32_t id, int64_t from,
                          int64_t to)
{
    hdfsFile file = hdfsOpenFile(w->fs, path, flags, 0, 0, BLOCK);
    uint8_t data[STEP];
    bool ok = file;

    if (!file) return failed(w, flags & O_APPEND ? "append" : "create", path);
    for (int64_t at = from; ok && at < to;) {
        tSize n = (tSize)MIN(to - at, (int64_t)sizeof data);
        fill(data, id, at, (size_t)n);
        ok = hdfsWrite(w->fs, file, data, n) == n;
        at += n;
    }
    if (!ok) failed(w, "write", path);
    if (ok && !rand_below(&w->rand, 8) && hdfsHFlush(w->fs, file)) ok = failed(w, "hflush", path);
    if (hdfsCloseFile(w->fs, file)) ok = failed(w, "close", path);
    w->done += ok;
    return ok;
}

static int64_t random_size(struct rand *rand)
{
    static const int64_t limits[] = {1, 600, 5000, 70000, 300000, 3 * BLOCK};
    uint64_t pick = rand_below(rand, 20);

    return (int64_t)rand_below(rand, (uint64_t)limits[pick < 10 ? pick / 2 : pick < 19 ? 2 : 5]);
}

static void new_name(struct worker *w, char *path)
{
    int length = snprintf(path, PATH_SIZE, "%s/t%d/d%u", w->base, w->number, w->names / 50);

    if (w->names % 50 == 0 && hdfsCreateDirectory(w->fs, path)) failed(w, "mkdir", path);
    snprintf(path + length, PATH_SIZE - (size_t)length, "/f%u", w->names++);
}

static struct item *any_item(struct worker *w)
{
    struct item *item = w->count ? &w->items[rand_below(&w->rand, w->count)] : NULL;

    return item && item->kind == '=' && !item->open_question ? item : NULL;
}

static void op_create(struct worker *w)
{
    struct item *item = &w->items[w->count];
    struct content new = {.id = atomic_fetch_add(&next_id, 1)};

    if (w->count == ITEMS_MAX) return;
    w->count++;
    new.max = random_size(&w->rand);
    new_name(w, item->path);
    strcpy(item->other, "-");
    item->kind = '?';
    item->contents[0] = new;
    item->open_question = !write_content(w, item->path, O_WRONLY, new.id, 0, new.max);
    if (item->open_question) return;
    item->kind = '=';
    item->contents[0].min = new.max;
}

static void op_overwrite(struct worker *w, struct item *item)
{
    struct content new = {.id = atomic_fetch_add(&next_id, 1), .max = random_size(&w->rand)};

    if (write_content(w, item->path, O_WRONLY, new.id, 0, new.max)) {
        new.min = new.max;
        item->contents[0] = new;
        return;
    }
    item->contents[1] = new;
    item->open_question = true;
}

static void op_append(struct worker *w, struct item *item)
{
    struct content *content = &item->contents[0];

    content->max += 1 + random_size(&w->rand);
    if (write_content(w, item->path, O_WRONLY | O_APPEND, content->id, content->min, content->max))
        content->min = content->max;
    else
        item->open_question = true;
}

static void op_rename(struct worker *w, struct item *item)
{
    new_name(w, item->other);
    if (!hdfsRename(w->fs, item->path, item->other)) {
        w->done++;
        strcpy(item->path, item->other);
        strcpy(item->other, "-");
        return;
    }
    failed(w, "rename", item->path);
    item->open_question = true;
}

static void op_delete(struct worker *w, struct item *item)
{
    if (!hdfsDelete(w->fs, item->path, 0)) {
        w->done++;
        item->kind = '-';
        return;
    }
    failed(w, "delete", item->path);
    item->kind = '?';
    item->open_question = true;
}

/* -1: wrong bytes; 0: could not read that much; 1: all `size` bytes are right. */
static int compare(hdfsFS fs, const char *path, uint32_t id, int64_t size)
{
    hdfsFile file = hdfsOpenFile(fs, path, O_RDONLY, 0, 0, 0);
    uint8_t data[STEP], want[STEP];
    int64_t at = 0;
    tSize n = 0;

    if (!file) return 0;
    while (at < size && (n = hdfsRead(fs, file, data, (tSize)MIN(size - at, STEP))) > 0) {
        fill(want, id, at, (size_t)n);
        if (memcmp(data, want, (size_t)n)) {
            hdfsCloseFile(fs, file);
            return -1;
        }
        at += n;
    }
    hdfsCloseFile(fs, file);
    return at == size;
}

static void op_read(struct worker *w, struct item *item)
{
    const struct content *content = &item->contents[0];
    int rc = compare(w->fs, item->path, content->id, content->min);

    if (rc < 0) {
        fprintf(stderr, "%s: wrong bytes\n", item->path);
        _exit(3);
    }
    if (!rc) failed(w, "read", item->path);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (!stopping) {
        struct item *item = any_item(w);
        uint64_t pick = rand_below(&w->rand, 100);
        if (pick < 50 || !item)
            op_create(w);
        else if (pick < 60)
            op_overwrite(w, item);
        else if (pick < 72)
            op_append(w, item);
        else if (pick < 84)
            op_rename(w, item);
        else if (pick < 95)
            op_delete(w, item);
        else
            op_read(w, item);
    }
    return NULL;
}

static void write_item(FILE *out, const struct item *item)
{
    const struct content *c = item->contents;

    fprintf(out, "%c %s %s %u %" PRId64 " %" PRId64 " %u %" PRId64 " %" PRId64 "\n", item->kind,
            item->path, item->other, c[0].id, c[0].min, c[0].max, c[1].id, c[1].min, c[1].max);
}

static int load(const char *base, uint64_t seed, int threads, const char *ledger)
{
    struct worker *workers = calloc((size_t)threads, sizeof *workers);
    hdfsFS fs = hdfsConnect("default", 0);
    uint64_t done = 0, failures = 0;
    FILE *out = fopen(ledger, "w");

    if (!fs || !out) return 1;
    signal(SIGTERM, on_term);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.fs = fs, .base = base, .number = i};
        workers[i].items = calloc(ITEMS_MAX, sizeof *workers[i].items);
        rand_seed(&workers[i].rand, seed * 100 + (uint64_t)i);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) return 1;
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        for (size_t k = 0; k < workers[i].count; k++) write_item(out, &workers[i].items[k]);
        done += workers[i].done;
        failures += workers[i].failed;
        free(workers[i].items);
    }
    free(workers);
    hdfsDisconnect(fs);
    printf("%" PRIu64 " acknowledged, %" PRIu64 " failed\n", done, failures);
    return fclose(out) ? 1 : 0;
}

/* ---- verify ---- */

static bool complain(const struct item *item, const char *path, const char *what)
{
    printf("%c %s (%s): %s: %s\n", item->kind, item->path, path, what, hdfs_last_error());
    return false;
}

/* One of the contents is at `path`, in a length it may have. What is a promise must be readable;
 * the rest of a file that nobody closed need not be. */
static bool holds(hdfsFS fs, const struct item *item, const char *path, int64_t size)
{
    bool unread = false;

    for (int i = 0; i < 2; i++) {
        const struct content *c = &item->contents[i];
        if (!c->id || size > c->max || size < c->min) continue;
        int rc = compare(fs, path, c->id, MAX(c->min, MIN(size, c->max)));
        if (rc > 0) return true;
        if (!rc && c->max > c->min) rc = compare(fs, path, c->id, c->min);
        if (rc > 0) return true;
        unread |= !rc;
    }
    printf("%s has %" PRId64 " bytes; %s\n", path, size, unread ? "some cannot be read" : "wrong");
    return complain(item, path, "content");
}

/* A file that a failed call may have left open is closed by lease recovery: that must succeed. */
static bool close_file(struct fs *native, const struct item *item, const char *path)
{
    struct err err = ERR_INIT;
    bool closed = true;
    int rc = fs_recover_lease(native, path, &closed, &err);

    if ((!rc && closed) || rc == ERR_NOT_FOUND) return true;
    if (rc) printf("recovering the lease: %s\n", err.text);
    return complain(item, path, "is still open");
}

static bool check_item(hdfsFS fs, struct fs *native, const struct item *item)
{
    const char *paths[] = {item->path, item->other};
    int found = 0;

    if (item->open_question && !close_file(native, item, item->path)) return false;
    for (int i = 0; i < (str_eq(item->other, "-") ? 1 : 2); i++) {
        hdfsFileInfo *info = hdfsGetPathInfo(fs, paths[i]);
        if (!info && errno != ENOENT) return complain(item, paths[i], "status");
        if (!info) continue;
        int64_t size = info->mSize;
        hdfsFreeFileInfo(info, 1);
        found++;
        if (item->kind == '-') return complain(item, paths[i], "was deleted and is there");
        if (!holds(fs, item, paths[i], size)) return false;
    }
    if (found > 1) return complain(item, item->other, "both names are there");
    return found || item->kind != '=' || complain(item, item->path, "is lost");
}

static bool read_item(FILE *in, struct item *item)
{
    struct content *c = item->contents;

    int fields = fscanf(in, " %c %159s %159s %u %" SCNd64 " %" SCNd64 " %u %" SCNd64 " %" SCNd64,
                        &item->kind, item->path, item->other, &c[0].id, &c[0].min, &c[0].max,
                        &c[1].id, &c[1].min, &c[1].max);
    item->open_question = c[0].min != c[0].max || c[1].id;
    return fields == 9;
}

/* Datanodes may still be on their way back: what does not hold is looked at again for a while. */
static int verify(const char *ledger, int64_t timeout_ms)
{
    hdfsFS fs = hdfsConnect("default", 0);
    FILE *in = fopen(ledger, "r");
    int64_t deadline = deadline_in(timeout_ms);
    uint64_t checked = 0, lost = 0;
    struct conf *conf = conf_new();
    struct fs *native = NULL;
    struct err err = ERR_INIT;
    struct item item;

    if (!fs || !in || conf_load_env(conf, &err) || fs_connect(conf, NULL, NULL, &native, &err))
        return 1;
    conf_free(conf);
    while (read_item(in, &item)) { /* all recoveries begin, so that one heartbeat starts them */
        bool closed;
        if (item.open_question && fs_recover_lease(native, item.path, &closed, &err)) continue;
    }
    rewind(in);
    while (read_item(in, &item)) {
        bool good = check_item(fs, native, &item);
        while (!good && deadline_left_ms(deadline)) {
            clock_sleep_ms(200);
            good = check_item(fs, native, &item);
        }
        if (!good) printf("LOST: %s\n", item.path);
        checked++;
        lost += !good;
    }
    bool complete = feof(in);
    fclose(in);
    fs_close(native);
    hdfsDisconnect(fs);
    printf("%" PRIu64 " files checked, %" PRIu64 " not as promised\n", checked, lost);
    return lost || !complete || !checked;
}

int main(int argc, char **argv)
{
    if (argc == 6 && str_eq(argv[1], "load"))
        return load(argv[2], strtoull(argv[3], NULL, 10), atoi(argv[4]), argv[5]);
    if ((argc == 3 || argc == 4) && str_eq(argv[1], "verify"))
        return verify(argv[2], argc == 4 ? atoll(argv[3]) * 1000 : 15000);
    fprintf(stderr, "usage: kill_load load BASE SEED THREADS LEDGER | verify LEDGER [SECONDS]\n");
    return 2;
}
