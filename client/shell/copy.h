/*
 * Moving the bytes of one file. Any thread.
 *
 * A copy that a signal interrupts (SIGINT, SIGTERM) ends with ERR_CANCELLED, so that its temporary
 * file is removed; copy_catch_signals() is what makes that so.
 */
#ifndef CLIENT_SHELL_COPY_H
#define CLIENT_SHELL_COPY_H

#include "client/shell/vfs.h"

enum { COPY_BUFFER_SIZE = 256 * 1024 };

/* `title` is shown with the progress on a terminal, once it takes longer than a second; `total` 0:
 * unknown. */
struct copy_progress {
    const char *title;
    uint64_t total, done;
    int64_t started_ms, shown_ms;
};

/* All of `in` behind what `out` has; closes neither. `progress` may be NULL. */
int copy_stream(struct vfs_in *in, struct vfs_out *out, struct copy_progress *progress,
                struct err *err) MUST_CHECK;
/* At most `limit` bytes of `in` to standard output (behind what stdio holds). *copied may be NULL.
 * ERR_IO "Unable to write to output stream." when nobody reads it any more. */
int copy_to_stdout(struct vfs_in *in, uint64_t limit, uint64_t *copied, struct err *err) MUST_CHECK;
/* All of a descriptor. */
int copy_from_fd(int fd, struct vfs_out *out, struct err *err) MUST_CHECK;
int write_stdout(const void *data, size_t size, struct err *err) MUST_CHECK;

void copy_catch_signals(void); /* the first signal is remembered, a second one ends the process */
bool copy_interrupted(void);

#endif
