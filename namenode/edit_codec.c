/*
 * One table says which fields each record has; encoder and decoder walk the same row, so they
 * cannot drift apart.
 */
#include "namenode/edit_codec.h"

#include "common/crc.h"
#include "namenode/core.h"
#include "proto/fsimage.pb-c.h"

enum {
    FRAME_OVERHEAD = 5,            /* opcode and CRC are not counted by the length field */
    LENGTH_MIN = 12,               /* itself and the txid */
    STRING_CHARS_MAX = 0xffff / 3, /* UTF8.writeString cuts here, in UTF-16 units */
    CALL_ID_NONE = -2,             /* RpcConstants.INVALID_CALL_ID */
};

/*
 * Fields, one letter each:
 *   i inode id     p path         d destination   s sources[0]   C sources       r replication
 *   m mtime        t atime        w mtime again (where Apache writes an unused access time)
 *   b block size   B block array  K compact block array          v value
 *   P user, group, mode           M mode          o user         g group
 *   A ACL entries  L AclEditLog   X XAttrEditLog without path    x XAttrEditLog with path
 *   c client name  h client machine               n new holder
 *   O overwrite    N new block    y storage policy               e EC policy
 *   q name quota   Q space quota  T storage type  u rename options               R retry ids
 *   opaque, checked and kept as bytes:
 *   k token identifier            U delegation key               D cache directive
 *   G cache pool   E EC policy
 */
