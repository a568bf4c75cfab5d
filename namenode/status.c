#include "namenode/status.h"

#include "namenode/ec_policy.h"
#include "namenode/snapshot.h"
#include "namenode/storage_policy.h"

static Pb__HdfsFileStatus__FileType file_type(const struct inode *inode)
{
    switch ((enum inode_type)inode->type) {
    case INODE_DIRECTORY: return PB__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
    case INODE_SYMLINK: return PB__HDFS_FILE_STATUS__FILE_TYPE__IS_SYMLINK;
    case INODE_FILE:
    case INODE_FREE: break;
    }
    return PB__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE;
}

static void fill_file(struct core *core, const struct inode *inode, Pb__HdfsFileStatus *out)
{
    out->length = inode_length(inode, true);
    out->block_replication = inode_replication(inode);
    out->blocksize = inode_block_size(core->tree.inodes, inode);
}

/* Apache sends all of these always, zeroes included. */
void status_fill(struct core *core, const struct inode *inode, const ProtobufCBinaryData *name,
                 Pb__HdfsFileStatus *out, struct arena *arena)
{
    const struct inode_table *inodes = core->tree.inodes;

    out->filetype = file_type(inode);
    if (name) out->path = *name;
    out->permission = arena_alloc(arena, sizeof *out->permission);
    pb__fs_permission__init(out->permission);
    out->permission->perm = inode->mode;
    out->owner = (char *)inode_user(inodes, inode);
    out->group = (char *)inode_group(inodes, inode);
    out->modification_time = inode->mtime_ms;
    out->access_time = inode->atime_ms;
    out->has_block_replication = out->has_blocksize = out->has_fileid = true;
    out->has_childrennum = out->has_storagepolicy = out->has_flags = true;
    out->fileid = inode->id;
    out->childrennum = (int32_t)MIN(dir_child_count(inode), (uint64_t)INT32_MAX);
    if (inode_is_file(inode)) fill_file(core, inode, out);
    if (inode_is_symlink(inode)) {
        const char *target = inode_symlink_target(inodes, inode);

        out->has_symlink = true;
        out->symlink = (ProtobufCBinaryData){.data = (uint8_t *)target, .len = strlen(target)};
    } else {
        out->storagepolicy = storage_policy_effective(inodes, inode);
    }
    const struct ec_policy *policy = ec_policy_effective(core, inode);
    if (policy) {
        out->ecpolicy = ec_policy_message(policy, arena);
        out->flags |= PB__HDFS_FILE_STATUS__FLAGS__HAS_EC;
    }
    if (inode->has_acl) out->flags |= PB__HDFS_FILE_STATUS__FLAGS__HAS_ACL;
    /* The root can always hold snapshots. */
    if (!inode->is_copy && (inode == core->tree.root || snapshot_dir(&core->tree, inode)))
        out->flags |= PB__HDFS_FILE_STATUS__FLAGS__SNAPSHOT_ENABLED;
}

Pb__HdfsFileStatus *status_make(struct core *core, const struct inode *inode,
                                const ProtobufCBinaryData *name, struct arena *arena)
{
    Pb__HdfsFileStatus *status = arena_alloc(arena, sizeof *status);

    pb__hdfs_file_status__init(status);
    status_fill(core, inode, name, status, arena);
    return status;
}

Pb__HdfsFileStatus *status_make_seen(struct core *core, struct inode *proper, int32_t snapshot,
                                     uint8_t policy, const ProtobufCBinaryData *name,
                                     struct arena *arena)
{
    struct inode *inode = snapshot_attributes(&core->tree, proper, snapshot);
    Pb__HdfsFileStatus *status = status_make(core, inode, name, arena);
    struct snapshot_file file;

    if (snapshot == SNAPSHOT_CURRENT) return status;
    if (!inode_is_symlink(inode)) /* as it is today, whatever the snapshot saw */
        status->storagepolicy = proper->storage_policy ? proper->storage_policy : policy;
    if (inode_is_dir(inode))
        status->childrennum =
            (int32_t)MIN(snapshot_child_count(&core->tree, proper, snapshot), (uint64_t)INT32_MAX);
    if (!inode_is_file(inode)) return status;
    snapshot_file(&core->tree, proper, snapshot, &file);
    status->length = file.length;
    return status;
}

uint8_t status_path_policy(const struct core *core, const struct resolved *path)
{
    const struct inode *at = path->proper;

    if (path->snapshot != SNAPSHOT_CURRENT && path->parent == at) { /* the snapshot itself */
        if (path->inode->storage_policy) return path->inode->storage_policy & 15;
        at = snapshot_home(&core->tree, at);
    }
    while (at && !at->storage_policy) at = snapshot_home(&core->tree, at);
    return at ? at->storage_policy & 15 : STORAGE_POLICY_NONE;
}

Pb__HdfsFileStatus *status_of_path(struct core *core, const struct resolved *path,
                                   struct arena *arena)
{
    uint8_t policy = status_path_policy(core, path);
    Pb__HdfsFileStatus *status =
        status_make_seen(core, path->proper, path->snapshot, policy, NULL, arena);

    if (path->snapshot != SNAPSHOT_CURRENT && !inode_is_symlink(path->inode))
        status->storagepolicy = policy;
    return status;
}
