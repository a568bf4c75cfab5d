/* Meta files by hand, on a datanode's disk: `hdfs debug verifyMeta` and `computeMeta` (DebugAdmin, BlockMetadataHeader). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "client/shell/debug.h"
#include "common/checksum.h"
#include "common/file.h"
#include "common/mem.h"

enum {
    META_VERSION = 1,
    META_HEADER = 2 + CHECKSUM_HEADER_SIZE,
    PART = 1 << 20, /* of data at a time, rounded to whole chunks */
};

const char debug_verify_usage[] = "verifyMeta -meta <metadata-file> [-block <block-file>]";
static const char verify_help[] =
    "  Verify HDFS metadata and block files.  If a block file is specified, we\n"
    "  will verify that the checksums in the metadata file match the block\n"
    "  file.\n";
const char debug_compute_usage[] = "computeMeta -block <block-file> -out <output-metadata-file>";
static const char compute_help[] =
    "  Compute HDFS metadata from the specified block file, and save it to\n"
    "  the specified output metadata file.\n\n"
    "**NOTE: Use at your own risk!\n"
    " If the block file is corrupt and you overwrite it's meta file, \n"
    " it will show up as good in HDFS, but you can't read the data.\n"
    " Only use as a last measure, and when you are 100% certain the block file is good.\n";

/* What an option is given, or NULL. */
static const char *option(int argc, char **argv, const char *name)
{
    for (int i = 0; i + 1 < argc; i++)
        if (str_eq(argv[i], name)) return argv[i + 1];
    return NULL;
}

/* A block file in parts of whole chunks, each with room for its checksums. */
struct parts {
    struct checksum sum;
    FILE *data;
    size_t part;
    uint8_t *bytes, *sums;
};

static int parts_open(struct parts *p, const char *path, struct err *err)
{
    p->data = fopen(path, "re");
    if (!p->data) return err_set_errno(err, errno, "open %s", path);
    p->part = MAX((size_t)PART / p->sum.bytes_per_checksum, 1) * p->sum.bytes_per_checksum;
    p->bytes = mem_alloc(p->part);
    p->sums = mem_alloc(checksum_bytes(&p->sum, p->part) + 1);
    return 0;
}

static void parts_close(struct parts *p)
{
    if (p->data) fclose(p->data);
    mem_free(p->sums);
    mem_free(p->bytes);
}

/* ---- verifyMeta ---- */

static int read_header(FILE *meta, const char *path, struct checksum *sum, struct err *err)
{
    uint8_t bytes[META_HEADER];
    struct cursor at;

    if (fread(bytes, 1, sizeof bytes, meta) != sizeof bytes)
        return err_set(err, ERR_EOF, "%s is shorter than a header, %d bytes", path, META_HEADER);
    at = cursor_of(bytes, sizeof bytes);
    uint16_t version = cursor_u16(&at);
    if (version != META_VERSION)
        return err_set(err, ERR_CORRUPT, "%s has version %u, not %d", path, version, META_VERSION);
    return checksum_get_header(sum, &at, err);
}

static void print_mismatch(const struct parts *p, const char *block, uint64_t offset, size_t size,
                           size_t chunk)
{
    size_t from = chunk * p->sum.bytes_per_checksum;
    size_t length = MIN((size_t)p->sum.bytes_per_checksum, size - from);
    struct cursor expected = cursor_of(p->sums + 4 * chunk, 4);
    uint32_t got = checksum_update(p->sum.type, 0, p->bytes + from, length);

    printf("verifyChunkedSums error: org.apache.hadoop.fs.ChecksumException: Checksum error: %s at "
           "%" PRIu64 " exp: %" PRId32 " got: %" PRId32 "\n",
           block, offset + from, (int32_t)cursor_u32(&expected), (int32_t)got);
}

static int verify_parts(struct parts *p, FILE *meta, const char *meta_path, const char *block)
{
    uint64_t offset = 0;
    size_t size;

    while ((size = fread(p->bytes, 1, p->part, p->data)) > 0) {
        size_t wanted = checksum_bytes(&p->sum, size);
        if (fread(p->sums, 1, wanted, meta) != wanted) {
            fprintf(stderr, "Got I/O error reading metadata file %sfrom disk at offset %ld: %s\n",
                    meta_path, ftell(meta), "it ends before the block does");
            return 1;
        }
        ssize_t bad = checksum_verify(&p->sum, p->bytes, size, p->sums);
        if (bad >= 0) {
            print_mismatch(p, block, offset, size, (size_t)bad);
            return 1;
        }
        offset += size;
    }
    if (ferror(p->data)) {
        fprintf(stderr, "Got I/O error reading block file %sfrom disk at offset %" PRIu64 ": %s\n",
                block, offset, strerror(errno));
        return 1;
    }
    printf("Checksum verification succeeded on block file %s\n", block);
    return 0;
}

