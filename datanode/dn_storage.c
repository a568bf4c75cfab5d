#include "datanode/dn_storage.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/parse.h"
#include "common/properties.h"
#include "datanode/dn_upgrade.h"

static bool name_is_safe(const char *name, size_t max)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";

    return *name && *name != '.' && strlen(name) < max && !name[strspn(name, allowed)];
}

int namespace_info_set(struct namespace_info *info, const char *pool_id, const char *cluster_id,
                       uint32_t namespace_id, uint64_t ctime, struct err *err)
{
    if (!name_is_safe(pool_id, sizeof info->pool_id))
        return err_set(err, ERR_BAD_MESSAGE,
                       "the namenode's block pool id cannot be a folder's name");
    if (!*cluster_id || strlen(cluster_id) >= sizeof info->cluster_id)
        return err_set(err, ERR_BAD_MESSAGE, "the namenode's cluster id has an impossible length");
    snprintf(info->pool_id, sizeof info->pool_id, "%s", pool_id);
    snprintf(info->cluster_id, sizeof info->cluster_id, "%s", cluster_id);
    info->namespace_id = namespace_id;
    info->ctime = ctime;
    return 0;
}

int namespace_info_check_version(const char *software, struct err *err)
{
    if (version_at_least(software, 2, 1)) return 0;
    return err_set(err, ERR_INCORRECT_VERSION,
                   "The reported NameNode version is too low to communicate with this DataNode. "
                   "NameNode version: '%.64s' Minimum NameNode version: '2.1.0-beta'",
                   software);
}

int namespace_info_check_same(const struct namespace_info *known, const struct namespace_info *now,
                              struct err *err)
{
    if (!str_eq(known->cluster_id, now->cluster_id) || known->namespace_id != now->namespace_id)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "the namenode of block pool %s now is that of cluster %s and namespace %d "
                       "instead of %s and %d",
                       known->pool_id, now->cluster_id, (int32_t)now->namespace_id,
                       known->cluster_id, (int32_t)known->namespace_id);
    if (known->ctime != now->ctime)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "the namespace of block pool %s was upgraded or rolled back (CTime %" PRIu64
                       ", at this datanode's start %" PRIu64
                       "): start the datanode again, after a rollback with -rollback",
                       known->pool_id, now->ctime, known->ctime);
    return 0;
}

static int get_layout(const struct properties *props, const char *path, int64_t *layout,
                      struct err *err)
{
    int rc = properties_get_int(props, "layoutVersion", INT32_MIN, INT32_MAX, layout, err);
    if (rc) return err_wrap(err, rc, "%s", path);
    if (*layout < DN_LAYOUT_VERSION)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "Unexpected version of storage directory %s. Reported: %" PRId64
                       ". Expecting = %d.",
                       path, *layout, DN_LAYOUT_VERSION);
    if (*layout > DN_LAYOUT_OLDEST)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "%s contains an old layout version %" PRId64
                       ". This version upgrades from %d (Hadoop 2.4).",
                       path, *layout, DN_LAYOUT_OLDEST);
    return 0;
}

/* A value that must be there and fit. */
static int get_text(const struct properties *props, const char *path, const char *key, char *out,
                    size_t size, struct err *err)
{
    const char *value = properties_get(props, key);

    if (!value || strlen(value) >= size)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "Directory %s is in an inconsistent state: file VERSION has %s %s.", path,
                       value ? "an impossible" : "no", key);
    snprintf(out, size, "%s", value);
    return 0;
}

static int check_version(struct volume *volume, const struct properties *props, char *uuid,
                         const struct namespace_info *info, struct err *err)
{
    char cluster[CLUSTER_ID_MAX], type[32], dn[DN_UUID_MAX];
    int64_t layout;

    int rc = get_layout(props, volume->dir, &layout, err);
    if (!rc) rc = get_text(props, volume->dir, "storageType", type, sizeof type, err);
    if (!rc && !str_eq(type, "DATA_NODE"))
        rc = err_set(err, ERR_INCONSISTENT_STATE,
                     "Directory %s is in an inconsistent state: Incompatible node types: "
                     "storageType=%s but StorageDirectory type=DATA_NODE",
                     volume->dir, type);
    if (!rc) rc = get_text(props, volume->dir, "clusterID", cluster, sizeof cluster, err);
    if (!rc) rc = get_text(props, volume->dir, "datanodeUuid", dn, sizeof dn, err);
    if (!rc) rc = get_text(props, volume->dir, "storageID", volume->uuid, sizeof volume->uuid, err);
    if (rc) return rc;
    if (info && !str_eq(cluster, info->cluster_id))
        return err_set(
            err, ERR_IO,
            "Incompatible clusterIDs in %s: namenode clusterID = %s; datanode clusterID = %s",
            volume->dir, info->cluster_id, cluster);
    if (!*uuid) snprintf(uuid, DN_UUID_MAX, "%s", dn);
    if (!str_eq(uuid, dn))
        return err_set(
            err, ERR_INCONSISTENT_STATE,
            "Directory %s is in an inconsistent state: Root %s: DatanodeUuid=%s, does not "
            "match %s from other StorageDirectory.",
            volume->dir, volume->dir, dn, uuid);
    return 0;
}

