/* dfsadmin -setQuota, -clrQuota, -setSpaceQuota and -clrSpaceQuota. */
#include <stdio.h>

#include "client/shell/command.h"
#include "client/shell/dfsadmin.h"
#include "client/shell/format.h"
#include "client/shell/item.h"

struct quota {
    int64_t names, space;
    int storage_type; /* 0: all */
};

/* DFSClient.setQuota refuses these before it asks. */
static int check_values(const struct quota *quota, struct err *err)
{
    int64_t value = quota->storage_type ? quota->space : 0;

    if (quota->storage_type) {
        if (value <= 0 && value != FS_QUOTA_RESET)
            return command_illegal(err, "Invalid values for quota :%" PRId64, value);
        return 0;
    }
    if ((quota->names <= 0 && quota->names != FS_QUOTA_RESET) ||
        (quota->space < 0 && quota->space != FS_QUOTA_RESET))
        return command_illegal(err, "Invalid values for quota : %" PRId64 " and %" PRId64,
                               quota->names, quota->space);
    return 0;
}

static int apply_to(struct admin *admin, const struct quota *quota, const struct item *item,
                    struct err *err)
{
    if (vfs_is_local(item->vfs))
        return command_illegal(err, "FileSystem %s is not an HDFS file system. The fs class is: %s",
                               item->vfs->uri, "org.apache.hadoop.fs.LocalFileSystem");
    (void)admin;
    return fs_set_quota(item->vfs->hdfs, item->path, quota->names, quota->space,
                        quota->storage_type, err);
}

static int apply_all(struct admin *admin, const struct quota *quota, struct err *err)
{
    int rc = check_values(quota, err);

    for (size_t i = 0; i < admin->args.count && rc <= 0; i++) {
        struct items items = {.items = NULL};
        rc = item_glob(admin->shell, admin->args.items[i], &items, err);
        for (size_t k = 0; k < items.count && !rc; k++)
            rc = apply_to(admin, quota, &items.items[k], err);
        items_release(&items);
        if (rc >= 0) continue;
        shell_error(admin->name, err); /* and on with the next */
        admin->exit_code = EXIT_USAGE;
        rc = 0;
    }
    return rc;
}

int admin_set_quota(struct admin *admin, struct err *err)
{
    struct quota quota = {.space = FS_QUOTA_KEEP};
    int rc = args_parse(&admin->args, 2, ARGS_MANY, NULL, false, err);

    if (!rc) rc = parse_binary(args_shift(&admin->args), &quota.names, err);
    return rc ? rc : apply_all(admin, &quota, err);
}

int admin_clr_quota(struct admin *admin, struct err *err)
{
    struct quota quota = {.names = FS_QUOTA_RESET, .space = FS_QUOTA_KEEP};
    int rc = args_parse(&admin->args, 1, ARGS_MANY, NULL, false, err);

    return rc ? rc : apply_all(admin, &quota, err);
}

int admin_set_space_quota(struct admin *admin, struct err *err)
{
    struct quota quota = {.names = FS_QUOTA_KEEP};
    const char *text, *type = NULL;
    int rc = args_parse(&admin->args, 2, ARGS_MANY, NULL, false, err);

    if (rc) return rc;
    text = args_shift(&admin->args);
    rc = parse_binary(text, &quota.space, err);
    if (rc && str_starts(err->text, "For input string"))
        return command_illegal(err, "\"%s\" is not a valid value for a quota.", text);
    if (!rc) rc = args_pop_value(&admin->args, "-storageType", &type, err);
    if (rc) return rc;
    if (type) quota.storage_type = fs_storage_type_parse(type);
    if (type && !quota.storage_type)
        return command_illegal(err,
                               "Storage type %s is not available. Available storage types are "
                               "[SSD, DISK, ARCHIVE, PROVIDED, NVDIMM]",
                               type);
    return apply_all(admin, &quota, err);
}

int admin_clr_space_quota(struct admin *admin, struct err *err)
{
    struct quota quota = {.names = FS_QUOTA_KEEP, .space = FS_QUOTA_RESET};
    const char *type = NULL;
    const struct option options[] = {{"storageType", NULL, &type}, {NULL, NULL, NULL}};
    int rc = args_parse(&admin->args, 1, ARGS_MANY, options, false, err);

    if (rc) return rc;
    if (type) quota.storage_type = fs_storage_type_parse(type);
    if (type && !quota.storage_type)
        return command_illegal(err, "No enum constant org.apache.hadoop.fs.StorageType.%s", type);
    return apply_all(admin, &quota, err);
}
