#include "client/shell/trash_roots.h"

#include "common/mem.h"
#include "common/path.h"
#include "proto/client_namenode.pb-c.h"
#include "proto/encryption.pb-c.h"

#define TRASH ".Trash"

int trash_root(struct vfs *vfs, const char *path, char **root, struct err *err)
{
    if (vfs->hdfs) return fs_trash_root(vfs->hdfs, path, root, err);
    *root = path_join(vfs->home, TRASH);
    return 0;
}

struct roots {
    char **paths;
    size_t count, capacity;
};

/* Takes `path` over and adds it if it exists. */
static int add_root(struct vfs *vfs, char *path, struct roots *roots, struct err *err)
{
    bool exists = false;
    int rc = vfs_exists(vfs, path, &exists, err);

    if (rc || !exists) {
        mem_free(path);
        return rc;
    }
    GROW(roots->paths, roots->capacity, roots->count + 1);
    roots->paths[roots->count++] = path;
    return 0;
}

static char *root_below(struct vfs *vfs, const char *directory)
{
    return mem_printf("%s/" TRASH "/%s", str_eq(directory, "/") ? "" : directory,
                      fs_user(vfs->hdfs));
}

/* A namenode without encryption does not know the call, and others may not ask it: then there are
 * none for us. */
static bool means_none(int rc)
{
    return rc == ERR_NO_SUCH_METHOD || rc == ERR_ACCESS || rc == ERR_UNSUPPORTED;
}

static int add_zones(struct vfs *vfs, struct roots *roots, struct err *err)
{
    Pb__ListEncryptionZonesRequest request = PB__LIST_ENCRYPTION_ZONES_REQUEST__INIT;
    Pb__ListEncryptionZonesResponse *response;
    struct arena arena = {.chunks = NULL};
    bool more = true;
    int rc = 0;

    while (!rc && more) {
        rc = fs_call(vfs->hdfs, "listEncryptionZones", &request,
                     &pb__list_encryption_zones_response__descriptor, &arena, &response, err);
        if (means_none(rc)) {
            rc = 0;
            break;
        }
        if (rc) break;
        for (size_t i = 0; i < response->n_zones && !rc; i++) {
            rc = add_root(vfs, root_below(vfs, response->zones[i]->path), roots, err);
            request.id = response->zones[i]->id;
        }
        more = response->hasmore && response->n_zones;
        arena_clear(&arena);
    }
    arena_release(&arena);
    return rc;
}

static int add_snapshot_roots(struct vfs *vfs, struct roots *roots, struct err *err)
{
    Pb__GetSnapshottableDirListingRequest request = PB__GET_SNAPSHOTTABLE_DIR_LISTING_REQUEST__INIT;
    Pb__GetSnapshottableDirListingResponse *response;
    struct arena arena = {.chunks = NULL};
    struct fs_server_defaults defaults;
    int rc = fs_server_defaults(vfs->hdfs, &defaults, err);

    if (rc || !defaults.snapshot_trash_root) return rc;
    rc = fs_call(vfs->hdfs, "getSnapshottableDirListing", &request,
                 &pb__get_snapshottable_dir_listing_response__descriptor, &arena, &response, err);
    if (!rc && response->snapshottabledirlist)
        for (size_t i = 0; i < response->snapshottabledirlist->n_snapshottabledirlisting && !rc;
             i++) {
            const Pb__SnapshottableDirectoryStatus *status =
                response->snapshottabledirlist->snapshottabledirlisting[i];
            char *parent = mem_strndup((const char *)status->parent_fullpath.data,
                                       status->parent_fullpath.len);
            char *name = mem_strndup((const char *)status->dirstatus->path.data,
                                     status->dirstatus->path.len);
            char *path =
                mem_printf("%s%s%s", parent, !*parent || str_eq(parent, "/") ? "" : "/", name);
            rc = add_root(vfs, root_below(vfs, path), roots, err);
            mem_free(parent);
            mem_free(name);
            mem_free(path);
        }
    arena_release(&arena);
    return means_none(rc) ? 0 : rc;
}

int trash_roots(struct vfs *vfs, char ***paths, size_t *count, struct err *err)
{
    struct roots roots = {.paths = NULL};
    int rc = add_root(vfs, path_join(vfs->home, TRASH), &roots, err);

    if (!rc && vfs->hdfs) rc = add_zones(vfs, &roots, err);
    if (!rc && vfs->hdfs) rc = add_snapshot_roots(vfs, &roots, err);
    if (rc) {
        trash_roots_free(roots.paths, roots.count);
        return rc;
    }
    *paths = roots.paths;
    *count = roots.count;
    return 0;
}

void trash_roots_free(char **roots, size_t count)
{
    for (size_t i = 0; i < count; i++) mem_free(roots[i]);
    mem_free(roots);
}
