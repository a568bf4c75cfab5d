#include "namenode/nn_storage.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/properties.h"
#include "namenode/nn_upgrade.h"

/* ---- which directories ---- */

static struct nn_dir *dir_of(struct nn_storage *storage, const char *root)
{
    for (size_t i = 0; i < storage->count; i++)
        if (str_eq(storage->dirs[i].root, root)) return &storage->dirs[i];
    storage->dirs = mem_realloc(storage->dirs, (storage->count + 1) * sizeof *storage->dirs);
    struct nn_dir *dir = &storage->dirs[storage->count++];
    *dir = (struct nn_dir){.lock = FILE_LOCK_INIT};
    dir->root = mem_strdup(root);
    dir->current = mem_printf("%s/current", root);
    return dir;
}

static int add_dirs(struct nn_storage *storage, const struct conf *conf, enum conf_id key,
                    unsigned use, struct err *err)
{
    char **list = conf_list(conf, key);
    int rc = 0;

    for (char **uri = list; *uri && !rc; uri++) {
        char *path = NULL;
        rc = file_path_of_uri(*uri, &path, err);
        if (rc) {
            err_wrap(err, rc, "%s", conf_key(key)->name);
            break;
        }
        struct nn_dir *dir = dir_of(storage, path);
        if (use)
            dir->use |= use;
        else
            dir->required = true;
        mem_free(path);
    }
    conf_list_free(list);
    return rc;
}

static int check_dirs(const struct nn_storage *storage, const struct conf *conf, struct err *err)
{
    if (!str_empty(conf_str(conf, CONF_dfs_namenode_shared_edits_dir)))
        return err_set(
            err, ERR_UNSUPPORTED,
            "dfs.namenode.shared.edits.dir is set: edits shared by several namenodes are "
            "not supported yet; unset it");
    for (size_t i = 0; i < storage->count; i++)
        if (!storage->dirs[i].use)
            return err_set(err, ERR_CONFIG,
                           "dfs.namenode.edits.dir.required names %s, which is not in "
                           "dfs.namenode.edits.dir",
                           storage->dirs[i].root);
    if (!nn_storage_live(storage, NN_DIR_IMAGE))
        return err_set(err, ERR_CONFIG, "dfs.namenode.name.dir names no directory");
    if (!nn_storage_live(storage, NN_DIR_EDITS))
        return err_set(err, ERR_CONFIG, "dfs.namenode.edits.dir names no directory");
    return 0;
}

static int positive(int64_t value, enum conf_id key, int64_t min, struct err *err)
{
    if (value >= min && value <= UINT32_MAX) return 0;
    return err_set(err, ERR_CONFIG, "%s is %" PRId64 ": must be at least %" PRId64,
                   conf_key(key)->name, value, min);
}

static int read_limits(struct nn_storage *storage, const struct conf *conf, struct err *err)
{
    static const enum conf_id KEYS[] = {
        CONF_dfs_namenode_num_checkpoints_retained,
        CONF_dfs_namenode_max_extra_edits_segments_retained,
        CONF_dfs_namenode_resource_checked_volumes_minimum,
        CONF_dfs_namenode_edits_dir_minimum,
    };
    static const int64_t MINIMA[] = {1, 0, 0, 1};
    uint32_t *values[] = {&storage->images_retained, &storage->extra_segments_retained,
                          &storage->volumes_minimum, &storage->edits_dirs_minimum};

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        int64_t value = conf_int(conf, KEYS[i]);
        int rc = positive(value, KEYS[i], MINIMA[i], err);
        if (rc) return rc;
        *values[i] = (uint32_t)value;
    }
    int64_t extra = conf_int(conf, CONF_dfs_namenode_num_extra_edits_retained);
    int64_t reserved = conf_size(conf, CONF_dfs_namenode_resource_du_reserved);
    if (extra < 0 || reserved < 0)
        return err_set(err, ERR_CONFIG,
                       "dfs.namenode.num.extra.edits.retained and "
                       "dfs.namenode.resource.du.reserved must not be negative");
    storage->extra_edits_retained = (uint64_t)extra;
    storage->reserved_bytes = (uint64_t)reserved;
    storage->extra_volumes = conf_list(conf, CONF_dfs_namenode_resource_checked_volumes);
    return 0;
}

