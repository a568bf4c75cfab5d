/* `hdfs lsSnapshottableDir` (LsSnapshottableDir, SnapshottableDirectoryStatus.print). */
#include <stdio.h>
#include <time.h>

#include "client/fs.h"
#include "client/shell/format.h"
#include "client/shell/tool.h"
#include "client/shell/vfs.h"
#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

static const char usage[] =
    "Usage: \n"
    "hdfs lsSnapshottableDir: \n"
    "\tGet the list of snapshottable directories that are owned by the current user.\n"
    "\tReturn all the snapshottable directories if the current user is a super user.\n\n";

struct widths {
    int owner, group, snapshots, quota;
};

static int digits(uint32_t n)
{
    return snprintf(NULL, 0, "%" PRIu32, n);
}

static void print_status(const Pb__SnapshottableDirectoryStatus *status,
                         const struct widths *widths)
{
    const Pb__HdfsFileStatus *dir = status->dirstatus;
    const ProtobufCBinaryData *parent = &status->parent_fullpath, *name = &dir->path;
    time_t seconds = (time_t)(dir->modification_time / 1000);
    bool below_root = parent->len == 1 && parent->data[0] == '/';
    char mode[FORMAT_MODE_MAX], when[32];
    struct tm tm;

    strftime(when, sizeof when, "%Y-%m-%d %H:%M", localtime_r(&seconds, &tm));
    printf("d%s %d %-*s %-*s %d %s %*" PRIu32 " %*" PRIu32 " ",
           format_mode(mode, dir->permission->perm), 0, widths->owner, dir->owner, widths->group,
           dir->group, 0, when, widths->snapshots, status->snapshot_number, widths->quota,
           status->snapshot_quota);
    fwrite(parent->data, 1, parent->len, stdout);
    if (!below_root) putchar('/');
    fwrite(name->data, 1, name->len, stdout);
    putchar('\n');
}

static void print_list(const Pb__SnapshottableDirectoryListing *list)
{
    struct widths widths = {.owner = 0};

    for (size_t i = 0; i < list->n_snapshottabledirlisting; i++) {
        const Pb__SnapshottableDirectoryStatus *status = list->snapshottabledirlisting[i];

        widths.owner = MAX(widths.owner, (int)strlen(status->dirstatus->owner));
        widths.group = MAX(widths.group, (int)strlen(status->dirstatus->group));
        widths.snapshots = MAX(widths.snapshots, digits(status->snapshot_number));
        widths.quota = MAX(widths.quota, digits(status->snapshot_quota));
    }
    for (size_t i = 0; i < list->n_snapshottabledirlisting; i++)
        print_status(list->snapshottabledirlisting[i], &widths);
}

static int show(struct fs *fs, struct err *err)
{
    Pb__GetSnapshottableDirListingRequest request = PB__GET_SNAPSHOTTABLE_DIR_LISTING_REQUEST__INIT;
    Pb__GetSnapshottableDirListingResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc =
        fs_call(fs, "getSnapshottableDirListing", &request,
                &pb__get_snapshottable_dir_listing_response__descriptor, &arena, &response, err);

    if (!rc) {
        const Pb__SnapshottableDirectoryListing *list = response->snapshottabledirlist;

        if (list && list->n_snapshottabledirlisting)
            print_list(list);
        else
            putchar('\n');
    }
    arena_release(&arena);
    return rc;
}

static int run(struct shell *shell, int argc, char **argv UNUSED)
{
    struct err err = ERR_INIT;
    struct vfs *vfs = NULL;

    if (argc) {
        fputs(usage, stderr);
        return 1;
    }
    int rc = shell_default_vfs(shell, &vfs, &err);
    if (!rc && vfs_is_local(vfs)) {
        fputs("LsSnapshottableDir can only be used in DistributedFileSystem\n", stderr);
        return 1;
    }
    if (!rc) rc = show(vfs->hdfs, &err);
    if (rc) shell_error("lsSnapshottableDir", &err);
    return rc ? 1 : 0;
}

int ls_snapshottable_main(int argc, char **argv)
{
    return tool_run(argc, argv, run);
}