static const struct op_row {
    const char *name;
    const char *fields;
} OPS[] = {
    [EDIT_ADD] = {"OP_ADD", "iprmtbBPAXchOyeR"},
    [EDIT_RENAME_OLD] = {"OP_RENAME_OLD", "pdmR"},
    [EDIT_DELETE] = {"OP_DELETE", "pmR"},
    [EDIT_MKDIR] = {"OP_MKDIR", "ipmwPAX"},
    [EDIT_SET_REPLICATION] = {"OP_SET_REPLICATION", "pr"},
    [EDIT_SET_PERMISSIONS] = {"OP_SET_PERMISSIONS", "pM"},
    [EDIT_SET_OWNER] = {"OP_SET_OWNER", "pog"},
    [EDIT_CLOSE] = {"OP_CLOSE", "iprmtbBP"},
    [EDIT_SET_GENSTAMP_V1] = {"OP_SET_GENSTAMP_V1", "v"},
    [EDIT_SET_NS_QUOTA] = {"OP_SET_NS_QUOTA", "pq"},
    [EDIT_CLEAR_NS_QUOTA] = {"OP_CLEAR_NS_QUOTA", "p"},
    [EDIT_TIMES] = {"OP_TIMES", "pmt"},
    [EDIT_SET_QUOTA] = {"OP_SET_QUOTA", "pqQ"},
    [EDIT_RENAME] = {"OP_RENAME", "pdmuR"},
    [EDIT_CONCAT_DELETE] = {"OP_CONCAT_DELETE", "pCmR"},
    [EDIT_SYMLINK] = {"OP_SYMLINK", "ipdmtPR"},
    [EDIT_GET_DELEGATION_TOKEN] = {"OP_GET_DELEGATION_TOKEN", "kv"},
    [EDIT_RENEW_DELEGATION_TOKEN] = {"OP_RENEW_DELEGATION_TOKEN", "kv"},
    [EDIT_CANCEL_DELEGATION_TOKEN] = {"OP_CANCEL_DELEGATION_TOKEN", "k"},
    [EDIT_UPDATE_MASTER_KEY] = {"OP_UPDATE_MASTER_KEY", "U"},
    [EDIT_REASSIGN_LEASE] = {"OP_REASSIGN_LEASE", "cpn"},
    [EDIT_END_LOG_SEGMENT] = {"OP_END_LOG_SEGMENT", ""},
    [EDIT_START_LOG_SEGMENT] = {"OP_START_LOG_SEGMENT", ""},
    [EDIT_UPDATE_BLOCKS] = {"OP_UPDATE_BLOCKS", "pKR"},
    [EDIT_CREATE_SNAPSHOT] = {"OP_CREATE_SNAPSHOT", "pdmR"},
    [EDIT_DELETE_SNAPSHOT] = {"OP_DELETE_SNAPSHOT", "pdmR"},
    [EDIT_RENAME_SNAPSHOT] = {"OP_RENAME_SNAPSHOT", "psdmR"},
    [EDIT_ALLOW_SNAPSHOT] = {"OP_ALLOW_SNAPSHOT", "p"},
    [EDIT_DISALLOW_SNAPSHOT] = {"OP_DISALLOW_SNAPSHOT", "p"},
    [EDIT_SET_GENSTAMP_V2] = {"OP_SET_GENSTAMP_V2", "v"},
    [EDIT_ALLOCATE_BLOCK_ID] = {"OP_ALLOCATE_BLOCK_ID", "v"},
    [EDIT_ADD_BLOCK] = {"OP_ADD_BLOCK", "pKR"},
    [EDIT_ADD_CACHE_DIRECTIVE] = {"OP_ADD_CACHE_DIRECTIVE", "DR"},
    [EDIT_REMOVE_CACHE_DIRECTIVE] = {"OP_REMOVE_CACHE_DIRECTIVE", "vR"},
    [EDIT_ADD_CACHE_POOL] = {"OP_ADD_CACHE_POOL", "GR"},
    [EDIT_MODIFY_CACHE_POOL] = {"OP_MODIFY_CACHE_POOL", "GR"},
    [EDIT_REMOVE_CACHE_POOL] = {"OP_REMOVE_CACHE_POOL", "dR"},
    [EDIT_MODIFY_CACHE_DIRECTIVE] = {"OP_MODIFY_CACHE_DIRECTIVE", "DR"},
    [EDIT_SET_ACL] = {"OP_SET_ACL", "L"},
    [EDIT_ROLLING_UPGRADE_START] = {"OP_ROLLING_UPGRADE_START", "m"},
    [EDIT_ROLLING_UPGRADE_FINALIZE] = {"OP_ROLLING_UPGRADE_FINALIZE", "m"},
    [EDIT_SET_XATTR] = {"OP_SET_XATTR", "xR"},
    [EDIT_REMOVE_XATTR] = {"OP_REMOVE_XATTR", "xR"},
    [EDIT_SET_STORAGE_POLICY] = {"OP_SET_STORAGE_POLICY", "py"},
    [EDIT_TRUNCATE] = {"OP_TRUNCATE", "pchvmK"},
    [EDIT_APPEND] = {"OP_APPEND", "pchNR"},
    [EDIT_SET_QUOTA_BY_STORAGETYPE] = {"OP_SET_QUOTA_BY_STORAGETYPE", "pTQ"},
    [EDIT_ADD_EC_POLICY] = {"OP_ADD_ERASURE_CODING_POLICY", "ER"},
    [EDIT_ENABLE_EC_POLICY] = {"OP_ENABLE_ERASURE_CODING_POLICY", "dR"},
    [EDIT_DISABLE_EC_POLICY] = {"OP_DISABLE_ERASURE_CODING_POLICY", "dR"},
    [EDIT_REMOVE_EC_POLICY] = {"OP_REMOVE_ERASURE_CODING_POLICY", "dR"},
};

static const struct op_row *op_row(uint8_t op)
{
    return op < ARRAY_LEN(OPS) && OPS[op].name ? &OPS[op] : NULL;
}

const char *edit_op_name(uint8_t op)
{
    const struct op_row *row = op_row(op);

    return row ? row->name : "OP_UNKNOWN";
}

/* org.apache.hadoop.fs.StorageType in the order of its constants. */
static const uint8_t STORAGE_ORDINALS[] = {STORAGE_RAM_DISK, STORAGE_SSD,      STORAGE_DISK,
                                           STORAGE_ARCHIVE,  STORAGE_PROVIDED, STORAGE_NVDIMM};

int edit_storage_ordinal(enum storage_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(STORAGE_ORDINALS); i++)
        if (STORAGE_ORDINALS[i] == type) return (int)i;
    return -1;
}

int edit_storage_from_ordinal(uint32_t ordinal)
{
    return ordinal < ARRAY_LEN(STORAGE_ORDINALS) ? STORAGE_ORDINALS[ordinal] : -1;
}