static void version_path(char out[PATH_MAX], const char *root)
{
    snprintf(out, PATH_MAX, "%s/current/VERSION", root);
}

int dn_storage_read(struct volume *volume, char uuid[DN_UUID_MAX],
                    const struct namespace_info *info, struct err *err)
{
    char path[PATH_MAX], current[PATH_MAX];
    struct properties props = {0};

    version_path(path, volume->dir);
    snprintf(current, sizeof current, "%s/current", volume->dir);
    if (!file_exists(path)) {
        if (dir_is_empty(current)) return 0;
        return err_set(
            err, ERR_INCONSISTENT_STATE,
            "Directory %s is in an inconsistent state: version file in current directory is "
            "missing.",
            volume->dir);
    }
    int rc = properties_load(&props, path, err);
    if (!rc) rc = check_version(volume, &props, uuid, info, err);
    properties_release(&props);
    return rc;
}

/* Makes the folder below `root` and saves its current/VERSION. */
static int save_version(const struct properties *props, const char *root, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/current", root);
    int rc = file_mkdirs(path, 0755, err);
    version_path(path, root);
    if (!rc) rc = properties_save(props, path, err);
    return rc;
}

static void new_storage_id(struct volume *volume)
{
    char random[UUID_TEXT_SIZE];

    uuid_text(random);
    snprintf(volume->uuid, sizeof volume->uuid, "DS-%s", random);
}

int dn_storage_format(struct volume *volume, const char *uuid, const struct namespace_info *info,
                      struct err *err)
{
    struct properties props = {0};

    new_storage_id(volume);
    properties_set(&props, "storageID", volume->uuid);
    properties_set(&props, "clusterID", info->cluster_id);
    properties_set_int(&props, "cTime", 0);
    properties_set(&props, "datanodeUuid", uuid);
    properties_set(&props, "storageType", "DATA_NODE");
    properties_set_int(&props, "layoutVersion", DN_LAYOUT_VERSION);
    log_info("Formatting storage directory %s for cluster %s as %s", volume->dir, info->cluster_id,
             volume->uuid);
    int rc = save_version(&props, volume->dir, err);
    properties_release(&props);
    return rc;
}

char *dn_storage_pool_dir(const struct volume *volume, const char *pool_id)
{
    return mem_printf("%s/current/%s", volume->dir, pool_id);
}

/* ---- pools ---- */

struct pool_version {
    int64_t layout, namespace_id, ctime;
    char pool_id[POOL_ID_MAX];
};

static int read_pool(const char *root, const char *which, struct pool_version *version,
                     struct err *err)
{
    struct properties props = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s/VERSION", root, which);
    int rc = properties_load(&props, path, err);
    if (!rc) rc = get_layout(&props, root, &version->layout, err);
    if (!rc)
        rc = properties_get_int(&props, "namespaceID", INT32_MIN, INT32_MAX, &version->namespace_id,
                                err);
    if (!rc) rc = properties_get_int(&props, "cTime", 0, INT64_MAX, &version->ctime, err);
    if (!rc)
        rc = get_text(&props, root, "blockpoolID", version->pool_id, sizeof version->pool_id, err);
    properties_release(&props);
    return rc;
}

static int check_pool(const char *root, const struct pool_version *version,
                      const struct namespace_info *info, struct err *err)
{
    if ((int32_t)version->namespace_id != (int32_t)info->namespace_id)
        return err_set(
            err, ERR_IO,
            "Incompatible namespaceIDs in %s: namenode namespaceID = %d; datanode namespaceID = "
            "%" PRId64,
            root, (int32_t)info->namespace_id, version->namespace_id);
    if (!str_eq(version->pool_id, info->pool_id))
        return err_set(
            err, ERR_IO,
            "Incompatible blockpoolIDs in %s: namenode blockpoolID = %s; datanode blockpoolID = "
            "%s",
            root, info->pool_id, version->pool_id);
    return 0;
}

static int check_ctime(const char *root, const struct pool_version *version, bool rollback,
                       const struct namespace_info *info, struct err *err)
{
    if ((uint64_t)version->ctime <= info->ctime) return 0;
    if (rollback)
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "Directory %s is in an inconsistent state: Cannot rollback to a newer "
                       "state. Datanode previous state: LV = %" PRId64 " CTime = %" PRId64
                       " is newer than the namespace state: CTime = %" PRIu64,
                       root, version->layout, version->ctime, info->ctime);
    return err_set(err, ERR_IO,
                   "Datanode state: LV = %" PRId64 " CTime = %" PRId64
                   " of %s is newer than the namespace state: CTime = %" PRIu64
                   "; if the namenode was rolled back, start this datanode once with -rollback",
                   version->layout, version->ctime, root, info->ctime);
}

