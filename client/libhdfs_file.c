/* libhdfs: open files. */
#include <limits.h>

#include "client/fs_state.h"
#include "client/in_stream.h"
#include "client/libhdfs_state.h"
#include "client/out_stream.h"

/* ---- opening ---- */

struct hdfsStreamBuilder {
    hdfsFS fs;
    char *path;
    int flags;
    int16_t replication;
    int64_t block_size;
};

static hdfsFile wrap(struct in_stream *in, struct out_stream *out)
{
    hdfsFile file = NEW(struct hdfsFile_internal);

    file->in = in;
    file->out = out;
    return file;
}

static hdfsFile open_read(hdfsFS fs, const char *path)
{
    struct in_stream *in;

    if (fs_open(fs->fs, path, NULL, &in, libhdfs_err())) return libhdfs_fail(), NULL;
    return wrap(in, NULL);
}

static hdfsFile open_append(hdfsFS fs, const char *path)
{
    struct out_stream *out;

    if (fs_append(fs->fs, path, false, &out, libhdfs_err())) return libhdfs_fail(), NULL;
    return wrap(NULL, out);
}

static hdfsFile open_write(hdfsFS fs, const char *path, int16_t replication, int64_t block_size)
{
    struct fs_create_options options = {
        .overwrite = true,
        .replication = (unsigned)replication,
        .block_size = (uint64_t)block_size,
    };
    struct out_stream *out;

    if (fs_create(fs->fs, path, &options, &out, libhdfs_err())) return libhdfs_fail(), NULL;
    return wrap(NULL, out);
}

static hdfsFile open_any(hdfsFS fs, const char *path, int flags, int16_t replication,
                         int64_t block_size)
{
    int mode = flags & O_ACCMODE;

    if (mode == O_RDWR || ((flags & O_CREAT) && (flags & O_EXCL))) {
        libhdfs_refuse(ENOTSUP, "cannot open an hdfs file in O_RDWR or O_CREAT | O_EXCL mode");
        return NULL;
    }
    if (replication < 0 || block_size < 0) {
        libhdfs_refuse(EINVAL, "replication %d or block size %" PRId64 " is negative", replication,
                       block_size);
        return NULL;
    }
    char *absolute = libhdfs_path(fs, path);
    if (!absolute) return NULL;
    hdfsFile file = mode == O_RDONLY     ? open_read(fs, absolute)
                    : (flags & O_APPEND) ? open_append(fs, absolute)
                                         : open_write(fs, absolute, replication, block_size);
    mem_free(absolute);
    return file;
}

hdfsFile hdfsOpenFile(hdfsFS fs, const char *path, int flags, int bufferSize UNUSED,
                      short replication, tSize blocksize)
{
    return open_any(fs, path, flags, replication, blocksize);
}

struct hdfsStreamBuilder *hdfsStreamBuilderAlloc(hdfsFS fs, const char *path, int flags)
{
    if (!fs || !path) {
        libhdfs_refuse(EINVAL, fs ? "no path" : "no file system");
        return NULL;
    }
    struct hdfsStreamBuilder *bld = NEW(struct hdfsStreamBuilder);
    bld->fs = fs;
    bld->path = mem_strdup(path);
    bld->flags = flags;
    return bld;
}

void hdfsStreamBuilderFree(struct hdfsStreamBuilder *bld)
{
    if (!bld) return;
    mem_free(bld->path);
    mem_free(bld);
}

int hdfsStreamBuilderSetBufferSize(struct hdfsStreamBuilder *bld, int32_t bufferSize UNUSED)
{
    return bld ? 0 : libhdfs_refuse(EINVAL, "no builder");
}

int hdfsStreamBuilderSetReplication(struct hdfsStreamBuilder *bld, int16_t replication)
{
    if ((bld->flags & O_ACCMODE) != O_WRONLY)
        return libhdfs_refuse(EINVAL, "replication is for files that are written");
    bld->replication = replication;
    return 0;
}