int nn_storage_configure(struct nn_storage **out, const struct conf *conf, struct err *err)
{
    struct nn_storage *storage = NEW(struct nn_storage);
    int rc = add_dirs(storage, conf, CONF_dfs_namenode_name_dir, NN_DIR_IMAGE, err);

    if (!rc) rc = add_dirs(storage, conf, CONF_dfs_namenode_edits_dir, NN_DIR_EDITS, err);
    if (!rc) rc = add_dirs(storage, conf, CONF_dfs_namenode_edits_dir_required, 0, err);
    if (!rc) rc = check_dirs(storage, conf, err);
    if (!rc) rc = read_limits(storage, conf, err);
    if (rc) {
        nn_storage_close(storage);
        return rc;
    }
    *out = storage;
    return 0;
}

void nn_storage_close(struct nn_storage *storage)
{
    if (!storage) return;
    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        file_unlock(&dir->lock);
        mem_free(dir->root);
        mem_free(dir->current);
    }
    mem_free(storage->dirs);
    conf_list_free(storage->extra_volumes);
    mem_free(storage);
}

/* ---- states ---- */

static int inconsistent(const struct nn_dir *dir, struct err *err, const char *why)
{
    return err_set(err, ERR_INCONSISTENT_STATE, "Directory %s is in an inconsistent state: %s",
                   dir->root, why);
}

int nn_dir_lock(struct nn_dir *dir, struct err *err)
{
    struct err why = ERR_INIT;
    int rc = file_lock(&dir->lock, dir->root, &why);

    if (!rc) return 0;
    if (rc == ERR_BUSY)
        return err_set(err, rc, "Cannot lock storage %s. The directory is already locked (%s)",
                       dir->root, why.text);
    if (err) *err = why;
    return err_wrap(err, rc, "Cannot lock storage %s", dir->root);
}

static int check_layout(const struct nn_dir *dir, int64_t layout, bool upgrading, struct err *err)
{
    if (layout < LAYOUT_NAMENODE)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "Unexpected version of storage directory %s. Reported: %" PRId64
                       ". Expecting = %d.",
                       dir->root, layout, LAYOUT_NAMENODE);
    if (layout > LAYOUT_UPGRADABLE)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "File system image contains an old layout version %" PRId64
                       ". This version upgrades from %d (Hadoop 2.4) on: let an Apache Hadoop 3.5 "
                       "namenode upgrade %s",
                       layout, LAYOUT_UPGRADABLE, dir->root);
    if (layout > LAYOUT_NAMENODE && !upgrading)
        return err_set(err, ERR_INCORRECT_VERSION,
                       "File system image contains an old layout version %" PRId64
                       ". An upgrade to version %d is required. Please restart NameNode with the "
                       "\"-upgrade\" option to start a new upgrade.",
                       layout, LAYOUT_NAMENODE);
    return 0;
}

