/* dfsadmin -fetchImage: the newest image by HTTP
 * (TransferFsImage.downloadMostRecentImageToDirectory). */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "client/shell/dfsadmin.h"
#include "client/shell/http_get.h"
#include "common/file.h"
#include "common/mem.h"

enum { IMAGE_TIMEOUT_MS = 60000, IMAGE_BUFFER_SIZE = 256 * 1024 };

/* Where the image goes: a file of the namenode's name in a folder, or the file that is named. The
 * name comes from outside and must be one name. */
static int target_path(const struct http_get *get, const char *local, char **path, struct err *err)
{
    const char *name = http_get_header(get, "X-Image-Edits-Name");

    if (!file_is_dir(local)) {
        *path = mem_strdup(local);
        return 0;
    }
    if (str_empty(name)) return err_set(err, ERR_IO, "No filename header provided by server");
    if (strchr(name, '/') || name[0] == '.')
        return err_set(err, ERR_IO, "the server names the file %s", name);
    *path = mem_printf("%s/%s", local, name);
    return 0;
}

static int receive(struct http_get *get, int fd, EVP_MD_CTX *digest, struct err *err)
{
    uint8_t *buffer = mem_alloc(IMAGE_BUFFER_SIZE);
    ssize_t got;
    int rc = 0;

    while (!rc && (got = http_get_read(get, buffer, IMAGE_BUFFER_SIZE, err)) != 0) {
        if (got < 0) {
            rc = (int)got;
            break;
        }
        EVP_DigestUpdate(digest, buffer, (size_t)got);
        rc = file_write_full(fd, buffer, (size_t)got, err);
    }
    mem_free(buffer);
    return rc;
}

static int check_digest(const struct http_get *get, EVP_MD_CTX *digest, const char *path,
                        struct err *err)
{
    const char *wanted = http_get_header(get, "X-MD5-Digest");
    unsigned char bytes[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned size = 0;

    EVP_DigestFinal_ex(digest, bytes, &size);
    for (unsigned i = 0; i < size; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    if (!wanted || !strcasecmp(wanted, text)) return 0;
    return err_set(err, ERR_CHECKSUM,
                   "File %s downloaded: its MD5 is %s, but the server advertised %s", path, text,
                   wanted);
}

/* Under another name until it is complete, so that what stands there is always whole. */
static int download(struct http_get *get, const char *path, struct err *err)
{
    char *partial = mem_printf("%s.part", path);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), rc = 0;

    if (fd < 0) rc = err_set_errno(err, errno, "%s", partial);
    if (!rc && (!digest || !EVP_DigestInit_ex(digest, EVP_md5(), NULL)))
        rc = err_set(err, ERR_UNSUPPORTED, "MD5 is not available on this system");
    if (!rc) rc = receive(get, fd, digest, err);
    if (!rc) rc = check_digest(get, digest, path, err);
    if (!rc) rc = file_sync(fd, partial, err);
    if (fd >= 0 && close(fd) && !rc) rc = err_set_errno(err, errno, "%s", partial);
    if (!rc) rc = file_rename(partial, path, err);
    if (rc && fd >= 0) unlink(partial);
    EVP_MD_CTX_free(digest);
    mem_free(partial);
    return rc;
}

int admin_fetch_image(struct admin *admin, struct err *err)
{
    struct http_get *get = NULL;
    char *address, *path = NULL;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (rc) return rc;
    address = namenode_http_address(admin->shell->conf, fs_uri(fs));
    rc = http_get_open(address, "/imagetransfer?getimage=1&txid=latest", IMAGE_TIMEOUT_MS,
                       IMAGE_TIMEOUT_MS, &get, err);
    if (!rc && !http_get_header(get, "Content-Length"))
        rc = err_set(err, ERR_IO,
                     "Content-Length header is not provided by the namenode when trying to fetch "
                     "http://%s%s",
                     address, "/imagetransfer?getimage=1&txid=latest");
    if (!rc) rc = target_path(get, admin->args.items[0], &path, err);
    if (!rc) rc = download(get, path, err);
    http_get_close(get);
    mem_free(address);
    mem_free(path);
    return rc;
}
