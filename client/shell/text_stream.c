#include "client/shell/text_stream.h"

#include <zlib.h>

#include "client/shell/copy.h"
#include "common/mem.h"
#include "common/path.h"

enum { MAGIC_SIZE = 3 };

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && str_eq(text + length - end_length, end);
}

static int inflate_error(const char *path, const z_stream *zip, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "`%s': %s", path,
                   zip->msg ? zip->msg : "unexpected end of compressed data");
}

/* One buffer of packed bytes. A gzip file may be several, one behind the other. *ended: at the end
 * of one. */
static int inflate_some(z_stream *zip, uint8_t *out, bool *ended, const char *path, struct err *err)
{
    int rc = 0;

    while (!rc && (zip->avail_in || !zip->avail_out)) {
        if (*ended) {
            inflateReset(zip);
            *ended = false;
        }
        zip->next_out = out;
        zip->avail_out = COPY_BUFFER_SIZE;
        int state = inflate(zip, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            return inflate_error(path, zip, err);
        *ended = state == Z_STREAM_END;
        if (zip->avail_out < COPY_BUFFER_SIZE)
            rc = write_stdout(out, COPY_BUFFER_SIZE - zip->avail_out, err);
        if (*ended && !zip->avail_in) break;
    }
    return rc;
}

static int show_packed(struct vfs_in *in, const char *path, struct err *err)
{
    uint8_t *packed = mem_alloc(COPY_BUFFER_SIZE), *out = mem_alloc(COPY_BUFFER_SIZE);
    z_stream zip = {.avail_out = 1};
    bool ended = false;
    ssize_t got = 0;
    int rc = 0;

    if (inflateInit2(&zip, MAX_WBITS + 32) != Z_OK)
        rc = err_set(err, ERR_NO_MEMORY, "zlib cannot start");
    while (!rc && (got = vfs_read(in, packed, COPY_BUFFER_SIZE, err)) > 0) {
        zip.next_in = packed;
        zip.avail_in = (unsigned)got;
        rc = inflate_some(&zip, out, &ended, path, err);
    }
    if (!rc && got < 0) rc = (int)got;
    if (!rc && !ended) rc = inflate_error(path, &zip, err);
    inflateEnd(&zip);
    mem_free(packed);
    mem_free(out);
    return rc;
}

static int refuse(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "`%s': %s; this shell cannot show it as text (-cat gives its bytes)", path,
                   what);
}

static int check_name(const char *path, struct err *err)
{
    static const struct {
        const char *suffix, *what;
    } codecs[] = {
        {".bz2", "a bzip2 file"},
        {".lz4", "a file in Hadoop's LZ4 format"},
        {".snappy", "a file in Hadoop's Snappy format"},
        {".zst", "a Zstandard file"},
    };

    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        if (ends_with(path, codecs[i].suffix)) return refuse(path, codecs[i].what, err);
    return 0;
}

int text_stream_show(struct vfs_in *in, const char *path, struct err *err)
{
    uint8_t magic[MAGIC_SIZE];
    size_t have = 0;
    ssize_t got;
    int rc;

    while (have < MAGIC_SIZE && (got = vfs_read(in, magic + have, MAGIC_SIZE - have, err)) != 0) {
        if (got < 0) return (int)got;
        have += (size_t)got;
    }
    rc = vfs_seek(in, 0, err);
    if (rc) return rc;
    if (have < 2) return copy_to_stdout(in, UINT64_MAX, NULL, err);
    if (magic[0] == 0x1f && magic[1] == 0x8b) return show_packed(in, path, err);
    if (have == 3 && !memcmp(magic, "SEQ", 3)) return refuse(path, "a SequenceFile", err);
    if (have == 3 && !memcmp(magic, "Obj", 3)) return refuse(path, "an Avro file", err);
    if (ends_with(path, ".deflate") || ends_with(path, ".gz")) return show_packed(in, path, err);
    rc = check_name(path, err);
    return rc ? rc : copy_to_stdout(in, UINT64_MAX, NULL, err);
}
