/*
 * One connected file system: every call that is not about the bytes of a file (those are in
 * in_stream.h and out_stream.h). The shell, FUSE, benchmarks, tests and libhdfs.c are its users.
 *
 * Threads: all functions may be called from any thread at the same time on the same `struct fs`;
 * none keeps state in globals. The only thread started is the lease keeper's, and only while files
 * are open for writing.
 *
 * Errors: functions return 0 or a negative ERR_* (a few also a positive count). `err` tells the
 * story and may not be NULL. For errors of the namenode, fs_error_class() is the Java class and
 * fs_error_line() the first line of its text, as Hadoop's shell prints them.
 *
 * Paths are absolute ("/a/b"), bytes without NUL, below the root of this file system;
 * fs_resolve_path() makes one from what a user wrote. A status, listing, … returned is the caller's
 * until its release or free function.
 */
#ifndef CLIENT_FS_H
#define CLIENT_FS_H

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"
#include "common/err.h"
#include "common/mem.h"

struct conf;
struct fs;
struct in_stream;
struct out_stream;

/* ---- connection ---- */

/* `uri` is "hdfs://host[:port][/…]", or NULL for fs.defaultFS; the port defaults to 8020. `user`
 * NULL means HADOOP_USER_NAME, else the process's user. Sends nothing: the first call connects.
 * `conf` is read here and not kept. ERR_CONFIG for a scheme other than hdfs or an address that
 * makes no sense. */
int fs_connect(const struct conf *conf, const char *uri, const char *user, struct fs **fs,
               struct err *err) MUST_CHECK;
/* Streams must be closed before; those for writing that are not are aborted. NULL is fine. */
void fs_close(struct fs *fs);

const char *fs_uri(const struct fs *fs);         /* "hdfs://host:port", no slash at the end */
const char *fs_user(const struct fs *fs);        /* who we are for the namenode */
const char *fs_client_name(const struct fs *fs); /* the lease holder's name */
const char *fs_home(const struct fs *fs);        /* "/user/NAME" */

/* The absolute path for "/a", "a" (below fs_home()), "hdfs:///a" or "hdfs://this-host:port/a", with
 * double and trailing slashes and "." and ".." removed as Hadoop's Path does. To be freed with
 * mem_free(). ERR_ARGUMENT for another file system's URI ("Wrong FS: …") or an empty path. */
int fs_resolve_path(const struct fs *fs, const char *path, char **absolute,
                    struct err *err) MUST_CHECK;

/* The full Java class name behind an error and the first line of its text (written to `line`). */
const char *fs_error_class(const struct err *err);
const char *fs_error_line(const struct err *err, char *line, size_t size);

/* Any other method of ClientProtocol. `request` is a protobuf-c message, `type` the response's
 * descriptor
 * (&pb__x_response__descriptor), `response` the address of a `Pb__XResponse *`, which then points
 * into `arena`. Retries as for the calls below. */
int fs_call(struct fs *fs, const char *method, const void *request,
            const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
            struct err *err) MUST_CHECK;
/* The same for another protocol of the namenode ("org.apache.hadoop.tools.GetUserMappingsProtocol",
 * …). */
int fs_call_protocol(struct fs *fs, const char *protocol, const char *method, const void *request,
                     const ProtobufCMessageDescriptor *type, struct arena *arena, void *response,
                     struct err *err) MUST_CHECK;
/* The same for a datanode's IPC address "host:port" and ClientDatanodeProtocol (protocol NULL) or
 * another. */
int fs_call_datanode(struct fs *fs, const char *address, const char *protocol, const char *method,
                     const void *request, const ProtobufCMessageDescriptor *type,
                     struct arena *arena, void *response, struct err *err) MUST_CHECK;

/* ---- status and listings ---- */

enum fs_type { FS_DIRECTORY = 1, FS_FILE = 2, FS_SYMLINK = 3 };
enum fs_flag { FS_HAS_ACL = 1, FS_ENCRYPTED = 2, FS_ERASURE_CODED = 4, FS_SNAPSHOTTABLE = 8 };
enum {
    FS_STORAGE_TYPES = 7
}; /* arrays of media are indexed by the wire's number: DISK 1 … NVDIMM 6 */

/* "DISK", "SSD", … or "?"; and back, any case, 0 for an unknown word. */
const char *fs_storage_type_name(int type);
int fs_storage_type_parse(const char *name);