int hdfsStreamBuilderSetDefaultBlockSize(struct hdfsStreamBuilder *bld, int64_t defaultBlockSize)
{
    if ((bld->flags & O_ACCMODE) != O_WRONLY)
        return libhdfs_refuse(EINVAL, "a block size is for files that are written");
    bld->block_size = defaultBlockSize;
    return 0;
}

hdfsFile hdfsStreamBuilderBuild(struct hdfsStreamBuilder *bld)
{
    hdfsFile file = open_any(bld->fs, bld->path, bld->flags, bld->replication, bld->block_size);
    int saved = errno;

    hdfsStreamBuilderFree(bld);
    errno = saved;
    return file;
}

/* ---- opening by a future ---- */

struct hdfsOpenFileBuilder {
    hdfsFS fs;
    char *path;
    char *unknown; /* first mandatory option, of which none is known */
};

struct hdfsOpenFileFuture {
    hdfsFile file; /* NULL once handed out or cancelled */
};

hdfsOpenFileBuilder *hdfsOpenFileBuilderAlloc(hdfsFS fs, const char *path)
{
    if (!fs || !path) {
        libhdfs_refuse(EINVAL, fs ? "no path" : "no file system");
        return NULL;
    }
    hdfsOpenFileBuilder *builder = NEW(struct hdfsOpenFileBuilder);
    builder->fs = fs;
    builder->path = mem_strdup(path);
    return builder;
}

hdfsOpenFileBuilder *hdfsOpenFileBuilderMust(hdfsOpenFileBuilder *builder, const char *key,
                                             const char *value UNUSED)
{
    /* Hints about how the file will be read may be demanded, and are met by ignoring them. */
    if (!str_starts(key, "fs.option.openfile.") && !builder->unknown)
        builder->unknown = mem_strdup(key);
    return builder;
}

hdfsOpenFileBuilder *hdfsOpenFileBuilderOpt(hdfsOpenFileBuilder *builder, const char *key UNUSED,
                                            const char *value UNUSED)
{
    return builder;
}

void hdfsOpenFileBuilderFree(hdfsOpenFileBuilder *builder)
{
    if (!builder) return;
    mem_free(builder->path);
    mem_free(builder->unknown);
    mem_free(builder);
}

/* Java's opens in the background; ours has nothing to gain from that. The builder stays the
 * caller's. */
hdfsOpenFileFuture *hdfsOpenFileBuilderBuild(hdfsOpenFileBuilder *builder)
{
    if (builder->unknown) {
        libhdfs_refuse(EINVAL, "unknown mandatory key \"%s\"", builder->unknown);
        return NULL;
    }
    hdfsFile file = open_any(builder->fs, builder->path, O_RDONLY, 0, 0);
    if (!file) return NULL;
    hdfsOpenFileFuture *future = NEW(struct hdfsOpenFileFuture);
    future->file = file;
    return future;
}

hdfsFile hdfsOpenFileFutureGet(hdfsOpenFileFuture *future)
{
    hdfsFile file = future->file;

    if (!file) libhdfs_refuse(EINVAL, "the file was handed out or cancelled before");
    future->file = NULL;
    return file;
}

hdfsFile hdfsOpenFileFutureGetWithTimeout(hdfsOpenFileFuture *future, int64_t timeout UNUSED,
                                          javaConcurrentTimeUnit timeUnit UNUSED)
{
    return hdfsOpenFileFutureGet(future);
}

static void close_unused(hdfsFile file)
{
    if (!file) return;
    in_stream_close(file->in);
    mem_free(file);
}

int hdfsOpenFileFutureCancel(hdfsOpenFileFuture *future, int mayInterruptIfRunning UNUSED)
{
    close_unused(future->file);
    future->file = NULL;
    return 0;
}

void hdfsOpenFileFutureFree(hdfsOpenFileFuture *future)
{
    if (!future) return;
    close_unused(future->file);
    mem_free(future);
}

