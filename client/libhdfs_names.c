/* libhdfs: names and what is known about them. */
#include <limits.h>
#include <stdlib.h>

#include "client/in_stream.h"
#include "client/libhdfs_state.h"
#include "client/out_stream.h"

enum { COPY_BUFFER = 1024 * 1024, COPY_DEPTH_MAX = 1000 };

/* ---- one path ---- */

int hdfsExists(hdfsFS fs, const char *path)
{
    char *absolute = libhdfs_path(fs, path);

    if (!absolute) return -1;
    int rc = fs_exists(fs->fs, absolute, libhdfs_err());
    if (rc == 0) libhdfs_refuse(ENOENT, "%s does not exist", absolute);
    if (rc < 0) libhdfs_fail();
    mem_free(absolute);
    return rc == 1 ? 0 : -1;
}

int hdfsDelete(hdfsFS fs, const char *path, int recursive)
{
    char *absolute = libhdfs_path(fs, path);
    bool deleted = false;

    if (!absolute) return -1;
    int rc = fs_delete(fs->fs, absolute, recursive != 0, &deleted, libhdfs_err());
    if (rc)
        libhdfs_fail();
    else if (!deleted)
        libhdfs_refuse(EIO, "%s was not deleted: it does not exist, or is the root", absolute);
    mem_free(absolute);
    return !rc && deleted ? 0 : -1;
}

int hdfsRename(hdfsFS fs, const char *oldPath, const char *newPath)
{
    char *from = libhdfs_path(fs, oldPath), *to = from ? libhdfs_path(fs, newPath) : NULL;
    bool renamed = false;
    int rc = -1;

    if (to) {
        rc = fs_rename(fs->fs, from, to, &renamed, libhdfs_err());
        if (rc)
            libhdfs_fail();
        else if (!renamed)
            libhdfs_refuse(EIO,
                           "%s was not renamed to %s: the first is missing, or the second exists",
                           from, to);
    }
    mem_free(from);
    mem_free(to);
    return !rc && renamed ? 0 : -1;
}

int hdfsCreateDirectory(hdfsFS fs, const char *path)
{
    char *absolute = libhdfs_path(fs, path);

    if (!absolute) return -1;
    int rc = fs_mkdirs(fs->fs, absolute, 0777, true, libhdfs_err());
    mem_free(absolute);
    return rc ? libhdfs_fail() : 0;
}

int hdfsSetReplication(hdfsFS fs, const char *path, int16_t replication)
{
    char *absolute = libhdfs_path(fs, path);
    bool set = false;

    if (!absolute) return -1;
    int rc =
        fs_set_replication(fs->fs, absolute, (unsigned)MAX(replication, 0), &set, libhdfs_err());
    if (rc)
        libhdfs_fail();
    else if (!set)
        libhdfs_refuse(EINVAL, "%s is no file", absolute);
    mem_free(absolute);
    return !rc && set ? 0 : -1;
}

int hdfsChown(hdfsFS fs, const char *path, const char *owner, const char *group)
{
    char *absolute;
    int rc = 0;

    if (!owner && !group) return 0;
    absolute = libhdfs_path(fs, path);
    if (!absolute) return -1;
    rc = fs_set_owner(fs->fs, absolute, owner, group, libhdfs_err());
    mem_free(absolute);
    return rc ? libhdfs_fail() : 0;
}

int hdfsChmod(hdfsFS fs, const char *path, short mode)
{
    char *absolute = libhdfs_path(fs, path);

    if (!absolute) return -1;
    int rc = fs_set_permission(fs->fs, absolute, (uint32_t)mode & 01777, libhdfs_err());
    mem_free(absolute);
    return rc ? libhdfs_fail() : 0;
}

int hdfsUtime(hdfsFS fs, const char *path, tTime mtime, tTime atime)
{
    char *absolute = libhdfs_path(fs, path);

    if (!absolute) return -1;
    int rc = fs_set_times(fs->fs, absolute, mtime == -1 ? -1 : (int64_t)mtime * 1000,
                          atime == -1 ? -1 : (int64_t)atime * 1000, libhdfs_err());
    mem_free(absolute);
    return rc ? libhdfs_fail() : 0;
}

int hdfsTruncateFile(hdfsFS fs, const char *path, tOffset newlength)
{
    char *absolute = libhdfs_path(fs, path);
    bool done = false;

    if (!absolute) return -1;
    int rc = fs_truncate(fs->fs, absolute, (uint64_t)newlength, &done, libhdfs_err());
    mem_free(absolute);
    return rc ? libhdfs_fail() : done;
}

/* ---- status ---- */

/* The owner's string is followed by a byte that says whether the file is encrypted: the ABI's
 * struct has no field. */
static char *owner_string(const struct fs_status *status)
{
    size_t size = strlen(status->owner) + 1;
    char *owner = mem_alloc(size + 1);

    memcpy(owner, status->owner, size);
    owner[size] = (status->flags & FS_ENCRYPTED) != 0;
    return owner;
}