/* ---- frames ---- */

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    return crc32_zlib(0, data, size);
}

/* Apache ends a segment with 0xFF, and accepts zeros as well (FSEditLogOp.Reader.verifyTerminator).
 */
static bool is_padding(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != EDIT_PADDING && data[i] != 0) return false;
    return true;
}

static bool may_be_padding(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[5];

    return data[0] == EDIT_PADDING || memcmp(data, zeros, MIN(size, sizeof zeros)) == 0;
}

enum edit_frame edit_frame_look(const uint8_t *data, size_t size, struct edit_frame_info *info)
{
    struct cursor in = cursor_of(data, size);

    *info = (struct edit_frame_info){0};
    if (!size || (may_be_padding(data, size) && is_padding(data, size))) return EDIT_FRAME_END;
    info->op = cursor_u8(&in);
    uint32_t length = cursor_u32(&in);
    info->txid = cursor_u64(&in);
    if (size >= 5 && (length < LENGTH_MIN || length > EDIT_RECORD_SIZE_MAX - FRAME_OVERHEAD))
        return EDIT_FRAME_DAMAGED;
    info->size = (size_t)length + FRAME_OVERHEAD;
    if (!cursor_ok(&in) || info->size > size) return EDIT_FRAME_SHORT;
    if (crc_of(data, info->size - 4) != get_be32(data + info->size - 4)) return EDIT_FRAME_DAMAGED;
    return EDIT_FRAME_RECORD;
}

/* ---- writing ---- */

/* The character at `s`: its bytes in UTF-8; damaged sequences count byte by byte and pass as they
 * are. */
static size_t utf8_step(const uint8_t *s, const uint8_t *end)
{
    size_t size = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;

    if (size > (size_t)(end - s)) return 1;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80) return 1;
    return size;
}

static void put_surrogate(struct buf *out, uint32_t unit)
{
    buf_put_u8(out, (uint8_t)(0xe0 | unit >> 12));
    buf_put_u8(out, (uint8_t)(0x80 | (unit >> 6 & 0x3f)));
    buf_put_u8(out, (uint8_t)(0x80 | (unit & 0x3f)));
}

