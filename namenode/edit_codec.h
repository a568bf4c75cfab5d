/*
 * Bytes of edit log records, both ways (FSEditLogOp.Reader and Writer; table in
 * docs/format/edits.md):
 *
 *   u8 opcode | u32 length | u64 txid | body | u32 CRC32 of all before        length counts itself,
 * txid and body
 *
 * Every opcode of layout -67 decodes completely and encodes back to the same bytes; what struct
 * edit has no field for is checked and then carried as opaque body. Pure; any thread.
 */
#ifndef NAMENODE_EDIT_CODEC_H
#define NAMENODE_EDIT_CODEC_H

#include "common/buf.h"
#include "common/mem.h"
#include "namenode/edit.h"

enum {
    EDIT_HEADER_SIZE = 8,      /* of a segment: i32 layout version, i32 zero (no layout flags) */
    EDIT_RECORD_SIZE_MIN = 17, /* opcode, length, txid, CRC */
    EDIT_RECORD_SIZE_MAX = 50 * 1024 * 1024, /* dfs.namenode.max.op.size */
    EDIT_PADDING = 0xff,
};

/* What stands at the front of `data`. */
enum edit_frame {
    EDIT_FRAME_RECORD, /* a whole record with a right CRC */
    EDIT_FRAME_END,   /* nothing, or padding (0xFF, or the zeros of a file that was extended but not
                         written) as far as `size` goes */
    EDIT_FRAME_SHORT, /* the beginning of a record that goes on beyond `size` */
    EDIT_FRAME_DAMAGED, /* an impossible length or a wrong CRC */
};

struct edit_frame_info {
    size_t size; /* of the whole record with its CRC; for SHORT what it would need */
    uint64_t txid;
    uint8_t op;
};

/* `info` is filled for RECORD, and as far as known for SHORT and DAMAGED. */
enum edit_frame edit_frame_look(const uint8_t *data, size_t size, struct edit_frame_info *info);

/* Appends one framed record. Strings beyond what the format can carry are cut as Apache cuts them.
 */
void edit_encode(const struct edit *edit, struct buf *out);

/* Decodes one framed record of exactly `size` bytes whose CRC is right. Memory comes from the
 * arena; opaque bodies too. ERR_CORRUPT: the body does not fit its opcode; ERR_UNSUPPORTED: an
 * opcode that this layout does not know. */
int edit_decode(const uint8_t *data, size_t size, struct arena *arena, struct edit *out,
                struct err *err) MUST_CHECK;

/* The same for a record of an older layout, from LAYOUT_EDITS_OLDEST on: what it lacks is zero. */
int edit_decode_layout(const uint8_t *data, size_t size, int32_t layout, struct arena *arena,
                       struct edit *out, struct err *err) MUST_CHECK;

const char *edit_op_name(
    uint8_t op); /* "OP_MKDIR"; "OP_<number>" is not made up: unknown ones are "OP_UNKNOWN" */

/* Strings of records (UTF8.writeString): u16 length and CESU-8. Reading answers "" for what cannot be
 * read, with the cursor's error set. */
void edit_put_string(struct buf *out, const char *text);
char *edit_get_string(struct cursor *in, struct arena *arena);

/* Ordinals of Java's StorageType in OP_SET_QUOTA_BY_STORAGETYPE; -1 for none. */
int edit_storage_ordinal(enum storage_type type);
int edit_storage_from_ordinal(uint32_t ordinal);

#endif
