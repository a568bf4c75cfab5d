#include "namenode/lease.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/mem.h"

struct holder;

struct lease_file {
    uint64_t id; /* inode */
    struct holder *holder;
    char *machine;
    TAILQ_ENTRY(lease_file) of_holder;
    UT_hash_handle hh;
};

struct holder {
    char *client;
    int64_t renewed_ms;
    uint64_t file_count;
    TAILQ_HEAD(, lease_file) files;
    TAILQ_ENTRY(holder) by_age;
    UT_hash_handle hh;
};

struct lease_table {
    struct lease_file *files;
    struct holder *holders;
    TAILQ_HEAD(holder_list, holder) by_age; /* renewed longest ago first */
};

struct lease_table *lease_table_new(void)
{
    struct lease_table *table = NEW(struct lease_table);

    TAILQ_INIT(&table->by_age);
    return table;
}

static void drop_holder(struct lease_table *table, struct holder *holder)
{
    TAILQ_REMOVE(&table->by_age, holder, by_age);
    HASH_DEL(table->holders, holder);
    mem_free(holder->client);
    mem_free(holder);
}

/* Takes the file from its holder, who goes with the last one. */
static void detach(struct lease_table *table, struct lease_file *file)
{
    struct holder *holder = file->holder;

    TAILQ_REMOVE(&holder->files, file, of_holder);
    file->holder = NULL;
    if (--holder->file_count == 0) drop_holder(table, holder);
}

static void drop_file(struct lease_table *table, struct lease_file *file)
{
    detach(table, file);
    HASH_DEL(table->files, file);
    mem_free(file->machine);
    mem_free(file);
}

void lease_table_free(struct lease_table *table)
{
    struct lease_file *file, *next;

    if (!table) return;
    HASH_ITER (hh, table->files, file, next) drop_file(table, file);
    mem_free(table);
}

static struct lease_file *find_file(const struct lease_table *table, uint64_t id)
{
    struct lease_file *file;

    HASH_FIND(hh, table->files, &id, sizeof id, file);
    return file;
}

static struct holder *find_holder(const struct lease_table *table, const char *client)
{
    struct holder *holder;

    HASH_FIND_STR(table->holders, client, holder);
    return holder;
}

static void touch(struct lease_table *table, struct holder *holder, int64_t now_ms)
{
    TAILQ_REMOVE(&table->by_age, holder, by_age);
    holder->renewed_ms = now_ms;
    TAILQ_INSERT_TAIL(&table->by_age, holder, by_age);
}

static struct holder *make_holder(struct lease_table *table, const char *client)
{
    struct holder *holder = NEW(struct holder);

    holder->client = mem_strdup(client);
    TAILQ_INIT(&holder->files);
    HASH_ADD_KEYPTR(hh, table->holders, holder->client, strlen(holder->client), holder);
    TAILQ_INSERT_TAIL(&table->by_age, holder, by_age);
    return holder;
}

static void attach(struct lease_file *file, struct holder *holder)
{
    file->holder = holder;
    TAILQ_INSERT_TAIL(&holder->files, file, of_holder);
    holder->file_count++;
}

void lease_add(struct lease_table *table, uint64_t file_id, const char *client, const char *machine,
               int64_t now_ms)
{
    struct holder *holder = find_holder(table, client);
    struct lease_file *file = find_file(table, file_id);
    char *machine_copy = mem_strdup(machine ? machine : ""); /* may be the present one's text */

    if (!holder) holder = make_holder(table, client);
    if (!file) {
        file = NEW(struct lease_file);
        file->id = file_id;
        HASH_ADD(hh, table->files, id, sizeof file->id, file);
    } else if (file->holder != holder) {
        detach(table, file);
    }
    mem_free(file->machine);
    file->machine = machine_copy;
    if (file->holder != holder) attach(file, holder);
    touch(table, holder, now_ms);
}

void lease_remove(struct lease_table *table, uint64_t file_id)
{
    struct lease_file *file = find_file(table, file_id);

    if (file) drop_file(table, file);
}

const char *lease_holder(const struct lease_table *table, uint64_t file_id)
{
    const struct lease_file *file = find_file(table, file_id);

    return file ? file->holder->client : NULL;
}

const char *lease_machine(const struct lease_table *table, uint64_t file_id)
{
    const struct lease_file *file = find_file(table, file_id);

    return file ? file->machine : NULL;
}

bool lease_renew(struct lease_table *table, const char *client, int64_t now_ms)
{
    struct holder *holder = find_holder(table, client);

    if (holder) touch(table, holder, now_ms);
    return holder != NULL;
}

void lease_renew_all(struct lease_table *table, int64_t now_ms)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &table->by_age, by_age) holder->renewed_ms = now_ms;
}

void lease_reassign(struct lease_table *table, uint64_t file_id, const char *new_client,
                    int64_t now_ms)
{
    struct lease_file *file = find_file(table, file_id);
    struct holder *holder;

    if (!file) return;
    holder = find_holder(table, new_client);
    if (!holder) holder = make_holder(table, new_client);
    if (holder != file->holder) {
        detach(table, file);
        attach(file, holder);
    }
    touch(table, holder, now_ms);
}

bool lease_soft_expired(const struct lease_table *table, const char *client, int64_t now_ms)
{
    const struct holder *holder = find_holder(table, client);

    return holder && now_ms - holder->renewed_ms > LEASE_SOFT_LIMIT_MS;
}

uint64_t lease_count(const struct lease_table *table)
{
    return HASH_COUNT(table->holders);
}
uint64_t lease_file_count(const struct lease_table *table)
{
    return HASH_COUNT(table->files);
}

const char *lease_next_expired(const struct lease_table *table, int64_t hard_limit_ms,
                               int64_t now_ms)
{
    const struct holder *oldest = TAILQ_FIRST(&table->by_age);

    return oldest && now_ms - oldest->renewed_ms > hard_limit_ms ? oldest->client : NULL;
}

/* Keeps the `max` smallest ids of those offered: a heap with the largest on top. */
static size_t offer(uint64_t *heap, size_t count, size_t max, uint64_t id)
{
    size_t at;

    if (count == max) {
        if (!max || id >= heap[0]) return count;
        for (at = 0; 2 * at + 1 < count;) { /* replaces the top */
            size_t child = 2 * at + 1;

            if (child + 1 < count && heap[child + 1] > heap[child]) child++;
            if (heap[child] <= id) break;
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = id;
        return count;
    }
    for (at = count; at && heap[(at - 1) / 2] < id; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = id;
    return count + 1;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

size_t lease_files(const struct lease_table *table, const char *client, uint64_t after,
                   uint64_t *ids, size_t max)
{
    const struct lease_file *file;
    size_t count = 0;

    if (client) {
        const struct holder *holder = find_holder(table, client);

        if (!holder) return 0;
        TAILQ_FOREACH (file, &holder->files, of_holder)
            if (file->id > after) count = offer(ids, count, max, file->id);
    } else {
        for (file = table->files; file; file = file->hh.next)
            if (file->id > after) count = offer(ids, count, max, file->id);
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    return count;
}
