/* `hdfs snapshotDiff` (SnapshotDiff, DFSUtilClient.getSnapshotDiffReport, SnapshotDiffReportGenerator). */
#include <stdio.h>
#include <stdlib.h>

#include "client/fs.h"
#include "client/shell/tool.h"
#include "client/shell/uri.h"
#include "client/shell/vfs.h"
#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

static const char usage[] =
    "Usage: \n"
    "hdfs snapshotDiff <snapshotDir> <from> <to>:\n"
    "\tGet the difference between two snapshots, \n"
    "\tor between a snapshot and the current tree of a directory.\n"
    "\tFor <from>/<to>, users can use \".\" to present the current status,\n"
    "\tand use \".snapshot/snapshot_name\" to present a snapshot,\n"
    "\twhere \".snapshot/\" can be omitted\n\n";

typedef Pb__SnapshotDiffReportListingEntry listed;

struct entries {
    listed **list;
    size_t count, capacity;
};

struct report { /* the pages put together; all of it lives in the arena */
    struct arena arena;
    struct entries modified, created, deleted;
    bool from_earlier;
};

static void report_release(struct report *report)
{
    mem_free(report->modified.list);
    mem_free(report->created.list);
    mem_free(report->deleted.list);
    arena_release(&report->arena);
}

/* ---- what is shown ---- */

static void print_path(ProtobufCBinaryData path)
{
    fputs(path.len ? "./" : ".", stdout);
    fwrite(path.data, 1, path.len, stdout);
}

static void print_entry(const char *label, ProtobufCBinaryData path,
                        const ProtobufCBinaryData *target)
{
    printf("%s\t", label);
    print_path(path);
    if (target) {
        fputs(" -> ", stdout);
        print_path(*target);
    }
    putchar('\n');
}

static void print_end(const char *name)
{
    if (*name)
        printf("snapshot %s", name);
    else
        fputs("current directory", stdout);
}

static void print_title(const char *dir, const char *from, const char *to)
{
    fputs("Difference between ", stdout);
    print_end(from);
    fputs(" and ", stdout);
    print_end(to);
    printf(" under directory %s:\n", dir);
}

/* ---- the report in pages ---- */

static void take(struct entries *all, listed *const *page, size_t count)
{
    GROW(all->list, all->capacity, all->count + count);
    if (count) memcpy(all->list + all->count, page, count * sizeof *page);
    all->count += count;
}

static int ask_pages(struct fs *fs, const Pb__GetSnapshotDiffReportListingRequest *wanted,
                     struct report *report, struct err *err)
{
    Pb__GetSnapshotDiffReportListingRequest request = *wanted;
    Pb__SnapshotDiffReportCursor cursor = PB__SNAPSHOT_DIFF_REPORT_CURSOR__INIT;
    Pb__GetSnapshotDiffReportListingResponse *response;

