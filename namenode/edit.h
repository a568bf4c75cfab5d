/*
 * One change of the namespace, as the edit log records it (FSEditLogOp). The live path fills one and gives it to core_edit(), replay decodes
 * one from a segment: both end in edit_apply(), the one mutator. Strings and arrays belong to whoever made the record (request arena,
 * reader's arena) and are not kept by apply. Which fields an op uses: wire format table in docs/format/edits.md.
 */
#ifndef NAMENODE_EDIT_H
#define NAMENODE_EDIT_H

#include "namenode/block.h"

enum edit_op {
    EDIT_ADD = 0,
    EDIT_RENAME_OLD = 1,
    EDIT_DELETE = 2,
    EDIT_MKDIR = 3,
    EDIT_SET_REPLICATION = 4,
    EDIT_SET_PERMISSIONS = 7,
    EDIT_SET_OWNER = 8,
    EDIT_CLOSE = 9,
    EDIT_SET_GENSTAMP_V1 = 10,
    EDIT_SET_NS_QUOTA = 11,
    EDIT_CLEAR_NS_QUOTA = 12,
    EDIT_TIMES = 13,
    EDIT_SET_QUOTA = 14,
    EDIT_RENAME = 15,
    EDIT_CONCAT_DELETE = 16,
    EDIT_SYMLINK = 17,
    EDIT_GET_DELEGATION_TOKEN = 18,
    EDIT_RENEW_DELEGATION_TOKEN = 19,
    EDIT_CANCEL_DELEGATION_TOKEN = 20,
    EDIT_UPDATE_MASTER_KEY = 21,
    EDIT_REASSIGN_LEASE = 22,
    EDIT_END_LOG_SEGMENT = 23,
    EDIT_START_LOG_SEGMENT = 24,
    EDIT_UPDATE_BLOCKS = 25,
    EDIT_CREATE_SNAPSHOT = 26,
    EDIT_DELETE_SNAPSHOT = 27,
    EDIT_RENAME_SNAPSHOT = 28,
    EDIT_ALLOW_SNAPSHOT = 29,
    EDIT_DISALLOW_SNAPSHOT = 30,
    EDIT_SET_GENSTAMP_V2 = 31,
    EDIT_ALLOCATE_BLOCK_ID = 32,
    EDIT_ADD_BLOCK = 33,
    EDIT_ADD_CACHE_DIRECTIVE = 34,
    EDIT_REMOVE_CACHE_DIRECTIVE = 35,
    EDIT_ADD_CACHE_POOL = 36,
    EDIT_MODIFY_CACHE_POOL = 37,
    EDIT_REMOVE_CACHE_POOL = 38,
    EDIT_MODIFY_CACHE_DIRECTIVE = 39,
    EDIT_SET_ACL = 40,
    EDIT_ROLLING_UPGRADE_START = 41,
    EDIT_ROLLING_UPGRADE_FINALIZE = 42,
    EDIT_SET_XATTR = 43,
    EDIT_REMOVE_XATTR = 44,
    EDIT_SET_STORAGE_POLICY = 45,
    EDIT_TRUNCATE = 46,
    EDIT_APPEND = 47,
    EDIT_SET_QUOTA_BY_STORAGETYPE = 48,
    EDIT_ADD_EC_POLICY = 49,
    EDIT_ENABLE_EC_POLICY = 50,
    EDIT_DISABLE_EC_POLICY = 51,
    EDIT_REMOVE_EC_POLICY = 52,
    EDIT_INVALID = 0xff,
};

enum edit_rename_option {
    EDIT_RENAME_NONE = 0,
    EDIT_RENAME_OVERWRITE = 1,
    EDIT_RENAME_TO_TRASH = 2
};
enum { EDIT_CLIENT_ID_SIZE = 16 };

struct edit {
    uint8_t op; /* enum edit_op */
    uint64_t txid;
    const char *path; /* the path; source of a rename; target of a concat; root of a snapshot */
    const char *
        destination; /* rename's destination; symlink's target; (new) name of a snapshot; name of an EC policy */
    const char *const *sources; /* concat; RENAME_SNAPSHOT: the old name */
    uint32_t source_count;
    uint64_t inode_id;
    int64_t mtime_ms, atime_ms; /* mtime also carries the op's time; -1 = unchanged in TIMES */
    uint64_t block_size;
    uint16_t replication;
    uint16_t mode;
    const char *user, *group;
    const char *client_name, *client_machine; /* client_name also REASSIGN_LEASE's present holder */
    const char *new_holder;
    const struct block_id *
        blocks; /* ADD, CLOSE, UPDATE_BLOCKS: all; ADD_BLOCK: [penultimate,] last; TRUNCATE: none or one */
    uint32_t block_count;
    uint64_t value; /* generation stamp, block id, new length of a truncate */
    int64_t ns_quota,
        ds_quota;         /* QUOTA_NONE (-1) clears; INT64_MAX leaves (Apache's QUOTA_DONT_SET) */
    uint8_t storage_type; /* enum storage_type, for a quota by type */
    uint8_t storage_policy;
    uint8_t ec_policy;
    uint8_t rename_options; /* edit_rename_option bits */
    bool overwrite, new_block;
    bool has_client_id; /* the retry ids below are set */
    uint8_t client_id[EDIT_CLIENT_ID_SIZE];
    int32_t call_id;
    /* ACL and extended attributes as protobuf messages (AclEditLog, XAttrEditLog), and bytes of ops kept opaque; NULL where absent. */
    const void *acl, *xattrs;
    const uint8_t *opaque;
    size_t opaque_size;
    /* Live path only: the inode that `path` resolved to just now, to spare a second walk; never encoded. */
    struct inode *inode;
};

struct core;
/* Applies one record to the namespace: the same call live, in replay and on a standby. Live checks were made before, so that a failure here
 * means a log that does not fit this namespace: ERR_CORRUPT with op, txid and path. */
int edit_apply(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

#endif