static int property_text(const struct properties *version, const struct nn_dir *dir,
                         const char *key, char *out, size_t size, struct err *err)
{
    const char *value = properties_get(version, key);

    if (!value || !*value || strlen(value) >= size) {
        return err_set(err, ERR_INCONSISTENT_STATE,
                       "Directory %s is in an inconsistent state: file VERSION has %s %s.",
                       dir->root, value && *value ? "an overlong" : "no", key);
    }
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

/* Each VERSION names the same cluster. */
static int check_same(struct nn_storage *storage, const struct nn_dir *dir,
                      const struct core_identity *id, bool first, struct err *err)
{
    struct core_identity *known = &storage->identity;

    if (first)
        *known = *id;
    else if (id->namespace_id != known->namespace_id)
        return inconsistent(dir, err, "namespaceID is incompatible with others.");
    else if (!str_eq(id->cluster_id, known->cluster_id))
        return inconsistent(dir, err, "cluster Id is incompatible with others.");
    else if (!str_eq(id->block_pool_id, known->block_pool_id))
        return inconsistent(dir, err, "blockpoolID is incompatible with others.");
    else if (id->ctime != known->ctime)
        return inconsistent(dir, err, "cTime is incompatible with others.");
    return 0;
}

static int parse_version(const struct nn_dir *dir, const struct properties *version, bool upgrading,
                         struct core_identity *id, struct err *err)
{
    const char *type = properties_get(version, "storageType");
    int64_t layout, namespace_id, ctime;

    if (!type || !str_eq(type, "NAME_NODE"))
        return inconsistent(dir, err,
                            "VERSION is not that of a namenode (storageType is not NAME_NODE).");
    int rc = properties_get_int(version, "layoutVersion", INT32_MIN, 0, &layout, err);
    if (!rc) rc = check_layout(dir, layout, upgrading, err);
    if (!rc) rc = properties_get_int(version, "namespaceID", 1, INT32_MAX, &namespace_id, err);
    if (!rc) rc = properties_get_int(version, "cTime", 0, INT64_MAX, &ctime, err);
    if (!rc)
        rc = property_text(version, dir, "clusterID", id->cluster_id, sizeof id->cluster_id, err);
    if (!rc)
        rc = property_text(version, dir, "blockpoolID", id->block_pool_id, sizeof id->block_pool_id,
                           err);
    if (rc) return err_wrap(err, rc, "%s/VERSION", dir->current);
    id->layout_version = (int32_t)layout;
    id->namespace_id = (uint32_t)namespace_id;
    id->ctime = (uint64_t)ctime;
    return 0;
}

static int read_version(struct nn_storage *storage, struct nn_dir *dir, bool first, struct err *err)
{
    struct core_identity id = {0};
    struct properties version = {0};
    char *path = mem_printf("%s/VERSION", dir->current);
    int rc = properties_load(&version, path, err);

    if (!rc) rc = parse_version(dir, &version, storage->start == NN_UPGRADE, &id, err);
    if (!rc) rc = check_same(storage, dir, &id, first, err);
    properties_release(&version);
    mem_free(path);
    return rc;
}

static int read_seen_txid(struct nn_storage *storage, const struct nn_dir *dir, struct err *err)
{
    struct buf text = {0};
    char *path = mem_printf("%s/seen_txid", dir->current), *end;
    int rc = 0;

    if (!file_exists(path)) goto out; /* Apache, too, takes a missing one for 0 */
    rc = file_read(path, 64, &text, err);
    if (rc) goto out;
    errno = 0;
    unsigned long long txid = strtoull(buf_cstr(&text), &end, 10);
    if (errno || end == (char *)text.data || (*end && *end != '\n' && *end != '\r'))
        rc = err_set(
            err, ERR_CORRUPT,
            "%s holds no number. Copy it from another name directory, or write the last txid "
            "of the newest edits file into it",
            path);
    else
        storage->seen_txid = MAX(storage->seen_txid, (uint64_t)txid);
out:
    buf_release(&text);
    mem_free(path);
    return rc;
}

static int inspect(struct nn_storage *storage, struct nn_dir *dir, bool *any, struct err *err)
{
    if (!file_is_dir(dir->root))
        return inconsistent(dir, err, "storage directory does not exist or is not accessible.");
    int rc = nn_dir_lock(dir, err);
    if (!rc) rc = nn_upgrade_recover(dir, err);
    if (rc) return rc;
    char *version = mem_printf("%s/VERSION", dir->current);
    dir->formatted = file_exists(version);
    mem_free(version);
    if (!dir->formatted && !dir_is_empty(dir->current))
        return inconsistent(dir, err, "version file in current directory is missing.");
    if (!dir->formatted) return 0;
    rc = read_version(storage, dir, !*any, err);
    if (!rc) rc = read_seen_txid(storage, dir, err);
    *any = true;
    return rc;
}

static int inspect_all(struct nn_storage *storage, struct err *err)
{
    bool formatted = false;

    for (size_t i = 0; i < storage->count; i++) {
        int rc = inspect(storage, &storage->dirs[i], &formatted, err);
        if (rc) return rc;
    }
    return formatted ? 0 : err_set(err, ERR_IO, "NameNode is not formatted.");
}

int nn_storage_open(struct nn_storage **out, const struct conf *conf, struct err *err)
{
    return nn_storage_open_for(out, conf, NN_REGULAR, err);
}

int nn_storage_open_for(struct nn_storage **out, const struct conf *conf, enum nn_start start,
                        struct err *err)
{
    struct nn_storage *storage;
    int rc = nn_storage_configure(&storage, conf, err);

    if (rc) return rc;
    storage->start = start;
    rc = inspect_all(storage, err);
    if (rc) {
        nn_storage_close(storage);
        return rc;
    }
    *out = storage;
    return 0;
}

/* ---- failing, writing small files ---- */

void nn_dir_fail(struct nn_dir *dir, const struct err *why)
{
    if (!atomic_exchange(&dir->failed, true))
        log_error("Storage directory %s fails and is used no more: %s", dir->root, why->text);
}

size_t nn_storage_live(const struct nn_storage *storage, unsigned use)
{
    size_t live = 0;

    for (size_t i = 0; i < storage->count; i++) live += nn_dir_live(&storage->dirs[i], use);
    return live;
}

int nn_dir_write_seen_txid(const struct nn_dir *dir, uint64_t txid, struct err *err)
{
    char text[32], *path = mem_printf("%s/seen_txid", dir->current);
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n", txid);
    int rc = file_replace(path, text, (size_t)length, 0644, err);

    mem_free(path);
    return rc;
}

int nn_storage_write_seen_txid(struct nn_storage *storage, uint64_t txid, struct err *err)
{
    struct err why = ERR_INIT;

    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        if (!nn_dir_live(dir, NN_DIR_IMAGE | NN_DIR_EDITS)) continue;
        if (nn_dir_write_seen_txid(dir, txid, &why)) nn_dir_fail(dir, &why);
    }
    if (nn_storage_live(storage, NN_DIR_IMAGE | NN_DIR_EDITS)) return 0;
    return err_set(err, ERR_IO, "no name directory is left to write seen_txid to: %s", why.text);
}

