/* What becomes of the segments at start: unclosed ones are closed, then all are applied. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "namenode/edit_read.h"
#include "namenode/retry_cache.h"

enum { PROGRESS_MS = 10000 };

/* ---- in-progress segments of earlier runs ---- */

/* The copies of one segment: items[from] to items[to - 1]. */
struct group {
    struct edit_segment *items;
    struct edit_scan *scans;
    size_t count;
    uint64_t finalized_last; /* of a copy that is finalized already; 0: none */
};

static int set_aside(const struct edit_segment *segment, const char *suffix, struct err *err)
{
    char *to = mem_printf("%s.%s", segment->path, suffix);
    int rc = file_rename(segment->path, to, err);

    if (!rc) log_warn("Moved the edits file %s aside to %s", segment->path, to);
    mem_free(to);
    return rc;
}

static int cut_file(const char *path, uint64_t size, struct err *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) return err_set_errno(err, errno, "open %s", path);
    if (ftruncate(fd, (off_t)size) || fsync(fd))
        rc = err_set_errno(err, errno, "cut %s to %" PRIu64 " bytes", path, size);
    close(fd);
    return rc;
}

static int finalize(const struct edit_segment *segment, const struct edit_scan *scan,
                    struct err *err)
{
    char *to = mem_printf("%s/edits_%019" PRIu64 "-%019" PRIu64, segment->dir->current,
                          segment->first, scan->last);

    if (scan->torn)
        log_warn("%s: the last write was cut off by a crash; %" PRIu64 " bytes behind txid %" PRIu64
                 ", which nobody was told of, are dropped",
                 segment->path, scan->file_size - scan->valid_size, scan->last);
    int rc = cut_file(segment->path, scan->valid_size, err);
    if (!rc) rc = file_rename(segment->path, to, err);
    if (!rc) log_info("Recovered the unclosed edits file %s as %s", segment->path, to);
    mem_free(to);
    return rc;
}

/* The last txid that the segment shall end with: the most that a whole copy has. */
static int choose_last(const struct group *group, uint64_t *last, struct err *err)
{
    *last = group->finalized_last;
    for (size_t i = 0; i < group->count; i++)
        if (!group->scans[i].damaged) *last = MAX(*last, group->scans[i].last);
    if (group->finalized_last && *last > group->finalized_last)
        return err_set(err, ERR_CORRUPT,
                       "one copy of the edits segment that begins with txid %" PRIu64
                       " is finalized at %" PRIu64 ", an unclosed copy goes on to %" PRIu64
                       ". Move the copy that is wrong out of its directory",
                       group->items[0].first, group->finalized_last, *last);
    for (size_t i = 0; i < group->count; i++) {
        const struct edit_scan *scan = &group->scans[i];
        if (!scan->damaged || (scan->last_seen <= *last && *last)) continue;
        return err_set(
            err, ERR_CORRUPT,
            "%s is damaged at offset %" PRIu64 ", after txid %" PRIu64
            ", and no other copy has what follows. Restore the file from a backup; to go on "
            "without those changes, cut it to %" PRIu64 " bytes",
            group->items[i].path, scan->valid_size, scan->last, scan->valid_size);
    }
    return 0;
}

static int settle_copy(const struct edit_segment *segment, const struct edit_scan *scan,
                       uint64_t last, struct err *err)
{
    if (scan->damaged) return set_aside(segment, "corrupt", err);
    if (!scan->records)
        return set_aside(segment, scan->header_missing && scan->file_size ? "corrupt" : "empty",
                         err);
    if (scan->first != segment->first)
        return err_set(err, ERR_CORRUPT, "%s begins with txid %" PRIu64, segment->path,
                       scan->first);
    if (scan->last < last) return set_aside(segment, "stale", err);
    return finalize(segment, scan, err);
}

static int recover_group(struct group *group, struct err *err)
{
    uint64_t last;
    int rc = 0;

    for (size_t i = 0; i < group->count && !rc; i++)
        rc = edit_segment_scan(group->items[i].path, &group->scans[i], err);
    if (!rc) rc = choose_last(group, &last, err);
    for (size_t i = 0; i < group->count && !rc; i++)
        rc = settle_copy(&group->items[i], &group->scans[i], last, err);
    return rc;
}

/* The next group of unclosed copies from *at on; false at the end. */
static bool next_group(struct edit_segments *segments, size_t *at, struct group *out)
{
    while (*at < segments->count) {
        size_t from = *at, first_open;
        while (*at < segments->count && segments->items[*at].first == segments->items[from].first)
            ++*at;
        for (first_open = from; first_open < *at; first_open++)
            if (segments->items[first_open].in_progress) break;
        if (first_open == *at) continue;
        out->items = &segments->items[first_open];
        out->count = *at - first_open;
        out->finalized_last = first_open > from ? segments->items[from].last : 0;
        return true;
    }
    return false;
}

int edit_recover_unclosed(struct nn_storage *storage, struct err *err)
{
    struct edit_segments segments;
    struct group group = {0};
    size_t at = 0;
    int rc = edit_segments_find(storage, 0, &segments, err);

    if (rc) return rc;
    group.scans = NEW_ARRAY(struct edit_scan, segments.count + 1);
    while (!rc && next_group(&segments, &at, &group)) rc = recover_group(&group, err);
    mem_free(group.scans);
    edit_segments_release(&segments);
    return rc;
}

/* ---- replay ---- */

struct replay {
    struct core *core;
    uint64_t goal; /* last txid that any segment promises, for progress lines */
    int64_t next_line_ms;
    uint64_t applied;
};

