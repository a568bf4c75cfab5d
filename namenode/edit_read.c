/* Segments as files: finding, reading, looking over. Replay and recovery are in edit_replay.c. */
#include "namenode/edit_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };
/* Bytes that merely look like a record do not get past this and a CRC. */
#define TXID_JUMP_MAX (UINT64_C(1) << 32)

/* ---- finding ---- */

static bool parse_name(const char *name, struct edit_segment *out)
{
    int used = 0;

    *out = (struct edit_segment){0};
    if (sscanf(name, "edits_inprogress_%" SCNu64 "%n", &out->first, &used) == 1 && !name[used]) {
        out->in_progress = true;
        return true;
    }
    used = 0;
    return sscanf(name, "edits_%" SCNu64 "-%" SCNu64 "%n", &out->first, &out->last, &used) == 2 &&
           used && !name[used] && out->first <= out->last;
}

static int find_in_dir(struct nn_dir *dir, uint64_t from, struct edit_segments *out,
                       size_t *capacity, struct err *err)
{
    DIR *handle = opendir(dir->current);
    struct edit_segment segment;

    if (!handle && errno == ENOENT) return 0; /* not formatted yet */
    if (!handle) return err_set_errno(err, errno, "list %s", dir->current);
    for (struct dirent *entry; (entry = readdir(handle));) {
        if (!parse_name(entry->d_name, &segment)) continue;
        if (!segment.in_progress && segment.last < from) continue;
        segment.dir = dir;
        segment.path = mem_printf("%s/%s", dir->current, entry->d_name);
        GROW(out->items, *capacity, out->count + 1);
        out->items[out->count++] = segment;
    }
    closedir(handle);
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct edit_segment *x = a, *y = b;

    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    if (x->in_progress != y->in_progress) return x->in_progress ? 1 : -1;
    return x->last > y->last ? -1 : x->last < y->last;
}

int edit_segments_find(struct nn_storage *storage, uint64_t from, struct edit_segments *out,
                       struct err *err)
{
    size_t capacity = 0;
    struct err why = ERR_INIT;

    *out = (struct edit_segments){0};
    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        if (!nn_dir_live(dir, NN_DIR_IMAGE | NN_DIR_EDITS)) continue;
        if (find_in_dir(dir, from, out, &capacity, &why)) nn_dir_fail(dir, &why);
    }
    if (!nn_storage_live(storage, NN_DIR_EDITS)) {
        edit_segments_release(out);
        return err_set(err, ERR_IO, "no edits directory can be read: %s", why.text);
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_first);
    return 0;
}

void edit_segments_release(struct edit_segments *segments)
{
    for (size_t i = 0; i < segments->count; i++) mem_free(segments->items[i].path);
    mem_free(segments->items);
    *segments = (struct edit_segments){0};
}

/* ---- files in memory ---- */

struct mapping {
    const uint8_t *data;
    size_t size;
};

static int map_file(const char *path, struct mapping *out, struct err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    *out = (struct mapping){0};
    if (fd < 0) return err_set_errno(err, errno, "open %s", path);
    if (fstat(fd, &info)) {
        rc = err_set_errno(err, errno, "stat %s", path);
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            rc = err_set_errno(err, errno, "map %s", path);
        else
            *out = (struct mapping){.data = data, .size = (size_t)info.st_size};
    }
    close(fd);
    return rc;
}

static void unmap_file(struct mapping *file)
{
    if (file->data) munmap((void *)(uintptr_t)file->data, file->size);
    *file = (struct mapping){0};
}

static bool all_padding(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != EDIT_PADDING && data[i] != 0) return false;
    return true;
}

static bool header_missing(const struct mapping *file)
{
    return file->size < EDIT_HEADER_SIZE || all_padding(file->data, EDIT_HEADER_SIZE);
}

static int check_header(const char *path, const struct mapping *file, struct err *err)
{
    int32_t layout = (int32_t)get_be32(file->data);
    uint32_t flags = get_be32(file->data + 4);

    if (layout < LAYOUT_NAMENODE || layout > LAYOUT_EDITS_OLDEST)
        return err_set(
            err, ERR_INCORRECT_VERSION,
            "%s has layout version %d, this namenode reads %d to %d. Checkpoint with the version "
            "that wrote it first",
            path, layout, LAYOUT_EDITS_OLDEST, LAYOUT_NAMENODE);
    if (flags)
        return err_set(err, ERR_UNSUPPORTED, "%s has %u layout flags, none is known", path, flags);
    return 0;
}

/* ---- reading ---- */

struct edit_reader {
    char *path;
    struct mapping file;
    size_t at;
    uint64_t txid; /* of the last record; 0 before the first */
    struct arena arena;
};

int edit_reader_open(struct edit_reader **out, const char *path, struct err *err)
{
    struct mapping file;
    int rc = map_file(path, &file, err);

    if (rc) return rc;
    if (header_missing(&file))
        rc = err_set(err, ERR_EOF, "%s has no header", path);
    else
        rc = check_header(path, &file, err);
    if (rc) {
        unmap_file(&file);
        return rc;
    }
    struct edit_reader *reader = NEW(struct edit_reader);
    reader->path = mem_strdup(path);
    reader->file = file;
    reader->at = EDIT_HEADER_SIZE;
    *out = reader;
    return 0;
}