/* HdfsFileStatus. Owns its strings. */
struct fs_status {
    enum fs_type type;
    uint32_t mode;           /* permission bits with the sticky bit, no type bits */
    uint32_t flags;          /* enum fs_flag */
    uint32_t replication;    /* 0 for directories */
    int32_t children;        /* -1: the namenode did not say */
    uint32_t storage_policy; /* 0: inherits */
    uint64_t length;
    uint64_t block_size;
    uint64_t file_id; /* inode number, 0 when not told */
    int64_t mtime_ms;
    int64_t atime_ms;
    char *path;       /* absolute */
    const char *name; /* last component of path; "" for the root */
    char *owner;
    char *group;
    char *symlink;            /* target, "" when none */
    char *ec_policy;          /* name of the erasure coding policy, "" when none */
    struct fs_blocks *blocks; /* listings with locations only; else NULL */
};

/* ERR_NOT_FOUND when the path does not exist ("File does not exist: P"). */
int fs_stat(struct fs *fs, const char *path, struct fs_status *status, struct err *err) MUST_CHECK;
int fs_stat_link(struct fs *fs, const char *path, struct fs_status *status,
                 struct err *err) MUST_CHECK;
/* 1, 0 or a negative ERR_*. */
int fs_exists(struct fs *fs, const char *path, struct err *err) MUST_CHECK;
void fs_status_release(struct fs_status *status); /* zeroed afterwards; a zeroed one is fine */
void fs_status_copy(struct fs_status *to, const struct fs_status *from);

/* A directory's entries in byte order, fetched page by page. A listing of a file is one entry with
 * the file's own path. Belongs to one thread. ERR_NOT_FOUND as in fs_stat(). */
struct fs_listing;
int fs_list(struct fs *fs, const char *path, bool with_blocks, struct fs_listing **listing,
            struct err *err) MUST_CHECK;
/* 1: *status is the next entry, valid until the next call; 0: the end; negative: ERR_*. */
int fs_list_next(struct fs_listing *listing, const struct fs_status **status,
                 struct err *err) MUST_CHECK;
void fs_list_close(struct fs_listing *listing); /* NULL is fine */

/* Paths that match Hadoop's glob syntax (? * [abc] [a-c] [^a] {a,b} \x), sorted. A pattern without
 * wildcards matches its path if that exists. *count may be 0 (*found NULL then): the shell makes
 * its own error of that. */
int fs_glob(struct fs *fs, const char *pattern, struct fs_status **found, size_t *count,
            struct err *err) MUST_CHECK;
void fs_statuses_free(struct fs_status *statuses, size_t count);

/* ---- changes ---- */

/* `mode` before the umask (fs.permissions.umask-mode); 0777 is usual. Existing directories are
 * fine. `create_parent` as `mkdir -p`. */
int fs_mkdirs(struct fs *fs, const char *path, uint32_t mode, bool create_parent,
              struct err *err) MUST_CHECK;
/* *deleted (may be NULL) is false when there was nothing. ERR_NOT_EMPTY for a full directory
 * without `recursive`. */
int fs_delete(struct fs *fs, const char *path, bool recursive, bool *deleted,
              struct err *err) MUST_CHECK;
/* The old rename: into an existing directory, never over a file; *renamed false instead of many
 * errors. */
int fs_rename(struct fs *fs, const char *from, const char *to, bool *renamed,
              struct err *err) MUST_CHECK;
/* The new one: exact names, errors for everything. */
enum fs_rename_flag { FS_RENAME_OVERWRITE = 1, FS_RENAME_TO_TRASH = 2 };
int fs_rename2(struct fs *fs, const char *from, const char *to, unsigned flags,
               struct err *err) MUST_CHECK;
/* *set (may be NULL) is false for directories. */
int fs_set_replication(struct fs *fs, const char *path, unsigned replication, bool *set,
                       struct err *err) MUST_CHECK;
int fs_set_permission(struct fs *fs, const char *path, uint32_t mode,
                      struct err *err) MUST_CHECK; /* no umask */
int fs_set_owner(struct fs *fs, const char *path, const char *owner, const char *group,
                 struct err *err) MUST_CHECK; /* NULL leaves it */
int fs_set_times(struct fs *fs, const char *path, int64_t mtime_ms, int64_t atime_ms,
                 struct err *err) MUST_CHECK; /* -1 leaves it */
int fs_set_storage_policy(struct fs *fs, const char *path, const char *policy,
                          struct err *err) MUST_CHECK;
int fs_set_quota(struct fs *fs, const char *path, int64_t names, int64_t space, int storage_type,
                 struct err *err) MUST_CHECK; /* FS_QUOTA_*, storage_type 0 for all */
#define FS_QUOTA_KEEP  INT64_MAX
#define FS_QUOTA_RESET ((int64_t)-1)
/* *done false: the last block is being cut; fs_stat() shows the new length when it is. */
int fs_truncate(struct fs *fs, const char *path, uint64_t length, bool *done,
                struct err *err) MUST_CHECK;