/* UTF8.writeString: u16 length and CESU-8. */
void edit_put_string(struct buf *out, const char *text)
{
    const uint8_t *s = (const uint8_t *)(text ? text : "");
    const uint8_t *end = s + strlen((const char *)s);
    size_t start = out->length, units = 0;

    buf_put_u16(out, 0);
    while (s < end && units < STRING_CHARS_MAX) {
        size_t size = utf8_step(s, end);
        if (size == 4) {
            uint32_t c = (uint32_t)(s[0] & 7) << 18 | (uint32_t)(s[1] & 0x3f) << 12 |
                         (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
            put_surrogate(out, 0xd800 + ((c - 0x10000) >> 10 & 0x3ff));
            put_surrogate(out, 0xdc00 + (c & 0x3ff));
            units += 2;
        } else {
            buf_put(out, s, size);
            units++;
        }
        s += size;
    }
    set_be16(out->data + start, (uint16_t)(out->length - start - 2));
}

/* Text.writeString: vint length and UTF-8. */
static void put_text(struct buf *out, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    buf_put_hvlong(out, (int64_t)length);
    buf_put(out, text, length);
}

static void put_message(struct buf *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    buf_put_varint(out, size);
    protobuf_c_message_pack(message, buf_extend(out, size));
}

static void put_blocks(struct buf *out, const struct edit *edit)
{
    buf_put_u32(out, edit->block_count);
    for (uint32_t i = 0; i < edit->block_count; i++) {
        buf_put_u64(out, edit->blocks[i].id);
        buf_put_u64(out, edit->blocks[i].length);
        buf_put_u64(out, edit->blocks[i].generation_stamp);
    }
}

/* FSImageSerialization.writeCompactBlockArray: lengths and stamps as differences. */
static void put_compact_blocks(struct buf *out, const struct edit *edit)
{
    struct block_id before = {0};

    buf_put_hvlong(out, edit->block_count);
    for (uint32_t i = 0; i < edit->block_count; i++) {
        const struct block_id *b = &edit->blocks[i];
        buf_put_u64(out, b->id);
        buf_put_hvlong(out, (int64_t)(b->length - before.length));
        buf_put_hvlong(out, (int64_t)(b->generation_stamp - before.generation_stamp));
        before = *b;
    }
}

/* FSEditLogOp.AclEditLogUtil. */
static void put_acl(struct buf *out, const Pb__AclEditLog *acl)
{
    buf_put_u32(out, acl ? (uint32_t)acl->n_entries : 0);
    for (size_t i = 0; acl && i < acl->n_entries; i++) {
        const Pb__AclEntry *e = acl->entries[i];
        buf_put_u8(out, (uint8_t)((unsigned)e->permissions | (unsigned)e->type << 3 |
                                  (unsigned)e->scope << 5 | (e->name ? 1u << 6 : 0)));
        if (e->name) edit_put_string(out, e->name);
    }
}

static void put_acl_message(struct buf *out, const struct edit *edit)
{
    Pb__AclEditLog acl = PB__ACL_EDIT_LOG__INIT;

    if (edit->acl) acl = *(const Pb__AclEditLog *)edit->acl;
    acl.src = (char *)(uintptr_t)(edit->path ? edit->path : "");
    put_message(out, &acl.base);
}

static void put_xattrs(struct buf *out, const struct edit *edit, bool with_path)
{
    Pb__XAttrEditLog xattrs = PB__XATTR_EDIT_LOG__INIT;

    if (edit->xattrs) xattrs = *(const Pb__XAttrEditLog *)edit->xattrs;
    xattrs.src = with_path ? (char *)(uintptr_t)edit->path : NULL;
    put_message(out, &xattrs.base);
}

static void put_sources(struct buf *out, const struct edit *edit)
{
    buf_put_u32(out, edit->source_count);
    for (uint32_t i = 0; i < edit->source_count; i++) edit_put_string(out, edit->sources[i]);
}

static void put_rename_options(struct buf *out, uint8_t options)
{
    uint8_t list[2];
    uint32_t count = 0;

    if (options & EDIT_RENAME_OVERWRITE) list[count++] = EDIT_RENAME_OVERWRITE;
    if (options & EDIT_RENAME_TO_TRASH) list[count++] = EDIT_RENAME_TO_TRASH;
    if (!count) list[count++] = EDIT_RENAME_NONE;
    buf_put_u32(out, count);
    buf_put(out, list, count);
}

static void put_retry_ids(struct buf *out, const struct edit *edit)
{
    buf_put_u16(out, edit->has_client_id ? EDIT_CLIENT_ID_SIZE : 0);
    if (edit->has_client_id) buf_put(out, edit->client_id, EDIT_CLIENT_ID_SIZE);
    buf_put_u32(out, (uint32_t)(edit->has_client_id ? edit->call_id : CALL_ID_NONE));
}

static void put_permissions(struct buf *out, const struct edit *edit)
{
    put_text(out, edit->user);
    put_text(out, edit->group);
    buf_put_u16(out, edit->mode);
}

static void put_field(struct buf *out, const struct edit *edit, char field)
{
    switch (field) {
    case 'i': buf_put_u64(out, edit->inode_id); break;
    case 'p': edit_put_string(out, edit->path); break;
    case 'd': edit_put_string(out, edit->destination); break;
    case 's': edit_put_string(out, edit->source_count ? edit->sources[0] : ""); break;
    case 'C': put_sources(out, edit); break;
    case 'r': buf_put_u16(out, edit->replication); break;
    case 'm':
    case 'w': buf_put_u64(out, (uint64_t)edit->mtime_ms); break;
    case 't': buf_put_u64(out, (uint64_t)edit->atime_ms); break;
    case 'b': buf_put_u64(out, edit->block_size); break;
    case 'B': put_blocks(out, edit); break;
    case 'K': put_compact_blocks(out, edit); break;
    case 'v': buf_put_u64(out, edit->value); break;
    case 'P': put_permissions(out, edit); break;
    case 'M': buf_put_u16(out, edit->mode); break;
    case 'o': edit_put_string(out, edit->user); break;
    case 'g': edit_put_string(out, edit->group); break;
    case 'A': put_acl(out, edit->acl); break;
    case 'L': put_acl_message(out, edit); break;
    case 'X': put_xattrs(out, edit, false); break;
    case 'x': put_xattrs(out, edit, true); break;
    case 'c': edit_put_string(out, edit->client_name); break;
    case 'h': edit_put_string(out, edit->client_machine); break;
    case 'n': edit_put_string(out, edit->new_holder); break;
    case 'O': buf_put_u8(out, edit->overwrite); break;
    case 'N': buf_put_u8(out, edit->new_block); break;
    case 'y': buf_put_u8(out, edit->storage_policy); break;
    case 'e': buf_put_u8(out, edit->ec_policy); break;
    case 'q': buf_put_u64(out, (uint64_t)edit->ns_quota); break;
    case 'Q': buf_put_u64(out, (uint64_t)edit->ds_quota); break;
    case 'T': buf_put_u32(out, (uint32_t)edit_storage_ordinal(edit->storage_type)); break;
    case 'u': put_rename_options(out, edit->rename_options); break;
    case 'R': put_retry_ids(out, edit); break;
    default: buf_put(out, edit->opaque, edit->opaque_size); break;
    }
}

void edit_encode(const struct edit *edit, struct buf *out)
{
    const struct op_row *row = op_row(edit->op);
    size_t start = out->length;

    assert(row);
    buf_put_u8(out, edit->op);
    buf_put_u32(out, 0);
    buf_put_u64(out, edit->txid);
    for (const char *field = row->fields; *field; field++) put_field(out, edit, *field);
    buf_set_u32(out, start + 1, (uint32_t)(out->length - start - 1));
    buf_put_u32(out, crc_of(out->data + start, out->length - start));
}

/* ---- reading ---- */

struct reader {
    struct cursor in;
    struct arena *arena;
};

/* A NUL in a name would cut it short in memory: such a record is refused. */
static char *checked_text(struct cursor *in, char *text, size_t length)
{
    if (memchr(text, 0, length)) in->bad = true;
    text[length] = '\0';
    return text;
}

static bool is_surrogate(const uint8_t *s, const uint8_t *end, uint8_t kind)
{
    return end - s >= 3 && s[0] == 0xed && (s[1] & 0xf0) == kind && (s[2] & 0xc0) == 0x80;
}

static uint32_t surrogate_bits(const uint8_t *s)
{
    return (uint32_t)(s[1] & 0x0f) << 6 | (s[2] & 0x3f);
}

/* CESU-8 to UTF-8: pairs of surrogates become one sequence of four bytes; everything else stays. */
char *edit_get_string(struct cursor *in, struct arena *arena)
{
    size_t size = cursor_u16(in), length = 0;
    const uint8_t *s = cursor_bytes(in, size);

    if (!s) return (char *)(uintptr_t) "";
    const uint8_t *end = s + size;
    char *out = arena_alloc(arena, size + 1);
    while (s < end) {
        if (is_surrogate(s, end, 0xa0) && is_surrogate(s + 3, end, 0xb0)) {
            uint32_t c = 0x10000 + (surrogate_bits(s) << 10) + surrogate_bits(s + 3);
            out[length++] = (char)(0xf0 | c >> 18);
            out[length++] = (char)(0x80 | (c >> 12 & 0x3f));
            out[length++] = (char)(0x80 | (c >> 6 & 0x3f));
            out[length++] = (char)(0x80 | (c & 0x3f));
            s += 6;
        } else {
            out[length++] = (char)*s++;
        }
    }
    return checked_text(in, out, length);
}

static char *get_string(struct reader *r)
{
    return edit_get_string(&r->in, r->arena);
}

static char *get_text(struct reader *r)
{
    int64_t size = cursor_hvlong(&r->in);

    if (size < 0 || (uint64_t)size > cursor_left(&r->in)) r->in.bad = true;
    const uint8_t *s = r->in.bad ? NULL : cursor_bytes(&r->in, (size_t)size);
    if (!s) return (char *)(uintptr_t) "";
    char *out = arena_alloc(r->arena, (size_t)size + 1);
    memcpy(out, s, (size_t)size);
    return checked_text(&r->in, out, (size_t)size);
}

/* An element count whose elements take at least `each` bytes. */
static uint32_t get_count(struct reader *r, int64_t count, size_t each)
{
    if (count < 0 || (uint64_t)count > cursor_left(&r->in) / each) {
        r->in.bad = true;
        return 0;
    }
    return (uint32_t)count;
}

static void *get_message(struct reader *r, const ProtobufCMessageDescriptor *type)
{
    struct cursor body = cursor_delimited(&r->in);
    void *message = body.bad ? NULL
                             : protobuf_c_message_unpack(type, arena_protobuf(r->arena),
                                                         cursor_left(&body), body.at);

    if (!message) r->in.bad = true;
    return message;
}

static void get_blocks(struct reader *r, struct edit *out)
{
    uint32_t count = get_count(r, (int32_t)cursor_u32(&r->in), 24);
    struct block_id *blocks = ARENA_ARRAY(r->arena, struct block_id, count);

    for (uint32_t i = 0; i < count; i++) {
        blocks[i].id = cursor_u64(&r->in);
        blocks[i].length = cursor_u64(&r->in);
        blocks[i].generation_stamp = cursor_u64(&r->in);
    }
    out->blocks = blocks;
    out->block_count = count;
}

static void get_compact_blocks(struct reader *r, struct edit *out)
{
    uint32_t count = get_count(r, cursor_hvlong(&r->in), 10);
    struct block_id *blocks = ARENA_ARRAY(r->arena, struct block_id, count);

    for (uint32_t i = 0; i < count; i++) {
        blocks[i].id = cursor_u64(&r->in);
        blocks[i].length = (uint64_t)cursor_hvlong(&r->in) + (i ? blocks[i - 1].length : 0);
        blocks[i].generation_stamp =
            (uint64_t)cursor_hvlong(&r->in) + (i ? blocks[i - 1].generation_stamp : 0);
    }
    out->blocks = blocks;
    out->block_count = count;
}

static void get_acl(struct reader *r, struct edit *out)
{
    uint32_t count = get_count(r, (int32_t)cursor_u32(&r->in), 1);

    if (!count) return;
    Pb__AclEditLog *acl = ARENA_NEW(r->arena, Pb__AclEditLog);
    pb__acl_edit_log__init(acl);
    acl->src = (char *)(uintptr_t) "";
    acl->entries = ARENA_ARRAY(r->arena, Pb__AclEntry *, count);
    acl->n_entries = count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bits = cursor_u8(&r->in);
        Pb__AclEntry *e = ARENA_NEW(r->arena, Pb__AclEntry);
        pb__acl_entry__init(e);
        e->permissions = bits & 7;
        e->type = bits >> 3 & 3;
        e->scope = bits >> 5 & 1;
        if (bits & 1 << 6) e->name = get_string(r);
        acl->entries[i] = e;
    }
    out->acl = acl;
}

