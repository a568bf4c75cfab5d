#include "client/shell/copy.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/units.h"

enum { PROGRESS_AFTER_MS = 1000, PROGRESS_EVERY_MS = 250 };

static atomic_int interrupted; /* the signal; read by all copying threads */

static void on_signal(int signal_number)
{
    atomic_store(&interrupted, signal_number);
}

void copy_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool copy_interrupted(void)
{
    return interrupted != 0;
}

static void show_progress(struct copy_progress *progress, bool end)
{
    char done[UNITS_TEXT_MAX], rate[UNITS_TEXT_MAX];
    int64_t now = clock_mono_ms();

    if (!progress->started_ms) progress->started_ms = progress->shown_ms = now;
    if (end && progress->shown_ms != progress->started_ms) fputs("\r\033[K", stderr);
    if (end || now - progress->started_ms < PROGRESS_AFTER_MS ||
        now - progress->shown_ms < PROGRESS_EVERY_MS)
        return;
    progress->shown_ms = now;
    units_bytes((int64_t)progress->done, done);
    units_bytes((int64_t)progress->done * SECOND_MS / (now - progress->started_ms), rate);
    fprintf(stderr, "\r%s: %s", progress->title, done);
    if (progress->total) fprintf(stderr, " (%d%%)", (int)(progress->done * 100 / progress->total));
    fprintf(stderr, ", %s/s\033[K", rate);
}

static int check_interrupted(struct err *err)
{
    return interrupted ? err_set(err, ERR_CANCELLED, "Interrupted") : 0;
}

int copy_stream(struct vfs_in *in, struct vfs_out *out, struct copy_progress *progress,
                struct err *err)
{
    uint8_t *buffer = mem_alloc(COPY_BUFFER_SIZE);
    ssize_t got = 0;
    int rc = 0;

    while (!rc && (got = vfs_read(in, buffer, COPY_BUFFER_SIZE, err)) > 0) {
        rc = vfs_write(out, buffer, (size_t)got, err);
        if (!rc) rc = check_interrupted(err);
        if (!progress) continue;
        progress->done += (uint64_t)got;
        show_progress(progress, false);
    }
    if (progress) show_progress(progress, true);
    mem_free(buffer);
    return got < 0 ? (int)got : rc;
}

int write_stdout(const void *data, size_t size, struct err *err)
{
    const uint8_t *at = data;

    if (fflush(stdout)) return err_set(err, ERR_IO, "Unable to write to output stream.");
    while (size) {
        ssize_t written = write(STDOUT_FILENO, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return err_set(err, ERR_IO, "Unable to write to output stream.");
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

int copy_to_stdout(struct vfs_in *in, uint64_t limit, uint64_t *copied, struct err *err)
{
    uint8_t *buffer = mem_alloc(COPY_BUFFER_SIZE);
    uint64_t total = 0;
    ssize_t got = 0;
    int rc = 0;

    while (!rc && total < limit &&
           (got = vfs_read(in, buffer, MIN(COPY_BUFFER_SIZE, limit - total), err)) > 0) {
        total += (uint64_t)got;
        rc = write_stdout(buffer, (size_t)got, err);
    }
    if (copied) *copied = total;
    mem_free(buffer);
    return got < 0 ? (int)got : rc;
}

int copy_from_fd(int fd, struct vfs_out *out, struct err *err)
{
    uint8_t *buffer = mem_alloc(COPY_BUFFER_SIZE);
    int rc = 0;

    while (!rc) {
        ssize_t got = read(fd, buffer, COPY_BUFFER_SIZE);
        if (!got) break;
        if (got < 0 && errno != EINTR)
            rc = err_set(err, err_from_errno(errno), "%s", strerror(errno));
        if (got > 0) rc = vfs_write(out, buffer, (size_t)got, err);
        if (!rc) rc = check_interrupted(err);
    }
    mem_free(buffer);
    return rc;
}