int fs_concat(struct fs *fs, const char *target, const char *const *sources, size_t count,
              struct err *err) MUST_CHECK;
int fs_is_file_closed(struct fs *fs, const char *path, bool *closed, struct err *err) MUST_CHECK;
int fs_recover_lease(struct fs *fs, const char *path, bool *closed, struct err *err) MUST_CHECK;

/* ---- streams (in_stream.h, out_stream.h use them further) ---- */

struct fs_open_options {
    bool skip_checksum; /* return what the datanodes have, unverified (-ignoreCrc) */
};
/* options NULL for the defaults. ERR_NOT_FOUND "File does not exist: P", "Path is not a file: P".
 */
int fs_open(struct fs *fs, const char *path, const struct fs_open_options *options,
            struct in_stream **stream, struct err *err) MUST_CHECK;

struct fs_create_options {
    bool overwrite;
    bool no_parent; /* fail when the parent is missing, instead of making it */
    bool lazy_persist;
    bool should_replicate;       /* never erasure coded, whatever the directory says */
    bool sync_block;             /* every block is on disk (hsync) before it counts as finished */
    bool exact_mode;             /* `mode` is taken as it is, without the umask */
    uint32_t mode;               /* 0 means 0666 */
    unsigned replication;        /* 0: dfs.replication */
    uint64_t block_size;         /* 0: dfs.blocksize */
    uint32_t bytes_per_checksum; /* 0: dfs.bytes-per-checksum */
    const char *checksum_type;   /* NULL: dfs.checksum.type; "CRC32C", "CRC32", "NULL" */
    const char *storage_policy;  /* NULL: inherited */
    const char *ec_policy;       /* NULL: inherited */
};
/* options NULL for the defaults. Erasure-coded files are refused with ERR_UNSUPPORTED. */
int fs_create(struct fs *fs, const char *path, const struct fs_create_options *options,
              struct out_stream **stream, struct err *err) MUST_CHECK;
/* `new_block`: leave the last block as it is and go on in a new one. */
int fs_append(struct fs *fs, const char *path, bool new_block, struct out_stream **stream,
              struct err *err) MUST_CHECK;

/* ---- summaries ---- */

struct fs_quota {
    int64_t quota; /* -1: none */
    uint64_t consumed;
};

struct fs_content_summary {
    uint64_t length, files, directories;
    int64_t quota, space_quota; /* -1: none */
    uint64_t space_consumed;
    uint64_t snapshot_length, snapshot_files, snapshot_directories, snapshot_space_consumed;
    bool has_type_quotas;
    struct fs_quota types[FS_STORAGE_TYPES];
    char ec_policy[64]; /* "" when none; "Replicated" for replicated below an EC directory */
};
int fs_content_summary(struct fs *fs, const char *path, struct fs_content_summary *summary,
                       struct err *err) MUST_CHECK;

struct fs_quota_usage {
    uint64_t names;             /* files and directories */
    int64_t quota, space_quota; /* -1: none */
    uint64_t space_consumed;
    bool has_type_quotas;
    struct fs_quota types[FS_STORAGE_TYPES];
};
int fs_quota_usage(struct fs *fs, const char *path, struct fs_quota_usage *usage,
                   struct err *err) MUST_CHECK;

struct fs_stats {
    uint64_t capacity, used, remaining;
    uint64_t under_replicated, corrupt_blocks, missing_blocks, missing_replication_one_blocks;
    uint64_t blocks_in_future, pending_deletion_blocks;
};
int fs_stats(struct fs *fs, struct fs_stats *stats, struct err *err) MUST_CHECK;

struct fs_server_defaults {
    uint64_t block_size, trash_interval_min;
    uint32_t bytes_per_checksum, write_packet_size, replication, file_buffer_size, policy_id;
    int checksum_type; /* the wire's number: NULL 0, CRC32 1, CRC32C 2 */
    bool encrypt_data_transfer, snapshot_trash_root;
};
/* Remembered for an hour. */
int fs_server_defaults(struct fs *fs, struct fs_server_defaults *defaults,
                       struct err *err) MUST_CHECK;
uint64_t fs_default_block_size(const struct fs *fs);  /* dfs.blocksize here */
unsigned fs_default_replication(const struct fs *fs); /* dfs.replication here */
uint32_t fs_umask(const struct fs *fs);

/* ---- blocks ---- */

struct fs_replica {
    const char *host; /* datanode's host name */
    const char *ip;
    const char *uuid;
    uint16_t xfer_port, info_port, ipc_port;
    const char *rack; /* "/default-rack" */
    const char *storage_id;
    int storage_type;
    bool cached;
};