static void fill_info(hdfsFS fs, hdfsFileInfo *info, const struct fs_status *status)
{
    *info = (hdfsFileInfo){
        .mKind = status->type == FS_DIRECTORY ? kObjectKindDirectory : kObjectKindFile,
        .mName = mem_printf("%s%s", fs_uri(fs->fs), status->path),
        .mLastMod = (tTime)(status->mtime_ms / 1000),
        .mSize = (tOffset)status->length,
        .mReplication = (short)status->replication,
        .mBlockSize = (tOffset)status->block_size,
        .mOwner = owner_string(status),
        .mGroup = mem_strdup(status->group),
        .mPermissions = (short)status->mode,
        .mLastAccess = (tTime)(status->atime_ms / 1000),
    };
}

hdfsFileInfo *hdfsGetPathInfo(hdfsFS fs, const char *path)
{
    char *absolute = libhdfs_path(fs, path);
    struct fs_status status;

    if (!absolute) return NULL;
    int rc = fs_stat(fs->fs, absolute, &status, libhdfs_err());
    mem_free(absolute);
    if (rc) return libhdfs_fail(), NULL;
    hdfsFileInfo *info = NEW(hdfsFileInfo);
    fill_info(fs, info, &status);
    fs_status_release(&status);
    return info;
}

void hdfsFreeFileInfo(hdfsFileInfo *infos, int numEntries)
{
    for (int i = 0; infos && i < numEntries; i++) {
        mem_free(infos[i].mName);
        mem_free(infos[i].mOwner);
        mem_free(infos[i].mGroup);
    }
    mem_free(infos);
}

int hdfsFileIsEncrypted(hdfsFileInfo *info)
{
    return info->mOwner[strlen(info->mOwner) + 1];
}

hdfsFileInfo *hdfsListDirectory(hdfsFS fs, const char *path, int *numEntries)
{
    struct err *err;
    struct fs_listing *listing;
    const struct fs_status *status;
    hdfsFileInfo *infos = NULL;
    size_t count = 0, capacity = 0;
    char *absolute = libhdfs_path(fs, path);

    *numEntries = 0;
    if (!absolute) return NULL;
    err = libhdfs_err();
    int rc = fs_list(fs->fs, absolute, false, &listing, err);
    mem_free(absolute);
    if (rc) return libhdfs_fail(), NULL;
    while ((rc = fs_list_next(listing, &status, err)) == 1 && count < INT_MAX) {
        GROW(infos, capacity, count + 1);
        fill_info(fs, &infos[count++], status);
    }
    fs_list_close(listing);
    if (rc < 0) {
        hdfsFreeFileInfo(infos, (int)count);
        return libhdfs_fail(), NULL;
    }
    *numEntries = (int)count;
    errno = 0;
    return infos;
}

/* ---- blocks, numbers ---- */

static char **hosts_of(const struct fs_block *block)
{
    char **hosts = NEW_ARRAY(char *, block->replica_count + 1);

    for (size_t i = 0; i < block->replica_count; i++)
        hosts[i] = mem_strdup(block->replicas[i].host);
    return hosts;
}

char ***hdfsGetHosts(hdfsFS fs, const char *path, tOffset start, tOffset length)
{
    char *absolute = libhdfs_path(fs, path);
    struct fs_blocks *blocks;

    if (!absolute) return NULL;
    int rc = start < 0 || length < 0
                 ? err_set(libhdfs_err(), ERR_ARGUMENT, "Invalid start or len parameter")
                 : fs_block_locations(fs->fs, absolute, (uint64_t)start, (uint64_t)length, &blocks,
                                      libhdfs_err());
    mem_free(absolute);
    if (rc) return libhdfs_fail(), NULL;
    char ***all = NEW_ARRAY(char **, blocks->count + 1);
    for (size_t i = 0; i < blocks->count; i++) all[i] = hosts_of(&blocks->blocks[i]);
    fs_blocks_free(blocks);
    return all;
}

void hdfsFreeHosts(char ***blockHosts)
{
    for (char ***block = blockHosts; block && *block; block++) {
        for (char **host = *block; *host; host++) mem_free(*host);
        mem_free(*block);
    }
    mem_free(blockHosts);
}

tOffset hdfsGetDefaultBlockSize(hdfsFS fs)
{
    return fs ? (tOffset)fs_default_block_size(fs->fs) : libhdfs_refuse(EINVAL, "no file system");
}

tOffset hdfsGetDefaultBlockSizeAtPath(hdfsFS fs, const char *path UNUSED)
{
    return hdfsGetDefaultBlockSize(fs);
}

tOffset hdfsGetCapacity(hdfsFS fs)
{
    struct fs_stats stats;

    return fs_stats(fs->fs, &stats, libhdfs_err()) ? libhdfs_fail() : (tOffset)stats.capacity;
}

tOffset hdfsGetUsed(hdfsFS fs)
{
    struct fs_stats stats;

    return fs_stats(fs->fs, &stats, libhdfs_err()) ? libhdfs_fail() : (tOffset)stats.used;
}

/* ---- copies ---- */