static void report_progress(struct replay *replay)
{
    if (replay->applied % 4096 || clock_mono_ms() < replay->next_line_ms) return;
    replay->next_line_ms = clock_mono_ms() + PROGRESS_MS;
    log_info("replaying edit log: txid %" PRIu64 " of %" PRIu64, replay->core->txid_applied,
             replay->goal);
}

/* A record that the namespace does not take is no matter of copies: *fatal. */
static int apply_record(struct replay *replay, const struct edit_segment *segment,
                        const struct edit *edit, bool *fatal, struct err *err)
{
    struct core *core = replay->core;

    if (edit->txid <= core->txid_applied) return 0;
    if (edit->txid != core->txid_applied + 1)
        return err_set(err, ERR_CORRUPT,
                       "There appears to be a gap in the edit log. We expected txid %" PRIu64
                       ", but got txid %" PRIu64 " in %s",
                       core->txid_applied + 1, edit->txid, segment->path);
    int rc = edit_apply(core, edit, err);
    if (rc) {
        *fatal = true;
        return err_wrap(err, rc, "apply txid %" PRIu64 " (%s) of %s", edit->txid,
                        edit_op_name(edit->op), segment->path);
    }
    core->txid_applied = edit->txid;
    if (edit->has_client_id)
        retry_cache_put(core->retry_cache, edit->client_id, edit->call_id, core->now_ms, NULL, 0);
    replay->applied++;
    report_progress(replay);
    return 0;
}

static int replay_copy(struct replay *replay, const struct edit_segment *segment, bool *fatal,
                       struct err *err)
{
    struct edit_reader *reader = NULL;
    struct edit edit;
    int rc = edit_reader_open(&reader, segment->path, err);

    while (!rc && (rc = edit_reader_next(reader, &edit, err)) > 0)
        rc = apply_record(replay, segment, &edit, fatal, err);
    edit_reader_close(reader);
    if (!rc && replay->core->txid_applied < segment->last)
        rc = err_set(err, ERR_EOF, "%s ends with txid %" PRIu64 " instead of %" PRIu64,
                     segment->path, replay->core->txid_applied, segment->last);
    if (rc == ERR_UNSUPPORTED) *fatal = true;
    return rc;
}

static bool holds_next(const struct replay *replay, const struct edit_segment *segment)
{
    uint64_t next = replay->core->txid_applied + 1;

    return !segment->in_progress && segment->first <= next && next <= segment->last;
}

/* One after the other the copies that have the next record, until one brought us on. */
static int replay_next(struct replay *replay, const struct edit_segments *segments, bool *moved,
                       struct err *err)
{
    uint64_t before = replay->core->txid_applied;
    bool fatal = false;
    int rc = 0;

    *moved = false;
    for (size_t i = 0; i < segments->count; i++) {
        if (!holds_next(replay, &segments->items[i])) continue;
        rc = replay_copy(replay, &segments->items[i], &fatal, err);
        *moved = replay->core->txid_applied > before;
        if (!rc || fatal) return rc;
        log_error("%s; looking for another copy", err->text);
    }
    return rc;
}

static bool begun_empty(const struct nn_storage *storage, uint64_t first)
{
    bool found = false;

    for (size_t i = 0; i < storage->count && !found; i++) {
        char *path =
            mem_printf("%s/edits_inprogress_%019" PRIu64 ".empty", storage->dirs[i].current, first);
        found = file_exists(path);
        mem_free(path);
    }
    return found;
}

static int check_end(const struct replay *replay, const struct nn_storage *storage,
                     const struct edit_segments *segments, struct err *err)
{
    uint64_t last = replay->core->txid_applied, beyond = 0;

    for (size_t i = segments->count; i-- > 0;)
        if (segments->items[i].first > last) beyond = segments->items[i].first;
    if (beyond)
        return err_set(
            err, ERR_CORRUPT,
            "There appears to be a gap in the edit log. We expected txid %" PRIu64
            ", but the next file begins with txid %" PRIu64
            ". Bring the missing edits file back from a backup or another name directory",
            last + 1, beyond);
    /* Apache notes a segment before its first record is durable, so that a crash may leave an empty
     * one. */
    if (last + 1 == storage->seen_txid && begun_empty(storage, storage->seen_txid)) return 0;
    if (last < storage->seen_txid)
        return err_set(
            err, ERR_CORRUPT,
            "Gap in transactions. Expected to be able to read up until at least txid %" PRIu64
            " but unable to find any edit logs containing txid %" PRIu64
            ". Bring the missing edits file back from a backup or another name directory",
            storage->seen_txid, last + 1);
    return 0;
}

int edit_replay(struct core *core, struct nn_storage *storage, struct err *err)
{
    struct replay replay = {.core = core, .next_line_ms = clock_mono_ms() + PROGRESS_MS};
    struct edit_segments segments;
    int64_t start = clock_mono_ms();
    bool moved = true;
    int rc = edit_segments_find(storage, core->txid_applied + 1, &segments, err);

    if (rc) return rc;
    for (size_t i = 0; i < segments.count; i++)
        replay.goal = MAX(replay.goal, segments.items[i].last);
    while (!rc && moved) rc = replay_next(&replay, &segments, &moved, err);
    if (!rc) rc = check_end(&replay, storage, &segments, err);
    edit_segments_release(&segments);
    if (!rc)
        log_info("Loaded %" PRIu64 " edits up to txid %" PRIu64 " in %" PRId64 " ms",
                 replay.applied, core->txid_applied, clock_mono_ms() - start);
    return rc;
}