void edit_reader_close(struct edit_reader *reader)
{
    if (!reader) return;
    unmap_file(&reader->file);
    arena_release(&reader->arena);
    mem_free(reader->path);
    mem_free(reader);
}

uint64_t edit_reader_offset(const struct edit_reader *reader)
{
    return reader->at;
}

static int reader_error(const struct edit_reader *reader, int code, const char *what,
                        struct err *err)
{
    return err_set(err, code, "%s, offset %zu, after txid %" PRIu64 ": %s", reader->path,
                   reader->at, reader->txid, what);
}

int edit_reader_next(struct edit_reader *reader, struct edit *out, struct err *err)
{
    const uint8_t *data = reader->file.data + reader->at;
    struct edit_frame_info info;

    switch (edit_frame_look(data, reader->file.size - reader->at, &info)) {
    case EDIT_FRAME_END: return 0;
    case EDIT_FRAME_SHORT: return reader_error(reader, ERR_EOF, "the record is cut off", err);
    case EDIT_FRAME_DAMAGED:
        return reader_error(reader, ERR_CORRUPT, "the record is damaged (length or CRC)", err);
    case EDIT_FRAME_RECORD: break;
    }
    if (reader->txid && info.txid != reader->txid + 1)
        return reader_error(reader, ERR_CORRUPT,
                            "the next record has another txid than the next one", err);
    arena_clear(&reader->arena);
    int rc = edit_decode_layout(data, info.size, (int32_t)get_be32(reader->file.data),
                                &reader->arena, out, err);
    if (rc) return err_wrap(err, rc, "%s, offset %zu", reader->path, reader->at);
    reader->at += info.size;
    reader->txid = info.txid;
    return 1;
}

/* ---- looking over ---- */

/* The highest txid of a valid record from `at` on, found byte by byte; 0 when there is none. */
static uint64_t search_records(const struct mapping *file, size_t at, uint64_t after)
{
    uint64_t highest = 0;
    struct edit_frame_info info;

    for (; at + EDIT_RECORD_SIZE_MIN <= file->size; at++) {
        const uint8_t *p = file->data + at;
        if (p[0] > EDIT_REMOVE_EC_POLICY) continue;
        uint32_t length = get_be32(p + 1);
        uint64_t txid = get_be64(p + 5);
        if (length < 12 || length > file->size - at) continue;
        if (txid <= after || txid - after > TXID_JUMP_MAX) continue;
        if (edit_frame_look(p, file->size - at, &info) != EDIT_FRAME_RECORD) continue;
        highest = MAX(highest, info.txid);
        at += info.size - 1;
    }
    return highest;
}

/*
 * Is what stands at `at` a write cut off by a crash? The file was padding before, and disks write
 * whole sectors, so a torn write leaves padding inside the record: up to its end, or in all of one
 * sector. A record that is there in full and has a wrong CRC was written whole once, and hurt
 * later.
 */
static bool looks_torn(const struct mapping *file, size_t at, enum edit_frame kind,
                       const struct edit_frame_info *info)
{
    size_t end = info->size ? at + info->size : at + EDIT_RECORD_SIZE_MIN;

    if (kind == EDIT_FRAME_SHORT || end > file->size) return true;
    if (file->data[end - 1] == EDIT_PADDING || file->data[end - 1] == 0) return true;
    for (size_t sector = at / SECTOR * SECTOR; sector < end; sector += SECTOR) {
        size_t from = MAX(sector, at), to = MIN(sector + SECTOR, end);
        if (all_padding(file->data + from, to - from)) return true;
    }
    return false;
}

static void judge_end(const struct mapping *file, enum edit_frame kind,
                      const struct edit_frame_info *info, struct edit_scan *out)
{
    size_t at = out->valid_size;
    uint64_t beyond = search_records(file, at + 1, out->last);

    out->last_seen = MAX(out->last, beyond);
    if (beyond || kind == EDIT_FRAME_RECORD || !looks_torn(file, at, kind, info))
        out->damaged = true;
    else
        out->torn = true;
    if (out->damaged) out->last_seen = MAX(out->last_seen, out->last + 1);
}

static void scan_records(const struct mapping *file, struct edit_scan *out)
{
    struct edit_frame_info info;
    size_t at = EDIT_HEADER_SIZE;

    for (;;) {
        enum edit_frame kind = edit_frame_look(file->data + at, file->size - at, &info);
        bool follows = kind == EDIT_FRAME_RECORD && (!out->records || info.txid == out->last + 1);
        if (!follows) {
            out->valid_size = at;
            out->last_seen = out->last;
            if (kind != EDIT_FRAME_END) judge_end(file, kind, &info, out);
            return;
        }
        if (!out->records++) out->first = info.txid;
        out->last = info.txid;
        at += info.size;
    }
}

int edit_segment_scan(const char *path, struct edit_scan *out, struct err *err)
{
    struct mapping file;
    int rc = map_file(path, &file, err);

    *out = (struct edit_scan){0};
    if (rc) return rc;
    out->file_size = file.size;
    if (header_missing(&file)) {
        out->header_missing = true;
        out->last_seen = file.size ? search_records(&file, 0, 0) : 0;
        out->damaged = out->last_seen != 0;
    } else {
        rc = check_header(path, &file, err);
        if (!rc) scan_records(&file, out);
    }
    unmap_file(&file);
    return rc;
}