static void get_acl_message(struct reader *r, struct edit *out)
{
    Pb__AclEditLog *acl = get_message(r, &pb__acl_edit_log__descriptor);

    if (!acl) return;
    out->acl = acl;
    out->path = acl->src;
}

static void get_xattrs(struct reader *r, struct edit *out, bool with_path)
{
    Pb__XAttrEditLog *xattrs = get_message(r, &pb__xattr_edit_log__descriptor);

    if (!xattrs) return;
    if (with_path || xattrs->n_xattrs || xattrs->base.n_unknown_fields) out->xattrs = xattrs;
    if (!with_path) return;
    if (!xattrs->src) r->in.bad = true;
    out->path = xattrs->src;
}

static void get_sources(struct reader *r, struct edit *out, uint32_t count)
{
    const char **sources = ARENA_ARRAY(r->arena, const char *, count);

    for (uint32_t i = 0; i < count; i++) sources[i] = get_string(r);
    out->sources = sources;
    out->source_count = count;
}

static void get_rename_options(struct reader *r, struct edit *out)
{
    uint32_t count = get_count(r, (int32_t)cursor_u32(&r->in), 1);

    for (uint32_t i = 0; i < count; i++) {
        uint8_t option = cursor_u8(&r->in);
        if (option > EDIT_RENAME_TO_TRASH) r->in.bad = true;
        out->rename_options |= option;
    }
}

