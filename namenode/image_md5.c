/* An image against the .md5 beside it (MD5FileUtils). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/checksum.h"
#include "namenode/image_load.h"

enum { MD5_FILE_MAX = 4096, MD5_CHUNK = 1024 * 1024 };

static int md5_of_file(const char *path, char hex[2 * MD5_SIZE + 1], struct err *err)
{
    struct md5 *md5 = md5_new();
    uint8_t digest[MD5_SIZE], *chunk = mem_alloc(MD5_CHUNK);
    int64_t size, at = 0;
    int fd = -1;
    int rc = file_size(path, &size, err);

    if (!rc) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) rc = err_set_errno(err, errno, "open %s", path);
    }
    while (!rc && at < size) {
        size_t part = (size_t)MIN(size - at, (int64_t)MD5_CHUNK);
        rc = file_pread_full(fd, chunk, part, at, err);
        if (!rc) md5_update(md5, chunk, part);
        at += (int64_t)part;
    }
    if (fd >= 0) close(fd);
    md5_finish(md5, digest);
    md5_hex(digest, hex);
    md5_free(md5);
    mem_free(chunk);
    return rc;
}

int image_check_md5(const char *path, struct err *err)
{
    char *sum_path = mem_printf("%s.md5", path), hex[2 * MD5_SIZE + 1];
    struct buf stored = {0};
    int rc = file_read(sum_path, MD5_FILE_MAX, &stored, err);

    if (!rc) rc = md5_of_file(path, hex, err);
    if (!rc && (stored.length < 2 * MD5_SIZE || memcmp(stored.data, hex, 2 * MD5_SIZE)))
        rc = err_set(err, ERR_CHECKSUM,
                     "Image file %s is corrupt with MD5 checksum of %s, but %s says %.32s", path,
                     hex, sum_path, buf_cstr(&stored));
    buf_release(&stored);
    mem_free(sum_path);
    return rc;
}