    request.cursor = &cursor;
    do {
        int rc = fs_call(fs, "getSnapshotDiffReportListing", &request,
                         &pb__get_snapshot_diff_report_listing_response__descriptor, &report->arena,
                         &response, err);
        if (rc) return rc;
        const Pb__SnapshotDiffReportListing *page = response->diffreport;
        take(&report->modified, page->modifiedentries, page->n_modifiedentries);
        take(&report->created, page->createdentries, page->n_createdentries);
        take(&report->deleted, page->deletedentries, page->n_deletedentries);
        report->from_earlier = page->isfromearlier;
        if (!page->cursor) break;
        cursor.startpath = page->cursor->startpath;
        cursor.index = page->cursor->index;
    } while (cursor.startpath.len || cursor.index != -1);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static size_t renamed_ids(const struct entries *deleted, uint64_t **out)
{
    size_t count = 0;

    *out = mem_alloc(MAX(deleted->count, (size_t)1) * sizeof **out);
    for (size_t i = 0; i < deleted->count; i++)
        if (deleted->list[i]->isreference) (*out)[count++] = deleted->list[i]->fileid;
    qsort(*out, count, sizeof **out, compare_ids);
    return count;
}

/* Entries come in the order of the tree's walk, those of a directory together. */
static void print_report(const struct report *report)
{
    bool forth = report->from_earlier;
    size_t created = 0, deleted = 0;
    uint64_t *renamed;
    size_t renamed_count = renamed_ids(&report->deleted, &renamed);

    for (size_t i = 0; i < report->modified.count; i++) {
        const listed *entry = report->modified.list[i], *child;

        print_entry("M", entry->fullpath, NULL);
        if (!entry->isreference) continue;
        for (; created < report->created.count; created++) {
            child = report->created.list[created];
            if (child->dirid != entry->dirid) break;
            if (!bsearch(&child->fileid, renamed, renamed_count, sizeof *renamed, compare_ids))
                print_entry(forth ? "+" : "-", child->fullpath, NULL);
        }
        for (; deleted < report->deleted.count; deleted++) {
            child = report->deleted.list[deleted];
            if (child->dirid != entry->dirid) break;
            if (!child->isreference)
                print_entry(forth ? "-" : "+", child->fullpath, NULL);
            else if (forth)
                print_entry("R", child->fullpath, &child->targetpath);
            else
                print_entry("R", child->targetpath, &child->fullpath);
        }
    }
    mem_free(renamed);
}

/* ---- the report in one piece: against today's tree, which must stand still meanwhile ---- */

static int show_whole(struct fs *fs, char *dir, char *from, char *to, struct err *err)
{
    Pb__GetSnapshotDiffReportRequest request = PB__GET_SNAPSHOT_DIFF_REPORT_REQUEST__INIT;
    Pb__GetSnapshotDiffReportResponse *response;
    struct arena arena = {.chunks = NULL};

    request.snapshotroot = dir;
    request.fromsnapshot = from;
    request.tosnapshot = to;
    int rc = fs_call(fs, "getSnapshotDiffReport", &request,
                     &pb__get_snapshot_diff_report_response__descriptor, &arena, &response, err);
    if (!rc) {
        const Pb__SnapshotDiffReport *report = response->diffreport;

        print_title(report->snapshotroot, report->fromsnapshot, report->tosnapshot);
        for (size_t i = 0; i < report->n_diffreportentries; i++) {
            const Pb__SnapshotDiffReportEntry *entry = report->diffreportentries[i];
            bool renamed = str_eq(entry->modificationlabel, "R");

            print_entry(entry->modificationlabel, entry->fullpath,
                        renamed ? &entry->targetpath : NULL);
        }
        putchar('\n');
    }
    arena_release(&arena);
    return rc;
}

static int show_pages(struct fs *fs, char *dir, char *from, char *to, struct err *err)
{
    Pb__GetSnapshotDiffReportListingRequest request =
        PB__GET_SNAPSHOT_DIFF_REPORT_LISTING_REQUEST__INIT;
    struct report report = {.from_earlier = false};

    request.snapshotroot = dir;
    request.fromsnapshot = from;
    request.tosnapshot = to;
    int rc = ask_pages(fs, &request, &report, err);
    if (!rc) {
        print_title(dir, from, to);
        print_report(&report);
        putchar('\n');
    }
    report_release(&report);
    if (rc && str_eq(fs_error_class(err), "org.apache.hadoop.ipc.RpcNoSuchMethodException"))
        return show_whole(fs, dir, from, to, err);
    return rc;
}

/* ---- the command ---- */

/* SnapshotDiff.getSnapshotName */
static char *snapshot_name(char *name)
{
    if (str_eq(name, ".")) return name + 1;
    if (str_starts(name, ".snapshot/")) return name + strlen(".snapshot/");
    if (str_starts(name, "/.snapshot/")) return name + strlen("/.snapshot/");
    return name;
}

static int run(struct shell *shell, int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct vfs *vfs = NULL;
    struct uri uri;
    char *dir = NULL;

    if (argc != 3) {
        fputs(usage, stderr);
        return 1;
    }
    int rc = uri_parse(&uri, argv[0], &err);
    if (!rc) {
        rc = shell_vfs(shell, uri.scheme, uri.authority, &vfs, &err);
        if (!rc) dir = uri_path_absolute(vfs->working_dir, uri.path);
        uri_release(&uri);
    }
    if (!rc && vfs_is_local(vfs)) {
        fputs("SnapshotDiff can only be used in DistributedFileSystem\n", stderr);
        mem_free(dir);
        return 1;
    }
    if (!rc) {
        char *from = snapshot_name(argv[1]), *to = snapshot_name(argv[2]);

        rc = (*from && *to ? show_pages : show_whole)(vfs->hdfs, dir, from, to, &err);
    }
    if (rc) shell_error("snapshotDiff", &err);
    mem_free(dir);
    return rc ? 1 : 0;
}

int snapshot_diff_main(int argc, char **argv)
{
    return tool_run(argc, argv, run);
}