/* ---- open files ---- */

int hdfsCloseFile(hdfsFS fs UNUSED, hdfsFile file)
{
    if (!file) return libhdfs_refuse(EBADF, "no file");
    struct err *err = libhdfs_err();
    in_stream_close(file->in);
    int rc = out_stream_close(file->out, err);
    mem_free(file);
    return rc ? libhdfs_fail() : 0;
}

int hdfsFileIsOpenForRead(hdfsFile file)
{
    return file && file->in;
}
int hdfsFileIsOpenForWrite(hdfsFile file)
{
    return file && file->out;
}

static bool readable(hdfsFile file)
{
    if (file && file->in) return true;
    libhdfs_refuse(file ? EINVAL : EBADF, "the file is not open for reading");
    return false;
}

static bool writable(hdfsFile file)
{
    if (file && file->out) return true;
    libhdfs_refuse(file ? EINVAL : EBADF, "the file is not open for writing");
    return false;
}

tSize hdfsRead(hdfsFS fs UNUSED, hdfsFile file, void *buffer, tSize length)
{
    if (!readable(file)) return -1;
    if (length < 0) return libhdfs_refuse(EINVAL, "length %d is negative", length);
    ssize_t n = in_stream_read(file->in, buffer, (size_t)length, libhdfs_err());
    return n < 0 ? libhdfs_fail() : (tSize)n;
}

tSize hdfsPread(hdfsFS fs UNUSED, hdfsFile file, tOffset position, void *buffer, tSize length)
{
    if (!readable(file)) return -1;
    if (length < 0 || position < 0)
        return libhdfs_refuse(EINVAL, "position %" PRId64 " or length %d is negative", position,
                              length);
    ssize_t n =
        in_stream_pread(file->in, (uint64_t)position, buffer, (size_t)length, libhdfs_err());
    return n < 0 ? libhdfs_fail() : (tSize)n;
}

int hdfsPreadFully(hdfsFS fs, hdfsFile file, tOffset position, void *buffer, tSize length)
{
    tSize n = hdfsPread(fs, file, position, buffer, length);

    if (n < 0) return -1;
    if (n < length)
        return libhdfs_refuse(
            EIO, "End of file reached before reading fully: %d of %d bytes at %" PRId64, n, length,
            position);
    return 0;
}

tSize hdfsWrite(hdfsFS fs UNUSED, hdfsFile file, const void *buffer, tSize length)
{
    if (!writable(file)) return -1;
    if (length < 0) return libhdfs_refuse(EINVAL, "length %d is negative", length);
    int rc = out_stream_write(file->out, buffer, (size_t)length, libhdfs_err());
    return rc ? libhdfs_fail() : length;
}

int hdfsSeek(hdfsFS fs UNUSED, hdfsFile file, tOffset desiredPos)
{
    if (!readable(file)) return -1;
    if (desiredPos < 0) return libhdfs_refuse(EINVAL, "Cannot seek to negative offset");
    return in_stream_seek(file->in, (uint64_t)desiredPos, libhdfs_err()) ? libhdfs_fail() : 0;
}

tOffset hdfsTell(hdfsFS fs UNUSED, hdfsFile file)
{
    if (!file) return libhdfs_refuse(EBADF, "no file");
    return (tOffset)(file->in ? in_stream_tell(file->in) : out_stream_tell(file->out));
}

int hdfsAvailable(hdfsFS fs UNUSED, hdfsFile file)
{
    if (!readable(file)) return -1;
    return (int)MIN(in_stream_available(file->in), (uint64_t)INT_MAX);
}

int hdfsFlush(hdfsFS fs UNUSED, hdfsFile file)
{
    return writable(file) ? 0 : -1;
}

int hdfsHFlush(hdfsFS fs UNUSED, hdfsFile file)
{
    if (!writable(file)) return -1;
    return out_stream_hflush(file->out, libhdfs_err()) ? libhdfs_fail() : 0;
}

