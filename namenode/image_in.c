#include "namenode/image_in.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "namenode/image_out.h"

enum { INFLATE_CHUNK = 256 * 1024, VARINT_MAX = 10 };

static const char *const SECTIONS[] = {
    "NS_INFO",
    "STRING_TABLE",
    "EXTENDED_ACL",
    "ERASURE_CODING",
    "INODE",
    "INODE_SUB",
    "INODE_REFERENCE",
    "INODE_DIR",
    "INODE_DIR_SUB",
    "FILES_UNDERCONSTRUCTION",
    "SNAPSHOT",
    "SNAPSHOT_DIFF",
    "SNAPSHOT_DIFF_SUB",
    "INODE_REFERENCE_SUB",
    "SECRET_MANAGER",
    "CACHE_MANAGER",
};

static int corrupt(const struct image_in *in, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s: %s", in->path, what);
}

static int map_image(struct image_in *in, struct err *err)
{
    struct stat info;
    int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) return err_set_errno(err, errno, "open %s", in->path);
    if (fstat(fd, &info)) {
        rc = err_set_errno(err, errno, "stat %s", in->path);
    } else if (info.st_size < IMAGE_MAGIC_SIZE + 4) {
        rc = corrupt(in, "too short for an image", err);
    } else {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            rc = err_set_errno(err, errno, "map %s", in->path);
        } else {
            in->data = data;
            in->size = (size_t)info.st_size;
            madvise(data, in->size, MADV_SEQUENTIAL);
        }
    }
    close(fd);
    return rc;
}

static int check_codec(struct image_in *in, struct err *err)
{
    const char *codec = in->summary->codec;

    if (str_empty(codec)) return 0;
    in->compressed = true;
    if (str_eq(codec, "org.apache.hadoop.io.compress.DefaultCodec") ||
        str_eq(codec, "org.apache.hadoop.io.compress.DeflateCodec") ||
        str_eq(codec, "org.apache.hadoop.io.compress.GzipCodec"))
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "%s is compressed by %s; only DefaultCodec, DeflateCodec and GzipCodec are read. Set "
        "dfs.image.compress to false on the namenode that wrote it and save the namespace again",
        in->path, codec);
}

static bool section_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(SECTIONS); i++)
        if (str_eq(SECTIONS[i], name)) return true;
    return false;
}

static int check_sections(const struct image_in *in, uint64_t end, struct err *err)
{
    for (size_t i = 0; i < in->summary->n_sections; i++) {
        const Pb__FileSummary__Section *section = in->summary->sections[i];
        if (!section->name || !section_known(section->name))
            return err_set(err, ERR_UNSUPPORTED, "%s: Unrecognized section %s", in->path,
                           section->name ? section->name : "");
        if (section->offset < IMAGE_MAGIC_SIZE || section->offset > end ||
            section->length > end - section->offset)
            return err_set(err, ERR_CORRUPT, "%s: section %s lies outside of the file", in->path,
                           section->name);
    }
    return 0;
}

static int read_summary(struct image_in *in, struct err *err)
{
    uint32_t length = get_be32(in->data + in->size - 4);

    if (memcmp(in->data, IMAGE_MAGIC, IMAGE_MAGIC_SIZE))
        return corrupt(in, "Unrecognized file format", err);
    if (length > in->size - 4 - IMAGE_MAGIC_SIZE)
        return corrupt(in, "the summary's length is impossible", err);
    uint64_t start = in->size - 4 - length;
    struct cursor at = cursor_of(in->data + start, length), body = cursor_delimited(&at);
    if (body.bad || cursor_left(&at)) return corrupt(in, "the summary is damaged", err);
    in->summary = pb__file_summary__unpack(arena_protobuf(&in->arena), cursor_left(&body), body.at);
    if (!in->summary) return corrupt(in, "the summary cannot be decoded", err);
    if (in->summary->ondiskversion != IMAGE_ONDISK_VERSION)
        return err_set(err, ERR_INCORRECT_VERSION, "%s: Unsupported file version %u", in->path,
                       in->summary->ondiskversion);
    int32_t layout = (int32_t)in->summary->layoutversion;
    if (layout < LAYOUT_NAMENODE || layout > LAYOUT_UPGRADABLE)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "%s has layout version %d, this namenode reads %d to %d", in->path, layout,
                       LAYOUT_UPGRADABLE, LAYOUT_NAMENODE);
    int rc = check_codec(in, err);
    return rc ? rc : check_sections(in, start, err);
}

int image_in_open(struct image_in *in, const char *path, struct err *err)
{
    *in = (struct image_in){.path = path};
    int rc = map_image(in, err);

    if (!rc) rc = read_summary(in, err);
    if (rc) image_in_close(in);
    return rc;
}

void image_in_close(struct image_in *in)
{
    if (in->data) munmap((void *)(uintptr_t)in->data, in->size);
    arena_release(&in->arena);
    in->data = NULL;
    in->summary = NULL;
}

/* ---- sections ---- */

static int damaged(const struct image_reader *reader, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s, section %s: %s", reader->in->path, reader->name, what);
}

int image_reader_open(struct image_reader *reader, const struct image_in *in, const char *name,
                      struct err *err)
{
    const Pb__FileSummary__Section *found = NULL;