static void get_retry_ids(struct reader *r, struct edit *out)
{
    uint16_t size = cursor_u16(&r->in);
    const uint8_t *id = cursor_bytes(&r->in, size);

    out->call_id = (int32_t)cursor_u32(&r->in);
    if (!id || !size) return;
    if (size != EDIT_CLIENT_ID_SIZE) {
        r->in.bad = true;
        return;
    }
    memcpy(out->client_id, id, EDIT_CLIENT_ID_SIZE);
    out->has_client_id = out->call_id != CALL_ID_NONE;
}

static void get_permissions(struct reader *r, struct edit *out)
{
    out->user = get_text(r);
    out->group = get_text(r);
    out->mode = cursor_u16(&r->in);
}

static void get_storage_type(struct reader *r, struct edit *out)
{
    int type = edit_storage_from_ordinal(cursor_u32(&r->in));

    if (type < 0) r->in.bad = true;
    out->storage_type = (uint8_t)MAX(type, 0);
}

/* ---- opaque fields: walked, so that a damaged one is noticed, and kept as bytes ---- */

static void skip_string(struct cursor *in)
{
    cursor_bytes(in, cursor_u16(in));
}

static void skip_text(struct cursor *in)
{
    int64_t size = cursor_hvlong(in);

    if (size < 0) in->bad = true;
    if (!in->bad) cursor_bytes(in, (size_t)size);
}