struct fs_block {
    const char *pool;
    uint64_t id, generation_stamp;
    uint64_t offset, length; /* in the file */
    bool corrupt;            /* all replicas are */
    bool complete;           /* false: the last block of an open file */
    size_t replica_count;
    struct fs_replica *replicas; /* nearest first */
};

/* Owns everything below it. */
struct fs_blocks {
    uint64_t file_length; /* with the visible part of a block that is being written */
    bool under_construction;
    size_t count;
    struct fs_block *blocks;
    struct arena arena;
};
/* The blocks that overlap [offset, offset + length). */
int fs_block_locations(struct fs *fs, const char *path, uint64_t offset, uint64_t length,
                       struct fs_blocks **blocks, struct err *err) MUST_CHECK;
void fs_blocks_free(struct fs_blocks *blocks); /* NULL is fine */

struct fs_checksum {
    char algorithm[64]; /* "MD5-of-0MD5-of-512CRC32C", "COMPOSITE-CRC32C" */
    uint8_t bytes[32];
    size_t length;
};
enum fs_checksum_mode { FS_CHECKSUM_DEFAULT, FS_CHECKSUM_MD5CRC, FS_CHECKSUM_COMPOSITE };
/* Over the first `length` bytes (UINT64_MAX: all). DEFAULT is dfs.checksum.combine.mode. */
int fs_file_checksum(struct fs *fs, const char *path, uint64_t length, enum fs_checksum_mode mode,
                     struct fs_checksum *checksum, struct err *err) MUST_CHECK;

/* ---- administration ---- */

enum fs_datanode_report { /* the wire's numbers */
                          FS_DATANODES_ALL = 1,
                          FS_DATANODES_LIVE = 2,
                          FS_DATANODES_DEAD = 3,
                          FS_DATANODES_DECOMMISSIONING = 4,
                          FS_DATANODES_ENTERING_MAINTENANCE = 5,
                          FS_DATANODES_IN_MAINTENANCE = 6,
};

struct fs_datanode {
    const char *host, *ip, *uuid, *rack;
    uint16_t xfer_port, info_port, ipc_port, info_secure_port;
    uint64_t capacity, dfs_used, non_dfs_used, remaining, block_pool_used, cache_capacity,
        cache_used;
    int64_t last_update_ms, last_block_report_ms; /* wall clock */
    uint32_t xceivers, blocks;
    int admin_state; /* 0 normal, 1 decommissioning, 2 decommissioned, 3 entering maintenance, 4 in
                        maintenance */
    /* Of one on its way out, by our namenode: blocks that lack replicas elsewhere, of them in open files, and the time left; -1 when not told. */
    int64_t leaving_blocks, leaving_in_open_files, leaving_seconds_left;
    const char *upgrade_domain, *software_version; /* "" when not told */
};
struct fs_datanodes {
    size_t count;
    struct fs_datanode *nodes;
    struct arena arena;
};
int fs_datanode_report(struct fs *fs, enum fs_datanode_report which, struct fs_datanodes **nodes,
                       struct err *err) MUST_CHECK;
int fs_slow_datanodes(struct fs *fs, struct fs_datanodes **nodes, struct err *err) MUST_CHECK;
void fs_datanodes_free(struct fs_datanodes *nodes); /* NULL is fine */

enum fs_safe_mode { /* the wire's numbers */
                    FS_SAFE_MODE_LEAVE = 1,
                    FS_SAFE_MODE_ENTER = 2,
                    FS_SAFE_MODE_GET = 3,
                    FS_SAFE_MODE_FORCE_EXIT = 4,
};
int fs_safe_mode(struct fs *fs, enum fs_safe_mode action, bool *on,
                 struct err *err) MUST_CHECK; /* `on` afterwards */
/* Saves always with 0, 0; else only when the checkpoint is older than that. *saved may be NULL. */
int fs_save_namespace(struct fs *fs, uint64_t time_window_s, uint64_t tx_gap, bool *saved,
                      struct err *err) MUST_CHECK;
int fs_roll_edits(struct fs *fs, uint64_t *segment_txid, struct err *err) MUST_CHECK;
int fs_refresh_nodes(struct fs *fs, struct err *err) MUST_CHECK;

/* Where `path` goes when it is trashed: "HOME/.Trash", or the trash of the encryption zone or
 * snapshottable directory (when the namenode says so) that holds it. To be freed with mem_free().
 */
int fs_trash_root(struct fs *fs, const char *path, char **root, struct err *err) MUST_CHECK;

#endif
