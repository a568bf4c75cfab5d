/*
 * Reading the journal back: which segments there are, what they hold, replay, and what is done
 * about a torn end (FileJournalManager, EditLogFileInputStream, FSEditLogLoader). Damage table:
 * docs/format/edits.md.
 *
 * Thread rules: whoever owns the core (at start) or one caller with its own list (edit transfer).
 */
#ifndef NAMENODE_EDIT_READ_H
#define NAMENODE_EDIT_READ_H

#include "namenode/edit_codec.h"
#include "namenode/nn_storage.h"

/* One copy of a segment. */
struct edit_segment {
    struct nn_dir *dir; /* NULL for a file opened by itself */
    char *path;
    uint64_t first;
    uint64_t last; /* of an in-progress one: unknown (0) until edit_segment_scan() */
    bool in_progress;
};

struct edit_segments {
    struct edit_segment *items; /* ordered by first, finalized before in-progress; copies of one
                                   segment are neighbours */
    size_t count;
};

/* All segments of all live directories that end at or after `from`. */
int edit_segments_find(struct nn_storage *storage, uint64_t from, struct edit_segments *out,
                       struct err *err) MUST_CHECK;
void edit_segments_release(struct edit_segments *segments);

/* One segment file, record by record; holds it in memory-mapped form, so the file must not shrink
 * meanwhile. */
struct edit_reader;
int edit_reader_open(struct edit_reader **out, const char *path, struct err *err) MUST_CHECK;
void edit_reader_close(struct edit_reader *reader);
/* 1 and a record (valid until the next call), 0 at the end (padding or end of file), or: ERR_EOF a
 * record is cut off at the end of the file, ERR_CORRUPT damage; both name file, offset and txid
 * expected, and the reader stays where it is. */
int edit_reader_next(struct edit_reader *reader, struct edit *out, struct err *err) MUST_CHECK;
uint64_t edit_reader_offset(const struct edit_reader *reader);

/* What a segment holds. Which damage is which: docs/format/edits.md. */
struct edit_scan {
    uint64_t records;
    uint64_t first, last; /* txids up to the first damage; 0 when there is none */
    uint64_t last_seen;   /* the highest txid of a valid record anywhere */
    uint64_t valid_size;  /* bytes up to the end of the last record before any damage */
    uint64_t file_size;
    bool header_missing; /* shorter than a header, or padding from the start */
    bool torn; /* what follows valid_size is a write that a crash cut off: nobody was told of it */
    bool damaged; /* what follows valid_size was once whole: acknowledged records are hurt */
};
/* Looks at every frame without decoding bodies. Damage is no error; ERR_IO and a wrong layout
 * version are. */
int edit_segment_scan(const char *path, struct edit_scan *out, struct err *err) MUST_CHECK;

/* Applies records core->txid_applied + 1 … to the core, from whichever copy is whole, up to the
 * end. Refuses (ERR_CORRUPT) gaps, damage that no copy makes good, and ends before
 * storage->seen_txid. */
int edit_replay(struct core *core, struct nn_storage *storage, struct err *err) MUST_CHECK;

/* In-progress segments of earlier runs become finalized ones with the last txid found (a torn end,
 * which nobody was told of, is cut), empty ones are renamed to .empty (without a whole header:
 * .corrupt), copies shorter than the best to .stale, as Apache does. Before edit_replay(). */
int edit_recover_unclosed(struct nn_storage *storage, struct err *err) MUST_CHECK;

#endif