int hdfsHSync(hdfsFS fs UNUSED, hdfsFile file)
{
    if (!writable(file)) return -1;
    return out_stream_hsync(file->out, 0, libhdfs_err()) ? libhdfs_fail() : 0;
}

int hdfsUnbufferFile(hdfsFile file)
{
    if (!file || !file->in)
        return libhdfs_refuse(ENOTSUP, "unbuffering is for files open for reading"), ENOTSUP;
    in_stream_unbuffer(file->in);
    return 0;
}

/* ---- statistics ---- */

int hdfsFileGetReadStatistics(hdfsFile file, struct hdfsReadStatistics **stats)
{
    struct in_stream_stats from;

    if (!readable(file)) return -1;
    in_stream_stats(file->in, &from);
    *stats = NEW(struct hdfsReadStatistics);
    **stats = (struct hdfsReadStatistics){
        .totalBytesRead = from.bytes,
        .totalLocalBytesRead = from.bytes_local,
        .totalShortCircuitBytesRead = from.bytes_short_circuit,
        .totalZeroCopyBytesRead = from.bytes_zero_copy,
    };
    return 0;
}

int64_t hdfsReadStatisticsGetRemoteBytesRead(const struct hdfsReadStatistics *stats)
{
    return (int64_t)(stats->totalBytesRead - stats->totalLocalBytesRead);
}

int hdfsFileClearReadStatistics(hdfsFile file)
{
    if (!readable(file)) return errno;
    in_stream_clear_stats(file->in);
    return 0;
}

void hdfsFileFreeReadStatistics(struct hdfsReadStatistics *stats)
{
    mem_free(stats);
}

int hdfsGetHedgedReadMetrics(hdfsFS fs, struct hdfsHedgedReadMetrics **metrics)
{
    if (!fs) return libhdfs_refuse(EINVAL, "no file system");
    *metrics = NEW(struct hdfsHedgedReadMetrics);
    (*metrics)->hedgedReadOps = fs->fs->hedged_reads;
    (*metrics)->hedgedReadOpsWin = fs->fs->hedged_wins;
    (*metrics)->hedgedReadOpsInCurThread = fs->fs->hedged_here;
    return 0;
}

void hdfsFreeHedgedReadMetrics(struct hdfsHedgedReadMetrics *metrics)
{
    mem_free(metrics);
}

/* ---- zero copy: there is none ---- */

struct hadoopRzOptions {
    int skip_checksum;
};

struct hadoopRzOptions *hadoopRzOptionsAlloc(void)
{
    return NEW(struct hadoopRzOptions);
}
void hadoopRzOptionsFree(struct hadoopRzOptions *opts)
{
    mem_free(opts);
}

int hadoopRzOptionsSetSkipChecksum(struct hadoopRzOptions *opts, int skip)
{
    opts->skip_checksum = skip;
    return 0;
}

int hadoopRzOptionsSetByteBufferPool(struct hadoopRzOptions *opts UNUSED, const char *className)
{
    return className ? libhdfs_refuse(ENOTSUP, "byte buffer pools are Java's") : 0;
}

struct hadoopRzBuffer *hadoopReadZero(hdfsFile file UNUSED, struct hadoopRzOptions *opts UNUSED,
                                      int32_t maxLength UNUSED)
{
    libhdfs_refuse(ENOTSUP, "zero-copy reads are not supported");
    return NULL;
}

/* No buffer ever exists, so these can only be handed NULL. */
int32_t hadoopRzBufferLength(const struct hadoopRzBuffer *buffer UNUSED)
{
    return 0;
}
const void *hadoopRzBufferGet(const struct hadoopRzBuffer *buffer UNUSED)
{
    return NULL;
}
void hadoopRzBufferFree(hdfsFile file UNUSED, struct hadoopRzBuffer *buffer UNUSED) {}
