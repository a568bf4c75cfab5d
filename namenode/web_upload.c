/*
 * PUT of an image by a SecondaryNameNode (ImageServlet.doPut, TransferFsImage.handleUploadImageRequest). The body goes to fsimage.ckpt_N in every
 * name directory as it comes; it becomes an image when its length, its MD5, and what it says of its namespace and its transaction are right.
 *
 *   open: may it come? -> write: to disk -> web_image_put: check, commit, purge, answer
 *                      -> abort: the sender went away
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "namenode/image_in.h"
#include "namenode/image_out.h"
#include "namenode/web.h"

struct upload {
    struct namenode *nn;
    uint64_t txid, size, received;
    uint8_t start[IMAGE_MAGIC_SIZE];
    struct image_out out;
    bool begun;                    /* the checkpoint knows of it */
    bool opened;                   /* `out` is */
    char digest[2 * MD5_SIZE + 2]; /* that the sender told; "" none */
    uint8_t md5[MD5_SIZE];
    int status; /* 0: well so far */
    struct err why;
};

static void refuse(struct upload *u, int status)
{
    u->status = status;
    log_warn("the image of txid %" PRIu64 " is refused: %s", u->txid, u->why.text);
}

/* ---- what the core thread does ---- */

static void begin(struct core *core, void *arg)
{
    struct upload *u = arg;
    int rc = checkpoint_upload_begin(namenode_of(core)->checkpoint, u->txid, &u->why);

    u->begun = !rc;
    if (rc) u->status = rc == ERR_BUSY ? 409 : 410;
}

static void commit(struct core *core, void *arg)
{
    struct upload *u = arg;

    if (checkpoint_upload_commit(namenode_of(core)->checkpoint, u->txid, u->md5, &u->why))
        u->status = 410;
}

static void end(struct core *core, void *arg UNUSED)
{
    checkpoint_upload_end(namenode_of(core)->checkpoint);
}

/* ---- the body ---- */

static bool number(const struct http_request *request, const char *name, uint64_t *out)
{
    const char *text = http_parameter(request, name);
    char *stop;

    if (str_empty(text) || *text < '0' || *text > '9') return false;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    return !*stop && !errno && *out <= INT64_MAX;
}

static void open_files(struct upload *u)
{
    struct nn_storage *storage = u->nn->storage;
    struct nn_dir **dirs = NEW_ARRAY(struct nn_dir *, storage->count);
    char **paths = NEW_ARRAY(char *, storage->count);
    size_t count = 0;

    for (size_t i = 0; i < storage->count; i++) {
        if (!nn_dir_live(&storage->dirs[i], NN_DIR_IMAGE)) continue;
        dirs[count] = &storage->dirs[i];
        paths[count] = mem_printf("%s/fsimage.ckpt_%019" PRIu64, dirs[count]->current, u->txid);
        count++;
    }
    u->opened = true;
    if (image_out_open(&u->out, dirs, (const char *const *)paths, count, &u->why)) refuse(u, 410);
    for (size_t i = 0; i < count; i++) mem_free(paths[i]);
    mem_free(paths);
    mem_free(dirs);
}

static void *upload_open(void *context, const struct http_request *request)
{
    struct upload *u = NEW(struct upload);
    const char *kind = http_parameter(request, "imageFile"),
               *theirs = http_parameter(request, "storageInfo");

    u->nn = context;
    u->why = (struct err)ERR_INIT;
    http_upload_header(request, "X-MD5-Digest", u->digest, sizeof u->digest);
    if (!number(request, "txid", &u->txid) || !number(request, "File-Length", &u->size) ||
        !u->size || str_empty(theirs)) {
        err_set(&u->why, ERR_ARGUMENT, "Illegal parameters to TransferFsImage");
        refuse(u, 410);
    } else if (!web_same_storage(u->nn, theirs, &u->why)) {
        refuse(u, 403);
    } else if (kind && !str_eq(kind, "IMAGE")) {
        err_set(&u->why, ERR_ARGUMENT, "an image of the kind %.40s is not taken", kind);
        refuse(u, 410);
    } else if (!namenode_ask(u->nn, begin, u)) {
        err_set(&u->why, ERR_IO, "the namenode is ending");
        refuse(u, 410);
    } else if (u->status) {
        refuse(u, u->status);
    } else {
        open_files(u);
    }
    return u;
}

/* The first bytes are an image's, as image_out_open() has written them. */
static size_t take_magic(struct upload *u, const uint8_t *data, size_t size)
{
    size_t part = 0;

    while (u->received + part < IMAGE_MAGIC_SIZE && part < size) {
        u->start[u->received + part] = data[part];
        part++;
    }
    if (part && u->received + part == IMAGE_MAGIC_SIZE &&
        memcmp(u->start, IMAGE_MAGIC, IMAGE_MAGIC_SIZE) != 0) {
        err_set(&u->why, ERR_CORRUPT, "what came for txid %" PRIu64 " is no image", u->txid);
        refuse(u, 410);
    }
    return part;
}