    *reader = (struct image_reader){.in = in, .name = name};
    for (size_t i = 0; i < in->summary->n_sections; i++) {
        if (!str_eq(in->summary->sections[i]->name, name)) continue;
        if (found) return damaged(reader, "is there twice", err);
        found = in->summary->sections[i];
    }
    if (!found) return 0;
    reader->raw = cursor_of(in->data + found->offset, found->length);
    if (!in->compressed || !found->length) return 0;
    if (inflateInit2(&reader->inflater, 15 + 32) != Z_OK) /* zlib's header or gzip's */
        return err_set(err, ERR_NO_MEMORY, "%s: cannot start to inflate", in->path);
    reader->inflating = true;
    return 0;
}

void image_reader_close(struct image_reader *reader)
{
    if (reader->inflating) inflateEnd(&reader->inflater);
    reader->inflating = false;
    buf_release(&reader->plain);
}

/* Inflates some more; 0 bytes more mean the end. Streams may follow each other: one for each
 * sub-section. */
static int inflate_more(struct image_reader *reader, size_t *more, struct err *err)
{
    z_stream *z = &reader->inflater;

    *more = 0;
    if (reader->plain_at) {
        buf_consume(&reader->plain, reader->plain_at);
        reader->plain_at = 0;
    }
    while (cursor_left(&reader->raw) && !*more) {
        buf_reserve(&reader->plain, INFLATE_CHUNK);
        z->next_in = (uint8_t *)(uintptr_t)reader->raw.at;
        z->avail_in = (uInt)MIN(cursor_left(&reader->raw), (size_t)INFLATE_CHUNK);
        z->next_out = reader->plain.data + reader->plain.length;
        z->avail_out = INFLATE_CHUNK;
        uInt before = z->avail_in;
        int result = inflate(z, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END)
            return damaged(reader, "the compressed data is damaged", err);
        *more = INFLATE_CHUNK - z->avail_out;
        reader->plain.length += *more;
        cursor_bytes(&reader->raw, before - z->avail_in);
        if (result == Z_STREAM_END && cursor_left(&reader->raw)) inflateReset(z);
        if (result == Z_OK && before == z->avail_in && !*more)
            return damaged(reader, "the compressed data is cut off", err);
    }
    return 0;
}

/* What can be read now without reading on. */
static struct cursor view(const struct image_reader *reader)
{
    if (!reader->inflating) return reader->raw;
    return cursor_of(reader->plain.data + reader->plain_at,
                     reader->plain.length - reader->plain_at);
}

/* The next message's bytes, all of them in memory. */
static int next_body(struct image_reader *reader, struct cursor *body, bool *end, struct err *err)
{
    for (;;) {
        struct cursor at = view(reader);
        size_t more, before = cursor_left(&at);
        *end = !before;
        *body = cursor_delimited(&at);
        if (!body->bad) {
            if (reader->inflating)
                reader->plain_at += before - cursor_left(&at);
            else
                reader->raw = at;
            return 0;
        }
        if (!reader->inflating) return *end ? 0 : damaged(reader, "a message is cut off", err);
        if (before >= VARINT_MAX) {
            struct cursor length = view(reader);
            if (cursor_varint(&length) > INT32_MAX || !cursor_ok(&length))
                return damaged(reader, "a message has an impossible length", err);
        }
        int rc = inflate_more(reader, &more, err);
        if (rc) return rc;
        if (!more) return *end ? 0 : damaged(reader, "a message is cut off", err);
    }
}

int image_reader_next_body(struct image_reader *reader, struct cursor *body, struct err *err)
{
    bool end;
    int rc = next_body(reader, body, &end, err);

    return rc ? rc : !end;
}

void *image_reader_unpack(const struct image_reader *reader, const ProtobufCMessageDescriptor *type,
                          struct cursor body, struct arena *arena, struct err *err)
{
    void *unpacked =
        protobuf_c_message_unpack(type, arena_protobuf(arena), cursor_left(&body), body.at);

    if (!unpacked) damaged(reader, "a message cannot be decoded", err);
    return unpacked;
}

int image_reader_next(struct image_reader *reader, const ProtobufCMessageDescriptor *type,
                      struct arena *arena, void *message, struct err *err)
{
    struct cursor body;
    int rc = image_reader_next_body(reader, &body, err);

    if (rc <= 0) return rc;
    void *unpacked = image_reader_unpack(reader, type, body, arena, err);
    if (!unpacked) return ERR_CORRUPT;
    memcpy(message, &unpacked, sizeof unpacked);
    return 1;
}

int image_reader_all(struct image_reader *reader, size_t limit, struct buf *out, struct err *err)
{
    size_t more = 0;

    do {
        struct cursor at = view(reader);
        if (cursor_left(&at) > limit - out->length)
            return err_set(err, ERR_LIMIT, "%s, section %s is larger than %zu bytes",
                           reader->in->path, reader->name, limit);
        buf_put(out, at.at, cursor_left(&at));
        if (!reader->inflating) return 0;
        reader->plain_at = reader->plain.length;
        int rc = inflate_more(reader, &more, err);
        if (rc) return rc;
    } while (more);
    return 0;
}
