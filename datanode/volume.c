#include "datanode/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

static const struct {
    const char *name;
    Pb__StorageType type;
} type_names[] = {
    {"DISK", PB__STORAGE_TYPE__DISK},         {"SSD", PB__STORAGE_TYPE__SSD},
    {"ARCHIVE", PB__STORAGE_TYPE__ARCHIVE},   {"RAM_DISK", PB__STORAGE_TYPE__RAM_DISK},
    {"PROVIDED", PB__STORAGE_TYPE__PROVIDED}, {"NVDIMM", PB__STORAGE_TYPE__NVDIMM},
};

const char *volume_type_name(Pb__StorageType type)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (type_names[i].type == type) return type_names[i].name;
    return "UNKNOWN";
}

/* Takes "[TYPE]" off the front of the word; DISK when there is none. */
static int parse_type(const char **word, Pb__StorageType *type, struct err *err)
{
    const char *close = strchr(*word, ']');

    *type = PB__STORAGE_TYPE__DISK;
    if (**word != '[' || !close) return 0;
    size_t length = (size_t)(close - *word - 1);
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
        if (strlen(type_names[i].name) != length ||
            strncasecmp(type_names[i].name, *word + 1, length) != 0)
            continue;
        *type = type_names[i].type;
        *word = close + 1;
        return 0;
    }
    return err_set(err, ERR_CONFIG, "dfs.datanode.data.dir: unknown storage type in %s", *word);
}

int volume_open(const char *word, const struct conf *conf, uint16_t index, struct volume **volume,
                struct err *err)
{
    struct volume *v = NEW(struct volume);

    v->lock = (struct file_lock)FILE_LOCK_INIT;
    v->index = index;
    int rc = parse_type(&word, &v->type, err);
    if (!rc) rc = file_path_of_uri(word, &v->dir, err);
    mode_t mode = (mode_t)strtoul(conf_str(conf, CONF_dfs_datanode_data_dir_perm), NULL, 8);
    if (!rc) rc = file_mkdirs(v->dir, mode ? mode : 0700, err);
    if (!rc) rc = file_lock(&v->lock, v->dir, err);
    if (!rc) rc = volume_check(v, err);
    if (rc) {
        volume_free(v);
        return rc;
    }
    v->reserved = (uint64_t)conf_size(conf, CONF_dfs_datanode_du_reserved);
    v->reserved_pct = (unsigned)conf_int(conf, CONF_dfs_datanode_du_reserved_pct);
    *volume = v;
    return 0;
}

void volume_free(struct volume *volume)
{
    if (!volume) return;
    file_unlock(&volume->lock);
    mem_free(volume->dir);
    mem_free(volume);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

int volume_space(const struct volume *volume, struct volume_space *space, struct err *err)
{
    struct file_space disk;

    int rc = file_space(volume->dir, &disk, err);
    if (rc) return rc;
    uint64_t reserved =
        MAX(volume->reserved, disk.capacity / 100 * MIN(volume->reserved_pct, 100u));
    uint64_t used = (uint64_t)MAX(atomic_load(&volume->used), (int64_t)0);
    uint64_t promised = (uint64_t)MAX(atomic_load(&volume->promised), (int64_t)0);
    uint64_t others = less(disk.capacity - disk.available, used);

    space->reserved = reserved;
    space->capacity = less(disk.capacity, reserved);
    space->used = used;
    space->non_dfs_used = less(others, reserved);
    space->remaining = MIN(less(space->capacity, used + promised),
                           less(disk.available, less(reserved, others) + promised));
    return 0;
}

int volume_check(const struct volume *volume, struct err *err)
{
    static const char probe[] = "tusk";
    char path[PATH_MAX], back[sizeof probe];

    snprintf(path, sizeof path, "%s/.probe", volume->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_set_errno(err, errno, "check disk: create %s", path);
    int rc = file_pwrite_full(fd, probe, sizeof probe, 0, err);
    if (!rc) rc = file_pread_full(fd, back, sizeof back, 0, err);
    close(fd);
    if (!rc && unlink(path)) rc = err_set_errno(err, errno, "delete");
    return rc ? err_wrap(err, rc, "check disk: %s", path) : 0;
}

static bool has_type(const struct volume_picker *picker, Pb__StorageType type)
{
    for (size_t i = 0; i < picker->count; i++)
        if (picker->volumes[i]->type == type) return true;
    return false;
}

int volume_pick(struct volume_picker *picker, Pb__StorageType type, int64_t size,
                struct volume **volume, struct err *err)
{
    bool any = !has_type(picker, type);
    unsigned start = atomic_fetch_add(&picker->next[(unsigned)type % ARRAY_LEN(picker->next)], 1);
    uint64_t most = 0;
    bool met = false;

    for (size_t i = 0; i < picker->count; i++) {
        struct volume *v = picker->volumes[(start + i) % picker->count];
        struct volume_space space;
        if ((!any && v->type != type) || atomic_load(&v->failed)) continue;
        if (volume_space(v, &space, err)) continue;
        met = true;
        most = MAX(most, space.remaining);
        if (space.remaining <= (uint64_t)size) continue;
        atomic_fetch_add(&v->promised, size);
        *volume = v;
        return 0;
    }
    if (!met) return err_set(err, ERR_DISK_OUT_OF_SPACE, "No more available volumes");
    return err_set(err, ERR_DISK_OUT_OF_SPACE,
                   "Out of space: The volume with the most available space (=%" PRIu64
                   " B) is less than the block size (=%" PRId64 " B).",
                   most, size);
}
