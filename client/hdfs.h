/*
 * libhdfs: the C interface to HDFS, binary compatible with Apache Hadoop's library of that name,
 * without a JVM and without CLASSPATH. Link with -lhdfs.
 *
 * Threads: a hdfsFS and everything made from it may be used by any number of threads at once;
 * hdfsDisconnect() and hdfsCloseFile() are the last call on their argument.
 *
 * Errors: functions say below what they return on failure, and set errno then. hdfs_last_error()
 * gives the text of the calling thread's last failure, hdfsGetLastExceptionRootCause() the same in
 * Java's words.
 *
 * Configuration: core-site.xml and hdfs-site.xml from $HADOOP_CONF_DIR, $HADOOP_HOME/etc/hadoop or
 * /etc/hadoop/conf. Paths are absolute, relative to the working directory, or hdfs:// addresses of
 * the same file system.
 */
#ifndef LIBHDFS_HDFS_H
#define LIBHDFS_HDFS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(__GNUC__)
#define LIBHDFS_EXTERNAL __attribute__((visibility("default")))
#else
#define LIBHDFS_EXTERNAL
#endif

#ifndef EINTERNAL
#define EINTERNAL 255
#endif

#define ELASTIC_BYTE_BUFFER_POOL_CLASS "org/apache/hadoop/io/ElasticByteBufferPool"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t tSize;   /* of data to read or write */
typedef time_t tTime;    /* seconds since 1970 */
typedef int64_t tOffset; /* in a file */
typedef uint16_t tPort;
typedef enum tObjectKind {
    kObjectKindFile = 'F',
    kObjectKindDirectory = 'D',
} tObjectKind;

struct hdfs_internal;
typedef struct hdfs_internal *hdfsFS;
struct hdfsFile_internal;
typedef struct hdfsFile_internal *hdfsFile;
struct hdfsBuilder;
struct hdfsStreamBuilder;
struct hadoopRzOptions;
struct hadoopRzBuffer;

/* ---- errors ---- */

/* "FileNotFoundException: File does not exist: /a", or NULL. Belongs to the thread: valid until its
 * next failing call, not to be freed. */
LIBHDFS_EXTERNAL char *hdfsGetLastExceptionRootCause(void);
LIBHDFS_EXTERNAL char *hdfsGetLastExceptionStackTrace(void);
/* The same as a plain sentence; "" when nothing has failed in this thread. */
LIBHDFS_EXTERNAL const char *hdfs_last_error(void);

/* ---- connecting ---- */

/* `nn` is a host, "hdfs://host[:port]", a nameservice, or "default" for fs.defaultFS; `port` 0 for
 * the default or when `nn` has one. NULL on failure. Local file systems (`nn` NULL, file://) are
 * refused with ENOTSUP. No traffic yet: a namenode that does not answer shows at the first call. */
LIBHDFS_EXTERNAL hdfsFS hdfsConnect(const char *nn, tPort port);
LIBHDFS_EXTERNAL hdfsFS hdfsConnectAsUser(const char *nn, tPort port, const char *user);
LIBHDFS_EXTERNAL hdfsFS hdfsConnectNewInstance(const char *nn, tPort port);
LIBHDFS_EXTERNAL hdfsFS hdfsConnectAsUserNewInstance(const char *nn, tPort port, const char *user);
/* Files must be closed before. 0. */
LIBHDFS_EXTERNAL int hdfsDisconnect(hdfsFS fs);

/* The builder keeps the pointers it is given: the strings must live until it is freed. */
LIBHDFS_EXTERNAL struct hdfsBuilder *hdfsNewBuilder(void);
LIBHDFS_EXTERNAL void
hdfsBuilderSetForceNewInstance(struct hdfsBuilder *bld); /* every instance is new here */
LIBHDFS_EXTERNAL void hdfsBuilderSetNameNode(struct hdfsBuilder *bld, const char *nn);
LIBHDFS_EXTERNAL void hdfsBuilderSetNameNodePort(struct hdfsBuilder *bld, tPort port);
LIBHDFS_EXTERNAL void hdfsBuilderSetUserName(struct hdfsBuilder *bld, const char *userName);
/* Accepted; connecting fails with ENOTSUP then, as Kerberos is not supported. */
LIBHDFS_EXTERNAL void hdfsBuilderSetKerbTicketCachePath(struct hdfsBuilder *bld,
                                                        const char *kerbTicketCachePath);
