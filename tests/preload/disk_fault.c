/*
 * Preloaded into a daemon: lets one sync of one file fail with EIO, as a disk that lost pages makes
 * the kernel say once - the next sync of the same file succeeds.
 *
 * $DISK_FAULT names a file. While it exists, the first fsync or fdatasync of a path that contains
 * the file's first line fails, and the file is removed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int sync_fn(int fd);

int fsync(int fd);
int fdatasync(int fd);

static bool is_due(int fd)
{
    const char *rule = getenv("DISK_FAULT");
    char link[64], path[4096], pattern[512] = "";

    int rule_fd = rule ? open(rule, O_RDONLY | O_CLOEXEC) : -1;
    if (rule_fd < 0) return false;
    ssize_t n = read(rule_fd, pattern, sizeof pattern - 1);
    close(rule_fd);
    pattern[strcspn(pattern, "\n")] = '\0';
    if (n <= 0 || !pattern[0]) return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return false;
    path[n] = '\0';
    return strstr(path, pattern) && unlink(rule) == 0;
}

static int sync_or_fail(const char *name, int fd)
{
    sync_fn *real = (sync_fn *)dlsym(RTLD_NEXT, name);

    if (!is_due(fd)) return real(fd);
    errno = EIO;
    return -1;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    return sync_or_fail("fsync", fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return sync_or_fail("fdatasync", fd);
}
