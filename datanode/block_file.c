#include "datanode/block_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"

enum { COPY_STEP = 1 << 20 };

/* ---- names ---- */

void block_data_name(char out[BLOCK_NAME_MAX], int64_t id)
{
    snprintf(out, BLOCK_NAME_MAX, "blk_%" PRId64, id);
}

void block_meta_name(char out[BLOCK_NAME_MAX], int64_t id, uint64_t gs)
{
    snprintf(out, BLOCK_NAME_MAX, "blk_%" PRId64 "_%" PRIu64 ".meta", id, gs);
}

/* "blk_" and a decimal number; returns what follows it, or NULL. */
static const char *parse_id(const char *name, int64_t *id)
{
    char *end;

    if (!str_starts(name, "blk_")) return NULL;
    name += 4;
    if (!(*name == '-' ? name[1] >= '0' && name[1] <= '9' : *name >= '0' && *name <= '9'))
        return NULL;
    errno = 0;
    *id = strtoll(name, &end, 10);
    return errno ? NULL : end;
}

bool block_parse_data_name(const char *name, int64_t *id)
{
    const char *rest = parse_id(name, id);

    return rest && !*rest;
}

bool block_parse_meta_name(const char *name, int64_t *id, uint64_t *gs)
{
    const char *rest = parse_id(name, id);
    char *end;

    if (!rest || *rest != '_' || rest[1] < '0' || rest[1] > '9') return false;
    errno = 0;
    *gs = strtoull(rest + 1, &end, 10);
    return !errno && str_eq(end, ".meta");
}

void block_dir_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id)
{
    switch (place) {
    case BLOCK_FINALIZED:
        snprintf(out, PATH_MAX, "%s/current/finalized/subdir%d/subdir%d", pool_dir,
                 (int)(id >> 16 & 0x1f), (int)(id >> 8 & 0x1f));
        break;
    case BLOCK_RBW: snprintf(out, PATH_MAX, "%s/current/rbw", pool_dir); break;
    case BLOCK_TMP: snprintf(out, PATH_MAX, "%s/tmp", pool_dir); break;
    }
}

static void append_name(char path[PATH_MAX], const char *name)
{
    size_t used = strlen(path);

    snprintf(path + used, PATH_MAX - used, "/%s", name);
}

void block_data_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id)
{
    char name[BLOCK_NAME_MAX];

    block_dir_path(out, pool_dir, place, id);
    block_data_name(name, id);
    append_name(out, name);
}

void block_restart_path(char out[PATH_MAX], const char *pool_dir, int64_t id)
{
    char name[BLOCK_NAME_MAX];

    block_dir_path(out, pool_dir, BLOCK_RBW, id);
    block_data_name(name, id);
    size_t length = strlen(out);
    snprintf(out + length, PATH_MAX - length, ":.%s.restart", name);
}

void block_meta_path(char out[PATH_MAX], const char *pool_dir, enum block_place place, int64_t id,
                     uint64_t gs)
{
    char name[BLOCK_NAME_MAX];

    block_dir_path(out, pool_dir, place, id);
    block_meta_name(name, id, gs);
    append_name(out, name);
}

/* ---- checksums ---- */

int64_t block_meta_size(int64_t length, const struct checksum *sum)
{
    return BLOCK_META_HEADER + (int64_t)checksum_bytes(sum, (size_t)length);
}

/* ---- the open pair ---- */

static int open_one(const char *path, int flags, int *fd, struct err *err)
{
    *fd = open(path, flags | O_CLOEXEC, 0644);
    return *fd < 0 ? err_set_errno(err, errno, "open %s", path) : 0;
}

int block_file_create(struct block_file *file, const char *data_path, const char *meta_path,
                      const struct checksum *sum, struct err *err)
{
    uint8_t header[BLOCK_META_HEADER];

    *file = (struct block_file)BLOCK_FILE_INIT;
    file->sum = *sum;
    set_be16(header, BLOCK_META_VERSION);
    header[2] = (uint8_t)sum->type;
    set_be32(header + 3, sum->bytes_per_checksum);

    int rc = open_one(data_path, O_RDWR | O_CREAT | O_EXCL, &file->data_fd, err);
    if (rc) return rc;
    rc = open_one(meta_path, O_RDWR | O_CREAT | O_EXCL, &file->meta_fd, err);
    if (rc) {
        unlink(data_path);
        goto fail;
    }
    rc = file_pwrite_full(file->meta_fd, header, sizeof header, 0, err);
    if (!rc) return 0;
    unlink(meta_path);
    unlink(data_path);
fail:
    block_file_close(file);
    return rc;
}