/* Overrules the configuration files; `val` NULL unsets. 0, or an errno. */
LIBHDFS_EXTERNAL int hdfsBuilderConfSetStr(struct hdfsBuilder *bld, const char *key,
                                           const char *val);
LIBHDFS_EXTERNAL hdfsFS
hdfsBuilderConnect(struct hdfsBuilder *bld); /* frees the builder in any case */
LIBHDFS_EXTERNAL void hdfsFreeBuilder(struct hdfsBuilder *bld);

/* Values of the configuration files. *val is NULL for an unknown key; hdfsConfStrFree() frees. 0,
 * or an errno. */
LIBHDFS_EXTERNAL int hdfsConfGetStr(const char *key, char **val);
/* *val stays as it is for an unknown key. */
LIBHDFS_EXTERNAL int hdfsConfGetInt(const char *key, int32_t *val);
LIBHDFS_EXTERNAL void hdfsConfStrFree(char *val);

/* ---- opening ---- */

/* flags: O_RDONLY; O_WRONLY creates or overwrites; O_WRONLY | O_APPEND. Others: ENOTSUP.
 * `bufferSize` is accepted and without effect; replication and blocksize 0 mean the configured
 * ones. NULL on failure. */
LIBHDFS_EXTERNAL hdfsFile hdfsOpenFile(hdfsFS fs, const char *path, int flags, int bufferSize,
                                       short replication, tSize blocksize);
LIBHDFS_EXTERNAL struct hdfsStreamBuilder *hdfsStreamBuilderAlloc(hdfsFS fs, const char *path,
                                                                  int flags);
LIBHDFS_EXTERNAL void hdfsStreamBuilderFree(struct hdfsStreamBuilder *bld);
/* 0; -1 with EINVAL for what does not fit the flags. */
LIBHDFS_EXTERNAL int hdfsStreamBuilderSetBufferSize(struct hdfsStreamBuilder *bld,
                                                    int32_t bufferSize);
LIBHDFS_EXTERNAL int hdfsStreamBuilderSetReplication(struct hdfsStreamBuilder *bld,
                                                     int16_t replication);
LIBHDFS_EXTERNAL int hdfsStreamBuilderSetDefaultBlockSize(struct hdfsStreamBuilder *bld,
                                                          int64_t defaultBlockSize);
LIBHDFS_EXTERNAL hdfsFile
hdfsStreamBuilderBuild(struct hdfsStreamBuilder *bld); /* frees the builder */

/* Since Hadoop 3.3.5. Options of `must` that are not known make the build fail with EINVAL; those
 * of `opt` have no effect. The file is open when the future exists; the timeout cannot pass. */
struct hdfsOpenFileBuilder;
typedef struct hdfsOpenFileBuilder hdfsOpenFileBuilder;
struct hdfsOpenFileFuture;
typedef struct hdfsOpenFileFuture hdfsOpenFileFuture;
typedef enum javaConcurrentTimeUnit {
    jNanoseconds,
    jMicroseconds,
    jMilliseconds,
    jSeconds,
    jMinutes,
    jHours,
    jDays,
} javaConcurrentTimeUnit;
LIBHDFS_EXTERNAL hdfsOpenFileBuilder *hdfsOpenFileBuilderAlloc(hdfsFS fs, const char *path);
LIBHDFS_EXTERNAL hdfsOpenFileBuilder *hdfsOpenFileBuilderMust(hdfsOpenFileBuilder *builder,
                                                              const char *key, const char *value);
LIBHDFS_EXTERNAL hdfsOpenFileBuilder *hdfsOpenFileBuilderOpt(hdfsOpenFileBuilder *builder,
                                                             const char *key, const char *value);
LIBHDFS_EXTERNAL hdfsOpenFileFuture *hdfsOpenFileBuilderBuild(hdfsOpenFileBuilder *builder);
LIBHDFS_EXTERNAL void hdfsOpenFileBuilderFree(hdfsOpenFileBuilder *builder);
LIBHDFS_EXTERNAL hdfsFile hdfsOpenFileFutureGet(hdfsOpenFileFuture *future);
LIBHDFS_EXTERNAL hdfsFile hdfsOpenFileFutureGetWithTimeout(hdfsOpenFileFuture *future,
                                                           int64_t timeout,
                                                           javaConcurrentTimeUnit timeUnit);