/* DelegationTokenIdentifier */
static void skip_token(struct cursor *in)
{
    if (cursor_u8(in) != 0) in->bad = true;        /* version */
    for (int i = 0; i < 3; i++) skip_text(in);     /* owner, renewer, real user */
    for (int i = 0; i < 4; i++) cursor_hvlong(in); /* issue, maximum, sequence, key id */
}

/* DelegationKey */
static void skip_key(struct cursor *in)
{
    cursor_hvlong(in);
    cursor_hvlong(in);
    int64_t size = cursor_hvlong(in);
    if (size < -1) in->bad = true;
    if (!in->bad && size > 0) cursor_bytes(in, (size_t)size);
}

static void skip_cache_directive(struct cursor *in)
{
    cursor_u64(in);
    uint32_t flags = cursor_u32(in);
    if (flags & ~0xfu) in->bad = true;
    if (flags & 1) skip_string(in);
    if (flags & 2) cursor_u16(in);
    if (flags & 4) skip_string(in);
    if (flags & 8) cursor_u64(in);
}

static void skip_cache_pool(struct cursor *in)
{
    skip_string(in);
    uint32_t flags = cursor_u32(in);
    if (flags & ~0x3fu) in->bad = true;
    if (flags & 1) skip_string(in);
    if (flags & 2) skip_string(in);
    if (flags & 4) cursor_u16(in);
    if (flags & 8) cursor_u64(in);
    if (flags & 16) cursor_u64(in);
    if (flags & 32) cursor_u16(in);
}

static void skip_ec_policy(struct cursor *in)
{
    skip_string(in);
    for (int i = 0; i < 3; i++) cursor_u32(in); /* data units, parity units, cell size */
    uint32_t options = cursor_u32(in);
    for (uint32_t i = 0; i < options && cursor_ok(in); i++) {
        skip_string(in);
        skip_string(in);
    }
}

static void get_opaque(struct reader *r, struct edit *out, char field)
{
    const uint8_t *start = r->in.at;

    switch (field) {
    case 'k': skip_token(&r->in); break;
    case 'U': skip_key(&r->in); break;
    case 'D': skip_cache_directive(&r->in); break;
    case 'G': skip_cache_pool(&r->in); break;
    default:
        assert(field == 'E');
        skip_ec_policy(&r->in);
        break;
    }
    out->opaque_size = (size_t)(r->in.at - start);
    out->opaque = arena_copy(r->arena, start, out->opaque_size);
}