static int read_header(struct block_file *file, const char *meta_path, struct err *err)
{
    uint8_t header[BLOCK_META_HEADER];

    int rc = file_pread_full(file->meta_fd, header, sizeof header, 0, err);
    if (rc == ERR_EOF) return err_set(err, ERR_CORRUPT, "%s is shorter than its header", meta_path);
    if (rc) return err_wrap(err, rc, "%s", meta_path);
    if (get_be16(header) != BLOCK_META_VERSION)
        return err_set(err, ERR_CORRUPT, "%s has version %u instead of %d", meta_path,
                       get_be16(header), BLOCK_META_VERSION);
    if (checksum_init(&file->sum, header[2], (int32_t)get_be32(header + 3), err))
        return err_wrap(err, ERR_CORRUPT, "%s has a damaged header", meta_path);
    return 0;
}

static int open_pair(struct block_file *file, const char *data_path, const char *meta_path,
                     int flags, struct err *err)
{
    *file = (struct block_file)BLOCK_FILE_INIT;
    int rc = open_one(data_path, flags, &file->data_fd, err);
    if (rc) return rc;
    rc = open_one(meta_path, flags, &file->meta_fd, err);
    if (rc == ERR_NOT_FOUND && flags == O_RDONLY) return 0;
    if (!rc) rc = read_header(file, meta_path, err);
    if (rc) block_file_close(file);
    return rc;
}

int block_file_open(struct block_file *file, const char *data_path, const char *meta_path,
                    struct err *err)
{
    return open_pair(file, data_path, meta_path, O_RDONLY, err);
}

/* Reads the chunk around `length` and verifies as much of it as its CRC covers, which ends at
 * data_length or at the chunk's end; leaves the CRC of the part before `length`. */
static int check_chunk(const struct block_file *file, int64_t length, int64_t data_length,
                       uint32_t *crc, struct err *err)
{
    uint32_t bpc = file->sum.bytes_per_checksum;
    int64_t start = length - length % bpc;
    size_t covered = (size_t)MIN(data_length - start, (int64_t)bpc);
    uint8_t *chunk = mem_alloc(covered), stored[4];

    int rc = file_pread_full(file->data_fd, chunk, covered, start, err);
    if (!rc)
        rc = file_pread_full(file->meta_fd, stored, 4, BLOCK_META_HEADER + start / bpc * 4, err);
    if (!rc && checksum_update(file->sum.type, 0, chunk, covered) != get_be32(stored))
        rc =
            err_set(err, ERR_CORRUPT,
                    "Partial CRC %u does not match value computed the last time file was closed %u",
                    checksum_update(file->sum.type, 0, chunk, covered), get_be32(stored));
    if (!rc) *crc = checksum_update(file->sum.type, 0, chunk, (size_t)(length - start));
    mem_free(chunk);
    return rc == ERR_EOF
               ? err_set(err, ERR_CORRUPT, "the block's files end before %" PRId64, length)
               : rc;
}

static int file_length(int fd, int64_t *length, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st)) return err_set_errno(err, errno, "stat");
    *length = st.st_size;
    return 0;
}