LIBHDFS_EXTERNAL int hdfsOpenFileFutureCancel(hdfsOpenFileFuture *future,
                                              int mayInterruptIfRunning);
LIBHDFS_EXTERNAL void hdfsOpenFileFutureFree(hdfsOpenFileFuture *future);

/* Frees the handle in any case. 0; -1 when a written file could not be completed. */
LIBHDFS_EXTERNAL int hdfsCloseFile(hdfsFS fs, hdfsFile file);
LIBHDFS_EXTERNAL int hdfsFileIsOpenForRead(hdfsFile file);  /* 1 or 0 */
LIBHDFS_EXTERNAL int hdfsFileIsOpenForWrite(hdfsFile file); /* 1 or 0 */

/* ---- bytes ---- */

/* Bytes read, 0 at the end of the file, -1. */
LIBHDFS_EXTERNAL tSize hdfsRead(hdfsFS fs, hdfsFile file, void *buffer, tSize length);
LIBHDFS_EXTERNAL tSize hdfsPread(hdfsFS fs, hdfsFile file, tOffset position, void *buffer,
                                 tSize length);
/* All of it: 0, or -1 (also when the file ends before). */
LIBHDFS_EXTERNAL int hdfsPreadFully(hdfsFS fs, hdfsFile file, tOffset position, void *buffer,
                                    tSize length);
LIBHDFS_EXTERNAL tSize hdfsWrite(hdfsFS fs, hdfsFile file, const void *buffer, tSize length);
LIBHDFS_EXTERNAL int hdfsSeek(hdfsFS fs, hdfsFile file,
                              tOffset desiredPos); /* files open for reading */
LIBHDFS_EXTERNAL tOffset hdfsTell(hdfsFS fs, hdfsFile file);
LIBHDFS_EXTERNAL int hdfsAvailable(hdfsFS fs, hdfsFile file);
LIBHDFS_EXTERNAL int hdfsFlush(hdfsFS fs, hdfsFile file);  /* promises nothing, as in Java */
LIBHDFS_EXTERNAL int hdfsHFlush(hdfsFS fs, hdfsFile file); /* new readers see it */
LIBHDFS_EXTERNAL int hdfsHSync(hdfsFS fs, hdfsFile file);  /* it is on the disks */
LIBHDFS_EXTERNAL int hdfsUnbufferFile(hdfsFile file);
/* 1: done; 0: the last block is being cut, wait before the next change; -1. */
LIBHDFS_EXTERNAL int hdfsTruncateFile(hdfsFS fs, const char *path, tOffset newlength);

/* ---- names ---- 0, or -1 */

LIBHDFS_EXTERNAL int hdfsExists(hdfsFS fs, const char *path); /* 0: it exists */
LIBHDFS_EXTERNAL int hdfsCopy(hdfsFS srcFS, const char *src, hdfsFS dstFS, const char *dst);
LIBHDFS_EXTERNAL int hdfsMove(hdfsFS srcFS, const char *src, hdfsFS dstFS, const char *dst);
LIBHDFS_EXTERNAL int hdfsDelete(hdfsFS fs, const char *path, int recursive);
LIBHDFS_EXTERNAL int hdfsRename(hdfsFS fs, const char *oldPath, const char *newPath);
LIBHDFS_EXTERNAL int hdfsCreateDirectory(hdfsFS fs, const char *path); /* with its parents */
LIBHDFS_EXTERNAL int hdfsSetReplication(hdfsFS fs, const char *path, int16_t replication);
LIBHDFS_EXTERNAL int hdfsChown(hdfsFS fs, const char *path, const char *owner, const char *group);
LIBHDFS_EXTERNAL int hdfsChmod(hdfsFS fs, const char *path, short mode);
LIBHDFS_EXTERNAL int hdfsUtime(hdfsFS fs, const char *path, tTime mtime,
                               tTime atime); /* -1: unchanged */
LIBHDFS_EXTERNAL char *hdfsGetWorkingDirectory(hdfsFS fs, char *buffer, size_t bufferSize);
LIBHDFS_EXTERNAL int hdfsSetWorkingDirectory(hdfsFS fs, const char *path);

/* ---- information ---- */

