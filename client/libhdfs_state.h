/* What the files of libhdfs' ABI layer share. */
#ifndef CLIENT_LIBHDFS_STATE_H
#define CLIENT_LIBHDFS_STATE_H

#include <pthread.h>

#include "client/fs.h"
#include "client/hdfs.h"
#include "common/base.h"
#include "common/err.h"

struct hdfs_internal {
    struct fs *fs;
    pthread_mutex_t lock;    /* guards what follows */
    char *working_directory; /* absolute path */
};

struct hdfsFile_internal {
    struct in_stream *in; /* one of the two */
    struct out_stream *out;
};

/* The calling thread's last error, cleared: to be handed to the library, then to libhdfs_fail(). */
struct err *libhdfs_err(void);
/* Sets errno from the thread's last error. Always -1. */
int libhdfs_fail(void);
/* An error of this layer. Always -1. */
int libhdfs_refuse(int errno_value, const char *format, ...) PRINTF_LIKE(2, 3);
/* Resolves against the working directory; mem_free() frees. NULL with errno set on failure. */
char *libhdfs_path(hdfsFS fs, const char *path);

#endif