int nn_dir_write_version(const struct nn_dir *dir, const struct core_identity *id, struct err *err)
{
    struct properties version = {0};
    char *path = mem_printf("%s/VERSION", dir->current);

    properties_set_int(&version, "namespaceID", id->namespace_id);
    properties_set(&version, "blockpoolID", id->block_pool_id);
    properties_set(&version, "storageType", "NAME_NODE");
    properties_set_int(&version, "cTime", (int64_t)id->ctime);
    properties_set(&version, "clusterID", id->cluster_id);
    properties_set_int(&version, "layoutVersion", id->layout_version);
    int rc = properties_save(&version, path, err);
    properties_release(&version);
    mem_free(path);
    return rc;
}

static int fill_new_dir(struct nn_storage *storage, struct nn_dir *dir, struct err *err)
{
    log_info("Storage directory %s is not formatted. Formatting ...", dir->root);
    int rc = file_mkdirs(dir->current, 0755, err);
    if (!rc) rc = nn_dir_write_seen_txid(dir, storage->seen_txid, err);
    if (!rc) rc = nn_dir_write_version(dir, &storage->identity, err);
    return rc;
}

int nn_storage_write_version(struct nn_storage *storage, struct err *err)
{
    for (size_t i = 0; i < storage->count; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        if (dir->formatted || atomic_load(&dir->failed)) continue;
        int rc = fill_new_dir(storage, dir, err);
        if (rc) return rc;
        dir->formatted = true;
    }
    return 0;
}

/* ---- disk space ---- */

static bool volume_ok(const struct nn_storage *storage, const char *path, struct err *why)
{
    struct file_space space;

    if (file_space(path, &space, why)) return false;
    if (space.available >= storage->reserved_bytes) return true;
    err_set(why, ERR_NO_SPACE,
            "Space available on volume of %s is %" PRIu64
            ", which is below the configured reserved amount %" PRIu64,
            path, space.available, storage->reserved_bytes);
    return false;
}

bool nn_resources_available(const struct nn_storage *storage, struct err *why)
{
    uint32_t redundant = 0, good = 0;

    for (char **path = storage->extra_volumes; path && *path; path++) {
        const char *plain = str_starts(*path, "file://") ? *path + 7 : *path;
        if (!volume_ok(storage, plain, why)) return false;
    }
    for (size_t i = 0; i < storage->count; i++) {
        const struct nn_dir *dir = &storage->dirs[i];
        if (!(dir->use & NN_DIR_EDITS)) continue;
        bool ok = nn_dir_live(dir, NN_DIR_EDITS) && volume_ok(storage, dir->current, why);
        if (!ok && dir->required) return false;
        redundant += !dir->required;
        good += ok && !dir->required;
    }
    return !redundant || good >= MAX(storage->volumes_minimum, 1u);
}