struct copy {
    struct fs *from, *to;
    uint8_t *buffer;
    unsigned depth;
};

static int copy_bytes(struct copy *copy, struct in_stream *in, struct out_stream *out,
                      struct err *err)
{
    for (;;) {
        ssize_t n = in_stream_read(in, copy->buffer, COPY_BUFFER, err);
        if (n <= 0) return (int)n;
        int rc = out_stream_write(out, copy->buffer, (size_t)n, err);
        if (rc) return rc;
    }
}

static int copy_file(struct copy *copy, const char *from, const char *to, struct err *err)
{
    struct fs_create_options options = {.overwrite = true};
    struct in_stream *in;
    struct out_stream *out;

    int rc = fs_open(copy->from, from, NULL, &in, err);
    if (rc) return rc;
    rc = fs_create(copy->to, to, &options, &out, err);
    if (!rc) {
        rc = copy_bytes(copy, in, out, err);
        if (rc)
            out_stream_abort(out);
        else
            rc = out_stream_close(out, err);
    }
    in_stream_close(in);
    return rc;
}

static int copy_tree(struct copy *copy, const struct fs_status *from, const char *to,
                     struct err *err);

static int copy_directory(struct copy *copy, const char *from, const char *to, struct err *err)
{
    const struct fs_status *entry;
    struct fs_listing *listing;

    if (copy->depth >= COPY_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%s is more than %d levels deep", from, COPY_DEPTH_MAX);
    int rc = fs_mkdirs(copy->to, to, 0777, true, err);
    if (!rc) rc = fs_list(copy->from, from, false, &listing, err);
    if (rc) return rc;
    copy->depth++;
    while ((rc = fs_list_next(listing, &entry, err)) == 1) {
        char *below = mem_printf("%s/%s", str_eq(to, "/") ? "" : to, entry->name);
        rc = copy_tree(copy, entry, below, err);
        mem_free(below);
        if (rc) break;
    }
    copy->depth--;
    fs_list_close(listing);
    return rc;
}

static int copy_tree(struct copy *copy, const struct fs_status *from, const char *to,
                     struct err *err)
{
    return from->type == FS_DIRECTORY ? copy_directory(copy, from->path, to, err)
                                      : copy_file(copy, from->path, to, err);
}

/* FileUtil.checkDest: into an existing directory under the source's name. */
static int choose_target(struct copy *copy, const struct fs_status *from, char **to,
                         struct err *err)
{
    struct fs_status status;

    int rc = fs_stat(copy->to, *to, &status, err);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc) return rc;
    if (status.type == FS_DIRECTORY) {
        char *inside = mem_printf("%s/%s", str_eq(*to, "/") ? "" : *to, from->name);
        mem_free(*to);
        *to = inside;
    } else if (from->type == FS_DIRECTORY) {
        rc = err_set(err, ERR_EXISTS, "Target %s already exists", *to);
    }
    fs_status_release(&status);
    return rc;
}

/* FileUtil.checkDependencies */
static int check_not_inside(struct copy *copy, const char *from, const char *to, struct err *err)
{
    size_t length = strlen(from);

    if (!str_eq(fs_uri(copy->from), fs_uri(copy->to)) || strncmp(from, to, length)) return 0;
    if (to[length] && to[length] != '/' && !str_eq(from, "/")) return 0;
    return err_set(err, ERR_IO, "Cannot copy %s to %s %s.", from,
                   to[length] ? "its subdirectory" : "itself", to);
}

static int copy_paths(hdfsFS srcFS, char *from, hdfsFS dstFS, char **to, bool move, struct err *err)
{
    struct copy copy = {.from = srcFS->fs, .to = dstFS->fs};
    struct fs_status status;

    int rc = fs_stat(copy.from, from, &status, err);
    if (rc) return rc;
    rc = choose_target(&copy, &status, to, err);
    if (!rc) rc = check_not_inside(&copy, from, *to, err);
    if (!rc) {
        copy.buffer = mem_alloc(COPY_BUFFER);
        rc = copy_tree(&copy, &status, *to, err);
        mem_free(copy.buffer);
    }
    if (!rc && move) rc = fs_delete(copy.from, from, true, NULL, err);
    fs_status_release(&status);
    return rc;
}

static int copy_or_move(hdfsFS srcFS, const char *src, hdfsFS dstFS, const char *dst, bool move)
{
    char *from = libhdfs_path(srcFS, src), *to = from ? libhdfs_path(dstFS, dst) : NULL;
    int rc = -1;

    if (to) {
        rc = copy_paths(srcFS, from, dstFS, &to, move, libhdfs_err());
        if (rc) libhdfs_fail();
    }
    mem_free(from);
    mem_free(to);
    return rc ? -1 : 0;
}

int hdfsCopy(hdfsFS srcFS, const char *src, hdfsFS dstFS, const char *dst)
{
    return copy_or_move(srcFS, src, dstFS, dst, false);
}

int hdfsMove(hdfsFS srcFS, const char *src, hdfsFS dstFS, const char *dst)
{
    return copy_or_move(srcFS, src, dstFS, dst, true);
}
