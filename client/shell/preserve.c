#include "client/shell/preserve.h"

#include "client/shell/acl.h"
#include "client/shell/destination.h"
#include "client/shell/xattr.h"

int preserve_attributes(unsigned what, const struct item *src, const struct item *target,
                        struct err *err)
{
    const struct fs_status *stat = &src->stat;
    int rc = 0;

    if (what & PRESERVE_TIMES)
        rc = vfs_set_times(target->vfs, target->path, stat->mtime_ms, stat->atime_ms, err);
    if (!rc && what & PRESERVE_OWNER)
        rc = vfs_set_owner(target->vfs, target->path, stat->owner, stat->group, err);
    if (!rc && what & (PRESERVE_MODE | PRESERVE_ACL))
        rc = vfs_set_permission(target->vfs, target->path, stat->mode, err);
    if (!rc && what & PRESERVE_ACL && stat->flags & FS_HAS_ACL) rc = acl_copy(src, target, err);
    if (!rc && what & PRESERVE_XATTR) rc = xattr_copy(src, target, err);
    return rc;
}
