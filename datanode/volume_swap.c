#include "datanode/volume_swap.h"

#include "common/log.h"
#include "datanode/nn_link.h"
#include "datanode/scan_block.h"

struct wish {
    const char *word; /* as configured */
    char *dir;
    Pb__StorageType type;
    bool there;
};

struct wishes {
    struct wish *list;
    size_t count;
    char **words;
};

static void wishes_release(struct wishes *wishes)
{
    for (size_t i = 0; i < wishes->count; i++) mem_free(wishes->list[i].dir);
    mem_free(wishes->list);
    conf_list_free(wishes->words);
}

static bool is_named_twice(const struct wishes *wishes, const char *dir)
{
    for (size_t i = 0; i < wishes->count; i++)
        if (str_eq(wishes->list[i].dir, dir)) return true;
    return false;
}

static int read_wishes(struct wishes *wishes, const struct conf *fresh, struct err *err)
{
    size_t count = 0;
    int rc = 0;

    wishes->words = conf_list(fresh, CONF_dfs_datanode_data_dir);
    while (wishes->words[count]) count++;
    if (!count) return err_set(err, ERR_CONFIG, "No directory is specified.");
    wishes->list = NEW_ARRAY(struct wish, count);
    for (size_t i = 0; i < count && !rc; i++) {
        struct wish wish = {.word = wishes->words[i]};
        rc = volume_parse(wish.word, &wish.dir, &wish.type, err);
        if (!rc && is_named_twice(wishes, wish.dir))
            rc = err_set(err, ERR_CONFIG, "%s is named twice", wish.dir);
        if (rc)
            mem_free(wish.dir);
        else
            wishes->list[wishes->count++] = wish;
    }
    return rc;
}

static bool is_in_use(const struct volume *volume)
{
    return !atomic_load(&volume->removed);
}

static struct wish *wish_of(const struct wishes *wishes, const struct volume *volume)
{
    for (size_t i = 0; i < wishes->count; i++)
        if (str_eq(wishes->list[i].dir, volume->dir)) return &wishes->list[i];
    return NULL;
}

/* What is there already; a folder keeps its medium. */
static int match(const struct dataset *dataset, struct wishes *wishes, struct err *err)
{
    for (size_t i = 0; i < dataset->volume_count; i++) {
        const struct volume *volume = dataset->volumes[i];
        struct wish *wish = is_in_use(volume) ? wish_of(wishes, volume) : NULL;
        if (!wish) continue;
        if (wish->type != volume->type)
            return err_set(err, ERR_CONFIG, "Changing storage type is not allowed.");
        wish->there = true;
    }
    return 0;
}

static void note(struct buf *problems, const char *dir, const struct err *err)
{
    log_error("Failed to add volume: %s: %s", dir, err->text);
    buf_printf(problems, "FAILED TO ADD: %s: %s\n", dir, err->text);
}

static size_t add_new(struct datanode *dn, const struct wishes *wishes, const struct conf *fresh,
                      struct buf *problems)
{
    size_t added = 0;

    for (size_t i = 0; i < wishes->count; i++) {
        const struct wish *wish = &wishes->list[i];
        struct volume *volume;
        struct err err = ERR_INIT;
        if (wish->there) continue;
        int rc = volume_open(wish->word, fresh, 0, &volume, &err);
        if (!rc) rc = dataset_add_volume(dn->dataset, volume, dn->uuid, &err);
        if (rc) {
            note(problems, wish->dir, &err);
            continue;
        }
        scan_block_volumes(dn->scan);
        added++;
    }
    return added;
}

static size_t remove_old(struct dataset *dataset, const struct wishes *wishes)
{
    size_t removed = 0;

    for (size_t i = 0; i < dataset->volume_count; i++) {
        struct volume *volume = dataset->volumes[i];
        if (!is_in_use(volume) || wish_of(wishes, volume)) continue;
        log_info("Deactivating volume: %s", volume->dir);
        dataset_remove_volume(dataset, volume);
        removed++;
    }
    return removed;
}

/* Something has to be left to serve. */
static bool leaves_some(const struct dataset *dataset, const struct wishes *wishes, size_t added)
{
    for (size_t i = 0; !added && i < dataset->volume_count; i++) {
        const struct volume *volume = dataset->volumes[i];
        if (!atomic_load(&volume->failed) && wish_of(wishes, volume)) return true;
    }
    return added > 0;
}

int volume_swap(struct datanode *dn, const struct conf *fresh, struct err *err)
{
    struct wishes wishes = {0};
    struct buf problems = {0};
    size_t added = 0, removed = 0;

    int rc = read_wishes(&wishes, fresh, err);
    pthread_mutex_lock(&dn->lock);
    if (!rc) rc = match(dn->dataset, &wishes, err);
    if (!rc) added = add_new(dn, &wishes, fresh, &problems);
    if (!rc && leaves_some(dn->dataset, &wishes, added))
        removed = remove_old(dn->dataset, &wishes);
    else if (!rc)
        buf_printf(&problems, "no volume would be left: none is removed\n");
    pthread_mutex_unlock(&dn->lock);
    if (!rc && problems.length) rc = err_set(err, ERR_IO, "%s", buf_cstr(&problems));
    buf_release(&problems);
    wishes_release(&wishes);
    if (!added && !removed) return rc;
    nn_trigger_heartbeats(dn);
    nn_trigger_report(dn, false, NULL);
    return rc;
}
