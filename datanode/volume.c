#include "datanode/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rand.h"

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

int volume_parse(const char *word, char **dir, Pb__StorageType *type, struct err *err)
{
    int rc = parse_type(&word, type, err);

    *dir = NULL;
    return rc ? rc : file_path_of_uri(word, dir, err);
}

static struct volume *volume_new(uint16_t index)
{
    struct volume *v = NEW(struct volume);

    v->lock = (struct file_lock)FILE_LOCK_INIT;
    v->index = index;
    return v;
}

struct volume *volume_failed_new(const char *word, uint16_t index)
{
    struct volume *v = volume_new(index);
    struct err err = ERR_INIT;

    if (volume_parse(word, &v->dir, &v->type, &err)) v->dir = mem_strdup(word);
    volume_fail(v);
    return v;
}

void volume_fail(struct volume *volume)
{
    if (!atomic_exchange(&volume->failed, true)) atomic_store(&volume->failed_ms, clock_wall_ms());
}

int volume_open(const char *word, const struct conf *conf, uint16_t index, struct volume **volume,
                struct err *err)
{
    struct volume *v = volume_new(index);

    int rc = volume_parse(word, &v->dir, &v->type, err);
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

/* ---- choosing ---- */

int volume_picker_conf(struct volume_picker *picker, const struct conf *conf, struct err *err)
{
    const char *name = conf_str(conf, CONF_dfs_datanode_fsdataset_volume_choosing_policy),
               *last = strrchr(name, '.'), *plain = last ? last + 1 : name;

    picker->by_space = str_eq(plain, "AvailableSpaceVolumeChoosingPolicy");
    if (!picker->by_space && *plain && !str_eq(plain, "RoundRobinVolumeChoosingPolicy"))
        return err_set(err, ERR_CONFIG,
                       "dfs.datanode.fsdataset.volume.choosing.policy is %s: "
                       "RoundRobinVolumeChoosingPolicy and AvailableSpaceVolumeChoosingPolicy of "
                       "Hadoop's package are known",
                       name);
    picker->spare = (uint64_t)MAX(
        conf_size(conf,
                  CONF_dfs_datanode_round_robin_volume_choosing_policy_additional_available_space),
        0);
    picker->space_threshold = (uint64_t)MAX(
        conf_size(
            conf,
            CONF_dfs_datanode_available_space_volume_choosing_policy_balanced_space_threshold),
        0);
    picker->space_preference = conf_float(
        conf,
        CONF_dfs_datanode_available_space_volume_choosing_policy_balanced_space_preference_fraction);
    return 0;
}

struct candidate {
    struct volume *volume;
    uint64_t room;
};

struct candidates {
    struct candidate *list;
    size_t count;
};

static bool has_type(const struct volume_picker *picker, size_t count, Pb__StorageType type)
{
    for (size_t i = 0; i < count; i++)
        if (picker->volumes[i]->type == type) return true;
    return false;
}

static void gather(const struct volume_picker *picker, Pb__StorageType type,
                   struct candidates *found)
{
    size_t count = atomic_load(&picker->count);
    bool any = !has_type(picker, count, type);

    found->list = NEW_ARRAY(struct candidate, MAX(count, (size_t)1));
    for (size_t i = 0; i < count; i++) {
        struct volume *v = picker->volumes[i];
        struct volume_space space;
        struct err ignored = ERR_INIT;
        if ((!any && v->type != type) || atomic_load(&v->failed)) continue;
        if (volume_space(v, &space, &ignored)) continue;
        found->list[found->count++] = (struct candidate){.volume = v, .room = space.remaining};
    }
}

/* Keeps those above or at most at the limit. */
static void keep(struct candidates *found, uint64_t limit, bool above)
{
    size_t kept = 0;

    for (size_t i = 0; i < found->count; i++)
        if ((found->list[i].room > limit) == above) found->list[kept++] = found->list[i];
    found->count = kept;
}

/* AvailableSpaceVolumeChoosingPolicy.chooseVolume: which of the volumes come into question. 0 all, 1 those with little room, 2 those
 * with much. */
static unsigned narrow(const struct volume_picker *picker, struct candidates *found, uint64_t size)
{
    uint64_t least = UINT64_MAX, most = 0, most_of_little = 0;

    for (size_t i = 0; i < found->count; i++) {
        least = MIN(least, found->list[i].room);
        most = MAX(most, found->list[i].room);
    }
    if (!picker->by_space || found->count < 2 || most - least < picker->space_threshold) return 0;
    uint64_t limit = least + picker->space_threshold;
    uint32_t random;
    for (size_t i = 0; i < found->count; i++)
        if (found->list[i].room <= limit) most_of_little = MAX(most_of_little, found->list[i].room);
    rand_bytes(&random, sizeof random);
    bool much = most_of_little < size || random < picker->space_preference * UINT32_MAX;
    keep(found, limit, much);
    return much ? 2 : 1;
}

int volume_pick(struct volume_picker *picker, Pb__StorageType type, int64_t size,
                struct volume **volume, struct err *err)
{
    struct candidates found = {0};
    uint64_t most = 0, wanted = (uint64_t)size + picker->spare;

    gather(picker, type, &found);
    unsigned kind = narrow(picker, &found, wanted) * VOLUME_KINDS + (unsigned)type % VOLUME_KINDS;
    unsigned start = atomic_fetch_add(&picker->next[kind], 1);
    *volume = NULL;
    for (size_t i = 0; i < found.count && !*volume; i++) {
        const struct candidate *c = &found.list[(start + i) % found.count];
        most = MAX(most, c->room);
        if (c->room > wanted) *volume = c->volume;
    }
    bool met = found.count > 0;
    mem_free(found.list);
    if (*volume) {
        atomic_fetch_add(&(*volume)->promised, size);
        return 0;
    }
    if (!met) return err_set(err, ERR_DISK_OUT_OF_SPACE, "No more available volumes");
    return err_set(err, ERR_DISK_OUT_OF_SPACE,
                   "Out of space: The volume with the most available space (=%" PRIu64
                   " B) is less than the block size (=%" PRId64 " B).",
                   most, size);
}
