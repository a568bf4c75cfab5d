/* Calls that change the namespace. */
#include "client/fs_state.h"

#define UNCONST(s) ((char *)(uintptr_t)(s))

/* A response that is one bool. */
static int call_bool(struct fs *fs, const char *method, const void *request,
                     const ProtobufCMessageDescriptor *type, bool *result, struct err *err)
{
    struct arena arena = {0};
    Pb__DeleteResponse *response; /* all of these have `result` as their only field */

    int rc = fs_call(fs, method, request, type, &arena, &response, err);
    if (!rc && result) *result = response->result;
    arena_release(&arena);
    return rc;
}
#define SAME_AS_DELETE(type)                                                                       \
    _Static_assert(offsetof(Pb__##type, result) == offsetof(Pb__DeleteResponse, result), #type)
SAME_AS_DELETE(MkdirsResponse);
SAME_AS_DELETE(RenameResponse);
SAME_AS_DELETE(SetReplicationResponse);
SAME_AS_DELETE(TruncateResponse);
SAME_AS_DELETE(IsFileClosedResponse);
SAME_AS_DELETE(RecoverLeaseResponse);

int fs_mkdirs(struct fs *fs, const char *path, uint32_t mode, bool create_parent, struct err *err)
{
    Pb__MkdirsRequest request = PB__MKDIRS_REQUEST__INIT;
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT, unmasked = PB__FS_PERMISSION__INIT;
    bool made;

    unmasked.perm = mode & 01777;
    masked.perm = unmasked.perm & ~fs->settings.umask;
    request.src = UNCONST(path);
    request.masked = &masked;
    request.unmasked = &unmasked;
    request.createparent = create_parent;
    int rc = fs_check_path(path, err);
    if (!rc) rc = call_bool(fs, "mkdirs", &request, &pb__mkdirs_response__descriptor, &made, err);
    if (!rc && !made) rc = err_set(err, ERR_IO, "mkdirs %s failed", path);
    return rc;
}

int fs_delete(struct fs *fs, const char *path, bool recursive, bool *deleted, struct err *err)
{
    Pb__DeleteRequest request = PB__DELETE_REQUEST__INIT;

    request.src = UNCONST(path);
    request.recursive = recursive;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return call_bool(fs, "delete", &request, &pb__delete_response__descriptor, deleted, err);
}

int fs_rename(struct fs *fs, const char *from, const char *to, bool *renamed, struct err *err)
{
    Pb__RenameRequest request = PB__RENAME_REQUEST__INIT;

    request.src = UNCONST(from);
    request.dst = UNCONST(to);
    int rc = fs_check_path(from, err);
    if (!rc) rc = fs_check_path(to, err);
    if (rc) return rc;
    return call_bool(fs, "rename", &request, &pb__rename_response__descriptor, renamed, err);
}

int fs_rename2(struct fs *fs, const char *from, const char *to, unsigned flags, struct err *err)
{
    Pb__Rename2Request request = PB__RENAME2_REQUEST__INIT;

    request.src = UNCONST(from);
    request.dst = UNCONST(to);
    request.overwritedest = flags & FS_RENAME_OVERWRITE;
    request.has_movetotrash = true;
    request.movetotrash = flags & FS_RENAME_TO_TRASH;
    int rc = fs_check_path(from, err);
    if (!rc) rc = fs_check_path(to, err);
    if (rc) return rc;
    return fs_do(fs, "rename2", &request, &pb__rename2_response__descriptor, err);
}

int fs_set_replication(struct fs *fs, const char *path, unsigned replication, bool *set,
                       struct err *err)
{
    Pb__SetReplicationRequest request = PB__SET_REPLICATION_REQUEST__INIT;

    request.src = UNCONST(path);
    request.replication = replication;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return call_bool(fs, "setReplication", &request, &pb__set_replication_response__descriptor, set,
                     err);
}

int fs_set_permission(struct fs *fs, const char *path, uint32_t mode, struct err *err)
{
    Pb__SetPermissionRequest request = PB__SET_PERMISSION_REQUEST__INIT;
    Pb__FsPermission permission = PB__FS_PERMISSION__INIT;

    permission.perm = mode & 01777;
    request.src = UNCONST(path);
    request.permission = &permission;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return fs_do(fs, "setPermission", &request, &pb__set_permission_response__descriptor, err);
}

int fs_set_owner(struct fs *fs, const char *path, const char *owner, const char *group,
                 struct err *err)
{
    Pb__SetOwnerRequest request = PB__SET_OWNER_REQUEST__INIT;

    if (!owner && !group)
        return err_set(err, ERR_ARGUMENT, "username == null && groupname == null");
    request.src = UNCONST(path);
    request.username = UNCONST(owner);
    request.groupname = UNCONST(group);
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return fs_do(fs, "setOwner", &request, &pb__set_owner_response__descriptor, err);
}

int fs_set_times(struct fs *fs, const char *path, int64_t mtime_ms, int64_t atime_ms,
                 struct err *err)
{
    Pb__SetTimesRequest request = PB__SET_TIMES_REQUEST__INIT;

    request.src = UNCONST(path);
    request.mtime = (uint64_t)mtime_ms;
    request.atime = (uint64_t)atime_ms;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return fs_do(fs, "setTimes", &request, &pb__set_times_response__descriptor, err);
}

int fs_set_storage_policy(struct fs *fs, const char *path, const char *policy, struct err *err)
{
    Pb__SetStoragePolicyRequest request = PB__SET_STORAGE_POLICY_REQUEST__INIT;

    request.src = UNCONST(path);
    request.policyname = UNCONST(policy);
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return fs_do(fs, "setStoragePolicy", &request, &pb__set_storage_policy_response__descriptor,
                 err);
}

int fs_set_quota(struct fs *fs, const char *path, int64_t names, int64_t space, int storage_type,
                 struct err *err)
{
    Pb__SetQuotaRequest request = PB__SET_QUOTA_REQUEST__INIT;

    request.path = UNCONST(path);
    request.namespacequota = (uint64_t)names;
    request.storagespacequota = (uint64_t)space;
    request.has_storagetype = storage_type != 0;
    request.storagetype = (Pb__StorageType)storage_type;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return fs_do(fs, "setQuota", &request, &pb__set_quota_response__descriptor, err);
}

int fs_truncate(struct fs *fs, const char *path, uint64_t length, bool *done, struct err *err)
{
    Pb__TruncateRequest request = PB__TRUNCATE_REQUEST__INIT;

    request.src = UNCONST(path);
    request.newlength = length;
    request.clientname = fs->client_name;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    if (length > INT64_MAX)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Cannot truncate to a negative file size: %" PRId64 ".", (int64_t)length);
    return call_bool(fs, "truncate", &request, &pb__truncate_response__descriptor, done, err);
}

int fs_concat(struct fs *fs, const char *target, const char *const *sources, size_t count,
              struct err *err)
{
    Pb__ConcatRequest request = PB__CONCAT_REQUEST__INIT;

    int rc = fs_check_path(target, err);
    for (size_t i = 0; i < count && !rc; i++) rc = fs_check_path(sources[i], err);
    if (rc) return rc;
    request.trg = UNCONST(target);
    request.n_srcs = count;
    request.srcs = (char **)(uintptr_t)sources;
    return fs_do(fs, "concat", &request, &pb__concat_response__descriptor, err);
}

int fs_is_file_closed(struct fs *fs, const char *path, bool *closed, struct err *err)
{
    Pb__IsFileClosedRequest request = PB__IS_FILE_CLOSED_REQUEST__INIT;

    request.src = UNCONST(path);
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return call_bool(fs, "isFileClosed", &request, &pb__is_file_closed_response__descriptor, closed,
                     err);
}

int fs_recover_lease(struct fs *fs, const char *path, bool *closed, struct err *err)
{
    Pb__RecoverLeaseRequest request = PB__RECOVER_LEASE_REQUEST__INIT;

    request.src = UNCONST(path);
    request.clientname = fs->client_name;
    int rc = fs_check_path(path, err);
    if (rc) return rc;
    return call_bool(fs, "recoverLease", &request, &pb__recover_lease_response__descriptor, closed,
                     err);
}
