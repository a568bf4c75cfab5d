/*
 * The journal's file calls, by --wrap: what lies under a write is kept until the sync that makes it last. A crash puts it back,
 * wholly or from some sector on. Called by the journal thread and by the main thread, which waits for it.
 */
#include "tests/sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

enum { SECTOR = 512, WRITES_MAX = 4096 };

struct write {
    char *path;
    uint8_t *old;
    size_t size;
    int64_t offset, old_length; /* of the file */
};

static struct write writes[WRITES_MAX];
static size_t write_count;
static bool dead;
static int syncs_left = -1, full_directory = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int __real_file_pwrite_full(int fd, const void *data, size_t size, int64_t offset, struct err *err);
int __wrap_file_pwrite_full(int fd, const void *data, size_t size, int64_t offset, struct err *err);
int __real_file_sync(int fd, const char *path, struct err *err);
int __wrap_file_sync(int fd, const char *path, struct err *err);

static char *path_of(int fd)
{
    char link[64], path[512];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    sim_require(length > 0, "readlink %s", link);
    return mem_strndup(path, (size_t)length);
}

static bool is_full(const char *path)
{
    char name[16];

    snprintf(name, sizeof name, "/name%d/", full_directory);
    return full_directory >= 0 && strstr(path, name);
}

static void keep_old(int fd, const char *path, size_t size, int64_t offset)
{
    struct write *write = &writes[write_count++];
    struct stat st;

    sim_require(write_count < WRITES_MAX, "too many writes without a sync");
    sim_require(fstat(fd, &st) == 0, "fstat %s", path);
    *write = (struct write){.path = mem_strdup(path),
                            .old = mem_zalloc(size),
                            .size = size,
                            .offset = offset,
                            .old_length = st.st_size};
    if (pread(fd, write->old, size, offset) < 0) sim_fail("pread %s", path);
}

int __wrap_file_pwrite_full(int fd, const void *data, size_t size, int64_t offset, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&lock);
    char *path = path_of(fd);
    if (strstr(path, "/edits_inprogress")) {
        if (dead) rc = err_set(err, ERR_IO, "the power is off");
        if (!rc && is_full(path)) rc = err_set_errno(err, ENOSPC, "write %s", path);
        if (!rc) keep_old(fd, path, size, offset);
    }
    mem_free(path);
    if (!rc) rc = __real_file_pwrite_full(fd, data, size, offset, err);
    pthread_mutex_unlock(&lock);
    return rc;
}

static void forget(size_t at)
{
    mem_free(writes[at].path);
    mem_free(writes[at].old);
}

/* Nothing waits for the real disk: a crash of the simulation's machine is not what it is about. */
int __wrap_file_sync(int fd, const char *path UNUSED, struct err *err)
{
    size_t kept = 0;
    int rc = 0;

    pthread_mutex_lock(&lock);
    char *real = path_of(fd);
    bool journal = strstr(real, "/edits_inprogress");
    if (journal && syncs_left >= 0 && syncs_left-- == 0) dead = true;
    if (journal && dead) rc = err_set(err, ERR_IO, "the power went in a sync");
    for (size_t i = 0; i < write_count && !rc; i++) {
        if (str_eq(writes[i].path, real))
            forget(i);
        else
            writes[kept++] = writes[i];
    }
    if (!rc) write_count = kept;
    mem_free(real);
    pthread_mutex_unlock(&lock);
    return rc;
}

void disk_power(bool on)
{
    pthread_mutex_lock(&lock);
    dead = !on;
    syncs_left = -1;
    pthread_mutex_unlock(&lock);
}

void disk_fail_in(int syncs)
{
    pthread_mutex_lock(&lock);
    syncs_left = syncs;
    pthread_mutex_unlock(&lock);
}

void disk_full(int which)
{
    pthread_mutex_lock(&lock);
    full_directory = which;
    pthread_mutex_unlock(&lock);
}

bool disk_is_dead(void)
{
    pthread_mutex_lock(&lock);
    bool is = dead;
    pthread_mutex_unlock(&lock);
    return is;
}

/* ---- the crash ---- */

enum fate { LOST, KEPT, CUT };

/* Disks write whole sectors; of a write that is cut those up to some sector are there. */
static void put_back(int fd, const struct write *write, enum fate fate)
{
    uint64_t sectors = (uint64_t)write->offset % SECTOR + write->size;
    uint64_t from = fate == CUT ? chance(sectors / SECTOR + 2) * SECTOR : 0;
    size_t skip = from > (uint64_t)write->offset % SECTOR
                      ? (size_t)(from - (uint64_t)write->offset % SECTOR)
                      : 0;

    if (skip < write->size &&
        pwrite(fd, write->old + skip, write->size - skip, write->offset + (int64_t)skip) < 0)
        sim_fail("pwrite %s", write->path);
    if (fate == LOST && ftruncate(fd, write->old_length)) sim_fail("ftruncate %s", write->path);
}

/* In the order they were made: some are there, one is cut, the rest is lost. */
void disk_crash(void)
{
    size_t whole = chance(write_count + 1);

    if (write_count) sim.counts.torn++;
    while (write_count) {
        const struct write *write = &writes[--write_count];
        enum fate fate = write_count > whole ? LOST : write_count == whole ? CUT : KEPT;
        int fd = open(write->path, O_RDWR | O_CLOEXEC);
        if (fd >= 0 && fate != KEPT) put_back(fd, write, fate);
        if (fd >= 0) close(fd);
        forget(write_count);
    }
    disk_power(true);
}