int block_file_cut(struct block_file *file, int64_t length, struct err *err)
{
    int64_t present;
    uint8_t crc[4];

    int rc = file_length(file->data_fd, &present, err);
    if (rc) return rc;
    if (present < length)
        return err_set(err, ERR_CORRUPT, "the block file has %" PRId64 " bytes instead of %" PRId64,
                       present, length);
    file->last_crc = 0;
    if (checksum_size(&file->sum) && length % file->sum.bytes_per_checksum) {
        rc = check_chunk(file, length, present, &file->last_crc, err);
        if (rc) return rc;
        set_be32(crc, file->last_crc);
        if (present > length)
            rc = file_pwrite_full(file->meta_fd, crc, 4,
                                  BLOCK_META_HEADER + length / file->sum.bytes_per_checksum * 4,
                                  err);
    }
    if (!rc && present > length && ftruncate(file->data_fd, length))
        rc = err_set_errno(err, errno, "truncate to %" PRId64, length);
    int64_t meta = block_meta_size(length, &file->sum), meta_present;
    if (!rc) rc = file_length(file->meta_fd, &meta_present, err);
    if (!rc && meta_present < meta)
        rc = err_set(err, ERR_CORRUPT, "the meta file has %" PRId64 " bytes instead of %" PRId64,
                     meta_present, meta);
    if (!rc && meta_present > meta && ftruncate(file->meta_fd, meta))
        rc = err_set_errno(err, errno, "truncate checksums to %" PRId64, meta);
    if (!rc) file->on_disk = length;
    return rc;
}

int copy_bytes(int from, int to, int64_t size, struct err *err)
{
    off_t in = 0, out = 0;

    while (in < size) {
        ssize_t n =
            copy_file_range(from, &in, to, &out, (size_t)MIN(size - in, (int64_t)COPY_STEP), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set_errno(err, errno, "copy block");
        if (n == 0)
            return err_set(err, ERR_CORRUPT, "the block's file ends at %" PRId64, (int64_t)in);
    }
    return 0;
}

/* A file that an upgrade's `previous` holds too (its second name) becomes one of its own, before it is changed. LocalReplica.breakHardLinksIfNeeded. */
static int own_file(const char *path, struct err *err)
{
    char copy[PATH_MAX];
    struct stat st;
    int to, rc;

    if (stat(path, &st)) return err_set_errno(err, errno, "stat %s", path);
    if (st.st_nlink < 2) return 0;
    if (snprintf(copy, sizeof copy, "%s.unlinked", path) >= (int)sizeof copy)
        return err_set(err, ERR_LIMIT, "overlong path %s", path);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) return err_set_errno(err, errno, "open %s", path);
    to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    rc = to < 0 ? err_set_errno(err, errno, "create %s", copy)
                : copy_bytes(from, to, st.st_size, err);
    if (!rc) rc = file_sync(to, copy, err);
    if (!rc && rename(copy, path)) rc = err_set_errno(err, errno, "rename %s to %s", copy, path);
    if (rc && to >= 0) unlink(copy);
    close(from);
    if (to >= 0) close(to);
    return rc;
}

int block_file_reopen(struct block_file *file, const char *data_path, const char *meta_path,
                      int64_t length, struct err *err)
{
    int rc;

    *file = (struct block_file)BLOCK_FILE_INIT;
    rc = own_file(data_path, err);
    if (!rc) rc = own_file(meta_path, err);
    if (!rc) rc = open_pair(file, data_path, meta_path, O_RDWR, err);
    if (!rc) rc = block_file_cut(file, length, err);
    if (rc) block_file_close(file);
    return rc ? err_wrap(err, rc, "%s", data_path) : 0;
}

void block_file_close(struct block_file *file)
{
    if (file->data_fd >= 0) close(file->data_fd);
    if (file->meta_fd >= 0) close(file->meta_fd);
    file->data_fd = file->meta_fd = -1;
}

/* CRCs for [on_disk, on_disk + size), the first one continuing the partial chunk. */
static void continue_crcs(const struct block_file *file, const uint8_t *data, size_t size,
                          uint8_t *crcs)
{
    size_t inside = (size_t)(file->on_disk % file->sum.bytes_per_checksum);

    if (inside) {
        size_t rest = MIN(size, file->sum.bytes_per_checksum - inside);
        set_be32(crcs, checksum_update(file->sum.type, file->last_crc, data, rest));
        data += rest;
        size -= rest;
        crcs += 4;
    }
    checksum_compute(&file->sum, data, size, crcs);
}