static int verify_opened(FILE *meta, const char *meta_path, const char *block)
{
    struct parts p = {.data = NULL};
    struct err err = ERR_INIT;
    int code = 1;

    if (read_header(meta, meta_path, &p.sum, &err)) {
        fprintf(stderr, "Failed to read HDFS metadata file header for %s: %s\n", meta_path,
                err.text);
        return 1;
    }
    printf("Checksum type: DataChecksum(type=%s, chunkSize=%" PRIu32 ")\n",
           checksum_type_name(p.sum.type), p.sum.bytes_per_checksum);
    if (!block) return 0;
    if (parts_open(&p, block, &err))
        fprintf(stderr, "Failed to open HDFS block file for %s: %s\n", block, err.text);
    else
        code = verify_parts(&p, meta, meta_path, block);
    parts_close(&p);
    return code;
}

int debug_verify_meta(int argc, char **argv)
{
    const char *meta_path = option(argc, argv, "-meta");

    if (!argc) {
        printf("%s\n%s\n", debug_verify_usage, verify_help);
        return 1;
    }
    if (!meta_path) {
        fputs("You must specify a meta file with -meta\n", stderr);
        return 1;
    }
    FILE *meta = fopen(meta_path, "re");
    if (!meta) {
        fprintf(stderr, "Failed to read HDFS metadata file header for %s: %s\n", meta_path,
                strerror(errno));
        return 1;
    }
    int code = verify_opened(meta, meta_path, option(argc, argv, "-block"));
    fclose(meta);
    return code;
}

/* ---- computeMeta ---- */

static int write_meta(struct parts *p, int fd, const char *block, struct err *err)
{
    struct buf header = {0};
    size_t size;

    buf_put_u16(&header, META_VERSION);
    checksum_put_header(&p->sum, &header);
    int rc = file_write_full(fd, header.data, header.length, err);
    buf_release(&header);
    while (!rc && (size = fread(p->bytes, 1, p->part, p->data)) > 0) {
        checksum_compute(&p->sum, p->bytes, size, p->sums);
        rc = file_write_full(fd, p->sums, checksum_bytes(&p->sum, size), err);
    }
    if (!rc && ferror(p->data)) rc = err_set_errno(err, errno, "read %s", block);
    if (!rc && fsync(fd)) rc = err_set_errno(err, errno, "sync the meta file");
    return rc;
}

/* Nothing is left of a meta file that did not get whole. */
static int compute(const struct conf *conf, const char *block, const char *out, struct err *err)
{
    struct parts p = {.data = NULL};
    enum checksum_type type;
    const char *name = conf_str(conf, CONF_dfs_checksum_type);

    if (!checksum_type_parse(name, &type))
        return err_set(err, ERR_ARGUMENT, "dfs.checksum.type: %s is no checksum", name);
    int rc = checksum_init(&p.sum, (int)type, conf_int(conf, CONF_dfs_bytes_per_checksum), err);
    if (!rc) rc = parts_open(&p, block, err);
    int fd = rc ? -1 : open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (!rc && fd < 0) rc = err_set_errno(err, errno, "create %s", out);
    if (!rc) {
        rc = write_meta(&p, fd, block, err);
        if (rc) unlink(out);
    }
    if (fd >= 0) close(fd);
    parts_close(&p);
    return rc;
}

static int refuse(int code, const char *text)
{
    fprintf(stderr, "%s\n", text);
    return code;
}

int debug_compute_meta(const struct conf *conf, int argc, char **argv)
{
    const char *block = option(argc, argv, "-block"), *out = option(argc, argv, "-out");
    struct err err = ERR_INIT;

    if (!argc) {
        printf("%s\n%s\n", debug_compute_usage, compute_help);
        return 1;
    }
    if (!block) return refuse(2, "You must specify a block file with -block");
    if (!file_exists(block) || file_is_dir(block)) {
        fprintf(stderr, "Block file <%s> does not exist or is not a file\n", block);
        return 3;
    }
    if (!out) return refuse(4, "You must specify a output file with -out");
    if (file_exists(out)) return refuse(5, "output file already exists!");
    if (compute(conf, block, out, &err)) return refuse(1, err.text);
    printf("Checksum calculation succeeded on block file %s saved metadata to meta file %s\n",
           block, out);
    return 0;
}