typedef struct {
    tObjectKind mKind;
    char *mName; /* hdfs://host:port/path */
    tTime mLastMod;
    tOffset mSize;
    short mReplication;
    tOffset mBlockSize;
    char *mOwner;
    char *mGroup;
    short mPermissions;
    tTime mLastAccess;
} hdfsFileInfo;

/* NULL with errno 0 for an empty directory, else NULL on failure. */
LIBHDFS_EXTERNAL hdfsFileInfo *hdfsListDirectory(hdfsFS fs, const char *path, int *numEntries);
LIBHDFS_EXTERNAL hdfsFileInfo *hdfsGetPathInfo(hdfsFS fs, const char *path);
LIBHDFS_EXTERNAL void hdfsFreeFileInfo(hdfsFileInfo *infos, int numEntries);
LIBHDFS_EXTERNAL int
hdfsFileIsEncrypted(hdfsFileInfo *info); /* 1 or 0, for what the two above returned */

/* For each block in the range its hosts, both lists ending with NULL. */
LIBHDFS_EXTERNAL char ***hdfsGetHosts(hdfsFS fs, const char *path, tOffset start, tOffset length);
LIBHDFS_EXTERNAL void hdfsFreeHosts(char ***blockHosts);

/* -1 on failure. */
LIBHDFS_EXTERNAL tOffset hdfsGetDefaultBlockSize(hdfsFS fs);
LIBHDFS_EXTERNAL tOffset hdfsGetDefaultBlockSizeAtPath(hdfsFS fs, const char *path);
LIBHDFS_EXTERNAL tOffset hdfsGetCapacity(hdfsFS fs);
LIBHDFS_EXTERNAL tOffset hdfsGetUsed(hdfsFS fs);

/* ---- statistics ---- */

struct hdfsReadStatistics {
    uint64_t totalBytesRead;
    uint64_t totalLocalBytesRead;
    uint64_t totalShortCircuitBytesRead;
    uint64_t totalZeroCopyBytesRead;
};
LIBHDFS_EXTERNAL int hdfsFileGetReadStatistics(hdfsFile file, struct hdfsReadStatistics **stats);
LIBHDFS_EXTERNAL int64_t
hdfsReadStatisticsGetRemoteBytesRead(const struct hdfsReadStatistics *stats);
LIBHDFS_EXTERNAL int hdfsFileClearReadStatistics(hdfsFile file); /* 0 or an errno */
LIBHDFS_EXTERNAL void hdfsFileFreeReadStatistics(struct hdfsReadStatistics *stats);

struct hdfsHedgedReadMetrics {
    uint64_t hedgedReadOps;
    uint64_t hedgedReadOpsWin;
    uint64_t hedgedReadOpsInCurThread;
};
/* Of this connection, with dfs.client.hedged.read.threadpool.size above 0. */
LIBHDFS_EXTERNAL int hdfsGetHedgedReadMetrics(hdfsFS fs, struct hdfsHedgedReadMetrics **metrics);
LIBHDFS_EXTERNAL void hdfsFreeHedgedReadMetrics(struct hdfsHedgedReadMetrics *metrics);

/* ---- zero copy ---- not supported: reading fails with ENOTSUP, for which callers have their
 * fallback */

LIBHDFS_EXTERNAL struct hadoopRzOptions *hadoopRzOptionsAlloc(void);
LIBHDFS_EXTERNAL int hadoopRzOptionsSetSkipChecksum(struct hadoopRzOptions *opts, int skip);
LIBHDFS_EXTERNAL int hadoopRzOptionsSetByteBufferPool(struct hadoopRzOptions *opts,
                                                      const char *className);
LIBHDFS_EXTERNAL void hadoopRzOptionsFree(struct hadoopRzOptions *opts);
LIBHDFS_EXTERNAL struct hadoopRzBuffer *hadoopReadZero(hdfsFile file, struct hadoopRzOptions *opts,
                                                       int32_t maxLength);
LIBHDFS_EXTERNAL int32_t hadoopRzBufferLength(const struct hadoopRzBuffer *buffer);
LIBHDFS_EXTERNAL const void *hadoopRzBufferGet(const struct hadoopRzBuffer *buffer);
LIBHDFS_EXTERNAL void hadoopRzBufferFree(hdfsFile file, struct hadoopRzBuffer *buffer);

#ifdef __cplusplus
}
#endif

#undef LIBHDFS_EXTERNAL
#endif