static int write_crcs(struct block_file *file, int64_t offset, const uint8_t *data, size_t size,
                      const uint8_t *crcs, struct err *err)
{
    int64_t bpc = file->sum.bytes_per_checksum, end = offset + (int64_t)size;
    int64_t start = file->on_disk - file->on_disk % bpc; /* of the first chunk whose CRC is new */
    size_t bytes = (size_t)DIV_UP(end - start, bpc) * 4;
    uint8_t *computed = NULL;

    if (crcs && offset % bpc == 0) {
        crcs += (start - offset) / bpc * 4;
    } else {
        computed = mem_alloc(bytes);
        continue_crcs(file, data + (file->on_disk - offset), (size_t)(end - file->on_disk),
                      computed);
        crcs = computed;
    }
    int rc = file_pwrite_full(file->meta_fd, crcs, bytes, BLOCK_META_HEADER + start / bpc * 4, err);
    if (!rc) file->last_crc = get_be32(crcs + bytes - 4);
    mem_free(computed);
    return rc;
}

int block_file_write(struct block_file *file, int64_t offset, const uint8_t *data, size_t size,
                     const uint8_t *crcs, struct err *err)
{
    int64_t end = offset + (int64_t)size;

    assert(offset <= file->on_disk);
    if (end <= file->on_disk) return 0;
    int64_t skip = file->on_disk - offset;
    int rc = file_pwrite_full(file->data_fd, data + skip, size - (size_t)skip, file->on_disk, err);
    if (!rc && checksum_size(&file->sum)) rc = write_crcs(file, offset, data, size, crcs, err);
    if (!rc) file->on_disk = end;
    return rc;
}

void block_file_write_behind(const struct block_file *file, int64_t from, int64_t to)
{
    sync_file_range(file->data_fd, from, to - from, SYNC_FILE_RANGE_WRITE);
}

int block_file_sync(const struct block_file *file, struct err *err)
{
    if (fdatasync(file->data_fd)) return err_set_errno(err, errno, "sync block file");
    if (file->meta_fd >= 0 && fdatasync(file->meta_fd))
        return err_set_errno(err, errno, "sync checksum file");
    return 0;
}

/* ---- after a crash ---- */

/* The longest prefix of the chunk that fits the CRC; 0 if none does. */
static size_t proven_prefix(enum checksum_type type, const uint8_t *chunk, size_t size,
                            uint32_t wanted)
{
    uint32_t crc = 0;
    size_t proven = 0;

    for (size_t i = 0; i < size; i++) {
        crc = checksum_update(type, crc, chunk + i, 1);
        if (crc == wanted) proven = i + 1;
    }
    return proven;
}

static int proven_length(struct block_file *file, int64_t *length, struct err *err)
{
    int64_t data, meta, bpc = file->sum.bytes_per_checksum;
    uint8_t *chunk, stored[4];

    int rc = file_length(file->data_fd, &data, err);
    if (!rc) rc = file_length(file->meta_fd, &meta, err);
    if (rc) return rc;
    if (!checksum_size(&file->sum)) {
        *length = data;
        return 0;
    }
    int64_t chunks = MIN(DIV_UP(data, bpc), (meta - BLOCK_META_HEADER) / 4);
    chunk = mem_alloc((size_t)bpc);
    *length = 0;
    for (int64_t i = chunks - 1; i >= 0 && !rc; i--) {
        size_t size = (size_t)MIN(bpc, data - i * bpc);
        rc = file_pread_full(file->data_fd, chunk, size, i * bpc, err);
        if (!rc) rc = file_pread_full(file->meta_fd, stored, 4, BLOCK_META_HEADER + i * 4, err);
        if (rc) break;
        bool whole = checksum_update(file->sum.type, 0, chunk, size) == get_be32(stored);
        size_t proven = whole ? size : proven_prefix(file->sum.type, chunk, size, get_be32(stored));
        if (!proven) continue;
        *length = i * bpc + (int64_t)proven;
        break;
    }
    mem_free(chunk);
    return rc;
}

int block_file_proven(const char *data_path, const char *meta_path, int64_t *length,
                      struct err *err)
{
    struct block_file file;

    *length = 0;
    int rc = block_file_open(&file, data_path, meta_path, err);
    if (rc == ERR_CORRUPT) return 0; /* no header, nothing proven */
    if (rc) return rc;
    if (file.meta_fd >= 0) rc = proven_length(&file, length, err);
    block_file_close(&file);
    return rc ? err_wrap(err, rc, "%s", data_path) : 0;
}
