/* Images and edits for checkpointers, standbys and `dfsadmin -fetchImage` (ImageServlet, TransferFsImage): the reading half; web_upload.c has the other. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "namenode/edit_read.h"
#include "namenode/web.h"

static uint64_t number_parameter(const struct http_request *request, const char *name, bool *ok)
{
    const char *text = http_parameter(request, name);
    char *end;

    if (str_empty(text)) {
        *ok = false;
        return 0;
    }
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || errno || *text == '-') *ok = false;
    return value;
}

/* Who asks must belong to this namespace: "layoutVersion:namespaceID:cTime:clusterID". Absent passes (fetchImage sends none). */
bool web_same_storage(struct namenode *nn, const char *theirs, struct err *why)
{
    const struct core_identity *id = &nn->storage->identity;
    char *ours = mem_printf("%d:%u:%" PRIu64 ":%s", id->layout_version, id->namespace_id, id->ctime,
                            id->cluster_id);
    bool same = !theirs || str_eq(theirs, ours);

    if (!same)
        err_set(why, ERR_INCONSISTENT_STATE,
                "This namenode has storage info %s but the secondary expected %.200s", ours,
                theirs);
    mem_free(ours);
    return same;
}

/* The digest in an image's .md5 file: its first word. */
static void add_digest(struct http_request *request, const char *path)
{
    struct buf text = {0};
    char *md5 = mem_printf("%s.md5", path);

    if (file_read(md5, 4096, &text, NULL) == 0 && text.length >= 32) {
        text.data[32] = '\0';
        http_add_header(request, "X-MD5-Digest", (char *)text.data);
    }
    buf_release(&text);
    mem_free(md5);
}

static void send_file(struct http_request *request, const char *path, bool is_image)
{
    const char *name = strrchr(path, '/') + 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0) close(fd);
        http_reply_text(request, 410,
                        "the file is gone: it was replaced by a newer one, ask again\n");
        return;
    }
    if (is_image) add_digest(request, path);
    char *disposition = mem_printf("attachment; filename=%s", name);
    http_add_header(request, "Content-Disposition", disposition);
    http_add_header(request, "X-Image-Edits-Name", name);
    mem_free(disposition);
    http_reply_file(request, "application/octet-stream", fd, (uint64_t)st.st_size);
}

static void send_image(struct namenode *nn, struct http_request *request)
{
    const char *wanted = http_parameter(request, "txid");
    struct nn_images images = {0};
    struct err err = ERR_INIT;
    bool ok = true, latest = wanted && str_eq(wanted, "latest");
    uint64_t txid = latest ? 0 : number_parameter(request, "txid", &ok);

    if (!ok) {
        http_reply_text(request, 400, "getimage needs txid=N or txid=latest\n");
        return;
    }
    if (nn_storage_images(nn->storage, &images, &err) < 0) {
        http_reply_text(request, 500, err.text);
        return;
    }
    const char *path = NULL;
    for (size_t i = 0; i < images.count && !path; i++)
        if (latest || images.items[i].txid == txid) path = images.items[i].path;
    if (path)
        send_file(request, path, true);
    else
        http_reply_text(request, 404, "no image of that transaction\n");
    nn_images_release(&images);
}

static void send_edits(struct namenode *nn, struct http_request *request)
{
    struct edit_segments segments = {0};
    struct err err = ERR_INIT;
    const char *path = NULL;
    bool ok = true;
    uint64_t first = number_parameter(request, "startTxId", &ok),
             last = number_parameter(request, "endTxId", &ok);

    if (!ok) {
        http_reply_text(request, 400, "getedit needs startTxId and endTxId\n");
        return;
    }
    if (edit_segments_find(nn->storage, first, &segments, &err) < 0) {
        http_reply_text(request, 500, err.text);
        return;
    }
    for (size_t i = 0; i < segments.count && !path; i++) {
        const struct edit_segment *segment = &segments.items[i];
        if (!segment->in_progress && segment->first == first && segment->last == last)
            path = segment->path;
    }
    if (path)
        send_file(request, path, false);
    else
        http_reply_text(request, 404, "no finalized edits of these transactions\n");
    edit_segments_release(&segments);
}

void web_image_transfer(void *context, struct http_request *request)
{
    struct namenode *nn = context;
    struct err why = ERR_INIT;

    if (str_eq(http_method(request), "PUT"))
        web_image_put(nn, request);
    else if (!str_eq(http_method(request), "GET"))
        http_reply_text(request, 405, "GET or PUT\n");
    else if (!web_same_storage(nn, http_parameter(request, "storageInfo"), &why))
        http_reply_text(request, 403, why.text);
    else if (http_parameter(request, "getimage"))
        send_image(nn, request);
    else if (http_parameter(request, "getedit"))
        send_edits(nn, request);
    else
        http_reply_text(request, 400, "Illegal parameters to TransferFsImage\n");
}
