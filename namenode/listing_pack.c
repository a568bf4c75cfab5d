#include "namenode/listing_pack.h"

enum {
    VARINT_MAX = 10,
    HEAD_MAX = 1 + VARINT_MAX, /* tag and length of the listing */
    TAIL_MAX = 1 + VARINT_MAX, /* the entries that remain */
    FIXED_MAX = 18 * (2 + VARINT_MAX) /* all of an entry but its texts */,
    ENTRY_MAX = 16383, /* of a length in two bytes */
};

#define VARINT_TAG(number) ((number) << 3)
#define BYTES_TAG(number)  ((number) << 3 | 2)

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_number(uint8_t *to, unsigned number, uint64_t value)
{
    return put_varint(put_varint(to, VARINT_TAG(number)), value);
}

static uint8_t *put_bytes(uint8_t *to, unsigned number, const void *data, size_t size)
{
    to = put_varint(put_varint(to, BYTES_TAG(number)), size);
    if (size) memcpy(to, data, size);
    return to + size;
}

/* Owner and group are the same text in many entries. */
struct known_text {
    const char *text;
    size_t length;
};

static size_t length_of(struct known_text *known, const char *text)
{
    if (text != known->text) *known = (struct known_text){text, strlen(text)};
    return known->length;
}

static size_t entry_bound(const Pb__HdfsFileStatus *s, struct known_text known[2])
{
    return FIXED_MAX + s->path.len + length_of(&known[0], s->owner) +
           length_of(&known[1], s->group);
}

static bool is_rare(const Pb__HdfsFileStatus *s)
{
    return s->has_symlink || s->locations || s->fileencryptioninfo || s->ecpolicy ||
           s->namespace_ || !s->permission || !s->owner || !s->group;
}

static uint8_t *put_status(uint8_t *to, const Pb__HdfsFileStatus *s, struct known_text known[2])
{
    uint8_t perm[1 + VARINT_MAX];

    to = put_number(to, 1, (uint64_t)s->filetype);
    to = put_bytes(to, 2, s->path.data, s->path.len);
    to = put_number(to, 3, s->length);
    to = put_bytes(to, 4, perm, (size_t)(put_number(perm, 1, s->permission->perm) - perm));
    to = put_bytes(to, 5, s->owner, length_of(&known[0], s->owner));
    to = put_bytes(to, 6, s->group, length_of(&known[1], s->group));
    to = put_number(to, 7, s->modification_time);
    to = put_number(to, 8, s->access_time);
    if (s->has_block_replication) to = put_number(to, 10, s->block_replication);
    if (s->has_blocksize) to = put_number(to, 11, s->blocksize);
    if (s->has_fileid) to = put_number(to, 13, s->fileid);
    if (s->has_childrennum) to = put_number(to, 14, (uint64_t)(int64_t)s->childrennum);
    if (s->has_storagepolicy) to = put_number(to, 16, s->storagepolicy);
    if (s->has_flags) to = put_number(to, 18, s->flags);
    return to;
}

static uint8_t *put_entry(uint8_t *to, const Pb__HdfsFileStatus *s, struct known_text known[2])
{
    uint8_t *body = to + 3, *end;

    *to++ = BYTES_TAG(1);
    end = put_status(body, s, known);
    size_t size = (size_t)(end - body);
    to = put_varint(to, size);
    if (to != body) memmove(to, body, size); /* a length of one byte */
    return to + size;
}

const uint8_t *listing_pack(const Pb__GetListingResponse *response, struct arena *arena,
                            size_t *size)
{
    const Pb__DirectoryListing *list = response->dirlist;
    struct known_text known[2] = {{"", 0}, {"", 0}};
    size_t bound = HEAD_MAX + TAIL_MAX;

    if (!list) return NULL;
    for (size_t i = 0; i < list->n_partiallisting; i++) {
        if (is_rare(list->partiallisting[i])) return NULL;
        size_t entry = entry_bound(list->partiallisting[i], known);
        if (entry > ENTRY_MAX) return NULL;
        bound += entry;
    }
    uint8_t *area = arena_alloc(arena, bound), *begin = area + HEAD_MAX, *end = begin;
    for (size_t i = 0; i < list->n_partiallisting; i++)
        end = put_entry(end, list->partiallisting[i], known);
    end = put_number(end, 2, list->remainingentries);
    uint8_t head[HEAD_MAX];
    size_t head_size =
        (size_t)(put_varint(put_varint(head, BYTES_TAG(1)), (uint64_t)(end - begin)) - head);
    memcpy(begin - head_size, head, head_size);
    *size = (size_t)(end - begin) + head_size;
    assert(*size <= bound);
    return begin - head_size;
}
