/* Each client works below a directory of its own, one call after the other: what it was told is what must be there. */
#include "tests/sim/sim.h"

struct sim_client clients[SIM_CLIENTS_MAX];

struct model_file *model_find(struct sim_client *client, const char *path)
{
    for (size_t i = 0; i < client->count; i++)
        if (str_eq(client->files[i].path, path)) return &client->files[i];
    return NULL;
}

struct model_file *model_add(struct sim_client *client, const char *path, bool dir)
{
    struct model_file *file = model_find(client, path);

    if (!file) {
        GROW(client->files, client->capacity, client->count + 1);
        file = &client->files[client->count++];
    }
    *file = (struct model_file){.dir = dir};
    snprintf(file->path, sizeof file->path, "%s", path);
    return file;
}

/* The path itself or something below it. */
static bool is_below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return !strncmp(path, top, length) && (!path[length] || path[length] == '/');
}

void model_delete(struct sim_client *client, const char *path)
{
    char top[160];
    size_t kept = 0;

    snprintf(top, sizeof top, "%s", path);
    for (size_t i = 0; i < client->count; i++)
        if (!is_below(client->files[i].path, top)) client->files[kept++] = client->files[i];
    client->count = kept;
}

void model_rename(struct sim_client *client, const char *from, const char *to)
{
    char top[160], path[512];

    snprintf(top, sizeof top, "%s", from);
    for (size_t i = 0; i < client->count; i++) {
        struct model_file *file = &client->files[i];
        if (!is_below(file->path, top)) continue;
        snprintf(path, sizeof path, "%s%s", to, file->path + strlen(top));
        sim_require(strlen(path) < sizeof file->path, "the model's paths are too short");
        memcpy(file->path, path, strlen(path) + 1);
    }
}

struct model_file *model_pick(struct sim_client *client, bool dir)
{
    for (int i = 0; i < 8 && client->count; i++) {
        struct model_file *file = &client->files[chance(client->count)];
        if (file->dir == dir) return file;
    }
    return NULL;
}

static void check_file(const struct sim_client *client, const struct model_file *file,
                       const struct inode *inode)
{
    sim_require(inode, "client %u: %s is gone", client->index, file->path);
    sim_require(inode_is_dir(inode) == file->dir, "%s is of another kind", file->path);
    if (file->dir) return;
    uint64_t length = inode_length(inode, true);
    if (file->loose) {
        /* What a writer had acknowledged beyond that the namenode learns when the lease is recovered. */
        sim_require(inode->under_construction || length >= file->length,
                    "%s is cut to %" PRIu64 ", %" PRIu64 " were acknowledged", file->path, length,
                    file->length);
        return;
    }
    sim_require(!inode->under_construction, "%s was closed, but is open", file->path);
    sim_require(length == file->length, "%s has %" PRIu64 " bytes, not %" PRIu64, file->path,
                length, file->length);
    sim_require(inode->replication == file->replication, "%s has replication %u, not %u",
                file->path, (unsigned)inode->replication, file->replication);
}

void model_check(struct sim_client *client)
{
    struct core *core = nn_core();
    struct arena arena = {0};
    struct resolved resolved;
    struct err err = ERR_INIT;
    struct tree_walk walk;
    size_t found = 0;

    if (client->busy || !client->count) return;
    for (size_t i = 0; i < client->count; i++) {
        const struct model_file *file = &client->files[i];
        int rc = resolve_path(&core->tree, file->path, &arena, &resolved, &err);
        check_file(client, file, rc ? NULL : resolved.inode);
    }
    sim_require(resolve_path(&core->tree, client->root, &arena, &resolved, &err) == 0, "%s",
                err.text);
    tree_walk_start(&walk, &core->tree, resolved.inode);
    while (tree_walk_next(&walk)) found++;
    tree_walk_release(&walk);
    sim_require(found == client->count, "%s has %zu inodes, not %zu", client->root, found,
                client->count);
    arena_release(&arena);
}
