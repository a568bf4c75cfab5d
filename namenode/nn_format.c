/* hdfs namenode -format (NameNode.format, Storage.confirmFormat, FSImage.format). */
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "common/rand.h"
#include "namenode/image_save.h"

static bool has_some_data(const struct nn_dir *dir)
{
    if (!file_exists(dir->root)) return false;
    return !file_is_dir(dir->root) || !dir_is_empty(dir->root);
}

/* ToolRunner.confirmPrompt; an end of input is a no. */
static bool confirm(const struct nn_dir *dir, FILE *in, FILE *out)
{
    char answer[64];

    for (;;) {
        fprintf(out,
                "Re-format filesystem in Storage Directory root= %s; location= null ? (Y or N) ",
                dir->root);
        fflush(out);
        if (!fgets(answer, sizeof answer, in)) return false;
        answer[strcspn(answer, "\r\n")] = '\0';
        if (!strcasecmp(answer, "y") || !strcasecmp(answer, "yes")) return true;
        if (!strcasecmp(answer, "n") || !strcasecmp(answer, "no")) return false;
        fprintf(out, "Invalid input: %s\n", answer);
    }
}

static int confirm_all(const struct nn_storage *storage, const struct nn_format *options,
                       struct err *err)
{
    FILE *in = options->in ? options->in : stdin, *out = options->out ? options->out : stderr;

    for (size_t i = 0; i < storage->count; i++) {
        const struct nn_dir *dir = &storage->dirs[i];
        if (!has_some_data(dir)) continue;
        if (options->force) {
            fprintf(
                out,
                "Data exists in Storage Directory root= %s; location= null. Formatting anyway.\n",
                dir->root);
        } else if (!options->interactive) {
            fprintf(
                out,
                "Running in non-interactive mode, and data appears to exist in Storage Directory "
                "root= %s; location= null. Not formatting.\n",
                dir->root);
            return err_set(err, ERR_CANCELLED, "%s is not empty", dir->root);
        } else if (!confirm(dir, in, out)) {
            fprintf(out, "Format aborted in Storage Directory root= %s; location= null\n",
                    dir->root);
            return err_set(err, ERR_CANCELLED, "format aborted in %s", dir->root);
        }
    }
    return 0;
}

/* The address that the host's own name stands for; loopback where it has none. */
static void own_ip(char *text, size_t size)
{
    struct net_addr name = {.port = 0}, numeric;
    struct net_sockaddr list[NET_RESOLVE_MAX];
    size_t count;
    struct err err = ERR_INIT;

    snprintf(text, size, "127.0.0.1");
    if (gethostname(name.host, sizeof name.host - 1)) return;
    if (net_resolve(&name, list, &count, &err)) return;
    for (size_t i = 0; i < count; i++) {
        net_sockaddr_addr(&list[i], &numeric);
        if (strchr(numeric.host, ':'))
            continue; /* the id is used as a folder's name: IPv4 as Apache's */
        snprintf(text, size, "%.45s", numeric.host);
        return;
    }
}

static void new_identity(struct core_identity *id, const char *cluster_id)
{
    struct rand rand;
    char uuid[UUID_TEXT_SIZE], ip[46];

    rand_seed_system(&rand);
    uuid_text(uuid);
    own_ip(ip, sizeof ip);
    id->namespace_id = (uint32_t)rand_below(&rand, INT32_MAX - 1) + 1;
    id->ctime = (uint64_t)clock_wall_ms();
    id->layout_version = LAYOUT_NAMENODE;
    if (str_empty(cluster_id))
        snprintf(id->cluster_id, sizeof id->cluster_id, "CID-%s", uuid);
    else
        snprintf(id->cluster_id, sizeof id->cluster_id, "%s", cluster_id);
    snprintf(id->block_pool_id, sizeof id->block_pool_id, "BP-%" PRIu64 "-%s-%" PRIu64,
             rand_below(&rand, INT32_MAX), ip, id->ctime);
}

/* VERSION last: a directory without it is not formatted. */
static int format_dirs(struct nn_storage *storage, const struct core *core, struct err *err)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    int rc = 0;

    for (size_t i = 0; i < storage->count && !rc; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        rc = file_mkdirs(dir->root, 0755, err);
        if (!rc) rc = nn_dir_lock(dir, err); /* a running namenode keeps its directory */
    }
    for (size_t i = 0; i < storage->count && !rc; i++) {
        struct nn_dir *dir = &storage->dirs[i];
        rc = file_remove_tree(dir->current, err);
        if (!rc) rc = file_mkdirs(dir->current, 0700, err);
        if (!rc) rc = nn_dir_write_seen_txid(dir, 0, err);
    }
    if (!rc) rc = image_save_begin(core, storage, 0, md5, err);
    if (!rc) rc = image_save_commit(storage, 0, md5, err);
    for (size_t i = 0; i < storage->count && !rc; i++) {
        const struct nn_dir *dir = &storage->dirs[i];
        if (atomic_load(&dir->failed))
            return err_set(err, ERR_IO, "%s could not be formatted; see the log", dir->root);
        rc = nn_dir_write_version(dir, &storage->identity, err);
        if (!rc) rc = file_sync_parent(dir->current, err);
        if (!rc) log_info("Storage directory %s has been successfully formatted.", dir->root);
    }
    return rc;
}

static int format_with_core(struct nn_storage *storage, const struct conf *conf, struct err *err)
{
    struct core core = {0};
    int rc = core_conf_load(&core.conf, conf, err);

    if (rc) return rc;
    rc = core_init(&core, err);
    if (rc) return rc;
    core.identity = storage->identity;
    inode_set_owner(core.tree.inodes, core.tree.root, core.conf.superuser, core.conf.supergroup);
    rc = format_dirs(storage, &core, err);
    core_release(&core);
    return rc;
}

int nn_storage_format(const struct conf *conf, const struct nn_format *options, struct err *err)
{
    struct nn_storage *storage;

    if (!conf_get_bool(conf, "dfs.namenode.support.allow.format", true))
        return err_set(err, ERR_CONFIG,
                       "The option dfs.namenode.support.allow.format is set to false for this "
                       "filesystem, so it cannot be formatted. You will need to set it to true to "
                       "format it");
    int rc = nn_storage_configure(&storage, conf, err);
    if (rc) return rc;
    if (options->cluster_id && strlen(options->cluster_id) >= sizeof storage->identity.cluster_id)
        rc = err_set(err, ERR_ARGUMENT, "the cluster id is longer than %zu characters",
                     sizeof storage->identity.cluster_id - 1);
    if (!rc) rc = confirm_all(storage, options, err);
    if (!rc) {
        new_identity(&storage->identity, options->cluster_id);
        log_info("Allocated new BlockPoolId: %s", storage->identity.block_pool_id);
        rc = format_with_core(storage, conf, err);
    }
    nn_storage_close(storage);
    return rc;
}