static void get_field(struct reader *r, struct edit *out, char field)
{
    switch (field) {
    case 'i': out->inode_id = cursor_u64(&r->in); break;
    case 'p': out->path = get_string(r); break;
    case 'd': out->destination = get_string(r); break;
    case 's': get_sources(r, out, 1); break;
    case 'C': get_sources(r, out, get_count(r, (int32_t)cursor_u32(&r->in), 2)); break;
    case 'r': out->replication = cursor_u16(&r->in); break;
    case 'm': out->mtime_ms = (int64_t)cursor_u64(&r->in); break;
    case 'w': cursor_u64(&r->in); break;
    case 't': out->atime_ms = (int64_t)cursor_u64(&r->in); break;
    case 'b': out->block_size = cursor_u64(&r->in); break;
    case 'B': get_blocks(r, out); break;
    case 'K': get_compact_blocks(r, out); break;
    case 'v': out->value = cursor_u64(&r->in); break;
    case 'P': get_permissions(r, out); break;
    case 'M': out->mode = cursor_u16(&r->in); break;
    case 'o': out->user = get_string(r); break;
    case 'g': out->group = get_string(r); break;
    case 'A': get_acl(r, out); break;
    case 'L': get_acl_message(r, out); break;
    case 'X': get_xattrs(r, out, false); break;
    case 'x': get_xattrs(r, out, true); break;
    case 'c': out->client_name = get_string(r); break;
    case 'h': out->client_machine = get_string(r); break;
    case 'n': out->new_holder = get_string(r); break;
    case 'O': out->overwrite = cursor_u8(&r->in) != 0; break;
    case 'N': out->new_block = cursor_u8(&r->in) != 0; break;
    case 'y': out->storage_policy = cursor_u8(&r->in); break;
    case 'e': out->ec_policy = cursor_u8(&r->in); break;
    case 'q': out->ns_quota = (int64_t)cursor_u64(&r->in); break;
    case 'Q': out->ds_quota = (int64_t)cursor_u64(&r->in); break;
    case 'T': get_storage_type(r, out); break;
    case 'u': get_rename_options(r, out); break;
    case 'R': get_retry_ids(r, out); break;
    default: get_opaque(r, out, field); break;
    }
}

/* NameNodeLayoutVersion.Feature: which layout a field came with. */
static bool layout_has(int32_t layout, uint8_t op, char field)
{
    bool snapshot =
        op == EDIT_CREATE_SNAPSHOT || op == EDIT_DELETE_SNAPSHOT || op == EDIT_RENAME_SNAPSHOT;

    switch (field) {
    case 'X': return layout <= -57;
    case 'O': return layout <= -58;
    case 'y': return layout <= -60 || op == EDIT_SET_STORAGE_POLICY;
    case 'N': return layout <= -62;
    case 'e': return layout <= -64;
    case 'm': return layout <= -66 || !snapshot;
    default: return true;
    }
}

int edit_decode(const uint8_t *data, size_t size, struct arena *arena, struct edit *out,
                struct err *err)
{
    return edit_decode_layout(data, size, LAYOUT_NAMENODE, arena, out, err);
}

int edit_decode_layout(const uint8_t *data, size_t size, int32_t layout, struct arena *arena,
                       struct edit *out, struct err *err)
{
    assert(size >= EDIT_RECORD_SIZE_MIN);
    struct reader r = {.in = cursor_of(data, size - 4), .arena = arena};

    *out = (struct edit){.op = cursor_u8(&r.in)};
    cursor_u32(&r.in);
    out->txid = cursor_u64(&r.in);
    const struct op_row *row = op_row(out->op);
    if (!row)
        return err_set(err, ERR_UNSUPPORTED,
                       "edit %" PRIu64 " has opcode %u, which layout %d does not know", out->txid,
                       out->op, layout);
    for (const char *field = row->fields; *field && cursor_ok(&r.in); field++)
        if (layout_has(layout, out->op, *field)) get_field(&r, out, *field);
    if (!cursor_ok(&r.in) || cursor_left(&r.in))
        return err_set(
            err, ERR_CORRUPT, "edit %" PRIu64 " (%s) has %s for its kind", out->txid, row->name,
            cursor_ok(&r.in) ? "more bytes than fields" : "missing or impossible fields");
    return 0;
}