static bool upload_write(void *sink, const void *data, size_t size)
{
    struct upload *u = sink;

    if (u->status) return false;
    if (size > u->size - u->received) {
        err_set(&u->why, ERR_ARGUMENT,
                "the image of txid %" PRIu64 " is longer than the advertised size %" PRIu64,
                u->txid, u->size);
        refuse(u, 410);
        return false;
    }
    size_t magic = take_magic(u, data, size);
    u->received += size;
    if (!u->status) image_out_raw(&u->out, (const uint8_t *)data + magic, size - magic);
    return !u->status;
}

static void upload_free(struct upload *u, bool keep)
{
    if (u->opened) {
        for (size_t i = 0; i < u->out.target_count && !keep; i++) unlink(u->out.targets[i].path);
        image_out_release(&u->out);
    }
    if (u->begun && !namenode_ask(u->nn, end, NULL)) log_info("an upload ends with the namenode");
    mem_free(u);
}

static void upload_abort(void *sink)
{
    struct upload *u = sink;

    log_warn("the image of txid %" PRIu64 " did not come to its end: %" PRIu64 " of %" PRIu64
             " bytes",
             u->txid, u->received, u->size);
    upload_free(u, false);
}

const struct http_upload WEB_UPLOAD = {upload_open, upload_write, upload_abort};

/* ---- all of it is there ---- */

static int check_digest(struct upload *u)
{
    char hex[2 * MD5_SIZE + 1];
    int rc = image_out_sync(&u->out, u->md5, &u->why);

    if (rc) return rc;
    md5_hex(u->md5, hex);
    if (!u->digest[0] || strcasecmp(hex, u->digest) == 0) return 0;
    return err_set(&u->why, ERR_CHECKSUM,
                   "File fsimage.ckpt_%019" PRIu64
                   " computed digest %s does not match advertised digest %s",
                   u->txid, hex, u->digest);
}

static int check_namespace(const struct upload *u, const Pb__NameSystemSection *s, struct err *err)
{
    const struct core_identity *ours = &u->nn->storage->identity;

    if (!s || s->namespaceid != ours->namespace_id)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "the image is that of namespace %u, not of this one, %u",
                       s ? s->namespaceid : 0, ours->namespace_id);
    if (s->transactionid != u->txid)
        return err_set(err, ERR_CORRUPT,
                       "the image ends with transaction %" PRIu64 ", not with %" PRIu64,
                       s->transactionid, u->txid);
    return 0;
}

/* Its frame, and whose it is. */
static int check_content(const struct upload *u, const char *path, struct err *err)
{
    struct image_in in;
    struct image_reader reader;
    struct arena arena = {0};
    Pb__NameSystemSection *section = NULL;
    int rc = image_in_open(&in, path, err);

    if (rc) return rc;
    rc = image_reader_open(&reader, &in, "NS_INFO", err);
    if (!rc) {
        rc =
            image_reader_next(&reader, &pb__name_system_section__descriptor, &arena, &section, err);
        image_reader_close(&reader);
    }
    if (rc >= 0) rc = check_namespace(u, rc ? section : NULL, err);
    arena_release(&arena);
    image_in_close(&in);
    return rc;
}

static const char *written_path(const struct upload *u)
{
    size_t i = 0;

    while (u->out.targets[i].fd < 0) i++; /* image_out_sync() said that there is one */
    return u->out.targets[i].path;
}

static void finish(struct upload *u)
{
    if (u->received != u->size) {
        err_set(&u->why, ERR_ARGUMENT,
                "File fsimage.ckpt_%019" PRIu64 " received length %" PRIu64
                " is not of the advertised size %" PRIu64,
                u->txid, u->received, u->size);
        refuse(u, 410);
        return;
    }
    int rc = check_digest(u);
    if (!rc) rc = check_content(u, written_path(u), &u->why);
    if (rc) {
        refuse(u, 410);
        return;
    }
    if (!namenode_ask(u->nn, commit, u)) {
        err_set(&u->why, ERR_IO, "the namenode is ending");
        u->status = 410;
    }
    if (u->status) refuse(u, u->status);
}

void web_image_put(struct namenode *nn UNUSED, struct http_request *request)
{
    struct upload *u = http_upload_sink(request);
    char *text;

    if (!u) {
        http_reply_text(request, 400, "the image's bytes did not come as HTTP wants them\n");
        return;
    }
    if (!u->status) finish(u);
    if (!u->status) {
        log_info("Took the image of txid %" PRIu64 " from %s: %" PRIu64 " bytes", u->txid,
                 http_peer(request), u->size);
        http_reply_text(request, 200, "");
    } else {
        text =
            mem_printf("%s%s\n", u->status == 410 ? "PutImage failed. java.io.IOException: " : "",
                       u->why.text);
        http_reply_text(request, u->status, text);
        mem_free(text);
    }
    upload_free(u, !u->status);
}
