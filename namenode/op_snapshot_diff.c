/* Reports of differences between snapshots (FSDirSnapshotOp, SnapshotManager.diff, SnapshotDiffInfo). */
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/snapshot.h"
#include "namenode/snapshot_diff.h"

struct ends {
    struct inode *scope;
    int32_t earlier, later;
    bool same, from_earlier;
};

/* FSDirSnapshotOp.checkSubtreeReadPermission */
static int check_subtree(struct core *core, struct op *op, const char *root, const char *name,
                         struct err *err)
{
    const char *separator = str_eq(root, "/") ? "" : "/";
    const char *src =
        *name ? arena_printf(op->arena, "%s%s.snapshot/%s", root, separator, name) : root;
    struct resolved path;
    int rc = perm_resolve(core, op, src, RESOLVE_READ, &path, err);

    if (rc || !path.inode) return rc;
    return perm_check(core, op, &path,
                      &(struct perm_request){.target = ACTION_READ, .subtree = ACTION_READ}, err);
}

/* SnapshotManager.getSnapshottableRoot, or checkAndGetSnapshottableAncestorDir */
static int find_root(struct core *core, struct op *op, const struct resolved *path,
                     const char *shown, struct snapshot_dir **out, struct err *err)
{
    struct inode *inode = path->way ? NULL : path->inode;

    if (!path->inode) return err_set(err, ERR_NOT_FOUND, "Directory does not exist: %s", shown);
    if (!inode_is_dir(path->inode))
        return err_set(err, ERR_PATH_NOT_DIRECTORY, "`%s': Is not a directory", shown);
    for (; inode; inode = inode_parent(core->tree.inodes, inode)) {
        *out = snapshot_dir(&core->tree, inode);
        if (*out) return 0;
        if (!core->conf.snapshot_diff_descendant)
            return err_set(err, ERR_SNAPSHOT, "Directory is not a snapshottable directory: %s",
                           shown);
    }
    return err_set(err, ERR_SNAPSHOT,
                   "The path %s is neither snapshottable nor under a snapshot root!",
                   arena_strdup(op->arena, path->text));
}

static int find_snapshot(struct core *core, struct op *op, const struct snapshot_dir *of,
                         const char *name, int32_t *id, struct err *err)
{
    const struct snapshot *snapshot = *name ? snapshot_named(of, name, strlen(name)) : NULL;

    if (*name && !snapshot)
        return err_set(err, ERR_SNAPSHOT, "Cannot find the snapshot of directory %s with name %s",
                       tree_path_of(&core->tree, of->dir, op->arena), name);
    *id = snapshot ? snapshot->id : SNAPSHOT_CURRENT;
    return 0;
}

static int begin(struct core *core, struct op *op, const char *src, const char *from,
                 const char *to, struct ends *ends, struct err *err)
{
    struct snapshot_dir *of = NULL;
    struct resolved path;
    int32_t first = 0, second = 0;
    int rc = perm_resolve(core, op, src, RESOLVE_READ, &path, err);

    op->audit_src = src;
    if (!rc && core->conf.permissions_enabled) {
        rc = check_subtree(core, op, src, from, err);
        if (!rc) rc = check_subtree(core, op, src, to, err);
    }
    if (!rc) rc = find_root(core, op, &path, src, &of, err);
    if (!rc) rc = find_snapshot(core, op, of, from, &first, err);
    if (!rc) rc = find_snapshot(core, op, of, to, &second, err);
    if (rc) return rc;
    *ends = (struct ends){.scope = path.inode,
                          .earlier = MIN(first, second),
                          .later = MAX(first, second),
                          .same = first == second,
                          .from_earlier = first < second};
    return 0;
}

/* ---- the whole report ---- */

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* What is at another place now; its arrival there is no item of its own. */
static size_t renamed_ids(const struct snapshot_diff *diff, uint64_t **out)
{
    size_t count = 0;

    *out = mem_alloc(MAX(diff->count, (size_t)1) * sizeof **out);
    for (size_t i = 0; i < diff->count; i++)
        if (diff->items[i].target.data) (*out)[count++] = diff->items[i].id;
    qsort(*out, count, sizeof **out, compare_ids);
    return count;
}

static Pb__SnapshotDiffReportEntry *
report_entry(struct op *op, const struct snapshot_diff_item *item, bool from_earlier)
{
    Pb__SnapshotDiffReportEntry *entry = arena_alloc(op->arena, sizeof *entry);
    bool created = (item->kind == DIFF_CREATED) == from_earlier;
    const char *label = item->kind == DIFF_MODIFIED ? "M" : created ? "+" : "-";

    pb__snapshot_diff_report_entry__init(entry);
    entry->fullpath = item->path;
    if (item->target.data) {
        label = "R";
        entry->fullpath = from_earlier ? item->path : item->target;
        entry->has_targetpath = true;
        entry->targetpath = from_earlier ? item->target : item->path;
    }
    entry->modificationlabel = (char *)(uintptr_t)label;
    return entry;
}