int dn_storage_check_pool(const struct volume *volume, const struct namespace_info *info,
                          enum dn_startup startup, struct err *err)
{
    char *root = dn_storage_pool_dir(volume, info->pool_id);
    struct pool_version version;
    char path[PATH_MAX];

    int rc = dn_upgrade_recover(root, err);
    bool back = startup == DN_ROLLBACK && dn_upgrade_has_previous(root);
    version_path(path, root);
    if (!rc && file_exists(path)) {
        rc = read_pool(root, back ? "previous" : "current", &version, err);
        if (!rc) rc = check_pool(root, &version, info, err);
        if (!rc) rc = check_ctime(root, &version, back, info, err);
    }
    mem_free(root);
    return rc;
}

static void pool_properties(struct properties *props, const struct namespace_info *info)
{
    properties_set_int(props, "layoutVersion", DN_LAYOUT_VERSION);
    properties_set_int(props, "namespaceID", (int32_t)info->namespace_id);
    properties_set(props, "blockpoolID", info->pool_id);
    properties_set_int(props, "cTime", (int64_t)info->ctime);
}

static int format_pool(const char *root, const struct namespace_info *info, struct err *err)
{
    struct properties props = {0};

    log_info("Formatting block pool %s directory %s/current", info->pool_id, root);
    pool_properties(&props, info);
    int rc = save_version(&props, root, err);
    properties_release(&props);
    return rc;
}

static int transition(const char *root, const struct namespace_info *info, enum dn_startup startup,
                      struct err *err)
{
    struct properties props = {0};
    struct pool_version version;

    int rc = startup == DN_ROLLBACK ? dn_upgrade_rollback(root, err) : 0;
    if (!rc) rc = read_pool(root, "current", &version, err);
    if (rc || (version.layout == DN_LAYOUT_VERSION && (uint64_t)version.ctime == info->ctime))
        return rc;
    log_info("Upgrading block pool storage directory %s. old LV = %" PRId64 "; old CTime = %" PRId64
             ". new LV = %d; new CTime = %" PRIu64,
             root, version.layout, version.ctime, DN_LAYOUT_VERSION, info->ctime);
    pool_properties(&props, info);
    rc = dn_upgrade_run(root, &props, err);
    properties_release(&props);
    return rc;
}

/* "DS-<uuid>". Before 2.4 all disks of a datanode had one id, of another form. */
static bool is_storage_id(const char *id)
{
    if (!str_starts(id, "DS-")) return false;
    size_t hex = strspn(id + 3, "0123456789abcdefABCDEF-");
    return hex == UUID_TEXT_SIZE - 1 && !id[3 + hex];
}

/* The folder of an older Hadoop says the new layout once its pool is upgraded. */
static int update_layout(struct volume *volume, struct err *err)
{
    struct properties props = {0};
    char path[PATH_MAX];
    int64_t layout;

    version_path(path, volume->dir);
    int rc = properties_load(&props, path, err);
    if (!rc) rc = get_layout(&props, volume->dir, &layout, err);
    if (!rc && layout != DN_LAYOUT_VERSION) {
        log_info("Updating layout version from %" PRId64 " to %d for storage %s", layout,
                 DN_LAYOUT_VERSION, volume->dir);
        properties_set_int(&props, "layoutVersion", DN_LAYOUT_VERSION);
        if (!is_storage_id(volume->uuid)) {
            new_storage_id(volume);
            properties_set(&props, "storageID", volume->uuid);
        }
        rc = properties_save(&props, path, err);
    }
    properties_release(&props);
    return rc;
}

int dn_storage_open_pool(struct volume *volume, const struct namespace_info *info,
                         enum dn_startup startup, struct err *err)
{
    static const char *const folders[] = {"current/finalized", "current/rbw", "tmp"};
    char *root = dn_storage_pool_dir(volume, info->pool_id);
    char path[PATH_MAX];

    version_path(path, root);
    int rc =
        file_exists(path) ? transition(root, info, startup, err) : format_pool(root, info, err);
    for (size_t i = 0; i < ARRAY_LEN(folders) && !rc; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        rc = file_mkdirs(path, 0755, err);
    }
    if (!rc) rc = update_layout(volume, err);
    mem_free(root);
    return rc;
}

int dn_storage_finalize_pool(const struct volume *volume, const char *pool_id, struct err *err)
{
    char *root = dn_storage_pool_dir(volume, pool_id);
    int rc = dn_upgrade_finalize(root, err);

    mem_free(root);
    return rc;
}