static void fill_report(struct op *op, const struct snapshot_diff *diff, bool from_earlier,
                        Pb__SnapshotDiffReport *report)
{
    uint64_t *renamed;
    size_t renamed_count = renamed_ids(diff, &renamed);

    report->diffreportentries = ARENA_ARRAY(op->arena, Pb__SnapshotDiffReportEntry *, diff->count);
    for (size_t i = 0; i < diff->count; i++) {
        const struct snapshot_diff_item *item = &diff->items[i];

        if (item->kind == DIFF_CREATED &&
            bsearch(&item->id, renamed, renamed_count, sizeof *renamed, compare_ids))
            continue;
        report->diffreportentries[report->n_diffreportentries++] =
            report_entry(op, item, from_earlier);
    }
    mem_free(renamed);
}

int op_get_snapshot_diff_report(struct core *core, struct op *op,
                                const Pb__GetSnapshotDiffReportRequest *request,
                                Pb__GetSnapshotDiffReportResponse *response, struct err *err)
{
    struct snapshot_diff_cursor cursor = {.index = -1};
    struct snapshot_diff diff = {.items = NULL};
    struct ends ends;
    int rc = begin(core, op, request->snapshotroot, request->fromsnapshot, request->tosnapshot,
                   &ends, err);

    if (rc) return rc;
    Pb__SnapshotDiffReport *report = arena_alloc(op->arena, sizeof *report);
    pb__snapshot_diff_report__init(report);
    report->snapshotroot = request->snapshotroot;
    report->fromsnapshot = request->fromsnapshot;
    report->tosnapshot = request->tosnapshot;
    if (!ends.same) {
        snapshot_diff_walk(&core->tree, ends.scope, ends.earlier, ends.later, &cursor, SIZE_MAX,
                           op->arena, &diff);
        fill_report(op, &diff, ends.from_earlier, report);
        snapshot_diff_release(&diff);
    }
    response->diffreport = report;
    return 0;
}

/* ---- in pages ---- */

static Pb__SnapshotDiffReportListingEntry *listing_entry(struct op *op,
                                                         const struct snapshot_diff_item *item)
{
    Pb__SnapshotDiffReportListingEntry *entry = arena_alloc(op->arena, sizeof *entry);

    pb__snapshot_diff_report_listing_entry__init(entry);
    entry->fullpath = item->path;
    entry->dirid = item->dir_id;
    entry->has_fileid = true;
    entry->fileid = item->id;
    entry->isreference = item->reference;
    entry->has_targetpath = item->target.data != NULL;
    entry->targetpath = item->target;
    return entry;
}

static void fill_listing(struct op *op, const struct snapshot_diff *diff,
                         Pb__SnapshotDiffReportListing *listing)
{
    typedef Pb__SnapshotDiffReportListingEntry *entry;

    listing->modifiedentries = ARENA_ARRAY(op->arena, entry, diff->count);
    listing->createdentries = ARENA_ARRAY(op->arena, entry, diff->count);
    listing->deletedentries = ARENA_ARRAY(op->arena, entry, diff->count);
    for (size_t i = 0; i < diff->count; i++) {
        const struct snapshot_diff_item *item = &diff->items[i];
        entry made = listing_entry(op, item);

        if (item->kind == DIFF_MODIFIED)
            listing->modifiedentries[listing->n_modifiedentries++] = made;
        else if (item->kind == DIFF_CREATED)
            listing->createdentries[listing->n_createdentries++] = made;
        else
            listing->deletedentries[listing->n_deletedentries++] = made;
    }
}

int op_get_snapshot_diff_report_listing(struct core *core, struct op *op,
                                        const Pb__GetSnapshotDiffReportListingRequest *request,
                                        Pb__GetSnapshotDiffReportListingResponse *response,
                                        struct err *err)
{
    struct snapshot_diff_cursor cursor = {.index = -1};
    struct snapshot_diff diff = {.items = NULL};
    struct ends ends;
    int rc = begin(core, op, request->snapshotroot, request->fromsnapshot, request->tosnapshot,
                   &ends, err);

    if (rc) return rc;
    if (request->cursor) {
        cursor.path = request->cursor->startpath;
        cursor.index = request->cursor->index;
    }
    Pb__SnapshotDiffReportListing *listing = arena_alloc(op->arena, sizeof *listing);
    pb__snapshot_diff_report_listing__init(listing);
    if (ends.same) {
        cursor = (struct snapshot_diff_cursor){.index = -1};
    } else {
        snapshot_diff_walk(&core->tree, ends.scope, ends.earlier, ends.later, &cursor,
                           MAX(core->conf.snapshot_diff_listing_limit, 1u), op->arena, &diff);
        fill_listing(op, &diff, listing);
        snapshot_diff_release(&diff);
    }
    listing->isfromearlier = ends.from_earlier;
    listing->cursor = arena_alloc(op->arena, sizeof *listing->cursor);
    pb__snapshot_diff_report_cursor__init(listing->cursor);
    listing->cursor->startpath = cursor.path;
    listing->cursor->index = cursor.index;
    response->diffreport = listing;
    return 0;
}
